"""Working-day duties: in time is nothing, late is told, a lawful record closes it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.ledger.lifecycle import Lifecycle
from credentials.verdicts.duties import (
    DUE,
    LATE,
    OVERDUE,
    DutyOwed,
    DutyTable,
    Stated,
    duties_of,
    report_due,
    stated_of,
)
from credentials.verdicts.record import Record
from tests.credentials.test_vehicles import placed_in_car
from tests.harness.border import World
from tests.harness.ledger import WORKSHOP, lifecycle_table

CONFIG = Path(__file__).resolve().parents[2] / "config"
ROWS: dict[str, Any] = tomllib.loads((CONFIG / "duties.toml").read_text())
LIFE = Lifecycle.parse(lifecycle_table())
RULES = DutyTable.parse(ROWS, LIFE)
DAY_S = 86_400
CUSTOMS, RECYCLER, IMPORTER = "did:web:customs", "did:web:recycler", "did:web:importer"


def at(text: str) -> int:
    """A moment, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def said(  # noqa: PLR0917  (as a record has them)
    leaf: int, kind: str, side: str, when: str, recorded: str = "", by: str = CUSTOMS
) -> Stated:
    return Stated(kind, by, side, at(when), at(recorded or when), leaf)


def owed(now: str, *statements: Stated, holder: str | None = IMPORTER) -> list[DutyOwed]:
    return duties_of(statements, RULES, LIFE, holder, at(now))


@pytest.mark.parametrize(
    ("side", "since", "days", "last"),
    [
        ("EU", "2026-12-24T14:00", 4, "2026-12-31T22:59:59"),  # two holidays and a Sunday are no days
        ("EU", "2026-06-01T08:00", 4, "2026-06-05T22:59:59"),
        ("EU", "2026-06-05T08:00", 1, "2026-06-08T22:59:59"),  # a Friday
        (
            "EU",
            "2026-06-05T23:30",
            1,
            "2026-06-08T22:59:59",
        ),  # already Saturday where days begin an hour before
        ("EU", "2026-06-05T08:00", 0, "2026-06-05T22:59:59"),
        ("CN", "2026-09-18T10:00", 15, "2026-10-15T15:59:59"),  # a Sunday and a Saturday are worked
        ("CN", "2026-02-13T10:00", 2, "2026-02-24T15:59:59"),  # over the Spring Festival
    ],
)
def test_working_days_are_counted_by_the_calendar_of_the_place(
    side: str, since: str, days: int, last: str
) -> None:
    """
    The day of the event does not count; the last one ends at midnight there, not in UTC.
    """
    assert RULES.calendars[side].until(at(since), days)[0] == at(last)


def test_days_agree_with_a_count_day_by_day() -> None:
    """
    For random moments of two years: as many days are worked in between as the duty has, and the last is one.
    """
    chance = Random(13)
    for _ in range(2_000):
        calendar = RULES.calendars[chance.choice(("CN", "EU"))]
        since, days = at("2026-01-01") + chance.randrange(500 * DAY_S), chance.randrange(1, 60)
        until, known = calendar.until(since, days)

        zone = timedelta(seconds=calendar.utc_offset_s)
        first, last = (datetime.fromtimestamp(t, UTC) + zone for t in (since, until))
        walked = [first.date() + timedelta(days=n) for n in range(1, (last.date() - first.date()).days + 1)]
        worked = [
            d for d in walked if d in calendar.working or (d.weekday() < 5 and d not in calendar.holidays)
        ]
        assert len(worked) == days and worked[-1] == last.date()
        assert (last.hour, last.minute, last.second) == (23, 59, 59)
        assert known == (last.date() <= calendar.known_until)


def test_what_no_calendar_knows_is_said() -> None:
    """
    Of a year whose holidays are not in the table the day is told as open: nobody is surely overdue by it.
    """
    assert RULES.calendars["CN"].until(at("2026-12-25"), 15)[1] is False


def test_a_suspension_is_answered_in_four_working_days() -> None:
    """
    Due, then overdue; answered late it is told as late, in time it is none any more. Who suspended owes it.
    """
    suspended = said(1, "customs.suspended", "EU", "2026-06-01T08:00")
    (due,) = owed("2026-06-05T22:59", suspended)
    assert (due.state, due.who, due.working_days, due.closed_at) == (DUE, CUSTOMS, 4, None)
    assert owed("2026-06-05T23:00", suspended)[0].state == OVERDUE

    late = said(2, "customs.released", "EU", "2026-06-08T08:00")
    in_time = said(2, "customs.refused", "EU", "2026-06-05T08:00")

    (told,) = owed("2026-07-01", suspended, late)
    assert (told.state, told.closed_at) == (LATE, at("2026-06-08T08:00"))
    assert owed("2026-07-01", suspended, in_time) == []


def test_the_honest_late_fact_closes_a_duty() -> None:
    """
    What happened in time and is recorded weeks later is no breach of the duty to do it; that the report came
    late is a duty of its own where the law sets one.
    """
    released = said(1, "customs.released", "CN", "2026-06-01T08:00")
    assert owed("2026-07-10", released)[0].state == OVERDUE
    built_in = said(2, "battery.installed", "CN", "2026-06-10T08:00", "2026-07-09T08:00", by="did:web:maker")

    (report,) = owed("2026-07-10", released, built_in)

    assert (report.name, report.state, report.who) == ("battery.installed", LATE, "did:web:maker")


