"""Issuing: four signed sets, events and lists that verify, validate and mean something in JSON-LD."""

import copy
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pyld import jsonld

from consensus.cose import SeedSigner
from credentials.documents.canonical import digest_document, jcs, parse_json
from credentials.documents.identifiers import parse_identifier
from credentials.documents.issuer import (
    IssuedPassport,
    issue_event,
    issue_status_list,
    status_entries,
)
from credentials.documents.model import StatusEntry, parse_credential
from credentials.documents.passport import PassportSchema, merge, set_list_digest
from credentials.documents.status import read_list
from credentials.documents.suites import eddsa
from credentials.errors import CredentialError
from tests.harness.signed_passports import issue_passport

ROOT = Path(__file__).parents[2]
CONTEXTS = ROOT / "credentials" / "jsonld" / "contexts"
MAKER = "did:web:maker.example"
SIGNER = SeedSigner(f"{MAKER}#credential-1", b"\x01" * 32)
TIME = "2026-06-18T00:00:00Z"
NOW = 1781740800
LISTS = {"revocation": "https://maker.example/status/r1", "suspension": "https://maker.example/status/s1"}


def load(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


PATHS = load("config/rules/passport-paths.json")
CODES = load("config/rules/gbt34014.json")
SAMPLE = load("config/demo/plausible-ev-nmc.batterypass-1.2.json")
SCHEMA = PassportSchema(load("credentials/documents/schemas/passport-1.2.schema.json"))
BATTERY = parse_identifier("gbt34014", "ZZ1PE01G6HDABCG6H0000042", CODES)


def key_of(url: str) -> bytes:
    assert url == SIGNER.key_id
    return SIGNER.public_key


def issue(claims: dict[str, Any] = SAMPLE, **changes: Any) -> IssuedPassport:
    arguments: dict[str, Any] = {
        "issuer_did": MAKER,
        "signer": SIGNER,
        "identifier": BATTERY,
        "version": 1,
        "ids": {point: f"urn:uuid:00000000-0000-4000-8000-00000000000{point}" for point in (1, 2, 3, 4)},
        "status_entry": status_entries(LISTS, 42),
        "valid_from": TIME,
        "created": TIME,
        "paths": PATHS,
        "schema": SCHEMA,
    }
    return issue_passport(claims, **{**arguments, **changes})


def event(members: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "event_id": "urn:uuid:00000000-0000-4000-8000-000000000009",
        "event_time": "2026-06-17T09:14:27+08:00",
        "issuer_did": MAKER,
        "signer": SIGNER,
        "valid_from": TIME,
        "created": TIME,
    }
    return issue_event(
        "battery.exported", BATTERY, members or {"commodityCode": "85076000"}, **{**arguments, **changes}
    )[0]


def test_passport() -> None:
    """
    Four credentials, one per point: each is structured, signed by the issuer, valid against the schema.
    """
    issued = issue()

    assert issued.category == "EV"
    assert set(issued.credentials) == {1, 2, 3, 4}
    for point, document in issued.credentials.items():
        view = parse_credential(parse_json(jcs(document)))
        assert view.types == ("VerifiableCredential", "BatteryPassportCredential")
        assert view.issuer == MAKER == eddsa.verify(document, key_of).controller
        assert view.status == tuple(StatusEntry(purpose, 42, url) for purpose, url in LISTS.items())
        assert [(s.id, s.types) for s in view.schema] == [("urn:comity:schema:passport:1.2", ("JsonSchema",))]
        assert view.subject["id"] == "urn:comity:item:gbt34014:ZZ1PE01G6HDABCG6H0000042"
        assert view.subject["code"] == {"scheme": "gbt34014", "value": BATTERY.canonical}
        assert (view.subject["annexXiiiPoint"], view.subject["passportVersion"]) == (point, 1)
        SCHEMA.check(document)


def test_sets_give_the_claims_back() -> None:
    """
    The subjects of the four credentials merge to exactly what was posted.
    """
    subjects = {point: document["credentialSubject"] for point, document in issue().credentials.items()}

    assert merge(subjects, PATHS) == SAMPLE


def test_attested_digest() -> None:
    """
    What is attested is the set list of the digests of the signed documents.
    """
    issued = issue()
    digests = {point: digest_document(document) for point, document in issued.credentials.items()}

    assert issued.set_list == ["comity/sets/v1", 1, digests]
    assert issued.digest == set_list_digest(1, digests)
    assert issue().digest == issued.digest
    assert issue(version=2).digest != issued.digest


def test_signed_together_is_signed_one_by_one() -> None:
    """
    Documents signed in one pass are those that each has by itself, and their digests those of the documents.
    """
    credentials = issue().credentials.values()
    drafts = [{name: value for name, value in one.items() if name != "proof"} for one in credentials]
    shared = drafts[0]["@context"]
    drafts += [
        {**drafts[0], "@context": shared, "id": "urn:uuid:\U0001f600", "\uffff": 1e30, "\U0001f600": -0.0}
    ]
    drafts += [{"@context": [*shared, "urn:another"], "n": [drafts[1]["credentialSubject"]]}, {"n": 5.0}]

    made = eddsa.sign_together(drafts, SIGNER, TIME)

    alone = [eddsa.sign(copy.deepcopy(draft), SIGNER, TIME) for draft in drafts]
    assert made == [(document, digest_document(document)) for document in alone]
    assert [json.dumps(document) for document, _ in made] == [json.dumps(document) for document in alone]


def test_claims_are_not_touched() -> None:
    """
    Issuing reads the claims and does not change them.
    """
    claims = copy.deepcopy(SAMPLE)

    issue(claims)

    assert claims == SAMPLE


PROPERTIES = "Performance.batteryTechicalProperties"


def claiming(*values: tuple[str, Any]) -> dict[str, Any]:
    """The claims with other values at these paths; None: left out."""
    claims: dict[str, Any] = copy.deepcopy(SAMPLE)
    for dotted, value in values:
        *path, name = dotted.split(".")
        target: Any = claims
        for step in path:
            target = target[int(step) if step.isdigit() else step]
        if value is None:
            del target[name]
        else:
            target[name] = value
    return claims


@pytest.mark.parametrize("chain", PATHS["rising"], ids=lambda chain: str(chain[0]).rpartition(".")[2])
def test_numbers_that_rise_do_not_fall(chain: list[str]) -> None:
    """
    No end of a range is below its beginning; as much is lawful, and what is not given bounds nothing.
    """
    issue(claiming(*((dotted, 7.5) for dotted in chain)))
    for lower, upper in pairwise(chain):
        with pytest.raises(
            CredentialError, match=f"^{lower} is 99999 and {upper} is .*: one of the two is wrong"
        ):
            issue(claiming(*((dotted, None) for dotted in chain[: chain.index(lower)]), (lower, 99_999)))
    for only in chain:
        issue(claiming((only, 99_999), *((other, None) for other in chain if other != only)))


def test_what_is_left_out_of_a_range_does_not_part_its_ends() -> None:
    """
    Without the nominal voltage the least is still no more than the greatest.
    """
    ends = ((f"{PROPERTIES}.minimumVoltage", 454), (f"{PROPERTIES}.nominalVoltage", None))

    with pytest.raises(CredentialError, match=r"minimumVoltage is 454 and .*maximumVoltage is 453\.6"):
        issue(claiming(*ends))


@pytest.mark.parametrize(
    ("pre", "post", "issued"),
    [(70.1, 29.9, True), (100, None, True), (0, 0, True), (70.1, 30, False), (100, 0.001, False)],
)
def test_shares_of_one_whole_are_no_more_than_it(pre: float, post: float | None, issued: bool) -> None:
    """
    Recycled from waste of consumers and of makers: together at most all of a material (Art 8).
    """
    content = "Circularity.recycledContent.0"
    claims = claiming((f"{content}.preConsumerShare", pre), (f"{content}.postConsumerShare", post))

    if issued:
        issue(claims)
    else:
        with pytest.raises(CredentialError, match="more than 100 together") as refused:
            issue(claims)
        assert refused.value.code == "value_impossible"


def test_empty_sets_are_not_issued() -> None:
    """
    A passport without test reports has three credentials.
    """
    claims = copy.deepcopy(SAMPLE)
    del claims["Labels"]["resultOfTestReport"]

    assert set(issue(claims).credentials) == {1, 2, 4}


def test_altered_value() -> None:
    """
    One changed value in one set breaks that set's proof and no other.
    """
    documents = copy.deepcopy(dict(issue().credentials))
    documents[1]["credentialSubject"]["GeneralProductInformation"]["batteryMass"] = 999

    with pytest.raises(CredentialError) as caught:
        eddsa.verify(documents[1], key_of)

    assert caught.value.code == "invalid_signature"
    assert eddsa.verify(documents[2], key_of)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({}, "schema_invalid"),
        ({"CarbonFootprint": {"batteryCarbonFootprint": 1}}, "schema_invalid"),
        ({**SAMPLE, "Extra": 1}, "schema_invalid"),
        ({**SAMPLE, "GeneralProductInformation": {"batteryCategory": "sli"}}, "schema_invalid"),
        (
            {**SAMPLE, "GeneralProductInformation": {"batteryCategory": "ev", "batteryMass": "x"}},
            "schema_invalid",
        ),
        ({**SAMPLE, "GeneralProductInformation": "x"}, "schema_invalid"),
        ({**SAMPLE, "CarbonFootprint": {"absoluteCarbonFootprint": float("nan")}}, "malformed"),
        ({**SAMPLE, "CarbonFootprint": {"absoluteCarbonFootprint": 10**300}}, "malformed"),
        ({**SAMPLE, "CarbonFootprint": {"carbonFootprintPerformanceClass": "\ud800"}}, "malformed"),
    ],
    ids=lambda v: str(v)[-40:],
)
def test_bad_claims(claims: dict[str, Any], code: str) -> None:
    """
    Claims that are no passport are refused with a sentence, and nothing is signed.
    """
    with pytest.raises(CredentialError) as caught:
        issue(claims)

    assert caught.value.code in (code, "schema_invalid")


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_from": "today"},
        {"created": "x"},
        {"ids": dict.fromkeys((1, 2, 3, 4), "x")},
        {"issuer_did": "maker"},
    ],
    ids=str,
)
def test_bad_arguments(changes: dict[str, Any]) -> None:
    """
    Times, ids and issuer must be what the standard asks for, before anything is signed.
    """
    with pytest.raises(CredentialError):
        issue(**changes)


