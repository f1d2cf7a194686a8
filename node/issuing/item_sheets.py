"""Sheets of items as a maker's people and machines send them: NDJSON, a table of text or a workbook.

A table (CSV) names its columns in its first row; a row is told by the line of the file on which it begins.
UTF-8, UTF-16 with a byte order mark, or the common characters of GB 18030. Of NDJSON each line is one JSON
object. What cannot be read as a whole is refused as a whole (`sheet_malformed`); what is wrong with one row
is that row's result.
"""

from __future__ import annotations

import csv
import io
import threading
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from credentials.documents.spelling import trimmed
from credentials.documents.tables import TableError
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
    if len(headings) > COLUMNS_MAX:
        raise _no_sheet("the sheet has more than {most} columns", most=COLUMNS_MAX)
    names = [name.lower() for name in headings if name]
    if again := next((name for name in names if names.count(name) > 1), None):
        raise _no_sheet("the column {name} of the sheet stands twice", name=again)
    return ItemTable("xlsx" if workbook else "csv", headings, rows)


def _text(data: bytes) -> str:
    wide = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        try:
            if wide:
                raise
            text = data.decode("gb2312")  # each character of it lies beyond the letters of a Western file
        except UnicodeDecodeError:
            line = data.count(b"\n", 0, error.start) + 1
            raise _no_sheet(
                "line {line} of the sheet is not in UTF-8: save it as CSV UTF-8", line=line
            ) from error
    if "\0" in text:
        raise _no_sheet("the sheet holds zero bytes: save it as CSV UTF-8")
    return text


def _delimiter(text: str) -> str:
    first = text.lstrip("\r\n").partition("\n")[0]
    return max((",", ";", "\t"), key=first.count)


def _rows_of_workbook(data: bytes) -> Iterator[Cells]:
    try:
        for row in rows_of(data, row_characters_max=COLUMNS_MAX * CELL_CHARACTERS_MAX):
            cells: list[Cell] = [*row.cells]
            for place, mark in row.marks.items():
                cells += [""] * (place + 1 - len(cells))
                cells[place] = {"mark": mark, "text": text_of(cells[place])}
            yield row.number, cells
    except TableError as error:
        raise _no_sheet("the workbook cannot be read: {why}", why=error.message) from error


def text_of(cell: Cell) -> str:
    """What a cell shows."""
    return cell["text"] if isinstance(cell, dict) else cell


def _rows(text: str) -> Iterator[Cells]:
    """The rows that hold anything."""
    delimiter, at = _delimiter(text), 1
    lines = _Lines(text, delimiter)
    reader = csv.reader(lines, delimiter=delimiter)
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

    def __init__(self, text: str, delimiter: str) -> None:
        self._lines, self._delimiter = io.StringIO(text, newline=""), delimiter
        self._number = self._cells = 0

    def begin(self) -> None:
        """A row begins with the next one."""
        self._cells = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._number += 1
        self._cells += line.count(self._delimiter)
        if self._number > LINES_MAX:
            raise _too_long()
        if self._cells > DELIMITERS_OF_A_ROW_MAX:
            raise _no_sheet("the sheet has more than {most} columns", most=COLUMNS_MAX)
        return line


def _too_long() -> ProblemError:
    return _no_sheet("the sheet has more than {most} lines, empty ones among them", most=LINES_MAX)


def _no_sheet(why: str, /, **parameters: object) -> ProblemError:
    return bad_request("sheet_malformed", why, **parameters)
