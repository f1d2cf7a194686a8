"""By whose word, and until when, something is in what is in a battery (I2, I5, D1016)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.credentials.test_namings import module
from tests.credentials.test_repaired import HELD, recalled, repaired, repaired_by, stock
from tests.credentials.test_shown import GOOD, judged, shape
from tests.harness.border import World, subject_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, MAKER, WORKSHOP


def named_of_before(w: World, pack: str, part: str, then: int) -> None:
    repaired_by(w, MAKER, pack, then, child_out=part)


def named_and_voided(w: World, pack: str, part: str, then: int) -> None:
    again = repaired(w, pack, child_in=part)
    both = (EU_AUTHORITY,)
    w.happen(CN_AUTHORITY, "attestation.voided", pack, {"case": "1"}, cosign=both, references=(again,))


@pytest.mark.parametrize("by", [WORKSHOP, MAKER])
@pytest.mark.parametrize("again", [named_of_before, named_and_voided])
def test_who_has_a_part_takes_nothing_out_of_what_is_in_the_battery(
    again: Callable[[World, str, str, int], None], by: str
) -> None:
    """
    I5: whoever has a part on record says what is in it until it is built in; of a battery that another repair
    names it for it says no more. Who made or has the battery does.
    """
    w = World()
    pack, part, cell = stock(w), module(w), module(w, 8)
    w.ledger.now += 1_000
    w.run()
    then = w.now
    w.ledger.now += 1_000
    w.run()
    repaired(w, part, child_in=cell)
    repaired(w, pack, child_in=part)
    w.happen(MAKER, "battery.handed_over", part, {"invoice": "1"}, parties=(WORKSHOP,), cosign=(WORKSHOP,))
    told: dict[str, tuple[str, ...]] = {WORKSHOP: (), MAKER: (WORKSHOP,)}
    said = {"work": "module", "child_out": cell}
    w.happen(by, "battery.maintained", part, said, references=(subject_of(cell),), cosign=told[by])
    again(w, pack, part, then)
    recalled(w, cell)

    if by == WORKSHOP:
        assert shape(judged(w, pack)) == HELD
    else:
        assert judged(w, pack)["verdict"] in GOOD


@pytest.mark.parametrize("before", [True, False])
def test_a_part_that_was_in_there_before_is_read_until_it_is_in_there_now(*, before: bool) -> None:
    """
    I2, I6: in and out of the pack; repaired by whoever had it then; in a module, and that is in the pack.
    """
    w = World()
    pack, part, inner, cell = stock(w), module(w), module(w, 8), module(w, 9)
    if before:
        repaired(w, pack, child_in=inner)
        repaired(w, pack, child_out=inner)
    w.happen(MAKER, "battery.handed_over", inner, {"invoice": "1"}, parties=(WORKSHOP,), cosign=(WORKSHOP,))
    repaired_by(w, WORKSHOP, inner, child_in=cell)
    w.happen(WORKSHOP, "battery.handed_over", inner, {"invoice": "2"}, parties=(MAKER,), cosign=(MAKER,))
    repaired(w, part, child_in=inner)
    repaired(w, pack, child_in=part)
    assert judged(w, pack)["verdict"] in GOOD
    recalled(w, cell)

    assert shape(judged(w, pack)) == ("undecided", "part_stopped_told")


@pytest.mark.parametrize("by", [WORKSHOP, MAKER])
@pytest.mark.parametrize("in_it", [True, False])
def test_who_had_a_part_took_nothing_out_of_what_it_came_into(*, by: str, in_it: bool) -> None:
    """
    I5: a module is in a pack. Whoever has another one says that the first came out of that, and hands it on;
    it is built into the pack as well. What was in the other one that word takes out.
    """
    w = World()
    pack, part, other = stock(w), module(w), module(w, 8)
    repaired(w, other if in_it else pack, child_in=part)
    w.ledger.now += 100
    w.happen(MAKER, "battery.handed_over", other, {"invoice": "1"}, parties=(WORKSHOP,), cosign=(WORKSHOP,))
    told: dict[str, tuple[str, ...]] = {WORKSHOP: (), MAKER: (WORKSHOP,)}
    said, about = {"work": "module", "child_out": part}, (subject_of(part),)
    w.happen(by, "battery.maintained", other, said, references=about, cosign=told[by])
    w.happen(WORKSHOP, "battery.handed_over", other, {"invoice": "2"}, parties=(MAKER,), cosign=(MAKER,))
    w.ledger.now += 100
    repaired(w, pack, child_in=other)
    recalled(w, part)

    assert (shape(judged(w, pack)) == HELD) == (by == WORKSHOP and not in_it)


@pytest.mark.parametrize("built_in_again", [True, False])
def test_what_came_out_of_a_part_before_it_was_built_in_again_is_out(*, built_in_again: bool) -> None:
    """
    A part that was taken out, repaired by whoever has it and put back is what it was repaired to.
    """
    w = World()
    pack, part, cell = stock(w), module(w), module(w, 8)
    repaired(w, part, child_in=cell)
    repaired(w, pack, child_in=part)
    w.happen(MAKER, "battery.handed_over", part, {"invoice": "1"}, parties=(WORKSHOP,), cosign=(WORKSHOP,))
    repaired(w, pack, child_out=part)
    repaired_by(w, WORKSHOP, part, child_out=cell)
    if built_in_again:
        repaired(w, pack, child_in=part)
    recalled(w, cell)

    assert judged(w, pack)["verdict"] in GOOD
