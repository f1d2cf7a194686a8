"""The law restated (tests/harness/opinion) finds what is wrong in table, rules, rights and verdict."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from credentials.ledger import admission, descendants, effects, linked_records, namings, told_late, undo
from credentials.ledger.attestation import standing_key
from credentials.ledger.governance import Governance
from credentials.ledger.speaking import Voice
from credentials.ledger.standing import Standing, Undo
from credentials.verdicts import battery, cell, contents, record, repaired, shown, used
from credentials.verdicts import shown as shown_rows
from credentials.verdicts.record import Record, Recorded
from tests.credentials.test_second_opinion import new_findings, taken
from tests.harness.ledger import lifecycle_table
from tests.harness.opinion.acts import Act
from tests.harness.opinion.alphabet import CAR, OTHER_CAR, OURS, WATCH_DECKS, more_acts_of
from tests.harness.opinion.bounds import BESIDE_USED, OTHERS_REPAIR, OWN_REPAIR, USED_PART, Shown, too_good
from tests.harness.opinion.bugs import BUGS, MADE_FOR, patched, table_changed
from tests.harness.opinion.explore import explore
from tests.harness.opinion.histories import many
from tests.harness.opinion.law import Archive, after
from tests.harness.opinion.names import further
from tests.harness.opinion.ordinary import expected
from tests.harness.opinion.parties import (
    CN_AUTHORITY,
    CN_CUSTOMS,
    EU_AUTHORITY,
    EU_CUSTOMS,
    HOLDER,
    MAKER,
    RIVAL,
    STRANGER,
)
from tests.harness.opinion.record import broken
from tests.harness.opinion.speaking import may_speak
from tests.harness.opinion.stage import STATE, Stage, ledger_of


def taken_apart() -> list[str]:
    """What the opinion has against the record of a module that its dismantler had in hand, made by itself."""
    stage, archive = Stage.new(), Archive()
    for code in ("A", "B"):
        made = Act(MAKER, "battery.produced", code)
        given = Act(MAKER, "battery.handed_over", code, parties=(HOLDER,), countersigned=(HOLDER,))
        archive = taken(stage, taken(stage, archive, made), given)
    archive = taken(stage, archive, Act(HOLDER, "battery.declared_waste", "A"))
    apart = Act(HOLDER, "battery.dismantled", "A", others=("B",), countersigned=(MAKER,))
    archive = taken(stage, archive, apart)
    return [about for about, _ in broken(archive.of("B"), stage.standing("B"))]


def test_a_module_that_stays_as_it_was_made_is_found() -> None:
    """
    I1: what came out of a waste pack is not just produced any more; where the table does not say so, it is.
    """
    assert taken_apart() == []
    with table_changed("battery.dismantled", "effects", {"claims_children": True, "fact": "dismantled"}):
        assert taken_apart() == ["state"]


@pytest.mark.check
def test_what_is_told_late_and_not_heard_or_told_by_anybody_is_found() -> None:
    """
    I5, I6: where nothing is told late, and where whoever has a licence tells everything late, random
    histories say so.
    """
    voice = told_late._voice

    def anybodys(then: Standing, now: Standing, *about: Any) -> Voice | None:
        return voice(then, now, *about) if then is now else Voice("CN")

    with patched(admission, "told_late", lambda *_: None):
        unheard = many(range(4, 5), 100)
    with patched(told_late, "_voice", anybodys):
        anybody = many(range(3, 4), 100)

    assert not many(range(3, 5), 100).findings
    assert "untold" in {f.kind for f in unheard.findings.values()}
    assert "speaks" in {f.kind for f in anybody.findings.values()}


def in_recycling() -> tuple[Stage, Archive]:
    stage, archive = Stage.new(), Archive()
    for act in (
        Act(MAKER, "battery.produced", "A"),
        Act(MAKER, "battery.handed_over", "A", parties=(HOLDER,), countersigned=(HOLDER,)),
        Act(HOLDER, "battery.declared_waste", "A"),
        Act(HOLDER, "recycling.received", "A"),
    ):
        archive = taken(stage, archive, act)
    return stage, archive


def weighed_wrongly(event: str, *before: Act) -> set[str]:
    """Which weights of a recycler cannot all be true, and the ledger takes them all the same."""
    stage, archive = in_recycling()
    for act in before:
        archive = taken(stage, archive, act)
    acts = [act for act in more_acts_of(event, "A", archive, ("A",)) if act.by == HOLDER]
    lawful = [act for act in acts if may_speak(archive, act)]
    assert 0 < len(lawful) < len(acts) and all(stage.would(act)[0] == STATE for act in lawful)
    return {str(act.weights) for act in acts if act not in lawful and stage.would(act)[0] == STATE}


def without(event: str, bound: str) -> dict[str, Any]:
    """The members of an event without what says what bounds them."""
    members = next(e for e in lifecycle_table()["events"] if e["type"] == event)["members"]
    return {name: {k: v for k, v in m.items() if k != bound} for name, m in members.items()}


RECYCLED = Act(HOLDER, "recycling.completed", "A")
LOT = Act(HOLDER, "material.recovered", "A", weights=(("mass_grams", 250),))


@pytest.mark.parametrize(
    ("event", "bound", "before", "taken_for_true"),
    [("recycling.completed", "at_most", (), 2), ("recycling.completed", "part_of", (), 2),
     ("material.recovered", "part_of", (RECYCLED,), 1),
     ("material.recovered", "part_of", (RECYCLED, LOT), 2)],
)  # fmt: skip
def test_more_than_went_in_is_found(
    event: str, bound: str, before: tuple[Act, ...], taken_for_true: int
) -> None:
    """
    X13: where the table does not say what bounds what is recovered, as in a network that was founded before
    it did, the ledger takes it, and the law holds that against it.
    """
    assert weighed_wrongly(event, *before) == set()
    with table_changed(event, "members", without(event, bound)):
        assert len(weighed_wrongly(event, *before)) == taken_for_true


ON_SHELF = tuple(
    act
    for battery in ("A", "B")
    for act in (
        Act(MAKER, "battery.produced", battery),
        Act(MAKER, "passport.published", battery, version=1),
    )
)


def said_too_well(*acts: Act | None, **shown: Any) -> set[str]:
    """On which grounds the verdict on A after these acts, shown so, is better than the law allows.

    None: an hour passes.
    """
    stage, archive = Stage.new(), Archive()
    for act in acts:
        if act is None:
            stage.hour()
        archive = archive.hour() if act is None else taken(stage, archive, act)
    asked = Shown(**shown)
    word = stage.word("A", asked, CAR)
    return {ground for _, ground in too_good(archive.bound("A"), asked, word)}


def test_what_was_repaired_with_a_used_part_and_is_new_is_found() -> None:
    """
    I1: where the table leaves no mark of it, the law holds that against the verdict.
    """
    used = (
        Act(MAKER, "market.placed", "B", parties=(HOLDER,)),
        Act(HOLDER, "battery.installed", "B", vehicle=CAR),
    )
    acts = (*ON_SHELF, *used, Act(MAKER, "battery.maintained", "A", others=("B",)))

    assert said_too_well(*acts) == set()
    with table_changed("battery.maintained", "marks_used_part", None):
        assert said_too_well(*acts) == {"as new, with marks of use: used_part"}


def test_what_was_put_into_another_vehicle_before_and_is_new_in_this_is_found() -> None:
    """
    I1, I6: in place of another battery, which is all that says so; where the table does not keep it, nobody
    knows.
    """
    placed = [Act(MAKER, "market.placed", battery, parties=(HOLDER,)) for battery in ("A", "B")]
    replaced = Act(HOLDER, "battery.replaced", "B", vehicle=OTHER_CAR, others=("A",))
    installed = Act(HOLDER, "battery.installed", "B", vehicle=OTHER_CAR)
    acts = (*ON_SHELF, *placed, installed, replaced, Act(HOLDER, "battery.installed", "A", vehicle=CAR))
    shown = {"direction": "export", "goods": "in_vehicle"}

    assert said_too_well(*acts, **shown) == set()
    with table_changed("battery.replaced", "marks_named_again", None):
        assert said_too_well(*acts, **shown) == {"as new, with marks of use: in_second_vehicle"}


def test_what_comes_in_under_a_declaration_that_another_office_closed_is_found() -> None:
    """
    I4: taken on in transit, and closed where it went.
    """
    acts = (
        *ON_SHELF,
        Act(MAKER, "battery.exported", "A", parties=(HOLDER,)),
        Act(HOLDER, "battery.presented", "A", declaration=OURS),
        Act(EU_CUSTOMS, "customs.moved", "A", parties=(CN_CUSTOMS,)),
        Act(CN_CUSTOMS, "customs.released", "A"),
        Act(MAKER, "battery.exported", "A", parties=(HOLDER,)),
    )

    assert said_too_well(*acts) == set()
    with patched(cell, "_closed", lambda *_: False):
        assert said_too_well(*acts) == {"declaration closed"}


def test_a_production_that_is_redated_out_of_a_recall_is_found() -> None:
    """
    I2: nobody but whoever recalled it lifts that; where the table does not mind, the maker does.
    """
    made = Act(MAKER, "battery.produced", "A")
    corrected = Act(MAKER, "attestation.corrected", "A", undoes=made)

    def says(by: str) -> tuple[bool, bool]:
        stage, archive = Stage.new(), Archive()
        for act in (made, Act(by, "recall.published", "A", scope="days")):
            archive = taken(stage, archive, act)
        return stage.would(corrected)[0] == STATE, may_speak(archive, corrected)

    assert says(CN_AUTHORITY) == (False, False) and says(MAKER) == (True, True)
    with table_changed("attestation.corrected", "effects", {"undo": "correct"}):
        assert says(CN_AUTHORITY) == (True, False)


OUT_OF_USE = (
    Act(MAKER, "market.placed", "A", parties=(HOLDER,)),
    Act(HOLDER, "battery.installed", "A", vehicle=CAR),
    Act(HOLDER, "battery.swapped_out", "A", vehicle=CAR),
)


def taken_out(fate: str, *, pack: str = "A", inside: str = "B") -> list[Act]:
    """A pack out of a vehicle, taken apart into what its maker said is in it."""
    made = Act(MAKER, "battery.produced", pack, inside=(inside,))
    apart = Act(HOLDER, "battery.dismantled", pack, others=(inside,), countersigned=(MAKER,), fates=(fate,))
    return [made, *(replace(act, battery=pack) for act in OUT_OF_USE), apart]


@pytest.mark.parametrize("fate", ["recycle", "missing"])
def test_a_fate_that_binds_nothing_is_found(fate: str) -> None:
    """
    X8: where no verdict reads what a dismantling says of a module, the law holds that against the verdict.
    """
    sight = Shown("CN", condition="used", direction="inland")
    stage, archive = Stage.new(), Archive()
    for act in (*taken_out(fate), Act(MAKER, "passport.published", "B", version=1)):
        archive = taken(stage, archive, act)
    file = archive.bound("B")

    assert too_good(file, sight, stage.word("B", sight)) == []
    with patched(shown, "tell_fates", lambda *_: False):
        found = [ground for _, ground in too_good(file, sight, stage.word("B", sight))]
    assert len(found) == 1


@pytest.mark.parametrize("fate", ["recycle", "missing"])
def test_a_fate_of_the_pack_under_its_link_that_binds_nothing_is_found(fate: str) -> None:
    """
    X1, X8: taken out of another battery under the link that its passport names, apart under its code.
    """
    sight = Shown("CN", condition="used", direction="inland")
    stage, archive = Stage.new(), Archive()
    made, *out, apart = taken_out("reuse", pack="B", inside="C")
    for act in (
        *taken_out(fate, inside="L"),
        made,
        Act(MAKER, "passport.published", "B", version=1, names=("L",)),
        *out,
        apart,
        Act(MAKER, "passport.published", "C", version=1),
    ):
        archive = taken(stage, archive, act)
    file = archive.bound("C")

    assert too_good(file, sight, stage.word("C", sight)) == []
    with patched(record, "_called", lambda key, _: [key]):
        found = [ground for _, ground in too_good(file, sight, stage.word("C", sight))]
    assert len(found) == 1


def test_a_further_code_that_nobody_reads_is_found() -> None:
    """
    I1: in a vehicle under the code that its passport names, it is no new battery on the shelf.
    """
    sight = Shown("CN", direction="inland")
    stage, archive = Stage.new(), Archive()
    for act in (
        *(Act(MAKER, "battery.produced", code) for code in ("A", "L")),
        Act(MAKER, "passport.published", "A", version=1, names=("L",)),
        Act(MAKER, "battery.sold", "L", parties=(HOLDER,)),
        Act(HOLDER, "battery.installed", "L", vehicle=CAR),
    ):
        archive = taken(stage, archive, act)
    file, beside = archive.bound("A"), [archive.bound(code) for code in further(archive, "A")]

    assert too_good(file, sight, stage.word("A", sight), beside) == []
    with patched(battery, "check_alias", lambda *_: None):
        found = {ground for _, ground in too_good(file, sight, stage.word("A", sight), beside)}
    assert found == {
        "under a further code: as new, with marks of use: installed",
        "under a further code: in a vehicle, shown loose",
    }


def test_what_was_never_in_a_pack_does_not_come_out_of_it() -> None:
    """
    I5: a stranger's battery that a maker says is in its pack. Where the ledger lets it be taken out, the law
    does not.
    """
    *before, apart = taken_out("reuse", inside="R1")
    stage, archive = Stage.new(), Archive()
    for act in (Act(RIVAL, "battery.produced", "R1"), *before):
        archive = taken(stage, archive, act)

    assert stage.would(apart)[0] != STATE
    with patched(descendants, "could_commit", lambda *_: True):
        assert stage.would(apart)[0] == STATE
    assert not may_speak(archive, apart)


def told_late_to_be_apart() -> tuple[Stage, Archive]:
    """B is its maker's stock by its record, and in A by its word; A is sold, and then told to be apart."""
    *made, apart = taken_out("reuse")
    stage, archive = Stage.new(), Archive()
    for act in (*made, *(replace(act, battery="B") for act in ON_SHELF[:2])):
        archive = taken(stage, archive, act)
    stage.hour()
    archive = archive.hour()
    handed = Act(MAKER, "battery.handed_over", "A", parties=(RIVAL,), countersigned=(RIVAL,))
    archive = taken(stage, archive, handed)
    said = replace(apart, ago=1, countersigned=())  # by who was named for it, and needs nobody
    outcome, step = stage.would(said)
    late = replace(said, late=stage.told_late(said, step))
    assert outcome == STATE and late.late and may_speak(archive, late)
    stage.take(said, step)
    return stage, after(archive, late)


