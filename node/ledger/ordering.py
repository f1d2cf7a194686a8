"""The engine's thread: events of one bounded inbox, effects of the replica executed in the order given.

The thread is the only writer of signing.db and ledger.db. A decided block goes to `Ledger.adopt`, then
BlockStored goes to the replica. One item that raises is set aside with its reason. A turn that raises leaves
a replica in a state that nobody defined: the supervisor (`node/supervision/`) ends the node.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator

from consensus.application import Application
from consensus.chain import ChainConfig, Tip
from consensus.cose import Signer
from consensus.errors import ConsensusError, OwnFault
from consensus.events import (
    AttestationReceived,
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
    Strike,
    Tick,
    TimerElapsed,
    Token,
    Unforeseen,
)
from consensus.evidence import FaultEvidence
from consensus.faults import HEIGHTS_REMEMBERED
from consensus.replica import Replica, is_at_rest
from node import log
from node.errors import SetupError
from node.ledger.checkpoints import Checkpoints
from node.ledger.comet.decided import by_cometbft
from node.ledger.engine import Outgoing
from node.ledger.engine_condition import Watch
from node.ledger.inbox import OWN
from node.ledger.intake import AttestationBatch, CheckpointItem, Incoming, Intake
from node.ledger.ledger import Decision, Ledger
from node.ledger.subscriptions import Moments, PoolDropped
from node.peers.messages import ITEM_CONSENSUS, Status
from node.storage.ledger import LedgerStore
from node.storage.signing import FORKED, SigningStore, Withheld

HEIGHTS_KEPT = 4  # WAL records and guards of this many decided heights stay
TICK_S, REST_TICK_S = 0.25, 1.0  # whatever comes ends a rest
# What no honest node sends: it costs the sender a strike (`strikes.py`), like `consensus.refusals.HOSTILE`.
HOSTILE_ATTESTATIONS = frozenset(
    {"malformed", "invalid_signature", "unsupported_algorithm", "wrong_network", "unknown_kind"}
)


class _Timers:
    """Tokens by the time at which they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Token]] = []
        self._number = 0

    def set(self, token: Token, delay_ms: int) -> None:
        self._number += 1
        heapq.heappush(self._heap, (time.monotonic() + delay_ms / 1000, self._number, token))

    @property
    def next_at(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def due(self) -> Iterator[Token]:
        while self._heap and self._heap[0][0] <= time.monotonic():
            yield heapq.heappop(self._heap)[2]


class _Stages:
    """CPU time of the engine's thread by stage; a stage inside another is counted apart."""

    def __init__(self) -> None:
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        self._stage, self._since = "start", 0.0

    def begin(self) -> None:
        self._stage, self._since = "idle", time.thread_time()

    @contextlib.contextmanager
    def counted(self, stage: str) -> Iterator[None]:
        outer = self._enter(stage)
        try:
            yield
        finally:
            self._enter(outer)

    def _enter(self, stage: str) -> str:
        now, before = time.thread_time(), self._stage
        self.cpu_s[before] += now - self._since
        self._stage, self._since = stage, now
        return before


def _tick_s(replica: Replica, checkpoints: Checkpoints) -> float:
    return REST_TICK_S if is_at_rest(replica) and not checkpoints.note_grew else TICK_S


class Ordering:
    """Drives one replica. Its plain attributes are what other threads may look at."""

    def __init__(
        self,
        *,
        chain: ChainConfig,
        application: Application,
        tip: Tip,
        signing: SigningStore,
        store: LedgerStore,
        ledger: Ledger,
        checkpoints: Checkpoints,
        moments: Moments,
        name: str,
        signer: Signer,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`name` votes with `signer` whenever the set of the next block names it, and follows otherwise."""
        self._signing, self._store, self.ledger = signing, store, ledger
        self._checkpoints, self._moments = checkpoints, moments
        self.replica = replica = _replica(
            chain, application, tip, signing=signing, store=store, name=name, signer=signer
        )
        checkpoints.cosigning.cosign_from = signing.allowed()[1]
        checkpoints.may_sign = lambda: not replica.asking and replica.withheld is None
        self.did = name
        self._was_asking = True
        self.wall = wall
        self.watch = Watch(wall=wall)
        self.intake = Intake(self.watch)
        self._timers, self.stages = _Timers(), _Stages()
        self.dropped: Counter[str] = Counter()  # attestations of peers that are told to nobody, by code
        self._ticked_at = 0.0
        self._begun = False
        self._out: Outgoing | None = None
        self._lacking = ""  # what the log was told last of what this node lacks
        self._fork_told = False
        self._shown = (0, 0)  # size and height of what peers showed of this node
        self.evidence: list[FaultEvidence] = []
        self._look()

    @property
    def out(self) -> Outgoing | None:
        """The way to the peers; set before the first turn."""
        return self._out

    @out.setter
    def out(self, out: Outgoing) -> None:
        self._out = self._checkpoints.out = out

    def turn(self) -> None:
        """Wait for the next event or timer, and work off what is there. Always on one thread."""
        if not self._begun:
            self._begin()
        due = self._ticked_at + _tick_s(self.replica, self._checkpoints)
        if self._timers.next_at is not None:
            due = min(due, self._timers.next_at)
        event = self.intake.inbox.get(due - time.monotonic())
        if event is not None:
            self._take(event)
        for token in self._timers.due():
            with self.stages.counted("order"):
                self._execute(self._feed(TimerElapsed(token)))
        if time.monotonic() >= self._ticked_at + _tick_s(self.replica, self._checkpoints):
            self._tick()
        self._heed_peers()
        self._look()
        self.watch.turned(self.replica.pool.ready)

    def _begin(self) -> None:
        """Take up what the disk knows."""
        assert self._out is not None, "the gossip is attached before the engine starts"
        self._begun = True
        self.stages.begin()
        self._checkpoints.restore()
        self._checkpoints.ask(self.did)
        self._execute(self._feed(Started()))
        self._checkpoints.cosign()

    def _tick(self) -> None:
        self._ticked_at = time.monotonic()
        with self.stages.counted("order"):
            self._execute(self._feed(Tick()))
        self._checkpoints.tick()
        if self.replica.asking:
            self._checkpoints.ask(self.did)

    def _look(self) -> None:
        """What other threads are told of this one."""
        replica = self.replica
        lacking = "" if replica.lacking is None else str(replica.lacking)
        if lacking != self._lacking:
            log.moment("waits" if lacking else "goes_on", height=self.ledger.height, because=lacking)
        self._lacking = lacking
        self.round = replica.step[1]
        self.pool_by_issuer = replica.pool.by_issuer
        self.status: Status = (
            replica.status(),
            self.ledger.height,
            self.ledger.size,
            self._checkpoints.cosigned_size,
        )

    def _feed(self, *events: Event) -> list[Effect]:
        """Give the replica what came together, with the time that passes and what it is (decision 0102)."""
        now_ms, time_ms = int(time.monotonic() * 1000), int(self.wall() * 1000)
        return self.replica.handle_together(events, now_ms, time_ms)

    def _take(self, event: Incoming) -> None:
        """Work off one event. What it raises by itself sets it aside; a broken invariant goes on up."""
        if isinstance(event, CheckpointItem):
            try:
                with self.stages.counted("cosign"):
                    self._checkpoints.take(event.what, event.sender, event.fields)
            except (AssertionError, OwnFault):
                raise
            except Exception as error:
                self._set_aside(event.what, event.sender, error)
        elif isinstance(event, AttestationBatch):
            with self.stages.counted("check"):
                self._execute(self._receive(event))
        else:
            with self.stages.counted("check" if isinstance(event, AttestationReceived) else "order"):
                self._execute(self._feed(event))

    def _set_aside(self, what: str, sender: str, error: Exception) -> None:
        item = self.watch.aside(what, sender, error)
        log.moment("set_aside", what=what, peer=sender, because=item.because)

    def _receive(self, batch: AttestationBatch) -> list[Effect]:
        """Attestations of one request under one read transaction; what they lead to is executed after it.

        A block that is begun for the first of them takes the others along.
        """
        with self._store.reading():
            self._store.learn_finals([digest for _, digest in batch.attestations])
            effects = self._feed(
                *(AttestationReceived(data, digest, batch.sender) for data, digest in batch.attestations)
            )
        if batch.sender == OWN:
            return effects
        kept: list[Effect] = []
        for effect in effects:
            code = effect.code if isinstance(effect, Drop) else ""
            if code in HOSTILE_ATTESTATIONS:
                kept.append(Strike(batch.sender, code))
            if code in HOSTILE_ATTESTATIONS or code in ("pool_full", "quota"):
                self.dropped[code] += 1  # counted, not told one by one: a flood fills no log
            else:
                kept.append(effect)
        return kept

    def _execute(self, effects: Iterable[Effect]) -> None:
        assert self._out is not None
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
                case Broadcast(at_rest=True):
                    pass  # each question to a peer, and each answer, carries this status (node/peers)
                case Broadcast(data):
                    self._out.broadcast([ITEM_CONSENSUS, data])
                case Send(peer, data):
                    self._out.send(peer, [ITEM_CONSENSUS, data])
                case SetTimer(token, delay_ms):
                    self._timers.set(token, delay_ms)
                case RequestBlocks(peer, from_height):
                    self._out.request_blocks(peer, from_height)
                case Compare(height, block_id, shown):
                    if self._store.block_id(height) not in (None, block_id):
                        todo.extend(self._feed(shown))
                case Strike(sender):
                    self._out.strike(sender)
                case Unforeseen(what, sender, error):
                    self._set_aside(what, sender, error)
                case Drop(digest, reason, code):
                    log.moment("dropped", digest=digest, code=code, because=reason)
                    self._moments.tell(PoolDropped(digest, reason, code))
                case Commit():
                    self._adopt(effect)
                    todo.extend(self._feed(BlockStored(effect.block.height)))
                    self._look()
                case _:
                    raise AssertionError(f"the engine does not know the effect {type(effect).__name__}")

    def _persist(self, effects: list[Persist]) -> None:
        with self.stages.counted("store"):
            self._signing.persist(self.ledger.height + 1, [(e.record, e.guard) for e in effects])
        for effect in effects:
            height, round_, kind = effect.guard
            log.moment(kind, height=height, round=round_)

    def _adopt(self, effect: Commit) -> None:
        block, certificate = effect.block, effect.certificate
        decision = Decision(
            block.id, block.encode(), certificate.encode(), certificate.round, effect.log, effect.validators
        )
        with self.stages.counted("store"):
            self.ledger.adopt(
                block.height, block.time, block.attestations, effect.execution, decision=decision
            )
            self._signing.prune(block.height - HEIGHTS_KEPT)
        self.watch.final()

    # -- what peers showed ---------------------------------------------------------------------------

    def _heed_peers(self) -> None:
        """Signatures of this node that it does not know, and faults of others."""
        self._heed_own()
        if self._was_asking and not self.replica.asking:
            self._was_asking = False
            self._checkpoints.cosign()
        keys = self.replica.chain.parameters.note_keys
        for found in self._checkpoints.cosigning.accusations(keys):
            self._execute(self._feed(MessageReceived(self.did, found.encode())))
        before, self.evidence = self.evidence, self.replica.evidence
        for evidence in self.evidence:
            if evidence not in before:
                log.moment(
                    "evidence", kind=evidence.kind, validator=evidence.validator, height=evidence.height
                )

    def _heed_own(self) -> None:
        if self.replica.forked is not None:
            self._fork_told = self._fork_told or _tell_fork(self._signing, self.replica.forked)
            return
        size = self._checkpoints.cosigning.foreign_size
        if size and self.replica.withheld is None:
            self.replica.withhold(self._checkpoints.cosigning.not_remembered)
        reason, above = self.replica.withheld, self.replica.withheld_above
        if reason is not None and (size or above) and (size, above) != self._shown:
            self._shown = size, above
            self._signing.withhold(Withheld(reason, above, size))
            log.moment("withheld", because=reason)


def _tell_fork(signing: SigningStore, height: int) -> bool:
    """Two blocks at one height: that is known after a restart too, and the log says what to do."""
    signing.withhold(Withheld(FORKED, height, 0))
    told = (
        f"the validators decided two blocks at height {height}. `comity evidence list` names whose keys "
        "signed both; agree with the other participants which history counts"
    )
    log.moment("forked", height=height, because=told)
    return True


def _replica(
    chain: ChainConfig,
    application: Application,
    tip: Tip,
    *,
    signing: SigningStore,
    store: LedgerStore,
    name: str,
    signer: Signer,
) -> Replica:
    """The replica as the disk left it; raises SetupError."""
    try:
        replica = Replica(
            chain,
            application,
            tip,
            name=name,
            signer=signer,
            wal=signing.wal(tip.height + 1),
            history=store.validator_history(chain.validators),
            admitted=[(row.height, row.entry) for row in store.leaves.evidence()],
            certificates=[c for c in store.certificates(HEIGHTS_REMEMBERED) if not by_cometbft(c)],
            guarded=signing.highest(),
            vote_from=signing.allowed()[0],
            ask_first=True,
        )
    except ConsensusError as error:
        raise SetupError(
            f"this node cannot start: ledger.db or signing.db is damaged ({error}). Run `comity rebuild "
            "--data DIR`; if it says this again then, move signing.db away, start the node, and follow what "
            "it says about voting"
        ) from error
    withheld = signing.withheld()
    if withheld is not None and withheld.reason == FORKED:
        replica.fork(withheld.height)
    elif withheld is not None:
        replica.withhold(withheld.reason)
    return replica
