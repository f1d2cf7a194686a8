"""Walks that try to reach a dead end; `ways.py` searches for a way on from wherever they end.

On a walk everybody alive agrees to whatever takes authorities, keys or rules away. At its end the clock is
moved past every date that anything states; then `ways_on` has to find, among parties that are still alive, a
decision of each sort: limits, a new authority, a key for a party that has none. What it finds is played
against the registry as well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from random import Random

from tests.harness.constitution import changes as some
from tests.harness.constitution.acts import Signed
from tests.harness.constitution.changes import Chance, Tables, licence_row, party_row
from tests.harness.constitution.events import dates_in
from tests.harness.constitution.model import Model
from tests.harness.constitution.parties import (
    HOUR_S,
    key_table,
    licence_of,
    participant_of,
)
from tests.harness.constitution.side import Counts, Side
from tests.harness.constitution.tables import (
    APPROVALS,
    LIMITS,
    Table,
    living,
    of_type,
    offices,
)
from tests.harness.constitution.ways import Search, approvals_of, proposal_of, ways_on

PIECE = 500  # seeds
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
                dates += dates_in(table)
    return max(dates) + 86_400


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


def walks(seeds: range) -> Counts:
    """One after the other; the first dead end or difference ends them."""
    counts = Counts()
    for seed in seeds:
        counts.add(walk(seed))
    return counts


def side_by_side(seeds: range, processes: int = 2) -> Counts:
    """The same, shared among processes."""
    counts = Counts()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for share in pool.map(walks, [seeds[n::processes] for n in range(processes)]):
            counts.add(share)
    return counts


def _replay(side: Side, played: Sequence[tuple[int, list[Signed]]]) -> None:
    """What the search found, against the registry: the last goal's way on."""
    for at, acts in played:
        side.ledger.now = at
        side.block(acts)


def main(arguments: Sequence[str]) -> None:
    """`python -m tests.harness.constitution.walks FIRST:AFTER`: what each piece of 500 seeds came to."""
    first, after = (int(number) for number in arguments[0].split(":"))
    whole, began = Counts(), time.process_time()
    for start in range(first, after, PIECE):
        piece = range(start, min(start + PIECE, after))
        whole.add(walks(piece))
        told = f"seeds {first}:{piece.stop}, {time.process_time() - began:.0f} s of processor time: {whole}"
        print(told, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
