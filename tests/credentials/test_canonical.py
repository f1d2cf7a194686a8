"""Strict JSON at the trust boundary, and RFC 8785: vectors, a second implementation, hostile input."""

import base64
import datetime
import json
import math
import random
import struct
import time
import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from credentials.documents.canonical import (
    DEPTH_MAX,
    INTEGER_MAX,
    STRING_CHARACTERS_MAX,
    b64u,
    b64u_decode,
    digest_document,
    jcs,
    jcs_member,
    jcs_of_members,
    parse_json,
)
from credentials.errors import CredentialError
from credentials.jcs import _outside as outside

VECTORS = Path(__file__).parents[1] / "vectors" / "jcs"
NOISE = Path(__file__).parents[1] / "vectors" / "batterypass"
NAMES = sorted(path.stem for path in (VECTORS / "input").glob("*.json"))

# Where ECMAScript, Ryu and printf write numbers differently, and the neighbours of each place.
EDGES = [
    edge
    for middle in (1e-7, 1e-6, 1e-5, 1e-4, 1.0, 1e15, 1e16, 1e17, 1e20, 1e21, 1e22, 2.0**53, 2.0**63, 5e-324)
    for edge in (middle, -middle, math.nextafter(middle, 0), math.nextafter(middle, math.inf), middle * 1.5)
] + [0.0, -0.0, 1.7976931348623157e308, -1.7976931348623157e308, 0.1 + 0.2, 333333333.33333329]

# What would be mistaken for a number, a bracket or the end of a string where only bytes are looked at.
LIKE_NUMBERS = [
    ":1.0,",
    "[-0.0]",
    "5.0}",
    ".0",
    "1e+20",
    "e-",
    '"',
    "\\",
    '\\"',
    "[",
    "}",
    ",",
    "\0",
    "\1",
    "\n",
]


@pytest.mark.parametrize("name", NAMES)
def test_official_vectors(name: str) -> None:
    """
    The six published inputs canonicalise to the published bytes.
    """
    value = parse_json((VECTORS / "input" / f"{name}.json").read_bytes())

    canonical = jcs(value)

    assert canonical == (VECTORS / "output" / f"{name}.json").read_bytes()
    assert canonical == bytes.fromhex((VECTORS / "outhex" / f"{name}.txt").read_text())


def random_value(seeded: random.Random, depth: int) -> Any:
    kind = seeded.randrange(12 if depth else 8)
    if kind < 1:
        return seeded.choice(
            [None, True, False, "", "a", '\u20ac$\u000f\nA\'B"\\\\"/', "\ufb33", "\U0001f600"]
        )
    if kind < 2:
        return "".join(seeded.choices(LIKE_NUMBERS, k=seeded.randrange(4)))
    if kind < 4:
        return seeded.randint(-INTEGER_MAX, INTEGER_MAX) >> seeded.randrange(54)
    if kind < 5:
        return seeded.choice(EDGES) if seeded.randrange(2) else float(seeded.randrange(-9, 10))
    if kind < 6:
        value = struct.unpack("<d", seeded.randbytes(8))[0]
        return value if math.isfinite(value) else 0.5
    if kind < 8:
        return "".join(
            chr(seeded.choice([seeded.randrange(0x80), seeded.randrange(0xD7FF)])) for _ in range(5)
        )
    if kind < 10:
        return [random_value(seeded, depth - 1) for _ in range(seeded.randrange(5))]
    names = [
        "a",
        "b",
        "A",
        "\u20ac",
        "\r",
        "\ufb33",
        "\U0001f600",
        "1",
        "\u0080",
        "\u00f6",
        "",
        "\ue000",
        "\uffff",
    ]
    return {seeded.choice(names): random_value(seeded, depth - 1) for _ in range(seeded.randrange(6))}


