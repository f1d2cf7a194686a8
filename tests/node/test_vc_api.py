"""VC-API of a node by itself: every profile issues and verifies, everything wrong is a 400 that says why."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from consensus.cose import SeedSigner
from credentials.documents import suites
from credentials.documents.canonical import b64u, b64u_decode, rdfc
from credentials.documents.keys import base58btc_encode, did_key, did_key_url
from credentials.documents.status import read_list
from credentials.documents.suites import jose
from node import config
from node.api import create_app
from node.config import DataDirectory
from node.errors import SetupError
from node.issuing.profiles import TABLE
from node.service import Service
from node.setup import standalone
from node.setup.wiring import open_service

V1, V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
URL = "http://127.0.0.1:8470"
JSON = dict[str, Any]
PROFILES = sorted(TABLE)


@dataclass
class Node:
    service: Service
    client: FlaskClient
    manifest: JSON

    def post(self, path: str, body: Any) -> tuple[int, JSON]:
        answer = self.client.post(path, json=body)
        assert "json" in (answer.content_type or ""), answer.data[:200]
        found: JSON = answer.get_json(force=True)
        return answer.status_code, found

    def issue(self, credential: Any, profile: str = "vc2", **options: Any) -> tuple[int, JSON]:
        path = f"/issuers/{profile}/credentials/issue"
        return self.post(path, {"credential": credential, "options": options})

    def issued(self, credential: JSON | None = None, profile: str = "vc2") -> JSON:
        status, answer = self.issue(credential or self.credential(profile), profile)
        assert status == 201, answer
        found: JSON = answer["verifiableCredential"]
        return found

    def verify(self, credential: Any, **options: Any) -> tuple[int, JSON]:
        status, answer = self.post(
            "/credentials/verify", {"verifiableCredential": credential, "options": options}
        )
        assert status == (200 if answer["verified"] is True else 400), answer
        if status == 400:
            assert answer["problemDetails"], answer
            assert all({"type", "title", "detail"} <= p.keys() for p in answer["problemDetails"])
        return status, answer

    def credential(self, profile: str = "vc2", **changes: Any) -> JSON:
        document: JSON = {
            "@context": [V2, EXAMPLES],
            "type": ["VerifiableCredential", "ExampleCredential"],
            "issuer": self.manifest[profile]["id"],
            "credentialSubject": {"id": "did:example:holder", "name": "Somebody"},
        }
        for name, value in changes.items():
            member = {"context": "@context"}.get(name, name)
            if value is ...:
                document.pop(member, None)
            else:
                document[member] = value
        return document


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    directory = DataDirectory(tmp_path_factory.mktemp("alone") / "data")
    words = standalone.found(directory, URL, None)
    service = open_service(directory, words, 8470, open_api=True, public_url=URL)
    service.start()
    try:
        client = create_app(service).test_client()
        yield Node(service, client, client.get("/test-manifest").get_json())
    finally:
        service.stop()


HOLDER = SeedSigner(did_key_url(SeedSigner("", b"h" * 32).public_key), b"h" * 32)
HOLDER_DID = did_key(HOLDER.public_key)


# -- profiles ----------------------------------------------------------------------------------------------


def test_manifest_names_every_profile(node: Node) -> None:
    """
    Each profile of the contract has an issuer and an endpoint; no two share a key.
    """
    contract = {"vc2", "enveloped", "bitstring", "eddsa-rdfc-2022", "eddsa-jcs-2022"}
    contract |= {f"ecdsa-{kind}-2019-{curve}" for kind in ("rdfc", "jcs") for curve in ("p256", "p384")}

    assert contract <= node.manifest.keys()
    assert len({row["id"] for row in node.manifest.values()}) == len(node.manifest)
    for name, row in node.manifest.items():
        assert row["endpoint"] == f"{URL}/issuers/{name}/credentials/issue"
        beginning = {"Ed25519": "z6Mk", "P-256": "zDna", "P-384": "z82L"}[TABLE[name].key_kind]
        assert row["id"].startswith("did:web:" if name == "web" else f"did:key:{beginning}")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_issues_what_verifies(node: Node, profile: str) -> None:
    """
    201 with the credential secured as the profile says; it verifies, and one changed word does not.
    """
    secured = node.issued(profile=profile)

    assert node.verify(secured)[0] == 200
    assert node.verify(secured, checks=["proof"])[0] == 200
    assert node.verify(secured, checks=["proof", "credentialStatus"])[0] == 200
    if TABLE[profile].mechanism == "jose":
        assert secured["@context"] == V2 and secured["type"] == "EnvelopedVerifiableCredential"
        head, body, signature = secured["id"].removeprefix("data:application/vc+jwt,").split(".")
        assert json.loads(b64u_decode(head))["alg"] == "ES256"
        other = json.loads(b64u_decode(body))
        other["credentialSubject"]["name"] = "Somebody else"
        altered = {
            **secured,
            "id": ".".join(("data:application/vc+jwt," + head, b64u(json.dumps(other).encode()), signature)),
        }
    else:
        proof = secured["proof"]
        did = node.manifest[profile]["id"]
        assert proof["type"] == "DataIntegrityProof" and proof["proofPurpose"] == "assertionMethod"
        assert proof["cryptosuite"] == TABLE[profile].cryptosuite
        assert proof["verificationMethod"].startswith(f"{did}#") and proof["proofValue"].startswith("z")
        altered = copy.deepcopy(secured)
        altered["credentialSubject"]["name"] = "Somebody else"
    status, answer = node.verify(altered)
    assert status == 400 and any("invalid_signature" in p["type"] for p in answer["problemDetails"])


def test_the_default_profile_is_a_did_key(node: Node) -> None:
    """
    /credentials/issue is the profile vc2 of a node by itself; an unknown profile is a 400.
    """
    status, answer = node.post("/credentials/issue", {"credential": node.credential()})

    assert status == 201 and answer["verifiableCredential"]["issuer"].startswith("did:key:z6Mk")
    assert node.issue(node.credential(), "nothing")[0] == 400


def test_the_first_edition_is_issued_too(node: Node) -> None:
    """
    VCDM 1.1 without the Data Integrity context: the context is added, and the credential verifies.
    """
    for profile in ("eddsa-jcs-2022", "eddsa-rdfc-2022", "ecdsa-rdfc-2019-p384"):
        first = {
            "@context": [V1],
            "type": ["VerifiableCredential"],
            "issuer": node.manifest[profile]["id"],
            "issuanceDate": "2026-01-01T00:00:00Z",
            "credentialSubject": {"id": "did:example:holder"},
        }
        secured = node.issued(first, profile)

        assert secured["@context"] == [V1, "https://w3id.org/security/data-integrity/v2"]
        assert node.verify(secured)[0] == 200


def test_two_proofs_are_both_required(node: Node) -> None:
    """
    A credential that is secured again carries a set; spoiling either proof spoils the credential.
    """
    secured = node.issued(profile="eddsa-rdfc-2022")
    second = suites.sign(secured, HOLDER, "2026-01-01T00:00:00Z", contexts=config.contexts())
    again = node.issued(second, "eddsa-rdfc-2022")

    assert len(again["proof"]) == 3 and node.verify(again)[0] == 200
    for place in range(3):
        spoilt = copy.deepcopy(again)
        spoilt["proof"][place]["created"] = "2026-01-02T00:00:00Z"
        assert node.verify(spoilt)[0] == 400
        assert node.issue(spoilt, "eddsa-rdfc-2022")[0] == 400


# -- the data model ----------------------------------------------------------------------------------------

SUBJECT = {"id": "did:example:holder"}
STATUS = {"type": "ExampleStatus", "id": "https://a.example/1"}
REFUSED: dict[str, list[Any]] = {
    "type": [
        ...,
        None,
        [],
        "",
        "ExampleCredential",
        ["ExampleCredential"],
        ["VerifiableCredential", "no such:"],
    ],
    "id": [None, ["urn:a:b", "urn:a:c"], "no url", 7],
    "credentialSubject": [..., None, {}, [], [SUBJECT, {}], {"id": ["urn:a:b", "urn:a:c"]}, "x"],
    "issuer": [..., None, "x", {}, {"name": "x"}, {"id": "x"}, "did:key:z6MkOfSomebodyElse", 7],
    "validFrom": ["2026", "2026-01-01", "2026-01-01T00:00:00", 7, None],
    "validUntil": ["x", None],
    "credentialStatus": [
        {"id": "urn:a:b"},
        {**STATUS, "id": "x"},
        {**STATUS, "id": ["urn:a:b"]},
        {**STATUS, "type": ["A", "B"]},
    ],
    "credentialSchema": [{"id": "urn:a:b"}, {"type": "JsonSchema"}, {"id": "x", "type": "JsonSchema"}],
    "evidence": [{"id": "urn:a:b"}],
    "termsOfUse": [{"id": "urn:a:b"}],
    "refreshService": [{"id": "urn:a:b"}],
    "name": [{"@value": "x", "extra": "y"}, 7],
    "description": [{"@value": "x", "@language": "en", "url": "urn:a:b"}],
    "relatedResource": [
        "urn:a:b",
        [{"digestSRI": "sha384-x"}],
        {"id": "urn:a:b"},
        {"id": V2, "digestSRI": "sha384-" + "A" * 64},
    ],
    "context": [
        ...,
        None,
        [],
        V2,
        [V2, "https://unknown.example/v1"],
        [V2, "malformed"],
        [V2, 7],
        [EXAMPLES, V2],
        [V2, {"@protected": True, "name": "urn:other:name"}],
        [V2, {"VerifiableCredential": "urn:other:type"}],
    ],
    "undefinedTerm": ["x"],
}


@pytest.mark.parametrize(
    ("member", "value"), [(m, v) for m, values in REFUSED.items() for v in values], ids=str
)
def test_what_is_refused_at_issue(node: Node, member: str, value: Any) -> None:
    """
    400 with one sentence; nothing is signed. Undefined terms count although the vocabulary is open elsewhere.
    """
    changes = {member: value}
    if member == "undefinedTerm":
        changes["context"] = [V2]
        changes["type"] = ["VerifiableCredential"]
    status, answer = node.issue(node.credential(**changes))

    assert status == 400 and answer["detail"], answer


@pytest.mark.parametrize(
    "changes",
    [
        {"type": ["VerifiableCredential", "Undefined"]},
        {"type": ["VerifiableCredential", "Undefined"], "context": [V2, {"@vocab": None}]},
        {"context": [V2, {"@base": "https://a.example/"}], "type": ["VerifiableCredential", "Undefined"]},
        {"issuer": "relative", "type": ["VerifiableCredential"]},
        {"credentialSubject": {"id": "did:example:a", "undefined": 1}},
    ],
    ids=str,
)
def test_what_json_ld_would_leave_out_is_refused(node: Node, changes: JSON) -> None:
    """
    Without the examples' vocabulary an undefined type or term fails at issue, and at verify.
    """
    document = node.credential(**{"context": [V2], "type": ["VerifiableCredential"], **changes})
    if "issuer" not in changes:
        assert node.issue(document)[0] == 400

    forged = suites.sign({**document, "issuer": HOLDER_DID}, HOLDER, "2026-01-01T00:00:00Z")
    if "issuer" not in changes:
        assert node.verify(forged)[0] == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"credentialSubject": [SUBJECT, {"id": "urn:a:b", "name": "x"}]},
        {"validFrom": "2026-01-01T00:00:00.123Z", "validUntil": "2999-01-01T00:00:00+05:30"},
        {"validFrom": "2999-01-01T00:00:00Z"},
        {"name": {"@value": "x", "@language": "en", "@direction": "ltr"}},
        {
            "description": [
                {"@value": "x", "@language": "en"},
                {"@value": "\u05d0", "@language": "he", "@direction": "rtl"},
            ]
        },
        {"credentialSchema": {"id": "https://a.example/schema", "type": "JsonSchema"}},
        {"credentialSchema": [{"id": f"https://a.example/{n}", "type": "JsonSchema"} for n in (1, 2)]},
        {"refreshService": {"type": "ExampleRefresh", "id": "https://a.example/refresh"}},
        {"termsOfUse": [{"type": "ExampleTerms"}, {"type": "ExampleTerms"}]},
        {"evidence": [{"type": "ExampleEvidence"}]},
        {
            "relatedResource": {
                "id": "https://a.example/image",
                "digestMultibase": "uEiCcvAfD-ZFyWDajqipYHKICnZiqQgAYhYqLWHU3Xy-fYA",
            }
        },
        {
            "context": [V2, {"local": "urn:example:local"}],
            "type": ["VerifiableCredential"],
            "credentialSubject": {"id": "urn:a:b", "local": "x"},
        },
    ],
    ids=str,
)
@pytest.mark.parametrize("profile", ["vc2", "enveloped", "eddsa-rdfc-2022"])
def test_what_is_accepted(node: Node, changes: JSON, profile: str) -> None:
    """
    Single and plural, language and direction, fractions and offsets, inline contexts: issued and verified.
    """
    secured = node.issued(node.credential(profile, **changes), profile)

    assert node.verify(secured)[0] == 200


def test_an_issuer_speaks_several_languages(node: Node) -> None:
    """
    An issuer object with names in several languages, and any right digest of the v2 context.
    """
    issuer = {"id": node.manifest["vc2"]["id"], "name": [{"@value": "A", "@language": "en"}, {"@value": "B"}]}
    for text in config.related_resources()[V2]:
        digest = "u" + b64u(b"\x12\x20" + hashlib.sha256(text).digest())
        related = [{"id": V2, "digestMultibase": digest}]
        secured = node.issued(node.credential(issuer=issuer, relatedResource=related))
        assert node.verify(secured)[0] == 200


def test_a_schema_that_is_known_is_enforced(node: Node) -> None:
    """
    `credentialSchema` of a schema this node holds: a credential that breaks it is not issued.
    """
    schema = next(iter(config.schemas()))

    status, answer = node.issue(node.credential(credentialSchema={"id": schema, "type": "JsonSchema"}))

    assert status == 400 and "schema" in answer["type"]


# -- verifying ---------------------------------------------------------------------------------------------

STRANGE: list[Any] = [
    None,
    "",
    "text",
    7,
    True,
    [],
    [[]],
    {},
    {"proof": {}},
    {"proof": None},
    {"proof": []},
    {"proof": [None]},
    {"type": ["NonconformingDocument"]},
    {"@context": [V2], "type": ["VerifiableCredential"]},
    {"type": "EnvelopedVerifiableCredential"},
    {"type": ["EnvelopedVerifiableCredential"], "id": 7},
    {"@context": V2, "type": "EnvelopedVerifiableCredential", "id": "https://a.example/"},
    {"@context": V2, "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt,a.b.c"},
    {"@context": V2, "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+cose;base64,AAAA"},
]


@pytest.mark.parametrize("shown", STRANGE, ids=str)
def test_strange_inputs_are_not_verified(node: Node, shown: Any) -> None:
    """
    Whatever stands where a credential or presentation belongs: 400, verified false, with problem details.
    """
    assert node.verify(shown)[0] == 400
    status, answer = node.post("/presentations/verify", {"verifiablePresentation": shown})
    assert status == 400 and answer["verified"] is False and answer["problemDetails"]


@pytest.mark.parametrize(
    "proof", [None, {}, [], "x", 7, [{}], [None], {"type": "DataIntegrityProof"}], ids=str
)
def test_strange_proofs_are_not_verified(node: Node, proof: Any) -> None:
    """
    A credential whose proof is nothing like one is not verified, and not issued upon.
    """
    assert node.verify({**node.issued(), "proof": proof})[0] == 400
    assert node.issue({**node.credential(), "proof": proof})[0] == 400


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'"x"', b"{", b"\xff", b'{"options": {}}'])
def test_requests_that_are_none(node: Node, body: bytes) -> None:
    """
    A body that is no request is a 400 of the same shape, which says what to do in the caller's language.
    """
    for path in ("/credentials/verify", "/presentations/verify"):
        for language in ("en", "zh"):
            answer = node.client.post(
                path, data=body, content_type="application/json", headers={"Accept-Language": language}
            )
            assert answer.status_code == 400 and answer.get_json()["verified"] is False
            (problem,) = answer.get_json()["problemDetails"]
            assert problem["fault"] == "caller" and problem["next"].isascii() == (language == "en"), problem
    for path in ("/credentials/issue", "/credentials/status", "/issuers/vc2/credentials/issue"):
        assert node.client.post(path, data=body, content_type="application/json").status_code == 400


def test_the_controller_is_reported_not_required(node: Node) -> None:
    """
    A valid proof of somebody else's key verifies; that the issuer is not its controller is said.
    """
    forged = suites.sign(node.credential(), HOLDER, "2026-01-01T00:00:00Z")

    status, answer = node.verify(forged)

    assert status == 200
    assert [w["title"] for w in answer["warnings"]] == ["issuer_key"]


def test_an_expired_credential_is_not_verified(node: Node) -> None:
    """
    After validUntil, or after the proof's own expiry: 400 `expired`; asked for the proof alone it verifies.
    """
    old = node.issued(node.credential(validUntil="2026-01-01T00:00:00Z"))
    proof_old = suites.sign(
        node.credential(), HOLDER, "2026-01-01T00:00:00Z", members={"expires": "2026-01-02T00:00:00Z"}
    )

    status, answer = node.verify(old)

    assert status == 400 and answer["problemDetails"][0]["type"].endswith("expired")
    assert node.verify(old, checks=["proof"])[0] == 200
    assert node.verify(proof_old, checks=["proof"])[0] == 400


def hostile(node: Node) -> dict[str, bytes]:
    """Bodies that cost more than they should, or say what they may not."""
    good = json.dumps({"verifiableCredential": node.issued()})
    jwt = node.issued(profile="enveloped")["id"].removeprefix("data:application/vc+jwt,")
    head, payload, signature = jwt.split(".")

    def envelope(header: JSON, signed: str = signature) -> bytes:
        text = f"{b64u(json.dumps(header).encode())}.{payload}.{signed}"
        return json.dumps({"verifiableCredential": jose.envelop(text)}).encode()

    told = json.loads(b64u_decode(head))
    public_as_secret = {**told, "alg": "HS256"}
    subject = '"credentialSubject": {'
    return {
        "long text": good.replace("Somebody", "x" * 1_000_000).encode(),
        "deep list": good.replace('"Somebody"', "[" * 10_000 + "]" * 10_000).encode(),
        "deep object": good.replace('"Somebody"', '{"a":' * 10_000 + "1" + "}" * 10_000).encode(),
        "blank nodes": good.replace('"Somebody"', "[" + ",".join(['{"name": "x"}'] * 100_000) + "]").encode(),
        "many members": good.replace(
            subject, subject + ",".join(f'"m{n}": 1' for n in range(100_000)) + ","
        ).encode(),
        "huge integer": good.replace('"Somebody"', "9" * 5000).encode(),
        "huge float": good.replace('"Somebody"', "1e400").encode(),
        "not a number": good.replace('"Somebody"', "NaN").encode(),
        "invalid UTF-8": good.encode().replace(b"Somebody", b"\xc3\x28"),
        "lone surrogate": good.replace("Somebody", "\\ud800").encode(),
        "duplicate member": good.replace('"name":', '"name": "x", "name":').encode(),
        "alg none": envelope({**told, "alg": "none"}, ""),
        "alg None": envelope({**told, "alg": "nOnE"}, ""),
        "alg HS256": envelope(public_as_secret),
        "alg of another curve": envelope({**told, "alg": "ES384"}),
        "alg Ed25519": envelope({**told, "alg": "Ed25519"}),
        "alg list": envelope({**told, "alg": ["ES256"]}),
        "crit": envelope({**told, "crit": ["exp"], "exp": 1}),
        "b64": envelope({**told, "b64": False, "crit": ["b64"]}),
        "jwk in the header": envelope({**told, "jwk": {"kty": "EC"}, "kid": "x"}),
    }


@pytest.mark.parametrize(
    "name",
    [
        *(
            "long text",
            "deep list",
            "deep object",
            "blank nodes",
            "many members",
            "huge integer",
            "huge float",
        ),
        *("not a number", "invalid UTF-8", "lone surrogate", "duplicate member", "alg none", "alg None"),
        *("alg HS256", "alg of another curve", "alg Ed25519", "alg list", "crit", "b64", "jwk in the header"),
    ],
)
def test_hostile_documents_cost_little(node: Node, name: str) -> None:
    """
    400 within two seconds of work, at verify and (the same document) at issue; no wait.
    """
    body = hostile(node)[name]
    begun, at_work = time.monotonic(), time.thread_time()  # other tests may run beside this one

    answer = node.client.post("/credentials/verify", data=body, content_type="application/json")

    assert answer.status_code == 400 and answer.get_json()["verified"] is False
    issue = body.replace(b'"verifiableCredential"', b'"credential"', 1)
    answer = node.client.post("/issuers/vc2/credentials/issue", data=issue, content_type="application/json")
    assert answer.status_code == 400
    assert time.thread_time() - at_work < 2
    assert time.monotonic() - begun < 60


ODD: list[Any] = [
    *(None, "", 0, -1, 1.5, True, [], {}, "x", "urn:a:b", [None], [[]], 2**53, "9" * 40, "z" * 300, "\u0000"),
    *("did:key:z", "did:web:a.example#b", "did:web:", "did:key:z6Mk#", ["did:key:z"], {"id": 7}, {"": ""}),
    *({"@value": 1}, {"@id": "x"}, {"@set": []}, {"@list": [[1]]}, {"@context": None}, {"@type": "@id"}),
    *({"@reverse": {}}, {"@graph": []}, {"@index": 1}, {"@nest": 1}, {"@included": [{}]}, {"@vocab": ""}),
    *({"@base": "x"}, {"@import": "x"}, {"@propagate": 1}, {"@version": 1.0}, {"@context": {"x": "@json"}}),
]
ADDED = [
    *(
        "@context",
        "@id",
        "@type",
        "@graph",
        "@nest",
        "@included",
        "@reverse",
        "@set",
        "@value",
        "proof",
        "id",
    ),
    *("type", "previousProof", "expires", "cryptosuite", "domain", "issuer", "credentialStatus", "holder"),
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside a document."""
    found: list[tuple[Any, Any]] = []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


