"""The ledger of a model test as a node's disk has it: certified, cosigned, in ledger.db."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from consensus.application import Execution
from consensus.checkpoint import Checkpoint, SignedNote, cosign_line, sign_log_line
from consensus.log_policy import LogPolicy
from consensus.merkle import Tree
from consensus.receipt import make_receipt
from consensus.types import PRECOMMIT, PREVOTE, Block, CommitCertificate, Kind, Vote
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import Governance, key_name
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import LedgerStore
from tests.harness.constitution.acts import signer_of
from tests.harness.ledger import Ledger


class KeptLedger(Ledger):
    """Every block is signed by all who decide it, and stored whole."""

    def __init__(self, genesis: Genesis, path: Path) -> None:
        super().__init__(genesis)
        self.previous_id = genesis.network_id
        self.store = LedgerStore(path)

    def execute(self, block: Block) -> Execution:
        deciding = self.history.at(block.height)
        execution = super().execute(block)
        tip = LedgerTip(block.height, block.id, block.time, execution.app_hash, self.log.encode())
        ahead = self.registry.constitution.state.future.validators if execution.validator_updates else None
        self.store.commit_block(
            tip,
            block=block.encode(),
            certificate=certificate(block, deciding, self.genesis.network_id).encode(),
            entries=[row_of(entry) for entry in execution.entries],
            standings=execution.standings,
            validators=ahead,
            governance=execution.governance,
            durable=False,
        )
        return execution

    @property
    def policy(self) -> LogPolicy:
        """Of whoever decided the last block."""
        return LogPolicy.parse(self.history.at(self.height).log_policy(self.genesis.origin))

    def seal(self) -> SignedNote:
        """The checkpoint of the last block, signed and cosigned by all who decided it; it is kept."""
        governance, origin = self.history.at(self.height), self.genesis.origin
        checkpoint = Checkpoint(origin, self.log.size, self.log.root)
        names = [v.name for v in governance.validators.validators]
        lines = [sign_log_line(checkpoint, origin, signer_of(_key(governance, did, "log"))) for did in names]
        lines += [
            cosign_line(checkpoint, key_name(did), self.now, signer_of(_key(governance, did, "cosign")))
            for did in names
        ]
        note = self.policy.reduce(SignedNote(checkpoint.body(), tuple(lines)))
        before = self.policy.before(self.policy.cosigned(note))
        self.store.put_checkpoint(checkpoint.size, before, note.text())
        return note


def certificate(block: Block, governance: Governance, network_id: bytes, least: int = 0) -> CommitCertificate:
    """All of the validators decide the block; `least`: only so many of them."""
    validators = governance.validators

    def signed(kind: Kind) -> tuple[Vote, ...]:
        votes = []
        for one in sorted(validators.validators, key=lambda v: v.name)[: least or None]:
            vote = Vote(kind, block.height, 0, -1, block.id, one.name)
            signer = signer_of(_key(governance, one.name, "vote"))
            votes.append(replace(vote, signature=signer.sign(vote.signed_bytes(network_id, validators.hash))))
        return tuple(votes)

    return CommitCertificate(block.height, 0, block.id, signed(PRECOMMIT), signed(PREVOTE))


def receipt_of_block(store: LedgerStore, tree: Tree, note: SignedNote, policy: LogPolicy, height: int) -> str:
    """The receipt of the last entry of a block, as a node gives it."""
    row = store.leaves.of_block(height)
    assert row is not None, "asked about heights that there are"
    return make_receipt(row.entry, None, row.leaf_index, tree, note, policy=policy).text()


def _key(governance: Governance, did: str, role: str) -> str:
    key = governance.participants[did].latest_key(role)
    assert key is not None, "a validator has one: soundness.py"
    return key.id
