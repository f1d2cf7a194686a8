"""Data Integrity proofs (W3C vc-data-integrity 1.0), whatever the cryptosuite: sets and chains of them.

    proof = { type: "DataIntegrityProof", cryptosuite, created, verificationMethod, proofPurpose,
              id, previousProof, expires, domain, challenge, proofValue: "z" || base58btc(signature) }
    signature over H(canonical proof without proofValue) || H(canonical document without proof)

In a chain the document that a proof signs carries the proofs it names in `previousProof` (4.3 and 4.4). All
proofs of a document are required: there is no policy by which one of several is enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from consensus.cose import SignatureInvalid, Signer
from credentials.documents.canonical import JSON, jcs, jcs_member, jcs_of_members, rdfc
from credentials.documents.keys import base58btc_decode, base58btc_encode, controller_of_proof, kind_of
from credentials.documents.model import parse_date_time
from credentials.documents.suites.reading import require_names
from credentials.documents.uri import is_url
from credentials.errors import UNDECIDED, CredentialError, malformed

PROOF_TYPE = "DataIntegrityProof"
ASSERTION = "assertionMethod"
DATA_INTEGRITY_V2 = "https://w3id.org/security/data-integrity/v2"
# Contexts that define the terms of a proof (vc-data-integrity, 2.4.2).
_DEFINES_PROOFS = ("https://www.w3.org/ns/credentials/v2", DATA_INTEGRITY_V2)
PROOFS_MAX = 16
# The members of a proof (vc-data-integrity, 2.1).
_MEMBERS = frozenset(
    {
        *(
            "@context",
            "id",
            "type",
            "cryptosuite",
            "created",
            "expires",
            "verificationMethod",
            "proofPurpose",
        ),
        *("proofValue", "domain", "challenge", "nonce", "previousProof"),
    }
)
_PROOF_VALUE_CHARACTERS_MAX = 160  # 96 bytes in base58btc

# Maps the URL of a verification method to a public key (documents.keys), or raises CredentialError.
KeyOf = Callable[[str], bytes]
ContextsByUrl = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Suite:
    """One row of the table of algorithms: how a document becomes bytes, and who can sign them."""

    name: str  # proof.cryptosuite, or proof.type of the kind that has no cryptosuite
    proof_type: str
    canonical: Literal["jcs", "rdfc"]
    hashes: Mapping[str, str]  # by kind of key
    check: Callable[[bytes, bytes, bytes], None]  # (public key, signature, message): SignatureInvalid
    signs: bool = True


@dataclass(frozen=True, slots=True)
class ProofResult:
    """A proof that holds. Whether its controller is the issuer, and its key valid, is another question."""

    verification_method: str
    controller: str
    purpose: str
    created: int | None  # seconds; the signer chose it
    expires: int | None
    cryptosuite: str
    # What was signed, without proofs: a JCS suite signs the contexts that the proof repeats, and the
    # document may carry more of them (vc-di-eddsa, 3.3.2).
    document: Mapping[str, Any]
    id: str | None = None
    previous: tuple[str, ...] = ()


def add_proof(
    document: Mapping[str, Any],
    suite: Suite,
    signer: Signer,
    created: str,
    *,
    purpose: str = ASSERTION,
    contexts: ContextsByUrl | None = None,
    members: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return `document` with one more proof by `signer`, whose key id becomes the verification method.

    `members` are further members of the proof: id, previousProof, expires, domain, challenge, nonce
    (vc-data-integrity, 2.1). A suite on RDF needs `contexts`.
    """
    parse_date_time(created, "proof.created")
    if not suite.signs:
        raise CredentialError("unsupported_algorithm", f"Proofs of {suite.name} are verified here, not made.")
    proof, kind = _begun_proof(suite, signer, created, purpose)
    proofs = _proofs(document) if "proof" in document else []
    unsecured = _with_proof_context({name: value for name, value in document.items() if name != "proof"})
    if proofs and unsecured.get("@context") != document.get("@context"):
        malformed("@context does not define the terms of the proofs the document already has")
    proof |= members or {}
    if suite.canonical == "jcs" and "@context" in unsecured:
        proof["@context"] = unsecured["@context"]
    previous = _previous(proof, proofs)
    signed = {**unsecured, "proof": previous} if previous else unsecured
    if suite.canonical == "rdfc" and contexts is not None:
        require_names(signed, contexts)  # what would be refused is not made
    signature = signer.sign(hash_data(suite, kind, signed, proof, contexts))
    proof["proofValue"] = base58btc_encode(signature)
    return {**unsecured, "proof": [*proofs, proof] if proofs else proof}


