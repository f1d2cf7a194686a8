"""A manifest as a table of text (CSV, RFC 4180): the same lines as in JSON, one a row.

    battery,goods,condition,commodity_code,vin,mass_kg,registration_id,declaration,law_date
    ZZ1PE75QH00001G6H0000042,battery,new,8507600000,,410.5,,26NL000001,2027-03-01

The first row names the columns, in any order; `battery` has to be one. Between cells stands a comma or a
semicolon, whichever the first row has. What is said of the whole manifest (HEAD) says the same in every row,
or stands in one of them. A list of codes, as a scanner types it, has no first row of names. UTF-8, with a
byte order mark or without; UTF-16 with one; what a spreadsheet in China saves (GB 18030), where nothing else
reads so. A row is told by the line of the file on which it begins, as an editor counts it. Cells are text:
nothing is computed, and nothing is guessed.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from credentials.errors import CredentialError
from credentials.verdicts.manifest import LINES_MAX, Line

# The most characters of a cell, by column.
HEAD: Final = {"declaration": 64, "consignee_eori": 32, "law_date": 10, "direction": 16}
CELLS: Final = {
    "line": 7,
    "battery": 512,
    "goods": 16,
    "condition": 16,
    "commodity_code": 32,
    "vin": 64,
    "mass_kg": 16,
    "registration_id": 256,
}
COLUMNS: Final = {**CELLS, **HEAD}
ROW_CHARACTERS_MAX = 4096  # twice as much as all cells together
FILE_LINES_MAX = 4 * LINES_MAX  # empty ones among them
_SHORTENED = re.compile(r"[0-9][.,]?[0-9]*[eE]\+[0-9]+")
_FILE_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_WHOLE = re.compile(r"[0-9]{1,7}")
_MASS = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,6})?")

Row = tuple[int, list[str]]  # the line of the file on which it begins, and its cells


def manifest_of_csv(data: bytes) -> dict[str, Any]:
    """The manifest as JSON has it; CredentialError("manifest_invalid", ...) names line and column."""
    text = _text(data)
    rows = _rows(text, _delimiter(text))
    first = next(rows, (1, []))
    if _is_code(first[1]):
        rows, first = chain([first], rows), (first[0], ["battery"])
    columns = _columns(first)
    head: dict[str, str] = {}
    lines: list[dict[str, Any]] = []
    for at, cells in rows:
        if len(lines) == LINES_MAX:
            raise _invalid(f"it has more than {LINES_MAX} rows: send the rest as a further manifest")
        named = _named(at, cells, columns)
        _join(head, at, named)
        lines.append(_line(at, named, len(lines) + 1))
    if not lines:
        raise _invalid("it has no row below the names of the columns")
    return {**{name: head[name] for name in HEAD if name in head}, "lines": lines}


def _is_code(cells: Sequence[str]) -> bool:
    """True for the first row of a list of codes: one cell, with a digit, as no column is called."""
    said = [cell for cell in cells if cell]
    return len(said) == 1 and cells[0] == said[0] and any(c.isdecimal() for c in said[0])


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        text = _text_from_china(data, at)
    if "\0" in text:
        raise _invalid("it holds zero bytes: save it as CSV UTF-8")
    return text


def _text_from_china(data: bytes, at: int) -> str:
    """Text in the common characters of GB 18030, each of two bytes that are no letters of a Western file."""
    try:
        return data.decode("gb2312")
    except UnicodeDecodeError as error:
        raise _invalid(f"line {at} of the file is not in UTF-8: save it as CSV UTF-8") from error


def _delimiter(text: str) -> str:
    first = text.lstrip("\r\n").partition("\n")[0]
    return ";" if first.count(";") > first.count(",") else ","


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    """The rows that hold anything."""
    row = _Row(text)
    reader = csv.reader(row, delimiter=delimiter, strict=True)
    while True:
        at = reader.line_num + 1
        row.begin(at)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _invalid(f"line {at} of the file: its quotation marks do not close as they open") from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield at, [cell.strip() for cell in cells]


class _Row:
    """The lines of a file as they are asked for: a row ends where its quotation marks do, or is refused."""

    def __init__(self, text: str) -> None:
        self._lines = _FILE_LINE.finditer(text)
        self._at = self._left = 0

    def begin(self, at: int) -> None:
        """The next row begins with this line of the file."""
        self._at, self._left = at, ROW_CHARACTERS_MAX

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)[0]
        self._left -= len(line)
        if self._left < 0:
            raise _at(self._at, f"its row has more than {ROW_CHARACTERS_MAX} characters")
        if self._at > FILE_LINES_MAX:
            raise _invalid(f"it has more than {FILE_LINES_MAX} lines, empty ones among them")
        return line


def _columns(first: Row) -> Sequence[str]:
    """The names of the columns; one that has no name has nothing in it."""
    names = [name.lower() for name in first[1]]
    if strange := [name for name in names if name and name not in COLUMNS]:
        told, known = ", ".join(ascii(name[:40]) for name in strange[:8]), ", ".join(COLUMNS)
        raise _invalid(f"the unknown columns {told}: these are read: {known}")
    if again := sorted({name for name in names if name and names.count(name) > 1}):
        raise _invalid(f"the column {again[0]} stands twice")
    if "battery" not in names:
        raise _invalid(
            f"its first row names the columns ({', '.join(COLUMNS)}), and battery is not among them"
        )
    return names


def _named(at: int, cells: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """What the row says, by column; an empty cell says nothing."""
    found: dict[str, str] = {}
    for number, cell in enumerate(cells):
        name = columns[number] if number < len(columns) else ""
        if not cell:
            continue
        if not name:
            raise _at(at, f"{cell[:40]!a} stands under no column")
        if len(cell) > COLUMNS[name]:
            raise _at(at, f"{name} has more than {COLUMNS[name]} characters")
        if name != "battery" and _SHORTENED.fullmatch(cell):
            raise _at(at, f"{name} is {cell}: the spreadsheet shortened it; format the column as text")
        found[name] = cell
    return found


def _join(head: dict[str, str], at: int, named: Mapping[str, str]) -> None:
    """What a row says of the whole manifest: the same as the others."""
    for name in HEAD.keys() & named.keys():
        if head.setdefault(name, named[name]) != named[name]:
            raise _at(at, f"{name} is {named[name]}, and {head[name]} above: one manifest has one")


def _line(at: int, named: Mapping[str, str], number: int) -> dict[str, Any]:
    """The line of a row, as JSON has it, read as strictly."""
    line: dict[str, Any] = {name: named[name] for name in CELLS if name in named}
    line["line"] = number
    if "line" in named:
        if not _WHOLE.fullmatch(named["line"]):
            raise _at(at, f"line is {named['line']}: a whole number, or nothing")
        line["line"] = int(named["line"])
    if "mass_kg" in named:
        line["mass_kg"] = _mass(at, named["mass_kg"])
    try:
        Line.parse(line, number)
    except CredentialError as error:
        raise _at(at, error.message.removeprefix("the manifest cannot be read: ")) from error
    return line


def _mass(at: int, cell: str) -> float:
    """Kilograms, with a point or a comma before the decimals; what may be thousands is asked about."""
    whole, comma, decimals = cell.partition(",")
    if comma and len(decimals) == 3:
        raise _at(at, f"mass_kg is {cell}: write {whole}.{decimals} or {whole}{decimals}, whichever is meant")
    point = f"{whole}.{decimals}" if comma else cell
    if not _MASS.fullmatch(point):
        raise _at(at, f"mass_kg is {cell}: kilograms as digits, such as 410.5")
    return float(point)


def _at(line: int, why: str) -> CredentialError:
    return _invalid(f"line {line} of the file: {why}")


def _invalid(why: str) -> CredentialError:
    return CredentialError("manifest_invalid", f"the manifest cannot be read: {why}")
