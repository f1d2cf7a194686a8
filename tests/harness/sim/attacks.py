"""More than f faulty, up to 2f: with 4, 7 and 10 validators they can force a fork, and leave their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from random import Random

from tests.harness.sim.adversaries.amnesiac import Amnesiac
from tests.harness.sim.adversaries.twins import Twin
from tests.harness.sim.checks import (
    PRECOMMITTED,
    check_agreement,
    check_all,
    check_certificates,
    check_evidence,
    check_evidence_once,
    check_locks,
    check_signatures,
    decided,
    double_signers,
    lock_breakers,
    named_by,
    total,
    weight,
)
from tests.harness.sim.cluster import Cluster, Node, read_said
from tests.harness.sim.world import Border, faulty_max, lives, validator_name

ATTACK_MS = 20_000
BLOCK_MS = 1_500  # in which what was submitted is decided
TALK_MS = 20_000  # after healing: the two sides compare what they hold


@dataclass(frozen=True)
class Attack:
    """What an attack came to."""

    way: str
    validators: int
    faulty: tuple[str, ...]
    forked: bool
    guilty: tuple[str, ...]  # by the certificates of the two sides
    named: tuple[str, ...]  # by the evidence in the hands of correct nodes
    heights: int
    trace: str


def quorum(validators: int) -> int:
    """The smallest number that is more than two thirds."""
    return min(q for q in range(validators + 1) if 3 * q > 2 * validators)


def attack_with_twins(seed: int, validators: int) -> Attack:
    """2f validators run twice: one of each with one half of the honest, its twin with the other."""
    random = Random(f"twins {seed}")
    world = Border(validators)
    indices = random.sample(range(validators), 2 * faulty_max(validators))
    cluster = Cluster(seed, validators, world=world, adversaries=dict.fromkeys(indices, Twin))
    honest = sorted(node.id for node in cluster.honest)
    random.shuffle(honest)
    half = len(honest) // 2
    sides = [honest[:half], honest[half:]]
    for i in indices:
        sides[0].append(validator_name(i))
        sides[1].append(validator_name(i) + "#twin")
    cluster.links.part(*sides)
    cluster.start()
    _submit_to(cluster, sides[0], lives(world, range(0, 2)))
    _submit_to(cluster, sides[1], lives(world, range(2, 4)))
    cluster.run(ATTACK_MS)
    return _aftermath("twins", cluster, world)


def long_parted(seed: int, blocks: Sequence[int]) -> list[Node]:
    """
    Two of four validators run twice, beside one honest each, until each part has decided about so many blocks
    of its own; then all hear each other, and of one thing more: parts that came to one height have nothing to
    tell each other before it. The honest, in order of their parts.
    """
    world = Border(4)
    cluster = Cluster(seed, 4, world=world, adversaries=dict.fromkeys((0, 1), Twin))
    twins = [validator_name(i) for i in (0, 1)]
    honest = sorted(cluster.honest, key=lambda node: node.id)
    sides = [[honest[0].id, *twins], [honest[1].id, *(f"{name}#twin" for name in twins)]]
    cluster.links.part(*sides)
    cluster.start()
    numbers = count()
    for side, some in zip(sides, blocks, strict=True):
        for number in islice(numbers, some):
            _submit_to(cluster, side, lives(world, range(number, number + 1)))
            cluster.run(BLOCK_MS)
    cluster.heal()
    number = next(numbers)
    _submit_to(cluster, [node.id for node in honest], lives(world, range(number, number + 1)))
    cluster.run(TALK_MS)
    return honest


def attack_with_amnesia(seed: int, validators: int) -> Attack:
    """f+1 validators precommit a value, forget it, and prevote another one in the next round."""
    world = Border(validators)
    indices = range(1, faulty_max(validators) + 2)  # they propose first
    forgetful = [validator_name(i) for i in indices]
    cluster = Cluster(seed, validators, world=world, adversaries=dict.fromkeys(indices, Amnesiac))
    honest = sorted(node.id for node in cluster.honest)
    Random(f"amnesia {seed}").shuffle(honest)
    first = honest[: quorum(validators) - len(forgetful)]
    second = [name for name in honest if name not in first]
    links = cluster.links
    links.part(second, [*first, *forgetful])
    # The forgetful must not see the decision they help to make.
    links.drops = lambda sender, receiver, data: receiver in forgetful and _is_precommit(data)
    cluster.start()
    _submit_to(cluster, [*first, *forgetful], lives(world, range(0, 2)))
    cluster.run_until(lambda: all(cluster.nodes[name].commits for name in first), ATTACK_MS)
    links.drops = None
    links.cut.clear()
    links.part(first, [*second, *forgetful])
    for name in forgetful:
        node = cluster.nodes[name]
        assert isinstance(node, Amnesiac)
        node.forget()
    cluster.run(ATTACK_MS)
    return _aftermath("amnesia", cluster, world)


def attack(seed: int) -> Attack:
    """An attack of either kind, by seed."""
    validators = (4, 7, 10, 5, 6)[seed // 10 % 5]
    if seed // 50 % 2 and validators in (4, 7, 10):
        return attack_with_amnesia(seed, validators)
    return attack_with_twins(seed, validators)


def guilty_by_certificates(cluster: Cluster) -> set[str]:
    """Who is in both of two rival decisions, by what the certificates alone say; own arithmetic."""
    commits = [commit for node in cluster.honest for commit in node.commits]
    forked = min(height for height, blocks in decided(cluster).items() if len(blocks) > 1)
    rivals = {c.certificate.value_id: c.certificate for c in commits if c.block.height == forked}
    one, two = sorted(rivals.values(), key=lambda certificate: (certificate.round, certificate.value_id))[:2]
    precommitted = {vote.validator for vote in one.precommits}
    if one.round == two.round:
        return precommitted & {vote.validator for vote in two.precommits}
    justified = {vote.validator for vote in two.polka if vote.valid_round < one.round}
    return precommitted & justified


def _aftermath(way: str, cluster: Cluster, world: Border) -> Attack:
    """Heal, let them talk, and see who is named; raises AssertionError when a rule is broken."""
    cluster.heal()
    for tx in lives(world, [9]):
        cluster.submit(tx, for_ms=TALK_MS)
    cluster.run(TALK_MS)
    guilty: set[str] = set()
    forked = any(len(blocks) > 1 for blocks in decided(cluster).values())
    named = {name for node in cluster.honest for name in named_by(node)}
    for check in (check_certificates, check_signatures, check_locks, check_evidence, check_evidence_once):
        check(cluster)
    if forked:
        guilty = guilty_by_certificates(cluster)
        assert guilty <= cluster.faulty, f"evidence: certificates name {sorted(guilty - cluster.faulty)}"
        assert guilty <= double_signers(cluster) | lock_breakers(cluster)
        assert 3 * weight(cluster, guilty) >= total(cluster), f"evidence: a fork names only {sorted(guilty)}"
        assert 3 * weight(cluster, named) >= total(cluster), f"evidence: held only against {sorted(named)}"
    else:
        check_agreement(cluster)
        check_all(cluster)
    validators = len(cluster.chain.validators.validators)
    assert not forked or validators % 3 == 1, "agreement: 5 and 6 validators do not fork with 2f faulty"
    return Attack(
        way,
        validators,
        tuple(sorted(cluster.faulty)),
        forked,
        tuple(sorted(guilty)),
        tuple(sorted(named)),
        max(len(node.commits) for node in cluster.honest),
        cluster.trace_digest,
    )


def _submit_to(cluster: Cluster, side: list[str], txs: list[bytes]) -> None:
    for tx in txs:
        cluster.submit(tx, to=[cluster.nodes[name] for name in side], for_ms=ATTACK_MS)


def _is_precommit(data: bytes) -> bool:
    said = read_said(data)
    return said is not None and said[0][3] == PRECOMMITTED
