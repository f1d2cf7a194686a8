"""What is told after a battery went on: it shows what it shows and moves nothing, said by whoever could."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consensus.application import Refusal
from consensus.encoding import decode
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.situations import SITUATIONS_MAX
from credentials.ledger.standing import Standing
from tests.credentials.test_custody import last
from tests.credentials.test_routes import CAR, claims, ends_as
from tests.credentials.test_shown import GOOD, PRESENTED, VIN, check, judged, shape
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
    battery,
    lifecycle_table,
    make_genesis,
    rule_files,
    vehicle,
)

LATER_S = 1_000  # beyond the skew of clocks
NAMED = (WORKSHOP, RECYCLER, SECOND_LIFE, IMPORTER)
OTHER_CAR = vehicle(2)
OTHER_VIN = "ZZ9DEM0E0T0000047"
MOVED = ("item_state", "eu_status", "holder", "named", "place", "lineage", "children", "last_event_time",
         "presentation", "jurisdictions", "readings", "responsible", "passport", "facts")  # fmt: skip

Going = Callable[[Ledger, Subject], None]


def named(ledger: Ledger, state: str = "placed") -> tuple[Subject, int]:
    """A battery in this state whose holder, its maker, named those who may speak; and a time in it."""
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "market.placed", subject, parties=NAMED)
    if state in ("installed", "removed"):
        ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    if state == "removed":
        ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    if state == "waste":
        ledger.happen(RECYCLER, "battery.declared_waste", subject)
    then = ledger.now
    ledger.now += LATER_S
    return subject, then


def sent(ledger: Ledger, subject: Subject) -> None:
    """Sent abroad: its state changed, and whom its holder named before is not its consignee."""
    kind = "waste.exported" if ledger.standing(subject).item_state == "waste" else "battery.exported"
    by = RECYCLER if kind == "waste.exported" else MAKER
    ledger.happen(by, kind, subject, parties=(RIVAL,))


def handed(ledger: Ledger, subject: Subject) -> None:
    """In other hands, in the same state."""
    ledger.hand_over(MAKER, subject, RIVAL)


def declared(ledger: Ledger, subject: Subject) -> None:
    """Before customs abroad."""
    sent(ledger, subject)
    ledger.happen(RIVAL, "battery.presented", subject)


HEALTH = {"soh_permille": 900, "cycles": 300}
SUCCESSOR = {"references": (battery(5, "ZZ5"),)}
Use = tuple[str, str, str, dict[str, Any], str]  # state then, who, what, with what, the mark
USES: tuple[Use, ...] = (
    ("placed", WORKSHOP, "battery.installed", {"bound_asset": CAR}, "installed"),
    ("installed", WORKSHOP, "battery.swapped_out", {"bound_asset": CAR}, "removed"),
    ("installed", WORKSHOP, "battery.replaced", {"bound_asset": CAR, "references": (battery(2),)}, "removed"),
    ("installed", WORKSHOP, "battery.maintained", {}, "repaired_in_use"),
    ("installed", WORKSHOP, "soh.measured", {"quantities": HEALTH}, "measured_in_use"),
    ("placed", WORKSHOP, "negative_event", {}, ""),
    ("installed", WORKSHOP, "vehicle.scrapped", {"bound_asset": CAR}, "waste"),
    ("placed", RECYCLER, "battery.declared_waste", {}, "waste"),
    ("removed", RECYCLER, "battery.dismantled", {"references": (battery(11, "ZZ6"),)}, "dismantled"),
    ("waste", SECOND_LIFE, "second_life.prepared_for_reuse", SUCCESSOR, "consumed"),
    ("waste", SECOND_LIFE, "second_life.prepared_for_repurposing", SUCCESSOR, "consumed"),
    ("placed", SECOND_LIFE, "second_life.repurposed", SUCCESSOR, "consumed"),
    ("removed", SECOND_LIFE, "second_life.remanufactured", SUCCESSOR, "consumed"),
    ("placed", IMPORTER, "used.exported", {"quantities": {"soh_permille": 800}}, "exported_as_used"),
    ("waste", RECYCLER, "waste.exported", {}, "waste"),
    ("placed", CN_AUTHORITY, "end_of_life.certified", {"parties": (RECYCLER,)}, "end_of_life"),
    ("installed", EU_AUTHORITY, "vehicle.registered", {"bound_asset": CAR}, ""),
    ("installed", MAKER, "vehicle.sold", {"bound_asset": CAR}, "transferred_after_use"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("use", "going"),
    [
        pytest.param(use, going, id=f"{use[2]}-{going.__name__}")
        for use in USES
        for going in (sent, handed, declared)
        if use[1] not in (CN_AUTHORITY, EU_AUTHORITY)
        or going is not handed  # the authority of the place speaks as before
    ],
)
def test_what_is_told_late_shows_what_it_shows_and_moves_nothing(use: Use, going: Going) -> None:
    """
    I1, I6: each report of use, told by whoever could have told it then, after the battery was sent abroad,
    was handed over or is before customs: it is admitted as of its time, leaves its mark, and moves nothing.
    """
    state, by, kind, members, mark = use
    ledger = Ledger()
    subject, then = named(ledger, state)
    ledger.produced(2)
    going(ledger, subject)
    before = ledger.standing(subject)
    if kind.startswith("second_life"):
        said = ledger.countersigned(by, kind, subject, (MAKER,), event_time=then, **members)
        ledger.run(said)
    else:
        assert ends_as(ledger, by, kind, subject, event_time=then, **members) == "admitted"

    after = ledger.standing(subject)
    assert set(after.marks) == {*before.marks, *([mark] if mark else [])}
    assert after.undo is not None and after.undo.author == by
    held = [name for name in MOVED if getattr(before, name) != getattr(after, name)]
    assert held in ([], ["facts"], ["eu_status"]) and before.facts.items() <= after.facts.items()
    assert (after.eu_status == "waste") == (before.eu_status == "waste" or mark == "waste")
    assert len(after.past.late_leaves) == 1


@pytest.mark.parametrize("use", [use for use in USES if use[3] == SUCCESSOR], ids=lambda use: str(use[2]))
@pytest.mark.parametrize("going", [None, sent, handed, declared])
@pytest.mark.parametrize("whose", ["its own", "another maker's", "the old one's maker's", "one of both"])
def test_nobody_makes_a_battery_into_a_code_of_another(use: Use, going: Going | None, whose: str) -> None:
    """
    I5, X8: neither as state nor late: who names a code that it does not make is refused by the data of the
    table. Into its own new code the same goes through, at once and late.
    """
    state, by, kind, _, mark = use
    ledger = Ledger()
    subject, then = named(ledger, state)
    own, other, makers = battery(5, "ZZ5"), battery(7, "ZZ3"), battery(8)
    named_codes = {
        "its own": (own,), "another maker's": (other,), "the old one's maker's": (makers,),
        "one of both": (own, makers),
    }  # fmt: skip
    if going is not None:
        going(ledger, subject)
    before = ledger.standing(subject)
    said = ledger.countersigned(
        by, kind, subject, (MAKER,), event_time=then if going else ledger.now, references=named_codes[whose]
    )

    if whose == "its own":
        ledger.run(said)
        assert mark in ledger.standing(subject).marks
    else:
        with pytest.raises(Refusal, match="a successor is a code of") as refusal:
            ledger.run(said)
        assert refusal.value.code == "not_responsible" and ledger.propose([said]) == ()
        assert ledger.standing(subject) == before


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not asked"])
@pytest.mark.parametrize("kind", [use[2] for use in USES if use[3] == SUCCESSOR])
def test_a_second_life_is_claimed_into_a_code_of_ones_own_alone(kind: str, asked: bool) -> None:
    """
    I5: who has no right over the old battery claims that it made it into its own new code; into a code of
    others it claims nothing. Under a table that does not ask that, it is a claim, as before.
    """
    ledger = Ledger()
    if not asked:
        table = lifecycle_table()
        for event in table["events"]:
            event["members"].get("successors", {}).pop("own", None)
        ledger.go_by(table)
    subjects = [battery(number, "ZZ3") for number in (1, 2)]
    for subject in subjects:
        ledger.happen(OTHER_MAKER, "battery.produced", subject)

    said = [
        ends_as(ledger, SECOND_LIFE, kind, subject, references=(into,))
        for subject, into in zip(subjects, (battery(9), battery(5, "ZZ5")), strict=True)
    ]

    assert said == ["not_responsible" if asked else "claim", "claim"]
    assert [claims(ledger, subject).count for subject in subjects] == [0 if asked else 1, 1]


def test_every_event_that_may_be_told_late_is_tried() -> None:
    """
    What the table lets be told late is what the table above tries, and it is all that leaves a mark of use
    without giving the battery to somebody.
    """
    events = Lifecycle.parse(lifecycle_table()).events.values()
    late = {event.type for event in events if event.told_late}

    assert late == {use[2] for use in USES}
    left = {
        e.type
        for e in events
        if (e.marks or e.marks_in_use or e.marks_after_use or e.marks_named) and e.type not in late
    }
    assert left == {
        "battery.enrolled", "responsibility.transferred", "battery.sold",
        "battery.handed_over", "custody.assigned",
    }  # fmt: skip


def test_a_stranger_tells_nothing_late_and_whom_it_names_now_nothing_of_before() -> None:
    """
    I5: who had no right then, or was named only afterwards, gets what it gets without a past; and of a time
    in which it had none, whoever was named before gets no more.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    then, installed = ledger.now, {"bound_asset": CAR}
    ledger.now += LATER_S
    ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
    ledger.now += LATER_S
    sent(ledger, subject)

    refused = [
        ends_as(ledger, WORKSHOP, "battery.installed", subject, event_time=then, **installed),
        ends_as(ledger, OTHER_MAKER, "battery.declared_waste", subject, event_time=then),
        ends_as(ledger, RIVAL, "used.exported", subject, event_time=then, quantities={"soh_permille": 1}),
        ends_as(ledger, WORKSHOP, "battery.installed", subject, event_time=ledger.now, **installed),
        ends_as(ledger, WORKSHOP, "battery.installed", subject, event_time=then - 2 * LATER_S, **installed),
    ]

    assert refused == ["X11", "X9", "state", "claim", "X11"]
    assert ledger.standing(subject).marks == () and claims(ledger, subject).count == 1


