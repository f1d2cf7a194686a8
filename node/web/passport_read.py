"""A passport as a person reads it: what it says to each data point, by the name that the law has for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credentials.documents.passport import merge
from credentials.documents.selecting import values_of
from credentials.errors import CredentialError
from node.catalogues import LANGUAGES, in_language, number
from node.errors import ProblemError
from node.issuing.label import UNITS
from node.rules_in_force import rule_table
from node.service import Service
from node.web.labels import choice_word

CHARACTERS_MAX = 400  # of one value
CATEGORY = 6  # the data point that is chosen from a list

# What tells one battery from another at a table: a name of `glance` in sentences.toml, the data point that
# says it, the member of the line that declares it, the checks that compare the two.
GLANCE: tuple[tuple[str, int | None, str | None, tuple[str, ...]], ...] = (
    ("maker", 3, None, ()),
    ("model", 7, None, ("code_matches_passport",)),
    ("category", CATEGORY, None, ("category",)),
    ("chemistry", 12, None, ()),
    ("mass", 10, "mass_kg", ("mass",)),
    ("capacity", 11, None, ()),
    ("made_on", 9, None, ()),
    ("made_at", 8, None, ()),
    ("condition", None, "condition", ("condition", "new_not_used")),
    ("goods", None, "goods", ("goods", "commodity_code")),
    ("vehicle", None, "vin", ("vin",)),
)
# The worst of what the checks say is what the row says; a row without any is compared by eye.
COMPARED = (
    ("differs", ("fail",)),
    ("unknown", ("indeterminate", "not_checked")),
    ("agrees", ("pass", "warn")),
)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}T")


@dataclass(frozen=True, slots=True)
class PassportRead:
    """The sets of one passport that this node has and that the reader may see."""

    digest: str
    version: int
    issuer: str
    live: bool
    values: Mapping[int, str]  # data point -> what the passport says
    closed: int  # sets that are not held here, or not for this reader


@dataclass(frozen=True, slots=True)
class GlanceRow:
    """One thing to hold against the goods: as declared, as the passport says, and whether they agree."""

    name: str
    declared: str | None
    stated: str
    compared: str  # differs | unknown | agrees | by_eye


def read_passport(
    service: Service, battery: str, digest: str | None, audience: str, language: str = LANGUAGES[0]
) -> PassportRead | None:
    """The passport with this digest, of those on record about a battery; None: there is none."""
    try:
        known = service.batteries.battery(battery, audience)["passports"]
    except ProblemError:
        return None  # an identifier that cannot be read has no passport
    found = next((one for one in known if one["digest"] == digest), None)
    if found is None:
        return None
    paths = rule_table("passport-paths.json", service.overview.history.latest)
    sets = {
        int(point): _claims(service, one, audience)
        for point, one in found["points"].items()
        if found["held"][point]
    }
    try:
        claims: Mapping[str, Any] = merge(sets, paths)
    except CredentialError:
        claims = {}  # sets that contradict each other: their documents are there to be read
    return PassportRead(
        digest=found["digest"],
        version=found["version"],
        issuer=found["issuer"],
        live=found["live"],
        values=_values(claims, paths["dataPoints"], language),
        closed=len(found["points"]) - len(sets),
    )


def _values(claims: Mapping[str, Any], points: Mapping[str, Any], language: str) -> dict[int, str]:
    found = {int(point): values_of(claims, rule) for point, rule in points.items()}
    told = {point: _told(values, UNITS.get(point), language) for point, values in found.items() if values}
    if CATEGORY in told:
        told[CATEGORY] = choice_word(told[CATEGORY], language)
    return told


def _claims(service: Service, digest: str, audience: str) -> Mapping[str, Any]:
    subject = service.records.document(digest, audience).get("credentialSubject")
    return subject if isinstance(subject, dict) else {}


def glance(
    item: Mapping[str, Any], passport: PassportRead | None, language: str = LANGUAGES[0]
) -> list[GlanceRow]:
    """What to hold against the goods, as far as anybody said something of it."""
    rows = []
    for name, point, member, checks in GLANCE:
        declared = item.get(member) if member is not None else None
        if declared is not None:
            declared = _told([declared], UNITS.get(point or 0), language)
        said = passport.values.get(point, "") if passport is not None and point is not None else ""
        if declared is None and not said:
            continue
        outcomes = {check["outcome"] for check in item["checks"] if check["name"] in checks}
        compared = (word for word, those in COMPARED if not outcomes.isdisjoint(those))
        rows.append(GlanceRow(name, declared, said, next(compared, "by_eye")))
    return sorted(rows, key=lambda row: row.compared != "differs")


def _told(values: Sequence[Any], unit: str | None, language: str) -> str:
    """Values as text; of one number with its unit."""
    text = "; ".join(dict.fromkeys(filter(None, (_text(value, language) for value in values))))
    if unit is not None and len(values) == 1 and type(values[0]) in (int, float):
        return f"{text} {unit}"
    return text if len(text) <= CHARACTERS_MAX else f"{text[:CHARACTERS_MAX]}…"


def _text(value: Any, language: str) -> str:
    if isinstance(value, Mapping):
        return ", ".join(filter(None, (_text(part, language) for part in value.values())))
    if isinstance(value, list):
        return "; ".join(filter(None, (_text(part, language) for part in value)))
    if isinstance(value, bool):
        return in_language("yes" if value else "no", language)
    if isinstance(value, float):
        return number(value, language)
    if isinstance(value, str) and _DAY.match(value):
        return value[:10]
    return "" if value is None else str(value)
