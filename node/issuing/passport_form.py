"""A filled form of a passport: its texts made into claims, and claims shown as texts.

What the form does not show of the claims that it began with stays as it was. A text that says what stood
there already changes nothing, so that a number keeps its digits and a moment its zone. What is left empty is
not claimed; nothing is filled in that nobody said.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from node.errors import ProblemError
from node.issuing.item_sheets import wrong_cell
from node.issuing.passport_fields import CATEGORY, FormField, FormGroup, FormSection, each_field, each_group
from node.issuing.passport_models import OFFSET, number_of

Claims = dict[str, object]  # in the form of BatteryPass, as far as the schema says
ROWS_MAX = 64  # items of one list on a form
TEXT_CHARACTERS_MAX = 4_000

_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


@dataclass(frozen=True, slots=True)
class FormTexts:
    """What was filled in. `fields` by their path; `utc_offset` of its times; `measured`: of state."""

    fields: Mapping[str, str]
    utc_offset: str = ""
    measured: str = ""


def rows_in(fields: Mapping[str, str]) -> dict[str, int]:
    """How many items of each list there are fields for."""
    found: dict[str, int] = {}
    for path in fields:
        steps = path.split(".")
        for at, step in enumerate(steps):
            if step.isdecimal() and len(step) <= len(str(ROWS_MAX)):
                inside = ".".join(steps[:at])
                found[inside] = min(max(found.get(inside, 0), int(step) + 1), ROWS_MAX)
    return found


def rows_of(claims: Any, path: str = "") -> dict[str, int]:
    """How many items each list of these claims has."""
    found: dict[str, int] = {}
    if isinstance(claims, list):
        found[path] = min(len(claims), ROWS_MAX)
    members = enumerate(claims) if isinstance(claims, list) else claims.items()
    for name, value in members:
        if isinstance(value, list | dict):
            found |= rows_of(value, f"{path}.{name}" if path else str(name))
    return found


def offset_of(claims: Any) -> str:
    """The zone of the first moment in these claims; empty where there is none."""
    values = claims if isinstance(claims, list) else claims.values() if isinstance(claims, dict) else ()
    for value in values:
        if isinstance(value, str) and _LOCAL.match(value):
            zone = value[-6:] if OFFSET.fullmatch(value[-6:]) else value[-1:]
            if OFFSET.fullmatch(zone):
                return zone
        if isinstance(value, list | dict) and (found := offset_of(value)):
            return found
    return ""


def arranged(claims: Claims, sections: Sequence[FormSection]) -> Claims:
    """The same claims, items of lists that a data point names in the order of the form."""
    made = copy.deepcopy(claims)
    for group in each_group(sections):
        items = _at(made, group.path)
        fixed = [one.fixed for one in group.parts if isinstance(one, FormGroup) and one.fixed]
        if group.kind != "list" or not fixed or not isinstance(items, list):
            continue
        rest = list(items)
        first: list[Any] = []
        for name, value in fixed:
            found = next((one for one in rest if isinstance(one, dict) and one.get(name) == value), {})
            first.append(found)
            rest = [one for one in rest if one is not found]
        items[:] = [*first, *rest]
    return made


def shown(claims: Claims, sections: Sequence[FormSection], utc_offset: str) -> FormTexts:
    """The claims as the texts of the form."""
    fields = {one.path: _text(_at(claims, one.path), one.kind, utc_offset) for one in each_field(sections)}
    moments = (_at(claims, f"{g.path}.{name}") for g in each_group(sections) for name in g.moments)
    measured = next((_text(one, "moment", utc_offset) for one in moments if one), "")
    return FormTexts({path: text for path, text in fields.items() if text}, utc_offset, measured)


def read_form(
    texts: FormTexts, sections: Sequence[FormSection], base: Claims, category: str
) -> tuple[Claims, dict[str, ProblemError]]:
    """(claims, what is wrong with which field). `base`: the claims that the form began with."""
    claims, problems = copy.deepcopy(base), dict[str, ProblemError]()
    before = shown(base, sections, texts.utc_offset)
    for one in each_field(sections):
        said = texts.fields.get(one.path, "").strip()
        if said == before.fields.get(one.path, ""):
            continue
        try:
            _put(claims, one.path, _value(said, one, texts.utc_offset) if said else None)
        except ProblemError as problem:
            problems[one.path] = problem
    measured = None
    if texts.measured and texts.measured != before.measured:
        try:
            measured = _moment(texts.measured, texts.utc_offset)
        except ProblemError as problem:
            problems["measured"] = problem
    for group in each_group(sections):
        _close(claims, group, measured)
    _put(claims, CATEGORY, category)
    return _without_empty(claims), problems


def _close(claims: Claims, group: FormGroup, measured: str | None) -> None:
    """Say of a group with values which item it is, and when they were read; of one without, nothing."""
    value = _at(claims, group.path)
    if not isinstance(value, dict):
        return
    own = {*group.moments, *(group.fixed[:1] if group.fixed else ())}
    filled = any(not _is_empty(member) for name, member in value.items() if name not in own)
    if not filled:
        for name in own & value.keys():
            del value[name]
        return
    if group.fixed is not None:
        value[group.fixed[0]] = group.fixed[1]
    if measured is not None:
        value.update(dict.fromkeys(group.moments, measured))


def _value(said: str, one: FormField, utc_offset: str) -> object:
    if len(said) > TEXT_CHARACTERS_MAX:
        raise wrong_cell("it has more than {most} characters", most=TEXT_CHARACTERS_MAX)
    match one.kind:
        case "number" | "integer":
            return _in_range(number_of(said, whole=one.kind == "integer"), one)
        case "boolean":
            return said == "true"
        case "moment":
            return _moment(said, utc_offset)
        case "lines":
            return [line.strip() for line in said.splitlines() if line.strip()]
        case "choice" if said not in one.choices:
            raise wrong_cell("{cell} is none of the choices", cell=said[:40])
        case "uri" if not _ADDRESS.fullmatch(said):
            told = "{cell} is no address: write it whole, such as https://maker.example/manual.pdf"
            raise wrong_cell(told, cell=said[:40])
    return said


def _in_range(number: float, one: FormField) -> float:
    if one.least is not None and number < one.least:
        raise wrong_cell("{cell} is below {least}, the least that can be", cell=number, least=one.least)
    if one.above is not None and number <= one.above:
        raise wrong_cell("{cell} is not above {least}", cell=number, least=one.above)
    if one.most is not None and number > one.most:
        raise wrong_cell("{cell} is above {most}, the most that can be", cell=number, most=one.most)
    return number


def _moment(said: str, utc_offset: str) -> str:
    if not _LOCAL.fullmatch(said):
        raise wrong_cell("{cell} is no day with a time: choose both", cell=said[:40])
    if not OFFSET.fullmatch(utc_offset):
        raise wrong_cell("say in which zone the times of this form are, such as +08:00")
    return f"{said}{':00' if said.count(':') == 1 else ''}{utc_offset}"


def _text(value: Any, kind: str, utc_offset: str) -> str:
    """A value as its field shows it; empty where the field cannot."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value).removesuffix(".0")
    if isinstance(value, list):
        return "\n".join(value) if kind == "lines" and all(isinstance(one, str) for one in value) else ""
    if not isinstance(value, str):
        return ""
    return _local(value, utc_offset) if kind == "moment" else value.strip()


