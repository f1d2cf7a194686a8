"""A vehicle that is told late to have been scrapped: its other batteries are those of a scrapped one (I6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consensus.application import NotYet
from tests.credentials.test_shown import GOOD, VIN, judged, shape
from tests.credentials.test_vehicles import CAR, IN_CAR, SCRAPPED, placed_in_car
from tests.harness.border import World, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RECYCLER,
    RIVAL,
    WORKSHOP,
    Ledger,
    lifecycle_table,
    make_genesis,
    rule_files,
)

LATER_S = 1_000  # beyond the skew of clocks
USED_IN_CAR: dict[str, Any] = {"condition": "used", "direction": "inland", **CAR}
LOOSE: dict[str, Any] = {"condition": "used", "direction": "inland"}
ENDED, WASTE = ("hold", "end_of_life"), ("refuse_recommended", "waste")


def world(*, known: bool = True) -> World:
    """A network of today, or of the rules before."""
    table = lifecycle_table()
    if not known:
        del table["vehicles_of_then"]
    files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
    return World(Ledger(make_genesis(rule_files=files)))


def out(w: World, text: str) -> bytes:
    return w.happen(WORKSHOP, "battery.swapped_out", text, {"vin": VIN}, **IN_CAR)


def scrapped(w: World, text: str, *others: str, at: int) -> bytes:
    """That the vehicle was scrapped with this one, and what else was present, as of this time."""
    about = tuple(map(subject_of, others))
    said = {**SCRAPPED, "other_packs": list(others)}
    return w.happen(WORKSHOP, "vehicle.scrapped", text, said, references=about, event_time=at, **IN_CAR)


def voided(w: World, text: str, statement: bytes) -> None:
    case = {"case": "1"}
    w.happen(EU_AUTHORITY, "attestation.voided", text, case, cosign=(CN_AUTHORITY,), references=(statement,))


def two_in_a_car(w: World, *, holder: str = IMPORTER) -> tuple[str, str, int]:
    """Two batteries in one vehicle, the second of this holder; and a time in which both are in it."""
    one, other = placed_in_car(w, 1), placed_in_car(w, 2, holder)
    then = w.now
    w.ledger.now += LATER_S
    return one, other, then


@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
@pytest.mark.parametrize("known", [True, False], ids=["now", "before"])
def test_what_is_in_a_vehicle_that_was_scrapped_is_that_told_late_as_in_time(
    *, known: bool, named: bool
) -> None:
    """
    I6: the battery about which it is said left since, and the other one is in there still. Told late as in
    time it is no battery of a vehicle any more, and waste once it is out; what is put in later from the same
    hands neither. Voided, nothing of it stays. Rules from before judge as they did.
    """
    w = world(known=known)
    one, other, then = two_in_a_car(w)
    out(w, one)
    assert judged(w, other, **USED_IN_CAR)["verdict"] in GOOD

    told = scrapped(w, one, *([other] if named else []), at=then)

    later = placed_in_car(w, 3)
    for text in (other, later):
        word = judged(w, text, **USED_IN_CAR)
        assert shape(word) == ENDED if known else word["verdict"] in GOOD
    voided(w, one, told)
    assert all(judged(w, text, **USED_IN_CAR)["verdict"] in GOOD for text in (other, later))


def test_it_is_waste_once_it_is_taken_out() -> None:
    """
    I1: as what was scrapped with its vehicle in time.
    """
    w = world()
    one, other, then = two_in_a_car(w)
    out(w, one)
    scrapped(w, one, other, at=then)

    out(w, other)

    assert shape(judged(w, other, **LOOSE)) == WASTE


@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
@pytest.mark.parametrize("known", [True, False], ids=["now", "before"])
def test_what_was_present_and_left_since_is_waste_where_it_is_named(*, known: bool, named: bool) -> None:
    """
    I1, I6: whoever scraps a vehicle names what is in it (X6). Told late that says of each that it is waste;
    authorities void it there. Of one that it does not name nobody said that it was present.
    """
    w = world(known=known)
    one, other, then = two_in_a_car(w)
    out(w, one)
    out(w, other)

    told = scrapped(w, one, *([other] if named else []), at=then)

    if not (known and named):
        assert judged(w, other, **LOOSE)["verdict"] in GOOD
        return
    standing = w.ledger.standing(subject_of(other))
    assert (standing.eu_status, "waste" in standing.marks, standing.item_state) == ("waste", True, "removed")
    assert shape(judged(w, other, **LOOSE)) == WASTE
    voided(w, other, told)
    assert judged(w, other, **LOOSE)["verdict"] in GOOD


@pytest.mark.parametrize("left", [True, False], ids=["left since", "in there still"])
def test_a_late_word_on_a_vehicle_ends_nothing_of_another_holder(*, left: bool) -> None:
    """
    I5: who has a right over one battery in a vehicle has none over what another holds in it; nor over one
    that came into it afterwards from other hands.
    """
    w = world()
    one, strangers, _ = two_in_a_car(w, holder=RIVAL)
    w.happen(RIVAL, "battery.handed_over", strangers, {}, parties=("eori:DE999",))
    then = w.now
    w.ledger.now += LATER_S
    out(w, one)
    if left:
        out(w, strangers)
    came = placed_in_car(w, 3, RIVAL)

    scrapped(w, one, strangers, came, at=then)

    way = LOOSE if left else USED_IN_CAR
    assert judged(w, strangers, **way)["verdict"] in GOOD
    assert judged(w, came, **USED_IN_CAR)["verdict"] in GOOD


def test_it_is_of_those_in_whose_hands_the_battery_was_then() -> None:
    """
    I6: both were one owner's when the vehicle was scrapped; the other one was handed on inside it since.
    """
    w = world()
    one, other, then = two_in_a_car(w)
    w.happen(IMPORTER, "battery.handed_over", other, {}, parties=("eori:DE999",))
    out(w, one)

    scrapped(w, one, at=then)

    assert shape(judged(w, other, **USED_IN_CAR)) == ENDED


def test_a_late_word_on_a_vehicle_keeps_no_removal_from_being_corrected() -> None:
    """
    I3: what is told of a time before a record does not rest on it. Its author corrects the removal; what it
    puts back is in the scrapped vehicle.
    """
    w = world()
    one, _, then = two_in_a_car(w)
    removal = out(w, one)
    scrapped(w, one, at=then)

    w.happen(WORKSHOP, "attestation.corrected", one, {"reason": "x"}, references=(removal,))

    standing = w.ledger.standing(subject_of(one))
    assert standing.bound is not None and standing.eu_status == "waste"


def test_a_vehicle_is_scrapped_by_a_battery_that_is_in_it() -> None:
    """
    I6, X4: of one that was declared waste before, and is in no vehicle any more, it is not said: it was a
    refusal on record, and what is in the vehicle learned nothing of it. Of that one it is said.
    """
    w = world()
    one, other, _ = two_in_a_car(w)
    w.happen(MAKER, "battery.declared_waste", one, {"reason": "worn"}, cosign=(IMPORTER,))

    with pytest.raises(NotYet) as waits:
        scrapped(w, one, other, at=w.now)
    assert waits.value.code == "X5"

    scrapped(w, other, at=w.now)
    assert shape(judged(w, other, **LOOSE)) == WASTE


def test_what_left_for_good_is_left_as_it_is() -> None:
    """
    X3: on what was recycled since nothing is written any more.
    """
    w = world()
    one, other, then = two_in_a_car(w)
    out(w, one)
    w.happen(MAKER, "battery.declared_waste", other, {"reason": "worn"}, cosign=(IMPORTER,))
    mass = {"mass_in_grams": 450_000}
    received = {"facility_licence": "L", **mass}
    w.happen(RECYCLER, "recycling.received", other, received, quantities=mass, cosign=(IMPORTER,))
    metals = {f"{m}_{way}_grams": 100 for m in ("co", "ni", "li", "cu") for way in ("in", "out")}
    w.happen(RECYCLER, "recycling.completed", other, {"method": "x"} | metals, quantities=metals)
    before = w.ledger.standing(subject_of(other))

    scrapped(w, one, other, at=then)

    assert w.ledger.standing(subject_of(other)) == before
