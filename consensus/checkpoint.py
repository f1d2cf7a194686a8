"""Checkpoints of the log and their signatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature/v1).

A checkpoint is three lines; a note is its text, an empty line, and one line per signature:

    <origin>
    <size, decimal>
    <root, base64>

    — <key name> base64(key id (4) || signature)

Log lines are type 0x01, Ed25519 over the text. Cosignatures are type 0x04: a time (8 bytes, big-endian) and
Ed25519 over "cosignature/v1", "time <t>" and the text. Whatever is read is formatted again and compared.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from consensus.cose import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, SignatureInvalid, Signer, verify_ed25519
from consensus.errors import ConsensusError
from consensus.merkle import HASH_BYTES, SIZE_MAX

LOG_KIND = 0x01
COSIGNATURE_KIND = 0x04

NAME_BYTES_MAX = 255
NOTE_BYTES_MAX = 131_072  # 16 signatures of the largest kind the specification foresees (5 kB)
SIGNATURES_MAX = 16  # what every verifier must accept, and no more
TIME_MAX = (1 << 53) - 1  # seconds; the ledger's integer range

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
_NOT_TEXT = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_EM_DASH = "—"
# Unicode White_Space, listed: `\s` and str.isspace follow the Python version.
_NOT_IN_A_NAME = re.compile(r"[+\x00-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


class NoteError(ConsensusError):
    """A note, a checkpoint, a key or one of the signatures is malformed or does not verify."""


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return b64encode(data).decode("ascii")


def decode_base64(text: str, what: str) -> bytes:
    """Read standard base64 as `encode_base64` writes it and no other way."""
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise NoteError(f"{what} is not base64") from error
    if encode_base64(data) != text:
        raise NoteError(f"{what} is not the one base64 of its bytes")
    return data


def decode_decimal(text: str, what: str) -> int:
    """Read an ASCII decimal without leading zeroes, up to 2^53 - 1."""
    if not _DECIMAL.fullmatch(text) or int(text) > SIZE_MAX:
        raise NoteError(f"{what} is not a decimal number of at most {SIZE_MAX}")
    return int(text)


def require_key_name(name: str) -> None:
    """Refuse a name that could not stand in a signature line."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise NoteError("a key name is not valid Unicode") from error
    if not 0 < size <= NAME_BYTES_MAX:
        raise NoteError(f"a key name has 1 to {NAME_BYTES_MAX} bytes")
    if _NOT_IN_A_NAME.search(name):
        raise NoteError(f"the key name {name!r} contains a space, a plus or a control character")


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier key: `<name>+<key id, hex>+base64(kind || public key)`."""

    name: str
    kind: int
    public_key: bytes
    # SHA-256(name || newline || kind || public key), first four bytes.
    key_id: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse kinds this code cannot verify."""
        require_key_name(self.name)
        if self.kind not in {LOG_KIND, COSIGNATURE_KIND}:
            raise NoteError(
                f"the key of {self.name} is of kind {self.kind:#04x}, only 0x01 and 0x04 are read"
            )
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise NoteError(f"the key of {self.name} is not 32 bytes")
        named = self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key
        object.__setattr__(self, "key_id", sha256(named).digest()[:4])

    def vkey(self) -> str:
        """Return the text form."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.kind]) + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> "NoteKey":
        """Read the text form; raises NoteError."""
        name, _, rest = text.partition("+")
        data = decode_base64(rest.partition("+")[2], "the key material of a verifier key")
        if not data:
            raise NoteError("a verifier key is <name>+<key id>+<base64>")
        key = cls(name, data[0], data[1:])
        if key.vkey() != text:
            raise NoteError(f"the key id of {name} does not belong to its name and key")
        return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Origin, size and root of the log; no extension lines."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        """Refuse values without a text form."""
        require_key_name(self.origin)
        if not 0 <= self.size <= SIZE_MAX or len(self.root) != HASH_BYTES:
            raise NoteError("a checkpoint has a size in the ledger's range and a root of 32 bytes")

    def body(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    @classmethod
    def parse(cls, body: str) -> "Checkpoint":
        """Read the text of a note as a checkpoint; raises NoteError."""
        lines = body.split("\n")
        if len(lines) != 4 or lines[3]:
            raise NoteError(
                "a checkpoint is three lines: origin, size, root; extension lines are not accepted"
            )
        size = decode_decimal(lines[1], "the size of a checkpoint")
        return cls(lines[0], size, decode_base64(lines[2], "the root of a checkpoint"))


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, taken apart."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return the line, without its newline."""
        return f"{_EM_DASH} {self.name} {encode_base64(self.key_id + self.signature)}"

    @classmethod
    def parse(cls, line: str) -> "NoteSignature":
        """Read a line, without its newline; raises NoteError."""
        match line.split(" "):
            case [dash, name, blob] if dash == _EM_DASH:
                require_key_name(name)
                data = decode_base64(blob, "a signature")
            case _:
                raise NoteError("a signature line is an em dash, a key name and base64, one space between")
        if len(data) <= 4:
            raise NoteError(f"the signature of {name} is empty")
        return cls(name, data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text and its signature lines (each without its newline), which may or may not verify."""

    body: str
    lines: tuple[str, ...]
    signatures: tuple[NoteSignature, ...] = field(init=False, compare=False, repr=False)  # the lines, read

    def __post_init__(self) -> None:
        """Refuse what `parse` would not read back."""
        if not self.body.endswith("\n") or _NOT_TEXT.search(self.body):
            raise NoteError(
                "the text of a note is Unicode, ends in a newline and has no other control character"
            )
        if not 1 <= len(self.lines) <= SIGNATURES_MAX:
            raise NoteError(f"a note has 1 to {SIGNATURES_MAX} signatures, this one {len(self.lines)}")
        object.__setattr__(self, "signatures", tuple(map(NoteSignature.parse, self.lines)))
        if tuple(signature.line() for signature in self.signatures) != self.lines:
            raise NoteError("a signature line is not written the one way it can be")

    def text(self) -> str:
        """Return the wire form."""
        return self.body + "\n" + "".join(line + "\n" for line in self.lines)

    @classmethod
    def parse(cls, text: str) -> "SignedNote":
        """Read the wire form; raises NoteError. Nothing is verified."""
        if len(text) > NOTE_BYTES_MAX:
            raise NoteError(f"a note has at most {NOTE_BYTES_MAX} bytes")
        body, separator, tail = text.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise NoteError("a note is a text, an empty line and signature lines, each ended by a newline")
        note = cls(body + "\n", tuple(tail[:-1].split("\n")))
        if note.text() != text:
            raise NoteError("the note is not written the one way it can be")
        return note


def _cosigned_message(time: int, body: str) -> bytes:
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def sign_log_line(checkpoint: Checkpoint, name: str, signer: Signer) -> str:
    """Return the log's signature line (type 0x01); `name` is the origin."""
    key = NoteKey(name, LOG_KIND, signer.public_key)
    return NoteSignature(name, key.key_id, signer.sign(checkpoint.body().encode())).line()


def cosign_line(checkpoint: Checkpoint, name: str, time: int, signer: Signer) -> str:
    """Return a cosignature line (type 0x04) made at `time`, in seconds."""
    if not 0 < time <= TIME_MAX:
        raise NoteError("the time of a cosignature is a positive number of seconds in the ledger's range")
    key = NoteKey(name, COSIGNATURE_KIND, signer.public_key)
    signature = signer.sign(_cosigned_message(time, checkpoint.body()))
    return NoteSignature(name, key.key_id, time.to_bytes(8, "big") + signature).line()


def verify_signature(body: str, key: NoteKey, signature: NoteSignature) -> int | None:
    """Verify one signature by `key` over `body`; return the time of a cosignature, None for a log line."""
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        raise NoteError(f"the signature line is not by {key.name}")
    time, message, blob = None, body.encode(), signature.signature
    if key.kind == COSIGNATURE_KIND:
        time, blob = int.from_bytes(blob[:8], "big"), blob[8:]
        if not 0 < time <= TIME_MAX:
            raise NoteError(f"the cosignature of {key.name} has a time outside the ledger's range")
        message = _cosigned_message(time, body)
    if len(blob) != SIGNATURE_BYTES:
        raise NoteError(f"the signature of {key.name} has a wrong length")
    try:
        verify_ed25519(key.public_key, blob, message)
    except SignatureInvalid as error:
        raise NoteError(
            f"the signature of {key.name} does not verify: the note or the line was changed"
        ) from error
    return time


def verify_note(note: SignedNote, keys: Iterable[NoteKey]) -> Mapping[NoteKey, int | None]:
    """Return who of `keys` signed the note, each with the time of its cosignature (None for log lines).

    Lines of other keys are ignored. A line of a known key that does not verify fails the whole note, and so
    do two lines of one known key and a note none of the keys has signed; raises NoteError.
    """
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[NoteKey, int | None] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if key in verified:
            raise NoteError(f"{key.name} has signed the note twice")
        verified[key] = verify_signature(note.body, key, signature)
    if not verified:
        raise NoteError("no known key has signed the note: these keys are those of another log")
    return verified
