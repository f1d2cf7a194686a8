"""Customs invalidate a declaration because the goods never left (Art 174 UCC): what comes back, and when."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.documents.identifiers import Subject
from tests.credentials.test_routes import CAR, ends_as, presented
from tests.credentials.test_shown import GOOD, judged
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    CN_CUSTOMS,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RIVAL,
    WORKSHOP,
    Ledger,
    lifecycle_table,
    make_genesis,
    rule_files,
    vehicle,
)

NEVER_LEFT: dict[str, Any] = {"quantities": {"never_left": 1}}
GIVEN_BACK = ("item_state", "holder", "named", "place", "presentation", "bound", "marks", "jurisdictions")


def of(ledger: Ledger, subject: Subject) -> dict[str, Any]:
    return {name: getattr(ledger.standing(subject), name) for name in GIVEN_BACK}


def invalidated(ledger: Ledger, subject: Subject, by: str = CUSTOMS) -> str:
    return ends_as(ledger, by, "customs.invalidated", subject, **NEVER_LEFT)


@pytest.mark.parametrize("way", ["made", "named", "placed", "installed", "removed"])
@pytest.mark.parametrize("suspended", [False, True])
def test_what_never_left_is_as_before_it_was_to_leave(way: str, suspended: bool) -> None:
    """
    State, place and whom its holder had named: the export is in the way of nobody any more. Marks stay.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    if way == "named":
        ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
    elif way != "made":
        ledger.happen(MAKER, "market.placed", subject, parties=(WORKSHOP,))
    if way in ("installed", "removed"):
        ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    if way == "removed":
        ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    before = of(ledger, subject)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)
    if suspended:
        ledger.happen(CUSTOMS, "customs.suspended", subject)

    assert invalidated(ledger, subject) == "admitted"

    assert of(ledger, subject) == before
    assert ends_as(ledger, MAKER, "battery.exported", subject, parties=(RIVAL,)) == "admitted"


def test_what_is_invalidated_otherwise_is_on_its_way_as_before() -> None:
    """
    An invalidation that does not say so ends the declaration here and says nothing of where the goods are.
    """
    ledger = Ledger()
    subject = presented(ledger)

    ledger.happen(CUSTOMS, "customs.invalidated", subject)

    standing = ledger.standing(subject)
    assert (standing.item_state, standing.place, standing.presentation) == ("exported", "EU", None)
    assert standing.named == (IMPORTER,)


def test_it_is_found_behind_a_declaration_that_was_invalidated_and_one_that_moved() -> None:
    """
    Declared twice on one way, and moved to another office: it is still as before the way began.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    before = of(ledger, subject)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.invalidated", subject)
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.moved", subject, parties=(CN_CUSTOMS,))

    assert invalidated(ledger, subject) == "not_responsible"  # only where the declaration is open
    assert invalidated(ledger, subject, CN_CUSTOMS) == "admitted"
    assert of(ledger, subject) == before


def test_declared_without_an_export_it_is_as_before_it_was_declared() -> None:
    """
    What was declared where it was made, without an export on record.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    before = of(ledger, subject)
    ledger.happen(CN_CUSTOMS, "battery.presented", subject)

    assert invalidated(ledger, subject, CN_CUSTOMS) == "admitted"
    assert of(ledger, subject) == before


