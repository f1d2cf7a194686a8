"""Who did what at this node, when: written in the transaction of what was done, never changed afterwards."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from node.storage.database import Database, Transaction

NUMBER_MAX = 1 << 53
# Who acts on this thread: set by the edge for each request, read where something is written. The node itself,
# where nobody asked (its own threads).
THIS_NODE, A_PEER, ANYBODY = "this node", "a peer", "anybody"  # who has neither key nor session
WHO: ContextVar[str] = ContextVar("who", default=THIS_NODE)
ACCOUNT: ContextVar[str] = ContextVar("account", default="")  # of that name; "" where it is a key or nobody


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act. `who`: the name of a key or session; `about`: what it was done to.

    `account`: the account of that person, by its id, which no other one ever has; "" where it was none.
    """

    number: int
    at: int
    who: str
    did: str  # key.granted, link.made, passport.issued, ...
    about: str
    account: str


_COLUMNS = "number, at, who, did, about, account"


class AuditTable:
    """Acts in order. Triggers refuse changes, so that a mistake in a statement cannot rewrite the past."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(
        db: Transaction,
        now: int,
        who: str,
        did: str,
        about: str,
        *,
        account: str | None = None,
        ref: bytes | None = None,
    ) -> None:
        """`ref`: the digest of the signed statement that came of it; `account`: not the one that asks."""
        whose = ACCOUNT.get() if account is None else account
        db.execute(
            "INSERT INTO audit (at, who, did, about, account, ref) VALUES (?, ?, ?, ?, ?, ?)",
            (now, who, did, about, whose, ref),
        )

    def page(self, limit: int, before: int | None, who: str = "") -> list[AuditRow]:
        """The newest first, of those with a smaller number than `before`; `who`: of this name alone."""
        rows = self._db.connection.execute(
            f"SELECT {_COLUMNS} FROM audit WHERE number < :before AND (:who = '' OR who = :who) "
            "ORDER BY number DESC LIMIT :limit",
            {"before": before if before is not None else NUMBER_MAX, "who": who, "limit": limit},
        )
        return [AuditRow(*row) for row in rows]

    def of_statement(self, digest: bytes) -> AuditRow | None:
        """Who made a signed statement of this node; None for those from before it was written down."""
        row = self._db.connection.execute(
            f"SELECT {_COLUMNS} FROM audit WHERE ref = ? ORDER BY number LIMIT 1", (digest,)
        ).fetchone()
        return None if row is None else AuditRow(*row)
