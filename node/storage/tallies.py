"""What each party recorded, by licence, event and month (`office.db`): added up as the log grows.

It follows from the log and what governed: what is dropped beyond the bound, or lost, is counted anew from
leaf 0 by forgetting how far was counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.storage.database import Database, Transaction, marks

TALLIES_KEPT_MAX = 200_000  # beyond it the oldest months go
REFUSED_KIND = "refused"  # of what lost by a rule: the log says of it no event
TAKEN_IN, GIVEN_OUT, MADE = "recycling.received", "material.recovered", "battery.produced"
_COUNTED = "tallied"  # in meta: how many leaves were counted


@dataclass(frozen=True, slots=True)
class Tally:
    """So many statements of one sort by one party in one month (UTC, when they were recorded)."""

    month: int  # 202703
    side: str  # jurisdiction of the licence; of its party, where it had none
    home: str  # jurisdiction of the party
    party: str
    facility: str  # the licence as its authority writes it; "" where none is known
    kind: str  # the event, or REFUSED_KIND
    events: int = 1
    grams: int = 0


@dataclass(frozen=True, slots=True)
class TallyFilter:
    """Which of them: of these sides (the licence's or the party's), in these months, both included."""

    sides: tuple[str, ...]
    since: int
    until: int
    party: str = ""
    facility: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class FacilityTally:
    """A party under one licence over the months that were asked for; masses in grams."""

    party: str
    facility: str
    side: str
    events: int
    refused: int
    made: int
    taken_in: int
    given_out: int


@dataclass(frozen=True, slots=True)
class MonthTally:
    """One month, whoever it was; masses in grams."""

    month: int
    events: int
    refused: int
    made: int
    taken_in: int
    given_out: int


_SUMS = (
    f"SUM(CASE WHEN kind <> '{REFUSED_KIND}' THEN events ELSE 0 END), "
    f"SUM(CASE WHEN kind = '{REFUSED_KIND}' THEN events ELSE 0 END), "
    + ", ".join(
        f"SUM(CASE WHEN kind = '{kind}' THEN grams ELSE 0 END)" for kind in (MADE, TAKEN_IN, GIVEN_OUT)
    )
)


class TallyTable:
    """Sums by party, licence, event and month."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def counted_until(self) -> int:
        """How many leaves of the log were counted."""
        return int.from_bytes(self._db.remembered(_COUNTED) or b"", "big")

    def count_on(self, db: Transaction, leaf: int) -> None:
        """So many were."""
        self._db.remember(db, _COUNTED, leaf.to_bytes(8, "big"))

    @staticmethod
    def add(db: Transaction, found: Iterable[Tally]) -> None:
        """Add these to what is there; then the oldest months beyond the bound go."""
        for one in found:
            db.execute(
                "INSERT INTO tallies (month, side, home, party, facility, kind, events, grams) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (month, party, facility, side, kind) "
                "DO UPDATE SET events = events + excluded.events, grams = grams + excluded.grams",
                (one.month, one.side, one.home, one.party, one.facility, one.kind, one.events, one.grams),
            )
        too_many = db.execute("SELECT COUNT(*) AS n FROM tallies").fetchone()["n"] - TALLIES_KEPT_MAX
        if too_many > 0:
            db.execute(
                "DELETE FROM tallies WHERE rowid IN (SELECT rowid FROM tallies ORDER BY month LIMIT ?)",
                (too_many,),
            )

    def by_facility(self, wanted: TallyFilter, limit: int) -> list[FacilityTally]:
        """Each party under each licence, those with most first."""
        condition, values = _where(wanted)
        rows = self._db.connection.execute(
            f"SELECT party, facility, side, {_SUMS} FROM tallies WHERE {condition} "
            "GROUP BY party, facility, side ORDER BY 4 DESC, party, facility LIMIT ?",
            (*values, limit),
        )
        return [FacilityTally(*row) for row in rows]

    def by_month(self, wanted: TallyFilter) -> list[MonthTally]:
        """Each month in which there was something, in order."""
        condition, values = _where(wanted)
        rows = self._db.connection.execute(
            f"SELECT month, {_SUMS} FROM tallies WHERE {condition} GROUP BY month ORDER BY month", values
        )
        return [MonthTally(*row) for row in rows]

    def by_kind(self, wanted: TallyFilter) -> list[tuple[str, int, int]]:
        """(event, how many, grams), those with most first."""
        condition, values = _where(wanted)
        rows = self._db.connection.execute(
            f"SELECT kind, SUM(events), SUM(grams) FROM tallies WHERE {condition} AND kind <> ? "
            "GROUP BY kind ORDER BY 2 DESC, kind",
            (*values, REFUSED_KIND),
        )
        return [(row[0], row[1], row[2]) for row in rows]


def _where(wanted: TallyFilter) -> tuple[str, tuple[object, ...]]:
    among = marks(len(wanted.sides))
    told: Sequence[object] = (wanted.since, wanted.until, *wanted.sides, *wanted.sides)
    condition = f"month >= ? AND month <= ? AND (side IN ({among}) OR home IN ({among}))"
    for name in ("party", "facility", "kind"):
        if value := getattr(wanted, name):
            condition, told = f"{condition} AND {name} = ?", (*told, value)
    return condition, tuple(told)
