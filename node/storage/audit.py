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


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act. `who`: the name of a key or session; `about`: what it was done to."""

    number: int
    at: int
    who: str
    did: str  # key.granted, link.made, passport.issued, ...
    about: str


class AuditTable:
    """Acts in order. Triggers refuse changes, so that a mistake in a statement cannot rewrite the past."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, now: int, who: str, did: str, about: str) -> None:
        db.execute("INSERT INTO audit (at, who, did, about) VALUES (?, ?, ?, ?)", (now, who, did, about))

    def page(self, limit: int, before: int | None) -> list[AuditRow]:
        """The newest first, of those with a smaller number than `before`."""
        rows = self._db.connection.execute(
            "SELECT number, at, who, did, about FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?",
            (before if before is not None else NUMBER_MAX, limit),
        )
        return [AuditRow(*row) for row in rows]