def test_a_module_out_of_a_pack_that_is_told_late_and_is_new_is_found() -> None:
    """
    I1: where nobody hears what the pack's maker gave into it, the law holds that against the verdict.
    """
    sight = Shown("CN", direction="inland")

    def too_well() -> set[str]:
        stage, archive = told_late_to_be_apart()
        word = stage.word("B", sight)
        return {ground for _, ground in too_good(archive.bound("B"), sight, word)}

    assert too_well() == set()
    with patched(namings, "_given", lambda *_: frozenset()):
        assert too_well() == {"said to be made of another"}


IN_A_CAR = (
    Act(MAKER, "market.placed", "B", parties=(HOLDER,)),
    Act(HOLDER, "battery.installed", "B", vehicle=CAR),
)
IN_A_PACK = (
    Act(MAKER, "battery.handed_over", "B", parties=(HOLDER,), countersigned=(HOLDER,)),
    Act(HOLDER, "battery.declared_waste", "B"),
)


@pytest.mark.parametrize(
    ("before", "told", "ground"),
    [
        (
            IN_A_CAR,
            Act(HOLDER, "battery.maintained", "B", others=("A",), ago=1),
            "a part of a battery in use",
        ),
        (
            IN_A_CAR,
            Act(HOLDER, "battery.replaced", "B", others=("A",), vehicle=CAR, ago=1),
            "as new, with marks of use: installed",
        ),
        (IN_A_PACK, Act(HOLDER, "battery.dismantled", "B", others=("A",), ago=1), ""),
    ],
    ids=lambda given: given.event if isinstance(given, Act) else "",
)
def test_a_word_on_what_was_sold_on_since_that_is_not_heard_is_found(
    before: tuple[Act, ...], told: Act, ground: str
) -> None:
    """
    I1, I6: HOLDER had A in hand, sold it on, and then tells what it did with it. Where the ledger hears who
    has it now alone, A is new, or nobody may tell it; the law holds either against it.
    """
    sight = Shown("CN", direction="inland")

    def heard() -> tuple[bool, set[str]]:
        stage, archive = Stage.new(), Archive()
        given = Act(MAKER, "battery.handed_over", "A", parties=(HOLDER,), countersigned=(HOLDER,))
        for act in (*ON_SHELF, given, *before):
            archive = taken(stage, archive, act)
        stage.hour()
        archive = archive.hour()
        on = Act(HOLDER, "battery.handed_over", "A", parties=(RIVAL,), countersigned=(RIVAL,))
        archive = taken(stage, archive, on)
        outcome, step = stage.would(told)
        assert may_speak(archive, told)
        if outcome != STATE:
            return False, set()
        stage.take(told, step)
        archive = after(archive, told)
        found = too_good(archive.bound("A"), sight, stage.word("A", sight))
        return True, {text for _, text in found}

    assert heard() == (True, set())
    table = lifecycle_table()
    del table["hears_of_then"]
    files = {"lifecycle.json": json.dumps(table).encode()}
    with patched(ledger_of, "rule_files", lambda: files):
        recorded, found = heard()
    assert recorded == bool(ground) and all(text.startswith(ground) for text in found)
    assert bool(found) == recorded


