"""Making blocks of what waits, and judging those of others: valid(v) of the paper."""

from collections.abc import Iterable, Sequence

from consensus.application import Application, CannotFollow, Execution
from consensus.errors import OwnFault
from consensus.faults import Faults
from consensus.merkle import leaf_hash
from consensus.pool import Pool
from consensus.replica_state import Present, Storing
from consensus.types import Block
from consensus.validators import ValidatorHistory

ITEM_HEAD_BYTES = 5  # before a byte string of up to 4 GiB (RFC 8949, 3)
SCHEDULED_MS_MIN = 1_000  # between two blocks that nothing waits for


class Blocks:
    """Proposes and executes; each block is executed at most once."""

    def __init__(self, present: Present, application: Application, pool: Pool, faults: Faults) -> None:
        self._present, self._application, self._pool, self._faults = present, application, pool, faults
        self._executions: dict[bytes, Execution | None] = {}  # by block id; None: the block is not valid

    @property
    def executed(self) -> int:
        """Blocks whose outcome is kept."""
        return len(self._executions)

    def due(self) -> bool:
        """Whether there is a reason to begin a height: an empty one for a heartbeat or what is scheduled."""
        return (
            self._empty_due()
            or self._pool.proposable(self._present.now_ms)
            or bool(self._faults.recordable())
        )

    def _empty_due(self) -> bool:
        return self._heartbeat_due() or self._scheduled_due()

    def _scheduled_due(self) -> bool:
        """Something that the rules decide by time is due: no oftener than once a second."""
        present = self._present
        if present.scheduled is None or present.time_ms < present.scheduled * 1000:
            return False
        return present.stored_ms is None or present.now_ms - present.stored_ms >= SCHEDULED_MS_MIN

    def _heartbeat_due(self) -> bool:
        present = self._present
        if present.stored_ms is not None:
            return present.now_ms - present.stored_ms >= present.chain.parameters.heartbeat_ms
        # Not stored since the start: only the block itself says when it was.
        return present.time_ms - present.tip.time * 1000 >= present.chain.parameters.heartbeat_ms

    # --- making

    def make(self, round: int) -> Block | None:
        """A block of what waits; an empty one only where it is due, or to end a height that has begun."""
        present = self._present
        evidence = self._faults.recordable()
        empty_allowed = round > 0 or self._empty_due() or bool(evidence)
        if not empty_allowed and not self._pool.proposable(present.now_ms):
            return None
        tip = present.tip
        time = max(tip.time, present.time_ms // 1000)
        offer = self._pool.offer()
        room = present.chain.parameters.block_bytes_max - size_bytes_of(evidence)
        chosen = self.choose(offer, time, room) if offer else ()
        if offer and not chosen:
            self._pool.passed_over(present.now_ms)
            if not empty_allowed:
                return None
        assert present.name is not None, "an observer proposes nothing"
        return self.continuing(time, present.name, chosen, evidence)

    def continuing(
        self, time: int, proposer: str, attestations: Sequence[bytes], evidence: Sequence[bytes]
    ) -> Block:
        """The block of these, after the last one: all the rest of it follows from where this node is."""
        tip, chain = self._present.tip, self._present.chain
        return Block(
            tip.height + 1,
            time,
            tip.block_id,
            proposer,
            tip.app_hash,
            tip.log.size,
            tip.log.root,
            chain.config_digest,
            chain.parameters.app_version,
            tuple(attestations),
            tuple(evidence),
        )

    def choose(self, offer: Sequence[bytes], time: int, room: int) -> tuple[bytes, ...]:
        """Those of `offer` that make a valid block of `room` bytes at `time`, in block order."""
        # The heads of the attestations and of the block take less than this share.
        bytes_max = room * 31 // 32
        tip = self._present.tip
        try:
            return self._application.prepare_proposal(offer, tip.height + 1, time, tip.block_id, bytes_max)
        except OwnFault:
            raise
        except Exception:  # whatever a hostile attestation raises, the height still ends
            self._present.refused["prepare_failed"] += 1
            return ()

    # --- judging

    def valid(self, block: Block) -> bool:
        """valid(v) of the paper: by the state after the previous block alone; executed at most once.

        What cannot be followed yet is asked about again: by then this node may have what it lacks.
        """
        if block.id not in self._executions:
            try:
                self._executions[block.id] = self._execute(block)
            except CannotFollow:
                self._present.refused["unfollowed_block"] += 1
                return False
        return self._executions[block.id] is not None

    def _execute(self, block: Block) -> Execution | None:
        if self._misfit(block) is not None:
            self._present.refused["unfit_block"] += 1
            return None
        try:
            execution = self._application.process_proposal(block)
            self.following(execution)
            return execution
        except (CannotFollow, OwnFault):
            raise
        except Exception:  # any exception costs the proposal a nil prevote, never the node
            self._present.refused["invalid_block"] += 1
            return None

    def decided(self, block: Block) -> Storing:
        """What a decided block leads to; what `valid` computed is not computed again. Raises CannotFollow."""
        execution = self._executions.get(block.id)
        if execution is None:
            # Agreement is a fact: a node that cannot follow it must stop (decision 0009).
            misfit = self._misfit(block, agreed=True)
            assert misfit is None, _apart(block, f"it goes on from {misfit} than is here")
            try:
                execution = self._application.finalize_block(block)
            except (CannotFollow, OwnFault):
                raise
            except Exception as error:
                raise AssertionError(_apart(block, f"it cannot be executed: {error}")) from error
        log = self._present.tip.log.append(map(leaf_hash, execution.entries))
        history = self.following(execution)
        changed = None if history is self._present.history else history.steps[-1][1]
        return Storing(block, execution, log, history, changed)

    def following(self, execution: Execution) -> ValidatorHistory:
        """The history after a block; raises ConsensusError when its updates leave no set."""
        history = self._present.history
        if not execution.validator_updates:
            return history
        effective = execution.height + 2
        validators = history.at(effective).updated(execution.validator_updates)
        return history.changed(effective, validators)

    def keep(self, ids: Iterable[bytes]) -> None:
        """Forget what other blocks than these do."""
        kept = set(ids)
        self._executions = {id_: done for id_, done in self._executions.items() if id_ in kept}

    def _misfit(self, block: Block, *, agreed: bool = False) -> str | None:
        """What `block` says otherwise than this chain, which it then does not continue; None: nothing.

        `agreed`: the network decided it.
        """
        tip, chain = self._present.tip, self._present.chain
        same = {
            "another height": block.height == tip.height + 1,
            "a later time": block.time >= tip.time,
            "another block": block.previous_id == tip.block_id,
            "other validators": self._present.validators.get(block.proposer) is not None,
            "another state": block.app_hash == tip.app_hash,
            "another log": (block.log_size, block.log_root) == (tip.log.size, tip.log.root),
            "another founding": block.config_digest == chain.config_digest,
            "another version of the rules": block.app_version == chain.parameters.app_version,
        }
        if not all(same.values()):
            return next(what for what in same if not same[what])
        if len(block.encode()) > chain.parameters.block_bytes_max:
            return "other limits"
        return None if self._faults.fits(block, agreed=agreed) else "other faults"


def size_bytes_of(evidence: Iterable[bytes]) -> int:
    """What this evidence takes of a block, at most."""
    return sum(ITEM_HEAD_BYTES + len(data) for data in evidence)


def _apart(block: Block, why: str) -> str:
    """What whoever runs the node is told, and does. The reason last: a log cuts long sentences."""
    return (
        f"block {block.height} is decided, and rules or data are other ones here than where it was. Nothing "
        "is lost: start the version of Comity that the others run; if this is said again, `comity rebuild`, "
        f"and start it ({why})"
    )
