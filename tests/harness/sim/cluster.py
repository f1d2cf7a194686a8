"""Nodes with a disk and a crash button, the links between them, one clock, and all that was ever said."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from consensus.chain import ChainConfig, Tip
from consensus.checkpoint import NoteError, SignedNote
from consensus.cose import SeedSigner
from consensus.encoding import decode, encode
from consensus.events import (
    AttestationReceived,
    BlocksReceived,
    BlockStored,
    Broadcast,
    Commit,
    Compare,
    Drop,
    Effect,
    Event,
    MessageReceived,
    Persist,
    RequestBlocks,
    Send,
    SetTimer,
    Started,
    Tick,
    TimerElapsed,
    Unforeseen,
)
from consensus.merkle import Tree, leaf_hash
from consensus.replica import Replica
from consensus.validators import ValidatorHistory
from node.ledger.cosigner import Cosigner, Cosigning
from node.ledger.log_policies import LogPolicies
from node.storage.signing import SigningStore
from tests.harness.sim.ledger import put_in_force
from tests.harness.sim.world import (
    GENESIS_APP_HASH,
    START_MS,
    Disk,
    Plain,
    World,
    make_chain,
    make_signers,
    validator_name,
    validator_signer,
)

if TYPE_CHECKING:
    from consensus.application import Application

__all__ = ["GENESIS_APP_HASH", "START_MS", "Cluster", "Links", "Node", "make_chain", "make_signers"]

TICK_MS = 250
RECOSIGN_MS = 3_000  # an idle log is cosigned again, so that a lost cosignature costs no receipt
BLOCKS_PER_ANSWER = 16

Guard = tuple[int, int, str]
Cosignature = tuple[int, bytes, str, str]  # size, root, log line, cosignature line
Said = tuple[str, int, int, int]  # validator, height, round, 0 proposal | 1 prevote | 2 precommit


@dataclass
class Links:
    """What the network does to messages."""

    random: Random
    delay_ms_max: int = 20
    loss: float = 0.0
    vote_loss: float = 0.0  # more, for proposals and votes only: help and blocks get through
    duplication: float = 0.0
    cut: set[tuple[str, str]] = field(default_factory=set)  # (from, to): a cut may be in one direction only
    drops: Callable[[str, str, bytes], bool] | None = None  # (from, to, message): an attacker's choice

    def arrivals(self, sender: str, receiver: str, *, vote: bool = False) -> list[int]:
        """Delays after which copies of one message arrive."""
        if (sender, receiver) in self.cut or self.random.random() < self.loss:
            return []
        if vote and self.random.random() < self.vote_loss:
            return []
        copies = 2 if self.random.random() < self.duplication else 1
        return [self.random.randint(1, self.delay_ms_max) for _ in range(copies)]

    def part(self, one: Iterable[str], other: Iterable[str], *, both_ways: bool = True) -> None:
        """Cut every link from `one` to `other`."""
        pairs = [(a, b) for a in one for b in other if a != b]
        self.cut.update(pairs)
        if both_ways:
            self.cut.update((b, a) for a, b in pairs)


POLICY_OPENING = bytes([0x84]) + encode("comity/policy/v1")  # a list of four


class SigningFile:
    """Guards and write-ahead log: frames of one file, each a transaction; a crash may cut the last one."""

    _HEAD_BYTES = 8  # length, first 4 bytes of the SHA-256

    def __init__(self) -> None:
        self.data = bytearray()
        self._whole = 0  # what was synced: no crash takes it away
        self._guards: set[Guard] = set()

    def persist(self, records: Sequence[tuple[bytes, Guard]], crash: Random | None) -> bool:
        """One transaction; in a crash the file ends anywhere within it, and False is returned."""
        for _, guard in records:
            assert guard not in self._guards, f"a second signature for {guard}"
        frame = encode([[record, list(guard)] for record, guard in records])
        head = len(frame).to_bytes(4, "big") + sha256(frame).digest()[:4]
        self.data += head + frame
        if crash is not None:
            del self.data[crash.randint(self._whole, len(self.data) - 1) :]
            return False
        self._whole = len(self.data)
        self._guards.update(guard for _, guard in records)
        return True

    def open(self) -> list[bytes]:
        """Repair a torn tail; all records in order."""
        records = self._read()
        del self.data[self._whole :]
        self._guards = {guard for _, guard in records}
        return [record for record, _ in records]

    def _read(self) -> list[tuple[bytes, Guard]]:
        records: list[tuple[bytes, Guard]] = []
        at = 0
        while at + self._HEAD_BYTES <= len(self.data):
            size = int.from_bytes(self.data[at : at + 4], "big")
            frame = bytes(self.data[at + self._HEAD_BYTES : at + self._HEAD_BYTES + size])
            if sha256(frame).digest()[:4] != self.data[at + 4 : at + 8] or len(frame) != size:
                break
            at += self._HEAD_BYTES + size
            items = decode(frame, size_bytes_max=64 << 20)
            assert isinstance(items, list)
            records += [(record, tuple(guard)) for record, guard in items]
        self._whole = at
        return records


class SigningDatabase:
    """The production signing.db; a crash leaves its log cut anywhere within the last transaction."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir()
        self._store = SigningStore(self._folder / "signing.db")

    @property
    def _log(self) -> Path:
        return self._folder / "signing.db-wal"

    def persist(self, records: Sequence[tuple[bytes, Guard]], crash: Random | None) -> bool:
        """One transaction; in a crash the log ends anywhere within it, and False is returned."""
        before = self._log.stat().st_size
        height = max(guard[0] for _, guard in records)
        self._store.persist(height, records)
        if crash is None:
            return True
        after = self._log.stat().st_size
        cut = crash.randint(min(before, after - 1), after - 1)
        log, kept = self._log.read_bytes()[:cut], (self._folder / "signing.db").read_bytes()
        self._store.close()
        self._folder = self._folder.with_name(self._folder.name + "+")
        self._folder.mkdir()
        (self._folder / "signing.db").write_bytes(kept)
        self._log.write_bytes(log)
        self._store = SigningStore(self._folder / "signing.db")
        return False

    def open(self) -> list[bytes]:
        """As a new process reads it."""
        self._store.close()
        self._store = SigningStore(self._folder / "signing.db")
        return self._store.wal(0)

    def close(self) -> None:
        """The run is over."""
        self._store.close()


