"""Acts on many batteries, a row of a job each: suspended, reinstated, revoked, recalled, or a recall lifted.

What becomes of a row is written in the transaction of its statement, so a process that was killed goes on
with the rows that wait and says nothing twice. What is so already, by this participant, is `repeated`.
"""

from __future__ import annotations

import orjson

from credentials.documents.canonical import b64u
from credentials.ledger.lifecycle import Event
from node.errors import ProblemError, bad_request
from node.issuing.events import Queued
from node.issuing.issuing import Issuing
from node.issuing.item_sheets import RETURNED, text_of
from node.issuing.passport_models import CODE_HEADINGS
from node.storage.database import Transaction
from node.storage.issuances import Issuance
from node.storage.jobs import RowResult
from node.storage.office import OfficeStore
from node.storage.outbox import OutboxItem

PASSPORT_ACTS = ("suspend", "reinstate", "revoke")
RECALL, LIFT = "recall", "lift_recall"
ACTS = (*PASSPORT_ACTS, RECALL, LIFT)
RECALLED = "recalled"
SIGNED, REPEATED, CHECKED = "signed", "repeated", "checked"
REASON_CHARACTERS_MAX = 300


def code_place(headings: list[str]) -> int:
    """Which column of a sheet has the codes; 400 `sheet_malformed`."""
    names = [" ".join(name.split()).lower() for name in headings]
    for place, name in enumerate(names):
        if name in CODE_HEADINGS and name not in RETURNED:
            return place
    told = "the first row of the sheet names its columns, and none is headed `code`"
    raise bad_request("sheet_malformed", told)


class BulkActs:
    """Says one act about one battery, for a job."""

    def __init__(self, issuing: Issuing, office: OfficeStore) -> None:
        self._issuing = issuing
        self._office = office

    def code(self, data: bytes, place: int) -> str:
        """The code in a row, as the sheet has it."""
        cells = orjson.loads(data)
        return text_of(cells[place]).strip() if place < len(cells) else ""

    def act(
        self, act: str, battery: str, reason: str, job: int, row: int, *, tried: bool
    ) -> RowResult | None:
        """What came of a row; None where it is on disk with its statement. Raises ProblemError."""
        event, members = self.event(act), {"reason": reason} if reason else {}
        passport = None
        if act in PASSPORT_ACTS:
            passport = self._passport(battery)
            members["passport_digest"] = b64u(passport.digest)
        before = self._said(event, battery, passport)
        if before is not None:
            return RowResult(row, REPEATED, battery, before)

        def beside(db: Transaction, digest: bytes) -> None:
            self._office.jobs.settle(db, job, [RowResult(row, SIGNED, battery, digest)])

        made = self._issuing.events.attest(event.type, battery, members, only_try=tried, beside=beside)
        if tried:
            return RowResult(row, CHECKED, battery)
        assert isinstance(made, Queued), "a draft is made only where it is asked for"
        return RowResult(row, REPEATED, battery, made.digest) if made.repeated else None

    def event(self, act: str) -> Event:
        """The event of the life cycle that an act is; 409 where the rules in force know none."""
        signing = self._issuing.signing
        if act in PASSPORT_ACTS:
            return signing.event_with(act)
        events = signing.governance.lifecycle.events.values()
        for event in events:
            about = event.sets if act == RECALL else event.lifts
            if about == RECALLED and event.battery_event:
                return event
        return signing.event_with(act)  # raises: there is none

    def _passport(self, battery: str) -> Issuance:
        found = self._office.issuances.newest_of(battery)
        if found is None:
            told = "this node issued no passport of this battery"
            raise ProblemError(404, "passport_unknown", "Not found", told)
        return found

    def _said(self, event: Event, battery: str, passport: Issuance | None) -> bytes | None:
        """The own statement by which it is so already, or will be: nothing is said a second time."""
        items = [
            item
            for item in self._office.outbox.of_battery(battery, event.type)
            if item.state in ("outbox", "admitted") and self._is_about(item, passport)
        ]
        if not items or items[-1].state == "outbox":
            return items[-1].digest if items else None
        name = event.sets or event.lifts
        signing = self._issuing.signing
        assert name is not None, "each of these acts sets something, or lifts it"
        standing = self._issuing.admission.standing(signing.subject(signing.identifier(battery)))
        held = {} if standing is None else standing.settings(name)
        own = any(setting.by == signing.did for setting in held.values())
        return items[-1].digest if own == (event.sets is not None) else None

    def _is_about(self, item: OutboxItem, passport: Issuance | None) -> bool:
        """Whether a statement is about this passport; about a battery alone each is."""
        if passport is None:
            return True
        document = self._office.documents.get(item.document_digest)
        if document is None:
            return False
        members = orjson.loads(document.body)["credentialSubject"]["members"]
        return bool(members.get("passport_digest") == b64u(passport.digest))