TO_BOTH = tuple(Act(MAKER, "market.placed", battery, parties=(HOLDER,)) for battery in ("A", "B"))
INTO = tuple(Act(HOLDER, "battery.installed", battery, vehicle=CAR) for battery in ("A", "B"))
OUT_OF_IT = tuple(replace(act, event="battery.swapped_out") for act in INTO)


def lacking(member: str) -> AbstractContextManager[None]:
    """The table without one of its own members."""
    table = lifecycle_table()
    del table[member]
    files = {"lifecycle.json": json.dumps(table).encode()}
    return patched(ledger_of, "rule_files", lambda: files)


def too_good_once_told(acts: Sequence[Act | None], told: Act, shown: Shown) -> set[str]:
    """The grounds on which the word about A is too good once this is told late; None: an hour passes."""
    stage, archive = Stage.new(), Archive()
    for act in acts:
        if act is None:
            stage.hour()
        archive = archive.hour() if act is None else taken(stage, archive, act)
    outcome, step = stage.would(told)
    late = replace(told, late=stage.told_late(told, step))
    assert outcome == STATE and late.late and may_speak(archive, late)
    stage.take(told, step)
    archive = after(archive, late)
    return {ground for _, ground in too_good(archive.bound("A"), shown, stage.word("A", shown, CAR))}


