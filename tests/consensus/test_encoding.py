"""Deterministic CBOR: what is read, what is refused, and that no format changes unnoticed."""

import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import encoding
from consensus.checkpoint import Checkpoint, SignedNote, cosign_line, sign_log_line
from consensus.cose import SeedSigner
from consensus.encoding import DEPTH_MAX, INTEGER_MAX, EncodingError, Value, decode, decode_written, encode
from consensus.evidence import FaultEvidence, evidence_of
from consensus.receipt import Receipt
from consensus.recollection import encode_answer, encode_question
from consensus.replica import Replica
from consensus.types import PRECOMMIT, PREVOTE, Block, CommitCertificate, Proposal, Vote, decode_message
from consensus.validators import Validator, ValidatorSet
from consensus.wal import SignedRecord
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Criteria, StatusUpdate, make_attestation, parse_attestation
from credentials.ledger.entries import BlockEntry, ClaimEntry, PolicyEntry, RefusedEntry
from credentials.ledger.standing import (
    CHILD,
    WASTE,
    Bound,
    CustomsPresentation,
    Enrolment,
    Lineage,
    Parent,
    Passport,
    Setting,
    Standing,
    Undo,
)
from tests.harness.sim.world import Plain, make_chain

PINNED = Path(__file__).parents[1] / "vectors" / "encodings.txt"

REFUSED = {
    "empty": "",
    "trailing": "0102",
    "cut short": "8200",
    "long int": "1817",
    "long int of eight bytes": "1b0000000000000001",
    "2^53": "1b0020000000000000",
    "2^64-1": "1bffffffffffffffff",
    "negative": "20",
    "long string head": "780161",
    "duplicate key": "a201020103",
    "duplicate text key": "a2616101616102",
    "keys out of order": "a202010101",
    "keys sorted as RFC 7049 did": "a2616101190100f5",
    "bytes as key": "a14000",
    "bool as key": "a1f500",
    "list as key": "a18000",
    "null as key": "a1f600",
    "indefinite list": "9f01ff",
    "indefinite map": "bf0102ff",
    "indefinite text": "7f6161ff",
    "indefinite bytes": "5f4161ff",
    "float": "fb3ff8000000000000",
    "half float": "f93e00",
    "integral float": "f93c00",
    "NaN": "f97e00",
    "NaN in a list": "81f97e00",
    "infinity": "f97c00",
    "undefined": "f7",
    "simple value": "f820",
    "reserved simple value": "f810",
    "reserved length": "1c",
    "lone break": "ff",
    "tag 258 set": "d9010283010203",
    "tag 258 empty set": "d90102a0",
    "cyclic tags": "d81c81d81d00",
    "cyclic map": "a1d81c01d81d00",
    "shared reference to nothing": "d81d01",
    "string reference": "d9010082616161d81900",
    "bignum": "c249010000000000000000",
    "negative bignum": "c349010000000000000000",
    "decimal": "c48221196ab3",
    "decimal with a huge exponent": "c4821b001fffffffffffff01",
    "rational": "d81e820102",
    "date in the year 33658": "c1fb426cee8e1f000000",
    "text date": "c074323032372d30332d30315430303a30303a30305a",
    "regular expression": "d8236161",
    "MIME": "d824604100",
    "UUID": "d8255000000000000000000000000000000000",
    "IP address": "d9010444c0000201",
    "self-described": "d9d9f701",
    "unknown tag": "d9fffe01",
    "tag 18 inside": "81d28440a04040",
    "lone surrogate": "63eda080",
    "overlong UTF-8": "62c0af",
    "not UTF-8": "61ff",
    "deep nesting": "81" * DEPTH_MAX + "80",
    "very deep nesting": "81" * 100_000 + "80",
    "list of 2^32 items": "9affffffff",
    "bytes of 2^63": "5b7fffffffffffffff",
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in REFUSED.items()])
def test_refuses_other_encodings(data: str) -> None:
    """
    Bytes that `encode` would not have produced are refused with an EncodingError and nothing else.
    """
    with pytest.raises(EncodingError):
        decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("value", "data"),
    [
        pytest.param(0, "00", id="zero"),
        pytest.param(INTEGER_MAX, "1b001fffffffffffff", id="2^53-1"),
        pytest.param(True, "f5", id="true is not one"),
        pytest.param(None, "f6", id="null"),
        pytest.param(b"", "40", id="empty bytes"),
        pytest.param(
            {"b": 1, "aa": 2, 256: 3, -1: 4, 10: 5}, "a50a0519010003200461620162616102", id="key order"
        ),
        pytest.param({"b": 1, "aa": 2, "": 3, "a": 4}, "a4600361610461620162616102", id="texts"),
        pytest.param({"é": 1, "zzz": 2, "z": 3}, "a3617a0362c3a901637a7a7a02", id="texts by their bytes"),
        pytest.param({256: 1, 2: 2, 24: 3}, "a3020218180319010001", id="numbers"),
        pytest.param([[], {}], "8280a0", id="empty containers"),
        pytest.param("ÿ𐏿", "66c3bff0908fbf", id="text beyond the BMP"),
    ],
)
def test_encodes_as_rfc_8949_says(value: Value, data: str) -> None:
    """
    Shortest heads, and map keys in the order of their encoded bytes (RFC 8949, section 4.2.1).
    """
    assert encode(value).hex() == data
    assert decode(bytes.fromhex(data)) == value


