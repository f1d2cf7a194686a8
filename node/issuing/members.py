"""Members of an event, read from what a person or a program sent: one function for each type of member.

Text forms are those of the command line: lists with commas, `true` and `false`, digests in base64url. What
cannot be read raises ValueError (or CredentialError) with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NotRequired, TypedDict

import orjson

from consensus.application import Refusal
from consensus.encoding import whole_numbers
from credentials.documents.canonical import b64u_decode
from credentials.documents.code_schemes import CodeScheme
from credentials.documents.identifiers import (
    Identifier,
    canonical_beginning,
    canonical_commodity_code,
    canonical_declaration_number,
    canonical_did,
    canonical_eori,
    canonical_namespace,
)
from credentials.documents.recycled_lots import read_lots
from credentials.documents.spelling import joined, shown, trimmed, upper
from credentials.errors import CredentialError
from credentials.ledger.lifecycle import AHEAD_OF_EVENT, Event, Member
from credentials.ledger.payload import PREFIXES_MAX, Criteria
from credentials.ledger.values import require_in_range, require_within
from node.errors import ProblemError, bad_request

JSON = dict[str, Any]
_DAY_S = 86_400
_WHOLE = re.compile(r"[0-9]{1,16}")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
_USCC = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 2000:
        raise ValueError("not a text of 1 to 2000 characters")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(text := trimmed(value)):
        value = int(text)
    if type(value) is not int or not whole_numbers(value):
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
    digest = value.strip() if isinstance(value, str) else ""
    if not _DIGEST.fullmatch(digest) or len(b64u_decode(digest)) != 32:
        raise ValueError("not a digest: 43 characters of base64url")
    return digest


def _country(value: Any) -> str:
    text = upper(trimmed(_text(value)))
    if len(text) != 2 or not (text.isascii() and text.isalpha()):
        raise ValueError("not a country code of two letters, such as NL")
    return text


def _party(value: Any) -> str:
    """A DID, or a party without a node by its EORI or USCC: its one text."""
    text = trimmed(_text(value))
    scheme, colon, number = text.partition(":")
    if not colon or scheme.lower() not in ("eori", "uscc"):
        return canonical_did(text)
    if scheme.lower() == "eori":
        return f"eori:{_eori(number)}"
    number = upper(joined(number))
    if not _USCC.fullmatch(number):
        raise ValueError("a USCC has 18 characters: digits and capitals without I, O, S, V and Z (GB 32100)")
    return f"uscc:{number}"


def _eori(value: Any) -> str:
    return canonical_eori(_text(value))


def _table(value: Any, example: str) -> JSON:
    """An object, or its JSON as text."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"not JSON, such as {example}") from error
    if not isinstance(value, dict):
        raise ValueError(f"not an object, such as {example}")
    return dict(value)


class CriteriaMember(TypedDict):
    """What a recall covers, as the event document has it; days are YYYY-MM-DD."""

    prefixes: list[str]
    produced_from: NotRequired[str]
    produced_until: NotRequired[str]


class SetsMember(TypedDict):
    """The sets of a passport by Annex XIII point, as the event document has them."""

    version: int
    points: dict[str, str]


def _criteria(value: Any) -> CriteriaMember:
    """{"prefixes": [beginnings of codes], "produced_from": day, "produced_until": day}; as text: JSON."""
    table = _table(value, '{"prefixes": ["ZZ1PE75"]}')
    if not table.keys() <= {"prefixes", "produced_from", "produced_until"}:
        raise ValueError("it has prefixes, produced_from and produced_until, and nothing else")
    prefixes = sorted(set(_texts(table["prefixes"]))) if "prefixes" in table else []
    days = {k: _date(table[k]) for k in ("produced_from", "produced_until") if table.get(k)}
    if not prefixes and not days:
        raise ValueError("it says what it covers: beginnings of codes, or days of production")
    if len(prefixes) > PREFIXES_MAX:
        raise ValueError(f"a recall names at most {PREFIXES_MAX} beginnings of codes: publish several")
    criteria: CriteriaMember = {"prefixes": prefixes}
    if "produced_from" in days:
        criteria["produced_from"] = days["produced_from"]
    if "produced_until" in days:
        criteria["produced_until"] = days["produced_until"]
    return criteria


def _date(value: Any) -> str:
    text = trimmed(_text(value))
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f"{shown(text)} is not a day, such as 2027-03-01") from error


def _sets(value: Any) -> SetsMember:
    """{"1": digest, ...} with an optional "version" (1); as text: JSON of the same."""
    example = '{"1": "43 characters of base64url"}'
    table = _table(value, example)
    version = table.pop("version", 1)
    points = _table(table["points"], example) if "points" in table else table
    if not points or any(str(p) not in ("1", "2", "3", "4") for p in points):
        raise ValueError(f"not digests by Annex XIII point, such as {example}")
    return {"version": _whole(version), "points": {str(p): _digest(d) for p, d in points.items()}}


