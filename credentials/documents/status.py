"""Bitstring Status List 1.0: one bit per credential, in a list that is itself a credential.

encodedList = "u" || base64url( gzip( bitstring ) ), index 0 is the first bit from the left
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.model import CREDENTIALS_V2, Credential, StatusEntry, parse_credential
from credentials.errors import CredentialError

BITS_MIN = 131_072  # 16 KiB (2.2, herd privacy)
INFLATED_BYTES_MAX = 32 << 20
LIST_TYPE = "BitstringStatusListCredential"
PURPOSES = ("revocation", "suspension")

_GZIP = 16 + zlib.MAX_WBITS


def make_list_credential(
    *,
    list_id: str,
    issuer: str,
    purpose: str,
    set_bits: Iterable[int],
    valid_from: str,
    valid_until: str | None = None,
    bits: int = BITS_MIN,
) -> dict[str, Any]:
    """Return a status list with the bits at `set_bits` raised (unsigned: `eddsa.sign` follows)."""
    assert bits >= BITS_MIN and bits % 8 == 0, "a list has at least 16 KiB"
    string = bytearray(bits // 8)
    for index in set_bits:
        assert 0 <= index < bits, f"index {index} is outside a list of {bits} bits"
        string[index // 8] |= 0x80 >> index % 8
    document: dict[str, Any] = {
        "@context": [CREDENTIALS_V2],
        "id": list_id,
        "type": ["VerifiableCredential", LIST_TYPE],
        "issuer": issuer,
        "validFrom": valid_from,
        "credentialSubject": {
            "id": f"{list_id}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": "u" + b64u(_deflate(bytes(string))),
        },
    }
    if valid_until is not None:
        document["validUntil"] = valid_until
    return document


def entry(list_id: str, purpose: str, index: int) -> dict[str, Any]:
    """Return the `credentialStatus` member that points to bit `index` of a list."""
    return {
        "id": f"{list_id}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": purpose,
        "statusListIndex": str(index),
        "statusListCredential": list_id,
    }


def bit(list_credential: Mapping[str, Any], index: int) -> bool:
    """Return bit `index` of a list, whatever its purpose, issuer and validity."""
    string = _bitstring(_view(list_credential).subject)
    if not 0 <= index < len(string) * 8:
        _refuse(f"Index {index} is outside the list of {len(string) * 8} entries")
    return bool(string[index // 8] & 0x80 >> index % 8)


def check_status(
    list_credential: Mapping[str, Any],
    status: StatusEntry,
    *,
    issuer: str,
    at: int,
    list_id: str | None = None,
) -> bool:
    """Return whether the bit of `status` is raised (3.2), after every rule about the list but its proof.

    Raises CredentialError("status_list_invalid") when the list says nothing about this entry, and
    ("status_stale") when it is out of its validity period at `at`.
    """
    view = _view(list_credential)
    if view.id is not None and view.id != (list_id or status.list_credential):
        _refuse(f"The list has the id {view.id!a}, the entry names {status.list_credential!a}")
    if view.issuer != issuer:
        _refuse(f"The list is by {view.issuer!a}, the credential by {issuer!a}")
    purposes = view.subject.get("statusPurpose")
    if status.purpose not in (purposes if isinstance(purposes, list) else [purposes]):
        _refuse(f"The list is about {purposes!a}, the entry about {status.purpose!a}")
    if (view.valid_from is not None and at < view.valid_from) or (
        view.valid_until is not None and at > view.valid_until
    ):
        raise CredentialError("status_stale", "The status list is out of its validity period.")
    return bit(list_credential, status.index)


def _view(list_credential: Mapping[str, Any]) -> Credential:
    view = parse_credential(list_credential)
    if LIST_TYPE not in view.types or view.subject.get("type") != "BitstringStatusList":
        _refuse(f"The document at the list's address is not a {LIST_TYPE}")
    return view


def _bitstring(subject: Mapping[str, Any]) -> bytes:
    encoded = subject.get("encodedList")
    if not isinstance(encoded, str) or not encoded.startswith("u"):
        _refuse("encodedList must be multibase base64url, beginning with 'u'")
    inflater = zlib.decompressobj(_GZIP)
    try:
        string = inflater.decompress(b64u_decode(encoded[1:], "encodedList"), INFLATED_BYTES_MAX + 1)
    except (zlib.error, CredentialError) as error:
        raise CredentialError(
            "status_list_invalid", "encodedList is not base64url of a gzip stream."
        ) from error
    if len(string) > INFLATED_BYTES_MAX:
        _refuse(f"The list inflates beyond {INFLATED_BYTES_MAX >> 20} MiB")
    if not inflater.eof or inflater.unused_data:
        _refuse("encodedList is cut off, or goes on after its end")
    if len(string) * 8 < BITS_MIN:
        _refuse(f"The list has {len(string) * 8} entries, at least {BITS_MIN} keep single ones private")
    return string


def _deflate(string: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, _GZIP)  # its gzip header carries no time and no name
    return compressor.compress(string) + compressor.flush()


def _refuse(sentence: str) -> NoReturn:
    raise CredentialError("status_list_invalid", f"{sentence} (Bitstring Status List 1.0).")