def test_equal_to_the_reference_implementation() -> None:
    """
    On 20,000 seeded documents, numbers at every formatting border included, the bytes are those of rfc8785.
    """
    compare_with_rfc8785(seed=8785, count=20_000)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_equal_to_the_reference_implementation_at_length(seed: int) -> None:
    """
    So it is on 100,000 documents of each of five seeds.
    """
    compare_with_rfc8785(seed=seed, count=100_000)


def compare_with_rfc8785(*, seed: int, count: int) -> None:
    seeded = random.Random(seed)
    for number in range(count):
        value = random_value(seeded, 4)
        canonical = rfc8785.dumps(value)
        assert jcs(value) == canonical, f"document {number} of seed {seed}"
        if isinstance(value, dict):
            members = {name: jcs_member(name, member) for name, member in value.items()}
            assert jcs_of_members(members) == canonical, f"document {number} of seed {seed}, by its members"


def test_a_member_by_itself_is_as_deep_as_in_its_object() -> None:
    """
    What is too deep in an object is refused where its members are written one by one; one level less is not.
    """
    deep: Any = "end"
    for _ in range(DEPTH_MAX - 1):
        deep = [deep]

    assert jcs_of_members({"a": jcs_member("a", deep)}) == jcs({"a": deep})
    with pytest.raises(CredentialError, match="deeper"):
        jcs_member("a", [deep])


@pytest.mark.parametrize("shown", ["]", "}", '"]', "]]", "\\]", "}{]"])
def test_brackets_in_strings_hide_no_level(shown: str) -> None:
    """
    Strings that seem to close what is open, and others that seem to open it again, make nothing shallower.
    """
    opened = shown.translate(str.maketrans("]}", "[{"))
    for levels in (DEPTH_MAX, DEPTH_MAX + 1):
        value: Any = []
        for _ in range(levels - 1):
            value = [shown, value, opened]
        data = json.dumps(value).encode()
        if levels > DEPTH_MAX:
            with pytest.raises(CredentialError, match="deeper"):
                parse_json(data)
            with pytest.raises(CredentialError, match="deeper"):
                jcs(value)
        else:
            assert jcs(parse_json(data)) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", EDGES)
def test_number_borders(value: float) -> None:
    """
    Each number where writers differ is written as rfc8785 writes it, alone and among others.
    """
    assert jcs(value) == rfc8785.dumps(value)
    for around in (
        {"a": 1, "b": [value]},
        {"a": value, "b": value},
        [value, "1.0,", value],
        {"\\": {'"': value}},
    ):
        assert jcs(around) == rfc8785.dumps(around)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", LIKE_NUMBERS)
def test_strings_are_not_taken_for_numbers(text: str) -> None:
    """
    Texts that look like numbers, brackets or quotation marks stay as they are, as values and as names.
    """
    values: list[Any] = [{text: text}, [text, 5.0, text], {text: [6.0], f"{text}2": {"a": text}}, text]
    for value in values:
        assert jcs(value) == rfc8785.dumps(value)
        assert parse_json(jcs(value)) == value


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_canonical_form_is_read_back(value: Any) -> None:
    """
    What is canonicalised parses strictly, and canonicalises to the same bytes again.
    """
    try:
        read = parse_json(jcs(value))
    except CredentialError as error:
        # An integral float beyond 2^53 is written without a point: it reads back as an integer, refused.
        assert "2^53" in str(error)
        return

    assert jcs(read) == jcs(value)


