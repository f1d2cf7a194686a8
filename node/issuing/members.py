"""Members of an event, read from what a person or a program sent: one function for each type of member.

Text forms are those of the command line: lists with commas, `true` and `false`, digests in base64url. What
cannot be read raises ValueError (or CredentialError) with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import orjson

from credentials.documents.canonical import b64u_decode

JSON = dict[str, Any]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 2000:
        raise ValueError("not a text of 1 to 2000 characters")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise ValueError("not a whole number")
    return value


def _truth(value: Any) -> bool:
    if value in (True, "true", "yes"):
        return True
    if value in (False, "false", "no"):
        return False
    raise ValueError("not true or false")


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
        raise ValueError("not a list of texts")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or len(b64u_decode(value)) != 32:
        raise ValueError("not a digest: 43 characters of base64url")
    return value


def _country(value: Any) -> str:
    text = _text(value)
    if len(text) != 2 or not (text.isascii() and text.isupper()):
        raise ValueError("not a country code of two capital letters")
    return text


def _sets(value: Any) -> JSON:
    """{"1": digest, ...} with an optional "version" (1); as text: JSON of the same."""
    table = orjson.loads(value) if isinstance(value, str) else dict(value)
    if "points" in table:
        version, points = table["version"], table["points"]
    else:
        version = table.pop("version", 1)
        points = table
    if not points or any(str(p) not in ("1", "2", "3", "4") for p in points):
        raise ValueError('not digests by Annex XIII point: {"1": "..."}')
    return {"version": _whole(version), "points": {str(p): _digest(d) for p, d in points.items()}}


VALUES: Mapping[str, Callable[[Any], Any]] = {
    "text": _text,
    "texts": _texts,
    "date": lambda v: date.fromisoformat(_text(v)).isoformat(),
    "integer": _whole,
    "boolean": _truth,
    "digest": _digest,
    "identifier": _text,
    "identifiers": _texts,
    "did": _text,
    "vin": _text,
    "country": _country,
    "sets": _sets,
}
