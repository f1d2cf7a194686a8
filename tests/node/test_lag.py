"""How long ago others were heard is told by a clock that nobody turns."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from node.peers.gossip import Gossip
from node.verdicts.lag import Lag
from tests.harness.epochs import first
from tests.harness.ledger import CUSTOMS, EU_AUTHORITY, MAKER, make_genesis
from tests.node.test_governance import speaker


@pytest.mark.parametrize("turned_s", [3600, -3600], ids=["ahead", "behind"])
def test_a_wall_clock_that_was_wrong_makes_no_silence_shorter(
    turned_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Heard while the wall clock was an hour off, then silent for 90 s: that is 90 s of silence.
    """
    history = make_genesis().history()
    history.enact(1, replace(first(), validator_dids=(MAKER, CUSTOMS, EU_AUTHORITY)))
    addresses = {did: f"http://127.0.0.1:{n}" for n, did in enumerate((CUSTOMS, EU_AUTHORITY), 9)}
    gossip = Gossip(speaker(history, MAKER), addresses, None, poll_s=5)  # type: ignore[arg-type]  # nobody is asked
    lag = Lag(history, MAKER, gossip)
    wall, steady = time.time(), time.monotonic()
    unheard = lag.quorum_silence_s()

    monkeypatch.setattr(time, "time", lambda: wall + turned_s)
    monkeypatch.setattr(time, "monotonic", lambda: steady)
    for peer in gossip.peers.values():
        peer.seen()
    monkeypatch.setattr(time, "time", lambda: wall + 90)
    monkeypatch.setattr(time, "monotonic", lambda: steady + 90)

    assert (unheard, lag.quorum_silence_s()) == (None, 90)
    gossip.close()
