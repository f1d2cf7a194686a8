"""The simulated network while what governs it changes, and is attacked by its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from consensus.events import Event
from credentials.ledger.admission import Judge
from credentials.ledger.governance import Governance
from credentials.ledger.registry import Registry
from tests.harness.constitution.bugs import BUGS, patched
from tests.harness.sim.cluster import Node
from tests.harness.sim.governed import RETIRED, Tally
from tests.harness.sim.governed_attacks import (
    EDGE_MS,
    INSIDERS,
    Step,
    governed,
    on_the_edge,
    replayed,
    suspended_between,
    two_together,
)


def test_governance_changes_among_faults() -> None:
    """
    A limit, a validator more, new vote and cosign keys of one that votes, a validator less: all are decided
    on every node while nodes crash and messages get lost, and the whole log is cosigned under its policies.
    After every block the restatement of the rules agrees with what was decided and with what governs.
    """
    print(governed(9))


@pytest.mark.check
def test_governance_is_attacked_among_faults() -> None:
    """
    The same with each attack of an insider in between, and the retired vote key of one that contradicts
    itself: replayed approvals, another base, a suspension before the decision, two changes that do not go
    together, a flood, a withdrawal in the last moment, clocks of nodes before and after the second in which
    a proposal ends and a stop lapses.
    """
    tally = governed(29, insiders=INSIDERS)

    print(tally)
    assert tally.contradictions > 0 and tally.lapsed > 10


@pytest.mark.check
@pytest.mark.parametrize("mute", [RETIRED, 3], ids=["the one that is retired", "one that stays"])
def test_who_signs_nothing_holds_up_no_change(mute: int) -> None:
    """
    One of four validators neither votes nor proposes nor cosigns, from the first block on: every change is
    decided and sealed all the same, its own retirement too. Whoever is expelled goes on approving in vain.
    """
    tally = governed(29, insiders=[suspended_between], mute=mute)

    print(tally)
    assert tally.mute == 1 and tally.decided > 5


@pytest.mark.check
@pytest.mark.parametrize(
    ("name", "insider"),
    [
        ("approvals_of_the_suspended_count", suspended_between),
        ("no_way_on_is_asked_for", two_together),
        ("one_side_is_enough", replayed),
    ],
)
def test_a_planted_bug_on_every_node_is_found(name: str, insider: Step) -> None:
    """
    The nodes agree on what is wrong with all of them; the restatement does not.
    """
    with BUGS[name](), pytest.raises(AssertionError, match="governance: height") as found:
        governed(9, insiders=[insider])

    print(f"{name}: {str(found.value)[:120]}")


@contextmanager
def by_their_own_clock() -> Iterator[None]:
    """Nodes whose clock is well off judge a block by it, and not by the block's time."""
    feed, judge_at, running = Node.feed, Registry.judge_at, list[Node]()

    def fed(node: Node, event: Event) -> None:
        running.append(node)
        feed(node, event)
        running.pop()

    def judged(registry: Registry, at: int, governance: Governance) -> Judge:
        skew_ms = running[-1].skew_ms if running else 0
        return judge_at(registry, at + (skew_ms // 1_000 if abs(skew_ms) >= EDGE_MS else 0), governance)

    with patched(Node, "feed", fed), patched(Registry, "judge_at", judged):
        yield


@pytest.mark.check
def test_a_node_that_goes_by_its_own_clock_is_found() -> None:
    """
    The clocks on both sides of an edge tell such nodes apart at once.
    """
    with by_their_own_clock(), pytest.raises(AssertionError, match="another root after height"):
        governed(9, insiders=[on_the_edge])


@pytest.mark.long
def test_governance_is_attacked_among_faults_in_five_hundred_seeds() -> None:
    """
    500 seeds, of one to two attacks each.
    """
    tally = Tally()
    for seed in range(1_000, 1_500):
        tally.add(governed(seed))

    print(tally)
    assert tally.seeds == 500
    assert tally.accused > 100 and tally.forgotten < tally.accused / 20 and tally.mute > 50
