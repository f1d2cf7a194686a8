"""Whether this participant may speak: closed while its records may be older than what it already said."""

from __future__ import annotations

from node.errors import ProblemError


class Gate:
    """Open, or closed for a reason that the next caller is told."""

    def __init__(self) -> None:
        self.closed: str | None = None

    def require_open(self) -> None:
        """503 while the office is being compared with the ledger: nothing was signed, try again."""
        if self.closed is not None:
            raise ProblemError(503, "comparing_with_ledger", "Not yet", self.closed)
