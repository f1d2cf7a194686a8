"""How the record of a battery stood before, as far as it says who could speak: what is late is judged by it.

    past = [begun, [[since, until, state, holder, [named], place, in use, asset / null], ...], [leaf, ...]]

The last member of a standing's core (`standing.py`), and absent until there is something to say. Kept only
where the rules in force let an event be told late (`told_late.py`), the latest `SITUATIONS_MAX`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consensus.encoding import Value
from credentials.documents.identifiers import Subject

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


@dataclass(frozen=True, slots=True)
class Past:
    """The situations before the present one, oldest first, and which records were told late."""

    begun_time: int = 0  # when the present situation began, as its author stated it; 0: with the battery
    before: tuple[Situation, ...] = ()
    late_leaves: tuple[int, ...] = ()

    def value(self) -> Value:
        """What the core holds of it."""
        rows: list[Value] = [
            [s.since, s.until, s.item_state, s.holder, list(s.named), s.place, s.in_use, _asset(s.asset)]
            for s in self.before
        ]
        return [self.begun_time, rows, list(self.late_leaves)]

    @classmethod
    def read(cls, value: list[Any]) -> Past:
        """Read what `value` wrote."""
        rows = tuple(
            Situation(r[0], r[1], r[2], r[3], tuple(r[4]), r[5], r[6], Subject(*r[7]) if r[7] else None)
            for r in value[1]
        )
        return cls(value[0], rows, tuple(value[2]))


NO_PAST = Past()


def _asset(asset: Subject | None) -> Value:
    return asset.as_list() if asset is not None else None
