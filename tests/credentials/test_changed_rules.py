"""Rules change while records stay: whatever table is decided on, no statement stops a node."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.application import Refusal
from credentials.errors import CredentialError
from credentials.ledger.attestation import parse_attestation
from credentials.ledger.governance import Governance
from credentials.ledger.lifecycle import (
    BOUND_EFFECTS,
    CUSTODIES,
    LEDGER_FIELDS,
    PASSPORT_EFFECTS,
    PLACES,
    PRESENTATION_EFFECTS,
    RECALL_EFFECTS,
    SPEAKS,
    UNDO_EFFECTS,
)
from credentials.ledger.lifecycle import COUNTERSIGNERS as WHO_AGREES
from credentials.ledger.rules import RULES, require_built
from credentials.verdicts.evidence import LedgerEntry, LedgerView
from credentials.verdicts.record import Record
from credentials.verdicts.stolen import _lifts
from tests.credentials.test_registry import COUNTERSIGNERS, EVENTS, last_of
from tests.harness.ledger import (
    EU_AUTHORITY,
    IMPORTER,
    Ledger,
    battery,
    lifecycle_table,
    set_list,
    vehicle,
)

TABLE = lifecycle_table()
EFFECTS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("creates", "enrols", "claims_children", "passes_state"), (True,)),
    **dict.fromkeys(
        ("keeps_pack", "under_late", "minds_recalls", "reaches_back", "contests", "status_list"), (True,)
    ),
    "fact": ("produced",),
    "consumes": ("waste", "reused"),
    "eu_status": ("waste",),
    "responsible": ("first_party",),
    "passport": tuple(sorted(PASSPORT_EFFECTS)),
    "bound": tuple(sorted(BOUND_EFFECTS)),
    "presentation": tuple(sorted(PRESENTATION_EFFECTS)),
    "undo": tuple(sorted(UNDO_EFFECTS)),
    "recall": tuple(sorted(RECALL_EFFECTS)),
}
WORDS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("guards", "marks", "marks_named", "marks_named_in_use"), ([],)),
    "marks_named": ([], ["in_use"]),
    "speaks": tuple(sorted(SPEAKS)),
    "sets": (None, *TABLE["settings"]),
    "lifts": (None, *TABLE["settings"]),
    "custody": (None, *sorted(CUSTODIES)),
    "place": (None, *sorted(PLACES)),
    "countersigned_by": (None, *sorted(WHO_AGREES)),
    "to": (None, *TABLE["states"]),
    "to_in_vehicle": (None, *TABLE["states"]),
    "attesters": (["*"],),
    "irreversible": (True,),
}
# What the row of an event says instead: "effects" adds to those that it has, "only" leaves no other.
Change = tuple[str, Any]

# What once ended every node at the block that held such a statement.
ENDED: tuple[tuple[str, Change], ...] = (
    ("battery.installed", ("effects", {"responsible": "first_party"})),
    ("battery.installed", ("guard", "X22")),
    ("battery.sold", ("guard", "X6")),
    ("battery.sold", ("guard", "X21")),
    ("battery.sold", ("effects", {"passport": "publish"})),
    ("battery.sold", ("effects", {"passport": "reinstate"})),
    ("battery.sold", ("effects", {"status_list": True})),
    ("battery.sold", ("effects", {"undo": "void"})),
    ("battery.sold", ("effects", {"presentation": "moved"})),
    ("battery.installed", ("only_guard", "X6")),
    ("recall.published", ("only", {"recall": "lift"})),
)


def changed(table: Mapping[str, Any], kind: str, change: Change) -> dict[str, Any]:
    """The table with another row for this kind."""
    what, value = change
    section, place = next(
        (s, n) for s in ("events", "kinds") for n, row in enumerate(table[s]) if row["type"] == kind
    )
    row = copy.deepcopy(table[section][place])
    match what:
        case "effects":
            row["effects"] |= value
            row["irreversible"] = "undo" in value or row.get("irreversible", False)
        case "only":
            row["effects"] = value
        case "guard":
            row["guards"] = [*row.get("guards", ()), value]
        case "only_guard":
            row["guards"] = [value]
        case "without":
            row["members"].pop(value, None)
            row.get("ledger_members", {}).pop(value, None)
        case "optional":
            row["members"].get(value, {})["required"] = False
        case "held_as":
            row.setdefault("ledger_members", {}).update(value)
        case _:
            row[what] = value
    rows = list(table[section])
    rows[place] = row
    return {**table, section: rows}


@cache
def lived(kind: str) -> tuple[Ledger, tuple[bytes, ...]]:
    """A ledger on which an event of this kind is next, and statements of it: as asked for, and otherwise.

    Nothing is run on it: what is judged changes nothing.
    """
    history, by, wanted, _ = EVENTS[kind]
    ledger = Ledger()
    subject = history(ledger)
    members = wanted if isinstance(wanted, dict) else wanted(ledger, subject)
    more: dict[str, Any] = {
        "parties": (IMPORTER,),
        "bound_asset": vehicle(1),
        "references": (battery(21, "ZZ5"),),
        "set_list": set_list(1, 2),
    }
    if "status" in members:
        del more["set_list"]  # an attestation has one payload
    said = [members, {}, last_of(ledger, subject) if subject.scheme == "gbt34014" else {}]
    said += [{**members, name: value} for name, value in more.items()]
    said += [{n: v for n, v in members.items() if n != name} for name in members]
    agreed = COUNTERSIGNERS.get(kind, ())
    made = [
        ledger.countersigned(who, kind, subject, agreed, **one) for one in said for who in (by, EU_AUTHORITY)
    ]
    return ledger, tuple(made)


def governed_by(governance: Governance, table: Mapping[str, Any]) -> Governance | None:
    """What governs once this table does; None where it cannot."""
    try:
        made = replace(governance, rules={**governance.rules, "lifecycle.json": table})
        require_built(made.lifecycle)
    except CredentialError:
        return None
    return made


def judged(kind: str, governance: Governance) -> Iterator[str]:
    """What becomes of each statement under these rules: a refusal by its code, or "" for anything else."""
    ledger, made = lived(kind)
    for tx in made:
        judge = ledger.registry.judge_at(ledger.now, governance)
        try:
            judge.judge(parse_attestation(tx), frozenset(COUNTERSIGNERS.get(kind, ())), ledger.log.size)
            judge.changes()
        except Refusal as refusal:
            yield refusal.code
        else:
            yield ""


def members_of(kind: str) -> list[str]:
    return next(list(r["members"]) for s in ("events", "kinds") for r in TABLE[s] if r["type"] == kind)


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, list[Change]]:
    """An event, and what its row says instead: one to three things."""
    kind = draw(st.sampled_from(sorted(EVENTS)))
    made: list[Change] = []
    for _ in range(draw(st.integers(1, 3))):
        effect = draw(st.sampled_from(sorted(EFFECTS)))
        word = draw(st.sampled_from(sorted(WORDS)))
        ways: list[Change] = [
            (draw(st.sampled_from(["effects", "only"])), {effect: draw(st.sampled_from(EFFECTS[effect]))}),
            (draw(st.sampled_from(["guard", "only_guard"])), draw(st.sampled_from(sorted(RULES)))),
            (word, draw(st.sampled_from(WORDS[word]))),
        ]
        if members := members_of(kind):
            member = draw(st.sampled_from(members))
            ways += [
                (draw(st.sampled_from(["without", "optional"])), member),
                ("held_as", {member: draw(st.sampled_from(sorted(LEDGER_FIELDS)))}),
            ]
        made.append(draw(st.sampled_from(ways)))
    return kind, made


@pytest.mark.parametrize(("kind", "change"), ENDED, ids=[f"{k} {c[0]} {c[1]}" for k, c in ENDED])
def test_what_a_table_asks_for_too_little_of_is_said_by_nobody(kind: str, change: Change) -> None:
    """
    A table that lets an event lack what its own effects and guards read ends no node: who says such a thing
    is refused.
    """
    governance = governed_by(lived(kind)[0].history.latest, changed(TABLE, kind, change))
    assert governance is not None, "the reader of the table takes it"

    assert set(judged(kind, governance)) - {""}


@settings(max_examples=25, deadline=None, derandomize=True)
@given(changes())
def test_no_rules_that_are_decided_on_stop_a_node(drawn: tuple[str, list[Change]]) -> None:
    """
    Whatever the reader of the table takes: each statement is admitted, lost, a claim or refused.
    """
    assert_total(*drawn)


@pytest.mark.long
@settings(max_examples=20_000, deadline=None)
@given(changes())
def test_no_rules_that_are_decided_on_stop_a_node_at_length(drawn: tuple[str, list[Change]]) -> None:
    """
    The same, many times over.
    """
    assert_total(*drawn)


def assert_total(kind: str, said: list[Change]) -> None:
    table: Mapping[str, Any] = TABLE
    for change in said:
        table = changed(table, kind, change)
    governance = governed_by(lived(kind)[0].history.latest, table)
    if governance is not None:
        assert len(list(judged(kind, governance))) == len(lived(kind)[1])


@pytest.mark.parametrize("effect", sorted(UNDO_EFFECTS))
@pytest.mark.parametrize("kind", ["battery.sold", "battery.produced", "market.placed"])
def test_what_took_nothing_back_when_it_was_said_takes_nothing_back(kind: str, effect: str) -> None:
    """
    A table that lets a kind take others back: what was said of it before names none, and is read as before.
    """
    ledger = Ledger()
    governed = governed_by(ledger.genesis.governance, changed(TABLE, kind, ("effects", {"undo": effect})))
    said = LedgerView(None, [LedgerEntry(7, 1, ledger.now, ledger.attest(IMPORTER, kind, battery(1)))])

    record = Record.read(said, governed)

    assert governed is not None
    assert [r.leaf_index for r in record.admitted] == [7] and record.taken_back == frozenset()


def test_what_lifted_nothing_when_it_was_said_lifts_nothing() -> None:
    """
    The same of a kind that a table lets lift recalls.
    """
    ledger = Ledger()
    table = changed(TABLE, "recall.published", ("only", {"recall": "lift"}))
    governed = governed_by(ledger.genesis.governance, table)
    data = ledger.attest(IMPORTER, "recall.published", battery(1))
    [said] = Record.read(LedgerView(None, [LedgerEntry(7, 1, ledger.now, data)]), governed).admitted

    assert governed is not None and not _lifts(said, governed)
