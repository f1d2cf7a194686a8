"""The changes of a governed run, and who attacks them: one function each.

limits, promote, rotate, retire     made in every run, in this order; each may meet a partition
INSIDERS                            some of them in every run, between any two of these
expelled                            in some runs, at the end
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from consensus.evidence import FaultEvidence
from consensus.faults import HEIGHTS_REMEMBERED
from tests.harness.constitution.changes import licence_row, party_row
from tests.harness.constitution.model import APPROVED, TAKEN_BACK, WITHDRAWN
from tests.harness.constitution.parties import key_table
from tests.harness.constitution.tables import VALIDATORS, Table, offices
from tests.harness.constitution.ways import Search, ways_on
from tests.harness.ledger import MAKER
from tests.harness.sim.adversaries.retired_key import RetiredKey
from tests.harness.sim.cluster import read_said
from tests.harness.sim.governed import CANDIDATE, FIRST, NODES, RETIRED, ROTATING, WAIT_S, Tally, Trial
from tests.harness.sim.world import validator_name

Step = Callable[[Trial], None]
REPLAY_MS = 5_000
SPEAKS_WITHIN = 60  # blocks, however far behind it is
HEARD_WITHIN = 4  # blocks in which what is said again and again is heard, whatever is lost
EDGE_MS = 5_000  # by which the clocks of some are before, of others after
FLOOD, FLOOD_S = 10, 25  # proposals of one party, of which it may have eight open


# -- what every run changes ------------------------------------------------------------------------------


def limits(t: Trial) -> None:
    """A limit, by one of each side."""
    t.decide(0, t.limits(), (1, 3, 4))


def promote(t: Trial) -> None:
    """A validator more, while it and perhaps another one hear nobody."""
    if t.random.random() < 0.7:
        other = t.random.choice([(), (), (t.random.choice(FIRST),)])
        t.cut(CANDIDATE, *other, for_ms=t.random.randint(2_000, 9_000))
    names = [validator_name(i) for i in (*FIRST, CANDIDATE)]
    t.decide(3, {VALIDATORS: {"participants": names}}, (0, 1, 4))


def rotate(t: Trial) -> None:
    """New vote and cosign keys of one that votes, while it, or others, are cut off."""
    if t.random.random() < 0.7:
        t.cut(t.random.choice((ROTATING, 3)), for_ms=t.random.randint(2_000, 9_000))
    did, at, roles = validator_name(ROTATING), t.now_s, ("vote", "cosign")
    party = t.judge.model.future["participant", did]
    keys = [{**k, "valid_until": at} if k["role"] in roles else k for k in party["keys"]]
    keys += [key_table(did, role, 2, at) for role in roles]
    offer = t.decide(ROTATING, party_row({**party, "keys": keys}), (0, 1, 3, 4), recovery=True)
    if t.byzantine:
        _retired_key_counts_for_its_past_alone(t, t.judge.began[offer.digest])


def _retired_key_counts_for_its_past_alone(t: Trial, since: int) -> None:
    """What it says against votes of its time is on record; what it says now is nothing."""

    def recorded() -> list[FaultEvidence]:
        return [
            FaultEvidence.decode(data)
            for node in t.cluster.honest
            for commit in node.commits
            for data in commit.block.evidence
        ]

    byzantine = t.cluster.nodes[validator_name(ROTATING)]
    assert isinstance(byzantine, RetiredKey)
    for _ in range(SPEAKS_WITHIN):
        if recorded() or _late(t, byzantine):
            break
        t.blocks(1)
    found = recorded()
    assert found or _long_ago(t, byzantine), "evidence: nobody recorded what a retired key said of its past"
    for evidence in found:
        assert evidence.validator == validator_name(ROTATING), "evidence: it names somebody else"
        assert evidence.height < since, "evidence: a retired key was taken for the present one"
    t.tally.contradictions = byzantine.retired_said
    t.tally.accused, t.tally.forgotten = int(bool(found)), int(not found)


def _late(t: Trial, byzantine: RetiredKey) -> bool:
    """Whether it has been said for so long that somebody would have recorded it."""
    return byzantine.began_at is not None and t.judge.model.height > byzantine.began_at + 20


def _long_ago(t: Trial, byzantine: RetiredKey) -> bool:
    """Whether it first spoke when its votes that others have were of heights that these remember no more.

    A node that was cut off votes again, with its next key, many blocks after its last vote with the old one.
    """
    commits = [commit for node in t.cluster.honest for commit in node.commits]
    held = {v for c in commits for v in (*c.certificate.polka, *c.certificate.precommits)}
    last = max((vote.height for vote in byzantine.contradicted if vote in held), default=0)
    assert byzantine.began_at is not None, "evidence: the retired key never spoke"
    return last < byzantine.began_at - HEIGHTS_REMEMBERED + HEARD_WITHIN


def retire(t: Trial) -> None:
    """A validator less, while it proposes: a change, and blocks that only some get to see."""
    mine = t.propose(RETIRED, t.limits())
    name, voting = validator_name(RETIRED), (1, 3, 4, CANDIDATE)
    blind = {validator_name(i) for i in t.random.sample(voting, 2)}

    def half_proposed(sender: str, receiver: str, data: bytes) -> bool:
        said = read_said(data) if sender == name else None
        return said is not None and said[0][3] == 0 and receiver in blind

    t.cluster.links.drops = half_proposed if t.random.random() < 0.7 else None
    t.decide(4, {VALIDATORS: {"participants": [validator_name(i) for i in voting]}}, (0, 1, 3))
    t.cluster.links.drops = None
    t.open(mine)
    for index in (1, 3):
        t.say(index, APPROVED, mine)
    t.over(mine, "decided")  # it votes no more; its office is what it was


# -- insiders ----------------------------------------------------------------------------------------------


def replayed(t: Trial) -> None:
    """An approval that was taken back is said again, of this proposal and of the same one made again."""
    rows = t.limits()
    first = t.propose(0, rows)
    yes = t.say(3, APPROVED, first)
    t.final(yes)
    t.final(t.say(3, TAKEN_BACK, first))
    t.send(yes, for_ms=REPLAY_MS)
    home = [t.say(index, APPROVED, first) for index in (1, 2)]
    t.final(*home)
    t.open(first)

    again = t.propose(0, rows)
    for signed in (yes, *home):
        t.send(signed, for_ms=REPLAY_MS)
    t.open(first, again)
    for index in t.random.sample((1, 3), 2):
        t.say(index, APPROVED, again)
    t.over(again, "decided")
    t.over(first, "lapsed")  # it was written for a limit that is another by now


def other_base(t: Trial) -> None:
    """Two for one record, approved by everybody: one is decided, the other's approvals are for what was."""
    offers = [t.propose(0, t.limits()), t.propose(4, t.limits())]
    t.tabled(*offers)
    for offer in offers:
        for index in t.random.sample((1, 2, 3), 3):
            t.say(index, APPROVED, offer)
    ends = [t.over(offer, "decided", "lapsed") for offer in offers]
    assert sorted(ends) == ["decided", "lapsed"], "both were decided, or neither"
    lapsed = offers[ends.index("lapsed")]
    proposal, stale = t.desk.offer(t.judge.states[1], lapsed.changed, t.now_s)
    t.send(t._signed(validator_name(3), proposal, stale, recovery=False), for_ms=REPLAY_MS)
    t.blocks()
    assert stale.digest not in t.judge.model.open, "it was made for a base of long ago"


