"""One height of accountable Tendermint, without signatures, time or I/O.

Algorithm 1 of arXiv:1807.04938 (line numbers below are its) plus the proposal's valid round in each prevote.
`step` is the algorithm; its inputs say that the condition of an "upon" sentence holds. `Height` keeps what
was said at the height and finds the sentences that hold. consensus/README.md lists sentences and deviations.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

from consensus.types import NO_ROUND, PRECOMMIT, PREVOTE, Block, Kind, Proposal, Vote
from consensus.validators import ValidatorSet
from consensus.votes import ROUNDS_AHEAD_MAX, Added, Votes

PROPOSALS_PER_ROUND_MAX = 2  # of an equivocating proposer, before the f+1 rule applies
ROUNDS_BEHIND_MAX = 16  # older rounds are kept only when they hold a polka


class Step(IntEnum):
    """Where a validator is within a round."""

    NEW = 0  # the round is chosen but not entered
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    DECIDED = 4


@dataclass(frozen=True, slots=True)
class State:
    """The variables of algorithm 1 (L1-L9) and what happens once per round."""

    height: int
    round: int = 0
    step: Step = Step.NEW
    locked_value: bytes | None = None
    locked_round: int = NO_ROUND
    valid_value: bytes | None = None
    valid_round: int = NO_ROUND
    prevote_timer: bool = False  # L34 is done in this round
    polka_seen: bool = False  # L36 is done in this round
    precommit_timer: bool = False  # L47 is done in this round
    earlier_lock: int = NO_ROUND  # the last round in which another value was locked (decision 0014)


# Inputs: the condition of one sentence holds.


@dataclass(frozen=True, slots=True)
class RoundEntered:
    """L11: the round begins; `proposing` says whose turn it is."""

    round: int
    proposing: bool


@dataclass(frozen=True, slots=True)
class NewProposal:
    """L22: a proposal without valid round; `acceptable` = valid and timely."""

    round: int
    value_id: bytes
    acceptable: bool


@dataclass(frozen=True, slots=True)
class OldProposal:
    """L28: a proposal with a valid round, and the polka of that round."""

    round: int
    value_id: bytes
    valid_round: int
    valid: bool


@dataclass(frozen=True, slots=True)
class PrevotesOfAny:
    """L34: a quorum has prevoted."""

    round: int


@dataclass(frozen=True, slots=True)
class PolkaForValue:
    """L36: a valid proposal and a quorum of prevotes for it that carry its valid round."""

    round: int
    value_id: bytes


@dataclass(frozen=True, slots=True)
class PolkaForNil:
    """L44: a quorum of prevotes for nil."""

    round: int


@dataclass(frozen=True, slots=True)
class PrecommitsOfAny:
    """L47: a quorum has precommitted."""

    round: int


@dataclass(frozen=True, slots=True)
class PrecommitsForValue:
    """L49: a known block, its polka and a quorum of precommits for it, in any round."""

    round: int
    value_id: bytes


@dataclass(frozen=True, slots=True)
class RoundAhead:
    """L55: f+1 have reached a higher round."""

    round: int


@dataclass(frozen=True, slots=True)
class TimeoutElapsed:
    """L57, L61, L65: the timer of a step ran out."""

    round: int
    step: Step


Input = (
    RoundEntered
    | NewProposal
    | OldProposal
    | PrevotesOfAny
    | PolkaForValue
    | PolkaForNil
    | PrecommitsOfAny
    | PrecommitsForValue
    | RoundAhead
    | TimeoutElapsed
)

# Effects, to be executed in the order given.


@dataclass(frozen=True, slots=True)
class EnterRound:
    """Answer with RoundEntered."""

    round: int


@dataclass(frozen=True, slots=True)
class Propose:
    """Propose this value again, or a new one if it is None."""

    round: int
    value_id: bytes | None
    valid_round: int


@dataclass(frozen=True, slots=True)
class CastVote:
    """Sign, persist and broadcast a vote; a precommit for a value is also the lock."""

    kind: Kind
    round: int
    valid_round: int
    value_id: bytes | None


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Feed TimeoutElapsed after the timeout of this step and round."""

    round: int
    step: Step


@dataclass(frozen=True, slots=True)
class Decide:
    """The height is over."""

    round: int
    value_id: bytes


Effect = EnterRound | Propose | CastVote | StartTimer | Decide
Result = tuple[State, tuple[Effect, ...]]


