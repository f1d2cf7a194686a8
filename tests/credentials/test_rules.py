"""Rules X1..X22 of the ledger: each fires on the fraud it is for, and lets the lawful case pass."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import countersign, draft_attestation, make_attestation
from credentials.ledger.entries import RefusedEntry, parse_entry
from credentials.ledger.rules import RULES
from tests.credentials.test_lifting import LOST_AT, govern, hands_over, licences
from tests.credentials.test_routes import ends_as
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    RECYCLER,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    battery,
    lifecycle_table,
    make_genesis,
    set_list,
    set_list_digest,
    signer,
    vehicle,
)

CAR, OTHER_CAR = vehicle(1), vehicle(2)
PASSPORTS = 1_805_000_000  # in March 2027, when the EU asks for passports


def refused(ledger: Ledger, by: str, kind: str, subject: Subject, **members: Any) -> RefusedEntry:
    """The recorded refusal that this attestation ends in."""
    entry = parse_entry(ledger.happen(by, kind, subject, **members).entries[0])
    assert isinstance(entry, RefusedEntry), "it was admitted"
    return entry


def inadmissible(ledger: Ledger, by: str, kind: str, subject: Subject, **members: Any) -> Refusal:
    """Why this attestation cannot be in a block now."""
    with pytest.raises(Refusal) as refusal:
        ledger.registry.check_tx(ledger.attest(by, kind, subject, **members), ledger.now)
    return refusal.value


def consented(ledger: Ledger, kind: str, subject: Subject, *references: Subject) -> bytes:
    """A second-life event of SECOND_LIFE with the maker's consent."""
    statement = ledger.statement(kind, subject, references=references)
    agreed = countersign(draft_attestation(issuer=SECOND_LIFE, **statement), signer(MAKER))
    return make_attestation(
        signer=signer(SECOND_LIFE),
        iat=ledger.now,
        issuer=SECOND_LIFE,
        **statement,
        countersignatures=[agreed],
    )


def test_rules_here_are_those_of_the_ledger() -> None:
    """
    This file has a test for each rule that is built.
    """
    tested = {name.split("_")[1].upper() for name in globals() if name.startswith("test_x")}

    assert {f"X{int(name[1:])}" for name in tested} == RULES.keys()


