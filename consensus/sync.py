"""Peers: where they are, who is helped with messages, who is asked for blocks, what they sent too early.

A node that made no progress between two ticks broadcasts its status. A peer at the same height answers with
the messages that are missing; a peer ahead with its own status, and the one behind asks for blocks.

    status   ["comity/status/v1", height, round, step, first 8 bytes of the SHA-256 of each message, joined]
             step: 0 not begun, 1 propose, 2 prevote, 3 precommit, 4 decided (or an observer: wants no votes)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from consensus.encoding import EncodingError, Value, encode, whole_numbers
from consensus.events import RequestBlocks, Send
from consensus.machine import Step
from consensus.replica_state import SHORT_DIGEST_BYTES, Present
from consensus.types import Proposal

BUFFERED_PER_SENDER_MAX = 64  # messages for the next height
BUFFERED_BYTES_PER_SENDER_MAX = 2 << 20
SENDERS_MAX = 256
BLOCKS_QUEUED_MAX = 64
HELP_MESSAGES_MAX = 64
HELP_BYTES_MAX = 2 << 20
HELP_INTERVAL_MS = 100  # between two answers to one sender's status
IN_FLIGHT_MS = 200  # what is younger is on its way: nobody is helped with it or behind for it (decision 0010)
REQUEST_INTERVAL_MS = 1_000  # between two requests for blocks without an answer
IDLE_STATUS_MS = 5_000

_STATUS_TAG = "comity/status/v1"


def is_status(value: Value) -> bool:
    """Whether a decoded message says that it is a status."""
    return isinstance(value, list) and bool(value) and value[0] == _STATUS_TAG


@dataclass(slots=True)
class _Buffer:
    """Messages of one sender for the next height."""

    messages: list[tuple[bytes, int]] = field(default_factory=list)  # bytes, wall clock of reception in ms
    size_bytes: int = 0


@dataclass(slots=True)
class _Peer:
    """What is known of a sender."""

    height: int = 0  # stored blocks, by its own word
    helped_ms: int | None = None
    buffer: _Buffer = field(default_factory=_Buffer)


class Sync:
    """Helping others on, and being helped on."""

    def __init__(self, present: Present) -> None:
        self._present = present
        self._peers: dict[str, _Peer] = {}
        self._queue: list[tuple[str, bytes, bytes]] = []  # received blocks that are not executed yet
        self._requested_ms: int | None = None
        self._requests = 0
        self._behind_since_ms: int | None = None
        self._status_ms: int | None = None
        self._last_place: tuple[int, int, int] | None = None
        self.catching_up = False  # the last block came from a peer

    def _peer(self, sender: str) -> _Peer:
        if sender not in self._peers:
            if len(self._peers) >= SENDERS_MAX:
                del self._peers[next(iter(self._peers))]
            self._peers[sender] = _Peer()
        return self._peers[sender]

    def note_height(self, sender: str, height: int) -> None:
        """A peer says that it has stored blocks up to `height`."""
        peer = self._peer(sender)
        peer.height = max(peer.height, height)

    # --- messages of the next height

    def buffer(self, sender: str, height: int, data: bytes) -> None:
        """Keep a message for the next height, unverified; what does not fit comes again with a status."""
        present = self._present
        # Validators relay for one another; nobody else has messages of a height.
        validator = present.voter is not None and present.history.at(height).get(sender) is not None
        if height != present.working + 1 or not validator:
            present.refused["early"] += 1
            if present.voter is None:
                self.request_if_behind()  # who votes at a height has stored the one before
            return
        buffer = self._peer(sender).buffer
        if (
            len(buffer.messages) >= BUFFERED_PER_SENDER_MAX
            or buffer.size_bytes + len(data) > BUFFERED_BYTES_PER_SENDER_MAX
        ):
            present.refused["buffer_full"] += 1
            return
        buffer.messages.append((data, present.time_ms))
        buffer.size_bytes += len(data)

    def buffered(self) -> Iterator[tuple[str, bytes, int]]:
        """(sender, message, wall clock of its reception) of what was kept; each is given once."""
        for sender, peer in list(self._peers.items()):
            buffer, peer.buffer = peer.buffer, _Buffer()
            for data, received_ms in buffer.messages:
                yield sender, data, received_ms

    # --- blocks

    @property
    def waiting(self) -> bool:
        """Received blocks wait to be executed."""
        return bool(self._queue)

    @property
    def behind(self) -> bool:
        """Somebody has blocks that this node lacks, or is working on."""
        return bool(self._queue) or self._behind_since_ms is not None

    def take_blocks(self, sender: str, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        """The answer to a request; more than one answer is not kept."""
        if not blocks:
            self._peer(sender).height = 0  # it has nothing to show for the height it named
        if not self._queue:
            self._queue = [(sender, *pair) for pair in blocks[:BLOCKS_QUEUED_MAX]]

    def next_block(self) -> tuple[str, bytes, bytes] | None:
        """(sender, block, certificate) of the next received block; it is not given again."""
        return self._queue.pop(0) if self._queue else None

    def distrust(self, sender: str) -> None:
        """What it sent is no block of this chain: ask somebody else."""
        self._queue.clear()
        self._peer(sender).height = 0

    def forget_blocks(self) -> None:
        """What was received is of no use."""
        self._queue.clear()

    def answered(self) -> None:
        """A request for blocks led to one."""
        self._requested_ms = None

    def stored(self) -> None:
        """A block is on disk: this node is as far as it knows."""
        self._behind_since_ms = None

    def request_if_behind(self) -> None:
        """Ask one of those who are ahead for blocks, in turn."""
        present = self._present
        if present.storing is not None or self._queue:
            return
        if self._requested_ms is not None and present.now_ms - self._requested_ms < REQUEST_INTERVAL_MS:
            return
        ahead = self._ahead()
        if not ahead:
            self._behind_since_ms = None
            return
        if self._behind_since_ms is None:
            self._behind_since_ms = present.now_ms
        # A validator's own votes mostly decide within this time; others only learn of blocks this way.
        patient = present.voter is not None and not self.catching_up
        if patient and present.now_ms - self._behind_since_ms < IN_FLIGHT_MS:
            return
        self._requested_ms = present.now_ms
        self._requests += 1
        present.out.append(RequestBlocks(ahead[self._requests % len(ahead)], present.working))

    def _ahead(self) -> list[str]:
        """Who has blocks that this node lacks, as far as that can be believed."""
        # Blocks prove themselves, a height does not: whoever does not vote is not ahead of every validator.
        votes, height = self._present.validators, self._present.tip.height
        heard = max((peer.height for name, peer in self._peers.items() if votes.get(name)), default=0)
        return sorted(
            name
            for name, peer in self._peers.items()
            if (peer.height if votes.get(name) else min(peer.height, heard or peer.height)) > height
        )

    def suspect_rival(self, proposal: Proposal) -> None:
        """A validator builds on another block than this node's last one: ask which one was decided there."""
        present = self._present
        idle = self._requested_ms is None or present.now_ms - self._requested_ms >= REQUEST_INTERVAL_MS
        if proposal.block.previous_id != present.tip.block_id and present.tip.height > 0 and idle:
            self._requested_ms = present.now_ms
            present.out.append(RequestBlocks(proposal.proposer, present.tip.height))

    # --- status

    def status(self) -> bytes:
        """Where this node is and what it has heard at its height."""
        state = self._present.state
        # An observer wants blocks, not votes.
        step = Step.DECIDED if self._present.voter is None else state.step
        have = b"".join(sorted(self._present.heard))
        return encode([_STATUS_TAG, state.height, state.round, int(step), have])

    def send_status(self, *, at_rest: bool = False) -> None:
        """Tell everybody where this node is."""
        self._status_ms = self._present.now_ms
        self._present.broadcast(self.status(), at_rest=at_rest)

    def tick(self) -> bool:
        """Ask for help when nothing moves; whether nothing was said for long."""
        present = self._present
        self.request_if_behind()
        place = None
        if present.height is not None and present.storing is None:
            state = present.height.state
            place = (state.height, state.round, int(state.step))
        stuck = place is not None and place == self._last_place
        self._last_place = place
        idle_long = self._status_ms is None or present.now_ms - self._status_ms >= IDLE_STATUS_MS
        if stuck or idle_long:
            self.send_status(at_rest=place is None)
        return idle_long

    def answer(self, sender: str, value: list[Any]) -> None:
        """Help a peer on by what its status lacks; raises EncodingError for what is no status."""
        match value:
            case [_, height, round_, step, bytes() as have] if (
                whole_numbers(height, round_, step) and height > 0 and len(have) % SHORT_DIGEST_BYTES == 0
            ):
                pass
            case _:
                raise EncodingError("not a status")
        present = self._present
        self.note_height(sender, height - 1)
        if height > present.working:
            self.request_if_behind()
            return
        peer = self._peer(sender)
        if peer.helped_ms is not None and present.now_ms - peer.helped_ms < HELP_INTERVAL_MS:
            present.refused["too_often"] += 1
            return
        theirs = {have[at : at + SHORT_DIGEST_BYTES] for at in range(0, len(have), SHORT_DIGEST_BYTES)}
        slept = present.height is None and present.voter is not None and bool(theirs)
        settled = present.now_ms - (present.stored_ms or 0) >= IN_FLIGHT_MS
        if (height < present.working and settled) or slept:
            peer.helped_ms = present.now_ms
            present.out.append(Send(sender, self.status()))
        elif height == present.working and step < Step.DECIDED and self._help(sender, theirs):
            peer.helped_ms = present.now_ms

    def _help(self, sender: str, theirs: set[bytes]) -> bool:
        """Send the messages of the height that a peer lacks; whether there were any."""
        landed_ms = self._present.now_ms - IN_FLIGHT_MS
        lacking = [
            heard
            for digest, heard in self._present.heard.items()
            if digest not in theirs and heard.since_ms <= landed_ms
        ]
        lacking.sort(key=lambda heard: -heard.round)  # the latest round moves the sender furthest
        size_bytes, helped = 0, False
        for heard in lacking[:HELP_MESSAGES_MAX]:
            size_bytes += len(heard.data)
            if size_bytes > HELP_BYTES_MAX:
                break
            helped = True
            self._present.out.append(Send(sender, heard.data))
        return helped
