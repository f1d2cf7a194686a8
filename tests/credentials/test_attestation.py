"""The attestation: one form, read strictly, bounded, bound to network, subject and issuer."""

from __future__ import annotations

from dataclasses import fields, replace
from hashlib import sha256
from typing import Any

import pytest

from consensus.cose import SeedSigner, SignatureInvalid, parse_sign1, sign1
from consensus.encoding import decode, encode
from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import (
    Attestation,
    SetList,
    StatusUpdate,
    countersign,
    draft_attestation,
    make_attestation,
    parse_attestation,
    standing_key,
    status_subject,
    verify_attestation,
    verify_countersignature,
)

MAKER = "did:web:maker.example"
SIGNER = SeedSigner(f"{MAKER}#attest-1", b"s" * 32)
OTHER = SeedSigner("did:web:importer.example#attest-1", b"o" * 32)
BATTERY = Subject("gbt34014", "ZZ1", b"h" * 32)
CAR = Subject("vin", "ZZ9", b"v" * 32)
SETS = SetList(2, {1: b"1" * 32, 4: b"4" * 32})


def statement(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "kind": "battery.produced",
        "issuer": MAKER,
        "subject": BATTERY,
        "network_id": b"n" * 32,
        "event_time": 1_800_000_000,
        "document_digest": b"d" * 32,
    }
    return values | changes


def everything() -> dict[str, Any]:
    return statement(
        document_digest=sha256(encode(SETS.value)).digest(),
        content_type="application/cbor",
        predecessors=(b"p" * 32, b"q" * 32),
        bound_asset=CAR,
        parties=("did:web:importer.example",),
        references=(b"r" * 32, CAR),
        quantities={"mass_grams": 452_500},
        children_root=b"c" * 32,
        set_list=SETS,
        expires=1_800_000_600,
    )


def make(**changes: Any) -> bytes:
    return make_attestation(signer=SIGNER, iat=1_800_000_005, **statement(**changes))


@pytest.mark.parametrize("members", [statement(), everything()], ids=["least", "everything"])
def test_round_trip(members: dict[str, Any]) -> None:
    """
    What was stated is what is read, the digest is that of the bytes, and the signature verifies.
    """
    data = make_attestation(signer=SIGNER, iat=1_800_000_005, **members)

    attestation = parse_attestation(data)

    for name, value in members.items():
        assert getattr(attestation, name) == value
    assert (attestation.data, attestation.digest) == (data, sha256(data).digest())
    assert (attestation.kid, attestation.iat) == (SIGNER.key_id, 1_800_000_005)
    verify_attestation(attestation, SIGNER.public_key)
    with pytest.raises(SignatureInvalid):
        verify_attestation(attestation, OTHER.public_key)
    unread = replace(attestation, message=None)
    verify_attestation(unread, SIGNER.public_key)
    with pytest.raises(SignatureInvalid):
        verify_attestation(unread, OTHER.public_key)


@pytest.mark.parametrize("changes", [{"event_time": 1 << 60}, {"quantities": {"g": 1.5}}])
def test_what_has_no_deterministic_form_is_not_signed(changes: dict[str, Any]) -> None:
    """
    It is malformed, in a sentence, before a key makes anything of it.
    """
    with pytest.raises(CredentialError, match="the attestation cannot be encoded") as refused:
        make(**changes)

    assert refused.value.code == "malformed"


def test_wire_form_is_the_designs() -> None:
    """
    Labels, claims and delta are those that the module says; the unprotected header is empty.
    """
    data = make(quantities={"mass_grams": 1})
    message = parse_sign1(data)

    assert data.startswith(b"\xd2\x84")
    assert message.protected == {
        1: -19,
        4: SIGNER.key_id.encode(),
        15: {
            1: MAKER,
            2: f"urn:comity:subject:{b64u(BATTERY.h)}",
            3: f"urn:comity:network:{b64u(b'n' * 32)}",
            6: 1_800_000_005,
        },
        258: -16,
        259: "application/vc",
        -70001: {
            0: "battery.produced",
            2: 1_800_000_000,
            9: {"mass_grams": 1},
            11: ["gbt34014", "ZZ1", b"h" * 32],
        },
    }
    assert message.payload == b"d" * 32


