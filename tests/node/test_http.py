"""The web server: what a client that does not prove itself can hold, and which requests are refused unread.

Everything here goes over raw sockets on loopback, to a real server with a small application.
"""

import contextlib
import errno
import io
import json
import resource
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionResetError, web

from node.cli.serve import _bind
from node.errors import ProblemError
from node.server import connections, exchange, feeds, http, refusing, wsgi
from node.server.connections import CONNECTIONS_PER_SUBNET_MAX, Connection, Connections, Doing, Rank
from node.server.exchange import Door, PeerAnswer
from node.server.feeds import Feed
from node.server.http import HttpServer
from node.server.lanes import Lanes
from node.server.subnets import subnet_of
from node.server.tls import server_context
from node.server.wsgi import Application
from tests.node.test_checking import certificate

GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
Address = tuple[str, int]
WAIT_S_MAX = 20.0  # for what comes at once; whatever could keep it waiting stays longer


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many for bodies of strangers and peers as for those of who holds a key."""
    monkeypatch.setattr(exchange, "SMALLER_BODIES_MAX", connections.LARGE_BODIES_MAX)


def small(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
    """/large sends 8 MiB, /feed goes on for ever; any other says what it received."""
    match environ["PATH_INFO"]:
        case "/large":
            start("200 OK", [("Content-Type", "text/plain")])
            return iter([b"x" * (1 << 20)] * 8)
        case "/feed":
            start("200 OK", [("Content-Type", "application/x-ndjson")])
            return Feed(lambda: (b"{}\n", False))
    body = environ["wsgi.input"].read()
    told = {"path": environ["PATH_INFO"], "host": environ["HTTP_HOST"], "bytes": len(body)}
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]


def one_of(*keys: str) -> Callable[[str | None, str | None], str | None]:
    """Who holds one of these keys is known by it."""
    return lambda authorization, cookie: next((k for k in keys if authorization == f"Bearer {k}"), None)


class SeenFrom(socket.socket):
    """A listening socket whose clients come from these addresses, one after the other."""

    addresses: Iterator[str]

    def accept(self) -> tuple[socket.socket, Any]:
        accepted, (_, port) = super().accept()
        return accepted, (next(self.addresses), port, 0, 0)


@contextmanager
def serving(
    application: Application = small, seen_from: Iterable[str] | None = None, **options: Any
) -> Iterator[Address]:
    """A server on a port of its own, until the end of the block."""
    listening = _bind("127.0.0.1", 0)
    address: Address = listening.getsockname()
    if seen_from is not None:
        listening = SeenFrom(fileno=listening.detach())
        listening.addresses = iter(seen_from)
    server = HttpServer(application, listening, **options)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield address
    finally:
        server.close()
        thread.join(10)
        assert not thread.is_alive(), "the server stops when asked"


def answer(address: Address, request: bytes, *, timeout_s: float = WAIT_S_MAX, source: str = "") -> bytes:
    """Everything that comes back until the server closes."""
    with socket.create_connection(address, timeout_s, (source, 0)) as connection:
        connection.sendall(request)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(1 << 16):
                received += chunk
    return received


def is_healthy(address: Address, tls: ssl.SSLContext | None = None) -> bool:
    """Whether /healthz is answered at all, while whatever could keep it waiting is still there."""
    with socket.create_connection(address, timeout=WAIT_S_MAX) as plain:
        connection = tls.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain
        connection.sendall(GET % b"/healthz")
        told = connection.recv(64).startswith(b"HTTP/1.1 200")
        connection.close()
    return told


@contextmanager
def holding(address: Address, count: int, beginning: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that begin like this, and then say no more."""
    held = []
    try:
        for _ in range(count):
            held.append(socket.create_connection(address, timeout=WAIT_S_MAX))
            with contextlib.suppress(OSError):
                held[-1].sendall(beginning)
        yield held
    finally:
        for one in held:
            one.close()


@contextmanager
def filling(address: Address, count: int, beginning: bytes) -> Iterator[None]:
    """So many of these requests under way, of which at least one was told 503: the places are taken."""
    with holding(address, count, beginning) as held:
        told = select.select(held, (), (), WAIT_S_MAX)[0]
        assert told and told[0].recv(16).startswith(b"HTTP/1.1 503")
        yield


def placed(address: Address, count: int, ask: bytes, part: bytes = b"") -> AbstractContextManager[Any]:
    """So many bodies that have a place, and of which this much was sent."""
    return sending(address, ask, "127.0.0.1", count, part=part)


def closed(connection: socket.socket, within_s: float) -> bool:
    """True when the other side closes it in time, whatever it sends before."""
    connection.settimeout(within_s)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def received(connection: socket.socket) -> int:
    """How many bytes still come until it is closed."""
    count = 0
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 16):
            count += len(chunk)
    return count


def test_silent_tls_connections_hold_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    N04: connections that never begin their handshake delay no other; /healthz answers at once.
    """
    cert_file, key_file = certificate(tmp_path)
    client = ssl.create_default_context(cafile=str(cert_file))
    monkeypatch.setattr(connections, "OPENING_S_MAX", 2 * WAIT_S_MAX)
    with serving(tls=server_context((cert_file, key_file))) as address, holding(address, 20):
        assert is_healthy(address, client)


def test_a_handshake_has_a_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever connects by TLS and says nothing is cut.
    """
    monkeypatch.setattr(connections, "OPENING_S_MAX", 0.5)
    cert_file, key_file = certificate(tmp_path)
    with serving(tls=server_context((cert_file, key_file))) as address, holding(address, 1) as (silent,):
        assert closed(silent, within_s=WAIT_S_MAX)


