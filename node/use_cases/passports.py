"""The issuing desk: passports, attested events, revocations, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, TypedDict

import orjson

from credentials.documents.canonical import b64u
from credentials.ledger.governance import GovernanceHistory
from credentials.verdicts.verdict_record import Digest
from node.answers import (
    AttestedRecord,
    CountersignAnswer,
    DraftAnswer,
    IssuedRecord,
    PassportProgress,
    Progress,
)
from node.errors import ProblemError, not_found
from node.issuing.events import Draft, TriedEvent
from node.issuing.issuing import Issuing
from node.issuing.label import Label, label_of
from node.issuing.outbox import Outbox
from node.issuing.passport_orders import ISSUED_TOGETHER, Issued, Order
from node.storage.issuances import Issuance
from node.storage.office import OfficeStore
from node.use_cases.digests import read_digest
from node.use_cases.form_desk import PassportForms, issued_here
from node.use_cases.progress import ProgressReport, told_of

JSON = dict[str, Any]
PUBLIC_POINT = 1  # of Annex XIII: it holds all that Annex VI, Part A, asks of a label


class MemberAnswer(TypedDict):
    """A member of an event."""

    name: str
    type: str
    required: bool
    text: str  # as the life cycle's table says it
    values: list[str]


# `from` is no name in Python.
EventAnswer = TypedDict(
    "EventAnswer",
    {
        "event": str,
        "attesters": list[str],
        "from": list[str],
        "to": str | None,
        "needs": list[str],
        "basis": str,
        "countersigned_by": str | None,
        "members": list[MemberAnswer],
    },
)


class IssuedLine(TypedDict):
    """What became of one line of a batch: a passport that is on disk, or the problem that kept it from it."""

    line: int  # from 1
    status: int  # 201 signed now, 200 issued before; else that of the problem
    digest: Digest | None
    battery: str | None
    version: int | None
    problem: dict[str, Any] | None


class PassportDesk:
    """Issues, attests and revokes for this participant; everything it answers is on disk."""

    def __init__(
        self,
        history: GovernanceHistory,
        issuing: Issuing,
        office: OfficeStore,
        outbox: Outbox,
        progress: ProgressReport,
    ) -> None:
        self._history = history
        self._issuing = issuing
        self._office = office
        self._outbox = outbox
        self._progress = progress
        self.forms = PassportForms(issuing, office)

    @property
    def identifiers(self) -> Mapping[str, object]:
        """The table by which identifiers of batteries are read."""
        return self._issuing.signing.identifiers

    def issue(
        self, claims: JSON, *, code: str, idempotency_key: str | None = None, whole: bool = False
    ) -> IssuedRecord:
        """Sign a passport and queue its attestations; returns only when both are on disk.

        The same claims for the same code give the same answer, unless nothing came of it or it was revoked;
        `idempotency_key` with other claims is a 409. `whole`: claims with a gap are a 422; nothing is signed.
        """
        return self.ordered(Order(claims, code, idempotency_key, whole))

    def ordered(self, order: Order) -> IssuedRecord:
        """The same, with all that an order may ask for."""
        made = self._issuing.passports.passport(order)
        self._outbox.wake()
        signed, digest = made.credentials, made.digest
        if signed is None:
            credentials = {str(d.point): orjson.loads(d.body) for d in self._office.documents.of_set(digest)}
            progress = self.passport(b64u(digest))
        else:  # on disk, and still in hand
            credentials = {str(point): document for point, document in sorted(signed.items())}
            assert made.kept is not None, "it was stored a moment ago"
            progress = self._told([made.kept])[0]
            if progress["attested"] == "outbox":  # not ordered meanwhile
                progress["waiting"] = told_of(made.waits)
        return {
            "digest": b64u(digest),
            "battery": progress["battery"],
            "credentials": credentials,
            "progress": progress,
            "repeated": signed is None,
        }

    def batch(self) -> AbstractContextManager[None]:
        """Around `issue_many`: one batch at a time has a thread of the pages, for seconds; else 503."""
        return self._issuing.passports.batches.turn()

    def issue_many(self, orders: Iterable[Order | ProblemError]) -> Iterator[Issued | ProblemError]:
        """What became of each, in their order, a few at a time: what is told is on disk.

        As `issue` for each by itself, also where one repeats another. One that could not be read is told as
        it is given.
        """
        waiting = iter(orders)
        while part := list(islice(waiting, ISSUED_TOGETHER)):
            made = iter(self._issuing.passports.passports([one for one in part if isinstance(one, Order)]))
            self._outbox.wake()
            yield from (next(made) if isinstance(one, Order) else one for one in part)

    def passport(self, digest: str) -> PassportProgress:
        """One passport of this node by the digest of its set list; 404 `passport_unknown`."""
        return self._told([issued_here(self._office, digest)], explain=True)[0]

    def label(self, digest: str) -> Label:
        """What the label of this passport says; 404 `passport_unknown`."""
        row, signing = issued_here(self._office, digest), self._issuing.signing
        public = next(one for one in self._office.documents.of_set(row.digest) if one.point == PUBLIC_POINT)
        claims = orjson.loads(public.body)["credentialSubject"]
        return label_of(claims, signing.paths, signing.identifier(row.battery), self._issuing.lists.base_url)

    def page(
        self, limit: int = 50, before: int | None = None, words: Sequence[str] = ()
    ) -> list[PassportProgress]:
        """Newest first, those with all these words; the last one's `number` is `before` of the next page."""
        return self._told(self._office.issuances.page(limit, before, words), explain=True)

    def _told(self, rows: Sequence[Issuance], *, explain: bool = False) -> list[PassportProgress]:
        """A page of passports: the same number of statements however many they are."""
        own = [digest for row in rows for digest in (row.produced, row.published) if digest is not None]
        items = self._office.outbox.get_many(own)
        progress = self._progress.of_many(list(items.values()))
        sets = self._office.documents.digests_of_sets([row.digest for row in rows])
        return [
            {
                "number": row.number,
                "digest": b64u(row.digest),
                "battery": row.battery,
                "version": row.version,
                "category": row.category,
                "signed_at": row.signed_at,
                "attested": (told := progress[row.published])["state"],
                "height": told["height"],
                "leaf_index": told["leaf_index"],
                "block_time": told["block_time"],
                "refusal": told["refusal"],
                "waiting": self._progress.waiting(items[row.published]) if explain else None,
                "receipted_at": told["receipted_at"],
                "sets": {str(point): b64u(digest) for point, digest in sets[row.digest].items()},
                "attestations": [progress[d] for d in (row.produced, row.published) if d in progress],
            }
            for row in rows
        ]

    def attest(
        self,
        event: str,
        battery: str,
        members: JSON,
        *,
        vin: str | None = None,
        event_time: int | None = None,
    ) -> AttestedRecord | DraftAnswer:
        """{digest (of the attestation), event, battery, document (the event credential), progress}; or
        {draft}, of which nothing is stored, for a second party to countersign.
        """
        made = self._issuing.events.attest(event, battery, members, vin=vin, event_time=event_time)
        assert not isinstance(made, TriedEvent), "it was not only tried"
        if isinstance(made, Draft):
            return {"draft": made.draft}
        self._outbox.wake()
        item = self._office.outbox.get(made.digest)
        assert item is not None, "an attestation is stored before it is answered"
        stored = self._office.documents.get(item.document_digest)
        return {
            "digest": b64u(item.digest),
            "event": event,
            "battery": made.battery,
            "document": orjson.loads(stored.body) if stored else None,
            "progress": self._progress.explained(item),
            "repeated": made.repeated,
        }

    def countersign(self, draft: JSON) -> CountersignAnswer:
        """Agree, as a second party, to another party's draft of an attestation: {key_id, signature}."""
        return self._issuing.events.countersign(draft)

    def events(self) -> list[EventAnswer]:
        """The lifecycle's events: [{event, text, members [{name, required, ...}], attesters, from, to}]."""
        return [
            {
                "event": event.type,
                "attesters": list(event.attesters),
                "from": sorted(event.from_states),
                "to": event.to,
                "needs": list(event.needs),
                "basis": event.basis,
                "countersigned_by": event.countersigned_by,
                "members": [
                    {
                        "name": member.name,
                        "type": member.type,
                        "required": member.required,
                        "text": member.text,
                        "values": list(member.values),
                    }
                    for member in event.members.values()
                ],
            }
            for event in self._history.latest.lifecycle.events.values()
            if event.battery_event
        ]

    def attestation(self, digest: str) -> Progress:
        """Progress of one attestation of this node; 404 `attestation_unknown`."""
        item = self._office.outbox.get(read_digest(digest))
        if item is None:
            raise not_found("attestation_unknown", "this node made no attestation with that digest")
        return self._progress.explained(item)

    def cancel(self, digest: str) -> Progress:
        """Send an own attestation no more; 409 `final` if the ledger has it, or it was given up, already.

        What a validator was sent before may still be recorded until its own time runs out: then it shows.
        """
        told = self.attestation(digest)
        with self._office.writing() as db:
            if not self._office.outbox.cancel(db, read_digest(digest)):
                state = told["state"]
                raise ProblemError(
                    409, "final", "Too late", "it is {state} already: it cannot be cancelled", state=state
                )
        return self.attestation(digest)

    def revoke(self, digest: str, reason: str) -> Progress:
        """Revoke the passport with this set-list digest: the ledger event, which the status list follows."""
        made = self._issuing.events.revoke(read_digest(digest), reason)
        self._outbox.wake()
        return self.attestation(b64u(made.digest))
