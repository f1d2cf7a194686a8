"""The web server of a node, for plain HTTP and HTTPS: aiohttp's protocol on our own sockets and bounds.

One event loop accepts, shakes hands, reads and writes; it never computes, and nothing that a client does
slowly costs a thread. What a connection may do and for how long is in `connections.py`, what becomes of a
request in `exchange.py`.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import contextlib
import logging
import socket
import ssl
from http import HTTPStatus
from typing import Any

from aiohttp import ClientConnectionResetError, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from node import log
from node.server.connections import Connection, Connections, room_for_connections
from node.server.exchange import SERVER, Door, Exchange
from node.server.refusing import LINE_BYTES_MAX, unreadable
from node.server.subnets import subnet_of
from node.server.wsgi import Application

READ_AHEAD_BYTES = 16 << 10
ACCEPT_AT_ONCE = 32
BACKLOG = 128
SWEEP_S = 0.5
HANDSHAKE_S_MAX, GOODBYE_S_MAX, LINGER_S_MAX = 5.0, 1.0, 1.0
STOP_S_MAX = 3.0
# asyncio sets 256 KiB aside for each TLS connection, before it has shown anything.
asyncio.sslproto.SSLProtocol.max_size = 32 << 10
ALWAYS_S = 3600.0  # aiohttp's own time limit; ours is far shorter


class ClientProtocol(RequestHandler):
    """aiohttp's protocol, which knows the connection it serves and words errors as we do."""

    __slots__ = ("connection", "connections")
    connection: Connection
    connections: Connections

    def connection_lost(self, exc: BaseException | None) -> None:
        self.connections.leave(self.connection)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, LineTooLong):  # aiohttp says 400 of a line, and of a header
            status = int(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if status >= 500 and exc is not None and not isinstance(exc, ClientConnectionResetError):
            log.moment("server_error", exc, because=type(exc).__name__)
        answer = web.Response(status=status, body=unreadable(status), content_type="application/problem+json")
        answer.headers["Server"] = SERVER
        answer.force_close()
        return answer


class _Protocols(web.Server):
    def __call__(self) -> ClientProtocol:
        return ClientProtocol(self, loop=self._loop, **self._kwargs)


class HttpServer:
    """Serves an application on a bound socket until `close`."""

    def __init__(
        self,
        application: Application,
        listening: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
        door: Door | None = None,
    ) -> None:
        self._application = application
        self._listening = listening
        self._tls = tls
        self._door = door or Door()
        self._connections = Connections(total_max=room_for_connections())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._opening: set[asyncio.Task[None]] = set()
        listening.listen(BACKLOG)  # from now on clients wait instead of being turned away

    def run(self) -> None:
        """Serve, on this thread, until `close` is called from another one or from a signal handler."""
        asyncio.run(self._serve())

    def close(self) -> None:
        """Finish what is being answered, and stop; `run` returns soon after."""
        if self._loop is None:
            self._stopping.set()
            return
        with contextlib.suppress(RuntimeError):  # it stopped meanwhile
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        for name in ("aiohttp", "asyncio"):  # connections that break are not the operator's news
            logging.getLogger(name).setLevel(logging.CRITICAL)
        exchange = Exchange(self._application, self._door, self._connections, tls=self._tls is not None)
        protocols = _Protocols(
            exchange,
            handler_cancellation=True,  # a client that left is noticed
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=ALWAYS_S,
            lingering_time=LINGER_S_MAX,
            read_bufsize=READ_AHEAD_BYTES,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
        )
        self._listening.setblocking(False)
        loop.add_reader(self._listening, self._accept, protocols)
        sweeping = asyncio.create_task(self._sweep())
        await self._stopping.wait()
        loop.remove_reader(self._listening)
        self._listening.close()
        sweeping.cancel()
        for task in list(self._opening):
            task.cancel()
        exchange.stop()
        protocols.pre_shutdown()
        await protocols.shutdown(STOP_S_MAX)
        self._connections.cut_all()
        exchange.close(STOP_S_MAX)

    def _accept(self, protocols: _Protocols) -> None:
        assert self._loop is not None, "the loop runs"
        for _ in range(ACCEPT_AT_ONCE):
            try:
                accepted, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is left: wait until some are
                log.moment("accept_failed", because=error.strerror or type(error).__name__)
                self._loop.remove_reader(self._listening)
                self._loop.call_later(SWEEP_S, self._accept_again, protocols)
                return
            accepted.setblocking(False)
            connection = Connection(subnet_of(str(address[0])), _cutting(accepted))
            if not self._connections.admit(connection):
                accepted.close()
                continue
            task = self._loop.create_task(self._open(protocols, accepted, connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _accept_again(self, protocols: _Protocols) -> None:
        if not self._stopping.is_set() and self._loop is not None:
            self._loop.add_reader(self._listening, self._accept, protocols)

    async def _open(self, protocols: _Protocols, accepted: socket.socket, connection: Connection) -> None:
        """The handshake, if any; from then on aiohttp's protocol reads."""
        assert self._loop is not None, "the loop runs"

        def protocol() -> ClientProtocol:
            made = protocols()
            made.connection, made.connections = connection, self._connections
            return made

        tls: dict[str, Any] = {}
        if self._tls is not None:
            tls = {"ssl_handshake_timeout": HANDSHAKE_S_MAX, "ssl_shutdown_timeout": GOODBYE_S_MAX}
        try:
            await self._first_byte(accepted)  # who says nothing costs a socket, and nothing else
            transport, _ = await self._loop.connect_accepted_socket(protocol, accepted, ssl=self._tls, **tls)
        except (OSError, asyncio.CancelledError):  # ssl.SSLError and TimeoutError are OSErrors
            self._connections.leave(connection)
            accepted.close()
            return
        connection.cut = transport.abort

    async def _first_byte(self, accepted: socket.socket) -> None:
        """Until there is something to read from it, or it ended."""
        assert self._loop is not None, "the loop runs"
        readable = asyncio.Event()
        self._loop.add_reader(accepted, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(accepted)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._connections.cut_late()


def _cutting(accepted: socket.socket) -> Any:
    """Ends a connection whose handshake is still under way."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            accepted.shutdown(socket.SHUT_RDWR)

    return cut