def test_event() -> None:
    """
    An event names the battery, the event, its time and the members the event requires.
    """
    document = event({"commodityCode": "85076000", "consignee": {"name": "Importer"}, "mass": 452.5})
    subject = parse_credential(document).subject

    assert eddsa.verify(document, key_of).controller == document["issuer"] == MAKER
    assert subject["event"] == "battery.exported"
    assert subject["eventTime"] == "2026-06-17T09:14:27+08:00"
    assert subject["code"]["value"] == BATTERY.canonical
    assert subject["members"] == {
        "commodityCode": "85076000",
        "consignee": {"name": "Importer"},
        "mass": 452.5,
    }


@pytest.mark.parametrize(
    ("members", "changes"),
    [
        ({"a": float("inf")}, {}),
        ({"a": 2**60}, {}),
        ({"a": "\udc00"}, {}),
        ({"a": 1}, {"event_time": "2026-06-17"}),
    ],
)
def test_bad_events(members: dict[str, Any], changes: dict[str, Any]) -> None:
    """
    An event that cannot be canonicalised, or has no time, is refused.
    """
    with pytest.raises(CredentialError):
        event(members, **changes)


def test_status_of_an_issued_passport() -> None:
    """
    A passport's own entries find the raised bit in the issuer's signed lists, and only there.
    """
    entries = parse_credential(issue().credentials[1]).status
    lists = {
        purpose: issue_status_list(
            list_id=url,
            purpose=purpose,
            set_bits=[42] if purpose == "revocation" else [41],
            issuer_did=MAKER,
            signer=SIGNER,
            valid_from=TIME,
            created=TIME,
        )
        for purpose, url in LISTS.items()
    }

    found = {entry.purpose: bool(read_list(lists[entry.purpose]).value(entry, NOW)) for entry in entries}

    assert found == {"revocation": True, "suspension": False}
    assert all(eddsa.verify(document, key_of).controller == MAKER for document in lists.values())


