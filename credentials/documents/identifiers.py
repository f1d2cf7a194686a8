"""Battery and vehicle identifiers, and the subject under which the ledger knows them.

Schemes: `gbt34014` (GB/T 34014-2017, 24 characters, and the 19-character code of a cascade product), `gs1`
(GTIN and serial as a GS1 Digital Link), `uri` (opaque), `vin` (ISO 3779), and what a network adds
(`code_schemes.py`). What a symbol of a code may be and means is read from rule files; letters and digits are
compared with explicit ASCII
tables, never with functions that follow Unicode.

Every entrance (command line, form, manifest, scan, API, attestation, document) reads by `parse_identifier`
or `read_identifier`: what a keyboard, a scanner or a spreadsheet adds is taken off there (`spelling`), so
that one battery has one text. A text that is none after that is refused, with what is wrong about it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from credentials.documents import gs1
from credentials.documents.canonical import b64u
from credentials.documents.code_schemes import (
    CODE_CHARACTERS_MAX,
    DIGITS,
    MEANT,
    UPPER_AND_DIGITS,
    CodeScheme,
    code_on_label,
    invalid,
    read_code,
)
from credentials.documents.spelling import joined, shown, trimmed, upper
from credentials.documents.uri import parse_did, parse_uri
from credentials.errors import CredentialError

URI_CHARACTERS_MAX = 512
COMMODITY_CODE_DIGITS = (6, 8, 10)
DECLARATION_CHARACTERS_MAX = 35
_KEPT_CHARACTERS_MAX = 128  # a longer text is read each time

_VIN_SYMBOLS = UPPER_AND_DIGITS - frozenset("IOQ")  # ISO 3779, 4.5
_GS1_PATH = re.compile("/(?:01|gtin)/", re.IGNORECASE)
_HOST_AND_PATH = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]{1,5})?/\S+")
_URN = "urn:comity:item:"
SUBJECT_URN = "urn:comity:subject:"
_LABEL_MARK = "I"  # before the VIN on a label
_CODE_CHARACTERS = 24  # of a GB/T 34014 code
_MAKER_CHARACTERS = 3  # with which it begins
_DECLARATION = UPPER_AND_DIGITS | frozenset("-/")
_EORI = re.compile("[A-Z]{2}[A-Z0-9]{1,15}")


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
        return SUBJECT_URN + b64u(self.h)

    def as_list(self) -> list[Any]:
        """The form in an attestation's delta."""
        return [self.scheme, self.namespace, self.h]


def parse_identifier(
    scheme: str, text: str, rules: Mapping[str, Any], *, namespace: str | None = None
) -> Identifier:
    """Read `text` as an identifier of `scheme`; `rules` is an `identifier_table`.

    `namespace` is needed for the scheme `uri` only, where it is the DID of the issuer.
    """
    text = _spelled(text)
    if upper(text[: len(_URN)]) == upper(_URN) and text[len(_URN) :].startswith(f"{scheme}:"):
        text = text[len(_URN) + len(scheme) + 1 :]
    match scheme:
        case "gbt34014":
            return _gbt34014(upper(joined(text)), rules)
        case "gs1":
            return _gs1(text, rules)
        case "vin":
            return _vin(text)
        case "uri":
            return _uri(text, namespace)
        case _:
            if (added := _schemes(rules).get(scheme)) is not None:
                return _added(added, upper(joined(text)))
            raise CredentialError(
                "identifier_unsupported", f"The identifier scheme {shown(scheme)} is not known."
            )


def read_identifier(
    text: str, rules: Mapping[str, Any], *, namespace: str | None = None, scheme: str | None = None
) -> Identifier:
    """Read what a person or a program gives as a battery's or a vehicle's identifier, of any scheme for None.

    Raises CredentialError: `identifier_invalid` with what is mistyped, or `identifier_unsupported`.
    """
    if scheme is None and "/" in text:
        text = code_on_label(trimmed(text), _schemes(rules)) or text
    if len(text) > _KEPT_CHARACTERS_MAX:
        return parse_identifier(scheme or guess_scheme(text, rules), text, rules, namespace=namespace)
    return _read(text, _Table(rules), namespace, scheme)


class _Table:
    """A table of rules as a key: the same one, not one that reads alike. It lives as long as what it read."""

    __slots__ = ("rules",)

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self.rules = rules

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Table) and self.rules is other.rules

    def __hash__(self) -> int:
        return 0  # tables are few, and what they read is told apart by its text


