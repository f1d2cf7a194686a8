"""Round trips with independent implementations, both ways, for each suite that both sides know."""

from collections.abc import Iterator

import pytest

from credentials.documents import suites
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.keys import ED25519, P384
from credentials.documents.suites import jose
from credentials.errors import CredentialError
from node import config
from tests.bench.harness import NotMeasured
from tests.harness.interop import documents, joserfc, openvc
from tests.harness.interop.digitalbazaar import DigitalBazaar, digitalbazaar
from tests.harness.interop.documents import DOCUMENTS, ISSUED, KEYS, PROOFS, Document, altered, key_of
from tests.harness.parts import missing, require

# What openvc-core cannot read of ours, canonicalised by the wrong hash (tests/harness/interop/openvc.py).
WRONG_HASH = ("ecdsa-rdfc-2019", P384, "passport")

proofs = pytest.mark.parametrize(("suite", "kind"), PROOFS, ids=[f"{name} {kind}" for name, kind in PROOFS])
credentials = pytest.mark.parametrize("name", DOCUMENTS)


@pytest.fixture(scope="module")
def bazaar() -> Iterator[DigitalBazaar]:
    """@digitalbazaar/vc, running."""
    require("node")
    require("npm")
    try:
        with digitalbazaar() as peer:
            yield peer
    except NotMeasured as reason:
        missing(str(reason))


def sign(document: Document, suite: str, kind: str) -> Document:
    """Sign here."""
    signer = KEYS[kind].signer
    return suites.sign(document, signer, ISSUED, cryptosuite=suite, contexts=config.contexts())


def verify(document: Document, suite: str) -> None:
    """Verify here, and see that it was this suite that said yes; raises CredentialError."""
    (result,) = suites.verify(document, key_of, contexts=config.contexts())
    assert (result.cryptosuite, result.document) == (suite, documents.unsecured(document))


def refused(document: Document, code: str = "invalid_signature") -> None:
    """See that a document is refused here for its signature."""
    with pytest.raises(CredentialError) as caught:
        suites.verify(document, key_of, contexts=config.contexts())
    assert caught.value.code == code


@pytest.mark.check
@proofs
@credentials
def test_digitalbazaar(bazaar: DigitalBazaar, suite: str, kind: str, name: str) -> None:
    """
    What is signed here @digitalbazaar/vc verifies, and the other way round. Either refuses altered copies.
    """
    document = DOCUMENTS[name]()
    ours = sign(document, suite, kind)
    theirs = bazaar.sign(document, suite, KEYS[kind])

    assert bazaar.verify(ours, suite) == {"verified": True, "error": None}
    verify(theirs, suite)

    for signed in (ours, theirs):
        for what, copy in altered(signed).items():
            answer = bazaar.verify(copy, suite)
            assert answer == {"verified": False, "error": "Error: Invalid signature."}, what
            refused(copy)


@pytest.mark.check
@credentials
def test_ed25519_signature_2020_of_digitalbazaar(bazaar: DigitalBazaar, name: str) -> None:
    """
    An Ed25519Signature2020 of @digitalbazaar/ed25519-signature-2020 is read here; altered copies are not.
    """
    suite = "Ed25519Signature2020"

    theirs = bazaar.sign(DOCUMENTS[name](), suite, KEYS[ED25519])

    assert bazaar.verify(theirs, suite)["verified"] is True
    verify(theirs, suite)
    for what, copy in altered(theirs).items():
        assert bazaar.verify(copy, suite)["verified"] is False, what
        refused(copy)


@pytest.mark.check
@proofs
@credentials
def test_openvc_reads_ours(suite: str, kind: str, name: str) -> None:
    """
    What is signed here openvc-core verifies, but for the one it hashes wrongly; it refuses altered copies.
    """
    ours = sign(DOCUMENTS[name](), suite, kind)

    if (suite, kind, name) == WRONG_HASH:
        with pytest.raises(openvc.ProofError):
            openvc.verify(ours, suite, KEYS[kind])
    else:
        openvc.verify(ours, suite, KEYS[kind])
    for copy in altered(ours).values():
        with pytest.raises(openvc.ProofError):
            openvc.verify(copy, suite, KEYS[kind])


