"""openvc-core: its Data Integrity suites, and its VC-JWT in the shape of VC Data Model 1.1.

Three departures from the standards, which tests/system/test_interop.py holds on to:

* A JCS proof it makes leaves out the `@context` that it signs (vc-di-eddsa and vc-di-ecdsa, 3.3.1, step 2).
* With P-384 it canonicalises by SHA-256 instead of SHA-384 (vc-di-ecdsa, 3.2), which shows in documents
  with several blank nodes.
* It knows JWTs with a vc claim only (VC Data Model 1.1), no `vc+jwt`, and its `nbf` is the time of signing.
"""

from datetime import datetime
from functools import cache
from typing import Any

from openvc.keys import Ed25519SigningKey, signing_key_from_jwk
from openvc.proof.data_integrity import DataIntegrityProofSuite
from openvc.proof.di_ecdsa_rdfc import EcdsaRdfcProofSuite
from openvc.proof.di_jcs import EcdsaJcsProofSuite, EddsaJcsProofSuite
from openvc.proof.errors import ProofError
from openvc.proof.vc_jwt import SigningKey, VcJwtProofSuite

from tests.harness.interop.documents import CONTEXTS, ISSUED, Document, Key

__all__ = ["JWT_ALGORITHMS", "ProofError", "sign", "sign_jwt", "verify", "verify_jwt"]


_SUITES: dict[str, Any] = {
    "ecdsa-jcs-2019": EcdsaJcsProofSuite(),
    "ecdsa-rdfc-2019": EcdsaRdfcProofSuite(),
    "eddsa-jcs-2022": EddsaJcsProofSuite(),
    "eddsa-rdfc-2022": DataIntegrityProofSuite(),
}
JWT_ALGORITHMS = {"EdDSA": "Ed25519", "Ed25519": "Ed25519", "ES256": "P-256", "ES384": "P-384"}


def _options(suite: str) -> dict[str, Any]:
    return {"extra_contexts": CONTEXTS} if "rdfc" in suite else {}


@cache
def _imported(key: Key, algorithm: str = "EdDSA") -> SigningKey:
    jwk, method = key.jwk(secret=True), key.signer.key_id
    if jwk["kty"] == "OKP":
        return Ed25519SigningKey.from_jwk(jwk, method, alg=algorithm)
    return signing_key_from_jwk(jwk, method)


def sign(document: Document, suite: str, key: Key) -> Document:
    """Return the document with a proof made by openvc-core."""
    signed: Document = _SUITES[suite].add_proof(
        document,
        signing_key=_imported(key),
        verification_method=key.signer.key_id,
        created=datetime.fromisoformat(ISSUED),
        **_options(suite),
    )
    return signed


def verify(document: Document, suite: str, key: Key) -> None:
    """Verify by openvc-core; raises ProofError."""
    _SUITES[suite].verify(document, public_key_jwk=key.jwk(), **_options(suite))


def sign_jwt(document: Document, algorithm: str, key: Key) -> str:
    """Return a JWT with a vc claim."""
    return VcJwtProofSuite().sign(document, signing_key=_imported(key, algorithm))


def verify_jwt(text: str, key: Key) -> None:
    """Verify a JWT with a vc claim; raises ProofError."""
    VcJwtProofSuite().verify(text, public_key_jwk=key.jwk())
