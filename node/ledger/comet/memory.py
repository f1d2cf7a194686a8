"""What this validator may cosign, by what it remembers and what others have of it (decision node 0621).

Votes are under the guard of signing.db alone; CometBFT looks for old ones of a key that nothing is remembered
of (`double_sign_check_height`). Cosignatures go through this node's gossip, which tells what others saw.
"""

from __future__ import annotations

import time

from node import log
from node.ledger.checkpoints import Checkpoints
from node.storage.signing import SigningStore, Withheld

REMEMBERS_NOTHING_S = 5.0  # after a quorum is heard: what it saw cosigned by this node has been told by then


class Memory:
    """Asked and told on the engine's thread; `withheld` from any."""

    def __init__(self, checkpoints: Checkpoints, signing: SigningStore, height: int, did: str) -> None:
        """`height`: of the last block here."""
        self._checkpoints, self._signing, self._did = checkpoints, signing, did
        self.withheld = signing.withheld()  # why this validator does not vote
        self.asking = signing.last_cosigned() is None and height > 0
        self._heard_at_s: float | None = None
        checkpoints.cosigning.cosign_from = signing.allowed()[1]
        checkpoints.may_sign = self._may_cosign

    def heed(self, height: int, *, quorum_heard: bool) -> None:
        """Several times a second: what peers showed of this node."""
        if quorum_heard and self._heard_at_s is None:
            self._heard_at_s = time.monotonic()
        size = self._checkpoints.cosigning.foreign_size
        if size and self.withheld is None:
            reason = self._checkpoints.cosigning.not_remembered
            self._signing.withhold(Withheld(reason, height, size))
            log.moment("withheld", because=reason)
        self.withheld = self._signing.withheld()
        if not self.asking:
            return
        self._checkpoints.ask(self._did)
        if self._heard_at_s is not None and time.monotonic() - self._heard_at_s >= REMEMBERS_NOTHING_S:
            self.asking = False
            self._checkpoints.cosign()

    def _may_cosign(self) -> bool:
        return self.withheld is None and not self.asking
