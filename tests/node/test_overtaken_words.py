"""A word that the ledger has overtaken is told as such on every surface, until it is judged again (I9)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from node.cli.judge import _check_manifest
from node.verdicts import overtaking
from node.words import Words
from tests.harness.support_service import ROLES, LiveNode, live_node
from tests.node.test_pages import BROWSER, Reader
from tests.node.test_watching import attest, code_of, issue, item, judged

SAID = "Do not act on it: look again in a moment."
GREEN = ("chip v-clear", "row-clear")
DECLARATION = "26NLOVERTAKEN1"
TOUCHED, OTHER = 61, 62


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("overtaken"), (*ROLES, "waste_operator")) as running:
        for serial in (TOUCHED, OTHER):
            issue(running, serial)
        yield running


def held_back(patch: pytest.MonkeyPatch, node: LiveNode, *names: str) -> None:
    """What the consignments' thread does not do meanwhile: it runs, and finds nothing to do."""
    for name in names:
        owner = node.service.judging.watching if name == "look" else node.service.judging
        patch.setattr(owner, name, lambda: False)


def surfaces(node: LiveNode, made: str) -> dict[str, tuple[bool, bool]]:
    """Of each surface, whether it shows (the touched line, the other one) as being judged again."""
    told: dict[str, tuple[bool, bool]] = {}
    lines = [item(node, made, line) for line in (1, 2)]
    told["line, JSON"] = _both(lines)
    whole = node.get_json(f"/consignments/{made}")
    told["consignment, JSON"] = _both(whole["items"])
    assert whole["overtaken"] == sum(told["consignment, JSON"])
    (listed,) = (row for row in node.get_json("/consignments")["consignments"] if row["id"] == made)
    assert listed["overtaken"] == whole["overtaken"]
    exported = json.loads(node.get(f"/consignments/{made}/export.json").data)
    told["export.json"] = _both(exported["items"])
    assert exported["overtaken"] == whole["overtaken"]
    rows = list(
        csv.DictReader(io.StringIO(node.get(f"/consignments/{made}/export.csv").data.decode("utf-8-sig")))
    )
    told["export.csv"] = (SAID in rows[0]["overtaken"], SAID in rows[1]["overtaken"])
    feed = [json.loads(line) for line in node.get(f"/consignments/{made}/events").data.splitlines()]
    told["events"] = (feed[0]["overtaken"], feed[1]["overtaken"])
    found = [node.get_json(f"/find?q={code_of(s)}")["lines"] for s in (TOUCHED, OTHER)]
    told["find, JSON"] = _both(
        [next(one for one in f if one["consignment"] == made)["verdict"] for f in found]
    )
    told["line, page"] = _pages(node, *(f"/consignments/{made}/items/{line}" for line in (1, 2)))
    told["find, page"] = _pages(node, *(f"/find?q={code_of(s)}" for s in (TOUCHED, OTHER)))
    page = node.person.get(f"/consignments/{made}", headers=BROWSER).text
    rows_shown = [part.partition("</tr>")[0] for part in page.partition("<tbody>")[2].split("<tr ")[1:]]
    told["consignment, page"] = (SAID in rows_shown[0], SAID in rows_shown[1])
    for row, again in zip(rows_shown, told["consignment, page"], strict=True):
        assert again != any(mark in row for mark in GREEN)
    for path in ("/consignments", "/customs", "/importer"):
        shown = Reader(node.person.get(path, headers=BROWSER).text).text
        assert ("1 line being judged again" in shown) == bool(whole["overtaken"]), path
    return told


def _both(lines: list[dict[str, Any]]) -> tuple[bool, bool]:
    for line in lines:
        assert (SAID in line["overtaken_note"]) == line["overtaken"]
        assert line["verdict"] == "clear"
    return bool(lines[0]["overtaken"]), bool(lines[1]["overtaken"])


