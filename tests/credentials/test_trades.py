"""Honest trades go through and are said well: the other half of the second opinion (lower bounds)."""

from __future__ import annotations

import pytest

from credentials.verdicts.severity import ORDER
from tests.harness.opinion.alphabet import CAR
from tests.harness.opinion.bounds import too_good
from tests.harness.opinion.law import Archive, after
from tests.harness.opinion.speaking import may_speak
from tests.harness.opinion.stage import STATE, Stage
from tests.harness.opinion.trades import TRADES, Trade


@pytest.fixture(scope="module")
def beginning() -> Stage:
    return Stage.new()


@pytest.mark.parametrize("trade", TRADES, ids=lambda trade: trade.name)
def test_an_honest_trade_is_neither_refused_nor_said_worse_than_the_law_needs(
    trade: Trade, beginning: Stage
) -> None:
    """
    Each act of its rightful party becomes state; shown as what it is, the battery's word is no worse than the
    law needs, and no better than it allows.
    """
    stage, archive = beginning.fork(), Archive()

    for act in trade.acts:
        assert may_speak(archive, act), f"the opinion does not let anybody say {act}"
        outcome, step = stage.would(act)
        assert outcome == STATE, f"{act} is {outcome}"
        stage.take(act, step)
        archive = after(archive, act)

    for shown, worst in trade.sights:
        conclusion = stage.judged(trade.battery, shown, CAR).verdict.conclusion
        assert ORDER.index(conclusion.verdict) <= ORDER.index(worst), (shown, conclusion)
        assert not too_good(archive.of(trade.battery), shown, conclusion.verdict), (shown, conclusion)


def test_the_trades_have_names_of_their_own() -> None:
    """
    A test's id names one trade.
    """
    assert len({trade.name for trade in TRADES}) == len(TRADES)
