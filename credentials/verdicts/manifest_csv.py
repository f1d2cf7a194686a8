"""A manifest as a table: the same lines as in JSON, one a row of CSV or of a workbook.

    battery,goods,condition,commodity_code,vin,mass_kg,registration_id,declaration,law_date
    ZZ1PE75QH00001G6H0000042,battery,new,8507600000,,410.5,,26NL000001,2027-03-01

The first row names the columns, in any order; `battery` has to be one. A sender who calls them otherwise says
once what each is. What is said of the whole manifest (HEAD) says the same in every row, or stands in one of
them. A list of codes, as a scanner types it, has no first row of names. A row that cannot be read is left out
with its reason, by cell and in the words of the sender's first row; the others are lines. How the files are
read: `credentials/documents/tables.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice
from typing import Any, Final

from consensus.errors import filled
from credentials.documents.identifiers import canonical_declaration_number, canonical_eori
from credentials.documents.spelling import cell_said, trimmed
from credentials.documents.tables import (
    BROKEN,
    FORMULA,
    JOINED,
    ROUNDED,
    TITLES_MAX,
    TableError,
    TableRow,
    is_shortened,
    require_no_titles,
)
from credentials.errors import CredentialError
from credentials.verdicts.manifest import CONDITIONS, DIRECTIONS, LINES_MAX, Line

# The most characters of a cell, by column.
HEAD: Final = {"declaration": 64, "consignee_eori": 32, "law_date": 32, "direction": 16}
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
NOT_READ = ""  # what a sender says of a column that is nobody's business here
OURS: Final = ("what is wrong", "cell", "what to do")  # beside rows that are handed back
_CHOICES: Final = {"condition": CONDITIONS, "direction": DIRECTIONS}
_WHOLE = re.compile(r"[0-9]{1,7}")
_MASS = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,6})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:\.0{1,6})?)?$")  # as programs write a day that has no time
Manifested = dict[str, Any]  # as JSON has it
_BEFORE_WHY = "the manifest cannot be read: "


class RowFault(CredentialError):
    """Why a row is left out: an English sentence with its parameters in braces, as of a `Refusal`."""

    def __init__(
        self, code: str, sentence: str, /, *, place: int | None = None, **parameters: object
    ) -> None:
        super().__init__(code, filled(sentence, parameters))
        self.sentence = sentence
        self.parameters = parameters
        self.place = place  # of the cell that is meant; None: the row


class UnknownColumns(CredentialError):
    """Columns that no name here answers: whoever sent them is asked once what they are."""

    def __init__(self, columns: Sequence[str], unknown: Sequence[str]) -> None:
        told, known = ", ".join(ascii(name[:40]) for name in unknown[:8]), ", ".join(COLUMNS)
        super().__init__(
            "manifest_invalid", f"{_BEFORE_WHY}the unknown columns {told}: these are read: {known}"
        )
        self.columns = columns  # as the file calls them
        self.unknown = unknown


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is no line, and why."""

    row: TableRow
    number: int  # of the line that it would be
    fault: RowFault

    @property
    def cell(self) -> str:
        """The cell that is meant, as a spreadsheet calls it; empty: the row as a whole."""
        return "" if self.fault.place is None else self.row.address(self.fault.place)


@dataclass(frozen=True, slots=True)
class TableManifest:
    """What a table says: the manifest as JSON has it, of the rows that could be read, and the others."""

    manifest: Manifested
    columns: tuple[str, ...]  # as the file calls them
    left_out: tuple[LeftOut, ...]


def manifest_of_rows(rows: Iterable[TableRow]) -> Manifested:
    """The manifest that a table is, whole or not at all; CredentialError("manifest_invalid") says where."""
    try:
        table = read_table(rows)
    except TableError as error:
        raise CredentialError("manifest_invalid", f"{_BEFORE_WHY}{error}") from error
    for one in table.left_out:
        told = f"{_BEFORE_WHY}line {one.row.number} of the file: {one.fault.message}"
        raise CredentialError("manifest_invalid", told)
    return table.manifest


