"""The battery itself: recognised, standing, what its life says about the goods, completeness (design.md 9).

Rules that are the verifier's and not the ledger's: X7, X15, X16, X19, X20; those whose outcome the ledger
recorded and that are shown here: X1, X3, X8, X12, X18. Which states and events mean what is data
(`config/rules/verdicts.json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Identifier, parse_identifier, read_identifier
from credentials.documents.model import parse_date_time
from credentials.documents.passport import CodeMismatch, PointState, code_mismatches, completeness
from credentials.documents.passport import category as category_of
from credentials.errors import CredentialError
from credentials.ledger.recognition import Effect, ask
from credentials.ledger.standing import CEASED, LIVE, SUPERSEDED, Standing
from credentials.verdicts.evidence import At, Evidence, Held, Missing, MissingReason
from credentials.verdicts.record import Inquiry, Record, Recorded
from credentials.verdicts.verdict import Findings, Outcome

if TYPE_CHECKING:
    from credentials.verdicts.verifier import Examined

CODE_SCHEMES = ("gbt34014", "gs1")  # a battery has one code of such a scheme
ALIAS_CHARS_MAX = 256  # of an identifier shown as evidence
IDENTITY_RULES = ("X1", "X2")  # recorded refusals that mean: one identity was claimed twice
STANDING_CHECKS = (
    "standing.identity",
    "standing.state",
    "standing.publication",
    "standing.lost",
    "standing.recall",
)
DEMONSTRATION = (
    "Recognition here is a demonstration, made for this network: no EU act recognises a Chinese battery "
    "attestation today."
)
_DAY_S = 86_400


@dataclass(slots=True)
class Battery:
    """What was found out about the battery beside the checks."""

    gaps: tuple[Mapping[str, Any], ...] = ()
    withheld: tuple[Mapping[str, Any], ...] = ()
    recognition_note: str = ""
    passport: Mapping[str, Any] = field(default_factory=dict)
    category: str | None = None


def check_battery(found: Findings, shown: Sequence[Examined], inquiry: Inquiry) -> Battery:
    """Steps 10 to 12. `shown` are the examined documents, set 1 first; empty if none could be read."""
    battery = Battery()
    evidence = inquiry.evidence
    passports = [e for e in shown if e.is_passport]
    _check_recognised(found, inquiry, battery)
    _check_standing(found, shown, inquiry)
    _check_history(found, inquiry)
    found.unmade(("certificates",), "certificate_not_checked", rule="X15")
    _check_code(found, passports, inquiry)
    _check_completeness(found, passports, inquiry, battery)
    standing = evidence.ledger.standing if evidence.ledger else None
    if standing is not None and standing.passport is not None:
        battery.passport = {
            "digest": b64u(standing.passport.digest),
            "version": standing.passport.version,
            "issuer": standing.passport.issuer,
            "status": standing.passport.status,
            "leaf_index": standing.passport.leaf_index,
            "eu_status": standing.eu_status,
            "item_state": standing.item_state,
        }
    return battery


# -- recognised ----------------------------------------------------------------------------------------


def row_statements(row_id: str, evidence: Evidence, record: Record) -> list[Recorded]:
    """The admitted statements that answer a requirement row, by crosswalk-evidence.json."""
    row = evidence.network.tables.crosswalk_evidence.get("rows", {}).get(row_id, {})
    found: dict[bytes, Recorded] = {}
    for part in row.get("parts", ()):
        for accepted in part.get("accepts", ()):
            if "event" in accepted:
                statements: Iterable[Recorded] = record.of_kinds([accepted["event"]])
            else:
                live = live_passport(evidence, record)
                statements = [live] if live else []
            found.update({s.attestation.digest: s for s in statements})
    return list(found.values())


def live_passport(evidence: Evidence, record: Record) -> Recorded | None:
    """The statement under which the latest passport was published."""
    standing = evidence.ledger.standing if evidence.ledger else None
    if standing is None or standing.passport is None:
        return None
    return record.with_digest(standing.passport.attestation)


def _check_recognised(found: Findings, inquiry: Inquiry, battery: Battery) -> None:
    evidence, record, policy, at = inquiry.evidence, inquiry.record, inquiry.policy, inquiry.at
    network = evidence.network
    if network.recognitions is None or network.genesis is None:
        missing = "genesis_unavailable" if network.genesis is None else "recognition_unavailable"
        found.unknown("recognised", missing)
        return
    if evidence.ledger is None:
        found.unknown("recognised", "ledger_unavailable")
        return
    table = network.tables.crosswalk_evidence.get("rows", {})
    strange = [row_id for row_id in policy.recognition_rows if row_id not in table]
    if strange:
        found.unknown("recognised", "tables_unavailable", rows=strange)
        return
    asked = 0
    gaps: list[Mapping[str, Any]] = []
    notes: list[str] = []
    unanswered: dict[str, str] = {}  # rows nobody's statement is recognised for, where that spoils nothing
    for row_id in policy.recognition_rows:
        for statement in row_statements(row_id, evidence, record):
            issuer = network.genesis.participant(statement.attestation.issuer)
            if issuer is None or issuer.jurisdiction == policy.jurisdiction:
                continue
            asked += 1
            answer = ask(
                network.recognitions,
                policy.jurisdiction,
                issuer.did,
                row_id,
                event_time=statement.attestation.event_time,
                now=at.evaluated_at,
                issuer_roles=issuer.roles,
                issuer_jurisdiction=issuer.jurisdiction,
            )
            now = answer.now
            outcome, effect = answer.outcome, answer.effect
            if now is not None and _too_old(now.conditions, statement, at):
                outcome, effect = "fail", Effect.NOT_RECOGNISED
            told: dict[str, Any] = {
                "row": row_id,
                "issuer": issuer.did,
                "effect": effect.value,
                "legal_basis": now.legal_basis if now else None,
                "authority": now.authority if now else None,
                "conditions": dict(now.conditions) if now and now.conditions else None,
                **statement.place(),
            }
            if now is not None:
                notes.append(f"{row_id}: {effect.value} ({now.legal_basis})")
            if outcome == "pass":
                found.passed("recognised", **told)
            elif effect is Effect.INFORMATION_ONLY:
                found.warned("recognised", "information_only", **told)
                if policy.recognition_required:
                    gaps.append({"row": row_id, "name": "recognised for information only", "provision": ""})
            elif policy.recognition_required:
                found.failed("recognised", "not_recognised", **told)
            else:
                unanswered[row_id] = issuer.did
    if unanswered:
        issuers = sorted(set(unanswered.values()))
        found.warned("recognised", "no_recognition", rows=sorted(unanswered), issuers=issuers)
    if not asked:
        found.inapplicable("recognised")
    battery.gaps = (*battery.gaps, *gaps)
    if notes:
        battery.recognition_note = f"{DEMONSTRATION} {'; '.join(dict.fromkeys(notes))}."
    elif asked:
        where = policy.jurisdiction
        battery.recognition_note = f"No recognition of the foreign issuer is in force in {where}."


def _too_old(conditions: Mapping[str, Any], statement: Recorded, at: At) -> bool:
    """True if the recognition covers only younger statements."""
    days = conditions.get("attestation_age_days_max")
    return type(days) is int and at.evaluated_at - statement.attestation.event_time > days * _DAY_S


# -- standing ------------------------------------------------------------------------------------------


def _check_standing(found: Findings, shown: Sequence[Examined], inquiry: Inquiry) -> None:
    evidence, record, policy = inquiry.evidence, inquiry.record, inquiry.policy
    if evidence.ledger is None:
        found.unmade(STANDING_CHECKS, "ledger_unavailable")
        return
    standing = evidence.ledger.standing
    if record.unreadable:
        found.unmade(STANDING_CHECKS, "ledger_unavailable", unreadable_entries=record.unreadable)
        return
    _check_identity(found, shown, record, known=standing is not None)
    if standing is None:
        found.unmade(STANDING_CHECKS[1:], "not_found")
        return
    rules = evidence.network.tables.verdicts.get("itemStates")
    if rules is None:
        found.unmade(("standing.state",), "tables_unavailable")
    else:
        meaning = rules.get(standing.item_state)
        told: dict[str, Any] = {"item_state": standing.item_state, "eu_status": standing.eu_status}
        if meaning is None or policy.direction not in meaning.get("directions", [policy.direction]):
            found.passed("standing.state", **told)
        else:
            found.add(
                "standing.state",
                Outcome(meaning["outcome"]),
                meaning["reason"],
                rule=meaning.get("rule"),
                **told,
            )
    _check_publication(found, shown, standing, inquiry)
    if standing.lost:
        found.failed("standing.lost", "lost", rule="X18", leaf_index=standing.facts.get("lost"))
    else:
        found.passed("standing.lost")
    if standing.recalled:
        found.failed("standing.recall", "recalled", leaf_index=standing.facts.get("recalled"))
    else:
        found.passed("standing.recall")


def _check_identity(found: Findings, shown: Sequence[Examined], record: Record, *, known: bool) -> None:
    """X1: a document whose attestation lost is the duplicate; the winner is only warned about."""
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
    claims = [r for r in record.refusals if r.entry.rule in IDENTITY_RULES]
    others = [r for r in record.refusals if r.entry.rule not in IDENTITY_RULES]
    for refusals, reason in ((claims, "duplicate_claimed"), (others, "refused_claim")):
        for refusal in refusals:
            found.warned(
                "standing.identity",
                reason,
                rule=refusal.entry.rule,
                leaf_index=refusal.leaf_index,
                issuer=refusal.entry.issuer,
                attestation=b64u(refusal.entry.digest),
            )
    if not claims and not others:
        if known:
            found.passed("standing.identity")
        else:
            found.unmade(("standing.identity",), "not_found")


def _check_publication(
    found: Findings, shown: Sequence[Examined], standing: Standing, inquiry: Inquiry
) -> None:
    current = standing.passport
    if current is None:
        found.unknown("standing.publication", _no_passport(inquiry), publication=standing.publication)
        return
    told = {"digest": b64u(current.digest), "version": current.version, "status": current.status}
    passports = [e for e in shown if e.is_passport]
    recorded = [e.recorded for e in passports if e.recorded is not None]
    if any(r.attestation.document_digest != current.digest for r in recorded):
        found.failed("standing.publication", "superseded", **told)
    elif current.status == LIVE and not passports:
        # The ledger has a current passport; whether this is it cannot be said without a document.
        found.unmade(("standing.publication",), why_missing(inquiry, 1), **told)
    elif current.status == LIVE and not all(e.established for e in passports):
        found.unmade(("standing.publication",), "document_unestablished", **told)
    elif current.status == LIVE:
        found.passed("standing.publication", **told)
    elif current.status == CEASED:
        found.failed("standing.publication", "recycled", rule="X3", **told)
    elif current.status == SUPERSEDED:
        found.failed("standing.publication", "superseded", **told)
    else:
        found.failed("standing.publication", current.status, **told)


# -- history: X7, X19, X20, state of health ------------------------------------------------------------


def _check_history(found: Findings, inquiry: Inquiry) -> None:
    evidence, record, policy = inquiry.evidence, inquiry.record, inquiry.policy
    names = ("new_not_used", "parts_not_used", "used_evidence", "soh", "status_change_values")
    events = evidence.network.tables.verdicts.get("events")
    if evidence.ledger is None or record.unreadable:
        found.unmade(names, "ledger_unavailable")
        return
    if events is None:
        found.unmade(names, "tables_unavailable")
        return
    standing = evidence.ledger.standing
    if standing is None:
        found.unmade(names, "not_found")
        return
    _check_new(found, standing, record, events)
    used = record.of_kinds(events["use"])
    border = [r for r in record.of_kinds(events["border"]) if used and r.leaf_index > used[0].leaf_index]
    if not border or not policy.annex_xiv_required:
        found.inapplicable("used_evidence")
    else:
        _check_used(found, border[-1], evidence, events["annexXiv"])
    _check_soh(found, bool(border), events, inquiry)
    if standing.eu_status == "original":
        found.inapplicable("status_change_values", eu_status=standing.eu_status)
    elif _measured(record, events):
        found.passed("status_change_values", rule="X20", eu_status=standing.eu_status)
    else:
        found.unknown("status_change_values", "not_held", rule="X20", eu_status=standing.eu_status)


def _check_new(
    found: Findings, standing: Standing, record: Record, events: Mapping[str, Sequence[str]]
) -> None:
    """X7, as far as the ledger tells: no statement of waste before a placing as original."""
    waste = record.of_kinds(list(events["waste"]))
    placing = record.of_kinds(list(events["placing"]))
    again = [p for p in placing if any(w.leaf_index < p.leaf_index for w in waste)]
    if again or (standing.parent is not None and placing):
        place = again[0].place() if again else placing[0].place()
        found.failed("new_not_used", "used_sold_as_new", rule="X7", **place)
        found.unmade(("parts_not_used",), "parts_not_compared", rule="X7")
    elif waste or standing.eu_status != "original":
        found.inapplicable("new_not_used", eu_status=standing.eu_status)
        found.inapplicable("parts_not_used", eu_status=standing.eu_status)
    else:
        found.passed("new_not_used", rule="X7")
        found.unmade(("parts_not_used",), "parts_not_compared", rule="X7")


def _check_used(
    found: Findings, export: Recorded, evidence: Evidence, rules: Mapping[str, Mapping[str, Any]]
) -> None:
    """X19: a used battery crosses a border with the Annex XIV record, or is presumed to be waste."""
    statement = export.attestation
    needed = rules.get(statement.kind)
    if needed is None:
        found.failed(
            "used_evidence", "used_evidence_missing", rule="X19", kind=statement.kind, **export.place()
        )
        return
    members = event_members(evidence, export)
    if isinstance(members, Missing) or members is None:
        reason = members.reason.value if members else "not_held"
        found.unknown(
            "used_evidence",
            "evidence_withheld" if reason == MissingReason.WITHHELD else "not_held",
            rule="X19",
            detail=f"the document of {statement.kind} is not held: {reason}",
            **export.place(),
        )
        return
    lacking = [name for name in needed["present"] if members.get(name) in (None, "")]
    lacking += [name for name in needed["true"] if members.get(name) is not True]
    if lacking:
        found.failed("used_evidence", "used_evidence_missing", rule="X19", lacking=lacking, **export.place())
    else:
        found.passed("used_evidence", rule="X19", **export.place())


def _measured(record: Record, events: Mapping[str, Any]) -> list[Recorded]:
    quantity = events["sohQuantity"]
    return [r for r in record.of_kinds(events["soh"]) if quantity in r.attestation.quantities]


def _check_soh(found: Findings, used: bool, events: Mapping[str, Any], inquiry: Inquiry) -> None:
    record, policy, at = inquiry.record, inquiry.policy, inquiry.at
    if not used or policy.soh_age_days_max is None:
        found.inapplicable("soh")
        return
    measured = _measured(record, events)
    if not measured:
        found.failed("soh", "soh_missing", rule="X19")
        return
    latest = max(measured, key=lambda r: r.attestation.event_time)
    age_s = at.evaluated_at - latest.attestation.event_time
    told = {
        "soh_permille": latest.attestation.quantities[events["sohQuantity"]],
        "measured_by": latest.attestation.issuer,
        "kind": latest.attestation.kind,
        **latest.place(),
    }
    if age_s > policy.soh_age_days_max * _DAY_S:
        found.failed("soh", "soh_outdated", age_s=age_s, **told)
    else:
        found.passed("soh", age_s=age_s, **told)


def event_members(evidence: Evidence, recorded: Recorded) -> Mapping[str, Any] | Missing | None:
    """The members of an event's document, if it is held and is the one that was attested."""
    held = evidence.events.get(recorded.attestation.document_digest)
    if held is None or isinstance(held, Missing):
        return held
    subject = held.document.get("credentialSubject")
    if not isinstance(subject, Mapping) or subject.get("event") != recorded.attestation.kind:
        return None
    members = subject.get("members")
    return members if isinstance(members, Mapping) else None


