"""Two declarations at one node name one battery, and nothing is on record (I4): what a verdict says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from credentials.verdicts.clearance import clear_item
from credentials.verdicts.manifest import DeclaredHere, Line
from tests.credentials.test_shown import GOOD, PRESENTED, check, exported, shape
from tests.harness.border import DECLARATION, LAW_DATE, World, code, line_of, policy
from tests.harness.ledger import CUSTOMS, IMPORTER

OTHER = "26NLTEST000002"


NAME = f"gbt34014:{code(1)}"
OWN = DeclaredHere(DECLARATION, "c1", {NAME: 100}, frozenset([NAME]), 0)


def other(earlier: bool, number: int = 2) -> DeclaredHere:
    first = {NAME: number if earlier else 100 + number}
    return DeclaredHere(f"26NLTEST{number:06}", f"c{number}", first, frozenset(first), 1 << 40)


def told(w: World, text: str, others: Sequence[DeclaredHere], **judged: Any) -> dict[str, Any]:
    evidence = replace(w.evidence(text), declared=tuple(others), declared_as=OWN)
    return dict(w.judge(text, evidence=evidence, **judged).as_dict())


@pytest.fixture(scope="module")
def border() -> tuple[World, str]:
    w = World()
    return w, exported(w, 1)


def test_what_an_earlier_declaration_names_is_held(border: tuple[World, str]) -> None:
    """
    On the ground of documents, by X12, naming that declaration.
    """
    found = told(*border, [other(earlier=True)])

    assert (*shape(found), found["ground"]) == ("hold", "declared_before", "26(a)")
    (failed,) = (c for c in check(found, "manifest") if c["outcome"] == "fail")
    assert failed["rule"] == "X12" and failed["evidence"] == {
        "declarations": [{"declaration": OTHER, "consignment": "c2"}],
        "first": OTHER,
    }


def test_what_a_later_declaration_names_is_said(border: tuple[World, str]) -> None:
    """
    The first keeps its word, with a warning beside it.
    """
    found = told(*border, [other(earlier=False)])

    assert found["verdict"] in GOOD
    assert [(c["outcome"], c["reason"]) for c in check(found, "manifest")] == [
        ("pass", "ok"), ("warn", "declared_again"),
    ]  # fmt: skip


def test_the_earlier_ones_are_told_and_how_many_there_are(border: tuple[World, str]) -> None:
    """
    Nine others, one of them later: the eight earlier ones; ten: eight of ten, and the count.
    """
    nine = told(*border, [*(other(True, n) for n in range(2, 10)), other(False, 10)])
    ten = told(*border, [other(True, n) for n in range(2, 12)])
    few, many = (check(found, "manifest")[-1]["evidence"] for found in (nine, ten))

    assert [d["consignment"] for d in few["declarations"]] == [f"c{n}" for n in range(2, 10)]
    assert "total" not in few and many["total"] == 10 and many["declarations"] == few["declarations"]


@pytest.mark.parametrize(
    "asked", [{"policy_name": "authority-eu"}, {"direction": "export"}, {"direction": "inland"}], ids=str
)
def test_only_customs_at_an_import_ask(border: tuple[World, str], asked: dict[str, Any]) -> None:
    """
    An importer's desk may try as many lists as it likes; what leaves or stays is under no import declaration.
    """
    found = told(*border, [other(earlier=True)], **asked)

    assert "declared_before" not in [c["reason"] for c in found["checks"]]


@pytest.mark.parametrize("released", [False, True])
def test_presented_on_the_ledger_it_is_under_that_declaration(released: bool) -> None:
    """
    Whichever came first at this node: who may present it decides, not who wrote its number on a manifest.
    """
    w = World()
    text = exported(w, 1)
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    if released:
        w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})

    found = told(w, text, [other(earlier=True)])
    assert shape(found) == ("undecided", "declaration_closed") if released else found["verdict"] in GOOD
    assert shape(told(w, text, [], head={"declaration": OTHER})) == ("hold", "second_presentation")


def test_without_a_declaration_of_its_own_a_list_is_asked_for_it(border: tuple[World, str]) -> None:
    """
    Not given is asked for, and no ground.
    """
    found = told(*border, [other(earlier=True)], head={})

    assert shape(found) == ("undecided", "declaration_not_given") and found["ground"] is None


def test_where_the_ledger_cannot_be_read_nobody_is_held(border: tuple[World, str]) -> None:
    """
    Whether it is presented is not known then, and that is not the battery's fault.
    """
    w, text = border
    evidence = w.evidence(text)
    unread = replace(evidence, ledger=None, declared=(other(earlier=True),))

    assert shape(w.judge(text, evidence=unread).as_dict()) == ("undecided", "ledger_unavailable")


def test_an_open_presentation_whose_record_cannot_be_read_counts_too() -> None:
    """
    The standing says that it is presented: under what is not known, and this node's lists do not decide.
    """
    w = World()
    text = w.new(1)
    evidence = w.evidence(text)
    assert evidence.ledger is not None
    lost = replace(evidence, ledger=replace(evidence.ledger, entries=()), declared=(other(earlier=True),))

    found = w.judge(text, evidence=lost).as_dict()

    assert "declared_before" not in [c["reason"] for c in found["checks"]]


@pytest.mark.parametrize("direction", ["import", "export"])
def test_a_scan_is_told_without_a_name(border: tuple[World, str], direction: str) -> None:
    """
    Whoever scans need not see consignments: it is told that one names the battery, and nothing else.
    """
    w, text = border
    line = Line.parse(line_of(1, text))
    evidence = replace(w.evidence(text), declared=(other(earlier=True),))
    rules = replace(policy(), direction=direction)

    found = clear_item(line, evidence, rules, LAW_DATE, w.now).as_dict()

    told = [c for c in found["checks"] if c["reason"] == "declared_here"]
    assert [(c["outcome"], c["rule"], c["evidence"]) for c in told] == [("warn", "X12", {})][
        : direction == "import"
    ]
    assert DECLARATION not in str(told) and OTHER not in str(found)
