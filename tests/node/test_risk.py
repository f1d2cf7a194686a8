"""Risk: what orders an officer's queue, with its evidence, and changes no word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from node.errors import SetupError
from node.oversight import risk
from node.oversight.risk import RiskIndicator, indicators
from tests.harness.governed_node import others
from tests.harness.ledger import OTHER_MAKER
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_alerts import listed, produced_again, settled
from tests.node.test_watching import attest, code_of, issue, item, judged

WHOLE = {"from": "verdict", "words": ["hold"], "weight": 1, "since": date(2026, 11, 29), "en": "a", "zh": "b"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("risk"), others=others(OTHER_MAKER)) as made:
        yield made


def ordered(node: LiveNode, consignment: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get_json(f"/supervision/consignments/{consignment}")["lines"]
    return found


def test_lines_are_ordered_by_what_is_known_of_them(node: LiveNode) -> None:
    """
    The line whose battery was recalled comes first with the alert that it rests on; equals keep the order of
    the manifest; the sum of a line is in no verdict, and once the alert is dealt with the line goes back.
    """
    for serial in (1, 2, 3):
        issue(node, serial)
    consignment = judged(node, "26NLRISK1", 1, 2, 3)
    before = [item(node, consignment, line)["verdict"] for line in (1, 2)]
    even = ordered(node, consignment)
    assert [row["line"] for row in even] == [1, 2, 3]

    attest(node, "battery.recalled", 3, reason="vents")
    node.wait(lambda: bool(listed(node, code="recalled")), "the alert")
    settled(node)

    first, *rest = ordered(node, consignment)
    (alert,) = listed(node, code="recalled")
    assert (first["line"], first["battery"]) == (3, code_of(3))
    assert alert["id"] in {one["alert"] for one in first["indicators"]}
    assert first["risk"] == sum(one["weight"] for one in first["indicators"]) > rest[0]["risk"]
    assert [row["line"] for row in rest] == [1, 2]
    assert [item(node, consignment, line)["verdict"] for line in (1, 2)] == before
    page = node.person.get(f"/supervision/consignments/{consignment}", headers={"Accept": "text/html"})
    assert f"/supervision/alerts/{alert['id']}" in page.text

    node.post_json(f"/supervision/alerts/{alert['id']}", {"act": "acknowledge"})
    again = next(row for row in ordered(node, consignment) if row["line"] == 3)
    assert all(one["alert"] != alert["id"] for one in again["indicators"])
    assert node.get("/supervision/consignments/nothing").status_code == 404


@pytest.mark.check
def test_no_word_changes_by_an_indicator(node: LiveNode) -> None:
    """
    A battery's code is produced a second time, which the ledger refuses: the honest line with it comes first
    in the queue, by the heaviest indicator. Judged again its word and reason are what they were, a warning
    names the refused record, and no check fails.
    """
    for serial in (4, 5):
        issue(node, serial)
    consignment = judged(node, "26NLRISK3", 4, 5)
    node.wait(lambda: item(node, consignment, 2)["verdict"] == "clear", "a clear word")
    assert [row["line"] for row in ordered(node, consignment)] == [1, 2]

    produced_again(node, 5)
    node.wait(lambda: bool(listed(node, rule="X2")), "the alert")
    node.wait(lambda: "duplicate_claimed" in reasons(node, consignment, "warn"), "it is judged again")

    first, second = ordered(node, consignment)
    assert (first["line"], second["line"]) == (2, 1) and first["risk"] > second["risk"]
    told = item(node, consignment, 2)
    assert (told["verdict"], told["reason"]) == ("clear", "ok")
    assert reasons(node, consignment, "fail") == set()


def reasons(node: LiveNode, consignment: str, outcome: str) -> set[str]:
    """Of the checks of the second line that ended so."""
    return {one["reason"] for one in item(node, consignment, 2)["checks"] if one["outcome"] == outcome}


def test_an_indicator_counts_from_its_day_on(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One whose day is to come counts nothing yet.
    """
    later = tuple(replace(row, since=1 << 40) for row in indicators())
    monkeypatch.setattr(risk, "indicators", lambda: later)
    consignment = judged(node, "26NLRISK2", 1)
    assert [row["risk"] for row in ordered(node, consignment)] == [0]


@pytest.mark.parametrize("spoiled", [{"from": "colour"}, {"weight": "1"}, {"since": "2026"}, {"zh": None}])
def test_a_row_that_is_not_whole_is_refused(spoiled: dict[str, Any]) -> None:
    """
    A row of another source, without a weight, a day or its words is refused by its name.
    """
    assert RiskIndicator.parse("a", WHOLE).weight == 1
    with pytest.raises(SetupError, match=r"risk\.toml: a "):
        RiskIndicator.parse("a", {**WHOLE, **spoiled})