def step(state: State, event: Input) -> Result:
    """Apply one input; a pair that is not listed changes nothing. Line numbers are the paper's."""
    if state.step is Step.DECIDED:
        return state, ()
    match event:
        case PrecommitsForValue(round=round_, value_id=value_id):  # L49-L54
            return replace(state, step=Step.DECIDED), (Decide(round_, value_id),)
        case RoundAhead(round=round_) if round_ > state.round:  # L55-L56
            return _enter(state, round_)
        case TimeoutElapsed(round=round_, step=Step.PRECOMMIT) if round_ == state.round:  # L65-L67
            return _enter(state, round_ + 1)
        case _ if event.round != state.round:
            return state, ()
        case RoundEntered(proposing=proposing) if state.step is Step.NEW:  # L11-L21
            return _begin(state, proposing)
        case _ if state.step is Step.NEW:
            return state, ()
        case NewProposal(value_id=value_id) if state.step is Step.PROPOSE:  # L22-L27
            free = _lock_allows(state, value_id, NO_ROUND)
            return _prevote(state, value_id if event.acceptable and free else None)
        case OldProposal(value_id=value_id, valid_round=vr) if (
            state.step is Step.PROPOSE and 0 <= vr < state.round
        ):  # L28-L33
            free = _lock_allows(state, value_id, vr)
            return _prevote(state, value_id if event.valid and free else None, vr)
        case PrevotesOfAny() if state.step is Step.PREVOTE and not state.prevote_timer:  # L34-L35
            return replace(state, prevote_timer=True), (StartTimer(state.round, Step.PREVOTE),)
        case PolkaForValue(value_id=value_id) if (
            state.step >= Step.PREVOTE and not state.polka_seen
        ):  # L36-L43
            return _polka(state, value_id)
        case PolkaForNil() if state.step is Step.PREVOTE:  # L44-L46
            return _precommit(state, None)
        case PrecommitsOfAny() if not state.precommit_timer:  # L47-L48
            return replace(state, precommit_timer=True), (StartTimer(state.round, Step.PRECOMMIT),)
        case TimeoutElapsed(step=Step.PROPOSE) if state.step is Step.PROPOSE:  # L57-L60
            return _prevote(state, None)
        case TimeoutElapsed(step=Step.PREVOTE) if state.step is Step.PREVOTE:  # L61-L64
            return _precommit(state, None)
        case _:
            return state, ()


def _lock_allows(state: State, value_id: bytes, valid_round: int) -> bool:
    # The paper lets a locked value pass with any valid round. Who locked another value before that needs one
    # since then: otherwise an honest change of lock would look like amnesia to whoever sees two of its votes.
    own = state.locked_value == value_id
    return (state.earlier_lock if own else state.locked_round) <= valid_round


def _enter(state: State, round: int) -> Result:
    fresh = replace(
        state, round=round, step=Step.NEW, prevote_timer=False, polka_seen=False, precommit_timer=False
    )
    return fresh, (EnterRound(round),)


def _begin(state: State, proposing: bool) -> Result:
    # The proposer sets the timer too: it may have nothing to propose.
    timer = StartTimer(state.round, Step.PROPOSE)
    propose = (Propose(state.round, state.valid_value, state.valid_round),) if proposing else ()
    return replace(state, step=Step.PROPOSE), (timer, *propose)


def _prevote(state: State, value_id: bytes | None, valid_round: int = NO_ROUND) -> Result:
    valid_round = NO_ROUND if value_id is None else valid_round
    return replace(state, step=Step.PREVOTE), (CastVote(PREVOTE, state.round, valid_round, value_id),)


def _precommit(state: State, value_id: bytes | None) -> Result:
    return replace(state, step=Step.PRECOMMIT), (CastVote(PRECOMMIT, state.round, NO_ROUND, value_id),)


def _polka(state: State, value_id: bytes) -> Result:
    seen = replace(state, polka_seen=True, valid_value=value_id, valid_round=state.round)
    if state.step is not Step.PREVOTE:
        return seen, ()
    earlier = state.earlier_lock if state.locked_value in (None, value_id) else state.locked_round
    locked = replace(seen, locked_value=value_id, locked_round=state.round, earlier_lock=earlier)
    return _precommit(locked, value_id)


@dataclass(frozen=True, slots=True)
class _Heard:
    proposal: Proposal
    timely: bool