def mutated(document: JSON, source: random.Random) -> JSON:
    """The document with one to three members replaced, removed or added."""
    document = copy.deepcopy(document)
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        candidates = places(document)
        if not candidates:
            break
        container, key = source.choice(candidates)
        act = source.random()
        if act < 0.6:
            container[key] = copy.deepcopy(source.choice(ODD))
        elif act < 0.75:
            container.pop(key)
        elif isinstance(container, dict):
            container[source.choice(ADDED)] = copy.deepcopy(source.choice(ODD))
        else:
            container.append(copy.deepcopy(source.choice(ODD)))
    return document


def says_the_same(altered: JSON, document: JSON) -> bool:
    """Nothing changed, on RDF no statement did, or contexts were appended (vc-di-eddsa, 3.3.2).

    Or a member that says nothing (null, an empty list) stands in an envelope: only its JWT is signed.
    """
    altered = copy.deepcopy(altered)
    if "proof" not in altered:
        altered = {name: value for name, value in altered.items() if value is not None and value != []}
    suite = altered["proof"]["cryptosuite"] if "proof" in altered else ""
    if "rdfc" in suite:
        known = config.contexts()
        return rdfc(altered, known) == rdfc(document, known)
    if "jcs" in suite:
        altered["@context"] = altered["@context"][: len(document["@context"])]
    return json.dumps(altered, sort_keys=True) == json.dumps(document, sort_keys=True)


