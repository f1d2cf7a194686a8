"""The checks of a verdict in the order a person reads them: what failed first, what passed last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Heading and outcomes of each section. Within a section checks keep the order in which they were made.
SECTIONS = (
    ("What failed", ("fail",)),
    ("What could not be checked", ("indeterminate", "not_checked")),
    ("What to know", ("warn",)),
    ("What passed", ("pass",)),
    ("What does not apply, or not yet", ("not_yet_required", "not_applicable")),
)


@dataclass
class CheckRow:
    """One line: checks with the same name, outcome and reason are one, with all their evidence.

    Checks of several names that have the same to say and no evidence of their own are one line as well:
    what nobody could look at for one reason is said once, with the `names` of all that it kept from being
    made.
    """

    check: Mapping[str, Any]
    names: list[str]
    evidence: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass
class Section:
    """Checks of one kind of outcome; `count` is that of the checks, not of the lines."""

    title: str
    rows: list[CheckRow]
    count: int


def sections(checks: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Every check in exactly one section; an outcome of a later version comes first, unjudged."""
    known = {outcome for _, outcomes in SECTIONS for outcome in outcomes}
    strange = tuple({check["outcome"]: None for check in checks if check["outcome"] not in known})
    found = []
    for title, outcomes in (("Other outcomes", strange), *SECTIONS):
        chosen = [check for check in checks if check["outcome"] in outcomes]
        if chosen:
            found.append(Section(title, _rows(chosen), len(chosen)))
    return found


def _rows(checks: Sequence[Mapping[str, Any]]) -> list[CheckRow]:
    rows: dict[tuple[Any, ...], CheckRow] = {}
    for check in checks:
        key = (check["name"], check["outcome"], check.get("reason"), check.get("rule"))
        row = rows.setdefault(key, CheckRow(check, [check["name"]]))
        if check.get("evidence"):
            row.evidence.append(check["evidence"])
    return list(_with_one_reason(rows.values()))


def _with_one_reason(rows: Iterable[CheckRow]) -> Iterable[CheckRow]:
    """Lines in their order; those that would repeat an earlier one are named in it."""
    said: dict[tuple[Any, ...], CheckRow] = {}
    for row in rows:
        alone = row.evidence or "age_s" in row.check
        key = tuple(row.check.get(part) for part in ("outcome", "reason", "rule", "provision", "text"))
        first = said.setdefault((*key, row.check["name"]) if alone else key, row)
        if first is not row:
            first.names += row.names
    return said.values()


def unmade(checks: Sequence[Mapping[str, Any]], name: str) -> bool:
    """True if the check was not made, or did not allow a decision."""
    outcomes = [check["outcome"] for check in checks if check["name"] == name]
    return not outcomes or all(outcome in ("indeterminate", "not_checked") for outcome in outcomes)
