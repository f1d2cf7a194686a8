"""Issuing by profile (VC-API): a credential in, the same credential secured out, its status list with it.

Everything is refused before anything is signed: structure (VCDM 2.0 and 1.1), statements that contexts do not
define, digests of related resources, schemas that are known here, and an issuer that is not the profile's.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from credentials.documents import status
from credentials.documents.canonical import Contexts, digest_document
from credentials.documents.model import V1, Credential, parse_credential, version_of
from credentials.documents.secured import open_secured, require_lossless, require_small, what_is_said
from credentials.errors import CredentialError
from credentials.verdicts.means import Schema
from node.answers import ProfileAnswer
from node.errors import ProblemError, bad_request, not_found
from node.issuing import presenting
from node.issuing.profiles import VC2, WEB, Issuer
from node.issuing.statements import Batch, stamp
from node.issuing.status_lists import OwnStatusLists
from node.resolution.resolver import Resolver
from node.storage.audit import WHO
from node.storage.documents import StoredDocument
from node.storage.office import OfficeStore

JSON = dict[str, Any]


class Securing:
    """The credential profiles of one node."""

    def __init__(
        self,
        *,
        issuers: Mapping[str, Issuer],
        open_api: bool,
        resolver: Resolver,
        contexts: Contexts,
        related: Mapping[str, Sequence[bytes]],
        schemas: Mapping[str, Schema],
        office: OfficeStore,
        lists: OwnStatusLists,
    ) -> None:
        self._issuers = issuers
        self._default = VC2.name if open_api else WEB.name
        self._resolver = resolver
        self._contexts = contexts
        self._related = related
        self._schemas = schemas
        self._office = office
        self._base_url = lists.base_url
        self._gate = lists.gate
        self.lock = threading.Lock()
        self._lists = {
            name: lists.of_issuer(issuer.did, issuer.signer, f"{name}-")
            for name, issuer in issuers.items()
            if issuer.profile.lists_status
        }

    @property
    def lists(self) -> tuple[OwnStatusLists, ...]:
        """The status lists of all profiles that have some."""
        return tuple(self._lists.values())

    def manifest(self) -> dict[str, ProfileAnswer]:
        """{profile: {id, endpoint}}: who issues what where."""
        return {
            name: {"id": issuer.did, "endpoint": f"{self._base_url}/issuers/{name}/credentials/issue"}
            for name, issuer in self._issuers.items()
        }

    def issue(self, name: str | None, credential: object) -> JSON:
        """The credential secured by a profile (the default one for None), stored; 400 with the reason."""
        issuer = self._issuers.get(name or self._default)
        if issuer is None:
            told = "this node has no credential profile called {name}"
            raise bad_request("profile_unknown", told, name=ascii(name)[:80])
        now = int(time.time())
        try:
            document = self._accepted(credential, issuer, now)
            if issuer.profile.lists_status and "credentialStatus" not in document:
                document.setdefault("id", f"urn:uuid:{uuid.uuid4()}")  # by which its status is changed
                return self._issue_with_status(document, issuer, now)
            secured = issuer.secure(document, stamp(now), self._contexts)
        except CredentialError as error:
            raise bad_request(error.code, str(error)) from error
        with self._office.writing() as db:
            self._office.documents.put(db, [_stored(document, secured, issuer)])
            self._office.audit.put(db, now, WHO.get(), "credential.signed", issuer.profile.name)
        return secured

    def prove(self, presentation: JSON, options: Mapping[str, Any]) -> JSON:
        """The presentation proved by a profile of a did:key (`options.profile`); 400 with the reason.

        Not by the participant itself: its keys make statements, and authenticate nobody.
        """
        name = options.get("profile", VC2.name)
        issuer = self._issuers.get(name) if isinstance(name, str) and name != WEB.name else None
        if issuer is None:
            told = "this node proves with no profile called {name}"
            raise bad_request("profile_unknown", told, name=ascii(name)[:80])
        try:
            return presenting.prove(issuer, presentation, options, self._contexts, int(time.time()))
        except CredentialError as error:
            raise bad_request(error.code, str(error)) from error

    def _accepted(self, credential: object, issuer: Issuer, now: int) -> JSON:
        """A copy of the credential if this issuer may secure it; raises CredentialError."""
        if not isinstance(credential, dict):
            raise CredentialError("malformed", "credential must be a JSON object (VCDM 2.0, 4.1).")
        require_small(credential)
        document = dict(credential)
        if issuer.profile is WEB:
            document.setdefault("issuer", issuer.did)
        view = parse_credential(document)
        if view.issuer != issuer.did:
            raise CredentialError(
                "issuer_differs", f"issuer is not {issuer.did}: this profile signs for it only."
            )
        for named in view.related:
            named.check(self._related, "relatedResource")
        unsecured = {name: value for name, value in document.items() if name != "proof"}
        if issuer.profile.on_rdf:
            require_lossless(unsecured, self._contexts)
        else:  # null and empty lists are signed as they stand
            require_lossless(what_is_said(unsecured), self._contexts)
        self._check_schemas(view)
        if "proof" in document:
            if issuer.profile.mechanism == "jose":
                raise CredentialError("structure_invalid", "proof: what goes into an envelope has none.")
            # One more proof in a set: the ones before it must hold.
            open_secured(document, self._resolver.keys("assertionMethod", now), self._contexts)
        return document

    def _check_schemas(self, view: Credential) -> None:
        for named in view.schema:
            schema = self._schemas.get(named.id)
            if schema is not None:
                schema.check(view.document)

    # -- status ----------------------------------------------------------------------------------------

    def _issue_with_status(self, document: JSON, issuer: Issuer, now: int) -> JSON:
        """Give the credential a place in the profile's lists; both are stored in one transaction."""
        lists = self._lists[issuer.profile.name]
        with self.lock:
            self._gate.require_open()
            place = lists.next_place()
            entries = [
                status.entry(lists.url(name), purpose, place.in_list) for purpose, name in place.names.items()
            ]
            with_status = {**document, "credentialStatus": entries}
            if version_of(document.get("@context")) is V1:
                raise CredentialError(
                    "structure_invalid",
                    "This profile gives each credential a status, for which VCDM 1.1 has no words: send one "
                    "of VCDM 2.0, or choose another profile.",
                )
            require_lossless(with_status, self._contexts)
            secured = issuer.secure(with_status, stamp(now), self._contexts)
            batch = Batch(now)
            batch.documents.append(_stored(document, secured, issuer))
            with self._office.writing() as db:
                lists.open(db, place.names, batch)
                lists.take(db, place)
                batch.store(db)
        return secured

    def set_status(
        self, credential_id: str, purpose: str, *, raised: bool, wake: Callable[[], None]
    ) -> Callable[[], bool]:
        """Raise or lower a bit of a credential; what is returned tells whether the new list is in force."""
        for stored in self._office.documents.with_id(credential_id):
            place = self._place(stored, purpose)
            if place is None:
                continue
            lists, name, index = place
            with self.lock:
                self._gate.require_open()
                batch = Batch(int(time.time()))
                with self._office.writing() as db:
                    lists.set_bit_of(db, name, purpose, index, raised=raised, batch=batch)
                    batch.store(db)
            wake()
            return partial(_in_force, lists, name)
        raise not_found("credential_unknown", "this node issued no credential with that id and such a status")

    def newest_list(self, url: str) -> JSON | None:
        """The newest version of a list of this node, in force or not yet, by its address."""
        for lists in self._lists.values():
            name = lists.name_of(url)
            digest = lists.newest(name) if name is not None else None
            stored = self._office.documents.get(digest) if digest is not None else None
            if stored is not None:
                document: JSON = orjson.loads(stored.body)
                return document
        return None

    def _place(self, stored: StoredDocument, purpose: str) -> tuple[OwnStatusLists, str, int] | None:
        """The list, its name and the place in it of a credential that this node issued."""
        if stored.kind != "credential" or stored.fetched_at is not None:
            return None
        for entry in parse_credential(orjson.loads(stored.body)).status:
            for lists in self._lists.values():
                name = lists.name_of(entry.list_credential)
                if entry.purpose == purpose and name is not None:
                    return lists, name, entry.index
        return None


def _stored(document: JSON, secured: JSON, issuer: Issuer) -> StoredDocument:
    credential_id = document.get("id")
    return StoredDocument(
        digest_document(secured),
        "credential",
        orjson.dumps(secured),
        issuer.did,
        credential_id=credential_id if isinstance(credential_id, str) else None,
    )


def require_change(purpose: str, *, raised: bool) -> None:
    """400 for a purpose this node keeps no lists for; 409 for taking a revocation back."""
    if purpose not in status.PURPOSES:
        told = "statusPurpose is one of {purposes}"
        raise bad_request("purpose_unknown", told, purposes=tuple(status.PURPOSES))
    if purpose == "revocation" and not raised:
        raise ProblemError(
            409,
            "revocation_final",
            "Conflict",
            "a revocation is never taken back (Bitstring Status List 1.0, 2.1): issue a new credential; "
            "what may return is suspended instead",
        )


def _in_force(lists: OwnStatusLists, name: str) -> bool:
    return lists.served(name) == lists.newest(name)