def _local(value: str, utc_offset: str) -> str:
    """A moment as the clock in that zone shows it."""
    try:
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{utc_offset}").tzinfo
        moment = datetime.fromisoformat(value)
        return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return ""


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list) and step.isdecimal():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _put(claims: Claims, path: str, new: Any) -> None:
    """Put a value at its place, or take what stands there away."""
    *way, last = path.split(".")
    node: Any = claims
    for step, following in zip(way, [*way[1:], last], strict=True):
        made: Any = [] if following.isdecimal() else {}
        if isinstance(node, list) and step.isdecimal():
            node += [{} for _ in range(int(step) + 1 - len(node))]
            node = node[int(step)]
        elif isinstance(node, dict):
            if new is None and step not in node:
                return
            node = node.setdefault(step, made)
        else:
            break
    if not isinstance(node, dict):
        raise wrong_cell("the model has something else at {member}", member=path)
    if new is None:
        node.pop(last, None)
    else:
        node[last] = new


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_empty(member) for name, member in value.items()}
        return {name: member for name, member in kept.items() if member not in ({}, [])}
    if isinstance(value, list):
        items = [_without_empty(item) for item in value]
        return [item for item in items if item not in ({}, [])]
    return value


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_empty(member) for member in value.values())
    return value in ("", None, []) or (isinstance(value, list) and all(map(_is_empty, value)))
