"""Walks that try to reach a dead end, and the search for a way on from wherever they end.

On a walk everybody alive agrees to whatever takes authorities, keys or rules away. At its end the clock is
moved past every date that anything states; then `ways_on` has to find, among parties that are still alive, a
decision of each sort: limits, a new authority, a key for a party that has none. What it finds is played
against the registry as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from consensus.cose import SeedSigner
from tests.harness.constitution import changes as some
from tests.harness.constitution.acts import Desk, Signed, recovery_signer, signer_of
from tests.harness.constitution.changes import Chance, Tables, licence_row, party_row
from tests.harness.constitution.model import APPROVED, HELD, PROPOSED, Model
from tests.harness.constitution.parties import (
    HOUR_S,
    key_table,
    licence_of,
    participant_of,
    recovery_digest,
)
from tests.harness.constitution.rules import Offer
from tests.harness.constitution.side import Counts, Side
from tests.harness.constitution.tables import (
    APPROVALS,
    LIMITS,
    VALIDATORS,
    State,
    Table,
    key_good,
    living,
    of_type,
    offices,
    owner_of,
    present,
    stopped,
)

STEPS = (12, 20, 30)
NEVER_KNOWN = "A" * 43  # the digest of a recovery key that nobody has


class DeadEnd(AssertionError):
    """Something can never be decided any more."""


# -- what a wrecker proposes -----------------------------------------------------------------------------


def _office(c: Chance) -> tuple[str, Table]:
    return c.rng.choice(list(offices(c.records)))


def unlicensed(c: Chance) -> Tables:
    """An authority's licence ended, now or some day."""
    return licence_row({**_office(c)[1], "valid_until": c.at + c.rng.choice([0, 0, 50 * HOUR_S])})


def suspended(c: Chance) -> Tables:
    licence = _office(c)[1]
    pauses = [list(pause) for pause in licence.get("suspended", [])]
    if pauses and len(pauses[-1]) == 1:
        later = c.at + c.rng.choice([0, 10**9])
        return licence_row({**licence, "suspended": [*pauses[:-1], [pauses[-1][0], later]]})
    more = c.rng.choice([[c.at], [c.at], [c.at, c.at + 10**9]])
    return licence_row({**licence, "suspended": [*pauses, more]})


def expelled(c: Chance) -> Tables:
    did = _office(c)[0] if c.rng.random() < 0.7 else c.party()["did"]
    return party_row({**c.records["participant", did], "left": c.at + c.rng.choice([0, 0, 90 * HOUR_S])})


def keyless(c: Chance) -> Tables:
    """The attest keys of an authority, or of anybody, ended or given up."""
    did = _office(c)[0] if c.rng.random() < 0.7 else c.party()["did"]
    party, how = (
        c.records["participant", did],
        c.rng.choice(["valid_until", "valid_until", "compromised_from"]),
    )
    keys = [{**k, how: c.at} if k["role"] == "attest" and how not in k else k for k in party["keys"]]
    if c.rng.random() < 0.3:
        begins = c.at + c.rng.choice([0, 0, 10**9])
        keys.append(key_table(did, "attest", 2 + len(party["keys"]), begins))
    return party_row({**party, "keys": keys})


def second_key(c: Chance) -> Tables:
    """One more attest key beside the first: perhaps one that begins in thirty years."""
    did = _office(c)[0]
    party = c.records["participant", did]
    fresh = key_table(did, "attest", 2 + len(party["keys"]), c.at + c.rng.choice([0, 0, 10**9]))
    return party_row({**party, "keys": [*party["keys"], fresh]})


def silenced(c: Chance) -> Tables:
    """A stop of an authority or of one of its keys; or a confirmation."""
    held = [table for _, table in of_type(c.records, "stop")]
    if held and c.rng.random() < 0.6:
        old = c.rng.choice(held)
        return {("stop", old["target"]): {n: v for n, v in old.items() if n not in ("until", "lifted")}}
    did = _office(c)[0]
    keys = [k["id"] for k in c.records["participant", did]["keys"] if k["role"] == "attest"]
    target = c.rng.choice([did, *keys])
    return {("stop", target): {"target": target, "by": did, "since": 0, "until": 0}}


def lost(c: Chance) -> Tables:
    """A recovery key that nobody has, or none."""
    party = dict(c.party())
    if c.rng.random() < 0.5:
        party.pop("recovery", None)
    else:
        party["recovery"] = NEVER_KNOWN
    return party_row(party)


