"""Whose word stays: every setter's, the holder's names, a trade's where the battery is, an act's side."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.documents.identifiers import Subject
from credentials.ledger.standing import NAMED_MAX, PARTY_SETTERS_MAX, Setting, Standing
from tests.credentials.test_routes import CAR, PASSPORT, ends_as, exported, in_use, presented
from tests.harness.ledger import (
    ANY_BATTERY,
    CN_AUTHORITY,
    CN_CUSTOMS,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    battery,
    make_genesis,
    vehicle,
)


def setters(ledger: Ledger, subject: Subject, name: str) -> set[str]:
    return {setting.by for setting in ledger.standing(subject).settings(name).values()}


def two_authorities(jurisdiction: str = "CN") -> Ledger:
    """The recycler is a second authority of that side."""
    more = accreditation(
        RECYCLER, roles=("authority",), schemes=ANY_BATTERY, jurisdiction=jurisdiction, licence="authority"
    )
    return Ledger(make_genesis(accreditations=[*accreditations(), more]))


# -- every setter's word stays (I2) ----------------------------------------------------------------------


def test_a_second_report_of_loss_stays_when_the_first_is_lifted() -> None:
    """
    The importer finds "its" battery; the maker's report of theft holds until the maker lifts it.
    """
    ledger = Ledger()
    subject = exported(ledger)
    for by in (IMPORTER, MAKER, MAKER):
        ledger.happen(by, "battery.reported_lost", subject)
    assert setters(ledger, subject, "lost") == {IMPORTER, MAKER}

    ledger.happen(IMPORTER, "battery.found", subject)
    assert {s.by: key for key, s in ledger.standing(subject).settings("lost").items()} == {MAKER: ""}
    assert ends_as(ledger, IMPORTER, "battery.found", subject) == "not_responsible"
    ledger.happen(MAKER, "battery.found", subject)
    assert ledger.standing(subject).settings("lost") == {}


def test_who_reported_later_lifts_its_own_and_no_other() -> None:
    """
    The maker's report, the first, stays in its place.
    """
    ledger = Ledger()
    subject = exported(ledger)
    ledger.happen(MAKER, "battery.reported_lost", subject)
    ledger.happen(IMPORTER, "battery.reported_lost", subject)

    ledger.happen(IMPORTER, "battery.found", subject)
    assert {s.by: key for key, s in ledger.standing(subject).settings("lost").items()} == {MAKER: ""}


def test_a_stolen_battery_is_nobodys_by_being_collected() -> None:
    """
    X18: a waste operator that was named once would hold it by collecting it, and find it; it waits for
    whoever reported it, as a recycler does that takes it in.
    """
    ledger = Ledger()
    subject = ledger.waste(1)
    ledger.happen(MAKER, "battery.reported_lost", subject)
    received = {"quantities": {"mass_in_grams": 1}}

    assert ends_as(ledger, RECYCLER, "waste.collected", subject, quantities={"mass_grams": 1}) == "X18"
    assert ends_as(ledger, RECYCLER, "recycling.received", subject, **received) == "X18"
    assert ends_as(ledger, RECYCLER, "battery.found", subject) == "not_responsible"
    ledger.happen(CN_AUTHORITY, "custody.assigned", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.found", subject)
    assert ends_as(ledger, RECYCLER, "recycling.received", subject, **received) == "admitted"


def test_the_producers_recall_is_not_lifted_by_the_operator_that_recalled_first() -> None:
    """
    The operator lifts its own and not the maker's, which is there to lift it itself.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    transfer = {"parties": (SECOND_LIFE,)}
    ledger.run(ledger.countersigned(MAKER, "responsibility.transferred", subject, [SECOND_LIFE], **transfer))
    ledger.happen(SECOND_LIFE, "battery.recalled", subject)
    ledger.happen(MAKER, "battery.recalled", subject)

    ledger.happen(SECOND_LIFE, "battery.recall_lifted", subject)
    assert setters(ledger, subject, "recalled") == {MAKER}
    assert ends_as(ledger, SECOND_LIFE, "battery.recall_lifted", subject) == "not_responsible"
    ledger.happen(MAKER, "battery.recall_lifted", subject)
    assert setters(ledger, subject, "recalled") == set()


