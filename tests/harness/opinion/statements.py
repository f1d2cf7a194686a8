"""The members and references of each act, read from the table of events of the code under test."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from .acts import Act
from .masses import grams
from .parties import MAKER

DAY, DAY_BEFORE = "2027-01-15", "2027-01-10"
MADE_DAY, MADE_ON = "2026-06-03", 1_780_444_800  # as every code says, and its first second
_TEXTS = {
    "category": "ev",
    "ground": "26(e)",
    "basis": "registry_check",
    "scope": "item",
    "event_kind": "other",
    "commodity_code": "8507600000",
    "element": "co",
}


def members_of(act: Act, book: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members of an act's document, and the members of its attestation that follow from them.

    `book` signs for the code under test: it has the table of events, codes, subjects and passports.
    """
    event = next(e for e in book.table["events"] if e["type"] == act.event)
    members: dict[str, Any] = {}
    delta: dict[str, Any] = {}
    for member, rule in event["members"].items():
        value = _value(act, member, rule, book)
        if value is None:
            continue
        members[member] = value
        _refer(act, (member, value), event["ledger_members"].get(member), delta, book)
    if act.parties:
        delta["parties"] = act.parties
    return members, delta


def _refer(act: Act, member: tuple[str, Any], where: str | None, delta: dict[str, Any], book: Any) -> None:
    if where == "quantities":
        delta.setdefault("quantities", {})[member[0]] = int(member[1])
    elif where == "produced_on":
        delta["produced_on"] = MADE_ON
    elif where == "bound_asset":
        delta["bound_asset"] = _vehicle(act, book)
    elif where == "children_root":
        delta["children_root"] = root_of(act, book)
    elif where == "references":
        delta["references"] = _references(act, book)


def root_of(act: Act, book: Any) -> bytes:
    """The root (RFC 9162) over the sorted keys of what is inside, as a maker gives it with a production."""
    return _root([sha256(b"\0" + key).digest() for key in sorted(map(book.key, act.inside))])


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + _root(leaves[:half]) + _root(leaves[half:])).digest()


def b64u(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _references(act: Act, book: Any) -> tuple[Any, ...]:
    if act.about_version:
        return (book.passport(act.battery, act.about_version, MAKER, act.about_names).digest,)
    return tuple(book.subject(other) for other in act.others)


def _vehicle(act: Act, book: Any) -> Any:
    from .stage import border

    return border.subject_of(f"{act.vehicle}")


def _one_of(act: Act, member: str, book: Any) -> Any:
    """The one battery that a member names: of the parts of a repair what was put in, or taken out."""
    if member == "child_in":
        return book.code(act.put_in) if act.put_in is not None else None
    out = [other for other in act.others if other != act.put_in]
    return book.code(out[0]) if out else None


def _value(act: Act, member: str, rule: Any, book: Any) -> Any:
    kind = rule["type"]
    if member == "declaration_number":
        return act.declaration
    if member == "children_root":
        return b64u(root_of(act, book)) if act.inside else None
    if member == "production_date":
        return MADE_DAY
    if member == "commodity_code" and act.vehicle:
        return "8703800000"  # declared as the vehicle it came in
    if kind == "sets":
        return None  # the digests of the sets are the document itself
    if kind == "vin":
        return act.vehicle
    if kind in ("did", "party"):
        return act.parties[0] if act.parties else None
    if kind == "identifier":
        return _one_of(act, member, book)
    if kind == "identifiers":
        return [book.code(other) for other in act.others] or None
    if kind == "texts":
        return list(act.fates) or ["reuse"] * len(act.others)
    if member in ("attestation_digest", "passport_digest"):
        return "digest"
    if (weighed := grams(act, member)) is not None and (rule["required"] or member in dict(act.weights)):
        return weighed
    if member == "never_left":
        return True if act.never_left else None
    if kind == "date" and act.tested_before:
        return DAY_BEFORE
    if not rule["required"]:
        return act.tested_in if kind == "country" else None
    if "values" in rule and kind == "text":
        return _TEXTS.get(member, rule["values"][0])
    return {
        "date": DAY,
        "text": _TEXTS.get(member, "1"),
        "integer": 500,
        "boolean": True,
        "digest": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "country": "DE",
        "commodity_code": "8507600000",
        "eori": "DE123456789",
    }.get(kind, "1")
