"""Who may speak about a battery: custody from production to its end, and who takes a record back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import Identifier, Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import Criteria, StatusUpdate, status_subject
from credentials.ledger.descendants import children_root
from credentials.ledger.recalls import RECALLS_PER_PARTY_MAX, Recalls, recall_subject
from credentials.ledger.records import CLAIMS_SHOWN_MAX
from credentials.ledger.standing import PRIVATE, TAKEN_BACK_MAX
from tests.credentials.test_routes import CAR, PASSPORT, claims, ends_as, exported, in_use, placed, presented
from tests.harness.ledger import (
    ANY_BATTERY,
    CN_AUTHORITY,
    CN_CUSTOMS,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    OUTSIDER,
    PARTIES,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    battery,
    lifecycle_table,
    make_genesis,
    participant,
    set_list,
    set_list_digest,
    vehicle,
)

RECALL = recall_subject("gbt34014", "ZZ1")
OTHER_CAR = vehicle(2)


def last(ledger: Ledger, subject: Subject) -> dict[str, Any]:
    undo = ledger.standing(subject).undo
    return {"references": (undo.attestation if undo else bytes(32),)}


# -- custody ------------------------------------------------------------------------------------------


def test_a_battery_is_its_makers_until_it_is_handed_over() -> None:
    """
    Both sign a hand-over; then the incoming party holds it, and nobody whom the old one named still is.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
    assert (ledger.standing(subject).holder, ledger.standing(subject).place) == (MAKER, "CN")

    assert ends_as(ledger, MAKER, "battery.handed_over", subject, parties=(IMPORTER,)) == "X10"
    ledger.hand_over(MAKER, subject, IMPORTER)

    assert (ledger.standing(subject).holder, ledger.standing(subject).named) == (IMPORTER, ())
    assert ends_as(ledger, WORKSHOP, "battery.installed", subject, bound_asset=CAR) == "claim"
    assert ends_as(ledger, IMPORTER, "attestation.corrected", subject, **last(ledger, subject)) in (
        "not_responsible",
        "irreversible",
    )


def test_being_named_is_not_holding() -> None:
    """
    A workshop that was named does the next steps; it hands nothing over, and holds nothing it repaired.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
    ledger.happen(WORKSHOP, "battery.maintained", subject)

    assert (
        ends_as(ledger, WORKSHOP, "battery.handed_over", subject, parties=("eori:DE1",)) == "not_responsible"
    )
    assert ledger.standing(subject).holder == MAKER


def test_a_consignee_is_found_by_its_eori() -> None:
    """
    An export names the consignee by EORI; the participant that has that EORI presents, and no other.
    """
    parties = [participant(did) for did in PARTIES]
    parties = [replace(p, identifiers=("eori:DE123",)) if p.did == IMPORTER else p for p in parties]
    ledger = Ledger(make_genesis(participants=parties))
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.exported", subject, parties=("eori:DE123",))

    assert ends_as(ledger, RIVAL, "battery.presented", subject) == "claim"
    assert ends_as(ledger, IMPORTER, "battery.presented", subject) == "admitted"
    other = ledger.produced(2)
    assert ends_as(ledger, MAKER, "battery.handed_over", other, parties=("eori:DE123",)) == "X10"


def test_two_participants_cannot_have_one_eori() -> None:
    """
    A genesis that gives one number to two participants is refused.
    """
    parties = [replace(participant(did), identifiers=("eori:DE123",)) for did in PARTIES]

    with pytest.raises(CredentialError, match="eori:DE123"):
        make_genesis(participants=parties)


def test_a_next_party_without_a_node() -> None:
    """
    Handed over to a buyer without a node it is that buyer's: the seller's word ends, an authority assigns it.
    """
    ledger = Ledger()
    subject = placed(ledger)
    ledger.hand_over(IMPORTER, subject, "eori:FR77")

    assert ledger.standing(subject).holder == "eori:FR77"
    assert ends_as(ledger, IMPORTER, "battery.sold", subject) == "claim"
    assert ends_as(ledger, CN_AUTHORITY, "custody.assigned", subject, parties=(RECYCLER,)) == "claim"
    ledger.happen(EU_AUTHORITY, "custody.assigned", subject, parties=(RECYCLER,))
    assert ledger.standing(subject).holder == RECYCLER


def test_a_private_owner_and_the_trades_of_the_place() -> None:
    """
    In use and sold with its car: any licensed workshop of the place reports what it did, and ends nothing.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.happen(IMPORTER, "vehicle.sold", subject, bound_asset=CAR)
    assert ledger.standing(subject).holder == PRIVATE

    measured = ends_as(ledger, WORKSHOP, "soh.measured", subject, quantities={"soh_permille": 900})
    assert measured == "admitted" and "measured_in_use" in ledger.standing(subject).marks
    assert ends_as(ledger, RECYCLER, "battery.declared_waste", subject) == "claim"
    ledger.happen(EU_AUTHORITY, "end_of_life.certified", subject, parties=(RECYCLER,))
    assert (
        ends_as(ledger, RECYCLER, "battery.dismantled", subject, references=(battery(1, "ZZ6"),)) == "state"
    )


