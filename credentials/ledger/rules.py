"""The rules X1..X22 that the ledger enforces, one pure function each.

    rule(standing, attestation, context) -> None         it holds, or does not apply
                                         -> Conflict     recorded refusal: the winner keeps what it has
                                         raises Refusal  not admissible: no block may contain it
                                         raises NotYet   unmet precondition: it waits in the pool

Which events a rule guards, and what it reacts with, is data (`lifecycle.json`). X7, X15-X17, X19, X20 are
the verifier's; X13, X14 and the travel half of X12 are not built. They are asked of those who may speak
(`speaking.py`), and X3, X9, X11 of everybody.
Rules use event time for plausibility and the order of the ledger for exclusivity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from consensus.application import NotYet, Refusal
from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.governance import Governance
from credentials.ledger.licences import cannot_lift
from credentials.ledger.lifecycle import Event, Lifecycle
from credentials.ledger.parties import ANY
from credentials.ledger.payload import DAY_S
from credentials.ledger.records import AUTHORITY, Asset
from credentials.ledger.standing import LIVE, PLACED, PRIVATE, SUSPENDED, Standing

if TYPE_CHECKING:
    from credentials.ledger.namings import Namings
    from credentials.ledger.recalls import Recalls

LOST = "lost"  # the setting
PRODUCED, TAKEN_OUT = "produced", "taken_out"  # facts: where a code was brought into being
PUT_IN = "put_in"  # fact: it was last said to be in a vehicle where it replaced another
ACTED_ON = "acted_on"  # fact: an authority, or its maker, last signed an act about an enrolled battery
OWN_RECORD = "own_record"  # fact: its maker unseated an enrolment there: what stands before is not its own
WENT_WITH_PACK = "went_with_pack"  # fact: its maker still held it when its pack was taken apart
STATE_OF_PACK = (
    "state_of_pack"  # fact: it was as it was made until then, and is in the state of its pack since
)


@dataclass(frozen=True, slots=True)
class RuleConflict:
    """Two validly signed statements exclude each other; the one at `winner_leaf_index` came first."""

    rule: str
    winner_leaf_index: int


class Records(Protocol):
    """The records a rule may read beside the standing it is asked about."""

    def standing(self, subject: Subject) -> Standing: ...

    def standing_at(self, key: bytes) -> Standing | None: ...

    def asset(self, subject: Subject) -> Asset: ...

    def recalls(self, empty: Recalls) -> Recalls: ...

    def namings(self, battery: bytes) -> Namings: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule judges by: what governs the block that will hold the attestation, and its records.

    `at` is the block time of admission (or now, before it is in a block).
    """

    governance: Governance
    event: Event
    at: int
    records: Records
    countersigned: frozenset[str] = frozenset()  # DIDs whose countersignature was verified
    leaf_index: int = 0  # where it will stand in the log
    height: int = 0  # of the last committed block
    told_late: bool = False  # admitted as of its own time, moving nothing


Rule = Callable[[Standing, Attestation, Context], RuleConflict | None]


def x01_one_live_passport(
    standing: Standing, attestation: Attestation, context: Context
) -> RuleConflict | None:
    """One live passport per battery: the first that was ordered stays.

    But for one of which its own author says that nothing should come of it any more: that one is superseded.
    """
    passport = standing.passport
    if passport is None or passport.status not in (LIVE, SUSPENDED):
        return None
    if passport.digest == attestation.document_digest:
        raise Refusal("duplicate", "this passport is published already")
    replaced = (
        passport.issuer == attestation.issuer and passport.attestation in attestation.referenced_digests
    )
    if replaced and passport.status == LIVE:
        return None
    return RuleConflict("X1", passport.leaf_index)


def x02_produced_once(standing: Standing, attestation: Attestation, context: Context) -> RuleConflict | None:
    """A code is produced once; an enrolment never beats its maker.

    To enrol what is on record is a claim (speaking.py): it does not come here.
    """
    if standing.producer is not None:
        return RuleConflict("X2", standing.facts.get(PRODUCED, standing.facts.get(TAKEN_OUT, 0)))
    if context.event.effects.enrols and (standing.predecessors or standing.parent):
        raise Refusal("reserved", "the code is that of a battery made from others; its maker produces it")
    return None


def x03_nothing_after_the_end(
    standing: Standing, attestation: Attestation, context: Context
) -> RuleConflict | None:
    """Nothing after the battery was recycled, except what the table allows by name.

    What somebody enrolled and took to its end is no end of what the code's maker brings into being (I5).
    """
    final = standing.item_state in context.governance.lifecycle.final
    unseats = context.event.effects.creates and standing.enrolled is not None
    if final and not unseats and standing.item_state not in context.event.from_states:
        raise Refusal("X3", "the battery is {state}: nothing follows", state=standing.item_state)
    return None


