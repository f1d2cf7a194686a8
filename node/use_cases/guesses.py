"""How often somebody may try a passphrase: by name and subnet, by subnet, and by name.

A try is taken before it is looked at and given back when it was right, so that tries at once count as well.
What one subnet does locks the name for that subnet alone; what many do together slows the name for all, and
never stops it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from math import ceil

KEPT_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many tries at once, and one more each so many seconds."""

    tries: float
    each_s: float


OF_BOTH, OF_SUBNET, OF_NAME = Allowance(5, 60), Allowance(30, 20), Allowance(100, 15)


class Guesses:
    """Thread-safe; forgotten at a restart, which no guesser can bring about."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # tries left, as of when

    def take(self, name: str, subnet: str) -> int:
        """Take a try: 0, or in how many seconds there is one again."""
        with self._lock:
            now = self._now()
            counted = [(key, of, self._tries(key, of, now)) for key, of in _counted(name, subnet)]
            waits = [ceil((1 - left) * of.each_s) for _, of, left in counted if left < 1]
            if waits:
                return max(waits)
            for key, _, left in counted:
                self._put(key, left - 1, now)
            return 0

    def give_back(self, name: str, subnet: str) -> None:
        """It was right: whoever knows the passphrase has made no guess."""
        with self._lock:
            now = self._now()
            for key, of in _counted(name, subnet):
                self._put(key, min(of.tries, self._tries(key, of, now) + 1), now)

    def _tries(self, key: bytes, of: Allowance, now: float) -> float:
        left, since = self._left.get(key, (of.tries, now))
        return min(of.tries, left + (now - since) / of.each_s)

    def _put(self, key: bytes, left: float, now: float) -> None:
        """The newest is the last; the oldest goes when there are too many."""
        self._left[key] = (left, now)
        self._left.move_to_end(key)
        if len(self._left) > KEPT_MAX:
            self._left.popitem(last=False)


def _counted(name: str, subnet: str) -> tuple[tuple[bytes, Allowance], ...]:
    """What a try is counted by; no name that somebody typed is kept."""
    return (
        (_key("both", name, subnet), OF_BOTH),
        (_key("subnet", subnet), OF_SUBNET),
        (_key("name", name), OF_NAME),
    )


def _key(*parts: str) -> bytes:
    return sha256("\0".join(parts).encode("utf-8", "replace")).digest()
