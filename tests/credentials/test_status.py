"""Bitstring Status List 1.0: lists are read as they were written, and refused when they say nothing."""

import tracemalloc
import zlib
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.documents.model import StatusEntry, parse_credential, parse_date_time
from credentials.documents.status import (
    BITS_MIN,
    INFLATED_BYTES_MAX,
    Places,
    entry,
    make_list_credential,
    read_list,
)
from credentials.errors import CredentialError

LIST = "https://maker.example/status/revocation-1"
MAKER = "did:web:maker.example"
NOW = parse_date_time("2027-03-01T00:00:00Z", "now")
REVOKED = StatusEntry("revocation", 42, LIST)


def make(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "list_id": LIST,
        "issuer": MAKER,
        "purpose": "revocation",
        "set_bits": [42, 131071],
        "valid_from": "2027-02-28T00:00:00Z",
        "valid_until": "2027-03-02T00:00:00Z",
    }
    return make_list_credential(**{**arguments, **changes})


def encoded(data: bytes) -> dict[str, Any]:
    document = make()
    document["credentialSubject"]["encodedList"] = "u" + urlsafe_b64encode(data).rstrip(b"=").decode()
    return document


def gzip(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


@given(st.sets(st.integers(0, BITS_MIN - 1), max_size=20))
def test_round_trip(raised: set[int]) -> None:
    """
    Exactly the bits that were raised are read as raised, their neighbours included.
    """
    document = make(set_bits=raised)

    for index in raised | {place + step for place in raised for step in (-8, -1, 1, 8)}:
        if 0 <= index < BITS_MIN:
            assert read_list(document).bits(index) == (index in raised)


@given(st.binary(max_size=3), st.binary(max_size=3))
def test_places_are_joined_and_taken_away_as_sets_are(one: bytes, other: bytes) -> None:
    """
    Of lists of any two lengths; a place beyond a list is not raised in it.
    """

    def of(places: Places) -> set[int]:
        return {place for place in range(32) if places.meet(range(place, place + 1))}

    first, second = Places(one), Places(other)

    assert of(first | second) == of(first) | of(second)
    assert of(first - second) == of(first) - of(second)
    assert first.meet(range(32)) == bool(of(first)) and not first.meet(range(24, 99))


def test_a_full_list_costs_its_bytes() -> None:
    """
    Everybody is revoked in the longest list: its issuer sends 32 KiB, and a reader keeps a bit for each.
    """
    full = read_list(encoded(gzip(b"\xff" * INFLATED_BYTES_MAX))).raised
    half = Places(b"\x0f" * INFLATED_BYTES_MAX)

    tracemalloc.start()
    left = (full | half) - half
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert left.string == b"\xf0" * INFLATED_BYTES_MAX
    assert peak < 8 * INFLATED_BYTES_MAX


def test_first_bit_is_leftmost() -> None:
    """
    Index 0 is the highest bit of the first byte, as the standard counts.
    """
    assert read_list(encoded(gzip(b"\x80" + bytes(16383)))).bits(0)
    assert not read_list(encoded(gzip(b"\x01" + bytes(16383)))).bits(0)
    assert read_list(encoded(gzip(b"\x01" + bytes(16383)))).bits(7)


def test_standard_example() -> None:
    """
    The list of zeros printed in the specification (2.2) reads as all zeros.
    """
    document = make()
    document["credentialSubject"]["encodedList"] = (
        "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"
    )

    assert not any(read_list(document).bits(index) for index in (0, 1, 94567, BITS_MIN - 1))


def test_list_is_deterministic() -> None:
    """
    The same bits give the same bytes, however they were counted up.
    """
    assert make(set_bits=[1, 2, 3]) == make(set_bits=[3, 2, 1, 1])


def test_check() -> None:
    """
    A raised bit is True, another False, and the entry points where the list stands.
    """
    credential = {
        **make(),
        "credentialStatus": [entry(LIST, "revocation", 42), entry(LIST, "revocation", 43)],
    }
    raised, other = parse_credential(credential).status

    assert raised == REVOKED
    assert read_list(make()).value(raised, NOW)
    assert not read_list(make()).value(other, NOW)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, StatusEntry("suspension", 42, LIST), "status_list_invalid"),
        ({}, StatusEntry("revocation", BITS_MIN, LIST), "status_list_invalid"),
        ({}, StatusEntry("revocation", 42, LIST + "x"), "status_list_invalid"),
        ({"valid_until": "2027-02-28T23:59:59Z"}, REVOKED, "status_stale"),
        ({"valid_from": "2027-03-01T00:00:01Z"}, REVOKED, "status_stale"),
    ],
    ids=["purpose", "index", "address", "expired", "not yet"],
)
def test_lists_that_say_nothing(changes: dict[str, Any], status: StatusEntry, code: str) -> None:
    """
    A list about something else or of another time is never read as "not revoked".
    """
    with pytest.raises(CredentialError) as caught:
        read_list(make(**changes)).value(status, NOW)

    assert caught.value.code == code


