"""The structural rules of VCDM 2.0: what is accepted, and each refusal with its member and clause."""

import copy
import datetime
import hashlib
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.documents.canonical import b64u
from credentials.documents.model import CREDENTIALS_V1, StatusEntry, parse_credential, parse_date_time
from credentials.documents.resources import Resource
from credentials.documents.uri import is_url
from credentials.errors import CredentialError
from node import config

SRI = "sha384-" + b64encode(hashlib.sha384(b"context").digest()).decode()
MULTIBASE = {"digestMultibase": "u" + b64u(b"\x12\x20" + hashlib.sha256(b"context").digest())}

CREDENTIAL: dict[str, Any] = {
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "BatteryPassportCredential"],
    "issuer": "did:web:maker.example",
    "validFrom": "2026-06-18T00:00:00Z",
    "validUntil": "2036-06-18T02:00:00+02:00",
    "credentialSubject": {"id": "urn:comity:item:gbt34014:X", "type": "Battery"},
    "credentialSchema": {"id": "urn:comity:schema:passport:1.2", "type": "JsonSchema"},
    "credentialStatus": [
        {
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": "42",
            "statusListCredential": "https://maker.example/status/1",
        }
    ],
}


def test_view() -> None:
    """
    The view shows the members typed, times in seconds, and keeps the document as it is.
    """
    view = parse_credential(CREDENTIAL)

    assert view.document is CREDENTIAL
    assert view.id == CREDENTIAL["id"] and view.issuer == "did:web:maker.example"
    assert view.types == ("VerifiableCredential", "BatteryPassportCredential")
    assert view.subject == CREDENTIAL["credentialSubject"] and len(view.subjects) == 1
    assert (view.valid_from, view.valid_until) == (1781740800, 2097360000)
    assert view.status == (StatusEntry("revocation", 42, "https://maker.example/status/1"),)
    assert [(s.id, s.types) for s in view.schema] == [("urn:comity:schema:passport:1.2", ("JsonSchema",))]
    assert view.proof is None and view.proofs == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ...},
        {"validFrom": ..., "validUntil": ..., "credentialStatus": ..., "credentialSchema": ...},
        {"type": "VerifiableCredential"},
        {"issuer": {"id": "did:web:maker.example", "name": {"@value": "Maker", "@language": "en"}}},
        {"credentialSubject": [{"id": "urn:a:b", "x": 1}, {"x": 2}]},
        {"validFrom": "2999-01-01T00:00:00.123456-14:00", "validUntil": ...},
        {
            "name": "A",
            "description": [{"@value": "a", "@language": "en", "@direction": "ltr"}, {"@value": "b"}],
        },
        {"credentialSchema": [{"id": "urn:a:b", "type": "JsonSchema"}, {"id": "urn:a:c", "type": ["X"]}]},
        {"credentialStatus": {"id": "urn:a:b", "type": "OtherStatus"}},
        {"evidence": [{"type": "A"}], "termsOfUse": {"type": ["B"]}, "refreshService": {"type": "C"}},
        {"relatedResource": [{"id": "https://a.example/", "digestSRI": SRI}]},
        {"relatedResource": [{"id": "urn:a:b", "digestSRI": f"{SRI} {SRI}"}, {"id": "urn:a:c", **MULTIBASE}]},
        {"credentialSchema": {"id": "urn:a:b", "type": "JsonSchema", **MULTIBASE}},
        {
            "issuer": {
                "id": "did:web:maker.example",
                "description": [{"@value": "\u05d0", "@direction": "rtl"}],
            }
        },
        {
            "@context": [
                "https://www.w3.org/ns/credentials/v2",
                {"a": "urn:x:y"},
                "urn:comity:context:passport:1.2",
            ]
        },
        {"proof": [{"type": "DataIntegrityProof"}]},
    ],
    ids=str,
)
def test_accepted(changes: dict[str, Any]) -> None:
    """
    Single or plural, absent where optional, text or object: what the standard allows is read.
    """
    assert parse_credential(changed(changes)).issuer == "did:web:maker.example"


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    document = copy.deepcopy(CREDENTIAL)
    for name, value in changes.items():
        if value is ...:
            document.pop(name, None)
        else:
            document[name] = value
    return document


