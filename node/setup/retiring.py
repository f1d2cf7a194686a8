"""Retired vote and cosign keys are destroyed: a thief who comes later finds nothing that speaks for the past.

    the new key governs -> its first block is stored -> (cosign) the last checkpoint of the epoch before is
    kept -> keys.enc without the old private key, in one step -> said in the log

Until then nothing is touched; a kill before that step leaves the key, and the next start looks again. A
backup of keys.enc brings the key back until the node has started from it. No vote is missed: who votes on a
height, and with which key, is known when the block before it is stored. The checkpoint that ends an epoch
needs the old cosign key, until it has its quorum.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from node import log
from node.ledger.subscriptions import Moments
from node.setup.current_keys import HeldKeys

LOOK_S = 5.0
VOTE, COSIGN = "vote", "cosign"


class Retiring:
    """One thread that looks after each block."""

    name = "retired keys"

    def __init__(self, held: HeldKeys, ends_missing: Callable[[], bool], moments: Moments) -> None:
        """`ends_missing`: whether an epoch of the log ended without a checkpoint that has its quorum."""
        self._held, self._ends_missing = held, ends_missing
        self._wake = threading.Event()
        moments.subscribe(self.wake, kept_max=1)

    def wake(self) -> None:
        """A block was stored, or the node stops."""
        self._wake.set()

    def turn(self) -> None:
        """Wait for a block, or for some seconds, and look."""
        self._wake.wait(LOOK_S)
        self._wake.clear()
        self.round()

    def round(self) -> None:
        """Destroy what is retired by now; called by `turn`, and by tests."""
        roles = (VOTE,) if self._ends_missing() else (VOTE, COSIGN)
        for kid in self._held.retire(roles):
            log.moment("key_destroyed", key=kid)