def test_x01_one_live_passport() -> None:
    """
    A second passport is refused while one is live or suspended; after a revocation a new one is lawful.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    passport = ledger.standing(subject).passport
    assert passport is not None

    entry = refused(ledger, MAKER, "passport.published", subject, set_list=set_list(2))
    assert (entry.rule, entry.winner_leaf_index) == ("X1", passport.leaf_index)
    again = inadmissible(ledger, MAKER, "passport.published", subject, set_list=set_list(1))
    assert again.code == "duplicate"
    ledger.happen(MAKER, "passport.suspended", subject, references=(passport.digest,))
    assert refused(ledger, MAKER, "passport.published", subject, set_list=set_list(3)).rule == "X1"
    ledger.happen(MAKER, "passport.revoked", subject, references=(passport.digest,))
    ledger.happen(MAKER, "passport.published", subject, set_list=set_list(4, 2))
    assert ledger.standing(subject).live


def test_x01_what_its_author_gave_up_is_superseded() -> None:
    """
    A publication that names an earlier one of its author's counts whichever is recorded first; it replaces no
    other passport, none of an equal version, and none that is suspended.
    """
    ledger = Ledger()
    subject = ledger.produced(1)
    late = ledger.attest(MAKER, "passport.published", subject, set_list=set_list(1))
    named = {"references": (sha256(late).digest(),)}
    ledger.run(late)
    assert refused(ledger, MAKER, "passport.published", subject, set_list=set_list(2, 2)).rule == "X1"
    other = {"references": (sha256(b"another").digest(),)}
    assert (
        refused(ledger, MAKER, "passport.published", subject, set_list=set_list(3, 2), **other).rule == "X1"
    )
    same = inadmissible(ledger, MAKER, "passport.published", subject, set_list=set_list(2), **named)
    assert same.code == "passport_state"
    ledger.happen(MAKER, "passport.published", subject, set_list=set_list(4, 2), **named)
    standing = ledger.standing(subject)
    assert standing.passport is not None and (standing.live, standing.passport.version) == (True, 2)
    assert [one.status for one in standing.earlier] == ["superseded"]

    first = Ledger()
    subject = first.produced(1)
    first.happen(MAKER, "passport.published", subject, set_list=set_list(4, 2), **named)
    kept = first.standing(subject).passport
    assert refused(first, MAKER, "passport.published", subject, set_list=set_list(1)).rule == "X1"
    assert first.standing(subject).passport == kept

    paused = Ledger()
    subject = paused.produced(1)
    paused.run(late)
    passport = paused.standing(subject).passport
    assert passport is not None
    paused.happen(MAKER, "passport.suspended", subject, references=(passport.digest,))
    assert (
        refused(paused, MAKER, "passport.published", subject, set_list=set_list(4, 2), **named).rule == "X1"
    )


def test_x02_produced_once() -> None:
    """
    A code is produced once; another code of the same maker is not affected.
    """
    ledger = Ledger()
    subject = ledger.produced(1)

    entry = refused(ledger, MAKER, "battery.produced", subject)

    assert (entry.rule, entry.winner_leaf_index) == ("X2", 0)
    assert ledger.standing(subject).refusals_count == 1
    assert ledger.standing(ledger.produced(2)).refusals_count == 0


def test_x03_nothing_after_recycled() -> None:
    """
    After recycling nothing is admitted but the recovered material.
    """
    ledger = Ledger()
    subject = ledger.waste(1)
    masses = {f"{e}_{way}_grams": 10 for e in ("co", "ni", "li", "cu") for way in ("in", "out")}
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": 450_000})
    ledger.happen(RECYCLER, "recycling.completed", subject, quantities=masses)

    for by, kind, members in (
        (IMPORTER, "battery.presented", {}),
        (MAKER, "passport.published", {"set_list": set_list(9)}),
        (MAKER, "battery.produced", {}),
        (RECYCLER, "recycling.received", {"quantities": {"mass_in_grams": 1}}),
        (MAKER, "battery.recalled", {}),
    ):
        assert inadmissible(ledger, by, kind, subject, **members).code == "X3"
    ledger.happen(RECYCLER, "material.recovered", subject, quantities={"mass_grams": 7})


def test_x04_counted_once() -> None:
    """
    Waste is declared once and received for recycling once; the first of each is lawful.
    """
    ledger = Ledger()
    subject = ledger.waste(1)
    declared = ledger.standing(subject).facts["waste"]

    entry = refused(ledger, MAKER, "battery.declared_waste", subject)
    assert (entry.rule, entry.winner_leaf_index) == ("X4", declared)
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": 1})
    entry = refused(ledger, RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": 2})
    assert (entry.rule, entry.winner_leaf_index) == ("X4", ledger.standing(subject).facts["received"])


def test_x05_one_vehicle() -> None:
    """
    A pack is in one vehicle at a time; it is taken out of that one, and may then go into another.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
    ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)

    entry = refused(ledger, WORKSHOP, "battery.installed", subject, bound_asset=OTHER_CAR)
    assert (entry.rule, entry.winner_leaf_index) == ("X5", ledger.standing(subject).facts["installed"])
    wrong = inadmissible(ledger, WORKSHOP, "battery.swapped_out", subject, bound_asset=OTHER_CAR)
    assert isinstance(wrong, NotYet) and wrong.code == "X5"
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=OTHER_CAR)
    assert ledger.standing(subject).bound_asset == OTHER_CAR


