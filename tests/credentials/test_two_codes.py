"""One battery under two codes, both stated in its passport: what is on record of either binds it (X1)."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.documents.canonical import digest_document
from credentials.ledger.payload import Criteria
from credentials.ledger.recalls import recall_subject
from credentials.verdicts.evidence import LedgerEntry, LedgerView, Missing, MissingReason, alias_texts
from tests.credentials.test_shown import GOOD, PRESENTED, check, judged, shape
from tests.credentials.test_used_before import claiming, measured, remanufactured, taken_out
from tests.harness.border import DECLARATION, World, claims_of, code, line_of, replace, subject_of
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
    accreditation,
    accreditations,
    make_genesis,
)

VIN = "ZZ9DEM0E0T0000039"
LINK = "https://id.gs1.org/01/09521001000000/21/1"


def with_links() -> World:
    """A network in which MAKER may give its batteries links as codes of their own."""
    licences = [*accreditations(), accreditation(MAKER, schemes=(("gs1", "9521001"),), licence="gs1")]
    return World(Ledger(make_genesis(accreditations=licences)))


def two_codes(*said: Any) -> tuple[World, str]:
    """A battery of MAKER under its GB/T code and under its GS1 link; each passport names the other.

    `said`: status and cycles, as set 4 of the link's passport has them.
    """
    w, text = with_links(), code(1)
    for own, other in ((text, LINK), (LINK, text)):
        claims = claiming(1, *said) if said and own == LINK else claims_of(1)
        claims["GeneralProductInformation"]["productIdentifier"] = other
        w.produce(own)
        w.publish(own, w.issue(own, claims=claims))
    return w, text


def test_a_further_code_without_anything_against_it_is_said() -> None:
    """
    Both records were read, and neither holds the battery.
    """
    w, _ = two_codes()

    told = judged(w, LINK)

    assert told["verdict"] in GOOD
    assert [(c["outcome"], c["rule"], c["reason"]) for c in check(told, "alias")] == [
        ("warn", "X1", "alias_recorded")
    ]


def test_a_further_code_that_was_only_produced_is_no_second_battery() -> None:
    """
    The passport that is shown names both codes: that the other has none of its own says nothing against it.
    """
    licences = [*accreditations(), accreditation(MAKER, schemes=(("gs1", "9521001"),), licence="gs1")]
    w, text = World(Ledger(make_genesis(accreditations=licences))), code(1)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = text
    w.produce(text)
    w.produce(LINK)
    w.publish(LINK, w.issue(LINK, claims=claims))

    told = judged(w, LINK)

    assert told["verdict"] in GOOD
    assert [(c["outcome"], c["reason"]) for c in check(told, "alias")] == [("warn", "alias_recorded")]


@pytest.mark.parametrize("end", ["installed", "waste"])
def test_what_happened_under_one_code_is_not_new_under_the_other(end: str) -> None:
    """
    In use or waste under the first code, it is held or refused under the second.
    """
    w, text = two_codes()
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(RECYCLER,))
    if end == "installed":
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    else:
        w.happen(MAKER, "battery.declared_waste", text, {"reason": "worn"}, parties=(RECYCLER,))

    told = judged(w, LINK)

    expected = {
        "installed": ("hold", "installed_on_record"),
        "waste": ("refuse_recommended", "waste"),
    }[end]
    assert shape(told) == expected
    assert {c["evidence"]["identifier"] for c in check(told, "alias")} == {text}


@pytest.mark.parametrize("reading", [{"soh_permille": 450}, {"soh_permille": 1000, "cycles": 2000}])
def test_a_reading_under_one_code_is_one_under_the_other(reading: dict[str, int]) -> None:
    """
    X7: statements of the other record show use by being there, as those of its own do.
    """
    w, text = two_codes()
    w.happen(MAKER, "battery.sold", text, {"invoice": "I"}, parties=(WORKSHOP,))
    measured(w, text, **reading)

    assert shape(judged(w, LINK)) == ("hold", "used_sold_as_new")


def test_a_fire_or_a_registration_under_one_code_is_one_under_the_other() -> None:
    """
    I6: neither leaves a mark.
    """
    w, text = two_codes()
    w.happen(MAKER, "negative_event", text, {"event_kind": "fire"})

    assert shape(judged(w, LINK)) == ("hold", "negative_event_on_record")


def test_what_was_taken_back_under_one_code_says_nothing_under_the_other() -> None:
    """
    A fire that authorities voided: the record of a further code is read by the rules, as its own is.
    """
    w, text = two_codes()
    fire = w.happen(MAKER, "negative_event", text, {"event_kind": "fire"})
    case = {"case": "C-1", "reason": "another battery"}
    w.happen(EU_AUTHORITY, "attestation.voided", text, case, cosign=[CN_AUTHORITY], references=(fire,))

    assert judged(w, LINK)["verdict"] in GOOD


def test_a_recall_of_one_code_reaches_the_other() -> None:
    """
    By model or batch: the recall is of codes, and the battery has both.
    """
    w, text = two_codes()
    w.recall(MAKER, criteria=Criteria((text,)))

    assert shape(judged(w, LINK)) == ("hold", "recalled")


@pytest.mark.parametrize(
    ("by", "word"), [(EU_AUTHORITY, ("hold", "recalled")), (CN_AUTHORITY, ("clear", "ok"))]
)
def test_a_recall_of_a_code_without_a_record_reaches_the_battery_that_has_it(
    by: str, word: tuple[str, str]
) -> None:
    """
    A recall by the beginning of a GS1 link, as surveillance publishes it: the battery is on record under its
    GB/T code alone, and its passport names the link. One of another side holds nothing here.
    """
    w, text = World(), code(1)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = LINK
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))
    w.run(
        w.ledger.attest(
            by,
            "recall.published",
            recall_subject("gs1", "9521001"),
            criteria=Criteria(("https://id.gs1.org/01/09521001000000/",), None, None),
        )
    )

    told = judged(w, text)

    assert shape(told) == word
    named = [(c["outcome"], c["reason"]) for c in check(told, "alias")]
    assert named == [("fail", "recalled") if word[0] == "hold" else ("warn", "alias_not_recorded")]


def test_what_a_battery_was_made_from_under_one_code_binds_it_under_the_other() -> None:
    """
    I2: made, under its first code, from a pack that was stolen. Where that pack's record is not in hand it is
    undecided, and so where the other record cannot be read.
    """
    w = World()
    old, first, second = taken_out(w), code(1, "ZZ5"), code(2)
    remanufactured(w, old, first)
    w.produce(first, by=SECOND_LIFE)
    w.happen(EU_AUTHORITY, "battery.reported_lost", old, {"reference": "P"})
    w.produce(second)
    w.publish(second)
    (named,), view = alias_texts(w.passports[second].credentials[1]), w.view(first)

    def told(seen: LedgerView) -> set[tuple[str, str]]:
        evidence = w.evidence(second, aliases={named: seen})
        item = w.judge(second, evidence=evidence, condition="second_life").as_dict()
        found = check(item, "alias")
        assert {c["evidence"]["identifier"] for c in found} == {named}
        return {(c["outcome"], c["reason"]) for c in found}

    assert ("fail", "lost") in told(view)
    assert ("indeterminate", "relatives_unread") in told(replace(view, relatives={}))
    assert ("indeterminate", "ledger_unavailable") in told(
        replace(view, entries=[LedgerEntry(1, 1, 1, b"?")])
    )


@pytest.mark.parametrize(("number", "word"), [("26NLTEST000009", "hold"), (DECLARATION, "clear")])
def test_a_battery_with_two_codes_is_on_one_declaration(number: str, word: str) -> None:
    """
    I4: declared under its first code, it is clear under the second in that declaration and in no other. Where
    nobody shows the declaration on record it is not compared.
    """
    w, text = two_codes()
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED | {"declaration_number": number})

    told = judged(w, LINK)

    assert told["verdict"] == word
    assert word == "clear" or told["reason"] == "second_presentation"
    unread = w.judge(LINK, evidence=w.evidence(LINK, events={})).as_dict()
    assert ("indeterminate", "not_held") in {(c["outcome"], c["reason"]) for c in check(unread, "alias")}


def named_only(w: World | None = None) -> tuple[World, str]:
    """A battery on record under its GB/T code alone; its passport names the GS1 link on its label."""
    w, text = w or World(), code(1)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = LINK
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    return w, text


def enrol(w: World, by: str, *then: str) -> None:
    """Enter the link without a record of its origin, and say these things of it."""
    w.happen(by, "battery.enrolled", LINK, {"ground": "older_stock", "evidence": "x"})
    members = {"battery.presented": PRESENTED | {"declaration_number": "26NLRIVAL"}}
    for event in then:
        w.happen(by, event, LINK, members.get(event, {"reference": "P"}))


@pytest.mark.parametrize(
    "then",
    [(), ("battery.presented",), ("battery.reported_lost",), ("battery.presented", "battery.reported_lost")],
)
def test_a_stranger_that_enters_the_code_on_the_label_holds_nothing(then: tuple[str, ...]) -> None:
    """
    I5: the link is on every label, and whoever has a licence can enter it and say what it likes: a warning.
    """
    w, text = named_only()
    enrol(w, RIVAL, *then)

    told = judged(w, text)

    assert shape(told) == ("clear", "ok")
    assert [(c["outcome"], c["reason"], c["evidence"]["by"]) for c in check(told, "alias")] == [
        ("warn", "alias_claimed", RIVAL)
    ]


@pytest.mark.parametrize("entered", ["after it was taken back", "before it was produced"])
def test_what_its_maker_produced_and_took_back_makes_no_enrolment_its_own(entered: str) -> None:
    """
    I5: the maker gave the link a record of its own and corrected that; what a stranger entered there is a
    claim all the same, whichever came first.
    """
    w, text = named_only(with_links())
    if entered == "before it was produced":
        enrol(w, RIVAL)
    made = w.happen(MAKER, "battery.produced", LINK, {"category": "ev", "production_date": "2026-06-03"})
    w.happen(MAKER, "attestation.corrected", LINK, {"reason": "x"}, references=(made,))
    if entered == "after it was taken back":
        enrol(w, RIVAL)

    told = judged(w, text)

    assert shape(told) == ("clear", "ok")
    assert [(c["reason"], c["evidence"]["by"]) for c in check(told, "alias")] == [("alias_claimed", RIVAL)]


def test_a_trade_that_measured_the_battery_is_a_stranger_to_its_further_code() -> None:
    """
    A workshop of the place reports on what is in use; under a code that it enters it holds nothing up.
    """
    w, text = named_only()
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP,))
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    w.happen(IMPORTER, "battery.handed_over", text, {"incoming_party": "eori:DE9"}, parties=("eori:DE9",))
    measured(w, text, soh_permille=900)
    enrol(w, WORKSHOP)

    told = w.judge(
        text, goods="in_vehicle", vin=VIN, commodity_code="8703800000", condition="used", direction="inland"
    ).as_dict()

    assert [(c["outcome"], c["reason"]) for c in check(told, "alias")] == [("warn", "alias_claimed")]


@pytest.mark.parametrize("by", [IMPORTER, EU_AUTHORITY])
def test_what_its_own_importer_or_an_authority_entered_under_a_further_code_counts(by: str) -> None:
    """
    Older stock by the word of who brings it: under neither code is it new.
    """
    w, text = named_only()
    enrol(w, by)

    assert shape(judged(w, text)) == ("hold", "origin_not_on_record")


@pytest.mark.parametrize("by", ["named", "holder"])
def test_whom_the_holder_named_and_whom_it_gave_the_battery_are_no_strangers(by: str) -> None:
    """
    The consignee that did nothing yet, and who has it without having said anything: what they enter counts.
    """
    w, text = World(), code(1)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = LINK
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))
    if by == "named":
        w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    else:
        members = {"incoming_party": IMPORTER}
        w.happen(MAKER, "battery.handed_over", text, members, cosign=(IMPORTER,), parties=(IMPORTER,))
    enrol(w, IMPORTER)

    assert ("fail", "origin_not_on_record") in {
        (c["outcome"], c["reason"]) for c in check(judged(w, text), "alias")
    }


def test_what_a_stranger_entered_counts_once_a_party_of_the_battery_has_it() -> None:
    """
    Entered by a stranger and taken over by the battery's own importer: it is that importer's record.
    """
    w, text = named_only()
    enrol(w, RIVAL)
    w.happen(
        RIVAL,
        "battery.handed_over",
        LINK,
        {"incoming_party": IMPORTER},
        cosign=(IMPORTER,),
        parties=(IMPORTER,),
    )

    assert shape(judged(w, text)) == ("hold", "origin_not_on_record")


@pytest.mark.parametrize("before", [False, True])
def test_two_lines_that_are_one_battery_are_one_too_many(before: bool) -> None:
    """
    X17: whichever of the two codes stands first.
    """
    w, text = two_codes()

    told = judged(w, LINK, others=[line_of(2, text) | {"before": before}])

    (said,) = check(told, "manifest")
    assert (said["outcome"], said["reason"], said["rule"]) == ("fail", "duplicate_line", "X17")
    assert said["evidence"]["other_lines"]
    assert shape(told) == ("hold", "duplicate_line")


def used_and_exported(w: World, text: str, day: str = "2027-01-15", *, burnt: bool = False) -> None:
    """Placed under both codes, and sent abroad as used under its GB/T code, with its record."""
    for code_ in (text, LINK):
        named = (WORKSHOP, IMPORTER)
        w.happen(MAKER, "market.placed", code_, {"art_41_checked": True}, parties=named)
    if burnt:
        w.happen(MAKER, "negative_event", LINK, {"event_kind": "fire"})
    record = {
        "contract_reference": "C", "soh_permille": 900, "soh_date": day,
        "not_waste": True, "packaging": "crate",
    }  # fmt: skip
    w.happen(IMPORTER, "used.exported", text, record, quantities={"soh_permille": 900}, parties=(IMPORTER,))


IN_CAR = {"goods": "in_vehicle", "commodity_code": "8703800000", "mass_kg": None}


@pytest.mark.parametrize(
    "later", ["battery.installed", "negative_event", "soh.measured", None, "passport.superseded"]
)
def test_a_record_under_one_code_does_not_cover_what_happened_since_under_the_other(
    later: str | None,
) -> None:
    """
    X19: used again, burnt or found dead under the second code, the battery needs another record under the
    first.
    """
    w, text = two_codes()
    used_and_exported(w, text)
    if later == "battery.installed":
        w.happen(MAKER, later, LINK, {"vin": VIN}, bound_asset=subject_of(VIN))
        w.happen(
            MAKER, "battery.replaced", LINK, {"vin": VIN, "reason": "x"},
            bound_asset=subject_of(VIN), references=(subject_of(text),),
        )  # fmt: skip
    elif later == "negative_event":
        w.happen(MAKER, later, LINK, {"event_kind": "fire"})
    elif later == "soh.measured":
        said = {"method": "m", "measured_on": "2027-01-16", "soh_permille": 0}
        w.happen(WORKSHOP, later, LINK, said, quantities={"soh_permille": 0})
    elif later is not None:
        claims = claims_of(1)
        claims["GeneralProductInformation"]["productIdentifier"] = text
        newer = w.issue(LINK, claims=claims, version=2)
        w.run(w.attested(LINK, newer, later, references=(w.passports[LINK].digest,)))

    told = judged(w, text, condition="used")

    if later in (None, "passport.superseded"):
        assert told["verdict"] in GOOD
    else:
        assert ("fail", "used_evidence_outdated") in {
            (c["outcome"], c["reason"]) for c in check(told, "alias")
        }


@pytest.mark.parametrize(("day", "good"), [("2027-01-14", False), ("2027-01-15", True)])
def test_a_test_of_before_a_fire_under_the_other_code_is_none_of_what_crosses(
    day: str, *, good: bool
) -> None:
    """
    D772: told before the record was, the fire came after its test.
    """
    w, text = two_codes()
    used_and_exported(w, text, day, burnt=True)

    told = judged(w, text, condition="used")

    assert (told["verdict"] in GOOD) == good
    assert good or shape(told) == ("hold", "used_evidence_outdated")


def test_a_journey_is_recorded_under_both_codes() -> None:
    """
    A record under the second code, later than the first one's, is of the same journey.
    """
    w, text = two_codes()
    used_and_exported(w, text)
    record = {
        "contract_reference": "C", "soh_permille": 900, "soh_date": "2027-01-15",
        "not_waste": True, "packaging": "crate",
    }  # fmt: skip
    w.happen(IMPORTER, "used.exported", LINK, record, quantities={"soh_permille": 900}, parties=(IMPORTER,))

    assert judged(w, text, condition="used")["verdict"] in GOOD


def test_a_return_is_asked_about_once_and_not_in_its_vehicle() -> None:
    """
    In use under both codes, the question is that of its own; in the vehicle of the line there is none.
    """
    both, car = two_codes(), two_codes()
    for w, text in (both, car):
        for code_ in (text, LINK):
            w.happen(MAKER, "battery.installed", code_, {"vin": VIN}, bound_asset=subject_of(VIN))
    w, text = both
    for code_ in (text, LINK):
        said = {"vin": VIN, "reason": "x", "replacement": code_}
        w.happen(MAKER, "battery.maintained", code_, {"work": "fan"})
        w.happen(
            MAKER, "battery.replaced", code_, said,
            bound_asset=subject_of(VIN), references=(subject_of(LINK if code_ == text else text),),
        )  # fmt: skip

    told = judged(w, text, condition="return")
    inside = judged(car[0], car[1], condition="return", vin=VIN, **IN_CAR)

    assert [c["reason"] for c in check(told, "used_evidence")] == ["return_not_checked"]
    assert [c["reason"] for c in check(told, "alias")] == ["alias_recorded"]
    assert inside["verdict"] in GOOD


def test_a_return_of_what_was_used_under_the_other_code_is_no_unsold_stock() -> None:
    """
    D705: unused under the code that is declared, in use under the other: a person looks at the agreement.
    """
    w, text = two_codes()
    used_and_exported(w, text)

    told = judged(w, LINK, condition="return")

    assert shape(told) == ("undecided", "return_not_checked")


@pytest.mark.parametrize("vin", [VIN, "ZZ9DEM0E0T0000047"])
def test_one_battery_is_in_one_vehicle_under_both_codes(vin: str) -> None:
    """
    X5: installed under each code, in the same vehicle it is new; in two it is in neither.
    """
    w, text = two_codes()
    w.happen(MAKER, "battery.installed", LINK, {"vin": VIN}, bound_asset=subject_of(VIN))
    w.happen(MAKER, "battery.installed", text, {"vin": vin}, bound_asset=subject_of(vin))

    one, other = judged(w, text, vin=vin, **IN_CAR), judged(w, LINK, vin=VIN, **IN_CAR)

    assert (one["verdict"] in GOOD, other["verdict"] in GOOD) == (vin == VIN, vin == VIN)
    assert vin == VIN or shape(one) == shape(other) == ("hold", "vin_other")


def test_an_export_under_one_code_holds_nothing_that_arrived_under_the_other() -> None:
    """
    D771: where it was declared and released is told under one of its codes.
    """
    w, text = two_codes()
    w.happen(MAKER, "battery.exported", LINK, {"commodity_code": "850760"}, parties=(IMPORTER,))

    assert judged(w, text, policy_name="recycler")["verdict"] in GOOD
    assert shape(judged(w, LINK, policy_name="recycler")) == ("hold", "not_released")


@pytest.mark.parametrize(
    ("status", "cycles", "condition", "expected"),
    [
        ("Original", 0, "new", "ok"),
        ("Original", 2000, "new", "used_sold_as_new"),
        ("Waste", 0, "return", "waste"),
        ("Reused", 2000, "used", "used_evidence_missing"),
    ],
)
def test_what_the_passport_of_a_further_code_says_of_use_counts(
    status: str, cycles: int, condition: str, expected: str
) -> None:
    """
    X1, I6: it is the same battery. Kept back, it leaves undecided what rests on it; to whoever may not see
    set 4 it says nothing.
    """
    w, text = two_codes(status, cycles)
    seen = w.evidence(text, points=(1, 2, 3, 4))
    own = digest_document(dict(w.passports[LINK].credentials[4]))
    withheld = replace(seen, earlier={**seen.earlier, own: Missing(MissingReason.WITHHELD, MAKER, w.now)})

    told, kept_back, public = (
        w.judge(text, policy_name=policy, evidence=evidence, condition=condition).as_dict()
        for policy, evidence in (("importer-eu", seen), ("importer-eu", withheld), ("customs-eu", seen))
    )

    assert (told["verdict"] in GOOD, told["reason"]) == (expected == "ok", expected)
    assert "evidence_withheld" in {c["reason"] for c in kept_back["checks"]}
    assert kept_back["verdict"] not in GOOD
    assert (public["verdict"] in GOOD) == (condition != "used")


def named_by_a_second_life() -> tuple[World, str]:
    """A new battery of SECOND_LIFE, whose passport names LINK: a code of its own that nobody produced."""
    licence = accreditation(SECOND_LIFE, schemes=(("gs1", "9521001"),), licence="gs1")
    genesis = make_genesis(accreditations=[*accreditations(), licence])
    w, text, claims = World(Ledger(genesis), publishers=(MAKER, SECOND_LIFE)), code(1, "ZZ5"), claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = LINK
    w.produce(text, by=SECOND_LIFE)
    w.publish(text, w.issue(text, by=SECOND_LIFE, claims=claims))
    return w, text


@pytest.mark.parametrize("produced", [False, True])
def test_what_a_further_code_was_made_from_is_read_before_anybody_produced_it(*, produced: bool) -> None:
    """
    I1, I6: the battery is published as new, and names a code that another battery became in a second life.
    That nobody says of that code that it was produced does not pay.
    """
    w, text = named_by_a_second_life()
    before = judged(w, text)
    remanufactured(w, taken_out(w), LINK)
    if produced:
        w.produce(LINK, by=SECOND_LIFE)

    assert before["verdict"] in GOOD
    assert shape(judged(w, text)) == ("hold", "used_sold_as_new")


@pytest.mark.parametrize("by", [SECOND_LIFE, RECYCLER])
def test_what_a_further_code_was_only_said_to_be_made_from_is_read(by: str) -> None:
    """
    X8, I6: its maker said so and was not heard, and nothing else is on record of the code (0998). Who does
    not make such codes says nothing about one that is not there (I5).
    """
    w, text = named_by_a_second_life()
    old = taken_out(w)
    remanufactured(w, old, code(51, "ZZ5"))
    if by == SECOND_LIFE:
        remanufactured(w, old, LINK)
    else:
        w.happen(by, "battery.dismantled", old, {"facility_licence": "L"}, references=(subject_of(LINK),))

    told = judged(w, text)
    assert w.ledger.standing(subject_of(LINK)).item_state == "unknown"
    assert (shape(told) == ("undecided", "origin_told")) == (by == SECOND_LIFE)
    assert (told["verdict"] in GOOD) == (by != SECOND_LIFE)
