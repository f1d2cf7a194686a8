"""SECURITY.md, what a stolen key allows: the thief acts first, the command is run, the thief is refused."""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from consensus.application import Refusal
from consensus.checkpoint import Checkpoint, NoteError, cosign_line, sign_log_line
from consensus.cose import SeedSigner, Signer
from consensus.encoding import decode, encode
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.types import PREVOTE, Vote, verify_vote
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.identifiers import Subject, read_identifier, subject
from credentials.documents.suites import eddsa
from credentials.ledger.attestation import GovernanceAct, StatusUpdate, make_attestation, status_subject
from credentials.ledger.genesis import write_card
from credentials.ledger.governance import key_name
from credentials.ledger.governance_state import NAMESPACE, SCHEME
from credentials.ledger.proposals import propose
from node.__main__ import run
from node.errors import ProblemError
from node.issuing.statements import stamp
from node.ledger.cosigner import Cosigning
from node.ledger.log_policies import LogPolicies
from node.peers.authentication import PeerAuthentication
from node.setup.keystore import Keys
from node.setup.network import open_network_key
from node.web.sample import sample_claims
from tests.harness.governed_node import (
    CN_AUTHORITY,
    DID,
    EU_AUTHORITY,
    GovernedNode,
    served_node,
)
from tests.harness.governing import Tables, recovery_signer, with_key
from tests.harness.ledger import IMPORTER
from tests.harness.support_service import CODE, PASSPHRASE
from tests.node.test_governance_cli import Shell

NUMBERS = count(1)

pytestmark = pytest.mark.check


@dataclass
class Theft:
    """A running node, its operator's command line, and a copy of its keys in other hands."""

    sh: Shell
    stolen: Keys

    @property
    def g(self) -> GovernedNode:
        return self.sh.g

    def signer(self, role: str) -> SeedSigner:
        """The key that the thief copied."""
        signer = self.stolen.signer(role, 1)
        assert isinstance(signer, SeedSigner)
        return signer

    def keys(self, *words: str) -> None:
        """`comity keys ...` with the recovery key, approved by the others where that is needed."""
        data = self.g.node.data
        self.approved(self.sh("keys", *words, "--data", data, "--recovery", data / "recovery.enc", "--yes"))

    def all_decide(self, *words: str | Path) -> None:
        """`comity network propose ...`, approved by every other authority."""
        self.approved(self.sh("network", "propose", *words, "--yes"))

    def approved(self, told: str) -> None:
        """What was just proposed, by the other authorities as far as it wants them; it is in force."""
        digest = re.findall(r"^proposal (\S+?):? ", told, re.M)[-1]
        for by in (EU_AUTHORITY, CN_AUTHORITY):
            if self.g.proposal(digest)["outcome"] == "open":
                self.g.act(by, "approved", digest)
        self.in_force(digest)

    def in_force(self, digest: str) -> None:
        over = self.g.until_over(digest)
        assert over["outcome"] == "decided", over
        while self.sh.now()["height"] < over["in_force"]:
            self.block()

    def block(self) -> None:
        """One more, with an act of the node's own party."""
        digest = self.g.propose(self.g.limits(9_000 + next(NUMBERS)))
        assert self.g.node.post_json(f"/governance/proposals/{digest}/withdraw", {}).status_code == 201
        self.g.until_over(digest)

    def says(
        self, by: str, signer: SeedSigner, changes: Tables | None = None, *,
        recovery: bool = False, proofs: Mapping[str, bytes] | None = None,
    ) -> str:  # fmt: skip
        """A proposal of a party as the thief signs it, sent to the node; its digest."""
        service, now = self.g.node.service, int(time.time())
        limits = {**self.g.decided()["limits"], "per_issuer_per_day_max": 7_000 + next(NUMBERS)}
        made = propose(
            service.overview.genesis.network_id,
            service.proposing.governance.state.records,
            changes or {("limits", ""): limits},
            expires=now + 1000,
            nonce=secrets.token_bytes(16),
            proofs=proofs,
        )
        data = make_attestation(
            signer=signer,
            iat=now,
            kind="governance.proposed",
            subject=Subject(SCHEME, NAMESPACE, made.digest),
            network_id=made.network_id,
            event_time=now,
            document_digest=made.digest,
            issuer=by,
            governance=GovernanceAct(made.encode(), signer.public_key if recovery else b""),
        )
        with suppress(Refusal, ProblemError):
            service.engine.submit(data)
        return b64u(made.digest)

    def objects(self, by: str, digest: str) -> None:
        """The thief of a recovery key objects with it to a proposal; returns once that is on the ledger."""
        service, now, about = self.g.node.service, int(time.time()), b64u_decode(digest, "digest")
        key = recovery_signer(by)
        data = make_attestation(
            signer=key,
            iat=now,
            kind="governance.objected",
            subject=Subject(SCHEME, NAMESPACE, about),
            network_id=service.overview.genesis.network_id,
            event_time=now,
            document_digest=about,
            issuer=by,
            governance=GovernanceAct(b"", key.public_key),
        )
        before = len(self.g.proposal(digest)["acts"])
        service.engine.submit(data)
        self.g.node.wait(lambda: len(self.g.proposal(digest)["acts"]) > before, "the objection")

    def heard(self, digest: str) -> None:
        self.g.node.wait(lambda: self.g.known(digest), "the thief's act on the ledger")

    def refused(self, digest: str) -> None:
        """Two blocks later it is not on the ledger."""
        self.block()
        self.block()
        assert not self.g.known(digest)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GovernedNode, str]]:
    with served_node(tmp_path_factory.mktemp("stolen"), IMPORTER) as served:
        yield served


