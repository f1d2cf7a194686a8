"""The engine of this node, as others see it: `engine.Engine`, answered from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from consensus.encoding import Value
from consensus.evidence import FaultEvidence
from node import log
from node.errors import not_found
from node.ledger.comet.whereabouts import read_at
from node.ledger.engine import Lending, Outgoing, OwnThread
from node.ledger.engine_condition import EngineCondition
from node.ledger.heard import HeardHeights
from node.ledger.ordering import Ordering
from node.peers.messages import Status


class EmbeddedEngine:
    """Drives a replica in this process, on the thread that calls `turn`."""

    name = "engine"
    trades: Sequence[OwnThread] = ()
    numbers: Mapping[str, int] = {}
    trouble: str | None = None

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self.renewed = threading.Event()
        self._heard = HeardHeights()

    def turn(self) -> None:
        """Wait for the next event or timer, and work off what is there. Always on one thread."""
        self._ordering.turn()
        if self._ordering.replica.chain.ended and not self.renewed.is_set():
            self._leave()

    def _leave(self) -> None:
        """Another engine orders from here on: once what is over is cosigned, or others have later blocks."""
        _, height, size, cosigned = self._ordering.status
        if cosigned >= size or self._heard.ahead(height, self._ordering.replica.validators):
            log.moment("engine_moved", height=height)
            self.renewed.set()

    def wake(self) -> None:
        """A turn that waits for an event returns."""
        self._ordering.intake.wake()

    def attach(self, out: Outgoing, where: Callable[[], Mapping[str, str]]) -> None:
        """The way to the peers; before the first turn."""
        self._ordering.out = out

    def lend(self, lending: Lending) -> None:
        """Newcomers are given snapshots by the node itself."""

    def end(self) -> None:
        """There is no process of its own."""

    def close(self) -> None:
        """Its databases are the node's."""

    def submit(self, *attestations: bytes) -> None:
        """Hand attestations to the own pool, all or none; 503 when the inbox is full."""
        self._ordering.intake.submit(*attestations)

    def peer_items(self, sender: str, items: list[Value]) -> None:
        """Take a peer's batch in, all or nothing; 503 when too much of it waits."""
        self._ordering.intake.items(sender, items)

    def peer_status(self, sender: str, status: Status) -> None:
        """A peer says where it is; one whose network was moved on says where its CometBFT is."""
        comet = read_at(status[0]) is not None
        self._heard.hear(sender, status[1], comet)
        if comet:
            status = (b"", *status[1:])
        self._ordering.intake.status(sender, status, self._ordering.status[3])

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None:
        """A peer's answer to a request for blocks."""
        self._ordering.intake.blocks(sender, blocks)

    def peer_question(self, content: bytes) -> bytes:
        """There is no process of its own that could be asked."""
        raise not_found("no_such_engine", "CometBFT does not order at this node")

    def peer_clock(self, peer: str, time_s: float, answered: bool) -> None:
        """What this peer signed shows its clock: an answer that of now, a request perhaps an old one."""
        self._ordering.watch.clock(peer, time_s, answered=answered)

    def status(self) -> Status:
        """What peers are told."""
        return self._ordering.status

    @property
    def round(self) -> int:
        """The round being worked on."""
        return self._ordering.round

    @property
    def pool_size(self) -> int:
        """Attestations that wait for a block."""
        return len(self._ordering.replica.pool)

    @property
    def withheld(self) -> str | None:
        """Why this validator does not vote."""
        replica = self._ordering.replica
        return replica.withheld if replica.validators.get(self._ordering.did) is not None else None

    @property
    def cpu_s(self) -> dict[str, float]:
        """Seconds of the engine's thread by stage."""
        return self._ordering.stages.cpu_s.copy()

    @property
    def refused(self) -> dict[str, int]:
        """What was refused of peers, by reason."""
        attestations = {f"attestation_{code}": count for code, count in self._ordering.dropped.copy().items()}
        return {**self._ordering.replica.refused.copy(), **attestations}

    def evidence(self) -> list[FaultEvidence]:
        """Faults of validators that no block has recorded yet."""
        return self._ordering.evidence

    def condition(self) -> EngineCondition:
        """How the engine is, now: what readiness is judged by."""
        replica = self._ordering.replica
        return self._ordering.watch.condition(
            replica.validators,
            self._ordering.did,
            height=self._ordering.ledger.height,
            block_ahead_s=max(0.0, replica.tip.time - self._ordering.wall()),
            withheld=self.withheld,
            forked=replica.forked,
            lacking=replica.lacking,
            asking=replica.asking,
            pool=len(replica.pool),
            pool_ready=replica.pool.ready,
            pool_full_percent=replica.pool.full_percent,
            pool_by_issuer=self._ordering.pool_by_issuer,
            inbox=len(self._ordering.intake.inbox),
        )
