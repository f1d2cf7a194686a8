"""X12: a battery in hands on two sides sooner than anything travels is an alert, until that is corrected."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest

from credentials.documents.identifiers import Subject
from credentials.ledger.genesis import Genesis, write_genesis
from node.catalogues import travel_table
from node.errors import SetupError
from node.oversight import raising
from node.oversight.raising import Raising
from node.oversight.travels import HOUR_S, InHand, Travel, travel
from tests.credentials.test_custody import last
from tests.credentials.test_routes import in_use
from tests.harness.ledger import (
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OUTSIDER,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    genesis_arguments,
)
from tests.node.test_honest_lives import log_of, raised_by


@cache
def founding() -> Genesis:
    """The usual one, with a workshop in China beside that in the EU."""
    there = accreditation(OUTSIDER, roles=("workshop",))
    arguments = genesis_arguments(accreditations=[*accreditations(), there])
    return Genesis.parse(write_genesis(**arguments), arguments["rule_files"])


def in_two_hands(ledger: Ledger) -> Subject:
    """A battery for which its maker named a workshop of each side."""
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.sold", subject, parties=(OUTSIDER,))
    ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP,))
    return subject


def measured(ledger: Ledger, by: str, subject: Subject, **members: Any) -> None:
    ledger.happen(by, "soh.measured", subject, quantities={"soh_permille": 900, "cycles": 100}, **members)


def test_a_battery_that_travelled_in_time_raises_nothing_and_one_that_cannot_have_is_an_alert() -> None:
    """
    Measured in China and, once it can have arrived, in the EU: nothing. An hour after the first it is one
    alert by X12 that names the other record, whenever that was told.
    """
    ledger = Ledger(founding())
    subject = in_two_hands(ledger)
    begun = ledger.now
    measured(ledger, OUTSIDER, subject)
    there = len(ledger.reader.entries) - 2
    ledger.now = begun + 9 * HOUR_S
    measured(ledger, WORKSHOP, subject)
    assert raised_by(ledger) == []

    measured(ledger, WORKSHOP, subject, event_time=begun + HOUR_S)

    (raised,) = raised_by(ledger)
    assert (raised.kind.code, raised.rule, raised.party) == ("impossible_travel", "X12", WORKSHOP)
    assert raised.winner == there


def test_an_hour_that_is_corrected_settles_it() -> None:
    """
    Whoever typed a wrong hour takes that back: what is left can have been, and the alert is dealt with; what
    took back something else settles nothing.
    """
    ledger = Ledger(founding())
    subject = in_two_hands(ledger)
    measured(ledger, OUTSIDER, subject)
    measured(ledger, WORKSHOP, subject)
    (raised,) = raised_by(ledger)
    ledger.happen(WORKSHOP, "attestation.corrected", subject, **last(ledger, subject))
    rows, read = log_of(ledger)
    settled = list(Raising(read, ledger.history).settled(rows))
    assert ("impossible_travel", raised.battery) in [(code, battery) for _, code, battery in settled]
    assert all(leaf > raised.leaf for leaf, _, _ in settled)


def settled_in(ledger: Ledger) -> list[str]:
    """The kinds of alerts that the leaves of this ledger settle."""
    rows, read = log_of(ledger)
    return [code for _, code, _ in Raising(read, ledger.history).settled(rows)]


def test_a_record_that_is_not_read_whole_settles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever could not have travelled states so much since that it is no more among what is read, and takes the
    last of that back: nothing was mended, and nothing is closed. Read whole, it still is not.
    """
    ledger = Ledger(founding())
    subject = in_two_hands(ledger)
    measured(ledger, OUTSIDER, subject)
    measured(ledger, WORKSHOP, subject)
    ledger.now += 9 * HOUR_S
    for _ in range(6):
        measured(ledger, WORKSHOP, subject)
    ledger.happen(WORKSHOP, "attestation.corrected", subject, **last(ledger, subject))
    assert settled_in(ledger) == ["mass_balance"]
    monkeypatch.setattr(raising, "RECORD_READ_MAX", 6)
    assert settled_in(ledger) == []


def test_a_record_of_which_nothing_is_read_raises_nothing() -> None:
    """
    Where a battery's leaves are not found by its key, its last hand is compared with none.
    """
    ledger = Ledger(founding())
    subject = in_two_hands(ledger)
    measured(ledger, WORKSHOP, subject)
    rows, read = log_of(ledger)
    read.leaves.of = lambda *_: []
    assert Raising(read, ledger.history).of(rows) == []


def test_a_row_that_an_authority_withdraws_settles_all_of_it() -> None:
    """
    Two measurements of a workshop that nobody can have made are one row of a trade: withdrawn by the first of
    them, neither counts, and the alert is closed.
    """
    ledger = Ledger(founding())
    subject = in_use(ledger)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(OUTSIDER,))
    measured(ledger, OUTSIDER, subject)
    ledger.happen(IMPORTER, "battery.handed_over", subject, parties=("eori:DE5",))
    begun = len(ledger.reader.entries)
    measured(ledger, WORKSHOP, subject)
    first = last(ledger, subject)
    measured(ledger, WORKSHOP, subject)
    assert {raised.kind.code for raised in raised_by(ledger) if raised.leaf >= begun} == {"impossible_travel"}
    ledger.happen(EU_AUTHORITY, "record.withdrawn", subject, **first)
    assert "impossible_travel" in settled_in(ledger)


def test_sides_without_a_row_are_not_compared() -> None:
    """
    Of two sides that no row names nothing is said; within one side neither. Of three hands each pair counts.
    """
    known = travel()
    china, union, india = InHand(1, 0, "CN"), InHand(2, HOUR_S, "EU"), InHand(3, HOUR_S, "IN")
    assert known.too_soon(china, union) and known.too_soon(union, china)
    assert not known.too_soon(china, india)
    assert not known.too_soon(china, InHand(4, 1, "CN"))
    assert known.first_before(union, [india, china]) == china
    assert known.is_possible([china, india]) and not known.is_possible([china, india, union])


@pytest.mark.parametrize(
    "changes",
    [
        {"in_hand": []},
        {"least": [{"between": ["CN"], "hours": 1}]},
        {"least": [{"between": ["CN", "EU"], "hours": 0}]},
        {"least": [{"between": ["CN", "EU"], "hours": 1}, {"between": ["EU", "CN"], "hours": 2}]},
    ],
    ids=["no events", "one side", "no hours", "twice"],
)
def test_a_table_that_cannot_be_gone_by_is_refused(changes: dict[str, Any]) -> None:
    """
    A table that is not whole is refused by what is wrong with it; the shipped one is read.
    """
    with pytest.raises(SetupError, match=r"travel\.toml"):
        Travel.parse({**copy.deepcopy(dict(travel_table())), **changes})
