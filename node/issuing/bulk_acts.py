"""Acts on many batteries, a row of a job each: suspended, reinstated, revoked, recalled, a recall lifted, or
a statement corrected, which takes it back.

What becomes of a row is written in the transaction of its statement, so a process that was killed goes on
with the rows that wait and says nothing twice. What is so already, by this participant, is `repeated`. A look
at what would be corrected names the statement, and what is carried out takes back that one and no later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from credentials.documents.canonical import b64u, b64u_decode
from credentials.errors import CredentialError
from credentials.ledger.lifecycle import Event
from node.errors import ProblemError, bad_request, not_found
from node.issuing.events import Queued
from node.issuing.issuing import Issuing
from node.issuing.item_sheets import CODE_HEADINGS, RETURNED, code_in
from node.storage.database import Transaction
from node.storage.issuances import Issuance
from node.storage.jobs import RowResult
from node.storage.office import OfficeStore
from node.storage.outbox import OutboxItem

PASSPORT_ACTS = ("suspend", "reinstate", "revoke")
RECALL, LIFT = "recall", "lift_recall"
CORRECT = "correct"
ACTS = (*PASSPORT_ACTS, RECALL, LIFT, CORRECT)
RECALLED = "recalled"
STANDING = ("outbox", "admitted")  # own statements that are on record, or may come there
SIGNED, REPEATED, CHECKED = "signed", "repeated", "checked"
REASON_CHARACTERS_MAX = 300
NAMED = "statement"  # the column with the digests of what is corrected, where a sheet has one


@dataclass(frozen=True, slots=True)
class Acting:
    """What a job does to each of its batteries."""

    act: str
    reason: str
    statement: str  # the kind of statement that is corrected
    job: int
    tried: bool


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
        """The code in a row; ProblemError where its cell does not say it."""
        return code_in(orjson.loads(data), place)

    def act(self, acting: Acting, row: int, battery: str, named: bytes | None = None) -> RowResult | None:
        """What came of a row; None where it is on disk with its statement. Raises ProblemError.

        `named`: the digest of the statement that is corrected; without it the newest of its kind is.
        """
        event, members = self.event(acting.act), {"reason": acting.reason} if acting.reason else {}
        taken_back: bytes | None = None
        if acting.act == CORRECT:
            corrected = self._corrected(event, battery)
            taken_back = self._taken_back(battery, acting.statement, named, corrected)
            members["attestation_digest"] = b64u(taken_back)
            before = corrected.get(members["attestation_digest"])
        else:
            passport = self._passport(battery) if acting.act in PASSPORT_ACTS else None
            members |= {} if passport is None else {"passport_digest": b64u(passport.digest)}
            before = self._said(event, battery, passport)
        if before is not None:
            return RowResult(row, REPEATED, battery, before)

        def beside(db: Transaction, digest: bytes) -> None:
            self._office.jobs.settle(db, acting.job, [RowResult(row, SIGNED, battery, digest)])

        made = self._issuing.events.attest(event.type, battery, members, only_try=acting.tried, beside=beside)
        if acting.tried:
            return RowResult(row, CHECKED, battery, taken_back)
        assert isinstance(made, Queued), "a draft is made only where it is asked for"
        return RowResult(row, REPEATED, battery, made.digest) if made.repeated else None

    def named(self, data: bytes, headings: list[str]) -> bytes | None:
        """The digest of a statement in a row, if the sheet has a column for it; 400 `row_malformed`."""
        names = [name.strip().lower() for name in headings]
        text = self.code(data, names.index(NAMED)) if NAMED in names else ""
        try:
            return b64u_decode(text, NAMED) if text else None
        except CredentialError as error:
            told = "this is not the digest of a statement: {why}"
            raise bad_request("row_malformed", told, why=str(error)) from error

    def event(self, act: str) -> Event:
        """The event of the life cycle that an act is; 409 where the rules in force know none."""
        signing = self._issuing.signing
        if act in PASSPORT_ACTS:
            return signing.event_with(act)
        events = signing.governance.lifecycle.events.values()
        if act == CORRECT:
            return signing.event_that(lambda effects: effects.undo == "correct")
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

    def _taken_back(
        self, battery: str, kind: str, named: bytes | None, corrected: Mapping[str, bytes]
    ) -> bytes:
        """The own statement about a battery that is corrected: the one that is named, or else the newest that
        still stands, and the newest where none does; 404 `attestation_unknown`.
        """
        own = [one for one in self._office.outbox.of_battery(battery, kind) if one.state in STANDING]
        if named is not None:
            own = [one for one in own if one.digest == named]
        if not own:
            told = "this node has no statement of that kind about this battery that could be taken back"
            raise not_found("attestation_unknown", told)
        still = [one for one in own if b64u(one.digest) not in corrected]
        return max(still or own, key=_recorded).digest

    def _corrected(self, event: Event, battery: str) -> dict[str, bytes]:
        """The own corrections about a battery, by the statement that each takes back."""
        items = [one for one in self._office.outbox.of_battery(battery, event.type) if one.state in STANDING]
        return {str(self._members(one).get("attestation_digest")): one.digest for one in items}

    def _members(self, item: OutboxItem) -> dict[str, object]:
        document = self._office.documents.get(item.document_digest)
        found: dict[str, object] = (
            {} if document is None else orjson.loads(document.body)["credentialSubject"]["members"]
        )
        return found

    def _said(self, event: Event, battery: str, passport: Issuance | None) -> bytes | None:
        """The own statement by which it is so already, or will be: nothing is said a second time."""
        items = [
            item
            for item in self._office.outbox.of_battery(battery, event.type)
            if item.state in STANDING and self._is_about(item, passport)
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
        return passport is None or self._members(item).get("passport_digest") == b64u(passport.digest)


def _recorded(item: OutboxItem) -> tuple[bool, int, int]:
    """Where a statement stands in the order of the ledger; what is not on it yet comes after.

    Statements that were put down one after the other may be recorded the other way round.
    """
    return item.leaf_index is None, item.leaf_index or 0, item.number
