"""What an event about one battery writes on other records: its vehicle, its children, its successors.

Nothing else about another code is written by any act, and nobody can name what does not exist: a code is
brought into being by its maker, by enrolment, or by the dismantler whose own it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consensus.application import NotYet, Refusal
from consensus.merkle import Frontier, leaf_hash
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.records import Record
from credentials.ledger.rules import TAKEN_OUT, WENT_WITH_PACK, Context
from credentials.ledger.speaking import is_holder
from credentials.ledger.standing import CHILD, PLACED, PREDECESSORS_MAX, SECOND_LIFE, Parent, Standing

PACKS_PER_PARTY_MAX = 64  # batteries that one party installs in one vehicle or asset
RESTS_ON_ALL_PACKS = frozenset({"X6", "X21"})  # rules that ask about every battery of a vehicle


def children_root(subjects: Sequence[Subject]) -> bytes:
    """What a maker commits to in `children_root`: the RFC 9162 root over the sorted standing keys."""
    keys = sorted(standing_key(subject) for subject in subjects)
    return Frontier().append([leaf_hash(key) for key in keys]).root


def require_named_exist(attestation: Attestation, context: Context) -> None:
    """Every other battery that an event names was brought into being, or the event waits.

    Children and successors have rules of their own (below): they may be unborn codes of the author's own.
    """
    effects = context.event.effects
    if effects.claims_children or effects.consumes is not None:
        return
    for subject in attestation.referenced_subjects:
        if not context.records.standing(subject).born:
            raise NotYet(
                "unborn", f"a battery it names ({subject.namespace}) is not recorded as produced yet"
            )


def linked(before: Standing, after: Standing, attestation: Attestation, context: Context) -> list[Record]:
    """The other records that change with this battery's; raises before anything is changed."""
    effects = context.event.effects
    if effects.claims_children:
        return [
            *_assets(before, after, attestation, context),
            *_children(before, attestation, context),
        ]
    if effects.consumes is not None:
        return [
            *_assets(before, after, attestation, context),
            *_successors(before, attestation, context, effects.consumes),
        ]
    if effects.undo is not None:
        return [*_assets(before, after, attestation, context), *_released(before, after, context)]
    return _assets(before, after, attestation, context)


def _assets(before: Standing, after: Standing, attestation: Attestation, context: Context) -> list[Record]:
    records, changed = context.records, {}
    if before.bound_asset != after.bound_asset:
        if before.bound_asset is not None:
            asset = records.asset(before.bound_asset)
            left = tuple(pack for pack in asset.installed if pack[0] != before.key)
            changed[asset.key] = replace(asset, installed=left)
        if after.bound_asset is not None:
            asset = records.asset(after.bound_asset)
            by = attestation.issuer
            if sum(installer == by for _, installer in asset.installed) >= PACKS_PER_PARTY_MAX:
                raise Refusal("X5", f"{by} has {PACKS_PER_PARTY_MAX} batteries in this vehicle already")
            changed[asset.key] = replace(asset, installed=(*asset.installed, (after.key, by)))
    if attestation.bound_asset is not None and RESTS_ON_ALL_PACKS.intersection(context.event.guards):
        asset = records.asset(attestation.bound_asset)
        asset = changed.get(asset.key, asset)
        changed[asset.key] = replace(asset, relied_leaf=context.leaf_index)
    return list(changed.values())


