"""Tables as people keep them: workbooks and CSV give the same rows; hostile ones are refused."""

from __future__ import annotations

import ast
import io
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credentials.documents.tables import TableError, TableRow, column_letters
from credentials.errors import CredentialError
from credentials.verdicts.manifest_csv import COLUMNS, column_called, manifest_of_rows, read_table
from node import catalogues, sheets
from node.catalogues import READ_IN, sentences
from node.sheets import XLSX, _cell_text, _require_plain, csv_of, rows_of, workbook_of
from node.verdicts.completing import headings
from node.verdicts.export import CSV_COLUMNS, in_words
from node.web.labels import verdict_word
from node.words import Words
from tests.harness.support_service import CODE, DID, LiveNode, live_node
from tests.system.test_structure import trees

HEAD = ("battery", "mass_kg", "goods")
SHEET = "xl/worksheets/sheet1.xml"
ONE = {"line": 1, "battery": CODE, "goods": "battery", "condition": "new", "commodity_code": "8507600000"}
WRONG: tuple[dict[str, str], ...] = (
    {},
    {"line": "8", "condition": "old"},
)  # rows of a manifest, the second not to be read


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("sheets")) as node:
        yield node


def workbook(*rows: Sequence[object], change: Callable[[Any], object] = lambda _: None) -> bytes:
    """A workbook as somebody's spreadsheet saved it."""
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    change(book)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def repacked(data: bytes, **parts: bytes) -> bytes:
    """The same workbook with other parts: `sheet` and `strings`, or whatever is named."""
    names = {"sheet": SHEET, "strings": "xl/sharedStrings.xml", "workbook": "xl/workbook.xml"}
    replaced = {names.get(name, name): part for name, part in parts.items()}
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, replaced.pop(name, b"") or old.read(name))
        for name, part in replaced.items():
            new.writestr(name, part)
    return made.getvalue()


def xml_of(data: bytes, name: str = SHEET) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return packed.read(name)


# -- what is read --------------------------------------------------------------------------------------


def test_a_workbook_is_the_same_manifest_as_csv() -> None:
    """
    Numbers as numbers or as text, a day as a day, an empty row between: one manifest.
    """
    head = {"declaration": "26NL000001", "law_date": "2027-03-01"}
    rows = [
        ("Battery", "Mass_kg", "law_date", "declaration"),
        (CODE, 410.5, datetime(2027, 3, 1), "26NL000001"),
        (),
        (CODE, "410,5", None, None),
        (CODE, 0.1 + 0.2, None, None),
    ]

    found = manifest_of_rows(rows_of(workbook(*rows)))
    text = [",".join((*HEAD[:2], "law_date,declaration")), f"{CODE},410.5,2027-03-01,26NL000001"]
    text += ["", f'{CODE},"410,5",,', f"{CODE},0.3,,"]

    assert found == manifest_of_rows(rows_of("\n".join(text).encode()))
    assert found == {
        **head,
        "lines": [
            {"line": number, "battery": CODE, "mass_kg": mass}
            for number, mass in enumerate((410.5, 410.5, 0.3), 1)
        ],
    }


