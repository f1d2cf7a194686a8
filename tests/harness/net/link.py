"""Our own TCP relay: every link between two nodes is a port that delays, drops or cuts what passes.

    relay = Relay()
    relay.add(Link("maker", "customs", listen=("10.77.0.1", 8473), to=("10.77.3.2", 8470)))
    with relay:                        # serves on its own thread
        relay.set(delay_s=0.05, between=({"maker"}, {"customs"}))
        relay.cut({"maker"}, {"customs"})
        relay.heal()

`tc netem` is missing from many kernels, so delay and loss are made here. Bytes inside a TCP stream cannot be
lost, so `drop` is the probability that a chunk ends its connection, as a reset does. A cut link is silent:
what was sent stays unanswered, what connects is not answered; healing resets those connections.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Collection, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

CHUNK_BYTES = 64 << 10
READY_S_MAX = 10.0
HEARD_BYTES_MAX = 32 << 20
WAITING_CHUNKS_MAX = 1024  # per direction of a connection: then the sender waits, as with a full pipe

Address = tuple[str, int]


@dataclass(eq=False, slots=True)
class Link:
    """What one node sends to another: where it connects, and where that leads."""

    source: str
    target: str
    listen: Address
    to: Address
    delay_s: float = 0.0  # each way
    drop: float = 0.0  # probability per chunk that the connection is reset
    is_cut: bool = False
    connections: set[asyncio.Task[Any]] = field(default_factory=set)
    passed_bytes: int = 0
    resets: int = 0  # by `drop`
    heard: bytearray | None = None  # what passes, in both directions, while somebody listens

    def joins(self, one: Collection[str], other: Collection[str]) -> bool:
        """Whether this link leads from one group to the other, in either direction."""
        return (self.source in one and self.target in other) or (self.source in other and self.target in one)


class Relay:
    """All links of a network, on one thread with its own event loop."""

    def __init__(self, seed: int = 1) -> None:
        self.links: list[Link] = []
        self._random = random.Random(seed)
        self._loop: asyncio.AbstractEventLoop  # made on its thread
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def add(self, link: Link) -> None:
        """Before `with`: one more link."""
        self.links.append(link)

    def set(
        self,
        *,
        between: tuple[Collection[str], Collection[str]] | None = None,
        delay_s: float | None = None,
        drop: float | None = None,
    ) -> None:
        """Change the links between two groups, or all."""
        for link in self._of(between):
            link.delay_s = link.delay_s if delay_s is None else delay_s
            link.drop = link.drop if drop is None else drop

    def cut(self, one: Collection[str], other: Collection[str]) -> None:
        """Silence between two groups, in both directions."""
        for link in self._of((one, other)):
            link.is_cut = True

    def heal(self) -> None:
        """No link is cut any more; connections that stalled are reset."""

        def reset() -> None:
            for link in self.links:
                if link.is_cut:
                    link.is_cut = False
                    for connection in list(link.connections):
                        connection.cancel()

        self._loop.call_soon_threadsafe(reset)

    def __enter__(self) -> Relay:
        self._thread.start()
        assert self._ready.wait(READY_S_MAX), "the relay could not listen on its addresses"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(READY_S_MAX)

    def _of(self, between: tuple[Collection[str], Collection[str]] | None) -> Iterable[Link]:
        return [link for link in self.links if between is None or link.joins(*between)]

    # -- the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        servers = [self._loop.run_until_complete(self._listen(link)) for link in self.links]
        self._ready.set()
        self._loop.run_forever()
        for server in servers:
            server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                self._loop.run_until_complete(task)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _listen(self, link: Link) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None, "asyncio serves each connection in a task"
            link.connections.add(task)
            try:
                await self._carry(link, reader, writer)
            except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
                pass
            finally:
                link.connections.discard(task)
                writer.transport.abort()

        return await asyncio.start_server(connected, *link.listen)

    async def _carry(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if link.delay_s:
            await asyncio.sleep(2 * link.delay_s)  # the handshake goes there and back
        while link.is_cut:
            await asyncio.sleep(0.05)
        there, back = await asyncio.open_connection(*link.to)
        try:
            await _first(self._pump(link, reader, back), self._pump(link, there, writer))
        finally:
            back.transport.abort()

    async def _pump(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes of one direction, each chunk `delay_s` after it was read."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_CHUNKS_MAX)

        async def read() -> None:
            while chunk := await reader.read(CHUNK_BYTES):
                await waiting.put((self._loop.time() + link.delay_s, chunk))
            await waiting.put((self._loop.time() + link.delay_s, b""))

        async def write() -> None:
            while True:
                due, chunk = await waiting.get()
                if (wait_s := due - self._loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                while link.is_cut:
                    await asyncio.sleep(0.05)
                if not chunk:
                    return
                if self._random.random() < link.drop:
                    link.resets += 1
                    return
                link.passed_bytes += len(chunk)
                if link.heard is not None and len(link.heard) < HEARD_BYTES_MAX:
                    link.heard += chunk
                writer.write(chunk)
                await writer.drain()

        reading = asyncio.ensure_future(read())
        try:
            await write()
        finally:
            reading.cancel()


async def _first(*parts: Coroutine[Any, Any, None]) -> None:
    """Run until one part ends; the others are cancelled."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
