"""Requests for sets of passports with their answers, and which sets were handed to whom (`office.db`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from node.storage.database import Database, Transaction, marks, parts

OF_PAIR_MAX = 60  # requests of one party to another; beyond it the oldest go
HANDED_TO_MAX = 100_000  # sets handed to one party; beyond it the oldest go


@dataclass(frozen=True, slots=True)
class RequestedRow:
    """One request. Times are seconds (UTC). `about`: JSON [[line, battery, point], ...], one a set."""

    number: int
    id: bytes  # digest of the statement that asks
    asker: str
    asked: str
    at: int
    ground: str
    why: str
    sets: bytes  # digests of 32 bytes, one after the other
    about: str
    consignment: str  # of the asker's node; "" at that of the asked
    requirement: str
    data: bytes  # as it was signed
    state: str = "open"  # open | given | declined
    answer_text: str = ""
    answered_at: int | None = None
    answer: bytes | None = None

    @property
    def digests(self) -> tuple[bytes, ...]:
        """The sets asked for."""
        return tuple(self.sets[i : i + 32] for i in range(0, len(self.sets), 32))


_COLUMNS = ", ".join(one.name for one in fields(RequestedRow))


class RequestedSetTable:
    """Requests by number, id and party; sets handed over by digest."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, row: RequestedRow) -> None:
        """Keep a request, once; of the same two parties the oldest beyond so many goes."""
        values = [getattr(row, one.name) for one in fields(RequestedRow)][1:]
        names = _COLUMNS.removeprefix("number, ")
        db.execute(f"INSERT OR IGNORE INTO set_requests ({names}) VALUES ({marks(len(values))})", values)
        pair = (row.asker, row.asked)
        db.execute(
            "DELETE FROM set_requests WHERE number IN (SELECT number FROM set_requests "
            "WHERE asker = ? AND asked = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
            (*pair, OF_PAIR_MAX),
        )

    @staticmethod
    def answered(db: Transaction, number: int, state: str, *, text: str, at: int, data: bytes) -> None:
        """Its answer is here."""
        db.execute(
            "UPDATE set_requests SET state = ?, answer_text = ?, answered_at = ?, answer = ? "
            "WHERE number = ?",
            (state, text, at, data, number),
        )

    @staticmethod
    def hand(db: Transaction, party: str, digests: Iterable[bytes], at: int) -> None:
        """These sets are handed to that party; the oldest beyond so many are no longer."""
        rows = [(digest, party, at) for digest in digests]
        db.executemany("INSERT OR IGNORE INTO handed_sets (digest, party, at) VALUES (?, ?, ?)", rows)
        db.execute(
            "DELETE FROM handed_sets WHERE rowid IN (SELECT rowid FROM handed_sets WHERE party = ? "
            "ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
            (party, HANDED_TO_MAX),
        )

    def handed(self, party: str, digests: Sequence[bytes]) -> set[bytes]:
        """Those of them that were handed to that party."""
        found = set[bytes]()
        for part in parts(digests):
            rows = self._db.connection.execute(
                f"SELECT digest FROM handed_sets WHERE party = ? AND digest IN ({marks(len(part))})",
                (party, *part),
            )
            found.update(row["digest"] for row in rows)
        return found

    def all_handed(self, party: str) -> set[bytes]:
        """All that were handed to that party."""
        rows = self._db.connection.execute("SELECT digest FROM handed_sets WHERE party = ?", (party,))
        return {row["digest"] for row in rows}

    def get(self, request_id: bytes) -> RequestedRow | None:
        """The one with this id."""
        found = self._select("id = ?", (request_id,))
        return found[0] if found else None

    def page(self, limit: int, before: int | None) -> list[RequestedRow]:
        """The newest first, `before` a number."""
        return self._select("number < ? ORDER BY number DESC LIMIT ?", (before or 1 << 53, limit))

    def of_pair(self, asker: str, asked: str) -> list[RequestedRow]:
        """All of one party to another, the newest first."""
        return self._select("asker = ? AND asked = ? ORDER BY number DESC", (asker, asked))

    def of_consignment(self, consignment: str) -> list[RequestedRow]:
        """Those that a row of its report was asked by, the oldest first."""
        return self._select("consignment = ? AND consignment <> '' ORDER BY number", (consignment,))

    def waiting(self, asked: str, since: int) -> int:
        """How many wait for that party's answer, of those that came since."""
        asks = "SELECT COUNT(*) AS n FROM set_requests WHERE asked = ? AND state = 'open' AND at >= ?"
        count: int = self._db.connection.execute(asks, (asked, since)).fetchone()["n"]
        return count

    def _select(self, condition: str, values: tuple[object, ...]) -> list[RequestedRow]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM set_requests WHERE {condition}", values)
        return [RequestedRow(*row) for row in rows]
