"""What an event's document says counts once it was examined: proof, issuer, battery, numbers (I8)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from credentials.documents import suites
from credentials.documents.issuer import status_entries
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.evidence import Held, Missing, MissingReason
from credentials.verdicts.manifest import Line
from credentials.verdicts.readiness import readiness
from tests.credentials.test_journeys import RECORD, used_pack
from tests.credentials.test_shown import GOOD, PRESENTED, check, judged, shape
from tests.harness.border import (
    LAW_DATE,
    LISTS,
    World,
    claims_of,
    code,
    first_second,
    made_on,
    policy,
    stamp,
    world,
)
from tests.harness.ledger import (
    CN_CUSTOMS,
    CREATED,
    CUSTOMS,
    IMPORTER,
    MAKER,
    RIVAL,
    accreditation,
    accreditations,
    signer,
)

Spoil = Callable[[World, str], dict[str, Any]]


def _own(w: World, text: str, **changes: Any) -> dict[str, Any]:
    return w.event_document(IMPORTER, "used.exported", text, RECORD | changes)


def _unsigned(w: World, text: str) -> dict[str, Any]:
    document = copy.deepcopy(_own(w, text))
    del document["proof"]
    return document


def _altered(w: World, text: str) -> dict[str, Any]:
    document = copy.deepcopy(_own(w, text))
    document["credentialSubject"]["members"]["contract_reference"] = "INV-2"
    return document


def _outdated(w: World, text: str) -> dict[str, Any]:
    plain = {name: value for name, value in _own(w, text).items() if name != "proof"}
    members = {"expires": stamp(CREATED + 10)}
    return suites.sign(plain, signer(IMPORTER, "credential"), stamp(CREATED), members=members)


def _signed(w: World, by: str, document: dict[str, Any], **more: Any) -> dict[str, Any]:
    plain = {name: value for name, value in document.items() if name != "proof"} | more
    return suites.sign(plain, signer(by, "credential"), stamp(CREATED))


def _expired(w: World, text: str) -> dict[str, Any]:
    return _signed(w, IMPORTER, _own(w, text), validUntil=stamp(CREATED + 10))


def _not_valid_yet(w: World, text: str) -> dict[str, Any]:
    return _signed(w, IMPORTER, _own(w, text), validFrom=stamp(CREATED + 99 * 86_400))


SPOILED: dict[str, tuple[Spoil, str]] = {
    "expired": (_expired, "expired"),
    "not valid yet": (_not_valid_yet, "not_yet_valid"),
    "without a proof": (_unsigned, "proof_missing"),
    "altered": (_altered, "invalid_signature"),
    "of another party": (
        lambda w, text: w.event_document(RIVAL, "used.exported", text, RECORD),
        "wrong_issuer",
    ),
    "of another battery": (lambda w, text: _own(w, code(2)), "wrong_subject"),
    "of another event": (
        lambda w, text: w.event_document(IMPORTER, "battery.exported", text, RECORD),
        "wrong_kind",
    ),
    "with other numbers": (lambda w, text: _own(w, text, soh_permille=12), "quantities_differ"),
    "whose proof ran out": (_outdated, "expired"),
    "no credential": (lambda w, text: {"credentialSubject": {"members": RECORD}}, "structure_invalid"),
}


@pytest.mark.parametrize("way", SPOILED)
def test_an_annex_xiv_record_is_examined(way: str) -> None:
    """
    A record whose document is unsigned, of another party, battery or event, or with other numbers is none.
    """
    w, (spoil, reason) = World(), SPOILED[way]
    text = used_pack(w)

    w.attest_document(IMPORTER, "used.exported", text, spoil(w, text), quantities={"soh_permille": 900})

    told = judged(w, text, condition="used")
    assert told["verdict"] == "hold"
    assert [(c["outcome"], c["reason"]) for c in check(told, "used_evidence")] == [("fail", reason)]
    lines = [(Line.parse({"battery": text}), w.evidence(text, points=(1, 2, 3, 4)))]
    rows = readiness(lines, policy("importer-eu"), LAW_DATE, w.now)["rows"]
    assert next(r for r in rows if r["id"] == "EXP-02")["evidence"] == {}


def test_a_sound_record_passes_and_a_held_one_of_other_bytes_does_not() -> None:
    """
    The document that is held has the digest that is attested.
    """
    w = World()
    text = used_pack(w)
    w.attest_document(IMPORTER, "used.exported", text, _own(w, text), quantities={"soh_permille": 900})
    sound = w.evidence(text)
    (digest,) = [k for k, held in sound.events.items() if "used.exported" in str(held)]
    other = {**sound.events, digest: Held(_own(w, text))}

    assert check(judged(w, text, condition="used"), "used_evidence")[0]["outcome"] == "pass"
    swapped = judged(w, text, condition="used", evidence=replace(sound, events=other))
    assert check(swapped, "used_evidence")[0]["reason"] == "wrong_payload"


def test_a_document_of_an_event_that_its_author_withdrew_is_none() -> None:
    """
    I8: its status is looked at as a passport's is: raised it is no document; not in hand, it is not checked.
    """
    w, index = World(), 77
    text = code(1)
    said = w.event_document(
        MAKER, "battery.produced", text, {"production_date": "2026-06-03", "category": "ev"}
    )
    document = _signed(w, MAKER, said, credentialStatus=status_entries(LISTS, index))
    w.attest_document(MAKER, "battery.produced", text, document, produced_on=made_on())
    w.publish(text)

    def category(**changes: Any) -> tuple[str, str]:
        told = judged(w, text, evidence=w.evidence(text, network=w.network(**changes)))
        (found,) = check(told, "category")
        return found["outcome"], found["reason"]

    assert category()[0] == "pass"
    assert category(status_lists={}) == ("indeterminate", "status_unavailable")
    w.raised["revocation"].add(index)
    w.publish_lists()
    assert category() == ("fail", "revoked")


def test_a_document_of_an_event_by_a_schema_that_is_not_here_is_not_checked() -> None:
    """
    I8: what it says may mean something else there. An annex that is not in hand is said and spoils nothing.
    """
    w = World()
    named = {"id": "https://schemas.example/annex-xiv.json", "type": "JsonSchema"}
    annex = {"id": "https://importer.example/test.pdf", "digestSRI": "sha256-" + "A" * 43 + "="}

    def evidence(**more: Any) -> tuple[str, str]:
        text = code(w.issued + 1)
        w.produce(text)
        w.publish(text)
        w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(IMPORTER,))
        document = _signed(w, IMPORTER, _own(w, text), **more)
        w.attest_document(IMPORTER, "used.exported", text, document, quantities={"soh_permille": 900})
        (found,) = check(judged(w, text, condition="used"), "used_evidence")
        return found["outcome"], found["reason"]

    assert evidence(credentialSchema=named) == ("indeterminate", "schema_unavailable")
    assert evidence(relatedResource=[annex]) == ("pass", "ok")


def test_the_day_of_production_on_the_ledger_is_that_of_its_document() -> None:
    """
    A recall by days goes by the ledger's: a day that the document does not name is no true statement.
    """
    w = World()
    text, other = code(1), code(2)
    said = {"production_date": "2026-06-03", "category": "ev"}
    for battery, day in ((text, made_on()), (other, made_on() + 86_400)):
        w.happen(MAKER, "battery.produced", battery, said, produced_on=day)
        w.publish(battery)

    assert [c["outcome"] for c in check(judged(w, text), "category")] == ["pass"]
    assert [(c["outcome"], c["reason"]) for c in check(judged(w, other), "category")] == [
        ("fail", "quantities_differ")
    ]


def test_who_withholds_a_record_is_named() -> None:
    """
    The exporter withholds its record: that is said of the exporter, not of the passport's publisher.
    """
    w = World()
    text = used_pack(w)
    w.attest_document(IMPORTER, "used.exported", text, _own(w, text), quantities={"soh_permille": 900})
    nobody = Missing(MissingReason.WITHHELD, IMPORTER)
    evidence = w.evidence(text, events=dict.fromkeys(w.documents, nobody))

    (found,) = check(judged(w, text, condition="used", evidence=evidence), "used_evidence")

    assert (found["outcome"], found["reason"]) == ("indeterminate", "evidence_withheld")
    assert found["evidence"]["by"] == IMPORTER


def test_without_a_genesis_a_record_is_undecided() -> None:
    """
    What the node lacks says nothing against the record.
    """
    w = World()
    text = used_pack(w)
    w.attest_document(IMPORTER, "used.exported", text, _own(w, text), quantities={"soh_permille": 900})
    evidence = w.evidence(text, network=w.network(governance=None))

    (found,) = check(judged(w, text, condition="used", evidence=evidence), "used_evidence")

    assert (found["outcome"], found["reason"]) == ("indeterminate", "genesis_unavailable")


# -- production and presentation -----------------------------------------------------------------------


def produced(w: World, document: dict[str, Any], **claims: Any) -> str:
    text = code(1)
    day = document["credentialSubject"]["members"].get("production_date", "2026-06-03")
    w.attest_document(MAKER, "battery.produced", text, document, produced_on=first_second(day))
    w.publish(text, w.issue(text, claims=claims_of(1, **claims)))
    return text


def test_a_withheld_production_document_is_no_category() -> None:
    """
    Category required: withholding the document of the production does not make a mismatch clear.
    """
    w = World()
    said = {"production_date": "2026-06-03", "category": "ev"}
    text = produced(w, w.event_document(MAKER, "battery.produced", code(1), said), category="lmt")
    nobody = Missing(MissingReason.WITHHELD, MAKER)

    shown = judged(w, text)
    hidden = judged(w, text, evidence=w.evidence(text, events=dict.fromkeys(w.documents, nobody)))

    assert shape(shown) == ("hold", "category_mismatch")
    assert check(shown, "category")[0]["rule"] == "X16"
    assert shape(hidden) == ("undecided", "evidence_withheld")


def test_the_production_document_is_of_this_battery() -> None:
    """
    The document of another battery's production answers for nothing.
    """
    w = World()
    said = {"production_date": "2026-06-03", "category": "ev"}

    text = produced(w, w.event_document(MAKER, "battery.produced", code(2), said))

    assert shape(judged(w, text)) == ("hold", "wrong_subject")


@pytest.mark.parametrize(("day", "good"), [("2026-06-03", True), ("2016-01-01", False)])
def test_the_day_of_production_is_that_of_code_and_passport(day: str, good: bool) -> None:
    """
    X16: a record of production of another day than the passport's is a mismatch.
    """
    w = World()
    said = {"production_date": day, "category": "ev"}

    text = produced(w, w.event_document(MAKER, "battery.produced", code(1), said))

    told = judged(w, text)
    assert (told["verdict"] in GOOD) == good
    assert (shape(told) == ("hold", "code_mismatch")) != good
    differing = {"name": "production_date", "code": day, "passport": "2026-06-03"}
    assert check(told, "code_matches_passport")[0]["evidence"].get("differing") == (
        None if good else [differing]
    )


@pytest.mark.parametrize(
    ("grams", "good"),
    [(452_500, True), (430_953, True), (430_952, False), (476_315, True), (476_316, False), (100_000, False)],
)
def test_the_mass_that_its_maker_recorded_is_the_passports(grams: int, good: bool) -> None:
    """
    X16: the mass on the ledger is the passport's, within the tolerance of the policy (5 % of the recorded).
    """
    w, text = World(), code(1)
    said = {"production_date": "2026-06-03", "category": "ev", "mass_grams": grams}
    w.happen(MAKER, "battery.produced", text, said, quantities={"mass_grams": grams})
    w.publish(text)
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)

    told = judged(w, text)

    assert (told["verdict"] in GOOD) == good
    assert (shape(told) == ("hold", "code_mismatch")) != good
    differing = {"name": "mass_grams", "code": str(grams), "passport": "452500"}
    assert check(told, "code_matches_passport")[0]["evidence"].get("differing") == (
        None if good else [differing]
    )


@pytest.mark.parametrize(
    ("kg", "outcome"), [(420, "pass"), (420.001, "fail"), (380, "pass"), (379.999, "fail")]
)
def test_a_mass_at_the_very_bound_of_the_tolerance_is_within_it(kg: float, outcome: str) -> None:
    """
    X16: 5 % of 400 kg that its maker recorded are 20 kg, and not a gram more.
    """
    w, text = World(), code(1)
    said = {"production_date": "2026-06-03", "category": "ev", "mass_grams": 400_000}
    w.happen(MAKER, "battery.produced", text, said, quantities={"mass_grams": 400_000})
    claims = claims_of(1)
    claims["GeneralProductInformation"]["batteryMass"] = kg
    w.publish(text, w.issue(text, claims=claims))

    assert check(judged(w, text), "code_matches_passport")[0]["outcome"] == outcome


@pytest.mark.parametrize(
    ("line", "head", "outcome", "reason"),
    [
        ({}, {}, "pass", "ok"),
        ({"registration_id": "REG-1"}, {}, "pass", "ok"),
        ({"registration_id": " reg-1"}, {"consignee_eori": "DE1"}, "pass", "ok"),
        ({"registration_id": "REG-9"}, {}, "fail", "presentation_differs"),
        ({"commodity_code": "850760"}, {}, "pass", "ok"),
        ({"commodity_code": "85076090"}, {}, "fail", "presentation_differs"),
        ({}, {"consignee_eori": "FR999"}, "warn", "declarant_differs"),
        ({"registration_id": "REG-9"}, {"consignee_eori": "FR999"}, "fail", "presentation_differs"),
    ],
)
def test_the_line_says_what_the_declaration_on_record_says(
    line: dict[str, Any], head: dict[str, Any], outcome: str, reason: str
) -> None:
    """
    X12, X17: registration id and commodity code are compared; another EORI may declare for the consignee.
    """
    w = World()
    text = w.new(1)

    told = judged(w, text, head={"declaration": PRESENTED["declaration_number"], **head}, **line)

    assert [(c["outcome"], c["reason"]) for c in check(told, "standing.presentation")] == [(outcome, reason)]
    assert (told["verdict"] in GOOD) == (outcome != "fail")


@pytest.mark.parametrize(
    ("recorded", "outcome"),
    [(1, "fail"), (["REG-1"], "fail"), ({}, "fail"), (None, "pass"), ("REG-1", "pass")],
)
def test_a_declaration_on_record_in_another_type_agrees_with_none(recorded: object, outcome: str) -> None:
    """
    I8: the ledger does not see the document; what cannot be compared is no agreement, what is left out is.
    """
    w = World()
    text = w.new(1, registration_id=recorded)

    told = judged(w, text, registration_id="REG-1")

    assert check(told, "standing.presentation")[0]["outcome"] == outcome


def test_an_unsigned_presentation_is_not_this_declaration() -> None:
    """
    A presentation whose document is nobody's cannot be compared: undecided.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))

    w.attest_document(
        IMPORTER, "battery.presented", text, {"credentialSubject": {"event": "x", "members": PRESENTED}}
    )

    assert judged(w, text)["verdict"] == "undecided"