class Height:
    """What was said at one height, and the sentences that hold because of it."""

    def __init__(
        self, state: State, validators: ValidatorSet, name: str, valid: Callable[[Block], bool]
    ) -> None:
        """`valid` judges a block by the state after the previous one, when a sentence needs it."""
        self.state = state
        self.votes = Votes(validators)
        self.blocks: dict[bytes, Block] = {}
        self._validators = validators
        self._name = name
        self._valid = valid
        self._proposals: dict[int, list[_Heard]] = {}

    def add_proposal(self, proposal: Proposal, timely: bool) -> Added:
        """Keep a verified proposal; `timely` is its judgement on reception."""
        self.votes.note_round(proposal.proposer, proposal.round)
        if proposal.round > self.state.round + ROUNDS_AHEAD_MAX:
            return Added.SURPLUS
        heard = self._proposals.setdefault(proposal.round, [])
        for earlier in heard:
            if (earlier.proposal.block.id, earlier.proposal.valid_round) == (
                proposal.block.id,
                proposal.valid_round,
            ):
                return Added.DUPLICATE
        if len(heard) >= PROPOSALS_PER_ROUND_MAX and not self.votes.honest_support(
            proposal.round, proposal.block.id
        ):
            return Added.SURPLUS
        heard.append(_Heard(proposal, timely))
        self.blocks.setdefault(proposal.block.id, proposal.block)
        return Added.NEW

    def add_vote(self, vote: Vote) -> Added:
        """Keep a verified vote."""
        return self.votes.add(vote, self.state.round)

    def proposals(self) -> list[Proposal]:
        """Every proposal kept, by round."""
        return [heard.proposal for _, kept in sorted(self._proposals.items()) for heard in kept]

    def proposed(self, round: int, value_id: bytes) -> Proposal | None:
        """The proposal of `value_id` in `round`, if it was heard."""
        return next(
            (h.proposal for h in self._proposals.get(round, ()) if h.proposal.block.id == value_id), None
        )

    def rounds(self) -> set[int]:
        """The rounds of which something is kept."""
        return {*self.votes.rounds(), *self._proposals}

    def enter(self) -> list[Effect]:
        """Begin the round the state names, and everything that follows."""
        return self.take(RoundEntered(self.state.round, self._proposes(self.state.round)))

    def take(self, event: Input | None = None) -> list[Effect]:
        """Apply `event`, then every sentence that holds, until none changes anything."""
        effects: list[Effect] = []
        if event is not None:
            self._apply(event, effects)
        while any(self._apply(enabled, effects) for enabled in self._enabled()):
            pass
        return effects

    def _apply(self, event: Input, effects: list[Effect]) -> bool:
        before = self.state
        self.state, new = step(before, event)
        for effect in new:
            if isinstance(effect, EnterRound):
                self._forget_old_rounds()
                self._apply(RoundEntered(effect.round, self._proposes(effect.round)), effects)
            else:
                effects.append(effect)
        return self.state != before

    def _proposes(self, round: int) -> bool:
        return self._validators.proposer(self.state.height, round).name == self._name

    def _enabled(self) -> Iterator[Input]:
        """The sentences whose condition holds now and that can still change something."""
        state, votes = self.state, self.votes
        round_ = state.round
        for decided_round, value_id in votes.decisions():
            # The polka is awaited too: a certificate without it accuses nobody (decision 0001).
            if value_id in self.blocks and votes.polka(decided_round, value_id):
                yield PrecommitsForValue(decided_round, value_id)
        if (ahead := votes.round_ahead(round_)) is not None:
            yield RoundAhead(ahead)
        if state.step is Step.PROPOSE:
            for heard in self._proposals.get(round_, ()):
                yield from self._judged(heard)
        if state.step >= Step.PREVOTE and not state.polka_seen:
            for heard in self._proposals.get(round_, ()):
                block, valid_round = heard.proposal.block, heard.proposal.valid_round
                if votes.quorum_for(PREVOTE, round_, block.id, valid_round) and self._valid(block):
                    yield PolkaForValue(round_, block.id)
        if state.step is Step.PREVOTE:
            if votes.quorum_for(PREVOTE, round_, None):
                yield PolkaForNil(round_)
            if votes.quorum_of_any(PREVOTE, round_):
                yield PrevotesOfAny(round_)
        if not state.precommit_timer and votes.quorum_of_any(PRECOMMIT, round_):
            yield PrecommitsOfAny(round_)

    def _judged(self, heard: _Heard) -> Iterator[Input]:
        proposal, block = heard.proposal, heard.proposal.block
        if proposal.valid_round == NO_ROUND:
            # A lock on another value decides without executing the block.
            free = self.state.locked_value in (None, block.id)
            yield NewProposal(proposal.round, block.id, free and heard.timely and self._valid(block))
        elif self.votes.polka(proposal.valid_round, block.id):
            yield OldProposal(proposal.round, block.id, proposal.valid_round, self._valid(block))

    def _forget_old_rounds(self) -> None:
        oldest = self.state.round - ROUNDS_BEHIND_MAX
        for round_ in sorted(self.rounds()):
            if round_ < oldest and not self.votes.has_polka(round_):
                self.votes.forget(round_)
                self._proposals.pop(round_, None)
        kept = {proposal.block.id for proposal in self.proposals()}
        self.blocks = {value_id: block for value_id, block in self.blocks.items() if value_id in kept}
