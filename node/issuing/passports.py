"""What this participant says: passports, events, revocations, status lists.

Acknowledged means on disk: documents and their attestations (in the outbox) are written together, and only
then does a caller get an answer. Which events publish, revoke or create is read from the lifecycle's effects.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

import orjson

from consensus.cose import Signer
from consensus.encoding import encode
from credentials.documents.canonical import b64u, b64u_decode, digest_document, jcs
from credentials.documents.identifiers import Identifier, Subject, read_identifier, subject
from credentials.documents.issuer import (
    EVENT_TYPE,
    PASSPORT_TYPE,
    IssuedPassport,
    issue_event,
    issue_passport,
    status_entries,
)
from credentials.documents.passport import PassportSchema
from credentials.documents.status import BITS_MIN
from credentials.errors import CredentialError
from credentials.ledger.attestation import (
    SETS_TAG,
    Countersignature,
    SetList,
    StatusUpdate,
    countersign,
    draft_attestation,
    make_attestation,
)
from credentials.ledger.genesis import Genesis
from credentials.ledger.lifecycle import Event
from credentials.ledger.recalls import SCHEME as RECALL
from credentials.ledger.recalls import recall_subject
from credentials.ledger.registry import Registry
from node import log
from node.errors import ProblemError, bad_request, not_found
from node.issuing.admission import ACT_EXPIRES_S, AS_CLAIM, QUEUE, Admission, option
from node.issuing.gate import Gate
from node.issuing.members import name_vehicle, namespace_of, read_criteria, read_members
from node.issuing.statements import Batch, Statement, stamp
from node.issuing.status_lists import OwnStatusLists
from node.storage.documents import StoredDocument
from node.storage.issuances import Issuance
from node.storage.office import OfficeStore

JSON = dict[str, Any]
POINTS = (1, 2, 3, 4)
SET_LIST_TYPE, CREDENTIAL_TYPE = "application/cbor", "application/vc"
COUNTERSIGNATURES = "countersignatures"  # reserved member: [[key id, base64url], ...]
DRAFT = "draft"  # reserved member: true = return what a second party has to countersign, store nothing


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys this participant speaks with."""

    attest: Signer
    credential: Signer