def short_lived(c: Chance) -> Tables:
    """An authority for a while, or one that begins in thirty years."""
    c.late += 1
    did, place = f"did:web:late-{c.late}.example", c.rng.choice(some.PLACES)
    ends = {"valid_until": c.at + 40 * HOUR_S} if c.rng.random() < 0.5 else {}
    begins = c.at + c.rng.choice([-9, 10**9]) if not ends else c.at - 9
    licence = licence_of(did, place, ["authority"], valid_from=begins, **ends)
    return party_row(
        participant_of(did, place, with_recovery=c.rng.random() < 0.5, since=c.at)
    ) | licence_row(licence)


def stricter(c: Chance) -> Tables:
    """The approval rules: more approvals, more jurisdictions, or waits longer than a proposal lives."""
    table = dict(c.records[APPROVALS])
    match c.rng.randrange(5):
        case 0:
            table["approvals_min"] = c.rng.choice([1, 3, 4, 5, 64])
        case 1:
            table["jurisdictions"] = sorted(c.rng.sample(some.PLACES, c.rng.choice([0, 1, 2, 3])))
        case 2:
            name = c.rng.choice(["objection_s", "removal_s", "stop_s"])
            table[name] = c.rng.choice([1, 20 * HOUR_S, 300 * 86_400])
        case 3:
            table["proposal_s_max"] = c.rng.choice([1, 2 * HOUR_S, 300 * 86_400])
        case _:
            table["proposals_per_party_max"] = 1
    return {APPROVALS: table}


def narrower(c: Chance) -> Tables:
    name, values = c.rng.choice([
        ("block_bytes_max", (1, 900, 16_384)), ("attestations_per_block_max", (1,)),
        ("per_issuer_per_block_max", (1,)), ("per_issuer_per_day_max", (1, 2)), ("clock_skew_s", (1,)),
        ("attestation_age_s_max", (1,)),
    ])  # fmt: skip
    return {LIMITS: {**c.records[LIMITS], name: c.rng.choice(values)}}


WRECKERS: tuple[tuple[Callable[[Chance], Tables | None], int], ...] = (
    (unlicensed, 5), (suspended, 4), (expelled, 6), (keyless, 6), (second_key, 2), (silenced, 6), (lost, 4),
    (short_lived, 5), (stricter, 5), (narrower, 2), (some.validators, 2), (some.rotated, 1),
    (some.admitted, 1),
)  # fmt: skip


# -- the walk --------------------------------------------------------------------------------------------


@dataclass
class Walk:
    """One network under wreckers."""

    seed: int
    side: Side = field(default_factory=lambda: Side(compare_checks=False))
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(f"walk {self.seed}")
        self.chance = Chance(self.rng, self.side.model.future, 0)

    def wreck(self) -> None:
        """All steps; then the clock beyond every date."""
        for _ in range(self.rng.choice(STEPS)):
            self._step()
            if self.rng.random() < 0.2:
                self.side.ledger.now += self.rng.choice([HOUR_S, 7 * HOUR_S, 60 * HOUR_S])
        self.side.block([])
        self.side.ledger.now = beyond(self.side.model, self.side.now)
        self.side.block([])

    def _step(self) -> None:
        side, rng = self.side, self.rng
        self.chance.records, self.chance.at = side.model.future, side.now
        wreckers, weights = zip(*WRECKERS, strict=True)
        rows: Tables = {}
        for wrecker in rng.choices(wreckers, weights, k=rng.choice([1, 1, 1, 2])):
            rows |= wrecker(self.chance) or {}
        most = side.model.future[APPROVALS]["proposal_s_max"]
        made = proposal_of(side.desk, side.model, rows, side.now, rng=rng, for_s=min(most, 29 * HOUR_S))
        if made is None:
            return
        side.block([made])
        offer = side.model.open.get(made.act.about)
        if offer is None:
            return
        if side.now < offer.expires:
            side.block(approvals_of(side.desk, side.model, offer, side.now))
        if made.act.about in side.model.open:
            rules = side.model.future[APPROVALS]
            longest = max(rules["objection_s"], rules["removal_s"])
            if longest < 29 * HOUR_S and rng.random() < 0.6:
                side.ledger.now += longest
                side.block([])
        if side.model.over.get(made.act.about) == "decided":
            self.steps.append(str({r: {n: v for n, v in t.items() if n != "keys"} for r, t in rows.items()}))


def beyond(model: Model, at: int) -> int:
    """A time after every date of every record and proposal."""
    dates = [at, *(offer.expires for offer in model.open.values())]
    for state in (model.current, model.future):
        for record, table in state.items():
            if record[0] not in ("limits", "approvals", "app_version"):
                dates += _dates(table)
    return max(dates) + 86_400


