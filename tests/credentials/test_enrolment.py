"""A code its maker had not made yet, entered by somebody else: what becomes of it when its maker does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.descendants import children_root
from credentials.ledger.records import (
    CONTESTS_PER_PARTY_MAX,
    REFUSALS_PER_PARTY_MAX,
    Asset,
    asset_key,
)
from credentials.ledger.situations import SITUATIONS_MAX
from credentials.ledger.standing import CONTESTED_MAX
from tests.credentials.test_routes import CAR, claims, ends_as, in_use, presented
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
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
    make_genesis,
    rule_files,
    set_list,
    vehicle,
)

USED = {
    "contract_reference": "INV-1",
    "soh_permille": 900,
    "soh_date": "2027-01-15",
    "not_waste": True,
    "packaging": "crate",
}
METALS = {f"{m}_{way}_grams": 1 for m in ("co", "ni", "li", "cu") for way in ("in", "out")}


def _presented(ledger: Ledger, subject: Subject) -> None:
    ledger.happen(RIVAL, "battery.enrolled", subject)
    ledger.happen(RIVAL, "battery.presented", subject)


def _exported_as_used(ledger: Ledger, subject: Subject) -> None:
    ledger.happen(RIVAL, "battery.enrolled", subject)
    ledger.happen(RIVAL, "used.exported", subject, quantities={"soh_permille": 900})


def _consumed(ledger: Ledger, subject: Subject) -> None:
    ledger.happen(SECOND_LIFE, "battery.enrolled", subject)
    ledger.happen(SECOND_LIFE, "second_life.remanufactured", subject, references=(battery(21, "ZZ5"),))


def _dismantled(ledger: Ledger, subject: Subject) -> None:
    ledger.happen(RECYCLER, "battery.enrolled", subject)
    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "battery.dismantled", subject, references=(battery(21, "ZZ6"),))


def _recycled(ledger: Ledger, subject: Subject) -> None:
    ledger.happen(RECYCLER, "battery.enrolled", subject)
    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": 9})
    ledger.happen(RECYCLER, "recycling.completed", subject, quantities=METALS)


def _forgotten(ledger: Ledger, subject: Subject) -> None:
    """Enrolled while the rules in force had enrolments."""
    ledger.happen(RIVAL, "battery.enrolled", subject)
    ledger.forget("battery.enrolled")


@pytest.mark.parametrize(
    "lived", [_presented, _exported_as_used, _consumed, _dismantled, _recycled, _forgotten]
)
def test_what_an_enroller_did_with_a_code_is_not_its_makers(lived: Callable[[Ledger, Subject], None]) -> None:
    """
    Whatever an enroller declared, exported, made of it or ended: the maker's production begins a record of
    its own, and its battery lives as any other. Also once the rules in force know no enrolments any more.
    """
    ledger = Ledger()
    subject = battery(1)
    lived(ledger, subject)
    leaf, entered = ledger.log.size, ledger.standing(subject).enrolled
    assert entered is not None

    assert ends_as(ledger, MAKER, "battery.produced", subject) == "admitted"

    standing = ledger.standing(subject)
    assert (standing.item_state, standing.eu_status, standing.holder, standing.responsible) == (
        "produced",
        "original",
        MAKER,
        MAKER,
    )
    assert (standing.marks, standing.enrolled, standing.contested, standing.lineage) == ((), None, (), None)
    assert standing.facts == {"own_record": leaf, "produced": leaf}
    told = "battery.enrolled" if lived is not _forgotten else ""
    assert [(c.issuer, c.kind) for c in claims(ledger, subject).first] == [(entered.by, told)]
    assert ends_as(ledger, MAKER, "passport.published", subject, set_list=set_list(1)) == "admitted"
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
    assert ends_as(ledger, IMPORTER, "battery.presented", subject) == "admitted"


def test_what_lost_to_an_enrolment_is_not_kept_against_the_maker() -> None:
    """
    A second presentation that was refused while the enroller's was open is no refusal of the maker's battery.
    """
    ledger = Ledger()
    subject = battery(1)
    _presented(ledger, subject)
    ledger.happen(MAKER, "record.contested", subject, references=(b"d" * 32,))
    before = ledger.standing(subject)
    assert before.contested and ends_as(ledger, RIVAL, "battery.presented", subject) == "X12"
    assert ledger.standing(subject).refusals_count == 1

    ledger.happen(MAKER, "battery.produced", subject)

    assert (ledger.standing(subject).refusals, ledger.standing(subject).refusals_count) == ((), 0)


def test_a_production_reported_late_comes_after_no_enrollers_act() -> None:
    """
    The maker made the battery before somebody enrolled and used its code: its true date is no reason to
    refuse it.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.now += 86_400
    _presented(ledger, subject)

    assert ends_as(ledger, MAKER, "battery.produced", subject, event_time=CREATED + 1_000) == "admitted"
    ledger.happen(MAKER, "battery.exported", subject)
    late = ends_as(ledger, MAKER, "market.placed", subject, event_time=CREATED + 2_000)
    assert late == "X11"  # what changes a state still comes after the last change


