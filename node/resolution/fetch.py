"""The only door to other people's servers: a document that a document names is fetched here, or not at all.

What an address may be is decided in this order, and the first refusal ends it:

    1 text      https://HOST[:PORT]/PATH in ASCII; no user, no fragment, no escape or backslash in the host
    2 policy    the operator lists the origin, or allows public hosts: then HTTPS and port 443 only
    3 address   resolved ONCE; every address must be public, and the connection goes to that address
    4 answer    no redirect off the origin, no content encoding, a size, one deadline for all of it

An origin that the operator lists may be private and may be plain HTTP. Nothing else ever is.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol
from urllib.parse import urljoin

from credentials.documents.uri import parse_uri

SECONDS_MAX = 5.0  # of one answer
TOGETHER_S_MAX = 5.0  # of all answers that one request waits for
URL_CHARACTERS_MAX = 2048  # that are asked for; the DID of a large key has more
REDIRECTS_MAX = 2
ADDRESSES_MAX = 3  # of one host that are tried
RESOLVING_MAX = 8  # questions to the system's resolver, which may hang, and cannot be called off
FETCHES_MAX = 3  # at the same time
PUBLIC_MAX = 2  # of them, of hosts that the operator did not list: one place is always for those that it did
ORIGIN_MAX = 1  # of them, of one origin: a server that says nothing takes no other's place
SLOT_S_MAX = 1.0  # that a fetch waits until it is one of them: its thread is one that answers pages

_HOST = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9.-]+")
_PATH = re.compile(r"/[!$&-;=?-\[\]_a-z~%]*")
_PORTS = {"https": 443, "http": 80}
NO_ADDRESS = "is no address that this node asks: it asks https://HOST/PATH in ASCII, without user and #"
_REDIRECTS = (301, 302, 303, 307, 308)
# Addresses that carry another address inside: what they lead to is not what they look like.
_TUNNELS = tuple(
    ipaddress.ip_network(text)
    for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)

Resolve = Callable[[str, int], list[str]]


class Asking(Protocol):
    """What asks other people's servers."""

    def get(self, url: str, *, accept: str, size_bytes_max: int) -> bytes:
        """The body at `url`; raises FetchError."""


class FetchError(ValueError):
    """What was not fetched, and why: `refused` (by us), `not_found` (by them), `unreachable`, `too_large`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """What a server said to a post; what it wrote beside is not read."""

    status: int
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What may be asked. The default asks nobody."""

    public: bool = False  # any host with a public address, by HTTPS on port 443
    origins: frozenset[str] = frozenset()  # as `origin_of` writes them
    ca_file: str | None = None  # certificates to trust instead of the system's


@dataclass(frozen=True, slots=True)
class _Address:
    scheme: str
    host: str  # lower case, an IPv6 address without brackets
    port: int
    path: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


