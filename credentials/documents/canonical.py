"""One document, one byte string: what is hashed and signed.

`jcs` (RFC 8785) writes the JSON itself, `rdfc` (RDFC-1.0) the statements that the JSON makes as JSON-LD.
Both take what `parse_json` returns.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
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


def b64u(data: bytes) -> str:
    """Encode in base64url without padding (RFC 4648, 5)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64u_decode(text: str, what: str = "value") -> bytes:
    """Decode base64url without padding; exactly one text is read for one value."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise CredentialError("malformed", f"The {what} is not base64url.") from error
    if b64u(data) != text:
        raise CredentialError("malformed", f"The {what} is not base64url without padding.")
    return data
