"""Annex XIII sets, completeness at a law date, and what the passport says against the code."""

import copy
import json
import random
from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.encoding import encode
from credentials.documents.canonical import jcs, parse_json
from credentials.documents.identifiers import parse_identifier
from credentials.documents.passport import (
    PassportSchema,
    category,
    code_mismatches,
    completeness,
    merge,
    set_list,
    set_list_digest,
    split,
)
from credentials.documents.selecting import is_answered, values_of
from credentials.errors import CredentialError

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config" / "rules"
NOISE = Path(__file__).parents[1] / "vectors" / "batterypass"
PATHS: dict[str, Any] = json.loads((RULES / "passport-paths.json").read_text())
DATAPOINTS: dict[str, Any] = json.loads((RULES / "eu-datapoints-v2.json").read_text())
CODES: dict[str, Any] = json.loads((RULES / "gbt34014.json").read_text())
SCHEMA: dict[str, Any] = json.loads(
    (ROOT / "credentials/documents/schemas/passport-1.2.schema.json").read_text()
)
SAMPLE: dict[str, Any] = json.loads((ROOT / "config/demo/plausible-ev-nmc.batterypass-1.2.json").read_text())
EMPTY: dict[int, dict[str, Any]] = {1: {}, 2: {}, 3: {}, 4: {}}
LAW_DATE = "2027-03-01"


def noise(version: str) -> dict[str, Any]:
    """The published payloads of one version, with integers beyond 2^53 replaced: parse_json refuses those."""

    def smaller(text: str) -> int:
        return int(text[:9]) if len(text) > 9 else int(text)

    def read(name: str) -> Any:
        return json.loads((NOISE / name).read_text(), parse_int=smaller)

    performance = (
        "1.2.0/PerformanceAndDurability-payload" if version == "1.2.0" else "1.2.1/PerformanceAndDurability"
    )
    return {
        "GeneralProductInformation": read("1.2.0/GeneralProductInformation-payload.json"),
        "CarbonFootprint": read("1.2.0/CarbonFootprintForBatteries-payload.json"),
        "Circularity": read("1.2.0/Circularity.json"),
        "Labels": read("1.2.0/Labeling-payload.json"),
        "MaterialComposition": read("1.2.0/MaterialComposition-payload.json"),
        "Performance": read(performance + ".json"),
        "SupplyChainDueDiligence": read("1.2.0/SupplyChainDueDiligence-payload.json"),
    }


