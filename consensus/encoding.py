"""Deterministic CBOR (RFC 8949, section 4.2.1): one value, one byte string.

Everything that is hashed or signed in this project passes through here. Allowed are exactly: integers
0..2^53-1, byte strings, text, lists, maps with integer or text keys, booleans and null, at most DEPTH_MAX
containers deep. Negative integers are COSE labels (map keys) and COSE algorithm ids (allow_negative=True).
"""

from collections.abc import Collection
from typing import Any, cast

import cbor2

from consensus.errors import ConsensusError

# The containers are Any inside: list[bytes] is a Value too, and a list is invariant.
Value = int | bytes | str | list[Any] | dict[Any, Any] | bool | None

SIZE_BYTES_MAX = 1 << 20
VALUES_MAX = 1 << 16  # a list of a million empty lists has a million bytes, and takes a hundred times as much
DEPTH_MAX = 8
INTEGER_MAX = (1 << 53) - 1  # what SQLite, JSON and every other reader can hold exactly
NEGATIVE_MIN = -(1 << 31)

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP = range(6)  # major types (RFC 8949, section 3.1)
_STRINGS = (_BYTES, _TEXT)  # their heads say how many bytes follow
_FIRST_WIDTH = 24  # of the four numbers in a head after which 1, 2, 4 or 8 bytes say the size

_LEAST_OF_WIDTH = (24, 1 << 8, 1 << 16, 1 << 32)  # what is less has a shorter head
_NEGATIVE_SIZE_MAX = -1 - NEGATIVE_MIN
# How far it is to what follows small numbers, short strings, false, true and null, by their heads; else 0.
_STEPS = bytes(
    1
    if head < _FIRST_WIDTH or 0xF4 <= head <= 0xF6
    else 1 + (head & 31)
    if head >> 5 in _STRINGS and head & 31 < _FIRST_WIDTH
    else 0
    for head in range(256)
)
_WALKED_BYTES_MAX = 1 << 10  # more, as a block has, is written again faster than walked over

_AS_THEY_ARE = frozenset((bytes, str, bool, type(None)))

# Every tag that cbor2 would turn into a Python object (dates, bignums, decimals, sets, regular expressions,
# shared references): refused before it is built, because building it may cost more than its bytes.
_TAGS_BUILT_IN = (
    0,
    1,
    2,
    3,
    4,
    5,
    25,
    28,
    29,
    30,
    35,
    36,
    37,
    52,
    54,
    100,
    256,
    258,
    260,
    261,
    1004,
    43000,
    55799,
)


class EncodingError(ConsensusError):
    """Bytes or a value that are not plain deterministic CBOR."""


def encode(value: Value, *, allow_negative: bool = False) -> bytes:
    """The one byte string of `value`; raises EncodingError for a value outside the allowed set.

    Tuples are not lists here: a value decodes to an equal one.
    """
    try:
        encoded: bytes = cbor2.dumps(_ordered(value, DEPTH_MAX, allow_negative))
    except (cbor2.CBORError, UnicodeEncodeError) as error:
        raise EncodingError("text with a lone surrogate has no CBOR form") from error
    return encoded


def decode(
    data: bytes,
    *,
    size_bytes_max: int = SIZE_BYTES_MAX,
    values_max: int = VALUES_MAX,
    allow_negative: bool = False,
) -> Value:
    """Decode `data`, refusing any byte string that `encode` would not have produced.

    So is one with more than `values_max` values, each list, map, key and item counted: before any is built.
    """
    if len(data) > size_bytes_max:
        raise EncodingError(f"{len(data)} bytes, at most {size_bytes_max} are read here")
    if len(data) > values_max:  # each has a byte at least
        _require_few_values(data, values_max)
    value = decode_written(data)
    if not _is_ordered(data, allow_negative) and encode(value, allow_negative=allow_negative) != data:
        raise EncodingError("not deterministically encoded (RFC 8949, section 4.2.1)")
    return value


def decode_written(data: bytes) -> Value:
    """Read what `encode` wrote and this node's own files kept: it is not encoded again to compare.

    What comes from anybody else is read by `decode`. Raises EncodingError for what is no such CBOR at all.
    """
    try:
        value: Value = cbor2.loads(
            data,
            max_depth=DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_REFUSED_TAGS,
            tag_hook=_refuse_tag,
        )
    except EncodingError:
        raise
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise EncodingError("not plain deterministic CBOR") from error
    return value


def _require_few_values(data: bytes, values_max: int) -> None:
    """Go from head to head (RFC 8949, section 3), over what strings hold; `cbor2` tells what is no CBOR."""
    at, end = 0, len(data)
    for _ in range(values_max):
        if at >= end:
            return
        kind, size = data[at] >> 5, data[at] & 31
        at += 1
        if size >= _FIRST_WIDTH:
            if size > _FIRST_WIDTH + 3:
                return
            width = 1 << (size - _FIRST_WIDTH)
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        if kind in _STRINGS:
            at += size
    if at < end:
        raise EncodingError(f"more than {values_max} values")


