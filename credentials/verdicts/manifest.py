"""What is declared: a manifest's lines, read strictly, and what the lines say about each other.

    manifest  {declaration?, consignee_eori?, law_date?, direction?, lines: [line]}
    line      {line, battery, goods?, condition?, commodity_code?, vin?, mass_kg?, registration_id?,
               documents?, receipts?}

`goods` says what the goods are (commodity.toml), `condition` as what they are declared (shown-as.toml).
Both are asked for where they matter, and never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import (
    canonical_declaration_number,
    canonical_eori,
    read_identifier,
)
from credentials.documents.spelling import trimmed
from credentials.errors import CredentialError
from credentials.verdicts.evidence import Document, battery_text, vin_text
from credentials.verdicts.policy import Policy

LINES_MAX = 20_000
DOCUMENTS_PER_LINE_MAX = 8
MASS_KG_MAX = 100_000  # declared: goods of any kind
CONDITIONS = ("new", "used", "second_life", "return", "repair", "waste")
DIRECTIONS = ("import", "export", "inland")  # the strictest first
_LINE_MEMBERS = frozenset(
    {
        "line",
        "battery",
        "goods",
        "condition",
        "commodity_code",
        "vin",
        "mass_kg",
        "registration_id",
        "documents",
        "receipts",
    }
)
_MANIFEST_MEMBERS = frozenset({"declaration", "consignee_eori", "law_date", "direction", "lines"})
_NONE: frozenset[bytes] = frozenset()  # of many lines without documents: one of them
Entry = tuple[int, str | None]  # a line and the condition that it declares


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a manifest; None: the line does not say."""

    line: int
    battery: str
    goods: str | None = None
    condition: str | None = None
    commodity_code: str | None = None
    vin: str | None = None
    mass_kg: float | None = None
    registration_id: str | None = None
    documents: tuple[Document, ...] = ()
    receipts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: object, number: int = 1) -> Line:
        """Read one line strictly; raises CredentialError("manifest_invalid", ...)."""
        if not isinstance(value, Mapping):
            raise _invalid(f"line {number} is not an object")
        stray = sorted(value.keys() - _LINE_MEMBERS)
        if stray:
            raise _invalid(f"line {number} has the unknown member {stray[0][:40]!a}")
        line = value.get("line", number)
        if type(line) is not int or not 1 <= line <= 1_000_000:
            raise _invalid(f"the number of line {number} is not a whole number from 1")
        battery = battery_text(value)
        if battery is None or not 1 <= len(battery) <= 512:
            raise _invalid(f"line {line} names no battery")
        texts = {
            name: _text(value, name, line)
            for name in ("goods", "condition", "commodity_code", "vin", "registration_id")
        }
        if texts["condition"] not in (None, *CONDITIONS):
            raise _invalid(f"condition of line {line} is none of {', '.join(CONDITIONS)}")
        texts["vin"] = vin_text(value)
        mass = value.get("mass_kg")
        if mass is not None and (type(mass) not in (int, float) or not 0 < mass <= MASS_KG_MAX):
            raise _invalid(f"mass_kg of line {line} is not a mass in kilograms")
        documents, receipts = (
            [] if value.get(name) is None else value[name] for name in ("documents", "receipts")
        )
        if not isinstance(documents, list) or len(documents) > DOCUMENTS_PER_LINE_MAX:
            raise _invalid(f"documents of line {line} are not a list of at most {DOCUMENTS_PER_LINE_MAX}")
        if not isinstance(receipts, list) or not all(isinstance(r, str) for r in receipts):
            raise _invalid(f"receipts of line {line} are not a list of texts")
        return cls(
            line=line,
            battery=battery,
            mass_kg=None if mass is None else float(mass),
            documents=tuple(documents),
            receipts=tuple(receipts),
            **texts,
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """A declaration's list of batteries."""

    lines: Sequence[Line]
    declaration: str | None = None
    consignee_eori: str | None = None
    law_date: str | None = None
    direction: str | None = None

    @classmethod
    def parse(cls, value: object) -> Manifest:
        """Read a manifest strictly; raises CredentialError("manifest_invalid", ...) naming the line."""
        if not isinstance(value, Mapping):
            raise _invalid("it is not a JSON object")
        stray = sorted(value.keys() - _MANIFEST_MEMBERS)
        if stray:
            raise _invalid(f"it has the unknown member {stray[0][:40]!a}")
        rows = value.get("lines")
        if not isinstance(rows, list) or not 1 <= len(rows) <= LINES_MAX:
            raise _invalid(f"lines are a list of 1 to {LINES_MAX}")
        lines = tuple(Line.parse(row, number) for number, row in enumerate(rows, start=1))
        numbers = [line.line for line in lines]
        if len(set(numbers)) != len(numbers):
            raise _invalid("two lines have the same number")
        direction = _text(value, "direction", 0)
        if direction not in (None, *DIRECTIONS):
            raise _invalid("direction is import, export or inland")
        return cls(
            lines,
            declaration=_spelled(value, "declaration", canonical_declaration_number),
            consignee_eori=_spelled(value, "consignee_eori", canonical_eori),
            law_date=_text(value, "law_date", 0),
            direction=direction,
        )


@dataclass(frozen=True, slots=True)
class DeclaredHere:
    """A declaration of this node, and the names of batteries on it that may be this one's (X12).

    Which of them are is the verdict's to say: it counts for those that it verified (D866).
    """

    declaration: str  # in its one spelling
    consignment: str  # its latest upload
    first: Mapping[str, int]  # by canonical name: the number of its first upload that named a battery so
    latest: frozenset[str]  # of these, what its latest upload names; of another one, on an open line
    open_until: int  # when that consignment is watched no longer

    def since(self, names: Set[str]) -> int | None:
        """The number of its first upload that named a battery of these names; None: it names it no more."""
        if self.latest.isdisjoint(names):
            return None
        return min(number for name, number in self.first.items() if name in names)


@dataclass(frozen=True, slots=True)
class Appearance:
    """One line on which a battery appears, with the digests of the documents shown on it."""

    line: int
    digests: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class ManifestContext:
    """What a line's verdict needs to know of the other lines."""

    declaration: str | None
    by_battery: Mapping[str, tuple[Appearance, ...]] = field(default_factory=dict)
    direction: str | None = None
    by_vin: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # the lines that name a vehicle
    consignee_eori: str | None = None
    # The registrations of the lines: by identifier, the lines that give it, each with its battery's name.
    by_registration: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    # The lines by the keys of their batteries on the ledger: asked for only where a battery has kin.
    by_key: Callable[[], Mapping[bytes, tuple[Entry, ...]]] = field(default=dict, compare=False, repr=False)

    def direction_for(self, policy: Policy) -> str:
        """The stricter of policy and manifest: the declarant cannot declare the question away."""
        return stricter(self.direction, policy)

    def registered_as(self, line: Line, name: str) -> list[int]:
        """The lines of other batteries than this `name` that give the registration of this line."""
        told = self.by_registration.get(_registration(line), ())
        return [number for number, other in told if other != name]

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        identifier_rules: Mapping[str, Any],
        key_of: Callable[[str], bytes | None] = lambda _: None,
    ) -> ManifestContext:
        """Read every line once; batteries are compared by their canonical identifier.

        `key_of`: the key of a battery on the ledger, by the text of a line; None for no battery.
        """
        seen: dict[str, list[Appearance]] = {}
        vehicles: dict[str, list[int]] = {}
        registered: dict[str, list[tuple[int, str]]] = {}
        for line in manifest.lines:
            if line.vin:
                vehicles.setdefault(line.vin, []).append(line.line)
            digests = frozenset(d for d in map(_digest, line.documents) if d) if line.documents else _NONE
            name = canonical_name(line.battery, identifier_rules)
            seen.setdefault(name, []).append(Appearance(line.line, digests))
            if _registration(line):
                registered.setdefault(_registration(line), []).append((line.line, name))
        return cls(
            manifest.declaration,
            {k: tuple(v) for k, v in seen.items()},
            manifest.direction,
            {k: tuple(v) for k, v in vehicles.items()},
            manifest.consignee_eori,
            {k: tuple(v) for k, v in registered.items() if len({name for _, name in v}) > 1},
            cache(lambda: _by_key(manifest, key_of)),
        )