@pytest.mark.parametrize("count", [500, pytest.param(30_000, marks=pytest.mark.check)])
def test_mutants_break_nothing_and_verify_nowhere(node: Node, count: int) -> None:
    """
    Credentials and presentations with odd values in odd places, at issue and at verify: never a 5xx, and
    what was altered after it was secured never verifies.
    """
    source = random.Random(count)  # printed with a failure as the test's parameter
    secured = []
    for profile in PROFILES:
        issuer = {"id": node.manifest[profile]["id"], "name": {"@value": "x", "@language": "en"}}
        secured.append(node.issued(node.credential(profile, issuer=issuer, id="urn:example:1"), profile))
        assert node.verify(secured[-1])[0] == 200

    for _ in range(count):
        document = source.choice(secured)
        act = source.random()
        if act < 0.5:
            altered = mutated(document, source)
            body = {"verifiableCredential": altered, "options": {"checks": ["proof"]}}
            answer = node.client.post("/credentials/verify", json=body)
            told = f"{json.dumps(altered)} for {json.dumps(document)}"
            assert answer.status_code == 400 or says_the_same(altered, document), told
        elif act < 0.8:
            profile = source.choice(PROFILES)
            body = {"credential": mutated(node.credential(profile), source)}
            answer = node.client.post(f"/issuers/{profile}/credentials/issue", json=body)
        else:
            body = {"verifiablePresentation": mutated(presentation(document), source)}
            answer = node.client.post("/presentations/verify", json=body)
        assert answer.status_code < 500, body