@pytest.mark.parametrize("left", [True, False], ids=["left since", "in there still"])
def test_a_vehicle_that_is_told_late_to_be_scrapped_and_ends_nothing_else_is_found(*, left: bool) -> None:
    """
    I6, 0968: the battery about which it is told left since; so did the other one, or it is in there still.
    """
    scrapped = Act(HOLDER, "vehicle.scrapped", "B", vehicle=CAR, others=("A",), ago=1)
    shown = {"direction": "inland", "condition": "used", "jurisdiction": "CN"}
    shown |= {} if left else {"goods": "in_vehicle"}

    acts = (*ON_SHELF, *TO_BOTH, *INTO, None, *(OUT_OF_IT if left else OUT_OF_IT[1:]))

    def found() -> set[str]:
        return too_good_once_told(acts, scrapped, Shown(**shown))

    assert found() == set()
    with lacking("vehicles_of_then"):
        assert found() == {"waste, shown as used" if left else "its vehicle was scrapped with it"}


def test_a_vehicle_that_was_on_the_road_and_is_told_late_is_found() -> None:
    """
    I6, 0991: sold, then taken abroad with its batteries, and recorded after that; the other battery is asked.
    """
    given = (
        Act(MAKER, "battery.handed_over", battery, parties=(HOLDER,), countersigned=(HOLDER,))
        for battery in ("A", "B")
    )
    abroad = tuple(Act(HOLDER, "battery.exported", battery) for battery in ("A", "B"))
    sold = Act(HOLDER, "vehicle.sold", "B", vehicle=CAR, ago=1)
    shown = Shown(goods="in_vehicle", condition="new")
    acts = (*ON_SHELF, *TO_BOTH, *given, *INTO, None, *abroad)

    def found() -> set[str]:
        return too_good_once_told(acts, sold, shown)

    assert found() == set()
    with patched(linked_records, "spoken_late_of", lambda *_: []):
        assert found() != set()


