"""The battery's life as data: events, states, attesters, duties, guarding rules and effects.

Everything is read from `config/rules/lifecycle.json` (its digest is in genesis); no event name is in code.
What a node needs in order to judge an event is one `Event`:

    from_states, to        where it is lawful ("*": any but the initial and terminal); to None: it stays
    attesters              roles of which the issuer must hold one; "*": any participant, `holder` says who
    holder                 responsible: author is the responsible operator (or has a role of holder_exempt)
                           named: it, or a party it named, or with its countersignature
                           consented: it, or with its countersignature
                           author: of the attestation that is referenced
    countersigned_by       parties: every party named; authorities: enough authorities, one per jurisdiction
    members                what the event document holds; those with a `ledger` field are in the delta as well
    guards                 ids of the rules in `rules.py` that are asked, in order
    effects                what it does to the standing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from credentials.errors import CredentialError

ANY = "*"
LEDGER_FIELDS = frozenset(
    {"bound_asset", "parties", "references", "quantities", "children_root", "set_list", "status"}
)
MEMBER_TYPES = frozenset(
    {"text", "texts", "date", "integer", "boolean", "digest", "identifier", "identifiers", "did", "vin"}
    | {"country", "sets", "status"}
)
HOLDERS = frozenset({"responsible", "named", "consented", "author"})
COUNTERSIGNERS = frozenset({"parties", "authorities"})
PASSPORT_EFFECTS = frozenset({"publish", "supersede", "suspend", "reinstate", "revoke", "cede", "cease"})
BOUND_EFFECTS = frozenset({"bind", "unbind", "clear"})
ENFORCEMENTS = frozenset({"refused", "invalid", "waits", "verifier", "alarm", "not_built"})


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an event document; `values`: one of these; `ledger`: the delta field it is in as well."""

    name: str
    type: str
    required: bool
    text: str
    values: tuple[str, ...] = ()
    ledger: str | None = None


@dataclass(frozen=True, slots=True)
class Effects:
    """What an admitted event does to the standing of its subject."""

    creates: bool = False  # producer and responsible operator := issuer
    fact: str | None = None  # remember the leaf index under this name: it may win a conflict
    consumes: str | None = None  # became part of its references; the successors' EU status
    claims_children: bool = False  # each referenced subject becomes a child, once
    passport: str | None = None
    bound: str | None = None  # bind; unbind: from exactly this asset; clear: from whatever asset
    presentation: str | None = None  # open | closed
    eu_status: str | None = None
    flag: str | None = None  # lost | recalled
    responsible: str | None = None  # first_party
    undo: bool = False  # takes the effect of the referenced attestation back
    status_list: bool = False


