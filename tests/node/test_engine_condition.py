"""What the engine knows of itself: the facts that readiness is built of (node/ledger/engine_condition.py)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.genesis import Genesis
from node.ledger.engine_condition import CLOCK_HEARD_S_MAX, CUT_OFF_S, SET_ASIDE_KEPT, Watch
from tests.consensus.test_edge import poisoned
from tests.harness import ledger
from tests.harness.engines import Network
from tests.harness.replicas import chain_of, did
from tests.node.test_engine import genesis, network  # noqa: F401 - fixtures

VALIDATORS = chain_of(4).validators


@dataclass
class Clocks:
    """A monotonic and a wall clock that the test turns."""

    monotonic: float = 1_000.0
    wall: float = 1_800_000_000.0

    def pass_(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def watch(clocks: Clocks) -> Watch:
    return Watch(lambda: clocks.monotonic, lambda: clocks.wall)


def test_ages_are_untouched_by_the_wall_clock(watch: Watch, clocks: Clocks) -> None:
    """
    A wall clock that jumps by an hour, either way, changes no age.
    """
    for number in (1, 2, 3):
        watch.heard(did(number))
    watch.final()
    watch.turned(1)
    clocks.pass_(2.0)
    for jump in (3_600, -7_200):
        clocks.wall += jump

        assert watch.ages() == (2.0, 2.0)
        assert watch.quorum_age_s(VALIDATORS, did(0)) == 2.0


def test_a_quorum_is_as_old_as_the_last_of_those_who_make_it(watch: Watch, clocks: Clocks) -> None:
    """
    With the own vote, a quorum of four is two others: the age is that of the second-newest word.
    """
    assert watch.quorum_age_s(VALIDATORS, did(0)) is None
    watch.heard(did(1))
    assert watch.quorum_age_s(VALIDATORS, did(0)) is None
    clocks.pass_(3.0)
    watch.heard(did(2))
    watch.heard("did:web:observer.example")

    assert watch.quorum_age_s(VALIDATORS, did(0)) == 3.0
    assert watch.quorum_age_s(VALIDATORS, "did:web:observer.example") is None  # it takes three without a vote
    assert watch.unheard(VALIDATORS, did(0)) == {did(1): 3.0, did(2): 0.0, did(3): None}


def test_who_hears_no_quorum_says_since_when(watch: Watch, clocks: Clocks) -> None:
    """
    N18: five seconds after the last quorum, the node knows that it is cut off, and since when.
    """
    watch.heard(did(1))
    watch.heard(did(2))
    last = int(clocks.wall)
    clocks.pass_(CUT_OFF_S)
    assert watch.cut_off_since(watch.quorum_age_s(VALIDATORS, did(0))) is None
    clocks.pass_(1.0)
    assert watch.cut_off_since(watch.quorum_age_s(VALIDATORS, did(0))) == last
    watch.heard(did(3))
    watch.heard(did(1))
    assert watch.cut_off_since(watch.quorum_age_s(VALIDATORS, did(0))) is None


@pytest.mark.parametrize(
    ("shown", "offset"),
    [
        ([], None),
        ([0, 0, 0], 0),
        ([3_600, 0, 0], 0),  # one of the others is wrong
        ([-3_600, -3_600, -3_600], 3_600),  # this one is wrong, an hour fast
        ([90, 90, 0], -90),  # two and two: nobody can know which are right, so each of them says it
        ([3_600, 3_600], -3_600),
        ([3_600, 0], 0),
        ([90, 90, 91], -90),
    ],
)
def test_a_wrong_clock_is_seen_against_the_median(
    watch: Watch, clocks: Clocks, shown: list[int], offset: int | None
) -> None:
    """
    The offset is the own clock minus the median of the validators'; strangers do not count.
    """
    for number, shift in enumerate(shown, 1):
        watch.clock(did(number), clocks.wall + shift, answered=True)
    watch.clock("did:web:observer.example", clocks.wall + 10_000_000, answered=True)

    assert watch.clock_offset_s(VALIDATORS, did(0)) == offset


def test_what_was_captured_and_is_sent_again_turns_no_clock(watch: Watch, clocks: Clocks) -> None:
    """
    A request shows its signer's clock, or an earlier hour of it when a stranger sends it again once this
    node has forgotten it: old requests of every validator make no wrong clock, at whatever rate they come.
    """
    for number in (1, 2, 3):
        watch.clock(did(number), clocks.wall, answered=True)
    captured = clocks.wall - 31_536_000

    for _ in range(100):
        for number in (1, 2, 3):
            watch.clock(did(number), captured, answered=False)
        clocks.pass_(1.0)
        for number in (1, 2, 3):
            watch.clock(did(number), clocks.wall - 1, answered=False)  # its own, a second on the way
    clocks.pass_(CLOCK_HEARD_S_MAX - 1)

    assert watch.clock_offset_s(VALIDATORS, did(0)) == 0


def test_requests_show_a_clock_where_no_answer_comes(watch: Watch, clocks: Clocks) -> None:
    """
    A node whose clock is an hour fast gets no answers: the requests of the others tell it. A stranger who
    sent old ones before that is overruled by the first of theirs; a clock that was put back, by its answer.
    """
    for number in (1, 2, 3):
        watch.clock(did(number), clocks.wall - 31_536_000, answered=False)
        watch.clock(did(number), clocks.wall - 3_600, answered=False)
    assert watch.clock_offset_s(VALIDATORS, did(0)) == 3_600

    for number in (1, 2, 3):
        watch.clock(did(number), clocks.wall + 60, answered=False)
        watch.clock(did(number), clocks.wall, answered=True)
    assert watch.clock_offset_s(VALIDATORS, did(0)) == 0


def test_an_own_clock_that_jumps_shows_at_once_and_is_forgotten_at_once(watch: Watch, clocks: Clocks) -> None:
    """
    What peers showed before the jump is enough to see it; put right, nothing is left of it.
    """
    for number in (1, 2, 3):
        watch.clock(did(number), clocks.wall, answered=True)
    clocks.wall += 3_600
    assert watch.clock_offset_s(VALIDATORS, did(0)) == 3_600
    clocks.wall -= 3_600
    assert watch.clock_offset_s(VALIDATORS, did(0)) == 0


def test_what_was_set_aside_is_bounded_and_counted(watch: Watch) -> None:
    """
    The newest items are kept with their reason in one line, all are counted.
    """
    for number in range(100):
        watch.aside("note", did(1), ValueError(f"item {number}" + "x" * 1_000))

    kept = watch.newest_set_aside()
    assert watch.set_aside_total == 100
    assert len(kept) == SET_ASIDE_KEPT
    assert kept[-1].because.startswith("ValueError: item 99") and len(kept[-1].because) == 300


def test_the_engine_tells_its_condition(network: Network) -> None:  # noqa: F811
    """
    A running engine: a quorum is heard, a block makes the final age young, nothing waits.
    """
    node = network.links.nodes[ledger.MAKER]
    network.submit(network.attestation(1))
    network.wait("the block", lambda: network.heights() == {1})
    network.wait("a quorum", lambda: node.engine.condition().quorum_age_s is not None)
    # The block is told in the middle of the turn that adopted it, and what is ready at its end.
    network.wait("the end of its turn", lambda: node.engine.condition().stalled_s is None)

    found = node.engine.condition()
    assert (found.height, found.pool, found.pool_ready, found.stalled_s) == (1, 0, 0, None)
    assert found.final_age_s < 120
    assert found.cut_off_since is None and found.withheld is None
    assert (found.set_aside_total, found.set_aside) == (0, ())


def test_an_item_that_raises_is_set_aside_and_the_engine_goes_on(
    network: Network,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    An exception that nobody foresaw, in the replica or in cosigning, costs one item: it is shown with its
    reason and never tried again; the next block is decided as before.
    """
    node = network.links.nodes[ledger.MAKER]
    cosigning: Any = node.ordering._checkpoints.cosigning
    network.wait("its first turn", lambda: node.engine.condition().quorum_age_s is not None)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    with monkeypatch.context() as patch:
        patch.setattr(cosigning, "receive_note", broken)
        note = "log.example\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— log.example AAAAAAA=\n"
        node.engine.peer_items(ledger.CUSTOMS, [[4, note]])
        network.wait("it to be set aside", lambda: node.engine.condition().set_aside_total == 1)
        time.sleep(0.5)

    (item,) = node.engine.condition().set_aside
    assert (item.what, item.sender) == ("note", ledger.CUSTOMS)
    assert item.because == "ZeroDivisionError: a mistake of ours"
    assert node.engine.condition().set_aside_total == 1
    network.submit(network.attestation(2))
    network.wait("the block", lambda: network.heights() == {1})


def test_poisoned_evidence_stops_no_engine(genesis: Genesis, tmp_path: Path) -> None:  # noqa: F811
    """
    N01: each poisoned message, sent to all four engines by a participant, is a strike and nothing more.
    """
    network = Network(genesis, tmp_path)  # noqa: F811
    network.start(*ledger.VALIDATORS)
    struck: list[str] = []
    for node in network.links.nodes.values():
        node.ordering.out.strike = struck.append  # type: ignore[union-attr,method-assign]
        for data in poisoned().values():
            node.engine.peer_items(ledger.IMPORTER, [[1, data]])

    network.wait("the strikes", lambda: len(struck) == 4 * len(poisoned()))
    network.submit(network.attestation(1))
    network.wait("the block", lambda: network.heights() == {1})

    assert set(struck) == {ledger.IMPORTER}
    for node in list(network.links.nodes.values()):
        node.stop()
