"""Random governance events: proposals of every sort, and everything that is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from consensus.cose import SeedSigner
from tests.harness.constitution.acts import Desk, Signed, recovery_signer, signer_of
from tests.harness.constitution.changes import (
    Chance,
    Tables,
    fresh_key,
    party_row,
    recognised_by,
    some_change,
)
from tests.harness.constitution.model import (
    APPROVED,
    HELD,
    KINDS,
    OBJECTED,
    PROPOSED,
    TAKEN_BACK,
    WITHDRAWN,
    Model,
)
from tests.harness.constitution.parties import HOUR_S
from tests.harness.constitution.rules import Offer, targets_for_good, to_be_had, touches_rules
from tests.harness.constitution.side import Counts, Side
from tests.harness.constitution.tables import (
    APPROVALS,
    VALIDATORS,
    key_good,
    living,
    of_type,
    owner_of,
    stopped,
)
from tests.harness.ledger import CREATED

WEIGHTS = {
    APPROVED: 55, PROPOSED: 28, TAKEN_BACK: 3, WITHDRAWN: 3, OBJECTED: 3, HELD: 12, "replayed": 2,
}  # fmt: skip
GIVEN = "recognition.given"
WAITS = ("objection_s", "removal_s")
Clock = Callable[[Random, Model, int], int]  # seconds until the next block, beside the usual ten


class Crowd:
    """Parties that do whatever comes to their minds."""

    def __init__(self, seed: int, desk: Desk, model: Model) -> None:
        self.rng = Random(f"crowd {seed}")
        self.desk, self.model = desk, model
        self.chance = Chance(self.rng, model.future, 0)
        self.said: list[Signed] = []
        self.pairs = seed % 16 == 1  # which histories come upon two decisions in one block on purpose

    def acts(self, at: int, count: int) -> list[Signed]:
        """Some acts for the next block."""
        self.chance.records, self.chance.at = self.model.future, at
        found = self._together(at) if self.pairs and self.rng.random() < 0.15 else []
        for _ in range(count):
            kind = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            act = self._act(kind, at, found)
            if act is not None and all(act.data != other.data for other in found):
                found.append(act)
        self.said += found
        return found

    def _together(self, at: int) -> list[Signed]:
        """That others decide about recognitions, and once it is open: all approvals of it, and a recognition.

        The second one begins by the rules that decided it, not by those that the same block decides.
        """
        alive = living(self.model.current, at)
        if not alive:
            return []
        rules, by = self.model.future[APPROVALS], self.rng.choice(list(alive))
        sort = "network" if rules["actions"].get(GIVEN) == "authority" else "authority"
        others = {APPROVALS: {**rules, "actions": {**rules["actions"], GIVEN: sort}}}
        proposed = next((o for o in self.model.open.values() if o.changed == others), None)
        changed = others if proposed is None else self._given(by, alive[by])
        proposal, offer = self.desk.offer(self.model.future, changed, at, for_s=24 * HOUR_S)
        told = self._sign(by, PROPOSED, offer.digest, at, proposal=proposal, offer=offer)
        approvals = alive if proposed is not None else ()
        return [*(self._sign(did, APPROVED, proposed.digest, at) for did in approvals if proposed), told]

    def _given(self, by: str, place: str) -> Tables:
        return recognised_by(self.chance, by, place, self.chance.party()["did"])

    def _act(self, kind: str, at: int, block: list[Signed]) -> Signed | None:
        if kind == "replayed":
            return self.rng.choice(self.said) if self.said else None
        if kind == PROPOSED:
            return self._proposal(at)
        offers = list(self.model.open.values())
        offers += [s.act.offer for s in block if s.act.offer is not None]
        if self.model.over and self.rng.random() < 0.03:
            about, offer = self.rng.choice(list(self.model.over)), None
        elif not offers or self.rng.random() < 0.01:
            about, offer = self.rng.randbytes(32), None
        else:
            if kind == OBJECTED and self.rng.random() < 0.8:
                offers = [o for o in offers if any(targets_for_good(o, self.model.current))] or offers
            if kind == HELD and self.rng.random() < 0.9:
                offers = [o for o in offers if touches_rules(o)] or offers
            offer = self.rng.choice(offers)
            about = offer.digest
        if kind == HELD and offer is not None and not to_be_had(offer):
            return None  # a node that lacks the file or the code would stop: tests/node
        by = self._speaker(kind, offer, at)
        signer = self._recovery(by) if self.rng.random() < (0.5 if kind == OBJECTED else 0.01) else None
        if signer is not None:
            return self.desk.sign(by, kind, about, at, signer, by_recovery=True)
        return self._sign(by, kind, about, at)

    def _speaker(self, kind: str, offer: Offer | None, at: int) -> str:
        state, rng = self.model.current, self.rng
        alive = list(living(state, at))
        everyone = [did for did, _ in of_type(state, "participant")]
        if rng.random() < 0.12:
            return rng.choice(everyone)
        match kind:
            case "approved" if alive:
                return rng.choice(alive)
            case "approval_withdrawn" if offer is not None and offer.approvals:
                return rng.choice(sorted(offer.approvals))
            case "proposal_withdrawn" if offer is not None and offer.author:
                return offer.author
            case "objected" if offer is not None:
                parties = [did for did, _ in targets_for_good(offer, state)]
                return rng.choice([*parties, *parties, *alive] or everyone)
            case "held":
                voters: list[str] = list(state[VALIDATORS]["participants"])
                return rng.choice([d for d in voters if offer and d not in offer.held] or voters)
        return rng.choice(everyone)

    def _proposal(self, at: int) -> Signed | None:
        rng, silent = self.rng, self._silent(at)
        changed = self._for_itself(silent, at) if silent else some_change(self.chance)
        reads = tuple(rng.sample(sorted(self.model.future), 1)) if rng.random() < 0.1 else ()
        for_s = rng.choice([24, 24, 24, 2, 12, 30]) * HOUR_S
        if rng.random() < 0.03:
            for_s = rng.choice([0, -10, 1, 31 * HOUR_S])
        unproven = rng.random() < 0.03
        proposal, offer = self.desk.offer(
            self.model.future,
            changed,
            at,
            reads=reads,
            for_s=for_s,
            stale=rng.random() < 0.02,
            unproven=unproven,
        )
        flaw = "possession" if unproven and any(not any(p) for p in proposal.proofs.values()) else ""
        by, by_recovery = (silent, True) if silent else self._author(offer, at)
        signer = self._recovery(by) if by_recovery else None
        if signer is not None:
            return self.desk.sign(
                by,
                PROPOSED,
                offer.digest,
                at,
                signer,
                by_recovery=True,
                proposal=proposal,
                offer=offer,
                flaw=flaw,
            )
        return self._sign(by, PROPOSED, offer.digest, at, proposal=proposal, offer=offer, flaw=flaw)

    def _silent(self, at: int) -> str:
        """Sometimes somebody under a stop, whose recovery key speaks; "" for nobody."""
        state = self.model.current
        names = [
            did for did, p in of_type(state, "participant") if "recovery" in p and stopped(state, did, at)
        ]
        return self.rng.choice(names) if names and self.rng.random() < 0.2 else ""

    def _for_itself(self, did: str, at: int) -> Tables:
        """What a party decides alone as long as nobody stopped it."""
        party = self.model.future["participant", did]
        if self.rng.random() < 0.3:
            return party_row({**party, "left": at})
        return party_row({**party, "keys": [*party["keys"], fresh_key(self.chance, party, "credential")]})

    def _author(self, offer: Offer, at: int) -> tuple[str, bool]:
        """Somebody who could have it decided, or anybody."""
        state, rng = self.model.current, self.rng
        kind, name = rng.choice(sorted(offer.changed))
        everyone = [did for did, _ in of_type(state, "participant")]
        owner = owner_of(state, name)
        if kind == "participant" and owner is not None and rng.random() < 0.6:
            return owner, rng.random() < 0.75
        alive = living(state, at)
        table = offer.changed[kind, name]
        place = table.get("jurisdiction") or (state["participant", owner]["jurisdiction"] if owner else "")
        here = [did for did, home in alive.items() if home == place]
        if here and rng.random() < 0.7:
            return rng.choice(here), False
        if alive and rng.random() < 0.6:
            return rng.choice(list(alive)), rng.random() < 0.05
        return rng.choice(everyone), rng.random() < 0.1

    def _recovery(self, did: str) -> SeedSigner | None:
        party = self.model.current.get(("participant", did), {})
        if self.rng.random() < 0.05 or "recovery" not in party:
            from tests.harness.constitution.parties import recovery

            return recovery(did, self.rng.randrange(1, 5))
        return recovery_signer(did, party["recovery"])

    def _sign(self, by: str, kind: str, about: bytes, at: int, **more: object) -> Signed:
        party = self.model.current.get(("participant", by))
        keys = list(party["keys"]) if party else []
        good = [k for k in keys if k["role"] == "attest" and key_good(k, at)]
        signer = signer_of(self.rng.choice(good if good and self.rng.random() < 0.95 else keys)["id"])
        dates = {}
        if self.rng.random() < 0.04:
            dates["signed"] = at + self.rng.choice([-8_000_000, -400, -20, 29, 61])
        if self.rng.random() < 0.04:
            dates["happened"] = at + self.rng.choice([-9 * HOUR_S, -400, 31, 61])
        flaw = {} if self.rng.random() > 0.005 else {"flaw": "signature"}
        return self.desk.sign(by, kind, about, at, signer, **(more | dates | flaw))  # type: ignore[arg-type]


def jump(rng: Random, model: Model, at: int) -> int:
    """Seconds until the next block, beside the usual ten."""
    dice = rng.random()
    if dice < 0.85:
        return 0
    if dice < 0.92:
        return rng.randrange(HOUR_S)
    if dice < 0.97:
        dates = [o.expires for o in model.open.values() if o.expires >= at] or [at + HOUR_S]
        return max(0, rng.choice(dates) - at + rng.choice([-1, 0, 1]))
    return HOUR_S * rng.choice([6, 8, 10, 12, 40])


def around(rng: Random, model: Model, at: int) -> int:
    """Mostly onto the second of the next date that anything states, or the one before or after it."""
    rules = model.current[APPROVALS]
    waits = {offer.time + rules[name] for offer in model.open.values() for name in WAITS}
    dates = waits | {offer.expires for offer in model.open.values()}
    for record, table in model.future.items():
        if record[0] not in ("limits", "approvals", "app_version"):
            dates.update(dates_in(table))
    later = sorted(date for date in dates if at <= date + 1 <= at + 60 * HOUR_S)
    if not later or rng.random() < 0.4:
        return 0
    return max(0, rng.choice(later[:3]) + rng.choice([-1, 0, 1]) - at)


def dates_in(value: object) -> Iterator[int]:
    """Every number of a record."""
    if type(value) is int:
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from dates_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from dates_in(inner)


def history(seed: int, acts: int, *, clock: Clock = jump) -> Counts:
    """One network from its founding on, for so many acts; raises Difference."""
    side = Side()
    crowd = Crowd(seed, side.desk, side.model)
    while side.counts.acts < acts:
        side.ledger.now += clock(crowd.rng, side.model, side.now)
        side.block(crowd.acts(side.now, crowd.rng.choice([1, 2, 3, 4, 6])))
    return side.counts


__all__ = ["CREATED", "KINDS", "Crowd", "around", "dates_in", "history", "jump"]
