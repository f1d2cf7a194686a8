"""Battery and vehicle identifiers, and the subject under which the ledger knows them.

Schemes: `gbt34014` (GB/T 34014-2017, 24 characters, and the 19-character code of a cascade product), `gs1`
(GTIN and serial as a GS1 Digital Link), `uri` (opaque), `vin` (ISO 3779). What a symbol of a GB/T code may be
and means is read from `config/rules/gbt34014.json`; letters and digits are compared with explicit ASCII
tables, never with functions that follow Unicode.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from credentials.documents.canonical import b64u
from credentials.errors import CredentialError

DIGITS = frozenset("0123456789")
UPPER_AND_DIGITS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
URI_CHARACTERS_MAX = 512

_VIN_SYMBOLS = UPPER_AND_DIGITS - frozenset("IOQ")  # ISO 3779, 4.5
_URI_SYMBOLS = frozenset(chr(c) for c in range(0x21, 0x7F)) - frozenset('"<>\\^`{|}')  # RFC 3986, 2
_SCHEME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SCHEME_REST = _SCHEME_FIRST | DIGITS | frozenset("+-.")
# Characters of a GS1 serial (AI 21, at most 20) that need no escape in a Digital Link.
_GS1_SERIAL = _SCHEME_REST | frozenset("_!'()*,:;=")
_GS1_CANONICAL = "https://id.gs1.org/01/"
_URN = "urn:comity:item:"
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier that was read: its canonical text is the only one that is compared, stored or hashed."""

    scheme: str
    namespace: str
    canonical: str
    fields: Mapping[str, str] = field(
        default_factory=dict, hash=False
    )  # decoded parts, by the names of the rule file
    manufactured: tuple[int, int, int | None] | None = None  # year, month, day; the day may be unknown
    notes: tuple[str, ...] = ()  # what a person should know about the reading, as reason codes

    @property
    def uri(self) -> str:
        """The identifier as a URI: `credentialSubject.id` of a passport."""
        if self.scheme in ("gs1", "uri"):
            return self.canonical
        return f"{_URN}{self.scheme}:{self.canonical}"


@dataclass(frozen=True, slots=True)
class Subject:
    """A battery, vehicle or lot on the ledger: `[scheme, namespace, H]`.

    `blind` is held by those who hold the passport; with it the identifier can be checked against `h`.
    """

    scheme: str
    namespace: str
    h: bytes
    blind: bytes | None = None

    @property
    def urn(self) -> str:
        """The `sub` claim of an attestation."""
        return f"urn:comity:subject:{b64u(self.h)}"

    def as_list(self) -> list[Any]:
        """The form in an attestation's delta."""
        return [self.scheme, self.namespace, self.h]


def parse_identifier(
    scheme: str, text: str, rules: Mapping[str, Any], *, namespace: str | None = None
) -> Identifier:
    """Read `text` as an identifier of `scheme`; `rules` is the content of gbt34014.json.

    `namespace` is needed for the scheme `uri` only, where it is the DID of the issuer.
    """
    text = text.removeprefix(f"{_URN}{scheme}:")
    match scheme:
        case "gbt34014":
            return _gbt34014(text, rules)
        case "gs1":
            return _gs1(text, rules)
        case "vin":
            return _vin(text)
        case "uri":
            return _uri(text, namespace)
        case _:
            raise CredentialError(
                "identifier_unsupported", f"The identifier scheme {_shown(scheme)} is not known."
            )


def guess_scheme(text: str) -> str:
    """Return the scheme that `text` is written in, by its form alone."""
    if text.startswith(_URN):
        scheme, colon, _ = text.removeprefix(_URN).partition(":")
        if colon and scheme in ("gbt34014", "vin"):
            return scheme
    elif len(text) in (19, 24) and UPPER_AND_DIGITS.issuperset(text.upper()):
        return "gbt34014"
    elif len(text) == 17 and UPPER_AND_DIGITS.issuperset(text.upper()):
        return "vin"
    elif text.startswith(("https://", "http://")) and "/01/" in text:
        return "gs1"
    elif ":" in text:
        return "uri"
    raise CredentialError(
        "identifier_invalid", f"{_shown(text)} is not a GB/T 34014 code, a GS1 Digital Link, a VIN or a URI."
    )


def subject(identifier: Identifier, network_key: bytes) -> Subject:
    """Return the subject of an identifier: only holders of the network key can compute it from the text."""
    mac = hmac.new(network_key, b"comity/blind/v1" + _id(identifier), hashlib.sha256)
    return subject_from_blind(identifier, mac.digest()[:16])


def subject_from_blind(identifier: Identifier, blind: bytes) -> Subject:
    """Return the subject of an identifier whose blind was handed over with its passport."""
    if len(blind) != 16:
        raise CredentialError("malformed", f"A blind has 16 bytes, this one {len(blind)}.")
    h = hashlib.sha256(b"comity/subject/v1" + blind + _id(identifier)).digest()
    return Subject(identifier.scheme, identifier.namespace, h, blind)


def lp(data: bytes) -> bytes:
    """Return `data` after its length in two bytes: concatenations stay readable in one way only."""
    assert len(data) < 1 << 16, "identifiers are shorter than 64 KiB"
    return len(data).to_bytes(2, "big") + data


