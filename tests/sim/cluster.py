"""Nodes with a disk and a crash button, and the links between them."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from consensus.cose import SeedSigner
from consensus.encoding import decode
from consensus.merkle import Frontier, leaf_hash
from consensus.replica import (
    AttestationReceived,
    BlocksReceived,
    BlockStored,
    Broadcast,
    ChainConfig,
    Commit,
    Drop,
    Effect,
    Event,
    MessageReceived,
    Persist,
    Replica,
    RequestBlocks,
    Send,
    SetTimer,
    Started,
    Tick,
    TimeoutElapsed,
    Tip,
)
from consensus.types import Validator, ValidatorSet
from tests.sim.ledger import Ledger

START_MS = 1_800_000_000_000
TICK_MS = 250
GENESIS_APP_HASH = Ledger().app_hash


def make_signers(count: int) -> list[SeedSigner]:
    """Vote keys from their index."""
    return [
        SeedSigner(f"did:web:v{i}.example#vote", sha256(f"vote {i}".encode()).digest()) for i in range(count)
    ]


def make_chain(count: int, *, heartbeat_ms: int = 600_000) -> ChainConfig:
    """A network of `count` validators of weight 1."""
    signers = make_signers(count)
    validators = ValidatorSet(
        tuple(Validator(f"did:web:v{i}.example", signer.public_key) for i, signer in enumerate(signers))
    )
    return ChainConfig(
        network_id=sha256(b"sim network").digest(),
        validators=validators,
        config_digest=sha256(b"sim config").digest(),
        app_version=1,
        heartbeat_ms=heartbeat_ms,
    )


@dataclass
class Links:
    """What the network does to messages."""

    random: Random
    delay_ms_max: int = 20
    loss: float = 0.0
    duplication: float = 0.0
    cut: set[frozenset[str]] = field(default_factory=set)

    def arrivals(self, sender: str, receiver: str) -> list[int]:
        """Delays after which copies of one message arrive."""
        if frozenset((sender, receiver)) in self.cut or self.random.random() < self.loss:
            return []
        copies = 2 if self.random.random() < self.duplication else 1
        return [self.random.randint(1, self.delay_ms_max) for _ in range(copies)]


class Node:
    """One replica, its disk, and what it has ever sent."""

    def __init__(self, cluster: "Cluster", name: str, signer: SeedSigner | None, skew_ms: int) -> None:
        self.cluster = cluster
        self.name = name
        self.signer = signer
        self.skew_ms = skew_ms
        self.wal: list[bytes] = []
        self.guards: set[tuple[int, int, str]] = set()
        self.commits: list[Commit] = []
        self.entries: list[bytes] = []
        self.dropped: list[Drop] = []
        self.ledger = Ledger()
        self.replica: Replica | None = None
        self.life = 0  # timers of an earlier life do not ring

    def start(self) -> None:
        """Boot from the disk."""
        self.life += 1
        self.ledger = Ledger()
        tip = Tip(0, self.cluster.chain.network_id, START_MS // 1000, GENESIS_APP_HASH, Frontier())
        for commit in self.commits:
            self.ledger.commit(self.ledger.finalize_block(commit.block))
            block = commit.block
            tip = Tip(block.height, block.id, block.time, commit.execution.app_hash, commit.log)
        self.replica = Replica(
            self.cluster.chain,
            self.ledger,
            tip,
            name=self.name if self.signer else None,
            signer=self.signer,
            wal=self.wal,
        )
        self.feed(Started())
        life = self.life
        self.cluster.after(TICK_MS, lambda: self._tick(life))

    def crash(self) -> None:
        """Everything but the disk is gone."""
        self.replica = None
        self.life += 1

    def feed(self, event: Event) -> None:
        """Handle an event and execute its effects, unless a crash comes between them."""
        if self.replica is None:
            return
        for effect in self.replica.handle(event, self.cluster.now_ms + self.skew_ms):
            self.cluster.trace(self, effect)
            self._execute(effect)
            if self.cluster.crashes_now(self):
                self.crash()
                self.cluster.after(self.cluster.random.randint(100, 4_000), self.start)
                return

    def _execute(self, effect: Effect) -> None:
        cluster, life = self.cluster, self.life
        match effect:
            case Persist(record=record, guard=guard):
                assert guard not in self.guards, f"{self.name} would sign {guard} twice"
                if guard is not None:
                    self.guards.add(guard)
                self.wal.append(record)
            case Broadcast(data=data):
                cluster.sent(self, data)
                for peer in cluster.nodes.values():
                    if peer is not self:
                        cluster.send(self, peer, data)
            case Send(peer=name, data=data):
                cluster.send(self, cluster.nodes[name], data)
            case SetTimer(token=token, delay_ms=delay_ms):
                cluster.after(delay_ms, lambda: self._feed_in(life, TimeoutElapsed(token)))
            case Commit() as commit:
                assert commit.block.height == len(self.commits) + 1
                self.commits.append(commit)
                self.entries.extend(commit.execution.entries)
                height = commit.block.height
                delay_ms = cluster.random.randint(1, 10)
                cluster.after(delay_ms, lambda: self._feed_in(life, BlockStored(height)))
            case RequestBlocks(peer=name, from_height=height):
                peer = cluster.nodes[name]
                for delay_ms in cluster.links.arrivals(self.name, name):
                    cluster.after(delay_ms, lambda: peer.serve(self, height))
            case Drop() as drop:
                self.dropped.append(drop)

    def _feed_in(self, life: int, event: Event) -> None:
        if self.life == life:
            self.feed(event)

    def serve(self, peer: "Node", from_height: int) -> None:
        """Answer a request for blocks from the disk."""
        if self.replica is None:
            return
        wanted = self.commits[from_height - 1 : from_height + 15]
        blocks = [(c.block.encode(), c.certificate.encode()) for c in wanted]
        for delay_ms in self.cluster.links.arrivals(self.name, peer.name):
            self.cluster.after(delay_ms, lambda: peer.feed(BlocksReceived(self.name, blocks)))

    def _tick(self, life: int) -> None:
        if self.life == life and self.replica is not None:
            self.feed(Tick())
            self.cluster.after(TICK_MS, lambda: self._tick(life))


class Cluster:
    """All nodes, one clock, one queue of things to come."""

    def __init__(
        self, seed: int, validators: int, *, observers: int = 0, heartbeat_ms: int = 600_000
    ) -> None:
        self.random = Random(seed)
        self.now_ms = START_MS
        self.chain = make_chain(validators, heartbeat_ms=heartbeat_ms)
        self.links = Links(Random(seed + 1))
        self.crash_chance = 0.0
        self.votes: dict[tuple[str, int, int, int], set[tuple[int | None, bytes | None]]] = {}
        self._queue: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0
        self._trace = sha256()
        self.nodes: dict[str, Node] = {}
        for i, signer in enumerate(make_signers(validators)):
            name = f"did:web:v{i}.example"
            self.nodes[name] = Node(self, name, signer, skew_ms=self.random.randint(-1_500, 1_500))
        for i in range(observers):
            name = f"did:web:o{i}.example"
            self.nodes[name] = Node(self, name, None, skew_ms=0)

    @property
    def validators(self) -> list[Node]:
        """The nodes with a vote."""
        return [node for node in self.nodes.values() if node.signer is not None]

    def start(self) -> None:
        """Boot every node."""
        for node in self.nodes.values():
            node.start()

    def after(self, delay_ms: int, action: Callable[[], object]) -> None:
        """Do something later."""
        self._order += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._order, action))

    def run_until(self, done: Callable[[], bool], limit_ms: int) -> bool:
        """Let time pass until `done`, for at most `limit_ms`; returns whether it is."""
        end_ms = self.now_ms + limit_ms
        while not done():
            if not self._queue or self._queue[0][0] > end_ms:
                self.now_ms = end_ms
                return False
            self.now_ms, _, action = heapq.heappop(self._queue)
            action()
        return True

    def run(self, duration_ms: int) -> None:
        """Let time pass."""
        self.run_until(lambda: False, duration_ms)

    def send(self, sender: Node, receiver: Node, data: bytes) -> None:
        """Put a message on the link; it may arrive late, twice, out of order or never."""
        for delay_ms in self.links.arrivals(sender.name, receiver.name):
            self.after(delay_ms, lambda: receiver.feed(MessageReceived(sender.name, data)))

    def submit(self, tx: bytes) -> None:
        """Give an attestation to every node, again each second until all have it final: an outbox."""
        digest = sha256(tx).digest()

        def attempt() -> None:
            missing = False
            for node in self.nodes.values():
                if not any(digest in commit.execution.finals for commit in node.commits):
                    missing = True
                    for delay_ms in self.links.arrivals("client", node.name):
                        self.after(delay_ms, lambda node=node: node.feed(AttestationReceived(tx, digest)))  # type: ignore[misc]
            if missing:
                self.after(1_000, attempt)

        attempt()

    def crashes_now(self, node: Node) -> bool:
        """Whether a crash strikes between two effects; at most one validator is down at a time."""
        if self.crash_chance == 0.0 or any(other.replica is None for other in self.nodes.values()):
            return False
        return self.random.random() < self.crash_chance

    def sent(self, node: Node, data: bytes) -> None:
        """Remember what was signed, read by this file's own decoder of votes."""
        match decode(data):
            case [
                "comity/vote/v1",
                int() as kind,
                int() as height,
                int() as round_,
                vr,
                value,
                str() as name,
                _,
            ]:
                if name == node.name:
                    self.votes.setdefault((name, height, round_, kind), set()).add((vr, value))

    def trace(self, node: Node, effect: Effect) -> None:
        """Everything that happens goes into one digest."""
        match effect:
            case Broadcast(data=data) | Send(data=data) | Persist(record=data):
                detail = data
            case Commit(block=block):
                detail = block.id
            case _:
                detail = repr(effect).encode()
        kind = type(effect).__name__
        self._trace.update(f"{self.now_ms} {node.name} {kind} ".encode() + sha256(detail).digest())

    @property
    def trace_digest(self) -> str:
        """One hex digest of the whole run."""
        return self._trace.hexdigest()


def log_root(entries: list[bytes]) -> bytes:
    """The root over all entries, computed from nothing."""
    return Frontier().append([leaf_hash(entry) for entry in entries]).root