def test_an_authoritys_certificate_names_who_ends_it() -> None:
    """
    A party that an authority of the place named takes the battery to its end without its owner.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.happen(IMPORTER, "vehicle.sold", subject, bound_asset=CAR)
    ledger.happen(EU_AUTHORITY, "end_of_life.certified", subject, parties=(RECYCLER,))

    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "waste.collected", subject, quantities={"mass_grams": 1_000})
    assert ledger.standing(subject).holder == RECYCLER


def test_a_trade_elsewhere_makes_a_claim() -> None:
    """
    A workshop of the EU says nothing that counts about a battery that was placed in China.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "market.placed", subject)
    ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)

    assert ledger.standing(subject).setting("placed", "CN") is not None
    assert ends_as(ledger, WORKSHOP, "battery.maintained", subject) == "claim"


def test_placed_is_not_use() -> None:
    """
    Placed and sent back unsold: the placing is on record, and no mark of use; it is never a first one again.
    """
    ledger = Ledger()
    subject = placed(ledger)
    first = ledger.standing(subject).setting("placed", "EU")
    ledger.run(ledger.countersigned(RECYCLER, "battery.exported", subject, [IMPORTER]))
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.released", subject)
    ledger.happen(IMPORTER, "market.placed", subject)

    assert not ledger.standing(subject).used
    assert ledger.standing(subject).setting("placed", "EU") == first


def test_a_trade_speaks_for_what_was_installed_and_for_nothing_else() -> None:
    """
    A battery that became waste without ever having been installed is measured by whom its holder names.
    """
    ledger = Ledger()
    subject = placed(ledger)
    ledger.run(ledger.countersigned(RECYCLER, "battery.declared_waste", subject, [IMPORTER]))

    assert ledger.standing(subject).used
    assert ends_as(ledger, WORKSHOP, "soh.measured", subject, quantities={"soh_permille": 900}) == "claim"


def test_an_authority_gives_nobodys_duty_away() -> None:
    """
    Responsibility passes with the signatures of both operators (X10); an authority has another act for it.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    given = ledger.countersigned(
        CN_AUTHORITY, "responsibility.transferred", subject, [IMPORTER], parties=(IMPORTER,)
    )

    with pytest.raises(Refusal, match="answers for this battery"):
        ledger.registry.check_tx(given, ledger.now)


def test_a_recall_is_lifted_by_who_recalled() -> None:
    """
    A battery handed over and then recalled by its maker stays recalled whatever its holder says; a loss that
    one holder told of is its present holder's to end.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.hand_over(MAKER, subject, IMPORTER)
    ledger.happen(MAKER, "battery.recalled", subject)

    assert ends_as(ledger, IMPORTER, "battery.recall_lifted", subject) == "not_responsible"
    assert ends_as(ledger, MAKER, "battery.recall_lifted", subject) == "admitted"


def test_what_only_a_used_battery_gets_is_a_mark_of_use() -> None:
    """
    Sent abroad as used, or certified at the end of its life: no later act makes it new (I1, I6).
    """
    ledger = Ledger()
    sent, ended = placed(ledger), ledger.produced(2, published=True)
    ledger.happen(IMPORTER, "used.exported", sent, quantities={"soh_permille": 900})
    ledger.happen(CN_AUTHORITY, "end_of_life.certified", ended, parties=(RECYCLER,))

    assert ledger.standing(sent).marks == ("exported_as_used",)
    assert ledger.standing(ended).marks == ("end_of_life",)


# -- taking back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["presented", "published", "countersigned", "waste"])
def test_what_cannot_be_taken_back_is_not_corrected(kind: str) -> None:
    """
    I3: presentation, publication, a countersigned hand-over and waste stay, also for their author.
    """
    ledger = Ledger()
    author = MAKER
    if kind == "presented":
        subject, author = presented(ledger), IMPORTER
    elif kind == "published":
        subject = ledger.produced(1, published=True)
    elif kind == "countersigned":
        subject = ledger.produced(1)
        ledger.hand_over(MAKER, subject, IMPORTER)
    else:
        subject = ledger.waste(1)

    assert (
        ends_as(ledger, author, "attestation.corrected", subject, **last(ledger, subject)) == "irreversible"
    )


