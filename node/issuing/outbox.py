"""The outbox: own attestations go to every validator until their receipt exists.

    outbox -> admitted | claim (recorded; nothing follows from it) | refused (with the rule and the winner)
           -> receipted
           -> cancelled by its author: not sent again; what was sent before may be recorded until it expires
           -> dropped: every pool will say no (a rule of block validity); nothing was recorded

One that raises what nobody foresaw is set aside, and is not sent again before the operator says so.
An attestation is in office.db before this thread sees it. What is sent is sent again every few seconds until
the own ledger shows it as final; a crash at any point repeats a step and loses none.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from credentials.documents.canonical import b64u, b64u_decode
from node import log
from node.errors import ProblemError, TokenAway
from node.issuing.ledger_follower import Following
from node.ledger.subscriptions import Moments, PoolDropped, Subscription
from node.peers.messages import ITEM_ATTESTATION, Item
from node.resolution.webhooks import Webhooks
from node.storage.database import Transaction
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.outbox import OutboxItem, Receipted
from node.transient_faults import PASSING, sentence

RESEND_S_MIN, RESEND_S_MAX = 2.0, 15.0
SEND_MAX = 512  # in one round: the oldest first
SENT_MAX = 4 * SEND_MAX  # that nothing was heard of yet; the next one waits for one of them
SEND_TOGETHER = 64  # handed to the engine as one
TOLD_TOGETHER = 25  # receipts in one post of a webhook
REST_S, AGAIN_S, OPENING_WAIT_S = 5.0, 1.0, 0.05  # what is new wakes it; AGAIN_S: while something waits
ATTESTATION = "attestation"  # what is set aside
TRANSIENT = frozenset({"pool_full", "duplicate", "quota"})  # the attestation itself is not at fault


class Submitting(Protocol):
    """`engine.Engine`."""

    def submit(self, *attestations: bytes) -> None: ...


class Sending(Protocol):
    """`gossip.Gossip`."""

    def broadcast(self, item: Item, *, observers: bool = False) -> None: ...


class Outbox:
    """One thread that settles, receipts and sends."""

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        engine: Submitting,
        gossip: Sending,
        following: Following,
        *,
        webhooks: Webhooks,
    ) -> None:
        self._following = following
        self._webhooks = webhooks
        self._office = office
        self._ledger = ledger
        self._engine = engine
        self._gossip = gossip
        self._sent: dict[bytes, tuple[float, float]] = {}  # digest -> when, how long until the next time
        self._seen = 0  # number of the newest one that was looked at
        self._again_at = 0.0  # monotonic: when all that waits is looked through
        self._dropped: deque[tuple[bytes, str, str]] = deque(maxlen=10_000)
        self._moments: Subscription | None = None
        self._wake = threading.Event()

    name = "outbox"

    def wake(self) -> None:
        """Something is new: an attestation, a block, a checkpoint."""
        self._wake.set()

    def listen(self, moments: Moments) -> None:
        """Be told of blocks, checkpoints, and what the own pool gives up."""
        self._moments = moments.subscribe(self.wake)

    def _hear(self) -> None:
        for moment in self._moments.take() if self._moments is not None else ():
            if isinstance(moment, PoolDropped) and moment.code not in TRANSIENT:
                self._dropped.append((moment.digest, moment.reason, moment.code))

    def turn(self) -> None:
        """Wait for something new, and do one round."""
        rest_s = min(max(self._again_at - time.monotonic(), AGAIN_S), REST_S)
        self._wake.wait(rest_s if self._following.is_open else OPENING_WAIT_S)
        self._wake.clear()
        self.round()

    def round(self) -> None:
        """One round; called by `turn`, and by tests."""
        try:
            self.settle()
        except TokenAway:  # a status list waits for its key: what is signed already goes on
            self.receipt()
            self.send()
            raise
        self.receipt()
        self.send()

    def settle(self) -> None:
        """Take over from the ledger what became of attestations, and from the pool what it gave up."""
        self._hear()
        for digest in self._following.turn():
            self._sent.pop(digest, None)
        given_up = dict[bytes, tuple[bytes, str, str]]()
        while self._dropped:
            digest, reason, code = self._dropped.popleft()
            # Another validator may have proposed what the own pool gave up.
            if not self._ledger.leaves.with_digest(digest):
                given_up[digest] = digest, code, reason
        if not given_up:
            return
        waiting = self._office.outbox.get_many(list(given_up))
        if any(i.kind in self._following.listing and i.state == "outbox" for i in waiting.values()):
            self._following.list_dropped()
        with self._office.writing() as db:
            self._office.outbox.drop(db, given_up.values())

    def receipt(self) -> None:
        """Note which attestations are now under a cosigned checkpoint."""
        kept = self._ledger.checkpoint()
        if kept is None or not self._office.outbox.has_below(kept[0]):
            return  # whoever issues would wait for a transaction that writes nothing
        with self._office.writing() as db:
            found = self._office.outbox.receipt(db, kept[0], now := int(time.time()), SEND_MAX * 4)
            for start in range(0, len(found), TOLD_TOGETHER):
                self._tell(db, found[start : start + TOLD_TOGETHER], now)
        if found:
            log.moment("receipt", count=len(found), size=kept[0])
        if len(found) == SEND_MAX * 4:
            self._wake.set()

    def _tell(self, db: Transaction, found: Sequence[Receipted], now: int) -> None:
        told = [
            {
                "attestation": b64u(one.digest),
                "document": b64u(one.document_digest),
                "type": one.kind,
                "battery": one.battery,
                "state": one.state,
            }
            for one in found
        ]
        id = f"receipts_{b64u(found[0].digest)}"
        self._webhooks.post(db, "receipts", id, {"receipted_at": now, "receipts": told})

    def send(self) -> None:
        """Send what is new; and all that waits is looked through once something is to be sent again."""
        now = time.monotonic()
        self._take_up_again()
        due = self._new() if now < self._again_at else self._all_due(now)
        if due:
            self._seen = max(self._seen, due[-1].number)
            self._send(due, now)

    def _new(self) -> list[OutboxItem]:
        room = min(SEND_MAX, SENT_MAX - len(self._sent))
        new = self._office.outbox.waiting("outbox", room, self._seen)
        if len(new) == room > 0:
            self._wake.set()
        return self._without_aside(new)

    def _all_due(self, now: float) -> list[OutboxItem]:
        waiting = self._office.outbox.waiting("outbox", SENT_MAX)
        known = self._sent
        self._sent = {item.digest: known[item.digest] for item in waiting if item.digest in known}
        self._seen = max([self._seen, *(item.number for item in waiting)])
        waiting = self._without_aside(waiting)
        due = [item for item in waiting if self._due_at(item) <= now]
        later = [at for item in waiting if (at := self._due_at(item)) > now]
        self._again_at = min(later, default=now + RESEND_S_MAX)
        if len(due) > SEND_MAX:
            self._again_at = 0.0
            self._wake.set()
        return due[:SEND_MAX]

    def _without_aside(self, items: list[OutboxItem]) -> list[OutboxItem]:
        aside = set(self._office.aside.refs(ATTESTATION, again=False)) if items else set()
        return [item for item in items if b64u(item.digest) not in aside]

    def _due_at(self, item: OutboxItem) -> float:
        sent, wait_s = self._sent.get(item.digest, (0.0, 0.0))
        return sent + wait_s

    def _put_aside(self, item: OutboxItem, error: Exception) -> None:
        ref = b64u(item.digest)
        log.moment("set_aside", what=ATTESTATION, ref=ref, because=sentence(error))
        with self._office.writing() as db:
            self._office.aside.put(db, ATTESTATION, ref, sentence(error), int(time.time()))

    def _take_up_again(self) -> None:
        """What the operator wants sent again is sent in this round."""
        for ref in self._office.aside.refs(ATTESTATION, again=True):
            with self._office.writing() as db:
                self._office.aside.clear(db, ATTESTATION, ref)
            self._sent.pop(b64u_decode(ref, "digest"), None)
            self._again_at = 0.0

    def _send(self, items: Sequence[OutboxItem], now: float) -> None:
        for start in range(0, len(items), SEND_TOGETHER):
            part = items[start : start + SEND_TOGETHER]
            try:
                self._hand_over(part, now)
            except ProblemError:
                self._again_at = 0.0
                return  # the inbox is full: the next round goes on here
        if items:
            log.moment("outbox", count=len(items), first=items[0].digest)

    def _hand_over(self, items: Sequence[OutboxItem], now: float) -> None:
        """To the engine and the peers; one that raises by itself is set aside; ProblemError: no room."""
        try:
            self._engine.submit(*(item.data for item in items))
            for item in items:
                self._gossip.broadcast([ITEM_ATTESTATION, item.data])
        except (ProblemError, *PASSING):
            raise
        except Exception as error:
            if len(items) == 1:
                self._put_aside(items[0], error)
                return
            for item in items:
                self._hand_over([item], now)
            return
        for item in items:
            before = self._sent.get(item.digest)
            wait_s = RESEND_S_MIN if before is None else min(2 * before[1], RESEND_S_MAX)
            self._sent[item.digest] = now, wait_s
            self._again_at = min(self._again_at, now + wait_s)