def _licence(t: Trial, index: int) -> Table:
    """The licence of an authority."""
    return next(table for did, table in offices(t.judge.model.future) if did == validator_name(index))


def _suspended(t: Trial, index: int) -> Table:
    licence = _licence(t, index)
    return {**licence, "suspended": [*licence.get("suspended", []), [t.now_s]]}


def _reinstate(t: Trial, index: int, by: tuple[int, ...]) -> None:
    licence = _licence(t, index)
    pauses = licence["suspended"]
    rows = licence_row({**licence, "suspended": [*pauses[:-1], [pauses[-1][0], pauses[-1][0]]]})
    t.decide(by[0], rows, by[1:])


def suspended_between(t: Trial) -> None:
    """Who approved is suspended before it is decided: it counts again once it is back, and not before."""
    offer = t.propose(0, t.limits())
    t.final(t.say(4, APPROVED, offer))
    t.decide(1, licence_row(_suspended(t, 4)), (0, 3))
    t.blocks()
    t.final(t.say(1, APPROVED, offer))
    t.open(offer)
    if t.random.random() < 0.5:
        t.say(3, APPROVED, offer)
        t.over(offer, "decided")
    _reinstate(t, 4, (3, 0, 1))
    t.over(offer, "decided")


def two_together(t: Trial) -> None:
    """Each authority of a side is suspended by a proposal that is fine: both would leave it without one."""
    offers = [t.propose(0, licence_row(_suspended(t, index))) for index in (3, 4)]
    t.tabled(*offers)
    acts = [(1, 0), (2, 0), (4, 0), (1, 1), (2, 1), (3, 1)]
    for by, which in t.random.sample(acts, len(acts)):
        t.say(by, APPROVED, offers[which])
    ends = [t.over(offer, "decided", "lapsed") for offer in offers]
    assert sorted(ends) == ["decided", "lapsed"], "a side was left without an authority, or nothing was done"
    gone, stays = (3, 4) if ends[0] == "decided" else (4, 3)
    _reinstate(t, gone, (stays, 0, 1))


def flooded(t: Trial) -> None:
    """The thief of an authority's key and a maker propose as fast as they can: a change goes through."""
    maker = t.judge.model.future["participant", MAKER]
    flood = []
    for by in (4, MAKER):
        for _ in range(FLOOD):
            rows = party_row({**maker, "name": f"flood {t.number()}"})
            flood.append(t.propose(by, rows, for_s=FLOOD_S, for_ms=REPLAY_MS))
    t.decide(0, t.limits(), (1, 3))
    of = [offer.digest for offer in flood]
    t.wait("end of the flood", lambda: not t.judge.model.open.keys() & set(of))
    assert not {"decided"} & {t.judge.model.over.get(digest) for digest in of}


