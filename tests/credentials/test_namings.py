"""What names a battery and is not state of it: not clear as new, and no stranger spoils it (I1, I5, I6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.ledger.namings import NAMINGS_MAX, Naming, Namings
from tests.credentials.test_shown import GOOD, VIN, check, installed, judged, placed, removed, shape
from tests.credentials.test_used_before import remanufactured, second_life_pack
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    lifecycle_table,
    make_genesis,
    rule_files,
)

INLAND: dict[str, Any] = {"head": {"direction": "inland"}, "policy_name": "recycler"}


def module(w: World, serial: int = 7, by: str = MAKER) -> str:
    """Produced and published, in its maker's hand."""
    text = code(serial, maker="ZZ3" if by == OTHER_MAKER else "ZZ1")
    w.produce(text, by=by)
    w.publish(text, w.issue(text, by=by))
    return text


def repaired(w: World, pack: str, *parts: str, by: str = WORKSHOP, cosign: tuple[str, ...] = ()) -> bytes:
    names = dict(zip(("child_out", "child_in"), parts, strict=False))
    said, about = {"work": "module", **names}, tuple(map(subject_of, parts))
    return w.happen(by, "battery.maintained", pack, said, references=about, cosign=cosign)


def found(w: World, text: str) -> list[tuple[str, str, str]]:
    """What each check of the verdict says."""
    return [(c["name"], c["outcome"], c["reason"]) for c in judged(w, text)["checks"]]


def sold_to(w: World, text: str, *parties: str) -> None:
    for party in parties:
        w.happen(MAKER, "battery.sold", text, {"invoice": "1"}, parties=(party,))


def by_its_maker(w: World, text: str, pack: str) -> None:
    repaired(w, pack, text, by=MAKER)


def by_whom_it_was_sold_to(w: World, text: str, pack: str) -> None:
    sold_to(w, text, WORKSHOP)
    repaired(w, pack, text)


def by_whom_it_was_handed_to(w: World, text: str, pack: str) -> None:
    """A spare part in an unbroken chain: its maker, a dealer, the workshop that puts it in."""
    for giver, taker in ((MAKER, IMPORTER), (IMPORTER, WORKSHOP)):
        w.happen(giver, "battery.handed_over", text, {"invoice": "1"}, parties=(taker,), cosign=(taker,))
    repaired(w, pack, text)


def with_its_holders_signature(w: World, text: str, pack: str) -> None:
    repaired(w, pack, text, cosign=(MAKER,))


BY_RIGHT = [by_its_maker, by_whom_it_was_sold_to, by_whom_it_was_handed_to, with_its_holders_signature]


@pytest.mark.parametrize("says", BY_RIGHT)
def test_what_a_repair_names_as_a_part_is_not_clear_as_new(says: Callable[[World, str, str], None]) -> None:
    """
    X7: by whoever makes such parts or has a right over this one; as used nothing is against it, and of a part
    that nobody repaired anything with nothing is said.
    """
    w = World()
    pack, text, other = installed(w, 1), module(w), module(w, 8)
    before = judged(w, text)
    assert before["verdict"] in GOOD
    says(w, text, pack)

    assert shape(judged(w, text)) == ("undecided", "part_of_used")
    used = check(judged(w, text, condition="used"), "standing.state")
    assert [c["reason"] for c in used] == ["part_named", "ok"]
    assert judged(w, other)["verdict"] in GOOD


def test_a_part_of_stock_that_was_reworked_is_not_clear_once_that_was_used() -> None:
    """
    Put into a pack that was not sold yet, it is clear with a note; not once the pack is in use.
    """
    w = World()
    pack, text = code(1), module(w)
    w.produce(pack)
    w.publish(pack)
    repaired(w, pack, text, by=MAKER)
    told = judged(w, text)
    assert told["verdict"] in GOOD and [c["reason"] for c in check(told, "standing.state")] == [
        "part_named",
        "ok",
    ]

    w.happen(MAKER, "market.placed", pack, {"art_41_checked": True}, parties=(WORKSHOP,))
    w.happen(WORKSHOP, "battery.installed", pack, {"vin": VIN}, bound_asset=subject_of(VIN))

    assert shape(judged(w, text)) == ("undecided", "part_of_used")


