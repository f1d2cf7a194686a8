"""What repairs tie to the other battery of a vehicle, and to its first life, holds the vehicle (I2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.credentials.test_namings import INLAND, module
from tests.credentials.test_repaired import lost, recalled, repaired, stock
from tests.credentials.test_shown import GOOD, TESTED, VIN, judged, shape
from tests.credentials.test_vehicles import CAR, IN_CAR
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import MAKER, RIVAL, SECOND_LIFE

USED_CAR = CAR | {"condition": "used"} | INLAND
MADE = code(5, maker="ZZ5")
Met = Callable[[World, str], None]


def made_of(w: World, old: str) -> str:
    """A second life of it, in the hands of the maker once more."""
    w.happen(MAKER, "market.placed", old, {"art_41_checked": True})
    w.happen(MAKER, "battery.handed_over", old, {}, parties=(SECOND_LIFE,), cosign=(SECOND_LIFE,))
    said, of = TESTED | {"successors": [MADE]}, (subject_of(MADE),)
    w.happen(SECOND_LIFE, "second_life.repurposed", old, said, cosign=(MAKER,), references=of)
    w.produce(MADE, by=SECOND_LIFE)
    w.publish(MADE, w.issue(MADE, by=SECOND_LIFE))
    w.happen(SECOND_LIFE, "battery.handed_over", MADE, {}, parties=(MAKER,), cosign=(MAKER,))
    return MADE


def its_part(w: World, met: Met) -> str:
    """A module is in the other battery of the car."""
    pack, part = stock(w), module(w)
    met(w, part)
    repaired(w, pack, child_in=part)
    return pack


def out_of_a_pack(w: World, met: Met) -> str:
    """It came out of a pack."""
    pack, part = stock(w), stock(w, 7)
    met(w, pack)
    repaired(w, pack, child_out=part)
    return part


def its_first_lifes_part(w: World, met: Met) -> str:
    """It is a second life of what a module was put into."""
    return made_of(w, its_part(w, met))


def a_part_of_that(w: World, met: Met) -> str:
    """A cell is in that module."""
    pack, part, cell = stock(w), module(w), module(w, 8)
    met(w, cell)
    repaired(w, part, child_in=cell)
    repaired(w, pack, child_in=part)
    return made_of(w, pack)


def its_first_life_came_out(w: World, met: Met) -> str:
    """It is a second life of what came out of a pack."""
    return made_of(w, out_of_a_pack(w, met))


def in_a_car(w: World, *others: str) -> str:
    """What is shown, built in with these."""
    shown = stock(w, 2)
    for text in (*others, shown):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)
    return shown


Tie = Callable[[World, Met], str]
TIED: dict[Tie, int] = {
    its_part: 7,
    out_of_a_pack: 1,
    its_first_lifes_part: 7,
    a_part_of_that: 8,
    its_first_life_came_out: 1,
}


def nothing(_: World, __: str) -> None: ...


@pytest.mark.parametrize("tie", TIED)
@pytest.mark.parametrize("met", [recalled, lost, nothing])
@pytest.mark.parametrize("first", [True, False])
def test_whatever_holds_the_other_battery_by_a_repair_holds_the_vehicle(
    met: Met, tie: Tie, *, first: bool
) -> None:
    """
    I2: as that battery is held by itself. Shown loose, or in other hands than that, nothing holds it.
    """
    w = World(publishers=(MAKER, SECOND_LIFE))
    other = tie(w, met if first else nothing)
    shown = in_a_car(w, other)
    if not first:
        met(w, code(TIED[tie]))
    itself = {c["reason"] for c in judged(w, other, **USED_CAR)["checks"]} & {"part_recalled", "part_lost"}

    told = judged(w, shown, **USED_CAR)
    lost_since = met is lost and not first and TIED[tie] == 1  # it had left the pack by then
    assert bool(itself) == (met is not nothing and not lost_since)
    assert shape(told) == ("undecided", "vehicle_held") if itself else told["verdict"] in GOOD
    w.happen(MAKER, "battery.handed_over", other, {}, parties=(RIVAL,), cosign=(RIVAL,))
    assert judged(w, shown, **USED_CAR)["reason"] != "vehicle_held"
