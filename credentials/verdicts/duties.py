"""Working-day duties: what is due of whom until when, what is overdue, what was said late; data with dates.

    duties_of(statements, table, lifecycle, holder, now) -> the duties of one battery

Two sorts. A *report* has to be on the ledger within N working days of what it reports (`duties` of the event
in lifecycle.json): nobody sees what was never recorded, so it is in time or late once there. An *answer*
is owed after another record of the battery (`config/duties.toml`): open, overdue, or closed by a lawful
record, however late. A duty moves nothing and judges nobody: no verdict reads it. The time is an argument.

Days are counted as Reg (EEC, Euratom) No 1182/71 Art 3 does: the day of the event is not counted, the last
working day ends at midnight where the calendar says that days begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from credentials.errors import CredentialError
from credentials.ledger.governance import Governance
from credentials.ledger.lifecycle import Lifecycle
from credentials.table_shapes import ShapeError, day, listed, one_of, table, text, truth, whole
from credentials.verdicts.record import Record

DUE, OVERDUE, LATE = "due", "overdue", "late"
REPORT = "report"
AUTHOR, HOLDER = "author", "holder"
WORKING_DAYS_MAX = 366  # of one duty
_CALENDAR = table(
    {
        **{"jurisdiction": text, "utc_offset_s": whole(-50_400, 50_400), "weekend": listed(whole(1, 7))},
        **{"known_until": day, "confirmed": truth, "holidays": listed(day, once=True)},
        "working": listed(day, once=True),
    }
)
_ANSWER = table(
    {
        **{"name": text, "jurisdiction": text, "opened_by": listed(text, least=1)},
        **{"closed_by": listed(text, least=1), "owes": one_of(AUTHOR, HOLDER)},
        **{"working_days": whole(0, WORKING_DAYS_MAX), "basis": text, "confirmed": truth},
    },
    {"from": day},
)
_CN = table({"event": text, "told_by": listed(text, least=1)})
_NOT_TOLD = table({"event": text, "code": text})
_SHAPE = table(
    {
        **{"answered_by_another": listed(text), "calendar": listed(_CALENDAR), "answer": listed(_ANSWER)},
        **{"cn_2018": listed(_CN), "not_told": listed(_NOT_TOLD)},
    }
)


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """The calendar of one jurisdiction."""

    jurisdiction: str
    utc_offset_s: int
    weekend: frozenset[int]  # 1 Monday to 7 Sunday
    holidays: frozenset[date]
    working: frozenset[date]  # days of a weekend that are worked
    known_until: date
    confirmed: bool

    def is_working(self, one: date) -> bool:
        """True for a day on which work is done."""
        return one in self.working or (one.isoweekday() not in self.weekend and one not in self.holidays)

    def until(self, since: int, working_days: int) -> tuple[int, bool]:
        """The last second (UTC) of so many working days after a moment; are all holidays till then known?

        None at all: the end of that very day.
        """
        last = (datetime.fromtimestamp(since, UTC) + timedelta(seconds=self.utc_offset_s)).date()
        left = working_days
        while left:
            last += timedelta(days=1)
            left -= self.is_working(last)
        ends = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
        return int(ends.timestamp()) - self.utc_offset_s - 1, last <= self.known_until


@dataclass(frozen=True, slots=True)
class AnswerOwed:
    """What is owed after another record of the same battery."""

    name: str
    jurisdiction: str
    opened_by: frozenset[str]
    closed_by: frozenset[str]
    owes: str  # author | holder
    working_days: int
    basis: str
    confirmed: bool
    since: int  # event times from here on: of a law that applies from a day


@dataclass(frozen=True, slots=True)
class DutyTable:
    """config/duties.toml."""

    calendars: Mapping[str, WorkingDays]
    answers: tuple[AnswerOwed, ...]
    not_told: tuple[str, ...]  # what no record can tell, by code
    no_reports: frozenset[str]  # events whose `duties` are no time limit for the report of the event itself

    @classmethod
    def parse(cls, rows: Mapping[str, Any], lifecycle: Lifecycle) -> DutyTable:
        """Read the table strictly; raises CredentialError("rules_invalid", ...)."""
        try:
            _SHAPE(rows, "")
            calendars = {row["jurisdiction"]: _calendar(row) for row in rows["calendar"]}
            answers = tuple(_answer(row) for row in rows["answer"])
        except ValueError as error:  # of a shape, or a day that no calendar has
            raise CredentialError("rules_invalid", f"duties: {error}") from error
        no_reports = frozenset(rows["answered_by_another"])
        named = no_reports.union(*(one.opened_by | one.closed_by for one in answers))
        if unknown := sorted(kind for kind in named if lifecycle.event(kind) is None):
            raise CredentialError("rules_invalid", f"duties: no event is named {unknown[0]}")
        sides = {one.jurisdiction for one in answers}
        sides |= {duty.jurisdiction for event in lifecycle.events.values() for duty in event.duties}
        if lacking := sorted(sides - calendars.keys()):
            raise CredentialError("rules_invalid", f"duties: {lacking[0]} has no calendar")
        return cls(calendars, answers, tuple(row["code"] for row in rows["not_told"]), no_reports)

    def opening_kinds(self, lifecycle: Lifecycle) -> frozenset[str]:
        """The kinds of records by which something is owed, or is late."""
        reports = {kind for kind, event in lifecycle.events.items() if event.duties}
        return frozenset(reports - self.no_reports).union(*(one.opened_by for one in self.answers))


@dataclass(frozen=True, slots=True)
class Stated:
    """One admitted statement about a battery that still counts, as duties read it."""

    kind: str
    author: str
    jurisdiction: str  # of its author when it was recorded
    event_time: int
    recorded_at: int  # block time
    leaf_index: int


@dataclass(frozen=True, slots=True)
class DutyOwed:
    """One duty: due, overdue, or kept late; what was kept in time is none any more."""

    name: str  # of the answer, or the event that was reported
    sort: str  # report | answer
    state: str
    jurisdiction: str
    who: str  # DID, or a number of a party without a node; "": nobody is on record
    opened_at: int
    due_until: int
    calendar_known: bool
    closed_at: int | None
    working_days: int
    basis: str
    confirmed: bool
    leaf_index: int  # of what opened it


def stated_of(record: Record, governance: Governance) -> list[Stated]:
    """What counts of a record: nothing that was taken back, and of nobody who is not known."""
    found: list[Stated] = []
    for one in record.admitted:
        said, author = one.attestation, governance.participant(one.attestation.issuer)
        if said.digest not in record.taken_back and author is not None:
            side = author.jurisdiction
            found.append(
                Stated(said.kind, said.issuer, side, said.event_time, one.block_time, one.leaf_index)
            )
    return found


def duties_of(
    statements: Sequence[Stated], rules: DutyTable, lifecycle: Lifecycle, holder: str | None, now: int
) -> list[DutyOwed]:
    """The duties of one battery, by its statements in the order of the ledger; `holder`: who has it now."""
    found = [duty for one in statements for duty in _reports(one, rules, lifecycle)]
    for at, one in enumerate(statements):
        found += _answers(one, statements[at + 1 :], statements[:at], rules, holder, now)
    return sorted(found, key=lambda duty: (duty.leaf_index, duty.name))


def report_due(
    kind: str, jurisdiction: str, event_time: int, rules: DutyTable, lifecycle: Lifecycle
) -> tuple[int, bool] | None:
    """Until when this has to be recorded, and whether that is sure; None: no limit is set here."""
    event = lifecycle.event(kind)
    duties = event.duties if event is not None and kind not in rules.no_reports else ()
    own = [duty.working_days for duty in duties if duty.jurisdiction == jurisdiction]
    return rules.calendars[jurisdiction].until(event_time, min(own)) if own else None


def _reports(one: Stated, rules: DutyTable, lifecycle: Lifecycle) -> Iterator[DutyOwed]:
    event = lifecycle.event(one.kind)
    for duty in event.duties if event is not None and one.kind not in rules.no_reports else ():
        if duty.jurisdiction != one.jurisdiction:
            continue
        until, known = rules.calendars[duty.jurisdiction].until(one.event_time, duty.working_days)
        if one.recorded_at > until:
            yield DutyOwed(
                one.kind,
                REPORT,
                LATE,
                duty.jurisdiction,
                one.author,
                one.event_time,
                until,
                known,
                one.recorded_at,
                duty.working_days,
                duty.basis,
                duty.confirmed,
                one.leaf_index,
            )


def _answers(  # noqa: PLR0917  (a statement, what stands after and before it, and by what it is read)
    one: Stated,
    after: Sequence[Stated],
    before: Sequence[Stated],
    rules: DutyTable,
    holder: str | None,
    now: int,
) -> Iterator[DutyOwed]:
    for owed in rules.answers:
        if one.kind not in owed.opened_by or one.jurisdiction != owed.jurisdiction:
            continue
        answered_before = owed.working_days == 0 and any(earlier.kind in owed.closed_by for earlier in before)
        if one.event_time < owed.since or answered_before:
            continue
        until, known = rules.calendars[owed.jurisdiction].until(one.event_time, owed.working_days)
        closing = next((later for later in after if later.kind in owed.closed_by), None)
        # A lawful record that comes late closes it; what it tells of counts from when it happened.
        in_time = closing is not None and closing.event_time <= until
        if in_time:
            continue
        state = LATE if closing is not None else OVERDUE if now > until else DUE
        yield DutyOwed(
            owed.name,
            "answer",
            state,
            owed.jurisdiction,
            (one.author if owed.owes == AUTHOR else holder) or "",
            one.event_time,
            until,
            known,
            closing.recorded_at if closing is not None else None,
            owed.working_days,
            owed.basis,
            owed.confirmed,
            one.leaf_index,
        )


def _calendar(row: Mapping[str, Any]) -> WorkingDays:
    days = {name: frozenset(map(date.fromisoformat, row[name])) for name in ("holidays", "working")}
    until = date.fromisoformat(row["known_until"])
    weekend = frozenset(row["weekend"])
    if weekend == frozenset(range(1, 8)):  # a week in which nobody works never ends
        raise ShapeError(f"{row['jurisdiction']} has no working day")
    return WorkingDays(
        row["jurisdiction"],
        row["utc_offset_s"],
        weekend,
        days["holidays"],
        days["working"],
        until,
        row["confirmed"],
    )


def _answer(row: Mapping[str, Any]) -> AnswerOwed:
    since = row.get("from")
    begins = datetime.fromisoformat(since).replace(tzinfo=UTC) if since is not None else None
    return AnswerOwed(
        row["name"],
        row["jurisdiction"],
        frozenset(row["opened_by"]),
        frozenset(row["closed_by"]),
        row["owes"],
        row["working_days"],
        row["basis"],
        row["confirmed"],
        int(begins.timestamp()) if begins is not None else 0,
    )