BAD_LISTS = {
    "too short": gzip(bytes(16383)),
    "empty": gzip(b""),
    "not gzip": b"abc",
    "zlib, not gzip": zlib.compress(bytes(16384)),
    "cut off": gzip(bytes(16384))[:-9],
    "checksum cut off": gzip(bytes(16384))[:-1],
    "wrong checksum": gzip(bytes(16384))[:-8] + bytes(8),
    "goes on": gzip(bytes(16384)) + b"x",
    "two members": gzip(bytes(16384)) * 2,
    "inflates beyond 32 MiB": gzip(bytes(INFLATED_BYTES_MAX + 1)),
}


@pytest.mark.parametrize("data", BAD_LISTS.values(), ids=BAD_LISTS.keys())
def test_bad_lists(data: bytes) -> None:
    """
    A list that is cut, padded, too small or a bomb is refused before a bit is read.
    """
    with pytest.raises(CredentialError) as caught:
        read_list(encoded(data)).bits(0)

    assert caught.value.code == "status_list_invalid"


def test_largest_list() -> None:
    """
    A list of exactly 32 MiB is read.
    """
    assert read_list(encoded(gzip(bytes(INFLATED_BYTES_MAX - 1) + b"\x01"))).bits(INFLATED_BYTES_MAX * 8 - 1)


@pytest.mark.parametrize("text", [None, 1, "", "u", "zabc", "u!!!", "u" + "A" * 5, "u\u00e9"], ids=ascii)
def test_encoded_list_is_text(text: Any) -> None:
    """
    What is not multibase base64url is refused.
    """
    document = make()
    document["credentialSubject"]["encodedList"] = text

    with pytest.raises(CredentialError):
        read_list(document).bits(0)


@pytest.mark.parametrize(
    "kinds", ["BitstringStatusList", ["BitstringStatusList"], ["x:a", "BitstringStatusList"]]
)
def test_the_kind_of_a_list_stands_alone_or_among_others(kinds: Any) -> None:
    """
    VCDM 2.0, 4.5: a type is one name or a list of names, also of the subject of a status list.
    """
    document = make(set_bits=[3])
    document["credentialSubject"]["type"] = kinds

    assert read_list(document).bits(3) == 1
    for wrong in ("Bitstring", ["Bitstring"], None, {"BitstringStatusList": 1}):
        document["credentialSubject"]["type"] = wrong
        with pytest.raises(CredentialError, match="is not a BitstringStatusListCredential"):
            read_list(document)


def test_other_documents() -> None:
    """
    A credential that is no status list is not read as one.
    """
    for changes in ({"type": ["VerifiableCredential"]}, {"credentialSubject": {"type": "Battery"}}):
        with pytest.raises(CredentialError) as caught:
            read_list({**make(), **changes}).bits(0)
        assert caught.value.code == "status_list_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"set_bits": [BITS_MIN]},
        {"set_bits": [-1]},
        {"bits": 8},
        {"bits": BITS_MIN + 4},
        {"bits": BITS_MIN - 8},
    ],
)
def test_a_list_that_could_not_be_read_is_not_made(changes: dict[str, Any]) -> None:
    """
    A place beyond the list, and a length that no reader takes, are mistakes of the caller.
    """
    with pytest.raises(AssertionError):
        make(**changes)


def test_a_bomb_is_not_inflated_beyond_its_bound() -> None:
    """
    A small text that inflates to four times the bound costs twice the bound at most, and is refused.
    """
    bomb = encoded(gzip(bytes(4 * INFLATED_BYTES_MAX)))
    tracemalloc.start()
    try:
        with pytest.raises(CredentialError, match="inflates beyond 32 MiB"):
            read_list(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 3 * INFLATED_BYTES_MAX
