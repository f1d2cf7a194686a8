"""The kinds of alerts, as `config/alerts.toml` says: which entry raises one, for whom, and what it is about.

A further kind is a row of the table, and none of the code, where the entry that raises it is one of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from node.catalogues import alerts
from node.errors import SetupError

REFUSED, ADMITTED, CLAIM, EVIDENCE, GOVERNANCE = "refused", "admitted", "claim", "evidence", "governance"
ATTEMPT = "attempt"  # no entry: what a node refused, and told (`attempts.py`)
CASE = "case"  # no entry: a statement of a case (`cases.py`)
BALANCE = "balance"  # an admitted entry after which a sum does not come out (`balances.py`)
TRAVEL = "travel"  # an admitted entry that nobody can have made in time (`travels.py`)
LOTS = "lots"  # an admitted entry whose document says more than there was (`lots.py`)
LOTS_SPENT = "lots_spent"  # as well: of a lot that new batteries name
DUTY = "duty"  # an entry, and time: what it opened was not kept (`reminding.py`)
DATE = "date"  # no entry, but a date that comes (`reminding.py`)
CAPACITY = "capacity"  # no entry, but a sum over many (`capacities.py`)
NO_ENTRY = (ATTEMPT, CASE, DATE, CAPACITY)
CHANGES = ("licence_withdrawn", "recognition_withdrawn", "stopped", "key_stolen", "left")
PER = ("rule", "battery", "party", "maker", "leaf", "case", "facility", "period")
AUTHORITY, EVERY_AUTHORITY, RELYING, AUTHOR = "authority", "every_authority", "relying", "author"
ADDRESSEES = (AUTHORITY, EVERY_AUTHORITY, RELYING, AUTHOR)
ANY_RULE = "*"
WEIGHT_MAX = 3
# Which member of a row says what raises it, by the entry; None: every entry of the type does.
_RAISED_BY: Mapping[str, str | None] = {
    REFUSED: "rules",
    ADMITTED: "events",
    CLAIM: None,
    EVIDENCE: None,
    GOVERNANCE: "change",
    ATTEMPT: "codes",
    CASE: "acts",
    BALANCE: None,
    TRAVEL: None,
    LOTS: None,
    LOTS_SPENT: None,
    DUTY: None,
    DATE: "ends",
    CAPACITY: None,
}


@dataclass(frozen=True, slots=True)
class AlertKind:
    """One row. `raised_by`: rules, events or changes; empty for whatever is of the type.

    `side`: whose registry offers a proof, for how many days, told how many days before its end; "": of none.
    """

    code: str
    leaf: str
    raised_by: frozenset[str]
    per: tuple[str, ...]
    to: frozenset[str]
    weight: int
    side: str = ""
    offered_days: int = 0
    told_days: int = 0

    @classmethod
    def parse(cls, code: str, row: Mapping[str, Any]) -> AlertKind:
        """Read one row; SetupError names it and what is wrong with it."""
        leaf = row.get("leaf")
        if not isinstance(leaf, str) or leaf not in _RAISED_BY:
            raise _strange(code, f"leaf is one of {', '.join(_RAISED_BY)}")
        member = _RAISED_BY[leaf]
        said = row.get(member) if member is not None else ()
        raised_by = (said,) if isinstance(said, str) else said
        if not _texts(raised_by) or (member is not None and not raised_by):
            raise _strange(code, f"{member} names what raises it")
        if member == "change" and not set(raised_by or ()) <= set(CHANGES):
            raise _strange(code, f"change is one of {', '.join(CHANGES)}")
        per, to, weight = row.get("per"), row.get("to"), row.get("weight")
        if not _texts(per) or not per or not set(per) <= set(PER):
            raise _strange(code, f"per is some of {', '.join(PER)}")
        if not _texts(to) or not to or not set(to) <= set(ADDRESSEES):
            raise _strange(code, f"to is some of {', '.join(ADDRESSEES)}")
        if type(weight) is not int or not 1 <= weight <= WEIGHT_MAX:
            raise _strange(code, f"weight is 1 to {WEIGHT_MAX}")
        side, *days = row.get("side", ""), row.get("offered_days", 0), row.get("told_days", 0)
        if type(side) is not str or any(type(one) is not int for one in days) or not 0 <= days[1] <= days[0]:
            raise _strange(code, "side, offered_days and told_days say whose proofs there are, how long")
        return cls(code, leaf, frozenset(raised_by or ()), tuple(per), frozenset(to), weight, side, *days)


@cache
def alert_kinds() -> tuple[AlertKind, ...]:
    """The rows of the shipped table, in its order."""
    return tuple(AlertKind.parse(code, row) for code, row in alerts().items())


def kind_of(leaf: str, names: Iterable[str]) -> AlertKind | None:
    """The first kind that an entry of this type raises, which `names` says more of; None: it raises none."""
    named = frozenset(names)
    for kind in alert_kinds():
        if kind.leaf == leaf and (not kind.raised_by or kind.raised_by & (named | {ANY_RULE})):
            return kind
    return None


def raised_of(code: str) -> str:
    """What raises this kind: the type of an entry, or one of those that are none; "" of a later version."""
    return next((kind.leaf for kind in alert_kinds() if kind.code == code), "")


def _texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(type(one) is str for one in value)


def _strange(code: str, what: str) -> SetupError:
    return SetupError(
        f"alerts.toml: {code}: {what}", step="Correct that row of the table, or install this program again."
    )
