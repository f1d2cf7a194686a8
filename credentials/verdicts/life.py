"""What a standing says of a battery's life, until every standing says it itself (LIFECYCLE, version 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credentials.ledger.standing import Setting, Standing


def marks_of(standing: Standing) -> tuple[str, ...]:
    """The marks that grow only."""
    told = getattr(standing, "marks", None)
    if told is not None:
        return tuple(told)
    facts = {"installed": "installed", "waste": "waste"}
    marks = [mark for fact, mark in facts.items() if fact in standing.facts]
    return (*marks, "child_of_dismantled") if standing.parent is not None else tuple(marks)


def settings_of(standing: Standing, name: str) -> Mapping[str, Setting]:
    """What is set under this name, by jurisdiction ("": by a party)."""
    told = getattr(standing, "settings", None)
    if told is not None:
        found: Mapping[str, Setting] = told(name)
        return found
    if not getattr(standing, name, False):
        return {}
    return {"": Setting(standing.responsible or "", standing.facts.get(name, 0))}


def ban_of(standing: Standing) -> Any:
    """An authority's prohibition to publish again."""
    return getattr(standing, "ban", None)


def presented_in(standing: Standing, default: str) -> str:
    """The jurisdiction of the open presentation."""
    return str(getattr(standing.presentation, "jurisdiction", default))
