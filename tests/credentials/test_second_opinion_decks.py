"""The law restated (tests/harness/opinion), set against registry and verdict: in every state of a deck."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.credentials.test_second_opinion import new_findings
from tests.harness.opinion.acts import Act
from tests.harness.opinion.alphabet import DECKS, EVERYBODY, RECALLS, RIGHTFUL, WATCH_DECKS, Deck
from tests.harness.opinion.explore import Result, explore, merged
from tests.harness.opinion.histories import EVENTS
from tests.harness.opinion.parties import MAKER
from tests.harness.opinion.trades import DECLARED, IN_USE, MADE, PLACED, TAKEN_OUT, WASTE

ROOT = Path(__file__).parents[2]
BEFORE = "d5dbf19"  # the rules under which eight routes of true statements ended in a false clear
ROUTES = tuple(f"L0{n}" for n in range(1, 9))


@pytest.mark.check
def test_the_opinion_finds_the_eight_known_routes_in_the_rules_of_d5dbf19(tmp_path: Path) -> None:
    """
    Run on the code of d5dbf19, the explorer finds each of the routes L01 to L08 by itself: a history of
    true statements by rightful parties at whose end that code said `clear`.
    """
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, f"this clone does not reach back to {BEFORE}: clone it whole"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(tmp_path, filter="data")

    done = subprocess.run(
        [sys.executable, "-P", "-m", "opinion", "--code", str(tmp_path), "--rightful", "--follow"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "tests" / "harness")},
        capture_output=True,
        text=True,
        check=True,
    )

    lines = [line for line in done.stdout.splitlines() if line.startswith(("==", "L0"))]
    print(*lines, sep="\n")
    found = {line[:3] for line in lines if line.startswith("L0") and "not found" not in line}
    assert found == set(ROUTES)


@pytest.mark.check
@pytest.mark.parametrize("deck", WATCH_DECKS)
def test_nothing_is_said_too_well_in_any_state_of_a_small_deck(deck: str) -> None:
    """
    At every state that the acts of the deck reach, the real registry lets nobody speak whom the law does not,
    the record keeps what the law keeps, and the real verdict says no better word than the law allows.
    """
    result = explore(WATCH_DECKS[deck])

    print(deck, result)
    assert result.finished
    assert not new_findings(result.findings.values())


@pytest.mark.long
@pytest.mark.parametrize("deck", [name for name in DECKS if name != "two"])
def test_one_battery_to_the_fixpoint(deck: str) -> None:
    """
    Six parties and the customs of each side say whatever the deck lets them, until no new state is reached.
    """
    result = explore(DECKS[deck])

    print(
        f"{deck}: {result.states} states, {result.acts} acts, {result.words} verdicts, depth {result.depth}"
    )
    assert result.finished
    assert not new_findings(result.findings.values())


@pytest.mark.long
def test_one_battery_with_every_event_to_the_fixpoint_of_merged_states() -> None:
    """
    Every event of the rules, said by everybody of one battery beside another, until nothing is new that is
    asked of it first (`merged`): at each state reached the record keeps the law, and no word is too good.
    """
    beside = (Act(MAKER, "battery.produced", "B"),)
    deck = Deck("every event", EVENTS, batteries=("A", "B"), only=(("B", ()),), start=beside)
    result = explore(deck, key_of=merged)

    print("every event, states merged:", result)
    assert result.finished
    assert not new_findings(result.findings.values())


SITUATIONS = {
    "made": MADE,
    "declared": DECLARED,
    "placed": PLACED,
    "in use": IN_USE,
    "out of its car": TAKEN_OUT,
    "waste": WASTE,
}
TWO_EVENTS = tuple(combinations((event for event in EVENTS if event not in RECALLS), 2))


def of_two_events(situation: str, pairs: Sequence[tuple[str, str]]) -> Result:
    """Each two events alone, said by everybody of a battery in this situation, until nothing is new."""
    whole, beside = Result(finished=True), Act(MAKER, "battery.produced", "B")
    for two in pairs:
        start = (*SITUATIONS[situation], beside)
        result = explore(Deck("two events", two, batteries=("A", "B"), only=(("B", ()),), start=start))
        whole.states += result.states
        whole.acts += result.acts
        whole.words += result.words
        whole.depth = max(whole.depth, result.depth - len(start))
        whole.finished = whole.finished and result.finished
        whole.findings |= result.findings
    return whole


@pytest.mark.parametrize(
    ("situation", "part"),
    [
        pytest.param("out of its car", slice(0, None, 60), id="some", marks=pytest.mark.check),
        *(pytest.param(name, slice(None), id=name, marks=pytest.mark.long) for name in SITUATIONS),
    ],
)
def test_every_two_events_stand_together_in_a_deck_that_ends(situation: str, part: slice) -> None:
    """
    The large decks have 37 of the events, and not each beside each: one deck of all does not end. Beside
    them every two events of one battery, from six situations, by everybody, to the fixpoint.
    """
    result = of_two_events(situation, TWO_EVENTS[part])

    print(f"two events, {situation}: {len(TWO_EVENTS[part])} pairs, {result}")
    assert result.finished and result.states
    assert not new_findings(result.findings.values())


@pytest.mark.parametrize(
    ("parties", "depth_max"),
    [
        pytest.param(RIGHTFUL, 5, id="rightful", marks=pytest.mark.check),
        pytest.param(EVERYBODY, 4, id="everybody", marks=pytest.mark.check),
        pytest.param(EVERYBODY, 6, id="everybody further", marks=pytest.mark.long),
    ],
)
def test_two_batteries_to_a_depth(parties: tuple[str, ...], depth_max: int) -> None:
    """
    Whatever two batteries are told in so many acts, by those who have a right and by rival, stranger and the
    authorities of both sides, each is judged no better than the law allows.
    """
    result = explore(replace(DECKS["two"], parties=parties), depth_max=depth_max)

    print(f"two, {len(parties)} parties:", result)
    assert result.depth >= 4
    assert not new_findings(result.findings.values())
