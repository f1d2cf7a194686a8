"""How the record of a battery stood before, as far as it says who could speak: what is late is judged by it.

    past = [begun, until, [situation (bstr), ...], [leaf, ...]]  and, where there are any, [report, ...]
    situation = [since, until, state, holder, [named], place, in use, asset / null]

The last member of a standing's core (`standing.py`), and absent until there is something to say. Kept only
where the rules in force let an event be told late (`told_late.py`), the latest `SITUATIONS_MAX`; each is
written once, and read only where something is told of it. One that lasted no second is kept where the battery
left from it, and those that a production covered come back with its correction (`whole_pasts`, 0971).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from consensus.encoding import Value, decode, encode
from credentials.documents.identifiers import Subject
from credentials.ledger.moved_nothing import Report

SITUATIONS_MAX = 8  # the latest; what was before them is told by nobody any more
LATE_SHOWN_MAX = 64  # the first ones


@dataclass(frozen=True, slots=True)
class Situation:
    """Who could speak from `since`, as its author stated it, to `until`, when the record of its end came."""

    since: int
    until: int
    item_state: str
    holder: str | None
    named: tuple[str, ...]
    place: str | None
    in_use: bool  # trades of the place could report
    asset: Subject | None  # what it was in

    def encode(self) -> bytes:
        """The situation as a past holds it."""
        asset = self.asset.as_list() if self.asset is not None else None
        named = list(self.named)
        return encode(
            [self.since, self.until, self.item_state, self.holder, named, self.place, self.in_use, asset]
        )

    @classmethod
    def decode(cls, data: bytes) -> Situation:
        """Read what `encode` wrote."""
        since, until, state, holder, named, place, in_use, asset = cast(list[Any], decode(data))
        inside = Subject(*asset) if asset is not None else None
        return cls(since, until, state, holder, tuple(named), place, in_use, inside)


@dataclass(frozen=True, slots=True)
class Past:
    """The situations before the present one, oldest first, and which records were told late."""

    begun_time: int = 0  # when the present situation began, as its author stated it; 0: with the battery
    until_time: int = 0  # when the last of those before it ended
    before: tuple[bytes, ...] = ()  # situations, encoded
    late_leaves: tuple[int, ...] = ()
    reports: tuple[Report, ...] = ()  # the latest that moved nothing (`moved_nothing.py`)

    def situations(self) -> Iterator[Situation]:
        """Those before the present one, the latest first."""
        return map(Situation.decode, reversed(self.before))

    def value(self) -> Value:
        """What the core holds of it."""
        reports: list[Value] = [report.value() for report in self.reports]
        told: list[Value] = [self.begun_time, self.until_time, list(self.before), list(self.late_leaves)]
        return [*told, reports] if reports else told  # without, as it was before there was one

    @classmethod
    def read(cls, value: list[Any]) -> Past:
        """Read what `value` wrote."""
        reports = value[4] if len(value) > 4 else ()
        return cls(
            value[0], value[1], tuple(value[2]), tuple(value[3]), tuple(map(Report.read_from, reports))
        )


NO_PAST = Past()
