"""What repairs tie to a battery binds it: parts that they put in, what it was a part of (I2, I6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from credentials.documents.canonical import b64u
from credentials.verdicts import repaired as rests
from credentials.verdicts.evidence import Missing, MissingReason
from tests.credentials.test_namings import INLAND, module, sold_to
from tests.credentials.test_shown import GOOD, TESTED, VIN, judged, shape
from tests.credentials.test_two_codes import LINK, two_codes
from tests.credentials.test_used_before import measured
from tests.credentials.test_vehicles import IN_CAR, placed_in_car
from tests.harness.border import World, code, replace, subject_of, tables
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
)

HELD = ("hold", "part_recalled")


def stock(w: World, serial: int = 1) -> str:
    """Produced and published, never sold."""
    text = code(serial)
    w.produce(text)
    w.publish(text)
    return text


def repaired(w: World, pack: str, **parts: str) -> bytes:
    said, about = {"work": "module", **parts}, tuple(map(subject_of, parts.values()))
    return w.happen(MAKER, "battery.maintained", pack, said, references=about)


def recalled(w: World, text: str) -> None:
    w.happen(MAKER, "battery.recalled", text, {"reason": "fire"})


def lost(w: World, text: str) -> None:
    w.happen(MAKER, "battery.reported_lost", text, {"reference": "1"})


@pytest.mark.parametrize("first", [True, False])
def test_a_recall_of_a_part_reaches_what_it_was_put_into(first: bool) -> None:
    """
    I2: its own record says what is in it; told before the repair or after it, and lifted it is over.
    """
    w = World()
    pack, part, other = stock(w), module(w), stock(w, 2)
    for step in (recalled, None) if first else (None, recalled):
        if step is not None:
            step(w, part)
        else:
            repaired(w, pack, child_in=part)
            repaired(w, other, child_in=module(w, 8))

    for condition in ("new", "return", "repair"):
        assert shape(judged(w, pack, condition=condition)) == HELD
    assert judged(w, other)["verdict"] in GOOD
    w.happen(MAKER, "battery.recall_lifted", part, {"reason": "tested"})
    assert judged(w, pack)["verdict"] in GOOD


def taken_out_by_it(w: World, pack: str, part: str) -> None:
    repaired(w, pack, child_out=part, child_in=module(w, 8))


def taken_out_later(w: World, pack: str, part: str) -> None:
    repaired(w, pack, child_in=part)
    repaired(w, pack, child_out=part)


def voided(w: World, pack: str, part: str) -> None:
    statement = repaired(w, pack, child_in=part)
    both = (EU_AUTHORITY,)
    w.happen(CN_AUTHORITY, "attestation.voided", pack, {"case": "1"}, cosign=both, references=(statement,))


@pytest.mark.parametrize("way", [taken_out_by_it, taken_out_later, voided])
def test_what_is_not_in_it_any_more_is_nothing_to_it(way: Callable[[World, str, str], None]) -> None:
    """
    A faulty module that the repair took out is recalled, and the pack is what it was repaired for.
    """
    w = World()
    pack, part = stock(w), module(w)
    way(w, pack, part)

    recalled(w, part)

    assert judged(w, pack)["verdict"] in GOOD


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("way", ["child_in", "child_out"])
def test_a_correction_takes_no_part_out(*, way: str, deep: bool) -> None:
    """
    I2, D973: who says that a part was put in, or taken out, and takes that back, has not taken it out; also
    of what is inside of a part.
    """
    w = World()
    pack, part, cell = stock(w), module(w), module(w, 8)
    of, named = (part, cell) if deep else (pack, part)
    repaired(w, of, child_in=named)
    if way == "child_out":
        w.ledger.now += 100
        repaired(w, of, child_out=named)
    last = w.ledger.standing(subject_of(of)).undo
    assert last is not None
    corrected = {"reason": "not so", "attestation_digest": b64u(last.attestation)}
    w.happen(MAKER, "attestation.corrected", of, corrected, references=(last.attestation,))
    if deep:
        repaired(w, pack, child_in=part)
    assert judged(w, pack)["verdict"] in GOOD

    recalled(w, named)

    assert shape(judged(w, pack)) == HELD


def test_put_in_again_it_is_in_it_again() -> None:
    """
    The last repair that names it counts, also where the same repair takes another one out.
    """
    w = World()
    pack, part, other = stock(w), module(w), module(w, 8)
    taken_out_later(w, pack, part)
    repaired(w, pack, child_in=other)
    repaired(w, pack, child_out=other, child_in=part)
    recalled(w, part)

    assert shape(judged(w, pack)) == HELD


def test_where_it_is_not_known_whether_it_was_put_in_nothing_is_decided() -> None:
    """
    I6, I8: a document kept back does not pay; nobody asks for it as long as nothing is against the part.
    """
    w = World()
    pack, part = stock(w), module(w)
    statement = repaired(w, pack, child_in=part)
    digest = next(d for d, one in w.documents.items() if "battery.maintained" in str(one))

    def kept_back() -> dict[str, Any]:
        whole = w.evidence(pack)
        events = {**whole.events, digest: Missing(MissingReason.WITHHELD)}
        return judged(w, pack, evidence=replace(whole, events=events))  # type: ignore[return-value]

    assert statement and kept_back()["verdict"] in GOOD
    recalled(w, part)
    assert shape(kept_back()) == ("undecided", "evidence_withheld")
    assert shape(judged(w, pack)) == HELD


def test_what_was_lost_before_it_was_put_in_is_lost_in_there() -> None:
    """
    X18: whoever lost it; reported lost once it was built in, by whoever sold it without handing it over, it
    holds nobody (I5).
    """
    before, after = World(), World()
    for w in (before, after):
        stock(w)
        w.happen(OTHER_MAKER, "battery.sold", module(w, by=OTHER_MAKER), {"invoice": "1"}, parties=(MAKER,))
    pack, part = code(1), code(7, maker="ZZ3")

    def report(w: World) -> None:
        w.happen(OTHER_MAKER, "battery.reported_lost", part, {"reference": "1"})

    report(before)
    for w in (before, after):
        repaired(w, pack, child_in=part)
    report(after)

    assert shape(judged(before, pack)) == ("hold", "part_lost")
    assert judged(after, pack)["verdict"] in GOOD
    before.happen(OTHER_MAKER, "battery.found", part, {"reason": "1"})
    assert judged(before, pack)["verdict"] in GOOD


def read_in_use(w: World, part: str) -> None:
    measured(w, part, soh_permille=600, cycles=900)


def burnt(w: World, part: str) -> None:
    w.happen(WORKSHOP, "negative_event", part, {"event_kind": "fire"})


def installed(w: World, part: str) -> None:
    for kind in ("battery.installed", "battery.swapped_out"):
        w.happen(WORKSHOP, kind, part, {"vin": VIN}, bound_asset=subject_of(VIN))


@pytest.mark.parametrize("use", [read_in_use, burnt, installed])
def test_a_part_whose_use_is_told_after_the_repair_is_a_used_one(use: Callable[[World, str], None]) -> None:
    """
    I1, I9: the order in which two true statements come decides no word; as used it keeps its own.
    """
    w = World()
    pack, part, other = stock(w), module(w), stock(w, 2)
    sold_to(w, part, WORKSHOP)
    repaired(w, pack, child_in=part)
    repaired(w, other, child_out=part)
    use(w, part)

    for condition in ("new", "return"):
        assert shape(judged(w, pack, condition=condition)) == ("undecided", "part_used")
    assert judged(w, pack, condition="used", **INLAND)["verdict"] in GOOD
    assert judged(w, other)["verdict"] in GOOD  # it came out new


def test_a_reading_of_a_part_that_leaves_no_mark_counts() -> None:
    """
    A test before the repair leaves no mark on what is repaired with the part: the verdict asks the part.
    """
    w = World()
    pack, part = stock(w), module(w)
    sold_to(w, part, WORKSHOP)
    read_in_use(w, part)
    repaired(w, pack, child_in=part)

    assert shape(judged(w, pack)) == ("undecided", "part_used")


def test_what_a_supplier_says_of_what_it_still_has_on_record_spoils_no_pack() -> None:
    """
    I5: in nobody's hands who made or has the pack, the part is his who once supplied it.
    """
    w = World()
    pack, part = stock(w), module(w)
    w.happen(MAKER, "battery.handed_over", part, {"invoice": "1"}, parties=(IMPORTER,), cosign=(IMPORTER,))
    w.happen(IMPORTER, "battery.sold", part, {"invoice": "1"}, parties=(WORKSHOP,))
    repaired(w, pack, child_in=part)
    read_in_use(w, part)

    assert judged(w, pack)["verdict"] in GOOD


@pytest.mark.parametrize(("set_on", "reason"), [(recalled, "part_recalled"), (lost, "part_lost")])
@pytest.mark.parametrize("before", [True, False])
def test_what_a_repair_took_out_of_a_battery_is_bound_as_what_a_dismantling_did(
    set_on: Callable[[World, str], None], reason: str, before: bool
) -> None:
    """
    I2: by the recall or theft of the pack it came out of; what came out before the theft is not stolen.
    """
    w = World()
    pack, part, other = stock(w), module(w), module(w, 8)
    if before:
        set_on(w, pack)
    repaired(w, pack, child_out=part)
    if not before:
        set_on(w, pack)

    free = set_on is lost and not before
    assert (judged(w, part)["verdict"] in GOOD) == free
    assert free or shape(judged(w, part)) == ("hold", reason)
    assert judged(w, other)["verdict"] in GOOD


def test_it_counts_where_it_counts_for_the_part() -> None:
    """
    An authority's recall holds at home (I2); elsewhere it says nothing of what the part is in.
    """
    w = World()
    pack, part = stock(w), module(w)
    repaired(w, pack, child_in=part)
    w.happen(CN_AUTHORITY, "battery.recalled", part, {"reason": "fire"})

    assert judged(w, pack)["verdict"] in GOOD
    assert shape(judged(w, pack, policy_name="authority-cn")) == HELD


def test_a_part_under_a_further_code_is_one_of_the_battery() -> None:
    """
    X1: what the record of one code says was put in is in the battery under each of its codes.
    """
    w, text = two_codes()
    part = module(w)
    repaired(w, LINK, child_in=part)
    recalled(w, part)

    assert shape(judged(w, text)) == HELD


def test_rules_from_before_ask_nothing() -> None:
    """
    Under a table that does not say which member names what was taken out, the word is as it was.
    """
    w = World()
    pack, part = stock(w), module(w)
    repaired(w, pack, child_in=part)
    recalled(w, part)
    verdicts = dict(tables().verdicts)
    verdicts["events"] = {k: v for k, v in verdicts["events"].items() if k != "partsOut"}
    network = w.network(tables=replace(tables(), verdicts=verdicts))

    assert judged(w, pack, evidence=w.evidence(pack, network=network))["verdict"] in GOOD


def test_a_stranger_ties_nothing_to_a_battery() -> None:
    """
    I5: a repair of another's pack, or one that names another's part, by who has no right over it, is a claim.
    """
    w = World()
    pack, part = stock(w), module(w)
    recalled(w, part)
    about = (subject_of(part),)
    w.happen(WORKSHOP, "battery.maintained", pack, {"work": "x", "child_in": part}, references=about)
    bad, good = stock(w, 3), stock(w, 4)
    recalled(w, bad)
    w.happen(MAKER, "battery.handed_over", bad, {}, parties=(RIVAL,), cosign=(RIVAL,))
    w.happen(RIVAL, "battery.sold", bad, {"invoice": "1"}, parties=(WORKSHOP,))
    said = {"work": "x", "child_out": good}
    w.happen(WORKSHOP, "battery.maintained", bad, said, references=(subject_of(good),))

    assert judged(w, pack)["verdict"] in GOOD
    assert judged(w, good)["verdict"] in GOOD


@pytest.mark.parametrize("out", [False, True])
def test_a_part_of_what_is_inside_is_inside(*, out: bool) -> None:
    """
    A cell put into a module, the module into a pack, by repairs: a recall of the cell is one of all. Once the
    module is out of the pack, or the cell out of the module, it is none of the pack.
    """
    w = World()
    pack, part, cell, faulty = stock(w), module(w), module(w, 8), module(w, 9)
    repaired(w, part, child_in=cell)
    repaired(w, part, child_in=faulty)
    repaired(w, pack, child_in=part)
    repaired(w, part, child_out=faulty)
    if out:
        repaired(w, pack, child_out=part)
    recalled(w, faulty)
    assert judged(w, pack)["verdict"] in GOOD
    recalled(w, cell)

    assert (shape(judged(w, pack)) == HELD) != out
    assert (judged(w, pack)["verdict"] in GOOD) == out


@pytest.mark.parametrize("out", [False, True])
def test_a_second_life_sheds_no_part(*, out: bool) -> None:
    """
    I2: what repairs put into a battery is in what that was made into; what they took out of it is not.
    """
    w = World(publishers=(MAKER, SECOND_LIFE))
    old, part, new = stock(w), module(w), code(33, maker="ZZ5")
    repaired(w, old, **{"child_out" if out else "child_in": part})
    w.happen(MAKER, "market.placed", old, {"art_41_checked": True}, parties=(SECOND_LIFE,))
    told, about = TESTED | {"successors": [new]}, (subject_of(new),)
    w.happen(SECOND_LIFE, "second_life.repurposed", old, told, cosign=(MAKER,), references=about)
    w.produce(new, by=SECOND_LIFE)
    w.publish(new, w.issue(new, by=SECOND_LIFE))
    shown: dict[str, Any] = {"condition": "second_life", **INLAND}
    before = judged(w, new, **shown)
    recalled(w, part)

    assert before["verdict"] in GOOD
    assert (judged(w, new, **shown)["verdict"] in GOOD) == out
    assert out or shape(judged(w, new, **shown)) == HELD


# -- whose word it is (I5) ------------------------------------------------------------------------------

TOLD = ("undecided", "part_stopped_told")


def used_pack(w: World) -> str:
    """Placed in the EU, in use there, taken out by WORKSHOP, which never had it; its importer has it."""
    text = placed_in_car(w, 1)
    w.happen(WORKSHOP, "battery.swapped_out", text, {"vin": VIN}, **IN_CAR)
    return text


def repaired_by(w: World, by: str, pack: str, at: int | None = None, **parts: str) -> None:
    said, about = {"work": "module", **parts}, tuple(map(subject_of, parts.values()))
    when: dict[str, Any] = {"event_time": at} if at is not None else {}
    w.happen(by, "battery.maintained", pack, said, references=about, **when)


def test_a_trade_that_neither_made_nor_has_a_battery_holds_it_by_no_repair() -> None:
    """
    I5: what it says it put in may be in there, so nothing is decided; the maker's and holder's word holds.
    """
    w = World()
    pack, part = used_pack(w), module(w)
    recalled(w, part)
    before = judged(w, pack, condition="used", **INLAND)
    repaired_by(w, WORKSHOP, pack, child_in=part)

    assert before["verdict"] in GOOD
    assert shape(judged(w, pack, condition="used", **INLAND)) == TOLD


def test_who_once_had_a_part_says_nothing_of_it_once_it_is_built_in() -> None:
    """
    I5: it is in another's battery; that it was repaired in there is told by who makes or has that.
    """
    w = World()
    pack, part, cell = stock(w), module(w), module(w, 8)
    w.happen(MAKER, "battery.handed_over", part, {"invoice": "1"}, parties=(WORKSHOP,), cosign=(WORKSHOP,))
    lost(w, cell)
    repaired(w, pack, child_in=part)
    repaired_by(w, WORKSHOP, part, child_in=cell)

    assert judged(w, pack)["verdict"] in GOOD


def test_who_sold_a_part_holds_it_by_no_repair_of_before() -> None:
    """
    I5: told late, of a pack of its own that is under recall; of what it has no more it decides nothing.
    """
    w = World()
    part, pack = module(w), stock(w)
    for text in (part, pack):
        w.happen(
            MAKER, "battery.handed_over", text, {"invoice": "1"}, parties=(WORKSHOP,), cosign=(WORKSHOP,)
        )
    w.ledger.now += 1_000
    w.run()
    then = w.now
    w.ledger.now += 1_000
    w.happen(WORKSHOP, "battery.handed_over", part, {"invoice": "2"}, parties=(IMPORTER,), cosign=(IMPORTER,))
    recalled(w, pack)
    repaired_by(w, WORKSHOP, pack, at=then, child_out=part)

    assert shape(judged(w, part)) == TOLD


# -- what is not read, and in which order ---------------------------------------------------------------


def test_many_repairs_hide_no_battery_that_it_was_a_part_of() -> None:
    """
    I6, I8: beyond the namings that are kept one may be of a recalled pack; as used, too.
    """
    w = World()
    part, last = module(w), stock(w, 60)
    recalled(w, last)
    for serial in range(40, 48):
        repaired(w, stock(w, serial), child_out=part)
    repaired(w, last, child_out=part)

    for condition in ("new", "used"):
        assert shape(judged(w, part, condition=condition, **INLAND)) == ("undecided", "relatives_unread")


def test_what_is_beyond_the_bound_is_said_to_be_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    I8: more repairs than a verdict reads leave it undecided.
    """
    w = World()
    pack, part = stock(w), module(w)
    for serial in (20, 21, 22):
        repaired(w, part, child_in=module(w, serial))
    repaired(w, pack, child_in=part)
    assert judged(w, pack)["verdict"] in GOOD

    monkeypatch.setattr(rests, "REPAIRS_READ_MAX", 2)
    assert shape(judged(w, pack)) == ("undecided", "relatives_unread")


