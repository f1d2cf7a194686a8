"""What each party records, added up by licence, event and month, for an authority that supervises its side.

Counted a stretch of the log at a time, in the alerts' thread, once everybody is told; a node that is no
authority counts nothing. The month is that in which the log took it up (UTC): what is told late changes no
month that is over.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Attestation
from credentials.ledger.entries import AdmittedEntry, RefusedEntry, parse_entry
from credentials.ledger.governance import Governance, GovernanceHistory
from node.oversight.alert_kinds import ADMITTED, REFUSED
from node.oversight.balances import COMPLETED, OUT
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.tallies import REFUSED_KIND, Tally

LEAVES_AT_ONCE = 1_000
APART_S = 2.0  # between two turns that found the log's end
TallyKey = tuple[int, str, str, str, str, str]  # month, side, home, party, licence, event
MASSES = ("mass_grams", "mass_in_grams")


class Tallying:
    """Adds up; used by one thread."""

    def __init__(self, office: OfficeStore, ledger: LedgerStore, history: GovernanceHistory) -> None:
        self._office, self._ledger, self._history = office, ledger, history
        self._rested_at: float | None = None  # monotonic

    def turn(self) -> bool:
        """Count the next leaves; True if there may be more of them. Rests between two looks at the end."""
        if self._rested_at is not None and time.monotonic() - self._rested_at < APART_S:
            return False
        more = self.count()
        self._rested_at = None if more else time.monotonic()
        return more

    def count(self) -> bool:
        """Count the next leaves; True if there may be more of them."""
        table = self._office.tallies
        begin = table.counted_until()
        if begin >= self._ledger.log_size():
            return False
        with self._ledger.reading():
            rows = self._ledger.leaves.since(begin, LEAVES_AT_ONCE)
            times = self._ledger.block_times({row.height for row in rows})
        if not rows:
            return False
        events, grams = Counter[TallyKey](), Counter[TallyKey]()
        for key, mass in self._said(rows, times):
            events[key] += 1
            grams[key] += mass
        with self._office.writing() as db:
            table.add(db, (Tally(*key, count, grams[key]) for key, count in sorted(events.items())))
            table.count_on(db, rows[-1].leaf_index + 1)
        return len(rows) == LEAVES_AT_ONCE

    def _said(self, rows: Sequence[EntryRow], times: dict[int, int]) -> Iterator[tuple[TallyKey, int]]:
        """The key of each statement, with its grams."""
        for row in rows:
            if row.type not in (ADMITTED, REFUSED):
                continue
            at, governance = times.get(row.height, 0), self._history.at(row.height)
            match parse_entry(row.entry):
                case AdmittedEntry(said):
                    where = licence_of(governance, said.issuer, said.kind, said.subject, at)
                    yield (month_of(at), *where[:2], said.issuer, where[2], said.kind), mass_of(said)
                case RefusedEntry(_, issuer, subject, _, _, _):
                    where = licence_of(governance, issuer, "", subject, at)
                    yield (month_of(at), *where[:2], issuer, where[2], REFUSED_KIND), 0


def licence_of(governance: Governance, did: str, kind: str, about: Subject, at: int) -> tuple[str, str, str]:
    """(its jurisdiction, that of the party, the licence) under which a party spoke."""
    party = governance.participant(did)
    home = party.jurisdiction if party is not None else ""
    given = governance.accredited(did, kind, about.scheme, about.namespace, at) if kind else None
    return (home, home, "") if given is None else (given.jurisdiction, home, given.licence)


def mass_of(said: Attestation) -> int:
    """The grams of a statement: what it weighs, or all that it says to have given out."""
    grams = said.quantities
    if said.kind == COMPLETED:
        return sum(value for name, value in grams.items() if name.endswith(OUT))
    return next((grams[name] for name in MASSES if name in grams), 0)


def month_of(seconds: int) -> int:
    """The month of a moment: 202703."""
    day = datetime.fromtimestamp(seconds, UTC)
    return day.year * 100 + day.month
