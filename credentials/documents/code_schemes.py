"""Battery codes whose form is data: what may stand in each place, and what it means.

A network adds a scheme of codes with a rule file `scheme-NAME.json`, and no code:

    scheme      NAME: small letters, digits and hyphens, in the identifiers and licences of the network
    title       what people call such a code
    namespace   the field that names whoever gives the codes: what makers are accredited for
    layouts     [{length, fields}]: one for each length that such a code may have
    fields      [{pos: "1-3", name, and one of charset: "[A-Z0-9]", values: {symbol: meaning},
                map: {symbols: number}}], from the first place to the last
    note        for the reader

`year`, `month` and `day` are fields with a map; a day of 0 that is not in its map is unknown. A `serial` is
not zero. Codes are told from each other by their length, so no two schemes of a network share one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from credentials.documents.spelling import shown
from credentials.errors import CredentialError

DIGITS = frozenset("0123456789")
UPPER_AND_DIGITS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
CODE_CHARACTERS_MAX = 40  # of what can have been meant as a code
MEANT = {"O": "0", "Q": "0", "I": "1"}  # what a letter that no code has was read from
# The link on a label of a code that is no address itself: at whatever node, in capitals or not (EN 18220).
LABEL_PATH = "/B/"
_LABEL_LINK = re.compile(
    rf"(?:https?://)?[^/?#\s]+(?:/[^?#]*)?{LABEL_PATH}([0-9A-Z]+)/?(?:[?#].*)?", re.IGNORECASE
)
# Read without a table: their lengths, and those of a VIN with and without the mark of a label, are taken.
BUILT_IN = {"gbt34014": (19, 24), "vin": (17, 18), "gs1": (), "uri": ()}
_FILE = re.compile(r"scheme-([a-z][a-z0-9-]{0,31})\.json")
_POSITIONS = re.compile(r"([1-9][0-9]?)(?:-([1-9][0-9]?))?")
_FIELD = re.compile(r"[a-z][A-Za-z]{0,31}")
_CHARSET = re.compile(r"\[([A-Z0-9]|[A-Z]-[A-Z]|[0-9]-[0-9])+\]")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

Layout = Mapping[str, Any]  # {length, fields}


@dataclass(frozen=True, slots=True)
class ReadCode:
    """The parts of a code by the names of the layout, and the day of production that it says."""

    fields: Mapping[str, str]
    manufactured: tuple[int, int, int | None] | None = None


@dataclass(frozen=True, slots=True)
class CodeScheme:
    """One scheme of codes, sound by construction: made by `parse`."""

    name: str
    title: str
    namespace: str  # the field
    layouts: Mapping[int, Layout]

    @classmethod
    def parse(cls, file_name: str, table: Any) -> CodeScheme:
        """Read a rule file; raises CredentialError("rules_invalid", sentence)."""
        named = _FILE.fullmatch(file_name)
        if named is None or not isinstance(table, Mapping) or table.get("scheme") != named[1]:
            raise _invalid(file_name, "it is called scheme-NAME.json, and NAME is its scheme")
        if unknown := sorted(table.keys() - {"scheme", "title", "namespace", "layouts", "note"}):
            raise _invalid(file_name, f"it has the unknown member {unknown[0]!r}")
        title, namespace, layouts = table.get("title"), table.get("namespace"), table.get("layouts")
        if type(title) is not str or not 0 < len(title) <= 64 or not title.isprintable():
            raise _invalid(file_name, "its title is a text of 1 to 64 characters")
        if named[1] in BUILT_IN:
            raise _invalid(file_name, f"codes of {named[1]} are read by this software itself")
        if not isinstance(layouts, list) or not layouts:
            raise _invalid(file_name, "its layouts are a list of at least one")
        for layout in layouts:
            _require_layout(file_name, layout, namespace)
        lengths = {layout["length"]: layout for layout in layouts}
        if len(lengths) < len(layouts):
            raise _invalid(file_name, "two of its layouts have one length")
        scheme = cls(named[1], title, str(namespace), lengths)
        if len({str(_field(layout, scheme.namespace)) for layout in layouts}) > 1:
            raise _invalid(file_name, f"the field {namespace} is the same in all of its layouts")
        return scheme

    @property
    def lengths(self) -> str:
        """How many characters such a code has, in words."""
        return " or ".join(map(str, sorted(self.layouts)))

    def read(self, text: str) -> ReadCode:
        """Read a code in capitals; raises CredentialError("identifier_invalid", sentence)."""
        if len(text) not in self.layouts:
            invalid(f"A {self.title} has {self.lengths} characters, this one {len(text)}.")
        return read_code(self.title, self.layouts[len(text)], text)

    def spelled_namespace(self, text: str) -> str | None:
        """The one text of a namespace, given in capitals; None: no code has it."""
        rule = _field(next(iter(self.layouts.values())), self.namespace)
        first, last = _places(rule)
        allowed = _allowed(rule)
        return text if len(text) == last - first + 1 and allowed.issuperset(text) else None

    def may_begin(self, namespace: str, text: str) -> bool:
        """True if some code of this namespace begins with `text`, given in capitals."""
        return any(
            len(text) <= length
            and all(
                symbol in (namespace[place - first] if rule["name"] == self.namespace else _allowed(rule))
                for rule in layout["fields"]
                for first, last in [_places(rule)]
                for place, symbol in enumerate(text[first - 1 : last], start=first)
            )
            for length, layout in self.layouts.items()
        )


def code_schemes(rules: Mapping[str, Any]) -> dict[str, CodeScheme]:
    """The schemes that these rule files add, by name; raises CredentialError("rules_invalid", sentence).

    A file of which only the digest is known yet is passed over.
    """
    found: dict[str, CodeScheme] = {}
    lengths = {length: name for name, taken in BUILT_IN.items() for length in taken}
    for file_name in sorted(rules):
        if not is_scheme_file(file_name) or rules[file_name] is None:
            continue
        scheme = CodeScheme.parse(file_name, rules[file_name])
        for length in scheme.layouts:
            if length in lengths:
                told = f"a code of {length} characters is one of {lengths[length]}: they are told by length"
                raise _invalid(file_name, told)
            lengths[length] = scheme.name
        found[scheme.name] = scheme
    return found


def is_scheme_file(name: str) -> bool:
    """True for a rule file that adds a scheme of codes."""
    return _FILE.fullmatch(name) is not None


def identifier_table(rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """What identifiers are read by: the table of GB/T and GS1 codes, and under `schemes` what is added."""
    return {**(rules.get("gbt34014.json") or {}), "schemes": code_schemes(rules)}


def read_code(title: str, layout: Layout, text: str) -> ReadCode:
    """Read a code of a layout's length; raises CredentialError("identifier_invalid", sentence)."""
    fields: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for rule in layout["fields"]:
        first, last = _places(rule)
        part = text[first - 1 : last]
        name = rule["name"]
        if "map" in rule:
            if part == "0" and name == "day" and part not in rule["map"]:
                fields[name] = part
                continue
            if part not in rule["map"]:
                _refuse_symbol(text, rule, part, ())
            numbers[name] = rule["map"][part]
        elif not (allowed := _allowed(rule)) >= set(part):
            _refuse_symbol(text, rule, part, allowed)
        fields[name] = part
    if "serial" in fields and fields["serial"] == "0" * len(fields["serial"]):
        invalid(f"The serial of a {title} begins at 1, this one is zero.")
    if not {"year", "month"} <= numbers.keys():
        return ReadCode(fields)
    year, month, day = numbers["year"], numbers["month"], numbers.get("day")
    if not is_calendar_date(year, month, day or 1):
        invalid(f"The code carries {year}-{month:02}-{day or 1:02}, which is no date.")
    return ReadCode(fields, (year, month, day))


