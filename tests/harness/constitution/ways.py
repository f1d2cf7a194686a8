"""The search for a way on: what parties that are alive can still have decided, all of them willing.

For each sort of change, on a copy of the restatement: limits, a new authority, a key for a party without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from consensus.cose import SeedSigner
from tests.harness.constitution import changes as some
from tests.harness.constitution.acts import Desk, Signed, recovery_signer, signer_of
from tests.harness.constitution.changes import Tables, licence_row, party_row
from tests.harness.constitution.model import APPROVED, HELD, PROPOSED, Model
from tests.harness.constitution.parties import (
    HOUR_S,
    key_table,
    licence_of,
    participant_of,
    recovery_digest,
)
from tests.harness.constitution.rules import Offer, to_be_had, touches_rules
from tests.harness.constitution.tables import (
    APPROVALS,
    LIMITS,
    VALIDATORS,
    State,
    key_good,
    living,
    of_type,
    offices,
    owner_of,
    present,
    stopped,
)

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
    if touches_rules(offer) and to_be_had(offer):
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
            lambda s, d=did: _cleared(s, d) and _new_recovery(s, d) and _own_key(s, d),  # type: ignore[misc]
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


def _cleared(s: Search, did: str) -> bool:
    """Whoever holds the office of that side and is not heard loses it to all, who then sponsor another."""
    place = s.model.future["participant", did]["jurisdiction"]
    for who, licence in list(offices(s.model.future)):
        if licence["jurisdiction"] == place and who not in living(s.model.current, s.at):
            s.decide(licence_row({**licence, "valid_until": s.at}))
    return _sponsor(s, did)


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
