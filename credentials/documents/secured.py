"""A document out of what secures it: Data Integrity proofs beside it, or an envelope around it.

What is returned was signed by the keys that are named, all of them, and makes only statements that its
contexts define. Whether the keys are the issuer's, and what the document says, are other questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from credentials.documents import suites
from credentials.documents.canonical import Contexts
from credentials.documents.model import Credential, parse_credential
from credentials.documents.suites import jose
from credentials.documents.suites.integrity import ASSERTION, KeyOf
from credentials.errors import CredentialError
from credentials.jsonld.compiled import require_meaning

NODES_MAX = 20_000  # objects and lists of one document
_NODES = (dict, list)
NO_OBJECT = "The document is not a JSON object."
IN_AN_ENVELOPE = " A JWT is shown in an envelope: an EnvelopedVerifiableCredential (VCDM 2.0, 4.13)."
CLAIMS_MAX = 64  # top members of a JWT among which unknown claims are looked for


@dataclass(frozen=True, slots=True)
class Shown:
    """A document as it was shown, out of its envelope if it came in one; nothing is verified yet."""

    document: Mapping[str, Any]  # the credential or presentation itself, with its proofs
    jwt: jose.UnverifiedJwt | None  # what it came in

    @property
    def not_before(self) -> int | None:
        """The time before which an envelope is not accepted (RFC 7519, 4.1.5)."""
        return self.jwt.not_before if self.jwt is not None else None


@dataclass(frozen=True, slots=True)
class Secured:
    """A document whose proofs hold."""

    document: Mapping[str, Any]
    methods: tuple[str, ...]  # verification methods
    controllers: tuple[str, ...]  # their controllers, in the same order
    mechanisms: tuple[str, ...]  # cryptosuites, or JOSE algorithms
    not_before: int | None = None  # of an envelope
    expires: int | None = None  # of a proof or an envelope: the earliest


def unwrap(document: object) -> Shown:
    """Take a document out of its envelope, if it is one, and hold it to its size.

    Raises CredentialError: `malformed`, `structure_invalid`, or `unsupported_algorithm` for an envelope whose
    content cannot be read here.
    """
    if not isinstance(document, dict):
        raise CredentialError("malformed", NO_OBJECT + (IN_AN_ENVELOPE if isinstance(document, str) else ""))
    require_small(document)
    if not jose.is_envelope(document):
        return Shown(document, None)
    jwt = jose.read_envelope(document)
    require_small(jwt.document)
    return Shown(jwt.document, jwt)


def credential_shown(document: object) -> Mapping[str, Any]:
    """What a document says before anything about it is verified: to find out what will be needed to do so.

    Out of its envelope, as far as that can be read; an empty mapping for what is no JSON object.
    """
    if not isinstance(document, Mapping):
        return {}
    try:
        return unwrap(dict(document)).document if jose.is_envelope(document) else document
    except CredentialError:
        return {}


def verify_shown(
    shown: Shown,
    key_of: KeyOf,
    contexts: Contexts,
    *,
    purpose: str = ASSERTION,
    domain: str | None = None,
    challenge: str | None = None,
) -> Secured:
    """Verify every proof, or the envelope; what JSON-LD makes of the document is `meant`'s question.

    In an envelope `domain` is its audience and `challenge` its nonce (vc-jose-cose, 3.1.3).
    """
    if shown.jwt is not None:
        opened = shown.jwt.verify(key_of, audience=domain, nonce=challenge)
        return Secured(
            opened.document,
            (opened.verification_method,),
            (opened.controller,),
            (opened.algorithm,),
            opened.not_before,
            opened.expires,
        )
    results = suites.verify(
        shown.document, key_of, purpose=purpose, contexts=contexts, domain=domain, challenge=challenge
    )
    return Secured(
        shown.document,
        tuple(result.verification_method for result in results),
        tuple(result.controller for result in results),
        tuple(result.cryptosuite for result in results),
        expires=min((result.expires for result in results if result.expires is not None), default=None),
    )


def open_secured(
    document: object,
    key_of: KeyOf,
    contexts: Contexts,
    *,
    purpose: str = ASSERTION,
    domain: str | None = None,
    challenge: str | None = None,
) -> Secured:
    """Verify every proof, or the envelope, of `document`, and that its contexts give it a meaning.

    Raises CredentialError.
    """
    shown = unwrap(document)
    secured = verify_shown(shown, key_of, contexts, purpose=purpose, domain=domain, challenge=challenge)
    if shown.jwt is not None and purpose != ASSERTION:
        return secured  # a presentation in an envelope holds envelopes, whose texts are opaque
    return replace(secured, document=meant(shown, contexts))


def meant(shown: Shown, contexts: Contexts) -> Mapping[str, Any]:
    """The document, if its contexts are known here and define every term in it (VCDM 2.0, 4.3).

    What is null or an empty list says nothing in JSON-LD, and JCS and JOSE sign it as it stands: only a suite
    on RDF would lose it, and refuses it by itself. Claims of a JWT that no context defines are no part of the
    document and are left out (RFC 7519, 4). Raises `context_unknown`, `malformed`, `structure_invalid`.
    """
    document = {name: value for name, value in shown.document.items() if name != "proof"}
    try:
        require_meaning(document, contexts)
        return shown.document
    except CredentialError as error:
        said = what_is_said(document)
        claims = shown.jwt is not None and len(document) <= CLAIMS_MAX
        if error.code != "malformed" or not (claims or len(said) < len(document) or said != document):
            raise
    left_out = _undefined_claims(said, contexts) if claims else frozenset()
    require_meaning({name: value for name, value in said.items() if name not in left_out}, contexts)
    return {name: value for name, value in shown.document.items() if name not in left_out}


def what_is_said(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` without members that are null or empty lists, at every level: JSON-LD reads none of them."""
    return {
        name: value if name == "@context" else said
        for name, value in document.items()
        if (said := _said(value)) is not None or name == "@context"
    }