class _Text(str):
    __slots__ = ()


CYCLIC: list[object] = []
CYCLIC.append(CYCLIC)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(INTEGER_MAX + 1, id="2^53"),
        pytest.param(-1, id="negative"),
        pytest.param([1.0], id="float"),
        pytest.param(["\ud800"], id="lone surrogate"),
        pytest.param({"\ud800": 1}, id="lone surrogate in a key"),
        pytest.param({b"k": 1}, id="bytes as key"),
        pytest.param({True: 1}, id="bool as key"),
        pytest.param({1, 2}, id="set"),
        pytest.param((1, 2), id="tuple"),
        pytest.param(bytearray(b"x"), id="bytearray"),
        pytest.param(_Text("x"), id="subclass"),
        pytest.param(CYCLIC, id="cyclic list"),
    ],
)
def test_encodes_plain_values_only(value: Value) -> None:
    """
    A value that would not decode to an equal one is refused by exact type.
    """
    with pytest.raises(EncodingError):
        encode(value)


def test_negative_integers_are_cose_labels_and_algorithms() -> None:
    """
    Negative map keys are always read; negative values only where COSE asks for them.
    """
    assert decode(encode({-70001: 1})) == {-70001: 1}
    header = encode({1: -19}, allow_negative=True)

    assert decode(header, allow_negative=True) == {1: -19}
    with pytest.raises(EncodingError):
        decode(header)


def test_size_is_checked_before_reading() -> None:
    """
    Bytes beyond the limit are refused unread.
    """
    with pytest.raises(EncodingError, match="at most 4"):
        decode(encode("abcd"), size_bytes_max=4)


@pytest.mark.parametrize(
    "value", [[[]] * 100, [0] * 100, [""] * 100, {n: None for n in range(50)}, [[[0] * 97]]]
)
def test_how_many_values_there_are_is_counted_before_one_is_built(value: Value) -> None:
    """
    Four million empty lists are four million bytes, and would take half a gigabyte: lists, maps, keys and
    items are counted from head to head.
    """
    data = encode(value)
    counted = 100 if isinstance(value, list) and len(value) == 1 else 101

    assert decode(data, values_max=counted) == value
    with pytest.raises(EncodingError, match=f"more than {counted - 1} values"):
        decode(data, values_max=counted - 1)


def test_what_strings_hold_is_no_value() -> None:
    """
    A string is one value whatever its bytes are, and sizes of one to eight bytes are stepped over.
    """
    strings: list[Value] = [b"\x80" * size for size in (0, 23, 24, 255, 256, 65_535, 65_536)]

    assert decode(encode(strings), values_max=8) == strings
    with pytest.raises(EncodingError, match="more than 7 values"):
        decode(encode(strings), values_max=7)