def test_same_statement_same_bytes() -> None:
    """
    Making the same attestation twice gives the same bytes: the outbox may make it again after a crash.
    """
    assert make() == make()


def test_every_flipped_bit_is_noticed() -> None:
    """
    An attestation with any bit changed does not parse, or its signature does not verify.
    """
    data = make_attestation(signer=SIGNER, iat=5, **everything())
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        with pytest.raises((CredentialError, SignatureInvalid)):
            verify_attestation(parse_attestation(bytes(changed)), SIGNER.public_key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "Battery Produced"),
        ("kind", "a" * 33),
        ("issuer", "maker.example"),
        ("issuer", "did:web:importer.example"),  # the key is another party's
        ("subject", Subject("GBT", "ZZ1", b"h" * 32)),
        ("subject", Subject("gbt34014", "ZZ 1", b"h" * 32)),
        ("subject", Subject("gbt34014", "ZZ１", b"h" * 32)),
        ("subject", Subject("gbt34014", "ZZ1", b"h" * 31)),
        ("network_id", b"n" * 31),
        ("event_time", -1),
        ("event_time", 2**53),
        ("event_time", True),
        ("document_digest", b"d" * 33),
        ("content_type", "json"),
        ("predecessors", (b"p" * 31,)),
        ("predecessors", (b"p" * 32, b"p" * 32)),
        ("predecessors", tuple(bytes([n]) * 32 for n in range(17))),
        ("bound_asset", Subject("vin", "", b"v" * 32)),
        ("parties", ("importer",)),
        ("parties", ("did:web:a.example", "did:web:a.example")),
        ("parties", tuple(f"did:web:a{n}.example" for n in range(9))),
        ("references", (b"r" * 31,)),
        ("references", tuple(bytes([n]) * 32 for n in range(65))),
        ("quantities", {"Mass": 1}),
        ("quantities", {"mass_grams": -1}),
        ("quantities", {"mass_grams": True}),
        ("quantities", {f"q{n}": 1 for n in range(17)}),
        ("children_root", b"c"),
        ("status", StatusUpdate(b"l" * 32, "revocation", 0, None)),
        ("status", StatusUpdate(b"l" * 32, "revocation", 2, None)),
        ("status", StatusUpdate(b"l" * 32, "revocation", 1, b"l" * 32)),
        ("set_list", SETS),  # the document digest is not that of the set list
        ("set_list", SetList(0, {1: b"1" * 32})),
        ("set_list", SetList(1, {5: b"1" * 32})),
        ("set_list", SetList(1, {})),
    ],
)
def test_statement_outside_the_bounds_is_refused(name: str, value: Any) -> None:
    """
    What could not be read is not written: each member has its form and its bound.
    """
    with pytest.raises(CredentialError):
        make(**{name: value})


def altered(change: Any) -> bytes:
    """A validly signed message whose protected header was changed before signing."""
    protected = dict(parse_sign1(make_attestation(signer=SIGNER, iat=5, **everything())).protected)
    del protected[1], protected[4]
    payload = sha256(encode(SETS.value)).digest()
    payload = change(protected) or payload
    return sign1(protected, payload, SIGNER)


ALTERATIONS: dict[str, Any] = {
    "other label": lambda h: h.update({99: 1}),
    "no delta": lambda h: h.pop(-70001) and None,
    "other hash": lambda h: h.update({258: -44}),
    "no claims": lambda h: h.update({15: {}}),
    "more claims": lambda h: h[15].update({4: 9}),
    "sub of another": lambda h: h[15].update({2: "urn:comity:subject:" + b64u(b"x" * 32)}),
    "sub padded": lambda h: h[15].update({2: h[15][2] + "="}),
    "aud of no network": lambda h: h[15].update({3: "urn:comity:subject:" + b64u(b"n" * 32)}),
    "iat in words": lambda h: h[15].update({6: "now"}),
    "governance": lambda h: h[-70001].update({8: {}}),
    "unknown delta": lambda h: h[-70001].update({16: 1}),
    "empty member": lambda h: h[-70001].update({5: []}),
    "no kind": lambda h: h[-70001].pop(0) and None,
    "delta in text": lambda h: h[-70001].update({"kind": "x"}),
    "subject of two": lambda h: h[-70001].update({11: ["gbt34014", b"h" * 32]}),
    "references in a map": lambda h: h[-70001].update({10: {0: b"r" * 32}}),
    "null asset": lambda h: h[-70001].update({4: None}),
    "quantities in a list": lambda h: h[-70001].update({9: [1]}),
    "countersignature of one": lambda h: h[-70001].update({6: [["did:web:a.example#1"]]}),
    "countersignature short": lambda h: h[-70001].update({6: [["did:web:a.example#1", b"s" * 63]]}),
    "status of three": lambda h: h[-70001].update({7: [b"l" * 32, "revocation", 1]}),
    "set list tag": lambda h: h[-70001].update({12: ["comity/sets/v2", 2, {1: b"1" * 32}]}),
    "short payload": lambda h: b"d" * 31,
    "long": lambda h: h.update({259: "a/" + "b" * 70_000}),
}


