"""A table as rows of text, each with the place it has in its file: CSV (RFC 4180), as spreadsheets save it.

Between cells stands a comma or a semicolon, whichever the first row has. UTF-8, with a byte order mark or
without; UTF-16 with one; what a spreadsheet in China saves (GB 18030), where nothing else reads so. A row is
told by the line of the file on which it begins, as an editor counts it. Cells are text: nothing is computed,
and nothing is guessed. A workbook gives the same rows: `node/sheets.py`.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from credentials.errors import CredentialError

ROW_CHARACTERS_MAX = 4096
FILE_LINES_MAX = 80_000  # empty ones among them

# Why what a cell shows is not what it says: only a workbook has such cells.
FORMULA, JOINED, ROUNDED, BROKEN = "formula", "joined", "rounded", "broken"

_FILE_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class TableError(CredentialError):
    """A file that is no table, or a row that cannot be told from the next one."""

    def __init__(self, why: str) -> None:
        super().__init__("manifest_invalid", why)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row that says anything: its number in the file, and its cells; an empty one says nothing."""

    number: int
    cells: tuple[str, ...]  # trimmed
    marks: Mapping[int, str] = field(default_factory=dict)  # by place of a cell: FORMULA, JOINED, ...

    def address(self, place: int) -> str:
        """What a spreadsheet calls the cell at this place, counted from 0: `C14`."""
        return f"{column_letters(place)}{self.number}"


def column_letters(place: int) -> str:
    """What a spreadsheet calls a column, counted from 0: A, ..., Z, AA, ..."""
    letters, left = "", place + 1
    while left:
        left, letter = divmod(left - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def rows_of_csv(data: bytes, *, row_characters_max: int = ROW_CHARACTERS_MAX) -> Iterator[TableRow]:
    """The rows that hold anything, as they are read; TableError names the line of the file."""
    text = _text(data)
    lines = _Lines(text, row_characters_max)
    reader = csv.reader(lines, delimiter=_delimiter(text), strict=True)
    while True:
        at = reader.line_num + 1
        lines.begin(at)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise TableError(
                f"line {at} of the file: its quotation marks do not close as they open"
            ) from error
        if cells is None:
            return
        said = tuple(cell.strip() for cell in cells)
        if any(said):
            yield TableRow(at, said)


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        text = _text_from_china(data, at)
    if "\0" in text:
        raise TableError("it holds zero bytes: save it as CSV UTF-8")
    return text


def _text_from_china(data: bytes, at: int) -> str:
    """Text in the common characters of GB 18030, each of two bytes that are no letters of a Western file."""
    try:
        return data.decode("gb2312")
    except UnicodeDecodeError as error:
        raise TableError(f"line {at} of the file is not in UTF-8: save it as CSV UTF-8") from error


def _delimiter(text: str) -> str:
    first = text.lstrip("\r\n").partition("\n")[0]
    return ";" if first.count(";") > first.count(",") else ","


class _Lines:
    """The lines of a file as they are asked for: a row ends where its quotation marks do, or is refused."""

    def __init__(self, text: str, row_characters_max: int) -> None:
        self._lines = _FILE_LINE.finditer(text)
        self._row_characters_max = row_characters_max
        self._at = self._left = 0

    def begin(self, at: int) -> None:
        """The next row begins with this line of the file."""
        self._at, self._left = at, self._row_characters_max

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)[0]
        self._left -= len(line)
        if self._left < 0:
            raise TableError(
                f"line {self._at} of the file: its row has more than {self._row_characters_max} characters"
            )
        if self._at > FILE_LINES_MAX:
            raise TableError(f"it has more than {FILE_LINES_MAX} lines, empty ones among them")
        return line