def test_a_naming_counts_from_when_its_author_says_it_was() -> None:
    """
    A naming that was recorded some hours after it was made counts from its own time, and never from before
    its author had the battery.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.now += LATER_S
    handed_at = ledger.now
    ledger.hand_over(MAKER, subject, IMPORTER)
    sold_at = ledger.now
    ledger.now += LATER_S
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(WORKSHOP,), event_time=handed_at - 500)
    ledger.now += LATER_S
    ledger.hand_over(IMPORTER, subject, RIVAL)
    told = {"bound_asset": CAR}

    before = ends_as(ledger, WORKSHOP, "battery.installed", subject, event_time=handed_at - 400, **told)
    assert before == "claim"
    assert ends_as(ledger, WORKSHOP, "battery.maintained", subject, event_time=sold_at) == "admitted"


@pytest.mark.parametrize("how", ["attestation.corrected", "attestation.voided"])
def test_a_correction_silences_nobody_and_what_authorities_voided_never_was(how: str) -> None:
    """
    I6: who named a workshop and corrects that once this did its work has it named then all the same. Where
    authorities say that the naming never was, nobody was named by it.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
    then = ledger.now
    ledger.now += LATER_S
    if how == "attestation.voided":
        tx = ledger.countersigned(CN_AUTHORITY, how, subject, (EU_AUTHORITY,), **last(ledger, subject))
        ledger.run(tx)
    else:
        ledger.happen(MAKER, how, subject, **last(ledger, subject))
    assert ledger.standing(subject).named == ()

    told = ends_as(ledger, WORKSHOP, "battery.installed", subject, event_time=then, bound_asset=CAR)
    assert told == ("admitted" if how == "attestation.corrected" else "claim")