def test_a_correction_is_not_corrected() -> None:
    """
    What was taken back is not put back by a second correction, and its marks stay.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    named = last(ledger, subject)
    ledger.happen(WORKSHOP, "attestation.corrected", subject, **named)

    assert ledger.standing(subject).item_state == "placed"
    assert ledger.standing(subject).marks == ("installed",)
    assert ends_as(ledger, WORKSHOP, "attestation.corrected", subject, **named) == "depends"


def test_a_trades_record_is_contested_and_withdrawn() -> None:
    """
    The holder contests what a workshop said, a stranger cannot; one authority of the place withdraws it.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    record = last(ledger, subject)

    assert ends_as(ledger, RIVAL, "record.contested", subject, **record) == "not_responsible"
    ledger.happen(IMPORTER, "record.contested", subject, **record)
    assert len(ledger.standing(subject).contested) == 1
    assert ends_as(ledger, CN_AUTHORITY, "record.withdrawn", subject, **record) == "claim"
    ledger.happen(EU_AUTHORITY, "record.withdrawn", subject, **record)
    standing = ledger.standing(subject)
    assert (standing.item_state, standing.bound_asset) == ("installed", CAR)
    assert "removed" in standing.marks


def test_one_authority_does_not_withdraw_what_is_no_trades() -> None:
    """
    A hand-over, a presentation or a customs act is not for one authority to take back.
    """
    ledger = Ledger()
    subject = presented(ledger)

    withdrawn = ends_as(ledger, EU_AUTHORITY, "record.withdrawn", subject, **last(ledger, subject))
    assert withdrawn == "irreversible"


def test_a_corrected_placing_stays_a_placing() -> None:
    """
    I1: placed on a market is never again a first placing there, though its author takes the record back; the
    authorities of both sides void it, and then it never was.
    """
    ledger = Ledger()
    corrected, wrong = placed(ledger, 1), placed(ledger, 2)
    ledger.happen(IMPORTER, "attestation.corrected", corrected, **last(ledger, corrected))

    standing = ledger.standing(corrected)
    assert (standing.item_state, sorted(standing.jurisdictions)) == ("released", ["placed", "released"])
    assert ends_as(ledger, IMPORTER, "market.placed", corrected) == "admitted"
    ledger.run(
        ledger.countersigned(
            EU_AUTHORITY, "attestation.voided", wrong, (CN_AUTHORITY,), **last(ledger, wrong)
        )
    )
    assert sorted(ledger.standing(wrong).jurisdictions) == ["released"]


@pytest.mark.parametrize(
    ("kind", "setting"), [("market.placed", "placed"), ("battery.reported_lost", "lost")]
)
def test_what_set_something_that_the_rules_know_no_more_is_only_voided(kind: str, setting: str) -> None:
    """
    Rules that no longer know what a record set do not say whether that stays when its author takes it back
    (I1): it takes nothing back, nor does one authority. All authorities void it.
    """
    ledger = Ledger()
    subject = placed(ledger)
    if kind != "market.placed":
        ledger.happen(IMPORTER, kind, subject)
    ledger.go_by(without_setting(setting))
    named = last(ledger, subject)

    for by, how in ((IMPORTER, "attestation.corrected"), (EU_AUTHORITY, "record.withdrawn")):
        assert ends_as(ledger, by, how, subject, **named) == "irreversible"
    assert setting in ledger.standing(subject).jurisdictions
    ledger.run(ledger.countersigned(EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), **named))
    assert setting not in ledger.standing(subject).jurisdictions


def without_setting(name: str) -> dict[str, Any]:
    """The life cycle in which no event sets this any more, and none that lifted it is left."""
    table = {**lifecycle_table(), "settings": {**lifecycle_table()["settings"]}}
    del table["settings"][name]
    kept = (e for e in table["events"] if e.get("lifts") != name)
    events = [{k: v for k, v in e.items() if k != "sets" or v != name} for e in kept]
    return {**table, "events": events}


def test_what_a_party_set_and_takes_back_is_gone() -> None:
    """
    A recall or a report of loss that its author corrects is no act in a jurisdiction: it goes.
    """
    ledger = Ledger()
    subject = placed(ledger)
    ledger.happen(IMPORTER, "battery.reported_lost", subject)
    ledger.happen(IMPORTER, "attestation.corrected", subject, **last(ledger, subject))

    assert sorted(ledger.standing(subject).jurisdictions) == ["placed", "released"]


def test_a_voiding_is_signed_in_every_jurisdiction_that_has_an_authority() -> None:
    """
    X10: two authorities of one side are enough by number, and void nothing without the other side.
    """
    second = accreditation(OUTSIDER, roles=PARTIES[CN_AUTHORITY][1], schemes=ANY_BATTERY)
    ledger = Ledger(make_genesis(accreditations=[*accreditations(), second]))
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)

    case = ledger.countersigned(
        CN_AUTHORITY, "attestation.voided", subject, [OUTSIDER], **last(ledger, subject)
    )

    with pytest.raises(Refusal, match="no authority of EU countersigned it") as refused:
        ledger.registry.check_tx(case, ledger.now)
    assert refused.value.code == "X10"