def withdrawn(t: Trial) -> None:
    """Its author takes a proposal back while others approve it: decided or withdrawn, the same everywhere."""
    offer = t.propose(0, t.limits())
    for by, kind in t.random.sample([(0, WITHDRAWN), (1, APPROVED), (3, APPROVED)], 3):
        t.say(by, kind, offer)
    t.over(offer, "decided", "withdrawn")


def on_the_edge(t: Trial) -> None:
    """
    A proposal ends and a stop lapses in one second, and the clocks of the nodes stand before it and after it:
    what is said then counts by the time of its block, the same everywhere.
    """
    nodes = sorted(t.cluster.nodes.values(), key=lambda node: node.id)
    skews = [node.skew_ms for node in nodes]
    stop = {"target": MAKER, "by": validator_name(1), "since": 0, "until": 0}
    stopped = t.propose(1, {("stop", MAKER): stop})
    t.over(stopped, "decided")
    until = t.judge.model.future["stop", MAKER]["until"]
    for_s = max(until - t.now_s, 2)
    ending = [t.propose(0, t.limits(), for_s=for_s, for_ms=1_000 * for_s) for _ in range(2)]
    early = t.random.sample(nodes, len(nodes) // 2)
    for node in nodes:
        node.skew_ms = -EDGE_MS if node in early else EDGE_MS
    begins = until - t.random.randint(2, 7)
    t.cluster.run_until(lambda: t.now_s >= begins, 1_000 * WAIT_S)
    maker = t.judge.model.future["participant", MAKER]
    lapsed = t.propose(MAKER, party_row({**maker, "name": f"edge {t.number()}"}))
    for offer in ending:
        for index in t.random.sample((1, 3, 4), 3):
            t.say(index, APPROVED, offer)
    of = {offer.digest for offer in ending}
    t.wait("end of what expires", lambda: not t.judge.model.open.keys() & of)
    t.tabled(lapsed)  # the maker is heard again, and not before the stop lapsed
    for node, skew_ms in zip(nodes, skews, strict=True):
        node.skew_ms = skew_ms


INSIDERS = (replayed, other_base, suspended_between, two_together, flooded, withdrawn, on_the_edge)


def expelled(t: Trial) -> None:
    """
    Who proposed is sent away: its approval counts no more, its proposal is decided by those who stay. It goes
    on approving, taking back and proposing, and no block holds any of it.
    """
    mine = t.propose(RETIRED, t.limits())
    t.final(t.say(1, APPROVED, mine))
    party = t.judge.model.future["participant", validator_name(RETIRED)]
    t.decide(3, party_row({**party, "left": t.now_s}), (1, 2, 4))
    t.blocks()
    other = t.propose(3, t.limits())
    t.final(t.say(2, APPROVED, mine), t.say(1, APPROVED, other))
    gone = [t.say(RETIRED, kind, offer) for offer in (mine, other) for kind in (APPROVED, TAKEN_BACK)]
    gone.append(t.say(RETIRED, WITHDRAWN, mine))
    t.open(mine, other)
    t.propose(RETIRED, t.limits(), for_ms=REPLAY_MS)
    t.say(4, APPROVED, mine)
    t.over(mine, "decided")
    t.blocks()
    heard = {signed.act.name for signed in gone}
    assert not any(heard & node.final for node in t.cluster.honest), "who was sent away was heard"


# -- a run -------------------------------------------------------------------------------------------------


def governed(seed: int, *, insiders: Sequence[Step] = (), mute: int | None = None) -> Tally:
    """
    One seed, with these insiders or a few that it draws; raises AssertionError when a rule is broken. `mute`
    votes, proposes and cosigns nothing, from the first block on.
    """
    t = Trial(seed, mute)
    steps: list[Step] = [limits, promote, rotate, retire]
    for insider in insiders or t.random.sample(INSIDERS, t.random.choice((1, 1, 2))):
        steps.insert(t.random.randint(0, len(steps)), insider)
    if insiders or t.random.random() < 0.3:
        steps.append(expelled)
    for step in steps:
        if t.random.random() < 0.3:
            t.cut(t.random.randrange(NODES), for_ms=t.random.randint(500, 4_000))
        step(t)
    tally = t.close()
    _require_end(t)
    return tally


def _require_end(t: Trial) -> None:
    """Who votes is who should; and whatever can be changed still can, as the restatement's search finds."""
    model = t.judge.model
    voting = [validator_name(i) for i in (1, 3, 4, CANDIDATE)]
    assert model.current[VALIDATORS]["participants"] == voting
    search = Search(t.desk, replace(model, open=dict(model.open)), t.now_s + 60)
    for goal, way in ways_on(search.copy(), t.random).items():
        assert way is not None, f"dead end: no way to {goal}"