# -- content -------------------------------------------------------------------------------------------


def _check_code(found: Findings, passports: Sequence[Examined], inquiry: Inquiry) -> None:
    """X16: what the code says against what set 1 says."""
    public = next((e for e in passports if e.point == 1), None)
    if public is None or not public.established:
        reason = why_missing(inquiry, 1) if public is None else "document_unestablished"
        found.unmade(("code_matches_passport", "alias"), reason, rule="X16")
        return
    evidence = inquiry.evidence
    tables = evidence.network.tables
    code = public.claims.get("code")
    try:
        if not isinstance(code, Mapping):
            raise CredentialError("malformed", "the passport carries no code")
        identifier = parse_identifier(
            str(code.get("scheme")),
            str(code.get("value")),
            tables.identifiers,
            namespace=public.credential.issuer,
        )
        if identifier.uri != public.claims.get("id"):
            raise CredentialError("malformed", "the code and the identifier of the passport differ")
        mismatches = code_mismatches(identifier, public.claims, tables.identifiers)
        named = _named_in(public.claims, tables.identifiers)
    except CredentialError as error:
        found.failed("code_matches_passport", "code_mismatch", rule="X16", detail=str(error))
        found.unmade(("alias",), "code_mismatch", rule="X16")
        return
    except (KeyError, TypeError):
        found.unmade(("code_matches_passport", "alias"), "tables_unavailable", rule="X16")
        return
    text, other = named
    if other is not None and other.scheme == identifier.scheme and other.scheme in CODE_SCHEMES:
        found.inapplicable("alias")
        if other.canonical != identifier.canonical:
            # Two codes of one scheme are two batteries.
            mismatches.append(
                CodeMismatch("identifier", identifier.canonical, other.canonical, confirmed=True)
            )
    elif text is None or (other is not None and other.uri == identifier.uri):
        found.inapplicable("alias")
    else:
        found.warned("alias", "alias_not_recorded", rule="X16", identifier=text[:ALIAS_CHARS_MAX])
    told = [{"name": m.name, "code": m.code_value, "passport": m.passport_value} for m in mismatches]
    if any(m.confirmed for m in mismatches):
        found.failed("code_matches_passport", "code_mismatch", rule="X16", differing=told)
    elif mismatches:
        found.warned("code_matches_passport", "code_differs_unconfirmed", rule="X16", differing=told)
    else:
        found.passed("code_matches_passport", rule="X16", notes=list(identifier.notes) or None)