def x04_counted_once(standing: Standing, attestation: Attestation, context: Context) -> RuleConflict | None:
    """Scrapped, declared waste, received for recycling: once per item."""
    if context.event.effects.fact in standing.facts:
        return RuleConflict("X4", _fact(standing, context))
    return None


def x05_one_vehicle(standing: Standing, attestation: Attestation, context: Context) -> RuleConflict | None:
    """Installed in at most one vehicle; taken out of, or registered with, the one it is in."""
    if context.event.effects.bound == "bind":
        return RuleConflict("X5", standing.bound.leaf_index) if standing.bound else None
    if standing.bound_asset != attestation.bound_asset:
        raise NotYet("X5", "the battery is not recorded as installed in this vehicle")
    return None


def x06_every_pack_present(
    standing: Standing, attestation: Attestation, context: Context
) -> RuleConflict | None:
    """A vehicle is scrapped with every pack bound to it, or a record that explains why not.

    A replacement that was lawful and is reported late unbinds the pack and so clears the wait.
    """
    assert attestation.bound_asset is not None, "require_members asks for it"
    present = {standing.key, *(standing_key(s) for s in attestation.referenced_subjects)}
    missing = [key for key in packs_of_one_hand(standing, attestation, context) if key not in present]
    if missing:
        raise NotYet(
            "X6",
            "{count} more packs are bound to this vehicle ({packs}): name them as present, or record their "
            "replacement",
            count=len(missing),
            packs=_keys(missing),
        )
    return None


def x08_consumed_once(standing: Standing, attestation: Attestation, context: Context) -> RuleConflict | None:
    """A battery becomes part of one successor set; a child is taken out of one parent.

    For a successor being produced: each predecessor it names must have become part of it.
    """
    effects = context.event.effects
    if effects.consumes is not None:
        return RuleConflict("X8", standing.lineage.leaf_index) if standing.lineage else None
    if effects.claims_children:
        # What its enroller took it out of is no battery's but the enroller's (descendants.py).
        named = (context.records.standing(subject) for subject in attestation.referenced_subjects)
        parents = [child.parent for child in named if not gives_way(child)]
        taken = next((p for p in parents if p is not None and p.key != standing.key), None)
        return RuleConflict("X8", taken.leaf_index) if taken else None
    for subject in attestation.referenced_subjects:
        lineage = context.records.standing(subject).lineage
        if lineage is None:
            raise NotYet("X8", "a predecessor is not recorded as consumed yet")
        if standing.key not in lineage.successors:
            return RuleConflict("X8", lineage.leaf_index)
    return None


def x09_accredited(standing: Standing, attestation: Attestation, context: Context) -> RuleConflict | None:
    """The issuer holds a role for this scheme and namespace, at event time and at admission."""
    if ANY in context.event.attesters:
        return None  # any participant; the table's `speaks` or `countersigned_by` says who
    subject, issuer, event = attestation.subject, attestation.issuer, context.event
    then = "{issuer} is not accredited when it happened as {roles:or} for {namespace} ({scheme})"
    now = "{issuer} is not accredited now as {roles:or} for {namespace} ({scheme})"
    for at, told in ((attestation.event_time, then), (context.at, now)):
        if not context.governance.accredited(issuer, event.type, subject.scheme, subject.namespace, at):
            raise Refusal(
                "X9",
                told,
                issuer=issuer,
                roles=tuple(event.attesters),
                namespace=subject.namespace,
                scheme=subject.scheme,
            )
    return None


def x10_countersigned(standing: Standing, attestation: Attestation, context: Context) -> RuleConflict | None:
    """A hand-over carries both signatures; a voiding those of enough authorities, one per jurisdiction.

    A countersignature is inside the attestation and cannot be added to it: without it, it is sent again.
    """
    governance, signatories = context.governance, context.countersigned
    if context.event.countersigned_by == "parties":
        # An authority enters a battery for whoever has it; nobody else gives one to who did not sign.
        entered = context.event.effects.enrols and governance.is_official(attestation.issuer, context.at)
        for party in () if entered else attestation.parties:
            # A party without a node is named by its number and cannot sign.
            owner = governance.owner_of(party)
            if owner not in (None, attestation.issuer, *signatories):
                raise Refusal("X10", "it needs the countersignature of {by}; send it again with it", by=owner)
    elif context.event.countersigned_by == "responsible":
        if standing.responsible not in (attestation.issuer, None, *signatories):
            told = "it needs the countersignature of {by}, who answers for it"
            raise Refusal("X10", told, by=standing.responsible)
    elif context.event.countersigned_by == "authorities":
        role = context.event.attesters[0]
        holders = governance.holders_of(role, context.at)
        approving = [did for did in holders if did == attestation.issuer or did in signatories]
        least = governance.limits.void_approvals_min
        if len(approving) < least:
            told = "it needs the signatures of {least} authorities, it has {count}"
            raise Refusal("X10", told, least=least, count=len(approving))
        for did in holders:
            jurisdiction = governance.participants[did].jurisdiction
            if all(governance.participants[a].jurisdiction != jurisdiction for a in approving):
                raise Refusal(
                    "X10", "no authority of {jurisdiction} countersigned it", jurisdiction=jurisdiction
                )
    return None


