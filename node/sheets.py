"""Tables as people keep them: CSV and workbooks (XLSX) read as the same rows, and written for them again.

A workbook is a zip of XML and hostile until it is read: how large it becomes, and of how many elements, is
counted before anything of it is parsed. Of the first sheet that is shown and says anything the cells are read
as text: a number as it is written, with the zeros before it that its format shows, a date as a day. Another
sheet that goes on under the same names of columns is not left out in silence: the file is refused. Nothing is
computed: a cell with a formula is marked as one; so is a cell that is joined with the one above it, and says
nothing of its own. What is written holds text and no formula, whatever the text begins with.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
import zipfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import IO, Any, Final

from credentials.documents.tables import (
    BROKEN,
    FILE_LINES_MAX,
    FORMULA,
    JOINED,
    ROUNDED,
    ROW_CHARACTERS_MAX,
    TableError,
    TableRow,
    rows_of_csv,
)

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
COLUMNS_MAX = 256
ROWS_MAX = 20_001  # that hold anything: the names of the columns, and lines
MEMBERS_MAX = 1_000
LARGE_BYTES_MAX, SMALL_BYTES_MAX, ALL_BYTES_MAX = 24 << 20, 2 << 20, 48 << 20  # unpacked
ELEMENTS_MAX = 2_000_000  # of all members together, counted by their tags
CELLS_MAX = 500_000  # each takes a few microseconds, whether it says anything or not
ATTRIBUTES_EACH_MAX, ATTRIBUTES_MAX = 8, 100_000  # for each tag of a member, and besides
WHOLE_ELEMENTS_MAX = 20_000  # of a member that is read at once: styles, names, relations
JOINED_MAX = 10_000
PIECE_BYTES = 1 << 20
JOINED_CELLS_MAX = 200_000  # each is told as one, in its row

_LARGE = re.compile(r"xl/(?:worksheets/[^/]*|sharedStrings)\.xml", re.IGNORECASE)
_STYLES = "xl/styles.xml"
_READ = (".xml", ".rels")  # pictures, programs and whatever else is packed are read by nobody
_CELL = re.compile(rb"<(?:[A-Za-z0-9_]{1,20}:)?(?:c|si)[ />]")  # or a text that cells refer to
_ENTRY = b"PK\x01\x02"  # of a zip's list of what it holds
_ENCODING = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([^\"']*)")
_OLD_OFFICE = bytes.fromhex("d0cf11e0a1b11ae1")  # of Excel 97, and of a workbook under a password
_ZEROS = re.compile("0{2,64}")
BUILTIN_FORMATS = 164  # from here on a workbook numbers its own
_DIGITS_KEPT = 10**15  # beyond these a spreadsheet has written zeros
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NAMESPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def is_workbook(data: bytes) -> bool:
    """True for what begins as a zip, or as the workbooks of before."""
    return data.startswith((b"PK\x03\x04", _OLD_OFFICE))


def rows_of(data: bytes, *, row_characters_max: int = ROW_CHARACTERS_MAX) -> Iterator[TableRow]:
    """The rows of a table in whichever form; TableError says what is wrong, by line or cell."""
    if is_workbook(data):
        return iter(_rows_of_workbook(data, row_characters_max))
    return rows_of_csv(data, row_characters_max=row_characters_max)


# -- reading a workbook ----------------------------------------------------------------------------------


def _rows_of_workbook(data: bytes, row_characters_max: int) -> list[TableRow]:
    if data.startswith(_OLD_OFFICE):
        raise TableError(
            "it is a workbook of an old version, or under a password: save it as XLSX without one"
        )
    light = _require_small(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what openpyxl does not know of a style is nothing to us
            return _read(data, light, row_characters_max)
    except TableError:
        raise
    except Exception as error:  # whatever a hostile file makes a reader of XML raise
        raise TableError("it is no workbook that can be read: save it as XLSX or CSV once more") from error


def _require_small(data: bytes) -> set[str]:
    """Refuse what becomes large when it is unpacked, or is read as something else than it says.

    The names of its parts that are small enough to be read at once.
    """
    if data.count(_ENTRY) > MEMBERS_MAX:  # before its list is made
        raise TableError(f"its workbook has more than {MEMBERS_MAX} parts")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            elements = cells = size = 0
            light, heavy = set[str](), set[str]()
            for member in packed.infolist():
                if not member.filename.lower().endswith(_READ):
                    continue
                most = LARGE_BYTES_MAX if _LARGE.fullmatch(member.filename) else SMALL_BYTES_MAX
                size += member.file_size
                if member.file_size > most or size > ALL_BYTES_MAX:
                    raise TableError(
                        "its workbook becomes too large when it is unpacked: send the rest as a further file"
                    )
                text = packed.read(member)  # never more than it says: zipfile stops there
                found = text.count(b"<")
                elements, cells = elements + found, cells + _cells_in(text, found)
                too_many = text.count(b"=") > ATTRIBUTES_EACH_MAX * found + ATTRIBUTES_MAX
                if elements > ELEMENTS_MAX or cells > CELLS_MAX or too_many:
                    raise TableError("its workbook has too many cells: send the rest as a further file")
                (heavy if found > WHOLE_ELEMENTS_MAX else light).add(member.filename)
                _require_plain(text)
            return light - heavy
    except TableError:
        raise
    except Exception as error:  # of zipfile: a bad zip, a password, a method nobody has
        raise TableError(
            "it is no workbook that can be unpacked: save it as XLSX or CSV once more"
        ) from error


def _cells_in(text: bytes, elements: int) -> int:
    return sum(1 for _ in _CELL.finditer(text)) if elements > CELLS_MAX else 0


def _require_plain(text: bytes) -> None:
    """XML in UTF-8 that defines nothing of its own: no spreadsheet writes it otherwise."""
    encoding = _ENCODING.search(text[:300])
    if b"\0" in text or (encoding is not None and encoding[1].lower() not in (b"utf-8", b"us-ascii")):
        raise TableError("its workbook is not written in UTF-8: save it as XLSX once more")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise TableError("its workbook defines words of its own, as no spreadsheet does")


def _read(data: bytes, light: set[str], row_characters_max: int) -> list[TableRow]:
    # Slow to import, and most commands read no workbook.
    from openpyxl.reader.excel import ExcelReader  # noqa: PLC0415
    from openpyxl.styles.stylesheet import apply_stylesheet  # noqa: PLC0415
    from openpyxl.xml.constants import SHARED_STRINGS  # noqa: PLC0415

    reader: Any = ExcelReader(io.BytesIO(data), read_only=True, keep_links=False)
    # Whatever refers to it: what was not counted is not there, and what is large is read as rows alone.
    there = reader.archive.NameToInfo
    large = {name: member for name, member in there.items() if _LARGE.fullmatch(name)}
    whole = {name: member for name, member in there.items() if name in light and name not in large}
    if _STYLES in there and _STYLES not in whole:  # without them a day would be read as a number
        raise TableError("its workbook has too many styles: copy its rows into a new one, and send that")
    _only(there, whole)
    reader.read_manifest()
    reader.read_workbook()
    apply_stylesheet(reader.archive, reader.wb)
    sheets = [(sheet.state, rel.target) for sheet, rel in reader.parser.find_sheets() if _is_table(rel.Type)]
    _only(there, whole | large)
    shown = [name for state, name in sheets if state == "visible" and name in there]
    if not shown:
        raise TableError("its workbook has no sheet that is shown")
    texts = _strings(reader.archive, reader.package.find(SHARED_STRINGS))
    styled = _Styled(reader.wb, _digits_shown(reader.wb))
    read: list[TableRow] = []
    for name in shown:
        with reader.archive.open(name) as source:
            sheet = _Sheet(_Large(source), styled, texts, row_characters_max)
            if not read:
                read = sheet.rows()
            elif sheet.begins_as(read[0]):
                raise TableError(
                    "two sheets of its workbook have the same names of columns: put their rows into one sheet"
                )
    return read


def _is_table(kind: str) -> bool:
    return "chartsheet" not in kind


class _Large:
    """A part of a workbook, read in pieces so large that one tag of it is not begun a thousand times."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def read(self, _: int = 0) -> bytes:
        return self._source.read(PIECE_BYTES)


