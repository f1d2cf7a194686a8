"""Digests as callers write them: 43 characters of base64url."""

from __future__ import annotations

from credentials.documents.canonical import b64u_decode
from credentials.errors import CredentialError
from node.errors import bad_request


def read_digest(text: str) -> bytes:
    """A digest in base64url, 43 characters; 400 otherwise."""
    try:
        found = b64u_decode(text, "digest")
    except CredentialError as error:
        raise bad_request("digest_malformed", str(error)) from error
    if len(found) != 32:
        raise bad_request("digest_malformed", "a digest is 43 characters of base64url")
    return found