V2 = "https://www.w3.org/ns/credentials/v2"
BREACHES: dict[str, list[Any]] = {
    "@context": [..., None, [], {}, V2, ["https://a.example/"], [V2, 1], [V2, "x"], [{"a": "b"}, V2]],
    "type": [..., None, [], "", "Battery", {}, ["VerifiableCredential", ""], ["VerifiableCredential", 1]],
    "id": [None, "", "x", 1, ["urn:a:b"], {}, "urn:a: b", "http://\x00"],
    "issuer": [..., None, "", "maker", {}, {"id": None}, {"name": "x"}, ["did:web:a.example"]],
    "issuer.name": [{"id": "did:web:a.example", "name": {"@value": 1}}],
    "credentialSubject": [..., None, {}, [], [{}], [{"a": 1}, {}], "x", ["x"]],
    "credentialSubject.id": [{"id": ["urn:a:b", "urn:a:c"]}, {"id": "x"}, {"id": None, "a": 1}],
    "validFrom": [
        *(None, 1, "", "2026-06-18", "2026-06-18T00:00:00", "2026-06-18 00:00:00Z", "33658-01-01T00:00:00Z"),
        *(
            "2026-06-31T00:00:00Z",
            "2026-06-18T24:00:01Z",
            "2026-06-18T24:00:00.5Z",
            "2026-06-18T00:00:00+15:00",
        ),
        *("\u0662026-06-18T00:00:00Z", "2026-06-18T00:00:00Z\n", "0000-01-01T00:00:00Z"),
    ],
    "validUntil": ["2026-06-17T23:59:59Z", [], "2026-06-18T00:00:00z"],
    "credentialStatus": [None, [], {}, "x", [1]],
    "credentialStatus.type": [{"id": "urn:a:b"}, {"type": []}, {"type": ["A", "B"]}, {"type": None}],
    "credentialStatus.id": [{"type": "A", "id": "x"}, {"type": "A", "id": ["urn:a:b"]}],
    "credentialSchema": [None, [], "x"],
    "credentialSchema.id": [{"type": "A"}, {"type": "A", "id": "x"}, {"type": "A", "id": 1}],
    "credentialSchema.type": [{"id": "urn:a:b"}, {"id": "urn:a:b", "type": []}],
    "evidence": ["x", {}, []],
    "evidence.type": [{"id": "urn:a:b"}],
    "termsOfUse.type": [[{"a": 1}]],
    "refreshService.type": [{"a": 1}],
    "name": [
        *(None, 1, {"@value": "x", "extra": 1}, {"@language": "en"}, ["a", 1]),
        *(
            {"@value": "x", "@direction": "up"},
            {"@value": "x", "@language": "e n"},
            {"@value": "x", "@language": 1},
        ),
    ],
    "description": [{}, {"@value": ["x"]}],
    "relatedResource": ["x", ["x"], [{"id": "urn:a:b"}], {}, []],
    "relatedResource.id": [
        [{"digestSRI": SRI}],
        [{"id": "urn:a:b", "digestSRI": SRI}] * 2,
        {"id": "x", **MULTIBASE},
    ],
    "relatedResource.digestSRI": [
        {"id": "urn:a:b", "digestSRI": value}
        for value in (1, None, "", "sha384-x", "md5-" + "A" * 43, SRI[:-4])
    ],
    "relatedResource.digestMultibase": [
        {"id": "urn:a:b", "digestMultibase": value}
        for value in (1, None, "", "u", "zz", "m" + "A" * 46, "uEiA")
    ],
    "credentialSchema.digestMultibase": [{"id": "urn:a:b", "type": "A", "digestMultibase": "x"}],
    "proof": [None, {}, [], "x", [{}]],
}
REFUSED = [(member, value) for member, values in BREACHES.items() for value in values]


