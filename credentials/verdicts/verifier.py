"""Verify one document against the evidence a node gathered: numbered steps, every check kept.

    1 parse       4 issuer_key    7 status     10 recognised   13 policy
    2 structure   5 validity      8 admitted   11 standing
    3 proof       6 schema        9 accredited 12 completeness

No step raises and none is left out: what could not be checked is a check of its own, with the source that
was missing. What a failing or missing check means is data (`verdict.conclude`). Steps 1 to 7 are those of
`credentials.verdicts.examination`, the same as for a document on its own; 8 and 9 are here, those about the
battery itself (10 to 12) in `credentials.verdicts.battery`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credentials.documents.canonical import b64u
from credentials.documents.model import Credential
from credentials.ledger.lifecycle import PUBLISHING
from credentials.verdicts.battery import Battery, check_battery
from credentials.verdicts.cell import Declared
from credentials.verdicts.evidence import At, Document, Evidence
from credentials.verdicts.examination import examine_document
from credentials.verdicts.freshness import check_freshness, check_law_date, check_receipts, sources_of
from credentials.verdicts.ledger_means import means_of
from credentials.verdicts.means import Demands
from credentials.verdicts.policy import CHECKS, Policy
from credentials.verdicts.record import Inquiry, Record, Recorded
from credentials.verdicts.thefts import conclude_no_milder, had_nobody_been_robbed
from credentials.verdicts.verdict import Findings, Verdict

PASSPORT_TYPE = "BatteryPassportCredential"

ADMITTED_CHECKS = tuple(name for name in CHECKS if name.startswith("admitted."))


@dataclass(frozen=True, slots=True)
class Examined:
    """What the document steps found out, for the steps about the battery."""

    document: Document
    credential: Credential
    digest: bytes
    point: int | None  # the Annex XIII point, for a passport set
    proven: bool  # the signature holds and is the issuer's
    recorded: Recorded | None  # the admitted attestation that covers it
    refused: Recorded | None  # the refused attestation that covers it

    @property
    def is_passport(self) -> bool:
        """True for a set of a battery passport."""
        return PASSPORT_TYPE in self.credential.types

    @property
    def established(self) -> bool:
        """True if what it says may be relied on: the issuer's proof holds and the ledger records it."""
        return self.proven and self.recorded is not None

    @property
    def claims(self) -> Mapping[str, Any]:
        """What the document says about its first subject."""
        return self.credential.subject


def verify(document: Document | bytes, evidence: Evidence, policy: Policy, at: At) -> Verdict:
    """Judge one document and the battery it is about; collects all checks and never raises for bad input."""
    found, battery, inquiry = _judge(document, evidence, policy, at)
    believing = had_nobody_been_robbed(inquiry)
    also = () if believing is None else tuple(_judge(document, believing, policy, at)[0].checks)
    made = {check.name for check in found.checks}
    # A document alone has no manifest line: what only a line can answer is not asked of it.
    required = frozenset(n for n in policy.required if CHECKS[n] != "manifest" or n in made)
    concluded = conclude_no_milder(
        found.checks, also, evidence.network.tables, gaps=bool(battery.gaps), required=required
    )
    return Verdict(
        *concluded,
        at,
        evidence.network.height,
        evidence.network.block_time,
        gaps=battery.gaps,
        withheld=battery.withheld,
        sources=sources_of(evidence, at, battery.names),
        recognition=battery.recognition,
        timeline=inquiry.record.timeline(evidence.network.governance),
        passport=battery.passport,
        good_until=inquiry.good_until(found),
    )


def _judge(
    document: Document | bytes, evidence: Evidence, policy: Policy, at: At
) -> tuple[Findings, Battery, Inquiry]:
    """Every check of one document and the battery it is about."""
    found = Findings(evidence.network.tables)
    record = Record.read(evidence.ledger, evidence.network.governance)
    inquiry = Inquiry(evidence, record, policy, at)
    check_freshness(found, evidence, policy, at)
    check_law_date(found, at)
    found.passed("document", origin="shown")
    examined = examine(found, document, inquiry)
    named = examined.credential.subject.get("id") if examined else None
    check_receipts(found, evidence, examined, named if isinstance(named, str) else None)
    declared = Declared(policy.direction, asked=False)
    return found, check_battery(found, [examined] if examined else [], inquiry, declared), inquiry


def examine(
    found: Findings, shown: Document | bytes, inquiry: Inquiry, *, age_s: int | None = None
) -> Examined | None:
    """Steps 1 to 9 for one document; None when it could not even be read as a credential."""
    evidence, record, at = inquiry.evidence, inquiry.record, inquiry.at
    demands = Demands(skew_s=inquiry.policy.clock_skew_s)
    # 1 parse to 7 status
    read = examine_document(found, shown, means_of(inquiry), demands, inquiry.now, age_s=age_s)
    if read is None:
        found.unmade((*ADMITTED_CHECKS, "accredited"), found.checks[-1].reason)
        return None
    examined = Examined(
        read.document,
        read.credential,
        read.digest,
        _point(read.credential),
        read.proven,
        record.covering(read.digest),
        record.refused_covering(read.digest),
    )
    # 8 admitted
    _check_admitted(found, examined, evidence, record, read.unreadable)
    # 9 accredited
    _check_accredited(found, examined, evidence, at)
    return examined


# -- admitted ------------------------------------------------------------------------------------------


