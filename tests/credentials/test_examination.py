"""One document examined: what its status, schema, resources and keys make of it, by every mechanism."""

from __future__ import annotations

import ast
import hashlib
import json
import tomllib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.cose import SeedSigner
from credentials.documents import suites
from credentials.documents.canonical import b64u, jcs
from credentials.documents.keys import did_key, did_key_url
from credentials.documents.model import Credential, StatusEntry
from credentials.documents.secured import Secured, verify_shown
from credentials.documents.status import make_list_credential
from credentials.documents.suites import jose, reading
from credentials.errors import UNDECIDED, CredentialError
from credentials.verdicts.examination import examine_document
from credentials.verdicts.ledger_means import participants_keys
from credentials.verdicts.means import Demands, ListInHand, Means
from credentials.verdicts.verdict import Check, Findings, Outcome
from node.config import contexts, related_resources
from tests.harness.border import ROOT, World, schemas, tables, words

JSON = dict[str, Any]
CASES = ROOT / "tests" / "vectors" / "cases"
V1, V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
MADE, NOW = "2026-01-01T00:00:00Z", 1_790_000_000
ISSUER = SeedSigner(did_key_url(SeedSigner("", b"i" * 32).public_key), b"i" * 32)
OTHER = SeedSigner(did_key_url(SeedSigner("", b"o" * 32).public_key), b"o" * 32)
DID, OTHER_DID = did_key(ISSUER.public_key), did_key(OTHER.public_key)
LIST = "https://issuer.example/list"
ENTRY = {
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "7",
    "statusListCredential": LIST,
}
OLD_STATUS = {
    "id": "https://issuer.example/l#7",
    "type": "RevocationList2020Status",
    "revocationListIndex": "7",
    "revocationListCredential": "https://issuer.example/l",
}
OLD_TERMS = {
    name: f"https://w3id.org/vc-revocation-list-2020#{name}"
    for name in ("RevocationList2020Status", "revocationListIndex", "revocationListCredential")
}


def credential(**changes: Any) -> JSON:
    document: JSON = {
        "@context": [V2],
        "id": "urn:uuid:1b2c3d4e-0000-4000-8000-000000000001",
        "type": ["VerifiableCredential"],
        "issuer": DID,
        "validFrom": MADE,
        "credentialSubject": {"id": "urn:example:subject"},
    }
    document |= {name: value for name, value in changes.items() if value is not ...}
    return {name: value for name, value in document.items() if changes.get(name, 0) is not ...}


def first_edition(document: JSON) -> JSON:
    """The same as a credential of VC Data Model 1.1."""
    others = {n: v for n, v in document.items() if n not in ("@context", "validFrom")}
    return {"@context": [V1, *document["@context"][1:]], "issuanceDate": MADE, **others}


def jwt(header: JSON, payload: JSON, signer: SeedSigner = ISSUER) -> str:
    signed = f"{b64u(jcs({'alg': 'Ed25519', 'kid': signer.key_id, **header}))}.{b64u(jcs(payload))}"
    return f"{signed}.{b64u(signer.sign(signed.encode()))}"


def by_suite(name: str) -> Callable[[JSON], JSON]:
    return lambda document: suites.sign(document, ISSUER, MADE, cryptosuite=name, contexts=contexts())


SECURED: dict[str, Callable[[JSON], JSON]] = {
    "eddsa-jcs-2022": by_suite("eddsa-jcs-2022"),
    "eddsa-rdfc-2022": by_suite("eddsa-rdfc-2022"),
    "vc+jwt": lambda document: jose.envelop(jwt({}, document)),
    "jwt": lambda document: jose.envelop(jwt({}, {"vc": document, "iss": DID}), "jwt"),
    "1.1, eddsa-jcs-2022": lambda document: by_suite("eddsa-jcs-2022")(first_edition(document)),
    "1.1, jwt": lambda document: jose.envelop(jwt({}, {"vc": first_edition(document)}), "jwt"),
}


