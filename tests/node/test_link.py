"""How an answer of another node is read: bounded in bytes, time and form (node/peers/link.py)."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from node.peers.link import Link, LinkError, _PlainSocket
from tests.harness.peaks import forget_peak, peak_mib

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request and lets `answer` do what it likes; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    while b"\r\n\r\n" in (connection.recv(1 << 16) or b"") and not ended.is_set():
                        answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def sending(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def endless(connection: socket.socket) -> None:
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    with suppress(OSError):
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


BOMB = gzip.compress(bytes(1 << 20), 9) * 419  # members of one stream, one after the other


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            sending(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB),
            "compressed",
        ),
        (sending(OK + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"), "compressed"),
        (sending(OK + b"Content-Length: 999999999\r\n\r\n"), "999999999 bytes"),
        (endless, "more than the 1000 bytes"),
        (sending(OK + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001), "1001 bytes"),
        (sending(b"SSH-2.0-x\r\n"), "as HTTP does"),
        (sending(OK + b"".join(b"H%d: x\r\n" % n for n in range(200)) + b"\r\n"), "as HTTP does"),
        (sending(OK + b"A: " + b"x" * 100_000 + b"\r\n\r\n"), "as HTTP does"),
        (sending(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "as HTTP does"),
    ],
    ids=["bomb", "brotli", "long by header", "endless", "one more", "no http", "headers", "header", "chunk"],
)
def test_what_no_peer_sends_is_not_read(answer: Callable[[socket.socket], None], says: str) -> None:
    """
    N07: compressed, too long or no HTTP: an error that names the other side, and no memory for it.
    """
    before = forget_peak()
    with answering(answer) as url, pytest.raises(LinkError, match=says) as caught:
        Link(url).post("/peer/status", b"", seconds_max=5, size_bytes_max=1000)

    assert url in str(caught.value)
    assert peak_mib() - before < 20


@pytest.mark.parametrize("beginning", [b"", OK, OK + LENGTH % 100_000], ids=["no", "head", "body"])
def test_an_answer_that_trickles_ends_at_the_deadline(beginning: bytes) -> None:
    """
    One byte now and then does not outlive the deadline, in the head or in the body.
    """

    def trickle(connection: socket.socket) -> None:
        connection.sendall(beginning)
        with suppress(OSError):
            for _ in range(600):
                connection.sendall(b"x")
                time.sleep(0.1)

    started = time.monotonic()
    with answering(trickle) as url, pytest.raises(OSError):
        Link(url).post("/peer/status", b"", seconds_max=1, size_bytes_max=1 << 20)

    assert time.monotonic() - started < 30, "it would go on for a minute"


def test_a_connection_is_kept_and_made_again() -> None:
    """
    Two requests need one connection; one that was closed while it was idle is replaced without an error.
    """
    seen: list[socket.socket] = []  # kept: a port, or the id of one that is gone, may come again

    def twice(connection: socket.socket) -> None:
        seen.append(connection)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\nok")
        if len(seen) == 2:
            connection.shutdown(socket.SHUT_RDWR)

    with answering(twice) as url:
        link = Link(url)
        answers = [link.post("/", b"", seconds_max=5, size_bytes_max=10) for _ in range(3)]
        link.close()

    assert answers == [(200, b"ok")] * 3
    assert seen[0] is seen[1] is not seen[-1]  # the third may be read before the end is seen, and again


def test_no_answer_of_others_is_read_without_a_limit() -> None:
    """
    Only link.py, fetch.py and, of what is the operator's own, node_client.py (its node) and rpc.py (its
    CometBFT) read from servers, with limits in bytes and time; whoever uses another client reads without.
    """
    import re
    from pathlib import Path

    root = Path(__file__).resolve().parents[2] / "node"
    clients = re.compile(
        r"^\s*(?:import|from) (?:urllib3|requests|http\.client|urllib\.request|aiohttp)\b", re.M
    )
    found = {str(p.relative_to(root)) for p in root.rglob("*.py") if clients.search(p.read_text())}

    served = {"server/http.py", "server/exchange.py"}  # aiohttp as a server
    assert found - served == {
        *("peers/link.py", "resolution/fetch.py", "node_client.py", "ledger/comet/rpc.py"),
        *("demo/launcher.py", "demo/play.py"),
    }


def test_a_read_that_begins_after_the_deadline_is_none() -> None:
    """
    An answer whose parts came in time one by one ends where their time is over.
    """
    ours, theirs = socket.socketpair()
    with _PlainSocket(fileno=ours.detach()) as late, theirs:
        theirs.sendall(b"x")
        late.until = time.monotonic() - 1

        with pytest.raises(TimeoutError, match=r"^the answer took too long$"):
            late.recv_into(bytearray(1))
