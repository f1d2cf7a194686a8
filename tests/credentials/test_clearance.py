"""One verdict per manifest line: the required outcomes, on really signed documents and the real registry."""

from __future__ import annotations

import copy
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    Checkpoint,
    NoteKey,
    SignedNote,
    cosign_line,
    sign_log_line,
)
from consensus.log_policy import LogPolicy, make_policy
from consensus.merkle import Tree, leaf_hash
from consensus.receipt import make_receipt
from credentials.documents.issuer import status_entries
from credentials.documents.suites import eddsa
from credentials.errors import CredentialError
from credentials.ledger.recognition import Effect, Recognition
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.evidence import (
    At,
    Evidence,
    LedgerView,
    Missing,
    MissingReason,
    StatusSource,
    Tables,
    identifiers_in_play,
)
from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from credentials.verdicts.shown_as import ShownAs
from credentials.verdicts.verifier import verify
from tests.harness.border import (
    CONFIG,
    DECLARATION,
    LAW_DATE,
    LISTS,
    World,
    claims_of,
    code,
    first_second,
    identifier_of,
    line_of,
    policy,
    subject_of,
    tables,
    used_pack,
    words,
    world,
)
from tests.harness.ledger import CN_AUTHORITY, CREATED, IMPORTER, MAKER, WORKSHOP, signer

GOOD = ("clear", "clear_with_gaps")


def shape(verdict: Mapping[str, Any]) -> tuple[Any, ...]:
    return verdict["verdict"], verdict["reason"], verdict["ground"]


def check(verdict: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [c for c in verdict["checks"] if c["name"] == name]


def rules_failed(verdict: Mapping[str, Any]) -> set[str | None]:
    return {c.get("rule") for c in verdict["checks"] if c["outcome"] == "fail"}


def test_a_clean_battery_is_clear_and_names_its_sources() -> None:
    """
    A published, presented battery is clear, with both dates, height, sources and the withheld sets named.
    """
    w = World()
    text = w.new(1)

    told = w.judge(text).as_dict()

    assert shape(told) == ("clear", "ok", None)
    assert (told["law_date"], told["evaluated_at"]) == (LAW_DATE, w.now)
    assert told["height"] == w.ledger.height
    named = {s["name"] for s in words().item(told)["sources"]}
    assert named >= {"ledger", "passport set 1", "status list (revocation)"}
    assert {item["point"] for item in told["withheld"]} == {2, 3, 4}
    assert not {gap["point"] for gap in told["gaps"]} & {2, 3, 4}
    assert [step["kind"] for step in told["timeline"]][:2] == ["battery.produced", "passport.published"]
    assert not any(word in str(told).lower() for word in ("'compliant", "non-compliant"))


def test_a_missing_data_point_is_a_gap_not_a_failure() -> None:
    """
    A data point required at the law date and not in the passport makes clear_with_gaps and is listed.
    """
    w = World()
    text = code(1)
    claims = claims_of(1)
    del claims["Circularity"]["renewableContent"]
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))

    told = w.judge(text).as_dict()

    assert shape(told) == ("clear_with_gaps", "gaps", None)
    assert [gap["dp"] for gap in told["gaps"]] == [24]


def test_before_the_law_applies_nothing_is_a_gap() -> None:
    """
    The same passport at a law date before 18 Feb 2027 has no gaps: the dates are two parameters.
    """
    w = World()
    text = code(1)
    claims = claims_of(1)
    del claims["Circularity"]["renewableContent"]
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))

    assert w.judge(text, law_date="2027-02-17").as_dict()["verdict"] == "clear"


@pytest.mark.parametrize(
    ("law_date", "expected", "outcome"),
    [
        ("2027-01-15", ("clear", "ok", None), "pass"),
        ("2027-01-14", ("clear", "ok", None), "pass"),
        ("2027-03-01", ("clear", "ok", None), "warn"),
        ("2027-01-13", ("undecided", "law_date_past", None), "indeterminate"),
        ("2020-01-01", ("undecided", "law_date_past", None), "indeterminate"),
        ("0001-01-01", ("undecided", "law_date_past", None), "indeterminate"),
    ],
)
def test_the_declarant_does_not_choose_the_law(
    law_date: str, expected: tuple[Any, ...], outcome: str
) -> None:
    """
    A law date before the day of judging (in any time zone) is never clear; a later one is said.
    """
    w = World()
    text = w.new(1)

    told = w.judge(text, law_date=law_date, at=1_800_000_900).as_dict()
    importer = w.judge(
        text, law_date=law_date, policy_name="importer-eu", evidence=w.evidence(text)
    ).as_dict()

    assert shape(told) == expected
    assert check(told, "law_date")[0]["outcome"] == check(importer, "law_date")[0]["outcome"] == outcome
    # What the page prints beside "judged" is the same day, UTC.
    assert check(told, "law_date")[0]["evidence"].get("day_of_judging", "2027-01-15") == "2027-01-15"
    assert importer["verdict"] in GOOD


def test_an_altered_value_holds() -> None:
    """
    A value altered in the presented set 1 is held under 26(a) as an invalid signature.
    """
    w = World()
    text = w.new(1)
    altered = copy.deepcopy(dict(w.passports[text].credentials[1]))
    altered["credentialSubject"]["GeneralProductInformation"]["batteryMass"] = 451.0

    told = w.judge(text, shown=[altered]).as_dict()

    assert shape(told) == ("hold", "invalid_signature", "26(a)")


@pytest.mark.parametrize(
    ("ledger", "listed"), [(True, True), (True, False), (False, True)], ids=["both", "ledger", "list"]
)
def test_a_revoked_passport_is_refused_and_a_difference_warns(ledger: bool, listed: bool) -> None:
    """
    Revoked on the ledger or on the status list: refusal is recommended; if the two differ, a check warns.
    """
    w = World()
    text = w.new(1)
    w.revoke(text, ledger=ledger, listed=listed)

    told = w.judge(text).as_dict()

    assert shape(told) == ("refuse_recommended", "revoked", "26(a)")
    assert any(c["reason"] == "status_differs" for c in told["checks"]) == (ledger != listed)


def test_a_loose_battery_declared_as_a_car_holds() -> None:
    """
    X17: a battery declared under 8703 that is no battery in a vehicle is held for its commodity code.
    """
    w = World()
    text = w.new(1, commodity_code="8703801000")

    told = w.judge(text, commodity_code="8703801000").as_dict()

    assert shape(told) == ("hold", "commodity_code", "26(a)")
    assert rules_failed(told) == {"X17"}


