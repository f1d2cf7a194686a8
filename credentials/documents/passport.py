"""The battery passport: its Annex XIII sets, what they must contain when, and what they say against the code.

A passport in the BatteryPass 1.2 shape is split into up to four sets, one per point of Annex XIII to
Regulation (EU) 2023/1542: 1 public, 2 legitimate interest and authorities, 3 test reports, 4 the individual
battery. Which member belongs where and answers which of the 71 data points is read from
`passport-paths.json`, what is mandatory for which category from when from `eu-datapoints-v2.json`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

import jsonschema_rs

from consensus.encoding import Value, encode
from credentials.documents.canonical import jcs
from credentials.documents.code_schemes import is_calendar_date
from credentials.documents.identifiers import Identifier
from credentials.documents.selecting import carries, is_answered
from credentials.documents.shapes import reason_of
from credentials.errors import CredentialError

POINTS = (1, 2, 3, 4)
SET_LIST_TAG = "comity/sets/v1"

Claims = dict[str, Any]

_LAW_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


class PointState(StrEnum):
    """What can be said about one data point of one passport at one law date."""

    PRESENT = "present"
    MISSING = "missing"
    WITHHELD = "withheld"  # its set was not shown: it may well be there
    NOT_YET_REQUIRED = "not_yet_required"
    NOT_APPLICABLE = "not_applicable"  # repeats another data point, or is for other categories
    CERTAIN_CASES = "certain_cases"  # absent, and required in certain cases only: not a gap


class DataPointState(NamedTuple):
    """One of the 71 data points of the Commission's guidance, and its state."""

    dp: int
    name: str
    provision: str | None
    point: int  # of Annex XIII
    state: PointState


@dataclass(frozen=True, slots=True)
class CodeMismatch:
    """The code says one thing, the passport another (rule X16)."""

    name: str  # product_type, chemistry, date, category
    code_value: str
    passport_value: str
    confirmed: bool  # False: the meaning of the code's symbol is inferred, a person should look


