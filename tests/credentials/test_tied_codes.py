"""What a repair or a vehicle ties to a battery is asked about under its further codes as well (X1, I2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from credentials.ledger.payload import Criteria
from credentials.ledger.recalls import recall_subject
from credentials.verdicts.evidence import Missing, MissingReason
from tests.credentials.test_gone_with import declared_waste, stolen, used
from tests.credentials.test_lives_beside import made_of
from tests.credentials.test_namings import INLAND, module
from tests.credentials.test_repaired import lost, recalled, repaired, stock
from tests.credentials.test_shown import GOOD, VIN, judged, shape
from tests.credentials.test_two_codes import LINK, with_links
from tests.credentials.test_vehicles import CAR, IN_CAR
from tests.harness.border import World, claims_of, code, replace
from tests.harness.ledger import (
    MAKER,
    OTHER_MAKER,
    SECOND_LIFE,
    Ledger,
    accreditation,
    accreditations,
    make_genesis,
)


def called_twice(w: World, text: str) -> str:
    """A battery of MAKER under this code and a GS1 link: each passport names the other."""
    for own, other in ((text, LINK), (LINK, text)):
        claims = claims_of(1)
        claims["GeneralProductInformation"]["productIdentifier"] = other
        w.produce(own)
        w.publish(own, w.issue(own, claims=claims))
    return text


def recalled_by_code(w: World, text: str) -> None:
    about = recall_subject("gs1", "9521001")
    criteria = Criteria((text,), None, None)
    w.run(w.ledger.attest(MAKER, "recall.published", about, criteria=criteria))


@pytest.mark.parametrize("text", [LINK, code(7)])
@pytest.mark.parametrize("met", [recalled, lost])
def test_a_second_life_sheds_nothing_that_was_put_in_under_a_further_code(
    met: Callable[[World, str], None], text: str
) -> None:
    """
    X1, X8: a module is put into a battery under either of its codes, and that is made into another.
    """
    more = [*accreditations(), accreditation(MAKER, schemes=(("gs1", "9521001"),), licence="gs1")]
    w = World(Ledger(make_genesis(accreditations=more)), publishers=(MAKER, SECOND_LIFE))
    old, part = called_twice(w, code(7)), module(w, 9)
    met(w, part)
    repaired(w, text, child_in=part)
    made = made_of(w, old)

    told = judged(w, made, condition="second_life", **INLAND)
    assert shape(told) == ("hold", "part_recalled" if met is recalled else "part_lost")


MET = [recalled, stolen, declared_waste]


@pytest.mark.parametrize("way", ["child_in", "child_out"])
@pytest.mark.parametrize("text", [LINK, code(7)])
def test_what_was_put_into_a_part_under_one_of_its_codes_is_in_what_that_is_in(text: str, way: str) -> None:
    """
    X1, I2: a cell is put into a module under either of its codes, and the module into a pack.
    """
    w = with_links()
    pack, part, cell = stock(w), called_twice(w, code(7)), module(w, 9)
    repaired(w, text, child_in=cell)
    if way == "child_out":
        w.ledger.now += 100
        repaired(w, part if text == LINK else LINK, child_out=cell)
    repaired(w, pack, child_in=part)
    assert judged(w, pack)["verdict"] in GOOD
    recalled(w, cell)

    assert (shape(judged(w, pack)) == ("hold", "part_recalled")) == (way == "child_in")


@pytest.mark.parametrize("met", MET)
def test_a_part_is_what_it_is_under_its_further_code(met: Callable[[World, str], None]) -> None:
    """
    A repair names one code of a module; under the other it is recalled, stolen or waste. So is what it is in.
    """
    w = with_links()
    pack, part, other = stock(w), called_twice(w, code(7)), stock(w, 2)
    repaired(w, pack, child_in=part)
    repaired(w, other, child_in=module(w, 8))
    assert judged(w, pack)["verdict"] in GOOD
    met(w, LINK)

    assert judged(w, pack)["reason"].startswith("part_") and used(w, pack)[1].startswith("part_")
    assert judged(w, other)["verdict"] in GOOD


@pytest.mark.parametrize("met", MET)
@pytest.mark.parametrize("under", [code(1), LINK])
def test_what_came_out_of_a_battery_came_out_of_it_under_all_its_codes(
    met: Callable[[World, str], None], under: str
) -> None:
    """
    Whichever of them the repair is recorded under, and what became of it under the other.
    """
    w = with_links()
    called_twice(w, code(1))
    out, still = module(w), module(w, 8)
    met(w, LINK if under != LINK else code(1))
    repaired(w, under, child_out=out)
    repaired(w, under, child_in=still)

    for one in (out, still):
        assert used(w, one)[1].startswith("part_")


@pytest.mark.parametrize("met", [recalled, stolen])
def test_a_vehicle_is_held_by_what_its_other_battery_is_under_another_code(
    met: Callable[[World, str], None],
) -> None:
    """
    Two batteries in a new car: one of them is stolen, or recalled, under its further code.
    """
    w = with_links()
    other, shown = called_twice(w, code(1)), stock(w, 2)
    for text in (other, shown):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)
    assert judged(w, shown, **CAR)["verdict"] in GOOD
    met(w, LINK)

    assert judged(w, shown, **CAR)["reason"] == "vehicle_held"


def test_a_recall_by_a_further_code_reaches_what_a_part_is_in() -> None:
    """
    The code of the recall is in no document of the pack: it stands in the passport of the part.
    """
    w = with_links()
    pack = stock(w)
    repaired(w, pack, child_in=called_twice(w, code(7)))
    recalled_by_code(w, LINK)

    assert judged(w, pack)["reason"] == "part_recalled"


def test_a_passport_of_a_part_that_is_kept_back_leaves_its_battery_undecided() -> None:
    """
    I8: it may name a further code. One that somebody published who neither made nor has the battery does not.
    """
    w = World(publishers=(MAKER, OTHER_MAKER))
    own, bought = stock(w), stock(w, 2)
    for pack, part in ((own, module(w)), (bought, module(w, 8, by=OTHER_MAKER))):
        repaired(w, pack, child_in=part)
    words = []
    for pack in (own, bought):
        whole = w.evidence(pack)
        kept_back = replace(whole, earlier=dict.fromkeys(whole.earlier, Missing(MissingReason.WITHHELD)))
        words += [
            judged(w, pack, evidence=e, condition="used", **INLAND)["reason"] for e in (whole, kept_back)
        ]

    assert words == ["ok", "relatives_unread", "ok", "ok"]


@pytest.mark.parametrize("met", [recalled, lost])
def test_nothing_is_taken_out_of_itself(met: Callable[[World, str], None]) -> None:
    """
    Under the further code of a part a repair says that this very part came out: that takes it out of nothing
    that it was put into.
    """
    w = with_links()
    part, pack = called_twice(w, code(1)), stock(w, 5)
    repaired(w, pack, child_in=part)
    repaired(w, LINK, child_out=part)
    met(w, part)

    assert shape(judged(w, pack)) == ("hold", "part_recalled" if met is recalled else "part_lost")
