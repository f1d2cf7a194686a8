"""A presentation as it was received (VCDM 2.0, 4.13; VCDM 1.1, 4.10): credentials that a holder shows.

Nobody is assumed to be the holder because the member `holder` says so: the proof says whose key was used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credentials.documents.canonical import Contexts
from credentials.documents.model import CREDENTIALS_V1, V1, V2, Reader
from credentials.documents.secured import Secured, open_secured
from credentials.documents.suites.integrity import KeyOf
from credentials.errors import CredentialError

AUTHENTICATION = "authentication"
CREDENTIALS_MAX = 64


@dataclass(frozen=True, slots=True)
class Presentation:
    """A typed view of `document`."""

    document: Mapping[str, Any]
    id: str | None
    types: tuple[str, ...]
    holder: str | None
    credentials: tuple[Mapping[str, Any], ...]  # as they were shown: with proofs, or in envelopes


def parse_presentation(document: object) -> Presentation:
    """Check the structure of `document` and return the view of it, or raise `structure_invalid`."""
    if not isinstance(document, dict):
        raise CredentialError("structure_invalid", "presentation must be a JSON object (VCDM 2.0, 4.13).")
    contexts = document.get("@context")
    read = Reader(V1 if isinstance(contexts, list) and contexts[:1] == [CREDENTIALS_V1] else V2)
    read.contexts(contexts)
    types = read.types(document.get("type"), "type", "presentation")
    if "VerifiablePresentation" not in types:
        read.refuse("type", "must contain VerifiablePresentation", "presentation")
    holder = read.issuer(document["holder"], "holder", "presentation") if "holder" in document else None
    shown = document.get("verifiableCredential", [])
    shown = shown if isinstance(shown, list) else [shown]
    if len(shown) > CREDENTIALS_MAX:
        read.refuse(
            "verifiableCredential", f"must hold at most {CREDENTIALS_MAX} credentials", "presentation"
        )
    if not all(isinstance(item, dict) and item for item in shown):
        read.refuse("verifiableCredential", "must hold credentials, or envelopes of them", "presentation")
    if "proof" in document:
        proofs = document["proof"] if isinstance(document["proof"], list) else [document["proof"]]
        if not proofs or not all(isinstance(proof, dict) and proof for proof in proofs):
            read.refuse("proof", "must be an object or a list of objects, and not empty", "presentation")
    return Presentation(
        document, read.optional_url(document, "id", "id", "presentation"), types, holder, tuple(shown)
    )


def open_presentation(
    document: object,
    key_of: KeyOf,
    contexts: Contexts,
    *,
    domain: str | None = None,
    challenge: str | None = None,
) -> tuple[Presentation, Secured]:
    """Verify the presentation's own proof, made for authentication, for this domain and challenge.

    The credentials in it are not verified here. Raises CredentialError; unsigned is `proof_missing`.
    """
    secured = open_secured(
        document, key_of, contexts, purpose=AUTHENTICATION, domain=domain, challenge=challenge
    )
    return parse_presentation(secured.document), secured
