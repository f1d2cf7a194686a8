"""What is handed in to CometBFT: what becomes of each answer, and of what could not be handed in."""

from __future__ import annotations

import base64
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from consensus.events import AttestationReceived
from node.ledger.comet import mempool
from node.ledger.comet.mempool import HANDED_PER_TURN, Mempool
from node.ledger.comet.rpc import Rpc
from node.ledger.inbox import OWN
from node.ledger.intake import AttestationBatch, Incoming
from node.ledger.subscriptions import Moments, PoolDropped

PEER = "did:web:peer.example"


class Scripted(socketserver.ThreadingUnixStreamServer):
    """CometBFT's RPC, as far as it is asked here: what it was given, and what it answers to each."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.given: list[bytes] = []
        self.answers: dict[bytes, dict[str, Any]] = {}  # else it takes it
        super().__init__(str(path), _Answering)


class _Answering(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tx = base64.b64decode(asked["params"]["tx"])
        self.server.given.append(tx)
        told = self.server.answers.get(tx, {"result": {"code": 0, "codespace": ""}})
        body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a Unix socket"

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def comet(socket_path: Path) -> Iterator[Scripted]:
    server = Scripted(socket_path)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def refused(code: str) -> dict[str, Any]:
    return {"result": {"code": 1, "codespace": code, "log": f"because of {code}"}}


class Node:
    """A mempool with what stands around it."""

    def __init__(self, path: Path) -> None:
        self.height, self.struck, self.pool = 1, list[str](), set[bytes]()
        moments = Moments()
        self.told = moments.subscribe()
        self.mempool = Mempool(
            Rpc(path), held=self.pool.__contains__, height=lambda: self.height, moments=moments
        )
        self.mempool.strike = self.struck.append

    def own(self, tx: bytes) -> None:
        self.mempool.inbox.put(OWN, AttestationReceived(tx, sha256(tx).digest()))
        self.mempool.turn()

    def peer(self, *txs: bytes) -> None:
        self.mempool.inbox.put(PEER, AttestationBatch(PEER, [(tx, sha256(tx).digest()) for tx in txs]))
        self.mempool.turn()


def test_what_waits_for_another_record_is_handed_in_after_each_block(
    comet: Scripted, socket_path: Path
) -> None:
    """
    It is no refusal; and nothing is handed in again before there is another block.
    """
    node = Node(socket_path)
    comet.answers[b"later"] = refused("waits")
    node.own(b"later")
    node.mempool.turn()
    assert comet.given == [b"later"]
    node.height = 2
    node.mempool.turn()

    assert comet.given == [b"later", b"later"]
    assert node.told.take() == []


def test_a_refusal_is_told_to_the_author_and_costs_a_hostile_peer(comet: Scripted, socket_path: Path) -> None:
    """
    An own one: with its rule and sentence. A peer's: counted, and struck where no honest node sends it.
    """
    node = Node(socket_path)
    comet.answers = {b"own": refused("X1"), b"lie": refused("invalid_signature"), b"late": refused("X1")}
    node.own(b"own")
    node.peer(b"lie", b"late")

    assert node.told.take() == [PoolDropped(sha256(b"own").digest(), "because of X1", "X1")]
    assert node.mempool.dropped == {"invalid_signature": 1, "X1": 1}
    assert node.struck == [PEER]


def test_what_the_pool_has_is_not_handed_in_for_a_peer(comet: Scripted, socket_path: Path) -> None:
    """
    It came through CometBFT; a CometBFT that was started anew is given all of the pool.
    """
    node = Node(socket_path)
    node.pool.add(sha256(b"known").digest())
    node.peer(b"known", b"new")
    assert comet.given == [b"new"]
    node.mempool.again([b"known", b"other"])
    node.mempool.turn()

    assert comet.given == [b"new", b"known", b"other"]


@pytest.mark.parametrize("alone", [True, False])
def test_an_own_one_waits_behind_no_batch(
    comet: Scripted, socket_path: Path, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever peers handed in before, the second that CometBFT is given is this participant's: one by itself as
    one of a batch; and its own batch keeps those of peers waiting no more than they keep it.
    """
    node, own = Node(socket_path), [b"own %d" % number for number in range(1 if alone else 10)]
    for peer in range(4):
        batch = [b"%d of %d" % (number, peer) for number in range(250)]
        told = AttestationBatch(f"{PEER}{peer}", [(tx, sha256(tx).digest()) for tx in batch])
        node.mempool.inbox.put(told.sender, told, count=250, patient=True)
    monkeypatch.setattr(mempool, "HANDED_PER_TURN", 3)
    node.mempool.turn()
    one: Incoming = AttestationReceived(own[0], sha256(own[0]).digest())
    many: Incoming = AttestationBatch(OWN, [(tx, sha256(tx).digest()) for tx in own])
    node.mempool.inbox.put(OWN, one if alone else many, count=len(own), patient=not alone)
    while len(comet.given) < 3 + 2 * len(own):
        node.mempool.turn()
    after = comet.given[3 : 3 + 2 * len(own)]

    assert comet.given[:3] == [b"0 of 0", b"1 of 0", b"2 of 0"]
    assert [tx for tx in after if tx in own] == own
    assert len(after) == 2 * len(own)


