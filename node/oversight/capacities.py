"""X14: what a facility states beyond the capacity that its licence has, in a month or in a year.

    [[capacities]] of node.toml (whose, under which licence, which events, how much at most, of which months)
    what was stated under that licence, by the month in which it happened (`handling.py`)
    -> a month or year with more is one alert at the authority that keeps the row; with less again, it closes

No licence on the ledger states a capacity, so whoever licenses keeps the table; without a row nothing is
compared. It refuses nothing and is about no battery: no verdict and no sum of risk reads it (D717).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from credentials.ledger.governance import GovernanceHistory
from node.capacity_rows import BATTERIES, GRAMS, Capacity
from node.oversight.alert_kinds import AUTHORITY, CAPACITY, kind_of
from node.oversight.raising import RaisedAlert, row_of
from node.storage.alerts import ACKNOWLEDGED, OPEN
from node.storage.database import Transaction
from node.storage.office import OfficeStore

RULE = "X14"
WHO = "this node"


class Capacities:
    """Compares; used by the thread that tallies."""

    def __init__(self, office: OfficeStore, history: GovernanceHistory, rows: Iterable[Capacity]) -> None:
        self._office, self._history, self._rows = office, history, tuple(rows)
        self.began = False  # after a start the rows may be others; True once a comparison was kept

    def compare(self, db: Transaction, parties: Iterable[str], leaf: int, at: int) -> None:
        """Raise and close what the sums of these parties say; after a start, those of all."""
        touched = frozenset(parties)
        for row in self._rows:
            if not self.began or row.party in touched:
                sums = self._office.throughput.by_month(row.party, row.licence, row.events)
                for period, too_much in row.beyond(sums):
                    raised = self._raised(row, period, leaf)
                    if too_much:
                        self._raise(db, raised, row, at)
                    else:
                        self._close(db, raised.id, at)

    def _raise(self, db: Transaction, raised: RaisedAlert, row: Capacity, at: int) -> None:
        """Once, and again only where this node had closed it: more of the same tells nobody anew."""
        known = self._office.alerts.get(raised.id)
        if known is None or (known.state != OPEN and known.handled_by == WHO):
            most = f"{row.most / 1_000_000:g} t" if row.in_grams else str(row.most)
            period = raised.period.partition(" ")[0]
            more = {"licence": row.licence, "period": period, "most": most, "basis": row.basis}
            alert = row_of(raised, None, at, [AUTHORITY], more=more)
            if not self._office.alerts.put(db, alert):  # closed by a row that was wrong: the same leaf again
                self._office.alerts.told_more(db, alert.id, alert.parameters, alert.because)

    def _close(self, db: Transaction, alert_id: bytes, at: int) -> None:
        known = self._office.alerts.get(alert_id)
        if known is not None and known.state == OPEN:
            self._office.alerts.handle(db, alert_id, {"state": ACKNOWLEDGED}, WHO, at)

    def _raised(self, row: Capacity, period: str, leaf: int) -> RaisedAlert:
        kind = kind_of(CAPACITY, ())
        assert kind is not None, "a row of the shipped table"
        named = f"{period} {row.since} {GRAMS if row.in_grams else BATTERIES} {','.join(sorted(row.events))}"
        raised = RaisedAlert(kind, leaf, self._history.height, row.party, rule=RULE, facility=row.licence)
        return replace(raised, period=named, sides=frozenset({row.side}))