@dataclass
class _CosignGuard:
    """The checkpoint guard of signing.db."""

    last: tuple[int, bytes, int] | None = None

    def last_cosigned(self) -> tuple[int, bytes, int] | None:
        return self.last

    def allowed(self) -> tuple[int, int]:
        return 0, 0

    def guard_cosignature(self, size: int, root: bytes, time: int) -> None:
        if self.last is not None:
            assert size > self.last[0] or (size, root) == self.last[:2], "a checkpoint that contradicts one"
        self.last = size, root, time


class Node:
    """One replica, its disk, and a crash button; an adversary is a subclass that says other things."""

    honest = True

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        index: int | None,
        *,
        instance: str | None = None,
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.id = instance or name  # twins share a name
        self.index = index
        self.signer: SeedSigner | None = None if index is None else validator_signer(index)
        self.next_signers: tuple[SeedSigner, ...] = ()  # which it votes with once the set names them
        self.next_cosigners: tuple[SeedSigner, ...] = ()
        self.skew_ms = 0
        self.random = Random(f"{cluster.seed} {self.id}")
        folder = cluster.folder
        self.file = SigningFile() if folder is None else SigningDatabase(folder / self.id.replace(":", "-"))
        self.disk: Disk = cluster.world.disk()
        self.commits: list[Commit] = []
        self.entries: list[bytes] = []
        self.dropped: list[Drop] = []
        self.final: set[bytes] = set()
        self.guard = _CosignGuard()
        self.note: SignedNote | None = None  # the newest checkpoint with a quorum
        self.tree = Tree()
        self.cosigning: Cosigning | None = None
        self.replica: Replica | None = None
        self.life = 0  # timers of an earlier life do not ring
        self._persisted: set[bytes] = set()
        self._cosigned_ms = 0

    # --- life

    def start(self) -> None:
        """Boot from the disk."""
        self.life += 1
        tip = self.cluster.world.tip()
        if self.commits:
            last = self.commits[-1]
            tip = Tip(last.block.height, last.block.id, last.block.time, last.execution.app_hash, last.log)
        wal = self.file.open()
        self.tree = Tree(leaf_hash(entry) for entry in self.entries)
        policy = self.cluster.world.policy
        if policy is not None:
            self.cosigning = Cosigning(LogPolicies(policy), self.tree, self._cosigner())
            self._learn_policies(0, self.entries)
        first = ValidatorHistory(((1, self.cluster.chain.validators),))
        changes = ((c.block.height + 2, c.validators) for c in self.commits if c.validators is not None)
        self.replica = Replica(
            self.cluster.chain,
            self.make_application(tip),
            tip,
            name=self.name if self.signer else None,
            signer=self.signer,
            next_signers=self.next_signers,
            history=ValidatorHistory((*first.steps, *changes)),
            wal=wal,
            admitted=[
                (commit.block.height, data) for commit in self.commits for data in commit.block.evidence
            ],
            certificates=[commit.certificate.encode() for commit in self.commits[-16:]],
        )
        self.feed(Started())
        life = self.life
        self.cluster.after(TICK_MS, lambda: self._tick(life))

    def make_application(self, tip: Tip) -> Application:
        """The rules, as of the disk."""
        return self.disk.application(tip.height, tip.app_hash)

    def crash(self) -> None:
        """Everything but the disk is gone."""
        self.replica = None
        self.life += 1

    def _crash_for_a_while(self) -> None:
        self.crash()
        self.cluster.crashes += 1
        self.cluster.after(self.cluster.random.randint(100, 4_000), self.start)

    @property
    def now_ms(self) -> int:
        """This node's clock."""
        return self.cluster.now_ms + self.skew_ms

    # --- events and effects

    def feed(self, event: Event) -> None:
        """Handle an event and execute its effects, unless a crash comes between them."""
        if self.replica is None:
            return
        effects = self.replica.handle(event, self.now_ms)
        persists = [effect for effect in effects if isinstance(effect, Persist)]
        if persists:
            for persist in persists:
                self.cluster.trace(self, persist)
            torn = self.cluster.random if self.cluster.crashes_now(self) else None
            if not self.file.persist([(persist.record, persist.guard) for persist in persists], torn):
                self._crash_for_a_while()
                return
            for persist in persists:
                record = decode(persist.record, size_bytes_max=4 << 20)
                assert isinstance(record, list)
                self._persisted.add(record[4])
        for effect in effects:
            if isinstance(effect, Persist):
                continue
            self.cluster.trace(self, effect)
            self._execute(effect)
            if self.cluster.crashes_now(self):
                self._crash_for_a_while()
                return

    def _execute(self, effect: Effect) -> None:
        cluster, life = self.cluster, self.life
        match effect:
            case Broadcast(data=data):
                self.broadcast(data)
            case Send(peer=name, data=data):
                for peer in cluster.named(name):
                    self.send(peer, data)
            case SetTimer(token=token, delay_ms=delay_ms):
                cluster.after(delay_ms, lambda: self._feed_in(life, TimerElapsed(token)))
            case Commit() as commit:
                assert commit.block.height == len(self.commits) + 1, "heights are decided in order"
                self.commits.append(commit)
                self.entries.extend(commit.execution.entries)
                self.final.update(commit.execution.finals)
                self.disk.store(commit.execution)
                cluster.committed(self, commit)
                height = commit.block.height
                delay_ms = cluster.random.randint(1, 10)
                cluster.after(delay_ms, lambda: self._feed_in(life, BlockStored(height)))
            case RequestBlocks(peer=name, from_height=height):
                for peer in cluster.named(name):
                    for delay_ms in cluster.links.arrivals(self.id, peer.id):
                        cluster.after(delay_ms, lambda peer=peer: peer.serve(self, height))  # type: ignore[misc]
            case Compare(height=height, block_id=block_id, shown=shown):
                if self.commits[height - 1].block.id != block_id:
                    self._feed_in(life, shown)
            case Drop() as drop:
                self.dropped.append(drop)
            case Unforeseen(error=error):
                raise error  # a node lives on; in a simulation nothing may be unforeseen

    def _feed_in(self, life: int, event: Event) -> None:
        if self.life != life:
            return
        if isinstance(event, BlockStored) and self.replica is not None:
            put_in_force(self.replica)
        if isinstance(event, BlockStored) and self.cosigning is not None:
            entries = self.commits[-1].execution.entries
            self._learn_policies(self.tree.size, entries)
            self.tree.extend(leaf_hash(entry) for entry in entries)
            self.feed(event)
            self.cosign()
        else:
            self.feed(event)

    def _tick(self, life: int) -> None:
        if self.life == life and self.replica is not None:
            self.feed(Tick())
            if self.cluster.now_ms - self._cosigned_ms >= RECOSIGN_MS:
                self.cosign()
            self.cluster.after(TICK_MS, lambda: self._tick(life))

    def _learn_policies(self, first: int, entries: Sequence[bytes]) -> None:
        """What `Ledger.adopt` does with the policies that a log names."""
        assert self.cosigning is not None
        for offset, entry in enumerate(entries):
            if entry.startswith(POLICY_OPENING):
                self.cosigning.policies.learn(first + offset, entry)

    # --- what adversaries do otherwise

    def broadcast(self, data: bytes) -> None:
        """Send to every other node; what is signed here must be on the disk."""
        if said := read_said(data):
            assert not self.honest or said[0][0] != self.name or data in self._persisted, (
                f"{self.id} sends {said[0]} without having it on its disk"
            )
        self.cluster.note_said(data)
        for peer in self.cluster.nodes.values():
            if peer.name != self.name:
                self.send(peer, data)

    def send(self, peer: Node, data: bytes) -> None:
        """Put a message on the link to one node."""
        self.cluster.send(self, peer, data)

    def receive(self, sender: Node, data: bytes) -> None:
        """A message arrives."""
        self.feed(MessageReceived(sender.name, data))

    def serve(self, peer: Node, from_height: int) -> None:
        """Answer a request for blocks from the disk."""
        if self.replica is None:
            return
        wanted = self.commits[from_height - 1 : from_height - 1 + BLOCKS_PER_ANSWER]
        self.answer(peer, [(c.block.encode(), c.certificate.encode()) for c in wanted])

    def answer(self, peer: Node, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        """Send blocks."""
        for delay_ms in self.cluster.links.arrivals(self.id, peer.id):
            self.cluster.after(delay_ms, lambda: peer.feed(BlocksReceived(self.name, blocks)))

    # --- checkpoints

    def _cosigner(self) -> Cosigner | None:
        if self.index is None:
            return None
        return Cosigner(
            self.name,
            (validator_signer(self.index, "log"),),
            (validator_signer(self.index, "cosign"), *self.next_cosigners),
            self.guard,
        )

    def cosign(self) -> None:
        """Cosign the own tree and tell the others."""
        if self.cosigning is None or self.replica is None:
            return
        self._cosigned_ms = self.cluster.now_ms
        fields = self.cosigning.cosign(self.now_ms // 1000)
        if fields is not None:
            self.cosignature_out(fields)
        self._keep_note()

    def cosignature_out(self, fields: Cosignature) -> None:
        """Send a cosignature to every other node."""
        for peer in self.cluster.nodes.values():
            if peer.name != self.name:
                for delay_ms in self.cluster.links.arrivals(self.id, peer.id):
                    self.cluster.after(delay_ms, lambda peer=peer: peer.cosignature_in(fields))  # type: ignore[misc]

    def cosignature_in(self, fields: Cosignature) -> None:
        """A cosignature arrives."""
        if self.cosigning is None or self.replica is None:
            return
        try:
            self.cosigning.receive(*fields)
        except NoteError:
            self.cluster.refused_cosignatures += 1
        self._keep_note()

    def _keep_note(self) -> None:
        assert self.cosigning is not None
        found = self.cosigning.note()
        if found is not None:
            self.note = found[2]


class Cluster:
    """All nodes, one clock, one queue of things to come."""

    def __init__(
        self,
        seed: int,
        validators: int,
        *,
        observers: int = 0,
        heartbeat_ms: int = 600_000,
        world: World | None = None,
        adversaries: dict[int, type[Node]] | None = None,
        folder: Path | None = None,
    ) -> None:
        """With a `folder` every node has a production signing.db in it."""
        self.seed = seed
        self.folder = folder
        self.random = Random(seed)
        self.now_ms = START_MS
        self.world: World = world or Plain(make_chain(validators, heartbeat_ms=heartbeat_ms))
        self.chain: ChainConfig = self.world.chain
        self.links = Links(Random(seed + 1))
        self.crash_chance = 0.0
        self.down_max = 1
        self.crashes = 0
        self.on_commit: Callable[[Node, Commit], None] | None = None
        self.refused_cosignatures = 0
        self.said: dict[Said, set[tuple[int | None, bytes | None]]] = {}  # (valid round, value) by step
        self.decided_ms: dict[bytes, int] = {}  # block id -> when a first node decided it
        self._queue: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0
        self._trace = sha256()
        self.nodes: dict[str, Node] = {}
        for i in range(validators):
            make = (adversaries or {}).get(i, Node)
            for node in make_instances(make, self, i):
                node.skew_ms = self.random.randint(-1_500, 1_500)
                self.nodes[node.id] = node
        for i in range(observers):
            name = f"did:web:o{i}.example"
            self.nodes[name] = Node(self, name, None)

    @property
    def validators(self) -> list[Node]:
        """The nodes with a vote."""
        return [node for node in self.nodes.values() if node.signer is not None]

    @property
    def honest(self) -> list[Node]:
        """The nodes that follow the protocol, observers among them."""
        return [node for node in self.nodes.values() if node.honest]

    @property
    def faulty(self) -> set[str]:
        """The names of the validators that do not."""
        return {node.name for node in self.nodes.values() if not node.honest}

    def named(self, name: str) -> list[Node]:
        """The nodes that answer to this name."""
        return [node for node in self.nodes.values() if node.name == name]

    def start(self) -> None:
        """Boot every node."""
        for node in self.nodes.values():
            node.start()

    def close(self) -> None:
        """Close what is open on the disk."""
        for node in self.nodes.values():
            if isinstance(node.file, SigningDatabase):
                node.file.close()

    def heal(self) -> None:
        """From now on the network is fast and whole, and nobody crashes."""
        self.links.cut.clear()
        self.links.loss = self.links.vote_loss = self.links.duplication = self.crash_chance = 0.0
        self.links.delay_ms_max = 20

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
        vote = is_said(data)
        if self.links.drops is not None and self.links.drops(sender.id, receiver.id, data):
            return
        for delay_ms in self.links.arrivals(sender.id, receiver.id, vote=vote):
            self.after(delay_ms, lambda: receiver.receive(sender, data))

    def submit(self, tx: bytes, *, to: Sequence[Node] = (), for_ms: int = 1 << 40) -> None:
        """An outbox: give an attestation to every node (or `to`) each second until all have it final."""
        digest = sha256(tx).digest()
        end_ms = self.now_ms + for_ms

        def attempt() -> None:
            missing = False
            for node in to or self.nodes.values():
                if digest not in node.final:
                    missing = missing or node.honest
                    for delay_ms in self.links.arrivals("client", node.id):
                        self.after(delay_ms, lambda node=node: node.feed(AttestationReceived(tx, digest)))  # type: ignore[misc]
            if missing and self.now_ms < end_ms:
                self.after(1_000, attempt)

        attempt()

    def crashes_now(self, node: Node) -> bool:
        """Whether a crash strikes between two effects; at most `down_max` are down at a time."""
        if self.crash_chance == 0.0 or not node.honest:
            return False
        if sum(other.replica is None for other in self.nodes.values()) >= self.down_max:
            return False
        return self.random.random() < self.crash_chance

    def note_said(self, data: bytes) -> None:
        """Remember what was signed, by whomever: read by this file's own decoder."""
        if said := read_said(data):
            self.said.setdefault(said[0], set()).add(said[1])

    def committed(self, node: Node, commit: Commit) -> None:
        """Remember when a block was first decided."""
        if node.honest:
            self.decided_ms.setdefault(commit.block.id, self.now_ms)
        if self.on_commit is not None:
            self.on_commit(node, commit)

    def trace(self, node: Node, effect: Effect) -> None:
        """Everything that happens goes into one digest."""
        match effect:
            case Broadcast(data=data) | Send(data=data) | Persist(record=data):
                detail = data
            case Commit(block=block, execution=execution):
                detail = block.id + b"".join(execution.entries)
            case _:
                detail = repr(effect).encode()
        kind = type(effect).__name__
        self._trace.update(f"{self.now_ms} {node.id} {kind} ".encode() + sha256(detail).digest())

    @property
    def trace_digest(self) -> str:
        """One hex digest of the whole run."""
        return self._trace.hexdigest()


def make_instances(make: type[Node], cluster: Cluster, index: int) -> list[Node]:
    """One node of a validator; of a twin two, with one key."""
    name = validator_name(index)
    count: int = getattr(make, "instances", 1)
    return [make(cluster, name, index, instance=name + "#twin" * i) for i in range(count)]


def is_said(data: bytes) -> bool:
    """Whether these bytes are a proposal or a vote."""
    return b"comity/vote/v1" in data[:20] or b"comity/proposal/v1" in data[:24]


def read_said(data: bytes) -> tuple[Said, tuple[int | None, bytes | None]] | None:
    """Who says what in which step, read without the code under test; None if it is no proposal or vote."""
    match decode(data, size_bytes_max=4 << 20):
        case ["comity/vote/v1", int() as kind, int() as height, int() as round_, vr, value, str() as name, _]:
            return (name, height, round_, kind), (vr, value)
        case ["comity/proposal/v1", int() as height, int() as round_, vr, bytes() as block, str() as name, _]:
            value = sha256(b"comity/block-id/v1" + block).digest()
            return (name, height, round_, 0), (vr, value)
    return None


def log_root(entries: list[bytes]) -> bytes:
    """The root over all entries, computed from nothing (RFC 9162, 2.1.1)."""
    if len(entries) <= 1:
        return sha256(b"\x00" + entries[0]).digest() if entries else sha256(b"").digest()
    split = 1 << ((len(entries) - 1).bit_length() - 1)
    return sha256(b"\x01" + log_root(entries[:split]) + log_root(entries[split:])).digest()
