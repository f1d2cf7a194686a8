"""GS1: the keys of a Digital Link, and the element string that a label or a scanner gives, read as one.

    printed   (01)09521001000017(21)SN1            brackets are print, no characters of the code
    scanned   ]d2010952100100001721SN1             after the name of the symbology (ISO/IEC 15424), or without

A field without a fixed length goes up to FNC1, which a scanner sends as GS (GS1 General Specifications, 7.8).
"""

from __future__ import annotations

import re

from credentials.documents.code_schemes import UPPER_AND_DIGITS, invalid
from credentials.documents.spelling import BLANKS
from credentials.documents.uri import Uri, parse_uri, unescaped

CANONICAL = "https://id.gs1.org/01/"
# Characters of a serial (AI 21, at most 20) that need no escape in a Digital Link, and the others
# (GS1 General Specifications, figure 7.11-1).
PLAIN = UPPER_AND_DIGITS | frozenset("abcdefghijklmnopqrstuvwxyz+-._!'()*,:;=")
SERIAL_SYMBOLS = PLAIN | frozenset('"%&/<>?')

_WORDS = {
    "gtin": "01",
    "cpv": "22",
    "lot": "10",
    "ser": "21",
}  # in links of version 1.1
_QUALIFIERS = ("22", "10", "21")  # consumer variant, lot, serial: in this order (GS1 Digital Link, 4.4)
_SYMBOLOGY = re.compile(r"\](?:C1|d2|e0|J1|Q3)")
_PRINTED = re.compile(r"\(([0-9]{2,4})\)((?:(?!\([0-9]{2,4}\)).)+)")
_ALL_PRINTED = re.compile(rf"(?:{_PRINTED.pattern})+")
# GTIN, dates, variant, lot, serial.
_SCANNED = re.compile(
    r"\x1d?(?:01(?P<a01>[0-9]{14})|1[1-7](?P<a11>[0-9]{6})|22(?P<a22>[^\x1d]{1,20})"
    r"|10(?P<a10>[^\x1d]{1,20})|21(?P<a21>[^\x1d]{1,20}))"
)


def link_of_elements(text: str) -> str | None:
    """The link of an element string, without a serial where it has none; None: it is no such string.

    Without brackets and without a symbology it is one only where GTIN, check digit and serial are right.
    """
    marked = _SYMBOLOGY.match(text)
    said = text[marked.end() :] if marked else text
    elements = _printed(said) if _ALL_PRINTED.fullmatch(said) else _scanned(said)
    gtin, serial = elements.get("01", "").replace(" ", ""), elements.get("21", "").strip(BLANKS)
    bare = not marked and not said.startswith("(")
    if not gtin or (bare and (not serial or check_digit(gtin) != gtin[13])):
        return None
    return f"{CANONICAL}{gtin}" + (f"/21/{escaped(serial)}" if serial else "")


def keys_of(uri: Uri) -> tuple[str, str]:
    """GTIN and serial of a link (GS1 Digital Link: URI syntax, 4); a query identifies nothing."""
    parts = (parse_uri(uri.normal) or uri).path.split("/")
    names = [_WORDS.get(part.lower(), part) for part in parts]
    if len(parts) > 3 and not parts[-1]:
        parts = parts[:-1]
    starts = [at for at in range(len(parts)) if names[at] == "01" and (len(parts) - at) % 2 == 0]
    if not starts:
        invalid("A GS1 Digital Link reads https://HOST/01/GTIN/21/SERIAL.")
    start = starts[-1]
    keys = dict(zip(names[start + 2 : len(parts) : 2], parts[start + 3 :: 2], strict=False))
    if len(keys) * 2 != len(parts) - start - 2 or not keys.keys() <= set(_QUALIFIERS):
        invalid("A GS1 Digital Link of a battery carries 01 (GTIN), 21 (serial), and 22 or 10 before it.")
    if "21" not in keys:
        invalid("The GS1 Digital Link names a kind of product, not one battery: it has no serial (21).")
    return parts[start + 1], unescaped(keys["21"])


def check_digit(gtin: str) -> str:
    """That of a GTIN of 14 digits (GS1 General Specifications, 7.9)."""
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(gtin[:13]))
    return str((10 - weighted % 10) % 10)


def escaped(serial: str) -> str:
    """A serial as it stands in a link."""
    return "".join(c if c in PLAIN else "".join(f"%{byte:02X}" for byte in c.encode()) for c in serial)


def _printed(text: str) -> dict[str, str]:
    """The elements of a string with brackets; none where one of them stands twice."""
    found = _PRINTED.findall(text)
    elements = dict(found)
    return elements if len(elements) == len(found) else {}


def _scanned(text: str) -> dict[str, str]:
    """The elements of a string without brackets; none where one is not known here, or stands twice."""
    found: dict[str, str] = {}
    while text:
        match = _SCANNED.match(text)
        name = match.lastgroup if match is not None else None
        if match is None or name is None or name[1:] in found:
            return {}
        found[name[1:]] = match[name]
        text = text[match.end() :].removeprefix("\x1d")
    return found
