"""What a node asks of its peers, what it makes of their answers, and what it says of them: word for word."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from consensus.cose import SeedSigner
from consensus.encoding import Value, decode, encode
from credentials.ledger.genesis import Genesis
from node.errors import ProblemError
from node.ledger import inbox as inboxes
from node.ledger.engine_condition import Watch
from node.ledger.inbox import OWN, Inbox
from node.ledger.intake import RECENT_MAX, AttestationBatch, Intake
from node.peers import polling
from node.peers.acquaintance import Acquaintance
from node.peers.authentication import PeerAuthentication
from node.peers.certificates import SKEW_S, VALID_S, UntrustedPeer, make_certificate, require_peer
from node.peers.fingerprint import JoiningFingerprint
from node.peers.gossip import ANSWER_BYTES_MAX, FIRST_S, Gossip, Peer, Sender, wait_s_of
from node.peers.link import (
    CONNECT_S_MAX,
    STEP_S_MIN,
    Link,
    LinkError,
    _PlainSocket,
    can_be_asked,
    is_loopback,
)
from node.peers.messages import (
    BLOCKS_PER_REQUEST,
    ITEM_ATTESTATION,
    ITEM_CONSENSUS,
    PEER_BODY_BYTES_MAX,
    Status,
)
from node.peers.queue import BATCH_ITEMS_MAX, LINGER_S, PeerQueue
from node.peers.sealing import Sealing, SealingError
from node.peers.strikes import LATE_S, REFUSALS_PER_S, SENDERS_MAX, STRIKES_MAX, Patience
from tests.harness import ledger
from tests.harness.stand_in import StandIn

NOW = ledger.CREATED + 100
OWN_STATUS: Status = (b"own", 3, 4, 5)
THEIRS: list[Value] = [b"theirs", 7, 9, 8]
ITEM: list[Value] = [ITEM_ATTESTATION, b"an attestation"]


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return ledger.make_genesis()


def authentication(genesis: Genesis, did: str) -> PeerAuthentication:
    transport = ledger.signer(did, "transport")
    return PeerAuthentication(genesis.network_id, genesis.history(), did, (transport,), now=lambda: NOW)


@dataclass
class Kept:
    """The engine's side of a gossip: what it was given, in order."""

    told: list[tuple[str, str, Any]] = field(default_factory=list)

    def peer_items(self, sender: str, items: list[Value]) -> None:
        self.told.append(("items", sender, items))

    def peer_status(self, sender: str, status: Status) -> None:
        self.told.append(("status", sender, status))

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None:
        self.told.append(("blocks", sender, blocks))

    def status(self) -> Status:
        return OWN_STATUS


class Answers(StandIn):
    """A peer that keeps what it is asked and answers by path: a value it signs, or (status, bytes)."""

    daemon_threads = True

    def __init__(self, authentication: PeerAuthentication) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.authentication = authentication
        self.answers: dict[str, Any] = {"status": THEIRS, "messages": THEIRS, "blocks": []}
        self.asked: list[tuple[str, Value, str | None]] = []
        self.paths: list[str] = []


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answers

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        path = self.path.rpartition("/")[2]
        data = self.rfile.read(int(self.headers["content-length"]))
        sender, nonce, body = self.server.authentication.open_request(data, path)
        self.server.asked.append((path, decode(body), self.headers["content-type"]))
        answer, status = self.server.answers[path], 200
        if isinstance(answer, tuple):
            status, answer = answer
        else:
            answer = self.server.authentication.reply(sender, nonce, path, encode(answer))
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server(genesis: Genesis) -> Iterator[Answers]:
    made = Answers(authentication(genesis, ledger.CUSTOMS))
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


Side = tuple[Gossip, Peer, Kept]


@pytest.fixture
def side(genesis: Genesis, server: Answers) -> Iterator[Side]:
    """A gossip with that one peer, which waits for nothing, and the engine's side of it."""
    kept = Kept()
    address = f"http://127.0.0.1:{server.server_port}"
    gossip = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: address}, kept, poll_s=0.001)
    yield gossip, gossip.peers[ledger.CUSTOMS], kept
    gossip.close()


def logged(capsys: pytest.CaptureFixture[str], *names: str) -> list[dict[str, Any]]:
    """The lines of the log of these names, without what differs each time."""
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    own = ("at", "peer", "address", "because", "height", "of", "blocks", "attestations")
    return [{k: v for k, v in m.items() if k in own} for m in found if m["at"] in names]