VIN, OTHER_VIN = "ZZ9DEM0E0T0000039", "ZZ9DEM0E3T0000041"
IN_VEHICLE: dict[str, Any] = {"goods": "in_vehicle", "commodity_code": "8703801000"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"goods": "in_vehicle", "commodity_code": "8703801000", "vin": VIN}, "vin_not_recorded"),
        ({"goods": "in_vehicle", "commodity_code": "8703801000"}, "vin_missing"),
        ({"goods": "in_vehicle", "commodity_code": "8703801000", "vin": "ZZ9DEM0E0T00000I9"}, "vin_invalid"),
        (
            {"goods": "in_vehicle", "commodity_code": "8507600000", "vin": "ZZ9DEM0E0T0000039"},
            "commodity_code",
        ),
        ({"goods": "in_other", "commodity_code": "8504409500"}, "ok"),
        *(
            ({"goods": "in_other", "commodity_code": other}, "commodity_code")
            for other in ("8507600000", "85078000", "85071020", "850650", "85491110", "854810")
        ),
        ({"goods": "ship"}, "goods_unknown"),
        ({"goods": None}, "goods_not_given"),
        ({"commodity_code": "85076"}, "commodity_code_invalid"),
        ({"commodity_code": "8507\u066060"}, "commodity_code_invalid"),
        ({"commodity_code": "８５０７６０"}, "ok"),
        ({"commodity_code": "8507\u00a060\u00a000\u202f00"}, "ok"),
        ({"goods": "in_vehicle", "commodity_code": "8703801000", "vin": f"{VIN}\u00a0"}, "vin_not_recorded"),
        (
            {"goods": "in_vehicle", "commodity_code": "8703801000", "vin": f"i{VIN.lower()}"},
            "vin_not_recorded",
        ),
        ({"mass_kg": 460}, "ok"),
        ({"mass_kg": 600}, "mass_mismatch"),
    ],
)
def test_what_the_goods_are(changes: dict[str, Any], reason: str) -> None:
    """
    X17: code, vehicle number and mass must fit what the line says the goods are.
    """
    w = World()
    text = w.new(1, commodity_code=changes.get("commodity_code", "8507600000"))

    told = w.judge(text, **changes).as_dict()

    assert told["reason"] == reason
    assert (told["verdict"] == "clear") == (reason == "ok")


def receipts_of(w: World) -> tuple[str, dict[int, str]]:
    """A log policy, and the receipt of every leaf of the world's ledger under it."""
    names = [MAKER, IMPORTER, WORKSHOP, CN_AUTHORITY]
    text = make_policy(
        "log.example",
        [NoteKey("log.example", LOG_KIND, signer(name, "log").public_key) for name in names],
        [(name, NoteKey(name, COSIGNATURE_KIND, signer(name, "cosign").public_key)) for name in names],
        3,
        {MAKER: "CN", IMPORTER: "EU"},
    )
    tree = Tree(leaf_hash(leaf.entry) for leaf in w.leaves)
    seal = Checkpoint("log.example", tree.size, tree.root())
    lines = [sign_log_line(seal, "log.example", signer(name, "log")) for name in names]
    lines += [cosign_line(seal, name, w.now, signer(name, "cosign")) for name in names]
    note = SignedNote(seal.body(), tuple(lines))
    policy = LogPolicy.parse(text)
    return text, {
        index: make_receipt(leaf.entry, None, index, tree, note, policy=policy).text()
        for index, leaf in enumerate(w.leaves)
    }


def test_a_receipt_of_something_else_is_doubt() -> None:
    """
    A receipt of another battery, of a refusal or of another log holds the line; one of this battery's further
    records is a note, its passport's passes.
    """
    w = World()
    text, other = w.new(1), w.new(2)
    w.run(w.attested(text, w.issue(text)))
    log_policy, receipts = receipts_of(w)
    steps = {step["kind"]: step["leaf_index"] for step in w.judge(text).as_dict()["timeline"][:-1]}
    refused = w.judge(text).as_dict()["timeline"][-1]["leaf_index"]
    stranger = w.judge(other).as_dict()["timeline"][1]["leaf_index"]

    def told(receipt: str, policy_text: str | None = log_policy) -> tuple[str, str, str, str]:
        evidence = replace(w.evidence(text, network=w.network(log_policy=policy_text)), receipts=(receipt,))
        verdict = w.judge(text, evidence=evidence).as_dict()
        found = check(verdict, "receipt")[0]
        return verdict["verdict"], verdict["reason"], found["outcome"], found["reason"]

    assert told(receipts[steps["passport.published"]]) == ("clear", "ok", "pass", "ok")
    assert told(receipts[steps["battery.exported"]]) == ("clear", "ok", "warn", "receipt_of_other_record")
    for doubtful in (receipts[stranger], receipts[refused]):
        assert told(doubtful) == ("hold", "receipt_other", "fail", "receipt_other")
    assert told(receipts[stranger].replace("log.example", "log2.example"))[1:3] == ("receipt_invalid", "fail")
    assert told("rubbish")[:2] == ("hold", "receipt_invalid")
    held = replace(
        w.evidence(text, network=w.network(log_policy=log_policy)),
        receipts=(receipts[steps["passport.published"]],),
    )
    signed = check(w.judge(text, evidence=held).as_dict(), "receipt")[0]["evidence"]
    assert signed["jurisdictions"] == ["CN", "EU"] and len(signed["cosigned_by"]) == 3
    evidence = replace(w.evidence(text, network=w.network(log_policy=log_policy)), receipts=("rubbish",))
    assert check(w.judge(text, evidence=evidence).as_dict(), "receipt")[0]["evidence"]["detail"] == (
        "a receipt begins with c2sp.org/tlog-proof@v1 and ends with a checkpoint"
    )
    assert told(receipts[refused], "no policy")[2] == "not_checked"


def test_a_receipt_is_held_against_the_passport_whatever_is_shown_first() -> None:
    """
    Beside another document of the battery the passport is the one that its receipt is for.
    """
    w = World()
    text = w.new(1)
    log_policy, receipts = receipts_of(w)
    steps = {step["kind"]: step["leaf_index"] for step in w.judge(text).as_dict()["timeline"]}
    event = next(d for d in w.documents.values() if d["credentialSubject"].get("event") == "battery.exported")
    shown = [event, dict(w.passports[text].credentials[1])]
    held = w.evidence(text, shown=shown, network=w.network(log_policy=log_policy))
    evidence = replace(held, receipts=(receipts[steps["passport.published"]],))

    told = w.judge(text, shown=shown, evidence=evidence).as_dict()

    assert [(c["outcome"], c["reason"]) for c in check(told, "receipt")] == [("pass", "ok")]


def test_a_receipt_beside_a_document_alone_is_compared_with_its_battery() -> None:
    """
    A document shown without a line has its receipts held against the battery it names: another's fails.
    """
    w = World()
    text, other = w.new(1), w.new(2)
    log_policy, receipts = receipts_of(w)
    steps = {step["kind"]: step["leaf_index"] for step in w.judge(text).as_dict()["timeline"]}
    stranger = w.judge(other).as_dict()["timeline"][0]["leaf_index"]
    document = dict(w.passports[text].credentials[1])

    def told(index: int, **changes: Any) -> tuple[str, str]:
        held = w.evidence(text, shown=[document], documents={}, network=w.network(log_policy=log_policy))
        evidence = replace(held, receipts=(receipts[index],), **changes)
        verdict = verify(document, evidence, policy("manufacturer"), At(LAW_DATE, w.now)).as_dict()
        found = check(verdict, "receipt")[0]
        return found["outcome"], found["reason"]

    assert told(stranger) == ("fail", "receipt_other")
    assert told(stranger, subjects={}) == ("not_checked", "not_held")
    assert told(steps["passport.published"]) == ("pass", "ok")
    assert told(steps["battery.exported"]) == ("warn", "receipt_of_other_record")


def test_blanks_around_a_code_are_no_part_of_it() -> None:
    """
    A line's code and what the node looks up for it are the same text, without blanks around it.
    """
    row = {"battery": f"\t{code(1)} "}

    assert identifiers_in_play(row) == (Line.parse(row).battery,) == (code(1),)
    with pytest.raises(CredentialError):
        Line.parse({"battery": "  "})


