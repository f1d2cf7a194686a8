"""One seeded run: trouble, then healing, then progress."""

from dataclasses import dataclass
from hashlib import sha256
from random import Random

from tests.sim.checks import check_all
from tests.sim.cluster import START_MS, Cluster
from tests.sim.ledger import make_tx

TROUBLE_MS = 20_000
PROGRESS_MS_MAX = 60_000  # from healing to everything final everywhere
TXS = 30


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    heights: int
    healed_after_ms: int
    trace: str


def run(seed: int) -> Outcome:
    """Run one seed; raises AssertionError when a rule is broken."""
    random = Random(f"scenario {seed}")
    cluster = Cluster(seed, 4, observers=1, heartbeat_ms=random.choice((5_000, 600_000)))
    cluster.links.delay_ms_max = random.choice((20, 200, 900))
    cluster.links.loss = random.choice((0.0, 0.05, 0.3))
    cluster.links.duplication = random.choice((0.0, 0.2))
    cluster.crash_chance = random.choice((0.0, 0.002, 0.01))
    cluster.start()
    txs = [make_tx(f"n{i}", f"n{random.randrange(i)}" if i % 5 == 4 else None) for i in range(TXS)]
    for tx in txs:
        cluster.after(random.randint(0, TROUBLE_MS), lambda tx=tx: cluster.submit(tx))  # type: ignore[misc]
    names = sorted(node.name for node in cluster.validators)
    for _ in range(random.randint(0, 3)):
        start_ms, length_ms = random.randint(0, TROUBLE_MS - 5_000), random.randint(500, 5_000)
        side = set(random.sample(names, random.randint(1, 2)))
        cut = {frozenset((a, b)) for a in side for b in names if b not in side}
        cluster.after(start_ms, lambda cut=cut: cluster.links.cut.update(cut))  # type: ignore[misc]
        cluster.after(start_ms + length_ms, cluster.links.cut.clear)
    cluster.run(TROUBLE_MS)
    check_all(cluster)

    cluster.links.cut.clear()
    cluster.links.loss = cluster.links.duplication = cluster.crash_chance = 0.0
    cluster.links.delay_ms_max = 20
    wanted = {sha256(tx).digest() for tx in txs}

    def done() -> bool:
        return all(
            wanted <= {digest for commit in node.commits for digest in commit.execution.finals}
            for node in cluster.nodes.values()
        )

    progressed = cluster.run_until(done, PROGRESS_MS_MAX)
    check_all(cluster)
    heights = [len(node.commits) for node in cluster.nodes.values()]
    assert progressed, f"no progress {PROGRESS_MS_MAX} ms after healing: heights {heights}"
    return Outcome(max(heights), cluster.now_ms - START_MS - TROUBLE_MS, cluster.trace_digest)
