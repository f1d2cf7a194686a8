"""Engines over real databases in one process: embedded ones, linked by hand, or a scripted CometBFT."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.encoding import Value
from consensus.log_policy import LogPolicy
from consensus.merkle import Tree
from consensus.standings_map import StandingsMap
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import GovernanceAct, make_attestation
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance_records import VALIDATORS, records_of
from credentials.ledger.governance_state import NAMESPACE, SCHEME
from credentials.ledger.proposals import propose
from credentials.ledger.registry import Registry
from node.ledger.chain import chain_config, constitution_of, tip_of
from node.ledger.checkpoints import Checkpoints
from node.ledger.cosigner import Cosigner, Cosigning
from node.ledger.embedded import EmbeddedEngine
from node.ledger.ledger import Ledger
from node.ledger.log_policies import LogPolicies
from node.ledger.ordering import Ordering
from node.ledger.subscriptions import Moments, PoolDropped
from node.peers.messages import Item
from node.storage.ledger import LedgerStore, SqliteStandingReader
from node.storage.signing import SigningStore
from node.supervision.supervisor import Supervisor
from tests.harness import ledger
from tests.harness.governing import Tables


def founded_now(*, ago_s: int = 50, **changes: Any) -> Genesis:
    """The usual founding, so long ago: what runs in real time attests of now."""
    created = int(time.time()) - ago_s
    parties = [ledger.participant(did, valid_from=created - 50) for did in ledger.PARTIES]
    accreditations = [replace(a, valid_from=created - 50) for a in ledger.accreditations()]
    usual = {"created": created, "participants": parties, "accreditations": accreditations}
    return ledger.make_genesis(**(usual | {"recognitions": []} | changes))


def voters(dids: Sequence[str]) -> Tables:
    """The change after which these vote."""
    return {(VALIDATORS, ""): {"participants": list(dids)}}


def produced(
    genesis: Genesis,
    number: int,
    document: bytes,
    *,
    by: str = ledger.MAKER,
    namespace: str = "ZZ1",
    ahead_s: int = 0,
) -> bytes:
    """A battery is made, `ahead_s` from now."""
    moment = int(time.time()) + ahead_s
    return make_attestation(
        signer=ledger.signer(by),
        iat=moment,
        kind="battery.produced",
        issuer=by,
        subject=ledger.battery(number, namespace),
        network_id=genesis.network_id,
        event_time=moment,
        document_digest=document,
        produced_on=ledger.day_of(moment),
    )


def acts_of(registry: Registry, changed: Tables, *, ago_s: int = 0, for_s: int = 99) -> list[bytes]:
    """Proposed by one authority so long ago, and approved by the other now: in force two blocks later."""
    state, now, network_id = registry.constitution.state, int(time.time()), registry.genesis.network_id
    nonce, then = sha256(repr(changed).encode()).digest()[:16], now - ago_s
    of = propose(network_id, records_of(state.future), changed, expires=then + for_s, nonce=nonce)
    return [
        make_attestation(
            signer=ledger.signer(by),
            iat=moment,
            kind=f"governance.{kind}",
            issuer=by,
            subject=Subject(SCHEME, NAMESPACE, of.digest),
            network_id=network_id,
            event_time=moment,
            document_digest=of.digest,
            governance=GovernanceAct(of.encode(), b"") if kind == "proposed" else None,
        )
        for by, kind, moment in (
            (ledger.CN_AUTHORITY, "proposed", then),
            (ledger.EU_AUTHORITY, "approved", now),
        )
    ]


class Node:
    """One engine with its databases; `links` carries its messages straight to the others."""

    def __init__(
        self, genesis: Genesis, did: str, folder: Path, links: Links, blocks_kept: int | None = None
    ) -> None:
        self.did, self.links = did, links
        self.clock_off_s = 0.0  # how wrong the wall clock of its machine is
        folder.mkdir(exist_ok=True)
        self.signing, self.ledger = SigningStore(folder / "signing.db"), LedgerStore(folder / "ledger.db")
        self.moments = Moments()
        self.told = self.moments.subscribe()
        self._drops: list[tuple[bytes, str]] = []
        tip = tip_of(self.ledger, genesis)
        self.tree = Tree(row.leaf_hash for row in self.ledger.leaves.since(0, self.ledger.log_size()))
        standings = StandingsMap.over(self.ledger.standings.hashes(), self.ledger.standings.bucket)
        reader = SqliteStandingReader(self.ledger)
        cosigner = Cosigner(did, (ledger.signer(did, "log"),), (ledger.signer(did, "cosign"),), self.signing)

        def wall() -> float:
            return time.time() + self.clock_off_s

        constitution = constitution_of(self.ledger, genesis, genesis.rule_files.get)
        self.registry = registry = Registry(
            genesis, reader, tip.app_hash, standings, constitution=constitution
        )
        policy = genesis.governance.log_policy(genesis.origin)
        cosigning = Cosigning(
            LogPolicies(LogPolicy.parse(policy), policy, self.ledger.leaves),
            self.tree,
            cosigner,
        )
        checkpoints = Checkpoints(cosigning, self.ledger, self.moments, wall=wall)
        self.ordering = Ordering(
            chain=chain_config(genesis),
            application=registry,
            tip=tip,
            signing=self.signing,
            store=self.ledger,
            ledger=Ledger(
                self.ledger, registry, self.tree, checkpoints, self.moments, blocks_kept=blocks_kept
            ),
            checkpoints=checkpoints,
            moments=self.moments,
            name=did,
            signer=ledger.signer(did, "vote"),
            wall=wall,
        )
        self.ordering.out = links.of(did)
        self.engine = EmbeddedEngine(self.ordering)
        self.supervisor = Supervisor()
        self.supervisor.employ(self.engine, tries_max=1)

    @property
    def drops(self) -> list[tuple[bytes, str]]:
        """What the own pool gave up, with its code."""
        self._drops += [(m.digest, m.code) for m in self.told.take() if isinstance(m, PoolDropped)]
        return self._drops

    def stop(self) -> None:
        self.links.nodes.pop(self.did, None)
        self.supervisor.stop()
        self.signing.close()
        with self.links.reading:  # a connection that is closed while another thread reads ends the process
            self.ledger.close()


class Links:
    """Delivers between nodes of one process; a node that is not there loses what it is sent."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.reading = threading.Lock()  # of a ledger by whoever is not its node

    def of(self, did: str) -> Link:
        return Link(self, did)