def test_x06_vehicle_scrapped_with_every_pack() -> None:
    """
    Scrapping waits while a bound pack is unexplained; a late lawful replacement, or naming it, clears it.
    """
    ledger = Ledger()
    one, two = ledger.produced(1, published=True), ledger.produced(2, published=True)
    for subject in (one, two):
        ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
        ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)
    replaced_at = ledger.now
    ledger.now += 20 * 86_400
    scrapped = ledger.attest(WORKSHOP, "vehicle.scrapped", one, bound_asset=CAR)

    with pytest.raises(NotYet, match="1 more packs"):
        ledger.registry.check_tx(scrapped, ledger.now)
    assert ledger.propose([scrapped]) == ()
    named = ledger.attest(WORKSHOP, "vehicle.scrapped", one, bound_asset=CAR, references=(two,))
    ledger.registry.check_tx(named, ledger.now)
    ledger.happen(
        WORKSHOP,
        "battery.replaced",
        two,
        bound_asset=CAR,
        references=(ledger.produced(3),),
        event_time=replaced_at,
    )
    ledger.run(scrapped)

    assert ledger.standing(one).item_state == "waste"


def test_x08_consumed_once() -> None:
    """
    A predecessor feeds one successor set, a successor names what became part of it, a child has one parent.
    """
    ledger = Ledger()
    old = ledger.waste(1)
    ours, theirs = battery(21, "ZZ5"), battery(22, "ZZ5")
    ledger.run(consented(ledger, "second_life.prepared_for_reuse", old, ours))

    second = consented(ledger, "second_life.prepared_for_repurposing", old, theirs)
    entry = parse_entry(ledger.run(second).entries[0])
    assert isinstance(entry, RefusedEntry) and entry.rule == "X8"
    entry = refused(ledger, SECOND_LIFE, "battery.produced", theirs, references=(old,))
    assert entry.rule == "X8"
    ledger.happen(SECOND_LIFE, "battery.produced", ours, references=(old,))

    first, other = ledger.waste(2), ledger.waste(3)
    own = [battery(n, "ZZ6") for n in (31, 32, 33)]
    ledger.happen(RECYCLER, "battery.dismantled", first, references=own[:2])
    entry = refused(ledger, RECYCLER, "battery.dismantled", other, references=own[1:])
    assert (entry.rule, entry.winner_leaf_index) == ("X8", ledger.standing(first).facts["dismantled"])
    ledger.happen(RECYCLER, "battery.dismantled", other, references=own[2:])


def test_x09_accredited_when_it_happened_and_now() -> None:
    """
    The role, the namespace and both times have to be covered by an accreditation.
    """
    kept = [a for a in accreditations() if a.participant != MAKER]
    dated = accreditation(MAKER, valid_from=CREATED, valid_until=CREATED + 2_000)
    ledger = Ledger(make_genesis(accreditations=[*kept, dated]))

    ledger.happen(MAKER, "battery.produced", battery(1))
    assert inadmissible(ledger, MAKER, "battery.produced", battery(2, "ZZ3")).code == "X9"
    assert inadmissible(ledger, OTHER_MAKER, "battery.produced", battery(2)).code == "X9"
    assert inadmissible(ledger, CUSTOMS, "battery.produced", battery(2)).code == "X9"
    early = inadmissible(ledger, MAKER, "battery.produced", battery(2), event_time=CREATED - 1)
    assert early.code == "X9" and "when it happened" in str(early)
    happened = ledger.now
    ledger.now = CREATED + 2_000
    late = inadmissible(ledger, MAKER, "battery.produced", battery(2), event_time=happened)
    assert late.code == "X9" and "now" in str(late)


