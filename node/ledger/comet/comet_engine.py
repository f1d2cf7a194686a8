"""CometBFT as the engine of this node: `engine.Engine`, over application, signer, mempool and process.

Checkpoints, evidence and what peers say of themselves travel in this node's own gossip, as with the embedded
engine; attestations and votes in CometBFT's.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from consensus.encoding import Value
from consensus.errors import ConsensusError, OwnFault
from consensus.events import MessageReceived
from consensus.evidence import FaultEvidence
from consensus.refusals import HOSTILE, reason_of
from node import log
from node.ledger.checkpoints import Checkpoints
from node.ledger.comet.behind import Behind
from node.ledger.comet.leaving import Leaving
from node.ledger.comet.memory import Memory
from node.ledger.comet.mempool import Mempool
from node.ledger.comet.newcomer import Newcomer
from node.ledger.comet.process import CometProcess
from node.ledger.comet.relay import PROMPT_S_MAX, answer_peer
from node.ledger.comet.rpc import Rpc
from node.ledger.comet.signer import SignerLink
from node.ledger.comet.whereabouts import Whereabouts, is_no_message, told_at
from node.ledger.engine import Lending, Outgoing, OwnThread
from node.ledger.engine_condition import EngineCondition, Watch
from node.ledger.intake import CheckpointItem, Incoming, Intake
from node.ledger.ledger import Ledger
from node.peers.messages import ITEM_CONSENSUS, Status
from node.storage.signing import FORKED, SigningStore

EVENTS_PER_TURN_MAX = 256
TICK_S = 0.25


class CometEngine:
    """All but `turn` from any thread. Its plain attributes are written by the engine's thread alone."""

    name = "engine"

    def __init__(
        self,
        behind: Behind,
        link: SignerLink,
        process: CometProcess,
        mempool: Mempool,
        *,
        did: str,
        node_id: bytes,
        ledger: Ledger,
        checkpoints: Checkpoints,
        signing: SigningStore,
        rpc: Path,
        leaving: Leaving,
        newcomer: Newcomer | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`did` votes whenever the set of the next block names it, and follows otherwise.
        `rpc`: where CometBFT answers. `newcomer`: of a node that takes a ledger over first.
        """
        self._behind, self._link, self._process, self._mempool = behind, link, process, mempool
        self._did, self._node_id, self._wall = did, node_id, wall
        self._ledger, self._checkpoints, self._rpc, self._newcomer = ledger, checkpoints, rpc, newcomer
        self.watch = Watch(wall=wall)
        self.intake = Intake(self.watch, mempool.inbox)
        self._memory = Memory(checkpoints, signing, ledger.height, did)
        self._whereabouts, self._leaving = Whereabouts(), leaving
        self._out: Outgoing | None = None
        self.renewed = newcomer.renewed if newcomer else threading.Event()
        self._begun, self._ticked_at, self._greeted, self._cpu_s = False, 0.0, 0, 0.0
        self._evidence: list[FaultEvidence] = []
        self._refused: Counter[str] = Counter()
        process.peers, behind.proven.admits = self._whereabouts.peers, self._whereabouts.admits
        self._look()

    def attach(self, out: Outgoing, where: Callable[[], Mapping[str, str]]) -> None:
        """The way to the peers, and {DID: URL} of whoever takes part; before the first turn."""
        self._out = self._checkpoints.out = out
        self._mempool.strike = out.strike
        self._whereabouts.where = where
        if self._newcomer is not None:
            self._newcomer.attach(out, self._whereabouts.peers)
        self._leaving.attach(out, self.renewed)

    def lend(self, lending: Lending) -> None:
        """Newcomers take these over by state sync."""
        self._behind.handing.lending = lending

    @property
    def trades(self) -> Sequence[OwnThread]:
        """What else needs a thread: the signer first, as CometBFT asks for it at once."""
        more = self._newcomer.trades if self._newcomer else self._leaving.trades
        return self._link, *more, self._process, self._mempool

    # --- the engine's thread

    def turn(self) -> None:
        """Answer CometBFT, and work off what peers sent. Always on one thread."""
        if not self._begun:
            self._begun = True
            self._checkpoints.restore()
            self._checkpoints.ask(self._did)
            self._checkpoints.cosign()
        height = self._ledger.height
        self._behind.turn()
        if self._ledger.height != height:
            self.watch.final()
        if (greeted := self._behind.abci.greeted) != self._greeted:
            self._greeted = greeted
            self._mempool.again(self._behind.delivered.pool.everything())
        for _ in range(EVENTS_PER_TURN_MAX):
            if (event := self.intake.inbox.get(0)) is None:
                break
            self._take(event)
        if time.monotonic() >= self._ticked_at + TICK_S:
            self._ticked_at = time.monotonic()
            self._tick()
        self._look()
        self.watch.turned(self._behind.delivered.pool.ready)
        if self._behind.delivered.ended:
            self._leaving.leave(self._ledger, self._validators, self._checkpoints.cosigned_size, self.renewed)

    def _tick(self) -> None:
        heard = self.watch.quorum_age_s(self._validators, self._did) is not None
        self._memory.heed(self._ledger.height, quorum_heard=heard)
        self._checkpoints.tick()
        self._accuse()
        self._leaving.look(self._ledger.height, self._validators)

    def _take(self, event: Incoming) -> None:
        """Work off one event. What it raises by itself sets it aside; a broken invariant goes on up."""
        try:
            match event:
                case CheckpointItem(what, sender, fields) if what != "wake":
                    self._checkpoints.take(what, sender, fields)
                case MessageReceived(sender, data) if not is_no_message(data):
                    self._show(sender, data)
        except (AssertionError, OwnFault):
            raise
        except Exception as error:
            what = event.what if isinstance(event, CheckpointItem) else type(event).__name__
            sender = getattr(event, "sender", "")
            item = self.watch.aside(what, sender, error)
            log.moment("set_aside", what=what, peer=sender, because=item.because)

    def _show(self, sender: str, data: bytes) -> None:
        """Evidence, of a peer or of this node; all else that a replica says is not for this engine.

        What no honest node sends costs its sender as much as under the embedded engine.
        """
        assert self._out is not None
        try:
            for told in self._behind.delivered.show(data):
                self._out.broadcast([ITEM_CONSENSUS, told])
        except ConsensusError as error:
            self._refused["not_evidence"] += 1
            if reason_of(error) in HOSTILE and sender != self._did:
                self._out.strike(sender)

    def _accuse(self) -> None:
        """Two checkpoints of one size by one key: as soon as they are seen."""
        keys = self._behind.delivered.parameters.note_keys
        for found in self._checkpoints.cosigning.accusations(keys):
            self._show(self._did, found.encode())
        before, self._evidence = self._evidence, self._behind.delivered.evidence
        for one in self._evidence:
            if one not in before:
                log.moment("evidence", kind=one.kind, validator=one.validator, height=one.height)

    def _look(self) -> None:
        """What other threads are told of this one."""
        delivered = self._behind.delivered
        self._validators = delivered.history.at(delivered.working)
        self._pool_by_issuer = delivered.pool.by_issuer
        self._cpu_s = time.thread_time() if self._begun else 0.0

    # --- from any thread

    def wake(self) -> None:
        """A turn that waits returns."""
        self._behind.wake()

    def end(self) -> None:
        """CometBFT is ended, in order, while the application still answers."""
        self._process.end()

    def close(self) -> None:
        """No thread runs any more."""
        for one in (self._link, self._behind, *((self._newcomer,) if self._newcomer else ())):
            one.close()

    def submit(self, *attestations: bytes) -> None:
        """Hand attestations in, all or none; 503 when the inbox is full."""
        self.intake.submit(*attestations)

    def peer_items(self, sender: str, items: list[Value]) -> None:
        """Take a peer's batch in, all or nothing; 503 when too much of it waits."""
        self.intake.items(sender, items)
        self._behind.wake()

    def peer_status(self, sender: str, status: Status) -> None:
        """A peer says where it is, and where its CometBFT is."""
        self.intake.status(sender, status, self._checkpoints.cosigned_size)
        self._whereabouts.learn(sender, status[0])
        self._leaving.hear(sender, status)

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None:
        """CometBFT gets its blocks itself."""

    def peer_question(self, content: bytes) -> bytes:
        """Headers, validators and limits of a height, as this node's CometBFT has them."""
        return answer_peer(Rpc(self._rpc, PROMPT_S_MAX), content)

    def peer_clock(self, peer: str, time_s: float, answered: bool) -> None:
        """What this peer signed shows its clock: an answer that of now, a request perhaps an old one."""
        self.watch.clock(peer, time_s, answered=answered)

    def status(self) -> Status:
        """What peers are told."""
        ledger, at = self._ledger, told_at(self._node_id, self._process.port)
        return at, ledger.height, ledger.size, self._checkpoints.cosigned_size

    def evidence(self) -> list[FaultEvidence]:
        """Faults of validators that no block has recorded yet."""
        return self._evidence

    @property
    def round(self) -> int:
        """CometBFT's own business."""
        return 0

    @property
    def pool_size(self) -> int:
        """Attestations that wait for a block."""
        return len(self._behind.delivered.pool)

    @property
    def withheld(self) -> str | None:
        """Why this validator does not vote."""
        kept = self._memory.withheld
        return kept.reason if kept is not None and self._validators.get(self._did) is not None else None

    @property
    def refused(self) -> Mapping[str, int]:
        """What was refused of peers, by reason."""
        attestations = {f"attestation_{code}": n for code, n in self._mempool.dropped.copy().items()}
        return {**self._refused.copy(), **attestations}

    @property
    def cpu_s(self) -> Mapping[str, float]:
        """Seconds of the engine's thread."""
        return {"order": self._cpu_s}

    @property
    def numbers(self) -> Mapping[str, int]:
        """What CometBFT says of itself."""
        up = {"up": int(self._process.trouble is None), "starts_total": self._process.starts}
        return {f"cometbft_{name}": number for name, number in {**up, **self._process.shown}.items()}

    @property
    def trouble(self) -> str | None:
        """Why CometBFT orders nothing now; None while it is well."""
        return self._leaving.trouble(self._ledger.height, self._validators) or self._process.trouble

    def condition(self) -> EngineCondition:
        """How the engine is, now: what readiness is judged by."""
        delivered, kept = self._behind.delivered, self._memory.withheld
        pool = delivered.pool
        return self.watch.condition(
            self._validators,
            self._did,
            height=self._ledger.height,
            block_ahead_s=max(0.0, delivered.tip.time - self._wall()),
            withheld=self.withheld,
            forked=kept.height if kept is not None and kept.reason == FORKED else None,
            lacking=self._behind.abci.lacking,
            asking=self._memory.asking,
            pool=len(pool),
            pool_ready=pool.ready,
            pool_full_percent=pool.full_percent,
            pool_by_issuer=self._pool_by_issuer,
            inbox=len(self.intake.inbox) + len(self._mempool.inbox),
        )
