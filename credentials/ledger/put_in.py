"""What is put into a vehicle in place of another battery, by what is said of that one (I1, I6).

Its own record has no statement of it: it carries the marks, and the leaf at which it was said (`PUT_IN`), so
that a verdict reads in which vehicle it was, and when.
"""

from __future__ import annotations

from dataclasses import replace

from credentials.ledger.as_it_stood import had_right, heard_of
from credentials.ledger.attestation import Attestation
from credentials.ledger.changes import said_last
from credentials.ledger.records import Asset, Record
from credentials.ledger.rules import PUT_IN, Context, told_of
from credentials.ledger.said_of_vehicle import hands_inside
from credentials.ledger.standing import Standing


def put_in(before: Standing, attestation: Attestation, context: Context) -> list[Record]:
    """What replaces this one goes into its vehicle, though nobody recorded that it was installed (I6).

    Said by whoever may speak about that one too, or could then: a workshop marks no battery of a stranger
    (I5). It is the last record of that one as well, so that authorities can void it there. What was in a
    vehicle before, and by its record is not in this one, was taken out of it, whether or not anybody said so.
    """
    event, found = context.event, list[Record]()
    heard = had_right if context.told_late else heard_of
    if not event.marks_named:
        return found
    assert attestation.bound_asset is not None, "lifecycle_table.py asks for it"
    asset = context.records.asset(attestation.bound_asset)
    told = _vehicle_in_use(before, asset, context)
    for subject in attestation.referenced_subjects:
        named = context.records.standing(subject)
        in_use = told or asset.told_to(told_of(named))
        marks = {*event.marks_named, *(event.marks_named_in_use if in_use else ())}
        elsewhere = bool(event.marks_named_again) and named.bound_asset != attestation.bound_asset
        if elsewhere and not context.governance.lifecycle.binding_marks.isdisjoint(named.marks):
            marks |= {*event.marks_named_again}
        if (marks <= set(named.marks) and not elsewhere) or not heard(named, attestation, context):
            continue
        said = said_last(attestation, context, named.core())
        facts = {**named.facts, PUT_IN: context.leaf_index} if elsewhere else named.facts
        found.append(replace(named.with_marks(*marks), facts=facts, undo=said))
    return found


def _vehicle_in_use(before: Standing, asset: Asset, context: Context) -> bool:
    """Whether what was said of the vehicle, or of what is replaced, says that it was in use (I6)."""
    inside, lifecycle = asset.of(before.key), context.governance.lifecycle
    put_into_used = not set(context.event.marks_named_in_use).isdisjoint(before.marks)
    if lifecycle.vehicles_of_then and put_into_used:
        return True
    if inside is not None:
        return bool(inside.told)
    asked = context.told_late and lifecycle.hears_of_then
    return asked and bool(asset.told_to(hands_inside(before, asset.subject)))
