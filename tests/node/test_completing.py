"""A table is taken as far as it is good: what was left out is told, handed back, mended and taken in."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from credentials.verdicts.manifest_csv import OURS
from node.api.route import FORM
from node.sheets import XLSX, rows_of, workbook_of
from node.storage.left_out import CALLED_MAX
from node.verdicts import consignments
from tests.harness.support_service import CODE, LiveNode, live_node

PAGE = {"Accept": "text/html", "Origin": "http://localhost"}
HEAD = ["Seriennummer", "Zustand", "Gewicht (kg)", "Bemerkung", "declaration"]
CALLED = {"seriennummer": "battery", "zustand": "condition", "gewicht (kg)": "mass_kg", "bemerkung": ""}
LINES, BAD = 500, 20


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("completing")) as made:
        yield made


def rows(declaration: str, lines: int = LINES, bad: int = BAD) -> list[list[str]]:
    """A sheet of so many rows, of which every 25th or so says no mass."""
    every = lines // bad if bad else lines + 1
    return [
        [f"{CODE[:-7]}{number:07}", "new", "410,5" if number % every else "viel", "<b>x</b>", declaration]
        for number in range(1, lines + 1)
    ]


def call(node: LiveNode, called: dict[str, str]) -> Any:
    form = {"called": [*called], "meant": [*called.values()]}
    return node.person.post("/columns", data=form, headers=PAGE)


def upload(node: LiveNode, path: str, data: bytes, name: str = "m.xlsx") -> Any:
    return node.person.post(path, data={"file": (io.BytesIO(data), name)}, headers=PAGE)


def judged(node: LiveNode, path: str) -> Any:
    node.wait(lambda: node.get_json(f"{path}?limit=0")["state"] == "done", "the last verdict")
    return node.get_json(f"{path}?limit=0")


def test_five_hundred_lines_with_twenty_bad_ones_are_mended_and_judged(node: LiveNode) -> None:
    """
    Columns are asked about once; 480 lines are judged and 20 rows told by cell, never as judged; the sheet
    that is handed back, with its cells corrected, makes them 500 in the same consignment.
    """
    sheet = workbook_of([HEAD, *rows("26NLMEND000001")], "Sheet1")

    asked = upload(node, "/consignments", sheet)
    assert asked.status_code == 400 and "Seriennummer" in asked.text and 'name="meant"' in asked.text
    called = call(node, CALLED)
    assert (called.status_code, called.headers["Location"]) == (303, "/columns")
    path = upload(node, "/consignments", sheet).headers["Location"]

    found = judged(node, path)
    assert (found["lines"], found["done"], found["left_out"]) == (LINES - BAD, LINES - BAD, BAD)
    shown = node.person.get(path, headers=PAGE).text
    assert "20 rows of the file left out, and not judged" in shown
    assert "Gewicht (kg) is viel: write kilograms as digits, such as 410.5" in html.unescape(shown)
    assert ">C26<" in shown and "<b>x</b>" not in shown
    assert node.get_json("/consignments")["consignments"][0]["left_out"] == BAD
    assert "20 rows of the file left out" in node.person.get("/consignments", headers=PAGE).text

    back = [list(row.cells) for row in rows_of(node.get(f"{path}/left-out.xlsx").data)]
    assert back[0] == ["line", *HEAD, "what is wrong", "cell", "what to do"]
    assert [row[0] for row in back[1:]] == [str(number) for number in range(25, 501, 25)]
    assert back[1][7] == "C26" and back[1][6].startswith("Gewicht (kg) is viel")
    text = [list(row.cells) for row in rows_of(node.get(f"{path}/left-out.csv").data)]
    assert [row[:6] for row in text] == [row[:6] for row in back]

    mended = [[cell.replace("viel", "410,5") for cell in row] for row in back]
    assert upload(node, f"{path}/rows", workbook_of(mended, "x")).headers["Location"] == path
    found = judged(node, path)
    assert (found["lines"], found["done"], found["left_out"]) == (LINES, LINES, 0)
    assert sum(found["counts"].values()) == LINES
    assert node.get_json(f"{path}/items/25")["mass_kg"] == 410.5
    assert node.get(f"{path}/left-out.xlsx").status_code == 404


def test_rows_that_are_still_wrong_stay_left_out(node: LiveNode) -> None:
    """
    Of what is sent again the good rows are taken, the others told as they are now; a line that is there
    already, another declaration and a consignment that is being judged are refused, and nothing changes.
    """
    call(node, CALLED)
    sheet = workbook_of([HEAD, *rows("26NLMEND000002", 8, 4)], "x")
    path = upload(node, "/consignments", sheet).headers["Location"]
    judged(node, path)
    back = [list(row.cells) for row in rows_of(node.get(f"{path}/left-out.csv").data)]
    back[1][3], back[2][2:4] = "7", ["alt", "7"]

    empty = node.post_raw(f"{path}/rows", b" \n", XLSX)
    assert (empty.status_code, empty.get_json(force=True)["code"]) == (400, "manifest_missing")
    sent = node.post_raw(f"{path}/rows", workbook_of(back, "x"), XLSX)
    assert sent.status_code == 400  # of the operator no columns are known
    assert "unknown columns" in sent.get_json(force=True)["detail"]
    upload(node, f"{path}/rows", workbook_of(back, "x"))
    found = judged(node, path)
    assert (found["lines"], found["left_out"]) == (5, 3)
    told = html.unescape(node.person.get(path, headers=PAGE).text)
    assert next(rows_of(node.get(f"{path}/left-out.csv").data)).cells[-3:] == OURS
    assert "Zustand is alt: write one of new, used" in told

    again = upload(node, f"{path}/rows", workbook_of(back, "x"))
    other = [row if n == 0 else [*row[:5], "26NLOTHER00001", *row[6:]] for n, row in enumerate(back)]
    other[1][0] = "77"
    foreign = upload(node, f"{path}/rows", workbook_of(other, "x"))
    assert (again.status_code, foreign.status_code) == (409, 409)
    assert "line 2 is in the consignment already" in html.unescape(again.text)
    taken = node.post_raw(f"{path}/rows", f"line,battery\n2,{CODE}\n".encode(), "text/csv")
    assert (taken.status_code, taken.get_json(force=True)["code"]) == (409, "line_taken")
    idle = node.post_raw(f"{path}/stop", b"", FORM)
    assert (idle.status_code, idle.get_json(force=True)["code"]) == (409, "not_being_judged")
    assert "No line of this consignment waits" in idle.get_json(force=True)["detail"]
    assert node.get_json(f"{path}?limit=0")["left_out"] == 3


def test_a_file_without_a_good_row_is_refused_by_its_first(node: LiveNode) -> None:
    """
    Nothing is taken over of it.
    """
    before = len(node.get_json("/consignments")["consignments"])

    sent = node.post_raw(
        "/consignments", f"battery,condition\n{CODE},old\n{CODE},gone\n".encode(), "text/csv"
    )

    assert sent.status_code == 400
    assert "line 2 of the file: condition is old: write one of new" in sent.get_json(force=True)["detail"]
    assert len(node.get_json("/consignments")["consignments"]) == before


def test_what_a_sender_calls_columns_is_its_own(node: LiveNode) -> None:
    """
    Of one sender, the last that was said, at most so many; a meaning that is no column is refused.
    """
    assert call(node, {"Gut": "goods"}).status_code == 303
    assert "gut" in node.person.get("/columns", headers=PAGE).text
    sent = node.post_raw("/consignments", f"battery,Gut\n{CODE},battery\n".encode(), "text/csv")
    assert sent.status_code == 400
    assert call(node, {"Gut": "nonsense"}).status_code == 400
    assert call(node, {f"c{n}": "" for n in range(120)}).status_code == 303
    assert call(node, {f"d{n}": "" for n in range(120)}).status_code == 303
    assert call(node, {f"e{n}": "" for n in range(120)}).status_code == 303

    page = node.person.get("/columns", headers=PAGE).text
    assert '<th scope="row" data-label="You call it">gut</th>' not in page and ">e119<" in page
    assert page.count('data-label="You call it"') == CALLED_MAX


def test_a_manifest_in_json_is_taken_as_far_as_it_is_good_from_a_page(node: LiveNode) -> None:
    """
    What a person uploads as JSON is read as the sheet of its lines: the bad ones are told and handed back;
    what is said of the whole stays. A program is refused as before, and so is a file without a good line.
    """
    lines = [
        {"line": 1, "battery": CODE, "condition": "new", "mass_kg": 410.5},
        {"line": 2, "battery": CODE[:-1] + "2", "condition": "old"},
        {"line": 3, "battery": CODE[:-1] + "3", "mass_kg": "viel"},
    ]
    sent = {"declaration": "26NLJSON000001", "law_date": "2027-03-01", "lines": lines}
    data = json.dumps(sent).encode()

    path = upload(node, "/consignments", data, "m.json").headers["Location"]

    found = judged(node, path)
    assert (found["lines"], found["left_out"], found["law_date"]) == (1, 2, "2027-03-01")
    assert node.get_json(f"{path}/items/1")["mass_kg"] == 410.5
    back = [list(row.cells) for row in rows_of(node.get(f"{path}/left-out.csv").data)]
    column = back[0].index("what is wrong")
    assert [row[column][:16] for row in back[1:]] == ["condition is old", "mass_kg is viel:"]
    assert node.post_json("/consignments", sent).status_code == 400
    bad = {**sent, "lines": lines[1:]}
    refused = upload(node, "/consignments", json.dumps(bad).encode(), "m.json")
    assert refused.status_code == 400 and "Location" not in refused.headers


def test_a_consignment_is_stopped_and_gone_on_with(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While it is judged it is stopped: what is judged stays, no further line is, and every surface says so;
    what looks for waiting ones, as a start does, does not find it. The same manifest again, or the button,
    judges the others, each once.
    """
    service = node.service

    def stop_between_two_lines() -> None:
        for row in service.stores.office.consignments.of_declaration("26NLSTOP000001"):
            if row.state == "running" and not stopped:
                sent = node.person.post(f"/consignments/{row.id}/stop", headers=PAGE, content_type=FORM)
                stopped.append(sent.status_code)

    stopped: list[int] = []
    monkeypatch.setattr(service.judging.giving_way, "wait", stop_between_two_lines)
    table = "battery,declaration\n" + "".join(f"{CODE[:-7]}{n:07},26NLSTOP000001\n" for n in range(1, 41))
    path = f"/consignments/{node.post_raw('/consignments', table.encode(), 'text/csv').get_json()['id']}"
    node.wait(lambda: bool(stopped) and service.judging._job is None, "the batch that was being judged")
    assert stopped == [303]
    found = node.get_json(f"{path}?limit=0")
    assert found["state"] == "stopped" and 0 <= found["done"] < 40
    assert "the others have no verdict" in node.person.get(path, headers=PAGE).text
    assert f"stopped: {found['done']} are judged" in node.person.get("/consignments", headers=PAGE).text
    assert node.get(f"{path}/events?after=40").status_code == 200
    assert node.post_json(f"{path}/stop", {}).status_code == 409
    assert node.service.stores.office.consignments.oldest_waiting() == {}

    again = node.post_raw("/consignments", table.encode(), "text/csv").get_json()
    assert again["uploaded_before"] and path.endswith(again["id"])
    done = judged(node, path)
    assert (done["done"], sum(done["counts"].values())) == (40, 40)
    assert node.post_json(f"{path}/continue", {}).get_json()["state"] == "done"


