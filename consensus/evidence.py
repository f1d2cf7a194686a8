"""Evidence: two statements that one validator signed and no correct validator signs both of.

    double_prevote, double_precommit   two votes of this kind for one height and round
    amnesia                            a precommit for v at r, then a prevote for another value at r' > r
                                       whose valid round is below r: the lock was forgotten
    checkpoints                        two roots for one size of the log

The two signatures are the whole proof: nobody who verifies them needs to trust who shows them. A commit
certificate (v, r) and a polka (v', r') with vr < r name, by `evidence_in`, every validator in both.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import combinations
from typing import Final, Self

from consensus.checkpoint import LOG_KIND, Checkpoint, NoteKey, SignedNote, verify_signature
from consensus.encoding import EncodingError, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from consensus.types import PRECOMMIT, PREVOTE, Vote, decode_message, verify_vote
from consensus.validators import ValidatorSet

EVIDENCE_BYTES_MAX = 4096
CHECKPOINTS: Final = "checkpoints"
AMNESIA: Final = "amnesia"
_DOUBLE: Final = {PREVOTE: "double_prevote", PRECOMMIT: "double_precommit"}
KINDS: Final = (*_DOUBLE.values(), AMNESIA, CHECKPOINTS)

_TAG = "comity/evidence/v1"
_ID_TAG = "comity/evidence-id/v1"

Sets = Callable[[int], ValidatorSet]  # the validators of a height: `ValidatorHistory.at`
NoteKeys = Mapping[str, Sequence[NoteKey]]  # log and cosign keys of each validator


class EvidenceInvalid(ConsensusError):
    """The statements do not contradict each other, or are not by the validator that is accused."""


@dataclass(frozen=True, slots=True)
class FaultEvidence:
    """What one validator did wrong, once.

    Wire, and leaf of the log: ["comity/evidence/v1", kind, validator, height, round, [statement, statement]].
    Statements are votes or signed notes with one line each. Of checkpoints the height is the log's size
    and the round 0; of amnesia the round is the prevote's.
    """

    kind: str
    validator: str
    height: int
    round: int
    statements: tuple[bytes, bytes]
    id: bytes = field(init=False, compare=False, repr=False)  # one fault is admitted once, whoever shows it

    def __post_init__(self) -> None:
        fault = [_ID_TAG, self.validator, self.height, self.round, self.kind]
        object.__setattr__(self, "id", sha256(encode(fault)).digest())

    def encode(self) -> bytes:
        """The wire form."""
        return encode([_TAG, self.kind, self.validator, self.height, self.round, list(self.statements)])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse strictly, and see that the statements contradict; signatures are `verify_evidence`'s."""
        match decode(data, size_bytes_max=EVIDENCE_BYTES_MAX):
            case [
                tag,
                str() as kind,
                str() as validator,
                height,
                round_,
                [bytes() as one, bytes() as two],
            ] if tag == _TAG and kind in KINDS and whole_numbers(height, round_):
                evidence = cls(kind, validator, height, round_, (one, two))
                if _rebuilt(evidence) != evidence:
                    raise EncodingError("the evidence is not what its statements show")
                return evidence
        raise EncodingError("not evidence")


def is_evidence(value: object) -> bool:
    """Whether a decoded message says that it is evidence."""
    return isinstance(value, list) and bool(value) and value[0] == _TAG


def evidence_of(first: Vote, second: Vote) -> FaultEvidence | None:
    """What two votes of one validator show, if they contradict each other."""
    if (first.validator, first.height) != (second.validator, second.height):
        return None
    if (first.round, first.kind) == (second.round, second.kind):
        if (first.value_id, first.valid_round) == (second.value_id, second.valid_round):
            return None
        kind, round_ = _DOUBLE[first.kind], first.round
        statements = sorted((first.encode(), second.encode()))
    else:
        if first.kind == PREVOTE:
            first, second = second, first
        forgotten = (
            first.kind == PRECOMMIT
            and second.kind == PREVOTE
            and first.value_id is not None
            and second.value_id not in (None, first.value_id)
            and second.valid_round < first.round < second.round
        )
        if not forgotten:
            return None
        kind, round_ = AMNESIA, second.round
        statements = [first.encode(), second.encode()]
    return FaultEvidence(kind, first.validator, first.height, round_, (statements[0], statements[1]))