def test_a_clear_line_says_how_much_was_not_checked() -> None:
    """
    What is printed as the main reason says that required checks passed, and how many others were not made.
    """
    w = World()
    text = w.new(1)

    told, by_scan = (
        w.judge(text).as_dict(),
        clear_item(Line(1, text, condition="new"), w.evidence(text), policy(), LAW_DATE, w.now),
    )

    for verdict in (told, by_scan.as_dict()):
        unmade = {c["name"] for c in verdict["checks"] if c["outcome"] in ("not_checked", "indeterminate")}
        assert unmade
        assert verdict["unmade"] == len(unmade)
        told_in = words().item(verdict)
        assert told_in["text"] == f"Required checks passed; {len(unmade)} not checked."


def test_a_source_without_an_age_says_so() -> None:
    """
    Genesis and the recognitions in it have no age; every other held source has one.
    """
    w = World()
    text = w.new(1)

    for source in words().item(w.judge(text).as_dict())["sources"]:
        assert (
            (source["age_s"] is None)
            == (source["age_note"] is not None)
            == (source["name"] in ("genesis", "recognitions"))
        )


def test_a_refused_document_was_attested() -> None:
    """
    A document that its maker attested and a record refused is not said to be attested by nobody.
    """
    w = World()
    text = w.new(1)
    document = refused_second(w, text)

    told = w.judge(text, shown=[document]).as_dict()

    entry = check(told, "admitted.entry")[0]
    assert (entry["outcome"], entry["reason"], entry["rule"]) == ("fail", "refused_by_ledger", "X1")
    assert entry["evidence"]["leaf_index"] == told["timeline"][-1]["leaf_index"]
    assert "not_admitted" not in {c["reason"] for c in told["checks"]}
    assert shape(told) == ("refuse_recommended", "duplicate_identity", "26(a)")


def test_parts_that_nobody_compared_are_not_green() -> None:
    """
    X7: what the ledger tells of the battery itself passes; its parts are a check of their own, not made.
    """
    w = World()
    told = w.judge(w.new(1)).as_dict()
    used = w.judge(used_pack(w, 2), policy_name="authority-eu", condition="used").as_dict()

    assert [(c["outcome"], c["evidence"]) for c in check(told, "new_not_used")] == [("pass", {})]
    assert [(c["outcome"], c["reason"]) for c in check(told, "parts_not_used")] == [
        ("not_checked", "parts_not_compared")
    ]
    assert [c["outcome"] for c in check(used, "parts_not_used")] == ["not_applicable"]
    assert told["verdict"] == "clear"


@pytest.mark.parametrize(
    ("bound", "declared", "expected", "vin_check"),
    [
        (VIN, VIN, ("clear", "ok"), ("pass", "ok")),
        (OTHER_VIN, VIN, ("hold", "vin_other"), ("fail", "vin_other")),
        (None, VIN, ("undecided", "vin_not_recorded"), ("not_checked", "vin_not_recorded")),
    ],
)
def test_a_vehicle_number_is_compared_with_the_ledger(
    bound: str | None, declared: str, expected: tuple[str, str], vin_check: tuple[str, str]
) -> None:
    """
    X17: a well-formed VIN is green only when the ledger says that the battery is in that vehicle.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    if bound:
        w.happen(MAKER, "battery.installed", text, {"vin": bound}, bound_asset=subject_of(bound))

    told = w.judge(text, vin=declared, **IN_VEHICLE).as_dict()
    unread = w.judge(text, vin=declared, evidence=w.evidence(text), **IN_VEHICLE).as_dict()

    assert (told["verdict"], told["reason"]) == expected
    assert [(c["outcome"], c["reason"]) for c in check(told, "vin")] == [vin_check]
    assert check(told, "vin")[0]["rule"] == "X17"
    assert check(unread, "vin")[0]["outcome"] == "not_checked"
    assert check(w.judge(text).as_dict(), "vin")[0]["outcome"] == "not_applicable"


def test_one_vehicle_on_two_lines_is_said() -> None:
    """
    X17: a VIN that stands on two lines is a note on both; a vehicle may carry two packs.
    """
    w = World()
    text, other = code(1), code(2)
    for pack in (text, other):
        w.produce(pack)
        w.publish(pack)
        w.happen(MAKER, "battery.installed", pack, {"vin": VIN}, bound_asset=subject_of(VIN))
    row = line_of(2, other, vin=VIN.lower(), **IN_VEHICLE)

    told = w.judge(text, vin=VIN, others=[row], **IN_VEHICLE).as_dict()

    warned = [c for c in check(told, "vin") if c["outcome"] == "warn"]
    assert [(c["reason"], c["evidence"]["other_lines"]) for c in warned] == [("vin_repeated", [2])]
    assert told["verdict"] in GOOD


def test_a_second_passport_is_refused_and_the_first_stays_clear() -> None:
    """
    X1: the ledger refuses the second passport; shown it is a duplicate, the honest line only gets a warning.
    """
    w = World()
    text = w.new(1)
    second = w.issue(text)
    w.run(w.attested(text, second))
    row = line_of(2, text, documents=[dict(second.credentials[1])])

    honest = w.judge(text, others=[row]).as_dict()
    copied = w.judge(text, shown=[second.credentials[1]], others=[line_of(1, text, before=True)]).as_dict()
    alone = w.judge(text, shown=[second.credentials[1]]).as_dict()

    assert honest["verdict"] in GOOD
    assert {c["reason"] for c in honest["checks"] if c["outcome"] == "warn"} >= {
        "duplicate_claimed",
        "repeated_on_manifest",
    }
    for told in (copied, alone):
        assert shape(told) == ("refuse_recommended", "duplicate_identity", "26(a)")
        assert "X1" in rules_failed(told)


def test_the_honest_line_stays_clear_wherever_it_stands() -> None:
    """
    The ledger, not the order of the lines, says which of two passports is the honest one.
    """
    w = World()
    text = w.new(1)
    second = w.issue(text)
    w.run(w.attested(text, second))
    fraud_first = line_of(1, text, documents=[dict(second.credentials[1])], before=True)

    told = w.judge(text, shown=[w.passports[text].credentials[1]], others=[fraud_first]).as_dict()

    assert told["verdict"] in GOOD


def test_the_same_battery_twice_on_a_manifest_holds_the_later_line() -> None:
    """
    X17: without another passport the later line of one battery is held as a duplicate, the first warned.
    """
    w = World()
    text = w.new(1)

    later = w.judge(text, others=[line_of(1, text, before=True)]).as_dict()
    first = w.judge(text, others=[line_of(2, text)]).as_dict()

    assert shape(later) == ("hold", "duplicate_line", "26(a)")
    assert first["verdict"] in GOOD
    assert check(first, "manifest")[0]["outcome"] == "warn"
    assert check(first, "manifest")[0]["evidence"] == {"other_lines": [2]}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("other", "good"), [("REG-1", False), (" reg-1", False), ("REG-2", True), ("", True), (None, True)]
)
def test_one_registration_brings_in_one_battery(other: str | None, good: bool, before: bool) -> None:
    """
    X17: another battery of the manifest with the registration of this line holds it, whichever stands first.
    """
    w = World()
    text, beside = w.new(1), w.new(2)
    row = line_of(2, beside, registration_id=other, before=before)

    told = w.judge(text, registration_id="REG-1", others=[row]).as_dict()

    if good:
        assert told["verdict"] in GOOD
    else:
        assert shape(told) == ("hold", "registration_repeated", "26(a)")
        assert check(told, "manifest")[0]["evidence"] == {"other_lines": [1 if before else 2]}


def test_no_registration_is_none_of_anothers() -> None:
    """
    X17: lines that give no registration, or are of one battery, share none.
    """
    w = World()
    text = w.new(1)

    without = w.judge(text, others=[line_of(2, code(2)), line_of(3, code(3), registration_id=" ")]).as_dict()
    same = w.judge(text, registration_id="REG-1", others=[line_of(2, text, registration_id="REG-1")])

    assert without["verdict"] in GOOD
    assert same.as_dict()["verdict"] in GOOD
    assert check(same.as_dict(), "manifest")[0]["reason"] == "repeated_on_manifest"


def test_a_battery_on_every_line_tells_each_line_of_eight_others() -> None:
    """
    What a line says does not grow with the manifest: the first eight others, and how many there are.
    """
    w = World()
    text = w.new(1)

    eight = w.judge(text, others=[line_of(n, text) for n in range(2, 10)]).as_dict()
    nine = w.judge(text, others=[line_of(n, text) for n in range(2, 11)]).as_dict()

    assert check(eight, "manifest")[0]["evidence"] == {"other_lines": list(range(2, 10))}
    assert check(nine, "manifest")[0]["evidence"] == {
        "other_lines": list(range(2, 10)),
        "other_lines_total": 9,
    }


@pytest.mark.parametrize("attested", [True, False])
def test_a_later_line_with_another_passport_is_a_second_identity(attested: bool) -> None:
    """
    X1: a later line of one battery that shows another signed passport, refused by the ledger or never brought
    to it, fails the comparison of lines as a second identity.
    """
    w = World()
    text = w.new(1)
    second = w.issue(text)
    if attested:
        w.run(w.attested(text, second))

    told = w.judge(text, shown=[second.credentials[1]], others=[line_of(1, text, before=True)]).as_dict()

    found = check(told, "manifest")[0]
    assert (found["outcome"], found["reason"], found["rule"]) == ("fail", "duplicate_identity", "X1")


def test_a_passport_without_accreditation_holds() -> None:
    """
    X9: signed by a participant that is not accredited for this maker's codes, and never admitted.
    """
    w = World()
    text = code(1, maker="ZZ2")
    issued = w.issue(text, by=IMPORTER)

    told = w.judge(text, shown=[issued.credentials[1]]).as_dict()

    assert shape(told) == ("hold", "issuer_out_of_scope", "26(a)")
    assert "X9" in rules_failed(told)


def test_a_recycled_battery_is_refused() -> None:
    """
    X3: a battery on record as recycled is refused when it is shown again, with its old passport or without.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.recycle(text)

    bare = w.judge(text, evidence=w.evidence(text, documents={})).as_dict()
    shown = w.judge(text, shown=[w.passports[text].credentials[1]]).as_dict()

    for told in (bare, shown):
        assert shape(told) == ("refuse_recommended", "recycled", "26(a)")
        assert "X3" in rules_failed(told)


