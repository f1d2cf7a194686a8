"""Multikey, did:key and did:web: official vectors, strict texts."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from credentials.errors import CredentialError
from credentials.keys import (
    did_document,
    did_key,
    did_key_decode,
    did_key_document,
    did_key_url,
    did_web_url,
    multikey_decode,
    multikey_encode,
    require_did,
    split_did_url,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "did-key" / "ed25519-x25519.json").read_text())
SEEDED = {did: vector for did, vector in VECTORS.items() if "seed" in vector}
KEY = bytes(range(32))


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


@pytest.mark.parametrize(
    "text", ["zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv", "z82LkvR3CBNkb9tUVps4GhGpNvEVP6vW"]
)
def test_other_kinds_of_keys(text: str) -> None:
    """
    A key of a kind that is not built is unsupported, which is not invalid.
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
    ["did:web:maker.example", "did:web:maker.example#", "#a", "https://a.example#b", "did:web:a.example#b c"],
)
def test_did_urls(url: str) -> None:
    """
    A verification method is named by DID and fragment.
    """
    assert split_did_url("did:web:maker.example#credential-1") == ("did:web:maker.example", "credential-1")
    with pytest.raises(CredentialError):
        split_did_url(url)


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
