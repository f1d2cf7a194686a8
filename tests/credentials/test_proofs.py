"""Several proofs on one document: sets and chains of them (vc-data-integrity 1.0, 4.3 and 4.4)."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import base58
import pytest

from consensus.cose import SeedSigner, Signer
from credentials.documents import suites
from credentials.documents.canonical import Contexts
from credentials.documents.keys import P256, P384, did_key_decode, did_key_url
from credentials.documents.suites import reading
from credentials.documents.suites.ecdsa import EcdsaSigner, secret_from_seed
from credentials.documents.suites.reading import _is_plain
from credentials.errors import CredentialError
from node.config import contexts

VECTORS = Path(__file__).parents[1] / "vectors" / "vc-di-eddsa" / "proof-set-chain"
CONTEXTS = Contexts(contexts())
CREATED = "2026-06-18T00:00:00Z"
DOCUMENT: dict[str, Any] = json.loads((VECTORS / "unsigned.json").read_text())
FIRST, SECOND, THIRD = "urn:uuid:a", "urn:uuid:b", "urn:uuid:c"
ROOT = Path(__file__).resolve().parents[2]


def vector(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def named(maker: Any) -> Signer:
    """The same signer under its did:key."""
    if isinstance(maker, SeedSigner):
        return SeedSigner(did_key_url(maker.public_key), maker.seed)
    return EcdsaSigner(did_key_url(maker.public_key), maker.kind, maker.secret)


ALICE = named(SeedSigner("", b"\x01" * 32))
BOB = named(EcdsaSigner("", P256, secret_from_seed(P256, b"\x02" * 32)))
CAROL = named(EcdsaSigner("", P384, secret_from_seed(P384, b"\x03" * 32)))
MAKERS = {
    "eddsa-jcs-2022": ALICE,
    "eddsa-rdfc-2022": ALICE,
    "ecdsa-jcs-2019": BOB,
    "ecdsa-rdfc-2019": CAROL,
}


def proven(document: dict[str, Any], suite: str, **members: Any) -> dict[str, Any]:
    return suites.sign(
        document, MAKERS[suite], CREATED, cryptosuite=suite, contexts=CONTEXTS, members=members
    )


def refused(document: dict[str, Any]) -> str:
    with pytest.raises(CredentialError) as caught:
        suites.verify(document, did_key_decode, contexts=CONTEXTS)
    return caught.value.code


def a_set() -> dict[str, Any]:
    """One proof of each suite."""
    document = DOCUMENT
    for suite in MAKERS:
        document = proven(document, suite, id=f"urn:uuid:{suite}")
    return document


def a_chain(suite: str) -> dict[str, Any]:
    """Two independent proofs, a third after the first, a fourth after the second and third."""
    document = proven(proven(DOCUMENT, suite, id=FIRST), suite, id=SECOND)
    document = proven(document, suite, id=THIRD, previousProof=FIRST)
    return proven(document, suite, previousProof=[SECOND, THIRD])


@pytest.mark.parametrize(
    ("name", "count"), [("signedProofSet1", 1), ("proofChainTempDoc1", 2), ("signedProofChain1", 3)]
)
def test_vectors_verify(name: str, count: int) -> None:
    """
    The published proof set and proof chain verify, proof by proof.
    """
    results = suites.verify(vector(name), did_key_decode, contexts=CONTEXTS)

    assert len(results) == count
    assert all(result.document == DOCUMENT for result in results)
    if count == 3:
        assert results[2].previous == (results[0].id, results[1].id)


def test_vectors_are_made_again() -> None:
    """
    With the published keys, set and chain come out as published, signature by signature.
    """
    keys = vector("multiKeyPairs")
    document = DOCUMENT
    for name, published in zip(
        ("keyPair1", "keyPair2", "keyPair3"), vector("signedProofChain1")["proof"], strict=True
    ):
        seed = base58.b58decode(keys[name]["privateKeyMultibase"][1:])[2:]
        maker = SeedSigner(published["verificationMethod"], seed)
        members = {key: published[key] for key in ("id", "previousProof") if key in published}
        document = suites.sign(
            document,
            maker,
            published["created"],
            cryptosuite="eddsa-rdfc-2022",
            contexts=CONTEXTS,
            members=members,
        )
    assert document == vector("signedProofChain1")
    assert document["proof"][2] == vector("proofChainConfigSigned1")
    assert document["proof"][0] == vector("proofSetConfigSigned1")


def test_set_of_every_suite() -> None:
    """
    Proofs of different suites and keys stand beside each other; all results are returned in order.
    """
    results = suites.verify(a_set(), did_key_decode, contexts=CONTEXTS)

    assert [result.cryptosuite for result in results] == list(MAKERS)
    assert {result.verification_method for result in results} == {m.key_id for m in MAKERS.values()}


@pytest.mark.parametrize("place", range(4))
def test_every_proof_of_a_set_is_required(place: int) -> None:
    """
    One proof that fails fails the document, wherever it stands.
    """
    document = copy.deepcopy(a_set())
    document["proof"][place]["created"] = "2026-06-18T00:00:01Z"

    assert refused(document) == "invalid_signature"


@pytest.mark.parametrize("place", range(5))
def test_unsupported_among_valid(place: int) -> None:
    """
    An unknown algorithm among valid proofs is unsupported, and a failing proof beside it is still failing.
    """
    document = copy.deepcopy(a_set())
    unknown = {**document["proof"][0], "id": "urn:x", "cryptosuite": "sm2-2023"}
    document["proof"].insert(place, unknown)

    assert refused(document) == "unsupported_algorithm"
    document["name"] = "Another"
    assert refused(document) == "invalid_signature"


@pytest.mark.parametrize("suite", MAKERS)
def test_chain(suite: str) -> None:
    """
    A proof covers the proofs it names: text or list, complete, whatever their suite.
    """
    document = a_chain(suite)

    results = suites.verify(document, did_key_decode, contexts=CONTEXTS)

    assert [result.previous for result in results] == [(), (), (FIRST,), (SECOND, THIRD)]


@pytest.mark.parametrize("suite", MAKERS)
@pytest.mark.parametrize("place", range(4))
def test_chain_with_a_proof_replaced(suite: str, place: int) -> None:
    """
    A proof made anew under the same id, itself valid, breaks the chain after it; the last may be replaced.
    """
    document = a_chain(suite)
    old = document["proof"][place]
    members = {name: old[name] for name in ("id", "previousProof") if name in old}
    rest = {**document, "proof": [proof for proof in document["proof"] if proof is not old]}
    renewed = suites.sign(
        rest, MAKERS[suite], "2026-06-19T00:00:00Z", cryptosuite=suite, contexts=CONTEXTS, members=members
    )

    if place == 3:
        assert suites.verify(renewed, did_key_decode, contexts=CONTEXTS)
    else:
        assert refused(renewed) == "invalid_signature"


@pytest.mark.parametrize("suite", MAKERS)
@pytest.mark.parametrize("place", range(3))
def test_chain_with_a_link_missing(suite: str, place: int) -> None:
    """
    Naming a proof that the document does not have fails.
    """
    document = a_chain(suite)
    document["proof"].pop(place)

    assert refused(document) == "invalid_signature"


@pytest.mark.parametrize(
    ("previous", "code"),
    [
        (SECOND, "invalid_signature"),
        ([FIRST, SECOND], "invalid_signature"),
        (THIRD, "invalid_signature"),
        ("urn:uuid:nowhere", "invalid_signature"),
        ([], "invalid_signature"),
        ("", "malformed"),
        ([FIRST, FIRST], "malformed"),
        (None, "invalid_signature"),
        ({"id": FIRST}, "malformed"),
    ],
    ids=["another", "one more", "itself", "missing", "none", "empty", "twice", "null", "object"],
)
def test_previous_proof_altered(previous: Any, code: str) -> None:
    """
    What a proof names is signed; a proof does not come after itself.
    """
    document = a_chain("eddsa-jcs-2022")
    document["proof"][2]["previousProof"] = previous

    assert refused(document) == code


def test_signing_after_a_missing_proof() -> None:
    """
    A proof after one that is not there is not made.
    """
    with pytest.raises(CredentialError, match="does not have"):
        proven(DOCUMENT, "eddsa-jcs-2022", previousProof="urn:uuid:nowhere")


@pytest.mark.parametrize(
    "name", ["id", "created", "expires", "previousProof", "domain", "challenge", "nonce"]
)
@pytest.mark.parametrize("nothing", [None, []])
def test_a_member_of_a_proof_that_is_null_says_nothing(name: str, nothing: Any) -> None:
    """
    Under JCS null and [] are signed as they stand, and are no id, no time and no proof before.
    """
    document = proven(DOCUMENT, "eddsa-jcs-2022", **{name: nothing})
    beside = {**document, "proof": [None, document["proof"]]}

    for shown in (document, beside):
        assert suites.verify(shown, did_key_decode)[0].expires is None
    altered = {**document, "proof": {key: v for key, v in document["proof"].items() if key != name}}
    assert refused(altered) == "invalid_signature"


def test_domain_and_challenge() -> None:
    """
    A proof for another domain or challenge than was asked for does not hold (4.4, step 5).
    """
    document = proven(DOCUMENT, "eddsa-jcs-2022", domain="shop.example", challenge="1f44d55f")

    assert suites.verify(document, did_key_decode, domain="shop.example", challenge="1f44d55f")
    for domain, challenge in (("other.example", None), (None, "0"), ("shop.example", "")):
        with pytest.raises(CredentialError) as caught:
            suites.verify(document, did_key_decode, domain=domain, challenge=challenge)
        assert caught.value.code == "invalid_signature"
    with pytest.raises(CredentialError, match="domain"):
        suites.verify(proven(DOCUMENT, "eddsa-jcs-2022"), did_key_decode, domain="shop.example")


def test_contexts_are_needed() -> None:
    """
    A suite on RDF without contexts in hand cannot be judged, which is not that it is invalid.
    """
    signed = proven(DOCUMENT, "eddsa-rdfc-2022")

    with pytest.raises(CredentialError) as caught:
        suites.verify(signed, did_key_decode)

    assert caught.value.code == "unsupported_algorithm"


def test_version_1_gets_the_context_of_its_proof() -> None:
    """
    A document whose contexts do not define proofs gets one that does (2.4.2); others stay as they are.
    """
    old = {
        "@context": "https://www.w3.org/2018/credentials/v1",
        "type": "VerifiableCredential",
        "issuer": "did:web:maker.example",
        "issuanceDate": "2024-01-01T00:00:00Z",
        "credentialSubject": {"id": "urn:a"},
    }

    for suite in MAKERS:
        signed = proven(old, suite)

        assert signed["@context"] == [old["@context"], "https://w3id.org/security/data-integrity/v2"]
        assert suites.verify(signed, did_key_decode, contexts=CONTEXTS)
    assert proven(DOCUMENT, "eddsa-jcs-2022")["@context"] == DOCUMENT["@context"]


def test_proof_context_on_rdf() -> None:
    """
    On RDF a proof's own contexts are not used: where they are not the document's, the proof does not hold.
    """
    signed = proven(DOCUMENT, "eddsa-rdfc-2022")

    same = {**signed, "proof": {**signed["proof"], "@context": DOCUMENT["@context"]}}
    other = {**signed, "proof": {**signed["proof"], "@context": DOCUMENT["@context"][:1]}}

    assert suites.verify(same, did_key_decode, contexts=CONTEXTS)
    assert refused(other) == "invalid_signature"


CRED, STATUS = "https://www.w3.org/2018/credentials#", "https://www.w3.org/ns/credentials/status#"
ENTRY = {
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "7",
    "statusListCredential": "https://maker.example/status/1",
}
LIMITED = {
    **DOCUMENT,
    "validUntil": "2026-01-01T00:00:00Z",
    "credentialStatus": ENTRY,
}
DATE_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"


def without(document: dict[str, Any], removed: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != removed}


def hidden() -> dict[str, dict[str, Any]]:
    """Ways of writing the same statements so that a reader of JSON misses some of them."""
    signed = proven(LIMITED, "eddsa-rdfc-2022")
    until = {"@value": LIMITED["validUntil"], "@type": DATE_TIME}
    no_until, no_status = without(signed, "validUntil"), without(signed, "credentialStatus")
    entry_by_iri = {
        "@type": STATUS + "BitstringStatusListEntry",
        STATUS + "statusPurpose": "revocation",
        STATUS + "statusListIndex": "7",
        STATUS + "statusListCredential": {"@id": ENTRY["statusListCredential"]},
    }

    def aliased(document: dict[str, Any], alias: dict[str, Any], **members: Any) -> dict[str, Any]:
        return {**document, "@context": [*signed["@context"], alias], **members}

    return {
        "expiry under its IRI": {**no_until, CRED + "validUntil": until},
        "expiry under an alias": aliased(
            no_until, {"end": {"@id": CRED + "validUntil", "@type": DATE_TIME}}, end=LIMITED["validUntil"]
        ),
        "expiry under a prefix": aliased(no_until, {"c": CRED}, **{"c:validUntil": until}),
        "status under its IRI": {**no_status, CRED + "credentialStatus": ENTRY},
        "status under an alias": aliased(no_status, {"s": {"@id": CRED + "credentialStatus"}}, s=ENTRY),
        "status type as IRI": {
            **no_status,
            "credentialStatus": {**entry_by_iri, "type": entry_by_iri["@type"]},
        },
        "status type by keyword": {**no_status, "credentialStatus": entry_by_iri},
    }


@pytest.mark.parametrize("name", hidden())
def test_nothing_signed_is_hidden_from_readers_of_json(name: str) -> None:
    """
    On RDF the same statements under another name carry the same signature, and are refused all the same.
    """
    document = hidden()[name]

    with pytest.raises(CredentialError) as caught:
        suites.verify(document, did_key_decode, contexts=CONTEXTS)

    assert caught.value.code == "structure_invalid"
    assert "another name" in caught.value.message
    with pytest.raises(CredentialError, match="another name"):
        proven(without(document, "proof"), "eddsa-rdfc-2022")


def test_expiry_of_a_proof_cannot_be_hidden() -> None:
    """
    Nor may a member of a proof on RDF stand under its IRI or an alias, though the statements are the same.
    """
    signed = proven(DOCUMENT, "eddsa-rdfc-2022", expires="2026-07-01T00:00:00Z")
    proof = without(signed["proof"], "expires")
    end = {"@id": "https://w3id.org/security#expiration", "@type": DATE_TIME}
    until = {"@value": "2026-07-01T00:00:00Z", "@type": DATE_TIME}

    assert suites.verify(signed, did_key_decode, contexts=CONTEXTS)[0].expires == 1782864000
    assert refused({**signed, "proof": {**proof, end["@id"]: until}}) == "malformed"
    aliased = {**signed, "@context": [*signed["@context"], {"end": end}]}
    assert refused({**aliased, "proof": {**proof, "end": until["@value"]}}) == "malformed"


def test_contexts_inside_a_document_are_legal() -> None:
    """
    Terms and IRIs that hide nothing verify: inline contexts, a name and a type in full, values with a type.
    """
    document = {
        **LIMITED,
        "@context": [*DOCUMENT["@context"], {"school": "urn:ex:school", "@vocab": "urn:ex:"}],
        "type": ["VerifiableCredential", "https://types.example/Alumni"],
        "credentialStatus": [ENTRY, {**ENTRY, "statusPurpose": "suspension"}],
        "school": {"@value": "Example", "@language": "en"},
        "https://schema.org/alternateName": "A name",
        "more": {"@context": {"word": "urn:ex:word"}, "word": "inside"},
    }

    for suite in ("eddsa-rdfc-2022", "ecdsa-rdfc-2019"):
        assert suites.verify(proven(document, suite), did_key_decode, contexts=CONTEXTS)


def test_pinned_contexts_have_one_name_for_each_member() -> None:
    """
    No context this node ships gives another name to a member that verdicts rest on.
    """
    meant = {iri: name for name, iri in {**reading.ROOT, **reading.TYPES}.items()}
    found = []

    def look(context: Any) -> None:
        for item in context if isinstance(context, list) else [context]:
            for name, value in item.items() if isinstance(item, dict) else ():
                iri = value.get("@id") if isinstance(value, dict) else value
                for prefix, ns in (("cred:", CRED), ("status:", STATUS)):
                    iri = iri.replace(prefix, ns) if isinstance(iri, str) else iri
                if iri in meant:
                    found.append(name)
                    assert name == meant[iri]
                if isinstance(value, dict) and "@context" in value:
                    look(value["@context"])

    for document in contexts().values():
        look(document["@context"])

    assert {"validUntil", "credentialStatus", "expirationDate"} <= set(found)


@pytest.mark.parametrize(
    "name", ["sm2-2023", "bbs-2023", "ecdsa-sd-2023", "mldsa44-rdfc-2024", "", "EDDSA-JCS-2022"]
)
def test_suites_not_in_the_table(name: str) -> None:
    """
    What the table does not name is neither made nor judged.
    """
    signed = proven(DOCUMENT, "eddsa-jcs-2022")
    signed["proof"]["cryptosuite"] = name

    assert refused(signed) == "unsupported_algorithm"
    with pytest.raises(CredentialError) as caught:
        suites.sign(DOCUMENT, ALICE, CREATED, cryptosuite=name)
    assert caught.value.code == "unsupported_algorithm"


def test_ed25519_needs_no_openssl() -> None:
    """
    A node that knows Ed25519 keys only never loads the library for the other curves.
    """
    program = (
        "import sys, credentials.verdicts.verifier, credentials.documents.issuer\n"
        "from credentials.documents import suites\n"
        "from consensus.cose import SeedSigner\n"
        "maker = SeedSigner('did:web:a.example#k', bytes(32))\n"
        "signed = suites.sign({'a': 1}, maker, '2026-06-18T00:00:00Z')\n"
        "suites.verify(signed, lambda url: maker.public_key)\n"
        "print([name for name in sys.modules if name.startswith('cryptography')])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("document", "plain"),
    [
        ({"a": {"b": [1, {"c": "d"}]}}, True),
        ({"a": {"@value": "d", "@language": "en"}}, True),
        ({"a": {"@value": "d", "other": "en"}}, False),
        ({"@graph": []}, False),
        ({"a": [{"@id": "x"}]}, False),
        ({"urn:a": "x"}, False),
        ({"type": ["A", "urn:b"]}, False),
        ({"@context": ["https://a.example"]}, True),
        ({"@context": [{"a": "urn:a"}]}, False),
        ({"a": {"@context": ["https://a.example"]}}, False),
    ],
)
def test_a_document_is_plain_where_nothing_can_stand_under_another_name(document: Any, plain: bool) -> None:
    """
    A keyword, an address in place of a name or type, or a context of its own: JSON-LD decides what it says.
    """
    assert _is_plain(document, 0) is plain