def origin_of(url: str) -> str:
    """The origin of a URL in one spelling: `https://host`, `https://host:8443`."""
    return _parse(url).origin


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, in the system's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """Fetches what a policy allows. Thread-safe."""

    def __init__(self, policy: FetchPolicy | None, resolve: Resolve = resolve) -> None:
        self._policy = policy or FetchPolicy()
        self._resolve = resolve
        self._places = _Places(self._policy.origins)
        self._resolving = threading.BoundedSemaphore(RESOLVING_MAX)
        self._tls: ssl.SSLContext | None = None

    def get(self, url: str, *, accept: str, size_bytes_max: int, seconds_max: float = SECONDS_MAX) -> bytes:
        """The body at `url`; raises FetchError. At most `seconds_max` in all, whatever the server does."""
        deadline = time.monotonic() + seconds_max
        address = _parse(url)
        self._allow(address)
        with self._places.one(address.origin, min(seconds_max, SLOT_S_MAX)):
            for _ in range(1 + REDIRECTS_MAX):
                answer = self._once(address, accept, size_bytes_max, deadline)
                if isinstance(answer, bytes):
                    return answer
                following = _parse(urljoin(address.origin + address.path, answer))
                if following.origin != address.origin:
                    _refuse(f"{address.origin} sends us on to another host")
                address = following
            _refuse(f"{address.origin} sends us on more than {REDIRECTS_MAX} times")

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> PostAnswer:
        """Post once, following nobody anywhere; raises FetchError for a server that does not answer."""
        deadline = time.monotonic() + SECONDS_MAX
        address = _parse(url)
        self._allow(address)
        with (
            self._places.one(address.origin, SLOT_S_MAX),
            self._asked(address, "POST", body, headers, deadline) as response,
        ):
            asked = response.headers.get("Retry-After", "")
            seconds = int(asked) if re.fullmatch("[0-9]{1,9}", asked) else None
            return PostAnswer(response.status, seconds)

    def ask(
        self, url: str, body: bytes, headers: Mapping[str, str], *, size_bytes_max: int
    ) -> tuple[int, bytes]:
        """The status and the body that answer a post, following nobody anywhere; raises FetchError."""
        deadline = time.monotonic() + SECONDS_MAX
        address = _parse(url)
        self._allow(address)
        with (
            self._places.one(address.origin, SLOT_S_MAX),
            self._asked(
                address, "POST", body, {**headers, "Accept-Encoding": "identity"}, deadline
            ) as response,
        ):
            return response.status, self._whole(response, address, size_bytes_max, deadline)

    def for_one_request(self) -> Asking:
        """Waits so long for all answers together: many slow servers take no more time than one."""
        return _Within(self, TOGETHER_S_MAX)

    def _allow(self, address: _Address) -> None:
        if address.origin in self._policy.origins:
            return
        if not self._policy.public:
            _refuse(f"this node's policy does not allow asking {address.origin}")
        if address.scheme != "https" or address.port != 443:
            _refuse(f"{address.origin} is not HTTPS on port 443")

    def _once(self, address: _Address, accept: str, size_bytes_max: int, deadline: float) -> bytes | str:
        """The body, or where the server sends us on."""
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        with self._asked(address, "GET", None, headers, deadline) as response:
            return self._read(response, address, size_bytes_max, deadline)

    @contextlib.contextmanager
    def _asked(
        self, address: _Address, method: str, body: bytes | None, headers: Mapping[str, str], deadline: float
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to one request, as long as it is read."""
        connection = self._connect(address, deadline)
        # A server that sends one byte now and then would outlive every timeout of a single read.
        watch = threading.Timer(max(deadline - time.monotonic(), 0), _cut, (connection,))
        watch.daemon = True
        watch.start()
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            reader = http.client.HTTPConnection(address.host, address.port)
            reader.sock = connection
            reader.request(method, address.path, body, {**headers, "User-Agent": "comity"})
            with reader.getresponse() as response:
                yield response
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, FetchError):
                raise
            raise FetchError("unreachable", f"{address.origin}: {_trouble(error)}") from error
        finally:
            watch.cancel()
            connection.close()

    @staticmethod
    def _read(
        response: http.client.HTTPResponse, address: _Address, size_bytes_max: int, deadline: float
    ) -> bytes | str:
        if response.status in _REDIRECTS:
            return response.headers.get("Location") or _refuse(f"{address.origin} sends us nowhere")
        if response.status in (404, 410):
            raise FetchError("not_found", f"{address.origin} has no such document")
        if response.status != 200:
            raise FetchError("unreachable", f"{address.origin} answered {response.status}")
        return Fetcher._whole(response, address, size_bytes_max, deadline)

    @staticmethod
    def _whole(
        response: http.client.HTTPResponse, address: _Address, size_bytes_max: int, deadline: float
    ) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            _refuse(f"{address.origin} sent a compressed answer, which was not asked for")
        body = response.read(size_bytes_max + 1)
        if time.monotonic() >= deadline:
            raise FetchError("unreachable", f"{address.origin} took too long")
        if len(body) > size_bytes_max:
            raise FetchError("too_large", f"{address.origin} sent more than {size_bytes_max} bytes")
        if response.length:
            raise FetchError("unreachable", f"{address.origin} broke off")
        return body

    def _connect(self, address: _Address, deadline: float) -> socket.socket:
        """A connection to one of the addresses that were checked: the name is not resolved again.

        TLS is set up, but its handshake not yet made.
        """
        trouble = "it has no address"
        for place in self._addresses(address, deadline)[:ADDRESSES_MAX]:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                plain = socket.create_connection((place, address.port), timeout=left)
            except OSError as error:
                trouble = type(error).__name__
                continue
            if address.scheme == "http":
                return plain
            return self._context().wrap_socket(
                plain, server_hostname=address.host, do_handshake_on_connect=False
            )
        raise FetchError("unreachable", f"{address.origin} cannot be reached: {trouble}")

    def _addresses(self, address: _Address, deadline: float) -> list[str]:
        """Resolve once, in time. One address that is not public spoils all of them."""
        found: list[str] = []
        trouble: list[OSError | ValueError] = []

        def ask() -> None:
            try:
                found.extend(self._resolve(address.host, address.port))
            except (OSError, ValueError) as error:
                trouble.append(error)
            finally:
                self._resolving.release()

        if not self._resolving.acquire(blocking=False):
            raise FetchError("unreachable", "the system's resolver does not answer")
        asking = threading.Thread(target=ask, name="resolve", daemon=True)
        asking.start()
        asking.join(max(deadline - time.monotonic(), 0))
        if asking.is_alive() or trouble or not found:
            raise FetchError("unreachable", f"the host {address.host} has no address")
        if address.origin not in self._policy.origins:
            for place in found:
                _require_public(place, address)
        return found

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._policy.ca_file)
        return self._tls


class _Places:
    """Fetches under way, by origin: strangers' hosts leave a place to those that the operator lists."""

    def __init__(self, listed: frozenset[str]) -> None:
        self._listed = listed
        self._taken: Counter[str] = Counter()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def one(self, origin: str, seconds_max: float) -> Iterator[None]:
        """A place for this origin; FetchError if none is free in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._free(origin), seconds_max):
                whose = f"of {origin} " if self._taken[origin] >= ORIGIN_MAX else ""
                raise FetchError("unreachable", f"too many other documents {whose}are being fetched")
            self._taken[origin] += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken[origin] -= 1
                self._taken += Counter()  # an origin that is done with is not kept
                self._changed.notify_all()

    def _free(self, origin: str) -> bool:
        strangers = sum(count for one, count in self._taken.items() if one not in self._listed)
        return (
            self._taken[origin] < ORIGIN_MAX
            and self._taken.total() < FETCHES_MAX
            and (origin in self._listed or strangers < PUBLIC_MAX)
        )


@dataclass(slots=True)
class _Within:
    """A fetcher whose answers take so many seconds together. For one thread."""

    fetcher: Fetcher
    left_s: float

    def get(self, url: str, *, accept: str, size_bytes_max: int) -> bytes:
        if self.left_s <= 0:
            told = "servers named before it took all the time that there is for one request"
            raise FetchError("unreachable", f"{ascii(url)[:200]} was not asked: {told}")
        began = time.monotonic()
        try:
            return self.fetcher.get(
                url, accept=accept, size_bytes_max=size_bytes_max, seconds_max=self.left_s
            )
        finally:
            self.left_s -= time.monotonic() - began


def _parse(url: object) -> _Address:
    uri = parse_uri(url)
    if uri is None or not uri.is_web or len(uri.text) > URL_CHARACTERS_MAX:
        _refuse(f"{ascii(url)[:200]} {NO_ADDRESS}")
    if uri.host is None or uri.port == "":
        _refuse(f"{ascii(url)[:200]} {NO_ADDRESS}")
    path = (uri.path or "/") + ("" if uri.query is None else f"?{uri.query}")
    strange = uri.user is not None or uri.fragment is not None
    if strange or not _HOST.fullmatch(uri.host) or not _PATH.fullmatch(path):
        _refuse(f"{ascii(url)[:200]} {NO_ADDRESS}")
    host = uri.host.strip("[]")
    port = int(uri.port or _PORTS[uri.scheme])
    if not 0 < port < 1 << 16:
        _refuse(f"{ascii(url)[:200]} has no such port")
    labels = host.split(".")
    if ":" in host or labels[-1].isdigit() or labels[-1].startswith("0x"):
        # Other spellings of an address, such as 127.1 or 0x7f000001, are read by some and not by others.
        try:
            ipaddress.ip_address(host)
        except ValueError:
            _refuse(f"the host of {ascii(url)[:200]} is neither a name nor an address")
    elif not all(0 < len(label) < 64 and label.strip("-") == label for label in labels):
        _refuse(f"the host of {ascii(url)[:200]} is not a name")
    return _Address(uri.scheme, host, port, path)


def _require_public(place: str, address: _Address) -> None:
    found = ipaddress.ip_address(place.partition("%")[0])
    inside = any(found in network for network in _TUNNELS if network.version == found.version)
    if inside or not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified:
        _refuse(f"the host {address.host} is at an address that is not public")


def _trouble(error: Exception) -> str:
    """What went wrong, in our words: an error of the library may quote what a stranger's server sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as we do"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it ended the connection without an answer"
    if isinstance(error, OSError):
        return error.strerror or "the connection broke"
    return "what it sent is not HTTP"


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _refuse(sentence: str) -> NoReturn:
    raise FetchError("refused", sentence)
