"""Runs in which governance changes among faults, and is attacked: `governed_attacks.py` has the ways.

A run makes four changes, one after the other: a limit, a validator more, new vote and cosign keys of one that
votes, a validator less. Between them others attack; every block is judged by the restatement (`judged.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from random import Random
from typing import Any

from consensus.cose import SeedSigner
from consensus.log_policy import LogPolicy
from credentials.ledger.genesis_table import read_participant
from credentials.ledger.parties import Accreditation
from credentials.ledger.proposals import ChangeProposal
from node.ledger.chain import chain_config
from tests.harness.constitution.acts import Desk, Signed, recovery_signer
from tests.harness.constitution.model import APPROVED, PROPOSED
from tests.harness.constitution.parties import RULES, key, participant_of
from tests.harness.constitution.rules import Offer
from tests.harness.constitution.tables import LIMITS, Id, Table
from tests.harness.ledger import (
    CREATED,
    MAKER,
    OTHER_MAKER,
    accreditation,
    make_genesis,
    participant,
    signer,
)
from tests.harness.sim.adversaries.retired_key import RetiredKey
from tests.harness.sim.adversaries.silent import Silent
from tests.harness.sim.checks import (
    check_agreement,
    check_evidence,
    check_locks,
    check_logs,
    check_once,
    check_signatures,
    check_time,
)
from tests.harness.sim.cluster import Cluster, Node
from tests.harness.sim.judged import Judge, registry_of
from tests.harness.sim.world import Border, validator_name, validator_signer

NODES, FIRST, CANDIDATE, RETIRED, ROTATING = 5, (0, 1, 3, 4), 2, 0, 1
CN, EU = (0, 1, 2), (3, 4)  # whose authorities they are
APPROVALS_MIN, WAIT_S = 3, 15
TROUBLE_MS_MAX, PROGRESS_MS_MAX = (
    60_000,
    120_000,
)  # then the faults end; from their end to what was waited for
DAY_S = 86_400


class Governed(Border):
    """Five nodes that are authorities of two sides; four of them vote at first."""

    def __init__(self) -> None:
        homes = {validator_name(i): "CN" if i in CN else "EU" for i in range(NODES)}
        authorities = [
            Accreditation(did, ("authority",), (("gs1", "*"),), home, CREATED - DAY_S)
            for did, home in homes.items()
        ]
        waits = dict.fromkeys(("stop_s", "objection_s", "removal_s"), WAIT_S)
        self.genesis = make_genesis(
            participants=[
                *(_party(i, homes[validator_name(i)]) for i in range(NODES)),
                participant(MAKER),
                participant(OTHER_MAKER),
            ],
            validators=[validator_name(i) for i in FIRST],
            accreditations=[*authorities, accreditation(MAKER), accreditation(OTHER_MAKER)],
            recognitions=(),
            governance=RULES | waits | {"approvals_min": APPROVALS_MIN, "proposal_s_max": 30 * DAY_S},
        )
        self.chain = chain_config(self.genesis)
        self.policy = LogPolicy.parse(self.genesis.governance.log_policy(self.genesis.origin))


def _party(index: int, home: str) -> Any:
    """An authority: the keys that its node signs with are the simulation's, the others the restatement's."""
    party = read_participant(participant_of(validator_name(index), home, since=CREATED - DAY_S))
    held = {role: validator_signer(index, role) for role in ("vote", "cosign", "log")}
    keys = tuple(
        replace(k, id=held[k.role].key_id, public=held[k.role].public_key) if k.role in held else k
        for k in party.keys
    )
    return replace(party, keys=keys)


@dataclass
class Tally:
    """How much a run, or many, have seen."""

    seeds: int = 0
    blocks: int = 0
    proposals: int = 0  # on the ledger
    decided: int = 0
    lapsed: int = 0
    withdrawn: int = 0
    refused: int = 0  # acts that no block took
    crashes: int = 0
    cuts: int = 0
    contradictions: int = 0  # under a retired key
    accused: int = 0  # runs in which some of them are on record
    forgotten: int = 0  # runs in which they came when nobody remembered the votes any more
    mute: int = 0  # runs in which one of those who vote signed nothing at all
    healed: int = 0  # waits that outlasted the faults

    def add(self, other: Tally) -> None:
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name) + getattr(other, f.name))

    def __str__(self) -> str:
        return ", ".join(f"{f.name} {getattr(self, f.name)}" for f in fields(self))


class Trial:
    """One seed: the network, its parties, and what they say."""

    def __init__(self, seed: int, mute: int | None = None) -> None:
        self.random = Random(f"governed {seed}")
        self.world = Governed()
        self.byzantine = self.random.random() < 0.5 and mute is None
        if not self.byzantine and mute is None and (dice := Random(f"mute {seed}")).random() < 0.3:
            mute = dice.choice((RETIRED, 3))
        adversaries: dict[int, type[Node]] = {ROTATING: RetiredKey} if self.byzantine else {}
        if mute is not None:
            adversaries[mute] = Silent
        self.cluster = Cluster(seed, NODES, world=self.world, adversaries=adversaries)
        self.judge = Judge.of(self.world.genesis)
        self.cluster.on_commit = self.judge.committed
        self.desk = Desk(self.world.genesis.network_id)
        self.tally = Tally(seeds=1, mute=int(mute is not None))
        self._batteries = iter(self.random.sample(range(1_000), 100))
        self._numbers = iter(range(1_000, 2_000))
        rotating = self.cluster.nodes[validator_name(ROTATING)]
        rotating.next_signers = (key(rotating.name, "vote", 2),)
        rotating.next_cosigners = (key(rotating.name, "cosign", 2),)
        self._links = (
            self.random.choice((20, 200, 900)),
            self.random.choice((0.0, 0.05, 0.3)),
            self.random.choice((0.0, 0.002, 0.01)),
        )
        self.trouble()
        self.cluster.start()

    # -- faults ----------------------------------------------------------------------------------------

    def trouble(self) -> None:
        """The faults of this seed begin."""
        links = self.cluster.links
        links.delay_ms_max, links.loss, self.cluster.crash_chance = self._links

    def cut(self, *apart: int, for_ms: int) -> None:
        """These nodes hear nobody, and nobody them."""
        names = {validator_name(i) for i in apart}
        self.cluster.links.part(sorted(names), sorted(self.cluster.nodes.keys() - names))
        self.tally.cuts += 1
        self.cluster.after(for_ms, self.cluster.links.cut.clear)

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        """Among faults, or soon after they end."""
        if self.cluster.run_until(done, TROUBLE_MS_MAX):
            return
        self.cluster.heal()
        self.tally.healed += 1
        progressed = self.cluster.run_until(done, PROGRESS_MS_MAX)
        heights = [len(n.commits) for n in self.cluster.honest]
        assert progressed, f"progress: no {what} after the faults ended: heights {heights}"
        self.trouble()

    # -- acts ------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> int:
        return self.cluster.now_ms // 1000

    def number(self) -> int:
        """Another one each time: a value that a change can have."""
        return next(self._numbers)

    def send(self, signed: Signed, *, for_ms: int = 400_000) -> Signed:
        """To every node, from some time soon on, until all have it or `for_ms` are over."""
        self.judge.heard(signed)
        delay_ms = self.random.randint(0, 2_000)
        self.cluster.after(delay_ms, lambda: self.cluster.submit(signed.data, for_ms=for_ms))
        return signed

    def say(self, by: int, kind: str, offer: Offer) -> Signed:
        """An act of an authority under its attest key."""
        did = validator_name(by)
        return self.send(self.desk.sign(did, kind, offer.digest, self.now_s, key(did, "attest")))

    def propose(
        self, by: int | str, changed: Mapping[Id, Table], *, recovery: bool = False, for_s: int = 20 * DAY_S,
        for_ms: int = 400_000,
    ) -> Offer:  # fmt: skip
        """Written for what is decided so far; by an authority, or a maker by its name."""
        did = by if isinstance(by, str) else validator_name(by)
        proposal, offer = self.desk.offer(self.judge.model.future, changed, self.now_s, for_s=for_s)
        self.send(self._signed(did, proposal, offer, recovery=recovery), for_ms=for_ms)
        return offer

    def _signed(self, did: str, proposal: ChangeProposal, offer: Offer, *, recovery: bool) -> Signed:
        held: SeedSigner | None = signer(did) if did == MAKER else key(did, "attest")
        if recovery:
            held = recovery_signer(did, self.judge.model.future["participant", did]["recovery"])
        assert held is not None
        return self.desk.sign(
            did, PROPOSED, offer.digest, self.now_s, held,
            by_recovery=recovery, proposal=proposal, offer=offer,
        )  # fmt: skip

    def decide(
        self, by: int, changed: Mapping[Id, Table], approving: Sequence[int], *, recovery: bool = False
    ) -> Offer:
        """Proposed, approved by these in any order, decided everywhere."""
        offer = self.propose(by, changed, recovery=recovery)
        for index in self.random.sample(approving, len(approving)):
            self.say(index, APPROVED, offer)
        self.over(offer, "decided")
        return offer

    def limits(self) -> dict[Id, Table]:
        """A change of a limit that is none yet."""
        return {LIMITS: {**self.judge.model.future[LIMITS], "per_issuer_per_day_max": self.number()}}

    # -- what came of it -------------------------------------------------------------------------------

    def over(self, offer: Offer, *outcomes: str) -> str:
        """Wait until every node says what became of a proposal: one of these."""
        everywhere = lambda: all(outcome(n, offer) not in ("open", "down") for n in self.cluster.honest)  # noqa: E731
        self.wait(f"end of a proposal of {offer.author}", everywhere)
        found = {outcome(n, offer) for n in self.cluster.honest}
        assert len(found) == 1 and found <= set(outcomes), f"{found} instead of {outcomes}"
        return found.pop()

    def final(self, *said: Signed) -> None:
        """Wait until all of it is on the ledger everywhere."""
        self._wait_final({signed.act.name for signed in said})

    def _wait_final(self, names: set[bytes]) -> None:
        self.wait("finality of an act", lambda: all(names <= n.final for n in self.cluster.honest))

    def tabled(self, *offers: Offer) -> None:
        """Wait until these were put on the table: none is refused for what another one does."""
        names, model = {offer.digest for offer in offers}, self.judge.model
        self.wait("proposal on the table", lambda: names <= model.open.keys() | model.over.keys())

    def blocks(self, count: int = 1) -> None:
        """So many blocks more at least, on every node."""
        for _ in range(count):
            produced = self.world.life_of(next(self._batteries))[0]
            self.cluster.submit(produced)
            self._wait_final({sha256(produced).digest()})

    def open(self, *offers: Offer) -> None:
        """Whatever was said of it, it is not decided: also not in the next block."""
        self.tabled(*offers)
        self.blocks()
        for offer in offers:
            assert offer.digest in self.judge.model.open, "a proposal was decided without its approvals"

    def close(self) -> Tally:
        """The faults end: everything goes on, nothing was lost, whoever broke a rule is known."""
        cluster, judge = self.cluster, self.judge
        check_safety(cluster)
        cluster.heal()
        self.blocks(1)
        self.wait("cosigned log", lambda: all(sealed(node) for node in cluster.honest))
        check_safety(cluster)
        judge.require_nothing_lost(cluster)
        acts = judge.acts
        self.tally.proposals = sum(acts[d].kind == PROPOSED for d in acts if d in judge.final)
        self.tally.refused = len(acts.keys() - judge.final)
        self.tally.blocks = judge.model.height
        self.tally.crashes = cluster.crashes
        for name in ("decided", "lapsed", "withdrawn"):
            setattr(self.tally, name, judge.outcomes[name])
        return self.tally


def outcome(node: Node, offer: Offer) -> str:
    """What became of a proposal on this node; of one that is down nothing is known."""
    if node.replica is None:
        return "down"
    return registry_of(node).constitution.state.over.get(offer.digest, ("open", ""))[0]


def sealed(node: Node) -> bool:
    """Up, and its whole log is under a checkpoint that the quorum of its size cosigned."""
    if node.replica is None or node.note is None:
        return False
    return int(node.note.body.split("\n")[1]) == len(node.entries)


def check_safety(cluster: Cluster) -> None:
    """What holds whoever votes."""
    for check in (
        check_agreement, check_logs, check_once, check_signatures, check_locks, check_time, check_evidence,
    ):  # fmt: skip
        check(cluster)
