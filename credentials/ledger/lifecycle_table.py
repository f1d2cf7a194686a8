"""The strict reader of `config/rules/lifecycle.json`: unknown members, words and types are refused.

A table that says what the code does not do, or that contradicts itself, is refused as a whole:
CredentialError("rules_invalid", ...). `lifecycle.py` defines what is built here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from credentials.ledger.lifecycle import (
    ANY,
    BOUND_EFFECTS,
    COUNTERSIGNERS,
    CUSTODIES,
    ENFORCEMENTS,
    HEIRS,
    PASSPORT_EFFECTS,
    PLACES,
    PRESENTATION_EFFECTS,
    RECALL_EFFECTS,
    RESTS_ON_ALL_PACKS,
    SETTING_KEYS,
    SPEAKS,
    UNDO_EFFECTS,
    Duty,
    Effects,
    Event,
    Lifecycle,
    RuleText,
    SettingKind,
    rules_invalid,
)
from credentials.ledger.lifecycle_members import read_members
from credentials.ledger.table_reading import (
    day_of,
    integer_of,
    one_of,
    require_keys,
    rows_of,
    strings_of,
    text_of,
    texts_of,
    truth_of,
    words_of,
)

_WHERE = "lifecycle.json"
_KNOWN = (
    "$comment version states initial terminal final roles officials marks inherited_marks settings schemes "
    "guards_always events kinds exclusivity enforcement euStatusTransitions euStatusNote resumes "
    "namings_apart namings_by_right hears_of_then vehicles_of_then moved_on_stays whole_pasts"
)
_REQUIRED = "version states initial roles officials marks settings schemes events exclusivity"
_EVENT_KNOWN = (
    "type from to to_in_vehicle attesters speaks countersigned_by requires_passport_from irreversible "
    "marks marks_in_use marks_after_use marks_named marks_named_in_use "
    "marks_named_again marks_used_part used_part_by custody place names sets lifts members ledger_members "
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
    require_keys(table, _KNOWN.split(), _REQUIRED.split(), _WHERE)
    words = _Words(
        states=texts_of(table["states"], f"{_WHERE} states"),
        roles=texts_of(table["roles"], f"{_WHERE} roles"),
        rules={r.id: r for r in (_rule(row) for row in rows_of(table["exclusivity"], "exclusivity"))},
        marks=texts_of(table["marks"], f"{_WHERE} marks"),
        settings=_settings(table["settings"]),
    )
    events: dict[str, Event] = {}
    for event in (
        *(_event(row, words) for row in rows_of(table["events"], "events")),
        *(_kind(row, words) for row in rows_of(table.get("kinds", []), "kinds")),
    ):
        if event.type in events:
            raise rules_invalid(f"{event.type} is there twice")
        events[event.type] = event
    schemes = table["schemes"]
    require_keys(schemes, ("battery", "asset"), ("battery", "asset"), "schemes")
    naming_parts = frozenset(name for name, event in events.items() if event.effects.names_parts)
    return Lifecycle(
        version=integer_of(table["version"], "version"),
        states=words.states,
        initial=words_of([table["initial"]], words.states, "initial")[0],
        terminal=frozenset(words_of(table.get("terminal", []), words.states, "terminal")),
        final=frozenset(words_of(table.get("final", []), words.states, "final")),
        roles=words.roles,
        officials=frozenset(words_of(table["officials"], words.roles, "officials")),
        marks=words.marks,
        inherited_marks=frozenset(words_of(table.get("inherited_marks", []), words.marks, "inherited_marks")),
        settings=words.settings,
        battery_schemes=frozenset(strings_of(schemes["battery"], "schemes.battery")),
        asset_schemes=frozenset(strings_of(schemes["asset"], "schemes.asset")),
        guards_always=words_of(table.get("guards_always", []), words.rules, "guards_always"),
        events=events,
        rules=words.rules,
        eu_status_transitions=_transitions(table.get("euStatusTransitions", {})),
        resumes=_resumes(table.get("resumes", {}), words),
        wholes=_wholes(events),
        binding_marks=frozenset(m for e in events.values() if e.effects.bound == "bind" for m in e.marks),
        naming_parts=naming_parts,
        parts_apart=naming_parts if truth_of(table.get("namings_apart", False), "namings_apart") else None,
        namings_by_right=truth_of(table.get("namings_by_right", False), "namings_by_right"),
        hears_of_then=truth_of(table.get("hears_of_then", False), "hears_of_then"),
        vehicles_of_then=truth_of(table.get("vehicles_of_then", False), "vehicles_of_then"),
        moved_on_stays=truth_of(table.get("moved_on_stays", False), "moved_on_stays"),
        whole_pasts=truth_of(table.get("whole_pasts", False), "whole_pasts"),
        on_the_way=frozenset(s for e in events.values() if e.effects.gives_back for s in _left(e)),
        reports=_reports(events),
        tells_late=any(event.told_late for event in events.values()),
    )


def _left(event: Event) -> frozenset[str]:
    """The states in which a battery that it gives back is: it left, or was declared."""
    return event.from_states | {event.to} if event.to is not None else event.from_states


def _resumes(value: object, words: _Words) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for state, by_mark in _texts_by_mark(value).items():
        known = (
            state in words.states
            and by_mark.keys() <= words.marks.keys()
            and words.states.keys() >= set(by_mark.values())
        )
        if not known:
            raise rules_invalid(f"resumes {state}: a state, and states by mark")
        found[state] = by_mark
    return found


def _texts_by_mark(value: object) -> dict[str, dict[str, str]]:
    if not isinstance(value, Mapping):
        raise rules_invalid("resumes is not an object")
    return {state: dict(texts_of(by_mark, f"resumes {state}")) for state, by_mark in value.items()}


def _transitions(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise rules_invalid("euStatusTransitions is not an object")
    return {status: strings_of(following, "euStatusTransitions") for status, following in value.items()}


def _event(row: Mapping[str, Any], words: _Words) -> Event:
    require_keys(row, _EVENT_KNOWN.split(), _EVENT_REQUIRED, "an event")
    name = text_of(row["type"], "type")
    to, to_in_vehicle = row.get("to"), row.get("to_in_vehicle")
    for state in (to, to_in_vehicle):
        if state is not None and (type(state) is not str or state not in words.states):
            raise rules_invalid(f"{name}: {state!r} is no state")
    passport_from = row.get("requires_passport_from")
    days = {} if passport_from is None else texts_of(passport_from, f"{name} requires_passport_from")
    marks = words.marks
    event = Event(
        type=name,
        from_states=frozenset(words_of(row["from"], {**words.states, ANY: ""}, f"{name} from")),
        to=to,
        to_in_vehicle=to_in_vehicle,
        attesters=words_of(row["attesters"], {**words.roles, ANY: ""}, f"{name} attesters"),
        members=read_members(name, row["members"], row.get("ledger_members", {})),
        guards=words_of(row.get("guards", []), words.rules, f"{name} guards"),
        effects=_effects(name, row["effects"]),
        speaks=one_of(row["speaks"], SPEAKS, f"{name} speaks") or "",
        countersigned_by=one_of(row.get("countersigned_by"), COUNTERSIGNERS, f"{name} countersigned_by"),
        requires_passport_from={side: day_of(day, name) for side, day in days.items()},
        irreversible=truth_of(row.get("irreversible", False), f"{name} irreversible"),
        marks=words_of(row.get("marks", []), marks, f"{name} marks"),
        marks_in_use=words_of(row.get("marks_in_use", []), marks, f"{name} marks_in_use"),
        marks_after_use=words_of(row.get("marks_after_use", []), marks, f"{name} marks_after_use"),
        marks_named=words_of(row.get("marks_named", []), marks, f"{name} marks_named"),
        marks_named_in_use=words_of(row.get("marks_named_in_use", []), marks, f"{name} marks_named_in_use"),
        marks_named_again=words_of(row.get("marks_named_again", []), marks, f"{name} marks_named_again"),
        marks_used_part=words_of(row.get("marks_used_part", []), marks, f"{name} marks_used_part"),
        used_part_by=strings_of(row.get("used_part_by", []), f"{name} used_part_by"),
        custody=one_of(row.get("custody"), CUSTODIES, f"{name} custody"),
        place=one_of(row.get("place"), PLACES, f"{name} place"),
        names=truth_of(row.get("names", False), f"{name} names"),
        sets=one_of(row.get("sets"), frozenset(words.settings), f"{name} sets"),
        lifts=one_of(row.get("lifts"), frozenset(words.settings), f"{name} lifts"),
        told_late=truth_of(row.get("told_late", False), f"{name} told_late"),
        binds_late_in=frozenset(
            words_of(row.get("binds_late_in", []), words.states, f"{name} binds_late_in")
        ),
        duties=tuple(_duty(name, duty) for duty in rows_of(row.get("duties", []), f"{name} duties")),
        needs=strings_of(row.get("needs", []), f"{name} needs"),
        duty=text_of(row.get("duty", ""), f"{name} duty"),
        basis=text_of(row.get("basis", ""), f"{name} basis"),
        note=text_of(row.get("note", ""), f"{name} note"),
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
    # What is said of a vehicle shows its use; that it was placed with that, told late, it does not say.
    sets = event.sets and RESTS_ON_ALL_PACKS.isdisjoint(event.guards)
    if event.told_late and (moves or sets or event.lifts or bound):
        raise rules_invalid(f"{event.type}: what is told late sets and moves nothing")
    if event.binds_late_in and not (event.told_late and effects.bound == "bind"):
        raise rules_invalid(f"{event.type}: what binds late is told late, and binds")


def _kind(row: Mapping[str, Any], words: _Words) -> Event:
    required = ("type", "members", "ledger_members", "effects", "text")
    require_keys(row, (*required, "attesters"), required, "a kind")
    name = text_of(row["type"], "type")
    return Event(
        type=name,
        from_states=frozenset(),
        to=None,
        attesters=words_of(row.get("attesters", [ANY]), {**words.roles, ANY: ""}, f"{name} attesters"),
        members=read_members(name, row["members"], row["ledger_members"]),
        guards=(),
        effects=_effects(name, row["effects"]),
        note=text_of(row["text"], f"{name} text"),
        battery_event=False,
    )


def _settings(value: object) -> dict[str, SettingKind]:
    if not isinstance(value, Mapping):
        raise rules_invalid("settings is not an object")
    found = {}
    for name, row in value.items():
        require_keys(row, ("key", "text", "heir", "alone"), ("key", "text"), f"settings {name}")
        key = one_of(row["key"], SETTING_KEYS, f"settings {name}") or ""
        heir = one_of(row.get("heir"), HEIRS, f"settings {name} heir")
        alone = truth_of(row.get("alone", False), f"settings {name} alone")
        found[text_of(name, "settings")] = SettingKind(key, text_of(row["text"], name), heir, alone=alone)
    return found


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
        one_of(getattr(effects, name), words, f"{event} {name}")
    if (effects.under_late or effects.minds_recalls) and effects.undo != "correct":
        raise rules_invalid(f"{event}: only what corrects reaches under what was told late, or minds recalls")
    if effects.reaches_back and effects.undo not in ("correct", "void"):
        raise rules_invalid(f"{event}: only what corrects or voids reaches back")
    return effects


def _reports(events: Mapping[str, Event]) -> frozenset[str]:
    """The events on which nothing can rest: they leave marks, a fact of their own and readings, and move
    nothing; none where no event of the table reaches back to them."""
    if not any(event.effects.reaches_back for event in events.values()):
        return frozenset()
    wholes = _wholes(events)
    found = {name for name, event in events.items() if _moves_nothing(event, wholes)}
    of_others = {event.effects.fact for name, event in events.items() if name not in found} - {None}
    return frozenset(name for name in found if events[name].effects.fact not in of_others)


def _moves_nothing(event: Event, wholes: frozenset[str]) -> bool:
    bare = event.battery_event and replace(event.effects, fact=None) == Effects()
    moves = (event.to, event.to_in_vehicle, event.custody, event.place, event.sets, event.lifts)
    binds = (event.names, event.irreversible, event.countersigned_by, event.guards, event.marks)
    summed = any(m.part_of or f"{event.type}.{m.name}" in wholes for m in event.ledger_members)
    return bare and not any((*moves, *binds, summed))


def _duty(event: str, row: Mapping[str, Any]) -> Duty:
    keys, where = ("jurisdiction", "working_days", "after", "basis", "confirmed"), f"{event} duties"
    require_keys(row, keys, keys, where)
    return Duty(
        jurisdiction=text_of(row["jurisdiction"], where),
        working_days=integer_of(row["working_days"], where),
        after=text_of(row["after"], where),
        basis=text_of(row["basis"], where),
        confirmed=truth_of(row["confirmed"], f"{where} confirmed"),
    )


def _rule(row: Mapping[str, Any]) -> RuleText:
    keys = ("id", "enforcement", "reaction_code", "rule", "fraud", "reaction")
    require_keys(row, keys, keys, "exclusivity")
    one_of(row["enforcement"], ENFORCEMENTS, "enforcement")
    return RuleText(**{key: text_of(row[key], key) for key in keys})
