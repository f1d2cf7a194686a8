"""The importer's readiness report over the lines of a consignment: one long one is made at a time.

For the day of the consignment it adds up what was kept beside the verdicts (0667), a few lines at a time. A
line is judged anew where nothing was kept, where the ledger or time has overtaken it, where sets were handed
over that its verdict did not read, and for another day.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock

from credentials.documents.passport import point_of
from credentials.verdicts.answering import LineAnswers, read_text
from credentials.verdicts.crosswalk import Requirements
from credentials.verdicts.evidence import At, Held, Missing, MissingReason
from credentials.verdicts.policy import Policy
from credentials.verdicts.readiness import answers_by, report_of
from credentials.verdicts.verdict_record import ReportRecord
from node.errors import busy, not_found
from node.storage.consignments import ConsignmentRow
from node.storage.office import OfficeStore
from node.verdicts.declarations import OPEN_S
from node.verdicts.handed import with_handed
from node.verdicts.manifests import Pair, TextLines, read_manifest
from node.verdicts.overtaking import Overtaking
from node.verdicts.sources import Gathering, Reading

REPORT_LINES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class UnseenSet:
    """A set of a passport that was issued, answers a requirement, and is not visible to this party."""

    line: int
    battery: str
    issuer: str
    point: int  # of Annex XIII
    digest: bytes


class Reports:
    """Makes reports."""

    def __init__(
        self, office: OfficeStore, gathering: Gathering, policy: Policy, overtaking: Overtaking
    ) -> None:
        self._office = office
        self._gathering = gathering
        self._policy = policy
        self._overtaking = overtaking
        self._reporting = Lock()  # held while a long report is made

    def report(self, row: ConsignmentRow, law_date: str) -> ReportRecord:
        """The report as the law is on a day: that of arrival, if it is not that of the consignment."""
        with self._turn(row):
            lines = read_manifest(self._office, row.id, self._gathering.key_of).lines
            at = At(law_date, int(time.time()))
            made = report_of(self._answered(row, lines, at), self._policy.jurisdiction, at)
        return {**made, "consignment": row.id, "declaration": row.declaration}

    def _answered(
        self, row: ConsignmentRow, lines: TextLines, at: At
    ) -> Iterator[tuple[int, str, LineAnswers]]:
        """(number, code, answers) of each line, as it was kept or judged anew."""
        gathering = with_handed(self._gathering, self._office)
        handed = self._office.requested.all_handed(gathering.did)
        for numbers in _parts(lines):
            kept = self._kept(row, numbers, at)
            anew = [n for n in numbers if n not in kept or not handed.isdisjoint(kept[n].unseen)]
            kept |= self._judged_anew([lines.pair(number) for number in anew], gathering, at)
            for number in numbers:
                yield number, lines.pair(number)[0].battery, kept[number]

    def _kept(self, row: ConsignmentRow, numbers: Sequence[int], at: At) -> dict[int, LineAnswers]:
        """What was kept of these lines and is what they would be judged to answer now."""
        if at.law_date != row.law_date or row.created + OPEN_S <= at.evaluated_at:
            return {}  # of another day; or nobody looks any more whether the ledger has overtaken it
        asked = Requirements.of(self._gathering.tables, self._policy.jurisdiction)
        with self._office.reading():
            texts = self._office.line_answers.of(row.id, numbers)
            behind = self._overtaking.lines(row.id, (min(numbers), max(numbers)))
        read = {number: read_text(text, asked) for number, text in texts.items() if number not in behind}
        return {
            number: answers
            for number, answers in read.items()
            if answers is not None and (answers.until is None or at.evaluated_at < answers.until)
        }

    def _judged_anew(self, part: Sequence[Pair], gathering: Gathering, at: At) -> dict[int, LineAnswers]:
        """What these lines answer by what is had now, asked for first."""
        if not part:
            return {}
        readings = gathering.fetch_for([raw for _, raw in part])
        found = gathering.evidence_of_lines(list(zip((raw for _, raw in part), readings, strict=True)))
        return {
            line.line: answers_by(evidence, self._policy, at)
            for (line, _), evidence in zip(part, found, strict=True)
        }

    def wanted(self, requirement: str) -> str:
        """What a row asks for, in the words of its table; "" where there is none of this id."""
        rows = Requirements.of(self._gathering.tables, self._policy.jurisdiction).rows
        return next((str(row["requirement"]) for row in rows if row["id"] == requirement), "")

    def unseen(self, consignment: str, requirement: str) -> list[UnseenSet]:
        """The sets that answer this row of its report and are not visible here; 404."""
        row = self._office.consignments.get(consignment)
        if row is None:
            raise not_found("consignment_unknown", "this node holds no consignment with that id")
        tables = self._gathering.tables
        asked = Requirements.of(tables, self._policy.jurisdiction).evidence.get(requirement)
        if asked is None:
            raise not_found("requirement_unknown", "no row of the report has this id")
        ways = (way for part in asked["parts"] for way in part["accepts"])
        named = {dp for way in ways for dp in way.get("datapoints", ())}
        points = {point_of(one) for one in tables.datapoints["dataPoints"] if one["dp"] in named}
        with self._turn(row):
            return self._unseen(consignment, points)

    def _turn(self, row: ConsignmentRow) -> AbstractContextManager[None]:
        """A long consignment is read through by one person at a time."""
        return alone(self._reporting) if row.lines > REPORT_LINES_AT_ONCE else nullcontext()

    def _unseen(self, consignment: str, points: Set[int]) -> list[UnseenSet]:
        found: dict[bytes, UnseenSet] = {}
        gathering = with_handed(self._gathering, self._office)
        lines = read_manifest(self._office, consignment, gathering.key_of).lines
        for numbers in _parts(lines):
            part = [lines.pair(number) for number in numbers]
            readings = gathering.fetch_for([raw for _, raw in part])
            for (line, _), reading in zip(part, readings, strict=True):
                for point, digest in unseen_points(reading).items():
                    if reading.sets is not None and point in points:
                        unseen = UnseenSet(line.line, line.battery, reading.sets.issuer, point, digest)
                        found.setdefault(digest, unseen)
        return list(found.values())


def unseen_points(reading: Reading) -> dict[int, bytes]:
    """The sets of the live passport that this party is not shown, by point.

    What it may see by its own policy is not shown either where their issuer withheld it: who is the
    responsible operator of a battery is for its issuer to say, not for whoever asks.
    """
    sets = reading.sets.set_list if reading.sets is not None else None
    return {
        point: digest
        for point, digest in sorted(sets.points.items() if sets is not None else ())
        if point not in reading.seen or _withheld(reading.documents.get(digest))
    }


def _withheld(document: Held | Missing | None) -> bool:
    return isinstance(document, Missing) and document.reason is MissingReason.WITHHELD


def _parts(lines: TextLines) -> Iterator[list[int]]:
    """The numbers of a few lines at a time: never all in memory."""
    for start in range(0, len(lines), REPORT_LINES_AT_ONCE):
        yield lines.numbers[start : start + REPORT_LINES_AT_ONCE]


@contextmanager
def alone(lock: Lock) -> Iterator[None]:
    """Each line is judged again: of reports that take seconds one is made, however many are asked for."""
    if not lock.acquire(blocking=False):
        raise busy("another long report is being made: ask for this one again in a few seconds")
    try:
        yield
    finally:
        lock.release()
