"""Many heights: signatures, write-ahead log, catch-up and help, around the machine and the application.

A replica has no clock, disk or network: events go in, effects come out and are executed in the order given.
What is signed is in a Persist effect before it is in a Broadcast; after a restart the same bytes are sent.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from consensus import machine
from consensus.application import Application, Execution
from consensus.cose import SignatureInvalid, Signer
from consensus.encoding import EncodingError, Value, decode, encode
from consensus.errors import ConsensusError
from consensus.machine import Height, State, Step
from consensus.merkle import Frontier, leaf_hash
from consensus.pool import GivenUp, Pool
from consensus.types import (
    NO_ROUND,
    PRECOMMIT,
    PREVOTE,
    Block,
    CertificateInvalid,
    CommitCertificate,
    Proposal,
    ValidatorSet,
    Vote,
    decode_message,
    verify_certificate,
    verify_proposal,
    verify_vote,
)
from consensus.votes import Added, DoubleVote

MESSAGE_BYTES_OVERHEAD = 4096  # of a proposal around its block
BUFFERED_PER_SENDER_MAX = 64  # messages for the next height
BUFFERED_BYTES_PER_SENDER_MAX = 2 << 20
SENDERS_MAX = 256
BLOCKS_QUEUED_MAX = 64
HELP_MESSAGES_MAX = 64
HELP_BYTES_MAX = 2 << 20
HELP_INTERVAL_MS = 100  # between two answers to one sender's status
IN_FLIGHT_MS = 200  # what is younger is probably on its way: nobody is helped with it or behind because of it
REQUEST_INTERVAL_MS = 1_000  # between two requests for blocks without an answer
IDLE_STATUS_MS = 5_000
WAL_RECORD_BYTES_MAX = 4 << 20
SHORT_DIGEST_BYTES = 8

_STATUS_TAG = "comity/status/v1"
_WAL_TAG = "comity/wal/v1"
_PROPOSAL = "proposal"
_NO_PROPOSAL = -1

Guard = tuple[int, int, str]  # height, round, "proposal" | "prevote" | "precommit"
Token = tuple[int, int, int]  # height, round, step


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a step waits; each grows with the round, so that rounds outlast any delay."""

    propose_ms: int = 1_000
    propose_delta_ms: int = 500
    vote_ms: int = 500  # prevote and precommit
    vote_delta_ms: int = 250
    limit_ms: int = 30_000

    def of(self, step: Step, round: int) -> int:
        """The timeout of `step` in `round`, in ms."""
        propose = step is Step.PROPOSE
        base = self.propose_ms if propose else self.vote_ms
        delta = self.propose_delta_ms if propose else self.vote_delta_ms
        return min(base + round * delta, self.limit_ms)


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """What all nodes of a network agree on before they start (genesis)."""

    network_id: bytes
    validators: ValidatorSet
    config_digest: bytes
    app_version: int
    timeouts: Timeouts = Timeouts()
    block_bytes_max: int = 512 << 10
    heartbeat_ms: int = 600_000  # an idle network decides an empty block this often
    timely_ms: int = 10_000  # a new block's time may be this far from the receiver's clock
    timely_delta_ms: int = 5_000  # more for each round


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the chain stands: the last stored block and what it led to."""

    height: int
    block_id: bytes  # of height 0: the network id
    time: int
    app_hash: bytes
    log: Frontier


# Events


@dataclass(frozen=True, slots=True)
class Started:
    """The node is up; the write-ahead log was given to the constructor."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A consensus message from an authenticated peer, who need not be its author."""

    sender: str
    data: bytes


@dataclass(frozen=True, slots=True)
class AttestationReceived:
    """An attestation from the own outbox or from a peer."""

    tx: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class TimeoutElapsed:
    """A timer set by SetTimer ran out."""

    token: Token


@dataclass(frozen=True, slots=True)
class BlocksReceived:
    """Blocks in sequence, each with its commit certificate; the answer to RequestBlocks."""

    sender: str
    blocks: Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class BlockStored:
    """The block of the last Commit is on disk."""

    height: int