@dataclass
class Link:
    """`engine.Outgoing` of one node."""

    links: Links
    did: str

    def broadcast(self, item: Item, *, observers: bool = False) -> None:
        for did in list(self.links.nodes):
            self.send(did, item)

    def send(self, did: str, item: Item) -> None:
        node = self.links.nodes.get(did)
        if node is not None and did != self.did:
            node.engine.peer_items(self.did, list[Value]([item]))

    def request_blocks(self, did: str, height: int) -> None:
        with self.links.reading:
            node, own = self.links.nodes.get(did), self.links.nodes.get(self.did)
            found = node.ledger.blocks(height, 64, 1 << 20) if node is not None else []
        if node is not None and own is not None:
            own.engine.peer_blocks(did, found)

    def strike(self, sender: str) -> None:
        raise AssertionError(f"{sender} is honest, as all are here")

    def request(self, did: str, path: str, body: bytes) -> bytes:
        raise ConnectionError("nobody is asked here")


@dataclass
class Network:
    genesis: Genesis
    folder: Path
    links: Links = field(default_factory=Links)
    blocks_kept: int | None = None  # of each node

    def start(self, *dids: str) -> None:
        for did in dids:
            folder = self.folder / did.removeprefix("did:web:")
            self.links.nodes[did] = Node(self.genesis, did, folder, self.links, self.blocks_kept)
        for did in dids:
            self.links.nodes[did].supervisor.start()

    def attestation(self, number: int, by: str = ledger.MAKER, namespace: str = "ZZ1") -> bytes:
        return produced(self.genesis, number, bytes([number]) * 32, by=by, namespace=namespace)

    def let_validate(self, dids: Sequence[str]) -> None:
        """Proposed by one authority, approved by the other, and two blocks later in force."""
        registry = next(iter(self.links.nodes.values())).registry
        for data in acts_of(registry, voters(dids)):
            height = max(self.heights())
            self.submit(data)
            self.wait("an act", lambda: min(self.heights()) > height)  # noqa: B023

    def checkpoint(self, did: str) -> str:
        """The text of the newest that a node keeps."""
        kept = self.links.nodes[did].ledger.checkpoint()
        return kept[1] if kept is not None else ""

    def submit(self, data: bytes) -> None:
        for node in list(self.links.nodes.values()):
            node.engine.submit(data)

    def tell(self) -> None:
        """What the gossip does: everyone's status goes to everyone."""
        for node in list(self.links.nodes.values()):
            for other in list(self.links.nodes.values()):
                if other is not node:
                    other.engine.peer_status(node.did, node.engine.status())

    def wait(self, what: str, done: Callable[[], bool], seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
            self.tell()
            time.sleep(0.02)

    def heights(self) -> set[int]:
        return {node.engine.status()[1] for node in self.links.nodes.values()}
