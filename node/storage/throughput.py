"""What a facility handled, by event and the month in which it happened (`office.db`): what X14 compares.

It follows from the log and what governed, as the tallies do. What was taken back is taken out again, in the
month for which it was counted. Counted only where a capacity is compared, and then from leaf 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.storage.database import Database, Transaction, marks

_COUNTED = "handled"  # in meta: how many leaves were counted
ROWS_KEPT_MAX = 200_000  # beyond it the oldest months go


@dataclass(frozen=True, slots=True)
class Throughput:
    """So many batteries and grams of one event, under one licence, in the month (UTC) when it happened."""

    month: int  # 202703
    party: str
    facility: str  # the licence, as its authority writes it
    kind: str
    batteries: int  # below zero: taken back
    grams: int


class ThroughputTable:
    """Sums by licence, event and month."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def counted_until(self, asked: bytes) -> int:
        """How many leaves of the log were counted, for what is asked; 0 where other things were."""
        kept = self._db.remembered(_COUNTED) or b""
        return int.from_bytes(kept[:8], "big") if kept[8:] == asked else 0

    def count_on(self, db: Transaction, leaf: int, asked: bytes) -> None:
        """So many were."""
        self._db.remember(db, _COUNTED, leaf.to_bytes(8, "big") + asked)

    @staticmethod
    def add(db: Transaction, found: Iterable[Throughput], *, anew: bool = False) -> None:
        """Add these to what is there, or, `anew`, to nothing; then the oldest months beyond the bound go."""
        if anew:
            db.execute("DELETE FROM throughput")
        for one in found:
            db.execute(
                "INSERT INTO throughput (month, party, facility, kind, batteries, grams) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (month, party, facility, kind) "
                "DO UPDATE SET batteries = batteries + excluded.batteries, grams = grams + excluded.grams",
                (one.month, one.party, one.facility, one.kind, one.batteries, one.grams),
            )
        too_many = db.execute("SELECT COUNT(*) AS n FROM throughput").fetchone()["n"] - ROWS_KEPT_MAX
        if too_many > 0:
            db.execute(
                "DELETE FROM throughput WHERE rowid IN (SELECT rowid FROM throughput ORDER BY month LIMIT ?)",
                (too_many,),
            )

    def by_month(self, party: str, facility: str, kinds: Sequence[str]) -> dict[int, tuple[int, int]]:
        """{month: (batteries, grams)} of these events under this licence."""
        rows = self._db.connection.execute(
            "SELECT month, SUM(batteries), SUM(grams) FROM throughput "
            f"WHERE party = ? AND facility = ? AND kind IN ({marks(len(kinds))}) GROUP BY month",
            (party, facility, *kinds),
        )
        return {month: (batteries, grams) for month, batteries, grams in rows}
