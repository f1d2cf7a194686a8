"""A history of many changes, and questions about any height of it: the registry and a naive replay.

The replay begins with genesis for every question and puts every decided record in its place, in the order in
which they came into force, as far as the height that is asked about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.governance_proof import ProvenGovernance
from credentials.ledger.parties import KEY_ROLES
from credentials.ledger.recognition import find
from tests.harness.constitution import changes as some
from tests.harness.constitution.changes import Chance, Tables
from tests.harness.constitution.parties import HOUR_S, records_of_genesis
from tests.harness.constitution.side import Side
from tests.harness.constitution.tables import (
    APPROVALS,
    LIMITS,
    VALIDATORS,
    Id,
    State,
    Table,
    accreditation_name,
    dated,
    key_good,
    living,
    of_type,
    present,
    stopped,
)
from tests.harness.constitution.ways import approvals_of, proposal_of
from tests.harness.ledger import CREATED

MAKERS = (
    (some.admitted, 4), (some.described, 3), (some.moved, 2), (some.rotated, 6), (some.shortened, 1),
    (some.licensed, 6), (some.redated("accreditation"), 4), (some.recognised, 5),
    (some.redated("recognition"), 3),
    (some.stop, 3), (some.validators, 4), (some.limits, 4), (some.approvals, 2), (some.rules, 1),
)  # fmt: skip


@dataclass
class Past:
    """A network that has changed often, and when its blocks were."""

    side: Side = field(default_factory=lambda: Side(compare_checks=False))
    times: list[int] = field(default_factory=list)

    def live(self, seed: int, changes: int) -> None:
        """So many changes: everybody who can approves whatever anybody thinks of."""
        rng, side = Random(f"past {seed}"), self.side
        chance = Chance(rng, side.model.future, 0)
        while len(side.model.decided) < changes:
            chance.records, chance.at = side.model.future, side.now
            makers, weights = zip(*MAKERS, strict=True)
            rows: Tables = rng.choices(makers, weights)[0](chance) or {}
            made = proposal_of(side.desk, side.model, rows, side.now, rng=rng) if rows else None
            if made is None:
                continue
            self._block([made])
            offer = side.model.open.get(made.act.about)
            if offer is not None:
                self._block(approvals_of(side.desk, side.model, offer, side.now))
            side.ledger.now += rng.choice([0, 0, 0, HOUR_S, 5 * HOUR_S])

    def _block(self, acts: list[Any]) -> None:
        self.times.append(self.side.now)
        self.side.block(acts)

    def replayed(self, height: int) -> State:
        """What governed a height, from genesis on."""
        state: dict[Id, Table] = dict(records_of_genesis(self.side.ledger.genesis.data))
        decided = [(first, n, records) for n, (first, records) in enumerate(self.side.model.decided)]
        for first, _, records in sorted(decided, key=lambda row: row[:2]):
            if first <= height:
                state.update(records)
        return state


def asked(past: Past, rng: Random, history: GovernanceHistory | None = None) -> tuple[str, Any, Any]:
    """One question about one height: how it is put, what the registry says, what the replay says.

    `history`: asked in place of the registry's own.
    """
    height = rng.randrange(past.side.ledger.height + 3)
    at = rng.choice([rng.choice(past.times), rng.choice(past.times), CREATED, past.side.now + 300 * HOUR_S])
    governance = (history or past.side.ledger.history).at(height)
    state = past.replayed(height)
    # Whoever is asked about need not be there yet: half of the names are those of the last height.
    names = past.side.model.future if rng.random() < 0.5 else state
    name = rng.choice(sorted(_QUESTIONS))
    told, got, said = _QUESTIONS[name](governance, state, names, at, rng)
    return f"{name} {told} at {at} as of height {height}", got, said


def asked_with_proof(
    past: Past, rng: Random, prove: Callable[[int], ProvenGovernance]
) -> tuple[str, Any, Any]:
    """The same of what is proven under the root of a height: it governs the next block."""
    height = rng.randrange(1, past.side.ledger.height + 1)
    at = rng.choice([rng.choice(past.times), rng.choice(past.times), CREATED, past.side.now + 300 * HOUR_S])
    proven, state = prove(height), past.replayed(height + 1)
    names = past.side.model.future if rng.random() < 0.5 else state
    name = rng.choice(sorted(_PROVEN))
    told, got, said = _PROVEN[name](proven, state, names, at, rng)
    return f"{name} {told} at {at} as proven at height {height}", got, said


def _licences(p: ProvenGovernance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    _, licence = rng.choice(list(of_type(names, "accreditation")))
    did, role = licence["participant"], rng.choice([*licence["roles"], "importer"])
    scheme, namespace = rng.choice([*map(tuple, licence["schemes"]), ("gbt34014", "ZZ1")])
    got = {one.id for one in p.licences(did, role, scheme, namespace, at)}
    return f"{did} as {role} for {namespace}", got, _licensed(state, did, role, (scheme, namespace), at)


def _keys(p: ProvenGovernance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    did, _ = rng.choice(list(of_type(names, "participant")))
    role, party = rng.choice(KEY_ROLES), state.get(("participant", did))
    good = [k["id"] for k in party["keys"] if k["role"] == role and key_good(k, at)] if party else []
    return f"{role} of {did}", [k.id for k in p.keys(did, role, at)], good if present(party, at) else []


def _party(p: ProvenGovernance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    did, _ = rng.choice(list(of_type(names, "participant")))
    found, party = p.participant(did), state.get(("participant", did))
    return did, found and (found.name, found.jurisdiction), party and (party["name"], party["jurisdiction"])


def _proven_stop(
    p: ProvenGovernance, state: State, names: State, at: int, rng: Random
) -> tuple[str, Any, Any]:
    target = rng.choice([target for target, _ in of_type(names, "stop")] or ["did:web:maker.example"])
    return target, p.stopped(target, at) is not None, stopped(state, target, at)


def _rules(p: ProvenGovernance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    return "", {n: d.hex() for n, d in p.rules().items()}, {n: r["sha256"] for n, r in of_type(state, "rule")}


def _recognitions(
    p: ProvenGovernance, state: State, names: State, at: int, rng: Random
) -> tuple[str, Any, Any]:
    got = sorted((r.authority, r.issuer, r.in_force(at)) for r in p.recognitions)
    return (
        "",
        got,
        sorted((r["authority"], r["issuer"], dated(r, at)) for _, r in of_type(state, "recognition")),
    )


def _licensed(state: State, did: str, role: str, code: tuple[str, str], at: int) -> set[str]:
    """The names of the licences in force for a code."""
    return {
        n for n, a in of_type(state, "accreditation")
        if a["participant"] == did and role in a["roles"] and dated(a, at)
        and present(state.get(("participant", did)), at)
        and ({code, (code[0], "*")} & {tuple(pair) for pair in a["schemes"]})
    }  # fmt: skip


def _accredited(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    _, licence = rng.choice(list(of_type(names, "accreditation")))
    did, role = licence["participant"], rng.choice([*licence["roles"], "importer"])
    scheme, namespace = rng.choice([*map(tuple, licence["schemes"]), ("gbt34014", "ZZ1")])
    held = g.accredited(did, role, scheme, namespace, at)
    good = _licensed(state, did, role, (scheme, namespace), at)
    # Which of several is told first is nobody's business; that there is one is.
    got = good if held is not None and held.id in good else (set() if held is None else {held.id})
    return f"{did} as {role} for {namespace}", got, good


def _key(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    did, _ = rng.choice(list(of_type(names, "participant")))
    role = rng.choice(KEY_ROLES)
    key, party = g.key(did, role, at), state.get(("participant", did))
    good = [k for k in party["keys"] if k["role"] == role and key_good(k, at)] if party else []
    newest = max(good, key=lambda k: k["valid_from"], default=None) if present(party, at) else None
    return f"{role} of {did}", key and key.id, newest and newest["id"]


def _key_by_id(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    _, owner = rng.choice(list(of_type(names, "participant")))
    kid = rng.choice(owner["keys"])["id"]
    party = state.get(("participant", owner["did"]))
    good = any(k["id"] == kid and key_good(k, at) for k in party["keys"]) if party else False
    return kid, g.key_by_id(kid, at) is not None, good and present(party, at)


def _limit(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    name = rng.choice(sorted(state[LIMITS]))
    return name, getattr(g.limits, name), state[LIMITS][name]


def _recognised(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    rows = list(of_type(names, "recognition"))
    if not rows:
        return "", None, None
    _, asked_for = rng.choice(rows)
    by, issuer, row = asked_for["authority"], asked_for["issuer"], asked_for["rows"][0]
    found = find(g.recognitions, by, issuer, row, at)
    good = {
        r["valid_from"] for _, r in of_type(state, "recognition")
        if r["authority"] == by and r["issuer"] == issuer and row in r["rows"] and dated(r, at)
    }  # fmt: skip
    return f"{issuer} by {by} for {row}", found and found.valid_from, max(good, default=None)


def _validator(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    did, _ = rng.choice(list(of_type(names, "participant")))
    return did, g.votes(did), did in state[VALIDATORS]["participants"]


def _stopped(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    targets = [target for target, _ in of_type(names, "stop")] or ["did:web:maker.example"]
    target = rng.choice(targets)
    return target, g.stopped(target, at) is not None, stopped(state, target, at)


def _authorities(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    return "", g.authorities(at), living(state, at)


def _approvals(g: Governance, state: State, names: State, at: int, rng: Random) -> tuple[str, Any, Any]:
    action = rng.choice(sorted(state[APPROVALS]["actions"]))
    return action, g.approvals.sort_of(action), state[APPROVALS]["actions"][action]


_QUESTIONS = {
    "accredited": _accredited, "key": _key, "key by id": _key_by_id, "limit": _limit,
    "recognised": _recognised,
    "validator": _validator, "stopped": _stopped, "authorities": _authorities, "approval": _approvals,
}  # fmt: skip

_PROVEN = {
    "licences": _licences, "keys": _keys, "participant": _party, "stopped": _proven_stop, "rules": _rules,
    "recognitions": _recognitions,
}  # fmt: skip

__all__ = ["Past", "accreditation_name", "asked", "asked_with_proof"]
