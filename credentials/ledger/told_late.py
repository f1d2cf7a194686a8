"""What is told of a battery late: after its state, place or holder changed, of the time before (I1, I6).

A report of use whose time lies before the last change is admitted for what it shows alone: its marks, its
values, that it is waste, the vehicle. It moves neither state nor holder nor place. Who may tell it is judged
by the record as it stood at that time, so that nobody tells it who could not have told it then (I5); whom the
present record hears speaks as ever, and what neither hears is answered as if there were no past.

    told_late(standing, attestation, context) -> Voice     admit it so: `after_late`
                                              -> None      judge it by the present record
    with_pasts(...)                                        the records after, with the situations that ended

Which events may be told late is data (`told_late` in the table).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from consensus.application import Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.as_it_stood import as_it_stood
from credentials.ledger.attestation import Attestation
from credentials.ledger.effects import marks_left, reported, with_authority
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.linked_records import linked
from credentials.ledger.records import Record
from credentials.ledger.rules import OWN_RECORD, RULES, Context, before_last_change
from credentials.ledger.situations import LATE_SHOWN_MAX, SITUATIONS_MAX, Past, Situation
from credentials.ledger.speaking import Voice, reported_by_trades, speak
from credentials.ledger.standing import Bound, Standing
from credentials.ledger.undo import remembered

# The others guard what is there once, or what moves: nothing does.
ASKED_OF_THEN = frozenset({"X5", "X10"})


def told_late(standing: Standing, attestation: Attestation, context: Context) -> Voice | None:
    """The right by which this is told late; None: the present record hears it, or none before did."""
    past = standing.past
    if not context.event.told_late or not past.before or attestation.event_time >= past.until_time:
        return None
    early = before_last_change(standing, attestation, context)
    if (
        not (early or _is_of_the_vehicle_of_then(standing, attestation, context))
        and _voice(standing, standing, attestation, context) is not None
    ):
        return None
    for then in as_it_stood(standing, attestation.event_time):
        voice = _voice(then, standing, attestation, context)
        if voice is not None and _unopposed(then, attestation, context):
            return voice
    return None


def _is_of_the_vehicle_of_then(standing: Standing, attestation: Attestation, context: Context) -> bool:
    """True of what the present record does not hear by X5, though it may be said of it: it is in another."""
    asked = "X5" in context.event.guards and context.event.effects.bound != "bind"
    in_another = asked and standing.bound_asset != attestation.bound_asset
    return context.governance.lifecycle.whole_pasts and in_another


def _voice(then: Standing, now: Standing, attestation: Attestation, context: Context) -> Voice | None:
    """The right by which the author says this by a record, where it may follow; None: it has none."""
    marks = now.marks if then.bound is None else ()
    if not context.governance.lifecycle.allows(context.event, then.item_state, marks):
        return None
    try:
        voice = speak(then, attestation, context)
    except Refusal:
        return None
    return voice if isinstance(voice, Voice) else None


def _unopposed(then: Standing, attestation: Attestation, context: Context) -> bool:
    try:
        asked = (rule for rule in context.event.guards if rule in ASKED_OF_THEN)
        return all(RULES[rule](then, attestation, context) is None for rule in asked)
    except Refusal:
        return False


def after_late(
    standing: Standing, voice: Voice, attestation: Attestation, context: Context, core: bytes | None
) -> list[Record]:
    """The records after it: more marks, and the vehicle where it is still in it; raises Refusal."""
    bound = standing.bound
    if _still_inside(standing, attestation, context):
        assert attestation.bound_asset is not None, "`binds_late_in` is of what binds"
        bound = Bound(attestation.bound_asset, context.leaf_index, attestation.issuer)
    past, event, facts = standing.past, context.event, standing.facts
    if event.effects.fact is not None and event.to is None:
        facts = {**facts, event.effects.fact: context.leaf_index}
    leaves = (*past.late_leaves, context.leaf_index)[:LATE_SHOWN_MAX]
    now = replace(
        standing.with_marks(*marks_left(standing, attestation, context)),
        bound=bound,
        eu_status=event.effects.eu_status or standing.eu_status,  # waste is waste (I1)
        facts=facts,
        past=replace(past, late_leaves=leaves),
        undo=remembered(standing, attestation, context, voice, core),
    )

    now = with_authority(reported(standing, now, {}, attestation, context), attestation, context)
    return [*linked(standing, now, attestation, context), now]


def _still_inside(standing: Standing, attestation: Attestation, context: Context) -> bool:
    """True if what it was put into then holds it now, by all that is on record since.

    It travels, no other installation is known, and it is in the same hands: whom it was handed to nobody
    before it binds to a vehicle (I5).
    """
    if standing.item_state not in context.event.binds_late_in or standing.bound is not None:
        return False
    if not context.governance.lifecycle.binding_marks.isdisjoint(standing.marks):
        return False
    since = (past.holder for past in standing.past.situations() if past.until > attestation.event_time)
    return all(holder == standing.holder for holder in since)


def with_pasts(
    standing: Standing, now: Standing, others: Sequence[Record], attestation: Attestation, context: Context
) -> Iterator[Record]:
    """The records after an event, each of a battery with how that stood before."""
    for other in others:
        if isinstance(other, Standing):
            before = context.records.standing(other.subject)
            yield with_past(before, other, attestation, context)
        else:
            yield other
    yield with_past(standing, now, attestation, context)


def with_past(before: Standing, after: Standing, attestation: Attestation, context: Context) -> Standing:
    """The standing after an event, with how it stood before where it is another battery to speak about.

    What brings a code into being has no past, nor has a code that is in none; what authorities voided never
    was. A correction unsays nothing of who could speak until then: nobody is silenced by it (I6).
    """
    lifecycle, event = context.governance.lifecycle, context.event
    restarts = event.brings_into_being or event.effects.undo == "void" or not after.born
    if not lifecycle.tells_late or restarts:
        return after
    said_at = min(attestation.event_time, context.at)
    if not before.born or after.facts.get(OWN_RECORD) == context.leaf_index:
        # Out of a pack, or made by its maker of what somebody enrolled: nobody spoke of it before.
        return replace(after, past=replace(after.past, begun_time=said_at))
    stood = _who_could_speak(before, lifecycle)
    if stood == _who_could_speak(after, lifecycle):
        return after
    past, began = _with_what_it_covered(before, after, attestation, context), _began(before)
    until, rows = past.until_time, past.before
    way = lifecycle.on_the_way if lifecycle.whole_pasts else frozenset()
    leaves = after.item_state in way and before.item_state not in way  # what customs give back (0931)
    if began < context.at or leaves:
        ended = Situation(began, context.at, *stood).encode()
        until, rows = context.at, (*rows, ended)[-SITUATIONS_MAX:]
    kept = after.past
    return replace(after, past=Past(max(began, said_at), until, rows, kept.late_leaves, kept.reports))


def _began(s: Standing) -> int:
    """When its present situation began; the first began with the battery, which its first event states."""
    return s.past.begun_time or max(s.last_event_time, s.production_time or 0)


def _with_what_it_covered(
    before: Standing, after: Standing, attestation: Attestation, context: Context
) -> Past:
    """The past of a record; where what made its code anew is taken back, after that of what lay under it."""
    lifecycle, made = context.governance.lifecycle, before.undo
    event = lifecycle.event(made.kind) if made is not None else None
    taken_back = context.event.effects.undo and made and made.attestation in attestation.referenced_digests
    if not (lifecycle.whole_pasts and taken_back and event is not None and event.effects.creates):
        return before.past
    assert made is not None, "it is taken back"
    covered = after.past.before
    if (began := _began(after)) < made.admitted_at:
        stood = _who_could_speak(after, lifecycle)
        covered = (*covered, Situation(began, made.admitted_at, *stood).encode())
    rows = (*covered, *before.past.before)[-SITUATIONS_MAX:]
    return replace(before.past, until_time=made.admitted_at, before=rows)


def _who_could_speak(
    s: Standing, lifecycle: Lifecycle
) -> tuple[str, str | None, tuple[str, ...], str | None, bool, Subject | None]:
    """The members of a situation, without its times."""
    in_use = reported_by_trades(s, lifecycle)
    return s.item_state, s.holder, s.named, s.place, in_use, s.bound.asset if s.bound else None
