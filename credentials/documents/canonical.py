"""One document, one byte string: what is hashed and signed.

`jcs` (RFC 8785) writes the JSON itself, `rdfc` (RDFC-1.0) the statements that the JSON makes as JSON-LD.
Both take what `parse_json` returns.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from credentials.errors import CredentialError
from credentials.jcs import (
    DEPTH_MAX,
    INTEGER_MAX,
    JSON,
    SIZE_BYTES_MAX,
    STRING_CHARACTERS_MAX,
    jcs,
    jcs_member,
    jcs_of_members,
    parse_json,
)
from credentials.jsonld import rdf
from credentials.jsonld.compiled import Contexts, to_quads

__all__ = [
    "DEPTH_MAX",
    "INTEGER_MAX",
    "JSON",
    "SIZE_BYTES_MAX",
    "STRING_CHARACTERS_MAX",
    "Contexts",
    "b64u",
    "b64u_decode",
    "digest_document",
    "jcs",
    "jcs_member",
    "jcs_of_members",
    "parse_json",
    "rdfc",
]


def rdfc(
    document: Mapping[str, Any], contexts: Mapping[str, Mapping[str, Any]], *, hash_name: str = "sha256"
) -> bytes:
    """Return the canonical N-Quads of a JSON-LD document (RDFC-1.0 with SHA-256, or `sha384` for P-384).

    Contexts come from `contexts` only; a `Contexts` is compiled once, another mapping on each call. Raises
    CredentialError `malformed` for a document of which JSON-LD would leave something out, whose contexts are
    unknown or contradict each other, or whose blank nodes cannot be told apart in time.
    """
    known = contexts if isinstance(contexts, Contexts) else Contexts(contexts)
    return rdf.canonicalize(to_quads(document, known), hash_name=hash_name)


def digest_document(document: dict[str, Any]) -> bytes:
    """Return the digest by which the ledger knows a Data Integrity document, its proof included."""
    return hashlib.sha256(jcs(document)).digest()


# base64url's own two characters for those of base64; what base64url does not have is nothing in either.
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")


def b64u(data: bytes) -> str:
    """Encode in base64url without padding (RFC 4648, 5)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


def b64u_decode(text: str, what: str = "value") -> bytes:
    """Decode base64url without padding; exactly one text is read for one value."""
    try:
        data = binascii.a2b_base64(
            text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4), strict_mode=True
        )
    except ValueError as error:
        raise CredentialError("malformed", f"The {what} is not base64url without padding.") from error
    last = len(data) % 3  # the octets of a last group of two or three characters, whose spare bits are zero
    if last and b64u(data[-last:]) != text[-last - 1 :]:
        raise CredentialError("malformed", f"The {what} is not base64url: spare bits at its end are set.")
    return data