def _pages(node: LiveNode, *paths: str) -> tuple[bool, bool]:
    found = []
    for path in paths:
        page = node.person.get(path, headers=BROWSER).text
        again = SAID in page and "being judged again" in page
        assert again != any(mark in page for mark in GREEN), path
        found.append(again)
    return found[0], found[1]


def test_until_it_is_judged_again_no_surface_shows_an_overtaken_word_as_the_newest(node: LiveNode) -> None:
    """
    The watch has not looked; it has looked and nobody has judged; the time of the word is over: in each of
    these each surface says of this line, and of no other, that it is judged again. Then it has its word.
    """
    made = judged(node, DECLARATION, TOUCHED, OTHER)
    node.wait_quiet()
    office = node.service.stores.office
    ledger = node.service.stores.ledger
    node.wait(lambda: office.overtaken.watched_until() == ledger.log_size(), "the watch")
    node.wait(lambda: node.get_json(f"/consignments/{made}")["overtaken"] == 0, "the newest words")
    assert set(surfaces(node, made).values()) == {(False, False)}

    with pytest.MonkeyPatch.context() as patch:
        held_back(patch, node, "look", "_judge_overtaken")
        with office.writing() as db:
            db.execute("UPDATE items SET due = 1 WHERE consignment = ? AND line = 1", (made,))
        assert set(surfaces(node, made).values()) == {(True, False)}
        with office.writing() as db:
            db.execute("UPDATE items SET due = NULL WHERE consignment = ? AND line = 1", (made,))

        attest(node, "battery.declared_waste", TOUCHED, reason="worn")

        assert set(surfaces(node, made).values()) == {(True, False)}
        printed = checked(node, made)
        assert printed[0] == 2 and SAID in printed[1]
    with pytest.MonkeyPatch.context() as patch:
        held_back(patch, node, "_judge_overtaken")
        node.service.judging.wake()
        node.wait(lambda: office.overtaken.watched_until() == ledger.log_size(), "the watch")
        assert set(surfaces(node, made).values()) == {(True, False)}
    node.service.judging.wake()
    node.wait(lambda: item(node, made)["verdict"] != "clear", "the word")
    assert not item(node, made)["overtaken"] and item(node, made)["overtaken_note"] == ""


def checked(node: LiveNode, made: str) -> tuple[int, str]:
    """What `comity check` says of this manifest, which was sent before."""
    whole = node.get_json(f"/consignments/{made}")

    class Client:
        def post(self, path: str, body: Any) -> Any:
            return whole

        def get(self, path: str) -> Any:
            return whole

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("node.cli.judge.say", lambda text: print(text, file=said))
        code = _check_manifest(Client(), {"lines": []}, None, allow_gaps=False, as_json=False)  # type: ignore[arg-type]
    return code, said.getvalue()


def test_with_more_than_is_read_every_open_line_is_told_as_overtaken(node: LiveNode) -> None:
    """Of leaves too many to look through for a reader nobody says that they are about something else."""
    asked = node.service.consignments._overtaking
    size, height = node.service.stores.ledger.log_size(), node.service.overview.history.height
    assert asked._read_about(size - 1, size, height) is not None
    for name in ("LEAVES_READ_MAX", "VALUES_MAX"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(overtaking, name, 0)
            assert asked._read_about(size - 1, size, height) is None

    made = judged(node, "26NLOVERTAKEN2", OTHER)
    node.wait(lambda: not item(node, made)["overtaken"], "the newest word")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asked, "_about", lambda: None)
        assert item(node, made)["overtaken"] and node.get_json(f"/consignments/{made}")["overtaken"] == 1


def test_both_languages_say_that_a_word_is_being_given_anew(node: LiveNode) -> None:
    line = {**item(node, judged(node, "26NLOVERTAKEN3", OTHER)), "overtaken": True}
    for language, said in (("en", "ledger height"), ("zh", "正在重新判定")):
        words: Words = node.service.words[language]
        told = words.line(line)  # type: ignore[arg-type]
        assert said in told["overtaken_note"] and str(line["height"]) in told["overtaken_note"]