REFUSED = {
    "duplicate key": b'{"a":1,"a":2}',
    "duplicate key in depth": b'[{"x":{"b":{},"c":1,"b":{}}}]',
    "duplicate key spelt with an escape": b'{"a":1,"\\u0061":2}',
    "duplicate key hidden by an escaped colon": b'{"a":"\\u003a","a":1}',
    "duplicate key beside colons in strings": b'{"a":"::","b":":","a":"\\":"}',
    "NaN": b'{"a":NaN}',
    "Infinity": b"[-Infinity]",
    "too large for a double": b"1e999",
    "integer of 300 digits": b"1" * 300,
    "integer of 5,000 digits": b"[" + b"1" * 5000 + b"]",
    "2^53": b"9007199254740992",
    "-2^53": b"-9007199254740992",
    "2^64": b"18446744073709551616",
    "integer beyond 64 bits among floats": b"[1.5e300, 123456789012345678901234567890]",
    "lone high surrogate": b'["\\ud800"]',
    "lone low surrogate": b'{"\\udc00":1}',
    "surrogates in the wrong order": b'"\\udc00\\ud800"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "invalid UTF-8": b'"\xff"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "integer of 17 digits in an object": b'{"a":{"b":[12345678901234567]}}',
    "integer beyond 64 bits beside text": b'{"a":"b","c":123456789012345678901}',
    "negative integer beyond 64 bits": b"[-123456789012345678901]",
    "a string of 1 MB": b'["' + b"a" * 1_000_000 + b'"]',
    "a string of 1 MB of escapes": b'["' + b'\\"' * 500_000 + b'"]',
    "10,000 levels": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "10,000 open arrays": b"[" * 10_000,
    "lone surrogate at the end": b'{"a":"x\\udfff"}',
    "invalid UTF-8 in a name": b'{"\xc3\x28":1}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "nested too deep": b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
    "nested very deep": b"[" * 200_000,
    "objects nested too deep": b'{"a":' * (DEPTH_MAX + 1) + b"1" + b"}" * (DEPTH_MAX + 1),
    "string too long": b'"' + b"a" * (STRING_CHARACTERS_MAX + 1) + b'"',
    "name too long": b'{"' + b"a" * (STRING_CHARACTERS_MAX + 1) + b'":1}',
    "control character": b'"\x01"',
    "trailing text": b"{} {}",
    "trailing comma": b"[1,]",
    "leading zero": b"01",
    "single quotes": b"{'a':1}",
    "comment": b"{}//",
    "empty": b"",
    "white space": b"  ",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_refused(data: bytes) -> None:
    """
    What two readers could understand differently is `malformed`, at once, never a crash and never a value.
    """
    started = time.thread_time()

    with pytest.raises(CredentialError) as caught:
        parse_json(data)

    assert time.thread_time() - started < 2
    assert caught.value.code == "malformed"
    assert str(caught.value).endswith(".") and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "UTF-16"),
        ("{}".encode("utf-16-be"), "UTF-16"),
        ("{}".encode("utf-16-le"), "UTF-16"),
        ("{}".encode("utf-32"), "UTF-32"),
        (b'{"a": "\xb5\xe7"}', "offset 7 is 0xB5"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "XLSX"),
        (b"%PDF-1.7", "a PDF"),
        (b"<html>", "HTML"),
        (b"line,battery\n", "no JSON value in line 1, column 1"),
        (b'{"a":\n1,}', "line 2, column 2"),
        (b'["\\ud800"]', "half of a surrogate pair in line 1"),
        (b"[1e999]", "a number is too large"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_not_json_is_told_as_what_it_is(data: bytes, told: str) -> None:
    """
    The sentence names the kind of file or the place, and what to do; no word of the reader underneath.
    """
    with pytest.raises(CredentialError) as caught:
        parse_json(data)

    sentence = str(caught.value)
    assert told in sentence and sentence.endswith(".")
    assert not [word for word in ("char 0", "surrogates not allowed", "str is", "double") if word in sentence]


def test_oversized() -> None:
    """
    A document is measured before it is read.
    """
    with pytest.raises(CredentialError, match="at most 10 are read"):
        parse_json(b'"12345678901"', size_bytes_max=10)


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"[]," * 99 + b"[]]",
        b"[" + b"{}," * 99 + b"{}]",
        b'["' + b'","' * 100 + b'"]',
        b"[" + b"1," * 101 + b"1]",
    ],
)
def test_how_many_values_there_are_is_counted_before_one_is_built(data: bytes) -> None:
    """
    Sixteen megabytes of empty lists take half a gigabyte: commas, objects and lists outside of strings count.
    """
    with pytest.raises(CredentialError, match="has more than 100 values"):
        parse_json(data, values_max=100)
    assert parse_json(data, values_max=200)


