"""Every member of every event's statement, and who reads it: what nobody reads promises what it cannot.

Read off the table of events and the tables of verdicts. What verdicts read by name in their code, and what is
told to a person alone, stands here, with its place or reason: a new member is noticed by whoever adds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.lifecycle import Event, Lifecycle, Member
from tests.credentials.test_registry import EVENTS
from tests.credentials.test_routes import ends_as
from tests.harness.ledger import RULES, Ledger, lifecycle_table

ROOT = Path(__file__).resolve().parents[2]
LIFECYCLE = Lifecycle.parse(lifecycle_table())
VERDICTS: dict[str, Any] = json.loads((RULES / "verdicts.json").read_bytes())["events"]
REPORT: dict[str, Any] = json.loads((RULES / "crosswalk-evidence.json").read_bytes())["rows"]
STATEMENTS = [(event, member) for event in LIFECYCLE.events.values() for member in event.members.values()]

DECLARED = "credentials/verdicts/clearance.py"  # the members of a declaration that a line is compared with
# By event and member: the code of the verdicts that reads it by its name.
BY_NAME = {
    ("battery.produced", "category"): "credentials/verdicts/content.py",
    ("battery.presented", "declaration_number"): "credentials/verdicts/cell.py",
    ("battery.presented", "registration_id"): DECLARED,
    ("battery.presented", "commodity_code"): DECLARED,
    ("battery.presented", "eori"): DECLARED,
    ("battery.dismantled", "fates"): "credentials/verdicts/fates.py",
}
# What a person reads in the document, and no rule.
PAPER = "the number of a paper that is elsewhere"
WHY = "why, for whoever reads the record"
WHAT = "what was done or seen, in words"
GROUND = "under which ground of the law its author acted: the act counts under each"
EARLIER = "a day before the act, that the node of its author has compared with the day of signing"
WHEN = "the act itself counts, from its own time on"
SECOND_LIVES = ("prepared_for_reuse", "prepared_for_repurposing", "repurposed", "remanufactured")
FOR_PERSONS = {
    ("battery.produced", "recycled_lots"): "an authority compares it with the lots, and no verdict does",
    (
        "battery.exported",
        "commodity_code",
    ): "the code of the side it left; the declaration here states its own",
    ("battery.exported", "consignee"): "an address; who may go on is `named_party`",
    ("battery.exported", "consignment_id"): PAPER,
    ("customs.suspended", "ground"): GROUND,
    ("customs.released", "basis"): GROUND,
    ("customs.refused", "conclusion"): WHY,
    ("customs.refused", "endorsement"): WHAT,
    ("customs.invalidated", "basis"): WHY,
    ("customs.moved", "transit_document"): PAPER,
    ("passport.published", "declaration_digest"): PAPER,
    ("battery.installed", "place"): WHAT,
    ("battery.maintained", "work"): WHAT,
    ("soh.measured", "method"): WHAT,
    ("negative_event", "event_kind"): "any of them is asked about",
    ("negative_event", "text"): WHAT,
    ("vehicle.scrapped", "scrap_date"): f"{EARLIER}: {WHEN}",
    ("waste.collected", "facility_licence"): PAPER,
    ("battery.dismantled", "facility_licence"): PAPER,
    ("waste.exported", "notification"): f"{PAPER}; waste is no product whatever it says",
    ("recycling.received", "facility_licence"): PAPER,
    ("recycling.completed", "method"): WHAT,
    ("material.recovered", "lot"): PAPER,
    (
        "material.recovered",
        "element",
    ): "which metal the mass is of: an authority balances lots by it (node D710)",
    ("battery.reported_lost", "reference"): PAPER,
    ("responsibility.transferred", "contract_reference"): PAPER,
    ("battery.sold", "invoice"): PAPER,
    ("vehicle.registered", "plate"): PAPER,
    ("vehicle.sold", "invoice"): PAPER,
    ("attestation.voided", "case"): PAPER,
    ("battery.enrolled", "ground"): "origin not on record, whichever",
    ("battery.enrolled", "evidence"): WHAT,
    ("battery.handed_over", "delivery_note"): PAPER,
    ("custody.assigned", "ground"): GROUND,
    ("custody.assigned", "reference"): PAPER,
    ("end_of_life.certified", "certificate"): PAPER,
    **{(f"second_life.{way}", "declaration_digest"): PAPER for way in SECOND_LIVES},
    **{(f"second_life.{way}", "label_date"): f"{EARLIER}: {WHEN}" for way in SECOND_LIVES},
    **{(event.type, "reason"): WHY for event, member in STATEMENTS if member.name == "reason"},
}


def readers(event: Event, member: Member) -> Iterator[str]:
    """Who reads this member of this event's statement, by the tables alone."""
    kind, name = event.type, member.name
    if member.ledger is not None:
        yield "the ledger, which admits it"
    if VERDICTS["soh"].get(kind) == name:
        yield "the day of a test of health (verdicts.json, soh)"
    if name in {one for names in VERDICTS["annexXiv"].get(kind, {}).values() for one in names}:
        yield "the record of Annex XIV (verdicts.json, annexXiv)"
    changes = VERDICTS["changes"]
    needed = {one for names in changes["needed"].values() for one in names}
    if event.effects.consumes and name in needed | {changes["tested"], changes["tested_in"]["member"]}:
        yield "what a second life begins with (verdicts.json, changes)"
    accepted = [one for row in REPORT.values() for part in row["parts"] for one in part["accepts"]]
    if any(one.get("event") == kind and name in one.get("members", ()) for one in accepted):
        yield "the importer's report (crosswalk-evidence.json)"
    if (kind, name) in BY_NAME:
        yield BY_NAME[kind, name]