def _by_key(manifest: Manifest, key_of: Callable[[str], bytes | None]) -> Mapping[bytes, tuple[Entry, ...]]:
    found: dict[bytes, tuple[Entry, ...]] = {}
    for line in manifest.lines:
        key = key_of(line.battery)
        if key is not None:
            found[key] = (*found.get(key, ()), (line.line, line.condition))
    return found


def _registration(line: Line) -> str:
    """The registration of a line as it is compared; empty if it gives none."""
    return trimmed(line.registration_id or "").upper()


def stricter(direction: str | None, policy: Policy) -> str:
    """The stricter of a declared direction and the policy's."""
    return min(direction or policy.direction, policy.direction, key=DIRECTIONS.index)


def canonical_name(text: str, rules: Mapping[str, Any]) -> str:
    """The canonical form of an identifier, or the text itself when it is none."""
    try:
        identifier = read_identifier(text, rules, namespace="-")
    except (CredentialError, KeyError):
        return text
    return f"{identifier.scheme}:{identifier.canonical}"


def _digest(document: object) -> bytes | None:
    try:
        return digest_document(dict(document)) if isinstance(document, Mapping) else None
    except CredentialError:
        return None


def _text(value: Mapping[str, Any], name: str, line: int) -> str | None:
    text = value.get(name)
    if text is None or text == "":
        return None
    if not isinstance(text, str) or len(text) > 256:
        where = f"{name} of line {line}" if line else name
        raise _invalid(f"{where} is not a short text")
    return text


def _spelled(value: Mapping[str, Any], name: str, read: Callable[[str], str]) -> str | None:
    """A number in its one spelling; one that is mistyped is told as that."""
    text = _text(value, name, 0)
    try:
        return None if text is None or not trimmed(text) else read(text)
    except CredentialError as error:
        raise _invalid(f"{name}: {error}") from error


def _invalid(why: str) -> CredentialError:
    return CredentialError("manifest_invalid", f"the manifest cannot be read: {why}")
