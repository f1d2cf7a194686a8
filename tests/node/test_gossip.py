"""Requests between nodes: who is heard, and what a peer that is away costs (node/peers/gossip.py)."""

import json
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from consensus.cose import SeedSigner, sign1
from consensus.encoding import Value, decode, encode
from credentials.documents.canonical import b64u
from credentials.ledger.genesis import Genesis
from node.errors import ProblemError
from node.peers.acquaintance import Acquaintance
from node.peers.authentication import REQUEST_TAG, WINDOW_S, PeerAuthentication
from node.peers.certificates import require_peer
from node.peers.gossip import Gossip
from node.peers.messages import (
    BLOCKS_PER_REQUEST,
    ITEM_ATTESTATION,
    ITEM_COSIGNATURE,
    Item,
    Status,
    refusal_of,
)
from node.peers.polling import BUSY, QUIET, QUIET_S
from node.peers.strikes import LATE_S, STRIKES_MAX, Patience
from node.server import connections, exchange
from node.server.connections import Rank
from node.server.exchange import Door, PeerAnswer
from node.setup import network
from node.setup.keystore import Keys
from node.supervision.supervisor import Supervisor
from tests.harness import ledger
from tests.harness.stand_in import StandIn
from tests.harness.support_service import CODE, DID, PASSPHRASE, LiveNode, live_node
from tests.node.test_http import POSTED, sending, serving

NOW = ledger.CREATED + 100


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return ledger.make_genesis()


def authentication(genesis: Genesis, did: str, now: float = NOW) -> PeerAuthentication:
    transport = ledger.signer(did, "transport")
    return PeerAuthentication(genesis.network_id, genesis.history(), did, (transport,), now=lambda: now)


def test_a_request_is_opened_by_its_receiver_and_answered(genesis: Genesis) -> None:
    """
    The receiver learns sender and body; the sender accepts the answer to exactly this request.
    """
    maker, customs = authentication(genesis, ledger.MAKER), authentication(genesis, ledger.CUSTOMS)

    data, nonce = maker.request(ledger.CUSTOMS, "status", b"body")
    sender, echoed, body = customs.open_request(data, "status")
    reply = customs.reply(sender, echoed, "status", b"answer")

    assert (sender, body) == (ledger.MAKER, b"body")
    assert maker.open_reply(reply, "status", ledger.CUSTOMS, nonce) == b"answer"
    with pytest.raises(ProblemError, match="to another request"):
        maker.open_reply(reply, "status", ledger.CUSTOMS, b"n" * 16)


def test_which_message_shows_a_clock_of_now(genesis: Genesis) -> None:
    """
    An answer echoes the nonce of a question, so it is of now; a request may be one that somebody captured.
    """
    maker, customs = authentication(genesis, ledger.MAKER), authentication(genesis, ledger.CUSTOMS)
    shown: list[tuple[str, float, bool]] = []
    maker.on_clock = customs.on_clock = lambda *told: shown.append(told)

    data, nonce = maker.request(ledger.CUSTOMS, "status", b"body")
    customs.open_request(data, "status")
    maker.open_reply(customs.reply(ledger.MAKER, nonce, "status", b"answer"), "status", ledger.CUSTOMS, nonce)

    assert shown == [(ledger.MAKER, NOW, False), (ledger.CUSTOMS, NOW, True)]


@pytest.mark.parametrize(
    ("case", "status", "says"),
    [
        ("replay", 401, "received before"),
        ("other path", 401, "signed for /peer/status"),
        ("other receiver", 403, "is for did:web:customs.example"),
        ("too old", 401, "120 s from this node's clock"),
        ("flipped byte", 401, "signature"),
        ("stranger", 401, "not a participant"),
        ("attest key", 401, "transport key"),
        ("other network", 403, "compare genesis.toml"),
        ("not cose", 401, "cannot be read"),
        ("reply as request", 401, "not a peer request"),
    ],
)
def test_other_requests_are_refused(genesis: Genesis, case: str, status: int, says: str) -> None:
    """
    What is replayed, redirected, old, altered, or signed by anyone but the sender's transport key is refused.
    """
    maker, customs = authentication(genesis, ledger.MAKER), authentication(genesis, ledger.CUSTOMS)
    data, _ = maker.request(ledger.CUSTOMS, "status", b"body")
    receiver, path = customs, "status"
    match case:
        case "replay":
            customs.open_request(data, "status")
        case "other path":
            path = "messages"
        case "other receiver":
            receiver = authentication(genesis, ledger.IMPORTER)
        case "too old":
            receiver = authentication(genesis, ledger.CUSTOMS, NOW + WINDOW_S + 1)
        case "flipped byte":
            data = data[:-70] + bytes([data[-70] ^ 1]) + data[-69:]
        case "stranger":
            data = signed(
                genesis, "did:web:stranger.example", SeedSigner("did:web:stranger.example#t", b"s" * 32)
            )
        case "attest key":
            data = signed(genesis, ledger.MAKER, ledger.signer(ledger.MAKER, "attest"))
        case "other network":
            data = signed(genesis, ledger.MAKER, ledger.signer(ledger.MAKER, "transport"), network=b"o" * 32)
        case "not cose":
            data = b"{}"
        case "reply as request":
            data = maker.reply(ledger.CUSTOMS, b"n" * 16, "status", b"body")

    with pytest.raises(ProblemError, match=says) as refused:
        receiver.open_request(data, path)

    assert refused.value.status == status
    if case == "other network":
        own = genesis.network_id.hex()[:16]
        said = f"the request is of network {(b'o' * 8).hex()}, this node is in network {own}"
        assert (
            refused.value.detail.startswith(said)
            and refused.value.detail[len(said)] not in "0123456789abcdef"
        )
    code = {"other receiver": "wrong_receiver", "other network": "other_network", "replay": "replayed"}
    assert refused.value.code == code.get(case, "peer_not_authenticated")