@dataclass(frozen=True, slots=True)
class Duty:
    """A time limit the law sets for reporting; `confirmed` False: taken from a secondary source."""

    jurisdiction: str
    working_days: int
    after: str
    basis: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of attestation about a battery (or, `battery_event` False, about something else)."""

    type: str
    from_states: frozenset[str]
    to: str | None
    attesters: tuple[str, ...]
    members: Mapping[str, Member]
    guards: tuple[str, ...]
    effects: Effects
    holder: str | None = None
    holder_exempt: frozenset[str] = frozenset()
    countersigned_by: str | None = None
    requires_passport_from: int | None = None  # event times from here on need a live passport
    duties: tuple[Duty, ...] = ()
    needs: tuple[str, ...] = ()
    duty: str = ""
    basis: str = ""
    note: str = ""
    battery_event: bool = True

    @property
    def ledger_members(self) -> tuple[Member, ...]:
        """The members that are in the delta."""
        return tuple(member for member in self.members.values() if member.ledger)


@dataclass(frozen=True, slots=True)
class RuleText:
    """What the table says about one of the rules X1..X21."""

    id: str
    enforcement: str
    reaction_code: str
    rule: str
    fraud: str
    reaction: str


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The parsed table. Build it with `Lifecycle.parse`."""

    version: int
    states: Mapping[str, str]
    initial: str  # of a battery without history
    terminal: frozenset[str]
    final: frozenset[str]  # terminal for good: rule X3
    roles: Mapping[str, str]
    battery_schemes: frozenset[str]
    asset_schemes: frozenset[str]
    guards_always: tuple[str, ...]  # rules asked of every event, before its own
    events: Mapping[str, Event]  # events and other kinds
    rules: Mapping[str, RuleText]
    eu_status_transitions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Lifecycle:
        """Read the table, refusing unknown keys and words; raises CredentialError("rules_invalid", ...)."""
        where = "lifecycle.json"
        known = (
            "$comment version states initial terminal final roles schemes guards_always events kinds "
            "exclusivity enforcement euStatusTransitions euStatusNote"
        )
        required = ("version", "states", "initial", "roles", "schemes", "events", "exclusivity")
        _keys(table, known.split(), required, where)
        states = _texts(table["states"], f"{where} states")
        roles = _texts(table["roles"], f"{where} roles")
        rules = {r.id: r for r in (_rule(row) for row in _rows(table["exclusivity"], where))}
        always = _words(table.get("guards_always", []), rules, "guards_always")
        words = _Words(states, roles, rules)
        events: dict[str, Event] = {}
        for row in _rows(table["events"], where):
            event = _event(row, words)
            if event.type in events:
                raise _invalid(f"{event.type} is there twice")
            events[event.type] = event
        for row in _rows(table.get("kinds", []), where):
            kind = _kind(row)
            if kind.type in events:
                raise _invalid(f"{kind.type} is there twice")
            events[kind.type] = kind
        schemes = table["schemes"]
        _keys(schemes, ("battery", "asset"), ("battery", "asset"), "schemes")
        return cls(
            version=_integer(table["version"], "version"),
            states=states,
            initial=_words([table["initial"]], states, "initial")[0],
            terminal=frozenset(_words(table.get("terminal", []), states, "terminal")),
            final=frozenset(_words(table.get("final", []), states, "final")),
            roles=roles,
            battery_schemes=frozenset(_strings(schemes["battery"], "schemes.battery")),
            asset_schemes=frozenset(_strings(schemes["asset"], "schemes.asset")),
            guards_always=always,
            events=events,
            rules=rules,
            eu_status_transitions={
                status: _strings(following, "euStatusTransitions")
                for status, following in table.get("euStatusTransitions", {}).items()
            },
        )

    def event(self, kind: str) -> Event | None:
        """The event of this name, or None."""
        return self.events.get(kind)

    def allows(self, event: Event, state: str) -> bool:
        """True if the event is lawful in this item state."""
        return state in event.from_states or (
            ANY in event.from_states and state != self.initial and state not in self.terminal
        )

    def creating_roles(self) -> frozenset[str]:
        """Roles that may bring an identifier into being: their namespaces may not overlap."""
        return frozenset(
            role for event in self.events.values() if event.effects.creates for role in event.attesters
        )


@dataclass(frozen=True, slots=True)
class _Words:
    states: Mapping[str, str]
    roles: Mapping[str, str]
    rules: Mapping[str, RuleText]


def _event(row: Mapping[str, Any], words: _Words) -> Event:
    known = (
        "type from to attesters holder holder_exempt countersigned_by requires_passport_from members "
        "ledger_members guards effects duties needs duty basis note"
    )
    _keys(row, known.split(), ("type", "from", "attesters", "members", "effects"), "an event")
    name = _text(row["type"], "type")
    to = row.get("to")
    if to is not None and to not in words.states:
        raise _invalid(f"{name}: {to!r} is no state")
    passport_from = row.get("requires_passport_from")
    return Event(
        type=name,
        from_states=frozenset(_words(row["from"], {**words.states, ANY: ""}, f"{name} from")),
        to=to,
        attesters=_words(row["attesters"], {**words.roles, ANY: ""}, f"{name} attesters"),
        members=_members(name, row["members"], row.get("ledger_members", {})),
        guards=_words(row.get("guards", []), words.rules, f"{name} guards"),
        effects=_effects(name, row["effects"], words.states),
        holder=_one_of(row.get("holder"), HOLDERS, f"{name} holder"),
        holder_exempt=frozenset(_words(row.get("holder_exempt", []), words.roles, f"{name} holder_exempt")),
        countersigned_by=_one_of(row.get("countersigned_by"), COUNTERSIGNERS, f"{name} countersigned_by"),
        requires_passport_from=None if passport_from is None else _day(passport_from, name),
        duties=tuple(_duty(name, duty) for duty in _rows(row.get("duties", []), name)),
        needs=_strings(row.get("needs", []), f"{name} needs"),
        duty=_text(row.get("duty", ""), f"{name} duty"),
        basis=_text(row.get("basis", ""), f"{name} basis"),
        note=_text(row.get("note", ""), f"{name} note"),
    )


def _kind(row: Mapping[str, Any]) -> Event:
    required = ("type", "members", "ledger_members", "effects", "text")
    _keys(row, required, required, "a kind")
    name = _text(row["type"], "type")
    return Event(
        type=name,
        from_states=frozenset(),
        to=None,
        attesters=(ANY,),
        members=_members(name, row["members"], row["ledger_members"]),
        guards=(),
        effects=_effects(name, row["effects"], {}),
        note=_text(row["text"], f"{name} text"),
        battery_event=False,
    )


