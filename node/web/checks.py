"""The checks of a verdict in the order a person reads them: what failed first, what passed last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """One line: checks with the same name, outcome and reason are one, with all their evidence."""

    check: Mapping[str, Any]
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
        row = rows.setdefault(key, CheckRow(check))
        if check.get("evidence"):
            row.evidence.append(check["evidence"])
    return list(rows.values())


def unmade(checks: Sequence[Mapping[str, Any]], name: str) -> bool:
    """True if the check was not made, or did not allow a decision."""
    outcomes = [check["outcome"] for check in checks if check["name"] == name]
    return not outcomes or all(outcome in ("indeterminate", "not_checked") for outcome in outcomes)
