"""Quantities of the table of events: what of one statement bounds what else of it.

Every amount and day of every event stands in one table here, with what bounds it beside its range: a new one
is noticed by whoever adds it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.application import Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import parse_attestation
from credentials.ledger.lifecycle import Event, Lifecycle, Member
from credentials.ledger.payload import DAY_S
from credentials.ledger.values import require_parts, require_within
from tests.credentials.test_registry import MASSES, in_recycling, last_of
from tests.credentials.test_routes import ends_as
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    MAKER,
    RECYCLER,
    Ledger,
    battery,
    lifecycle_table,
)

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
}
BOUND = [
    (event, member)
    for event in LIFECYCLE.events.values()
    for member in event.members.values()
    if member.at_most is not None
]


def is_bounded(member: Member) -> bool:
    """Something beside a range of its own bounds it."""
    bounds = (member.at_most, member.part_of, member.not_after)
    return member.monotone or any(bound is not None for bound in bounds)


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
        "recycled_grams": "mass_grams",
        **{f"{metal}_out_grams": f"{metal}_in_grams" for metal in METALS},
    }
    lists = [m for event in LIFECYCLE.events.values() for m in event.members.values() if m.type == "texts"]
    assert [(member.name, member.one_each) for member in lists] == [
        ("recycled_lots", None),  # as many as a document holds
        ("fates", "children"),
    ]


def stated(member: Member, amount: int, bound: int) -> dict[str, int]:
    """What a recycler states of the metals, with one of them otherwise."""
    return MASSES | {member.name: amount, str(member.at_most): bound}


@pytest.mark.parametrize(
    "member", [m for e, m in BOUND if e.type == "recycling.completed"], ids=lambda m: m.name
)
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


RECEIVED = 450_000  # grams, as `in_recycling` states them
OTHERS = sum(MASSES[f"{metal}_in_grams"] for metal in ("ni", "li", "cu"))


def completed(ledger: Ledger, subject: Subject, **amounts: int) -> str:
    return ends_as(ledger, RECYCLER, "recycling.completed", subject, quantities=MASSES | amounts)


def lot(ledger: Ledger, subject: Subject, amount: int) -> str:
    return ends_as(ledger, RECYCLER, "material.recovered", subject, quantities={"mass_grams": amount})


def test_the_metals_in_a_battery_are_no_more_than_what_was_received_of_it() -> None:
    """
    X13: all of them together, one that need not be stated too; as much is lawful, and then the record is as
    any other.
    """
    ledger = Ledger()
    subject = in_recycling(ledger)
    most = RECEIVED - OTHERS

    assert completed(ledger, subject, co_in_grams=most + 1) == "value_impossible"
    assert completed(ledger, subject, co_in_grams=most, mn_in_grams=1) == "value_impossible"
    assert completed(ledger, subject, co_in_grams=most - 1, mn_in_grams=1) == "admitted"
    assert ledger.standing(subject).item_state == "recycled"


def test_the_lots_made_of_a_battery_are_no_more_than_what_was_received_of_it() -> None:
    """
    X13: together, whatever each of them says; none is counted before it is recorded.
    """
    ledger = Ledger()
    subject = in_recycling(ledger)
    assert completed(ledger, subject) == "admitted"

    assert lot(ledger, subject, RECEIVED + 1) == "value_impossible"
    assert lot(ledger, subject, RECEIVED - 7) == lot(ledger, subject, 6) == "admitted"
    assert lot(ledger, subject, 2) == "value_impossible"
    assert lot(ledger, subject, 1) == "admitted"
    assert lot(ledger, subject, 1) == "value_impossible"


def test_a_mass_that_was_mistyped_is_voided_and_stated_again() -> None:
    """
    Who mistyped what it received is held to it until authorities void that, and not for ever.
    """
    ledger = Ledger()
    subject = ledger.waste(1)
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": 1})
    assert completed(ledger, subject) == "value_impossible"

    last = last_of(ledger, subject)
    ledger.run(ledger.countersigned(CN_AUTHORITY, "attestation.voided", subject, (EU_AUTHORITY,), **last))
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": RECEIVED})

    assert completed(ledger, subject) == "admitted"


def test_where_nobody_said_how_much_was_received_nothing_bounds_its_parts() -> None:
    """
    A battery received under a table that named no such bound is recycled as before.
    """
    ledger = Ledger()
    subject = in_recycling(ledger)
    event = LIFECYCLE.events["recycling.completed"]
    unread = replace(ledger.standing(subject), readings={})
    statement = parse_attestation(
        ledger.attest(RECYCLER, event.type, subject, quantities=MASSES | {"co_in_grams": 20_000_000})
    )

    require_parts(unread, statement, event)
    with pytest.raises(Refusal, match=r"20000030 in all of what was stated as 450000 .* sign it again"):
        require_parts(ledger.standing(subject), statement, event)


@pytest.mark.parametrize(("days", "ends"), [(0, "admitted"), (1, "admitted"), (2, "value_impossible")])
def test_no_battery_is_made_on_a_day_after_its_production(days: int, ends: str) -> None:
    """
    By the day a recall looks for it, by the time of production nothing lies before it: they agree, but for
    where on earth the day begins.
    """
    ledger = Ledger()
    ledger.now += 9 * DAY_S
    at = ledger.now - 5 * DAY_S
    day = at - at % DAY_S + days * DAY_S

    told = ends_as(ledger, MAKER, "battery.produced", battery(9), produced_on=day, event_time=at)
    assert told == ends