def _dates(value: object) -> Iterator[int]:
    if type(value) is int:
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _dates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _dates(inner)


# -- who can do what -------------------------------------------------------------------------------------


def speaker(state: State, did: str, at: int) -> SeedSigner | None:
    """A key with which a party may sign now."""
    party = state.get(("participant", did))
    if party is None or not present(party, at) or stopped(state, did, at):
        return None
    good = [
        k
        for k in party["keys"]
        if k["role"] == "attest" and key_good(k, at) and not stopped(state, k["id"], at)
    ]
    return signer_of(good[-1]["id"]) if good else None


def proposal_of(
    desk: Desk, model: Model, rows: Tables, at: int, *, rng: Random | None = None, by: str = "",
    by_recovery: bool = False, for_s: int = 24 * HOUR_S,
) -> Signed | None:  # fmt: skip
    """These rows proposed by whoever could have them decided, or by `by`; None: nobody can."""
    state = model.current
    kind, name = min(rows, key=lambda record: record[0] != "participant")
    owner = owner_of(state, name) if kind == "participant" else None
    proposal, offer = desk.offer(model.future, rows, at, for_s=for_s)
    if not by and owner is not None and (rng is None or rng.random() < 0.6):
        by, by_recovery = owner, True
    party = state.get(("participant", by), {})
    if by_recovery and "recovery" in party and present(party, at):
        signer = recovery_signer(by, party["recovery"])
        if signer is not None:
            return desk.sign(
                by, PROPOSED, offer.digest, at, signer, by_recovery=True, proposal=proposal, offer=offer
            )
    if by_recovery and rng is None:
        return None
    alive = living(state, at)
    place = rows[kind, name].get("jurisdiction") or state.get(("participant", owner or ""), {}).get(
        "jurisdiction"
    )
    candidates = [by] if by and not by_recovery else sorted(alive, key=lambda did: alive[did] != place)
    for did in candidates:
        attest = speaker(state, did, at)
        if attest is not None:
            return desk.sign(did, PROPOSED, offer.digest, at, attest, proposal=proposal, offer=offer)
    return None


def approvals_of(desk: Desk, model: Model, offer: Offer, at: int) -> list[Signed]:
    """Everybody who can approves it, and every validator holds what it needs."""
    acts = []
    for did in sorted(living(model.current, at).keys() - offer.approvals):
        signer = speaker(model.current, did, at)
        assert signer is not None, "an authority that lives has a key"
        acts.append(desk.sign(did, APPROVED, offer.digest, at, signer))
    if any(kind in ("rule", "app_version") for kind, _ in offer.changed):
        for did in model.current[VALIDATORS]["participants"]:
            signer = speaker(model.current, did, at)
            if signer is not None:
                acts.append(desk.sign(did, HELD, offer.digest, at, signer))
    return acts


# -- the search ------------------------------------------------------------------------------------------


@dataclass
class Search:
    """Looks for a way on, on a copy of the restatement; `played` are the blocks that lead there."""

    desk: Desk
    model: Model
    at: int
    previous: bytes = bytes(32)
    played: list[tuple[int, list[Signed]]] = field(default_factory=list)

    def decide(self, rows: Tables, *, by: str = "", by_recovery: bool = False) -> bool:
        """Have these rows decided and in force by all who are alive; False: it cannot be."""
        rules = self.model.future[APPROVALS]
        for_s = min(rules["proposal_s_max"], 365 * 86_400)
        made = proposal_of(self.desk, self.model, rows, self.at, by=by, by_recovery=by_recovery, for_s=for_s)
        if made is None or not self._block([made]):
            return False
        for wait in (0, rules["removal_s"], rules["objection_s"]):
            offer = self.model.open.get(made.act.about)
            if offer is None:
                break
            if wait and self.at < offer.time + wait:
                self.at = offer.time + wait
            # Few acts fit under narrow limits: whoever has not approved does so in one of the next blocks.
            for _ in range(12):
                left = approvals_of(self.desk, self.model, offer, self.at)
                if not self._block(left) or self.model.open.get(made.act.about) in (None, offer):
                    break
                offer = self.model.open[made.act.about]
        for _ in range(2):
            self._block([])
        return self.model.over.get(made.act.about) == "decided"

    def _block(self, acts: Sequence[Signed]) -> bool:
        """One block; True if something of it was admitted, or there was nothing to admit."""
        chosen, table = self.model.fill([signed.act for signed in acts], self.at, self.previous)
        self.model.close(chosen, table, self.at)
        self.played.append((self.at, list(acts)))
        self.at += 10
        return bool(chosen) or not acts

    def copy(self) -> Search:
        m = self.model
        model = replace(
            m,
            open=dict(m.open),
            over=dict(m.over),
            final=set(m.final),
            today=dict(m.today),
            decided=list(m.decided),
        )
        return Search(self.desk, model, self.at, self.previous, list(self.played))


