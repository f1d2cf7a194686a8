"""What goes into a replica, and what comes out: events and effects, all plain frozen values.

The engine feeds events and executes effects in the order given. Where a new event is added: here, in
`Replica.handle`, and in the engine that feeds it (node/ledger/engine.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.application import Execution
from consensus.merkle import Frontier
from consensus.types import Block, CommitCertificate
from consensus.validators import ValidatorSet

Guard = tuple[int, int, str]  # height, round, "proposal" | "prevote" | "precommit"; in this order
Token = tuple[int, int, int]  # height, round, step

# Events


@dataclass(frozen=True, slots=True)
class Started:
    """The node is up; the write-ahead log was given to the constructor."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A consensus message from an authenticated peer, who need not be its author."""

    sender: str
    data: bytes


@dataclass(frozen=True, slots=True)
class AttestationReceived:
    """An attestation from the own outbox or from a peer."""

    tx: bytes
    digest: bytes
    sender: str = ""  # the peer that passed it on; "": this node's own outbox


@dataclass(frozen=True, slots=True)
class TimerElapsed:
    """A timer set by SetTimer ran out."""

    token: Token


@dataclass(frozen=True, slots=True)
class BlocksReceived:
    """Blocks in sequence, each with its commit certificate; the answer to RequestBlocks."""

    sender: str
    blocks: Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class RivalShown:
    """A block of long ago that is not the one this node stored, as `Compare` asked: is it proven?"""

    sender: str
    block: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class BlockStored:
    """The block of the last Commit is on disk."""

    height: int


@dataclass(frozen=True, slots=True)
class PeerHeight:
    """A peer has stored blocks up to `height`."""

    sender: str
    height: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passes; fed about every 250 ms, and each second while the replica is at rest."""


Event = (
    Started
    | MessageReceived
    | AttestationReceived
    | TimerElapsed
    | BlocksReceived
    | RivalShown
    | BlockStored
    | PeerHeight
    | Tick
)

# Effects


@dataclass(frozen=True, slots=True)
class Persist:
    """Write to the write-ahead log and sync; a guard that is already taken must stop the node."""

    record: bytes
    guard: Guard


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every peer; loss is made good by the next status.

    `at_rest`: only that nothing has happened, which peers that tell one another their status know anyway.
    """

    data: bytes
    at_rest: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one peer."""

    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Feed TimerElapsed(token) after `delay_ms`."""

    token: Token
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A height is decided: store all of it in one transaction, then feed BlockStored."""

    block: Block
    certificate: CommitCertificate
    execution: Execution
    log: Frontier
    validators: ValidatorSet | None = None  # from height + 2 on, when the block changes them


@dataclass(frozen=True, slots=True)
class RequestBlocks:
    """Ask a peer for blocks from this height on; the answer is BlocksReceived."""

    peer: str
    from_height: int


@dataclass(frozen=True, slots=True)
class Compare:
    """Somebody shows this block of long ago: where the stored one of its height is another, feed `shown`."""

    height: int
    block_id: bytes
    shown: RivalShown


@dataclass(frozen=True, slots=True)
class Drop:
    """The pool gave an attestation up."""

    digest: bytes
    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class Strike:
    """This peer sent what no honest node sends; `reason` is one of `refusals.HOSTILE`."""

    sender: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unforeseen:
    """What a peer sent raised an error of ours: it is dropped for good, and people should see why."""

    what: str  # the event
    sender: str
    error: Exception


Effect = Persist | Broadcast | Send | SetTimer | Commit | RequestBlocks | Compare | Drop | Strike | Unforeseen
