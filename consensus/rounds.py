"""The rounds of one height: what the machine asks for is signed, persisted and sent; a restart takes it up.

`machine.py` is the algorithm and knows no signature, disk or message; this is the hand that it moves.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from consensus import machine
from consensus.blocks import Blocks
from consensus.events import Broadcast, Guard, SetTimer
from consensus.faults import Faults
from consensus.machine import Height, State, Step
from consensus.recollection import Recollection
from consensus.replica_state import Present
from consensus.types import NO_ROUND, PRECOMMIT, PREVOTE, Block, Proposal, Vote, verify_proposal, verify_vote
from consensus.votes import Added
from consensus.wal import PROPOSAL, SignedRecord, SigningLog, read_message

_NO_PROPOSAL = -1


class Rounds:
    """Takes this node through a height, from the first message or attestation to the decision."""

    def __init__(
        self,
        present: Present,
        log: SigningLog,
        *,
        blocks: Blocks,
        recollection: Recollection,
        faults: Faults,
        decided: Callable[[Height, int, bytes], None],
    ) -> None:
        """`decided` is told the height, the round and the value once a quorum has precommitted it."""
        self._present, self._log, self._blocks = present, log, blocks
        self._recollection, self._faults, self._decided = recollection, faults, decided
        self.reset()

    def reset(self) -> None:
        """Another height begins some time."""
        self._kept_round = 0
        self._proposal_due = _NO_PROPOSAL  # the round in which this node proposes once it has something

    @property
    def begun(self) -> bool:
        """Something was signed at this height before a restart."""
        return bool(self._log.of(self._present.working))

    def open(self) -> Height:
        """The height being worked on; begins it, after a restart as the write-ahead log left it."""
        present = self._present
        if present.height is None:
            assert present.name is not None and present.voter is not None, "an observer opens no height"
            assert present.storing is None, "a height begins after the previous block is stored"
            self._proposal_due = _NO_PROPOSAL
            present.height = Height(
                State(present.working), present.validators, present.name, self._blocks.valid
            )
            records = self._log.of(present.working)
            if records:
                self._restore(present.height, records)
            else:
                self._run(present.height.enter())
        return present.height

    # --- what arrives

    def take_vote(self, vote: Vote, data: bytes) -> None:
        """A vote of this height; raises ConsensusError unless its validator signed it."""
        present = self._present
        verify_vote(vote, present.validators, present.chain.network_id)
        self._recollection.note(vote)
        if present.voter is None:
            return  # it was this node's own, and not of this node
        height = self.open()
        if self._keep(height.add_vote(vote), vote.round, data):
            self._faults.accuse(height.votes.evidence.values())
            self._run(height.take())

    def take_proposal(self, proposal: Proposal, data: bytes, received_ms: int) -> None:
        """A proposal of this height, verified; `received_ms` is the wall clock of its reception."""
        height = self.open()
        timely = self._timely(proposal, received_ms)
        if self._keep(height.add_proposal(proposal, timely), proposal.round, data):
            self._run(height.take())

    def verify(self, proposal: Proposal) -> None:
        """Raise ConsensusError unless the proposer of its round signed it."""
        verify_proposal(proposal, self._present.validators, self._present.chain.network_id)

    def elapsed(self, round: int, step: Step) -> None:
        """A timer of this height ran out."""
        if self._present.height is not None:
            self._run(self._present.height.take(machine.TimeoutElapsed(round, step)))

    def _keep(self, added: Added, round: int, data: bytes) -> bool:
        if added is Added.DUPLICATE:
            self._present.refused["duplicate"] += 1
            return False
        if added is Added.NEW:
            self._present.hear(round, data)
        else:
            self._present.refused["surplus"] += 1
        return True  # a surplus vote may still say that its sender is rounds ahead (L55)

    def _timely(self, proposal: Proposal, received_ms: int) -> bool:
        chain = self._present.chain
        window_ms = chain.timely_ms + proposal.round * chain.timely_delta_ms
        return abs(proposal.block.time * 1000 - received_ms) <= window_ms

    # --- what the machine asks for

    def _run(self, effects: Iterable[machine.Effect]) -> None:
        """Execute what the machine asks for, and what follows from it, in order."""
        height = self._present.height
        assert height is not None, "effects belong to an open height"
        todo = deque(effects)
        while todo:
            match todo.popleft():
                case machine.StartTimer(round=round_, step=step):
                    self._set_timer(height, step, round_)
                case machine.Propose(round=round_, value_id=value_id, valid_round=valid_round):
                    block = self._blocks.make(round_) if value_id is None else height.blocks[value_id]
                    if block is None:
                        self._proposal_due = round_
                    else:
                        self._publish(height, round_, valid_round, block)
                    todo.extend(height.take())
                case machine.CastVote() as cast:
                    self._cast(height, cast)
                    todo.extend(height.take())
                case machine.Decide(round=round_, value_id=value_id):
                    self._decided(height, round_, value_id)
        if height.state.round != self._kept_round:
            self._forget_old_messages(height)

    def _set_timer(self, height: Height, step: Step, round: int) -> None:
        token = (height.state.height, round, int(step))
        self._present.out.append(SetTimer(token, self._present.chain.parameters.timeouts.of(step, round)))

    def _forget_old_messages(self, height: Height) -> None:
        self._kept_round = height.state.round
        rounds = height.rounds()
        present = self._present
        present.heard = {digest: heard for digest, heard in present.heard.items() if heard.round in rounds}
        self._blocks.keep(height.blocks)

    def propose_if_due(self) -> None:
        """A proposer that had nothing to propose proposes as soon as it has something."""
        height = self._present.height
        if height is None or self._proposal_due == _NO_PROPOSAL or self._present.storing is not None:
            return
        if height.state.round != self._proposal_due or height.state.step is not Step.PROPOSE:
            self._proposal_due = _NO_PROPOSAL
            return
        block = self._blocks.make(height.state.round)
        if block is not None:
            self._proposal_due = _NO_PROPOSAL
            self._publish(height, height.state.round, NO_ROUND, block)
            self._run(height.take())

    # --- signing

    def _again(self, guard: Guard) -> bool:
        """What was signed under this guard is sent again; whether something was."""
        data = self._log.signed(guard)
        if data is not None:
            self._present.out.append(Broadcast(data))
        return data is not None

    def _publish(self, height: Height, round: int, valid_round: int, block: Block) -> None:
        """Sign, persist and broadcast a proposal, once per round."""
        present, number = self._present, height.state.height
        if self._again((number, round, PROPOSAL)):
            return
        assert present.name is not None and present.voter is not None, "an observer signs nothing"
        unsigned = Proposal(number, round, valid_round, block, present.name)
        message = unsigned.signed_bytes(present.chain.network_id, present.validators.hash)
        proposal = replace(unsigned, signature=present.voter.sign(message))
        data = proposal.encode()
        self._log.persist(SignedRecord(number, round, PROPOSAL, data))
        height.add_proposal(proposal, timely=True)
        present.hear(round, data)

    def _cast(self, height: Height, cast: machine.CastVote) -> None:
        """Sign, persist and broadcast a vote, once per round and kind."""
        present, number = self._present, height.state.height
        if self._again((number, cast.round, cast.kind)):
            return
        assert present.name is not None and present.voter is not None, "an observer signs nothing"
        unsigned = Vote(cast.kind, number, cast.round, cast.valid_round, cast.value_id, present.name)
        message = unsigned.signed_bytes(present.chain.network_id, present.validators.hash)
        vote = replace(unsigned, signature=present.voter.sign(message))
        data = vote.encode()
        record = SignedRecord(number, cast.round, cast.kind, data)
        if cast.kind == PRECOMMIT and cast.value_id is not None:
            # The lock: with its value and polka a restarted node can propose, prevote and help as before.
            proposal = height.proposed(cast.round, cast.value_id)
            assert proposal is not None, "a value is locked because of a proposal of this round"
            polka = height.votes.polka(cast.round, cast.value_id)
            record = replace(
                record, proposal=proposal.encode(), polka=tuple(prevote.encode() for prevote in polka)
            )
        self._log.persist(record)
        height.add_vote(vote)
        self._recollection.note(vote)
        present.hear(cast.round, data)

    # --- after a restart

    def _restore(self, height: Height, records: Sequence[SignedRecord]) -> None:
        """Take up the height where the write-ahead log ends, and send the same bytes again."""
        height.state = state = _left_at(height.state.height, records)
        self._kept_round = state.round
        for record in records:
            for data in (*record.messages(), record.data):
                message = read_message(data)
                if isinstance(message, Vote):
                    height.add_vote(message)
                else:
                    height.add_proposal(message, self._timely(message, self._present.time_ms))
                self._present.hear(message.round, data)
            self._present.out.append(Broadcast(record.data))
        if state.step is Step.PROPOSE:
            self._set_timer(height, Step.PROPOSE, state.round)
        self._run(height.take())


def _left_at(number: int, records: Sequence[SignedRecord]) -> State:
    """The state in which a node was that had signed these records."""
    last = max(record.round for record in records)
    kinds = {record.kind for record in records if record.round == last}
    reached = Step.PRECOMMIT if PRECOMMIT in kinds else Step.PREVOTE if PREVOTE in kinds else Step.PROPOSE
    state = State(number, last, reached)
    locks = [record for record in records if record.proposal is not None]
    if not locks:
        return state
    lock = max(locks, key=lambda record: record.round)
    value_id = lock.locked_value()
    others = [record.round for record in locks if record.locked_value() != value_id]
    return replace(
        state,
        locked_value=value_id,
        locked_round=lock.round,
        earlier_lock=max(others, default=NO_ROUND),
        valid_value=value_id,
        valid_round=lock.round,
    )