def dropped_terms(document: dict[str, Any]) -> list[str]:
    """What JSON-LD processing would leave out of `document`; contexts come from the pinned files only."""
    index = json.loads((CONTEXTS / "index.json").read_text())

    def loader(url: str, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "contextUrl": None,
            "documentUrl": url,
            "document": json.loads((CONTEXTS / index[url]).read_text()),
        }

    dropped: list[str] = []
    expanded = jsonld.expand(
        document,
        {"documentLoader": loader, "base": None},
        on_property_dropped=lambda name: dropped.append(str(name)),
    )

    def types(value: Any) -> list[str]:
        if isinstance(value, list):
            return [found for item in value for found in types(item)]
        if isinstance(value, dict) and value.get("@type") != "@json":
            own = value.get("@type", []) if "@value" not in value else []
            return [*own, *(found for member in value.values() for found in types(member))]
        return []

    return dropped + [name for name in types(expanded) if ":" not in name]


def everything() -> dict[str, dict[str, Any]]:
    full = {
        "name": "Passport",
        "validUntil": "2036-01-01T00:00:00Z",
    }
    documents = {f"set {point}": document for point, document in issue().credentials.items()}
    documents["event"] = event({"undefined": {"in": ["here", 1.5]}})
    documents["status list"] = issue_status_list(
        list_id=LISTS["revocation"],
        purpose="revocation",
        set_bits=[],
        issuer_did=MAKER,
        signer=SIGNER,
        valid_from=TIME,
        created=TIME,
    )
    documents["with options"] = {**documents["set 1"], **full}
    return documents


