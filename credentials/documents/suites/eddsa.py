"""The cryptosuites on Ed25519 (W3C vc-di-eddsa 1.0), and the older Ed25519Signature2020, which is only read.

    eddsa-jcs-2022          3.3     SHA-256, RFC 8785; what this node makes unless it is asked otherwise
    eddsa-rdfc-2022         3.2     SHA-256, RDFC-1.0
    Ed25519Signature2020    Data Integrity EdDSA Cryptosuites, community draft: as eddsa-rdfc-2022, with
                            this name as the proof's type and no cryptosuite

A signature has 64 bytes and is judged by libsodium, as every Ed25519 signature of the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consensus.cose import Signer, verify_ed25519
from credentials.documents.keys import ED25519
from credentials.documents.suites.integrity import (
    ASSERTION,
    PROOF_TYPE,
    KeyOf,
    ProofResult,
    Suite,
    add_first_proofs,
    add_proof,
    verify_proofs,
)

_HASHES = {ED25519: "sha256"}

JCS_2022 = Suite("eddsa-jcs-2022", PROOF_TYPE, "jcs", _HASHES, verify_ed25519)
RDFC_2022 = Suite("eddsa-rdfc-2022", PROOF_TYPE, "rdfc", _HASHES, verify_ed25519)
SIGNATURE_2020 = Suite(
    "Ed25519Signature2020", "Ed25519Signature2020", "rdfc", _HASHES, verify_ed25519, signs=False
)
SUITES = (JCS_2022, RDFC_2022, SIGNATURE_2020)

CRYPTOSUITE = JCS_2022.name


def sign(
    document: Mapping[str, Any], signer: Signer, created: str, purpose: str = ASSERTION
) -> dict[str, Any]:
    """Return `document`, which has no proof yet, with one of eddsa-jcs-2022 by `signer`."""
    assert "proof" not in document, (
        "a document is signed once; further statements are attestations of their own"
    )
    return add_proof(document, JCS_2022, signer, created, purpose=purpose)


def sign_together(
    documents: Sequence[Mapping[str, Any]], signer: Signer, created: str
) -> list[tuple[dict[str, Any], bytes]]:
    """Each of `documents` as `sign` returns it, with its digest (`digest_document`): in one pass."""
    return add_first_proofs(documents, JCS_2022, signer, created)


def verify(document: Mapping[str, Any], public_key_of: KeyOf, *, purpose: str = ASSERTION) -> ProofResult:
    """Verify the one proof of a document of this node's own making: eddsa-jcs-2022 and nothing else.

    What others made is for `credentials.documents.suites.verify`. Raises as that does; a document with
    several proofs is `unsupported_algorithm`.
    """
    results = verify_proofs(document, {CRYPTOSUITE: JCS_2022}, public_key_of, purpose=purpose)
    return results[0]
