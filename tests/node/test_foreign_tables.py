"""Tables as other programs write them: what they mean is read, what they lost is told, nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from credentials.documents.tables import TableError
from credentials.verdicts.manifest_csv import TableManifest, UnknownColumns, read_table
from node.errors import ProblemError
from node.issuing.item_sheets import code_in, table
from node.sheets import rows_of
from tests.harness.support_service import CODE
from tests.node.test_sheets import workbook

ONE = {"line": 1, "battery": CODE}
WIDE = "".join(chr(ord(symbol) + 0xFEE0) for symbol in CODE)


def read(data: bytes) -> TableManifest:
    return read_table(rows_of(data))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (f"battery\tmass_kg\r\n{CODE}\t410,5\r\n".encode("utf-16"), {"mass_kg": 410.5}),
        (f"sep=;\r\nbattery;mass_kg\r\n{CODE};410,5\r\n".encode(), {"mass_kg": 410.5}),
        (f'"sep=|"\r\nbattery|mass_kg\r\n{CODE}|4\r\n'.encode(), {"mass_kg": 4.0}),
        (f'"battery";"vin"\n{CODE};"a, b, c, d"\n'.encode(), {"vin": "a, b, c, d"}),
        (f'battery, goods\n{CODE}, "battery"\n'.encode(), {"goods": "battery"}),
        (f"\ufeff\ufeffbattery,goods\n{CODE},battery\n".encode(), {"goods": "battery"}),
        (f"ｂａｔｔｅｒｙ,mass_kg\n{WIDE},４１０．５\n".encode(), {"mass_kg": 410.5}),
        (f"battery,condition\n{CODE}\u00a0,\u200bnew\u200b\n\u00a0,\u200b\n".encode(), {"condition": "new"}),
        (f"battery,commodity_code\n'{CODE},\u20198507600000\n".encode(), {"commodity_code": "8507600000"}),
        (f'battery,vin\n="{CODE}","=""1M8"""\n'.encode(), {"vin": "1M8"}),
    ],
    ids=["unicode text", "sep", "sep of", "commas in cells", "blank", "marks", "wide", "nbsp", "'", "="],
)
def test_what_a_program_adds_to_a_cell_is_no_part_of_it(data: bytes, said: dict[str, object]) -> None:
    """
    Tabs in UTF-16, a line that names the separator, blanks before quotation marks, marks of order, full-width
    and invisible characters, and what keeps a number a text are read as what they mean.
    """
    found = read(data)

    assert not found.left_out and found.manifest["lines"] == [{**ONE, **said}]


@pytest.mark.parametrize("shortened", ["4.71E+12", "4.71e+12", "4.71E12", '"4,71E+12"', "4.7E+012"])
def test_a_code_that_lost_its_digits_is_told_wherever_it_stands(shortened: str) -> None:
    """
    In a manifest, in a list of codes and in a sheet: nobody can know the digits that a spreadsheet left out.
    """
    manifest, listed = read(f"battery\n{shortened}\n".encode()), read(f"{shortened}\n{CODE}\n".encode())
    ((_, cells),) = table(f"code\n{shortened}\n".encode()).rows

    assert [one.cell for one in (*manifest.left_out, *listed.left_out)] == ["A2", "A1"]
    assert all("shortened it" in one.fault.message for one in (*manifest.left_out, *listed.left_out))
    with pytest.raises(ProblemError, match="more digits than a spreadsheet keeps"):
        code_in(cells, 0)


@pytest.mark.parametrize(
    ("value", "told"), [("=A1", "is a formula"), (4712345678901234567, "more digits"), ("#N/A", "an error")]
)
def test_a_cell_of_codes_that_does_not_say_one_is_told(value: object, told: str) -> None:
    """
    What a workbook marks is no code of an act on many batteries either.
    """
    ((_, cells),) = table(workbook(("code", "remark"), (value, "x"))).rows

    with pytest.raises(ProblemError, match=told):
        code_in(cells, 0)


