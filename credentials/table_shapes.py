"""The shape of a table that somebody wrote, as data: what stands in each member.

A shape raises `ShapeError` for a value that is another, with the place of the member and what is expected
there: `goods.battery.prefixes[0] is 1 to 12 digits`. Nothing is converted, and nothing else is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

Shape = Callable[[object, str], None]  # of a value, at a place

_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


class ShapeError(ValueError):
    """What stands at a place is not what belongs there: one sentence."""


def only_if(holds: Callable[[object], bool], expected: str) -> Shape:
    """A value for which this holds; `expected` says of which kind, in words that follow `is`."""

    def shape(value: object, where: str) -> None:
        if not holds(value):
            raise ShapeError(f"{where or 'the file'} is {expected}")

    return shape


def text_like(pattern: str, expected: str) -> Shape:
    """A text that is all of this pattern."""
    compiled = re.compile(pattern)
    return only_if(lambda v: type(v) is str and compiled.fullmatch(v) is not None, expected)


def one_of(*known: object) -> Shape:
    """One of these texts or numbers."""
    told = ", ".join(map(str, known))
    return only_if(lambda v: type(v) in {str, int} and v in known, f"one of {told}")


def whole(least: int, most: int) -> Shape:
    """A whole number within bounds, both included."""
    return only_if(lambda v: type(v) is int and least <= v <= most, f"a whole number from {least} to {most}")


def or_null(shape: Shape) -> Shape:
    """A value of this shape, or null."""
    return lambda value, where: None if value is None else shape(value, where)


def listed(item: Shape, *, least: int = 0, once: bool = False) -> Shape:
    """A list of values of one shape; `once`: texts or numbers, no two of them equal."""

    def shape(value: object, where: str) -> None:
        if not isinstance(value, list) or len(value) < least:
            raise ShapeError(f"{where or 'the file'} is a list" + (f" of at least {least}" if least else ""))
        seen = set[object]()
        for number, one in enumerate(value):
            item(one, f"{where}[{number}]")
            if once and one in seen:
                raise ShapeError(f"{where}[{number}] is there twice")
            if once:
                seen.add(one)

    return shape


def by_name(item: Shape, *, name: Shape | None = None, least: int = 0) -> Shape:
    """Values of one shape under names that the file chooses."""

    def shape(value: object, where: str) -> None:
        if not isinstance(value, Mapping) or len(value) < least:
            raise ShapeError(f"{where or 'the file'} is an object" + (" with members" if least else ""))
        for member in value:
            place = _below(where, member)
            (name or text)(member, f"the name of {place}")
            item(value[member], place)

    return shape


def table(
    required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None, free: Collection[str] = ()
) -> Shape:
    """An object with these members and no other; what stands in `free` ones is for people, and not read."""
    known = {**required, **(optional or {})}

    def shape(value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise ShapeError(f"{where or 'the file'} is an object")
        for member in value:
            if member not in known and member not in free:
                raise ShapeError(f"{_below(where, member)} is no member that is read here")
        for member in required:
            if member not in value:
                raise ShapeError(f"{_below(where, member)} is missing")
        for member, item in known.items():
            if member in value:
                item(value[member], _below(where, member))

    return shape


def _below(where: str, member: object) -> str:
    name = f"{member!s:.60}"
    return f"{where}.{name}" if where else name


def _compiles(value: object) -> bool:
    try:
        return type(value) is str and re.compile(value) is not None
    except (re.error, RecursionError, OverflowError):
        return False


text = only_if(lambda v: type(v) is str, "text")
some_text = only_if(lambda v: type(v) is str and bool(v.strip()), "a text that is not empty")
truth = only_if(lambda v: type(v) is bool, "true or false")
day = only_if(lambda v: type(v) is str and _DAY.fullmatch(v) is not None, "a day such as 2028-01-31")
pattern = only_if(_compiles, "a regular expression")
plain = only_if(lambda v: type(v) in {str, int, bool}, "a text, a whole number, true or false")
