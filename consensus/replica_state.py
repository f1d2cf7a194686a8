"""What the trades of one replica share: where it is, what time it is, and what goes out.

A trade (`sync`, `faults`, `recollection`, `blocks`, `rounds`) holds what only it knows. What several read is
here, with the one who writes it.
"""

from collections import Counter
from dataclasses import dataclass, replace
from hashlib import sha256

from consensus.application import Application, CannotFollow, Execution
from consensus.chain import ChainConfig, Tip
from consensus.cose import Signer
from consensus.events import Broadcast, Effect, Strike
from consensus.machine import Height, State
from consensus.merkle import Frontier
from consensus.refusals import HOSTILE
from consensus.types import Block, CommitCertificate
from consensus.validators import ValidatorHistory, ValidatorSet

SHORT_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the height, own ones included."""

    round: int
    data: bytes
    since_ms: int


@dataclass(frozen=True, slots=True)
class Storing:
    """A decided block that the engine is writing to disk, and what it leads to."""

    block: Block
    execution: Execution
    log: Frontier
    history: ValidatorHistory
    validators: ValidatorSet | None = None  # from height + 2 on, when the block changes them


@dataclass(frozen=True, slots=True)
class Waiting:
    """A decided block that this node cannot execute before it is given what it lacks."""

    block: Block
    certificate: CommitCertificate
    lacking: CannotFollow
    asked_ms: int  # when it was tried last


class Present:
    """One replica's present."""

    def __init__(self, chain: ChainConfig, name: str | None, tip: Tip, history: ValidatorHistory) -> None:
        self.chain = chain
        self.name = name  # None: an observer
        self.refused: Counter[str] = Counter()  # messages dropped, by reason
        self.out: list[Effect] = []  # of the event being handled
        # Two clocks (decision 0102): intervals are measured on the first, which never jumps; the second says
        # what time it is, may be wrong and put right, and is never remembered as a deadline.
        self.now_ms = 0
        self.time_ms = 0
        self.stored_ms: int | None = (
            None  # when the last block was stored, by `now_ms`; None: not since the start
        )
        self.scheduled: int | None = None  # when the rules want the next block, in seconds
        self.voter: Signer | None = None  # the key this node votes with at this height: `recollection`
        self.move(tip, history)

    def move(self, tip: Tip, history: ValidatorHistory) -> None:
        """Forget the height: nothing is said about the next one yet."""
        self.tip = tip
        self.history = history
        self.validators = history.at(tip.height + 1)
        self.height: Height | None = None  # None: not begun
        self.heard: dict[bytes, Heard] = {}  # by short digest
        self.storing: Storing | Waiting | None = None  # decided; nothing more happens at this height

    def read_rules(self, application: Application) -> None:
        """The rules may have changed what consensus reads of them."""
        parameters = application.parameters(self.working)
        if parameters is not None:
            self.chain = replace(self.chain, parameters=parameters)
        self.scheduled = application.next_block_at(self.tip.time)

    @property
    def working(self) -> int:
        """The height being worked on."""
        return self.tip.height + 1

    @property
    def state(self) -> State:
        """Where the algorithm is."""
        return State(self.working) if self.height is None else self.height.state

    def refuse(self, sender: str, reason: str) -> None:
        """Count a message that is dropped; who sends what no honest node sends pays for it."""
        self.refused[reason] += 1
        if reason in HOSTILE:
            self.out.append(Strike(sender, reason))

    def hear(self, round: int, data: bytes) -> None:
        """Keep a message of the height, so that others can be helped with it."""
        self.heard[short_digest(data)] = Heard(round, data, self.now_ms)

    def broadcast(self, data: bytes, *, at_rest: bool = False) -> None:
        """Send to every peer."""
        self.out.append(Broadcast(data, at_rest))


def short_digest(data: bytes) -> bytes:
    """How messages are named in a status."""
    return sha256(data).digest()[:SHORT_DIGEST_BYTES]
