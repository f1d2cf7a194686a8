"""JWT credentials and presentations: the W3C inputs, every algorithm, and what must be refused."""

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.cose import SeedSigner, Signer
from credentials.documents.canonical import b64u, b64u_decode, jcs
from credentials.documents.keys import (
    ED25519,
    P256,
    P384,
    P521,
    did_key,
    did_key_decode,
    did_key_url,
    jwk_decode,
)
from credentials.documents.suites import jose
from credentials.documents.suites.ecdsa import EcdsaSigner, secret_from_seed
from credentials.errors import CredentialError

VECTORS = Path(__file__).parents[1] / "vectors" / "vc-jose-cose"
V2 = "https://www.w3.org/ns/credentials/v2"
ALGORITHMS = {ED25519: "Ed25519", P256: "ES256", P384: "ES384", P521: "ES512"}
SIGNED = {  # text: (media type, key, why it is refused)
    "credential-jose-minimal": ("vc+jwt", "vm-p256", None),
    "credential-issuer-match-signed": ("vc+jwt", "vm-ed25519", None),
    "credential-jose-unknown-extensions": ("vc+jwt", "vm-p521", None),
    "presentation-jose-multiple": ("vp+jwt", "vm-p384", None),
    "credential-jose-bad-signature": ("vc+jwt", "vm-ed25519", "invalid_signature"),
    "credential-jose-bad-media-type": ("vc+jwt", "vm-ed25519", "malformed"),
    "credential-jose-vc-vp-claims": ("vc+jwt", "vm-ed25519", "structure_invalid"),
    "presentation-jose-bad-media-type": ("vp+jwt", "vm-ed25519", "malformed"),
    "presentation-jose-bad-credential": ("vp+jwt", "vm-ed25519", "structure_invalid"),
}
DOCUMENTS = {
    "credential-minimal": "vc+jwt",
    "credential-full": "vc+jwt",
    "credential-unknown-extensions": "vc+jwt",
    "presentation-single": "vp+jwt",
    "presentation-multiple": "vp+jwt",
}
KEYS = sorted(path.stem for path in VECTORS.glob("vm-*.json"))


