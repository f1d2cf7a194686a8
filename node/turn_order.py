"""Whose turn it is among clients that wait: whoever waits longest for one, so that nobody is passed over.

A client is a key or a session's share. Only who waits is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping


class TurnOrder:
    """The turns of all clients, in one thread."""

    def __init__(self) -> None:
        self._count = 0
        self._last: dict[str, int] = {}  # of each client that waits, which turn was its last

    def next(self, waiting: Mapping[str, int]) -> str | None:
        """Of `waiting`, {client: number of its oldest item}, whose turn it is; None where nobody waits."""
        if not waiting:
            return None
        # Who came since is behind all that wait, but not behind who had the last one.
        self._last = {client: self._last.get(client, self._count - 1) for client in waiting}
        client = min(waiting, key=lambda one: (self._last[one], waiting[one]))
        self._count += 1
        self._last[client] = self._count
        return client
