"""Work that was set aside because it failed unforeseen: kept with its reason until the operator decides."""

from __future__ import annotations

from dataclasses import dataclass

from node.storage.database import Database, Transaction

_COLUMNS = "number, what, ref, because, at, tries"


@dataclass(frozen=True, slots=True)
class AsideRow:
    """One piece of work. `what`: attestation | line | consignment; `ref` names it among those."""

    number: int
    what: str
    ref: str
    because: str
    at: int  # of the last try, seconds UTC
    tries: int


class AsideTable:
    """What is not tried again by itself."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, what: str, ref: str, because: str, now: int) -> None:
        """Set aside, or set aside again after another try."""
        db.execute(
            "INSERT INTO set_aside (what, ref, because, at, tries, again) VALUES (?, ?, ?, ?, 1, 0) "
            "ON CONFLICT (what, ref) DO UPDATE SET because = excluded.because, at = excluded.at, "
            "tries = tries + 1, again = 0",
            (what, ref, because, now),
        )

    @staticmethod
    def clear(db: Transaction, what: str, ref: str) -> None:
        """It succeeded."""
        db.execute("DELETE FROM set_aside WHERE what = ? AND ref = ?", (what, ref))

    @staticmethod
    def try_again(db: Transaction, number: int) -> None:
        """The operator wants it tried once more."""
        db.execute("UPDATE set_aside SET again = 1 WHERE number = ?", (number,))

    def get(self, number: int) -> AsideRow | None:
        row = self._db.connection.execute(f"SELECT {_COLUMNS} FROM set_aside WHERE number = ?", (number,))
        found = row.fetchone()
        return None if found is None else AsideRow(*found)

    def refs(self, what: str, *, again: bool) -> list[str]:
        """Those that are to be tried again, or those that are not."""
        rows = self._db.connection.execute(
            "SELECT ref FROM set_aside WHERE what = ? AND again = ? ORDER BY number", (what, int(again))
        )
        return [row["ref"] for row in rows]

    def count(self) -> int:
        """How many wait for the operator."""
        row = self._db.connection.execute("SELECT COUNT(*) AS n FROM set_aside WHERE again = 0")
        return int(row.fetchone()["n"])

    def page(self, limit: int) -> list[AsideRow]:
        """The newest first."""
        rows = self._db.connection.execute(
            f"SELECT {_COLUMNS} FROM set_aside ORDER BY number DESC LIMIT ?", (limit,)
        )
        return [AsideRow(*row) for row in rows]
