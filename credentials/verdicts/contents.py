"""What repairs left in a battery: each part with the repair by which it is in there, and what is in that.

Whether a part was put in or taken out stands in the document of the repair; of all records the last repair
that names it counts, by the hour in which it was made, and the last but for those that their authors took
back: a correction takes nothing out (D973). Where that is not in hand nothing is decided.

What is in a part is told by repairs of that from before it was put in, and since by who made or has the
battery (D992), or had it then (D993): whoever has the part says nothing of what is in the battery (D1016).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.governance import Governance
from credentials.ledger.standing import Standing
from credentials.verdicts.event_documents import event_document
from credentials.verdicts.evidence import LedgerView
from credentials.verdicts.hands import ALWAYS, made_from, own_parties, past_hands
from credentials.verdicts.record import Inquiry, Record, Recorded, admitted_at
from credentials.verdicts.stolen import is_stolen

# The key of a battery, its record, which of its repairs count, and which say more than what is in that.
Told = tuple[bytes, Record, Callable[[Recorded], bool], Callable[[Recorded], bool]]


def parts_named(inquiry: Inquiry) -> Iterator[tuple[Standing, Recorded]]:
    """What its repairs name, each with the last that does; what authorities took back names nothing.

    With the parts of what is inside, and of what it was made from.
    """
    view = inquiry.evidence.ledger
    if view is None or view.standing is None:
        return
    own, old = own_parties(view.standing, view.relatives), made_from(view.standing, view.relatives)
    yield from parts_in(inquiry, old, own, {view.standing.key: inquiry.record})


def parts_beside(
    other: Standing, inquiry: Inquiry
) -> tuple[Iterator[tuple[Standing, Recorded]], frozenset[str]]:
    """(what repairs of another battery in its vehicle name, and of what that was made from; its parties)."""
    view = inquiry.evidence.ledger
    kin = view.kin_beside(other) if view is not None else {}
    own = own_parties(other, kin)
    return parts_in(inquiry, (other.key, *made_from(other, kin)), own), own


def parts_in(
    inquiry: Inquiry,
    batteries: Collection[bytes],
    own: Collection[str],
    whole: Mapping[bytes, Record] | None = None,
) -> Iterator[tuple[Standing, Recorded]]:
    """What the repairs on these records, and of these batteries, name, with the parts of what is inside.

    `own`: who made or has what they are in.
    """
    view, governance = inquiry.evidence.ledger, inquiry.evidence.network.governance
    if view is None or governance is None:
        return
    every = {**view.parts, **view.relatives, **view.beside}
    for other in view.beside.values():
        every |= view.kin_beside(other)
    records = {
        key: Record.read(LedgerView(every.get(key), said), governance) for key, said in view.repairs.items()
    }
    whole = {**(whole or {}), **{key: records[key] for key in batteries if key in records}}
    heard = past_hands(inquiry.record.admitted, governance) | dict.fromkeys(own, ALWAYS)
    inside, known = dict[bytes, int](), dict[bytes, bool]()
    for _ in range(1 + len(records)):  # once more for each part of a part, until nothing is new
        always, own_word = partial(_counts, ALWAYS, heard), partial(_counts, 0, heard)
        told = [(key, one, always, always) for key, one in whole.items()]
        told += [(key, records[key], partial(_counts, leaf, heard), own_word) for key, leaf in inside.items()]
        last, now = _last_of(told, governance), dict[bytes, int]()
        for key, repairs in last.items():
            left_in = (one for one in repairs if _may_be_inside(key, one, view, inquiry, known))
            if key in records and (by := next(left_in, None)) is not None:
                now[key] = by.leaf_index
        if now == inside:
            break
        inside = now
    for key, repairs in last.items():
        if key in view.parts:
            yield from ((view.parts[key], repair) for repair in repairs)


def _counts(put_in: int, heard: Mapping[str, int], repair: Recorded) -> bool:
    """Whether a repair of a part counts, put in by the one at this leaf; `heard`: whose does, until when."""
    return repair.leaf_index < max(put_in, heard.get(repair.attestation.issuer, 0))


def _may_be_inside(
    key: bytes, repair: Recorded, view: LedgerView, inquiry: Inquiry, known: dict[bytes, bool]
) -> bool:
    """Whether this repair left the part in, or that is not known; `known`: of repairs asked before."""
    part, asked = view.parts.get(key), key + repair.attestation.digest
    if asked not in known:
        known[asked] = part is not None and left_inside(part, repair, inquiry)[0] is not False
    return known[asked]


def _last_of(told: Iterable[Told], governance: Governance) -> dict[bytes, list[Recorded]]:
    """Of each battery that repairs on these records name, the last that does, by its hour; and the last that
    its author did not take back, where that is another. No thief's: it takes nothing out (D999).

    And what another record said before, where the last is the word of others on a part: it takes nothing out
    of what else there is (D1021). Nor does a record take out what it is about, under a further code (D1024).
    """
    repairs = [
        (about, said, said.attestation.digest not in record.taken_back, frees(said))
        for about, record, counts, frees in told
        for said in record.shown()
        if said.attestation.kind in governance.lifecycle.naming_parts
        and said.attestation.digest not in record.withdrawn
        and not is_stolen(said, governance)
        and counts(said)
    ]
    repairs.sort(key=lambda one: (one[1].attestation.event_time, one[1].leaf_index))
    last, standing, elsewhere = (dict[bytes, Recorded]() for _ in range(3))
    for about, said, stands, frees in repairs:
        for key in (key for key in keys_of(said.attestation) if key != about):
            before = last.get(key)
            if frees:
                elsewhere.pop(key, None)
            elif before is not None and before.attestation.subject != said.attestation.subject:
                elsewhere.setdefault(key, before)
            last[key] = said
            standing |= {key: said} if stands else {}
    every = {key: (one, standing.get(key, one), elsewhere.get(key, one)) for key, one in last.items()}
    return {key: list({one.leaf_index: one for one in of}.values()) for key, of in every.items()}


def left_inside(part: Standing, repair: Recorded, inquiry: Inquiry) -> tuple[bool | None, str]:
    """(whether this repair put the part in; None: not known; why)."""
    document, governance = event_document(inquiry, repair), inquiry.evidence.network.governance
    event = governance.lifecycle.event(repair.attestation.kind) if governance is not None else None
    out: Mapping[str, str] = inquiry.events["partsOut"]
    if document.members is None or event is None:
        return None, document.reason
    stated = [member.name for member in event.ledger_members if document.members.get(member.name) is not None]
    keys = keys_of(repair.attestation)
    if len(stated) != len(keys):
        return None, "not_held"  # a code that nobody recorded is text: which of them that was it does not say
    texts = {name: str(document.members[name]) for name in stated}
    known = {name: inquiry.evidence.subjects.get(text) for name, text in texts.items()}
    if any(
        about is not None and standing_key(about) != key
        for about, key in zip((known[name] for name in stated), keys, strict=True)
    ):
        return None, "not_held"  # its references are in another order than its document
    named = {name for name, key in zip(stated, keys, strict=True) if key == part.key}
    return named != {out.get(repair.attestation.kind)}, "ok"


def keys_of(repair: Attestation) -> list[bytes]:
    return [standing_key(subject) for subject in repair.referenced_subjects]


def with_repairs(view: LedgerView, key: bytes, code: LedgerView, governance: Governance | None) -> LedgerView:
    """The view with what was repaired under a further code of what has this key, and what is behind that.

    A cell that was put into a module under one of its codes is in that under all of them (D1019).
    """
    lifecycle = governance.lifecycle if governance is not None else None
    said = ((leaf, admitted_at(leaf)) for leaf in code.entries)
    told = [
        leaf
        for leaf, one in said
        if lifecycle is not None
        and one is not None
        and (event := lifecycle.event(one.attestation.kind)) is not None
        and (event.effects.names_parts or event.effects.undo is not None)
    ]
    if not told:
        return view
    mine = {leaf.leaf_index: leaf for leaf in (*view.repairs.get(key, ()), *told)}
    return replace(
        view,
        repairs={**code.repairs, **view.repairs, key: tuple(mine.values())},
        parts={**code.parts, **view.parts},
        tests={**code.tests, **view.tests},
        part_recalls={**code.part_recalls, **view.part_recalls},
        repairs_unread=view.repairs_unread or code.repairs_unread,
    )
