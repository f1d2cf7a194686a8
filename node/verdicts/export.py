"""A consignment as a file: one row a line, for spreadsheets and customs systems; written as it is read."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from credentials.verdicts.verdict_record import ItemRecord
from node.answers import ConsignmentRecord
from node.words import Words

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


def as_json(consignment: ConsignmentRecord, items: Iterable[ItemRecord], words: Words) -> Iterator[bytes]:
    """The consignment with every line as it was judged, and what it says in words."""
    head = orjson.dumps({name: value for name, value in consignment.items() if name != "items"})
    yield head.removesuffix(b"}") + b',"items":['
    separator = b"\n"
    for one in items:
        yield separator + orjson.dumps(words.item(one))
        separator = b",\n"
    yield b"\n]}\n"


def as_csv(items: Iterable[ItemRecord], declaration: str, words: Words) -> Iterator[bytes]:
    """One row each, after the names of the columns."""
    yield codecs.BOM_UTF8 + _row(CSV_COLUMNS)
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
        yield _row([_cell(cells.get(column)) for column in CSV_COLUMNS])


def _row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _iso(seconds: int | None) -> str | None:
    """ISO 8601 in UTC, as spreadsheets and customs systems read times."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: Any) -> str:
    """A cell in one line that a spreadsheet reads as text, never as a formula."""
    text = "" if value is None else " ".join(str(value).split())
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