@pytest.mark.parametrize("produced", [True, False], ids=["known battery", "unknown battery"])
def test_a_passport_that_was_never_attested_holds(produced: bool) -> None:
    """
    A valid passport of an accredited maker that was never recorded is held as not admitted.
    """
    w = World()
    text = code(1)
    if produced:
        w.produce(text)
    issued = w.issue(text)

    told = w.judge(text, shown=[issued.credentials[1]]).as_dict()

    assert shape(told) == ("hold", "not_admitted", "26(a)")


@pytest.mark.parametrize(
    ("law_date", "expected"),
    [
        ("2027-03-01", ("hold", "not_published", "26(a)")),
        ("2026-12-01", ("undecided", "passport_not_yet_required", None)),
    ],
    ids=["the law asks for a passport", "before 18 February 2027"],
)
def test_a_battery_without_a_passport_lacks_a_document_once_the_law_asks_for_it(
    law_date: str, expected: tuple[str, str, str | None]
) -> None:
    """
    A known battery without any passport is held for a missing document from 18 February 2027 on; before that
    day nothing is missing, and nothing is proven either.
    """
    w = World()
    text = code(1)
    w.produce(text)

    told = w.judge(text, law_date=law_date).as_dict()

    assert shape(told) == expected
    assert "document_unreachable" not in {check["reason"] for check in told["checks"]}


@pytest.mark.parametrize("known", [True, False], ids=["known battery", "unknown battery"])
def test_an_unknown_cryptosuite_is_undecided(known: bool) -> None:
    """
    A proof this node cannot check is neither proven nor disproven.
    """
    w = World()
    text = w.new(1) if known else code(1)
    issued = w.passports[text] if known else w.issue(text)
    document = copy.deepcopy(dict(issued.credentials[1]))
    document["proof"]["cryptosuite"] = "mldsa44-jcs-2024"

    told = w.judge(text, shown=[document]).as_dict()

    assert told["verdict"] == "undecided"
    assert told["reason"] == told["undecided_because"] == "unsupported_algorithm"
    assert told["ground"] is None


def test_an_unknown_battery_is_undecided() -> None:
    """
    A code nobody attested anything about is not found, which is neither clear nor a failure.
    """
    told = World().judge(code(1)).as_dict()

    assert (told["verdict"], told["reason"], told["undecided_because"]) == (
        "undecided",
        "not_found",
        "not_found",
    )


@pytest.mark.parametrize(
    ("make", "reason", "ground"),
    [
        (lambda d: d.pop("proof"), "proof_missing", "26(a)"),
        (lambda d: d.pop("type"), "structure_invalid", "26(a)"),
        (lambda d: d.pop("issuer"), "structure_invalid", "26(a)"),
    ],
    ids=["no proof", "no type", "no issuer"],
)
def test_a_document_without_form_holds(
    make: Callable[[dict[str, Any]], object], reason: str, ground: str
) -> None:
    """
    A presented document that is no signed credential is held, whatever else is known.
    """
    w = World()
    text = w.new(1)
    document = copy.deepcopy(dict(w.passports[text].credentials[1]))
    make(document)

    assert shape(w.judge(text, shown=[document]).as_dict()) == ("hold", reason, ground)


def test_a_passport_of_another_battery_is_not_this_ones() -> None:
    """
    A valid, recorded passport of another battery, shown with this code, is held as wrong subject.
    """
    w = World()
    text, other = w.new(1), w.new(2)

    told = w.judge(text, shown=[w.passports[other].credentials[1]]).as_dict()

    assert (told["verdict"], told["ground"]) == ("hold", "26(a)")
    assert any(c["reason"] == "wrong_subject" for c in told["checks"] if c["outcome"] == "fail")


def test_an_older_version_is_superseded() -> None:
    """
    The first version of a passport that has a second one is held; the current one is clear.
    """
    w = World()
    text = w.new(1)
    first = w.passports[text]
    second = w.issue(text, version=2)
    w.run(w.attested(text, second, "passport.superseded", references=(first.digest,)))

    assert shape(w.judge(text, shown=[first.credentials[1]]).as_dict()) == ("hold", "superseded", "26(a)")
    assert w.judge(text).as_dict()["verdict"] in GOOD


