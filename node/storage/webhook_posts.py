"""Posts to the endpoints of webhooks (`office.db`): waiting, sent, or dead after the last try.

A post is stored in the transaction of what it tells, once for an endpoint and an id. Each names the one
before it of its endpoint, so that whoever receives them sees a gap. The newest `POSTS_KEPT` stay.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from node.storage.database import Database, Transaction, marks

POSTS_KEPT = 20_000  # beyond it the oldest go, whatever became of them
WAITS, SENT, DEAD = "waits", "sent", "dead"


@dataclass(frozen=True, slots=True)
class PostRow:
    """One post to one endpoint."""

    number: int
    endpoint: str
    topic: str
    id: str
    after: int  # the number of the post before it to this endpoint, 0 for the first
    body: bytes  # JSON
    at: int
    state: str = WAITS
    tries: int = 0
    due: int = 0  # not sent before
    because: str = ""  # why the last try failed


_COLUMNS = ", ".join(one.name for one in fields(PostRow))


class WebhookTable:
    """Posts in the order in which they came."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, row: PostRow) -> None:
        """A new post, numbered here, unless this endpoint has one with that id already."""
        made = db.execute(
            "INSERT OR IGNORE INTO webhook_posts (endpoint, topic, id, after, body, at) VALUES (?, ?, ?, "
            "(SELECT COALESCE(MAX(number), 0) FROM webhook_posts WHERE endpoint = ?), ?, ?)",
            (row.endpoint, row.topic, row.id, row.endpoint, row.body, row.at),
        )
        if made.rowcount == 1:
            oldest = (made.lastrowid or 0) - POSTS_KEPT
            db.execute("DELETE FROM webhook_posts WHERE number <= ?", (oldest,))

    def waiting(self, endpoint: str, now: int, limit: int) -> list[PostRow]:
        """Those that are to be sent by now, the oldest first."""
        condition = "endpoint = ? AND state = ? AND due <= ? ORDER BY number LIMIT ?"
        return self._select(condition, (endpoint, WAITS, now, limit))

    @staticmethod
    def tried(db: Transaction, number: int, state: str, because: str, due: int) -> None:
        """What came of a try."""
        db.execute(
            "UPDATE webhook_posts SET state = ?, because = ?, due = ?, tries = tries + 1 WHERE number = ?",
            (state, because, due, number),
        )

    @staticmethod
    def again(db: Transaction, endpoint: str, number: int | None) -> int:
        """Dead posts of an endpoint wait once more, all or one; how many."""
        one, values = ("", ()) if number is None else (" AND number = ?", (number,))
        return db.execute(
            f"UPDATE webhook_posts SET state = ?, tries = 0, due = 0 WHERE endpoint = ? AND state = ?{one}",
            (WAITS, endpoint, DEAD, *values),
        ).rowcount

    @staticmethod
    def end_others(db: Transaction, endpoints: tuple[str, ...], because: str) -> None:
        """What waits for an endpoint that is no longer there is dead."""
        db.execute(
            "UPDATE webhook_posts SET state = ?, because = ? "
            f"WHERE state = ? AND endpoint NOT IN ({marks(len(endpoints))})",
            (DEAD, because, WAITS, *endpoints),
        )

    def counts(self) -> dict[tuple[str, str], int]:
        """How many, by endpoint and state."""
        rows = self._db.connection.execute(
            "SELECT endpoint, state, COUNT(*) AS n FROM webhook_posts GROUP BY endpoint, state"
        )
        return {(row["endpoint"], row["state"]): int(row["n"]) for row in rows}

    def page(self, endpoint: str, state: str | None, after: int, limit: int) -> list[PostRow]:
        """In their order, from the one behind number `after`."""
        also, values = ("", ()) if state is None else (" AND state = ?", (state,))
        condition = f"endpoint = ? AND number > ?{also} ORDER BY number LIMIT ?"
        return self._select(condition, (endpoint, after, *values, limit))

    def dead(self, limit: int) -> list[PostRow]:
        """The newest that were given up."""
        return self._select("state = ? ORDER BY number DESC LIMIT ?", (DEAD, limit))

    def _select(self, condition: str, values: tuple[object, ...]) -> list[PostRow]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM webhook_posts WHERE {condition}", values)
        return [PostRow(*row) for row in rows]
