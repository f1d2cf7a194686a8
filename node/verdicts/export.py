"""A consignment as a file: one row a line, for spreadsheets and customs systems; written as it is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import orjson

from credentials.verdicts.verdict_record import ItemRecord
from node.answers import ConsignmentRecord
from node.catalogues import in_language, said, sentences, terms, whose_fault
from node.verdicts.completing import LeftOutTold
from node.words import Words

LEFT_OUT = "left_out"  # of a row that is no line: it has no verdict
CSV_COLUMNS = (
    "declaration",
    "line",
    "battery",
    "goods",
    "condition",
    "commodity_code",
    "vin",
    "mass_kg",
    "registration_id",
    "verdict",
    "overtaken",
    "reason",
    "text",
    "fault",
    "next",
    "ground",
    "undecided_because",
    "law_date",
    "evaluated_at",
    "height",
    "block_time",
    "good_until",
    "gaps",
    "checks_failed",
    "recognition_note",
)


_DAY = re.compile(r"_(\d{4}-\d\d-\d\d)")


def as_json(consignment: ConsignmentRecord, items: Iterable[ItemRecord], words: Words) -> Iterator[bytes]:
    """The consignment with every line as it was judged, and what it says in words."""
    head = orjson.dumps({name: value for name, value in consignment.items() if name != "items"})
    yield head.removesuffix(b"}") + b',"items":['
    separator = b"\n"
    for one in items:
        yield separator + orjson.dumps(words.item(one))
        separator = b",\n"
    yield b"\n]}\n"


def as_rows(
    items: Iterable[ItemRecord], left_out: Iterable[LeftOutTold], declaration: str, words: Words
) -> Iterator[list[object]]:
    """One row each, after the names of the columns; then the rows that are no lines, without a verdict."""
    yield [*CSV_COLUMNS]
    for one in items:
        item = words.item(one)
        cells = {
            **item,
            "declaration": declaration,
            "overtaken": item["overtaken_note"],
            "evaluated_at": _iso(item["evaluated_at"]),
            "block_time": _iso(item["block_time"]),
            "good_until": _iso(item["good_until"]),
            "gaps": "; ".join(str(gap.get("name", "")) for gap in item["gaps"]),
            "checks_failed": "; ".join(c["name"] for c in item["checks"] if c["outcome"] == "fail"),
        }
        yield [cells.get(column) for column in CSV_COLUMNS]
    for told in left_out:
        row = told.row
        said = {"declaration": declaration, "line": row.number, "reason": LEFT_OUT, "next": told.step}
        said["text"] = f"{row.cell or row.row}: {told.why}"
        yield [said.get(column) for column in CSV_COLUMNS]


def in_words(rows: Iterable[Sequence[object]], words: Words) -> Iterator[list[object]]:
    """Rows for a workbook: columns, verdicts, goods and whose fault it is in the words of its reader.

    A program reads CSV, where each is a code that no later word changes; a person opens a workbook.
    """
    rows = iter(rows)
    names = [str(name) for name in next(rows)]
    yield [heading(name, words) for name in names]
    tell = [_CELLS.get(name) for name in names]
    for row in rows:
        yield [
            told(value, words.language) if told is not None and value and isinstance(value, str) else value
            for value, told in zip(row, tell, strict=False)
        ]


def heading(name: str, words: Words) -> str:
    """What a column is called in a workbook: `state_2027-08-18` with its day; a name of others as it is."""
    code, of, whose = name.partition(": ")
    day = _DAY.search(code)
    code = code.removesuffix(day[0]) if day else code
    if code not in sentences()["column"]:
        return name
    return f"{words.sentence(f'column.{code}')}{f' {day[1]}' if day else ''}{of}{whose}"


def _named(value: str, language: str) -> str:
    return in_language(value.replace("_", " "), language)


def _verdict(value: str, language: str) -> str:
    return str(said(terms()["verdict"][value], language))


_CELLS: Mapping[str, Callable[[str, str], str]] = {
    "verdict": _verdict,
    "fault": whose_fault,
    "goods": _named,
    "condition": _named,
}


def _iso(seconds: int | None) -> str | None:
    """ISO 8601 in UTC, as spreadsheets and customs systems read times."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
