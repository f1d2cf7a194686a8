"""The one order that the attestations of a block may have."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from hashlib import sha256

from credentials.ledger.attestation import Attestation


def block_order(attestations: Sequence[Attestation], previous_id: bytes) -> list[Attestation]:
    """The one order a block may have: predecessors first, then by SHA-256(previous block id || digest).

    Attestations that are each other's predecessors, directly or round a corner, are left out.
    """
    by_digest = {attestation.digest: attestation for attestation in attestations}
    waits_for: dict[bytes, int] = {}
    followers: dict[bytes, list[bytes]] = {}
    for digest, attestation in by_digest.items():
        inside = [p for p in attestation.predecessors if p in by_digest]
        waits_for[digest] = len(inside)
        for predecessor in inside:
            followers.setdefault(predecessor, []).append(digest)
    ready = [(_rank(previous_id, d), d) for d, count in waits_for.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[Attestation] = []
    while ready:
        _, digest = heapq.heappop(ready)
        ordered.append(by_digest[digest])
        for follower in followers.get(digest, ()):
            waits_for[follower] -= 1
            if waits_for[follower] == 0:
                heapq.heappush(ready, (_rank(previous_id, follower), follower))
    return ordered


def _rank(previous_id: bytes, digest: bytes) -> bytes:
    return sha256(previous_id + digest).digest()
