"""Attempts that were refused for want of a licence, as they are told here (`office.db`)."""

from __future__ import annotations

from dataclasses import dataclass, fields

from node.storage.database import Database, Transaction, marks

ATTEMPTS_KEPT_MAX = 20_000  # beyond it the oldest go


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One refused statement, as one refuser saw it."""

    number: int
    digest: bytes  # of the refused attestation
    refuser: str
    code: str
    party: str  # who signed what was refused
    kind: str
    subject: bytes
    at: int
    report: bytes  # as the refuser signed it


_COLUMNS = ", ".join(one.name for one in fields(AttemptRow))


class AttemptTable:
    """Attempts by number and battery."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, row: AttemptRow) -> int | None:
        """Its number; None if it is here already."""
        values = [getattr(row, one.name) for one in fields(AttemptRow)][1:]
        made = db.execute(
            f"INSERT OR IGNORE INTO attempts ({_COLUMNS.removeprefix('number, ')}) VALUES "
            f"({marks(len(values))})",
            values,
        )
        if made.rowcount != 1:
            return None
        db.execute("DELETE FROM attempts WHERE number <= ?", ((made.lastrowid or 0) - ATTEMPTS_KEPT_MAX,))
        return made.lastrowid

    def these(self, numbers: list[int]) -> list[AttemptRow]:
        """By number, the newest first."""
        asked = f"number IN ({marks(len(numbers))}) ORDER BY number DESC"
        return self._select(asked, tuple(numbers)) if numbers else []

    def page(self, limit: int, before: int | None) -> list[AttemptRow]:
        """The newest first, `before` a number."""
        return self._select("number < ? ORDER BY number DESC LIMIT ?", (before or 1 << 53, limit))

    def _select(self, condition: str, values: tuple[object, ...]) -> list[AttemptRow]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM attempts WHERE {condition}", values)
        return [AttemptRow(*row) for row in rows]