@dataclass(frozen=True, slots=True)
class PeerHeight:
    """A peer has stored blocks up to `height`."""

    sender: str
    height: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passes; fed about every 250 ms."""


Event = (
    Started
    | MessageReceived
    | AttestationReceived
    | TimeoutElapsed
    | BlocksReceived
    | BlockStored
    | PeerHeight
    | Tick
)

# Effects


@dataclass(frozen=True, slots=True)
class Persist:
    """Write to the write-ahead log and sync; a guard that is already taken must stop the node."""

    record: bytes
    guard: Guard | None


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every peer; loss is made good by the next status."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one peer."""

    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Feed TimeoutElapsed(token) after `delay_ms`."""

    token: Token
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A height is decided: store all of it in one transaction, then feed BlockStored."""

    block: Block
    certificate: CommitCertificate
    execution: Execution
    log: Frontier


@dataclass(frozen=True, slots=True)
class RequestBlocks:
    """Ask a peer for blocks from this height on; the answer is BlocksReceived."""

    peer: str
    from_height: int


@dataclass(frozen=True, slots=True)
class Drop:
    """The pool gave an attestation up."""

    digest: bytes
    reason: str
    code: str


Effect = Persist | Broadcast | Send | SetTimer | Commit | RequestBlocks | Drop


@dataclass(slots=True)
class _Buffer:
    """Messages of one sender for the next height."""

    messages: list[tuple[bytes, int]] = field(default_factory=list)  # bytes, ms of reception
    size_bytes: int = 0


