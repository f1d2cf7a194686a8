"""Taking a record of a battery back, mostly its last (invariant I3). The record stays; its effect goes.

    correct    by its author, in time; never what cannot be taken back, was countersigned by another party,
               or on which another's record rests. Marks stay, and where it was placed. What was told late
               since is of a time before: it does not rest on it, and stays as it is (`_under_late`).
    withdraw   by one authority of the place: what a trade said, the last record, or all since the first of
               the trades' records in a row that it ends. Marks stay.
    void       by k of n authorities, after a case: whatever it was, marks included, and the standing says so.
               An enrolment, and what was taken back before, also where others follow it.

A report that moved nothing is corrected and voided wherever it stands (`moved_nothing.py`).

A revoked passport stays revoked whatever is taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from consensus.application import NotYet, Refusal
from consensus.encoding import decode, encode
from credentials.ledger.attestation import Attestation
from credentials.ledger.changes import said_last
from credentials.ledger.licences import could_set
from credentials.ledger.lifecycle import Event, Lifecycle
from credentials.ledger.moved_nothing import Report, Reported
from credentials.ledger.recalls import Recalls, made_when_recorded
from credentials.ledger.records import INSTALLED_BY
from credentials.ledger.rules import ACTED_ON, PUT_IN, Context, told_of, x09_accredited
from credentials.ledger.speaking import Voice, not_licensed
from credentials.ledger.standing import (
    CHILD,
    REVOKED,
    SECOND_LIFE,
    TAKEN_BACK_MAX,
    WASTE,
    Standing,
    Undo,
    undo_members,
)
from credentials.ledger.taken_back import enrolment_voided

TRADE = "trade"


def taken_back(standing: Standing, attestation: Attestation, context: Context, *, known: bool) -> Standing:
    """The standing without the effect of its last record. `known`: what it names is on the ledger."""
    how, undo, entered = context.event.effects.undo, standing.undo, standing.enrolled
    if how == "void" and entered is not None and entered.attestation == attestation.referenced_digests[0]:
        return enrolment_voided(standing, context)  # the case of two records of one code
    named = attestation.referenced_digests[0]
    if how == "void" and named in standing.taken_back and (undo is None or undo.attestation != named):
        # It has no effect any more; what it showed goes, and its marks stay for what others left the same.
        left = tuple(digest for digest in standing.taken_back if digest != named)
        return replace(standing, taken_back=left, voided=True)
    undo = _all_since(undo, attestation) if how == "withdraw" and undo is not None else undo
    under = _under(undo) if undo is not None and context.event.effects.under_late else None
    if undo is not None and under is not None and under.attestation == named:
        return _corrected_under_late(standing, undo, under, attestation, context)
    if undo is None or undo.attestation != named:
        report = next((one for one in standing.past.reports if one.attestation == named), None)
        if report is not None and context.event.effects.reaches_back:
            return _without_report(standing, report, attestation, context)
        if not known:
            raise NotYet("state", "the attestation it names is not on the ledger yet")
        raise _followed(undo)
    if how == "correct":
        done = _known_still(standing, undo, context)
        _require_correctable(standing, undo, done, attestation, context)
    elif how == "withdraw" and (_known_still(standing, undo, context).speaks != TRADE or undo.taken_back):
        raise Refusal(
            "irreversible", "one authority takes back what a trade said, not {kind}", kind=undo.kind
        )
    restored = _restored(standing, undo)
    if how == "void":
        marks = {*restored.marks, *([CHILD] if standing.parent else [])}
        marks |= {SECOND_LIFE} if standing.predecessors else set()
        late = tuple(leaf for leaf in restored.past.late_leaves if leaf != undo.leaf_index)
        past = replace(restored.past, late_leaves=late)
        return replace(restored, marks=tuple(sorted(marks)), voided=True, undo=None, past=past)
    restored = _with_acts(restored.with_marks(*standing.marks), standing, context)
    restored = replace(restored, taken_back=(*standing.taken_back, named)[-TAKEN_BACK_MAX:])
    return replace(restored, undo=replace(undo, taken_back=True), voided=standing.voided)


def undone_by(record: Sequence[Attestation], lifecycle: Lifecycle) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """(how, digests) of each statement of one battery's record, in log order, that took others back.

    A withdrawal takes back what trades said in a row, from the one named on: whoever else had said something
    after that would have ended the row.
    """
    rows = dict[bytes, tuple[bytes, ...]]()
    for at, one in enumerate(record):
        event = lifecycle.event(one.kind)
        # Said when its kind took nothing back by the rules of then, it names nothing.
        if event is None or not event.effects.undo or not one.referenced_digests:
            continue
        named = one.referenced_digests[0]
        if event.effects.undo == "withdraw":
            before = [earlier.digest for earlier in record[:at]]
            rows[named] = tuple(before[before.index(named) :]) if named in before else ()
        yield event.effects.undo, rows.get(named, (named,))


def remembered(
    before: Standing, attestation: Attestation, context: Context, voice: Voice, core_before: bytes | None
) -> Undo:
    """What taking this attestation back would restore; trades' records in a row are remembered as one too.

    Told late, it keeps what the author of the record under it would restore, where that may still be asked.
    """
    since, core_since, last, below = None, None, before.undo, None
    if voice.trade:
        since = attestation.digest
        if last is not None and last.since is not None:
            since, core_since = last.since, last.core_since or last.core_before
    if context.told_late and last is not None and _reaches_under_late(context.governance.lifecycle):
        late = last.leaf_index in before.past.late_leaves
        below = last.below if late else encode(list(undo_members(last)))
    said = said_last(attestation, context, core_before)
    if since is None and below is None:  # what most records are
        return said
    return replace(said, since=since, core_since=core_since, below=below)


def _under(late: Undo) -> Undo | None:
    return Undo(*cast(list[Any], decode(late.below))) if late.below is not None else None


def _reaches_under_late(lifecycle: Lifecycle) -> bool:
    return any(event.effects.under_late for event in lifecycle.events.values())


def _corrected_under_late(
    standing: Standing, late: Undo, under: Undo, attestation: Attestation, context: Context
) -> Standing:
    """The standing without the effect of the last record but those that were told late since.

    These stay the last ones, to be taken back as before: what that would restore is corrected as well.
    """
    _require_correctable(standing, under, _known_still(standing, under, context), attestation, context)
    if standing.bound is not None and standing.bound.leaf_index in standing.past.late_leaves:
        raise Refusal("depends", "that it is in a vehicle was told since, and rests on where it is")

    def corrected(core: bytes | None) -> bytes | None:
        return _under_late(Standing.decode_core(core), under, context).core() if core is not None else None

    row_began_before = late.since == under.since  # of trades: nothing of this record is in it
    now = _under_late(standing, under, context)
    rest = replace(
        late,
        core_before=corrected(late.core_before),
        core_since=late.core_since if row_began_before else corrected(late.core_since),
        below=None,
    )
    named = attestation.referenced_digests[0]
    return replace(now, taken_back=(*standing.taken_back, named)[-TAKEN_BACK_MAX:], undo=rest)


def _without_report(
    standing: Standing, report: Report, attestation: Attestation, context: Context
) -> Standing:
    """The standing as if a report that moved nothing had been taken back at once: nothing rests on it (0975).

    What taking the last record back would restore is without it as well. Its marks stay, voided too: what
    others said since may have left the same.
    """
    digest, leaf, at = report.attestation, report.leaf_index, report.admitted_at
    said = Undo(digest, report.author, report.kind, leaf, at, report.countersigned, False, None)
    if context.event.effects.undo == "correct":
        done = _known_still(standing, said, context)
        _require_correctable(standing, said, done, attestation, context)
    now = _without(standing, digest)
    undo = _undo_without(standing.undo, digest) if standing.undo is not None else None
    if context.event.effects.undo == "void":
        return replace(now, undo=undo, voided=True)
    return replace(now, undo=undo, taken_back=(*standing.taken_back, digest)[-TAKEN_BACK_MAX:])


def _without(standing: Standing, report: bytes) -> Standing:
    """A standing without what one of its reports set; as it is, where that is none of them."""
    found = Reported(standing.past.reports, standing.facts, standing.readings).without(report)
    past = replace(standing.past, reports=found.reports)
    return replace(standing, past=past, facts=found.facts, readings=found.readings)


def _undo_without(undo: Undo, report: bytes) -> Undo:
    """What taking a record back would restore, and those under it, without one report."""

    def core_without(core: bytes | None) -> bytes | None:
        return _without(Standing.decode_core(core), report).core() if core is not None else None

    under = _under(undo)
    return replace(
        undo,
        core_before=core_without(undo.core_before),
        core_since=core_without(undo.core_since),
        below=encode(list(undo_members(_undo_without(under, report)))) if under is not None else None,
    )


def _followed(last: Undo | None) -> Refusal:
    """Why what it names cannot be taken back: whose record follows it."""
    if last is None:
        return Refusal("depends", "only the last record of a battery can be taken back: others follow it")
    return Refusal(
        "depends",
        "{kind} by {by} (leaf {leaf_index}) follows it: only the last record of a battery is taken back, or "
        "a report that moved nothing",
        kind=last.kind,
        by=last.author,
        leaf_index=last.leaf_index,
    )


def _under_late(standing: Standing, under: Undo, context: Context) -> Standing:
    """A standing without the effect of one record and with that of what was told late since."""
    restored = _restored(standing, under)
    told = {n: leaf for n, leaf in standing.facts.items() if leaf in standing.past.late_leaves}
    status = standing.eu_status if standing.eu_status == WASTE else restored.eu_status  # waste is waste (I1)
    restored = replace(restored, eu_status=status, facts={**restored.facts, **told}, voided=standing.voided)
    return _with_acts(restored.with_marks(*standing.marks), standing, context)


def _known_still(standing: Standing, undo: Undo, context: Context) -> Event:
    """What the rules in force say of the last record's kind: by it, one party may take the record back alone.

    Rules change while records stay. Of a kind that they have no more, or of what it set, nobody can say
    whether it may be taken back, nor who was free to say it: so only all authorities together do, as they do
    whatever it is.
    """
    lifecycle = context.governance.lifecycle
    event = lifecycle.event(undo.kind)
    gone = (kept for name, kept in standing.jurisdictions.items() if name not in lifecycle.settings)
    if event is None:
        told = "the rules in force know no {kind} any more: it can only be voided"
        raise Refusal("irreversible", told, kind=undo.kind)
    if any(setting.leaf_index == undo.leaf_index for kept in gone for setting in kept.values()):
        told = "the rules in force know no more what {kind} set: it can only be voided"
        raise Refusal("irreversible", told, kind=undo.kind)
    return event


def _all_since(undo: Undo, attestation: Attestation) -> Undo:
    """The trades' records in a row as one, if their first is named: a lie is under what was said after it."""
    first = attestation.referenced_digests[0]
    if undo.core_since is None or undo.since != first:
        return undo
    under = _under(undo)
    below = None if under is not None and under.since == undo.since else undo.below  # it is of the row
    all_since = replace(undo, attestation=first, taken_back=False, core_before=undo.core_since)
    return replace(all_since, since=None, core_since=None, below=below)