@pytest.mark.parametrize("swapped", [False, True])
def test_what_was_repaired_with_a_used_part_is_not_new(*, swapped: bool) -> None:
    """
    I1, 0945: never sold and reworked with a battery that was in a car, or that came out of one, it is held as
    new; with a new part it is as clear as before. A network whose table does not say so keeps its bytes.
    """
    w = World()
    used, pack, other = removed(w, 7), code(1), code(2)
    for text in (pack, other):
        w.produce(text)
        w.publish(text)
    parts = (module(w, 8), used) if swapped else (used,)
    repaired(w, pack, *parts, by=MAKER)
    repaired(w, other, module(w, 9), by=MAKER)

    assert w.ledger.standing(subject_of(pack)).marks == ("used_part",)
    assert shape(judged(w, pack)) == ("hold", "used_sold_as_new")
    assert judged(w, other)["verdict"] in GOOD

    table = lifecycle_table()
    del next(event for event in table["events"] if event["type"] == "battery.maintained")["marks_used_part"]
    w.ledger.go_by(table)
    repaired(w, other, used, by=MAKER)
    assert w.ledger.standing(subject_of(other)).marks == ()


def of_a_pack_in_use(w: World, part: str) -> None:
    """Its maker took it out of a pack that is in a car: that repair alone says so."""
    repaired(w, installed(w, 1), part, by=MAKER)


def burnt(w: World, part: str) -> None:
    w.happen(MAKER, "negative_event", part, {"event_kind": "fire"})


def out_of_what_was_a_part(w: World, part: str) -> None:
    """Out of a module that itself came out of a pack in use."""
    inner = module(w, 12)
    of_a_pack_in_use(w, inner)
    repaired(w, inner, part, by=MAKER)


@pytest.mark.parametrize("known", [True, False], ids=["now", "before"])
@pytest.mark.parametrize("says", [of_a_pack_in_use, burnt, out_of_what_was_a_part])
def test_stock_with_a_part_whose_use_no_mark_shows_is_not_new(
    says: Callable[[World, str], None], *, known: bool
) -> None:
    """
    I1, I6, 0969: a part has no mark of what a repair says of it, nor of a fire. What is reworked with it is
    held as new all the same, as with a part that has marks. Rules from before judge as they did.
    """
    table = lifecycle_table()
    if not known:
        del next(event for event in table["events"] if event["type"] == "battery.maintained")["used_part_by"]
    files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
    w = World(Ledger(make_genesis(rule_files=files)))
    part, stock, other = module(w, 7), module(w, 8), module(w, 9)
    says(w, part)

    repaired(w, stock, part, by=MAKER)
    repaired(w, other, module(w, 10), by=MAKER)

    told = judged(w, stock)
    assert shape(told) == ("hold", "used_sold_as_new") if known else told["verdict"] in GOOD
    assert judged(w, other)["verdict"] in GOOD


def test_a_part_of_what_was_used_by_a_reading_alone_or_burnt_is_not_new() -> None:
    """
    X7, 0969: the pack has no mark; a reading that no new battery has shows its use, or a statement does.
    """
    for shows in ("reading", "fire", "nothing"):
        w = World()
        pack, text = module(w, 1), module(w)
        if shows == "reading":
            sold_to(w, pack, WORKSHOP)
            read = {"cycles": 2_000, "soh_permille": 1_000}
            said = {"method": "m", "measured_on": "2027-01-15", **read}
            w.happen(WORKSHOP, "soh.measured", pack, said, quantities=read)
        elif shows == "fire":
            burnt(w, pack)
        repaired(w, pack, text, by=MAKER)

        told = judged(w, text)
        assert shape(told) == ("undecided", "part_of_used") if shows != "nothing" else told["verdict"] in GOOD


