"""What an event about one battery writes on other records: its vehicle, its children, its successors.

Nothing else about another code is written by any act, and nobody can name what does not exist: a code is
brought into being by its maker, by enrolment, or by the dismantler whose own it is.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from consensus.application import NotYet, Refusal
from consensus.merkle import Frontier, leaf_hash
from credentials.documents.identifiers import Subject
from credentials.ledger.as_it_stood import held_then
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.lifecycle import RESTS_ON_ALL_PACKS
from credentials.ledger.put_in import put_in
from credentials.ledger.records import AUTHORITY, INSTALLED_BY, Asset, Installed, Record
from credentials.ledger.rules import (
    LOST,
    OWN_RECORD,
    STATE_OF_PACK,
    TAKEN_OUT,
    WENT_WITH_PACK,
    Context,
    gives_way,
    packs_of_one_hand,
    told_of,
)
from credentials.ledger.speaking import has_right, is_holder
from credentials.ledger.standing import (
    CHILD,
    ORIGINAL,
    PLACED,
    PREDECESSORS_MAX,
    PRIVATE,
    SECOND_LIFE,
    WASTE,
    Parent,
    Standing,
)
from credentials.ledger.values import require_own

# Of what a pack came of, asked when it is taken apart: as many as a verdict reads. A maker's own have no end.
ORIGINS_READ_MAX = 256
PACKS_PER_PARTY_MAX = 64  # batteries that one party installs in one vehicle or asset


def children_root(subjects: Sequence[Subject]) -> bytes:
    """What a maker commits to in `children_root`: the RFC 9162 root over the sorted standing keys."""
    return _root_of([standing_key(subject) for subject in subjects])


def _root_of(keys: Sequence[bytes]) -> bytes:
    return Frontier().append([leaf_hash(key) for key in sorted(keys)]).root


def require_named_exist(attestation: Attestation, context: Context) -> None:
    """Every other battery that an event names was brought into being, or the event waits.

    Children and successors have rules of their own (below): they may be unborn codes of the author's own. Of
    parts few have a record.
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
            *_children(before, attestation, context),
        ]
    if effects.consumes is not None:
        return [
            *_assets(before, after, attestation, context),
            *_successors(before, attestation, context, effects.consumes),
        ]
    if effects.undo is not None:
        return [*_assets(before, after, attestation, context), *_released(before, after, context)]
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


def given_into(pack: Standing, subjects: Sequence[Subject], context: Context) -> frozenset[bytes]:
    """The keys of those of them that the pack's maker gave into it, where all that it gave is shown."""
    if pack.children_root is None or children_root(subjects) != pack.children_root:
        return frozenset()
    named = (context.records.standing(subject) for subject in subjects)
    return frozenset(child.key for child in named if _could_commit(pack, child, context))


def _children(pack: Standing, attestation: Attestation, context: Context) -> list[Record]:
    """Children: what the maker committed to, codes of the dismantler's own, what it holds or held then."""
    issuer, subjects = attestation.issuer, attestation.referenced_subjects
    given = given_into(pack, subjects, context)
    found: list[Record] = []
    vehicles: dict[bytes, Asset] = {}
    origins = _origins(pack, context) if context.event.effects.passes_state else []
    for subject in subjects:
        child = context.records.standing(subject)
        own = context.governance.makes(issuer, subject.scheme, subject.namespace, context.at)
        committed = child.key in given
        if own or committed:
            child = _its_makers(child, vehicles, context)
        if child.parent is not None and child.parent.key != pack.key:
            # On an enrolment: of any other child X8 has said so.
            told = "a child ({namespace}) was taken out of another battery"
            raise Refusal("X8", told, namespace=subject.namespace)
        _require_no_origin(child, origins)
        mine = is_holder(child, issuer, context) or held_then(child, attestation, context)
        if child.born and not (committed or mine):
            told = "a child ({namespace}) is held by {holder}"
            raise Refusal("not_responsible", told, namespace=subject.namespace, holder=child.holder)
        if not child.born and not (committed or own):
            told = "a child ({namespace}) is nobody's yet, and no code of {issuer}'s own"
            raise NotYet("unborn", told, namespace=subject.namespace, issuer=issuer)
        was = Parent(pack.key, context.leaf_index, child.eu_status, child.marks)
        if not child.born:
            child = _taken_out(child, pack, issuer if own else None, issuer, context.leaf_index)
        elif committed and _in_the_makers_hand(child, pack, context):
            # Its maker sold the pack and with it what is inside: who has the pack has it, and ends it.
            went = {**child.facts, WENT_WITH_PACK: context.leaf_index}
            child = replace(child, holder=issuer, named=(), facts=went)
        if context.event.effects.passes_state and is_holder(child, issuer, context):
            child = _in_state_of(pack, child, context)
        child = replace(child, parent=was, eu_status=_status_out_of(child, pack), undo=None)
        found.append(child.with_marks(CHILD, *_carried(pack, context)))
    return [*found, *vehicles.values()]