@pytest.fixture
def theft(
    served: tuple[GovernedNode, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Theft:
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    stolen = Keys.load(served[0].node.data, DID, PASSPHRASE)
    return Theft(Shell(*served, out=capsys.readouterr), stolen)


def test_a_stolen_attest_key_ends_with_keys_compromised(theft: Theft) -> None:
    """
    The thief's act is admitted; after `comity keys compromised attest` the next one never is.
    """
    theft.heard(theft.says(DID, theft.signer("attest")))

    theft.keys("compromised", "attest", "--from", str(int(time.time())))

    theft.refused(theft.says(DID, theft.signer("attest")))


def test_a_stolen_transport_key_ends_with_keys_compromised(theft: Theft) -> None:
    """
    The thief asks as the node and is answered; after `comity keys compromised transport` nobody hears it.
    """
    service = theft.g.node.service
    network_id, history = service.overview.genesis.network_id, service.overview.history
    thief = PeerAuthentication(network_id, history, DID, (theft.signer("transport"),))

    def ask() -> object:
        data, nonce = thief.request(DID, "blocks", encode([1, 1]))
        return decode(thief.open_reply(service.peers.handle("blocks", data).body, "blocks", DID, nonce))

    assert ask()
    theft.keys("compromised", "transport", "--from", str(int(time.time()) - 1))

    with pytest.raises(ProblemError, match="not signed by the transport key"):
        ask()


@dataclass(frozen=True)
class Passports:
    """The issuing desk of a node, and what its verifier says of a document."""

    theft: Theft

    def issued(self) -> tuple[str, dict[str, Any]]:
        """One of a battery of its own, receipted; its digest and its public set."""
        node, code = self.theft.g.node, f"{CODE[:-7]}{next(NUMBERS):07d}"
        told = self.theft.sh("issue", self.file(sample_claims(node.service, code)), "--code", code)
        digest = re.findall(r"signed +(\S+)", told)[0]
        node.wait(lambda: node.get(f"/receipts/{digest}").status_code == 200, "the receipt")
        shown = node.get_json(f"/documents/{node.get_json(f'/documents/{digest}')['sets']['1']}")
        node.wait(lambda: self.verified(shown)[0], "its status list")
        return digest, shown

    def file(self, content: Any) -> Path:
        path = self.theft.g.node.data.parent / f"shown-{next(NUMBERS)}.json"
        path.write_text(json.dumps(content))
        return path

    def forged(self, genuine: dict[str, Any], days_ago: int = 0) -> dict[str, Any]:
        """As the genuine one, of another battery mass: signed by the thief at a time of its choice."""
        made = {**genuine, "id": f"urn:uuid:{uuid.uuid4()}"}
        del made["proof"]
        subject = genuine["credentialSubject"]
        general = {**subject["GeneralProductInformation"], "batteryMass": 1.0}
        made["credentialSubject"] = {**subject, "GeneralProductInformation": general}
        return eddsa.sign(made, self.theft.signer("credential"), stamp(int(time.time()) - days_ago * 86_400))

    def verified(self, document: dict[str, Any]) -> tuple[bool, list[str]]:
        """What /credentials/verify answers: whether, and why not."""
        answer = self.theft.g.node.post_json("/credentials/verify", {"verifiableCredential": document})
        told = answer.get_json()
        return told["verified"], [c["reason"] for c in told["checks"] if c["outcome"] == "fail"]

    def cleared(self, document: dict[str, Any]) -> tuple[str, list[str]]:
        """What a verdict on the battery says when this is shown with it."""
        code = document["credentialSubject"]["id"]
        line = {"battery": code, "goods": "battery", "condition": "new", "documents": [document]}
        verdict = self.theft.g.node.post_json("/clearance", line).get_json()
        return verdict["verdict"], [c["reason"] for c in verdict["checks"] if c["outcome"] == "fail"]


def test_a_stolen_credential_key_ends_with_keys_compromised(theft: Theft) -> None:
    """
    The thief's passport is believed by whoever asks for its proof alone, and holds the battery, for the
    ledger does not know it. After `comity keys compromised credential` nothing it signs verifies, whatever
    time it writes; of what the party issued since, `comity keys uses` names each, `comity revoke` ends it.
    """
    desk = Passports(theft)
    before, genuine = desk.issued()
    since = int(time.time()) + 1
    forged = desk.forged(genuine)
    assert desk.verified(forged) == (True, [])
    assert desk.cleared(forged)[0] != "clear" and "not_admitted" in desk.cleared(forged)[1]
    theft.refused(theft.says(DID, theft.signer("credential")))  # it attests nothing
    theft.g.node.wait(lambda: time.time() > since, "the time from which it is stolen")
    doubtful, shown = desk.issued()
    assert desk.verified(forged) == (True, [])

    theft.keys("compromised", "credential", "--from", str(since))

    theft.g.node.wait(lambda: not desk.verified(forged)[0], "the block that the change governs, by itself")
    for document in (forged, desk.forged(genuine), desk.forged(genuine, days_ago=30), shown):
        assert desk.verified(document) == (False, ["key_compromised"])
    told = theft.sh("keys", "uses", "credential", "--from", str(since))
    assert doubtful in told and before not in told
    assert desk.verified(desk.issued()[1]) == (True, [])  # by the key beside it
    theft.sh("revoke", doubtful, "--reason", "its key was stolen", "--wait")
    assert "revoked" in desk.cleared(shown)[1]
    theft.refused(theft.says(DID, theft.signer("credential")))


def test_an_old_status_list_of_a_thief_takes_no_revocation_back(theft: Theft) -> None:
    """
    With the attest key the first version of the list, in which nothing is raised, is put on record once more:
    the passport stays revoked. After `comity keys compromised attest` the lists are published anew by itself,
    under the key beside it, and what is good verifies again.
    """
    desk, node = Passports(theft), theft.g.node
    revoked, shown = desk.issued()
    good = desk.issued()[1]
    since = int(time.time())
    theft.sh("revoke", revoked, "--reason", "wrong claims", "--wait")
    node.wait(lambda: desk.verified(shown) == (False, ["revoked"]), "the list")
    lists = node.service.stores.office.status
    url = next(e["statusListCredential"] for e in good["credentialStatus"] if "revocation" in e["id"])
    name = url.rpartition("/")[2]
    first, last = lists.versions(name)[0], lists.versions(name)[-1]
    now = int(time.time())
    node.service.engine.submit(
        make_attestation(
            signer=theft.stolen.signer("attest", max(theft.stolen.numbers("attest"))),
            iat=now,
            kind="status.published",
            issuer=DID,
            subject=status_subject(DID, url),
            network_id=node.service.overview.genesis.network_id,
            event_time=now,
            document_digest=first.digest,
            status=StatusUpdate(first.digest, "revocation", last.seq + 1, last.digest),
        )
    )
    node.wait(lambda: lists.versions(name)[-1].seq > last.seq, "the thief's version")
    assert desk.verified(shown) == (False, ["revoked"])

    theft.keys("compromised", "attest", "--from", str(since))

    node.wait(lambda: desk.verified(good) == (True, []), "a version by the key beside it")
    assert desk.verified(shown)[0] is False


def test_the_network_key_is_for_guessing_and_outlasts_every_other_key(theft: Theft) -> None:
    """
    Opened with a stolen transport key, it names the battery of each entry of the log whose code the thief
    guesses. It signs nothing and is nobody at a node; `comity keys compromised transport` does not take it
    back, which SECURITY.md says: there is no command.
    """
    desk, service = Passports(theft), theft.g.node.service
    genesis = service.overview.genesis
    digest, _ = desk.issued()
    code = theft.g.node.get_json(f"/passports/{digest}")["battery"]
    network_key = open_network_key(genesis, theft.stolen)

    def recognised(text: str) -> bool:
        guess = subject(read_identifier(text, genesis.governance.rules["gbt34014.json"]), network_key)
        return any(guess.h in row.entry for row in service.stores.ledger.leaves.since(0, 10_000))

    assert recognised(code) and not recognised(f"{CODE[:-7]}9999999")
    theft.keys("compromised", "transport", "--from", str(int(time.time()) - 1))
    assert recognised(code)
    own = SeedSigner(f"{DID}#attest-1", network_key)
    theft.refused(theft.says(DID, own))
    peer = PeerAuthentication(genesis.network_id, service.overview.history, DID, (own,))
    with pytest.raises(ProblemError, match="not signed by the transport key"):
        service.peers.handle("blocks", peer.request(DID, "blocks", encode([1, 1]))[0])


def test_stolen_keys_of_a_validator_end_with_rotation(theft: Theft) -> None:
    """
    Here it is all validators that there are. The thief votes, and signs and cosigns the log at a false time:
    each verifies. After `comity keys rotate vote cosign log`, approved by all, none does for the heights and
    sizes that the successors govern.
    """
    overview = theft.g.node.service.overview
    vote, log, cosign = (theft.signer(role) for role in ("vote", "log", "cosign"))
    origin, network_id = overview.genesis.origin, overview.genesis.network_id

    def votes() -> None:
        validators = overview.history.latest.validators
        unsigned = Vote(PREVOTE, overview.history.height + 1, 0, -1, None, DID)
        signed = replace(unsigned, signature=vote.sign(unsigned.signed_bytes(network_id, validators.hash)))
        verify_vote(signed, validators, network_id)

    def checkpoint(log: Signer, cosign: Signer) -> None:
        text = overview.genesis.governance.log_policy(origin)
        policies = LogPolicies(LogPolicy.parse(text), text, overview.ledger.leaves)
        said = Checkpoint(origin, overview.tree.size, overview.tree.root())
        lines = sign_log_line(said, origin, log), cosign_line(said, key_name(DID), 1, cosign)
        Cosigning(policies, overview.tree, None).receive(said.size, said.root, *lines)

    votes()
    checkpoint(log, cosign)
    theft.keys("rotate", "vote", "cosign", "log")
    theft.block()
    theft.block()

    with pytest.raises(ConsensusError):
        votes()
    held = Keys.load(theft.g.node.data, DID, PASSPHRASE)
    checkpoint(held.signer("log", 2), held.signer("cosign", 2))
    for pair in ((log, held.signer("cosign", 2)), (held.signer("log", 2), cosign)):
        with pytest.raises(NoteError, match=r"not in log\.policy"):
            checkpoint(*pair)


def file(folder: Path, text: str) -> Path:
    path = folder / "change.toml"
    path.write_text(text)
    return path


def test_a_stolen_recovery_key_ends_with_a_stop_and_another_recovery_key(
    theft: Theft, tmp_path: Path
) -> None:
    """
    The thief names an attest key of its own and speaks with it. After `comity network propose stop`, by an
    authority of that side, nothing that key says is recorded, and no other that it names speaks. `comity
    network propose recovery` puts another in place: the thief objects, all approve, and then it is nobody's.
    """
    overview = theft.g.node.service.overview
    network_id = overview.genesis.network_id

    def names(number: int) -> str:
        now = int(time.time())
        row, proofs = with_key(
            overview.history.latest, IMPORTER, ["attest"], number, now, network_id=network_id
        )
        return theft.says(IMPORTER, recovery_signer(IMPORTER), row, recovery=True, proofs=proofs)

    def named(number: int) -> SeedSigner:
        return SeedSigner(
            f"{IMPORTER}#attest-{number}", sha256(f"{IMPORTER}/attest/{number}".encode()).digest()
        )

    made = names(2)
    theft.heard(made)
    theft.in_force(made)
    theft.heard(theft.says(IMPORTER, named(2)))

    theft.sh.decided("stop", IMPORTER)

    theft.refused(theft.says(IMPORTER, named(2)))
    again = names(3)
    theft.heard(again)
    theft.refused(theft.says(IMPORTER, named(3)))
    party = overview.history.latest.participants[IMPORTER]
    assert named(3).key_id not in {key.id for key in party.keys}, (
        "its side's authority has to approve it first"
    )

    card = tmp_path / "participant.toml"
    card.write_bytes(write_card(replace(party, recovery=sha256(b"the owner's new one").digest())))
    told = theft.sh("network", "propose", "recovery", card, "--yes")
    replaced = re.findall(r"^proposal (\S+?):? ", told, re.M)[-1]
    assert theft.g.proposal(replaced)["outcome"] == "open", "the party can object for a week"
    theft.objects(IMPORTER, replaced)
    for by in (EU_AUTHORITY, CN_AUTHORITY):
        theft.g.act(by, "approved", replaced)
    assert theft.g.proposal(replaced)["effect"]["missing"] == [], "only the week is not over"
    theft.all_decide("approvals", file(tmp_path, "[governance]\nobjection_s = 1\n"))
    theft.in_force(replaced)

    theft.refused(names(4))
    assert theft.g.proposal(again)["outcome"] == "lapsed"


def test_a_stolen_bearer_key_ends_with_keys_revoke(theft: Theft) -> None:
    """
    The thief reads with it; after `comity keys revoke NAME` it is nobody.
    """
    data = theft.g.node.data
    assert run(["keys", "grant", "--data", str(data), "clerk", "--scope", "read"]) == 0
    token = theft.sh.out().out.split()[-1]
    bearer = {"Authorization": f"Bearer {token}"}
    assert theft.g.node.client.get("/governance", headers=bearer).status_code == 200

    assert run(["keys", "revoke", "--data", str(data), "clerk"]) == 0

    assert theft.g.node.client.get("/governance", headers=bearer).status_code == 401
