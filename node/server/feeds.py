"""Feeds: answers that go on while something happens, without a thread that waits for it.

An application returns a `Feed` as the body of its answer. The server asks it now and then, on a thread of
its own lane, what is new, and sends that; between two questions nothing waits but the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from node.errors import busy

FEEDS_MAX = 32
FEEDS_PER_CLIENT_MAX = 4
BRIEF_PER_CLIENT_MAX = 16
FEED_POLL_S, BRIEF_POLL_S = 0.25, 0.05
FEED_S_MAX = 600.0  # then the answer ends; the client asks again from where it was

Poll = Callable[[], tuple[bytes, bool]]


class Feed:
    """The body of an answer: `poll` gives (what is new, whether that was the last of it)."""

    def __init__(
        self, poll: Poll, *, brief: bool = False, of: str | None = None, share: str | None = None
    ) -> None:
        """`of`: who follows, as the application knows it, `share`: in whose share; None: nobody it knows."""
        self.poll = poll
        self.of = of
        self.share = share
        self.brief = brief  # an answer that waits a moment for what it tells, no stream

    def __iter__(self) -> Iterator[bytes]:
        """Under a server that knows no feeds: what is known by now; a brief one is asked until it is over."""
        while True:
            new, last = self.poll()
            yield new
            if last or (not new and not self.brief):
                return


class OpenFeeds:
    """Counts feeds, in all, of one client and of one share: half of all. Belongs to the event loop."""

    def __init__(self, total_max: int = FEEDS_MAX, per_client_max: int = FEEDS_PER_CLIENT_MAX) -> None:
        self._total_max, self._per_client_max = total_max, per_client_max
        self._of: Counter[str] = Counter()
        self._shares: Counter[str] = Counter()

    @contextmanager
    def one_of(self, client: str, share: str) -> Iterator[None]:
        """ProblemError 503 beyond the bounds."""
        if self._of[client] >= self._per_client_max:
            told = "you wait for {count} such answers already: let one end first"
            raise busy(told, count=self._per_client_max)
        if self._of.total() >= self._total_max or self._shares[share] >= self._total_max // 2:
            told = "{count} such answers are open, as many as this node serves"
            raise busy(told, count=self._of.total())
        self._of[client] += 1
        self._shares[share] += 1
        try:
            yield
        finally:
            for counted, whose in ((self._of, client), (self._shares, share)):
                counted[whose] -= 1
                if not counted[whose]:
                    del counted[whose]