@pytest.mark.parametrize("titles", ["Batteries of June\n\n", "List 2027,,\n", "# made\n# by hand\n"])
def test_titles_above_the_names_of_the_columns_are_told(titles: str) -> None:
    """
    By the row that has the names, in a manifest and in a sheet; no title is taken for a battery.
    """
    row = titles.count("\n") + 1
    with pytest.raises(TableError, match=f"row {row} has the names of the columns"):
        read(f"{titles}battery,goods\n{CODE},battery\n".encode())
    with pytest.raises(ProblemError, match=f"row {row} has the names of the columns"):
        table(f"{titles}code,goods\n{CODE},battery\n".encode())


def test_a_cell_that_says_battery_is_no_title() -> None:
    """
    Columns that nobody knows are asked about, whatever stands below them.
    """
    with pytest.raises(UnknownColumns):
        read(f"Akku,Ware\n{CODE},battery\n".encode())


@pytest.mark.parametrize(
    ("begins", "kind"),
    [("%PDF-1.4\n1 0 obj", "a PDF"), ("{\\rtf1", "a text of a word processor"), ("\n <?xml 1?>", "XML")],
)
def test_a_file_of_another_kind_is_no_list_of_codes(begins: str, kind: str) -> None:
    """
    What it is, and what to send.
    """
    with pytest.raises(TableError, match=f"{kind} and no table"):
        read(begins.encode())
    with pytest.raises(ProblemError, match="and no table"):
        table(begins.encode())


@pytest.mark.parametrize("row", [f'"{CODE}"x,1', f'"{CODE}\\"",1', f'"{CODE},1'])
def test_quotation_marks_that_do_not_close_change_no_code(row: str) -> None:
    """
    A sheet is refused by the line: neither is what follows drawn into the cell, nor a mark left out of it.
    """
    with pytest.raises(ProblemError, match="line 2 of the sheet"):
        list(table(f"code,mass\n{row}\n{CODE},2\n".encode()).rows)


@pytest.mark.parametrize("day", ["2027-03-01", "2027-03-01 00:00:00", "2027-03-01T00:00:00.000"])
def test_a_day_without_a_time_is_one(day: str) -> None:
    """
    As programs write a day that they hold as a moment; a time of the day is not left out.
    """
    assert read(f"battery,law_date\n{CODE},{day}\n".encode()).manifest["law_date"] == "2027-03-01"
    (left,) = read(f"battery,law_date\n{CODE},2027-03-01 08:30:00\n".encode()).left_out
    assert "a day is written as" in left.fault.message


def _zeros(book: Any) -> None:
    book.active["A2"].number_format = "0" * 12


def _blank(book: Any) -> None:
    book.create_sheet("Sheet", 0)


def _goes_on(book: Any) -> None:
    book.create_sheet("notes").append(["what the columns mean"])
    more = book.create_sheet("more")
    for row in (("battery",), (f"{CODE[:-1]}3",)):
        more.append(row)


@pytest.mark.parametrize(
    ("value", "change", "said"),
    [(47123, _zeros, "000000047123"), (CODE, _blank, CODE), (f"'{CODE}", lambda _: None, CODE)],
)
def test_a_workbook_says_what_it_shows(value: object, change: Callable[[Any], object], said: str) -> None:
    """
    Zeros that the format of a number puts before it; the first sheet that says anything; no apostrophe.
    """
    (line,) = read(workbook(("battery",), (value,), change=change)).manifest["lines"]

    assert line["battery"] == said


def test_rows_on_a_further_sheet_are_not_left_out_in_silence() -> None:
    """
    Where another sheet goes on under the same names, the file is refused, and what to do is said.
    """
    with pytest.raises(TableError, match="two sheets of its workbook have the same names of columns"):
        read(workbook(("battery",), (CODE,), change=_goes_on))
