"""The battery itself, steps 10 to 12 of a verdict: recognised, standing, use, content.

Rules that are the verifier's and not the ledger's: X7, X15, X16, X19, X20; those whose outcome the ledger
recorded and that are shown here: X1, X3, X8, X12, X18. What follows from record and declaration is data
(`config/rules/shown-as.toml`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from credentials.documents.canonical import b64u
from credentials.verdicts.cell import Declared
from credentials.verdicts.content import check_code, check_completeness
from credentials.verdicts.evidence import LedgerView
from credentials.verdicts.names import check_further_codes, names_of
from credentials.verdicts.own_word import check_own_word
from credentials.verdicts.recognised import check_recognised
from credentials.verdicts.record import Inquiry, Record
from credentials.verdicts.shown import check_alias, check_shown
from credentials.verdicts.used import check_alias_used, check_used
from credentials.verdicts.verdict import Findings
from credentials.verdicts.verdict_record import GapRecord, PassportRecord, RecognitionRecord

if TYPE_CHECKING:
    from credentials.verdicts.verifier import Examined

IDENTITY_RULES = ("X1", "X2")  # recorded refusals that mean: one identity was claimed twice


@dataclass(frozen=True, slots=True)
class Battery:
    """What was found out about the battery beside the checks."""

    gaps: tuple[GapRecord, ...] = ()
    withheld: tuple[GapRecord, ...] = ()
    recognition: tuple[RecognitionRecord, ...] = ()
    passport: PassportRecord = field(default_factory=PassportRecord)
    names: frozenset[str] = frozenset()  # its further codes, each in its canonical form


def check_battery(
    found: Findings, shown: Sequence[Examined], inquiry: Inquiry, declared: Declared
) -> Battery:
    """Steps 10 to 12. `shown` are the examined documents, set 1 first; empty if none could be read."""
    passports = [e for e in shown if e.is_passport]
    unrecognised, answers = check_recognised(found, inquiry)
    _check_identity(found, shown, inquiry)
    cell = check_shown(found, shown, inquiry, declared)
    check_used(found, cell, inquiry, declared)
    found.unmade(("certificates",), "certificate_not_checked", rule="X15")

    names, further = names_of(shown, inquiry), list[Record]()

    def judge_alias(text: str, view: LedgerView) -> None:
        named = check_alias(found, text, view, inquiry, declared, names.parties)
        if named is not None and cell is not None:
            check_alias_used(found, text, *named, cell, inquiry)
            further.append(named[1].record)

    check_code(found, passports, inquiry, judge_alias)
    check_further_codes(found, names, inquiry, judge_alias)
    check_own_word(found, passports, inquiry, cell, further)
    gaps, withheld = check_completeness(found, passports, inquiry)
    return Battery((*unrecognised, *gaps), withheld, answers, _passport(inquiry), names.canonical)


def _passport(inquiry: Inquiry) -> PassportRecord:
    """The latest passport on the ledger, for whoever shows the verdict."""
    standing = inquiry.evidence.ledger.standing if inquiry.evidence.ledger else None
    if standing is None or standing.passport is None:
        return {}
    return {
        "digest": b64u(standing.passport.digest),
        "version": standing.passport.version,
        "issuer": standing.passport.issuer,
        "status": standing.passport.status,
        "leaf_index": standing.passport.leaf_index,
        "eu_status": standing.eu_status,
        "item_state": standing.item_state,
    }


def _check_identity(found: Findings, shown: Sequence[Examined], inquiry: Inquiry) -> None:
    """X1: a document whose attestation lost is the duplicate; the winner is only warned about."""
    view, record = inquiry.evidence.ledger, inquiry.record
    if view is None or record.unreadable:
        found.unmade(("standing.identity",), "ledger_unavailable")
        return
    lost = next((e.refused for e in shown if e.refused is not None and e.recorded is None), None)
    if lost is not None:
        reason = "duplicate_identity" if lost.rule in IDENTITY_RULES else "refused_by_ledger"
        found.failed(
            "standing.identity",
            reason,
            rule=lost.rule,
            winner_leaf_index=lost.winner_leaf_index,
            **lost.place(),
        )
        return
    own = [r for r in record.refusals if r.leaf_index >= record.begins]
    claims = [r for r in own if r.entry.rule in IDENTITY_RULES]
    others = [r for r in own if r.entry.rule not in IDENTITY_RULES]
    for refusals, reason in ((claims, "duplicate_claimed"), (others, "refused_claim")):
        for refusal in refusals:
            held = next((r for r in record.refused if r.leaf_index == refusal.leaf_index), None)
            found.warned(
                "standing.identity",
                reason,
                rule=refusal.entry.rule,
                kind=held.attestation.kind if held is not None else None,
                leaf_index=refusal.leaf_index,
                issuer=refusal.entry.issuer,
                attestation=b64u(refusal.entry.digest),
            )
    if not claims and not others:
        if view.standing is not None:
            found.passed("standing.identity")
        else:
            found.unmade(("standing.identity",), view.unknown)
