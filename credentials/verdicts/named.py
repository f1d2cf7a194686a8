"""What names a battery without being state of it: an act that did not count made it of another, or a repair
names it as a part (I1, I6). Whoever said so could know (`ledger/namings.py`); nobody verified it: undecided.

What authorities took back says nothing. A second life or a dismantling that counts since is state, and judged
as that. A part is not as new where the other battery is, or was, in use; as what was used it is judged, and
repairs that are not kept any more are no question to it: nobody fills the places of an honest battery (0927).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from credentials.documents.canonical import b64u
from credentials.ledger.namings import Naming, Namings
from credentials.ledger.standing import WASTE, Standing
from credentials.verdicts.evidence import LedgerView, kin_of
from credentials.verdicts.record import Inquiry, Record, Recorded, admitted_at
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.tests_read import reads_as_used, says_use
from credentials.verdicts.verdict import Findings, Outcome

AS_NEW = ("new", "return")  # conditions in which nothing was used


def taken_back_by_authorities(record: Record) -> frozenset[bytes]:
    """The statements that authorities voided or withdrew: by its author alone what was said is not unsaid."""
    return record.voided | record.withdrawn


def naming_parties(namings: Namings, about: bytes) -> list[str]:
    """Who named it in statements about this battery."""
    return sorted({n.issuer for n in namings.first if n.about == about})


def tell_namings(found: Findings, name: str, inquiry: Inquiry, condition: str, **told: Any) -> bool:
    """Say under this check what names it; True if that says anything against it."""
    view, governance, said = inquiry.evidence.ledger, inquiry.evidence.network.governance, False
    if view is None or view.namings is None or governance is None:
        return False
    namings, kin = view.namings, kin_of(view.standing) if view.standing is not None else ()
    for naming in _standing_still(namings, view):
        about = {"by": naming.issuer, "leaf_index": naming.leaf_index, "about": b64u(naming.about), **told}
        event = governance.lifecycle.event(naming.kind)
        if event is not None and event.effects.names_parts:
            used = was_used(view.named_in.get(naming.about), inquiry)
            if used and condition in AS_NEW:
                found.add(name, Outcome.INDETERMINATE, "part_of_used", rule="X7", word=UNDECIDED, **about)
                said = True
            else:
                found.warned(name, "part_named", rule="X7", **about)
        elif naming.about not in kin and condition != WASTE:
            found.add(name, Outcome.INDETERMINATE, "origin_told", rule="X8", word=UNDECIDED, **about)
            said = True
    unread = namings.origin_unread(governance.lifecycle.naming_parts) or condition in AS_NEW
    if not said and unread and namings.count > len(namings.first) and condition != WASTE:
        found.add(name, Outcome.INDETERMINATE, "relatives_unread", rule="X8", word=UNDECIDED, **told)
        said = True
    return said


def built_in(inquiry: Inquiry) -> Iterator[Recorded]:
    """The repairs that name it as a part of what was, or is, in use: in there it was in use as well."""
    view = inquiry.evidence.ledger
    leaves = {leaf.leaf_index: leaf for leaf in view.named_by} if view is not None else {}
    for pack, naming in _packs(inquiry):
        if was_used(pack, inquiry):
            said = admitted_at(leaves.get(naming.leaf_index))
            if said is not None:  # else it is not in hand, which `Inquiry.kin_missing` tells
                yield said


def _standing_still(namings: Namings, view: LedgerView) -> Iterator[Naming]:
    return (naming for naming in namings.first if naming.attestation not in view.unnamed)


def part_of_used(inquiry: Inquiry) -> bool:
    """True if a repair names it as a part of what is, or was, in use: in there it was in use as well."""
    return any(was_used(pack, inquiry) for pack, _ in _packs(inquiry))


def parts_of(inquiry: Inquiry) -> Iterator[tuple[Standing, Naming]]:
    """The batteries that repairs name it as a part of, as far as they are in hand, with what says so."""
    return ((pack, naming) for pack, naming in _packs(inquiry) if pack is not None)


def parts_unread(inquiry: Inquiry, parties: Collection[str]) -> bool:
    """True if a repair that is not kept may name it as a part, and these filled the places of those that are.

    By what others name nobody's places count: a workshop would make an honest battery one that is not known.
    """
    view, governance = inquiry.evidence.ledger, inquiry.evidence.network.governance
    if view is None or view.namings is None or governance is None:
        return False
    kinds = governance.lifecycle.naming_parts
    theirs = any(naming.kind in kinds and naming.issuer in parties for naming in view.namings.first)
    return theirs and view.namings.part_unread(kinds)


def _packs(inquiry: Inquiry) -> Iterator[tuple[Standing | None, Naming]]:
    view, governance = inquiry.evidence.ledger, inquiry.evidence.network.governance
    if view is None or view.namings is None or governance is None:
        return
    for naming in _standing_still(view.namings, view):
        if naming.kind in governance.lifecycle.naming_parts:
            yield view.named_in.get(naming.about), naming


def was_used(pack: Standing | None, inquiry: Inquiry) -> bool:
    """True if it was in use, or where it came from is not on record; what is not in hand may have been.

    By its marks, what was read of it that no new battery has, or a statement that shows it by being there.
    """
    table, governance = inquiry.evidence.network.tables.shown_as, inquiry.evidence.network.governance
    if pack is None or pack.marks or table is None or governance is None:
        return pack is None or bool(pack.marks)
    events = governance.lifecycle.events.values()
    facts = [event.effects.fact for event in events if event.effects.fact is not None]
    showing = {event.effects.fact for event in events if event.type in table.shown_by}
    # What others leave as well says nothing of itself: whatever shows use so leaves a mark.
    shown = {fact for fact in showing if facts.count(fact or "") == 1}
    readings = {name.partition("/")[0]: read for name, read in pack.readings.items()}
    told = not shown.isdisjoint(pack.facts) or table.beyond_new(readings)
    return told or reads_as_used(pack, inquiry) or says_use(pack, inquiry)


def was_used_before(part: Standing, leaf_index: int, inquiry: Inquiry) -> bool:
    """True if a test, or a statement that shows use by being there, told so before this leaf."""
    table, governance = inquiry.evidence.network.tables.shown_as, inquiry.evidence.network.governance
    if table is None or governance is None:
        return False
    events = (event for event in governance.lifecycle.events.values() if event.type in table.shown_by)
    facts = (part.facts.get(event.effects.fact or "", leaf_index) for event in events)
    told = any(leaf < leaf_index for leaf in facts) or says_use(part, inquiry, leaf_index)
    return told or reads_as_used(part, inquiry, before=leaf_index)
