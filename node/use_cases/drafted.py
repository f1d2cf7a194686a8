"""The records of a change that a person filled in: one function for each sort of change (`drafting.py`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypedDict

from credentials.errors import CredentialError
from credentials.ledger.engine_terms import FOUNDED, EngineTerm
from credentials.ledger.genesis import parse_card
from credentials.ledger.genesis_table import REFUSED, accreditation_table, participant_table
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import TYPES, stop_table
from credentials.ledger.parties import Accreditation, Participant, Pause, Stop
from credentials.ledger.recognition import Effect, Recognition
from credentials.toml_text import TomlTextError, parse_toml
from node.use_cases.governance_shown import name_of

Given = Mapping[str, str]
_EVERY = "*"
_ROW = re.compile(r"[A-Z]{2,8}-[0-9]{2,3}")
_NUMBER = re.compile(r"[0-9]{1,15}")


class FieldProblemError(ValueError):
    """What was filled in cannot be meant: which field, and the code of a sentence with its parameters."""

    def __init__(self, field: str, code: str, **parameters: Any) -> None:
        super().__init__(code)
        self.field, self.code, self.parameters = field, code, parameters


class DraftedRecord(TypedDict):
    """A record as it would be: its table is that of genesis."""

    type: str
    name: str
    table: Mapping[str, Any]


Maker = Callable[[Governance, Given, int, str], list[DraftedRecord]]  # ..., time, who proposes


def _record(kind: str, name: str, table: Mapping[str, Any]) -> DraftedRecord:
    return {"type": kind, "name": name, "table": dict(table)}


# -- participants --------------------------------------------------------------------------------------


def _admitted(_governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    newcomer = _card(given["card"])
    return [_party(replace(newcomer, address=given.get("address") or newcomer.address))]


def _renamed(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    return [_party(replace(governance.participants[given["who"]], name=given["name"]))]


def _moved(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    return [_party(replace(governance.participants[given["who"]], address=given["url"]))]


def _recovered(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    newer = _card(given["card"])
    before = governance.participants.get(newer.did)
    if before is None:
        raise FieldProblemError("card", "stranger", did=newer.did)
    if newer.recovery is None:
        raise FieldProblemError("card", "no_recovery")
    return [_party(replace(before, recovery=newer.recovery))]


def _expelled(governance: Governance, given: Given, at: int, _own: str) -> list[DraftedRecord]:
    gone = _party(replace(governance.participants[given["who"]], left=at))
    left = [did for did in governance.validator_dids if did != given["who"]]
    return [gone] if len(left) == len(governance.validator_dids) else [gone, _voting(left)]


def _party(participant: Participant) -> DraftedRecord:
    return _record("participant", participant.did, participant_table(participant))


def _card(text: str) -> Participant:
    try:
        return parse_card(text.encode())
    except CredentialError as error:
        why = error.message.removeprefix(REFUSED)
        raise FieldProblemError("card", "document", detail=why) from error


# -- licences and recognitions -------------------------------------------------------------------------


def _recognised(governance: Governance, given: Given, at: int, _own: str) -> list[DraftedRecord]:
    rows = tuple(dict.fromkeys(given["rows"].replace(",", " ").split()))
    wrong = [row for row in rows if not _ROW.fullmatch(row)]
    if wrong or not rows:
        raise FieldProblemError("rows", "rows", given=", ".join(wrong))
    issuer, _, side = given["issuer"].partition(_EVERY)
    made = Recognition(
        authority=given["authority"],
        jurisdiction=governance.participants[given["authority"]].jurisdiction,
        issuer=issuer or _EVERY,
        issuer_jurisdiction=side or _EVERY,
        rows=rows,
        effect=Effect(given["effect"]),
        legal_basis=given["basis"],
        valid_from=at,
        valid_until=_ends(given, at),
    )
    return [_record("recognition", made.id, made.as_table())]


def every_of(side: str) -> str:
    """How the form says "every issuer of this jurisdiction"; no DID has that form."""
    return f"{_EVERY}{side}"


def _licensed(governance: Governance, given: Given, at: int, _own: str) -> list[DraftedRecord]:
    roles = tuple(dict.fromkeys(given["roles"].replace(",", " ").split()))
    known = governance.lifecycle.roles
    wrong = [role for role in roles if role not in known]
    if wrong or not roles:
        raise FieldProblemError("roles", "roles", given=", ".join(wrong), known=", ".join(sorted(known)))
    made = Accreditation(
        participant=given["participant"],
        roles=roles,
        schemes=((given["scheme"].strip(), given["namespace"].strip()),),
        jurisdiction=given["side"],
        valid_from=at,
        valid_until=_ends(given, at),
        licence=given["licence"],
    )
    return [_record("accreditation", made.id, accreditation_table(made))]


def _ends(given: Given, at: int) -> int | None:
    """The beginning of the day (UTC) on which it is valid no more; None: it has no end."""
    text = given.get("ends", "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise FieldProblemError("ends", "day") from error
    end = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    if end <= at:
        raise FieldProblemError("ends", "past")
    return end


def _suspended(governance: Governance, given: Given, at: int, _own: str) -> list[DraftedRecord]:
    one = _dated(governance, given)
    if _paused(one):
        raise FieldProblemError("record", "paused")
    return [_dated_record(replace(one, suspended=(*one.suspended, (at, None))))]


def _reinstated(governance: Governance, given: Given, at: int, _own: str) -> list[DraftedRecord]:
    one = _dated(governance, given)
    if not _paused(one):
        raise FieldProblemError("record", "not_paused")
    start = one.suspended[-1][0]
    over: Pause = (start, max(start, at))
    return [_dated_record(replace(one, suspended=(*one.suspended[:-1], over)))]


def _ended(governance: Governance, given: Given, at: int, _own: str) -> list[DraftedRecord]:
    one = _dated(governance, given)
    return [_dated_record(replace(one, valid_until=max(at, one.valid_from + 1)))]


def dated(governance: Governance) -> list[Accreditation | Recognition]:
    """Every licence and recognition on record."""
    return [*governance.recognitions, *governance.accreditations]


def called(governance: Governance, one: Accreditation | Recognition) -> str:
    """What a licence or recognition says, on one line and in names alone: it is read in every language."""
    if isinstance(one, Recognition):
        issuer = one.issuer_jurisdiction if one.issuer == _EVERY else one.issuer
        who = name_of(governance, one.authority), name_of(governance, issuer)
        return f"{who[0]} → {who[1]} · {', '.join(one.rows)} · {one.effect.value}"
    roles = ", ".join(one.roles[:3]) + (", ..." if len(one.roles) > 3 else "")
    return f"{name_of(governance, one.participant)} · {one.jurisdiction} · {roles} · {one.licence}"


def _dated(governance: Governance, given: Given) -> Accreditation | Recognition:
    return next(one for one in dated(governance) if one.id == given["record"])


def _paused(one: Accreditation | Recognition) -> bool:
    return bool(one.suspended) and one.suspended[-1][1] is None


def _dated_record(one: Accreditation | Recognition) -> DraftedRecord:
    if isinstance(one, Recognition):
        return _record("recognition", one.id, one.as_table())
    return _record("accreditation", one.id, accreditation_table(one))


# -- emergency stops -----------------------------------------------------------------------------------


def _stop(_governance: Governance, given: Given, _at: int, own: str) -> list[DraftedRecord]:
    return [_record("stop", given["party"], stop_table(Stop(given["party"], own, 0, 0)))]


def _confirmed(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    stop = replace(governance.stops[given["unconfirmed"]], until=None)
    return [_record("stop", stop.target, stop_table(stop))]


def _lifted(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    stop = replace(governance.stops[given["stopped"]], until=None, lifted=True)
    return [_record("stop", stop.target, stop_table(stop))]


# -- what concerns all ---------------------------------------------------------------------------------


def _promoted(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    return [_voting([*governance.validator_dids, given["candidate"]])]


def _retired(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    return [_voting([did for did in governance.validator_dids if did != given["voting"]])]


def _voting(dids: list[str]) -> DraftedRecord:
    return _record("validators", "", {"participants": dids})


def _limited(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    limits = {**limits_of(governance), given["limit"]: _number("value", given["value"])}
    return [_record("limits", "", limits)]


def limits_of(governance: Governance) -> dict[str, int]:
    """What every node enforces, by name."""
    return {name: getattr(governance.limits, name) for name in governance.limits.__dataclass_fields__}


def _number(field: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise FieldProblemError(field, "number")
    return int(text)


def _another_engine(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    last = governance.engine or FOUNDED
    term = EngineTerm(given["engine"], last.epoch + 1, _number("after", given["after"]) + 1)
    return [_record("engine", "", term.as_table())]


def _rule(_governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    name, _, digest = given["rule"].partition(" ")
    return [_record("rule", name, {"sha256": digest})]


def name_and_digest(name: str, digest: bytes) -> str:
    """How the form names one rule file among those that are offered."""
    return f"{name} {digest.hex()}"


def settings_of(governance: Governance) -> dict[str, int | list[str]]:
    """How many approve, of whom, and how long is waited: all of that table but the actions."""
    return {name: value for name, value in governance.approvals.as_table().items() if name != "actions"}


def _settled(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    name, text = given["setting"], given["content"]
    several = isinstance(settings_of(governance)[name], list)
    value = sorted(set(text.replace(",", " ").split())) if several else _number("content", text)
    return [_record("approvals", "", {**governance.approvals.as_table(), name: value})]


def _approved_by(governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    table = governance.approvals.as_table()
    actions = {**governance.approvals.actions, given["action"]: given["sort"]}
    return [_record("approvals", "", {**table, "actions": actions})]


def _records(_governance: Governance, given: Given, _at: int, _own: str) -> list[DraftedRecord]:
    """Any records, as `comity network propose --file` takes them."""
    try:
        rows = parse_toml(given["changes"].encode()).get("changes")
    except TomlTextError as error:
        raise FieldProblemError("changes", "document", detail=str(error)) from error
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if not isinstance(rows, list) or not rows or len(found) < len(rows):
        raise FieldProblemError("changes", "changes")
    for row in found:
        named = row.get("type") in TYPES and isinstance(row.get("name"), str)
        if row.keys() != {"type", "name", "table"} or not named or not isinstance(row["table"], dict):
            raise FieldProblemError("changes", "changes")
    return [_record(row["type"], row["name"], row["table"]) for row in found]


MAKERS: Mapping[str, Maker] = {
    "admit": _admitted,
    "rename": _renamed,
    "move": _moved,
    "recovery": _recovered,
    "expel": _expelled,
    "license": _licensed,
    "recognise": _recognised,
    "suspend": _suspended,
    "reinstate": _reinstated,
    "end": _ended,
    "stop": _stop,
    "confirm": _confirmed,
    "lift": _lifted,
    "promote": _promoted,
    "retire": _retired,
    "limit": _limited,
    "engine": _another_engine,
    "rule": _rule,
    "approval": _settled,
    "approver": _approved_by,
    "records": _records,
}
