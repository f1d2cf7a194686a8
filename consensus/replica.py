"""One node's part in the agreement: events in, effects out, each event handed to the trade that knows it.

A replica has no clock, disk or network: effects are executed in the order given. What is signed is in a
Persist effect before it is in a Broadcast; after a restart the same bytes are sent.

    a vote or proposal arrives   reception (the edge: verified, or counted as refused) -> rounds -> machine
    a height is decided          deciding -> the engine stores it -> `_stored` -> the next height
    peers, help, blocks          sync             who may vote   recollection             faults   faults
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

from consensus.application import Application, CannotFollow
from consensus.blocks import Blocks
from consensus.chain import ChainConfig, Tip
from consensus.cose import Signer
from consensus.deciding import Deciding
from consensus.errors import ConsensusError
from consensus.events import (
    AttestationReceived,
    BlocksReceived,
    BlockStored,
    Drop,
    Effect,
    Event,
    Guard,
    MessageReceived,
    PeerHeight,
    Persist,
    RivalShown,
    Started,
    Tick,
    TimerElapsed,
)
from consensus.evidence import FaultEvidence
from consensus.faults import Faults
from consensus.machine import Step
from consensus.pool import GivenUp, Pool
from consensus.reception import Reception
from consensus.recollection import Recollection
from consensus.replica_state import Present, Storing
from consensus.rounds import Rounds
from consensus.sync import Sync
from consensus.types import CommitCertificate
from consensus.validators import ValidatorHistory, ValidatorSet
from consensus.wal import SigningLog

EVIDENCE_REPEATED = 4  # told again while idle


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
        admitted: Iterable[tuple[int, bytes]] = (),
        certificates: Iterable[bytes] = (),
        guarded: Guard | None = None,
        vote_from: int = 0,
        ask_first: bool = False,
    ) -> None:
        """`wal` holds the persisted records in order; raises ConsensusError if one is damaged.

        `next_signers` are keys the node votes with once the set names them. `history`, `admitted` (the
        evidence on the ledger, by height of its block) and `certificates` (of the last heights) are what led
        to `tip`; `guarded` is the last guard taken; `vote_from` is the first height an operator lets the node
        vote at.
        """
        history = history or ValidatorHistory(((1, chain.validators),))
        signers = (signer, *next_signers) if signer is not None else ()
        self._application = application
        self._present = present = Present(chain, name, tip, history)
        present.read_rules(application)  # of today: the chain is of the founding
        _require_fit(present.chain, application, history.at(tip.height + 1), name, signers)
        self._pool = Pool(application)
        self._log = log = SigningLog(present, wal, guarded)
        self._sync = sync = Sync(present)
        self._faults = faults = Faults(present, admitted)
        self._recollection = recollection = Recollection(
            present, log, sync, signers, vote_from=vote_from, ask_first=ask_first
        )
        self._blocks = blocks = Blocks(present, application, self._pool, faults)
        self._deciding = Deciding(present, sync=sync, faults=faults, recollection=recollection, blocks=blocks)
        self._rounds = rounds = Rounds(
            present,
            log,
            blocks=blocks,
            recollection=recollection,
            faults=faults,
            decided=self._deciding.decide,
        )
        self._reception = Reception(
            present, sync=sync, faults=faults, recollection=recollection, rounds=rounds
        )
        self._recollection.appoint()
        for data in certificates:
            self._deciding.remember(CommitCertificate.decode(data))

    # --- what can be asked

    @property
    def refused(self) -> Counter[str]:
        """Messages dropped, by reason."""
        return self._present.refused

    @property
    def chain(self) -> ChainConfig:
        """The network, and what consensus reads of the rules at the height being worked on."""
        return self._present.chain

    @property
    def validators(self) -> ValidatorSet:
        """Who votes at the height being worked on."""
        return self._present.validators

    @property
    def history(self) -> ValidatorHistory:
        """Who votes at which height."""
        return self._present.history

    @property
    def voting(self) -> bool:
        """Whether this node votes at the height being worked on."""
        return self._present.voter is not None

    @property
    def asking(self) -> bool:
        """Whether this node still asks its peers what they saw signed by it."""
        return self._recollection.asking

    @property
    def withheld(self) -> str | None:
        """Why this validator does not vote."""
        return self._recollection.withheld

    @property
    def withheld_above(self) -> int:
        """The height it was seen to vote at."""
        return self._recollection.withheld_above

    @property
    def evidence(self) -> list[FaultEvidence]:
        """The faults found or heard of that no block has recorded yet."""
        return self._faults.pending

    @property
    def tip(self) -> Tip:
        """The last stored block."""
        return self._present.tip

    @property
    def pool(self) -> Pool:
        """The attestations that wait for a block: to be asked, and changed by events alone."""
        return self._pool

    @property
    def step(self) -> tuple[int, int, Step]:
        """Height, round and step being worked on."""
        state = self._present.state
        return state.height, state.round, state.step

    def status(self) -> bytes:
        """Where this node is and what it has heard at its height: `sync` shows the wire form."""
        return self._sync.status()

    @property
    def lacking(self) -> CannotFollow | None:
        """What this node has to be given before it can follow the block that was decided."""
        return self._deciding.lacking

    @property
    def forked(self) -> int | None:
        """A height at which two blocks were decided, by what this node was shown."""
        return self._recollection.forked

    def fork(self, height: int) -> None:
        """So this node was shown before it was stopped."""
        self._recollection.fork(height)

    def withhold(self, reason: str) -> None:
        """Vote no more: the node found elsewhere (checkpoints) that it signed what it does not know of."""
        self._recollection.withhold(reason)

    # --- events

    def handle(self, event: Event, now_ms: int, time_ms: int | None = None) -> list[Effect]:
        """Apply one event. Input from peers never raises: it is dropped and counted in `refused`.

        `now_ms` measures intervals and never goes back; `time_ms` is the wall clock, which may be wrong and
        be put right. None: the first shows the time as well (a simulated clock).
        """
        return self.handle_together((event,), now_ms, time_ms)

    def handle_together(self, events: Iterable[Event], now_ms: int, time_ms: int | None) -> list[Effect]:
        """Apply events that came at one time: what begins because of the first knows all of them."""
        present = self._present
        present.now_ms, present.time_ms = now_ms, now_ms if time_ms is None else time_ms
        present.out = []
        for event in events:
            self._apply(event)
        self._start_if_due()
        self._rounds.propose_if_due()
        # One sync for all that is signed here (decision 0011); what is written may always be sent later.
        out, present.out = sorted(present.out, key=lambda effect: not isinstance(effect, Persist)), []
        return out

    def _apply(self, event: Event) -> None:
        match event:
            case MessageReceived(sender=sender, data=data):
                self._reception.receive(sender, data, self._present.time_ms)
            case AttestationReceived(tx=tx, digest=digest, sender=sender):
                with self._reception.edge("AttestationReceived", sender):
                    self._receive_attestation(tx, digest, sender)
            case TimerElapsed(token=(height, round_, step)):
                if self._present.storing is None and height == self._present.working:
                    self._rounds.elapsed(round_, Step(step))
            case BlocksReceived(sender=sender, blocks=blocks):
                with self._reception.edge("BlocksReceived", sender):
                    self._sync.take_blocks(sender, blocks)
                    self._deciding.adopt_next()
            case RivalShown(sender=sender):
                with self._reception.edge("RivalShown", sender):
                    self._deciding.prove_rival(event)
            case BlockStored(height=height):
                self._stored(height)
            case PeerHeight(sender=sender, height=height):
                self._sync.note_height(sender, height)
                self._sync.request_if_behind()
            case Started():
                self._recollection.ask()
                self._start_if_due()
                self._sync.send_status()
            case Tick():
                self._tick()

    def _receive_attestation(self, tx: bytes, digest: bytes, sender: str) -> None:
        present = self._present
        self._drop(self._pool.add(tx, digest, sender, present.now_ms, present.time_ms // 1000))
        if present.name is None or present.validators.get(present.name) is None:
            self._pool.remove([digest])  # an observer only checks it; validators propose

    def _drop(self, given_up: Iterable[GivenUp]) -> None:
        self._present.out.extend(Drop(item.digest, item.reason, item.code) for item in given_up)

    def _tick(self) -> None:
        self._drop(self._pool.expire(self._present.now_ms))
        self._deciding.try_again()
        if self._sync.tick():
            for evidence in self.evidence[:EVIDENCE_REPEATED]:
                self._present.broadcast(evidence.encode())
        self._deciding.ask_for_rivals()
        self._recollection.ask()

    def _start_if_due(self) -> None:
        """No empty blocks: a height begins for an attestation, a heartbeat, or what was signed already."""
        present = self._present
        if present.voter is None or present.height is not None or present.storing is not None:
            return
        if not self._sync.waiting and (self._rounds.begun or self._blocks.due()):
            self._rounds.open()

    # --- stored blocks

    def _stored(self, number: int) -> None:
        present, storing = self._present, self._present.storing
        assert isinstance(storing, Storing), "BlockStored answers a Commit"
        block, execution = storing.block, storing.execution
        assert block.height == number, "BlockStored names the height of the last Commit"
        present.move(Tip(number, block.id, block.time, execution.app_hash, storing.log), storing.history)
        present.read_rules(self._application)
        present.stored_ms = present.now_ms
        self._pool.remove((*execution.finals, *(sha256(tx).digest() for tx in block.attestations)))
        self._drop(self._pool.recheck(present.now_ms, present.time_ms // 1000))
        self._faults.recorded(block)
        self._log.forget(number)
        self._blocks.keep(())
        self._rounds.reset()
        self._recollection.appoint()
        self._sync.stored()
        for sender, data, received_ms in self._sync.buffered():
            self._reception.receive(sender, data, received_ms)
        self._deciding.adopt_next()
        self._sync.request_if_behind()
        self._start_if_due()
        if present.height is None and present.storing is None:
            self._sync.send_status()  # observers and laggards learn of the block


def is_at_rest(replica: Replica) -> bool:
    """No height is worked on, nothing waits for one, and nobody is asked: time alone changes little."""
    present = replica._present
    idle = present.height is None and present.storing is None and not len(replica._pool)
    return idle and not replica.asking and not replica._sync.behind


def _require_fit(
    chain: ChainConfig,
    application: Application,
    validators: ValidatorSet,
    name: str | None,
    signers: Sequence[Signer],
) -> None:
    """Raise ConsensusError unless this node, its keys and its rules belong to the network."""
    if (name is None) != (not signers):
        raise ConsensusError("a validator needs a name and its vote key, an observer neither")
    if name is not None:
        own = validators.get(name)
        # Who is not in the set yet, or no more, follows as an observer.
        if own is not None and own.public_key not in {signer.public_key for signer in signers}:
            raise ConsensusError(f"{name} is not a validator of this network with this vote key")
    if application.app_version != chain.parameters.app_version:
        raise ConsensusError("the network runs another version of the rules; update this node")
