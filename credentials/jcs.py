"""JSON at the trust boundary and the JSON Canonicalization Scheme (RFC 8785).

`parse_json` is the only way JSON from outside comes in: what it returns can be canonicalised, hashed and
stored without a further check. Everything it accepts is I-JSON (RFC 7493).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, NoReturn

import orjson
import rfc8785

from credentials.errors import CredentialError

JSON = dict[str, Any] | list[Any] | str | int | float | bool | None

SIZE_BYTES_MAX = 1 << 20
VALUES_MAX = 1 << 16  # a megabyte of empty lists takes thirty in memory
DEPTH_MAX = 32
STRING_CHARACTERS_MAX = 1 << 18  # a status list of a million bits fits
INTEGER_CHARACTERS_MAX = 64
PIECE_BYTES = 1 << 16  # looked at together
INTEGER_MAX = 2**53 - 1  # RFC 8785, 3.2.2.3: beyond it JSON readers disagree


def parse_json(data: bytes, *, size_bytes_max: int = SIZE_BYTES_MAX, values_max: int = VALUES_MAX) -> JSON:
    """Read one JSON text (RFC 8259), refusing what two readers could understand differently.

    So is one with more than `values_max` values, objects and lists counted: before any is built.
    """
    if len(data) > size_bytes_max:
        raise CredentialError(
            "malformed", f"The document has {len(data)} bytes; at most {size_bytes_max} are read."
        )
    if len(data) > values_max and _has_more_values(data, values_max):
        raise CredentialError("malformed", f"The document has more than {values_max} values.")
    try:
        value: JSON = orjson.loads(data)
        # orjson keeps the last of two members with one name. Written again such a text has fewer colons, and
        # no escape other than \u003a can hide or add one: equal counts mean that nothing was dropped.
        text = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
        unescaped = b"\\" not in data or b"\\u" not in data
        if unescaped and data.count(b":") == text.count(b":"):
            if not _is_plainly_small(text) and not _is_small(text):
                _walk(value, 1, exact=False)
            return value
    except orjson.JSONDecodeError as error:
        raise CredentialError("malformed", _why_not_json(data, error)) from error
    except (orjson.JSONEncodeError, _LargeFloat):
        pass  # an integer that is too long, or nested too deep: the other reader finds out which
    value = _parse_member_by_member(data)
    _walk(value, 1, exact=True)
    return value


# A string, closed or not, or what stands before a value: nothing is looked at twice.
_STRING_OR_SEPARATOR = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|([,\[{])', re.DOTALL)


def _has_more_values(data: bytes, values_max: int) -> bool:
    """Whether a text has more separators than that: its values are no more, but for one."""
    if data.count(b",") + data.count(b"{") + data.count(b"[") <= values_max:
        return False
    outside = (found for found in _STRING_OR_SEPARATOR.finditer(data) if found.lastindex)
    return next(islice(outside, values_max, None), None) is not None


def jcs(value: JSON) -> bytes:
    """Return the canonical form of `value` (RFC 8785): the bytes that are hashed and signed."""
    try:
        text = orjson.dumps(value, option=_SORTED)
        # What reads back as it was is JSON: no tuple, no number that is none, no name that is no text.
        if (text.isascii() or _BEYOND_BMP.search(text) is None) and orjson.loads(text) == value:
            mended = _mend_numbers(text)
            if mended is not None:
                return mended
    except (orjson.JSONEncodeError, orjson.JSONDecodeError):
        pass  # the walk finds out why
    try:
        ready, exact = _walk(value, 1, exact=True)
        if exact:
            return orjson.dumps(ready, option=orjson.OPT_SORT_KEYS)
        return rfc8785.dumps(value)  # type: ignore[no-any-return, unused-ignore]
    except (orjson.JSONEncodeError, rfc8785.CanonicalizationError, UnicodeError) as error:
        raise CredentialError("malformed", f"The document has no canonical form: {error}.") from error


def jcs_member(name: str, value: JSON) -> bytes:
    """Return a member as it stands in the canonical form of an object, for `jcs_of_members`."""
    if type(value) is str and len(value) <= STRING_CHARACTERS_MAX >= len(name):
        with suppress(orjson.JSONEncodeError):  # half of a surrogate pair: refused below
            return orjson.dumps({name: value})[1:-1]
    return jcs({name: value})[1:-1]


def jcs_of_members(members: Mapping[str, bytes]) -> bytes:
    """Return the canonical form of an object from that of its members: as `jcs` of the whole object.

    They stand in the order of their names in UTF-16 (RFC 8785, 3.2.3).
    """
    names = sorted(members)
    if not "".join(names).isascii():  # else the order of UTF-16 is that of the code points
        names.sort(key=lambda name: name.encode("utf-16-be"))
    return b"{" + b",".join([members[name] for name in names]) + b"}"


_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
# Names with these may be in another order; they are looked for in the whole text.
_BEYOND_BMP = re.compile(rb"[\xf0-\xf4]")
_TO_BRACES = bytes.maketrans(b"[]", b"{}")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_NO_BRACKETS_NOR_QUOTES = bytes(byte for byte in _NO_BRACKETS if byte != ord('"'))
_INTEGRAL = re.compile(rb"\.0(?=[,}\]])")  # the end of a float that is a whole number, or of a string
_NEGATIVE_ZERO = re.compile(rb"-0(?=\.0[,}\]])")


def _mend_numbers(text: bytes) -> bytes | None:
    """Return a text that orjson wrote with its numbers as RFC 8785 writes them; None: ask the walk.

    The text shows where they differ, and that it is within the limits, at a fifth of the cost of a walk over
    the value.
    """
    if b".0" not in text and b"e-" not in text and _is_plainly_small(text):
        return text
    parts = _parts(text)
    outside = b'"'.join(parts[::2])
    if b"e+" in outside or b"e-" in outside or not _within_limits(text, outside) or outside.endswith(b".0"):
        return None
    if b".0" not in outside:
        return text
    if b"-0.0" not in outside:
        mended, found = _INTEGRAL.subn(b"", text)
        if found == len(_INTEGRAL.findall(outside)):  # none in a string
            return mended
    escapes = b"\\" in text
    parts[::2] = _INTEGRAL.sub(b"", _NEGATIVE_ZERO.sub(b"0", outside)).split(b'"')
    text = b'"'.join(parts)
    return text.replace(b"\0\0", b"\\\\").replace(b"\0\1", b'\\"') if escapes else text


def _parts(text: bytes) -> list[bytes]:
    """Cut a text that orjson wrote at its quotation marks: what is outside of strings, inside, outside...

    Escaped backslashes and quotation marks are hidden behind bytes that such a text cannot have.
    """
    if b"\\" in text:
        text = text.replace(b"\\\\", b"\0\0").replace(b'\\"', b"\0\1")
    return text.split(b'"')


def _outside(text: bytes) -> tuple[bytes, int]:
    """What is outside of strings in a text that orjson wrote, and the bytes of the longest string.

    A piece at a time: the parts of a text of some megabytes would take ten times as much.
    """
    if b"\\" in text:
        text = text.replace(b"\\\\", b"\0\0").replace(b'\\"', b"\0\1")
    kept: list[bytes] = []
    inside = longest = begun = 0  # begun: of the string that goes on in the next piece
    for start in range(0, len(text), PIECE_BYTES):
        parts = text[start : start + PIECE_BYTES].split(b'"')
        kept.append(b'"'.join(parts[inside::2]))
        lengths = [begun, *map(len, parts[1 - inside :: 2])]
        if inside:
            lengths[1] += begun
        longest = max(longest, *lengths)
        inside = (inside + len(parts) - 1) % 2
        begun = lengths[-1] if inside else 0
    return b"".join(kept), longest


def _within_limits(text: bytes, outside: bytes) -> bool:
    """Say whether no string can be too long and nothing is nested too deep."""
    return len(text) - len(outside) <= STRING_CHARACTERS_MAX and _is_shallow(outside)


def _is_small(text: bytes) -> bool:
    """Whether a text that orjson wrote is within the limits, and no integer in it became a float."""
    outside, longest = _outside(text)
    # An integer that did not fit became a float of 1e19 or more.
    return b"e+" not in outside and longest <= STRING_CHARACTERS_MAX and _is_shallow(outside)


def _is_plainly_small(text: bytes) -> bool:
    """The same at a third of the cost, of most texts; False: the text has to be cut up to tell.

    Strings lose all but quotation marks and brackets, and marks that stand side by side are taken out. From
    the left, each that opens a string then meets the one that closes it, up to the first string with a
    bracket: from there on marks are left over.
    """
    if len(text) > STRING_CHARACTERS_MAX or b"\\" in text or b"e+" in text:
        return False
    return _has_few_levels(text.translate(_TO_BRACES, _NO_BRACKETS_NOR_QUOTES).replace(b'""', b""))


def _is_shallow(outside: bytes) -> bool:
    """Say whether nothing is nested too deep."""
    return _has_few_levels(outside.translate(_TO_BRACES, _NO_BRACKETS))


def _has_few_levels(brackets: bytes) -> bool:
    # Each round takes the innermost brackets away: as many rounds as there are levels.
    for _ in range(DEPTH_MAX):
        if not brackets:
            break
        brackets = brackets.replace(b"{}", b"")
    return not brackets


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
        raise CredentialError("malformed", _why_not_json(data, error)) from error
    return value


# What people send in place of JSON, by the first bytes.
_OTHER_FILES = (
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"PK\x03\x04", "a ZIP archive or an Office file (XLSX, DOCX)"),
    (b"%PDF", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "an Office file (XLS, DOC)"),
    (b"\xff\xfe\0\0", "text in UTF-32"),
    (b"\0\0\xfe\xff", "text in UTF-32"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"<", "HTML or XML"),
)
_MARK = b"\xef\xbb\xbf"
_WORDS = (  # of the reader, in ours
    ("infinity", "a number is too large"),
    ("surrogate", "a text has half of a surrogate pair"),
    ("expected a JSON value", "something that is no JSON value"),
    ("invalid literal", "something that is no JSON value"),
    ("depth limit", "it is nested too deep"),
)


def _why_not_json(data: bytes, error: ValueError) -> str:
    """What is wrong with a text that is not JSON, where, and what to do about it."""
    kind = next((name for beginning, name in _OTHER_FILES if data.startswith(beginning)), None)
    kind = "text in UTF-16" if kind is None and b"\0" in data[:2] else kind
    if not data.strip():
        return "The document is empty: JSON is expected."
    if kind is not None:
        return f"The document is {kind}; JSON is expected, saved as UTF-8."
    if data.startswith(_MARK):
        return "The document begins with a byte order mark (EF BB BF): save it as UTF-8 without one."
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return (
            f"The document is not UTF-8: the byte at offset {wrong.start} is 0x{data[wrong.start]:02X}. "
            "Save the file as UTF-8 and send it again."
        )
    if isinstance(error, json.JSONDecodeError):
        what = next((ours for theirs, ours in _WORDS if theirs in error.msg), error.msg.rstrip("."))
        return f"The document is not JSON: {what} in line {error.lineno}, column {error.colno}."
    return f"The document is not JSON: {error!s:.200}."


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


def _refuse_string(text: str) -> NoReturn:
    raise CredentialError(
        "malformed", f"A string has {len(text)} characters; at most {STRING_CHARACTERS_MAX} are read."
    )


def _walk(value: Any, depth: int, *, exact: bool) -> tuple[Any, bool]:
    """Hold `value` to the limits; return what orjson writes as RFC 8785 asks, and whether it does so exactly.

    orjson differs in integral floats (mended here), in other floats that ECMAScript writes without an
    exponent, and in the order of names beyond the Basic Multilingual Plane (both left to `rfc8785`).
    `exact` says that floats were floats in the text that was read.
    """
    kind = type(value)
    if kind is dict or kind is list:
        if depth > DEPTH_MAX:
            raise CredentialError("malformed", f"The document is nested deeper than {DEPTH_MAX} levels.")
        same = True
        if kind is list:
            items = []
            for member in value:
                item, written = _walk(member, depth + 1, exact=exact)
                same &= written
                items.append(item)
            return items, same
        members = {}
        for name, member in value.items():
            if type(name) is not str:
                raise CredentialError("malformed", "The name of a member is not a string.")
            if len(name) > STRING_CHARACTERS_MAX:
                _refuse_string(name)
            if not name.isascii() and max(name) > "\ud7ff":
                same = False
            # Short strings are most of a document; the test is repeated here to save the call.
            if type(member) is not str or len(member) > STRING_CHARACTERS_MAX:
                member, written = _walk(member, depth + 1, exact=exact)  # noqa: PLW2901
                same &= written
            members[name] = member
        return members, same
    if kind is str:
        if len(value) > STRING_CHARACTERS_MAX:
            _refuse_string(value)
        return value, True
    if kind is float:
        if not math.isfinite(value):
            raise CredentialError("malformed", "A number is not finite and has no canonical form.")
        if abs(value) > INTEGER_MAX and not exact:
            raise _LargeFloat
        if value.is_integer() and abs(value) <= INTEGER_MAX:
            return int(value), True
        return value, 1e-5 <= abs(value) < 1e15
    if kind is int:
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            _refuse_integer(str(value) if value.bit_length() < 1000 else "1" * 301)
        return value, True
    if value is None or kind is bool:
        return value, True
    raise CredentialError("malformed", f"A value of type {kind.__name__} is not JSON.")
