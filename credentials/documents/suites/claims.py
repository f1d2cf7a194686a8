"""Claims of a JWT beside the members of the document in it (RFC 7519; vc-jose-cose 1.0, 3.1.1 and 4.1.2).

Whatever is said twice is said the same, in header, claims and members, whatever shape a member has; the older
shape of VC Data Model 1.1 (6.3.1) says most of it in claims alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from credentials.documents.model import CREDENTIALS_V1, V1, V2, Reader, parse_date_time
from credentials.errors import CredentialError, malformed

# Claims of a JWT that are no part of the document (RFC 7519, 4.1; OpenID Connect's nonce; RFC 7800, 3.1).
REGISTERED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "cnf"})
TIMES = ("iat", "nbf", "exp")
# Names that in a header are no claims (RFC 7515, 4.1).
_HEADERS = frozenset({"alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty"})


def registered_claims(header: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, Any]:
    """The registered claims, of the payload and of the header (RFC 7519, 5.3; vc-jose-cose, 4.1.2).

    What stands in both must be the same; what stands in the header alone counts as well.
    """
    for name in header:
        if name in payload and name not in _HEADERS and header[name] != payload[name]:
            _refuse(
                f"{name[:40]} in the header of the JWT is not what its payload says (vc-jose-cose, 4.1.2)"
            )
    return {name: told[name] for told in (header, payload) for name in told if name in REGISTERED}


def older_document(payload: Mapping[str, Any], claims: Mapping[str, Any]) -> dict[str, Any]:
    """Decode the shape of VC Data Model 1.1 (6.3.1, JWT Decoding)."""
    names = [name for name in ("vc", "vp") if name in payload]
    inner = payload[names[0]] if len(names) == 1 else None
    if not isinstance(inner, dict):
        _refuse("A JWT of this shape has one vc or vp claim that is an object (VC Data Model 1.1, 6.3.1)")
    document = dict(inner)
    for name, member in document.items():
        if name in payload and payload[name] != member:
            _refuse(f"{name[:40]} beside the {names[0]} claim is not what stands in it")
    contexts = document.get("@context")
    v1 = CREDENTIALS_V1 in (contexts if isinstance(contexts, list) else [contexts])
    moments = (
        {"nbf": "issuanceDate", "exp": "expirationDate"} if v1 else {"nbf": "validFrom", "exp": "validUntil"}
    )
    if names == ["vc"]:
        for claim, member in moments.items():
            moment = numeric_date(claims, claim)
            if moment is None:
                continue
            told = _said(document, member, _date_time(moment))
            if Reader(V1 if v1 else V2).time(document, member) != moment:
                _refuse(f"{claim} and {member} differ (VC Data Model 1.1, 6.3.1)")
    for claim, member in (("jti", "id"), ("iss", "issuer" if names == ["vc"] else "holder")):
        if claim in claims:
            told = _said(document, member, claims[claim])
            if isinstance(told, dict):
                document[member] = {"id": claims[claim], **told}
    subject = document.get("credentialSubject")
    if "sub" in claims and isinstance(subject, dict):
        _said(filled := dict(subject), "id", claims["sub"])
        document["credentialSubject"] = filled
    return document


def _said(document: dict[str, Any], member: str, claimed: object) -> Any:
    """What a member says; where it says nothing (null), what the claim says."""
    if document.get(member) is None:
        document[member] = claimed
    return document[member]


def check_claims(claims: Mapping[str, Any], document: Mapping[str, Any], *, presented: bool) -> None:
    """Claims that repeat a member say the same, whatever shape the member has (vc-jose-cose, 3.1.1)."""
    for claim, member in (("jti", "id"), ("sub", "credentialSubject"), ("iss", "issuer")):
        if claim not in claims:
            continue
        told = _ids(document.get(member))
        if claim == "iss" and presented and not told:
            told = _ids(document.get("holder"))
        if not isinstance(claims[claim], str):
            _refuse(f"{claim} must be a text (RFC 7519, 4.1)")
        if told and claims[claim] not in told:
            _refuse(f"{claim} is not what the document says (vc-jose-cose, 3.1.1)")


def _ids(value: object) -> list[str]:
    """The ids of what a member names: a text, an object, or a list of these."""
    listed = value if isinstance(value, list) else [value]
    return [found for item in listed if (found := id_of(item)) is not None]


def id_of(value: object) -> str | None:
    """The id that a text or an object is, None without one."""
    value = value.get("id") if isinstance(value, Mapping) else value
    return value if isinstance(value, str) else None


def numeric_date(claims: Mapping[str, Any], name: str) -> int | None:
    """A NumericDate (RFC 7519, 2), or the date and time as text that older issuers write."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, str):
        try:
            return parse_date_time(value, name)
        except CredentialError:
            malformed(f"{name} must be a number of seconds since 1970 (RFC 7519, 2), not a text")
    if type(value) not in (int, float) or not -62135596800 <= value < 253402300800:  # years 1 to 9999
        malformed(f"{name} must be a number of seconds since 1970 (RFC 7519, 2)")
    return int(value)


def _date_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refuse(sentence: str) -> NoReturn:
    raise CredentialError("structure_invalid", f"{sentence}.")
