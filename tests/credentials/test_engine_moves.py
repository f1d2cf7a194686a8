"""A move to another engine is a record: decided by all, for a height of its own, read alike by every node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.ledger.engine_terms import AHEAD_MAX, COMETBFT, EMBEDDED, FOUNDED, EngineTerm
from credentials.ledger.governance import VALIDATORS_AHEAD
from credentials.ledger.governance_records import ENGINE, VALIDATORS, records_of
from tests.harness.governing import Governing, Tables
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, EU_AUTHORITY, MAKER, Ledger


@pytest.fixture
def g() -> Governing:
    return Governing(Ledger())


def move(first: int, *, engine: Any = COMETBFT, epoch: Any = 1) -> Tables:
    return {(ENGINE, ""): {"engine": engine, "epoch": epoch, "first": first}}


def height(g: Governing) -> int:
    """Of the next block."""
    return g.ledger.history.height + 1


def terms(g: Governing, *heights: int) -> list[tuple[str, int]]:
    return [((term := g.ledger.history.term(h)).engine, term.epoch) for h in heights]


def test_a_height_has_the_engine_that_all_decided(g: Governing) -> None:
    """
    Before a move the founding's engine orders, from its first block on the other one, whatever is asked and
    when; consensus reads the same. A ledger without a move has no such record, and the roots that it had.
    """
    assert (ENGINE, "") not in records_of(g.now)
    first = height(g) + 5
    proposal = g.propose(CN_AUTHORITY, move(first))
    assert g.outcome(proposal)[0] == "open", "one authority moves nobody"
    g.approve(proposal, EU_AUTHORITY)
    g.idle(2)
    assert g.outcome(proposal) == ("decided", "")
    assert terms(g, 0, first - 1, first, first + 99) == [("", 0), ("", 0), (COMETBFT, 1), (COMETBFT, 1)]
    parameters = g.ledger.registry.parameters
    assert (parameters(first - 1).engine_epoch, parameters(first).engine_epoch) == (0, 1)

    g.idle(6)
    back = height(g) + 6
    g.pass_(CN_AUTHORITY, move(back, engine=EMBEDDED, epoch=2), EU_AUTHORITY)
    assert terms(g, first - 1, first, back - 1, back) == [
        ("", 0),
        (COMETBFT, 1),
        (COMETBFT, 1),
        (EMBEDDED, 2),
    ]


# By what is asked for, at a height: the sentence.
WRONG: dict[str, tuple[Callable[[int], Tables], str]] = {
    "the next block": (lambda h: move(h + 1), "the first block of another engine is one from"),
    "a height that passed": (lambda h: move(2), "the first block of another engine is one from"),
    "some day": (lambda h: move(h + VALIDATORS_AHEAD + AHEAD_MAX + 1), "is one from"),
    "an unknown engine": (lambda h: move(h + 9, engine="raft"), "there is no engine 'raft'"),
    "an epoch left out": (lambda h: move(h + 9, epoch=2), "the next move has the epoch 1"),
    "no epoch": (lambda h: move(h + 9, epoch=0), "a move has an epoch from 1 on"),
    "an epoch that is no number": (lambda h: move(h + 9, epoch=True), "a move has an epoch from 1 on"),
    "no height": (lambda h: {(ENGINE, ""): {"engine": COMETBFT, "epoch": 1}}, "has the members"),
    "a name": (lambda h: {(ENGINE, "x"): dict(move(h + 9)[ENGINE, ""])}, "engine has no name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_move_that_cannot_be_is_refused_when_it_is_proposed(g: Governing, what: str) -> None:
    """
    A height that is stored, under way or beyond reach, an engine that nobody knows, a move left out: each is
    refused with its sentence, before anybody approves it.
    """
    make, sentence = WRONG[what]
    proposal = g.proposal(make(height(g)))

    with pytest.raises(Refusal, match=sentence) as refused:
        g.ledger.registry.check_tx(g.act(CN_AUTHORITY, "proposed", proposal), g.ledger.now)
    assert refused.value.code == "governance_invalid"


def test_two_moves_at_once_are_one(g: Governing) -> None:
    """
    Of two that are proposed for one base the second lapses; while one is to come nothing else is decided of
    it; the engine that orders is not moved to.
    """
    first = height(g) + 8
    one, other = (g.propose(CN_AUTHORITY, move(at)) for at in (first, first + 1))
    g.ledger.run(*(g.act(EU_AUTHORITY, "approved", p) for p in (one, other)))
    assert sorted(g.outcome(p)[0] for p in (one, other)) == ["decided", "lapsed"]
    g.idle(2)
    decided = g.now.engine
    assert decided is not None

    def refusal(changed: Tables) -> str:
        with pytest.raises(Refusal) as refused:
            proposal = g.proposal(changed)
            g.ledger.registry.check_tx(g.act(CN_AUTHORITY, "proposed", proposal), g.ledger.now)
        return str(refused.value)

    assert "is decided already" in refusal(move(first + 9, engine=EMBEDDED, epoch=2))
    while height(g) <= decided.first:
        g.idle()
    assert "cometbft orders already" in refusal(move(height(g) + 9, epoch=2))


def test_a_move_whose_height_passes_lapses(g: Governing) -> None:
    """
    Approved too late it is no move: no node stops at a height that others have passed.
    """
    proposal = g.propose(CN_AUTHORITY, move(height(g) + 3))
    g.idle(4)
    g.idle()
    assert g.outcome(proposal) == ("lapsed", "governance_invalid")
    assert g.ledger.history.term(height(g) + 99) == FOUNDED


def test_who_votes_does_not_change_between_the_first_two_blocks_of_an_engine(g: Governing) -> None:
    """
    What would change it, decided by the last block of the one before, waits for the next: CometBFT is told
    one set at its beginning, and each change two blocks after one of its own.
    """
    first = height(g) + 6
    g.pass_(CN_AUTHORITY, move(first), EU_AUTHORITY)
    while height(g) < first - 2:
        g.idle()
    fewer = {(VALIDATORS, ""): {"participants": [MAKER, CN_AUTHORITY, CUSTOMS]}}
    proposal = g.propose(CN_AUTHORITY, fewer)
    assert height(g) == first - 1
    assert g.approve(proposal, EU_AUTHORITY).validator_updates == ()
    assert g.outcome(proposal)[0] == "open"
    assert g.idle().height == first and g.outcome(proposal) == ("decided", "")
    history = g.ledger.history
    g.idle(2)
    assert history.at(first).validators == history.at(first + 1).validators
    assert history.at(first + 2).validators != history.at(first).validators


def test_the_record_is_read_as_it_was_written() -> None:
    term = EngineTerm(COMETBFT, 3, 77)
    assert EngineTerm.parse(term.as_table()) == term