def test_x10_both_signatures() -> None:
    """
    A transfer without the incoming party's signature is not admissible, nor a voiding by one jurisdiction.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)

    def voiding(*who: str) -> bytes:
        undo = ledger.standing(subject).undo
        assert undo is not None
        statement = ledger.statement("attestation.voided", subject, references=(undo.attestation,))
        draft = draft_attestation(issuer=EU_AUTHORITY, **statement)
        signatures = [countersign(draft, signer(did)) for did in who]
        return make_attestation(
            signer=signer(EU_AUTHORITY),
            iat=ledger.now,
            issuer=EU_AUTHORITY,
            **statement,
            countersignatures=signatures,
        )

    transfer = inadmissible(ledger, MAKER, "responsibility.transferred", subject, parties=(IMPORTER,))
    assert transfer.code == "X10" and "needs the countersignature" in str(transfer)
    for who in ((), (CUSTOMS,), (IMPORTER, CUSTOMS)):
        with pytest.raises(Refusal) as refusal:
            ledger.registry.check_tx(voiding(*who), ledger.now)
        assert refusal.value.code == "X10"
    ledger.run(voiding(CN_AUTHORITY))


def test_x11_event_time() -> None:
    """
    The future waits for its time; before production and back in time are refused; a late report is admitted.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    produced = ledger.standing(subject).production_time
    assert produced is not None
    ledger.now += 30 * 86_400

    future = inadmissible(ledger, CN_AUTHORITY, "battery.exported", subject, event_time=ledger.now + 61)
    assert isinstance(future, NotYet) and future.code == "X11"
    early = inadmissible(ledger, CN_AUTHORITY, "battery.exported", subject, event_time=produced - 61)
    assert not isinstance(early, NotYet) and early.code == "X11"
    ledger.happen(CN_AUTHORITY, "battery.exported", subject, event_time=produced + 5, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)
    back = inadmissible(ledger, CUSTOMS, "customs.released", subject, event_time=produced + 5)
    assert back.code == "X11"
    old = inadmissible(ledger, CUSTOMS, "customs.released", subject, iat=ledger.now - 91 * 86_400)
    assert old.code == "X11"
    ledger.happen(CUSTOMS, "customs.released", subject)


def test_x12_one_open_presentation() -> None:
    """
    A second presentation is refused while the first is open; a used battery may come again after release.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)
    opened = ledger.standing(subject).open_presentation
    assert opened is not None

    entry = refused(ledger, CUSTOMS, "battery.presented", subject)
    assert (entry.rule, entry.winner_leaf_index) == ("X12", opened.leaf_index)
    ledger.happen(CUSTOMS, "customs.released", subject)
    assert ledger.standing(subject).open_presentation is None
    ledger.happen(IMPORTER, "market.placed", subject)
    ledger.happen(IMPORTER, "used.exported", subject, quantities={"soh_permille": 900})
    ledger.happen(IMPORTER, "battery.presented", subject)


def test_x18_lost_battery_does_not_move() -> None:
    """
    What is reported lost does not move until whoever reported it says that it is found.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.reported_lost", subject)

    waits = inadmissible(ledger, CN_AUTHORITY, "battery.exported", subject)
    assert isinstance(waits, NotYet) and waits.code == "X18" and MAKER in str(waits)
    assert inadmissible(ledger, CN_AUTHORITY, "battery.found", subject).code == "not_responsible"
    ledger.happen(MAKER, "battery.found", subject)
    ledger.happen(CN_AUTHORITY, "battery.exported", subject)


def let_in(ledger: Ledger, number: int, *, published: bool) -> Subject:
    """A battery that customs let into the EU, where its importer and a workshop may go on."""
    subject = ledger.produced(number, published=published)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER, WORKSHOP))
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.released", subject)
    return subject


def test_x21_vehicle_with_unregistered_battery() -> None:
    """
    Once the law asks for passports, a vehicle is not registered or sold while one of its packs has none.
    """
    ledger = Ledger()
    ledger.now = PASSPORTS
    good, bare = let_in(ledger, 1, published=True), let_in(ledger, 2, published=False)
    for pack in (good, bare):
        ledger.happen(WORKSHOP, "battery.installed", pack, bound_asset=CAR)

    for by, kind in ((EU_AUTHORITY, "vehicle.registered"), (IMPORTER, "vehicle.sold")):
        waits = inadmissible(ledger, by, kind, good, bound_asset=CAR)
        assert isinstance(waits, NotYet) and waits.code == "X21"
    ledger.happen(WORKSHOP, "battery.swapped_out", bare, bound_asset=CAR)
    ledger.happen(EU_AUTHORITY, "vehicle.registered", good, bound_asset=CAR)
    ledger.happen(IMPORTER, "vehicle.sold", good, bound_asset=CAR)


