"""Reading a request: strict JSON of a known shape, and the few query arguments."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, overload

import jsonschema_rs
from flask import request
from werkzeug.exceptions import HTTPException

from consensus.encoding import INTEGER_MAX
from credentials.documents.canonical import parse_json
from credentials.documents.shapes import sentence_of
from node.api.schemas import DATE, DIGEST, schema_document
from node.errors import bad_request
from node.storage.found_by import GRAM, words_of

SEARCH_MAX, SEARCH_WORDS_MAX = 100, 8  # characters and words of what is searched for
INTEGER = re.compile(r"[0-9]{1,16}")
PATTERNS = {DATE["pattern"]: "a day, YYYY-MM-DD", DIGEST["pattern"]: "a digest: 43 characters of base64url"}


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for(schema_document(name))


def raw_body() -> bytes:
    """The body as sent; how large it may be says its route, before anything is read."""
    try:
        return request.get_data(cache=True)
    except HTTPException:
        raise
    except (OSError, ValueError) as error:
        raise bad_request(
            "body_unreadable", "The body ended early or cannot be read; send it again."
        ) from error


def require_shape(value: Any, schema: str) -> Any:
    """`value` if it has the shape `schema`; else a 400 that says which member has not."""
    try:
        _validator(schema).validate(
            value
        )  # ends at the first error: each of a million holds what it is about
    except jsonschema_rs.ValidationError as error:
        raise bad_request("wrong_shape", f"{sentence_of(error, value, PATTERNS)}.") from None
    return value


def json_text(data: bytes, schema: str, size_bytes_max: int) -> dict[str, Any]:
    """Strictly parsed JSON of the shape `schema`: a duplicate key is refused, not resolved."""
    value: dict[str, Any] = require_shape(parse_json(data, size_bytes_max=size_bytes_max), schema)
    return value


def json_body(schema: str, size_bytes_max: int) -> dict[str, Any]:
    """The request's body as strict JSON of the shape `schema`."""
    return json_text(raw_body(), schema, size_bytes_max)


@overload
def integer_argument(name: str, default: int, *, largest: int = INTEGER_MAX) -> int: ...
@overload
def integer_argument(name: str, default: int | None, *, largest: int = INTEGER_MAX) -> int | None: ...
def integer_argument(name: str, default: int | None, *, largest: int = INTEGER_MAX) -> int | None:
    """An integer query argument in 0..largest (ASCII digits only)."""
    text = request.args.get(name)
    if text is None or text == "":
        return default
    if not INTEGER.fullmatch(text) or int(text) > largest:
        told = "`{name}` must be a whole number from 0 to {largest}."
        raise bad_request("bad_argument", told, name=name, largest=largest)
    return int(text)


def searched() -> tuple[str, list[str]]:
    """What was asked for as `q`, and its words as they are compared; none: the whole list is meant."""
    text = request.args.get("q", "").strip()
    words = words_of(text[: SEARCH_MAX + 1])
    if len(text) > SEARCH_MAX or len(words) > SEARCH_WORDS_MAX:
        told = "Search with at most {words} words and {characters} characters: fewer, or a part of one."
        raise bad_request("search_too_long", told, words=SEARCH_WORDS_MAX, characters=SEARCH_MAX)
    if short := next((word for word in words if len(word) < GRAM), None):
        told = (
            "Write three characters of each word or more (one is enough in a script without capital "
            "letters): {word} is too short."
        )
        raise bad_request("search_too_short", told, word=short)
    return text, words
