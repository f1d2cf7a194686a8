"""What taking an act back takes from the other records that it wrote: children, successors, an enrolment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from consensus.application import Refusal
from credentials.ledger.descendants import carried_marks, could_commit, first_state, root_of, status_out_of
from credentials.ledger.lifecycle import Event
from credentials.ledger.records import Record
from credentials.ledger.rules import OWN_RECORD, STATE_OF_PACK, TAKEN_OUT, WENT_WITH_PACK, Context
from credentials.ledger.standing import CHILD, ORIGINAL, SECOND_LIFE, WASTE, Parent, Standing


def enrolment_voided(standing: Standing, context: Context) -> Standing:
    """The code without its enrolment and what was said on top of that: unborn, its maker produces it (I5).

    That it came out of a pack to which its maker had committed it is no enroller's word: it stays (I1).
    """
    unborn = Standing(standing.subject, facts={OWN_RECORD: context.leaf_index}, voided=True)
    if standing.parent is None or not context.event.effects.keeps_pack:
        return unborn
    pack = context.records.standing_at(standing.parent.key)
    assert pack is not None, "it was taken out of it"
    if pack.children_root is None or root_of(pack.children) != pack.children_root:
        return unborn
    if not could_commit(pack, unborn, context):
        return unborn
    was = replace(standing.parent, status=ORIGINAL, marks=())
    kept = replace(unborn, parent=was, eu_status=status_out_of(unborn, pack))
    return kept.with_marks(CHILD, *carried_marks(pack, context))


def released(before: Standing, after: Standing, context: Context) -> list[Record]:
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
    return lifecycle.hears_of_then and _told_since(other, since, lifecycle.events.values())


def _told_since(one: Standing, leaf_index: int, events: Iterable[Event]) -> bool:
    """True if one of these events is on its own record since that place in the log."""
    return any(one.facts.get(event.effects.fact or "", 0) > leaf_index for event in events)


def _made_of(other: Standing, old: Standing) -> bool:
    return old.key in other.predecessors or (other.parent is not None and other.parent.key == old.key)


def _without(other: Standing, old: Standing, context: Context) -> Standing:
    """A child or successor as it was without the act on `old` that is voided."""
    gone = carried_marks(old, context)
    if other.parent is not None and other.parent.key == old.key:
        before = other.parent
        if TAKEN_OUT in other.facts:
            return _unborn(other, before, context)
        gone = (gone | {CHILD}).difference(before.marks)
        given, passed = WENT_WITH_PACK in other.facts, STATE_OF_PACK in other.facts
        if context.governance.lifecycle.moved_on_stays:
            given = given and other.holder == _taker(old, before)
            moving = (event for event in context.governance.lifecycle.events.values() if event.to is not None)
            passed = passed and not _told_since(other, before.leaf_index, moving)
        holder = old.producer if given else other.holder
        state = first_state(other, context) if passed else None
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
        gone -= carried_marks(predecessor, context)
    if not left:
        gone |= {SECOND_LIFE}
    if other.parent is not None:
        return _still_a_child(replace(other, predecessors=left), other.parent, gone, context)
    status = other.eu_status if left else _own_waste(other, ORIGINAL, context)
    return replace(other, predecessors=left, eu_status=status, marks=_less(other.marks, gone), voided=True)


def _taker(pack: Standing, child: Parent) -> str | None:
    """Who took the child out of the pack; where another record of it is the last one, who has the pack."""
    undo = pack.undo
    return undo.author if undo is not None and undo.leaf_index == child.leaf_index else pack.holder


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
        was, status = replace(was, status=ORIGINAL), status_out_of(without, pack)
    was = replace(was, marks=_less(was.marks, gone))
    marks = _less(other.marks, gone - carried_marks(pack, context))
    return replace(other, parent=was, eu_status=status, marks=marks, voided=True)


def _less(marks: Sequence[str], gone: Set[str]) -> tuple[str, ...]:
    return tuple(mark for mark in marks if mark not in gone)
