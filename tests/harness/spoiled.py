"""Every way to spoil a table a little: each member left out, of another type, one more, twice."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

INSTEAD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1 << 53,
    "",
    "x",
    "x" * 300,
    [],
    ["x"],
    ["x", "x"],
    [7],
    {},
    {"x": 7},
)


def spoiled(table: Any, path: tuple[Any, ...] = (), *, every: bool = False) -> Iterator[tuple[str, Any]]:
    """(what was done, the spoiled table): of a list only the first element is looked into, unless `every`."""
    for key in _keys(table, path, every):
        here = (*path, key)
        value = _at(table, here)
        where = ".".join(str(part) for part in here)
        yield f"{where} left out", _changed(table, here, _DROP)
        for other in INSTEAD:
            if type(other) is not type(value) or other != value:
                yield f"{where}: {_shown(other)}", _changed(table, here, other)
        if isinstance(value, int) and not isinstance(value, bool):
            yield f"{where} + 1", _changed(table, here, value + 1)
        if isinstance(value, bytes):
            yield f"{where} a byte less", _changed(table, here, value[:-1])
            yield f"{where} a byte more", _changed(table, here, value + b"x")
        if isinstance(value, list) and value:
            yield f"{where} with its first again", _changed(table, here, [*value, value[0]])
        if isinstance(value, dict):
            yield f"{where} with another member", _changed(table, here, {**value, "colour": "red"})
        if isinstance(value, dict | list):
            yield from spoiled(table, here, every=every)


def few(table: Any, most: int) -> Any:
    """The table with so many members of each object and elements of each list."""
    if isinstance(table, dict):
        return {key: few(table[key], most) for key in list(table)[:most]}
    return [few(inner, most) for inner in table[:most]] if isinstance(table, list) else table


_DROP = object()


def _shown(value: Any) -> str:
    return f"{value!r}" if len(repr(value)) < 40 else f"{len(value)} times {value[0]!r}"


def _keys(table: Any, path: tuple[Any, ...], every: bool) -> list[Any]:
    value = _at(table, path)
    return list(value) if isinstance(value, dict) else list(range(len(value)))[: None if every else 1]


def _at(table: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        table = table[key]
    return table


def _changed(table: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The table with another value there; what is not on the way to it is shared, not copied."""
    key, *rest = path
    changed = copy.copy(table)
    if rest:
        changed[key] = _changed(table[key], tuple(rest), value)
    elif value is _DROP:
        del changed[key]
    else:
        changed[key] = copy.deepcopy(value)
    return changed
