"""A model of battery: what all its passports say, said once; which column of a sheet says what of an item.

    {"name": "P75", "claims": {the submodels of BatteryPass 1.2}, "utc_offset": "+08:00",
     "columns": {"mass": "GeneralProductInformation.batteryMass", "made": [member, member], "remarks": []}}

In the texts of `claims`, `{code}` stands for the code of the item, as it is written canonically. A column
gives its cell to each of its members (a place in a list is its number, from 0), as the type that the schema
of passports has there; a column without members is left out, and one that is headed by a member itself needs
no row here. Nothing is filled in that neither the model nor the row says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from credentials.documents.spelling import cell_said, trimmed
from node.errors import ProblemError, bad_request
from node.issuing.item_sheets import CELL_CHARACTERS_MAX, CODE_HEADINGS, RETURNED, marked, wrong_cell

JSON = dict[str, Any]
CODE_PLACE = b"{code}"
COLUMNS_OF_MODEL_MAX, MEMBERS_OF_COLUMN_MAX = 256, 32
OFFSET = re.compile(r"[+-](?:0[0-9]|1[0-4]):[0-5][0-9]|Z")

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:[.,][0-9]{1,12})?")
_DAY = re.compile(
    r"(?P<y>[0-9]{4})(?:-|/|\.|年)(?P<m>[0-9]{1,2})(?:-|/|\.|月)(?P<d>[0-9]{1,2})日?"
    r"|(?P<d2>[0-9]{1,2})\.(?P<m2>[0-9]{1,2})\.(?P<y2>[0-9]{4})"
)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}.*")
_TRUE, _FALSE = ("true", "yes", "是"), ("false", "no", "否")


class CellProblem(ValueError):
    """What is wrong with one cell: the heading of its column, and the problem."""

    def __init__(self, heading: str, problem: ProblemError) -> None:
        super().__init__(str(problem))
        self.heading = heading
        self.problem = problem


@dataclass(frozen=True, slots=True)
class MemberKind:
    """What the schema of passports has at one member: number, integer, boolean, moment or text."""

    word: str


class MemberKinds:
    """The members of a passport, by their path, as the schema has them."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._subject = schema["properties"]["credentialSubject"]
        self._moment = "#/$defs/dateTime"

    def of(self, path: str) -> MemberKind | None:
        """The kind of the member at a dotted path; None where no value of one cell can stand."""
        node: Any = self._subject
        first, *_ = path.split(".")
        if first in ("id", "type", "code", "annexXiiiPoint", "passportVersion"):
            return None  # what the node itself says
        for name in path.split("."):
            node = node.get("items") if name.isdecimal() else node.get("properties", {}).get(name)
            if not isinstance(node, Mapping):
                return None
        if node.get("$ref") == self._moment:
            return MemberKind("moment")
        kind = node.get("type", "string")
        if "anyOf" in node or kind in ("object", "array"):
            return None
        return MemberKind(kind if kind in ("number", "integer", "boolean") else "text")

    def names(self, node: Any = None, before: str = "") -> list[str]:
        """All of them, for people who map columns; an item of a list is its first."""
        node = self._subject if node is None else node
        found: list[str] = []
        for name, member in node.get("properties", {}).items():
            is_list = member.get("type") == "array"
            inner, path = (member.get("items", {}) if is_list else member), f"{before}{name}"
            path += ".0" if is_list else ""
            if "properties" in inner:
                found += self.names(inner, f"{path}.")
            elif self.of(path) is not None:
                found.append(path)
        return found


@dataclass(frozen=True)
class PassportModel:
    """One model, as it was checked."""

    name: str
    claims: JSON
    columns: Mapping[str, tuple[str, ...]]  # by heading in small letters
    utc_offset: str | None  # of a day that stands alone: it begins at midnight there

    @classmethod
    def read(cls, value: Mapping[str, Any], kinds: MemberKinds) -> PassportModel:
        """A model as sent, of the shape `ModelRequest`; 400 `model_malformed`."""
        columns: dict[str, tuple[str, ...]] = {}
        for heading, given in value.get("columns", {}).items():
            members = (given,) if isinstance(given, str) else tuple(given)
            for member in members:
                if kinds.of(member) is None:
                    told = (
                        "the column {column} is given to {member}, which is no member that one cell can say"
                    )
                    raise bad_request("model_malformed", told, column=heading, member=member)
            columns[_heading(heading)] = members
        offset = value.get("utc_offset")
        if offset is not None and not OFFSET.fullmatch(offset):
            raise bad_request("model_malformed", "utc_offset is written as +08:00 or Z")
        return cls(value["name"], value["claims"], columns, offset)

    def as_json(self) -> bytes:
        """As it is remembered."""
        columns = {heading: list(members) for heading, members in self.columns.items()}
        value = {"name": self.name, "claims": self.claims, "columns": columns, "utc_offset": self.utc_offset}
        return orjson.dumps(value)

    @cached_property
    def _text(self) -> bytes:
        return orjson.dumps(self.claims)

    def claims_for(self, code: str) -> JSON:
        """The claims of the model, with this code where they name it."""
        claims: JSON = orjson.loads(self._text.replace(CODE_PLACE, orjson.dumps(code)[1:-1]))
        return claims


