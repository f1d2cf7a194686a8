"""The lifecycle table: complete, consistent, read strictly, and the only place with event names."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.ledger.lifecycle import ANY, Lifecycle
from credentials.ledger.rules import RULES
from tests.harness.ledger import lifecycle_table

LIFECYCLE = Lifecycle.parse(lifecycle_table())
CODE = Path(__file__).parents[2] / "credentials"
LEDGER_CODE = sorted(path.stem for path in (CODE / "ledger").glob("*.py"))


def test_table_has_the_events_of_the_law() -> None:
    """
    All events of the law are there, and status lists and recalls as kinds of their own.
    """
    battery_events = [event for event in LIFECYCLE.events.values() if event.battery_event]

    assert len(battery_events) == 51, "a new event: the new count stands here"
    others = [e.type for e in LIFECYCLE.events.values() if not e.battery_event]
    assert others == ["status.published", "recall.published", "recall.lifted"]


def test_every_state_can_be_reached() -> None:
    """
    From `unknown` every state of the table is reached by some chain of events.
    """
    reached = {LIFECYCLE.initial}
    while True:
        more = {
            event.to
            for event in LIFECYCLE.events.values()
            for state in reached
            if event.to is not None and LIFECYCLE.allows(event, state)
        }
        if more <= reached:
            break
        reached |= more

    assert reached == LIFECYCLE.states.keys()


def test_no_way_back_from_the_end() -> None:
    """
    Nothing leaves a final state, and waste never becomes an original battery again.
    """
    for event in LIFECYCLE.events.values():
        for state in LIFECYCLE.final:
            assert event.to is None or not LIFECYCLE.allows(event, state)
    for following in LIFECYCLE.eu_status_transitions.values():
        assert "original" not in following


def test_star_excludes_the_ends() -> None:
    """
    "*" is any state but the initial and the terminal ones.
    """
    event = next(e for e in LIFECYCLE.events.values() if e.from_states == {ANY})

    assert LIFECYCLE.allows(event, "placed")
    assert not any(LIFECYCLE.allows(event, state) for state in ("unknown", "recycled"))
    assert LIFECYCLE.allows(event, "refused")


def test_every_guard_is_built_or_said_not_to_be() -> None:
    """
    The rules that guard events are built; a rule that is built is said to be enforced, and no other is.
    """
    guards = {g for event in LIFECYCLE.events.values() for g in event.guards} | set(LIFECYCLE.guards_always)
    enforced = {r.id for r in LIFECYCLE.rules.values() if r.enforcement in ("refused", "invalid", "waits")}

    assert guards == RULES.keys() == enforced
    assert [f"X{n}" for n in range(1, 23)] == list(LIFECYCLE.rules)


def test_guarded_facts_are_recorded() -> None:
    """
    A rule that needs a winner's leaf guards only events that record one.
    """
    for event in LIFECYCLE.events.values():
        if {"X2", "X4", "X8"} & set(event.guards):
            assert event.effects.fact is not None


def test_members_are_fit_for_a_form() -> None:
    """
    Every member has a name, a known type and one line of text; what the ledger needs has a delta field.
    """
    for event in LIFECYCLE.events.values():
        for member in event.members.values():
            assert member.name.isascii() and member.name == member.name.lower()
            assert 0 < len(member.text) <= 110 and "\n" not in member.text
        fields = [m.ledger for m in event.ledger_members if m.ledger != "quantities"]
        assert len(fields) == len(set(fields)) + event.effects.names_parts, (
            f"{event.type}: one member for one field, but for parts taken out and put in"
        )
        assert all(m.type in ("integer", "boolean") for m in event.ledger_members if m.ledger == "quantities")
        if event.effects.bound == "bind" or {"X5", "X6", "X21"} & set(event.guards):
            assert "bound_asset" in fields
        if event.effects.passport in ("publish", "supersede"):
            assert "set_list" in fields


def test_duties_say_what_is_confirmed() -> None:
    """
    Each time limit has a jurisdiction, a basis and says whether its wording was read.
    """
    duties = [duty for event in LIFECYCLE.events.values() for duty in event.duties]

    assert {duty.jurisdiction for duty in duties} == {"CN", "EU"}
    assert all(duty.basis for duty in duties)
    assert any(not duty.confirmed for duty in duties)


@pytest.mark.parametrize("name", LEDGER_CODE)
def test_no_event_name_in_code(name: str) -> None:
    """
    The ledger's code never names an event: a new one is a row of data.
    """
    tree = ast.parse((CODE / "ledger" / f"{name}.py").read_text())
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}

    assert not texts & LIFECYCLE.events.keys()


def _event(table: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in table["events"] if row["type"] == name)
    return found


Change = Callable[[dict[str, Any]], Any]
MALFORMED: dict[str, Change] = {
    "unknown member": lambda t: t.update(colour="red"),
    "lacking member": lambda t: t.pop("states"),
    "event twice": lambda t: t["events"].append(t["events"][0]),
    "kind twice": lambda t: t["kinds"].append(t["kinds"][0]),
    "event member": lambda t: t["events"][0].update(colour="red"),
    "state": lambda t: t["events"][0].update(to="heaven"),
    "from": lambda t: t["events"][0].update({"from": ["heaven"]}),
    "to in a vehicle": lambda t: t["events"][0].update(to_in_vehicle="heaven"),
    "to in a vehicle, no text": lambda t: t["events"][0].update(to_in_vehicle=7),
    "attester": lambda t: t["events"][0].update(attesters=["king"]),
    "guard": lambda t: t["events"][0].update(guards=["X99"]),
    "holder": lambda t: t["events"][0].update(holder="anybody"),
    "marks of what it does not name": lambda t: t["events"][0].update(marks_named=["installed"]),
    "mark of what it names": lambda t: _event(t, "battery.replaced").update(marks_named=["wings"]),
    "effect": lambda t: t["events"][0].update(effects={"magic": True}),
    "effect word": lambda t: t["events"][0].update(effects={"passport": "burn"}),
    "effect type": lambda t: t["events"][0].update(effects={"creates": "yes"}),
    "member type": lambda t: t["events"][0]["members"]["category"].update(type="colour"),
    "member required": lambda t: t["events"][0]["members"]["category"].update(required=1),
    "ledger member": lambda t: t["events"][0]["ledger_members"].update(nothing="parties"),
    "ledger field": lambda t: t["events"][0]["ledger_members"].update(category="digest"),
    "date": lambda t: t["events"][0].update(requires_passport_from={"EU": "18 Feb 2027"}),
    "date without a side": lambda t: t["events"][0].update(requires_passport_from="2027-02-18"),
    "duty": lambda t: t["events"][0]["duties"][0].update(confirmed="yes"),
    "enforcement": lambda t: t["exclusivity"][0].update(enforcement="maybe"),
    "initial": lambda t: t.update(initial="heaven"),
    "events": lambda t: t.update(events={}),
    "resumes": lambda t: t.update(resumes=[]),
    "resumes a state": lambda t: t["resumes"].update(heaven={}),
    "resumes by a mark": lambda t: t["resumes"]["released"].update(wings="waste"),
    "resumes to a state": lambda t: t["resumes"]["released"].update(waste="heaven"),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_table_is_refused(change: Change) -> None:
    """
    A table with an unknown word or a wrong type is refused as a whole.
    """
    table = lifecycle_table()
    change(table)

    with pytest.raises(CredentialError) as error:
        Lifecycle.parse(table)

    assert error.value.code == "rules_invalid"


def test_whatever_takes_custody_waits_for_what_is_lost() -> None:
    """
    X18: every event that gives a battery into other hands, but for an authority that assigns it and for what
    brings it into being.
    """
    taking = [event for event in LIFECYCLE.events.values() if event.custody is not None]
    free = {e.type for e in taking if e.brings_into_being or e.speaks == "authority"}

    assert free == {"battery.produced", "battery.enrolled", "custody.assigned"}
    assert all("X18" in event.guards for event in taking if event.type not in free)


def test_a_day_of_the_rules_begins_at_one_second_for_every_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whatever a machine takes for local time: two nodes that read the same rules judge alike.
    """

    def days() -> dict[str, dict[str, int]]:
        events = Lifecycle.parse(lifecycle_table()).events
        return {
            name: dict(e.requires_passport_from) for name, e in events.items() if e.requires_passport_from
        }

    told = []
    for zone in ("UTC0", "EAST-8", "WEST8"):
        with monkeypatch.context() as moved:
            moved.setenv("TZ", zone)
            time.tzset()
            told.append(days())
    time.tzset()

    assert told[0]
    assert told == [told[0]] * 3
