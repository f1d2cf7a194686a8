"""A table as rows of text, each with the place it has in its file: CSV (RFC 4180), as spreadsheets save it.

Between cells stands a comma, a semicolon or a tab, whichever the first row has, or what a line `sep=;` before
it says. UTF-8, with a byte order mark or without; UTF-16 with one; what a spreadsheet in China saves (GB
18030), where nothing else reads so. A row is told by the line of the file on which it begins, as an editor
counts it. Cells are text: nothing is computed, and nothing is guessed. A workbook gives the same rows:
`node/sheets.py`.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from credentials.documents.spelling import cell_said
from credentials.errors import CredentialError

ROW_CHARACTERS_MAX = 4096
FILE_LINES_MAX = 80_000  # empty ones among them

# Why what a cell shows is not what it says: only a workbook has such cells.
FORMULA, JOINED, ROUNDED, BROKEN = "formula", "joined", "rounded", "broken"

SEPARATORS: Final = (",", ";", "\t")
TITLES_MAX = 10  # rows above the names of the columns, in which these are looked for

_FILE_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_DIGIT: Final = re.compile("[0-9]")
_FIRST_CHARACTERS = 65_536
_QUOTED: Final = re.compile('"[^"]*"')
_SAID_SEPARATOR: Final = re.compile('"?sep=([,;\t|])"?[,;\t|]*(?=[\r\n])', re.IGNORECASE)
_SHORTENED: Final = re.compile(r"[0-9][.,]?[0-9]*[eE]\+[0-9]+|[0-9][.,][0-9]+[eE][0-9]+")
_OTHER_FILES: Final = {"%PDF": "a PDF", "{\\rtf": "a text of a word processor", "<": "a page or XML"}


class TableError(CredentialError):
    """A file that is no table, or a row that cannot be told from the next one."""

    def __init__(self, why: str) -> None:
        super().__init__("manifest_invalid", why)


class NotUtf8Error(TableError):
    """A file in an encoding that does not say which."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} of the file is not in UTF-8: save it as CSV UTF-8")
        self.line = line


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
    separator, text = separated(text_of_file(data))
    lines = _Lines(text, row_characters_max)
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
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
        if any(map(cell_said, said)):
            yield TableRow(at, said)


def text_of_file(data: bytes) -> str:
    """The text of a table; NotUtf8Error, or TableError for a file that is none."""
    wide = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        text = "" if wide else _text_from_china(data)
        if not text:
            raise NotUtf8Error(data.count(b"\n", 0, error.start) + 1) from error
    if "\0" in text:
        raise TableError("it holds zero bytes: save it as CSV UTF-8")
    begins = text[:16].lstrip("\ufeff \t\r\n")
    for mark, kind in _OTHER_FILES.items():
        if begins.startswith(mark):
            raise TableError(f"it is {kind} and no table: save it as CSV UTF-8 or XLSX")
    return text


def _text_from_china(data: bytes) -> str:
    """Text in the common characters of GB 18030, each of two bytes that are no letters of a Western file."""
    try:
        return data.decode("gb2312")
    except UnicodeDecodeError:
        return ""


def separated(text: str) -> tuple[str, str]:
    """What stands between the cells of a table, and its text, without a line that says so in words."""
    text = text.removeprefix("\ufeff")
    if said := _SAID_SEPARATOR.match(text):
        return said[1], text[said.end() :]  # its end stays: lines are counted as an editor does
    first = _QUOTED.sub("", text[:_FIRST_CHARACTERS]).lstrip("\r\n").partition("\n")[0]
    return max(SEPARATORS, key=first.count), text


def is_shortened(cell: str) -> bool:
    """True for a number as a spreadsheet shortens it, 4.71E+12: its other digits are lost."""
    return _SHORTENED.fullmatch(cell) is not None


def require_no_titles(following: Sequence[TableRow], names: Set[str]) -> None:
    """TableError where one of these rows, below one that names no column, has one of these names.

    `names`: in lower case. What has a digit is no name of a column.
    """
    for row in following:
        said = " ".join(row.cells)
        if not _DIGIT.search(said) and any(cell.lower() in names for cell in row.cells):
            raise TableError(
                f"row {row.number} has the names of the columns: take away what stands above it, and send it "
                "once more"
            )


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