def test_what_a_peer_is_asked_and_what_becomes_of_its_answers(
    side: Side, server: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Who we are first, then items, then blocks, each in its form; statuses and blocks reach the engine, and
    what it says of its height is kept at the highest.
    """
    gossip, peer, kept = side
    blocks = [[b"block 5", b"certificate 5"], [b"block 6", b"certificate 6"]]
    server.answers["blocks"] = blocks

    gossip.send(ledger.CUSTOMS, ITEM)
    gossip.send("did:web:nobody.example", ITEM)
    gossip.request_blocks(ledger.CUSTOMS, 5)
    gossip.request_blocks("did:web:nobody.example", 5)
    gossip.serve(peer)
    server.answers["status"] = [b"older", 6, 8, 8]
    gossip.serve(peer)
    gossip.request_blocks(ledger.CUSTOMS, 17)
    gossip.serve(peer)

    own, kind = list(OWN_STATUS), "application/cose"
    assert server.asked == [
        ("status", own, kind),
        ("messages", [own, [ITEM]], kind),
        ("blocks", [5, BLOCKS_PER_REQUEST], kind),
        ("status", own, kind),
        ("blocks", [17, BLOCKS_PER_REQUEST], kind),
    ]
    pairs = [(b"block 5", b"certificate 5"), (b"block 6", b"certificate 6")]
    theirs = ("status", ledger.CUSTOMS, tuple(THEIRS))
    older = ("status", ledger.CUSTOMS, (b"older", 6, 8, 8))
    given = ("blocks", ledger.CUSTOMS, pairs)
    assert kept.told == [theirs, theirs, given, older, given]
    assert (peer.height, peer.log_size, peer.reachable, peer.known, peer.failures) == (7, 9, True, True, 0)
    assert gossip.cpu_s["send"] > 0 and not gossip.refused
    assert logged(capsys, "catching_up", "peer_found", "gossip") == [
        {"at": "gossip", "peer": ledger.CUSTOMS, "attestations": 1},
        {"at": "catching_up", "peer": ledger.CUSTOMS, "height": 6, "of": 7, "blocks": 2},
        {"at": "peer_found", "peer": ledger.CUSTOMS},
        {"at": "catching_up", "peer": ledger.CUSTOMS, "height": 18, "of": 18, "blocks": 2},
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 503])
def test_a_peer_that_refuses_is_told_to_the_operator_and_asked_again(
    side: Side, server: Answers, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    With its status and its sentence; what was not taken is sent again, by another key after a 401 alone.
    """
    gossip, peer, _ = side
    gossip.serve(peer)
    server.answers["messages"] = (status, json.dumps({"detail": "not today"}).encode())
    gossip.send(ledger.CUSTOMS, ITEM)

    with pytest.raises(ProblemError) as refused:
        gossip.request(ledger.CUSTOMS, "messages", encode([list(OWN_STATUS), []]))
    peer.heard.set()
    gossip.serve(peer)

    error = refused.value
    assert (error.status, error.code, error.title) == (status, "peer_refused", "Refused")
    assert error.detail == peer.refusal == f"{ledger.CUSTOMS} answered: not today"
    assert (peer.reachable, peer.failures, len(peer.outgoing)) == (False, 1, 1)
    assert gossip._authentication._tries == ({ledger.CUSTOMS: 2} if status == 401 else {})
    assert logged(capsys, "peer_lost") == [
        {"at": "peer_lost", "peer": ledger.CUSTOMS, "because": f"{ledger.CUSTOMS} answered: not today"}
    ]
    server.answers["messages"] = THEIRS
    gossip.serve(peer)
    told = {"refusal": peer.refusal, "failures": peer.failures, "waiting": len(peer.outgoing)}
    assert told == {"refusal": None, "failures": 0, "waiting": 0}
    assert [path for path, *_ in server.asked].count("messages") == 3


UNREADABLE: tuple[Value, ...] = (7, b"", [7], [[b"x"]], [[b"x", b"y", b"z"]], [[b"x", 1]], [[1, b"x"]])


@pytest.mark.parametrize("answer", UNREADABLE)
def test_blocks_that_cannot_be_read_are_none(side: Side, server: Answers, answer: Value) -> None:
    """
    The peer is lost with the sentence, and the engine gets nothing of it.
    """
    gossip, peer, kept = side
    server.answers["blocks"] = answer
    gossip.request_blocks(ledger.CUSTOMS, 1)
    peer.heard.set()
    gossip.serve(peer)

    assert peer.refusal == "the blocks of the peer cannot be read"
    assert [kind for kind, *_ in kept.told] == ["status"]


@pytest.mark.parametrize("answer", [7, [], [b"x", 1, 2], [1, 1, 2, 3], [b"x", 1, 2, b"3"]])
def test_a_status_that_cannot_be_read_is_none(side: Side, server: Answers, answer: Value) -> None:
    """
    The same for where a peer says that it is.
    """
    gossip, peer, kept = side
    server.answers["status"] = answer
    peer.heard.set()
    gossip.serve(peer)

    assert peer.refusal == "the status of the peer cannot be read" and not kept.told
    assert (peer.height, peer.log_size) == (0, 0)


@pytest.mark.parametrize(
    ("path", "most"), [("status", 64 << 10), ("messages", 64 << 10), ("blocks", ANSWER_BYTES_MAX)]
)
def test_of_an_answer_so_much_is_read(side: Side, server: Answers, path: str, most: int) -> None:
    """
    A status of 64 KiB, blocks of 4 MiB and their signature: what is longer is not read, and that is said.
    """
    gossip, _, _ = side
    server.answers[path] = (503, bytes(most))
    with pytest.raises(ProblemError, match="503, and not why"):
        gossip.request(ledger.CUSTOMS, path, b"\x00")
    server.answers[path] = (503, bytes(most + 1))
    with pytest.raises(LinkError, match=f"answered with {most + 1} bytes; {most} are read"):
        gossip.request(ledger.CUSTOMS, path, b"\x00")


def test_of_a_request_so_much_is_opened(genesis: Genesis) -> None:
    """
    4 MiB of a peer's request; the refusal is counted, and costs an unknown sender nothing.
    """
    gossip = Gossip(authentication(genesis, ledger.MAKER), {}, Kept(), poll_s=1)
    for size, code in (
        (PEER_BODY_BYTES_MAX, "peer_not_authenticated"),
        (PEER_BODY_BYTES_MAX + 1, "too_large"),
    ):
        with pytest.raises(ProblemError) as refused, gossip.receiving():
            gossip.open("status", bytes(size))
        titles = {"peer_not_authenticated": "Not authenticated", "too_large": "Too large"}
        assert (refused.value.code, refused.value.title) == (code, titles[code])
    assert gossip.refused == {"peer_not_authenticated": 1, "too_large": 1}
    assert gossip.cpu_s["refuse"] > 0 and "receive" not in gossip.cpu_s
    with gossip.receiving():
        pass
    assert gossip.cpu_s["receive"] > 0


def test_how_long_a_peer_that_is_lost_is_left_alone(genesis: Genesis) -> None:
    """
    Twice as long each time: to 0.8 s where it was known, to 51 s where nobody has answered yet.
    """
    gossip = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: "https://a.example"}, Kept())
    peer, error = gossip.peers[ledger.CUSTOMS], OSError("x")

    assert [peer.lost(error) for _ in range(7)] == [0.05, 0.1, 0.2, 0.4, 0.8, 0.8, 0.8]
    assert peer.refusal is None and peer.failures == 7
    peer.move("https://b.example", peer.link)
    assert (peer.address, peer.known, peer.failures, peer.heard.is_set()) == (
        "https://b.example",
        False,
        0,
        True,
    )
    assert [peer.lost(error) for _ in range(12)] == [0.05 * 2 ** min(n, 10) for n in range(12)]