def test_a_battery_presented_in_another_declaration_holds() -> None:
    """
    X12: the presentation on record names another declaration.
    """
    w = World()
    text = w.new(1, declaration_number="26NLOTHER")

    told = w.judge(text).as_dict()

    assert shape(told) == ("hold", "second_presentation", "26(a)")


def test_leaving_the_declaration_number_out_does_not_hide_a_presentation() -> None:
    """
    X12: a presentation on record is compared with the manifest's number; without a number it is undecided.
    """
    w = World()
    text = w.new(1, declaration_number="26NLOTHER")

    for head in ({}, {"direction": "import"}, {"direction": "export"}):
        told = w.judge(text, head=head).as_dict()

        assert (told["verdict"], told["reason"]) == ("undecided", "declaration_not_given")


@pytest.mark.parametrize("head", [{"declaration": DECLARATION}, {}], ids=["with a number", "without"])
def test_a_battery_that_nobody_presented_is_said(head: dict[str, Any]) -> None:
    """
    X12: a line of an import that no presentation on the ledger is about is a note where the policy asks.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)

    customs = check(w.judge(text, head=head).as_dict(), "standing.presentation")[0]
    importer = check(
        w.judge(text, head=head, policy_name="importer-eu", evidence=w.evidence(text)).as_dict(),
        "standing.presentation",
    )[0]

    assert (customs["outcome"], customs["reason"]) == ("warn", "not_presented")
    assert importer["outcome"] == "not_applicable"


def test_a_code_that_contradicts_the_passport_holds() -> None:
    """
    X16: the date in the code is another month than the passport's.
    """
    w = World()
    text = code(1)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["manufacturingDate"] = "2026-07-03T09:00:00.000+08:00"
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))

    assert shape(w.judge(text).as_dict()) == ("hold", "code_mismatch", "26(a)")


def test_a_passports_day_is_the_one_on_the_ledger_though_its_document_names_none() -> None:
    """
    X16: a recall by days goes by the ledger's day; a document of production that keeps it back gains nothing.
    """
    w = World()
    text = code(1)
    w.happen(MAKER, "battery.produced", text, {"category": "ev"}, produced_on=first_second("2019-06-03"))
    w.publish(text)

    assert shape(w.judge(text).as_dict()) == ("hold", "code_mismatch", "26(a)")


def test_a_day_on_the_ledger_is_the_same_wherever_the_node_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    X16: days are of UTC, and not of the clock that a machine eight hours behind it shows.
    """
    w = World()
    text = code(1)
    w.happen(MAKER, "battery.produced", text, {"category": "ev"}, produced_on=first_second("2026-06-03"))
    w.publish(text)
    try:
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("TZ", "XXX8")
            time.tzset()
            told = w.judge(text).as_dict()
    finally:
        time.tzset()

    assert not [c for c in told["checks"] if c["reason"] == "code_mismatch"]


def test_a_letter_whose_meaning_is_inferred_warns_and_holds_nothing() -> None:
    """
    X16: a day of the code that two readings of the standard read differently is a note under its own reason.
    """
    w, told = World(), {}
    for serial, day in ((1, "2026-06-18"), (2, "2026-06-19")):
        text = f"ZZ1PE75QH00001G6J{serial:07d}"
        claims = claims_of(serial)
        claims["GeneralProductInformation"]["manufacturingDate"] = f"{day}T09:00:00.000+08:00"
        w.produce(text, production_date=day)
        w.publish(text, w.issue(text, claims=claims))
        checks = w.judge(text).as_dict()["checks"]
        told[day] = next(c for c in checks if c["name"] == "code_matches_passport")

    unconfirmed = [(c["outcome"], c["reason"]) for c in told.values()]
    assert ("warn", "code_differs_unconfirmed") in unconfirmed
    assert [d["name"] for c in told.values() for d in c["evidence"].get("differing", ())] == ["date"]


@pytest.mark.parametrize(
    ("named", "expected", "alias"),
    [
        (code(2), ("hold", "code_mismatch", "26(a)"), ("not_applicable", "not_applicable")),
        (
            identifier_of(code(2)).uri,
            ("hold", "code_mismatch", "26(a)"),
            ("not_applicable", "not_applicable"),
        ),
        (code(2).lower(), ("hold", "code_mismatch", "26(a)"), ("not_applicable", "not_applicable")),
        (code(1).lower(), ("clear", "ok", None), ("not_applicable", "not_applicable")),
        (identifier_of(code(1)).uri, ("clear", "ok", None), ("not_applicable", "not_applicable")),
        (
            "https://id.example.org/01/06912345678902/21/1",
            ("clear", "ok", None),
            ("warn", "alias_not_recorded"),
        ),
        ("urn:serial:1", ("clear", "ok", None), ("warn", "alias_not_recorded")),
        ("see the label", ("clear", "ok", None), ("warn", "alias_not_recorded")),
    ],
)
def test_the_identifier_inside_the_passport_is_compared(
    named: str, expected: tuple[Any, ...], alias: tuple[str, str]
) -> None:
    """
    X16: another battery's code in productIdentifier is held; an identifier of another kind is said.
    """
    w = World()
    text = code(1)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = named
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))

    told = w.judge(text).as_dict()

    assert shape(told) == expected
    assert [(c["outcome"], c["reason"]) for c in check(told, "alias")] == [alias]


def altered(w: World, text: str) -> dict[str, Any]:
    document = copy.deepcopy(dict(w.passports[text].credentials[1]))
    document["credentialSubject"]["GeneralProductInformation"]["batteryMass"] = 452.0
    return document


def of_unknown_suite(w: World, text: str) -> dict[str, Any]:
    document = copy.deepcopy(dict(w.passports[text].credentials[1]))
    document["proof"]["cryptosuite"] = "mldsa44-jcs-2024"
    return document


def refused_second(w: World, text: str) -> dict[str, Any]:
    second = w.issue(text)
    w.run(w.attested(text, second))
    return dict(second.credentials[1])


def never_attested(w: World, text: str) -> dict[str, Any]:
    return dict(w.issue(text).credentials[1])


@pytest.mark.parametrize("make", [altered, of_unknown_suite, refused_second, never_attested])
def test_nothing_is_green_because_of_a_document_that_is_not_proven_and_recorded(
    make: Callable[[World, str], dict[str, Any]],
) -> None:
    """
    What rests on the shown document is not checked unless its proof holds and the ledger records it.
    """
    w = World()
    text = w.new(1)
    document = make(w, text)

    told = w.judge(text, shown=[document]).as_dict()

    resting = ("standing.publication", "accredited", "completeness", "code_matches_passport", "alias", "mass")
    assert {(name, c["outcome"]) for name in resting for c in check(told, name)} == {
        (name, "not_checked") for name in resting
    }
    assert told["gaps"] == []
    assert told["verdict"] not in GOOD


def test_an_unknown_battery_has_no_passport_to_be_the_only_one() -> None:
    """
    "One passport for this code" is not checked for a code the ledger knows nothing about.
    """
    w = World()
    issued = w.issue(code(1))

    told = w.judge(code(1), shown=[issued.credentials[1]]).as_dict()

    assert [c["outcome"] for c in check(told, "standing.identity")] == ["not_checked"]


