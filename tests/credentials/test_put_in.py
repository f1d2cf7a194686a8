"""What is put in place of another battery was in that vehicle; its own record has no word of it (0944)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.credentials.test_journeys import RECORD
from tests.credentials.test_shown import GOOD, VIN, judged, shape
from tests.credentials.test_used_before import OTHER_VIN
from tests.credentials.test_vehicles import CAR, IN_CAR, OUT, SOLD, in_stock, placed_in_car, replaced
from tests.harness.border import World, stamp, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    RECYCLER,
    WORKSHOP,
    Ledger,
    lifecycle_table,
    make_genesis,
    rule_files,
)

DAY_S = 86_400
LATER_S = 1_000  # beyond the skew of clocks
CAR_OUT: dict[str, Any] = {**CAR, **OUT}
OTHER_CAR: dict[str, Any] = {**CAR, "vin": OTHER_VIN}
IN_OTHER_CAR: dict[str, Any] = {"bound_asset": subject_of(OTHER_VIN)}
USED: dict[str, Any] = {"condition": "used", "direction": "export"}


def put_in(w: World, *, to_another: bool = True) -> tuple[str, bytes]:
    """Put into one vehicle in place of another battery, and installed in the next by its own record."""
    old, new = placed_in_car(w, 1), in_stock(w, 2, WORKSHOP)
    statement = replaced(w, old, new)
    if to_another:
        w.happen(WORKSHOP, "battery.installed", new, {"vin": OTHER_VIN}, **IN_OTHER_CAR)
    return new, statement


def voided(w: World, text: str, statement: bytes) -> None:
    both = {"cosign": (CN_AUTHORITY,), "references": (statement,)}
    w.happen(EU_AUTHORITY, "attestation.voided", text, {"case": "1"}, **both)  # type: ignore[arg-type]


def last_test(w: World, *, day: int, text: str) -> None:
    """Sent abroad as used, on a test of this day."""
    said = RECORD | {"soh_date": stamp(day)[:10]}
    w.happen(IMPORTER, "used.exported", text, said, quantities={"soh_permille": 900})


def test_what_replaced_another_in_one_vehicle_is_not_new_in_the_next() -> None:
    """
    I1: it was taken out of the first, whether or not anybody said so (I6); as used it is what it is.
    """
    w = World()
    new, _ = put_in(w)

    assert shape(judged(w, new, **OTHER_CAR, **OUT)) == ("hold", "used_sold_as_new")
    assert judged(w, new, condition="used", **OTHER_CAR, **OUT)["verdict"] in GOOD


@pytest.mark.parametrize("ends", ["voided", "corrected", "corrected and voided"])
def test_that_it_was_put_in_goes_with_what_said_so_when_authorities_void_it(ends: str) -> None:
    """
    I1, I3: a correction leaves what it showed.
    """
    w = World()
    new, statement = put_in(w, to_another=False)
    if "corrected" in ends:
        w.happen(WORKSHOP, "attestation.corrected", new, {"reason": "typing"}, references=(statement,))
    if "voided" in ends:
        voided(w, new, statement)
    w.happen(WORKSHOP, "battery.installed", new, {"vin": OTHER_VIN}, **IN_OTHER_CAR)

    told = judged(w, new, **OTHER_CAR, **OUT)
    assert (told["verdict"] in GOOD) == ("voided" in ends)
    assert "voided" in ends or shape(told) == ("hold", "used_sold_as_new")


@pytest.mark.parametrize("back", [False, True])
def test_put_in_twice_it_was_taken_out_between(*, back: bool) -> None:
    """
    Whichever vehicle it is in at last: in place of a second battery, it had left the first vehicle.
    """
    w = World()
    new, _ = put_in(w, to_another=False)
    second = in_stock(w, 3, WORKSHOP)
    w.happen(WORKSHOP, "battery.installed", second, {"vin": OTHER_VIN}, **IN_OTHER_CAR)
    said = {"vin": OTHER_VIN, "reason": "worn", "replacement": new}
    w.happen(WORKSHOP, "battery.replaced", second, said, references=(subject_of(new),), **IN_OTHER_CAR)
    car, there = (CAR, IN_CAR) if back else (OTHER_CAR, IN_OTHER_CAR)
    w.happen(WORKSHOP, "battery.installed", new, {"vin": car["vin"]}, **there)

    assert w.ledger.standing(subject_of(new)).marks == ("installed", "removed")
    assert shape(judged(w, new, **car, **OUT)) == ("hold", "used_sold_as_new")


def test_a_test_before_it_was_put_in_is_none_of_what_crosses() -> None:
    """
    X19: as where its own record says that it was installed; a test after it is one.
    """
    words = []
    for says, days in (("replaced", 0), ("installed", 0), ("replaced", 5), ("installed", 5)):
        w = World()
        old, new, tested = placed_in_car(w, 1), in_stock(w, 2, WORKSHOP), w.now + days * DAY_S
        w.ledger.now += 5 * DAY_S
        if says == "replaced":
            replaced(w, old, new)
        else:
            w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)
            w.happen(WORKSHOP, "battery.swapped_out", new, {"vin": VIN}, **IN_CAR)
        w.ledger.now += 5 * DAY_S
        last_test(w, day=tested, text=new)
        words.append(shape(judged(w, new, **USED)))

    assert words[0] == words[1] == ("hold", "used_evidence_outdated")
    assert words[2] == words[3] and words[2][0] in GOOD


def test_where_the_word_of_another_battery_is_not_in_hand_it_is_not_passed() -> None:
    """
    I8: nor is it a fault of the battery.
    """
    w = World()
    new, _ = put_in(w, to_another=False)
    w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)
    whole = w.evidence(new, vin=VIN)
    assert whole.ledger is not None and len(whole.ledger.put_in) == 1
    assert w.judge(new, evidence=whole, **CAR_OUT).as_dict()["verdict"] in GOOD

    less = replace(whole, ledger=replace(whole.ledger, put_in=()))

    told: Mapping[str, Any] = w.judge(new, evidence=less, **CAR_OUT).as_dict()
    assert shape(told) == ("undecided", "relatives_unread")


def test_a_network_whose_table_does_not_say_so_keeps_its_bytes() -> None:
    """
    The standing of what was put in has its mark and no more, until it decides on the new table.
    """
    table = lifecycle_table()
    row = next(event for event in table["events"] if event["type"] == "battery.replaced")
    del row["marks_named_again"]
    w = World()
    w.ledger.go_by(table)
    new, _ = put_in(w, to_another=False)

    standing = w.ledger.standing(subject_of(new))
    assert standing.marks == ("installed",) and "put_in" not in standing.facts


@pytest.mark.parametrize("sold", [True, False], ids=["sold", "never sold"])
@pytest.mark.parametrize("known", [True, False], ids=["now", "before"])
def test_what_was_put_into_a_used_vehicle_is_that_also_where_it_is_told_late(
    *, known: bool, sold: bool
) -> None:
    """
    I1, I6: the car was sold with its battery; a workshop put its own in place of that, and says so once the
    old one was taken in for recycling. Said at once, or late, the new one is not the first of a new car.
    Rules from before judge as they did.
    """
    words = []
    for late in (False, True):
        table = lifecycle_table()
        if not known:
            del table["hears_of_then"], table["vehicles_of_then"]
        files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
        w = World(Ledger(make_genesis(rule_files=files)))
        old, new = placed_in_car(w, 1), in_stock(w, 2)
        to = {"parties": (WORKSHOP,), "cosign": (WORKSHOP,)}
        w.happen(IMPORTER, "battery.handed_over", new, {"invoice": "1"}, **to)
        if sold:
            w.happen(IMPORTER, "vehicle.sold", old, SOLD, **IN_CAR)
        w.ledger.now += LATER_S
        then = w.now
        if not late:
            put_in_place(w, old, new, then)
        w.ledger.now += LATER_S
        w.happen(EU_AUTHORITY, "end_of_life.certified", old, {"certificate": "C"}, parties=(RECYCLER,))
        w.happen(RECYCLER, "battery.declared_waste", old, {"reason": "worn"})
        mass = {"mass_in_grams": 1_000}
        w.happen(RECYCLER, "recycling.received", old, {"facility_licence": "L"} | mass, quantities=mass)
        if late:
            w.ledger.now += LATER_S
            put_in_place(w, old, new, then)
        w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)
        words.append(shape(judged(w, new, **CAR_OUT)))

    in_time = ("hold", "used_sold_as_new") if sold else ("clear", "ok")
    assert words == [in_time, in_time if known else ("clear", "ok")]


@pytest.mark.parametrize("known", [True, False], ids=["now", "before"])
@pytest.mark.parametrize("way", ["out and in again", "one after the other"])
def test_a_vehicle_that_was_sold_is_not_new_by_what_was_in_it_since(*, known: bool, way: str) -> None:
    """
    I1, I6: the car was sold with its battery. That is taken out and put back in before another takes its
    place, or one takes its place and then a third: what is in the car then is not the first of a new one.
    Rules from before judge as they did.
    """
    table = lifecycle_table()
    if not known:
        del table["vehicles_of_then"]
    files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
    w = World(Ledger(make_genesis(rule_files=files)))
    old, new, third = placed_in_car(w, 1), in_stock(w, 2), in_stock(w, 3)
    for text in (new, third):
        to = {"parties": (WORKSHOP,), "cosign": (WORKSHOP,)}
        w.happen(IMPORTER, "battery.handed_over", text, {"invoice": "1"}, **to)
    w.happen(IMPORTER, "vehicle.sold", old, SOLD, **IN_CAR)

    if way == "out and in again":
        for kind in ("battery.swapped_out", "battery.installed"):
            w.happen(WORKSHOP, kind, old, {"vin": VIN}, **IN_CAR)
        put_in_place(w, old, new, w.now)
        last = new
    else:
        put_in_place(w, old, new, w.now)
        w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)
        put_in_place(w, new, third, w.now)
        last = third
    w.happen(WORKSHOP, "battery.installed", last, {"vin": VIN}, **IN_CAR)

    told = judged(w, last, **CAR_OUT)
    assert shape(told) == (("hold", "used_sold_as_new") if known else ("clear", "ok"))


def test_what_is_put_back_by_a_correction_is_in_the_vehicle_that_was_sold() -> None:
    """
    I6: that it left is taken back, by its author or voided; what takes its place then is in a used vehicle.
    """
    for void in (False, True):
        w = World()
        old, new = placed_in_car(w, 1), in_stock(w, 2)
        to = {"parties": (WORKSHOP,), "cosign": (WORKSHOP,)}
        w.happen(IMPORTER, "battery.handed_over", new, {"invoice": "1"}, **to)
        w.happen(IMPORTER, "vehicle.sold", old, SOLD, **IN_CAR)
        left = w.happen(WORKSHOP, "battery.swapped_out", old, {"vin": VIN}, **IN_CAR)
        by, kind, cosign = (
            (EU_AUTHORITY, "attestation.voided", (CN_AUTHORITY,))
            if void
            else (WORKSHOP, "attestation.corrected", ())
        )
        w.happen(by, kind, old, {"case": "1", "reason": "x"}, cosign=cosign, references=(left,))

        put_in_place(w, old, new, w.now)

        assert "in_used_vehicle" in w.ledger.standing(subject_of(new)).marks


def put_in_place(w: World, old: str, new: str, at: int) -> None:
    said = {"vin": VIN, "reason": "worn", "replacement": new}
    about = (subject_of(new),)
    w.happen(WORKSHOP, "battery.replaced", old, said, references=about, event_time=at, **IN_CAR)