@given(st.binary(max_size=200), st.integers(1, 20))
def test_counting_refuses_nothing_that_has_as_few_values(data: bytes, values_max: int) -> None:
    """
    Any bytes that are read are read the same with a bound that they keep; what is none is refused either way.
    """
    try:
        value = decode(data, values_max=values_max)
    except EncodingError as error:
        assert "more than" in str(error) or _is_refused(data)
    else:
        assert value == decode(data)


def _is_refused(data: bytes) -> bool:
    with pytest.raises(EncodingError):
        decode(data)
    return True


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, INTEGER_MAX) | st.binary(max_size=40) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=30) | st.integers(-(1 << 31), INTEGER_MAX), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_round_trip(value: Value) -> None:
    """
    A plain value decodes to itself, and its keys are in bytewise order.
    """
    try:
        data = encode(value)
    except EncodingError as error:
        assert "deep" in str(error)
        return

    assert decode(data) == value == decode_written(data)
    if isinstance(value, dict) and type(decode(data)) is dict:
        keys = [encode(key) if isinstance(key, str) or key >= 0 else _negative(key) for key in decode(data)]  # type: ignore[union-attr]
        assert keys == sorted(keys)


def _negative(key: int) -> bytes:
    return encode(key, allow_negative=True)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_exactly_or_refused(data: bytes) -> None:
    """
    Whatever arrives is either the encoding of its value or an EncodingError.
    """
    try:
        value = decode(data)
    except EncodingError:
        return
    assert encode(value) == data


def _any_value(random: Random, depth: int) -> Value:
    """Any value that can be written, numbers near the bounds of heads; negative ones, too deep ones."""
    kind = random.randrange(7 if depth else 5)
    if kind >= 5:
        items = [_any_value(random, depth - 1) for _ in range(random.choice((0, 1, 2, 3, 5, 25)))]
        if kind == 5:
            return items
        return {_any_key(random): item for item in items}
    number = max(0, random.choice((0, 24, 1 << 8, 1 << 16, 1 << 32, 1 << 53)) + random.randrange(-2, 3))
    return (
        random.choice((None, False, True)),
        number,
        -1 - min(number, 1 << 31),
        random.randbytes(random.choice((0, 1, 23, 24, 40))),
        random.choice(("", "a", "\u00e9" * 12, "b" * 24, "\U0001f50b")),
    )[kind]


def _any_key(random: Random) -> int | str:
    key = _any_value(random, 0)
    return key if isinstance(key, str) or type(key) is int else "key"


def _raw(value: Value, random: Random) -> bytes:
    """CBOR of a value with keys in any order and, now and then, a head that is longer than it needs."""
    if isinstance(value, list):
        return _head(4, len(value), random) + b"".join(_raw(item, random) for item in value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: cbor2.dumps(key, canonical=True))
        if random.randrange(4) == 0:
            random.shuffle(keys)
        return _head(5, len(keys), random) + b"".join(_raw(k, random) + _raw(value[k], random) for k in keys)
    if isinstance(value, bool) or value is None:
        return cbor2.dumps(value)
    if isinstance(value, int):
        return _head(0, value, random) if value >= 0 else _head(1, -1 - value, random)
    text = value.encode() if isinstance(value, str) else value
    return _head(3 if isinstance(value, str) else 2, len(text), random) + text


def _head(major: int, size: int, random: Random) -> bytes:
    shortest = next(n for n, bound in enumerate((24, 1 << 8, 1 << 16, 1 << 32, 1 << 64)) if size < bound)
    width = min(4, shortest + (random.randrange(40) == 0))
    if width == 0:
        return bytes([major << 5 | size])
    return bytes([major << 5 | 23 + width]) + size.to_bytes(1 << (width - 1), "big")