def test_an_authority_that_took_an_enrolled_battery_to_its_end_opens_a_case() -> None:
    """
    Where an authority entered it, even a recycled battery does not make its maker the loser: both records
    stand, contested, and nothing of the end is taken away.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(EU_AUTHORITY, "battery.enrolled", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": 9})
    ledger.happen(RECYCLER, "recycling.completed", subject, quantities=METALS)
    leaf = ledger.log.size
    assert ends_as(ledger, EU_AUTHORITY, "battery.recalled", subject) == "X3"  # nothing else follows the end

    assert ends_as(ledger, MAKER, "battery.produced", subject) == "admitted"

    standing = ledger.standing(subject)
    assert (standing.item_state, standing.producer, standing.contested) == ("recycled", MAKER, (leaf,))
    assert claims(ledger, subject).count == 0
    assert ends_as(ledger, MAKER, "battery.produced", subject) == "X2"


def test_customs_that_acted_on_an_enrolled_battery_opens_a_case() -> None:
    """
    The enroller's own declaration is its word; what customs did with it is an authority's.
    """
    ledger = Ledger()
    subject = battery(1)
    _presented(ledger, subject)
    ledger.happen(CUSTOMS, "customs.suspended", subject)

    ledger.happen(MAKER, "battery.produced", subject)

    standing = ledger.standing(subject)
    assert standing.presentation is not None and standing.contested
    assert (standing.producer, standing.holder, "own_record" in standing.facts) == (MAKER, RIVAL, False)


def test_customs_that_sets_a_declaration_of_nothing_aside_relied_on_nothing() -> None:
    """
    I5: whoever enters the next codes of a maker and declares them has customs close the declarations; that
    says nothing of batteries, and the maker's are its own. What customs refused is an authority's word (I2).
    """
    ledger = Ledger()
    for number, closing in ((1, "customs.invalidated"), (2, "customs.refused")):
        subject = battery(number)
        ledger.happen(IMPORTER, "battery.enrolled", subject)
        ledger.happen(IMPORTER, "battery.presented", subject)
        ledger.happen(CUSTOMS, closing, subject)

        ledger.happen(MAKER, "battery.produced", subject)

        assert (ledger.standing(subject).enrolled is None) == (closing == "customs.invalidated")


def test_a_production_taken_back_gives_the_enrolment_back() -> None:
    """
    A maker that produced the code by mistake and corrects it leaves what was there before.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(WORKSHOP, "battery.enrolled", subject)
    before = ledger.standing(subject)
    ledger.happen(MAKER, "battery.produced", subject)
    undo = ledger.standing(subject).undo
    assert undo is not None
    ledger.happen(MAKER, "attestation.corrected", subject, references=(undo.attestation,))

    after = ledger.standing(subject)
    assert (after.item_state, after.holder, after.enrolled) == ("enrolled", WORKSHOP, before.enrolled)


@pytest.mark.parametrize(("whole", "answer"), [(True, "admitted"), (False, "claim")])
def test_a_production_taken_back_silences_no_enroller(*, whole: bool, answer: str) -> None:
    """
    I6: who had the battery before its maker produced the code, and took that back, still tells of then, and
    whoever had no right then does not; under the rules before nobody did (0971).
    """
    table = lifecycle_table()
    if not whole:
        del table["whole_pasts"]
    ledger = Ledger(make_genesis(rule_files={**rule_files(), "lifecycle.json": json.dumps(table).encode()}))
    subject = battery(1)
    ledger.happen(RIVAL, "battery.enrolled", subject)
    then = ledger.now
    ledger.now += 1_000
    ledger.hand_over(RIVAL, subject, WORKSHOP)
    ledger.now += 1_000
    ledger.happen(MAKER, "battery.produced", subject)
    made = ledger.standing(subject).undo
    assert made is not None
    ledger.happen(MAKER, "attestation.corrected", subject, references=(made.attestation,))

    used = {"event_time": then, "quantities": {"soh_permille": 900}}
    assert ends_as(ledger, IMPORTER, "used.exported", subject, **used) == "claim"
    assert ends_as(ledger, RIVAL, "used.exported", subject, **used) == answer


