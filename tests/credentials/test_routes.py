"""Routes through a battery's life that ended in a false *clear*, or held an honest battery (cases/life).

Each was admitted step by step by the rules before custody; here each has the outcome its case asks for, as
far as the ledger decides it. What a verdict says of them is tested with the verdicts.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.descendants import children_root
from credentials.ledger.entries import AdmittedEntry, ClaimEntry, RefusedEntry, parse_entry
from credentials.ledger.records import Claims, claims_key
from tests.harness.ledger import (
    CN_AUTHORITY,
    CN_CUSTOMS,
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
    set_list,
    set_list_digest,
    vehicle,
)

CAR = vehicle(1)
PASSPORT = (set_list_digest(set_list(1)),)


def ends_as(ledger: Ledger, by: str, kind: str, subject: Subject, **members: Any) -> str:
    """admitted, claim, the rule it lost by, or the code it is refused with."""
    tx = ledger.attest(by, kind, subject, **members)
    try:
        entry = parse_entry(ledger.run(tx).entries[0])
    except Refusal as refusal:
        assert ledger.propose([tx]) == ()
        # Whatever its sentence names is given, and nothing else: a reader in any language is told all of it.
        assert refusal.parameters.keys() == set(re.findall(r"\{(\w+)", refusal.sentence))
        assert None not in refusal.parameters.values()
        return refusal.code
    match entry:
        case AdmittedEntry():
            return "admitted"
        case ClaimEntry():
            return "claim"
        case RefusedEntry():
            return entry.rule
    raise AssertionError(f"{entry} is no outcome of an attestation")


def claims(ledger: Ledger, subject: Subject) -> Claims:
    key = claims_key(ledger.standing(subject).key)
    data = ledger.reader.records.get(key)
    return Claims.decode(data) if data else Claims(ledger.standing(subject).key)


def exported(ledger: Ledger, number: int = 1) -> Subject:
    subject = ledger.produced(number, published=True)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
    return subject


def presented(ledger: Ledger, number: int = 1) -> Subject:
    subject = exported(ledger, number)
    ledger.happen(IMPORTER, "battery.presented", subject)
    return subject


def placed(ledger: Ledger, number: int = 1) -> Subject:
    """Released and placed in the EU by its importer, who holds it now."""
    subject = presented(ledger, number)
    ledger.happen(CUSTOMS, "customs.released", subject)
    ledger.happen(IMPORTER, "market.placed", subject)
    return subject


def in_use(ledger: Ledger, number: int = 1) -> Subject:
    """Installed by the workshop that the importer named, in the EU."""
    subject = placed(ledger, number)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(WORKSHOP,))
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    return subject


def test_l01_a_presented_battery_is_not_declared_waste_away() -> None:
    """
    L01: whoever holds it declares it waste only once customs closed the declaration; the mark stays for good.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.exported", subject, parties=(RECYCLER, IMPORTER))
    ledger.happen(IMPORTER, "battery.presented", subject)

    assert ends_as(ledger, RECYCLER, "battery.declared_waste", subject) == "state"
    assert ledger.standing(subject).presentation is not None
    ledger.happen(CUSTOMS, "customs.released", subject)
    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "waste.exported", subject)
    assert ends_as(ledger, IMPORTER, "battery.presented", subject) == "admitted"
    standing = ledger.standing(subject)
    assert (standing.item_state, standing.eu_status, standing.marks) == ("presented", "waste", ("waste",))


def test_l02_a_dismantled_pack_is_not_new_again() -> None:
    """
    L02: whatever follows, the mark of waste stays.
    """
    ledger = Ledger()
    subject = ledger.waste(1)
    ledger.happen(RECYCLER, "battery.dismantled", subject, references=(battery(11, "ZZ6"),))
    ledger.happen(RECYCLER, "waste.exported", subject, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)

    assert ledger.standing(subject).used and "waste" in ledger.standing(subject).marks