def test_x21_asks_for_no_passport_where_the_law_asks_for_none() -> None:
    """
    In China the code is the identity: a car is registered and sold there without a passport of the EU, and
    never with one that was withdrawn.
    """
    ledger = Ledger()
    ledger.now = PASSPORTS
    bare, withdrawn = ledger.produced(1), ledger.produced(2, published=True)
    digest = set_list_digest(set_list(2))
    for pack, car in ((bare, CAR), (withdrawn, OTHER_CAR)):
        ledger.happen(MAKER, "battery.installed", pack, bound_asset=car)
    ledger.happen(MAKER, "passport.revoked", withdrawn, references=(digest,))

    ledger.happen(CN_AUTHORITY, "vehicle.registered", bare, bound_asset=CAR)
    ledger.happen(MAKER, "vehicle.sold", bare, bound_asset=CAR)
    waits = inadmissible(ledger, CN_AUTHORITY, "vehicle.registered", withdrawn, bound_asset=OTHER_CAR)
    assert isinstance(waits, NotYet) and waits.code == "X21"


def test_x21_asks_for_no_passport_of_older_stock() -> None:
    """
    A pack that was placed before the law asked, and one entered without a record of its origin: their
    car is registered again.
    """
    ledger = Ledger()
    placed, entered = let_in(ledger, 1, published=False), battery(2)
    ledger.happen(IMPORTER, "market.placed", placed, parties=(WORKSHOP,))
    ledger.now = PASSPORTS
    ledger.happen(WORKSHOP, "battery.enrolled", entered)
    for pack in (placed, entered):
        ledger.happen(WORKSHOP, "battery.installed", pack, bound_asset=CAR)

    for pack in (placed, entered):
        ledger.happen(EU_AUTHORITY, "vehicle.registered", pack, bound_asset=CAR)


@pytest.mark.parametrize(("by", "admissible"), [(MAKER, True), (IMPORTER, False)])
def test_a_battery_is_placed_with_a_passport_where_the_law_asks_for_one(by: str, admissible: bool) -> None:
    """
    From 18 February 2027 in the EU (Art 77(1)), and not in China.
    """
    ledger = Ledger()
    ledger.now = PASSPORTS
    subject = ledger.produced(1) if by == MAKER else let_in(ledger, 1, published=False)

    if admissible:
        ledger.happen(by, "market.placed", subject)
    else:
        assert "needs a live passport" in str(inadmissible(ledger, by, "market.placed", subject))


def test_what_was_placed_before_passports_is_placed_again_without() -> None:
    """
    Sent abroad as used and back: Art 77(1) asks for a passport of what is placed from that day on.
    """
    ledger = Ledger()
    subject = let_in(ledger, 1, published=False)
    ledger.happen(IMPORTER, "market.placed", subject)
    ledger.happen(IMPORTER, "used.exported", subject, quantities={"soh_permille": 900}, parties=(IMPORTER,))
    ledger.now = PASSPORTS
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.released", subject)

    ledger.happen(IMPORTER, "market.placed", subject)


def test_x22_hands_on_no_hold_that_it_could_not_lift() -> None:
    """
    A maker whose licence is over lets nobody lift its suspension. Where the rules in force do not name X22 or
    X18 (an older network's), what was admitted is admitted still.
    """
    older = lifecycle_table()
    for event in older["events"]:
        event["guards"] = [g for g in event.get("guards", ()) if g not in ("X18", "X22")]
    older["exclusivity"] = [row for row in older["exclusivity"] if row["id"] not in ("X18", "X22")]
    old = make_genesis(rule_files={"lifecycle.json": json.dumps(older).encode()})
    for ledger, outcome in ((Ledger(), "X22"), (Ledger(old), "admitted")):
        subject, scrapped = ledger.produced(1, published=True), ledger.installed(2, CAR)
        ledger.happen(MAKER, "passport.suspended", subject, references=(set_list_digest(set_list(1)),))
        ledger.happen(MAKER, "battery.sold", scrapped, parties=(WORKSHOP,))
        ledger.happen(CN_AUTHORITY, "battery.reported_lost", scrapped)
        code = ends_as(ledger, WORKSHOP, "vehicle.scrapped", scrapped, bound_asset=CAR)
        assert code == ("admitted" if outcome == "admitted" else "X18")

        ledger.now = LOST_AT + 10
        govern(ledger, licences(suspended=((LOST_AT, None),))(ledger.history.latest))
        assert hands_over(ledger, MAKER, IMPORTER) == outcome