def method(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return value


def vector_signer(name: str) -> Signer:
    secret = method(name)["secretKeyJwk"]
    data = b64u_decode(secret["d"])
    url = method(name)["id"]
    return SeedSigner(url, data) if secret["crv"] == ED25519 else EcdsaSigner(url, secret["crv"], data)


def maker(kind: str) -> Signer:
    def make(url: str) -> Signer:
        if kind == ED25519:
            return SeedSigner(url, b"\x09" * 32)
        return EcdsaSigner(url, kind, secret_from_seed(kind, b"\x09" * 32))

    return make(did_key_url(make("").public_key))


def credential(signer: Signer) -> dict[str, Any]:
    return {
        "@context": [V2],
        "id": "urn:uuid:1",
        "type": ["VerifiableCredential"],
        "issuer": did_key(signer.public_key),
        "credentialSubject": {"id": "urn:a", "name": "A battery"},
    }


def altered(text: str, change: Callable[[dict[str, Any], dict[str, Any]], None], signer: Signer) -> str:
    """The JWT with header and payload changed, and signed again by `signer`."""
    header, payload = (json.loads(b64u_decode(part)) for part in text.split(".")[:2])
    change(header, payload)
    signed = f"{b64u(jcs(header))}.{b64u(jcs(payload))}"
    return f"{signed}.{b64u(signer.sign(signed.encode()))}"


def refused(text: str, media_type: jose.MediaType = "vc+jwt", key_of: Any = did_key_decode) -> str:
    with pytest.raises(CredentialError) as caught:
        jose.verify_jwt(text, key_of, media_type=media_type)
    assert caught.value.message.endswith(".")
    return caught.value.code


@pytest.mark.parametrize("name", SIGNED)
def test_vectors(name: str) -> None:
    """
    The W3C inputs verify, or are refused for the reason they were made for.
    """
    media_type, key, code = SIGNED[name]
    asked: list[str] = []

    def key_of(url: str) -> bytes:
        asked.append(url)
        return jwk_decode(method(key)["publicKeyJwk"])

    text = (VECTORS / f"{name}.txt").read_text().strip()

    if code is None:
        result = jose.verify_jwt(text, key_of, media_type=media_type)  # type: ignore[arg-type]
        assert asked == [f"https://example.issuer/vc-jose-cose#{method(key)['publicKeyJwk']['kid']}"]
        assert result.controller == "https://example.issuer/vc-jose-cose"
        assert result.document.get("issuer", result.document.get("holder")) == result.claims["iss"]
        assert "iat" not in result.document
    else:
        assert refused(text, media_type, key_of) == code  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("key", KEYS)
def test_documents_of_the_vectors(name: str, key: str) -> None:
    """
    Each W3C document is signed with each W3C key and read again unchanged.
    """
    document = json.loads((VECTORS / f"{name}.json").read_text())
    media_type: Literal["vc+jwt", "vp+jwt"] = "vp+jwt" if DOCUMENTS[name] == "vp+jwt" else "vc+jwt"

    text = jose.sign_jwt(document, vector_signer(key), media_type=media_type)

    result = jose.verify_jwt(text, lambda url: vector_signer(key).public_key, media_type=media_type)
    assert result.document == document
    assert result.verification_method == method(key)["id"]


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_the_vectors(key: str) -> None:
    """
    The public half of each secret JWK is the published one.
    """
    assert jwk_decode(method(key)["publicKeyJwk"]) == vector_signer(key).public_key


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_round_trip(kind: str) -> None:
    """
    A key's kind chooses the fully specified algorithm; the times come back as seconds.
    """
    signer = maker(kind)

    text = jose.sign_jwt(credential(signer), signer, claims={"iat": 1781740800, "exp": 1781740900.5})

    result = jose.verify_jwt(text, did_key_decode)
    assert json.loads(b64u_decode(text.split(".")[0])) == {
        "alg": ALGORITHMS[kind],
        "cty": "vc",
        "kid": signer.key_id,
        "typ": "vc+jwt",
    }
    assert result.document == credential(signer)
    assert (result.created, result.not_before, result.expires) == (1781740800, None, 1781740900)
    assert result.controller == credential(signer)["issuer"]


def test_generic_eddsa_is_read_not_written() -> None:
    """
    `EdDSA` verifies with an Ed25519 key; what is made says Ed25519.
    """
    signer = maker(ED25519)
    text = altered(
        jose.sign_jwt(credential(signer), signer), lambda header, _: header.update(alg="EdDSA"), signer
    )

    assert jose.verify_jwt(text, did_key_decode).algorithm == "EdDSA"
    assert [name for name, algorithm in jose.BY_NAME.items() if not algorithm.signs] == ["EdDSA"]


@pytest.mark.parametrize("kind", ALGORITHMS)
@pytest.mark.parametrize("name", [*jose.BY_NAME, "HS256", "HS384", "HS512", "none", "None", "nOnE"])
def test_algorithm_confusion(kind: str, name: str) -> None:
    """
    A key verifies under its own algorithm only: no other, none at all, and never as a shared secret.
    """
    signer = maker(kind)
    right = {ALGORITHMS[kind]} | ({"EdDSA"} if kind == ED25519 else set())
    text = altered(
        jose.sign_jwt(credential(signer), signer), lambda header, _: header.update(alg=name), signer
    )

    if name in right:
        assert jose.verify_jwt(text, did_key_decode)
    else:
        assert refused(text) == "invalid_signature"
        assert refused(text.rpartition(".")[0] + ".") == "invalid_signature"


@pytest.mark.parametrize("name", ["RS256", "PS256", "ES256K", "Ed448", "ML-DSA-44", "SM2", "", "es256"])
def test_algorithms_not_in_the_table(name: str) -> None:
    """
    An algorithm that is not in the table is unsupported, which is not invalid.
    """
    signer = maker(P256)
    text = altered(
        jose.sign_jwt(credential(signer), signer), lambda header, _: header.update(alg=name), signer
    )

    assert refused(text) == "unsupported_algorithm"


HEADERS: dict[str, tuple[dict[str, Any], str | None]] = {
    "crit": ({"crit": ["exp"], "exp": 1}, "malformed"),
    "empty crit": ({"crit": []}, "malformed"),
    "crit b64": ({"crit": ["b64"], "b64": False}, "malformed"),
    "b64 false": ({"b64": False}, "malformed"),
    "b64 true": ({"b64": True}, "malformed"),
    "no alg": ({"alg": None}, "malformed"),
    "alg list": ({"alg": ["ES256"]}, "malformed"),
    "typ of any JWT": ({"typ": "JWT"}, None),
    "typ of another kind": ({"typ": "at+jwt"}, "malformed"),
    "typ null": ({"typ": None}, "malformed"),
    "typ of presentations": ({"typ": "vp+jwt"}, "malformed"),
    "typ not text": ({"typ": 1}, "malformed"),
    "other cty": ({"cty": "vp"}, "malformed"),
    "kid not text": ({"kid": 1}, "malformed"),
    "kid empty": ({"kid": ""}, "malformed"),
    "kid of another": ({"kid": did_key_url(maker(P384).public_key)}, "invalid_signature"),
    "kid unknown": ({"kid": "did:example:a#b"}, "issuer_key_mismatch"),
    "typ in full": ({"typ": "application/vc+jwt"}, None),
    "typ in capitals": ({"typ": "VC+JWT"}, None),
    "key brought along": ({"jwk": {"kty": "oct", "k": "AAAA"}, "jku": "https://keys.example"}, None),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name: str) -> None:
    """
    A header that changes what is signed or how is refused; keys that it brings along are not looked at.
    """
    changes, code = HEADERS[name]
    signer = maker(P256)
    text = altered(
        jose.sign_jwt(credential(signer), signer), lambda header, _: header.update(changes), signer
    )

    if code is None:
        assert jose.verify_jwt(text, did_key_decode).document == credential(signer)
    else:
        assert refused(text) == code


def test_kid_is_optional_for_a_did_key() -> None:
    """
    Without kid, typ and cty the issuer is asked for; its did:key is its key.
    """
    signer = maker(P256)

    def strip(header: dict[str, Any], _: object) -> None:
        for name in ("kid", "typ", "cty"):
            del header[name]

    text = altered(jose.sign_jwt(credential(signer), signer), strip, signer)

    result = jose.verify_jwt(text, did_key_decode)
    assert result.verification_method == result.controller == did_key(signer.public_key)


PAYLOADS: dict[str, tuple[dict[str, Any], str]] = {
    "vc claim": ({"vc": {}}, "structure_invalid"),
    "vp claim": ({"vp": None}, "structure_invalid"),
    "other iss": ({"iss": "did:web:other.example"}, "structure_invalid"),
    "other jti": ({"jti": "urn:uuid:2"}, "structure_invalid"),
    "other sub": ({"sub": "urn:b"}, "structure_invalid"),
    "iss not text": ({"iss": 1}, "structure_invalid"),
    "exp not a time": ({"exp": "soon"}, "malformed"),
    "nbf a number as text": ({"nbf": "1704067200"}, "malformed"),
    "iat a day that is none": ({"iat": "2027-02-30T00:00:00Z"}, "malformed"),
    "exp true": ({"exp": True}, "malformed"),
    "exp null": ({"exp": None}, "malformed"),
    "nbf before year 1": ({"nbf": -62135596801}, "malformed"),
    "iat huge": ({"iat": 1e300}, "malformed"),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_payloads(name: str) -> None:
    """
    A payload that contradicts itself, or tells no time, is refused however well it is signed.
    """
    changes, code = PAYLOADS[name]
    signer = maker(P256)
    text = altered(
        jose.sign_jwt(credential(signer), signer), lambda _, payload: payload.update(changes), signer
    )

    assert refused(text) == code


@pytest.mark.parametrize("claim", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("told", ["soon", "1704067200", "", "2027-02-30T00:00:00Z", None, [], -1e300, 1e300])
def test_a_time_of_a_jwt_is_told_as_what_it_must_be(claim: str, told: object) -> None:
    """
    A NumericDate is a number of seconds (RFC 7519, 2): what is none is told as that, not as a member of VCDM.
    """
    signer = maker(P256)
    text = altered(
        jose.sign_jwt(credential(signer), signer), lambda _, payload: payload.update({claim: told}), signer
    )

    with pytest.raises(CredentialError) as error:
        jose.read_envelope(jose.envelop(text)).verify(did_key_decode)

    assert error.value.code == "malformed"
    assert f"{claim} must be a number of seconds since 1970 (RFC 7519, 2)" in str(error.value)
    assert "dateTimeStamp" not in str(error.value)


def test_document_with_a_vc_claim_is_not_signed() -> None:
    """
    What would be refused is not made.
    """
    signer = maker(P256)
    with pytest.raises(CredentialError):
        jose.sign_jwt({**credential(signer), "vc": {}}, signer)


def mangled() -> dict[str, str]:
    signer = maker(P256)
    text = jose.sign_jwt(credential(signer), signer)
    header, payload, signature = text.split(".")
    raw = b64u_decode(signature)
    twice = b'{"alg":"none",' + b64u_decode(header)[1:]
    return {
        "empty": "",
        "two parts": f"{header}.{payload}",
        "four parts": f"{text}.",
        "no signature": f"{header}.{payload}.",
        "padding": f"{header}=.{payload}.{signature}",
        "padded signature": text + "==",
        "standard base64": f"{header}.{payload}.{signature[:-1]}+",
        "white space": f"{header}.{payload} .{signature}",
        "new line": text + "\n",
        "spare bits": f"{header}.{payload}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
        "not ASCII": text.replace("e", "\u0435", 1),
        "alg twice": f"{b64u(twice)}.{payload}.{signature}",
        "header a list": f"{b64u(b'[]')}.{payload}.{signature}",
        "payload a text": f"{header}.{b64u(b'1')}.{signature}",
        "not JSON": f"{header}.{b64u(b'{')}.{signature}",
        "not UTF-8": f"{header}.{b64u(bytes([255]))}.{signature}",
        "huge": "A" * (1 << 20) + f".{payload}.{signature}",
        "short signature": f"{header}.{payload}.{b64u(raw[:-1])}",
        "long signature": f"{header}.{payload}.{b64u(raw + bytes(1))}",
        "JSON serialisation": json.dumps(
            {"protected": header, "payload": payload, "signature": signature, "signatures": []}
        ),
        "headers swapped": f"{payload}.{header}.{signature}",
        "zeros": f"{header}.{payload}.{b64u(bytes(64))}",
    }


@pytest.mark.parametrize("name", mangled())
def test_texts_refused(name: str) -> None:
    """
    Exactly one text is read for one JWT, and what is none is refused with a sentence.
    """
    code = (
        "invalid_signature"
        if name in ("no signature", "short signature", "long signature", "zeros")
        else "malformed"
    )

    assert refused(mangled()[name]) == code


@settings(max_examples=200)
@given(st.text("abcXYZ019-_.={} \n\u00e9", max_size=80))
def test_any_text(text: str) -> None:
    """
    Whatever the text, the answer is a CredentialError.
    """
    refused(text)


def test_presentation() -> None:
    """
    Audience and nonce are the ones asked for; the items are envelopes and are opened one by one.
    """
    signer = maker(P384)
    item = jose.envelop(jose.sign_jwt(credential(signer), signer))
    presentation = {
        "@context": [V2],
        "type": "VerifiablePresentation",
        "holder": did_key(signer.public_key),
        "verifiableCredential": [item],
    }

    text = jose.sign_jwt(
        presentation, signer, media_type="vp+jwt", claims={"aud": "shop.example", "nonce": "1f44d55f"}
    )

    envelope = jose.envelop(text, "vp+jwt")
    result = jose.read_envelope(envelope).verify(did_key_decode, audience="shop.example", nonce="1f44d55f")
    assert result.document == presentation
    inner = jose.read_envelope(result.document["verifiableCredential"][0]).verify(did_key_decode)
    assert inner.document == credential(signer)
    for audience, nonce in (("other.example", None), (None, "0")):
        with pytest.raises(CredentialError) as caught:
            jose.read_envelope(envelope).verify(did_key_decode, audience=audience, nonce=nonce)
        assert caught.value.code == "invalid_signature"
    with pytest.raises(CredentialError):
        jose.sign_jwt(
            {**presentation, "verifiableCredential": [credential(signer)]}, signer, media_type="vp+jwt"
        )


def envelope() -> dict[str, Any]:
    signer = maker(P256)
    return jose.envelop(jose.sign_jwt(credential(signer), signer))


ENVELOPES: dict[str, tuple[dict[str, Any], str | None]] = {
    "as it is": ({}, None),
    "list of one context": ({"@context": [V2]}, None),
    "list of one type": ({"type": ["EnvelopedVerifiableCredential"]}, None),
    "another context": ({"@context": "https://www.w3.org/2018/credentials/v1"}, "structure_invalid"),
    "one context more": ({"@context": [V2, "https://a.example"]}, None),
    "one context before it": ({"@context": ["https://a.example", V2]}, None),
    "a context of its own": ({"@context": [V2, {"issuer": "https://a.example/x"}]}, None),
    "without the base context": ({"@context": ["https://a.example"]}, "structure_invalid"),
    "no context": ({"@context": None}, "structure_invalid"),
    "two types": (
        {"type": ["EnvelopedVerifiableCredential", "VerifiableCredential"]},
        "structure_invalid",
    ),
    "presentation": ({"type": "EnvelopedVerifiablePresentation"}, "structure_invalid"),
    "a member more": ({"issuer": "did:web:other.example"}, "structure_invalid"),
    "id not data": ({"id": "https://a.example/vc"}, "structure_invalid"),
    "id missing": ({"id": None}, "structure_invalid"),
    "id a list": ({"id": ["data:application/vc+jwt,a.b.c"]}, "structure_invalid"),
    "no comma": ({"id": "data:application/vc+jwt"}, "structure_invalid"),
    "no text": ({"id": "data:application/vc+jwt,"}, "structure_invalid"),
    "no media type": ({"id": "data:,a.b.c"}, "structure_invalid"),
    "another media type": ({"id": "data:text/plain,a.b.c"}, "structure_invalid"),
    "not base64": ({"id": "data:application/vc+jwt;base64,a.b.c"}, "malformed"),
    "a parameter without a value": ({"id": "data:application/vc+jwt;utf-8,a.b.c"}, "structure_invalid"),
    "a media type that is none": ({"id": "data:application/vc jwt,a.b.c"}, "structure_invalid"),
    "members that say nothing": ({"name": None, "evidence": []}, None),
    "media type of presentations": ({"id": "data:application/vp+jwt,a.b.c"}, "structure_invalid"),
    "media type without its tree": ({"id": "data:vc+jwt,a.b.c"}, "structure_invalid"),
    "scheme in capitals": ({"id": ...}, None),
    "SD-JWT": ({"id": "data:application/vc+sd-jwt,a.b.c~"}, "unsupported_algorithm"),
    "COSE": ({"id": "data:application/vc+cose;base64,AAAA"}, "unsupported_algorithm"),
    "SD-JWT VC": ({"id": "data:application/dc+sd-jwt,a.b.c~"}, "unsupported_algorithm"),
    "its name in drafts": ({"id": "data:application/vc-ld+jwt,a.b.c"}, "unsupported_algorithm"),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_envelopes(name: str) -> None:
    """
    An envelope holds its context, its type and one data: URL, and nothing that nobody signed.
    """
    changes, code = ENVELOPES[name]
    made = envelope()
    shown = {**made, **changes}
    if changes.get("id") is ...:
        shown["id"] = made["id"].replace("data:application", "DATA:Application")

    if code is None:
        assert jose.read_envelope(shown).verify(did_key_decode).document["credentialSubject"]["id"] == "urn:a"
    else:
        with pytest.raises(CredentialError) as caught:
            jose.read_envelope(shown).verify(did_key_decode)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "write",
    [
        lambda text: f"data:application/vc+jwt;charset=us-ascii,{text}",
        lambda text: f"data:application/vc%2Bjwt,{text}",
        lambda text: f"data:application/vc+jwt,{text}".replace(".", "%2E"),
        lambda text: f"data:application/vc+jwt;base64,{b64encode(text.encode()).decode()}",
        lambda text: f"DATA:Application/VC+JWT;charset=utf-8;base64,{b64encode(text.encode()).decode()}",
    ],
)
def test_a_data_url_is_read_by_its_grammar(write: Callable[[str], str]) -> None:
    """
    RFC 2397: parameters, escapes and base64 are spelling of the same text.
    """
    made = envelope()

    shown = {**made, "id": write(made["id"].partition(",")[2])}

    assert jose.read_envelope(shown).verify(did_key_decode).document["credentialSubject"]["id"] == "urn:a"


def test_what_is_an_envelope() -> None:
    """
    A document that calls itself an envelope is treated as one, however it is written.
    """
    assert jose.is_envelope(envelope())
    assert jose.is_envelope({"type": ["X", "EnvelopedVerifiablePresentation"]})
    assert not jose.is_envelope({"type": "VerifiableCredential"})
    assert not jose.is_envelope(["EnvelopedVerifiableCredential"])
    refused_ones: list[object] = [None, [], "data:application/vc+jwt,a.b.c", {}]
    for nothing in refused_ones:
        with pytest.raises(CredentialError):
            jose.open_envelope(nothing)


def older(signer: Signer, **claims: Any) -> str:
    inner = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "credentialSubject": {"name": "A battery"},
    }
    header = {"alg": ALGORITHMS[P256], "kid": signer.key_id, "typ": "JWT"}
    payload = {"vc": inner, "iss": did_key(signer.public_key), "jti": "urn:uuid:1", "sub": "urn:a", **claims}
    signed = f"{b64u(jcs(header))}.{b64u(jcs(payload))}"
    return f"{signed}.{b64u(signer.sign(signed.encode()))}"


def test_older_shape() -> None:
    """
    The shape of version 1.1 is read as application/jwt only, its claims put where they belong.
    """
    signer = maker(P256)
    text = older(signer, nbf=1704067200, exp=1735689600)

    result = jose.read_envelope(jose.envelop(text, "jwt")).verify(did_key_decode)

    assert result.document == {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "id": "urn:uuid:1",
        "issuer": did_key(signer.public_key),
        "issuanceDate": "2024-01-01T00:00:00Z",
        "expirationDate": "2025-01-01T00:00:00Z",
        "credentialSubject": {"id": "urn:a", "name": "A battery"},
    }
    assert refused(text) == "structure_invalid"
    assert refused(envelope()["id"].partition(",")[2], "jwt") == "malformed"


def test_null_in_the_older_shape_is_what_the_claim_says() -> None:
    """
    A member that is null says nothing beside its claim, and times may stand without a zone (VCDM 1.1, 4.6),
    in what is no version 2.0.
    """
    signer = maker(P256)
    inner = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "id": None,
        "issuanceDate": "2024-01-01T00:00:00",
        "expirationDate": None,
        "credentialSubject": {"id": None, "name": "A battery"},
    }
    text = older(signer, vc=inner, nbf=1704067200, exp=1735689600)

    document = jose.verify_jwt(text, did_key_decode, media_type="jwt").document

    assert (document["id"], document["expirationDate"]) == ("urn:uuid:1", "2025-01-01T00:00:00Z")
    assert document["credentialSubject"]["id"] == "urn:a"
    wrong = older(signer, vc={**inner, "issuanceDate": "soon"}, nbf=1704067200)
    with pytest.raises(CredentialError, match=r"issuanceDate .*VCDM 1\.1"):
        jose.verify_jwt(wrong, did_key_decode, media_type="jwt")
    newer = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "validFrom": "2024-01-01T00:00:00",
        "credentialSubject": {"name": "A battery"},
    }
    with pytest.raises(CredentialError, match=r"validFrom .*VCDM 2\.0"):
        jose.verify_jwt(older(signer, vc=newer, nbf=1704067200), did_key_decode, media_type="jwt")


