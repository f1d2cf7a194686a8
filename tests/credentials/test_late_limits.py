"""What a late report, or another battery that went on, keeps from being said; what is said instead (0932)."""

from __future__ import annotations

import pytest

from consensus.application import Refusal
from tests.credentials.test_custody import last
from tests.credentials.test_routes import ends_as
from tests.credentials.test_shown import PRESENTED, VIN, judged, shape
from tests.credentials.test_told_late import LATER_S, SUCCESSOR, named, sent
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    IMPORTER,
    MAKER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    battery,
    set_list,
)


@pytest.mark.parametrize("taken_back", [False, True])
def test_an_export_under_a_late_report_is_undone_by_customs_and_not_by_its_author(taken_back: bool) -> None:
    """
    I3: only the last record is taken back, and a late report is one, also once its author corrected it. That
    the goods never left customs say all the same, and the mark of what was told late stays.
    """
    ledger = Ledger()
    subject, then = named(ledger)
    before = ledger.standing(subject)
    ledger.happen(MAKER, "battery.exported", subject, parties=(RIVAL,))
    export = last(ledger, subject)
    ledger.happen(WORKSHOP, "negative_event", subject, event_time=then)
    if taken_back:
        ledger.happen(WORKSHOP, "attestation.corrected", subject, **last(ledger, subject))

    assert ends_as(ledger, MAKER, "attestation.corrected", subject, **export) == "depends"

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
