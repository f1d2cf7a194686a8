"""What an idle network costs: who asks whom how often (node/peers/polling.py)."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from node.ledger.engine_condition import CUT_OFF_S
from node.peers import polling
from node.peers.polling import (
    BUSY,
    OF_OBSERVERS_S,
    QUIET,
    QUIET_S,
    ROUND_S_MAX,
    News,
    Pace,
    listens,
    wait_s,
)

FOUR = ["a", "b", "c", "d"]


def asked(validators: list[str], seconds: float, at: Pace = BUSY) -> list[tuple[float, str]]:
    """(when, whom) an observer asks, as its senders do: each waits, asks, and waits again."""
    found = []
    for peer in validators:
        now = 17.3
        while (now := now + wait_s("observer", peer, validators, now, at)) < 17.3 + seconds:
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


@pytest.mark.parametrize("at", [BUSY, QUIET], ids=["busy", "quiet"])
def test_an_observer_of_many_validators_is_not_cut_off(at: Pace) -> None:
    """
    It has asked all of them within three seconds, however many there are.
    """
    many = [f"v{number:02}" for number in range(20)]

    times = asked(many, 30, at)

    for peer in many:
        own = [when for when, who in times if who == peer]
        assert max(later - sooner for sooner, later in itertools.pairwise(own)) <= ROUND_S_MAX + 0.1


def test_validators_show_one_another_that_they_are_there_and_observers_are_left_alone() -> None:
    """
    A second between validators, two where nothing happens; of an observer nobody learns anything.
    """
    assert wait_s("a", "b", FOUR, 5.5) == BUSY.validator_s == 1.0
    assert wait_s("a", "b", FOUR, 5.5, QUIET) == QUIET.validator_s == 2.0
    assert wait_s("a", "observer", FOUR, 5.5) == wait_s("another", "observer", FOUR, 5.5) == OF_OBSERVERS_S


@pytest.mark.parametrize("at", [BUSY, QUIET], ids=["busy", "quiet"])
def test_of_two_validators_one_asks_and_the_other_listens(at: Pace) -> None:
    """
    Exactly one of a pair lets the other ask, while it is asked in time and was answered within what counts as
    cut off; each asks whom it was never asked by, or has had no answer of.
    """
    soon, late = at.validator_s, at.listen_s + 0.1

    def let(own: str, peer: str, heard_s: float | None, answered_s: float | None) -> bool:
        return listens(own, peer, heard_s=heard_s, answered_s=answered_s, pace=at)

    assert let("b", "a", soon, soon) and not let("a", "b", 0, 0)
    assert not let("b", "a", late, soon)
    assert not let("b", "a", soon, at.listen_s_max)
    assert not let("b", "a", None, soon)
    assert not let("b", "a", soon, None)
    assert at.validator_s < at.listen_s < at.listen_s_max + at.validator_s <= CUT_OFF_S


def exchanges(at: Pace, seconds: float) -> int:
    """How many exchanges a pair has in so long, from both."""
    now, asked_at, answered_at, found = 0.0, 0.0, 0.0, 0
    while (now := now + at.validator_s) < seconds:
        found, asked_at = found + 1, now - 0.01  # a asked just before b looks
        if not listens("b", "a", heard_s=now - asked_at, answered_s=now - answered_at, pace=at):
            found, answered_at = found + 1, now
    return found


def test_where_nothing_happens_half_as_many_exchanges_are_signed() -> None:
    """
    1.25 exchanges a second and pair while there is news, 0.75 after half a minute without; an observer
    asks 2.5 validators a second, then 1.33.
    """
    assert exchanges(BUSY, 60) / 60 == pytest.approx(1.25, abs=0.05)
    assert exchanges(QUIET, 60) / 60 == pytest.approx(0.75, abs=0.05)
    assert len(asked(FOUR, 60, QUIET)) / 60 == pytest.approx(1.33, abs=0.05)


def test_one_thing_that_is_told_and_it_is_asked_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Half a minute after the last block or word it is asked half as often, until the next one.
    """
    now = [100.0]
    monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=lambda: now[0]))
    news = News()

    paces = [news.pace()]
    for seconds, anything in ((QUIET_S - 1, False), (1, False), (60, True), (QUIET_S, False)):
        now[0] += seconds
        news.told(anything=anything)
        paces.append(news.pace())

    assert paces == [BUSY, BUSY, QUIET, BUSY, QUIET]
