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
from typing import Any, NamedTuple

from credentials.documents.passport import PointState, completeness
from credentials.documents.passport import category as category_of
from credentials.errors import CredentialError
from credentials.ledger.standing import LIVE
from credentials.verdicts.content import why_missing
from credentials.verdicts.crosswalk import Requirements
from credentials.verdicts.event_documents import event_document
from credentials.verdicts.evidence import At, Evidence, Held
from credentials.verdicts.manifest import Line
from credentials.verdicts.policy import Policy
from credentials.verdicts.recognised import asked_about
from credentials.verdicts.record import Inquiry, Record, Recorded, live_passport
from credentials.verdicts.verdict import Findings
from credentials.verdicts.verdict_record import (
    AnsweredRecord,
    AskRecord,
    HeadRecord,
    LeftOutRecord,
    ProofRecord,
    ReportRecord,
    RequirementRecord,
    StatementRecord,
)
from credentials.verdicts.verifier import examine

MET_ABROAD, MET_HOME, OPEN = "met_abroad", "met_home", "open"
NOT_YET, NOT_APPLICABLE = "not_yet_required", "not_applicable"
STATES = (MET_ABROAD, MET_HOME, OPEN, NOT_YET, NOT_APPLICABLE)
PROOFS_MAX = 3  # examples shown per row; the counts are of all
OPEN_LINES_MAX = 50
ABROAD, HOME = "abroad", "home"


@dataclass(frozen=True, slots=True)
class Answer:
    """One piece of evidence for one part of a row."""

    side: str  # abroad | home
    accepted: bool  # False: seen, but without the effect that its row needs
    proof: StatementRecord


class Ask(NamedTuple):
    """Who must still give which part of a row, and why what there is does not do; `AskRecord` in JSON."""

    who: str
    part: int | None  # of the row in crosswalk-evidence.json
    why: str  # missing | withheld | not_accepted | no_rule


@dataclass(slots=True)
class RowState:
    """One requirement for one battery."""

    state: str
    answers: list[Answer] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    asked_twice: bool = False
    withheld: bool = False  # what is asked for was issued, in a set this party was not shown


@dataclass(slots=True)
class _Item:
    """One battery with what its own documents and the ledger say."""

    inquiry: Inquiry
    live: Recorded
    category: str
    points: Mapping[int, PointState]  # state of each data point
    asked: Requirements
    withheld: frozenset[int]  # data points in sets that were issued and not shown to this party

    @property
    def evidence(self) -> Evidence:
        return self.inquiry.evidence


def readiness(
    items: Iterable[tuple[Line, Evidence]], policy: Policy, law_date: str, evaluated_at: int
) -> ReportRecord:
    """Compute the report for the lines of a consignment; the home side is that whose requirements they are.

    Those of the policy's jurisdiction, where the network has them, or else the first ones (`crosswalk.py`).
    """
    at = At(law_date, evaluated_at)
    totals: dict[str, _RowTotal] = {}
    left_out: list[LeftOutRecord] = []
    counted: dict[tuple[Any, ...], int] = {}  # subject -> the line it was counted on
    height, home = 0, policy.jurisdiction
    for line, evidence in items:
        height = max(height, evidence.network.height)
        item, why = _item(evidence, policy, at)
        if item is None:
            left_out.append({"line": line.line, "battery": line.battery, "reason": why})
            continue
        subject = tuple(item.live.attestation.subject.as_list())
        if subject in counted:
            earlier, first = "counted_earlier", counted[subject]
            left_out.append(
                {"line": line.line, "battery": line.battery, "reason": earlier, "first_line": first}
            )
            continue
        counted[subject] = line.line
        home = item.asked.jurisdiction
        for row in item.asked.rows:
            if row["id"] not in totals:
                totals[row["id"]] = _RowTotal(row, item.asked.evidence.get(row["id"], {}))
            total = totals[row["id"]]
            total.add(line.line, row_state(row, item))
    rows = [total.as_dict() for total in totals.values()]
    return {
        "head": _head(rows, batteries=len(counted), lines=len(counted) + len(left_out)),
        "rows": rows,
        "items": len(counted),
        "left_out": left_out,
        "law_date": law_date,
        "evaluated_at": evaluated_at,
        "height": height,
        "jurisdiction": home,
    }


def row_state(row: Mapping[str, Any], item: _Item) -> RowState:
    """The state of one requirement for one battery."""
    due = row.get("dueFrom")
    if due is None or due > item.inquiry.at.law_date:
        return RowState(NOT_YET)
    mapping = item.asked.evidence.get(row["id"])
    if mapping is None:
        return RowState(OPEN, asks=[Ask("operator", None, "no_rule")])
    if not _applies(mapping.get("applies"), item):
        return RowState(NOT_APPLICABLE)
    result = RowState(OPEN)
    considered, not_yet, sides = 0, False, set()
    for number, part in enumerate(mapping["parts"]):
        answers, missing, later, relevant = _part(row["id"], part, mapping["basis"], item)
        not_yet = not_yet or later
        if not relevant:
            continue
        considered += 1
        result.answers.extend(answers)
        accepted = {answer.side for answer in answers if answer.accepted}
        if not accepted:
            named = {dp for way in part["accepts"] for dp in way.get("datapoints", ())}
            withheld = not answers and bool(named & item.withheld)
            result.withheld = result.withheld or withheld
            why = "not_accepted" if answers else "withheld" if withheld else "missing"
            result.asks.append(Ask(part["asks"], number, why))
            continue
        # Given by one side and given, or still missing from a list, on the other: asked for twice.
        result.asked_twice = result.asked_twice or len(accepted) > 1 or missing
        sides.add(HOME if accepted == {HOME} else ABROAD)
    if not considered:
        return RowState(NOT_YET if not_yet else NOT_APPLICABLE)
    if not result.asks:
        result.state = MET_HOME if HOME in sides else MET_ABROAD
    return result


