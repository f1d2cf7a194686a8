"""Whose approval a proposal still wants, and who can give it: counted under what governs at that moment.

What one authority may do to a party for good, replacing its recovery key or sending it away, waits
`objection_s`, and the party and every authority of its side may object until it is decided. An objection
ends nothing, or a thief of the party's keys could keep them for ever. It asks for more: where one authority
was enough, all together decide; where these were needed anyway, all others have to approve. A party that
cannot object, stopped and without a recovery key on record, is treated as one that did.

A stopped party is believed nothing that it wants for itself, under whichever key, until an authority of its
side approves it, or all together for an authority: the thief of its recovery key sits out no stop, sends
nobody away and names no keys, and whoever speaks to its owner lets the owner's through while the stop holds.

The only authority of a side is removed or stopped by all others, after `removal_s`: so a side whose keys are
lost does not hold them. Where it objects, fewer than `approvals_min` others are none who could: of two
authorities neither takes the network over from the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from credentials.ledger.amendment import Amendment, attest_keys, is_authority
from credentials.ledger.approvals import AUTHORITY, NETWORK, OWN, RECOVERY
from credentials.ledger.governance import Governance
from credentials.ledger.proposals import Tabled

# What a party may object to: it cannot undo it later.
OBJECTABLE = frozenset({"recovery.replaced", "participant.expelled"})


@dataclass(frozen=True, slots=True)
class ApprovalMissing:
    """What an action still needs: so many approvals of these parties, or the party's own signature."""

    action: str
    sort: str
    count: int
    of: tuple[str, ...]  # DIDs that can give it
    jurisdictions: tuple[str, ...] = ()  # of which one each is missing


@dataclass(frozen=True, slots=True)
class Wanting:
    """What keeps a proposal from being decided now; nothing in it: it can be decided."""

    missing: tuple[ApprovalMissing, ...] = ()
    waits_until: int = 0
    held_missing: int = 0  # weight of validators that have yet to say that they hold its rule files

    def ready(self, at: int) -> bool:
        """True if it can be decided."""
        return not self.missing and at >= self.waits_until and not self.held_missing


