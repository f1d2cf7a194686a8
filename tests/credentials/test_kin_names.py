"""A battery has one life under all its codes: what it became under one it is under the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.credentials.test_earlier_codes import OWN
from tests.credentials.test_kin_recalls import LINK, PACK, in_use_and_out, made_of_it, named_by_link, recycle
from tests.credentials.test_namers import named_by
from tests.credentials.test_shown import GOOD, VIN, check, judged, shape
from tests.credentials.test_used_before import remanufactured
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import CUSTOMS, IMPORTER, MAKER, OTHER_MAKER, RECYCLER, SECOND_LIFE, WORKSHOP

LICENCE = {"facility_licence": "L"}
OTHERS_DECLARATION = {
    "declaration_number": "26NLOTHER",
    "registration_id": "R",
    "commodity_code": "8507600000",
    "eori": "DE1",
}


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
    w.happen(RECYCLER, "recycling.received", LINK, quantities={"mass_in_grams": 9})


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


def installed(w: World) -> None:
    """In a vehicle under its link."""
    w.happen(MAKER, "battery.installed", LINK, {"vin": VIN}, bound_asset=subject_of(VIN))


def presented(w: World) -> None:
    """Before customs under its link."""
    w.happen(MAKER, "battery.exported", LINK, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", LINK, OTHERS_DECLARATION)


def suspended(w: World) -> None:
    """Stopped by customs under its link."""
    presented(w)
    w.happen(CUSTOMS, "customs.suspended", LINK, {"ground": "26(a)"})


def released(w: World) -> None:
    """Let in under its link."""
    presented(w)
    w.happen(CUSTOMS, "customs.released", LINK, {"basis": "registry_check"})


CASES = [
    (waste, "module", "waste", None),
    (made_into_another, "successor", "consumed", "consumed"),
    (suspended, "successor", "not_released", "not_released"),
    (waste, "successor", None, "waste"),
    (sent_as_waste, "module", "waste", None),
    (sent_as_waste, "successor", None, "waste"),
    (installed, "successor", "installed_on_record", "installed_on_record"),
    (installed, "module", "installed_on_record", None),
    (presented, "successor", "not_released", "not_released"),
    (presented, "module", "not_released", None),
    (suspended, "module", "not_released", None),
    (released, "successor", None, None),
    (released, "module", None, None),
    (received, "module", "waste", None),
    (received, "successor", "waste", "waste"),
    (taken_apart, "module", "waste", "waste"),
    (taken_apart, "successor", "waste", "waste"),
    (made_into_another, "module", "consumed", None),
]


@pytest.mark.parametrize(
    ("said", "made", "before", "after"),
    [pytest.param(*case, marks=() if n < 3 else pytest.mark.check) for n, case in enumerate(CASES)],
)
def test_what_a_battery_became_under_a_further_code_it_is_for_what_was_made_of_it(
    said: Callable[[World], None], made: str, before: str | None, after: str | None
) -> None:
    """
    X8, I2, I6: out of waste comes waste under all its names; it is not recycled, taken apart, made into
    another, stopped by customs or in a vehicle under one and lives on under the other. What was left of a
    pack that was taken apart ends, or goes, by itself, later, and of waste a second life is made.
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

    held = ("installed_on_record", "not_released")
    verdict = {word: "hold" if word in held else "refuse_recommended" for word in (before, after)}
    assert words == [word and (verdict[word], word) for word in (before, after)]


@pytest.mark.parametrize("kept", [True, pytest.param(False, marks=pytest.mark.check)])
def test_recycling_what_is_left_of_a_pack_lifts_nothing_from_its_modules(*, kept: bool) -> None:
    """
    I2: stolen under its link, and its empty case recycled. The passport that names the link has ceased then:
    it is read where somebody has it, and where nobody has, nothing is passed for that.
    """
    w = named_by_link()
    w.happen(MAKER, "battery.reported_lost", LINK, {"reference": "P"})
    text = made_of_it(w, "module")
    recycle(w, PACK)
    evidence = w.evidence(text) if kept else replace(w.evidence(text), earlier={})

    line: dict[str, Any] = {"condition": "used", "head": {"direction": "inland"}, "policy_name": "recycler"}
    told = judged(w, text, evidence=evidence, **line)

    reasons = {(c["outcome"], c["reason"]) for c in told["checks"] if c["name"] == "standing.state"}
    assert (shape(told) == ("hold", "lost")) == kept
    assert kept or reasons == {("warn", "names_of_kin_gone")}


@pytest.mark.parametrize("made", ["successor", pytest.param("module", marks=pytest.mark.check)])
@pytest.mark.parametrize("by", [MAKER, pytest.param(OTHER_MAKER, marks=pytest.mark.check)])
def test_what_names_what_a_battery_came_of_binds_it(made: str, by: str) -> None:
    """
    Stolen under a code whose passport names the link, a battery was made into another, or taken apart, under
    the link, whose own passport names nothing. What a stranger's passport names is nothing to it (I5).
    """
    own = code(1) if by == MAKER else code(1, "ZZ3")
    w = named_by((own, LINK, by), (LINK, OWN, MAKER))
    w.publishers = (*w.publishers, SECOND_LIFE, RECYCLER)
    for publisher in (SECOND_LIFE, RECYCLER):
        w.publish_lists(publisher)
    w.happen(by, "battery.reported_lost", own, {"reference": "P"})
    in_use_and_out(w, LINK)
    text = made_of_it(w, made, LINK)
    line: dict[str, Any] = {"condition": "used", "head": {"direction": "inland"}, "policy_name": "recycler"}

    told = judged(w, text, evidence=w.evidence(text, namers=(own,)), **line)

    assert shape(told) == (("hold", "lost") if by == MAKER else ("clear", "ok"))
    assert judged(w, text, **line)["verdict"] in GOOD  # where nobody judged the other code before
