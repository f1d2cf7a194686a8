"""A vehicle that nobody put on the road is new in whosever hands: that it changes them is no use (D1001)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.credentials.test_shown import GOOD, VIN, judged, shape
from tests.credentials.test_vehicles import CAR, IN_CAR, SOLD, built_in
from tests.harness.border import World, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    IMPORTER,
    MAKER,
    RIVAL,
    WORKSHOP,
    Ledger,
    lifecycle_table,
    make_genesis,
    rule_files,
)

AS_USED = ("hold", "used_sold_as_new")
WORN = {"soh_permille": 700, "cycles": 900}
MOVED = "transferred_after_use"


def handed(w: World, text: str, giver: str = MAKER, taker: str = IMPORTER) -> None:
    w.happen(giver, "battery.handed_over", text, {}, parties=(taker,), cosign=(taker,))


def sold(w: World, text: str) -> None:
    w.happen(MAKER, "battery.sold", text, {"invoice": "1"}, parties=(IMPORTER,))


def answered_for(w: World, text: str) -> None:
    w.happen(MAKER, "responsibility.transferred", text, {}, parties=(IMPORTER,), cosign=(IMPORTER,))


def assigned(w: World, text: str) -> None:
    about = {"ground": "insolvency", "holder": IMPORTER, "reference": "1"}
    w.happen(CN_AUTHORITY, "custody.assigned", text, about, parties=(IMPORTER,))


MOVES = [handed, sold, answered_for, assigned]


@pytest.mark.parametrize("moves", MOVES)
def test_a_new_vehicle_is_new_in_other_hands(moves: Callable[[World, str], None]) -> None:
    """
    A car is sold to its importer, who takes it over: nobody has driven it. Loose its battery was in one.
    """
    w = World()
    text = built_in(w, 1)
    moves(w, text)

    assert judged(w, text, **CAR)["verdict"] in GOOD
    assert shape(judged(w, text)) != ("clear", "ok")
    w.happen(CN_AUTHORITY, "vehicle.registered", text, {"vin": VIN}, **IN_CAR)
    assert shape(judged(w, text, **CAR)) == AS_USED


def registered(w: World, text: str) -> None:
    w.happen(CN_AUTHORITY, "vehicle.registered", text, {"vin": VIN}, **IN_CAR)


def measured(w: World, text: str) -> None:
    said = {"method": "m", "measured_on": "2027-01-15", **WORN}
    w.happen(WORKSHOP, "soh.measured", text, said, cosign=(MAKER,), quantities=WORN)


def repaired(w: World, text: str) -> None:
    w.happen(MAKER, "battery.maintained", text, {"work": "a seal"})


def sold_beside(w: World, text: str) -> None:
    other = built_in(w, 8)
    w.happen(MAKER, "vehicle.sold", other, SOLD, **IN_CAR)


@pytest.mark.parametrize("used", [registered, measured, repaired, sold_beside])
def test_what_was_used_in_a_vehicle_changes_hands_as_such(used: Callable[[World, str], None]) -> None:
    """
    I1: on the road, measured or repaired in it: whoever has it then, the mark says so.
    """
    w = World()
    text = built_in(w, 1)
    used(w, text)
    handed(w, text)

    assert MOVED in w.ledger.standing(subject_of(text)).marks
    assert shape(judged(w, text, **CAR)) == AS_USED


@pytest.mark.parametrize("order", [1, -1])
def test_whoever_put_the_vehicle_on_the_road_takes_no_new_one_over(order: int) -> None:
    """
    I6: sold by who had another battery in it. In other hands that says nothing of this one (I5); in those of
    who said so it does, whichever of the two came first.
    """
    w = World()
    text, other = built_in(w, 1), built_in(w, 2)
    handed(w, other, taker=RIVAL)
    steps: list[Callable[[], object]] = [
        lambda: w.happen(RIVAL, "vehicle.sold", other, SOLD, **IN_CAR),
        lambda: handed(w, text, taker=RIVAL),
    ]
    for step in steps[::order]:
        step()

    assert shape(judged(w, text, **CAR)) == AS_USED


def test_a_battery_sold_to_nobody_in_particular_may_be_with_its_user() -> None:
    """
    Whom it does not name may be who drives the car: that is what the mark is for.
    """
    w = World()
    text = built_in(w, 1)
    w.happen(MAKER, "battery.sold", text, {"invoice": "1"})

    assert shape(judged(w, text, **CAR)) == AS_USED


def test_the_rules_before_mark_whatever_changes_hands_in_a_vehicle() -> None:
    """
    A network founded under them writes the mark still: its records are what they were.
    """
    table = lifecycle_table()
    for row in table["events"]:
        if "marks_after_use" in row:
            row["marks_in_use"] = row.pop("marks_after_use")
    files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
    for w, marked in ((World(), False), (World(Ledger(make_genesis(rule_files=files))), True)):
        text = built_in(w, 1)
        handed(w, text)

        assert (MOVED in w.ledger.standing(subject_of(text)).marks) == marked