def _named_in(claims: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[str | None, Identifier | None]:
    """The productIdentifier of set 1, and the identifier it is, if it is one this node can read."""
    general = claims.get("GeneralProductInformation")
    text = general.get("productIdentifier") if isinstance(general, Mapping) else None
    if text is None or text == "":
        return None, None
    text = str(text).strip()
    try:
        return text, read_identifier(text, rules, namespace="-")
    except CredentialError:
        return text, None


def _check_completeness(
    found: Findings, passports: Sequence[Examined], inquiry: Inquiry, battery: Battery
) -> None:
    """Which data points are required at the law date, of the sets this audience may see."""
    evidence, policy, at = inquiry.evidence, inquiry.policy, inquiry.at
    tables = evidence.network.tables
    access = tables.access.get("audiences", {}).get(policy.audience)
    if access is None:
        found.unmade(("completeness",), "tables_unavailable", audience=policy.audience)
        return
    entitled = {int(point) for point in access}
    sets = {e.point: e.claims for e in passports if e.point is not None and e.established}
    if 1 not in sets:
        shown = any(e.point == 1 for e in passports)
        found.unmade(("completeness",), "document_unestablished" if shown else why_missing(inquiry, 1))
        return
    try:
        battery.category = category_of(sets[1], tables.paths)
        states = completeness(sets, battery.category, at.law_date, tables.datapoints, tables.paths)
    except CredentialError as error:
        found.unknown("completeness", "schema_invalid", detail=str(error))
        return
    except (KeyError, TypeError):
        found.unmade(("completeness",), "tables_unavailable")
        return
    issued = _issued_points(inquiry)
    gaps, withheld, unseen = [], [], []
    for state in states:
        row: dict[str, Any] = {
            "dp": state.dp,
            "name": state.name,
            "provision": state.provision,
            "point": state.point,
        }
        if state.state is PointState.MISSING:
            gaps.append(row)
        elif state.state is PointState.WITHHELD and state.point not in entitled:
            withheld.append(row)
        elif state.state is PointState.WITHHELD and issued is not None and state.point not in issued:
            gaps.append(row)  # the passport has no such set at all
        elif state.state is PointState.WITHHELD:
            unseen.append(row)
    battery.gaps = (*battery.gaps, *gaps)
    battery.withheld = tuple(withheld)
    told = {
        "present": sum(s.state is PointState.PRESENT for s in states),
        "missing": len(gaps),
        "withheld": len(withheld) + len(unseen),
        "not_yet_required": sum(s.state is PointState.NOT_YET_REQUIRED for s in states),
        "category": battery.category,
        "law_date": at.law_date,
    }
    fatal = [gap["dp"] for gap in gaps if gap["dp"] in policy.hold_when_missing]
    if fatal:
        reason = "operator_missing" if fatal == [2] else "required_data_missing"
        found.failed("completeness", reason, data_points=fatal, **told)
    elif unseen:
        points = sorted({row["point"] for row in unseen})
        found.unknown("completeness", why_missing(inquiry, points[0]), points=points, **told)
    elif gaps:
        found.warned("completeness", "gaps", data_points=[gap["dp"] for gap in gaps], **told)
    else:
        found.passed("completeness", **told)


def why_missing(inquiry: Inquiry, point: int) -> str:
    """The reason code for a set of the passport that is not in hand."""
    evidence = inquiry.evidence
    held = evidence.documents.get(point)
    if isinstance(held, Missing):
        return {
            MissingReason.WITHHELD: "evidence_withheld",
            MissingReason.NOT_FOUND: "document_not_found",
        }.get(held.reason, "document_unreachable")
    if evidence.ledger is None:
        return "ledger_unavailable"
    if evidence.ledger.standing is None:
        return "not_found"
    return _no_passport(inquiry) if evidence.ledger.standing.passport is None else "document_unreachable"


def _no_passport(inquiry: Inquiry) -> str:
    since = inquiry.evidence.network.tables.datapoints.get("passportRequiredFrom", "")
    return "passport_not_yet_required" if inquiry.at.law_date < since else "not_published"


def _issued_points(inquiry: Inquiry) -> set[int] | None:
    """The points the live passport was issued with, as its attestation lists them."""
    live = live_passport(inquiry.evidence, inquiry.record)
    sets = live.attestation.set_list if live else None
    return set(sets.points) if sets else None


def date_of(text: object) -> int | None:
    """Seconds of an ISO date or time, or None."""
    try:
        return parse_date_time(
            f"{text}T00:00:00Z" if isinstance(text, str) and len(text) == 10 else text, "date"
        )
    except CredentialError:
        return None


def held_document(held: Held | Missing | None) -> Held | None:
    """The document, if it is in hand."""
    return held if isinstance(held, Held) else None
