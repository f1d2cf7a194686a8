"""Time alone judges open lines again (I9): when a line is due, within which bounds, by which day's law."""

from __future__ import annotations

import csv
import io
import json
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import orjson
import pytest

from node.config import DataDirectory
from node.service import Service
from node.setup.wiring import open_service
from node.storage.consignments import ConsignmentRow
from node.verdicts.declarations import OPEN_S
from node.verdicts.judgement import law_date_of
from node.verdicts.watching import ASK_AGAIN_S, ASKED_AGAIN, CLAIMS_S, due_of
from tests.harness.border import CONFIG, words
from tests.harness.support_service import PASSPHRASE, live_node
from tests.node.test_watching import GOODS, code_of, issue

TURNS_MAX = 64


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("time")
    with live_node(root) as node:
        issue(node, 1)
    made = open_service(DataDirectory(root / "data"), PASSPHRASE, 0)  # its threads do not run
    try:
        yield made
    finally:
        made.stop()


def judged(service: Service, name: str, lines: int = 1) -> str:
    rows = [{"line": n, "battery": code_of(n), **GOODS} for n in range(1, lines + 1)]
    return finished(service, {"declaration": name, "lines": rows})


def finished(service: Service, manifest: dict[str, Any]) -> str:
    """The id of this consignment, judged to its end: nothing of it waits for the next test."""
    made = service.consignments.create(manifest, "key")["id"]
    while service.consignments.show(made, limit=0)["state"] != "done":
        service.judging.turn()
    return made


def row(service: Service, consignment: str, line: int = 1) -> dict[str, Any]:
    found = service.stores.office._db.connection.execute(
        "SELECT * FROM items WHERE consignment = ? AND line = ?", (consignment, line)
    )
    return dict(found.fetchone())


def change(service: Service, statement: str, *values: object) -> None:
    with service.stores.office.writing() as db:
        db.execute(statement, values)


