"""How far the own ledger is behind, and how long ago a quorum was heard: the age of everything it says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from credentials.ledger.governance import GovernanceHistory


class HeardPeer(Protocol):
    """What is known of one."""

    @property
    def height(self) -> int:
        """That it claims."""

    @property
    def seen_at_s(self) -> float | None:
        """When it was heard last, on the monotonic clock."""


class HeardPeers(Protocol):
    """Those of the network, as far as verdicts need them."""

    @property
    def peers(self) -> Mapping[str, HeardPeer]:
        """By DID."""

    def request(self, did: str, path: str, body: bytes, timeout_s: float) -> bytes:
        """One signed request, answered now; OSError when the peer cannot be reached or heard."""


class Lag:
    """What the claims and the silence of those who vote on the next block say about this ledger."""

    def __init__(self, history: GovernanceHistory, did: str, gossip: HeardPeers) -> None:
        self._history = history
        self._did = did
        self._gossip = gossip

    def lag_heights(self, height: int) -> int:
        """Blocks between this ledger and the height that validators claim of whom one at least is honest."""
        validators = self._history.latest.validators
        claims = [
            (peer.height, validator.weight)
            for did, peer in self._gossip.peers.items()
            if (validator := validators.get(did)) is not None
        ]
        weight = 0
        for claimed, own in sorted(claims, reverse=True):
            weight += own
            if weight >= validators.one_honest:
                return max(0, claimed - height)
        return 0

    def believed(self, claimed: int, height: int) -> int:
        """The height of a peer as far as it is more than its own word."""
        return min(claimed, height + self.lag_heights(height))

    def quorum_silence_s(self) -> int | None:
        """Seconds since validators with a quorum of weight were last heard; None: not since the start.

        On the monotonic clock: after a wall clock that was ahead, silence would look like a voice just heard.
        """
        validators = self._history.latest.validators
        now = time.monotonic()
        heard = (
            (now if v.name == self._did else self._heard(v.name), v.weight) for v in validators.validators
        )
        weight = 0
        for at, own in sorted((at, own) for at, own in heard if at is not None)[::-1]:
            weight += own
            if weight >= validators.quorum:
                return int(now - at)
        return None

    def _heard(self, did: str) -> float | None:
        peer = self._gossip.peers.get(did)
        return None if peer is None else peer.seen_at_s
