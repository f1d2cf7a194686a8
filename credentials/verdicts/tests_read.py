"""What tests read of other batteries by which one is judged: those in its vehicle, the parts put into it.

A standing keeps counts that never fall; the health stands in the tests themselves (D972, D974).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from credentials.ledger.governance import Governance
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import LedgerEntry, LedgerView
from credentials.verdicts.hands import ALWAYS
from credentials.verdicts.record import Inquiry, Record

TESTS_BESIDE_MAX = 512  # of one battery, the first ones

TestsSaid = Callable[[bytes, Sequence[str], Sequence[str], int], Sequence[LedgerEntry]]


def tests_behind(
    known: Mapping[bytes, Standing], governance: Governance, said_of: TestsSaid
) -> dict[bytes, Sequence[LedgerEntry]]:
    """Of each battery that was tested, burnt or certified to have ended what says so, and what voided that.

    A standing keeps the last of what may be said twice, since it moves nothing. What its author took back
    left the standing, and counts here as of the battery itself (I1).
    `said_of`: of a battery what is of these kinds, and of those that void, so many at most, oldest first.
    """
    events = governance.lifecycle.events.items()
    using = {kind for _, event in events for kind in event.used_part_by}
    using |= {kind for kind, event in events if event.marks and event.to is None and event.effects.fact}
    tests = {k: e for k, e in events if k in using or any(m.monotone for m in e.ledger_members)}
    voiding = [kind for kind, event in events if event.effects.undo == "void"]
    facts = {event.effects.fact for event in tests.values()}
    tested = (key for key, one in known.items() if one.taken_back or not facts.isdisjoint(one.facts))
    return {key: said_of(key, list(tests), voiding, TESTS_BESIDE_MAX) for key in tested}


def tests_of(one: Standing, inquiry: Inquiry) -> Record:
    """The tests of another battery as a record."""
    view, governance = inquiry.evidence.ledger, inquiry.evidence.network.governance
    return Record.read(LedgerView(one, view.tests.get(one.key, ()) if view is not None else ()), governance)


def reads_as_used(
    one: Standing, inquiry: Inquiry, since: int = 0, until: int = ALWAYS, before: int = ALWAYS
) -> bool:
    """Whether any of them, made between these times, reads as no new battery does, whatever is read later.

    `before`: of those that were told before this leaf.
    """
    table = inquiry.evidence.network.tables.shown_as
    if table is None:
        return False
    told = (said.attestation for said in tests_of(one, inquiry).shown() if said.leaf_index < before)
    return any(table.beyond_new(said.quantities) for said in told if since <= said.event_time <= until)


def says_use(one: Standing, inquiry: Inquiry, before: int = ALWAYS) -> bool:
    """Whether what is said of it shows use by being there, taken back or not, before this leaf."""
    table = inquiry.evidence.network.tables.shown_as
    said = tests_of(one, inquiry).shown()
    return table is not None and any(
        told.attestation.kind in table.shown_by and told.leaf_index < before for told in said
    )


def said_at(one: Standing, facts: Container[str | None], inquiry: Inquiry) -> Iterator[int]:
    """The leaves of what leaves one of these facts and stands: it may be said again (0993)."""
    governance, record = inquiry.evidence.network.governance, tests_of(one, inquiry)
    for said in record.shown():
        event = governance.lifecycle.event(said.attestation.kind) if governance is not None else None
        if (
            event is not None
            and event.effects.fact in facts
            and said.attestation.digest not in record.withdrawn
        ):
            yield said.leaf_index