def examined(shown: object, *, means: Means | None = None, demands: Demands | None = None) -> list[Check]:
    found = Findings(tables())
    demands = demands or Demands(schema_expected=False)
    examine_document(found, shown, means or having(), demands, NOW)
    return found.checks


def having(lists: Mapping[str, JSON] | None = None, **changes: Any) -> Means:
    """What a node has, that holds these lists."""

    def list_of(issuer: str, entry: StatusEntry) -> ListInHand:
        return ListInHand((lists or {}).get(entry.list_credential), 0)

    means = Means(participants_keys(World().governance), contexts(), schemas(), related_resources(), list_of)
    return replace(means, **changes)


def of(checks: list[Check], name: str) -> list[tuple[str, str]]:
    return [(check.outcome.value, check.reason) for check in checks if check.name == name]


def is_sound(checks: list[Check]) -> bool:
    """True if no check failed and none was left undecided."""
    return not [c for c in checks if c.outcome in (Outcome.FAIL, Outcome.INDETERMINATE)]


def a_list(raised: tuple[int, ...] = (), **changes: Any) -> JSON:
    signer = changes.pop("signer", ISSUER)
    subject = changes.pop("subject", {})
    document = make_list_credential(
        list_id=LIST, issuer=DID, purpose="revocation", set_bits=raised, valid_from=MADE
    )
    document["credentialSubject"] |= subject
    return suites.sign({**document, **changes}, signer, MADE)


