"""The snapshot that this node hands to peers: made by a thread of its own, read in chunks by whoever asks.

To make one takes as long as the ledger is large, and as long as its newest block waits for cosigners. No
request waits for that: the threads that answer peers are few, and the agreement needs them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from consensus.encoding import decode, encode
from node.errors import SetupError, bad_request, busy, not_found
from node.ledger.snapshot import CHUNK_BYTES
from node.transient_faults import PASSING, sentence

KEPT_S = 600.0  # it is handed out this long before another is made
IN_USE_S = 60.0  # none is made while somebody goes on with the one that is there
IDLE_S = 60.0
MAKING = "a snapshot is being made: ask again in a moment"

Make = Callable[[Path, threading.Event], int]  # writes a snapshot there, until the event is set; its height


class Shelf:
    """`[height or 0, offset]` -> `[height, size, chunk]`; its trade makes what is asked for.

    A peer that goes on names the height it began with.
    """

    name = "snapshots"

    def __init__(self, make: Make, folder: Path) -> None:
        self._make = make
        self._path = folder / "snapshot.rows"
        self._lock = threading.Lock()
        self._asked, self._stopping = threading.Event(), threading.Event()
        self._height, self._made, self._used = 0, 0.0, 0.0
        self._refusal = MAKING

    def answer(self, content: bytes) -> bytes:
        """One chunk, at once; 503 while there is none, 400 for what is no such question."""
        match decode(content):
            case [int(height), int(offset)]:
                pass
            case _:
                raise bad_request("malformed", "a snapshot is asked for by [height or 0, offset]")
        with self._lock:
            if height not in (0, self._height):
                raise not_found("snapshot_gone", "that snapshot is not kept any more: begin again")
            now = time.monotonic()
            stale = now - self._made > KEPT_S and now - self._used > IN_USE_S
            if height == 0 and (not self._height or stale):
                self._asked.set()
                raise busy(self._refusal)
            self._used = now
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(offset)
                return encode([self._height, size, file.read(CHUNK_BYTES)])

    def turn(self) -> None:
        """Make the one that was asked for, or wait for somebody to ask."""
        if not self._asked.wait(IDLE_S) or self._stopping.is_set():
            return
        self._asked.clear()
        made = self._path.with_name("snapshot.rows.made")
        try:
            height = self._make(made, self._stopping)
        except (SetupError, *PASSING) as error:  # the next one who asks has it tried again, and is told why
            self._refusal = sentence(error)
            return
        with self._lock:
            made.replace(self._path)
            self._height, self._refusal = height, MAKING
            self._made = self._used = time.monotonic()

    def wake(self) -> None:
        """The node stops: nothing is made any more."""
        self._stopping.set()
        self._asked.set()
