"""The only door to other people's servers: which addresses are asked, and what an answer may do."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from node.resolution.fetch import Fetcher, FetchError, FetchPolicy, _Places, _trouble, origin_of

PUBLIC = FetchPolicy(public=True)
ADDRESS = "93.184.215.14"  # public, and never connected to: each test refuses before


def fetch(url: str, policy: FetchPolicy = PUBLIC, at: Callable[[str, int], list[str]] | None = None) -> bytes:
    """GET with a resolver of our own."""
    return Fetcher(policy, at or (lambda host, port: [ADDRESS])).get(
        url, accept="*/*", size_bytes_max=1000, seconds_max=1.0
    )


def refused(url: str, policy: FetchPolicy = PUBLIC, *addresses: str) -> str:
    """The sentence of a refusal that was made before any connection."""
    with pytest.raises(FetchError) as caught:
        fetch(url, policy, lambda host, port: list(addresses or (ADDRESS,)))
    assert caught.value.code == "refused", caught.value
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "//a.example/", "a.example", ""),
        *("https://", "https:///x", "https://user@a.example/", "https://user:x@a.example/"),
        *("https://a.example@127.0.0.1/", "https://a.example#@127.0.0.1/", "https://a.example\\@b.example/"),
        *(
            "https://a.example:443:80/",
            "https://a.example:/",
            "https://a.example:0/",
            "https://a.example:99999/",
        ),
        *(
            "https://a.example:٤٤٣/",
            "https://a.example /",
            "https://a.example\n/",
            "https://a.example/\r\nHost: b",
        ),
        *(
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://1.2.3/",
        ),
        *(
            "https://%6cocalhost/",
            "https://localhost./",
            "https://-a.example/",
            "https://ⅼocalhost/",
            "https://a..b/",
        ),
        *(
            "https://[::1/",
            "https://[::1%25eth0]/",
            "https://[zz]/",
            "https://a.example/#x",
            "https://a.example/\x00",
        ),
        "https://a.example/" + "x" * 3000,
    ],
)
def test_addresses_with_tricks_are_not_read(url: str) -> None:
    """
    Users, fragments, escapes, other digits, other spellings of an address: refused as text.
    """
    refused(url)


@pytest.mark.parametrize(
    "place",
    [
        *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"),
        "2001:0:5ef5:79fb::1",
    ],
)
def test_addresses_that_are_not_public_are_not_asked(place: str) -> None:
    """
    Private, loopback, link-local, shared, multicast, documentation, mapped and tunnelled: not asked.
    """
    assert "not public" in refused("https://innocent.example/", PUBLIC, place)
    assert "not public" in refused("https://innocent.example/", PUBLIC, ADDRESS, place)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
def test_written_addresses_are_judged_alike(host: str) -> None:
    """
    An address in the place of the name is no way round.
    """
    assert "not public" in refused(f"https://{host}/", PUBLIC, host.strip("[]"))


@pytest.mark.parametrize("url", ["http://a.example/", "https://a.example:22/", "https://a.example:8443/"])
def test_public_hosts_are_asked_on_one_port(url: str) -> None:
    """
    Without the operator's word: HTTPS on port 443, and nothing else.
    """
    assert "port 443" in refused(url)


def test_nobody_is_asked_by_default() -> None:
    """
    Without a policy no address in a document is asked.
    """
    assert "policy" in refused("https://a.example/", FetchPolicy())
    assert "policy" in refused("https://a.example/", FetchPolicy(origins=frozenset({"https://b.example"})))
    with pytest.raises(FetchError):
        Fetcher(None).get("https://a.example/", accept="*/*", size_bytes_max=1)


def test_one_spelling_per_origin() -> None:
    """
    The operator's list is compared by scheme, host and port.
    """
    assert origin_of("https://A.Example:443/x?y") == "https://a.example"
    assert origin_of("http://a.example:8080") == "http://a.example:8080"
    assert origin_of("https://[::1]:8443/") == "https://[::1]:8443"


# -- answers of a real server ------------------------------------------------------------------------------

Handler = Callable[[socket.socket, bytes], None]


@contextmanager
def server(answer: Handler) -> Iterator[str]:
    """A server that answers each connection with what `answer` writes; its origin."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    answer(connection, connection.recv(65536))
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def saying(*parts: bytes, pause_s: float = 0) -> Handler:
    def answer(connection: socket.socket, request: bytes) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)

    return answer


def get(origin: str, path: str = "/", *, seconds_max: float = 2.0, resolve: Resolver | None = None) -> bytes:
    fetcher = Fetcher(FetchPolicy(origins=frozenset({origin})), *([resolve] if resolve else []))
    return fetcher.get(origin + path, accept="application/vc", size_bytes_max=1000, seconds_max=seconds_max)