@lru_cache(maxsize=2048)  # a verdict reads the few codes of its line twenty times (decision 0961)
def _read(text: str, table: _Table, namespace: str | None, scheme: str | None) -> Identifier:
    return parse_identifier(scheme or guess_scheme(text, table.rules), text, table.rules, namespace=namespace)


def _schemes(rules: Mapping[str, Any]) -> Mapping[str, CodeScheme]:
    found: Mapping[str, CodeScheme] = rules.get("schemes", {})
    return found


def _spelled(text: str, added: Mapping[str, CodeScheme] | None = None) -> str:
    """`text` without what is no part of it; a GS1 code as a link, however a label or a scanner gives it."""
    text = trimmed(text)
    if text[:1] in ("(", "]") or (text[:2] == "01" and not _has_length(text, added)):
        return gs1.link_of_elements(text) or text
    # A telephone shows the link of a label without its beginning.
    if _HOST_AND_PATH.fullmatch(text) and _GS1_PATH.search(text):
        return f"https://{text}"
    return text


def _has_length(text: str, added: Mapping[str, CodeScheme] | None) -> bool:
    return any(len(text) in scheme.layouts for scheme in (added or {}).values())


def guess_scheme(text: str, rules: Mapping[str, Any]) -> str:
    """Return the scheme that `text` is written in, by its form alone."""
    text, added = _spelled(text, _schemes(rules)), _schemes(rules)
    code = upper(joined(text))
    if upper(text[: len(_URN)]) == upper(_URN):
        scheme, colon, _ = text[len(_URN) :].partition(":")
        if colon and (scheme in ("gbt34014", "vin") or scheme in added):
            return scheme
    elif UPPER_AND_DIGITS.issuperset(code):
        if len(code) in (19, 24):
            return "gbt34014"
        if len(code) == 17 or (len(code) == 18 and code[0] == _LABEL_MARK):
            return "vin"
        for name, scheme_added in added.items():
            if len(code) in scheme_added.layouts:
                return name
        if 4 < len(code) <= CODE_CHARACTERS_MAX:
            others = "".join(f", a {s.title} {s.lengths}" for s in added.values())
            invalid(
                f"{shown(text)} has {len(code)} characters: a GB/T 34014 code has 24 (19 for a cascade "
                f"product) and a VIN 17{others}. Compare it with the label."
            )
    else:
        if (uri := parse_uri(text)) is not None:
            return "gs1" if uri.is_web and _GS1_PATH.search(uri.path) else "uri"
        if len(code) <= CODE_CHARACTERS_MAX and not set(code) & set("/:"):
            place, symbol = next((n, c) for n, c in enumerate(code, start=1) if c not in UPPER_AND_DIGITS)
            invalid(
                f"Character {place} of {shown(text)} is {shown(symbol)}: a code has A to Z and digits alone."
            )
    invalid(f"{shown(text)} is not a GB/T 34014 code, a GS1 Digital Link, a VIN or a URI.")


def canonical_vin(text: str) -> str:
    """The one text of a vehicle identification number (ISO 3779), or `identifier_invalid`.

    Blanks of every kind are taken out, letters put in capitals; the `I` before the VIN on a label in Code 39
    says that a VIN follows (AIAG B-10, ANSI MH10.8.2 data identifier I) and is none of its characters.
    """
    code = upper(joined(text))
    if len(code) == 18 and code[0] == _LABEL_MARK:
        code = code[1:]
    if len(code) != 17:
        invalid(f"A VIN has 17 characters, {shown(text)} has {len(code)}.")
    for place, symbol in enumerate(code, start=1):
        if symbol in "IOQ":
            invalid(
                f"Character {place} of the VIN {shown(code)} is {symbol}, which no VIN has (ISO 3779). "
                f"Probably {MEANT[symbol]} is meant."
            )
        if symbol not in _VIN_SYMBOLS:
            invalid(f"Character {place} of the VIN {shown(code)} is {shown(symbol)}: A-Z and 0-9 are used.")
    return code


