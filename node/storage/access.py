"""Who may ask, as rows: keys, one-time links, sessions. A secret is known by its hash only."""

from __future__ import annotations

from dataclasses import dataclass

from node.storage.database import Database, Transaction, marks


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A bearer key; `scopes` are words with blanks between them. `made_by`: the name of whose key made it.

    `share`: the name of whom the operator let in, from whom this one leads back; "" is its own.
    """

    name: str
    scopes: str
    created: int
    last_used: int | None
    made_by: str
    revoked: int | None
    share: str


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A one-time link: the session that it opens, and the page it leads to."""

    scopes: str
    next: str
    name: str
    made_by: str
    share: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of the pages; `name` is the person's as the link said, `made_by` who made the link.

    `account`: of somebody who signed in, "" of who came by a link.
    """

    name: str
    scopes: str
    created: int
    expires: int
    made_by: str
    share: str
    account: str = ""


_KEY = "name, scopes, created, last_used, made_by, revoked, share"
_SESSION = "name, scopes, created, expires, made_by, share, account"
# Who leads back to somebody whom the operator let in; of the operator, who does to nobody else.
_OF_SHARE = "share = :share AND (:share <> '' OR made_by = :maker)"


class AccessTable:
    """Keys, links and sessions of one node."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def key(self, hashed: bytes) -> KeyRow | None:
        row = self._db.connection.execute(
            f"SELECT {_KEY} FROM keys WHERE hash = ? AND revoked IS NULL", (hashed,)
        ).fetchone()
        return None if row is None else KeyRow(*row)

    def granted(self) -> list[KeyRow]:
        """Every key in use, oldest first, and of the revoked ones those that are kept."""
        return [
            KeyRow(*row) for row in self._db.connection.execute(f"SELECT {_KEY} FROM keys ORDER BY created")
        ]

    def session(self, hashed: bytes, now: int) -> SessionRow | None:
        """A session that has not ended."""
        row = self._db.connection.execute(
            f"SELECT {_SESSION} FROM sessions WHERE hash = ? AND expires > ?", (hashed, now)
        ).fetchone()
        return None if row is None else SessionRow(*row)

    def sessions(self, now: int) -> list[SessionRow]:
        """The sessions that have not ended, oldest first."""
        rows = self._db.connection.execute(
            f"SELECT {_SESSION} FROM sessions WHERE expires > ? ORDER BY created", (now,)
        )
        return [SessionRow(*row) for row in rows]

    @staticmethod
    def named(db: Transaction, name: str) -> bool:
        """Whether a key that is in use has this name."""
        row = db.execute("SELECT 1 FROM keys WHERE name = ? AND revoked IS NULL", (name,)).fetchone()
        return row is not None

    @staticmethod
    def keys_of(db: Transaction, maker: str, share: str) -> int:
        """How many keys that are in use lead back to somebody."""
        row = db.execute(
            f"SELECT COUNT(*) FROM keys WHERE {_OF_SHARE} AND revoked IS NULL",
            {"maker": maker, "share": share},
        )
        count: int = row.fetchone()[0]
        return count

    @staticmethod
    def let_in(db: Transaction, maker: str, share: str, now: int, made_after: int) -> int:
        """How many sessions that have not ended lead back to somebody, and links that may still open one."""
        row = db.execute(
            f"SELECT (SELECT COUNT(*) FROM sessions WHERE {_OF_SHARE} AND expires > :now) + "
            f"(SELECT COUNT(*) FROM links WHERE {_OF_SHARE} AND used IS NULL AND created > :made_after)",
            {"maker": maker, "share": share, "now": now, "made_after": made_after},
        )
        count: int = row.fetchone()[0]
        return count

    @staticmethod
    def borne(db: Transaction, name: str, maker: str, now: int) -> bool:
        """Whether a key in use, an open session or an unused link has this name, and not by `maker`."""
        row = db.execute(
            "SELECT 1 FROM keys WHERE name = :name AND revoked IS NULL AND made_by <> :maker "
            "UNION ALL SELECT 1 FROM sessions WHERE name = :name AND expires > :now AND made_by <> :maker "
            "UNION ALL SELECT 1 FROM links WHERE name = :name AND used IS NULL AND made_by <> :maker",
            {"name": name, "maker": maker, "now": now},
        ).fetchone()
        return row is not None

    @staticmethod
    def put_key(db: Transaction, hashed: bytes, row: KeyRow) -> None:
        db.execute(
            f"INSERT INTO keys (hash, {_KEY}) VALUES ({marks(8)})",
            (hashed, row.name, row.scopes, row.created, row.last_used, row.made_by, row.revoked, row.share),
        )

    @staticmethod
    def touch_key(db: Transaction, hashed: bytes, now: int) -> None:
        db.execute("UPDATE keys SET last_used = ? WHERE hash = ?", (now, hashed))

    @staticmethod
    def revoke(db: Transaction, name: str, now: int) -> tuple[int, int]:
        """(keys, sessions) of that name, or that lead back to it by links, that end now.

        Links of theirs that were not used yet go with them. A name that somebody else bears leads no further.
        """
        keys = db.execute(
            "UPDATE keys SET revoked = ? WHERE name = ? AND revoked IS NULL", (now, name)
        ).rowcount
        db.execute("DELETE FROM links WHERE name = ? AND used IS NULL", (name,))
        ended = db.execute("DELETE FROM sessions WHERE name = ? AND expires > ?", (name, now)).rowcount
        makers = [name]
        while makers:
            maker = makers.pop()
            db.execute("DELETE FROM links WHERE made_by = ? AND used IS NULL", (maker,))
            opened = db.execute(
                "DELETE FROM sessions WHERE made_by = ? AND expires > ? RETURNING name", (maker, now)
            ).fetchall()
            ended += len(opened)
            makers += sorted(one for (one,) in set(map(tuple, opened)) if not _in_use(db, one, now))
        return keys, ended

    @staticmethod
    def put_link(db: Transaction, hashed: bytes, row: LinkRow, now: int) -> None:
        db.execute(
            f"INSERT INTO links (hash, scopes, next, name, made_by, share, created) VALUES ({marks(7)})",
            (hashed, row.scopes, row.next, row.name, row.made_by, row.share, now),
        )

    @staticmethod
    def use_link(db: Transaction, hashed: bytes, now: int, made_after: int) -> LinkRow | None:
        """A link that was not used and is young enough: it is used up now."""
        row = db.execute(
            "SELECT scopes, next, name, made_by, share FROM links "
            "WHERE hash = ? AND used IS NULL AND created > ?",
            (hashed, made_after),
        ).fetchone()
        if row is None:
            return None
        db.execute("UPDATE links SET used = ? WHERE hash = ?", (now, hashed))
        return LinkRow(*row)

    @staticmethod
    def put_session(db: Transaction, hashed: bytes, row: SessionRow) -> None:
        db.execute(
            f"INSERT INTO sessions (hash, {_SESSION}) VALUES ({marks(8)})",
            (hashed, *(row.name, row.scopes, row.created, row.expires, row.made_by, row.share, row.account)),
        )

    @staticmethod
    def end_session(db: Transaction, hashed: bytes) -> int:
        """Sign out; how many sessions that were."""
        return db.execute("DELETE FROM sessions WHERE hash = ?", (hashed,)).rowcount

    @staticmethod
    def forget_revoked(db: Transaction, maker: str, share: str, kept: int) -> None:
        """Of the revoked keys that lead back to somebody only the last so many stay; the audit has all."""
        db.execute(
            f"DELETE FROM keys WHERE hash IN (SELECT hash FROM keys WHERE {_OF_SHARE} "
            "AND revoked IS NOT NULL ORDER BY revoked DESC, rowid DESC LIMIT -1 OFFSET :kept)",
            {"maker": maker, "share": share, "kept": kept},
        )

    @staticmethod
    def forget_ended(db: Transaction, now: int, made_before: int) -> None:
        """Sessions that ended, links that are too old."""
        db.execute("DELETE FROM sessions WHERE expires < ?", (now,))
        db.execute("DELETE FROM links WHERE created < ?", (made_before,))


def _in_use(db: Transaction, name: str, now: int) -> bool:
    """Whether a key or an open session has this name."""
    row = db.execute(
        "SELECT 1 FROM keys WHERE name = :name AND revoked IS NULL "
        "UNION ALL SELECT 1 FROM sessions WHERE name = :name AND expires > :now",
        {"name": name, "now": now},
    ).fetchone()
    return row is not None
