"""What a recall would reach is looked at before it is signed, and is what it reaches once it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.support_service import LiveNode, live_node
from tests.node.test_pages import BROWSER
from tests.node.test_watching import code_of, issue, item, judged

FIRST, SECOND, OTHER = 1, 2, 30
pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Three batteries of this node's make; two of them are on an open consignment."""
    with live_node(tmp_path_factory.mktemp("reach")) as made:
        for serial in (FIRST, SECOND, OTHER):
            issue(made, serial)
        yield made


def test_what_is_shown_before_is_what_the_recall_reaches(node: LiveNode) -> None:
    """
    By the beginning of codes: two batteries made here, one of them on an open line, and nothing is signed by
    looking. Once the recall is published that line is recalled, and the one beside it is not.
    """
    size = node.service.stores.ledger.log_size()
    consignment = judged(node, "26NLREACH", FIRST, OTHER)
    begins = code_of(FIRST)[:-1]
    found = node.get_json(f"/supervision/recall-reach?namespace=gbt34014:zz1&prefixes={begins}")

    assert (found["batteries"], found["codes"]) == (2, [code_of(FIRST), code_of(SECOND)])
    assert found["lines"] == [{"consignment": consignment, "line": 1, "battery": code_of(FIRST)}]
    assert (found["lines_found"], found["more"], found["others"]) == (1, False, "not_checked")
    assert node.service.stores.ledger.log_size() == size

    members = {"reason": "cells", "criteria": {"prefixes": [begins]}}
    recall = {"event": "recall.published", "battery": "gbt34014:ZZ1", "members": members}
    assert node.post_json("/attestations", recall).status_code == 201

    def recalled(line: int) -> bool:
        reasons = {check["reason"] for check in item(node, consignment, line)["checks"]}
        return "recalled" in reasons

    node.wait(lambda: recalled(1), "the recall on the line")
    assert not recalled(2)


def test_days_of_production_are_asked_of_code_and_record(node: LiveNode) -> None:
    """A day on which nothing was made reaches nothing; without an end every later day is reached."""
    asked = "/supervision/recall-reach?namespace=gbt34014:ZZ1"
    assert node.get_json(f"{asked}&produced_from=2001-01-01&produced_until=2001-12-31")["batteries"] == 0
    assert node.get_json(f"{asked}&produced_from=2001-01-01")["batteries"] == 3


@pytest.mark.parametrize(
    "asked",
    [
        "prefixes=ZZ1",
        "namespace=gbt34014:ZZ1",
        "namespace=ZZ1&prefixes=x",
        "namespace=gbt34014:ZZ1&produced_from=today",
    ],
)
def test_what_no_recall_can_say_is_told(node: LiveNode, asked: str) -> None:
    """400 with what is wrong, as whoever signs it would be told."""
    answer = node.get(f"/supervision/recall-reach?{asked}")
    assert answer.status_code == 400, answer.text


def test_the_page_shows_it_in_words(node: LiveNode, tmp_path: Path) -> None:
    """A form first; then how many, which, and what is not checked."""
    form = node.person.get("/supervision/recall-reach", headers=BROWSER)
    assert form.status_code == 200 and "Batteries with a passport" not in form.text
    page = node.person.get(
        f"/supervision/recall-reach?namespace=gbt34014:ZZ1&prefixes={code_of(OTHER)}", headers=BROWSER
    )
    assert code_of(OTHER) in page.text and "not checked" in page.text
