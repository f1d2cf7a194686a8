"""When a node leaves CometBFT after the last block of its term, and what becomes of one that stayed behind.

Nobody can be given that block once all have left: CometBFT alone hands its blocks on, with who agreed to
them. So whoever has it stays for those that were heard a moment ago and lack it, and not for ever. One that
was away for longer takes the ledger of a peer over (`takeover.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from consensus.validators import ValidatorSet
from node import log
from node.ledger.comet.takeover import Takeover
from node.ledger.comet.whereabouts import read_at
from node.ledger.engine import Outgoing, OwnThread
from node.ledger.heard import HeardHeights
from node.ledger.ledger import Ledger
from node.peers.messages import Status

STAY_S_MAX = 60.0
BEHIND_S = 20.0  # so long others go on without CometBFT, and this node has no block


class Leaving:
    """What peers said last. Only `hear` is called from other threads than the engine's and a probe's."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, takeover: Takeover | None = None
    ) -> None:
        self._monotonic, self._takeover = monotonic, takeover
        self._heard = HeardHeights(monotonic)
        self._ended_s: float | None = None
        self._alone: tuple[int, float] | None = None  # the height here since others went on, since when

    def attach(self, out: Outgoing, renewed: threading.Event) -> None:
        """The way to the peers, for whoever stays behind."""
        if self._takeover is not None:
            self._takeover.attach(out, renewed)

    @property
    def trades(self) -> Sequence[OwnThread]:
        """What needs a thread."""
        return () if self._takeover is None else (self._takeover,)

    def hear(self, did: str, status: Status) -> None:
        """A participant says up to which block it has the ledger, and whether it runs CometBFT."""
        # One that is being started says nothing; whatever else is said is of a replica.
        self._heard.hear(did, status[1], not status[0] or read_at(status[0]) is not None)

    def leave(
        self, ledger: Ledger, validators: ValidatorSet, cosigned_size: int, renewed: threading.Event
    ) -> None:
        """The last block is stored: have the node opened again once that is cosigned, or others went on."""
        height = ledger.height
        if renewed.is_set() or not (cosigned_size >= ledger.size or self._heard.ahead(height, validators)):
            return
        if self.may_leave(height):
            log.moment("engine_moved", height=height)
            renewed.set()

    def may_leave(self, height: int) -> bool:
        """After the last block, of `height`: whether all that are heard have it, or were waited for."""
        now = self._monotonic()
        if self._ended_s is None:
            self._ended_s = now
        return not self._heard.lack(height) or now - self._ended_s >= STAY_S_MAX

    def trouble(self, height: int, validators: ValidatorSet) -> str | None:
        """What whoever runs a node is told that stayed behind."""
        if not self.left_behind(height, validators):
            return None
        return (
            "the network went on with another engine, and nobody gives this node the last blocks of CometBFT "
            "any more: it takes the ledger of a peer over. If it says so for long: stop it, run "
            "`comity rebuild --from URL` with the URL of a peer, and start it"
        )

    def look(self, height: int, validators: ValidatorSet) -> None:
        """Ask those that went on, if this node stayed behind."""
        if self._takeover is not None:
            self._takeover.ask(self._heard.higher(height) if self.left_behind(height, validators) else ())

    def left_behind(self, height: int, validators: ValidatorSet) -> bool:
        """Whether validators have later blocks, none of them under CometBFT, and it stays so."""
        now, ahead = self._monotonic(), self._heard.ahead(height, validators)
        if not ahead or any(ahead):
            self._alone = None
            return False
        if self._alone is None or self._alone[0] != height:
            self._alone = height, now
        return now - self._alone[1] >= BEHIND_S
