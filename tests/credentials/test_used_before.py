"""What was used before is not new again, however its use is on record: readings, events, vehicles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from credentials.documents.canonical import digest_document
from credentials.verdicts.evidence import Held, Missing, MissingReason
from credentials.verdicts.record import Record
from tests.credentials.test_shown import GOOD, TESTED, VIN, check, judged, shape
from tests.harness.border import World, claims_of, code, replace, subject_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, IMPORTER, MAKER, SECOND_LIFE, WORKSHOP

OTHER_VIN = "ZZ9DEM0E0T0000047"
CAR = {"goods": "in_vehicle", "commodity_code": "8703800000", "mass_kg": None}


def made(w: World, serial: int = 1) -> str:
    text = code(serial)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.sold", text, {"invoice": "1"}, parties=(WORKSHOP,))
    return text


def measured(w: World, text: str, **readings: int) -> bytes:
    return measured_on("2027-01-15", w, text, **readings)


def measured_on(day: str, w: World, text: str, **readings: int) -> bytes:
    said = {"method": "m", "measured_on": day, **readings}
    return w.happen(WORKSHOP, "soh.measured", text, said, quantities=readings)


@pytest.mark.parametrize(
    ("readings", "used"),
    [
        ({"soh_permille": 1000, "cycles": 2000}, True),
        ({"soh_permille": 1000, "cycles": 11}, True),
        ({"soh_permille": 1000, "cycles": 10}, False),
        ({"soh_permille": 949}, True),
        ({"soh_permille": 950}, False),
    ],
)
def test_a_reading_that_no_new_battery_has_is_use(readings: dict[str, int], used: bool) -> None:
    """
    X7: cycles beyond testing or a lost capacity are use, though nobody recorded an installation; as used it
    is judged as what it is.
    """
    w = World()
    text = made(w)

    measured(w, text, **readings)

    told = judged(w, text)
    assert (shape(told) == ("hold", "used_sold_as_new")) == used
    assert (told["verdict"] in GOOD) != used
    assert check(judged(w, text, condition="return"), "used_evidence")[0]["reason"] == (
        "return_not_checked" if used else "not_applicable"
    )


def test_a_corrected_reading_stays_and_a_voided_one_goes() -> None:
    """
    I1: a correction leaves what the reading showed; voiding by k of n takes it out.
    """
    corrected, voided = World(), World()
    for w in (corrected, voided):
        made(w)
    text = code(1)
    first, second = (measured(w, text, soh_permille=450) for w in (corrected, voided))

    corrected.happen(WORKSHOP, "attestation.corrected", text, {"reason": "x"}, references=(first,))
    voided.happen(
        EU_AUTHORITY,
        "attestation.voided",
        text,
        {"case": "1"},
        cosign=(CN_AUTHORITY,),
        references=(second,),
    )

    assert shape(judged(corrected, text)) == ("hold", "used_sold_as_new")
    assert judged(voided, text)["verdict"] in GOOD


def test_a_fire_alone_is_not_as_new() -> None:
    """
    A negative event on record holds what is declared new, and is no use; as used it needs its record.
    """
    w = World()
    text = made(w)

    w.happen(WORKSHOP, "negative_event", text, {"event_kind": "fire"})

    assert shape(judged(w, text)) == ("hold", "negative_event_on_record")
    assert judged(w, text)["ground"] == "26(e)"
    assert shape(judged(w, text, condition="used")) == ("hold", "used_evidence_missing")
    inland = judged(w, text, condition="used", head={"direction": "inland"}, policy_name="recycler")
    assert inland["verdict"] in GOOD


def in_car(w: World, text: str, vin: str) -> bytes:
    return w.happen(MAKER, "battery.installed", text, {"vin": vin}, bound_asset=subject_of(vin))


@pytest.mark.parametrize(("again", "new"), [(VIN, True), (OTHER_VIN, False)])
def test_a_battery_of_two_vehicles_is_new_in_neither(again: str, new: bool) -> None:
    """
    A corrected installation and one in another vehicle are two installations; in the same one it is a repeat.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    first = in_car(w, text, VIN)
    w.happen(MAKER, "attestation.corrected", text, {"reason": "x"}, references=(first,))

    in_car(w, text, again)

    told = judged(w, text, vin=again, **CAR)
    assert (told["verdict"] in GOOD) == new
    assert check(told, "new_not_used")[0]["outcome"] == ("pass" if new else "fail")