def add_first_proofs(
    documents: Sequence[Mapping[str, Any]], suite: Suite, signer: Signer, created: str
) -> list[tuple[dict[str, Any], bytes]]:
    """Return each of `documents`, which have no proof yet, with one of a JCS suite, and its digest.

    As `add_proof` and `digest_document` for each by itself. Members that several share, the same object, are
    written once, and what is digested is put together from what was signed.
    """
    assert suite.canonical == "jcs", "on RDF nothing is put together from members"
    parse_date_time(created, "proof.created")
    base, kind = _begun_proof(suite, signer, created, ASSERTION)
    digest = getattr(hashlib, suite.hashes[kind])
    written = _Written()
    made = []
    for document in documents:
        assert "proof" not in document, "a first proof"
        unsecured = _with_proof_context(dict(document))
        contexts = unsecured.get("@context")
        proof = base if contexts is None else {**base, "@context": contexts}
        parts = {name: written.member(name, value) for name, value in unsecured.items()}
        options = {name: written.member(name, value) for name, value in proof.items()}
        signed = (digest(jcs_of_members(members)).digest() for members in (options, parts))
        value = base58btc_encode(signer.sign(b"".join(signed)))
        options["proofValue"] = jcs_member("proofValue", value)
        whole = jcs_of_members({**parts, "proof": b'"proof":' + jcs_of_members(options)})
        made.append(({**unsecured, "proof": {**proof, "proofValue": value}}, hashlib.sha256(whole).digest()))
    return made


class _Written:
    """Members in canonical form: one that several documents have, the same object, is written once."""

    def __init__(self) -> None:
        self._texts: dict[str, list[tuple[object, bytes]]] = {}

    def member(self, name: str, value: JSON) -> bytes:
        """`"name":value`; looked up by the object that it is: to compare it would cost as much."""
        texts = self._texts.setdefault(name, [])
        for known, text in texts:
            if known is value:
                return text
        texts.append((value, jcs_member(name, value)))
        return texts[-1][1]


def _begun_proof(suite: Suite, signer: Signer, created: str, purpose: str) -> tuple[dict[str, Any], str]:
    """The members that every proof by this signer has, and the kind of its key."""
    proof = {
        "type": suite.proof_type,
        "cryptosuite": suite.name,
        "created": created,
        "verificationMethod": signer.key_id,
        "proofPurpose": purpose,
    }
    kind = kind_of(signer.public_key)
    if kind not in suite.hashes:
        raise CredentialError(
            "unsupported_algorithm", f"A key of kind {kind} makes no proofs of {suite.name}."
        )
    return proof, kind


def verify_proofs(
    document: Mapping[str, Any],
    suites: Mapping[str, Suite],
    public_key_of: KeyOf,
    *,
    purpose: str = ASSERTION,
    contexts: ContextsByUrl | None = None,
    domain: str | None = None,
    challenge: str | None = None,
) -> tuple[ProofResult, ...]:
    """Verify every proof of `document` (vc-data-integrity, 4.4), and return them in their order.

    Raises CredentialError: `proof_missing`, `malformed` for a proof that is none, `invalid_signature` for one
    that does not hold; and only where no proof failed so, `unsupported_algorithm` or what `public_key_of`
    said, for one that cannot be judged here.
    """
    proofs = _proofs(document)
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    results: list[ProofResult] = []
    undecided: CredentialError | None = None
    for proof in proofs:
        try:
            suite = _suite_of(proof, suites)
            previous = _previous(proof, proofs)
            signed = {**unsecured, "proof": previous} if previous else unsecured
            for name, expected in (("domain", domain), ("challenge", challenge)):
                if expected is not None and proof.get(name) not in (expected, [expected]):
                    _invalid(f"The proof's {name} is not the one that was asked for.")
            results.append(
                _verify_one(signed, proof, suite, public_key_of, purpose=purpose, contexts=contexts)
            )
        except CredentialError as error:
            if error.code not in UNDECIDED:
                raise
            undecided = undecided or error
    if undecided is not None:
        raise undecided
    return tuple(results)