def read_table(rows: Iterable[TableRow], called: Mapping[str, str] | None = None) -> TableManifest:
    """Read the rows of a table; `called`: which column is meant by what a sender calls one, in lower case.

    UnknownColumns where a name of the first row is neither; TableError where it is no table of batteries.
    """
    rows = iter(rows)
    first = next(rows, TableRow(1, ()))
    known = {name: name for name in (*COLUMNS, *OURS)} | dict(called or {})
    if not any(column_called(cell) in known for cell in first.cells):
        meant = {name for name, column in known.items() if column == "battery"}
        following = tuple(islice(rows, TITLES_MAX))
        require_no_titles(following, meant)
        rows = chain(following, rows)
    if _is_code(first):
        rows, first = chain([first], rows), TableRow(first.number, ("battery",))
    reader = _Reader(first, _columns(first, called or {}))
    count = 0
    for count, row in enumerate(rows, 1):
        if count > LINES_MAX:
            raise TableError(f"it has more than {LINES_MAX} rows: send the rest as a further manifest")
        reader.take(row, count)
    if not count:
        raise TableError("it has no row below the names of the columns")
    head = {name: reader.head[name] for name in HEAD if name in reader.head}
    return TableManifest({**head, "lines": reader.lines}, first.cells, tuple(reader.left_out))


def column_called(name: str) -> str:
    """A name of a column as it is compared."""
    return " ".join(trimmed(name).lower().split())


def _is_code(first: TableRow) -> bool:
    """True for the first row of a list of codes: one cell, with a digit, as no column is called."""
    said = [cell for cell in first.cells if cell]
    return len(said) == 1 and first.cells[0] == said[0] and any(c.isdecimal() for c in said[0])


def _columns(first: TableRow, called: Mapping[str, str]) -> Sequence[str | None]:
    """What each column is; NOT_READ: nothing that is read, None: it has no name, and nothing in it."""
    names = [column_called(cell) for cell in first.cells]
    known = {**{name: name for name in COLUMNS}, **dict.fromkeys(OURS, NOT_READ), **called}
    found = [known.get(name) if name else None for name in names]
    if strange := [
        cell for cell, name, one in zip(first.cells, names, found, strict=True) if name and one is None
    ]:
        raise UnknownColumns(first.cells, strange)
    if again := sorted({name for name in found if name and found.count(name) > 1}):
        raise TableError(f"the column {again[0]} stands twice")
    if "battery" not in found:
        read = ", ".join(COLUMNS)
        raise TableError(f"its first row names the columns ({read}), and battery is not among them")
    return found


