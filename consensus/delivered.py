"""A chain whose blocks another engine orders: made, judged and executed by the rules of our own (0120).

The other engine agrees on a height, a time, a proposer and items. Here that becomes the `Block` that the
embedded engine would have decided: its items are our attestations, then our evidence; all the rest of it
follows from where this node is. So it has the same id, the next one's order is keyed by that id, and never by
a hash of the other engine.

    an item is offered     check    -> pool       a block is decided   decide -> (entries, app hash) -> stored
    a block is to be made  propose  <- pool       a block is proposed  accepts
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from consensus.application import Application
from consensus.blocks import Blocks, size_bytes_of
from consensus.chain import ChainConfig, Parameters, Tip
from consensus.encoding import EncodingError, Value, encode, whole_numbers
from consensus.errors import ConsensusError
from consensus.events import Broadcast
from consensus.evidence import FaultEvidence
from consensus.faults import EVIDENCE_PER_BLOCK_MAX, Faults
from consensus.merkle import Frontier
from consensus.pool import GivenUp, Pool
from consensus.replica_state import Present, Storing
from consensus.types import Block
from consensus.validators import Validator, ValidatorHistory

EXECUTED_MAX = 8  # proposals of a height whose outcome is kept: each some MiB
_STATE_TAG = "comity/engine-state/v2"
_EVIDENCE_FIRST = encode(["", "", "", "", "", ""])[:1]  # an array of six; an attestation begins with tag 18


@dataclass(frozen=True, slots=True)
class Carried:
    """What the engine's header says of ours: what the next block of our own would say in its head.

    Wire: ["comity/engine-state/v2", app hash, log size, log root, config digest, app version, block id], of
    the last block that did something. The log ends with that block's entry; the version executed it. The id
    names all blocks before it: whoever is given blocks holds them against one hash (decision 0134).
    """

    height: int
    app_hash: bytes
    log_size: int
    log_root: bytes
    config_digest: bytes
    app_version: int
    block_id: bytes

    @property
    def state(self) -> list[Value]:
        log = self.log_size, self.log_root
        return [self.app_hash, *log, self.config_digest, self.app_version, self.block_id]

    @property
    def hash(self) -> bytes:
        """SHA-256 of the wire form."""
        return sha256(encode([_STATE_TAG, *self.state])).digest()

    @classmethod
    def read(cls, height: Value, state: Value) -> Self:
        """From its members; raises EncodingError."""
        match state:
            case [bytes(app_hash), size, bytes(root), bytes(digest), version, bytes(block_id)] if (
                whole_numbers(height, size, version)
            ):
                assert isinstance(height, int) and isinstance(size, int) and isinstance(version, int)
                return cls(height, app_hash, size, root, digest, version, block_id)
        raise EncodingError("not what an engine carries")


class Delivered:
    """What a node knows of a chain that is delivered to it. No clock: whoever calls says what time it is."""

    def __init__(
        self,
        chain: ChainConfig,
        application: Application,
        tip: Tip,
        *,
        history: ValidatorHistory | None = None,
        admitted: Iterable[tuple[int, bytes]] = (),
        carried: Carried | None = None,
    ) -> None:
        """`history` and `admitted` (the evidence on the ledger, by height of its block) led to `tip`.

        `carried` is what `carried_after` said of the last block; None before the first one.
        """
        self._application = application
        self._founded = chain.parameters.app_version
        self._present = Present(chain, None, tip, history or ValidatorHistory(((1, chain.validators),)))
        self._present.read_rules(application)
        self.pool = Pool(application)
        self._faults = Faults(self._present, admitted)
        self._blocks = Blocks(self._present, application, self.pool, self._faults)
        self.carried = carried or self._carried(tip.height, tip.block_id, tip.app_hash, tip.log)
        self._asked = deque[bytes](maxlen=EXECUTED_MAX)  # block ids

    # --- what can be asked

    @property
    def tip(self) -> Tip:
        """The last stored block."""
        return self._present.tip

    @property
    def working(self) -> int:
        """The height of the next block."""
        return self._present.working

    @property
    def ended(self) -> bool:
        """Whether another engine orders from here on."""
        return self._present.chain.ended

    @property
    def history(self) -> ValidatorHistory:
        """Who votes at which height."""
        return self._present.history

    @property
    def parameters(self) -> Parameters:
        """What governs the next block."""
        return self._present.chain.parameters

    def parameters_at(self, height: int) -> Parameters:
        """What governs a height that is stored, or the next one."""
        return self._application.parameters(height) or self._present.chain.parameters

    def _carried(self, height: int, block_id: bytes, app_hash: bytes, log: Frontier) -> Carried:
        version = self.parameters_at(height).app_version if height else self._founded
        config = self._present.chain.config_digest
        return Carried(height, app_hash, log.size, log.root, config, version, block_id)

    def carried_after(self, storing: Storing) -> Carried:
        """What the engine's header carries once this block is stored: the same as before if it did nothing.

        CometBFT makes a further block whenever that hash changes, so an idle network would never rest. What
        an idle block adds, its own entry, follows from height, time and proposer, which its header has; the
        next one that does something binds it (decision 0123). None is idle while what was decided is still to
        come into force: CometBFT makes the next one by itself (decision 0130).
        """
        execution = storing.execution
        idle = len(execution.entries) == 1 and not (
            execution.standings or execution.governance or execution.validator_updates or execution.more
        )
        height = storing.block.height
        if idle and self.carried.height:
            return self.carried
        return self._carried(height, storing.block.id, execution.app_hash, storing.log)

    # --- items that wait

    def check(self, tx: bytes, sender: str, now_ms: int, time: int) -> list[GivenUp]:
        """Take an attestation in, if it may be proposed now; what is given up for it, or itself.

        Who holds most gives way (decision 0103). What waits for another is not kept: the engine would pass it
        on to everybody.
        """
        digest = sha256(tx).digest()
        given_up = self.pool.add(tx, digest, sender, now_ms, time)
        if self.pool.may_propose(digest) or any(one.digest == digest for one in given_up):
            return given_up
        self.pool.remove([digest])
        self._application.forget(digest)
        reason = "it waits for something that is not on the ledger yet; send it later"
        return [*given_up, GivenUp(digest, "waits", reason)]

    def show(self, evidence: bytes) -> tuple[bytes, ...]:
        """Somebody shows evidence, which the next block records; what everybody is to be told of it.

        Raises ConsensusError unless it proves what it says.
        """
        self._present.out = []
        self._faults.take(evidence)
        told, self._present.out = self._present.out, []
        return tuple(effect.data for effect in told if isinstance(effect, Broadcast))

    @property
    def evidence(self) -> list[FaultEvidence]:
        """The faults shown that no block has recorded yet."""
        return self._faults.pending

    # --- blocks

    @property
    def executed(self) -> int:
        """Proposals whose outcome is in memory."""
        return self._blocks.executed

    def propose(self, time: int, bytes_max: int) -> tuple[bytes, ...]:
        """The items of a valid block of this time, of what waits here."""
        if self.ended:
            return ()
        evidence = self._faults.recordable()
        room = min(bytes_max, self.parameters.block_bytes_max) - size_bytes_of(evidence)
        if room < 0:
            return ()
        offer = self.pool.offer()
        return (*(self._blocks.choose(offer, time, room) if offer else ()), *evidence)

    def block(self, height: int, time: int, proposer: str, items: Sequence[bytes]) -> Block:
        """The block of our own that these items are; raises ConsensusError."""
        if height != self.working:
            raise ConsensusError(f"block {height} is offered where {self.working} is the next one")
        if self.ended:
            raise ConsensusError(f"block {height} is one of another engine: this one ended before it")
        marks = [item[:1] == _EVIDENCE_FIRST for item in items]
        first = marks.index(True) if True in marks else len(items)
        if not all(marks[first:]) or len(items) - first > EVIDENCE_PER_BLOCK_MAX:
            raise ConsensusError("evidence comes last, and not without end")
        return self._blocks.continuing(time, proposer, items[:first], items[first:])

    def accepts(self, height: int, time: int, proposer: str, items: Sequence[bytes]) -> bool:
        """valid(v): by the state after the last block alone, so that all correct nodes say the same."""
        try:
            block = self.block(height, time, proposer, items)
        except ConsensusError:
            self._present.refused["unfit_block"] += 1
            return False
        # An engine asks about a block a round, without end: what was executed long ago is executed again.
        self._asked.append(block.id)
        self._blocks.keep(self._asked)
        return self._blocks.valid(block)

    def decide(self, height: int, time: int, proposer: str, items: Sequence[bytes]) -> Storing:
        """What a decided block does; nothing is in force until `stored`.

        Raises ConsensusError when it is not the next one, CannotFollow where this node lacks something. What
        is agreed on is a fact: a node that cannot execute it stops, by an AssertionError.
        """
        storing = self._blocks.decided(self.block(height, time, proposer, items))
        self._present.storing = storing
        return storing

    def updates(self, storing: Storing) -> tuple[Validator, ...]:
        """Keys whose weight changes two heights later: an engine knows keys, and no names.

        In order of the key; a weight of 0 removes.
        """
        effective = storing.block.height + 2
        before = {v.public_key: v for v in self._present.history.at(effective).validators}
        after = {v.public_key: v for v in storing.history.at(effective).validators}
        gone = [Validator(v.name, key, 0) for key, v in before.items() if key not in after]
        new = [v for key, v in after.items() if key not in before or before[key].weight != v.weight]
        return tuple(sorted((*gone, *new), key=lambda v: v.public_key))

    @property
    def storing(self) -> Storing | None:
        """The block that is decided and not stored yet."""
        storing = self._present.storing
        return storing if isinstance(storing, Storing) else None

    def stored(self, now_ms: int, time: int) -> list[GivenUp]:
        """The decided block is on disk and in force: go on after it, and say what left the pool.

        What may not be proposed any more leaves it unsaid, as the engine lets go of it as well (0133): its
        author's node hands it in again, and the engine is given it once it may be.
        """
        present, storing = self._present, self.storing
        assert storing is not None, "a block is stored once it is decided"
        block, execution = storing.block, storing.execution
        self.carried = self.carried_after(storing)
        present.now_ms, present.time_ms = now_ms, time * 1000
        tip = Tip(block.height, block.id, block.time, execution.app_hash, storing.log)
        present.move(tip, storing.history)
        present.read_rules(self._application)
        self.pool.remove((*execution.finals, *(sha256(tx).digest() for tx in block.attestations)))
        self._faults.recorded(block)
        self._blocks.keep(())
        given_up = [*self.pool.recheck(now_ms, time), *self.pool.expire(now_ms)]
        self.pool.without_waiting()
        return given_up
