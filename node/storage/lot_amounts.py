"""Recovered material by metal: what was recovered, put into lots, named by new batteries (`office.db`).

One row for each amount that a statement or its document says. It follows from the log and the documents that
this party may read: what is dropped beyond the bound is read again when its battery is spoken of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node.storage.database import Database, Transaction

AMOUNTS_KEPT_MAX = 200_000  # beyond it those of the oldest leaves go
RECOVERED, IN_LOT, IN_NEW = "recovered", "in_lot", "in_new"  # of a metal; into a lot; into a new battery


@dataclass(frozen=True, slots=True)
class LotAmount:
    """So much of a metal. `metal` "": nobody showed here of what it is, so that it is not checked."""

    leaf: int
    battery: bytes
    what: str
    author: str
    owner: str  # who made the lot
    lot: str
    metal: str
    grams: int


@dataclass(frozen=True, slots=True)
class MetalSums:
    """One metal over all batteries, in grams; "": what was not shown here."""

    metal: str
    recovered: int
    in_lots: int
    in_new: int


class LotAmountTable:
    """What lots hold, and where they went."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def replace(db: Transaction, battery: bytes, amounts: Iterable[LotAmount]) -> None:
        """All that is read of one battery, in place of what was."""
        db.execute("DELETE FROM lot_amounts WHERE battery = ?", (battery,))
        db.executemany(
            "INSERT INTO lot_amounts (leaf, battery, what, author, owner, lot, metal, grams) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(a.leaf, a.battery, a.what, a.author, a.owner, a.lot, a.metal, a.grams) for a in amounts],
        )
        db.execute(
            "DELETE FROM lot_amounts WHERE leaf < (SELECT leaf FROM lot_amounts ORDER BY leaf DESC "
            "LIMIT 1 OFFSET ?)",
            (AMOUNTS_KEPT_MAX,),
        )

    @staticmethod
    def lots_of(db: Transaction, battery: bytes) -> set[tuple[str, str, str]]:
        """(owner, lot, metal) of each lot that the statements of one battery make or name."""
        rows = db.execute("SELECT owner, lot, metal FROM lot_amounts WHERE battery = ?", (battery,))
        return {(row["owner"], row["lot"], row["metal"]) for row in rows if row["lot"]}

    @staticmethod
    def held(db: Transaction, owner: str, lot: str, metal: str) -> int | None:
        """What a lot holds of a metal; None while one of its owner is not shown here: it may be that one."""
        unread = db.execute(
            "SELECT 1 FROM lot_amounts WHERE owner = ? AND what = ? AND metal = '' LIMIT 1", (owner, IN_LOT)
        ).fetchone()
        if unread is not None:
            return None
        found = db.execute(
            "SELECT COALESCE(SUM(grams), 0) AS n FROM lot_amounts "
            "WHERE owner = ? AND lot = ? AND metal = ? AND what = ?",
            (owner, lot, metal, IN_LOT),
        ).fetchone()
        return int(found["n"])

    @staticmethod
    def taken(db: Transaction, owner: str, lot: str, metal: str) -> list[LotAmount]:
        """What new batteries name of a lot, in the order of the log."""
        rows = db.execute(
            "SELECT leaf, battery, what, author, owner, lot, metal, grams FROM lot_amounts "
            "WHERE owner = ? AND lot = ? AND metal = ? AND what = ? ORDER BY leaf, rowid",
            (owner, lot, metal, IN_NEW),
        )
        return [LotAmount(*row) for row in rows]

    def by_metal(self) -> list[MetalSums]:
        """Each metal, over all recyclers and makers."""
        sums = ", ".join(
            f"SUM(CASE WHEN what = '{what}' THEN grams ELSE 0 END)" for what in (RECOVERED, IN_LOT, IN_NEW)
        )
        read = f"SELECT metal, {sums} FROM lot_amounts GROUP BY metal ORDER BY metal"
        rows = self._db.connection.execute(read)
        return [MetalSums(*row) for row in rows]
