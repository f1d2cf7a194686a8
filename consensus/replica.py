"""Many heights: signatures, write-ahead log, catch-up and help, around the machine and the application.

A replica has no clock, disk or network: events go in, effects come out and are executed in the order given.
What is signed is in a Persist effect before it is in a Broadcast; after a restart the same bytes are sent.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

from consensus import machine
from consensus.application import Application, Execution
from consensus.cose import Signer
from consensus.encoding import EncodingError, Value, decode, encode
from consensus.errors import ConsensusError
from consensus.evidence import (
    CHECKPOINTS,
    Evidence,
    NoteKeys,
    evidence_in,
    is_evidence,
    verify_evidence,
)
from consensus.machine import Height, State, Step
from consensus.merkle import Frontier, leaf_hash
from consensus.pool import GivenUp, Pool
from consensus.refusals import HOSTILE, OVERSIZED, UNFORESEEN, reason_of
from consensus.types import (
    NO_ROUND,
    PRECOMMIT,
    PREVOTE,
    Block,
    CertificateInvalid,
    CommitCertificate,
    Proposal,
    ValidatorHistory,
    ValidatorSet,
    Vote,
    decode_message,
    verify_certificate,
    verify_proposal,
    verify_vote,
)
from consensus.votes import Added, Votes

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
EVIDENCE_PER_BLOCK_MAX = 16
EVIDENCE_PENDING_MAX = 256
EVIDENCE_PER_VALIDATOR_MAX = 16  # pending; one is enough to act on
HEIGHTS_REMEMBERED = 16  # decided heights whose votes are kept, to be held against later ones

_STATUS_TAG = "comity/status/v1"
_WAL_TAG = "comity/wal/v1"
_ASK_TAG = "comity/signed-by-me/v1"
_ANSWER_TAG = "comity/signed-by-you/v1"
_PROPOSAL = "proposal"
_NO_PROPOSAL = -1

Guard = tuple[int, int, str]  # height, round, "proposal" | "prevote" | "precommit"; in this order
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
    validators: ValidatorSet  # of the first height
    config_digest: bytes
    app_version: int
    timeouts: Timeouts = Timeouts()
    block_bytes_max: int = 512 << 10
    heartbeat_ms: int = 600_000  # an idle network decides an empty block this often
    timely_ms: int = 10_000  # a new block's time may be this far from the receiver's clock
    timely_delta_ms: int = 5_000  # more for each round
    evidence_heights_max: int = 100_000  # how long ago a fault may be that a block records
    note_keys: NoteKeys = field(default_factory=dict)  # log and cosign keys by validator


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
    validators: ValidatorSet | None = None  # from height + 2 on, when the block changes them


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


@dataclass(frozen=True, slots=True)
class Strike:
    """This peer sent what no honest node sends; `reason` is one of `refusals.HOSTILE`."""

    sender: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unforeseen:
    """What a peer sent raised an error of ours: it is dropped for good, and people should see why."""

    what: str  # the event
    sender: str
    error: Exception


Effect = Persist | Broadcast | Send | SetTimer | Commit | RequestBlocks | Drop | Strike | Unforeseen


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


def encode_question(name: str) -> bytes:
    """What is the last that `name` signed? Wire: ["comity/signed-by-me/v1", validator]."""
    return encode([_ASK_TAG, name])


def encode_answer(name: str, height: int, last: Vote | None) -> bytes:
    """Wire: ["comity/signed-by-you/v1", validator, height of the last block, its highest vote or null]."""
    return encode([_ANSWER_TAG, name, height, None if last is None else last.encode()])


class Replica:
    """One node's part in the agreement; an observer (no name) verifies and executes, and never votes.

    A named node votes at the heights whose validator set names it with one of its keys. With `ask_first` it
    votes only once peers that make a quorum with it have said what they saw signed by it, and never when that
    is more than `guarded` knows: then its signing database was lost or put back (`withheld` says so).
    """

    def __init__(
        self,
        chain: ChainConfig,
        application: Application,
        tip: Tip,
        *,
        name: str | None,
        signer: Signer | None,
        next_signers: Sequence[Signer] = (),
        wal: Sequence[bytes] = (),
        history: ValidatorHistory | None = None,
        admitted: Iterable[bytes] = (),
        certificates: Iterable[bytes] = (),
        guarded: Guard | None = None,
        vote_from: int = 0,
        ask_first: bool = False,
    ) -> None:
        """`wal` holds the persisted records in order; raises ConsensusError if one is damaged.

        `next_signers` are keys the node votes with once the set names them. `history`, `admitted` (the
        evidence on the ledger) and `certificates` (of the last heights) are what led to `tip`; `guarded` is
        the last guard taken; `vote_from` is the first height an operator lets the node vote at.
        """
        if (name is None) != (signer is None):
            raise ConsensusError("a validator needs a name and its vote key, an observer neither")
        self._history = history or ValidatorHistory(((1, chain.validators),))
        self._signers = (signer, *next_signers) if signer is not None else ()
        if name is not None:
            own = self._history.at(tip.height + 1).get(name)
            held = {signer.public_key for signer in self._signers}
            # Who is not in the set yet, or no more, follows as an observer.
            if own is not None and own.public_key not in held:
                raise ConsensusError(f"{name} is not a validator of this network with this vote key")
        if application.app_version != chain.app_version:
            raise ConsensusError("the network runs another version of the rules; update this node")
        self._chain = chain
        self._application = application
        self._tip = tip
        self._name = name
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
        self._evidence: dict[bytes, Evidence] = {}  # verified and not on the ledger yet, by id
        self._admitted = {Evidence.decode(data).id for data in admitted}
        self._past: dict[int, Votes] = {}  # of decided heights
        self._last_votes: dict[str, Vote] = {}  # the highest seen of each validator
        self._guarded = max((guarded or (0, 0, ""), *self._signed), key=_position)
        self._vote_from = vote_from
        self._asking = ask_first and name is not None
        self._answered: set[str] = set()
        self.withheld: str | None = None  # why this validator does not vote
        self.withheld_above = 0  # the height it was seen to vote at
        self._reset()
        for data in certificates:
            self._remember(CommitCertificate.decode(data))

    def _reset(self) -> None:
        """Forget the height: nothing is said about the next one yet."""
        self._height: Height | None = None
        self._messages: dict[bytes, _Heard] = {}  # by short digest
        self._kept_round = 0
        self._executions: dict[bytes, Execution | None] = {}  # None: the block is not valid
        self._proposal_due = _NO_PROPOSAL  # the round in which this node proposes once it has something
        self._storing: tuple[Block, Execution, Frontier, ValidatorHistory] | None = None
        self._validators = self._history.at(self._tip.height + 1)
        self._appoint()

    def _appoint(self) -> None:
        """The key this node votes with at this height, or none."""
        own = self._validators.get(self._name) if self._name is not None else None
        ready = self.withheld is None and not self._asking and self._tip.height + 1 >= self._vote_from
        self._voter = next(
            (s for s in self._signers if ready and own is not None and s.public_key == own.public_key), None
        )

    @property
    def validators(self) -> ValidatorSet:
        """Who votes at the height being worked on."""
        return self._validators

    @property
    def voting(self) -> bool:
        """Whether this node votes at the height being worked on."""
        return self._voter is not None

    @property
    def asking(self) -> bool:
        """Whether this node still asks its peers what they saw signed by it."""
        return self._asking

    @property
    def evidence(self) -> list[Evidence]:
        """The faults found or heard of that no block has recorded yet."""
        return list(self._evidence.values())

    @property
    def tip(self) -> Tip:
        """The last stored block."""
        return self._tip

    @property
    def pool_size(self) -> int:
        """Attestations that wait for a block."""
        return len(self._pool)

    @property
    def pool_ready(self) -> int:
        """Attestations that may be proposed now."""
        return self._pool.ready

    @property
    def pool_by_issuer(self) -> dict[str, int]:
        """How many attestations of each issuer wait."""
        return {}

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
                with self._edge("AttestationReceived", ""):
                    self._receive_attestation(tx, digest)
            case TimeoutElapsed(token=(height, round_, step)):
                working = self._height if self._storing is None else None
                if working is not None and height == working.state.height:
                    self._run(working.take(machine.TimeoutElapsed(round_, Step(step))))
            case BlocksReceived(sender=sender, blocks=blocks):
                with self._edge("BlocksReceived", sender):
                    self._receive_blocks(sender, blocks)
            case BlockStored(height=height):
                self._stored(height)
            case PeerHeight(sender=sender, height=height):
                self._note_height(sender, height)
                self._request_if_behind()
            case Started():
                self._ask()
                self._start_if_due()
                self._send_status()
            case Tick():
                self._tick()
        self._start_if_due()
        self._propose_if_due()
        # One sync for all that is signed here; what is written may always be sent later.
        out, self._out = sorted(self._out, key=lambda effect: not isinstance(effect, Persist)), []
        return out

    @contextmanager
    def _edge(self, what: str, sender: str) -> Iterator[None]:
        """Whatever a peer's bytes raise ends here; what was signed on the way is still persisted and sent.

        Nothing is kept of a message before it is verified, and what is kept only grows, so the state is
        defined wherever an error breaks in. A broken invariant of our own is no input: it goes on.
        """
        try:
            yield
        except ConsensusError as error:
            self._refuse(sender, reason_of(error))
        except AssertionError:
            raise
        except Exception as error:
            self.refused[UNFORESEEN] += 1
            self._out.append(Unforeseen(what, sender, error))

    def _refuse(self, sender: str, reason: str) -> None:
        self.refused[reason] += 1
        if reason in HOSTILE:
            self._out.append(Strike(sender, reason))

    def status(self) -> bytes:
        """Where this node is and what it has heard at its height.

        Wire: ["comity/status/v1", height, round, step, first 8 bytes of the SHA-256 of each message, joined].
        """
        height, round_, step = self.step
        if self._voter is None:
            step = Step.DECIDED  # an observer wants blocks, not votes
        have = b"".join(sorted(self._messages))
        return encode([_STATUS_TAG, height, round_, int(step), have])

    # --- what arrives

    def _receive(self, sender: str, data: bytes, received_ms: int) -> None:
        with self._edge("MessageReceived", sender):
            self._take(sender, data, received_ms)

    def _take(self, sender: str, data: bytes, received_ms: int) -> None:
        size_max = self._chain.block_bytes_max + MESSAGE_BYTES_OVERHEAD
        if len(data) > size_max:
            self._refuse(sender, OVERSIZED)
            return
        digest = _short_digest(data)
        if digest in self._messages:
            self.refused["duplicate"] += 1
            return
        value = decode(data, size_bytes_max=size_max)
        if isinstance(value, list) and value and value[0] == _STATUS_TAG:
            self._answer_status(sender, value)
            return
        if is_evidence(value):
            self._take_evidence(data)
            return
        if isinstance(value, list) and value and value[0] in (_ASK_TAG, _ANSWER_TAG):
            self._take_signed(sender, value)
            return
        message = decode_message(value)
        working = self._tip.height + 1
        if message.height > working:
            self._note_height(sender, message.height - 1)
            self._buffer(sender, message.height, data, received_ms)
        elif message.height < working or self._storing is not None or self._voter is None:
            self.refused["late"] += 1
            if isinstance(message, Vote):
                self._take_late(message)
        elif isinstance(message, Vote):
            self._take_vote(message, data, digest)
        else:
            self._take_proposal(message, data, digest, received_ms)

    def _take_vote(self, vote: Vote, data: bytes, digest: bytes) -> None:
        verify_vote(vote, self._validators, self._chain.network_id)
        self._note_vote(vote)
        if self._voter is None:
            return  # it was this node's own, and not of this node
        height = self._open_height()
        if self._keep(height.add_vote(vote), vote.round, data, digest):
            self._accuse(height.votes.evidence.values())
            self._run(height.take())

    def _take_proposal(self, proposal: Proposal, data: bytes, digest: bytes, received_ms: int) -> None:
        verify_proposal(proposal, self._validators, self._chain.network_id)
        self._suspect_rival(proposal)
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
        validator = self._voter is not None and self._history.at(height).get(sender) is not None
        if height != self._tip.height + 2 or not validator:
            self.refused["early"] += 1
            if self._voter is None:
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
        if self._name is None or self._validators.get(self._name) is None:
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
            assert self._name is not None and self._voter is not None, "an observer opens no height"
            assert self._storing is None, "a height begins after the previous block is stored"
            number = self._tip.height + 1
            self._height = Height(State(number), self._validators, self._name, self._valid)
            records = self._wal.get(number)
            if records:
                self._restore(self._height, records)
            else:
                self._run(self._height.enter())
        return self._height

    def _start_if_due(self) -> None:
        """No empty blocks: a height begins for an attestation, a heartbeat, or what was signed already."""
        if self._voter is None or self._height is not None or self._storing is not None or self._queue:
            return
        begun = self._tip.height + 1 in self._wal
        if begun or self._heartbeat_due() or self._pool.proposable(self._now_ms) or self._recordable():
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
        evidence = self._recordable()
        empty_allowed = round > 0 or self._heartbeat_due() or bool(evidence)
        if not empty_allowed and not self._pool.proposable(self._now_ms):
            return None
        tip = self._tip
        time = max(tip.time, self._now_ms // 1000)
        offer = self._pool.offer()
        room = self._chain.block_bytes_max - sum(len(data) + 5 for data in evidence)
        chosen = self._prepare(offer, time, room) if offer else ()
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
            evidence,
        )

    def _prepare(self, offer: Sequence[bytes], time: int, room: int) -> tuple[bytes, ...]:
        # The heads of the attestations and of the block take less than this share.
        bytes_max = room * 31 // 32
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
        assert self._name is not None and self._voter is not None, "an observer signs nothing"
        unsigned = Proposal(number, round, valid_round, block, self._name)
        message = unsigned.signed_bytes(self._chain.network_id, self._validators.hash)
        proposal = replace(unsigned, signature=self._voter.sign(message))
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
        assert self._name is not None and self._voter is not None, "an observer signs nothing"
        unsigned = Vote(cast.kind, number, cast.round, cast.valid_round, cast.value_id, self._name)
        message = unsigned.signed_bytes(self._chain.network_id, self._validators.hash)
        vote = replace(unsigned, signature=self._voter.sign(message))
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
        self._note_vote(vote)
        self._messages[_short_digest(data)] = _Heard(cast.round, data, self._now_ms)

    def _persist(self, record: "_Record") -> None:
        self._signed[record.guard] = record.data
        self._guarded = max(self._guarded, record.guard, key=_position)
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

    def _following(self, execution: Execution) -> ValidatorHistory:
        """The history after a block; raises ConsensusError when its updates leave no set."""
        if not execution.validator_updates:
            return self._history
        effective = execution.height + 2
        validators = self._history.at(effective).updated(execution.validator_updates)
        return self._history.changed(effective, validators)

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
            execution = self._application.process_proposal(block)
            self._following(execution)
            return execution
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
            and self._validators.get(block.proposer) is not None
            and block.app_hash == tip.app_hash
            and block.log_size == tip.log.size
            and block.log_root == tip.log.root
            and block.config_digest == chain.config_digest
            and block.app_version == chain.app_version
            and len(block.encode()) <= chain.block_bytes_max
            and self._evidence_fits(block)
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
        block = height.blocks[value_id]
        if block.previous_id != self._tip.block_id:
            self._accuse(height.votes.evidence.values())
            self._meet_rival([vote.validator for vote in certificate.precommits])
            return
        self._commit(block, certificate)

    def _meet_rival(self, holders: Iterable[str]) -> None:
        """A quorum decided a block on another history: ask those who have it where the two part."""
        self.refused["rival_block"] += 1
        from_height = max(1, self._tip.height + 1 - HEIGHTS_REMEMBERED)
        if self.withheld is None:
            self._out.extend(RequestBlocks(name, from_height) for name in holders if name != self._name)

    def _commit(self, block: Block, certificate: CommitCertificate) -> None:
        """Hand a decided block over for storing; what process_proposal computed is not computed again."""
        execution = self._executions.get(block.id)
        if execution is None:
            # Agreement is a fact: a node that cannot follow it must stop, not go on beside it.
            assert self._fits(block), "a certified block does not fit this node's chain: restore its data"
            try:
                execution = self._application.finalize_block(block)
            except Exception as error:
                raise AssertionError(f"a certified block does not execute here: {error}") from error
        log = self._tip.log.append([leaf_hash(entry) for entry in execution.entries])
        history = self._following(execution)
        changed = None if history is self._history else history.steps[-1][1]
        self._remember(certificate)
        self._storing = (block, execution, log, history)
        self._out.append(Commit(block, certificate, execution, log, changed))

    def _stored(self, number: int) -> None:
        assert self._storing is not None, "BlockStored answers a Commit"
        block, execution, log, self._history = self._storing
        assert block.height == number, "BlockStored names the height of the last Commit"
        self._application.commit(execution)
        self._tip = Tip(number, block.id, block.time, execution.app_hash, log)
        self._pool.remove(execution.finals)
        self._pool.remove(sha256(tx).digest() for tx in block.attestations)
        self._drop(self._pool.recheck(self._now_ms))
        recorded = {Evidence.decode(data).id for data in block.evidence}
        self._admitted |= recorded
        self._evidence = {
            id_: evidence
            for id_, evidence in self._evidence.items()
            if id_ not in recorded and self._in_time(evidence, number + 1)
        }
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
                    self._compare(block, certificate_data)
                    continue
                if block.height != self._tip.height + 1:
                    raise CertificateInvalid("blocks are sent in sequence")
                certificate = CommitCertificate.decode(certificate_data)
                verify_certificate(certificate, block, self._validators, self._chain.network_id)
            except ConsensusError:
                self.refused["bad_block"] += 1
                self._queue.clear()  # what follows a bad block came from the same peer
                self._peer(sender).height = 0  # ask somebody else
                return
            self._requested_ms = None
            if block.previous_id != self._tip.block_id:
                self._queue.clear()
                self._meet_rival([sender])
                return
            self._catching_up = True
            self._commit(block, certificate)

    # --- evidence

    def _accuse(self, found: Iterable[Evidence]) -> None:
        """Keep verified evidence that is news, and tell everybody."""
        for evidence in list(found):
            if evidence.id in self._evidence or evidence.id in self._admitted:
                continue
            against = sum(known.validator == evidence.validator for known in self._evidence.values())
            if len(self._evidence) >= EVIDENCE_PENDING_MAX or against >= EVIDENCE_PER_VALIDATOR_MAX:
                self.refused["surplus"] += 1
                continue
            self._evidence[evidence.id] = evidence
            self._out.append(Broadcast(evidence.encode()))

    def _take_evidence(self, data: bytes) -> None:
        evidence = Evidence.decode(data)
        if evidence.id in self._evidence or evidence.id in self._admitted:
            self.refused["duplicate"] += 1
        elif not self._in_time(evidence, self._tip.height + 1):
            self.refused["late"] += 1
        else:
            self._verify_evidence(evidence)
            self._accuse([evidence])

    def _verify_evidence(self, evidence: Evidence) -> None:
        verify_evidence(evidence, self._history.at, self._chain.network_id, self._chain.note_keys)

    def _in_time(self, evidence: Evidence, height: int) -> bool:
        """Whether a block of `height` may record the fault. A checkpoint is of a size, not of a height."""
        if evidence.kind == CHECKPOINTS:
            return True
        return evidence.height <= height <= evidence.height + self._chain.evidence_heights_max

    def _recordable(self) -> tuple[bytes, ...]:
        """What the next block records."""
        height = self._tip.height + 1
        pending = sorted(e.id for e in self._evidence.values() if self._in_time(e, height))
        return tuple(self._evidence[id_].encode() for id_ in pending[:EVIDENCE_PER_BLOCK_MAX])

    def _evidence_fits(self, block: Block) -> bool:
        """All of a block's evidence verifies, by the validators of its height, and is news to the ledger."""
        if len(block.evidence) > EVIDENCE_PER_BLOCK_MAX:
            return False
        last = b""
        for data in block.evidence:
            try:
                evidence = Evidence.decode(data)
                if self._evidence.get(evidence.id) != evidence:
                    self._verify_evidence(evidence)
            except ConsensusError:
                return False
            if (
                evidence.id <= last
                or evidence.id in self._admitted
                or not self._in_time(evidence, block.height)
            ):
                return False
            last = evidence.id
        return True

    def _take_late(self, vote: Vote) -> None:
        """A vote for a decided height matters only if it contradicts what its validator said then."""
        votes = self._past.get(vote.height)
        found = () if votes is None else tuple(votes.against(vote))
        if any(evidence.id not in self._evidence and evidence.id not in self._admitted for evidence in found):
            verify_vote(vote, self._history.at(vote.height), self._chain.network_id)
            self._accuse(found)

    def _remember(self, certificate: CommitCertificate) -> None:
        """Keep the votes of the height that ends, and what the certificate adds to them."""
        validators = self._history.at(certificate.height)
        votes = self._height.votes if self._height is not None else Votes(validators)
        for vote in (*certificate.polka, *certificate.precommits):
            votes.add(vote, certificate.round)
            self._note_vote(vote)
        self._accuse(votes.evidence.values())
        self._past[certificate.height] = votes
        self._past.pop(certificate.height - HEIGHTS_REMEMBERED, None)

    def _suspect_rival(self, proposal: Proposal) -> None:
        """A validator builds on another block than this node's last one: ask which one was decided there."""
        idle = self._requested_ms is None or self._now_ms - self._requested_ms >= REQUEST_INTERVAL_MS
        if proposal.block.previous_id != self._tip.block_id and self._tip.height > 0 and idle:
            self._requested_ms = self._now_ms
            self._out.append(RequestBlocks(proposal.proposer, self._tip.height))

    def _compare(self, block: Block, certificate_data: bytes) -> None:
        """A decided block of a height that this node has too: a rival names f+1 faulty validators."""
        votes = self._past.get(block.height)
        if votes is None:
            return
        certificate = CommitCertificate.decode(certificate_data)
        if certificate.value_id in {value_id for _, value_id in votes.decisions()}:
            return
        verify_certificate(certificate, block, self._history.at(block.height), self._chain.network_id)
        self._accuse(evidence_in((*votes.all(), *certificate.polka, *certificate.precommits)))
        # Others hold votes that this node never saw, and the other way round.
        self._out.extend(Broadcast(vote.encode()) for vote in votes.all()[:HELP_MESSAGES_MAX])
        self._withhold(
            f"the validators decided two blocks at height {block.height}: compare the evidence, and agree "
            "with the other participants which history counts"
        )

    # --- what this node may have signed before

    def _withhold(self, reason: str, above: int = 0) -> None:
        self.withheld = self.withheld or reason
        self.withheld_above = max(self.withheld_above, above)
        self._appoint()
        self._height = None
        self._proposal_due = _NO_PROPOSAL

    def withhold(self, reason: str) -> None:
        """Vote no more: the node found elsewhere (checkpoints) that it signed what it does not know of."""
        self._withhold(reason)

    def _note_vote(self, vote: Vote) -> None:
        """Remember a verified vote if it is its validator's highest."""
        last = self._last_votes.get(vote.validator)
        if last is None or _position(_guard_of(vote)) > _position(_guard_of(last)):
            self._last_votes[vote.validator] = vote
        undecided = vote.height > self._tip.height
        if vote.validator == self._name and undecided and _guard_of(vote) not in self._signed:
            self._judge_own(vote)

    def _ask(self) -> None:
        if self._asking:
            assert self._name is not None, "observers sign nothing"
            self._out.append(Broadcast(encode_question(self._name)))
            self._confirm()

    def _take_signed(self, sender: str, value: list[Value]) -> None:
        """Take `encode_question` or `encode_answer`."""
        match value:
            case [tag, str() as name] if tag == _ASK_TAG:
                last = self._last_votes.get(name)
                self._out.append(Send(sender, encode_answer(name, self._tip.height, last)))
            case [tag, str() as name, int() as height, None | bytes() as vote] if tag == _ANSWER_TAG:
                if name != self._name or not self._asking or self._validators.get(sender) is None:
                    return
                if vote is not None:
                    self._judge_shown(vote)
                self._note_height(sender, height)
                self._request_if_behind()
                # Who is ahead knows of heights whose validators this node does not know yet.
                if self._asking and height <= self._tip.height + 1:
                    self._answered.add(sender)
                    self._confirm()
            case _:
                raise EncodingError("neither a question nor an answer about signatures")

    def _judge_shown(self, data: bytes) -> None:
        vote = _read_message(data)
        if not isinstance(vote, Vote) or vote.validator != self._name:
            raise EncodingError("not a vote of this validator")
        verify_vote(vote, self._history.at(vote.height), self._chain.network_id)
        self._judge_own(vote)

    def _judge_own(self, vote: Vote) -> None:
        """A verified vote of this node: it must be one that it knows it gave."""
        guard = _guard_of(vote)
        if _position(guard) > _position(self._guarded) and vote.height >= self._vote_from:
            self._withhold(
                f"the network has a {vote.kind} of this validator for height {vote.height}, round "
                f"{vote.round}, and signing.db knows nothing of it: it is missing, old or restored, or "
                "another node runs with the same keys",
                above=vote.height,
            )

    def _confirm(self) -> None:
        """Vote, once those who answered make a quorum with this node."""
        own = {self._name} if self._name is not None else set()
        if self._validators.weight_of({*self._answered, *own}) >= self._validators.quorum:
            self._asking = False
            self._appoint()
            self._send_status()  # what was said at this height meanwhile was not kept: ask for it

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
        # Blocks prove themselves, a height does not: whoever does not vote is not ahead of every validator.
        votes = self._history.at(self._tip.height + 1)
        heard = max((peer.height for name, peer in self._peers.items() if votes.get(name)), default=0)
        ahead = sorted(
            name
            for name, peer in self._peers.items()
            if (peer.height if votes.get(name) else min(peer.height, heard or peer.height)) > self._tip.height
        )
        if not ahead:
            self._behind_since_ms = None
            return
        if self._behind_since_ms is None:
            self._behind_since_ms = self._now_ms
        # A validator's own votes mostly decide within this time; others only learn of blocks this way.
        patient = self._voter is not None and not self._catching_up
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
        slept = self._height is None and self._voter is not None and bool(theirs)
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
        if idle_long:
            self._out.extend(Broadcast(evidence.encode()) for evidence in self.evidence[:4])
        if self._asking:
            self._ask()

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
    try:
        return _parse_record(data)
    except EncodingError as error:
        raise ConsensusError(
            "signing.db holds a damaged record: what this validator signed cannot be known from it. Move it "
            "away, start the node, and follow what it says about voting"
        ) from error


def _parse_record(data: bytes) -> _Record:
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
    raise EncodingError("not a record of the write-ahead log")


def _read_message(data: bytes) -> Proposal | Vote:
    return decode_message(decode(data, size_bytes_max=WAL_RECORD_BYTES_MAX))


def _guard_of(vote: Vote) -> Guard:
    return vote.height, vote.round, vote.kind


def _position(guard: Guard) -> tuple[int, int, int]:
    kinds = ("", _PROPOSAL, PREVOTE, PRECOMMIT)
    return guard[0], guard[1], kinds.index(guard[2])


def _short_digest(data: bytes) -> bytes:
    return sha256(data).digest()[:SHORT_DIGEST_BYTES]
