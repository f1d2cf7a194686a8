"""A document out of what secures it: Data Integrity proofs beside it, or an envelope around it.

What is returned was signed by the keys that are named, all of them, and makes only statements that its
contexts define. Whether the keys are the issuer's, and what the document says, are other questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credentials.documents import suites
from credentials.documents.canonical import Contexts
from credentials.documents.suites import jose
from credentials.documents.suites.integrity import ASSERTION, KeyOf
from credentials.errors import CredentialError
from credentials.jsonld.compiled import to_quads

NODES_MAX = 20_000  # objects and lists of one document


@dataclass(frozen=True, slots=True)
class Secured:
    """A document whose proofs hold."""

    document: Mapping[str, Any]
    methods: tuple[str, ...]  # verification methods
    controllers: tuple[str, ...]  # their controllers, in the same order
    mechanisms: tuple[str, ...]  # cryptosuites, or JOSE algorithms
    not_before: int | None = None  # of an envelope
    expires: int | None = None  # of a proof or an envelope: the earliest


def open_secured(
    document: object,
    key_of: KeyOf,
    contexts: Contexts,
    *,
    purpose: str = ASSERTION,
    domain: str | None = None,
    challenge: str | None = None,
) -> Secured:
    """Verify every proof, or the envelope, of `document`; raises CredentialError.

    In an envelope `domain` is its audience and `challenge` its nonce (vc-jose-cose, 3.1.3).
    """
    if not isinstance(document, dict):
        raise CredentialError("malformed", "A secured document is a JSON object (VCDM 2.0, 4.1).")
    require_small(document)
    if jose.is_envelope(document):
        opened = jose.verify_envelope(document, key_of, audience=domain, nonce=challenge)
        require_small(opened.document)
        if purpose == ASSERTION:  # a presentation in an envelope holds envelopes, whose texts are opaque
            require_lossless(opened.document, contexts)
        return Secured(
            opened.document,
            (opened.verification_method,),
            (opened.controller,),
            (opened.algorithm,),
            opened.not_before,
            opened.expires,
        )
    results = suites.verify(
        document, key_of, purpose=purpose, contexts=contexts, domain=domain, challenge=challenge
    )
    require_lossless({name: value for name, value in document.items() if name != "proof"}, contexts)
    return Secured(
        document,
        tuple(result.verification_method for result in results),
        tuple(result.controller for result in results),
        tuple(result.cryptosuite for result in results),
        expires=min((result.expires for result in results if result.expires is not None), default=None),
    )


def require_lossless(document: Mapping[str, Any], contexts: Contexts) -> None:
    """Refuse a document of which JSON-LD would leave something out, such as an undefined term (4.3)."""
    to_quads(document, contexts)


def require_small(document: object) -> None:
    """Refuse more objects and lists than are worked on, before any work."""
    count, waiting = 0, [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        else:
            continue
        count += 1
        if count > NODES_MAX:
            raise CredentialError("malformed", f"The document has more than {NODES_MAX} objects and lists.")