def test_two_vehicles_of_which_one_was_voided_are_one() -> None:
    """
    What k of n authorities voided shows nothing any more.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    first = in_car(w, text, VIN)
    w.happen(
        EU_AUTHORITY, "attestation.voided", text, {"case": "1"}, cosign=(CN_AUTHORITY,), references=(first,)
    )

    in_car(w, text, OTHER_VIN)

    assert judged(w, text, vin=OTHER_VIN, **CAR)["verdict"] in GOOD


@pytest.mark.parametrize("voided", [True, False])
def test_a_mistyped_vehicle_number_is_voided_after_the_right_one_was_entered(voided: bool) -> None:
    """
    D738: corrected and entered anew, two vehicles are on record; authorities take the mistake out of what it
    shows, the installation that followed it stays.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    typo = in_car(w, text, OTHER_VIN)
    w.happen(MAKER, "attestation.corrected", text, {"reason": "typing"}, references=(typo,))
    in_car(w, text, VIN)
    if voided:
        case = {"case": "1"}
        w.happen(EU_AUTHORITY, "attestation.voided", text, case, cosign=(CN_AUTHORITY,), references=(typo,))

    told = judged(w, text, vin=VIN, **CAR)

    assert (told["verdict"] in GOOD) == voided
    bound = w.ledger.standing(subject_of(text)).bound
    assert bound is not None and bound.asset.as_list() == subject_of(VIN).as_list()


def taken_out(w: World, serial: int = 1, **members: Any) -> str:
    """Made, placed, installed and taken out again; SECOND_LIFE and IMPORTER are named."""
    text = code(serial)
    w.produce(text)
    w.publish(text)
    named = (WORKSHOP, SECOND_LIFE, IMPORTER)
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=named)
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    w.happen(WORKSHOP, "battery.swapped_out", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    return text


def remanufactured(w: World, text: str, successor: str, cosign: Sequence[str] = (MAKER,)) -> None:
    w.happen(
        SECOND_LIFE,
        "second_life.remanufactured",
        text,
        {"successors": [successor], **TESTED},
        cosign=cosign,
        references=(subject_of(successor),),
    )


def second_life_pack(w: World, *, measured_first: bool = False, soh: int = 900) -> str:
    """A successor of its own maker's, measured after (or before) its predecessor became it."""
    text, successor = taken_out(w), code(1, "ZZ5")

    def change() -> None:
        remanufactured(w, text, successor)

    if not measured_first:
        change()
    w.produce(successor, by=SECOND_LIFE)
    w.publish(successor, w.issue(successor, by=SECOND_LIFE))
    w.happen(SECOND_LIFE, "battery.sold", successor, {"invoice": "I"}, parties=(WORKSHOP, IMPORTER))
    measured(w, successor, soh_permille=soh)
    if measured_first:
        change()
    return successor


def two_publishers() -> World:
    return World(publishers=(MAKER, SECOND_LIFE))


def test_an_honest_second_life_is_measured_and_stays_a_second_life() -> None:
    """
    X20 asks for a measurement after the change: making it is no use, and Annex XIV is not asked for.
    """
    w = two_publishers()
    text = second_life_pack(w)

    told = judged(w, text, condition="second_life")

    assert told["verdict"] in GOOD
    assert check(told, "used_evidence")[0]["outcome"] == "not_applicable"
    assert shape(judged(w, text)) == ("hold", "used_sold_as_new")


def test_an_old_test_that_is_recorded_last_hides_none_that_was_made_since() -> None:
    """
    X20 asks for one of the latest tests: whoever records one of years ago afterwards changes nothing.
    """
    w = two_publishers()
    text = second_life_pack(w)
    before = judged(w, text, condition="second_life")

    measured_on("2020-01-01", w, text, soh_permille=890)

    after = judged(w, text, condition="second_life")
    outcomes = [check(told, "status_change_values")[0]["outcome"] for told in (before, after)]
    assert outcomes == ["pass", "pass"]


@pytest.mark.parametrize(
    ("status", "cycles", "condition", "expected"),
    [
        ("Original", 0, "new", "good"),
        ("original", 10.9, "new", "good"),
        (None, None, "new", "good"),
        ("Original", 11, "new", "used_sold_as_new"),
        ("Reused", 0, "new", "used_sold_as_new"),
        ("Reused", 2000, "used", "used_evidence_missing"),
        ("Waste", 0, "new", "waste"),
        ("Waste", 0, "used", "waste"),
        ("Waste", 0, "waste", "waste_shipment_not_checked"),
    ],
)
def test_what_the_passport_itself_says_of_use(
    status: str | None, cycles: float | None, condition: str, expected: str
) -> None:
    """
    X7: whoever sees set 4 is not told that a battery is new whose own passport says that it is not.
    """
    w = World()
    text, claims = code(1), claims_of(1)
    counted = claims["Performance"]["batteryCondition"]
    claims["GeneralProductInformation"]["batteryStatus"] = status
    counted["numberOfFullCycles"]["numberOfFullCyclesValue"] = cycles
    if status is None:
        del claims["GeneralProductInformation"]["batteryStatus"], counted["numberOfFullCycles"]
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))

    seen = w.evidence(text, points=(1, 2, 3, 4))
    told = w.judge(text, policy_name="importer-eu", evidence=seen, condition=condition).as_dict()

    assert (told["verdict"] in GOOD) == (expected == "good")
    assert expected == "good" or told["reason"] == expected


