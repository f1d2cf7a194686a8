"""What all nodes of a network agree on before they start, and where a chain stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consensus.evidence import NoteKeys
from consensus.machine import Step
from consensus.merkle import Frontier
from consensus.validators import ValidatorSet


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a step waits; each grows with the round, so that rounds outlast any delay."""

    propose_ms: int = 1_000
    propose_delta_ms: int = 500
    vote_ms: int = 500  # prevote and precommit
    vote_delta_ms: int = 250
    limit_ms: int = 30_000

    def of(self, step: Step, round: int) -> int:
        """The timeout of `step` in `round`, in ms."""
        propose = step is Step.PROPOSE
        base = self.propose_ms if propose else self.vote_ms
        delta = self.propose_delta_ms if propose else self.vote_delta_ms
        return min(base + round * delta, self.limit_ms)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What consensus reads of the rules that govern one height (ABCI's consensus parameters)."""

    app_version: int
    timeouts: Timeouts = Timeouts()
    block_bytes_max: int = 512 << 10
    heartbeat_ms: int = 600_000  # an idle network decides an empty block this often
    evidence_heights_max: int = 100_000  # how long ago a fault may be that a block records
    note_keys: NoteKeys = field(default_factory=dict)  # log and cosign keys by validator, former ones too
    note_keys_until: Mapping[bytes, int] = field(default_factory=dict)  # of retired ones: the last tree size
    stolen_keys: frozenset[bytes] = frozenset()  # public keys, known at this height to be others' as well
    engine_epoch: int = 0  # whose blocks these are: `ChainConfig.engine_epoch`


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """What all nodes of a network agree on before they start (genesis), and the parameters of a height."""

    network_id: bytes
    validators: ValidatorSet  # of the first height
    config_digest: bytes
    parameters: Parameters
    engine_epoch: int = 0  # of the engine that runs here: at a height of another one it has nothing to do
    timely_ms: int = 10_000  # a new block's time may be this far from the receiver's clock
    timely_delta_ms: int = 5_000  # more for each round

    @property
    def ended(self) -> bool:
        """Whether another engine orders the height being worked on: this one rests."""
        return self.parameters.engine_epoch != self.engine_epoch


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the chain stands: the last stored block and what it led to."""

    height: int
    block_id: bytes  # of height 0: the network id
    time: int
    app_hash: bytes
    log: Frontier
