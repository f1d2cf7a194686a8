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
from consensus.cose import SeedSigner, Signer
from consensus.evidence import FaultEvidence, evidence_of, evidence_of_checkpoints
from consensus.log_policy import LogPolicy
from consensus.receipt import VerifiedReceipt
from consensus.types import PRECOMMIT, PREVOTE, Vote
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.suites import eddsa
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import Governance, GovernanceHistory, key_name
from credentials.ledger.governance_proof import ProvenGovernance
from credentials.ledger.governance_records import records_of
from credentials.ledger.parties import Key
from credentials.ledger.trqp import read_utc
from node.answers import FaultRecord
from node.cli import comity
from node.cli.evidence import with_heard
from node.errors import ProblemError, SetupError
from node.issuing.accused import ByFiles, ByLedger, FaultInvalid, KnownThen
from node.issuing.faults import CREDENTIAL_TYPE, all_shown, verify_credential, verify_statements
from node.ledger.log_policies import LogPolicies
from node.peers.messages import ITEM_CONSENSUS
from node.receipts.checker import what_it_says
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


def known_by(node: LiveNode, history: GovernanceHistory) -> ByLedger:
    """What a ledger says that has this history, and the leaves and log policies of the node."""
    policies = LogPolicies(verify_network(node.data / "network").policy)
    return ByLedger(history, policies, node.service.stores.ledger)


@pytest.fixture(scope="module")
def known(node: LiveNode, genesis: Genesis) -> ByLedger:
    return known_by(node, genesis.history())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(comity, arguments, standalone_mode=False, env={"COMITY_PASSPHRASE": PASSPHRASE})


@pytest.fixture(scope="module")
def exported(recorded: dict[str, FaultEvidence], data: Path) -> dict[str, Any]:
    """The credential of each fault, as the command writes it."""
    listed = run("evidence", "list", "--data", str(data)).output.splitlines()
    assert len(listed) == 3
    made = {}
    for line in listed:
        credential = json.loads(run("evidence", "export", line.split()[0], "--data", str(data)).stdout)
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
    meanings = [what_it_says(row.entry) for row in rows]
    assert {(one.admitted, one.words.partition(" of ")[0]) for one in meanings} == {(False, "the record")}


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


