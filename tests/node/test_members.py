"""Members of an event as people and programs write them: one form each, before anything is signed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from credentials.documents.identifiers import Identifier
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.payload import Criteria
from node.errors import ProblemError
from node.issuing.members import (
    VALUES,
    CriteriaMember,
    name_vehicle,
    namespace_of,
    read_criteria,
    read_members,
    require_day_of_code,
    seconds_of,
    spell_beginnings,
    wrong_members,
)

LIFECYCLE = Path(__file__).parents[2] / "config" / "rules" / "lifecycle.json"


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        ("commodity_code", "8507\u00a060\u202f00.00", "8507600000"),
        ("commodity_code", "\uff18\uff15\uff10\uff17\uff16\uff10 ", "850760"),
        ("declaration", "26 nl rtm7demo000066\u00a0", "26NLRTM7DEMO000066"),
        ("did", " DID:WEB:Importer.Example\ufeff", "did:web:importer.example"),
        ("eori", " nl 123\u00a0456 \uff17", "NL1234567"),
        ("party", "EORI: de12", "eori:DE12"),
        ("country", " nl\u3000", "NL"),
        ("date", "\ufeff2027-03-01 ", "2027-03-01"),
        ("integer", "\uff14\uff12", 42),
        ("sets", '{"1": "%s"}' % ("A" * 43), {"version": 1, "points": {"1": "A" * 43}}),
        ("sets", {"points": {"1": "A" * 43}}, {"version": 1, "points": {"1": "A" * 43}}),
    ],
)
def test_a_member_has_one_form_however_it_is_written(kind: str, text: Any, read: Any) -> None:
    """
    What was signed cannot be mended on the ledger: blanks, small letters and wide characters go before.
    """
    assert VALUES[kind](text) == read


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("commodity_code", "abc"),
        ("commodity_code", "85076"),
        ("declaration", "26_NL"),
        ("declaration", " "),
        ("did", "importer.example"),
        ("eori", "de\u017f123"),  # a letter that Unicode makes an S of
        ("party", "uscc:\u0131" + "1" * 17),
        ("country", "N\u0131"),
        ("date", "tomorrow"),
        ("date", 7),
        ("sets", 7),
        ("sets", "x"),
        ("sets", []),
        ("sets", {"points": ["1"]}),
        ("sets", {"5": "A" * 43}),
        ("sets", {"1": 7}),
        ("criteria", "x"),
        ("criteria", ["prefixes"]),
        ("criteria", {"prefixes": 1}),
        ("digest", ["A" * 43]),
        ("digest", "\u0391" * 43),
        ("integer", "9" * 400),
    ],
)
def test_what_is_no_such_member_is_refused(kind: str, text: Any) -> None:
    """
    With a sentence of ours, and before anything is signed.
    """
    with pytest.raises(ValueError, match=r".{10}") as told:
        VALUES[kind](text)

    assert not re.search(r"object is not|unexpected|isoformat|\(char|^'version'", str(told.value)), str(
        told.value
    )


def test_every_kind_of_member_is_read() -> None:
    """
    No member of the table is of a kind that nothing here reads.
    """
    events = json.loads(LIFECYCLE.read_text())["events"]
    rows = events.values() if isinstance(events, dict) else events
    kinds = {member["type"] for row in rows for member in row.get("members", {}).values()}

    assert "declaration" in kinds
    assert kinds - {"status"} <= VALUES.keys()


RULES = {"gs1": {"companyPrefixes": ["9521001"]}}


@pytest.mark.parametrize(
    ("namespace", "text", "spelled"),
    [
        ("gbt34014:zz1", "zz1 pe75 qh", "ZZ1PE75QH"),
        ("gs1:9521001", "HTTPS://Shop.Example/01/0952100100", "https://id.gs1.org/01/0952100100"),
        ("gs1:9521001", "09521001000008/21/a", "https://id.gs1.org/01/09521001000008/21/a"),
        ("uri:did:web:Maker.example", "https://maker.example/b/", "https://maker.example/b/"),
    ],
)
def test_beginnings_of_recalled_codes_are_spelled_as_the_codes_are(
    namespace: str, text: str, spelled: str
) -> None:
    """
    A recall is found beside the codes that it is about, however whoever publishes it writes them.
    """
    about = namespace_of(f" {namespace} ", RULES)
    asked = VALUES["criteria"]({"prefixes": [text, text]})

    values = spell_beginnings({"criteria": asked}, about, {})

    assert read_criteria(values["criteria"]).prefixes == (spelled,)
    assert spell_beginnings({"reason": "x"}, about, {}) == {"reason": "x"}


@pytest.mark.parametrize(
    ("namespace", "text"),
    [("gbt34014:ZZ1", "ZZ2PE"), ("gs1:9521001", "https://id.gs1.org/01/09521002"), ("gs1:9521001", "shop")],
)
def test_the_beginning_of_no_code_is_refused_with_what_to_write(namespace: str, text: str) -> None:
    """
    It would be recorded and reach nothing.
    """
    asked = VALUES["criteria"]({"prefixes": [text]})

    with pytest.raises(ProblemError, match="as it stands on the label"):
        spell_beginnings({"criteria": asked}, namespace_of(namespace, RULES), {})


@pytest.mark.parametrize("namespace", ["ZZ1", "gbt34014:ZZ", "gs1:952", "gs1:9521003", "vin:ZZ9"])
def test_a_namespace_that_no_code_has_is_refused(namespace: str) -> None:
    """
    A recall under a maker's code that is none, or a company prefix that nobody reads codes by, is not signed.
    """
    with pytest.raises(ProblemError):
        namespace_of(namespace, RULES)


@pytest.mark.parametrize(
    ("manufactured", "stated", "fits"),
    [
        ((2026, 6, 3), "2026-06-03", True),
        ((2026, 6, 3), "2026-06-04", False),
        ((2026, 6, None), "2026-06-30", True),
        ((2026, 6, None), "2026-07-01", False),
        (None, "2020-01-01", True),
    ],
)
def test_the_stated_day_of_production_is_the_one_that_the_code_carries(
    manufactured: tuple[int, int, int | None] | None, stated: str, fits: bool
) -> None:
    """
    A recall looks for a battery by both: a contradiction is refused before it is signed.
    """
    code = Identifier("gbt34014", "ZZ1", "ZZ1", manufactured=manufactured)
    try:
        require_day_of_code(code, stated)
    except ProblemError as problem:
        assert (problem.code, fits) == ("value_impossible", False)
    else:
        assert fits


def test_the_criteria_of_a_recall_cover_whole_days() -> None:
    """
    From the first second of the first day to the last second of the last one; what is not given
    bounds nothing.
    """
    day_s = 86_400
    first, last = seconds_of("2026-06-01"), seconds_of("2026-06-30") + day_s - 1
    days: CriteriaMember = {
        "prefixes": [],
        "produced_from": "2026-06-01",
        "produced_until": "2026-06-30",
    }

    assert read_criteria({"prefixes": ["A"]}) == Criteria(("A",), None, None)
    assert read_criteria(days) == Criteria((), first, last)
    assert read_criteria({"prefixes": [], "produced_from": "2026-06-01"}) == Criteria((), first, None)
    assert VALUES["criteria"]({"produced_from": "2026-06-01"}) == {
        "prefixes": [],
        "produced_from": "2026-06-01",
    }


@pytest.mark.parametrize(
    ("criteria", "says"),
    [
        ({"prefixes": []}, "not a list of texts"),
        ({"produced_from": ""}, "it says what it covers: beginnings of codes, or days of production"),
        ({}, "it says what it covers: beginnings of codes, or days of production"),
        (
            {"prefixes": [f"ZZ1{n:02}" for n in range(17)]},
            "a recall names at most 16 beginnings of codes: publish several",
        ),
        ({"models": ["A"]}, "it has prefixes, produced_from and produced_until, and nothing else"),
    ],
)
def test_a_recall_that_names_nothing_or_something_else_is_refused(criteria: Any, says: str) -> None:
    """
    Neither everything of a maker by omission, nor a restriction that nobody reads.
    """
    with pytest.raises(ValueError, match=f"^{says}$"):
        VALUES["criteria"](criteria)


def test_where_no_gs1_company_is_read_none_is_recalled() -> None:
    """
    Rules without GS1 prefixes: the namespace is refused as one of none, with 400.
    """
    with pytest.raises(
        ProblemError, match=r"no GS1 company prefix that codes are read by here: $"
    ) as refused:
        namespace_of("gs1:9521001", {})

    assert refused.value.status == 400


EVENTS = Lifecycle.parse(json.loads(LIFECYCLE.read_text())).events
TAKEN_OUT: dict[str, Any] = {"facility_licence": "L", "children": "A,B", "fates": "reuse,recycle"}
TESTED: dict[str, Any] = {"method": "m", "measured_on": "2026-11-02", "soh_permille": 900, "cycles": 4}
EXPORTED_USED: dict[str, Any] = {
    "contract_reference": "INV-1", "soh_permille": 900, "soh_date": "2026-11-01", "packaging": "crate",
}  # fmt: skip
MORNING = seconds_of("2026-11-02") + 6 * 3_600  # six o'clock, UTC


def read(event: str, members: dict[str, Any], happened: int = MORNING) -> Any:
    return read_members(EVENTS[event], members, lambda text, *_: Identifier("gbt34014", "", text), happened)


def test_all_that_is_wrong_with_a_form_is_told_at_once_by_member() -> None:
    """
    What is missing, what cannot be read and what cannot be; an amount within its bounds is in nobody's way.
    """

    def wrong(**changes: str) -> dict[str, str]:
        said = {"method": "m", "measured_on": "2026-11-02", "soh_permille": "900", **changes}
        found = wrong_members(EVENTS["soh.measured"], said, lambda text, *_: Identifier("gbt34014", "", text))
        return {name: problem.code for name, problem in found.items()}

    assert wrong() == {}
    assert wrong(method="", measured_on="soon", soh_permille="100000") == {
        "method": "members_malformed",
        "measured_on": "members_malformed",
        "soh_permille": "value_impossible",
    }


@pytest.mark.parametrize(
    ("event", "members", "says"),
    [
        ("battery.dismantled", {"fates": "reuse"}, "fates has 1, children has 2: give one for each"),
        (
            "battery.dismantled",
            {"fates": "reuse,reuse,reuse"},
            "fates has 3, children has 2: give one for each",
        ),
        (
            "soh.measured",
            {"measured_on": "2026-11-03"},
            "measured_on is 2026-11-03, and it happened by 2026-11-02",
        ),
        ("soh.measured", {"measured_on": "2999-01-01"}, "a day that has not begun anywhere yet"),
    ],
)
def test_members_that_contradict_each_other_are_refused(
    event: str, members: dict[str, str], says: str
) -> None:
    """
    Whatever of one statement cannot be true together: lists that go along each other, a test after the event
    that tells of it.
    """
    lawful = {"battery.dismantled": TAKEN_OUT, "soh.measured": TESTED}[event]
    read(event, lawful)

    with pytest.raises(ProblemError, match=says) as refused:
        read(event, lawful | members)
    assert (refused.value.status, refused.value.code) == (422, "value_impossible")


@pytest.mark.parametrize(
    ("event", "member"), [("market.placed", "art_41_checked"), ("used.exported", "not_waste")]
)
def test_what_the_law_wants_declared_is_declared_or_not_stated(event: str, member: str) -> None:
    """
    Art 41, Annex XIV: who says that the checks are not done, or that it is waste, places nothing on the
    market and sends nothing off as used; that is refused before it is signed.
    """
    others = {"market.placed": {}, "used.exported": EXPORTED_USED}[event]
    read(event, {**others, member: "yes"})

    for no in (False, "false", "no"):
        with pytest.raises(ProblemError, match="true") as refused:
            read(event, {**others, member: no})
        assert refused.value.status in (400, 422)


def test_a_day_has_begun_where_it_begins_first() -> None:
    """
    A test is of the day on which it happened wherever that was: fourteen hours before that day begins in UTC.
    """
    begins = seconds_of(TESTED["measured_on"]) - 14 * 3_600

    assert read("soh.measured", TESTED, begins)["measured_on"] == TESTED["measured_on"]
    with pytest.raises(ProblemError, match="it happened by 2026-11-01"):
        read("soh.measured", TESTED, begins - 1)


def vin(text: str, kind: str) -> Identifier:
    return Identifier(kind, "", text.replace(" ", "").upper())


def test_a_vehicle_is_named_once_however_often_it_is_written() -> None:
    """
    Beside the members or among them, in whatever spelling; two different ones are nobody's (L18).
    """
    for given in ({}, {"vin": "zz9 dem0e0t0000081"}):
        members: dict[str, Any] = dict(given)
        name_vehicle(members, "ZZ9DEM0E0T0000081", vin)
        assert members == {"vin": "ZZ9DEM0E0T0000081"}
    members = {"vin": "ZZ9DEM0E0T0000082"}
    name_vehicle(members, None, vin)
    assert members == {"vin": "ZZ9DEM0E0T0000082"}
    with pytest.raises(ProblemError) as caught:
        name_vehicle(members, "ZZ9DEM0E0T0000081", vin)
    assert caught.value.parameters["given"] == ("ZZ9DEM0E0T0000081", "ZZ9DEM0E0T0000082")
