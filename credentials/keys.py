"""Public keys as they are named in documents: Multikey, did:key, did:web (W3C Controlled Identifiers 1.0).

A Multikey is "z" || base58btc(0xed01 || 32 bytes) and begins with z6Mk. Every text is decoded strictly:
exactly one text is read for one key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import base58

from credentials.errors import CredentialError

DID_V1 = "https://www.w3.org/ns/did/v1"
MULTIKEY_V1 = "https://w3id.org/security/multikey/v1"
DID_CHARACTERS_MAX = 512

_ED25519 = b"\xed\x01"  # multicodec ed25519-pub, 0xed as varint
_BASE58_CHARACTERS_MAX = 256  # decoding takes quadratic time
_ALPHABET = frozenset("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
# Beginnings of Multikeys of other kinds: known, not built yet.
_OTHER_KINDS = {"zDna": "P-256", "z82L": "P-384", "z6LS": "X25519", "zQ3s": "secp256k1", "zUC7": "BLS12-381"}

_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
_FRAGMENT = _PATH | frozenset("~!$&'()*+,;=:@/?%")
_DIGITS = frozenset("0123456789")
_ASSERTING_ROLES = ("attest", "credential")


class ParticipantKey(Protocol):
    """A key as genesis holds it: what `did_document` reads of `credentials.genesis.Key`."""

    @property
    def role(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def public(self) -> bytes: ...


class KeyHolder(Protocol):
    """What `did_document` reads of `credentials.genesis.Participant`."""

    @property
    def did(self) -> str: ...
    @property
    def keys(self) -> Sequence[ParticipantKey]: ...


def base58btc_decode(text: str, what: str, *, characters_max: int = _BASE58_CHARACTERS_MAX) -> bytes:
    """Decode "z" || base58btc(bytes) (Multibase), refusing a second text for the same bytes."""
    if not text.startswith("z"):
        raise CredentialError("malformed", f"{what} is not multibase base58btc: it does not begin with 'z'.")
    if len(text) > characters_max:
        raise CredentialError(
            "malformed", f"{what} has {len(text)} characters; at most {characters_max} are read."
        )
    if not _ALPHABET.issuperset(text[1:]) or len(text) == 1:
        raise CredentialError("malformed", f"{what} has a character outside the base58btc alphabet.")
    data: bytes = base58.b58decode(text[1:])
    if base58btc_encode(data) != text:
        raise CredentialError("malformed", f"{what} is not the base58btc form of its bytes.")
    return data


def base58btc_encode(data: bytes) -> str:
    """Encode as Multibase base58btc."""
    return "z" + base58.b58encode(data).decode("ascii")


def multikey_encode(public_key: bytes) -> str:
    """Return the Multikey of a 32-byte Ed25519 public key."""
    assert len(public_key) == 32, "an Ed25519 public key has 32 bytes"
    return base58btc_encode(_ED25519 + public_key)


def multikey_decode(text: str) -> bytes:
    """Return the 32 bytes of an Ed25519 Multikey; another kind of key is `unsupported_algorithm`."""
    for beginning, kind in _OTHER_KINDS.items():
        if text.startswith(beginning):
            raise CredentialError("unsupported_algorithm", f"Keys of kind {kind} are not supported here.")
    data = base58btc_decode(text, "publicKeyMultibase")
    if not data.startswith(_ED25519) or len(data) != 34:
        raise CredentialError("malformed", "publicKeyMultibase is not a 32-byte Ed25519 Multikey.")
    return data[2:]


def did_key(public_key: bytes) -> str:
    """Return the did:key of an Ed25519 public key."""
    return f"did:key:{multikey_encode(public_key)}"


def did_key_url(public_key: bytes) -> str:
    """Return the DID URL of the one verification method of a did:key."""
    multikey = multikey_encode(public_key)
    return f"did:key:{multikey}#{multikey}"


def did_key_decode(did: str) -> bytes:
    """Return the Ed25519 public key of a did:key, given with or without its own fragment."""
    if not did.startswith("did:key:"):
        raise CredentialError("malformed", f"{_shown(did)} is not a did:key.")
    multikey, hash_sign, fragment = did.removeprefix("did:key:").partition("#")
    if hash_sign and fragment != multikey:
        raise CredentialError("malformed", "The fragment of a did:key URL is not its own key.")
    return multikey_decode(multikey)


def did_web_url(did: str) -> str:
    """Return where the document of a did:web lies (did:web method, 3.2): nothing is fetched here."""
    method = "did:web:"
    if not did.startswith(method) or len(did) > DID_CHARACTERS_MAX:
        raise CredentialError("malformed", f"{_shown(did)} is not a did:web.")
    host, *path = did.removeprefix(method).split(":")
    name, percent, port = host.partition("%3A")
    labels = name.split(".")
    if (
        not _HOST.issuperset(name)
        or any(not label or label[0] == "-" or label[-1] == "-" or len(label) > 63 for label in labels)
        or (percent and (not port or len(port) > 5 or not _DIGITS.issuperset(port) or int(port) > 65535))
    ):
        raise CredentialError("malformed", f"{_shown(did)} names no host in lower-case ASCII.")
    if any(not part or not _PATH.issuperset(part) or part in (".", "..") for part in path):
        raise CredentialError("malformed", f"{_shown(did)} has a path that is not plain ASCII names.")
    authority = name + (":" + port if percent else "")
    return f"https://{authority}/{'/'.join(path) if path else '.well-known'}/did.json"


def split_did_url(url: str) -> tuple[str, str]:
    """Split the DID URL of a verification method into the DID of its controller and the fragment."""
    did, hash_sign, fragment = url.partition("#")
    if not hash_sign or not fragment or not _FRAGMENT.issuperset(fragment) or len(url) > DID_CHARACTERS_MAX:
        raise CredentialError("malformed", f"{_shown(url)} is not the DID URL of a key (did#fragment).")
    require_did(did)
    return did, fragment


def require_did(did: str) -> None:
    """Refuse what is neither a did:web nor an Ed25519 did:key."""
    if did.startswith("did:web:"):
        did_web_url(did)
    elif did.startswith("did:key:"):
        did_key_decode(did)
    elif did.startswith("did:"):
        raise CredentialError("issuer_unknown", f"The DID method of {_shown(did)} is not supported here.")
    else:
        raise CredentialError("malformed", f"{_shown(did)} is not a DID.")


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
    multikey = multikey_encode(did_key_decode(did))
    purposes = ("assertionMethod", "authentication", "capabilityInvocation", "capabilityDelegation")
    return _document(f"did:key:{multikey}", [(f"did:key:{multikey}#{multikey}", multikey)], purposes)


def _document(did: str, keys: Sequence[tuple[str, str]], purposes: Sequence[str]) -> dict[str, Any]:
    methods = [
        {"id": key_id, "type": "Multikey", "controller": did, "publicKeyMultibase": multikey}
        for key_id, multikey in keys
    ]
    document: dict[str, Any] = {"@context": [DID_V1, MULTIKEY_V1], "id": did, "verificationMethod": methods}
    for purpose in purposes:
        document[purpose] = [key_id for key_id, _ in keys]
    return document


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...")
