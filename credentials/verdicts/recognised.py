"""Whose statements count here: the recognition this jurisdiction gives to foreign issuers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from credentials.ledger.parties import Participant
from credentials.ledger.recognition import Effect, RecognitionAnswer, ask
from credentials.verdicts.evidence import Evidence
from credentials.verdicts.record import Inquiry, Record, Recorded, live_passport
from credentials.verdicts.verdict import Findings
from credentials.verdicts.verdict_record import GapRecord, RecognitionRecord

_DAY_S = 86_400


@dataclass(slots=True)
class _Asked:
    """What the rows of a policy were answered with."""

    count: int = 0
    gaps: list[GapRecord] = field(default_factory=list)
    answers: list[RecognitionRecord] = field(
        default_factory=list
    )  # recognitions in force: row, effect, basis
    unanswered: dict[str, str] = field(default_factory=dict)  # rows nobody is recognised for, if that is fine


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


def counts_here(row_id: str, statement: Recorded, inquiry: Inquiry) -> bool:
    """True if this jurisdiction gives the statement any effect for the row, or asks for no recognition."""
    network, policy, attestation = inquiry.evidence.network, inquiry.policy, statement.attestation
    issuer = network.governance.participant(attestation.issuer) if network.governance else None
    if not policy.recognition_required or (issuer and issuer.jurisdiction == policy.jurisdiction):
        return True
    if issuer is None:
        return False
    return asked_about(row_id, statement, issuer, inquiry).effect is not Effect.NOT_RECOGNISED


def asked_about(
    row_id: str, statement: Recorded, issuer: Participant, inquiry: Inquiry, jurisdiction: str = ""
) -> RecognitionAnswer:
    """What effect a jurisdiction, the policy's by default, gives to a statement: at its time, and now."""
    recognitions = inquiry.evidence.network.recognitions or ()
    for one in recognitions:
        if row_id in one.rows:
            inquiry.moments.update({one.valid_from, one.valid_until or one.valid_from})
    return ask(
        recognitions,
        jurisdiction or inquiry.policy.jurisdiction,
        issuer.did,
        row_id,
        event_time=statement.attestation.event_time,
        now=inquiry.at.evaluated_at,
        issuer_roles=issuer.roles,
        issuer_jurisdiction=issuer.jurisdiction,
    )


def check_recognised(
    found: Findings, inquiry: Inquiry
) -> tuple[tuple[GapRecord, ...], tuple[RecognitionRecord, ...]]:
    """Ask for each row of the policy; the gaps that information-only leaves, and what was answered.

    The answers: each recognition in force once, `{row, effect, legal_basis}`; one `{jurisdiction}` where
    there were statements from abroad and none is in force; nothing where nobody abroad said anything.
    """
    evidence, policy = inquiry.evidence, inquiry.policy
    network = evidence.network
    if network.recognitions is None or network.governance is None:
        missing = "genesis_unavailable" if network.governance is None else "recognition_unavailable"
        found.unknown("recognised", missing)
        return (), ()
    if evidence.ledger is None:
        found.unknown("recognised", "ledger_unavailable")
        return (), ()
    table = network.tables.crosswalk_evidence.get("rows", {})
    strange = [row_id for row_id in policy.recognition_rows if row_id not in table]
    if strange:
        found.unknown("recognised", "tables_unavailable", rows=strange)
        return (), ()
    asked = _Asked()
    for row_id in policy.recognition_rows:
        for statement in row_statements(row_id, evidence, inquiry.record):
            issuer = network.governance.participant(statement.attestation.issuer)
            if issuer is not None and issuer.jurisdiction != policy.jurisdiction:
                _ask(found, row_id, statement, issuer, inquiry, asked)
    if asked.unanswered:
        issuers = sorted(set(asked.unanswered.values()))
        found.warned("recognised", "no_recognition", rows=sorted(asked.unanswered), issuers=issuers)
    if not asked.count:
        found.inapplicable("recognised")
    answers = list(asked.answers)
    if asked.count and not answers:
        answers = [{"jurisdiction": policy.jurisdiction}]
    return tuple(asked.gaps), tuple(a for n, a in enumerate(answers) if a not in answers[:n])


def _ask(  # noqa: PLR0917  (one row, one statement, one issuer)
    found: Findings, row_id: str, statement: Recorded, issuer: Participant, inquiry: Inquiry, asked: _Asked
) -> None:
    policy = inquiry.policy
    asked.count += 1
    answer = asked_about(row_id, statement, issuer, inquiry)
    now = answer.now
    outcome, effect = answer.outcome, answer.effect
    if now is not None and _too_old(now.conditions, statement, inquiry):
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
        asked.answers.append({"row": row_id, "effect": effect.value, "legal_basis": now.legal_basis})
    if outcome == "pass":
        found.passed("recognised", **told)
    elif effect is Effect.INFORMATION_ONLY:
        found.warned("recognised", "information_only", **told)
        if policy.recognition_required:
            asked.gaps.append({"row": row_id})
    elif policy.recognition_required:
        found.failed("recognised", "not_recognised", **told)
    else:
        asked.unanswered[row_id] = issuer.did


def _too_old(conditions: Mapping[str, Any], statement: Recorded, inquiry: Inquiry) -> bool:
    """True if the recognition covers only younger statements."""
    days = conditions.get("attestation_age_days_max")
    if type(days) is not int:
        return False
    inquiry.moments.add(statement.attestation.event_time + days * _DAY_S + 1)
    return inquiry.at.evaluated_at - statement.attestation.event_time > days * _DAY_S
