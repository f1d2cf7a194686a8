"""Whose consignment is judged next: clients take turns, so that nobody's lines hold everybody else's.

A client is a key or a session. Of each the oldest consignment goes first; a turn ends after a while where
another client waits, and what is left of the consignment goes on when it is its client's turn again.
"""

from __future__ import annotations

import time

from node.storage.consignments import ConsignmentRow, ConsignmentTable
from node.turn_order import TurnOrder

TURN_S = 2.0
READING_TIMES = 4  # or so many times as long as it took to read the manifest, which the next turn reads again
FEW_LINES = 64  # a consignment of so few does not wait for a larger one


class Turns:
    """The turns of all clients; `few`: only with consignments of a few lines."""

    def __init__(self, table: ConsignmentTable, *, few: bool = False) -> None:
        self._table = table
        self._few = few
        self.monotonic = time.monotonic  # seconds
        self._order = TurnOrder()
        self._began = 0.0
        self._until: float | None = None

    def next(self) -> ConsignmentRow | None:
        """The oldest consignment of whoever waits longest for a turn."""
        waiting = self._table.oldest_waiting(lines_max=FEW_LINES if self._few else None)
        client = self._order.next({client: row.number for client, row in waiting.items()})
        if client is None:
            return None
        self._began, self._until = self.monotonic(), None
        return waiting[client]

    def is_over(self, row: ConsignmentRow) -> bool:
        """Whether the turn of this consignment is, asked first when its manifest has been read."""
        now = self.monotonic()
        if self._until is None:
            self._until = now + max(TURN_S, READING_TIMES * (now - self._began))
        if now < self._until:
            return False
        self._until = now + TURN_S
        waiting = self._table.oldest_waiting(lines_min=FEW_LINES + 1)  # fewer have turns beside this one
        return any(client != row.client for client in waiting)
