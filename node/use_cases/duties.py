"""Working-day duties: what is due of this party, and of an authority's side what is overdue or was said late.

Read off the ledger when somebody asks, a stretch of the log at a time, newest first: nothing of it is kept.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache

from credentials.documents.canonical import b64u
from credentials.ledger.attestation import parse_attestation
from credentials.ledger.governance import Governance
from credentials.ledger.standing import Standing
from credentials.verdicts.duties import (
    DUE,
    LATE,
    OVERDUE,
    DutyOwed,
    DutyTable,
    duties_of,
    report_due,
    stated_of,
)
from credentials.verdicts.evidence import LedgerView
from credentials.verdicts.record import Record
from node.config import read_table, shipped
from node.duty_answers import DutiesRecord, DutyRecord, UnrecordedRecord
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.use_cases.lookup import Lookup
from node.verdicts.ledger_views import entries_of
from node.verdicts.sources import Gathering

TABLE = "duties.toml"
LEAVES_LOOKED_AT = 20_000  # of the log, for one page
OPENED_MAX = 500  # records by which something is owed, on one page
RECORD_READ_MAX = 64  # the newest records of one battery
OWN_WAITING_MAX = 200
_ORDER = {OVERDUE: 0, DUE: 1, LATE: 2}


@cache
def _rows() -> dict[str, object]:
    return read_table(TABLE, shipped(TABLE))


class DutyDesk:
    """Reads what is owed, as far as this party may see it."""

    def __init__(
        self, did: str, gathering: Gathering, ledger: LedgerStore, office: OfficeStore, lookup: Lookup
    ) -> None:
        self._did = did
        self._gathering = gathering
        self._ledger = ledger
        self._office = office
        self._lookup = lookup

    def listing(self, before: int | None = None) -> DutiesRecord:
        """Duties that records `before` a leaf opened: a stretch of the log, newest first."""
        governance, now = self._gathering.history.latest, int(time.time())
        rules = DutyTable.parse(_rows(), governance.lifecycle)
        with self._ledger.reading():
            tip = self._ledger.tip()
            opened, begins = self._opened(rules, governance, before)
            leaves = {row.leaf_index for row in opened}
            subjects = list(dict.fromkeys(row.subject for row in opened if row.subject is not None))
            records = self._ledger.leaves.newest_of_each(subjects, RECORD_READ_MAX)
            standings = {
                key: Standing.decode(data) for key, data in self._ledger.standings.records(subjects).items()
            }
            found: list[tuple[bytes, DutyOwed]] = []
            not_read = 0
            for subject, rows in records.items():
                not_read += len(rows) == RECORD_READ_MAX
                holder = standings[subject].holder if subject in standings else None
                view = LedgerView(standings.get(subject), entries_of(self._ledger, rows))
                stated = stated_of(Record.read(view, governance), governance)
                owed = duties_of(stated, rules, governance.lifecycle, holder, now)
                found += [(subject, one) for one in owed if one.leaf_index in leaves]
            sides = self._sides(governance, now)
            mine = [(subject, one) for subject, one in found if self._concerns(one, sides, governance)]
            codes = self._lookup.codes_of(list({subject for subject, _ in mine}))
        shown = [self._record(one, codes.get(subject), subject, governance) for subject, one in mine]
        shown.sort(key=lambda one: (_ORDER[one["state"]], one["due_until"], one["leaf_index"]))
        return {
            "evaluated_at": now,
            "height": tip.height if tip is not None else 0,
            "sides": sides,
            "duties": shown,
            "counts": {state: sum(one["state"] == state for one in shown) for state in _ORDER},
            "unrecorded": self._unrecorded(rules, governance, now) if before is None else [],
            "not_read": not_read,
            "not_told": list(rules.not_told),
            "before": begins if begins > 0 else None,
        }

    def _opened(
        self, rules: DutyTable, governance: Governance, before: int | None
    ) -> tuple[list[EntryRow], int]:
        """The records by which something may be owed, and the leaf at which the look ended."""
        kinds = sorted(rules.opening_kinds(governance.lifecycle))
        end = before if before is not None else self._ledger.leaves.count()
        begins = max(0, end - LEAVES_LOOKED_AT)
        rows = self._ledger.leaves.newest_of_kinds(kinds, begins, end, OPENED_MAX)
        return rows, rows[-1].leaf_index if len(rows) == OPENED_MAX else begins

    def _sides(self, governance: Governance, now: int) -> list[str]:
        """The jurisdictions whose duties this party supervises: its own, as an authority."""
        own = governance.participant(self._did)
        return [own.jurisdiction] if own is not None and governance.is_official(self._did, now) else []

    def _concerns(self, owed: DutyOwed, sides: Sequence[str], governance: Governance) -> bool:
        """Owed by this party, or on a side that it supervises."""
        mine = governance.owner_of(owed.who) == self._did if owed.who else False
        return mine or owed.jurisdiction in sides

    def _record(self, owed: DutyOwed, code: str | None, subject: bytes, governance: Governance) -> DutyRecord:
        party = governance.participant(governance.owner_of(owed.who) or owed.who)
        return {
            "duty": owed.name,
            "sort": owed.sort,
            "state": owed.state,
            "jurisdiction": owed.jurisdiction,
            "who": owed.who,
            "who_name": party.name if party is not None else None,
            "battery": code,
            "key": b64u(subject),
            "opened_at": owed.opened_at,
            "due_until": owed.due_until,
            "calendar_known": owed.calendar_known,
            "closed_at": owed.closed_at,
            "working_days": owed.working_days,
            "basis": owed.basis,
            "confirmed": owed.confirmed,
            "leaf_index": owed.leaf_index,
        }

    def _unrecorded(self, rules: DutyTable, governance: Governance, now: int) -> list[UnrecordedRecord]:
        """Own statements that are signed and not on the ledger yet, with until when they have to be."""
        own = governance.participant(self._did)
        found: list[UnrecordedRecord] = []
        for item in self._office.outbox.waiting("outbox", OWN_WAITING_MAX) if own is not None else ():
            assert own is not None
            said = parse_attestation(item.data)
            due = report_due(said.kind, own.jurisdiction, said.event_time, rules, governance.lifecycle)
            if due is not None:
                found.append(
                    {
                        "duty": said.kind,
                        "state": OVERDUE if now > due[0] else DUE,
                        "battery": item.battery,
                        "attestation": b64u(item.digest),
                        "due_until": due[0],
                        "calendar_known": due[1],
                    }
                )
        return sorted(found, key=lambda one: one["due_until"])
