"""The engine: one thread, one bounded inbox, effects executed in the order given (design.md 6).

`Engine` is the seam; `EmbeddedEngine` drives `consensus.replica`. The thread is the only writer of signing.db
and ledger.db. A decided block goes: ledger.db (one transaction) -> the registry -> the tree -> BlockStored
-> cosignature (guard first) -> broadcast. A turn that raises leaves a replica in a state that nobody
defined: the supervisor (`node/supervision/`) does not try again, it ends the node.
"""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from consensus.application import Application
from consensus.chain import ChainConfig, Timeouts, Tip
from consensus.checkpoint import NoteError, NoteKey, SignedNote
from consensus.cose import Signer
from consensus.encoding import Value
from consensus.errors import ConsensusError
from consensus.events import (
    AttestationReceived,
    BlocksReceived,
    BlockStored,
    Broadcast,
    Commit,
    Drop,
    Effect,
    Event,
    MessageReceived,
    PeerHeight,
    Persist,
    RequestBlocks,
    Send,
    SetTimer,
    Started,
    Strike,
    Tick,
    TimerElapsed,
    Token,
    Unforeseen,
)
from consensus.evidence import Evidence, evidence_of_checkpoints
from consensus.faults import HEIGHTS_REMEMBERED
from consensus.merkle import Frontier, Tree
from consensus.replica import Replica
from credentials.ledger.genesis import Genesis, cosign_key, log_key
from credentials.ledger.registry import genesis_app_hash
from node import log
from node.errors import ProblemError, SetupError, bad_request
from node.ledger.condition import Condition, Watch
from node.ledger.cosigner import Conflict, Cosigning
from node.ledger.inbox import EVENTS_MAX, OWN, Inbox
from node.peers.messages import (
    ITEM_ASK_COSIGNATURE,
    ITEM_ATTESTATION,
    ITEM_CONSENSUS,
    ITEM_COSIGNATURE,
    ITEM_NOTE,
    Item,
    Status,
)
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import LedgerStore
from node.storage.signing import SigningStore, Withheld

RECENT_MAX = 65_536  # attestations remembered so that a repeated one is not judged again at once
RECENT_S = 2.0
RECOSIGN_S = 60.0  # an idle log is cosigned again
HEIGHTS_KEPT = 4  # WAL records and guards of this many decided heights stay
NOTE_INTERVAL_S = 0.2  # to one peer, while it lacks our cosigned checkpoint
TICK_S = 0.25


class Outgoing(Protocol):
    """What the engine asks of the gossip."""

    def broadcast(self, item: Item, *, observers: bool = False) -> None: ...

    def send(self, did: str, item: Item) -> None: ...

    def request_blocks(self, did: str, height: int) -> None: ...

    def strike(self, sender: str) -> None:
        """This sender sent what no honest node sends."""


class Listener(Protocol):
    """Who is told, on the engine's thread, what happened: it must return at once."""

    def progressed(self) -> None:
        """A block was stored, or a checkpoint reached its quorum."""

    def dropped(self, digest: bytes, reason: str, code: str) -> None:
        """The pool gave an attestation up."""


class Engine(Protocol):
    """What the node asks of whatever orders its attestations."""

    @property
    def name(self) -> str: ...

    def turn(self) -> None: ...

    def wake(self) -> None: ...

    def submit(self, attestation: bytes) -> None:
        """Hand an attestation to the own pool; 503 when the inbox is full."""

    def status(self) -> Status: ...

    def condition(self) -> Condition:
        """What readiness is judged by."""


