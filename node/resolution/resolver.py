"""DIDs to documents and keys: participants from the ledger, did:key by computation, others by HTTPS.

A participant's did:web is never fetched: the ledger says which keys it has, and when.
"""

from __future__ import annotations

from typing import Any

from credentials.documents.canonical import parse_json
from credentials.documents.did_documents import did_document, did_key_document, method_key
from credentials.documents.keys import (
    KINDS,
    base58btc_decode,
    controller_of,
    did_key_decode,
    did_web_url,
    require_did,
)
from credentials.documents.suites.integrity import KeyOf
from credentials.documents.uri import parse_did
from credentials.errors import CredentialError
from credentials.ledger.governance import GovernanceHistory
from credentials.verdicts.ledger_means import participant_key
from node.answers import ResolutionAnswer
from node.resolution.fetch import Asking, Fetcher, FetchError

JSON = dict[str, Any]
DOCUMENT_BYTES_MAX = 64 << 10
DOCUMENT_TYPES = "application/did+json, application/did+ld+json, application/json"


class Resolver:
    """Resolves DIDs for one node; a participant's as it stands now, with every key it had."""

    def __init__(self, history: GovernanceHistory, fetcher: Fetcher) -> None:
        self._history = history
        self._fetcher = fetcher

    def document(self, did: str, asking: Asking | None = None) -> JSON:
        """The DID document; raises CredentialError, or FetchError. `asking`: what asks, if time is shared.

        `issuer_unknown` for a DID whose documents are not looked up here, `issuer_document_invalid` for what
        a server sent in place of one.
        """
        participant = self._history.latest.participant(did)
        if participant is not None:
            return did_document(participant)
        require_did(did)
        if did.startswith("did:key:"):
            return did_key_document(did)
        fetcher = asking or self._fetcher
        data = fetcher.get(did_web_url(did), accept=DOCUMENT_TYPES, size_bytes_max=DOCUMENT_BYTES_MAX)
        try:
            document = parse_json(data)
        except CredentialError as error:
            raise CredentialError(
                "issuer_document_invalid", f"The document fetched for {did} cannot be read: {error}"
            ) from error
        if not isinstance(document, dict) or document.get("id") != did:
            raise CredentialError(
                "issuer_document_invalid",
                f"The document fetched for {did} is not its own: its id is another.",
            )
        return document

    def keys(self, purpose: str, at: int, asking: Asking | None = None) -> KeyOf:
        """A lookup of verification methods that their controllers authorise for `purpose` at `at`.

        A DID with exactly one such key names it as well. A key of a participant is found whatever its
        interval: whether it was valid when it counted is asked by those who know when that was.
        """
        fetched: dict[str, JSON] = {}

        def key_of(method: str) -> bytes:
            key = participant_key(self._history.latest, method)
            if key is not None:
                if purpose != "assertionMethod":
                    raise CredentialError("issuer_key_mismatch", f"The key is not one for {purpose}.")
                return key.public
            did = controller_of(method)
            require_did(did)
            if did.startswith("did:key:"):
                return did_key_decode(method)
            try:
                if did not in fetched:
                    fetched[did] = self.document(did, asking)
            except FetchError as error:
                raise CredentialError("issuer_unknown", f"The keys of the issuer: {error}.") from error
            return method_key(fetched[did], method, purpose, at)

        return key_of

    def resolution(self, did: str) -> ResolutionAnswer:
        """The result of DID Resolution 1.0, with the document or the error."""
        # Which DID was resolved: in a path its %3A must be written %253A, or another one is asked for.
        told = {"did": did}
        try:
            return _result(self.document(did), {"contentType": "application/did", **told})
        except FetchError as error:
            return _result(None, {"error": "notFound", "message": f"{did}: {error}", **told})
        except CredentialError as error:
            return _result(None, {"error": _error_of(did, error), "message": str(error), **told})


def _error_of(did: str, error: CredentialError) -> str:
    """The error codes of DID Resolution and of the did:key method (did:key 3.1.3)."""
    parts = parse_did(did)
    if parts is None:
        return "invalidDid"
    method, identifier = parts
    if method == "web":
        return "invalidDidDocument" if error.code == "issuer_document_invalid" else "invalidDid"
    if method != "key":
        return "methodNotSupported"
    if error.code == "unsupported_algorithm":
        return "unsupportedPublicKeyType"
    try:
        data = base58btc_decode(identifier, "the key")
    except CredentialError:
        return "invalidDid"
    for kind in KINDS.values():
        if data.startswith(kind.multicodec):
            return "invalidDid" if len(data) == 2 + kind.size_bytes else "invalidPublicKeyLength"
    return "unsupportedPublicKeyType"


def _result(document: JSON | None, metadata: dict[str, str]) -> ResolutionAnswer:
    return {
        "@context": "https://w3id.org/did-resolution/v1",
        "didDocument": document,
        "didDocumentMetadata": {},
        "didResolutionMetadata": metadata,
    }
