"""JSON at the trust boundary and the JSON Canonicalization Scheme (RFC 8785).

`parse_json` is the only way JSON from outside comes in: what it returns can be canonicalised, hashed and
stored without a further check. Everything it accepts is I-JSON (RFC 7493).
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import orjson
import rfc8785

from credentials.errors import CredentialError

JSON = dict[str, Any] | list[Any] | str | int | float | bool | None

SIZE_BYTES_MAX = 1 << 20
DEPTH_MAX = 32
STRING_CHARACTERS_MAX = 1 << 18  # a status list of a million bits fits
INTEGER_CHARACTERS_MAX = 64
INTEGER_MAX = 2**53 - 1  # RFC 8785, 3.2.2.3: beyond it JSON readers disagree


def parse_json(data: bytes, *, size_bytes_max: int = SIZE_BYTES_MAX) -> JSON:
    """Read one JSON text (RFC 8259), refusing what two readers could understand differently."""
    if len(data) > size_bytes_max:
        raise CredentialError(
            "malformed", f"The document has {len(data)} bytes; at most {size_bytes_max} are read."
        )
    try:
        value: JSON = orjson.loads(data)
        # orjson keeps the last of two members with one name. Written again such a text has fewer colons, and
        # no escape other than \u003a can hide or add one: equal counts mean that nothing was dropped.
        if b"\\u" not in data and data.count(b":") == orjson.dumps(value).count(b":"):
            _require_plain(value, 1, exact=False)
            return value
    except _LargeFloat:
        pass
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise CredentialError("malformed", f"The document is not JSON in UTF-8: {error}.") from error
    value = _parse_member_by_member(data)
    _require_plain(value, 1, exact=True)
    return value


def jcs(value: JSON) -> bytes:
    """Return the canonical form of `value` (RFC 8785): the bytes that are hashed and signed."""
    try:
        ready, exact = _for_orjson(value, 1)
        if exact:
            return orjson.dumps(ready, option=orjson.OPT_SORT_KEYS)
        return rfc8785.dumps(value)  # type: ignore[no-any-return, unused-ignore]
    except (orjson.JSONEncodeError, rfc8785.CanonicalizationError, UnicodeError) as error:
        raise CredentialError("malformed", f"The document has no canonical form: {error}.") from error


class _LargeFloat(Exception):
    """orjson reads integers beyond 64 bits as floats: only the other reader tells which it was."""


def _parse_member_by_member(data: bytes) -> JSON:
    """Read with the slower reader that sees every member and every number as it is written."""
    try:
        value: JSON = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except RecursionError as error:
        raise CredentialError(
            "malformed", f"The document is nested deeper than {DEPTH_MAX} levels."
        ) from error
    except CredentialError:
        raise
    except ValueError as error:
        raise CredentialError("malformed", f"The document is not JSON in UTF-8: {error}.") from error
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise CredentialError("malformed", f"The member {_shown(name)} occurs twice in one object.")
            seen.add(name)
    return members


def _integer(text: str) -> int:
    if len(text) > INTEGER_CHARACTERS_MAX:
        _refuse_integer(text)
    return int(text)


def _constant(text: str) -> NoReturn:
    raise CredentialError("malformed", f"{text} is not a JSON number.")


def _refuse_integer(text: str) -> NoReturn:
    shown = text if len(text) <= 24 else f"{text[:20]}... ({len(text)} digits)"
    raise CredentialError(
        "malformed", f"The integer {shown} is beyond 2^53 - 1, where JSON readers disagree."
    )


def _shown(name: str) -> str:
    return json.dumps(name if len(name) <= 64 else name[:64] + "...")


def _require_plain(value: Any, depth: int, *, exact: bool) -> None:
    """Walk `value` against the limits. `exact` says that floats were floats in the text."""
    kind = type(value)
    if kind is dict:
        if depth > DEPTH_MAX:
            raise CredentialError("malformed", f"The document is nested deeper than {DEPTH_MAX} levels.")
        for name, member in value.items():
            if len(name) > STRING_CHARACTERS_MAX:
                _refuse_string(name)
            # Short strings are most of a document; the test is repeated here to save the call.
            if type(member) is not str or len(member) > STRING_CHARACTERS_MAX:
                _require_plain(member, depth + 1, exact=exact)
    elif kind is list:
        if depth > DEPTH_MAX:
            raise CredentialError("malformed", f"The document is nested deeper than {DEPTH_MAX} levels.")
        for member in value:
            _require_plain(member, depth + 1, exact=exact)
    elif kind is str:
        if len(value) > STRING_CHARACTERS_MAX:
            _refuse_string(value)
    elif kind is int:
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            _refuse_integer(str(value))
    elif kind is float:
        if not math.isfinite(value):
            raise CredentialError("malformed", "A number is too large to be read.")
        if not exact and abs(value) > INTEGER_MAX:
            raise _LargeFloat


def _refuse_string(text: str) -> NoReturn:
    raise CredentialError(
        "malformed", f"A string has {len(text)} characters; at most {STRING_CHARACTERS_MAX} are read."
    )


def _for_orjson(value: Any, depth: int) -> tuple[Any, bool]:
    """Return what orjson writes as RFC 8785 asks, and whether it does so exactly.

    orjson differs in integral floats (mended here), in other floats that ECMAScript writes without an
    exponent, and in the order of names beyond the Basic Multilingual Plane (both left to `rfc8785`).
    """
    if depth > DEPTH_MAX:
        raise CredentialError("malformed", f"The document is nested deeper than {DEPTH_MAX} levels.")
    exact = True
    if type(value) is dict:
        members = {}
        for name, member in value.items():
            if type(name) is not str:
                raise CredentialError("malformed", "The name of a member is not a string.")
            if not name.isascii() and max(name) > "\ud7ff":
                exact = False
            kind = type(member)
            if kind is not str and kind is not bool and member is not None:
                member, same = _for_orjson(member, depth + 1)  # noqa: PLW2901
                exact &= same
            members[name] = member
        return members, exact
    if type(value) is list:
        items = []
        for member in value:
            item, same = _for_orjson(member, depth + 1)
            exact &= same
            items.append(item)
        return items, exact
    if type(value) is float:
        if not math.isfinite(value):
            raise CredentialError("malformed", "A number is not finite and has no canonical form.")
        if value.is_integer() and abs(value) <= INTEGER_MAX:
            return int(value), True
        return value, 1e-5 <= abs(value) < 1e15
    if type(value) is int:
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            _refuse_integer(str(value) if value.bit_length() < 1000 else "1" * 301)
        return value, True
    if value is None or type(value) in (str, bool):
        return value, True
    raise CredentialError("malformed", f"A value of type {type(value).__name__} is not JSON.")