def get(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


PASSPORTS = {"plausible": SAMPLE, "noise 1.2.0": noise("1.2.0"), "noise 1.2.1": noise("1.2.1")}


@pytest.mark.parametrize("claims", PASSPORTS.values(), ids=PASSPORTS.keys())
def test_split_is_lossless(claims: dict[str, Any]) -> None:
    """
    The four sets together give back every member of the seven submodels, and only those.
    """
    before = copy.deepcopy(claims)

    sets = split(claims, PATHS)

    assert jcs(merge(sets, PATHS)) == jcs(claims) == jcs(before)
    assert all(sets.values())


@pytest.mark.parametrize("hidden", [(), (1,), (2,), (3,), (4,), (2, 3, 4), (1, 2), (1, 4)], ids=str)
def test_merge_of_what_is_shown(hidden: tuple[int, ...]) -> None:
    """
    Sets that are shown merge without the others: each member is as it was issued, or as its set shows it.
    """
    sets = {point: members for point, members in split(SAMPLE, PATHS).items() if point not in hidden}

    merged = merge(sets, PATHS)

    for path, points in PATHS["members"].items():
        shown = [get(members, path) for members in sets.values() if get(members, path) is not None]
        expected = get(SAMPLE, path) if set(points) & sets.keys() else (shown or [None])[0]
        assert get(merged, path) == expected, path


def test_an_answer_is_found_in_whatever_holds_it() -> None:
    """
    In lists at any step, and in a mapping of any kind; where nothing has the member there is no value.
    """
    held = MappingProxyType({"a": [MappingProxyType({"b": [1, 2]}), {"b": 3}, {"c": 4}, 5]})

    assert values_of(held, {"any": [{"path": "a.b"}]}) == [1, 2, 3]
    assert values_of(held, {"any": [{"path": "a.d"}, {"path": "d.b"}]}) == []


PLACES = [
    ("GeneralProductInformation.productIdentifier", {1}),
    ("GeneralProductInformation.batteryStatus", {4}),
    ("CarbonFootprint.batteryCarbonFootprint", {1}),
    ("Circularity.dismantlingAndRemovalInformation", {2}),
    ("Circularity.sparePartSources", {2}),
    ("Circularity.safetyMeasures.extinguishingAgent", {1}),
    ("Circularity.safetyMeasures.safetyInstructions", {2}),
    ("Labels.resultOfTestReport", {3}),
    ("Labels.declarationOfConformity", {1}),
    ("MaterialComposition.batteryChemistry", {1}),
    ("MaterialComposition.hazardousSubstances", {1}),
    ("MaterialComposition.batteryMaterials", {1, 2}),
    ("Performance.batteryTechicalProperties.nominalVoltage", {1}),
    ("Performance.batteryTechicalProperties.ratedCapacity", {1, 4}),
    ("Performance.batteryTechicalProperties.powerFade", {4}),
    ("Performance.batteryCondition.stateOfCharge", {4}),
    ("SupplyChainDueDiligence.supplyChainDueDiligenceReport", {1}),
]


@pytest.mark.parametrize(("path", "points"), PLACES, ids=[path for path, _ in PLACES])
def test_points(path: str, points: set[int]) -> None:
    """
    Each member is in the sets of the points of Annex XIII that ask for it, and in no other.
    """
    sets = split(SAMPLE, PATHS)

    assert {point for point, members in sets.items() if get(members, path) is not None} == points


def test_public_set_holds_names_of_critical_materials_only() -> None:
    """
    The public sees which critical raw materials there are; masses and places are for point 2.
    """
    claims = copy.deepcopy(SAMPLE)
    claims["MaterialComposition"]["batteryMaterials"][0]["isCriticalRawMaterial"] = False

    sets = split(claims, PATHS)

    assert sets[1]["MaterialComposition"]["batteryMaterials"] == [
        {"batteryMaterialName": name, "isCriticalRawMaterial": True}
        for name in ("Cobalt", "Lithium", "Graphite")
    ]
    assert (
        sets[2]["MaterialComposition"]["batteryMaterials"]
        == claims["MaterialComposition"]["batteryMaterials"]
    )
    assert b"7440-48-4" not in jcs(sets[1]) and b"CAT-01" not in jcs(sets[1])


def test_round_trip_efficiency_of_1_2_0_is_public() -> None:
    """
    A member that 1.2.0 has among the condition values is public all the same (XIII.1(n)).
    """
    sets = split(PASSPORTS["noise 1.2.0"], PATHS)
    path = "Performance.batteryCondition.roundTripEfficiencyat50PerCentCycleLife"

    assert get(sets[1], path) is not None and get(sets[4], path) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"Secrets": {"a": 1}},
        {"GeneralProductInformation": {"salary": 1}},
        {"Circularity": {"safetyMeasures": {"other": 1}}},
        {"Circularity": "text"},
        {"Performance": {"batteryCondition.stateOfCharge": 1}},
        {"GeneralProductInformation.batteryMass": 1},
        {"Circularity.safetyMeasures": {"extinguishingAgent": []}},
        {"id": "urn:a:b"},
        {"": 1},
    ],
    ids=str,
)
def test_unassigned_members(claims: dict[str, Any]) -> None:
    """
    A member that no point claims is refused by name: nothing becomes public by default.
    """
    with pytest.raises(CredentialError, match=r"\w|''") as caught:
        split({**SAMPLE, **claims}, PATHS)

    assert caught.value.code == "schema_invalid"


def test_sets_that_contradict_each_other() -> None:
    """
    A value that two sets carry must be one value, and names in set 1 those of set 2.
    """
    changes = [
        ("Performance.batteryTechicalProperties", "ratedCapacity", 1.0),
        ("MaterialComposition", "batteryMaterials", []),
    ]

    for parent, name, value in changes:
        sets = copy.deepcopy(split(SAMPLE, PATHS))
        get(sets[1], parent)[name] = value
        with pytest.raises(CredentialError, match=name):
            merge(sets, PATHS)