# -- before another side's customs ---------------------------------------------------------------------


def presented_in_china(w: World) -> str:
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(CN_CUSTOMS,))
    w.happen(CN_CUSTOMS, "battery.presented", text, PRESENTED)
    return text


def scanned(w: World, text: str, direction: str = "import") -> tuple[str, str]:
    line = Line(1, text, condition="new")
    told = clear_item(line, w.evidence(text), policy(), LAW_DATE, w.now, direction=direction)
    return shape(told.as_dict())


def test_a_scan_sees_a_declaration_before_another_sides_customs() -> None:
    """
    X12: without a manifest as with one, goods under the other side's customs are not shown here for import.
    """
    w = World()
    text = presented_in_china(w)
    here = World()

    assert scanned(w, text) == ("hold", "second_presentation") == shape(judged(w, text))
    assert scanned(here, here.new(1))[0] in GOOD


def test_a_closed_declaration_of_another_side_is_not_this_one() -> None:
    """
    Released over there under the very number of this declaration, it was not presented here.
    """
    w, here = World(), World()
    text, other = presented_in_china(w), here.new(1)
    w.happen(CN_CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    here.happen(CUSTOMS, "customs.released", other, {"basis": "registry_check"})

    assert shape(judged(w, text)) == ("hold", "second_presentation")
    assert shape(judged(here, other)) == ("undecided", "declaration_closed")


def test_a_declaration_was_closed_where_it_was_open_whoevers_office_closed_it() -> None:
    """
    An office that is licensed on two sides releases for the side of the declaration, not for its own.
    """

    def licensed(office: str, side: str) -> World:
        return world(accreditations=[*accreditations(), accreditation(office, jurisdiction=side)])

    here, there = licensed(CN_CUSTOMS, "EU"), licensed(CUSTOMS, "CN")
    text, other = here.new(1), presented_in_china(there)
    here.happen(CN_CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    there.happen(CUSTOMS, "customs.released", other, {"basis": "registry_check"})

    assert shape(judged(here, text)) == ("undecided", "declaration_closed")
    assert shape(judged(there, other)) == ("hold", "second_presentation")


def test_an_importer_is_asked_for_what_customs_asks() -> None:
    """
    Under the importer's policy a used pack is not clear as a return, nor with a record that is withheld.
    """
    w = World()
    text = used_pack(w)
    returned = judged(w, text, condition="return", policy_name="importer-eu")
    w.attest_document(IMPORTER, "used.exported", text, _own(w, text), quantities={"soh_permille": 900})
    nobody = Missing(MissingReason.WITHHELD, IMPORTER)
    (digest,) = [k for k, d in w.documents.items() if "used.exported" in str(d)]
    whole = w.evidence(text, points=(1, 2, 3, 4))
    hidden = replace(whole, events={**whole.events, digest: nobody})

    withheld = judged(w, text, condition="used", policy_name="importer-eu", evidence=hidden)
    shown = judged(w, text, condition="used", policy_name="importer-eu", evidence=whole)

    assert shape(returned) == ("undecided", "return_not_checked")
    assert shape(withheld) == ("undecided", "evidence_withheld")
    assert shown["verdict"] in GOOD
