"""Credentials and presentations as JWT (W3C vc-jose-cose 1.0, 3.1), and the envelopes around them.

    header   { alg, kid: URL of the key, typ: "vc+jwt" | "vp+jwt", cty: "vc" | "vp" }
    payload  the document itself, and registered claims (iss, sub, jti, iat, nbf, exp, aud, nonce) beside it
    text     b64u(header) "." b64u(payload) "." b64u(signature)          (RFC 7515, 7.1)

    envelope { "@context": credentials/v2, type: EnvelopedVerifiableCredential,
               id: "data:application/vc+jwt,TEXT" }

The table says which kind of key an algorithm takes, so that a key cannot be used under another one. Headers
that would change what is signed or how (crit, b64) are refused; keys that a header brings along (jwk, jku,
x5c, x5u) are never looked at. Ed25519 is libsodium's, as everywhere in the network.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from consensus.cose import SignatureInvalid, Signer, verify_ed25519
from credentials.documents.canonical import SIZE_BYTES_MAX, b64u, b64u_decode, jcs, parse_json
from credentials.documents.keys import ED25519, P256, P384, P521, controller_of, kind_of
from credentials.documents.model import CREDENTIALS_V2
from credentials.documents.suites.claims import (
    REGISTERED,
    TIMES,
    check_claims,
    id_of,
    numeric_date,
    older_document,
    registered_claims,
)
from credentials.documents.suites.ecdsa import verify_ecdsa
from credentials.documents.suites.integrity import KeyOf
from credentials.documents.uri import parse_uri, unescaped
from credentials.errors import CredentialError, malformed

ENVELOPED_CREDENTIAL = "EnvelopedVerifiableCredential"
ENVELOPED_PRESENTATION = "EnvelopedVerifiablePresentation"
ITEMS_MAX = 256

MediaType = Literal["vc+jwt", "vp+jwt", "jwt"]  # after "application/"
MEDIA_TYPES: tuple[MediaType, ...] = ("vc+jwt", "vp+jwt", "jwt")
CREDENTIAL_JWT, PRESENTATION_JWT, PLAIN_JWT = MEDIA_TYPES
# What drafts of vc-jose-cose called them (2023 to 2024): a typ is signed for good.
_OLDER_NAMES: dict[str, str] = {
    name.format(kind): media_type
    for kind, media_type in (("vc", CREDENTIAL_JWT), ("vp", PRESENTATION_JWT))
    for name in ("{}-ld+jwt", "{}+ld+jwt", "{}+ld+json+jwt")
}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row of the table (RFC 7518, 3.1; RFC 9864, 2.2)."""

    name: str
    kind: str  # of the key, exactly one
    check: Callable[[bytes, bytes, bytes], None]  # (public key, signature, message): SignatureInvalid
    signs: bool = True


ALGORITHMS = (
    Algorithm("Ed25519", ED25519, verify_ed25519),
    Algorithm("EdDSA", ED25519, verify_ed25519, signs=False),  # does not say which curve; deprecated
    Algorithm("ES256", P256, verify_ecdsa),
    Algorithm("ES384", P384, verify_ecdsa),
    Algorithm("ES512", P521, verify_ecdsa),
)
BY_NAME = {algorithm.name: algorithm for algorithm in ALGORITHMS}
_BY_KIND = {algorithm.kind: algorithm for algorithm in ALGORITHMS if algorithm.signs}
_NO_SIGNATURES = ("none", "HS256", "HS384", "HS512")  # known, and no signature of anybody

_CONTENT: dict[str, str] = {CREDENTIAL_JWT: "vc", PRESENTATION_JWT: "vp"}
_OTHER_CONTENT: Mapping[str, tuple[str, ...]] = {CREDENTIAL_JWT: ("vp",), PRESENTATION_JWT: ("vc",)}
_ENVELOPES = {  # what is in them; media types that are none of these may secure one as well
    ENVELOPED_CREDENTIAL: ("vc+jwt", "jwt"),
    ENVELOPED_PRESENTATION: ("vp+jwt", "jwt"),
}
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")  # RFC 6838, 4.2


@dataclass(frozen=True, slots=True)
class JwtResult:
    """A JWT whose signature holds. Its times and its issuer's right to the key are other questions."""

    verification_method: str
    controller: str  # the part of it before "#"
    algorithm: str
    document: dict[str, Any]  # without the registered claims
    claims: Mapping[str, Any]  # the registered claims
    created: int | None  # iat
    not_before: int | None
    expires: int | None