def is_calendar_date(year: int, month: int, day: int) -> bool:
    """Tell whether a Gregorian date exists."""
    if not 1 <= month <= 12 or day < 1:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= _DAYS[month - 1] + (leap and month == 2)


def _id(identifier: Identifier) -> bytes:
    parts = (identifier.scheme, identifier.namespace, identifier.canonical)
    return b"".join(lp(part.encode("ascii")) for part in parts)


def _gbt34014(text: str, rules: Mapping[str, Any]) -> Identifier:
    layouts = {layout["length"]: layout for layout in (rules["newProductCode"], rules["cascadeCode"])}
    if len(text) not in layouts:
        _invalid(f"A GB/T 34014 code has 24 characters (19 for a cascade product), this one {len(text)}.")
    fields: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for rule in layouts[len(text)]["fields"]:
        first, _, last = rule["pos"].partition("-")
        part = text[int(first) - 1 : int(last or first)]
        name = rule["name"]
        if "map" in rule:
            if part == "0" and name == "day":
                fields[name] = part
                continue
            if part not in rule["map"]:
                _refuse_symbol(text, rule, part)
            numbers[name] = rule["map"][part]
        elif not (_symbols(rule["charset"]) if "charset" in rule else rule["values"].keys()) >= set(part):
            _refuse_symbol(text, rule, part)
        fields[name] = part
    if fields["serial"] == "0" * len(fields["serial"]):
        _invalid("The serial of a GB/T 34014 code begins at 1, this one is zero.")
    year, month, day = numbers["year"], numbers["month"], numbers.get("day")
    if day is not None and not is_calendar_date(year, month, day):
        _invalid(f"The code carries {year}-{month:02}-{day:02}, which is no date.")
    notes: tuple[str, ...] = ()
    if day is None:
        notes = ("code_day_unknown",)
    elif day > 17:
        notes = ("code_day_inferred",)  # sources agree on the symbols of days 1 to 17 only
    return Identifier("gbt34014", fields["manufacturerCode"], text, fields, (year, month, day), notes)


def _invalid(sentence: str) -> NoReturn:
    raise CredentialError("identifier_invalid", sentence)


def _refuse_symbol(text: str, rule: Mapping[str, Any], part: str) -> NoReturn:
    hint = " Codes are written in upper case." if text != text.upper() and text.isascii() else ""
    _invalid(f"Position {rule['pos']} ({rule['name']}) of the code cannot be {_shown(part)}.{hint}")


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


def _gs1(text: str, rules: Mapping[str, Any]) -> Identifier:
    scheme, colon, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    parts = path.split("/")
    if scheme not in ("https", "http") or not colon or not host or not slash or len(parts) < 4:
        _invalid("A GS1 Digital Link reads https://HOST/01/GTIN/21/SERIAL.")
    key, gtin, qualifier, serial = parts[-4:]
    if key != "01" or qualifier != "21":
        _invalid("A GS1 Digital Link of a battery carries 01 (GTIN) and 21 (serial) only.")
    if not DIGITS.issuperset(gtin) or len(gtin) not in (8, 12, 13, 14):
        _invalid(f"The GTIN {_shown(gtin)} has not 8, 12, 13 or 14 digits.")
    gtin = gtin.rjust(14, "0")
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(gtin[:13]))
    if (10 - weighted % 10) % 10 != int(gtin[13]):
        _invalid(f"The check digit of the GTIN {gtin} is wrong.")
    if not 1 <= len(serial) <= 20 or not _GS1_SERIAL.issuperset(serial):
        _invalid(f"The serial {_shown(serial)} is not 1 to 20 plain characters (AI 21).")
    prefixes = [p for p in rules.get("gs1", {}).get("companyPrefixes", []) if gtin[1:].startswith(p)]
    if not prefixes:
        raise CredentialError(
            "identifier_unsupported", f"No GS1 company prefix in the rules is the beginning of {gtin[1:]}."
        )
    canonical = f"{_GS1_CANONICAL}{gtin}/21/{serial}"
    return Identifier("gs1", max(prefixes, key=len), canonical, {"gtin": gtin, "serial": serial})


def _vin(text: str) -> Identifier:
    if len(text) != 17 or not _VIN_SYMBOLS.issuperset(text):
        _invalid(f"The VIN {_shown(text)} is not 17 of A-Z and 0-9 without I, O and Q.")
    return Identifier("vin", text[:3], text, {"manufacturer": text[:3]})


def _uri(text: str, namespace: str | None) -> Identifier:
    scheme, colon, rest = text.partition(":")
    if (
        not colon
        or not rest
        or len(text) > URI_CHARACTERS_MAX
        or scheme[:1] not in _SCHEME_FIRST
        or not _SCHEME_REST.issuperset(scheme)
        or not _URI_SYMBOLS.issuperset(text)
    ):
        _invalid(f"{_shown(text)} is not an absolute URI of ASCII characters.")
    if text.startswith(_URN):
        _invalid(f"{_shown(text)} is written for another scheme.")
    if not namespace:
        _invalid("An opaque URI identifies a battery only together with its issuer.")
    return Identifier("uri", namespace, text)


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...")