@pytest.fixture(scope="module")
def given(node: LiveNode, exported: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words of a third party that has the network directory, and files that a node gives."""
    folder = tmp_path_factory.mktemp("given")
    height = max(found["credentialSubject"]["recorded_at"] for found in exported.values())
    proof = f"/governance/proof?height={height}"
    node.wait(lambda: node.get(proof).status_code == 200, "a cosigned checkpoint")
    (folder / "now.json").write_text(json.dumps(node.get_json(proof)))
    (folder / "epochs").write_text(node.get("/log/epochs").get_data(as_text=True))
    network = ["--genesis", str(node.data / "network")]
    return [*network, "--governance", str(folder / "now.json"), "--epochs", str(folder / "epochs")]


@pytest.mark.parametrize("kind", ["double_prevote", "amnesia", "checkpoints"])
def test_a_third_party_verifies_offline(
    kind: str, exported: dict[str, Any], given: list[str], data: Path, tmp_path: Path
) -> None:
    """
    `comity evidence verify FILE --genesis DIR --governance FILE --epochs FILE` says what is proven, up to
    when keys are known, and exits with 0, no node asked; so it does with a node's data directory. Genesis
    alone knows nothing of what changed since.
    """
    file = tmp_path / "fault.json"
    file.write_text(json.dumps(exported[kind]))

    for words in (given, ["--data", str(data)]):
        done = run("evidence", "verify", str(file), *words)
        assert done.return_value == 0, done.output
        assert done.output.startswith(f"proven: {DID} signed ")
        assert "as known after height " in done.output
    alone = run("evidence", "verify", str(file), *given[:2])
    assert "at least one --governance" in str(alone.exception)
    without_epochs = run("evidence", "verify", str(file), *given[:4])
    assert without_epochs.return_value == (1 if kind == "checkpoints" else 0)
    assert ("whose keys spoke for a log of 1000000 entries is not shown" in without_epochs.output) == (
        kind == "checkpoints"
    )


@pytest.mark.parametrize("kind", ["double_prevote", "amnesia", "checkpoints"])
def test_a_changed_export_proves_nothing(
    kind: str, exported: dict[str, Any], genesis: Genesis, known: KnownThen
) -> None:
    """
    Whatever is changed in the credential, it is not proven, with a reason.
    """
    good = exported[kind]
    verify_credential(good, genesis, known)
    random = Random(kind)
    for name, value in good["credentialSubject"].items():
        changed = copy.deepcopy(good)
        changed["credentialSubject"][name] = 7 if isinstance(value, int) else "did:web:other.example"
        with pytest.raises(FaultInvalid):
            verify_credential(changed, genesis, known)
    for _ in range(40):
        text = list(good["credentialSubject"]["evidence"])
        at = random.randrange(len(text))
        text[at] = "A" if text[at] != "A" else "B"
        changed = copy.deepcopy(good)
        changed["credentialSubject"]["evidence"] = "".join(text)
        with pytest.raises(FaultInvalid):
            verify_credential(changed, genesis, known)
    for missing in ("proof", "issuer", "type", "credentialSubject"):
        with pytest.raises(FaultInvalid):
            verify_credential({k: v for k, v in good.items() if k != missing}, genesis, known)


def test_an_exporter_cannot_accuse_with_its_own_signature(
    exported: dict[str, Any], data: Path, given: list[str], tmp_path: Path
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

    done = run("evidence", "verify", str(file), *given)
    assert done.return_value == 1
    assert "is not signed by" in done.output


def test_what_is_on_record_is_not_listed_as_heard_too(
    node: LiveNode, recorded: dict[str, FaultEvidence]
) -> None:
    """
    A node that answers while a block records a fault may still name it as one that no block has.
    """
    shown = all_shown((), node.service.stores.ledger.leaves.evidence())
    late: list[FaultRecord] = [{**fault, "leaf_index": None} for fault in shown]
    heard: FaultRecord = {**late[0], "digest": "A" * 43}

    assert len(shown) == len(recorded)
    assert with_heard(shown, [*late, heard]) == [*shown, heard]


def test_an_unknown_digest_is_one_sentence(recorded: dict[str, FaultEvidence], data: Path) -> None:
    """
    Exporting what is not on the record is refused with what to do.
    """
    done = run("evidence", "export", "A" * 43, "--data", str(data))

    assert done.exception is not None
    assert "comity evidence list" in str(done.exception)
    for text in ("XX", "not one", "A" * 42):
        mistyped = run("evidence", "export", text, "--data", str(data)).exception
        assert isinstance(mistyped, ProblemError) and mistyped.code == "digest_malformed"


def test_an_export_is_a_verifiable_credential_of_a_fault(exported: dict[str, Any]) -> None:
    """
    Whoever reads credentials reads it: its first type is that of the data model, its second says what it is.
    """
    assert exported
    assert all(found["type"] == ["VerifiableCredential", CREDENTIAL_TYPE] for found in exported.values())


def test_an_exporter_cannot_put_other_words_around_the_evidence(
    exported: dict[str, Any], data: Path, genesis: Genesis, known: KnownThen
) -> None:
    """
    Signed properly, with good evidence inside, and said of another height: only what is proven may be said.
    """
    keys = Keys.load(data, DID, PASSPHRASE)
    document = {k: v for k, v in exported["amnesia"].items() if k != "proof"}
    document["credentialSubject"] = {**document["credentialSubject"], "height": 2}
    signed = eddsa.sign(document, keys.signer("credential"), "2026-11-21T00:00:00Z")

    with pytest.raises(FaultInvalid, match=r"^it says something else than the evidence inside$"):
        verify_credential(signed, genesis, known)


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
    node: LiveNode, genesis: Genesis, data: Path
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

    governed = GovernanceHistory([(0, first), (5, after)], 9)
    verify_statements(evidence, genesis, known_by(node, governed))
    with pytest.raises(FaultInvalid, match="was no validator of this network then"):
        verify_statements(replace(evidence, validator=other), genesis, known_by(node, governed))


NEW_VOTE = SeedSigner(f"{DID}#vote-2", b"\x11" * 32)
ROTATED_AT, TIME = 5, 1_900_000_000


def rotated(first: Governance, **old: Any) -> Governance:
    """The node's party with another vote key, the old one ended so."""
    party = first.participants[DID]
    keys = [replace(key, **old) if key.role == "vote" else key for key in party.keys]
    new = Key("vote", NEW_VOTE.key_id, NEW_VOTE.public_key, TIME)
    return replace(first, participants={**first.participants, DID: replace(party, keys=(*keys, new))})


def double_vote(genesis: Genesis, governance: Governance, signer: Signer, height: int) -> FaultEvidence:
    """Two prevotes at a height, signed for the validators of this governance."""

    def vote(value: bytes) -> Vote:
        made = Vote(PREVOTE, height, 0, -1, value, DID)
        signature = signer.sign(made.signed_bytes(genesis.network_id, governance.validators.hash))
        return replace(made, signature=signature)

    found = evidence_of(vote(V), vote(W))
    assert found is not None
    return found


def by_files(genesis: Genesis, history: GovernanceHistory, receipt: VerifiedReceipt | None = None) -> ByFiles:
    """Proofs of each height from before the change to some blocks later."""
    first, start = genesis.governance, TIME - ROTATED_AT
    proofs = {h: ProvenGovernance(h, start + h, 0, records_of(history.at(h + 1))) for h in range(1, 9)}
    return ByFiles(genesis, proofs, LogPolicy.parse(first.log_policy(genesis.origin)), receipt)


@pytest.mark.parametrize("how", ["ledger", "files"])
@pytest.mark.parametrize(
    ("at", "proven"), [((3, "old"), True), ((7, "new"), True), ((7, "old"), False), ((3, "new"), False)]
)
def test_a_fault_is_judged_by_the_keys_of_its_height(
    how: str, at: tuple[int, str], proven: bool, node: LiveNode, genesis: Genesis
) -> None:
    """
    After a rotation: votes of before with the old key, votes of since with the new one; neither otherwise.
    """
    after = rotated(genesis.governance, valid_until=TIME)
    history = GovernanceHistory([(0, genesis.governance), (ROTATED_AT, after)], 8)
    height, key = at
    signer = NEW_VOTE if key == "new" else Keys.load(node.data, DID, PASSPHRASE).signer("vote")
    evidence = double_vote(genesis, history.at(height), signer, height)
    known = known_by(node, history) if how == "ledger" else by_files(genesis, history)

    if proven:
        verify_statements(evidence, genesis, known)
    else:
        with pytest.raises(FaultInvalid, match="with the keys it had then"):
            verify_statements(evidence, genesis, known)


def test_who_decided_a_block_is_shown_by_the_proof_of_the_one_before(genesis: Genesis, data: Path) -> None:
    """
    Offline, without that proof, nothing is said of the fault, and the sentence names the command.
    """
    evidence = double_vote(genesis, genesis.governance, Keys.load(data, DID, PASSPHRASE).signer("vote"), 4)
    known = by_files(genesis, genesis.history())

    verify_statements(evidence, genesis, known)
    lacking = replace(known, proofs={h: proof for h, proof in known.proofs.items() if h != 3})
    with pytest.raises(FaultInvalid, match=r"who decided block 4 is not shown: .*governance prove 3"):
        verify_statements(evidence, genesis, lacking)


@pytest.mark.parametrize("how", ["ledger", "files"])
def test_under_a_stolen_key_only_what_was_on_the_record_before_counts(
    how: str, node: LiveNode, genesis: Genesis, recorded: dict[str, FaultEvidence]
) -> None:
    """
    Whoever stole a vote key signs for any height, long past ones too: what is not shown to be older than the
    theft proves nothing; what is on the record since before it proves what it did.
    """
    evidence = recorded["double"]
    store = node.service.stores.ledger
    row = next(row for row in store.leaves.evidence() if row.entry == evidence.encode())
    at = store.block_times([row.height])[row.height]
    receipt = VerifiedReceipt(evidence.encode(), None, 1, 2, bytes(32), "", {}, at, {}, ())

    def known(stolen: int, shown: VerifiedReceipt | None = receipt) -> KnownThen:
        after = rotated(genesis.governance, valid_until=stolen + 1, compromised_from=stolen)
        history = GovernanceHistory([(0, genesis.governance), (ROTATED_AT, after)], 8)
        return known_by(node, history) if how == "ledger" else by_files(genesis, history, shown)

    verify_statements(evidence, genesis, known(at + 1))
    other = double_vote(genesis, genesis.governance, Keys.load(node.data, DID, PASSPHRASE).signer("vote"), 2)
    for stolen, shown in ((at, evidence), (at + 1, other)):
        with pytest.raises(FaultInvalid, match=f"{DID}#vote-1 was stolen by"):
            verify_statements(shown, genesis, known(stolen))
    if how == "files":
        with pytest.raises(FaultInvalid, match="was stolen by"):
            verify_statements(evidence, genesis, known(at + 1, None))


def test_whoever_exports_signs_with_a_key_in_force(
    exported: dict[str, Any], node: LiveNode, genesis: Genesis
) -> None:
    """
    A credential key that had ended, or was stolen by then, vouches for no export.
    """
    first, good = genesis.governance, exported["amnesia"]
    party, made = first.participants[DID], read_utc(good["validFrom"])

    def verified(**ended: Any) -> None:
        keys = tuple(replace(k, **ended) if k.role == "credential" else k for k in party.keys)
        after = replace(first, participants={**first.participants, DID: replace(party, keys=keys)})
        verify_credential(good, genesis, known_by(node, GovernanceHistory([(0, after)])))

    verified(valid_until=made + 1)
    verified(compromised_from=made + 1)
    for ended in ({"valid_until": made}, {"compromised_from": made}):
        with pytest.raises(FaultInvalid, match="was not in force when this was made"):
            verified(**ended)
