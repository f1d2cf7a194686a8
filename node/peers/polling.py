"""Who asks whom how often while there is nothing to say: what an idle network costs.

Validators show one another that they are there. A question carries the status of who asks, so that of a pair
one asks and the other listens (D664); whoever listens asks now and then, to know that it could. An observer
learns of blocks by asking the validators in turn, so that one of them is asked every moment, each seldom. Of
an observer nobody learns anything.
"""

from __future__ import annotations

from collections.abc import Sequence

VALIDATOR_S = 1.0  # from validator to validator: silent for five seconds is cut off (`engine_condition.py`)
LISTEN_S = 1.5  # one question that was late is waited for; after this, whoever listens asks
LISTEN_S_MAX = 4.0  # since the last answer to whoever listens: within what counts as cut off
OBSERVER_S = 0.4  # from an observer to one of the validators, so that a block is news within this time
ROUND_S_MAX = 3.0  # until it has asked all of them: it would be cut off otherwise
OF_OBSERVERS_S = 5.0


def wait_s(own: str, peer: str, validators: Sequence[str], now_s: float) -> float:
    """Seconds until `own` asks `peer`, on a clock that only goes on; `validators` are sorted."""
    if peer not in validators:
        return OF_OBSERVERS_S
    if own in validators:
        return VALIDATOR_S
    round_s = min(OBSERVER_S * len(validators), ROUND_S_MAX)
    turn_s = round_s * validators.index(peer) / len(validators)
    return (turn_s - now_s) % round_s or round_s


def listens(own: str, peer: str, *, heard_s: float | None, answered_s: float | None) -> bool:
    """Whether a validator lets another one ask, which by its name is the one of the two that does.

    `heard_s`, `answered_s`: seconds since it last asked, and since it last answered; None: not yet.
    """
    if own < peer or heard_s is None or answered_s is None:
        return False
    return heard_s < LISTEN_S and answered_s < LISTEN_S_MAX
