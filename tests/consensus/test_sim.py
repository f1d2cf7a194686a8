"""Seeded clusters of production nodes and registries; `python -m tests.harness.sim --seeds A:B`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from consensus.evidence import FaultEvidence
from consensus.faults import HEIGHTS_REMEMBERED
from consensus.replica import Replica
from node.storage.signing import SigningStore
from tests.harness.sim.adversaries import ADVERSARIES
from tests.harness.sim.attacks import Attack, attack_with_amnesia, attack_with_twins, long_parted
from tests.harness.sim.checks import check_all
from tests.harness.sim.cluster import Cluster, Node, log_root
from tests.harness.sim.scenario import SIZES, run, trouble
from tests.harness.sim.world import Border, faulty_max, lives, validator_name

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.check) for seed in range(12, 50))]
)
def test_seeds(seed: int) -> None:
    """
    Under loss, delay, cuts, skew, crashes and up to f adversaries no rule breaks; healed, all becomes final.
    """
    run(seed)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(50, 500, id="500", marks=pytest.mark.check),
        pytest.param(500, 2_000, id="2000", marks=pytest.mark.long),
    ],
)
def test_more_seeds(first: int, last: int) -> None:
    """
    The further seeds of `make check` (500 with those above) and of `make long` (2,000), without a failure.
    """
    step = 25
    parts = [f"{start}:{min(start + step, last)}" for start in range(first, last, step)]
    with ProcessPoolExecutor(max_workers=2) as pool:
        outcomes = list(pool.map(_run_seeds, parts))

    assert [line for line in "\n".join(outcomes).splitlines() if "FAILED" in line] == []


def _run_seeds(seeds: str) -> str:
    command = [sys.executable, "-m", "tests.harness.sim", "--seeds", seeds]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + ("" if done.returncode in (0, 1) else f"FAILED {seeds}: {done.stderr[-2000:]}")


def test_every_adversary_meets_every_size() -> None:
    """
    There are ten adversaries, and within 50 seeds each of them is in a cluster of each size it can be in.
    """
    assert len({kind.__module__ for kind in ADVERSARIES}) == len(ADVERSARIES) == 10
    assert SIZES == (4, 5, 6, 7, 10)
    assert [faulty_max(size) for size in SIZES] == [1, 1, 1, 2, 3]


@pytest.mark.parametrize("kind", ADVERSARIES, ids=lambda kind: kind.__name__)
def test_one_of_four(kind: type[Node]) -> None:
    """
    One adversary of each kind among four: all attestations become final and sealed, and no rule breaks.
    """
    world = Border(4)
    cluster = Cluster(7, 4, world=world, adversaries={2: kind})
    cluster.start()
    txs = lives(world, range(2))
    for tx in txs:
        cluster.submit(tx)
    wanted = {sha256(tx).digest() for tx in txs}

    done = cluster.run_until(lambda: all(wanted <= node.final for node in cluster.honest), 60_000)
    cluster.run(5_000)

    assert done, "not all attestations are final"
    assert all(node.note is not None for node in cluster.honest)
    check_all(cluster)


@pytest.mark.check
def test_a_run_does_not_depend_on_the_hash_seed() -> None:
    """
    Two processes with different string hashing produce one trace digest for each seed.
    """
    traces = {
        subprocess.run(
            [sys.executable, "-m", "tests.harness.sim", "--seeds", "5:10"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1")
    }

    assert len(traces) == 1
    assert traces.pop().count("trace") == 5


# --- more than f


@pytest.mark.parametrize("validators", [4, *(pytest.param(n, marks=pytest.mark.check) for n in (7, 10))])
@pytest.mark.parametrize("way", [attack_with_twins, attack_with_amnesia], ids=["twins", "amnesia"])
def test_a_forced_fork_names_f_plus_one(validators: int, way: Callable[[int, int], Attack]) -> None:
    """
    Up to 2f faulty of 4, 7 or 10 force a fork; correct nodes then hold evidence against f+1, all guilty.
    """
    done = way(1, validators)

    assert done.forked
    assert faulty_max(validators) < len(done.guilty) <= len(done.faulty)
    assert faulty_max(validators) < len(done.named)
    assert {*done.guilty, *done.named} <= {*done.faulty}


@pytest.mark.check
def test_a_fork_of_long_ago_is_noticed_by_both_parts_that_went_on() -> None:
    """
    Their votes of the height at which they parted are remembered no more: both find two blocks at one of the
    last sixteen heights, and vote no more.
    """
    honest = long_parted(1, (20, 20))

    for node in honest:
        forked = replica_of(node).forked
        assert forked is not None and forked > 1 and len(node.commits) > HEIGHTS_REMEMBERED


@pytest.mark.check
def test_who_is_far_ahead_of_a_fork_notices_it_too() -> None:
    """
    One part stood still: it finds two blocks at one height, and tells who broke its word there, which are
    more than f validators. The other one, far ahead, hears that, asks for the block that was decided there,
    which is not its own, and votes no more either.
    """
    behind, ahead = long_parted(2, (3, 30))

    assert len(ahead.commits) > len(behind.commits) + HEIGHTS_REMEMBERED
    assert replica_of(behind).forked is not None
    assert replica_of(ahead).forked in range(1, len(behind.commits) + 1) and not replica_of(ahead).voting
    recorded = [FaultEvidence.decode(data) for commit in ahead.commits for data in commit.block.evidence]
    told = (*recorded, *replica_of(ahead).evidence)
    thieves = {one.validator for one in told if one.height <= len(behind.commits)}
    assert thieves == {validator_name(0), validator_name(1)}


def replica_of(node: Node) -> Replica:
    """Of one that is up."""
    assert node.replica is not None
    return node.replica


@pytest.mark.parametrize("validators", [5, 6])
def test_five_and_six_do_not_fork_with_2f_faulty(validators: int) -> None:
    """
    Where n is not 3f + 1 a quorum needs more than 2f double signers: two twins cannot fork five or six.
    """
    done = attack_with_twins(1, validators)

    assert not done.forked
    assert len(done.faulty) == 2 * faulty_max(validators)


# --- the disk


@pytest.mark.parametrize("seed", [7, 17, 25])
def test_seeds_on_production_databases(seed: int, tmp_path: Path) -> None:
    """
    With a real signing.db for each node, its log cut at any byte by crashes: no rule breaks, all gets final.
    """
    trouble(seed, tmp_path)

    assert any("+" in folder.name for folder in tmp_path.iterdir()), "a crash cut a log"


def test_signing_db_cut_at_any_byte(tmp_path: Path) -> None:
    """
    A log of signing.db that ends at any byte opens with whole transactions: a prefix of them, never a part.
    """
    path = tmp_path / "signing.db"
    store = SigningStore(path)
    # What was there before the crash stays in the file itself.
    transactions = [
        [(b"%d proposal" % i, (1, i, "proposal")), (b"%d prevote" % i, (1, i, "prevote"))] for i in range(4)
    ]
    for records in transactions:
        store.persist(1, records)
    written = (tmp_path / "signing.db-wal").read_bytes()
    prefixes = [
        [record for records in transactions[:count] for record, _ in records]
        for count in range(len(transactions) + 1)
    ]

    seen = set()
    for number, cut in enumerate(sorted({*range(0, len(written), 1_021), len(written) - 1, len(written)})):
        copy = tmp_path / str(number)
        copy.mkdir()
        shutil.copy(path, copy)
        (copy / "signing.db-wal").write_bytes(written[:cut])
        reopened = SigningStore(copy / "signing.db")
        found = reopened.wal(0)
        assert found in prefixes
        seen.add(len(found))
        reopened.persist(2, [(b"after", (2, 0, "prevote"))])
        assert reopened.wal(0) == [*found, b"after"]
        reopened.close()
    store.close()

    assert seen == {0, 2, 4, 6, 8}


def test_the_checkers_roots_are_those_of_the_rfc() -> None:
    """
    The checker's own tree over nothing, one and three entries, by hand.
    """
    a, b, c = (sha256(b"\x00" + entry).digest() for entry in (b"a", b"b", b"c"))
    ab = sha256(b"\x01" + a + b).digest()

    assert log_root([]) == sha256(b"").digest()
    assert log_root([b"a"]) == a
    assert log_root([b"a", b"b", b"c"]) == sha256(b"\x01" + ab + c).digest()
