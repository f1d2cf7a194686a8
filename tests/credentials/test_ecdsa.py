"""The suites on ECDSA: the W3C vectors with every intermediate value, Wycheproof, deterministic signing."""

import hashlib
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import base58
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.cose import SeedSigner, SignatureInvalid
from credentials.documents import suites
from credentials.documents.canonical import Contexts
from credentials.documents.keys import P256, P384, P521, did_key_decode, did_key_url, multikey_decode
from credentials.documents.suites import ecdsa, integrity
from credentials.documents.suites.ecdsa import EcdsaSigner, secret_from_seed, verify_ecdsa
from credentials.errors import CredentialError
from node.config import contexts

VECTORS = Path(__file__).parents[1] / "vectors" / "vc-di-ecdsa"
UNSIGNED: dict[str, Any] = json.loads((VECTORS / "unsigned.json").read_text())
CONTEXTS = Contexts(contexts())
CREATED = "2026-06-18T00:00:00Z"
# folder: (suite, kind of key, ending of the file names, key file, bytes before the secret)
PUBLISHED = {
    "ecdsa-jcs-2019-p256": (ecdsa.JCS_2019, P256, "JCSECDSAP256", "p256KeyPair.json", b"\x86\x26"),
    "ecdsa-jcs-2019-p384": (ecdsa.JCS_2019, P384, "JCSECDSAP384", "p384KeyPair.json", b"\x87\x26"),
    "ecdsa-rdfc-2019-p256": (ecdsa.RDFC_2019, P256, "ECDSAP256", "p256KeyPair.json", b"\x86\x26"),
    "ecdsa-rdfc-2019-p384": (ecdsa.RDFC_2019, P384, "ECDSAP384", "p384KeyPair.json", b"\x87\x26"),
}
WYCHEPROOF = json.loads(
    (
        Path(__file__).parents[1] / "vectors" / "wycheproof" / "ecdsa_secp256r1_sha256_p1363_test.json"
    ).read_text()
)
CASES = [(group, case) for group in WYCHEPROOF["testGroups"] for case in group["tests"]]
CURVES = {P256: 32, P384: 48, P521: 66}


def signer(kind: str, seed: bytes = b"\x05" * 32) -> EcdsaSigner:
    return EcdsaSigner("did:web:maker.example#credential-1", kind, secret_from_seed(kind, seed))


@pytest.mark.parametrize("folder", PUBLISHED)
def test_vector_step_by_step(folder: str) -> None:
    """
    Canonical forms, hashes, the deterministic signature and the document are ours, byte by byte.
    """
    suite, kind, ending, key_file, prefix = PUBLISHED[folder]
    keys = json.loads((VECTORS / key_file).read_text())

    def text(name: str) -> str:
        return (VECTORS / folder / f"{name}{ending}.txt").read_text().strip()

    published = json.loads((VECTORS / folder / f"signed{ending}.json").read_text())
    config = json.loads((VECTORS / folder / f"proofConfig{ending}.json").read_text())
    secret = base58.b58decode(keys["secretKeyMultibase"][1:])
    assert secret.startswith(prefix)
    maker = EcdsaSigner(config["verificationMethod"], kind, secret[2:])

    signed = suites.sign(UNSIGNED, maker, config["created"], cryptosuite=suite.name, contexts=CONTEXTS)

    canonical, proof = (
        integrity.canonical_form(suite, kind, value, CONTEXTS) for value in (UNSIGNED, config)
    )
    assert maker.public_key == multikey_decode(keys["publicKeyMultibase"], [kind])
    assert maker.key_id == did_key_url(maker.public_key)
    assert canonical.decode().strip() == text("canonDoc")
    assert proof.decode().strip() == text("proofCanon")
    assert hashlib.new(suite.hashes[kind], canonical).hexdigest() == text("docHash")
    assert hashlib.new(suite.hashes[kind], proof).hexdigest() == text("proofHash")
    assert integrity.hash_data(suite, kind, UNSIGNED, config, CONTEXTS).hex() == text("combinedHash")
    assert signed["proof"]["proofValue"] == text("sigBTC58")
    assert base58.b58decode(signed["proof"]["proofValue"][1:]).hex() == text("sigHex")
    assert signed == published
    (result,) = suites.verify(published, did_key_decode, contexts=CONTEXTS)
    assert (result.cryptosuite, result.document) == (suite.name, UNSIGNED)


@pytest.mark.parametrize(
    ("group", "case"), CASES, ids=[f"{case['tcId']} {case['comment'][:40]}" for _, case in CASES]
)
def test_wycheproof(group: dict[str, Any], case: dict[str, Any]) -> None:
    """
    Valid signatures verify and invalid ones do not: r and s out of range, of other sizes, special points.
    """
    key = bytes.fromhex(group["publicKey"]["uncompressed"])
    public_key = bytes([2 + key[-1] % 2]) + key[1:33]
    message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])

    if case["result"] == "valid":
        verify_ecdsa(public_key, signature, message)
    else:
        with pytest.raises(SignatureInvalid):
            verify_ecdsa(public_key, signature, message)


