"""The maker's form: fields by category from the tables that completeness reads, signed as it was shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from credentials.documents.issuer import PASSPORT_SCHEMA
from node.catalogues import READ_IN
from node.config import read_table, schemas, shipped
from node.issuing.passport_fields import (
    FormField,
    FormGroup,
    PassportFields,
    _kind_of_object,
    each_field,
    each_group,
)
from node.issuing.passport_form import FormTexts, offset_of, read_form, rows_of, shown
from node.web.sample import sample_claims
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import CODE, LiveNode, live_node

PERSON = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
MASS, RENEWABLE = "GeneralProductInformation.batteryMass", "Circularity.renewableContent"
INPUT, SELECTED = re.compile(r"<input ([^>]*)>"), re.compile(r'value="([^"]*)" selected')
NAME, VALUE = re.compile(r'name="([^"]*)"'), re.compile(r'value="([^"]*)"')
PATHS = read_table("passport-paths.json", shipped("rules/passport-paths.json"))
POINTS = read_table("eu-datapoints-v2.json", shipped("rules/eu-datapoints-v2.json"))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("form")) as made:
        yield made


def filled(text: str) -> dict[str, str]:
    """What a browser would send of the form on this page."""
    form = re.search(r'<form id="passport-form".*?</form>', text, re.S)
    assert form is not None, text[:3000]
    found: dict[str, str] = {}
    for one in INPUT.findall(form[0]):
        name, value = NAME.search(one), VALUE.search(one)
        if name is not None:
            found[name[1]] = unescape(value[1]) if value else ""
    for name, value in re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', form[0], re.S):
        found[name] = unescape(value)
    for name, options in re.findall(r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', form[0], re.S):
        chosen = SELECTED.search(options)
        found[name] = chosen[1] if chosen else ""
    return found


def sent(node: LiveNode, form: Mapping[str, str], **more: str) -> tuple[int, str, str]:
    """(status, page, where it leads) of a form that is sent, as a browser sends lines."""
    fields = {name: value.replace("\n", "\r\n") for name, value in {**form, **more}.items()}
    answer = node.person.post("/passports/new", data=fields, headers=PERSON)
    return answer.status_code, answer.text, answer.headers.get("Location", "")


def shown_in(text: str) -> str:
    found = re.search(r'name="shown" value="([^"]*)"', text)
    assert found is not None, re.findall(r'class="error".*', text)
    return found[1]


@pytest.mark.parametrize("category", ["EV", "LMT", "industrial"])
def test_a_form_asks_for_each_data_point_of_its_category_and_for_no_other(category: str) -> None:
    """
    Each data point that the table asks of a category, now or later, is answered by a field or a group; no
    field answers another one; each has a label in every language, each choice too.
    """
    fields = PassportFields(category, schemas()[PASSPORT_SCHEMA["id"]], PATHS, POINTS)
    sections = fields.sections(lambda _: 1)
    later = {dp for rule in POINTS["phasedObligations"] for dp in rule["dps"]}
    wanted = {
        row["dp"]
        for row in POINTS["dataPoints"]
        if (row[category] != "not-to-be-filled" or row["dp"] in later)
        and next(iter(PATHS["dataPoints"][str(row["dp"])].values()))
    }
    parts: list[FormField | FormGroup] = [*each_field(sections), *each_group(sections)]
    asked = {dp for one in parts for dp in one.asked.points}
    terms = read_table("terms.toml", shipped("terms.toml"))
    names = {step for one in parts for step in one.path.split(".") if not step.isdecimal()}
    choices = {choice for one in each_field(sections) for choice in one.choices}

    assert {one.kind for one in each_group(sections)} <= {"object", "list", "item"}
    paths = [one.path for one in each_field(sections)]
    assert len(paths) == len(set(paths)), "each is asked for in one section"
    either = [dp for one in each_field(sections) if one.asked.either for dp in one.asked.points]
    assert {dp for dp in either if either.count(dp) > 1} == {*either} >= {5, 47}, "one of several is enough"
    assert all("any" in PATHS["dataPoints"][str(dp)] for dp in either)
    # 1 and 6 are the code and the category, with which a form begins.
    assert asked - {1, 7} == wanted - {1, 6, 7} and len(wanted) > 40
    assert all(set(READ_IN) <= terms["field"][name].keys() for name in names)
    assert all(set(READ_IN) <= terms["choice"][name].keys() for name in choices | {*PATHS["categories"]})


def test_of_several_shapes_the_one_with_names_is_shown_or_the_first() -> None:
    """
    Where none has names, the first says which kind of text it is.
    """
    text, names = {"type": "string"}, {"type": "object", "properties": {}}

    assert _kind_of_object({"anyOf": [text, names]}) == names
    assert _kind_of_object({"anyOf": [text, {"type": "number"}]}) == text
    assert _kind_of_object(text) == text


@pytest.mark.parametrize("category", ["EV", "LMT"])
def test_what_a_form_shows_is_what_it_reads(category: str) -> None:
    """
    Claims become texts and these the same claims again, typed anew or left as they are; a whole number has
    no point, and a moment is of the clock that the form is filled in by.
    """
    claims = claims_of(1)
    rows = rows_of(claims)
    fields = PassportFields(category, schemas()[PASSPORT_SCHEMA["id"]], PATHS, POINTS)
    sections = fields.sections(lambda path: rows.get(path, 0))
    claims, problems = read_form(shown(claims, sections, "+08:00"), sections, claims, category)
    texts = shown(claims, sections, "+08:00")

    assert problems == {} and len(texts.fields) > 40
    assert not [text for text in texts.fields.values() if text.endswith(".0")]
    emptied = FormTexts({}, "+08:00", "")
    bare, problems = read_form(emptied, sections, claims, category)
    assert problems == {} and len(shown(bare, sections, "+08:00").fields) < 5
    typed, problems = read_form(texts, sections, bare, category)
    assert problems == {} and shown(typed, sections, "+08:00").fields == texts.fields


def test_a_form_is_empty_where_nobody_said_anything(node: LiveNode) -> None:
    """
    Outside a demonstration a form begins with a question, then says of the battery what its code is, and
    nothing else; what the law asks for is counted as missing, each with a link to its field.
    """
    begun = node.person.get("/passports/new", headers=PERSON).text
    empty = node.person.get(f"/passports/new?code={CODE}&category=ev", headers=PERSON).text
    form = filled(empty)
    said = {name: value for name, value in form.items() if name.startswith("f-") and value}
    links = re.findall(r'<a href="#(f-[^"]*)">', empty)

    assert "passport-form" not in begun and '<option value="lmt"' in begun
    assert said == {"f-GeneralProductInformation.productIdentifier": f"urn:comity:item:gbt34014:{CODE}"}
    assert f"requires on 2027-02-18: {len(links)} data points" in empty
    assert len(links) > 40 and all(f'id="{link}"' in empty for link in links)


def test_what_is_missing_is_counted_and_what_is_wrong_stays_beside_its_field(node: LiveNode) -> None:
    """
    A form of a model has what the model says; a value out of its range is told beside its field with what
    was typed, and nothing is signed; what a category need not have by a day is not called missing.
    """
    claims = sample_claims(node.service, code_of(1))
    claims = {**claims, "Circularity": {**claims["Circularity"], "renewableContent": None}}
    del claims["Circularity"]["renewableContent"], claims["SupplyChainDueDiligence"]
    node.post_json("/models", {"name": "G6", "claims": claims})
    page = node.person.get(f"/passports/new?code={code_of(1)}&category=ev&model=G6", headers=PERSON).text
    form = filled(page)

    assert '<a href="#f-Circularity.renewableContent">24: ' in page
    assert "Missing of what the EU requires on 2027-02-18: 1 data point" in page
    status, text, _ = sent(node, form, do="count", placed_on="2027-08-18")
    assert status == 200 and "on 2027-08-18: 2 data points" in text
    status, text, _ = sent(node, form, do="count", **{f"f-{RENEWABLE}": "12,5"})
    assert "Nothing is missing that the EU requires on 2027-02-18" in text and "<html" not in text

    wrong = {f"f-{MASS}": "-5", "f-Labels.declarationOfConformity": "drawer 4"}
    status, text, _ = sent(node, form, do="check", **wrong)
    assert status == 400 and 'name="shown"' not in text
    assert "-5 is not above 0." in text and "drawer 4 is no address" in text
    assert filled(text) == {**form, **wrong}


def test_a_form_signs_exactly_what_it_showed(node: LiveNode) -> None:
    """
    What would be signed is shown set by set before; another value than the one shown signs nothing, nor does
    a gap that nobody agreed to; then the passport says what the form said, and its page leads to a new
    version, to suspension and to revocation.
    """
    code = code_of(2)
    claims = sample_claims(node.service, code)
    del claims["Circularity"]["renewableContent"]
    node.post_json("/models", {"name": "G7", "claims": claims})
    form = filled(node.person.get(f"/passports/new?code={code}&category=ev&model=G7", headers=PERSON).text)
    form |= {f"f-{MASS}": "460.5", "do": "check"}

    status, text, _ = sent(node, form)
    shown = shown_in(text)
    assert status == 200 and "What will be signed" in text and "460.5" in text
    other, text, _ = sent(node, {**form, f"f-{MASS}": "461.5"}, shown=shown)
    assert other == 409 and "look at it again" in text
    lacking, text, _ = sent(node, form, shown=shown)
    assert lacking == 422 and "24 " in text and filled(text)[f"f-{MASS}"] == "460.5"
    signed, _, where = sent(node, form, shown=shown, gaps="yes")
    assert signed == 303

    node.wait(lambda: node.get_json(where)["receipted_at"] is not None, "the receipt")
    sets = node.get_json(where)["sets"]
    told = node.get_json(f"/documents/{sets['1']}")["credentialSubject"]
    assert told["GeneralProductInformation"]["batteryMass"] == 460.5
    assert told["CarbonFootprint"] == claims["CarbonFootprint"], "what no data point asks for is kept"
    page = node.person.get(where, headers=PERSON).text
    renewing = re.search(r'href="(/passports/new\?from=[^"]*)"', page)
    act = re.search(r'href="(/acts\?[^"]*passport\.suspended[^"]*)"', page)
    assert renewing is not None and act is not None and "/revoke" in page
    suspending = node.person.get(unescape(act[1]), headers=PERSON).text
    assert f'value="{where.rpartition("/")[2]}"' in suspending

    form = filled(node.person.get(renewing[1], headers=PERSON).text) | {f"f-{RENEWABLE}": "3"}
    _, text, _ = sent(node, form)
    signed, _, newer = sent(node, form, shown=shown_in(text))
    assert signed == 303 and node.get_json(newer)["version"] == 2
    late = node.person.get(renewing[1], headers=PERSON)
    assert late.status_code == 409 and "correct that one" in late.text, "it would take back what is corrected"


def test_a_list_is_made_longer_and_items_are_told_apart(node: LiveNode) -> None:
    """
    One more item appears where it is asked for, with all that was typed; an item that a data point names is
    signed as that one, one that is left empty is not signed, and the moment of reading is said once for all.
    """
    listed = "MaterialComposition.batteryMaterials"
    form = filled(node.person.get(f"/passports/new?code={code_of(3)}&category=ev", headers=PERSON).text)
    form |= {f"f-{listed}.0.batteryMaterialName": "Nickel"}
    _, text, _ = sent(node, form, add=listed)
    form = filled(text)
    assert f"f-{listed}.1.batteryMaterialName" in form and f"f-{listed}.2.batteryMaterialName" not in form
    assert form[f"f-{listed}.0.batteryMaterialName"] == "Nickel"

    lead = {"f-Circularity.recycledContent.3.postConsumerShare": "85"}
    state = {"f-Performance.batteryCondition.stateOfCharge.stateOfChargeValue": "30"}
    _, text, _ = sent(node, {**form, **lead, **state, "measured": "2026-06-17T09:14"}, do="check")
    assert "say in which zone the times of this form are" in unescape(text).lower()
    zoned = {**form, **lead, **state, "measured": "2026-06-17T09:14", "utc_offset": "+08:00"}
    _, text, _ = sent(node, zoned, do="check")
    whole = unescape(text)
    assert (
        '"recycledMaterial": "Lead"' in whole and "Cobalt" not in re.findall(r"<pre.*?</pre>", whole, re.S)[0]
    )
    assert '"lastUpdate": "2026-06-17T09:14:00+08:00"' in whole


def test_a_form_that_was_changed_on_the_way_is_refused(node: LiveNode, tmp_path: Path) -> None:
    """
    A base that is no object, a category that is none, a field at no place: told, and nothing is signed.
    """
    form = filled(node.person.get(f"/passports/new?code={CODE}&category=ev", headers=PERSON).text)
    before = len(node.get_json("/passports")["passports"])

    for changed in (
        {"base": "[1]"},
        {"base": "{"},
        {"category": "boat"},
        {"code": ""},
        {"placed_on": "soon"},
    ):
        status, _, _ = sent(node, {**form, **changed}, do="check")
        assert status == 400, changed
    for strange in ("f-a.99999999999.b", "f-Labels.labels.63.labelingSymbol", "f-..", "f-0.0.0"):
        status, text, _ = sent(node, {**form, strange: "https://x.example"}, do="check")
        assert status in (200, 400) and len(text) < 1_000_000, strange
    assert len(node.get_json("/passports")["passports"]) == before


@pytest.mark.parametrize(
    ("claims", "offset"),
    [
        ({"at": "2027-03-01T08:30:00+02:00"}, "+02:00"),
        ({"at": "2027-03-01T08:30:00Z"}, "Z"),
        ({"at": "2027-03-01T08:30:00"}, ""),
        ({"at": "2027-03-01T08:30:00", "then": [{"at": "2027-03-01T08:30:00-05:00"}]}, "-05:00"),
        ({"of": "x+02:00"}, ""),
    ],
)
def test_the_zone_of_claims_is_that_of_their_first_moment(claims: Any, offset: str) -> None:
    """
    Wherever it stands; what is no moment has none.
    """
    assert offset_of(claims) == offset
