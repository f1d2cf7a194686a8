"""The write-ahead log: what this node signed at heights that are not decided yet.

A record is in a Persist effect before its message is in a Broadcast. After a restart the same bytes are sent
again, and nothing is signed that a record holds. The record of a precommit for a value is the lock (decision
0007).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.encoding import EncodingError, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from consensus.events import Broadcast, Guard, Persist
from consensus.replica_state import Present
from consensus.types import PRECOMMIT, PREVOTE, Proposal, Vote, decode_message

WAL_RECORD_BYTES_MAX = 4 << 20
PROPOSAL = "proposal"

_WAL_TAG = "comity/wal/v1"


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """One signature of this node in the write-ahead log; a lock carries its value and polka.

    Wire: ["comity/wal/v1", height, round, kind, message, proposal or null, [prevote, ...]]
    """

    height: int
    round: int
    kind: str
    data: bytes
    proposal: bytes | None = None
    polka: tuple[bytes, ...] = ()

    @property
    def guard(self) -> Guard:
        """What may be signed once."""
        return self.height, self.round, self.kind

    def encode(self) -> bytes:
        """The wire form."""
        return encode(
            [_WAL_TAG, self.height, self.round, self.kind, self.data, self.proposal, list(self.polka)]
        )

    def messages(self) -> tuple[bytes, ...]:
        """What the lock rests on."""
        return self.polka if self.proposal is None else (self.proposal, *self.polka)

    def locked_value(self) -> bytes | None:
        """The value of a lock."""
        message = read_message(self.data)
        assert isinstance(message, Vote), "a lock is a precommit"
        return message.value_id


class SigningLog:
    """The records of the heights after the last block, and the last guard ever taken."""

    def __init__(self, present: Present, records: Sequence[bytes], guarded: Guard | None) -> None:
        """Raises ConsensusError if a record is damaged."""
        self._present = present
        self._records: dict[int, list[SignedRecord]] = {}
        for record in map(read_record, records):
            if record.height > present.tip.height:
                self._records.setdefault(record.height, []).append(record)
        self._signed: dict[Guard, bytes] = {
            record.guard: record.data for kept in self._records.values() for record in kept
        }
        self.guarded = max((guarded or (0, 0, ""), *self._signed), key=position)

    def of(self, height: int) -> list[SignedRecord]:
        """What was signed at `height` before the start."""
        return self._records.get(height, [])

    def signed(self, guard: Guard) -> bytes | None:
        """The message that was signed under `guard`, if any was."""
        return self._signed.get(guard)

    def persist(self, record: SignedRecord) -> None:
        """Write what was signed to the disk, then send it."""
        self._signed[record.guard] = record.data
        self.guarded = max(self.guarded, record.guard, key=position)
        self._present.out.append(Persist(record.encode(), record.guard))
        self._present.out.append(Broadcast(record.data))

    def forget(self, height: int) -> None:
        """The heights up to this one are decided."""
        self._records = {at: records for at, records in self._records.items() if at > height}
        self._signed = {guard: data for guard, data in self._signed.items() if guard[0] > height}


def read_record(data: bytes) -> SignedRecord:
    """Parse strictly; raises ConsensusError with what the operator does about a damaged database."""
    try:
        return _parse_record(data)
    except EncodingError as error:
        raise ConsensusError(
            "signing.db holds a damaged record: what this validator signed cannot be known from it. Move it "
            "away, start the node, and follow what it says about voting"
        ) from error


def _parse_record(data: bytes) -> SignedRecord:
    match decode(data, size_bytes_max=WAL_RECORD_BYTES_MAX):
        case [
            tag,
            height,
            round_,
            str() as kind,
            bytes() as message,
            proposal,
            list() as polka,
        ] if (
            tag == _WAL_TAG
            and whole_numbers(height, round_)
            and kind in (PROPOSAL, PREVOTE, PRECOMMIT)
            and isinstance(proposal, bytes | None)
            and all(isinstance(vote, bytes) for vote in polka)
        ):
            record = SignedRecord(height, round_, kind, message, proposal, tuple(polka))
            for part in (record.data, *record.messages()):
                read_message(part)
            return record
    raise EncodingError("not a record of the write-ahead log")


def read_message(data: bytes) -> Proposal | Vote:
    """A proposal or vote of a record; raises EncodingError."""
    return decode_message(decode(data, size_bytes_max=WAL_RECORD_BYTES_MAX))


def guard_of(vote: Vote) -> Guard:
    """Under which guard a vote is signed."""
    return vote.height, vote.round, vote.kind


def position(guard: Guard) -> tuple[int, int, int]:
    """Guards in the order in which they are taken."""
    kinds = ("", PROPOSAL, PREVOTE, PRECOMMIT)
    return guard[0], guard[1], kinds.index(guard[2])