def _is_ordered(data: bytes, allow_negative: bool) -> bool:
    """Whether the heads show that `encode` writes this so; False: they do not, and it is to be written.

    `cbor2` has read the bytes before: nothing in them is cut short.
    """
    if len(data) > _WALKED_BYTES_MAX:
        return False
    return _end_of(data, 0, 1, DEPTH_MAX, negative=allow_negative) == len(data)


def _end_of(data: bytes, at: int, items: int, depth: int, *, negative: bool, keys: bool = False) -> int:
    """Where so many items end, every other one a key if `keys`; 0: something is not as `encode` writes it."""
    before, is_key = b"", keys
    for _ in range(items):
        start, head = at, data[at]
        at += _STEPS[head]
        if at == start:
            kind, size = head >> 5, head & 31
            at += 1
            if size >= _FIRST_WIDTH:
                if kind > _MAP or size > _FIRST_WIDTH + 3:
                    return 0
                least, width = _LEAST_OF_WIDTH[size - _FIRST_WIDTH], 1 << (size - _FIRST_WIDTH)
                size = data[at] if width == 1 else int.from_bytes(data[at : at + width], "big")
                at += width
                if size < least:
                    return 0
            if kind in _STRINGS:
                at += size
            elif _LIST <= kind <= _MAP and depth and not is_key:
                pairs = kind == _MAP
                at = _end_of(data, at, size << pairs, depth - 1, negative=negative, keys=pairs)
                if at == 0:
                    return 0
            elif not (
                (kind == _UNSIGNED and size <= INTEGER_MAX)
                or (kind == _NEGATIVE and negative and size <= _NEGATIVE_SIZE_MAX)
            ):
                return 0
        if is_key:
            key = data[start:at]
            if key <= before or not (head < _BYTES << 5 or head >> 5 == _TEXT):
                return 0
            before, is_key = key, False
        else:
            is_key = keys
    return at


def whole_numbers(*values: object) -> bool:
    """True if all are integers of the ledger's range, 0 to 2^53 - 1; a boolean is none.

    Python takes true for 1 and false for 0, also in `case int()`: what is read so has a second encoding.
    """
    return all(type(value) is int and 0 <= value <= INTEGER_MAX for value in values)


def _refuse_tag(*_: object) -> object:
    raise EncodingError("CBOR tags are not allowed here")


_REFUSED_TAGS = dict.fromkeys(_TAGS_BUILT_IN, _refuse_tag)


def _ordered(value: Value, depth: int, allow_negative: bool) -> Value:
    """`value` with every map in bytewise key order; exact types only, so that no subclass slips through."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if type(value) is int:
        if 0 <= value <= INTEGER_MAX or (allow_negative and NEGATIVE_MIN <= value < 0):
            return value
        raise EncodingError(f"the integer {value:#x} is outside 0..2^53-1")
    if depth == 0:
        raise EncodingError(f"more than {DEPTH_MAX} containers deep")
    # Most of what lists and maps hold stays as it is: a call for each would be a fifth of a block's work.
    if type(value) is list:
        return [
            item
            if (held := type(item)) in _AS_THEY_ARE or (held is int and 0 <= item <= INTEGER_MAX)
            else _ordered(item, depth - 1, allow_negative)
            for item in value
        ]
    if type(value) is dict:
        return {
            key: item
            if (held := type(item := value[key])) in _AS_THEY_ARE
            or (held is int and 0 <= item <= INTEGER_MAX)
            else _ordered(item, depth - 1, allow_negative)
            for key in _in_order(value)
        }
    raise EncodingError(f"a {kind.__name__} is not allowed in CBOR here")


def _in_order(keys: Collection[object]) -> list[object]:
    """The keys of a map as `_key_order` sorts them; which is not asked of numbers or of ASCII alone."""
    if not keys:
        return []
    kinds = set(map(type, keys))
    if kinds == {int}:
        numbers = sorted(cast(Collection[int], keys))
        if numbers[0] >= 0 and numbers[-1] <= INTEGER_MAX:
            return cast(list[object], numbers)
    elif kinds == {str}:
        texts = sorted(cast(Collection[str], keys))
        if "".join(texts).isascii():
            return cast(list[object], sorted(texts, key=len))
    return sorted(keys, key=_key_order)


def _key_order(key: object) -> tuple[int, int, bytes]:
    """Sorts as the encoded keys do: unsigned, negative, text (cbor2 itself sorts as RFC 7049 did)."""
    if type(key) is int and 0 <= key <= INTEGER_MAX:
        return 0, key, b""
    if type(key) is int and NEGATIVE_MIN <= key < 0:
        return 1, -1 - key, b""
    if type(key) is str:
        text = key.encode("utf-8", "surrogatepass")
        return 3, len(text), text
    raise EncodingError("a map key is neither text nor an integer in range")
