"""SECURITY.md at running processes: stolen vote, cosign and log keys, a quorum of these, a key file."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    Checkpoint,
    NoteKey,
    SignedNote,
    cosign_line,
    sign_log_line,
)
from consensus.cose import Signer
from consensus.encoding import encode
from consensus.evidence import evidence_of
from consensus.log_policy import LogPolicy, make_policy
from consensus.merkle import Tree, leaf_hash
from consensus.receipt import Receipt, make_receipt
from consensus.types import PREVOTE, CommitCertificate, Vote
from consensus.validators import ValidatorSet
from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import GovernanceAct, make_attestation
from credentials.ledger.genesis import Genesis
from credentials.ledger.genesis_table import accreditation_table
from credentials.ledger.governance import key_name
from credentials.ledger.governance_records import records_of
from credentials.ledger.governance_state import NAMESPACE, SCHEME
from credentials.ledger.proposals import propose
from node.config import DataDirectory, rule_files
from node.errors import SetupError
from node.peers.authentication import PeerAuthentication
from node.peers.messages import ITEM_ATTESTATION, ITEM_CONSENSUS
from node.setup.keystore import ROLES, Keys
from node.storage.ledger import LedgerStore
from tests.harness.net.harness import PASSPHRASE, Node, comity, found, wait
from tests.system.test_live_keys import PARTIES, Net, kept_receipt, led, printed

pytestmark = pytest.mark.check

LONG_AGO = 1_600_000_000


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    made = found(tmp_path_factory.mktemp("signatures"), PARTIES, forked=True)
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


def stolen(net: Net, *names: str) -> dict[str, Keys]:
    """What a thief copied: it has the newest keys."""
    return {name: Keys.load(net.nodes[name].data, net.nodes[name].party.did, PASSPHRASE) for name in names}


def told_of(net: Net, name: str, *roles: str, approving: tuple[str, ...] = ("cn", "eu")) -> None:
    """`comity keys compromised` at that node, approved by all; what no validator signs with by nobody."""
    data = net.nodes[name].data
    words = ("keys", "compromised", *roles, "--from", str(int(time.time()) - 60), "--yes")
    opened = ("--data", data, "--recovery", data / "recovery.enc")
    net.capsys.readouterr()
    assert comity(*words, *opened, "--passphrase-file", net.nodes[name].passphrase_file) == 0
    net.approve(net.capsys.readouterr().out, *approving)


def false_receipt(genuine: Path, by: Mapping[str, Keys], *, size: int = 2) -> Path:
    """The entry of a receipt in another log, cosigned long ago by whoever's keys these are."""
    log = next(iter(by.values()))
    receipt = Receipt.parse(genuine.read_text())
    entry, tree = receipt.entry, Tree()
    tree.extend([leaf_hash(entry), *[leaf_hash(b"the record of a block that never was")] * (size - 1)])
    origin = Checkpoint.parse(receipt.note.body).origin
    said = Checkpoint(origin, tree.size, tree.root())
    signers = {key_name(keys.did): newest(keys, "cosign") for keys in by.values()}
    by_log = newest(log, "log")
    lines = [sign_log_line(said, origin, by_log)]
    lines += [cosign_line(said, name, LONG_AGO, signer) for name, signer in signers.items()]
    keys = [(name, NoteKey(name, COSIGNATURE_KIND, s.public_key)) for name, s in signers.items()]
    content = make_policy(origin, [NoteKey(origin, LOG_KIND, by_log.public_key)], keys, len(keys))
    made = make_receipt(
        entry, None, 0, tree, SignedNote(said.body(), tuple(lines)), policy=LogPolicy.parse(content)
    )
    path = genuine.with_suffix(".false")
    path.write_text(made.text())
    return path


def newest(keys: Keys, role: str) -> Signer:
    """The last one that was copied."""
    return keys.signer(role, keys.numbers(role)[-1])


def with_false_time(genuine: Path, thief: Keys) -> Path:
    """A receipt whose checkpoint is the true one, and the thief's cosignature of it says: long ago."""
    receipt = Receipt.parse(genuine.read_text())
    said, name = Checkpoint.parse(receipt.note.body), key_name(thief.did)
    log, *others = receipt.note.signatures
    true = [s for s in others if s.name != name]
    line = cosign_line(said, name, LONG_AGO, newest(thief, "cosign"))
    made = replace(
        receipt,
        note=SignedNote(receipt.note.body, (log.line(), line, *(s.line() for s in true[: len(others) - 1]))),
    )
    path = genuine.with_suffix(".backdated")
    path.write_text(made.text())
    return path


def before(told: str) -> datetime:
    """The time that a verified receipt was recorded before."""
    words = re.findall(r"recorded before (\S+ \S+)", told)[0]
    return datetime.fromisoformat(words).replace(tzinfo=UTC)


def founding_policy(net: Net) -> Path:
    return net.maker.data.parent / "network" / "log.policy"


def founding(net: Net) -> Genesis:
    return Genesis.parse(founding_policy(net).with_name("genesis.toml").read_bytes(), rule_files())


