"""What a part, or another battery in a vehicle, came of: a dismantled pack, a first life (I2, X8, X18)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from credentials.ledger.payload import Criteria
from credentials.verdicts.evidence import Missing, MissingReason
from credentials.verdicts.record import admitted_at
from tests.credentials.test_gone_with import used
from tests.credentials.test_namings import INLAND
from tests.credentials.test_repaired import lost, stock
from tests.credentials.test_shown import GOOD, TESTED, VIN, judged, placed, removed
from tests.credentials.test_vehicles import CAR, IN_CAR
from tests.harness.border import World, code, replace, subject_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, IMPORTER, MAKER, RECYCLER, SECOND_LIFE


def taken_apart(w: World, fate: str = "reuse") -> tuple[str, str]:
    """A used pack that RECYCLER took apart, and the module that came out."""
    pack, module = removed(w, 1), code(7, maker="ZZ6")
    w.happen(IMPORTER, "battery.handed_over", pack, {}, parties=(RECYCLER,), cosign=(RECYCLER,))
    said = {"facility_licence": "L", "children": [module], "fates": [fate]}
    w.happen(RECYCLER, "battery.dismantled", pack, said, references=(subject_of(module),))
    w.publish(module, w.issue(module, by=RECYCLER))
    return pack, module


def put_into(w: World, module: str) -> str:
    """A pack of RECYCLER into which it put that module."""
    pack = stock(w, 2)
    w.happen(MAKER, "market.placed", pack, {"art_41_checked": True})
    w.happen(MAKER, "battery.handed_over", pack, {}, parties=(RECYCLER,), cosign=(RECYCLER,))
    said = {"work": "module", "child_in": module}
    w.happen(RECYCLER, "battery.maintained", pack, said, references=(subject_of(module),))
    return pack


def recalled(w: World, text: str) -> None:
    w.happen(MAKER, "battery.recalled", text, {"reason": "fire"})


def recalled_by_code(w: World, text: str) -> None:
    w.recall(MAKER, criteria=Criteria((text,), None, None))


def stolen(w: World, text: str) -> None:
    w.happen(EU_AUTHORITY, "battery.reported_lost", text, {"reference": "1"})


def certified(w: World, text: str) -> None:
    said = {"certificate": "c", "named_party": RECYCLER}
    w.happen(EU_AUTHORITY, "end_of_life.certified", text, said, parties=(RECYCLER,))


@pytest.mark.parametrize(
    ("met", "reason"),
    [
        (recalled, "part_recalled"),
        (recalled_by_code, "part_recalled"),
        (stolen, "part_lost"),
        (certified, "part_ended"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_what_a_part_came_of_binds_what_it_was_put_into(
    met: Callable[[World, str], None], reason: str, *, first: bool
) -> None:
    """
    A module of a pack that is recalled, stolen or ended is held, and so is whatever it was put into.
    """
    w = World(publishers=(MAKER, RECYCLER))
    old, module = taken_apart(w)
    if first:
        met(w, old)
    pack = put_into(w, module)
    if not first:
        assert used(w, pack)[0] in GOOD
        met(w, old)

    assert used(w, pack)[1] == reason


@pytest.mark.parametrize(("fate", "reason"), [("missing", "part_lost"), ("recycle", "part_ended")])
def test_the_fate_of_a_module_is_that_of_a_part(fate: str, reason: str) -> None:
    """
    Whoever took the old pack apart recorded it for recycling, or as missing. Kept back it is not known.
    """
    w = World(publishers=(MAKER, RECYCLER))
    _, module = taken_apart(w, fate)
    pack = put_into(w, module)
    assert used(w, pack)[1] == reason

    whole = w.evidence(pack)
    assert whole.ledger is not None
    (kin,) = whole.ledger.tied_kin.values()
    taken_out = admitted_at(kin.taken_out[0])
    assert taken_out is not None
    lacks = {taken_out.attestation.document_digest: Missing(MissingReason.WITHHELD)}
    kept_back = replace(whole, events={**whole.events, **lacks})
    told = judged(w, pack, evidence=kept_back, condition="used", **INLAND)
    assert (told["verdict"], told["reason"]) == ("undecided", "relatives_unread")


def out_of_a_pack(w: World, met: Callable[[World, str], None], *, first: bool) -> tuple[str, bytes]:
    """A second life of a module that its maker took out of a pack, and the repair by which it did."""
    pack, part, made = stock(w), code(7), code(5, maker="ZZ5")
    w.produce(part)
    w.publish(part)
    if first:
        met(w, pack)
    out = w.happen(
        MAKER, "battery.maintained", pack, {"work": "m", "child_out": part}, references=(subject_of(part),)
    )
    w.happen(MAKER, "market.placed", part, {"art_41_checked": True})
    w.happen(MAKER, "battery.handed_over", part, {}, parties=(SECOND_LIFE,), cosign=(SECOND_LIFE,))
    said, of = TESTED | {"successors": [made]}, (subject_of(made),)
    w.happen(SECOND_LIFE, "second_life.repurposed", part, said, cosign=(MAKER,), references=of)
    w.produce(made, by=SECOND_LIFE)
    w.publish(made, w.issue(made, by=SECOND_LIFE))
    assert first or judged(w, made, condition="second_life", **INLAND)["verdict"] in GOOD
    if not first:
        met(w, pack)
    return made, out


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("met", [recalled, recalled_by_code, lost])
def test_what_its_first_life_came_out_of_binds_a_second_one(
    met: Callable[[World, str], None], *, first: bool
) -> None:
    """
    I2: by a dismantling a module of a recalled or stolen pack is held in its second life; by a repair too.
    Lost once it was out it says nothing; nor does a repair that authorities voided.
    """
    w = World(publishers=(MAKER, SECOND_LIFE))
    made, out = out_of_a_pack(w, met, first=first)

    told = judged(w, made, condition="second_life", **INLAND)
    if met is lost and not first:
        assert told["verdict"] in GOOD
        return
    assert (told["verdict"], told["reason"]) == ("hold", "part_lost" if met is lost else "part_recalled")
    if met is recalled and not first:
        return  # another record follows it
    case, both = {"case": "1"}, (CN_AUTHORITY,)
    w.happen(EU_AUTHORITY, "attestation.voided", code(1), case, cosign=both, references=(out,))
    assert judged(w, made, condition="second_life", **INLAND)["verdict"] in GOOD


@pytest.mark.parametrize("met", [recalled, recalled_by_code])
def test_what_comes_out_of_a_part_is_a_part_of_the_same(met: Callable[[World, str], None]) -> None:
    """
    I2: a module came out of a pack by a repair, and a cell out of that module by a dismantling.
    """
    w = World(publishers=(MAKER, RECYCLER))
    pack, part, cell = stock(w), code(7), code(9, maker="ZZ6")
    w.produce(part)
    w.publish(part)
    said = {"work": "m", "child_out": part}
    w.happen(MAKER, "battery.maintained", pack, said, references=(subject_of(part),))
    w.happen(MAKER, "market.placed", part, {"art_41_checked": True})
    w.happen(MAKER, "battery.handed_over", part, {}, parties=(RECYCLER,), cosign=(RECYCLER,))
    w.happen(RECYCLER, "battery.declared_waste", part, {"reason": "worn"})
    apart = {"facility_licence": "L", "children": [cell], "fates": ["reuse"]}
    w.happen(RECYCLER, "battery.dismantled", part, apart, references=(subject_of(cell),))
    as_waste = {"condition": "waste", **INLAND}
    assert not reasons(w, cell) & {"part_recalled"}
    met(w, pack)

    assert "part_recalled" in reasons(w, cell)
    assert judged(w, cell, **as_waste)["reason"] != "part_recalled"  # for waste a recall is a note


def reasons(w: World, text: str) -> set[str]:
    return {c["reason"] for c in judged(w, text, condition="used", **INLAND)["checks"]}


def test_a_vehicle_is_held_by_what_its_other_battery_was_made_of() -> None:
    """
    A second life of a stolen battery is in a car: the other one, of the same party, goes nowhere in it.
    """
    w = World(publishers=(MAKER, SECOND_LIFE))
    old, made, shown = placed(w, 1), code(5, maker="ZZ5"), stock(w, 2)
    w.happen(IMPORTER, "battery.handed_over", old, {}, parties=(SECOND_LIFE,), cosign=(SECOND_LIFE,))
    said = TESTED | {"successors": [made]}
    of = (subject_of(made),)
    w.happen(SECOND_LIFE, "second_life.repurposed", old, said, cosign=(MAKER,), references=of)
    w.produce(made, by=SECOND_LIFE)
    w.publish(made, w.issue(made, by=SECOND_LIFE))
    w.happen(SECOND_LIFE, "battery.handed_over", made, {}, parties=(MAKER,), cosign=(MAKER,))
    for text in (made, shown):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)
    car = CAR | {"condition": "used"} | INLAND
    assert judged(w, shown, **car)["reason"] != "vehicle_held"
    stolen(w, old)

    assert judged(w, shown, **car)["reason"] == "vehicle_held"
