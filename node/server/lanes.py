"""Lanes: each kind of request has threads and a queue of its own, which no other kind can take.

    peers    /peer/*             the agreement
    probes   /healthz, /readyz   whoever watches the node
    doors    whose key or session a request shows, asked once for each connection
    feeds    polls of open event streams
    pages    everything else

In each, strangers - who have not proven on this connection that they are a peer or hold a key - get one
thread less than there are and half of the queue: what proves itself finds both free. Nothing waits for a
lane in a thread; a full one is a 503, at once, and so is one whose threads do not come back, which /readyz
tells (decision 0520).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from node.errors import ProblemError, busy
from node.supervision.supervisor import ERRAND_S_MAX, PROMPT_S_MAX, WRITING_S_MAX, ThreadFact

T = TypeVar("T")


class _Turn(Generic[T]):
    """One call on its way through a lane."""

    __slots__ = ("call", "done", "proven", "since")

    def __init__(self, call: Callable[[], T], *, proven: bool) -> None:
        self.call = call
        self.proven = proven
        self.done: Future[T] = Future()
        self.since: float | None = None  # when a thread took it


class Lane:
    """Runs calls on its threads, from one event loop.

    `turn_s_max`: a call that lasts longer is told, and its thread is not waited for any more.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        waiting_max: int,
        per_client_max: int,
        turn_s_max: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.monotonic = monotonic  # seconds; the ages of turns
        self._threads_max = threads
        self._strangers_threads_max = max(threads - 1, 1)
        self._room = threads + waiting_max
        self._per_client_max = per_client_max
        self._strangers_max = max(self._room // 2, 1)
        self._turn_s_max = turn_s_max
        self._stranger_turn = asyncio.Semaphore(self._strangers_threads_max)
        self._inside: Counter[str] = Counter()
        self._strangers = 0
        self._threads: list[threading.Thread] = []
        self._waiting: SimpleQueue[_Turn[Any] | None] = SimpleQueue()
        self._lock = threading.Condition()
        self._running: set[_Turn[Any]] = set()
        self._unsettled: set[asyncio.Future[Any]] = set()

    async def run(self, call: Callable[[], T], *, client: str, proven: bool) -> T:
        """The result of `call`.

        ProblemError 503 when this lane, or the client's share of it, is full, or does not come back.
        """
        full = self._inside.total() >= self._room or self._inside[client] >= self._per_client_max
        if full or (not proven and self._strangers >= self._strangers_max):
            raise self.full()
        if self._is_lost(self._late(), proven=proven):
            raise busy(
                "the part of this node that would answer this does not come back ({lane})", lane=self.name
            )
        self._inside[client] += 1
        self._strangers += not proven
        try:
            if proven:
                return await self._on_a_thread(_Turn(call, proven=True))
            async with self._stranger_turn:
                return await self._on_a_thread(_Turn(call, proven=False))
        finally:
            self._strangers -= not proven
            self._inside[client] -= 1
            if not self._inside[client]:
                del self._inside[client]

    def full(self) -> ProblemError:
        told = "this node answers as many requests at the same time as it can ({lane})"
        return busy(told, lane=self.name)

    def fact(self) -> ThreadFact:
        """How the threads of this lane do, from any thread: the age of the longest turn.

        Needed: none is left for strangers, of whom most callers are before they are answered.
        """
        now = self.monotonic()
        with self._lock:
            oldest = min((turn.since or now for turn in self._running), default=now)
        lost = self._is_lost(self._late(), proven=False)
        return ThreadFact(f"answering {self.name}", True, 0, None, now - oldest, lost, self._turn_s_max)

    def close(self, seconds_max: float) -> None:
        """Drop what waits; wait for what runs. A thread that does not come back ends with the process."""
        for _ in self._threads:
            self._waiting.put(None)
        self._threads.clear()  # whoever serves on these lanes next begins its own
        with self._lock:
            self._lock.wait_for(lambda: not self._running, seconds_max)
        for unsettled in list(self._unsettled):
            unsettled.cancel()
        # It belongs to the loop on which somebody waited first, and the next server has a loop of its own.
        self._stranger_turn = asyncio.Semaphore(self._strangers_threads_max)

    def _late(self) -> list[_Turn[Any]]:
        """The turns that last longer than any of this lane should."""
        before = self.monotonic() - self._turn_s_max
        with self._lock:
            return [turn for turn in self._running if turn.since is not None and turn.since < before]

    def _is_lost(self, late: list[_Turn[Any]], *, proven: bool) -> bool:
        """True when no thread, or no stranger's turn, is left that comes back."""
        strangers = sum(not turn.proven for turn in late)
        return len(late) >= self._threads_max or (not proven and strangers >= self._strangers_threads_max)

    async def _on_a_thread(self, turn: _Turn[T]) -> T:
        if len(self._threads) < self._threads_max:  # daemons: one that does not come back keeps no process
            self._threads.append(threading.Thread(target=self._work, name=self.name, daemon=True))
            self._threads[-1].start()
        self._waiting.put(turn)
        # A client that leaves cancels us, but not the thread: its place stays taken until the call is over.
        unsettled = asyncio.wrap_future(turn.done)
        self._unsettled.add(unsettled)
        try:
            return await asyncio.shield(unsettled)
        except asyncio.CancelledError:
            await asyncio.wait([unsettled])
            raise
        finally:
            self._unsettled.discard(unsettled)

    def _work(self) -> None:
        while (turn := self._waiting.get()) is not None:
            if not turn.done.set_running_or_notify_cancel():
                continue
            turn.since = self.monotonic()
            with self._lock:
                self._running.add(turn)
            try:
                made = turn.call()
            except BaseException as error:
                self._over(turn)
                _settle(turn.done.set_exception, error)
            else:
                self._over(turn)
                _settle(turn.done.set_result, made)
            del turn  # what it holds is not kept until the next one

    def _over(self, turn: _Turn[Any]) -> None:
        with self._lock:
            self._running.discard(turn)
            self._lock.notify_all()


def _settle(setting: Callable[[Any], None], what: Any) -> None:
    with suppress(RuntimeError):  # the loop that asked has ended
        setting(what)


class Lanes:
    """The lanes of one server."""

    def __init__(self) -> None:
        self.peers = Lane("peers", threads=3, waiting_max=61, per_client_max=48, turn_s_max=WRITING_S_MAX)
        self.probes = Lane("probes", threads=3, waiting_max=30, per_client_max=24, turn_s_max=PROMPT_S_MAX)
        self.doors = Lane("doors", threads=3, waiting_max=126, per_client_max=64, turn_s_max=WRITING_S_MAX)
        self.feeds = Lane("feeds", threads=2, waiting_max=64, per_client_max=64, turn_s_max=WRITING_S_MAX)
        self.pages = Lane("pages", threads=6, waiting_max=90, per_client_max=72, turn_s_max=ERRAND_S_MAX)

    def facts(self) -> tuple[ThreadFact, ...]:
        """How each lane does, now."""
        return tuple(lane.fact() for lane in self._all)

    def close(self, seconds_max: float) -> None:
        """End them, within so many seconds in all."""
        until = time.monotonic() + seconds_max
        for lane in self._all:
            lane.close(max(until - time.monotonic(), 0.0))

    @property
    def _all(self) -> tuple[Lane, ...]:
        return self.peers, self.probes, self.doors, self.feeds, self.pages
