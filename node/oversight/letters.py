"""Letters: signed messages that other nodes are to take, sent until they did, for a week."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from hashlib import sha256

from node import log
from node.peers.gossip import Gossip
from node.storage.database import Transaction
from node.storage.letters import LetterRow
from node.storage.office import OfficeStore

TURN_S, REST_S = 1.0, 5.0  # once something was put, which is on disk a moment later; while nothing is
AGAIN_S, AGAIN_S_MAX, GIVEN_UP_S = 30, 3_600, 7 * 86_400
SENT_AT_ONCE = 8
TAKEN = b"\x01"


class Letters:
    """One thread that sends what waits; what is put waits on disk."""

    name = "letters"

    def __init__(self, office: OfficeStore, gossip: Gossip) -> None:
        self._office, self._gossip = office, gossip
        self._woken = threading.Event()
        self._rest_s = TURN_S

    def wake(self) -> None:
        """Something waits, or the node stops."""
        self._woken.set()

    def put(
        self, db: Transaction, path: str, data: bytes, told: Iterable[str], *, about: bytes | None = None
    ) -> None:
        """Have this sent to each of them, once; `about`: the digest by which it is the same (its own)."""
        now, digest = int(time.time()), about or sha256(data).digest()
        for did in sorted(told):
            self._office.letters.put(db, LetterRow(0, path, digest, did, now, data))
        self._woken.set()

    def turn(self) -> None:
        """Send a few that are due, or rest."""
        if not self.send():
            self._rest_s = TURN_S if self._woken.wait(self._rest_s) else REST_S
            self._woken.clear()

    def send(self) -> bool:
        """True if any was taken."""
        now, went = int(time.time()), False
        for row in self._office.letters.waiting(now, SENT_AT_ONCE):
            taken, reached = False, True
            try:
                taken = self._gossip.request(row.told, row.path, row.data) == TAKEN
            except OSError:
                reached = False
            except ValueError:  # it refuses: asked again later
                pass
            due = now + min(AGAIN_S * (row.tries + 1), AGAIN_S_MAX)
            with self._office.writing() as db:
                if taken or now - row.at > GIVEN_UP_S:
                    self._office.letters.settled(db, row.number, "sent" if taken else "given_up")
                else:
                    self._office.letters.later(db, row.number, due)
                if not reached:  # nor is it for the next one: those who can be reached do not wait for that
                    self._office.letters.unreached(db, row.told, due, now - GIVEN_UP_S)
            if taken:
                log.moment("letter", path=row.path, to=row.told)
            went |= taken
        return went