def test_an_issuer_that_says_more_than_its_id_has_that_of_the_claim() -> None:
    """
    What stands beside the id of an issuer or subject stays, and the id is the claim's.
    """
    signer = maker(P256)
    inner = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "issuer": {"name": "Maker"},
        "credentialSubject": {"name": "A battery"},
    }

    document = jose.verify_jwt(older(signer, vc=inner), did_key_decode, media_type="jwt").document

    assert document["issuer"] == {"id": did_key(signer.public_key), "name": "Maker"}
    assert document["credentialSubject"] == {"id": "urn:a", "name": "A battery"}


def test_of_many_contradictions_the_documents_first_is_named() -> None:
    """
    What is said of a JWT does not depend on how this process hashes names.
    """
    names = [f"member{number:02}" for number in range(20)]
    inner = {"@context": [V2], "type": ["VerifiableCredential"], **dict.fromkeys(names, "one")}
    text = older(maker(P256), vc=inner, **dict.fromkeys(names, "another"))

    with pytest.raises(CredentialError, match=r"^member00 beside the vc claim"):
        jose.verify_jwt(text, did_key_decode, media_type="jwt")


@pytest.mark.parametrize(
    "changes",
    [
        {"vp": {}},
        {"vc": None},
        {"vc": {"issuer": "did:web:other.example", "credentialSubject": {"id": "urn:a"}}},
        {"vc": {"id": "urn:uuid:2"}},
        {"vc": {"credentialSubject": {"id": "urn:b"}}},
        {"vc": {"validUntil": "2024-01-01T00:00:01Z"}, "exp": 1704067200},
    ],
    ids=["both", "null", "issuer", "id", "subject", "expiry"],
)
def test_older_shape_that_contradicts_itself(changes: dict[str, Any]) -> None:
    """
    Claims and the members they stand for say the same, or the JWT is refused.
    """
    signer = maker(P256)

    assert refused(older(signer, **changes), "jwt") == "structure_invalid"