@pytest.mark.parametrize("mass", [-5, 0, 1e300, 10_001, True, "452.5"])
@pytest.mark.parametrize("declared", [452.5, None])
def test_a_mass_that_cannot_be_holds(mass: object, declared: float | None) -> None:
    """
    A recorded passport whose mass is no mass of a battery is held, whatever the line declares.
    """
    w = World()
    text = code(1)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["batteryMass"] = mass
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))
    without_schema = replace(w.network(), schemas={"urn:comity:schema:passport:1.2": Anything()})

    told = w.judge(text, mass_kg=declared).as_dict()
    alone = w.judge(text, mass_kg=declared, evidence=w.evidence(text, network=without_schema)).as_dict()

    assert shape(told) == ("hold", "schema_invalid", "26(a)")
    assert shape(alone) == ("hold", "mass_impossible", "26(a)")


class Anything:
    """A schema that every document fits."""

    def check(self, document: Mapping[str, Any]) -> None:
        """Accept it."""


@pytest.mark.parametrize(
    ("event", "by", "document", "reason", "ground"),
    [
        ("battery.reported_lost", IMPORTER, {"reference": "P-1"}, "lost", "26(e)"),
        ("battery.recalled", MAKER, {"reason": "fire", "scope": "item"}, "recalled", "26(e)"),
    ],
)
def test_lost_and_recalled_hold(
    event: str, by: str, document: dict[str, str], reason: str, ground: str
) -> None:
    """
    X18 and recalls: a battery that is reported lost, or recalled, is held.
    """
    w = World()
    text = w.new(1)
    w.happen(by, event, text, document)

    assert shape(w.judge(text).as_dict()) == ("hold", reason, ground)


def recognised_world(effect: Effect, **changes: Any) -> World:
    rows = [
        Recognition(
            authority=CN_AUTHORITY,
            jurisdiction="CN",
            issuer="*",
            issuer_jurisdiction="EU",
            rows=("EXP-02",),
            effect=effect,
            legal_basis="demonstration",
            valid_from=CREATED,
            **changes,
        )
    ]
    return world(recognitions=rows)


@pytest.mark.parametrize(
    ("effect", "verdict", "reason"),
    [
        (Effect.ACCEPTED_AS_LAB_EVIDENCE, "clear", "ok"),
        (Effect.INFORMATION_ONLY, "clear_with_gaps", "gaps"),
        (Effect.NOT_RECOGNISED, "hold", "not_recognised"),
    ],
)
def test_a_used_pack_enters_china_under_the_chinese_policy(effect: Effect, verdict: str, reason: str) -> None:
    """
    EU -> CN: the Annex XIV record and the test count as the Chinese authority recognises their issuers.
    """
    w = recognised_world(effect)
    text = used_pack(w, 1)

    told = w.judge(text, policy_name="authority-cn", condition="used").as_dict()

    assert (told["verdict"], told["reason"]) == (verdict, reason)
    if effect is not Effect.NOT_RECOGNISED:
        assert "demonstration" in words().item(told)["recognition_note"]
    assert check(told, "used_evidence")[0]["outcome"] == "pass"
    assert check(told, "soh")[0]["outcome"] == ("fail" if effect is Effect.NOT_RECOGNISED else "pass")


def test_a_used_pack_without_its_record_is_presumed_waste() -> None:
    """
    X19: no declaration that it is not waste, no document, or an ordinary export: never clear.
    """
    w = recognised_world(Effect.ACCEPTED_BY_LAW)
    undeclared = used_pack(w, 1, record={"not_waste": False})
    ordinary = used_pack(w, 2)
    withheld = w.judge(
        ordinary, policy_name="authority-cn", condition="used", evidence=w.evidence(ordinary, events={})
    ).as_dict()

    told = w.judge(undeclared, policy_name="authority-cn", condition="used").as_dict()

    assert shape(told) == ("hold", "quantities_differ", "26(a)")  # the ledger has what its document denies
    assert (withheld["verdict"], withheld["reason"]) == ("undecided", "not_held")


def test_an_old_test_is_no_test() -> None:
    """
    A state-of-health test older than the policy allows holds a used pack.
    """
    w = recognised_world(Effect.ACCEPTED_BY_LAW)
    text = used_pack(w, 1)
    later = w.now + 200 * 86_400
    network = w.network(
        status_lists={
            key: replace(source, fetched_at=later) for key, source in w.network().status_lists.items()
        }
    )

    told = w.judge(
        text,
        policy_name="authority-cn",
        condition="used",
        evidence=w.evidence(text, network=network),
        at=later,
    )

    assert shape(told.as_dict()) == ("hold", "soh_outdated", "26(a)")


def test_a_status_list_that_was_not_had_is_a_source_that_was_unreachable() -> None:
    """
    The sources of a verdict say of each status list of its issuer whether it was in hand.
    """
    w = World()
    text = w.new(1)
    gone = {key: replace(source, credential=None) for key, source in w.network().status_lists.items()}

    told = w.judge(text, evidence=w.evidence(text, network=w.network(status_lists=gone))).as_dict()

    states = [s["state"] for s in told["sources"] if s["source"] == "status_list"]
    assert states == ["unreachable"] * len(LISTS)


def test_the_ground_of_a_row_counts_before_that_of_its_reason() -> None:
    """
    What shown-as.toml says of goods shown in a state is more exact than what reasons.toml says of the reason.
    """
    table = tomllib.loads((CONFIG / "rules" / "shown-as.toml").read_text())
    next(row for row in table["row"] if row.get("reason") == "lost")["ground"] = "26(d)"
    changed = replace(tables(), shown_as=ShownAs.parse(table, tables().reasons))
    w = World()
    text = w.new(1)
    w.happen(IMPORTER, "battery.reported_lost", text, {"reference": "P-1"})

    usual = w.judge(text).as_dict()
    other = w.judge(text, evidence=w.evidence(text, network=w.network(tables=changed))).as_dict()

    assert shape(usual) == ("hold", "lost", "26(e)")
    assert shape(other) == ("hold", "lost", "26(d)")


@pytest.mark.parametrize(("beyond_s", "expected"), [(0, ("pass", "ok")), (1, ("fail", "soh_outdated"))])
def test_a_test_is_old_a_second_after_its_last_day(beyond_s: int, expected: tuple[str, str]) -> None:
    """
    A test counts for as many days as the policy says after the day on which it was made, to the second.
    """
    w = recognised_world(Effect.ACCEPTED_BY_LAW)
    text = used_pack(w, 1)
    days = policy("authority-cn").soh_age_days_max
    assert days is not None

    told = w.judge(
        text,
        policy_name="authority-cn",
        condition="used",
        at=first_second("2027-01-15") + days * 86_400 + beyond_s,
    )

    found = next(c for c in told.as_dict()["checks"] if c["name"] == "soh")
    assert (found["outcome"], found["reason"]) == expected


def test_a_status_list_is_opened_once_for_all_lines_of_a_job() -> None:
    """
    What one verdict verified of a status list serves the next one with the same view of the network.
    """
    w = World()
    network = w.network()

    first = w.judge(w.new(1), evidence=w.evidence(code(1), network=network))
    opened = dict(network.lists_opened)
    second = w.judge(w.new(2), evidence=w.evidence(code(2), network=network))

    assert len(opened) == len(LISTS)
    assert dict(network.lists_opened) == opened
    assert (shape(first.as_dict())[0], shape(second.as_dict())[0]) == ("clear", "clear")


