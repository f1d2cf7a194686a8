"""Presentations made here (VC-API, /presentations/prove): credentials shown by a key of this node.

A proof for authentication, to one reader: with its domain and challenge; in an envelope they are aud and
nonce (vc-jose-cose, 3.1.2). The credentials in it are shown as they are: who verifies it judges each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credentials.documents import suites
from credentials.documents.canonical import Contexts
from credentials.documents.presentation import AUTHENTICATION, parse_presentation
from credentials.documents.secured import require_lossless, require_small, what_is_said
from credentials.documents.suites import jose
from credentials.errors import CredentialError
from node.issuing.profiles import Issuer
from node.issuing.statements import stamp

JSON = dict[str, Any]
TEXT_CHARACTERS_MAX = 512


def prove(issuer: Issuer, shown: JSON, options: Mapping[str, Any], contexts: Contexts, now: int) -> JSON:
    """The presentation with a proof of this holder, or in an envelope; raises CredentialError."""
    domain, challenge = (_text(options, name) for name in ("domain", "challenge"))
    require_small(shown)
    document = {"holder": issuer.did, **shown}
    if parse_presentation(document).holder != issuer.did:
        raise CredentialError("issuer_differs", f"holder is not {issuer.did}: this key proves for it only.")
    if "proof" in document:
        raise CredentialError("structure_invalid", "proof: the presentation is signed already.")
    if issuer.profile.mechanism == "jose":
        claims = {"aud": domain, "nonce": challenge, "iat": now}
        beside = {name: value for name, value in claims.items() if value is not None}
        text = jose.sign_jwt(document, issuer.signer, media_type="vp+jwt", claims=beside)
        return jose.envelop(text, "vp+jwt")
    require_lossless(document if issuer.profile.on_rdf else what_is_said(document), contexts)
    members = {"domain": domain, "challenge": challenge}
    return suites.sign(
        document,
        issuer.signer,
        stamp(now),
        cryptosuite=issuer.profile.cryptosuite,
        purpose=AUTHENTICATION,
        contexts=contexts,
        members={name: value for name, value in members.items() if value is not None},
    )


def _text(options: Mapping[str, Any], name: str) -> str | None:
    value = options.get(name)
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= TEXT_CHARACTERS_MAX):
        raise CredentialError("malformed", f"options.{name} must be a text (VC-API).")
    return value
