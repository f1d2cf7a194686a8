"""A consignment as a file: one row a line, for spreadsheets and customs systems; written as it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import orjson

from credentials.verdicts.verdict_record import ItemRecord
from node.answers import ConsignmentRecord
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


def _iso(seconds: int | None) -> str | None:
    """ISO 8601 in UTC, as spreadsheets and customs systems read times."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
