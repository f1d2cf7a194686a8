"""Faults of validators: found, verified, told to everybody, and put into the next block.

What proves a fault is `evidence.py`'s; here is what a replica does about it. The votes of the last decided
heights are kept, so that what a validator says late is held against what it said then.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable

from consensus.errors import ConsensusError
from consensus.evidence import CHECKPOINTS, FaultEvidence, evidence_in, keys_under, verify_evidence
from consensus.replica_state import Present
from consensus.types import Block, CommitCertificate, Vote, verify_certificate, verify_vote
from consensus.votes import Votes

EVIDENCE_PER_BLOCK_MAX = 16
EVIDENCE_PENDING_MAX = 256
EVIDENCE_PER_VALIDATOR_MAX = 16  # pending; one is enough to act on
RECORDED_PER_KIND_MAX = 16  # of one validator, within `evidence_heights_max` blocks
HEIGHTS_REMEMBERED = 16  # decided heights whose votes are kept, to be held against later ones
RIVAL_VOTES_TOLD_MAX = 64


Accused = tuple[str, str]  # a validator, and of which kind of fault
Signed = frozenset[bytes]  # the keys under a fault


class Faults:
    """The evidence that no block has recorded yet, and the votes of the past."""

    def __init__(self, present: Present, admitted: Iterable[tuple[int, bytes]]) -> None:
        """`admitted` is the evidence that the ledger holds already, by height of its block, in order."""
        self._present = present
        self._pending: dict[bytes, FaultEvidence] = {}  # verified and not on the ledger yet, by id
        self._admitted: set[bytes] = set()
        self._blocks_of: dict[Accused, dict[Signed, deque[int]]] = defaultdict(dict)
        for height, data in admitted:
            self._admit(height, FaultEvidence.decode(data))
        self._past: dict[int, Votes] = {}  # of decided heights
        # At these heights: as of which height that was news, and who signed what goes against what it signed.
        self._broke: dict[int, tuple[int, frozenset[str]]] = {}

    @property
    def pending(self) -> list[FaultEvidence]:
        """The faults found or heard of that no block has recorded yet."""
        return list(self._pending.values())

    def take(self, data: bytes) -> None:
        """Evidence from a peer; raises ConsensusError unless it proves what it says."""
        evidence = FaultEvidence.decode(data)
        if self._known(evidence):
            self._present.refused["duplicate"] += 1
        elif not self._in_time(evidence, self._present.working):
            self._present.refused["late"] += 1
        elif self._room(evidence, self._present.working) == 0:
            self._present.refused["surplus"] += 1
        else:
            self._verify(evidence)
            self.accuse([evidence])  # unless the key did not speak for it

    def accuse(self, found: Iterable[FaultEvidence]) -> None:
        """Keep verified evidence that is news, and tell everybody."""
        for evidence in list(found):
            if self._known(evidence):
                continue
            if self._not_its_key(evidence):
                self._present.refused["not_its_key"] += 1
                continue
            against = sum(known.validator == evidence.validator for known in self._pending.values())
            if (
                len(self._pending) >= EVIDENCE_PENDING_MAX
                or against >= EVIDENCE_PER_VALIDATOR_MAX
                or self._room(evidence, self._present.working) == 0
            ):
                self._present.refused["surplus"] += 1
                continue
            self._pending[evidence.id] = evidence
            self._hold_against(evidence)
            self._present.broadcast(evidence.encode())

    def take_late(self, vote: Vote) -> None:
        """A vote for a decided height matters only if it contradicts what its author said (decision 0017)."""
        votes = self._past.get(vote.height)
        found = () if votes is None else tuple(votes.against(vote))
        if any(not self._known(evidence) for evidence in found):
            verify_vote(vote, self._present.history.at(vote.height), self._present.chain.network_id)
            self.accuse(found)

    # --- on the record

    def recordable(self) -> tuple[bytes, ...]:
        """What the next block records."""
        height = self._present.working
        found = self._pending.values()
        pending = sorted(
            (e for e in found if self._in_time(e, height) and not self._not_its_key(e)), key=lambda e: e.id
        )
        against, fitting = Counter[Accused](), list[bytes]()
        for evidence in pending:
            against[_accused(evidence)] += 1
            if against[_accused(evidence)] <= self._room(evidence, height):
                fitting.append(evidence.encode())
        return tuple(fitting[:EVIDENCE_PER_BLOCK_MAX])

    def fits(self, block: Block, *, agreed: bool = False) -> bool:
        """All of a block's evidence verifies, by the validators of its height, and is news to the ledger.

        None of it rests on a key that did not speak for its owner, as far as is known as the block is judged;
        where the network `agreed` on it, that is a fact, as in blocks decided before anybody asked. So it is
        with more of one validator than the log takes (decision 0111).
        """
        if len(block.evidence) > EVIDENCE_PER_BLOCK_MAX:
            return False
        last, against = b"", Counter[Accused]()
        for data in block.evidence:
            try:
                evidence = FaultEvidence.decode(data)
                if self._pending.get(evidence.id) != evidence:
                    self._verify(evidence)
            except ConsensusError:
                return False
            if (
                evidence.id <= last
                or evidence.id in self._admitted
                or not self._in_time(evidence, block.height)
                or (not agreed and self._not_its_key(evidence))
            ):
                return False
            last = evidence.id
            against[_accused(evidence)] += 1
            if not agreed and against[_accused(evidence)] > self._room(evidence, block.height):
                return False
        return True

    def recorded(self, block: Block) -> None:
        """A block is stored: what it records is on the ledger, what has become too old is given up."""
        for data in block.evidence:
            evidence = FaultEvidence.decode(data)
            self._admit(block.height, evidence)
            self._hold_against(evidence)
        self._pending = {
            id_: evidence
            for id_, evidence in self._pending.items()
            if id_ not in self._admitted
            and self._in_time(evidence, block.height + 1)
            and self._room(evidence, block.height + 1) > 0
            and not self._not_its_key(evidence)
        }

    # --- the past

    def remember(self, certificate: CommitCertificate) -> None:
        """Keep the votes of the height that ends, and what the certificate adds to them."""
        height = self._present.height
        votes = height.votes if height is not None else Votes(self._present.history.at(certificate.height))
        for vote in (*certificate.polka, *certificate.precommits):
            votes.add(vote, certificate.round)
        self.accuse(votes.evidence.values())
        self._past[certificate.height] = votes
        self._past.pop(certificate.height - HEIGHTS_REMEMBERED, None)
        over = certificate.height - HEIGHTS_REMEMBERED
        self._broke = {height: told for height, told in self._broke.items() if told[0] > over}

    def doubtful(self) -> list[int]:
        """Decided heights at which more than f validators broke their word: perhaps another block was too."""
        sets = (
            (height, names, self._present.history.at(height)) for height, (_, names) in self._broke.items()
        )
        found = sorted(
            height
            for height, names, validators in sets
            if height < self._present.working and validators.weight_of(names) >= validators.one_honest
        )
        return found[:HEIGHTS_REMEMBERED]

    def _hold_against(self, evidence: FaultEvidence) -> None:
        """However long ago that was: who hears of it late has gone on with whoever signed both."""
        if evidence.kind != CHECKPOINTS:
            _, names = self._broke.get(evidence.height, (0, frozenset()))
            self._broke[evidence.height] = self._present.working, names | {evidence.validator}

    def remembers(self, height: int) -> bool:
        """Whether the votes of a decided height are kept yet."""
        return height in self._past

    def rival(self, block: Block, certificate_data: bytes) -> bool:
        """Whether a decided block of a height that this node has too is another: it names f+1 validators.

        Of a height whose votes are forgotten the ledger has said that it is. Raises ConsensusError when its
        certificate does not verify.
        """
        present, votes = self._present, self._past.get(block.height)
        certificate = CommitCertificate.decode(certificate_data)
        if votes is not None and certificate.value_id in {value_id for _, value_id in votes.decisions()}:
            return False
        verify_certificate(certificate, block, present.history.at(block.height), present.chain.network_id)
        if votes is None:
            return True
        self.accuse(evidence_in((*votes.all(), *certificate.polka, *certificate.precommits)))
        # Others hold votes that this node never saw, and the other way round.
        for vote in votes.all()[:RIVAL_VOTES_TOLD_MAX]:
            present.broadcast(vote.encode())
        return True

    def _known(self, evidence: FaultEvidence) -> bool:
        return evidence.id in self._pending or evidence.id in self._admitted

    def _verify(self, evidence: FaultEvidence) -> None:
        chain = self._present.chain
        verify_evidence(evidence, self._present.history.at, chain.network_id, chain.parameters.note_keys)

    def _not_its_key(self, evidence: FaultEvidence) -> bool:
        """Whether a key under it did not speak for its owner.

        One that is known to be stolen, whatever it signs; one that spoke for the log no more, over a tree of
        that size.
        """
        parameters, lost = self._present.chain.parameters, self._present.chain.parameters.stolen_keys
        over = parameters.note_keys_until if evidence.kind == CHECKPOINTS else {}
        if not lost and not over:
            return False
        keys = self._keys(evidence)
        return bool(keys & lost) or any(evidence.height > over.get(key, evidence.height) for key in keys)

    def _keys(self, evidence: FaultEvidence) -> Signed:
        return keys_under(evidence, self._present.history.at, self._present.chain.parameters.note_keys)

    def _admit(self, height: int, evidence: FaultEvidence) -> None:
        self._admitted.add(evidence.id)
        of_keys = self._blocks_of[_accused(evidence)]
        of_keys.setdefault(self._keys(evidence), deque(maxlen=RECORDED_PER_KIND_MAX)).append(height)

    def _room(self, evidence: FaultEvidence, height: int) -> int:
        """How many faults of this kind a block of `height` may record of the accused.

        Nobody fills the log with evidence against itself; years later a fault is news again. What a thief
        signed takes no room from what the accused does with its new key: it is counted no more once the theft
        is stated, which all have to agree to.
        """
        parameters = self._present.chain.parameters
        since = height - parameters.evidence_heights_max
        of_keys = self._blocks_of.get(_accused(evidence), {})
        return RECORDED_PER_KIND_MAX - sum(
            at >= since
            for keys, blocks in of_keys.items()
            if not keys & parameters.stolen_keys
            for at in blocks
        )

    def _in_time(self, evidence: FaultEvidence, height: int) -> bool:
        """Whether a block of `height` may record the fault. A checkpoint is of a size, not of a height."""
        if evidence.kind == CHECKPOINTS:
            return True
        heights_max = self._present.chain.parameters.evidence_heights_max
        return evidence.height <= height <= evidence.height + heights_max


def _accused(evidence: FaultEvidence) -> Accused:
    return evidence.validator, evidence.kind
