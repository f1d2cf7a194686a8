"""Who decided and whose keys spoke when a validator did wrong, and what is known of its keys since.

Two can say so: a ledger, or files that prove it offline (`comity governance prove`, `comity log epochs`).
Genesis alone cannot: it does not know what changed after the first block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from consensus.evidence import FaultEvidence
from consensus.log_policy import LogPolicy
from consensus.receipt import VerifiedReceipt
from consensus.validators import ValidatorSet
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.governance_proof import ProvenGovernance
from credentials.ledger.log_epochs import LogEpochs
from credentials.ledger.parties import Participant
from node.ledger.log_policies import LogPolicies
from node.storage.ledger import LedgerStore


class FaultInvalid(ValueError):
    """It is not proven that the accused did what is said of it."""


class KnownThen(Protocol):
    """Asked about the time of a fault; raises FaultInvalid where nothing shows the answer."""

    def participant(self, did: str) -> Participant | None:
        """As it is known last: with every key, and from when one was stolen."""

    def validators(self, height: int) -> ValidatorSet:
        """Who decided the block of this height."""

    def policy(self, size: int) -> LogPolicy:
        """Whose keys spoke for a log of this size."""

    def recorded(self, evidence: FaultEvidence) -> int | None:
        """Seconds by which exactly this evidence was on the record; None: it is not shown to be."""


@dataclass(frozen=True, slots=True)
class ByLedger:
    """What a node's own ledger says."""

    history: GovernanceHistory
    policies: LogPolicies
    ledger: LedgerStore

    def participant(self, did: str) -> Participant | None:
        return self.history.latest.participant(did)

    def validators(self, height: int) -> ValidatorSet:
        return self.history.at(height).validators

    def policy(self, size: int) -> LogPolicy:
        return self.policies.at(size).policy

    def recorded(self, evidence: FaultEvidence) -> int | None:
        for row in self.ledger.leaves.with_digest(evidence.id):
            if row.entry == evidence.encode():
                return self.ledger.block_times([row.height])[row.height]
        return None


@dataclass(frozen=True, slots=True)
class ByFiles:
    """What files say that were verified under the founding log.policy, or what it leads to."""

    genesis: Genesis
    proofs: Mapping[int, ProvenGovernance]  # by the height after which it governed; at least one
    log: LogPolicy | LogEpochs
    receipt: VerifiedReceipt | None = None  # of the evidence

    @property
    def newest(self) -> ProvenGovernance:
        """What is known last."""
        return self.proofs[max(self.proofs)]

    def participant(self, did: str) -> Participant | None:
        return self.newest.participant(did)

    def validators(self, height: int) -> ValidatorSet:
        if height == 1:
            return self.genesis.governance.validators
        if height - 1 not in self.proofs:
            raise FaultInvalid(
                f"who decided block {height} is not shown: any node gives it by `comity governance prove "
                f"{height - 1}`, and --governance takes it"
            )
        return self.proofs[height - 1].validators

    def policy(self, size: int) -> LogPolicy:
        if not isinstance(self.log, LogEpochs):
            raise FaultInvalid(
                f"whose keys spoke for a log of {size} entries is not shown: any node gives it by "
                "`comity log epochs`, and --epochs takes it"
            )
        return self.log.at(size).policy

    def recorded(self, evidence: FaultEvidence) -> int | None:
        known = self.receipt is not None and self.receipt.entry == evidence.encode()
        return self.receipt.before if self.receipt is not None and known else None
