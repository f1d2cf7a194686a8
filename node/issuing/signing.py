"""What this participant says, put into signed form: identifiers read, documents and attestations made.

Nothing is stored here. The same words and time give the same document, so that a request may be repeated, and
a second party countersigns what is attested later.
"""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Required, TypedDict, TypeVar, Unpack

import orjson

from consensus.cose import Signer
from credentials.documents.canonical import b64u, b64u_decode, jcs
from credentials.documents.identifiers import Identifier, Subject, read_identifier, subject
from credentials.documents.issuer import issue_event
from credentials.errors import CredentialError
from credentials.ledger.attestation import (
    Countersignature,
    SetList,
    StatusUpdate,
    draft_attestation,
    sign_attestation,
)
from credentials.ledger.governance import Derived, Governance, GovernanceHistory
from credentials.ledger.lifecycle import Effects, Event
from credentials.ledger.payload import Criteria, Reference
from credentials.ledger.recalls import SCHEME as RECALL
from credentials.ledger.recalls import recall_subject
from credentials.verdicts.evidence import Tables
from credentials.verdicts.rule_tables import CODES, PATHS
from node.config import DATA_POINTS
from node.errors import ProblemError, bad_request
from node.issuing.admission import ACT_EXPIRES_S
from node.issuing.members import read_criteria, read_members, require_day_of_code, seconds_of
from node.issuing.statements import Statement, set_list_document, stamp
from node.storage.documents import StoredDocument

JSON = dict[str, Any]
SET_LIST_TYPE, CREDENTIAL_TYPE = "application/cbor", "application/vc"


class LedgerFields(TypedDict, total=False):
    """The fields of an attestation that come from the members of its event."""

    quantities: dict[str, int]
    references: tuple[Reference, ...]
    parties: tuple[str, ...]
    bound_asset: Subject
    children_root: bytes
    produced_on: int
    criteria: Criteria
    set_list: SetList


class SignedFields(LedgerFields, total=False):
    """These, and what every attestation says beside its kind, issuer and subject."""

    event_time: Required[int]
    document_digest: Required[bytes]
    content_type: str
    countersignatures: Sequence[Countersignature]
    predecessors: Sequence[bytes]
    expires: int
    status: StatusUpdate


