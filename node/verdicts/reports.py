"""The importer's readiness report over the lines of a consignment: one long one is made at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock

from credentials.verdicts.evidence import Evidence
from credentials.verdicts.manifest import Line
from credentials.verdicts.policy import Policy
from credentials.verdicts.readiness import readiness
from credentials.verdicts.verdict_record import ReportRecord
from node.errors import busy
from node.storage.consignments import ConsignmentRow
from node.storage.office import OfficeStore
from node.verdicts.manifests import TextLines, read_manifest
from node.verdicts.sources import Gathering

REPORT_LINES_AT_ONCE = 64


class Reports:
    """Makes reports; each line is judged again for one."""

    def __init__(self, office: OfficeStore, gathering: Gathering, policy: Policy) -> None:
        self._office = office
        self._gathering = gathering
        self._policy = policy
        self._reporting = Lock()  # held while a long report is made

    def report(self, row: ConsignmentRow, law_date: str) -> ReportRecord:
        """The report as the law is on a day: that of arrival, if it is not that of the consignment."""
        with alone(self._reporting) if row.lines > REPORT_LINES_AT_ONCE else nullcontext():
            lines = read_manifest(self._office, row.id, self._gathering.key_of).lines
            pairs = self._evidence_of(lines)
            made = readiness(pairs, self._policy, law_date, int(time.time()))
        return {**made, "consignment": row.id, "declaration": row.declaration}

    def _evidence_of(self, lines: TextLines) -> Iterator[tuple[Line, Evidence]]:
        """Each line with its evidence; fetched for a few at a time, and never all in memory."""
        for start in range(0, len(lines), REPORT_LINES_AT_ONCE):
            part = [lines.pair(number) for number in lines.numbers[start : start + REPORT_LINES_AT_ONCE]]
            readings = self._gathering.fetch_for([raw for _, raw in part])
            read = zip((raw for _, raw in part), readings, strict=True)
            found = self._gathering.evidence_of_lines(list(read))
            yield from zip((line for line, _ in part), found, strict=True)


@contextmanager
def alone(lock: Lock) -> Iterator[None]:
    """Each line is judged again: of reports that take seconds one is made, however many are asked for."""
    if not lock.acquire(blocking=False):
        raise busy("another long report is being made: ask for this one again in a few seconds")
    try:
        yield
    finally:
        lock.release()
