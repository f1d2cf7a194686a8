"""What is told of another battery once that, or the one it is told about, went on (I1, I5, I6)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from consensus.application import Refusal
from credentials.ledger.descendants import children_root
from tests.credentials.test_namings import module
from tests.credentials.test_shown import GOOD, VIN, check, installed, judged, shape
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    lifecycle_table,
    make_genesis,
    rule_files,
)

Telling = Callable[[str, int], None]  # of this battery, as of this time
LATER_S = 1_000  # beyond the skew of clocks
NAMED = (WORKSHOP, RECYCLER, SECOND_LIFE)


def world(*, known: bool = True) -> World:
    """A network of today, or of the rules before."""
    table = lifecycle_table()
    if not known:
        del table["hears_of_then"]
    files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
    return World(Ledger(make_genesis(rule_files=files)), publishers=(MAKER, RECYCLER))


def pack_with(w: World, *inside: str, serial: int = 1, named: tuple[str, ...] = NAMED) -> tuple[str, int]:
    """Used and out, its maker said what is inside; and a time in which who is named may take it apart."""
    pack, vin = code(serial), f"{VIN[:-1]}{serial}"
    made, root = (
        {"production_date": "2026-06-03", "category": "ev"},
        children_root([*map(subject_of, inside)]),
    )
    w.happen(MAKER, "battery.produced", pack, made, children_root=root)
    w.happen(MAKER, "market.placed", pack, {"art_41_checked": True}, parties=named)
    for kind in ("battery.installed", "battery.swapped_out"):
        w.happen(WORKSHOP, kind, pack, {"vin": vin}, bound_asset=subject_of(vin))
    then = w.now
    w.ledger.now += LATER_S
    return pack, then


def handed(w: World, text: str) -> None:
    w.happen(MAKER, "battery.handed_over", text, {"invoice": "1"}, parties=(RIVAL,), cosign=(RIVAL,))


def taken_apart(w: World, pack: str, *inside: str, at: int, by: str = RECYCLER) -> None:
    fates = ["reuse"] * len(inside)
    said = {"facility_licence": "L", "children": list(inside), "fates": fates}
    about = tuple(map(subject_of, inside))
    w.happen(by, "battery.dismantled", pack, said, event_time=at, references=about)


@pytest.mark.parametrize("shown_whole", [True, False], ids=["whole", "in part"])
def test_a_module_that_its_maker_gave_into_a_pack_is_not_new_once_that_is_told_to_be_apart(
    *, shown_whole: bool
) -> None:
    """
    I1: its maker holds it by its record, and showed with the pack that it is in there. Told in time that the
    pack is apart it is marked; told late, it is as undecided as what its dismantler makes or has. Who shows
    less than the whole shows nothing of what is inside. Rules from before judge as they did.
    """
    for known in (True, False):
        w = world(known=known)
        inside = (module(w, 7), module(w, 8))
        pack, then = pack_with(w, *inside)
        handed(w, pack)
        assert all(judged(w, text)["verdict"] in GOOD for text in inside)

        taken_apart(w, pack, *(inside if shown_whole else inside[:1]), at=then)

        assert "dismantled" in w.ledger.standing(subject_of(pack)).marks
        if known and shown_whole:
            assert {shape(judged(w, text)) for text in inside} == {("undecided", "origin_told")}
            used = check(judged(w, inside[0], condition="used"), "standing.state")
            assert "origin_told" in {c["reason"] for c in used}
        else:
            assert all(judged(w, text)["verdict"] in GOOD for text in inside)


def test_a_module_of_a_pack_that_came_second_is_not_new_either() -> None:
    """
    I1, X8: one of its modules came out of another pack, so that the dismantling does not count; the others
    are as undecided as they are where it is told late.
    """
    w = World()
    both, alone = module(w, 7), module(w, 8)
    first, then = pack_with(w, both)
    second, then = pack_with(w, both, alone, serial=2)
    taken_apart(w, first, both, at=then)
    assert judged(w, alone)["verdict"] in GOOD
    leaf = w.ledger.log.size

    taken_apart(w, second, both, alone, at=then)

    assert [refused.rule for refused in w.ledger.standing(subject_of(second)).refusals] == ["X8"]
    assert leaf < w.ledger.log.size and shape(judged(w, alone)) == ("undecided", "origin_told")


@pytest.mark.parametrize("late", [False, True])
def test_who_has_no_right_over_the_pack_spoils_nothing_that_is_inside(*, late: bool) -> None:
    """
    I5: it shows all that the pack's maker gave into it, and that is a claim about the pack.
    """
    w = World()
    inside = (module(w, 7), module(w, 8))
    pack, then = pack_with(w, *inside, named=(WORKSHOP,))
    if late:
        handed(w, pack)
    taken_apart(w, pack, *inside, at=then)

    assert "dismantled" not in w.ledger.standing(subject_of(pack)).marks
    assert all(judged(w, text)["verdict"] in GOOD for text in inside)


# -- of another that went on since -----------------------------------------------------------------------


def out_of_a_pack(w: World) -> tuple[str, Telling]:
    """RECYCLER found it in a pack that it took apart."""
    pack, _ = pack_with(w)
    return RECYCLER, lambda text, at: taken_apart(w, pack, text, at=at)


def part_of_a_repair(w: World) -> tuple[str, Telling]:
    """WORKSHOP took it out of a battery in use, or put it in."""
    pack = installed(w, 1)
    said = {"work": "module"}
    return WORKSHOP, lambda text, at: repaired(w, pack, said, at, text)


def in_place_of_another(w: World) -> tuple[str, Telling]:
    """WORKSHOP put it into a car in place of another."""
    pack = installed(w, 1)

    def tell(text: str, at: int) -> None:
        said, about = {"vin": VIN, "new": text}, (subject_of(text),)
        car = subject_of(VIN)
        w.happen(WORKSHOP, "battery.replaced", pack, said, event_time=at, bound_asset=car, references=about)

    return WORKSHOP, tell


def repaired(w: World, pack: str, said: dict[str, str], at: int, text: str) -> None:
    w.happen(WORKSHOP, "battery.maintained", pack, said, event_time=at, references=(subject_of(text),))


def sold_on(w: World, text: str, by: str) -> None:
    w.ledger.now += LATER_S
    w.happen(by, "battery.handed_over", text, {"invoice": "2"}, parties=(RIVAL,), cosign=(RIVAL,))


@pytest.mark.parametrize("found", [out_of_a_pack, part_of_a_repair, in_place_of_another])
@pytest.mark.parametrize("known", [True, False], ids=["now", "before"])
def test_what_was_said_of_another_counts_of_its_time(
    found: Callable[[World], tuple[str, Telling]], *, known: bool
) -> None:
    """
    I1, I6: who had it in hand then says so once it sold it on: it is no more new than if that was said at
    once, or the author still had it. Rules from before judge as they did.
    """
    words = []
    for handed_on in (False, True):
        w = world(known=known)
        text = module(w, 7)
        by, tell = found(w)
        w.happen(MAKER, "battery.handed_over", text, {"invoice": "1"}, parties=(by,), cosign=(by,))
        then = w.now
        if handed_on:
            sold_on(w, text, by)
        assert judged(w, text)["verdict"] in GOOD
        holder = w.ledger.standing(subject_of(text)).holder
        if handed_on and not known and found is out_of_a_pack:
            with pytest.raises(Refusal, match="is held by"):
                tell(text, then)
        else:
            tell(text, then)
        assert w.ledger.standing(subject_of(text)).holder == holder
        words.append(judged(w, text)["verdict"] in GOOD)

    assert words == [False, not known]


@pytest.mark.parametrize("found", [out_of_a_pack, part_of_a_repair, in_place_of_another])
@pytest.mark.parametrize("had", ["never", "only afterwards", "not any more"])
def test_who_had_it_at_another_time_says_nothing_of_it(
    found: Callable[[World], tuple[str, Telling]], had: str
) -> None:
    """
    I5: whoever never had it, had it only after the time it tells of, or had handed it on before that, leaves
    it as it is.
    """
    w = world()
    text = module(w, 7)
    by, tell = found(w)
    then = w.now
    w.ledger.now += LATER_S
    if had != "never":
        w.happen(MAKER, "battery.handed_over", text, {"invoice": "1"}, parties=(by,), cosign=(by,))
        sold_on(w, text, by)
    w.ledger.now += LATER_S
    at = then if had == "only afterwards" else w.now
    before = w.ledger.standing(subject_of(text))
    try:
        tell(text, at)
    except Refusal as refused:
        assert found is out_of_a_pack and refused.code == "not_responsible"

    assert w.ledger.standing(subject_of(text)) == before
    assert judged(w, text)["verdict"] in GOOD


# -- of another whose own records stay -------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["now", "before"])
def test_what_a_module_went_through_since_outlives_the_voiding_of_its_pack(*, known: bool) -> None:
    """
    I1, I3: a module came out of a pack, was driven, and measured. Authorities void the measurement, and then
    the dismantling: what was not voided stays, so that the module is not made anew by whoever made it.
    """
    w = world(known=known)
    text = code(7)
    pack, then = pack_with(w, text)
    taken_apart(w, pack, text, at=then)
    last = w.ledger.standing(subject_of(pack)).undo
    assert last is not None
    apart = last.attestation
    w.happen(RECYCLER, "battery.sold", text, {"invoice": "1"}, parties=(WORKSHOP,))
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    test = w.happen(WORKSHOP, "soh.measured", text, {}, quantities={"soh_permille": 900, "cycles": 3})
    void = {"case": "1", "reason": "r"}
    both = (CN_AUTHORITY,)
    w.happen(EU_AUTHORITY, "attestation.voided", text, void, references=(test,), cosign=both)
    before = w.ledger.standing(subject_of(text))
    assert "installed" in before.marks and before.undo is None

    if known:
        with pytest.raises(Refusal, match="has records of its own since"):
            w.happen(EU_AUTHORITY, "attestation.voided", pack, void, references=(apart,), cosign=both)
        assert w.ledger.standing(subject_of(text)) == before
    else:
        w.happen(EU_AUTHORITY, "attestation.voided", pack, void, references=(apart,), cosign=both)
        w.produce(text)
        w.publish(text)
        assert judged(w, text)["verdict"] in GOOD


@pytest.mark.parametrize("known", [True, False], ids=["now", "before"])
def test_a_module_that_was_declared_waste_stays_waste_when_its_pack_is_voided(*, known: bool) -> None:
    """
    I1: it had a record before; what authorities take back is the coming out of the pack, and nothing of what
    was said of the module itself.
    """
    w = world(known=known)
    text = in_hands_of(w, RECYCLER)
    pack, then = pack_with(w)
    taken_apart(w, pack, text, at=then)
    last = w.ledger.standing(subject_of(pack)).undo
    assert last is not None
    w.happen(RECYCLER, "battery.declared_waste", text, {"reason": "worn"})
    sold = w.happen(RECYCLER, "battery.sold", text, {"invoice": "1"}, parties=(IMPORTER,))
    for about, act in ((text, sold), (pack, last.attestation)):
        void = {"case": "1", "reason": "r"}
        w.happen(EU_AUTHORITY, "attestation.voided", about, void, references=(act,), cosign=(CN_AUTHORITY,))

    left = w.ledger.standing(subject_of(text))
    assert (left.parent, left.marks) == (None, ("waste",))
    assert left.eu_status == ("waste" if known else "original")


def in_hands_of(w: World, by: str) -> str:
    text = module(w, 7)
    w.happen(MAKER, "battery.handed_over", text, {"invoice": "1"}, parties=(by,), cosign=(by,))
    return text
