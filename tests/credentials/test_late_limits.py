"""What a late report, or another battery that went on, keeps from being said; what is said instead (0932)."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.application import Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.parties import Limits
from tests.credentials.test_custody import last
from tests.credentials.test_routes import CAR, ends_as, in_use, placed
from tests.credentials.test_shown import PRESENTED, VIN, judged, shape
from tests.credentials.test_told_late import LATER_S, SUCCESSOR, named, sent
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    battery,
    lifecycle_table,
    set_list,
)

WASTE = "battery.declared_waste"


@pytest.mark.parametrize("taken_back", [False, True])
@pytest.mark.parametrize("reports", [1, 2])
def test_an_export_under_late_reports_is_corrected_by_its_author(reports: int, taken_back: bool) -> None:
    """
    I3: what is told late is of a time before and rests on nothing since: whoever sent the battery away takes
    that back under it, also once the report was corrected. What the reports showed stays.
    """
    ledger = Ledger()
    subject, then = named(ledger)
    before = ledger.standing(subject)
    ledger.happen(MAKER, "battery.exported", subject, parties=(RIVAL,))
    export = last(ledger, subject)
    for by in (WORKSHOP, RECYCLER)[:reports]:
        ledger.happen(by, "negative_event", subject, event_time=then)
    if taken_back:
        ledger.happen(by, "attestation.corrected", subject, **last(ledger, subject))
    told = ledger.standing(subject)

    assert ends_as(ledger, RIVAL, "attestation.corrected", subject, **export) == "not_responsible"
    assert ends_as(ledger, MAKER, "attestation.corrected", subject, **export) == "admitted"

    after = ledger.standing(subject)
    kept = ("item_state", "place", "named", "holder", "last_event_time")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert after.past.late_leaves == told.past.late_leaves and set(told.marks) <= set(after.marks)
    assert ends_as(ledger, MAKER, "attestation.corrected", subject, **export) == "depends"
    ledger.happen(MAKER, "battery.exported", subject, parties=(RIVAL,))


@pytest.mark.parametrize("how", ["attestation.corrected", "record.withdrawn", "attestation.voided"])
@pytest.mark.parametrize("reports", [1, 2])
def test_what_was_told_late_is_taken_back_after_the_record_under_it(how: str, reports: int) -> None:
    """
    I1, I3: a late report under which another record was corrected is corrected, withdrawn and voided as ever:
    that brings nothing of the corrected record back, and voiding takes the mark of that report alone.
    """
    voided = how == "attestation.voided"
    ledger, subject, removal = _removed_and_told(reports, *([WASTE] if voided else []))
    before = ledger.standing(subject)
    late = last(ledger, subject)

    ledger.happen(WORKSHOP, "attestation.corrected", subject, **removal)
    assert ledger.standing(subject).eu_status == before.eu_status
    if voided:
        ledger.run(ledger.countersigned(EU_AUTHORITY, how, subject, (CN_AUTHORITY,), **late))
    else:
        ledger.happen(EU_AUTHORITY if how == "record.withdrawn" else WORKSHOP, how, subject, **late)

    after = ledger.standing(subject)
    assert (after.item_state, after.bound_asset, after.holder) == ("installed", CAR, IMPORTER)
    assert (
        set(before.marks) - set(after.marks) == ({"waste"} if voided else set()) and "removed" in after.marks
    )
    assert after.eu_status == "original"


@pytest.mark.parametrize("corrected", [False, True])
def test_a_row_of_trades_told_late_is_withdrawn_whole(corrected: bool) -> None:
    """
    I5: an authority withdraws a trade's record with what trades told late after it, also where its author
    corrected it meanwhile; nothing of it comes back.
    """
    ledger, car = Ledger(), {"bound_asset": CAR}
    subject = in_use(ledger)
    ledger.hand_over(
        IMPORTER, subject, RIVAL
    )  # who names nobody: the workshop speaks as a trade of the place
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, **car)
    loose = ledger.now
    ledger.now += LATER_S
    ledger.happen(WORKSHOP, "battery.installed", subject, **car)
    ledger.happen(RIVAL, "battery.sold", subject)  # ends the row
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, **car)
    removal = last(ledger, subject)
    for _ in range(2):
        ledger.happen(WORKSHOP, "battery.installed", subject, event_time=loose, **car)
    assert len(ledger.standing(subject).past.late_leaves) == 2
    if corrected:
        ledger.happen(WORKSHOP, "attestation.corrected", subject, **removal)

    ledger.happen(EU_AUTHORITY, "record.withdrawn", subject, **removal)

    after = ledger.standing(subject)
    assert (after.item_state, after.bound_asset) == ("installed", CAR) and "removed" in after.marks
    assert ends_as(ledger, WORKSHOP, "attestation.corrected", subject, **removal) == "depends"


def test_a_row_of_late_reports_is_withdrawn_without_what_was_corrected_under_it() -> None:
    """
    I3: what withdrawing all that trades told late would restore is corrected too.
    """
    ledger, car = Ledger(), {"bound_asset": CAR}
    subject = in_use(ledger)
    ledger.hand_over(IMPORTER, subject, RIVAL)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, **car)
    loose = ledger.now
    ledger.now += LATER_S
    for kind in ("battery.installed", "battery.swapped_out"):
        ledger.happen(WORKSHOP, kind, subject, **car)
    ledger.happen(RIVAL, "battery.sold", subject, parties=(IMPORTER,))
    sale = last(ledger, subject)
    told = []
    for _ in range(2):
        ledger.happen(WORKSHOP, "battery.installed", subject, event_time=loose, **car)
        told.append(last(ledger, subject))
    ledger.happen(RIVAL, "attestation.corrected", subject, **sale)

    ledger.happen(EU_AUTHORITY, "record.withdrawn", subject, **told[0])

    after = ledger.standing(subject)
    assert (after.item_state, after.named, len(after.past.late_leaves)) == ("removed", (), 2)


def _removed_and_told(reports: int, *kinds: str) -> tuple[Ledger, Subject, dict[str, Any]]:
    """A battery that a workshop took out of its car, and what is told afterwards of the time before."""
    ledger = Ledger()
    subject = placed(ledger)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(WORKSHOP, RECYCLER))
    loose = ledger.now
    ledger.now += LATER_S
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    inside = ledger.now
    ledger.now += LATER_S
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    removal = last(ledger, subject)
    for kind in (*("battery.installed" for _ in range(reports - len(kinds))), *kinds):
        if kind == WASTE:
            ledger.happen(RECYCLER, kind, subject, event_time=inside)
        else:
            ledger.happen(WORKSHOP, kind, subject, event_time=loose, bound_asset=CAR)
    assert len(ledger.standing(subject).past.late_leaves) == reports
    return ledger, subject, removal


@pytest.mark.parametrize("why", ["too_late", "depends"])
def test_a_record_under_a_late_report_is_corrected_as_one_without(why: str) -> None:
    """
    I2, I3: what its author could not take back without the report it does not take back under it.
    """
    ledger = Ledger()
    subject, then = named(ledger)
    ledger.happen(MAKER, "battery.exported", subject, parties=(RIVAL,))
    export = last(ledger, subject)
    ledger.happen(WORKSHOP, "negative_event", subject, event_time=then)
    if why == "too_late":
        ledger.now += Limits().correction_s_max + 1
    if why == "depends":
        ledger.happen(RIVAL, "battery.presented", subject)

    assert ends_as(ledger, MAKER, "attestation.corrected", subject, **export) == why


def test_under_a_table_that_does_not_say_so_nothing_is_corrected_under_a_late_report() -> None:
    """
    An older network keeps its bytes, and what it refuses, until it decides on the new table.
    """
    table = lifecycle_table()
    row = next(event for event in table["events"] if event["type"] == "attestation.corrected")
    del row["effects"]["under_late"]
    ledger = Ledger()
    ledger.go_by(table)
    subject, then = named(ledger)
    ledger.happen(MAKER, "battery.exported", subject, parties=(RIVAL,))
    export = last(ledger, subject)
    ledger.happen(WORKSHOP, "negative_event", subject, event_time=then)

    undo = ledger.standing(subject).undo
    assert undo is not None and undo.below is None
    assert ends_as(ledger, MAKER, "attestation.corrected", subject, **export) == "depends"


def test_an_export_under_a_late_report_is_undone_by_customs_too() -> None:
    """
    That the goods never left customs say all the same, and the mark of what was told late stays.
    """
    ledger = Ledger()
    subject, then = named(ledger)
    before = ledger.standing(subject)
    ledger.happen(MAKER, "battery.exported", subject, parties=(RIVAL,))
    ledger.happen(WORKSHOP, "negative_event", subject, event_time=then)

    ledger.happen(RIVAL, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.invalidated", subject, quantities={"never_left": 1})
    after = ledger.standing(subject)
    assert (after.item_state, after.place, after.named) == (before.item_state, before.place, before.named)
    assert len(after.past.late_leaves) == 1


def test_without_a_late_report_its_author_corrects_its_export() -> None:
    """
    The same without one: the author takes it back.
    """
    ledger = Ledger()
    subject, _ = named(ledger)
    ledger.happen(MAKER, "battery.exported", subject, parties=(RIVAL,))

    said = ends_as(ledger, MAKER, "attestation.corrected", subject, **last(ledger, subject))

    assert said == "admitted" and ledger.standing(subject).item_state == "placed"


def test_a_second_life_is_said_before_its_product_is_handed_on() -> None:
    """
    I5: into a code of its author that another holds by now it is refused as long as the old battery stays
    where it is, and that is what it was; of an old one that went on as well it is told late, and so is seen.
    """
    kind, new = "second_life.repurposed", battery(5, "ZZ5")
    ledger = Ledger()
    old, then = named(ledger)
    ledger.happen(SECOND_LIFE, "battery.produced", new)
    ledger.happen(SECOND_LIFE, "passport.published", new, set_list=set_list(5))
    ledger.hand_over(SECOND_LIFE, new, IMPORTER)
    before = ledger.standing(old)

    with pytest.raises(Refusal, match=f"held by {IMPORTER}") as refusal:
        ledger.run(ledger.countersigned(SECOND_LIFE, kind, old, (MAKER,), **SUCCESSOR))
    assert refusal.value.code == "not_responsible" and ledger.standing(old) == before

    sent(ledger, old)
    ledger.run(ledger.countersigned(SECOND_LIFE, kind, old, (MAKER,), event_time=then, **SUCCESSOR))
    assert "consumed" in ledger.standing(old).marks
    assert ledger.standing(new).predecessors == ()


def test_a_car_whose_battery_went_into_other_hands_is_not_bound_by_a_late_report() -> None:
    """
    I5: who bought a battery is not bound to a car by its seller's workshop: it is marked as installed, and as
    the car's it is not on record. The holder, or the vehicle's maker whom it names, says that it is.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.sold", text, {"invoice": "1"}, parties=(WORKSHOP,))
    then = w.now
    w.ledger.now += LATER_S
    w.ledger.hand_over(MAKER, subject_of(text), IMPORTER)
    w.happen(CN_AUTHORITY, "battery.exported", text, {"commodity_code": "8703800000"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED | {"commodity_code": "8703800000"})
    car = {"goods": "in_vehicle", "commodity_code": "8703800000", "mass_kg": None, "vin": VIN}

    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, event_time=then, bound_asset=subject_of(VIN))

    standing = w.ledger.standing(subject_of(text))
    assert standing.bound is None and "installed" in standing.marks
    told = judged(w, text, **car)
    assert shape(told)[0] != "clear"
    assert "vin_not_recorded" in {check["reason"] for check in told["checks"]}
