"""The tree of a pack, its modules and cells: what became of each, said only as far as it is on record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from credentials.documents.identifiers import Identifier
from node.storage.database import Database
from node.storage.documents import DocumentTable, StoredDocument
from node.storage.ledger import LedgerStore
from node.use_cases import parts_tree
from tests.harness.grown import filler
from tests.harness.support_service import ROLES, UNKNOWN_CODE, LiveNode, live_node
from tests.node.test_pages import BROWSER, Reader
from tests.node.test_store import commit
from tests.node.test_store import row as block_row
from tests.node.test_watching import code_of, issue

pytestmark = pytest.mark.check  # seven records, one after the other
OWN = (*ROLES, "workshop", "licensed_dismantler", "waste_operator", "recycler")
PACK = 301


def part(kind: str, serial: int) -> str:
    return code_of(serial).replace("PE", f"{kind}E", 1)


MODULES = [part("M", n) for n in (311, 312, 313)]
CELLS = [part("C", n) for n in (321, 322)]
STATED = ["recycle", "reuse", "missing"]


def act(node: LiveNode, event: str, battery: str, **members: Any) -> None:
    answer = node.post_json("/attestations", {"event": event, "battery": battery, "members": members})
    assert answer.status_code == 201, answer.text
    path = f"/attestations/{answer.get_json()['digest']}"
    node.wait(lambda: node.get_json(path)["state"] in ("admitted", "receipted"), event)


def taken_apart(node: LiveNode, battery: str, children: list[str], fates: list[str]) -> None:
    act(node, "battery.dismantled", battery, facility_licence="L-1", children=children, fates=fates)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A pack whose maker committed to three modules, taken apart; one of these taken apart once more."""
    with live_node(tmp_path_factory.mktemp("parts-tree"), OWN) as running:
        listed = {"battery": code_of(PACK), "parts": [{"code": code} for code in MODULES]}
        root = running.post_json("/parts/check", listed).get_json()["shown_root"]
        made = {"production_date": "2026-06-02", "category": "ev", "children_root": root}
        for serial in (PACK, 302):
            act(running, "battery.produced", code_of(serial), **made)
        act(running, "battery.declared_waste", code_of(PACK), reason="worn out")
        taken_apart(running, code_of(PACK), MODULES, STATED)
        taken_apart(running, MODULES[0], CELLS, ["recycle", "recycle"])
        act(running, "recycling.received", CELLS[0], facility_licence="L-1", mass_in_grams=900)
        running.wait_quiet()
        yield running