class Issuing:
    """Signs documents and their attestations for one participant."""

    def __init__(
        self,
        *,
        genesis: Genesis,
        did: str,
        signers: Signers,
        network_key: bytes,
        office: OfficeStore,
        registry: Registry,
        schema: PassportSchema | None,
        base_url: str | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._genesis = genesis
        self._did = did
        self._signers = signers
        self._network_key = network_key
        self._office = office
        self._registry = registry
        self.admission = Admission(registry, office)
        self._identifiers = genesis.rules["gbt34014.json"]
        self._paths = genesis.rules["passport-paths.json"]
        self._schema = schema
        self._gate = gate or Gate()
        self.lists = OwnStatusLists(
            did, signers.credential, office, self._list_statement, base_url=base_url, gate=self._gate
        )
        self._salt = office.bind("salt", secrets.token_bytes(32))
        # One issuing at a time: status indexes and list versions are numbered in order.
        self.lock = threading.Lock()
        events = genesis.lifecycle.events.values()
        self._producing = next(e for e in events if e.effects.creates)
        self._publishing = self.event_with("publish")
        self._listing = next(e for e in events if e.effects.status_list)

    def event_with(self, effect: str) -> Event:
        """The event that does this to a passport."""
        events = self._genesis.lifecycle.events.values()
        return next(e for e in events if e.effects.passport == effect)

    # -- identifiers ---------------------------------------------------------------------------------

    def identifier(self, text: str, scheme: str | None = None) -> Identifier:
        """Read a battery's or vehicle's identifier; 400 with the reason."""
        try:
            return read_identifier(text, self._identifiers, namespace=self._did, scheme=scheme)
        except CredentialError as error:
            raise bad_request("identifier_malformed", str(error)) from error

    def subject(self, identifier: Identifier) -> Subject:
        """What the ledger files it under; a namespace of codes is in clear: whoever judges a code asks it."""
        if identifier.scheme == RECALL:
            return recall_subject(*identifier.namespace.split(":", 1))
        return subject(identifier, self._network_key)

    # -- passports -----------------------------------------------------------------------------------

    def passport(self, claims: JSON, code: str, idempotency_key: str | None) -> tuple[bytes, bool]:
        """(digest of the set list, whether this very passport was issued before)."""
        identifier = self.identifier(code)
        try:
            claims_digest = sha256(jcs(claims)).digest()
        except CredentialError as error:
            raise bad_request("claims_malformed", str(error)) from error
        with self.lock:
            self._gate.require_open()
            repeated = self._issued(identifier.canonical, claims_digest, idempotency_key)
            if repeated is not None:
                return repeated, True
            return self._passport(claims, identifier, claims_digest, idempotency_key), False

    def _issued(self, battery: str, claims_digest: bytes, key: str | None) -> bytes | None:
        if key is not None:
            issued = self._office.issuances.with_key(key)
            if issued is not None:
                if (issued.battery, issued.claims_digest) != (battery, claims_digest):
                    raise ProblemError(
                        409,
                        "idempotency_key_reused",
                        "Conflict",
                        "this idempotency key was used for another passport: choose a new one",
                    )
                return issued.digest
        issued = self._office.issuances.with_claims(battery, claims_digest)
        return None if issued is None else issued.digest

    def _passport(
        self, claims: JSON, identifier: Identifier, claims_digest: bytes, idempotency_key: str | None
    ) -> bytes:
        now = int(time.time())
        battery, about = identifier.canonical, self.subject(identifier)
        standing = self._registry.standing(about)
        live_before = standing.passport if standing else None
        version = 1 if live_before is None or (standing and standing.live) else live_before.version + 1
        names = self.lists.names()
        index = self.lists.next_index()
        try:
            issued = issue_passport(
                claims,
                issuer_did=self._did,
                signer=self._signers.credential,
                identifier=identifier,
                version=version,
                ids={point: f"urn:uuid:{uuid.uuid4()}" for point in POINTS},
                status_entry=status_entries(
                    {purpose: self.lists.url(name) for purpose, name in names.items()}, index % BITS_MIN
                ),
                valid_from=stamp(now),
                created=stamp(now),
                paths=self._paths,
                schema=self._schema,
            )
        except CredentialError as error:
            raise ProblemError(422, error.code, "Claims refused", str(error)) from error
        batch = Batch(now)
        batch.documents += [
            StoredDocument(
                digest_document(document),
                "passport",
                orjson.dumps(document),
                self._did,
                battery=battery,
                point=point,
                set_digest=issued.digest,
                credential_id=document["id"],
            )
            for point, document in issued.credentials.items()
        ]
        batch.documents.append(self._set_list_document(issued, version, battery))
        produced = self._production(identifier, about, issued.category, claims, batch)
        published = self._statement(
            self._publishing,
            battery,
            about,
            now,
            event_time=now,
            document_digest=issued.digest,
            content_type=SET_LIST_TYPE,
            set_list=SetList(version, {p: digest_document(d) for p, d in issued.credentials.items()}),
            predecessors=() if produced is None else (produced,),
        )
        self.admission.require_admissible(published)
        batch.statements.append(published)
        with self._office.writing() as db:
            self.lists.open(db, names, batch)
            self.lists.take_index(db, names, index)
            batch.store(db)
            self._office.issuances.put(
                db,
                Issuance(
                    number=0,
                    digest=issued.digest,
                    battery=battery,
                    version=version,
                    category=issued.category,
                    claims_digest=claims_digest,
                    idempotency_key=idempotency_key,
                    signed_at=now,
                    published=published.digest,
                    produced=produced,
                    status_index=index,
                ),
            )
        log.moment("issue", battery=battery, digest=issued.digest, version=version)
        return issued.digest

    def _set_list_document(self, issued: IssuedPassport, version: int, battery: str) -> StoredDocument:
        digests = {str(p): b64u(digest_document(d)) for p, d in issued.credentials.items()}
        body = orjson.dumps({"type": SETS_TAG, "version": version, "sets": digests})
        return StoredDocument(issued.digest, "set_list", body, self._did, battery=battery)

    def _production(
        self,
        identifier: Identifier,
        about: Subject,
        category: str,
        claims: JSON,
        batch: Batch,
    ) -> bytes | None:
        """Attest the production of a battery the ledger does not know; the digest of that attestation."""
        battery = identifier.canonical
        self.admission.require_consistent(battery, self._producing, category.lower())
        earlier = [
            item
            for item in self._office.outbox.of_battery(battery, self._producing.type)
            if item.state in ("outbox", "admitted")
        ]
        if earlier:
            return earlier[0].digest
        if self._registry.standing(about) is not None:
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
        statement, document = self._event(self._producing, identifier, members, batch.now)
        self.admission.require_admissible(statement)
        batch.add(statement, document)
        return statement.digest

    # -- events --------------------------------------------------------------------------------------

    def attest(
        self,
        event_type: str,
        battery: str,
        members: JSON,
        *,
        vin: str | None = None,
        event_time: int | None = None,
    ) -> JSON:
        """Sign and queue one event. Returns {digest, battery, document} or {draft} (see DRAFT)."""
        event = self._genesis.lifecycle.event(event_type)
        if event is None or not (event.battery_event or event.effects.recall):
            known = ", ".join(
                sorted(e.type for e in self._genesis.lifecycle.events.values() if e.battery_event)
            )
            raise bad_request("event_unknown", f"there is no event {event_type!r}: it is one of {known}")
        identifier = namespace_of(battery) if event.effects.recall else self.identifier(battery)
        if identifier.scheme == "vin":
            raise bad_request(
                "identifier_malformed", "that is a VIN: give the battery, and --vin for the vehicle"
            )
        members = dict(members)
        name_vehicle(members, vin, self.identifier)
        countersignatures = _countersignatures(members.pop(COUNTERSIGNATURES, []))
        draft_only = members.pop(DRAFT, False) is True
        when = int(time.time()) if event_time is None else event_time
        latest = int(time.time()) + self._genesis.limits.clock_skew_s
        if not 0 <= when <= latest:
            raise ProblemError(
                422,
                "event_time_impossible",
                "Not possible",
                f"event_time {when} lies in the future: an event is attested once it has happened "
                f"(seconds since 1970; now is {int(time.time())})",
            )
        queue, as_claim = option(members, QUEUE), option(members, AS_CLAIM)
        values = read_members(event, members, self.identifier)
        with self.lock:
            self._gate.require_open()
            statement, document = self._event(event, identifier, values, when, countersignatures)
            if draft_only:
                return {"draft": self._draft(event, identifier, values, when, document)}
            known_items = [
                item
                for item in self._office.outbox.of_document(statement.document_digest)
                if item.kind == event.type and item.state in ("outbox", "admitted", "refused")
            ]
            if known_items:
                return {"digest": known_items[0].digest, "battery": identifier.canonical, "repeated": True}
            self.admission.require_taken(statement, queue=queue, as_claim=as_claim)
            batch = Batch(int(time.time()))
            batch.add(statement, document)
            with self._office.writing() as db:
                batch.store(db)
        log.moment("issue", battery=identifier.canonical, event=event.type, digest=statement.digest)
        return {"digest": statement.digest, "battery": identifier.canonical, "repeated": False}

    def revoke(self, digest: bytes, reason: str) -> JSON:
        """Revoke an own passport: the event on the ledger, which the status list follows."""
        issued = self._office.issuances.get(digest)
        if issued is None:
            raise not_found("passport_unknown", "this node issued no passport with that digest")
        members = {"passport_digest": b64u(digest), "reason": reason}
        return self.attest(self.event_with("revoke").type, issued.battery, members)

    def countersign(self, draft: JSON) -> JSON:
        """Agree, as a second party, to another party's draft: {key_id, signature}."""
        try:
            statement = self._parse_draft(draft)
            made = countersign(statement, self._signers.attest)
        except (CredentialError, KeyError, TypeError, ValueError) as error:
            raise bad_request("draft_malformed", f"this is not a draft of an attestation: {error}") from error
        return {"key_id": made.kid, "signature": b64u(made.signature)}

    def _event(
        self,
        event: Event,
        identifier: Identifier,
        values: JSON,
        event_time: int,
        countersignatures: Sequence[Countersignature] = (),
    ) -> tuple[Statement, StoredDocument]:
        """The event's document and its attestation; the same words and time give the same document."""
        fields = self._ledger_fields(event, values)
        battery = identifier.canonical
        if "set_list" in fields:
            sets: SetList = fields["set_list"]
            digest = sha256(encode(sets.value)).digest()
            points = {str(point): b64u(d) for point, d in sets.points.items()}
            body = orjson.dumps({"type": SETS_TAG, "version": sets.version, "sets": points})
            document = StoredDocument(digest, "set_list", body, self._did, battery=battery)
            content_type = SET_LIST_TYPE
        else:
            words = jcs([event.type, identifier.uri, values, event_time])
            salted = hmac.new(self._salt, words, sha256).digest()
            try:
                credential = issue_event(
                    event.type,
                    identifier,
                    values,
                    event_id=f"urn:uuid:{uuid.UUID(bytes=salted[:16], version=4)}",
                    event_time=stamp(event_time),
                    issuer_did=self._did,
                    signer=self._signers.credential,
                    valid_from=stamp(event_time),
                    created=stamp(event_time),
                )
            except CredentialError as error:
                raise bad_request("members_malformed", str(error)) from error
            digest, content_type = digest_document(credential), CREDENTIAL_TYPE
            document = StoredDocument(
                digest,
                "event",
                orjson.dumps(credential),
                self._did,
                battery=battery,
                credential_id=credential["id"],
            )
        statement = self._statement(
            event,
            battery,
            self.subject(identifier),
            int(time.time()),
            event_time=event_time,
            document_digest=digest,
            content_type=content_type,
            countersignatures=tuple(countersignatures),
            expires=int(time.time()) + ACT_EXPIRES_S,
            **fields,
        )
        return statement, document

    def _ledger_fields(self, event: Event, values: JSON) -> JSON:
        """The delta's fields, from the members that the table puts on the ledger."""
        fields: JSON = {}
        for member in event.ledger_members:
            if member.name not in values:
                continue
            value = values[member.name]
            match member.ledger:
                case "quantities":
                    fields.setdefault("quantities", {})[member.name] = value
                case "references" if member.type in ("digest",):
                    fields["references"] = (*fields.get("references", ()), b64u_decode(value))
                case "references":
                    texts = value if isinstance(value, list) else [value]
                    found = tuple(self.subject(self.identifier(text)) for text in texts)
                    fields["references"] = (*fields.get("references", ()), *found)
                case "parties":
                    fields["parties"] = (*fields.get("parties", ()), value)
                case "bound_asset":
                    fields["bound_asset"] = self.subject(self.identifier(value, "vin"))
                case "children_root":
                    fields["children_root"] = b64u_decode(value)
                case "criteria":
                    fields["criteria"] = read_criteria(value)
                case "set_list":
                    points = {int(p): b64u_decode(d) for p, d in value["points"].items()}
                    fields["set_list"] = SetList(value["version"], points)
                case _:
                    raise bad_request("members_malformed", f"{member.name} cannot be given by hand")
        return fields

    # -- drafts for a second party -------------------------------------------------------------------

    def _draft(
        self, event: Event, identifier: Identifier, values: JSON, when: int, document: StoredDocument
    ) -> JSON:
        return {
            "event": event.type,
            "battery": identifier.canonical,
            "issuer": self._did,
            "event_time": when,
            "members": values,
            "document_digest": b64u(document.digest),
        }

    def _parse_draft(self, draft: JSON) -> Any:
        event = self._genesis.lifecycle.event(draft["event"])
        if event is None or draft["issuer"] not in self._genesis.participants:
            raise ValueError("its event or its issuer is not of this network")
        values = read_members(event, draft["members"], self.identifier)
        fields = self._ledger_fields(event, values)
        return draft_attestation(
            kind=event.type,
            issuer=draft["issuer"],
            subject=_plain(self.subject(self.identifier(draft["battery"]))),
            network_id=self._genesis.network_id,
            event_time=draft["event_time"],
            document_digest=b64u_decode(draft["document_digest"]),
            content_type=SET_LIST_TYPE if "set_list" in fields else CREDENTIAL_TYPE,
            **_plain_fields(fields),
        )

    # -- credentials without attestation -------------------------------------------------------------

    def _list_statement(self, about: Subject, now: int, update: StatusUpdate) -> Statement:
        return self._statement(
            self._listing,
            None,
            about,
            now,
            event_time=now,
            document_digest=update.list_digest,
            content_type=CREDENTIAL_TYPE,
            status=update,
        )

    # -- shared --------------------------------------------------------------------------------------

    def _statement(
        self, event: Event, battery: str | None, about: Subject, now: int, **fields: Any
    ) -> Statement:
        try:
            data = make_attestation(
                signer=self._signers.attest,
                iat=now,
                kind=event.type,
                issuer=self._did,
                subject=_plain(about),
                network_id=self._genesis.network_id,
                **_plain_fields(fields),
            )
        except CredentialError as error:
            raise bad_request("members_malformed", str(error)) from error
        return Statement(data, event.type, battery, about, fields["document_digest"])

    def unattested(self, credential: JSON) -> str | None:
        """What to say of a battery's document that was signed by itself; None for any other credential."""
        types, subjects = credential.get("type"), credential.get("credentialSubject")
        named = types if isinstance(types, list) else [types]
        kind = next((found for found in (PASSPORT_TYPE, EVENT_TYPE) if found in named), None)
        if kind is None:
            return None
        told = "signed, not attested: no node will find it on the ledger"
        issuer = credential.get("issuer", self._did)
        issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
        about = subjects if isinstance(subjects, dict) else {}
        event = self._publishing.type if kind == PASSPORT_TYPE else about.get("event")
        try:
            text = str(about.get("id"))
            found = read_identifier(text, self._identifiers, namespace=str(issuer))
        except CredentialError:
            return f"{told}; and it names no battery that can be read"
        allowed = self._genesis.accredited(
            str(issuer), str(event), found.scheme, found.namespace, int(time.time())
        )
        if allowed is None:
            told += (
                f"; and {issuer} is not accredited for {event} of codes {found.namespace} ({found.scheme})"
            )
        return told


def _plain(about: Subject) -> Subject:
    """Without the blind: it travels beside documents, never on the ledger."""
    return Subject(about.scheme, about.namespace, about.h)


def _plain_fields(fields: JSON) -> JSON:
    plain = dict(fields)
    if plain.get("bound_asset") is not None:
        plain["bound_asset"] = _plain(plain["bound_asset"])
    if "references" in plain:
        plain["references"] = tuple(_plain(r) if isinstance(r, Subject) else r for r in plain["references"])
    return plain


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


def _countersignatures(value: Any) -> tuple[Countersignature, ...]:
    try:
        return tuple(Countersignature(str(kid), b64u_decode(signature)) for kid, signature in value)
    except (ValueError, TypeError, CredentialError) as error:
        raise bad_request(
            "members_malformed", "countersignatures are pairs [key id, signature in base64url]"
        ) from error