@pytest.mark.parametrize("direction", ["import", "export"])
@pytest.mark.parametrize("condition", ["repair", "return"])
def test_a_part_of_what_was_used_crosses_for_repair_as_what_was_used(condition: str, direction: str) -> None:
    """
    X19, 0969: declared for repair it was clear without any evidence, where as used it needs its record.
    """
    w = World()
    pack, text, other = installed(w, 1), module(w), module(w, 8)
    line = {"condition": condition, "direction": direction}
    assert judged(w, text, **line)["verdict"] in GOOD
    repaired(w, pack, text, by=MAKER)

    assert shape(judged(w, text, **line)) == ("undecided", "return_not_checked")
    assert judged(w, other, **line)["verdict"] in GOOD


def test_a_second_life_that_was_repaired_with_a_used_part_is_one_as_before() -> None:
    """
    It was made of what was used: another such part makes no other battery of it.
    """
    w = World(publishers=(MAKER, SECOND_LIFE))
    text = second_life_pack(w)
    before = judged(w, text, condition="second_life")
    assert before["verdict"] in GOOD
    repaired(w, text, removed(w, 7), by=SECOND_LIFE, cosign=())

    assert "used_part" in w.ledger.standing(subject_of(text)).marks
    assert shape(judged(w, text, condition="second_life")) == shape(before)


def placed_stock(w: World) -> str:
    """Placed on the market and never installed: it is still its holder's, who holds the pack as well."""
    text = w.new(4)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True})
    return text


@pytest.mark.parametrize("stock", [module, placed_stock])
@pytest.mark.parametrize("repairs", [1, NAMINGS_MAX + 1])
def test_a_trade_that_has_no_right_over_a_part_spoils_it_by_no_repair(
    stock: Callable[[World], str], repairs: int
) -> None:
    """
    I5: one repair of any pack in use named an honest module in its maker's stock, or in the pack's holder's,
    and it was undecided as new. It is a claim: one of a party, a warning, with the repair's place in the log.
    """
    w = World()
    pack, text = installed(w, 1), stock(w)
    before, words = shape(judged(w, text)), found(w, text)
    leaf = len(w.leaves)
    for _ in range(repairs):
        repaired(w, pack, text)

    assert shape(judged(w, text)) == before
    assert [row for row in found(w, text) if row not in words] == [("standing.claims", "warn", "claimed")]
    (claim,) = check(judged(w, text), "standing.claims")
    told = {"by": WORKSHOP, "kind": "battery.maintained", "leaf_index": leaf}
    assert (claim["evidence"]["count"], claim["evidence"]["first"]) == (1, [told])
    assert w.leaves[leaf].leaf_index == leaf


def test_a_network_whose_table_knows_no_right_to_name_hears_the_trade_as_before() -> None:
    """
    What a repair names in the same hands is kept as what could be known, byte for byte, until it decides on
    the new table.
    """
    table = lifecycle_table()
    del table["namings_by_right"]
    files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
    w = World(Ledger(make_genesis(rule_files=files)))
    pack, text = installed(w, 1), module(w)
    repaired(w, pack, text)

    assert shape(judged(w, text)) == ("undecided", "part_of_used")
    assert "standing.claims" not in {name for name, outcome, _ in found(w, text) if outcome == "warn"}


def test_a_repair_says_nothing_of_a_battery_that_is_elsewhere() -> None:
    """
    I5: of another maker's and of one that was sold it is a claim, and nothing of a code that nobody made yet.
    """
    w = World()
    pack = installed(w, 1)
    theirs, sold, unborn = module(w, 2, by=OTHER_MAKER), placed(w, 3), code(9)
    w.happen(IMPORTER, "battery.handed_over", sold, {"invoice": "1"}, parties=(RIVAL,), cosign=(RIVAL,))
    words = [shape(judged(w, text)) for text in (theirs, sold)]
    for text in (theirs, sold, unborn):
        repaired(w, pack, text)
    w.produce(unborn)
    w.publish(unborn)

    assert [shape(judged(w, text)) for text in (theirs, sold)] == words
    assert all(("standing.claims", "warn", "claimed") in found(w, text) for text in (theirs, sold))
    assert judged(w, unborn)["verdict"] in GOOD
    assert ("standing.claims", "warn", "claimed") not in found(w, unborn)


