"""The fields of a passport's form, for one category: what its data points ask for, as the schema has it.

Derived from the three tables that completeness and validation read, so that there is no second list: which
member answers which data point (passport-paths.json), what a category asks for from when
(eu-datapoints-v2.json), and of which kind, in which range, a member is (the schema of passports).

    section   one set of Annex XIII: who may read it
    group     an object of BatteryPass, a list, or one item of a list
    field     a value; its path has the place in a list as a number, from 0
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

JSON = Mapping[str, Any]

CATEGORY = "GeneralProductInformation.batteryCategory"  # chosen before there are fields
REQUIRED, CERTAIN_CASES, LATER, OPTIONAL = "required", "certain_cases", "later", "optional"
NEEDS = (REQUIRED, CERTAIN_CASES, LATER, OPTIONAL)  # the strongest first
_NEED_OF = {"mandatory": REQUIRED, "certain-cases": CERTAIN_CASES, "optional": OPTIONAL}

# What BatteryPass 1.2.0 called what 1.2.1 calls ...Value: read where it is given, asked for by nobody.
_OLD_NAMES = ("evolutionOfSelfDischargeEntityValue", "currentSelfDischargingRateEntity")
_OF_TEXT = {"#/$defs/dateTime": "moment", "#/$defs/uri": "uri"}


@dataclass(frozen=True, slots=True)
class PointsAsked:
    """What asks for a member: data points by their number, the strongest need, the day on which it begins."""

    points: tuple[int, ...] = ()
    need: str = OPTIONAL
    since: str | None = None
    either: bool = False  # another member answers them as well: one of the two is enough


@dataclass(frozen=True, slots=True)
class FormField:
    """One value."""

    path: str
    name: str  # of BatteryPass, by which its label is found
    kind: str  # number | integer | boolean | moment | uri | text | choice | lines (a list of texts)
    asked: PointsAsked
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    above: float | None = None  # excluded


@dataclass(frozen=True, slots=True)
class FormGroup:
    """Values that belong together."""

    path: str
    name: str
    kind: str  # object | list | item
    asked: PointsAsked
    parts: tuple[FormField | FormGroup, ...]
    number: int = 0  # of an item, from 1
    fixed: tuple[str, str] | None = None  # of an item: the member that says which it is, and what it says
    moments: tuple[str, ...] = ()  # members that say when its values were read


@dataclass(frozen=True, slots=True)
class FormSection:
    """What stands in one set: 1 public, 2 and 3 by right, 4 the individual battery."""

    point: int
    groups: tuple[FormField | FormGroup, ...]


@dataclass(frozen=True, slots=True)
class _Ask:
    point: int
    need: str
    since: str | None
    where: Mapping[str, str]
    either: bool


@dataclass(slots=True)
class _Table:
    """The parts of the schema that are asked for, and by what."""

    covers: dict[str, int] = field(default_factory=dict)  # path -> point of Annex XIII
    asks: dict[str, list[_Ask]] = field(default_factory=dict)


class PassportFields:
    """The fields of one category. `category`: a word of the data points, `EV`, `LMT` or `industrial`."""

    def __init__(self, category: str, schema: JSON, paths: JSON, datapoints: JSON) -> None:
        self._subject = schema["properties"]["credentialSubject"]
        self._members = paths["members"]
        self._table = _Table()
        phased = {dp: one for one in datapoints["phasedObligations"] for dp in one["dps"]}
        for row in datapoints["dataPoints"]:
            later = phased.get(row["dp"])
            need = LATER if later is not None else _NEED_OF.get(row[category])
            if need is not None:
                since = later["from"][category] if later is not None else None
                self._ask(row["dp"], need, since, paths["dataPoints"][str(row["dp"])])

    def sections(self, rows: Callable[[str], int]) -> tuple[FormSection, ...]:
        """One for each point that has any. `rows`: how many items of the list at a path are shown."""
        made = (FormSection(p, tuple(self._on_the_way(self._subject, "", p, rows))) for p in (1, 2, 3, 4))
        return tuple(one for one in made if one.groups)

    def _ask(self, point: int, need: str, since: str | None, rule: JSON) -> None:
        selectors = rule.get("all", rule.get("any"))
        if "any" in rule:  # the same member at another place is asked for once
            last = {one["path"].rpartition(".")[2] + one.get("member", ""): one for one in selectors[::-1]}
            selectors = list(last.values())[::-1]
        either = "any" in rule and len(selectors) > 1
        for selector in selectors:
            path = selector["path"]
            where = {k: v for k, v in selector.get("where", {}).items() if isinstance(v, str)}
            whole = ".".join(filter(None, (path, selector.get("member"))))
            self._table.asks.setdefault(whole, []).append(_Ask(point, need, since, where, either))
            cover = self._outermost_list(path)
            self._table.covers.setdefault(cover, self._point_of(cover))
            if where:  # on its list: which items there are
                self._table.asks.setdefault(f"{path}[]", []).append(_Ask(point, need, since, where, either))

    def _outermost_list(self, path: str) -> str:
        node, steps = self._subject, path.split(".")
        for count, name in enumerate(steps, 1):
            node = _kind_of_object(node)["properties"][name]
            if node.get("type") == "array":
                return ".".join(steps[:count])
        return path

    def _point_of(self, path: str) -> int:
        """The point of the longest member that has it."""
        steps = path.split(".")
        beginnings = (".".join(steps[:count]) for count in range(len(steps), 0, -1))
        return int(next(self._members[one][0] for one in beginnings if one in self._members))

    def _on_the_way(
        self, node: JSON, path: str, point: int, rows: Callable[[str], int]
    ) -> Iterator[FormField | FormGroup]:
        """What of the objects below `path` leads to something of this point."""
        for name, member in node.get("properties", {}).items():
            here = f"{path}.{name}" if path else name
            if here == CATEGORY:
                continue
            if here in self._table.covers:
                made = self._part(member, here, here, {}, rows)
                if made is not None and self._table.covers[here] == point:
                    yield made
            elif any(one.startswith(f"{here}.") for one in self._table.covers):
                parts = tuple(self._on_the_way(_kind_of_object(member), here, point, rows))
                if parts:
                    yield FormGroup(here, name, "object", PointsAsked(), parts)

    def _part(
        self, member: JSON, path: str, place: str, which: Mapping[str, str], rows: Callable[[str], int]
    ) -> FormField | FormGroup | None:
        """A member with all that is below it. `path` has no places in lists, `place` has."""
        member, name = _kind_of_object(member), path.rpartition(".")[2]
        asked = self._asked(path, which)
        if member.get("type") == "array":
            items = member["items"]
            if items.get("type") == "object":
                return self._list(items, path, place, rows)
            return FormField(place, name, "lines", asked)
        if member.get("type") != "object":
            return _value(member, place, name, asked)
        found, moments = [], []
        for inner, below in member.get("properties", {}).items():
            made = self._part(below, f"{path}.{inner}", f"{place}.{inner}", which, rows)
            if inner in _OLD_NAMES or made is None:
                continue
            if isinstance(made, FormField) and made.kind == "moment" and not made.asked.points:
                moments.append(inner)  # when the values beside it were read: said once for all of them
            else:
                found.append(made)
        return (
            FormGroup(place, name, "object", asked, tuple(found), moments=tuple(moments)) if found else None
        )

    def _list(self, items: JSON, path: str, place: str, rows: Callable[[str], int]) -> FormGroup:
        """The items that a data point asks for by a word come first, each as itself."""
        named: dict[tuple[str, str], None] = {}
        for ask in self._table.asks.get(f"{path}[]", ()):
            named.update({(name, value): None for name, value in ask.where.items()})
        made: list[FormGroup] = []
        for index in range(max(len(named), rows(place), 1)):
            fixed = list(named)[index] if index < len(named) else None
            which = dict([fixed]) if fixed else {}
            item = self._part(items, path, f"{place}.{index}", which, rows)
            assert isinstance(item, FormGroup), "items are objects with members"
            parts = tuple(one for one in item.parts if fixed is None or one.name != fixed[0])
            made.append(
                replace(item, kind="item", asked=PointsAsked(), parts=parts, number=index + 1, fixed=fixed)
            )
        return FormGroup(place, path.rpartition(".")[2], "list", self._asked(path, {}), tuple(made))

    def _asked(self, path: str, which: Mapping[str, str]) -> PointsAsked:
        """What asks for this member, in an item that is `which`."""
        asks = [
            one
            for one in self._table.asks.get(path, ())
            if all(which.get(name) == value for name, value in one.where.items())
        ]
        if not asks:
            return PointsAsked()
        strongest = min(asks, key=lambda one: NEEDS.index(one.need))
        points = tuple(sorted({one.point for one in asks}))
        return PointsAsked(points, strongest.need, strongest.since, all(one.either for one in asks))


def each_field(parts: Sequence[FormSection | FormField | FormGroup]) -> Iterator[FormField]:
    """Every field, in the order in which they are read."""
    for one in parts:
        if isinstance(one, FormField):
            yield one
        else:
            yield from each_field(one.groups if isinstance(one, FormSection) else one.parts)


def each_group(parts: Sequence[FormSection | FormField | FormGroup]) -> Iterator[FormGroup]:
    """Every group, what is inside another one before it."""
    for one in parts:
        if isinstance(one, FormSection):
            yield from each_group(one.groups)
        elif isinstance(one, FormGroup):
            yield from each_group(one.parts)
            yield one


def _kind_of_object(member: JSON) -> JSON:
    """Of several shapes that a member may have the one with names."""
    shapes = member.get("anyOf")
    if shapes is None:
        return member
    found: JSON = next((one for one in shapes if one.get("type") == "object"), shapes[0])
    return found


def _value(member: JSON, place: str, name: str, asked: PointsAsked) -> FormField:
    kind: str = _OF_TEXT.get(member.get("$ref", ""), str(member.get("type", "text")))
    choices: dict[str, str] = {}
    for one in member.get("enum", ()):
        choices.setdefault(one.lower().replace("-", ""), one)  # the model spells some in two ways
    return FormField(
        place,
        name,
        "choice" if choices else "text" if kind == "string" else kind,
        asked,
        tuple(choices.values()),
        least=member.get("minimum"),
        most=member.get("maximum"),
        above=member.get("exclusiveMinimum"),
    )
