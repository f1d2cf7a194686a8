"""Every key of a validator is replaced while the network runs: nothing is started again, nothing is lost."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from node.peers.certificates import PEER_NAME, UntrustedPeer, require_peer
from node.setup.keystore import ROLES, Keys
from tests.harness.net.batteries import issue, wait_receipted
from tests.harness.net.harness import CN, CUSTOMS, EU, MAKER, PASSPHRASE, Node, comity, found, wait

pytestmark = pytest.mark.check

DID = MAKER.did
SERIALS = count(1)
PARTIES = (MAKER, CN, EU, CUSTOMS)


@dataclass
class Net:
    """A running network and what its operators type."""

    nodes: dict[str, Node]
    capsys: pytest.CaptureFixture[str]

    @property
    def maker(self) -> Node:
        return self.nodes["maker"]

    def keys(self, *words: str, code: int = 0) -> str:
        """`comity keys ...` of the maker; what it prints."""
        node = self.maker
        opened: list[str | Path] = ["--data", node.data, "--recovery", node.data / "recovery.enc"]
        self.capsys.readouterr()
        assert comity("keys", *words, *opened, "--passphrase-file", node.passphrase_file) == code
        return self.capsys.readouterr().out

    def approve(self, told: str, *who: str) -> None:
        """By these authorities, and until it governs at the last of them; by none where none is needed."""
        digest = re.findall(r"^proposal (\S+)[ :]", told, re.M)[-1].rstrip(":")
        for name in who:
            node = self.nodes[name]
            wait("the proposal", lambda: node.status_of(f"/governance/proposals/{digest}") == 200)  # noqa: B023
            assert comity("network", "approve", digest, "--data", node.data, "--yes") == 0
        shown = self.nodes[who[-1] if who else "eu"]
        path = f"/governance/proposals/{digest}"
        wait("the decision", lambda: shown.get(path)["outcome"] != "open")
        over = shown.get(path)
        assert over["outcome"] == "decided", over
        self.until(shown, over["in_force"])

    def until(self, node: Node, height: int) -> None:
        """That height governs: its block comes by itself."""
        wait("the blocks that a decision asks for", lambda: node.get("/governance")["height"] >= height)

    def passport(self, by: str | None = "maker") -> str:
        """A passport, issued and receipted by a quorum; its digest. Without the maker: some other act."""
        number = next(SERIALS)
        if by is not None:
            digest = str(issue(self.maker, 9_000_000 + number)["digest"])
            wait_receipted(self.maker, digest)
            return digest
        node = self.nodes["eu"]
        before = node.height()
        words = ("network", "propose", "limits", f"per_issuer_per_day_max={5000 + number}")
        assert comity(*words, "--data", node.data, "--yes") == 0
        wait("a block", lambda: node.height() > before)
        return ""

    def open_keys(self, at: str = "eu") -> dict[str, Any]:
        """{role: its newest key on record}, as another node shows it."""
        parties = self.nodes[at].get("/governance")["participants"]
        own = next(p for p in parties if p["did"] == DID)
        return {k["role"]: k for k in own["keys"]}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    made = found(tmp_path_factory.mktemp("live"), PARTIES, tls=True, forked=True)
    try:
        for node in made.values():
            node.start()
        for node in made.values():
            node.wait_ready()
        yield made
    finally:
        for node in made.values():
            node.stop()


@pytest.fixture
def net(nodes: dict[str, Node], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Net:
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    return Net(nodes, capsys)


def uses(net: Net, role: str, number: int) -> list[Any]:
    """What an entry on the log rests on this key, as another node finds it."""
    kid = quote(f"{DID}#{role}-{number}", safe="")
    return list(net.nodes["eu"].get(f"/governance/key-uses?key={kid}&since=0")["uses"])


def vouchers(node: Node) -> list[bytes]:
    """Public transport keys on record that vouch for the certificate that a node shows now."""
    host = ssl.create_default_context()
    host.check_hostname, host.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", node.port), timeout=60) as plain,
        host.wrap_socket(plain, server_hostname=PEER_NAME) as shown,
    ):
        der = shown.getpeercert(binary_form=True)
    assert der is not None
    held = Keys.load(node.data, node.party.did, PASSPHRASE)
    found = []
    for number in held.numbers("transport"):
        public = held.signer("transport", number).public_key
        with suppress(UntrustedPeer):
            require_peer(der, node.party.did, [public], time.time())
            found.append(public)
    return found


def printed(net: Net, *words: str | Path, code: int = 0) -> str:
    """A command and its output."""
    net.capsys.readouterr()
    assert comity(*words) == code
    got = net.capsys.readouterr()
    return got.out + got.err


def kept_receipt(net: Net, digest: str) -> Path:
    """A file with it, as it is now."""
    path = net.maker.data.parent / f"{digest}.receipt"
    path.write_text(net.maker.get(f"/receipts/{digest}"))
    return path


def led(net: Net, receipt: Path, by: str = "eu", *, asked_for: bool = False, code: int = 0) -> str:
    """A device that has the founding policy and a file of another node verifies a receipt."""
    root = net.maker.data.parent
    file, old = root / "log.epochs", root / "network" / "log.policy"
    wanted: list[str | Path] = ["--for", receipt] if asked_for else []
    wait("each epoch's last checkpoint", lambda: net.nodes[by].status_of("/log/epochs") == 200)
    printed(net, "log", "epochs", "--data", net.nodes[by].data, "-o", file, *wanted)
    printed(net, "log", "walk", old, file, "-o", root / "newest.policy")
    return printed(net, "receipt", "verify", receipt, "--policy", old, "--epochs", file, code=code)


def test_every_key_of_a_validator_is_replaced_while_it_votes(net: Net) -> None:
    """
    One proposal for all six roles, made after the node was killed between keys.enc and the ledger. From its
    height on the node attests, signs passports, is heard by peers, shows a certificate of the new key, votes
    and cosigns with the new keys: with another validator ended, no block and no checkpoint comes without it.
    """
    first = kept_receipt(net, net.passport())
    net.keys("rotate", *ROLES, "--json")  # the keys are in keys.enc, and nothing is proposed
    net.maker.kill()
    net.maker.start()
    net.maker.wait_ready()
    net.passport()
    assert Keys.load(net.maker.data, DID, PASSPHRASE).numbers("vote") == (1, 2)
    process = net.maker.process

    net.approve(net.keys("rotate", *ROLES, "--yes"), "cn", "eu")

    assert {k["id"].partition("#")[2] for k in net.open_keys().values()} == {f"{r}-2" for r in ROLES}
    for role in ("vote", "cosign"):
        net.maker.wait_for("key_destroyed", key=f"{DID}#{role}-1")
        assert Keys.load(net.maker.data, DID, PASSPHRASE).numbers(role) == (2,)
    net.nodes["customs"].stop()
    digests = [net.passport() for _ in range(3)]
    assert uses(net, "attest", 2) and uses(net, "credential", 2)
    named = {use["document_digest"] for use in uses(net, "attest", 1)}
    assert named.isdisjoint(digests)
    wait("a certificate of the new key", lambda: len(vouchers(net.maker)) == 2)
    assert net.maker.process is process and process is not None and process.poll() is None
    later = kept_receipt(net, digests[-1])
    assert "valid" in led(net, first) and "valid" in led(net, later)
    old = net.maker.data.parent / "network" / "log.policy"
    newest = net.maker.data.parent / "newest.policy"
    assert newest.read_bytes() != old.read_bytes()
    assert "not valid" in printed(net, "receipt", "verify", later, "--policy", old, code=1)
    assert "valid" in printed(net, "receipt", "verify", later, "--policy", newest)
    net.nodes["customs"].start()
    net.nodes["customs"].wait_ready()
    net.passport()


def test_a_node_that_was_killed_before_the_decision_is_heard_by_those_that_know_it(net: Net) -> None:
    """
    Its transport key is said to be compromised and its other keys replaced while it is down: it knows the old
    ones only, peers believe the new ones only, and it catches up, votes and attests all the same.
    """
    net.nodes["customs"].stop()
    later = kept_receipt(net, net.passport())  # its quorum needs the key that is lost
    net.nodes["customs"].start()
    net.nodes["customs"].wait_ready()
    rotating = net.keys("compromised", "transport", "vote", "cosign", "log", "--from", "1", "--yes")
    net.maker.kill()
    net.approve(rotating, "cn", "eu")
    net.passport(by=None)

    net.maker.start()
    net.maker.wait_ready()
    net.nodes["customs"].stop()
    net.passport()
    assert "somebody else may have used" in led(net, later, code=1)
    for by in ("eu", "maker"):
        assert "valid" in led(net, later, by, asked_for=True)

    assert net.open_keys()["transport"]["id"] == f"{DID}#transport-3"
    net.nodes["customs"].start()
    net.nodes["customs"].wait_ready()