def test_what_was_taken_back_is_voided_once_though_others_follow_it() -> None:
    """
    Nothing that stands is changed but that a record was voided; what was never taken back is not reached, and
    eight are remembered.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    mistakes = []
    for _ in range(TAKEN_BACK_MAX + 1):
        ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)
        mistakes += last(ledger, subject)["references"]
        ledger.happen(MAKER, "attestation.corrected", subject, **last(ledger, subject))
    ledger.happen(MAKER, "battery.sold", subject, parties=(IMPORTER,))
    sold = last(ledger, subject)
    before = ledger.standing(subject)
    ledger.happen(MAKER, "battery.recalled", subject)

    def void(named: bytes) -> str:
        case = ledger.countersigned(
            EU_AUTHORITY, "attestation.voided", subject, [CN_AUTHORITY], references=(named,)
        )
        try:
            ledger.run(case)
        except (NotYet, Refusal) as error:
            return error.code
        return "admitted"

    assert before.taken_back == tuple(mistakes[1:])
    assert void(sold["references"][0]) == void(mistakes[0]) == "depends"
    assert void(mistakes[4]) == "admitted"
    assert void(mistakes[4]) == "depends"
    after = ledger.standing(subject)
    assert (after.voided, after.marks, len(after.taken_back)) == (True, before.marks, TAKEN_BACK_MAX - 1)
    ledger.happen(MAKER, "attestation.corrected", subject, **last(ledger, subject))
    assert mistakes[4] not in ledger.standing(subject).taken_back
    assert ledger.standing(subject).voided, "a correction of what was said before does not unsay it"


def test_voiding_removes_marks_and_says_so() -> None:
    """
    Authorities of both sides remove an installation that never was: the marks go, the voiding shows.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    voiding = ledger.countersigned(
        EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), **last(ledger, subject)
    )
    ledger.run(voiding)

    standing = ledger.standing(subject)
    assert (standing.marks, standing.voided, standing.item_state) == ((), True, "placed")


def test_voiding_a_dismantling_gives_the_child_back() -> None:
    """
    The parent and the mark it left go; a child that has records of its own since keeps the pack as it is.
    """
    ledger = Ledger()
    subject, own, later = ledger.waste(1), battery(1, "ZZ6"), battery(2, "ZZ6")
    ledger.happen(RECYCLER, "battery.dismantled", subject, references=(own,))
    act = ledger.countersigned(
        EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), **last(ledger, subject)
    )
    ledger.run(act)
    assert not ledger.standing(own).born and ledger.standing(own).voided
    assert ledger.standing(subject).children == ()

    ledger.happen(RECYCLER, "battery.dismantled", subject, references=(later,))
    ledger.happen(RECYCLER, "waste.exported", later)
    act = ledger.countersigned(
        EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), **last(ledger, subject)
    )
    with pytest.raises(Refusal, match="records of its own"):
        ledger.registry.check_tx(act, ledger.now)


def test_voiding_a_dismantling_gives_back_what_went_with_the_pack() -> None:
    """
    A module that its maker still held went to the dismantler; voided, it is its maker's again, and unmarked.
    """
    ledger = Ledger()
    subject, module = battery(1), ledger.produced(2)
    ledger.happen(MAKER, "battery.produced", subject, children_root=children_root([module]))
    ledger.happen(MAKER, "battery.sold", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "battery.dismantled", subject, references=(module,))
    act = ledger.countersigned(
        EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), **last(ledger, subject)
    )
    ledger.run(act)

    assert (ledger.standing(module).holder, ledger.standing(module).marks) == (MAKER, ())
    assert ledger.standing(module).parent is None