# -- status ------------------------------------------------------------------------------------------------


def test_status_from_issue_to_reinstatement(node: Node) -> None:
    """
    The issuer gives the credential a place in two lists; suspended, reinstated, revoked: said at once.
    """
    document = {**node.credential("bitstring"), "id": "urn:uuid:7a6cafb9-11c3-41a8-98d8-8b5a45c2548f"}
    secured = node.issued(document, "bitstring")
    entries = {entry["statusPurpose"]: entry for entry in secured["credentialStatus"]}

    def change(purpose: str, raised: bool) -> None:
        entry = {"type": "BitstringStatusListEntry", "statusPurpose": purpose, "status": raised}
        status, answer = node.post(
            "/credentials/status", {"credentialId": document["id"], "credentialStatus": [entry]}
        )
        assert status == 200, answer

    assert entries.keys() == {"revocation", "suspension"}
    assert node.verify(secured)[0] == 200
    change("suspension", True)
    status, answer = node.verify(secured)
    assert status == 400 and answer["problemDetails"][0]["type"] == "urn:comity:reason:suspended"
    assert node.verify(secured, checks=["proof"])[0] == 200
    change("suspension", False)
    assert node.verify(secured)[0] == 200
    change("revocation", True)
    assert node.verify(secured)[1]["problemDetails"][0]["type"] == "urn:comity:reason:revoked"

    path = entries["suspension"]["statusListCredential"].removeprefix(URL)
    versions = node.client.get(f"{path}/versions").get_json()["versions"]
    index = int(entries["suspension"]["statusListIndex"])
    assert [v["seq"] for v in versions] == [1, 2, 3]
    assert [v["state"] for v in versions] == ["admitted"] * 3
    assert [v["leaf_index"] for v in versions] == sorted({v["leaf_index"] for v in versions})
    lists = [json.loads(node.client.get(f"{path}?seq={v['seq']}").data) for v in versions]
    told = [read_list(listed).bits(index) for listed in lists]
    assert told == [False, True, False]
    assert json.loads(node.client.get(path).data) == lists[2]
    assert node.client.get(f"{path}?seq=4").status_code == 404
    assert "tlog-proof" in node.client.get(f"/receipts/{versions[1]['attestation']}").text