def test_a_past_that_is_given_back_stays_within_its_bound() -> None:
    """
    However often a code that had many holders is produced and that is taken back, within one second.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(RIVAL, "battery.enrolled", subject)
    for _ in range(SITUATIONS_MAX):
        ledger.now += 1_000
        ledger.hand_over(RIVAL, subject, WORKSHOP)
        ledger.hand_over(WORKSHOP, subject, RIVAL)
    for _ in range(2):
        ledger.happen(MAKER, "battery.produced", subject)
        made = ledger.standing(subject).undo
        assert made is not None
        ledger.now = made.admitted_at  # the same second
        ledger.happen(MAKER, "attestation.corrected", subject, references=(made.attestation,))
        assert len(ledger.standing(subject).past.before) == SITUATIONS_MAX


def void(ledger: Ledger, subject: Subject, attestation: bytes) -> None:
    act = ledger.countersigned(
        EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), references=(attestation,)
    )
    ledger.run(act)


def test_authorities_decide_the_case_for_the_maker() -> None:
    """
    Two records of one code: voiding the enrolment takes what was said on top of it, a vehicle's binding too;
    the maker produces the code and begins its record there. No author takes an enrolment back so.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(EU_AUTHORITY, "battery.enrolled", subject, parties=(WORKSHOP,))
    entered = ledger.standing(subject).undo
    assert entered is not None
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    ledger.happen(MAKER, "battery.produced", subject)
    assert ledger.standing(subject).contested
    taken = ends_as(ledger, EU_AUTHORITY, "attestation.corrected", subject, references=(entered.attestation,))
    assert taken == "depends"

    leaf = ledger.log.size
    void(ledger, subject, entered.attestation)

    standing = ledger.standing(subject)
    assert (standing.born, standing.voided, standing.facts) == (False, True, {"own_record": leaf})
    assert Asset.decode(ledger.reader.records[asset_key(CAR)]).installed == ()
    assert ends_as(ledger, MAKER, "battery.produced", subject) == "admitted"
    assert ends_as(ledger, MAKER, "passport.published", subject, set_list=set_list(1)) == "admitted"
    assert ledger.standing(subject).facts["own_record"] == leaf