@pytest.mark.parametrize("how", ["withdrawn", "voided", "corrected"])
def test_who_was_not_there_takes_a_naming_back(how: str) -> None:
    """
    One authority of the place withdraws what a workshop said, or all void it; its author does not unsay it.
    """
    w = World()
    pack, text = installed(w, 1), module(w)
    sold_to(w, text, WORKSHOP)
    lie = repaired(w, pack, text)
    if how == "withdrawn":
        w.happen(EU_AUTHORITY, "record.withdrawn", pack, {"case": "1", "reason": "r"}, references=(lie,))
    elif how == "voided":
        w.happen(
            EU_AUTHORITY, "attestation.voided", pack, {"case": "1", "reason": "r"}, references=(lie,),
            cosign=(CN_AUTHORITY,),
        )  # fmt: skip
    else:
        w.happen(WORKSHOP, "attestation.corrected", pack, {"reason": "r"}, references=(lie,))

    assert (judged(w, text)["verdict"] in GOOD) == (how != "corrected")


@pytest.mark.parametrize("repairs", [1, NAMINGS_MAX, 2 * NAMINGS_MAX])
def test_one_workshop_fills_no_places_of_an_honest_battery(repairs: int) -> None:
    """
    I5: however often who was named for it names it as a part, as used it keeps its word, and as new the word
    that one naming gives. (It named it eight times and once more: where it came from was "not read".)
    """
    w = World()
    pack, text = installed(w, 1), module(w)
    sold_to(w, text, WORKSHOP)
    for _ in range(repairs):
        repaired(w, pack, text)

    used = judged(w, text, condition="used")
    assert "relatives_unread" not in {c["reason"] for c in used["checks"]}
    assert shape(judged(w, text)) == ("undecided", "part_of_used")


def test_where_it_came_from_is_read_whatever_names_it_as_a_part() -> None:
    """
    I6: no number of repairs crowds out what its own maker said, nor the other way round; more than is kept of
    repairs is no question to what is used, and to what is new it is.
    """
    w = World(publishers=(MAKER, SECOND_LIFE))
    old, pack, text = taken_out(w), installed(w, 3), code(5, "ZZ5")
    w.produce(text, by=SECOND_LIFE)
    w.publish(text, w.issue(text, by=SECOND_LIFE))
    w.happen(SECOND_LIFE, "battery.sold", text, {"invoice": "I"}, parties=(WORKSHOP,))
    for _ in range(NAMINGS_MAX + 1):
        repaired(w, pack, text)
    claimed(w, old, text)

    told = judged(w, text, condition="used", **INLAND)

    reasons = [c["reason"] for c in check(told, "standing.state")]
    assert reasons.count("part_named") == NAMINGS_MAX and reasons.count("origin_told") == 1


def test_a_network_that_founded_on_the_table_before_keeps_its_namings() -> None:
    """
    The first eight of whatever sort, as its blocks say; then nobody knows what the ninth says.
    """
    of, by = bytes(32), "did:web:w.example"
    sorts = [False] * NAMINGS_MAX + [True]
    for apart in (False, True):
        found = Namings(bytes(32))
        for leaf, origin in enumerate(sorts):
            kind = "second_life.remanufactured" if origin else "battery.maintained"
            kinds = {"battery.maintained"} if apart else None
            found = found.with_naming(Naming(of, kind, by, bytes([leaf]) * 32, leaf), kinds)
        assert found.count == len(sorts) and Namings.decode(found.encode()) == found
        assert len(found.first) == NAMINGS_MAX + apart
        assert found.origin_unread({"battery.maintained"}) is not apart
        later = found.with_naming(Naming(of, "battery.maintained", by, bytes(32), 99), {"battery.maintained"})
        assert later.apart is apart and later.count == found.count + 1 and later.first == found.first


# -- a second life that does not count ------------------------------------------------------------------