def test_a_vehicle_that_was_sold_and_is_new_again_is_found() -> None:
    """
    I1, I6, 0965, 0968: the battery with which it was sold is taken out, put back and replaced.
    """
    shown = {"direction": "export", "goods": "in_vehicle", "jurisdiction": "CN"}
    sold = Act(HOLDER, "vehicle.sold", "B", vehicle=CAR)
    replaced = Act(HOLDER, "battery.replaced", "B", vehicle=CAR, others=("A",))
    acts = (
        *ON_SHELF,
        TO_BOTH[1],
        Act(MAKER, "battery.handed_over", "A", parties=(HOLDER,), countersigned=(HOLDER,)),
        INTO[1],
        sold,
        OUT_OF_IT[1],
        INTO[1],
        replaced,
        INTO[0],
    )

    assert said_too_well(*acts, **shown) == set()
    with lacking("vehicles_of_then"):
        found = said_too_well(*acts, **shown)
    assert found == {"as new, with marks of use: in_used_vehicle, in_vehicle_in_use"}


NAMED_OF_USED = (
    *ON_SHELF,
    Act(MAKER, "battery.produced", "C"),
    Act(MAKER, "market.placed", "C", parties=(HOLDER,)),
    Act(HOLDER, "battery.installed", "C", vehicle=CAR),
    Act(MAKER, "battery.maintained", "C", others=("B",)),
)


@pytest.mark.parametrize(
    "before",
    [NAMED_OF_USED, (*ON_SHELF, Act(MAKER, "negative_event", "B"))],
    ids=["a part of what was used", "burnt"],
)
def test_stock_with_a_part_whose_use_leaves_no_mark_is_found(before: tuple[Act, ...]) -> None:
    """
    I1, I6, 0969: what a repair says of the part, or a statement about it; where the table does not ask.
    """
    acts = (*before, Act(MAKER, "battery.maintained", "A", others=("B",)))

    assert said_too_well(*acts) == set()
    with table_changed("battery.maintained", "used_part_by", None):
        assert said_too_well(*acts) == {"as new, with marks of use: used_part"}