@pytest.mark.parametrize("kind", CURVES)
def test_signing_is_deterministic(kind: str) -> None:
    """
    One message has one signature by one key (RFC 6979), of twice the field's size, and it verifies.
    """
    maker = signer(kind)

    signature = maker.sign(b"a passport")

    assert signature == signer(kind).sign(b"a passport") != maker.sign(b"another")
    assert len(signature) == 2 * CURVES[kind]
    verify_ecdsa(maker.public_key, signature, b"a passport")
    with pytest.raises(SignatureInvalid):
        verify_ecdsa(signer(kind, b"\x06" * 32).public_key, signature, b"a passport")


def test_rfc_6979() -> None:
    """
    The signature of RFC 6979, A.2.5 (P-256, SHA-256, "sample") is ours.
    """
    secret = bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")

    signature = EcdsaSigner("did:web:maker.example#k", P256, secret).sign(b"sample")

    assert signature.hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )


@pytest.mark.parametrize("kind", CURVES)
def test_secrets_out_of_range(kind: str) -> None:
    """
    Zero, the order of the group and a text of another size are no secret.
    """
    size = CURVES[kind]
    for secret in (bytes(size), b"\xff" * size, bytes(size - 1), b"\x01" * (size + 1)):
        with pytest.raises(CredentialError, match="secret"):
            EcdsaSigner("did:web:maker.example#k", kind, secret)


def test_der_is_no_signature() -> None:
    """
    A signature in DER, as most libraries return it, is refused.
    """
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    maker = signer(P256)
    raw = maker.sign(b"x")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    with pytest.raises(SignatureInvalid):
        verify_ecdsa(maker.public_key, der, b"x")


@pytest.mark.parametrize("suite", ["ecdsa-jcs-2019", "ecdsa-rdfc-2019"])
@pytest.mark.parametrize("kind", [P256, P384])
def test_key_of_another_kind(suite: str, kind: str) -> None:
    """
    A proof is judged with its suite's kind of key; P-521 and Ed25519 make no such proofs.
    """
    maker = signer(kind)
    signed = suites.sign(UNSIGNED, maker, CREATED, cryptosuite=suite, contexts=CONTEXTS)
    ed25519 = SeedSigner(maker.key_id, b"\x01" * 32)

    assert suites.verify(signed, lambda url: maker.public_key, contexts=CONTEXTS)
    for other in (
        ed25519.public_key,
        signer(P521).public_key,
        signer(P384 if kind == P256 else P256).public_key,
    ):
        with pytest.raises(CredentialError) as caught:
            suites.verify(signed, lambda url, key=other: key, contexts=CONTEXTS)  # type: ignore[misc]
        assert caught.value.code == "invalid_signature"
    for wrong in (ed25519, signer(P521)):
        with pytest.raises(CredentialError) as caught:
            suites.sign(UNSIGNED, wrong, CREATED, cryptosuite=suite, contexts=CONTEXTS)
        assert caught.value.code == "unsupported_algorithm"


@settings(max_examples=50)
@given(st.sampled_from([P256, P384]), st.binary(min_size=32, max_size=32), st.integers(0, 767), st.booleans())
def test_every_bit_of_a_signature_counts(kind: str, seed: bytes, bit: int, jcs: bool) -> None:
    """
    With any one bit of a proofValue turned over, the proof does not hold.
    """
    maker = signer(kind, seed)
    suite = "ecdsa-jcs-2019" if jcs else "ecdsa-rdfc-2019"
    signed = suites.sign(UNSIGNED, maker, CREATED, cryptosuite=suite, contexts=CONTEXTS)
    signature = bytearray(base58.b58decode(signed["proof"]["proofValue"][1:]))
    bit %= 8 * len(signature)
    signature[bit // 8] ^= 1 << bit % 8
    signed["proof"]["proofValue"] = "z" + base58.b58encode(bytes(signature)).decode()

    with pytest.raises(CredentialError) as caught:
        suites.verify(signed, lambda url: maker.public_key, contexts=CONTEXTS)

    assert caught.value.code == "invalid_signature"


def test_a_seed_stands_for_the_secret_that_it_always_did() -> None:
    """
    Of a key store only seeds are kept: another secret for one would be another key of the participant.
    """
    made = {kind: secret_from_seed(kind, bytes(range(32))) for kind in (P256, P384)}

    assert {kind: sha256(secret).hexdigest()[:16] for kind, secret in made.items()} == {
        P256: "2d60062af4d21fc3",
        P384: "b5a25fea1786a3ae",
    }
