"""What is on record about suppliers: figures by the ledger, what is not known, two side by side, files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.sheets import rows_of
from node.storage.requested_sets import RequestedRow
from node.use_cases import supplier_audit
from tests.harness.governed_node import others
from tests.harness.ledger import IMPORTER, MAKER
from tests.harness.support_service import DID, LiveNode, live_node
from tests.node.test_watching import issue

DAY_S = 86_400


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node that issued one passport; a maker is there that said nothing."""
    with live_node(tmp_path_factory.mktemp("suppliers"), others=others(IMPORTER)) as made:
        issue(made, 1)
        made.wait_quiet()
        yield made


def figures(answer: Any) -> list[dict[str, Any]]:
    return [{one["name"]: one for one in shown["figures"]} for shown in answer["suppliers"]]


def test_two_suppliers_stand_side_by_side_with_what_each_figure_is_of(node: LiveNode) -> None:
    """
    Statements, their lateness, refusals, keys, cases and answers of two parties, each with how many records
    it is computed from and as of which height; of who said nothing the lateness is not known, and not nought.
    """
    office, now = node.service.stores.office, int(time.time())
    for n, answered in enumerate((now - 5, None)):
        asked = RequestedRow(
            0, bytes([n]) * 32, DID, MAKER, now - 65, "duties", "why", b"s" * 32, '[[1, "x", 2]]', "", "",
            b"", "open" if answered is None else "given", "", answered,
        )  # fmt: skip
        with office.writing() as db:
            office.requested.put(db, asked)

    answer = node.get_json(f"/suppliers?party={DID}&party={MAKER}")

    own, maker = figures(answer)
    assert answer["height"] == node.get_json("/status")["height"] or answer["height"] > 0
    leaves = node.service.stores.ledger.leaves.newest_of_issuer(DID, 0, 1000)
    assert own["statements"]["value"] == own["statements"]["of"] == len(leaves) > 0
    assert own["late_median"]["value"] is not None and own["late_median"]["of"] == len(leaves)
    assert maker["statements"]["value"] == 0
    assert [maker[name]["value"] for name in ("late_median", "late_tenth", "refused_share")] == [None] * 3
    assert (maker["answer_median"]["value"], maker["answer_median"]["of"]) == (60, 1)
    assert (maker["requests_waiting"]["value"], maker["answer_median"]["source"]) == (1, "node")
    assert maker["key_age"]["value"] > 0 and own["keys_stolen"]["value"] == 0
    one_refused = [replace(leaves[0], type="refused"), *leaves[1:]]
    of = {one["name"]: one["value"] for one in supplier_audit._statements(one_refused, {})}
    assert (of["statements"], of["refused"], of["late_median"]) == (len(leaves) - 1, 1, None)
    assert of["refused_share"] == 100 / len(leaves)
    page = node.person.get(f"/suppliers?party={DID}&party={MAKER}", headers={"Accept": "text/html"}).text
    assert "not known" in page and "the ledger: the same at every node" in page


def test_figures_are_saved_and_what_is_asked_wrongly_is_told(node: LiveNode) -> None:
    """
    As CSV and XLSX: a row a figure, with the height; a third supplier, and nobody's DID, are refused.
    """
    for form in ("csv", "xlsx"):
        rows = [*rows_of(node.get(f"/suppliers.{form}?party={DID}").data)]
        assert (
            rows[0].cells[:2] == (("figure", "unit") if form == "csv" else ("Figure", "Unit"))
            and len(rows) == 12
        ), rows
        assert "the ledger: the same at every node" in rows[1].cells
    assert node.get(f"/suppliers?party={DID}&party={MAKER}&party={IMPORTER}").status_code == 400
    assert node.get("/suppliers?party=did:web:nobody.example").status_code == 400
    assert node.get(f"/suppliers.pdf?party={DID}").status_code == 404
    page = node.person.get("/suppliers", headers={"Accept": "text/html"}).text
    assert "Choose a supplier" in page


def test_a_long_record_is_looked_at_in_part_and_says_so(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of a party with more statements than are read the newest are, and the answer says that there are more.
    """
    assert not node.get_json(f"/suppliers?party={DID}")["suppliers"][0]["more"]
    monkeypatch.setattr(supplier_audit, "STATEMENTS_READ_MAX", 1)
    (shown,) = node.get_json(f"/suppliers?party={DID}")["suppliers"]
    assert shown["more"] and shown["figures"][0]["of"] == 1


def test_how_many_stand_side_by_side_is_told(node: LiveNode) -> None:
    """
    Two; a third is refused with that number.
    """
    asked = "&".join(f"party=did:web:{name}.example" for name in "abc")
    refused = node.get(f"/suppliers?{asked}")

    assert refused.status_code == 400 and "At most 2 suppliers" in refused.get_json(force=True)["detail"]
