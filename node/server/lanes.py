"""Lanes: each kind of request has threads and a queue of its own, which no other kind can take.

    peers    /peer/*             the agreement
    probes   /healthz, /readyz   whoever watches the node
    doors    whose key or session a request shows, asked once for each connection
    feeds    polls of open event streams
    pages    everything else

In each, who has shown less leaves threads and places to who has shown more: strangers to who holds a key or
takes part, and all of them to validators (decision 0571). Clients take turns, and where all places are taken,
one of whoever has most waiting gives way. Nothing waits for a lane in a thread; a full one is a 503, at once,
and so is one whose threads do not come back, which /readyz tells (decision 0520).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, TypeVar

from node.errors import ProblemError, busy
from node.server.connections import Rank
from node.supervision.supervisor import ERRAND_S_MAX, PROMPT_S_MAX, WRITING_S_MAX, ThreadFact

T = TypeVar("T")
Bounds = tuple[int, int, int]  # for each rank, what it and those below it may have together


class _Turn(Generic[T]):
    """One call on its way through a lane."""

    __slots__ = ("call", "client", "done", "rank", "since")

    def __init__(self, call: Callable[[], T], client: str, rank: Rank) -> None:
        self.call = call
        self.client = client
        self.rank = rank
        self.done: Future[T] = Future()
        self.since: float | None = None  # when a thread took it


class _Places:
    """The turns of one lane: which wait, by client, and which run. Its caller holds the lane's lock."""

    def __init__(self, threads: Bounds, places: Bounds, per_client_max: int) -> None:
        self._threads = threads
        self._places = places
        self._per_client_max = per_client_max
        self._lines: OrderedDict[tuple[str, Rank], deque[_Turn[Any]]] = OrderedDict()
        self.running: set[_Turn[Any]] = set()

    def enter(self, turn: _Turn[Any]) -> _Turn[Any] | None:
        """`turn` waits from now on; the turn that has given its place to it, None where one was free.

        KeyError when there is no place for it.
        """
        held = Counter(one.client for one in self._all())
        if held[turn.client] >= self._per_client_max:
            raise KeyError(turn.client)
        yielded = None
        if not self._fits(turn.rank, self._all(), self._places):
            yielded = self._yielding(turn, held)
        self._lines.setdefault((turn.client, turn.rank), deque()).append(turn)
        return yielded

    def take(self) -> _Turn[Any] | None:
        """What a thread may begin with: of the clients that wait, the one whose turn was longest ago."""
        for line in self._lines:
            if self._fits(line[1], self.running, self._threads):
                turn = self._lines[line].popleft()
                if self._lines[line]:
                    self._lines.move_to_end(line)
                else:
                    del self._lines[line]
                self.running.add(turn)
                return turn
        return None

    def leave(self, turn: _Turn[Any]) -> bool:
        """Whether `turn` still waited; it does not any more."""
        line = self._lines.get((turn.client, turn.rank), deque())
        if turn not in line:
            return False
        line.remove(turn)
        if not line:
            del self._lines[turn.client, turn.rank]
        return True

    def drop(self) -> None:
        """Nothing waits any more."""
        self._lines.clear()

    def is_asked(self, since: float) -> bool:
        """Whether any turn waits, or runs that began after this moment."""
        return bool(self._lines) or any((turn.since or since) > since for turn in self.running)

    def is_lost(self, rank: Rank, late: list[_Turn[Any]]) -> bool:
        """Whether those that last too long leave this rank no thread that comes back."""
        return not self._fits(rank, late, self._threads)

    def _all(self) -> list[_Turn[Any]]:
        return [*self.running, *(turn for line in self._lines.values() for turn in line)]

    def _yielding(self, turn: _Turn[Any], held: Counter[str]) -> _Turn[Any]:
        """Taken from its line: the newest turn of whoever has most, and more than the newcomer will have."""
        whose = max(
            (line for line in self._lines if line[1] <= turn.rank),
            key=lambda line: held[line[0]],
            default=None,
        )
        if whose is None or held[whose[0]] <= held[turn.client] + 1:
            raise KeyError(turn.client)
        newest = self._lines[whose][-1]
        self.leave(newest)
        return newest

    @staticmethod
    def _fits(rank: Rank, turns: Iterable[_Turn[Any]], bounds: Bounds) -> bool:
        counts = Counter(turn.rank for turn in turns)
        below = 0
        for each in Rank:
            below += counts[each]
            if each >= rank and below >= bounds[each]:
                return False
        return True


