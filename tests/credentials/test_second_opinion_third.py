"""The law restated, set against registry and verdict where goods go through a third country."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from credentials.ledger.standing import Setting, Standing
from credentials.verdicts import cell
from credentials.verdicts.record import Inquiry
from tests.credentials.test_second_opinion import new_findings, taken
from tests.harness.border import ROOT
from tests.harness.opinion.acts import Act
from tests.harness.opinion.bounds import Shown, too_good
from tests.harness.opinion.bugs import patched
from tests.harness.opinion.histories import many, side_by_side
from tests.harness.opinion.law import Archive
from tests.harness.opinion.parties import (
    EU_CUSTOMS,
    HOLDER,
    IN_AUTHORITY,
    IN_CUSTOMS,
    IN_HOLDER,
    MAKER,
    WITH_A_THIRD,
)
from tests.harness.opinion.stage import Stage

THROUGH = (
    Act(MAKER, "battery.produced", "A"),
    Act(MAKER, "passport.published", "A", version=1),
    Act(MAKER, "battery.exported", "A", parties=(IN_HOLDER,)),
    Act(IN_HOLDER, "battery.presented", "A", declaration="26INTEST000001"),
)
ON = (
    Act(IN_CUSTOMS, "customs.released", "A"),
    Act(IN_HOLDER, "market.placed", "A"),
    Act(IN_HOLDER, "battery.exported", "A", parties=(HOLDER,)),
)


def said_there(*acts: Act) -> tuple[set[str], set[str]]:
    """(the words on a battery after a life, the grounds on which they are too good), in two countries."""
    stage, archive = Stage.new(WITH_A_THIRD), Archive()
    for act in acts:
        archive = taken(stage, archive, act)
    file, words, grounds = archive.bound("A"), set[str](), set[str]()
    for where in ("EU", "CN"):
        for direction in ("import", "inland"):
            shown = Shown(where, direction=direction)
            word = stage.word("A", shown)
            words.add(word)
            grounds |= {ground for _, ground in too_good(file, shown, word)}
    return words, grounds


@pytest.mark.check
def test_what_comes_through_a_third_country_is_as_it_was() -> None:
    """
    Released and placed there, and exported from there, new stock is clear at the next border; what is before
    customs there, and what those customs sent on, is in no other country.
    """
    assert said_there(*THROUGH) == ({"hold"}, set())
    assert said_there(*THROUGH, *ON) == ({"clear", "hold"}, set())
    moved = Act(IN_CUSTOMS, "customs.moved", "A", parties=(EU_CUSTOMS,))
    assert said_there(*THROUGH, moved) == ({"hold"}, set()), "under another number than the line says"


@pytest.mark.check
def test_what_was_lost_in_a_third_country_and_is_not_is_found() -> None:
    """
    X18: what an authority there set binds here; planted: what is set there is not read.
    """
    lost = Act(IN_AUTHORITY, "battery.reported_lost", "A")
    binding = cell.binding

    def elsewhere_alone(name: str, standing: Standing, inquiry: Inquiry) -> Mapping[str, Setting]:
        return {side: kept for side, kept in binding(name, standing, inquiry).items() if side != "IN"}

    assert said_there(*THROUGH, *ON[:2], lost) == ({"hold"}, set())
    with patched(cell, "binding", elsewhere_alone):
        assert "not lifted: lost" in said_there(*THROUGH, *ON[:2], lost)[1]


@pytest.mark.check  # half a minute
def test_histories_between_three_countries_agree_with_the_law() -> None:
    """
    Whoever acts for two countries acts for a third as well: the record keeps the law's invariants, and no
    verdict in the first two is better than the law allows.
    """
    walks = many(range(30), 200, of_three=True)

    print(walks)
    assert walks.recorded > 600
    assert not new_findings(walks.findings.values())


@pytest.mark.long
def test_long_histories_between_three_countries_agree_with_the_law() -> None:
    """
    The same, at length: each second of them mostly of what repairs tie together.
    """
    walks = side_by_side(range(0, 500), 200, of_three=True)
    walks.join(side_by_side(range(500, 1_000), 200, of_three=True, of_parts=True))

    print(walks)
    assert not new_findings(walks.findings.values())


DRAWN = """
from tests.harness.opinion.histories import walk
from tests.harness.opinion.stage import Stage
taken, take = [], Stage.take
def kept(stage, act, step):
    taken.append(str(act))
    return take(stage, act, step)
Stage.take = kept
walk(1947, 120, Stage.new(), of_parts=True)
print(chr(10).join(taken))
"""


@pytest.mark.check
def test_a_history_is_its_seeds_whatever_the_order_of_sets() -> None:
    """
    What is found can be looked at again: two processes with other hashes draw the same acts.
    """
    drawn = {
        subprocess.run(
            [sys.executable, "-c", DRAWN],
            env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hashes in ("0", "1")
    }

    assert len(drawn) == 1
