"""Ten classic bugs, injected one by one into the production code: a table of what caught each."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from tests.consensus.test_encoding import PINNED, TYPES
from tests.consensus.test_machine import SCRIPTS, run_script
from tests.harness.sim.bugs import BUGS
from tests.harness.sim.scenario import run

ROOT = Path(__file__).parents[2]

# Seeds in which the bug has something to break: a cluster of six, hidden locks, an equivocator, a forger.
SEEDS: dict[str, tuple[int, ...]] = {
    "vote_without_persisting": (0,),
    "quorum_at_least_two_thirds": (2, 7),
    "lock_not_kept": (8, 18),
    "valid_round_ignored": (118, 178),
    "timestamp_in_a_vote": (1,),
    "set_iteration": (6,),
    "sender_counted_twice": (24, 25),
    "unlock_on_nil_polka": (8, 28),
    "decide_without_proposal": (4, 5),
    "evidence_without_signatures": (30, 31),
}


def by_simulation(bug: str) -> str | None:
    """A checker of the simulation, or an exception of a node."""
    for seed in SEEDS[bug]:
        try:
            run(seed)
        except AssertionError as error:
            return f"seed {seed}: {error}"
        except Exception as error:
            return f"seed {seed}: a node raised {type(error).__name__}"
    return None


def by_scripts(bug: str) -> str | None:
    """A step of a script in test_machine.py."""
    for name in SCRIPTS:
        try:
            run_script(name)
        except AssertionError as error:
            return f"script {name!r}: {str(error).splitlines()[0]}"
    return None


def by_pinned_digests(bug: str) -> str | None:
    """A digest in tests/vectors/encodings.txt."""
    pinned = dict(line.split() for line in PINNED.read_text().splitlines() if not line.startswith("#"))
    for name, make in TYPES.items():
        random, digest = Random(name), sha256()
        for _ in range(1_000):
            digest.update(make(random))
        if digest.hexdigest() != pinned[name]:
            return f"another digest of {name}"
    return None


def by_hash_seeds(bug: str) -> str | None:
    """Two processes whose strings hash differently."""
    traces = {_trace(bug, hash_seed) for hash_seed in ("0", "1")}
    return "two processes, two traces" if len(traces) > 1 else None


@cache
def _trace(bug: str, hash_seed: str) -> str:
    seed = SEEDS[bug][0]
    command = [sys.executable, "-m", "tests.harness.sim", "--seeds", f"{seed}:{seed + 1}", "--bug", bug]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout


CATCHERS: tuple[tuple[str, Callable[[str], str | None]], ...] = (
    ("simulation", by_simulation),
    ("scripts", by_scripts),
    ("pinned digests", by_pinned_digests),
    ("hash seeds", by_hash_seeds),
)
EXPECTED = {
    "vote_without_persisting": "simulation",
    "quorum_at_least_two_thirds": "simulation",
    "lock_not_kept": "simulation",
    "valid_round_ignored": "simulation",
    "timestamp_in_a_vote": "simulation",
    "set_iteration": "hash seeds",
    "sender_counted_twice": "simulation",
    "unlock_on_nil_polka": "simulation",
    "decide_without_proposal": "simulation",
    "evidence_without_signatures": "simulation",
}


def caught(bug: str) -> dict[str, str]:
    """What catches a bug, and how."""
    found = {}
    with BUGS[bug]():
        for name, catcher in CATCHERS:
            how = catcher(bug)
            if how is not None:
                found[name] = how
    return found


@pytest.mark.check
def test_ten_bugs_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each of the ten bugs is caught; the table says by what. Without a bug nothing is caught in the same seeds.
    """
    table = {bug: caught(bug) for bug in BUGS}
    with capsys.disabled():
        print()
        for bug, found in table.items():
            for catcher, how in found.items():
                print(f"{bug:<28} {catcher:<15} {how[:110]}")

    assert len(table) == 10
    assert {bug: EXPECTED[bug] in found for bug, found in table.items()} == dict.fromkeys(BUGS, True)
    for seed in sorted({seed for seeds in SEEDS.values() for seed in seeds}):
        run(seed)
    assert by_scripts("") is None
    assert by_pinned_digests("") is None