def hash_data(
    suite: Suite,
    kind: str,
    unsecured: Mapping[str, Any],
    options: Mapping[str, Any],
    contexts: ContextsByUrl | None = None,
) -> bytes:
    """Return the bytes that are signed (vc-di-eddsa and vc-di-ecdsa, 3.3.4): the options' hash first."""
    digest = getattr(hashlib, suite.hashes[kind])
    return b"".join(
        digest(canonical_form(suite, kind, part, contexts)).digest()
        for part in (proof_config(suite, unsecured, options), unsecured)
    )


def proof_config(suite: Suite, unsecured: Mapping[str, Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the proof as it is canonicalised (vc-di-eddsa, 3.2.5): on RDF with the document's contexts."""
    if suite.canonical == "jcs" or "@context" not in unsecured:
        return options
    return {**options, "@context": unsecured["@context"]}


def canonical_form(
    suite: Suite, kind: str, value: Mapping[str, Any], contexts: ContextsByUrl | None = None
) -> bytes:
    """Return the canonical bytes of a document or a proof under a suite."""
    if suite.canonical == "jcs":
        return jcs(dict(value))
    if contexts is None:
        raise CredentialError("unsupported_algorithm", f"Proofs of {suite.name} need JSON-LD contexts.")
    return rdfc(value, contexts, hash_name=suite.hashes[kind])


def _verify_one(
    signed: Mapping[str, Any],
    proof: Mapping[str, Any],
    suite: Suite,
    public_key_of: KeyOf,
    *,
    purpose: str,
    contexts: ContextsByUrl | None,
) -> ProofResult:
    for name in ("verificationMethod", "proofPurpose", "proofValue"):
        if not isinstance(proof.get(name), str):
            malformed(f"proof.{name} must be a text (vc-data-integrity, 2.1)")
    if suite.canonical == "rdfc" and not proof.keys() <= _MEMBERS:
        # On RDF `expires` under its IRI or under an alias would be signed as well, and not be seen.
        malformed("a proof on RDF has no other members than those of vc-data-integrity, 2.1")
    created, expires = (
        parse_date_time(proof[name], f"proof.{name}", "4.12; vc-data-integrity, 2.1")
        if _says(proof, name)
        else None
        for name in ("created", "expires")
    )
    if proof["proofPurpose"] != purpose:
        _invalid(f"The proof was made for {proof['proofPurpose'][:80]!a}, not for {purpose}.")
    method = proof["verificationMethod"]
    controller = controller_of_proof(method)
    signature = base58btc_decode(
        proof["proofValue"], "proof.proofValue", characters_max=_PROOF_VALUE_CHARACTERS_MAX
    )
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    if "@context" in options:
        _require_beginning(suite, options["@context"], signed.get("@context"))
        signed = {**signed, "@context": options["@context"]}
    public_key = public_key_of(method)
    kind = kind_of(public_key)
    if kind not in suite.hashes:
        _invalid(f"The key {method[:80]!a} is of kind {kind}, which makes no proofs of {suite.name}.")
    try:
        suite.check(public_key, signature, hash_data(suite, kind, signed, options, contexts))
    except SignatureInvalid as error:
        raise CredentialError(
            "invalid_signature", "The document was altered after it was signed, or was signed by another key."
        ) from error
    if suite.canonical == "rdfc" and contexts is not None:
        require_names(signed, contexts)
    return ProofResult(
        method,
        controller,
        proof["proofPurpose"],
        created,
        expires,
        suite.name,
        {name: value for name, value in signed.items() if name != "proof"},
        proof.get("id"),
        tuple(_names(proof)),
    )


def _proofs(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    proofs = document.get("proof")
    if proofs is None or proofs == [None]:
        raise CredentialError("proof_missing", "The document is not signed: it has no proof.")
    listed = [proof for proof in proofs if proof is not None] if isinstance(proofs, list) else [proofs]
    if not listed or not all(isinstance(proof, dict) and proof for proof in listed):
        malformed("proof must be an object or a list of objects (vc-data-integrity, 2.1)")
    if len(listed) > PROOFS_MAX:
        malformed(f"the document has {len(listed)} proofs; at most {PROOFS_MAX} are read")
    names = [proof["id"] for proof in listed if _says(proof, "id")]
    if not all(is_url(name) for name in names) or len(set(names)) != len(names):
        malformed("proof.id must be a URL that no other proof has (vc-data-integrity, 2.1)")
    return listed


def _says(proof: Mapping[str, Any], name: str) -> bool:
    """False for a member that is not there, null or an empty list: signed as it stands, it says nothing."""
    value = proof.get(name)
    return value is not None and value != []


def _suite_of(proof: Mapping[str, Any], suites: Mapping[str, Suite]) -> Suite:
    proof_type = proof.get("type")
    name = proof.get("cryptosuite") if proof_type == PROOF_TYPE else proof_type
    if not isinstance(name, str):
        malformed("proof.type and proof.cryptosuite must be texts (vc-data-integrity, 2.1)")
    suite = suites.get(name)
    if suite is None or suite.proof_type != proof_type:
        raise CredentialError("unsupported_algorithm", f"Proofs of {name[:80]!a} cannot be verified here.")
    return suite


def _names(proof: Mapping[str, Any]) -> list[str]:
    """The ids in `previousProof`: a text or a list of texts (vc-data-integrity, 2.1)."""
    if not _says(proof, "previousProof"):
        return []
    value = proof["previousProof"]
    names = value if isinstance(value, list) else [value]
    if (
        not names
        or not all(isinstance(name, str) and name for name in names)
        or len(set(names)) != len(names)
    ):
        malformed("proof.previousProof must be the id of a proof or a list of such (vc-data-integrity, 2.1)")
    return names


def _previous(proof: Mapping[str, Any], proofs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The proofs that `proof` was made after, complete, in the order it names them (4.4, step 3)."""
    by_id = {other["id"]: other for other in proofs if _says(other, "id") and other is not proof}
    missing = [name for name in _names(proof) if name not in by_id]
    if missing:
        _invalid(f"The proof comes after the proof {missing[0][:80]!a}, which the document does not have.")
    return [by_id[name] for name in _names(proof)]


def _with_proof_context(unsecured: dict[str, Any]) -> dict[str, Any]:
    """Add the context that defines proofs where none does (vc-data-integrity, 2.4.2)."""
    if "@context" not in unsecured:
        return unsecured
    value = unsecured["@context"]
    listed = value if isinstance(value, list) else [value]
    if any(name in listed for name in _DEFINES_PROOFS):
        return unsecured
    return {**unsecured, "@context": [*listed, DATA_INTEGRITY_V2]}


def _require_beginning(suite: Suite, signed: object, contexts: object) -> None:
    """The document's contexts begin with those that were signed (vc-di-eddsa, 3.3.2; vc-di-ecdsa, 3.3.2).

    On RDF a proof needs none of its own: the document's are used, and other ones would be ignored.
    """
    ours, theirs = (value if isinstance(value, list) else [value] for value in (contexts, signed))
    if (ours[: len(theirs)] if suite.canonical == "jcs" else ours) != theirs:
        _invalid("The document's @context does not begin with the signed @context.")


def _invalid(sentence: str) -> NoReturn:
    raise CredentialError("invalid_signature", sentence)