def test_a_line_is_judged_again_when_its_time_has_come(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It is due when its verdict says so; judged again it has the word of now, and its next moment.
    """
    monkeypatch.setattr("node.verdicts.judging.WAIT_S", 0.0)
    made = judged(service, "26NLTIME")
    first = service.consignments.item(made, 1)
    due = row(service, made)["due"]
    body = orjson.dumps({**first, "evaluated_at": 5, "reason": "x"})
    change(
        service, "UPDATE items SET due = 5, body = ?, crc = ? WHERE consignment = ?", body, crc32(body), made
    )

    for _ in range(TURNS_MAX):
        service.judging.turn()

    again = service.consignments.item(made, 1)
    assert due == due_of(first) and due > time.time()
    assert again["evaluated_at"] > 5 and again["before"]["reason"] == "x"
    assert time.time() < row(service, made)["due"] == due_of(again)
    assert not service.stores.office.overtaken.stale(1)


def test_lines_are_woken_within_bounds_and_only_while_they_are_watched(service: Service) -> None:
    """
    So many at a time, the longest due first; a settled line and one of an old consignment have no moment.
    """
    office, now = service.stores.office, int(time.time())
    made, old = judged(service, "26NLMANY", 3), judged(service, "26NLOLD", 1)
    change(service, "UPDATE items SET due = NULL, stale = 0")
    change(service, "UPDATE items SET due = 10 - line WHERE consignment = ?", made)
    change(service, "UPDATE items SET due = 1 WHERE consignment = ?", old)
    change(service, "UPDATE consignments SET created = ? WHERE id = ?", now - OPEN_S - 9, old)
    change(service, "UPDATE items SET stale = 4 WHERE consignment = ? AND line = 1", made)

    assert office.overtaken.any_due(1) and not office.overtaken.any_due(0)
    with office.writing() as db:
        assert office.overtaken.mark_due(db, 9, now - OPEN_S, 2, 6) == 2  # the old one, and line 3
    assert [row(service, made, n)["stale"] for n in (1, 2, 3)] == [4, 0, 6]
    assert row(service, old)["stale"] == 0 and row(service, old)["due"] is None
    with office.writing() as db:
        office.overtaken.settle(db, made, 2)
    assert row(service, made, 2)["due"] is None
    with office.writing() as db:
        assert office.overtaken.mark_due(db, 9, now - OPEN_S, 2, 6) == 1
    assert [row(service, made, n)["stale"] for n in (1, 2, 3)] == [4, 0, 6]
    assert not office.overtaken.any_due(now)
    change(service, "UPDATE items SET stale = 0")


def test_what_a_source_did_not_say_is_asked_again_after_a_while() -> None:
    """
    An hour later, or at the verdict's own moment if that is sooner; a line that waits for the operator never.
    """
    found: dict[str, Any] = {"good_until": None, "reason": "ok", "evaluated_at": 100}
    silent = {**found, "undecided_because": "unreachable"}

    assert due_of(found) is None
    assert due_of({**found, "good_until": 300}) == 300
    assert due_of({**found, "undecided_because": "not_given"}) is None
    assert due_of(silent) == due_of({**silent, "undecided_because": "stale"}) == 100 + ASK_AGAIN_S
    assert due_of({**silent, "good_until": 300}) == 300
    assert due_of({**silent, "good_until": 100_000}) == 100 + ASK_AGAIN_S
    assert due_of({**silent, "good_until": 300, "reason": "set_aside"}) is None


@pytest.mark.parametrize(
    ("named", "came", "now", "expected"),
    [
        ("2027-03-01", "2027-03-01 10:00", "2027-03-01 11:00", "2027-03-01"),
        ("2027-03-01", "2027-03-01 10:00", "2027-03-04 11:00", "2027-03-04"),
        ("2027-06-01", "2027-03-01 10:00", "2027-03-04 11:00", "2027-06-01"),
        ("2027-06-01", "2027-03-01 10:00", "2027-06-02 11:00", "2027-06-02"),
        ("2027-02-28", "2027-03-01 10:00", "2027-03-01 11:00", "2027-03-01"),
        ("2027-02-28", "2027-03-01 13:00", "2027-03-04 11:00", "2027-02-28"),
    ],
)
def test_an_open_line_goes_with_the_law_of_the_day(named: str, came: str, now: str, expected: str) -> None:
    """
    Once the day that a manifest names is over, today's law; a day that was over when it came stays.
    """
    created, at = (int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) for text in (came, now))
    given = ConsignmentRow(1, "c", "", None, None, named, created, None, None, None, "done", 1, 1, "key")

    assert law_date_of(given, at) == expected


@pytest.mark.parametrize("because", ASKED_AGAIN)
def test_what_asking_again_cannot_answer_is_not_asked_again(because: str) -> None:
    """
    A line that waits for its importer, for papers outside this network or for a record is judged again when
    that comes: asked every hour, a manifest of returns costs its lines in verdicts an hour, for 120 days.
    """
    reasons = tomllib.loads((CONFIG / "reasons.toml").read_text())
    waiting = {code for code, row in reasons.items() if row.get("because") == because}
    theirs = {code for code in waiting if reasons[code]["fault"] in ("importer", "caller")}

    assert not theirs
    assert not waiting & {"return_not_checked", "waste_shipment_not_checked", "vin_not_recorded"}


def test_only_the_lines_that_the_newest_leaves_are_about_are_judged_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Leaves about one battery mark its line and no other; whoever looks is told whether there may be more.
    """
    office, watching = service.stores.office, service.judging.watching
    made = judged(service, "26NLLEAVES", 2)  # of the second battery nothing is on record
    change(service, "UPDATE items SET due = NULL, stale = 0")
    size = service.stores.ledger.log_size()

    def look(leaves_at_once: int) -> tuple[bool, list[bool]]:
        monkeypatch.setattr("node.verdicts.watching.LEAVES_AT_ONCE", leaves_at_once)
        return watching.look(), [bool(row(service, made, n)["stale"]) for n in (1, 2)]

    with office.writing() as db:
        office.overtaken.watched(db, 0)

    assert look(size - 1)[0], "one leaf is left"
    assert look(size) == (False, [True, False])
    assert look(size) == (False, [True, False])
    change(service, "UPDATE items SET stale = 0")


def test_what_is_claimed_of_a_battery_comes_to_its_line_a_while_later(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    No word is read from claims, and a fresh look shows them: the open line does within ten minutes.
    """
    office, watching = service.stores.office, service.judging.watching
    made = judged(service, "26NLCLAIMED", 2)
    change(service, "UPDATE items SET due = NULL, stale = 0")
    key = row(service, made)["subject"]
    monkeypatch.setattr("node.verdicts.watching.claimed_of", lambda rows: [key])
    with office.writing() as db:
        office.overtaken.watched(db, service.stores.ledger.log_size() - 1)

    watching.look()

    assert 0 < row(service, made)["due"] - int(time.time()) <= CLAIMS_S
    assert row(service, made, 2)["due"] is None
    change(service, "UPDATE items SET due = NULL, stale = 0")


def test_a_line_that_raises_when_it_is_judged_again_is_set_aside(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Overtaken by the ledger, and then our mistake: it waits for the operator with its reason, as any other.
    """
    monkeypatch.setattr("node.verdicts.judging.WAIT_S", 0.0)
    made = judged(service, "26NLRAISES")
    change(service, "UPDATE items SET due = NULL, stale = 0")

    def poison(*_: object) -> None:
        raise ZeroDivisionError("planted")

    change(service, "UPDATE items SET stale = 1 WHERE consignment = ?", made)
    monkeypatch.setattr("node.verdicts.judgement.clear_repeated", poison)
    service.judging.turn()

    [aside] = service.operations.aside()
    assert (aside["ref"], aside["because"]) == (f"{made}/1", "ZeroDivisionError: planted")
    assert service.consignments.item(made, 1)["reason"] == "set_aside"
    with service.stores.office.writing() as db:
        service.stores.office.aside.clear(db, "line", f"{made}/1")


def test_that_fetching_failed_is_logged_and_the_lines_are_judged_by_themselves(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Our mistake while documents are fetched for many lines costs none of them its verdict, and is in the log.
    """
    gathering, failed = service.judging._gathering, list[int]()
    proper = gathering.fetch_for

    def once(lines: Any, *rest: Any) -> Any:
        if len(lines) == 2 and not failed:  # those of this consignment, together
            failed.append(len(lines))
            raise ZeroDivisionError("planted")
        return proper(lines, *rest)

    monkeypatch.setattr(gathering, "fetch_for", once)
    made = judged(service, "26NLFETCH", 2)

    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    [told] = [moment for moment in logged if moment["at"] == "fetch_failed"]
    assert (told["lines"], told["because"]) == (2, "ZeroDivisionError: planted")
    assert [service.consignments.item(made, n)["reason"] for n in (1, 2)].count("set_aside") == 0


def test_who_follows_a_consignment_is_told_when_nothing_comes_any_more(service: Service) -> None:
    """
    Nothing yet is not the end; the last line is; and whoever asks after it is told that there is no more.
    """
    rows = [{"line": n, "battery": code_of(n), **GOODS} for n in (1, 2)]
    made = service.consignments.create({"declaration": "26NLEVENTS", "lines": rows}, "key")["id"]

    before = service.consignments.events(made, 0)
    while service.consignments.show(made, limit=0)["state"] != "done":
        service.judging.turn()
    events, last = service.consignments.events(made, 0)

    assert before == ([], False)
    assert [(e["seq"], e["state"]) for e in events] == [(1, "running"), (2, "done")] and last
    assert service.consignments.events(made, 2) == ([], True)


@pytest.mark.parametrize(("given", "kept"), [("export", "export"), ("import", "import"), (None, "import")])
def test_the_direction_of_a_manifest_counts_before_that_of_the_policy(
    service: Service, given: str | None, kept: str
) -> None:
    """
    A manifest that says nothing is judged as the policy of this office is for.
    """
    head = {"declaration": f"26NL{given}"} | ({"direction": given} if given else {})
    rows = [{"line": 1, "battery": code_of(1), **GOODS}]

    made = finished(service, {**head, "lines": rows})

    assert service.consignments.show(made)["direction"] == kept


@pytest.mark.parametrize("begin", ["=", "+", "-", "@"])
def test_an_exported_table_has_no_formula_and_says_which_declaration(service: Service, begin: str) -> None:
    """
    What a sender wrote is text to a spreadsheet, whatever it begins with; each row names its declaration.
    """
    text = f'{begin}HYPERLINK("http://x.example")'
    rows = [{"line": 1, "battery": text, **GOODS}]
    made = finished(service, {"declaration": f"26NLCSV{ord(begin)}", "lines": rows})

    data = b"".join(service.consignments.export(made, "csv", words())).decode("utf-8-sig")

    [line] = csv.DictReader(io.StringIO(data))
    assert (line["declaration"], line["battery"]) == (f"26NLCSV{ord(begin)}", "'" + text)
    assert (line["line"], line["verdict"]) == ("1", service.consignments.item(made, 1)["verdict"])


def test_each_line_of_a_report_counts_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    However many lines are read at once, the importer's report is about so many lines and batteries.
    """
    rows = [{"line": n, "battery": code_of(n), **GOODS} for n in range(1, 6)]
    made = finished(service, {"declaration": "26NLREPORT", "lines": rows})
    whole = service.consignments.report(made)

    monkeypatch.setattr("node.verdicts.reports.REPORT_LINES_AT_ONCE", 2)
    in_parts = service.consignments.report(made)

    for report in (whole, in_parts):
        assert report["head"]["lines"] == 5
        assert {sum(row["items"].values()) for row in report["rows"]} == {report["items"]}
