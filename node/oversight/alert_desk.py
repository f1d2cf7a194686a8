"""The supervision page's desk: alerts listed, searched, read one by one, and what people do with them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypedDict

from credentials.documents.canonical import b64u, b64u_decode
from credentials.errors import CredentialError
from credentials.ledger.governance import GovernanceHistory
from node.errors import ProblemError, bad_request, not_found
from node.oversight.alert_kinds import ATTEMPT, NO_ENTRY, raised_of
from node.oversight.alerting import Alerting
from node.oversight.dependents import ReliedLine, Resting
from node.oversight.forwarding import Forwarding
from node.oversight.risk import RiskDesk
from node.sheets import csv_of
from node.storage.alerts import ACKNOWLEDGED, OPEN, AlertFilter, AlertRow
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.refused_attempts import AttemptRow
from node.verdicts.sources import Gathering

PAGE_ROWS = 50
EXPORT_ROWS_MAX = 20_000
TEXT_CHARS_MAX = 500
ACTS = ("acknowledge", "reopen", "assign", "link", "note", "forward")
_SETS = {"assign": "assigned", "link": "case_ref", "note": "note"}
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
COLUMNS = (
    *("seq", "id", "code", "weight", "rule", "party", "party_name", "maker", "facility", "battery"),
    *("sides", "because", "leaf_index", "last_leaf_index", "height", "time", "times", "state"),
    *("assigned", "case", "note", "text"),
)


class AlertRecord(TypedDict):
    """One alert in codes and parameters: its sentence is made where somebody reads it."""

    id: str
    seq: int
    code: str
    weight: int  # 1 to be known, 2 to be looked at, 3 to be acted on
    rule: str
    party: str
    party_name: str | None
    maker: str
    facility: str
    battery: str | None  # None: it is about none, or its code is not known here
    sides: list[str]
    because: list[str]  # authority | relying | author | forwarded: why this node is told
    parameters: dict[str, str | int]
    relied: list[ReliedLine]
    leaf_index: int
    last_leaf_index: int
    height: int
    time: int
    times: int
    state: str  # open | acknowledged
    assigned: str
    case: str
    note: str
    handled_by: str
    handled_at: int | None
    new: bool  # since whoever asks has looked last


class AlertAnswer(AlertRecord):
    """The same in words."""

    text: str
    fault: str
    next: str


class AlertsAnswer(TypedDict):
    """A page of alerts, the newest first."""

    alerts: list[AlertAnswer]
    open: int
    heavy: int  # open, and to be acted on
    unassigned: int
    new: int
    looked_at: int | None  # when whoever asks has looked last
    looked_until: int  # leaves of the log that were looked at
    log_size: int
    let_go: int  # gave way to newer ones
    before: int | None  # the seq before which the next page begins; None: this is the last one


class AlertLeaf(TypedDict):
    """What raised an alert, as the log has it."""

    leaf_index: int
    height: int
    time: int | None
    type: str
    kind: str | None
    issuer: str | None
    rule: str | None
    winner_leaf_index: int | None
    attestation_digest: str | None


class AttemptShown(TypedDict):
    """A refused statement as its refuser told it; `report`: signed by the refuser, all of it."""

    refuser: str
    refuser_name: str | None
    code: str
    kind: str
    time: int
    attestation_digest: str
    report: str  # base64url


class AlertToldAnswer(AlertAnswer):
    """One alert with the records, or the attempts, that raised it, newest first."""

    leaves: list[AlertLeaf]
    attempts: list[AttemptShown]


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Rows, and what stands around them."""

    rows: list[AlertRecord]
    counts: dict[str, int]
    looked_at: int | None
    more: bool