@given(
    st.dictionaries(
        st.sampled_from([*SAMPLE, "x"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=3),
            lambda i: (
                st.lists(i, max_size=2)
                | st.dictionaries(
                    st.sampled_from(
                        ["batteryMaterials", "safetyMeasures", "isCriticalRawMaterial", "labels"]
                    ),
                    i,
                    max_size=2,
                )
            ),
        ),
    )
)
def test_any_claims(claims: dict[str, Any]) -> None:
    """
    Any JSON in the shape's places is split without loss, or refused with a sentence.
    """
    try:
        sets = split(claims, PATHS)
    except CredentialError as error:
        assert error.code == "schema_invalid"
    else:
        assert merge(sets, PATHS) == claims


def states(sets: dict[int, dict[str, Any]], kind: str = "EV", law_date: str = LAW_DATE) -> dict[int, str]:
    return {state.dp: state.state.value for state in completeness(sets, kind, law_date, DATAPOINTS, PATHS)}


@pytest.mark.parametrize(
    ("kind", "mandatory"), [("EV", 47), ("LMT", 50), ("industrial", 32), ("stationary", 32)]
)
def test_mandatory_counts(kind: str, mandatory: int) -> None:
    """
    On 1 March 2027 an empty passport lacks exactly what the guidance makes mandatory for the category.
    """
    found = states(EMPTY, kind)

    assert len(found) == 71
    assert Counter(found.values())["missing"] == mandatory


def test_sample_is_complete() -> None:
    """
    The plausible passport lacks nothing that is mandatory, in any category, then or later.
    """
    sets = split(SAMPLE, PATHS)

    for kind in ("EV", "LMT", "industrial"):
        for law_date in ("2027-01-01", LAW_DATE, "2027-08-18", "2034-01-01"):
            assert "missing" not in states(sets, kind, law_date).values()


@pytest.mark.parametrize(
    ("path", "dp"),
    [
        ("GeneralProductInformation.operatorInformation", 2),
        ("GeneralProductInformation.batteryMass", 10),
        ("Circularity.safetyMeasures.extinguishingAgent", 14),
        ("Circularity.renewableContent", 24),
        ("Circularity.dismantlingAndRemovalInformation", 48),
        ("Labels.declarationOfConformity", 42),
        ("Labels.resultOfTestReport", 50),
        ("Performance.batteryTechicalProperties.capacityThresholdForExhaustion", 33),
        ("Performance.batteryCondition.stateOfCertifiedEnergy", 61),
        ("GeneralProductInformation.batteryStatus", 67),
    ],
)
@pytest.mark.parametrize("value", [..., None, "", [], {}, [""], {"a": None}], ids=str)
def test_a_missing_member_is_a_gap(path: str, dp: int, value: Any) -> None:
    """
    A mandatory member that is absent, null or empty is missing, and alone so.
    """
    claims = copy.deepcopy(SAMPLE)
    parent, _, name = path.rpartition(".")
    if value is ...:
        del get(claims, parent)[name]
    else:
        get(claims, parent)[name] = value

    found = states(split(claims, PATHS))

    assert [number for number, state in found.items() if state == "missing"] == [dp]


def answered(shown: Any, rule: Any) -> bool:
    """What answers a data point, restated: every path through objects and lists, one at a time."""

    def through(value: Any, names: list[str]) -> list[Any]:
        if not names:
            return [value]
        if not isinstance(value, dict) or names[0] not in value:
            return []
        member = value[names[0]]
        return [
            end
            for one in (member if isinstance(member, list) else [member])
            for end in through(one, names[1:])
        ]

    def empty(value: Any) -> bool:
        if isinstance(value, dict | list):
            return all(map(empty, value.values() if isinstance(value, dict) else value))
        return value is None or (isinstance(value, str) and value.strip() == "")

    def found(selector: Any) -> bool:
        ends = through(shown, selector["path"].split("."))
        if "where" in selector:
            alike = {name: json.dumps(value) for name, value in selector["where"].items()}
            objects = [end for end in ends if isinstance(end, dict)]
            ends = [o for o in objects if all(json.dumps(o.get(name)) == alike[name] for name in alike)]
        if "member" in selector:
            ends = [last for end in ends for last in through(end, selector["member"].split("."))]
        return not all(map(empty, ends))

    return all(map(found, rule["all"])) if "all" in rule else any(map(found, rule["any"]))