class Lane:
    """Runs calls on its threads, from one event loop.

    `turn_s_max`: a call that lasts longer is told, and its thread is not waited for any more.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: Bounds,
        places: Bounds,
        per_client_max: int,
        turn_s_max: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.monotonic = monotonic  # seconds; the ages of turns
        self.places_max = places[Rank.VOTES]
        self._threads_max = threads[Rank.VOTES]
        self._turn_s_max = turn_s_max
        self._threads: list[threading.Thread] = []
        self._lock = threading.Condition()
        self._places = _Places(threads, places, per_client_max)
        self._serving = 0  # how often it was closed: threads of an earlier time end
        self._unsettled: set[asyncio.Future[Any]] = set()

    async def run(self, call: Callable[[], T], *, client: str, rank: Rank) -> T:
        """The result of `call`.

        ProblemError 503 when this lane, or the client's share of it, is full, or does not come back; or when
        it waited, and gave its place to a client that has fewer.
        """
        turn = _Turn(call, client, rank)
        with self._lock:
            if self._places.is_lost(rank, self._late()):
                told = "the part of this node that would answer this does not come back ({lane})"
                raise busy(told, lane=self.name)
            try:
                yielded = self._places.enter(turn)
            except KeyError:
                raise self.full() from None
            self._lock.notify_all()
        if yielded is not None:
            yielded.done.set_exception(self.full())
        try:
            return await self._settled(turn)
        finally:
            del turn, yielded  # what failed holds this frame: it would hold itself, and the request

    def full(self) -> ProblemError:
        told = "this node answers as many requests at the same time as it can ({lane})"
        return busy(told, lane=self.name)

    def fact(self) -> ThreadFact:
        """How the threads of this lane do, from any thread: the age of the longest turn.

        Needed: none is left for strangers, of whom most callers are before they are answered.
        """
        now = self.monotonic()
        with self._lock:
            oldest = min((turn.since or now for turn in self._places.running), default=now)
            lost = self._places.is_lost(Rank.STRANGER, self._late())
        return ThreadFact(f"answering {self.name}", True, 0, None, now - oldest, lost, self._turn_s_max)

    def is_asked(self, seconds: float) -> bool:
        """Whether somebody waits here for a thread, or has had one for less than so long; from any thread."""
        with self._lock:
            return self._places.is_asked(self.monotonic() - seconds)

    def close(self, seconds_max: float) -> None:
        """Drop what waits; wait for what runs. A thread that does not come back ends with the process."""
        with self._lock:
            self._serving += 1
            self._threads.clear()  # whoever serves on these lanes next begins its own
            self._places.drop()
            self._lock.notify_all()
            self._lock.wait_for(lambda: not self._places.running, seconds_max)
        for unsettled in list(self._unsettled):
            unsettled.cancel()

    def _late(self) -> list[_Turn[Any]]:
        """The turns that last longer than any of this lane should."""
        before = self.monotonic() - self._turn_s_max
        return [turn for turn in self._places.running if turn.since is not None and turn.since < before]

    async def _settled(self, turn: _Turn[T]) -> T:
        if len(self._threads) < self._threads_max:  # daemons: one that does not come back keeps no process
            work = threading.Thread(target=self._work, args=(self._serving,), name=self.name, daemon=True)
            self._threads.append(work)
            work.start()
        # A client that leaves cancels us, but not the thread: once it has begun, its place stays taken.
        unsettled = asyncio.wrap_future(turn.done)
        self._unsettled.add(unsettled)
        try:
            return await asyncio.shield(unsettled)
        except asyncio.CancelledError:
            with self._lock:
                waited = self._places.leave(turn)
            if not waited:
                await asyncio.wait([unsettled])
            raise
        finally:
            self._unsettled.discard(unsettled)
            del turn, unsettled  # as in `run`: only the collector would find them, and it comes seldom

    def _work(self, serving: int) -> None:
        while (turn := self._next(serving)) is not None:
            if not turn.done.set_running_or_notify_cancel():
                self._over(turn)
                continue
            try:
                made = turn.call()
            except BaseException as error:
                self._over(turn)
                _settle(turn.done.set_exception, error)
            else:
                self._over(turn)
                _settle(turn.done.set_result, made)
            del turn  # what it holds is not kept until the next one

    def _next(self, serving: int) -> _Turn[Any] | None:
        """The next turn for this thread; None when the lane was closed."""
        with self._lock:
            while self._serving == serving:
                turn = self._places.take()
                if turn is not None:
                    turn.since = self.monotonic()
                    return turn
                self._lock.wait()
        return None

    def _over(self, turn: _Turn[Any]) -> None:
        with self._lock:
            self._places.running.discard(turn)
            self._lock.notify_all()


def _settle(setting: Callable[[Any], None], what: Any) -> None:
    with suppress(RuntimeError):  # the loop that asked has ended
        setting(what)


class Lanes:
    """The lanes of one server."""

    def __init__(self) -> None:
        self.peers = Lane(
            "peers", threads=(2, 3, 4), places=(32, 48, 80), per_client_max=32, turn_s_max=WRITING_S_MAX
        )
        self.probes = Lane(
            "probes", threads=(2, 3, 3), places=(16, 32, 32), per_client_max=24, turn_s_max=PROMPT_S_MAX
        )
        self.doors = Lane(
            "doors", threads=(3, 3, 3), places=(64, 64, 64), per_client_max=64, turn_s_max=WRITING_S_MAX
        )
        self.feeds = Lane(
            "feeds", threads=(2, 2, 2), places=(64, 64, 64), per_client_max=64, turn_s_max=WRITING_S_MAX
        )
        self.pages = Lane(
            "pages", threads=(5, 6, 6), places=(48, 96, 96), per_client_max=72, turn_s_max=ERRAND_S_MAX
        )

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
