"""How far each limit may go, for genesis and for every later change: no setting stops the network for good.

A bound is where something else in this software, or the way on, ends; the reason is told with the refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

DAY_S = 86_400
STEP_MS_MAX = 30_000  # consensus waits no longer in any step: consensus.chain.Timeouts.limit_ms


class Bounds(NamedTuple):
    """From `least` to `most`, both included, and why not beyond."""

    least: int
    most: int
    reason: str


_WAIT = "a shorter wait ends before a message arrives, and consensus waits half a minute at most"
_OFFERED = "no more attestations are offered to one block"

BOUNDS: Mapping[str, Bounds] = {
    "attestations_per_block_max": Bounds(1, 4_000, _OFFERED),
    "block_bytes_max": Bounds(1, 1 << 20, "a peer reads blocks of up to 1 MiB"),
    "per_issuer_per_block_max": Bounds(1, 4_000, _OFFERED),
    "per_issuer_per_day_max": Bounds(1, 10_000_000, "a share that no day can hold keeps nobody in bounds"),
    "clock_skew_s": Bounds(1, 3_600, "what is dated further ahead says nothing about when it was signed"),
    "attestation_age_s_max": Bounds(
        3_600, 366 * DAY_S, "what is signed beside the network takes a while, and not years, to get there"
    ),
    "correction_s_max": Bounds(1, 366 * DAY_S, "others build on what nobody takes back"),
    "void_approvals_min": Bounds(1, 64, "no network has more authorities that could answer"),
    "heartbeat_ms": Bounds(1_000, 3_600_000, "waits end with a block: one comes each hour, not each moment"),
    "timeout_propose_ms": Bounds(50, STEP_MS_MAX, _WAIT),
    "timeout_prevote_ms": Bounds(50, STEP_MS_MAX, _WAIT),
    "timeout_precommit_ms": Bounds(50, STEP_MS_MAX, _WAIT),
    "timeout_delta_ms": Bounds(10, STEP_MS_MAX, _WAIT),
    "evidence_heights_max": Bounds(1, 10_000_000, "keys and validators of older heights are asked for too"),
}


def beyond_bounds(limits: Mapping[str, object]) -> str | None:
    """Which limit is out of bounds and why, as a sentence; None: none is."""
    for name, value in limits.items():
        least, most, reason = BOUNDS[name]
        if type(value) is not int or not least <= value <= most:
            return f"the limit {name} is a whole number from {least} to {most}: {reason}"
    return None