def test_a_report_in_time_is_none_and_a_late_one_is_told() -> None:
    """
    China: a recycler's receipt within 30 working days; the same elsewhere has no such limit.
    """
    for recorded, states in (("2026-06-20", []), ("2026-08-01", [LATE])):
        received = said(1, "recycling.received", "CN", "2026-06-01", recorded, by=RECYCLER)
        assert [one.state for one in owed("2026-09-01", received)] == states
    assert owed("2027-09-01", said(1, "recycling.received", "EU", "2026-06-01", "2027-08-01")) == []
    assert report_due("recycling.received", "CN", at("2026-06-01"), RULES, LIFE) is not None
    assert report_due("recycling.received", "EU", at("2026-06-01"), RULES, LIFE) is None


def test_a_law_applies_from_its_day() -> None:
    """
    Placed in the Union from 18 February 2027 without a passport is a breach that day; else it is none.
    """
    before, after = "2027-02-17T12:00", "2027-02-18T12:00"
    passport = said(1, "passport.published", "EU", "2027-01-10")

    assert owed("2027-03-01", said(2, "market.placed", "EU", before)) == []
    assert owed("2027-03-01", passport, said(2, "market.placed", "EU", after)) == []
    (breach,) = owed("2027-03-01", said(2, "market.placed", "EU", after))
    assert (breach.name, breach.state) == ("passport_of_what_is_placed", OVERDUE)


def test_a_scrapped_vehicles_battery_is_handed_over_by_whoever_has_it() -> None:
    """
    The fraud: scrapped on paper, the battery gone. It stands as overdue of its holder until a record says
    where it went; nobody on record owes it where nobody holds it.
    """
    scrapped = said(1, "vehicle.scrapped", "CN", "2026-06-01")

    (gone,) = owed("2026-07-10", scrapped, holder="did:web:yard")
    assert (gone.state, gone.who) == (OVERDUE, "did:web:yard")
    assert owed("2026-07-10", scrapped, holder=None)[0].who == ""
    assert owed("2026-07-10", scrapped, said(2, "recycling.received", "CN", "2026-06-12", by=RECYCLER)) == []


def test_duties_are_read_from_the_record_and_what_was_taken_back_is_none() -> None:
    """
    On the ledger of a real battery: each statement is read with its side and time, and a repair that its
    author corrected is no report at all.
    """
    w = World()
    text = placed_in_car(w, 1)
    told = w.happen(WORKSHOP, "battery.maintained", text, {"work": "a fuse"})

    record = Record.read(w.view(text), w.governance)
    kinds = [one.kind for one in stated_of(record, w.governance)]
    assert kinds[-1] == "battery.maintained" and len(kinds) == len(record.admitted)
    w.happen(WORKSHOP, "attestation.corrected", text, {"reason": "another car"}, references=(told,))
    after = stated_of(Record.read(w.view(text), w.governance), w.governance)
    assert "battery.maintained" not in [one.kind for one in after]


def test_the_chinese_table_is_matched_row_by_row() -> None:
    """
    Each row of cn-duties.json is told by events with its number of working days, or is named as not told.
    """
    table = json.loads((CONFIG / "rules" / "cn-duties.json").read_text())["2018"]
    told_by = {row["event"]: row["told_by"] for row in ROWS["cn_2018"]}
    answers = {one.name: one.working_days for one in RULES.answers}
    reports = {
        kind: duty.working_days
        for kind, event in LIFE.events.items()
        for duty in event.duties
        if duty.jurisdiction == "CN"
    }

    for row in table:
        names = told_by.get(row["event"])
        if names is None:
            assert row["event"] in {one["event"] for one in ROWS["not_told"]}, row
            continue
        assert {(answers | reports)[name] for name in names} == {row["deadline_wd"]}, row
    assert len(table) == 10 and set(told_by) <= {row["event"] for row in table}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda t: t["answer"][0].update(opened_by=["battery.flown"]), "no event is named battery.flown"),
        (lambda t: t.update(calendar=t["calendar"][:1]), "EU has no calendar"),
        (lambda t: t["calendar"][0].update(weekend=[1, 2, 3, 4, 5, 6, 7]), "has no working day"),
        (lambda t: t["calendar"][0]["holidays"].append("2026-02-30"), "rules_invalid|day"),
        (lambda t: t["answer"][0].update(owes="anybody"), "is one of"),
        (lambda t: t["answer"][0].update(working_days=400), "whole number from 0 to 366"),
    ],
    ids=["event", "calendar", "week", "day", "owes", "days"],
)
def test_a_table_that_cannot_be_gone_by_is_refused(spoil: Callable[[Any], object], why: str) -> None:
    """
    Duties are read strictly: no week without a working day, no day that no calendar has, no side without one.
    """
    rows = deepcopy(ROWS)
    spoil(rows)

    with pytest.raises(CredentialError, match=why) as refused:
        DutyTable.parse(rows, LIFE)

    assert refused.value.code == "rules_invalid"