def test_a_revoked_passport_stays_revoked_whatever_is_voided() -> None:
    """
    I3: voiding a revocation lifts the ban and nothing else: a new version is published.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(CN_AUTHORITY, "passport.revoked", subject, references=PASSPORT)
    act = ledger.countersigned(
        EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), **last(ledger, subject)
    )
    ledger.run(act)

    assert ledger.standing(subject).revoked and ledger.standing(subject).ban is None
    assert ends_as(ledger, MAKER, "passport.published", subject, set_list=set_list(1, 2)) == "admitted"


# -- claims ---------------------------------------------------------------------------------------------


def test_claims_are_counted_and_a_few_are_shown() -> None:
    """
    However many claims there are, the record beside the standing stays small, and the standing is untouched.
    """
    strangers = [f"did:web:stranger-{n}.example" for n in range(CLAIMS_SHOWN_MAX + 3)]
    for did in strangers:
        PARTIES[did] = ("EU", ("importer",), ())
    try:
        parties = [participant(did) for did in PARTIES]
        ledger = Ledger(make_genesis(participants=parties, accreditations=accreditations()))
    finally:
        for did in strangers:
            del PARTIES[did]
    subject = ledger.produced(1, published=True)
    before = ledger.standing(subject)
    for did in strangers:
        assert ends_as(ledger, did, "market.placed", subject) == "claim"

    assert ledger.standing(subject) == before
    assert claims(ledger, subject).count == len(strangers)
    assert [c.issuer for c in claims(ledger, subject).first] == strangers[:CLAIMS_SHOWN_MAX]
    for by in (EU_AUTHORITY, CUSTOMS):
        ends_as(ledger, by, "battery.reported_lost", subject)
    alert = claims(ledger, subject).first[CLAIMS_SHOWN_MAX:]
    assert [(c.issuer, c.alert) for c in alert] == [(EU_AUTHORITY, True)]  # strangers push nobody's alert out


# -- enrolment ------------------------------------------------------------------------------------------


def test_an_enrolled_battery_is_never_new_and_gives_way_to_its_maker() -> None:
    """
    A workshop's enrolment, and all said on top of it, becomes a claim when the maker produces the code.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(WORKSHOP, "battery.enrolled", subject)
    enrolled = ledger.standing(subject)
    assert (enrolled.item_state, enrolled.marks, enrolled.holder) == ("enrolled", ("enrolled",), WORKSHOP)
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    assert ends_as(ledger, RECYCLER, "battery.enrolled", subject) == "claim"
    assert ends_as(ledger, MAKER, "record.contested", subject, **last(ledger, subject)) == "admitted"

    assert ends_as(ledger, MAKER, "battery.produced", subject) == "admitted"

    standing = ledger.standing(subject)
    assert (standing.item_state, standing.holder, standing.marks, standing.bound) == (
        "produced",
        MAKER,
        (),
        None,
    )
    assert [(c.issuer, c.kind) for c in claims(ledger, subject).first] == [
        (RECYCLER, "battery.enrolled"),
        (WORKSHOP, "battery.enrolled"),
    ]


def test_an_enrolment_that_an_authority_acted_on_waits_for_authorities() -> None:
    """
    A battery that customs has suspended since its enrolment is not swept away by a later production: it is
    contested.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(IMPORTER, "battery.enrolled", subject)
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.suspended", subject)

    ledger.happen(MAKER, "battery.produced", subject)

    standing = ledger.standing(subject)
    assert standing.presentation is not None and standing.contested and "enrolled" in standing.marks
    assert (standing.producer, standing.holder) == (MAKER, IMPORTER)


def test_what_an_authority_did_to_an_enrolled_battery_is_remembered_when_it_is_lifted() -> None:
    """
    Installed, recalled by an authority, and the recall lifted: its maker's production is contested all the
    same, for the authority had this battery before it.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(IMPORTER, "battery.enrolled", subject)
    ledger.happen(EU_AUTHORITY, "battery.recalled", subject)
    recalled = ledger.standing(subject).facts
    ledger.happen(EU_AUTHORITY, "battery.recall_lifted", subject)
    lifted = ledger.standing(subject).facts
    leaf = ledger.log.size

    ledger.happen(MAKER, "battery.produced", subject)

    assert recalled.keys() == lifted.keys() == {"enrolled", "recalled", "acted_on"}
    assert recalled["acted_on"] == recalled["recalled"] < lifted["acted_on"] < leaf
    assert ledger.standing(subject).contested == (leaf,)
    assert "enrolled" in ledger.standing(subject).marks


def test_authorities_that_took_something_back_had_the_battery_before_them() -> None:
    """
    A record of an enrolled battery that authorities voided, and a hand-over that one of them signed as a
    party, are acts of authorities like any other: its maker's production is for them to judge.
    """
    ledger = Ledger()
    voided, handed = battery(1), battery(2)
    for subject in (voided, handed):
        ledger.happen(IMPORTER, "battery.enrolled", subject)
    ledger.happen(IMPORTER, "battery.reported_lost", voided)
    ledger.run(
        ledger.countersigned(
            EU_AUTHORITY, "attestation.voided", voided, (CN_AUTHORITY,), **last(ledger, voided)
        )
    )
    ledger.run(
        ledger.countersigned(
            EU_AUTHORITY, "battery.handed_over", handed, (IMPORTER, RECYCLER), parties=(RECYCLER,)
        )
    )

    for subject in (voided, handed):
        ledger.happen(MAKER, "battery.produced", subject)
        assert ledger.standing(subject).contested