def read_criteria(value: CriteriaMember) -> Criteria:
    """The criteria of a recall as the ledger has them: days are seconds, the last day is whole."""
    since, until = value.get("produced_from"), value.get("produced_until")
    return Criteria(
        tuple(value["prefixes"]),
        None if since is None else seconds_of(since),
        None if until is None else seconds_of(until) + _DAY_S - 1,
    )


def seconds_of(day: str) -> int:
    """The first second (UTC) of a day."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


LOTS, LOTS_GRAMS = "recycled_lots", "recycled_grams"

VALUES: Mapping[str, Callable[[Any], Any]] = {
    "text": _text,
    "texts": _texts,
    "date": _date,
    "integer": _whole,
    "boolean": _truth,
    "digest": _digest,
    "digests": lambda v: [_digest(one) for one in _texts(v)],
    "identifier": _text,
    "identifiers": _texts,
    "did": lambda v: canonical_did(_text(v)),
    "party": _party,
    "eori": _eori,
    "commodity_code": lambda v: canonical_commodity_code(_text(v)),
    "criteria": _criteria,
    "declaration": lambda v: canonical_declaration_number(_text(v)),
    "vin": _text,
    "country": _country,
    "sets": _sets,
}


def namespace_of(text: str, rules: Mapping[str, Any]) -> Identifier:
    """A namespace of codes, which a recall is about: `gbt34014:ZZ1`; `rules`: those of identifiers."""
    scheme, colon, namespace = text.strip().partition(":")
    if not colon or not scheme or not namespace:
        raise bad_request(
            "identifier_malformed",
            "a recall is about a namespace: scheme and maker's code, such as gbt34014:ZZ1",
        )
    try:
        namespace = canonical_namespace(scheme, namespace, rules.get("schemes", {}))
    except CredentialError as error:
        raise bad_request("identifier_malformed", error.message) from error
    known = rules.get("gs1", {}).get("companyPrefixes", [])
    if scheme == "gs1" and namespace not in known:
        raise bad_request(
            "identifier_malformed",
            "{namespace} is no GS1 company prefix that codes are read by here: {known}",
            namespace=namespace,
            known=tuple(known),
        )
    name = f"{scheme}:{namespace}"
    return Identifier("recall", name, name)


def spell_beginnings(
    values: Mapping[str, Any], about: Identifier, schemes: Mapping[str, CodeScheme]
) -> Mapping[str, Any]:
    """The members of a recall with the beginnings of codes as the codes of its namespace are written."""
    asked = values.get("criteria")
    if asked is None:
        return values
    scheme, _, namespace = about.namespace.partition(":")
    try:
        prefixes = sorted(
            {canonical_beginning(scheme, namespace, text, schemes) for text in asked["prefixes"]}
        )
    except CredentialError as error:
        raise bad_request("members_malformed", error.message) from error
    return {**values, "criteria": asked | {"prefixes": prefixes}}


def name_vehicle(members: JSON, vin: str | None, identify: Callable[..., Identifier]) -> None:
    """The vehicle may be given beside the members or among them; two different ones are nobody's (L18)."""
    if vin is None:
        return
    given = [identify(str(text), "vin").canonical for text in (vin, members.get("vin", vin))]
    if given[0] != given[1]:
        raise bad_request(
            "members_malformed", "two vehicles in one statement: {given:and}", given=tuple(given)
        )
    members["vin"] = vin


def read_members(event: Event, members: JSON, identify: Callable[..., Identifier], happened: int) -> JSON:
    """The members in the form of the document of what happened then; 400 naming what is missing or wrong."""
    unknown = sorted(members.keys() - event.members.keys())
    missing = sorted(
        m.name for m in event.members.values() if m.required and members.get(m.name) in (None, "")
    )
    if unknown or missing:
        listed = ", ".join(
            f"{m.name} ({m.type}{'' if m.required else ', optional'})" for m in event.members.values()
        )
        wrong = f"{unknown[0]} is not one of them" if unknown else f"{missing[0]} is missing"
        raise bad_request("members_malformed", f"{event.type} has the members {listed or 'none'}: {wrong}")
    read = {
        name: _read(event.members[name], value, identify)
        for name, value in members.items()
        if value is not None
    }
    for name, value in read.items():
        _require_begun(event.members[name], value, happened)
        _require_one_each(event.members[name], value, read.get(event.members[name].one_each or "", ()))
    _require_lots(read)
    try:
        require_within(event, read)
    except Refusal as why:
        raise _impossible(why) from why
    return read