@pytest.mark.parametrize(("member", "value"), REFUSED, ids=str)
def test_refused(member: str, value: Any) -> None:
    """
    Each breach is refused with the member and the clause in the sentence.
    """
    with pytest.raises(CredentialError) as caught:
        parse_credential(changed({member.partition(".")[0]: value}))

    assert caught.value.code == "structure_invalid"
    assert str(caught.value).startswith(member)
    assert "(VCDM 2.0, " in str(caught.value)


FIRST_EDITION: dict[str, Any] = {
    "@context": ["https://www.w3.org/2018/credentials/v1"],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential"],
    "issuer": "did:web:maker.example",
    "issuanceDate": "2026-06-18T00:00:00Z",
    "credentialSubject": {"id": "urn:a:b"},
}


def test_first_edition() -> None:
    """
    VCDM 1.1: issuanceDate and expirationDate are the validity of the view.
    """
    view = parse_credential({**FIRST_EDITION, "expirationDate": "2036-06-18T00:00:00Z"})

    assert (view.valid_from, view.valid_until) == (1781740800, 2097360000)


@pytest.mark.parametrize(
    ("member", "value", "clause"),
    [
        ("issuanceDate", ..., "4.6 and 4.8"),
        ("issuanceDate", "2026-06-18", "4.6 and 4.8"),
        ("expirationDate", "2026-06-17T00:00:00Z", "4.6 and 4.8"),
        ("expirationDate", None, "4.6 and 4.8"),
        ("issuer", "x", "4.5"),
        ("type", ["Other"], "4.3"),
        ("id", "x", "4.2"),
        ("credentialSubject", {}, "4.4"),
        ("credentialStatus", {"id": "urn:a:b"}, "4.9"),
        ("credentialSchema", {"id": "urn:a:b"}, "5.4"),
        ("evidence", {"id": "urn:a:b"}, "5.7"),
        ("@context", ["https://www.w3.org/2018/credentials/v1", 7], "4.1"),
    ],
)
def test_first_edition_is_refused_by_its_own_clauses(member: str, value: Any, clause: str) -> None:
    """
    A breach of VCDM 1.1 is told with the clause of VCDM 1.1.
    """
    document = {**FIRST_EDITION, member: value}
    if value is ...:
        del document[member]

    with pytest.raises(CredentialError) as caught:
        parse_credential(document)

    assert str(caught.value).startswith(member) and f"(VCDM 1.1, {clause})" in str(caught.value)


CONTEXT_DIGESTS = ["digestSRI", "digestMultibase"]


@pytest.mark.parametrize("member", CONTEXT_DIGESTS)
def test_related_resources_have_their_digests(member: str) -> None:
    """
    A pinned context as related resource must have one of its published digests; the v2 context has two.
    """
    known = config.related_resources()
    url = "https://www.w3.org/ns/credentials/v2"

    def of(text: bytes) -> str:
        if member == "digestSRI":
            return "sha384-" + b64encode(hashlib.sha384(text).digest()).decode()
        return "u" + b64u(b"\x12\x20" + hashlib.sha256(text).digest())

    def related(url: str, digests: object) -> Resource:
        (found,) = parse_credential(changed({"relatedResource": {"id": url, member: digests}})).related
        return found

    assert len(known[url]) == 2
    for text in known[url]:
        assert related(url, of(text)).check(known, "relatedResource") is True
        assert related(url, [of(text), of(text)]).check(known, "relatedResource") is True
    assert related("urn:a:b", of(b"")).check(known, "relatedResource") is False
    with pytest.raises(CredentialError, match=rf"relatedResource.{member} is not .* 5\.3"):
        related(url, of(b"")).check(known, "relatedResource")


