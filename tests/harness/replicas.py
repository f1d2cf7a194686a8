"""Replicas in memory with a disk each, for what the simulation does not do: rivals' keys and changing sets.

Time is a counter, links delay and lose by a seed, and the Application orders named values and set changes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random

from consensus.application import Execution
from consensus.chain import ChainConfig, Parameters, Tip
from consensus.cose import SeedSigner
from consensus.encoding import Value, decode, encode
from consensus.events import (
    AttestationReceived,
    BlocksReceived,
    BlockStored,
    Broadcast,
    Commit,
    Compare,
    Effect,
    Event,
    Guard,
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
from consensus.merkle import Frontier
from consensus.replica import Replica
from consensus.types import PRECOMMIT, PREVOTE, Block, CommitCertificate, Kind, Vote, decode_message
from consensus.validators import Validator, ValidatorHistory, ValidatorSet
from tests.harness.sim.ledger import Ledger, make_tx, put_in_force

START_MS = 1_800_000_000_000
TICK_MS = 250
NETWORK = sha256(b"replicas in memory").digest()
APP_HASH = Ledger().app_hash


def did(index: int) -> str:
    return f"did:web:v{index}.example"


def key(index: int, generation: int = 0) -> SeedSigner:
    """A vote key; each generation is another one."""
    return SeedSigner(f"{did(index)}#vote-{generation}", sha256(f"{index}/{generation}".encode()).digest())


def validator(index: int, generation: int = 0, weight: int = 1) -> Validator:
    return Validator(did(index), key(index, generation).public_key, weight)


def chain_of(count: int, **changes: object) -> ChainConfig:
    """A network that begins with `count` validators of weight 1."""
    first = ValidatorSet(tuple(validator(i) for i in range(count)))
    parameters = replace(Parameters(1), **changes)  # type: ignore[arg-type]
    return ChainConfig(NETWORK, first, sha256(b"config").digest(), parameters)


def sign(vote: Vote, signer: SeedSigner, validators: ValidatorSet) -> Vote:
    return replace(vote, signature=signer.sign(vote.signed_bytes(NETWORK, validators.hash)))


def vote(
    kind: Kind,
    index: int,
    round: int,
    value: bytes | None,
    chain: ChainConfig,
    *,
    height: int = 1,
    vr: int = -1,
) -> Vote:
    """A signed vote of the first generation of keys."""
    return sign(Vote(kind, height, round, vr, value, did(index)), key(index), chain.validators)


def certificate_of(
    value: bytes, round: int, chain: ChainConfig, names: Iterable[int], *, height: int = 1, vr: int = -1
) -> CommitCertificate:
    """A certificate signed by these validators, whatever that makes of them."""
    names = sorted(names, key=did)
    return CommitCertificate(
        height,
        round,
        value,
        tuple(vote(PRECOMMIT, i, round, value, chain, height=height) for i in names),
        tuple(vote(PREVOTE, i, round, value, chain, height=height, vr=vr) for i in names),
    )


def make_change(*updates: Validator) -> bytes:
    """An attestation that changes the validators."""
    members: list[Value] = [[u.name, u.public_key, u.weight] for u in updates]
    return encode(["replicas/change", members])


class ChangingLedger(Ledger):
    """Named values, and set changes that everybody agrees to."""

    def check_tx(self, tx: bytes, now: int) -> bytes:
        return sha256(tx).digest() if _change(tx) else super().check_tx(tx, now)

    def issuer_of(self, tx: bytes) -> str:
        return "sim" if _change(tx) else super().issuer_of(tx)

    def prepare_proposal(
        self, txs: Sequence[bytes], height: int, time: int, previous_id: bytes, bytes_max: int
    ) -> tuple[bytes, ...]:
        changes = [tx for tx in txs if _change(tx)][:1]
        rest = [tx for tx in txs if not _change(tx)]
        return (*changes, *super().prepare_proposal(rest, height, time, previous_id, bytes_max - 4096))

    def process_proposal(self, block: Block) -> Execution:
        plain = replace(block, attestations=tuple(tx for tx in block.attestations if not _change(tx)))
        done = super().process_proposal(plain)
        updates = tuple(update for tx in block.attestations for update in _change(tx))
        finals = tuple(sha256(tx).digest() for tx in block.attestations)
        return replace(done, validator_updates=updates, finals=finals)


def _change(tx: bytes) -> tuple[Validator, ...]:
    match decode(tx):
        case ["replicas/change", list() as members]:
            return tuple(Validator(*member) for member in members)
    return ()


@dataclass
class Disk:
    """What survives a crash: signing.db, and the blocks."""

    wal: list[bytes] = field(default_factory=list)
    guards: set[Guard] = field(default_factory=set)
    last: Guard | None = None
    commits: list[Commit] = field(default_factory=list)

    def history(self, first: ValidatorSet) -> ValidatorHistory:
        changes = [(c.block.height + 2, c.validators) for c in self.commits if c.validators is not None]
        return ValidatorHistory(((1, first), *changes))


class Node:
    """One replica and its disk."""

    def __init__(self, net: Net, index: int, generations: int = 1) -> None:
        self.net, self.index, self.name = net, index, did(index)
        self.signers = [key(index, generation) for generation in range(generations)]
        self.disk = Disk()
        self.vote_from = 0
        self.replica: Replica | None = None
        self.life = 0

    @property
    def up(self) -> Replica:
        assert self.replica is not None
        return self.replica

    def start(self, *, ask_first: bool = False) -> None:
        """A new process on this disk."""
        self.life += 1
        ledger, net, disk = ChangingLedger(), self.net, self.disk
        tip = Tip(0, NETWORK, START_MS // 1000, APP_HASH, Frontier())
        for commit in disk.commits:
            ledger.commit(commit.execution)
            block = commit.block
            tip = Tip(block.height, block.id, block.time, commit.execution.app_hash, commit.log)
        self.replica = Replica(
            net.chain,
            ledger,
            tip,
            name=self.name,
            signer=self.signers[0],
            next_signers=self.signers[1:],
            wal=disk.wal,
            history=disk.history(net.chain.validators),
            admitted=[
                (commit.block.height, data) for commit in disk.commits for data in commit.block.evidence
            ],
            certificates=[commit.certificate.encode() for commit in disk.commits[-16:]],
            guarded=disk.last,
            vote_from=self.vote_from,
            ask_first=ask_first,
        )
        self.feed(Started())
        self._tick(self.life)

    def stop(self) -> None:
        self.replica = None
        self.life += 1

    def feed(self, event: Event) -> None:
        if self.replica is not None:
            for effect in self.replica.handle(event, self.net.now_ms):
                self._execute(effect)

    def _execute(self, effect: Effect) -> None:
        net, life = self.net, self.life
        match effect:
            case Persist(record=record, guard=guard):
                assert guard not in self.disk.guards, f"{self.name} signs {guard} twice"
                self.disk.guards.add(guard)
                self.disk.last = guard
                self.disk.wal.append(record)
            case Broadcast(data=data):
                net.heard(self, data)
                for peer in net.nodes.values():
                    if peer is not self:
                        net.send(self, peer, MessageReceived(self.name, data))
            case Send(peer=name, data=data):
                net.send(self, net.nodes[name], MessageReceived(self.name, data))
            case SetTimer(token=token, delay_ms=delay_ms):
                net.after(delay_ms, lambda: self._feed_in(life, TimerElapsed(token)))
            case Commit() as commit:
                assert commit.block.height == len(self.disk.commits) + 1
                self.disk.commits.append(commit)
                net.after(2, lambda: self._feed_in(life, BlockStored(commit.block.height)))
            case RequestBlocks(peer=name, from_height=height):
                wanted = net.nodes[name].disk.commits[height - 1 : height + 31]
                blocks = [(c.block.encode(), c.certificate.encode()) for c in wanted]
                net.send(net.nodes[name], self, BlocksReceived(name, blocks))
            case Compare(height=height, block_id=block_id, shown=shown):
                if self.disk.commits[height - 1].block.id != block_id:
                    self._feed_in(life, shown)
            case Unforeseen(error=error):
                raise error
            case _:
                pass

    def _feed_in(self, life: int, event: Event) -> None:
        if self.life == life:
            if isinstance(event, BlockStored):
                put_in_force(self.up)
            self.feed(event)

    def _tick(self, life: int) -> None:
        if self.life == life and self.replica is not None:
            self.feed(Tick())
            self.net.after(TICK_MS, lambda: self._tick(life))


class Net:
    """Nodes, one clock, lossy links."""

    def __init__(self, seed: int, chain: ChainConfig, nodes: int, generations: int = 1) -> None:
        self.chain = chain
        self.random = Random(seed)
        self.now_ms = START_MS
        self.loss = 0.0
        self.delay_ms_max = 20
        self.votes: list[Vote] = []  # everything said by its own author
        self._queue: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0
        self.nodes = {did(i): Node(self, i, generations) for i in range(nodes)}

    def node(self, index: int) -> Node:
        return self.nodes[did(index)]

    def start(self) -> None:
        for node in self.nodes.values():
            node.start()

    def after(self, delay_ms: int, action: Callable[[], object]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._order, action))

    def send(self, sender: Node, receiver: Node, event: Event) -> None:
        if self.random.random() >= self.loss:
            self.after(self.random.randint(1, self.delay_ms_max), lambda: receiver.feed(event))

    def heard(self, node: Node, data: bytes) -> None:
        value = decode(data, size_bytes_max=1 << 20)
        if isinstance(value, list) and value[0] == "comity/vote/v1":
            message = decode_message(value)
            assert isinstance(message, Vote)
            if message.validator == node.name:
                self.votes.append(message)

    def run_until(self, done: Callable[[], bool], limit_ms: int = 60_000) -> None:
        """Let time pass until `done`."""
        end_ms = self.now_ms + limit_ms
        while not done():
            assert self._queue and self._queue[0][0] <= end_ms, f"not done within {limit_ms} ms"
            self.now_ms, _, action = heapq.heappop(self._queue)
            action()

    def run(self, duration_ms: int) -> None:
        end_ms = self.now_ms + duration_ms
        self.run_until(lambda: not self._queue or self._queue[0][0] > end_ms, duration_ms)
        self.now_ms = end_ms

    def submit(self, tx: bytes) -> None:
        """To every node, again each second until all have it final."""
        digest = sha256(tx).digest()

        def attempt() -> None:
            missing = [
                node
                for node in self.nodes.values()
                if not any(digest in commit.execution.finals for commit in node.disk.commits)
            ]
            for node in missing:
                node.feed(AttestationReceived(tx, digest))
            if missing:
                self.after(1_000, attempt)

        attempt()

    def submit_named(self, *names: str) -> None:
        for name in names:
            self.submit(make_tx(name))

    def height(self, *indices: int) -> int:
        """The height that all of these (or all) have stored."""
        chosen = [self.node(i) for i in indices] if indices else list(self.nodes.values())
        return min(len(node.disk.commits) for node in chosen)

    def final_everywhere(self, tx: bytes, *indices: int) -> bool:
        digest = sha256(tx).digest()
        chosen = [self.node(i) for i in indices] if indices else list(self.nodes.values())
        return all(any(digest in c.execution.finals for c in node.disk.commits) for node in chosen)
