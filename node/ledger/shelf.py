"""The snapshots that this node hands to peers: made by a thread of its own, read in chunks by whoever asks.

To make one takes as long as the ledger is large, and as long as its newest block waits for cosigners. No
request waits for that: the threads that answer peers are few, and the agreement needs them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from consensus.encoding import decode, encode, whole_numbers
from node.errors import SetupError, bad_request, busy, not_found
from node.ledger.snapshot import CHUNK_BYTES
from node.transient_faults import PASSING, sentence

KEPT_S = 600.0  # it is handed out this long before another is made
IN_USE_S = 60.0  # the last one stays this long for whoever goes on with it, while the newest is there
# Between two that are made; of a large ledger so many times what it took to make one. Whoever asks for newer
# ones all the time costs this node a tenth of a thread.
APART_S, APART_TIMES = 5.0, 9
IDLE_S = 60.0
MAKING = "a snapshot is being made: ask again in a moment"
BEHIND = "this node holds fewer entries of the log than you ask for: ask again in a moment"

Make = Callable[[Path, threading.Event], tuple[int, int]]  # writes a snapshot there; its height and log size


@dataclass(slots=True)
class _Kept:
    """A snapshot on disk."""

    path: Path
    height: int
    log_size: int
    made: float
    used: float
    took_s: float
    digests: tuple[bytes, ...]  # SHA-256 of each chunk


class Shelf:
    """`[height or 0, offset, log size]` -> `[height, size, chunk]`; its trade makes what is asked for.

    A peer that begins says how large a log it needs, one that goes on names the height it began with. Two are
    kept: the newest, and the one before for those that copy it.
    """

    name = "snapshots"

    def __init__(self, make: Make, folder: Path, log_size: Callable[[], int]) -> None:
        """`log_size`: of the ledger now: nobody has more made than there is."""
        self._make, self._log_size = make, log_size
        self._paths = [folder / "snapshot.rows", folder / "snapshot.before.rows"]
        self._lock = threading.Lock()
        self._asked, self._stopping = threading.Event(), threading.Event()
        self._kept: list[_Kept] = []  # the newest first
        self._refusal = MAKING

    def answer(self, content: bytes) -> bytes:
        """One chunk, at once; 503 while there is none, 400 for what is no such question."""
        match decode(content):
            case [height, offset, log_size] if whole_numbers(height, offset, log_size):
                pass
            case _:
                raise bad_request("malformed", "a snapshot is asked for by [height or 0, offset, log size]")
        with self._lock:
            kept = self._named(height) if height else self._newest(log_size)
            kept.used = time.monotonic()
            file = kept.path.open("rb")
        with file:  # what is open stays readable, also when another takes its name
            size = file.seek(0, 2)
            file.seek(offset)
            return encode([kept.height, size, file.read(CHUNK_BYTES)])

    def offered(self, height_max: int) -> list[tuple[int, tuple[bytes, ...]]]:
        """(height, SHA-256 of each chunk) of what is kept up to this height; the first asked for is made."""
        with self._lock:
            now = time.monotonic()
            newest = self._kept[0] if self._kept else None
            if newest is None or (now - newest.made > KEPT_S and self._may_follow(newest, now)):
                self._asked.set()
            return [(kept.height, kept.digests) for kept in self._kept if kept.height <= height_max]

    def chunk(self, height: int, index: int) -> bytes:
        """One chunk of what was offered; nothing where it is not kept any more."""
        with self._lock:
            kept = next((one for one in self._kept if one.height == height), None)
            if kept is None or not 0 <= index < len(kept.digests):
                return b""
            kept.used = time.monotonic()
            file = kept.path.open("rb")
        with file:
            file.seek(index * CHUNK_BYTES)
            return file.read(CHUNK_BYTES)

    def _named(self, height: int) -> _Kept:
        for kept in self._kept:
            if kept.height == height:
                return kept
        raise not_found("snapshot_gone", "that snapshot is not kept any more: begin again")

    def _newest(self, log_size: int) -> _Kept:
        if log_size > self._log_size():
            raise busy(BEHIND)
        newest, now = self._kept[0] if self._kept else None, time.monotonic()
        if newest is not None and newest.log_size >= log_size and now - newest.made <= KEPT_S:
            return newest
        if newest is None or self._may_follow(newest, now):
            self._asked.set()
        elif newest.log_size >= log_size:
            return newest  # old, and good enough
        raise busy(self._refusal)

    def _may_follow(self, newest: _Kept, now: float) -> bool:
        """Another takes the place of the one before, which nobody copies any more, or for too long."""
        age_s = now - newest.made
        apart_s = min(max(APART_S, APART_TIMES * newest.took_s), KEPT_S)
        copied = len(self._kept) > 1 and now - self._kept[1].used <= IN_USE_S and age_s <= KEPT_S
        return age_s >= apart_s and not copied

    def turn(self) -> None:
        """Make the one that was asked for, or wait for somebody to ask."""
        if not self._asked.wait(IDLE_S) or self._stopping.is_set():
            return
        self._asked.clear()
        made, started = self._paths[0].with_name("snapshot.rows.made"), time.monotonic()
        try:
            height, log_size = self._make(made, self._stopping)
            digests = _digests(made)
        except (SetupError, *PASSING) as error:  # the next one who asks has it tried again, and is told why
            self._refusal = sentence(error)
            return
        with self._lock:
            self._refusal = MAKING
            self._put(made, height, log_size, time.monotonic() - started, digests)

    def _put(self, made: Path, height: int, log_size: int, took_s: float, digests: tuple[bytes, ...]) -> None:
        now = time.monotonic()
        if self._kept and self._kept[0].height == height:
            made.unlink()  # nothing is newer; who copies the other goes on with the same bytes
            self._kept[0].made = now
            return
        free = next(path for path in self._paths if path not in [kept.path for kept in self._kept[:1]])
        made.replace(free)
        self._kept = [_Kept(free, height, log_size, now, now, took_s, digests), *self._kept[:1]]

    def wake(self) -> None:
        """The node stops: nothing is made any more."""
        self._stopping.set()
        self._asked.set()


def _digests(path: Path) -> tuple[bytes, ...]:
    with path.open("rb") as file:
        return tuple(sha256(chunk).digest() for chunk in iter(partial(file.read, CHUNK_BYTES), b""))