def test_nothing_is_told_late_of_a_code_that_its_maker_did_not_make_after_all() -> None:
    """
    I5: a production that is corrected leaves an unborn code, and no past in which anybody spoke of it.
    """
    ledger = Ledger()
    subject = ledger.produced(1)
    then = ledger.now
    ledger.now += LATER_S
    ledger.happen(MAKER, "attestation.corrected", subject, **last(ledger, subject))

    told = ends_as(ledger, MAKER, "battery.installed", subject, event_time=then, bound_asset=CAR)
    assert told == "state" and not ledger.standing(subject).born


def test_trades_of_a_place_tell_late_what_they_did_there() -> None:
    """
    A car that was driven and left: a workshop of the place it was in reports its repair of then; one of the
    place where it is, or a time before it was placed, says nothing so.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    before = ledger.now
    ledger.now += LATER_S
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER, RECYCLER))
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.released", subject)
    ledger.happen(IMPORTER, "market.placed", subject)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(WORKSHOP,))
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    ledger.happen(IMPORTER, "vehicle.sold", subject, bound_asset=CAR)
    then = ledger.now
    ledger.now += LATER_S
    ledger.happen(EU_AUTHORITY, "custody.assigned", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.exported", subject, parties=(RIVAL,))

    assert ends_as(ledger, WORKSHOP, "battery.maintained", subject, event_time=before) == "claim"
    assert ends_as(ledger, OTHER_MAKER, "battery.maintained", subject, event_time=then) == "X9"
    assert ends_as(ledger, WORKSHOP, "battery.maintained", subject, event_time=then) == "admitted"
    told = ledger.standing(subject)
    assert "repaired_in_use" in told.marks and told.undo is not None and told.undo.since is not None


def test_what_is_told_late_is_taken_back_as_everything_is() -> None:
    """
    I3: its author corrects it, the marks stay; authorities void it, and they go; an end is not corrected.
    The record that it followed is as it was, with its past.
    """
    for how in ("attestation.corrected", "attestation.voided", "an end"):
        ledger = Ledger()
        subject, then = named(ledger)
        sent(ledger, subject)
        before = ledger.standing(subject)
        by, kind, told = WORKSHOP, "battery.installed", {"bound_asset": CAR}
        if how == "an end":
            by, kind, told = RECYCLER, "battery.declared_waste", {}
        ledger.happen(by, kind, subject, event_time=then, **told)
        assert ends_as(ledger, RIVAL, "attestation.corrected", subject, **last(ledger, subject)) == (
            "not_responsible"
        )
        if how == "an end":
            assert ends_as(ledger, by, "attestation.corrected", subject, **last(ledger, subject)) == (
                "irreversible"
            )
            continue
        if how == "attestation.voided":
            tx = ledger.countersigned(CN_AUTHORITY, how, subject, (EU_AUTHORITY,), **last(ledger, subject))
            ledger.run(tx)
        else:
            ledger.happen(WORKSHOP, how, subject, **last(ledger, subject))

        after = ledger.standing(subject)
        assert (after.bound, after.item_state, after.holder) == (None, before.item_state, before.holder)
        assert after.marks == (() if how == "attestation.voided" else ("installed",))
        assert after.past.before[: len(before.past.before)] == before.past.before
        assert bool(after.past.late_leaves) == (how == "attestation.corrected")


def test_who_holds_it_contests_what_is_told_late_and_one_authority_withdraws_a_trades() -> None:
    """
    A late word is answered like any other: contested by the holder, and withdrawn by one authority where a
    trade alone said it.
    """
    ledger = Ledger()
    subject, then = named(ledger, "installed")
    ledger.hand_over(MAKER, subject, RIVAL)
    ledger.happen(WORKSHOP, "battery.maintained", subject, event_time=then)

    assert ends_as(ledger, RIVAL, "record.contested", subject, **last(ledger, subject)) == "admitted"
    assert ledger.standing(subject).contested


def test_it_is_in_the_vehicle_that_it_travels_in_and_goes_on_there() -> None:
    """
    Told late of goods on the way, the battery is in its vehicle: it arrives, is let in and is placed as one
    whose installation was told at once; the vehicle knows it.
    """
    worlds = []
    for late in (False, True):
        ledger = Ledger()
        subject, then = named(ledger)
        told = {"bound_asset": CAR, "event_time": then}
        if not late:
            ledger.happen(WORKSHOP, "battery.installed", subject, **told)
        ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
        if late:
            ledger.happen(WORKSHOP, "battery.installed", subject, **told)
        ledger.happen(IMPORTER, "battery.presented", subject)
        ledger.happen(CUSTOMS, "customs.released", subject)
        ledger.happen(IMPORTER, "market.placed", subject)
        ledger.happen(IMPORTER, "vehicle.sold", subject, bound_asset=CAR)
        now = ledger.standing(subject)
        worlds.append((now.item_state, now.bound_asset, now.marks, now.holder, now.place))

    assert worlds[0] == worlds[1]


@pytest.mark.parametrize(
    "how", ["handed over", "installed elsewhere since", "taken out since", "still in a shop"]
)
def test_it_is_bound_to_no_vehicle_by_what_is_told_late_of_another_time(how: str) -> None:
    """
    I5: what changed hands since, was in another vehicle by its record, or travels nowhere is marked, and
    stays where its record has it: its holder builds it in as before.
    """
    ledger = Ledger()
    subject, then = named(ledger)
    if how == "handed over":
        ledger.happen(MAKER, "battery.exported", subject, parties=(RIVAL,))
        ledger.hand_over(MAKER, subject, RIVAL)
    elif how == "still in a shop":
        ledger.hand_over(MAKER, subject, RIVAL)
    else:
        ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=OTHER_CAR)
        if how == "taken out since":
            ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=OTHER_CAR)
    before = ledger.standing(subject)

    ledger.happen(WORKSHOP, "battery.installed", subject, event_time=then, bound_asset=CAR)

    after = ledger.standing(subject)
    assert (after.bound, after.item_state) == (before.bound, before.item_state)
    assert "installed" in after.marks


def test_a_battery_that_was_in_one_vehicle_then_was_not_put_into_another() -> None:
    """
    X5 is asked of the record as it stood: who says that it took the battery out of a vehicle that it was not
    in, or put it into a second one, is answered as if there were no past.
    """
    ledger = Ledger()
    subject, then = named(ledger, "installed")
    sent(ledger, subject)

    for kind in ("battery.installed", "battery.swapped_out"):
        told = {"bound_asset": OTHER_CAR, "event_time": then}
        assert ends_as(ledger, WORKSHOP, kind, subject, **told) == "X11"
    assert ledger.standing(subject).marks == ("installed",)


@pytest.mark.parametrize("meanwhile", ["found", "handed over"])
def test_what_moves_a_lost_battery_waits_until_it_is_found(meanwhile: str) -> None:
    """
    X18: told of a time before it was reported lost, an export as waste waits, and nobody tells it late: it is
    recorded once the battery is found, or late, if that went on since.
    """
    ledger = Ledger()
    subject, then = named(ledger, "waste")
    exported = {"parties": (RIVAL,), "event_time": then}
    ledger.happen(MAKER, "battery.reported_lost", subject)
    assert ends_as(ledger, RECYCLER, "waste.exported", subject, **exported) == "X18"
    ledger.happen(MAKER, "battery.found", subject)
    if meanwhile == "handed over":
        ledger.hand_over(MAKER, subject, RIVAL)

    assert ends_as(ledger, RECYCLER, "waste.exported", subject, **exported) == "admitted"
    assert len(ledger.standing(subject).past.late_leaves) == (meanwhile == "handed over")


def test_times_are_bounded_as_ever() -> None:
    """
    X11: nothing is told of a time before it was made or ahead of now, and what stood before the latest
    situations that are kept is told by nobody.
    """
    ledger = Ledger()
    ledger.now += 10 * LATER_S
    subject, then = named(ledger)
    told = {"bound_asset": CAR}
    for n in range(SITUATIONS_MAX - 1):
        to = (RIVAL, IMPORTER)[n % 2]
        ledger.hand_over(ledger.standing(subject).holder or MAKER, subject, to)
    kept = ledger.standing(subject).past
    assert len(kept.before) == SITUATIONS_MAX
    made = then - 5 * LATER_S
    assert ends_as(ledger, WORKSHOP, "battery.installed", subject, event_time=made, **told) == "X11"
    ahead = ledger.now + 2 * LATER_S
    assert ends_as(ledger, WORKSHOP, "battery.installed", subject, event_time=ahead, **told) == "X11"
    assert ends_as(ledger, WORKSHOP, "battery.maintained", subject, event_time=then) == "admitted"

    ledger.hand_over(ledger.standing(subject).holder or MAKER, subject, MAKER)
    ledger.hand_over(MAKER, subject, RIVAL)
    assert len(ledger.standing(subject).past.before) == SITUATIONS_MAX
    assert ends_as(ledger, WORKSHOP, "battery.installed", subject, event_time=then, **told) == "claim"


def test_a_record_without_a_past_is_written_as_before() -> None:
    """
    Where the rules in force tell nothing late, no past is kept; a record written then is read now.
    """
    ledger = Ledger()
    subject, _ = named(ledger)
    sent(ledger, subject)
    with_past = ledger.standing(subject)
    assert Standing.decode(with_past.encode()) == with_past and with_past.past.before

    older = replace(with_past, past=Standing(subject).past, undo=None)
    value = decode(older.core())
    assert type(value) is list and len(value) == 31
    assert Standing.decode(older.encode()) == older


def test_rules_without_it_keep_no_past() -> None:
    """
    A network whose rules let nothing be told late keeps standings byte for byte as it did.
    """
    late = Lifecycle.parse(lifecycle_table())
    table = lifecycle_table()
    for event in table["events"]:
        event.pop("told_late", None)
        event.pop("binds_late_in", None)

    assert late.tells_late and not Lifecycle.parse(table).tells_late


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("battery.presented", {"told_late": True}),
        ("battery.produced", {"told_late": True}),
        ("market.placed", {"told_late": True}),
        ("attestation.corrected", {"told_late": True}),
        ("record.contested", {"told_late": True}),
        ("battery.found", {"told_late": True}),
        ("battery.swapped_out", {"binds_late_in": ["exported"]}),
        ("battery.installed", {"told_late": False}),
        ("battery.installed", {"binds_late_in": ["nowhere"]}),
        ("battery.installed", {"told_late": "yes"}),
    ],
)
def test_a_table_that_would_move_something_late_is_refused(kind: str, member: dict[str, Any]) -> None:
    """
    What brings into being, declares, sets, lifts or takes back is told at its time, or not.
    """
    table = lifecycle_table()
    next(e for e in table["events"] if e["type"] == kind).update(member)

    with pytest.raises(CredentialError, match=kind):
        Lifecycle.parse(table)


# -- what a verdict says ----------------------------------------------------------------------------


def on_its_way(w: World, *, who: str = WORKSHOP, as_code: str = "8507600000") -> tuple[str, int]:
    """Named by its maker, a party has it before it is exported; the time of that, once it is declared."""
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.sold", text, {"invoice": "1"}, parties=(who,))
    then = w.now
    w.ledger.now += LATER_S
    w.happen(MAKER, "battery.exported", text, {"commodity_code": as_code}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED | {"commodity_code": as_code})
    return text, then


def test_a_battery_that_was_installed_before_its_export_is_not_new_abroad() -> None:
    """
    The workshop reports after the export was recorded: what was clear as new is held, and the line says that
    something was told late.
    """
    w = World()
    text, then = on_its_way(w)
    assert judged(w, text)["verdict"] in GOOD

    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, event_time=then, bound_asset=subject_of(VIN))

    told = judged(w, text)
    assert shape(told)[0] == "hold" and "installed" in check(told, "new_not_used")[0]["evidence"]["marks"]
    assert [c["reason"] for c in check(told, "standing.claims")] == ["told_late"]
    assert not check(judged(World(), code(1)), "told_late")


def test_a_new_car_whose_battery_was_reported_late_is_as_clear_as_another() -> None:
    """
    Its maker reports the installation after the export: the vehicle is on record, and the car is new.
    """
    w = World()
    text, then = on_its_way(w, who=MAKER, as_code="8703800000")
    car = {"goods": "in_vehicle", "commodity_code": "8703800000", "mass_kg": None, "vin": VIN}
    assert shape(judged(w, text, **car)) == ("undecided", "vin_not_recorded")

    w.happen(MAKER, "battery.installed", text, {"vin": VIN}, event_time=then, bound_asset=subject_of(VIN))

    assert judged(w, text, **car)["verdict"] in GOOD


@pytest.mark.parametrize("condition", ["new", "used", "return"])
@pytest.mark.parametrize(
    "kind", ["battery.dismantled", "second_life.remanufactured", "battery.declared_waste"]
)
def test_what_ended_as_was_told_late_is_no_battery_any_more(kind: str, condition: str) -> None:
    """
    I1: taken apart, made into another, or waste, before it was sent abroad as used: it is that, however it is
    shown, though its record has it on the way.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=NAMED)
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    w.happen(WORKSHOP, "battery.swapped_out", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    then = w.now
    w.ledger.now += LATER_S
    said = {"contract": "c", "soh_permille": 900}
    w.happen(IMPORTER, "used.exported", text, said, quantities={"soh_permille": 900}, parties=(RIVAL,))
    w.happen(RIVAL, "battery.presented", text, PRESENTED)

    if kind == "battery.dismantled":
        child = subject_of(code(11, maker="ZZ6"))
        w.happen(RECYCLER, kind, text, {"facility_licence": "L"}, event_time=then, references=(child,))
    elif kind == "battery.declared_waste":
        w.happen(RECYCLER, kind, text, {"reason": "worn"}, event_time=then)
    else:
        successor = subject_of(code(5, maker="ZZ5"))
        w.happen(SECOND_LIFE, kind, text, {}, cosign=(MAKER,), event_time=then, references=(successor,))

    told = check(judged(w, text, condition=condition), "standing.state")[0]
    word = judged(w, text, condition=condition)["verdict"]
    assert word not in GOOD and told["outcome"] != "pass"


def test_an_export_that_is_told_late_is_no_record_of_this_journey() -> None:
    """
    X19: the Annex XIV record is that of the last departure on record, and what is told late of a time before
    it does not end that journey either.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP, IMPORTER))
    then = w.now
    w.ledger.now += LATER_S
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    quantities = {"soh_permille": 900}
    said = {"contract": "c", "soh_permille": 900}

    w.happen(IMPORTER, "used.exported", text, said, event_time=then, quantities=quantities)

    told = judged(w, text, condition="used")
    missing = check(told, "used_evidence")[0]
    assert missing["reason"] == "used_evidence_missing" and missing["evidence"]["kind"] == "battery.exported"
    assert shape(judged(w, text)) == ("hold", "used_sold_as_new")


@pytest.mark.parametrize(
    ("by", "kind", "said"),
    [(CN_AUTHORITY, "vehicle.registered", {}), (MAKER, "vehicle.sold", {"invoice": "1"})],
)
def test_a_car_that_is_told_late_to_have_been_on_the_road_is_no_new_one_abroad(
    by: str, kind: str, said: dict[str, str]
) -> None:
    """
    I6, 0991: registered or sold before it was exported, and recorded after: neither battery in it is new, and
    nothing of where they are, or whose, is changed by it.
    """
    w = World()
    in_car: dict[str, Any] = {"bound_asset": subject_of(VIN)}
    texts = [code(1), code(2)]
    for text in texts:
        w.produce(text)
        w.publish(text)
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **in_car)
    w.ledger.now += LATER_S
    w.run()
    then = w.now
    w.ledger.now += LATER_S
    for text in texts:
        w.happen(MAKER, "battery.exported", text, {"commodity_code": "870380"}, parties=(IMPORTER,))
    car = {"goods": "in_vehicle", "commodity_code": "8703800000", "mass_kg": None, "vin": VIN}
    held = w.ledger.standing(subject_of(code(1)))
    for text in texts:
        assert judged(w, text, **car)["verdict"] in GOOD

    w.happen(by, kind, texts[0], {"vin": VIN, **said}, event_time=then, **in_car)

    for text in texts:
        assert shape(judged(w, text, **car)) == ("hold", "used_sold_as_new")
    now = w.ledger.standing(subject_of(code(1)))
    assert (now.holder, now.place, now.jurisdictions) == (held.holder, held.place, held.jurisdictions)


def test_a_vehicle_is_told_late_of_a_battery_that_is_in_another_by_now() -> None:
    """
    I6, 0971: registered with two batteries, and recorded after one of them went into another vehicle: the one
    that stayed is no new one, and the other stays where it is.
    """
    w = World()
    in_car: dict[str, Any] = {"bound_asset": subject_of(VIN)}
    texts = [code(1), code(2)]
    for text in texts:
        w.produce(text)
        w.publish(text)
        w.happen(MAKER, "market.placed", text, parties=NAMED)
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **in_car)
    w.ledger.now += LATER_S
    w.run()
    then = w.now
    w.ledger.now += LATER_S
    w.happen(WORKSHOP, "battery.swapped_out", texts[0], {"vin": VIN}, **in_car)
    w.happen(MAKER, "battery.installed", texts[0], {"vin": OTHER_VIN}, bound_asset=subject_of(OTHER_VIN))
    moved = w.ledger.standing(subject_of(texts[0]))
    car: dict[str, Any] = {
        **{"goods": "in_vehicle", "commodity_code": "8703800000", "mass_kg": None},
        **{"vin": VIN, "direction": "export"},
    }
    assert judged(w, texts[1], **car)["verdict"] in GOOD

    w.happen(CN_AUTHORITY, "vehicle.registered", texts[0], {"vin": VIN}, event_time=then, **in_car)

    assert shape(judged(w, texts[1], **car)) == ("hold", "used_sold_as_new")
    now = w.ledger.standing(subject_of(texts[0]))
    assert (now.bound, now.item_state, now.holder) == (moved.bound, moved.item_state, moved.holder)


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_said_of_the_vehicle_of_then_waits_for_ever_under_the_rules_before(*, whole: bool) -> None:
    """
    0971: a table without `whole_pasts` hears it of the present record, as it did.
    """
    table = lifecycle_table()
    if not whole:
        del table["whole_pasts"]
    ledger = Ledger(make_genesis(rule_files={**rule_files(), "lifecycle.json": json.dumps(table).encode()}))
    subject, then = named(ledger, "installed")
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=OTHER_CAR)

    ended = ends_as(ledger, EU_AUTHORITY, "vehicle.registered", subject, event_time=then, bound_asset=CAR)

    assert ended == ("admitted" if whole else "X5")
