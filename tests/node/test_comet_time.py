"""Time behind CometBFT 0.38: a block is dated by the votes on the one before: after an idle hour, of then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.governance_records import LIMITS, STOP
from credentials.ledger.parties import Limits
from tests.harness import ledger
from tests.harness.comet import Kept, Pair
from tests.harness.engines import acts_of, founded_now

HOUR_S = 3_600
Idle = Callable[..., tuple[Pair, int]]


def now() -> int:
    return int(time.time())


@pytest.fixture
def idle(tmp_path: Path, socket_path: Path) -> Iterator[Idle]:
    """Makes a network that was founded two hours ago and has been idle for one: what, and since when."""
    made = list[Pair]()

    def make(**changes: Any) -> tuple[Pair, int]:
        made.append(Pair(founded_now(ago_s=2 * HOUR_S, **changes), tmp_path, socket_path))
        return made[0], now() - HOUR_S

    yield make
    made[0].stop()
    assert made[0].application.supervisor.failure is None


def test_after_an_idle_hour_the_first_block_carries_nothing_of_now(idle: Idle) -> None:
    """
    0.38 dates a block by the votes on the one before. After an idle hour what is attested now is of that
    block's future (X11): it is ready in the mempool, stays there over an empty block, and is in the next one.
    """
    pair, hour_ago = idle()
    pair.comet.decide(hour_ago)
    tx = pair.attestation(1)
    assert pair.comet.check(tx).code == 0

    assert not pair.comet.accepts(Kept(hour_ago, (tx,), pair.comet.address()))
    assert pair.comet.decide(hour_ago).txs == ()
    assert pair.comet.mempool == [tx]
    assert pair.comet.decide(now()).txs == (tx,)


def ended(what: str, until: int) -> dict[str, Any]:
    """A founding in which the maker's key, or every licence of it, ends then."""
    from_ = until - HOUR_S * 2
    parties = [ledger.participant(did, valid_from=from_) for did in ledger.PARTIES]
    licences = [replace(one, valid_from=from_) for one in ledger.accreditations()]
    if what == "key":
        parties = [
            replace(
                one,
                keys=tuple(replace(k, valid_until=until) if k.role == "attest" else k for k in one.keys),
            )
            if one.did == ledger.MAKER
            else one
            for one in parties
        ]
    else:
        licences = [
            replace(one, valid_until=until) if one.participant == ledger.MAKER else one for one in licences
        ]
    return {"participants": parties, "accreditations": licences}


def recorded(pair: Pair) -> list[bytes]:
    """The digests that the log admitted."""
    leaves = pair.application.store.leaves.since(0, 100)
    return [row.digest for row in leaves if row.type == "admitted" and row.digest]


@pytest.mark.parametrize("what", ["key", "licence"])
def test_what_ended_in_an_idle_hour_has_ended(what: str, idle: Idle) -> None:
    """
    At the date of the first block the maker's key and licence were good. What it signs now is of that block's
    future, and comes to nothing in the next one; what it signed then is recorded as it would have been.
    """
    pair, hour_ago = idle(**ended(what, now() - HOUR_S // 2))
    pair.comet.decide(hour_ago)
    then, late = pair.attestation(1, ahead_s=-HOUR_S), pair.attestation(2)

    assert not pair.comet.accepts(Kept(hour_ago, (late,), pair.comet.address()))
    assert pair.comet.accepts(Kept(hour_ago, (then,), pair.comet.address()))
    pair.comet.check(late)
    pair.comet.decide(hour_ago, (then,))
    pair.comet.decide(now())
    if pair.comet.accepts(Kept(now(), (late,), pair.comet.address())):
        pair.comet.decide(now(), (late,))
    assert recorded(pair) == [sha256(then).digest()]


def test_a_stop_after_an_idle_hour_is_of_now(idle: Idle) -> None:
    """
    Nobody is stopped in the stale block, whose date was before the authority acted: the stop begins with the
    block that records it, at the time of that one, and from then on nothing of who is stopped is admitted.
    """
    pair, hour_ago = idle()
    pair.comet.decide(hour_ago)
    asked = {"target": ledger.MAKER, "by": ledger.CN_AUTHORITY, "since": hour_ago, "until": now() + 86_400}
    stop, _ = acts_of(pair.application.registry, {(STOP, ledger.MAKER): asked})
    acted = now()

    assert not pair.comet.accepts(Kept(hour_ago, (stop,), pair.comet.address()))
    assert pair.comet.check(stop).code == 0
    assert pair.comet.decide(hour_ago).txs == ()
    assert pair.comet.decide(now()).txs == (stop,)
    pair.comet.decide(now(), ())
    governing = pair.application.registry.history.latest
    assert governing.stops[ledger.MAKER].since >= acted
    assert governing.stopped(ledger.MAKER, now())
    own = pair.attestation(1)
    if pair.comet.accepts(Kept(now(), (own,), pair.comet.address())):
        pair.comet.decide(now(), (own,))
    assert sha256(own).digest() not in recorded(pair)


def test_a_proposal_that_ran_out_in_an_idle_hour_is_not_decided(idle: Idle) -> None:
    """
    It was open at the date of the stale block; an approval of now is of that block's future, and in the next
    one it is too late.
    """
    pair, hour_ago = idle()
    table: dict[str, Any] = {f.name: getattr(Limits(), f.name) for f in fields(Limits)}
    changed = {(LIMITS, ""): table | {"block_bytes_max": 700_000}}
    proposed, approved = acts_of(pair.application.registry, changed, ago_s=HOUR_S, for_s=1_800)
    pair.comet.decide(hour_ago, (proposed,))
    assert pair.application.registry.constitution.state.tabled

    assert not pair.comet.accepts(Kept(hour_ago, (approved,), pair.comet.address()))
    pair.comet.decide(hour_ago, ())
    if pair.comet.accepts(Kept(now(), (approved,), pair.comet.address())):
        pair.comet.decide(now(), (approved,))
    else:
        pair.comet.decide(now(), ())
    for _ in range(3):
        pair.comet.decide(now(), ())
    state = pair.application.registry.constitution.state
    assert not state.tabled and list(state.over.values()) == [("lapsed", "expired")]
    assert pair.application.registry.history.latest.limits == Limits()


def test_the_lower_bound_of_a_receipt_is_true_after_an_idle_hour(idle: Idle) -> None:
    """
    A receipt says that its entry was recorded after the time of the block before. For what waited that is the
    stale block's: an hour wider, and true.
    """
    pair, hour_ago = idle()
    pair.comet.decide(hour_ago)
    tx, signed = pair.attestation(1), now()
    assert pair.comet.check(tx).code == 0
    pair.comet.decide(hour_ago)
    pair.comet.decide(now())
    (row,) = pair.application.store.leaves.with_digest(sha256(tx).digest())
    times = pair.application.store.block_times([row.height - 1, row.height])

    assert row.height == 3 and times[2] == hour_ago <= signed <= times[3]