class _Reader:
    """Rows become lines, or are left out."""

    def __init__(self, first: TableRow, columns: Sequence[str | None]) -> None:
        self._first, self._columns = first, columns
        self.head: dict[str, str] = {}
        self.lines: list[Manifested] = []
        self.left_out: list[LeftOut] = []
        self._rows: dict[int, int] = {}  # by the number of a line: the row that has it

    def take(self, row: TableRow, number: int) -> None:
        """The next row, which is the line of this number unless it says another."""
        try:
            named = self._named(row)
            line = self._line(named, number)
            self._join(named)
        except RowFault as fault:
            self.left_out.append(LeftOut(row, self._number_of(row, number), fault))
            return
        self._rows[line["line"]] = row.number
        self.lines.append(line)

    def _number_of(self, row: TableRow, number: int) -> int:
        """The number that a row says, where it is one."""
        place = self._columns.index("line") if "line" in self._columns else len(row.cells)
        said = row.cells[place] if place < len(row.cells) else ""
        return int(said) if _WHOLE.fullmatch(said) else number

    def _called(self, place: int) -> str:
        """What the sender calls a column."""
        return self._first.cells[place][:40] or str(self._columns[place])

    def _named(self, row: TableRow) -> dict[str, tuple[int, str]]:
        """What the row says, by column, with the place of its cell; an empty cell says nothing."""
        found: dict[str, tuple[int, str]] = {}
        for place in sorted({*range(len(row.cells)), *row.marks}):
            cell = cell_said(row.cells[place]) if place < len(row.cells) else ""
            name = self._columns[place] if place < len(self._columns) else None
            mark = row.marks.get(place)
            if name == NOT_READ or not (cell or mark) or (mark == JOINED and (name is None or name in HEAD)):
                continue
            if name is None:
                told = "{cell} stands under no column"
                raise RowFault("manifest_invalid", told, place=place, cell=ascii(cell[:40]))
            if mark:
                raise self._marked(place, cell, mark)
            if name != "registration_id":  # which is a text in its own spelling
                cell = trimmed(cell)
            if len(cell) > COLUMNS[name]:
                told = "{column} has more than {most} characters"
                column, most = self._called(place), COLUMNS[name]
                raise RowFault("manifest_invalid", told, place=place, column=column, most=most)
            if is_shortened(cell) and (name != "battery" or "." in cell or "," in cell):
                raise self._marked(place, cell, ROUNDED)
            found[name] = (place, cell)
        return found

    def _marked(self, place: int, cell: str, mark: str) -> RowFault:
        """Why a cell does not say what it shows."""
        column, code = self._called(place), "manifest_invalid"
        if mark == FORMULA:
            return RowFault(code, "{column} holds a formula", place=place, column=column)
        if mark == JOINED:
            return RowFault(code, "{column} is joined with the cell above", place=place, column=column)
        if mark == BROKEN:
            told = "{column} is {cell}, an error of the spreadsheet"
            return RowFault(code, told, place=place, column=column, cell=cell[:40])
        told = "{column} is {cell}: the spreadsheet shortened it; format the column as text"
        return RowFault(code, told, place=place, column=column, cell=cell)

    def _join(self, named: Mapping[str, tuple[int, str]]) -> None:
        """What a row says of the whole manifest: the same as the others."""
        for name in HEAD:
            if name not in named:
                continue
            place, cell = named[name]
            if name in _CHOICES:
                cell = self._choice(name, place, cell)
            if name == "law_date":
                cell = _MIDNIGHT.sub("", cell)
            self._require_head(name, place, cell)
            if self.head.setdefault(name, cell) != cell:
                told, column = (
                    "{column} is {cell}, and {other} above: one manifest has one",
                    self._called(place),
                )
                other = self.head[name]
                raise RowFault("manifest_invalid", told, place=place, column=column, cell=cell, other=other)

    def _require_head(self, name: str, place: int, cell: str) -> None:
        column = self._called(place)
        if name == "law_date" and not _is_day(cell):
            told = "{column} is {cell}: a day is written as 2027-03-01"
            raise RowFault("manifest_invalid", told, place=place, column=column, cell=cell)
        spelled = {"declaration": canonical_declaration_number, "consignee_eori": canonical_eori}.get(name)
        try:
            if spelled is not None:
                spelled(cell)
        except CredentialError as error:
            raise RowFault("manifest_invalid", f"{column}: {error}", place=place) from error

    def _choice(self, name: str, place: int, cell: str) -> str:
        if cell.lower() not in _CHOICES[name]:
            told, known = "{column} is {cell}: write one of {known}", _CHOICES[name]
            column = self._called(place)
            raise RowFault("manifest_invalid", told, place=place, column=column, cell=cell, known=known)
        return cell.lower()

    def _line(self, named: Mapping[str, tuple[int, str]], number: int) -> Manifested:
        """The line of a row, as JSON has it, read as strictly."""
        if "battery" not in named:
            raise RowFault("manifest_invalid", "the row names no battery")
        line: Manifested = {name: named[name][1] for name in CELLS if name in named}
        line["line"] = number
        if "line" in named:
            line["line"] = self._number(*named["line"])
        if line["line"] in self._rows:
            told, row = "row {row} has the number {number} as well", self._rows[line["line"]]
            place = named["line"][0] if "line" in named else None
            raise RowFault("manifest_invalid", told, place=place, row=row, number=line["line"])
        if "mass_kg" in named:
            line["mass_kg"] = self._mass(*named["mass_kg"])
        if "condition" in named:
            line["condition"] = self._choice("condition", *named["condition"])
        try:
            Line.parse(line, number)
        except CredentialError as error:
            raise RowFault("manifest_invalid", error.message.removeprefix(_BEFORE_WHY)) from error
        return line

    def _number(self, place: int, cell: str) -> int:
        if not _WHOLE.fullmatch(cell) or not 1 <= int(cell) <= 1_000_000:
            told, column = "{column} is {cell}: write a whole number from 1, or nothing", self._called(place)
            raise RowFault("manifest_invalid", told, place=place, column=column, cell=cell)
        return int(cell)

    def _mass(self, place: int, cell: str) -> float:
        """Kilograms, with a point or a comma before the decimals; what may be thousands is asked about."""
        column = self._called(place)
        whole_part, comma, decimals = cell.partition(",")
        if comma and len(decimals) == 3:
            told = "{column} is {cell}: write {point} or {thousands}, whichever is meant"
            point, thousands = f"{whole_part}.{decimals}", f"{whole_part}{decimals}"
            raise RowFault(
                "manifest_invalid",
                told,
                place=place,
                column=column,
                cell=cell,
                point=point,
                thousands=thousands,
            )
        point = f"{whole_part}.{decimals}" if comma else cell
        if not _MASS.fullmatch(point) or not float(point):
            told = "{column} is {cell}: write kilograms as digits, such as 410.5"
            raise RowFault("manifest_invalid", told, place=place, column=column, cell=cell)
        return float(point)


def _is_day(cell: str) -> bool:
    try:
        return _DAY.fullmatch(cell) is not None and date.fromisoformat(cell) is not None
    except ValueError:
        return False