@dataclass(frozen=True, slots=True)
class UnverifiedJwt:
    """A JWT whose parts agree with each other; nobody has looked at the signature."""

    media_type: MediaType
    header: Mapping[str, Any]
    document: dict[str, Any]  # without the registered claims
    claims: Mapping[str, Any]  # the registered claims, of payload and header
    algorithm: Algorithm
    signature: bytes
    signed: bytes

    @property
    def not_before(self) -> int | None:
        """nbf."""
        return numeric_date(self.claims, "nbf")

    def verify(
        self, public_key_of: KeyOf, *, audience: str | None = None, nonce: str | None = None
    ) -> JwtResult:
        """Verify the signature, for this audience and nonce; raises as `verify_jwt` does."""
        for name, expected in (("aud", audience), ("nonce", nonce)):
            told = self.claims.get(name)
            if expected is not None and expected not in (told if isinstance(told, list) else [told]):
                _invalid(f"The {name} is not the one that was asked for.")
        method, public_key = _key(self.header, self.document, public_key_of)
        kind, algorithm = kind_of(public_key), self.algorithm
        if kind != algorithm.kind:
            _invalid(
                f"{algorithm.name} takes keys of kind {algorithm.kind}; {method[:80]!a} is of kind {kind}."
            )
        try:
            algorithm.check(public_key, self.signature, self.signed)
        except SignatureInvalid as error:
            raise CredentialError(
                "invalid_signature", "The JWT was altered after it was signed, or was signed by another key."
            ) from error
        created, not_before, expires = (numeric_date(self.claims, name) for name in TIMES)
        return JwtResult(
            method,
            controller_of(method),
            algorithm.name,
            self.document,
            self.claims,
            created,
            not_before,
            expires,
        )


def sign_jwt(
    document: Mapping[str, Any],
    signer: Signer,
    *,
    media_type: Literal["vc+jwt", "vp+jwt"] = "vc+jwt",
    claims: Mapping[str, Any] | None = None,
) -> str:
    """Return the JWT of a credential or presentation; the key's kind chooses the algorithm.

    `claims` are registered claims to put beside the document, such as iat, aud and nonce.
    """
    beside = dict(claims or {})
    assert beside.keys() <= REGISTERED, "only registered claims stand beside a document"
    _refuse_members(document)
    payload = {**document, **beside}
    _agree(beside, document, media_type)
    header = {
        "alg": _BY_KIND[kind_of(signer.public_key)].name,
        "cty": _CONTENT[media_type],
        "kid": signer.key_id,
        "typ": media_type,
    }
    signed = f"{b64u(jcs(header))}.{b64u(jcs(payload))}"
    return f"{signed}.{b64u(signer.sign(signed.encode()))}"


def verify_jwt(
    text: str,
    public_key_of: KeyOf,
    *,
    media_type: MediaType = "vc+jwt",
    audience: str | None = None,
    nonce: str | None = None,
) -> JwtResult:
    """Verify one JWT of this media type (vc-jose-cose, 4.2 and 5.1).

    `public_key_of` is asked for the URL in `kid`; where that is none, for the issuer (or holder) with it as
    the fragment, or alone: a DID with exactly one key names it. `jwt` is the older shape with a vc or vp
    claim (VC Data Model 1.1, 6.3.1).

    Raises CredentialError: `malformed`, `structure_invalid` for one that contradicts itself,
    `unsupported_algorithm` for one that cannot be judged here, `issuer_key_mismatch` for a kid that names no
    key, `invalid_signature` where it does not hold.
    """
    return read_jwt(text, media_type=media_type).verify(public_key_of, audience=audience, nonce=nonce)


def read_jwt(text: str, *, media_type: MediaType = "vc+jwt") -> UnverifiedJwt:
    """Read one JWT of this media type, and refuse one that contradicts itself; the signature comes later."""
    header, payload, signature, signed = _parse(text)
    algorithm = _algorithm(header)
    _check_types(header, media_type)
    claims = registered_claims(header, payload)
    document = older_document(payload, claims) if media_type == PLAIN_JWT else _document(payload)
    _agree(claims, document, media_type)
    for name in TIMES:
        numeric_date(claims, name)
    return UnverifiedJwt(media_type, header, document, claims, algorithm, signature, signed)


def envelop(text: str, media_type: MediaType = "vc+jwt") -> dict[str, Any]:
    """Return the envelope of a JWT (VCDM 2.0, 4.13)."""
    kind = ENVELOPED_PRESENTATION if media_type == PRESENTATION_JWT else ENVELOPED_CREDENTIAL
    return {"@context": CREDENTIALS_V2, "type": kind, "id": f"data:application/{media_type},{text}"}