def test_what_answers_a_data_point_is_what_its_row_selects() -> None:
    """
    On 60 seeded passports with members left out, emptied or replaced, a data point is answered exactly where
    a restatement of its row finds a value.
    """
    seeded = random.Random(71)
    told = Counter[bool]()

    def spoiled(value: Any) -> Any:
        chance = seeded.random()
        if chance < 0.15:
            return seeded.choice([None, "", " \u00a0", [], {}, [None], {"a": [{}]}, 0, False, "x", [[]]])
        if isinstance(value, dict):
            return {name: spoiled(one) for name, one in value.items() if seeded.random() > 0.05}
        return [spoiled(one) for one in value] if isinstance(value, list) else value

    for _ in range(60):
        shown = {name: spoiled(part) for name, part in SAMPLE.items()}
        for number, rule in PATHS["dataPoints"].items():
            told[answered(shown, rule)] += 1
            assert is_answered(shown, rule) == answered(shown, rule), f"data point {number}"
            assert bool(values_of(shown, rule)) or not is_answered(shown, rule)

    assert min(told[True], told[False]) > 300


@pytest.mark.parametrize("value", [0, 0.0, False], ids=str)
def test_zero_is_a_value(value: Any) -> None:
    """
    A share of zero is an answer.
    """
    claims = copy.deepcopy(SAMPLE)
    claims["Circularity"]["renewableContent"] = value

    assert states(split(claims, PATHS))[24] == "present"


def test_resistance_of_cell_and_pack() -> None:
    """
    Annex XIII 1(o) asks for cell and pack: one of the two is a gap.
    """
    claims = copy.deepcopy(SAMPLE)
    claims["Performance"]["batteryTechicalProperties"]["initialInternalResistance"].pop()

    assert states(split(claims, PATHS))[38] == "missing"


@pytest.mark.parametrize(
    ("kind", "dp", "law_date", "state"),
    [
        ("EV", 10, "2027-02-17", "not_yet_required"),
        ("EV", 10, "2027-02-18", "missing"),
        ("EV", 17, "2027-03-01", "not_yet_required"),
        ("EV", 17, "2099-01-01", "not_yet_required"),
        ("EV", 19, "2027-08-17", "not_yet_required"),
        ("EV", 19, "2027-08-18", "missing"),
        ("EV", 20, "2028-08-18", "missing"),
        ("EV", 23, "2027-03-01", "not_yet_required"),
        ("LMT", 20, "2028-08-18", "not_yet_required"),
        ("LMT", 20, "2033-08-18", "missing"),
        ("EV", 44, "2027-03-01", "not_yet_required"),
        ("EV", 16, "2027-03-01", "not_applicable"),
        ("EV", 25, "2020-01-01", "not_applicable"),
        ("LMT", 33, "2027-03-01", "not_applicable"),
        ("EV", 62, "2027-03-01", "not_applicable"),
        ("LMT", 62, "2027-03-01", "missing"),
        ("industrial", 62, "2027-03-01", "certain_cases"),
        ("EV", 35, "2027-03-01", "certain_cases"),
        ("EV", 5, "2027-03-01", "certain_cases"),
    ],
)
def test_states_by_date_and_category(kind: str, dp: int, law_date: str, state: str) -> None:
    """
    Missing, not yet required and not applicable are told apart by category and law date.
    """
    assert states(EMPTY, kind, law_date)[dp] == state


def test_withheld_is_not_missing() -> None:
    """
    Who is shown set 1 only sees the rest as withheld, never as missing.
    """
    shown = states({1: split(SAMPLE, PATHS)[1]})

    assert "missing" not in shown.values()
    assert shown[50] == shown[51] == shown[67] == "withheld"
    assert shown[62] == "not_applicable"
    assert Counter(states({}).values()).keys() == {"withheld", "not_yet_required", "not_applicable"}


def test_carbon_footprint_present_before_it_is_required() -> None:
    """
    What is given before it is due counts as present.
    """
    assert states(split(SAMPLE, PATHS))[17] == "present"


@pytest.mark.parametrize(
    "law_date", ["", "2027", "2027-3-1", "2027-02-30", "\u0662027-03-01", "2027-03-01T00:00:00Z"]
)
def test_law_dates(law_date: str) -> None:
    """
    A law date is a calendar date, written one way.
    """
    with pytest.raises(CredentialError, match="law date"):
        states(EMPTY, "EV", law_date)


