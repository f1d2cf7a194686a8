"""COSE_Sign1 and the one Ed25519 rule."""

import json
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

from consensus.cose import (
    SeedSigner,
    SignatureInvalid,
    _bstr,
    _take_bstr,
    parse_sign1,
    sign1,
    verify_ed25519,
    verify_sign1,
)
from consensus.encoding import EncodingError, encode

VECTORS = Path(__file__).parents[1] / "vectors" / "wycheproof" / "ed25519_test.json"
SIZES = (0, 1, 23, 24, 255, 256, 65_535, 65_536)
SIGNER = SeedSigner("did:web:maker.example#attest-1", bytes(range(32)))

# The eight points of small order and the encodings of them (and of y >= p) that are not canonical.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def test_wycheproof() -> None:
    """
    Every vector of Wycheproof's Ed25519 file is judged as the file says.
    """
    wrong = []
    groups = json.loads(VECTORS.read_text())["testGroups"]
    for group in groups:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            try:
                verify_ed25519(key, bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
                judged = "valid"
            except SignatureInvalid:
                judged = "invalid"
            if judged != case["result"]:
                wrong.append(case["tcId"])

    assert sum(len(group["tests"]) for group in groups) == 151
    assert wrong == []


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_small_order_keys_sign_nothing(key: str) -> None:
    """
    A key of small order, under which one signature would fit many messages, is refused for every such R.
    """
    for r in SMALL_ORDER:
        for message in (b"", b"one", b"two"):
            with pytest.raises(SignatureInvalid):
                verify_ed25519(bytes.fromhex(key), bytes.fromhex(r) + bytes(32), message)


@pytest.mark.parametrize("r", SMALL_ORDER)
def test_small_order_r_is_refused(r: str) -> None:
    """
    A signature whose R has small order or no canonical encoding is refused under a good key too.
    """
    with pytest.raises(SignatureInvalid):
        verify_ed25519(SIGNER.public_key, bytes.fromhex(r) + bytes(32), b"message")


def test_whose_signature_it_is_not_is_said() -> None:
    """
    One of other bytes is refused in these words, which the operator reads.
    """
    with pytest.raises(SignatureInvalid, match=r"^the signature was not made by this key over these bytes$"):
        verify_ed25519(SIGNER.public_key, SIGNER.sign(b"another message"), b"message")


@pytest.mark.parametrize(("key_bytes", "signature_bytes"), [(31, 64), (33, 64), (32, 63), (32, 65), (32, 0)])
def test_lengths_are_checked(key_bytes: int, signature_bytes: int) -> None:
    """
    Keys have 32 bytes and signatures 64; anything else is a SignatureInvalid.
    """
    with pytest.raises(SignatureInvalid):
        verify_ed25519(bytes(key_bytes), bytes(signature_bytes), b"message")


def test_round_trip() -> None:
    """
    What was signed parses to the same header and payload, and verifies under the key alone.
    """
    data = sign1({259: "application/vc", -70001: {0: "battery.produced"}}, b"payload", SIGNER)
    message = parse_sign1(data)

    verify_sign1(message, SIGNER.public_key)
    assert message.key_id == SIGNER.key_id
    assert message.payload == b"payload"
    assert message.protected == {
        1: -19,
        4: SIGNER.key_id.encode(),
        259: "application/vc",
        -70001: {0: "battery.produced"},
    }
    with pytest.raises(SignatureInvalid):
        verify_sign1(message, SeedSigner("other", bytes(32)).public_key)


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 60_000])
def test_payloads_of_any_size(size: int) -> None:
    """
    Byte-string heads of one to five bytes are written and read.
    """
    message = parse_sign1(sign1({}, bytes(size), SIGNER))

    verify_sign1(message, SIGNER.public_key)
    assert len(message.payload) == size


def test_every_changed_byte_is_noticed() -> None:
    """
    A message with any one byte changed is malformed or has an invalid signature.
    """
    data = sign1({6: 1}, b"p" * 32, SIGNER)
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((EncodingError, SignatureInvalid)):
            verify_sign1(parse_sign1(changed), SIGNER.public_key)


def _message(
    protected: bytes, unprotected: str = "a0", signature: bytes = bytes(64), tail: str = ""
) -> bytes:
    head = encode(protected)
    return (
        bytes.fromhex("d284") + head + bytes.fromhex(unprotected) + encode(b"x") + encode(signature)
    ) + bytes.fromhex(tail)