def of_used(*more: Act) -> tuple[Act, ...]:
    """A is a part of what is in use, by its maker's repair, and then what follows."""
    named = [replace(act, others=("A",)) if act.others else act for act in NAMED_OF_USED]
    return (*named, *more)


def test_a_part_of_what_is_used_that_crosses_for_repair_is_found() -> None:
    """
    X19, 0969: where nobody asks what a repair names.
    """
    assert said_too_well(*of_used(), condition="repair") == set()
    with patched(used, "part_of_used", lambda _: False):
        found = said_too_well(*of_used(), condition="repair")
    assert found == {"a return or repair whose agreement nobody checked"}


def test_a_part_on_a_test_of_before_it_was_in_what_is_used_is_found() -> None:
    """
    X19, 0966: tested days before its maker put it into a battery in use, where nobody asks when.
    """
    placed = Act(MAKER, "market.placed", "A", parties=(HOLDER,))
    left = Act(HOLDER, "used.exported", "A", parties=(HOLDER,), tested_before=True)
    declared = Act(HOLDER, "battery.presented", "A", declaration=OURS)
    acts = of_used(placed, left, declared)

    assert said_too_well(*acts, condition="used") == set()
    with patched(used, "built_in", lambda _: ()):
        found = said_too_well(*acts, condition="used")
        tested = said_too_well(*acts[:-2], replace(left, tested_before=False), declared, condition="used")
    assert (found, tested) == ({"used, tested before it was used"}, set())


SENT_AS_USED = (
    Act(MAKER, "market.placed", "A", parties=(HOLDER,)),
    None,
    Act(HOLDER, "used.exported", "A", parties=(HOLDER,)),
    Act(HOLDER, "battery.presented", "A", declaration=OURS),
)


def test_a_record_of_a_journey_that_never_was_and_clears_another_is_found() -> None:
    """
    X19, 0948: customs say that the used battery never left; where nobody reads that, its record clears what
    leaves later. Set aside without that word it is on its way as before.
    """
    aside = Act(EU_CUSTOMS, "customs.invalidated", "A")
    never = replace(aside, never_left=True)
    shown = {"condition": "used", "declaration": "26NLTEST000002"}

    assert said_too_well(*ON_SHELF, *SENT_AS_USED, never, **shown) == set()
    with patched(used, "_ends_journey", lambda *_, **__: False):
        found = said_too_well(*ON_SHELF, *SENT_AS_USED, never, **shown)
        assert said_too_well(*ON_SHELF, *SENT_AS_USED, aside, **shown) == set()
    assert found == {"used, without its Annex XIV record"}


BUILT_IN = (
    Act(MAKER, "battery.handed_over", "A", parties=(HOLDER,), countersigned=(HOLDER,)),
    Act(HOLDER, "battery.installed", "A", vehicle=CAR),
)
HANDED_ON = Act(HOLDER, "battery.handed_over", "A", parties=(RIVAL,), countersigned=(RIVAL,))


def after_all(*acts: Act) -> tuple[Stage, Archive]:
    stage, archive = Stage.new(), Archive()
    for act in acts:
        archive = taken(stage, archive, act)
    return stage, archive


def test_a_new_vehicle_that_is_used_in_other_hands_is_found() -> None:
    """
    D1001: built in and handed on it must be clear in there; where every hand-over marks it, it is not.
    """
    with patched(effects, "in_new_vehicle", lambda *_: False):
        marked, _ = after_all(*ON_SHELF[:2], *BUILT_IN, HANDED_ON)
    stage, archive = after_all(*ON_SHELF[:2], *BUILT_IN, HANDED_ON)

    ways = list(expected(archive, "A"))
    assert ways and {stage.word("A", shown, CAR) for shown in ways} == {"clear"}
    assert {marked.word("A", shown, CAR) for shown in ways} == {"hold"}


def test_a_used_vehicle_that_is_new_in_other_hands_is_found() -> None:
    """
    I1, D1001: where no hand-over in a vehicle leaves a mark, that of one which was registered lacks it.
    """
    registered = Act(EU_AUTHORITY, "vehicle.registered", "A", vehicle=CAR)
    with patched(effects, "in_new_vehicle", lambda *_: True):
        unmarked, archive = after_all(*ON_SHELF[:2], *BUILT_IN, registered, HANDED_ON)
    stage, _ = after_all(*ON_SHELF[:2], *BUILT_IN, registered, HANDED_ON)

    assert list(broken(archive.of("A"), stage.standing("A"))) == []
    found = [about for about, _ in broken(archive.of("A"), unmarked.standing("A"))]
    assert found == ["marks transferred_after_use"]


