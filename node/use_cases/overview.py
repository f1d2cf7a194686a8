"""What this node is and how it does: status, conditions, participants, numbers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypedDict

from consensus.merkle import Tree
from credentials.documents.canonical import b64u
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import GovernanceHistory
from credentials.verdicts.policy import Policy
from node import config
from node.answers import ConditionAnswer, FaultAnswer, FaultRecord
from node.issuing.faults import all_shown
from node.ledger.engine import Engine
from node.peers.gossip import Gossip
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.supervision.readiness import Lookout, Readiness
from node.supervision.supervisor import Supervisor
from node.use_cases.own_part import OwnPart
from node.verdicts.sources import Gathering


class PeerShown(TypedDict):
    """Another participant, as far as this node knows."""

    did: str
    name: str
    jurisdiction: str
    roles: list[str]
    validator: bool
    height: int | None
    last_seen: int | None
    reachable: bool
    problem: str | None


class AccreditationShown(TypedDict):
    """What a participant may attest."""

    roles: list[str]
    schemes: list[list[str]]  # [scheme, namespace]
    jurisdiction: str
    licence: str | None
    valid_from: int
    valid_until: int | None


class ParticipantShown(TypedDict):
    """A participant with what it is accredited for."""

    did: str
    name: str
    jurisdiction: str
    roles: list[str]
    validator: bool
    accreditations: list[AccreditationShown]


class LogShown(TypedDict):
    """The log: how many entries, its root, how many of them are cosigned.

    `pruned`: the last block of which this node does not keep who agreed to it; 0: it keeps that of all.
    """

    size: int
    root: str
    cosigned_size: int
    pruned: int


DEMONSTRATION = "demonstration"  # in the legal basis of a recognition: it has none


class NetworkShown(TypedDict):
    """The network of this node."""

    name: str
    id: str  # hexadecimal
    origin: str
    app_version: int


class PolicyShown(TypedDict):
    """What this node judges by."""

    name: str
    title: str


class CatchingUp(TypedDict):
    """How far a node behind its peers came."""

    height: int
    of: int


class StatusHead(TypedDict):
    """What /status and every page know of this node. Times are seconds, UTC."""

    participant: str
    name: str
    jurisdiction: str
    roles: list[str]
    validator: bool
    network: NetworkShown
    policy: PolicyShown
    height: int
    round: int
    block_time: int
    lag_heights: int
    catching_up: CatchingUp | None
    lag_s: int | None
    ready: bool
    peers: list[PeerShown]
    log: LogShown
    withheld: str | None  # why this validator does not vote
    outbox: dict[str, int]  # own attestations without a receipt, by state
    pool: int
    open_api: bool
    version: str
    simulated: bool
    demonstration: bool  # what one side recognises of the other was made up for a demonstration
    now: int


class StatusRecord(StatusHead):
    """The same, with the faults of validators."""

    evidence: list[FaultRecord]


class StatusAnswer(StatusHead):
    """The same in words, and what holds of this node now."""

    evidence: list[FaultAnswer]
    conditions: list[ConditionAnswer]
    reasons: list[str]  # why it is not ready


@dataclass(frozen=True, slots=True)
class Overview:
    """Reads the node as a whole, and who takes part by what governs the next block."""

    did: str
    genesis: Genesis  # name, id and origin of the network
    history: GovernanceHistory
    policy: Policy
    tree: Tree
    ledger: LedgerStore
    office: OfficeStore
    engine: Engine
    gossip: Gossip
    gathering: Gathering
    supervisor: Supervisor
    lookout: Lookout
    part: OwnPart
    open_api: bool
    started_at_s: float  # monotonic

    def readiness(self) -> Readiness:
        """What holds now: 200 or 503 at /readyz."""
        return self.lookout.look()

    def status(self) -> StatusRecord:
        """This node, its peers and its log."""
        genesis, governance = self.genesis, self.history.latest
        own = governance.participants[self.did]
        tip = self.ledger.tip()
        height, block_time = (tip.height, tip.time) if tip else (0, genesis.created)
        kept = self.ledger.checkpoint()
        lag = self.gathering.lag.lag_heights(height)
        return {
            "participant": self.did,
            "name": own.name,
            "jurisdiction": own.jurisdiction,
            "roles": list(own.roles),
            "validator": governance.votes(self.did),
            "network": {
                "name": genesis.name,
                "id": genesis.network_id.hex(),
                "origin": genesis.origin,
                "app_version": governance.app_version,
            },
            "policy": {"name": self.policy.name, "title": self.policy.title},
            "height": height,
            "round": self.engine.round,
            "block_time": block_time,
            "lag_heights": lag,
            "catching_up": {"height": height, "of": height + lag} if lag > 1 else None,
            "lag_s": self.gathering.lag.quorum_silence_s(),
            "ready": self.readiness().ready,
            "peers": self._peers(height),
            "log": {
                "size": self.tree.size,
                "root": b64u(self.tree.root()),
                "cosigned_size": kept[0] if kept else 0,
                "pruned": self.ledger.pruned.height,
            },
            "withheld": self.engine.withheld,
            "evidence": all_shown(self.engine.evidence(), self.ledger.leaves.evidence()),
            "outbox": self.office.outbox.counts(),
            "pool": self.engine.pool_size,
            "open_api": self.open_api,
            "version": config.VERSION,
            "simulated": False,
            "demonstration": any(DEMONSTRATION in r.legal_basis for r in governance.recognitions),
            "now": int(time.time()),
        }

    def _peers(self, height: int) -> list[PeerShown]:
        shown: list[PeerShown] = []
        governance = self.history.latest
        for did, participant in governance.participants.items():
            if did == self.did:
                continue
            peer = self.gossip.peers.get(did)
            shown.append(
                {
                    "did": did,
                    "name": participant.name,
                    "jurisdiction": participant.jurisdiction,
                    "roles": list(participant.roles),
                    "validator": governance.votes(did),
                    "height": self.gathering.lag.believed(peer.height, height) if peer else None,
                    "last_seen": int(peer.last_seen) if peer and peer.last_seen else None,
                    "reachable": bool(peer and peer.reachable),
                    "problem": peer.refusal if peer else "peers.toml names no address",
                }
            )
        return shown

    def participants(self) -> list[ParticipantShown]:
        """Everybody who takes part."""
        governance = self.history.latest
        return [
            {
                "did": did,
                "name": participant.name,
                "jurisdiction": participant.jurisdiction,
                "roles": list(participant.roles),
                "validator": governance.votes(did),
                "accreditations": [
                    {
                        "roles": list(a.roles),
                        "schemes": [list(scheme) for scheme in a.schemes],
                        "jurisdiction": a.jurisdiction,
                        "licence": a.licence,
                        "valid_from": a.valid_from,
                        "valid_until": a.valid_until,
                    }
                    for a in governance.accreditations_of(did)
                ],
            }
            for did, participant in governance.participants.items()
        ]

    def metrics(self) -> dict[str, float]:
        """{name: number} for /metrics."""
        tip = self.ledger.tip()
        counts = self.office.outbox.counts()
        kept = self.ledger.checkpoint()
        engine, gossip = self.engine, self.gossip
        return {
            "comity_height": tip.height if tip else 0,
            "comity_log_size": self.tree.size,
            "comity_cosigned_size": kept[0] if kept else 0,
            "comity_pruned_height": self.ledger.pruned.height,
            "comity_pool": engine.pool_size,
            "comity_outbox_open": sum(counts.values()),
            "comity_peers_reachable": sum(peer.reachable for peer in gossip.peers.values()),
            "comity_ready": int(self.readiness().ready),
            "comity_thread_faults_total": self.supervisor.faults,
            "comity_uptime_s": int(time.monotonic() - self.started_at_s),
            **{f"comity_cpu_{stage}_ms": s * 1000 for stage, s in engine.cpu_s.items()},
            **{f"comity_cpu_{stage}_ms": s * 1000 for stage, s in gossip.cpu_s.copy().items()},
            **{f"comity_refused_{reason}_total": n for reason, n in engine.refused.items()},
            **{f"comity_{name}": n for name, n in engine.numbers.items()},
            **{f"comity_peer_refused_{code}_total": n for code, n in gossip.refused.copy().items()},
        }