def _members(event: str, rows: object, ledger: object) -> dict[str, Member]:
    if not isinstance(rows, Mapping) or not isinstance(ledger, Mapping) or not ledger.keys() <= rows.keys():
        raise _invalid(f"{event}: ledger_members are among its members")
    found = {}
    for name, row in rows.items():
        where = f"{event}.{name}"
        _keys(row, ("type", "required", "text", "values"), ("type", "required", "text"), where)
        if type(row["required"]) is not bool:
            raise _invalid(f"{where}: required is true or false")
        found[name] = Member(
            name=_text(name, where),
            type=_one_of(row["type"], MEMBER_TYPES, where) or "",
            required=row["required"],
            text=_text(row["text"], where),
            values=_strings(row.get("values", []), where),
            ledger=_one_of(ledger.get(name), LEDGER_FIELDS, where),
        )
    return found


def _effects(event: str, row: object, states: Mapping[str, str]) -> Effects:
    known = Effects.__dataclass_fields__
    if not isinstance(row, Mapping) or not row.keys() <= known.keys():
        raise _invalid(f"{event}: unknown effects")
    for name, value in row.items():
        if type(value) is not (bool if known[name].type == "bool" else str):
            raise _invalid(f"{event}: the effect {name} has the wrong type")
    effects = Effects(**row)
    _one_of(effects.passport, PASSPORT_EFFECTS, f"{event} passport")
    _one_of(effects.bound, BOUND_EFFECTS, f"{event} bound")
    _one_of(effects.presentation, ("open", "closed"), f"{event} presentation")
    _one_of(effects.flag, ("lost", "recalled"), f"{event} flag")
    _one_of(effects.responsible, ("first_party",), f"{event} responsible")
    return effects


def _duty(event: str, row: Mapping[str, Any]) -> Duty:
    keys = ("jurisdiction", "working_days", "after", "basis", "confirmed")
    _keys(row, keys, keys, f"{event} duties")
    if type(row["confirmed"]) is not bool:
        raise _invalid(f"{event}: confirmed is true or false")
    return Duty(
        jurisdiction=_text(row["jurisdiction"], event),
        working_days=_integer(row["working_days"], event),
        after=_text(row["after"], event),
        basis=_text(row["basis"], event),
        confirmed=row["confirmed"],
    )


def _rule(row: Mapping[str, Any]) -> RuleText:
    keys = ("id", "enforcement", "reaction_code", "rule", "fraud", "reaction")
    _keys(row, keys, keys, "exclusivity")
    _one_of(row["enforcement"], ENFORCEMENTS, "enforcement")
    return RuleText(**{key: _text(row[key], key) for key in keys})


def _invalid(why: str) -> CredentialError:
    return CredentialError("rules_invalid", f"the lifecycle rules cannot be read: {why}")


def _keys(row: object, known: Sequence[str], required: Sequence[str], where: str) -> None:
    if not isinstance(row, Mapping):
        raise _invalid(f"{where} is not an object")
    for key in row:
        if key not in known:
            raise _invalid(f"{where} has the unknown member {key!r}")
    for key in required:
        if key not in row:
            raise _invalid(f"{where} lacks {key}")


def _rows(value: object, where: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise _invalid(f"{where} is not a list of objects")
    return value


def _text(value: object, where: str) -> str:
    if type(value) is not str:
        raise _invalid(f"{where} is not text")
    return value


def _integer(value: object, where: str) -> int:
    if type(value) is not int or value < 0:
        raise _invalid(f"{where} is not a whole number")
    return value


def _texts(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise _invalid(f"{where} is not an object")
    return {_text(key, where): _text(text, where) for key, text in value.items()}


def _strings(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _invalid(f"{where} is not a list")
    return tuple(_text(item, where) for item in value)


def _words(value: object, known: Mapping[str, Any], where: str) -> tuple[str, ...]:
    words = _strings(value, where)
    for word in words:
        if word not in known:
            raise _invalid(f"{where}: {word!r} is not known")
    return words


def _one_of(value: object, known: Sequence[str] | frozenset[str], where: str) -> str | None:
    if value is None:
        return None
    if type(value) is not str or value not in known:
        raise _invalid(f"{where}: {value!r} is not known")
    return value


def _day(value: object, where: str) -> int:
    try:
        return int(datetime.strptime(_text(value, where), "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise _invalid(f"{where}: {value!r} is not a day") from error