@pytest.mark.parametrize("ending", ["/X", "/x", "//", "/", ""])
def test_an_address_is_one_with_or_without_a_stroke_at_its_end(genesis: Genesis, ending: str) -> None:
    """
    Nothing else is taken off it, and who only writes it otherwise has not moved.
    """
    named = {ledger.CUSTOMS: f"https://b.example{ending}"}
    gossip = Gossip(authentication(genesis, ledger.MAKER), {}, Kept(), poll_s=1)
    (new,) = gossip.meet(named)
    before = new.peer.link

    assert new.peer.address == f"https://b.example{ending.rstrip('/')}"
    assert gossip.meet(named) == [] and new.peer.link is before
    assert gossip.meet({ledger.CUSTOMS: f"/https://b.example{ending}"}) == [] and new.peer.link is before
    assert gossip.meet({ledger.CUSTOMS: f"https://c.example{ending}"}) == []
    assert new.peer.address == f"https://c.example{ending.rstrip('/')}" and new.peer.link is not before


def test_the_operators_own_word_leads_to_this_machine_and_nobody_elses(genesis: Genesis) -> None:
    """
    Of a peer that the operator named at a host in clear text, that address and no other may be asked.
    """
    own = "http://peer.example:8000"
    gossip = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: own}, Kept(), poll_s=1)
    peer = gossip.peers[ledger.CUSTOMS]

    assert gossip.meet({ledger.CUSTOMS: "https://c.example"}) == [] and peer.address == "https://c.example"
    assert gossip.meet({ledger.CUSTOMS: f"{own}/"}) == [] and peer.address == own
    assert gossip.meet({ledger.CUSTOMS: "http://c.example"}) == [] and peer.address == own
    assert gossip.meet({ledger.IMPORTER: own}) == [] and ledger.IMPORTER not in gossip.peers


