"""What in a passport answers a data point: values selected by a row of `passport-paths.json`.

rule      { all | any: [selector] }
selector  { path, where?, member? }     each member of a list on the way is followed
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any


def values_of(shown: Mapping[str, Any], rule: Mapping[str, Any]) -> list[Any]:
    """What answers a data point, by its row in the table of paths: each value that is given, in order."""
    found = (_selected(shown, selector) for selector in rule.get("all", rule.get("any")))
    return [value for values in found for value in values if not _is_empty(value)]


def is_answered(shown: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Whether there is a value for all selectors of the row, or for any of them."""
    # Asked 71 times of each passport: loops, since a generator costs more than what it yields here.
    every = rule.get("all")
    for selector in rule["any"] if every is None else every:
        given = False
        for value in _selected(shown, selector):
            if not _is_empty(value):
                given = True
                break
        if given is (every is None):
            return given
    return every is not None


def carries(item: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether the members of `where` have these values, of these types."""
    for name, value in where.items():
        given = item.get(name)
        if type(given) is not type(value) or given != value:
            return False
    return True


def _selected(shown: Mapping[str, Any], selector: Mapping[str, Any]) -> list[Any]:
    """All that a selector finds, empty or not."""
    values = _follow([shown], selector["path"])
    if values and "where" in selector:
        where = selector["where"]
        values = [value for value in values if isinstance(value, dict) and carries(value, where)]
    if values and "member" in selector:
        values = _follow(values, selector["member"])
    return values


def _follow(values: list[Any], dotted: str) -> list[Any]:
    for name in _steps(dotted):
        found: list[Any] = []
        for value in values:
            if (type(value) is dict or isinstance(value, Mapping)) and name in value:
                member = value[name]
                if isinstance(member, list):
                    found += member
                else:
                    found.append(member)
        if not found:
            return found
        values = found
    return values


@lru_cache(maxsize=1024)  # the paths of one table
def _steps(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.split("."))


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value or value.isspace()
    if value is None or type(value) is float or type(value) is int:
        return value is None
    if isinstance(value, list):
        members: Iterable[object] = value
    elif isinstance(value, Mapping):
        members = value.values()
    else:
        return False
    for member in members:  # noqa: SIM110 - a generator costs more than what it yields here
        if not _is_empty(member):
            return False
    return True
