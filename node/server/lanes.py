"""Lanes: each kind of request has threads and a queue of its own, which no other kind can take.

    peers    /peer/*             the agreement
    probes   /healthz, /readyz   whoever watches the node
    doors    whose key or session a request shows, asked once for each connection
    feeds    polls of open event streams
    pages    everything else

In each, strangers - who have not proven on this connection that they are a peer or hold a key - get one
thread less than there are and half of the queue: what proves itself finds both free. Nothing waits for a
lane in a thread; a full one is a 503, at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from node.errors import ProblemError, busy

T = TypeVar("T")


class Lane:
    """Runs calls on its threads, from one event loop."""

    def __init__(self, name: str, *, threads: int, waiting_max: int, per_client_max: int) -> None:
        self.name = name
        self._room = threads + waiting_max
        self._per_client_max = per_client_max
        self._strangers_max = max(self._room // 2, 1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._stranger_turn = asyncio.Semaphore(max(threads - 1, 1))
        self._inside: Counter[str] = Counter()
        self._strangers = 0
        self._idle = threading.Condition()
        self._running = 0

    async def run(self, call: Callable[[], T], *, client: str, proven: bool) -> T:
        """The result of `call`; ProblemError 503 when this lane, or the client's share of it, is full."""
        full = self._inside.total() >= self._room or self._inside[client] >= self._per_client_max
        if full or (not proven and self._strangers >= self._strangers_max):
            raise self.full()
        self._inside[client] += 1
        self._strangers += not proven
        try:
            if proven:
                return await self._on_a_thread(call)
            async with self._stranger_turn:
                return await self._on_a_thread(call)
        finally:
            self._strangers -= not proven
            self._inside[client] -= 1
            if not self._inside[client]:
                del self._inside[client]

    def full(self) -> ProblemError:
        told = "this node answers as many requests at the same time as it can ({lane})"
        return busy(told, lane=self.name)

    async def _on_a_thread(self, call: Callable[[], T]) -> T:
        # A client that leaves cancels us, but not the thread: its place stays taken until the call is over.
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._counted, call)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise

    def _counted(self, call: Callable[[], T]) -> T:
        with self._idle:
            self._running += 1
        try:
            return call()
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def close(self, seconds_max: float) -> None:
        """Drop what waits; wait for what runs."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._idle:
            self._idle.wait_for(lambda: not self._running, seconds_max)