def claiming(serial: int, status: str, cycles: int) -> dict[str, Any]:
    """Claims that say so of use."""
    claims = claims_of(serial)
    claims["GeneralProductInformation"]["batteryStatus"] = status
    claims["Performance"]["batteryCondition"]["numberOfFullCycles"]["numberOfFullCyclesValue"] = cycles
    return claims


def published_again(w: World, status: str, cycles: int, how: str) -> str:
    """Its first passport says so of use; the second, that it is new."""
    text = code(1)
    w.produce(text)
    first = w.publish(text, w.issue(text, claims=claiming(1, status, cycles)))
    second = w.issue(text, version=2, claims=claiming(1, "Original", 0))
    if how == "superseded":
        w.run(w.attested(text, second, "passport.superseded", references=(first.digest,)))
    elif how == "voided":
        named = Record.read(w.view(text), w.governance).admitted[-1].attestation.digest
        w.happen(
            EU_AUTHORITY,
            "attestation.voided",
            text,
            {"case": "C-1", "reason": "a slip"},
            cosign=[CN_AUTHORITY],
            references=(named,),
        )
        w.publish(text, second)
    else:
        w.happen(MAKER, "passport.revoked", text, {"reason": "typing"}, references=(first.digest,))
        w.publish(text, second)
    return text


@pytest.mark.parametrize("how", ["superseded", "revoked"])
@pytest.mark.parametrize(
    ("status", "cycles", "condition", "expected"),
    [
        ("Original", 0, "new", "good"),
        ("Original", 11, "new", "used_sold_as_new"),
        ("Reused", 0, "new", "used_sold_as_new"),
        ("Reused", 2000, "used", "used_evidence_missing"),
        ("Waste", 0, "used", "waste"),
        ("Waste", 0, "waste", "waste_shipment_not_checked"),
    ],
)
def test_what_an_earlier_passport_said_of_use_counts_on(
    status: str, cycles: int, condition: str, expected: str, how: str
) -> None:
    """
    I1, I6: published again with other words, a battery is not new for whoever may see set 4; nobody else is
    told what stands in it.
    """
    w = World()
    text = published_again(w, status, cycles, how)
    seen = w.evidence(text, points=(1, 2, 3, 4))

    told = w.judge(text, policy_name="importer-eu", evidence=seen, condition=condition).as_dict()
    public = w.judge(text, evidence=seen).as_dict()

    assert (told["verdict"] in GOOD) == (expected == "good")
    assert expected == "good" or told["reason"] == expected
    by_earlier = {c["reason"] for c in told["checks"] if c["evidence"].get("published_by") == MAKER}
    assert by_earlier == {expected} & {"waste", "used_sold_as_new"}
    assert public["verdict"] in GOOD


