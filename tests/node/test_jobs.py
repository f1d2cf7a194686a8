"""Sheets as jobs: each row a passport or a reason, once, whatever happens in between."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from werkzeug.test import TestResponse

from credentials.documents.tables import FORMULA, JOINED, ROUNDED
from node.api.jobs import _columns, _lines
from node.errors import ProblemError
from node.issuing.issue_jobs import RATE_S, TOGETHER
from node.issuing.item_sheets import marked
from node.issuing.passport_models import MemberKinds, number_of
from node.resolution.webhooks import TOPICS, WebhookEndpoint
from node.sheets import XLSX
from node.storage import jobs as stored
from node.storage.jobs import JobRow
from node.storage.office import OfficeStore
from node.storage.webhook_posts import PostRow
from node.use_cases import jobs as desk
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_webhooks import SECRET, URL, Endpoint

JSON = dict[str, Any]
CSV, NDJSON = "text/csv", "application/x-ndjson"
GENERAL = "GeneralProductInformation"
LAST_UPDATED = ("capacityThroughput", "numberOfFullCycles", "remainingEnergy", "stateOfCharge")


def model_of(name: str = "P75") -> JSON:
    """The shipped plausible claims as what a model has in common; what an item says is taken out."""
    claims = claims_of(1)
    general = claims[GENERAL]
    general["batteryPassportIdentifier"] = "urn:bpass:{code}"
    general["productIdentifier"] = "urn:comity:item:gbt34014:{code}"
    for member in ("batteryMass", "manufacturingDate"):
        del general[member]
    columns = {
        "mass (kg)": f"{GENERAL}.batteryMass",
        "生产日期": f"{GENERAL}.manufacturingDate",
        "remarks": [],
    }
    return {"name": name, "claims": claims, "columns": columns, "utc_offset": "+08:00"}


def row_of(serial: int, **cells: str) -> list[str]:
    day = f"2026-06-{1 + serial % 28:02d}"
    return [
        cells.get("code", code_of(serial)),
        cells.get("mass", "452.5"),
        cells.get("made", day),
        "a remark",
    ]


def sheet(rows: Sequence[Sequence[str]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["Code", "Mass (kg)", "生产日期", "Remarks"], *rows])
    return text.getvalue().encode()


def line_of(serial: int) -> bytes:
    return json.dumps({"code": code_of(serial), "claims": claims_of(serial)}).encode() + b"\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("jobs")) as running:
        assert running.post_json("/models", model_of()).status_code == 200
        yield running


def send(
    node: LiveNode, data: bytes, query: str = "model=P75", kind: str = CSV, **headers: str
) -> TestResponse:
    sent = {**node.bearer, "Content-Type": kind, **headers}
    return node.client.post(f"/jobs/issue?{query}", data=data, headers=sent)


def taken(node: LiveNode, data: bytes, query: str = "model=P75", kind: str = CSV) -> str:
    answer = send(node, data, query, kind)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["id"])


def done(node: LiveNode, data: bytes, query: str = "model=P75", kind: str = CSV) -> tuple[JSON, list[JSON]]:
    """The job when every row has a result, and these."""
    id = taken(node, data, query, kind)
    node.wait(lambda: node.get_json(f"/jobs/{id}")["state"] == "done", "the job")
    return node.get_json(f"/jobs/{id}"), node.get_json(f"/jobs/{id}/rows")["rows"]


def test_each_row_of_a_sheet_is_a_passport(node: LiveNode) -> None:
    """
    What the model says and what the row says are the claims: numbers, days and the code in their places; each
    row is signed, recorded and receipted by itself, and its credentials verify.
    """
    made, rows = done(node, sheet([row_of(n) for n in range(1, 4)]), "model=P75&name=June.csv")
    assert made["name"] == "June.csv"
    node.wait(lambda: node.get_json(f"/jobs/{made['id']}")["finished"], "the receipts")
    told = node.get_json(f"/jobs/{made['id']}")
    sets = node.get_json(f"/passports/{rows[1]['digest']}")["sets"]
    public = node.get_json(f"/documents/{sets['1']}")
    general = public["credentialSubject"][GENERAL]

    assert [one["state"] for one in rows] == ["signed"] * 3 and [one["line"] for one in rows] == [2, 3, 4]
    after = node.get_json(f"/jobs/{made['id']}/rows?after={rows[0]['row']}&limit=1")["rows"]
    assert [one["row"] for one in after] == [rows[1]["row"]]
    assert told["counts"] == {"signed": 3} and told["on_ledger"] == {"receipted": 3}
    assert general["batteryMass"] == 452.5 and general["manufacturingDate"] == "2026-06-03T00:00:00+08:00"
    assert general["productIdentifier"] == f"urn:comity:item:gbt34014:{code_of(2)}"
    assert node.service.vc_api.verify_credential(public).verified


def test_what_is_wrong_with_a_row_is_its_own_result(node: LiveNode) -> None:
    """
    A code that is none, two rows of one code, a cell that is no number, what may be thousands, a day that is
    none, a value out of range, a row without a code, a cell under no column: each row is told which cell, why
    and what to do, in the reader's language; the rows between them are signed.
    """
    wrong = [
        row_of(10, code="ZZ1-NOT-A-CODE"),
        row_of(12),
        row_of(12, mass="450"),
        row_of(13, mass="heavy"),
        row_of(14, mass="1,234"),
        row_of(15, made="the first of June"),
        row_of(16, mass="-1"),
        row_of(17, code=""),
        [*row_of(18), "stray"],
        row_of(19, mass="=1+1"),
        row_of(20, mass="4.5E+02"),
    ]
    made, rows = done(node, sheet([row_of(11), *wrong, row_of(21)]))
    chinese = node.client.get(
        f"/jobs/{made['id']}/rows?state=refused", headers={**node.bearer, "Accept-Language": "zh"}
    ).get_json()["rows"]
    told = [(one["problem"]["code"], one["problem"]["cell"]) for one in rows if one["problem"]]

    assert [one["row"] for one in rows if one["state"] == "signed"] == [1, 3, 13]
    assert made["counts"] == {"signed": 3, "refused": 10}
    assert told == [
        ("identifier_malformed", None),
        ("code_repeated", None),
        ("cell_malformed", "Mass (kg)"),
        ("cell_malformed", "Mass (kg)"),
        ("cell_malformed", "生产日期"),
        ("schema_invalid", "Mass (kg)"),
        ("code_missing", None),
        ("cell_malformed", ""),
        ("cell_malformed", "Mass (kg)"),
        ("cell_malformed", "Mass (kg)"),
    ]
    english = [one for one in rows if one["state"] == "refused"]
    for one in english:
        assert one["problem"]["next"] and one["problem"]["fault"] == "caller", one["problem"]
    for one, other in zip(english, chinese, strict=True):
        assert one["row"] == other["row"] and one["problem"]["next"] != other["problem"]["next"]


def test_refused_rows_come_back_to_be_sent_again(node: LiveNode) -> None:
    """
    The file of refused rows has their cells as they came, with cell, reason and step beside them; corrected,
    it is a sheet, and only those rows are issued by it.
    """
    made, _ = done(node, sheet([row_of(31), row_of(32, mass="heavy"), row_of(33, made="never")]))
    back = node.get(f"/jobs/{made['id']}/failed")
    text = back.get_data().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    corrected = text.replace("heavy", "453.5").replace("never", "2026/6/6")
    again, results = done(node, corrected.encode())

    assert back.mimetype == "text/csv" and rows[0][-3:] == ["problem_cell", "problem", "what_to_do"]
    assert [one[0] for one in rows[1:]] == [code_of(32), code_of(33)]
    assert rows[1][-3] == "Mass (kg)" and "heavy" in rows[1][-2] and rows[1][-1]
    assert again["counts"] == {"signed": 2} and [one["battery"] for one in results] == [
        code_of(32),
        code_of(33),
    ]


def test_a_workbook_is_a_sheet_and_comes_back_as_one(node: LiveNode) -> None:
    """
    Dates as dates and numbers as numbers are read; a formula, an error and a joined cell are told by their
    column, and what was refused comes back as a workbook that can be sent again.
    """
    book = Workbook()
    page = book.active
    assert page is not None
    page.append(["code", "mass (kg)", "生产日期", "remarks"])
    for n in range(251, 256):
        page.append([code_of(n), 452.5, datetime(2026, 6, 1 + n % 28), "x"])
    page["B3"], page["B4"] = "=450+2", "#N/A"
    page.merge_cells("B5:B6")
    packed = io.BytesIO()
    book.save(packed)
    made, rows = done(node, packed.getvalue(), kind=XLSX)
    back = node.get(f"/jobs/{made['id']}/failed")
    again = load_workbook(io.BytesIO(back.get_data()))
    sheet = again.active
    assert sheet is not None
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, 2, 453.5)
    corrected = io.BytesIO()
    again.save(corrected)
    _, results = done(node, corrected.getvalue(), kind=XLSX)

    assert [one["state"] for one in rows] == ["signed", "refused", "refused", "signed", "refused"]
    told = [(one["problem"]["code"], one["problem"]["cell"]) for one in rows if one["problem"]]
    assert told == [("cell_malformed", "mass (kg)")] * 3
    assert back.mimetype == XLSX and [one["state"] for one in results] == ["signed"] * 3


def test_lines_of_json_come_back_as_lines(node: LiveNode) -> None:
    """
    Of NDJSON a line that is none and one that is refused come back as they were sent, the latter with its
    reason, and can be sent again.
    """
    lines = (
        line_of(41) + b"{not json}\n" + json.dumps({"code": "x", "claims": claims_of(42)}).encode() + b"\n"
    )
    made, rows = done(node, lines, "", NDJSON)
    back = node.get(f"/jobs/{made['id']}/failed").get_data().splitlines()
    corrected = json.dumps({**json.loads(back[1]), "code": code_of(42)}).encode()
    _, again = done(node, corrected, "", NDJSON)

    assert [one["state"] for one in rows] == ["signed", "refused", "refused"]
    assert back[0] == b"{not json}" and json.loads(back[1])["problem"]
    assert [one["state"] for one in again] == ["signed"]


def test_a_dry_run_signs_nothing(node: LiveNode) -> None:
    """
    Every row is looked at as it would be when it is issued, and nothing is signed, kept or sent; the sheet
    then gives what was foretold.
    """
    data = sheet([row_of(51), row_of(52, mass="-1"), row_of(53)])
    office = node.service.stores.office

    def kept() -> tuple[int, ...]:
        tables = ("issuances", "documents", "outbox")
        return tuple(office._db.tables().table(name).count for name in tables)

    node.wait_quiet()
    before = kept()
    tried, rows = done(node, data, "model=P75&dry_run=1")
    after = kept()
    made, _ = done(node, data)

    assert tried["counts"] == {"checked": 2, "refused": 1} and tried["finished"]
    assert before == after
    assert all(one["digest"] is None for one in rows)
    assert made["counts"] == {"signed": 2, "refused": 1}


def test_overlapping_sheets_issue_nothing_twice(node: LiveNode) -> None:
    """
    Two jobs with rows in common, at the same time: each battery has one passport, and both name it. A row
    that says something else of a battery that has one is refused, and signs none.
    """
    first = taken(node, sheet([row_of(n) for n in range(61, 69)]))
    second = taken(node, sheet([row_of(n) for n in range(65, 73)]))
    node.wait(lambda: all(node.get_json(f"/jobs/{i}")["state"] == "done" for i in (first, second)), "both")
    one, other = (node.get_json(f"/jobs/{id}/rows")["rows"] for id in (first, second))
    _, changed = done(node, sheet([row_of(61, mass="500")]))
    known = {row["battery"]: row["digest"] for row in one}
    issued = [row.battery for row in node.service.stores.office.issuances.page(1_000, None)]

    assert {row["state"] for row in [*one, *other]} == {"signed", "repeated"}
    assert sum(row["state"] == "signed" for row in [*one, *other]) == 12
    assert all(known[row["battery"]] == row["digest"] for row in other if row["battery"] in known)
    assert changed[0]["problem"]["code"] == "passport_stands"
    assert all(issued.count(code_of(n)) == 1 for n in range(61, 73))


def test_the_same_key_is_the_same_job(node: LiveNode) -> None:
    """
    Who hears nothing sends the sheet again with its key, and is given the job that there is; another sheet
    under that key is refused. Keys of different people do not meet.
    """
    data = sheet([row_of(81)])
    first = send(node, data, **{"Idempotency-Key": "shift-1"})
    again = send(node, data, **{"Idempotency-Key": "shift-1"})
    other = send(node, sheet([row_of(82)]), **{"Idempotency-Key": "shift-1"})
    strange = send(node, data, **{"Idempotency-Key": "k" * 129})

    assert (first.status_code, again.status_code) == (202, 200)
    assert first.get_json()["id"] == again.get_json()["id"]
    assert (other.status_code, other.get_json(force=True)["code"]) == (409, "idempotency_key_reused")
    assert strange.status_code == 400


@pytest.mark.parametrize(
    ("said", "number"), [("\u22124,5", -4.5), ("-7", -7), ("+1.0", 1.0), ("0,125", 0.125), ("12", 12)]
)
def test_a_number_is_read_as_people_write_it(said: str, number: float) -> None:
    """
    With a comma or a point, and with the sign of a minus as a spreadsheet shows it.
    """
    found = number_of(said, whole=False)

    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        (FORMULA, "4=2+2 is a formula"),
        (JOINED, "joined with another one"),
        (ROUNDED, "4=2+2 has more digits"),
        ("#REF!", "4=2+2 is an error of the spreadsheet"),
    ],
)
def test_a_cell_that_does_not_say_what_it_shows_is_told_as_what_it_is(mark: str, says: str) -> None:
    """
    By its beginning, with what to do.
    """
    assert says in marked(mark, "4=2+2").detail


ODD = {
    "semicolons and decimal commas": sheet([row_of(101, mass="452,5")], ";"),
    "tabs": sheet([row_of(102)], "\t"),
    "full-width digits": sheet([row_of(103, mass="４５２．５", made="２０２６-０６-２０")]),
    "UTF-16": sheet([row_of(104)]).decode().encode("utf-16"),
    "GB 18030": sheet([row_of(105)]).decode().encode("gb18030"),
    "a byte order mark": b"\xef\xbb\xbf" + sheet([row_of(106)]),
    "gzip": gzip.compress(sheet([row_of(107)])),
    "empty rows": sheet([["", "", "", ""], row_of(108), ["", "", "", ""]]),
    "a Chinese day": sheet([row_of(109, made="2026年6月26日")]),
    "a German day": sheet([row_of(110, made="27.6.2026")]),
    "a column without a name": sheet([row_of(112)]).replace(b"Code,", b"Code,,").replace(b"112,", b"112,,"),
    "a column of an earlier answer": sheet([row_of(113)])
    .replace(b"Code,", b"Code,problem,")
    .replace(b"113,", b"113,once it was wrong,"),
    "blanks in the code": sheet([row_of(111, code=f" {code_of(111)[:8]} {code_of(111)[8:]} ")]),
}


@pytest.mark.parametrize("name", ODD)
def test_sheets_are_read_as_people_save_them(node: LiveNode, name: str) -> None:
    """
    Whatever separates cells, decimals and days, in the encodings of spreadsheets: the row is signed.
    """
    _, rows = done(node, ODD[name])

    assert [one["state"] for one in rows] == ["signed"], rows


HOSTILE = {
    "nothing": (b"", "sheet_malformed"),
    "no rows": (sheet([]), "sheet_malformed"),
    "a bomb": (gzip.compress(bytes(200 << 20), 9), "sheet_too_large"),
    "half of a packed file": (gzip.compress(sheet([row_of(1)]))[:40], "sheet_malformed"),
    "half of a workbook": (b"PK\x03\x04" + bytes(100), "sheet_malformed"),
    "no code": (b"mass (kg)\r\n452\r\n", "sheet_malformed"),
    "a column twice": (b"code,Code\r\na,b\r\n", "sheet_malformed"),
    "an unknown column": (b"code,price\r\na,b\r\n", "sheet_malformed"),
    "latin letters": ("code,remarks\r\na,grün\r\n".encode("latin-1"), "sheet_malformed"),
    "zero bytes": (b"code\r\n\0\r\n", "sheet_malformed"),
    "blank lines": (b"code\r\n" + b"\n" * 400_001, "sheet_malformed"),
    "blank lines of JSON": (b"{}" + b"\n" * 400_001, "sheet_malformed"),
    "a row without an end": (b"code\r\n" + b"," * 70_000, "sheet_malformed"),
    "cells without an end": (b"code\r\n" + b'"\n",' * 70_000, "sheet_malformed"),
    "a cell without an end": (b'code\r\n"' + b"x" * 200_000, "sheet_malformed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_sheet_is_refused_as_a_whole(node: LiveNode, name: str) -> None:
    """
    With a code, whose fault it is and what to do; nothing of it is kept.
    """
    data, code = HOSTILE[name]
    before = [one["number"] for one in node.get_json("/jobs")["jobs"][:1]]
    answer = send(node, data)
    told = answer.get_json(force=True)

    assert 400 <= answer.status_code < 500 and told["code"] == code, told
    assert told["detail"] != told["detail"].upper(), "a sentence, in small letters"
    assert told["fault"] == "caller" and told["next"]
    assert [one["number"] for one in node.get_json("/jobs")["jobs"][:1]] == before
    kept = node.service.stores.office._db.connection.execute("SELECT MAX(job) FROM job_rows").fetchone()[0]
    assert kept in (None, *before)


def test_a_sheet_needs_its_model(node: LiveNode) -> None:
    """
    A table without a model, and one with a model that nobody remembers, are told what is missing.
    """
    without = send(node, sheet([row_of(1)]), "").get_json(force=True)
    unknown = send(node, sheet([row_of(1)]), "model=P99").get_json(force=True)
    strange = node.post_json("/models", {**model_of("bad"), "columns": {"mass": "No.such.member"}})

    assert (without["code"], unknown["code"]) == ("model_missing", "model_unknown")
    assert strange.get_json(force=True)["code"] == "model_malformed"


def test_completeness_is_counted_for_the_day_before_signing(node: LiveNode) -> None:
    """
    A row that lacks a data point on the day on which its battery is placed on the market is refused with the
    point and the day, unless gaps are allowed; a day before anything is required asks for nothing.
    """
    gap = claims_of(201)
    del gap["MaterialComposition"]
    line = json.dumps({"code": code_of(201), "claims": gap}).encode()
    _, asked = done(node, line, "placed_on=2027-03-01", NDJSON)
    _, early = done(node, line, "placed_on=2026-01-01&dry_run=true", NDJSON)
    _, allowed = done(node, line, "gaps=true", NDJSON)

    assert (
        asked[0]["problem"]["code"] == "passport_incomplete" and "2027-03-01" in asked[0]["problem"]["detail"]
    )
    assert early[0]["state"] == "checked" and allowed[0]["state"] == "signed"


def test_too_many_rows_are_told_when_to_come_again(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Beyond a key's share of rows or of jobs 429, beyond everybody's 503, each with Retry-After; a sheet in the
    middle of another one's reading too. Nothing is taken over.
    """
    data = sheet([row_of(211)])
    answers = []
    with monkeypatch.context() as bounded:
        bounded.setattr(desk, "ROWS_WAITING_PER_CLIENT_MAX", 0)
        answers.append(send(node, data))
    with monkeypatch.context() as bounded:
        bounded.setattr(desk, "JOBS_WAITING_PER_CLIENT_MAX", 0)
        answers.append(send(node, data))
    with monkeypatch.context() as bounded:
        bounded.setattr(desk, "ROWS_WAITING_MAX", 0)
        answers.append(send(node, data))
    with node.service.jobs._sheets.turn():
        answers.append(send(node, data))

    assert [one.status_code for one in answers] == [429, 429, 503, 503]
    assert all(int(one.headers["Retry-After"]) > 0 for one in answers)
    assert done(node, data)[0]["counts"] == {"signed": 1}


