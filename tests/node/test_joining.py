"""A newcomer joins a network that runs: invited, admitted, and told one fingerprint by another channel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from consensus.cose import SeedSigner
from consensus.encoding import decode, encode
from credentials.documents.canonical import b64u
from credentials.documents.keys import multikey_encode
from credentials.ledger.genesis import write_card
from credentials.ledger.governance import GovernanceHistory
from node.config import DataDirectory
from node.errors import SetupError
from node.peers.authentication import PeerAuthentication
from node.setup import joining
from node.setup import network as networks
from node.setup.keystore import Keys
from tests.harness.net.batteries import claims_of, code_of, issue, wait_receipted
from tests.harness.net.harness import (
    JSON,
    PASSPHRASE,
    VALIDATORS,
    Node,
    Party,
    comity,
    found,
    free_ports,
    wait,
)
from tests.harness.stand_in import StandIn

pytestmark = pytest.mark.check  # five processes

FORGE = Party("forge", "CN", ("manufacturer",), schemes=(("gbt34014", "ZZ7"),))
LICENCE = """
[[accreditations]]
participant = "did:web:forge.example"
roles = ["manufacturer"]
schemes = [["gbt34014", "ZZ7"]]
jurisdiction = "CN"
"""


@dataclass
class Place:
    """A network of four validators that run, and the machine of a newcomer."""

    nodes: dict[str, Node]
    newcomer: Node
    older: Path  # a snapshot from before the admission
    told: str = ""  # the fingerprint, once the newcomer is admitted

    @property
    def directory(self) -> DataDirectory:
        return DataDirectory(self.newcomer.data)

    def join(self, via: str, told: str | None = None) -> int:
        """The height that was taken over."""
        return joining.join_via(self.directory, via, self.told if told is None else told, PASSPHRASE).height

    def refused(self, via: str, told: str | None = None) -> str:
        """Why nothing was taken over: the directory is as if nobody had tried."""
        with pytest.raises(SetupError) as refused:
            self.join(via, told)
        left = {path.name for path in self.newcomer.data.iterdir()}
        assert left == {"keys.enc", "recovery.enc", "lock", "operator.key", "participant.toml", "policy.toml"}
        return str(refused.value)

    def forget(self) -> None:
        """The machine as it was before it joined."""
        shutil.rmtree(self.newcomer.data / "network", ignore_errors=True)
        for path in self.newcomer.data.glob("*.db*"):
            path.unlink()
        for name in ("address", "certificate.pem"):
            (self.newcomer.data / name).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def admitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with admitting(tmp_path_factory.mktemp("joining"), tls=False) as place:
        yield place


@contextmanager
def admitting(root: Path, *, tls: bool) -> Iterator[Place]:
    """A maker that a Chinese authority admitted, and that has not joined yet."""
    nodes = found(root / "network", VALIDATORS, tls=tls, forked=True)
    (port,) = free_ports(1)
    newcomer = Node(FORGE, root / "forge", port, root / "network" / "passphrase", tls=tls, forked=True)
    try:
        for node in nodes.values():
            node.start()
        for node in nodes.values():
            node.wait_ready()
        wait_receipted(nodes["maker"], issue(nodes["maker"], 1)["digest"])
        place = Place(nodes, newcomer, older=root / "older.rows")
        assert comity("network", "snapshot", "--data", nodes["cn"].data, "--out", place.older) == 0
        _invited(place, root)
        yield place
    finally:
        for node in (*nodes.values(), newcomer):
            node.stop()


def _invited(place: Place, root: Path) -> None:
    """`init`, `keys prove`, `network invite`, and again for the fingerprint."""
    words = ["--passphrase-file", str(place.newcomer.passphrase_file)]
    data = str(place.newcomer.data)
    made = ["--did", FORGE.did, "--name", "forge", "--jurisdiction", "CN", "--role", "manufacturer"]
    assert comity("init", "--data", data, *made, "--validator", *words) == 0
    network_id = place.nodes["cn"].get("/status")["network"]["id"]
    proofs, licence = root / "proofs.toml", root / "licence.toml"
    proofs.write_text(_told("keys", "prove", "--data", data, "--id", network_id, *words))
    licence.write_text(LICENCE)
    card = place.newcomer.data / "participant.toml"
    sponsor: list[str | Path] = ["network", "invite", card, "--data", place.nodes["cn"].data]
    proposed = _told(
        *sponsor, "--proofs", proofs, "--accreditation", licence, "--address", place.newcomer.url, "--yes"
    )
    assert "expulsion does not take it back" in proposed
    place.told = wait_for_fingerprint(sponsor)


def wait_for_fingerprint(sponsor: Sequence[str | Path]) -> str:
    """What the sponsor reads, once the admission governs."""
    seen: list[str] = []

    def there() -> bool:
        seen[:] = re.findall(r"^([0-9]+-[0-9a-f]{64})$", _told(*sponsor), re.M)
        return bool(seen)

    wait("the fingerprint", there)
    return seen[0]


def _told(*words: str | Path) -> str:
    """What a command prints, in a process of its own."""
    made = subprocess.run(
        [sys.executable, "-m", "node", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, (words, made.stdout, made.stderr)
    return made.stdout + made.stderr


def _issued(node: Node) -> JSON:
    code = code_of(1, "ZZ7")
    names = {
        "batteryPassportIdentifier": f"urn:bpass:{code.lower()}",
        "productIdentifier": f"urn:comity:item:gbt34014:{code}",
    }
    return node.post("/passports", {"code": code, "claims": claims_of(1, **names)})


def test_a_newcomer_joins_with_one_fingerprint_and_takes_part(admitted: Place) -> None:
    """
    From nothing but a card and a fingerprint: it has the log of the others, follows them, issues under its
    own licence with the network key that it was given, and no other node was started again.
    """
    started = {name: node.process.pid for name, node in admitted.nodes.items() if node.process}

    joined = _told(
        "network", "join", "--data", admitted.newcomer.data, "--via", admitted.nodes["eu"].url,
        "--fingerprint", admitted.told, "--passphrase-file", admitted.newcomer.passphrase_file,
    )  # fmt: skip
    admitted.newcomer.start()
    admitted.newcomer.wait_ready()
    made = _issued(admitted.newcomer)
    wait_receipted(admitted.newcomer, made["digest"])
    others = admitted.nodes["customs"]
    wait("one log", lambda: others.get("/status")["log"] == admitted.newcomer.get("/status")["log"])

    admitted.newcomer.stop()
    assert "it is the one of your fingerprint" in joined
    assert f"start the node with `comity serve --data {admitted.newcomer.data}`" in joined
    assert started == {name: node.process.pid for name, node in admitted.nodes.items() if node.process}
    admitted.forget()


def test_a_newcomer_joins_over_tls(tmp_path: Path) -> None:
    """
    Where every node serves HTTPS under a certificate of its own, whom the newcomer does not know yet is
    believed nothing over TLS either: the fingerprint says who it was; from then on both know each other.
    """
    with admitting(tmp_path, tls=True) as place:
        place.join(place.nodes["eu"].url.replace("https://", "HTTPS://"))  # as RFC 3986 has it, the same
        place.newcomer.start()
        place.newcomer.wait_ready()
        made = _issued(place.newcomer)
        wait_receipted(place.newcomer, made["digest"])

        assert place.nodes["customs"].url.startswith("https://")
        other = place.nodes["customs"]
        wait("one log", lambda: other.get("/status")["log"] == place.newcomer.get("/status")["log"])


# -- peers that lie ------------------------------------------------------------------------------------

Liar = Callable[[str, bytes, "Forward"], bytes]
Forward = Callable[[], bytes]


@contextmanager
def lying(honest: Node, liar: Liar) -> Iterator[str]:
    """A server in front of an honest node, which answers what `liar` makes of path, question and answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path = self.path.removeprefix("/peer/")

            def forward() -> bytes:
                answer = honest.pool.request(
                    "POST", honest.url + self.path, body=body, headers={"Content-Type": "application/cose"}
                )
                assert answer.status == 200, answer.data
                return bytes(answer.data)

            with suppress(OSError):
                answer = liar(path, body, forward)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = StandIn(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hello_with(number: int, change: Callable[[Any], Any]) -> Liar:
    """One part of what a peer says first is otherwise."""

    def liar(path: str, body: bytes, forward: Forward) -> bytes:
        if path != "hello":
            return forward()
        said = decode(forward(), size_bytes_max=8 << 20)
        assert isinstance(said, list)
        said[number] = change(said[number])
        return encode(said)

    return liar


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _thief(table: dict[str, Any]) -> dict[str, Any]:
    """The record of the peer with a transport key of somebody else."""
    key = multikey_encode(SeedSigner("x", b"t" * 32).public_key)
    return table | {"keys": [k | {"public": key} if k["role"] == "transport" else k for k in table["keys"]]}


def _no_key(table: dict[str, Any]) -> dict[str, Any]:
    """The same with a transport key that is no point of the curve."""
    key = multikey_encode(bytes(32))
    return table | {"keys": [k | {"public": key} if k["role"] == "transport" else k for k in table["keys"]]}


@pytest.mark.parametrize(
    ("liar", "why"),
    [
        (hello_with(0, flipped), "not the one of your fingerprint"),
        (hello_with(1, flipped), "not the one of your fingerprint"),
        (hello_with(3, flipped), "not the one of your fingerprint"),
        (hello_with(4, lambda rules: {n: data + b" " for n, data in rules.items()}), "cannot be read"),
        (hello_with(4, lambda _: {}), "cannot be read"),
        (hello_with(2, lambda _: {}), "cannot be read"),
        (hello_with(2, lambda table: table | {"did": "did:web:stranger.example"}), "cannot be read"),
        (hello_with(2, _thief), "gave no network key|gives you no network key|does not know you"),
        (hello_with(2, _no_key), "the transport key of did:web:eu.example is no key|was not signed"),
        (lambda *_: b"", "cannot be read"),
        (lambda *_: b"x" * (5 << 20), "answered with"),
        (lambda *_: encode([]), "answers otherwise"),
    ],
    ids=["network", "root", "genesis", "rules", "no rules", "nobody", "stranger", "key of a thief", "no key",
         "nothing",
         "much", "another form"],
)  # fmt: skip
def test_a_peer_that_lies_is_found_out(admitted: Place, liar: Liar, why: str) -> None:
    """
    Another network, another past, altered rules, another peer's name or key: one sentence, and nothing kept.
    """
    with lying(admitted.nodes["eu"], liar) as url:
        assert re.search(why, admitted.refused(url))


def test_what_a_peer_gives_beyond_the_rules_is_not_kept(admitted: Place) -> None:
    """
    Rule files that the ledger names, and no other file: a peer fills no disk of a newcomer's.
    """
    junk = [b"%d" % number for number in range(20_000)]
    with lying(admitted.nodes["eu"], hello_with(5, lambda later: [*later, *junk])) as url:
        assert admitted.join(url) > 0
    kept = {path.name for path in (admitted.newcomer.data / "network" / "rules").iterdir()}
    admitted.forget()

    assert kept == {path.name for path in (admitted.nodes["eu"].data / "network" / "rules").iterdir()}


def test_who_ends_tls_between_a_newcomer_and_a_peer_reads_no_network_key(admitted: Place) -> None:
    """
    All that is asked and answered while somebody joins, as a proxy has it: the network key is in none of it,
    nor in what it writes down; sealed, and to its reader alone.
    """
    heard: dict[str, bytes] = {}

    def listening(path: str, body: bytes, forward: Forward) -> bytes:
        answer = forward()
        heard[path] = heard.get(path, b"") + body + answer
        return answer

    admitted.join(admitted.nodes["eu"].url)  # which waits until a snapshot is made
    admitted.forget()
    with lying(admitted.nodes["eu"], listening) as url:
        assert admitted.join(url) > 0
    keys = Keys.load(admitted.newcomer.data, FORGE.did, PASSPHRASE)
    network = networks.joined(admitted.directory)
    network_key = networks.open_network_key(network.genesis, keys, network.sealed_key)
    written = b"".join(path.read_bytes() for path in admitted.newcomer.data.rglob("*") if path.is_file())
    admitted.forget()

    assert {"hello", "joining", "snapshot"} <= heard.keys()
    assert len(network_key) == 32
    for form in (network_key, network_key.hex().encode(), b64u(network_key).encode()):
        assert not [path for path, data in heard.items() if form in data]
        assert form not in written


def _insider(place: Place) -> tuple[PeerAuthentication, str]:
    """A participant that answers with its own keys, and lies."""
    node = place.nodes["customs"]
    genesis = networks.verify(node.data / "network").genesis
    card = networks.read_card(place.directory.card)
    known = {**genesis.governance.participants, card.did: card}
    history = GovernanceHistory([(0, replace(genesis.governance, participants=known))])
    keys = Keys.load(node.data, node.party.did, PASSPHRASE)
    return PeerAuthentication(genesis.network_id, history, keys.did, (keys.signer("transport"),)), keys.did


def _answering(place: Place, lie: str, answer: Callable[[bytes], bytes]) -> Liar:
    """An insider that answers one kind of question itself."""
    authentication, _ = _insider(place)

    def liar(path: str, body: bytes, forward: Forward) -> bytes:
        if path != lie:
            return forward()
        sender, nonce, asked = authentication.open_request(body, path)
        return authentication.reply(sender, nonce, path, answer(asked))

    return liar


def test_a_participant_that_seals_another_key_is_found_out(admitted: Place) -> None:
    """
    The network key is the one whose check value stands in genesis; no other is kept.
    """
    liar = _answering(admitted, "joining", lambda _: encode([b"k" * 32, {}]))

    with lying(admitted.nodes["customs"], liar) as url:
        assert "a key that is not this network's" in admitted.refused(url)


def test_a_ledger_from_before_the_admission_is_refused(admitted: Place) -> None:
    """
    An older ledger, whole and cosigned, is not the one of the fingerprint.
    """
    rows = admitted.older.read_bytes()

    def old(asked: bytes) -> bytes:
        match decode(asked):
            case [_, int(offset), _]:
                return encode([1, len(rows), rows[offset : offset + (1 << 20)]])
        raise AssertionError(asked)

    with lying(admitted.nodes["customs"], _answering(admitted, "snapshot", old)) as url:
        assert "an older one: ask another peer" in admitted.refused(url)


def test_a_peer_that_is_silent_is_given_up(admitted: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nobody waits for ever: not for a first word, and not for the next byte.
    """
    monkeypatch.setattr(joining, "ANSWER_S_MAX", 0.5)
    over = threading.Event()

    def silent(path: str, body: bytes, forward: Forward) -> bytes:
        over.wait(180.0)
        return b""

    with lying(admitted.nodes["eu"], silent) as url:
        assert "no node answers at" in admitted.refused(url)
        over.set()


# -- what the newcomer brings ----------------------------------------------------------------------------


def test_another_fingerprint_is_refused_before_anything_is_taken(admitted: Place) -> None:
    """
    Mistyped, of another network, or of a log that the peer does not hold yet: each says what to do.
    """
    size, digest = admitted.told.split("-")
    eu = admitted.nodes["eu"].url
    other = f"{size}-{'0' * 64}"

    assert "that is no fingerprint" in admitted.refused(eu, digest)
    assert "compare it with your sponsor" in admitted.refused(eu, other)
    assert "ask again in a moment" in admitted.refused(eu, f"999999-{digest}")


def test_who_is_not_admitted_yet_is_told_to_wait(admitted: Place, tmp_path: Path) -> None:
    """
    The right fingerprint opens nothing without an admission: wait, and who knows whose turn it is.
    """
    early = Node(
        Party("early", "EU", ("importer",)), tmp_path / "early", 0, admitted.newcomer.passphrase_file
    )
    made = ["--did", early.party.did, "--name", "early", "--jurisdiction", "EU", "--role", "importer"]
    assert comity("init", "--data", early.data, *made, "--passphrase-file", early.passphrase_file) == 0

    refused = replace(admitted, newcomer=early).refused(admitted.nodes["eu"].url)

    assert "did:web:early.example is not a participant" in refused and "wait: your sponsor sees" in refused


@pytest.mark.parametrize("member", ["recovery", "roles"])
def test_a_card_altered_on_its_way_is_noticed_by_its_owner(admitted: Place, member: str) -> None:
    """
    What the ledger says of the newcomer is not what its card says: it does not join, and says what to do.
    """
    path = admitted.directory.card
    good = path.read_bytes()
    other: dict[str, Any] = {"recovery": b"r" * 32, "roles": ("manufacturer", "importer")}
    path.write_bytes(write_card(replace(networks.read_card(path), **{member: other[member]})))
    try:
        refused = admitted.refused(admitted.nodes["eu"].url)
    finally:
        path.write_bytes(good)

    assert f"altered on its way: {member} of did:web:forge.example" in refused


def test_who_joined_is_not_joined_twice(admitted: Place) -> None:
    """
    A second time changes nothing.
    """
    eu = admitted.nodes["eu"].url
    assert admitted.join(eu) > 0
    before = (admitted.newcomer.data / "ledger.db").read_bytes()

    with pytest.raises(SetupError, match="has joined the network test already: start its node"):
        admitted.join(eu)

    assert (admitted.newcomer.data / "ledger.db").read_bytes() == before
    admitted.forget()


def test_a_join_that_was_killed_is_begun_again(admitted: Place) -> None:
    """
    Killed while it waits for the ledger; or, with the ledger there, before the network has its name.
    """
    reached, over = threading.Event(), threading.Event()

    def waiting(path: str, body: bytes, forward: Forward) -> bytes:
        if path == "snapshot":
            reached.set()
            over.wait(180.0)
        return forward()

    command = ["network", "join", "--data", admitted.newcomer.data, "--fingerprint", admitted.told]
    words = ["--passphrase-file", admitted.newcomer.passphrase_file]
    with lying(admitted.nodes["eu"], waiting) as url:
        child = subprocess.Popen([sys.executable, "-m", "node", *map(str, (*command, "--via", url, *words))])
        assert reached.wait(120.0)
        child.kill()
        child.wait()
        over.set()
    assert not (admitted.newcomer.data / "network").exists()
    (admitted.newcomer.data / "ledger.db").write_bytes(b"of a join that did not end")
    (admitted.newcomer.data / "network.new").mkdir()

    assert admitted.join(admitted.nodes["eu"].url) > 0

    assert not [p.name for p in admitted.newcomer.data.iterdir() if "joining" in p.name or ".new" in p.name]
    admitted.forget()