class AlertDesk:
    """Reads and marks alerts; any thread."""

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        gathering: Gathering,
        alerting: Alerting,
        forwarding: Forwarding,
    ) -> None:
        self._office, self._ledger = office, ledger
        self._gathering, self._alerting = gathering, alerting
        self.risk, self.forwarding = RiskDesk(office), forwarding
        self.resting = Resting(office, ledger, gathering)
        self._history: GovernanceHistory = gathering.history

    def wanted(
        self, asked: dict[str, str], since: int | None = None, until: int | None = None
    ) -> AlertFilter:
        """What a search asks for, by the names of the filter and `battery`; 400 for a code that is none."""
        battery = asked.get("battery", "")
        named = {name: value[:200] for name, value in asked.items() if name != "battery"}
        subject = self._gathering.key_of(battery) if battery else None
        if battery and subject is None:
            raise bad_request("battery_unread", "The battery's code cannot be read.")
        return AlertFilter(**named, subject=subject, since=since, until=until)

    def page(self, wanted: AlertFilter, who: str, limit: int, before: int | None = None) -> AlertPage:
        """The newest that are wanted."""
        table = self._office.alerts
        with self._office.reading():
            seen, at = table.looked(who)
            rows = table.page(wanted, limit, before)
            counts = {**table.counts(seen), "let_go": table.let_go(), "looked_until": table.looked_until()}
        counts["log_size"] = self._ledger.log_size()
        return AlertPage([self._record(row, seen) for row in rows], counts, at, len(rows) == limit)

    def of_battery(self, battery: str) -> list[AlertRecord]:
        """The newest alerts about one battery, by its code in any spelling."""
        subject = self._gathering.key_of(battery)
        if subject is None:
            return []
        rows = self._office.alerts.page(AlertFilter(subject=subject), PAGE_ROWS)
        return [self._record(row, row.seq) for row in rows]

    def one(self, alert_id: str) -> tuple[AlertRecord, list[AlertLeaf], list[AttemptShown]]:
        """One alert, with the records or attempts that raised it; 404."""
        row = self._get(alert_id)
        leaves = [leaf for leaf, _ in self._office.alerts.leaves_of(row.number)]
        raised = raised_of(row.code)
        if raised in NO_ENTRY:
            rows = self._office.attempts.these(leaves) if raised == ATTEMPT else []
            return self._record(row, row.seq), [], [self._attempt(one) for one in rows]
        found = self._ledger.leaves.these(leaves)[::-1]
        times = self._ledger.block_times({one.height for one in found})
        return self._record(row, row.seq), [_leaf(one, times.get(one.height)) for one in found], []

    def since(self, seq: int, limit: int, wanted: AlertFilter) -> list[AlertRecord]:
        """What was raised after this one, in order."""
        return [self._record(row, seq) for row in self._office.alerts.since(seq, limit, wanted)]

    def last_seq(self) -> int:
        """Of the newest alert."""
        return self._office.alerts.last_seq()

    def export(self, wanted: AlertFilter) -> list[AlertRecord]:
        """What a file holds of them, the newest first."""
        return [self._record(row, row.seq) for row in self._office.alerts.page(wanted, EXPORT_ROWS_MAX)]

    # -- what people do --------------------------------------------------------------------------------

    def handle(self, alert_id: str, act: str, value: str, who: str, text: str = "") -> AlertRecord:
        """Acknowledge, reopen, assign, link to a case, note, or hand on to the authority `value` with a text.

        Written with the audit. 400, 403, 404.
        """
        if act not in ACTS:
            raise bad_request("bad_argument", "`act` must be one of {acts}.", acts=ACTS)
        if max(len(value), len(text)) > TEXT_CHARS_MAX:
            raise bad_request("too_long", "A note has at most {most} characters.", most=TEXT_CHARS_MAX)
        row, now = self._get(alert_id), int(time.time())
        if act == "forward":
            self.forwarding.forward(row, value.strip(), text.strip(), who)
            return self._record(row, row.seq)
        state = {"acknowledge": ACKNOWLEDGED, "reopen": OPEN}.get(act)
        changes = {"state": state} if state is not None else {_SETS[act]: value.strip()}
        with self._office.writing() as db:
            if not self._office.alerts.handle(db, row.id, changes, who, now):
                raise _unknown()
            self._office.audit.put(db, now, who, f"alert.{act}", f"{alert_id}: {value.strip()}"[:300])
        return self._record(self._get(alert_id), row.seq)

    def look(self, who: str) -> int:
        """This person has seen what there is; the seq of the newest."""
        table = self._office.alerts
        with self._office.writing() as db:
            seq = table.last_seq()
            table.look(db, who, seq, int(time.time()))
        return seq

    def look_again(self, height: int, who: str) -> int:
        """Look at the log once more from this height on: missing alerts come again; its leaf."""
        row = self._ledger.leaves.of_block(height - 1) if height > 1 else None
        leaf = row.leaf_index + 1 if row is not None else 0
        with self._office.writing() as db:
            self._office.audit.put(db, int(time.time()), who, "alerts.looked_again", f"from height {height}")
        self._alerting.look_again(leaf)
        return leaf

    def _get(self, alert_id: str) -> AlertRow:
        try:
            found = self._office.alerts.get(b64u_decode(alert_id)) if _DIGEST.fullmatch(alert_id) else None
        except CredentialError:
            found = None
        if found is None:
            raise _unknown()
        return found

    def _attempt(self, row: AttemptRow) -> AttemptShown:
        refuser = self._history.latest.participant(row.refuser)
        return {
            "refuser": row.refuser,
            "refuser_name": refuser.name if refuser is not None else None,
            "code": row.code,
            "kind": row.kind,
            "time": row.at,
            "attestation_digest": b64u(row.digest),
            "report": b64u(row.report),
        }

    def _named(self, parameters: dict[str, str | int]) -> dict[str, str | int]:
        """The same, with the name of whoever refused."""
        refuser = self._history.latest.participant(str(parameters.get("refuser", "")))
        return parameters if refuser is None else {**parameters, "refuser": refuser.name}

    def _record(self, row: AlertRow, seen: int) -> AlertRecord:
        party = self._history.latest.participant(row.party)
        name = party.name if party is not None else None
        return {
            "id": b64u(row.id),
            "seq": row.seq,
            "code": row.code,
            "weight": row.weight,
            "rule": row.rule,
            "party": row.party,
            "party_name": name,
            "maker": row.namespace.partition(":")[2],
            "facility": row.facility,
            "battery": row.battery,
            "sides": row.sides.split(",") if row.sides else [],
            "because": row.because.split(","),
            "parameters": {**self._named(json.loads(row.parameters)), "party": name or row.party},
            "relied": [{"consignment": one, "line": line} for one, line in json.loads(row.relied)],
            "leaf_index": row.leaf,
            "last_leaf_index": row.last_leaf,
            "height": row.height,
            "time": row.at,
            "times": row.times,
            "state": row.state,
            "assigned": row.assigned,
            "case": row.case_ref,
            "note": row.note,
            "handled_by": row.handled_by,
            "handled_at": row.handled_at,
            "new": row.seq > seen,
        }


def _unknown() -> ProblemError:
    return not_found("alert_not_found", "No alert of this node has this id.")


def _leaf(row: EntryRow, time_: int | None) -> AlertLeaf:
    return {
        "leaf_index": row.leaf_index,
        "height": row.height,
        "time": time_,
        "type": row.type,
        "kind": row.kind,
        "issuer": row.issuer,
        "rule": row.rule,
        "winner_leaf_index": row.winner,
        "attestation_digest": b64u(row.digest) if row.digest is not None else None,
    }


def as_csv(rows: Sequence[AlertAnswer]) -> Iterator[bytes]:
    """Alerts as a table: names of columns first."""
    told = ([_cell(row.get(name)) for name in COLUMNS] for row in rows)
    return csv_of(chain([COLUMNS], told))


def _cell(value: object) -> object:
    return ",".join(value) if isinstance(value, list) else value