def canonical_commodity_code(text: str) -> str:
    """The digits of a commodity code (HS, CN or TARIC, HS of China), or `commodity_code_invalid`.

    Blanks of every kind and full stops between the groups are spelling. A code has 6, 8 or 10 digits.
    """
    code = joined(text).replace(".", "")
    if not DIGITS.issuperset(code) or len(code) not in COMMODITY_CODE_DIGITS:
        raise CredentialError(
            "commodity_code_invalid",
            f"{shown(text)} is not a commodity code: it is written as 6, 8 or 10 digits, such as 850760.",
        )
    return code


def canonical_declaration_number(text: str) -> str:
    """The one text of a customs declaration's number, or `identifier_invalid`.

    An MRN (IR (EU) 2015/2447, Annex B, D.E. 12 01) or the number of another administration: capitals and
    digits, also - and /, at most 35. Blanks are taken out and letters put in capitals.
    """
    number = upper(joined(text))
    if not 1 <= len(number) <= DECLARATION_CHARACTERS_MAX or not _DECLARATION.issuperset(number):
        invalid(
            f"{shown(text)} is not the number of a customs declaration: letters, digits, - and /, "
            f"at most {DECLARATION_CHARACTERS_MAX}, such as 26NLRTM7DEMO000066."
        )
    return number


def canonical_eori(text: str) -> str:
    """The one text of an EORI number (IR (EU) 2015/2447, Annex 12-01), or `identifier_invalid`."""
    number = upper(joined(text)).removeprefix("EORI").removeprefix(":")  # EO is no country: its label
    if not _EORI.fullmatch(number):
        invalid(f"{shown(text)} is not an EORI: a country and up to 15 letters and digits (NL123456789).")
    return number


def canonical_namespace(scheme: str, text: str, schemes: Mapping[str, CodeScheme]) -> str:
    """The one text of the namespace of a maker's codes, or `identifier_invalid`; `schemes`: what is added."""
    namespace = joined(text) if scheme == "uri" else upper(joined(text))
    if (
        scheme == "gbt34014"
        and len(namespace) == _MAKER_CHARACTERS
        and UPPER_AND_DIGITS.issuperset(namespace)
    ):
        return namespace
    if scheme == "gs1" and 3 < len(namespace) < 13 and DIGITS.issuperset(namespace):
        return namespace
    if scheme == "uri":
        return canonical_did(namespace)
    if (added := schemes.get(scheme)) is not None:
        if (spelled := added.spelled_namespace(namespace)) is not None:
            return spelled
        invalid(f"{shown(text)} is no namespace of codes: no {added.title} has it as its {added.namespace}.")
    invalid(
        f"{shown(text)} is no namespace of codes: three capitals and digits of the maker (gbt34014), the "
        "digits of a GS1 company prefix (gs1), or the DID of the issuer (uri)."
    )


def canonical_beginning(scheme: str, namespace: str, text: str, schemes: Mapping[str, CodeScheme]) -> str:
    """The one text of the beginning of codes of one namespace, or `identifier_invalid`: no code begins so.

    What is compared with it is a canonical code. A GS1 Digital Link is written with any host, or as the
    beginning of a GTIN of 14 digits alone.
    """
    if scheme == "gbt34014":
        beginning = upper(joined(text))
        fits = UPPER_AND_DIGITS.issuperset(beginning) and len(beginning) <= _CODE_CHARACTERS
        head = namespace
    elif scheme == "gs1":
        rest = joined(text).rpartition("/01/")[2]  # of a link, or the GTIN alone
        gtin, slash, tail = rest.partition("/")
        fits = DIGITS.issuperset(gtin) and 1 <= len(gtin) <= 14 and (not slash or len(gtin) == 14)
        fits = fits and (not slash or "21/".startswith(tail[:3])) and gs1.PLAIN.issuperset(tail[3:])
        beginning, head = gs1.CANONICAL + rest, gs1.CANONICAL + gtin[:1] + namespace
    elif (added := schemes.get(scheme)) is not None:
        beginning, head = upper(joined(text)), ""
        fits = added.may_begin(namespace, beginning)
    else:
        beginning = joined(text)
        fits, head = beginning.isascii(), ""
    if not fits or not (beginning.startswith(head) or head.startswith(beginning)):
        invalid(
            f"No code of {shown(namespace)} begins with {shown(text)}: write the beginning as it stands on "
            "the label (a GTIN with its 14 digits)."
        )
    return beginning


