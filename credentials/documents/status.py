"""Bitstring Status List 1.0: one bit per credential, in a list that is itself a credential.

encodedList = "u" || base64url( gzip( bitstring ) ), index 0 is the first bit from the left
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.model import CREDENTIALS_V2, StatusEntry, parse_credential
from credentials.documents.uri import same_uri
from credentials.errors import CredentialError

BITS_MIN = 131_072  # 16 KiB (2.2, herd privacy)
INFLATED_BYTES_MAX = 32 << 20
LIST_TYPE = "BitstringStatusListCredential"
LIST_OF_BITS = "BitstringStatusList"  # the subject's type, alone or in a list (VCDM 2.0, 4.5)
PURPOSES = ("revocation", "suspension")  # of the lists that are kept here

_GZIP = 16 + zlib.MAX_WBITS
_RAISED = re.compile(rb"[^\0]")  # a byte with a raised bit, in a long row of none


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
            "type": LIST_OF_BITS,
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


@dataclass(frozen=True, slots=True)
class Places:
    """Raised places of lists, a bit each as in a list: a list in which all are raised costs its bytes.

    (A set of them would cost gigabytes, and its issuer 32 KiB.)
    """

    string: bytes = b""

    def __or__(self, other: Places) -> Places:
        size = max(len(self.string), len(other.string))
        return Places((self._number(size) | other._number(size)).to_bytes(size))

    def __sub__(self, other: Places) -> Places:
        size = max(len(self.string), len(other.string))
        return Places((self._number(size) & ~other._number(size)).to_bytes(size))

    def meet(self, places: range) -> bool:
        """True if one of these places is raised."""
        return any(
            self.string[place // 8] & 0x80 >> place % 8 for place in places if place < 8 * len(self.string)
        )

    def _number(self, size_bytes: int) -> int:
        return int.from_bytes(self.string) << 8 * (size_bytes - len(self.string))


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list that was read: every rule about it was asked but its proof, its issuer and its time."""

    id: str | None
    issuer: str
    purposes: tuple[str, ...]
    valid_from: int | None
    valid_until: int | None
    string: bytes

    def value(self, status: StatusEntry, at: int) -> int:
        """The value of `status` (3.2), 0 for not raised.

        Raises CredentialError("status_list_invalid") when the list says nothing about this entry, and
        ("status_stale") when it is out of its validity period at `at`.
        """
        if self.id is not None and not same_uri(self.id, status.list_credential):
            _refuse(f"The list has the id {self.id!a}, the entry names {status.list_credential!a}")
        if status.purpose not in self.purposes:
            _refuse(f"The list is about {', '.join(self.purposes)!a}, the entry about {status.purpose!a}")
        if (self.valid_from is not None and at < self.valid_from) or (
            self.valid_until is not None and at > self.valid_until
        ):
            raise CredentialError("status_stale", "The status list is out of its validity period.")
        return self.bits(status.index, status.size)

    @property
    def raised(self) -> Places:
        """The raised places."""
        return Places(self.string)

    @property
    def places(self) -> list[int]:
        """The places of the raised bits, in order."""
        found = ((some.start() * 8, some[0][0]) for some in _RAISED.finditer(self.string))
        return [first + offset for first, byte in found for offset in range(8) if byte & 0x80 >> offset]

    def bits(self, index: int, size: int = 1) -> int:
        """The `size` bits of entry `index`, the first from the left."""
        entries = len(self.string) * 8 // size
        if not 0 <= index < entries:
            _refuse(f"Index {index} is outside the list of {entries} entries")
        value = 0
        for place in range(index * size, (index + 1) * size):
            value = value << 1 | bool(self.string[place // 8] & 0x80 >> place % 8)
        return value


def read_list(list_credential: Mapping[str, Any]) -> StatusList:
    """Read a list credential whose proof somebody else verifies; raises `status_list_invalid`."""
    view = parse_credential(list_credential)
    kinds = view.subject.get("type")
    if LIST_TYPE not in view.types or LIST_OF_BITS not in (kinds if isinstance(kinds, list) else [kinds]):
        _refuse(f"The document at the list's address is not a {LIST_TYPE}")
    told = view.subject.get("statusPurpose")
    listed = told if isinstance(told, list) else [told]
    purposes = [purpose for purpose in listed if isinstance(purpose, str)]
    if not listed or len(purposes) != len(listed):
        _refuse("statusPurpose of the list must be a name or a list of names")
    return StatusList(
        view.id, view.issuer, tuple(purposes), view.valid_from, view.valid_until, _bitstring(view.subject)
    )


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
