"""The importer's report before shipping: which requirement is met by what, and who must act.

    row    {id, state, items {state: n}, open_lines, asks [{who, part, why}], basis, effect, evidence, proofs}
    head   {total, met_abroad, met_home, open, not_yet_required, not_applicable, asked_twice}

The rows, and which evidence answers them, are data (`crosswalk.py`). *Met*
says that admitted, verified evidence with the content asked for is there. It is not a finding of conformity.
A row is met for a consignment when it is met for every battery it applies to; batteries without a live
passport in hand, and those counted on an earlier line, are left out and listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from credentials.verdicts.answering import (
    MET_ABROAD,
    MET_HOME,
    NOT_APPLICABLE,
    NOT_YET,
    OPEN,
    Answer,
    Ask,
    LineAnswers,
    RowState,
    answers_of,
)
from credentials.verdicts.evidence import At, Evidence
from credentials.verdicts.manifest import Line
from credentials.verdicts.policy import Policy
from credentials.verdicts.record import Inquiry, Record
from credentials.verdicts.verdict_record import (
    AnsweredRecord,
    AskRecord,
    HeadRecord,
    LeftOutRecord,
    ProofRecord,
    ReportRecord,
    RequirementRecord,
)

STATES = (MET_ABROAD, MET_HOME, OPEN, NOT_YET, NOT_APPLICABLE)
PROOFS_MAX = 3  # examples shown per row; the counts are of all
OPEN_LINES_MAX = 50


def readiness(
    items: Iterable[tuple[Line, Evidence]], policy: Policy, law_date: str, evaluated_at: int
) -> ReportRecord:
    """Compute the report for the lines of a consignment; the home side is that whose requirements they are.

    Those of the policy's jurisdiction, where the network has them, or else the first ones (`crosswalk.py`).
    """
    at = At(law_date, evaluated_at)
    answered = ((line.line, line.battery, answers_by(evidence, policy, at)) for line, evidence in items)
    return report_of(answered, policy.jurisdiction, at)


def answers_by(evidence: Evidence, policy: Policy, at: At) -> LineAnswers:
    """What a battery answers by this evidence alone."""
    record = Record.read(evidence.ledger, evidence.network.governance)
    return answers_of(Inquiry(evidence, record, policy, at))


def report_of(lines: Iterable[tuple[int, str, LineAnswers]], home: str, at: At) -> ReportRecord:
    """Add up what lines answer: (number, code, answers), in the order of the manifest."""
    totals: dict[str, _RowTotal] = {}
    left_out: list[LeftOutRecord] = []
    counted: dict[tuple[Any, ...], int] = {}  # subject -> the line it was counted on
    height = 0
    for line, battery, answers in lines:
        height = max(height, answers.height)
        if answers.asked is None:
            left_out.append({"line": line, "battery": battery, "reason": answers.left_out})
            continue
        if answers.subject in counted:
            first = counted[answers.subject]
            left_out.append(
                {"line": line, "battery": battery, "reason": "counted_earlier", "first_line": first}
            )
            continue
        counted[answers.subject] = line
        home = answers.asked.jurisdiction
        for row, state in zip(answers.asked.rows, answers.rows, strict=True):
            if (total := totals.get(row["id"])) is None:
                total = totals[row["id"]] = _RowTotal(row, answers.asked.evidence.get(row["id"], {}))
            total.add(line, state)
    rows = [total.as_dict() for total in totals.values()]
    return {
        "head": _head(rows, batteries=len(counted), lines=len(counted) + len(left_out)),
        "rows": rows,
        "items": len(counted),
        "left_out": left_out,
        "law_date": at.law_date,
        "evaluated_at": at.evaluated_at,
        "height": height,
        "jurisdiction": home,
    }


@dataclass(slots=True)
class _RowTotal:
    """One requirement over all batteries."""

    row: Mapping[str, Any]
    evidence: Mapping[str, Any]  # which answers it
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    open_lines: list[int] = field(default_factory=list)
    withheld_lines: list[int] = field(default_factory=list)
    asks: set[Ask] = field(default_factory=set)
    proofs: list[ProofRecord] = field(default_factory=list)
    issuers: set[str] = field(default_factory=set)
    effects: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    not_accepted: int = 0
    asked_twice: int = 0

    def add(self, line: int, result: RowState) -> None:
        """Count one battery."""
        self.counts[result.state] += 1
        if result.state == OPEN:
            self.open_lines.append(line)
        if result.withheld:
            self.withheld_lines.append(line)
        self.asks.update(result.asks)
        for answer in result.answers:
            self.issuers.add(answer.said["issuer"])
            self.kinds.add(answer.said["kind"])
            if answer.effect is not None:
                self.effects.add(answer.effect)
            self.not_accepted += not answer.accepted
            if len(self.proofs) < PROOFS_MAX:
                self.proofs.append(_proof(line, answer))
        self.asked_twice += result.asked_twice

    @property
    def state(self) -> str:
        """Open if open for one battery; met by evidence of its own side if one battery needed some."""
        for state in (OPEN, MET_HOME, MET_ABROAD, NOT_YET):
            if self.counts[state]:
                return state
        return NOT_APPLICABLE

    def as_dict(self) -> RequirementRecord:
        """The row of the report."""
        evidence: AnsweredRecord = {}
        if self.issuers:
            evidence = {"records": sorted(self.kinds), "by": sorted(self.issuers)}
            if self.effects:
                evidence["effect"] = sorted(self.effects)
            evidence["leaves"] = [proof["leaf_index"] for proof in self.proofs]
        return {
            "id": self.row["id"],
            "state": self.state,
            "items": dict(self.counts),
            "open_lines": self.open_lines[:OPEN_LINES_MAX],
            "withheld_lines": self.withheld_lines[:OPEN_LINES_MAX],
            "asks": [self._ask(ask) for ask in sorted(self.asks, key=lambda a: (a.who, a.part or 0, a.why))],
            "asked": self.row,
            "due_from": self.row.get("dueFrom"),
            "basis": self.evidence.get("basis"),
            "effect": sorted(self.effects),
            "not_accepted": self.not_accepted,
            "asked_twice": bool(self.asked_twice),
            "evidence": evidence,
            "proofs": list(self.proofs),
        }

    def _ask(self, ask: Ask) -> AskRecord:
        what = self.evidence["parts"][ask.part]["what"] if ask.part is not None else None
        return {"who": ask.who, "part": ask.part, "what": what, "why": ask.why}


def _proof(line: int, answer: Answer) -> ProofRecord:
    said = answer.said
    proof: ProofRecord = {
        "kind": said["kind"],
        "issuer": said["issuer"],
        "jurisdiction": said["jurisdiction"],
        "accepted": answer.accepted,
        "leaf_index": said["leaf_index"],
        "height": said["height"],
        "attestation": said["attestation"],
        "line": line,
    }
    if "issuer_name" in said:
        proof["issuer_name"] = said["issuer_name"]
    if answer.data_points is not None:
        proof["data_points"] = answer.data_points
    if answer.effect is not None:
        proof["effect"] = answer.effect
    return proof


def _head(rows: Sequence[RequirementRecord], *, batteries: int, lines: int) -> HeadRecord:
    """The counts, and how many batteries they are about."""

    def count(state: str) -> int:
        return sum(row["state"] == state for row in rows)

    return {
        "total": len(rows),
        "batteries": batteries,
        "lines": lines,
        "met_abroad": count(MET_ABROAD),
        "met_home": count(MET_HOME),
        "open": count(OPEN),
        "not_yet_required": count(NOT_YET),
        "not_applicable": count(NOT_APPLICABLE),
        "asked_twice": sum(row["asked_twice"] for row in rows),
    }
