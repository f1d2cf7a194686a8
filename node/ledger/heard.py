"""What peers said a moment ago of where they are: participants alone are heard. From any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from consensus.validators import ValidatorSet

HEARD_S = 10.0  # a peer says where it is each second


class HeardHeights:
    """The last word of each, by DID: the height of its last block, and whether CometBFT is there."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._said: dict[str, tuple[int, bool, float]] = {}

    def hear(self, did: str, height: int, comet: bool) -> None:
        """A participant says up to which block it has the ledger."""
        with self._lock:
            self._said[did] = height, comet, self._monotonic()

    def lack(self, height: int) -> bool:
        """Whether anybody who is heard lacks this block."""
        return any(said < height for said, _ in self._lately().values())

    def ahead(self, height: int, validators: ValidatorSet) -> list[bool]:
        """Of validators with later blocks, whether CometBFT is there; none where all of them may lie."""
        ahead = {did: comet for did, (said, comet) in self._lately().items() if said > height}
        known = [one for did in ahead if (one := validators.get(did)) is not None]
        enough = sum(one.weight for one in known) >= validators.one_honest
        return [ahead[one.name] for one in known] if enough else []

    def higher(self, height: int) -> list[str]:
        """Whoever has later blocks."""
        return sorted(did for did, (said, _) in self._lately().items() if said > height)

    def _lately(self) -> dict[str, tuple[int, bool]]:
        now = self._monotonic()
        with self._lock:
            return {did: (h, c) for did, (h, c, when) in self._said.items() if now - when < HEARD_S}
