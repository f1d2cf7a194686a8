"""Presentations: structure by clause, a proof for authentication, nobody assumed to be the holder."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.cose import SeedSigner
from credentials.documents import suites
from credentials.documents.keys import did_key, did_key_decode, did_key_url
from credentials.documents.presentation import CREDENTIALS_MAX, open_presentation, parse_presentation
from credentials.documents.secured import NODES_MAX, open_secured, require_small
from credentials.documents.suites import jose
from credentials.errors import CredentialError
from node.config import contexts

V1, V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
MADE = "2026-01-01T00:00:00Z"
HOLDER = SeedSigner(did_key_url(SeedSigner("", b"h" * 32).public_key), b"h" * 32)
HOLDER_DID = did_key(HOLDER.public_key)
ENVELOPE = jose.envelop("e30.e30.AA")

PRESENTATION: dict[str, Any] = {
    "@context": [V2],
    "id": "urn:uuid:1",
    "type": ["VerifiablePresentation"],
    "holder": HOLDER_DID,
    "verifiableCredential": [ENVELOPE],
}


def test_view() -> None:
    """
    The view shows id, types, holder and what is presented; a single credential counts as one.
    """
    view = parse_presentation({**PRESENTATION, "verifiableCredential": ENVELOPE})

    assert (view.id, view.holder) == ("urn:uuid:1", HOLDER_DID)
    assert view.credentials == (ENVELOPE,)
    assert parse_presentation({"@context": [V1], "type": "VerifiablePresentation"}).credentials == ()


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("@context", [..., None, [], V2, ["https://a.example/"], [V2, 7]]),
        ("type", [..., None, [], "VerifiableCredential", ["Other"], [7]]),
        ("id", [None, "x", 7, ["urn:a:b", "urn:a:c"]]),
        ("holder", [None, "x", {}, {"id": "x"}, ["urn:a:b"]]),
        ("verifiableCredential", [None, "eyJ", [7], [{}], [[ENVELOPE]], [ENVELOPE] * (CREDENTIALS_MAX + 1)]),
        ("proof", [None, {}, [], "x", [{}], [None]]),
    ],
)
def test_refused(member: str, values: list[Any]) -> None:
    """
    Each breach is refused with the member and the clause.
    """
    for value in values:
        document = {**PRESENTATION, member: value}
        if value is ...:
            del document[member]
        with pytest.raises(CredentialError) as caught:
            parse_presentation(document)
        assert caught.value.code == "structure_invalid"
        assert str(caught.value).startswith(member) and "(VCDM 2.0, 4." in str(caught.value), value


@given(
    st.sampled_from([*PRESENTATION, "proof"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type"]), inner),
        max_leaves=5,
    ),
)
def test_any_value_in_any_place(member: str, value: Any) -> None:
    """
    Any JSON in the place of any member is read or refused, never a crash.
    """
    try:
        parse_presentation({**PRESENTATION, member: value})
    except CredentialError as error:
        assert error.code == "structure_invalid"


def signed(purpose: str = "authentication", **members: Any) -> dict[str, Any]:
    return suites.sign(PRESENTATION, HOLDER, MADE, purpose=purpose, members=members)


@pytest.mark.parametrize(
    ("shown", "asked", "code"),
    [
        (signed(challenge="c", domain="d"), {"challenge": "c", "domain": "d"}, None),
        (signed(challenge="c", domain=["d", "e"]), {"challenge": "c"}, None),
        (signed(challenge="c", domain="d"), {"challenge": "x", "domain": "d"}, "invalid_signature"),
        (signed(challenge="c", domain="d"), {"challenge": "c", "domain": "x"}, "invalid_signature"),
        (signed(), {"challenge": "c"}, "invalid_signature"),
        (signed("assertionMethod", challenge="c"), {"challenge": "c"}, "invalid_signature"),
        (PRESENTATION, {}, "proof_missing"),
    ],
)
def test_proof(shown: dict[str, Any], asked: dict[str, str], code: str | None) -> None:
    """
    The proof is made for authentication, with the challenge and domain asked for; unsigned is refused.
    """
    if code is None:
        view, secured = open_presentation(shown, did_key_decode, contexts(), **asked)
        assert view.holder == HOLDER_DID and secured.controllers == (HOLDER_DID,)
        return

    with pytest.raises(CredentialError) as caught:
        open_presentation(shown, did_key_decode, contexts(), **asked)
    assert caught.value.code == code


def test_the_holder_is_not_assumed() -> None:
    """
    Who says to be somebody else is shown as who signed: the view and the proof are told apart.
    """
    shown = suites.sign(
        {**PRESENTATION, "holder": "did:web:other.example"}, HOLDER, MADE, purpose="authentication"
    )

    view, secured = open_presentation(shown, did_key_decode, contexts())

    assert view.holder == "did:web:other.example" and secured.controllers == (HOLDER_DID,)


def test_enveloped() -> None:
    """
    vp+jwt: the nonce is the challenge, the audience the domain.
    """
    text = jose.sign_jwt(PRESENTATION, HOLDER, media_type="vp+jwt", claims={"nonce": "c", "aud": "d"})
    shown = jose.envelop(text, "vp+jwt")

    view, _ = open_presentation(shown, did_key_decode, contexts(), challenge="c", domain="d")

    assert view.credentials == (ENVELOPE,)
    for asked in ({"challenge": "x"}, {"domain": "x"}):
        with pytest.raises(CredentialError):
            open_presentation(shown, did_key_decode, contexts(), **asked)


@pytest.mark.parametrize(
    "document", [None, "x", 7, [], {}, {"a": [[]] * (NODES_MAX + 1)}], ids=lambda d: repr(d)[:12]
)
def test_nothing_to_open(document: Any) -> None:
    """
    What is no object, carries no proof, or has more parts than are worked on.
    """
    with pytest.raises(CredentialError) as caught:
        open_secured(document, did_key_decode, contexts())

    assert caught.value.code in ("malformed", "proof_missing")


@pytest.mark.parametrize("deep", [1, 3, 50])
def test_a_document_may_have_so_many_objects_and_lists_and_no_more(deep: int) -> None:
    """
    Each object and each list counts once, at whatever depth; texts and numbers do not.
    """
    value: Any = [[1, "x", None] for _ in range(NODES_MAX - deep)]
    for _ in range(deep - 1):
        value = {"a": value, "b": 7}

    require_small(value)

    with pytest.raises(CredentialError, match="more than"):
        require_small({"one more": value})