def view_of(document: object) -> Credential:
    """The typed view of a credential; members that are null or empty lists say nothing.

    They are no reason to refuse it: where they would be lost, on RDF, the suite refuses them by itself.
    """
    try:
        return parse_credential(document)
    except CredentialError:
        said = what_is_said(document) if isinstance(document, dict) else document
        if said == document:
            raise
        return replace(parse_credential(said), document=document)  # type: ignore[arg-type]


def _said(value: Any) -> Any:
    if isinstance(value, Mapping):
        return what_is_said(value)
    if isinstance(value, list):
        return [said for item in value if (said := _said(item)) is not None] or None
    return value


def _undefined_claims(document: Mapping[str, Any], contexts: Contexts) -> frozenset[str]:
    """The top members that no context defines: claims beside the document."""
    head = {name: document[name] for name in ("@context", "type") if name in document}
    undefined = set()
    for name in document.keys() - head.keys() - {"id"}:
        try:
            require_meaning({**head, name: "urn:comity:any"}, contexts)
        except CredentialError as error:
            if error.code == "malformed":
                undefined.add(name)
    return frozenset(undefined)


def require_lossless(document: Mapping[str, Any], contexts: Contexts) -> None:
    """Refuse a document of which JSON-LD would leave something out, such as an undefined term (4.3)."""
    require_meaning(document, contexts)


def require_small(document: object) -> None:
    """Refuse more objects and lists than are worked on, before any work."""
    count, level = 0, [document] if isinstance(document, _NODES) else []
    while level:  # one level after the other: what is neither is looked at once
        count += len(level)
        if count > NODES_MAX:
            raise CredentialError("malformed", f"The document has more than {NODES_MAX} objects and lists.")
        level = [
            inner
            for node in level
            for inner in (node.values() if isinstance(node, dict) else node)
            if isinstance(inner, _NODES)
        ]