def shown(net: Net, receipt: Path, code: int = 0) -> str:
    """`comity receipt verify` on a device that has the founding policy and nothing else."""
    return printed(net, "receipt", "verify", receipt, "--policy", founding_policy(net), code=code)


def test_stolen_cosign_and_log_keys_of_one_validator_end_with_keys_compromised(net: Net) -> None:
    """
    The thief makes a checkpoint of another log: it reaches no quorum. It cosigns a true one at a false time:
    the receipt verifies, and is "before" no earlier time than the honest ones give. After `comity keys
    compromised cosign log` and `comity log epochs`, a device with the founding policy refuses what the thief
    signs on later trees, and takes what it signed on earlier ones only where the tree is the log's.
    """
    honest = kept_receipt(net, net.passport())
    thief = stolen(net, "maker")
    assert "not valid" in shown(net, false_receipt(honest, thief), code=1)
    backdated = with_false_time(honest, thief["maker"])
    since = before(shown(net, honest))
    assert (since - before(shown(net, backdated))).total_seconds() < 60

    told_of(net, "maker", "cosign", "log")
    later = kept_receipt(net, net.passport())

    assert "somebody else may have used" in led(net, backdated, code=1)
    assert "valid" in led(net, backdated, asked_for=True)  # of a tree that the log went through
    assert "not valid" in led(net, false_receipt(honest, thief), code=1)
    assert "valid" in led(net, later)
    assert "not valid" in led(net, with_false_time(later, thief["maker"]), code=1)


def test_stolen_cosign_keys_of_a_quorum_end_with_keys_compromised_of_each(net: Net) -> None:
    """
    The thief makes a receipt of a log that nobody else sees: a device with the founding policy takes it.
    After `comity keys compromised cosign` at each and `comity log epochs` the same device refuses it, however
    it is shown, for its tree is none of the log's; so it does what the thief makes of its keys from now on.
    True receipts of the same keys count.
    """
    names = ("cn", "eu", "customs")
    first = kept_receipt(net, net.passport())
    thief = stolen(net, *names)
    false = false_receipt(first, thief)
    assert "recorded before 2020" in shown(net, false)

    for name in names:
        told_of(net, name, "cosign")
    net.passport()

    assert "somebody else may have used" in led(net, false, code=1)
    assert "of no tree that the log went through" in led(net, false, asked_for=True, code=1)
    assert "valid" in led(net, first, asked_for=True)
    later = kept_receipt(net, net.passport())
    again = false_receipt(later, thief, size=Receipt.parse(later.read_text()).size)
    assert "not valid" in led(net, again, asked_for=True, code=1)
    newest_policy = net.maker.data.parent / "newest.policy"
    assert "not valid" in printed(net, "receipt", "verify", again, "--policy", newest_policy, code=1)


def contradiction(thief: Keys, height: int, validators: ValidatorSet, network_id: bytes) -> bytes:
    """Two votes of a validator for one height and round, as whoever has its vote key signs them."""
    votes = []
    for value_id in (b"\1" * 32, b"\2" * 32):
        vote = Vote(PREVOTE, height, 0, -1, value_id, thief.did)
        signature = newest(thief, "vote").sign(vote.signed_bytes(network_id, validators.hash))
        votes.append(replace(vote, signature=signature))
    found = evidence_of(*votes)
    assert found is not None, "they contradict each other"
    return found.encode()


def voted(node: Node, height: int) -> set[str]:
    """Whose votes decided the block of this height, as that node holds it."""
    ledger = LedgerStore(DataDirectory(node.data).ledger)
    try:
        ((_, certificate),) = ledger.blocks(height, 1, 1 << 20)
    finally:
        ledger.close()
    decided = CommitCertificate.decode(certificate)
    return {vote.validator for vote in (*decided.precommits, *decided.polka)}


def test_a_stolen_vote_key_ends_with_a_set_of_validators_without_it(net: Net) -> None:
    """
    The thief of a validator's vote key signs two votes for one height: every node believes that the validator
    did it. After `comity network propose validators` without it nothing that the key signs of later heights
    is believed, the others decide each block by themselves, and passports get their receipts. What it signs
    of earlier heights is still held against its owner: `comity keys compromised vote` ends that too.
    """
    thief, others = stolen(net, "customs")["customs"], ("maker", "cn", "eu")
    customs, eu = net.nodes["customs"], net.nodes["eu"]
    genesis = founding(net)
    validators = genesis.governance.validators
    out = [replace(one, weight=0) for one in validators.validators if one.name == thief.did]

    def signs(height: int, validators: ValidatorSet) -> None:
        data = contradiction(thief, height, validators, genesis.network_id)
        said = encode([None, [[ITEM_CONSENSUS, data]]])
        Impostor(thief, "", eu, genesis).asks("messages", said)

    def on_record() -> int:
        return printed(net, "evidence", "list", "--data", eu.data).count(customs.party.did)

    signs(1, validators)
    wait("the fault on the record", lambda: on_record() == 1)

    net.capsys.readouterr()
    dids = [net.nodes[name].party.did for name in others]
    assert comity("network", "propose", "validators", *dids, "--data", eu.data, "--yes") == 0
    net.approve(net.capsys.readouterr().out, "cn")

    since = eu.get("/governance")["height"]
    signs(since, validators.updated(out))
    receipt = kept_receipt(net, net.passport())
    net.passport()
    assert on_record() == 1
    height = eu.height()
    assert height > since and voted(eu, height) == set(dids)
    assert "valid" in led(net, receipt)
    wait("the block at whoever votes no more", lambda: customs.height() >= height)

    signs(2, validators)
    wait("a fault of before on the record", lambda: on_record() == 2)
    told_of(net, "customs", "vote", approving=())
    signs(3, validators)
    net.passport()
    assert on_record() == 2


