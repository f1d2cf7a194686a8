"""When a node leaves CometBFT after the last block of its term, and what one is told that stayed behind.

Nobody can be given that block once all have left: CometBFT alone hands its blocks on, with who agreed to
them. So whoever has it stays for those that were heard a moment ago and lack it, and not for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from node import log
from node.ledger.comet.whereabouts import read_at
from node.ledger.ledger import Ledger
from node.peers.messages import Status

HEARD_S = 10.0  # a peer says where it is each second
STAY_S_MAX = 60.0
BEHIND_S = 20.0  # so long others go on without CometBFT, and this node has no block


class Leaving:
    """What peers said last, by DID: participants alone are heard. From any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._said: dict[str, tuple[int, bool, float]] = {}  # height, whether under CometBFT, when
        self._ended_s: float | None = None
        self._alone: tuple[int, float] | None = None  # the height here since others went on, since when

    def hear(self, did: str, status: Status) -> None:
        """A participant says up to which block it has the ledger, and whether it runs CometBFT."""
        # One that is being started says nothing; whatever else is said is of a replica.
        here = not status[0] or read_at(status[0]) is not None
        with self._lock:
            self._said[did] = status[1], here, self._monotonic()

    def leave(self, ledger: Ledger, cosigned_size: int, renewed: threading.Event) -> None:
        """The last block is stored: have the node opened again once that is cosigned, or others went on."""
        height = ledger.height
        if renewed.is_set() or not (cosigned_size >= ledger.size or self.outrun(height)):
            return
        if self.may_leave(height):
            log.moment("engine_moved", height=height)
            renewed.set()

    def may_leave(self, height: int) -> bool:
        """After the last block, of `height`: whether all that are heard have it, or were waited for."""
        now = self._monotonic()
        if self._ended_s is None:
            self._ended_s = now
        with self._lock:
            lack = any(said < height and now - when < HEARD_S for said, _, when in self._said.values())
        return not lack or now - self._ended_s >= STAY_S_MAX

    def outrun(self, height: int) -> bool:
        """Whether others have later blocks."""
        with self._lock:
            return any(said > height for said, _, _ in self._said.values())

    def trouble(self, height: int) -> str | None:
        """What whoever runs a node is told that stayed behind."""
        if not self.left_behind(height):
            return None
        return (
            "the network went on with another engine, and nobody gives this node the last blocks of CometBFT "
            "any more: stop it, run `comity rebuild --from URL` with the URL of a peer, and start it"
        )

    def left_behind(self, height: int) -> bool:
        """Whether others have later blocks, none of them under CometBFT, and it stays so."""
        now = self._monotonic()
        with self._lock:
            ahead = [
                here for said, here, when in self._said.values() if said > height and now - when < HEARD_S
            ]
        if not ahead or any(ahead):
            self._alone = None
            return False
        if self._alone is None or self._alone[0] != height:
            self._alone = height, now
        return now - self._alone[1] >= BEHIND_S