def signed(genesis: Genesis, sender: str, signer: SeedSigner, network: bytes | None = None) -> bytes:
    head: list[Value] = [REQUEST_TAG, network or genesis.network_id, sender, ledger.CUSTOMS]
    return sign1({}, encode([*head, NOW, b"n" * 16, "status", b""]), signer)


class Quiet:
    """An inbox that keeps what it is given."""

    def __init__(self) -> None:
        self.statuses: list[Status] = []
        self.blocks: list[tuple[str, list[tuple[bytes, bytes]]]] = []

    def peer_items(self, sender: str, items: list[Value]) -> None:
        raise AssertionError("nothing is received here")

    def peer_status(self, sender: str, status: Status) -> None:
        self.statuses.append(status)

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None:
        self.blocks.append((sender, blocks))

    def status(self) -> Status:
        return b"", 0, 0, 0


class PeerServer(StandIn):
    """The other end: counts what it gets, and answers signed."""

    daemon_threads = True

    def __init__(self, authentication: PeerAuthentication) -> None:
        super().__init__(("127.0.0.1", 0), PeerRequests)
        self.authentication = authentication
        self.items: list[Value] = []
        self.batches = 0


class PeerRequests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PeerServer
    words: ClassVar[str] = ""

    def do_POST(self) -> None:
        from consensus.encoding import decode

        path = self.path.removeprefix("/peer/")
        data = self.rfile.read(int(self.headers["content-length"]))
        sender, nonce, body = self.server.authentication.open_request(data, path)
        if path == "blocks":
            told = json.dumps({"detail": "it shows who agreed from 3 on"}).encode()
            self.send_response(404)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)
            return
        if path == "messages":
            value = decode(body)
            assert isinstance(value, list)
            assert isinstance(value[1], list)
            self.server.items += value[1]
            self.server.batches += 1
        answer = self.server.authentication.reply(sender, nonce, path, encode([b"status", 7, 9, 8]))
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server(genesis: Genesis) -> Iterator[PeerServer]:
    made = PeerServer(authentication(genesis, ledger.CUSTOMS))
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def wait(done: "object", seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def supervised(sender: Gossip) -> Supervisor:
    """The threads of a sender, started."""
    threads = Supervisor()
    for one in sender.senders():
        threads.employ(one, tries_max=None)
    threads.start()
    return threads


def test_items_travel_in_batches_and_in_order(genesis: Genesis, server: PeerServer) -> None:
    """
    Many items for one peer need few requests, arrive in order, and the peer's status comes back.
    """
    inbox = Quiet()
    address = f"http://127.0.0.1:{server.server_port}"
    sender = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: address}, inbox, poll_s=5)
    for number in range(600):
        sender.broadcast([ITEM_ATTESTATION, number.to_bytes(2, "big")])

    threads = supervised(sender)
    wait(lambda: len(server.items) == 600 and inbox.statuses[-1:] == [(b"status", 7, 9, 8)])
    sender.stop()
    threads.stop()
    sender.close()

    assert server.items == [[ITEM_ATTESTATION, n.to_bytes(2, "big")] for n in range(600)]
    assert server.batches == 3
    assert sender.peers[ledger.CUSTOMS].height == 7
    assert sender.peers[ledger.CUSTOMS].reachable


