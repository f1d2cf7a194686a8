"""X14: what a facility states beyond the capacity of its licence is an alert, and holds nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from credentials.documents.identifiers import Subject
from node.capacity_rows import Capacity
from node.errors import SetupError
from node.oversight.capacities import WHO
from node.oversight.handling import Handling
from node.oversight.tallying import month_of
from node.settings import Settings
from node.storage.alerts import AlertFilter, AlertRow
from node.storage.database import Transaction
from node.storage.entries import EntryRow, row_of
from node.storage.office import OfficeStore
from node.words import Words, alert_words
from tests.credentials.test_custody import last
from tests.credentials.test_routes import in_use
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    RECYCLER,
    WORKSHOP,
    Ledger,
    accreditations,
)

PACK_GRAMS = 450_000
DAY_S = 86_400
ROW: dict[str, Any] = {
    "party": RECYCLER,
    "licence": "acting",  # as the ledger of the tests has it
    "side": "EU",
    "basis": "permit 12 of 2026",
    "events": ["recycling.received"],
    "per": "month",
    "batteries_max": 2,
    "since": "2026-01",
    "until": "2039-12",
}


def following(office: OfficeStore, ledger: Ledger, *rows: dict[str, Any]) -> Handling:
    """What adds up what is on this ledger, with these capacities."""

    def leaves() -> list[EntryRow]:
        entries = enumerate(ledger.reader.entries)
        return [replace(row_of(entry), leaf_index=leaf, height=leaf) for leaf, entry in entries]

    def of(subject: bytes, _: int, before: int) -> list[EntryRow]:
        return [row for row in leaves() if row.subject == subject and row.leaf_index < before]

    read = SimpleNamespace(since=lambda begin, most: leaves()[begin : begin + most], of=of)
    store = SimpleNamespace(
        leaves=read,
        block_times=lambda heights: dict.fromkeys(heights, ledger.now),
        reading=office.reading,
    )
    governs = SimpleNamespace(at=lambda _: ledger.history.latest, height=1, latest=ledger.history.latest)
    parts = (office, cast(Any, store), cast(Any, governs))
    return Handling(*parts, [Capacity.of(row) for row in rows])


@pytest.fixture
def office(tmp_path: Path) -> Iterator[OfficeStore]:
    made = OfficeStore(tmp_path / "office.db")
    yield made
    made.close()


def taken_in(ledger: Ledger, number: int, grams: int = PACK_GRAMS, at: int | None = None) -> Subject:
    subject = ledger.waste(number) if at is None else battery_of(ledger, number, at)
    members = {} if at is None else {"event_time": at}
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": grams}, **members)
    return subject


def battery_of(ledger: Ledger, number: int, before: int) -> Subject:
    """Waste of a time before this one, whenever it is told."""
    now, ledger.now = ledger.now, before - 1_000
    subject = ledger.waste(number)
    ledger.now = now
    return subject


def alerts(office: OfficeStore) -> list[AlertRow]:
    return office.alerts.page(AlertFilter(code="beyond_capacity"), 100)


def test_a_facility_within_its_capacity_raises_nothing_and_one_beyond_it_is_one_alert(
    office: OfficeStore,
) -> None:
    """
    As many as the licence allows: nothing. One more: one alert by X14 with the period, what is allowed and
    the permit, to the authority; it is about no battery, so nothing rests on it. Still more: the same alert.
    """
    ledger = Ledger()
    follows = following(office, ledger, ROW)
    for number in (1, 2):
        taken_in(ledger, number)
    follows.turn()
    assert alerts(office) == []

    taken_in(ledger, 3)
    follows.turn()
    taken_in(ledger, 4)
    follows.turn()

    (alert,) = alerts(office)
    assert (alert.rule, alert.party, alert.facility, alert.times) == ("X14", RECYCLER, "acting", 1)
    assert (alert.subject, alert.because, alert.sides) == (None, "authority", "EU")
    period = datetime.fromtimestamp(ledger.now, UTC).strftime("%Y-%m")
    told = {**json.loads(alert.parameters), "party": alert.party}
    said, fault, then = alert_words(Words("en", lambda _: {}), alert.code, told)
    assert f"more in {period} than the 2 that its licence acting allows (permit 12 of 2026)" in said
    assert fault == "issuer" and "paper" in then


def test_what_is_reported_late_counts_in_the_month_in_which_it_happened(office: OfficeStore) -> None:
    """
    An honest facility that reports two months at once is within the capacity of each.
    """
    ledger = Ledger()
    follows = following(office, ledger, ROW)
    begun = ledger.now
    ledger.now = begun + 40 * DAY_S
    for number in (1, 2):
        taken_in(ledger, number, at=begun + 5_000 + number)
    for number in (3, 4):
        taken_in(ledger, number)
    follows.turn()
    assert alerts(office) == []
    sums = office.throughput.by_month(RECYCLER, "acting", ["recycling.received"])
    assert sums == {month_of(begun): (2, 2 * PACK_GRAMS), month_of(ledger.now): (2, 2 * PACK_GRAMS)}


def test_the_times_of_blocks_are_read_once_for_all_leaves(office: OfficeStore) -> None:
    """
    However many leaves a stretch has, when their blocks were made is asked in one reading.
    """
    ledger, asked = Ledger(), list[set[int]]()
    for number in (1, 2, 3):
        taken_in(ledger, number)
    follows = following(office, ledger, ROW)
    store = cast(Any, follows)._ledger
    times = store.block_times

    def counted_times(heights: set[int]) -> Any:
        asked.append(heights)
        return times(heights)

    store.block_times = counted_times
    follows.turn()
    assert [len(heights) for heights in asked] == [3]


def test_what_authorities_void_is_taken_out_again_and_closes_the_alert(office: OfficeStore) -> None:
    """
    A mass that was typed wrong is beyond the capacity until it is voided: then the alert is closed, and says
    by whom. What is beyond it afterwards opens it again.
    """
    ledger = Ledger()
    row = {name: value for name, value in ROW.items() if name != "batteries_max"}
    row |= {"grams_max": 5 * PACK_GRAMS, "per": "year"}
    follows = following(office, ledger, row)
    taken_in(ledger, 1)
    wrong = taken_in(ledger, 2, 10 * PACK_GRAMS)
    follows.turn()
    assert [one.state for one in alerts(office)] == ["open"]

    ledger.run(
        ledger.countersigned(
            EU_AUTHORITY, "attestation.voided", wrong, (CN_AUTHORITY,), **last(ledger, wrong)
        )
    )
    follows.turn()
    (alert,) = alerts(office)
    assert (alert.state, alert.handled_by) == ("acknowledged", WHO)

    for number in range(3, 8):
        taken_in(ledger, number)
    follows.turn()
    assert [(one.state, one.times) for one in alerts(office)] == [("open", 2)]


def test_what_is_taken_back_twice_is_taken_out_once(office: OfficeStore) -> None:
    """
    What its author corrected and authorities voided after that was one statement: two others still count.
    """
    ledger = Ledger()
    row = {**ROW, "party": WORKSHOP, "events": ["soh.measured"]}
    follows = following(office, ledger, row)
    subjects = measured_by_a_trade(ledger)
    named = last(ledger, subjects[0])
    ledger.happen(WORKSHOP, "attestation.corrected", subjects[0], **named)
    follows.turn()
    ledger.run(
        ledger.countersigned(EU_AUTHORITY, "attestation.voided", subjects[0], (CN_AUTHORITY,), **named)
    )
    follows.turn()
    assert counted(office, row) == [len(subjects) - 1]


def test_a_row_of_trades_that_is_withdrawn_is_taken_out_whole(office: OfficeStore) -> None:
    """
    What a trade said of a battery is withdrawn by the first of it: what it said after that goes too.
    """
    ledger = Ledger()
    row = {**ROW, "party": WORKSHOP, "events": ["soh.measured"]}
    subjects = measured_by_a_trade(ledger)
    first = last(ledger, subjects[0])
    for _ in range(2):
        ledger.happen(WORKSHOP, "soh.measured", subjects[0], quantities=MEASURED)
    ledger.happen(EU_AUTHORITY, "record.withdrawn", subjects[0], **first)
    following(office, ledger, row).turn()
    assert counted(office, row) == [len(subjects) - 1]


MEASURED = {"soh_permille": 900, "cycles": 100}


def measured_by_a_trade(ledger: Ledger) -> list[Subject]:
    """Three batteries in use, each measured once."""
    subjects = [in_use(ledger, number) for number in (1, 2, 3)]
    for subject in subjects:
        ledger.happen(IMPORTER, "battery.handed_over", subject, parties=("eori:DE5",))
        ledger.happen(WORKSHOP, "soh.measured", subject, quantities=MEASURED)
    return subjects


def counted(office: OfficeStore, row: dict[str, Any]) -> list[int]:
    """How many batteries were added up in each month, under whatever licence."""
    licences = [one.licence for one in accreditations() if one.participant == row["party"]]
    sums = (office.throughput.by_month(row["party"], name, row["events"]) for name in licences)
    return [batteries for by_month in sums for batteries, _ in by_month.values()]


def test_a_capacity_that_was_raised_closes_its_alert_at_the_next_start(office: OfficeStore) -> None:
    """
    The authority enters what it licensed meanwhile, and starts its node: what is within it now is closed; a
    licence without a row is compared with nothing.
    """
    ledger = Ledger()
    for number in (1, 2, 3):
        taken_in(ledger, number)
    following(office, ledger).turn()
    assert alerts(office) == []
    following(office, ledger, ROW).turn()
    assert [one.state for one in alerts(office)] == ["open"]
    following(office, ledger, {**ROW, "batteries_max": 3}).turn()
    assert [one.state for one in alerts(office)] == ["acknowledged"]


def test_what_was_closed_by_a_row_that_was_typed_wrong_is_open_again(office: OfficeStore) -> None:
    """
    A row with a digit too many closes its alert at a start; put right, the next start opens it again, as new,
    though nothing was stated since.
    """
    ledger = Ledger()
    for number in (1, 2, 3):
        taken_in(ledger, number)
    following(office, ledger, ROW).turn()
    following(office, ledger, {**ROW, "batteries_max": 22}).turn()
    (closed,) = alerts(office)
    assert closed.state == "acknowledged"
    following(office, ledger, ROW).turn()
    (alert,) = alerts(office)
    assert (alert.state, alert.leaf) == ("open", closed.leaf)
    assert alert.seq > closed.seq
    assert json.loads(alert.parameters)["most"] == "2"


def test_what_a_start_compares_is_compared_again_where_it_was_not_kept(
    office: OfficeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The disk is full when the first comparison after a start is to be kept: the next turn makes it again.
    """
    ledger = Ledger()
    for number in (1, 2, 3):
        taken_in(ledger, number)
    following(office, ledger, ROW).turn()
    follows, writing = following(office, ledger, {**ROW, "batteries_max": 3}), office.writing

    @contextmanager
    def full() -> Iterator[Transaction]:
        with writing() as db:
            yield db
            raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(office, "writing", full)
        with pytest.raises(OSError, match="no space"):
            follows.turn()
    assert [one.state for one in alerts(office)] == ["open"]
    follows.turn()
    assert [one.state for one in alerts(office)] == ["acknowledged"]


