"""DID documents (W3C Controlled Identifiers 1.0): those that are made here, and the keys in those of others.

What is wrong with a document that was fetched is the fault of whoever serves it, never of what was signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

from credentials.documents.keys import (
    ED25519,
    KINDS,
    controller_of,
    did_key,
    did_key_decode,
    did_key_url,
    jwk_decode,
    kind_of,
    multikey_decode,
    multikey_encode,
)
from credentials.documents.model import parse_date_time
from credentials.documents.spelling import shown
from credentials.errors import CredentialError, malformed

DID_V1 = "https://www.w3.org/ns/did/v1"
MULTIKEY_V1 = "https://w3id.org/security/multikey/v1"
_ASSERTING_ROLES = ("attest", "credential")
_ED25519_P = 2**255 - 19
_ORDER_8_Y = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER_Y = frozenset({0, 1, _ED25519_P - 1, _ORDER_8_Y, _ED25519_P - _ORDER_8_Y})


class ParticipantKey(Protocol):
    """A key as the ledger holds it: what `did_document` reads of `credentials.ledger.parties.Key`."""

    @property
    def role(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def public(self) -> bytes: ...


class KeyHolder(Protocol):
    """What `did_document` reads of `credentials.ledger.parties.Participant`."""

    @property
    def did(self) -> str: ...
    @property
    def keys(self) -> Sequence[ParticipantKey]: ...


def did_document(participant: KeyHolder) -> dict[str, Any]:
    """Return the did:web document of a participant: the keys by which it makes statements.

    The ledger is the authority on these keys and their validity; the document shows them to outsiders.
    """
    keys = [key for key in participant.keys if key.role in _ASSERTING_ROLES]
    return _document(
        participant.did, [(key.id, multikey_encode(key.public)) for key in keys], ("assertionMethod",)
    )


def did_key_document(did: str) -> dict[str, Any]:
    """Return the document a did:key stands for (did:key method, 3.1), without key agreement."""
    key = did_key_decode(did)
    purposes = ("assertionMethod", "authentication", "capabilityInvocation", "capabilityDelegation")
    return _document(did_key(key), [(did_key_url(key), multikey_encode(key))], purposes)


def method_key(document: Mapping[str, Any], url: str, purpose: str, at: int) -> bytes:
    """Return the key of the verification method `url` in a DID document that was fetched.

    Controlled Identifiers 1.0, 3.3: the document is its controller's, the method is listed under `purpose`,
    and neither revoked nor expired at `at`. A bare DID names the only key that is listed there. Raises
    `issuer_key_mismatch` or `key_not_valid`; `issuer_document_invalid` where the document itself is wrong:
    a key that it lists and does not have, or has twice and differently, is no fault of what was signed.
    """
    did = controller_of(url)
    if document.get("id") != did:
        _wrong_document(did, "it is another's")
    listed = list(dict.fromkeys(_name(item, did) for item in _list(document.get(purpose))))
    if url == did and len(listed) != 1:
        raise CredentialError(
            "issuer_key_mismatch", f"{shown(did)} has {len(listed)} keys for {purpose}: a kid must name one."
        )
    name = listed[0] if url == did else url
    if None in listed and (name is None or name not in listed):
        _wrong_document(did, f"its {purpose} lists what names no key")
    if name is None or name not in listed:
        raise CredentialError("issuer_key_mismatch", f"{shown(did)} has no key {shown(url)} for {purpose}.")
    method = _method(document, name, purpose, did)
    if method["controller"] != did:
        raise CredentialError(
            "issuer_key_mismatch",
            f"The key {shown(name)} is controlled by {shown(method['controller'])}, not by {shown(did)}.",
        )
    try:
        key = _key_of(method, url, at)
    except CredentialError as error:
        if error.code in ("malformed", "structure_invalid"):
            _wrong_document(did, str(error))
        raise
    if kind_of(key) == ED25519 and _has_small_order(key):
        _wrong_document(did, f"its key {shown(name)} has small order, and no signature is one of it")
    return key


def _has_small_order(public_key: bytes) -> bool:
    """True for the points of order 1, 2, 4 and 8, however they are written: no secret key has one of them."""
    y = int.from_bytes(public_key, "little") & ((1 << 255) - 1)
    return y % _ED25519_P in _SMALL_ORDER_Y


def _name(item: object, did: str) -> str | None:
    """What a verification method is called that is embedded under a purpose, or named there."""
    return _absolute(item.get("id") if isinstance(item, Mapping) else item, did)


def _method(document: Mapping[str, Any], name: str, purpose: str, did: str) -> Mapping[str, Any]:
    """The one verification method of this name, beside or inside the list of its purpose."""
    everywhere = (*_list(document.get("verificationMethod")), *_list(document.get(purpose)))
    found = [m for m in everywhere if isinstance(m, Mapping) and _name(m, did) == name]
    if not found:
        _wrong_document(did, f"it lists the key {shown(name)}, and does not have it")
    if any(method != found[0] for method in found):
        _wrong_document(did, f"it has the key {shown(name)} twice, and not alike")
    if not isinstance(found[0].get("controller"), str):
        _wrong_document(did, f"its key {shown(name)} names no controller")
    return found[0]


def _key_of(method: Mapping[str, Any], url: str, at: int) -> bytes:
    for name in ("revoked", "expires"):
        if name in method and parse_date_time(method[name], name, "CID 1.0, 2.2") <= at:
            raise CredentialError("key_not_valid", f"The key {shown(url)} has its {name} date behind it.")
    kind = method.get("type")
    if kind in ("JsonWebKey", "JsonWebKey2020"):
        return jwk_decode(method.get("publicKeyJwk"))
    if kind in ("Multikey", "Ed25519VerificationKey2020"):
        text = method.get("publicKeyMultibase")
        if not isinstance(text, str):
            malformed(f"a key of type {kind} has its text in publicKeyMultibase (CID 1.0, 2.2.2)")
        return multikey_decode(text, KINDS if kind == "Multikey" else (ED25519,))
    raise CredentialError(
        "unsupported_algorithm", f"Verification methods of type {ascii(kind)[:60]} are not supported here."
    )


def _wrong_document(did: str, why: str) -> NoReturn:
    raise CredentialError("issuer_document_invalid", f"The document fetched for {shown(did)} is wrong: {why}")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _absolute(name: object, did: str) -> str | None:
    """A verification method may be named by its fragment alone (DID Core 1.0, 3.2.2)."""
    if not isinstance(name, str):
        return None
    return did + name if name.startswith("#") else name


def _document(did: str, keys: Sequence[tuple[str, str]], purposes: Sequence[str]) -> dict[str, Any]:
    methods = [
        {"id": key_id, "type": "Multikey", "controller": did, "publicKeyMultibase": multikey}
        for key_id, multikey in keys
    ]
    document: dict[str, Any] = {"@context": [DID_V1, MULTIKEY_V1], "id": did, "verificationMethod": methods}
    for purpose in purposes:
        document[purpose] = [key_id for key_id, _ in keys]
    return document