def envelop_bare(text: str) -> dict[str, Any]:
    """The envelope of a JWT whose media type nobody told: by its typ, else by whether it has a vc claim."""
    header, payload, _, _ = _parse(text)
    older = header.get("typ") in (None, "JWT") and ("vc" in payload or "vp" in payload)
    return envelop(text, PLAIN_JWT if older else CREDENTIAL_JWT)


def is_envelope(document: object) -> bool:
    """Tell whether a document says that it is an envelope, well-formed or not."""
    types = document.get("type") if isinstance(document, Mapping) else None
    listed = types if isinstance(types, list) else [types]
    return ENVELOPED_CREDENTIAL in listed or ENVELOPED_PRESENTATION in listed


def open_envelope(document: object) -> tuple[str, str]:
    """Return the media type (without "application/") and the text inside an envelope (VCDM 2.0, 4.13).

    Nothing but @context, type and id may stand in it: nobody would have signed that.
    """
    if not isinstance(document, Mapping):
        _refuse("An envelope must be a JSON object (VCDM 2.0, 4.13)")
    types, contexts, url = (document.get(name) for name in ("type", "@context", "id"))
    kinds = types if isinstance(types, list) else [types]
    if len(kinds) != 1 or kinds[0] not in tuple(_ENVELOPES):
        _refuse(f"type must be {' or '.join(_ENVELOPES)} and nothing else (VCDM 2.0, 4.13)")
    if CREDENTIALS_V2 not in (contexts if isinstance(contexts, list) else [contexts]):
        # What further contexts define is of no account: an envelope has no member that they could define.
        _refuse(f"@context of an envelope must include {CREDENTIALS_V2} (VCDM 2.0, 4.13)")
    said = {name for name, value in document.items() if value is not None and value != []}
    if not said <= {"@context", "type", "id"}:
        _refuse("An envelope holds @context, type and id only: other members are signed by nobody")
    media_type, text = _open_data(url)
    if media_type in (CREDENTIAL_JWT, PRESENTATION_JWT) and media_type not in _ENVELOPES[kinds[0]]:
        _refuse(f"The envelope is an {kinds[0]}, what is in it is application/{media_type}")
    return media_type, text


def _open_data(url: object) -> tuple[str, str]:
    """(media type without "application/", text) of a data: URL (RFC 2397), however it is escaped."""
    scheme, _, rest = url.partition(":") if isinstance(url, str) else ("", "", "")
    head, comma, text = rest.partition(",")
    media_type, *parameters = (unescaped(part) for part in head.split(";"))
    kind, _, name = media_type.lower().partition("/")
    # A scheme has no case (RFC 3986, 3.1), and a media type neither (RFC 6838, 4.2).
    if scheme.lower() != "data" or not comma or not text or kind != "application":
        _refuse(
            "id of an envelope must be data:application/TYPE,TEXT with a comma (VCDM 2.0, 4.13; RFC 2397)"
        )
    if not _MEDIA_TYPE.fullmatch(name) or not all("=" in one for one in parameters if one != "base64"):
        _refuse("id of an envelope names no media type, or has a parameter without a value (RFC 2397)")
    if name not in MEDIA_TYPES:
        return name, text
    if "base64" not in parameters:
        return name, unescaped(text) if "%" in text else text
    try:
        return name, b64decode(unescaped(text), validate=True).decode("ascii")
    except ValueError as error:
        raise CredentialError("malformed", "id of an envelope is not base64 (RFC 2397).") from error


def read_envelope(document: object) -> UnverifiedJwt:
    """The JWT in an envelope, its signature not yet verified."""
    media_type, text = open_envelope(document)
    for known in MEDIA_TYPES:
        if media_type == known:
            return read_jwt(text, media_type=known)
    raise CredentialError("unsupported_algorithm", f"application/{media_type} cannot be verified here.")


