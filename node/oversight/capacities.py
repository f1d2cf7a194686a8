"""X14: what a facility states beyond the capacity that its licence has, in a month or in a year.

    [[capacities]] of node.toml (whose, under which licence, which events, how much at most, of which months)
    what was stated under that licence, by the month in which it happened (`handling.py`)
    -> a month or year with more is one alert at the authority that keeps the row; with less again, it closes

No licence on the ledger states a capacity, so whoever licenses keeps the table; without a row nothing is
compared. It refuses nothing and is about no battery: no verdict and no sum of risk reads it (D717).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from credentials.ledger.governance import GovernanceHistory
from node.oversight.alert_kinds import AUTHORITY, CAPACITY, kind_of
from node.oversight.raising import RaisedAlert, row_of
from node.storage.alerts import ACKNOWLEDGED, OPEN
from node.storage.database import Transaction
from node.storage.office import OfficeStore

RULE = "X14"
ROWS_MAX = 1_000
MONTH, YEAR = "month", "year"
GRAMS, BATTERIES = "grams_max", "batteries_max"
TEXTS = ("party", "licence", "side", "basis")
WHO = "this node"
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
    """The rows of node.toml; ValueError for one that cannot be gone by, and for two of one time."""
    if len(rows) > ROWS_MAX:
        raise ValueError(f"capacities has {len(rows)} rows, and at most {ROWS_MAX} are compared")
    found = tuple(Capacity.of(row) for row in rows)
    for place, one in enumerate(found):
        if any(_both_hold(one, other) for other in found[:place]):
            told = f"two rows of capacities hold for {one.licence} at one time: end the earlier one before"
            raise ValueError(told)
    return found


def _both_hold(one: Capacity, other: Capacity) -> bool:
    same = (one.party, one.licence, one.per) == (other.party, other.licence, other.per)
    at_once = one.since <= other.until and other.since <= one.until
    return same and at_once and not {*one.events}.isdisjoint(other.events)


class Capacities:
    """Compares; used by the thread that tallies."""

    def __init__(self, office: OfficeStore, history: GovernanceHistory, rows: Iterable[Capacity]) -> None:
        self._office, self._history, self._rows = office, history, tuple(rows)
        self.began = False  # after a start the rows may be others

    def compare(self, db: Transaction, parties: Iterable[str], leaf: int, at: int) -> None:
        """Raise and close what the sums of these parties say; after a start, those of all."""
        touched = frozenset(parties)
        for row in self._rows:
            if not self.began or row.party in touched:
                sums = self._office.throughput.by_month(row.party, row.licence, row.events)
                for period, too_much in row.beyond(sums):
                    raised = self._raised(row, period, leaf)
                    if too_much:
                        self._raise(db, raised, row, at)
                    else:
                        self._close(db, raised.id, at)
        self.began = True

    def _raise(self, db: Transaction, raised: RaisedAlert, row: Capacity, at: int) -> None:
        """Once, and again only where this node had closed it: more of the same tells nobody anew."""
        known = self._office.alerts.get(raised.id)
        if known is None or (known.state != OPEN and known.handled_by == WHO):
            most = f"{row.most / 1_000_000:g} t" if row.in_grams else str(row.most)
            period = raised.period.partition(" ")[0]
            more = {"licence": row.licence, "period": period, "most": most, "basis": row.basis}
            self._office.alerts.put(db, row_of(raised, None, at, [AUTHORITY], more=more))

    def _close(self, db: Transaction, alert_id: bytes, at: int) -> None:
        known = self._office.alerts.get(alert_id)
        if known is not None and known.state == OPEN:
            self._office.alerts.handle(db, alert_id, {"state": ACKNOWLEDGED}, WHO, at)

    def _raised(self, row: Capacity, period: str, leaf: int) -> RaisedAlert:
        kind = kind_of(CAPACITY, ())
        assert kind is not None, "a row of the shipped table"
        named = f"{period} {row.since} {','.join(sorted(row.events))}"
        raised = RaisedAlert(kind, leaf, self._history.height, row.party, rule=RULE, facility=row.licence)
        return replace(raised, period=named, sides=frozenset({row.side}))


def _month(value: object, name: str) -> int:
    if not isinstance(value, str) or not _MONTH.fullmatch(value):
        raise ValueError(f"capacities.{name} is a month, as 2026-01")
    return int(value[:4] + value[5:])