_Internal = tuple[str, str, tuple[Value, ...]]  # what, sender, fields: cosignatures, notes, peer log sizes
# What no honest node sends: it costs the sender a strike (`patience.py`), like `consensus.refusals.HOSTILE`.
HOSTILE_ATTESTATIONS = frozenset(
    {"malformed", "invalid_signature", "unsupported_algorithm", "wrong_network", "unknown_kind"}
)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Attestations of one request, each with its digest."""

    sender: str
    attestations: list[tuple[bytes, bytes]]


class EmbeddedEngine:
    """Drives one replica."""

    def __init__(
        self,
        *,
        chain: ChainConfig,
        application: Application,
        tip: Tip,
        signing: SigningStore,
        ledger: LedgerStore,
        tree: Tree,
        cosigning: Cosigning,
        listener: Listener,
        name: str | None,
        signer: Signer | None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._signing = signing
        self._ledger = ledger
        self._tree = tree
        self._cosigning = cosigning
        self._listener = listener
        self._height = tip.height
        try:
            self._replica = Replica(
                chain,
                application,
                tip,
                name=name,
                signer=signer,
                wal=signing.wal(tip.height + 1),
                history=ledger.validator_history(chain.validators),
                admitted=[row.entry for row in ledger.evidence()],
                certificates=ledger.certificates(HEIGHTS_REMEMBERED),
                guarded=signing.highest(),
                vote_from=signing.allowed()[0],
                ask_first=name is not None,
            )
        except ConsensusError as error:
            raise SetupError(f"this node cannot start: {error}") from error
        cosigning.cosign_from = signing.allowed()[1]
        self._name = name
        self._was_asking = name is not None
        self._validator_of = {
            (key.name, key.key_id): did for did, keys in chain.note_keys.items() for key in keys
        }
        withheld = signing.withheld()
        if withheld is not None:
            self._replica.withhold(withheld.reason)
        self._inbox: Inbox[Event | _Internal | _Batch] = Inbox()
        self.cpu_s: defaultdict[str, float] = defaultdict(float)  # seconds of the engine's thread by stage
        self._stage, self._stage_since = "start", 0.0
        self.dropped: Counter[str] = Counter()  # attestations of peers that no honest node sends, by code
        self._timers: list[tuple[float, int, Token]] = []
        self._timer_number = 0
        self._recent: OrderedDict[bytes, float] = OrderedDict()
        self._recent_lock = threading.Lock()
        self._note_sent: dict[str, float] = {}
        self._note_grew = False
        self._cosigned_at = 0.0
        self._ticked_at = 0.0
        self._begun = False
        self._wall = wall
        self._watch = Watch(wall=wall)
        self.out: Outgoing | None = None  # set before the first turn
        self._shown = (0, 0)  # size and height of what peers showed of this node
        self._evidence: list[Evidence] = []
        self._pool_by_issuer: dict[str, int] = {}
        self._place = (0, 0)  # round, attestations waiting
        self._status: Status = self._make_status()

    # -- called from any thread ----------------------------------------------------------------------

    name = "engine"

    def wake(self) -> None:
        """A turn that waits for an event returns."""
        self._inbox.wake(("wake", "", ()))

    def status(self) -> Status:
        return self._status

    @property
    def round(self) -> int:
        """The round being worked on."""
        return self._place[0]

    @property
    def pool_size(self) -> int:
        """Attestations that wait for a block."""
        return self._place[1]

    @property
    def withheld(self) -> str | None:
        """Why this validator does not vote."""
        return self._replica.withheld

    def condition(self) -> Condition:
        """How the engine is, now: what readiness is judged by. From any thread."""
        replica, watch = self._replica, self._watch
        turn_age_s, final_age_s, stalled_s = watch.ages()
        own = self._name or ""
        quorum_age_s = watch.quorum_age_s(replica.validators, own)
        return Condition(
            turn_age_s=turn_age_s,
            height=self._height,
            final_age_s=final_age_s,
            stalled_s=stalled_s,
            quorum_age_s=quorum_age_s,
            unheard=watch.unheard(replica.validators, own),
            cut_off_since=watch.cut_off_since(quorum_age_s),
            clock_offset_s=watch.clock_offset_s(replica.validators, own),
            block_ahead_s=max(0.0, replica.tip.time - self._wall()),
            withheld=replica.withheld,
            asking=replica.asking,
            pool=replica.pool_size,
            pool_ready=replica.pool_ready,
            pool_by_issuer=self._pool_by_issuer,
            inbox=len(self._inbox),
            set_aside_total=watch.set_aside_total,
            set_aside=watch.newest_set_aside(),
        )

    def peer_clock(self, peer: str, time_s: float) -> None:
        """A fresh answer that this peer signed shows what its clock shows."""
        self._watch.clock(peer, time_s)

    def evidence(self) -> list[Evidence]:
        """Faults of validators that no block has recorded yet."""
        return self._evidence

    def submit(self, attestation: bytes) -> None:
        event = AttestationReceived(attestation, sha256(attestation).digest())
        self._inbox.put(OWN, event, size_bytes=len(attestation))

    @property
    def refused(self) -> dict[str, int]:
        """Messages of peers that the replica refused, by reason."""
        return {**self._replica.refused, **{f"attestation_{code}": n for code, n in self.dropped.items()}}

    def peer_items(self, sender: str, items: list[Value]) -> None:
        """Events of a peer's batch, all or none; an attestation seen a moment ago is not judged again."""
        self._watch.heard(sender)
        attestations: list[tuple[bytes, bytes]] = []
        events: list[tuple[Event | _Internal, int]] = []
        for item in items:
            match item:
                case [kind, bytes(data)] if kind == ITEM_CONSENSUS:
                    events.append((MessageReceived(sender, data), len(data)))
                case [kind, bytes(data)] if kind == ITEM_ATTESTATION:
                    attestations.append((data, sha256(data).digest()))
                case [kind, int(size), bytes(root), str(log_line), str(line)] if kind == ITEM_COSIGNATURE:
                    fields = (size, root, log_line, line)
                    events.append((("cosignature", sender, fields), len(log_line) + len(line)))
                case [kind, str(did)] if kind == ITEM_ASK_COSIGNATURE:
                    events.append((("ask", sender, (did,)), len(did)))
                case [kind, str(note)] if kind == ITEM_NOTE:
                    events.append((("note", sender, (note,)), len(note)))
                case _:
                    raise bad_request("malformed", "an item of the batch is not one this node knows")
        for event, size_bytes in events:
            self._inbox.put(sender, event, size_bytes=size_bytes)
        attestations = self._new(attestations)
        if attestations:
            try:
                size_bytes = sum(len(data) for data, _ in attestations)
                batch = _Batch(sender, attestations)
                count = len(attestations)
                self._inbox.put(sender, batch, count=count, size_bytes=size_bytes, patient=True)
            except ProblemError:
                self._forget(attestations)
                raise

    def peer_status(self, sender: str, status: Status) -> None:
        self._watch.heard(sender)
        replica, height, log_size, cosigned = status
        if len(self._inbox) > EVENTS_MAX // 2:
            return  # a status comes again
        self._inbox.put(sender, PeerHeight(sender, height))
        self._inbox.put(sender, MessageReceived(sender, replica), size_bytes=len(replica))
        if cosigned < self._status[3] <= log_size:
            self._inbox.put(sender, ("lacks", sender, (cosigned,)))

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None:
        size_bytes = sum(len(block) + len(certificate) for block, certificate in blocks)
        self._inbox.put(sender, BlocksReceived(sender, blocks), size_bytes=size_bytes)

    def _new(self, attestations: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Those that were not seen a moment ago."""
        now = time.monotonic()
        new: list[tuple[bytes, bytes]] = []
        with self._recent_lock:
            for data, digest in attestations:
                seen = self._recent.get(digest)
                if seen is None or seen <= now - RECENT_S:
                    self._recent[digest] = now
                    self._recent.move_to_end(digest)
                    new.append((data, digest))
            while len(self._recent) > RECENT_MAX:
                self._recent.popitem(last=False)
        return new

    def _forget(self, attestations: list[tuple[bytes, bytes]]) -> None:
        """They were not taken in: they may come again at once."""
        with self._recent_lock:
            for _, digest in attestations:
                self._recent.pop(digest, None)

    # -- the thread ----------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Take up what the disk knows."""
        assert self.out is not None, "the gossip is attached before the engine starts"
        self._begun = True
        self._stage, self._stage_since = "idle", time.thread_time()
        self._restore_cosigned()
        self._ask()
        self._execute(self._feed(Started()))
        self._cosign()

    def turn(self) -> None:
        """Wait for the next event or timer, and work off what is there. Always on one thread."""
        if not self._begun:
            self._begin()
        due = self._ticked_at + TICK_S
        if self._timers:
            due = min(due, self._timers[0][0])
        event = self._inbox.get(due - time.monotonic())
        if event is not None:
            self._take(event)
        while self._timers and self._timers[0][0] <= time.monotonic():
            token = heapq.heappop(self._timers)[2]
            with self._counted("order"):
                self._execute(self._feed(TimerElapsed(token)))
        if time.monotonic() >= self._ticked_at + TICK_S:
            self._ticked_at = time.monotonic()
            with self._counted("order"):
                self._execute(self._feed(Tick()))
            if self._note_grew:
                self._note_grew = False
                self._keep_note()
            if self._replica.asking:
                self._ask()
        if time.monotonic() - self._cosigned_at >= RECOSIGN_S:
            self._cosign()
        self._heed_peers()
        self._status = self._make_status()
        self._pool_by_issuer = self._replica.pool_by_issuer
        self._watch.turned(self._replica.pool_ready)

    def _take(self, event: Event | _Internal | _Batch) -> None:
        """Work off one event. What it raises by itself sets it aside; a broken invariant goes on up."""
        if isinstance(event, tuple):
            what, sender, _ = event
            try:
                with self._counted("cosign"):
                    self._internal(event)
            except AssertionError:
                raise
            except Exception as error:
                self._set_aside(what, sender, error)
        elif isinstance(event, _Batch):
            with self._counted("check"):
                self._execute(self._receive(event))
        else:
            with self._counted("check" if isinstance(event, AttestationReceived) else "order"):
                self._execute(self._feed(event))

    def _set_aside(self, what: str, sender: str, error: Exception) -> None:
        item = self._watch.aside(what, sender, error)
        log.moment("set_aside", what=what, peer=sender, because=item.because)

    def _receive(self, batch: _Batch) -> list[Effect]:
        """Attestations of one request under one read transaction; what they lead to is executed after it."""
        effects: list[Effect] = []
        with self._ledger.reading():
            self._ledger.learn_finals([digest for _, digest in batch.attestations])
            for data, digest in batch.attestations:
                effects += self._feed(AttestationReceived(data, digest, batch.sender))
        kept: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Drop) and effect.code in HOSTILE_ATTESTATIONS:
                self.dropped[effect.code] += 1  # counted, not told one by one: a flood fills no log
                self._strike(batch.sender)
            elif isinstance(effect, Drop) and effect.code == "pool_full":
                self.dropped[effect.code] += 1  # its issuer's outbox offers it again
            else:
                kept.append(effect)
        return kept

    def _strike(self, sender: str) -> None:
        assert self.out is not None
        self.out.strike(sender)

    @contextlib.contextmanager
    def _counted(self, stage: str) -> Iterator[None]:
        """Count this thread's CPU time under `stage`; a stage inside another is counted apart."""
        outer = self._enter(stage)
        try:
            yield
        finally:
            self._enter(outer)

    def _enter(self, stage: str) -> str:
        now, before = time.thread_time(), self._stage
        self.cpu_s[before] += now - self._stage_since
        self._stage, self._stage_since = stage, now
        return before

    def _execute(self, effects: Iterable[Effect]) -> None:
        assert self.out is not None
        todo = deque(effects)
        while todo:
            effect = todo.popleft()
            match effect:
                case Persist():
                    records = [effect]
                    while todo and isinstance(following := todo[0], Persist):
                        records.append(following)
                        todo.popleft()
                    self._persist(records)
                case Broadcast(data):
                    self.out.broadcast([ITEM_CONSENSUS, data])
                case Send(peer, data):
                    self.out.send(peer, [ITEM_CONSENSUS, data])
                case SetTimer(token, delay_ms):
                    self._timer_number += 1
                    at = time.monotonic() + delay_ms / 1000
                    heapq.heappush(self._timers, (at, self._timer_number, token))
                case RequestBlocks(peer, from_height):
                    self.out.request_blocks(peer, from_height)
                case Strike(sender):
                    self._strike(sender)
                case Unforeseen(what, sender, error):
                    self._set_aside(what, sender, error)
                case Drop(digest, reason, code):
                    self._listener.dropped(digest, reason, code)
                case Commit():
                    with self._counted("store"):
                        self._commit(effect)
                    todo.extend(self._feed(BlockStored(effect.block.height)))
                    with self._counted("cosign"):
                        self._cosign()
                    self._listener.progressed()
                    self._status = self._make_status()
                case _:
                    raise AssertionError(f"the engine does not know the effect {type(effect).__name__}")

    def _persist(self, effects: list[Persist]) -> None:
        with self._counted("store"):
            self._signing.persist(self._height + 1, [(e.record, e.guard) for e in effects])
        for effect in effects:
            if effect.guard is not None:
                height, round_, kind = effect.guard
                log.moment(kind, height=height, round=round_)

    def _commit(self, effect: Commit) -> None:
        block, execution = effect.block, effect.execution
        # The registry hands over what it parsed; `changes` is opaque to consensus.
        parsed = {a.data: a for a in execution.changes} if isinstance(execution.changes, tuple) else {}
        rows = [row_of(entry, parsed) for entry in execution.entries]
        tip = LedgerTip(block.height, block.id, block.time, execution.app_hash, effect.log.encode())
        self._ledger.commit_block(
            tip,
            block=block.encode(),
            certificate=effect.certificate.encode(),
            entries=rows,
            standings=execution.standings,
            finals=execution.finals,
            validators=effect.validators,
        )
        # The application adopts the execution when the replica handles BlockStored.
        self._tree.extend(row.leaf_hash for row in rows)
        assert self._tree.size == effect.log.size, "the tree and the agreed log have one size"
        self._height = block.height
        self._watch.final()
        self._signing.prune(block.height - HEIGHTS_KEPT)
        log.moment(
            "commit",
            height=block.height,
            block=block.id,
            attestations=len(block.attestations),
            log_size=self._tree.size,
            round=effect.certificate.round,
        )

    # -- cosignatures --------------------------------------------------------------------------------

    def _restore_cosigned(self) -> None:
        kept = self._ledger.checkpoint()
        if kept is not None:
            self._cosigning.cosigned_size = kept[0]
            self._cosigning.recall(SignedNote.parse(kept[1]))

    def _ask(self) -> None:
        """Which checkpoint did peers see signed by this node? The replica asks for votes, after this."""
        if self._name is not None:
            assert self.out is not None
            self.out.broadcast([ITEM_ASK_COSIGNATURE, self._name])

    def _heed_peers(self) -> None:
        """What peers showed: signatures of this node that it does not know, and faults of others."""
        size = self._cosigning.foreign_size
        if size and self._replica.withheld is None:
            self._replica.withhold(
                f"the network has a cosignature of this validator for a log of {size} entries, and "
                "signing.db knows nothing of it: it is missing, old or restored, or another node runs with "
                "the same keys"
            )
        reason, above = self._replica.withheld, self._replica.withheld_above
        if reason is not None and (size or above) and (size, above) != self._shown:
            self._shown = size, above
            self._signing.withhold(Withheld(reason, above, size))
            log.moment("withheld", because=reason)
        if self._was_asking and not self._replica.asking:
            self._was_asking = False
            self._cosign()
        for rivals in self._cosigning.rivals:
            did = self._validator_of.get(rivals.key)
            found = did and evidence_of_checkpoints(did, rivals.first, rivals.second)
            if found:
                event = MessageReceived(self._name or found.validator, found.encode())
                self._execute(self._feed(event))
        self._cosigning.rivals.clear()
        before, self._evidence = self._evidence, self._replica.evidence
        for evidence in self._evidence:
            if evidence not in before:
                log.moment(
                    "evidence", kind=evidence.kind, validator=evidence.validator, height=evidence.height
                )

    def _cosign(self) -> None:
        assert self.out is not None
        self._cosigned_at = time.monotonic()
        if self._replica.asking or self._replica.withheld is not None:
            return
        fields = self._cosigning.cosign(int(self._wall()))
        if fields is not None:
            log.moment("cosign", size=fields[0], height=self._height)
            self.out.broadcast([ITEM_COSIGNATURE, *fields])
        self._keep_note()

    def _keep_note(self) -> None:
        """Store the cosigned checkpoint if it is news."""
        before = self._cosigning.cosigned_size
        found = self._cosigning.note()
        if found is None:
            return
        size, at, note = found
        text = note.text()
        kept = self._ledger.checkpoint()
        if kept is not None and kept[1] == text:
            return
        self._ledger.put_checkpoint(size, at, text)
        if size > before:
            log.moment("checkpoint", size=size)
            self._listener.progressed()

    def _internal(self, event: _Internal) -> None:
        what, sender, fields = event
        assert self.out is not None
        try:
            match what, fields:
                case "cosignature", (int(size), bytes(root), str(log_line), str(line)):
                    self._cosigning.receive(size, root, log_line, line)
                    if size > self._cosigning.cosigned_size:
                        self._keep_note()
                    else:
                        self._note_grew = True  # one more line of a note that is kept already: no hurry
                case "ask", (str(did),):
                    said = self._cosigning.said_by(did)
                    if said is not None:
                        self.out.send(sender, [ITEM_COSIGNATURE, *said])
                case "note", (str(text),):
                    self._receive_note(SignedNote.parse(text))
                case "lacks", _:
                    kept = self._ledger.checkpoint()
                    now = time.monotonic()
                    if kept is not None and self._note_sent.get(sender, 0.0) < now - NOTE_INTERVAL_S:
                        self._note_sent[sender] = now
                        self.out.send(sender, [ITEM_NOTE, kept[1]])
                case _:
                    pass
        except Conflict as error:
            log.moment("conflict", peer=sender, because=str(error))
        except NoteError as error:
            self._strike(sender)
            log.moment("cosignature_refused", peer=sender, because=str(error))

    def _receive_note(self, note: SignedNote) -> None:
        """A peer's cosigned checkpoint: each line is judged as if it had come alone."""
        self._cosigning.receive_note(note)
        self._keep_note()

    def _make_status(self) -> Status:
        self._place = (self._replica.step[1], self._replica.pool_size)
        return self._replica.status(), self._height, self._tree.size, self._cosigning.cosigned_size

    def _feed(self, event: Event) -> list[Effect]:
        """Give the replica an event, with the time that passes and the time it is (decision 0102)."""
        return self._replica.handle(event, int(time.monotonic() * 1000), int(self._wall() * 1000))