def ways_on(search: Search, rng: Random) -> dict[str, Search | None]:
    """For each sort of change the way to one of it; None where there is none."""
    state = search.model.future
    goals: dict[str, list[Callable[[Search], bool]]] = {"limits": [_limits]}
    goals["a new authority"] = [lambda s, p=place: _authority(s, p) for place in some.PLACES]  # type: ignore[misc]
    parties = [did for did, p in of_type(state, "participant") if "left" not in p]
    for did in rng.sample(sorted(parties), min(2, len(parties))):
        goals[f"a key for {did}"] = [
            lambda s, d=did: _own_key(s, d),  # type: ignore[misc]
            lambda s, d=did: _new_recovery(s, d) and _own_key(s, d),  # type: ignore[misc]
            lambda s, d=did: _sponsor(s, d) and _new_recovery(s, d) and _own_key(s, d),  # type: ignore[misc]
            lambda s, d=did: _longer(s) and _new_recovery(s, d) and _own_key(s, d),  # type: ignore[misc]
        ]
    found: dict[str, Search | None] = {}
    for goal, ways in goals.items():
        tries = ((way, search.copy()) for way in ways)
        found[goal] = next((trial for way, trial in tries if way(trial)), None)
    return found


def _limits(s: Search) -> bool:
    limits = s.model.future[LIMITS]
    return s.decide({LIMITS: {**limits, "heartbeat_ms": limits["heartbeat_ms"] + 1}})


def _authority(s: Search, place: str) -> bool:
    did = f"did:web:found-{place.lower()}-{len(s.played)}.example"
    licence = licence_of(did, place, ["authority"], valid_from=s.at)
    rows = party_row(participant_of(did, place, since=s.at)) | licence_row(licence)
    return s.decide(rows) and did in living(s.model.current, s.at)


def _sponsor(s: Search, did: str) -> bool:
    return _authority(s, s.model.future["participant", did]["jurisdiction"])


def _longer(s: Search) -> bool:
    """Waits that a proposal outlives."""
    rules = s.model.future[APPROVALS]
    waits = {"proposal_s_max": 300 * 86_400, "objection_s": HOUR_S, "removal_s": HOUR_S}
    return s.decide({APPROVALS: {**rules, **waits}})


def _own_key(s: Search, did: str) -> bool:
    party = s.model.future["participant", did]
    fresh = key_table(did, "attest", 500 + len(s.played), s.at)
    keys = [
        {**k, "valid_until": s.at} if k["role"] == "attest" and "valid_until" not in k else k
        for k in party["keys"]
    ]
    if not s.decide(party_row({**party, "keys": [*keys, fresh]}), by=did, by_recovery=True):
        return False
    return any(
        k["id"] == fresh["id"] and key_good(k, s.at) for k in s.model.current["participant", did]["keys"]
    )


def _new_recovery(s: Search, did: str) -> bool:
    party = s.model.future["participant", did]
    known = party.get("recovery")
    fresh = next(text for n in (4, 5) if (text := recovery_digest(did, n)) != known)
    alive = living(s.model.current, s.at)
    here = [who for who, home in alive.items() if home == party["jurisdiction"]] or list(alive)
    return bool(here) and s.decide(party_row({**party, "recovery": fresh}), by=here[0])


# -- all of it -------------------------------------------------------------------------------------------


def walk(seed: int, *, replay: bool = True) -> Counts:
    """One walk and the search at its end; raises DeadEnd with the history, or Difference."""
    (one := Walk(seed)).wreck()
    start = Search(one.side.desk, one.side.model, one.side.now).copy()
    for goal, way in ways_on(start, one.rng).items():
        if way is None:
            alive = living(one.side.model.current, one.side.now)
            told = "\n  ".join(one.steps)
            raise DeadEnd(f"walk {seed}: no way to {goal}; alive: {alive}; decided:\n  {told}")
        one.side.counts.outcomes[goal.split(" did:")[0]] = 1
    if replay and way:
        _replay(one.side, way.played)
    return one.side.counts


def _replay(side: Side, played: Sequence[tuple[int, list[Signed]]]) -> None:
    """What the search found, against the registry: the last goal's way on."""
    for at, acts in played:
        side.ledger.now = at
        side.block(acts)