@dataclass(frozen=True)
class Impostor:
    """Whoever copied a participant's key file and knows its passphrase, at another participant's node."""

    keys: Keys
    operator_key: str
    at: Node
    genesis: Genesis

    @classmethod
    def of(cls, net: Net, folder: Path, at: str) -> Impostor:
        for name in ("keys.enc", "operator.key"):
            shutil.copy(net.maker.data / name, folder / name)
        keys = Keys.load(folder, net.maker.party.did, PASSPHRASE)
        return cls(keys, (folder / "operator.key").read_text().strip(), net.nodes[at], founding(net))

    def asks(self, path: str, body: bytes) -> int:
        """A signed request of a peer; its HTTP status."""
        transport = (newest(self.keys, "transport"),)
        known = PeerAuthentication(self.genesis.network_id, self.genesis.history(), self.keys.did, transport)
        data, _ = known.request(self.at.party.did, path, body)
        return self.at.pool.request("POST", f"{self.at.url}/peer/{path}", body=data).status

    def attests(self) -> str:
        """A proposal in that participant's name; its digest."""
        now, governance = int(time.time()), self.genesis.governance
        licence = replace(governance.accreditations[0], licence=f"stolen {now}")
        made = propose(
            self.genesis.network_id,
            records_of(governance),
            {("accreditation", licence.id): accreditation_table(licence)},
            expires=now + 1000,
            nonce=secrets.token_bytes(16),
        )
        data = make_attestation(
            signer=newest(self.keys, "attest"),
            iat=now,
            kind="governance.proposed",
            subject=Subject(SCHEME, NAMESPACE, made.digest),
            network_id=made.network_id,
            event_time=now,
            document_digest=made.digest,
            issuer=self.keys.did,
            governance=GovernanceAct(made.encode()),
        )
        self.asks("messages", encode([None, [[ITEM_ATTESTATION, data]]]))
        return b64u(made.digest)

    def opens_the_node(self, node: Node) -> bool:
        """With the operator's key that was copied."""
        bearer = {"Authorization": f"Bearer {self.operator_key}"}
        return node.pool.request("GET", f"{node.url}/keys", headers=bearer).status == 200


def test_a_stolen_key_file_with_its_passphrase_ends_with_another_passphrase_and_other_keys(
    net: Net, tmp_path: Path
) -> None:
    """
    The thief asks as that participant's node and attests in its name. After `comity keys passphrase`,
    `comity keys renew-operator` and `comity keys compromised` for every role nobody hears it, and what it
    finds in the key file from now on it cannot open.
    """
    thief, maker = Impostor.of(net, tmp_path, "eu"), net.maker
    assert thief.asks("blocks", encode([1, 1])) == 200 and thief.opens_the_node(maker)
    stated = thief.attests()
    wait("the thief's act", lambda: net.nodes["eu"].status_of(f"/governance/proposals/{stated}") == 200)
    new = tmp_path / "another passphrase"
    new.write_text("a sentence that nobody heard\n")

    opened = ("--data", maker.data, "--passphrase-file", maker.passphrase_file)
    changed = ("keys", "passphrase", *opened, "--new-passphrase-file", new)
    assert "in use by a running node" in printed(net, *changed, code=65)
    maker.stop()
    assert "opens with the new passphrase only" in printed(net, *changed)
    printed(net, "keys", "renew-operator", "--data", maker.data, "--passphrase-file", new)
    maker.passphrase_file = new
    maker.start()
    maker.wait_ready()
    recovered = ("--recovery-passphrase-file", net.nodes["eu"].passphrase_file)
    words = ("keys", "compromised", *ROLES, "--from", str(int(time.time()) - 60), "--yes")
    told = printed(net, *words, "--data", maker.data, "--passphrase-file", new,
                   "--recovery", maker.data / "recovery.enc", *recovered)  # fmt: skip
    net.approve(told, "cn", "eu")

    assert thief.asks("blocks", encode([1, 1])) == 401 and not thief.opens_the_node(maker)
    again = thief.attests()
    net.passport()
    assert net.nodes["eu"].status_of(f"/governance/proposals/{again}") == 404
    shutil.copy(maker.data / "keys.enc", tmp_path / "keys.enc")
    with pytest.raises(SetupError, match="the passphrase does not open"):
        Keys.load(tmp_path, maker.party.did, PASSPHRASE)
