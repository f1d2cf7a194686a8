"""A validator's fault on a real node: recorded, shown, exported, verified by somebody with genesis alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result

from consensus.checkpoint import Checkpoint, SignedNote, cosign_line
from consensus.evidence import FaultEvidence, evidence_of, evidence_of_checkpoints
from consensus.types import PRECOMMIT, PREVOTE, Vote
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.suites import eddsa
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import GovernanceHistory, key_name
from node.cli import comity
from node.errors import SetupError
from node.issuing.faults import CREDENTIAL_TYPE, FaultInvalid, verify_credential, verify_statements
from node.peers.messages import ITEM_CONSENSUS
from node.setup.keystore import Keys, seal_to
from node.setup.network import open_network_key
from node.setup.network import verify as verify_network
from tests.harness.support_service import DID, PASSPHRASE, LiveNode, live_node

V, W = sha256(b"v").digest(), sha256(b"w").digest()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.fixture(scope="module")
def data(node: LiveNode) -> Path:
    return node.data


@pytest.fixture(scope="module")
def genesis(data: Path) -> Genesis:
    return verify_network(data / "network").genesis


def faults(keys: Keys, genesis: Genesis) -> dict[str, FaultEvidence]:
    """What the node's own keys sign twice, as a validator that was broken into would."""

    def sign(vote: Vote) -> Vote:
        message = vote.signed_bytes(genesis.network_id, genesis.governance.validators.hash)
        return replace(vote, signature=keys.signer("vote").sign(message))

    def note(root: bytes) -> SignedNote:
        checkpoint = Checkpoint(genesis.origin, 1_000_000, root)
        line = cosign_line(checkpoint, key_name(DID), 1_800_000_000, keys.signer("cosign"))
        return SignedNote(checkpoint.body(), (line,))

    made = {
        "double": evidence_of(*(sign(Vote(PREVOTE, 1, 9, -1, value, DID)) for value in (V, W))),
        "amnesia": evidence_of(
            sign(Vote(PRECOMMIT, 1, 8, -1, V, DID)), sign(Vote(PREVOTE, 1, 11, 3, W, DID))
        ),
        "checkpoints": evidence_of_checkpoints(DID, note(V), note(W)),
    }
    return {name: evidence for name, evidence in made.items() if evidence is not None}


@pytest.fixture(scope="module")
def recorded(node: LiveNode, data: Path, genesis: Genesis) -> dict[str, FaultEvidence]:
    """Each kind of fault, told by a peer, in a block."""
    found = faults(Keys.load(data, DID, PASSPHRASE), genesis)
    assert len(found) == 3
    engine = node.service.engine
    engine.peer_items(DID, [[ITEM_CONSENSUS, evidence.encode()] for evidence in found.values()])
    node.wait(lambda: len(node.service.stores.ledger.leaves.evidence()) == 3, "the record")
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(comity, arguments, standalone_mode=False, env={"COMITY_PASSPHRASE": PASSPHRASE})


@pytest.fixture(scope="module")
def exported(recorded: dict[str, FaultEvidence], data: Path) -> dict[str, Any]:
    """The credential of each fault, as the command writes it."""
    listed = run("evidence", "list", "--data", str(data)).output.splitlines()
    assert len(listed) == 3
    made = {}
    for line in listed:
        credential = json.loads(run("evidence", "export", line.split()[0], "--data", str(data)).output)
        made[credential["credentialSubject"]["kind"]] = credential
    return made


def test_the_record_holds_each_fault_once(node: LiveNode, recorded: dict[str, FaultEvidence]) -> None:
    """
    A fault that a peer tells is a leaf of the log; told again, it stays one.
    """
    node.service.engine.peer_items(DID, [[ITEM_CONSENSUS, recorded["double"].encode()]] * 3)
    rows = node.service.stores.ledger.leaves.evidence()

    assert {row.entry for row in rows} == {evidence.encode() for evidence in recorded.values()}
    assert {row.digest for row in rows} == {evidence.id for evidence in recorded.values()}
    assert all(row.type == "evidence" for row in rows)


def test_the_operations_page_shows_faults(node: LiveNode, recorded: dict[str, FaultEvidence]) -> None:
    """
    /status names who did what, where and when it was recorded, for programs and for people.
    """
    told = node.get_json("/status")["evidence"]
    page = node.person.get("/status", headers={"accept": "text/html"}).get_data(as_text=True)

    assert {(f["kind"], f["validator"]) for f in told} == {(e.kind, DID) for e in recorded.values()}
    assert all(fault["recorded_at"] for fault in told)
    for words in ("two prevotes in one round", "a vote against its own lock", "two log seals for one size"):
        assert words in page