@pytest.mark.parametrize(
    "text",
    ["," * 300, "[{" * 150, '\\",' * 80, "\\" * 200 + ",", "é," * 150],
    ids=["commas", "lists", "quotes", "escapes", "wide"],
)
def test_what_strings_hold_is_no_value(text: str) -> None:
    """
    A string is one value, whatever stands in it.
    """
    data = json.dumps([text, text], ensure_ascii=False).encode()

    assert parse_json(data, values_max=4) == [text, text]


@pytest.mark.parametrize(
    "data", [b'"' * 400_000, b'"' + b'\\"' * 200_000, b'["' + b"\\" * 399_999, b'{"a":"' + b',"\\' * 100_000]
)
def test_an_unclosed_string_is_looked_through_once(data: bytes) -> None:
    """
    Bytes whose quotation marks do not close are refused in time that grows with their number alone.
    """
    with pytest.raises(CredentialError):
        parse_json(data, values_max=4)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":{"a":1},"b":[{"a":2},{"a":3}]}', {"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}),
        (b'["\\ud83d\\ude00", "\\u0000"]', ["\U0001f600", "\0"]),
        (b"[-0, -0.0, 1E2, 9007199254740991, 1.5e300]", [0, -0.0, 100.0, 9007199254740991, 1.5e300]),
        (b'{"a:b":":","c":"\\\\u003a"}', {"a:b": ":", "c": "\\u003a"}),
        (b"[" * DEPTH_MAX + b"]" * DEPTH_MAX, json.loads("[" * DEPTH_MAX + "]" * DEPTH_MAX)),
    ],
)
def test_read(data: bytes, value: Any) -> None:
    """
    Plain JSON is read as it is written: same names at different places, escapes, numbers within the limits.
    """
    assert parse_json(data) == value


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\ud8001aen.-+E ', max_size=40).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """
    Whatever the bytes are, the answer is a value that has a canonical form, or `malformed`.
    """
    try:
        value = parse_json(data)
    except CredentialError as error:
        assert error.code == "malformed"
    else:
        assert jcs(value)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", ":", "\\u0061", "\\u003a", '\\"']),
            st.sampled_from(["1", '":"', '"\\u003a"', '{"a":1}']),
        )
    )
)
def test_duplicate_keys_are_found(pairs: list[tuple[str, str]]) -> None:
    """
    A document is refused exactly when two names of one object are equal after unescaping.
    """
    text = "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
    names = [json.loads(f'"{name}"') for name, _ in pairs]

    if len(set(names)) == len(names):
        assert parse_json(text.encode()) == json.loads(text)
    else:
        with pytest.raises(CredentialError, match="occurs twice"):
            parse_json(text.encode())


def test_many_large_floats_are_read_in_linear_time() -> None:
    """
    60,000 floats beyond 2^53 cost two readings, not one each.
    """
    data = b"[" + b",".join([b"1.5e300"] * 60_000) + b"]"

    assert parse_json(data) == [1.5e300] * 60_000


@pytest.mark.parametrize("path", sorted(NOISE.rglob("Performance*.json")), ids=lambda p: p.parent.name)
def test_generator_noise(path: Path) -> None:
    """
    The published BatteryPass samples with integers of 300 digits are refused with a sentence.
    """
    with pytest.raises(CredentialError, match="2\\^53"):
        parse_json(path.read_bytes())


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        2**53,
        -(2**600),
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        (1,),
        b"x",
        {"a": {1, 2}},
        (1, 2.0),
        {"a": [{"b": (None,)}]},
        {"a": [math.nan]},
        {"a": -math.inf, "b": 1.0},
        uuid.UUID(int=1),
        datetime.date(2026, 1, 1),
        {"a": 2**53},
        {"a": "x" * (STRING_CHARACTERS_MAX + 1)},
        pytest.param(object(), id="an object"),
    ],
    ids=repr,
)
def test_no_canonical_form(value: Any) -> None:
    """
    What is not I-JSON is refused, not written somehow.
    """
    with pytest.raises(CredentialError) as caught:
        jcs({"a": [value]} if not isinstance(value, dict) else value)

    assert caught.value.code == "malformed"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_told_as_that(value: float) -> None:
    """
    In the words of this project, not in those of a library.
    """
    with pytest.raises(CredentialError, match=r"^A number is not finite and has no canonical form\.$"):
        jcs({"a": [value]})


def test_cycles() -> None:
    """
    A value that contains itself is refused.
    """
    value: list[Any] = []
    value.append(value)

    with pytest.raises(CredentialError, match="deeper"):
        jcs(value)


def test_digest_covers_the_proof() -> None:
    """
    A document with another proof is another document on the ledger.
    """
    assert digest_document({"a": 1, "proof": {"x": 1}}) != digest_document({"a": 1, "proof": {"x": 2}})
    assert digest_document({"a": 1.0, "b": 2}) == digest_document({"b": 2, "a": 1})


@given(st.binary(max_size=40))
def test_base64url(data: bytes) -> None:
    """
    Every value has one text; padding, other alphabets and unused bits are refused.
    """
    assert b64u_decode(b64u(data)) == data
    for other in (b64u(data) + "=", b64u(data) + "\n", "+" + b64u(data), b64u(data) + "\u00e9"):
        with pytest.raises(CredentialError):
            b64u_decode(other)


def test_base64url_unused_bits() -> None:
    """
    Bits after the last byte are zero.
    """
    assert b64u_decode("AA") == b"\0"
    with pytest.raises(CredentialError):
        b64u_decode("AB")


@given(st.text("AQgwZz09-_+/= \n\u00e9", max_size=9))
def test_base64url_is_read_as_the_standard_library_writes_it(text: str) -> None:
    """
    A text is read if, and only if, it is what RFC 4648, 5 writes for its bytes, without padding.
    """
    try:
        data = b64u_decode(text)
    except CredentialError as error:
        assert error.code == "malformed"
        with pytest.raises(ValueError):
            again = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if base64.urlsafe_b64encode(again).rstrip(b"=").decode() != text:
                raise ValueError("another text for these bytes") from error
    else:
        assert base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text


@given(
    st.integers(1, 9), st.lists(st.dictionaries(st.text('a"\\e+{', max_size=6), st.text('a"\\[', max_size=9)))
)
def test_a_text_is_looked_at_in_pieces_as_it_would_be_whole(size: int, value: list[dict[str, str]]) -> None:
    """
    What is outside of strings and how long the longest is do not depend on where a piece ends.
    """
    with pytest.MonkeyPatch.context() as patch:
        whole, longest = outside(orjson.dumps(value))
        patch.setattr("credentials.jcs.PIECE_BYTES", size)
        pieces, again = outside(orjson.dumps(value))

    assert pieces.replace(b'"', b"") == whole.replace(b'"', b"")
    strings = [text for row in value for pair in row.items() for text in pair]
    assert again == longest >= max(map(len, strings), default=0)


def test_numbers_beside_escaped_quotation_marks_are_written_as_numbers() -> None:
    """
    And what looks like one inside of a string stays as it is.
    """
    for text in ('a"1.0', "a\\\\", 'a\\"-0.0,"', '\\"'):
        assert jcs({text: 1.0, "z": [-0.0, text]}) == rfc8785.dumps({text: 1.0, "z": [-0.0, text]})
