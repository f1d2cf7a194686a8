"""What is tied to a battery one step further, or by health alone, binds it as well (I2, I6; D1002)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from credentials.documents.canonical import b64u
from tests.credentials.test_namings import INLAND, module
from tests.credentials.test_repaired import lost, recalled, repaired, repaired_by, stock
from tests.credentials.test_shown import GOOD, VIN, judged, shape
from tests.credentials.test_tied import discarded, handed, of_codes
from tests.credentials.test_vehicles import CAR, IN_CAR, OUT, built_in, in_stock
from tests.harness.border import World, replace, subject_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, IMPORTER, MAKER, OTHER_MAKER, RIVAL, WORKSHOP

HEALTH, AS_NEW = {"soh_permille": 500}, {"soh_permille": 990}
HELD = ("undecided", "vehicle_held")
USED_CAR = CAR | {"condition": "used"} | INLAND


def read(w: World, text: str, values: dict[str, int] = HEALTH, holder: str = MAKER) -> bytes:
    """A workshop tests it for who has it; a while passes before and after."""
    w.ledger.now += 100
    said = {"method": "m", "measured_on": "2027-01-15", **values}
    statement = w.happen(WORKSHOP, "soh.measured", text, said, cosign=(holder,), quantities=values)
    w.ledger.now += 100
    return statement


# -- the part of a battery that reads as used ------------------------------------------------------------


@pytest.mark.parametrize("way", ["child_in", "child_out"])
def test_a_part_of_what_reads_as_used_by_its_health_alone_is_not_new(way: str) -> None:
    """
    I1: what it was a part of keeps no mark of that test; voided by authorities, it says nothing.
    """
    w = World()
    pack, part = stock(w), module(w)
    repaired(w, pack, **{way: part})
    assert judged(w, part)["verdict"] in GOOD

    statement = read(w, pack)

    assert shape(judged(w, part)) == ("undecided", "part_of_used")
    assert shape(judged(w, part, condition="used", **INLAND))[0] in GOOD
    case, both = {"case": "1"}, (CN_AUTHORITY,)
    w.happen(EU_AUTHORITY, "attestation.voided", pack, case, cosign=both, references=(statement,))
    assert judged(w, part)["verdict"] in GOOD


@pytest.mark.parametrize("values", [HEALTH, {"soh_permille": 700, "cycles": 900}, AS_NEW])
def test_a_battery_was_through_what_its_part_read_in_it(values: dict[str, int]) -> None:
    """
    I6: put in as new, read as used in there, and taken out again: the pack was driven with it. A part that
    reads as new, or that read so before it was put in, says nothing of the pack.
    """
    w = World()
    pack, part, other = stock(w), module(w), stock(w, 2)
    repaired(w, pack, child_in=part)
    read(w, part, values)
    repaired(w, pack, child_out=part)

    told = judged(w, pack)
    assert told["verdict"] in GOOD if values == AS_NEW else shape(told) == ("undecided", "part_used")
    assert judged(w, pack, condition="used", **INLAND)["verdict"] in GOOD
    read(w, part)
    assert (judged(w, pack)["verdict"] in GOOD) == (values == AS_NEW)
    worn = module(w, 8)
    read(w, worn)
    w.ledger.now += 100
    repaired(w, other, child_in=module(w, 9))
    assert judged(w, other)["verdict"] in GOOD


def test_what_is_milder_of_a_part_hides_nothing() -> None:
    """
    I2: taken out, it had read as used in there; the removal is taken back, and the part is recalled.
    """
    w = World()
    pack, part = stock(w), module(w)
    repaired(w, pack, child_in=part)
    read(w, part)
    removal = repaired(w, pack, child_out=part)
    corrected = {"reason": "not so", "attestation_digest": b64u(removal)}
    w.happen(MAKER, "attestation.corrected", pack, corrected, references=(removal,))
    assert shape(judged(w, pack)) == ("undecided", "part_used")

    recalled(w, part)

    assert shape(judged(w, pack)) == ("hold", "part_recalled")


def test_a_workshop_makes_no_used_pack_by_what_it_had_itself() -> None:
    """
    I5: it says that it took a worn module of its own out of stock of others.
    """
    w = World()
    pack, part = in_stock(w, 1, WORKSHOP), module(w, by=OTHER_MAKER)
    handed(w, part, OTHER_MAKER, WORKSHOP)
    w.happen(
        WORKSHOP,
        "soh.measured",
        part,
        {"method": "m", "measured_on": "2027-01-15", **HEALTH},
        quantities=HEALTH,
    )
    before = shape(judged(w, pack, **OUT))
    w.ledger.now += 100
    repaired_by(w, WORKSHOP, pack, child_out=part)

    assert before[0] in GOOD
    assert shape(judged(w, pack, **OUT)) == before


# -- the other battery of a vehicle ----------------------------------------------------------------------


@pytest.mark.parametrize("stops", [recalled, lost, discarded])
def test_a_vehicle_goes_nowhere_with_what_is_in_its_other_battery(
    stops: Callable[[World, str], None],
) -> None:
    """
    I2: a recalled, stolen or recycled module is in a battery of the car; taken out of that, it is in none.
    """
    w = World()
    first, other, part = built_in(w, 1), built_in(w, 2), module(w)
    repaired(w, first, child_in=part)
    stops(w, part)

    assert shape(judged(w, other, **CAR)) == HELD
    assert shape(judged(w, other, **USED_CAR)) == HELD
    w.ledger.now += 100
    if stops is recalled:
        repaired(w, first, child_out=part)
        assert judged(w, other, **USED_CAR)["verdict"] in GOOD


def test_what_is_in_a_battery_of_other_hands_holds_no_vehicle() -> None:
    """
    I5: whoever binds its own battery to the number of another's car, with whatever in it, holds nothing.
    """
    w = World()
    mine, theirs, part = built_in(w, 1), built_in(w, 2), module(w)
    repaired(w, theirs, child_in=part)
    handed(w, theirs, MAKER, RIVAL)
    before = shape(judged(w, mine, **CAR))
    w.happen(MAKER, "battery.reported_lost", part, {"reference": "1"})

    assert before[0] in GOOD
    assert shape(judged(w, mine, **CAR)) == before


def test_a_recall_of_items_or_of_a_code_in_hand_is_one_of_the_vehicle() -> None:
    """
    I2: of items the ledger knows the key. By model it is known where a document in hand names the other's
    code; where none does, that battery is judged on its own line, and nothing is guessed about this one.
    """
    w = World()
    first, other = built_in(w, 1), built_in(w, 2)
    w.recall(MAKER, references=(subject_of(first),))
    assert shape(judged(w, other, **CAR)) == HELD

    w = World()
    first, other = built_in(w, 1), built_in(w, 2)
    of_codes(w, first)
    whole = w.evidence(other, vin=VIN)
    known = replace(whole, subjects={**whole.subjects, first: subject_of(first)})
    assert shape(judged(w, first, **CAR)) == ("hold", "recalled")
    assert judged(w, other, **CAR)["verdict"] in GOOD
    assert shape(judged(w, other, evidence=known, **CAR)) == HELD


# -- what is left, and why -------------------------------------------------------------------------------


def test_a_used_module_in_a_used_battery_is_what_it_is() -> None:
    """
    Argued in D1002: shown as used, a battery with a used part in it is that, and nothing else.
    """
    w = World()
    pack, part = built_in(w, 1), module(w)
    read(w, part)
    repaired(w, pack, child_in=part)

    assert judged(w, pack, **USED_CAR)["verdict"] in GOOD
    assert judged(w, pack, **CAR)["verdict"] not in GOOD


def test_what_replaced_nothing_by_name_is_the_first_of_its_vehicle_on_record() -> None:
    """
    Argued in D1002: a worn battery is swapped out, and another built in; nothing names both, and the record
    of the vehicle does not keep what left it. Named, it is known (D1000).
    """
    w = World()
    old, new = in_stock(w, 1, WORKSHOP), in_stock(w, 2, WORKSHOP)
    w.happen(WORKSHOP, "battery.installed", old, {"vin": VIN}, **IN_CAR)
    read(w, old, holder=IMPORTER)
    w.happen(WORKSHOP, "battery.swapped_out", old, {"vin": VIN}, **IN_CAR)
    w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)

    assert judged(w, new, **CAR, **OUT)["verdict"] in GOOD


def test_what_is_two_steps_down_is_named_and_not_held() -> None:
    """
    Argued in D1002: a cell that a repair put into a module, and that into a pack which is lost: the cell
    shown alone says that it was named as a part, the module is held.
    """
    w = World()
    pack, part, cell = stock(w), module(w), module(w, 8)
    repaired(w, part, child_in=cell)
    repaired(w, pack, child_in=part)
    lost(w, pack)

    assert shape(judged(w, part)) == ("hold", "part_lost")
    told = judged(w, cell)
    assert told["verdict"] in GOOD and "part_named" in {c["reason"] for c in told["checks"]}