def test_a_peer_that_pruned_what_is_asked_stays_a_peer_and_another_is_asked(
    genesis: Genesis, server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Its refusal counts as no block of its own, so the engine turns to the next one that is ahead; what waits
    for it is sent all the same, and the log says in its words what it has.
    """
    inbox = Quiet()
    address = f"http://127.0.0.1:{server.server_port}"
    sender = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: address}, inbox, poll_s=5)
    sender.broadcast([ITEM_ATTESTATION, b"own"])
    sender.request_blocks(ledger.CUSTOMS, 2)

    threads = supervised(sender)
    wait(lambda: inbox.blocks)
    sender.stop()
    threads.stop()
    sender.close()

    assert inbox.blocks == [(ledger.CUSTOMS, [])]
    assert server.items == [[ITEM_ATTESTATION, b"own"]]
    assert sender.peers[ledger.CUSTOMS].reachable
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    (refused,) = [line for line in lines if line["at"] == "blocks_refused"]
    assert refused["because"] == f"{ledger.CUSTOMS} answered: it shows who agreed from 3 on"


def test_an_old_log_that_is_cosigned_again_is_no_news(genesis: Genesis, server: PeerServer) -> None:
    """
    Of what is sent, only what the ledger grows by ends the quiet in which peers are asked half as often: an
    attestation does, the cosignature that is made each minute does not.
    """
    address = f"http://127.0.0.1:{server.server_port}"
    sender = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: address}, Quiet(), poll_s=0.01)
    peer = sender.peers[ledger.CUSTOMS]
    sender.serve(peer)  # its height is news
    items: list[Item] = [[ITEM_COSIGNATURE, 1, b"r" * 32, "a", "b"], [ITEM_ATTESTATION, b"own"]]
    paces = []

    for item in items:
        sender.news._at_s = time.monotonic() - 2 * QUIET_S
        sender.broadcast(item)
        sender.serve(peer)
        paces.append(sender.news.pace())
    sender.close()

    assert [item[0] for item in server.items if isinstance(item, list)] == [
        ITEM_COSIGNATURE,
        ITEM_ATTESTATION,
    ]
    assert paces == [QUIET, BUSY]


class Validator:
    """What answers other nodes at a node's own server: keeps their batches, and says that they vote."""

    def __init__(self, authentication: PeerAuthentication) -> None:
        self.authentication = authentication
        self.heard: list[str] = []

    def handle(self, path: str, body: bytes) -> PeerAnswer:
        sender, nonce, _ = self.authentication.open_request(body, path)
        self.heard.append(path)
        answer = self.authentication.reply(sender, nonce, path, encode([b"status", 7, 9, 8]))
        return PeerAnswer(answer, sender, Rank.VOTES)

    def refuse_large(self) -> None: ...

    def refusal_wait_s(self, subnet: str) -> float:
        return 0.0


def test_a_large_batch_arrives_while_strangers_hold_their_places(
    genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A sender shows who it is before it sends what is large, and what that was answered on each connection:
    six strangers whose bodies come slowly hold nothing that it needs, the first time and on a new connection.
    """
    monkeypatch.setattr(exchange, "SMALLER_BODIES_MAX", connections.LARGE_BODIES_MAX)
    monkeypatch.setattr(connections, "QUICK_BYTES_PER_S", 0)  # none of them gives way
    monkeypatch.setattr(connections, "GRACE_S", 60.0)
    monkeypatch.setattr(connections, "TRANSFER_S_MAX", 60.0)
    peer, ask = Validator(authentication(genesis, ledger.CUSTOMS)), POSTED % (b"peer/messages", b"")
    with serving(door=Door(peers=peer)) as (host, port), ExitStack() as stack:
        for number in range(connections.LARGE_BODIES_MAX):
            stack.enter_context(sending((host, port), ask, f"127.0.0.{number + 2}", 1))
        address = {ledger.CUSTOMS: f"http://{host}:{port}"}
        sender = Gossip(authentication(genesis, ledger.MAKER), address, Quiet(), poll_s=60)
        sender.broadcast([ITEM_ATTESTATION, b"x" * 200_000])
        threads = supervised(sender)
        try:
            wait(lambda: peer.heard == ["status", "messages"], 30)
            wait(lambda: sender.peers[ledger.CUSTOMS].reachable, 30)
            sender.peers[ledger.CUSTOMS].link.close()
            sender.broadcast([ITEM_ATTESTATION, b"y" * 200_000])
            wait(lambda: peer.heard[2:] == ["messages"], 30)
        finally:
            sender.stop()
            threads.stop()
            sender.close()


def test_a_peer_that_is_heard_again_is_answered_at_once(
    genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A sender that waits before it tries an unreachable peer again stops waiting when that peer speaks.
    """
    kept = socket.socket()  # its port is nobody else's, and nobody listens there yet
    kept.bind(("127.0.0.1", 0))
    port = kept.getsockname()[1]
    sender = Gossip(
        authentication(genesis, ledger.MAKER),
        {ledger.CUSTOMS: f"http://127.0.0.1:{port}"},
        Quiet(),
        poll_s=5,
    )
    monkeypatch.setattr(
        "node.peers.gossip.BACKOFF_S_MIN", 3600.0
    )  # without being woken it would wait an hour
    sender.broadcast([ITEM_ATTESTATION, b"a"])
    threads = supervised(sender)
    peer = sender.peers[ledger.CUSTOMS]
    wait(lambda: peer.failures > 0)

    class Back(PeerServer):
        def __init__(self) -> None:
            StandIn.__init__(self, ("127.0.0.1", port), PeerRequests, bind_and_activate=False)
            self.socket.close()
            self.socket = kept
            self.server_activate()
            self.authentication = authentication(genesis, ledger.CUSTOMS)
            self.items, self.batches = [], 0

    back = Back()
    threading.Thread(target=back.serve_forever, daemon=True).start()
    request, _ = back.authentication.request(ledger.MAKER, "status", b"")
    sender.open("status", request)
    wait(lambda: back.items == [[ITEM_ATTESTATION, b"a"]])
    sender.stop()
    threads.stop()
    sender.close()
    back.shutdown()
    back.server_close()


def test_requests_are_remembered_as_long_as_they_are_fresh(genesis: Genesis) -> None:
    """
    A peer that asks for hours takes no more memory than in four minutes; a clock that jumps forgets nothing.
    """
    transport = ledger.signer(ledger.CUSTOMS, "transport")
    clock = [float(NOW), 0.0]  # wall, passed
    maker = PeerAuthentication(
        genesis.network_id, genesis.history(), ledger.MAKER, (ledger.signer(ledger.MAKER, "transport"),),
        now=lambda: clock[0],
    )  # fmt: skip
    customs = PeerAuthentication(
        genesis.network_id, genesis.history(), ledger.CUSTOMS, (transport,),
        now=lambda: clock[0], passed=lambda: clock[1],
    )  # fmt: skip
    for _ in range(600):
        clock[0] += 1
        clock[1] += 1
        captured = maker.request(ledger.CUSTOMS, "status", b"")[0]
        customs.open_request(captured, "status")

    assert len(customs._nonces[ledger.MAKER]) == 2 * WINDOW_S
    clock[0] += 3600
    customs.open_request(maker.request(ledger.CUSTOMS, "status", b"")[0], "status")
    clock[0] -= 3600
    with pytest.raises(ProblemError, match="received before"):
        customs.open_request(captured, "status")


def test_requests_of_whoever_asks_no_more_are_forgotten(genesis: Genesis) -> None:
    """
    Participants that asked much and then nothing: what was kept of them goes as others ask, and a captured
    request of theirs is too old by then.
    """
    clock = [float(NOW)]
    customs, *askers = (
        PeerAuthentication(
            genesis.network_id, genesis.history(), did, (ledger.signer(did, "transport"),),
            now=lambda: clock[0], passed=lambda: clock[0],
        )
        for did in (ledger.CUSTOMS, ledger.MAKER, ledger.IMPORTER, ledger.WORKSHOP)
    )  # fmt: skip
    captured = [asker.request(ledger.CUSTOMS, "status", b"")[0] for asker in askers for _ in range(9)]
    for request in captured:
        customs.open_request(request, "status")
    clock[0] += 2 * WINDOW_S
    for _ in range(3):
        customs.open_request(askers[0].request(ledger.CUSTOMS, "status", b"")[0], "status")

    assert customs._nonces.keys() == {ledger.MAKER} and len(customs._nonces[ledger.MAKER]) == 3
    with pytest.raises(ProblemError, match="more than"):
        customs.open_request(captured[-1], "status")


def test_a_captured_request_silences_nobody(genesis: Genesis) -> None:
    """
    N09: one request of an honest peer, captured and sent again 500 times, costs that peer no strike.
    """
    maker, customs = authentication(genesis, ledger.MAKER), authentication(genesis, ledger.CUSTOMS)
    captured, _ = maker.request(ledger.CUSTOMS, "status", b"body")
    customs.open_request(captured, "status")
    for _ in range(500):
        with pytest.raises(ProblemError, match="received before"):
            customs.open_request(captured, "status")

    fresh, _ = maker.request(ledger.CUSTOMS, "status", b"body")

    assert customs.open_request(fresh, "status")[0] == ledger.MAKER


def test_nobody_is_silenced_in_anothers_name(genesis: Genesis) -> None:
    """
    What a stranger sends in the name of an honest peer - unsigned, altered, misdirected - is not its fault.
    """
    maker, customs = authentication(genesis, ledger.MAKER), authentication(genesis, ledger.CUSTOMS)
    gossip = Gossip(customs, {}, Quiet(), poll_s=5)
    captured, _ = maker.request(ledger.CUSTOMS, "status", b"body")
    forged = signed(genesis, ledger.MAKER, SeedSigner(f"{ledger.MAKER}#transport", b"s" * 32))
    altered = captured[:-1] + bytes([captured[-1] ^ 1])
    for data, path in [
        (forged, "status"),
        (altered, "status"),
        (captured, "messages"),
        (b"", "status"),
    ] * 100:
        with pytest.raises(ProblemError), gossip.receiving() as known:
            sender, _, _ = gossip.open(path, data)
            known.append(sender)

    assert gossip.open("status", captured)[0] == ledger.MAKER


def test_our_full_disk_is_no_fault_of_a_peer(genesis: Genesis) -> None:
    """
    What this node's disk does not take is told as that (503), counted as that, and costs its sender nothing.
    """
    gossip = Gossip(authentication(genesis, ledger.CUSTOMS), {}, Quiet(), poll_s=5)

    for _ in range(1000):
        with pytest.raises(ProblemError, match="took nothing over") as told, gossip.receiving() as known:
            known.append(ledger.MAKER)
            raise sqlite3.OperationalError("database or disk is full")
        assert told.value.status == 503

    assert gossip.refused == {"out_of_room": 1000}
    assert not gossip.patience.exhausted(ledger.MAKER)


def test_refusals_are_told_late_to_the_address_that_earns_them() -> None:
    """
    One address that sends what is refused is slowed down; another one is not.
    """
    patience = Patience(lambda: 0.0)

    waits = [patience.refusal_wait_s("10.0.0.66") for _ in range(20)]

    assert waits[:5] == [0.0] * 5
    assert waits[-5:] == [LATE_S] * 5
    assert patience.refusal_wait_s("10.0.0.1") == 0.0


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b'{"detail": "this request was received before"}', "this request was received before"),
        (b'{"detail": "' + b"x" * 1000 + b'"}', "x" * 300),
        (b'{"detail": "\\u001b[2Jall is well"}', "401, and not why"),
        (b'{"detail": "a\\nlistening: yes"}', "401, and not why"),
        (b'{"detail": 7}', "401, and not why"),
        (b'{"detail": ""}', "401, and not why"),
        (b"[" * 60_000, "401, and not why"),
        (b"\x1b[31m<html>", "401, and not why"),
        (b"", "401, and not why"),
    ],
)
def test_what_a_peer_refuses_with_is_told_as_one_sentence(answer: bytes, says: str) -> None:
    """
    The operator reads the peer's own sentence, never its bytes: they may be anything.
    """
    assert refusal_of(401, answer) == says


