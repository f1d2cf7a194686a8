"""The socket on which CometBFT asks its application: four connections, each answered in order, on one thread.

One thread answers all, so that nothing of the rules is read while a block changes them. What cannot be read
ends its connection and nothing else: CometBFT ends itself then, and both are started again.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

from google.protobuf.message import DecodeError

from node import log
from node.errors import SetupError
from node.ledger.comet.frames import FrameError, Frames, frame
from node.ledger.comet.proto.tendermint.abci.types_pb2 import Request, Response, ResponseException

CONNECTIONS_MAX = 4  # consensus, mempool, query, snapshot: of one CometBFT, and of nobody else
READ_BYTES = 64 << 10
WAITING_BYTES_MAX = 1 << 20  # answers that nobody fetches; then no more is read of whoever asks
PATH_BYTES_MAX = 103  # of a Unix socket, on every system


class RequestRefused(Exception):
    """CometBFT asked what may not be asked here or now: it is told why, and the connection ends."""


class _Connection:
    """One of the four, with what came and what goes."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock, self.frames, self.out = sock, Frames(), bytearray()
        self.waiting: list[Request] = []  # read, in order, and not answered yet
        self.ending = False  # what is in `out` is the last that is said

    @property
    def events(self) -> int:
        """What it can take now; nothing is read before what was asked is answered."""
        wanted = selectors.EVENT_WRITE if self.out else 0
        if not self.ending and not self.waiting and len(self.out) < WAITING_BYTES_MAX:
            wanted |= selectors.EVENT_READ
        return wanted


class Server:
    """The application's end of the ABCI. `answer` gives None while it lacks what it takes to answer."""

    def __init__(self, path: Path, answer: Callable[[Request], Response | None]) -> None:
        """`path` is in a folder of this user alone; raises SetupError where no socket can be there."""
        if len(str(path).encode()) > PATH_BYTES_MAX:
            raise SetupError(
                f"{path} is too long for a socket (at most {PATH_BYTES_MAX} bytes): use a shorter --data"
            )
        self._path, self._answer = path, answer
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(path))
            path.chmod(0o600)
            self._listener.listen(CONNECTIONS_MAX)
        except OSError as error:
            self._listener.close()
            raise SetupError(
                f"no socket can be made at {path}: {error.strerror}",
                step="Use a --data in a folder that this user may write into.",
            ) from error
        self._listener.setblocking(False)
        self._connections: list[_Connection] = []
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    @property
    def connections(self) -> int:
        """How many CometBFT holds: four while it is there."""
        return len(self._connections)

    def wake(self) -> None:
        """A turn that waits returns; from any thread."""
        with contextlib.suppress(BlockingIOError):
            self._waker.send(b"\0")

    def turn(self, wait_s: float) -> None:
        """Wait for something to do, at most so long, and do it. Always on one thread."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            for connection in self._connections:
                if connection.events:
                    selector.register(connection.sock, connection.events, connection)
            ready = selector.select(wait_s)
        for key, events in ready:
            if key.fileobj is self._woken:
                self._woken.recv(READ_BYTES)
            elif key.fileobj is self._listener:
                self._accept()
            else:
                self._move(key.data, events)
        for connection in list(self._connections):
            self._serve(connection)

    def close(self) -> None:
        """Let go of CometBFT, and of the socket."""
        for connection in list(self._connections):
            self._drop(connection)
        for sock in (self._listener, self._woken, self._waker):
            sock.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            sock, _ = self._listener.accept()
            if len(self._connections) == CONNECTIONS_MAX:
                sock.close()
            else:
                self._connections.append(_Connection(sock))

    def _move(self, connection: _Connection, events: int) -> None:
        """Read what is there, send what is waited for."""
        try:
            if events & selectors.EVENT_WRITE:
                self._send(connection)
            if events & selectors.EVENT_READ:
                data = connection.sock.recv(READ_BYTES)
                if not data:
                    self._drop(connection)
                connection.frames.feed(data)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)

    def _serve(self, connection: _Connection) -> None:
        """Answer what was read, in order, as far as it can be answered now."""
        if connection.ending:
            return
        try:
            for message in connection.frames.take():
                connection.waiting.append(Request.FromString(message))
            while connection.waiting:
                response = self._answer(connection.waiting[0])
                if response is None:
                    return  # asked again with the next turn
                del connection.waiting[0]
                connection.out += frame(response.SerializeToString())
        except (FrameError, DecodeError, RequestRefused) as error:
            log.moment("engine_refused", because=str(error)[:300])
            last = Response(exception=ResponseException(error=str(error)[:300]))
            connection.out += frame(last.SerializeToString())
            connection.waiting.clear()
            connection.ending = True
        try:
            self._send(connection)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)

    def _send(self, connection: _Connection) -> None:
        while connection.out:
            sent = connection.sock.send(connection.out)
            del connection.out[:sent]
        if connection.ending:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        connection.ending = True
        connection.sock.close()
        if connection in self._connections:
            self._connections.remove(connection)
