"""The law restated finds what ties batteries to each other and binds nothing: 0999, 1000, 1002, planted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from credentials.ledger.governance import Governance
from credentials.verdicts import beside, cell, contents, repaired
from credentials.verdicts import shown as shown_rows
from credentials.verdicts.record import Recorded
from tests.credentials.test_second_opinion_bugs import (
    ON_SHELF,
    PUT_IN,
    RECALLED,
    STOLEN,
    said_too_well,
)
from tests.harness.opinion.acts import Act
from tests.harness.opinion.alphabet import CAR
from tests.harness.opinion.bounds import (
    BESIDE_HELD,
    BESIDE_USED,
    OWN_REPAIR,
    PART_AT_CUSTOMS,
    PART_ENDED,
)
from tests.harness.opinion.bugs import patched
from tests.harness.opinion.parties import CN_AUTHORITY, EU_AUTHORITY, HOLDER, MAKER, RIVAL

AT_HOME = {"jurisdiction": "CN", "direction": "inland"}
IN_CAR = AT_HOME | {"goods": "in_vehicle"}
INTO_B = Act(MAKER, "battery.maintained", "B", others=("A",), put_in="A")  # A is in B then
OF_MODEL = Act(MAKER, "recall.published", "B", scope="model")
WASTE = Act(MAKER, "battery.declared_waste", "B", parties=(HOLDER,))
CERTIFIED = Act(CN_AUTHORITY, "end_of_life.certified", "B", parties=(HOLDER,))
HANDED_ON = Act(MAKER, "battery.handed_over", "B", parties=(RIVAL,), countersigned=(RIVAL,))


@pytest.mark.parametrize(
    ("acts", "ground"),
    [
        ((PUT_IN, WASTE), PART_ENDED),
        ((PUT_IN, CERTIFIED), PART_ENDED),
        ((INTO_B, WASTE), PART_ENDED),
        ((INTO_B, STOLEN), OWN_REPAIR),
        ((INTO_B, RECALLED), OWN_REPAIR),
        ((PUT_IN, STOLEN), OWN_REPAIR),
        ((PUT_IN, None, HANDED_ON, Act(RIVAL, "battery.reported_lost", "B")), OWN_REPAIR),
    ],
)
def test_what_is_in_a_battery_and_does_not_go_with_it_is_found(
    acts: tuple[Act | None, ...], ground: str
) -> None:
    """
    X3, X18, 0999: a part that ended or was lost, told after the repair; and what is in what did.
    """
    how = AT_HOME | {"condition": "used"}

    assert said_too_well(*ON_SHELF, *acts, **how) == set()
    with patched(shown_rows, "tell_repairs", lambda *_, **__: False):
        assert said_too_well(*ON_SHELF, *acts, **how) == {ground}


SENT = Act(MAKER, "battery.exported", "B", parties=(HOLDER,))


@pytest.mark.parametrize(
    "acts", [(SENT, PUT_IN), (SENT, Act(HOLDER, "battery.presented", "B", declaration="26CN1"), PUT_IN)]
)
def test_a_part_that_customs_hold_and_that_holds_nothing_is_found(acts: tuple[Act, ...]) -> None:
    """
    I2, I4, 1010: a module on its way, or declared, is built into stock that never left; what goes to customs
    by itself afterwards is in there no more.
    """
    how = AT_HOME | {"condition": "used"}

    assert said_too_well(*ON_SHELF, *acts, **how) == set()
    with patched(shown_rows, "tell_stopped_parts", lambda *_, **__: False):
        assert said_too_well(*ON_SHELF, *acts, **how) == {PART_AT_CUSTOMS}
        assert said_too_well(*ON_SHELF, PUT_IN, SENT, **how) == set()


@pytest.mark.parametrize("bug", ["_gone_with", "had_it"])
def test_half_of_what_0999_says_is_found(bug: str) -> None:
    """
    What is around a battery is not asked; nor who had a part when it was put in.
    """
    acts = (INTO_B, STOLEN) if bug == "_gone_with" else (PUT_IN, None, HANDED_ON, LOST_SINCE)
    how = AT_HOME | {"condition": "used"}
    nothing: Callable[..., Any] = (lambda *_: None) if bug == "_gone_with" else (lambda *_: False)

    assert said_too_well(*ON_SHELF, *acts, **how) == set()
    with patched(repaired, bug, nothing), patched(repaired, "had_until", lambda *_: 0):
        assert said_too_well(*ON_SHELF, *acts, **how) != set()


LOST_SINCE = Act(RIVAL, "battery.reported_lost", "B")
PLACED = tuple(Act(MAKER, "market.placed", battery, parties=(HOLDER,)) for battery in ("A", "B"))
BUILT_IN = tuple(Act(HOLDER, "battery.installed", battery, vehicle=CAR) for battery in ("A", "B"))
TWO_IN_A_CAR = (*ON_SHELF, *PLACED, *BUILT_IN)


@pytest.mark.parametrize(
    "held",
    [
        RECALLED,
        STOLEN,
        replace(CERTIFIED, by=EU_AUTHORITY),
        Act(CN_AUTHORITY, "passport.suspended", "B", about_version=1),
        Act(CN_AUTHORITY, "passport.revoked", "B", about_version=1),
        Act(MAKER, "recall.published", "B", scope="item"),
    ],
)
def test_a_vehicle_that_goes_with_a_battery_that_is_held_is_found(held: Act) -> None:
    """
    I2, I6, 1000: whatever holds the other one, in the same hands.
    """
    assert said_too_well(*TWO_IN_A_CAR, held, **IN_CAR) == set()
    with patched(shown_rows, "tell_beside", lambda *_, **__: False):
        assert said_too_well(*TWO_IN_A_CAR, **IN_CAR) == set()
        assert said_too_well(*TWO_IN_A_CAR, held, **IN_CAR) == {BESIDE_HELD}


def test_a_part_that_holds_no_vehicle_is_found() -> None:
    """
    I2, 1002: what a repair put into the other battery of the car is recalled.
    """
    into = Act(MAKER, "battery.maintained", "B", others=("C",), put_in="C")
    recalled = Act(MAKER, "battery.recalled", "C")
    part = Act(MAKER, "battery.produced", "C")
    acts = (*ON_SHELF, part, into, *PLACED, *BUILT_IN, recalled)

    assert said_too_well(*acts, **IN_CAR) == set()
    with patched(beside, "held_inside", lambda *_: iter(())):
        assert said_too_well(*acts, **IN_CAR) == {BESIDE_HELD}


def test_what_the_other_battery_came_out_of_and_holds_no_vehicle_is_found() -> None:
    """
    I2, 1018: by a repair it came out of what is recalled; by itself it is held.
    """
    out_of = Act(MAKER, "battery.maintained", "C", others=("B",))
    made = Act(MAKER, "battery.produced", "C")
    acts = (*ON_SHELF, made, out_of, *PLACED, *BUILT_IN, Act(MAKER, "battery.recalled", "C"))

    assert said_too_well(*acts, **IN_CAR) == set()
    with patched(beside, "held_around", lambda *_: iter(())):
        assert said_too_well(*acts, **IN_CAR) == {BESIDE_HELD}


def test_whoever_has_a_part_and_takes_out_what_is_in_it_is_found() -> None:
    """
    I5, 1016: C is in B, and B in A. Who has B by its record says that C is out of it, and then a repair of A
    names B once more, and is voided.
    """
    again = replace(PUT_IN, put_in=None)
    acts = (
        *ON_SHELF,
        Act(MAKER, "battery.produced", "C"),
        Act(MAKER, "battery.maintained", "B", others=("C",), put_in="C"),
        PUT_IN,
        Act(MAKER, "battery.handed_over", "B", parties=(HOLDER,), countersigned=(HOLDER,)),
        Act(HOLDER, "battery.maintained", "B", others=("C",)),
        again,
        Act(CN_AUTHORITY, "attestation.voided", "A", undoes=again, countersigned=(EU_AUTHORITY,)),
        Act(MAKER, "battery.recalled", "C"),
    )

    assert said_too_well(*acts, **AT_HOME) == set()
    with patched(contents, "_counts", lambda *_: True):
        assert said_too_well(*acts, **AT_HOME) == {OWN_REPAIR}


def test_whoever_had_a_part_and_takes_out_what_else_there_is_is_found() -> None:
    """
    I5, 1021: C is in A. Whoever had B said that C came out of that; then B is built into A, too.
    """
    acts = (
        *ON_SHELF,
        Act(MAKER, "battery.produced", "C"),
        Act(MAKER, "battery.maintained", "A", others=("C",), put_in="C"),
        Act(MAKER, "battery.handed_over", "B", parties=(HOLDER,), countersigned=(HOLDER,)),
        Act(HOLDER, "battery.maintained", "B", others=("C",)),
        PUT_IN,
        Act(MAKER, "battery.recalled", "C"),
    )
    last_of = contents._last_of

    def believed(told: Iterable[contents.Told], governance: Governance) -> dict[bytes, list[Recorded]]:
        return last_of(((key, record, counts, counts) for key, record, counts, _ in told), governance)

    assert said_too_well(*acts, **AT_HOME) == set()
    with patched(contents, "_last_of", believed):
        assert said_too_well(*acts, **AT_HOME) == {OWN_REPAIR}


def test_a_car_that_burnt_and_is_new_is_found() -> None:
    """
    XIII 4(d), 1000: a fire of one is one of both, as new.
    """
    burnt = Act(HOLDER, "negative_event", "B")

    assert said_too_well(*TWO_IN_A_CAR, burnt, **IN_CAR) == set()
    with patched(cell, "_lived_through", lambda *_: iter(())):
        assert said_too_well(*TWO_IN_A_CAR, burnt, **IN_CAR) == {BESIDE_USED}


def test_what_took_the_place_of_a_worn_one_and_is_new_is_found() -> None:
    """
    I6, 1000: measured in the car, and replaced in it.
    """
    worn = (BUILT_IN[1], Act(HOLDER, "soh.measured", "B"))
    swapped = Act(HOLDER, "battery.replaced", "B", vehicle=CAR, others=("A",))
    acts = (*ON_SHELF, *PLACED, *worn, swapped, BUILT_IN[0])

    assert said_too_well(*acts, **IN_CAR) == set()
    with patched(cell, "_lived_through", lambda *_: iter(())):
        assert said_too_well(*acts, **IN_CAR) == {BESIDE_USED}
