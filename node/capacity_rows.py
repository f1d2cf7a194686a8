"""[[capacities]] of node.toml, read strictly: how much a licence allows, as its authority keeps it.

What is compared with them: `oversight/capacities.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ROWS_MAX = 1_000
MONTH, YEAR = "month", "year"
GRAMS, BATTERIES = "grams_max", "batteries_max"
TEXTS = ("party", "licence", "side", "basis")
_MONTH = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much one licence allows of some events, in each month or year between two months."""

    party: str
    licence: str
    side: str
    basis: str  # the permit that says so
    events: tuple[str, ...]
    per: str  # month | year
    most: int
    in_grams: bool  # else in batteries
    since: int  # 202601
    until: int  # the last month, included

    @classmethod
    def of(cls, row: Any) -> Capacity:
        """Read one row; ValueError says what is wrong with it."""
        known = {*TEXTS, "events", "per", GRAMS, BATTERIES, "since", "until"}
        if not isinstance(row, dict) or row.keys() - known:
            raise ValueError(f"an entry of capacities has {', '.join(sorted(known))}, and nothing else")
        for name in TEXTS:
            if not isinstance(row.get(name), str) or not row[name]:
                raise ValueError(f"capacities.{name} is a text, and has to be there")
        events = row.get("events")
        if not isinstance(events, list) or not events or not all(isinstance(one, str) for one in events):
            raise ValueError("capacities.events names the events that count, such as recycling.received")
        if row.get("per") not in (MONTH, YEAR):
            raise ValueError("capacities.per is month or year")
        named = [name for name in (GRAMS, BATTERIES) if name in row]
        if len(named) != 1 or type(row[named[0]]) is not int or row[named[0]] < 1:
            raise ValueError(f"an entry of capacities has {GRAMS} or {BATTERIES}, a number above 0")
        since, until = (_month(row.get(name), name) for name in ("since", "until"))
        if since > until:
            raise ValueError("capacities.since is no later than capacities.until")
        texts = {name: row[name] for name in TEXTS}
        return cls(**texts, events=tuple(events), per=row["per"], most=row[named[0]],
                   in_grams=named == [GRAMS], since=since, until=until)  # fmt: skip

    def beyond(self, by_month: Mapping[int, tuple[int, int]]) -> Iterator[tuple[str, bool]]:
        """(period, whether more was stated in it than is allowed) of each that has anything."""
        sums: dict[str, int] = {}
        for month, (batteries, grams) in sorted(by_month.items()):
            if self.since <= month <= self.until:
                period = f"{month // 100:04d}" + ("" if self.per == YEAR else f"-{month % 100:02d}")
                sums[period] = sums.get(period, 0) + (grams if self.in_grams else batteries)
        return ((period, total > self.most) for period, total in sums.items())


def capacities_of(rows: Sequence[Any]) -> tuple[Capacity, ...]:
    """The rows of node.toml; ValueError for one that cannot be gone by, and two of one time and measure."""
    if len(rows) > ROWS_MAX:
        raise ValueError(f"capacities has {len(rows)} rows, and at most {ROWS_MAX} are compared")
    found = tuple(Capacity.of(row) for row in rows)
    for place, one in enumerate(found):
        if any(_both_hold(one, other) for other in found[:place]):
            told = f"two rows of capacities hold for {one.licence} at one time: end the earlier one before"
            raise ValueError(told)
    return found


def _both_hold(one: Capacity, other: Capacity) -> bool:
    bound, bound_too = ((row.party, row.licence, row.per, row.in_grams) for row in (one, other))
    at_once = one.since <= other.until and other.since <= one.until
    return bound == bound_too and at_once and not {*one.events}.isdisjoint(other.events)


def _month(value: object, name: str) -> int:
    if not isinstance(value, str) or not _MONTH.fullmatch(value):
        raise ValueError(f"capacities.{name} is a month, as 2026-01")
    return int(value[:4] + value[5:])
