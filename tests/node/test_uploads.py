"""Bodies that come slowly, or end half way, at every door of a running node that takes one."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.api import door_of
from node.api.table import ROUTES
from node.server import connections
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_http import WAIT_S_MAX, Address, answer, serving

HELD_S = 10 * WAIT_S_MAX  # so long a slow one may last: an answer waits for none of them
SLOW_EACH = 2
CANCELLED_EACH = 4
DOORS = (
    *(route.rule.replace("<", "").replace(">", "").replace(":", "") for route in ROUTES if route.body),
    *(
        f"/peer/{path}"
        for path in ("hello", "status", "messages", "blocks", "documents", "snapshot", "joining")
    ),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveNode, Address]]:
    with (
        live_node(tmp_path_factory.mktemp("uploads")) as node,
        serving(node.app, door=door_of(node.service)) as address,
    ):
        yield node, address


def _begun(door: str, node: LiveNode, size: int) -> bytes:
    """The head of a request of its operator, and the half of a body that is lawful so far."""
    head = f"POST {door} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {node.operator_key}\r\n"
    kind = "application/json" if not door.startswith("/peer/") else "application/cose"
    return f"{head}Content-Type: {kind}\r\nContent-Length: {size}\r\n\r\n".encode() + b'{"lines": ['


def _stored(data: Path) -> dict[str, list[Any]]:
    """Every row of office.db, but for when a key was last seen."""
    with contextlib.closing(sqlite3.connect(data / "office.db")) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(map(repr, db.execute(f"SELECT * FROM [{name}]")))
            for name in names
            if "key" not in name
        }


def _honest(node: LiveNode, address: Address) -> None:
    """One of each kind of request is answered."""
    key = f"Authorization: Bearer {node.operator_key}\r\n".encode()
    head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    link = b"POST /links" + head + key + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    assert answer(address, link).startswith(b"HTTP/1.1 201")
    assert b" 200 " in answer(address, b"GET /readyz" + head + b"\r\n")[:16]
    peer = b"POST /peer/status" + head + b"Content-Length: 1\r\n\r\nx"
    assert b" 401 " in answer(address, peer)[:16]


@pytest.mark.check
@pytest.mark.parametrize("size", [1000, 1_000_000], ids=["small", "large"])
def test_slow_uploads_hold_nothing(
    size: int, served: tuple[LiveNode, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    At every door that takes a body some come a byte a second, by one client and with its key: another request
    of each kind is answered meanwhile as ever.
    """
    monkeypatch.setattr(connections, "TRANSFER_S_MAX", HELD_S)
    node, address = served
    ended = threading.Event()
    with contextlib.ExitStack() as stack:
        slow = []
        for door in DOORS * SLOW_EACH:
            one = stack.enter_context(socket.create_connection(address, timeout=60))
            one.sendall(_begun(door, node, size))
            slow.append(one)

        def trickle() -> None:
            while not ended.wait(1):
                for one in slow:
                    with contextlib.suppress(OSError):
                        one.send(b" ")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            for _ in range(8):
                ended.wait(0.4)
                _honest(node, address)
        finally:
            ended.set()
            thread.join()

    print(f"{len(slow)} slow uploads; 8 of each other kind were answered meanwhile")


@pytest.mark.check
def test_an_upload_that_ends_half_way_leaves_nothing(served: tuple[LiveNode, Address]) -> None:
    """
    Many at once at every door, ended in either way: nothing is stored, no thread is left at work, and what
    comes next is answered.
    """
    node, address = served
    before = _stored(node.data)
    for number in range(CANCELLED_EACH):
        begun = []
        for door in DOORS:
            one = socket.create_connection(address, timeout=60)
            one.sendall(_begun(door, node, 100_000))
            begun.append(one)
        for one in begun:
            if number % 2:  # reset, not closed
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

    node.wait(lambda: all(fact.turn_s == 0.0 for fact in node.service.lanes.facts()), "the lanes to be idle")
    assert _stored(node.data) == before
    _honest(node, address)
    print(f"{CANCELLED_EACH * len(DOORS)} uploads ended half way at {len(DOORS)} doors")