@pytest.mark.parametrize("accept", ["application/vc", "application/json", "application/ld+json"])
def test_a_list_is_served_to_everybody(node: Node, accept: str) -> None:
    """
    No authorisation; a credential with @context and type as lists, which verifies by itself.
    """
    secured = node.issued(profile="bitstring")
    path = secured["credentialStatus"][0]["statusListCredential"].removeprefix(URL)

    answer = node.client.get(path, headers={"Accept": accept})

    assert answer.mimetype == accept
    listed = json.loads(answer.data)
    assert isinstance(listed["@context"], list) and isinstance(listed["type"], list)
    assert listed["credentialSubject"]["encodedList"].startswith("u")
    assert node.verify(listed)[0] == 200


def test_a_status_that_cannot_be_had_is_not_open(node: Node) -> None:
    """
    An unreachable list leaves the credential unverified as `status_unavailable`, never verified.
    """
    entry = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "1",
        "statusListCredential": "https://127.0.0.1:1/status/1",
    }
    secured = node.issued(node.credential(credentialStatus=entry))

    status, answer = node.verify(secured)

    assert status == 400
    assert [p["type"] for p in answer["problemDetails"]] == ["urn:comity:reason:status_unavailable"]
    assert next(c for c in answer["checks"] if c["name"] == "status")["outcome"] == "indeterminate"