def _with_acts(restored: Standing, standing: Standing, context: Context) -> Standing:
    """What was done in a jurisdiction (placed, released, refused there) stays: never again a first (I1).

    So does that it was in a vehicle where it replaced another: it is not for the first time in the next one.
    """
    put_in = {name: leaf for name, leaf in standing.facts.items() if name == PUT_IN}
    restored = replace(restored, facts={**restored.facts, **put_in})
    for name, kind in context.governance.lifecycle.settings.items():
        for key, setting in standing.settings(name).items() if kind.key == "act" else ():
            restored = restored.with_set(name, key, setting)
    return restored


def _require_correctable(
    standing: Standing, undo: Undo, done: Event, attestation: Attestation, context: Context
) -> None:
    if undo.author != attestation.issuer:
        raise Refusal("not_responsible", "only {by} can take its attestation back", by=undo.author)
    if undo.taken_back:
        raise Refusal("depends", "it is taken back already")
    if done.irreversible or undo.countersigned:
        raise Refusal(
            "irreversible", "{kind} cannot be taken back by its author, only voided", kind=undo.kind
        )
    _require_licensed(standing, undo, done, attestation, context)
    if undo.admitted_at + context.governance.limits.correction_s_max < context.at:
        raise Refusal("too_late", "the time for a correction by its author is over")
    if done.effects.creates and context.event.effects.minds_recalls:
        _require_no_recall_rests_on_it(standing, attestation, context)
    bound = standing.bound
    if bound is not None and bound.leaf_index == undo.leaf_index:
        inside = context.records.asset(bound.asset).of(standing.key)
        if inside is not None and inside.relied_leaf is not None:
            raise Refusal("depends", "a record about the vehicle rests on it")
    elif done.effects.bound is not None:
        _require_nothing_rests_on_leaving(standing, undo, context)