def x11_event_time(standing: Standing, attestation: Attestation, context: Context) -> RuleConflict | None:
    """Event time: not in the future, not before production, monotone for what changes the item state.

    A late report is lawful and is admitted; how late it is can be read from block time and event time. What
    is told of a time before the last change moves nothing (`told_late.py`).
    """
    limits, time = context.governance.limits, attestation.event_time
    if max(time, attestation.iat) > context.at + limits.clock_skew_s:
        raise NotYet("X11", "its time lies in the future; check the clock of the sender")
    if attestation.iat + limits.attestation_age_s_max < context.at:
        told = "it was signed more than {seconds} s ago; sign it again"
        raise Refusal("X11", told, seconds=limits.attestation_age_s_max)
    if attestation.produced_on is not None and attestation.produced_on > context.at + DAY_S:
        raise Refusal("value_impossible", "the day of production has not begun anywhere yet")
    produced = standing.production_time
    if produced is not None and time + limits.clock_skew_s < produced:
        raise Refusal("X11", "the event lies before the battery's production")
    if not context.told_late and before_last_change(standing, attestation, context):
        raise Refusal("X11", "the event lies before the last change of the battery's state")
    return None


def before_last_change(standing: Standing, attestation: Attestation, context: Context) -> bool:
    """True if it would change the state before it changed last.

    A production reported late follows nothing that an enroller said of its code meanwhile. Nor does a placing
    that is reported late, of a battery that is in its vehicle already: that stays so.
    """
    if state_after(standing, context.event) in (None, standing.item_state) or context.event.effects.creates:
        return False
    return attestation.event_time + context.governance.limits.clock_skew_s < standing.last_event_time


def x12_one_presentation(
    standing: Standing, attestation: Attestation, context: Context
) -> RuleConflict | None:
    """A second presentation is refused while the first is open."""
    return RuleConflict("X12", standing.presentation.leaf_index) if standing.presentation else None


def x18_lost(standing: Standing, attestation: Attestation, context: Context) -> RuleConflict | None:
    """A battery reported lost or stolen does not move until whoever reported it says that it is found."""
    reports = standing.settings(LOST)
    if reports:
        who = tuple(sorted({setting.by for setting in reports.values()}))
        raise NotYet("X18", "it is reported lost or stolen by {by}, who has to say that it is found", by=who)
    return None


def x21_registered_with_its_batteries(
    standing: Standing, attestation: Attestation, context: Context
) -> RuleConflict | None:
    """A vehicle is registered or sold when every pack bound to it is on record, its passport live.

    None is needed where the law of the place asks for none, or did not when the pack was placed there.
    """
    assert attestation.bound_asset is not None, "require_members asks for it"
    lacking = []
    for key in packs_of_one_hand(standing, attestation, context):
        pack = standing if key == standing.key else context.records.standing_at(key)
        named = attestation.event_time, standing.place
        if pack is None or not lawful_in_vehicle(pack, context.event, *named):
            lacking.append(key)
    if lacking:
        told = (
            "{count} packs of this vehicle have no record, or no live passport where they need one ({packs})"
        )
        raise NotYet("X21", told, count=len(lacking), packs=_keys(lacking))
    return None


def x22_hands_on_no_hold(
    standing: Standing, attestation: Attestation, context: Context
) -> RuleConflict | None:
    """Who answers for a battery hands that over only while it could lift itself what its successor would."""
    setting = cannot_lift(standing, attestation, context, attestation.parties[0])
    if setting is not None:
        told = "{setting} stands, and {issuer} has no licence in force to lift it: it hands that on to nobody"
        raise Refusal("X22", told, setting=setting, issuer=attestation.issuer)
    return None