def _children(pack: Standing, attestation: Attestation, context: Context) -> list[Record]:
    """Children are what the maker committed to, codes of the dismantler's own, or batteries that it holds."""
    governance, issuer = context.governance, attestation.issuer
    subjects = attestation.referenced_subjects
    committed = pack.children_root is not None and children_root(subjects) == pack.children_root
    found: list[Record] = []
    for subject in subjects:
        child = context.records.standing(subject)
        own = governance.makes(issuer, subject.scheme, subject.namespace, context.at)
        if child.born and not (committed or is_holder(child, issuer, context)):
            raise Refusal("not_responsible", f"a child ({subject.namespace}) is held by {child.holder}")
        if not child.born and not (committed or own):
            raise NotYet(
                "unborn", f"a child ({subject.namespace}) is nobody's yet, and no code of {issuer}'s own"
            )
        if not child.born:
            child = _taken_out(child, pack, issuer if own else None, issuer, context.leaf_index)
        elif committed and child.holder == child.producer:
            # Its maker sold the pack and with it what is inside: who has the pack has it, and ends it.
            went = {**child.facts, WENT_WITH_PACK: context.leaf_index}
            child = replace(child, holder=issuer, named=(), facts=went)
        parent = Parent(pack.key, context.leaf_index)
        found.append(replace(child, parent=parent, undo=None).with_marks(CHILD))
    return found


def _taken_out(child: Standing, pack: Standing, maker: str | None, holder: str, leaf_index: int) -> Standing:
    """A code that the act brings into being, in the state that the pack was in."""
    return replace(
        child,
        item_state=pack.item_state,
        eu_status=pack.eu_status,
        producer=maker or pack.producer,
        responsible=maker or pack.responsible,
        holder=holder,
        place=pack.place,
        production_time=pack.production_time,
        facts={**child.facts, TAKEN_OUT: leaf_index},
    )


def _successors(old: Standing, attestation: Attestation, context: Context, status: str) -> list[Record]:
    """Successors are codes of the author's own; what they were made from is on their record at once (L05)."""
    governance, issuer = context.governance, attestation.issuer
    found: list[Record] = []
    for subject in attestation.referenced_subjects:
        if not governance.makes(issuer, subject.scheme, subject.namespace, context.at):
            raise Refusal(
                "not_responsible", f"a successor is a code of {issuer}'s own, not of {subject.namespace}"
            )
        successor = context.records.standing(subject)
        if successor.born and not is_holder(successor, issuer, context):
            raise Refusal(
                "not_responsible", f"a successor ({subject.namespace}) is held by {successor.holder}"
            )
        if not set(successor.marks) <= {SECOND_LIFE} or successor.settings(PLACED):
            # Its status would become that of the act: waste would be washed by a name.
            raise Refusal(
                "successor", f"a successor ({subject.namespace}) was used, waste or placed: a life of its own"
            )
        if len(successor.predecessors) >= PREDECESSORS_MAX:
            raise Refusal("X8", f"a battery is made from at most {PREDECESSORS_MAX} others")
        predecessors = (*successor.predecessors, old.key)
        successor = replace(successor, predecessors=predecessors, eu_status=status, undo=None)
        found.append(successor.with_marks(SECOND_LIFE))
    return found


def _released(before: Standing, after: Standing, context: Context) -> list[Record]:
    """Voiding takes back what the act wrote on children and successors, if nothing rests on it."""
    children = [key for key in before.children if key not in after.children]
    successors = before.lineage.successors if before.lineage and not after.lineage else ()
    found: list[Record] = []
    for key in (*children, *successors):
        other = context.records.standing_at(key)
        assert other is not None, "the act that is taken back wrote this record"
        if other.undo is not None:
            raise Refusal("depends", "a child or successor has records of its own since")
        found.append(_without(other, before.key))
    return found


def _without(other: Standing, key: bytes) -> Standing:
    if other.parent is not None and other.parent.key == key:
        if TAKEN_OUT in other.facts:
            return Standing(other.subject, voided=True)
        marks = tuple(mark for mark in other.marks if mark != CHILD)
        holder = other.producer if WENT_WITH_PACK in other.facts else other.holder
        facts = {name: leaf for name, leaf in other.facts.items() if name != WENT_WITH_PACK}
        return replace(other, parent=None, marks=marks, holder=holder, facts=facts, voided=True)
    left = tuple(p for p in other.predecessors if p != key)
    if left:
        return replace(other, predecessors=left, voided=True)
    marks = tuple(mark for mark in other.marks if mark != SECOND_LIFE)
    return replace(other, predecessors=(), eu_status="original", marks=marks, voided=True)