def test_categories() -> None:
    """
    The category is read from set 1; another word is refused by name.
    """
    assert category(split(SAMPLE, PATHS)[1], PATHS) == "EV"
    for wrong in (
        {},
        {"GeneralProductInformation": {"batteryCategory": "sli"}},
        {"GeneralProductInformation": 1},
    ):
        with pytest.raises(CredentialError, match="batteryCategory"):
            category(wrong, PATHS)
    with pytest.raises(CredentialError, match="category"):
        states(EMPTY, "SLI")


def test_every_assigned_path_answers_or_is_known() -> None:
    """
    Each selector of a data point follows a path that is assigned to that data point's own set.
    """
    points = {
        row["dp"]: 1 if row["access"] == "public" else int(row["access"][-1])
        for row in DATAPOINTS["dataPoints"]
    }

    assert set(PATHS["dataPoints"]) == {str(dp) for dp in points}
    for dp, rule in PATHS["dataPoints"].items():
        for selector in rule.get("any", rule.get("all")):
            parts = selector["path"].split(".")
            prefixes = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
            assigned = next(PATHS["members"][prefix] for prefix in prefixes if prefix in PATHS["members"])
            projected = {p["point"] for p in PATHS["projections"] if p["path"] in prefixes}
            assert points[int(dp)] in {*assigned, *projected}, (dp, selector["path"])


def test_set_list() -> None:
    """
    The set list is the pinned CBOR value, whatever the order in which sets were signed.
    """
    digests = {4: b"d" * 32, 1: b"a" * 32}

    assert set_list(2, digests) == ["comity/sets/v1", 2, {1: b"a" * 32, 4: b"d" * 32}]
    assert encode(set_list(2, digests)).hex().startswith("836e636f6d6974792f736574732f763102a2015820")
    assert set_list_digest(2, digests) == set_list_digest(2, dict(reversed(digests.items())))
    assert set_list_digest(2, digests) != set_list_digest(3, digests) != set_list_digest(3, {1: b"a" * 32})


def code(text: str) -> Any:
    return parse_identifier("gbt34014", text, CODES)


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("ZZ1PE01G6HDABCG6H0000042", {}, []),
        ("ZZ1ME01G6HDABCG6H0000042", {}, [("product_type", "M", "P", True)]),
        ("ZZ1PB01G6HDABCG6H0000042", {}, [("chemistry", "B", "NMC", True)]),
        ("ZZ1PF01G6HDABCG6H0000042", {}, [("chemistry", "F", "NMC", True)]),
        ("ZZ1PE01G6HDABCG6H0000042", {"shortName": "NiMH"}, [("chemistry", "E", "NiMH", True)]),
        ("ZZ1PG01G6HDABCG6H0000042", {"shortName": "NiMH"}, [("chemistry", "G", "NiMH", False)]),
        ("ZZ1PE01G6HDABCG6H0000042", {"shortName": "LFP"}, [("chemistry", "E", "LFP", True)]),
        ("ZZ1PE01G6HDABCG6H0000042", {"shortName": "NMC811"}, []),
        ("ZZ1PE01G6HDABCG6H0000042", {"shortName": "NaNiCl"}, []),
        ("ZZ1PE01G6HDABCG6G0000042", {}, [("date", "2026-06-16", "2026-06-17", True)]),
        ("ZZ1PE01G6HDABCG5H0000042", {}, [("date", "2026-05-17", "2026-06-17", True)]),
        ("ZZ1PE01G6HDABCF6H0000042", {}, [("date", "2025-06-17", "2026-06-17", True)]),
        ("ZZ1PE01G6HDABCG6J0000042", {}, [("date", "2026-06-18", "2026-06-17", False)]),
        ("ZZ1PE01G6HDABCG600000042", {}, []),
        ("ZZ1PE01G6HDABCG500000042", {}, [("date", "2026-05", "2026-06-17", True)]),
        (
            "ZZ1PE01G6HDABCG6H0000042",
            {"manufacturingDate": "2026-06-16T23:30:00Z"},
            [("date", "2026-06-17", "2026-06-16", True)],
        ),
        ("ZZ1PE01G6HDABCG6H0000042", {"manufacturingDate": "2026-06-17T00:30:00+08:00"}, []),
    ],
)
def test_code_against_passport(text: str, changes: dict[str, str], expected: list[Any]) -> None:
    """
    Type, chemistry and date of the code are compared; where a symbol's meaning is inferred, it is said.
    """
    claims = copy.deepcopy(SAMPLE)
    claims["MaterialComposition"]["batteryChemistry"]["shortName"] = changes.get("shortName", "NMC")
    claims["GeneralProductInformation"].update({k: v for k, v in changes.items() if k == "manufacturingDate"})

    found = code_mismatches(code(text), split(claims, PATHS)[1], CODES)

    assert [(m.name, m.code_value, m.passport_value, m.confirmed) for m in found] == expected


