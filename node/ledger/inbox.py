"""The engine's inbox: bounded per sender and worked off in turn, so that nobody's flood delays another.

Senders are authenticated participants. Each has a line of its own; the lines are served one event each. When
the whole is full, who has little waiting still gets in.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from node.errors import busy

EVENTS_MAX = 8192
SIZE_BYTES_MAX = 64 << 20
EVENTS_PER_SENDER_MAX = 2048
SIZE_BYTES_PER_SENDER_MAX = 16 << 20
EVENTS_FLOOR = 256  # of one sender: taken although others have filled the whole
SIZE_BYTES_FLOOR = 1 << 20
URGENT_IN_ROW_MAX = 32  # then one that may wait has its turn
OWN = ""  # this node itself: bounded by the whole alone

E = TypeVar("E")
_Entry = tuple[str, int, int, E]  # sender, count, bytes, event


class _Lane(Generic[E]):
    """A line for each sender; one of each in turn."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[_Entry[E]]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, entry: _Entry[E]) -> None:
        self._lines.setdefault(entry[0], deque()).append(entry)

    def next_of(self, wanted: Callable[[str], bool]) -> str | None:
        """Whose turn it is among these senders."""
        return next(filter(wanted, self._lines), None)

    def take(self, sender: str) -> _Entry[E]:
        line = self._lines[sender]
        entry = line.popleft()
        if line:
            self._lines.move_to_end(sender)
        else:
            del self._lines[sender]
        return entry


class Inbox(Generic[E]):
    """Events of each sender in order of arrival, patient ones after the others; `put` from any thread."""

    def __init__(self) -> None:
        self._urgent, self._patient = _Lane[E](), _Lane[E]()
        self._urgent_in_row = 0
        self._filled = threading.Condition()
        self._shares: dict[str, tuple[int, int]] = {}  # sender -> events, bytes that wait
        self._events = self._size_bytes = 0

    def __len__(self) -> int:
        return self._events

    def waiting_of(self, sender: str) -> int:
        """How many events of one sender wait."""
        with self._filled:
            return self._shares.get(sender, (0, 0))[0]

    def put(
        self, sender: str, event: E, *, count: int = 1, size_bytes: int = 0, patient: bool = False
    ) -> None:
        """Take an event of `count` messages in, or raise `busy` (503) and keep nothing of it.

        A `patient` event lets others pass: votes do not wait behind hundreds of signatures.
        """
        with self._filled:
            events, size = self._shares.get(sender, (0, 0))
            events, size = events + count, size + size_bytes
            full = self._events + count > EVENTS_MAX or self._size_bytes + size_bytes > SIZE_BYTES_MAX
            if full and (events > EVENTS_FLOOR or size > SIZE_BYTES_FLOOR):
                raise busy("this node's inbox is full: send again in a moment")
            if sender != OWN and (events > EVENTS_PER_SENDER_MAX or size > SIZE_BYTES_PER_SENDER_MAX):
                raise busy("too many of your messages wait at this node: send again in a moment")
            self._shares[sender] = events, size
            self._events += count
            self._size_bytes += size_bytes
            (self._patient if patient else self._urgent).add((sender, count, size_bytes, event))
            self._filled.notify()

    def wake(self, event: E) -> None:
        """An event of this node that is never refused."""
        with self._filled:
            self._urgent.add((OWN, 0, 0, event))
            self._filled.notify()

    def get(self, wait_s: float) -> E | None:
        """The next event; None when there is none within the time. From one thread."""
        with self._filled:
            if not self._filled.wait_for(lambda: self._urgent or self._patient, max(wait_s, 0.0)):
                return None
            return self._next(lambda sender: True)

    def get_of(self, wanted: Callable[[str], bool]) -> E | None:
        """The next event of these senders, at once; None where none of them has one. From one thread."""
        with self._filled:
            return self._next(wanted)

    def _next(self, wanted: Callable[[str], bool]) -> E | None:
        urgent, patient = self._urgent.next_of(wanted), self._patient.next_of(wanted)
        turn = patient is not None and self._urgent_in_row >= URGENT_IN_ROW_MAX
        if urgent is not None and not turn:
            self._urgent_in_row += 1
            return self._taken(self._urgent.take(urgent))
        self._urgent_in_row = 0
        return None if patient is None else self._taken(self._patient.take(patient))

    def _taken(self, entry: _Entry[E]) -> E:
        """Its event; it makes room."""
        sender, count, size_bytes, event = entry
        events, size = self._shares.get(sender, (0, 0))
        if events > count:
            self._shares[sender] = events - count, size - size_bytes
        else:
            self._shares.pop(sender, None)
        self._events -= count
        self._size_bytes -= size_bytes
        return event