def _require_no_recall_rests_on_it(standing: Standing, attestation: Attestation, context: Context) -> None:
    """Made anew of another day it would be out of a recall that only whoever published that lifts (I2)."""
    made, codes = made_when_recorded(standing), Recalls(standing.subject.scheme, standing.subject.namespace)
    for recall in context.records.recalls(codes).recalls:
        if recall.by != attestation.issuer and recall.criteria is not None and recall.criteria.rests_on(made):
            raise Refusal("depends", "a recall by {by} rests on the day on which it was made", by=recall.by)


def _require_licensed(
    standing: Standing, undo: Undo, done: Event, attestation: Attestation, context: Context
) -> None:
    """Whose licence to say it is suspended, or over, does not take it back either (I2)."""
    x09_accredited(standing, attestation, replace(context, event=done))
    made = (
        (name, key, setting)
        for name, kept in standing.jurisdictions.items()
        for key, setting in kept.items()
        if setting.leaf_index == undo.leaf_index
    )
    if not all(could_set(*one, attestation, context) for one in made):
        raise not_licensed(attestation.issuer)


def _require_nothing_rests_on_leaving(standing: Standing, undo: Undo, context: Context) -> None:
    """A vehicle is registered, sold or scrapped with what is in it: what left before is not put back in."""
    assert undo.core_before is not None, "it was brought into being before it left a vehicle"
    was = Standing.decode_core(undo.core_before)
    if was.bound is None or was.bound == standing.bound:
        return  # of the battery that replaced another, or told late: it left nothing
    hands = told_of(was) | {INSTALLED_BY + was.bound.by}
    if context.records.asset(was.bound.asset).said_since(undo.leaf_index, hands):
        raise Refusal("depends", "a record about the vehicle rests on it")


def _restored(standing: Standing, undo: Undo) -> Standing:
    """The standing before, with what is not the attestation's effect: refusals, contests, a revocation.

    And that an authority contested it, which stands beside the last record (`with_authority`).
    """
    before = undo.core_before
    restored = Standing(standing.subject) if before is None else Standing.decode_core(before)
    restored = replace(
        restored,
        refusals=standing.refusals,
        refusals_count=standing.refusals_count,
        parent=standing.parent,
        predecessors=standing.predecessors,
        contested=standing.contested,
        taken_back=standing.taken_back,
        past=replace(restored.past, late_leaves=standing.past.late_leaves),
        facts={**restored.facts, **{n: leaf for n, leaf in standing.facts.items() if n == ACTED_ON}},
    )
    passport = standing.passport
    if passport is not None and passport.status == REVOKED:
        restored = replace(
            restored, passport=passport, earlier=standing.earlier, publication=standing.publication
        )
    return restored
