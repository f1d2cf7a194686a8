"""Letters to other nodes that wait until they were taken (`office.db`): of cases, alerts and attempts."""

from __future__ import annotations

from dataclasses import dataclass, fields

from node.storage.database import Database, Transaction, marks

LETTERS_KEPT_MAX = 20_000  # of each path; beyond it the oldest of that path go


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One signed message for one addressee."""

    number: int
    path: str  # of the peer's door
    digest: bytes  # of what it tells, which nobody is told twice
    told: str
    at: int
    data: bytes
    state: str = "waits"  # waits | sent | given_up
    tries: int = 0
    due: int = 0  # not sent again before


_COLUMNS = ", ".join(one.name for one in fields(LetterRow))


class LetterTable:
    """Letters by number."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, row: LetterRow) -> None:
        """Have it sent, once."""
        values = [getattr(row, one.name) for one in fields(LetterRow)][1:]
        made = db.execute(
            f"INSERT OR IGNORE INTO letters ({_COLUMNS.removeprefix('number, ')}) VALUES "
            f"({marks(len(values))})",
            values,
        )
        if made.rowcount == 1:
            db.execute(
                "DELETE FROM letters WHERE path = ? AND number <= "
                "(SELECT number FROM letters WHERE path = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (row.path, row.path, LETTERS_KEPT_MAX),
            )

    def waiting(self, now: int, limit: int) -> list[LetterRow]:
        """Of what is to be sent by now the oldest of each path to each addressee, the oldest first."""
        oldest = "SELECT MIN(number) FROM letters WHERE state = 'waits' AND due <= ? GROUP BY path, told"
        return self._select(f"number IN ({oldest}) ORDER BY number LIMIT ?", (now, limit))

    def of(self, digests: list[bytes]) -> list[LetterRow]:
        """Those that carry one of these."""
        asked = f"digest IN ({marks(len(digests))}) ORDER BY number"
        return self._select(asked, tuple(digests)) if digests else []

    @staticmethod
    def settled(db: Transaction, number: int, state: str) -> None:
        """It was taken, or is given up."""
        db.execute("UPDATE letters SET state = ? WHERE number = ?", (state, number))

    @staticmethod
    def later(db: Transaction, number: int, due: int) -> None:
        """It is sent again then."""
        db.execute("UPDATE letters SET due = ?, tries = tries + 1 WHERE number = ?", (due, number))

    @staticmethod
    def unreached(db: Transaction, told: str, due: int, since: int) -> None:
        """Nothing goes to this addressee before `due`; what waited since before `since` is given up."""
        db.execute(
            "UPDATE letters SET state = 'given_up' WHERE told = ? AND state = 'waits' AND at < ?",
            (told, since),
        )
        db.execute(
            "UPDATE letters SET due = ? WHERE told = ? AND state = 'waits' AND due < ?", (due, told, due)
        )

    def _select(self, condition: str, values: tuple[object, ...]) -> list[LetterRow]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM letters WHERE {condition}", values)
        return [LetterRow(*row) for row in rows]
