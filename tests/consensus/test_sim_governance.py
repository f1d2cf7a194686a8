"""The simulated network while what governs it changes: who votes, with which keys, by which limits."""

from __future__ import annotations

import pytest

from tests.harness.sim.governed import governed


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.check) for seed in (1, 2, 3))])
def test_governance_changes_among_faults(seed: int) -> None:
    """
    A limit, a validator more, new vote and cosign keys of one that votes, a validator less: all are decided
    on every node while nodes crash and messages get lost, and the whole log is cosigned under its policies.
    """
    print(governed(seed))


@pytest.mark.long
def test_governance_changes_among_faults_in_five_hundred_seeds() -> None:
    """
    The same 500 times.
    """
    for seed in range(100, 600):
        print(governed(seed))
