"""Events: attested, drafted for a second party, countersigned; revocations."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from consensus.encoding import whole_numbers
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.identifiers import Identifier
from credentials.errors import CredentialError
from credentials.ledger.attestation import Countersignature, countersign
from credentials.ledger.lifecycle import Event
from node import log
from node.answers import CountersignAnswer
from node.errors import ProblemError, bad_request, not_found
from node.issuing.admission import AS_CLAIM, QUEUE, Admission, option
from node.issuing.gate import Gate
from node.issuing.members import name_vehicle, namespace_of, read_members, spell_beginnings
from node.issuing.signing import StatementSigner
from node.issuing.statements import Batch, Statement
from node.storage.database import Transaction
from node.storage.documents import StoredDocument
from node.storage.office import OfficeStore

JSON = dict[str, Any]
COUNTERSIGNATURES = "countersignatures"  # reserved member: [[key id, base64url], ...]
DRAFT = "draft"  # reserved member: true = return what a second party has to countersign, store nothing

Beside = Callable[[Transaction, bytes], None]


@dataclass(frozen=True, slots=True)
class Queued:
    """An event that is signed, on disk, and waits to be sent."""

    digest: bytes
    battery: str
    repeated: bool  # the same statement was made before


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that a second party has to countersign first; nothing of it is stored."""

    draft: JSON


@dataclass(frozen=True, slots=True)
class TriedEvent:
    """An event that could be recorded now, as its document would have it; nothing of it is kept."""

    battery: str
    members: Mapping[str, object]


class EventIssuing:
    """Attests events of the lifecycle for this participant."""

    def __init__(
        self,
        *,
        signing: StatementSigner,
        office: OfficeStore,
        admission: Admission,
        gate: Gate,
        lock: threading.Lock,
    ) -> None:
        self._signing = signing
        self._office = office
        self._admission = admission
        self._gate = gate
        self._lock = lock

    def attest(
        self,
        event_type: str,
        battery: str,
        members: JSON,
        *,
        vin: str | None = None,
        event_time: int | None = None,
        only_try: bool = False,
        beside: Beside | None = None,
    ) -> Queued | Draft | TriedEvent:
        """Sign and queue one event, or draft it (see DRAFT), or try whether it could be recorded now.

        What `beside` writes of its digest is on disk with it, or not at all.
        """
        event, identifier = self._named(event_type, battery)
        members = dict(members)
        name_vehicle(members, vin, self._signing.identifier)
        countersignatures = _countersignatures(members.pop(COUNTERSIGNATURES, []))
        draft_only = option(members, DRAFT)
        when = int(time.time()) if event_time is None else int(event_time)  # 1.79e9 is a whole number
        latest = int(time.time()) + self._signing.governance.limits.clock_skew_s
        if not 0 <= when <= latest:
            raise _not_happened(when)
        queue, as_claim = option(members, QUEUE), option(members, AS_CLAIM)
        values = read_members(event, members, self._signing.identifier, when)
        if event.effects.recall is not None:
            values = dict(spell_beginnings(values, identifier, self._signing.governance.schemes))
        with self._lock:
            self._gate.require_open()
            statement, document = self._signing.event(event, identifier, values, when, countersignatures)
            if draft_only:
                return Draft(self._signing.draft(event, identifier, values, when, document))
            known_items = [
                item
                for item in self._office.outbox.of_document(statement.attestation.document_digest)
                if item.kind == event.type and item.state in ("outbox", "admitted", "refused")
            ]
            if known_items:
                return Queued(known_items[0].digest, identifier.canonical, repeated=True)
            self._admission.require_taken(statement, queue=queue, as_claim=as_claim, only_try=only_try)
            if only_try:
                return TriedEvent(identifier.canonical, values)
            self._store(statement, document, beside)
        log.moment("issue", battery=identifier.canonical, event=event.type, digest=statement.digest)
        return Queued(statement.digest, identifier.canonical, repeated=False)

    def _named(self, event_type: str, battery: str) -> tuple[Event, Identifier]:
        """The event, and what it is about: a battery, or of a recall the namespace of codes."""
        lifecycle = self._signing.governance.lifecycle
        event = lifecycle.event(event_type)
        if event is None or not (event.battery_event or event.effects.recall):
            known = tuple(sorted(e.type for e in lifecycle.events.values() if e.battery_event))
            told = "there is no event {given}: it is one of {known}"
            raise bad_request("event_unknown", told, given=repr(event_type), known=known)
        if event.effects.recall is not None:
            return event, namespace_of(battery, self._signing.identifiers)
        identifier = self._signing.identifier(battery)
        if identifier.scheme == "vin":
            raise bad_request(
                "identifier_malformed", "that is a VIN: give the battery, and --vin for the vehicle"
            )
        return event, identifier

    def _store(self, statement: Statement, document: StoredDocument, beside: Beside | None) -> None:
        batch = Batch(int(time.time()))
        batch.add(statement, document)
        with self._office.writing() as db:
            batch.store(db)
            if beside is not None:
                beside(db, statement.digest)

    def revoke(self, digest: bytes, reason: str) -> Queued:
        """Revoke an own passport: the event on the ledger, which the status list follows."""
        issued = self._office.issuances.get(digest)
        if issued is None:
            raise not_found("passport_unknown", "this node issued no passport with that digest")
        members = {"passport_digest": b64u(digest), "reason": reason}
        made = self.attest(self._signing.event_with("revoke").type, issued.battery, members)
        assert isinstance(made, Queued), "a draft is made only where it is asked for"
        return made

    def countersign(self, draft: JSON) -> CountersignAnswer:
        """Agree, as a second party, to another party's draft."""
        match draft:
            case {
                "event": str(),
                "battery": str(),
                "issuer": str(),
                "event_time": when,
                "members": dict(),
                "document_digest": str(),
            } if whole_numbers(when):
                pass
            case _:
                raise bad_request(
                    "draft_malformed",
                    "a draft has event, battery, issuer, event_time, members and document_digest: give what "
                    "`comity attest --draft` printed at the other party",
                )
        try:
            statement = self._signing.parse_draft(draft)
            made = countersign(statement, self._signing.signers.attest)
        except ValueError as error:  # ProblemError and CredentialError are
            told = "this is not a draft of an attestation: {detail}"
            raise bad_request("draft_malformed", told, detail=str(error)) from error
        return {"key_id": made.kid, "signature": b64u(made.signature)}


def _not_happened(when: int) -> ProblemError:
    told = (
        "event_time {given} lies in the future: an event is attested once it has happened (seconds since "
        "1970; now is {now})"
    )
    now = int(time.time())
    return ProblemError(422, "event_time_impossible", "Not possible", told, given=when, now=now)


def _countersignatures(value: Any) -> tuple[Countersignature, ...]:
    try:
        return tuple(Countersignature(str(kid), b64u_decode(signature)) for kid, signature in value)
    except (ValueError, TypeError, CredentialError) as error:
        raise bad_request(
            "members_malformed", "countersignatures are pairs [key id, signature in base64url]"
        ) from error
