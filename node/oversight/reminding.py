"""What time alone brings: duties that were missed; licences, recognitions, proofs of registration that end.

No leaf raises these. An hour after another it is looked: what is overdue by the list of duties, for whoever
owes it and the authority of that side; what ends within ninety days, for whoever holds it and the authority.
Each is one alert, whatever comes again; a duty that is kept late and a licence that is renewed close theirs.

A registry offers the sealed proof of a registration for so many days, to whoever registered (`alerts.toml`
says which). No record says when that was; it was before the battery was presented to customs. So whoever
presented it is told in time, once for all of a day, of the last day on which it can be there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from node.duty_answers import DutiesRecord, DutyRecord
from node.oversight.alert_kinds import AUTHOR, AUTHORITY, DATE, DUTY, kind_of
from node.oversight.case_rules import Officials
from node.oversight.raising import RaisedAlert, row_of
from node.storage.alerts import ACKNOWLEDGED, OPEN, AlertRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering
from node.words import when

LOOK_S, REST_S = 3_600.0, 30.0  # from one look to the next; of one turn, which ends well within its bound
DAY_S = 86_400
ENDING_S = 90 * DAY_S
STRETCHES_MAX = 10  # of the log, newest first, that one look goes through
WHO = "this node"


class Reminding:
    """One thread that looks at dates."""

    name = "reminding"

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        gathering: Gathering,
        duties: Callable[[int | None], DutiesRecord],
    ) -> None:
        self._office, self._ledger, self._duties = office, ledger, duties
        self._history, self._did = gathering.history, gathering.did
        self._woken, self._look_s = threading.Event(), time.monotonic()

    def wake(self) -> None:
        """The node stops."""
        self._woken.set()

    def turn(self) -> None:
        """Look, once an hour, or rest."""
        if time.monotonic() >= self._look_s:
            self.look(int(time.time()))
            self._look_s = time.monotonic() + LOOK_S
        self._woken.wait(REST_S)
        self._woken.clear()

    def look(self, now: int) -> int:
        """How many alerts are new by what is missed or ends."""
        rows = [*self._missed(now), *self._ending(now), *self._proofs(now)]
        with self._office.writing() as db:
            return sum(self._office.alerts.put(db, row) for row in rows)

    # -- duties ----------------------------------------------------------------------------------------

    def _missed(self, now: int) -> Iterator[AlertRow]:
        before: int | None = None
        for _ in range(STRETCHES_MAX):
            found = self._duties(before)
            for one in found["duties"]:
                raised = self._of_duty(one)
                if one["state"] == "late":
                    self._close(raised.id, now)
                elif one["state"] == "overdue" and self._office.alerts.get(raised.id) is None:
                    because = [AUTHORITY] if one["jurisdiction"] in found["sides"] else []
                    because += [AUTHOR] if raised.party == self._did else []
                    more = {"kind": one["duty"], "until": when(one["due_until"])}
                    yield row_of(raised, one["battery"], one["due_until"], because or [AUTHORITY], more=more)
            before = found["before"]
            if before is None:
                return

    def _of_duty(self, one: DutyRecord) -> RaisedAlert:
        kind = kind_of(DUTY, ())
        assert kind is not None, "a row of the shipped table"
        owner = self._history.latest.owner_of(one["who"]) or one["who"]
        height = self._history.height
        sides = frozenset({one["jurisdiction"]})
        return RaisedAlert(kind, one["leaf_index"], height, owner, rule=one["duty"], sides=sides)

    def _close(self, alert_id: bytes, now: int) -> None:
        row = self._office.alerts.get(alert_id)
        if row is not None and row.state == OPEN:
            with self._office.writing() as db:
                self._office.alerts.handle(db, alert_id, {"state": ACKNOWLEDGED}, WHO, now)

    # -- dates -----------------------------------------------------------------------------------------

    def _ending(self, now: int) -> Iterator[AlertRow]:
        governance, leaf = self._history.latest, max(0, self._ledger.log_size() - 1)
        officials = Officials.of(governance, now)
        own = officials.sides.get(self._did)
        ends = [
            ("licence_ends", one.participant, one.jurisdiction, one.licence or one.id, one.valid_until)
            for one in governance.accreditations
        ]
        ends += [
            ("recognition_ends", one.authority, one.jurisdiction, one.id, one.valid_until)
            for one in governance.recognitions
        ]
        for what, party, side, named, until in ends:
            kind, who = kind_of(DATE, (what,)), governance.participant(party)
            if kind is None or until is None or who is None:
                continue
            sides = frozenset({side, who.jurisdiction})
            because = ([AUTHORITY] if own in sides else []) + ([AUTHOR] if party == self._did else [])
            raised = RaisedAlert(kind, leaf, self._history.height, party, facility=named, sides=sides)
            known = self._office.alerts.get(raised.id)
            if not now < until <= now + ENDING_S:
                if known is not None and until > now:
                    self._close(raised.id, now)  # it was renewed
                continue
            if because and (known is None or f'"{when(until)}"' not in known.parameters):
                row = row_of(raised, None, now, because, more={"until": when(until), "kind": named})
                yield replace(row, leaf=max(leaf, known.last_leaf + 1 if known is not None else 0))

    def _proofs(self, now: int) -> Iterator[AlertRow]:
        """Of each day on which this party presented batteries where a registry offers proofs, once."""
        governance, kind = self._history.latest, kind_of(DATE, ("registration_proof_ends",))
        licences = governance.accreditations_of(self._did)
        if kind is None or all(one.jurisdiction != kind.side for one in licences):
            return
        leaf, sides = max(0, self._ledger.log_size() - 1), frozenset({kind.side})
        offered_s = kind.offered_days * DAY_S
        begun, ended = now - offered_s, now - (offered_s - kind.told_days * DAY_S)
        days = self._office.outbox.presented_by_day(begun // DAY_S * DAY_S + DAY_S, ended // DAY_S * DAY_S)
        for day, count in days:
            raised = RaisedAlert(kind, leaf, self._history.height, self._did, period=_day(day), sides=sides)
            if self._office.alerts.get(raised.id) is None:
                more = {"period": raised.period, "until": _day(day + offered_s), "count": str(count)}
                yield row_of(raised, None, now, [AUTHOR], more=more)


def _day(at: int) -> str:
    return when(at)[:10]
