"""Runs in which governance changes among faults: limits, validators in and out, keys of one that votes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

from consensus.cose import SeedSigner
from consensus.encoding import encode
from consensus.log_policy import LogPolicy
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import GovernanceAct, make_attestation
from credentials.ledger.genesis_table import participant_table
from credentials.ledger.governance_records import RecordId, records_of
from credentials.ledger.governance_state import NAMESPACE, SCHEME
from credentials.ledger.parties import Accreditation, Key, Limits
from credentials.ledger.proposals import ChangeProposal, base_of, prove_possession
from credentials.ledger.registry import Registry
from node.ledger.chain import chain_config
from tests.harness.ledger import CREATED, MAKER, OTHER_MAKER, accreditation, make_genesis, participant
from tests.harness.sim.checks import check_agreement, check_logs, check_once, check_signatures
from tests.harness.sim.cluster import START_MS, Cluster, Node
from tests.harness.sim.scenario import TROUBLE_MS
from tests.harness.sim.world import Border, lives, validator_name, validator_signer
from tests.harness.sim.world import _validator as validating

NODES, FIRST, CANDIDATE, RETIRED, ROTATING = 5, (0, 1, 3, 4), 2, 0, 1
WAIT_MS_MAX = 120_000


def recovery_signer(index: int) -> SeedSigner:
    did = validator_name(index)
    return SeedSigner(f"{did}#recovery", sha256(f"recovery {index}".encode()).digest())


def newer_signer(role: str) -> SeedSigner:
    did = validator_name(ROTATING)
    return SeedSigner(f"{did}#{role}-2", sha256(f"newer {role}".encode()).digest())


class Governed(Border):
    """Five nodes that are authorities of two sides; four of them vote at first."""

    def __init__(self) -> None:
        parties = [
            replace(validating(i, NODES), recovery=sha256(recovery_signer(i).public_key).digest())
            for i in range(NODES)
        ]
        homes = {p.did: p.jurisdiction for p in parties}
        authorities = [
            Accreditation(did, ("authority",), (("gs1", "*"),), home, CREATED - 86_400)
            for did, home in homes.items()
        ]
        self.genesis = make_genesis(
            participants=[*parties, participant(MAKER), participant(OTHER_MAKER)],
            validators=[validator_name(i) for i in FIRST],
            accreditations=[*authorities, accreditation(MAKER), accreditation(OTHER_MAKER)],
            recognitions=(),
        )
        self.chain = chain_config(self.genesis)
        self.policy = LogPolicy.parse(self.genesis.governance.log_policy(self.genesis.origin))
        self._known = records_of(self.genesis.governance)

    def proposals(self) -> list[tuple[int, bool, ChangeProposal]]:
        """(who proposes, with its recovery key, what), each written for what the one before it leaves."""
        limits = {f: getattr(Limits(), f) for f in Limits.__dataclass_fields__}
        names = [validator_name(i) for i in FIRST]
        grown = [*names, validator_name(CANDIDATE)]
        rows, proofs = self._rotation()
        return [
            (0, False, self._proposal({("limits", ""): limits | {"per_issuer_per_day_max": 777}})),
            (3, False, self._proposal({("validators", ""): {"participants": grown}})),
            (ROTATING, True, self._proposal(rows, proofs)),
            (4, False, self._proposal({("validators", ""): {"participants": grown[1:]}})),
        ]

    def _rotation(self) -> tuple[Mapping[RecordId, Any], dict[str, bytes]]:
        party = self.genesis.governance.participants[validator_name(ROTATING)]
        at = START_MS // 1000
        roles = ("vote", "cosign")
        ended = tuple(replace(k, valid_until=at) if k.role in roles else k for k in party.keys)
        fresh = {role: newer_signer(role) for role in roles}
        new = tuple(Key(role, s.key_id, s.public_key, at) for role, s in fresh.items())
        table = participant_table(replace(party, keys=(*ended, *new)))
        proofs = {s.key_id: prove_possession(self.genesis.network_id, r, s) for r, s in fresh.items()}
        return {("participant", party.did): table}, proofs

    def _proposal(
        self, changed: Mapping[RecordId, Mapping[str, Any]], proofs: dict[str, bytes] | None = None
    ) -> ChangeProposal:
        records = {r: encode(dict(table)) for r, table in changed.items()}
        base = {r: base_of(r, self._known[r], data) for r, data in records.items()}
        self._known = {**self._known, **records}
        nonce = sha256(repr(sorted(changed)).encode() + bytes(self._known[next(iter(changed))])).digest()[:16]
        expires = START_MS // 1000 + 20 * 86_400
        return ChangeProposal(self.genesis.network_id, records, base, proofs or {}, expires, nonce)

    def act(self, index: int, kind: str, proposal: ChangeProposal, *, recovery: bool = False) -> bytes:
        """A signed act of a validator."""
        signer = recovery_signer(index) if recovery else validator_signer(index, "attest")
        carried = GovernanceAct(
            proposal.encode() if kind == "proposed" else b"", signer.public_key if recovery else b""
        )
        time = CREATED - 50
        return make_attestation(
            kind=f"governance.{kind}",
            issuer=validator_name(index),
            signer=signer,
            subject=Subject(SCHEME, NAMESPACE, proposal.digest),
            network_id=self.genesis.network_id,
            iat=time,
            event_time=time,
            document_digest=proposal.digest,
            governance=carried if carried.value else None,
        )


def governed(seed: int) -> str:
    """Four changes, one after the other, while nodes crash and messages get lost; what it came to."""
    random, world = Random(f"governed {seed}"), Governed()
    cluster = Cluster(seed, NODES, world=world)
    links = cluster.links
    links.delay_ms_max = random.choice((20, 200, 900))
    links.loss = random.choice((0.0, 0.05, 0.3))
    cluster.crash_chance = random.choice((0.0, 0.002, 0.01))
    cluster.down_max = 1
    rotating = cluster.nodes[validator_name(ROTATING)]
    rotating.next_signers = (newer_signer("vote"),)
    rotating.next_cosigners = (newer_signer("cosign"),)
    cluster.start()
    before, after = (lives(world, [number]) for number in random.sample(range(1_000), 2))
    for tx in before:
        cluster.after(random.randint(0, TROUBLE_MS), lambda tx=tx: cluster.submit(tx))  # type: ignore[misc]
    for by, recovery, proposal in world.proposals():
        acts = [world.act(by, "proposed", proposal, recovery=recovery)]
        acts += [world.act(i, "approved", proposal) for i in (0, 1, 3, 4) if recovery or i != by]
        for tx in acts[:1] + random.sample(acts[1:], len(acts) - 1):
            cluster.after(random.randint(0, 2_000), lambda tx=tx: cluster.submit(tx, for_ms=20_000))  # type: ignore[misc]
        wait_for(cluster, lambda p=proposal: all(outcome(n, p) == "decided" for n in cluster.honest))
    check_safety(cluster)
    cluster.heal()
    for tx in after:
        cluster.submit(tx)
    wanted = {sha256(tx).digest() for tx in (*before, *after)}
    wait_for(cluster, lambda: all(wanted <= node.final and sealed(node) for node in cluster.honest))
    check_safety(cluster)
    voting = {
        tuple(v.name for v in registry_of(n).history.latest.validators.validators) for n in cluster.honest
    }
    assert voting == {tuple(validator_name(i) for i in (1, 3, 4, CANDIDATE))}
    heights = max(len(n.commits) for n in cluster.honest)
    return f"seed {seed}: {heights} heights, trace {cluster.trace_digest}"


def wait_for(cluster: Cluster, done: Any) -> None:
    progressed = cluster.run_until(done, WAIT_MS_MAX)
    assert progressed, f"no progress: heights {[len(n.commits) for n in cluster.honest]}"


def registry_of(node: Node) -> Registry:
    assert node.replica is not None
    registry = node.replica._application
    assert isinstance(registry, Registry)
    return registry


def outcome(node: Node, proposal: ChangeProposal) -> str:
    """What became of it on this node; of one that is down nothing is known."""
    if node.replica is None:
        return "down"
    return registry_of(node).constitution.state.over.get(proposal.digest, ("open", ""))[0]


def sealed(node: Node) -> bool:
    """Up, and its whole log is under a checkpoint that the quorum of its size cosigned."""
    if node.replica is None or node.note is None:
        return False
    return int(node.note.body.split("\n")[1]) == len(node.entries)


def check_safety(cluster: Cluster) -> None:
    """What holds whoever votes."""
    for check in (check_agreement, check_logs, check_once, check_signatures):
        check(cluster)