@dataclass(slots=True)
class _Count:
    """Approvals of one proposal, counted under what governs now."""

    tabled: Tabled
    governance: Governance
    at: int
    authorities: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.authorities = self.governance.authorities(self.at)

    @property
    def approving(self) -> frozenset[str]:
        """Authorities of this moment that stand behind it."""
        return self.tabled.approvals & self.authorities.keys()

    def of(self, amendment: Amendment) -> ApprovalMissing | None:
        sort = sort_of(self.tabled, self.governance, amendment)
        match sort:
            case "own" | "recovery":
                return self.own(amendment, sort)
            case "authority":
                return self._one(amendment)
        return None  # all of them together: `network`

    def own(self, amendment: Amendment, sort: str) -> ApprovalMissing | None:
        signed = self.tabled.by == amendment.party and self.tabled.recovered == (sort == RECOVERY)
        return None if signed else ApprovalMissing(amendment.action, sort, 1, (amendment.party,))

    def freed(self, amendment: Amendment) -> ApprovalMissing | None:
        """What a stopped party decides alone otherwise: its authority's approval beside its own signature."""
        sort = sort_of(self.tabled, self.governance, amendment)
        if sort not in (OWN, RECOVERY) or self.governance.stopped(amendment.party, self.at) is None:
            return None
        if not is_authority(self.governance, amendment.party, self.at):
            return self._one(amendment)
        found = self.network(())
        return found and replace(found, action=amendment.action)

    def _one(self, amendment: Amendment) -> ApprovalMissing | None:
        can = {
            did
            for did, home in self.authorities.items()
            if home == amendment.jurisdiction
            and did not in amendment.not_by
            and amendment.only_by in ("", did)
        }
        if can & self.approving:
            return None
        if amendment.not_by and not can:
            # A jurisdiction with one authority cannot confirm its own stop: then all confirm it together.
            together = self.network(())
            return together and replace(together, action=amendment.action)
        return ApprovalMissing(amendment.action, AUTHORITY, 1, tuple(sorted(can)), (amendment.jurisdiction,))

    def network(self, unseated: Iterable[str]) -> ApprovalMissing | None:
        """k authorities and one of each jurisdiction; of one whose only authority is unseated: all others."""
        rules, gone = self.governance.approvals, set(unseated)
        others = {did: home for did, home in self.authorities.items() if did not in gone}
        bereft = self.bereft(gone)
        heard = bool(self.tabled.objections) and len(others) < rules.approvals_min
        if bereft and others and not heard:
            lacking = tuple(sorted(others.keys() - self.approving))
            return ApprovalMissing(NETWORK, NETWORK, len(lacking), lacking) if lacking else None
        homes = {self.authorities[did] for did in self.approving}
        living = set(self.authorities.values())
        absent = tuple(j for j in rules.jurisdictions if j in living and j not in homes)
        short = max(rules.approvals_min - len(self.approving), len(absent), 0)
        if not short:
            return None
        can = tuple(sorted(self.authorities.keys() - self.approving))
        return ApprovalMissing(NETWORK, NETWORK, short, can, absent)

    def all_but(self, parties: frozenset[str]) -> ApprovalMissing | None:
        """Every authority but these; nothing is asked for where there are no parties, or no others."""
        lacking = tuple(sorted(self.authorities.keys() - parties - self.approving)) if parties else ()
        return ApprovalMissing(NETWORK, NETWORK, len(lacking), lacking) if lacking else None

    def silence_ends(self) -> int:
        """When a side whose every authority is silenced by a stop that nobody confirmed is heard again.

        Until then nothing is decided for all: or the others stop it, and while it cannot consent put
        somebody of theirs into its place.
        """
        governance, living = self.governance, set(self.authorities.values())
        silent = {
            did
            for did, participant in governance.participants.items()
            if participant.jurisdiction in set(governance.approvals.jurisdictions) - living
            and is_authority(governance, did, self.at)
        }
        ends = (
            stop.until
            for target, stop in governance.stops.items()
            if target.partition("#")[0] in silent and stop.holds(self.at) and stop.until is not None
        )
        return max(ends, default=0)

    def bereft(self, unseated: set[str]) -> bool:
        """True if that leaves a jurisdiction without an authority that approves today."""
        left = {home for did, home in self.authorities.items() if did not in unseated}
        return any(self.authorities[did] not in left for did in unseated if did in self.authorities)


def action_of(tabled: Tabled, amendment: Amendment) -> str:
    """What is done: who does not sign itself that it leaves, with its recovery key, is expelled."""
    expelled = amendment.action == "participant.left" and not (
        tabled.recovered and tabled.by == amendment.party
    )
    return "participant.expelled" if expelled else amendment.action


def sort_of(tabled: Tabled, governance: Governance, amendment: Amendment) -> str:
    """Whose approval an amendment needs: the table's, or all together where it is weighty or objected to."""
    objected = tabled.objections and action_of(tabled, amendment) in OBJECTABLE
    if amendment.weighty or objected:
        return NETWORK
    return governance.approvals.sort_of(action_of(tabled, amendment))