def _part(
    row_id: str, part: Mapping[str, Any], basis: str, item: _Item
) -> tuple[list[Answer], bool, bool, bool]:
    """(answers, a data point is listed as missing, not yet required, anything to answer)."""
    answers: list[Answer] = []
    missing, later, relevant = False, False, not part["accepts"]
    for accepted in part["accepts"]:
        if "event" in accepted:
            relevant = True
            answers.extend(
                _answer(row_id, statement, basis, accepted, item)
                for statement in item.inquiry.record.of_kinds([accepted["event"]])
                if _has_members(statement, accepted.get("members", ()), item)
            )
            continue
        states = [item.points.get(dp) for dp in accepted["datapoints"]]
        if None in states:
            continue  # no data point of this network: nothing can answer so
        needed = [s for s in states if s in (PointState.PRESENT, PointState.MISSING, PointState.WITHHELD)]
        later = later or PointState.NOT_YET_REQUIRED in states
        relevant = relevant or bool(needed)
        missing = missing or PointState.MISSING in needed
        if needed and all(s is PointState.PRESENT for s in needed):
            answers.append(_answer(row_id, item.live, basis, accepted, item))
    return answers, missing, later, relevant


def _answer(row_id: str, statement: Recorded, basis: str, accepted: Mapping[str, Any], item: _Item) -> Answer:
    network, asked = item.evidence.network, item.asked
    attestation = statement.attestation
    issuer = network.governance.participant(attestation.issuer) if network.governance else None
    jurisdiction = issuer.jurisdiction if issuer else ""
    home = asked.jurisdiction in (jurisdiction, accepted.get("side"))
    effect = None
    good = home or basis != "recognition"
    if not home and issuer is not None:
        told = asked_about(row_id, statement, issuer, item.inquiry, asked.jurisdiction)
        good = good or told.effect.value in asked.accepted_effects
        # An operator's own statement needs no recognition: that there is none says nothing about it.
        effect = told.effect.value if basis == "recognition" or told.now is not None else None
    place = statement.place()
    proof: StatementRecord = {
        "kind": attestation.kind,
        "issuer": attestation.issuer,
        "jurisdiction": jurisdiction,
        "accepted": good,
        "leaf_index": place["leaf_index"],
        "height": place["height"],
        "attestation": place["attestation"],
    }
    if issuer is not None:
        proof["issuer_name"] = issuer.name
    if accepted.get("datapoints") is not None:
        proof["data_points"] = accepted["datapoints"]
    if effect is not None:
        proof["effect"] = effect
    return Answer(HOME if home else ABROAD, good, proof)


def _has_members(statement: Recorded, names: Sequence[str], item: _Item) -> bool:
    """True if the event says all of `names`, on the ledger or in its document; a ticked box is ticked."""
    if not names:
        return True
    document = event_document(item.inquiry, statement)
    if document.spoiled:
        return False
    shown = document.members or {}
    return all(
        name in statement.attestation.quantities or shown.get(name) not in (None, "", False) for name in names
    )


def _applies(rule: Mapping[str, Sequence[str]] | None, item: _Item) -> bool:
    if not rule:
        return True
    standing = item.evidence.ledger.standing if item.evidence.ledger else None
    return standing is not None and (
        standing.eu_status in rule.get("eu_status", ())
        or standing.item_state in rule.get("item_state", ())
        or bool(item.inquiry.record.of_kinds(list(rule.get("event", ()))))
    )


def _item(evidence: Evidence, policy: Policy, at: At) -> tuple[_Item | None, str]:
    """The battery behind a line, from documents of its live passport that verify; or why there is none."""
    record = Record.read(evidence.ledger, evidence.network.governance)
    inquiry = Inquiry(evidence, record, policy, at)
    if evidence.ledger is None or record.unreadable:
        return None, "ledger_unavailable"
    standing = evidence.ledger.standing
    if standing is None:
        return None, evidence.ledger.unknown
    if standing.passport is None:
        return None, "not_published"
    live = live_passport(evidence, record)
    if live is None or standing.passport.status != LIVE:
        return None, standing.passport.status if standing.passport.status != LIVE else "ledger_unavailable"
    sets: dict[int, Mapping[str, Any]] = {}
    shown = [held.document for held in evidence.documents.values() if isinstance(held, Held)]
    for document in (*shown, *evidence.presented):
        examined = examine(Findings(evidence.network.tables), document, inquiry)
        if examined is None or not examined.proven or examined.point is None or examined.recorded is None:
            continue
        if examined.recorded.attestation.digest == live.attestation.digest:
            sets[examined.point] = examined.claims
    if 1 not in sets:
        return None, why_missing(inquiry, 1)
    tables = evidence.network.tables
    if tables.unread:
        return None, "tables_unavailable"
    try:
        category = category_of(sets[1], tables.paths)
        states = completeness(sets, category, at.law_date, tables.datapoints, tables.paths)
    except (CredentialError, KeyError):
        return None, "tables_unavailable"
    issued = live.attestation.set_list.points if live.attestation.set_list else {}
    withheld = frozenset(s.dp for s in states if s.state is PointState.WITHHELD and s.point in issued)
    asked = Requirements.of(tables, policy.jurisdiction)
    return _Item(inquiry, live, category, {s.dp: s.state for s in states}, asked, withheld), ""


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
            proof = answer.proof
            self.issuers.add(proof["issuer"])
            self.kinds.add(proof["kind"])
            if "effect" in proof:
                self.effects.add(proof["effect"])
            self.not_accepted += not answer.accepted
            if len(self.proofs) < PROOFS_MAX:
                self.proofs.append({**proof, "line": line})
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
