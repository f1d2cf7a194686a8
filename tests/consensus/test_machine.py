"""One height: the algorithm step by step, one sentence per step."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from random import Random

import pytest

from consensus import machine
from consensus.events import Commit, Event, MessageReceived, Started
from consensus.events import TimerElapsed as TokenElapsed
from consensus.machine import (
    CastVote,
    Decide,
    Effect,
    EnterRound,
    Height,
    Input,
    NewProposal,
    OldProposal,
    PolkaForNil,
    PolkaForValue,
    PrecommitsForValue,
    PrecommitsOfAny,
    PrevotesOfAny,
    Propose,
    RoundAhead,
    RoundEntered,
    StartTimer,
    State,
    Step,
    TimeoutElapsed,
    step,
)
from consensus.types import PRECOMMIT, PREVOTE, Block, Kind, Proposal, Vote
from consensus.validators import Validator, ValidatorSet
from consensus.votes import Added, Votes
from tests.consensus import test_replica as replicas
from tests.harness.sim.ledger import make_tx

V, W = b"v" * 32, b"w" * 32


@dataclass(frozen=True)
class Line:
    """What a step says, what goes in and what comes out."""

    says: str
    event: Input
    effects: Sequence[Effect] = ()


def prevote(round: int, value: bytes | None, valid_round: int = -1) -> CastVote:
    return CastVote(PREVOTE, round, valid_round, value)


def precommit(round: int, value: bytes | None) -> CastVote:
    return CastVote(PRECOMMIT, round, -1, value)


ENTER_0 = Line("Round 0 begins.", RoundEntered(0, False), [StartTimer(0, Step.PROPOSE)])
LOCK_V = [
    ENTER_0,
    Line("A good new value is prevoted.", NewProposal(0, V, True), [prevote(0, V)]),
    Line("Its polka locks it.", PolkaForValue(0, V), [precommit(0, V)]),
]
TO_ROUND_1 = [
    Line("A quorum precommits something.", PrecommitsOfAny(0), [StartTimer(0, Step.PRECOMMIT)]),
    Line("Nothing is decided in time.", TimeoutElapsed(0, Step.PRECOMMIT), [EnterRound(1)]),
]


def enter(round: int, *effects: Effect) -> Line:
    return Line(
        f"Round {round} begins.",
        RoundEntered(round, bool(effects)),
        [StartTimer(round, Step.PROPOSE), *effects],
    )


SCRIPTS: dict[str, list[Line]] = {
    "decide at once": [
        *LOCK_V,
        Line("A quorum precommits it.", PrecommitsForValue(0, V), [Decide(0, V)]),
        Line("Late precommits change nothing.", PrecommitsOfAny(0)),
        Line("Late timers change nothing.", TimeoutElapsed(0, Step.PRECOMMIT)),
        Line("A second decision is impossible.", PrecommitsForValue(0, V)),
    ],
    "our turn, nothing known": [
        Line(
            "We propose a new value.",
            RoundEntered(0, True),
            [StartTimer(0, Step.PROPOSE), Propose(0, None, -1)],
        ),
    ],
    "our turn, a valid value known": [
        *LOCK_V,
        *TO_ROUND_1,
        enter(1, Propose(1, V, 0)),
    ],
    "silent proposer": [
        ENTER_0,
        Line("The proposer is silent: nil.", TimeoutElapsed(0, Step.PROPOSE), [prevote(0, None)]),
        Line("A late proposal changes nothing.", NewProposal(0, V, True)),
        Line("A quorum prevotes nil.", PolkaForNil(0), [precommit(0, None)]),
        *TO_ROUND_1,
    ],
    "untimely or invalid proposal": [
        ENTER_0,
        Line("A value that is not acceptable: nil.", NewProposal(0, V, False), [prevote(0, None)]),
    ],
    "votes are split": [
        ENTER_0,
        Line("We prevote.", NewProposal(0, V, True), [prevote(0, V)]),
        Line("A quorum prevotes something.", PrevotesOfAny(0), [StartTimer(0, Step.PREVOTE)]),
        Line("The timer starts once.", PrevotesOfAny(0)),
        Line("There is no polka in time: nil.", TimeoutElapsed(0, Step.PREVOTE), [precommit(0, None)]),
    ],
    "locked on v, a new w comes": [
        *LOCK_V,
        *TO_ROUND_1,
        enter(1),
        Line("We are locked on v: nil.", NewProposal(1, W, True), [prevote(1, None)]),
    ],
    "locked on v, v comes as new": [
        *LOCK_V,
        *TO_ROUND_1,
        enter(1),
        Line("The locked value is prevoted.", NewProposal(1, V, True), [prevote(1, V)]),
        Line("Its polka locks it again.", PolkaForValue(1, V), [precommit(1, V)]),
    ],
    "locked on v, untimely v comes with its polka": [
        *LOCK_V,
        *TO_ROUND_1,
        enter(1),
        Line("An aged value needs no clock.", OldProposal(1, V, 0, True), [prevote(1, V, 0)]),
    ],
    "a nil polka does not unlock": [
        *LOCK_V,
        *TO_ROUND_1,
        enter(1),
        Line("Another value: nil.", NewProposal(1, W, True), [prevote(1, None)]),
        Line("A quorum prevotes nil.", PolkaForNil(1), [precommit(1, None)]),
        Line("A quorum precommits.", PrecommitsOfAny(1), [StartTimer(1, Step.PRECOMMIT)]),
        Line("Next round.", TimeoutElapsed(1, Step.PRECOMMIT), [EnterRound(2)]),
        enter(2),
        Line("We are still locked on v.", NewProposal(2, W, True), [prevote(2, None)]),
    ],
    "unlock by a later polka": [
        *LOCK_V,
        *TO_ROUND_1,
        enter(1),
        Line("The proposer is silent.", TimeoutElapsed(1, Step.PROPOSE), [prevote(1, None)]),
        Line("Votes are split.", PrevotesOfAny(1), [StartTimer(1, Step.PREVOTE)]),
        Line("No polka in time.", TimeoutElapsed(1, Step.PREVOTE), [precommit(1, None)]),
        Line("A quorum precommits.", PrecommitsOfAny(1), [StartTimer(1, Step.PRECOMMIT)]),
        Line("Next round.", TimeoutElapsed(1, Step.PRECOMMIT), [EnterRound(2)]),
        enter(2),
        Line("w had a polka after our lock.", OldProposal(2, W, 1, True), [prevote(2, W, 1)]),
        Line("w gets a polka: the lock moves.", PolkaForValue(2, W), [precommit(2, W)]),
    ],
    "an older polka does not unlock": [
        Line("f+1 are in round 1.", RoundAhead(1), [EnterRound(1)]),
        enter(1),
        Line("A new value is prevoted.", NewProposal(1, V, True), [prevote(1, V)]),
        Line("Its polka locks it.", PolkaForValue(1, V), [precommit(1, V)]),
        Line("f+1 are in round 2.", RoundAhead(2), [EnterRound(2)]),
        enter(2),
        Line("w had its polka before our lock: nil.", OldProposal(2, W, 0, True), [prevote(2, None)]),
    ],
    "hidden lock: the polka comes after we precommitted nil": [
        ENTER_0,
        Line("We prevote.", NewProposal(0, V, True), [prevote(0, V)]),
        Line("Votes are split.", PrevotesOfAny(0), [StartTimer(0, Step.PREVOTE)]),
        Line("No polka in time.", TimeoutElapsed(0, Step.PREVOTE), [precommit(0, None)]),
        Line("The polka comes late: valid, not locked.", PolkaForValue(0, V)),
        *TO_ROUND_1,
        enter(1, Propose(1, V, 0)),
        Line("A new w is free to be prevoted.", NewProposal(1, W, True), [prevote(1, W)]),
    ],
    "an invalid value with a polka": [
        Line("f+1 are in round 1.", RoundAhead(1), [EnterRound(1)]),
        enter(1),
        Line("It is not valid here: nil.", OldProposal(1, V, 0, False), [prevote(1, None)]),
    ],
    "late commit: precommits complete after the next round began": [
        *LOCK_V,
        *TO_ROUND_1,
        enter(1),
        Line("The proposer is silent.", TimeoutElapsed(1, Step.PROPOSE), [prevote(1, None)]),
        Line("The last precommit of round 0 arrives.", PrecommitsForValue(0, V), [Decide(0, V)]),
    ],
    "skip rounds": [
        ENTER_0,
        Line("f+1 are in round 5.", RoundAhead(5), [EnterRound(5)]),
        Line("A proposal of the old round changes nothing.", NewProposal(0, V, True)),
        Line("Round 5 is chosen, not entered.", TimeoutElapsed(5, Step.PROPOSE)),
        enter(5),
        Line("f+1 behind us change nothing.", RoundAhead(4)),
    ],
    "decide in a past round": [
        ENTER_0,
        Line("f+1 are in round 3.", RoundAhead(3), [EnterRound(3)]),
        enter(3),
        Line("The precommits of round 1 are complete.", PrecommitsForValue(1, V), [Decide(1, V)]),
    ],
    "decide before the round is entered": [
        Line("A whole height arrives at once.", PrecommitsForValue(0, V), [Decide(0, V)]),
    ],
    "the precommit timer runs in every step": [
        ENTER_0,
        Line("A quorum precommits before we prevote.", PrecommitsOfAny(0), [StartTimer(0, Step.PRECOMMIT)]),
        Line("The round is over for us.", TimeoutElapsed(0, Step.PRECOMMIT), [EnterRound(1)]),
    ],
    "old timers": [
        ENTER_0,
        Line("f+1 are in round 2.", RoundAhead(2), [EnterRound(2)]),
        enter(2),
        Line("The propose timer of round 0 rings.", TimeoutElapsed(0, Step.PROPOSE)),
        Line("The precommit timer of round 1 rings.", TimeoutElapsed(1, Step.PRECOMMIT)),
    ],
}


def run_script(name: str) -> None:
    """Play a script; raises AssertionError with the sentence of the step that went otherwise."""
    state = State(1)
    for line in SCRIPTS[name]:
        state, effects = machine.step(state, line.event)

        assert list(effects) == list(line.effects), line.says


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    """
    Each step of the script has exactly the effects it names.
    """
    run_script(name)


def all_states() -> Iterator[State]:
    """Every state with two values and rounds 0..2 that the algorithm can reach."""
    locks = [(None, -1), (V, 0), (V, 1), (W, 1), (W, 2)]
    for round_, at, (locked, locked_round), (valid, valid_round) in product(range(3), Step, locks, locks):
        if locked_round > valid_round or max(locked_round, valid_round) > round_:
            continue
        if locked_round == valid_round and locked != valid:
            continue
        for flags in product((False, True), repeat=3):
            yield State(7, round_, at, locked, locked_round, valid, valid_round, *flags)


def all_inputs() -> list[Input]:
    """Every kind of input, for rounds 0..3 and both values."""
    inputs: list[Input] = []
    for round_ in range(4):
        inputs += [RoundEntered(round_, True), RoundEntered(round_, False), RoundAhead(round_)]
        inputs += [PrevotesOfAny(round_), PolkaForNil(round_), PrecommitsOfAny(round_)]
        inputs += [TimeoutElapsed(round_, at) for at in Step]
        for value in (V, W):
            inputs += [PolkaForValue(round_, value), PrecommitsForValue(round_, value)]
            inputs += [NewProposal(round_, value, ok) for ok in (True, False)]
            inputs += [OldProposal(round_, value, vr, ok) for vr in range(-1, 4) for ok in (True, False)]
    return inputs


def listed(state: State, event: Input) -> tuple[Effect, ...] | None:
    """The table of consensus/README.md, restated: the effects of a listed pair; None for every other pair."""
    r, at = state.round, state.step
    here = event.round == r and at not in (Step.NEW, Step.DECIDED)
    if at is Step.DECIDED:
        return None
    match event:
        case PrecommitsForValue():
            return (Decide(event.round, event.value_id),)
        case RoundAhead() if event.round > r:
            return (EnterRound(event.round),)
        case RoundEntered() if event.round == r and at is Step.NEW:
            again = Propose(r, state.valid_value, state.valid_round)
            return (StartTimer(r, Step.PROPOSE), again) if event.proposing else (StartTimer(r, Step.PROPOSE),)
        case TimeoutElapsed(step=Step.PRECOMMIT) if event.round == r:
            return (EnterRound(r + 1),)
        case TimeoutElapsed(step=Step.PROPOSE) if here and at is Step.PROPOSE:
            return (prevote(r, None),)
        case TimeoutElapsed(step=Step.PREVOTE) if here and at is Step.PREVOTE:
            return (precommit(r, None),)
        case NewProposal() if here and at is Step.PROPOSE:
            yes = event.acceptable and (state.locked_round == -1 or state.locked_value == event.value_id)
            return (prevote(r, event.value_id if yes else None),)
        case OldProposal() if here and at is Step.PROPOSE and 0 <= event.valid_round < r:
            mine = state.locked_value == event.value_id
            yes = event.valid and (state.locked_round <= event.valid_round or mine)
            return (prevote(r, event.value_id, event.valid_round) if yes else prevote(r, None),)
        case PrevotesOfAny() if here and at is Step.PREVOTE and not state.prevote_timer:
            return (StartTimer(r, Step.PREVOTE),)
        case PolkaForValue() if here and at in (Step.PREVOTE, Step.PRECOMMIT) and not state.polka_seen:
            return (precommit(r, event.value_id),) if at is Step.PREVOTE else ()
        case PolkaForNil() if here and at is Step.PREVOTE:
            return (precommit(r, None),)
        case PrecommitsOfAny() if here and not state.precommit_timer:
            return (StartTimer(r, Step.PRECOMMIT),)
    return None


def test_every_state_with_every_input() -> None:
    """
    Whatever comes in any state has the effects of the table; a pair that is not in it changes nothing.
    """
    inputs = all_inputs()
    pairs: Counter[bool] = Counter()
    for state in all_states():
        for event in inputs:
            expected = listed(state, event)
            after, effects = step(state, event)
            pairs[expected is not None] += 1

            assert effects == (expected or ()), (state, event)
            if expected is None:
                assert after == state, (state, event)
            else:
                assert after != state, (state, event)
            _check_invariants(state, after, effects)
    assert pairs[True] > 10_000
    assert pairs[False] > 10_000


def _check_invariants(state: State, after: State, effects: Sequence[Effect]) -> None:
    """One vote at most, never backwards, locked <= valid, and no lock is lost within the height."""
    votes = [effect for effect in effects if isinstance(effect, CastVote)]
    assert len(votes) <= 1
    assert after.height == state.height
    assert (after.round, after.step) >= (state.round, state.step)
    assert after.locked_round <= after.valid_round
    assert after.locked_round >= state.locked_round
    assert after.valid_round >= state.valid_round
    for vote in votes:
        # A vote moves the step on, so that a second one of its kind needs another round.
        assert vote.round == state.round == after.round
        assert after.step > state.step
        assert after.step is (Step.PREVOTE if vote.kind == PREVOTE else Step.PRECOMMIT)
        if vote.value_id is None:
            assert vote.valid_round == -1
        elif vote.kind == PRECOMMIT:
            assert (after.locked_value, after.locked_round) == (vote.value_id, vote.round)


def test_random_walks_vote_once_and_never_lose_a_lock() -> None:
    """
    2,000 walks of any inputs: at most one prevote and one precommit in each round, and no prevote for another
    value than the locked one without a polka after the lock.
    """
    inputs = all_inputs()
    random = Random(11)
    cast = 0
    for _ in range(2_000):
        state = State(7)
        votes: list[CastVote] = []
        for _ in range(60):
            # Mostly what belongs to the round, or walks would hardly get anywhere.
            near = [event for event in inputs if event.round == state.round]
            if not near:
                break
            event = random.choice(near if random.random() < 0.9 else inputs)
            if isinstance(event, PrecommitsForValue) and random.random() < 0.9:
                continue
            if isinstance(event, PolkaForValue) and _value_at(votes, event.round) not in (
                None,
                event.value_id,
            ):
                continue  # two polkas in one round need more than f faulty
            state, effects = step(state, event)
            votes += [effect for effect in effects if isinstance(effect, CastVote)]
        steps = [(vote.round, vote.kind) for vote in votes]
        assert len(set(steps)) == len(steps)
        cast += len(votes)
        for locked in votes:
            for later in votes:
                other = later.value_id is not None and later.value_id != locked.value_id
                after_lock = locked.kind == PRECOMMIT and locked.value_id and later.round > locked.round
                if after_lock and later.kind == PREVOTE and other:
                    assert later.valid_round >= locked.round
    assert cast > 3_000


def _value_at(votes: Sequence[CastVote], round: int) -> bytes | None:
    return next((v.value_id for v in votes if v.round == round and v.kind == PRECOMMIT), None)


# --- Height: from messages to inputs

NAMES = ["did:web:a.example", "did:web:b.example", "did:web:c.example", "did:web:d.example"]
SET = ValidatorSet(tuple(Validator(name, sha256(name.encode()).digest()) for name in NAMES))


def make_block(salt: int, height: int = 4) -> Block:
    return Block(height, salt, bytes(32), NAMES[0], bytes(32), 0, bytes(32), bytes(32), 1, ())


BLOCK_V, BLOCK_W = make_block(1), make_block(2)


def make_height(name: str = NAMES[3]) -> Height:
    """Height 4, where a proposes in round 0, b in round 1, and so on."""
    height = Height(State(4), SET, name, valid=lambda block: True)
    height.enter()
    return height


def propose(round: int, block: Block, valid_round: int = -1) -> Proposal:
    return Proposal(4, round, valid_round, block, SET.proposer(4, round).name)


def vote(kind: Kind, round: int, who: int, block: Block | None, valid_round: int = -1) -> Vote:
    return Vote(kind, 4, round, valid_round, block.id if block else None, NAMES[who])


def hear(height: Height, *messages: Proposal | Vote) -> list[Effect]:
    """Add the messages one by one and collect all effects."""
    effects: list[Effect] = []
    for message in messages:
        if isinstance(message, Proposal):
            height.add_proposal(message, timely=True)
        else:
            height.add_vote(message)
        effects += height.take()
    return effects


def test_a_height_in_any_order() -> None:
    """
    Precommits first, prevotes next, the proposal last: everything follows from the last message.
    """
    height = make_height()
    early = [
        *(vote(PRECOMMIT, 0, who, BLOCK_V) for who in (0, 1, 2)),
        *(vote(PREVOTE, 0, who, BLOCK_V) for who in (0, 1, 2)),
    ]

    assert hear(height, *early) == [StartTimer(0, Step.PRECOMMIT)]
    assert hear(height, propose(0, BLOCK_V)) == [Decide(0, BLOCK_V.id)]


def test_a_decision_waits_for_its_polka() -> None:
    """
    A quorum of precommits without the polka is not yet a certificate.
    """
    height = make_height()
    hear(height, propose(0, BLOCK_V), *(vote(PRECOMMIT, 0, who, BLOCK_V) for who in (0, 1, 2)))

    assert height.state.step is not Step.DECIDED
    effects = hear(height, *(vote(PREVOTE, 0, who, BLOCK_V) for who in (0, 1, 2)))
    assert Decide(0, BLOCK_V.id) in effects


def test_a_polka_carries_one_valid_round() -> None:
    """
    Prevotes for one value with different valid rounds do not add up.
    """
    height = make_height()
    height.take(TimeoutElapsed(0, Step.PROPOSE))
    hear(height, vote(PREVOTE, 1, 0, None), vote(PREVOTE, 1, 1, None))
    assert height.state.round == 1

    hear(
        height,
        propose(1, BLOCK_V, 0),
        *(vote(PREVOTE, 0, who, BLOCK_V) for who in (0, 1, 2)),
        vote(PREVOTE, 1, 2, BLOCK_V, -1),
        vote(PREVOTE, 1, 3, BLOCK_V, 0),
    )

    assert height.votes.polka(1, BLOCK_V.id) == ()
    assert height.state.locked_round == -1


def test_an_old_value_waits_for_its_polka() -> None:
    """
    A proposal with a valid round is not prevoted before the polka of that round is here.
    """
    height = make_height()
    hear(height, vote(PREVOTE, 1, 0, None), vote(PREVOTE, 1, 1, None))
    hear(height, propose(1, BLOCK_V, 0))
    assert height.state.step is Step.PROPOSE

    effects = hear(height, *(vote(PREVOTE, 0, who, BLOCK_V) for who in (0, 1, 2)))

    assert effects == [prevote(1, BLOCK_V.id, 0)]


def test_untimely_values_are_judged_on_reception() -> None:
    """
    An untimely new value gets a nil prevote; with a polka of its round it is locked all the same.
    """
    height = make_height()
    height.add_proposal(propose(0, BLOCK_V), timely=False)

    assert height.take() == [prevote(0, None)]
    effects = hear(height, *(vote(PREVOTE, 0, who, BLOCK_V) for who in (0, 1, 2)))
    assert precommit(0, BLOCK_V.id) in effects


def test_a_block_that_the_lock_forbids_is_not_executed() -> None:
    """
    Judging a block costs its execution: a lock on another value answers without it.
    """
    judged: list[bytes] = []
    height = Height(State(4), SET, NAMES[3], valid=lambda block: not judged.append(block.id))  # type: ignore[func-returns-value]
    height.enter()
    hear(height, propose(0, BLOCK_V), *(vote(PREVOTE, 0, who, BLOCK_V) for who in (0, 1, 2)))
    height.take(TimeoutElapsed(0, Step.PRECOMMIT))
    hear(height, propose(1, BLOCK_W))

    assert height.state.locked_value == BLOCK_V.id
    assert BLOCK_W.id not in judged


def test_skips_to_the_round_f_plus_one_reached() -> None:
    """
    Two of four in rounds 3 and 7 prove that a correct one has reached round 3; one alone proves nothing.
    """
    height = make_height()
    hear(height, vote(PREVOTE, 7, 0, None))
    assert height.state.round == 0

    hear(height, vote(PRECOMMIT, 3, 1, None))
    assert height.state.round == 3


def test_a_round_far_ahead_is_reached_without_keeping_its_votes() -> None:
    """
    Votes a thousand rounds ahead fill no memory, yet f+1 of them move a node that was away.
    """
    height = make_height()
    hear(height, *(vote(PREVOTE, round_, 0, None) for round_ in range(500, 1000)))
    assert height.votes.all() == []

    hear(height, vote(PREVOTE, 999, 1, None))
    assert height.state.round == 999


def test_an_equivocator_counts_once_and_is_remembered() -> None:
    """
    Two votes of one validator are evidence; for "any" they weigh once, for each value once.
    """
    votes = Votes(SET)
    assert votes.add(vote(PREVOTE, 0, 0, BLOCK_V), 0) is Added.NEW
    assert votes.add(vote(PREVOTE, 0, 0, BLOCK_V), 0) is Added.DUPLICATE
    assert votes.add(vote(PREVOTE, 0, 0, BLOCK_W), 0) is Added.NEW
    assert votes.add(vote(PREVOTE, 0, 0, None), 0) is Added.SURPLUS
    assert votes.add(vote(PREVOTE, 0, 1, BLOCK_V), 0) is Added.NEW

    assert not votes.quorum_of_any(PREVOTE, 0)
    [evidence] = votes.evidence.values()
    assert (evidence.kind, evidence.validator, evidence.height) == ("double_prevote", NAMES[0], 4)


def test_a_vote_the_others_count_is_never_surplus() -> None:
    """
    An equivocator cannot fill its places here to keep this node from a polka that correct nodes hold.
    """
    votes = Votes(SET)
    for salt in (10, 11, 12):
        votes.add(vote(PREVOTE, 0, 0, make_block(salt)), 0)
    votes.add(vote(PREVOTE, 0, 1, BLOCK_V), 0)
    assert votes.add(vote(PREVOTE, 0, 0, BLOCK_V), 0) is Added.SURPLUS
    votes.add(vote(PREVOTE, 0, 2, BLOCK_V), 0)

    assert votes.add(vote(PREVOTE, 0, 0, BLOCK_V), 0) is Added.NEW
    assert len(votes.polka(0, BLOCK_V.id)) == 3


@pytest.mark.parametrize(
    ("weights", "quorum", "one_honest"),
    [
        ((1,), 1, 1),
        ((1, 1, 1), 3, 1),
        ((1, 1, 1, 1), 3, 2),
        ((1,) * 5, 4, 2),
        ((1,) * 6, 5, 2),
        ((1,) * 7, 5, 3),
        ((1,) * 10, 7, 4),
        ((5, 1, 1), 5, 3),
    ],
)
def test_thresholds(weights: tuple[int, ...], quorum: int, one_honest: int) -> None:
    """
    A quorum is more than two thirds and f+1 more than the weight that may be faulty, in integers.
    """
    members = tuple(
        Validator(f"did:web:v{i}.example", sha256(b"%d" % i).digest(), w) for i, w in enumerate(weights)
    )
    validators, total = ValidatorSet(members), sum(weights)

    assert (validators.quorum, validators.one_honest) == (quorum, one_honest)
    assert 3 * quorum > 2 * total >= 3 * (quorum - 1)
    assert 3 * one_honest >= total > 3 * (one_honest - 1)


def test_proposers_rotate_by_weight() -> None:
    """
    Over one turn each validator proposes as often as it weighs; rounds and heights both move the turn.
    """
    members = tuple(Validator(f"did:web:v{i}.example", sha256(b"%d" % i).digest(), i + 1) for i in range(3))
    validators = ValidatorSet(members)
    turn = [validators.proposer(height, 0).name[-9] for height in range(6)]

    assert turn == ["0", "1", "1", "2", "2", "2"]
    assert validators.proposer(3, 2) == validators.proposer(5, 0)


def test_quorums_count_distinct_validators_by_weight() -> None:
    """
    1,000 random sets of votes with repetitions: quorums are those of a count in other arithmetic.
    """
    random = Random(5)
    met: Counter[bool] = Counter()
    for _ in range(1_000):
        weights = [random.randint(1, 5) for _ in range(random.randint(1, 10))]
        members = [
            Validator(f"did:web:v{i}.example", sha256(b"%d" % i).digest(), w) for i, w in enumerate(weights)
        ]
        votes = Votes(ValidatorSet(tuple(members)))
        said: dict[str, set[bytes | None]] = {}
        for _ in range(random.randint(1, 25)):
            name, value = random.choice(members).name, random.choice((BLOCK_V.id, BLOCK_V.id, None))
            votes.add(Vote(PREVOTE, 4, 0, -1, value, name), 0)
            said.setdefault(name, set()).add(value)

        total = sum(weights)
        weight_of = {member.name: member.weight for member in members}
        for value in (BLOCK_V.id, None):
            weight = sum(weight_of[name] for name, values in said.items() if value in values)
            assert votes.quorum_for(PREVOTE, 0, value) == (3 * weight > 2 * total)
            met[3 * weight > 2 * total] += 1
        assert votes.quorum_of_any(PREVOTE, 0) == (3 * sum(weight_of[name] for name in said) > 2 * total)
        assert bool(votes.polka(0, BLOCK_V.id)) == votes.quorum_for(PREVOTE, 0, BLOCK_V.id)
    assert min(met.values()) > 100


# --- restart in each step, with the replica around the machine


def lock_and_unlock() -> list[Event]:
    """What validator 0 hears: v is locked in round 0, w gets a polka in round 1 and is decided."""
    v, w = replicas.BLOCK, replicas.make_block(make_tx("other"), by=2)
    said: list[Proposal | Vote | TokenElapsed] = [
        replicas.propose(0, v),
        *replicas.all_votes(PREVOTE, 0, v, (1, 2)),
        *replicas.all_votes(PRECOMMIT, 0, None, (1, 2, 3)),
        TokenElapsed((1, 0, int(Step.PRECOMMIT))),
        replicas.propose(1, w),
        *replicas.all_votes(PREVOTE, 1, w),
        *replicas.all_votes(PRECOMMIT, 1, w),
    ]
    return [
        message
        if isinstance(message, TokenElapsed)
        else MessageReceived(
            message.proposer if isinstance(message, Proposal) else message.validator, message.encode()
        )
        for message in said
    ]


def cast_by(bench: replicas.Bench) -> list[tuple[Kind, int, bytes | None]]:
    """The distinct votes a bench has broadcast, in order."""
    return list(dict.fromkeys((vote.kind, vote.round, vote.value_id) for vote in bench.votes()))


@pytest.mark.parametrize("crash_after", range(len(lock_and_unlock())))
def test_restart_in_each_step_of_lock_and_unlock(crash_after: int) -> None:
    """
    Restarted after any message, a validator casts the votes it would have cast, none twice, and decides.
    """
    events = lock_and_unlock()
    steady, bench = replicas.Bench(), replicas.Bench()
    for event in events:
        steady.feed(event)

    for event in events[: crash_after + 1]:
        bench.feed(event)
    bench.restart()
    bench.feed(Started())
    for event in events:  # peers help with all of it again
        bench.feed(event)

    assert cast_by(bench) == cast_by(steady)
    assert len({(kind, round_) for kind, round_, _ in cast_by(bench)}) == len(cast_by(bench)) == 4
    commits = [[effect.block for effect in b.out if isinstance(effect, Commit)] for b in (steady, bench)]
    assert commits[0][0] == commits[1][-1]
    assert commits[0][0].id == cast_by(steady)[-1][2]
