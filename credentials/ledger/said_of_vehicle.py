"""What is said of a vehicle as a whole, to the batteries in it: registered, sold, scrapped (I6).

Said about one of them it binds the others that are in the same hands, and what comes in later from these.
Told late, that it was scrapped, it binds those that were in it then, by the hands of then: what is in it
still, and of what left since whatever it names as present (`vehicles_of_then` in the table).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from credentials.documents.identifiers import Subject
from credentials.ledger.as_it_stood import as_it_stood
from credentials.ledger.attestation import Attestation
from credentials.ledger.changes import said_last
from credentials.ledger.lifecycle import RESTS_ON_ALL_PACKS
from credentials.ledger.records import AUTHORITY, INSTALLED_BY, Asset, Installed, Record
from credentials.ledger.rules import Context, packs_of_one_hand, told_of
from credentials.ledger.speaking import has_right
from credentials.ledger.standing import PRIVATE, Standing


def spoken_of(asset: Asset, before: Standing, attestation: Attestation, context: Context) -> Asset:
    """The vehicle after it was registered, sold or scrapped: with what is in it, and what comes into it."""
    packs = packs_of_one_hand(before, attestation, context)
    official = context.event.speaks == "authority"
    asked = [one.pack for one in asset.installed] if official else packs
    bound = [key for key in asked if _binds(key, before, attestation, context)]
    assert before.bound is not None, "packs_of_one_hand: it is said about a battery that is in one"
    holders = {(context.records.standing_at(key) or before).holder for key in bound}
    hands = {AUTHORITY} if official else {holder for holder in holders if holder is not None}
    hands |= {INSTALLED_BY + before.bound.by}
    asset = asset.relied_upon(packs, context.leaf_index)
    asset = asset.with_told(bound, attestation.kind, attestation.digest)
    return asset.with_said(sorted(hands), attestation.kind, context.leaf_index, attestation.digest)


def _binds(key: bytes, before: Standing, attestation: Attestation, context: Context) -> bool:
    """Whether what is said of the vehicle is said of this battery in it as well (I6).

    By an authority, by who may speak about this one too, or of what is in the same hands: what ends a battery
    needs its holder's consent (I5), and two owners without a node are not one holder.
    """
    pack = before if key == before.key else context.records.standing_at(key)
    if pack is None:
        return False
    same = pack.holder == before.holder != PRIVATE
    return same or context.event.speaks == "authority" or has_right(pack, attestation, context)


def told_on_coming_in(one: Standing, asset: Asset, context: Context) -> dict[str, bytes]:
    """What binds a battery that is in a vehicle from now on: what was said of that to its holder's hands.

    And what was said of the vehicle about this very one, where that it left is taken back.
    """
    told, lifecycle = asset.told_to(told_of(one)), context.governance.lifecycle
    if not lifecycle.vehicles_of_then:
        return told
    for kind, of in (pair for kinds in asset.said.values() for pair in kinds.items()):
        event = lifecycle.event(kind)
        if event is not None and one.facts.get(event.effects.fact or "") == of.leaf_index:
            told[kind] = of.attestation
    return told


def marks_of_vehicle(inside: Installed, context: Context) -> frozenset[str]:
    """The marks of what leaves a vehicle of which something was said: it was in one in use (I1).

    Put back, it makes no new vehicle of that for what takes its place.
    """
    lifecycle = context.governance.lifecycle
    if not (inside.told and lifecycle.vehicles_of_then):
        return frozenset()
    return frozenset(mark for event in lifecycle.events.values() for mark in event.marks_named_in_use)


def in_new_vehicle(one: Standing, attestation: Attestation, context: Context) -> bool:
    """Whether a battery that changes hands is in its first vehicle, of which nothing was said that uses it.

    Neither of this battery, nor by the hands that it is in or comes into. Whom a sale does not name may be
    who drives it.
    """
    if one.bound is None or not attestation.parties:
        return False
    asset, governance = context.records.asset(one.bound.asset), context.governance
    inside = asset.of(one.key)
    takers = map(governance.party, attestation.parties)
    hands = frozenset[str]().union(*(told_of(replace(one, holder=hand)) for hand in (one.holder, *takers)))
    said = (inside is not None and inside.told) or asset.told_to(hands)
    return not said and context.governance.lifecycle.binding_marks.issuperset(one.marks)


def hands_inside(one: Standing, vehicle: Subject) -> frozenset[str]:
    """Whose the battery was while it was in this vehicle, as far as its record keeps that."""
    inside = (past.holder for past in one.past.situations() if past.asset == vehicle)
    return frozenset[str]().union(*(told_of(replace(one, holder=holder)) for holder in inside))


def spoken_late_of(before: Standing, attestation: Attestation, context: Context) -> list[Record]:
    """The vehicle after it was told late, and the batteries that it names and that left since.

    It rests on nothing of what is on record since: no leaf keeps a later record from being corrected (I3).
    """
    vehicle, kind = attestation.bound_asset, attestation.kind
    asked = context.governance.lifecycle.vehicles_of_then
    if vehicle is None or not asked or RESTS_ON_ALL_PACKS.isdisjoint(context.event.guards):
        return []
    then = _inside_then(before, attestation)
    if then is None:
        return []
    asset = context.records.asset(vehicle)
    bound = [one.pack for one in asset.installed if _bound_then(one.pack, then, attestation, context)]
    asset = asset.with_told(bound, kind, attestation.digest)
    hand = AUTHORITY if context.event.speaks == "authority" else then.holder
    hands = [hand] if hand is not None and hand != PRIVATE else []
    asset = asset.with_said(hands, kind, 0, attestation.digest)
    return [asset, *_left_since(then, attestation, context)]


def _inside_then(one: Standing, attestation: Attestation) -> Standing | None:
    """A battery as it stood in this vehicle at the time that is told of; None: it was not in it."""
    stood = (*_since_then(one, attestation), *as_it_stood(one, attestation.event_time))
    return next((was for was in stood if was.bound_asset == attestation.bound_asset), None)


def _since_then(one: Standing, attestation: Attestation) -> list[Standing]:
    """The record as it is, where it stood so at that time already."""
    return [one] if one.past.begun_time <= attestation.event_time else []


def _bound_then(key: bytes, then: Standing, attestation: Attestation, context: Context) -> bool:
    """Whether it binds what is in there: in the hands of then, or in it then and its author's to end."""
    pack = context.records.standing_at(key)
    if pack is None:
        return False
    was = _inside_then(pack, attestation)
    if context.event.speaks == "authority":  # it puts the vehicle on the road with all that was in it
        return was is not None
    return _of_one_hand(pack, then) or (was is not None and _ends(was, then, attestation, context))


