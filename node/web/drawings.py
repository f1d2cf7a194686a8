"""Pictures of pages: where the marks of a drawing stand. Templates draw them as SVG (`drawings.html`).

Whatever a picture shows stands beside it as a list or a table too; a picture repeats it for the eye.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

STEP_PX, LANE_PX, MARGIN_PX = 44, 46, 22
LANES_MAX = 8  # parties with a lane of their own; later ones share the last
DAYS_PX = 34  # beneath the lanes: two rows of days, so that neighbours do not lie upon each other
COLUMN_PX, COLUMNS_HIGH_PX = 56, 140
WHOLE_PX = 1000  # the length of a bar of shares


@dataclass(frozen=True, slots=True)
class Mark:
    """One record: its number in the list, and whether it was rejected."""

    number: int
    x: int
    y: int
    refused: bool


@dataclass(frozen=True, slots=True)
class PartyLane:
    """One party of a timeline; its name stands above the line at `y`. None: several share it."""

    name: str | None
    jurisdiction: str
    y: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Records from left to right, each in the lane of its party; `path` goes from one to the next."""

    width: int
    height: int
    lanes: tuple[PartyLane, ...]
    marks: tuple[Mark, ...]
    days: tuple[tuple[int, int, str], ...]
    path: str


def timeline(rows: Sequence[Mapping[str, Any]]) -> Timeline:
    """A row is a record as answers have it, the earliest first."""
    parties = list(dict.fromkeys((row["issuer"], row.get("jurisdiction") or "") for row in rows))
    lane_of = {party: min(number, LANES_MAX - 1) for number, party in enumerate(parties)}
    names = {row["issuer"]: row.get("issuer_name") or row["issuer"] for row in rows}
    shared = len(parties) > LANES_MAX
    lanes = tuple(
        PartyLane(names[did], side, _lane_y(number))
        for number, (did, side) in enumerate(parties[: LANES_MAX - 1 if shared else LANES_MAX])
    )
    if shared:
        lanes = (*lanes, PartyLane(None, "", _lane_y(LANES_MAX - 1)))
    marks = tuple(
        Mark(
            number + 1,
            MARGIN_PX + number * STEP_PX,
            _lane_y(lane_of[row["issuer"], row.get("jurisdiction") or ""]),
            row.get("state") == "refused",
        )
        for number, row in enumerate(rows)
    )
    bottom = len(lanes) * LANE_PX + 8
    return Timeline(
        width=max(2 * MARGIN_PX + len(rows) * STEP_PX, 320),
        height=bottom + DAYS_PX,
        lanes=lanes,
        marks=marks,
        days=tuple(_days(rows, bottom)),
        path="M" + "L".join(f"{mark.x} {mark.y}" for mark in marks),
    )


def _lane_y(number: int) -> int:
    return number * LANE_PX + 32


def _days(rows: Sequence[Mapping[str, Any]], bottom: int) -> list[tuple[int, int, str]]:
    """(x, y, day) where a record is the first of its day, in two rows by turns."""
    found: list[tuple[int, int, str]] = []
    for number, row in enumerate(rows):
        day = datetime.fromtimestamp(row["time"], UTC).date().isoformat() if row.get("time") else ""
        if day and (not found or found[-1][2] != day):
            found.append((MARGIN_PX + number * STEP_PX, bottom + 12 + 16 * (len(found) % 2), day))
    return found


@dataclass(frozen=True, slots=True)
class Column:
    """One month: parts from the bottom up as (number, y, height), its whole, and its label."""

    x: int
    parts: tuple[tuple[int, int, int], ...]
    whole: int
    label: str


def columns(rows: Sequence[tuple[str, Sequence[int]]]) -> tuple[Column, ...]:
    """Of (label, amounts that stand upon each other); the largest sum has the whole height."""
    most = max((sum(amounts) for _, amounts in rows), default=0) or 1
    found = []
    for number, (label, amounts) in enumerate(rows):
        below, parts = 0, []
        for part, amount in enumerate(amounts):
            high = amount * COLUMNS_HIGH_PX // most
            below += high
            parts.append((part, COLUMNS_HIGH_PX - below, high))
        found.append(Column(number * COLUMN_PX, tuple(parts), sum(amounts), label))
    return tuple(found)


def shares(parts: Sequence[tuple[str, int]]) -> tuple[tuple[str, int, int, int], ...]:
    """(name, count, x, width) of the parts of a whole beside each other, without those of nought."""
    whole = sum(count for _, count in parts) or 1
    ends = [
        sum(count for _, count in parts[: number + 1]) * WHOLE_PX // whole for number in range(len(parts))
    ]
    starts = [0, *ends]
    return tuple(
        (name, count, start, end - start)
        for (name, count), start, end in zip(parts, starts, ends, strict=False)
        if count
    )