def test_the_link_to_a_peer_that_is_met_believes_that_peer_alone(genesis: Genesis) -> None:
    """
    Also once it has moved; and an address that is not the operator's word leads to no door of this machine.
    """
    gossip = Gossip(authentication(genesis, ledger.MAKER), {}, Kept(), poll_s=1)
    (new,) = gossip.meet({ledger.CUSTOMS: "https://b.example"})

    for address in ("https://b.example", "https://c.example"):
        gossip.meet({ledger.CUSTOMS: address})
        link = vars(new.peer.link)
        assert (link["_url"], link["_elsewhere"]) == (address, True)
        with pytest.raises(UntrustedPeer, match=f"by the transport key of {ledger.CUSTOMS}: another server"):
            link["_trusts"][0].check(b"")


def test_a_sender_waits_as_long_as_its_own_peer_may(genesis: Genesis) -> None:
    """
    Whoever was never heard is asked soon; a node that stops sends nothing any more.
    """
    gossip = Gossip(authentication(genesis, ledger.MAKER), {ledger.CUSTOMS: "https://a.example"}, Kept())
    peer = gossip.peers[ledger.CUSTOMS]
    vars(gossip)["_stopping"].set()

    assert wait_s_of(gossip, gossip._authentication, peer) == FIRST_S
    gossip._serve(peer)
    assert (peer.failures, peer.last_seen) == (0, None)


@dataclass
class Employed:
    """Who is given a thread, and from whom it is taken."""

    acts: list[tuple[str, str, int | None]] = field(default_factory=list)

    def employ(self, work: Sender, *, tries_max: int | None) -> None:
        self.acts.append(("employ", work.name, tries_max))

    def dismiss(self, name: str) -> None:
        self.acts.append(("dismiss", name, None))


def test_who_comes_and_who_goes_is_logged(genesis: Genesis, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A newcomer with its address, once; who left, by its name; each has its thread, or none any more.
    """
    parties = genesis.governance.participants
    history, threads, told = genesis.history(), Employed(), list[Any]()
    transport = ledger.signer(ledger.MAKER, "transport")
    maker = PeerAuthentication(genesis.network_id, history, ledger.MAKER, (transport,), now=lambda: NOW)
    gossip = Gossip(maker, {ledger.IMPORTER: "https://i.example"}, Kept(), poll_s=1)
    acquaintance = Acquaintance(gossip, threads, told.append)
    named = {**parties, ledger.CUSTOMS: replace(parties[ledger.CUSTOMS], address="https://customs.example")}
    gone = {**named, ledger.IMPORTER: replace(named[ledger.IMPORTER], left=NOW)}

    for height, then in ((1, named), (2, gone)):
        history.enact(height, replace(genesis.governance, participants=then))
        history.advance(height)
        told[0]()
        acquaintance.turn()
    told[0]()
    acquaintance.turn()

    assert logged(capsys, "peer_named", "peer_left") == [
        {"at": "peer_named", "peer": ledger.CUSTOMS, "address": "https://customs.example"},
        {"at": "peer_left", "peer": ledger.IMPORTER},
    ]
    assert threads.acts == [
        ("employ", f"to {ledger.CUSTOMS}", None),
        ("dismiss", f"to {ledger.IMPORTER}", None),
    ]


# -- the way to one address ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://peer.example", "peer.example", 80),
        ("https://peer.example", "peer.example", 443),
        ("http://peer.example:8000/base/", "peer.example", 8000),
        ("https://[2001:db8::1]:8443", "2001:db8::1", 8443),
    ],
)
def test_a_link_asks_the_host_and_the_port_of_its_address(
    url: str, host: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    By its name where the operator named it; else by what the name led to when it was looked at.
    """
    looked: list[Any] = []
    asked: list[Any] = []

    def refuse(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        assert 0 < timeout <= 5
        raise ConnectionRefusedError

    def found(*what: Any, **how: Any) -> list[Any]:
        looked.append((what, how))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port))]

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", found)
    for elsewhere in (False, True):
        with pytest.raises(ConnectionRefusedError):
            Link(url, elsewhere=elsewhere).post("/peer/status", b"", seconds_max=5, size_bytes_max=10)

    assert asked == [(host, port), ("192.0.2.7", port)]
    assert looked == [((host, port), {"type": socket.SOCK_STREAM})]


