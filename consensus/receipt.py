"""Receipts: offline proof that an entry is in the log (C2SP tlog-proof).

    c2sp.org/tlog-proof@v1
    extra base64(CBOR [entry, blind, check])
    index <decimal>
    <hash of the inclusion proof, base64>...

    <cosigned checkpoint>

The entry hashes to the leaf. The blind is not in the log: whoever holds the identifier checks it against the
subject in the entry. `check` (eight bytes of SHA-256 over both) finds a damaged blind before that; it does
not stop somebody who changes it on purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from consensus.checkpoint import (
    NOTE_BYTES_MAX,
    Checkpoint,
    NoteError,
    SignedNote,
    decode_base64,
    decode_decimal,
    encode_base64,
)
from consensus.encoding import EncodingError, decode, encode
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy, PolicyError
from consensus.merkle import HASH_BYTES, MerkleError, Tree, leaf_hash, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
ENTRY_BYTES_MAX = 65_535  # what an entry bundle of tlog-tiles can hold
BLIND_BYTES_MAX = 64
EXTRA_BYTES_MAX = ENTRY_BYTES_MAX + BLIND_BYTES_MAX + 64
PROOF_HASHES_MAX = 53  # the height of the largest tree
RECEIPT_BYTES_MAX = NOTE_BYTES_MAX + 98_304


class ReceiptError(ConsensusError):
    """A receipt is malformed, or does not prove what it says."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as it was read: well-formed, not verified."""

    extra: bytes
    index: int
    proof: tuple[bytes, ...]
    note: SignedNote

    @property
    def entry(self) -> bytes:
        """The entry that it carries; raises ReceiptError. Nothing is verified."""
        return _read_extra(self.extra)[0]

    @property
    def size(self) -> int:
        """Of the tree that it is under; raises ReceiptError. Nothing is verified."""
        try:
            return Checkpoint.parse(self.note.body).size
        except NoteError as error:
            raise ReceiptError(str(error)) from error

    def text(self) -> str:
        """Return the wire form."""
        extra = [f"extra {encode_base64(self.extra)}"] if self.extra else []
        lines = [HEADER, *extra, f"index {self.index}", *map(encode_base64, self.proof), ""]
        return "".join(line + "\n" for line in lines) + self.note.text()

    @classmethod
    def parse(cls, text: str | bytes) -> "Receipt":
        """Read the wire form; raises ReceiptError."""
        if len(text) > RECEIPT_BYTES_MAX:
            raise ReceiptError(f"a receipt has at most {RECEIPT_BYTES_MAX} bytes")
        try:
            text = text.decode() if isinstance(text, bytes) else text
            _require_line_ends(text)
            receipt = cls._parse(text)
        except UnicodeDecodeError as error:
            raise ReceiptError("the receipt is not UTF-8 text") from error
        except NoteError as error:
            raise ReceiptError(str(error)) from error
        if receipt.text() != text:
            raise ReceiptError("the receipt is not written the one way it can be")
        return receipt

    @classmethod
    def _parse(cls, text: str) -> "Receipt":
        head, separator, tail = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines.pop(0) != HEADER:
            raise ReceiptError(f"a receipt begins with {HEADER} and ends with a checkpoint")
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0)[len("extra ") :], "the extra data")
        if not lines or not lines[0].startswith("index "):
            raise ReceiptError("a receipt has an index line")
        index = decode_decimal(lines.pop(0)[len("index ") :], "the index")
        if len(lines) > PROOF_HASHES_MAX:
            raise ReceiptError(f"an inclusion proof has at most {PROOF_HASHES_MAX} hashes")
        proof = tuple(decode_base64(line, "a hash of the inclusion proof") for line in lines)
        if any(len(one) != HASH_BYTES for one in proof) or len(extra) > EXTRA_BYTES_MAX:
            raise ReceiptError("a hash of the inclusion proof or the extra data has a wrong length")
        return cls(extra, index, proof, SignedNote.parse(tail))