@pytest.mark.parametrize("way", SECURED)
def test_proofs_that_held_are_verified_once_as_long_as_the_keys_are_the_same(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A document that is read again is digested again, and its proofs are not verified again: unless a byte of
    it or the key of its method is another. (An envelope is verified each time.)
    """
    verified, document = list[object](), SECURED[way](credential())

    def verifying(*given: Any) -> Secured:
        verified.append(given)
        return verify_shown(*given)

    monkeypatch.setattr("credentials.verdicts.examination.verify_shown", verifying)
    means, other = having(), {**document, "validUntil": "2030-01-01T00:00:00Z"}
    stolen = replace(means, key_of=lambda method: OTHER.public_key)

    first, again = examined(document, means=means), examined(document, means=means)
    alone = len(verified)

    assert first == again and is_sound(first)
    assert alone == (2 if "jwt" in way else 1)
    for shown, by in ((document, stolen), *(() if "jwt" in way else ((other, means),))):
        assert of(examined(shown, means=by), "proof") == [("fail", "invalid_signature")]
    assert examined(document, means=means) == first
    assert len(means.proofs) == (0 if "jwt" in way else 1)


# -- status ------------------------------------------------------------------------------------------------


# 1.1 has no words for bitstring entries.
WAYS = [
    (w, b) for w in SECURED for b in ("alone", "beside a bitstring entry") if b == "alone" or w[:3] != "1.1"
]


@pytest.mark.parametrize(("way", "beside"), WAYS)
def test_a_status_of_a_kind_nobody_knows_is_undecided(way: str, beside: str) -> None:
    """
    A status is evaluated by its type or not at all (VCDM 2.0, 4.10), whatever envelope and data model.
    """
    status = OLD_STATUS if beside == "alone" else [ENTRY, OLD_STATUS]
    document = credential(**{"@context": [V2, OLD_TERMS], "credentialStatus": status})

    checks = examined(SECURED[way](document), means=having({LIST: a_list()}))

    assert of(checks, "proof") == [("pass", "ok")]
    assert of(checks, "status") == [("indeterminate", "status_unsupported")]


@pytest.mark.parametrize("way", ["eddsa-jcs-2022", "eddsa-rdfc-2022", "vc+jwt", "jwt"])
@pytest.mark.parametrize("raised", [True, False])
def test_a_bit_decides_by_every_mechanism(way: str, raised: bool) -> None:
    """
    The same list speaks about a credential however it is secured.
    """
    checks = examined(
        SECURED[way](credential(credentialStatus=ENTRY)), means=having({LIST: a_list((7,) if raised else ())})
    )

    assert of(checks, "status") == [("fail", "revoked") if raised else ("pass", "ok")]


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [
        ("message", ("warn", "status_message")),
        ("refresh", ("warn", "status_refresh")),
        ("suspension", ("fail", "suspended")),
        ("inventory", ("indeterminate", "status_unsupported")),
    ],
)
def test_a_purpose_is_told_as_what_it_is(purpose: str, expected: tuple[str, str]) -> None:
    """
    A raised message is a message, and a purpose that nothing here evaluates is undecided, raised or not.
    """
    entry: JSON = {**ENTRY, "statusPurpose": purpose}
    if purpose == "message":
        entry["statusMessage"] = [
            {"status": "0x0", "message": "in order"},
            {"status": "0x1", "message": "being checked"},
        ]
    shown = SECURED["eddsa-jcs-2022"](credential(credentialStatus=entry))
    lists = {raised: a_list(raised, subject={"statusPurpose": purpose}) for raised in ((7,), ())}

    checks = examined(shown, means=having({LIST: lists[7,]}))
    lowered = examined(shown, means=having({LIST: lists[()]}))

    assert expected in of(checks, "status")
    assert of(lowered, "status") == [expected if expected[0] == "indeterminate" else ("pass", "ok")]
    if purpose == "message":
        told = next(c for c in checks if c.name == "status").evidence
        assert told["message"] == "being checked"
        assert words().reason("status_message", told).endswith('document: "being checked".')


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ((28,), ("fail", "revoked")),
        ((31,), ("fail", "revoked")),
        ((7,), ("pass", "ok")),
        ((), ("pass", "ok")),
    ],
)
def test_entries_of_several_bits_are_read_as_such(bits: tuple[int, ...], expected: tuple[str, str]) -> None:
    """
    Entry 7 of four bits each is bits 28 to 31 (Bitstring Status List 1.0, 3.2), not bit 7.
    """
    messages = [{"status": f"0x{n:x}", "message": f"state {n}"} for n in range(16)]
    entry = {**ENTRY, "statusSize": 4, "statusMessage": messages}

    checks = examined(
        SECURED["eddsa-jcs-2022"](credential(credentialStatus=entry)), means=having({LIST: a_list(bits)})
    )

    assert of(checks, "status") == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"statusSize": 16}, ("status", "indeterminate", "status_unsupported")),
        ({"statusSize": 4}, ("structure", "fail", "structure_invalid")),
        ({"statusSize": 0}, ("structure", "fail", "structure_invalid")),
        ({"statusSize": "1"}, ("structure", "fail", "structure_invalid")),
        ({"statusMessage": [{"status": "0x0", "message": "x"}]}, ("structure", "fail", "structure_invalid")),
    ],
    ids=str,
)
def test_sizes_that_are_not_evaluated_are_never_passed(changes: JSON, expected: tuple[str, str, str]) -> None:
    """
    More bits than are read here are undecided; an entry that breaks its form is refused.
    """
    shown = jose.envelop(jwt({}, credential(credentialStatus={**ENTRY, **changes})))

    checks = examined(shown, means=having({LIST: a_list()}))

    assert expected in [(c.name, c.outcome.value, c.reason) for c in checks]


def test_a_list_of_another_issuer_is_a_question_of_policy() -> None:
    """
    Valid and not raised, and still not believed until the operator names its issuer (Bitstring, 2.2).
    """
    shown = json.loads((CASES / "19-list-of-another-issuer" / "credential.json").read_text())
    listed = json.loads((CASES / "19-list-of-another-issuer" / "list.json").read_text())
    means = having({listed["id"]: listed})

    stranger = examined(shown, means=means)
    trusted = examined(shown, means=replace(means, list_issuers=frozenset({listed["issuer"]})))

    assert of(stranger, "status") == [("indeterminate", "status_list_foreign")]
    assert of(trusted, "status") == [("pass", "ok")] and is_sound(trusted)


def test_a_raised_message_is_no_disagreement_with_a_ledger() -> None:
    """
    Nothing but the message is told: no ledger was asked.
    """
    folder = CASES / "21-raised-message-told-as-a-ledger-conflict"
    listed = json.loads((folder / "list.json").read_text())

    checks = examined(
        json.loads((folder / "credential.json").read_text()), means=having({listed["id"]: listed})
    )

    assert ("warn", "status_message") in of(checks, "status") and is_sound(checks)
    assert not [check for check in checks if check.reason == "status_differs"]


LISTS_OF_OTHERS: dict[str, tuple[Callable[[], JSON | None], str]] = {
    "not to be had": (lambda: None, "status_unavailable"),
    "altered": (lambda: {**a_list(), "validFrom": "2026-01-02T00:00:00Z"}, "status_list_invalid"),
    "by another key": (lambda: a_list(signer=OTHER), "status_list_invalid"),
    "of another": (lambda: a_list(signer=OTHER, issuer=OTHER_DID), "status_list_foreign"),
    "not a list": (lambda: SECURED["eddsa-jcs-2022"](credential()), "status_list_invalid"),
    "unsigned": (lambda: {k: v for k, v in a_list().items() if k != "proof"}, "status_list_invalid"),
    "by an unknown suite": (
        lambda: {**a_list(), "proof": {**a_list()["proof"], "cryptosuite": "bbs-2023"}},
        "status_unsupported",
    ),
    "in an unknown vocabulary": (
        lambda: a_list((), **{"@context": [V2, "https://lists.example/v1"]}),
        "status_unsupported",
    ),
    "over": (lambda: a_list(validUntil="2026-01-02T00:00:00Z"), "status_stale"),
    "of an issuer without keys": (
        lambda: a_list(signer=SeedSigner("https://lists.example/#k", b"o" * 32)),
        "status_unavailable",
    ),
}


@pytest.mark.parametrize("name", LISTS_OF_OTHERS)
def test_what_is_wrong_with_a_list_is_never_the_credentials_fault(name: str) -> None:
    """
    The status stays undecided, by a reason whose fault is the source's or this node's.
    """
    make, reason = LISTS_OF_OTHERS[name]
    had = make()

    checks = examined(
        SECURED["eddsa-jcs-2022"](credential(credentialStatus=ENTRY)),
        means=having({} if had is None else {LIST: had}),
    )

    assert of(checks, "status") == [("indeterminate", reason)]
    assert tables().reasons[reason]["fault"] in ("source", "node")


# -- schema and resources ----------------------------------------------------------------------------------

SCHEMA = "urn:comity:schema:passport:1.2"


def passport(**schema: Any) -> JSON:
    """A signed passport set whose credentialSchema has further members."""
    w = World()
    text = w.new(1)
    document = {n: v for n, v in w.passports[text].credentials[1].items() if n != "proof"}
    document |= {"issuer": DID, "credentialStatus": ...}
    del document["credentialStatus"]
    document["credentialSchema"] = {"id": SCHEMA, "type": "JsonSchema", **schema}
    return suites.sign(document, ISSUER, MADE)


def sri(text: bytes) -> str:
    return "sha384-" + b64encode(hashlib.sha384(text).digest()).decode()


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, ("pass", "ok")),
        ({"digestSRI": sri(related_resources()[SCHEMA][0])}, ("pass", "ok")),
        ({"digestSRI": sri(b"another schema")}, ("indeterminate", "schema_other")),
        (
            {"digestMultibase": "u" + b64u(b"\x16\x20" + hashlib.sha3_256(b"x").digest())},
            ("indeterminate", "schema_other"),
        ),
        ({"digestMultibase": "u" + b64u(b"\xb2\x40" + bytes(64))}, ("indeterminate", "schema_other")),
        ({"digestMultibase": "u" + b64u(b"\x80\x40" + bytes(64))}, ("indeterminate", "schema_other")),
        ({"type": "JsonSchemaCredential"}, ("not_checked", "schema_unavailable")),
        ({"type": ["JsonSchema", "Other"]}, ("pass", "ok")),
        ({"id": "https://schemas.example/1"}, ("not_checked", "schema_unavailable")),
    ],
    ids=[
        "as it is",
        "its digest",
        "another digest",
        "another sha3",
        "unknown hash",
        "unknown hash of one bit",
        "kind",
        "kinds",
        "id",
    ],
)
def test_a_schema_is_passed_only_if_it_is_the_one_that_was_named(
    schema: JSON, expected: tuple[str, str]
) -> None:
    """
    By digest, kind and address; anything else was not checked, and never passed.
    """
    assert of(examined(passport(**schema)), "schema") == [expected]


def test_what_differs_in_another_schema_is_told() -> None:
    """
    Where the schema that is held is not the one that was named, the check says which and how they differ.
    """
    checks = examined(passport(digestSRI=sri(b"another schema")))

    (found,) = [check for check in checks if check.name == "schema"]
    assert found.evidence["schema"] == SCHEMA
    assert "digestSRI" in found.evidence["detail"]


@pytest.mark.parametrize("way", ["eddsa-jcs-2022", "eddsa-rdfc-2022", "vc+jwt"])
def test_related_resources_are_compared_or_told(way: str) -> None:
    """
    One that is held must have its digest; one that is not was not checked, which keeps nothing from passing.
    """
    right = "u" + b64u(b"\x12\x20" + hashlib.sha256(related_resources()[V2][0]).digest())
    wrong = "u" + b64u(b"\x12\x20" + hashlib.sha256(b"x").digest())

    def told(url: str, digests: Any) -> list[tuple[str, str]]:
        shown = SECURED[way](credential(relatedResource={"id": url, "digestMultibase": digests}))
        return of(examined(shown), "related")

    whole = SECURED[way](credential(relatedResource={"id": V2, "digestMultibase": right}))
    assert [c.evidence for c in examined(whole) if c.name == "related"] == [{"resource": V2}]
    assert told(V2, right) == told(V2, [right]) == [("pass", "ok")]
    assert told(V2, wrong) == told(V2, [wrong]) == [("fail", "structure_invalid")]
    other = SECURED[way](credential(relatedResource={"id": V2, "digestMultibase": wrong}))
    (detail,) = [c.evidence["detail"] for c in examined(other) if c.name == "related"]
    assert detail.startswith("relatedResource.digestMultibase ")
    assert told("https://a.example/image", wrong) == [("not_checked", "related_unchecked")]


# -- keys --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["eddsa-jcs-2022", "vc+jwt"])
@pytest.mark.parametrize(
    ("issuer", "reason"),
    [
        ("https://maker.example/issuers/1", "issuer_unknown"),
        ("HTTPS://MAKER.EXAMPLE/issuers/1", "issuer_unknown"),
        ("did:jwk:eyJrdHkiOiJPS1AifQ", "issuer_unknown"),
        ("did:web:stranger.example", "issuer_unknown"),
        ("did:web:stranger.example?versionId=1", "issuer_unknown"),
        ("urn:uuid:1b2c3d4e-0000-4000-8000-000000000002", "issuer_unknown"),
    ],
)
def test_a_lawful_issuer_whose_keys_are_not_looked_up_is_undecided(
    issuer: str, reason: str, way: str
) -> None:
    """
    The issuer is a URL (VCDM 2.0, 4.7) and a key has a URL (CID 1.0): neither must be a DID known here.
    """
    signer = SeedSigner(f"{issuer}#key-1", b"i" * 32)
    document = credential(issuer=issuer)
    secured = {
        "eddsa-jcs-2022": lambda: suites.sign(document, signer, MADE),
        "vc+jwt": lambda: jose.envelop(jwt({"kid": "key-1"}, document, signer)),
    }[way]()

    checks = examined(secured)

    assert of(checks, "proof") == [("indeterminate", reason)]
    assert not [check for check in checks if check.outcome is Outcome.FAIL]


@pytest.mark.parametrize("demands", [Demands(), Demands(issuer_bound=False)], ids=["bound", "open"])
def test_a_participants_name_is_never_lent_to_a_strangers_key(demands: Demands) -> None:
    """
    Of a participant the key must be its own, even where nobody asks whose key it is (N14).
    """
    w = World()
    text = w.new(1)
    document = {n: v for n, v in w.passports[text].credentials[1].items() if n != "proof"}
    forged = suites.sign(document, ISSUER, MADE)

    class Ledger:
        def require_key(self, method: str, digest: bytes | None) -> None: ...
        def status(self, digest: bytes, credential: Credential) -> str | None:
            return None

        def records(self, digest: bytes) -> bool:
            return False

        def ended(self, digest: bytes) -> str | None:
            return None

    checks = examined(forged, means=having(ledger=Ledger()), demands=demands)
    stranger = examined(suites.sign(credential(issuer=OTHER_DID), ISSUER, MADE), demands=demands)

    assert of(checks, "issuer_key") == [("fail", "issuer_key_mismatch")]
    bound = ("fail" if demands.issuer_bound else "warn", "issuer_key_mismatch")
    assert of(stranger, "issuer_key") == [bound]


# -- forms that are lawful, and contradictions -------------------------------------------------------------

EMPTY: dict[str, JSON] = {
    "a member of the subject": {"credentialSubject": {"id": "urn:a", "name": None}},
    "an empty list": {"credentialSubject": {"id": "urn:a", "name": []}},
    "nested": {"credentialSubject": {"id": "urn:a", "name": "x", "description": [None]}},
    "no end": {"validUntil": None},
    "no status": {"credentialStatus": []},
    "no evidence": {"evidence": []},
    "no name": {"name": None},
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("way", ["eddsa-jcs-2022", "vc+jwt", "jwt"])
def test_null_and_empty_lists_are_signed_as_they_stand(way: str, name: str) -> None:
    """
    Under JCS and JOSE nothing is lost, so nothing is refused; what is null or empty says nothing.
    """
    checks = examined(SECURED[way](credential(**EMPTY[name])))

    assert is_sound(checks), [(c.name, c.reason, c.evidence) for c in checks]


def test_what_rdf_would_lose_is_refused_on_rdf() -> None:
    """
    The same members cannot be signed on RDF, and an undefined term is refused by every mechanism.
    """
    with pytest.raises(CredentialError, match="null"):
        SECURED["eddsa-rdfc-2022"](credential(**EMPTY["a member of the subject"]))
    for way in ("eddsa-jcs-2022", "vc+jwt"):
        misspelt = SECURED[way](credential(credentialSubject={"id": "urn:a", "validUntill": MADE}))
        assert of(examined(misspelt), "structure") == [("fail", "malformed")]


def test_what_hides_in_a_null_status_is_nothing() -> None:
    """
    A list of statuses with a null in it has the statuses that stand in it.
    """
    shown = SECURED["eddsa-jcs-2022"](credential(credentialStatus=[None, ENTRY]))

    assert of(examined(shown, means=having({LIST: a_list((7,))})), "status") == [("fail", "revoked")]


@pytest.mark.parametrize(
    "claims", [{"scope": "x"}, {"vct": "https://a.example/t"}, {"azp": "x", "roles": ["a"], "x": {"y": 1}}]
)
def test_claims_that_are_not_understood_are_ignored(claims: JSON) -> None:
    """
    RFC 7519, 4: they are no part of the document; what is in it is held to its contexts all the same.
    """
    found = Findings(tables())
    shown = jose.envelop(jwt({}, {**credential(), **claims}))

    made = examine_document(found, shown, having(), Demands(schema_expected=False), NOW)

    assert is_sound(found.checks) and made is not None and made.proven
    assert not claims.keys() & made.credential.document.keys()


def test_a_status_claim_of_another_specification_is_not_passed_over() -> None:
    """
    `status` of a JWT (Token Status List) is a status that nothing here evaluates.
    """
    claim = {"status": {"status_list": {"idx": 7, "uri": "https://a.example/list"}}}

    assert of(examined(jose.envelop(jwt({}, {**credential(), **claim}))), "status") == [
        ("indeterminate", "status_unsupported")
    ]


TWO = [{"id": "urn:example:a", "name": "x"}, {"id": "urn:example:b", "name": "y"}]
CONTRADICTIONS: dict[str, tuple[JSON, JSON, JSON]] = {  # header, claims, changes of the document
    "iss in the header": ({"iss": OTHER_DID}, {}, {}),
    "iss": ({}, {"iss": OTHER_DID}, {}),
    "iss of an issuer that is an object": ({}, {"iss": OTHER_DID}, {"issuer": {"id": DID, "name": "x"}}),
    "iss in the header, of an object": ({"iss": OTHER_DID}, {}, {"issuer": {"id": DID, "name": "x"}}),
    "sub": ({}, {"sub": "urn:b"}, {}),
    "sub in the header": ({"sub": "urn:b"}, {}, {}),
    "sub of a list of one": ({}, {"sub": "urn:b"}, {"credentialSubject": [{"id": "urn:a", "name": "x"}]}),
    "sub of several": ({}, {"sub": "urn:example:c"}, {"credentialSubject": TWO}),
    "jti": ({}, {"jti": "urn:uuid:2"}, {}),
    "jti in the header": ({"jti": "urn:uuid:2"}, {}, {}),
    "exp in header and claims": ({"exp": 4102444800}, {"exp": 4102444801}, {}),
    "nbf in header and claims": ({"nbf": 1}, {"nbf": 2}, {}),
    "iat in header and claims": ({"iat": 1}, {"iat": 2}, {}),
    "vct in header and claims": ({"vct": "a"}, {"vct": "b"}, {}),
    "a member in the header": ({"validFrom": "2026-02-01T00:00:00Z"}, {}, {}),
    "iss no text": ({}, {"iss": [DID]}, {}),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_what_contradicts_itself_is_refused_wherever_it_stands(name: str) -> None:
    """
    What header, claims and members say twice is said the same, whatever shape the member has.
    """
    header, claims, changes = CONTRADICTIONS[name]

    checks = examined(jose.envelop(jwt(header, {**credential(**changes), **claims})))

    assert of(checks, "structure") == [("fail", "structure_invalid")]


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_what_says_the_same_twice_is_accepted(name: str) -> None:
    """
    The same claims and headers, agreeing, verify.
    """
    header, claims, changes = CONTRADICTIONS[name]
    document = credential(**changes)
    subject = document["credentialSubject"]
    same: JSON = {
        "iss": DID,
        "sub": (subject[0] if isinstance(subject, list) else subject)["id"],
        "jti": document["id"],
        "validFrom": document["validFrom"],
        **{"exp": 4102444800, "nbf": 1, "iat": 1, "vct": "a"},
    }

    shown = jwt({n: same[n] for n in header}, {**document, **{n: same[n] for n in claims}})

    assert is_sound(examined(jose.envelop(shown)))


@pytest.mark.parametrize(
    ("header", "claims", "reason"),
    [
        ({}, {"nbf": 4102444800}, "not_yet_valid"),
        ({"nbf": 4102444800}, {}, "not_yet_valid"),
        ({}, {"exp": 1700000000}, "expired"),
        ({"exp": 1700000000}, {}, "expired"),
    ],
    ids=["nbf", "nbf in the header", "exp", "exp in the header"],
)
def test_a_jwt_out_of_its_time_is_not_accepted(header: JSON, claims: JSON, reason: str) -> None:
    """
    RFC 7519, 4.1.4 and 4.1.5: neither before nbf nor from exp on, wherever they stand.
    """
    checks = examined(jose.envelop(jwt(header, {**credential(), **claims})))

    assert of(checks, "proof") == [("fail", reason)]


# -- whose fault -------------------------------------------------------------------------------------------


def test_what_says_nothing_against_a_document_is_never_the_items_fault() -> None:
    """
    The codes by which nothing is decided are undecided in the table, and their fault is not the item's.
    """
    reasons = tables().reasons

    for code in UNDECIDED:
        row = reasons[code]
        assert row["verdict"] == "undecided" and not row["ground"], code
        assert row["fault"] in ("node", "source"), code
        assert row["because"], code


# Codes that are no reason of a verdict: of foundings, settings, orders to issue, faults of validators.
NO_REASONS = {
    *("genesis_invalid", "governance_invalid", "issuer_differs", "issuer_key", "not_a_validator"),
    *("recognition_invalid", "rules_invalid", "wrong_network_key"),
    *(
        "base_changed",
        "members_malformed",
        "possession_unproven",
        "governance_proof_invalid",
        "value_impossible",
    ),
    *("trqp_unknown", "trqp_time", "trqp_answer_invalid"),
}


def raised_codes() -> dict[str, set[str]]:
    """Every code that CredentialError is raised with in credentials/ and node/, and where."""
    found: dict[str, set[str]] = {}
    for layer in ("credentials", "node"):
        for path in sorted((ROOT / layer).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id == "CredentialError"
                    and node.args
                ):
                    for part in ast.walk(node.args[0]):
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            found.setdefault(part.value, set()).add(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_every_code_that_is_raised_has_its_row() -> None:
    """
    A code that is not in the table would be told without its fault, and could become the item's.
    """
    reasons, refusals = (
        tomllib.loads((Path(ROOT) / "config" / f"{name}.toml").read_text())
        for name in ("reasons", "refusals")
    )
    codes = raised_codes()

    missing = {code: places for code, places in codes.items() if code not in reasons.keys() | NO_REASONS}
    assert codes.keys() >= NO_REASONS

    assert len(codes) > 20
    assert not missing
    assert refusals["code"].keys() | refusals["problem"].keys() >= NO_REASONS, "what does the reader do next?"


@pytest.mark.parametrize("member", ["validUntil", "id", "evidence"])
def test_null_in_a_list_says_nothing_either(member: str) -> None:
    """
    What a list signed as null or as an empty list under JCS is read as if it were left out.
    """
    shown = by_suite("eddsa-jcs-2022")(credential(credentialStatus=ENTRY))

    ways: tuple[dict[str, Any], ...] = ({member: None}, {member: []})
    for way in ways:
        checks = examined(shown, means=having({LIST: a_list(**way)}))
        assert of(checks, "status") == [("pass", "ok")]
    raised = examined(shown, means=having({LIST: a_list((7,), **ways[0])}))
    assert of(raised, "status") == [("fail", "revoked")]


@pytest.mark.parametrize(("shown", "hint"), [("eyJhbGciOiJFZERTQSJ9.e30.AA", True), ([], False), (7, False)])
def test_what_is_no_object_is_told_and_a_jwt_with_where_it_belongs(shown: Any, hint: bool) -> None:
    """
    A JWT by itself is not a document: it is shown in an envelope, and the answer says so.
    """
    check = examined(shown)[0]

    detail = str(check.evidence["detail"])
    assert (check.name, check.outcome, check.reason) == ("parse", Outcome.FAIL, "malformed")
    assert detail.startswith("The document is not a JSON object.")
    assert ("EnvelopedVerifiableCredential" in detail) is hint


@pytest.mark.parametrize("named", ["https://other.example/Passport", ["A", "https://other.example/Passport"]])
def test_a_type_that_is_named_by_its_address_is_expanded(named: str | list[str]) -> None:
    """
    Alone or among others: an address stands for itself, and so may a member under it.
    """
    assert not reading._is_plain({"type": named}, 0)
    assert reading._is_plain({"type": ["A", "B"], "name": "x"}, 0)