def test_what_a_party_does_to_an_enrolled_battery_rests_on_no_authority() -> None:
    """
    An authority is remembered where it acts as one: a party's own acts leave no such fact.
    """
    ledger = Ledger()
    subject = battery(1)
    ledger.happen(IMPORTER, "battery.enrolled", subject)
    ledger.happen(IMPORTER, "battery.reported_lost", subject)

    assert "acted_on" not in ledger.standing(subject).facts


def test_nobody_is_made_the_holder_of_an_old_battery_unasked() -> None:
    """
    X10: a party with a node signs that it has it. An authority, and a number of somebody without one, need no
    second signature; who enters a battery for itself has signed.
    """
    ledger = Ledger()
    unasked = {"parties": (IMPORTER,)}

    assert ends_as(ledger, WORKSHOP, "battery.enrolled", battery(1), **unasked) == "X10"
    ledger.run(ledger.countersigned(WORKSHOP, "battery.enrolled", battery(1), [IMPORTER], **unasked))
    assert ends_as(ledger, EU_AUTHORITY, "battery.enrolled", battery(2), **unasked) == "admitted"
    assert ends_as(ledger, WORKSHOP, "battery.enrolled", battery(3), parties=("eori:DE5",)) == "admitted"
    assert ends_as(ledger, IMPORTER, "battery.enrolled", battery(4), **unasked) == "admitted"
    assert [ledger.standing(battery(n)).holder for n in (1, 2, 4)] == [IMPORTER] * 3


def test_an_authority_hands_nothing_over_to_who_did_not_sign() -> None:
    """
    X10: only entering a battery is an authority's act; what it holds as a party it hands over as a party.
    """
    ledger = Ledger()
    ledger.happen(EU_AUTHORITY, "battery.enrolled", battery(1))

    handed = ends_as(ledger, EU_AUTHORITY, "battery.handed_over", battery(1), parties=(IMPORTER,))
    assert handed == "X10"


def test_a_code_that_is_spoken_for_is_not_enrolled() -> None:
    """
    The code of a successor that is not produced yet is nobody's to enrol.
    """
    ledger = Ledger()
    old, new = ledger.waste(1), battery(21, "ZZ5")
    act = ledger.countersigned(SECOND_LIFE, "second_life.remanufactured", old, (MAKER,), references=(new,))
    ledger.run(act)

    assert ends_as(ledger, WORKSHOP, "battery.enrolled", new) == "reserved"


def test_what_is_named_exists() -> None:
    """
    A replacement, another pack or a predecessor that nobody brought into being makes the event wait.
    """
    ledger = Ledger()
    subject = in_use(ledger)

    act = {"bound_asset": CAR, "references": (battery(99),)}
    assert ends_as(ledger, WORKSHOP, "battery.replaced", subject, **act) == "unborn"