def chain_config(genesis: Genesis) -> ChainConfig:
    """What consensus takes from genesis."""
    limits = genesis.limits
    return ChainConfig(
        network_id=genesis.network_id,
        validators=genesis.validators,
        config_digest=genesis.config_digest,
        app_version=genesis.app_version,
        timeouts=Timeouts(
            propose_ms=limits.timeout_propose_ms,
            propose_delta_ms=limits.timeout_delta_ms,
            vote_ms=max(limits.timeout_prevote_ms, limits.timeout_precommit_ms),
            vote_delta_ms=limits.timeout_delta_ms,
        ),
        block_bytes_max=limits.block_bytes_max,
        heartbeat_ms=limits.heartbeat_ms,
        evidence_heights_max=limits.evidence_heights_max,
        note_keys={v.name: note_keys(genesis, v.name) for v in genesis.validators.validators},
    )


def note_keys(genesis: Genesis, did: str) -> tuple[NoteKey, NoteKey]:
    """The keys with which a validator signs checkpoints."""
    return log_key(genesis, did), cosign_key(genesis, did)


def tip_of(ledger: LedgerStore, genesis: Genesis) -> Tip:
    """Where the chain stands on this disk."""
    kept = ledger.tip()
    if kept is None:
        return Tip(0, genesis.network_id, genesis.created, genesis_app_hash(genesis), Frontier())
    return Tip(kept.height, kept.block_id, kept.time, kept.app_hash, Frontier.decode(kept.frontier))
