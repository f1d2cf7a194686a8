"""A battery has one life under all its codes: what it became under one it is under the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.credentials.test_kin_recalls import LINK, made_of_it, named_by_link
from tests.credentials.test_shown import GOOD, VIN, check, judged, shape
from tests.credentials.test_used_before import remanufactured
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import MAKER, RECYCLER, SECOND_LIFE, WORKSHOP

LICENCE = {"facility_licence": "L"}


def waste(w: World) -> None:
    """The battery is waste under its link."""
    w.happen(MAKER, "battery.sold", LINK, {"invoice": "1"}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.declared_waste", LINK, {"reason": "worn"})


def sent_as_waste(w: World) -> None:
    """Waste, and on its way abroad."""
    waste(w)
    w.happen(RECYCLER, "waste.exported", LINK, {"notification": "N"})


def received(w: World) -> None:
    """A recycler has it under its link."""
    waste(w)
    w.happen(RECYCLER, "recycling.received", LINK, quantities={"mass_in_grams": 1})


def taken_apart(w: World) -> None:
    """Under its link, into another module."""
    waste(w)
    other = subject_of(code(12, maker="ZZ6"))
    w.happen(RECYCLER, "battery.dismantled", LINK, LICENCE, references=(other,))


def made_into_another(w: World) -> None:
    """Under its link, in another second life."""
    w.happen(MAKER, "market.placed", LINK, {"art_41_checked": True}, parties=(WORKSHOP, SECOND_LIFE))
    for kind in ("battery.installed", "battery.swapped_out"):
        w.happen(WORKSHOP, kind, LINK, {"vin": VIN}, bound_asset=subject_of(VIN))
    remanufactured(w, LINK, code(2, "ZZ5"))


CASES = [
    (waste, "module", "waste", None),
    (made_into_another, "successor", "consumed", "consumed"),
    (waste, "successor", None, None),
    (sent_as_waste, "module", "waste", None),
    (sent_as_waste, "successor", None, None),
    (received, "module", "waste", None),
    (received, "successor", "waste", "waste"),
    (taken_apart, "module", "waste", "waste"),
    (taken_apart, "successor", "waste", "waste"),
    (made_into_another, "module", "consumed", None),
]


@pytest.mark.parametrize(
    ("said", "made", "before", "after"),
    [pytest.param(*case, marks=() if n < 2 else pytest.mark.check) for n, case in enumerate(CASES)],
)
def test_what_a_battery_became_under_a_further_code_it_is_for_what_was_made_of_it(
    said: Callable[[World], None], made: str, before: str | None, after: str | None
) -> None:
    """
    X8, I6: out of waste comes waste under all its names; it is not recycled, taken apart or made into another
    under one and lives on under the other. What was left of a pack that was taken apart ends by itself,
    later, and of waste a second life is made.
    """
    words = []
    for first in (True, False):
        w = named_by_link()
        if first:
            said(w)
        text = made_of_it(w, made)
        if not first:
            said(w)
        told = judged(w, text, condition="used", head={"direction": "inland"}, policy_name="recycler")
        words.append(None if told["verdict"] in GOOD else shape(told))
        state = {c["outcome"] for c in check(told, "standing.state")}
        assert state == ({"pass"} if told["verdict"] in GOOD else {"fail"})

    assert words == [word and ("refuse_recommended", word) for word in (before, after)]
