"""Passports: claims become four signed sets, a set list and attestations, in one transaction, one or many."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Any

from credentials.documents.canonical import jcs
from credentials.documents.identifiers import Identifier
from credentials.documents.issuer import DraftPassport, draft_passport, status_entries
from credentials.documents.passport import PassportSchema, PointState, completeness
from credentials.errors import CredentialError
from credentials.ledger.attestation import SetList
from credentials.ledger.registry import Registry
from credentials.ledger.standing import Standing
from node import log
from node.errors import ProblemError, bad_request
from node.issuing.admission import Admission
from node.issuing.earlier_versions import EarlierVersions
from node.issuing.gate import Gate
from node.issuing.passport_orders import Issued, OneBatch, OneByOne, Order, set_documents
from node.issuing.signing import SET_LIST_TYPE, StatementSigner
from node.issuing.statements import Batch, set_list_document, stamp
from node.issuing.status_lists import OwnStatusLists, Place
from node.storage.database import Transaction, part_of
from node.storage.found_by import passport_text
from node.storage.issuances import Issuance
from node.storage.office import OfficeStore
from node.storage.outbox import OutboxItem

JSON = dict[str, Any]
POINTS = (1, 2, 3, 4)
PUBLIC = 1  # the point whose set anybody may read

# What somebody writes beside passports, in the transaction in which they are stored.
Beside = Callable[[Transaction, Sequence[Issued | ProblemError]], None]
Reading = Callable[[], AbstractContextManager[object]]


class PassportIssuing:
    """Issues passports. One at a time: places in lists and list versions are numbered in order."""

    def __init__(
        self,
        *,
        signing: StatementSigner,
        office: OfficeStore,
        registry: Registry,
        admission: Admission,
        lists: OwnStatusLists,
        gate: Gate,
        lock: threading.Lock,
        schema: PassportSchema | None,
        reading: Reading,
    ) -> None:
        """`reading`: around what is asked of the ledger together."""
        self._signing = signing
        self._office = office
        self._registry = registry
        self._admission = admission
        self._lists = lists
        self._gate = gate
        self._lock = lock
        self._schema = schema
        self._earlier = EarlierVersions(signing, office)
        self._reading = reading
        self._found_by: list[tuple[int, str]] = []  # of those that are being issued, under the lock
        self._one_by_one = OneByOne(self.passports)
        self.batches = OneBatch()

    def passport(self, order: Order) -> Issued:
        """One, on disk when this returns; raises ProblemError."""
        made = self._one_by_one.issued(order)
        if isinstance(made, ProblemError):
            raise made
        return made

    def passports(self, orders: Sequence[Order], beside: Beside | None = None) -> list[Issued | ProblemError]:
        """Several, on disk together when this returns: each, or why it is refused.

        Nothing is kept or sent of one that is refused; nothing of any if this raises something else. What
        `beside` writes of them is on disk with them, or not at all.
        """
        with self._lock, self._office.writing() as db, self._reading():
            self._found_by.clear()
            made = [order.asked_in.run(self._tried, db, order) for order in orders]
            self._office.issuances.put_words(db, self._found_by)
            if beside is not None:
                beside(db, made)
        for order, one in zip(orders, made, strict=True):
            if isinstance(one, Issued) and one.credentials is not None and not order.tried:
                log.moment("issue", battery=one.battery, digest=one.digest, version=one.version)
        return made

    def _tried(self, db: Transaction, order: Order) -> Issued | ProblemError:
        try:
            with part_of(db):
                return self._ordered(db, order)
        except ProblemError as refused:
            return refused

    def _ordered(self, db: Transaction, order: Order) -> Issued:
        """This passport, unless it was issued before."""
        identifier = self._signing.identifier(order.code)
        try:
            claims_digest = sha256(jcs(order.claims)).digest()
        except CredentialError as error:
            raise bad_request("claims_malformed", str(error)) from error
        self._gate.require_open()
        before = self._issued(identifier.canonical, claims_digest, order.idempotency_key)
        if order.renews:
            newest = self._earlier.require_one(identifier.canonical)
            if before is not None and before.number != newest.number:
                return self._passport(db, order, identifier, claims_digest, before)  # as it once was
        if before is not None and not self._gives_way(before, identifier, order.idempotency_key):
            return Issued(before.digest, before.battery, before.version, None)
        if order.once:
            self._require_none_stands(identifier)
        return self._passport(db, order, identifier, claims_digest, before)

    def _require_none_stands(self, identifier: Identifier) -> None:
        """409 for a battery that has a passport of ours already: these are other claims."""
        newest = self._office.issuances.newest_of(identifier.canonical)
        if newest is not None and not self._gives_way(newest, identifier, None):
            raise ProblemError(
                409,
                "passport_stands",
                "Conflict",
                "this battery has a passport already, version {version}, with other claims: a second one was "
                "not signed",
                version=newest.version,
            )

    def _issued(self, battery: str, claims_digest: bytes, key: str | None) -> Issuance | None:
        """The latest passport with these claims; 409 if the key was used for others."""
        issued = self._office.issuances.with_key(key) if key is not None else None
        if issued is not None and (issued.battery, issued.claims_digest) != (battery, claims_digest):
            raise ProblemError(
                409,
                "idempotency_key_reused",
                "Conflict",
                "this idempotency key was used for another passport: choose a new one",
            )
        return self._office.issuances.with_claims(battery, claims_digest)

    def _gives_way(self, before: Issuance, identifier: Identifier, key: str | None) -> bool:
        """True if the passport with the same claims came to nothing, or was revoked: it is asked for anew.

        Whoever repeats the request of one that was published, with its key, asks for no other.
        """
        item = self._office.outbox.get(before.published)
        assert item is not None, "both are written in one transaction"
        if item.state == "cancelled":
            return not self._admission.can_be_recorded(item.data)
        if item.state != "admitted":
            return item.state != "outbox"
        standing = self._registry.standing(self._signing.subject(identifier))
        revoked = standing is not None and standing.revoked
        return revoked and (key is None or key != before.idempotency_key)

    def _passport(
        self,
        db: Transaction,
        order: Order,
        identifier: Identifier,
        claims_digest: bytes,
        before: Issuance | None,
    ) -> Issued:
        now, battery, about = int(time.time()), identifier.canonical, self._signing.subject(identifier)
        standing = self._registry.standing(about)
        ours = self._own_of(battery)
        given_up = self._earlier.given_up(ours)
        replaced = standing.passport if order.renews and standing is not None and standing.live else None
        version = _next_version(standing, given_up) if replaced is None else replaced.version + 1
        place = self._lists.next_place()
        draft = self._draft(order.claims, identifier, version, now, place)
        _require_whole(self._signing, draft, order, stamp(now)[:10])
        signer = self._signing.signers.credential
        issued = draft.with_digests() if order.tried else draft.signed(signer, stamp(now))
        batch = Batch(now)
        batch.documents += set_documents(issued, battery, self._signing.did)
        batch.documents.append(set_list_document(version, issued.digests, battery, self._signing.did))
        produced = self._production(identifier, issued.category, order.claims, batch, ours, known=standing)
        published = self._signing.statement(
            self._signing.event_with("publish" if replaced is None else "supersede"),
            battery,
            about,
            now,
            event_time=now,
            document_digest=issued.digest,
            content_type=SET_LIST_TYPE,
            set_list=SetList(version, issued.digests),
            references=tuple(one.published for one in given_up) if replaced is None else (replaced.digest,),
            predecessors=() if produced is None or replaced is not None else (produced,),
        )
        waits = self._admission.require_admissible(published, at_once=replaced is not None)
        if order.tried:
            return Issued(issued.digest, battery, version, {}, waits)
        batch.statements.append(published)
        kept = Issuance(
            number=0,
            digest=issued.digest,
            battery=battery,
            version=version,
            category=issued.category,
            claims_digest=claims_digest,
            idempotency_key=order.idempotency_key,
            signed_at=now,
            published=published.digest,
            produced=produced,
            status_index=place.index,
        )
        if before is not None:
            self._office.issuances.give_way(db, before.number)
        public = issued.credentials[PUBLIC]["credentialSubject"]
        kept = self._keep(db, kept, batch, place, passport_text(battery, issued.category, public))
        return Issued(issued.digest, battery, version, issued.credentials, waits, kept)

    def _keep(self, db: Transaction, kept: Issuance, batch: Batch, place: Place, found_by: str) -> Issuance:
        """Write it with its documents and statements, its place given away; as it is stored, numbered."""
        self._lists.open(db, place.names, batch)
        self._lists.take(db, place)
        batch.store(db)
        kept = replace(kept, number=self._office.issuances.put(db, kept))
        self._found_by.append((kept.number, found_by))
        return kept

    def _own_of(self, battery: str) -> list[OutboxItem]:
        """What we said of its production and publication so far, oldest first."""
        producing = self._signing.event_that(lambda effects: effects.creates)
        publishing = self._signing.event_with("publish")
        return self._office.outbox.of_battery(battery, producing.type, publishing.type)

    def _draft(
        self, claims: JSON, identifier: Identifier, version: int, now: int, place: Place
    ) -> DraftPassport:
        """The four sets, each a credential with its place in the status lists; 422 for refused claims."""
        urls = {purpose: self._lists.url(name) for purpose, name in place.names.items()}
        try:
            return draft_passport(
                claims,
                issuer_did=self._signing.did,
                identifier=identifier,
                version=version,
                ids={point: f"urn:uuid:{uuid.uuid4()}" for point in POINTS},
                status_entry=status_entries(urls, place.in_list),
                valid_from=stamp(now),
                paths=self._signing.paths,
                schema=self._schema,
            )
        except CredentialError as error:
            raise ProblemError(422, error.code, "Claims refused", str(error)) from error

    def _production(
        self,
        identifier: Identifier,
        category: str,
        claims: JSON,
        batch: Batch,
        ours: Sequence[OutboxItem],
        *,
        known: Standing | None,
    ) -> bytes | None:
        """Attest the production of a battery the ledger does not know; the digest of that attestation."""
        producing = self._signing.event_that(lambda effects: effects.creates)
        said = (item for item in ours if item.kind == producing.type)
        earlier = [item for item in said if item.state in ("outbox", "admitted")]
        self._admission.require_consistent(earlier, category.lower())
        if earlier:
            return earlier[0].digest
        if known is not None:
            return None
        general = claims.get("GeneralProductInformation")
        general = general if isinstance(general, dict) else {}
        members: JSON = {
            "production_date": _production_date(identifier, general),
            "category": category.lower(),
        }
        mass = general.get("batteryMass")
        if isinstance(mass, int | float) and not isinstance(mass, bool) and 0 < mass < 1e6:
            members["mass_grams"] = round(mass * 1000)
        statement, document = self._signing.event(producing, identifier, members, batch.now)
        self._admission.require_admissible(statement)
        batch.add(statement, document)
        return statement.digest


def _production_date(identifier: Identifier, general: JSON) -> str:
    """The day of the claims; else the code's; a code that names no day gives the first of its month."""
    made = general.get("manufacturingDate")
    if isinstance(made, str):
        try:
            return date.fromisoformat(made[:10]).isoformat()
        except ValueError as error:
            raise bad_request("claims_malformed", "manufacturingDate is not a date") from error
    if identifier.manufactured is not None:
        year, month, day = identifier.manufactured
        return date(year, month, day or 1).isoformat()
    raise bad_request("claims_malformed", "the claims carry no manufacturingDate, and the code none either")


def _next_version(standing: Standing | None, given_up: Sequence[Issuance]) -> int:
    """Above what is on record, and above what may still be."""
    before = standing.passport if standing else None
    version = 1 if before is None or (standing and standing.live) else before.version + 1
    return max([version, *(one.version + 1 for one in given_up)])


def _require_whole(signing: StatementSigner, draft: DraftPassport, order: Order, today: str) -> None:
    """422 for a data point that is missing on the day of placing on the market, if the order asks for all.

    Where none is given: today, or on the first day on which a passport is needed.
    """
    if not order.whole:
        return
    sets = {point: document["credentialSubject"] for point, document in draft.documents.items()}
    datapoints = signing.datapoints
    day = order.placed_on or max(today, datapoints["passportRequiredFrom"])
    states = completeness(sets, draft.category, day, datapoints, signing.paths)
    missing = tuple(f"{one.dp} {one.name}" for one in states if one.state is PointState.MISSING)
    if missing:
        raise ProblemError(
            422,
            "passport_incomplete",
            "Claims refused",
            "the claims lack what Annex XIII asks of a battery of the category {category} from {day} on, "
            "and whoever checks the passport finds these gaps: {missing}",
            category=draft.category,
            day=day,
            missing=missing,
        )