def _origins(pack: Standing, context: Context) -> list[bytes]:
    """What it was made from or taken out of, however far back, nearest first; one more than is read."""
    found = _behind(pack)
    for key in found:
        if len(found) > ORIGINS_READ_MAX:
            break
        old = context.records.standing_at(key)
        assert old is not None, "another record names it as what that came of"
        found += [further for further in _behind(old) if further not in found]
    return found[: ORIGINS_READ_MAX + 1]


def _require_no_origin(child: Standing, origins: Sequence[bytes]) -> None:
    """Nothing comes out of what came out of it (X8).

    Where there is more behind a pack than is read, only what was itself taken apart or made into another can
    be there: what gave nothing yet is behind nothing, and holds up nobody (I5).
    """
    namespace, read = child.subject.namespace, origins[:ORIGINS_READ_MAX]
    if child.key in read:
        told = "a child ({namespace}) is what this battery was made from or taken out of"
        raise Refusal("X8", told, namespace=namespace)
    if len(origins) > len(read) and (child.children or child.lineage is not None):
        told = (
            "a child ({namespace}) gave others already, and this battery came of more than {most}: "
            "whether it came of that one is not known"
        )
        raise Refusal("X8", told, namespace=namespace, most=ORIGINS_READ_MAX)


def _behind(one: Standing) -> list[bytes]:
    return [*one.predecessors, *([one.parent.key] if one.parent is not None else [])]


def _its_makers(code: Standing, vehicles: dict[bytes, Asset], context: Context) -> Standing:
    """A code as its maker's act finds it: what a licence alone enrolled gives way, as to a production (I5).

    Also where the enroller said that it is in a vehicle: that record goes with it.
    """
    if not gives_way(code):
        return code
    if code.bound is not None:
        asset = context.records.asset(code.bound.asset)
        vehicles[asset.key] = vehicles.get(asset.key, asset).without(code.key)
    return Standing(code.subject, facts={OWN_RECORD: context.leaf_index})


def _could_commit(pack: Standing, child: Standing, context: Context) -> bool:
    """A pack's maker speaks for codes that were its own when it made the pack, and for what it holds.

    Whatever else stands under its root is a stranger's, who never gave it into the pack (I5); so is what
    another maker made of a code that once was this one's.
    """
    maker, made = pack.producer, pack.production_time
    assert maker is not None and made is not None, "a root is given with a production"
    own = context.governance.makes(maker, child.subject.scheme, child.subject.namespace, made)
    return (own and child.producer in (None, maker)) or is_holder(child, maker, context)


def _in_the_makers_hand(child: Standing, pack: Standing, context: Context) -> bool:
    """The pack's maker holds the child, and it is in no other hands by its record.

    A declaration is no pack (I4); what is reported lost does not move until it is found (X18).
    """
    elsewhere = child.presentation is not None or child.settings(LOST)
    return pack.producer is not None and is_holder(child, pack.producer, context) and not elsewhere


def _in_state_of(pack: Standing, child: Standing, context: Context) -> Standing:
    """What was only made is just made no more: it is in the state that its pack was in (I1)."""
    if child.item_state != _first_state(child, context) or child.settings(LOST):
        return child
    facts = {**child.facts, STATE_OF_PACK: context.leaf_index}
    return replace(child, item_state=pack.item_state, facts=facts)


def _first_state(one: Standing, context: Context) -> str | None:
    """The state in which it was brought into being; None: two parties said so, it came out of a pack, or the
    rules in force bring nothing into being so any more."""
    made, entered = one.producer is not None, one.enrolled is not None
    if made == entered or TAKEN_OUT in one.facts:
        return None
    events = context.governance.lifecycle.events.values()
    return next((e.to for e in events if (e.effects.creates if made else e.effects.enrols)), None)