def test_l03_what_an_authority_revoked_is_not_published_again() -> None:
    """
    L03: after an authority's revocation nothing is published until that authority lifts the ban; then anew.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(CN_AUTHORITY, "passport.revoked", subject, references=PASSPORT)
    again = {"set_list": set_list(1, 2)}

    assert ends_as(ledger, MAKER, "passport.published", subject, **again) == "banned"
    assert ends_as(ledger, MAKER, "passport.superseded", subject, references=PASSPORT, **again) == "banned"
    assert ends_as(ledger, MAKER, "passport.ban_lifted", subject) == "not_responsible"
    assert ends_as(ledger, EU_AUTHORITY, "passport.ban_lifted", subject) == "not_responsible"
    ledger.happen(CN_AUTHORITY, "passport.ban_lifted", subject)
    assert ledger.standing(subject).revoked  # the revoked one stays revoked
    assert ends_as(ledger, MAKER, "passport.published", subject, set_list=set_list(2)) == "passport_state"
    assert ends_as(ledger, MAKER, "passport.published", subject, **again) == "admitted"


def test_l04_the_maker_does_not_get_round_a_suspension() -> None:
    """
    L04: what an authority suspended its maker neither revokes nor publishes anew, and both sides' suspensions
    must each be lifted by whoever set them.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(EU_AUTHORITY, "passport.suspended", subject, references=PASSPORT)
    ledger.happen(CN_AUTHORITY, "passport.suspended", subject, references=PASSPORT)

    for kind in ("passport.revoked", "passport.superseded", "passport.published"):
        members: dict[str, Any] = {} if kind == "passport.published" else {"references": PASSPORT}
        members |= {} if kind == "passport.revoked" else {"set_list": set_list(1, 2)}
        assert ends_as(ledger, MAKER, kind, subject, **members) in ("passport_state", "X1")
    ledger.happen(CN_AUTHORITY, "passport.reinstated", subject, references=PASSPORT)
    assert ledger.standing(subject).suspended
    ledger.happen(EU_AUTHORITY, "passport.reinstated", subject, references=PASSPORT)
    assert ledger.standing(subject).live