def test_cells_are_told_as_a_spreadsheet_names_them() -> None:
    """
    The row as the spreadsheet counts it, empty ones among them; columns beyond Z as well.
    """
    data = workbook((), ("battery", *[None] * 26, "x"), (), (CODE,))

    rows = list(rows_of(data))

    assert [row.number for row in rows] == [2, 4]
    assert rows[0].address(27) == "AB2" and rows[0].cells[27] == "x"
    assert [column_letters(n) for n in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
    assert list(rows_of(b"battery\n\nx\n"))[1] == TableRow(3, ("x",))


def test_what_a_cell_does_not_say_is_not_read() -> None:
    """
    A formula, an error, a number that lost digits and a cell joined with the one above leave their row out,
    each with its cell; nothing is computed, and no stored result of a formula is believed.
    """
    data = workbook(
        HEAD,
        (CODE, "=400+10", "battery"),
        (CODE, "#N/A", "battery"),
        (CODE, 1, "battery"),
        (12345678901234567890, 2, "battery"),
        (CODE, 3, "battery"),
        (None, 4, "battery"),
        change=lambda book: (book.active.merge_cells("A6:A7"), book.active.merge_cells("C3:C4")),
    )
    believed = xml_of(data).replace(b"<v></v>", b"<v>410</v>").replace(b"<v/>", b"<v>410</v>")

    table = read_table(rows_of(repacked(data, sheet=believed)))

    told = {one.cell: one.fault.message for one in table.left_out}
    assert told == {
        "B2": "mass_kg holds a formula",
        "B3": "mass_kg is #N/A, an error of the spreadsheet",
        "C4": "goods is joined with the cell above",
        "A5": "battery is 1.23456789012346e+19: the spreadsheet shortened it; format the column as text",
        "A7": "battery is joined with the cell above",
    }
    assert [line["mass_kg"] for line in table.manifest["lines"]] == [3.0]


def test_the_sheet_that_is_shown_is_read() -> None:
    """
    A sheet that is hidden is not what somebody filled in.
    """

    def add(book: Any) -> None:
        book.active.sheet_state = "hidden"
        book.create_sheet("shown").append(["battery"])

    assert list(rows_of(workbook(("hidden",), change=add))) == [TableRow(1, ("battery",))]


# -- what is refused -----------------------------------------------------------------------------------

PLAIN = workbook(("battery",), (CODE,))
CELL = b'<c r="A2" t="inlineStr"><is><t>x</t></is></c>'
ROWS, SHORT = b"<row>%s</row>" % CELL, b"<row><c><v>1</v></c></row>"


def sheet_of(rows: bytes) -> bytes:
    name = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return b'<worksheet xmlns="%s"><sheetData>%s</sheetData></worksheet>' % (name, rows)


def named_otherwise(old: str, new: str) -> bytes:
    """The workbook with a part under another name, by which whatever refers to it knows it."""
    with zipfile.ZipFile(io.BytesIO(PLAIN)) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    made = io.BytesIO()
    before, after = (name.rpartition("/")[2].encode() for name in (old, new))
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in parts.items():
            packed.writestr(name.replace(old, new), text.replace(before, after))
    return made.getvalue()


JOINED = b"<mergeCells>%s</mergeCells></worksheet>" % (b'<mergeCell ref="A1:IV80000"/>' * 9_000)
WIDE = b"<row>%s</row>" % (SHORT[5:-6] * 90)

HOSTILE = {
    "another-name": (named_otherwise("sheet1.xml", "sheet1.dat"), "no sheet that is shown"),
    "joined-often": (
        repacked(PLAIN, sheet=sheet_of(WIDE * 30).replace(b"</worksheet>", JOINED)),
        "too many joined cells",
    ),
    "cells": (repacked(PLAIN, sheet=sheet_of(b"<row>%s</row>" % (b"<c/>" * 500_001))), "too many cells"),
    "texts": (repacked(PLAIN, strings=b"<sst>%s</sst>" % (b"<si/>" * 500_001)), "too many cells"),
    "attributes": (
        repacked(PLAIN, sheet=sheet_of(b"<row %s/>" % b" ".join(b"a%d=''" % n for n in range(100_200)))),
        "too many cells",
    ),
    "many-styles": (
        repacked(PLAIN, **{"xl/styles.xml": b"<styleSheet>%s</styleSheet>" % (b"<xf/>" * 20_001)}),
        "too many styles",
    ),
    "large-list": (
        named_otherwise("xl/workbook.xml", "xl/worksheets/workbook.xml"),
        "no workbook that can be read",
    ),
    "zeros": (repacked(PLAIN, sheet=b" " * (25 << 20)), "too large when it is unpacked"),
    "strings": (repacked(PLAIN, strings=b" " * (25 << 20)), "too large when it is unpacked"),
    "styles": (repacked(PLAIN, **{"xl/styles.xml": b" " * (3 << 20)}), "too large when it is unpacked"),
    "together": (
        repacked(PLAIN, **{f"xl/worksheets/s{n}.xml": b" " * (20 << 20) for n in range(3)}),
        "too large when it is unpacked",
    ),
    "elements": (repacked(PLAIN, sheet=sheet_of(b"<x/>" * 2_000_001)), "too many cells"),
    "entities": (
        repacked(PLAIN, sheet=b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + sheet_of(b"&a;")),
        "defines words of its own",
    ),
    "other-letters": (
        repacked(PLAIN, sheet=sheet_of(ROWS).decode().encode("utf-16")),
        "not written in UTF-8",
    ),
    "said-other-letters": (
        repacked(PLAIN, sheet=b"<?xml version='1.0' encoding='cp037'?>" + sheet_of(ROWS)),
        "not written in UTF-8",
    ),
    "far-row": (
        repacked(PLAIN, sheet=sheet_of(b'<row r="1048576">%s</row>' % CELL)),
        "more than 80000 lines",
    ),
    "no-row": (repacked(PLAIN, sheet=sheet_of(b'<row r="0">%s</row>' % CELL)), "more than 80000 lines"),
    "far-column": (
        repacked(PLAIN, sheet=sheet_of(b'<row r="1">%s</row>' % CELL.replace(b"A2", b"XFD1"))),
        "more than 256 columns",
    ),
    "long-row": (
        repacked(PLAIN, sheet=sheet_of(ROWS.replace(b"x", b"x" * 5000))),
        "more than 4096 characters",
    ),
    "many-rows": (
        repacked(PLAIN, sheet=sheet_of(SHORT * 20_002)),
        "more than 20000 rows",
    ),
    "whole-column": (
        repacked(
            PLAIN,
            sheet=xml_of(workbook((CODE,), change=lambda b: b.active.merge_cells("A1:B2"))).replace(
                b"A1:B2", b"A:B"
            ),
        ),
        "whole columns that are joined",
    ),
    "parts": (repacked(PLAIN, **{f"x{n}": b"x" for n in range(1001)}), "more than 1000 parts"),
    "no-sheet": (repacked(PLAIN, sheet=b"<x"), "no workbook that can be read"),
    "no-workbook": (repacked(PLAIN, workbook=b"<x/>"), "no sheet that is shown"),
    "string-gone": (
        repacked(PLAIN, sheet=sheet_of(b'<row><c t="s"><v>7</v></c></row>')),
        "no workbook that can be read",
    ),
    "cut": (PLAIN[: len(PLAIN) // 2], "cannot be unpacked|can be unpacked"),
    "zip-of-else": (repacked(PLAIN)[:4] + b"\0" * 40, "can be unpacked"),
    "excel-97": (sheets._OLD_OFFICE + b"\0" * 600, "of an old version, or under a password"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_workbook_is_refused(name: str) -> None:
    """
    What grows, repeats, points elsewhere or is no workbook: told in one sentence, before it takes memory.
    """
    data, told = HOSTILE[name]

    with pytest.raises(TableError, match=told):
        list(rows_of(data))


def test_what_nobody_reads_of_a_workbook_is_in_nobodys_way() -> None:
    """
    The order of its formulas, its comments and pictures may be as long as they are: the rows are read.
    """
    chain = b"<calcChain>%s</calcChain>" % (b"<c/>" * 30_000)
    book = repacked(PLAIN, **{"xl/calcChain.xml": chain, "xl/media/image1.png": b"<c/>" * 30_000})

    assert list(rows_of(book)) == list(rows_of(PLAIN))


def test_what_a_formatted_text_says_is_read_without_how_it_is_pronounced() -> None:
    """
    Pieces of one text are one text, in its cell or in the list of texts; a reading aid is none of it.
    """
    said = b"<r><t>ab</t></r><r><t>c</t></r><rPh sb='0' eb='1'><t>x</t></rPh>"
    book = repacked(PLAIN, sheet=sheet_of(b'<row><c t="inlineStr"><is>%s</is></c></row>' % said))

    assert list(rows_of(book)) == [TableRow(1, ("abc",))]


def test_texts_that_cells_refer_to_by_number_are_read() -> None:
    """
    As Excel saves them: each text once, in a part of its own, plain or in pieces, and a cell has its number.
    """
    texts = b"<si><t>battery</t></si><si><r><t>ZZ1</t></r><r><t>_x005F_7</t></r></si><si><t/></si>"
    space = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    strings = b'<sst xmlns="%s" count="3">%s</sst>' % (space, texts)
    cells = b"".join(b'<row><c t="s"><v>%d</v></c></row>' % number for number in (0, 1, 2, 1))
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    listed = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/></Types>' % kind.encode()
    types = xml_of(PLAIN, "[Content_Types].xml").replace(b"</Types>", listed)
    book = repacked(PLAIN, strings=strings, sheet=sheet_of(cells), **{"[Content_Types].xml": types})

    assert [row.cells for row in rows_of(book)] == [("battery",), ("ZZ1_7",), ("ZZ1_7",)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_bytes_of_a_workbook_are_rows_or_are_refused(data: st.DataObject) -> None:
    """
    Whatever stands in its sheet, its strings or its list of sheets, nothing but a refusal comes out.
    """
    part = data.draw(st.sampled_from([SHEET, "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"]))
    if part not in zipfile.ZipFile(io.BytesIO(PLAIN)).namelist():
        part = SHEET
    text = bytearray(xml_of(PLAIN, part))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 9))] = data.draw(
            st.sampled_from(
                [
                    b"",
                    b"<row>",
                    b"</row>",
                    b"9" * 30,
                    b'r="ZZZ0"',
                    b't="s"',
                    b't="d"',
                    b"<f/>",
                    b"\xff",
                    b"&#0;",
                    b"-1",
                ]
            )
        )
    try:
        table = read_table(rows_of(repacked(PLAIN, **{part: bytes(text)})))
    except CredentialError as error:
        assert error.code == "manifest_invalid"
    else:
        assert len(table.manifest["lines"]) + len(table.left_out) >= 1


# -- what is written -----------------------------------------------------------------------------------

INJECTED = ("=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", '=HYPERLINK("x")', "\t=1", "\x00=1", "a\x0bb")


def test_no_cell_that_is_written_is_a_formula() -> None:
    """
    Whatever a text begins with: in a workbook it is text as it stands, in CSV it is no formula's beginning.
    """
    from openpyxl import load_workbook

    rows = [("a",), *((text,) for text in INJECTED), (410.5,)]

    book = load_workbook(io.BytesIO(workbook_of(rows, "Manifest")))
    text = b"".join(csv_of(rows)).decode("utf-8-sig").splitlines()

    cells = [row[0] for row in book.active.iter_rows(min_row=2)]
    assert [cell.data_type for cell in cells] == ["s"] * len(INJECTED) + ["n"]
    assert cells[0].value == "=1+1"
    assert [line.lstrip('"')[:1] for line in text[1:7]] == ["'"] * 6
    assert not [line for line in text[1:-1] if line.lstrip('"')[:1] in "=+-@\t"]


# -- at the edge ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_an_empty_manifest_is_handed_out_and_read_once_it_is_filled_in(live: LiveNode, form: str) -> None:
    """
    Its columns are all that are read; with a line below them it is a manifest.
    """
    answer = live.get(f"/manifest.{form}")
    assert answer.status_code == 200
    (head,) = rows_of(answer.data)
    assert len(head.cells) == len(COLUMNS) and (form == "xlsx" or head.cells == tuple(COLUMNS))
    names = [column_called(cell) for cell in head.cells]
    assert form == "csv" or [headings()[name] for name in names] == [*COLUMNS]

    filled = [head.cells, [CODE if name == "battery" else "" for name in COLUMNS]]
    data = workbook_of(filled, "x") if form == "xlsx" else b"".join(csv_of(filled))
    sent = live.post_raw("/consignments", data, XLSX if form == "xlsx" else "text/csv")
    assert sent.status_code == 202 and sent.get_json()["lines"] == 1
    assert live.get("/manifest.pdf").status_code == 404


@pytest.mark.parametrize("language", READ_IN)
def test_an_empty_workbook_is_in_the_words_of_its_reader_and_read_in_any_language(
    live: LiveNode, language: str
) -> None:
    """
    Columns by what their reader calls them, each another; what was left out comes back in that sheet, with no
    second column of numbers, and is taken once it is mended.
    """
    speaks = {**live.bearer, "Accept-Language": language}
    (head,) = rows_of(live.client.get("/manifest.xlsx", headers=speaks).data)
    said = {"battery": CODE, "line": "7", "condition": "new"}
    rows = [head.cells, *([{**said, **row}.get(name, "") for name in COLUMNS] for row in WRONG)]

    sent = live.post_raw("/consignments", workbook_of(rows, "x"), XLSX).get_json()
    path = f"/consignments/{sent['id']}"
    back = [*rows_of(live.client.get(f"{path}/left-out.xlsx", headers=speaks).data)]

    assert len(set(head.cells)) == len(COLUMNS) and (language == "en" or head.cells[1] != "Battery")
    assert back[0].cells[: len(head.cells)] == head.cells and back[1].cells[0] == "8"
    live.wait(lambda: live.get_json(path)["state"] == "done", "the verdicts")
    mended = [back[0].cells, ["new" if cell == "old" else cell for cell in back[1].cells]]
    taken = live.post_raw(f"{path}/rows", workbook_of(mended, "x"), XLSX)
    assert taken.status_code == 202 and taken.get_json()["lines"] == 2


def test_a_workbook_of_many_rows_reads_no_table_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nine thousand lines are told in words from what is read once, however many there are.
    """
    parsed, loads = list[str](), tomllib.loads

    def counted(text: str) -> dict[str, Any]:
        parsed.append(text)
        return loads(text)

    monkeypatch.setattr(tomllib, "loads", counted)
    catalogues.terms.cache_clear()
    row = ["undecided", "item", "battery", "new"]
    rows = [["verdict", "fault", "goods", "condition"], *[row] * 500]

    told = list(in_words(rows, Words("de", lambda _: {})))

    assert len(told) == 501 and told[1] != row
    assert 1 <= len(parsed) < 10


@pytest.mark.parametrize("language", READ_IN)
def test_a_workbook_is_in_the_words_of_its_reader_and_csv_has_the_codes(
    live: LiveNode, language: str
) -> None:
    """
    Verdicts, readiness and suppliers: each column of each workbook has its word; CSV says what programs read.
    """
    made = live.post_json("/consignments", {"declaration": "26NLWORDS00001", "lines": [ONE]}).get_json()["id"]
    live.wait(lambda: live.get_json(f"/consignments/{made}")["state"] == "done", "the verdicts")
    speaks = {**live.bearer, "Accept-Language": language}

    def table(path: str) -> list[tuple[str, ...]]:
        return [row.cells for row in rows_of(live.client.get(path, headers=speaks).data)]

    for path in (
        f"/consignments/{made}/export",
        f"/consignments/{made}/readiness",
        f"/suppliers?party={DID}",
    ):
        name, asked, query = path.partition("?")
        codes, told = table(f"{name}.csv{asked}{query}"), table(f"{name}.xlsx{asked}{query}")
        columns = sentences()["column"]
        known = [(code, word) for code, word in zip(codes[0], told[0], strict=True) if code in columns]
        assert len(known) >= 5 and [word for code, word in known if word != columns[code][language]] == []
        assert len(codes) == len(told)
    verdict = CSV_COLUMNS.index("verdict")
    codes, told = (table(f"/consignments/{made}/export.{form}") for form in ("csv", "xlsx"))
    assert codes[1][verdict] == "undecided" and told[1][verdict] == verdict_word("undecided", language)


def test_every_table_of_text_is_written_at_one_place() -> None:
    """
    So no export lets a spreadsheet take a cell for a formula, or take its letters for those of another code.
    """
    writing = {path for path, tree in trees().items() if "csv.writer(" in ast.unparse(tree)}

    assert {path for path in writing if path.startswith("node/")} == {"node/sheets.py"}


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", " +", "\t=", "\r@"])
def test_no_cell_of_a_table_of_text_is_a_formula(sign: str) -> None:
    """
    Whatever a spreadsheet would begin to compute stands behind an apostrophe, also after blanks.
    """
    row = b"".join(csv_of([[f"{sign}1"]])).decode("utf-8-sig")

    assert row == f"'{sign.strip()}1\r\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "TRUE"),
        (False, "FALSE"),
        (0.1 + 0.2, "0.3"),
        (datetime(2027, 3, 1), "2027-03-01"),
        (datetime(2027, 3, 1, 8, 30), "2027-03-01 08:30:00"),
        (date(2027, 3, 1), "2027-03-01"),
        (time(8, 30), "08:30:00"),
        (" a ", "a"),
        (7, "7"),
    ],
)
def test_a_cell_says_what_somebody_would_type(value: object, said: str) -> None:
    """
    Truth in capitals, as a spreadsheet shows it; a day without its midnight; no more digits than are kept.
    """
    assert _cell_text(value) == said


@pytest.mark.parametrize(
    ("head", "taken"),
    [
        (b'<?xml version="1.0" encoding="UTF-8"?>', True),
        (b"<?xml version='1.0' encoding='us-ascii'?>", True),
        (b'<?xml version="1.0"?>', True),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?>', False),
        (b"<\0?\0x\0m\0l\0", False),
    ],
)
def test_xml_is_read_where_it_is_utf_8(head: bytes, taken: bool) -> None:
    """
    And ASCII is.
    """
    if taken:
        _require_plain(head + b"<a/>")
    else:
        with pytest.raises(TableError, match="not written in UTF-8"):
            _require_plain(head + b"<a/>")


def test_a_workbook_of_an_old_version_is_told_as_one() -> None:
    """
    With what to save it as.
    """
    with pytest.raises(TableError, match=r"save it as XLSX without one$"):
        rows_of(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
