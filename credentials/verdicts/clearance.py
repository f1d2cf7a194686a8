"""One verdict per manifest line: its own evidence, and what the other lines say about it (X17).

Without a manifest (a scan of one code) the checks of the declaration do not apply; as what the battery is
shown is asked for all the same, wherever the answer matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from credentials.documents.identifiers import guess_scheme, read_identifier
from credentials.errors import CredentialError
from credentials.ledger.parties import ANY
from credentials.verdicts.battery import Battery, check_battery
from credentials.verdicts.cell import Declared
from credentials.verdicts.content import why_missing
from credentials.verdicts.declared import check_declared
from credentials.verdicts.evidence import At, Document, Evidence, Held
from credentials.verdicts.examination import STEPS
from credentials.verdicts.freshness import check_freshness, check_law_date, check_receipts, sources_of
from credentials.verdicts.kin_names import with_names_of_kin
from credentials.verdicts.manifest import Line, ManifestContext, stricter
from credentials.verdicts.policy import Policy
from credentials.verdicts.record import Inquiry, Record
from credentials.verdicts.thefts import conclude_no_milder, had_nobody_been_robbed
from credentials.verdicts.tied import with_whole_of_tied
from credentials.verdicts.verdict import Check, Conclusion, Findings, Verdict
from credentials.verdicts.verdict_record import ItemRecord
from credentials.verdicts.verifier import ADMITTED_CHECKS, Examined, examine


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """The verdict of one line."""

    line: Line
    verdict: Verdict
    # What it was judged by, for whoever asks what else follows; None: it was not judged.
    inquiry: Inquiry | None = field(default=None, compare=False, repr=False)
    examined: Sequence[Examined] = field(default=(), compare=False, repr=False)

    def as_dict(self) -> ItemRecord:
        """The JSON form."""
        return {
            "line": self.line.line,
            "battery": self.line.battery,
            "goods": self.line.goods,
            "condition": self.line.condition,
            "commodity_code": self.line.commodity_code,
            "vin": self.line.vin,
            "mass_kg": self.line.mass_kg,
            "registration_id": self.line.registration_id,
            **self.verdict.as_dict(),
        }


def clear_item(  # noqa: PLR0917  (the two dates stay apart: never one parameter)
    line: Line,
    evidence: Evidence,
    policy: Policy,
    law_date: str,
    evaluated_at: int,
    context: ManifestContext | None = None,
    *,
    direction: str | None = None,
) -> ItemVerdict:
    """Judge one line. `context` None: a scan of one code without a declaration, in this `direction`."""
    at = At(law_date, evaluated_at)
    return _clear((line,), evidence, policy, at, context, direction=direction)[0]


def clear_repeated(  # noqa: PLR0917  (the two dates stay apart: never one parameter)
    lines: Sequence[Line],
    evidence: Evidence,
    policy: Policy,
    law_date: str,
    evaluated_at: int,
    context: ManifestContext,
) -> list[ItemVerdict]:
    """Judge lines of one manifest that differ by their number alone: as `clear_item` would each.

    The battery is judged once, however often it is named; what the other lines say, for each.
    """
    assert all(replace(line, line=lines[0].line) == lines[0] for line in lines), "they say the same"
    return _clear(lines, evidence, policy, At(law_date, evaluated_at), context)


def _clear(
    lines: Sequence[Line],
    evidence: Evidence,
    policy: Policy,
    at: At,
    context: ManifestContext | None,
    *,
    direction: str | None = None,
) -> list[ItemVerdict]:
    def judge(evidence: Evidence) -> _Judged:
        return _judge(lines[0], evidence, policy, at, context, direction=direction)

    judged = judge(evidence)
    believed = had_nobody_been_robbed(judged.inquiry)
    believing = None if believed is None else judge(believed)
    cleared = []
    for line in lines:
        found = _declared(judged, line, context)
        also = () if believing is None else tuple(_declared(believing, line, context).checks)
        gaps = bool(judged.battery.gaps)
        concluded = conclude_no_milder(
            found.checks, also, evidence.network.tables, gaps=gaps, required=policy.required
        )
        verdict = _verdict(concluded, found, judged.battery, judged.inquiry)
        cleared.append(ItemVerdict(line, verdict, judged.inquiry, judged.shown))
    return cleared


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was found about a battery before it is compared with its line and the other lines."""

    found: Findings
    shown: Sequence[Examined]
    battery: Battery
    inquiry: Inquiry


def _declared(judged: _Judged, line: Line, context: ManifestContext | None) -> Findings:
    """Those findings, and what one line declares."""
    found = judged.found.copy()
    check_declared(found, line, judged.shown, judged.inquiry, context, judged.battery.names)
    return found


def _judge(
    line: Line,
    evidence: Evidence,
    policy: Policy,
    at: At,
    context: ManifestContext | None,
    *,
    direction: str | None,
) -> _Judged:
    """Every check of one line but those of its declaration."""
    found, evidence = Findings(evidence.network.tables), with_names_of_kin(evidence)
    evidence = with_whole_of_tied(evidence, policy, at)
    inquiry = Inquiry(evidence, Record.read(evidence.ledger, evidence.network.governance), policy, at)
    _check_identifier(found, line, evidence, policy)
    check_freshness(found, evidence, policy, at)
    check_law_date(found, at)
    shown = _check_documents(found, line, inquiry)
    check_receipts(found, evidence, shown[0] if shown else None, line.battery)
    battery = check_battery(found, shown, inquiry, declared_by(line, policy, context, direction))
    return _Judged(found, shown, battery, inquiry)


