"""Between nodes: who is at the other end, and nobody between them reads (certificates.py, sealing.py)."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from consensus.cose import SeedSigner, parse_sign1, sign1
from consensus.encoding import Value, decode, encode
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import GovernanceHistory
from node.config import DataDirectory
from node.errors import ProblemError, SetupError
from node.peers.authentication import REQUEST_TAG, PeerAuthentication
from node.peers.certificates import (
    BINDING,
    PEER_NAME,
    VALID_S,
    Trust,
    UntrustedPeer,
    by_authority,
    make_certificate,
    pinned,
    require_peer,
)
from node.peers.gossip import Gossip
from node.peers.link import Link
from node.server.exchange import Door, PeerAnswer
from node.server.tls import server_context
from node.setup.founding_file import require_url
from tests.harness import ledger
from tests.node.test_checking import certificate
from tests.node.test_gossip import NOW, Quiet, authentication
from tests.node.test_http import answer, serving

SECRET = b'{"restricted": "disassembly information of a battery"}'


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return ledger.make_genesis()


@dataclass
class Peer:
    """The other end: opens what comes, and answers with the same."""

    authentication: PeerAuthentication
    heard: list[bytes] = field(default_factory=list)

    def handle(self, path: str, body: bytes) -> PeerAnswer:
        sender, nonce, content = self.authentication.open_request(body, path)
        self.heard.append(content)
        return PeerAnswer(self.authentication.reply(sender, nonce, path, content), sender)

    def refuse_large(self) -> None:
        raise AssertionError("nothing is too large here")

    def refusal_wait_s(self, subnet: str) -> float:
        return 0.0


def listening(peer: Peer, tls: ssl.SSLContext | None) -> AbstractContextManager[tuple[str, int]]:
    """A server for peers on a port of its own."""
    return serving(tls=tls, door=Door(peers=peer))


@contextmanager
def between(target: tuple[str, int]) -> Iterator[tuple[tuple[str, int], bytearray]]:
    """A listener in between: passes bytes on in both directions, and keeps them all."""
    front = socket.create_server(("127.0.0.1", 0))
    seen = bytearray()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(1 << 16):
                seen.extend(chunk)
                sink.sendall(chunk)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                with_shutdown(end)

    def serve() -> None:
        while True:
            try:
                near, _ = front.accept()
            except OSError:
                return
            with near, socket.create_connection(target) as far:
                back = threading.Thread(target=pump, args=(far, near), daemon=True)
                back.start()
                pump(near, far)
                back.join()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield front.getsockname(), seen
    finally:
        with_shutdown(front)
        front.close()
        thread.join(5)


def with_shutdown(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def ask(genesis: Genesis, address: tuple[str, int], *, scheme: str = "https") -> bytes:
    """MAKER asks CUSTOMS, whose address this is, for documents."""
    gossip = Gossip(
        authentication(genesis, ledger.MAKER),
        {ledger.CUSTOMS: f"{scheme}://127.0.0.1:{address[1]}"},
        Quiet(),
        poll_s=5,
    )
    try:
        return gossip.request(ledger.CUSTOMS, "documents", SECRET)
    finally:
        gossip.close()


def own_context(genesis: Genesis, did: str, operators: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    return server_context(operators, authentication(genesis, did).certificate(["127.0.0.1"]))


@pytest.mark.parametrize("operators", [False, True], ids=["own only", "beside the operator's"])
def test_a_peer_is_known_by_its_own_certificate(genesis: Genesis, tmp_path: Path, operators: bool) -> None:
    """
    A node's own certificate is believed: its transport key vouches for it. Browsers get the operator's.
    """
    files = certificate(tmp_path) if operators else None
    peer = Peer(authentication(genesis, ledger.CUSTOMS))
    with listening(peer, own_context(genesis, ledger.CUSTOMS, files)) as address:
        answer = ask(genesis, address)
        if files is not None:
            link = Link(f"https://127.0.0.1:{address[1]}", [by_authority(str(files[0]))])
            question = link.post("/x", b"", seconds_max=5, size_bytes_max=1000)
            link.close()
            assert question[0] == 200

    assert answer == SECRET
    assert peer.heard == [SECRET]


@pytest.mark.parametrize("who", ["another participant", "a stranger", "the operator's authority"])
def test_whoever_else_answers_is_told_nothing(genesis: Genesis, tmp_path: Path, who: str) -> None:
    """
    A server that does not show the peer's certificate receives not one request, and the operator is told why.
    """
    shown = {
        "another participant": lambda: own_context(genesis, ledger.IMPORTER),
        "a stranger": lambda: server_context(
            None,
            make_certificate(ledger.CUSTOMS, [SeedSigner(f"{ledger.CUSTOMS}#t", b"s" * 32)], [], NOW),
        ),
        "the operator's authority": lambda: server_context(certificate(tmp_path)),
    }[who]()
    peer = Peer(authentication(genesis, ledger.CUSTOMS))
    with (
        listening(peer, shown) as address,
        between(address) as (middle, seen),
        pytest.raises(UntrustedPeer, match="not vouched for by the transport key"),
    ):
        ask(genesis, middle)

    assert peer.heard == []
    assert b"POST" not in seen


def test_an_authority_that_the_operator_named_is_believed(genesis: Genesis, tmp_path: Path) -> None:
    """
    A proxy in front of a peer shows an authority's certificate: believed if named, for the right host only.
    """
    files = certificate(tmp_path)
    peer = Peer(authentication(genesis, ledger.CUSTOMS))
    with listening(peer, server_context(files)) as address:
        url = f"https://127.0.0.1:{address[1]}"
        gossip = Gossip(
            authentication(genesis, ledger.MAKER),
            {ledger.CUSTOMS: url},
            Quiet(),
            poll_s=5,
            trusts=[by_authority(str(files[0]))],
        )
        answers = [gossip.request(ledger.CUSTOMS, "documents", SECRET) for _ in range(2)]
        gossip.close()

    assert answers == [SECRET, SECRET]


def pem_to_der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


@pytest.mark.parametrize(
    ("case", "now", "says"),
    [
        ("good", NOW, None),
        ("other did", NOW, "not vouched for"),
        ("other key", NOW, "not vouched for"),
        ("no key", NOW, "not vouched for"),
        ("no certificate", NOW, "not vouched for"),
        ("good", NOW + VALID_S + 1, "not valid now"),
        ("good", NOW - 3 * 24 * 3600, "not valid now"),
    ],
)
def test_what_makes_a_certificate_believable(genesis: Genesis, case: str, now: int, says: str | None) -> None:
    """
    The signature is by the peer's transport key over DID, key and interval; nothing less is believed.
    """
    signer = ledger.signer(ledger.CUSTOMS, "transport")
    der = pem_to_der(make_certificate(ledger.CUSTOMS, [signer], [], NOW)[0])
    did, key = ledger.CUSTOMS, genesis.governance.key(ledger.CUSTOMS, "transport", NOW)
    assert key is not None
    public = [key.public]
    match case:
        case "other did":
            did = ledger.IMPORTER
        case "other key":
            public = [ledger.signer(ledger.CUSTOMS, "attest").public_key]
        case "no key":
            public = []
        case "no certificate":
            der = b""

    if says is None:
        require_peer(der, did, public, now)
        return
    with pytest.raises(UntrustedPeer, match=says):
        require_peer(der, did, public, now)


def hostile(case: str) -> bytes:
    """A certificate that TLS libraries take, and that reading it to the end does not."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    name, shown = x509.Name([]), x509.UnrecognizedExtension(BINDING, b"x" * 64)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(5).not_valid_before(now).not_valid_after(now).add_extension(shown, False)
    beside = x509.ObjectIdentifier(BINDING.dotted_string[:-1] + "9")
    if case == "a name of no known kind":
        odd = bytes.fromhex("3004a3020500")
        built = built.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), odd), False
        )
    built = built.add_extension(x509.UnrecognizedExtension(beside, b"y" * 64), False)
    der = bytearray(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    if case == "an extension twice":
        der[der.index(b"y" * 64) - 3] = der[der.index(b"x" * 64) - 3]  # the last byte of its name
    if case == "a version of the future":
        der[der.index(bytes.fromhex("a003020102")) + 4] = 7
    return bytes(der)


@pytest.mark.parametrize(
    "case", ["a name of no known kind", "an extension twice", "a version of the future", "sound, of another"]
)
def test_whatever_a_certificate_holds_it_is_believed_or_not(case: str) -> None:
    """
    Who answers at the address of a peer shows what it likes: it is not believed, and fails no thread.
    """
    with pytest.raises(UntrustedPeer, match="not vouched for"):
        require_peer(hostile(case), ledger.CUSTOMS, [b"k" * 32], NOW)


def test_a_key_that_is_no_point_of_the_curve_is_sealed_nothing(genesis: Genesis) -> None:
    """
    A party that named such a transport key is sent nothing, which is told and fails no thread.
    """
    party = genesis.governance.participants[ledger.CUSTOMS]
    keys = [replace(k, public=bytes(32)) if k.role == "transport" else k for k in party.keys]
    others = {**genesis.governance.participants, party.did: replace(party, keys=tuple(keys))}
    history = GovernanceHistory([(0, replace(genesis.governance, participants=others))])
    transport = ledger.signer(ledger.MAKER, "transport")
    maker = PeerAuthentication(genesis.network_id, history, ledger.MAKER, (transport,), now=lambda: NOW)

    with pytest.raises(ProblemError, match=f"the transport key of {ledger.CUSTOMS} is no key"):
        maker.request(ledger.CUSTOMS, "status", b"")


def test_the_binding_cannot_be_carried_to_another_key(genesis: Genesis) -> None:
    """
    Whoever copies the extension of an honest certificate into one of its own is not believed.
    """
    signer = ledger.signer(ledger.CUSTOMS, "transport")
    honest = x509.load_pem_x509_certificate(make_certificate(ledger.CUSTOMS, [signer], [], NOW)[0])
    binding = honest.extensions[-1].value
    assert isinstance(binding, x509.UnrecognizedExtension)

    class Copied:
        key_id = signer.key_id
        public_key = signer.public_key

        def sign(self, message: bytes) -> bytes:
            return bytes(binding.value)

    stolen = pem_to_der(make_certificate(ledger.CUSTOMS, [Copied()], [], NOW)[0])

    with pytest.raises(UntrustedPeer, match="not vouched for"):
        require_peer(stolen, ledger.CUSTOMS, [signer.public_key], NOW)


def test_tls_between_nodes_is_1_3(genesis: Genesis) -> None:
    """
    A peer that offers TLS 1.2 at most is not spoken to.
    """
    old = own_context(genesis, ledger.CUSTOMS)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    peer = Peer(authentication(genesis, ledger.CUSTOMS))
    with listening(peer, old) as address, pytest.raises(ssl.SSLError):
        ask(genesis, address)


@pytest.mark.parametrize("scheme", ["http", "https"], ids=["where a proxy ended TLS", "on the wire"])
def test_a_listener_in_between_reads_nothing(genesis: Genesis, scheme: str) -> None:
    """
    Neither on the wire nor behind a proxy that ends TLS does a listener find a word of a restricted set.
    """
    peer = Peer(authentication(genesis, ledger.CUSTOMS))
    tls = own_context(genesis, ledger.CUSTOMS) if scheme == "https" else None
    with listening(peer, tls) as address, between(address) as (middle, seen):
        answer = ask(genesis, middle, scheme=scheme)

    assert answer == SECRET
    assert len(seen) > 2 * len(SECRET)
    assert not any(word in seen for word in (b"restricted", b"disassembly", SECRET[5:15]))
    assert (b"POST /peer/documents" in seen) is (scheme == "http")


def test_a_body_is_sealed_for_its_reader_only(genesis: Genesis) -> None:
    """
    What was sealed for one participant is not opened by another, and not after a byte was changed.
    """
    maker = authentication(genesis, ledger.MAKER)
    data, _ = maker.request(ledger.CUSTOMS, "documents", SECRET)

    assert SECRET[:20] not in data
    assert authentication(genesis, ledger.CUSTOMS).open_request(data, "documents")[2] == SECRET
    with pytest.raises(ProblemError, match="is for"):
        authentication(genesis, ledger.IMPORTER).open_request(data, "documents")


def post(address: tuple[str, int], path: str, body: bytes) -> tuple[int, str]:
    """(status, answer) of a request as it stands, over the wire."""
    head = (
        f"POST /peer/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}"
    )
    told = answer(address, f"{head}\r\n\r\n".encode() + body)
    return int(told[9:12]), told.decode("latin-1")


def resealed(genesis: Genesis, sender: str, receiver: str, signer: SeedSigner, sealed: Value) -> bytes:
    """A request with a body that was sealed elsewhere."""
    head: list[Value] = [REQUEST_TAG, genesis.network_id, sender, receiver, NOW]
    return sign1({}, encode([*head, b"r" * 16, "documents", sealed]), signer)


@pytest.mark.parametrize(
    ("case", "status", "says"),
    [
        ("to another reader", 403, "this node is did:web:importer.example"),
        ("to the same reader again", 401, "received before"),
        ("its body in another sender's request", 401, "not sealed for this node by its sender"),
        ("its body in the sender's request to another", 401, "not sealed for this node by its sender"),
        ("under the sender's name by another", 401, "the peer request cannot be read"),
        ("at another path", 401, "it came to /peer/messages"),
    ],
)
def test_what_was_captured_opens_nothing_elsewhere(
    genesis: Genesis, case: str, status: int, says: str
) -> None:
    """
    A request that somebody captured on its way, or its sealed body alone, sent on over the wire: no reader
    takes it, in nobody's name.
    """
    customs, importer = (Peer(authentication(genesis, did)) for did in (ledger.CUSTOMS, ledger.IMPORTER))
    captured, _ = authentication(genesis, ledger.MAKER).request(ledger.CUSTOMS, "documents", SECRET)
    payload = decode(parse_sign1(captured).payload)
    assert isinstance(payload, list)
    maker, eve = (ledger.signer(did, "transport") for did in (ledger.MAKER, ledger.IMPORTER))
    as_maker = SeedSigner(maker.key_id, eve.seed)
    sent, reader, path = captured, customs, "documents"
    match case:
        case "to another reader":
            reader = importer
        case "its body in another sender's request":
            sent = resealed(genesis, ledger.IMPORTER, ledger.CUSTOMS, eve, payload[-1])
        case "its body in the sender's request to another":
            sent, reader = resealed(genesis, ledger.MAKER, ledger.IMPORTER, maker, payload[-1]), importer
        case "under the sender's name by another":
            sent = resealed(genesis, ledger.MAKER, ledger.CUSTOMS, as_maker, payload[-1])
        case "at another path":
            path = "messages"

    with listening(reader, None) as address:
        if case == "to the same reader again":
            assert post(address, path, sent)[0] == 200
        told = post(address, path, sent)

    assert told[0] == status and says in told[1]
    assert reader.heard == ([SECRET] if case == "to the same reader again" else [])


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://10.0.0.1:8470", True),
        ("HTTP://10.0.0.1:8470", True),
        ("Http://maker.example", True),
        ("http://maker.example", True),
        ("http://[2001:db8::1]:8470", True),
        ("http://127.0.0.1.evil.example", True),
        ("http://127.0.0.1:8470", False),
        ("http://[::1]:8470", False),
        ("http://localhost:8470", False),
        ("https://10.0.0.1:8470", False),
        ("HTTPS://10.0.0.1:8470", False),
    ],
)
def test_an_address_in_clear_text_is_refused(url: str, refused: bool) -> None:
    """
    An address that would need clear text between machines is refused, and the sentence says what to do.
    """
    check: Callable[[str, object], None] = require_url
    if not refused:
        check("did:web:maker.example", url)
        return
    with pytest.raises(SetupError, match=r"clear text between machines: write https://.*comity serve"):
        check("did:web:maker.example", url)