def enrolment_voided(standing: Standing, context: Context) -> Standing:
    """The code without its enrolment and what was said on top of that: unborn, its maker produces it (I5).

    That it came out of a pack to which its maker had committed it is no enroller's word: it stays (I1).
    """
    unborn = Standing(standing.subject, facts={OWN_RECORD: context.leaf_index}, voided=True)
    if standing.parent is None or not context.event.effects.keeps_pack:
        return unborn
    pack = context.records.standing_at(standing.parent.key)
    assert pack is not None, "it was taken out of it"
    if pack.children_root is None or _root_of(pack.children) != pack.children_root:
        return unborn
    if not _could_commit(pack, unborn, context):
        return unborn
    was = replace(standing.parent, status=ORIGINAL, marks=())
    kept = replace(unborn, parent=was, eu_status=_status_out_of(unborn, pack))
    return kept.with_marks(CHILD, *_carried(pack, context))


def _status_out_of(child: Standing, pack: Standing) -> str:
    """What comes out of waste is waste, and out of a second life is not original (Art 77(7))."""
    return pack.eu_status if pack.eu_status == WASTE or child.eu_status == ORIGINAL else child.eu_status


def _carried(old: Standing, context: Context) -> frozenset[str]:
    """The marks of a battery that what is made of it carries as well: an authority certified its end."""
    return context.governance.lifecycle.inherited_marks.intersection(old.marks)


def _taken_out(child: Standing, pack: Standing, maker: str | None, holder: str, leaf_index: int) -> Standing:
    """A code that the act brings into being, in the state that the pack was in."""
    return replace(
        child,
        item_state=pack.item_state,
        producer=maker or pack.producer,
        responsible=maker or pack.responsible,
        holder=holder,
        place=pack.place,
        production_time=pack.production_time,
        facts={**child.facts, TAKEN_OUT: leaf_index},
    )


def _successors(old: Standing, attestation: Attestation, context: Context, status: str) -> list[Record]:
    """Successors are codes of the author's own; what they were made from is on their record at once (L05)."""
    lifecycle, issuer, found = context.governance.lifecycle, attestation.issuer, list[Record]()
    vehicles: dict[bytes, Asset] = {}
    if old.eu_status == WASTE and context.event.from_states.isdisjoint(lifecycle.waste_states):
        # Let in and placed, waste is waste: Art 3(30) and (31), and Art 73 asks for its test.
        raise Refusal("state", "{event} acts on no waste: prepare it for that", event=context.event.type)
    require_own(attestation, context.governance, context.at)
    for subject in attestation.referenced_subjects:
        successor = _its_makers(context.records.standing(subject), vehicles, context)
        if successor.born and not is_holder(successor, issuer, context):
            told = "a successor ({namespace}) is held by {holder}"
            raise Refusal("not_responsible", told, namespace=subject.namespace, holder=successor.holder)
        if _own_marks(successor, context) or successor.settings(PLACED):
            # Its status would become that of the act: waste would be washed by a name.
            told = "a successor ({namespace}) was used, waste or placed: a life of its own"
            raise Refusal("successor", told, namespace=subject.namespace)
        if len(successor.predecessors) >= PREDECESSORS_MAX:
            raise Refusal("X8", "a battery is made from at most {most} others", most=PREDECESSORS_MAX)
        predecessors = (*successor.predecessors, old.key)
        successor = replace(successor, predecessors=predecessors, eu_status=status, undo=None)
        found.append(successor.with_marks(SECOND_LIFE, *_carried(old, context)))
    return [*found, *vehicles.values()]


def _own_marks(successor: Standing, context: Context) -> set[str]:
    """The marks of a life of its own: all but what it carries of others and its own record does not show."""
    lifecycle = context.governance.lifecycle
    shown = {m for e in lifecycle.events.values() if e.effects.fact in successor.facts for m in e.marks}
    return set(successor.marks) - {SECOND_LIFE} - (lifecycle.inherited_marks - shown)