def test_half_open_connections_hold_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    N05: more half-open connections than the node takes, all alive; a newcomer is answered at once.
    """
    monkeypatch.setattr(connections, "OPENING_S_MAX", 2 * WAIT_S_MAX)
    with (
        serving() as address,
        holding(address, 4 * connections.CONNECTIONS_PER_SUBNET_MAX, b"GET / HTTP/1.1\r\nHost:"),
    ):
        assert all(is_healthy(address) for _ in range(5))


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\nX:",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777216\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\nab",
        GET.replace(b"close", b"keep-alive") % b"/",
        GET.replace(b"close", b"keep-alive") % b"/" + b"GET / HTTP/1.1\r\nX:",
    ],
    ids=["header", "body", "large body", "chunk", "idle", "second header"],
)
def test_bytes_that_trickle_buy_no_time(beginning: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Header, body and the time between two requests have a deadline in total, however often a byte comes, and
    whatever size the body is said to have.
    """
    monkeypatch.setattr(connections, "OPENING_S_MAX", 1.0)
    monkeypatch.setattr(connections, "TRANSFER_S_MAX", 1.0)
    monkeypatch.setattr(exchange, "IDLE_S_MAX", 1.0)
    ended = threading.Event()

    def trickle(connection: socket.socket) -> None:
        while not ended.wait(0.1):
            with contextlib.suppress(OSError):
                connection.send(b"a" if beginning[-26:] != b"Connection: keep-alive\r\n\r\n" else b"")

    with serving() as address, holding(address, 1, beginning) as (slow,):
        thread = threading.Thread(target=trickle, args=(slow,))
        thread.start()
        try:
            assert closed(slow, within_s=WAIT_S_MAX)
        finally:
            ended.set()
            thread.join()


def test_a_client_that_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An answer that nobody reads holds no thread, and its connection only until the deadline.
    """
    monkeypatch.setattr(connections, "TRANSFER_S_MAX", 1.0)
    monkeypatch.setattr(
        connections, "TRANSFER_BYTES_PER_S_MIN", 1 << 30
    )  # what the kernel takes is no reader
    cut, proper = list[Connection](), Connections._cut

    def cutting(self: Connections, one: Connection) -> None:
        cut.append(one)
        proper(self, one)

    monkeypatch.setattr(Connections, "_cut", cutting)
    with serving() as address, holding(address, 20, GET % b"/large") as lazy:
        assert is_healthy(address)
        until_s = time.monotonic() + 30
        while len(cut) < len(lazy) and time.monotonic() < until_s:
            time.sleep(0.05)
        assert all(received(one) < 8 << 20 for one in lazy)


class Full(io.BytesIO):
    """A body on a disk that is full."""

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("where", "path"), [(exchange, b"/x"), (wsgi, b"/large")], ids=["request", "answer"])
def test_a_body_that_the_disk_does_not_take_is_no_mistake_of_ours(
    where: Any, path: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Of a request or of an answer: 503 with Retry-After and what to do, and no traceback for each.
    """
    proper, made = where.new_body, list[object]()

    def new_body() -> Any:
        made.append(None)
        return Full() if len(made) == 1 else proper()

    with serving() as address:
        monkeypatch.setattr(where, "new_body", new_body)
        body = b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
        told = answer(address, body % path)

    assert told.startswith(b"HTTP/1.1 503") and b"Retry-After" in told
    assert b"No space left on device" in told and b"out_of_room" in told
    assert "Traceback" not in capsys.readouterr().err


class Held:
    """An application, and what answers other nodes, of which /slow and a peer's `slow` wait for `goes_on`."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/slow":
            self.goes_on.wait(2 * WAIT_S_MAX)
        return small(environ, start)

    def handle(self, path: str, body: bytes) -> PeerAnswer:
        if path == "slow":
            self.goes_on.wait(2 * WAIT_S_MAX)
        return OBLIGING.handle(path, body)

    def refuse_large(self) -> None: ...

    def refusal_wait_s(self, subnet: str) -> float:
        return 0.0

    @contextmanager
    def serving(self) -> Iterator[Address]:
        with serving(self, door=Door(knows=one_of("good"), peers=self)) as address:
            try:
                yield address
            finally:
                self.goes_on.set()


PEER_ASK = b"POST /peer/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
ASK = b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n"


def test_pages_cannot_take_the_threads_of_others_nor_who_has_no_key_those_of_who_has() -> None:
    """
    With every thread and place of strangers' pages taken, further ones are a 503; /healthz, another node and
    whoever shows a key are answered; a wrong key is no key.
    """
    with Held().serving() as address, filling(address, 90, GET % b"/slow"):
        assert is_healthy(address)
        assert answer(address, PEER_ASK % b"quick").endswith(b"ok")
        assert answer(address, ASK % b"good").startswith(b"HTTP/1.1 200")
        assert answer(address, ASK % b"bad").startswith(b"HTTP/1.1 503")


def test_peers_cannot_take_the_threads_of_pages() -> None:
    """
    With every thread and place of a lane taken, the other answers.
    """
    with Held().serving() as address, filling(address, 70, PEER_ASK % b"slow"):
        assert answer(address, GET % b"/x").startswith(b"HTTP/1.1 200")


class Obliging:
    """What answers other nodes: whatever is asked. A status says who signed it, and as what."""

    def handle(self, path: str, body: bytes) -> PeerAnswer:
        if path != "status":
            return PeerAnswer(b"ok")
        sender, rank = body.decode().split()
        return PeerAnswer(b"ok", sender, Rank[rank])

    def refuse_large(self) -> None: ...

    def refusal_wait_s(self, subnet: str) -> float:
        return 0.0


OBLIGING = Obliging()


def test_who_was_answered_without_showing_who_it_is_stays_a_stranger() -> None:
    """
    `hello` is not signed, and what it names can be worked out of public data: it gives no place of others.
    """
    with Held().serving() as address, contextlib.ExitStack() as stack:
        strangers = []
        for _ in range(70):
            one = stack.enter_context(socket.create_connection(address, timeout=WAIT_S_MAX))
            one.sendall(PEER_ASK.replace(b"close", b"keep-alive") % b"hello")
            assert answered(one).startswith(b"HTTP/1.1 200")
            strangers.append(one)
        for one in strangers:
            one.sendall(GET % b"/slow")
        refused = select.select(strangers, (), (), WAIT_S_MAX)[0]
        assert refused and refused[0].recv(16).startswith(b"HTTP/1.1 503")
        assert answer(address, ASK % b"good").startswith(b"HTTP/1.1 200")


def test_a_large_body_from_strangers_has_its_own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Large bodies on their way are counted: the one too many is a 503; whoever holds a key has other places.
    """
    monkeypatch.setattr(connections, "GRACE_S", 2 * WAIT_S_MAX)  # none of them stalls
    large = b"POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 100000\r\n"
    monkeypatch.setattr(connections, "GRACE_S", 2 * WAIT_S_MAX)
    door = Door(knows=one_of("good"))
    whole = b"x" * 100_000
    with (
        serving(door=door) as address,
        placed(address, connections.LARGE_BODIES_MAX, large + b"\r\n", b"ab"),
    ):
        refused = answer(address, large + b"\r\n")
        known = answer(address, large + b"Authorization: Bearer good\r\n\r\n" + whole)

    assert b" 503 " in refused[:16]
    assert b"Retry-After: " in refused
    assert known.startswith(b"HTTP/1.1 200")
    assert b'"bytes": 100000' in known