def test_somebody_elses_place_in_our_list_says_nothing(node: Node) -> None:
    """
    A credential of another issuer that points into our list: nobody said that the list may speak for it.
    """
    own = node.issued(profile="bitstring")
    forged = {**node.credential("vc2"), "credentialStatus": own["credentialStatus"]}

    status, answer = node.verify(node.issued(forged))

    assert status == 400
    assert {p["type"] for p in answer["problemDetails"]} == {"urn:comity:reason:status_list_foreign"}


def test_what_has_a_status_has_an_id(node: Node) -> None:
    """
    A credential without an id that is given a status is given an id: by it the status is changed.
    """
    secured = node.issued(profile="bitstring")
    change = [{"statusPurpose": "revocation", "status": True}]

    status, _ = node.post("/credentials/status", {"credentialId": secured["id"], "credentialStatus": change})

    assert secured["id"].startswith("urn:uuid:") and status == 200
    assert node.verify(secured)[0] == 400


def test_a_first_edition_has_no_words_for_a_status(node: Node) -> None:
    """
    VCDM 1.1 does not define the terms of a bitstring entry: the profile refuses instead of signing half.
    """
    first = {
        "@context": [V1],
        "type": ["VerifiableCredential"],
        "issuer": node.manifest["bitstring"]["id"],
        "issuanceDate": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:holder"},
    }

    assert node.issue(first, "bitstring")[0] == 400