GOOD = encode({1: -19, 4: b"did:web:a.example#k"}, allow_negative=True)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_message(GOOD)[1:], id="no tag"),
        pytest.param(b"\xd1" + _message(GOOD)[1:], id="another tag"),
        pytest.param(_message(GOOD, unprotected="a10441ff"), id="unprotected header"),
        pytest.param(_message(GOOD, signature=bytes(63)), id="short signature"),
        pytest.param(_message(GOOD, tail="00"), id="trailing"),
        pytest.param(_message(GOOD)[:-1], id="cut short"),
        pytest.param(_message(b""), id="empty protected header"),
        pytest.param(_message(encode({1: -8, 4: b"k"}, allow_negative=True)), id="EdDSA instead of Ed25519"),
        pytest.param(_message(encode({1: -19}, allow_negative=True)), id="no key id"),
        pytest.param(_message(encode({1: -19, 4: b"\xff"}, allow_negative=True)), id="key id not UTF-8"),
        pytest.param(_message(encode({1: -19, 4: "k"}, allow_negative=True)), id="key id as text"),
        pytest.param(_message(encode({1: -19, 2: [99], 4: b"k"}, allow_negative=True)), id="critical header"),
        pytest.param(_message(encode({1: -19, 4: b"k", "x": 1}, allow_negative=True)), id="text label"),
        pytest.param(_message(bytes.fromhex("a2041801")), id="protected header not CBOR"),
        pytest.param(_message(bytes.fromhex("a204416b0132")), id="protected header out of order"),
        pytest.param(b"\xd2\x84\x58\x01\xa0\xa0\x40" + encode(bytes(64)), id="long head"),
        pytest.param(b"\xd2\x84\x5b" + b"\xff" * 8, id="huge head"),
        pytest.param(b"\xd2\x84", id="nothing"),
    ],
)
def test_refuses_other_messages(data: bytes) -> None:
    """
    Anything `sign1` would not have written is refused with an EncodingError.
    """
    with pytest.raises(EncodingError):
        parse_sign1(data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (_message(GOOD)[1:], r"not a COSE_Sign1 message: it starts with tag 18 and an array of four"),
        (_message(GOOD, unprotected="a10441ff"), r"the unprotected header must be the empty map"),
        (_message(GOOD, tail="00"), r"the message ends with a signature of 64 bytes"),
        (_message(encode([1])), r"the protected header is a map with integer labels"),
        (_message(encode({1: -8, 4: b"k"}, allow_negative=True)), r"the algorithm must be Ed25519 \(-19\)"),
        (
            _message(encode({1: -19, 2: [99], 4: b"k"}, allow_negative=True)),
            r"the message marks headers as critical; none is understood here",
        ),
        (_message(encode({1: -19, 4: "k"}, allow_negative=True)), r"header 4 must name the key"),
        (
            _message(encode({1: -19, 4: b"\xff"}, allow_negative=True)),
            r"header 4 must be the DID URL of the key in UTF-8",
        ),
    ],
)
def test_what_is_no_message_is_told(data: bytes, told: str) -> None:
    """
    Each in these words.
    """
    with pytest.raises(EncodingError, match=f"^{told}$"):
        parse_sign1(data)


def test_a_byte_string_is_taken_as_it_would_be_written() -> None:
    """
    Every head of two sizes around each bound, whole and cut short: taken if and only if writing what it holds
    makes the same bytes.
    """
    taken = 0
    for head, said, held in product(range(256), SIZES, SIZES):
        width = {24: 1, 25: 2, 26: 4, 27: 8}.get(head & 31, 0)
        number = said.to_bytes(8, "big")[8 - width :]
        data = bytes([head]) + number + bytes(held)
        size = int.from_bytes(number, "big") if width else head & 31
        written = encode(bytes(size)) if size <= held else None
        for shown in (data, data[:2], data[:4]):
            at = None
            with suppress(EncodingError):
                _, at = _take_bstr(shown, 0)
            assert at == (len(written) if written is not None and shown.startswith(written) else None)
            taken += at is not None
    assert taken > 100
    for size in (0, 23, 24, 255, 256, 65_535, 65_536):
        assert _bstr(bytes(size)) == encode(bytes(size))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "a byte string is missing"),
        (b"\xa0", "a byte string is missing"),
        (b"\x5b" + bytes(8), "a byte string has a head that is not allowed"),
        (b"\x42\x00", "a byte string is cut short or has a longer head than it needs"),
        (b"\x58\x01\xa0", "a byte string is cut short or has a longer head than it needs"),
    ],
)
def test_what_is_no_byte_string_is_told(data: bytes, told: str) -> None:
    """
    In these words.
    """
    with pytest.raises(EncodingError, match=f"^{told}$"):
        _take_bstr(data, 0)


def test_a_signer_does_not_show_its_seed() -> None:
    """
    The seed is not in the representation that a log might print.
    """
    assert bytes(range(32)).hex() not in repr(SIGNER)
    assert repr(bytes(range(32))) not in repr(SIGNER)
