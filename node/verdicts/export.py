"""A consignment as a file: one row a line, for spreadsheets and customs systems."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]
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
    "reason",
    "ground",
    "undecided_because",
    "law_date",
    "evaluated_at",
    "height",
    "block_time",
    "gaps",
    "checks_failed",
    "recognition_note",
)


def as_csv(items: Iterable[JSON], declaration: str) -> bytes:
    """One row each, after the names of the columns."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for item in items:
        cells = {
            **item,
            "declaration": declaration,
            "evaluated_at": _iso(item["evaluated_at"]),
            "block_time": _iso(item["block_time"]),
            "gaps": "; ".join(str(gap.get("name", "")) for gap in item["gaps"]),
            "checks_failed": "; ".join(c["name"] for c in item["checks"] if c["outcome"] == "fail"),
        }
        writer.writerow([_cell(cells.get(column)) for column in CSV_COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def _iso(seconds: int | None) -> str | None:
    """ISO 8601 in UTC, as spreadsheets and customs systems read times."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: Any) -> str:
    """A cell in one line that a spreadsheet reads as text, never as a formula."""
    text = "" if value is None else " ".join(str(value).split())
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
