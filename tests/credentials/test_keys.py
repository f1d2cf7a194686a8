"""Multikey, JWK, did:key and did:web: official vectors, strict texts."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.did_documents import did_document, did_key_document, method_key
from credentials.documents.keys import (
    ED25519,
    KINDS,
    P256,
    P384,
    P521,
    base58btc_decode,
    base58btc_encode,
    controller_of_proof,
    did_key,
    did_key_decode,
    did_key_url,
    did_web_url,
    jwk_decode,
    jwk_encode,
    kind_of,
    multikey_decode,
    multikey_encode,
    require_did,
)
from credentials.documents.suites.ecdsa import EcdsaSigner, secret_from_seed
from credentials.errors import CredentialError
from tests.consensus.test_cose import SMALL_ORDER

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "did-key" / "ed25519-x25519.json").read_text())
SEEDED = {did: vector for did, vector in VECTORS.items() if "seed" in vector}
NIST = json.loads((Path(__file__).parents[1] / "vectors" / "did-key" / "nist-curves.json").read_text())
KEY = bytes(range(32))
KEYS = {ED25519: KEY} | {
    kind: EcdsaSigner("did:web:maker.example#k", kind, secret_from_seed(kind, KEY)).public_key
    for kind in (P256, P384, P521)
}
DID = "did:web:maker.example"


@dataclass(frozen=True)
class Key:
    role: str
    id: str
    public: bytes


@dataclass(frozen=True)
class Maker:
    did: str
    keys: tuple[Key, ...]


@pytest.mark.parametrize("did", SEEDED)
def test_did_key_vectors(did: str) -> None:
    """
    The published seeds give the published DIDs, key ids and verification relationships.
    """
    public = bytes(SigningKey(bytes.fromhex(SEEDED[did]["seed"])).verify_key)
    published = SEEDED[did]["didDocument"]

    document = did_key_document(did)

    assert did_key(public) == did
    assert did_key_decode(did) == public
    assert did_key_decode(did_key_url(public)) == public
    assert document["id"] == published["id"]
    for purpose in ("assertionMethod", "authentication", "capabilityInvocation", "capabilityDelegation"):
        assert document[purpose] == published[purpose] == [did_key_url(public)]


@given(st.binary(min_size=32, max_size=32))
def test_multikey_round_trip(public: bytes) -> None:
    """
    Every key has one Multikey, and it begins with z6Mk.
    """
    text = multikey_encode(public)

    assert text.startswith("z6Mk")
    assert multikey_decode(text) == public


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        multikey_encode(KEY)[1:],
        "u" + multikey_encode(KEY)[1:],
        multikey_encode(KEY) + " ",
        multikey_encode(KEY) + "\n",
        " " + multikey_encode(KEY),
        "z1" + multikey_encode(KEY)[1:],
        multikey_encode(KEY)[:-1],
        multikey_encode(KEY) + "2",
        multikey_encode(KEY).replace("6", "0", 1),
        "z6Mk" + "\u0660" * 40,
        "z" + "1" * 100_000,
    ],
)
def test_multikey_is_strict(text: str) -> None:
    """
    A second text for a key, a cut or padded one, and an unreasonably long one are malformed.
    """
    with pytest.raises(CredentialError) as caught:
        multikey_decode(text)

    assert caught.value.code == "malformed"


def multicodec(code: int) -> bytes:
    """The unsigned varint of a number."""
    low, rest = code & 0x7F, code >> 7
    return bytes([low | 0x80]) + multicodec(rest) if rest else bytes([low])


@pytest.mark.parametrize(
    ("code", "size", "name"),
    [
        *((0xE7, 33, "secp256k1"), (0xEA, 48, "BLS12-381"), (0xEB, 96, "BLS12-381"), (0xEC, 32, "X25519")),
        *((0x1203, 57, "Ed448"), (0x1205, 270, "RSA"), (0x1205, 526, "RSA"), (0x1206, 33, "SM2")),
        *((0x1210, 1312, "ML-DSA"), (0x1212, 2592, "ML-DSA"), (0xEB51, 90, "JWK"), (0x122B, 64, "SLH-DSA")),
    ],
)
@pytest.mark.parametrize("base", ["z", "u"])
def test_keys_of_other_kinds_are_not_malformed(code: int, size: int, name: str, base: str) -> None:
    """
    A key of a kind that is known and not built is unsupported, whatever its size: nothing is wrong with it.
    """
    data = multicodec(code) + b"\x07" * size
    text = base58btc_encode(data) if base == "z" else "u" + b64u(data)

    for read in (multikey_decode, lambda text: require_did(f"did:key:{text}")):
        with pytest.raises(CredentialError, match=name) as caught:
            read(text)
        assert caught.value.code == "unsupported_algorithm"
    assert controller_of_proof(f"did:key:{text}#{text}") == f"did:key:{text}"


@pytest.mark.parametrize(
    "data", [b"", b"\xe7", b"\xe7\x01", b"\xe7\x81", b"\xff" * 9, b"\xe7\x81\x00x", b"\x00x"]
)
def test_what_begins_with_no_multicodec_is_no_key(data: bytes) -> None:
    """
    A number that is cut, too long, padded, or of nothing that is a key, and one with no key after it.
    """
    with pytest.raises(CredentialError) as caught:
        multikey_decode("u" + b64u(data))

    assert caught.value.code == "malformed"


@pytest.mark.parametrize("did", NIST)
def test_did_key_vectors_nist(did: str) -> None:
    """
    The published JWKs (or base58 keys) on P-256, P-384 and P-521 give the published DIDs, and the other way.
    """
    method = NIST[did]["verificationMethod"]
    if "publicKeyJwk" in method:
        public = jwk_decode(method["publicKeyJwk"])
        secret = method["privateKeyJwk"]
        signer = EcdsaSigner("did:web:maker.example#k", secret["crv"], b64u_decode(secret["d"]))
        assert jwk_encode(public) == method["publicKeyJwk"]
        assert signer.public_key == public
    else:
        public = base58.b58decode(method["publicKeyBase58"])

    assert did_key(public) == did
    assert did_key_decode(did) == did_key_decode(did_key_url(public)) == public
    assert did_key_document(did)["assertionMethod"] == [did_key_url(public)]
    assert did_key_document(did)["id"] == NIST[did]["didDocument"]["id"]


def test_a_public_key_of_no_known_size_is_malformed() -> None:
    """
    By its size alone nobody knows which kind it would be.
    """
    with pytest.raises(CredentialError, match="A public key of 7 bytes is of no known kind") as caught:
        kind_of(bytes(7))

    assert caught.value.code == "malformed"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_every_form(kind: str) -> None:
    """
    Multikey, JWK and did:key of one key are the same key; the Multikey begins as its kind does.
    """
    public = KEYS[kind]

    assert kind_of(public) == kind
    assert multikey_encode(public).startswith(KINDS[kind].beginning)
    assert multikey_decode(multikey_encode(public), KINDS) == public
    assert jwk_decode(jwk_encode(public)) == public
    assert did_key_decode(did_key(public)) == public
    require_did(did_key(public))


@pytest.mark.parametrize("kind", [P256, P384, P521])
def test_points_that_are_none(kind: str) -> None:
    """
    A coordinate off the curve or beyond its field, and an uncompressed point, are malformed.
    """
    size = KINDS[kind].size_bytes
    numbers = jwk_encode(KEYS[kind])
    uncompressed = b"\x04" + b64u_decode(numbers["x"]) + b64u_decode(numbers["y"])
    off_the_curve = next(
        data for number in range(1, 50) if not _is_point(data := b"\x02" + number.to_bytes(size - 1, "big"))
    )

    for data in (
        off_the_curve,
        b"\x02" + b"\xff" * (size - 1),
        b"\x05" + KEYS[kind][1:],
        uncompressed,
        bytes(size),
    ):
        text = "z" + base58.b58encode(KINDS[kind].multicodec + data).decode()
        with pytest.raises(CredentialError) as caught:
            multikey_decode(text, KINDS)
        assert caught.value.code == "malformed"


def _is_point(data: bytes) -> bool:
    try:
        multikey_decode(multikey_encode(data), KINDS)
    except CredentialError:
        return False
    return True


def jwk(kind: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**jwk_encode(KEYS[kind]), **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "malformed"),
        ([], "malformed"),
        ({}, "unsupported_algorithm"),
        (jwk(P256, crv="secp256k1"), "unsupported_algorithm"),
        (jwk(P256, crv=["P-256"]), "unsupported_algorithm"),
        (jwk(P256, kty="OKP"), "unsupported_algorithm"),
        (jwk(ED25519, kty="EC"), "unsupported_algorithm"),
        ({"kty": "oct", "k": "AAAA"}, "unsupported_algorithm"),
        ({"kty": "RSA", "n": "AAAA", "e": "AQAB"}, "unsupported_algorithm"),
        (jwk(P256, d="AAAA"), "malformed"),
        (jwk(ED25519, d=b64u(KEY)), "malformed"),
        (jwk(P256, y=None), "malformed"),
        (jwk(P256, x=1), "malformed"),
        (jwk(P256, x=b64u(b64u_decode(jwk_encode(KEYS[P256])["x"])[:-1])), "malformed"),
        (jwk(P256, x=b64u(bytes(1) + b64u_decode(jwk_encode(KEYS[P256])["x"]))), "malformed"),
        (jwk(P256, y=jwk_encode(KEYS[P256])["x"]), "malformed"),
        (jwk(P256, x=jwk_encode(KEYS[P256])["x"] + "="), "malformed"),
        (jwk(P384, **{"crv": "P-256"}), "malformed"),
        (jwk(ED25519, x=b64u(KEY[:-1])), "malformed"),
        (jwk(P256, use="enc"), "malformed"),
        (jwk(P256, key_ops=["deriveBits"]), "malformed"),
    ],
    ids=lambda value: json.dumps(value)[:40] if not isinstance(value, str) else value,
)
def test_jwk_is_strict(value: object, code: str) -> None:
    """
    A secret key, coordinates of another size or off the curve, and another use are refused.
    """
    with pytest.raises(CredentialError) as caught:
        jwk_decode(value)

    assert caught.value.code == code


def test_jwk_members_that_do_not_matter() -> None:
    """
    Names and uses of a JWK that fit are read over.
    """
    assert jwk_decode(jwk(P256, kid="1", alg="ES256", use="sig", key_ops=["verify"])) == KEYS[P256]


def fetched(
    method: dict[str, Any], purpose: str = "assertionMethod", *, inline: bool = False
) -> dict[str, Any]:
    return {"id": DID, "verificationMethod": [method], purpose: [method if inline else method["id"]]}


def a_method(**changes: Any) -> dict[str, Any]:
    multikey = {"type": "Multikey", "publicKeyMultibase": multikey_encode(KEYS[P256])}
    return {"id": f"{DID}#k", "controller": DID, **multikey, **changes}


def test_key_in_a_fetched_document() -> None:
    """
    A key is found by its full or relative name, beside or inside the list of its purpose.
    """
    as_jwk = a_method(type="JsonWebKey", publicKeyJwk=jwk(P384), publicKeyMultibase=None)

    assert method_key(fetched(a_method()), f"{DID}#k", "assertionMethod", 0) == KEYS[P256]
    assert method_key(fetched(a_method(), inline=True), f"{DID}#k", "assertionMethod", 0) == KEYS[P256]
    assert method_key(fetched(a_method(id="#k")), f"{DID}#k", "assertionMethod", 0) == KEYS[P256]
    assert method_key(fetched(as_jwk), f"{DID}#k", "assertionMethod", 0) == KEYS[P384]
    until = a_method(expires="2027-01-01T00:00:00Z")
    assert method_key(fetched(until), f"{DID}#k", "assertionMethod", 1798761599) == KEYS[P256]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "issuer_document_invalid"),
        ({**fetched(a_method()), "id": "did:web:other.example"}, "issuer_document_invalid"),
        (fetched(a_method(), "authentication"), "issuer_key_mismatch"),
        (fetched(a_method(id=f"{DID}#other")), "issuer_key_mismatch"),
        (fetched(a_method(controller="did:web:other.example")), "issuer_key_mismatch"),
        ({"id": DID, "assertionMethod": [f"{DID}#k"]}, "issuer_document_invalid"),
        (
            {"id": DID, "assertionMethod": ["#k"], "verificationMethod": {"id": "#j"}},
            "issuer_document_invalid",
        ),
        ({"id": DID, "assertionMethod": 1, "verificationMethod": "x"}, "issuer_document_invalid"),
        ({"id": DID, "verificationMethod": [a_method()]}, "issuer_key_mismatch"),
        (fetched(a_method(controller=None)), "issuer_document_invalid"),
        (fetched(a_method(controller=[DID])), "issuer_document_invalid"),
        (
            {
                **fetched(a_method()),
                "verificationMethod": [a_method(), a_method(publicKeyMultibase=multikey_encode(KEY))],
            },
            "issuer_document_invalid",
        ),
        (fetched(a_method(revoked="2026-01-01T00:00:00Z")), "key_not_valid"),
        (fetched(a_method(expires="2027-01-01T00:00:00Z")), "key_not_valid"),
        (fetched(a_method(expires="soon")), "issuer_document_invalid"),
        (fetched(a_method(type="X509")), "unsupported_algorithm"),
        (fetched(a_method(publicKeyMultibase=None)), "issuer_document_invalid"),
        (fetched(a_method(publicKeyMultibase=None, publicKeyBase58="5K")), "issuer_document_invalid"),
        (fetched(a_method(type="Ed25519VerificationKey2018")), "unsupported_algorithm"),
        (fetched(a_method(type="Ed25519VerificationKey2020")), "unsupported_algorithm"),
        (fetched(a_method(publicKeyMultibase="z6Mk")), "issuer_document_invalid"),
        (fetched(a_method(type="JsonWebKey")), "issuer_document_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_key_not_in_a_fetched_document(document: dict[str, Any], code: str) -> None:
    """
    A key of another controller, for another purpose, revoked or expired is not used.
    """
    with pytest.raises(CredentialError) as caught:
        method_key(document, f"{DID}#k", "assertionMethod", 1798761600)

    assert caught.value.code == code


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_a_fetched_key_of_small_order_is_the_fault_of_its_document(key: str) -> None:
    """
    No signature is one of it, which says nothing of what was signed; however the point is written.
    """
    text = multikey_encode(bytes.fromhex(key))

    with pytest.raises(CredentialError) as caught:
        method_key(fetched(a_method(publicKeyMultibase=text)), f"{DID}#k", "assertionMethod", 0)

    assert caught.value.code == "issuer_document_invalid" and "small order" in str(caught.value)


def test_who_controls_a_key_is_told() -> None:
    """
    A key that its document gives to another is told as that, and one that is named twice alike is one key.
    """
    with pytest.raises(CredentialError, match=r"controlled by 'did:web:other.example', not by") as caught:
        method_key(fetched(a_method(controller="did:web:other.example")), f"{DID}#k", "assertionMethod", 0)
    twice = {**fetched(a_method()), "assertionMethod": [f"{DID}#k", "#k", a_method()]}

    assert caught.value.code == "issuer_key_mismatch"
    assert method_key(twice, DID, "assertionMethod", 0) == KEYS[P256]


@pytest.mark.parametrize(
    "text",
    [
        "zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
        "z82LkvR3CBNkb9tUVps4GhGpNvEVP6vW",
        "z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",
        "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
    ],
)
def test_other_kinds_of_keys(text: str) -> None:
    """
    A key of a kind that is not asked for, or not built, is unsupported, which is not invalid.
    """
    with pytest.raises(CredentialError) as caught:
        multikey_decode(text)

    assert caught.value.code == "unsupported_algorithm"


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:maker.example", "https://maker.example/.well-known/did.json"),
        ("did:web:maker.example:line:two", "https://maker.example/line/two/did.json"),
        ("did:web:localhost%3A8443", "https://localhost:8443/.well-known/did.json"),
        ("did:web:maker.example%3A8443:line", "https://maker.example:8443/line/did.json"),
    ],
)
def test_did_web_url(did: str, url: str) -> None:
    """
    The document of a did:web lies where the method says.
    """
    assert did_web_url(did) == url


@pytest.mark.parametrize(
    "did",
    [
        "did:web:",
        "did:web:Maker.example",
        "did:web:maker..example",
        "did:web:-maker.example",
        "did:web:maker.example%3a8443",
        "did:web:maker.example%3A",
        "did:web:maker.example%3A99999",
        "did:web:maker.example%3A\u0661",
        "did:web:maker.example:..",
        "did:web:maker.example:",
        "did:web:maker.example:a/b",
        "did:web:maker.example/a",
        "did:web:user@maker.example",
        "did:web:m\u0430ker.example",
        "did:web:maker.example?x",
        "did:web:" + "a" * 1000,
        "did:key:z6Mk",
    ],
)
def test_did_web_is_strict(did: str) -> None:
    """
    A did:web that names no plain host and path is refused.
    """
    with pytest.raises(CredentialError):
        did_web_url(did)


@pytest.mark.parametrize(
    "url",
    ["did:web:maker.example", "did:web:maker.example#", "#a", "a.example#b", "did:web:a.example#b c", ""],
)
def test_methods_of_proofs(url: str) -> None:
    """
    A verification method is a URL (CID 1.0, 2.2); a DID names one by its fragment only: without, it is a
    URL that names no key, and nothing about it is malformed.
    """
    assert controller_of_proof("did:web:maker.example#credential-1") == "did:web:maker.example"
    assert controller_of_proof("https://maker.example/1#key") == "https://maker.example/1"
    assert controller_of_proof("https://maker.example/keys/1") == "https://maker.example/keys/1"
    with pytest.raises(CredentialError) as caught:
        controller_of_proof(url)
    assert caught.value.code == ("issuer_key_mismatch" if url.startswith("did:web:m") else "malformed")


@pytest.mark.parametrize(
    ("did", "code"),
    [
        ("https://maker.example/issuers/1", "issuer_unknown"),
        ("urn:uuid:1b2c3d4e-0000-4000-8000-000000000002", "issuer_unknown"),
        ("did:web:maker.example?versionId=1", "issuer_unknown"),
        ("did:web:maker.example/path", "issuer_unknown"),
        ("did:web:Maker.Example", "issuer_unknown"),
        ("did:web:maker.example%3a8443", "issuer_unknown"),
        ("did:web:my_host.example", "issuer_unknown"),
        ("did:web:maker.example.", "issuer_unknown"),
        ("did:web:%5B%3A%3A1%5D", "issuer_unknown"),
        ("did:web:maker.example:a%20b", "issuer_unknown"),
        ("did:web:maker.example:..", "issuer_unknown"),
        ("did:web:" + "a" * 1000, "issuer_unknown"),
        ("did:key:1.1:z6MkukYtiUsYk67JUPCHNrFe65jkXipRbCHk2krYn2fgf9Hq", "issuer_unknown"),
        ("did:web:", "malformed"),
        ("maker.example", "malformed"),
        ("did:web:a b", "malformed"),
    ],
)
def test_whose_keys_are_not_looked_up(did: str, code: str) -> None:
    """
    A lawful URL is an unknown issuer, what is no URL at all is malformed.
    """
    with pytest.raises(CredentialError) as caught:
        require_did(did)
    assert caught.value.code == code


def test_a_did_with_one_key_names_it() -> None:
    """
    The bare DID stands for the only key listed under a purpose; of none or several a kid must name one.
    """
    assert method_key(fetched(a_method()), DID, "assertionMethod", 0) == KEYS[P256]
    two = fetched(a_method())
    two["assertionMethod"] = [*two["assertionMethod"], a_method(id=f"{DID}#other")]
    for document in (two, fetched(a_method(), "authentication")):
        with pytest.raises(CredentialError, match="a kid must name one") as caught:
            method_key(document, DID, "assertionMethod", 0)
        assert caught.value.code == "issuer_key_mismatch"


def test_did_methods_not_supported() -> None:
    """
    A DID of another method names an unknown issuer; it is not malformed.
    """
    with pytest.raises(CredentialError) as caught:
        require_did("did:example:abcdefgh")

    assert caught.value.code == "issuer_unknown"


def test_did_document_shows_asserting_keys_only() -> None:
    """
    The document lists the keys for credentials and attestations, never votes or transport.
    """
    did = "did:web:maker.example"
    roles = ("vote", "attest", "credential", "cosign", "log", "transport")
    maker = Maker(did, tuple(Key(role, f"{did}#{role}-1", KEY) for role in roles))

    document = did_document(maker)

    assert document["assertionMethod"] == [f"{did}#attest-1", f"{did}#credential-1"]
    assert [method["id"] for method in document["verificationMethod"]] == document["assertionMethod"]
    assert {multikey_decode(method["publicKeyMultibase"]) for method in document["verificationMethod"]} == {
        KEY
    }


def test_did_document_with_keys_of_every_kind() -> None:
    """
    A participant's document shows credential keys of every kind, and each is found in it again.
    """
    maker = Maker(DID, tuple(Key("credential", f"{DID}#{kind}", KEYS[kind]) for kind in KINDS))

    document = did_document(maker)

    for kind in KINDS:
        assert method_key(document, f"{DID}#{kind}", "assertionMethod", 0) == KEYS[kind]


def test_no_two_texts_are_read_as_the_same_bytes() -> None:
    """
    Every text of the base58btc alphabet is the form of the bytes it is read as (20,000 seeded texts).
    """
    rng = random.Random(58)
    alphabet = base58.BITCOIN_ALPHABET.decode()

    for _ in range(20_000):
        text = "z" + "1" * rng.randint(0, 3) + "".join(rng.choices(alphabet, k=rng.randint(1, 90)))
        assert base58btc_encode(base58btc_decode(text, "text")) == text


def test_bytes_are_written_as_the_library_writes_them() -> None:
    """
    2,000 seeded byte strings of every length, zeros before and in them, have the text that base58 gives them.
    """
    rng = random.Random(5858)

    for number in range(2_000):
        data = bytes(rng.randint(0, 4)) + rng.randbytes(number % 140) + bytes(rng.randint(0, 2))
        assert base58btc_encode(data) == "z" + base58.b58encode(data).decode()