def is_calendar_date(year: int, month: int, day: int) -> bool:
    """Tell whether a Gregorian date exists."""
    if not 1 <= month <= 12 or day < 1:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= _DAYS[month - 1] + (leap and month == 2)


def code_on_label(text: str, schemes: Mapping[str, CodeScheme]) -> str | None:
    """The code at the end of a link on a label; None: any other text, also an address of its maker's own."""
    linked = _LABEL_LINK.fullmatch(text)
    lengths = {*BUILT_IN["gbt34014"], *(length for one in schemes.values() for length in one.layouts)}
    return linked[1] if linked is not None and len(linked[1]) in lengths else None


def invalid(sentence: str) -> NoReturn:
    """Refuse a text that is no identifier."""
    raise CredentialError("identifier_invalid", sentence)


# -- reading a table -----------------------------------------------------------------------------------


def require_own_layouts(file_name: str, layouts: Sequence[Layout]) -> None:
    """The codes that this software knows by itself: fields as above, and remarks, which nobody reads.

    Where a field has a charset and values, the charset counts. Raises CredentialError("rules_invalid", ...).
    """
    for layout in layouts:
        fields = [_as_read(rule) for rule in layout["fields"]]
        _require_layout(file_name, {"length": layout["length"], "fields": fields}, "manufacturerCode")
        names = {rule["name"] for rule in fields}
        if lacking := sorted({"productType", "batteryType", "year", "month"} - names):
            raise _invalid(file_name, f"a layout has a field {lacking[0]}")
    if len({layout["length"] for layout in layouts}) < len(layouts):
        raise _invalid(file_name, "two of its layouts have one length")


def _as_read(rule: Any) -> Any:
    """What is read of a field with remarks."""
    if not isinstance(rule, Mapping):
        return rule
    read = ("pos", "name", "charset", "map") if "charset" in rule else ("pos", "name", "values", "map")
    return {member: rule[member] for member in read if member in rule}