def test_keys_take_turns_and_keep_their_results(
    node: LiveNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of three keys whose jobs wait, sheets and acts alike, each has a part of its own in every three, however
    many one of them sent before; of jobs that ended the newest of each key stay longest.
    """
    jobs = vars(node.service.jobs)["_jobs"]
    gate, part, order = jobs._issuing.lists.gate, jobs._part, list[str]()

    def noted(job: JobRow) -> None:
        order.append(job.client)
        part(job)

    def closed() -> None:
        raise ProblemError(503, "starting", "Not yet", "not yet")

    keys = [node.post_json("/keys", {"name": f"line {n}", "scopes": ["issue"]}).get_json() for n in range(3)]
    wrong = sheet([row_of(n, mass="heavy") for n in range(2 * TOGETHER)])
    codes = f"code\n{code_of(999)}\n".encode()
    with monkeypatch.context() as waiting:
        waiting.setattr(gate, "require_open", closed)
        waiting.setattr(jobs, "_part", noted)
        for key, asked in zip(
            (0, 0, 1, 2), (*("issue?model=P75",) * 3, "acts?act=recall&reason=x"), strict=True
        ):
            shown = {"Authorization": f"Bearer {keys[key]['key']}", "Content-Type": CSV}
            data = wrong if asked.startswith("issue") else codes
            answer = node.client.post(f"/jobs/{asked}", data=data, headers=shown)
            assert answer.status_code == 202, answer.text
        waiting.setattr(gate, "require_open", lambda: None)
        node.wait(lambda: len(order) >= 9, "nine parts")
    assert len(set(order[:3])) == len(set(order[3:6])) == 3

    office = OfficeStore(tmp_path / "office.db")
    monkeypatch.setattr(stored, "JOBS_KEPT", 3)
    with office.writing() as db:
        for number, client in enumerate("abaaa", 1):
            job = JobRow(0, f"{number}", "issue", "", client, None, b"", b"", "queued", 0, 1, None)
            office.jobs.queue(db, office.jobs.begin(db, job), 1)
            office.jobs.end(db, number, "done", 1)
        office.jobs.forget_old(db)
    assert [one.client for one in office.jobs.page(9, None)] == ["a", "a", "b"]
    office.close()


def test_a_job_is_stopped_and_goes_on_with_the_same_sheet(node: LiveNode) -> None:
    """
    What was issued stays, and the same sheet again issues the rest; a job that ended is not stopped.
    """
    data = sheet([row_of(n) for n in range(221, 224)])
    id = taken(node, data)
    stopped = node.post_json(f"/jobs/{id}/stop", {})
    made, _ = done(node, data)
    late = node.post_json(f"/jobs/{made['id']}/stop", {})

    assert stopped.status_code in (200, 409) and late.get_json(force=True)["code"] == "final"
    assert sum(made["counts"].get(state, 0) for state in ("signed", "repeated")) == 3


def test_the_rate_is_of_the_rows_of_the_last_parts(node: LiveNode) -> None:
    """
    Rows a second since the first of the parts that are counted; of one part nothing is known, and nothing of
    parts of long ago.
    """
    jobs, now = node.service.jobs._jobs, time.monotonic()
    for pace, rate in (
        ([(now - 4, 9)], None),
        ([(now - 4, 9), (now - 2, 10), (now, 30)], 10.0),
        ([(now - 2 * RATE_S, 9), (now - 4, 9), (now, 30)], 7.5),
        ([(now, 9), (now, 3)], 3_000.0),
    ):
        jobs._pace.clear()
        jobs._pace.extend(pace)
        found = jobs.rate()
        assert found == rate if rate is None else found == pytest.approx(rate)
    jobs._pace.clear()


def test_progress_is_followed_by_server_sent_events(node: LiveNode) -> None:
    """
    A job tells each change until nothing of it waits, as events or as lines.
    """
    id = taken(node, sheet([row_of(231)]))
    node.wait(lambda: node.get_json(f"/jobs/{id}")["finished"], "the receipt")
    events = node.client.get(f"/jobs/{id}/events", headers={**node.bearer, "Accept": "text/event-stream"})
    lines = node.get(f"/jobs/{id}/events")

    assert events.mimetype == "text/event-stream" and events.get_data().startswith(b"data: {")
    assert json.loads(lines.get_data().splitlines()[-1])["on_ledger"] == {"receipted": 1}


def test_a_job_and_its_receipts_are_told_to_endpoints(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A MES hears that its job ended and what its rows came to, and of each statement that it has its receipt;
    what an endpoint never took stands on the page, and is sent again from there.
    """
    webhooks, endpoint, office = node.service.webhooks._webhooks, Endpoint(), node.service.stores.office
    monkeypatch.setattr(webhooks, "endpoints", (WebhookEndpoint("mes", URL, frozenset(TOPICS), SECRET),))
    monkeypatch.setattr(webhooks, "_sender", endpoint)

    job, rows = done(node, sheet([row_of(9_101), row_of(9_102, mass="heavy")]))

    def said(topic: str) -> list[JSON]:
        bodies = [json.loads(body) for _, body in endpoint.got]
        return [one["data"] for one in bodies if one["type"] == topic]

    def receipted() -> set[str]:
        told = [one for post in said("receipts") for one in post["receipts"]]
        return {one["type"] for one in told if one["battery"] == rows[0]["battery"]}

    node.wait(lambda: len(receipted()) > 1, "its receipts")
    [ended] = said("job.ended")
    assert (ended["id"], ended["counts"]) == (job["id"], {"signed": 1, "refused": 1})

    with office.writing() as db:
        office.webhooks.put(db, PostRow(0, "mes", "job.ended", "lost", 0, b"{}", 1, state="dead"))
        number = max(row.number for row in office.webhooks.page("mes", None, 0, 1_000))
        office.webhooks.tried(db, number, "dead", "answered 410", 0)
    shown = node.get_json("/webhooks")
    assert (shown["endpoints"][0]["dead"], shown["dead"][0]["because"]) == (1, "answered 410")
    page = node.client.get("/webhooks", headers={**node.bearer, "Accept": "text/html"}).text
    assert "answered 410" in page and "Send all again" in page
    behind = node.get_json(f"/webhooks/mes/posts?after={number - 1}")["posts"]
    assert [one["number"] for one in behind] == [number]
    assert node.post_json("/webhooks/mes/again", {}).get_json() == {"again": 1}
    assert node.get("/webhooks/none/posts").get_json()["code"] == "webhook_unknown"


def test_the_form_of_a_sheet_offers_the_models_that_are_remembered(node: LiveNode) -> None:
    """
    Each by its name; whoever has none is led to make one.
    """
    page = node.person.get("/jobs/new", headers={"Accept": "text/html"}).text

    assert [name for name in node.service.jobs.models() if f">{name}<" not in page] == []
    assert "P75" in node.service.jobs.models()


def test_pages_lead_from_a_sheet_to_its_labels(node: LiveNode) -> None:
    """
    The form takes a sheet, its page shows the refused row with its cell and leads to the file and the labels;
    a sheet that cannot be read says why on the form.
    """
    upload = {"model": "P75", "file": (io.BytesIO(sheet([row_of(241), row_of(242, mass="heavy")])), "a.csv")}
    html = {"Accept": "text/html", "Origin": "http://localhost"}
    sent = node.person.post("/jobs/issue", data=upload, headers=html, content_type="multipart/form-data")
    assert sent.status_code == 303, sent.text
    id = sent.headers["Location"].rpartition("/")[2]
    node.wait(lambda: node.get_json(f"/jobs/{id}")["state"] == "done", "the job")
    shown = node.person.get(f"/jobs/{id}", headers=html).text
    labels = node.person.get(f"/jobs/{id}/labels")
    wrong = {"model": "P75", "file": (io.BytesIO(b"code,price\r\nx,1\r\n"), "a.csv")}
    told = node.person.post("/jobs/issue", data=wrong, headers=html, content_type="multipart/form-data")
    none = node.person.post(
        "/jobs/issue",
        data={"model": "P75"},
        headers={**html, "Accept-Language": "zh-CN"},
        content_type="multipart/form-data",
    )
    form = {
        "name": "by hand",
        "claims": json.dumps(model_of()["claims"]),
        "columns": f"mass = {GENERAL}.batteryMass",
    }
    model = node.person.post("/models", data=form, headers=html)
    pages = [
        node.person.get(path, headers=html) for path in ("/jobs", "/jobs/new", "/models", "/models/by hand")
    ]

    assert f"/jobs/{id}/labels?after=0" in shown and "Labels from row 1 on" in shown
    assert "<b>Mass (kg)</b>" in shown and "heavy" in shown and f"/jobs/{id}/failed" in shown
    assert labels.mimetype == "application/pdf" and labels.get_data().startswith(b"%PDF")
    assert told.status_code == 400 and "price" in told.text
    assert none.status_code == 400 and "请先选择含有数据行的文件。" in none.text
    assert model.status_code == 303 and all(one.status_code == 200 for one in pages)
    unread = node.person.post("/models", data={**form, "claims": '{"half": '}, headers=html)
    assert unread.status_code == 400 and "{&#34;half&#34;: </textarea>" in unread.text
    assert f"mass = {GENERAL}.batteryMass" in unread.text, "what was written stays in the form"


def test_what_is_signed_while_nobody_hears_is_recorded_later(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While nothing reaches the network every row is signed and on disk, and says that it waits; once somebody
    hears again all of it is recorded by itself, of each battery its production before its passport.
    """
    outbox = node.service.stores.office.outbox
    node.wait_quiet()
    with monkeypatch.context() as cut:
        cut.setattr(node.service.engine, "submit", lambda _: None)
        made, rows = done(node, sheet([row_of(n) for n in range(261, 265)]))
        told = node.get_json(f"/jobs/{made['id']}")
    node.wait(lambda: node.get_json(f"/jobs/{made['id']}")["finished"], "the receipts")
    produced, published = (
        [outbox.of_battery(code_of(n), kind)[0].leaf_index or 0 for n in range(261, 265)]
        for kind in ("battery.produced", "passport.published")
    )

    assert {one["state"] for one in rows} == {"signed"} and {one["attested"] for one in rows} == {"outbox"}
    assert told["on_ledger"] == {"outbox": 4} and not told["finished"]
    assert all(first < then for first, then in zip(produced, published, strict=True))
    assert node.get_json(f"/jobs/{made['id']}")["on_ledger"] == {"receipted": 4}


def test_columns_of_a_model_are_written_as_they_are_read() -> None:
    """
    One a line, a heading and its members; what is no such line is refused with how it is written.
    """
    read = {"Mass (kg)": ["a.mass"], "生产日期": ["a.made", "b.made"]}

    assert _columns(_lines({"columns": read}) + "\n\n") == read
    assert _columns(" Mass (kg) =a.mass ,, ") == {"Mass (kg)": ["a.mass"]}
    with pytest.raises(ProblemError) as caught:
        _columns("Mass")
    assert caught.value.code == "model_malformed"


def test_members_of_a_model_are_named_with_the_first_of_a_list() -> None:
    """
    For whoever maps columns: each value by its way, that of a list as its first.
    """
    value, text = {"type": "number"}, {"type": "string"}
    inner = {"type": "object", "properties": {"c": value}}
    lists = {"d": {"type": "array", "items": inner}, "e": {"type": "array", "items": text}}
    subject = {"properties": {"a": value, "b": inner, **lists}}
    kinds = MemberKinds({"properties": {"credentialSubject": subject}})

    assert kinds.names() == ["a", "b.c", "d.0.c", "e.0"]


def test_a_cell_of_too_many_characters_is_told_with_how_many(node: LiveNode) -> None:
    """
    And a row that this node cannot do, whatever the reason, is refused by itself, the others are signed.
    """
    made, rows = done(node, sheet([row_of(301, mass="4" * 8_193), row_of(302)]))

    assert made["counts"] == {"signed": 1, "refused": 1} and made["done"] == made["rows"] == 2
    assert rows[0]["problem"]["detail"] == "It has more than 8192 characters."