def test_a_pinned_trust_asks_for_the_peers_own_certificate() -> None:
    """
    The name that is asked for is not a host's: no authority gives a certificate for it.
    """
    trust: Trust = pinned(ledger.CUSTOMS, lambda: [], lambda: 0.0)

    assert trust.server_name == PEER_NAME
    assert trust.server_name.endswith(".internal")


def test_authorities_of_proxies_are_named_in_node_toml(tmp_path: Path) -> None:
    """
    [peers] ca_file is read beside node.toml; a file that is not there or another member is told.
    """
    (tmp_path / "proxies.pem").write_bytes(
        make_certificate(ledger.CUSTOMS, [SeedSigner(f"{ledger.CUSTOMS}#t", b"s" * 32)], (), NOW)[0]
    )
    toml = tmp_path / "node.toml"
    toml.write_text('[peers]\nca_file = "proxies.pem"\n')

    assert DataDirectory(tmp_path).settings().peers_ca_file == str((tmp_path / "proxies.pem").resolve())
    for text, says in (('ca_file = "other.pem"', "other.pem"), ('ca = "proxies.pem"', "peers.ca")):
        toml.write_text(f"[peers]\n{text}\n")
        with pytest.raises(SetupError, match=says):
            DataDirectory(tmp_path).settings()