LARGE = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1000000\r\n%s\r\n"
WHOLE = b"x" * 1_000_000


@pytest.mark.parametrize(
    ("path", "who"), [(b"x", b"Authorization: Bearer good\r\n"), (b"peer/messages", b"")]
)
def test_a_body_that_stalls_gives_its_place_to_one_that_comes(
    path: bytes, who: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Every place for large bodies is held by one that hardly comes: the next body takes the place of the
    slowest, and is answered.
    """
    monkeypatch.setattr(connections, "GRACE_S", 0.0)
    ask = LARGE % (path, who)
    door = Door(knows=one_of("good"), peers=Obliging())
    with (
        serving(door=door) as address,
        placed(address, 1, ask, b"a") as (slowest,),
        placed(address, connections.LARGE_BODIES_MAX - 1, ask, b"a" * 1000),
    ):
        assert answer(address, ask + WHOLE).startswith(b"HTTP/1.1 200")
        assert closed(slowest, within_s=WAIT_S_MAX)


def test_a_body_that_comes_at_a_fair_speed_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The one too many is a 503, and each of the others is answered.
    """
    monkeypatch.setattr(connections, "GRACE_S", 2 * WAIT_S_MAX)
    ask = LARGE % (b"x", b"")
    with (
        serving() as address,
        placed(address, connections.LARGE_BODIES_MAX, ask, WHOLE[100_000:]) as held,
    ):
        assert b" 503 " in answer(address, ask)[:16]
        for one in held:
            one.sendall(WHOLE[:100_000])
            assert one.recv(12) == b"HTTP/1.1 200"


POSTED = LARGE.replace(b"1000000", b"100000")
BODY = WHOLE[:100_000]
BY_KEY = b"Authorization: Bearer good\r\n", b"Authorization: Bearer b\r\n"
OTHERS = {POSTED % (b"x", BY_KEY[0]), POSTED % (b"x", b""), POSTED % (b"peer/messages", b"")}


@contextmanager
def sending(
    address: Address,
    ask: bytes,
    source: str,
    count: int,
    first: bytes = b"",
    *,
    part: bytes | None = None,
    shows: bool = True,
) -> Iterator[list[socket.socket]]:
    """So many bodies of one client that have a place, and of which all but the last byte was sent.

    `first`: a request that each connection has been answered before; what that answer gave to be shown is, if
    `shows`. `part`: what was sent instead.
    """
    with contextlib.ExitStack() as stack:
        begun = []
        for _ in range(count):
            one = socket.create_connection(address, timeout=WAIT_S_MAX, source_address=(source, 0))
            begun.append(stack.enter_context(one))
            shown = asked(one, first, ask)
            sent = shown if shows else ask
            one.sendall(sent.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
            assert one.recv(64).startswith(b"HTTP/1.1 100"), "it has a place"
            one.sendall(BODY[1:] if part is None else part)
        yield begun


def asked(one: socket.socket, first: bytes, ask: bytes) -> bytes:
    """`ask` with what the answer to `first`, if any, gave to be shown."""
    if not first:
        return ask
    one.sendall(first)
    told = answered(one)
    assert told.startswith(b"HTTP/1.1 200")
    word = told.partition(b"Comity-Shown: ")[2].partition(b"\r\n")[0]
    return ask.replace(b"\r\n", b"\r\nComity-Shown: %s\r\n" % word, 1) if word else ask


def answered(one: socket.socket) -> bytes:
    """The whole of one answer on a connection that stays open."""
    told = b""
    while (end := told.find(b"\r\n\r\n")) < 0 or len(told) < end + 4 + length_of(told):
        came = one.recv(1 << 12)
        assert came, "it stays open"
        told += came
    return told


def length_of(told: bytes) -> int:
    return int(told.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


def finished(begun: list[socket.socket]) -> int:
    """How many of these bodies are answered once their last byte is there; the others gave way."""
    answered = []
    for one in begun:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            one.sendall(BODY[:1])
            answered.append(one.recv(12))
    return answered.count(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("path", "clients"),
    [
        (b"x", [("127.0.0.1", BY_KEY[0]), ("127.0.0.1", BY_KEY[1])]),
        (b"x", [("127.0.0.1", b""), ("127.0.0.2", b"")]),
        (b"peer/messages", [("127.0.0.1", b""), ("127.0.0.2", b"")]),
    ],
    ids=["keys", "addresses", "peers"],
)
def test_who_holds_every_place_with_bodies_that_come_shares_them(
    path: bytes, clients: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One client holds every place for large bodies, and none of them stalls: another is answered at once, and
    gets half of them, and no more; then neither takes another of the other. Probes, and bodies of the other
    kinds, are answered throughout.
    """
    monkeypatch.setattr(connections, "GRACE_S", 60.0)
    monkeypatch.setattr(connections, "TRANSFER_S_MAX", 60.0)
    monkeypatch.setattr(http, "LINGER_S_MAX", 0.05)  # a 503 waits so long for the rest of a body
    (first, one), (second, two) = [(source, POSTED % (path, header)) for source, header in clients]
    half = connections.LARGE_BODIES_MAX // 2
    door = Door(knows=one_of("good", "b"), peers=Obliging())
    with serving(door=door) as address, sending(address, one, first, 2 * half) as full:
        assert b" 503 " in answer(address, one, source=first)[:16], "it has them all"
        assert answer(address, two + BODY, source=second).startswith(b"HTTP/1.1 200")
        with sending(address, two, second, half) as shared:
            for source, more in ((first, one), (second, two)):
                assert b" 503 " in answer(address, more, source=source)[:16]
            for other in OTHERS.difference({one}):
                assert answer(address, other + BODY).startswith(b"HTTP/1.1 200")
            assert answer(address, GET % b"/healthz").startswith(b"HTTP/1.1 200")
            assert (finished(full), finished(shared)) == (half, half)


SHOWN = b"GET /x HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
STATUS = b"POST /peer/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"


def as_peer(sender: str, rank: Rank) -> bytes:
    """A request of another node that shows who it is."""
    said = f"{sender} {rank.name}".encode()
    return STATUS % (len(said), said)


SIX = range(connections.LARGE_BODIES_MAX)
OBSERVERS = [as_peer(f"p{n}", Rank.TAKES_PART) for n in SIX]
VOTERS = [as_peer(f"p{n}", Rank.VOTES) for n in SIX]


@pytest.mark.parametrize(
    ("path", "held_by", "shows", "first"),
    [
        (b"x", [b"" for _ in SIX], True, BY_KEY[0]),
        (b"x", [SHOWN % BY_KEY[0] for _ in SIX], True, BY_KEY[0]),
        (b"x", VOTERS, True, BY_KEY[0]),
        (b"peer/messages", [b"" for _ in SIX], True, OBSERVERS[0]),
        (b"peer/messages", [SHOWN % BY_KEY[0] for _ in SIX], True, OBSERVERS[0]),
        (b"peer/messages", OBSERVERS, True, VOTERS[0]),
        (b"peer/messages", VOTERS, False, VOTERS[0]),
    ],
    ids=[
        *("keys", "keys behind a proxy", "keys beside peers", "peers", "peers beside keys", "validators"),
        "peers behind a proxy",
    ],
)
def test_who_has_shown_who_it_is_never_waits_for_those_that_have_not(
    path: bytes, held_by: list[bytes], shows: bool, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Six clients hold every place of theirs for large bodies, each with one that gives way to nobody: a seventh
    of them is told 503, and who has shown more is answered. What a connection has shown for another request,
    or to another door, does not count.
    """
    header, first = (first, b"") if first == BY_KEY[0] else (b"", first)
    monkeypatch.setattr(connections, "QUICK_BYTES_PER_S", 0)  # none of them gives way
    monkeypatch.setattr(connections, "GRACE_S", 60.0)
    monkeypatch.setattr(connections, "TRANSFER_S_MAX", 60.0)
    monkeypatch.setattr(http, "LINGER_S_MAX", 0.05)
    ask, door = POSTED % (path, b""), Door(knows=one_of("good"), peers=Obliging())
    with serving(door=door) as address, contextlib.ExitStack() as stack:
        held = [
            one
            for number, shown in enumerate(held_by)
            for one in stack.enter_context(
                sending(address, ask, f"127.0.0.{number + 2}", 1, shown, shows=shows)
            )
        ]
        beyond = stack.enter_context(socket.create_connection(address, WAIT_S_MAX))
        shown_once = asked(beyond, held_by[0], ask)
        beyond.sendall(shown_once if shows else ask)
        assert beyond.recv(64).startswith(b"HTTP/1.1 503")
        (seventh,) = stack.enter_context(sending(address, POSTED % (path, header), "127.0.0.1", 1, first))
        assert finished([seventh]) == 1
        assert finished(held) == len(held)


def test_the_body_that_loses_least_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of whoever has most places the body that has come least far gives way; one that stalls never gives way to
    who has as many as it has, or more, unless they are its own.
    """
    now, cut = 0.0, list[str]()
    known = Connections(lambda: now)
    places = connections.LargeBodies(known, 3)

    def come(client: str, size_bytes: int) -> Connection:
        one = Connection(client, lambda: None)
        stack.enter_context(places.place(one, client, lambda: cut.append(f"{client} {size_bytes}")))
        known.transfer(one, Doing.READING)
        known.moved(one, size_bytes)
        return one

    with contextlib.ExitStack() as stack:
        for size_bytes in (2 << 20, 1 << 20, 3 << 20):
            come("a", size_bytes)
        come("b", 4 << 20)
        assert cut == [f"a {1 << 20}"]
        with pytest.raises(ProblemError):
            come("b", 5 << 20)

        now = 20.0 + connections.GRACE_S  # now the other two of a stall, and not that of b
        come("b", 6 << 20)
        assert cut[1:] == [f"a {2 << 20}"]
        now += 100.0  # and now all do, of a the longest
        come("a", 7 << 20)
        assert cut[2:] == [f"a {3 << 20}"]
        come("a", 8 << 20)
        assert cut[3:] == [f"b {4 << 20}"]
        with pytest.raises(ProblemError):
            come("a", 9 << 20)


@pytest.mark.parametrize("strangers", [6, 60])
@pytest.mark.parametrize("path", [b"x", b"peer/messages"])
def test_slow_strangers_keep_nobody_out(path: bytes, strangers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Strangers from as many addresses, each with a large body that comes without a pause and slowly, take every
    place: one more is let in and answered, and so are who holds a key and a peer. The one that gave way is
    told so, and when to come again; so does each as long as there are more than places.
    """
    monkeypatch.setattr(connections, "GRACE_S", 60.0)  # none of them stalls
    monkeypatch.setattr(connections, "TRANSFER_S_MAX", 60.0)
    monkeypatch.setattr(http, "LINGER_S_MAX", 0.05)
    ask, door = POSTED % (path, b""), Door(knows=one_of("good"), peers=Obliging())
    with serving(door=door) as address, contextlib.ExitStack() as stack:
        slow = [
            one
            for number in range(strangers)
            for one in stack.enter_context(sending(address, ask, f"127.0.1.{number + 1}", 1))
        ]
        for other in (ask, *sorted(OTHERS)):
            assert b" 200 " in answer(address, other + BODY)[:16]
        (peer,) = stack.enter_context(
            sending(address, POSTED % (b"peer/messages", b""), "127.0.0.1", 1, VOTERS[0])
        )
        assert finished([peer]) == 1
        told = [_told_meanwhile(one) for one in slow]

    gave_way = [one for one in told if one]
    assert strangers - connections.LARGE_BODIES_MAX < len(gave_way) < strangers
    for one in gave_way:
        head, _, body = one.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ") and b"Retry-After: 2" in head
        assert json.loads(body)["code"] == "body_too_slow"


def _told_meanwhile(one: socket.socket) -> bytes:
    """What came on a connection by now."""
    one.settimeout(0.0)
    with contextlib.suppress(BlockingIOError):
        return one.recv(1 << 12)
    return b""


def test_of_strangers_who_come_without_end_the_faster_ones_are_served() -> None:
    """
    Sixty strangers begin a body a hundred times a second, send what fits into one write and then hardly more
    than a fair body; each newcomer is let in. One that comes at a mebibyte a second comes to its end, and of
    seven alike that begin again whenever they gave way most do.
    """
    now, lost = 0.0, list[str]()
    known = Connections(lambda: now)
    places = connections.LargeBodies(known, connections.SMALLER_BODIES_MAX)
    size_bytes = 4 << 20

    def come(client: str) -> tuple[Connection, contextlib.ExitStack]:
        one, held = Connection(client, lambda: None), contextlib.ExitStack()
        held.enter_context(places.place(one, client, lambda: lost.append(client)))
        known.transfer(one, Doing.READING)
        known.moved(one, 14_600)
        return one, held

    attackers = [come(f"attacker {number}") for number in range(connections.SMALLER_BODIES_MAX)]
    honest, held = come("honest")
    attack = 0
    while honest.moved_bytes < size_bytes:
        now += 0.01
        with contextlib.suppress(ProblemError):  # it has a place already
            attackers.append(come(f"attacker {attack % 60}"))
        for one, _ in attackers:
            known.moved(one, 1_500)
        known.moved(honest, (1 << 20) // 100)
        attack += 1
    assert "honest" not in lost and len(lost) > 200
    held.close()
    lost.clear()

    places, done = connections.LargeBodies(known, 6), 0
    under_way = dict[str, tuple[Connection, contextlib.ExitStack]]()
    for _ in range(1300):  # 65 s, of seven at 200 KiB/s
        now += 0.05
        for number in range(7):
            client = f"alike {number}"
            if client not in under_way:
                under_way[client] = come(client)
            known.moved(under_way[client][0], (200 << 10) // 20)
        for client in [*lost, *(c for c, (one, _) in under_way.items() if one.moved_bytes >= size_bytes)]:
            if client in under_way:
                done += client not in lost
                under_way.pop(client)[1].close()
        lost.clear()
    assert done >= 15, "five at a time, each in twenty seconds"


def test_bodies_of_pages_take_no_place_of_those_of_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each kind of request has places for large bodies of its own.
    """
    monkeypatch.setattr(connections, "GRACE_S", 2 * WAIT_S_MAX)
    head = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"
    with (
        serving(door=Door(peers=Obliging())) as address,
        placed(address, connections.LARGE_BODIES_MAX, head % b"x", b"x" * 99_999),
    ):
        assert b" 503 " in answer(address, head % b"x")[:16]
        assert answer(address, head % b"peer/messages" + b"x" * 100_000).endswith(b"ok")


def test_what_is_forgotten_of_a_connection_leaves_it_to_its_subnet() -> None:
    """
    Whose it was, what was shown on it and its rank are gone: its share is that of strangers from there.
    """
    one = Connection("192.0.2.0/24", print)
    one.proven, one.known_as, one.shown, one.peer, one.rank = (
        True,
        "anna",
        ("a", None),
        "did:web:a",
        Rank.VOTES,
    )
    assert one.of == "did:web:a"

    one.forget()

    assert (one.of, one.proven, any(one.shown), one.rank) == ("192.0.2.0/24", False, False, Rank.STRANGER)


def test_feeds_are_few_and_need_no_thread() -> None:
    """
    N06: streams beyond the bound of a client are a 503; the others take none of the threads; leaving frees.
    """
    with serving() as address:
        with holding(address, feeds.FEEDS_PER_CLIENT_MAX, GET % b"/feed") as open_ones:
            assert all(one.recv(16).startswith(b"HTTP/1.1 200") for one in open_ones)
            assert is_healthy(address)
            assert b" 503 " in answer(address, GET % b"/feed")[:16]
        until_s = time.monotonic() + WAIT_S_MAX
        while time.monotonic() < until_s:
            with holding(address, 1, GET % b"/feed") as (again,):
                if again.recv(16).startswith(b"HTTP/1.1 200"):
                    return
        raise AssertionError("leaving frees no place")


def test_one_share_has_half_of_the_streams_whoever_it_lets_in() -> None:
    """
    However many follow in one share, others find half of the places; who leaves frees its own.
    """
    there = feeds.OpenFeeds(total_max=8, per_client_max=2)
    with contextlib.ExitStack() as stack:
        for number in range(4):
            stack.enter_context(there.one_of(f"guest {number}", "host"))
        with pytest.raises(ProblemError, match="4 such answers"):
            stack.enter_context(there.one_of("guest 4", "host"))
        for number in range(4):
            stack.enter_context(there.one_of(f"other {number}", f"other {number}"))
        with pytest.raises(ProblemError, match="8 such answers"):
            stack.enter_context(there.one_of("late", "late"))
    with there.one_of("guest 4", "host"):
        pass


@pytest.mark.parametrize(
    ("address", "subnet"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2002:c000:207:9::1", "192.0.2.7"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::7", "2001:db8:0:2::/64"),
        ("fe80::7%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_an_address_is_of_a_subnet(address: str, subnet: str) -> None:
    """
    An IPv4 address is itself, however it is written; IPv6 addresses are as many clients as they have subnets.
    """
    assert subnet_of(address) == subnet


@pytest.mark.parametrize(
    ("of_one", "of_another"),
    [
        ([f"2001:db8:0:1:{n}::{n}" for n in range(1, 9)], "2001:db8:0:2::1"),
        (["192.0.2.7", "::ffff:192.0.2.7"] * 4, "::ffff:192.0.2.8"),
    ],
    ids=["one /64", "one IPv4 address"],
)
def test_a_subnet_is_one_client(of_one: list[str], of_another: str) -> None:
    """
    Whoever comes from ever another address of one subnet has one share of what is bounded for each client,
    and takes none of another's.
    """
    most = feeds.FEEDS_PER_CLIENT_MAX
    with (
        serving(seen_from=[*of_one[: most + 1], of_another]) as address,
        holding(address, most, GET % b"/feed") as open_ones,
    ):
        assert all(one.recv(16).startswith(b"HTTP/1.1 200") for one in open_ones)
        with holding(address, 2, GET % b"/feed") as (one_more, another):
            assert b" 503 " in one_more.recv(16)
            assert another.recv(16).startswith(b"HTTP/1.1 200")


CL = b"Content-Length: 4\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n%s"
KEPT = b"POST / HTTP/1.1\r\nHost: localhost\r\n%s\r\n%s"  # what follows may be another request


@pytest.mark.parametrize(
    "request_",
    [
        KEPT % (CL + TE, b"0\r\n\r\n"),
        KEPT % (TE + CL, b"0\r\n\r\n"),
        KEPT % (CL + b"Content-Length: 5\r\n", b"abcde"),
        KEPT % (CL + CL, b"abcd"),
        KEPT % (b"Content-Length: 4, 4\r\n", b"abcd"),
        KEPT % (b"Content-Length: +4\r\n", b"abcd"),
        KEPT % (b"Content-Length: -4\r\n", b"abcd"),
        KEPT % (b"Content-Length : 4\r\n", b"abcd"),
        KEPT % (b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
        KEPT % (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
        KEPT % (TE, b"-1\r\n\r\n"),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: other.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\n\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        KEPT % (CL + b"Transfer-Encoding: \r\n", b"abcd"),
        KEPT % (b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
        KEPT.replace(b"1.1", b"1.0") % (TE, b"0\r\n\r\n"),
        KEPT % (b"Content-Length: " + b"0" * 5000 + b"4\r\n", b"abcd"),
        KEPT % (TE, b"4;a\nb\r\nabcd\r\n0\r\n\r\n"),
        KEPT % (TE, b"4\r\nabcd\r\n0\r\nnonsense\r\n\r\n"),
    ],
    ids=[
        "length and encoding",
        "encoding and length",
        "two lengths",
        "one length twice",
        "list of lengths",
        "signed",
        "negative",
        "blank before colon",
        "chunked is not last",
        "unknown encoding",
        "negative chunk",
        "two hosts",
        "no host",
        "folded header",
        "bare line feeds",
        "connect",
        "tls to a plain port",
        "length and no encoding",
        "compressed on its way",
        "chunked in HTTP/1.0",
        "length of 5,001 digits",
        "line feed in an extension",
        "trailer without colon",
    ],
)
def test_a_request_that_two_could_read_differently_is_refused(request_: bytes) -> None:
    """
    N16: 400 with problem details, and the connection ends: what follows is not read as another request.
    """
    with serving() as address:
        told = answer(address, request_ + b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")

    head, _, body = told.partition(b"\r\n\r\n")
    assert head[:8] in (b"HTTP/1.0", b"HTTP/1.1") and head[8:13] == b" 400 "
    assert told.count(b"HTTP/1.") == 1 and b"/smuggled" not in told
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://evil.example/", b"localhost", 421),
        (b"http://evil.example/", b"evil.example", 421),
        (b"http://localhost/x", b"evil.example", 421),
        (b"http://localhost@evil.example/", b"localhost", 421),
        (b"ftp://localhost/", b"localhost", 400),
        (b"*", b"localhost", 400),
        (b"localhost:1", b"localhost", 400),
        (b"http://localhost/x?y", b"localhost", 200),
        (b"/x", b"localhost", 200),
    ],
)
def test_a_target_of_another_host_is_refused(target: bytes, host: bytes, status: int) -> None:
    """
    N16: an absolute-form target names this node, and the same host as `Host`; anything else is refused.
    """
    request = b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (target, host)
    with serving(door=Door(own_host=lambda name: name == "localhost")) as address:
        told = answer(address, request)

    assert told[8:].startswith(b" %d " % status)
    if status == 200:
        assert b'"path": "/x", "host": "localhost"' in told


@pytest.mark.parametrize(
    ("accept", "language"),
    [(b"Accept-Language: zh-CN, en;q=0.5", "zh"), (b"Accept-Language: fr", "en"), (b"X-None: 1", "en")],
)
def test_what_ends_before_the_application_is_told_in_the_callers_language(
    accept: bytes, language: str
) -> None:
    """
    A refusal of the server itself says whose fault it is and what to do, in the language that is preferred.
    """
    with serving() as address:
        got = answer(
            address, b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n" + accept + b"\r\n\r\n"
        )

    head, _, body = got.partition(b"\r\n\r\n")
    said = json.loads(body)
    assert b"Content-Language: " + language.encode() in head
    assert said["code"] == "other_host" and said["fault"] == "caller"
    for text in (said["title"], said["detail"], said["next"]):
        assert is_chinese(text) == (language == "zh"), text


@pytest.mark.parametrize(
    "problem", [connections._gave_way(), exchange._too_large(5), exchange._too_large(4 << 20)]
)
def test_the_servers_own_refusals_have_words_in_both_languages(problem: ProblemError) -> None:
    """
    A body that is too slow or too large: each sentence whole in Chinese, and a page is told in English.
    """
    for accept, language in ((None, "zh"), ("text/html", "en")):
        made = refusing.told(problem, refusing.asked_language(accept, "zh"))
        with made.body as body:  # type: ignore[union-attr]  # no feed
            said = json.loads(body.read())
        assert all(is_chinese(said[name]) == (language == "zh") for name in ("title", "detail", "next"))


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


@pytest.mark.parametrize(
    "request_",
    [GET % (b"/" + b"a" * 9000), GET.replace(b"Connection", b"A: %s\r\nConnection") % (b"/", b"b" * 9000)],
    ids=["address", "header"],
)
def test_a_line_that_is_too_long_is_told_as_that(request_: bytes) -> None:
    """
    431 and what to do, not that something about the form is wrong.
    """
    with serving() as address:
        told = answer(address, request_)

    assert told[9:12] == b"431", told[:200]
    assert b"more than 8190 bytes" in told and b"shorten it" in told


def test_expect_continue_is_answered() -> None:
    """
    A client that asks before it sends a body is told to go on.
    """
    with serving() as address, socket.create_connection(address, timeout=WAIT_S_MAX) as connection:
        connection.sendall(POST % (b"Content-Length: 2\r\nExpect: 100-continue\r\n", b""))
        assert connection.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ab")
        told = b""
        while chunk := connection.recv(4096):
            told += chunk
        assert b'"bytes": 2' in told


def test_who_gives_way() -> None:
    """
    Half-open before idle, idle before slow, strangers before who proved itself; work under way never.
    """
    now = 0.0
    cut: list[str] = []
    here = Connections(lambda: now, total_max=5, per_subnet_max=9)

    def enter(name: str, doing: Doing, *, proven: bool = False) -> bool:
        one = Connection(name, lambda: cut.append(name), proven=proven)
        admitted = here.admit(one)
        here.begin(one, doing, 60)
        return admitted

    enter("peer", Doing.IDLE, proven=True)
    enter("work", Doing.ANSWERING)
    enter("slow", Doing.WRITING)
    enter("idle", Doing.IDLE)
    enter("open", Doing.OPENING)
    now = 10.0
    for n in range(5):
        enter(f"new {n}", Doing.ANSWERING)

    assert cut == ["open", "idle", "slow", "peer"]
    assert len(here) == 5


def test_nobody_keeps_a_newcomer_out_by_what_it_has_shown_or_by_beginning_again_and_again() -> None:
    """
    Whoever has more connections than a share gives way first, as a participant too; then a stranger before a
    participant, of the stranger whose subnet has most; a validator last. Where all have just begun, one of
    them gives way all the same. What is being answered counts for no subnet.
    """
    now = 10.0
    cut: list[str] = []
    here = Connections(lambda: now, total_max=40, per_subnet_max=99)

    def enter(name: str, doing: Doing, *, subnet: str = "", **shown: Any) -> None:
        one = Connection(subnet or name, lambda: cut.append(name), proven=bool(shown), **shown)
        assert here.admit(one)
        here.begin(one, doing, 60)

    enter("validator", Doing.IDLE, peer="v", rank=Rank.VOTES)
    for n in range(33):
        enter(f"flood {n}", Doing.READING, subnet=str(n), peer="p", rank=Rank.TAKES_PART)
    enter("participant", Doing.IDLE, peer="q", rank=Rank.TAKES_PART)
    enter("key", Doing.IDLE, known_as="k")
    for n in range(3):
        enter(f"two {n}", Doing.OPENING, subnet="two")
    enter("one", Doing.OPENING)
    now = 11.0
    for n in range(40):
        enter(f"new {n}", Doing.ANSWERING)

    assert cut[:5] == ["flood 0", "two 0", "two 1", "two 2", "one"]
    assert cut[5:7] == ["key", "participant"]
    assert cut[7:] == [f"flood {n}" for n in range(1, 33)] + ["validator"]


@pytest.mark.parametrize(
    ("limits", "connections_max", "raised"),
    [
        ((1024, 20_000), 384, 4096),
        ((20_000, 20_000), 384, None),
        ((256, 512), 256, 512),
        ((300, 300), 75, 300),
        ((64, 64), 16, 64),
        ((1024, resource.RLIM_INFINITY), 384, 4096),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 384, None),
    ],
)
def test_connections_leave_the_files_that_the_node_needs(
    limits: tuple[int, int], connections_max: int, raised: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A machine lets a process have few files open: it has as many as it may, connections only what is left.
    """
    told = list[int]()
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: told.append(new[0]))

    assert connections.room_for_connections() == connections_max
    assert told == ([] if raised is None else [raised])


def test_what_is_answered_leaves_room_for_a_newcomer() -> None:
    """
    All that lanes and feeds answer at the same time, of however many, is less than there is room for.
    """
    lanes = Lanes()
    answering = sum(lane.places_max for lane in (lanes.peers, lanes.probes, lanes.doors, lanes.pages))

    assert answering + 2 * feeds.FEEDS_MAX < connections.CONNECTIONS_MAX - connections.CONNECTIONS_SHARE


def test_one_address_cannot_take_every_connection() -> None:
    """
    Beyond its share an address displaces its own, never another's.
    """
    cut: list[str] = []
    here = Connections(total_max=10, per_subnet_max=3)
    for n in range(8):
        here.admit(Connection("a", lambda n=n: cut.append(f"a{n}")))  # type: ignore[misc]
    here.admit(Connection("b", lambda: cut.append("b")))

    assert cut == ["a0", "a1", "a2", "a3", "a4"]
    assert len(here) == 4


def test_an_answer_that_waits_takes_no_thread() -> None:
    """
    Answers that come when something has happened wait on no thread, and arrive in whole with their status.
    """
    came = threading.Event()

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/healthz":
            return small(environ, start)
        start("200 OK", [("Content-Type", "application/json")])
        return Feed(lambda: (b"true\n", True) if came.is_set() else (b"", False), brief=True)

    with serving(application) as address, holding(address, 12, GET % b"/wait") as waiting:
        assert is_healthy(address)
        came.set()
        answers = [one.recv(4096) for one in waiting]

    assert all(told.startswith(b"HTTP/1.1 200") and b"Content-Length: 5" in told for told in answers)


def test_an_application_is_told_the_size_that_was_read_and_not_how_it_came() -> None:
    """
    Of a body in pieces its whole size, of none nothing; the header that says how it was sent stays here.
    """

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        start("200 OK", [("Content-Type", "application/json")])
        names = ("CONTENT_LENGTH", "HTTP_CONTENT_LENGTH", "TRANSFER_ENCODING", "HTTP_TRANSFER_ENCODING")
        return [json.dumps({name: environ[name] for name in names if name in environ}).encode()]

    pieces = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with serving(application) as address:
        told = [answer(address, one) for one in (GET % b"/", pieces + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")]

    found = [json.loads(one.partition(b"\r\n\r\n")[2]) for one in told]
    assert found == [{}, {"CONTENT_LENGTH": "5"}]


def test_a_head_is_answered_as_its_get_without_a_body() -> None:
    """
    What the application says of the size is told, and no byte of it is sent.
    """

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"hello"]

    with serving(application) as address:
        got, head = (answer(address, one) for one in (GET % b"/x", (GET % b"/x").replace(b"GET", b"HEAD")))

    assert got.endswith(b"\r\n\r\nhello") and head.endswith(b"\r\n\r\n")
    assert b"Content-Length: 5\r\n" in got and b"Content-Length: 5\r\n" in head


def test_a_late_refusal_keeps_its_status() -> None:
    """
    What is refused while an answer waits is told as a refusal, not as a broken answer.
    """

    def refuse() -> tuple[bytes, bool]:
        raise ProblemError(409, "state", "Not yet", "it was done before")

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        start("200 OK", [("Content-Type", "application/json")])
        return Feed(refuse, brief=True)

    with serving(application) as address:
        told = answer(address, GET % b"/wait")

    assert told.startswith(b"HTTP/1.1 409 ")
    assert b'"code": "state"' in told


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n",
            "The request cannot be read; check its form and its encoding.",
        ),
        (GET % b"ftp://localhost/", "The target of a request is a path, or a URL of this node."),
    ],
)
def test_a_request_that_cannot_be_read_is_told_in_one_sentence(request_: bytes, detail: str) -> None:
    """
    400 `bad_request` or `bad_target`: a program's author sees in which part of the request the fault is.
    """
    with serving(door=Door(own_host=lambda name: name == "localhost")) as address:
        told = json.loads(answer(address, request_).partition(b"\r\n\r\n")[2])

    assert (told["status"], told["detail"]) == (400, detail)


def test_a_target_that_no_url_reader_takes_is_refused() -> None:
    """
    400 `bad_target`, whoever read the request before: a host in brackets that do not close.
    """
    with pytest.raises(ProblemError) as refused:
        exchange._origin_form("http://[::1", None, lambda _: True)

    told = refused.value
    assert (told.status, told.code) == (400, "bad_target")
    assert told.detail == "The target of the request cannot be read."


def test_a_client_that_left_is_not_the_operators_news(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Whoever sends and leaves again and again writes nothing into the log.
    """

    async def gone(*_: object) -> None:
        raise ClientConnectionResetError("Cannot write to closing transport")

    with serving() as address:
        monkeypatch.setattr(web.StreamResponse, "prepare", gone)
        answer(address, GET % b"/x")

    assert capsys.readouterr().err == ""


def test_a_mistake_of_the_application_is_answered_and_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """
    500 `broken` with problem details and nothing of the mistake, which the node's log names.
    """

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        raise ZeroDivisionError("planted")

    with serving(application) as address:
        told = answer(address, GET % b"/")

    assert told.startswith(b"HTTP/1.1 500") and b"planted" not in told
    assert json.loads(told.partition(b"\r\n\r\n")[2])["code"] == "broken"
    logged = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith('{"at": "server_error"')
    ]
    assert [json.loads(line)["because"] for line in logged] == ["ZeroDivisionError"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_application_is_told_by_which_scheme_it_was_asked(scheme: str, tmp_path: Path) -> None:
    """
    In the small letters of WSGI, by which links and origins are made.
    """
    tls: dict[str, Any] = {}
    client = None
    if scheme == "https":
        files = certificate(tmp_path)
        tls, client = {"tls": server_context(files)}, ssl.create_default_context(cafile=str(files[0]))

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        start("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.url_scheme"].encode()]

    with (
        serving(application, **tls) as address,
        socket.create_connection(address, timeout=WAIT_S_MAX) as plain,
        client.wrap_socket(plain, server_hostname="127.0.0.1") if client else plain as connection,
    ):
        connection.sendall(GET % b"/")
        told = b""
        while chunk := connection.recv(1 << 16):
            told += chunk

    assert told.endswith(b"\r\n\r\n" + scheme.encode())


def test_a_connection_between_two_requests_gives_way_to_a_newcomer() -> None:
    """
    With all its places taken by connections that were answered and wait, an address is answered again.
    """
    keep = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving() as address:
        idle = [
            socket.create_connection(address, timeout=WAIT_S_MAX) for _ in range(CONNECTIONS_PER_SUBNET_MAX)
        ]
        for one in idle:
            one.sendall(keep)
            assert one.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert is_healthy(address)
        assert closed(idle[0], within_s=WAIT_S_MAX), "the oldest one gave way"
        for one in idle:
            one.close()


class _OutOfDescriptors(socket.socket):
    """A listening socket for which the machine has no descriptor left, once."""

    failed = False

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.failed:
            self.failed = True
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_server_that_was_out_of_descriptors_accepts_again() -> None:
    """
    The client waits in the queue of the machine meanwhile, and is answered.
    """
    bound = _bind("127.0.0.1", 0)
    listening = _OutOfDescriptors(fileno=bound.detach())
    server = HttpServer(small, listening)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert is_healthy(listening.getsockname())
        assert listening.failed
    finally:
        server.close()
        thread.join(10)


def test_a_request_that_never_comes_back_keeps_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A server that is asked to stop does so within its bound, and the thread that does not come back keeps no
    process: the one that waits for its answer, and the one that left meanwhile.
    """
    monkeypatch.setattr(http, "STOP_S_MAX", 0.2)
    gone, entered = threading.Event(), threading.Semaphore(0)

    def never(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        entered.release()
        gone.wait(2 * WAIT_S_MAX)
        return small(environ, start)

    try:
        with contextlib.ExitStack() as outlasting, serving(never) as address:
            outlasting.enter_context(holding(address, 1, GET % b"/"))
            with holding(address, 1, GET % b"/"):
                assert entered.acquire(timeout=WAIT_S_MAX) and entered.acquire(timeout=WAIT_S_MAX)
        assert not gone.is_set(), "it stopped before that thread came back"
        left = [thread for thread in threading.enumerate() if thread.name.startswith("pages")]
        assert left and all(thread.daemon for thread in left)
    finally:
        gone.set()
