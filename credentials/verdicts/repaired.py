"""What repairs tie to a battery: parts that they put into it, and batteries that it was a part of (I2, I6).

A dismantling ties a module to its pack on the ledger. A repair writes nothing on its parts, and on the
battery what they carry when it is recorded. So a verdict asks what became of them: a recall of a part is one
of what it is in, and of a battery one of the parts that came out of it. What was reported lost before a
repair names it was lost in it, and what is in a battery goes with it, lost or ended (D999). Use, loss or end
of a part that is told later counts where the part was, at the repair, or is in the hands of whoever made or
has the battery, and a loss that an authority reports: by anybody's word a stranger could make a used one of
what he once supplied (I5).

It is held by the word of who made or has it; by a repair of anybody else nothing is decided (D992). What is
in it by all that, and in its parts, `contents.py` says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from credentials.documents.canonical import b64u
from credentials.ledger.as_it_stood import as_it_stood
from credentials.ledger.entries import AdmittedEntry
from credentials.ledger.governance import Governance
from credentials.ledger.namings import Naming
from credentials.ledger.rules import LOST
from credentials.ledger.standing import PARTY, WASTE, Standing
from credentials.verdicts.cell import ENDED
from credentials.verdicts.contents import keys_of, left_inside, parts_beside, parts_named
from credentials.verdicts.evidence import RELATIVES_MAX, LedgerEntry
from credentials.verdicts.hands import ALWAYS, had_until, own_parties, past_hands
from credentials.verdicts.kin import reaching
from credentials.verdicts.named import AS_NEW, parts_of, parts_unread, was_used, was_used_before
from credentials.verdicts.parts_check import RECALLED
from credentials.verdicts.record import Inquiry, Recorded, admitted_at, ended_as
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.tests_read import reads_as_used, said_at
from credentials.verdicts.verdict import Findings, Outcome

REPAIRS_READ_MAX = 512  # of its parts, of theirs and of what it was made from, for one verdict
UNDOING = ("withdraw", "void", "correct")


@dataclass(frozen=True, slots=True)
class RepairsBehind:
    """What its repairs name, however deep, and the repairs of all that; `cut`: there is more."""

    parts: Sequence[bytes]
    repairs: Mapping[bytes, Sequence[LedgerEntry]]
    cut: bool


HOLDING = ("part_recalled", "part_lost")


def repairs_behind(
    entries: Sequence[LedgerEntry],
    made_from: Iterable[bytes],
    parties: Collection[str],
    governance: Governance,
    said_of: Callable[[Collection[str], bytes, int, int], Sequence[LedgerEntry]],
) -> RepairsBehind:
    """What stands behind the repairs among these entries, of its own `parties`; of who had it, until then.

    `said_of`: by these parties, of a battery, or by anybody before a leaf, what repairs it and what takes
    that back, so many at most, oldest first.
    """
    record = filter(None, map(admitted_at, entries))
    until = {party: leaf for party, leaf in past_hands(record, governance).items() if party not in parties}
    parts = dict(_parts_named(entries, governance))
    asked = {**parts, **dict.fromkeys(made_from, ALWAYS)}
    found, left = dict[bytes, Sequence[LedgerEntry]](), REPAIRS_READ_MAX
    waiting, read = list(asked), dict[bytes, int]()
    for key in waiting:
        found.pop(key, None)
        left += read.pop(key, 0)
        if len(found) >= RELATIVES_MAX or left <= 0:
            return RepairsBehind(list(parts), found, cut=True)
        said = said_of([*parties, *until], key, asked[key], left + 1)
        read[key] = len(said)
        left -= read[key]
        said = [one for one in said if not _told_too_late(one, asked[key], until, governance)]
        if said:
            found[key] = said
        named = _parts_named(said, governance)
        later = {one: leaf for one, leaf in named.items() if leaf > asked.get(one, -1)}
        waiting += later  # once more, where it was put into something after what it was asked for (D1019)
        asked |= later
        parts = named | parts
    return RepairsBehind(list(parts), found, cut=left < 0)


def _told_too_late(leaf: LedgerEntry, before: int, until: Mapping[str, int], governance: Governance) -> bool:
    """True of a repair by who had the battery, recorded once that had left its hands."""
    said = leaf.parsed.attestation if isinstance(leaf.parsed, AdmittedEntry) else None
    if said is None or said.issuer not in until or said.kind not in governance.lifecycle.naming_parts:
        return False
    return leaf.leaf_index >= max(before, until[said.issuer])


def _parts_named(entries: Iterable[LedgerEntry], governance: Governance) -> dict[bytes, int]:
    """The keys of all that the repairs among these entries name, each with the last leaf that does."""
    found = dict[bytes, int]()
    for leaf in entries:
        said = leaf.parsed.attestation if isinstance(leaf.parsed, AdmittedEntry) else None
        if said is not None and said.kind in governance.lifecycle.naming_parts:
            found |= dict.fromkeys(keys_of(said), leaf.leaf_index)
    return found


def tell_repairs(found: Findings, name: str, inquiry: Inquiry, condition: str, **told: Any) -> bool:
    """Say under this check what its parts, or what it was a part of, are; True if that is against it."""
    view = inquiry.evidence.ledger
    if inquiry.events.get("partsOut") is None or view is None:  # rules from before do not ask
        return False
    own = own_parties(view.standing, view.relatives)
    said = _tell_parts(found, name, inquiry, condition, own, **told)
    said = tell_packs(found, name, inquiry, condition, own, **told) or said
    if not said and condition != WASTE and parts_unread(inquiry, own):
        found.add(name, Outcome.INDETERMINATE, "relatives_unread", rule="X8", word=UNDECIDED, **told)
        said = True
    return said


def _tell_parts(
    found: Findings, name: str, inquiry: Inquiry, condition: str, own: Collection[str], **told: Any
) -> bool:
    """What is against its parts; True if anything is."""
    told_of = set[tuple[bytes, str]]()  # what is milder, of an earlier repair, hides nothing
    for part, repair in parts_named(inquiry):
        reason = _of_part(part, repair, inquiry, condition, own)
        inside, why = left_inside(part, repair, inquiry) if reason is not None else (False, "ok")
        if inside is False and _worn_in_there(part, repair, inquiry, condition, own):
            reason, inside = "part_used", True
        if reason is None or inside is False:
            continue
        reason = why if inside is None else reason if repair.attestation.issuer in own else _told(reason)
        if (part.key, reason) not in told_of:
            _tell(found, name, reason, about=b64u(part.key), **repair.place(), **told)
            told_of.add((part.key, reason))
    return bool(told_of)


def tell_packs(
    found: Findings,
    name: str,
    inquiry: Inquiry,
    condition: str,
    own: Collection[str],
    *,
    still: bool = True,
    **told: Any,
) -> bool:
    """What is against what it is or was a part of; True if anything is."""
    said = False
    for pack, naming, reason in packs_against(inquiry, condition, own, still=still):
        by_whom = reason if naming.issuer in own else _told(reason)
        _tell(found, name, by_whom, about=b64u(pack.key), leaf_index=naming.leaf_index, **told)
        said = True
    return said


def packs_against(
    inquiry: Inquiry, condition: str, own: Collection[str], *, still: bool
) -> Iterator[tuple[Standing, Naming, str]]:
    """(what it is or was a part of, what says so, why that binds it). Not `still`: it is in none by now."""
    for pack, naming in parts_of(inquiry):
        reason = _against(pack, naming.leaf_index, inquiry, condition)
        if reason not in HOLDING and still:
            reason = _gone_with(pack, naming.leaf_index, inquiry, condition, own) or reason
        if reason is not None:
            yield pack, naming, reason


def _gone_with(
    pack: Standing, leaf_index: int, inquiry: Inquiry, condition: str, own: Collection[str]
) -> str | None:
    """The reason, where the repair at this leaf ties it to a battery that had been lost, or had ended.

    Or it is the last one before that, and left it in there: a later one, of another battery, takes it out of
    nothing. What is told later of a battery that has ended takes nothing out either.
    """
    view = inquiry.evidence.ledger
    if view is None or view.standing is None or pack.key in view.relatives:
        return None  # what came of that is judged as that
    named = named_by(inquiry)
    for reason, was_before in _met(pack, inquiry, condition, own):
        if leaf_index in named and not was_before(named[leaf_index]):
            return reason
        last = last_of_all(filter(was_before, named.values()))
        if last is not None and last.leaf_index == leaf_index:
            inside, why = left_inside(view.standing, last, inquiry)
            if inside is not False:
                return reason if inside else why
    return None


def _met(
    pack: Standing, inquiry: Inquiry, condition: str, own: Collection[str]
) -> Iterator[tuple[str, Callable[[Recorded], bool]]]:
    """(reason, whether a repair was before that): that it was lost, that it ended.

    When it was lost an authority says, or whoever made or has the part; of others it counts from when it is
    on record (I5).
    """
    view = inquiry.evidence.ledger
    for report in pack.settings(LOST).values():
        heard = view is not None and (report.role or report.by in own)
        hour = view.lost_at.get(report.leaf_index, ALWAYS) if view is not None and heard else ALWAYS
        yield "part_lost", partial(_before, report.leaf_index, hour)
    if condition != WASTE and _has_ended(pack, inquiry):
        yield "part_ended", partial(_before, _ended_at(pack, inquiry), ALWAYS)


def _before(leaf_index: int, hour: int, repair: Recorded) -> bool:
    return repair.leaf_index < leaf_index and repair.attestation.event_time <= hour


def lost_at(packs: Iterable[Standing]) -> list[int]:
    """The leaves at which these were reported lost."""
    return sorted({report.leaf_index for pack in packs for report in pack.settings(LOST).values()})


def _ended_at(pack: Standing, inquiry: Inquiry) -> int:
    """The leaf from which on its record says that it has ended; where none does it is the last of all."""
    governance, tables = inquiry.evidence.network.governance, inquiry.evidence.network.tables
    marks = tables.shown_as.use_of if tables.shown_as is not None else {}
    facts: dict[bool, set[str | None]] = {True: set(), False: set()}
    for event in governance.lifecycle.events.values() if governance is not None else ():
        ends = event.to in inquiry.events["ended"] or event.effects.eu_status == WASTE
        facts[ends or any(marks.get(mark) == ENDED for mark in event.marks)].add(event.effects.fact)
    ending = facts[True] - facts[False]
    kept = [leaf for fact, leaf in pack.facts.items() if fact in ending]
    return min([*kept, *said_at(pack, ending, inquiry)], default=ALWAYS)


def named_by(inquiry: Inquiry) -> dict[int, Recorded]:
    """The repairs that name it as a part, as far as they are in hand, by their leaves."""
    view = inquiry.evidence.ledger
    named_at = {naming.leaf_index for _, naming in parts_of(inquiry)}
    leaves = view.named_by if view is not None else ()
    repairs = (said for leaf in leaves if leaf.leaf_index in named_at and (said := admitted_at(leaf)))
    return {said.leaf_index: said for said in repairs}


def last_of_all(repairs: Iterable[Recorded]) -> Recorded | None:
    """The last repair, by its hour."""
    return max(repairs, key=lambda one: (one.attestation.event_time, one.leaf_index), default=None)


def _told(reason: str) -> str:
    """By whose word it is not held."""
    return "part_stopped_told" if reason in HOLDING else reason


def _tell(found: Findings, name: str, reason: str, **about: Any) -> None:
    if reason in HOLDING:
        found.failed(name, reason, **about)
    elif reason in ("part_used", "part_ended", "part_stopped_told"):
        found.add(name, Outcome.INDETERMINATE, reason, rule="X7", word=UNDECIDED, **about)
    else:
        found.add(name, Outcome.INDETERMINATE, reason, word=UNDECIDED, **about)


def held_inside(other: Standing, inquiry: Inquiry, condition: str) -> Iterator[str]:
    """Why what repairs put into another battery holds that, and with it the vehicle that both are in."""
    if inquiry.events.get("partsOut") is None:
        return
    parts, own = parts_beside(other, inquiry)
    for part, repair in parts:
        reason = _of_part(part, repair, inquiry, condition, own)
        if reason in (*HOLDING, "part_ended") and left_inside(part, repair, inquiry)[0] is not False:
            yield reason


def _against(one: Standing, leaf_index: int, inquiry: Inquiry, condition: str) -> str | None:
    """The reason by which what is set on one binds the other, by the repair at this leaf."""
    recalled, unasked = recalled_here(one, inquiry) if condition != WASTE else (False, False)
    before = any(report.leaf_index < leaf_index for report in one.settings(LOST).values())
    if recalled or before:
        return "part_recalled" if recalled else "part_lost"
    return "recall_of_kin_unread" if unasked else None


def recalled_here(one: Standing, inquiry: Inquiry) -> tuple[bool, bool]:
    """(whether a recall counts here, of it or of its code; whether one may that its code would tell)."""
    set_on, here, view = one.settings(RECALLED), inquiry.policy.jurisdiction, inquiry.evidence.ledger
    of_codes = view.part_recalls.get(one.key) if view is not None else None
    reached, unasked = reaching(of_codes, one, inquiry) if of_codes is not None else ((), False)
    where = {*set_on, *(recall.jurisdiction for recall in reached)}
    return bool(where & {here, PARTY}), unasked


def _of_part(
    part: Standing, repair: Recorded, inquiry: Inquiry, condition: str, own: Collection[str]
) -> str | None:
    """The reason by which a part binds what this repair put it into."""
    reason = _against(part, repair.leaf_index, inquiry, condition)
    if reason in HOLDING:
        return reason
    had = had_it(part, repair, own)
    until = ALWAYS if had else had_until(part, repair, inquiry)
    if any(report.role or report.leaf_index < until for report in part.settings(LOST).values()):
        return "part_lost"
    before = part.last_event_time <= repair.attestation.event_time
    before = before or _ended_at(part, inquiry) < max(repair.leaf_index, until)
    if condition != WASTE and (had or before) and _has_ended(part, inquiry):
        return "part_ended"
    used = was_used(part, inquiry) if had else was_used_before(part, until, inquiry)
    return "part_used" if condition in AS_NEW and used else reason


def _worn_in_there(
    part: Standing, removal: Recorded, inquiry: Inquiry, condition: str, own: Collection[str]
) -> bool:
    """Whether a part was read as used while it was in there: so was the battery that it was taken out of.

    By the word of who made or has both: a workshop says nothing of stock by what it had itself (I5).
    """
    said, governance = removal.attestation, inquiry.evidence.network.governance
    if condition not in AS_NEW or governance is None or not had_it(part, removal, own):
        return False
    naming = [
        one.attestation.event_time
        for one in inquiry.record.shown()
        if one.attestation.kind in governance.lifecycle.naming_parts
        and one.attestation.digest != said.digest
        and part.key in keys_of(one.attestation)
        and one.attestation.event_time <= said.event_time
    ]
    since = max(naming, default=0)
    return said.issuer in own and reads_as_used(part, inquiry, since, said.event_time)


def had_it(part: Standing, repair: Recorded, own: Collection[str]) -> bool:
    """True if the part is in the hands of these, or was when it was put in: whoever got it has it of them."""
    then = as_it_stood(part, repair.attestation.event_time)
    return not {part.holder, *(stood.holder for stood in then)}.isdisjoint(own)


def _has_ended(one: Standing, inquiry: Inquiry) -> bool:
    """True of what is waste, became another, is recycled, or was certified to have ended."""
    tables = inquiry.evidence.network.tables
    marks = tables.shown_as.use_of if tables.shown_as is not None else {}
    return ended_as(one, tables.verdicts) is not None or any(marks.get(mark) == ENDED for mark in one.marks)