def test_a_module_on_a_test_of_before_it_came_out_is_found() -> None:
    """
    X19, 0949: tested days before its pack was taken apart, where nobody asks when it came out; tested that
    day it is what crosses.
    """
    apart = (*ON_SHELF[:2], *taken_out("reuse", pack="B", inside="A"))
    left = Act(HOLDER, "used.exported", "A", parties=(HOLDER,), tested_before=True)
    declared = Act(HOLDER, "battery.presented", "A", declaration=OURS)
    tested = replace(left, tested_before=False)

    assert said_too_well(*apart, left, declared, condition="used") == set()
    with patched(used, "_came_out", lambda *_: None):
        found = said_too_well(*apart, left, declared, condition="used")
        assert said_too_well(*apart, tested, declared, condition="used") == set()
    assert found == {"used, tested before it was used"}


@pytest.mark.check
@pytest.mark.parametrize("name", BUGS)
def test_each_planted_bug_is_caught(name: str) -> None:
    """
    Bugs in table, rules, right to speak and verdict: each makes the opinion find what it does not find
    without, in decks of seconds.
    """
    caught = ""
    with BUGS[name]():
        for deck in sorted(WATCH_DECKS.values(), key=lambda deck: deck.name != MADE_FOR.get(name)):
            result = explore(deck, enough=lambda seen: bool(new_findings(seen.findings.values())))
            if found := new_findings(result.findings.values()):
                caught = f"deck {deck.name}: {min(found, key=len)}"
                break

    print(f"{name}: {caught or 'NOT CAUGHT'}")
    assert caught


def test_a_module_taken_from_whom_it_went_on_to_is_found() -> None:
    """
    I3, 0997: two voidings, of a later hand-over and of the dismantling, and what stands between them is gone.
    """
    with lacking("moved_on_stays"):
        found = many(range(10387, 10388), 200).findings.values()

    assert [(f.about, f.said) for f in found] == [("holder", "stranger on the ledger, holder by the law")]


@pytest.mark.parametrize(
    ("seed", "found"),
    [
        (1790, ("untold", "battery.maintained by stranger", "not recorded")),
        (2806, ("speaks", "soh.measured by holder", "recorded as state")),
    ],
)
def test_a_past_that_is_lost_is_found(seed: int, found: tuple[str, str, str]) -> None:
    """
    I5, I6, 0971: of an enrolment that a production covered, and of a situation that lasted no second.
    """
    with lacking("whole_pasts"):
        findings = many(range(seed, seed + 1), 200).findings

    assert set(findings) == {found}


RECALLED, STOLEN = Act(MAKER, "battery.recalled", "B"), Act(MAKER, "battery.reported_lost", "B")
PUT_IN = Act(MAKER, "battery.maintained", "A", others=("B",), put_in="B")
OUT_OF = Act(MAKER, "battery.maintained", "B", others=("A",))
PART_IN_USE = (
    Act(MAKER, "market.placed", "B", parties=(HOLDER,)),
    Act(HOLDER, "battery.installed", "B", vehicle=CAR),
)


@pytest.mark.parametrize(
    ("acts", "ground"),
    [
        ((PUT_IN, RECALLED), OWN_REPAIR),
        ((STOLEN, PUT_IN), OWN_REPAIR),
        ((OUT_OF, RECALLED), OWN_REPAIR),
        ((STOLEN, OUT_OF), OWN_REPAIR),
        ((PUT_IN, *PART_IN_USE), USED_PART),
        ((PUT_IN, PART_IN_USE[0], Act(HOLDER, "soh.measured", "B")), USED_PART),
    ],
)
def test_what_repairs_tie_to_a_battery_and_binds_nothing_is_found(acts: tuple[Act, ...], ground: str) -> None:
    """
    I2, I6, 0989: a part that is recalled, stolen or used, told before or after the repair, and a pack.
    """
    shown = {"jurisdiction": "CN", "direction": "inland"}

    assert said_too_well(*ON_SHELF, *acts, **shown) == set()
    with patched(shown_rows, "tell_repairs", lambda *_, **__: False):
        assert said_too_well(*ON_SHELF, *acts, **shown) == {ground}


IN_ITS_CAR = (
    Act(MAKER, "battery.exported", "A", parties=(HOLDER,)),
    Act(HOLDER, "battery.presented", "A", declaration=OURS),
    Act(EU_CUSTOMS, "customs.released", "A"),
    Act(HOLDER, "market.placed", "A"),
    Act(HOLDER, "battery.installed", "A", vehicle=CAR),
)


