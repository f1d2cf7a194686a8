"""What waits for one peer: bounded in items and bytes, the oldest goes first when it is full.

The oldest may go because consensus helps a peer that is behind and the outbox sends again until the receipt
is there; what is new is what a peer that comes back needs. The same holds for a batch that could not be sent:
it is given back as far as there is room beside what came meanwhile, its newest items first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from node.peers.messages import ITEM_CONSENSUS, Item

QUEUE_ITEMS_MAX = 4096
QUEUE_BYTES_MAX = 8 << 20
BATCH_ITEMS_MAX = 256
BATCH_BYTES_MAX = 1 << 20
MESSAGE_AGE_S_MAX = 10.0  # a consensus message this old is of no use: status brings a peer up to date
LINGER_S = 0.015  # what is not consensus waits this long for company: one request instead of several

Waiting = tuple[float, Item]  # since when


class PeerQueue:
    """The queue of one peer. Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._items: deque[Waiting] = deque()
        self._bytes = 0
        self._wake = threading.Condition()
        self._woken = False
        self._blocks_from: int | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def put(self, item: Item) -> None:
        with self._wake:
            self._items.append((self._now(), item))
            self._bytes += size_of(item)
            while len(self._items) > QUEUE_ITEMS_MAX or self._bytes > QUEUE_BYTES_MAX:
                self._drop_oldest()
            self._wake.notify()

    def ask_blocks(self, height: int) -> None:
        """Blocks from this height on are wanted: the newest wish counts."""
        with self._wake:
            self._blocks_from = height
            self._wake.notify()

    def wake(self) -> None:
        """Whoever waits in `take` waits no longer."""
        with self._wake:
            self._woken = True
            self._wake.notify()

    def take(self, wait_s: float) -> tuple[list[Waiting], int | None]:
        """(the next batch, the height from which blocks are wanted); waits for either, at most so long."""
        with self._wake:
            if not self._items and self._blocks_from is None and not self._woken:
                self._wake.wait(wait_s)
            self._linger()
            self._woken = False
            batch, height = self._batch(), self._blocks_from
            self._blocks_from = None
            return batch, height

    def give_back(self, batch: list[Waiting]) -> None:
        """A batch that was not sent goes to the front again, the newest of it first, while there is room."""
        with self._wake:
            for waiting in reversed(batch):
                size = size_of(waiting[1])
                if len(self._items) >= QUEUE_ITEMS_MAX or self._bytes + size > QUEUE_BYTES_MAX:
                    return
                self._items.appendleft(waiting)
                self._bytes += size

    def _drop_oldest(self) -> Waiting:
        waiting = self._items.popleft()
        self._bytes -= size_of(waiting[1])
        return waiting

    def _linger(self) -> None:
        """Wait a moment for more, unless something of the agreement itself waits."""
        while self._items and self._blocks_from is None and not self._woken:
            wait_s = self._items[0][0] + LINGER_S - self._now()
            urgent = len(self._items) >= BATCH_ITEMS_MAX or any(
                i[0] == ITEM_CONSENSUS for _, i in self._items
            )
            if urgent or wait_s <= 0:
                return
            self._wake.wait(wait_s)

    def _batch(self) -> list[Waiting]:
        """Within the limits, without consensus messages that are too old to matter."""
        batch: list[Waiting] = []
        size = 0
        oldest = self._now() - MESSAGE_AGE_S_MAX
        while self._items and len(batch) < BATCH_ITEMS_MAX:
            queued, item = self._items[0]
            if batch and size + size_of(item) > BATCH_BYTES_MAX:
                break
            self._drop_oldest()
            if item[0] == ITEM_CONSENSUS and queued < oldest:
                continue
            size += size_of(item)
            batch.append((queued, item))
        return batch


def size_of(item: Item) -> int:
    """About how many bytes an item has on the wire."""
    return sum(len(part) for part in item if isinstance(part, (bytes, str)))
