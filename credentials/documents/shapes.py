"""What a JSON Schema says against a value, in words: which member, in the sender's own spelling, and why.

A place is told as a person would find it: `mass_kg of line 3`, not as a pointer into a tree that nobody sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

VALUE_CHARACTERS_MAX, MESSAGE_CHARACTERS_MAX = 60, 160
_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}
_KINDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
}


def place_of(path: Sequence[Any], document: object) -> str:
    """Where in `document` something is: innermost first; empty for the document itself."""
    words: list[str] = []
    value = document
    for step in path:
        if isinstance(step, int) and isinstance(value, list) and 0 <= step < len(value):
            value = value[step]
            name = words.pop() if words else "list"
            # Lines have numbers of their own, by which their sender knows them.
            one = name if name.endswith("us") else name.removesuffix("s")
            number = value.get(one) if isinstance(value, dict) else None
            number = number if type(number) is int else step + 1
            words.append(f"{one} {number}")
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
            words.append(str(step)[:VALUE_CHARACTERS_MAX])
    return " of ".join(reversed(words))


def reason_of(error: Any, patterns: Mapping[str, str] | None = None) -> str:
    """Why a value does not fit. `patterns` says what a text of a pattern is. A long value is cut."""
    kind, shown = error.kind, error.instance
    match kind.name:
        case "type":
            kinds = [_KINDS[name] for name in kind.types if name in _KINDS]
            return f"{_shown(shown)} is not {' or '.join(kinds)}"
        case "required":
            return f"{kind.property} is missing"
        case "additionalProperties" | "unevaluatedProperties":
            return f"{_shown(kind.unexpected[0])} is not a member that is known here"
        case "enum":
            named = ", ".join(str(option) for option in kind.options if option is not None)
            return f"{_shown(shown)} is not one of {named}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            bound = _BOUNDS[kind.name]
            return f"{_shown(shown)} is not {bound} {kind.limit}"
        case "maxItems" | "minItems":
            bound = "at most" if kind.name == "maxItems" else "at least"
            return f"there are {len(shown)} items, and {bound} {kind.limit} are taken"
        case "maxLength" | "minLength":
            bound = "at most" if kind.name == "maxLength" else "at least"
            return f"the text has {len(shown)} characters, and {bound} {kind.limit} are taken"
        case "pattern":
            return (
                f"{_shown(shown)} is not {(patterns or {}).get(kind.pattern, f'of the form {kind.pattern}')}"
            )
        case "anyOf":
            # Of what may also be null, the other form is the one that was meant.
            tried = [failed for alternative in kind.context for failed in alternative]
            meant = [failed for failed in tried if getattr(failed.kind, "types", None) != ["null"]]
            if len(meant) == 1:
                return reason_of(meant[0], patterns)
            return f"{_shown(shown)} has none of the forms that are taken"
    message = re.sub(r"\s+", " ", str(error.message))
    return message if len(message) <= MESSAGE_CHARACTERS_MAX else "…" + message[-MESSAGE_CHARACTERS_MAX:]


def sentence_of(error: Any, document: object, patterns: Mapping[str, str] | None = None) -> str:
    """Place and reason as one clause, without its stop."""
    place = place_of(error.instance_path, document).replace("line of line ", "the number of line ", 1)
    reason = reason_of(error, patterns)
    return f"{place}: {reason}" if place else reason


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[: VALUE_CHARACTERS_MAX - 3] + "..."
