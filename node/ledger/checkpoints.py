"""Checkpoints on their way: the own cosignature is made and sent, those of others make a note that is kept.

`cosigner.py` judges lines and forms notes; here is when, from whom and to whom. On the engine's thread only.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from consensus.checkpoint import NoteError, SignedNote
from consensus.encoding import Value
from consensus.errors import OwnFault
from node import log
from node.ledger.cosigner import Conflict, Cosigning
from node.ledger.engine import Outgoing
from node.ledger.subscriptions import Moments, Progressed
from node.peers.messages import ITEM_ASK_COSIGNATURE, ITEM_COSIGNATURE, ITEM_NOTE
from node.storage.ledger import LedgerStore

RECOSIGN_S = 60.0  # an idle log is cosigned again
KEY_AGAIN_S = 3.0  # and one that was not for want of a key on a token
ENDS_TOLD_MAX = 32  # notes that end an epoch, to a peer that lacks the newest one
NOTE_INTERVAL_S = 0.2  # to one peer, while it lacks our cosigned checkpoint


class Checkpoints:
    """The cosigned checkpoint of this ledger."""

    def __init__(
        self,
        cosigning: Cosigning,
        store: LedgerStore,
        moments: Moments,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.cosigning = cosigning
        self._store, self._moments, self._wall = store, moments, wall
        self._note_sent: dict[str, float] = {}  # by peer
        self._note_grew = False
        self._cosigned_at = 0.0
        self.out: Outgoing | None = None  # set before the first turn
        self.may_sign: Callable[[], bool] = lambda: False  # set by the engine, which knows

    @property
    def note_grew(self) -> bool:
        """A line came that is not on disk yet."""
        return self._note_grew

    @property
    def cosigned_size(self) -> int:
        """Of the largest checkpoint that has its quorum."""
        return self.cosigning.cosigned_size

    def restore(self) -> None:
        """Learn from the disk which checkpoint was kept, and who signed it."""
        kept = self._store.checkpoint()
        if kept is not None:
            self.cosigning.cosigned_size = kept[0]
            self.cosigning.recall(SignedNote.parse(kept[1]))
        ends = self.cosigning.policies.ends()
        self.cosigning.ends_kept = {size for size in ends if self._store.checkpoint_of(size) is not None}

    def ask(self, did: str) -> None:
        """Which checkpoint did peers see signed by `did`?"""
        assert self.out is not None
        self.out.broadcast([ITEM_ASK_COSIGNATURE, did])

    def cosign(self) -> None:
        """Sign the checkpoint of the whole tree and send it, if this node may; keep what has its quorum."""
        assert self.out is not None
        self._cosigned_at = time.monotonic()
        if not self.may_sign():
            return
        fields = self.cosigning.cosign(int(self._wall()))
        if self.cosigning.key_is_away:
            self._cosigned_at -= RECOSIGN_S - KEY_AGAIN_S
        if fields is not None:
            log.moment("cosign", size=fields[0])
            self.out.broadcast([ITEM_COSIGNATURE, *fields])
        self._keep()

    def tick(self) -> None:
        """Keep lines that came late, several times a second; cosign an idle log again, once a minute."""
        if self._note_grew:
            self._note_grew = False
            self._keep()
        if time.monotonic() - self._cosigned_at >= RECOSIGN_S:
            self.cosign()

    def take(self, what: str, sender: str, fields: tuple[Value, ...]) -> None:
        """A peer's line, note, question, or its word that it lacks the note; what is false strikes it."""
        try:
            self._take(what, sender, fields)
        except Conflict as error:
            log.moment("conflict", peer=sender, because=str(error))
        except NoteError as error:
            assert self.out is not None
            self.out.strike(sender)
            log.moment("cosignature_refused", peer=sender, because=str(error))
        except OwnFault as error:
            # What is old of the own ledger, met beside the line of somebody who has nothing to do with it.
            # What is new is signed without it, so the node goes on; /readyz says what is damaged (0614).
            log.moment("not_compared", what=what, peer=sender, because=str(error))

    def _take(self, what: str, sender: str, fields: tuple[Value, ...]) -> None:
        assert self.out is not None
        match what, fields:
            case "cosignature", (size, bytes(root), str(log_line), str(line)) if type(size) is int:
                self.cosigning.receive(size, root, log_line, line)
                if size > self.cosigned_size:
                    self._keep()
                else:
                    self._note_grew = True  # one more line of a note that is kept already: no hurry
            case "ask", (str(did),):
                said = self.cosigning.said_by(did)
                if said is not None:
                    self.out.send(sender, [ITEM_COSIGNATURE, *said])
            case "note", (str(text),):
                # Each line is judged as if it had come alone.
                self.cosigning.receive_note(SignedNote.parse(text))
                self._keep()
            case "lacks", _:
                kept, now = self._store.checkpoint(), time.monotonic()
                if kept is not None and self._note_sent.get(sender, 0.0) < now - NOTE_INTERVAL_S:
                    self._note_sent[sender] = now
                    ends = sorted(self.cosigning.ends_kept)[-ENDS_TOLD_MAX:]
                    for note in (*map(self._store.checkpoint_of, ends), kept[1]):
                        self.out.send(sender, [ITEM_NOTE, note])

    def _keep(self) -> None:
        """Store the cosigned checkpoint if it is news."""
        for size, at, note in self.cosigning.ending():
            self._store.put_checkpoint(size, at, note.text())
            self.cosigning.ends_kept.add(size)
        before = self.cosigned_size
        found = self.cosigning.note()
        if found is None:
            return
        size, at, note = found
        text = note.text()
        kept = self._store.checkpoint()
        if kept is not None and kept[1] == text:
            return
        self._store.put_checkpoint(size, at, text)
        if size > before:
            log.moment("checkpoint", size=size)
            tip = self._store.tip()
            self._moments.tell(Progressed(tip.height if tip is not None else 0, size))
