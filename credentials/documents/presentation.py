"""A presentation as it was received (VCDM 2.0, 4.13; VCDM 1.1, 4.10): credentials that a holder shows.

Nobody is assumed to be the holder because the member `holder` says so: the proof says whose key was used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from credentials.documents.canonical import Contexts
from credentials.documents.model import V1, Reader, version_of
from credentials.documents.secured import Secured, open_secured, unwrap
from credentials.documents.suites import jose
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
    read = Reader(version_of(contexts))
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
    if read.version is V1:
        # VCDM 1.1, 6.3.1: a JWT stands in a presentation as its text.
        shown = [jose.envelop(item, "jwt") if _is_jwt(item) else item for item in shown]
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
    presentation = _view_of(unwrap(document).document)  # what is no presentation is told as such
    secured = open_secured(
        document, key_of, contexts, purpose=AUTHENTICATION, domain=domain, challenge=challenge
    )
    return presentation, secured


def _view_of(document: Mapping[str, Any]) -> Presentation:
    """The typed view; members that are null or empty lists say nothing, as in a credential (0502)."""
    try:
        return parse_presentation(document)
    except CredentialError:
        said = {name: value for name, value in document.items() if value is not None and value != []}
        if said.keys() == document.keys():
            raise
        return replace(parse_presentation(said), document=document)


def _is_jwt(item: object) -> bool:
    return isinstance(item, str) and item.startswith("ey") and item.count(".") == 2
