"""The engine's inbox: bounded as a whole and per sender: nobody's flood takes another's place."""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import Generic, TypeVar

from node.errors import busy

EVENTS_MAX = 8192
SIZE_BYTES_MAX = 64 << 20
EVENTS_PER_SENDER_MAX = 2048
SIZE_BYTES_PER_SENDER_MAX = 16 << 20
URGENT_IN_ROW_MAX = 32  # then one that may wait has its turn
OWN = ""  # this node itself: bounded by the whole alone

E = TypeVar("E")


class Inbox(Generic[E]):
    """Events in order of arrival, patient ones after the others; `put` from any thread, `get` from one."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[str, int, int, E] | None] = queue.SimpleQueue()
        self._patient: deque[tuple[str, int, int, E]] = deque()  # each has a None in the queue
        self._turns = 0  # Nones taken out whose event still waits
        self._urgent_in_row = 0
        self._lock = threading.Lock()
        self._shares: dict[str, tuple[int, int]] = {}  # sender -> events, bytes that wait
        self._events = self._size_bytes = 0

    def __len__(self) -> int:
        return self._events

    def put(
        self, sender: str, event: E, *, count: int = 1, size_bytes: int = 0, patient: bool = False
    ) -> None:
        """Take an event of `count` messages in, or raise `busy` (503) and keep nothing of it.

        A `patient` event lets others pass: votes do not wait behind hundreds of signatures.
        """
        with self._lock:
            events, size = self._shares.get(sender, (0, 0))
            if self._events + count > EVENTS_MAX or self._size_bytes + size_bytes > SIZE_BYTES_MAX:
                raise busy("this node's inbox is full: send again in a moment")
            own = sender == OWN
            if not own and (
                events + count > EVENTS_PER_SENDER_MAX or size + size_bytes > SIZE_BYTES_PER_SENDER_MAX
            ):
                raise busy("too many of your messages wait at this node: send again in a moment")
            self._shares[sender] = events + count, size + size_bytes
            self._events += count
            self._size_bytes += size_bytes
        entry = (sender, count, size_bytes, event)
        if patient:
            self._patient.append(entry)
            self._queue.put(None)
        else:
            self._queue.put(entry)

    def wake(self, event: E) -> None:
        """An event of this node that is never refused."""
        self._queue.put((OWN, 0, 0, event))

    def get(self, wait_s: float) -> E | None:
        """The next event; None when there is none within the time."""
        taken = self._next(max(wait_s, 0.0))
        if taken is None:
            return None
        sender, count, size_bytes, event = taken
        with self._lock:
            events, size = self._shares.get(sender, (0, 0))
            if events > count:
                self._shares[sender] = events - count, size - size_bytes
            else:
                self._shares.pop(sender, None)
            self._events -= count
            self._size_bytes -= size_bytes
        return event

    def _next(self, wait_s: float) -> tuple[str, int, int, E] | None:
        while not (self._turns and self._urgent_in_row >= URGENT_IN_ROW_MAX):
            try:
                entry = self._queue.get_nowait() if self._turns else self._queue.get(timeout=wait_s)
            except queue.Empty:
                break
            if entry is not None:
                self._urgent_in_row += 1
                return entry
            self._turns += 1
        self._urgent_in_row = 0
        if not self._turns:
            return None
        self._turns -= 1
        return self._patient.popleft()