def _ends(was: Standing, then: Standing, attestation: Attestation, context: Context) -> bool:
    """What ends a battery needs its holder's consent (I5): then as now."""
    return _of_one_hand(was, then) or has_right(was, attestation, context)


def _of_one_hand(one: Standing, other: Standing) -> bool:
    return one.holder == other.holder != PRIVATE


def _left_since(then: Standing, attestation: Attestation, context: Context) -> Iterator[Record]:
    """What is named as present and left the vehicle since is as what is taken out of it now: waste (I1).

    It is the last record of that one as well, so that authorities can void it there.
    """
    event, final = context.event, context.governance.lifecycle.final
    for subject in attestation.referenced_subjects:
        named = context.records.standing(subject)
        if named.bound_asset == attestation.bound_asset:
            continue
        was = _inside_then(named, attestation)
        if was is not None and named.item_state not in final and _ends(was, then, attestation, context):
            said = said_last(attestation, context, named.core())
            status = event.effects.eu_status or named.eu_status
            yield replace(named.with_marks(*event.marks), eu_status=status, undo=said)


def vehicles_spoken_of(before: Standing, after: Standing, context: Context) -> list[Subject]:
    """The vehicles of which something may have been said about this battery, now that it is voided."""
    found = [after.bound_asset]
    if context.governance.lifecycle.vehicles_of_then:
        found += [past.asset for past in before.past.situations()]
    return list(dict.fromkeys(subject for subject in found if subject is not None))
