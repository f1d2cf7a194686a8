"""The cryptosuites this node knows, for Data Integrity proofs; those for JOSE are in `jose.BY_NAME`.

An algorithm that is not in its table is `unsupported_algorithm`, never an invalid signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.cose import Signer
from credentials.documents.suites import ecdsa, eddsa
from credentials.documents.suites.integrity import (
    ASSERTION,
    ContextsByUrl,
    KeyOf,
    ProofResult,
    Suite,
    add_proof,
    verify_proofs,
)
from credentials.errors import CredentialError

__all__ = ["ASSERTION", "DEFAULT", "SUITES", "ProofResult", "Suite", "sign", "verify"]

SUITES: Mapping[str, Suite] = {suite.name: suite for suite in (*eddsa.SUITES, *ecdsa.SUITES)}
DEFAULT = eddsa.JCS_2022.name


def sign(
    document: Mapping[str, Any],
    signer: Signer,
    created: str,
    *,
    cryptosuite: str = DEFAULT,
    purpose: str = ASSERTION,
    contexts: ContextsByUrl | None = None,
    members: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return `document` with one more proof; see `credentials.documents.suites.integrity.add_proof`."""
    suite = SUITES.get(cryptosuite)
    if suite is None:
        raise CredentialError("unsupported_algorithm", f"Proofs of {cryptosuite[:80]!a} cannot be made here.")
    return add_proof(document, suite, signer, created, purpose=purpose, contexts=contexts, members=members)


def verify(
    document: Mapping[str, Any],
    public_key_of: KeyOf,
    *,
    purpose: str = ASSERTION,
    contexts: ContextsByUrl | None = None,
    domain: str | None = None,
    challenge: str | None = None,
) -> tuple[ProofResult, ...]:
    """Verify every proof of `document`, all of them required; see `integrity.verify_proofs`."""
    return verify_proofs(
        document,
        SUITES,
        public_key_of,
        purpose=purpose,
        contexts=contexts,
        domain=domain,
        challenge=challenge,
    )