def test_what_is_named_is_a_battery() -> None:
    """
    A status list, a recall or a vehicle named where a battery belongs is refused, and breaks nothing.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    lists = status_subject(MAKER, "https://maker.example/status/1")
    digest = b"d" * 32
    update = StatusUpdate(digest, "revocation", 1, None)
    ledger.happen(MAKER, "status.published", lists, status=update, document_digest=digest)
    ledger.happen(MAKER, "recall.published", RECALL, criteria=Criteria(("ZZ1",)))

    for named in (lists, RECALL, CAR):
        act = {"bound_asset": CAR, "references": (named,)}
        assert ends_as(ledger, WORKSHOP, "battery.replaced", subject, **act) == "subject"


# -- vehicles --------------------------------------------------------------------------------------------


def test_a_strangers_battery_in_my_car_binds_nobody() -> None:
    """
    Whoever binds a battery of its own to a number read on a stranger's car does not hold that car up.
    """
    ledger = Ledger()
    mine = ledger.installed(1, CAR)
    theirs = battery(7, "ZZ3")
    ledger.happen(OTHER_MAKER, "battery.produced", theirs)
    ledger.happen(OTHER_MAKER, "battery.sold", theirs, parties=(WORKSHOP,))
    ledger.happen(WORKSHOP, "battery.installed", theirs, bound_asset=CAR)

    assert ends_as(ledger, CN_AUTHORITY, "vehicle.registered", mine, bound_asset=CAR) == "admitted"
    ledger.happen(MAKER, "battery.sold", mine, parties=(WORKSHOP,))
    assert ends_as(ledger, WORKSHOP, "vehicle.scrapped", mine, bound_asset=CAR) == "admitted"


def sold_car_beside_a_strangers(ledger: Ledger) -> Subject:
    """A car of an owner without a node; a battery that a stranger sold under its number stands beside it."""
    mine, theirs = ledger.installed(1, CAR), battery(7, "ZZ6")
    ledger.happen(MAKER, "vehicle.sold", mine, bound_asset=CAR)
    ledger.happen(RECYCLER, "battery.produced", theirs)
    ledger.happen(RECYCLER, "passport.published", theirs, set_list=set_list(7))
    ledger.happen(RECYCLER, "battery.sold", theirs, parties=(WORKSHOP,))
    ledger.happen(RECYCLER, "battery.sold", theirs, parties=(RIVAL,))
    ledger.happen(WORKSHOP, "battery.installed", theirs, bound_asset=CAR)
    ledger.happen(RIVAL, "vehicle.sold", theirs, bound_asset=CAR)
    assert ledger.standing(mine).holder == ledger.standing(theirs).holder == PRIVATE
    ledger.happen(RECYCLER, "passport.revoked", theirs, references=(set_list_digest(set_list(7)),))
    return mine


def test_two_owners_without_a_node_are_not_one_holder() -> None:
    """
    I5: a stranger that sells its own battery under a car's number holds up neither its start nor its end.
    """
    ledger = Ledger()
    mine = sold_car_beside_a_strangers(ledger)

    assert ends_as(ledger, CN_AUTHORITY, "vehicle.registered", mine, bound_asset=CAR) == "admitted"
    ledger.happen(CN_AUTHORITY, "end_of_life.certified", mine, parties=(WORKSHOP,))
    assert ends_as(ledger, WORKSHOP, "vehicle.scrapped", mine, bound_asset=CAR) == "admitted"


def test_a_mistyped_vehicle_is_corrected_whatever_becomes_of_the_other_battery_there() -> None:
    """
    I3: on an installation rests a record that answered for it, not one about a stranger's battery there.
    """
    ledger = Ledger()
    theirs = battery(7, "ZZ6")
    ledger.happen(RECYCLER, "battery.produced", theirs)
    ledger.happen(RECYCLER, "passport.published", theirs, set_list=set_list(7))
    ledger.happen(RECYCLER, "battery.sold", theirs, parties=(WORKSHOP, RIVAL))
    ledger.happen(WORKSHOP, "battery.installed", theirs, bound_asset=CAR)
    mine, own = ledger.installed(1, CAR), ledger.installed(2, OTHER_CAR)
    ledger.happen(RIVAL, "vehicle.sold", theirs, bound_asset=CAR)
    ledger.happen(CN_AUTHORITY, "vehicle.registered", own, bound_asset=OTHER_CAR)
    second = ledger.produced(3, published=True)
    ledger.happen(MAKER, "battery.installed", second, bound_asset=OTHER_CAR)

    assert ends_as(ledger, MAKER, "attestation.corrected", mine, **last(ledger, mine)) == "admitted"
    ledger.happen(CN_AUTHORITY, "vehicle.registered", own, bound_asset=OTHER_CAR)
    assert ends_as(ledger, MAKER, "attestation.corrected", second, **last(ledger, second)) == "depends"


def test_taking_back_that_a_pack_left_gives_it_back_as_it_was_installed() -> None:
    """
    X6: a workshop's replacement, corrected, makes it no other installer: the packs of a car stay of one hand.
    """
    ledger = Ledger()
    one, two = ledger.installed(1, CAR), ledger.installed(2, CAR)
    ledger.happen(MAKER, "battery.sold", one, parties=(WORKSHOP,))
    ledger.hand_over(MAKER, two, IMPORTER)
    ledger.happen(WORKSHOP, "battery.swapped_out", one, bound_asset=CAR)
    ledger.happen(WORKSHOP, "attestation.corrected", one, **last(ledger, one))

    assert ends_as(ledger, WORKSHOP, "vehicle.scrapped", one, bound_asset=CAR) == "X6"


# -- recalls ---------------------------------------------------------------------------------------------


def recalls(ledger: Ledger) -> Recalls:
    return Recalls.decode(ledger.reader.records[Recalls("gbt34014", "ZZ1").key])


def test_a_recall_reaches_what_it_says() -> None:
    """
    L17, on the ledger: by beginning of the code, by days of production, by a list of batteries.
    """
    ledger = Ledger()
    one, day = battery(1), 86_400
    ledger.happen(MAKER, "recall.published", RECALL, criteria=Criteria(("ZZ1PE75",), 10 * day, 20 * day))
    ledger.happen(EU_AUTHORITY, "recall.published", RECALL, references=(one,))

    found = recalls(ledger)

    def by_whom(code: str, key: bytes, produced_on: int | None) -> list[str]:
        standing = replace(ledger.standing(one), produced_on=produced_on)
        return [r.by for r in found.covering(Identifier("gbt34014", "ZZ1", code), key, standing)]

    by = [by_whom(*asked) for asked in (
        ("ZZ1PE75A", b"x" * 32, 15 * day),
        ("ZZ1PE75A", b"x" * 32, 21 * day),
        ("ZZ1PE75A", b"x" * 32, None),
        ("ZZ1PE80A", b"x" * 32, 15 * day),
        ("ZZ1PE80A", ledger.standing(one).key, 15 * day),
    )]  # fmt: skip
    assert by == [[MAKER], [], [MAKER], [], [EU_AUTHORITY]]
    assert [r.jurisdiction for r in found.recalls] == ["", "EU"]


def test_a_recall_is_its_makers_or_an_authoritys_and_so_is_lifting_it() -> None:
    """
    Nobody else publishes one or lifts it, and one party has a bounded number in force.
    """
    ledger = Ledger()
    criteria = {"criteria": Criteria(("ZZ1",))}
    for stranger in (OTHER_MAKER, WORKSHOP, OUTSIDER):
        assert ends_as(ledger, stranger, "recall.published", RECALL, **criteria) == "X9"
    assert ends_as(ledger, MAKER, "recall.published", recall_subject("vin", "ZZ1"), **criteria) == "subject"
    assert ends_as(ledger, MAKER, "recall.published", RECALL) == "members"
    ledger.happen(EU_AUTHORITY, "recall.published", RECALL, **criteria)
    lifting = {"references": (recalls(ledger).recalls[0].attestation,)}
    for stranger in (MAKER, CN_AUTHORITY, CUSTOMS):
        assert ends_as(ledger, stranger, "recall.lifted", RECALL, **lifting) == "not_responsible"
    ledger.happen(EU_AUTHORITY, "recall.lifted", RECALL, **lifting)
    assert recalls(ledger).recalls == ()
    for _ in range(RECALLS_PER_PARTY_MAX):
        ledger.happen(MAKER, "recall.published", RECALL, **criteria)
    assert ends_as(ledger, MAKER, "recall.published", RECALL, **criteria) == "quota"


def test_a_recall_of_one_battery_is_lifted_by_whom_recalled() -> None:
    """
    The maker's recall and an authority's stand side by side; each lifts its own.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(MAKER, "battery.recalled", subject)
    ledger.happen(EU_AUTHORITY, "battery.recalled", subject)

    assert ends_as(ledger, CN_AUTHORITY, "battery.recall_lifted", subject) == "not_responsible"
    ledger.happen(MAKER, "battery.recall_lifted", subject)
    assert set(ledger.standing(subject).settings("recalled")) == {"EU"}
    ledger.happen(EU_AUTHORITY, "battery.recall_lifted", subject)
    assert ledger.standing(subject).settings("recalled") == {}