def _check_admitted(
    found: Findings, examined: Examined, evidence: Evidence, record: Record, undecided: str | None
) -> None:
    """Admitted: each condition its own check, and the entry on the own ledger."""
    if evidence.ledger is None:
        found.unmade(ADMITTED_CHECKS, "ledger_unavailable")
        return
    if undecided is not None:
        found.unmade(ADMITTED_CHECKS, undecided)
        return
    recorded = examined.recorded
    others = tuple(name for name in ADMITTED_CHECKS if name != "admitted.entry")
    if recorded is None:
        if record.unreadable:
            found.unmade(ADMITTED_CHECKS, "ledger_unavailable", unreadable_entries=record.unreadable)
            return
        lost = examined.refused
        if lost is None:
            found.failed("admitted.entry", "not_admitted", digest=b64u(examined.digest))
        else:
            found.failed(
                "admitted.entry",
                "refused_by_ledger",
                rule=lost.rule,
                digest=b64u(examined.digest),
                winner_leaf_index=lost.winner_leaf_index,
                **lost.place(),
            )
        found.unmade(others, "not_admitted" if lost is None else "refused_by_ledger")
        return
    statement = recorded.attestation
    governance = evidence.network.governance
    place = recorded.place()
    found.passed("admitted.payload", digest=b64u(examined.digest), **place)
    if statement.issuer == examined.credential.issuer:
        found.passed("admitted.issuer", issuer=statement.issuer)
    else:
        found.failed(
            "admitted.issuer", "wrong_issuer", document=examined.credential.issuer, record=statement.issuer
        )
    _check_subject(found, examined, evidence, recorded)
    event = governance.lifecycle.event(statement.kind) if governance else None
    if governance is None:
        found.unknown("admitted.kind", "genesis_unavailable", kind=statement.kind)
    elif event is None:
        found.unknown("admitted.kind", "kind_unknown", kind=statement.kind)
    elif _kind_fits(examined, statement.kind, event.effects.passport):
        found.passed("admitted.kind", kind=statement.kind)
    else:
        found.failed(
            "admitted.kind", "wrong_kind", kind=statement.kind, types=list(examined.credential.types)
        )
    network = evidence.network
    if network.network_id is None:
        found.unknown("admitted.network", "genesis_unavailable")
    elif statement.network_id == network.network_id:
        found.passed("admitted.network", network=network.network_name)
    else:
        found.failed("admitted.network", "wrong_network")
    found.passed("admitted.entry", block_time=recorded.block_time, **place)


def _kind_fits(examined: Examined, kind: str, passport_effect: str | None) -> bool:
    if not examined.is_passport:
        return passport_effect not in PUBLISHING and examined.claims.get("event") == kind
    sets = examined.recorded.attestation.set_list if examined.recorded else None
    return (
        passport_effect in PUBLISHING
        and sets is not None
        and examined.point is not None
        and sets.points.get(examined.point) == examined.digest
        and examined.claims.get("passportVersion") == sets.version
    )


def _check_subject(found: Findings, examined: Examined, evidence: Evidence, recorded: Recorded) -> None:
    statement = recorded.attestation
    texts = [s["id"] for s in examined.credential.subjects if isinstance(s.get("id"), str)]
    subjects = [evidence.subjects.get(text) for text in texts]
    if not texts or any(subject is None for subject in subjects):
        found.unknown("admitted.subject", "identifier_invalid", identifiers=texts)
    elif all(subject and subject.as_list() == statement.subject.as_list() for subject in subjects):
        found.passed("admitted.subject", identifiers=texts)
    else:
        found.failed("admitted.subject", "wrong_subject", identifiers=texts)


# -- accredited ----------------------------------------------------------------------------------------


def _check_accredited(found: Findings, examined: Examined, evidence: Evidence, at: At) -> None:
    """Recorded: accredited then. Never recorded: today, and for making batteries of this namespace (X9)."""
    governance = evidence.network.governance
    issuer = examined.credential.issuer
    if governance is None:
        found.unknown("accredited", "genesis_unavailable")
        return
    if governance.participant(issuer) is None:
        found.unknown("accredited", "issuer_unknown", issuer=issuer)
        return
    text = examined.credential.subject.get("id")
    subject = evidence.subjects.get(text) if isinstance(text, str) else None
    if subject is None:
        found.unknown("accredited", "identifier_invalid", issuer=issuer)
        return
    scope = {"issuer": issuer, "scheme": subject.scheme, "namespace": subject.namespace}
    recorded = examined.recorded
    if recorded is not None:
        kinds = [recorded.attestation.kind]
        times = [recorded.block_time, recorded.attestation.event_time]
    else:
        standing = evidence.ledger.standing if evidence.ledger else None
        events = governance.lifecycle.events.values()
        responsible = standing is not None and standing.responsible == issuer
        kinds = [
            e.type for e in events if (e.effects.passport in PUBLISHING if responsible else e.effects.creates)
        ]
        times = [at.evaluated_at]
        for held_by in governance.accreditations_of(issuer):
            found.turns_at(held_by.valid_from, held_by.valid_until)
    for time in times:
        held = [
            governance.accredited(issuer, kind, subject.scheme, subject.namespace, time) for kind in kinds
        ]
        if not any(held):
            found.failed("accredited", "issuer_out_of_scope", rule="X9", at=time, **scope)
            return
    if not examined.established:
        found.unmade(("accredited",), "document_unestablished", **scope)
        return
    licence = next((a.licence for a in held if a is not None), "")
    found.passed("accredited", licence=licence or None, **scope)


# -- small ---------------------------------------------------------------------------------------------


def _point(credential: Credential) -> int | None:
    point = credential.subject.get("annexXiiiPoint")
    return point if type(point) is int else None