def _strings(archive: zipfile.ZipFile, part: Any) -> list[str]:
    """The texts that cells refer to by number; openpyxl takes ten times as long to build them."""
    from openpyxl.xml.functions import iterparse  # noqa: PLC0415

    found: list[str] = []
    if part is not None and part.PartName[1:] in archive.NameToInfo:
        with archive.open(part.PartName[1:]) as source:
            for _, element in iterparse(_Large(source)):
                if element.tag == f"{_NAMESPACE}si":
                    found.append(_said(element))
                    element.clear()
    return found


def _said(element: Any) -> str:
    """A text and the pieces of one that is formatted; how it is pronounced is not what it says."""
    pieces = (*element.findall(f"{_NAMESPACE}t"), *element.findall(f"{_NAMESPACE}r/{_NAMESPACE}t"))
    return "".join(piece.text or "" for piece in pieces).replace("x005F_", "")


def _only(there: dict[str, zipfile.ZipInfo], these: Mapping[str, zipfile.ZipInfo]) -> None:
    there.clear()
    there.update(these)


@dataclass(frozen=True, slots=True)
class _Styled:
    """A workbook, and by the styles of its cells how many digits a number has at least."""

    book: Any
    digits: Mapping[int, int]


class _Sheet:
    """One sheet, read row by row."""

    def __init__(self, source: Any, styled: _Styled, texts: list[str], row_characters_max: int) -> None:
        from openpyxl.worksheet._reader import WorkSheetParser  # noqa: PLC0415

        # `iter_rows` makes every cell that is left out, works on formulas, and does not tell what is joined.
        self._parser: Any = WorkSheetParser(
            source,
            texts,
            data_only=True,
            epoch=styled.book.epoch,
            date_formats=styled.book._date_formats,
            timedelta_formats=styled.book._timedelta_formats,
        )
        self._digits = styled.digits
        self._row_characters_max = row_characters_max
        self._joined: list[str] = []

    def rows(self) -> list[TableRow]:
        """All rows that say anything."""
        rows: list[TableRow] = []
        for row in self._each():
            rows.append(row)
            if len(rows) > ROWS_MAX:
                raise TableError(f"it has more than {ROWS_MAX - 1} rows: send the rest as a further file")
        return _with_joined(rows, self._joined)

    def begins_as(self, first: TableRow) -> bool:
        """True where a row stands below a first one that says the same."""
        try:
            begins = list(islice(self._each(), 2))
        except TableError:
            return False
        return len(begins) > 1 and begins[0].cells == first.cells

    def _each(self) -> Iterator[TableRow]:
        from openpyxl.xml.functions import iterparse  # noqa: PLC0415

        for _, element in iterparse(self._parser.source):
            if element.tag == f"{_NAMESPACE}row":
                row = self._row(element)
                element.clear()
                if row is not None:
                    yield row
            elif element.tag == f"{_NAMESPACE}mergeCell":
                self._joined.append(element.get("ref", ""))

    def _row(self, element: Any) -> TableRow | None:
        """A row of the sheet; None: it says nothing."""
        for cell in element:
            if cell.get("t") == "inlineStr":
                _say_plainly(cell)
        number, found = self._parser.parse_row(element)
        if not 1 <= number <= FILE_LINES_MAX:
            raise TableError(f"it has more than {FILE_LINES_MAX} lines, empty ones among them")
        formulas = [cell.find(f"{_NAMESPACE}f") is not None for cell in element]
        cells: list[str] = []
        marks: dict[int, str] = {}
        for cell, formula in zip(found, formulas, strict=True):
            place = cell["column"] - 1
            text = "" if cell["value"] is None else self._text(cell)
            if not text and not formula:
                continue
            if place >= COLUMNS_MAX:
                raise TableError(f"row {number}: it has more than {COLUMNS_MAX} columns")
            cells.extend([""] * (place + 1 - len(cells)))
            cells[place] = text
            mark = FORMULA if formula else _mark(cell)
            if mark:
                marks[place] = mark
        if sum(map(len, cells)) > self._row_characters_max:
            most = self._row_characters_max
            raise TableError(f"row {number} of the sheet has more than {most} characters")
        return TableRow(number, tuple(cells), marks) if cells else None

    def _text(self, cell: Mapping[str, Any]) -> str:
        text = _cell_text(cell["value"])
        digits = self._digits.get(cell["style_id"], 0)
        return text.zfill(digits) if digits and text.isdecimal() else text


