"""What a JSON Schema says against a value, in the sender's own words."""

from typing import Any

import jsonschema_rs
import pytest

from credentials.documents.shapes import sentence_of

SCHEMA = {
    "type": "object",
    "required": ["lines"],
    "additionalProperties": False,
    "properties": {
        "direction": {"enum": ["import", "export"]},
        "note": {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 5}]},
        "day": {"type": "string", "pattern": "^[0-9]{4}$"},
        "credentialStatus": {"type": "array", "items": {"properties": {"status": {"type": "boolean"}}}},
        "lines": {
            "type": "array",
            "maxItems": 3,
            "items": {
                "type": "object",
                "required": ["battery"],
                "properties": {
                    "mass_kg": {"type": ["number", "null"]},
                    "documents": {"type": "array", "items": {"type": "object"}},
                },
            },
        },
    },
}
LINE = {"battery": "x"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "[] is not an object"),
        ({}, "lines is missing"),
        ({"lines": [LINE], "extra": 1}, '"extra" is not a member that is known here'),
        ({"lines": [LINE, {**LINE, "mass_kg": "452,5"}]}, 'mass_kg of line 2: "452,5" is not a number'),
        ({"lines": [{**LINE, "line": 70, "mass_kg": True}]}, "mass_kg of line 70: true is not a number"),
        ({"lines": [{**LINE, "documents": [{}, None]}]}, "document 2 of line 1: null is not an object"),
        ({"lines": [{}]}, "line 1: battery is missing"),
        ({"lines": [LINE] * 4}, "lines: there are 4 items, and at most 3 are taken"),
        (
            {"lines": [LINE], "credentialStatus": [{"status": "no"}]},
            'status of credentialStatus 1: "no" is not true or false',
        ),
        ({"lines": [LINE], "direction": None}, "direction: null is not one of import, export"),
        (
            {"lines": [LINE], "note": "abcdef"},
            "note: the text has 6 characters, and at most 5 are taken",
        ),
        ({"lines": [LINE], "day": "9" * 100}, 'day: "' + "9" * 56 + "... is not a year"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_place_and_reason_in_words(value: Any, told: str) -> None:
    """
    The member as it is written, the line by its own number, and no pointer, type or null of ours.
    """
    error = next(iter(jsonschema_rs.validator_for(SCHEMA).iter_errors(value)))

    assert sentence_of(error, value, {"^[0-9]{4}$": "a year"}) == told
