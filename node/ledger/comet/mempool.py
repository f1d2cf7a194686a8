"""What is handed in goes into CometBFT's mempool, over its RPC, which asks this node's pool (CheckTx).

A thread of its own: CheckTx is answered by the engine's thread. While CometBFT is not there nothing is taken
from the inbox, which is bounded: whoever hands in is told to come again. Own ones and those of peers are
handed in alternately, so that nobody's batch keeps this participant's waiting. What only waits for another
record is kept here and handed in again after each block; CometBFT would pass it on to everybody.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from hashlib import sha256

from consensus.events import AttestationReceived
from node import log
from node.ledger.comet.rpc import Rpc, RpcRefused
from node.ledger.inbox import OWN, Inbox
from node.ledger.intake import AttestationBatch, Incoming
from node.ledger.ordering import HOSTILE_ATTESTATIONS
from node.ledger.subscriptions import Moments, PoolDropped

TICK_S = 0.25
AGAIN_S = 0.2  # CometBFT was not there
HANDED_PER_TURN = 256  # some milliseconds each: no turn lasts until all of a pool is handed in
TURN_S_MAX = 1.0  # where each takes longer
WAITING_MAX = 4_000  # own ones: the outbox has them all, and sends them again
WAITS = "waits"
_Item = tuple[str, bytes, bytes]
CATCHING_UP = "while node is catching up"  # 0.40: taken by nobody yet, as while it is away


class Mempool:
    """One thread that hands in."""

    name = "mempool"

    def __init__(
        self,
        rpc: Rpc,
        *,
        held: Callable[[bytes], bool],
        height: Callable[[], int],
        moments: Moments,
    ) -> None:
        """`held`: whether the pool has it already, by digest. `height`: of the last block here."""
        self._rpc, self._held, self._height = rpc, held, height
        self._moments = moments
        self.strike: Callable[[str], None] = lambda sender: None  # who sent what no honest node sends
        self.inbox: Inbox[Incoming] = Inbox()
        self.dropped: Counter[str] = Counter()  # attestations of peers that are told to nobody, by code
        # (sender, digest, attestation): this node's own, and those of peers or of a CometBFT before.
        self._own: deque[_Item] = deque()
        self._others: deque[_Item] = deque()
        self._own_next = True
        self._waiting: OrderedDict[bytes, bytes] = OrderedDict()
        self._waited_at = 0
        # What a CometBFT that was started again has to be given: of the last start alone.
        self._forgot: deque[list[bytes]] = deque(maxlen=1)
        self._woken = threading.Event()

    def turn(self) -> None:
        """Hand some in, or wait for some; what could not be handed in is tried again."""
        self._fill()
        until_s = time.monotonic() + TURN_S_MAX
        try:
            for _ in range(HANDED_PER_TURN):
                line = self._own if self._own and (self._own_next or not self._others) else self._others
                if not line:
                    break
                self._hand_in(*line[0])
                line.popleft()
                self._own_next = line is self._others
                if time.monotonic() >= until_s:
                    break
        except OSError:
            self._woken.wait(AGAIN_S)

    def wake(self) -> None:
        """A turn that waits returns."""
        self._woken.set()
        self.inbox.wake(AttestationBatch(OWN, []))

    def again(self, attestations: list[bytes]) -> None:
        """CometBFT was started anew, and its mempool is empty: it is given these; from any thread."""
        self._forgot.append(attestations)
        self.inbox.wake(AttestationBatch(OWN, []))

    def _fill(self) -> None:
        """Something of the own, and of others, where there is some; a wait for it where there is none."""
        if self._forgot:
            self._others.extend((OWN, sha256(tx).digest(), tx) for tx in self._forgot.popleft())
        height = self._height()
        if height != self._waited_at and self._waiting:
            self._waited_at = height
            self._own.extend((OWN, digest, tx) for digest, tx in self._waiting.items())
            self._waiting.clear()
        if not self._own:
            self._queue(self.inbox.get_of(lambda sender: sender == OWN))
        if not self._others:
            self._queue(self.inbox.get_of(lambda sender: sender != OWN))
        if not self._own and not self._others:
            self._queue(self.inbox.get(TICK_S))

    def _queue(self, event: Incoming | None) -> None:
        """CometBFT says at once that it has an own one; those of peers mostly came through it."""
        match event:
            case AttestationReceived(data, digest, _):
                self._own.append((OWN, digest, data))
            case AttestationBatch(sender, attestations):
                line = self._own if sender == OWN else self._others
                line.extend(
                    (sender, d, data) for data, d in attestations if sender == OWN or not self._held(d)
                )

    def _hand_in(self, sender: str, digest: bytes, tx: bytes) -> None:
        """CometBFT says what the pool says of it; OSError when it does not answer, or takes nothing yet."""
        height = self._height()
        try:
            told = self._rpc.ask("broadcast_tx_sync", tx=base64.b64encode(tx).decode())
        except RpcRefused as error:
            if CATCHING_UP in str(error):
                raise ConnectionError(str(error)) from error
            return  # it has it already, or its mempool is full: whoever handed it in comes again
        code = str(told.get("codespace", "")) if told.get("code") else ""
        if not code:
            return
        if code == WAITS and sender == OWN:
            if not self._waiting:
                self._waited_at = height
            self._waiting[digest] = tx
            while len(self._waiting) > WAITING_MAX:
                self._waiting.popitem(last=False)
        elif code == WAITS:
            self.dropped[code] += 1  # its own node hands it in again
        elif sender == OWN:
            because = str(told.get("log", ""))
            log.moment("dropped", digest=digest, code=code, because=because)
            self._moments.tell(PoolDropped(digest, because, code))
        else:
            self.dropped[code] += 1
            if code in HOSTILE_ATTESTATIONS:
                self.strike(sender)