def test_l04_an_authority_bans_what_its_maker_revoked_first() -> None:
    """
    A maker that revokes its own passport before the authority does is banned all the same.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "passport.revoked", subject, references=PASSPORT)
    ledger.happen(CN_AUTHORITY, "passport.revoked", subject, references=PASSPORT)

    assert ends_as(ledger, MAKER, "passport.published", subject, set_list=set_list(1, 2)) == "banned"


def test_l05_a_successor_is_known_before_it_is_produced() -> None:
    """
    L05: the act leaves predecessors, status and mark on the successor, whatever its production leaves out.
    """
    ledger = Ledger()
    old, new = ledger.waste(1), battery(21, "ZZ5")
    ledger.run(
        ledger.countersigned(SECOND_LIFE, "second_life.remanufactured", old, (MAKER,), references=(new,))
    )
    before = ledger.standing(new)

    ledger.happen(SECOND_LIFE, "battery.produced", new)

    after = ledger.standing(new)
    for standing in (before, after):
        assert standing.predecessors == (ledger.standing(old).key,)
        assert (standing.eu_status, standing.marks) == ("remanufactured", ("second_life",))


def test_waste_is_not_washed_by_being_named_a_successor() -> None:
    """
    A successor is a battery that had no life of its own: one that was waste, in use or placed is refused,
    and keeps the status it had.
    """
    ledger = Ledger()
    old, wasted, put = ledger.waste(1), battery(21, "ZZ5"), battery(22, "ZZ5")
    for subject in (wasted, put):
        ledger.happen(SECOND_LIFE, "battery.produced", subject)
        ledger.happen(SECOND_LIFE, "passport.published", subject, set_list=set_list(1))
        ledger.happen(SECOND_LIFE, "market.placed", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", wasted)

    for subject in (wasted, put):
        act = ledger.countersigned(
            SECOND_LIFE, "second_life.remanufactured", old, (MAKER,), references=(subject,)
        )
        with pytest.raises(Refusal, match="a life of its own") as refused:
            ledger.registry.check_tx(act, ledger.now)
        assert refused.value.code == "successor"
    assert ledger.standing(wasted).eu_status == "waste"


def test_one_successor_is_made_from_several() -> None:
    """
    Two old batteries become one: each act leaves its own on the successor's record.
    """
    ledger = Ledger()
    old, new = [ledger.waste(1), ledger.waste(2)], battery(21, "ZZ5")
    for subject in old:
        act = ledger.countersigned(
            SECOND_LIFE, "second_life.remanufactured", subject, (MAKER,), references=(new,)
        )
        ledger.run(act)

    assert ledger.standing(new).predecessors == tuple(ledger.standing(subject).key for subject in old)


def test_l06_a_child_carries_its_parent() -> None:
    """
    L06: a module that its maker committed to is marked from the moment its pack is dismantled, and is waste
    as the pack was, recorded by itself before or not.
    """
    ledger = Ledger()
    pack, module = battery(1), ledger.produced(2)
    ledger.happen(MAKER, "battery.produced", pack, children_root=children_root([module, battery(3)]))
    ledger.happen(MAKER, "battery.sold", pack, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", pack)

    assert ends_as(ledger, RECYCLER, "battery.dismantled", pack, references=(module,)) == "not_responsible"
    ledger.happen(RECYCLER, "battery.dismantled", pack, references=(battery(3), module))

    for child in (module, battery(3)):
        assert ledger.standing(child).marks == ("child_of_dismantled",)
        assert ledger.standing(child).parent is not None
        assert (ledger.standing(child).item_state, ledger.standing(child).eu_status) == ("waste", "waste")
    assert ends_as(ledger, MAKER, "battery.produced", battery(3)) == "X2"


def test_l06_a_cell_of_a_module_of_a_dismantled_pack_is_found_out() -> None:
    """
    L06, one floor further down: what its maker sold inside a pack goes with it, so that who takes the module
    apart speaks for it, and the cell carries its parent as well.
    """
    ledger = Ledger()
    pack, module, cell = battery(1), battery(2), ledger.produced(3, published=True)
    ledger.happen(MAKER, "battery.produced", module, children_root=children_root([cell]))
    ledger.happen(MAKER, "battery.produced", pack, children_root=children_root([module]))
    ledger.happen(MAKER, "battery.sold", pack, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", pack)
    ledger.happen(RECYCLER, "battery.dismantled", pack, references=(module,))

    assert ledger.standing(module).holder == RECYCLER
    ledger.happen(RECYCLER, "battery.dismantled", module, references=(cell,))
    assert ledger.standing(cell).marks == ("child_of_dismantled",)


def test_l06_a_module_that_somebody_else_holds_is_not_taken_along() -> None:
    """
    A module that its maker had handed over is marked as the child it is, and stays with who holds it.
    """
    ledger = Ledger()
    pack, module = battery(1), ledger.produced(2)
    ledger.hand_over(MAKER, module, IMPORTER)
    ledger.happen(MAKER, "battery.produced", pack, children_root=children_root([module]))
    ledger.happen(MAKER, "battery.sold", pack, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", pack)
    ledger.happen(RECYCLER, "battery.dismantled", pack, references=(module,))

    assert ledger.standing(module).holder == IMPORTER
    assert ledger.standing(module).marks == ("child_of_dismantled",)


def test_l08_a_removed_battery_keeps_its_marks_with_or_without_an_export() -> None:
    """
    L08: installed and removed are marks; what happens afterwards, or is left out, does not take them away.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)

    assert ledger.standing(subject).marks == ("installed", "removed")
    ledger.happen(IMPORTER, "used.exported", subject, quantities={"soh_permille": 900})
    assert ledger.standing(subject).marks == ("exported_as_used", "installed", "removed")


def test_l09_a_strangers_workshop_changes_nothing() -> None:
    """
    L09: a workshop that says it installed a battery in the factory made a claim; a second one is refused.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    before = ledger.standing(subject)

    assert ends_as(ledger, WORKSHOP, "battery.installed", subject, bound_asset=CAR) == "claim"
    assert ends_as(ledger, WORKSHOP, "battery.installed", subject, bound_asset=CAR) == "claimed_already"
    assert ledger.standing(subject) == before
    assert claims(ledger, subject).count == 1
    assert [(c.issuer, c.alert) for c in claims(ledger, subject).first] == [(WORKSHOP, False)]
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)


def test_l10_a_strange_importer_places_nothing() -> None:
    """
    L10: placing a battery that still is in the factory is a claim of whoever says so.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)

    assert ends_as(ledger, RIVAL, "market.placed", subject) == "claim"
    assert ledger.standing(subject).settings("placed") == {}