def test_for_other_rows_the_log_is_counted_anew(office: OfficeStore) -> None:
    """
    Who else is asked about later is counted from the first leaf on, and nobody twice.
    """
    ledger = Ledger()
    for number in (1, 2, 3):
        taken_in(ledger, number)
    following(office, ledger, {**ROW, "party": "did:web:another.example"}).turn()
    following(office, ledger, ROW, {**ROW, "party": "did:web:another.example"}).turn()
    following(office, ledger, ROW).turn()
    sums = office.throughput.by_month(RECYCLER, "acting", ["recycling.received"])
    assert [batteries for batteries, _ in sums.values()] == [3]


WRONG = {
    "unknown member": {"colour": "red"},
    "no licence": {"licence": ""},
    "no events": {"events": []},
    "another period": {"per": "week"},
    "two measures": {"grams_max": 1},
    "nothing allowed": {"batteries_max": 0},
    "no month": {"since": "2026-13"},
    "ends before it begins": {"since": "2027-02", "until": "2027-01"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_row_that_cannot_be_gone_by_is_told_at_the_start(tmp_path: Path, change: dict[str, Any]) -> None:
    """
    A capacity that is not whole is refused by its name when the node starts, as are two of one time.
    """
    with pytest.raises(SetupError, match="capacities"):
        Settings.read(written(tmp_path, {**ROW, **change}))


def test_an_event_that_there_is_none_of_is_told_at_the_start(office: OfficeStore) -> None:
    """
    A misspelt event would count nothing for ever: the node does not start with it.
    """
    with pytest.raises(SetupError, match=r"recycling\.recieved"):
        following(office, Ledger(), {**ROW, "events": ["recycling.recieved"]})


def test_rows_are_read_and_two_of_one_time_are_none(tmp_path: Path) -> None:
    """
    A licence that was extended has a row after the other; two rows that hold in one month are refused.
    """
    first, then = {**ROW, "until": "2026-12"}, {**ROW, "since": "2027-01", "batteries_max": 9}
    read = Settings.read(written(tmp_path, first, then)).capacities
    assert [(one.most, one.since, one.until) for one in read] == [(2, 202601, 202612), (9, 202701, 203912)]
    with pytest.raises(SetupError, match="hold for acting at one time"):
        Settings.read(written(tmp_path, ROW, then))


def test_a_permit_in_grams_and_in_batteries_is_two_rows_and_two_alerts(
    office: OfficeStore, tmp_path: Path
) -> None:
    """
    A permit that names both measures for one month has a row for each, and what is beyond both is two alerts.
    """
    weighed = {name: value for name, value in ROW.items() if name != "batteries_max"}
    weighed |= {"grams_max": PACK_GRAMS}
    assert len(Settings.read(written(tmp_path, ROW, weighed)).capacities) == 2
    ledger = Ledger()
    for number in (1, 2, 3):
        taken_in(ledger, number)
    following(office, ledger, ROW, weighed).turn()
    told = {json.loads(one.parameters)["most"] for one in alerts(office) if one.state == "open"}
    assert told == {"2", "0.45 t"}


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    """node.toml with these capacities."""
    lines = []
    for row in rows:
        lines += ["[[capacities]]", *(f"{name} = {_toml(value)}" for name, value in row.items())]
    (folder / "node.toml").write_text("\n".join(lines) + "\n")
    return folder / "node.toml"


def _toml(value: object) -> str:
    return json.dumps(value)  # texts, numbers and lists of texts are written alike


@pytest.mark.parametrize("most", [0, 1])
def test_a_licence_for_one_battery_is_a_licence(most: int) -> None:
    """
    One a month may be allowed; none is no capacity.
    """
    row = {**ROW, "batteries_max": most}
    if most:
        assert Capacity.of(row).most == most
    else:
        with pytest.raises(ValueError, match="a number above 0"):
            Capacity.of(row)
