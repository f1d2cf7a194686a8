"""The page to propose: what a person filled in, made into the records of a change, field by field.

Only what people change by hand: keys, cards and rule files have files behind them, and a command each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

from credentials.ledger.genesis_table import accreditation_table
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import stop_table
from credentials.ledger.parties import Accreditation, Pause, Stop
from credentials.ledger.recognition import Effect, Recognition
from node.use_cases.governance import GovernanceDesk
from node.use_cases.governance_shown import name_of

Given = Mapping[str, str]


class DraftedRecord(TypedDict):
    """A record as it would be: its table is that of genesis."""

    type: str
    name: str
    table: Mapping[str, Any]


Choices = list[tuple[str, str]]  # value, label

# What can be proposed on the page, and what is asked for it.
FORMS: Mapping[str, tuple[str, ...]] = {
    "recognise": ("authority", "issuer", "rows", "effect", "basis"),
    "license": ("participant", "side", "roles", "scheme", "namespace", "licence"),
    "suspend": ("record",),
    "reinstate": ("record",),
    "end": ("record",),
    "stop": ("party",),
    "confirm": ("unconfirmed",),
    "lift": ("stopped",),
    "limit": ("limit", "value"),
}
TEXT_CHARACTERS_MAX = 256
_ROW = re.compile(r"[A-Z]{2,8}-[0-9]{2,3}")
_NUMBER = re.compile(r"[0-9]{1,15}")


class FieldProblemError(ValueError):
    """What was filled in cannot be meant: which field, and the code of a sentence with its parameters."""

    def __init__(self, field: str, code: str, **parameters: Any) -> None:
        super().__init__(code)
        self.field, self.code, self.parameters = field, code, parameters


class Drafting:
    """Makes changes of forms, compared with what is decided so far."""

    def __init__(self, desk: GovernanceDesk, own: str) -> None:
        self._desk = desk
        self._own = own

    def choices(self) -> dict[str, Choices]:
        """What the fields that are chosen from offer."""
        governance, at = self._desk.state.future, self._desk.now()
        authorities = governance.authorities(at)
        stops = [stop for stop in governance.stops.values() if stop.holds(at)]
        parties = [(did, name_of(governance, did)) for did in governance.participants]
        return {
            "authority": [(d, f"{name_of(governance, d)} ({side})") for d, side in authorities.items()],
            "issuer": parties,
            "participant": parties,
            "party": parties,
            "side": [(side, side) for side in sorted(set(authorities.values()))],
            "effect": [(one.value, one.value.replace("-", " ")) for one in Effect],
            "record": [(one.id, _called(governance, one)) for one in _dated(governance)],
            "stopped": [(stop.target, _stopped(governance, stop)) for stop in stops],
            "unconfirmed": [(s.target, _stopped(governance, s)) for s in stops if s.until is not None],
            "limit": [(name, f"{name}: {value}") for name, value in _limits(governance).items()],
        }

    def changes(self, kind: str, given: Given) -> list[DraftedRecord]:
        """The records as they would be; raises FieldProblemError."""
        choices = self.choices()
        for field in FORMS[kind]:
            text = given.get(field, "")
            if not text:
                raise FieldProblemError(field, "needed")
            if len(text) > TEXT_CHARACTERS_MAX:
                raise FieldProblemError(field, "long", most=TEXT_CHARACTERS_MAX)
            if field in choices and text not in {value for value, _ in choices[field]}:
                raise FieldProblemError(field, "choose")
        governance, at = self._desk.state.future, self._desk.now()
        match kind:
            case "recognise":
                return _recognised(governance, given, at)
            case "license":
                return _licensed(governance, given, at)
            case "stop":
                return [_record("stop", given["party"], stop_table(Stop(given["party"], self._own, 0, 0)))]
            case "confirm":
                stop = replace(governance.stops[given["unconfirmed"]], until=None)
                return [_record("stop", stop.target, stop_table(stop))]
            case "lift":
                stop = replace(governance.stops[given["stopped"]], until=None, lifted=True)
                return [_record("stop", given["stopped"], stop_table(stop))]
            case "limit":
                if not _NUMBER.fullmatch(given["value"]):
                    raise FieldProblemError("value", "number")
                limits = {**_limits(governance), given["limit"]: int(given["value"])}
                return [_record("limits", "", limits)]
        return [_moved(governance, kind, given["record"], at)]


def _recognised(governance: Governance, given: Given, at: int) -> list[DraftedRecord]:
    rows = tuple(dict.fromkeys(given["rows"].replace(",", " ").split()))
    wrong = [row for row in rows if not _ROW.fullmatch(row)]
    if wrong or not rows:
        raise FieldProblemError("rows", "rows", given=", ".join(wrong))
    made = Recognition(
        authority=given["authority"],
        jurisdiction=governance.participants[given["authority"]].jurisdiction,
        issuer=given["issuer"],
        rows=rows,
        effect=Effect(given["effect"]),
        legal_basis=given["basis"],
        valid_from=at,
    )
    return [_record("recognition", made.id, made.as_table())]


def _licensed(governance: Governance, given: Given, at: int) -> list[DraftedRecord]:
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
        licence=given["licence"],
    )
    return [_record("accreditation", made.id, accreditation_table(made))]


def _moved(governance: Governance, kind: str, record: str, at: int) -> DraftedRecord:
    """A licence or recognition that is suspended, put back in force, or ended."""
    one = next(one for one in _dated(governance) if one.id == record)
    paused = bool(one.suspended) and one.suspended[-1][1] is None
    if kind == "end":
        return _dated_record(replace(one, valid_until=max(at, one.valid_from + 1)))
    if kind == "suspend":
        if paused:
            raise FieldProblemError("record", "paused")
        return _dated_record(replace(one, suspended=(*one.suspended, (at, None))))
    if not paused:
        raise FieldProblemError("record", "not_paused")
    start = one.suspended[-1][0]
    over: Pause = (start, max(start, at))
    return _dated_record(replace(one, suspended=(*one.suspended[:-1], over)))


def _dated(governance: Governance) -> list[Accreditation | Recognition]:
    return [*governance.recognitions, *governance.accreditations]


def _dated_record(one: Accreditation | Recognition) -> DraftedRecord:
    if isinstance(one, Recognition):
        return _record("recognition", one.id, one.as_table())
    return _record("accreditation", one.id, accreditation_table(one))


def _called(governance: Governance, one: Accreditation | Recognition) -> str:
    if isinstance(one, Recognition):
        who = name_of(governance, one.authority), name_of(governance, one.issuer)
        return f"recognition: {who[0]} of {who[1]} for {', '.join(one.rows)} ({one.effect.value})"
    roles = ", ".join(one.roles[:3]) + (", ..." if len(one.roles) > 3 else "")
    return f"licence: {name_of(governance, one.participant)} in {one.jurisdiction} as {roles} {one.licence}"


def _stopped(governance: Governance, stop: Stop) -> str:
    key = f" ({stop.target})" if "#" in stop.target else ""
    return f"{name_of(governance, stop.target)}{key}, by {name_of(governance, stop.by)}"


def _limits(governance: Governance) -> dict[str, int]:
    return {name: getattr(governance.limits, name) for name in governance.limits.__dataclass_fields__}


def _record(kind: str, name: str, table: Mapping[str, Any]) -> DraftedRecord:
    return {"type": kind, "name": name, "table": dict(table)}
