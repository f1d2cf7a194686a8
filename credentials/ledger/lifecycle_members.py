"""The members of an event, as the table of the life cycle has them: types, bounds, what bounds what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from credentials.ledger.lifecycle import (
    AHEAD_OF_EVENT,
    AHEAD_OF_SIGNING,
    LEDGER_FIELDS,
    MEMBER_TYPES,
    Member,
    rules_invalid,
)
from credentials.ledger.table_reading import integer_of, one_of, require_keys, strings_of, text_of, truth_of

_MEMBER_KNOWN = (
    *("type", "required", "text", "values", "minimum", "maximum"),
    *("at_most", "one_each", "part_of", "monotone", "not_after", "own"),
)


def read_members(event: str, rows: object, ledger: object) -> dict[str, Member]:
    if not isinstance(rows, Mapping) or not isinstance(ledger, Mapping) or not ledger.keys() <= rows.keys():
        raise rules_invalid(f"{event}: ledger_members are among its members")
    members = {name: _member(event, name, row, ledger.get(name)) for name, row in rows.items()}
    for member in members.values():
        _require_bound(event, member, members)
    return members


def _require_bound(event: str, member: Member, members: Mapping[str, Member]) -> None:
    """What bounds a member is in the same place: the ledger compares what it holds, and no document."""
    each = members.get(member.one_each or "")
    if member.one_each is not None and not (each is not None and _is_list(each) and _is_list(member)):
        raise rules_invalid(f"{event}.{member.name}: one_each names another list of it, and is for lists")
    if member.at_most is None:
        return
    bound = members.get(member.at_most)
    like = bound is not None and (bound.type, bound.ledger) == (member.type, member.ledger)
    if member.type != "integer" or not like or bound is member:
        raise rules_invalid(
            f"{event}.{member.name}: at_most names another integer of it, in the delta as well"
        )


def _is_list(member: Member) -> bool:
    return member.type in ("texts", "identifiers", "digests")


def _member(event: str, name: str, row: Mapping[str, Any], ledger: object) -> Member:
    where = f"{event}.{name}"
    require_keys(row, _MEMBER_KNOWN, ("type", "required", "text"), where)
    bounds = {key: integer_of(row[key], where) for key in ("minimum", "maximum") if key in row}
    words = strings_of(row.get("values", []), where)
    member = Member(
        name=text_of(name, where),
        type=one_of(row["type"], MEMBER_TYPES, where) or "",
        required=truth_of(row["required"], f"{where} required"),
        text=text_of(row["text"], where),
        values=words,
        ledger=one_of(ledger, LEDGER_FIELDS, where),
        at_most=None if "at_most" not in row else text_of(row["at_most"], f"{where} at_most"),
        one_each=None if "one_each" not in row else text_of(row["one_each"], f"{where} one_each"),
        part_of=None if "part_of" not in row else text_of(row["part_of"], f"{where} part_of"),
        monotone=truth_of(row.get("monotone", False), f"{where} monotone"),
        own=truth_of(row.get("own", False), f"{where} own"),
        not_after=one_of(row.get("not_after"), frozenset({AHEAD_OF_SIGNING, AHEAD_OF_EVENT}), where),
        **(bounds if row["type"] != "boolean" else _truths(words, where)),
    )
    if bounds.keys() != ({"minimum", "maximum"} if member.type == "integer" else set()):
        raise rules_invalid(f"{where}: an integer, and nothing else, has a minimum and a maximum")
    if member.minimum is not None and member.maximum is not None and member.minimum > member.maximum:
        raise rules_invalid(f"{where}: its minimum is above its maximum")
    if member.ledger == "quantities" and member.type not in ("integer", "boolean"):
        raise rules_invalid(f"{where}: a quantity of the ledger is an integer or a boolean")
    if member.monotone and member.ledger != "quantities":
        raise rules_invalid(f"{where}: only a quantity of the ledger can be compared with earlier ones")
    if member.own and (member.type not in ("identifier", "identifiers") or member.ledger is None):
        raise rules_invalid(f"{where}: own is for codes that the ledger sees")
    if member.not_after is not None and member.type != "date":
        raise rules_invalid(f"{where}: not_after is for dates")
    return member


def _truths(words: Sequence[str], where: str) -> dict[str, int]:
    """Between what a boolean lies as a quantity of the ledger: 1 says that it is so, 0 that it is not."""
    said = [("false", "true").index(one_of(word, ("false", "true"), where) or "") for word in words]
    return {"minimum": min(said, default=0), "maximum": max(said, default=1)}
