"""What repairs or a vehicle tie to a battery binds it, whichever came first (I2, I6; D999, D1000)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from credentials.ledger.payload import Criteria
from credentials.ledger.recalls import recall_subject
from credentials.verdicts.evidence import Missing, MissingReason
from tests.credentials.test_issuers import govern, stolen
from tests.credentials.test_namings import INLAND, module
from tests.credentials.test_repaired import lost, recalled, repaired, repaired_by, stock
from tests.credentials.test_shown import GOOD, PRESENTED, VIN, check, judged, shape
from tests.credentials.test_vehicles import CAR, IN_CAR, OUT, built_in, in_stock, placed_in_car, replaced
from tests.harness.border import World, code, replace
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    RECYCLER,
    RIVAL,
    WORKSHOP,
)

LATER: dict[str, Any] = {"condition": "used", **INLAND}
ENDED = ("undecided", "part_ended")


def handed(w: World, text: str, giver: str, taker: str) -> None:
    w.happen(giver, "battery.handed_over", text, {}, parties=(taker,), cosign=(taker,))


def discarded(w: World, text: str) -> None:
    w.happen(MAKER, "battery.declared_waste", text, {"reason": "worn"}, parties=(RECYCLER,))
    w.happen(RECYCLER, "recycling.received", text, quantities={"mass_in_grams": 450_000})


def certified(w: World, text: str) -> None:
    about = {"certificate": "c", "named_party": RECYCLER}
    w.happen(CN_AUTHORITY, "end_of_life.certified", text, about, parties=(RECYCLER,))


# -- recalls by model, batch or days ---------------------------------------------------------------------


def of_codes(w: World, text: str) -> bytes:
    return w.recall(MAKER, criteria=Criteria((text,), None, None))


def test_a_recall_of_codes_reaches_what_a_repair_ties_to_them() -> None:
    """
    I2: the model of a module is recalled, and so is what it was put into; and of a pack what came out of it.
    Lifted, both are as before.
    """
    w = World()
    pack, inside, taken, other = stock(w), module(w), module(w, 8), stock(w, 2)
    repaired(w, pack, child_in=inside)
    repaired(w, other, child_out=taken)
    first = of_codes(w, inside)
    second = of_codes(w, other)

    assert shape(judged(w, pack)) == ("hold", "part_recalled")
    assert shape(judged(w, taken)) == ("hold", "part_recalled")
    for statement in (first, second):
        w.run(
            w.ledger.attest(
                MAKER, "recall.lifted", recall_subject("gbt34014", "ZZ1"), references=(statement,)
            )
        )
    assert judged(w, pack)["verdict"] in GOOD
    assert judged(w, taken)["verdict"] in GOOD


def test_a_recall_of_other_codes_reaches_nothing_and_one_that_may_reach_it_is_told() -> None:
    """
    I8: the part's code is in the repair's document; kept back, nobody knows whether the recall reaches it.
    """
    w = World()
    pack, part = stock(w), module(w)
    repaired(w, pack, child_in=part)
    digest = next(d for d, one in w.documents.items() if "battery.maintained" in str(one))
    of_codes(w, code(50))
    whole = w.evidence(pack)
    events = {**whole.events, digest: Missing(MissingReason.WITHHELD)}
    unknown = {text: about for text, about in whole.subjects.items() if text != part}

    assert judged(w, pack)["verdict"] in GOOD
    kept_back = judged(w, pack, evidence=replace(whole, events=events, subjects=unknown))
    assert shape(kept_back) == ("undecided", "evidence_withheld")


# -- what ended ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [discarded, certified])
@pytest.mark.parametrize("before", [True, False])
def test_what_has_ended_is_in_no_battery_that_is_clear(
    end: Callable[[World, str], None], before: bool
) -> None:
    """
    X3, Art 73: waste is not built in, and what is in a battery was not recycled: one of both is not so.
    """
    w = World()
    pack, part, other = stock(w), module(w), stock(w, 2)
    for step in (end, None) if before else (None, end):
        if step is not None:
            step(w, part)
        else:
            repaired(w, other, child_out=part)
            repaired(w, pack, child_in=part)

    assert shape(judged(w, pack, **LATER)) == ENDED
    assert judged(w, other, **LATER)["verdict"] in GOOD
    assert judged(w, pack, condition="waste", **INLAND)["verdict"] != "hold"


def test_a_supplier_ends_nothing_that_it_sold_without_handing_it_over() -> None:
    """
    I5: it was in nobody's hands who made or has the battery; what these gave away since ended by their word.
    """
    w = World()
    pack, bought = stock(w), module(w, by=OTHER_MAKER)
    w.happen(OTHER_MAKER, "battery.sold", bought, {"invoice": "1"}, parties=(MAKER,))
    repaired(w, pack, child_in=bought)
    w.happen(OTHER_MAKER, "battery.reported_lost", bought, {"reference": "1"})
    assert judged(w, pack)["verdict"] in GOOD

    own = module(w)
    repaired(w, pack, child_in=own)
    handed(w, own, MAKER, RIVAL)
    w.happen(RIVAL, "battery.reported_lost", own, {"reference": "1"})
    assert shape(judged(w, pack)) == ("hold", "part_lost")


def test_an_authoritys_word_on_a_part_counts_whenever_it_comes() -> None:
    """
    X18: stolen, built in and then reported by an authority it is stolen in there.
    """
    w = World()
    pack, part = stock(w), module(w, by=OTHER_MAKER)
    w.happen(OTHER_MAKER, "battery.sold", part, {"invoice": "1"}, parties=(MAKER,))
    repaired(w, pack, child_in=part)
    w.happen(CN_AUTHORITY, "battery.reported_lost", part, {"reference": "1"})

    assert shape(judged(w, pack)) == ("hold", "part_lost")


@pytest.mark.parametrize(
    ("goes", "told"), [(lost, ("hold", "part_lost")), (discarded, ENDED), (certified, ENDED)]
)
def test_what_is_in_a_battery_goes_with_it(goes: Callable[[World, str], None], told: tuple[str, str]) -> None:
    """
    X3, X18: stolen or ended with what it was put into; what was taken out before stays what it is.
    """
    w = World()
    pack, inside, out = stock(w), module(w), module(w, 8)
    repaired(w, pack, child_in=inside)
    repaired(w, pack, child_out=out)
    goes(w, pack)

    assert shape(judged(w, inside, **LATER)) == told
    assert judged(w, out, **LATER)["verdict"] in GOOD


def test_by_a_repair_of_others_nothing_is_decided() -> None:
    """
    I5: a workshop says that it put the part, which it bought, into a battery of others that is lost then.
    """
    w = World()
    pack, part = placed_in_car(w, 1), module(w)
    w.happen(MAKER, "battery.sold", part, {"invoice": "1"}, parties=(WORKSHOP,))
    repaired_by(w, WORKSHOP, pack, child_in=part)
    w.happen(IMPORTER, "battery.reported_lost", pack, {"reference": "1"})

    assert shape(judged(w, part, **LATER)) == ("undecided", "part_stopped_told")


# -- stolen keys -----------------------------------------------------------------------------------------


def test_a_thief_lifts_no_recall_of_a_part() -> None:
    """
    D806: with the key of the part's maker; of what it said before the theft nothing is in question.
    """
    w = World()
    pack, part = stock(w), module(w, by=OTHER_MAKER)
    w.happen(OTHER_MAKER, "battery.sold", part, {"invoice": "1"}, parties=(MAKER,))
    repaired(w, pack, child_in=part)
    w.happen(OTHER_MAKER, "battery.recalled", part, {"reason": "fire"})
    w.ledger.now += 1_000
    since = w.now
    w.happen(OTHER_MAKER, "battery.recall_lifted", part, {"reason": "tested"})
    assert judged(w, pack)["verdict"] in GOOD

    govern(w, stolen(OTHER_MAKER, since))

    assert shape(judged(w, pack)) == ("undecided", "statement_key_compromised")
    assert judged(w, stock(w, 3))["verdict"] in GOOD


def test_a_thief_takes_no_recalled_part_out() -> None:
    """
    A repair by a stolen key is a trade's word and decides nothing: it takes nothing out either.
    """
    w = World()
    pack, part = stock(w), module(w)
    repaired(w, pack, child_in=part)
    recalled(w, part)
    w.ledger.now += 1_000
    since = w.now
    repaired(w, pack, child_out=part)
    assert judged(w, pack)["verdict"] in GOOD

    govern(w, stolen(MAKER, since))

    assert shape(judged(w, pack)) == ("hold", "part_recalled")


# -- the other battery of a vehicle ----------------------------------------------------------------------


def banned(w: World, text: str) -> None:
    about = (w.passports[text].digest,)
    w.happen(CN_AUTHORITY, "passport.revoked", text, {"reason": "forged"}, references=about)


def paused(w: World, text: str) -> None:
    about = (w.passports[text].digest,)
    w.happen(CN_AUTHORITY, "passport.suspended", text, {"reason": "asked"}, references=about)


def declared(w: World, text: str) -> None:
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "870380"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)


def refused(w: World, text: str) -> None:
    declared(w, text)
    w.happen(CUSTOMS, "customs.refused", text, {"conclusion": "c", "endorsement": "e"})


def stopped(w: World, text: str) -> None:
    declared(w, text)
    w.happen(CUSTOMS, "customs.suspended", text, {"ground": "26(e)"})


@pytest.mark.parametrize("holds", [lost, recalled, certified, banned, paused, refused, stopped])
def test_a_vehicle_goes_nowhere_with_a_battery_that_is_held(holds: Callable[[World, str], None]) -> None:
    """
    I2, I6: the other battery of the car is not cleared in it; loose, or once the first is out, it is.
    """
    w = World()
    first, other = built_in(w, 1), built_in(w, 2)
    assert judged(w, other, **CAR)["verdict"] in GOOD

    holds(w, first)

    for condition in ("new", "used"):
        told = judged(w, other, **CAR | {"condition": condition}, **({} if condition == "new" else INLAND))
        assert shape(told) == ("undecided", "vehicle_held")
    assert shape(judged(w, other, condition="waste", **CAR, **INLAND))[1] != "vehicle_held" or holds is lost
    sent_back = judged(w, other, direction="export", **CAR)
    assert (sent_back["verdict"] in GOOD) == (holds is refused)


def test_a_battery_of_other_hands_holds_no_vehicle() -> None:
    """
    I5: built in by others, whatever is set on it; by the same, a recall and an authority's word count.
    """
    w = World()
    mine, theirs = placed_in_car(w, 1), built_in(w, 2)
    recalled(w, theirs)
    lost(w, theirs)
    certified(w, theirs)
    assert judged(w, mine, **CAR, **OUT)["verdict"] in GOOD

    sold = placed_in_car(w, 3, holder=RIVAL)
    w.happen(RIVAL, "battery.reported_lost", sold, {"reference": "1"})
    assert judged(w, mine, **CAR, **OUT)["verdict"] in GOOD
    recalled(w, sold)
    assert shape(judged(w, mine, **CAR, **OUT)) == ("undecided", "vehicle_held")


def test_a_battery_that_burnt_in_a_vehicle_leaves_none_in_it_as_new() -> None:
    """
    XIII 4(d): the other one was in the same fire; used it is what it is.
    """
    w = World()
    first, other = built_in(w, 1), built_in(w, 2)
    w.happen(MAKER, "negative_event", first, {"event_kind": "fire"})

    assert shape(judged(w, other, **CAR)) == ("hold", "negative_event_on_record")
    assert check(judged(w, other, condition="used", **CAR, **INLAND), "new_not_used")[0]["outcome"] != "fail"


@pytest.mark.parametrize("case", ["worn in there", "worn before", "as new"])
def test_what_replaces_a_worn_battery_is_in_no_new_vehicle(case: str) -> None:
    """
    I6: nobody registered or sold the car; the test of what came out of it says that it was driven.
    """
    w = World()
    reading = {"soh_permille": 700, "cycles": 900} if case != "as new" else {"soh_permille": 990, "cycles": 3}
    said = {"method": "m", "measured_on": "2027-01-15", **reading}
    old, new = in_stock(w, 1, WORKSHOP), in_stock(w, 2, WORKSHOP)

    def read() -> None:
        w.happen(WORKSHOP, "soh.measured", old, said, quantities=reading)

    if case == "worn before":
        read()
    w.happen(WORKSHOP, "battery.installed", old, {"vin": VIN}, **IN_CAR)
    replaced(w, old, new)
    w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)
    assert judged(w, new, **CAR, **OUT)["verdict"] in GOOD
    if case != "worn before":
        read()

    told = judged(w, new, **CAR, **OUT)
    assert (told["verdict"] in GOOD) == (case != "worn in there")
    assert case != "worn in there" or shape(told) == ("hold", "used_sold_as_new")
