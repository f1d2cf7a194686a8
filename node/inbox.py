"""The engine's inbox: bounded as a whole and per sender: nobody's flood takes another's place."""

from __future__ import annotations

import queue
import threading
from typing import Generic, TypeVar

from node.errors import busy

EVENTS_MAX = 8192
SIZE_BYTES_MAX = 64 << 20
EVENTS_PER_SENDER_MAX = 2048
SIZE_BYTES_PER_SENDER_MAX = 16 << 20
OWN = ""  # this node itself: bounded by the whole alone

E = TypeVar("E")


class Inbox(Generic[E]):
    """Events in order of arrival; `put` from any thread, `get` from one."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[str, int, int, E]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._shares: dict[str, tuple[int, int]] = {}  # sender -> events, bytes that wait
        self._events = self._size_bytes = 0

    def __len__(self) -> int:
        return self._events

    def put(self, sender: str, event: E, *, count: int = 1, size_bytes: int = 0) -> None:
        """Take an event of `count` messages in, or raise `busy` (503) and keep nothing of it."""
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
        self._queue.put((sender, count, size_bytes, event))

    def wake(self, event: E) -> None:
        """An event of this node that is never refused."""
        self._queue.put((OWN, 0, 0, event))

    def get(self, wait_s: float) -> E | None:
        """The next event; None when there is none within the time."""
        try:
            sender, count, size_bytes, event = self._queue.get(timeout=max(wait_s, 0.0))
        except queue.Empty:
            return None
        with self._lock:
            events, size = self._shares.get(sender, (0, 0))
            if events > count:
                self._shares[sender] = events - count, size - size_bytes
            else:
                self._shares.pop(sender, None)
            self._events -= count
            self._size_bytes -= size_bytes
        return event