def tree(node: LiveNode, code: str, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = node.get_json(f"/parts/{code}{query}")
    return found


def by_code(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["code"]: one for one in made["nodes"]}


def codes(one: dict[str, Any]) -> list[str]:
    return [found["code"] for found in one["findings"]]


def test_pack_modules_and_cells_have_each_its_fate_and_a_proof_of_it(node: LiveNode) -> None:
    """
    Two levels below the pack, each by its code, with what kind of thing it is, the state on record, what its
    dismantler stated, and the receipt of the newest record of it.
    """
    made = tree(node, code_of(PACK))
    shown = by_code(made)

    assert made["nodes"][0]["relation"] == "self" and made["nodes"][0]["committed"] == "whole"
    assert set(shown) == {code_of(PACK), *MODULES, *CELLS}
    assert [shown[code]["object"] for code in (code_of(PACK), MODULES[0], CELLS[0])] == [
        "pack",
        "module",
        "cell",
    ]
    assert [shown[code]["under"] for code in CELLS] == [shown[MODULES[0]]["key"]] * 2
    assert shown[MODULES[0]]["state"] == "dismantled" and shown[CELLS[0]]["state"] == "in_recycling"
    for one in made["nodes"]:
        assert node.get(f"/receipts/{one['attestation']}").status_code == 200
        assert one["text"].endswith(".")


def test_what_was_stated_and_not_recorded_is_not_checked(node: LiveNode) -> None:
    """
    A cell that was to be recycled and that nobody received says so; one that was received does not; what is
    missing stands against the list; nothing is said of what its maker did not commit to.
    """
    shown = by_code(tree(node, code_of(PACK)))

    assert "part_fate_open" in codes(shown[CELLS[1]]) and "part_fate_open" not in codes(shown[CELLS[0]])
    assert codes(shown[MODULES[1]]) == ["part_fate_reuse"]
    missing = next(one for one in shown[MODULES[2]]["findings"] if one["code"] == "part_fate_missing")
    assert missing["outcome"] == "no"
    assert codes(shown[MODULES[0]]) == ["part_status", "part_fate_recycle"], (
        "its cells have fates of their own"
    )
    assert shown[MODULES[0]]["committed"] == "nothing"
    assert "Not checked whether these are all" in shown[MODULES[0]]["committed_text"]
    closed = tree(node, code_of(302))["nodes"][0]
    assert closed["committed"] == "closed" and "not checked" in closed["committed_text"]


def test_a_part_says_what_it_came_out_of(node: LiveNode) -> None:
    """
    From a cell the way leads up to its module, and from there to the pack.
    """
    above = [one for one in tree(node, CELLS[0])["nodes"] if one["relation"] == "taken_out_of"]
    assert [one["code"] for one in above] == [MODULES[0]]
    above = [one for one in tree(node, MODULES[0])["nodes"] if one["relation"] == "taken_out_of"]
    assert [one["code"] for one in above] == [code_of(PACK)]


def test_parts_come_a_page_at_a_time(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    So many parts at once, the others behind a link; of each part so many of its own.
    """
    monkeypatch.setattr(parts_tree, "PARTS_SHOWN", 2)
    monkeypatch.setattr(parts_tree, "INNER_SHOWN", 1)
    first = tree(node, code_of(PACK))
    second = tree(node, code_of(PACK), f"?after={first['more']}")

    assert first["more"] == 2 and second["more"] is None
    parts = [one["code"] for made in (first, second) for one in made["nodes"] if one["relation"] == "part"]
    assert sorted(parts) == sorted([*MODULES, CELLS[0]]) or sorted(parts) == sorted([*MODULES, CELLS[1]])
    split = next(one for made in (first, second) for one in made["nodes"] if one["code"] == MODULES[0])
    assert (split["parts"], split["shown"]) == (2, 1)


def test_later_records_hide_no_dismantling(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What took a part out is read by its leaf, not among the newest records of the battery: codes, fates and a
    proof are there however many records came since.
    """
    before = by_code(tree(node, code_of(PACK)))
    monkeypatch.setattr(parts_tree, "RECORDS_READ", 0)
    after = by_code(tree(node, code_of(PACK)))

    assert set(after) == set(before)
    for code in (*MODULES, *CELLS):
        assert codes(after[code]) == codes(before[code]), code
        assert node.get(f"/receipts/{after[code]['attestation']}").status_code == 200, code


def test_refused_records_push_no_admitted_one_out(tmp_path: Path) -> None:
    """
    The newest admitted records of a battery are the newest of those: a claim since is not counted among them.
    """
    subject = sha256(b"one battery").digest()
    said = [replace(filler(number), subject=subject) for number in range(3)]
    ledger = LedgerStore(tmp_path / "ledger.db")
    with closing(ledger):
        commit(ledger, 1, [*said, block_row(3, subject=subject)])
        admitted = ledger.leaves.newest_of_each([subject], 2, admitted=True)[subject]

    assert [row.digest for row in admitted] == [said[1].digest, said[2].digest]


def test_only_a_code_of_gbt34014_says_what_a_thing_is() -> None:
    """
    Another code of as many characters has no type in its fourth one.
    """

    def kind(scheme: str, text: str) -> str | None:
        code = Identifier(scheme, "", text)
        node = parts_tree._node(parts_tree._Read(bytes(32), None, None, code, {}, None), "self", None, 0)
        return node["object"]

    assert kind("gbt34014", MODULES[0]) == "module"
    assert kind("uri", "ab:C" + "x" * 20) is None


def test_a_page_beyond_the_last_part_names_no_part(node: LiveNode) -> None:
    """
    It says how many there are and leads back to the first.
    """
    page = node.person.get(f"/parts/{code_of(PACK)}?after=500", headers=BROWSER)
    assert page.status_code == 200
    assert "501" not in page.text and "0 of 3 parts of it are shown here" in Reader(page.text).text


@contextmanager
def statements(node: LiveNode) -> Iterator[list[str]]:
    """What SQL is run meanwhile."""
    said: list[str] = []
    databases: list[Database] = [node.service.stores.ledger._db, node.service.stores.office._db]
    for one in databases:
        one.connection.set_trace_callback(said.append)
    yield said
    for one in databases:
        one.connection.set_trace_callback(None)


def test_a_level_costs_the_same_however_many_are_on_it(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Five statements a level, whether a page has one part or three.
    """

    def cost() -> int:
        with statements(node) as said:
            node.service.parts_tree.of(code_of(PACK), "own_operator")
        return len(said)

    many = cost()
    monkeypatch.setattr(parts_tree, "PARTS_SHOWN", 1)
    few = cost()
    assert abs(many - few) <= 3, (many, few)  # one part may have none below it
    assert many <= 24


def test_no_passport_is_read_for_a_tree(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Bodies are read of events alone, which name parts and fates; of other documents only whose they are.
    """
    read: list[str] = []
    whole = DocumentTable.get_many

    def seen(table: DocumentTable, digests: Sequence[bytes]) -> dict[bytes, StoredDocument]:
        found = whole(table, digests)
        read.extend(one.kind for one in found.values())
        return found

    monkeypatch.setattr(DocumentTable, "get_many", seen)
    issue(node, PACK + 5)
    node.service.parts_tree.of(code_of(PACK + 5), "own_operator")
    node.service.parts_tree.of(code_of(PACK), "own_operator")
    assert set(read) == {"event"}


def test_the_page_has_the_tree_and_compares_what_is_typed(node: LiveNode) -> None:
    """
    The battery's page and what was found lead here; the page names each part; a list of codes is compared
    with what was committed to, a wrong one keeps what was typed.
    """
    path = f"/parts/{code_of(PACK)}"
    for where in (f"/batteries/{code_of(PACK)}", f"/find?q={code_of(PACK)}"):
        assert path in Reader(node.person.get(where, headers=BROWSER).text).links
    page = Reader(node.person.get(path, headers=BROWSER).text)
    assert "With a recycler, and not recycled yet." in page.text
    assert f"/batteries/{CELLS[0]}" in page.links

    def compared(text: str) -> tuple[int, str]:
        form = {"battery": code_of(302), "parts": text}
        answer = node.person.post("/parts/check", data=form, headers=BROWSER)
        return answer.status_code, answer.text

    status, text = compared("\n".join(MODULES))
    assert status == 200 and "Something on record stands against a part" in text
    status, text = compared(MODULES[0])
    assert status == 200 and "Not checked" in text
    status, text = compared("no code")
    assert status == 400 and ">no code</textarea>" in text and 'role="alert"' in text
    assert compared(" \n")[0] == 400


def test_it_is_for_people_of_the_node_and_says_what_it_does_not_know(node: LiveNode) -> None:
    """
    Strangers are asked to sign in; a code without a record is told as such, and a vehicle is no battery.
    """
    assert node.client.get(f"/parts/{code_of(PACK)}").status_code == 401
    assert node.get(f"/parts/{UNKNOWN_CODE}").get_json(force=True)["code"] == "battery_not_found"
    assert node.get("/parts/ZZ9DEM0E0T0000081").get_json(force=True)["code"] == "battery_expected"
    assert node.get(f"/parts/{code_of(PACK)}?after=x").status_code == 400
