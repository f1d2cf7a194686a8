"""The list of facilities: what each recorded in the months that are shown, under which licence."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.documents.identifiers import Subject
from node.errors import ProblemError
from node.oversight import facility_desk
from node.oversight.facility_desk import FULL, MONTHS_MAX
from node.oversight.tallying import licence_of, month_of
from node.storage.alerts import PartyAlerts
from node.storage.tallies import FacilityTally, MonthTally
from tests.harness.ledger import MAKER, make_genesis

KEY = (MAKER, "L-1", "EU")
NOTHING = {"events": 0, "refused": 0, "made": 0, "taken_in": 0, "given_out": 0}


def test_a_row_says_what_was_recorded_and_what_is_open() -> None:
    """
    Each sum in its own column, the licence as its authority gave it, and the alerts about the party.
    """
    sums = FacilityTally(MAKER, "L-1", "EU", events=5, refused=1, made=20, taken_in=30, given_out=40)
    licence = facility_desk._Licence(("manufacturer",), facility_desk.ENDED, 99, changed=True)
    governance = make_genesis().governance

    row = facility_desk._row(KEY, sums, licence, governance, {MAKER: PartyAlerts(open=3, new=2)})

    assert row == {
        "party": MAKER,
        "party_name": governance.participants[MAKER].name,
        "facility": "L-1",
        "side": "EU",
        "roles": ["manufacturer"],
        "state": "ended",
        "valid_until": 99,
        "changed": True,
        **{"events": 5, "refused": 1, "made": 20, "taken_in": 30, "given_out": 40},
        **{"alerts_open": 3, "alerts_new": 2},
    }


def test_who_recorded_nothing_and_has_no_licence_is_told_as_that() -> None:
    """
    A stranger to the network as well: no name, no role, and zero of everything.
    """
    row = facility_desk._row(("did:web:x.example", "", ""), None, None, make_genesis().governance, {})

    assert row == {
        **{"party": "did:web:x.example", "party_name": None, "facility": "", "side": "", "roles": []},
        **{"state": "none", "valid_until": None, "changed": False, "alerts_open": 0, "alerts_new": 0},
        **NOTHING,
    }


def test_every_month_has_its_bar() -> None:
    """
    Over the end of a year, also a month in which nothing was; the highest is full, the others in proportion.
    """
    found = [MonthTally(202612, 3, 1, 10, 20, 30), MonthTally(202702, 1, 1, 0, 0, 0)]

    bars = facility_desk._bars(found, 202612, 202702)

    assert bars == [
        {
            "month": "2026-12",
            **{"events": 3, "refused": 1, "made": 10, "taken_in": 20, "given_out": 30, "bar": FULL},
        },
        {"month": "2027-01", **NOTHING, "bar": 0},
        {"month": "2027-02", **NOTHING, "events": 1, "refused": 1, "bar": FULL // 2},
    ]
    assert [one["bar"] for one in facility_desk._bars([], 202612, 202701)] == [0, 0]


NOW = 1_803_900_000  # 1 March 2027


@pytest.mark.parametrize(
    ("since", "until", "months"),
    [
        ("", "", (202604, 202703)),
        ("", "2027-01", (202602, 202701)),
        ("2027-02", "2027-02", (202702, 202702)),
        ("2024-04", "", (202404, 202703)),
    ],
)
def test_twelve_months_are_shown_where_nobody_asks_for_others(
    since: str, until: str, months: tuple[int, int]
) -> None:
    """
    Those up to the last one; up to thirty-six are asked for.
    """
    assert month_of(NOW) == 202703 and MONTHS_MAX == 36
    assert facility_desk._months(since, until, NOW) == months


@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        ("2027-02", "2027-01", "bad_months"),
        ("2024-03", "", "bad_months"),
        ("2027-13", "", "bad_month"),
        ("2027-00", "", "bad_month"),
        ("1999-12", "", "bad_month"),
        ("27-01", "", "bad_month"),
        ("2027-1", "", "bad_month"),
        ("２０２７-01", "", "bad_month"),
    ],
)
def test_what_is_no_month_or_too_many_is_refused(since: str, until: str, code: str) -> None:
    """
    By a code for each.
    """
    with pytest.raises(ProblemError) as caught:
        facility_desk._months(since, until, NOW)
    assert caught.value.code == code


def test_under_which_licence_a_party_spoke() -> None:
    """
    That for the battery's namespace; who has none spoke from its own side, a stranger from nowhere.
    """
    governance: Any = make_genesis().governance
    about = Subject("gbt34014", "ZZ1", bytes(32))
    home = governance.participants[MAKER].jurisdiction

    side, from_home, _ = licence_of(governance, MAKER, "battery.produced", about, NOW)
    assert (side, from_home) == (home, home)
    assert licence_of(governance, MAKER, "", about, NOW) == (home, home, "")
    assert licence_of(governance, "did:web:x.example", "", about, NOW) == ("", "", "")
