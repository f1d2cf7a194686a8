"""How much bad input a node puts up with: refusals per sender, and a slow answer for whoever goes on.

A message that an honest node never sends (malformed, badly signed, oversized, of another network) costs its
authenticated sender one strike. Whoever has none left is refused before its signature is verified, until time
gives strikes back. Refusals beyond a few a second are answered late, on a few threads at most: a sender that
waits for its answer is slowed down, and nobody else is.
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
        self._refusals = REFUSALS_PER_S, now()

    def strike(self, sender: str) -> None:
        """`sender` sent something that no honest node sends."""
        with self._lock:
            if sender not in self._left and len(self._left) >= SENDERS_MAX:
                del self._left[next(iter(self._left))]
            self._left[sender] = max(self._strikes(sender) - 1, -1.0), self._now()

    def exhausted(self, sender: str) -> bool:
        """Whether `sender` is to be refused unread."""
        with self._lock:
            return self._strikes(sender) < 0

    def refusal_wait_s(self) -> float:
        """How long to wait before one more refusal is told: 0 while they are few."""
        with self._lock:
            left, since = self._refusals
            now = self._now()
            left = min(REFUSALS_PER_S, left + (now - since) * REFUSALS_PER_S)
            self._refusals = max(left - 1, 0.0), now
            return LATE_S if left < 1 else 0.0

    def _strikes(self, sender: str) -> float:
        left, since = self._left.get(sender, (float(STRIKES_MAX), self._now()))
        return min(float(STRIKES_MAX), left + (self._now() - since) * STRIKES_PER_S)
