"""What a document names by URL and digest: related resources and schemas (VCDM 2.0, 5.3; VC JSON Schema, 2).

Nothing is fetched. A resource whose text this node holds must have the digest; of any other, and of a digest
by a function that is not known here, nothing is said: it was not checked.

    digestSRI         "sha384-<base64>", several between blanks, or a list  (Subresource Integrity, 3.5)
    digestMultibase   a multihash in multibase "z" or "u", or a list of them  (CID 1.0, 2.4 and 2.5)
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import base58

from credentials.errors import CredentialError

MEMBERS = ("digestSRI", "digestMultibase")
DIGESTS_MAX = 16
_SRI_CHARACTERS_MAX = 2048
_SRI = re.compile(r"(sha256|sha384|sha512)-([A-Za-z0-9+/]{43,86}={0,2})(?:\?[\x21-\x7e]*)?")
# Multihash codes of CID 1.0, 2.5, and of the same two families; the byte after them is the length.
_MULTIHASHES = {
    0x12: "sha256",
    0x13: "sha512",
    0x14: "sha3_512",
    0x15: "sha3_384",
    0x16: "sha3_256",
    0x17: "sha3_224",
    0x20: "sha384",
}
_MULTIBASE_CHARACTERS_MAX = 128
_TWO_BYTE_CODE = 0x80  # a varint of more than one byte: functions that are not known here


@dataclass(frozen=True, slots=True)
class Digest:
    """One digest of a resource; `function` None: by a function that is not known here."""

    member: str
    function: str | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that a document names, with the digests that it must have."""

    id: str
    types: tuple[str, ...] = ()
    digests: tuple[Digest, ...] = ()

    def check(self, known: Mapping[str, Sequence[bytes]], member: str) -> bool:
        """Refuse the resource if this node holds its right texts and none has the digests.

        False: nothing was checked, because the text or a digest's function is not known here. Raises
        `structure_invalid`.
        """
        texts = known.get(self.id)
        if texts is None or any(digest.function is None for digest in self.digests):
            return False
        for name in MEMBERS:
            digests = [digest for digest in self.digests if digest.member == name]
            if digests and not any(_fits(text, digests) for text in texts):
                _refuse(f"{member}.{name}", f"is not that of {self.id[:200]}")
        return True


def digests_of(item: Mapping[str, Any], member: str) -> tuple[Digest, ...]:
    """The digests in a member that names a resource, or `structure_invalid`."""
    found: list[Digest] = []
    for name in MEMBERS:
        if name not in item:
            continue
        values = item[name] if isinstance(item[name], list) else [item[name]]
        if not 1 <= len(values) <= DIGESTS_MAX:
            _refuse(f"{member}.{name}", f"must be one digest or a list of at most {DIGESTS_MAX}")
        for value in values:
            if name == "digestSRI":
                found += _integrity(value, f"{member}.{name}")
            else:
                found.append(_multihash(value, f"{member}.{name}"))
    return tuple(found)


def _fits(text: bytes, digests: Sequence[Digest]) -> bool:
    """Of several digests by one function any will do; of several functions each (SRI, 3.5: the strongest)."""
    functions = {digest.function for digest in digests if digest.function is not None}
    return all(
        any(hashlib.new(function, text).digest() == d.value for d in digests if d.function == function)
        for function in functions
    )


def _integrity(value: object, member: str) -> list[Digest]:
    """Subresource Integrity, 3.5: of several digests side by side the strongest function counts."""
    digests = []
    for part in value.split() if isinstance(value, str) and len(value) <= _SRI_CHARACTERS_MAX else ():
        match = _SRI.fullmatch(part)
        if match is None:
            _refuse(member, "must be digests such as sha384-<base64>")
        try:
            digest = b64decode(match[2] + "=" * (-len(match[2]) % 4), validate=True)
        except binascii.Error:
            digest = b""
        if len(digest) != hashlib.new(match[1]).digest_size:
            _refuse(member, f"holds a {match[1]} of {len(digest)} bytes")
        digests.append(Digest("digestSRI", match[1], digest))
    if not digests:
        _refuse(member, "must be digests such as sha384-<base64>")
    strongest = max(str(digest.function) for digest in digests)
    return [digest for digest in digests if digest.function == strongest]


def _multihash(value: object, member: str) -> Digest:
    """A multihash in multibase (Controlled Identifiers 1.0, 2.4 and 2.5)."""
    data = b""
    if isinstance(value, str) and 1 < len(value) <= _MULTIBASE_CHARACTERS_MAX and value.isascii():
        try:
            if value[0] == "z":
                data = base58.b58decode(value[1:])
            elif value[0] == "u" and re.fullmatch("[A-Za-z0-9_-]*", value[1:]):
                data = b64decode(value[1:] + "=" * (-(len(value) - 1) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            data = b""
    if len(data) > 2 and data[0] >= _TWO_BYTE_CODE:
        return Digest("digestMultibase", None, data)
    function = _MULTIHASHES.get(data[0]) if len(data) > 2 and len(data) - 2 == data[1] else None
    if function is None or data[1] != hashlib.new(function).digest_size:
        _refuse(member, "must be a multihash (sha2 or sha3) in multibase z or u")
    return Digest("digestMultibase", function, data[2:])


def _refuse(member: str, sentence: str) -> NoReturn:
    raise CredentialError("structure_invalid", f"{member} {sentence} (VCDM 2.0, 5.3).")