def state_after(standing: Standing, event: Event) -> str | None:
    """The item state to which an event leads; None: it changes none. What a vehicle holds is in it."""
    return (event.to_in_vehicle if standing.bound is not None else None) or event.to


def lawful_in_vehicle(pack: Standing, event: Event, event_time: int, place: str | None) -> bool:
    """True for a pack on record with a live passport, or none where nobody asks for one."""
    if pack.passport is not None:
        return pack.born and pack.live
    older = pack.enrolled is not None and pack.producer is None  # when it was placed, nobody here knows
    return pack.born and (older or not _passport_asked(pack, event, event_time, place))


def passport_asked(pack: Standing, attestation: Attestation, context: Context, place: str | None) -> bool:
    """True if the law of the place asks for a passport of what is placed there by this event (Art 77(1)).

    What was placed there before is not placed: that act was asked when it was made.
    """
    return _passport_asked(pack, context.event, attestation.event_time, place)


def _passport_asked(pack: Standing, event: Event, event_time: int, place: str | None) -> bool:
    since = event.requires_passport_from.get(place or "")
    placed = place is not None and pack.setting(PLACED, place) is not None
    return since is not None and event_time >= since and not placed


def packs_of_one_hand(standing: Standing, attestation: Attestation, context: Context) -> list[bytes]:
    """The packs of the vehicle that this one answers for: installed by the same party, or of one holder.

    Anybody may bind a battery of its own to a number that it read on a stranger's car: that binds nobody. Two
    owners without a node are not one holder.
    """
    assert attestation.bound_asset is not None, "require_members asks for it"
    if standing.bound is None:  # X5 has said so, where the rules in force ask it first
        raise NotYet("X5", "the battery is not recorded as installed in this vehicle")
    return of_one_hand(standing, context.records.asset(attestation.bound_asset), context.records.standing_at)


def of_one_hand(
    standing: Standing, asset: Asset, standing_at: Callable[[bytes], Standing | None]
) -> list[bytes]:
    """Of what is in a vehicle, the packs that this one answers for, itself among them."""
    installers = {one.by for one in asset.installed if one.pack == standing.key}
    holder = standing.holder if standing.holder != PRIVATE else None
    found = []
    for one in asset.installed:
        pack = standing if one.pack == standing.key else standing_at(one.pack)
        if one.by in installers or (pack is not None and holder is not None and pack.holder == holder):
            found.append(one.pack)
    return found


def told_of(pack: Standing) -> frozenset[str]:
    """Whose word on a vehicle binds this battery in it: its holder's, and an authority's.

    Two owners without a node are not one holder.
    """
    return frozenset({AUTHORITY, pack.holder or AUTHORITY} - {PRIVATE})


def gives_way(standing: Standing) -> bool:
    """True if a licence alone enrolled the battery, and neither an authority nor its maker acted on it since.

    Whatever its enroller did with it, ending it or declaring it to customs, is no authority's word: when the
    maker of its code produces it, all of that is a claim.
    """
    entered = standing.enrolled
    return entered is not None and entered.role == "" and ACTED_ON not in standing.facts


RULES: Mapping[str, Rule] = {
    "X1": x01_one_live_passport,
    "X2": x02_produced_once,
    "X3": x03_nothing_after_the_end,
    "X4": x04_counted_once,
    "X5": x05_one_vehicle,
    "X6": x06_every_pack_present,
    "X8": x08_consumed_once,
    "X9": x09_accredited,
    "X10": x10_countersigned,
    "X11": x11_event_time,
    "X12": x12_one_presentation,
    "X18": x18_lost,
    "X21": x21_registered_with_its_batteries,
    "X22": x22_hands_on_no_hold,
}


def _fact(standing: Standing, context: Context) -> int:
    fact = context.event.effects.fact
    assert fact is not None, "the table gives this event a fact"
    return standing.facts[fact]


def _keys(keys: list[bytes]) -> str:
    shown = ", ".join(b64u(key)[:12] for key in keys[:3])
    return shown if len(keys) <= 3 else f"{shown}, ..."


def require_built(lifecycle: Lifecycle) -> None:
    """Raise CredentialError("rules_invalid", ...) unless this software has the code of every guard."""
    for event in lifecycle.events.values():
        for rule in (*lifecycle.guards_always, *event.guards):
            if rule not in RULES:
                raise CredentialError("rules_invalid", f"{event.type} is guarded by {rule}: not built")
        for kind in event.used_part_by:
            said = lifecycle.event(kind)
            if said is None or said.effects.fact is None:
                told = f"{event.type} used_part_by: {kind} is no event that leaves a fact"
                raise CredentialError("rules_invalid", told)