@pytest.mark.parametrize("inside", [True, False])
def test_the_last_repair_is_the_last_by_its_hour(*, inside: bool) -> None:
    """
    I9: the order in which two true statements come decides no word.
    """
    w = World()
    pack, part = stock(w), module(w)
    recalled(w, part)
    w.ledger.now += 1_000
    w.run()
    then = w.now
    w.ledger.now += 1_000
    w.run()
    last, first = ("child_in", "child_out") if inside else ("child_out", "child_in")
    repaired_by(w, MAKER, pack, None, **{last: part})
    repaired_by(w, MAKER, pack, then, **{first: part})

    assert (shape(judged(w, pack)) == HELD) == inside
    assert (judged(w, pack)["verdict"] in GOOD) != inside


def test_what_is_taken_out_by_another_record_is_out() -> None:
    """
    A cell put in by the record of its module, and taken out by a repair of the pack around it.
    """
    w = World()
    pack, part, cell = stock(w), module(w), module(w, 8)
    repaired(w, part, child_in=cell)
    repaired(w, pack, child_in=part)
    repaired(w, pack, child_out=cell)
    recalled(w, cell)

    assert judged(w, pack)["verdict"] in GOOD


def test_references_in_another_order_than_the_document_decide_nothing() -> None:
    """
    I6: which key is which code is asked of the codes, where they are known; who swaps them gains nothing.
    """
    w = World()
    pack, put_in, taken = stock(w), module(w), module(w, 8)
    said = {"work": "module", "child_in": put_in, "child_out": taken}
    w.happen(MAKER, "battery.maintained", pack, said, references=(subject_of(put_in), subject_of(taken)))
    recalled(w, put_in)
    whole = w.evidence(pack)
    known = {**whole.subjects, put_in: subject_of(put_in), taken: subject_of(taken)}

    assert judged(w, pack, evidence=replace(whole, subjects=known))["verdict"] not in GOOD


@pytest.mark.parametrize("again", [False, True])
def test_a_part_whose_health_alone_reads_as_used_is_not_new_in_there(*, again: bool) -> None:
    """
    I1, D974: no test has to say cycles; whoever measures again does not make it new. Voided, it never was.
    """
    w = World()
    pack, part = stock(w), module(w)
    repaired(w, pack, child_in=part)
    w.happen(MAKER, "battery.sold", part, {"invoice": "1"}, parties=(WORKSHOP,))
    said = {"method": "m", "measured_on": "2027-01-15"}
    for health in (500, 1000) if again else (500,):
        read = {"soh_permille": health}
        test = w.happen(WORKSHOP, "soh.measured", part, {**said, **read}, quantities=read)

    assert shape(judged(w, pack)) == ("undecided", "part_used")
    case, both = {"case": "1"}, (EU_AUTHORITY,)
    w.happen(CN_AUTHORITY, "attestation.voided", part, case, cosign=both, references=(test,))
    assert (judged(w, pack)["verdict"] in GOOD) != again
