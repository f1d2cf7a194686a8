"""Who hands a battery on sheds nothing of what it told of its parts, or of another in a vehicle (I5, I6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.credentials.test_namings import module
from tests.credentials.test_repaired import stock
from tests.credentials.test_shown import GOOD, VIN, judged, shape
from tests.credentials.test_vehicles import CAR, IN_CAR
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, IMPORTER, MAKER, RECYCLER, WORKSHOP

NEW_CAR: dict[str, Any] = {**CAR}


def handed(w: World, giver: str, taker: str, *texts: str) -> None:
    for text in texts:
        w.happen(giver, "battery.handed_over", text, {}, parties=(taker,), cosign=(taker,))


def lost(w: World, text: str) -> None:
    w.happen(RECYCLER, "battery.reported_lost", text, {"reference": "1"})


def burnt(w: World, text: str) -> None:
    w.happen(RECYCLER, "negative_event", text, {"event_kind": "fire"})


def measured(w: World, text: str, by: str = WORKSHOP) -> None:
    """The holder names a workshop, which reads half of its health."""
    if by == WORKSHOP:
        w.happen(RECYCLER, "battery.sold", text, {"invoice": "1"}, parties=(WORKSHOP,))
    said, read = {"method": "m", "measured_on": "2027-01-15"}, {"soh_permille": 500}
    w.happen(by, "soh.measured", text, said | read, quantities=read)


@pytest.mark.parametrize("told", [lost, burnt, measured])
@pytest.mark.parametrize("first", [True, False])
def test_what_the_holder_told_of_a_part_is_not_shed_by_handing_the_battery_on(
    told: Callable[[World, str], None], *, first: bool
) -> None:
    """
    A dealer puts a module into stock, tells what became of that and hands the stock on: to whoever has it now
    it is what it was. What the dealer tells afterwards of what it has no more decides nothing.
    """
    w = World()
    pack, part = stock(w), module(w)
    handed(w, MAKER, RECYCLER, pack, part)
    said = {"work": "module", "child_in": part}
    w.happen(RECYCLER, "battery.maintained", pack, said, references=(subject_of(part),))
    if first:
        told(w, part)
        assert judged(w, pack)["verdict"] not in GOOD
    handed(w, RECYCLER, IMPORTER, pack)
    if not first:
        told(w, part)

    assert (judged(w, pack)["verdict"] in GOOD) != first


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("told", [lost, burnt])
def test_nor_of_the_other_battery_of_a_vehicle(told: Callable[[World, str], None], *, first: bool) -> None:
    """
    Two batteries in a new car: one is stolen, or burns, and the other one is handed on alone, with its car.
    """
    w = World()
    other, shown = stock(w), stock(w, 2)
    for text in (other, shown):
        w.happen(MAKER, "battery.handed_over", text, {}, parties=(RECYCLER,), cosign=(RECYCLER,))
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, cosign=(RECYCLER,), **IN_CAR)
    if first:
        told(w, other)
    before = judged(w, shown, **NEW_CAR)["verdict"]
    w.happen(RECYCLER, "battery.exported", shown, {"commodity_code": "870380"}, parties=(IMPORTER,))
    handed(w, RECYCLER, IMPORTER, shown)
    if not first:
        told(w, other)

    assert (before in GOOD) != first
    assert not first or judged(w, shown, **NEW_CAR)["verdict"] not in GOOD


@pytest.mark.parametrize("before", [True, False])
def test_a_part_of_what_its_health_alone_shows_to_be_used_is_used(*, before: bool) -> None:
    """
    X7: a test that says no cycles leaves no mark; it is read, as of a part, of what a part is in.
    """
    w = World()
    pack, part = code(1), module(w)
    w.produce(pack)
    w.publish(pack)
    w.happen(MAKER, "market.placed", pack, {"art_41_checked": True}, parties=(WORKSHOP,))
    said, read = {"method": "m", "measured_on": "2027-01-15"}, {"soh_permille": 500}
    steps: list[Callable[[], object]] = [
        lambda: w.happen(WORKSHOP, "soh.measured", pack, said | read, quantities=read),
        lambda: w.happen(
            MAKER, "battery.maintained", pack, {"work": "m", "child_in": part}, references=(subject_of(part),)
        ),
    ]
    for step in steps if before else reversed(steps):
        step()

    assert shape(judged(w, part)) == ("undecided", "part_of_used")


@pytest.mark.parametrize("burns", ["pack", "part"])
def test_a_fire_that_is_taken_back_is_shed_by_what_is_tied_no_more_than_by_itself(burns: str) -> None:
    """
    I1: a correction takes a fire off no record; nor off what the burnt one is in, or what is in that.
    """
    w = World()
    pack, part = stock(w), module(w)
    w.happen(
        MAKER, "battery.maintained", pack, {"work": "m", "child_in": part}, references=(subject_of(part),)
    )
    burnt_one, other = (pack, part) if burns == "pack" else (part, pack)
    told = w.happen(MAKER, "negative_event", burnt_one, {"event_kind": "fire"})
    before = judged(w, other)["verdict"]
    w.happen(MAKER, "attestation.corrected", burnt_one, {"reason": "x"}, references=(told,))

    assert [before in GOOD, judged(w, other)["verdict"] in GOOD] == [False, False]
    void = {"case": "1"}
    w.happen(EU_AUTHORITY, "attestation.voided", burnt_one, void, cosign=(CN_AUTHORITY,), references=(told,))
    assert judged(w, other)["verdict"] in GOOD


@pytest.mark.parametrize("read", [{"soh_permille": 500}, None])
def test_nor_is_it_by_another_battery_in_the_vehicle(read: dict[str, int] | None) -> None:
    """
    One battery of a new car burns, or is tested at half of its health, and its author takes that back.
    """
    w = World()
    other, shown = stock(w), stock(w, 2)
    for text in (other, shown):
        w.happen(MAKER, "battery.handed_over", text, {}, parties=(WORKSHOP,), cosign=(WORKSHOP,))
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, cosign=(WORKSHOP,), **IN_CAR)
    if read is None:
        told = w.happen(WORKSHOP, "negative_event", other, {"event_kind": "fire"})
    else:
        said = {"method": "m", "measured_on": "2027-01-15"} | read
        told = w.happen(WORKSHOP, "soh.measured", other, said, quantities=read)
    before = judged(w, shown, **NEW_CAR)["verdict"]
    w.happen(WORKSHOP, "attestation.corrected", other, {"reason": "x"}, references=(told,))

    assert [before in GOOD, judged(w, shown, **NEW_CAR)["verdict"] in GOOD] == [False, False]


@pytest.mark.parametrize("first", [True, False])
def test_nor_of_what_it_put_into_a_part(*, first: bool) -> None:
    """
    A recalled cell goes into a module that is in a pack, and then the pack is handed on. What its holder of
    then records of the module afterwards is a word on what it has no more.
    """
    w = World()
    pack, part, cell = stock(w), module(w), module(w, 8)
    handed(w, MAKER, RECYCLER, pack, part, cell)
    w.happen(MAKER, "battery.recalled", cell, {"reason": "fire"})
    said, of = {"work": "m", "child_in": part}, (subject_of(part),)
    w.happen(RECYCLER, "battery.maintained", pack, said, references=of)

    def put_in() -> None:
        said, of = {"work": "m", "child_in": cell}, (subject_of(cell),)
        w.happen(RECYCLER, "battery.maintained", part, said, references=of)

    if first:
        put_in()
        assert shape(judged(w, pack)) == ("hold", "part_recalled")
    handed(w, RECYCLER, IMPORTER, pack)
    if not first:
        put_in()

    assert (judged(w, pack)["verdict"] in GOOD) != first