def declared_by(
    line: Line, policy: Policy, context: ManifestContext | None, direction: str | None = None
) -> Declared:
    """As what this line shows the battery; a scan names its own direction, if any."""
    return Declared(
        direction=context.direction_for(policy) if context else stricter(direction, policy),
        goods=line.goods,
        condition=line.condition,
        declaration=context.declaration if context else None,
        vin=line.vin,
        details=(
            ("registration_id", line.registration_id),
            ("commodity_code", line.commodity_code),
            ("eori", context.consignee_eori if context else None),
        ),
        manifest=context is not None,
    )


def _verdict(
    concluded: tuple[Conclusion, tuple[Check, ...]], found: Findings, battery: Battery, inquiry: Inquiry
) -> Verdict:
    evidence = inquiry.evidence
    return Verdict(
        *concluded,
        inquiry.at,
        evidence.network.height,
        evidence.network.block_time,
        gaps=battery.gaps,
        withheld=battery.withheld,
        sources=sources_of(evidence, inquiry.at, battery.names),
        recognition=battery.recognition,
        timeline=inquiry.record.timeline(evidence.network.governance),
        passport=battery.passport,
        good_until=inquiry.good_until(found),
    )


# -- the battery and its documents ---------------------------------------------------------------------


def _check_identifier(found: Findings, line: Line, evidence: Evidence, policy: Policy) -> None:
    rules = evidence.network.tables.identifiers
    try:
        scheme = guess_scheme(line.battery, rules)
        if scheme not in policy.schemes and not (
            ANY in policy.schemes and scheme in rules.get("schemes", ())
        ):
            found.unknown("identifier", "identifier_unsupported", scheme=scheme)
            return
        identifier = read_identifier(line.battery, rules, namespace="-")
    except CredentialError as error:
        known = error.code == "identifier_unsupported"
        found.unknown("identifier", error.code if known else "identifier_invalid", detail=str(error))
        return
    except KeyError:
        found.unmade(("identifier",), "tables_unavailable")
        return
    if line.battery not in evidence.subjects:
        found.unmade(("identifier",), "not_held", needs="subject")
    else:
        found.passed("identifier", scheme=scheme, notes=list(identifier.notes) or None)


def _check_documents(found: Findings, line: Line, inquiry: Inquiry) -> list[Examined]:
    """Steps 1 to 9 for the documents shown with the line, or else for those fetched from the publisher."""
    evidence = inquiry.evidence
    later = ("parse", *STEPS, *ADMITTED_CHECKS, "accredited")
    fetched = [(point, held) for point, held in sorted(evidence.documents.items()) if isinstance(held, Held)]
    if evidence.presented:
        queue: list[tuple[Document | bytes, int | None, str]] = [(d, 0, "shown") for d in evidence.presented]
    else:
        queue = [
            (
                held.document,
                None if held.fetched_at is None else inquiry.at.evaluated_at - held.fetched_at,
                "fetched",
            )
            for _, held in fetched
        ]
    if not queue:
        reason = why_missing(inquiry, 1)
        found.unknown("document", reason)
        found.unmade(later, reason)
        return []
    examined = [examine(found, document, inquiry, age_s=age) for document, age, _ in queue]
    shown = [e for e in examined if e is not None]
    if evidence.presented and shown:
        _complete(found, shown, fetched, inquiry)
    points = sorted({e.point for e in shown if e.is_passport and e.point is not None})
    if 1 in points:
        found.passed("document", points=points, origin=queue[0][2])
    elif shown:
        found.unknown("document", why_missing(inquiry, 1), points=points)
    else:
        found.unknown("document", _worst_reading(found))
    _check_line_subject(found, line, shown, evidence)
    return sorted(shown, key=lambda e: (not e.is_passport, e.point or 0))


def _complete(
    found: Findings, shown: list[Examined], fetched: Sequence[tuple[int, Held]], inquiry: Inquiry
) -> None:
    """Further sets that were fetched complete the picture, if they are of the passport that is shown.

    They bring their checks with them: what fails in them fails the line.
    """
    points = {e.point for e in shown if e.is_passport}
    publisher = {e.recorded.attestation.digest for e in shown if e.established and e.recorded is not None}
    for point, held in fetched:
        if point in points:
            continue
        apart = Findings(inquiry.evidence.network.tables)
        extra = examine(apart, held.document, inquiry)
        found.moments |= apart.moments
        if extra and extra.established and extra.recorded and extra.recorded.attestation.digest in publisher:
            found.checks.extend(apart.checks)
            shown.append(extra)


def _check_line_subject(found: Findings, line: Line, shown: Sequence[Examined], evidence: Evidence) -> None:
    """A document of another battery, shown for this one, is no document of this one."""
    declared = evidence.subjects.get(line.battery)
    for examined in shown:
        text = examined.credential.subject.get("id")
        named = evidence.subjects.get(text) if isinstance(text, str) else None
        if declared is not None and named is not None and named.as_list() != declared.as_list():
            found.failed("admitted.subject", "wrong_subject", declared=line.battery, document=text)


def _worst_reading(found: Findings) -> str:
    reasons = {check.reason for check in found.checks}
    return next(
        (r for r in ("unsupported_algorithm", "malformed", "structure_invalid") if r in reasons), "malformed"
    )
