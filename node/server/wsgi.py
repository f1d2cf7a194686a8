"""Calls a WSGI application (PEP 3333) for one request that was read in whole, and keeps its whole answer.

A thread computes; it never waits for a client. What is large lies in a nameless file until it is sent.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from node.server.feeds import Feed

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SUBNET = "comity.subnet"  # in the environment
MEMORY_BYTES_MAX = 64 << 10  # of one body or answer; more goes to disk
# What only a proxy may say is not heard from anybody.
_NOT_PASSED_ON = frozenset({"FORWARDED", "X_FORWARDED_FOR", "X_FORWARDED_HOST", "X_FORWARDED_PROTO"})
_NOT_PASSED_ON |= {"X_FORWARDED_BY", "X_FORWARDED_PORT", "X_FORWARDED_PREFIX", "PROXY"}


@dataclass(frozen=True, slots=True)
class WholeRequest:
    """One request: its target in origin form, its headers in the order received, its whole body."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]  # latin-1, names in lower case
    scheme: str
    server: tuple[str, int]
    body: IO[bytes]
    size_bytes: int
    subnet: str = ""  # that of the connection's address: whose guesses are counted together

    def environ(self) -> dict[str, Any]:
        """The WSGI environment."""
        path, _, query = self.target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": self.target,
            "SERVER_NAME": self.server[0],
            "SERVER_PORT": str(self.server[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            SUBNET: self.subnet,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": self.body,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        for name, value in self.headers:
            key = name.upper().replace("-", "_")
            if "_" in name or key in _NOT_PASSED_ON or key in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
                continue
            key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
            between = "; " if key == "HTTP_COOKIE" else ", "
            environ[key] = environ[key] + between + value if key in environ else value
        if self.size_bytes or self.method not in ("GET", "HEAD"):
            environ["CONTENT_LENGTH"] = str(self.size_bytes)
        return environ


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """What is sent back: a whole body (rewound), or a feed."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: IO[bytes] | Feed
    size_bytes: int
    last: bool = False  # the connection ends with it

    def close(self) -> None:
        """Drop what was not sent."""
        if not isinstance(self.body, Feed):
            self.body.close()

    @classmethod
    def of(cls, status: int, reason: str, kind: str, data: bytes, *more: tuple[str, str]) -> WholeAnswer:
        """A short answer."""
        return cls(status, reason, (("Content-Type", kind), *more), file_of(data), len(data))


def new_body() -> IO[bytes]:
    """Where a body is kept: in memory while it is small."""
    return tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX)


def call(application: Application, request: WholeRequest) -> WholeAnswer:
    """The application's answer to one request."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    body = new_body()

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
        started[:] = [(status, headers)]
        return body.write

    try:
        made = application(request.environ(), start)
        if isinstance(made, Feed):
            body.close()
        else:
            _write(made, body)
    except BaseException:
        body.close()
        raise
    assert started, "the application began its answer"
    status, headers = started[0]
    code, _, reason = status.partition(" ")
    if isinstance(made, Feed):
        return WholeAnswer(int(code), reason, tuple(headers), made, 0)
    size = body.tell()
    body.seek(0)
    return WholeAnswer(int(code), reason, tuple(headers), body, size)


def _write(made: Iterable[bytes], body: IO[bytes]) -> None:
    try:
        for part in made:
            body.write(part)
    finally:
        close: Callable[[], None] | None = getattr(made, "close", None)  # PEP 3333
        if close is not None:
            close()


def file_of(data: bytes) -> IO[bytes]:
    """These bytes as a body, at its beginning."""
    file = new_body()
    file.write(data)
    file.seek(0)
    return file