def _require_layout(file_name: str, layout: object, namespace: object) -> None:
    if not isinstance(layout, Mapping) or layout.keys() != {"length", "fields"}:
        raise _invalid(file_name, "a layout has the members length and fields")
    length, fields = layout["length"], layout["fields"]
    if type(length) is not int or not 5 <= length <= CODE_CHARACTERS_MAX:
        raise _invalid(file_name, f"a code has 5 to {CODE_CHARACTERS_MAX} characters")
    if not isinstance(fields, list):
        raise _invalid(file_name, "the fields of a layout are a list")
    following, names = 1, list[str]()
    for rule in fields:
        _require_field(file_name, rule)
        first, last = _places(rule)
        if first != following or last < first:
            raise _invalid(file_name, f"the field {rule['name']} does not begin where the one before it ends")
        if "values" in rule and last > first:
            raise _invalid(file_name, f"the field {rule['name']} has values, and so one character")
        if "map" in rule and any(len(part) != last - first + 1 for part in rule["map"]):
            raise _invalid(file_name, f"the map of {rule['name']} has keys of another length")
        following = last + 1
        names.append(rule["name"])
    if following != length + 1 or len(set(names)) < len(names):
        raise _invalid(file_name, "the fields fill the length of the layout, each with a name of its own")
    if namespace not in names or "charset" not in _field(layout, str(namespace)):
        raise _invalid(file_name, "its namespace is a field with a charset")


def _require_field(file_name: str, rule: object) -> None:
    members = {"pos", "name", "note", "charset", "values", "map"}
    if not isinstance(rule, Mapping) or not {"pos", "name"} <= rule.keys() <= members:
        raise _invalid(file_name, "a field has pos, name and one of charset, values and map")
    if type(rule["name"]) is not str or not _FIELD.fullmatch(rule["name"]):
        raise _invalid(file_name, "the name of a field is letters, the first one small")
    if type(rule["pos"]) is not str or not _POSITIONS.fullmatch(rule["pos"]):
        raise _invalid(file_name, f"pos of {rule['name']} is a place or two, such as 1-3")
    kinds = sorted({"charset", "values", "map"} & rule.keys())
    if len(kinds) != 1:
        raise _invalid(file_name, f"{rule['name']} has one of charset, values and map")
    dated = rule["name"] in ("year", "month", "day")
    what = rule[kinds[0]]
    if dated != (kinds == ["map"]):
        raise _invalid(file_name, f"year, month and day have a map, and no other field: {rule['name']}")
    if kinds == ["charset"]:
        if type(what) is not str or not _CHARSET.fullmatch(what) or not _symbols(what):
            raise _invalid(file_name, f"the charset of {rule['name']} is of A-Z and 0-9, as in [A-HJ0-9]")
    elif not isinstance(what, Mapping) or not what or not all(_is_symbols(part) for part in what):
        raise _invalid(file_name, f"the {kinds[0]} of {rule['name']} are by capitals and digits")
    elif dated and not all(type(n) is int and 1 <= n <= 9999 for n in what.values()):
        raise _invalid(file_name, f"the map of {rule['name']} is to whole numbers")


def _is_symbols(part: object) -> bool:
    return isinstance(part, str) and bool(part) and UPPER_AND_DIGITS.issuperset(part)


def _field(layout: Layout, name: str) -> Mapping[str, Any]:
    fields: Sequence[Mapping[str, Any]] = layout["fields"]
    return next(rule for rule in fields if rule["name"] == name)


def _places(rule: Mapping[str, Any]) -> tuple[int, int]:
    return _places_of(str(rule["pos"]))


@lru_cache(maxsize=256)  # the places of a few layouts
def _places_of(written: str) -> tuple[int, int]:
    first, _, last = written.partition("-")
    return int(first), int(last or first)


def _allowed(rule: Mapping[str, Any]) -> frozenset[str]:
    """The symbols that may stand in a field: of a date, all of which its map speaks."""
    if "charset" in rule:
        return _symbols(rule["charset"])
    return frozenset(symbol for part in (rule.get("values") or rule["map"]) for symbol in part)


def _invalid(file_name: str, why: str) -> CredentialError:
    return CredentialError("rules_invalid", f"{file_name:.60} cannot be used: {why}")


def _refuse_symbol(text: str, rule: Mapping[str, Any], part: str, allowed: Collection[str]) -> NoReturn:
    first = _places(rule)[0]
    place, symbol = next((first + n, symbol) for n, symbol in enumerate(part) if symbol not in allowed)
    hint = f" Probably {MEANT[symbol]} is meant." if symbol in MEANT else ""
    invalid(
        f"The code {shown(text)} is mistyped or of another kind: character {place} "
        f"({_words(rule['name'])}) cannot be {shown(symbol)}.{hint}"
    )


def _words(name: str) -> str:
    """`batteryType` of the rule file in words: battery type."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)


@lru_cache(maxsize=64)
def _symbols(charset: str) -> frozenset[str]:
    """Expand a set written as in the rule file, "[A-GZ]", into its ASCII symbols."""
    inner = charset[1:-1]
    assert charset[:1] == "[" and charset[-1:] == "]" and inner.isascii(), f"not a set of symbols: {charset}"
    symbols: set[str] = set()
    index = 0
    while index < len(inner):
        if inner[index + 1 : index + 2] == "-":
            symbols.update(chr(c) for c in range(ord(inner[index]), ord(inner[index + 2]) + 1))
            index += 3
        else:
            symbols.add(inner[index])
            index += 1
    return frozenset(symbols)