class PassportSchema:
    """The compiled JSON Schema of a passport set; it covers the whole credential (VC JSON Schema, 2)."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.id: str = schema["$id"]
        self._validator = jsonschema_rs.validator_for(dict(schema))

    def check(self, document: Mapping[str, Any]) -> None:
        """Raise CredentialError("schema_invalid") naming the first member that does not fit."""
        try:
            self._validator.validate(dict(document))  # ends at the first: a document may have very many
        except jsonschema_rs.ValidationError as error:
            where = ".".join(str(step) for step in error.instance_path)  # as BatteryPass writes its paths
            told = f"{where}: {reason_of(error)}" if where else reason_of(error)
            raise CredentialError("schema_invalid", f"{told} (schema {self.id}).") from None


def split(claims: Mapping[str, Any], paths: Mapping[str, Any]) -> dict[int, Claims]:
    """Split the submodels of a passport into its four sets; a member assigned to no point is refused."""
    sets: dict[int, Claims] = {point: {} for point in POINTS}
    _require_model(claims, paths)
    for path, points, value in _assigned(claims, paths["members"], _parents(paths["members"])):
        for point in points:
            _put(sets[point], path, value)
    for projection in paths["projections"]:
        projected = _project(_get(_whole_of(sets, projection, paths), projection["path"]), projection)
        if projected:
            _put(sets[projection["point"]], tuple(projection["path"].split(".")), projected)
    return sets


def require_possible(claims: Mapping[str, Any], paths: Mapping[str, Any]) -> None:
    """Refuse claims of which two cannot be true together; what is not given, or no number, bounds nothing."""
    for rising in paths.get("rising", ()):
        given = [(dotted, value) for dotted in rising if _is_number(value := _get(claims, dotted))]
        for (lower, least), (upper, most) in pairwise(given):
            if least > most:
                raise CredentialError(
                    "value_impossible", f"{lower} is {least} and {upper} is {most}: one of the two is wrong."
                )
    for shares in paths.get("shares", ()):
        items = _get(claims, shares["path"])
        for item in items if isinstance(items, list) else ():
            parts = [_get(item, name) for name in shares["members"]]
            # As they are written: as binary numbers, shares of 100 would be a little more than 100.
            if sum(Decimal(str(part)) for part in parts if _is_number(part)) > shares["most"]:
                raise CredentialError(
                    "value_impossible",
                    f"{' and '.join(shares['members'])} of one item of {shares['path']} are more than "
                    f"{shares['most']} together: one of them is wrong.",
                )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def merge(sets: Mapping[int, Mapping[str, Any]], paths: Mapping[str, Any]) -> Claims:
    """Put the sets that were shown together again; sets that contradict each other are refused."""
    merged: Claims = {}
    for point in sorted(sets):
        part = {name: sets[point][name] for name in _submodels(paths) if name in sets[point]}
        for projection in paths["projections"]:
            whole = _get(_whole_of(sets, projection, paths), projection["path"])
            if projection["point"] == point and whole is not None:
                if _get(part, projection["path"]) not in (None, _project(whole, projection)):
                    _contradiction(projection["path"])
                part = _without(part, projection["path"].split("."))
        _merge_into(merged, part, ())
    return merged


def category(claims: Mapping[str, Any], paths: Mapping[str, Any]) -> str:
    """Return the category in the words of the data points, `EV`, `LMT` or `industrial`; set 1 suffices."""
    value = _get(claims, "GeneralProductInformation.batteryCategory")
    if not isinstance(value, str) or value not in paths["categories"]:
        raise CredentialError(
            "schema_invalid",
            "GeneralProductInformation.batteryCategory must be one of "
            + ", ".join(paths["categories"])
            + ".",
        )
    return str(paths["categories"][value])


def completeness(
    sets_present: Mapping[int, Mapping[str, Any]],
    category: str,
    law_date: str,
    datapoints: Mapping[str, Any],
    paths: Mapping[str, Any],
) -> list[DataPointState]:
    """Return the state of every data point for a battery of `category` under the law of `law_date`.

    `sets_present` holds the subjects (or bare sets) that were shown, by their point; `category` is a word of
    BatteryPass or of the data points.
    """
    category = paths["categories"].get(category, category)
    if category not in paths["categories"].values():
        raise CredentialError("schema_invalid", f"The battery category {category[:40]!a} is not known.")
    if not _LAW_DATE.fullmatch(law_date) or not is_calendar_date(*map(int, law_date.split("-"))):
        raise CredentialError(
            "malformed", f"The law date {law_date[:40]!a} is not a date such as 2027-03-01."
        )
    phased = {dp: rule["from"][category] for rule in datapoints["phasedObligations"] for dp in rule["dps"]}
    states = []
    for row in datapoints["dataPoints"]:
        dp, point = row["dp"], point_of(row)
        shown = sets_present.get(point)
        if dp not in phased and row[category] == "not-to-be-filled":
            state = PointState.NOT_APPLICABLE
        elif shown is not None and is_answered(shown, paths["dataPoints"][str(dp)]):
            state = PointState.PRESENT
        elif not _in_force(phased.get(dp, datapoints["passportRequiredFrom"]), law_date):
            state = PointState.NOT_YET_REQUIRED
        elif shown is None:
            state = PointState.WITHHELD
        elif row[category] in ("certain-cases", "optional"):
            state = PointState.CERTAIN_CASES
        else:
            state = PointState.MISSING
        states.append(DataPointState(dp, row["name"], row["provision"], point, state))
    return states


def set_list(version: int, digests: Mapping[int, bytes]) -> Value:
    """Return what an attestation of a passport is about: the digest of each of its sets."""
    assert digests and set(digests) <= set(POINTS), "a passport has one to four sets"
    return [SET_LIST_TAG, version, {point: digests[point] for point in sorted(digests)}]


def set_list_digest(version: int, digests: Mapping[int, bytes]) -> bytes:
    """Return the payload of the attestation of a passport."""
    return hashlib.sha256(encode(set_list(version, digests))).digest()


def code_mismatches(
    identifier: Identifier, claims: Mapping[str, Any], rules: Mapping[str, Any]
) -> list[CodeMismatch]:
    """Compare a code with the values of set 1 (rule X16); absent values are not compared.

    Of schemes that a network adds, only the day of production is comparable: what else a symbol means there
    is not in terms of BatteryPass.
    """
    made = _get(claims, "GeneralProductInformation.manufacturingDate")
    if identifier.scheme != "gbt34014":
        dated = made is not None and identifier.manufactured is not None
        return _date_mismatch(identifier, str(made)) if dated else []
    found = []
    product_type = identifier.fields["productType"]
    if product_type != rules["productTypeOfPassport"]:
        found.append(
            CodeMismatch("product_type", product_type, rules["productTypeOfPassport"], confirmed=True)
        )
    chemistry = _get(claims, "MaterialComposition.batteryChemistry.shortName")
    if chemistry is not None:
        found += _chemistry_mismatch(identifier.fields["batteryType"], str(chemistry), rules["chemistry"])
    if made is not None:
        found += _date_mismatch(identifier, str(made))
    return found


def _chemistry_mismatch(letter: str, chemistry: str, table: Mapping[str, Any]) -> list[CodeMismatch]:
    family = chemistry.rstrip("0123456789")  # NMC811 is NMC
    meant_by = {
        name: (symbol, sure)
        for group, sure in (("confirmed", True), ("presumed", False))
        for symbol, names in table[group].items()
        for name in names
    }
    if family not in meant_by:
        return []  # a chemistry without a letter of its own
    symbol, sure = meant_by[family]
    if letter == symbol:
        return []
    # One sure letter decides: it has no other chemistry, and its chemistry no other letter.
    return [CodeMismatch("chemistry", letter, chemistry, sure or letter in table["confirmed"])]


def _date_mismatch(identifier: Identifier, made: str) -> list[CodeMismatch]:
    """Compare with the date on the wall at the place of manufacture: the offset as declared, not UTC."""
    assert identifier.manufactured is not None, "only a code that carries a date is compared with one"
    year, month, day = identifier.manufactured
    coded = f"{year}-{month:02}" + (f"-{day:02}" if day is not None else "")
    if made.startswith(coded):
        return []
    sure = not made.startswith(coded[:7]) or "code_day_inferred" not in identifier.notes
    return [CodeMismatch("date", coded, made[:10], sure)]


def _assigned(
    value: Mapping[str, Any],
    members: Mapping[str, Sequence[int]],
    parents: Set[str],
    path: tuple[str, ...] = (),
    inherited: Sequence[int] | None = None,
) -> Iterator[tuple[tuple[str, ...], Sequence[int], Any]]:
    """Yield every part of `value` that goes as a whole to the points it is assigned to."""
    for name, member in value.items():
        here = (*path, name)
        dotted = ".".join(here)
        points = members.get(dotted, inherited)
        if "." in name:
            points = None
        elif dotted in parents and isinstance(member, dict):
            if member:
                yield from _assigned(member, members, parents, here, points)
                continue
            points = points or (1,)
        if points is None and dotted in parents and "." not in name:
            raise CredentialError(
                "schema_invalid",
                f"{dotted[:120]!a} is an object of BatteryPass 1.2: what stands there has no members.",
            )
        if points is None:
            raise CredentialError(
                "schema_invalid",
                f"{dotted[:120]!a} is no member of BatteryPass 1.2, so that nobody has said who may see it "
                "(Reg (EU) 2023/1542, Annex XIII). Leave it out, or use the model's name for it.",
            )
        yield here, points, member


def _require_model(claims: Mapping[str, Any], paths: Mapping[str, Any]) -> None:
    """Refuse claims of another model as a whole, instead of its first member."""
    submodels = _submodels(paths)
    if not any(name in claims for name in submodels):
        found = ", ".join(f"{name[:40]!a}" for name in list(claims)[:5]) or "nothing"
        raise CredentialError(
            "schema_invalid",
            f"The claims are not in the form of {paths['model']}: an object with its submodels "
            f"{', '.join(submodels)}. The file has none of them; it has {found}.",
        )


def _parents(members: Iterable[str]) -> Set[str]:
    """The paths below which there are assigned members."""
    return _parents_of(tuple(members))


@lru_cache(maxsize=4)  # the members of a table or two
def _parents_of(members: tuple[str, ...]) -> frozenset[str]:
    return frozenset(path[:end] for path in members for end, symbol in enumerate(path) if symbol == ".")


def _whole_of(
    sets: Mapping[int, Mapping[str, Any]], projection: Mapping[str, Any], paths: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the set that holds the whole of a projected member, as far as it was shown."""
    return sets.get(paths["members"][projection["path"]][0], {})