def test_an_operator_ends_what_the_one_before_it_recalled() -> None:
    """
    Where the one before is not the producer it has no right left, and its heir ends its recall.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    for outgoing, incoming in ((MAKER, SECOND_LIFE), (SECOND_LIFE, RECYCLER)):
        transfer = ledger.countersigned(
            outgoing, "responsibility.transferred", subject, [incoming], parties=(incoming,)
        )
        ledger.run(transfer)
        if incoming == SECOND_LIFE:
            ledger.happen(SECOND_LIFE, "battery.recalled", subject)

    assert ends_as(ledger, RECYCLER, "battery.recall_lifted", subject) == "admitted"


@pytest.mark.parametrize(
    ("sets", "lifts", "name", "members"),
    [
        ("battery.recalled", "battery.recall_lifted", "recalled", {}),
        ("battery.reported_lost", "battery.found", "lost", {}),
        ("passport.suspended", "passport.reinstated", "suspended", {"references": PASSPORT}),
        ("passport.revoked", "passport.ban_lifted", "banned", {"references": PASSPORT}),
    ],
)
def test_two_authorities_of_one_side_each_have_their_word(
    sets: str, lifts: str, name: str, members: dict[str, Any]
) -> None:
    """
    One lift ends one of them, its own first; the other stays until it is lifted too, and the word is whole.
    """
    ledger = two_authorities()
    subject = ledger.produced(1, published=True)
    for by in (CN_AUTHORITY, RECYCLER):
        ledger.happen(by, sets, subject, **members)
    again = ends_as(ledger, CN_AUTHORITY, sets, subject, **members)
    assert again == ("passport_state" if name in ("suspended", "banned") else "admitted")
    lifting = members if lifts == "passport.reinstated" else {}

    ledger.happen(RECYCLER, lifts, subject, **lifting)
    assert {s.by: key for key, s in ledger.standing(subject).settings(name).items()} == {CN_AUTHORITY: "CN"}
    if name in ("suspended", "banned"):
        assert not ledger.standing(subject).live
    ledger.happen(RECYCLER, lifts, subject, **lifting)  # the same role on the same side
    assert ledger.standing(subject).settings(name) == {}


def test_a_setting_that_nothing_lifts_is_its_first_setters() -> None:
    """
    Placed once it is never a first placing again, whoever places it later.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(CUSTOMS, "customs.released", subject)
    ledger.happen(IMPORTER, "market.placed", subject)
    ledger.run(ledger.countersigned(RECYCLER, "battery.exported", subject, [IMPORTER]))
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.released", subject)

    assert list(ledger.standing(subject).settings("released")) == ["EU"]


def test_settings_of_parties_are_bounded_and_an_authoritys_are_not_among_them() -> None:
    """
    So many parties say it that one more changes nothing; an authority is heard beside them.
    """
    standing = Standing(battery(1))
    for number in range(PARTY_SETTERS_MAX):
        standing = standing.joined("lost", "", Setting(f"did:web:{number}.example", number))

    assert standing.joined("lost", "", Setting("did:web:0.example", 99)) == standing
    with pytest.raises(Exception, match="said so already"):
        standing.joined("lost", "", Setting("did:web:more.example", 99))
    heard = standing.joined("lost", "EU", Setting(EU_AUTHORITY, 99, "authority"))
    assert len(heard.settings("lost")) == PARTY_SETTERS_MAX + 1


# -- a trade speaks where the battery is (I5) ------------------------------------------------------------


def in_china_after_the_eu(ledger: Ledger) -> Subject:
    """In use in the EU, then exported as used, imported and placed in China."""
    subject = in_use(ledger)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    ledger.hand_over(IMPORTER, subject, MAKER)
    export = {"parties": (CN_CUSTOMS,), "quantities": {"soh_permille": 900}}
    ledger.run(ledger.countersigned(IMPORTER, "used.exported", subject, [MAKER], **export))
    ledger.happen(CN_CUSTOMS, "battery.presented", subject)
    ledger.happen(CN_CUSTOMS, "customs.released", subject)
    ledger.happen(MAKER, "market.placed", subject)
    return subject


