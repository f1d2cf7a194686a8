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
from credentials.ledger.records import Installed, Record, asset_key
from credentials.ledger.rules import Context
from credentials.ledger.said_of_vehicle import (
    spoken_late_of,
    spoken_of,
    told_on_coming_in,
    vehicles_spoken_of,
)
from credentials.ledger.standing import Standing
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

    Told late it writes on no other battery but on what was put in, or was in a scrapped vehicle.
    """
    effects = context.event.effects
    if context.told_late:
        moved = before.bound_asset != after.bound_asset
        vehicles = _assets(before, after, attestation, context) if moved else []
        others = [*put_in(before, attestation, context), *spoken_late_of(before, attestation, context)]
        return [*vehicles, *others]
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
            inside = Installed(after.key, by, told=told_on_coming_in(after, asset, context))
            changed[asset.key] = replace(asset, installed=(*asset.installed, inside))
    if attestation.bound_asset is not None and RESTS_ON_ALL_PACKS.intersection(context.event.guards):
        asset = records.asset(attestation.bound_asset)
        changed[asset.key] = spoken_of(changed.get(asset.key, asset), before, attestation, context)
    if context.event.effects.undo == "void":
        for subject in vehicles_spoken_of(before, after, context):
            asset = changed.get(asset_key(subject)) or records.asset(subject)
            changed[asset.key] = asset.without_told(attestation.referenced_digests[0])
    return list(changed.values())