def _put(target: Claims, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        target = target.setdefault(name, {})
    target[path[-1]] = value


def _get(value: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _without(value: Mapping[str, Any], path: Sequence[str]) -> Claims:
    name, *rest = path
    if name not in value:
        return dict(value)
    if not rest:
        return {key: member for key, member in value.items() if key != name}
    inner = _without(value[name], rest)
    return {key: inner if key == name else member for key, member in value.items() if key != name or inner}


def _project(items: Any, projection: Mapping[str, Any]) -> list[Claims]:
    if not isinstance(items, list):
        return []
    return [
        {name: item[name] for name in projection["members"] if name in item}
        for item in items
        if isinstance(item, dict) and carries(item, projection["where"])
    ]


def _merge_into(target: Claims, part: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for name, member in part.items():
        if name not in target:
            target[name] = _merged_copy(member)
        elif isinstance(target[name], dict) and isinstance(member, dict):
            _merge_into(target[name], member, (*path, name))
        elif jcs(target[name]) != jcs(member):
            _contradiction(".".join((*path, name)))


def _merged_copy(member: Any) -> Any:
    # Only objects are merged further; lists and values stay as they were received.
    return {key: _merged_copy(value) for key, value in member.items()} if isinstance(member, dict) else member


def _contradiction(dotted: str) -> NoReturn:
    raise CredentialError(
        "structure_invalid", f"The sets of this passport contradict each other in {dotted[:120]!a}."
    )


def _submodels(paths: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(path.partition(".")[0] for path in paths["members"]))


def point_of(row: Mapping[str, Any]) -> int:
    """The point of Annex XIII to which a data point belongs, by its row of the table."""
    return _point_of(row["access"])


@lru_cache(maxsize=16)  # the words for the points of Annex XIII
def _point_of(access: str) -> int:
    return 1 if access == "public" else int(access.removeprefix("XIII."))


def _in_force(since: str | None, law_date: str) -> bool:
    return since is not None and since <= law_date  # ISO dates sort as text
