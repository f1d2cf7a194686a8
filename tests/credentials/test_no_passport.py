"""Batteries of which the law asks for no passport: never held for want of one, and never clear without."""

from __future__ import annotations

from typing import Any

import pytest

from tests.credentials.test_shown import PRESENTED, check, shape
from tests.harness.border import World, code
from tests.harness.ledger import CUSTOMS, IMPORTER, MAKER, RECYCLER, WORKSHOP

BEFORE, AFTER = (
    1_802_500_000,
    1_805_000_000,
)  # the middle of February and of March 2027: the law asks from the 18th
NOT_ASKED = ("undecided", "passport_not_yet_required")


def let_in(w: World, **production: str) -> str:
    """Made, and let into the EU by customs; nobody published a passport."""
    text = code(1)
    w.produce(text, **production)
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    return text


def placed(w: World) -> str:
    text = let_in(w)
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP, RECYCLER))
    return text


def told(w: World, text: str, **line: Any) -> tuple[str, str]:
    return shape(w.judge(text, law_date="2028-01-01", **line).as_dict())


@pytest.mark.parametrize(
    ("category", "word"),
    [
        ("portable", NOT_ASKED),
        ("sli", NOT_ASKED),
        ("ev", ("hold", "not_published")),
        ("lmt", ("hold", "not_published")),
        ("industrial", ("hold", "not_published")),
    ],
)
def test_a_battery_of_a_category_without_passports_is_not_held_for_one(
    category: str, word: tuple[str, str]
) -> None:
    """
    Art 77(1): light means of transport, industrial and electric vehicle batteries.
    """
    w = World()

    assert told(w, let_in(w, category=category)) == word


def test_a_category_that_nobody_shows_spares_no_passport() -> None:
    """
    The document of the production is not in hand: it is held as any other.
    """
    w = World()
    text = let_in(w, category="portable")

    assert told(w, text, evidence=w.evidence(text, events={})) == ("hold", "not_published")


def test_what_was_placed_before_the_law_asked_is_not_held_for_a_passport() -> None:
    """
    In use, and taken over as waste: a recycler accepts it (Art 70), and is told that nothing is proven.
    """
    w = World()
    text = placed(w)

    assert told(w, text, condition="used", direction="inland") == NOT_ASKED
    w.happen(RECYCLER, "battery.declared_waste", text, {"reason": "worn"})
    assert told(w, text, condition="waste", direction="inland", policy_name="recycler") == NOT_ASKED


def test_what_is_placed_later_is_asked_for_its_passport() -> None:
    """
    A placing in China is none in the EU, and one that was recorded after the day is none before it.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True})

    assert told(w, text, condition="used", direction="inland") == ("hold", "not_published")


def test_of_older_stock_nobody_knows_when_it_was_placed() -> None:
    """
    Entered without a record of its origin, it is not held for want of a passport; placed later, it is.
    """
    w = World()
    text = code(1)
    w.happen(IMPORTER, "battery.enrolled", text, {"ground": "older_stock", "evidence": "x"})

    assert told(w, text, condition="used", direction="inland") == NOT_ASKED
    assert check(w.judge(text).as_dict(), "standing.publication")[0]["reason"] == NOT_ASKED[1]
    w.ledger.now = AFTER
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, event_time=BEFORE)
    assert told(w, text, condition="used", direction="inland", at=AFTER) == ("hold", "not_published")