def _require_line_ends(text: str) -> None:
    """Say what a mail program, an editor or git did to a receipt, so that it is not taken for a forgery."""
    if text.startswith("\ufeff"):
        raise ReceiptError("the receipt begins with a byte order mark: save it as UTF-8 without one")
    if "\r" in text:
        raise ReceiptError(
            "the line ends of the receipt were changed to those of Windows (CR LF), and must be LF: get it "
            "again, or turn them back"
        )


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proves: this entry was number `index` of the log before the time `before`."""

    entry: bytes
    blind: bytes | None
    index: int
    size: int
    root: bytes
    origin: str
    cosigned_by: Mapping[str, int]
    before: int
    by_jurisdiction: Mapping[str, tuple[str, ...]]  # the cosigners; "": of which the policy says none
    never_without: tuple[str, ...]  # of each of these jurisdictions one is under every checkpoint


def _check(entry: bytes, blind: bytes | None) -> bytes:
    return sha256(encode(["comity/receipt/v1", entry, blind])).digest()[:8]


def _read_extra(extra: bytes) -> tuple[bytes, bytes | None]:
    if not extra:
        raise ReceiptError("the receipt does not carry its entry")
    try:
        value = decode(extra, size_bytes_max=EXTRA_BYTES_MAX)
    except EncodingError as error:
        raise ReceiptError(f"the extra data of the receipt was changed: {error}") from error
    match value:
        case [bytes(entry), bytes() | None as blind, bytes(check)] if check == _check(entry, blind):
            return entry, blind
    raise ReceiptError("the extra data of the receipt was changed: it is not [entry, blind, check]")


def make_receipt(
    entry: bytes, blind: bytes | None, index: int, tree: Tree, signed_note: SignedNote, *, policy: LogPolicy
) -> Receipt:
    """Return the receipt of `entry`, number `index` of `tree`, under a note that satisfies `policy`.

    The note is reduced to one log line and the quorum's cosignatures; the result is verified before it
    returns.
    """
    if len(entry) > ENTRY_BYTES_MAX or len(blind or b"") > BLIND_BYTES_MAX:
        raise ReceiptError(f"an entry has at most {ENTRY_BYTES_MAX} bytes, a blind {BLIND_BYTES_MAX}")
    try:
        note = policy.reduce(signed_note)
        proof = tree.inclusion_proof(index, Checkpoint.parse(note.body).size)
    except (PolicyError, MerkleError) as error:
        raise ReceiptError(f"no receipt can be made: {error}") from error
    extra = encode([entry, blind, _check(entry, blind)])
    receipt = Receipt(extra, index, tuple(proof), note)
    verify_receipt(receipt, policy)
    return receipt


def verify_receipt(receipt: Receipt | str | bytes, policy: LogPolicy) -> VerifiedReceipt:
    """Verify a receipt offline against `policy`; raises ReceiptError with the reason.

    1. the form; 2. origin, log line and cosignatures of the checkpoint; 3. the entry is the leaf at its
    index.
    """
    if not isinstance(receipt, Receipt):
        receipt = Receipt.parse(receipt)
    try:
        cosigned_by = policy.cosigned(receipt.note)
        checkpoint = Checkpoint.parse(receipt.note.body)
        entry, blind = _read_extra(receipt.extra)
        verify_inclusion(leaf_hash(entry), receipt.index, checkpoint.size, receipt.proof, checkpoint.root)
    except (PolicyError, NoteError, MerkleError) as error:
        raise ReceiptError(str(error)) from error
    return VerifiedReceipt(
        entry=entry,
        blind=blind,
        index=receipt.index,
        size=checkpoint.size,
        root=checkpoint.root,
        origin=checkpoint.origin,
        cosigned_by=cosigned_by,
        before=policy.before(cosigned_by),
        by_jurisdiction=policy.by_jurisdiction(cosigned_by),
        never_without=policy.never_without(),
    )