def test_a_recall_is_not_lifted_by_who_bought_the_battery() -> None:
    """
    A report of loss ends with the next holder; a recall, or a suspension, only with who answers for it.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    for kind in ("battery.recalled", "battery.reported_lost"):
        ledger.happen(MAKER, kind, subject)
    ledger.happen(MAKER, "passport.suspended", subject, references=PASSPORT)
    ledger.happen(CN_AUTHORITY, "custody.assigned", subject, parties=(IMPORTER,))

    assert ends_as(ledger, IMPORTER, "battery.recall_lifted", subject) == "not_responsible"
    assert ends_as(ledger, IMPORTER, "passport.reinstated", subject, references=PASSPORT) == "not_responsible"
    assert ends_as(ledger, IMPORTER, "battery.found", subject) == "admitted"
    assert ends_as(ledger, MAKER, "battery.recall_lifted", subject) == "admitted"


def test_customs_presents_what_is_there_or_what_an_export_named_it_for() -> None:
    """
    Customs opens no declaration for a battery on the other side, nor for one on the way that nobody sent it.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)

    assert ends_as(ledger, CUSTOMS, "battery.presented", subject) == "claim"
    ledger.happen(MAKER, "battery.exported", subject, parties=(CUSTOMS,))
    assert ends_as(ledger, CN_CUSTOMS, "battery.presented", subject) == "claim"
    assert ends_as(ledger, CUSTOMS, "battery.presented", subject) == "admitted"
    assert ledger.standing(subject).presentation.office == CUSTOMS  # type: ignore[union-attr]
    assert ends_as(ledger, CN_CUSTOMS, "customs.released", subject) == "not_responsible"


def test_naming_an_office_that_is_none_is_refused() -> None:
    """
    A battery is presented to a customs participant of the network, not to whoever is named.
    """
    ledger = Ledger()
    subject = exported(ledger)

    assert ends_as(ledger, IMPORTER, "battery.presented", subject, parties=(RIVAL,)) == "members"
    assert ledger.standing(subject).presentation is None
