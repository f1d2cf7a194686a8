"""Data Integrity proofs of the cryptosuite eddsa-jcs-2022 (W3C vc-di-eddsa, 3.3).

proof = { type: "DataIntegrityProof", cryptosuite: "eddsa-jcs-2022", created, verificationMethod,
          proofPurpose, @context: as in the document, proofValue: "z" || base58btc(64 bytes) }
signature = Ed25519( SHA-256(JCS(proof without proofValue)) || SHA-256(JCS(document without proof)) )
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from consensus.cose import SignatureInvalid, Signer, verify_ed25519
from credentials.canonical import jcs
from credentials.errors import CredentialError
from credentials.keys import base58btc_decode, base58btc_encode, split_did_url
from credentials.model import parse_date_time

CRYPTOSUITE = "eddsa-jcs-2022"
PROOF_TYPE = "DataIntegrityProof"
ASSERTION = "assertionMethod"


@dataclass(frozen=True, slots=True)
class ProofResult:
    """A proof that holds. Whether its controller is the issuer, and its key valid, is another question."""

    verification_method: str
    controller: str
    purpose: str
    created: int | None  # seconds; the signer chose it
    expires: int | None


def sign(
    document: Mapping[str, Any], signer: Signer, created: str, purpose: str = ASSERTION
) -> dict[str, Any]:
    """Return `document` with a proof by `signer`, whose key id becomes the verification method."""
    assert "proof" not in document, (
        "a document is signed once; further statements are attestations of their own"
    )
    parse_date_time(created, "proof.created")
    proof: dict[str, Any] = {
        "type": PROOF_TYPE,
        "cryptosuite": CRYPTOSUITE,
        "created": created,
        "verificationMethod": signer.key_id,
        "proofPurpose": purpose,
    }
    if "@context" in document:
        proof["@context"] = document["@context"]
    signature = signer.sign(hash_data(document, proof))
    return {**document, "proof": {**proof, "proofValue": base58btc_encode(signature)}}


def verify(
    document: Mapping[str, Any], public_key_of: Callable[[str], bytes], *, purpose: str = ASSERTION
) -> ProofResult:
    """Verify the one proof of `document`; `public_key_of` maps a DID URL to 32 bytes, or raises.

    Raises CredentialError: `proof_missing`, `malformed` for a proof that is none, `unsupported_algorithm` for
    one that cannot be judged here, `invalid_signature` for one that does not hold.
    """
    proof = _one_proof(document)
    kind = proof.get("type")
    suite = proof.get("cryptosuite") if kind == PROOF_TYPE else kind
    if not isinstance(suite, str):
        _malformed("proof.type and proof.cryptosuite must be texts (vc-data-integrity, 2.1)")
    if suite != CRYPTOSUITE or kind != PROOF_TYPE:
        raise CredentialError("unsupported_algorithm", f"Proofs of {suite[:80]!a} cannot be verified here.")
    for name in ("verificationMethod", "proofPurpose", "proofValue"):
        if not isinstance(proof.get(name), str):
            _malformed(f"proof.{name} must be a text (vc-data-integrity, 2.1)")
    if "previousProof" in proof:
        raise CredentialError("unsupported_algorithm", "Proof chains cannot be verified here.")
    created, expires = (
        parse_date_time(proof[name], f"proof.{name}", "4.12; vc-data-integrity, 2.1")
        if name in proof
        else None
        for name in ("created", "expires")
    )
    if proof["proofPurpose"] != purpose:
        raise CredentialError(
            "invalid_signature",
            f"The proof was made for {proof['proofPurpose'][:80]!a}, not for {purpose}.",
        )
    method = proof["verificationMethod"]
    controller, _ = split_did_url(method)
    signature = base58btc_decode(proof["proofValue"], "proof.proofValue", characters_max=128)
    if len(signature) != 64:
        _malformed(f"proof.proofValue holds {len(signature)} bytes; a signature has 64")
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    if "@context" in options:
        _require_beginning(options["@context"], unsecured.get("@context"))
        unsecured["@context"] = options["@context"]
    try:
        verify_ed25519(public_key_of(method), signature, hash_data(unsecured, options))
    except SignatureInvalid as error:
        raise CredentialError(
            "invalid_signature", "The document was altered after it was signed, or was signed by another key."
        ) from error
    return ProofResult(method, controller, proof["proofPurpose"], created, expires)


def hash_data(unsecured: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    """Return the 64 bytes that are signed (vc-di-eddsa, 3.3.4): the proof's options first."""
    return hashlib.sha256(jcs(dict(options))).digest() + hashlib.sha256(jcs(dict(unsecured))).digest()


def _one_proof(document: Mapping[str, Any]) -> Mapping[str, Any]:
    proof = document.get("proof")
    if isinstance(proof, list) and len(proof) == 1:
        proof = proof[0]
    if isinstance(proof, list) and proof and all(isinstance(item, dict) for item in proof):
        raise CredentialError(
            "unsupported_algorithm", "Documents with several proofs cannot be verified here."
        )
    if proof is None:
        raise CredentialError("proof_missing", "The document is not signed: it has no proof.")
    if not isinstance(proof, dict) or not proof:
        _malformed("proof must be an object (vc-data-integrity, 2.1)")
    return proof


def _require_beginning(signed: object, contexts: object) -> None:
    """The document's contexts begin with those that were signed (vc-di-eddsa, 3.3.2)."""
    ours, theirs = (value if isinstance(value, list) else [value] for value in (contexts, signed))
    if ours[: len(theirs)] != theirs:
        raise CredentialError(
            "invalid_signature", "The document's @context does not begin with the signed @context."
        )


def _malformed(sentence: str) -> NoReturn:
    raise CredentialError("malformed", f"{sentence}.")
