"""What consensus needs from the rules it orders attestations for; the names are ABCI 2.0's.

An Application is deterministic: the same blocks in the same order give the same executions on every node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consensus.chain import Parameters
from consensus.errors import ConsensusError, filled
from consensus.types import Block
from consensus.validators import Validator


class Refusal(ConsensusError):
    """The attestation cannot be admitted; a block that contains it is not valid.

    `sentence` is English, with its parameters in braces: `{most}` a value or a list, `{roles:or}` one of a
    list, or another refusal that is told inside this one. Whoever answers in another language looks the
    sentence up and fills it in anew; an empty `parameters` means that it is told as it stands.
    """

    def __init__(self, code: str, sentence: str, /, **parameters: object) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.parameters = parameters

    def __str__(self) -> str:
        return filled(self.sentence, self.parameters)


class NotYet(Refusal):
    """A precondition is unmet and nothing conflicts: the attestation waits in the pool."""


class CannotFollow(Exception):
    """The block is good, and this node lacks something that the network agreed on: it waits, and asks again.

    Anything else that a decided block raises is a broken invariant.
    """


GovernanceRow = tuple[int, str, str, bytes]  # first height that it governs, type, name, record


@dataclass(frozen=True, slots=True)
class Execution:
    """What one block does, computed on an overlay and adopted by `commit`."""

    height: int
    app_hash: bytes
    entries: tuple[bytes, ...]  # leaves of the log, in order; the block's evidence is among them
    standings: Mapping[bytes, bytes]  # what changed: subject digest (32 bytes) -> encoded standing
    finals: tuple[bytes, ...]  # SHA-256 of the attestations that are now final, admitted or refused
    standings_root: bytes
    governance_root: bytes
    validator_updates: tuple[Validator, ...] = ()  # in force at height + 2; a weight of 0 removes
    governance: tuple[GovernanceRow, ...] = ()  # records that were decided on
    more: bool = False  # the next block is wanted at once, be it empty
    changes: object = field(default=None, repr=False)  # opaque; given back to `commit`


class Application(Protocol):
    """The registry, as consensus sees it."""

    @property
    def app_version(self) -> int:
        """Carried by every block; a node with another version does not vote for it."""
        ...

    def parameters(self, height: int) -> Parameters | None:
        """What consensus reads of the rules at `height`, the next one; None: what it was started with.

        Changes of a block are for the second one after it: the next one is being voted on.
        """
        ...

    def next_block_at(self, time: int) -> int | None:
        """When (UTC, seconds) the next block is wanted though it be empty, if the last one has this `time`.

        None: nothing is scheduled. Asked after each commit. Whoever answers sees to it that the blocks it
        asks for come to an end; they are a second apart at least (`consensus.blocks`).
        """
        ...

    def check_tx(self, tx: bytes, now: int) -> bytes:
        """The SHA-256 of an attestation that may be proposed now; raises Refusal or NotYet.

        Asked again when blocks change the standings, so verifying a signature twice should be avoided.
        """
        ...

    def issuer_of(self, tx: bytes) -> str:
        """Who signed an attestation that check_tx has just found authentic: its share of the pool is used."""
        ...

    def forget(self, digest: bytes) -> None:
        """An attestation left the pool without a block: nothing more is kept of it."""
        ...

    def prepare_proposal(
        self, txs: Sequence[bytes], height: int, time: int, previous_id: bytes, bytes_max: int
    ) -> tuple[bytes, ...]:
        """The attestations of `txs` that make a valid block of at most `bytes_max` bytes, in block order."""
        ...

    def process_proposal(self, block: Block) -> Execution:
        """Execute the whole block on an overlay; any exception costs the proposal a nil prevote.

        But OwnFault, as of all that is asked here: it is no fault of the block or of an attestation.
        """
        ...

    def finalize_block(self, block: Block) -> Execution:
        """The same computation, for a block that a certificate has already decided.

        Raises CannotFollow where the node has to be given something first.
        """
        ...

    def commit(self, execution: Execution) -> None:
        """Adopt what was computed; called after the block is on disk and before the next height."""
        ...