def test_unknown_credentials_and_purposes(node: Node) -> None:
    """
    A credential this node did not issue is a 404; a purpose without lists a 400.
    """
    for purpose, expected in (("revocation", 404), ("message", 400)):
        change = [{"statusPurpose": purpose, "status": True}]
        assert (
            node.post("/credentials/status", {"credentialId": "urn:a:b", "credentialStatus": change})[0]
            == expected
        )


# -- presentations -----------------------------------------------------------------------------------------


def presentation(*shown: Any, challenge: str | None = "c-1", **changes: Any) -> JSON:
    document = {
        "@context": [V2],
        "type": ["VerifiablePresentation"],
        "holder": HOLDER_DID,
        "verifiableCredential": list(shown),
        **changes,
    }
    members = {"challenge": challenge, "domain": "node.example"} if challenge else {}
    return suites.sign(
        document,
        HOLDER,
        "2026-01-01T00:00:00Z",
        cryptosuite="eddsa-rdfc-2022",
        purpose="authentication",
        contexts=config.contexts(),
        members=members,
    )


def test_presentations(node: Node) -> None:
    """
    Signed for this challenge and domain, every credential in it verified, plain and enveloped alike.
    """
    shown = presentation(
        node.issued(), node.issued(profile="enveloped"), node.issued(profile="ecdsa-jcs-2019-p256")
    )
    options = {"challenge": "c-1", "domain": "node.example"}

    def verify(document: Any, options: JSON) -> int:
        status, answer = node.post(
            "/presentations/verify", {"verifiablePresentation": document, "options": options}
        )
        assert status == (200 if answer["verified"] else 400)
        return status

    assert verify(shown, options) == 200
    assert verify(shown, {**options, "challenge": "c-2"}) == 400
    assert verify(shown, {**options, "domain": "other.example"}) == 400
    assert verify(shown, {"challenge": 7}) == 400
    assert verify(presentation(node.issued(), challenge=None), options) == 400
    unsigned = {name: value for name, value in shown.items() if name != "proof"}
    assert verify(unsigned, options) == 400
    spoilt = node.issued(node.credential(name="Another", credentialSubject={"name": "Somebody"}))
    spoilt["credentialSubject"]["name"] = "Somebody else"
    assert verify(presentation(node.issued(), spoilt), options) == 400
    assert verify(presentation({**node.credential()}), options) == 400
    for purpose, kind in (
        ("assertionMethod", "VerifiablePresentation"),
        ("authentication", "VerifiableCredential"),
    ):
        document = {"@context": [V2], "type": [kind]}
        made = suites.sign(document, HOLDER, "2026-01-01T00:00:00Z", purpose=purpose)
        assert verify(made, {}) == 400


# -- resolution --------------------------------------------------------------------------------------------


OFF_THE_CURVE = bytes([0x80, 0x24, 2]) + b"\xff" * 32


@pytest.mark.parametrize(
    ("did", "error", "status"),
    [
        ("did:example:123", "methodNotSupported", 400),
        ("did:key", "invalidDid", 400),
        ("did:key:", "invalidDid", 400),
        ("nothing", "invalidDid", 400),
        ("did:KEY:z6Mk", "invalidDid", 400),
        (f"did:key:{base58btc_encode(bytes([0xED, 1]) + b'k' * 31)}", "invalidPublicKeyLength", 400),
        (f"did:key:{base58btc_encode(bytes([0x80, 0x24]) + b'k' * 34)}", "invalidPublicKeyLength", 400),
        (f"did:key:{base58btc_encode(OFF_THE_CURVE)}", "invalidDid", 400),
        ("did:key:u7QEm", "invalidDid", 400),
        ("did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc", "unsupportedPublicKeyType", 400),
        ("did:web:not_a_host", "invalidDid", 400),
        ("did:web:127.0.0.1", "notFound", 404),
        ("did:web:localhost%3A22", "notFound", 404),
    ],
)
def test_what_is_not_resolved(node: Node, did: str, error: str, status: int) -> None:
    """
    The error codes of DID Resolution and of did:key; no private host is asked.
    """
    answer = node.client.get(f"/1.0/identifiers/{did.replace('%', '%25')}")

    assert answer.status_code == status
    result = answer.get_json()
    told = result["didResolutionMetadata"]
    assert result["didDocument"] is None and told["error"] == error and told["message"]
    assert result.keys() >= {"@context", "didDocumentMetadata"}


