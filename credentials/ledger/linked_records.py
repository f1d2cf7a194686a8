"""What an event about one battery writes on other records: its vehicle, its children, its successors.

Nothing else about another code is written by any act. Here is the vehicle; what comes of a battery is in
`descendants.py`, what taking an act back leaves in `taken_back.py`.
"""

from __future__ import annotations

from dataclasses import replace

from consensus.application import NotYet, Refusal
from credentials.ledger.attestation import Attestation
from credentials.ledger.descendants import children_taken_out, successors_made
from credentials.ledger.lifecycle import RESTS_ON_ALL_PACKS
from credentials.ledger.put_in import put_in
from credentials.ledger.records import AUTHORITY, INSTALLED_BY, Asset, Installed, Record
from credentials.ledger.rules import (
    Context,
    packs_of_one_hand,
    told_of,
)
from credentials.ledger.speaking import has_right
from credentials.ledger.standing import (
    PRIVATE,
    Standing,
)
from credentials.ledger.taken_back import released
from credentials.ledger.values import require_own

PACKS_PER_PARTY_MAX = 64  # batteries that one party installs in one vehicle or asset


def require_named_exist(attestation: Attestation, context: Context) -> None:
    """Every other battery that an event names was brought into being, or the event waits.

    Children and successors have rules of their own (`descendants.py`): they may be unborn codes of the
    author's own. Of parts few have a record.
    """
    effects = context.event.effects
    if effects.claims_children or effects.consumes is not None or effects.names_parts:
        if any(member.own for member in context.event.ledger_members):
            require_own(attestation, context.governance, context.at)
        return
    for subject in attestation.referenced_subjects:
        if not context.records.standing(subject).born:
            told = "a battery it names ({namespace}) is not recorded as produced yet"
            raise NotYet("unborn", told, namespace=subject.namespace)


def linked(before: Standing, after: Standing, attestation: Attestation, context: Context) -> list[Record]:
    """The other records that change with this battery's; raises before anything is changed.

    Told late it writes on no other battery but on what was put in.
    """
    effects = context.event.effects
    if context.told_late:
        moved = before.bound_asset != after.bound_asset
        vehicles = _assets(before, after, attestation, context) if moved else []
        return [*vehicles, *put_in(before, attestation, context)]
    if effects.claims_children:
        return [
            *_assets(before, after, attestation, context),
            *children_taken_out(before, attestation, context),
        ]
    if effects.consumes is not None:
        return [
            *_assets(before, after, attestation, context),
            *successors_made(before, attestation, context, effects.consumes),
        ]
    if effects.undo is not None:
        return [*_assets(before, after, attestation, context), *released(before, after, context)]
    return [*_assets(before, after, attestation, context), *put_in(before, attestation, context)]


def _assets(before: Standing, after: Standing, attestation: Attestation, context: Context) -> list[Record]:
    records, changed = context.records, {}
    if before.bound_asset != after.bound_asset:
        if before.bound_asset is not None:
            asset = records.asset(before.bound_asset)
            changed[asset.key] = asset.without(before.key)
        if after.bound is not None:
            asset, by = records.asset(after.bound.asset), after.bound.by
            if sum(one.by == by for one in asset.installed) >= PACKS_PER_PARTY_MAX:
                told = "{by} has {most} batteries in this vehicle already"
                raise Refusal("X5", told, by=by, most=PACKS_PER_PARTY_MAX)
            # Taking back that it left gives it back as it was installed, by whoever installed it.
            inside = Installed(after.key, by, told=asset.told_to(told_of(after)))
            changed[asset.key] = replace(asset, installed=(*asset.installed, inside))
    if attestation.bound_asset is not None and RESTS_ON_ALL_PACKS.intersection(context.event.guards):
        asset = records.asset(attestation.bound_asset)
        changed[asset.key] = _spoken_of(changed.get(asset.key, asset), before, attestation, context)
    if context.event.effects.undo == "void" and after.bound_asset is not None:
        asset = records.asset(after.bound_asset)
        asset = changed.get(asset.key, asset)
        changed[asset.key] = asset.without_told(attestation.referenced_digests[0])
    return list(changed.values())


def _spoken_of(asset: Asset, before: Standing, attestation: Attestation, context: Context) -> Asset:
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