def test_what_a_workshop_put_in_and_binds_nothing_is_found() -> None:
    """
    I5, I8, 0992: of a part under recall that somebody else put in nobody can say whether it is in there.
    """
    repaired_by_it = replace(PUT_IN, by=STRANGER)
    shown = {"condition": "used", "goods": "in_vehicle", "direction": "inland"}
    acts = (*ON_SHELF, *IN_ITS_CAR, repaired_by_it, RECALLED)

    assert said_too_well(*acts, **shown) == set()
    with patched(shown_rows, "tell_repairs", lambda *_, **__: False):
        assert said_too_well(*acts, **shown) == {OTHERS_REPAIR}
    with patched(repaired, "_told", lambda _: "part_used"):  # whatever it is called
        assert said_too_well(*acts, **shown) == set()


def test_a_part_that_went_out_and_in_again_and_binds_nothing_is_found() -> None:
    """
    0989, 0992: the last repair that names a part counts, by its hour, and its document says which way.
    """
    shown = {"jurisdiction": "CN", "direction": "inland"}
    taken_out = replace(PUT_IN, put_in=None)
    again = (*ON_SHELF, taken_out, None, PUT_IN, RECALLED)
    last = contents._last_of

    def first_of(told: Sequence[contents.Told], governance: Governance) -> dict[bytes, list[Recorded]]:
        found, kinds = last(told, governance), governance.lifecycle.naming_parts
        records = [record for _, record, *_ in told]
        return {key: [_first(records, key, said[0], kinds)] for key, said in found.items()}

    assert said_too_well(*again, **shown) == set()
    with patched(contents, "_last_of", first_of):
        assert said_too_well(*again, **shown) == {OWN_REPAIR}
    with patched(repaired, "left_inside", lambda *_: (False, "ok")):
        assert said_too_well(*again, **shown) == {OWN_REPAIR}


def test_a_removal_that_is_taken_back_and_counts_is_found() -> None:
    """
    I2, 0973: who says that a part was taken out, and that this was not so, has it in there.
    """
    shown = {"jurisdiction": "CN", "direction": "inland"}
    taken_out = replace(PUT_IN, put_in=None)
    corrected = Act(MAKER, "attestation.corrected", "A", undoes=taken_out)
    acts = (*ON_SHELF, PUT_IN, None, taken_out, corrected, RECALLED)
    last = contents._last_of

    assert said_too_well(*acts, **shown) == set()
    with patched(contents, "_last_of", lambda *of: {key: told[:1] for key, told in last(*of).items()}):
        assert said_too_well(*acts, **shown) == {OWN_REPAIR}


def _first(records: Sequence[Record], key: bytes, repair: Recorded, kinds: Collection[str]) -> Recorded:
    """The first repair that names what the last one names."""
    said = (one for record in records for one in record.shown() if one.attestation.kind in kinds)
    naming = (one for one in said if key in map(standing_key, one.attestation.referenced_subjects))
    return min(naming, key=lambda one: one.leaf_index, default=repair)


def test_a_pack_beside_one_that_reads_as_used_and_is_new_is_found() -> None:
    """
    I1, 0990: two packs of one car; what the one reads the other went through.
    """
    placed = [Act(MAKER, "market.placed", battery, parties=(HOLDER,)) for battery in ("A", "B")]
    built_in = [Act(HOLDER, "battery.installed", battery, vehicle=CAR) for battery in ("A", "B")]
    read = Act(HOLDER, "soh.measured", "B")
    shown = {"jurisdiction": "CN", "direction": "inland", "goods": "in_vehicle"}
    acts = (*ON_SHELF, *placed, *built_in)

    assert said_too_well(*acts, read, **shown) == set()
    with patched(cell, "_lived_through", lambda *_: iter(())):
        assert said_too_well(*acts, **shown) == set()
        assert said_too_well(*acts, read, **shown) == {BESIDE_USED}


@pytest.mark.check
def test_a_report_taken_out_with_its_marks_or_by_a_stranger_is_found() -> None:
    """
    I1, I3, 0975: what moved nothing is taken back from under what followed: its marks stay, and nobody does
    it but its author.
    """
    without, asked = undo._without, undo._require_correctable

    def shed(standing: Standing, report: bytes) -> Standing:
        now = without(standing, report)
        reached = now.past.reports != standing.past.reports
        left = tuple(mark for mark in now.marks if mark != "measured_in_use")
        return replace(now, marks=left) if reached else now

    def anybody(standing: Standing, said: Undo, *about: Any) -> None:
        if standing.undo is None or standing.undo.attestation == said.attestation:
            asked(standing, said, *about)

    assert not many(range(7, 8), 200).findings
    with patched(undo, "_without", shed):
        assert ("record", "marks measured_in_use", "not on record") in many(range(7, 8), 200).findings
    with patched(undo, "_require_correctable", anybody):
        found = many(range(7, 8), 200).findings
    assert any(kind == "speaks" and "attestation.corrected" in about for kind, about, _ in found)