@pytest.mark.check
@proofs
@credentials
def test_openvc_is_read_here(suite: str, kind: str, name: str) -> None:
    """
    What openvc-core signs verifies here, for JCS once the @context that it left out of the proof is put back.
    """
    theirs = openvc.sign(DOCUMENTS[name](), suite, KEYS[kind])
    if "jcs" in suite:
        assert "@context" not in theirs["proof"]
        theirs["proof"]["@context"] = theirs["@context"]

    if (suite, kind, name) == WRONG_HASH:
        refused(theirs)
    else:
        verify(theirs, suite)
    for copy in altered(theirs).values():
        refused(copy)


@pytest.mark.check
@pytest.mark.parametrize(
    ("suite", "kind"),
    [(suite, kind) for suite, kind in PROOFS if "jcs" in suite] + [WRONG_HASH[:2]],
    ids=str,
)
def test_where_openvc_departs_others_say_so_too(bazaar: DigitalBazaar, suite: str, kind: str) -> None:
    """
    Passports of openvc-core that are refused here @digitalbazaar/vc refuses too: the departure is not ours.
    """
    theirs = openvc.sign(DOCUMENTS["passport"](), suite, KEYS[kind])

    refused(theirs)
    assert bazaar.verify(theirs, suite) == {"verified": False, "error": "Error: Invalid signature."}


@pytest.mark.parametrize("algorithm", joserfc.ALGORITHMS)
@credentials
def test_joserfc(algorithm: str, name: str) -> None:
    """
    A vc+jwt signed here joserfc verifies, and the other way round; either refuses an altered one.
    """
    document, key = DOCUMENTS[name](), KEYS[joserfc.ALGORITHMS[algorithm]]
    ours = jose.sign_jwt(document, key.signer)
    theirs = joserfc.sign(document, algorithm, key)

    assert joserfc.verify(ours, algorithm, key) == document
    read = jose.verify_jwt(theirs, key_of)
    assert (read.document, read.algorithm, read.verification_method) == (
        document,
        algorithm,
        key.signer.key_id,
    )

    for text in (ours, theirs):
        for copy in altered_jwt(text):
            with pytest.raises(joserfc.JoseError):
                joserfc.verify(copy, algorithm, key)
            with pytest.raises(CredentialError) as caught:
                jose.verify_jwt(copy, key_of)
            assert caught.value.code == "invalid_signature"


def altered_jwt(text: str) -> list[str]:
    """Return copies of a JWT: another payload, another header, another signature."""
    header, payload, signature = text.split(".")
    shorter = b64u_decode(payload).replace(b"2026-06-18", b"2026-06-17")
    other = b64u_decode(header).replace(b'"cty"', b'"ctx"')
    first, *rest = b64u_decode(signature)
    flipped = bytes([first ^ 1, *rest])
    return [
        f"{header}.{b64u(shorter)}.{signature}",
        f"{b64u(other)}.{payload}.{signature}",
        f"{header}.{payload}.{b64u(flipped)}",
    ]


@pytest.mark.parametrize("algorithm", openvc.JWT_ALGORITHMS)
def test_openvc_jwt_is_read_here(algorithm: str) -> None:
    """
    A JWT of openvc-core, with a vc claim, is read in the older shape. Its nbf is the time of signing, which
    must be validFrom (VC Data Model 1.1, 6.3.1): with a validFrom of the issuer's own it is refused.
    """
    key = KEYS[openvc.JWT_ALGORITHMS[algorithm]]
    document = documents.event()
    undated = {member: value for member, value in document.items() if member != "validFrom"}

    text = openvc.sign_jwt(undated, algorithm, key)

    openvc.verify_jwt(text, key)
    read = jose.verify_jwt(text, key_of, media_type="jwt")
    assert read.algorithm == algorithm
    assert {**read.document, "validFrom": ISSUED} == document
    with pytest.raises(CredentialError) as caught:
        jose.verify_jwt(openvc.sign_jwt(document, algorithm, key), key_of, media_type="jwt")
    assert caught.value.code == "structure_invalid"


def test_openvc_knows_no_vc_jwt() -> None:
    """
    openvc-core reads JWTs with a vc claim only: vc+jwt (vc-jose-cose) is not a format that both sides know.
    """
    key = KEYS[ED25519]
    ours = jose.sign_jwt(documents.event(), key.signer, claims={"iss": documents.MAKER})

    with pytest.raises(openvc.ProofError, match="vc"):
        openvc.verify_jwt(ours, key)