def test_l11_only_the_consignee_presents() -> None:
    """
    L11: a rival cannot present before the battery exists, and what it says later is not first in X12's queue.
    """
    ledger = Ledger()
    assert ends_as(ledger, RIVAL, "battery.presented", battery(1)) == "state"
    subject = exported(ledger)

    assert ends_as(ledger, RIVAL, "battery.presented", subject) == "claim"
    assert ends_as(ledger, IMPORTER, "battery.presented", subject) == "admitted"


def test_l12_children_are_nobody_elses_codes() -> None:
    """
    L12: a dismantler names what its pack held or what is its own; the maker's own codes stay free.
    """
    ledger = Ledger()
    pack, strangers = ledger.waste(1), [battery(n) for n in range(40, 44)]
    honest = ledger.produced(50, published=True)

    assert ends_as(ledger, RECYCLER, "battery.dismantled", pack, references=strangers) == "unborn"
    assert ends_as(ledger, RECYCLER, "battery.dismantled", pack, references=(honest,)) == "not_responsible"
    for subject in strangers:
        assert ends_as(ledger, MAKER, "battery.produced", subject) == "admitted"
        assert ledger.standing(subject).marks == ()
    ledger.happen(RECYCLER, "battery.dismantled", pack, references=(battery(60, "ZZ6"),))
    assert ledger.standing(battery(60, "ZZ6")).holder == RECYCLER


def test_l13_an_authority_elsewhere_gives_an_alert() -> None:
    """
    L13: what stands before EU customs is reported lost by a Chinese authority: told, and no state.
    """
    ledger = Ledger()
    subject = presented(ledger)
    before = ledger.standing(subject)

    assert ends_as(ledger, CN_AUTHORITY, "battery.reported_lost", subject) == "claim"
    assert ledger.standing(subject) == before
    assert [c.alert for c in claims(ledger, subject).first] == [True]
    assert ends_as(ledger, EU_AUTHORITY, "battery.reported_lost", subject) == "admitted"
    assert ends_as(ledger, CN_AUTHORITY, "battery.found", subject) == "not_responsible"
    assert ends_as(ledger, EU_AUTHORITY, "battery.found", subject) == "admitted"


@pytest.mark.parametrize("kind", ["suspended", "released", "refused", "invalidated", "moved"])
def test_l14_only_the_customs_of_that_side_acts(kind: str) -> None:
    """
    L14: customs of another side does nothing to a declaration, not even as a claim.
    """
    ledger = Ledger()
    subject = presented(ledger)
    members = {"parties": (CN_CUSTOMS,)} if kind == "moved" else {}

    assert ends_as(ledger, CN_CUSTOMS, f"customs.{kind}", subject, **members) == "not_responsible"
    members = {"parties": (CUSTOMS,)} if kind == "moved" else {}
    assert ends_as(ledger, CUSTOMS, f"customs.{kind}", subject, **members) == "admitted"
    assert (ledger.standing(subject).presentation is None) == (kind not in ("suspended", "moved"))


def test_l14_goods_in_transit_are_the_other_offices() -> None:
    """
    Moved under one declaration to another side: from then on that side's customs closes it, and only it.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(CUSTOMS, "customs.moved", subject, parties=(CN_CUSTOMS,))

    assert ends_as(ledger, CUSTOMS, "customs.released", subject) == "not_responsible"
    assert ends_as(ledger, CN_CUSTOMS, "customs.released", subject) == "admitted"


def test_l14_a_refusal_is_lifted_by_whom_refused() -> None:
    """
    Refused goods go back, or come before that customs again once it lifted its refusal; another side sees it.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(CUSTOMS, "customs.refused", subject)

    assert ends_as(ledger, IMPORTER, "battery.presented", subject) == "refused_here"
    assert ends_as(ledger, CN_CUSTOMS, "customs.refusal_lifted", subject) == "not_responsible"
    ledger.happen(CUSTOMS, "customs.refusal_lifted", subject)
    assert ends_as(ledger, IMPORTER, "battery.presented", subject) == "admitted"
    ledger.happen(CUSTOMS, "customs.refused", subject)
    ledger.happen(MAKER, "battery.exported", subject)
    away = ends_as(ledger, IMPORTER, "battery.presented", subject, parties=(CN_CUSTOMS,))
    assert away == "admitted" and ledger.standing(subject).setting("refused", "EU") is not None


