"""Who may ask, as rows: keys, one-time links, sessions. A secret is known by its hash only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A bearer key that was granted; `scopes` are words with blanks between them."""

    name: str
    scopes: str
    created: int
    last_used: int | None


class AccessTable:
    """Keys, links and sessions of one node."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def key(self, hashed: bytes) -> KeyRow | None:
        row = self._db.connection.execute(
            "SELECT name, scopes, created, last_used FROM keys WHERE hash = ?", (hashed,)
        ).fetchone()
        return None if row is None else KeyRow(*row)

    def granted(self) -> list[KeyRow]:
        """Every key that was granted, oldest first."""
        rows = self._db.connection.execute(
            "SELECT name, scopes, created, last_used FROM keys ORDER BY created"
        )
        return [KeyRow(*row) for row in rows]

    def session(self, hashed: bytes, now: int) -> tuple[str, str] | None:
        """(name, scopes) of a session that has not ended."""
        row = self._db.connection.execute(
            "SELECT name, scopes FROM sessions WHERE hash = ? AND expires > ?", (hashed, now)
        ).fetchone()
        return None if row is None else (row["name"], row["scopes"])

    @staticmethod
    def put_key(db: Transaction, hashed: bytes, name: str, scopes: str, now: int) -> None:
        row = (hashed, name, scopes, now)
        db.execute("INSERT INTO keys (hash, name, scopes, created) VALUES (?, ?, ?, ?)", row)

    @staticmethod
    def touch_key(db: Transaction, hashed: bytes, now: int) -> None:
        db.execute("UPDATE keys SET last_used = ? WHERE hash = ?", (now, hashed))

    @staticmethod
    def put_link(db: Transaction, hashed: bytes, scopes: str, next: str, now: int) -> None:
        row = (hashed, scopes, next, now)
        db.execute("INSERT INTO links (hash, scopes, next, created) VALUES (?, ?, ?, ?)", row)

    @staticmethod
    def use_link(db: Transaction, hashed: bytes, now: int, made_after: int) -> tuple[str, str] | None:
        """(scopes, next) of a link that was not used and is young enough: it is used up now."""
        row: Any = db.execute(
            "SELECT scopes, next FROM links WHERE hash = ? AND used IS NULL AND created > ?",
            (hashed, made_after),
        ).fetchone()
        if row is None:
            return None
        db.execute("UPDATE links SET used = ? WHERE hash = ?", (now, hashed))
        return row["scopes"], row["next"]

    @staticmethod
    def put_session(
        db: Transaction, hashed: bytes, name: str, scopes: str, *, now: int, expires: int
    ) -> None:
        db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", (hashed, name, scopes, now, expires))

    @staticmethod
    def forget_ended(db: Transaction, now: int, made_before: int) -> None:
        """Sessions that ended, links that are too old."""
        db.execute("DELETE FROM sessions WHERE expires < ?", (now,))
        db.execute("DELETE FROM links WHERE created < ?", (made_before,))
