"""Who another node has shown to be, said by a header of its next request: before that one's body is read.

A request of a peer is signed over its body, so who sends it shows when it is there in whole; and behind a
proxy a connection is of one after the other. So the answer to a signed request carries a word that only this
server can make (HMAC-SHA-256, RFC 2104), and whoever shows it has a place of that sender's rank. It lets
nobody in: what comes is signed all the same.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable

from node.server.connections import Rank

HEADER = "Comity-Shown"
TICKET_S_MAX = 600.0  # each answer brings a newer one
NOBODY = "", Rank.STRANGER


class Tickets:
    """The words of one server; those of an earlier start are nobody's."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._secret = secrets.token_bytes(32)

    def give(self, sender: str, rank: Rank) -> str:
        """URL-safe base64 of `rank until sender`, a point, and its HMAC."""
        said = f"{int(rank)} {int(self._now() + TICKET_S_MAX)} {sender}".encode()
        return f"{base64.urlsafe_b64encode(said).decode().rstrip('=')}.{self._mark(said)}"

    def read(self, shown: str | None) -> tuple[str, Rank]:
        """(sender, its rank); NOBODY for what this server did not make, or too long ago."""
        said64, _, mark = (shown or "").partition(".")
        try:
            said = base64.urlsafe_b64decode(said64 + "=" * (-len(said64) % 4))
        except (binascii.Error, ValueError):
            return NOBODY
        if not hmac.compare_digest(mark.encode(), self._mark(said).encode()):
            return NOBODY
        rank, until, sender = said.decode().split(" ", 2)
        return (sender, Rank(int(rank))) if self._now() < int(until) else NOBODY

    def _mark(self, said: bytes) -> str:
        return hmac.digest(self._secret, said, "sha256").hex()
