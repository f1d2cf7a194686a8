"""The page of one line as an officer uses it: the word, what he may do, the goods, and the audit below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from credentials.verdicts.severity import ORDER
from node.catalogues import LANGUAGES, sentences
from node.web.checks import sections
from node.web.passport_read import COMPARED, GLANCE, glance
from tests.harness.support_service import ROLES, LiveNode, live_node
from tests.node.test_pages import BROWSER, Reader
from tests.node.test_watching import GOODS, code_of, issue, item

SERIAL, UNKNOWN = 91, 99
DECLARED_KG = 700.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("desk"), ROLES) as running:
        issue(running, SERIAL)
        yield running


@pytest.fixture(scope="module")
def consignment(node: LiveNode) -> str:
    """A battery that is declared with another mass than its passport names, and one nobody knows."""
    lines = [
        {"line": 1, "battery": code_of(SERIAL), **GOODS, "mass_kg": DECLARED_KG},
        {"line": 2, "battery": code_of(UNKNOWN), **GOODS},
        {"line": 3, "battery": code_of(SERIAL), **GOODS},
    ]
    manifest = {"declaration": "26NLDESK1", "law_date": "2027-03-01", "direction": "import", "lines": lines}
    made: str = node.post_json("/consignments", manifest).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}")["state"] == "done", "the verdicts")
    return made


def shown(node: LiveNode, consignment: str, line: int, query: str = "") -> str:
    answer = node.person.get(f"/consignments/{consignment}/items/{line}{query}", headers=BROWSER)
    assert answer.status_code == 200, answer.text[:400]
    return answer.text


def rows_of(text: str) -> dict[str, list[str]]:
    """The rows of what is held against the goods, by their first cell."""
    table = text.partition('<table class="stack glance">')[2].partition("</table>")[0]
    found = {}
    for row in table.split("<tr ")[1:]:
        cells = [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.split(r"</t[hd]>", row)[:-1]]
        found[cells[0].rpartition("> ")[2].rpartition('">')[2]] = [
            cell.rpartition('">')[2] for cell in cells[1:]
        ]
    return found


@pytest.mark.check
def test_the_passport_is_read_beside_what_is_declared(node: LiveNode, consignment: str) -> None:
    """
    Maker, model, category, chemistry, mass and capacity stand in words, and the row that the checks say
    differs is marked; without a passport only what is declared is there, and that is said.
    """
    rows = rows_of(shown(node, consignment, 1))

    assert rows["Mass"] == ["700.0 kg", "452.5 kg", "differs"]
    assert rows["Maker"] == ["–", "Everything Ltd (invented)", "compare by eye"]
    assert "NMC" in rows["Chemistry"][1] and rows["Category"][1] == "electric vehicle"
    assert rows["Capacity"][1].endswith(" Ah") and "China" in rows["Made at"][1]
    assert rows["Declared as"][0] == "new" and rows["Goods"][0].startswith("battery")

    unknown = shown(node, consignment, 2)
    assert set(rows_of(unknown)) == {"Declared as", "Goods"}
    assert "only what is declared is shown" in unknown


def test_a_row_says_the_worst_of_what_the_checks_say() -> None:
    """A row agrees only where a check passed and none failed or was not made; else it is for the eye."""
    line = {"mass_kg": 1.0, "checks": []}
    for outcomes, word in (
        ((), "by_eye"), (("pass",), "agrees"), (("pass", "not_checked"), "unknown"),
        (("pass", "not_checked", "fail"), "differs"), (("not_applicable",), "by_eye"),
    ):  # fmt: skip
        checks = [{"name": "mass", "outcome": outcome} for outcome in outcomes]
        (row,) = glance({**line, "checks": checks}, None)
        assert (row.name, row.declared, row.compared) == ("mass", "1.0 kg", word)


@pytest.mark.check
def test_the_first_screen_is_the_decision_and_the_audit_is_folded(node: LiveNode, consignment: str) -> None:
    """
    Word, reason, next step and what the officer may do stand before anything folded; below, what failed is
    open and what passed is one line; unfolded, all is open; nothing is only in one of the two.
    """
    text = shown(node, consignment, 1)
    first, audit = unescape(text).split("<h2>Why:", 1)
    verdict = item(node, consignment)

    assert verdict["verdict"] == "hold" and verdict["text"] in first and verdict["next"] in first
    assert "What you may do." in first and "You may suspend release" in first
    assert "<details" not in first.partition('id="main"')[2].replace("<details><summary>Row by row", "")
    folds = re.findall(
        r'<details class="panel fold[^"]*"[^>]*?( open)?>\s*<summary>(.*?)</summary>', audit, re.S
    )
    state = {re.sub(r"<[^>]+>", "", name).strip(): bool(opened) for opened, name in folds}
    assert [name for name, opened in state.items() if opened] == ["What failed 1"]
    assert any(name.startswith("What passed") for name in state)
    assert any(name.startswith("The whole passport") for name in state)

    whole = shown(node, consignment, 1, "?unfolded=1")
    assert '<details class="panel fold">' not in whole
    words = set(Reader(text).text.split()) - set(Reader(whole).text.split())
    assert words <= {"Unfold", "everything"}


def test_what_is_said_of_many_checks_for_one_reason_is_said_once() -> None:
    """
    Checks that could not be made for one reason are one line with all their names; one with evidence of its
    own, another reason or an age stays by itself, and the section counts them all.
    """
    unmade: dict[str, Any] = {"outcome": "not_checked", "reason": "not_found", "text": "It is not known."}
    checks = [
        {**unmade, "name": "parse", "evidence": {"height": 7}},
        {**unmade, "name": "proof"},
        {**unmade, "name": "status", "reason": "stale", "text": "It is old."},
        {**unmade, "name": "schema"},
        {**unmade, "name": "fresh", "age_s": 4},
    ]

    (section,) = sections(checks)

    assert section.count == 5
    assert [row.names for row in section.rows] == [["parse"], ["proof", "schema"], ["status"], ["fresh"]]
    assert section.rows[0].evidence == [{"height": 7}]


def test_each_word_says_what_the_reader_may_do_in_each_language() -> None:
    for section, names in (
        ("may", ORDER),
        ("glance", [row[0] for row in GLANCE]),
        ("compared", [*(word for word, _ in COMPARED), "by_eye"]),
    ):
        for name in names:
            assert all(sentences()[section][name][language] for language in LANGUAGES), (section, name)