def test_a_peer_without_an_address_is_not_asked(genesis: Genesis) -> None:
    """
    Only addresses of peers.toml are asked.
    """
    sender = Gossip(authentication(genesis, ledger.MAKER), {}, Quiet(), poll_s=5)

    with pytest.raises(ConnectionError, match=r"peers\.toml names no address"):
        sender.request(ledger.IMPORTER, "status", b"")


def test_who_sent_too_much_that_was_refused_is_told_to_come_again(genesis: Genesis) -> None:
    """
    429 `too_many_refused`, before its signature is verified; others are heard.
    """
    maker, customs = authentication(genesis, ledger.MAKER), authentication(genesis, ledger.CUSTOMS)
    for _ in range(STRIKES_MAX + 1):
        customs.patience.strike(ledger.MAKER)

    with pytest.raises(ProblemError) as refused:
        customs.open_request(maker.request(ledger.CUSTOMS, "status", b"")[0], "status")

    told = refused.value
    assert (told.status, told.code, told.title) == (429, "too_many_refused", "Come again")
    assert told.detail == "too many of your messages had to be refused"
    importer = authentication(genesis, ledger.IMPORTER)
    assert customs.open_request(importer.request(ledger.CUSTOMS, "status", b"")[0], "status")


def test_a_peer_that_is_lost_is_logged_with_what_happened(
    genesis: Genesis,
    server: PeerServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    Found, and then lost: once each, with the kind of error; what a peer's machine says is not repeated.
    """
    monkeypatch.setattr(
        PeerRequests, "protocol_version", "HTTP/1.0"
    )  # each request on a connection of its own
    address = f"http://127.0.0.1:{server.server_port}"
    sender = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: address}, Quiet(), poll_s=0.01)
    peer = sender.peers[ledger.CUSTOMS]
    threads = supervised(sender)
    wait(lambda: peer.reachable)
    well = (peer.failures, peer.refusal)
    server.shutdown()
    server.server_close()
    wait(lambda: not peer.reachable)
    sender.stop()
    threads.stop()
    sender.close()

    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    told = [(m["at"], m["peer"]) for m in logged if m["at"].startswith("peer_")]
    assert well == (0, None)
    assert told == [("peer_found", ledger.CUSTOMS), ("peer_lost", ledger.CUSTOMS)]
    assert re.fullmatch(r"[A-Z]\w+(Error|Refused|Reset|Disconnected)", logged[-1]["because"])


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("door")) as made:
        yield made


def asking(node: LiveNode, path: str, content: Value) -> Value:
    """What the door of peers answers to this, properly signed."""
    genesis = network.verify(node.data / "network").genesis
    signer = Keys.load(node.data, DID, PASSPHRASE).signer("transport")
    peer = PeerAuthentication(genesis.network_id, genesis.history(), DID, (signer,))
    data, nonce = peer.request(DID, path, encode(content))
    return decode(peer.open_reply(node.service.peers.handle(path, data).body, path, DID, nonce))


def test_a_peer_that_is_behind_is_given_the_blocks_it_asks_for(node: LiveNode) -> None:
    """
    From the height it names, as many as it asks for and there are, each with its certificate.
    """
    act = {
        "event": "battery.enrolled",
        "battery": CODE,
        "members": {"ground": "older_stock", "evidence": "x"},
    }
    node.post_json("/attestations", act)
    node.wait(lambda: node.service.stores.ledger.tip() is not None, "a block")

    assert asking(node, "blocks", [1, 1]) == [
        list(pair) for pair in node.service.stores.ledger.blocks(1, 1, 1)
    ]
    assert asking(node, "blocks", [99, 1]) == []


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("messages", 7, "messages are [status, [item, ...]]"),
        ("messages", [1, 2, 3], "messages are [status, [item, ...]]"),
        ("blocks", ["1", 1], f"blocks are asked for by [height, 1 to {BLOCKS_PER_REQUEST}]"),
        ("blocks", [1, "1"], f"blocks are asked for by [height, 1 to {BLOCKS_PER_REQUEST}]"),
        ("blocks", [1, 0], f"blocks are asked for by [height, 1 to {BLOCKS_PER_REQUEST}]"),
        (
            "blocks",
            [1, BLOCKS_PER_REQUEST + 1],
            f"blocks are asked for by [height, 1 to {BLOCKS_PER_REQUEST}]",
        ),
    ],
)
def test_a_peer_that_asks_wrongly_is_told_what_is_asked(
    node: LiveNode, path: str, content: Value, says: str
) -> None:
    """
    400 `malformed`, with the form of the message: the operator of the other node reads it.
    """
    with pytest.raises(ProblemError) as refused:
        asking(node, path, content)

    assert (refused.value.status, refused.value.code, refused.value.detail) == (400, "malformed", says)


def test_the_door_of_peers_shows_who_this_node_is_and_gives_what_it_holds(node: LiveNode) -> None:
    """
    A certificate for the hosts that are asked for, vouched for by its transport key; of documents those that
    it has, and of each other why not. What is not asked for so is told its form.
    """
    genesis = network.verify(node.data / "network").genesis
    signer = Keys.load(node.data, DID, PASSPHRASE).signer("transport")
    peer = PeerAuthentication(genesis.network_id, genesis.history(), DID, (signer,))
    pem, _ = node.service.peers.certificate(["asked.example"])
    shown = x509.load_pem_x509_certificate(pem)
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert "asked.example" in names.get_values_for_type(x509.DNSName)
    require_peer(shown.public_bytes(serialization.Encoding.DER), DID, [signer.public_key], time.time())
    assert node.service.peers.vouching == (signer.key_id,)

    asked = b64u(bytes(32))
    data, nonce = peer.request(DID, "documents", json.dumps({"want": [asked]}).encode())
    answer = node.service.peers.handle("documents", data)
    told = json.loads(peer.open_reply(answer.body, "documents", DID, nonce))
    assert told == {"documents": {}, "missing": {asked: "not_found"}}
    assert (answer.sender, answer.rank) == (DID, Rank.VOTES)
    with pytest.raises(ProblemError, match=r"a request for documents is \{want: \[digest, \.\.\.\]\}"):
        node.service.peers.handle("documents", peer.request(DID, "documents", b"{}")[0])
    with pytest.raises(
        ProblemError,
        match="documents, snapshot, engine, joining, attempts, cases, alerts and set-requests",
    ):
        node.service.peers.handle("colours", peer.request(DID, "colours", b"")[0])
    with pytest.raises(ProblemError) as refused:
        node.service.peers.refuse_large()
    assert (refused.value.status, refused.value.code) == (413, "too_large")


def test_newcomers_are_met_and_who_moved_is_followed(genesis: Genesis) -> None:
    """
    An address on the ledger: a sender for who is new, another way to who moved, and none that nobody may ask.
    """
    gossip = Gossip(
        authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: "https://a.example"}, Quiet(), poll_s=5
    )
    moved, clear = {ledger.CUSTOMS: "https://b.example/"}, {"did:web:new.example": "http://b.example"}
    before = gossip.peers[ledger.CUSTOMS].link

    assert gossip.meet({ledger.CUSTOMS: "https://a.example"}) == []
    assert gossip.peers[ledger.CUSTOMS].link is before
    inside = {"did:web:new.example": "http://127.0.0.1:631", "did:web:other.example": "https://[::1]:9200"}
    assert gossip.meet({**moved, **clear, "did:web:odd.example": "file:///etc"}) == []
    assert gossip.meet({**moved, **inside}) == [], "nobody else says which door of this machine is knocked at"
    assert gossip.peers[ledger.CUSTOMS].address == "https://b.example"
    assert gossip.peers[ledger.CUSTOMS].link is not before
    new = gossip.meet({**moved, "did:web:new.example": "https://b.example"})
    assert [sender.peer.did for sender in new] == ["did:web:new.example"]
    assert gossip.peers.keys() == {ledger.CUSTOMS, "did:web:new.example"}


NO_ADDRESSES = (
    "https://[::1",
    "https://x:99999",
    "https://x:0",
    "https://x:9:9",
    "https://a..b.example",
    "https://.",
    f"https://{'a' * 64}.example",
)
OF_THIS_MACHINE = (
    "https://0.0.0.0:1",
    "https://[::]:1",
    "https://[::ffff:127.0.0.1]:1",
    "https://LocalHost.:1",
)


@pytest.mark.parametrize("address", [*NO_ADDRESSES, *OF_THIS_MACHINE])
def test_no_address_that_a_party_names_stops_who_meets_others(genesis: Genesis, address: str) -> None:
    """
    A party says alone where it is: what is no address, or one of this machine, is asked nothing, and others
    are met.
    """
    gossip = Gossip(
        authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: "https://a.example"}, Quiet(), poll_s=5
    )

    new = gossip.meet(
        {ledger.CUSTOMS: address, "did:web:a.example": address, "did:web:b.example": "https://b"}
    )

    assert [sender.peer.did for sender in new] == ["did:web:b.example"]
    assert gossip.peers[ledger.CUSTOMS].address == "https://a.example"


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0", "localhost.localdomain", "door.example"])
def test_no_name_leads_to_a_door_of_this_machine(
    genesis: Genesis, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    However a party writes it, and whatever its name resolves to: nothing is sent here, and it is told why.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    port = listening.getsockname()[1]
    if host.endswith(("example", "localdomain")):
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda _, *more, **named: real("127.0.0.1", *more, **named)
        )
    gossip = Gossip(authentication(genesis, ledger.MAKER), {}, Quiet(), poll_s=0.01)
    (sender,) = gossip.meet({ledger.CUSTOMS: f"https://{host}:{port}"})

    with listening, pytest.raises(BlockingIOError):
        sender.turn()
        listening.accept()

    assert "leads to this machine" in (sender.peer.refusal or "")


@pytest.mark.parametrize("address", NO_ADDRESSES[4:])
def test_a_name_that_is_none_fails_no_thread(genesis: Genesis, address: str) -> None:
    """
    An operator's own slip in peers.toml is a peer that cannot be asked, with its sentence.
    """
    gossip = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: address}, Quiet(), poll_s=0.01)
    (sender,) = gossip.senders()

    sender.turn()

    assert "names no host that can be asked" in (sender.peer.refusal or "")


def test_where_nobody_has_answered_is_asked_less_and_less(genesis: Genesis) -> None:
    """
    A party says alone where it is: other nodes do not knock at somebody's door on and on for it. Who has
    answered there, whom the operator named and who speaks itself is asked as ever.
    """
    own = {ledger.CUSTOMS: "https://a.example"}
    gossip = Gossip(authentication(genesis, ledger.MAKER), own, Quiet(), poll_s=5)
    (sender,) = gossip.meet({**own, ledger.IMPORTER: "https://victim.example"})
    named, met = gossip.peers[ledger.CUSTOMS], sender.peer
    away = OSError("nobody is there")

    longest = [max(one.lost(away) for _ in range(20)) for one in (named, met)]
    met.found()
    answered = max(met.lost(away) for _ in range(20))
    gossip.meet({**own, ledger.CUSTOMS: "https://victim.example"})
    first, moved = named.lost(away), max(named.lost(away) for _ in range(20))

    assert longest[0] == answered == pytest.approx(0.8)
    assert longest[1] == moved == pytest.approx(51.2)
    assert first == pytest.approx(0.05)


def test_a_side_that_admits_whom_it_likes_takes_so_many_threads(
    genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    So many newcomers of one jurisdiction are met, others beside them; whoever votes is met in any case.
    """
    monkeypatch.setattr("node.peers.gossip.MET_PER_SIDE_MAX", 1)
    gossip = Gossip(authentication(genesis, ledger.MAKER), {}, Quiet(), poll_s=5)
    governance = genesis.governance
    others = [p for did, p in sorted(governance.participants.items()) if did != ledger.MAKER]
    named = {p.did: f"https://node{number}.example" for number, p in enumerate(others)}
    first: dict[str, str] = {}  # of each side that does not vote
    for party in others:
        if not governance.votes(party.did):
            first.setdefault(party.jurisdiction, party.did)
    assert len(first) > 1 and len(others) > len(first) + len(governance.validator_dids)

    met = {one.peer.did for one in gossip.meet({did: named[did] for did in (*first.values(), *named)})}

    assert met == {*first.values(), *(did for did in named if governance.votes(did))}
    assert gossip.meet(named) == []


def test_who_left_is_sent_nothing_more(genesis: Genesis) -> None:
    """
    Its sender ends while the node runs, what waited for it goes, and its place among the newcomers is free.
    """
    parties = genesis.governance.participants
    gone = {**parties, ledger.IMPORTER: replace(parties[ledger.IMPORTER], left=NOW)}
    history = genesis.history()
    transport = ledger.signer(ledger.MAKER, "transport")
    maker = PeerAuthentication(genesis.network_id, history, ledger.MAKER, (transport,), now=lambda: NOW)
    addresses = {ledger.IMPORTER: "http://127.0.0.1:1", ledger.CUSTOMS: "http://127.0.0.1:1"}
    gossip = Gossip(maker, addresses, Quiet(), poll_s=0.01)
    threads, told = supervised(gossip), list[Callable[[], None]]()
    acquaintance = Acquaintance(gossip, threads, told.append)

    history.enact(1, replace(genesis.governance, participants=gone))
    history.advance(1)
    acquaintance.wake()
    acquaintance.turn()

    try:
        assert gossip.peers.keys() == {ledger.CUSTOMS}
        assert [fact.name for fact in threads.facts()] == [f"to {ledger.CUSTOMS}"]
        wait(lambda: f"to {ledger.IMPORTER}" not in {thread.name for thread in threading.enumerate()})
    finally:
        threads.stop()


def test_where_peers_are_on_one_machine_newcomers_are_met_there(genesis: Genesis) -> None:
    """
    The operator's own peers.toml names this machine: so may the ledger.
    """
    here = {ledger.CUSTOMS: "http://127.0.0.1:8001"}
    gossip = Gossip(authentication(genesis, ledger.MAKER), here, Quiet(), poll_s=5)

    (new,) = gossip.meet({**here, "did:web:new.example": "http://127.0.0.1:8002"})

    assert new.peer.address == "http://127.0.0.1:8002"


def test_an_address_may_be_named_of_who_is_yet_to_join(genesis: Genesis) -> None:
    """
    Until the ledger knows the party nobody is asked there, and its name is told; once it does it is met at
    the operator's address, at one door of this machine too, until the ledger names another.
    """
    new, history = "did:web:new.example", genesis.history()
    transport = ledger.signer(ledger.MAKER, "transport")
    maker = PeerAuthentication(genesis.network_id, history, ledger.MAKER, (transport,), now=lambda: NOW)
    hints = {new: "http://127.0.0.1:8009/", ledger.CUSTOMS: "https://customs.example"}
    gossip = Gossip(maker, hints, Quiet(), poll_s=0.01)

    assert (gossip.book.unknown(), [*gossip.peers]) == ([new], [ledger.CUSTOMS])
    assert new not in gossip.named()

    party = replace(genesis.governance.participants[ledger.IMPORTER], did=new, keys=(), identifiers=())
    for height, address in ((1, ""), (2, "https://new.example")):
        joined = {**genesis.governance.participants, new: replace(party, address=address)}
        history.enact(height, replace(genesis.governance, participants=joined))
        history.advance(height)
        gossip.meet(gossip.named())
        assert gossip.peers[new].address == (address or "http://127.0.0.1:8009")
        assert gossip.book.unknown() == []