@pytest.mark.parametrize("ending", ["", "/", "/base", "/base/", "/base//"])
def test_a_stroke_at_the_end_of_an_address_is_no_part_of_a_path(
    genesis: Genesis, server: Answers, ending: str
) -> None:
    """
    However the operator wrote it, the door of peers is asked.
    """
    data, _ = authentication(genesis, ledger.MAKER).request(ledger.CUSTOMS, "status", encode(THEIRS))
    link = Link(f"http://127.0.0.1:{server.server_port}{ending}")

    assert link.post("/peer/status", data, seconds_max=5, size_bytes_max=ANSWER_BYTES_MAX)[0] == 200
    assert server.paths == [f"{ending.rstrip('/')}/peer/status"]
    link.close()


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True), ("LOCALHOST", True), ("localhost.", True), ("localhostX", False),
        ("localhost.example", False), ("127.0.0.1", True), ("127.9.9.9", True), ("128.0.0.1", False),
        ("0.0.0.0", True), ("[::1]", True), ("::1%lo", True), ("::", True), ("::2", False),
        ("::ffff:127.0.0.1", True), ("::ffff:192.0.2.1", False), ("", False),
    ],
)  # fmt: skip
def test_which_hosts_are_this_machine(host: str, here: bool) -> None:
    """
    By number and by name, however they are spelled.
    """
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    ("address", "of_others", "of_this_machine"),
    [
        ("https://a.example", True, True), ("http://a.example", False, False),
        ("https://a.example:1", True, True),
        ("https://a.example:0", False, False), ("http://127.0.0.1:1", False, True),
        ("https://127.0.0.1:1", False, True), ("ftp://127.0.0.1", False, False), ("https://", False, False),
        ("https://a.example:x", False, False), ("a.example", False, False), ("", False, False),
    ],
)  # fmt: skip
def test_which_addresses_may_be_asked(address: str, of_others: bool, of_this_machine: bool) -> None:
    """
    https elsewhere; at this machine either, where its operator's own peers are.
    """
    assert (can_be_asked(address, here=False), can_be_asked(address, here=True)) == (
        of_others,
        of_this_machine,
    )