@pytest.mark.parametrize("kind", ["double_prevote", "amnesia", "checkpoints"])
def test_a_third_party_verifies_with_genesis_alone(
    kind: str, exported: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    """
    `comity evidence verify FILE --genesis DIR` says what is proven and exits with 0; no node is asked.
    """
    file = tmp_path / "fault.json"
    file.write_text(json.dumps(exported[kind]))

    done = run("evidence", "verify", str(file), "--genesis", str(data / "network"))
    assert done.return_value == 0, done.output
    assert done.output.startswith(f"proven: {DID} signed ")


@pytest.mark.parametrize("kind", ["double_prevote", "amnesia", "checkpoints"])
def test_a_changed_export_proves_nothing(kind: str, exported: dict[str, Any], genesis: Genesis) -> None:
    """
    Whatever is changed in the credential, it is not proven, with a reason.
    """
    good = exported[kind]
    verify_credential(good, genesis, genesis.history())
    random = Random(kind)
    for name, value in good["credentialSubject"].items():
        changed = copy.deepcopy(good)
        changed["credentialSubject"][name] = 7 if isinstance(value, int) else "did:web:other.example"
        with pytest.raises(FaultInvalid):
            verify_credential(changed, genesis, genesis.history())
    for _ in range(40):
        text = list(good["credentialSubject"]["evidence"])
        at = random.randrange(len(text))
        text[at] = "A" if text[at] != "A" else "B"
        changed = copy.deepcopy(good)
        changed["credentialSubject"]["evidence"] = "".join(text)
        with pytest.raises(FaultInvalid):
            verify_credential(changed, genesis, genesis.history())
    for missing in ("proof", "issuer", "type", "credentialSubject"):
        with pytest.raises(FaultInvalid):
            verify_credential({k: v for k, v in good.items() if k != missing}, genesis, genesis.history())


def test_an_exporter_cannot_accuse_with_its_own_signature(
    exported: dict[str, Any], data: Path, genesis: Genesis, tmp_path: Path
) -> None:
    """
    A credential properly signed by a participant, around statements that the accused did not sign, is
    refused, and the command exits with 1.
    """
    keys = Keys.load(data, DID, PASSPHRASE)
    evidence = FaultEvidence.decode(
        b64u_decode(exported["amnesia"]["credentialSubject"]["evidence"], "evidence")
    )
    unsigned = (evidence.statements[0][:-64] + bytes(64), evidence.statements[1])
    document = {k: v for k, v in exported["amnesia"].items() if k != "proof"}
    accusation = replace(evidence, statements=unsigned)
    document["credentialSubject"] = {**document["credentialSubject"], "evidence": b64u(accusation.encode())}
    signed = eddsa.sign(document, keys.signer("credential"), "2026-11-21T00:00:00Z")
    file = tmp_path / "accusation.json"
    file.write_text(json.dumps(signed))

    done = run("evidence", "verify", str(file), "--genesis", str(data / "network"))
    assert done.return_value == 1
    assert "is not signed by" in done.output


def test_an_unknown_digest_is_one_sentence(recorded: dict[str, FaultEvidence], data: Path) -> None:
    """
    Exporting what is not on the record is refused with what to do.
    """
    done = run("evidence", "export", "A" * 43, "--data", str(data))

    assert done.exception is not None
    assert "comity evidence list" in str(done.exception)


def test_an_export_is_a_verifiable_credential_of_a_fault(exported: dict[str, Any]) -> None:
    """
    Whoever reads credentials reads it: its first type is that of the data model, its second says what it is.
    """
    assert all(found["type"] == ["VerifiableCredential", CREDENTIAL_TYPE] for found in exported.values())


def test_an_exporter_cannot_put_other_words_around_the_evidence(
    exported: dict[str, Any], data: Path, genesis: Genesis
) -> None:
    """
    Signed properly, with good evidence inside, and said of another height: only what is proven may be said.
    """
    keys = Keys.load(data, DID, PASSPHRASE)
    document = {k: v for k, v in exported["amnesia"].items() if k != "proof"}
    document["credentialSubject"] = {**document["credentialSubject"], "height": 2}
    signed = eddsa.sign(document, keys.signer("credential"), "2026-11-21T00:00:00Z")

    with pytest.raises(FaultInvalid, match=r"^it says something else than the evidence inside$"):
        verify_credential(signed, genesis, genesis.history())


def test_a_network_key_that_is_not_the_networks_is_refused(data: Path, genesis: Genesis) -> None:
    """
    Sealed to this node, but another than genesis names: the node does not start, and says so.
    """
    keys = Keys.load(data, DID, PASSPHRASE)
    sealed = seal_to(keys.public_keys()["transport"], b"k" * 32)
    other = replace(genesis, sealed_network_keys={DID: sealed})

    with pytest.raises(SetupError, match=r"^this node cannot start: .{10}"):
        open_network_key(other, keys)


def test_who_votes_no_more_is_accused_by_the_keys_it_had_and_nobody_who_never_voted(
    genesis: Genesis, data: Path
) -> None:
    """
    Rival checkpoints of a validator that was voted out prove its fault as before; those of a participant that
    never voted prove none.
    """
    keys = Keys.load(data, DID, PASSPHRASE)
    evidence = faults(keys, genesis)["checkpoints"]
    first = genesis.governance
    other = "did:web:other.example"
    heir = replace(
        first.participants[DID],
        did=other,
        keys=tuple(
            replace(k, id=k.id.replace(DID, other), public=bytes([n + 1]) * len(k.public))
            for n, k in enumerate(first.participants[DID].keys)
        ),
    )
    after = replace(first, participants={**first.participants, other: heir}, validator_dids=(other,))

    verify_statements(evidence, genesis, GovernanceHistory([(0, first), (5, after)], 9))
    with pytest.raises(FaultInvalid, match="was no validator of this network then"):
        verify_statements(evidence, genesis, GovernanceHistory([(0, after)], 9))