def test_a_turn_has_an_end_however_much_is_handed_in(comet: Scripted, socket_path: Path) -> None:
    """
    Of a whole pool as of a large batch some are handed in and the rest in the next turns, in order; of two
    starts of CometBFT what it was to be given at the first is no more.
    """
    node = Node(socket_path)
    pool = [b"%d" % number for number in range(HANDED_PER_TURN + 2)]
    node.mempool.again([b"of the start before"])
    node.mempool.again(pool)
    node.mempool.turn()
    assert comet.given == pool[:HANDED_PER_TURN]
    node.mempool.turn()

    assert comet.given == pool


def test_a_turn_has_an_end_however_slowly_it_is_answered(
    comet: Scripted, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A busy machine takes long for one: the turn ends after a moment, and the next one goes on where it ended.
    """
    monkeypatch.setattr(mempool, "TURN_S_MAX", 0.0)
    node = Node(socket_path)
    node.mempool.again([b"one", b"two"])
    node.mempool.turn()
    assert comet.given == [b"one"]
    node.mempool.turn()

    assert comet.given == [b"one", b"two"]


def test_nothing_is_lost_while_cometbft_is_away(socket_path: Path) -> None:
    """
    What could not be handed in is handed in first once CometBFT is there; an error that it tells is final.
    """
    node = Node(socket_path)
    node.own(b"one")
    node.own(b"two")
    server = Scripted(socket_path)
    server.answers[b"one"] = {
        "error": {"code": -32603, "message": "Internal error", "data": "mempool is full"}
    }
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    node.mempool.turn()
    node.mempool.turn()
    server.shutdown()
    server.server_close()

    assert server.given == [b"one", b"two"]
    assert node.told.take() == []


def test_nothing_is_lost_while_cometbft_catches_up(comet: Scripted, socket_path: Path) -> None:
    """
    0.40 takes nothing until it follows the others: what is handed in stays, in order, until it does.
    """
    node, why = Node(socket_path), "endpoint is closed while node is catching up"
    comet.answers[b"one"] = {"error": {"code": -32603, "message": "Internal error", "data": why}}
    node.own(b"one")
    node.own(b"two")
    assert set(comet.given) == {b"one"}
    comet.answers.clear()
    comet.given.clear()
    node.mempool.turn()
    node.mempool.turn()

    assert comet.given == [b"one", b"two"]


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"\xff\xff\r\n\r\n"]
)
def test_an_answer_that_is_none_is_like_nobody_there(socket_path: Path, answer: bytes) -> None:
    """
    Whatever comes over the socket, it is tried again.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_path))
    listener.listen()

    def once() -> None:
        connection, _ = listener.accept()
        connection.recv(1 << 16)
        connection.sendall(answer)
        connection.close()

    threading.Thread(target=once, daemon=True).start()
    with pytest.raises(OSError):
        Rpc(socket_path).ask("status")
    listener.close()
