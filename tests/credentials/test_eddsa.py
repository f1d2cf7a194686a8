"""The suites on Ed25519: the W3C vectors with every intermediate value, and each way a proof can fail."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey
from pyld import jsonld

from consensus.cose import SeedSigner
from credentials.documents import suites
from credentials.documents.canonical import Contexts, jcs
from credentials.documents.keys import did_key_decode, did_key_url, multikey_decode, multikey_encode
from credentials.documents.suites import eddsa, integrity
from credentials.errors import CredentialError
from node.config import contexts

VECTORS = Path(__file__).parents[1] / "vectors" / "vc-di-eddsa"
JCS = VECTORS / "eddsa-jcs-2022"
UNSIGNED: dict[str, Any] = json.loads((VECTORS / "unsigned.json").read_text())
SIGNED: dict[str, Any] = json.loads((JCS / "signedJCS.json").read_text())
KEYS = json.loads((VECTORS / "keyPair.json").read_text())
SIGNER = SeedSigner("did:web:maker.example#credential-1", b"\x01" * 32)
CREATED = "2026-06-18T00:00:00Z"
RDFC = VECTORS / "eddsa-rdfc-2022"
CONTEXTS = Contexts(contexts())
ED25519_2020 = "https://w3id.org/security/suites/ed25519-2020/v1"


def text(name: str, folder: Path = JCS) -> str:
    return (folder / name).read_text().strip()


def key_of(url: str) -> bytes:
    assert url == SIGNER.key_id
    return SIGNER.public_key


def vector_signer() -> SeedSigner:
    seed = base58.b58decode(KEYS["privateKeyMultibase"][1:])
    assert seed[:2] == b"\x80\x26"
    return SeedSigner(SIGNED["proof"]["verificationMethod"], seed[2:])


def test_vector_step_by_step() -> None:
    """
    Canonical forms, hashes, signature and document of the specification's example are ours, byte by byte.
    """
    config = json.loads((JCS / "proofConfigJCS.json").read_text())
    signer = vector_signer()

    signed = eddsa.sign(UNSIGNED, signer, config["created"])

    assert multikey_encode(signer.public_key) == KEYS["publicKeyMultibase"]
    assert jcs(UNSIGNED).decode() == text("canonDocJCS.txt")
    assert jcs(config).decode() == text("proofCanonJCS.txt")
    assert hashlib.sha256(jcs(config)).hexdigest() == text("proofHashJCS.txt")
    assert hashlib.sha256(jcs(UNSIGNED)).hexdigest() == text("docHashJCS.txt")
    assert integrity.hash_data(eddsa.JCS_2022, "Ed25519", UNSIGNED, config).hex() == text(
        "combinedHashJCS.txt"
    )
    assert signed["proof"]["proofValue"] == text("sigBTC58JCS.txt")
    assert base58.b58decode(signed["proof"]["proofValue"][1:]).hex() == text("sigHexJCS.txt")
    assert signed == SIGNED


def test_vector_step_by_step_rdfc() -> None:
    """
    So it is for eddsa-rdfc-2022: canonical N-Quads, hashes and signature, byte by byte.
    """
    config = json.loads((RDFC / "proofConfigDataInt.json").read_text())
    published = json.loads((RDFC / "signedDataInt.json").read_text())
    suite = eddsa.RDFC_2022

    signed = suites.sign(
        UNSIGNED, vector_signer(), config["created"], cryptosuite="eddsa-rdfc-2022", contexts=CONTEXTS
    )

    canonical = integrity.canonical_form(suite, "Ed25519", UNSIGNED, CONTEXTS)
    proof = integrity.canonical_form(suite, "Ed25519", config, CONTEXTS)
    assert canonical.decode().strip() == text("canonDocDataInt.txt", RDFC)
    assert proof.decode().strip() == text("proofCanonDataInt.txt", RDFC)
    assert hashlib.sha256(canonical).hexdigest() == text("docHashDataInt.txt", RDFC)
    assert hashlib.sha256(proof).hexdigest() == text("proofHashDataInt.txt", RDFC)
    both = integrity.hash_data(suite, "Ed25519", UNSIGNED, config, CONTEXTS)
    assert both.hex() == text("combinedHashDataInt.txt", RDFC)
    assert signed["proof"]["proofValue"] == text("sigBTC58DataInt.txt", RDFC)
    assert base58.b58decode(signed["proof"]["proofValue"][1:]).hex() == text("sigHexDataInt.txt", RDFC)
    assert signed == published
    assert suites.verify(published, did_key_decode, contexts=CONTEXTS)[0].cryptosuite == "eddsa-rdfc-2022"


def signed_by_others_2020(document: dict[str, Any]) -> dict[str, Any]:
    """An Ed25519Signature2020 made with pyld and PyNaCl, as its specification describes it."""
    key = SigningKey(b"\x07" * 32)
    proof = {
        "type": "Ed25519Signature2020",
        "created": CREATED,
        "verificationMethod": did_key_url(bytes(key.verify_key)),
        "proofPurpose": "assertionMethod",
    }

    def load(url: str, options: object) -> dict[str, Any]:
        return {"documentUrl": url, "contextUrl": None, "document": contexts()[url]}

    def digest(value: dict[str, Any]) -> bytes:
        quads = jsonld.normalize(
            value, {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": load}
        )
        return hashlib.sha256(quads.encode()).digest()

    message = digest({**proof, "@context": document["@context"]}) + digest(document)
    signature = base58.b58encode(key.sign(message).signature).decode()
    return {**document, "proof": {**proof, "proofValue": "z" + signature}}


def test_ed25519_signature_2020() -> None:
    """
    What others signed with Ed25519Signature2020 verifies; altered it does not; none is made here.
    """
    document = {**UNSIGNED, "@context": [*UNSIGNED["@context"], ED25519_2020]}

    signed = signed_by_others_2020(document)

    (result,) = suites.verify(signed, did_key_decode, contexts=CONTEXTS)
    assert (result.cryptosuite, result.document) == ("Ed25519Signature2020", document)
    with pytest.raises(CredentialError) as caught:
        suites.verify({**signed, "name": "Another"}, did_key_decode, contexts=CONTEXTS)
    assert caught.value.code == "invalid_signature"
    with pytest.raises(CredentialError) as caught:
        suites.sign(document, SIGNER, CREATED, cryptosuite="Ed25519Signature2020", contexts=CONTEXTS)
    assert caught.value.code == "unsupported_algorithm"


def test_vector_verifies() -> None:
    """
    The published document verifies; its controller, which is not its issuer, is reported apart.
    """
    result = eddsa.verify(SIGNED, did_key_decode)

    assert result.verification_method == did_key_url(multikey_decode(KEYS["publicKeyMultibase"]))
    assert result.controller == "did:key:" + KEYS["publicKeyMultibase"] != SIGNED["issuer"]
    assert (result.purpose, result.created, result.expires) == ("assertionMethod", 1677281798, None)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for name in value for leaf in leaves(value[name], (*path, name))]
    if isinstance(value, list):
        return [leaf for place, item in enumerate(value) for leaf in leaves(item, (*path, place))]
    return [path]


@pytest.mark.parametrize("path", leaves(SIGNED), ids=lambda p: ".".join(map(str, p)))
def test_every_member_is_protected(path: tuple[Any, ...]) -> None:
    """
    Changing any single value, in the document or in the proof, makes verification fail.
    """
    altered = copy.deepcopy(SIGNED)
    target: Any = altered
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] += "x"

    with pytest.raises(CredentialError):
        eddsa.verify(altered, did_key_decode)


def test_added_and_removed_members() -> None:
    """
    A member more or less, in the document or in the proof, is an invalid signature.
    """
    signed = eddsa.sign(UNSIGNED, SIGNER, CREATED)
    variants = [
        {**signed, "extra": 1},
        {name: value for name, value in signed.items() if name != "name"},
        {**signed, "proof": {**signed["proof"], "domain": "a.example"}},
        {**signed, "proof": {name: value for name, value in signed["proof"].items() if name != "created"}},
        {**signed, "proof": {name: value for name, value in signed["proof"].items() if name != "@context"}},
    ]

    for variant in variants:
        with pytest.raises(CredentialError) as caught:
            eddsa.verify(variant, key_of)
        assert caught.value.code == "invalid_signature"


def test_order_and_number_form_do_not_matter() -> None:
    """
    The signature is over values: member order and 1.0 for 1 are the same document.
    """
    signed = eddsa.sign({"a": 1, "b": {"c": 2.5, "d": []}}, SIGNER, CREATED)

    again = {"proof": dict(reversed(signed["proof"].items())), "b": {"d": [], "c": 2.5}, "a": 1.0}

    assert eddsa.verify(again, key_of).controller == "did:web:maker.example"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cryptosuite": "eddsa-rdfc-2022"}, "unsupported_algorithm"),
        ({"cryptosuite": "ecdsa-jcs-2019"}, "unsupported_algorithm"),
        ({"cryptosuite": "sm2-2023"}, "unsupported_algorithm"),
        ({"type": "Ed25519Signature2020"}, "unsupported_algorithm"),
        ({"type": "JsonWebSignature2020", "proofValue": None, "jws": "e..s"}, "unsupported_algorithm"),
        ({"previousProof": "urn:uuid:1"}, "invalid_signature"),
        ({"previousProof": []}, "invalid_signature"),
        ({"previousProof": [1]}, "malformed"),
        ({"previousProof": None}, "invalid_signature"),
        ({"id": 1}, "malformed"),
        ({"type": "eddsa-jcs-2022"}, "unsupported_algorithm"),
        ({"cryptosuite": None}, "malformed"),
        ({"type": 1}, "malformed"),
        ({"proofValue": None}, "malformed"),
        ({"proofValue": "u" + "A" * 86}, "malformed"),
        ({"proofValue": "z" + "1" * 63}, "invalid_signature"),
        ({"proofValue": "z" + "0" * 64}, "malformed"),
        ({"proofValue": "z" + "2" * 100_000}, "malformed"),
        ({"proofValue": SIGNED["proof"]["proofValue"] + " "}, "malformed"),
        ({"proofValue": SIGNED["proof"]["proofValue"]}, "invalid_signature"),
        ({"proofPurpose": "authentication"}, "invalid_signature"),
        ({"proofPurpose": ["assertionMethod"]}, "malformed"),
        ({"verificationMethod": "did:web:maker.example"}, "issuer_key_mismatch"),
        ({"verificationMethod": {"id": "did:web:maker.example#credential-1"}}, "malformed"),
        ({"created": "2026-06-18"}, "structure_invalid"),
        ({"created": "2026-06-18T00:00:00"}, "structure_invalid"),
        ({"created": "2026-02-30T00:00:00Z"}, "structure_invalid"),
        ({"created": 1781740800}, "structure_invalid"),
        ({"expires": "soon"}, "structure_invalid"),
        ({"@context": []}, "invalid_signature"),
        ({"@context": ["https://www.w3.org/ns/credentials/examples/v2"]}, "invalid_signature"),
    ],
    ids=str,
)
def test_proofs_refused(changes: dict[str, Any], code: str) -> None:
    """
    What cannot be judged here is unsupported, what is no proof is malformed: neither is called invalid.
    """
    signed = eddsa.sign(UNSIGNED, SIGNER, CREATED)
    signed["proof"].update(changes)

    with pytest.raises(CredentialError) as caught:
        eddsa.verify(signed, key_of)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (None, "proof_missing"),
        ({}, "malformed"),
        ([], "malformed"),
        ("x", "malformed"),
        ([None], "proof_missing"),
        ([{**SIGNED["proof"], "id": "urn:a"}] * 2, "malformed"),
        ({**SIGNED["proof"], "id": "the first"}, "malformed"),
        ({**SIGNED["proof"], "id": 7}, "malformed"),
        ([SIGNED["proof"]] * 17, "malformed"),
        ([SIGNED["proof"], 1], "malformed"),
    ],
    ids=[
        *("null", "object", "list", "text", "list of null", "one id twice", "id no URL", "id a number"),
        *("17 proofs", "proof and number"),
    ],
)
def test_documents_without_one_proof(proof: Any, code: str) -> None:
    """
    No proof, too many, or something else in its place: each its own outcome.
    """
    with pytest.raises(CredentialError) as caught:
        eddsa.verify({**UNSIGNED, "proof": proof}, did_key_decode)

    assert caught.value.code == code


def test_list_of_one_proof() -> None:
    """
    A list of one proof is one proof.
    """
    assert eddsa.verify({**SIGNED, "proof": [SIGNED["proof"]]}, did_key_decode) == eddsa.verify(
        SIGNED, did_key_decode
    )


def test_contexts_may_be_appended_only() -> None:
    """
    As the specification has it, the document's contexts begin with the signed ones; verified are the latter.
    """
    signed = SIGNED["@context"]

    result = eddsa.verify({**SIGNED, "@context": [*signed, "https://a.example/v1"]}, did_key_decode)

    assert result.document == UNSIGNED
    for other in ([signed[1], signed[0]], signed[:1], ["https://a.example/v1", *signed]):
        with pytest.raises(CredentialError, match="The document's @context does not begin with the signed"):
            eddsa.verify({**SIGNED, "@context": other}, did_key_decode)


def test_key_resolver_decides_who_is_known() -> None:
    """
    What the resolver says about an unknown key is passed on.
    """

    def unknown(url: str) -> bytes:
        raise CredentialError("issuer_unknown", f"{url} is not on the ledger.")

    with pytest.raises(CredentialError) as caught:
        eddsa.verify(eddsa.sign(UNSIGNED, SIGNER, CREATED), unknown)

    assert caught.value.code == "issuer_unknown"


def test_small_order_key() -> None:
    """
    A key of small order, under which forged signatures hold in some libraries, verifies nothing.
    """
    document = {
        **UNSIGNED,
        "proof": {**SIGNED["proof"], "proofValue": "z" + base58.b58encode(b"\x01" + bytes(63)).decode()},
    }

    with pytest.raises(CredentialError) as caught:
        eddsa.verify(document, lambda url: b"\x01" + bytes(31))

    assert caught.value.code == "invalid_signature"


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.integers(-9, 9) | st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_round_trip(claims: dict[str, Any]) -> None:
    """
    Whatever the claims, what is signed verifies.
    """
    claims.pop("proof", None)

    assert eddsa.verify(eddsa.sign(claims, SIGNER, CREATED), key_of).created == 1781740800


@given(
    st.dictionaries(
        st.sampled_from([*SIGNED["proof"], "expires", "previousProof"]),
        st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3)) | st.just({}),
    )
)
def test_any_proof(changes: dict[str, Any]) -> None:
    """
    Whatever stands in a proof's members, the answer is a result or a CredentialError.
    """
    document = {**SIGNED, "proof": {**SIGNED["proof"], **changes}}

    try:
        eddsa.verify(document, did_key_decode)
    except CredentialError as error:
        assert changes and str(error).endswith(".")
    else:
        assert document == SIGNED
