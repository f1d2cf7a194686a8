"""COSE_Sign1 (RFC 9052, section 4.2) with Ed25519, and the one Ed25519 rule of the network.

    18([ protected: bstr .cbor { 1: -19, 4: kid, ... }, {}, payload: bstr, signature: bstr .size 64 ])

The unprotected header is empty, so that a message has one byte string and one digest. Algorithm -19 is
Ed25519 (RFC 9864). Libraries disagree about small-order keys and non-canonical encodings, and a disagreement
forks the log: every signature of the network is judged by libsodium, and by nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nacl import bindings
from nacl.exceptions import CryptoError

from consensus.encoding import EncodingError, Value, decode, encode
from consensus.errors import ConsensusError

ALGORITHM, CRITICAL, KEY_ID = 1, 2, 4  # header labels
ED25519 = -19
SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32

_OPENING = b"\xd2\x84"  # tag 18, array of 4
_BYTES = 2  # major type of a byte string
_WIDTH_AND_LEAST = ((1, 24), (2, 1 << 8), (4, 1 << 16))  # what is less has a shorter head


class SignatureInvalid(ConsensusError):
    """A signature was not made by the key it names over these bytes."""


class Signer(Protocol):
    """Holds one private key and signs with it."""

    @property
    def key_id(self) -> str:
        """DID URL of the key."""
        ...

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A 64-byte Ed25519 signature over `message`."""
        ...


@dataclass(frozen=True, slots=True)
class SeedSigner:
    """Deterministic Ed25519 (RFC 8032) from a 32-byte seed, for key stores and tests."""

    key_id: str
    seed: bytes = field(repr=False)
    public_key: bytes = field(init=False)
    _secret_key: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        public_key, secret_key = bindings.crypto_sign_seed_keypair(self.seed)
        object.__setattr__(self, "public_key", public_key)
        object.__setattr__(self, "_secret_key", secret_key)

    def sign(self, message: bytes) -> bytes:
        """A 64-byte Ed25519 signature over `message`."""
        return bytes(bindings.crypto_sign(message, self._secret_key)[:SIGNATURE_BYTES])


def verify_ed25519(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Raise SignatureInvalid unless libsodium accepts `signature`. The one rule of the network."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise SignatureInvalid("an Ed25519 key has 32 bytes and a signature has 64")
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except (CryptoError, ValueError) as error:
        raise SignatureInvalid("the signature was not made by this key over these bytes") from error


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed message; nothing about its signature is known until `verify_sign1`."""

    protected: dict[int, Value]
    protected_bytes: bytes
    payload: bytes
    signature: bytes

    @property
    def key_id(self) -> str:
        """The DID URL in header 4, which the signer chose."""
        kid = self.protected[KEY_ID]
        assert isinstance(kid, bytes)
        return kid.decode("utf-8")


def sign1(protected: Mapping[int, Value], payload: bytes, signer: Signer) -> bytes:
    """The tagged message over `payload`; adds the algorithm and the key id to the protected header."""
    header = encode({**protected, ALGORITHM: ED25519, KEY_ID: signer.key_id.encode()}, allow_negative=True)
    signature = signer.sign(_to_be_signed(header, payload))
    return b"".join((_OPENING, _bstr(header), b"\xa0", _bstr(payload), _bstr(signature)))


def parse_sign1(data: bytes, *, size_bytes_max: int = 65536) -> Sign1:
    """Parse strictly; raises EncodingError for any byte string `sign1` would not have produced."""
    if len(data) > size_bytes_max:
        raise EncodingError(f"{len(data)} bytes, at most {size_bytes_max} are read here")
    if not data.startswith(_OPENING):
        raise EncodingError("not a COSE_Sign1 message: it starts with tag 18 and an array of four")
    protected_bytes, at = _take_bstr(data, len(_OPENING))
    if data[at : at + 1] != b"\xa0":
        raise EncodingError("the unprotected header must be the empty map")
    payload, at = _take_bstr(data, at + 1)
    signature, at = _take_bstr(data, at)
    if at != len(data) or len(signature) != SIGNATURE_BYTES:
        raise EncodingError("the message ends with a signature of 64 bytes")
    protected = decode(protected_bytes, allow_negative=True)
    if type(protected) is not dict or set(map(type, protected)) - {int}:
        raise EncodingError("the protected header is a map with integer labels")
    if protected.get(ALGORITHM) != ED25519:
        raise EncodingError("the algorithm must be Ed25519 (-19)")
    if CRITICAL in protected:
        raise EncodingError("the message marks headers as critical; none is understood here")
    if type(protected.get(KEY_ID)) is not bytes:
        raise EncodingError("header 4 must name the key")
    try:
        protected[KEY_ID].decode("utf-8")
    except UnicodeDecodeError as error:
        raise EncodingError("header 4 must be the DID URL of the key in UTF-8") from error
    return Sign1(protected, protected_bytes, payload, signature)


def verify_sign1(message: Sign1, public_key: bytes) -> None:
    """Raise SignatureInvalid unless `public_key` signed this message."""
    verify_ed25519(public_key, message.signature, _to_be_signed(message.protected_bytes, message.payload))


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure (RFC 9052, section 4.4) with empty external data, by concatenation."""
    return b"".join((b"\x84\x6aSignature1", _bstr(protected), b"\x40", _bstr(payload)))


def _bstr(data: bytes) -> bytes:
    size = len(data)
    if size < 24:
        return bytes((_BYTES << 5 | size,)) + data
    for extra, width in ((24, 1), (25, 2), (26, 4)):
        if size < 1 << (8 * width):
            return bytes((_BYTES << 5 | extra,)) + size.to_bytes(width, "big") + data
    raise EncodingError("a byte string of 4 GiB or more is not written here")


def _take_bstr(data: bytes, at: int) -> tuple[bytes, int]:
    """The byte string whose head is at `at`, and where it ends; the head must be the shortest one."""
    if at >= len(data) or data[at] >> 5 != _BYTES:
        raise EncodingError("a byte string is missing")
    size, least = data[at] & 31, 0
    start = at + 1
    if size >= 24:
        if size > 26:
            raise EncodingError("a byte string has a head that is not allowed")
        width, least = _WIDTH_AND_LEAST[size - 24]
        size = int.from_bytes(data[start : start + width], "big")
        start += width
    taken = data[start : start + size]
    if len(taken) != size or size < least:
        raise EncodingError("a byte string is cut short or has a longer head than it needs")
    return taken, start + size
