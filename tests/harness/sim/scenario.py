"""Seeded runs: trouble, then healing, then progress; and attacks by more than f, which leave names behind."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from tests.harness.sim.adversaries import ADVERSARIES
from tests.harness.sim.attacks import attack, quorum
from tests.harness.sim.checks import PREVOTED, PROPOSED, check_all
from tests.harness.sim.cluster import START_MS, Cluster, Node, read_said
from tests.harness.sim.world import Border, faulty_max, lives

SIZES = (4, 5, 6, 7, 10)
LOCKS, ATTACK = 8, 9  # last digits of seeds: votes get lost until locks are hidden; more than f are faulty
TROUBLE_MS = 12_000
PROGRESS_MS_MAX = 90_000  # from healing to everything final and under a receipt, everywhere
BATTERIES = 4
CUT_MS_MAX = 5_000


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    validators: int
    adversaries: tuple[str, ...]
    heights: int
    healed_after_ms: int
    trace: str


def choose_adversaries(seed: int, random: Random, validators: int) -> dict[int, type[Node]]:
    """None in one seed of six, else up to f; fifty seeds hold every kind in every size."""
    if random.random() < 1 / 6:
        return {}
    kinds = [ADVERSARIES[seed // len(SIZES) % len(ADVERSARIES)]]
    kinds += random.choices(ADVERSARIES, k=random.randint(0, faulty_max(validators) - 1))
    return dict(zip(random.sample(range(validators), len(kinds)), kinds, strict=True))


def run(seed: int) -> Outcome:
    """Run one seed; raises AssertionError when a rule is broken."""
    if seed % 10 == LOCKS:
        return hidden_locks(seed)
    if seed % 10 == ATTACK:
        done = attack(seed)
        kinds = (f"{done.way}: {len(done.faulty)} faulty, {'fork' if done.forked else 'no fork'}",)
        return Outcome(done.validators, kinds, done.heights, 0, done.trace)
    return trouble(seed)


def trouble(seed: int, folder: Path | None = None) -> Outcome:
    """Up to f adversaries, every kind of trouble, healing, progress; in `folder` with a real signing.db."""
    random = Random(f"scenario {seed}")
    validators = SIZES[seed % len(SIZES)]
    world = Border(validators)
    adversaries = choose_adversaries(seed, random, validators)
    cluster = Cluster(seed, validators, observers=1, world=world, adversaries=adversaries, folder=folder)
    links = cluster.links
    links.delay_ms_max = random.choice((20, 200, 900))
    links.loss = random.choice((0.0, 0.05, 0.3))
    links.vote_loss = random.choice((0.0, 0.0, 0.5))
    links.duplication = random.choice((0.0, 0.2))
    cluster.crash_chance = random.choice((0.0, 0.002, 0.01)) if folder is None else 0.05
    cluster.down_max = random.randint(1, validators)
    cluster.start()
    txs = lives(world, random.sample(range(1_000), BATTERIES))
    for tx in txs:
        cluster.after(random.randint(0, TROUBLE_MS), lambda tx=tx: cluster.submit(tx))  # type: ignore[misc]
    names = sorted(cluster.nodes)
    for _ in range(random.randint(0, 3)):
        start_ms = random.randint(0, TROUBLE_MS - CUT_MS_MAX)
        side = sorted(random.sample(names, random.randint(1, len(names) // 2)))
        rest = [name for name in names if name not in side]
        both_ways = random.random() < 0.6
        cluster.after(start_ms, lambda a=side, b=rest, w=both_ways: links.part(a, b, both_ways=w))  # type: ignore[misc]
        cluster.after(start_ms + random.randint(500, CUT_MS_MAX), links.cut.clear)
    cluster.run(TROUBLE_MS)
    outcome = _recover(cluster, txs)
    cluster.close()
    return outcome


@dataclass(frozen=True)
class _Round:
    """What is withheld in one round: the proposal from some, one validator's prevote from all others."""

    blind: frozenset[str]
    hidden: str

    @classmethod
    def plan(cls, seed: int, round: int, names: list[str]) -> _Round:
        """By round: nobody, a few or all miss the proposal."""
        random = Random(f"locks {seed} {round}")
        few = len(names) - quorum(len(names))
        count = random.choice((0, few, len(names))) if round else few
        return cls(frozenset(random.sample(names, count)), random.choice(names))


def hidden_locks(seed: int) -> Outcome:
    """All are correct; one validator at a time sees a polka and locks, and the others go on without it."""
    random = Random(f"locks {seed}")
    validators = SIZES[seed // 10 % len(SIZES)]
    world = Border(validators)
    cluster = Cluster(seed, validators, world=world)
    names = sorted(cluster.nodes)
    plans = [_Round.plan(seed, round_, names) for round_ in range(40)]

    def drops(sender: str, receiver: str, data: bytes) -> bool:
        said = read_said(data)
        if said is None:
            return True  # nobody is helped
        name, _, round_, kind = said[0]
        plan = plans[round_ % len(plans)]
        return (kind == PROPOSED and receiver in plan.blind) or (kind == PREVOTED and name == plan.hidden)

    cluster.links.drops = drops
    cluster.start()
    txs = lives(world, random.sample(range(1_000), 2))
    for tx in txs:
        cluster.submit(tx)
    cluster.run(random.randint(4_000, 25_000))
    cluster.links.drops = None
    return _recover(cluster, txs)


def _recover(cluster: Cluster, txs: list[bytes]) -> Outcome:
    """Check, heal, and wait for everything to be final and sealed everywhere."""
    check_all(cluster)
    troubled_ms = cluster.now_ms - START_MS
    cluster.heal()
    wanted = {sha256(tx).digest() for tx in txs}

    def done() -> bool:
        return all(wanted <= node.final and _sealed(node) for node in cluster.honest)

    progressed = cluster.run_until(done, PROGRESS_MS_MAX)
    check_all(cluster)
    heights = [len(node.commits) for node in cluster.honest]
    lacking = [len(wanted - node.final) for node in cluster.honest]
    assert progressed, (
        f"progress: none {PROGRESS_MS_MAX} ms after healing: heights {heights}, not final {lacking}"
    )
    return Outcome(
        len(cluster.chain.validators.validators),
        tuple(type(node).__name__ for node in cluster.validators if not node.honest and node.id == node.name),
        max(heights),
        cluster.now_ms - START_MS - troubled_ms,
        cluster.trace_digest,
    )


def _sealed(node: Node) -> bool:
    """The node's whole log is under a checkpoint that a quorum cosigned."""
    return node.note is not None and int(node.note.body.split("\n")[1]) == len(node.entries)
