"""The ledger takes over what was decided, whoever decided it: stored, in force, in the tree, cosigned, told.

Owned by no engine: an engine hands each decided and executed block to `adopt`, once and in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.application import Application, Execution
from consensus.merkle import Frontier, Tree
from consensus.validators import ValidatorSet
from credentials.ledger.registry import Changes
from node import log
from node.ledger.checkpoints import Checkpoints
from node.ledger.comet.decided import by_cometbft
from node.ledger.subscriptions import Moments, Progressed
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import LedgerStore


@dataclass(frozen=True, slots=True)
class Decision:
    """What shows that a block was decided, in the form of the engine that decided it."""

    block_id: bytes
    block: bytes
    certificate: bytes
    round: int
    log: Frontier  # after the block
    validators: ValidatorSet | None = None  # from height + 2 on, when the block changes them


class Ledger:
    """ledger.db, the rules' state, the tree of the log and its checkpoints, kept in step."""

    def __init__(
        self,
        store: LedgerStore,
        application: Application,
        tree: Tree,
        checkpoints: Checkpoints,
        moments: Moments,
        *,
        blocks_kept: int | None = None,
    ) -> None:
        """`blocks_kept`: so many of the newest stay with who agreed to them; None: all do."""
        self._blocks_kept = blocks_kept
        self._store, self._application, self._tree = store, application, tree
        self._checkpoints, self._moments = checkpoints, moments
        tip = store.tip()
        self.height = tip.height if tip is not None else 0

    @property
    def size(self) -> int:
        """Entries of the log."""
        return self._tree.size

    @property
    def pruned(self) -> int:
        """The last block of which is not kept here who agreed to it."""
        return self._store.pruned.height

    def adopt(
        self,
        height: int,
        time: int,
        attestations: Sequence[bytes],
        execution: Execution,
        *,
        decision: Decision,
    ) -> None:
        """Take over a decided block; when this returns it is on disk, in force, cosigned and told.

        A crash at any point leaves the block stored as a whole or not at all; what follows is made again
        from it at the next start.
        """
        assert height == self.height + 1, "blocks are adopted in order"
        # The registry hands over what it parsed; `changes` is opaque to consensus.
        changes = execution.changes
        known = changes if isinstance(changes, Changes) else None
        parsed = {a.data: a for a in known.attestations} if known is not None else {}
        rows = [row_of(entry, parsed) for entry in execution.entries]
        self._store.commit_block(
            LedgerTip(height, decision.block_id, time, execution.app_hash, decision.log.encode()),
            block=decision.block,
            certificate=decision.certificate,
            entries=rows,
            standings=execution.standings,
            validators=decision.validators,
            governance=execution.governance,
            buckets=known.buckets if known is not None else None,
        )
        self._application.commit(execution)
        for offset, row in enumerate(rows):
            if row.type == "policy":
                self._checkpoints.cosigning.policies.learn(self._tree.size + offset, row.entry)
        self._tree.extend(row.leaf_hash for row in rows)
        assert self._tree.size == decision.log.size, "the tree and the agreed log have one size"
        self.height = height
        log.moment(
            "commit",
            height=height,
            block=decision.block_id,
            attestations=len(attestations),
            log_size=self._tree.size,
            round=decision.round,
        )
        self._checkpoints.cosign()
        self._moments.tell(Progressed(height, self._checkpoints.cosigned_size))
        self._prune()

    def _prune(self) -> None:
        """What is too old to be kept, and below a block of which a snapshot may be made."""
        if self._blocks_kept is None:
            return
        last = self._store.leaves.of_block(self.height - self._blocks_kept)
        if last is not None and last.leaf_index < self._checkpoints.cosigned_size:
            self._store.pruned.prune(last.height, by_cometbft)
