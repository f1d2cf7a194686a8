"""Quantities of the table of events: what of one statement bounds what else of it.

Every amount and day of every event stands in one table here, with what bounds it beside its range: a new one
is noticed by whoever adds it.
"""

from __future__ import annotations

import pytest

from consensus.application import Refusal
from credentials.ledger.lifecycle import Event, Lifecycle, Member
from credentials.ledger.values import require_within
from tests.credentials.test_registry import MASSES, in_recycling
from tests.credentials.test_routes import ends_as
from tests.harness.ledger import RECYCLER, Ledger, lifecycle_table

LIFECYCLE = Lifecycle.parse(lifecycle_table())
SHARE = "a share of itself: its range is whole"
SCALE = "what a scale shows, as it came: in its packaging, with what is bolted to it, or what is left of it"
METALS = ("co", "ni", "li", "cu", "mn")
# By event and member, why nothing but its range bounds it.
UNBOUNDED = {
    ("battery.produced", "mass_grams"): "nothing is said of the battery before",
    ("soh.measured", "soh_permille"): SHARE,
    ("used.exported", "soh_permille"): SHARE,
    **{
        (f"second_life.{way}", "soh_permille"): SHARE
        for way in ("prepared_for_reuse", "prepared_for_repurposing", "repurposed", "remanufactured")
    },
    ("waste.collected", "mass_grams"): SCALE,
    ("recycling.received", "mass_in_grams"): SCALE,
    **{("recycling.completed", f"{metal}_in_grams"): "an analysis of what went in" for metal in METALS},
    ("material.recovered", "mass_grams"): "the element is in the document alone (X13 is not built)",
}
BOUND = [
    (event, member)
    for event in LIFECYCLE.events.values()
    for member in event.members.values()
    if member.at_most is not None
]


def is_bounded(member: Member) -> bool:
    """Something beside a range of its own bounds it."""
    return member.at_most is not None or member.monotone or member.not_after is not None


def test_every_amount_and_day_of_every_event_is_bounded_or_said_not_to_be() -> None:
    """
    A quantity that is added without a bound, or without the reason why it has none, is noticed here.
    """
    amounts = {
        (event.type, member.name): is_bounded(member)
        for event in LIFECYCLE.events.values()
        for member in event.members.values()
        if member.type in ("integer", "date")
    }

    assert {name for name, bounded in amounts.items() if not bounded} == UNBOUNDED.keys()
    assert {member.name: member.at_most for _, member in BOUND} == {
        f"{metal}_out_grams": f"{metal}_in_grams" for metal in METALS
    }


def stated(member: Member, amount: int, bound: int) -> dict[str, int]:
    """What a recycler states of the metals, with one of them otherwise."""
    return MASSES | {member.name: amount, str(member.at_most): bound}


@pytest.mark.parametrize("member", [m for _, m in BOUND], ids=lambda m: m.name)
def test_of_no_metal_comes_more_out_than_went_in(member: Member) -> None:
    """
    X13: it enters no block; all of it stays lawful.
    """
    ledger = Ledger()
    subject = in_recycling(ledger)

    def ends(amount: int, bound: int) -> str:
        told = stated(member, amount, bound)
        return ends_as(ledger, RECYCLER, "recycling.completed", subject, quantities=told)

    assert ends(8, 7) == ends(1, 0) == "value_impossible"
    assert ends(7, 7) == "admitted"


@pytest.mark.parametrize(("event", "member"), BOUND, ids=lambda row: getattr(row, "name", ""))
def test_what_is_not_stated_bounds_nothing(event: Event, member: Member) -> None:
    """
    An amount beside one that nobody measured may be any in its range; so may nothing, beside anything.
    """
    assert member.at_most is not None
    for amounts in ({member.name: 7}, {member.at_most: 7}, {member.name: 0, member.at_most: 0}):
        require_within(event, amounts)

    with pytest.raises(Refusal, match=f"^{member.name} is 8 and {member.at_most} is 7: .* sign it again$"):
        require_within(event, {member.name: 8, member.at_most: 7})