@pytest.mark.parametrize("name", ["statusPurpose", "statusListIndex", "statusListCredential"])
@pytest.mark.parametrize("value", [..., None, 1, "", "x y", "-1", "01", "1" * 20, "\u0664", [], {}], ids=str)
def test_status_entries(name: str, value: Any) -> None:
    """
    A bitstring entry carries purpose, decimal index and list address, each a text of its form.
    """
    document = copy.deepcopy(CREDENTIAL)
    entry = document["credentialStatus"][0]
    if value is ...:
        del entry[name]
    else:
        entry[name] = value
    if name == "statusPurpose" and isinstance(value, str) and value:
        assert parse_credential(document).status[0].purpose == value
        return

    with pytest.raises(CredentialError, match=name):
        parse_credential(document)


@pytest.mark.parametrize("document", [None, [], "x", 1, True, {}], ids=str)
def test_not_a_credential(document: object) -> None:
    """
    Whatever stands in the place of a credential is refused, not crashed on.
    """
    with pytest.raises(CredentialError):
        parse_credential(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "@value"]), inner)
    ),
    max_leaves=5,
)


@given(st.sampled_from([*CREDENTIAL, "proof", "evidence", "name", "relatedResource"]), json_values)
def test_any_value_in_any_place(member: str, value: Any) -> None:
    """
    Any JSON in the place of any member is accepted or refused with a sentence, never a crash.
    """
    try:
        parse_credential({**CREDENTIAL, member: value})
    except CredentialError as error:
        assert error.code == "structure_invalid"


@pytest.mark.parametrize("fraction", ["", ".5", ".123456789012345678901234567890"])
def test_a_zone_may_be_left_out_in_the_older_edition_alone(fraction: str) -> None:
    """
    VCDM 1.1, 4.6 asks for an XSD dateTime, read as UTC without a zone; 2.0 for one with a zone.
    """
    text = f"2027-03-01T00:00:00{fraction}"
    older = {**CREDENTIAL, "@context": [CREDENTIALS_V1], "issuanceDate": text, "expirationDate": f"{text}Z"}
    newer = {**CREDENTIAL, "validFrom": text}

    read = parse_credential({name: v for name, v in older.items() if name not in ("validFrom", "validUntil")})

    assert read.valid_from == read.valid_until == 1803859200
    with pytest.raises(CredentialError, match="validFrom"):
        parse_credential(newer)
    assert parse_credential({**newer, "validFrom": f"{text}Z"}).valid_from == 1803859200


@given(
    st.datetimes(min_value=datetime.datetime(1, 1, 2), max_value=datetime.datetime(9999, 12, 30)),
    st.integers(-14 * 60, 14 * 60),
)
def test_times_are_those_of_python(time: datetime.datetime, offset_minutes: int) -> None:
    """
    Seconds since 1970 agree with Python's calendar for every offset; a fraction is cut off.
    """
    zone = datetime.timezone(datetime.timedelta(minutes=offset_minutes))
    text = time.replace(tzinfo=zone).isoformat()
    expected = (time.replace(microsecond=0) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)

    assert parse_date_time(text, "validFrom") == expected - offset_minutes * 60


@pytest.mark.parametrize("text", ["urn:a:b", "did:web:a.example#k", "https://a.example/\u00e9", "data:,x"])
def test_urls(text: str) -> None:
    """
    URLs of any scheme are URLs; blanks, relative references and control characters are not.
    """
    assert is_url(text)
    for wrong in (text + " ", text + "\n", "/" + text.replace(":", ""), text + "\x00", text + "<"):
        assert not is_url(wrong)


def test_a_type_is_one_word() -> None:
    """
    With a space inside, or of spaces alone, it is no name.
    """
    for value in (["VerifiableCredential", "Two Words"], ["VerifiableCredential", " "]):
        with pytest.raises(CredentialError, match=r"^type ") as caught:
            parse_credential(changed({"type": value}))
        assert caught.value.code == "structure_invalid"
