"""What comes in for the engine's thread: items of peers become events in the inbox, from any thread."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from consensus.encoding import Value, whole_numbers
from consensus.events import AttestationReceived, BlocksReceived, Event, MessageReceived, PeerHeight
from node.errors import ProblemError, bad_request
from node.ledger.engine_condition import Watch
from node.ledger.inbox import EVENTS_PER_SENDER_MAX, OWN, Inbox
from node.peers.messages import (
    ITEM_ASK_COSIGNATURE,
    ITEM_ATTESTATION,
    ITEM_CONSENSUS,
    ITEM_COSIGNATURE,
    ITEM_NOTE,
    Status,
)

RECENT_MAX = 16_384  # attestations remembered so that a repeated one is not judged again at once
RECENT_S = 2.0


@dataclass(frozen=True, slots=True)
class AttestationBatch:
    """Attestations of one request, each with its digest."""

    sender: str
    attestations: list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class CheckpointItem:
    """Something about checkpoints: a cosignature, a note, a question, or that a peer lacks the note."""

    what: str
    sender: str
    fields: tuple[Value, ...]


Incoming = Event | CheckpointItem | AttestationBatch
_WAKE = CheckpointItem("wake", "", ())


class Intake:
    """The way into the engine; nothing here waits for its thread."""

    def __init__(self, watch: Watch, attestations: Inbox[Incoming] | None = None) -> None:
        """`attestations`: where these go, if elsewhere."""
        self._watch = watch
        self.inbox: Inbox[Incoming] = Inbox()
        self._attestations_to = self.inbox if attestations is None else attestations
        self._recent: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def wake(self) -> None:
        """A turn that waits for an event returns."""
        self.inbox.wake(_WAKE)

    def submit(self, *attestations: bytes) -> None:
        """Attestations of this node, all or none; 503 when the inbox is full."""
        size_bytes, told = sum(map(len, attestations)), [(a, sha256(a).digest()) for a in attestations]
        if len(told) == 1:
            self._attestations_to.put(OWN, AttestationReceived(*told[0]), size_bytes=size_bytes)
            return
        batch, count = AttestationBatch(OWN, told), len(told)
        self._attestations_to.put(OWN, batch, count=count, size_bytes=size_bytes, patient=True)

    def items(self, sender: str, items: list[Value]) -> None:
        """Events of a peer's batch, all or none; an attestation seen a moment ago is not judged again."""
        self._watch.heard(sender)
        attestations: list[tuple[bytes, bytes]] = []
        events: list[tuple[Incoming, int]] = []
        for item in items:
            match item:
                case [kind, bytes(data)] if kind == ITEM_CONSENSUS:
                    events.append((MessageReceived(sender, data), len(data)))
                case [kind, bytes(data)] if kind == ITEM_ATTESTATION:
                    attestations.append((data, sha256(data).digest()))
                case [kind, size, bytes(root), str(log_line), str(line)] if (
                    kind == ITEM_COSIGNATURE and whole_numbers(size)
                ):
                    fields = (size, root, log_line, line)
                    size_bytes = len(root) + len(log_line) + len(line)
                    events.append((CheckpointItem("cosignature", sender, fields), size_bytes))
                case [kind, str(did)] if kind == ITEM_ASK_COSIGNATURE:
                    events.append((CheckpointItem("ask", sender, (did,)), len(did)))
                case [kind, str(note)] if kind == ITEM_NOTE:
                    events.append((CheckpointItem("note", sender, (note,)), len(note)))
                case _:
                    raise bad_request("malformed", "an item of the batch is not one this node knows")
        for event, size_bytes in events:
            self.inbox.put(sender, event, size_bytes=size_bytes)
        self._attestations(sender, attestations)

    def _attestations(self, sender: str, attestations: list[tuple[bytes, bytes]]) -> None:
        attestations = self._new(attestations)
        if not attestations:
            return
        size_bytes = sum(len(data) for data, _ in attestations)
        count = len(attestations)
        try:
            batch = AttestationBatch(sender, attestations)
            self._attestations_to.put(sender, batch, count=count, size_bytes=size_bytes, patient=True)
        except ProblemError:
            self._forget(attestations)
            raise

    def status(self, sender: str, status: Status, cosigned_size: int) -> None:
        """A peer says where it is; `cosigned_size` is that of the own checkpoint, which it may lack."""
        self._watch.heard(sender)
        replica, height, log_size, cosigned = status
        if self.inbox.waiting_of(sender) > EVENTS_PER_SENDER_MAX // 2:
            return  # a status comes again
        self.inbox.put(sender, PeerHeight(sender, height))
        if replica:
            self.inbox.put(sender, MessageReceived(sender, replica), size_bytes=len(replica))
        if cosigned < cosigned_size <= log_size:
            self.inbox.put(sender, CheckpointItem("lacks", sender, (cosigned,)))

    def blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None:
        """A peer's answer to a request for blocks."""
        size_bytes = sum(len(block) + len(certificate) for block, certificate in blocks)
        self.inbox.put(sender, BlocksReceived(sender, blocks), size_bytes=size_bytes)

    def _new(self, attestations: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Those that were not seen a moment ago."""
        now = time.monotonic()
        new: list[tuple[bytes, bytes]] = []
        with self._lock:
            for data, digest in attestations:
                seen = self._recent.get(digest)
                if seen is None or seen <= now - RECENT_S:
                    self._recent[digest] = now
                    self._recent.move_to_end(digest)
                    new.append((data, digest))
            while len(self._recent) > RECENT_MAX:
                self._recent.popitem(last=False)
        return new

    def _forget(self, attestations: list[tuple[bytes, bytes]]) -> None:
        """They were not taken in: they may come again at once."""
        with self._lock:
            for _, digest in attestations:
                self._recent.pop(digest, None)
