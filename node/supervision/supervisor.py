"""One supervisor for every long-lived thread: what fails is said, tried again with a bound, or ends the node.

A `Trade` is what needs a thread of its own: its `turn` is called again and again until the node stops.
A turn that raises leaves its work as it found it (one transaction, or a queue that is worked off in order),
so it is called again, later each time. What fails `tries_max` times in a row cannot go on alone: then the
whole node ends, because a node of which one half is dead tells its callers lies. A broken invariant of our
own (`AssertionError`) is not tried again. `None` for `tries_max`: the node does without it (one peer's
sender), tries for ever, and `/readyz` says so, ready all the same: what makes it fail may be another's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from node import log
from node.errors import TokenAway
from node.storage.signing import GuardError
from node.transient_faults import PASSING, sentence

TRIES_MAX = 10  # with the waits between them: about half a minute
BACKOFF_S_MIN, BACKOFF_S_MAX = 0.1, 5.0
JOIN_S_MAX = 10.0
# A turn that lasts longer is told: of a trade that asks nobody; of one that waits for a database; of others,
# the longest of which fetches documents for one batch of lines.
PROMPT_S_MAX, WRITING_S_MAX, ERRAND_S_MAX = 10.0, 30.0, 120.0


class Trade(Protocol):
    """A trade with a thread of its own."""

    @property
    def name(self) -> str:
        """What the operator calls it."""

    def turn(self) -> None:
        """One piece of work, or a bounded wait for some."""

    def wake(self) -> None:
        """A turn that waits returns at once."""


@dataclass(frozen=True, slots=True)
class ThreadFact:
    """How one thread does. `failures`: turns in a row that raised; `fault`: what the last of them raised.

    `needed`: the node cannot go on without it.
    """

    name: str
    alive: bool
    failures: int
    fault: str | None
    turn_s: float  # how long the turn lasts already
    needed: bool = True
    turn_s_max: float = ERRAND_S_MAX

    @property
    def stuck(self) -> bool:
        """It neither raises nor comes back."""
        return self.turn_s > self.turn_s_max


@dataclass(slots=True, eq=False)
class _Employed:
    work: Trade
    tries_max: int | None
    turn_s_max: float
    thread: threading.Thread = field(init=False)
    failures: int = 0
    faults: int = 0
    fault: str | None = None
    turn_since: float | None = None
    stopping: threading.Event = field(default_factory=threading.Event)


class Supervisor:
    """Starts, watches and stops the threads of a node."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic  # seconds; the ages of turns
        self._employed: list[_Employed] = []
        self._lock = threading.Lock()
        self._started = self._stopped = False
        self.failure: str | None = None  # why the node cannot go on
        self.failed = threading.Event()  # the process must end

    def employ(
        self, work: Trade, *, tries_max: int | None = TRIES_MAX, turn_s_max: float = ERRAND_S_MAX
    ) -> None:
        """Give `work` a thread. Threads begin in the order of employment, and are joined in the reverse.

        While the node runs, at once; once it stops, none. `turn_s_max`: its own waiting is within.
        """
        with self._lock:
            if self._stopped:
                return
            one = _Employed(work, tries_max, turn_s_max)
            one.thread = threading.Thread(target=self._run, args=(one,), name=work.name, daemon=True)
            self._employed = [*self._employed, one]  # replaced, never changed: other threads go through it
            if self._started:
                one.thread.start()

    def dismiss(self, name: str) -> None:
        """End the turns of whoever has this name while the others go on; the one it is in it finishes."""
        with self._lock:
            gone = [one for one in self._employed if one.work.name == name]
            self._employed = [one for one in self._employed if one not in gone]
        for one in gone:
            one.stopping.set()
            one.work.wake()

    def start(self) -> None:
        """Begin all turns."""
        with self._lock:
            self._started = True
            for one in self._employed:
                one.thread.start()

    def stop(self) -> None:
        """End all turns; returns when every thread has ended, or after ten seconds."""
        with self._lock:
            self._stopped = True
        for one in self._employed:
            one.stopping.set()
            one.work.wake()
        deadline = time.monotonic() + JOIN_S_MAX
        for one in reversed(self._employed):
            if one.thread.ident is not None:
                one.thread.join(max(0.0, deadline - time.monotonic()))

    def facts(self) -> tuple[ThreadFact, ...]:
        """How each thread does, now."""
        now = self.monotonic()
        return tuple(
            ThreadFact(
                one.work.name,
                one.thread.is_alive() or not self._started,
                one.failures,
                one.fault if one.failures else None,
                0.0 if (since := one.turn_since) is None else now - since,
                one.tries_max is not None,
                one.turn_s_max,
            )
            for one in self._employed
        )

    @property
    def works(self) -> tuple[Trade, ...]:
        """What has a thread here, in the order of employment."""
        return tuple(one.work for one in self._employed)

    @property
    def faults(self) -> int:
        """Turns that raised, since the start."""
        return sum(one.faults for one in self._employed)

    def _run(self, one: _Employed) -> None:
        try:
            while not one.stopping.is_set():
                self._turn(one)
        except BaseException as error:  # SystemExit and its like: a thread never ends unseen
            self._end(one.work.name, sentence(error))
        finally:
            one.turn_since = None

    def _turn(self, one: _Employed) -> None:
        one.turn_since = self.monotonic()
        try:
            one.work.turn()
            one.failures, one.fault = 0, None
            return
        except Exception as error:
            self._fell(one, error)
            if isinstance(error, TokenAway):
                one.failures = min(one.failures, TRIES_MAX - 2)  # an outage of a token ends no node
            elif one.tries_max is not None and (
                one.failures >= one.tries_max or isinstance(error, AssertionError)
            ):
                self._end(one.work.name, sentence(error))
                one.stopping.set()
                return
        one.turn_since = None
        one.stopping.wait(min(BACKOFF_S_MIN * 2 ** (one.failures - 1), BACKOFF_S_MAX))

    @staticmethod
    def _fell(one: _Employed, error: Exception) -> None:
        one.failures = min(one.failures + 1, 1 << 10)
        one.faults += 1
        one.fault = sentence(error)
        ours = not isinstance(error, (*PASSING, GuardError))  # a mistake: where?
        where = error if ours else None
        log.moment("fault", where, thread=one.work.name, because=one.fault, tries=one.failures)

    def _end(self, name: str, because: str) -> None:
        """This node cannot go on: say why, once, and let the process end."""
        with self._lock:
            if self.failure is not None:
                return
            self.failure = because if name == "engine" else f"{name}: {because}"
        log.moment("stopped", thread=name, because=because)
        self.failed.set()