def wanting(tabled: Tabled, amendments: Iterable[Amendment], governance: Governance, at: int) -> Wanting:
    """What is missing, and who can give it, under what governs at `at`."""
    amendments = tuple(amendments)
    count = _Count(tabled, governance, at)
    asked = (found for a in amendments for found in (count.of(a), count.freed(a)))
    missing = [found for found in asked if found is not None]
    weighty = [a for a in amendments if sort_of(tabled, governance, a) == NETWORK]
    waits, rules = 0, governance.approvals
    if weighty:
        # Replacing keys is by their owner as well: others do not choose what a validator signs with.
        own = [a for a in weighty if rules.sort_of(a.action) == RECOVERY and a.action.startswith("keys.")]
        missing += [m for a in own if (m := count.own(a, RECOVERY)) is not None]
        unseated = {a.unseats for a in amendments if a.unseats}
        found = count.network(unseated) or count.all_but(_objecting(tabled, governance, amendments))
        if found is not None:
            missing.append(replace(found, action=weighty[0].action))
        if count.bereft(unseated):
            waits = tabled.since + rules.removal_s
        if not all(a.action.startswith("stop.") for a in amendments):
            waits = max(waits, count.silence_ends())
    for amendment in amendments:
        if action_of(tabled, amendment) in OBJECTABLE:
            since = max(tabled.since, silenced_until(governance, amendment.party))
            waits = max(waits, since + rules.objection_s)
    held = 0
    if any(a.action == "rules.changed" for a in amendments):
        validators = governance.validators
        held = max(validators.quorum - validators.weight_of(held_by(tabled, governance, at)), 0)
    return Wanting(tuple(missing), waits, held)


def held_by(tabled: Tabled, governance: Governance, at: int) -> frozenset[str]:
    """Who said that it holds what the proposal brings, and is believed at `at`.

    Nobody while it is stopped or once it left; not with a key that turned out to be stolen: whoever has a new
    one says it again. A key that was replaced in time said it rightly.
    """
    return frozenset(
        did
        for did, kid in tabled.held.items()
        if governance.participants[did].takes_part(at)
        and not governance.stopped(did, at)
        and not governance.stopped(kid, at)
        and (key := governance.key_by_id(kid)) is not None
        and key.compromised_from is None
    )


def strictest(tabled: Tabled, governance: Governance, amendments: Iterable[Amendment]) -> str:
    """The strictest sort of approval that they need: what is "network" comes into force a block later."""
    order = (OWN, RECOVERY, AUTHORITY, NETWORK)
    sorts = [sort_of(tabled, governance, a) for a in amendments]
    return max(sorts, key=order.index)


def may_object(
    tabled: Tabled, amendments: Iterable[Amendment], governance: Governance, who: str, at: int
) -> bool:
    """The party that would lose its recovery key, its place or its office, and authorities of its side."""
    amendments, homes = tuple(amendments), governance.participants
    removed = _removed(amendments)
    bereft = any(_Count(tabled, governance, time).bereft(removed) for time in (tabled.since, at))
    for amendment in amendments:
        final = action_of(tabled, amendment) in OBJECTABLE or (bereft and amendment.unseats in removed)
        if final and who in homes:
            same = homes[who].jurisdiction == amendment.jurisdiction
            if who == amendment.party or (same and who in governance.authorities(tabled.since)):
                return True
    return False


def _removed(amendments: Iterable[Amendment]) -> set[str]:
    """The authorities that others would remove or silence; whose keys go replaces them itself."""
    return {a.unseats for a in amendments if a.unseats and not a.action.startswith("keys.")}


def _objecting(tabled: Tabled, governance: Governance, amendments: Iterable[Amendment]) -> frozenset[str]:
    """The parties of what was objected to although all together had to decide it in any case."""
    if not tabled.objections:
        return frozenset()
    plain = replace(tabled, objections=frozenset())
    return frozenset(
        a.party
        for a in amendments
        if action_of(tabled, a) in OBJECTABLE and sort_of(plain, governance, a) == NETWORK
    )


def silenced_until(governance: Governance, did: str) -> int:
    """When a party without a recovery key was heard again after a stop of it or of its keys; 0: always."""
    participant = governance.participants.get(did)
    if participant is None or participant.recovery is not None:
        return 0
    stops = (governance.stops.get(target) for target in (did, *attest_keys(participant)))
    return max((stop.until for stop in stops if stop is not None and stop.until is not None), default=0)
