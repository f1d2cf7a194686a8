"""From claims to secured credentials: passports, events, status lists.

Random ids and every time are passed in. A passport becomes up to four credentials, one per Annex XIII set,
that carry one version and one status entry; the ledger knows them together by the digest of their set list.

    BatteryPassportCredential.credentialSubject
      { id: URI of the battery, type: "Battery", code: {scheme, value}, annexXiiiPoint, passportVersion,
        and the submodels' members of that set }
    BatteryEventCredential.credentialSubject
      { id, type: "Battery", code, event, eventTime, members }
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from consensus.cose import Signer
from consensus.encoding import Value
from credentials.documents import passport, status
from credentials.documents.canonical import JSON, digest_document, jcs
from credentials.documents.identifiers import Identifier
from credentials.documents.model import CREDENTIALS_V2, parse_credential, parse_date_time
from credentials.documents.passport import PassportSchema
from credentials.documents.suites import eddsa
from credentials.errors import CredentialError

PASSPORT_CONTEXT = "urn:comity:context:passport:1.2"
PASSPORT_SCHEMA = {"id": "urn:comity:schema:passport:1.2", "type": "JsonSchema"}
PASSPORT_TYPE = "BatteryPassportCredential"
EVENT_TYPE = "BatteryEventCredential"

Document = dict[str, Any]


class EventStated(TypedDict):
    """Who says when that an event took place."""

    event_id: str  # a urn:uuid
    event_time: str
    issuer_did: str
    signer: Signer
    valid_from: str
    created: str


@dataclass(frozen=True, slots=True)
class IssuedPassport:
    """The credentials of one passport by their Annex XIII point, and what is attested about them."""

    credentials: Mapping[int, Document]
    digests: Mapping[int, bytes]  # of these documents
    set_list: Value
    digest: bytes  # of the set list: the payload of the attestation
    category: str  # EV, LMT or industrial


@dataclass(frozen=True, slots=True)
class DraftPassport:
    """A passport before it is signed: its credentials without a proof, by their Annex XIII point."""

    documents: Mapping[int, Document]
    version: int
    category: str  # EV, LMT or industrial

    def with_digests(self) -> IssuedPassport:
        """As it would be attested if nothing were signed: to ask beforehand what would become of it."""
        return _issued(self, {point: (one, digest_document(one)) for point, one in self.documents.items()})

    def signed(self, signer: Signer, created: str) -> IssuedPassport:
        """The same, each credential signed."""
        secured = _secured_together(list(self.documents.values()), signer, created)
        return _issued(self, dict(zip(self.documents, secured, strict=True)))


def _issued(draft: DraftPassport, secured: Mapping[int, tuple[Document, bytes]]) -> IssuedPassport:
    digests = {point: digest for point, (_, digest) in secured.items()}
    return IssuedPassport(
        {point: document for point, (document, _) in secured.items()},
        digests,
        passport.set_list(draft.version, digests),
        passport.set_list_digest(draft.version, digests),
        draft.category,
    )


def draft_passport(
    claims: Mapping[str, Any],
    *,
    issuer_did: str,
    identifier: Identifier,
    version: int,
    ids: Mapping[int, str],
    status_entry: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    valid_from: str,
    paths: Mapping[str, Any],
    valid_until: str | None = None,
    schema_ref: Mapping[str, str] = PASSPORT_SCHEMA,
    schema: PassportSchema | None = None,
) -> DraftPassport:
    """Split `claims` (the BatteryPass submodels) into sets, and hold each to schema and possible values.

    `ids` gives each point a random urn:uuid, which salts its digest; an empty set is no credential. Bad
    claims raise CredentialError.
    """
    sets = {point: members for point, members in passport.split(claims, paths).items() if members}
    passport.require_possible(claims, paths)
    if 1 not in sets:
        raise CredentialError(
            "schema_invalid", "A passport without public members (Annex XIII, point 1) is none."
        )
    category = passport.category(sets[1], paths)
    entries = [status_entry] if isinstance(status_entry, Mapping) else list(status_entry)
    shared: Document = {  # the same objects in all of them: each is written once when they are signed
        "@context": [CREDENTIALS_V2, PASSPORT_CONTEXT],
        "type": ["VerifiableCredential", PASSPORT_TYPE],
        "credentialSchema": dict(schema_ref),
        "credentialStatus": [dict(entry) for entry in entries],
    }
    documents = {}
    for point, members in sets.items():
        document: Document = {
            "@context": shared["@context"],
            "id": ids[point],
            "type": shared["type"],
            "issuer": issuer_did,
            "validFrom": valid_from,
            **({} if valid_until is None else {"validUntil": valid_until}),
            "credentialSubject": {
                **_battery(identifier),
                "annexXiiiPoint": point,
                "passportVersion": version,
                **members,
            },
            "credentialSchema": shared["credentialSchema"],
            "credentialStatus": shared["credentialStatus"],
        }
        if schema is not None:
            schema.check(document)
        documents[point] = document
    return DraftPassport(documents, version, category)


def issue_event(
    event: str,
    identifier: Identifier,
    members: Mapping[str, JSON],
    **said: Unpack[EventStated],
) -> tuple[Document, bytes]:
    """Return the signed document of an event in a battery's life, and its digest.

    `members` is what the event requires.
    """
    parse_date_time(said["event_time"], "eventTime")
    jcs(dict(members))  # refuses what has no canonical form, before anything is signed
    document = {
        "@context": [CREDENTIALS_V2, PASSPORT_CONTEXT],
        "id": said["event_id"],
        "type": ["VerifiableCredential", EVENT_TYPE],
        "issuer": said["issuer_did"],
        "validFrom": said["valid_from"],
        "credentialSubject": {
            **_battery(identifier),
            "event": event,
            "eventTime": said["event_time"],
            "members": dict(members),
        },
    }
    return _secured_together([document], said["signer"], said["created"])[0]


def issue_status_list(
    *,
    list_id: str,
    purpose: str,
    set_bits: Iterable[int],
    issuer_did: str,
    signer: Signer,
    valid_from: str,
    created: str,
) -> Document:
    """Return a signed status list with the bits at `set_bits` raised."""
    document = status.make_list_credential(
        list_id=list_id,
        issuer=issuer_did,
        purpose=purpose,
        set_bits=set_bits,
        valid_from=valid_from,
    )
    return _secured_together([document], signer, created)[0][0]


def status_entries(lists: Mapping[str, str], index: int) -> list[Document]:
    """Return the `credentialStatus` of a credential with one place, `index`, in a list per purpose."""
    return [status.entry(list_id, purpose, index) for purpose, list_id in lists.items()]


def _battery(identifier: Identifier) -> Document:
    code = {"scheme": identifier.scheme, "value": identifier.canonical}
    return {"id": identifier.uri, "type": "Battery", "code": code}


def _secured_together(
    documents: Sequence[Document], signer: Signer, created: str
) -> list[tuple[Document, bytes]]:
    """Each of them signed, with its digest; CredentialError where one is not a credential."""
    for document in documents:
        parse_credential(document)
    return eddsa.sign_together(documents, signer, created)
