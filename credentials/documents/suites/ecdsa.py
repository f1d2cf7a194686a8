"""The cryptosuites on ECDSA (W3C vc-di-ecdsa 1.0), and the curves themselves (FIPS 186-5).

    ecdsa-jcs-2019     3.3     RFC 8785
    ecdsa-rdfc-2019    3.2     RDFC-1.0

With a P-256 key everything is hashed with SHA-256, with P-384 with SHA-384, RDFC-1.0's own hashes included.
A signature is r || s, each as long as the curve's field: 64 or 96 bytes (and 132 on P-521, for JOSE), never
DER. It is judged by OpenSSL. Signing is deterministic (RFC 6979), so that nothing here draws randomness.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from consensus.cose import SignatureInvalid
from credentials.documents.keys import KINDS, P256, P384, P521, curve, kind_of, point
from credentials.documents.suites.integrity import PROOF_TYPE, Suite
from credentials.errors import CredentialError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

HASHES = {P256: "sha256", P384: "sha384", P521: "sha512"}  # RFC 7518, 3.4; vc-di-ecdsa, 3.1
_DI_HASHES = {P256: HASHES[P256], P384: HASHES[P384]}
# Orders of the groups (NIST SP 800-186, 3.2.1): a secret is a number from 1 to order - 1.
_ORDERS = {
    P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    P384: int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
    ),
    P521: int(
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
        "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        16,
    ),
}


def verify_ecdsa(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Raise SignatureInvalid unless `signature` (r || s) over `message` was made by this key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415

    kind = KINDS[kind_of(public_key)]
    size_bytes = kind.coordinate_bytes
    if kind.name not in HASHES or len(signature) != 2 * size_bytes:
        raise SignatureInvalid(f"a signature on {kind.name} has {2 * size_bytes} bytes")
    r, s = (int.from_bytes(half, "big") for half in (signature[:size_bytes], signature[size_bytes:]))
    try:
        point(public_key).verify(encode_dss_signature(r, s), message, _algorithm(kind.name))
    except InvalidSignature as error:
        raise SignatureInvalid("the signature was not made by this key over these bytes") from error


@dataclass(frozen=True, slots=True)
class EcdsaSigner:
    """Deterministic ECDSA (RFC 6979) with a secret number on P-256, P-384 or P-521: a `Signer`."""

    key_id: str
    kind: str
    secret: bytes = field(repr=False)  # big-endian, as long as a coordinate (RFC 7518, 6.2.2.1)
    public_key: bytes = field(init=False)  # compressed
    _private_key: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        number = int.from_bytes(self.secret, "big")
        if len(self.secret) != KINDS[self.kind].coordinate_bytes or not 0 < number < _ORDERS[self.kind]:
            raise CredentialError("malformed", f"The secret is not that of a key on {self.kind}.")
        private_key = ec.derive_private_key(number, curve(self.kind))
        public_key = private_key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
        )
        object.__setattr__(self, "public_key", public_key)
        object.__setattr__(self, "_private_key", private_key)

    def sign(self, message: bytes) -> bytes:
        """The signature r || s over `message`, hashed as the curve demands."""
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415

        r, s = decode_dss_signature(
            self._private_key.sign(message, _algorithm(self.kind, deterministic=True))
        )
        size_bytes = KINDS[self.kind].coordinate_bytes
        return r.to_bytes(size_bytes, "big") + s.to_bytes(size_bytes, "big")


def secret_from_seed(kind: str, seed: bytes) -> bytes:
    """Return the secret that a 32-byte seed stands for, so that a key store keeps seeds only.

    FIPS 186-5, A.2.1 (extra random bits): 64 bits and more beyond the order leave no bias that matters.
    """
    assert len(seed) == 32, "a seed has 32 bytes"
    tag = b"comity/ecdsa-secret/v1" + kind.encode()
    wide = b"".join(hashlib.sha512(tag + bytes([part]) + seed).digest() for part in range(2))
    number = int.from_bytes(wide, "big") % (_ORDERS[kind] - 1) + 1
    return number.to_bytes(KINDS[kind].coordinate_bytes, "big")


def _algorithm(kind: str, *, deterministic: bool = False) -> ECDSA:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    digests: dict[str, hashes.HashAlgorithm] = {
        P256: hashes.SHA256(),
        P384: hashes.SHA384(),
        P521: hashes.SHA512(),
    }
    return ec.ECDSA(digests[kind], deterministic_signing=deterministic)


JCS_2019 = Suite("ecdsa-jcs-2019", PROOF_TYPE, "jcs", _DI_HASHES, verify_ecdsa)
RDFC_2019 = Suite("ecdsa-rdfc-2019", PROOF_TYPE, "rdfc", _DI_HASHES, verify_ecdsa)
SUITES = (JCS_2019, RDFC_2019)