def test_an_earlier_set_4_that_authorities_voided_says_nothing() -> None:
    """
    A slip goes as any record does, by the word of authorities, before something follows it.
    """
    w = World()
    text = published_again(w, "Reused", 2000, "voided")

    seen = w.evidence(text, points=(1, 2, 3, 4))

    told = w.judge(text, policy_name="importer-eu", evidence=seen, condition="new").as_dict()
    assert told["verdict"] in GOOD


@pytest.mark.parametrize(
    ("condition", "good"), [("new", False), ("return", False), ("waste", True), (None, True)]
)
def test_an_earlier_set_4_that_is_not_had_is_not_passed(condition: str | None, *, good: bool) -> None:
    """
    I6, I8: kept back, or altered, it leaves undecided what rests on it; of waste it says no more.
    """
    w = World()
    text = published_again(w, "Original", 0, "superseded")
    seen = w.evidence(text, points=(1, 2, 3, 4))
    first, shown = digest_document(dict(w.passports[text].credentials[4])), seen.documents[4]
    assert isinstance(shown, Held) and isinstance(seen.earlier[first], Held)
    rest = {digest: held for digest, held in seen.earlier.items() if digest != first}

    withheld = Missing(MissingReason.WITHHELD, MAKER, w.now)
    for earlier in ({**rest, first: withheld}, {**rest, first: shown}, rest):
        without = replace(seen, earlier=earlier)
        told = w.judge(text, policy_name="importer-eu", evidence=without, condition=condition).as_dict()
        reasons = {c["reason"] for c in told["checks"] if c["name"] in ("new_not_used", "standing.state")}
        assert reasons.isdisjoint({"evidence_withheld", "document_unreachable"}) == good
        assert good or told["verdict"] == "undecided"
        assert good != any(c["evidence"].get("published_by") == MAKER for c in told["checks"])


@pytest.mark.parametrize("why", list(MissingReason))
@pytest.mark.parametrize(
    ("condition", "expected"), [("new", False), ("return", False), ("waste", True), (None, True)]
)
def test_what_the_passport_says_of_use_is_not_kept_back_for_a_better_word(
    condition: str | None, why: MissingReason, *, expected: bool
) -> None:
    """
    I6: who may see set 4 and was not given it decides nothing that rests on it; of waste it says no more, and
    the condition is asked for first. Whoever may not see it does not miss it.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    seen = w.evidence(text, points=(1, 2, 3))
    seen = replace(seen, documents={**seen.documents, 4: Missing(why, MAKER, w.now)})

    told = w.judge(text, policy_name="importer-eu", evidence=seen, condition=condition).as_dict()
    public = w.judge(text, evidence=seen, condition=condition).as_dict()

    assert {c["outcome"] for c in public["checks"] if c["name"] == "standing.state"} == {"pass"}
    asked = [c["reason"] for c in told["checks"] if c["name"] in ("new_not_used", "standing.state")]
    reasons = {"evidence_withheld", "document_unreachable", "document_not_found"}
    assert reasons.isdisjoint(asked) == expected
    assert expected or (told["verdict"], told["reason"] in reasons) == ("undecided", True)


@pytest.mark.parametrize(("cycles", "good"), [(1510, True), (1511, False)])
def test_a_second_life_that_counted_on_was_in_use(cycles: int, good: bool) -> None:
    """
    I6: an installation left out, the count between two tests shows its use: it brings its record. What its
    health is does not.
    """
    w = two_publishers()
    text = second_life_pack(w)
    for soh, count in ((900, 1500), (700, cycles)):
        measured(w, text, soh_permille=soh, cycles=count)

    told = judged(w, text, condition="second_life")

    assert (told["verdict"] in GOOD) == good
    assert good or shape(told) == ("hold", "used_evidence_missing")


def test_a_second_life_that_was_in_use_brings_its_record() -> None:
    """
    Installed and taken out in its second life it crosses a border as used, whatever it is called.
    """
    w = two_publishers()
    text = second_life_pack(w)
    for kind in ("battery.installed", "battery.swapped_out"):
        w.happen(WORKSHOP, kind, text, {"vin": VIN}, bound_asset=subject_of(VIN))

    assert shape(judged(w, text, condition="second_life")) == ("hold", "used_evidence_missing")
