"""X12: one battery in hands on two sides, sooner after each other than anything travels between them.

Of acts that nobody does without the battery before him (`config/travel.toml`), each is held against those of
other sides that are on record of it: by the hour that their authors state, not by when they were recorded, so
that a late report is no journey. What was corrected, voided or withdrawn counts no more. It refuses nothing:
either statement may be the false one, or two batteries bear one code (D718). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from node.catalogues import travel_table
from node.errors import SetupError

RULE = "X12"
HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class InHand:
    """Somebody had the battery in hand: by which record, when, on which side."""

    leaf: int
    at: int
    side: str


@dataclass(frozen=True, slots=True)
class Travel:
    """The table: the events that count, and the hours between two sides."""

    in_hand: frozenset[str]
    hours: Mapping[frozenset[str], int]

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Travel:
        """Read it; SetupError for one that cannot be gone by."""
        events, hours = table.get("in_hand"), dict[frozenset[str], int]()
        if not _texts(events) or not events:
            raise _strange("in_hand names the events that count")
        for row in table.get("least", ()):
            sides, least = row.get("between"), row.get("hours")
            if not _texts(sides) or len(set(sides)) != 2 or frozenset(sides) in hours:
                raise _strange("each row of least is between two sides, once")
            if type(least) is not int or least < 1:
                raise _strange("hours is a whole number above 0")
            hours[frozenset(sides)] = least
        return cls(frozenset(events), hours)

    def too_soon(self, one: InHand, other: InHand) -> bool:
        """True if nothing gets from one to the other in that time; False also where no row says so."""
        least = self.hours.get(frozenset({one.side, other.side}))
        return least is not None and abs(one.at - other.at) < least * HOUR_S

    def first_before(self, last: InHand, before: Iterable[InHand]) -> InHand | None:
        """The first record from which nobody can have come to this one in time."""
        return next((one for one in before if self.too_soon(one, last)), None)

    def is_possible(self, record: Sequence[InHand]) -> bool:
        """True if one battery can have been in all these hands."""
        return not any(self.too_soon(one, other) for one, other in combinations(record, 2))


@cache
def travel() -> Travel:
    """The shipped table."""
    return Travel.parse(travel_table())


def _texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(type(one) is str for one in value)


def _strange(what: str) -> SetupError:
    return SetupError(
        f"travel.toml: {what}", step="Correct that row of the table, or install this program again."
    )
