"""Decided blocks: by this node's own votes or shown by a peer, each is handed to the engine once.

What a quorum decided is a fact. A node that lacks what it takes to follow it stays where it is and tries
again; one for which it does not execute stops; one that meets a decision on another history asks where the
two part, and votes no more.
"""

from collections.abc import Iterable

from consensus.application import CannotFollow
from consensus.blocks import Blocks
from consensus.errors import ConsensusError
from consensus.events import Commit, Compare, RequestBlocks, RivalShown
from consensus.faults import HEIGHTS_REMEMBERED, Faults
from consensus.machine import Height
from consensus.recollection import Recollection
from consensus.refusals import BAD_BLOCK
from consensus.replica_state import Present, Waiting
from consensus.sync import Sync
from consensus.types import Block, CertificateInvalid, CommitCertificate, verify_certificate

TRY_AGAIN_MS = 1_000  # between two tries to follow a block for which something is lacking
ASK_RIVALS_MS = 5_000


class Deciding:
    """From a certificate to a Commit."""

    def __init__(
        self, present: Present, *, sync: Sync, faults: Faults, recollection: Recollection, blocks: Blocks
    ) -> None:
        self._present, self._sync, self._faults = present, sync, faults
        self._recollection, self._blocks = recollection, blocks
        self._asked_ms: int | None = None  # when others were asked for a block beside one that is here

    def decide(self, height: Height, round: int, value_id: bytes) -> None:
        """A quorum has precommitted this value before this node's eyes."""
        self._sync.catching_up = False
        certificate = CommitCertificate(
            height.state.height,
            round,
            value_id,
            height.votes.precommits(round, value_id),
            height.votes.polka(round, value_id),
        )
        block = height.blocks[value_id]
        if block.previous_id != self._present.tip.block_id:
            self._faults.accuse(height.votes.evidence.values())
            self._meet_rival([vote.validator for vote in certificate.precommits])
            return
        self._commit(block, certificate)

    def adopt_next(self) -> None:
        """Take the next received block that a quorum has decided."""
        present = self._present
        while present.storing is None and (received := self._sync.next_block()) is not None:
            sender, block_data, certificate_data = received
            try:
                block = Block.decode(block_data, size_bytes_max=present.chain.parameters.block_bytes_max)
                if block.height < present.working:
                    self._compare(block, RivalShown(sender, block_data, certificate_data))
                    continue
                if present.chain.ended:
                    self._sync.forget_blocks()  # of another engine: they have no certificate of ours
                    return
                if block.height != present.working:
                    raise CertificateInvalid("blocks are sent in sequence")
                certificate = CommitCertificate.decode(certificate_data)
                verify_certificate(certificate, block, present.validators, present.chain.network_id)
            except ConsensusError:
                present.refuse(sender, BAD_BLOCK)
                self._sync.distrust(sender)
                return
            self._sync.answered()
            if block.previous_id != present.tip.block_id:
                self._sync.forget_blocks()
                self._meet_rival([sender])
                return
            self._sync.catching_up = True
            self._commit(block, certificate)

    def _compare(self, block: Block, shown: RivalShown) -> None:
        """A decided block of a height that this node has too: a rival ends this node's voting.

        Of long ago the ledger says first whether it is another: the same one costs no signature, however many
        of them somebody shows (decision 0132).
        """
        if not self._faults.remembers(block.height):
            self._present.out.append(Compare(block.height, block.id, shown))
        elif self._faults.rival(block, shown.certificate):
            self._recollection.fork(block.height)

    def prove_rival(self, shown: RivalShown) -> None:
        """The ledger has another block there: a quorum decided two, or whoever shows this one lies."""
        present = self._present
        try:
            block = Block.decode(shown.block, size_bytes_max=present.chain.parameters.block_bytes_max)
            if self._faults.rival(block, shown.certificate):
                self._recollection.fork(block.height)
        except ConsensusError:
            present.refuse(shown.sender, BAD_BLOCK)
            self._sync.distrust(shown.sender)

    def ask_for_rivals(self) -> None:
        """More than f validators broke their word at a height: ask what was decided there elsewhere.

        Who is ahead asks nobody for blocks, and would go on with those who signed the other block too.
        """
        present = self._present
        if present.storing is not None or self._recollection.forked is not None:
            return
        if self._asked_ms is None or present.now_ms - self._asked_ms >= ASK_RIVALS_MS:
            for height in self._faults.doubtful():
                self._asked_ms = present.now_ms
                others = present.history.at(height).validators
                present.out.extend(RequestBlocks(v.name, height) for v in others if v.name != present.name)

    def _meet_rival(self, holders: Iterable[str]) -> None:
        """A quorum decided a block on another history: ask those who have it where the two part."""
        present = self._present
        present.refused["rival_block"] += 1
        from_height = max(1, present.working - HEIGHTS_REMEMBERED)
        if self._recollection.withheld is None:
            present.out.extend(RequestBlocks(name, from_height) for name in holders if name != present.name)

    @property
    def lacking(self) -> CannotFollow | None:
        """What keeps this node from following the block that was decided."""
        storing = self._present.storing
        return storing.lacking if isinstance(storing, Waiting) else None

    def try_again(self) -> None:
        """The decided block that could not be followed, if there is one."""
        present = self._present
        waiting = present.storing
        if isinstance(waiting, Waiting) and present.now_ms - waiting.asked_ms >= TRY_AGAIN_MS:
            self._commit(waiting.block, waiting.certificate)

    def _commit(self, block: Block, certificate: CommitCertificate) -> None:
        """Hand a decided block over for storing; what process_proposal computed is not computed again."""
        present = self._present
        try:
            storing = self._blocks.decided(block)
        except CannotFollow as lacking:
            present.storing = Waiting(block, certificate, lacking, present.now_ms)
            return
        self.remember(certificate)
        present.storing = storing
        present.out.append(Commit(block, certificate, storing.execution, storing.log, storing.validators))

    def remember(self, certificate: CommitCertificate) -> None:
        """Keep who voted for a decided block."""
        self._faults.remember(certificate)
        for vote in (*certificate.polka, *certificate.precommits):
            self._recollection.note(vote)
