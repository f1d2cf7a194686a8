"""The strict reader of `config/rules/lifecycle.json`: unknown members, words and types are refused.

A table that says what the code does not do, or that contradicts itself, is refused as a whole:
CredentialError("rules_invalid", ...). `lifecycle.py` defines what is built here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from credentials.ledger.lifecycle import (
    AHEAD_OF_EVENT,
    AHEAD_OF_SIGNING,
    ANY,
    BOUND_EFFECTS,
    COUNTERSIGNERS,
    CUSTODIES,
    ENFORCEMENTS,
    HEIRS,
    LEDGER_FIELDS,
    MEMBER_TYPES,
    PASSPORT_EFFECTS,
    PLACES,
    PRESENTATION_EFFECTS,
    RECALL_EFFECTS,
    SETTING_KEYS,
    SPEAKS,
    UNDO_EFFECTS,
    Duty,
    Effects,
    Event,
    Lifecycle,
    Member,
    RuleText,
    SettingKind,
    rules_invalid,
)

_WHERE = "lifecycle.json"
_KNOWN = (
    "$comment version states initial terminal final roles officials marks inherited_marks settings schemes "
    "guards_always events kinds exclusivity enforcement euStatusTransitions euStatusNote resumes "
    "namings_apart namings_by_right hears_of_then"
)
_REQUIRED = "version states initial roles officials marks settings schemes events exclusivity"
_EVENT_KNOWN = (
    "type from to to_in_vehicle attesters speaks countersigned_by requires_passport_from irreversible "
    "marks marks_in_use marks_named marks_named_in_use "
    "marks_named_again marks_used_part custody place names sets lifts members ledger_members "
    "guards effects told_late binds_late_in duties needs duty basis note"
)


_EVENT_REQUIRED = ("type", "from", "attesters", "speaks", "members", "effects")


@dataclass(frozen=True, slots=True)
class _Words:
    states: Mapping[str, str]
    roles: Mapping[str, str]
    rules: Mapping[str, RuleText]
    marks: Mapping[str, str]
    settings: Mapping[str, SettingKind]


def read_lifecycle(table: Mapping[str, Any]) -> Lifecycle:
    """Read the whole table."""
    _keys(table, _KNOWN.split(), _REQUIRED.split(), _WHERE)
    words = _Words(
        states=_texts(table["states"], f"{_WHERE} states"),
        roles=_texts(table["roles"], f"{_WHERE} roles"),
        rules={r.id: r for r in (_rule(row) for row in _rows(table["exclusivity"], "exclusivity"))},
        marks=_texts(table["marks"], f"{_WHERE} marks"),
        settings=_settings(table["settings"]),
    )
    events: dict[str, Event] = {}
    for event in (
        *(_event(row, words) for row in _rows(table["events"], "events")),
        *(_kind(row, words) for row in _rows(table.get("kinds", []), "kinds")),
    ):
        if event.type in events:
            raise rules_invalid(f"{event.type} is there twice")
        events[event.type] = event
    schemes = table["schemes"]
    _keys(schemes, ("battery", "asset"), ("battery", "asset"), "schemes")
    naming_parts = frozenset(name for name, event in events.items() if event.effects.names_parts)
    return Lifecycle(
        version=_integer(table["version"], "version"),
        states=words.states,
        initial=_words([table["initial"]], words.states, "initial")[0],
        terminal=frozenset(_words(table.get("terminal", []), words.states, "terminal")),
        final=frozenset(_words(table.get("final", []), words.states, "final")),
        roles=words.roles,
        officials=frozenset(_words(table["officials"], words.roles, "officials")),
        marks=words.marks,
        inherited_marks=frozenset(_words(table.get("inherited_marks", []), words.marks, "inherited_marks")),
        settings=words.settings,
        battery_schemes=frozenset(_strings(schemes["battery"], "schemes.battery")),
        asset_schemes=frozenset(_strings(schemes["asset"], "schemes.asset")),
        guards_always=_words(table.get("guards_always", []), words.rules, "guards_always"),
        events=events,
        rules=words.rules,
        eu_status_transitions=_transitions(table.get("euStatusTransitions", {})),
        resumes=_resumes(table.get("resumes", {}), words),
        wholes=_wholes(events),
        binding_marks=frozenset(m for e in events.values() if e.effects.bound == "bind" for m in e.marks),
        naming_parts=naming_parts,
        parts_apart=naming_parts if _truth(table.get("namings_apart", False), "namings_apart") else None,
        namings_by_right=_truth(table.get("namings_by_right", False), "namings_by_right"),
        hears_of_then=_truth(table.get("hears_of_then", False), "hears_of_then"),
        tells_late=any(event.told_late for event in events.values()),
    )


def _resumes(value: object, words: _Words) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for state, by_mark in _texts_of(value).items():
        known = (
            state in words.states
            and by_mark.keys() <= words.marks.keys()
            and words.states.keys() >= set(by_mark.values())
        )
        if not known:
            raise rules_invalid(f"resumes {state}: a state, and states by mark")
        found[state] = by_mark
    return found


def _texts_of(value: object) -> dict[str, dict[str, str]]:
    if not isinstance(value, Mapping):
        raise rules_invalid("resumes is not an object")
    return {state: dict(_texts(by_mark, f"resumes {state}")) for state, by_mark in value.items()}


def _transitions(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise rules_invalid("euStatusTransitions is not an object")
    return {status: _strings(following, "euStatusTransitions") for status, following in value.items()}


def _event(row: Mapping[str, Any], words: _Words) -> Event:
    _keys(row, _EVENT_KNOWN.split(), _EVENT_REQUIRED, "an event")
    name = _text(row["type"], "type")
    to, to_in_vehicle = row.get("to"), row.get("to_in_vehicle")
    for state in (to, to_in_vehicle):
        if state is not None and (type(state) is not str or state not in words.states):
            raise rules_invalid(f"{name}: {state!r} is no state")
    passport_from = row.get("requires_passport_from")
    days = {} if passport_from is None else _texts(passport_from, f"{name} requires_passport_from")
    marks = words.marks
    event = Event(
        type=name,
        from_states=frozenset(_words(row["from"], {**words.states, ANY: ""}, f"{name} from")),
        to=to,
        to_in_vehicle=to_in_vehicle,
        attesters=_words(row["attesters"], {**words.roles, ANY: ""}, f"{name} attesters"),
        members=_members(name, row["members"], row.get("ledger_members", {})),
        guards=_words(row.get("guards", []), words.rules, f"{name} guards"),
        effects=_effects(name, row["effects"]),
        speaks=_one_of(row["speaks"], SPEAKS, f"{name} speaks") or "",
        countersigned_by=_one_of(row.get("countersigned_by"), COUNTERSIGNERS, f"{name} countersigned_by"),
        requires_passport_from={side: _day(day, name) for side, day in days.items()},
        irreversible=_truth(row.get("irreversible", False), f"{name} irreversible"),
        marks=_words(row.get("marks", []), marks, f"{name} marks"),
        marks_in_use=_words(row.get("marks_in_use", []), marks, f"{name} marks_in_use"),
        marks_named=_words(row.get("marks_named", []), marks, f"{name} marks_named"),
        marks_named_in_use=_words(row.get("marks_named_in_use", []), marks, f"{name} marks_named_in_use"),
        marks_named_again=_words(row.get("marks_named_again", []), marks, f"{name} marks_named_again"),
        marks_used_part=_words(row.get("marks_used_part", []), marks, f"{name} marks_used_part"),
        custody=_one_of(row.get("custody"), CUSTODIES, f"{name} custody"),
        place=_one_of(row.get("place"), PLACES, f"{name} place"),
        names=_truth(row.get("names", False), f"{name} names"),
        sets=_one_of(row.get("sets"), frozenset(words.settings), f"{name} sets"),
        lifts=_one_of(row.get("lifts"), frozenset(words.settings), f"{name} lifts"),
        told_late=_truth(row.get("told_late", False), f"{name} told_late"),
        binds_late_in=frozenset(_words(row.get("binds_late_in", []), words.states, f"{name} binds_late_in")),
        duties=tuple(_duty(name, duty) for duty in _rows(row.get("duties", []), f"{name} duties")),
        needs=_strings(row.get("needs", []), f"{name} needs"),
        duty=_text(row.get("duty", ""), f"{name} duty"),
        basis=_text(row.get("basis", ""), f"{name} basis"),
        note=_text(row.get("note", ""), f"{name} note"),
    )
    _require_consistent(event)
    return event


def _require_consistent(event: Event) -> None:
    """What one field of an event presupposes of another."""
    fields = {member.ledger: member for member in event.ledger_members}
    parties = fields.get("parties")
    if event.custody == "first_party" and (parties is None or not parties.required):
        raise rules_invalid(f"{event.type}: its custody goes to a party that it need not name")
    if event.names and parties is None:
        raise rules_invalid(f"{event.type} names parties and has no member for them")
    if (event.speaks == "setter") != (event.lifts is not None):
        raise rules_invalid(f"{event.type}: whoever set something lifts it, and nobody else does")
    if event.marks_named and (fields.keys() & {"bound_asset", "references"}) != {"bound_asset", "references"}:
        raise rules_invalid(f"{event.type} marks batteries that it does not name, or not in a vehicle")
    gives_back = event.members.get(event.effects.gives_back or "")
    says = gives_back is not None and gives_back.type == "boolean" and event.effects.presentation == "closed"
    if event.effects.gives_back is not None and not says:
        raise rules_invalid(f"{event.type}: gives_back names a boolean of what closes a declaration")
    _require_late_moves_nothing(event)
    if event.effects.undo is not None and not event.irreversible:
        raise rules_invalid(f"{event.type} takes a record back and could itself be taken back")


def _require_late_moves_nothing(event: Event) -> None:
    """Told late it leaves marks: what else it is there for would be lost, or move something."""
    effects, bound = event.effects, any(member.part_of for member in event.members.values())
    moves = event.brings_into_being or effects.undo or effects.presentation or effects.contests
    if event.told_late and (moves or event.sets or event.lifts or bound):
        raise rules_invalid(f"{event.type}: what is told late sets and moves nothing")
    if event.binds_late_in and not (event.told_late and effects.bound == "bind"):
        raise rules_invalid(f"{event.type}: what binds late is told late, and binds")


def _kind(row: Mapping[str, Any], words: _Words) -> Event:
    required = ("type", "members", "ledger_members", "effects", "text")
    _keys(row, (*required, "attesters"), required, "a kind")
    name = _text(row["type"], "type")
    return Event(
        type=name,
        from_states=frozenset(),
        to=None,
        attesters=_words(row.get("attesters", [ANY]), {**words.roles, ANY: ""}, f"{name} attesters"),
        members=_members(name, row["members"], row["ledger_members"]),
        guards=(),
        effects=_effects(name, row["effects"]),
        note=_text(row["text"], f"{name} text"),
        battery_event=False,
    )


def _settings(value: object) -> dict[str, SettingKind]:
    if not isinstance(value, Mapping):
        raise rules_invalid("settings is not an object")
    found = {}
    for name, row in value.items():
        _keys(row, ("key", "text", "heir", "alone"), ("key", "text"), f"settings {name}")
        key = _one_of(row["key"], SETTING_KEYS, f"settings {name}") or ""
        heir = _one_of(row.get("heir"), HEIRS, f"settings {name} heir")
        alone = _truth(row.get("alone", False), f"settings {name} alone")
        found[_text(name, "settings")] = SettingKind(key, _text(row["text"], name), heir, alone=alone)
    return found


_MEMBER_KNOWN = (
    *("type", "required", "text", "values", "minimum", "maximum"),
    *("at_most", "one_each", "part_of", "monotone", "not_after", "own"),
)


def _members(event: str, rows: object, ledger: object) -> dict[str, Member]:
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


def _wholes(events: Mapping[str, Event]) -> frozenset[str]:
    """The quantities that others are part of."""
    found = set()
    for event in events.values():
        for member in event.members.values():
            if member.part_of is None:
                continue
            kind, _, name = member.part_of.rpartition(".")
            whole = events[kind].members.get(name) if kind in events and kind != event.type else None
            if whole is None or (whole.ledger, member.ledger) != ("quantities", "quantities"):
                where = f"{event.type}.{member.name}"
                raise rules_invalid(
                    f"{where}: part_of names a quantity of another event, and is for quantities"
                )
            found.add(member.part_of)
    return frozenset(found)


def _member(event: str, name: str, row: Mapping[str, Any], ledger: object) -> Member:
    where = f"{event}.{name}"
    _keys(row, _MEMBER_KNOWN, ("type", "required", "text"), where)
    bounds = {key: _integer(row[key], where) for key in ("minimum", "maximum") if key in row}
    words = _strings(row.get("values", []), where)
    member = Member(
        name=_text(name, where),
        type=_one_of(row["type"], MEMBER_TYPES, where) or "",
        required=_truth(row["required"], f"{where} required"),
        text=_text(row["text"], where),
        values=words,
        ledger=_one_of(ledger, LEDGER_FIELDS, where),
        at_most=None if "at_most" not in row else _text(row["at_most"], f"{where} at_most"),
        one_each=None if "one_each" not in row else _text(row["one_each"], f"{where} one_each"),
        part_of=None if "part_of" not in row else _text(row["part_of"], f"{where} part_of"),
        monotone=_truth(row.get("monotone", False), f"{where} monotone"),
        own=_truth(row.get("own", False), f"{where} own"),
        not_after=_one_of(row.get("not_after"), frozenset({AHEAD_OF_SIGNING, AHEAD_OF_EVENT}), where),
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
    said = [("false", "true").index(_one_of(word, ("false", "true"), where) or "") for word in words]
    return {"minimum": min(said, default=0), "maximum": max(said, default=1)}


_EFFECT_WORDS = {"passport": PASSPORT_EFFECTS, "bound": BOUND_EFFECTS, "presentation": PRESENTATION_EFFECTS,
                 "undo": UNDO_EFFECTS, "recall": RECALL_EFFECTS, "responsible": ("first_party",)}  # fmt: skip


def _effects(event: str, row: object) -> Effects:
    known = Effects.__dataclass_fields__
    if not isinstance(row, Mapping) or not row.keys() <= known.keys():
        raise rules_invalid(f"{event}: unknown effects")
    for name, value in row.items():
        if type(value) is not (bool if known[name].type == "bool" else str):
            raise rules_invalid(f"{event}: the effect {name} has the wrong type")
    effects = Effects(**row)
    for name, words in _EFFECT_WORDS.items():
        _one_of(getattr(effects, name), words, f"{event} {name}")
    if (effects.under_late or effects.minds_recalls) and effects.undo != "correct":
        raise rules_invalid(f"{event}: only what corrects reaches under what was told late, or minds recalls")
    return effects


def _duty(event: str, row: Mapping[str, Any]) -> Duty:
    keys, where = ("jurisdiction", "working_days", "after", "basis", "confirmed"), f"{event} duties"
    _keys(row, keys, keys, where)
    return Duty(
        jurisdiction=_text(row["jurisdiction"], where),
        working_days=_integer(row["working_days"], where),
        after=_text(row["after"], where),
        basis=_text(row["basis"], where),
        confirmed=_truth(row["confirmed"], f"{where} confirmed"),
    )


def _rule(row: Mapping[str, Any]) -> RuleText:
    keys = ("id", "enforcement", "reaction_code", "rule", "fraud", "reaction")
    _keys(row, keys, keys, "exclusivity")
    _one_of(row["enforcement"], ENFORCEMENTS, "enforcement")
    return RuleText(**{key: _text(row[key], key) for key in keys})


def _keys(row: object, known: Sequence[str], required: Sequence[str], where: str) -> None:
    if not isinstance(row, Mapping):
        raise rules_invalid(f"{where} is not an object")
    for key in row:
        if key not in known:
            raise rules_invalid(f"{where} has the unknown member {key!r}")
    for key in required:
        if key not in row:
            raise rules_invalid(f"{where} lacks {key}")


def _rows(value: object, where: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise rules_invalid(f"{where} is not a list of objects")
    return value


def _text(value: object, where: str) -> str:
    if type(value) is not str:
        raise rules_invalid(f"{where} is not text")
    return value


def _truth(value: object, where: str) -> bool:
    if type(value) is not bool:
        raise rules_invalid(f"{where} is true or false")
    return value


def _integer(value: object, where: str) -> int:
    if type(value) is not int or value < 0:
        raise rules_invalid(f"{where} is not a whole number")
    return value


def _texts(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise rules_invalid(f"{where} is not an object")
    return {_text(key, where): _text(text, where) for key, text in value.items()}


def _strings(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise rules_invalid(f"{where} is not a list")
    return tuple(_text(item, where) for item in value)


def _words(value: object, known: Mapping[str, Any], where: str) -> tuple[str, ...]:
    words = _strings(value, where)
    for word in words:
        if word not in known:
            raise rules_invalid(f"{where}: {word!r} is not known")
    return words


def _one_of(value: object, known: Collection[str], where: str) -> str | None:
    if value is None:
        return None
    if type(value) is not str or value not in known:
        raise rules_invalid(f"{where}: {value!r} is not known")
    return value


def _day(value: object, where: str) -> int:
    try:
        return int(datetime.strptime(_text(value, where), "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise rules_invalid(f"{where}: {value!r} is not a day") from error