@dataclass(slots=True)
class _Peer:
    """What is known of a sender."""

    height: int = 0  # stored blocks, by its own word
    helped_ms: int | None = None
    buffer: _Buffer = field(default_factory=_Buffer)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A message of the height, own ones included."""

    round: int
    data: bytes
    since_ms: int


class Replica:
    """One node's part in the agreement; an observer (no name) verifies and executes, and never votes."""

    def __init__(
        self,
        chain: ChainConfig,
        application: Application,
        tip: Tip,
        *,
        name: str | None,
        signer: Signer | None,
        wal: Sequence[bytes] = (),
    ) -> None:
        """`wal` holds the persisted records in order; raises ConsensusError if one is damaged."""
        if (name is None) != (signer is None):
            raise ConsensusError("a validator needs a name and its vote key, an observer neither")
        if name is not None and signer is not None:
            own = chain.validators.get(name)
            if own is None or own.public_key != signer.public_key:
                raise ConsensusError(f"{name} is not a validator of this network with this vote key")
        if application.app_version != chain.app_version:
            raise ConsensusError("the network runs another version of the rules; update this node")
        self._chain = chain
        self._application = application
        self._tip = tip
        self._name = name
        self._signer = signer
        self._pool = Pool(application)
        self._wal: dict[int, list[_Record]] = {}
        for record in map(_read_record, wal):
            if record.height > tip.height:
                self._wal.setdefault(record.height, []).append(record)
        self._signed: dict[Guard, bytes] = {
            record.guard: record.data for records in self._wal.values() for record in records
        }
        self._peers: dict[str, _Peer] = {}
        self._queue: list[tuple[str, bytes, bytes]] = []  # received blocks that are not executed yet
        self._requested_ms: int | None = None
        self._requests = 0
        self._behind_since_ms: int | None = None
        self._catching_up = False  # the last block came from a peer
        self._stored_ms = 0
        self._status_ms: int | None = None
        self._last_place: tuple[int, int, int] | None = None
        self._now_ms = 0
        self._out: list[Effect] = []
        self.refused: Counter[str] = Counter()  # messages dropped, by reason
        self.evidence: list[DoubleVote] = []
        self._reset()

    def _reset(self) -> None:
        """Forget the height: nothing is said about the next one yet."""
        self._height: Height | None = None
        self._messages: dict[bytes, _Heard] = {}  # by short digest
        self._kept_round = 0
        self._executions: dict[bytes, Execution | None] = {}  # None: the block is not valid
        self._proposal_due = _NO_PROPOSAL  # the round in which this node proposes once it has something
        self._storing: tuple[Block, Execution, Frontier] | None = None

    @property
    def tip(self) -> Tip:
        """The last stored block."""
        return self._tip

    @property
    def pool_size(self) -> int:
        """Attestations that wait for a block."""
        return len(self._pool)

    def pending(self, digest: bytes) -> bool:
        """Whether an attestation waits in the pool."""
        return digest in self._pool

    @property
    def step(self) -> tuple[int, int, Step]:
        """Height, round and step being worked on."""
        state = State(self._tip.height + 1) if self._height is None else self._height.state
        return state.height, state.round, state.step

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Apply one event. Input from peers never raises: it is dropped and counted in `refused`."""
        self._now_ms = now_ms
        self._out = []
        match event:
            case MessageReceived(sender=sender, data=data):
                self._receive(sender, data, now_ms)
            case AttestationReceived(tx=tx, digest=digest):
                self._receive_attestation(tx, digest)
            case TimeoutElapsed(token=(height, round_, step)):
                if self._height is not None and height == self._height.state.height:
                    self._run(self._height.take(machine.TimeoutElapsed(round_, Step(step))))
            case BlocksReceived(sender=sender, blocks=blocks):
                self._receive_blocks(sender, blocks)
            case BlockStored(height=height):
                self._stored(height)
            case PeerHeight(sender=sender, height=height):
                self._note_height(sender, height)
                self._request_if_behind()
            case Started():
                self._start_if_due()
                self._send_status()
            case Tick():
                self._tick()
        self._start_if_due()
        self._propose_if_due()
        # One sync for all that is signed here; what is written may always be sent later.
        out, self._out = sorted(self._out, key=lambda effect: not isinstance(effect, Persist)), []
        return out

    def status(self) -> bytes:
        """Where this node is and what it has heard at its height.

        Wire: ["comity/status/v1", height, round, step, first 8 bytes of the SHA-256 of each message, joined].
        """
        height, round_, step = self.step
        if self._name is None:
            step = Step.DECIDED  # an observer wants blocks, not votes
        have = b"".join(sorted(self._messages))
        return encode([_STATUS_TAG, height, round_, int(step), have])

    # --- what arrives

    def _receive(self, sender: str, data: bytes, received_ms: int) -> None:
        try:
            self._take(sender, data, received_ms)
        except EncodingError:
            self.refused["malformed"] += 1
        except SignatureInvalid:
            self.refused["signature"] += 1
        except CertificateInvalid:
            self.refused["stranger"] += 1

    def _take(self, sender: str, data: bytes, received_ms: int) -> None:
        size_max = self._chain.block_bytes_max + MESSAGE_BYTES_OVERHEAD
        if len(data) > size_max:
            self.refused["oversized"] += 1
            return
        digest = _short_digest(data)
        if digest in self._messages:
            self.refused["duplicate"] += 1
            return
        value = decode(data, size_bytes_max=size_max)
        if isinstance(value, list) and value and value[0] == _STATUS_TAG:
            self._answer_status(sender, value)
            return
        message = decode_message(value)
        working = self._tip.height + 1
        if message.height > working:
            self._note_height(sender, message.height - 1)
            self._buffer(sender, message.height, data, received_ms)
        elif message.height < working or self._storing is not None or self._name is None:
            self.refused["late"] += 1
        elif isinstance(message, Vote):
            self._take_vote(message, data, digest)
        else:
            self._take_proposal(message, data, digest, received_ms)

    def _take_vote(self, vote: Vote, data: bytes, digest: bytes) -> None:
        verify_vote(vote, self._chain.validators, self._chain.network_id)
        height = self._open_height()
        if self._keep(height.add_vote(vote), vote.round, data, digest):
            self._run(height.take())

    def _take_proposal(self, proposal: Proposal, data: bytes, digest: bytes, received_ms: int) -> None:
        verify_proposal(proposal, self._chain.validators, self._chain.network_id)
        height = self._open_height()
        timely = self._timely(proposal, received_ms)
        if self._keep(height.add_proposal(proposal, timely), proposal.round, data, digest):
            self._run(height.take())

    def _keep(self, added: Added, round: int, data: bytes, digest: bytes) -> bool:
        if added is Added.DUPLICATE:
            self.refused["duplicate"] += 1
            return False
        if added is Added.NEW:
            self._messages[digest] = _Heard(round, data, self._now_ms)
        else:
            self.refused["surplus"] += 1
        return True  # a surplus vote may still say that its sender is rounds ahead (L55)

    def _timely(self, proposal: Proposal, received_ms: int) -> bool:
        window_ms = self._chain.timely_ms + proposal.round * self._chain.timely_delta_ms
        return abs(proposal.block.time * 1000 - received_ms) <= window_ms

    def _buffer(self, sender: str, height: int, data: bytes, received_ms: int) -> None:
        """Keep a message for the next height, unverified; what does not fit comes again with a status."""
        # Validators relay for one another; nobody else has messages of a height.
        validator = self._name is not None and self._chain.validators.get(sender) is not None
        if height != self._tip.height + 2 or not validator:
            self.refused["early"] += 1
            if self._name is None:
                self._request_if_behind()  # who votes at a height has stored the one before
            return
        buffer = self._peer(sender).buffer
        if (
            len(buffer.messages) >= BUFFERED_PER_SENDER_MAX
            or buffer.size_bytes + len(data) > BUFFERED_BYTES_PER_SENDER_MAX
        ):
            self.refused["buffer_full"] += 1
            return
        buffer.messages.append((data, received_ms))
        buffer.size_bytes += len(data)

    def _receive_attestation(self, tx: bytes, digest: bytes) -> None:
        given_up = self._pool.add(tx, digest, self._now_ms)
        self._drop([given_up] if given_up else [])
        if self._name is None:
            self._pool.remove([digest])  # an observer checks and passes on; validators propose

    def _receive_blocks(self, sender: str, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        if not blocks:
            self._peer(sender).height = 0  # it has nothing to show for the height it named
        if not self._queue:
            self._queue = [(sender, *pair) for pair in blocks[:BLOCKS_QUEUED_MAX]]
        self._adopt_next()

    def _drop(self, given_up: Iterable[GivenUp]) -> None:
        self._out.extend(Drop(item.digest, item.reason, item.code) for item in given_up)

    # --- one height

    def _open_height(self) -> Height:
        """The height being worked on; begins it, after a restart as the write-ahead log left it."""
        if self._height is None:
            assert self._name is not None, "an observer opens no height"
            assert self._storing is None, "a height begins after the previous block is stored"
            number = self._tip.height + 1
            self._height = Height(State(number), self._chain.validators, self._name, self._valid)
            records = self._wal.get(number)
            if records:
                self._restore(self._height, records)
            else:
                self._run(self._height.enter())
        return self._height

    def _start_if_due(self) -> None:
        """No empty blocks: a height begins for an attestation, a heartbeat, or what was signed already."""
        if self._name is None or self._height is not None or self._storing is not None or self._queue:
            return
        if self._tip.height + 1 in self._wal or self._heartbeat_due() or self._pool.proposable(self._now_ms):
            self._open_height()

    def _heartbeat_due(self) -> bool:
        return self._now_ms - self._tip.time * 1000 >= self._chain.heartbeat_ms

    def _run(self, effects: Iterable[machine.Effect]) -> None:
        """Execute what the machine asks for, and what follows from it, in order."""
        height = self._height
        assert height is not None, "effects belong to an open height"
        todo = deque(effects)
        while todo:
            match todo.popleft():
                case machine.StartTimer(round=round_, step=step):
                    token = (height.state.height, round_, int(step))
                    self._out.append(SetTimer(token, self._chain.timeouts.of(step, round_)))
                case machine.Propose(round=round_, value_id=value_id, valid_round=valid_round):
                    block = self._new_block(round_) if value_id is None else height.blocks[value_id]
                    if block is None:
                        self._proposal_due = round_
                    else:
                        self._publish(height, round_, valid_round, block)
                    todo.extend(height.take())
                case machine.CastVote() as cast:
                    self._cast(height, cast)
                    todo.extend(height.take())
                case machine.Decide(round=round_, value_id=value_id):
                    self._decide(height, round_, value_id)
        if height.state.round != self._kept_round:
            self._forget_old_messages(height)

    def _forget_old_messages(self, height: Height) -> None:
        self._kept_round = height.state.round
        rounds = height.rounds()
        self._messages = {d: heard for d, heard in self._messages.items() if heard.round in rounds}
        self._executions = {d: done for d, done in self._executions.items() if d in height.blocks}

    def _propose_if_due(self) -> None:
        """A proposer that had nothing to propose proposes as soon as it has something."""
        height = self._height
        if height is None or self._proposal_due == _NO_PROPOSAL or self._storing is not None:
            return
        if height.state.round != self._proposal_due or height.state.step is not Step.PROPOSE:
            self._proposal_due = _NO_PROPOSAL
            return
        block = self._new_block(height.state.round)
        if block is not None:
            self._proposal_due = _NO_PROPOSAL
            self._publish(height, height.state.round, NO_ROUND, block)
            self._run(height.take())

    def _new_block(self, round: int) -> Block | None:
        """A block of what waits; an empty one only for a heartbeat, or to end a height that has begun."""
        empty_allowed = round > 0 or self._heartbeat_due()
        if not empty_allowed and not self._pool.proposable(self._now_ms):
            return None
        tip = self._tip
        time = max(tip.time, self._now_ms // 1000)
        offer = self._pool.offer()
        chosen = self._prepare(offer, time) if offer else ()
        if offer and not chosen:
            self._pool.passed_over(self._now_ms)
            if not empty_allowed:
                return None
        assert self._name is not None, "an observer proposes nothing"
        return Block(
            tip.height + 1,
            time,
            tip.block_id,
            self._name,
            tip.app_hash,
            tip.log.size,
            tip.log.root,
            self._chain.config_digest,
            self._chain.app_version,
            chosen,
        )

    def _prepare(self, offer: Sequence[bytes], time: int) -> tuple[bytes, ...]:
        # The heads of the attestations and of the block take less than this share.
        bytes_max = self._chain.block_bytes_max * 31 // 32
        try:
            return self._application.prepare_proposal(
                offer, self._tip.height + 1, time, self._tip.block_id, bytes_max
            )
        except Exception:  # whatever a hostile attestation raises, the height still ends
            self.refused["prepare_failed"] += 1
            return ()

    def _publish(self, height: Height, round: int, valid_round: int, block: Block) -> None:
        """Sign, persist and broadcast a proposal, once per round."""
        number = height.state.height
        guard = (number, round, _PROPOSAL)
        if guard in self._signed:
            self._out.append(Broadcast(self._signed[guard]))
            return
        assert self._name is not None and self._signer is not None, "an observer signs nothing"
        unsigned = Proposal(number, round, valid_round, block, self._name)
        message = unsigned.signed_bytes(self._chain.network_id, self._chain.validators.hash)
        proposal = replace(unsigned, signature=self._signer.sign(message))
        data = proposal.encode()
        self._persist(_Record(number, round, _PROPOSAL, data))
        height.add_proposal(proposal, timely=True)
        self._messages[_short_digest(data)] = _Heard(round, data, self._now_ms)

    def _cast(self, height: Height, cast: machine.CastVote) -> None:
        """Sign, persist and broadcast a vote, once per round and kind."""
        number = height.state.height
        guard = (number, cast.round, cast.kind)
        if guard in self._signed:
            self._out.append(Broadcast(self._signed[guard]))
            return
        assert self._name is not None and self._signer is not None, "an observer signs nothing"
        unsigned = Vote(cast.kind, number, cast.round, cast.valid_round, cast.value_id, self._name)
        message = unsigned.signed_bytes(self._chain.network_id, self._chain.validators.hash)
        vote = replace(unsigned, signature=self._signer.sign(message))
        data = vote.encode()
        record = _Record(number, cast.round, cast.kind, data)
        if cast.kind == PRECOMMIT and cast.value_id is not None:
            # The lock: with its value and polka a restarted node can propose, prevote and help as before.
            proposal = height.proposed(cast.round, cast.value_id)
            assert proposal is not None, "a value is locked because of a proposal of this round"
            polka = height.votes.polka(cast.round, cast.value_id)
            record = replace(
                record, proposal=proposal.encode(), polka=tuple(prevote.encode() for prevote in polka)
            )
        self._persist(record)
        height.add_vote(vote)
        self._messages[_short_digest(data)] = _Heard(cast.round, data, self._now_ms)

    def _persist(self, record: "_Record") -> None:
        self._signed[record.guard] = record.data
        self._out.append(Persist(record.encode(), record.guard))
        self._out.append(Broadcast(record.data))

    def _restore(self, height: Height, records: Sequence["_Record"]) -> None:
        """Take up the height where the write-ahead log ends, and send the same bytes again."""
        last = max(record.round for record in records)
        kinds = {record.kind for record in records if record.round == last}
        reached = Step.PRECOMMIT if PRECOMMIT in kinds else Step.PREVOTE if PREVOTE in kinds else Step.PROPOSE
        state = State(height.state.height, last, reached)
        locks = [record for record in records if record.proposal is not None]
        if locks:
            lock = max(locks, key=lambda record: record.round)
            value_id = lock.locked_value()
            others = [record.round for record in locks if record.locked_value() != value_id]
            state = replace(
                state,
                locked_value=value_id,
                locked_round=lock.round,
                earlier_lock=max(others, default=NO_ROUND),
                valid_value=value_id,
                valid_round=lock.round,
            )
        height.state = state
        self._kept_round = last
        for record in records:
            for data in (*record.messages(), record.data):
                message = _read_message(data)
                if isinstance(message, Vote):
                    height.add_vote(message)
                else:
                    height.add_proposal(message, self._timely(message, self._now_ms))
                self._messages[_short_digest(data)] = _Heard(message.round, data, self._now_ms)
            self._out.append(Broadcast(record.data))
        if reached is Step.PROPOSE:
            token = (state.height, last, int(Step.PROPOSE))
            self._out.append(SetTimer(token, self._chain.timeouts.of(Step.PROPOSE, last)))
        self._run(height.take())

    # --- blocks

    def _valid(self, block: Block) -> bool:
        """valid(v) of the paper: by the state after the previous block alone; executed at most once."""
        if block.id not in self._executions:
            self._executions[block.id] = self._execute(block)
        return self._executions[block.id] is not None

    def _execute(self, block: Block) -> Execution | None:
        if not self._fits(block):
            self.refused["unfit_block"] += 1
            return None
        try:
            return self._application.process_proposal(block)
        except Exception:  # any exception costs the proposal a nil prevote, never the node
            self.refused["invalid_block"] += 1
            return None

    def _fits(self, block: Block) -> bool:
        """Whether `block` continues this chain."""
        tip, chain = self._tip, self._chain
        return (
            block.height == tip.height + 1
            and block.time >= tip.time
            and block.previous_id == tip.block_id
            and chain.validators.get(block.proposer) is not None
            and block.app_hash == tip.app_hash
            and block.log_size == tip.log.size
            and block.log_root == tip.log.root
            and block.config_digest == chain.config_digest
            and block.app_version == chain.app_version
            and len(block.encode()) <= chain.block_bytes_max
        )

    def _decide(self, height: Height, round: int, value_id: bytes) -> None:
        self._catching_up = False
        certificate = CommitCertificate(
            height.state.height,
            round,
            value_id,
            height.votes.votes_for(PRECOMMIT, round, value_id),
            height.votes.polka(round, value_id),
        )
        self._commit(height.blocks[value_id], certificate)

    def _commit(self, block: Block, certificate: CommitCertificate) -> None:
        """Hand a decided block over for storing; what process_proposal computed is not computed again."""
        execution = self._executions.get(block.id)
        if execution is None:
            # Agreement is a fact: a node that cannot follow it must stop, not go on beside it.
            assert self._fits(block), "a certified block does not fit this node's chain: restore its data"
            execution = self._application.finalize_block(block)
        log = self._tip.log.append([leaf_hash(entry) for entry in execution.entries])
        self._storing = (block, execution, log)
        self._out.append(Commit(block, certificate, execution, log))

    def _stored(self, number: int) -> None:
        assert self._storing is not None, "BlockStored answers a Commit"
        block, execution, log = self._storing
        assert block.height == number, "BlockStored names the height of the last Commit"
        self._application.commit(execution)
        self._tip = Tip(number, block.id, block.time, execution.app_hash, log)
        self._pool.remove(execution.finals)
        self._pool.remove(sha256(tx).digest() for tx in block.attestations)
        self._drop(self._pool.recheck(self._now_ms))
        if self._height is not None:
            self.evidence.extend(self._height.votes.evidence)
        self._wal = {height: records for height, records in self._wal.items() if height > number}
        self._signed = {guard: data for guard, data in self._signed.items() if guard[0] > number}
        self._reset()
        self._stored_ms = self._now_ms
        self._behind_since_ms = None
        for sender, peer in list(self._peers.items()):
            buffer, peer.buffer = peer.buffer, _Buffer()
            for data, received_ms in buffer.messages:
                self._receive(sender, data, received_ms)
        self._adopt_next()
        self._request_if_behind()
        self._start_if_due()
        if self._height is None and self._storing is None:
            self._send_status()  # observers and laggards learn of the block

    def _adopt_next(self) -> None:
        """Take the next received block that a quorum has decided."""
        while self._queue and self._storing is None:
            sender, block_data, certificate_data = self._queue.pop(0)
            try:
                block = Block.decode(block_data, size_bytes_max=self._chain.block_bytes_max)
                if block.height <= self._tip.height:
                    continue
                if block.height != self._tip.height + 1:
                    raise CertificateInvalid("blocks are sent in sequence")
                certificate = CommitCertificate.decode(certificate_data)
                verify_certificate(certificate, block, self._chain.validators, self._chain.network_id)
            except ConsensusError:
                self.refused["bad_block"] += 1
                self._queue.clear()
                self._peer(sender).height = 0  # ask somebody else
                return
            self._requested_ms = None
            self._catching_up = True
            self._commit(block, certificate)

    # --- peers

    def _peer(self, sender: str) -> _Peer:
        if sender not in self._peers:
            if len(self._peers) >= SENDERS_MAX:
                del self._peers[next(iter(self._peers))]
            self._peers[sender] = _Peer()
        return self._peers[sender]

    def _note_height(self, sender: str, height: int) -> None:
        peer = self._peer(sender)
        peer.height = max(peer.height, height)

    def _request_if_behind(self) -> None:
        if self._storing is not None or self._queue:
            return
        if self._requested_ms is not None and self._now_ms - self._requested_ms < REQUEST_INTERVAL_MS:
            return
        ahead = sorted(name for name, peer in self._peers.items() if peer.height > self._tip.height)
        if not ahead:
            self._behind_since_ms = None
            return
        if self._behind_since_ms is None:
            self._behind_since_ms = self._now_ms
        # A validator's own votes mostly decide within this time; others only learn of blocks this way.
        patient = self._name is not None and not self._catching_up
        if patient and self._now_ms - self._behind_since_ms < IN_FLIGHT_MS:
            return
        self._requested_ms = self._now_ms
        self._requests += 1
        self._out.append(RequestBlocks(ahead[self._requests % len(ahead)], self._tip.height + 1))

    def _answer_status(self, sender: str, value: list[Value]) -> None:
        match value:
            case [_, int() as height, int(), int() as step, bytes() as have] if (
                height > 0 and len(have) % SHORT_DIGEST_BYTES == 0
            ):
                pass
            case _:
                raise EncodingError("not a status")
        self._note_height(sender, height - 1)
        working = self._tip.height + 1
        if height > working:
            self._request_if_behind()
            return
        peer = self._peer(sender)
        if peer.helped_ms is not None and self._now_ms - peer.helped_ms < HELP_INTERVAL_MS:
            self.refused["too_often"] += 1
            return
        theirs = {have[at : at + SHORT_DIGEST_BYTES] for at in range(0, len(have), SHORT_DIGEST_BYTES)}
        slept = self._height is None and self._name is not None and bool(theirs)
        behind = height < working and self._now_ms - self._stored_ms >= IN_FLIGHT_MS
        if behind or slept:
            peer.helped_ms = self._now_ms
            self._out.append(Send(sender, self.status()))
        elif height == working and step < Step.DECIDED:
            landed_ms = self._now_ms - IN_FLIGHT_MS
            lacking = [
                heard
                for d, heard in self._messages.items()
                if d not in theirs and heard.since_ms <= landed_ms
            ]
            lacking.sort(key=lambda heard: -heard.round)  # the latest round moves the sender furthest
            size_bytes = 0
            for heard in lacking[:HELP_MESSAGES_MAX]:
                size_bytes += len(heard.data)
                if size_bytes > HELP_BYTES_MAX:
                    break
                peer.helped_ms = self._now_ms
                self._out.append(Send(sender, heard.data))

    def _tick(self) -> None:
        self._drop(self._pool.expire(self._now_ms))
        self._request_if_behind()
        place = None
        if self._height is not None and self._storing is None:
            state = self._height.state
            place = (state.height, state.round, int(state.step))
        stuck = place is not None and place == self._last_place
        self._last_place = place
        idle_long = self._status_ms is None or self._now_ms - self._status_ms >= IDLE_STATUS_MS
        if stuck or idle_long:
            self._send_status()

    def _send_status(self) -> None:
        self._status_ms = self._now_ms
        self._out.append(Broadcast(self.status()))


@dataclass(frozen=True, slots=True)
class _Record:
    """One signature of this node in the write-ahead log; a lock carries its value and polka.

    Wire: ["comity/wal/v1", height, round, kind, message, proposal or null, [prevote, ...]]
    """

    height: int
    round: int
    kind: str
    data: bytes
    proposal: bytes | None = None
    polka: tuple[bytes, ...] = ()

    @property
    def guard(self) -> Guard:
        """What may be signed once."""
        return self.height, self.round, self.kind

    def encode(self) -> bytes:
        """The wire form."""
        return encode(
            [_WAL_TAG, self.height, self.round, self.kind, self.data, self.proposal, list(self.polka)]
        )

    def messages(self) -> tuple[bytes, ...]:
        """What the lock rests on."""
        return self.polka if self.proposal is None else (self.proposal, *self.polka)

    def locked_value(self) -> bytes | None:
        """The value of a lock."""
        message = _read_message(self.data)
        assert isinstance(message, Vote), "a lock is a precommit"
        return message.value_id


def _read_record(data: bytes) -> _Record:
    match decode(data, size_bytes_max=WAL_RECORD_BYTES_MAX):
        case [
            tag,
            int() as height,
            int() as round_,
            str() as kind,
            bytes() as message,
            proposal,
            list() as polka,
        ] if (
            tag == _WAL_TAG
            and kind in (_PROPOSAL, PREVOTE, PRECOMMIT)
            and isinstance(proposal, bytes | None)
            and all(isinstance(vote, bytes) for vote in polka)
        ):
            record = _Record(height, round_, kind, message, proposal, tuple(polka))
            for part in (record.data, *record.messages()):
                _read_message(part)
            return record
    raise ConsensusError("the write-ahead log holds a damaged record: restore signing.db, do not delete it")


def _read_message(data: bytes) -> Proposal | Vote:
    return decode_message(decode(data, size_bytes_max=WAL_RECORD_BYTES_MAX))


def _short_digest(data: bytes) -> bytes:
    return sha256(data).digest()[:SHORT_DIGEST_BYTES]
