"""Public keys as documents name them: Multikey, JWK, did:key, did:web (W3C Controlled Identifiers 1.0).

A public key is its canonical bytes, and their number tells its kind: 32 (RFC 8032) or a compressed point
(SEC 1, 2.3.3) of 33, 49 or 67. A Multikey is "z" || base58btc(multicodec || bytes). Every text is decoded
strictly: exactly one text is read for one key, and a point must lie on its curve.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import base58

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.spelling import shown
from credentials.documents.uri import parse_did, parse_uri
from credentials.errors import CredentialError, malformed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve, EllipticCurvePublicKey

DID_CHARACTERS_MAX = 512

ED25519, P256, P384, P521 = "Ed25519", "P-256", "P-384", "P-521"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of key: a row of the table of Controlled Identifiers 1.0, 2.2.2, and its curve in a JWK."""

    name: str  # also `crv` (RFC 7518, 6.2.1.1; RFC 8037, 2)
    beginning: str  # of its Multikeys
    multicodec: bytes  # varint
    size_bytes: int  # of the public key
    coordinate_bytes: int  # of x, and of y where there is one (RFC 7518, 6.2.1.2)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(ED25519, "z6Mk", b"\xed\x01", 32, 32),
        Kind(P256, "zDna", b"\x80\x24", 33, 32),
        Kind(P384, "z82L", b"\x81\x24", 49, 48),
        Kind(P521, "z2J9", b"\x82\x24", 67, 66),
    )
}
_KIND_BY_SIZE = {kind.size_bytes: kind for kind in KINDS.values()}
_BASE58_CHARACTERS_MAX = 256  # decoding takes quadratic time
_MULTIKEY_CHARACTERS_MAX = 4096  # of kinds that are known by name only; some are large
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ALPHABET = frozenset(_BASE58)
_PAIRS = [high + low for high in _BASE58 for low in _BASE58]
_TWO_DIGITS, _TEN_DIGITS = 58**2, 58**10  # ten are within 64 bits
# Multicodecs of public keys of other kinds: known by name, not built. One that is none of these is no key.
_OTHER_KINDS = {
    0xE7: "secp256k1",
    0xEA: "BLS12-381 (G1)",
    0xEB: "BLS12-381 (G2)",
    0xEC: "X25519",
    0xEE: "BLS12-381",
    0x1203: "Ed448",
    0x1204: "X448",
    0x1205: "RSA",
    0x1206: "SM2",
    **dict.fromkeys(range(0x120B, 0x120E), "ML-KEM"),
    **dict.fromkeys(range(0x1210, 0x1213), "ML-DSA"),
    **dict.fromkeys(range(0x1220, 0x122C), "SLH-DSA"),
    0xEB51: "JWK",
}

_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
_DIGITS = frozenset("0123456789")


def base58btc_decode(text: str, what: str, *, characters_max: int = _BASE58_CHARACTERS_MAX) -> bytes:
    """Decode "z" || base58btc(bytes) (Multibase); no two texts are read as the same bytes."""
    if not text.startswith("z"):
        raise CredentialError("malformed", f"{what} is not multibase base58btc: it does not begin with 'z'.")
    if len(text) > characters_max:
        raise CredentialError(
            "malformed", f"{what} has {len(text)} characters; at most {characters_max} are read."
        )
    if not _ALPHABET.issuperset(text[1:]) or len(text) == 1:
        raise CredentialError("malformed", f"{what} has a character outside the base58btc alphabet.")
    # Within the alphabet every text is the form of its bytes: leading "1"s are zero bytes, the rest a number.
    return base58.b58decode(text[1:])


def base58btc_encode(data: bytes) -> str:
    """Encode as Multibase base58btc."""
    digits = []
    number = int.from_bytes(data, "big")
    while number:  # ten digits at a time: the long number is divided a tenth as often
        number, part = divmod(number, _TEN_DIGITS)
        for _ in range(5):
            rest = part // _TWO_DIGITS  # half the cost of divmod, which is a call
            digits.append(_PAIRS[part - rest * _TWO_DIGITS])
            part = rest
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "z" + "1" * zeros + "".join(reversed(digits)).lstrip("1")


def kind_of(public_key: bytes) -> str:
    """Return the kind of a public key: "Ed25519", "P-256", "P-384" or "P-521"."""
    kind = _KIND_BY_SIZE.get(len(public_key))
    if kind is None:
        raise CredentialError("malformed", f"A public key of {len(public_key)} bytes is of no known kind.")
    return kind.name


@lru_cache(maxsize=4096)  # base58 divides long numbers, and each change of what governs writes every key
def multikey_encode(public_key: bytes) -> str:
    """Return the Multikey of a public key."""
    assert len(public_key) in _KIND_BY_SIZE, "a public key has 32 bytes, or is a compressed point"
    return base58btc_encode(_KIND_BY_SIZE[len(public_key)].multicodec + public_key)


