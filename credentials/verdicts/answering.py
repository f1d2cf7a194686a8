"""What one battery answers of the requirements that a report asks about: computed once, kept, and added up.

It follows from what its verdict rests on, and from the law of one day. As text (kept beside the verdict):

    {left_out}                                    why the line is not counted
    {subject, height, until, unseen, said, rows}
        said    the statements that answer something, each once
        rows    {id of the row: its state, or [state, asked_twice, withheld, asks, answers]}
        answers [[which of `said`, side, accepted, data_points or null, effect or null]]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.passport import PointState
from credentials.documents.passport import category as category_of
from credentials.errors import CredentialError
from credentials.ledger.standing import LIVE
from credentials.verdicts.content import why_missing
from credentials.verdicts.crosswalk import Requirements
from credentials.verdicts.event_documents import event_document
from credentials.verdicts.evidence import Evidence, Held
from credentials.verdicts.recognised import asked_about
from credentials.verdicts.record import Inquiry, Recorded, first_after, live_passport
from credentials.verdicts.verdict import Findings
from credentials.verdicts.verdict_record import SaidRecord
from credentials.verdicts.verifier import Examined, examine

MET_ABROAD, MET_HOME, OPEN = "met_abroad", "met_home", "open"
NOT_YET, NOT_APPLICABLE = "not_yet_required", "not_applicable"
ABROAD, HOME = "abroad", "home"


class Answer(NamedTuple):
    """One piece of evidence for one part of a row."""

    said: SaidRecord
    side: str  # abroad | home
    accepted: bool  # False: seen, but without the effect that its row needs
    data_points: list[int] | None = None
    effect: str | None = None


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


@dataclass(frozen=True, slots=True)
class LineAnswers:
    """What one line answers: of each row its state, in the order of `asked`; or why it is not counted."""

    asked: Requirements | None = None  # None: left out
    rows: Sequence[RowState] = ()
    left_out: str = ""
    subject: tuple[Any, ...] = ()
    height: int = 0
    until: int | None = None  # the first moment at which time alone may change it
    unseen: tuple[bytes, ...] = ()  # sets of its passport that were issued and not read


@dataclass(slots=True)
class _Item:
    """One battery with what its own documents and the ledger say."""

    inquiry: Inquiry
    live: Recorded
    category: str
    points: Mapping[int, PointState]  # state of each data point
    asked: Requirements
    withheld: frozenset[int]  # data points in sets that were issued and not shown to this party
    said: dict[bytes, SaidRecord] = field(default_factory=dict)  # by statement

    @property
    def evidence(self) -> Evidence:
        return self.inquiry.evidence


def answers_of(inquiry: Inquiry, examined: Sequence[Examined] | None = None) -> LineAnswers:
    """What a battery answers by this evidence. `examined`: the documents shown, where a verdict did that.

    What is compared with the time here is no moment of that verdict; its own moments are not known here.
    """
    inquiry = replace(inquiry, moments=set(inquiry.moments))
    found = Findings(inquiry.evidence.network.tables)
    item, why = _item(inquiry, found, examined)
    height = inquiry.evidence.network.height
    if item is None:
        return LineAnswers(left_out=why, height=height)
    sets = item.live.attestation.set_list
    held = {point for point, document in inquiry.evidence.documents.items() if isinstance(document, Held)}
    return LineAnswers(
        item.asked,
        [row_state(row, item) for row in item.asked.rows],
        subject=tuple(item.live.attestation.subject.as_list()),
        height=height,
        until=first_after(inquiry.at.evaluated_at, inquiry.moments | found.moments),
        unseen=tuple(digest for point, digest in sets.points.items() if point not in held) if sets else (),
    )


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
    if attestation.digest not in item.said:
        said: SaidRecord = {
            "kind": attestation.kind,
            "issuer": attestation.issuer,
            "jurisdiction": jurisdiction,
            "leaf_index": statement.leaf_index,
            "height": statement.height,
            "attestation": b64u(attestation.digest),
        }
        if issuer is not None:
            said["issuer_name"] = issuer.name
        item.said[attestation.digest] = said
    return Answer(
        item.said[attestation.digest], HOME if home else ABROAD, good, accepted.get("datapoints"), effect
    )


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


def _item(inquiry: Inquiry, found: Findings, examined: Sequence[Examined] | None) -> tuple[_Item | None, str]:
    """The battery behind a line, from documents of its live passport that verify; or why there is none."""
    evidence, record = inquiry.evidence, inquiry.record
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
    if examined is None:
        shown = [held.document for held in evidence.documents.values() if isinstance(held, Held)]
        read = (examine(found, document, inquiry) for document in (*shown, *evidence.presented))
        examined = [one for one in read if one is not None]
    sets = {
        one.point: one.claims
        for one in examined
        if one.proven and one.point is not None and one.recorded is not None
        if one.recorded.attestation.digest == live.attestation.digest
    }
    if 1 not in sets:
        return None, why_missing(inquiry, 1)
    tables = evidence.network.tables
    if tables.unread:
        return None, "tables_unavailable"
    try:
        category = category_of(sets[1], tables.paths)
        states = inquiry.data_points(sets, category)
    except (CredentialError, KeyError):
        return None, "tables_unavailable"
    issued = live.attestation.set_list.points if live.attestation.set_list else {}
    withheld = frozenset(s.dp for s in states if s.state is PointState.WITHHELD and s.point in issued)
    asked = Requirements.of(tables, inquiry.policy.jurisdiction)
    return _Item(inquiry, live, category, {s.dp: s.state for s in states}, asked, withheld), ""


# -- as text -------------------------------------------------------------------------------------------


def as_text(answers: LineAnswers) -> bytes:
    """The form in which they are kept."""
    if answers.asked is None:
        return orjson.dumps({"left_out": answers.left_out, "height": answers.height})
    said: dict[str, int] = {}  # by statement
    listed: list[SaidRecord] = []
    for answer in (answer for row in answers.rows for answer in row.answers):
        if said.setdefault(answer.said["attestation"], len(listed)) == len(listed):
            listed.append(answer.said)
    rows: dict[str, str | list[object]] = {}
    for asked, row in zip(answers.asked.rows, answers.rows, strict=True):
        plain = not (row.answers or row.asks or row.asked_twice or row.withheld)
        given = [[said[one.said["attestation"]], *one[1:]] for one in row.answers]
        rows[asked["id"]] = (
            row.state if plain else [row.state, row.asked_twice, row.withheld, [*map(list, row.asks)], given]
        )
    return orjson.dumps(
        {
            "subject": [b64u(one) if isinstance(one, bytes) else one for one in answers.subject],
            "height": answers.height,
            "until": answers.until,
            "unseen": [b64u(digest) for digest in answers.unseen],
            "said": listed,
            "rows": rows,
        }
    )


def read_text(text: bytes, asked: Requirements) -> LineAnswers | None:
    """Those that were kept; None where they are not about the rows that are asked about."""
    kept = orjson.loads(text)
    if "left_out" in kept:
        return LineAnswers(left_out=kept["left_out"], height=kept["height"])
    rows, said = kept["rows"], kept["said"]
    if [*rows] != [row["id"] for row in asked.rows]:
        return None
    scheme, namespace, blind = kept["subject"]
    return LineAnswers(
        asked,
        [_row_read(row, said) for row in rows.values()],
        subject=(scheme, namespace, b64u_decode(blind)),
        height=kept["height"],
        until=kept["until"],
        unseen=tuple(b64u_decode(digest) for digest in kept["unseen"]),
    )


def _row_read(row: Any, said: Sequence[SaidRecord]) -> RowState:
    if isinstance(row, str):
        return RowState(row)
    state, asked_twice, withheld, asks, answers = row
    given = [Answer(said[which], *rest) for which, *rest in answers]
    return RowState(state, given, [Ask(*ask) for ask in asks], asked_twice, withheld)
