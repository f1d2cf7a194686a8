"""What other implementations and tools send: lawful forms pass, and faults are laid at the right door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from consensus.cose import SeedSigner
from consensus.log_policy import LogPolicy, PolicyError
from credentials.documents import suites
from credentials.documents.canonical import b64u, jcs
from credentials.documents.keys import did_key, did_key_url
from credentials.documents.status import make_list_credential
from node.api import create_app
from node.config import DataDirectory
from node.setup import standalone
from node.setup.wiring import open_service
from node.verdicts.verification import _list_of

JSON = dict[str, Any]
URL = "http://127.0.0.1:8470"
V1, V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
MADE = "2026-01-01T00:00:00Z"
ISSUER = SeedSigner(did_key_url(SeedSigner("", b"i" * 32).public_key), b"i" * 32)
DID = did_key(ISSUER.public_key)
CODE = "ZZ1PE75QH00001G6H0000042"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> DataDirectory:
    return DataDirectory(tmp_path_factory.mktemp("alone") / "data")


@pytest.fixture(scope="module")
def client(directory: DataDirectory) -> Iterator[FlaskClient]:
    words = standalone.found(directory, URL, None)
    service = open_service(directory, words, 8470, open_api=True, public_url=URL)
    service.start()
    try:
        yield create_app(service).test_client()
    finally:
        service.stop()


def credential(**changes: Any) -> JSON:
    document: JSON = {
        "@context": [V2],
        "id": "urn:uuid:1b2c3d4e-0000-4000-8000-000000000001",
        "type": ["VerifiableCredential"],
        "issuer": DID,
        "validFrom": MADE,
        "credentialSubject": {"id": "urn:example:subject"},
    }
    document |= changes
    return {name: value for name, value in document.items() if value is not ...}


def first_edition(**changes: Any) -> JSON:
    return credential(**{"@context": [V1], "validFrom": ..., "issuanceDate": MADE, **changes})


def jwt(payload: JSON, **header: Any) -> str:
    signed = f"{b64u(jcs({'alg': 'Ed25519', 'kid': ISSUER.key_id, **header}))}.{b64u(jcs(payload))}"
    return f"{signed}.{b64u(ISSUER.sign(signed.encode()))}"


def envelope(text: str, media_type: str = "vc+jwt") -> JSON:
    return {
        "@context": V2,
        "type": "EnvelopedVerifiableCredential",
        "id": f"data:application/{media_type},{text}",
    }


def presented(purpose: str = "authentication", **changes: Any) -> JSON:
    """A presentation that was signed with these members."""
    document = {"@context": [V2], "type": ["VerifiablePresentation"], **changes}
    return suites.sign(document, ISSUER, MADE, purpose=purpose)


def presented_jwt(payload: JSON, media_type: str, **header: Any) -> JSON:
    text = jwt(payload, **header)
    return {
        "@context": V2,
        "type": "EnvelopedVerifiablePresentation",
        "id": f"data:application/{media_type},{text}",
    }


def verified(client: FlaskClient, shown: Any, what: str = "Credential") -> JSON:
    answer = client.post(f"/{what.lower()}s/verify", json={f"verifiable{what}": shown})
    told: JSON = answer.get_json()
    assert (answer.status_code == 200) is told["verified"]
    return told


def reasons(told: JSON) -> set[str]:
    return {problem["type"].rpartition(":")[2] for problem in told["problemDetails"]}


def issue(client: FlaskClient, document: JSON, profile: str = "vc2") -> Any:
    return client.post(f"/issuers/{profile}/credentials/issue", json={"credential": document})


@pytest.mark.parametrize("name", ["vc-ld+jwt", "vc+ld+jwt", "vc+ld+json+jwt"])
def test_a_jwt_signed_under_a_name_of_the_drafts_verifies(client: FlaskClient, name: str) -> None:
    """
    typ SHOULD be vc+jwt (vc-jose-cose, 3.1.1); what was signed under a draft's name says so for good.
    """
    text = jwt(credential(), typ=name)

    assert verified(client, envelope(text))["verified"]
    assert reasons(verified(client, envelope(jwt(credential(), typ="vp-ld+jwt")))) == {"malformed"}
    assert reasons(verified(client, envelope(jwt(credential(), typ="at+jwt")))) == {"malformed"}


def test_a_presentation_of_the_first_edition_holds_jwts(client: FlaskClient) -> None:
    """
    VCDM 1.1, 6.3.1: JWT stand in it as text; each is verified, and an altered one is found.
    """
    inner = jwt({"vc": first_edition(), "iss": DID}, typ="JWT")
    shown = {"@context": [V1], "type": ["VerifiablePresentation"], "verifiableCredential": [inner]}

    whole = verified(client, presented_jwt({"vp": shown, "iss": DID}, "jwt", typ="JWT"), "Presentation")
    altered = {**shown, "verifiableCredential": [inner[:-4] + "AAAA"]}
    other = verified(client, presented_jwt({"vp": altered, "iss": DID}, "jwt"), "Presentation")

    assert whole["verified"], whole
    assert reasons(other) == {"invalid_signature"}


@pytest.mark.parametrize("member", ["holder", "id", "verifiableCredential"])
def test_null_says_nothing_in_a_presentation_either(client: FlaskClient, member: str) -> None:
    """
    Under JCS it is signed as it stands, and nothing is lost (decision 0502).
    """
    changes: JSON = {member: None}

    assert verified(client, presented(**changes), "Presentation")["verified"]


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (
            presented_jwt(
                {"@context": [V2], "type": ["VerifiablePresentation"], "verifiableCredential": [1]}, "vp+jwt"
            ),
            "verifiableCredential of a presentation in a JWT must hold envelopes",
        ),
        (jwt({}), "A JWT is shown in an envelope"),
        ({"@context": V1, "type": "VerifiablePresentation"}, f"begins with {V1}"),
    ],
)
def test_what_is_wrong_with_a_presentation_is_told_by_its_member(
    client: FlaskClient, shown: Any, told: str
) -> None:
    """
    In the sender's words, and by the edition that the sender wrote.
    """
    assert told in verified(client, shown, "Presentation")["problemDetails"][0]["detail"]


@pytest.mark.parametrize(
    ("change", "told"),
    [(lambda text: text + "~", "SD-JWT"), (lambda text: f"{text[:64]}\n{text[64:]}", "line ends in it")],
    ids=["disclosures", "wrapped"],
)
def test_what_happened_to_a_jwt_on_its_way_is_named(client: FlaskClient, change: Any, told: str) -> None:
    """
    Nobody is told of base64url where a mail program broke the line, or another format was named a JWT.
    """
    answer = verified(client, envelope(change(jwt(credential()))))

    assert reasons(answer) == {"malformed"} and told in answer["problemDetails"][0]["detail"]


@pytest.mark.parametrize(("change", "told"), [("\ufeff", "byte order mark"), ("\r\n", "CR LF")], ids=ascii)
def test_what_an_editor_did_to_a_policy_is_named(change: str, told: str) -> None:
    """
    As of a receipt: the file was saved by an editor of Windows, and is none of another network.
    """
    text = "log log.example+1+AAAA\nquorum none\n"
    changed = change + text if change == "\ufeff" else text.replace("\n", change)

    for given in (changed, changed.encode()):
        with pytest.raises(PolicyError, match=told):
            LogPolicy.parse(given)


def test_a_list_as_a_bare_jwt_is_read_by_its_shape() -> None:
    """
    No media type is told with it: its typ, or its vc claim, says which of the two shapes it is.
    """
    list_ = make_list_credential(list_id=URL, issuer=DID, purpose="revocation", set_bits=(), valid_from=MADE)

    kinds = [
        _list_of(jwt(payload, **header).encode())["id"].partition(",")[0]
        for payload, header in (
            (list_, {}),
            ({"vc": list_}, {"typ": "JWT"}),
            ({"vc": list_}, {"typ": "vc+jwt"}),
        )
    ]

    assert kinds == ["data:application/vc+jwt", "data:application/jwt", "data:application/vc+jwt"]


@pytest.mark.parametrize("index", ["7", "123456789012345"])
def test_whole_numbers_are_whole_however_long(client: FlaskClient, index: str) -> None:
    """
    Base 10 text of arbitrary size (Bitstring Status List 1.0, 2.1); 1.0 is the number 1: no fault of form.
    """
    entry = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": index,
        "statusListCredential": "urn:example:list",
        "statusSize": 1.0,
    }

    told = verified(client, suites.sign(credential(credentialStatus=entry), ISSUER, MADE))

    assert reasons(told) == {"status_unavailable"}
    assert "urn:example:list" in told["problemDetails"][0]["detail"]
    assert "https://HOST" in told["problemDetails"][0]["detail"]


def test_why_something_was_not_looked_at_is_told_once(client: FlaskClient) -> None:
    """
    A document that is refused for its form has no warnings that repeat it of schema and resources.
    """
    told = verified(client, envelope(jwt(credential(), alg="none")))

    assert reasons(told) == {"invalid_signature"}
    assert told["warnings"] == []


@pytest.mark.parametrize(
    ("method", "reason"), [(DID, "issuer_key_mismatch"), ("did:web:issuer.example", "issuer_key_mismatch")]
)
def test_a_proof_that_names_no_key_is_not_called_unreadable(
    client: FlaskClient, method: str, reason: str
) -> None:
    """
    A DID is a URL (vc-data-integrity, 2.1): it is well-formed, and names no key.
    """
    signed = suites.sign(credential(), ISSUER, MADE)
    shown = {**signed, "proof": {**signed["proof"], "verificationMethod": method}}

    told = verified(client, shown)

    assert reasons(told) == {reason} and method in told["problemDetails"][0]["detail"]


def test_what_an_issuer_sends_is_the_issuers_to_correct(client: FlaskClient) -> None:
    """
    Case 20 and its kind: whoever asks for a signature is told what to write, not to ask the issuer for it.
    """
    mine = client.get("/test-manifest").get_json()
    first = issue(client, credential(issuer=mine["vc2"]["id"], validFrom=..., issuanceDate=MADE))
    ended = issue(client, credential(issuer=mine["vc2"]["id"], expirationDate=MADE))
    shape = issue(client, credential(issuer=mine["vc2"]["id"], validFrom="2026-01-01"))
    body = client.post("/credentials/issue", data=b'{"credential": {},}', content_type="application/json")

    assert (
        "issuanceDate" in first.get_json()["detail"] and "validFrom in VCDM 2.0" in first.get_json()["detail"]
    )
    assert "validUntil in VCDM 2.0" in ended.get_json()["detail"]
    for answer in (first, ended, shape, body):
        told = answer.get_json()
        assert (answer.status_code, told["fault"]) == (400, "caller")
        assert "sent the document" not in told["next"] and "issuer" not in told["next"]


def test_what_this_node_adds_is_not_the_senders_fault(client: FlaskClient) -> None:
    """
    A profile that adds a status says that it does, and names no term that the sender never wrote.
    """
    mine = client.get("/test-manifest").get_json()["bitstring"]["id"]

    answer = issue(client, first_edition(issuer=mine), "bitstring")

    assert answer.status_code == 400
    assert "BitstringStatusListEntry" not in answer.get_json()["detail"]
    assert "VCDM 2.0" in answer.get_json()["detail"]


def test_a_status_of_another_kind_is_not_changed(client: FlaskClient) -> None:
    """
    Who asks for a change of a kind that is not kept here is told so: nothing else is changed instead.
    """
    change = {"type": "RevocationList2020Status", "statusPurpose": "suspension", "status": True}

    answer = client.post(
        "/credentials/status", json={"credentialId": "urn:a:b", "credentialStatus": [change]}
    )

    assert answer.status_code == 400
    assert "BitstringStatusListEntry" in answer.get_json()["detail"]


def test_a_whole_number_with_a_point_is_one(client: FlaskClient, directory: DataDirectory) -> None:
    """
    1790000000.0 and 1.79e9 are whole numbers of JSON; no word of the encoding reaches whoever sent them.
    """
    key = {"Authorization": f"Bearer {directory.operator()}"}
    order = {"event": "battery.recalled", "battery": CODE, "members": {"reason": "fire", "draft": True}}

    drafts = [
        client.post(
            "/attestations",
            data=json.dumps(order)[:-1] + f', "event_time": {number}}}',
            headers=key,
            content_type="application/json",
        )
        for number in ("1790000000", "1790000000.0", "1.79e9")
    ]

    assert [answer.status_code for answer in drafts] == [200] * 3, drafts[1].text
    assert len({answer.text for answer in drafts}) == 1


@pytest.mark.parametrize(
    ("did", "told"),
    [
        ("did:web:a.example%2Fpath", "the DID URL of something else"),
        ("did:key:1.1:z6Mk", "a did:key of another version"),
        ("did:key:z6Mk", "The key of 'did:key:z6Mk'"),
        ("did:web:a_b.example", "no host that is asked here"),
    ],
)
def test_a_did_that_is_not_looked_up_is_told_as_what_it_is(client: FlaskClient, did: str, told: str) -> None:
    """
    No sentence says that did:web is looked up here and this did:web is not, or names a member nobody sent.
    """
    assert told in client.get(f"/1.0/identifiers/{did}").get_json()["didResolutionMetadata"]["message"]