def canonical_did(text: str) -> str:
    """The one text of a DID that a person or a program names a party by, or `identifier_invalid`.

    Scheme, method and the host of a did:web have no case (RFC 3986, 6.2.2.1; RFC 4343); its port is written
    with %3A. DIDs in signed documents are compared as they stand: there another spelling is another DID.
    """
    written = trimmed(text)
    scheme, _, rest = written.partition(":")
    method, _, specific = rest.partition(":")
    scheme, method = scheme.lower(), method.lower()
    if method == "web":
        host, colon, path = specific.partition(":")
        specific = host.lower().replace("%3a", "%3A") + colon + path
    did = f"{scheme}:{method}:{specific}"
    if parse_did(did) is None:
        invalid(f"{shown(text)} is not a DID, such as did:web:maker.example (DID Core 1.0, 3.1).")
    return did


@lru_cache(maxsize=2048)  # one verdict asks six times for the subject of its battery
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


def _id(identifier: Identifier) -> bytes:
    parts = (identifier.scheme, identifier.namespace, identifier.canonical)
    return b"".join(lp(part.encode("ascii")) for part in parts)


def _gbt34014(text: str, rules: Mapping[str, Any]) -> Identifier:
    layouts = {layout["length"]: layout for layout in (rules["newProductCode"], rules["cascadeCode"])}
    if len(text) not in layouts:
        invalid(f"A GB/T 34014 code has 24 characters (19 for a cascade product), this one {len(text)}.")
    code = read_code("GB/T 34014 code", layouts[len(text)], text)
    assert code.manufactured is not None, "a GB/T 34014 code carries a date"
    day = code.manufactured[2]
    notes: tuple[str, ...] = ()
    if day is None:
        notes = ("code_day_unknown",)
    elif day > 17:
        notes = ("code_day_inferred",)  # sources agree on the symbols of days 1 to 17 only
    return Identifier(
        "gbt34014", code.fields["manufacturerCode"], text, code.fields, code.manufactured, notes
    )


def _added(scheme: CodeScheme, text: str) -> Identifier:
    code = scheme.read(text)
    notes = ("code_day_unknown",) if code.manufactured is not None and code.manufactured[2] is None else ()
    namespace = code.fields[scheme.namespace]
    return Identifier(scheme.name, namespace, text, code.fields, code.manufactured, notes)


def _gs1(text: str, rules: Mapping[str, Any]) -> Identifier:
    uri = parse_uri(text)
    if uri is None or not uri.is_web:
        invalid("A GS1 Digital Link reads https://HOST/01/GTIN/21/SERIAL.")
    gtin, serial = gs1.keys_of(uri)
    if not DIGITS.issuperset(gtin) or len(gtin) not in (8, 12, 13, 14):
        invalid(f"The GTIN {shown(gtin)} has not 8, 12, 13 or 14 digits.")
    gtin = gtin.rjust(14, "0")
    if gs1.check_digit(gtin) != gtin[13]:
        invalid(f"The check digit of the GTIN {gtin} is wrong: compare it with the label.")
    if not 1 <= len(serial) <= 20 or not gs1.SERIAL_SYMBOLS.issuperset(serial):
        invalid(f"The serial {shown(serial)} is not 1 to 20 characters of those that AI 21 has.")
    prefixes = [p for p in rules.get("gs1", {}).get("companyPrefixes", []) if gtin[1:].startswith(p)]
    if not prefixes:
        raise CredentialError(
            "identifier_unsupported", f"No GS1 company prefix in the rules is the beginning of {gtin[1:]}."
        )
    canonical = f"{gs1.CANONICAL}{gtin}/21/"
    canonical += gs1.escaped(serial)
    return Identifier("gs1", max(prefixes, key=len), canonical, {"gtin": gtin, "serial": serial})


def _vin(text: str) -> Identifier:
    vin = canonical_vin(text)
    return Identifier("vin", vin[:3], vin, {"manufacturer": vin[:3]})


def _uri(text: str, namespace: str | None) -> Identifier:
    uri = parse_uri(text)
    if uri is None or not text.isascii() or len(text) > URI_CHARACTERS_MAX or not (uri.path or uri.host):
        invalid(f"{shown(text)} is not an absolute URI of ASCII characters.")
    normal = uri.normal
    if normal.startswith(_URN):
        invalid(f"{shown(text)} is written for another scheme.")
    if not namespace:
        invalid("An opaque URI identifies a battery only together with its issuer.")
    return Identifier("uri", namespace, normal)
