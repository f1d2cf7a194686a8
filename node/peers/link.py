"""Requests to one address: a few kept connections, and answers that are read with limits before all else.

What the other side sends is bounded in bytes (as they travel: nothing is decompressed), in time (from the
first byte sent to the last one read, however slowly they trickle) and in form, before anybody looks at it.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from node.peers.certificates import Trust, UntrustedPeer, by_authority

CONNECT_S_MAX = 1.0
KEPT_MAX = 4  # idle connections
SHOWN = "Comity-Shown"  # a word of the other side: who it has seen that we are (`server/tickets.py`)
_WORD = re.compile(r"[A-Za-z0-9._-]{1,600}")
STEP_S_MIN = 0.001


class LinkError(ConnectionError):
    """The other side answered what nobody should: too much, compressed, or no HTTP. Its fault, not ours."""


class _InTime:
    """A socket whose every read and write ends by a moment that `until` names."""

    until = float("inf")

    def recv_into(self, *arguments: Any) -> int:
        self._hurry()
        return super().recv_into(*arguments)  # type: ignore[misc,no-any-return]

    def send(self, *arguments: Any) -> int:
        self._hurry()
        return super().send(*arguments)  # type: ignore[misc,no-any-return]

    def sendall(self, *arguments: Any) -> None:
        self._hurry()
        super().sendall(*arguments)  # type: ignore[misc]

    def _hurry(self) -> None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self.settimeout(max(left, STEP_S_MIN))  # type: ignore[attr-defined]


class _PlainSocket(_InTime, socket.socket):
    pass


class _TlsSocket(_InTime, ssl.SSLSocket):
    pass


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]


class Link:
    """One address. Thread-safe."""

    def __init__(self, url: str, trusts: Sequence[Trust] = (), *, elsewhere: bool = False) -> None:
        """`trusts`: whom to believe over TLS, tried in turn; the system's authorities otherwise.

        `elsewhere`: who named the address is not the operator, and it leads to no door of this machine,
        however it is written and whatever its name resolves to.
        """
        parts = urlsplit(url.rstrip("/"))
        self._elsewhere = elsewhere
        self._url, self._base = url, parts.path
        self._https = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._https else 80)
        self._trusts = list(trusts) or ([by_authority(None)] if self._https else [])
        self._kept: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._shown = ""

    def post(self, path: str, body: bytes, *, seconds_max: float, size_bytes_max: int) -> tuple[int, bytes]:
        """(status, body) of the answer to a POST of COSE; OSError when there is none within the bounds."""
        shown = {SHOWN: self._shown} if self._shown else {}
        question = Question("POST", path, body, {"Content-Type": "application/cose", **shown})
        return self.ask(question, seconds_max=seconds_max, size_bytes_max=size_bytes_max)

    def ask(self, question: Question, *, seconds_max: float, size_bytes_max: int) -> tuple[int, bytes]:
        """As `post`, for any request."""
        until = time.monotonic() + seconds_max
        connection = self._idle()
        if connection is not None:
            try:
                return self._once(connection, question, until, size_bytes_max)
            except (ConnectionResetError, BrokenPipeError):
                pass  # it was closed while it was idle
        return self._once(self._connected(until), question, until, size_bytes_max)

    def close(self) -> None:
        with self._lock:
            kept, self._kept = self._kept, []
        for connection in kept:
            connection.close()

    def _once(
        self, connection: http.client.HTTPConnection, question: Question, until: float, size_bytes_max: int
    ) -> tuple[int, bytes]:
        keep = False
        try:
            assert isinstance(connection.sock, _InTime), "we connected it"
            connection.sock.until = until
            headers = {**question.headers, "Accept-Encoding": "identity"}
            connection.request(question.method, self._base + question.path, question.body, headers)
            with connection.getresponse() as response:
                answer = _read(response, size_bytes_max, self._url)
                if _WORD.fullmatch(word := response.headers.get(SHOWN, "")):
                    self._shown = word
                keep = not response.will_close
            return response.status, answer
        except http.client.RemoteDisconnected:  # also an HTTPException
            raise
        except (http.client.HTTPException, ValueError) as error:
            raise LinkError(f"{self._url} does not answer as HTTP does: {type(error).__name__}") from error
        finally:
            self._put_back(connection, keep=keep)

    def _idle(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._kept.pop() if self._kept else None

    def _put_back(self, connection: http.client.HTTPConnection, *, keep: bool) -> None:
        with self._lock:
            if keep and connection.sock is not None and len(self._kept) < KEPT_MAX:
                self._kept.append(connection)
                return
        connection.close()

    def _connected(self, until: float) -> http.client.HTTPConnection:
        try:
            connection = http.client.HTTPConnection(self._host, self._port)
            connection.sock = self._trusted(until) if self._https else self._plain(until)
        except (http.client.InvalidURL, UnicodeError) as error:
            raise LinkError(f"{self._url} names no host that can be asked") from error
        return connection

    def _plain(self, until: float) -> socket.socket:
        # Asked by what the name led to when it was looked at, not by the name once more.
        host = self._away() if self._elsewhere else self._host
        left = min(CONNECT_S_MAX, until - time.monotonic())
        found = socket.create_connection((host, self._port), timeout=max(left, STEP_S_MIN))
        plain = _PlainSocket(found.family, found.type, found.proto, fileno=found.detach())
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain

    def _away(self) -> str:
        """The first IP address of the host; LinkError if any of them is of this machine."""
        hosts = [found[4][0] for found in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)]
        if any(is_loopback(str(host)) for host in hosts):
            raise LinkError(
                f"{self._url} leads to this machine: its operator has to name peers that are here"
            )
        return str(hosts[0])

    def _trusted(self, until: float) -> ssl.SSLSocket:
        """A TLS connection whose other end has shown who it is; no byte of ours was sent before."""
        refusal: Exception | None = None
        for trust in self._trusts:
            try:
                secure = self._shaken(trust, until)
            except (UntrustedPeer, ssl.SSLCertVerificationError) as error:
                refusal = refusal or error
                continue
            self._trusts.sort(key=lambda one: one is not trust)  # the one that held is tried first
            return secure
        assert refusal is not None, "there is somebody to believe"
        raise refusal

    def _shaken(self, trust: Trust, until: float) -> ssl.SSLSocket:
        with contextlib.ExitStack() as stack:
            plain = self._plain(until)
            stack.callback(plain.close)
            plain.settimeout(max(until - time.monotonic(), STEP_S_MIN))
            trust.context.sslsocket_class = _TlsSocket
            name = trust.server_name or self._host
            secure = trust.context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
            stack.callback(secure.close)
            secure.do_handshake()
            trust.check(secure.getpeercert(binary_form=True) or b"")
            stack.pop_all()
            return secure


def _read(response: http.client.HTTPResponse, size_bytes_max: int, url: str) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise LinkError(f"{url} sent a compressed answer, which was not asked for")
    if response.length is not None and response.length > size_bytes_max:
        raise LinkError(f"{url} answered with {response.length} bytes; {size_bytes_max} are read")
    answer = response.read(size_bytes_max + 1)
    if len(answer) > size_bytes_max:
        raise LinkError(f"{url} answered with more than the {size_bytes_max} bytes that are read")
    if response.length:
        raise LinkError(f"{url} broke off its answer")
    return answer


def is_loopback(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    try:
        found = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    found = getattr(found, "ipv4_mapped", None) or found
    return found.is_loopback or found.is_unspecified  # to 0.0.0.0 is sent to this machine


def can_be_asked(address: str, *, here: bool) -> bool:
    """An https:// address of another machine; if `here` also one of this machine. False for what is none."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        if not host or parts.port == 0 or not host.encode("idna"):
            return False
    except ValueError:  # no port, no IPv6 address, no name: whoever put it on the ledger is asked nothing
        return False
    return here and parts.scheme in ("http", "https") if is_loopback(host) else parts.scheme == "https"
