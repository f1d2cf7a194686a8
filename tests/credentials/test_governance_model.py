"""The approval rules restated (tests/harness/constitution), set against the registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from credentials.ledger import governance_state
from credentials.ledger.consents import Wanting
from credentials.ledger.parties import Key, Stop
from tests.harness.constitution import model
from tests.harness.constitution.as_of import Past, asked
from tests.harness.constitution.bugs import BUGS, patched
from tests.harness.constitution.events import Clock, around, history, jump
from tests.harness.constitution.side import Counts, Difference
from tests.harness.constitution.walks import DeadEnd, side_by_side, walk, walks

ACTS = 250  # of one network
CLOCKED = range(30, 42)
FOUND = {  # the first seed that finds a bug, where it is not the very first
    "approvals_of_the_suspended_count": 8,
    "no_way_on_is_asked_for": 2,
    "a_stop_is_confirmed_by_its_setter": 19,
    "a_change_begins_by_the_rules_to_come": 1,
}


def run(seeds: Iterable[int], clock: Clock = jump) -> Counts:
    """Whole histories; the first difference ends them."""
    counts = Counts()
    for seed in seeds:
        counts.add(history(seed, ACTS, clock=clock))
    return counts


def differing(changes: int, questions: int) -> list[str]:
    """The questions about a history that the registry answers otherwise than a naive replay."""
    past, rng = Past(), Random("questions")
    past.live(1, changes)
    told = [asked(past, rng) for _ in range(questions)]
    yes = sum(bool(got) for _, got, _ in told)
    print(past.side.counts, f"{questions} questions, {yes} answered with yes")
    assert 0.2 < yes / questions < 0.95, "what is always answered alike asks nothing"
    assert len(past.side.model.decided) >= changes
    return [f"{question}: {got}, not {said}" for question, got, said in told if got != said]


# -- random events ---------------------------------------------------------------------------------------


def test_random_events_are_decided_as_the_rules_say() -> None:
    """
    After every block of 500 random acts of governance the registry and the restatement agree on what each act
    was answered, what became of each proposal, from which height on, what governs, and who votes.
    """
    counts = run(range(2))

    print(counts)
    assert counts.acts >= 500 and counts.outcomes["decided"] > 20


@pytest.mark.check
def test_two_thousand_random_events() -> None:
    """
    The same from more seeds.
    """
    counts = run(range(22, 32))

    print(counts)
    assert counts.acts >= 2_000
    assert {"decided", "lapsed", "decided in spite of an objection", "withdrawn"} <= counts.outcomes.keys()


@pytest.mark.check
def test_random_events_with_the_clock_at_every_date() -> None:
    """
    The clock jumps to the second of an expiry, a wait, a stop, a suspension, an end of a key or licence, to
    the one before it, or the one after: registry and restatement decide alike at each.
    """
    counts = run(CLOCKED, clock=around)

    print(counts)
    assert counts.outcomes["decided"] > 100 and counts.outcomes["lapsed"] > 100


@pytest.mark.check
@pytest.mark.parametrize(
    ("owner", "method", "seed"), [(Stop, "holds", 87), (Key, "valid", 158), (Wanting, "ready", 40)]
)
def test_an_answer_that_is_a_second_late_is_found(owner: type, method: str, seed: int) -> None:
    """
    A stop, a key or a wait, each begun and over one second late in the registry.
    """
    on_time = getattr(owner, method)

    def late(self: Any, at: int) -> Any:
        return on_time(self, at - 1)

    with patched(owner, method, late), pytest.raises(Difference) as difference:
        run(range(seed, seed + 12), clock=around)

    print(f"{method}: {str(difference.value)[:160]}")


@pytest.mark.long
def test_fifty_thousand_random_events() -> None:
    """
    200 networks of 250 acts each.
    """
    counts = run(range(1_000, 1_200))

    print(counts)
    assert counts.acts >= 50_000


# -- dead ends -------------------------------------------------------------------------------------------


def test_walks_end_where_something_can_be_changed() -> None:
    """
    Whatever everybody alive agrees to, with the clock past every date the search finds, and the registry
    accepts, a change of the limits, a new authority, and a new key for a party.
    """
    counts = walks(range(3))

    print(counts)
    assert counts.outcomes["limits"] == counts.outcomes["a new authority"] == 3


def test_an_authority_that_is_to_go_keeps_its_seat_until_it_goes() -> None:
    """
    Seed 3241, on which the two differed: the only authority of a side is expelled by one decision and loses
    its licence by another of the same block. The second waits as if nothing were decided yet.
    """
    assert walk(3241).outcomes["limits"] == 1


def test_two_beginnings_of_one_record_are_not_decided_in_one_block() -> None:
    """
    Seed 3691, on which the two differed: two decisions of one block about an authority, one for the next
    block, one for the block after. Each is in force when its decision says.
    """
    assert walk(3691).outcomes["limits"] == 1


@pytest.mark.check
def test_twenty_five_walks() -> None:
    """
    The same from more seeds.
    """
    counts = walks(range(100, 125))

    print(counts)
    assert counts.outcomes["limits"] == 25


@pytest.mark.long
def test_ten_thousand_walks() -> None:
    """
    Ten thousand walks reach no dead end.
    """
    counts = side_by_side(range(1_000, 11_000))

    print(counts)
    assert counts.outcomes["limits"] == 10_000


@contextmanager
def nobody_looks() -> Iterator[None]:
    """Neither the registry nor the restatement refuses what leads to a dead end."""
    with (
        patched(model, "dead_ends", lambda state, at: set()),
        patched(governance_state, "require_way_on", lambda before, after, at: None),
    ):
        yield


@pytest.mark.check
def test_walks_find_dead_ends_where_nobody_looks_for_them() -> None:
    """
    The walks can fail: without the rule, they do within a few.
    """
    found = 0
    with nobody_looks():
        for seed in range(20):
            try:
                walk(seed, replay=False)
            except DeadEnd as end:
                found += 1
                print(str(end).splitlines()[0])

    assert found >= 3


# -- as of a height --------------------------------------------------------------------------------------


def test_questions_about_any_height_are_answered_as_a_replay_does() -> None:
    """
    Accredited, which key, which limit, recognised, validator, stopped, who approves: over 40 changes.
    """
    assert not differing(40, 300)


@pytest.mark.check
def test_a_thousand_questions_about_two_hundred_changes() -> None:
    """
    1,000 random pairs of a question and a height over a history of 200 changes.
    """
    assert not differing(200, 1_000)


# -- planted -----------------------------------------------------------------------------------------------


@pytest.mark.check
@pytest.mark.parametrize("name", BUGS)
def test_each_planted_bug_is_found(name: str) -> None:
    """
    Eleven bugs of one function each in the registry's decisions: the model test finds each of them. The
    history that found it is lived first.
    """
    with BUGS[name](), pytest.raises(Difference) as difference:
        run([FOUND.get(name, 0), *range(60)])

    print(f"{name}: {str(difference.value)[:160]}")