def evidence_of_checkpoints(validator: str, first: SignedNote, second: SignedNote) -> FaultEvidence | None:
    """What two checkpoints, each with one line of `validator`, show if they contradict each other."""
    one, two = Checkpoint.parse(first.body), Checkpoint.parse(second.body)
    if (one.origin, one.size) != (two.origin, two.size) or one.root == two.root:
        return None
    if len(first.lines) != 1 or len(second.lines) != 1:
        return None
    texts = sorted((first.text().encode(), second.text().encode()))
    return FaultEvidence(CHECKPOINTS, validator, one.size, 0, (texts[0], texts[1]))


def evidence_in(votes: Iterable[Vote]) -> tuple[FaultEvidence, ...]:
    """Every fault that these votes show: of certificates and polkas of rival decisions, f+1 or more.

    The votes must have verified signatures, or the evidence will not verify.
    """
    by_validator: dict[tuple[str, int], list[Vote]] = {}
    for vote in votes:
        by_validator.setdefault((vote.validator, vote.height), []).append(vote)
    found: dict[bytes, FaultEvidence] = {}
    for said in by_validator.values():
        for first, second in combinations(said, 2):
            evidence = evidence_of(first, second)
            if evidence is not None:
                found.setdefault(evidence.id, evidence)
    return tuple(sorted(found.values(), key=lambda evidence: (evidence.validator, evidence.round)))


def verify_evidence(evidence: FaultEvidence, sets: Sets, network_id: bytes, note_keys: NoteKeys) -> None:
    """Raise unless the accused signed both statements with its keys of that time, and they contradict.

    `sets` gives the validators of the evidence's height, whoever they are today; the name of a log key is the
    log that it signs, and a checkpoint of another log accuses nobody here. Raises EvidenceInvalid,
    CertificateInvalid, SignatureInvalid or NoteError, all ConsensusError.
    """
    if _rebuilt(evidence) != evidence:
        raise EvidenceInvalid("the evidence is not what its statements show")
    if evidence.kind == CHECKPOINTS:
        own = note_keys.get(evidence.validator, ())
        keys = {(key.name, key.key_id): key for key in own}
        logs = {key.name for key in own if key.kind == LOG_KIND}
        for text in evidence.statements:
            note = SignedNote.parse(text.decode())
            if Checkpoint.parse(note.body).origin not in logs:
                raise EvidenceInvalid("the checkpoints are of another log")
            (line,) = note.signatures
            key = keys.get((line.name, line.key_id))
            if key is None:
                raise EvidenceInvalid(f"{line.name} is not a log or cosign key of {evidence.validator}")
            verify_signature(note.body, key, line)
        return
    validators = sets(evidence.height)
    for vote in statements_of(evidence):
        verify_vote(vote, validators, network_id)


def keys_under(evidence: FaultEvidence, sets: Sets, note_keys: NoteKeys) -> frozenset[bytes]:
    """The public keys of the accused with which verified evidence was signed."""
    if evidence.kind == CHECKPOINTS:
        notes = [SignedNote.parse(text.decode()) for text in evidence.statements]
        lines = {(line.name, line.key_id) for note in notes for line in note.signatures}
        own = note_keys.get(evidence.validator, ())
        return frozenset(key.public_key for key in own if (key.name, key.key_id) in lines)
    voted = sets(evidence.height).get(evidence.validator)
    return frozenset({voted.public_key} if voted is not None else ())


def statements_of(evidence: FaultEvidence) -> tuple[Vote, Vote]:
    """The votes of evidence that is not about checkpoints."""
    first, second = (decode_message(decode(data)) for data in evidence.statements)
    if not isinstance(first, Vote) or not isinstance(second, Vote):
        raise EncodingError("the statements are not votes")
    return first, second


def _rebuilt(evidence: FaultEvidence) -> FaultEvidence | None:
    """What the statements themselves show; raises EncodingError when they are not statements."""
    try:
        if evidence.kind == CHECKPOINTS:
            first, second = (SignedNote.parse(text.decode()) for text in evidence.statements)
            return evidence_of_checkpoints(evidence.validator, first, second)
        return evidence_of(*statements_of(evidence))
    except (ConsensusError, UnicodeDecodeError) as error:
        raise EncodingError("a statement of the evidence cannot be read") from error
