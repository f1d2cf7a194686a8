"""Sheets of items as a maker's people and machines send them: NDJSON, a table of text or a workbook.

A table (CSV) names its columns in its first row; a row is told by the line of the file on which it begins.
Its encodings and separators are those of every table (`credentials/documents/tables.py`). Of NDJSON each line
is one JSON object. What cannot be read as a whole is refused as a whole (`sheet_malformed`); what is wrong
with one row is that row's result.
"""

from __future__ import annotations

import csv
import io
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

from credentials.documents.spelling import cell_said, trimmed
from credentials.documents.tables import (
    FORMULA,
    JOINED,
    ROUNDED,
    TITLES_MAX,
    NotUtf8Error,
    TableError,
    TableRow,
    is_shortened,
    require_no_titles,
    separated,
    text_of_file,
)
from node.errors import ProblemError, bad_request, busy
from node.sheets import is_workbook, rows_of

ROWS_MAX = 100_000
UNPACKED_BYTES_MAX = 48 << 20
COLUMNS_MAX = 512
CELL_CHARACTERS_MAX = 8_192
DELIMITERS_OF_A_ROW_MAX = 65_536  # commas inside of cells among them
LINE_BYTES_MAX = 1 << 20
LINES_MAX = 400_000  # empty ones among them
GZIP = b"\x1f\x8b"

CODE_HEADINGS = ("code", "battery", "电池编码", "编码")
# Columns that this node adds to rows that it hands back: what stands there is not read again.
RETURNED = ("problem_cell", "problem", "what_to_do")

Cell = str | dict[str, str]  # a cell of a workbook that does not say what it shows: {"mark", "text"}
Cells = tuple[int, list[Cell]]  # the line of the file on which a row begins, and its cells


class OneSheet:
    """One sheet is read at a time, which takes a second or two. Thread-safe."""

    def __init__(self) -> None:
        self._taken = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around the reading of a sheet; 503 while another one has the turn."""
        if not self._taken.acquire(blocking=False):
            raise busy("another sheet is being read: send this one again in {seconds} s", seconds=2)
        try:
            yield
        finally:
            self._taken.release()


@dataclass(frozen=True, slots=True)
class ItemTable:
    """A table of items: the names of its columns as they stand there, and its rows one after the other."""

    form: str  # csv | xlsx
    headings: tuple[str, ...]
    rows: Iterator[Cells]


def unpacked(data: bytes) -> bytes:
    """What was sent, out of gzip where it came so."""
    if not data.startswith(GZIP):
        return data
    inflate = zlib.decompressobj(wbits=31)
    try:
        found = inflate.decompress(data, UNPACKED_BYTES_MAX + 1)
    except zlib.error as error:
        raise _no_sheet("the sheet is packed (gzip) and cannot be unpacked: pack it again") from error
    if len(found) > UNPACKED_BYTES_MAX or inflate.unconsumed_tail:
        raise ProblemError(
            413,
            "sheet_too_large",
            "Content too large",
            "unpacked the sheet has more than {most} bytes: send it in parts",
            most=UNPACKED_BYTES_MAX,
        )
    if not inflate.eof or inflate.unused_data:
        raise _no_sheet("the sheet is packed (gzip) and ends early, or something follows it: pack it again")
    return found


def is_json_lines(data: bytes) -> bool:
    """True where the first row is a JSON object, as no name of a column begins."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def json_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(line, text) of each row of NDJSON; one that is empty is none."""
    for line, text in enumerate(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), 1):
        if line > LINES_MAX:
            raise _too_long()
        if text.strip():
            yield line, text.strip()[: LINE_BYTES_MAX + 1]


def table(data: bytes) -> ItemTable:
    """A table of text; 400 `sheet_malformed` for what is none."""
    workbook = is_workbook(data)
    rows = _rows_of_workbook(data) if workbook else _rows(_text(data))
    first = next(rows, None)
    if first is None:
        raise _no_sheet("the sheet is empty: its first row names the columns")
    headings = tuple(trimmed(text_of(cell)) for cell in first[1])
    if not any(name.lower() in CODE_HEADINGS for name in headings):
        following = [*islice(rows, TITLES_MAX)]
        _require_no_titles(following)
        rows = chain(following, rows)
    if len(headings) > COLUMNS_MAX:
        raise _no_sheet("the sheet has more than {most} columns", most=COLUMNS_MAX)
    names = [name.lower() for name in headings if name]
    if again := next((name for name in names if names.count(name) > 1), None):
        raise _no_sheet("the column {name} of the sheet stands twice", name=again)
    return ItemTable("xlsx" if workbook else "csv", headings, rows)