class RowReading:
    """How the rows of one sheet are read: which cell is the code, and which goes to which members."""

    def __init__(self, model: PassportModel, headings: Sequence[str], kinds: MemberKinds) -> None:
        """400 `sheet_malformed` for a sheet without codes, or with a column that nobody gave a meaning."""
        self._model = model
        self.headings = headings
        self._members: dict[int, tuple[tuple[str, MemberKind], ...]] = {}
        self.code_at = -1
        strange: list[str] = []
        for place, heading in enumerate(headings):
            name = _heading(heading)
            if name in model.columns:
                members = model.columns[name]
            elif name in CODE_HEADINGS:
                self.code_at = place
                continue
            elif kinds.of(heading) is not None:
                members = (heading,)
            elif not heading or name in RETURNED:
                continue
            else:
                strange.append(heading[:40])
                continue
            self._members[place] = tuple((path, _known(kinds.of(path))) for path in members)
        if self.code_at < 0:
            told = "the first row of the sheet names its columns, and none is headed `code`"
            raise bad_request("sheet_malformed", told)
        if strange:
            told = (
                "the model says nothing of the columns {columns} of the sheet; give each its member, or none "
                "to leave it out"
            )
            raise bad_request("sheet_malformed", told, columns=tuple(strange[:8]))

    def heading_of(self, detail: str) -> str | None:
        """The column whose member a problem names, where one does."""
        for place, members in self._members.items():
            if any(path in detail for path, _ in members):
                return self.headings[place]
        return None

    def filled(self, cells: Sequence[Any], code: str) -> JSON:
        """The claims of a row; CellProblem for a cell that cannot be what its column says."""
        claims = self._model.claims_for(code)
        for place, cell in enumerate(cells):
            said = trimmed(cell) if isinstance(cell, str) else cell
            if said in ("", None):
                continue
            if isinstance(said, str) and said[0] == "'" and said[1:2] in ("=", "+", "-", "@"):
                said = said[1:]  # as a file that was handed back has it
            if place >= len(self.headings) or not self.headings[place]:
                told = "{cell} stands under no column"
                raise CellProblem("", bad_request("cell_malformed", told, cell=str(said)[:40]))
            for path, kind in self._members.get(place, ()):
                try:
                    _put(claims, path, self._value(said, kind))
                except ProblemError as problem:
                    raise CellProblem(self.headings[place], problem) from problem
        return claims

    def _value(self, said: Any, kind: MemberKind) -> Any:
        """A cell as the schema has it there; what JSON gave as another type goes to the schema as it is."""
        if isinstance(said, dict) and said.keys() == {"mark", "text"}:
            raise marked(said["mark"], said["text"])
        if not isinstance(said, str):
            return said
        if len(said) > CELL_CHARACTERS_MAX:
            raise wrong_cell("it has more than {most} characters", most=CELL_CHARACTERS_MAX)
        if said.startswith("="):
            raise wrong_cell("{cell} is a formula: give its value", cell=said[:40])
        if kind.word in ("number", "integer", "moment"):
            said = cell_said(said)
        if kind.word in ("number", "integer"):
            return number_of(said, whole=kind.word == "integer")
        if kind.word == "boolean":
            if said.lower() not in (*_TRUE, *_FALSE):
                raise wrong_cell("{cell} is neither yes nor no", cell=said[:40])
            return said.lower() in _TRUE
        return self._moment(said) if kind.word == "moment" else said

    def _moment(self, said: str) -> str:
        """A moment as it stands, or a day from its midnight where the model says in which zone."""
        if _MOMENT.fullmatch(said):
            return said.replace(" ", "T", 1)
        day = _DAY.fullmatch(said)
        if day is None:
            told = "{cell} is no day such as 2027-03-01: format the column as text or as a date"
            raise wrong_cell(told, cell=said[:40])
        if self._model.utc_offset is None:
            told = "{cell} has no time: write 2027-03-01T09:30:00+08:00, or give the model its utc_offset"
            raise wrong_cell(told, cell=said[:40])
        year, month, date = (int(day[a] or day[f"{a}2"]) for a in ("y", "m", "d"))
        return f"{year:04d}-{month:02d}-{date:02d}T00:00:00{self._model.utc_offset}"


def _heading(text: str) -> str:
    return trimmed(text).lower()


def _known(kind: MemberKind | None) -> MemberKind:
    assert kind is not None, "the model was checked"
    return kind


def number_of(said: str, *, whole: bool) -> int | float:
    """Digits with a point or a comma before the decimals; what may be thousands is asked about."""
    plain = said.replace("\u2212", "-")
    if not _NUMBER.fullmatch(plain):
        raise wrong_cell("{cell} is no number: write digits, such as 410.5", cell=said[:40])
    before, comma, decimals = plain.partition(",")
    if comma and len(decimals) == 3 and before.lstrip("+-") != "0":
        told = "{cell} may be thousands or decimals: write {point} or {none}, whichever is meant"
        raise wrong_cell(told, cell=said, point=f"{before}.{decimals}", none=before + decimals)
    point = plain.replace(",", ".")
    if "." not in point:
        return int(point)
    if whole:
        raise wrong_cell("{cell} is no whole number", cell=said[:40])
    return float(point)


def _put(claims: JSON, path: str, value: Any) -> None:
    """Put a value at its place; what is on the way is made, a list is not made longer than by one item."""
    *way, last = path.split(".")
    node: Any = claims
    for name, following in zip(way, [*way[1:], last], strict=True):
        node = _step(node, name, path, [] if following.isdecimal() else {})
    if isinstance(node, list):
        _step(node, last, path, value)
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise wrong_cell("the model has something else at {member}", member=path)


def _step(node: Any, name: str, path: str, new: Any) -> Any:
    if isinstance(node, dict):
        return node.setdefault(name, new)
    if isinstance(node, list) and name.isdecimal() and int(name) <= len(node):
        if int(name) == len(node):
            node.append(new)
        return node[int(name)]
    raise wrong_cell("the model has something else at {member}", member=path)
