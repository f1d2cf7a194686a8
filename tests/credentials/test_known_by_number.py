"""Who is named by EORI is one with whoever acts under it: a second name sheds nothing of the first (I6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.credentials.test_handed_on import NEW_CAR, burnt, lost, measured
from tests.credentials.test_namings import module
from tests.credentials.test_repaired import stock
from tests.credentials.test_shown import GOOD, VIN, check, judged, shape
from tests.credentials.test_two_codes import enrol, named_only
from tests.credentials.test_vehicles import IN_CAR
from tests.harness.border import World, subject_of
from tests.harness.ledger import CUSTOMS, IMPORTER, MAKER, RECYCLER, WORKSHOP

NUMBER = "eori:NL123456789"
WAYS = ("by its name", "by its number", "before it had a node")


def gets_number(w: World, did: str) -> None:
    """A participant is known by its number from the next block on."""
    governance = w.ledger.history.latest
    party = replace(governance.participants[did], identifiers=(NUMBER,))
    changed = replace(governance, participants={**governance.participants, did: party})
    w.ledger.history.enact(w.ledger.history.height + 1, changed)
    w.ledger.run()


def given(w: World, to: str, way: str, *texts: str) -> None:
    """The maker hands its batteries to a party, naming it in one of these ways."""
    name = to if way == "by its name" else NUMBER
    if way == "by its number":
        gets_number(w, to)
    for text in texts:
        cosign = () if way == "before it had a node" else (to,)
        w.happen(MAKER, "battery.handed_over", text, {}, parties=(name,), cosign=cosign)
    if way == "before it had a node":
        gets_number(w, to)


def goes_on(w: World, *texts: str) -> None:
    for text in texts:
        w.happen(RECYCLER, "battery.handed_over", text, {}, parties=(IMPORTER,), cosign=(IMPORTER,))


def put_in(w: World, pack: str, part: str) -> None:
    said = {"work": "module", "child_in": part}
    w.happen(RECYCLER, "battery.maintained", pack, said, references=(subject_of(part),))


@pytest.mark.parametrize("told", [lost, burnt, measured])
def test_what_a_holder_told_of_a_part_stays_however_that_holder_was_named(told: Any) -> None:
    """
    A dealer gets stock and a module, puts the one into the other, tells what became of the module and hands
    the stock on: the word is the same, however the dealer was named, before that and after.
    """
    words = []
    for way in WAYS:
        w = World()
        pack, part = stock(w), module(w)
        given(w, RECYCLER, way, pack, part)
        put_in(w, pack, part)
        told(w, part)
        before = shape(judged(w, pack))
        goes_on(w, pack)
        words.append((before, shape(judged(w, pack))))

    assert words[0][0][0] not in GOOD and words[0][1][0] not in GOOD
    assert words == [words[0]] * len(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_what_it_put_into_a_part_is_in_the_pack(way: str) -> None:
    """
    A recalled cell goes into a module that is in a pack, and the pack is handed on.
    """
    w = World()
    pack, part, cell = stock(w), module(w), module(w, 8)
    given(w, RECYCLER, way, pack, part, cell)
    w.happen(MAKER, "battery.recalled", cell, {"reason": "fire"})
    put_in(w, pack, part)
    put_in(w, part, cell)

    assert shape(judged(w, pack)) == ("hold", "part_recalled")
    goes_on(w, pack)
    assert judged(w, pack)["verdict"] not in GOOD


@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("told", [lost, burnt])
def test_what_it_told_of_the_other_battery_of_a_vehicle_stays(told: Any, way: str) -> None:
    """
    Two batteries in a new car: one is stolen, or burns, and the other one is handed on with the car.
    """
    w = World()
    other, shown = stock(w), stock(w, 2)
    given(w, RECYCLER, way, other, shown)
    for text in (other, shown):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, cosign=(RECYCLER,), **IN_CAR)
    told(w, other)
    w.happen(RECYCLER, "battery.exported", shown, {"commodity_code": "870380"}, parties=(IMPORTER,))
    goes_on(w, shown)

    assert judged(w, shown, **NEW_CAR)["verdict"] not in GOOD


@pytest.mark.parametrize("way", WAYS)
def test_what_whom_a_holder_named_enters_under_a_further_code_counts(way: str) -> None:
    """
    X1: an importer names a workshop for its battery; the battery was stolen under the code on its label.
    """
    w, text = named_only()
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    if way == "by its number":
        gets_number(w, WORKSHOP)
    named = WORKSHOP if way == "by its name" else NUMBER
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, parties=(named,))
    if way == "before it had a node":
        gets_number(w, WORKSHOP)
    enrol(w, WORKSHOP)

    told = check(judged(w, text, direction="inland"), "alias")

    assert [one["reason"] for one in told] != ["alias_claimed"]
