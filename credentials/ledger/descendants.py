"""What comes of a battery: children that are taken out of it, successors that are made from it.

Nobody can name what does not exist: a code is brought into being by its maker, by enrolment, or by the
dismantler whose own it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consensus.application import NotYet, Refusal
from consensus.merkle import Frontier, leaf_hash
from credentials.documents.identifiers import Subject
from credentials.ledger.as_it_stood import held_then
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.records import Asset, Record
from credentials.ledger.rules import (
    LOST,
    OWN_RECORD,
    STATE_OF_PACK,
    TAKEN_OUT,
    WENT_WITH_PACK,
    Context,
    gives_way,
)
from credentials.ledger.speaking import is_holder
from credentials.ledger.standing import (
    CHILD,
    ORIGINAL,
    PLACED,
    PREDECESSORS_MAX,
    SECOND_LIFE,
    WASTE,
    Parent,
    Standing,
)
from credentials.ledger.values import require_own

# Of what a pack came of, asked when it is taken apart: as many as a verdict reads. A maker's own have no end.
ORIGINS_READ_MAX = 256


def children_root(subjects: Sequence[Subject]) -> bytes:
    """What a maker commits to in `children_root`: the RFC 9162 root over the sorted standing keys."""
    return root_of([standing_key(subject) for subject in subjects])


def root_of(keys: Sequence[bytes]) -> bytes:
    return Frontier().append([leaf_hash(key) for key in sorted(keys)]).root


def given_into(pack: Standing, subjects: Sequence[Subject], context: Context) -> frozenset[bytes]:
    """The keys of those of them that the pack's maker gave into it, where all that it gave is shown."""
    if pack.children_root is None or children_root(subjects) != pack.children_root:
        return frozenset()
    named = (context.records.standing(subject) for subject in subjects)
    return frozenset(child.key for child in named if could_commit(pack, child, context))


def children_taken_out(pack: Standing, attestation: Attestation, context: Context) -> list[Record]:
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
        child = replace(child, parent=was, eu_status=status_out_of(child, pack), undo=None)
        found.append(child.with_marks(CHILD, *carried_marks(pack, context)))
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


def could_commit(pack: Standing, child: Standing, context: Context) -> bool:
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
    if child.item_state != first_state(child, context) or child.settings(LOST):
        return child
    facts = {**child.facts, STATE_OF_PACK: context.leaf_index}
    return replace(child, item_state=pack.item_state, facts=facts)


def first_state(one: Standing, context: Context) -> str | None:
    """The state in which it was brought into being; None: two parties said so, it came out of a pack, or the
    rules in force bring nothing into being so any more."""
    made, entered = one.producer is not None, one.enrolled is not None
    if made == entered or TAKEN_OUT in one.facts:
        return None
    events = context.governance.lifecycle.events.values()
    return next((e.to for e in events if (e.effects.creates if made else e.effects.enrols)), None)


def status_out_of(child: Standing, pack: Standing) -> str:
    """What comes out of waste is waste, and out of a second life is not original (Art 77(7))."""
    return pack.eu_status if pack.eu_status == WASTE or child.eu_status == ORIGINAL else child.eu_status


def carried_marks(old: Standing, context: Context) -> frozenset[str]:
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


def successors_made(old: Standing, attestation: Attestation, context: Context, status: str) -> list[Record]:
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
        found.append(successor.with_marks(SECOND_LIFE, *carried_marks(old, context)))
    return [*found, *vehicles.values()]


def _own_marks(successor: Standing, context: Context) -> set[str]:
    """The marks of a life of its own: all but what it carries of others and its own record does not show."""
    lifecycle = context.governance.lifecycle
    shown = {m for e in lifecycle.events.values() if e.effects.fact in successor.facts for m in e.marks}
    return set(successor.marks) - {SECOND_LIFE} - (lifecycle.inherited_marks - shown)