@pytest.mark.parametrize("name", everything())
def test_every_term_is_defined(name: str) -> None:
    """
    JSON-LD expansion with the pinned contexts drops no member and leaves no type undefined.
    """
    assert dropped_terms(everything()[name]) == []


def test_undefined_terms_are_found() -> None:
    """
    The check above does find a term that no context defines, as member and as type.
    """
    document = copy.deepcopy(issue().credentials[1])
    document["credentialSubject"]["GeneralProductInformation"]["surprise"] = 1
    document["type"].append("SurpriseCredential")

    assert {"surprise", "SurpriseCredential"} <= set(dropped_terms(document))


@pytest.mark.parametrize("version", ["1.2.0", "1.2.1"])
def test_every_upstream_member_is_defined(version: str) -> None:
    """
    The published samples of both versions lose nothing in JSON-LD either.
    """
    folder = Path(__file__).parents[1] / "vectors" / "batterypass"
    name = (
        "1.2.0/PerformanceAndDurability-payload.json"
        if version == "1.2.0"
        else "1.2.1/PerformanceAndDurability.json"
    )
    performance = json.loads((folder / name).read_text(), parse_int=lambda text: int(text[:9]))

    # Its numbers are random: the least voltage is above the greatest.
    issued = issue({**SAMPLE, "Performance": performance}, paths=PATHS | {"rising": []})

    assert [dropped_terms(document) for document in issued.credentials.values()] == [[]] * 4


def test_index_names_every_context() -> None:
    """
    Each pinned context is reachable by exactly one address; an earlier edition is named as such by its own.
    """
    index = json.loads((CONTEXTS / "index.json").read_text())
    earlier = json.loads((CONTEXTS / "earlier.json").read_text())

    assert earlier.keys() <= index.keys()
    named = [*index.values(), *(name for editions in earlier.values() for name in editions)]
    assert sorted(named) == sorted(path.name for path in CONTEXTS.glob("*.jsonld"))