@pytest.mark.parametrize("change", ALTERATIONS.values(), ids=ALTERATIONS.keys())
def test_other_forms_are_malformed(change: Any) -> None:
    """
    A validly signed message in any other form is refused as malformed.
    """
    with pytest.raises(CredentialError) as error:
        parse_attestation(altered(change))

    assert error.value.code in {"malformed", "unsupported_algorithm"}


def test_unprotected_header_is_empty() -> None:
    """
    Bytes outside the signature cannot be added: one statement has one digest.
    """
    data = make()
    value = decode(encode([1]))  # the strict decoder refuses tags, so the message is cut by hand
    assert value == [1]
    position = data.index(b"\xa0\x58\x20")

    with pytest.raises(CredentialError):
        parse_attestation(data[:position] + b"\xa1\x01\x01" + data[position + 1 :])


def test_countersignature_covers_the_statement() -> None:
    """
    A countersignature holds for the statement it was given for, whoever signs when, and for no other.
    """
    draft = draft_attestation(**statement(parties=("did:web:importer.example",)))
    agreed = countersign(draft, OTHER)
    data = make(parties=("did:web:importer.example",), countersignatures=(agreed,))
    attestation = parse_attestation(data)

    verify_countersignature(attestation, attestation.countersignatures[0], OTHER.public_key)
    assert agreed.signatory == "did:web:importer.example"
    for name, value in (("event_time", 9), ("document_digest", b"e" * 32), ("network_id", b"m" * 32)):
        other = parse_attestation(
            make(**{name: value}, parties=("did:web:importer.example",), countersignatures=(agreed,))
        )
        with pytest.raises(SignatureInvalid):
            verify_countersignature(other, agreed, OTHER.public_key)
    with pytest.raises(CredentialError):
        make(countersignatures=(agreed, agreed))


def test_standing_keys_differ_by_scheme_namespace_and_h() -> None:
    """
    Two subjects share a key of the map of standings only if all three parts are equal.
    """
    subjects = [
        Subject("gbt34014", "ZZ1", b"h" * 32),
        Subject("gbt34014", "ZZ2", b"h" * 32),
        Subject("gbt3401", "4ZZ1", b"h" * 32),
        Subject("gbt34014", "ZZ1", b"i" * 32),
        status_subject(MAKER, "https://maker.example/status/1"),
        status_subject(MAKER, "https://maker.example/status/2"),
    ]

    assert len({standing_key(subject) for subject in subjects}) == len(subjects)
    assert standing_key(subjects[0]) == standing_key(Subject("gbt34014", "ZZ1", b"h" * 32, b"b" * 16))


def test_random_bytes_are_malformed() -> None:
    """
    Bytes that are no attestation raise CredentialError and nothing else.
    """
    for seed in range(2_000):
        noise = sha256(b"%d" % seed).digest() * (seed % 5)
        for data in (noise, b"\xd2\x84" + noise, b"\xd2\x84\x58\x20" + noise):
            with pytest.raises(CredentialError):
                parse_attestation(data)


def test_attestation_has_the_promised_members() -> None:
    """
    The parsed view has the members other modules were promised.
    """
    names = {field.name for field in fields(Attestation)}

    assert names >= {
        "data", "digest", "kind", "issuer", "kid", "subject", "network_id", "iat", "event_time",
        "document_digest", "content_type", "predecessors", "bound_asset", "parties", "countersignatures",
        "status", "set_list", "references", "quantities", "children_root", "governance",
    }  # fmt: skip