def test_what_neither_says_is_not_compared() -> None:
    """
    A code that carries nothing but a number, and a passport that lacks the values.
    """
    link = parse_identifier("gs1", "https://id.gs1.org/01/09521001000017/21/A", CODES)

    assert code_mismatches(link, SAMPLE, CODES) == []
    assert code_mismatches(code("ZZ1PE01G6HDABCG6H0000042"), {}, CODES) == []


def credential(members: dict[str, Any]) -> dict[str, Any]:
    subject = {"id": "urn:a:b", "type": "Battery", "code": {"scheme": "uri", "value": "urn:a:b"}}
    return {
        "type": ["VerifiableCredential", "BatteryPassportCredential"],
        "issuer": "did:web:maker.example",
        "credentialSchema": {"id": SCHEMA["$id"], "type": "JsonSchema"},
        "credentialSubject": {**subject, "annexXiiiPoint": 1, "passportVersion": 1, **members},
    }


@pytest.mark.parametrize("claims", PASSPORTS.values(), ids=PASSPORTS.keys())
def test_schema_accepts_both_versions(claims: dict[str, Any]) -> None:
    """
    1.2.0 and 1.2.1 shapes pass, real e-mail addresses and the sample's blank included, whole and in sets.
    """
    schema = PassportSchema(SCHEMA)

    for members in (claims, *split(claims, PATHS).values()):
        schema.check(credential(members))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("GeneralProductInformation.batteryMass", "452.5"),
        ("GeneralProductInformation.batteryCategory", "sli"),
        ("GeneralProductInformation.manufacturingDate", "yesterday"),
        ("CarbonFootprint.carbonFootprintPerLifecycleStage", {}),
        ("Circularity.recycledContent", [{"preConsumerShare": 101}]),
        ("Labels.labels", [{"labelingSubject": "Other"}]),
        ("Performance.batteryTechicalProperties.temperatureRangeIdleState", {"minimum": "cold"}),
        ("Performance.batteryTechicalProperties.temperatureRangeIdleState", []),
        ("Labels.declarationOfConformity", "no address"),
        ("MaterialComposition", []),
    ],
)
def test_schema_checks_types(path: str, value: Any) -> None:
    """
    A member of the wrong type or outside its values is refused by name.
    """
    claims = copy.deepcopy(SAMPLE)
    parent, _, name = path.rpartition(".")
    (get(claims, parent) if parent else claims)[name] = value

    with pytest.raises(CredentialError) as caught:
        PassportSchema(SCHEMA).check(credential(claims))

    assert caught.value.code == "schema_invalid"
    assert str(caught.value).startswith(f"credentialSubject.{path}")


def test_sample_is_read_strictly() -> None:
    """
    The demo's passport passes the trust boundary.
    """
    data = (ROOT / "config/demo/plausible-ev-nmc.batterypass-1.2.json").read_bytes()

    assert parse_json(data) == SAMPLE


@pytest.mark.parametrize("value", [None, 0, "x", [], True])
@pytest.mark.parametrize(
    "path", ["GeneralProductInformation", "Performance", "Performance.batteryTechicalProperties"]
)
def test_a_member_of_the_wrong_kind_is_not_called_unknown(path: str, value: Any) -> None:
    """
    A submodel that is no object is told as that: its name is right.
    """
    claims = copy.deepcopy(SAMPLE)
    *parents, name = path.split(".")
    place = claims
    for parent in parents:
        place = place[parent]
    assert isinstance(place[name], dict), "the sample has it"
    place[name] = value

    with pytest.raises(CredentialError, match=f"{name}' is an object of BatteryPass") as caught:
        split(claims, PATHS)

    assert caught.value.code == "schema_invalid"


def test_where_claims_have_no_member_they_have_nothing() -> None:
    """
    The sentence says which of the model's submodels are asked for, and what was found instead.
    """
    for claims, found in (({}, "it has nothing."), ({"a": 1}, "it has 'a'.")):
        with pytest.raises(CredentialError) as caught:
            split(claims, PATHS)
        assert str(caught.value).endswith(found)