def test_a_page_shows_a_hundred_lines_found_sorted_and_by_reason(node: LiveNode) -> None:
    """
    Search by part of a code, the worst first, one reason; pages lead on and back, and weigh little.
    """
    call(node, CALLED)
    sheet = workbook_of([HEAD, *rows("26NLPAGE000001", 240, 0)], "x")
    path = upload(node, "/consignments", sheet).headers["Location"]
    judged(node, path)

    first = node.person.get(path, headers=PAGE)
    assert first.text.count('<tr class="row-') == 100 and len(first.data) < 300_000
    assert "1 to 100 of 240 lines" in first.text
    last = node.person.get(f"{path}?offset=200", headers=PAGE).text
    assert "201 to 240 of 240 lines" in last and ">Before<" in last
    one = node.person.get(f"{path}?q=0000 123", headers=PAGE).text
    assert one.count('<tr class="row-') == 1 and f"{CODE[:-7]}0000123" in one
    listed = node.get_json(f"{path}?order=worst&limit=3")
    assert listed["items_total"] == 240 and len(listed["items"]) == 3
    reason = listed["items"][0]["reason"]
    assert node.get_json(f"{path}?reason={reason}&limit=1")["items_total"] > 0
    assert node.get_json(f"{path}?reason=nothing_like_it&limit=1")["items_total"] == 0
    assert node.get(f"{path}?order=colour").status_code == 400
    nothing = node.person.get(f'{path}?q="><script>alert(1)</script>', headers=PAGE).text
    assert "No line is like that" in nothing and "<script>alert" not in nothing