def _released(before: Standing, after: Standing, context: Context) -> list[Record]:
    """Voiding takes back what the act wrote on children and successors, if nothing rests on it."""
    children = [key for key in before.children if key not in after.children]
    successors = before.lineage.successors if before.lineage and not after.lineage else ()
    found: list[Record] = []
    for key in (*children, *successors):
        other = context.records.standing_at(key)
        assert other is not None, "the act that is taken back wrote this record"
        if not _made_of(other, before):
            continue  # its maker produced it since: nothing of the act is left on it
        if other.undo is not None or _went_on(other, before, context):
            raise Refusal("depends", "a child or successor has records of its own since")
        found.append(_without(other, before, context))
    return found


def _went_on(other: Standing, old: Standing, context: Context) -> bool:
    """True if what came out of `old` has records of its own, though the last of them was voided (I1)."""
    if TAKEN_OUT not in other.facts or other.parent is None or other.parent.key != old.key:
        return False
    lifecycle, since = context.governance.lifecycle, other.parent.leaf_index
    own = (other.facts.get(event.effects.fact or "", 0) for event in lifecycle.events.values())
    return lifecycle.hears_of_then and any(leaf > since for leaf in own)


def _made_of(other: Standing, old: Standing) -> bool:
    return old.key in other.predecessors or (other.parent is not None and other.parent.key == old.key)


def _without(other: Standing, old: Standing, context: Context) -> Standing:
    """A child or successor as it was without the act on `old` that is voided."""
    gone = _carried(old, context)
    if other.parent is not None and other.parent.key == old.key:
        before = other.parent
        if TAKEN_OUT in other.facts:
            return _unborn(other, before, context)
        gone = (gone | {CHILD}).difference(before.marks)
        holder = old.producer if WENT_WITH_PACK in other.facts else other.holder
        state = _first_state(other, context) if STATE_OF_PACK in other.facts else None
        of_pack = (WENT_WITH_PACK, STATE_OF_PACK)
        facts = {name: leaf for name, leaf in other.facts.items() if name not in of_pack}
        status = _own_waste(other, before.status, context)
        other = replace(other, parent=None, eu_status=status, holder=holder, facts=facts)
        other = replace(other, item_state=state or other.item_state)
        return replace(other, marks=_less(other.marks, gone), voided=True)
    left = tuple(p for p in other.predecessors if p != old.key)
    for origin in left:
        predecessor = context.records.standing_at(origin)
        assert predecessor is not None, "it was made into this one"
        gone -= _carried(predecessor, context)
    if not left:
        gone |= {SECOND_LIFE}
    if other.parent is not None:
        return _still_a_child(replace(other, predecessors=left), other.parent, gone, context)
    status = other.eu_status if left else _own_waste(other, ORIGINAL, context)
    return replace(other, predecessors=left, eu_status=status, marks=_less(other.marks, gone), voided=True)


def _own_waste(other: Standing, status: str, context: Context) -> str:
    """Its status without what is voided; what was declared waste itself is waste all the same (I1)."""
    lifecycle = context.governance.lifecycle
    wasted = {m for e in lifecycle.events.values() if e.effects.eu_status == WASTE for m in e.marks}
    own = lifecycle.hears_of_then and other.eu_status == WASTE and not wasted.isdisjoint(other.marks)
    return WASTE if own else status


def _unborn(code: Standing, was: Parent, context: Context) -> Standing:
    """A code that the act brought into being: what it was made of before stays on it (I1, D957)."""
    if not context.governance.lifecycle.hears_of_then:
        return Standing(code.subject, voided=True)
    return Standing(
        code.subject, eu_status=was.status, marks=was.marks, predecessors=code.predecessors, voided=True
    )


def _still_a_child(other: Standing, was: Parent, gone: Set[str], context: Context) -> Standing:
    """What a second life no longer made, taken out of a pack since: what that pack left on it stays."""
    pack = context.records.standing_at(was.key)
    assert pack is not None, "it was taken out of it"
    status = other.eu_status
    if not other.predecessors:
        without = replace(other, eu_status=_own_waste(other, ORIGINAL, context))
        was, status = replace(was, status=ORIGINAL), _status_out_of(without, pack)
    was = replace(was, marks=_less(was.marks, gone))
    marks = _less(other.marks, gone - _carried(pack, context))
    return replace(other, parent=was, eu_status=status, marks=marks, voided=True)


def _less(marks: Sequence[str], gone: Set[str]) -> tuple[str, ...]:
    return tuple(mark for mark in marks if mark not in gone)