def _require_no_titles(following: Sequence[Cells]) -> None:
    told = [TableRow(number, tuple(trimmed(text_of(cell)) for cell in cells)) for number, cells in following]
    try:
        require_no_titles(told, frozenset(CODE_HEADINGS))
    except TableError as error:
        raise _no_sheet("the sheet cannot be read: {why}", why=error.message) from error


def _text(data: bytes) -> str:
    try:
        return text_of_file(data)
    except NotUtf8Error as error:
        told = "line {line} of the sheet is not in UTF-8: save it as CSV UTF-8"
        raise _no_sheet(told, line=error.line) from error
    except TableError as error:
        raise _no_sheet("the sheet cannot be read: {why}", why=error.message) from error


def _rows_of_workbook(data: bytes) -> Iterator[Cells]:
    try:
        for row in rows_of(data, row_characters_max=COLUMNS_MAX * CELL_CHARACTERS_MAX):
            cells: list[Cell] = [*row.cells]
            for place, mark in row.marks.items():
                cells += [""] * (place + 1 - len(cells))
                cells[place] = {"mark": mark, "text": text_of(cells[place])}
            yield row.number, cells
    except TableError as error:
        raise _no_sheet("the sheet cannot be read: {why}", why=error.message) from error


def code_in(cells: list[Cell], place: int) -> str:
    """The code in a row; ProblemError where the cell does not say what it shows."""
    cell = cells[place] if place < len(cells) else ""
    if isinstance(cell, dict):
        raise marked(cell["mark"], cell["text"])
    code = trimmed(cell_said(cell))
    if is_shortened(code):
        raise marked(ROUNDED, code)
    return code


def marked(mark: str, text: str) -> ProblemError:
    """Why a cell of a workbook does not say what it shows."""
    if mark == FORMULA:
        return wrong_cell("{cell} is a formula: give its value", cell=text[:40])
    if mark == JOINED:
        return wrong_cell("the cell is joined with another one: each row says its own value")
    if mark == ROUNDED:
        told = "{cell} has more digits than a spreadsheet keeps: format the column as text, and type it anew"
        return wrong_cell(told, cell=text[:40])
    return wrong_cell("{cell} is an error of the spreadsheet: give the value", cell=text[:40])


def wrong_cell(why: str, /, **parameters: object) -> ProblemError:
    """What is wrong with a cell."""
    return bad_request("cell_malformed", why, **parameters)


def text_of(cell: Cell) -> str:
    """What a cell shows."""
    return cell["text"] if isinstance(cell, dict) else cell


def _rows(text: str) -> Iterator[Cells]:
    """The rows that hold anything."""
    (separator, text), at = separated(text), 1
    lines = _Lines(text, separator)
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    while True:
        lines.begin()
        try:
            cells = next(reader, None)
        except csv.Error as error:  # a cell that never ends, for one
            raise _no_sheet(
                "line {line} of the sheet cannot be read: look at its quotation marks", line=at
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield at, [*cells]
        at = reader.line_num + 1


class _Lines:
    """The lines of a table as they are asked for: how many, and of a row how many cells."""

    def __init__(self, text: str, separator: str) -> None:
        self._lines, self._separator = io.StringIO(text, newline=""), separator
        self._number = self._cells = 0

    def begin(self) -> None:
        """A row begins with the next one."""
        self._cells = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._number += 1
        self._cells += line.count(self._separator)
        if self._number > LINES_MAX:
            raise _too_long()
        if self._cells > DELIMITERS_OF_A_ROW_MAX:
            raise _no_sheet("the sheet has more than {most} columns", most=COLUMNS_MAX)
        return line


def _too_long() -> ProblemError:
    return _no_sheet("the sheet has more than {most} lines, empty ones among them", most=LINES_MAX)


def _no_sheet(why: str, /, **parameters: object) -> ProblemError:
    return bad_request("sheet_malformed", why, **parameters)