def test_authorities_decide_the_case_for_the_enroller() -> None:
    """
    Voiding the maker's production leaves the enrolled battery as it was; that it was contested stays.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(EU_AUTHORITY, "battery.enrolled", subject, parties=(WORKSHOP,))
    before, leaf = ledger.standing(subject), ledger.log.size
    ledger.happen(MAKER, "battery.produced", subject)
    undo = ledger.standing(subject).undo
    assert undo is not None
    void(ledger, subject, undo.attestation)

    after = ledger.standing(subject)
    assert (after.producer, after.enrolled, after.holder) == (None, before.enrolled, WORKSHOP)
    assert after.contested == (leaf,)


def test_voiding_a_dismantling_leaves_what_its_maker_made_since() -> None:
    """
    An enrolled battery that was named a child, and then produced by its maker, is no child any more: voiding
    the dismantling touches nothing of it.
    """
    ledger = Ledger()
    pack, code = ledger.waste(2), battery(1)
    ledger.happen(RECYCLER, "battery.enrolled", code)
    ledger.happen(RECYCLER, "battery.dismantled", pack, references=(code,))
    ledger.happen(MAKER, "battery.produced", code)
    ledger.happen(MAKER, "battery.declared_waste", code)
    produced = ledger.standing(code)
    dismantled = ledger.standing(pack).undo
    assert dismantled is not None
    void(ledger, pack, dismantled.attestation)

    assert ledger.standing(code) == produced and produced.eu_status == "waste"


def test_what_was_said_of_a_module_inside_its_pack_is_not_its_record() -> None:
    """
    A rival enrols a module that nobody took out yet and exports it as used: taken out of its pack, the module
    has no Annex XIV record, for nobody with a right made one.
    """
    w = World()
    pack, module = code(1), code(2)
    w.happen(RIVAL, "battery.enrolled", module, {"ground": "older_stock", "evidence": "photo"})
    w.happen(RIVAL, "used.exported", module, USED, quantities={"soh_permille": 900})
    root = children_root([subject_of(module)])
    w.happen(MAKER, "battery.produced", pack, {"production_date": "2026-06-03"}, children_root=root)
    w.happen(MAKER, "battery.sold", pack, {"invoice": "I"}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.declared_waste", pack, {"reason": "worn"})
    taken = {"facility_licence": "L", "children": [module], "fates": ["reuse"]}
    w.happen(RECYCLER, "battery.dismantled", pack, taken, references=(subject_of(module),))

    told = w.judge(module, condition="used").as_dict()
    evidence = {c["reason"] for c in told["checks"] if c["name"] == "used_evidence"}
    assert evidence == {"used_evidence_missing"}


def test_what_lost_to_an_enrolment_is_not_told_of_the_makers_battery() -> None:
    """
    A second presentation that lost while the enroller's was open is on the timeline, and no warning of the
    battery that its maker made since; what loses to that battery is one.
    """
    w = World()
    text = code(1)
    shown = {"declaration_number": "D-1", "registration_id": "R", "commodity_code": "850760", "eori": "DE1"}
    w.happen(RIVAL, "battery.enrolled", text, {"ground": "older_stock", "evidence": "photo"})
    for _ in range(2):
        w.happen(RIVAL, "battery.presented", text, shown)
    w.new(1)

    def lost() -> list[str]:
        checks = w.judge(text).as_dict()["checks"]
        return [c["reason"] for c in checks if c["name"].startswith("standing.") and c["outcome"] == "warn"]

    assert lost() == ["claimed"]
    w.happen(IMPORTER, "battery.presented", text, shown)
    assert sorted(lost()) == ["claimed", "refused_claim"]


def test_a_maker_that_used_its_own_code_as_an_enrolled_battery_makes_it_no_more() -> None:
    """
    It enrolled its own code and built it into a car: produced later, the battery is not new; both records
    stand until authorities decide (I1).
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(MAKER, "battery.enrolled", subject)
    ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)

    ledger.happen(MAKER, "battery.produced", subject)

    standing = ledger.standing(subject)
    assert standing.contested and standing.enrolled is not None and "installed" in standing.marks


def test_a_maker_that_took_an_enrolled_battery_over_makes_it_no_more() -> None:
    """
    Others enrolled and used it, its maker signed that it took it over: it is no code that it has yet to make.
    """
    ledger = Ledger()
    subject = battery(1, "ZZ5")
    ledger.happen(WORKSHOP, "battery.enrolled", subject)
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    ledger.hand_over(WORKSHOP, subject, SECOND_LIFE)

    ledger.happen(SECOND_LIFE, "battery.produced", subject)

    assert ledger.standing(subject).contested and "installed" in ledger.standing(subject).marks


def test_a_maker_that_only_contests_or_corrects_still_makes_its_code() -> None:
    """
    Neither its contest of an enrolment nor a production that it took back counts as its word on it.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(RIVAL, "battery.enrolled", subject)
    ledger.happen(MAKER, "record.contested", subject, references=(b"d" * 32,))
    ledger.happen(MAKER, "battery.produced", subject)
    undo = ledger.standing(subject).undo
    assert undo is not None
    ledger.happen(MAKER, "attestation.corrected", subject, references=(undo.attestation,))

    ledger.happen(MAKER, "battery.produced", subject)

    assert (ledger.standing(subject).enrolled, ledger.standing(subject).item_state) == (None, "produced")


def test_that_an_authority_contested_an_enrolment_outlives_a_correction() -> None:
    """
    The enroller takes its last record back, on which the contest did not rest: the case stays open.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(RIVAL, "battery.enrolled", subject)
    ledger.happen(RIVAL, "battery.sold", subject)
    undo = ledger.standing(subject).undo
    assert undo is not None
    ledger.happen(EU_AUTHORITY, "record.contested", subject, references=(undo.attestation,))
    ledger.happen(RIVAL, "attestation.corrected", subject, references=(undo.attestation,))
    assert sorted(ledger.standing(subject).facts) == ["acted_on", "enrolled"]

    ledger.happen(MAKER, "battery.produced", subject)

    assert ledger.standing(subject).enrolled is not None and ledger.standing(subject).contested


