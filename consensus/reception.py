"""The edge: what peers send is read, verified and handed to its trade, or dropped for a reason.

Total by construction: one `except ConsensusError`, a reason for every class of it (`refusals.py`), and what
nobody foresaw is dropped as well, with its sender, for people to see (decision 0100).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from consensus.encoding import decode
from consensus.errors import ConsensusError, OwnFault
from consensus.events import Unforeseen
from consensus.evidence import is_evidence
from consensus.faults import Faults
from consensus.recollection import Recollection, is_recollection
from consensus.refusals import OVERSIZED, UNFORESEEN, reason_of
from consensus.replica_state import Present, short_digest
from consensus.rounds import Rounds
from consensus.sync import Sync, is_status
from consensus.types import Vote, decode_message

MESSAGE_BYTES_OVERHEAD = 4096  # of a proposal around its block


class Reception:
    """Every message of a peer passes here, those kept for a later height twice."""

    def __init__(
        self, present: Present, *, sync: Sync, faults: Faults, recollection: Recollection, rounds: Rounds
    ) -> None:
        self._present, self._sync, self._faults = present, sync, faults
        self._recollection, self._rounds = recollection, rounds

    @contextmanager
    def edge(self, what: str, sender: str) -> Iterator[None]:
        """Whatever a peer's bytes raise ends here; what was signed on the way is still persisted and sent.

        Nothing is kept of a message before it is verified, and what is kept only grows, so the state is
        defined wherever an error breaks in. A broken invariant of our own is no input: it goes on.
        """
        try:
            yield
        except ConsensusError as error:
            self._present.refuse(sender, reason_of(error))
        except (AssertionError, OwnFault):
            raise
        except Exception as error:
            self._present.refused[UNFORESEEN] += 1
            self._present.out.append(Unforeseen(what, sender, error))

    def receive(self, sender: str, data: bytes, received_ms: int) -> None:
        """A message: `received_ms` is the wall clock of its reception."""
        with self.edge("MessageReceived", sender):
            self._take(sender, data, received_ms)

    def _take(self, sender: str, data: bytes, received_ms: int) -> None:
        present = self._present
        size_max = present.chain.parameters.block_bytes_max + MESSAGE_BYTES_OVERHEAD
        if len(data) > size_max:
            present.refuse(sender, OVERSIZED)
            return
        if short_digest(data) in present.heard:
            present.refused["duplicate"] += 1
            return
        value = decode(data, size_bytes_max=size_max)
        if is_status(value):
            assert isinstance(value, list)
            self._sync.answer(sender, value)
            return
        if is_evidence(value):
            self._faults.take(data)
            return
        if is_recollection(value):
            assert isinstance(value, list)
            self._recollection.take(sender, value)
            return
        message = decode_message(value)
        if message.height > present.working:
            self._sync.note_height(sender, message.height - 1)
            self._sync.buffer(sender, message.height, data)
        elif message.height < present.working or present.storing is not None or present.voter is None:
            present.refused["late"] += 1
            if isinstance(message, Vote):
                self._faults.take_late(message)
        elif isinstance(message, Vote):
            self._rounds.take_vote(message, data)
        else:
            self._rounds.verify(message)
            self._sync.suspect_rival(message)
            self._rounds.take_proposal(message, data, received_ms)
