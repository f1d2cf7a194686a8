"""The alerts' thread: what the log raises, for this party, is in `office.db` before anybody is told.

    leaves that were not looked at -> what they raise (`raising.py`) -> does it concern this party, and why?
    -> one transaction: the alerts, and how far was looked

An alert is neither signed nor ordered by itself: its leaf is, and from there it follows at every node alike
(decision 0638). So none is lost with a kill: either the transaction is whole, or the same leaves are
looked at again and raise the same ids. What concerns this party is asked when it is raised: as an authority
of a side that has a hand in it, as whoever relies on it by an open line, as whoever spoke on its record.

Which battery an alert is about another thread looks for (`battery_codes.py`): whoever is asked for a code,
and does not answer, holds up no alert.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from credentials.ledger.governance import Governance
from node import log
from node.capacity_rows import Capacity
from node.ledger.subscriptions import Moments
from node.oversight.alert_kinds import AUTHOR, AUTHORITY, EVERY_AUTHORITY, RELYING
from node.oversight.battery_codes import BatteryCodes, CodeSearch
from node.oversight.capacities import WHO
from node.oversight.handling import Handling
from node.oversight.lots import LotsByMetal
from node.oversight.raising import RaisedAlert, Raising, code_of, row_of
from node.oversight.tallying import Tallying
from node.oversight.waiting import recorded_lawfully
from node.storage.alerts import AlertRow
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.declarations import OPEN_S
from node.verdicts.learned import GOVERNANCE, decision_of
from node.verdicts.sources import Gathering

LEAVES_AT_ONCE = 1_000
LINES_TOLD_MAX = 20  # of this node that rest on it, by name
WAIT_S = 5.0


class Alerting:
    """One thread that follows the log for alerts."""

    name = "alerts"

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        gathering: Gathering,
        moments: Moments,
        capacities: Sequence[Capacity] = (),
    ) -> None:
        self._office, self._ledger, self._gathering = office, ledger, gathering
        self._history, self._did = gathering.history, gathering.did
        self._raising = Raising(ledger, gathering.history)
        self.lots = LotsByMetal(office, ledger, gathering, self.sides)
        self.code_search = CodeSearch(office, BatteryCodes(ledger, gathering), self.lots.turn)
        self._tallying = Tallying(office, ledger, gathering.history)
        self._handling = Handling(office, ledger, gathering.history, capacities)
        self._woken = threading.Event()
        moments.subscribe(self.wake, kept_max=1)

    def wake(self) -> None:
        """A block was stored, or the node stops."""
        self._woken.set()

    def turn(self) -> None:
        """Look at the next leaves, or wait for some."""
        if self.look() or self._tally():
            return
        self._woken.wait(WAIT_S)
        self._woken.clear()

    def look(self) -> bool:
        """Raise what the next leaves raise; True if there may be more of them."""
        table = self._office.alerts
        begin, size = table.looked_until(), self._ledger.log_size()
        if begin >= size:
            return False
        with self._ledger.reading():
            rows = self._in_force(self._ledger.leaves.since(begin, LEAVES_AT_ONCE))
            raised = self._raising.of(rows) if rows else []
            settled = list(self._raising.settled(rows))
            lawful = list(recorded_lawfully(rows, self._ledger, self._history))
            times = self._ledger.block_times({one.height for one in raised})
        if not rows:
            return False
        told = [row for one in raised if (row := self._told(one, times.get(one.height, 0))) is not None]
        with self._office.writing() as db:
            new = sum(table.put(db, row) for row in told)
            for one in settled:
                table.settle(db, one, WHO, int(time.time()))
            for attempt in lawful:
                table.settle_attempts(db, attempt, WHO, int(time.time()))
            table.bound(db)
            table.look_on(db, rows[-1].leaf_index + 1)
        if new:
            self.code_search.wake()  # their codes are asked for at once, once everybody is told
            log.moment("alerts", raised=new, size=rows[-1].leaf_index + 1)
        return len(rows) == LEAVES_AT_ONCE

    def _tally(self) -> bool:
        """An authority counts what its side records; True if there may be more to count."""
        if not self.sides(self._history.latest, int(time.time())):
            return False
        more = self._tallying.turn()
        return self._handling.turn() or more

    def look_again(self, leaf: int) -> None:
        """Look once more from this leaf on: what is missing here comes again, what is here stays."""
        table = self._office.alerts
        with self._office.writing() as db:
            table.look_on(db, min(leaf, table.looked_until()))
        self.wake()

    def _in_force(self, rows: Sequence[EntryRow]) -> Sequence[EntryRow]:
        """Those before the first decision that governs later only: what it takes away is not known yet."""
        for place, row in enumerate(rows):
            if row.type == GOVERNANCE and decision_of(row).in_force > self._history.height:
                return rows[:place]
        return rows

    # -- whom it concerns ------------------------------------------------------------------------------

    def sides(self, governance: Governance, at: int) -> frozenset[str]:
        """The jurisdictions for which this party is an authority of any kind."""
        return sides_of(self._did, governance, at)

    def _told(self, raised: RaisedAlert, at: int) -> AlertRow | None:
        """The alert as this party is told of it; None: it does not concern it."""
        own, to, because = self.sides(self._history.at(raised.height), at), raised.kind.to, list[str]()
        if (EVERY_AUTHORITY in to and own) or (AUTHORITY in to and own & raised.sides):
            because.append(AUTHORITY)
        relied = self._relied(raised) if RELYING in to else []
        if relied:
            because.append(RELYING)
        if AUTHOR in to and self._did in raised.authors:
            because.append(AUTHOR)
        if not because:
            return None
        return row_of(raised, code_of(self._office, raised), at, because, relied=relied)

    def _relied(self, raised: RaisedAlert) -> list[list[Any]]:
        """The open lines of this node that rest on it, the first of them."""
        lines, since = self._office.reached, int(time.time()) - OPEN_S
        if raised.battery is not None:
            return [list(one) for one in lines.about(raised.battery, since, LINES_TOLD_MAX)]
        if raised.kind.leaf == GOVERNANCE:
            found = lines.open_lines({raised.party}, since, LINES_TOLD_MAX)
            return [[one.consignment, one.line] for one in found]
        codes = ":".join(raised.maker)
        return [list(one) for one in lines.of_codes(codes, raised.prefixes, since, LINES_TOLD_MAX)]


def sides_of(did: str, governance: Governance, at: int) -> frozenset[str]:
    """The jurisdictions for which a party is an authority of any kind."""
    officials, licences = governance.lifecycle.officials, governance.accreditations_of(did)
    return frozenset(a.jurisdiction for a in licences if a.in_force(at) and not officials.isdisjoint(a.roles))