Resolver = Callable[[str, int], list[str]]
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def test_a_listed_origin_is_asked() -> None:
    """
    What the operator lists may be private and plain: the body comes back, asked for uncompressed.
    """
    asked = []

    def answer(connection: socket.socket, request: bytes) -> None:
        asked.append(request)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")

    with server(answer) as origin:
        assert get(origin, "/did.json?x=1") == b"{}"

    assert asked[0].startswith(b"GET /did.json?x=1 HTTP/1.1\r\n")
    assert b"Accept-Encoding: identity" in asked[0] and b"Accept: application/vc" in asked[0]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ((b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",), "not_found"),
        ((b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",), "unreachable"),
        ((OK + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,), "too_large"),
        ((OK + b"\r\n" + b"x" * 100_000,), "too_large"),
        (
            (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",),
            "too_large",
        ),
        ((OK + b"Content-Length: 10\r\n\r\nshort",), "unreachable"),
        ((OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"0" * 10_000_000),), "refused"),
        ((b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",), "refused"),
        ((b"HTTP/1.1 302 Found\r\nLocation: https://b.example/\r\nContent-Length: 0\r\n\r\n",), "refused"),
        ((b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",), "refused"),
        ((b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",), "refused"),
        ((b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",), "refused"),
        ((b"\x00\x01\x02 no http",), "unreachable"),
        ((OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n",), "unreachable"),
        ((), "unreachable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answers_are_bounded(parts: tuple[bytes, ...], code: str) -> None:
    """
    Too long, compressed, broken off, sent on to another host or for ever: a refusal, and no body.
    """
    with server(saying(*parts)) as origin, pytest.raises(FetchError) as caught:
        get(origin)

    assert caught.value.code == code


def test_a_redirect_on_the_host_is_followed() -> None:
    """
    A redirect within the origin leads to the document.
    """

    def answer(connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"GET /there"):
            connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
        else:
            connection.sendall(b"HTTP/1.1 301 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")

    with server(answer) as origin:
        assert get(origin) == b"{}"


@pytest.mark.parametrize(
    "parts",
    [(OK, *[b"X: y\r\n"] * 900), (OK + b"\r\n", *[b"x"] * 900)],
    ids=["slow headers", "slow body"],
)
def test_one_deadline_for_everything(parts: tuple[bytes, ...]) -> None:
    """
    A server that sends a few bytes now and then is cut off when the time for the whole is over.
    """
    with server(saying(*parts, pause_s=0.05)) as origin:
        begun = time.monotonic()
        with pytest.raises(FetchError) as caught:
            get(origin, seconds_max=0.4)

    assert caught.value.code == "unreachable"
    assert time.monotonic() - begun < 30, "the whole would take longer"


def test_a_slow_name_server_is_not_waited_for() -> None:
    """
    Resolving counts to the same deadline.
    """

    def slow(host: str, port: int) -> list[str]:
        let_go.wait(60)
        return [ADDRESS]

    let_go, begun = threading.Event(), time.monotonic()
    with pytest.raises(FetchError) as caught:
        Fetcher(PUBLIC, slow).get("https://a.example/", accept="*/*", size_bytes_max=1, seconds_max=0.3)
    took_s = time.monotonic() - begun
    let_go.set()

    assert caught.value.code == "unreachable"
    assert took_s < 30


def test_a_name_is_resolved_once() -> None:
    """
    Rebinding: the address that was judged is the one that is connected to, and no second answer is asked for.
    """
    answers = [["10.0.0.1"], ["127.0.0.1"]]

    with pytest.raises(FetchError) as caught:
        Fetcher(PUBLIC, lambda host, port: answers.pop(0)).get(
            "https://rebinding.example/", accept="*/*", size_bytes_max=1, seconds_max=1
        )
    assert caught.value.code == "refused" and len(answers) == 1

    with server(saying(OK + b"Content-Length: 2\r\n\r\n{}")) as origin:
        asked: list[str] = []

        def once(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"]

        named = origin.replace("127.0.0.1", "named.example")
        assert get(named, resolve=once) == b"{}"
        assert asked == ["named.example"]


def test_a_certificate_must_be_for_the_name() -> None:
    """
    A server that does not speak TLS, or shows no certificate we trust, is unreachable.
    """
    with server(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as origin, pytest.raises(FetchError) as caught:
        get(origin.replace("http:", "https:"))

    assert caught.value.code == "unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://LISTS.EXAMPLE/a",
        "Https://lists.example:443/a",
        "https://lists.example/a",
    ],
)
def test_an_address_is_one_however_it_is_written(url: str) -> None:
    """
    Scheme and host have no case, and the default port says nothing (RFC 3986, 6.2.2.1 and 6.2.3).
    """
    assert origin_of(url) == "https://lists.example"


@pytest.mark.parametrize(
    "url",
    [
        "https://u@lists.example/",
        "https://lists.example/#a",
        "https://lists.example:/",
        "https:/lists.example/",
    ],
)
def test_parts_that_are_not_asked_for_are_refused(url: str) -> None:
    """
    No user, no fragment, no empty port: each would be read in two ways somewhere.
    """
    with pytest.raises(FetchError, match="no address that this node asks"):
        origin_of(url)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (http.client.BadStatusLine("\x1b[2J\x00 evil"), "what it sent is not HTTP"),
        (http.client.LineTooLong("header line"), "what it sent is not HTTP"),
        (http.client.RemoteDisconnected("x"), "it ended the connection without an answer"),
        (ssl.SSLError(1, "[SSL] wrong (_ssl.c:1)"), "it does not speak TLS as we do"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (OSError("x"), "the connection broke"),
        (UnicodeError("\x1b"), "what it sent is not HTTP"),
    ],
    ids=ascii,
)
def test_nothing_that_a_server_sent_is_told_as_our_words(error: Exception, says: str) -> None:
    """
    Whoever reads why a document was not had reads our words, on a terminal too: no bytes of a stranger's.
    """
    assert _trouble(error) == says


def test_a_server_is_asked_by_its_host_and_its_port() -> None:
    """
    Several hosts behind one address are told apart by the Host header, which names a port that is not usual.
    """
    asked = []

    def answer(connection: socket.socket, request: bytes) -> None:
        asked.append(request)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")

    with server(answer) as origin:
        get(origin)

    assert f"\r\nHost: {origin.removeprefix('http://')}\r\n".encode() in asked[0]


LISTED = [f"http://127.0.0.1:{port}" for port in range(1, 5)]
STRANGERS = [f"https://{name}.example" for name in "abcd"]


@pytest.mark.parametrize(
    ("taken", "origin", "told"),
    [
        (LISTED[:1], LISTED[0], f"too many other documents of {LISTED[0]} are being fetched"),
        (LISTED[:3], LISTED[3], "too many other documents are being fetched"),
        (STRANGERS[:2], STRANGERS[2], "too many other documents are being fetched"),
        (LISTED[:2], LISTED[2], ""),
        (STRANGERS[:2], LISTED[0], ""),
        ([*STRANGERS[:1], *LISTED[:1]], STRANGERS[1], ""),
    ],
    ids=[
        "same host",
        "all places",
        "strangers' places",
        "one is left",
        "left to the listed",
        "left to a stranger",
    ],
)
def test_a_silent_server_takes_no_others_place(taken: list[str], origin: str, told: str) -> None:
    """
    One origin has one place, hosts that nobody listed never have all: beyond them, unreachable, and why.
    """
    places = _Places(frozenset(LISTED))
    with contextlib.ExitStack() as held:
        for one in taken:
            held.enter_context(places.one(one, 0))
        if told:
            with pytest.raises(FetchError, match=re.escape(told)) as refused_as, places.one(origin, 0.01):
                pass
            assert refused_as.value.code == "unreachable"
        else:
            held.enter_context(places.one(origin, 0))

    with places.one(origin, 0):  # what ended has given its place back
        pass
    assert not +places._taken and not places._taken


def test_a_place_that_becomes_free_is_taken_by_whoever_waits() -> None:
    """
    A second question to a host waits for the first one's answer.
    """
    places, first, let_go = _Places(frozenset()), threading.Event(), threading.Event()

    def hold() -> None:
        with places.one(STRANGERS[0], 0):
            first.set()
            let_go.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert first.wait(60)
    threading.Timer(0.05, let_go.set).start()

    with places.one(STRANGERS[0], 60):
        assert let_go.is_set()
    holder.join()


def test_a_fetch_beyond_the_places_is_told_as_that() -> None:
    """
    A fetcher asks only from a place: while its host's is taken by a slow server, it ends in its time.
    """
    fetcher = Fetcher(FetchPolicy(origins=frozenset(LISTED)))

    with (
        fetcher._places.one(LISTED[0], 0),
        pytest.raises(FetchError, match="too many other documents") as told,
    ):
        fetcher.get(f"{LISTED[0]}/", accept="*/*", size_bytes_max=9, seconds_max=0.01)

    assert told.value.code == "unreachable"
