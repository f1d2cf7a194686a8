"""A further code on made evidence: whose word it is, what is told, and which vehicle it is in (X1, X17)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from credentials.documents.identifiers import Subject
from credentials.ledger.standing import PRIVATE, Bound, Enrolment, Standing
from credentials.verdicts.cell import Declared
from credentials.verdicts.evidence import LedgerEntry, LedgerView
from credentials.verdicts.names import rightful
from credentials.verdicts.record import Inquiry
from credentials.verdicts.shown import check_alias
from credentials.verdicts.verdict import Check, Findings
from tests.credentials.test_used_evidence import inquiry, ledger, said
from tests.harness.border import tables
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    OUTSIDER,
    RECYCLER,
    RIVAL,
    WORKSHOP,
    battery,
    make_genesis,
    vehicle,
)

GOVERNANCE = make_genesis().governance
CAR, OTHER_CAR = vehicle(1), vehicle(2)
OWN = Standing(
    battery(1),
    item_state="produced",
    producer=MAKER,
    responsible=IMPORTER,
    holder=WORKSHOP,
    named=(RECYCLER,),
)
ENTERED = Standing(
    battery(2),
    item_state="enrolled",
    responsible=OUTSIDER,
    holder=RIVAL,
    enrolled=Enrolment(OTHER_MAKER, 1, "", bytes(32)),
)
LINE = Declared("export", goods="battery", condition="used")


def parties_of(made: Inquiry) -> set[str]:
    """Who has a right over the battery by its own record."""
    assert made.evidence.ledger is not None and made.evidence.ledger.standing is not None
    return rightful(made.evidence.ledger.standing, made.record, made.evidence.network.governance)


def told(
    alias: Standing | None = ENTERED,
    *statements: Any,
    own: Standing = OWN,
    line: Declared = LINE,
    subjects: dict[str, Subject] | None = None,
    governed: bool = True,
    entries: tuple[LedgerEntry, ...] = (),
) -> tuple[list[Check], bool]:
    """The checks of the further code, and whether its record counts."""
    found = Findings(tables())
    made = inquiry(*statements, standing=own)
    network = replace(made.evidence.network, governance=GOVERNANCE if governed else None)
    made = replace(made, evidence=replace(made.evidence, network=network, subjects=subjects or {}))
    counts = check_alias(found, "THE-CODE", LedgerView(alias, entries), made, line, parties_of(made))
    assert all(c.evidence.get("identifier") == "THE-CODE" for c in found.checks)
    return [c for c in found.checks if c.name == "alias"], counts is not None


def entry(kind: str, by: str) -> tuple[LedgerEntry, ...]:
    """One statement about the further code, on the ledger."""
    return (LedgerEntry(3, 1, 1, ledger().attest(by, kind, battery(2))),)


def test_what_a_stranger_entered_under_a_further_code_is_a_claim() -> None:
    """
    I5: it is told with who entered it, and its record does not count.
    """
    (check,), counts = told()

    assert (check.outcome.value, check.reason, check.rule) == ("warn", "alias_claimed", "X1")
    assert (check.evidence["by"], counts) == (OTHER_MAKER, False)


def test_any_party_of_the_battery_makes_a_further_code_its_own() -> None:
    """
    Its maker, operator, holder, whoever they named and the authors of its record, against whoever entered the
    code, holds it, answers for it or said anything about it.
    """
    enrolled = ENTERED.enrolled
    assert enrolled is not None
    for party in (MAKER, IMPORTER, WORKSHOP, RECYCLER):
        for its in (
            replace(ENTERED, enrolled=replace(enrolled, by=party)),
            replace(ENTERED, holder=party),
            replace(ENTERED, responsible=party),
        ):
            assert told(its)[1], party
        assert told(entries=entry("battery.maintained", party))[1], party
    assert told(replace(ENTERED, holder=EU_AUTHORITY), said("battery.produced", 1, by=EU_AUTHORITY))[1]
    private = replace(ENTERED, holder=PRIVATE)
    assert not told(private, own=replace(OWN, holder=PRIVATE))[1], "two owners without a node are not one"
    bare = replace(ENTERED, holder=None, responsible=None)
    nobody = Standing(battery(1), item_state="produced")
    assert not told(bare, own=nobody)[1]


def test_a_trade_or_a_correction_makes_nobody_a_party() -> None:
    """
    Whoever may come to the place says so of any battery; without the life cycle at hand every author is one.
    """
    by_rival = replace(ENTERED, holder=RIVAL)
    events = GOVERNANCE.lifecycle.events
    trades = [kind for kind, event in events.items() if event.speaks == "trade"]
    undoing = [kind for kind, event in events.items() if event.effects.undo]

    for kind in (trades[0], undoing[0]):
        about: dict[str, Any] = {"references": (bytes(32),)} if kind in undoing else {}
        statement = said(kind, 1, by=RIVAL, **about)
        assert not told(by_rival, statement)[1], kind
        assert told(by_rival, statement, governed=False)[1], kind
    assert told(by_rival, said("battery.sold", 1, by=RIVAL))[1]


def test_what_an_authority_entered_or_acted_on_is_no_claim() -> None:
    """
    A code that does not give way to its maker is on record whoever entered it.
    """
    enrolled = ENTERED.enrolled
    assert enrolled is not None
    official = replace(ENTERED, enrolled=Enrolment(CN_AUTHORITY, 1, "authority", bytes(32)))

    assert told(official)[1] and told(replace(ENTERED, facts={"acted_on": 4}))[1]
    assert told(replace(ENTERED, enrolled=None))[1]


def test_a_further_code_without_a_record_is_told_as_that() -> None:
    """
    Nothing of it counts; without the table of what may be shown nothing is judged.
    """
    for alias in (None, Standing(battery(2))):
        (check,), counts = told(alias)
        assert (check.outcome.value, check.reason, check.rule) == ("warn", "alias_not_recorded", "X16")
        assert not counts
    found = Findings(tables())
    bare = inquiry(standing=OWN, tables=replace(tables(), shown_as=None))
    assert check_alias(found, "THE-CODE", LedgerView(ENTERED), bare, LINE, set()) is None
    (check,) = found.checks
    assert (check.name, check.outcome.value, check.reason, check.rule) == (
        "alias", "not_checked", "tables_unavailable", "X1",
    )  # fmt: skip


def test_a_battery_is_in_the_vehicle_of_its_line_under_every_code() -> None:
    """
    X17: in another one it is held, with the number of the line; loose goods, an unknown number and a code in
    no vehicle say nothing.
    """
    inside = Standing(
        battery(2), item_state="installed", producer=MAKER, holder=MAKER, bound=Bound(CAR, 1, MAKER)
    )
    line = Declared("export", goods="in_vehicle", condition="used", vin="THE-VIN")

    def other(
        alias: Standing = inside, line: Declared = line, car: Subject | None = OTHER_CAR
    ) -> list[Check]:
        checks, counts = told(alias, line=line, subjects={"THE-VIN": car} if car is not None else {})
        assert counts
        return [c for c in checks if c.reason == "vin_other"]

    (check,) = other()
    assert (check.outcome.value, check.rule) == ("fail", "X17")
    assert check.evidence == {"identifier": "THE-CODE", "vin": "THE-VIN"}
    assert other(car=CAR) == other(car=None) == []
    assert other(line=replace(line, goods="battery")) == other(line=replace(line, vin=None)) == []
    assert other(replace(inside, bound=None)) == []


def test_inland_a_further_code_is_not_asked_whether_it_arrived() -> None:
    """
    D771 is asked of the code that is declared; a declaration that is open on the further code counts.
    """
    away = Standing(battery(2), item_state="exported", producer=MAKER, holder=MAKER)
    line = Declared("inland", goods="battery", condition="new", asked=True)
    found, network = Findings(tables()), inquiry(standing=OWN)

    counts = check_alias(found, "THE-CODE", LedgerView(away), network, line, parties_of(network))

    assert counts is not None and counts[0]["presented"] == "unasked"
    assert counts[0]["publication"] == "live"
