"""What a battery was in when that was lost, or had ended, is lost or ended with it (I2, I6, X3, X18)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.credentials.test_namings import INLAND, module
from tests.credentials.test_repaired import repaired, stock
from tests.credentials.test_shown import GOOD, judged, shape
from tests.harness.border import World, subject_of
from tests.harness.ledger import CN_AUTHORITY, MAKER, RECYCLER

LOST, ENDED = ("hold", "part_lost"), ("undecided", "part_ended")


def used(w: World, text: str) -> tuple[str, str]:
    """As what it is judged within the country, as used."""
    return shape(judged(w, text, condition="used", **INLAND))


def certified(w: World, text: str) -> None:
    said = {"certificate": "c", "named_party": RECYCLER}
    w.happen(CN_AUTHORITY, "end_of_life.certified", text, said, parties=(RECYCLER,))


def stolen(w: World, text: str) -> None:
    w.happen(CN_AUTHORITY, "battery.reported_lost", text, {"reference": "1"})


def declared_waste(w: World, text: str) -> None:
    w.happen(MAKER, "battery.declared_waste", text, {"reason": "worn"})


def test_what_a_repair_takes_out_of_what_was_certified_to_have_ended_is_nothing_fit() -> None:
    """
    A dismantling says so of what it names; a repair gets round no certificate. Taken out before, it is fit.
    """
    w = World()
    pack, before, after, beside = stock(w), module(w), module(w, 8), module(w, 9)
    repaired(w, pack, child_out=before)
    certified(w, pack)
    repaired(w, pack, child_out=after)
    repaired(w, stock(w, 2), child_out=beside)

    assert [used(w, one)[0] in GOOD for one in (before, after, beside)] == [True, False, True]
    assert used(w, after) == ENDED
    assert judged(w, after, condition="waste", **INLAND)["reason"] == "waste_not_on_record"


def test_an_end_that_is_certified_twice_is_of_the_first_time() -> None:
    """
    What was taken out between two certificates came out of what had ended, whoever certifies it once more.
    """
    w = World()
    pack, part, before = stock(w), module(w), module(w, 8)
    repaired(w, pack, child_out=before)
    certified(w, pack)
    repaired(w, pack, child_in=part)
    repaired(w, pack, child_out=part)
    told = used(w, part)
    certified(w, pack)

    assert told == used(w, part) == ENDED and used(w, before)[0] in GOOD


def test_that_a_part_was_out_before_is_told_after_the_end_of_its_battery() -> None:
    """
    Of a battery that is waste a repair is told late, or not at all: by what its author says later nobody
    makes a fit part of it.
    """
    w = World()
    pack, part, then = stock(w), module(w), w.now
    w.run()
    declared_waste(w, pack)
    said = {"work": "module", "child_out": part}
    w.happen(MAKER, "battery.maintained", pack, said, references=(subject_of(part),), event_time=then)

    assert used(w, part) == ENDED


@pytest.mark.parametrize(("met", "word"), [(stolen, LOST), (certified, ENDED), (declared_waste, ENDED)])
def test_what_was_in_it_then_is_not_rid_of_it_by_the_next_repair(
    met: Callable[[World, str], None], word: tuple[str, str]
) -> None:
    """
    The last repair before that says where it was; one after it, of another battery, takes it out of nothing.
    """
    w = World()
    first, second, part, moved = stock(w), stock(w, 2), module(w), module(w, 8)
    repaired(w, first, child_in=part)
    repaired(w, first, child_in=moved)
    repaired(w, second, child_in=moved)
    met(w, first)
    repaired(w, second, child_in=part)

    assert used(w, part) == word
    assert used(w, moved)[0] in GOOD


@pytest.mark.parametrize("by", [CN_AUTHORITY, MAKER])
def test_what_an_authority_reports_later_counts_from_when_it_was_lost(by: str) -> None:
    """
    A module comes out of a stolen pack before the theft is reported. Its own maker is heard as well.
    """
    w = World()
    pack, part, early = stock(w), module(w), module(w, 8)
    repaired(w, pack, child_out=early)
    then = w.now
    w.run()
    repaired(w, pack, child_out=part)
    w.happen(by, "battery.reported_lost", pack, {"reference": "1"}, event_time=then)

    assert used(w, part) == LOST
    assert used(w, early)[0] in GOOD
    w.happen(by, "battery.found", pack, {"reason": "back"})
    assert used(w, part)[0] in GOOD


def test_what_was_waste_when_it_was_put_in_is_not_recycled_out_of_it() -> None:
    """
    Its holder has a waste module recorded as recycled, afterwards: it was waste when it was put in.
    """
    w = World()
    pack, part = stock(w), module(w)
    w.happen(MAKER, "battery.declared_waste", part, {"reason": "worn"}, parties=(RECYCLER,))
    w.happen(
        RECYCLER,
        "waste.collected",
        part,
        {"facility_licence": "L", "mass_grams": 9},
        quantities={"mass_grams": 9},
    )
    repaired(w, pack, child_in=part)
    assert used(w, pack) == ENDED
    w.happen(RECYCLER, "recycling.received", part, {"facility_licence": "L"}, quantities={"mass_in_grams": 9})

    assert used(w, pack) == ENDED
