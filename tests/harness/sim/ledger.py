"""A small real Application: named values, each of which may wait for another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from consensus.application import Execution, NotYet, Refusal
from consensus.encoding import EncodingError, decode, encode
from consensus.replica import Replica
from consensus.replica_state import Storing
from consensus.types import Block


def make_tx(name: str, after: str | None = None, padding: int = 0) -> bytes:
    """An attestation that sets `name` once `after` is set."""
    return encode(["sim/tx", name, after, bytes(padding)])


@dataclass(frozen=True)
class _Tx:
    name: str
    after: str | None
    digest: bytes


def _parse(tx: bytes) -> _Tx:
    try:
        match decode(tx):
            case ["sim/tx", str() as name, str() | None as after, bytes()]:
                return _Tx(name, after, sha256(tx).digest())
    except EncodingError as error:
        raise Refusal("malformed", str(error)) from error
    raise Refusal("malformed", "not a transaction of the simulation")


def put_in_force(replica: Replica) -> None:
    """What the node's `Ledger.adopt` does before BlockStored: the decided block's execution is adopted."""
    storing = replica._present.storing
    assert isinstance(storing, Storing)
    replica._blocks._application.commit(storing.execution)


class Ledger:
    """The state after the blocks given to `commit`; can be rebuilt from the blocks."""

    def __init__(self) -> None:
        self.app_version = 1
        self.wanted: int | None = None  # when the next block is wanted, be it empty
        self.app_hash = sha256(b"sim/genesis").digest()
        self.names: dict[str, bytes] = {}
        self.executed: list[bytes] = []  # ids of blocks whose execution was computed

    def parameters(self, height: int) -> None:
        """What the chain was started with."""

    def next_block_at(self, time: int) -> int | None:
        """What a test says."""
        return self.wanted

    def check_tx(self, tx: bytes, now: int) -> bytes:
        """Refuse what is malformed or set already."""
        parsed = _parse(tx)
        if parsed.name == "bomb":
            raise OverflowError("an attestation that breaks the rules' code")
        self._admit(parsed, self.names)
        return parsed.digest

    def issuer_of(self, tx: bytes) -> str:
        """What stands before a colon in the name: tests make several issuers so."""
        issuer, colon, _ = _parse(tx).name.partition(":")
        return issuer if colon else "sim"

    def forget(self, digest: bytes) -> None:
        """Nothing was remembered."""

    def prepare_proposal(
        self, txs: Sequence[bytes], height: int, time: int, previous_id: bytes, bytes_max: int
    ) -> tuple[bytes, ...]:
        """Greedy, in an order that follows from the previous block, what fits and applies."""
        names = dict(self.names)
        chosen: list[bytes] = []
        left = sorted(txs, key=lambda tx: sha256(previous_id + sha256(tx).digest()).digest())
        moved = True
        while moved:
            moved = False
            for tx in list(left):
                if len(tx) > bytes_max:
                    continue
                try:
                    parsed = _parse(tx)
                    self._admit(parsed, names)
                except Refusal:
                    continue
                names[parsed.name] = parsed.digest
                chosen.append(tx)
                left.remove(tx)
                bytes_max -= len(tx)
                moved = True
        return tuple(chosen)

    def process_proposal(self, block: Block) -> Execution:
        """Execute on an overlay; raises for any attestation that cannot be admitted."""
        self.executed.append(block.id)
        names = dict(self.names)
        changed: dict[bytes, bytes] = {}
        for tx in block.attestations:
            parsed = _parse(tx)
            if parsed.name == "bomb":
                raise OverflowError("an attestation that breaks the rules' code")
            self._admit(parsed, names)
            names[parsed.name] = parsed.digest
            changed[sha256(parsed.name.encode()).digest()] = parsed.digest
        root = sha256(encode([self.app_hash, list(block.attestations)])).digest()
        entries = (*block.attestations, *block.evidence, encode(["sim/block", block.height, block.time]))
        finals = tuple(sha256(tx).digest() for tx in block.attestations)
        return Execution(block.height, root, entries, changed, finals, root, root, changes=names)

    def finalize_block(self, block: Block) -> Execution:
        """The same computation."""
        return self.process_proposal(block)

    def commit(self, execution: Execution) -> None:
        """Adopt."""
        self.app_hash = execution.app_hash
        assert isinstance(execution.changes, dict)
        self.names = execution.changes

    @staticmethod
    def _admit(tx: _Tx, names: Mapping[str, bytes]) -> None:
        if tx.name in names:
            raise Refusal("duplicate", f"{tx.name} is set already")
        if tx.after is not None and tx.after not in names:
            raise NotYet("waiting", f"{tx.name} waits for {tx.after}")
