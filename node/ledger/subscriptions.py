"""What happened on the ledger, told to whoever subscribed: nobody who is slow holds the teller up.

Each subscriber has a queue of its own, bounded; when it is full the oldest moment goes and is counted. A
moment is a hint to look: whoever missed some finds everything in the databases.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

KEPT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Progressed:
    """A block was stored, or a checkpoint reached its quorum."""

    height: int
    cosigned_size: int


@dataclass(frozen=True, slots=True)
class PoolDropped:
    """The own pool gave an attestation up: `code` is the rule, `reason` its sentence."""

    digest: bytes
    reason: str
    code: str


Moment = Progressed | PoolDropped


class Subscription:
    """One subscriber's queue. `take` from its own thread."""

    def __init__(self, wake: Callable[[], None] | None, kept_max: int) -> None:
        self._moments: deque[Moment] = deque(maxlen=kept_max)
        self._wake = wake
        self._lock = threading.Lock()
        self.missed = 0

    def tell(self, moment: Moment) -> None:
        """Keep a moment, and wake the subscriber."""
        with self._lock:
            self.missed += len(self._moments) == self._moments.maxlen
            self._moments.append(moment)
        if self._wake is not None:
            self._wake()

    def take(self) -> list[Moment]:
        """What happened since the last time, in order."""
        with self._lock:
            taken = list(self._moments)
            self._moments.clear()
        return taken


class Moments:
    """The teller: `progressed` and `given_up` from the engine's thread, `subscribe` from any."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._lock = threading.Lock()

    def subscribe(self, wake: Callable[[], None] | None = None, *, kept_max: int = KEPT_MAX) -> Subscription:
        """A queue of what happens from now on; `wake` is called for each moment and must return at once."""
        made = Subscription(wake, kept_max)
        with self._lock:
            self._subscriptions.append(made)
        return made

    def tell(self, moment: Moment) -> None:
        """Tell every subscriber."""
        with self._lock:
            subscriptions = tuple(self._subscriptions)
        for subscription in subscriptions:
            subscription.tell(moment)