def test_a_module_that_somebody_enrolled_in_a_car_came_out_of_its_pack() -> None:
    """
    Its maker committed to it in the pack that was taken apart: it is a child of that pack, and not produced
    again (I1). Named by an enroller alone, as in the test of voiding above, it is none.
    """
    ledger = Ledger()
    pack, module = battery(2), battery(1)
    ledger.happen(WORKSHOP, "battery.enrolled", module)
    ledger.happen(WORKSHOP, "battery.installed", module, bound_asset=CAR)
    ledger.happen(MAKER, "battery.produced", pack, children_root=children_root([module]))
    ledger.happen(MAKER, "battery.declared_waste", pack, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.dismantled", pack, references=(module,))

    assert ends_as(ledger, MAKER, "battery.produced", module) == "X2"

    standing = ledger.standing(module)
    assert standing.parent is not None and "child_of_dismantled" in standing.marks


# -- what strangers leave on a record is bounded --------------------------------------------------------


def test_enrolling_what_is_on_record_is_one_claim() -> None:
    """
    I5: whoever enrols a battery that exists says something without a right to: a claim, once, never a refusal
    on the honest record.
    """
    ledger = Ledger()
    subject = presented(ledger)
    before = ledger.standing(subject)

    said = [ends_as(ledger, RIVAL, "battery.enrolled", subject) for _ in range(3)]
    said += [ends_as(ledger, EU_AUTHORITY, "battery.enrolled", subject)]

    assert said == ["claim", "claimed_already", "claimed_already", "claim"]
    assert ledger.standing(subject) == before
    assert [(c.issuer, c.alert) for c in claims(ledger, subject).first] == [
        (RIVAL, False),
        (EU_AUTHORITY, False),
    ]


def test_a_party_loses_twice_by_a_rule_and_no_more() -> None:
    """
    A trade that installs a battery which is in a car already, again and again, leaves two refusals on it; by
    another party, or by another rule, it is another one.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    there: dict[str, Any] = {"bound_asset": vehicle(2)}

    lost = [ends_as(ledger, WORKSHOP, "battery.installed", subject, **there) for _ in range(3)]
    lost += [ends_as(ledger, WORKSHOP, "battery.installed", subject, bound_asset=CAR)]
    assert lost == ["X5", "X5", "refused_already", "refused_already"]
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(MAKER,))
    assert ends_as(ledger, MAKER, "battery.installed", subject, **there) == "X5"
    assert ends_as(ledger, MAKER, "battery.produced", subject) == "X2"

    kept = [(r.issuer, r.rule) for r in ledger.standing(subject).refusals]
    assert kept == [(WORKSHOP, "X5")] * 2 + [(MAKER, "X5"), (MAKER, "X2")]
    assert ledger.standing(subject).refusals_count == 4


def test_what_is_not_heard_again_is_told() -> None:
    """
    Who lost or contested often enough reads by which rule, and how often.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    for _ in range(REFUSALS_PER_PARTY_MAX):
        ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    for _ in range(CONTESTS_PER_PARTY_MAX):
        ledger.happen(IMPORTER, "record.contested", subject, references=(b"d" * 32,))
    again = {"bound_asset": CAR}, {"references": (b"d" * 32,)}
    acts = [
        ledger.attest(WORKSHOP, "battery.installed", subject, **again[0]),
        ledger.attest(IMPORTER, "record.contested", subject, **again[1]),
    ]
    told = []
    for act in acts:
        with pytest.raises(Refusal) as refused:
            ledger.registry.check_tx(act, ledger.now)
        told.append(str(refused.value))

    assert told == [
        f"another statement came first (X5), as {WORKSHOP} was told",
        f"{IMPORTER} contested it 8 times already",
    ]


def test_contests_of_one_party_and_of_all_are_bounded() -> None:
    """
    D5: what a standing keeps of contests, and how often one party may contest one battery, have an end.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    first = ledger.log.size
    for by in (IMPORTER, MAKER):
        said = [
            ends_as(ledger, by, "record.contested", subject, references=(bytes([n]) * 32,))
            for n in range(CONTESTS_PER_PARTY_MAX + 1)
        ]
        assert said == ["admitted"] * CONTESTS_PER_PARTY_MAX + ["contested_already"]

    contested = ledger.standing(subject).contested
    assert len(contested) == CONTESTED_MAX and contested[0] == first
    other = ledger.produced(2)
    assert ends_as(ledger, MAKER, "record.contested", other, references=(b"d" * 32,)) == "admitted"