def wrong_members(
    event: Event, members: Mapping[str, str], identify: Callable[..., Identifier]
) -> dict[str, ProblemError]:
    """What cannot be read, by member: each is looked at for itself, so that all are told at once."""
    found: dict[str, ProblemError] = {}
    for member in event.members.values():
        value = members.get(member.name)
        if value in (None, ""):
            if member.required:
                found[member.name] = bad_request("members_malformed", "Fill this in.")
            continue
        try:
            read = _read(member, value, identify)
            if member.type == "integer":
                require_in_range(member, read)
        except ProblemError as problem:
            found[member.name] = problem
        except Refusal as why:
            found[member.name] = _impossible(why)
    return found


def _read(member: Member, value: Any, identify: Callable[..., Identifier]) -> Any:
    try:
        read = VALUES[member.type](value)
    except (ValueError, TypeError, KeyError, CredentialError) as error:
        raise bad_request(
            "members_malformed", f"{member.name} is of the type {member.type} ({member.text}): {error}"
        ) from error
    if member.type == "identifier":
        read = identify(read).uri
    elif member.type == "identifiers":
        read = [identify(one).uri for one in read]
    elif member.type == "vin":
        read = identify(read, "vin").canonical
    # A declaration that can only be made, or not: what says that it is not so is no such statement.
    words = read if isinstance(read, list) else [str(read).lower() if type(read) is bool else read]
    if member.values and not all(word in member.values for word in words):
        told = "{member} is one of {values}, not {given}"
        values = tuple(member.values)
        raise bad_request("members_malformed", told, member=member.name, values=values, given=repr(read))
    _require_possible(member, read)
    return read


def _require_possible(member: Member, value: Any) -> None:
    """A value that cannot be is refused before it is signed; the ledger asks the same of what it holds."""
    if member.type == "integer":
        try:
            require_in_range(member, value)
        except Refusal as why:
            raise _impossible(why) from why
    elif member.not_after is not None and value > _latest_day(datetime.now(UTC)):
        told = "{member} is {given}, a day that has not begun anywhere yet"
        raise ProblemError(422, "value_impossible", "Not possible", told, member=member.name, given=value)


def _require_begun(member: Member, value: Any, happened: int) -> None:
    """A test, or a production, is not dated later than what it belongs to is said to have happened."""
    if member.not_after == AHEAD_OF_EVENT and value > (
        day := _latest_day(datetime.fromtimestamp(happened, UTC))
    ):
        told = "{member} is {given}, and it happened by {day}: one of the two is wrong"
        raise ProblemError(
            422, "value_impossible", "Not possible", told, member=member.name, given=value, day=day
        )


def _require_one_each(member: Member, value: Any, others: Sequence[str]) -> None:
    """A list that goes along another has one for each of it: else nobody knows which is whose."""
    if member.one_each is not None and len(value) != len(others):
        told = "{member} has {count}, {others} has {most}: give one for each, in their order"
        raise ProblemError(
            422,
            "value_impossible",
            "Not possible",
            told,
            member=member.name,
            count=len(value),
            others=member.one_each,
            most=len(others),
        )


def _require_lots(read: Mapping[str, Any]) -> None:
    """The lots that a new battery names are so many grams as it says on the ledger."""
    if LOTS not in read and LOTS_GRAMS not in read:
        return
    try:
        named = sum(lot.grams for lot in read_lots(read.get(LOTS, ())))
    except CredentialError as error:
        raise bad_request(error.code, "{why}", why=error) from error
    if named != read.get(LOTS_GRAMS):
        told = "{lots} are {count} g, and {grams} says {most}: give both, and the same"
        given = {"lots": LOTS, "count": named, "grams": LOTS_GRAMS, "most": read.get(LOTS_GRAMS, 0)}
        raise ProblemError(422, "value_impossible", "Not possible", told, **given)


def _impossible(why: Refusal) -> ProblemError:
    return ProblemError(422, why.code, "Not possible", "{why}", why=why)


def require_day_of_code(identifier: Identifier, stated: str) -> None:
    """The stated day of production is the one that the code carries: by both a recall looks for it."""
    if identifier.manufactured is None:
        return
    year, month, day = identifier.manufactured
    carried = f"{year:04}-{month:02}" + (f"-{day:02}" if day else "")
    if not stated.startswith(carried):
        raise ProblemError(
            422,
            "value_impossible",
            "Not possible",
            "the code {code} says that the battery was made in {carried}, the statement says {stated}: one "
            "of the two is wrong",
            code=identifier.canonical,
            carried=carried,
            stated=stated,
        )


def _latest_day(at: datetime) -> str:
    """The day that it is then where the day begins first (UTC+14)."""
    return (at + timedelta(hours=14)).date().isoformat()