def test_a_trade_of_a_place_that_the_battery_left_makes_claims_and_moves_nothing() -> None:
    """
    A workshop of the EU installs a battery that is in China: it stays there, and with its authorities.
    """
    ledger = Ledger()
    subject = in_china_after_the_eu(ledger)
    car = {"bound_asset": vehicle(2)}

    assert ends_as(ledger, WORKSHOP, "battery.installed", subject, **car) == "claim"
    assert ends_as(ledger, EU_AUTHORITY, "custody.assigned", subject, parties=(RIVAL,)) == "claim"
    assert ends_as(ledger, CN_AUTHORITY, "battery.recalled", subject) == "admitted"
    assert (ledger.standing(subject).place, ledger.standing(subject).bound) == ("CN", None)


def cycles(number: int) -> dict[str, Any]:
    return {"quantities": {"soh_permille": 900, "cycles": number}}


def two_workshops() -> Ledger:
    """The rival is a licensed workshop of the EU as well."""
    more = accreditation(RIVAL, roles=("workshop", "lab"), schemes=ANY_BATTERY, licence="work")
    return Ledger(make_genesis(accreditations=[*accreditations(), more]))


def owned_elsewhere(ledger: Ledger) -> Subject:
    """In use in the EU, with an owner who named nobody there."""
    subject = in_use(ledger)
    ledger.hand_over(IMPORTER, subject, MAKER)
    return subject


def test_a_trade_says_nothing_about_goods_before_customs() -> None:
    """
    I5: used there before, sent abroad and declared again, it is in no workshop until it is released; whom its
    holder named speaks.
    """
    ledger = two_workshops()
    subject = in_use(ledger)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    sent = {"parties": (IMPORTER, RIVAL), "quantities": {"soh_permille": 900}}
    ledger.happen(IMPORTER, "used.exported", subject, **sent)
    ledger.happen(IMPORTER, "battery.presented", subject)

    assert ends_as(ledger, WORKSHOP, "soh.measured", subject, **cycles(1)) == "claim"
    assert ends_as(ledger, RIVAL, "soh.measured", subject, **cycles(1)) == "admitted"
    ledger.happen(CUSTOMS, "customs.released", subject)
    assert ends_as(ledger, WORKSHOP, "soh.measured", subject, **cycles(1)) == "admitted"


def test_an_absurd_reading_of_a_trade_binds_that_trade_alone() -> None:
    """
    A stranger's hundred thousand cycles refuse neither another workshop's reading nor the holder's.
    """
    ledger = two_workshops()
    subject = owned_elsewhere(ledger)
    ledger.happen(WORKSHOP, "soh.measured", subject, **cycles(100_000))

    assert ends_as(ledger, WORKSHOP, "soh.measured", subject, **cycles(400)) == "value_impossible"
    assert ends_as(ledger, RIVAL, "soh.measured", subject, **cycles(300)) == "admitted"
    assert ends_as(ledger, RIVAL, "soh.measured", subject, **cycles(299)) == "value_impossible"
    consent = ledger.countersigned(WORKSHOP, "soh.measured", subject, [MAKER], **cycles(310))
    ledger.run(consent)
    assert ends_as(ledger, RIVAL, "soh.measured", subject, **cycles(309)) == "value_impossible"
    assert ends_as(ledger, RIVAL, "soh.measured", subject, **cycles(311)) == "admitted"
    assert dict(ledger.standing(subject).readings) == {"cycles": 310, f"cycles/{RIVAL}": 311}


def last(ledger: Ledger, subject: Subject) -> bytes:
    undo = ledger.standing(subject).undo
    assert undo is not None
    return undo.attestation


def test_one_authority_there_takes_back_all_that_trades_said_in_a_row() -> None:
    """
    A lie under another record is reached by naming the first of the trades' records; marks stay.
    """
    ledger = two_workshops()
    subject = owned_elsewhere(ledger)
    before = ledger.standing(subject)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    first = last(ledger, subject)
    ledger.happen(WORKSHOP, "soh.measured", subject, **cycles(100_000))
    second = last(ledger, subject)
    ledger.happen(RIVAL, "negative_event", subject)

    for refused in (second, bytes(32)):
        assert ends_as(ledger, EU_AUTHORITY, "record.withdrawn", subject, references=(refused,)) in (
            "depends", "state",
        )  # fmt: skip
    assert ends_as(ledger, CN_AUTHORITY, "record.withdrawn", subject, references=(first,)) == "claim"
    ledger.happen(EU_AUTHORITY, "record.withdrawn", subject, references=(last(ledger, subject),))
    ledger.happen(EU_AUTHORITY, "record.withdrawn", subject, references=(first,))

    now = ledger.standing(subject)
    assert (now.bound, now.readings, now.item_state) == (before.bound, before.readings, before.item_state)
    assert set(now.marks) == {*before.marks, "removed", "measured_in_use"}
    assert ends_as(ledger, EU_AUTHORITY, "record.withdrawn", subject, references=(first,)) == "irreversible"