def taken_out(w: World) -> str:
    """In use, taken out, and in the hands of the importer, who named nobody for what comes next."""
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP,))
    for kind in ("battery.installed", "battery.swapped_out"):
        w.happen(WORKSHOP, kind, text, {"vin": VIN}, bound_asset=subject_of(VIN))
    w.happen(MAKER, "battery.handed_over", text, {"invoice": "1"}, parties=(IMPORTER,), cosign=(IMPORTER,))
    return text


def named(w: World, text: str) -> None:
    w.happen(IMPORTER, "battery.sold", text, {"invoice": "1"}, parties=(SECOND_LIFE,))


def claimed(w: World, old: str, new: str) -> None:
    """A second life of what somebody else holds, by who makes the code of the successor."""
    remanufactured(w, old, new)


def refused(w: World, old: str, new: str) -> None:
    """A second successor of what became another one already (X8)."""
    named(w, old)
    remanufactured(w, old, code(51, "ZZ5"))
    remanufactured(w, old, new)


def produced_of(w: World, old: str, new: str) -> None:
    """Produced out of what became another one (X8), and then once more out of nothing."""
    named(w, old)
    remanufactured(w, old, code(51, "ZZ5"))
    w.happen(
        SECOND_LIFE, "battery.produced", new, {"production_date": "2026-06-03", "category": "ev"},
        references=(subject_of(old),),
    )  # fmt: skip


def taken_apart(w: World, old: str, new: str) -> None:
    """A dismantling of what somebody else holds, into a module of the dismantler's own."""
    w.happen(RECYCLER, "battery.dismantled", old, {"facility_licence": "L"}, references=(subject_of(new),))


@pytest.mark.parametrize("says", [claimed, refused, produced_of, taken_apart])
@pytest.mark.parametrize("condition", ["new", "used"])
def test_what_was_said_to_come_of_another_is_not_clear(
    says: Callable[[World, str, str], None], condition: str
) -> None:
    """
    X8: that its maker said so itself and was not heard, and then produced the code as if it came of nothing.
    """
    w = World(publishers=(MAKER, SECOND_LIFE, RECYCLER))
    by, maker = (RECYCLER, "ZZ6") if says is taken_apart else (SECOND_LIFE, "ZZ5")
    old, new, other = taken_out(w), code(5, maker), code(6, maker)
    says(w, old, new)
    for text in (new, other):
        w.produce(text, by=by)
        w.publish(text, w.issue(text, by=by))

    told = judged(w, new, condition=condition, **INLAND)

    assert (told["verdict"], "origin_told") in {
        (told["verdict"], c["reason"]) for c in check(told, "standing.state")
    }
    assert told["verdict"] not in GOOD
    if condition == "new":
        assert shape(told) == ("undecided", "origin_told")
        assert judged(w, other, **INLAND)["verdict"] in GOOD


def test_a_second_life_that_counts_in_the_end_is_judged_as_that() -> None:
    """
    Claimed before its holder named the author, and recorded afterwards: no question is left.
    """
    w = World(publishers=(MAKER, SECOND_LIFE))
    old, new = taken_out(w), code(5, "ZZ5")
    claimed(w, old, new)
    named(w, old)
    remanufactured(w, old, new)
    w.produce(new, by=SECOND_LIFE)
    w.publish(new, w.issue(new, by=SECOND_LIFE))

    told = judged(w, new)

    assert shape(told) == ("hold", "used_sold_as_new")
    assert "origin_told" not in {c["reason"] for c in told["checks"]}


def test_what_a_stranger_says_that_it_came_of_is_nothing_to_it() -> None:
    """
    I5: named a successor by whoever neither makes such codes nor has it, nor was signed for by who has.
    """
    w = World()
    old, text = taken_out(w), module(w, by=OTHER_MAKER)
    before = found(w, text)
    w.happen(RECYCLER, "battery.dismantled", old, {"x": "y"}, references=(subject_of(text),))
    with pytest.raises(Refusal, match="a successor is a code of"):  # not even a claim about the other
        w.happen(
            SECOND_LIFE,
            "second_life.remanufactured",
            old,
            {"x": "y"},
            references=(subject_of(text),),
            cosign=(MAKER,),
        )

    assert found(w, text) == before