def multikey_decode(
    text: str, kinds: Collection[str] = (ED25519,), what: str = "publicKeyMultibase"
) -> bytes:
    """Return the public key of a Multikey; a kind that is not among `kinds` is `unsupported_algorithm`."""
    for kind in KINDS.values():
        if kind.name not in kinds and text.startswith(kind.beginning):
            raise CredentialError(
                "unsupported_algorithm", f"Keys of kind {kind.name} are not supported here."
            )
    if text.startswith("u"):  # in base64url: the form of larger keys
        data, own = b64u_decode(text[1:], what), False
    else:
        data = base58btc_decode(text, what, characters_max=_MULTIKEY_CHARACTERS_MAX)
        own = True
    for kind in KINDS.values():
        if own and data.startswith(kind.multicodec) and len(data) == 2 + kind.size_bytes:
            return _require_kind(data[2:], kind.name, kinds)
    other = _OTHER_KINDS.get(_varint(data))
    if other is not None:
        raise CredentialError("unsupported_algorithm", f"Keys of kind {other} are not supported here.")
    malformed(f"{what} is no Multikey of a kind known here")


def _varint(data: bytes) -> int:
    """The Multicodec that something begins with (unsigned varint); -1 for none, or nothing after it."""
    number = 0
    for place, byte in enumerate(data[:3]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number if len(data) > place + 1 and (byte or not place) else -1
    return -1


def jwk_encode(public_key: bytes) -> dict[str, str]:
    """Return the public JWK of a public key (RFC 7518, 6.2; RFC 8037, 2)."""
    kind = KINDS[kind_of(public_key)]
    if kind.name == ED25519:
        return {"kty": "OKP", "crv": ED25519, "x": b64u(public_key)}
    numbers = point(public_key).public_numbers()
    x, y = (b64u(number.to_bytes(kind.coordinate_bytes, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": kind.name, "x": x, "y": y}


def jwk_decode(jwk: object, kinds: Collection[str] = tuple(KINDS)) -> bytes:
    """Return the public key of a JWK; a secret one, or coordinates that are padded or cut, are malformed."""
    if not isinstance(jwk, Mapping):
        malformed("publicKeyJwk must be an object (RFC 7517, 4)")
    if "d" in jwk:
        malformed("publicKeyJwk holds a secret key (Controlled Identifiers 1.0, 2.2.3)")
    kind = KINDS.get(jwk["crv"]) if isinstance(jwk.get("crv"), str) else None
    if kind is None or jwk.get("kty") != ("OKP" if kind.name == ED25519 else "EC"):
        told = ascii(str(jwk.get("crv", jwk.get("kty")))[:40])
        raise CredentialError("unsupported_algorithm", f"Keys of kind {told} are not supported here.")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        malformed("publicKeyJwk is not for verifying signatures (RFC 7517, 4.2 and 4.3)")
    names = ("x",) if kind.name == ED25519 else ("x", "y")
    if not all(isinstance(jwk.get(name), str) for name in names):
        malformed(f"publicKeyJwk must hold {' and '.join(names)} (RFC 7518, 6.2.1)")
    coordinates = [b64u_decode(jwk[name], f"publicKeyJwk.{name}") for name in names]
    if any(len(coordinate) != kind.coordinate_bytes for coordinate in coordinates):
        malformed(f"a coordinate on {kind.name} has {kind.coordinate_bytes} bytes (RFC 7518, 6.2.1.2)")
    if kind.name == ED25519:
        return _require_kind(coordinates[0], kind.name, kinds)
    x, y = coordinates
    compressed = bytes([2 + y[-1] % 2]) + x
    _require_kind(compressed, kind.name, kinds)
    if point(compressed).public_numbers().y != int.from_bytes(y, "big"):
        malformed(f"publicKeyJwk is not a point on {kind.name}")
    return compressed


def curve(name: str) -> EllipticCurve:
    """Return the curve of a kind of key: P-256, P-384 or P-521."""
    # 10 MiB that a node with Ed25519 keys only never needs.
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    curves: dict[str, EllipticCurve] = {P256: ec.SECP256R1(), P384: ec.SECP384R1(), P521: ec.SECP521R1()}
    return curves[name]


@lru_cache(maxsize=1024)
def point(public_key: bytes) -> EllipticCurvePublicKey:
    """Return the point of a P-256, P-384 or P-521 key; one that is not on its curve is malformed."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    name = kind_of(public_key)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve(name), public_key)
    except ValueError as error:
        raise CredentialError("malformed", f"The key is not a compressed point on {name}.") from error


def _require_kind(public_key: bytes, name: str, kinds: Collection[str]) -> bytes:
    if name not in kinds:
        raise CredentialError("unsupported_algorithm", f"Keys of kind {name} are not supported here.")
    if name != ED25519:
        point(public_key)
    return public_key


def did_key(public_key: bytes) -> str:
    """Return the did:key of a public key."""
    return f"did:key:{multikey_encode(public_key)}"


def did_key_url(public_key: bytes) -> str:
    """Return the DID URL of the one verification method of a did:key."""
    multikey = multikey_encode(public_key)
    return f"did:key:{multikey}#{multikey}"


def did_key_decode(did: str) -> bytes:
    """Return the public key of a did:key, given with or without its own fragment."""
    multikey, hash_sign, fragment = did.removeprefix("did:key:").partition("#")
    if not did.startswith("did:key:"):
        raise CredentialError("malformed", f"{shown(did)} is not a did:key.")
    if hash_sign and fragment != multikey:
        raise CredentialError(
            "issuer_key_mismatch", f"{shown(did)} names no key: the one key of a did:key is named by itself."
        )
    return multikey_decode(multikey, KINDS, f"The key of {shown(did)}")


def did_web_url(did: str) -> str:
    """Return where the document of a did:web lies (did:web method, 3.2): nothing is fetched here.

    Raises CredentialError: `malformed` for what is no did:web, `issuer_unknown` for a lawful one whose host
    or path is written otherwise than is asked for: DID Core 1.0, 3.1 allows capitals and escapes there.
    """
    method = "did:web:"
    if not did.startswith(method) or parse_did(did) is None:
        raise CredentialError("malformed", f"{shown(did)} is not a did:web.")
    if len(did) > DID_CHARACTERS_MAX:
        raise CredentialError("issuer_unknown", f"{shown(did)} is longer than any that is asked for.")
    host, *path = did.removeprefix(method).split(":")
    name, percent, port = host.partition("%3A")
    labels = name.split(".")
    if (
        not _HOST.issuperset(name)
        or any(not label or label[0] == "-" or label[-1] == "-" or len(label) > 63 for label in labels)
        or (percent and (not port or len(port) > 5 or not _DIGITS.issuperset(port) or int(port) > 65535))
    ):
        raise CredentialError(
            "issuer_unknown",
            f"{shown(did)} names no host that is asked here: a-z, 0-9, - and full stops, %3A before a port.",
        )
    if any(not part or not _PATH.issuperset(part) or part in (".", "..") for part in path):
        raise CredentialError("issuer_unknown", f"{shown(did)} has a path that is not plain ASCII names.")
    authority = name + (":" + port if percent else "")
    return f"https://{authority}/{'/'.join(path) if path else '.well-known'}/did.json"


def controller_of(method: str) -> str:
    """The URL of the controller of a verification method: the method's without its fragment.

    Controlled Identifiers 1.0, 2.2: any URL may name a method; where it has no fragment it is its own.
    """
    if parse_uri(method) is None:
        raise CredentialError("malformed", f"{shown(method)} is not the URL of a key (CID 1.0, 2.2).")
    return method.partition("#")[0]


def controller_of_proof(method: str) -> str:
    """The controller of the verification method of a proof, which a DID names by its fragment only."""
    controller, uri = controller_of(method), parse_uri(method)
    if uri is not None and uri.is_did and not uri.fragment:
        if parse_did(controller) is None:
            malformed(f"{shown(method)} is not the DID URL of a key (did#fragment)")
        raise CredentialError(
            "issuer_key_mismatch", f"{shown(method)} names no key: the DID URL of a key ends in #NAME."
        )
    return controller


def require_did(did: str) -> None:
    """Refuse what is neither a did:web nor a did:key of a kind known here.

    `malformed` for what is no URL, `issuer_unknown` for a lawful URL whose keys are not looked up here: VCDM
    2.0, 4.7 asks for a URL, not for a DID.
    """
    uri = parse_uri(did)
    parts = parse_did(did)
    if parts is not None and parts[0] == "web":
        did_web_url(did)
    elif parts is not None and parts[0] == "key" and ":" not in parts[1]:
        did_key_decode(did)
    elif uri is None or (uri.is_did and parts is None and uri.query is None and "/" not in uri.path):
        raise CredentialError("malformed", f"{shown(did)} is not a DID (DID Core 1.0, 3.1).")
    else:
        kind = "not a DID"
        if uri.is_did:
            kind = f"of the DID method {uri.method}" if parts is not None else "the DID URL of something else"
        if parts is not None and parts[0] == "key":
            kind = "a did:key of another version"
        raise CredentialError(
            "issuer_unknown",
            f"{shown(did)} is {kind}: this node looks up keys of participants, of did:web and of did:key.",
        )
