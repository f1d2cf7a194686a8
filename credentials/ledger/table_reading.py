"""Members of the table of the life cycle, read by their types: anything else is refused, with its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from credentials.ledger.lifecycle import rules_invalid


def require_keys(row: object, known: Sequence[str], required: Sequence[str], where: str) -> None:
    if not isinstance(row, Mapping):
        raise rules_invalid(f"{where} is not an object")
    for key in row:
        if key not in known:
            raise rules_invalid(f"{where} has the unknown member {key!r}")
    for key in required:
        if key not in row:
            raise rules_invalid(f"{where} lacks {key}")


def rows_of(value: object, where: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise rules_invalid(f"{where} is not a list of objects")
    return value


def text_of(value: object, where: str) -> str:
    if type(value) is not str:
        raise rules_invalid(f"{where} is not text")
    return value


def truth_of(value: object, where: str) -> bool:
    if type(value) is not bool:
        raise rules_invalid(f"{where} is true or false")
    return value


def integer_of(value: object, where: str) -> int:
    if type(value) is not int or value < 0:
        raise rules_invalid(f"{where} is not a whole number")
    return value


def texts_of(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise rules_invalid(f"{where} is not an object")
    return {text_of(key, where): text_of(text, where) for key, text in value.items()}


def strings_of(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise rules_invalid(f"{where} is not a list")
    return tuple(text_of(item, where) for item in value)


def words_of(value: object, known: Mapping[str, Any], where: str) -> tuple[str, ...]:
    words = strings_of(value, where)
    for word in words:
        if word not in known:
            raise rules_invalid(f"{where}: {word!r} is not known")
    return words


def one_of(value: object, known: Collection[str], where: str) -> str | None:
    if value is None:
        return None
    if type(value) is not str or value not in known:
        raise rules_invalid(f"{where}: {value!r} is not known")
    return value


def day_of(value: object, where: str) -> int:
    try:
        return int(datetime.strptime(text_of(value, where), "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise rules_invalid(f"{where}: {value!r} is not a day") from error