def _parse(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Split a compact JWS (RFC 7515, 5.2): header, claims, signature, and the bytes that are signed."""
    if len(text) > SIZE_BYTES_MAX:
        malformed(f"the JWT has {len(text)} characters; at most {SIZE_BYTES_MAX} are read")
    if "~" in text:
        malformed("an SD-JWT, with a ~ in it, stands where a JWT was named (RFC 7515, 7.1)")
    if text and text.split(maxsplit=1) != [text]:
        malformed("the JWT has blanks or line ends in it: it was wrapped or copied on its way")
    parts = text.split(".")
    if len(parts) != 3:
        malformed("a JWT has three parts with a dot between them (RFC 7515, 7.1)")
    header, claims = (
        parse_json(b64u_decode(part, what))
        for part, what in zip(parts, ("header of the JWT", "payload of the JWT"), strict=False)
    )
    if not isinstance(header, dict) or not isinstance(claims, dict):
        malformed("header and payload of a JWT are JSON objects (RFC 7519, 7.2)")
    for name, clause in (("crit", "RFC 7515, 4.1.11"), ("b64", "RFC 7797, 3")):
        if name in header:
            malformed(f"the header {name} is not understood here ({clause})")
    signature = b64u_decode(parts[2], "signature of the JWT")
    return header, claims, signature, f"{parts[0]}.{parts[1]}".encode("ascii")


def _algorithm(header: Mapping[str, Any]) -> Algorithm:
    name = header.get("alg")
    if not isinstance(name, str):
        malformed("the header alg must be a text (RFC 7515, 4.1.1)")
    if name in _NO_SIGNATURES or name.lower() == "none":
        _invalid(f"{name[:40]!a} is not a signature: anybody could have made this JWT.")
    if name not in BY_NAME:
        raise CredentialError("unsupported_algorithm", f"{name[:40]!a} cannot be verified here.")
    return BY_NAME[name]


def _check_types(header: Mapping[str, Any], media_type: str) -> None:
    """typ is that of the media type; cty may say more than it, but not something else.

    vc-jose-cose, 3.1.1 ("vc", or a more specific media type); RFC 8725, 3.11.
    """
    for name in ("typ", "cty"):
        if name not in header:
            continue
        value = header[name]
        told = value.lower().removeprefix("application/") if isinstance(value, str) else ""
        told = _OLDER_NAMES.get(told, told) if name == "typ" else told
        # vc-jose-cose recommends the type of what is in it; "JWT" says no more than RFC 7519, 5.1 does.
        if not told or (name == "typ" and told not in (media_type, PLAIN_JWT)):
            malformed(f"the header {name} must be {media_type if name == 'typ' else 'a media type'}")
        if name == "cty" and (told.partition("+")[0] in _OTHER_CONTENT.get(media_type, ()) or told == "jwt"):
            malformed(f"the header cty is {told[:40]!a}, which is not what is in the JWT (vc-jose-cose, 3.1)")


def _document(payload: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_members(payload)
    return {name: value for name, value in payload.items() if name not in REGISTERED}


def _refuse_members(document: Mapping[str, Any]) -> None:
    if "vc" in document or "vp" in document:
        _refuse("A payload is the document itself and has no vc or vp claim (vc-jose-cose, 1.1.2.1)")


def _agree(claims: Mapping[str, Any], document: Mapping[str, Any], media_type: str) -> None:
    """Claims and members agree, and a presentation in a JWT holds envelopes (vc-jose-cose, 3.1.2)."""
    presented = "verifiableCredential" in document or "holder" in document or media_type == PRESENTATION_JWT
    check_claims(claims, document, presented=presented)
    if media_type == PRESENTATION_JWT and "verifiableCredential" in document:
        items = document["verifiableCredential"]
        items = items if isinstance(items, list) else [items]
        if len(items) > ITEMS_MAX:
            _refuse(f"The presentation has {len(items)} credentials; at most {ITEMS_MAX} are read")
        for item in items:
            _require_envelope(item)


def _require_envelope(item: object) -> None:
    try:
        open_envelope(item)
    except CredentialError as error:
        _refuse(
            "verifiableCredential of a presentation in a JWT must hold envelopes (vc-jose-cose, 3.1.2): "
            + str(error).removesuffix(".")
        )


def _key(header: Mapping[str, Any], document: Mapping[str, Any], public_key_of: KeyOf) -> tuple[str, bytes]:
    """The URL of the key and the key (vc-jose-cose, 4.1): kid is a hint (RFC 7515, 4.1.4).

    A kid that is a URL names the key, or the DID that has exactly one; another kid is a fragment of the
    issuer (or holder), and without a kid the issuer's only key is meant.
    """
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or not kid):
        malformed("the header kid must be a text (RFC 7515, 4.1.4)")
    controller = id_of(document.get("issuer", document.get("holder")))
    if kid is not None and parse_uri(kid) is not None:
        method = kid
    elif controller is None:
        malformed("the JWT names no key: kid is no URL, and there is no issuer or holder (vc-jose-cose, 4.1)")
    else:
        method = f"{controller}#{kid.removeprefix('#')}" if kid else controller
    try:
        return method, public_key_of(method)
    except CredentialError as error:
        if error.code != "malformed":
            raise
        what = f"The kid {kid[:120]!a}" if kid else f"The issuer {method[:120]!a}"
        raise CredentialError("issuer_key_mismatch", f"{what} names no key that can be looked up.") from error


def _invalid(sentence: str) -> NoReturn:
    raise CredentialError("invalid_signature", sentence)


def _refuse(sentence: str) -> NoReturn:
    raise CredentialError("structure_invalid", f"{sentence}.")
