"""What an idle network costs: who asks whom how often (node/peers/polling.py)."""

from __future__ import annotations

import itertools

from node.ledger.engine_condition import CUT_OFF_S
from node.peers.polling import (
    LISTEN_S,
    LISTEN_S_MAX,
    OF_OBSERVERS_S,
    ROUND_S_MAX,
    VALIDATOR_S,
    listens,
    wait_s,
)

FOUR = ["a", "b", "c", "d"]


def asked(validators: list[str], seconds: float) -> list[tuple[float, str]]:
    """(when, whom) an observer asks, as its senders do: each waits, asks, and waits again."""
    found = []
    for peer in validators:
        now = 17.3
        while (now := now + wait_s("observer", peer, validators, now)) < 17.3 + seconds:
            found.append((round(now, 3), peer))
            now += 0.004  # it takes a moment
    return sorted(found)


def test_an_observer_asks_one_validator_every_moment_and_each_in_its_turn() -> None:
    """
    A block is news to an observer within 0.4 s, as when it asked all four so often, for a quarter of that.
    """
    times = asked(FOUR, 16)

    assert {round(later - sooner, 2) for (sooner, _), (later, _) in itertools.pairwise(times)} == {0.4}
    assert [peer for _, peer in times[:4]] != [times[0][1]] * 4
    assert {peer for _, peer in times} == set(FOUR)


def test_an_observer_of_many_validators_is_not_cut_off() -> None:
    """
    It has asked all of them within three seconds, however many there are.
    """
    many = [f"v{number:02}" for number in range(20)]

    times = asked(many, 30)

    for peer in many:
        own = [when for when, who in times if who == peer]
        assert max(later - sooner for sooner, later in itertools.pairwise(own)) <= ROUND_S_MAX + 0.1


def test_validators_show_one_another_that_they_are_there_and_observers_are_left_alone() -> None:
    """
    A second between validators; of an observer nobody learns anything.
    """
    assert wait_s("a", "b", FOUR, 5.5) == VALIDATOR_S
    assert wait_s("a", "observer", FOUR, 5.5) == wait_s("another", "observer", FOUR, 5.5) == OF_OBSERVERS_S


def test_of_two_validators_one_asks_and_the_other_listens() -> None:
    """
    Exactly one of a pair lets the other ask, while it is asked in time and was answered within what counts as
    cut off; each asks whom it was never asked by, or has had no answer of.
    """
    soon, late = VALIDATOR_S, LISTEN_S + 0.1

    assert listens("b", "a", heard_s=soon, answered_s=soon) and not listens("a", "b", heard_s=0, answered_s=0)
    assert not listens("b", "a", heard_s=late, answered_s=soon)
    assert not listens("b", "a", heard_s=soon, answered_s=LISTEN_S_MAX)
    assert not listens("b", "a", heard_s=None, answered_s=soon)
    assert not listens("b", "a", heard_s=soon, answered_s=None)
    assert VALIDATOR_S < LISTEN_S < LISTEN_S_MAX + VALIDATOR_S <= CUT_OFF_S