def test_every_member_is_read_or_said_to_be_for_a_person() -> None:
    """
    The list of members that no rule reads is exactly the one that is argued here; the others are printed.
    """
    read = {(event.type, member.name): list(readers(event, member)) for event, member in STATEMENTS}
    for (kind, name), by in sorted(read.items()):
        print(f"{kind}.{name}: {'; '.join(by) or FOR_PERSONS.get((kind, name), 'NOBODY')}")

    assert {key for key, by in read.items() if not by} == FOR_PERSONS.keys()
    assert len(read) == len(STATEMENTS) > 120


def test_what_is_read_by_name_is_named_there() -> None:
    """
    The code that is said to read a member has its name, as a word of its own.
    """
    for (kind, name), place in BY_NAME.items():
        assert f'"{name}"' in (ROOT / place).read_text(), f"{kind}.{name}: {place}"
        assert any(event.type == kind and member.name == name for event, member in STATEMENTS)


TRUTHS = [(event, member) for event, member in STATEMENTS if member.type == "boolean"]
IDS = [f"{event.type}.{member.name}" for event, member in TRUTHS]


@pytest.mark.parametrize(("event", "member"), TRUTHS, ids=IDS)
def test_no_truth_is_for_a_person_alone(event: Event, member: Member) -> None:
    """
    What is true or false is read by the ledger: in a document alone, which it does not see, no would be
    admitted as yes (L18).
    """
    assert (event.type, member.name) not in FOR_PERSONS
    assert member.ledger == "quantities"
    assert member.values, "without them both are admitted, and each reader has to tell them apart"


@pytest.mark.parametrize(("event", "member"), TRUTHS, ids=IDS)
def test_what_says_no_where_only_yes_has_a_meaning_is_admitted_by_nobody(
    event: Event, member: Member
) -> None:
    """
    Signed by whatever software: that the checks of Art 41 were not made, or that it is waste, moves nothing;
    nor does one that leaves out what has to be said, or another number. The same with yes is admitted.
    """
    history, by, said, _ = EVENTS[event.type]
    for value, outcome in (
        (0, "not_affirmed"),
        (2, "not_affirmed"),
        (None, "members" if member.required else "admitted"),
        (1, "admitted"),
    ):
        ledger = Ledger()
        subject = history(ledger)
        before = ledger.standing(subject)
        assert isinstance(said, dict)
        stated = {**said.get("quantities", {}), member.name: value}

        assert ends_as(ledger, by, event.type, subject, quantities=stated) == outcome
        assert (ledger.standing(subject) == before) == (outcome != "admitted")
