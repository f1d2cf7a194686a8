"""What facilities handled, added up for the capacities that an authority keeps, and compared with them.

Counted as the tallies are, in the alerts' thread; by the month in which it happened, so that who reports late
is within the capacity of each month; without what was taken back since. Where no capacity is kept nothing is
counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from hashlib import sha256

from consensus.encoding import Value, encode
from credentials.ledger.attestation import Attestation
from credentials.ledger.governance import GovernanceHistory
from node.capacity_rows import Capacity
from node.errors import SetupError
from node.oversight.alert_kinds import ADMITTED
from node.oversight.capacities import Capacities
from node.oversight.counted_again import TAKEN_BACK, taken_back
from node.oversight.raising import Recorded, admitted_of
from node.oversight.tallying import licence_of, mass_of, month_of
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.throughput import Throughput

LEAVES_AT_ONCE = 1_000
RECORD_READ_MAX = 256  # newest statements of a battery among which one that was taken back is looked for


class Handling:
    """Adds up and compares; used by one thread."""

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        history: GovernanceHistory,
        rows: Sequence[Capacity],
    ) -> None:
        self._office, self._ledger, self._history = office, ledger, history
        self._capacities = Capacities(office, history, rows) if rows else None
        self._events = frozenset(event for row in rows for event in row.events)
        if unknown := [one for one in sorted(self._events) if history.latest.lifecycle.event(one) is None]:
            raise SetupError(
                f"[[capacities]] of node.toml counts {unknown[0]}, which is no event of this network",
                step="Name events of the life cycle, such as recycling.received.",
            )
        self._parties = frozenset(row.party for row in rows)
        named: list[Value] = [sorted(self._events), sorted(self._parties)]
        self._asked = sha256(encode(named)).digest()  # for others the log is counted anew

    def turn(self) -> bool:
        """Count the next leaves and compare; True if there may be more of them."""
        if self._capacities is None:
            return False
        table = self._office.throughput
        begin, now = table.counted_until(self._asked), int(time.time())
        with self._ledger.reading():
            rows = self._ledger.leaves.since(begin, LEAVES_AT_ONCE)
            handled = self._of(rows)
        if not rows and (self._capacities.began or not begin):
            return False
        end = rows[-1].leaf_index + 1 if rows else begin
        with self._office.writing() as db:
            table.add(db, handled, anew=not begin)
            table.count_on(db, end, self._asked)
            self._capacities.compare(db, {one.party for one in handled}, end - 1, now)
        self._capacities.began = True
        return len(rows) == LEAVES_AT_ONCE

    def _of(self, rows: Sequence[EntryRow]) -> list[Throughput]:
        """What leaves say was handled, and what they take back of that."""
        found = [one for row in rows for one in self._said(row)]
        times = self._ledger.block_times({row.height for row, _, _ in found})
        return [self._counted(row, said, sign, times.get(row.height, 0)) for row, said, sign in found]

    def _said(self, row: EntryRow) -> Iterator[tuple[EntryRow, Attestation, int]]:
        """(what is counted, with 1 or -1) by one leaf."""
        if row.type != ADMITTED or row.kind not in self._events | TAKEN_BACK:
            return
        if row.kind in TAKEN_BACK:
            yield from ((one, said, -1) for one, said in self._taken_back(row) if self._counts(said))
        yield from ((row, said, 1) for _, said in admitted_of([row]) if self._counts(said))

    def _taken_back(self, row: EntryRow) -> Recorded:
        """What this leaf took back, and none before it."""
        lifecycle = self._history.at(row.height).lifecycle
        before = admitted_of(self._ledger.leaves.of(row.subject or b"", RECORD_READ_MAX, row.leaf_index))
        record = [said for _, said in before]
        now = taken_back([*record, *(said for _, said in admitted_of([row]))], lifecycle)
        gone = now - taken_back(record, lifecycle)
        return [(one, said) for one, said in before if said.digest in gone]

    def _counts(self, said: Attestation) -> bool:
        return said.kind in self._events and said.issuer in self._parties

    def _counted(self, row: EntryRow, said: Attestation, sign: int, at: int) -> Throughput:
        governance = self._history.at(row.height)
        _, _, licence = licence_of(governance, said.issuer, said.kind, said.subject, at)
        return Throughput(
            month_of(said.event_time), said.issuer, licence, said.kind, sign, sign * mass_of(said)
        )