F = TypeVar("F", LedgerFields, SignedFields)


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys this participant speaks with."""

    attest: Signer
    credential: Signer


class StatementSigner:
    """Makes documents and attestations. `salt`: of the office, for ids that nobody guesses.

    What is signed now is admitted by the next block at the earliest, so what governs that one is asked.
    """

    def __init__(
        self,
        network_id: bytes,
        history: GovernanceHistory,
        did: str,
        *,
        signers: Signers,
        network_key: bytes,
        salt: bytes,
        tables: Callable[[Governance], Tables],
    ) -> None:
        self._network_id = network_id
        self._history = history
        self.did = did
        self.signers = signers
        self._network_key = network_key
        self._salt = salt
        self._tables = Derived(tables)

    @property
    def governance(self) -> Governance:
        """What governs the next block."""
        return self._history.latest

    @property
    def identifiers(self) -> Mapping[str, Any]:
        """The table by which identifiers of batteries are read; 503 where this version cannot go by it."""
        return self._tables_with(CODES).identifiers

    @property
    def paths(self) -> Mapping[str, Any]:
        """Where in a passport each data point has its place; 503 where this version cannot go by it."""
        return self._tables_with(PATHS).paths

    @property
    def datapoints(self) -> Mapping[str, Any]:
        """What Annex XIII asks of a passport, by category and day; 503 where this version cannot go by it."""
        return self._tables_with(DATA_POINTS).datapoints

    def _tables_with(self, name: str) -> Tables:
        """What verdicts read under what governs the next block, this file among it."""
        tables = self._tables.of(self.governance)
        if name in tables.unread:
            told = "{name}, which governs, cannot be gone by ({why}): install a newer version of Comity"
            why = tables.unread[name]
            raise ProblemError(503, "rules_unread", "Rules not read", told, name=name, why=why)
        return tables

    def event_that(self, does: Callable[[Effects], bool]) -> Event:
        """The event that does this; 409 where the rules that govern the next block have none (any more)."""
        for event in self.governance.lifecycle.events.values():
            if does(event.effects):
                return event
        told = "the rules in force know no such event (any more): nobody can say so"
        raise ProblemError(409, "unknown_kind", "No such event", told)

    def event_with(self, effect: str) -> Event:
        """The event that does this to a passport."""
        return self.event_that(lambda effects: effects.passport == effect)

    def identifier(self, text: str, scheme: str | None = None) -> Identifier:
        """Read a battery's or vehicle's identifier; 400 with the reason."""
        try:
            return read_identifier(text, self.identifiers, namespace=self.did, scheme=scheme)
        except CredentialError as error:
            raise bad_request("identifier_malformed", str(error)) from error

    def subject(self, identifier: Identifier) -> Subject:
        """What the ledger files it under; a namespace of codes is in clear: whoever judges a code asks it."""
        if identifier.scheme == RECALL:
            return recall_subject(*identifier.namespace.split(":", 1))
        return subject(identifier, self._network_key)

    def event(
        self,
        event: Event,
        identifier: Identifier,
        values: JSON,
        event_time: int,
        countersignatures: Sequence[Countersignature] = (),
    ) -> tuple[Statement, StoredDocument]:
        """The event's document and its attestation; the same words and time give the same document."""
        fields = self._ledger_fields(event, values)
        if event.effects.creates:
            require_day_of_code(identifier, values["production_date"])
        battery = identifier.canonical
        if (sets := fields.get("set_list")) is not None:
            content_type = SET_LIST_TYPE
            document = set_list_document(sets.version, sets.points, battery, self.did)
        else:
            content_type = CREDENTIAL_TYPE
            document = self._event_document(event, identifier, values, event_time)
        statement = self.statement(
            event,
            battery,
            self.subject(identifier),
            int(time.time()),
            event_time=event_time,
            document_digest=document.digest,
            content_type=content_type,
            countersignatures=tuple(countersignatures),
            expires=int(time.time()) + ACT_EXPIRES_S,
            **fields,
        )
        return statement, document

    def _event_document(
        self, event: Event, identifier: Identifier, values: JSON, event_time: int
    ) -> StoredDocument:
        words = jcs([event.type, identifier.uri, values, event_time])
        salted = hmac.new(self._salt, words, sha256).digest()
        at = stamp(event_time)
        try:
            credential, digest = issue_event(
                event.type,
                identifier,
                values,
                event_id=f"urn:uuid:{uuid.UUID(bytes=salted[:16], version=4)}",
                event_time=at,
                issuer_did=self.did,
                signer=self.signers.credential,
                valid_from=at,
                created=at,
            )
        except CredentialError as error:
            raise bad_request("members_malformed", str(error)) from error
        body = orjson.dumps(credential)
        battery, of = identifier.canonical, credential["id"]
        return StoredDocument(digest, "event", body, self.did, battery=battery, credential_id=of)

    def _ledger_fields(self, event: Event, values: JSON) -> LedgerFields:
        """The delta's fields, from the members that the table puts on the ledger."""
        fields: LedgerFields = {}
        for member in event.ledger_members:
            if member.name not in values:
                continue
            value = values[member.name]
            match member.ledger:
                case "quantities":
                    fields.setdefault("quantities", {})[member.name] = int(value)
                case "references" if member.type in ("digest", "digests"):
                    digests = value if isinstance(value, list) else [value]
                    named = tuple(b64u_decode(digest) for digest in digests)
                    fields["references"] = (*fields.get("references", ()), *named)
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
                case "produced_on":
                    fields["produced_on"] = seconds_of(value)
                case "criteria":
                    fields["criteria"] = read_criteria(value)
                case "set_list":
                    points = {int(p): b64u_decode(d) for p, d in value["points"].items()}
                    fields["set_list"] = SetList(value["version"], points)
                case _:
                    told = "{member} cannot be given by hand"
                    raise bad_request("members_malformed", told, member=member.name)
        return fields

    def draft(
        self, event: Event, identifier: Identifier, values: JSON, when: int, document: StoredDocument
    ) -> JSON:
        return {
            "event": event.type,
            "battery": identifier.canonical,
            "issuer": self.did,
            "event_time": when,
            "members": values,
            "document_digest": b64u(document.digest),
        }

    def parse_draft(self, draft: JSON) -> Any:
        event = self.governance.lifecycle.event(draft["event"])
        if event is None or draft["issuer"] not in self.governance.participants:
            raise ValueError("its event or its issuer is not of this network")
        values = read_members(event, draft["members"], self.identifier, draft["event_time"])
        fields = self._ledger_fields(event, values)
        return draft_attestation(
            kind=event.type,
            issuer=draft["issuer"],
            subject=_plain(self.subject(self.identifier(draft["battery"]))),
            network_id=self._network_id,
            event_time=draft["event_time"],
            document_digest=b64u_decode(draft["document_digest"]),
            content_type=SET_LIST_TYPE if "set_list" in fields else CREDENTIAL_TYPE,
            **_plain_fields(fields),
        )

    def list_statement(self, about: Subject, now: int, update: StatusUpdate) -> Statement:
        return self.statement(
            self.event_that(lambda effects: effects.status_list),
            None,
            about,
            now,
            event_time=now,
            document_digest=update.list_digest,
            content_type=CREDENTIAL_TYPE,
            status=update,
        )

    def statement(
        self, event: Event, battery: str | None, about: Subject, now: int, **fields: Unpack[SignedFields]
    ) -> Statement:
        try:
            signed = sign_attestation(
                signer=self.signers.attest,
                iat=now,
                kind=event.type,
                issuer=self.did,
                subject=_plain(about),
                network_id=self._network_id,
                **_plain_fields(fields),
            )
        except CredentialError as error:
            raise bad_request("members_malformed", str(error)) from error
        return Statement(signed, battery)


def _plain(about: Subject) -> Subject:
    """Without the blind: it travels beside documents, never on the ledger."""
    return Subject(about.scheme, about.namespace, about.h)


def _plain_fields(fields: F) -> F:
    plain = fields.copy()
    asset = plain.get("bound_asset")
    if asset is not None:
        plain["bound_asset"] = _plain(asset)
    if "references" in plain:
        plain["references"] = tuple(_plain(r) if isinstance(r, Subject) else r for r in plain["references"])
    return plain