def test_an_identifier_of_a_scheme_the_policy_does_not_name_is_not_supported() -> None:
    """
    A code of a scheme that this office does not judge leaves the line undecided, and that is said.
    """
    w = World()
    text = w.new(1)
    line = Line.parse(line_of(1, text))
    others = replace(policy(), schemes=tuple(s for s in policy().schemes if s != "gbt34014"))

    told = clear_item(line, w.evidence(text), others, LAW_DATE, w.now).as_dict()

    found = next(c for c in told["checks"] if c["name"] == "identifier")
    assert (found["outcome"], found["reason"]) == ("indeterminate", "identifier_unsupported")
    assert found["evidence"]["scheme"] == "gbt34014"


# -- false clear: every source removed in turn ---------------------------------------------------------


def without_tables(evidence: Evidence, **changes: Any) -> Evidence:
    values = {name: getattr(evidence.network.tables, name) for name in Tables.__dataclass_fields__}
    return replace(evidence, network=replace(evidence.network, tables=Tables(**(values | changes))))


def in_network(**changes: Any) -> Callable[[World, str, Evidence], Evidence]:
    return lambda w, text, e: replace(e, network=replace(e.network, **changes))


def lists(change: Callable[[World, StatusSource], StatusSource | None], *purposes: str) -> Any:
    def remove(w: World, text: str, e: Evidence) -> Evidence:
        kept = {}
        for key, source in e.network.status_lists.items():
            new = change(w, source) if key[1] in (purposes or LISTS) else source
            if new is not None:
                kept[key] = new
        return replace(e, network=replace(e.network, status_lists=kept))

    return remove


def missing(reason: MissingReason) -> Callable[[World, str, Evidence], Evidence]:
    return lambda w, text, e: replace(e, documents={1: Missing(reason, MAKER)})


def ledger(**changes: Any) -> Callable[[World, str, Evidence], Evidence]:
    return lambda w, text, e: replace(e, ledger=replace(e.ledger, **changes))  # type: ignore[type-var]


REMOVALS: dict[str, Callable[[World, str, Evidence], Evidence]] = {
    "no ledger": lambda w, t, e: replace(e, ledger=None),
    "no standing": ledger(standing=None),
    "no entries": ledger(entries=()),
    "an entry that cannot be read": lambda w, t, e: replace(
        e,
        ledger=LedgerView(
            e.ledger.standing,  # type: ignore[union-attr]
            [replace(leaf, entry=leaf.entry[:-1]) for leaf in e.ledger.entries],  # type: ignore[union-attr]
        ),
    ),
    "no document": lambda w, t, e: replace(e, documents={}),
    "document withheld": missing(MissingReason.WITHHELD),
    "document unreachable": missing(MissingReason.UNREACHABLE),
    "document not found": missing(MissingReason.NOT_FOUND),
    "no status list": lists(lambda w, s: None),
    "no revocation list": lists(lambda w, s: None, "revocation"),
    "no suspension list": lists(lambda w, s: None, "suspension"),
    "list unreachable": lists(lambda w, s: replace(s, credential=None)),
    "list not on the ledger": lists(lambda w, s: replace(s, digest_on_ledger=None)),
    "list not the latest": lists(lambda w, s: replace(s, digest_on_ledger=bytes(32))),
    "list too old": lists(lambda w, s: replace(s, fetched_at=w.now - 10 * 86_400)),
    "list of unknown age": lists(lambda w, s: replace(s, fetched_at=None)),
    "no genesis": in_network(governance=None, network_id=None),
    "no schema": in_network(schemas={}),
    "height lag beyond the limit": in_network(lag_heights=1_000),
    "height lag unknown": in_network(lag_heights=None),
    "quorum silent": in_network(quorum_silence_s=100_000),
    "quorum silence unknown": in_network(quorum_silence_s=None),
    "clock behind the ledger": lambda w, t, e: replace(
        e, network=replace(e.network, block_time=w.now + 100_000)
    ),
    "subject not computed": lambda w, t, e: replace(e, subjects={}),
    "subject of the line not computed": lambda w, t, e: replace(
        e, subjects={k: v for k, v in e.subjects.items() if k != t}
    ),
    "subject of the document not computed": lambda w, t, e: replace(
        e, subjects={k: v for k, v in e.subjects.items() if k == t}
    ),
    "presentation's document not held": lambda w, t, e: replace(e, events={}),
    "no reasons": lambda w, t, e: without_tables(e, reasons={}),
    "no verdict table": lambda w, t, e: without_tables(e, verdicts={}),
    "no table of what is shown": lambda w, t, e: without_tables(e, shown_as=None),
    "no commodity table": lambda w, t, e: without_tables(e, commodity={}),
    "no access table": lambda w, t, e: without_tables(e, access={}),
    "no data points": lambda w, t, e: without_tables(e, datapoints={}),
    "no passport paths": lambda w, t, e: without_tables(e, paths={}),
    "no identifier rules": lambda w, t, e: without_tables(e, identifiers={}),
}


def test_no_clear_without_a_source(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each source removed in turn, alone and with a document shown: never clear, never clear_with_gaps.
    """
    w = World()
    text = w.new(1)
    trials, false_clear = 0, []
    shown = [dict(w.passports[text].credentials[1])]
    assert w.judge(text).verdict.conclusion.verdict == "clear"
    assert w.judge(text, shown=shown).verdict.conclusion.verdict == "clear"

    for name, remove in REMOVALS.items():
        for documents in ((), shown):
            if documents and "document" in name and "documents" not in name and "subject" not in name:
                continue  # a document that is shown needs not be fetched
            evidence = remove(w, text, w.evidence(text, shown=documents))
            verdict = w.judge(text, shown=documents, evidence=evidence).verdict.conclusion.verdict
            trials += 1
            if verdict in GOOD:
                false_clear.append(name)

    with capsys.disabled():
        print(f"\nfalse clear: {len(false_clear)} of {trials} trials")
    assert not false_clear


def test_no_clear_without_recognition_where_it_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A policy that requires recognition is never satisfied without the recognition table.
    """
    w = recognised_world(Effect.ACCEPTED_BY_LAW)
    text = used_pack(w, 1)
    assert w.judge(text, policy_name="authority-cn", condition="used").verdict.conclusion.verdict == "clear"
    trials: dict[str, Callable[[World, str, Evidence], Evidence]] = {
        "unreadable": in_network(recognitions=None),
        "empty": in_network(recognitions=()),
        "rows unknown": lambda w, t, e: without_tables(e, crosswalk_evidence={}),
    }

    false_clear = []
    for name, remove in trials.items():
        evidence = remove(w, text, w.evidence(text))
        verdict = w.judge(
            text, policy_name="authority-cn", condition="used", evidence=evidence
        ).verdict.conclusion.verdict
        if verdict in GOOD:
            false_clear.append(name)

    with capsys.disabled():
        print(f"\nfalse clear: {len(false_clear)} of {len(trials)} trials")
    assert not false_clear


@pytest.mark.parametrize(
    "name", ["customs-eu", "authority-eu", "authority-cn", "importer-eu", "manufacturer", "recycler"]
)
def test_every_required_check_is_made(name: str) -> None:
    """
    No shipped policy requires a check that clearance never makes.
    """
    w = World()
    text = w.new(1)

    told = w.judge(text, policy_name=name, evidence=w.evidence(text, points=(1, 2, 3, 4))).as_dict()

    assert policy(name).required <= {c["name"] for c in told["checks"]}
    assert told["reason"] != "not_checked"


# -- forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "text", "read"),
    [
        ("declaration", " 26 nl\u00a0rtm7demo000066 ", "26NLRTM7DEMO000066"),
        ("declaration", None, None),
        ("declaration", "", None),
        ("declaration", " \u3000", None),
        ("consignee_eori", "nl 123 456 789", "NL123456789"),
        ("consignee_eori", None, None),
        ("consignee_eori", " ", None),
    ],
)
def test_a_number_of_a_manifest_has_one_spelling(member: str, text: str | None, read: str | None) -> None:
    """
    Two uploads under one declaration, and a consignee beside the one on record, are compared by one text.
    """
    manifest = Manifest.parse({member: text, "lines": [{"line": 1, "battery": "x"}]})

    assert getattr(manifest, member) == read


