"""How much bad input a node puts up with: refusals per sender, and a slow answer for whoever goes on.

A message that an honest node never sends (malformed, oversized, of another network) costs the sender that
signed it one strike; what anybody can send in its name - badly signed, or captured and sent again - costs it
nothing.
Whoever has none left is refused before its signature is verified, until time gives strikes back. Refusals of
one subnet beyond a few a second are told late (the server waits, on no thread): whoever goes on is slowed
down, and nobody else is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

STRIKES_MAX = 128
STRIKES_PER_S = 10.0
SENDERS_MAX = 1024
REFUSALS_PER_S = 10.0
LATE_S = 1.0


class Patience:
    """Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # sender -> strikes left, as of when
        self._refusals: dict[str, tuple[float, float]] = {}  # subnet -> prompt refusals left, as of when

    def strike(self, sender: str) -> None:
        """`sender` sent something that no honest node sends."""
        with self._lock:
            _put(self._left, sender, (max(self._strikes(sender) - 1, -1.0), self._now()))

    def exhausted(self, sender: str) -> bool:
        """Whether `sender` is to be refused unread."""
        with self._lock:
            return self._strikes(sender) < 0

    def refusal_wait_s(self, subnet: str) -> float:
        """How long to wait before `subnet` is told one more refusal: 0 while they are few."""
        with self._lock:
            now = self._now()
            left, since = self._refusals.get(subnet, (REFUSALS_PER_S, now))
            left = min(REFUSALS_PER_S, left + (now - since) * REFUSALS_PER_S)
            _put(self._refusals, subnet, (max(left - 1, 0.0), now))
            return LATE_S if left < 1 else 0.0

    def _strikes(self, sender: str) -> float:
        left, since = self._left.get(sender, (float(STRIKES_MAX), self._now()))
        return min(float(STRIKES_MAX), left + (self._now() - since) * STRIKES_PER_S)


def _put(kept: dict[str, tuple[float, float]], name: str, value: tuple[float, float]) -> None:
    """The newest is the last; the oldest goes when there are too many."""
    kept.pop(name, None)
    if len(kept) >= SENDERS_MAX:
        del kept[next(iter(kept))]
    kept[name] = value