def test_what_trades_said_before_a_holders_record_is_not_taken_back_by_one_authority() -> None:
    """
    A record of the holder rests on what was there: only what trades said since is one row.
    """
    ledger = two_workshops()
    subject = owned_elsewhere(ledger)
    ledger.happen(WORKSHOP, "battery.maintained", subject)
    first = last(ledger, subject)
    ledger.happen(MAKER, "battery.sold", subject)
    ledger.happen(WORKSHOP, "battery.maintained", subject)

    assert ends_as(ledger, EU_AUTHORITY, "record.withdrawn", subject, references=(first,)) == "depends"
    ledger.happen(EU_AUTHORITY, "record.withdrawn", subject, references=(last(ledger, subject),))
    ledger.happen(WORKSHOP, "battery.maintained", subject)
    undo = ledger.standing(subject).undo
    assert undo is not None and undo.since != undo.attestation  # a row goes on after one of it is withdrawn


# -- on whose side an act is (I1) ------------------------------------------------------------------------


def of_two_sides(did: str = IMPORTER, *sides: str) -> Ledger:
    more = [accreditation(did, jurisdiction=side) for side in sides or ("CN",)]
    return Ledger(make_genesis(accreditations=[*more, *accreditations()]))


@pytest.mark.parametrize(("office", "side"), [(CUSTOMS, "EU"), (CN_CUSTOMS, "CN")])
def test_who_is_licensed_on_two_sides_places_it_where_it_was_presented(office: str, side: str) -> None:
    """
    Not on the side of the licence that is found first.
    """
    ledger = of_two_sides()
    subject = exported(ledger)
    ledger.happen(IMPORTER, "battery.presented", subject, parties=(office,))
    ledger.happen(office, "customs.released", subject)
    ledger.happen(IMPORTER, "market.placed", subject)

    standing = ledger.standing(subject)
    assert (standing.place, list(standing.settings("placed"))) == (side, [side])


def test_presented_without_an_office_it_is_before_customs_of_its_authors_own_side() -> None:
    """
    The default of the member `customs_office`: that of the author's own jurisdiction.
    """
    ledger = of_two_sides()
    subject = exported(ledger)
    ledger.happen(IMPORTER, "battery.presented", subject)

    assert ledger.standing(subject).place == "EU"


def test_where_an_act_happened_is_never_guessed() -> None:
    """
    Licensed on two foreign sides, and the battery on record in neither: it is presented first.
    """
    ledger = of_two_sides(IMPORTER, "CN", "US")
    subject = battery(1)

    assert ends_as(ledger, IMPORTER, "battery.enrolled", subject) == "admitted"
    assert ledger.standing(subject).place == "EU"
    abroad = Ledger(make_genesis(accreditations=[
        *(a for a in accreditations() if a.participant != IMPORTER),
        *(accreditation(IMPORTER, jurisdiction=side) for side in ("US", "KR")),
    ]))  # fmt: skip
    assert ends_as(abroad, IMPORTER, "battery.enrolled", subject) == "jurisdiction_unclear"


def test_a_customs_office_of_two_sides_is_that_of_its_own() -> None:
    """
    The declaration is open on the side where the office is established, whatever else it is accredited for.
    """
    ledger = of_two_sides(CUSTOMS, "CN")
    subject = exported(ledger)
    ledger.happen(IMPORTER, "battery.presented", subject, parties=(CUSTOMS,))

    assert ledger.standing(subject).place == "EU"


@pytest.mark.parametrize("moved", [False, True])
def test_a_customs_office_of_two_foreign_sides_names_neither(moved: bool) -> None:
    """
    Licensed on two sides and established on neither, an office does not say where goods are declared: it is
    refused as an author is, whether they are presented to it or moved there.
    """
    more = [accreditation(CN_CUSTOMS, jurisdiction=side) for side in ("US", "KR")]
    others = [a for a in accreditations() if a.participant != CN_CUSTOMS]
    ledger = Ledger(make_genesis(accreditations=[*more, *others]))
    subject = presented(ledger) if moved else exported(ledger)
    kind, by = ("customs.moved", CUSTOMS) if moved else ("battery.presented", IMPORTER)

    assert ends_as(ledger, by, kind, subject, parties=(CN_CUSTOMS,)) == "jurisdiction_unclear"