def _read_both_ways(data: bytes, allow_negative: bool) -> tuple[str, str]:
    """What `decode` says of these bytes, and what writing them again says."""

    def written_again() -> Value:
        value = decode_written(data)
        if encode(value, allow_negative=allow_negative) != data:
            raise EncodingError("not deterministically encoded (RFC 8949, section 4.2.1)")
        return value

    def read_here() -> Value:
        return decode(data, values_max=len(data), allow_negative=allow_negative)

    return _told(read_here), _told(written_again)


def _told(read: Callable[[], Value]) -> str:
    try:
        return repr(read())
    except EncodingError as error:
        return f"refused: {error}"


@pytest.mark.parametrize(
    ("seed", "documents"),
    [(1, 10_000), pytest.param(2, 500_000, marks=pytest.mark.long)],
)
def test_what_heads_show_is_what_writing_again_says(seed: int, documents: int) -> None:
    """
    Seeded values, written well, with keys in another order, with long heads or a changed byte, are read or
    refused as by writing them again, in the same words.
    """
    random, taken, refused = Random(seed), 0, 0
    for number in range(documents):
        data = _raw(_any_value(random, random.randrange(1, DEPTH_MAX // 2)), random)
        if number % 3 == 0:
            at = random.randrange(len(data))
            data = data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
        if number % 97 == 0:
            data = b"\x81" * random.randrange(DEPTH_MAX - 2, DEPTH_MAX + 2) + data
        data += b"\x00" * (number % 101 == 0)
        here, again = _read_both_ways(data, bool(random.getrandbits(1)))
        assert here == again, data.hex()
        taken += not here.startswith("refused")
        refused += here.startswith("refused")
    assert min(taken, refused) > documents // 5


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in REFUSED.items()])
def test_what_is_refused_is_refused_in_the_same_words(data: str) -> None:
    """
    Each way to be no deterministic CBOR is told as writing it again tells it, with and without negatives.
    """
    for allow_negative in (False, True):
        here, again = _read_both_ways(bytes.fromhex(data), allow_negative)
        assert here == again


@pytest.mark.parametrize(
    "name",
    [
        "duplicate key",
        "duplicate text key",
        "indefinite list",
        "text date",
        "bignum",
        "decimal",
        "regular expression",
        "IP address",
        "unknown tag",
    ],
)
def test_what_was_written_here_is_read_without_tags_and_second_keys(name: str) -> None:
    """
    It is not written again to compare: the reader itself makes no value of a tag and drops no key.
    """
    with pytest.raises(EncodingError, match=r"^not plain deterministic CBOR$"):
        decode_written(bytes.fromhex(REFUSED[name]))


def test_what_this_network_writes_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An attestation, a vote and a standing are read without a second encoding; what is long, with one.
    """
    random = Random(3)
    made = {name: TYPES[name](random) for name in ("attestation", "vote", "standing")}
    long = encode([bytes(600), bytes(600)])

    def never(*_: object, **__: object) -> bytes:
        raise AssertionError("written again")

    monkeypatch.setattr("consensus.encoding.encode", never)
    parse_attestation(made["attestation"])
    decode(made["vote"])
    decode(made["standing"])
    with pytest.raises(AssertionError, match="written again"):
        decode(long)


def _block(random: Random) -> Block:
    return Block(
        random.getrandbits(32),
        random.getrandbits(32),
        random.randbytes(32),
        f"did:web:v{random.getrandbits(8)}.example",
        random.randbytes(32),
        random.getrandbits(40),
        random.randbytes(32),
        random.randbytes(32),
        random.getrandbits(8),
        tuple(random.randbytes(random.getrandbits(6)) for _ in range(random.getrandbits(3))),
        tuple(random.randbytes(random.getrandbits(6)) for _ in range(random.getrandbits(2))),
    )


def _round(random: Random) -> tuple[int, int]:
    round_ = random.getrandbits(5) + 1
    return round_, random.getrandbits(8) % (round_ + 1) - 1


def _proposal(random: Random) -> Proposal:
    block, (round_, valid_round) = _block(random), _round(random)
    return Proposal(block.height, round_, valid_round, block, block.proposer, random.randbytes(64))


def _vote(random: Random) -> Vote:
    round_, valid_round = _round(random)
    value = random.randbytes(32) if random.getrandbits(1) else None
    kind = PREVOTE if random.getrandbits(1) else PRECOMMIT
    valid_round = valid_round if kind == PREVOTE and value is not None else -1
    name = f"did:web:v{random.getrandbits(8)}.example"
    return Vote(kind, random.getrandbits(32), round_, valid_round, value, name, random.randbytes(64))


def _certificate(random: Random) -> CommitCertificate:
    height, value, (round_, valid_round) = random.getrandbits(32), random.randbytes(32), _round(random)
    names = [f"did:web:v{i}.example" for i in range(1 + random.getrandbits(2))]
    return CommitCertificate(
        height,
        round_,
        value,
        tuple(Vote(PRECOMMIT, height, round_, -1, value, name, random.randbytes(64)) for name in names),
        tuple(
            Vote(PREVOTE, height, round_, valid_round, value, name, random.randbytes(64)) for name in names
        ),
    )


def _evidence(random: Random) -> FaultEvidence:
    first = replace(_vote(random), kind=PREVOTE, value_id=random.randbytes(32), valid_round=-1)
    other = replace(first, value_id=random.randbytes(32), signature=random.randbytes(64))
    evidence = evidence_of(first, other)
    assert evidence is not None
    return evidence


def _validators(random: Random) -> ValidatorSet:
    count = 1 + random.getrandbits(3)
    return ValidatorSet(
        tuple(
            Validator(f"did:web:v{i}.example", random.randbytes(32), 1 + random.getrandbits(3))
            for i in range(count)
        )
    )


def _status(random: Random) -> bytes:
    world = Plain(make_chain(1))
    tip = replace(world.tip(), height=random.getrandbits(32))
    application = world.disk().application(0, tip.app_hash)
    observer = Replica(world.chain, application, tip, name=None, signer=None)
    observer._present.heard = dict.fromkeys((random.randbytes(8) for _ in range(random.getrandbits(3))), None)  # type: ignore[assignment]
    return observer.status()


def _record(random: Random) -> bytes:
    """A precommit in the write-ahead log with its lock, or another vote without."""
    vote = _vote(random)
    lock = (_proposal(random).encode(), tuple(_vote(random).encode() for _ in range(3)))
    with_lock = vote.kind == PRECOMMIT and vote.value_id is not None
    return SignedRecord(
        vote.height, vote.round, vote.kind, vote.encode(), *(lock if with_lock else ())
    ).encode()


def _subject(random: Random) -> Subject:
    return Subject("gbt34014", f"ZZ{random.getrandbits(3)}", random.randbytes(32))


def _attestation(random: Random) -> bytes:
    optional = {
        "predecessors": [random.randbytes(32)],
        "bound_asset": Subject("vin", "ZZ9", random.randbytes(32)),
        "parties": ["did:web:customs.example"],
        "references": [random.randbytes(32), _subject(random)],
        "quantities": {"capacity_wh": random.getrandbits(40), "co_in_grams": random.getrandbits(20)},
        "children_root": random.randbytes(32),
        "status": StatusUpdate(random.randbytes(32), "revocation", 2, random.randbytes(32)),
        "expires": random.getrandbits(32),
        "criteria": Criteria((f"ZZ{random.getrandbits(3)}",), random.getrandbits(31), None),
        "produced_on": (1 + random.getrandbits(14)) * 86_400,
    }
    return make_attestation(
        kind="battery.produced",
        issuer="did:web:maker.example",
        signer=SeedSigner("did:web:maker.example#attest-1", random.randbytes(32)),
        subject=_subject(random),
        network_id=random.randbytes(32),
        iat=random.getrandbits(32),
        event_time=random.getrandbits(32),
        document_digest=random.randbytes(32),
        **{name: value for name, value in optional.items() if random.getrandbits(1)},
    )


def _claim(random: Random) -> bytes:
    return ClaimEntry(parse_attestation(_attestation(random))).encode()


def _standing(random: Random) -> bytes:
    """A standing with everything that life leaves on it, or not."""
    digest = random.randbytes
    setting = Setting("did:web:customs.example", random.getrandbits(40), "customs")
    passport = Passport(
        digest(32), 1, "did:web:maker.example", digest(32), random.getrandbits(40), 7, "live", "x"
    )
    optional: dict[str, Any] = {
        "holder": "eori:DE1",
        "named": ("did:web:importer.example",),
        "place": "EU",
        "marks": ("installed", "removed"),
        "jurisdictions": {"placed": {"EU": setting}, "recalled": {"": setting}},
        "passport": passport,
        "earlier": (passport,),
        "bound": Bound(_subject(random), random.getrandbits(40), "did:web:car.example"),
        "presentation": CustomsPresentation(digest(32), "x", random.getrandbits(40), "EU", None),
        "lineage": Lineage((digest(32),), random.getrandbits(40), "re-used"),
        "predecessors": (digest(32),),
        "parent": Parent(digest(32), random.getrandbits(40), WASTE, (CHILD,)),
        "children": (digest(32), digest(32)),
        "enrolled": Enrolment("did:web:x.example", random.getrandbits(40), "authority", digest(32)),
        "contested": (random.getrandbits(40),),
        "voided": True,
        "taken_back": (digest(32),),
        "readings": {"cycles": random.getrandbits(16)},
        "produced_on": (1 + random.getrandbits(14)) * 86_400,
        "facts": {"produced": random.getrandbits(40)},
        "undo": Undo(
            digest(32),
            "x",
            "battery.sold",
            3,
            random.getrandbits(32),
            False,
            True,
            digest(9),
            digest(32),
            None,
        ),
    }
    chosen = {name: value for name, value in optional.items() if random.getrandbits(1)}
    return Standing(_subject(random), item_state="placed", **chosen).encode()


def _refused(random: Random) -> bytes:
    rule = f"X{random.getrandbits(4)}"
    winner, height = random.getrandbits(40), random.getrandbits(32)
    entry = RefusedEntry(
        random.randbytes(32), "did:web:maker.example", _subject(random), rule, winner, height
    )
    return entry.encode()


def _block_entry(random: Random) -> bytes:
    digests = [random.randbytes(32) for _ in range(5)]
    return BlockEntry(random.getrandbits(32), random.getrandbits(32), *digests).encode()


def _checkpoint(random: Random) -> Checkpoint:
    return Checkpoint("log.test.example", random.getrandbits(40), random.randbytes(32))


def _cosignature(random: Random) -> bytes:
    checkpoint, signer = _checkpoint(random), SeedSigner("any", random.randbytes(32))
    lines = (
        sign_log_line(checkpoint, checkpoint.origin, signer),
        cosign_line(checkpoint, "v0.example", random.getrandbits(32), signer),
    )
    return SignedNote(checkpoint.body(), lines).text().encode()


def _signed(message: Proposal | Vote) -> bytes:
    return message.signed_bytes(sha256(b"network").digest(), sha256(b"validators").digest())


def _receipt(random: Random) -> bytes:
    checkpoint, signer = _checkpoint(random), SeedSigner("any", random.randbytes(32))
    note = SignedNote(checkpoint.body(), (sign_log_line(checkpoint, checkpoint.origin, signer),))
    proof = tuple(random.randbytes(32) for _ in range(random.randint(0, 20)))
    return (
        Receipt(random.randbytes(random.randint(1, 400)), random.getrandbits(40), proof, note).text().encode()
    )


TYPES: dict[str, Callable[[Random], bytes]] = {
    "block": lambda random: _block(random).encode(),
    "block-id": lambda random: _block(random).id,
    "proposal": lambda random: _proposal(random).encode(),
    "proposal-signed-bytes": lambda random: _signed(_proposal(random)),
    "vote": lambda random: _vote(random).encode(),
    "vote-signed-bytes": lambda random: _signed(_vote(random)),
    "certificate": lambda random: _certificate(random).encode(),
    "evidence": lambda random: _evidence(random).encode(),
    "validators": lambda random: _validators(random).encode(),
    "status": _status,
    "wal-record": _record,
    "attestation": _attestation,
    "entry-claim": _claim,
    "entry-refused": _refused,
    "standing": _standing,
    "entry-block": _block_entry,
    "entry-policy": lambda random: PolicyEntry(
        random.randbytes(32), f"quorum {random.getrandbits(32)}\n", ("a+00+AA==",)
    ).encode(),
    "checkpoint": lambda random: _checkpoint(random).body().encode(),
    "cosigned-note": _cosignature,
    "receipt": _receipt,
    "signed-by-me": lambda random: encode_question(f"did:web:v{random.getrandbits(16)}.example"),
    "signed-by-you": lambda random: encode_answer(
        f"did:web:v{random.getrandbits(16)}.example",
        random.getrandbits(40),
        _vote(random) if random.getrandbits(1) else None,
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_formats_are_pinned(name: str) -> None:
    """
    1,000 seeded values of each message type encode as they did when the format was fixed.
    """
    digest = sha256()
    random = Random(name)
    for _ in range(1_000):
        digest.update(TYPES[name](random))
    pinned = dict(line.split() for line in PINNED.read_text().splitlines() if not line.startswith("#"))

    if os.environ.get("PIN_ENCODINGS"):
        pinned[name] = digest.hexdigest()
        lines = ["# SHA-256 over 1,000 seeded values per message type; see tests/consensus/test_encoding.py"]
        PINNED.write_text("\n".join([*lines, *(f"{key} {pinned[key]}" for key in sorted(pinned))]) + "\n")
    assert pinned[name] == digest.hexdigest()


def test_messages_decode_to_themselves() -> None:
    """
    Blocks, proposals, votes and certificates decode to equal values.
    """
    random = Random(1)
    for _ in range(200):
        block, proposal, vote, certificate = (
            _block(random),
            _proposal(random),
            _vote(random),
            _certificate(random),
        )

        assert Block.decode(block.encode()) == block
        assert decode_message(decode(proposal.encode())) == proposal
        assert decode_message(decode(vote.encode())) == vote
        assert CommitCertificate.decode(certificate.encode()) == certificate
        evidence, validators = _evidence(random), _validators(random)
        assert FaultEvidence.decode(evidence.encode()) == evidence
        assert ValidatorSet.decode(validators.encode()) == validators


def test_a_changed_byte_never_raises_anything_else() -> None:
    """
    Messages with any one byte changed are read as another message or refused with an EncodingError.
    """
    random = Random(2)
    for message in (_vote(random), _proposal(random)):
        data = bytearray(message.encode())
        for at in range(len(data)):
            changed = (
                bytes(data[:at]) + bytes([data[at] ^ (1 + random.randrange(255))]) + bytes(data[at + 1 :])
            )
            try:
                assert decode_message(decode(changed)) != message
            except EncodingError:
                continue


@pytest.mark.parametrize("place", range(1, 12))
def test_a_block_of_which_one_member_is_of_another_kind_is_none(place: int) -> None:
    """
    Each member of a block is of its kind, or the block is not read.
    """
    members = decode(_block(Random(3)).encode())
    assert isinstance(members, list)
    other = b"x" if isinstance(members[place], int) else 7

    with pytest.raises(EncodingError):
        Block.decode(encode([*members[:place], other, *members[place + 1 :]]))


def test_what_is_no_value_of_ours_is_told_in_words() -> None:
    """
    A tag, and a key of a map that is neither text nor a number of the range.
    """
    with pytest.raises(EncodingError, match=r"^CBOR tags are not allowed here$"):
        encoding._refuse_tag()
    with pytest.raises(EncodingError, match=r"^a map key is neither text nor an integer in range$"):
        encoding._key_order(b"bytes")