def test_a_refusal_before_this_way_stands() -> None:
    """
    I2: refused here once and sent off again, it is given back as what was refused, not as what was made.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(CUSTOMS, "customs.refused", subject)
    before = of(ledger, subject)
    ledger.happen(MAKER, "battery.exported", subject, parties=(CN_CUSTOMS,))
    ledger.happen(CN_CUSTOMS, "battery.presented", subject)

    assert invalidated(ledger, subject, CN_CUSTOMS) == "admitted"
    assert of(ledger, subject) == before
    assert before["item_state"] == "refused" and before["jurisdictions"]["refused"]


def of_rules(*, whole: bool) -> Ledger:
    """A ledger with the rules in force, or those before records kept their pasts whole (0971)."""
    table = lifecycle_table()
    if not whole:
        del table["whole_pasts"]
    return Ledger(make_genesis(rule_files={**rule_files(), "lifecycle.json": json.dumps(table).encode()}))


@pytest.mark.parametrize(("whole", "named"), [(True, (RIVAL,)), (False, (WORKSHOP,))])
def test_whom_nobody_names_any_more_is_not_given_back(*, whole: bool, named: tuple[str, ...]) -> None:
    """
    I5: a placing is corrected, another party named and the battery declared, all in one second. Once customs
    say that it never left, whom the corrected placing named is not named; under the rules before, as then.
    """
    ledger = of_rules(whole=whole)
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "market.placed", subject, parties=(WORKSHOP,))
    ledger.now += 1_000
    at = ledger.now
    undo = ledger.standing(subject).undo
    assert undo is not None
    ledger.happen(MAKER, "attestation.corrected", subject, references=(undo.attestation,))
    for by, kind, told in (
        (MAKER, "battery.sold", {"parties": (RIVAL,)}),
        (CN_CUSTOMS, "battery.presented", {}),
        (CN_CUSTOMS, "customs.invalidated", NEVER_LEFT),
    ):
        ledger.now = at
        ledger.happen(by, kind, subject, **told)

    assert ledger.standing(subject).named == named


def handed(ledger: Ledger, subject: Subject) -> None:
    ledger.hand_over(MAKER, subject, RIVAL)


def sold(ledger: Ledger, subject: Subject) -> None:
    ledger.happen(MAKER, "battery.sold", subject, parties=(RIVAL,))


def built_in(ledger: Ledger, subject: Subject) -> None:
    """Told late: it was in a vehicle before, and is in it still."""
    then = ledger.now - 2_000
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=vehicle(7), event_time=then)
    assert ledger.standing(subject).bound is not None


@pytest.mark.parametrize("since", [handed, sold, built_in])
def test_nothing_is_given_back_where_others_rely_on_its_having_left(since: Any) -> None:
    """
    I3: in other hands, sold, or with a vehicle since, it is refused and changes nothing; without that word
    the declaration is invalidated all the same.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
    ledger.now += 4_000
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
    since(ledger, subject)
    ledger.happen(RIVAL if since is handed else IMPORTER, "battery.presented", subject)
    before = ledger.standing(subject)

    assert invalidated(ledger, subject) == "depends"

    assert ledger.standing(subject) == before
    assert ends_as(ledger, CUSTOMS, "customs.invalidated", subject) == "admitted"


def test_what_was_before_more_than_is_kept_is_not_given_back() -> None:
    """
    The last situations are kept, so much can lie between; under a table that keeps none, none is given back.
    """
    ledger = Ledger()
    subject = presented(ledger)
    for _ in range(5):
        ledger.happen(CUSTOMS, "customs.invalidated", subject)
        ledger.happen(IMPORTER, "battery.presented", subject)
    with pytest.raises(Refusal, match="not on its record") as refusal:
        ledger.happen(CUSTOMS, "customs.invalidated", subject, **NEVER_LEFT)
    assert refusal.value.code == "depends"

    table = lifecycle_table()
    for event in table["events"]:
        for name in ("told_late", "binds_late_in"):
            event.pop(name, None)
    older = Ledger()
    older.go_by(table)
    other = presented(older)
    assert invalidated(older, other) == "depends"


@pytest.mark.parametrize(("whole", "ends"), [(True, "admitted"), (False, "depends")])
def test_two_changes_in_one_second_are_not_taken_for_one_way(*, whole: bool, ends: str) -> None:
    """
    Refused and sent off again in one block: it is given back as what was refused here. Under the rules before
    the refusal lasted no second and was no situation: it was not given back as if it had never been here.
    """
    ledger = of_rules(whole=whole)
    subject = presented(ledger)
    refused = ledger.attest(CUSTOMS, "customs.refused", subject)
    ledger.registry.check_tx(refused, ledger.now)
    off = ledger.attest(
        MAKER, "battery.exported", subject, parties=(CN_CUSTOMS,), predecessors=(sha256(refused).digest(),)
    )
    assert len(ledger.execute(ledger.block(ledger.propose([refused, off]))).entries) >= 2
    assert ledger.standing(subject).item_state == "exported"
    ledger.happen(CN_CUSTOMS, "battery.presented", subject)

    assert invalidated(ledger, subject, CN_CUSTOMS) == ends
    assert ledger.standing(subject).item_state == ("refused" if whole else "presented")


def test_what_never_left_is_clear_where_it_is_and_nobody_else_says_so() -> None:
    """
    A battery that is at home is judged there as what it is; its exporter, importer and other authorities say
    nothing of the kind.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, {"commodity_code": "850760"})
    for by in (MAKER, IMPORTER, CN_CUSTOMS, CN_AUTHORITY, EU_AUTHORITY):
        with pytest.raises(Refusal):
            w.happen(by, "customs.invalidated", text, {"basis": "x", "never_left": True}, **NEVER_LEFT)
    home = {"policy_name": "authority-cn", "direction": "inland", "condition": "new"}
    assert judged(w, text, **home)["verdict"] not in GOOD

    w.happen(CUSTOMS, "customs.invalidated", text, {"basis": "x", "never_left": True}, **NEVER_LEFT)

    assert judged(w, text, **home)["verdict"] in GOOD
    assert w.ledger.standing(subject_of(text)).place == "CN"