def _digits_shown(book: Any) -> dict[int, int]:
    """How many digits a number has at least, where the format of a style is zeros alone."""
    formats = book._number_formats
    found = {}
    for style, described in enumerate(book._cell_styles):
        number = described.numFmtId - BUILTIN_FORMATS
        form = formats[number] if 0 <= number < len(formats) else ""
        if _ZEROS.fullmatch(form):
            found[style] = len(form)
    return found


def _say_plainly(cell: Any) -> None:
    """A text that stands in its cell is one like the results of formulas: built so it takes no time."""
    held = cell.find(f"{_NAMESPACE}is")
    value = cell.find(f"{_NAMESPACE}v")
    if value is None:
        value = cell.makeelement(f"{_NAMESPACE}v", {})
        cell.append(value)
    value.text = "" if held is None else _said(held)
    cell.set("t", "str")


def _mark(cell: Any) -> str:
    value = cell["value"]
    if cell["data_type"] == "e":
        return BROKEN
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return ROUNDED if is_number and abs(value) >= _DIGITS_KEPT else ""


def _cell_text(value: object) -> str:
    """What a cell says, as somebody would type it."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return format(value, ".15g")  # as many digits as a spreadsheet keeps
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case _:
            return str(value).strip()


def _with_joined(rows: list[TableRow], joined: Sequence[str]) -> list[TableRow]:
    """The rows, with what a cell further up says in their place as well."""
    from openpyxl.utils import range_boundaries  # noqa: PLC0415

    if len(joined) > JOINED_MAX:
        raise TableError(f"it has more than {JOINED_MAX} joined cells: each row has to say what it says")
    below: dict[int, set[int]] = {}
    numbers = sorted({row.number for row in rows})
    wide = max((len(row.cells) for row in rows), default=0)  # beyond it nobody looks for a cell
    left_to_tell = JOINED_CELLS_MAX
    for text in joined:
        left, top, right, bottom = range_boundaries(text)
        if None in (left, top, right, bottom):
            raise TableError("it has whole columns that are joined: each row has to say what it says")
        columns = range(left - 1, min(right, wide))
        under = numbers[bisect_right(numbers, top) : bisect_right(numbers, bottom)] if columns else []
        left_to_tell -= len(under) * len(columns)
        if left_to_tell < 0:
            raise TableError("it has too many joined cells: each row has to say what it says")
        for number in under:
            below.setdefault(number, set()).update(columns)
    return [
        TableRow(row.number, row.cells, {**row.marks, **dict.fromkeys(below[row.number], JOINED)})
        if row.number in below
        else row
        for row in rows
    ]


# -- writing ---------------------------------------------------------------------------------------------


def as_text(value: object) -> str:
    """A cell of a table of text, in one line, that a spreadsheet reads as text and never as a formula."""
    text = "" if value is None else " ".join(str(value).split())
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text


def csv_row(cells: Iterable[object]) -> bytes:
    """One row of CSV; the first of a file begins with `codecs.BOM_UTF8`, by which spreadsheets know UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerow([as_text(cell) for cell in cells])
    return text.getvalue().encode()


def csv_of(rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """A table of text, row by row."""
    yield codecs.BOM_UTF8
    for row in rows:
        yield csv_row(row)


def workbook_of(rows: Iterable[Sequence[object]], title: str) -> bytes:
    """A workbook of one sheet: names of columns first, numbers as numbers, everything else as text."""
    from openpyxl import Workbook  # noqa: PLC0415
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    from openpyxl.styles import Font  # noqa: PLC0415

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    bold: Any = Font(bold=True)
    for number, row in enumerate(rows):
        cells = []
        for value in row:
            cell: Any = WriteOnlyCell(sheet)
            if isinstance(value, int | float) and not isinstance(value, bool):
                cell.value = value
            elif value is not None and value != "":
                cell.value = _UNWRITABLE.sub("\ufffd", str(value))[:32_767]
                cell.data_type = "s"  # whatever it begins with
                cell.number_format = "@"  # typed over it stays text: no code becomes a number
            if number == 0:
                cell.font = bold
            cells.append(cell)
        sheet.append(cells)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()