@pytest.mark.parametrize(("member", "text"), [("declaration", "26_NL"), ("consignee_eori", "123456789")])
def test_a_mistyped_number_of_a_manifest_is_told(member: str, text: str) -> None:
    """
    With its name and what it looks like, before anything is judged by it.
    """
    with pytest.raises(CredentialError, match=f"{member}: '{text}' is not ") as caught:
        Manifest.parse({member: text, "lines": [{"line": 1, "battery": "x"}]})

    assert caught.value.code == "manifest_invalid"


def test_a_scan_needs_no_declaration() -> None:
    """
    One code without a manifest gets a verdict; the checks of the declaration do not apply to it.
    """
    w = World()
    text = w.new(1)

    told = clear_item(Line(1, text, condition="new"), w.evidence(text), policy(), LAW_DATE, w.now).as_dict()

    assert told["verdict"] == "clear"
    assert check(told, "commodity_code")[0]["outcome"] == "not_applicable"


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {"lines": []},
        {"lines": [{}]},
        {"lines": [{"battery": "x", "colour": "red"}]},
        {"lines": [{"battery": "x", "mass_kg": True}]},
        {"lines": [{"battery": "x", "mass_kg": -1}]},
        {"lines": [{"battery": "x", "mass_kg": 100_000.5}]},
        {"lines": [{"battery": "x", "line": 1}, {"battery": "y", "line": 1}]},
        {"lines": [{"battery": "x"}], "direction": "up"},
        {"lines": [{"battery": "x", "documents": {}}]},
    ],
)
def test_a_bad_manifest_is_refused_with_a_sentence(manifest: object) -> None:
    """
    A manifest that cannot be read is refused whole, before any line is judged.
    """
    with pytest.raises(CredentialError) as refused:
        Manifest.parse(manifest)

    assert refused.value.code == "manifest_invalid"


def test_the_largest_mass_that_may_be_declared_is_read() -> None:
    """
    A hundred tonnes, and not a gram more.
    """
    assert Manifest.parse({"lines": [{"battery": "x", "mass_kg": 100_000}]}).lines[0].mass_kg == 100_000


def test_hostile_text_on_a_line_gets_a_verdict_not_an_error() -> None:
    """
    Whatever stands where a code should be, the line is undecided and nothing raises.
    """
    w = World()
    for text in ("x", "ＺＺ１", "\ud800", "urn:comity:item:vin:1", "0" * 24, "https://e/01/1/21/2", " "):
        if not text.strip():
            continue
        line = Line(1, text)
        evidence = Evidence(w.network(), LedgerView(None), {})

        told = clear_item(line, evidence, policy(), LAW_DATE, w.now).as_dict()

        assert told["verdict"] == "undecided", text
    assert ManifestContext.of(Manifest((Line(1, "x"), Line(2, "x")), DECLARATION), tables().identifiers)


def test_a_status_list_signed_by_another_party_is_not_believed() -> None:
    """
    A list in the issuer's name with another party's signature leaves the status unknown.
    """
    w = World()
    text = w.new(1)
    forged = {k: v for k, v in w.lists[LISTS["revocation"]].items() if k != "proof"}
    signed = eddsa.sign(forged, signer(WORKSHOP, "credential"), "2027-01-01T00:00:00Z")
    from credentials.documents.canonical import digest_document

    evidence = lists(lambda _, s: replace(s, credential=signed, digest_on_ledger=digest_document(signed)))(
        w, text, w.evidence(text)
    )

    told = w.judge(text, evidence=evidence).as_dict()

    assert (told["verdict"], told["reason"]) == ("undecided", "status_list_invalid")
    assert status_entries(LISTS, 1)


HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e300,
    "",
    "\u0000",
    "x" * 5000,
    [],
    {},
    [[]],
    {"id": 1},
    ["a", 1],
)


def paths_of(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [here, *(path for key, child in children for path in paths_of(child, (*here, key)))]


@pytest.mark.parametrize("trials", [200, pytest.param(600, marks=pytest.mark.check)])
def test_no_mutated_document_is_clear_and_none_raises(trials: int) -> None:
    """
    Seeded mutations of a shown set 1, half of them signed again by the maker: no error, never clear.
    """
    w = World()
    text = w.new(1)
    original = dict(w.passports[text].credentials[1])
    where = [path for path in paths_of(original) if path]
    random = Random(20261121)

    for trial in range(trials):
        document = copy.deepcopy(original)
        *before, last = random.choice(where)
        target: Any = document
        for key in before:
            target = target[key]
        value = random.choice(HOSTILE)
        if target[last] == value:
            continue
        target[last] = value
        if trial % 2:
            document.pop("proof")
            try:
                document = eddsa.sign(document, signer(MAKER, "credential"), "2027-01-01T00:00:00Z")
            except CredentialError:
                continue

        told = w.judge(text, shown=[document]).as_dict()

        assert told["verdict"] not in GOOD, (trial, before, last, value)


def test_why_nothing_is_known_is_told_by_every_check() -> None:
    """
    Where the node could not even ask for a battery, each check about it says why, and none that the network
    does not know it; where it asked, each says that. With a vehicle, and used, so that all of them are made.
    """
    w = world()
    text = code(77)
    line = Line.parse(line_of(1, text, vin="LVSHFFAL4FE123457", condition="used"))
    context = ManifestContext.of(Manifest((line,)), tables().identifiers)

    def reasons(unknown: str | None) -> Mapping[str, str]:
        view = LedgerView(None) if unknown is None else LedgerView(None, unknown=unknown)
        evidence = replace(w.evidence(text, vin=line.vin), ledger=view, documents={}, events={})
        judged = clear_item(line, evidence, policy("customs-eu"), LAW_DATE, w.now, context)
        return {check.name: check.reason for check in judged.verdict.checks}

    asked, unread = reasons(None), reasons("identifier_invalid")

    about_it = {name for name, reason in asked.items() if reason == "not_found"}
    assert {"ledger", "document", "proof", "standing.identity", "standing.state", "soh", "vin"} <= about_it
    assert {name for name, reason in unread.items() if reason == "identifier_invalid"} == about_it
    assert "not_found" not in unread.values()
