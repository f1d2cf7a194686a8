"""What must stand in the rule files that verdicts read, before one is held or gone by.

`require_table` examines one file, whole and by itself: members, types, ranges, and what one member of it
says of another. `require_together` examines what readers of several files rely on, and `strange_reference`
what a file names that no other has: no reader fails by that, and whoever wrote it meant something else.
`lifecycle.json`, and codes and requirements that a network adds, have strict readers of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from credentials.documents.code_schemes import require_own_layouts
from credentials.errors import CredentialError
from credentials.ledger.recognition import Effect
from credentials.table_shapes import (
    Shape,
    ShapeError,
    by_name,
    day,
    listed,
    one_of,
    only_if,
    or_null,
    pattern,
    plain,
    some_text,
    table,
    text,
    text_like,
    truth,
    whole,
)
from credentials.verdicts.crosswalk import is_crosswalk_file, require_evidence, require_rows

ACCESS, COMMODITY, DATA_POINTS = "annex-xiii-access.json", "commodity.toml", "eu-datapoints-v2.json"
CODES, LIFECYCLE, PATHS, VERDICTS = "gbt34014.json", "lifecycle.json", "passport-paths.json", "verdicts.json"
CROSSWALK, EVIDENCE, SHOWN_AS = "crosswalk-eu-cn.json", "crosswalk-evidence.json", "shown-as.toml"
CATEGORIES = ("EV", "LMT", "industrial")  # in the words of the data points
DATA_POINTS_MAX, DIGITS_MAX = 999, 12
# Members of verdicts.json under `events`: those that name events, and other lists of words.
_OF_KINDS = ("presentation", "border", "sameJourney", "released", "origin", "inVehicle")
_OF_OTHERS = ("outdatesTests", "underDeclaration", "underCustoms")
# Words of an axis that the code which makes a cell compares with others, whatever a record says (`cell.py`).
_WORDS_OF_CODE = {"use": ("used", "ended"), "lineage": ("disputed",)}

_anything = only_if(lambda _: True, "anything")
_SAID = {"$comment": _anything, "format": whole(1, 1)}  # of any of these files
_texts, _some_texts = listed(some_text), listed(some_text, least=1)
_side = text_like(r"[A-Z]{2,8}", "a jurisdiction: 2 to 8 capitals")
_path = text_like(r"[^.]+(\.[^.]+)*", "a path of member names with dots between them")
_digits = text_like(rf"[0-9]{{1,{DIGITS_MAX}}}", f"1 to {DIGITS_MAX} digits")
_points = listed(whole(1, DATA_POINTS_MAX), least=1, once=True)

_GOODS = table(
    {"prefixes": listed(_digits, least=1), "vin_required": truth, "mass_compared": truth},
    {"not_prefixes": listed(_digits, least=1), "en": some_text, "zh": some_text},
)
_PHASED = table({"dps": _points, "from": table(dict.fromkeys(CATEGORIES, or_null(day)))}, {"basis": text})
_FILLED = one_of("mandatory", "certain-cases", "optional", "not-to-be-filled")
_DATA_POINT = table(
    {
        "dp": whole(1, DATA_POINTS_MAX),
        "name": some_text,
        "provision": or_null(text),
        "access": one_of("public", "XIII.1", "XIII.2", "XIII.3", "XIII.4"),
        **dict.fromkeys(CATEGORIES, _FILLED),
    },
    {"audiences": _texts, "dynamic": truth, "reason": text},
)
_WHERE = by_name(plain, least=1)
_SELECTORS = listed(table({"path": _path}, {"where": _WHERE, "member": _path}))
_ANSWERS = table({}, {"any": _SELECTORS, "all": _SELECTORS})
_ANNEX_XIV = table({"text": _texts, "true": _texts, "positive": _texts})
_COUNTRY = text_like(r"[A-Z]{2}", "a country: 2 capitals")
_TESTED_IN = table(
    {"member": some_text, "countries": by_name(listed(_COUNTRY, least=1, once=True), name=_side)}
)
_CHANGES = table({"needed": _ANNEX_XIV, "tested": some_text, "tested_in": _TESTED_IN})
_CHEMISTRY = by_name(listed(some_text), name=text_like(r"[A-Z]", "a capital"))


def _answered(value: object, where: str) -> None:
    _ANSWERS(value, where)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ShapeError(f"{where} has one of any and all")


def _events(reason: Shape) -> Shape:
    return table(
        {
            **dict.fromkeys((*_OF_KINDS, *_OF_OTHERS), _texts),
            "annexXiv": by_name(_ANNEX_XIV),
            "soh": by_name(some_text),
            "sohRow": some_text,
            "sohQuantity": some_text,
            "inItsVehicle": table({"states": _texts, "as": some_text}),
            "ended": by_name(reason),
            "fates": by_name(reason),
        },
        {"$comment": _anything, "changes": _CHANGES, "moved": _texts, "partsOut": by_name(some_text)},
    )


_LAYOUT = table(
    {"length": whole(5, 40), "fields": listed(_anything, least=1)},
    {"regex": pattern},
    ("note", "confirmed", "checkCharacter", "checkCharacterNote"),
)
_PROJECTION = table({"path": _path, "point": whole(1, 4), "where": _WHERE, "members": _some_texts})
_SHARES = table({"path": _path, "members": _some_texts, "most": whole(1, 100)})
_POINT_NAME = text_like(r"[1-9][0-9]{0,2}", "a number of a data point")
_EFFECT = one_of(*(effect.value for effect in Effect))

_SHAPES: Mapping[str, Shape] = {
    ACCESS: table(
        {"audiences": by_name(listed(one_of("1", "2", "3", "4"), once=True), least=1)},
        {**_SAID, "points": by_name(text), "notes": listed(text)},
    ),
    COMMODITY: table(
        {"digits": listed(whole(2, DIGITS_MAX), least=1), "goods": by_name(_GOODS, least=1)}, _SAID
    ),
    DATA_POINTS: table(
        {
            "passportRequiredFrom": day,
            "phasedObligations": listed(_PHASED),
            "dataPoints": listed(_DATA_POINT, least=1),
        },
        {
            **_SAID,
            "asOf": day,
            "passportRequiredIn": _side,
            "judgedIn": listed(_side),
            "passportRequiredOf": _texts,
        },
    ),
    PATHS: table(
        {
            "model": some_text,
            "categories": by_name(one_of(*CATEGORIES), least=1),
            "members": by_name(listed(whole(1, 4), least=1, once=True), name=_path, least=1),
            "projections": listed(_PROJECTION),
            "dataPoints": by_name(_answered, name=_POINT_NAME, least=1),
        },
        {**_SAID, "rising": listed(listed(_path, least=2, once=True)), "shares": listed(_SHARES)},
    ),
    CODES: table(
        {
            "newProductCode": _LAYOUT,
            "cascadeCode": _LAYOUT,
            "productTypeOfPassport": text_like(r"[A-Z]", "a capital"),
            "chemistry": table({"confirmed": _CHEMISTRY, "presumed": _CHEMISTRY}, {"$comment": _anything}),
        },
        {
            **_SAID,
            "catenaXRegexAsPublished": pattern,
            "gs1": table({"companyPrefixes": listed(_digits, once=True)}, {"$comment": _anything}),
        },
        ("standard", "catenaXRegexNote", "semanticRules", "examples", "negative"),
    ),
    CROSSWALK: table(
        {"jurisdiction": _side, "rows": listed(_anything, least=1)},
        {**_SAID, "legalBasesForRecognition": listed(_anything)},
    ),
    EVIDENCE: table(
        {"acceptedEffects": listed(_EFFECT, once=True), "rows": by_name(_anything)},
        _SAID,
    ),
}


def _verdicts(reasons: Mapping[str, Any]) -> Shape:
    reason = only_if(lambda v: type(v) is str and v in reasons, "a code of reasons.toml")
    return table({"precedence": listed(reason, least=1, once=True), "events": _events(reason)}, _SAID)


def _shown_as(value: object, where: str) -> None:
    """Its own reader proves the rest of it (`shown_as.py`)."""
    axes = value.get("axes") if isinstance(value, Mapping) else None
    for axis, words in _WORDS_OF_CODE.items():
        listed_words = axes.get(axis) if isinstance(axes, Mapping) else None
        for word in words:
            if not isinstance(listed_words, list) or word not in listed_words:
                raise ShapeError(f"axes.{axis} is a list with the word {word}")


def require_table(name: str, rules: Any, reasons: Mapping[str, Any]) -> None:
    """Raise CredentialError("rules_invalid", sentence) unless every reader of this file can read it all."""
    own = {VERDICTS: _verdicts(reasons), SHOWN_AS: _shown_as}
    shape = own.get(name) or _SHAPES.get(name)
    if shape is None:
        return
    try:
        shape(rules, "")
        _require_within(name, rules)
    except ShapeError as error:
        raise CredentialError("rules_invalid", f"{name} cannot be used: {error}") from error


def _require_within(name: str, rules: Mapping[str, Any]) -> None:
    """What members of one file say of each other."""
    if name == DATA_POINTS:
        _require_points(rules)
    elif name == PATHS:
        for number, one in enumerate(rules["projections"]):
            if one["path"] not in rules["members"]:
                raise ShapeError(f"projections[{number}].path is one of members")
        bounded = (*rules.get("rising", ()), *([one["path"]] for one in rules.get("shares", ())))
        for dotted in (dotted for chain in bounded for dotted in chain):
            if not any(f"{dotted}.".startswith(f"{member}.") for member in rules["members"]):
                raise ShapeError(f"rising and shares are about members: {dotted:.80} is none")
    elif name == VERDICTS:
        events = rules["events"]
        if unknown := sorted(events["annexXiv"].keys() - events["soh"].keys()):
            raise ShapeError(
                f"events.soh has the day of the test in each of annexXiv, and lacks {unknown[0]}"
            )
    elif name == CODES:
        require_own_layouts(name, [rules["newProductCode"], rules["cascadeCode"]])
    elif name == CROSSWALK:
        require_rows(name, rules["rows"])
    elif name == EVIDENCE:
        for row_id in sorted(rules["rows"]):
            require_evidence(name, row_id, rules["rows"][row_id])


def _require_points(rules: Mapping[str, Any]) -> None:
    seen: set[int] = set()
    for number, row in enumerate(rules["dataPoints"]):
        if row["dp"] in seen:
            raise ShapeError(f"dataPoints[{number}].dp is there twice: {row['dp']}")
        seen.add(row["dp"])


def require_together(rules: Mapping[str, Any]) -> None:
    """What readers of several files rely on; raises CredentialError("rules_invalid", sentence)."""
    asked = {str(row["dp"]) for row in rules[DATA_POINTS]["dataPoints"]}
    if lacking := sorted(asked - rules[PATHS]["dataPoints"].keys(), key=int):
        told = f"{PATHS} cannot be used beside {DATA_POINTS}: dataPoints.{lacking[0]} is missing"
        raise CredentialError("rules_invalid", told)


def strange_reference(rules: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    """The first thing that these files name in vain, or lack though records of `before` name it; or None.

    Both are all rule files by name, each of which can be read.
    """
    known = _words_of_records(rules[LIFECYCLE])
    for section, words in _words_of_records(before[LIFECYCLE]).items():
        if gone := sorted(words - known[section]):
            told = f"{LIFECYCLE} has no {gone[0]:.60} among its {section} any more"
            return f"{told}, which records of this network may name"
    for where, kind in _kinds_named(rules):
        if kind not in known["events"]:
            return f"{where} names {kind:.60}, and {LIFECYCLE} has no such event"
    return None


def _words_of_records(lifecycle: Mapping[str, Any]) -> dict[str, set[str]]:
    """The words of a life cycle that stay in what is recorded under it, by what they are."""
    return {
        "events": {row["type"] for row in (*lifecycle["events"], *lifecycle.get("kinds", ()))},
        **{section: set(lifecycle[section]) for section in ("states", "marks", "settings", "roles")},
        **{f"{sort} schemes": set(lifecycle["schemes"][sort]) for sort in ("battery", "asset")},
    }


def _kinds_named(rules: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(place, event) for each event that a rule file names."""
    events = rules[VERDICTS]["events"]
    for member in (*_OF_KINDS, *({"moved"} & events.keys())):
        yield from ((f"{VERDICTS} (events.{member})", kind) for kind in events[member])
    for name in sorted(rules):
        if name == EVIDENCE:
            yield from _kinds_accepted(name, rules[name]["rows"].items())
        elif is_crosswalk_file(name):
            yield from _kinds_accepted(name, rules[name]["evidence"].items())


def _kinds_accepted(name: str, rows: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for row_id, mapping in rows:
        for part in mapping["parts"]:
            yield from ((f"{name} ({row_id})", way["event"]) for way in part["accepts"] if "event" in way)
        yield from ((f"{name} ({row_id})", kind) for kind in mapping.get("applies", {}).get("event", ()))
