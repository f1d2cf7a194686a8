"""A part of which nothing is on record is recalled by its code as any other is (I2, decision 1020)."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.ledger.payload import Criteria
from credentials.verdicts.evidence import Missing, MissingReason
from tests.credentials.test_repaired import HELD, repaired, stock
from tests.credentials.test_shown import GOOD, judged, shape
from tests.harness.border import World, code, replace, subject_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, MAKER

PART = code(70)  # nobody ever said that it was made
WAYS: dict[str, dict[str, Any]] = {
    "by its item": {"references": (subject_of(PART),)},
    "by how its code begins": {"criteria": Criteria((PART[:-1],))},
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_recall_of_a_part_without_a_record_reaches_what_it_is_in(way: str, *, first: bool) -> None:
    """
    I2: the repair says what is in there, the recall names its code; nobody need have made it on the ledger.
    """
    w = World()
    pack, other = stock(w), stock(w, 2)
    if first:
        w.recall(EU_AUTHORITY, **WAYS[way])
    repaired(w, pack, child_in=PART)
    repaired(w, other, child_out=PART)
    if not first:
        assert judged(w, pack)["verdict"] in GOOD
        w.recall(EU_AUTHORITY, **WAYS[way])

    for condition in ("new", "return", "repair"):
        assert shape(judged(w, pack, condition=condition)) == HELD
    assert judged(w, other)["verdict"] in GOOD


def test_a_recall_elsewhere_or_of_others_is_nothing_to_it() -> None:
    """
    An authority's recall holds at home; one of other codes says nothing of this one.
    """
    w = World()
    pack = stock(w)
    repaired(w, pack, child_in=PART)

    w.recall(CN_AUTHORITY, **WAYS["by its item"])
    w.recall(EU_AUTHORITY, references=(subject_of(code(8)),))
    w.recall(EU_AUTHORITY, criteria=Criteria((code(8),)))

    assert judged(w, pack)["verdict"] in GOOD


def test_where_the_repair_is_not_shown_a_recall_of_its_codes_leaves_undecided() -> None:
    """
    I6, I8: which code the part has, and whether it was put in, stands in the document alone.
    """
    w = World()
    pack = stock(w)
    repaired(w, pack, child_in=PART)
    w.recall(MAKER, **WAYS["by how its code begins"])
    digest = next(d for d, one in w.documents.items() if "battery.maintained" in str(one))
    whole = w.evidence(pack)
    events = {**whole.events, digest: Missing(MissingReason.WITHHELD)}

    told = judged(w, pack, evidence=replace(whole, events=events))

    assert shape(told) == ("undecided", "evidence_withheld")