def test_a_certificate_is_vouched_for_by_each_of_its_keys() -> None:
    """
    A former key, the present one, a coming one: whoever knows one of them believes, and nobody else does.
    """
    signers = [SeedSigner(f"{ledger.MAKER}#t{n}", bytes([n]) * 32) for n in range(1, 4)]
    pem, _ = make_certificate(ledger.MAKER, signers, ["peer.example", "192.0.2.7"], NOW)
    certificate = x509.load_pem_x509_certificate(pem)
    der = certificate.public_bytes(serialization.Encoding.DER)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    for signer in signers:
        require_peer(der, ledger.MAKER, [signer.public_key], NOW)
    with pytest.raises(UntrustedPeer, match="not vouched for by the transport key"):
        require_peer(der, ledger.MAKER, [SeedSigner("x", b"z" * 32).public_key], NOW)
    with pytest.raises(UntrustedPeer) as refused:
        require_peer(der, ledger.CUSTOMS, [signers[0].public_key], NOW)
    assert str(refused.value) == (
        f"the certificate at its address is not vouched for by the transport key of {ledger.CUSTOMS}: "
        "another server answers there, or a proxy (name its authority in node.toml: [peers] ca_file)"
    )
    with pytest.raises(UntrustedPeer, match="not vouched for by the transport key"):
        require_peer(der, ledger.CUSTOMS, [signers[0].public_key], NOW)
    assert {"localhost", "peer.example"} < set(names.get_values_for_type(x509.DNSName))
    assert {str(a) for a in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1", "192.0.2.7"}


NOT_NOW = "is not valid now: compare the clocks, or restart it"


@pytest.mark.parametrize("off_s", [-SKEW_S * 2 - 1, -SKEW_S * 2, 0, VALID_S, VALID_S + 1])
def test_from_when_to_when_a_certificate_is_believed(off_s: int) -> None:
    """
    To the second, with a day of another clock before it begins.
    """
    signer = SeedSigner(f"{ledger.MAKER}#t", b"t" * 32)
    pem, _ = make_certificate(ledger.MAKER, [signer], [], NOW)
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    if -SKEW_S * 2 <= off_s <= VALID_S:
        require_peer(der, ledger.MAKER, [signer.public_key], NOW + off_s)
        return
    with pytest.raises(UntrustedPeer, match=f"^the certificate of {ledger.MAKER} {NOT_NOW}$"):
        require_peer(der, ledger.MAKER, [signer.public_key], NOW + off_s)


def test_what_is_not_sealed_for_this_node_is_told_as_that() -> None:
    """
    By another, for another, altered, or to what is no key: one sentence for each side.
    """
    maker, customs, other = (SeedSigner(f"x#{n}", bytes([n]) * 32) for n in (1, 2, 3))
    sides = {one.key_id: Sealing(bytes([n]) * 32) for n, one in ((1, maker), (2, customs), (3, other))}
    sealed = sides["x#1"].seal(customs.public_key, b"body")

    assert sides["x#2"].open(maker.public_key, sealed) == b"body"
    said = "^it is not sealed for this node by its sender$"
    for reader, writer, data in (
        ("x#3", maker, sealed), ("x#2", other, sealed),
        ("x#2", maker, sealed[:-1] + b"x"), ("x#2", maker, b""),
    ):  # fmt: skip
        with pytest.raises(SealingError, match=said):
            sides[reader].open(writer.public_key, data)
    with pytest.raises(SealingError, match=said):
        sides["x#2"].open(bytes(31), sealed)
    with pytest.raises(SealingError, match=r"^nothing can be sealed to that key$"):
        sides["x#1"].seal(bytes(31), b"body")


def test_a_fingerprint_of_a_log_is_of_all_that_it_names() -> None:
    """
    Network, size and root; pinned, since it is read aloud between versions; and no other spelling of it.
    """
    of = JoiningFingerprint.of
    found = of(b"n" * 32, 7, b"r" * 32)

    assert found.text == "7-cf1b1a6a7ea9a22ce27f0351a010fe6c6c4e18a5f6400e680d3ea19838e705e7"
    assert (
        len({found, of(b"m" * 32, 7, b"r" * 32), of(b"n" * 32, 8, b"r" * 32), of(b"n" * 32, 7, b"s" * 32)})
        == 4
    )
    assert JoiningFingerprint.parse(found.text) == found
    for text in (
        f"0{found.text}",
        f" {found.text}",
        found.text.upper(),
        found.text[:-1],
        f"0-{found.digest}",
        "",
    ):
        assert JoiningFingerprint.parse(text) is None


# -- what waits ---------------------------------------------------------------------------------------


def test_what_waits_for_a_peer_waits_a_moment_for_company() -> None:
    """
    Until the time is over that its first item waits; not at all once a message of the agreement is there,
    blocks are wanted, or somebody wakes it.
    """
    times = iter([0.0, 0.0, LINGER_S + 0.001, 1.0, 1.0])
    queue = PeerQueue(lambda: next(times))
    queue.put(ITEM)
    assert queue.take(0) == ([(0.0, ITEM)], None) and next(times) == 1.0

    for hurry in ("agreement", "blocks", "woken"):
        asked = list[float]()

        def now(asked: list[float] = asked) -> float:
            asked.append(0.0)
            return 0.0

        queue = PeerQueue(now)
        queue.put(ITEM)
        match hurry:
            case "agreement":
                queue.put([ITEM_CONSENSUS, b"vote"])
            case "blocks":
                queue.ask_blocks(9)
            case "woken":
                queue.wake()
        batch, height = queue.take(60)
        assert [item for _, item in batch][:1] == [ITEM]
        assert height == (9 if hurry == "blocks" else None)
        assert len(asked) == {"agreement": 4, "blocks": 2, "woken": 2}[hurry]


def test_so_many_are_remembered_and_the_newest_of_them() -> None:
    """
    Attestations that were just heard, and senders with strikes: one more, and the oldest is forgotten.
    """
    intake = Intake(Watch(lambda: 0.0, lambda: 0.0))
    items: list[Value] = [[ITEM_ATTESTATION, n.to_bytes(4, "big")] for n in range(RECENT_MAX + 1)]
    for start in range(0, RECENT_MAX, 1024):
        intake.items("a", items[start : start + min(1024, RECENT_MAX - start)])
        while intake.inbox.get(0) is not None:
            pass
    intake.items("b", [items[0]])
    assert intake.inbox.get(0) is None, "all of so many are remembered"
    intake.items("b", [items[-1]])
    intake.items("b", [items[0]])
    assert [isinstance(intake.inbox.get(0), AttestationBatch) for _ in range(3)] == [True, True, False]

    patience = Patience(lambda: 0.0)
    for _ in range(STRIKES_MAX + 1):
        patience.strike("first")
    for n in range(SENDERS_MAX - 1):
        patience.strike(f"other {n}")
    assert patience.exhausted("first")
    patience.strike("one more")
    assert not patience.exhausted("first") and len(patience._left) == SENDERS_MAX


def test_an_inbox_counts_what_waits_and_nothing_else() -> None:
    """
    What was taken out leaves no trace, however it came in; the whole and the share of one sender are full
    with a sentence each.
    """
    inbox = Inbox[str]()
    inbox.wake("own")
    assert inbox.get(0) == "own" and inbox.get(0) is None and len(inbox) == 0
    for sender, size, patient in (("a", 5, False), ("b", 7, True), ("a", 0, True), (OWN, 3, False)):
        inbox.put(sender, f"{sender}{size}", count=2, size_bytes=size, patient=patient)
    assert (len(inbox), inbox.waiting_of("a"), inbox.waiting_of("b"), inbox.waiting_of("c")) == (8, 4, 2, 0)
    assert [inbox.get(0) for _ in range(4)] == ["a5", "3", "b7", "a0"]
    assert (len(inbox), inbox._size_bytes, inbox._shares) == (0, 0, {})

    inbox.put("a", "all", size_bytes=inboxes.SIZE_BYTES_PER_SENDER_MAX)
    with pytest.raises(ProblemError) as refused:
        inbox.put("a", "more", size_bytes=1)
    assert refused.value.detail == "too many of your messages wait at this node: send again in a moment"
    assert refused.value.status == 503 and inbox.waiting_of("a") == 1
    inbox.put(OWN, "the rest", size_bytes=inboxes.SIZE_BYTES_MAX - inboxes.SIZE_BYTES_PER_SENDER_MAX)
    with pytest.raises(ProblemError) as refused:
        inbox.put("b", "large", size_bytes=inboxes.SIZE_BYTES_FLOOR + 1)
    assert refused.value.detail == "this node's inbox is full: send again in a moment"
    inbox.put("b", "little", size_bytes=inboxes.SIZE_BYTES_FLOOR)
    assert [inbox.get(0) for _ in range(3)] == ["all", "the rest", "little"]
    inbox.put("a", "all", size_bytes=inboxes.SIZE_BYTES_PER_SENDER_MAX)


# -- bounds, each to the last ---------------------------------------------------------------------------


def test_so_many_refusals_of_a_subnet_are_told_at_once() -> None:
    """
    Ten, then each is late; a tenth of a second gives one back, and never more than ten.
    """
    clock = [0.0]
    patience = Patience(lambda: clock[0])
    most = int(REFUSALS_PER_S)

    for moment, prompt in ((0.0, most), (1 / REFUSALS_PER_S + 0.001, 1), (100.0, most)):
        clock[0] = moment
        waits = [patience.refusal_wait_s("10.0.0.0") for _ in range(prompt + 2)]
        assert waits == [0.0] * prompt + [LATE_S] * 2


def test_a_certificate_names_its_holder_and_is_no_authority() -> None:
    """
    As much of a long name as a certificate holds; whoever reads it must know that it signs no other.
    """
    for did in ("did:web:a.example", f"did:web:{'a' * 80}.example"):
        pem, _ = make_certificate(did, [SeedSigner(f"{did}#t", b"t" * 32)], [], NOW)
        shown = x509.load_pem_x509_certificate(pem)
        [name] = shown.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        basic = shown.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (name.value, shown.issuer) == (did[:64], shown.subject)
        assert (basic.critical, basic.value.ca) == (True, False)


def test_a_queue_counts_its_bytes_and_waits_no_longer_than_for_company(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    What was given back counts as before; a full batch waits for nobody, and less of one for what is left.
    """
    waits, queue = list[float](), PeerQueue(lambda: 1.0)
    for number in range(3):
        queue.put([ITEM_ATTESTATION, bytes(10 + number)])

    def wait(seconds: float) -> None:
        waits.append(seconds)
        queue.wake()

    monkeypatch.setattr(queue._wake, "wait", wait)
    batch, _ = queue.take(60)
    assert (len(batch), queue.size_bytes) == (3, 0) and waits == pytest.approx([LINGER_S])
    queue.put([ITEM_ATTESTATION, bytes(5)])
    queue.give_back(batch)
    assert (queue.size_bytes, len(queue)) == (10 + 11 + 12 + 5, 4)
    for _ in range(BATCH_ITEMS_MAX - 4):
        queue.put(ITEM)
    assert len(queue.take(60)[0]) == BATCH_ITEMS_MAX and len(waits) == 1


def test_whoever_has_nothing_to_say_asks_as_its_part_is(
    genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    At first soon; validators one another each second; observers the validators in turn, and are asked seldom.
    """
    monkeypatch.setattr("node.peers.gossip.time.monotonic", lambda: 100.0)
    dids = [ledger.MAKER, ledger.CUSTOMS, ledger.IMPORTER, ledger.WORKSHOP]
    validators = sorted(did for did in dids if genesis.governance.votes(did))
    for own in dids:
        others = {did: "https://a.example" for did in dids if did != own}
        gossip = Gossip(authentication(genesis, own), others, Kept())
        for did, peer in gossip.peers.items():
            assert wait_s_of(gossip, gossip._authentication, peer) == FIRST_S
            peer.seen()
            assert wait_s_of(gossip, gossip._authentication, peer) == polling.wait_s(
                own, did, validators, 100.0
            )
            expected = 5.0 if did not in validators else 1.0 if own in validators else None
            assert expected is None or wait_s_of(gossip, gossip._authentication, peer) == expected


def test_each_step_of_an_answer_has_what_is_left_of_its_time() -> None:
    """
    To connect a second at most; each read and write as long as is left, and none once nothing is.
    """
    ours, theirs = socket.socketpair()
    ours.close()
    plain = _PlainSocket(theirs.family, theirs.type, theirs.proto, fileno=theirs.detach())
    with plain:
        for left in (5.0, 0.5):
            plain.until = time.monotonic() + left
            plain._hurry()
            assert left - 0.4 < (plain.gettimeout() or 0) <= left
        plain.until = time.monotonic()
        for act in (
            lambda: plain.send(b"x"),
            lambda: plain.sendall(b"x"),
            lambda: plain.recv_into(bytearray(1)),
        ):
            with pytest.raises(TimeoutError, match="the answer took too long"):
                act()


@pytest.mark.parametrize(("seconds", "most"), [(5.0, CONNECT_S_MAX), (0.25, 0.25), (-1.0, STEP_S_MIN)])
def test_a_connection_is_waited_for_no_longer_than_there_is_time(
    seconds: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A second, or what is left.
    """
    waited: list[float] = []

    def refuse(address: tuple[str, int], timeout: float) -> socket.socket:
        waited.append(timeout)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(ConnectionRefusedError):
        Link("http://a.example").post("/x", b"", seconds_max=seconds, size_bytes_max=1)
    assert most - 0.2 < waited[0] <= most