# -- whom the holder names (I5, L11) ---------------------------------------------------------------------


def test_who_sold_on_what_it_bought_is_not_named_any_more() -> None:
    """
    A rival buyer that sold it on presents nothing: the consignee of the export is first.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(RIVAL,))
    ledger.happen(RIVAL, "battery.sold", subject, parties=(IMPORTER,))
    assert ledger.standing(subject).named == (IMPORTER,)
    assert ends_as(ledger, RIVAL, "battery.sold", subject) == "claim"


def test_an_export_names_its_consignee_and_forgets_earlier_buyers() -> None:
    """
    Whom the holder dealt with before the export does not present the battery before the consignee.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(RIVAL,))
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))

    assert ledger.standing(subject).named == (IMPORTER,)
    assert ends_as(ledger, RIVAL, "battery.presented", subject) == "claim"
    assert ends_as(ledger, IMPORTER, "battery.presented", subject) == "admitted"


def test_an_export_that_names_nobody_leaves_the_buyer_named() -> None:
    """
    The honest buyer of an export whose record names no consignee still presents.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(IMPORTER,))
    ledger.happen(CN_AUTHORITY, "battery.exported", subject)

    assert ledger.standing(subject).named == (IMPORTER,)


def test_a_named_party_flushes_nobody_out() -> None:
    """
    It passes its own place on to one other party, and names again who is named; the consignee stays.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER, RIVAL))
    many = tuple(f"eori:DE{number}" for number in range(NAMED_MAX))

    assert ends_as(ledger, RIVAL, "battery.sold", subject, parties=many) == "members"
    ledger.happen(RIVAL, "battery.sold", subject, parties=(IMPORTER, MAKER))
    assert ledger.standing(subject).named == (IMPORTER, RIVAL)
    ledger.happen(RIVAL, "battery.sold", subject, parties=many[:1])
    assert ledger.standing(subject).named == (IMPORTER, *many[:1])


def test_the_ninth_name_is_refused_to_the_holder_and_not_to_an_authority() -> None:
    """
    The consignee is not pushed out by later names; an authority's certificate is never refused for them.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    many = tuple(f"eori:DE{number}" for number in range(NAMED_MAX))
    ledger.happen(MAKER, "battery.sold", subject, parties=many)

    assert ends_as(ledger, MAKER, "battery.sold", subject, parties=(IMPORTER,)) == "members"
    assert ends_as(ledger, MAKER, "battery.sold", subject, parties=many[:1]) == "admitted"
    ledger.happen(CN_AUTHORITY, "end_of_life.certified", subject, parties=(RECYCLER,))
    assert ledger.standing(subject).named == (*many[1:], RECYCLER)


# -- customs (I2, I4) ------------------------------------------------------------------------------------


def test_suspended_goods_are_not_moved_before_another_customs() -> None:
    """
    What EU customs suspended, only EU customs releases: moved to China the suspension would be gone.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(CUSTOMS, "customs.suspended", subject)

    assert ends_as(ledger, CUSTOMS, "customs.moved", subject, parties=(CN_CUSTOMS,)) == "state"
    assert ends_as(ledger, CN_CUSTOMS, "customs.released", subject) == "not_responsible"
    assert ends_as(ledger, CUSTOMS, "customs.released", subject) == "admitted"


def test_goods_are_not_moved_to_where_they_were_refused() -> None:
    """
    A transit opens the declaration there no more than presenting does: the refusal is lifted first.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(CUSTOMS, "customs.refused", subject)
    ledger.happen(MAKER, "battery.exported", subject, parties=(CN_CUSTOMS,))
    ledger.happen(CN_CUSTOMS, "battery.presented", subject)

    assert ends_as(ledger, CN_CUSTOMS, "customs.moved", subject, parties=(CUSTOMS,)) == "refused_here"
    ledger.happen(CUSTOMS, "customs.refusal_lifted", subject)
    assert ends_as(ledger, CN_CUSTOMS, "customs.moved", subject, parties=(CUSTOMS,)) == "admitted"
