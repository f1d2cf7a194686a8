"""Reports that moved nothing: taken back wherever they stand, for nothing rests on them (I3, 0975).

What was measured, or went wrong, leaves marks, a fact and readings, and no state: what followed it would have
followed without it. So its author, in time, or authorities together take it out from under what others have
recorded since, and the standing is that of a record in which it was taken back at once: its marks stay.

    report = [attestation, author, kind, leaf, admitted at, countersigned by another,
              fact / null, the fact before / null, {reading: value}, {reading before: value}]

A standing's past keeps the latest `REPORTS_MAX`, each consecutive to the next; older ones stay for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, cast

from consensus.encoding import Value

REPORTS_MAX = 8


@dataclass(frozen=True, slots=True)
class Report:
    """One report, and what was on record in its place before."""

    attestation: bytes
    author: str
    kind: str
    leaf_index: int
    admitted_at: int
    countersigned: bool  # by another party
    fact: str | None
    fact_before: int | None
    read: Mapping[str, int]
    read_before: Mapping[str, int]

    def value(self) -> Value:
        """What the core of a standing holds of it."""
        *plain, read, before = _members(self)
        return [*plain, dict(read), dict(before)]

    @classmethod
    def read_from(cls, value: Value) -> Report:
        """Read what `value` wrote."""
        return cls(*cast(list[Any], value))


_members = attrgetter(*Report.__dataclass_fields__)


def read_after(readings: Mapping[str, int], read: Mapping[str, int]) -> dict[str, int]:
    """What is read by the holder's side binds everybody; by a trade, itself alone, and the last one only."""
    after = dict(readings)
    for key, value in read.items():
        name, by_trade, _ = key.partition("/")
        if by_trade:
            after = {other: kept for other, kept in after.items() if not other.startswith(f"{name}/")}
        after[key] = value
    return after


def with_report(reports: Iterable[Report], report: Report) -> tuple[Report, ...]:
    """The latest reports with one more."""
    return (*reports, report)[-REPORTS_MAX:]


def read_of(read: Iterable[str], readings: Mapping[str, int]) -> dict[str, int]:
    """The readings, by whomever, of the quantities that were read."""
    known = {key.partition("/")[0] for key in read}
    return {key: value for key, value in readings.items() if key.partition("/")[0] in known}


@dataclass(frozen=True, slots=True)
class Reported:
    """What reports left on one record: the reports themselves, facts and readings."""

    reports: tuple[Report, ...]
    facts: Mapping[str, int]
    readings: Mapping[str, int]

    def without(self, attestation: bytes) -> Reported:
        """The same as if one of them had not been made; unchanged where it is not among them."""
        at = next((n for n, one in enumerate(self.reports) if one.attestation == attestation), None)
        if at is None:
            return self
        gone, later = self.reports[at], self.reports[at + 1 :]
        facts = dict(self.facts)
        if gone.fact is not None and facts.get(gone.fact) == gone.leaf_index:
            del facts[gone.fact]
            facts |= {gone.fact: gone.fact_before} if gone.fact_before is not None else {}
        kept, now = list[Report](), dict(gone.read_before)
        for one in later:
            before = gone.fact_before if one.fact_before == gone.leaf_index else one.fact_before
            own = read_of(gone.read, one.read)
            read_before = _put(one.read_before, gone.read, now) if own else one.read_before
            kept.append(replace(one, fact_before=before, read_before=read_before))
            now = read_after(now, own)
        return Reported((*self.reports[:at], *kept), facts, _put(self.readings, gone.read, now))


def _put(readings: Mapping[str, int], read: Iterable[str], now: Mapping[str, int]) -> dict[str, int]:
    """Readings with these in place of those of the same quantities."""
    known = {key.partition("/")[0] for key in read}
    return {key: value for key, value in readings.items() if key.partition("/")[0] not in known} | dict(now)
