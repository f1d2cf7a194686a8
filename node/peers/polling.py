"""Who asks whom how often while there is nothing to say: what an idle network costs.

Validators show one another that they are there. A question carries the status of who asks, so that of a pair
one asks and the other listens (D664); whoever listens asks now and then, to know that it could. An observer
learns of blocks by asking the validators in turn, so that one of them is asked every moment, each seldom. Of
an observer nobody learns anything. Where nothing has happened for a while all ask half as often (D668).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

QUIET_S = 30.0  # without a block or anything to say: from then on it is asked half as often


class Pace(NamedTuple):
    """How often it is asked."""

    validator_s: float  # from validator to validator: silent for 5 s is cut off (`engine_condition.py`)
    listen_s: float  # one question that was late is waited for; after this, whoever listens asks
    listen_s_max: float  # since the last answer to whoever listens: within what counts as cut off
    observer_s: float  # from an observer to one of the validators, so that a block is news within this time


BUSY, QUIET = Pace(1.0, 1.5, 4.0, 0.4), Pace(2.0, 2.5, 3.0, 0.75)
ROUND_S_MAX = 3.0  # until an observer has asked all of them: it would be cut off otherwise
OF_OBSERVERS_S = 5.0


class News:
    """When something was told last: a block that a peer has, or what this node had to say."""

    def __init__(self) -> None:
        self._at_s = time.monotonic()

    def told(self, *, anything: bool) -> None:
        """Something was told just now, if anything was."""
        self._at_s = time.monotonic() if anything else self._at_s

    def pace(self) -> Pace:
        """How often it is asked now."""
        return QUIET if time.monotonic() - self._at_s >= QUIET_S else BUSY


def wait_s(own: str, peer: str, validators: Sequence[str], now_s: float, pace: Pace = BUSY) -> float:
    """Seconds until `own` asks `peer`, on a clock that only goes on; `validators` are sorted."""
    if peer not in validators:
        return OF_OBSERVERS_S
    if own in validators:
        return pace.validator_s
    round_s = min(pace.observer_s * len(validators), ROUND_S_MAX)
    turn_s = round_s * validators.index(peer) / len(validators)
    return (turn_s - now_s) % round_s or round_s


def listens(
    own: str, peer: str, *, heard_s: float | None, answered_s: float | None, pace: Pace = BUSY
) -> bool:
    """Whether a validator lets another one ask, which by its name is the one of the two that does.

    `heard_s`, `answered_s`: seconds since it last asked, and since it last answered; None: not yet.
    """
    if own < peer or heard_s is None or answered_s is None:
        return False
    return heard_s < pace.listen_s and answered_s < pace.listen_s_max
