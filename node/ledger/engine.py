"""The seam to whatever orders attestations: what a node asks of it, and what it asks of the gossip.

`EmbeddedEngine` (embedded.py) drives `consensus.replica`, `CometEngine` (comet/) stands behind CometBFT.
Both hand what is decided to `Ledger.adopt` (ledger.py), and answer the same questions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from consensus.encoding import Value
from consensus.evidence import FaultEvidence
from node.ledger.engine_condition import EngineCondition
from node.peers.messages import Item, Status


class Outgoing(Protocol):
    """What the engine asks of the gossip."""

    def broadcast(self, item: Item, *, observers: bool = False) -> None: ...

    def send(self, did: str, item: Item) -> None: ...

    def request_blocks(self, did: str, height: int) -> None: ...

    def strike(self, sender: str) -> None:
        """This sender sent what no honest node sends."""

    def request(self, did: str, path: str, body: bytes) -> bytes:
        """One signed question, answered now; OSError or ProblemError where it is not."""


class Lending(Protocol):
    """What the engine may hand to newcomers: the snapshots of this node, cut into chunks."""

    def offered(self, height_max: int) -> list[tuple[int, tuple[bytes, ...]]]:
        """(height, SHA-256 of each chunk) of what there is up to this height."""

    def chunk(self, height: int, index: int) -> bytes:
        """One of them; nothing where it is not there any more."""


class OwnThread(Protocol):
    """What needs a thread of its own (`node/supervision/`)."""

    @property
    def name(self) -> str: ...

    def turn(self) -> None: ...

    def wake(self) -> None: ...


class Engine(Protocol):
    """What the node asks of whatever orders its attestations. All but `turn` from any thread."""

    @property
    def name(self) -> str:
        """What the operator calls its thread."""

    def turn(self) -> None:
        """One piece of work, or a bounded wait for some; always on one thread."""

    def wake(self) -> None:
        """A turn that waits returns at once."""

    def attach(self, out: Outgoing, where: Callable[[], Mapping[str, str]]) -> None:
        """The way to the peers, and {DID: URL} of whoever takes part; before the first turn."""

    def lend(self, lending: Lending) -> None:
        """What newcomers may be handed; before the first turn."""

    @property
    def trades(self) -> Sequence[OwnThread]:
        """What else of it needs a thread."""

    @property
    def renewed(self) -> threading.Event:
        """Set once the node is to be opened again: a ledger was given to it."""

    def end(self) -> None:
        """Before its threads are stopped: a process of its own is ended."""

    def close(self) -> None:
        """After its threads have ended."""

    def submit(self, *attestations: bytes) -> None:
        """Hand attestations to the own pool, all or none; 503 when the inbox is full."""

    def peer_items(self, sender: str, items: list[Value]) -> None:
        """Take a peer's batch in, all or nothing; 503 when too much of it waits."""

    def peer_status(self, sender: str, status: Status) -> None:
        """A peer says where it is."""

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None:
        """A peer's answer to a request for blocks: each with its certificate."""

    def peer_question(self, content: bytes) -> bytes:
        """What a peer asks of the engine itself; 404 where there is nothing to ask."""

    def peer_clock(self, peer: str, time_s: float, answered: bool) -> None:
        """What this peer signed shows its clock: an answer that of now, a request perhaps an old one."""

    def status(self) -> Status:
        """What peers are told."""

    def condition(self) -> EngineCondition:
        """What readiness is judged by."""

    def evidence(self) -> list[FaultEvidence]:
        """Faults of validators, each with the two statements that prove it, that no block has recorded yet.

        Under CometBFT of rival checkpoints alone: it names who voted twice and shows no votes, which proves
        nothing by itself and accuses nobody; amnesia, a lock that was forgotten, it does not detect.
        """

    @property
    def round(self) -> int:
        """The round being worked on."""

    @property
    def pool_size(self) -> int:
        """Attestations that wait for a block."""

    @property
    def withheld(self) -> str | None:
        """Why this validator does not vote."""

    @property
    def refused(self) -> Mapping[str, int]:
        """What was refused of peers, by reason."""

    @property
    def cpu_s(self) -> Mapping[str, float]:
        """Seconds of the engine's thread by stage."""

    @property
    def numbers(self) -> Mapping[str, int]:
        """What else it counts, for the metrics."""

    @property
    def trouble(self) -> str | None:
        """Why its own process orders nothing now; None while it is well, and where there is none."""