def test_what_is_resolved(node: Node) -> None:
    """
    did:key of every kind is computed, the participant's did:web is read from the ledger.
    """
    for row in node.manifest.values():
        result = node.client.get(f"/1.0/identifiers/{row['id'].replace('%', '%25')}").get_json()
        assert result["didDocument"]["id"] == row["id"] and "error" not in result["didResolutionMetadata"]
    served = node.client.get("/.well-known/did.json").get_json()
    assert served["id"] == node.manifest["web"]["id"]


# -- the data directory ------------------------------------------------------------------------------------


def test_an_operator_adds_contexts_by_file_and_digest(tmp_path: Path) -> None:
    """
    node.toml names files with their digests; another digest, or a pinned context, is refused at start.
    """
    context = b'{"@context": {"local": "urn:example:local"}}'
    (tmp_path / "local.jsonld").write_bytes(context)
    settings = tmp_path / "node.toml"

    def write(url: str, digest: str) -> None:
        settings.write_text(f'[[contexts]]\nurl = "{url}"\nfile = "local.jsonld"\nsha256 = "{digest}"\n')

    write("https://maker.example/v1", hashlib.sha256(context).hexdigest())
    assert "https://maker.example/v1" in DataDirectory(tmp_path).settings().known_contexts(config.contexts())
    for url, digest in (("https://maker.example/v1", "0" * 64), (V2, hashlib.sha256(context).hexdigest())):
        write(url, digest)
        with pytest.raises(SetupError):
            DataDirectory(tmp_path).settings().known_contexts(config.contexts())
    for text in ("x = 1", "public_url = 7", "[fetch]\nx = 1", "[[contexts]]\nurl = 1", "="):
        settings.write_text(text)
        with pytest.raises(SetupError):
            DataDirectory(tmp_path).settings()


def told_of(node: Node, document: Any, **options: Any) -> tuple[bool, list[tuple[str, str]]]:
    """(verified, [(reason, detail)]) of what the node says of a presentation."""
    body = {"verifiablePresentation": document, "options": options}
    _, answer = node.post("/presentations/verify", body)
    problems = [*answer["problemDetails"], *answer["warnings"]]
    return answer["verified"], [(p["type"].rpartition(":")[2], p["detail"]) for p in problems]


@pytest.mark.parametrize("name", ["challenge", "domain"])
def test_what_a_presentation_is_held_against_is_a_text(node: Node, name: str) -> None:
    """
    A number is not compared as if it had been asked for: refused, with the option that is none.
    """
    verified, told = told_of(node, presentation(node.issued()), **{name: 7})

    assert not verified
    assert [(reason, f"options.{name} must be a text (VC-API)." in detail) for reason, detail in told] == [
        ("malformed", True)
    ]


@pytest.mark.parametrize(("checks", "verified"), [(None, True), (["holder_key"], False)])
def test_whose_presentation_it_is_can_be_asked_of_an_open_node(
    node: Node, checks: list[str] | None, verified: bool
) -> None:
    """
    Signed by another than its holder: a warning at an open node, and a failure where that check is asked for.
    """
    other = did_key(SeedSigner("", b"o" * 32).public_key)
    shown = presentation(node.issued(), holder=other)
    options: JSON = {"challenge": "c-1", "domain": "node.example"} | ({"checks": checks} if checks else {})

    said, told = told_of(node, shown, **options)

    assert said is verified
    assert [reason for reason, _ in told] == ["issuer_key_mismatch"]


def test_a_presentation_counts_from_the_second_it_names(node: Node) -> None:
    """
    `nbf` of now is now; of a second that is to come it is not yet valid.
    """

    def at(moment: int) -> tuple[bool, list[str]]:
        document = {"@context": [V2], "type": ["VerifiablePresentation"], "holder": HOLDER_DID}
        text = jose.sign_jwt(document, HOLDER, media_type="vp+jwt", claims={"nbf": moment})
        verified, told = told_of(node, jose.envelop(text, "vp+jwt"))
        return verified, [reason for reason, _ in told]

    assert at(int(time.time())) == (True, [])
    assert at(int(time.time()) + 60) == (False, ["not_yet_valid"])