def test_l15_one_authority_does_not_lift_what_another_set() -> None:
    """
    L15: suspended by one side, reinstated by that side alone.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(EU_AUTHORITY, "passport.suspended", subject, references=PASSPORT)

    for by in (CN_AUTHORITY, MAKER):
        assert ends_as(ledger, by, "passport.reinstated", subject, references=PASSPORT) == "not_responsible"
    assert ends_as(ledger, EU_AUTHORITY, "passport.reinstated", subject, references=PASSPORT) == "admitted"


def test_l16_two_false_records_in_a_row_never_became_state() -> None:
    """
    L16: what has no rightful author leaves nothing to take back.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    before = ledger.standing(subject)

    ends_as(ledger, WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    ends_as(ledger, RIVAL, "market.placed", subject)
    assert ledger.standing(subject) == before


@pytest.mark.parametrize(
    ("by", "kind", "quantities"),
    [
        (WORKSHOP, "soh.measured", {"soh_permille": 1_001}),
        (WORKSHOP, "soh.measured", {"soh_permille": 900, "cycles": 100_001}),
        (MAKER, "battery.produced", {"mass_grams": 0}),
        (MAKER, "battery.produced", {"mass_grams": 20_000_001}),
        (RECYCLER, "waste.collected", {"mass_grams": 0}),
    ],
)
def test_l18_values_that_cannot_be(by: str, kind: str, quantities: dict[str, int]) -> None:
    """
    L18: a value outside its range enters no block, whoever signed it.
    """
    ledger = Ledger()
    subject = battery(9) if kind == "battery.produced" else ledger.waste(1)

    assert ends_as(ledger, by, kind, subject, quantities=quantities) == "value_impossible"


def test_l18_cycles_do_not_fall() -> None:
    """
    Full cycles are never fewer than what was stated before.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.happen(WORKSHOP, "soh.measured", subject, quantities={"soh_permille": 900, "cycles": 500})

    less = {"soh_permille": 890, "cycles": 499}
    assert ends_as(ledger, WORKSHOP, "soh.measured", subject, quantities=less) == "value_impossible"
    more = {"soh_permille": 890, "cycles": 500}
    assert ends_as(ledger, WORKSHOP, "soh.measured", subject, quantities=more) == "admitted"


def test_l19_nothing_is_recorded_after_its_time() -> None:
    """
    L19: an act that could not be recorded in its time never is, however the state changes afterwards.
    """
    ledger = Ledger()
    subject = exported(ledger)
    act = ledger.attest(CUSTOMS, "customs.released", subject, expires=ledger.now + 1_200)
    with pytest.raises(NotYet):
        ledger.registry.check_tx(act, ledger.now)

    ledger.now += 1_201
    ledger.happen(IMPORTER, "battery.presented", subject)

    with pytest.raises(Refusal, match="time until which") as refusal:
        ledger.registry.check_tx(act, ledger.now)
    assert refusal.value.code == "act_expired" and not isinstance(refusal.value, NotYet)
    assert ledger.propose([act]) == ()
    with pytest.raises(Refusal):
        ledger.registry.process_proposal(ledger.block([act]))


def test_a_record_that_others_rest_on_stays() -> None:
    """
    I3: an installation is not taken back once the vehicle was registered with it, even by another pack.
    """
    ledger = Ledger()
    one, two = ledger.produced(1, published=True), ledger.produced(2, published=True)
    for subject in (one, two):
        ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)
    undo = ledger.standing(two).undo
    assert undo is not None
    ledger.happen(CN_AUTHORITY, "vehicle.registered", one, bound_asset=CAR)

    taken = ends_as(ledger, MAKER, "attestation.corrected", two, references=(undo.attestation,))
    assert taken == "depends"


def test_other_makers_codes_cannot_be_successors() -> None:
    """
    A successor is a code of its author's own namespace, never a stranger's.
    """
    ledger = Ledger()
    old, theirs = ledger.waste(1), battery(70, "ZZ3")
    ledger.happen(OTHER_MAKER, "battery.produced", theirs)
    act = ledger.countersigned(SECOND_LIFE, "second_life.remanufactured", old, (MAKER,), references=(theirs,))

    with pytest.raises(Refusal) as refusal:
        ledger.registry.check_tx(act, ledger.now)
    assert refusal.value.code == "not_responsible"