def test_progress_is_told_as_events(node: LiveNode) -> None:
    """
    As lines of JSON for programs, as server-sent events for a page: each line as it is judged, until all are.
    """
    data = f"battery,condition\n{CODE},new\n{CODE[:-1]}8,new\n".encode()
    path = f"/consignments/{node.post_raw('/consignments', data, 'text/csv').get_json()['id']}"
    judged(node, path)

    lines = node.get(f"{path}/events").data.splitlines()
    stream = node.client.get(f"{path}/events", headers={**node.bearer, "Accept": "text/event-stream"})

    told = [json.loads(line) for line in lines]
    done = node.get_json(f"{path}?limit=0")["done"]
    assert done == 2 and [event["seq"] for event in told] == [*range(1, done + 1)]
    assert told[-1]["state"] == "done" and len({event["line"] for event in told}) == done
    assert stream.mimetype == "text/event-stream"
    assert stream.data == b"".join(b"data: " + line + b"\n\n" for line in lines)


def test_a_consignment_says_until_when_it_is_watched(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While it is open its page says until when the ledger changes its words; afterwards that it does no more.
    """
    path = f"/consignments/{node.get_json('/consignments')['consignments'][0]['id']}"
    now = node.person.get(path, headers=PAGE).text
    monkeypatch.setattr(consignments, "OPEN_S", -1)
    later = node.person.get(path, headers=PAGE).text

    assert 'id="watched"' in now and 'id="unwatched"' not in now
    assert "This consignment is watched no longer, since" in later and 'id="watched"' not in later


def test_an_export_has_the_rows_that_were_left_out_without_a_verdict(node: LiveNode) -> None:
    """
    As CSV and as a workbook: the same cells, and no formula of somebody's in them.
    """
    data = f"battery,condition,registration_id\n{CODE},new,=1+1\n{CODE},old,x\n".encode()
    made = node.post_raw("/consignments", data, "text/csv").get_json()
    path = f"/consignments/{made['id']}"
    judged(node, path)

    text, book = ([*rows_of(node.get(f"{path}/export.{form}").data)] for form in ("csv", "xlsx"))

    named = [dict(zip(text[0].cells, row.cells, strict=False)) for row in text[1:]]
    assert [(one["line"], one.get("verdict"), one["reason"]) for one in named][1] == ("2", "", "left_out")
    assert "B3: condition is old: write one of new" in named[1]["text"]
    assert named[0]["registration_id"] == "'=1+1"
    assert [row.marks for row in book] == [{}] * 3 and "=1+1" in book[1].cells
    assert node.get(f"{path}/export.odt").status_code == 404


def test_readiness_is_computed_for_a_date_of_arrival(node: LiveNode) -> None:
    """
    The law as it is on the day that is asked for; what is no day is refused.
    """
    path = f"/consignments/{node.get_json('/consignments')['consignments'][0]['id']}/readiness"

    early, late = (node.get_json(f"{path}?law_date={day}") for day in ("2026-12-01", "2027-08-18"))

    assert (early["law_date"], late["law_date"]) == ("2026-12-01", "2027-08-18")
    assert node.get(f"{path}?law_date=tomorrow").status_code == 400
    assert node.get(f"{path}?against=tomorrow").status_code == 400
    both = node.get_json(f"{path}?law_date=2026-12-01&against=2027-08-18")
    then = {row["id"]: row["shown_as"] for row in late["rows"]}
    assert both["against"] == "2027-08-18" and {row["id"]: row["then"] for row in both["rows"]} == then
    shown = node.person.get(f"{path}?law_date=2026-12-01&against=2027-08-18", headers=PAGE).text
    differ = sum(row["shown_as"] != row["then"] for row in both["rows"])
    assert f"On 2027-08-18 {differ} requirement" in shown
    files = [
        [*rows_of(node.get(f"{path}.{form}?law_date=2026-12-01&against=2027-08-18").data)]
        for form in ("csv", "xlsx")
    ]
    for rows, other_day in zip(files, ("state_2027-08-18", "State 2027-08-18"), strict=True):
        assert other_day in rows[0].cells and len(rows) >= 1 + len(both["rows"])
    assert files[0][0].cells[:4] == ("id", "requirement", "provision", "state")
    assert node.get(f"{path}.odt").status_code == 404
    assert 'value="2027-08-18"' in node.person.get(f"{path}?law_date=2027-08-18", headers=PAGE).text
