"""What holds another battery in the vehicle that is shown: it is in there, whichever of them is asked about.

A vehicle goes where all that is in it goes. Where another battery of the same holder, or one that the same
party built in, is on record in it as lost, under a recall here, refused here, before customs that suspended
its release, forbidden to have a passport, or certified to have ended, nothing is decided about this one in it
(I2, I6; D1000); nor where that is before customs of another side, or was released nowhere since (I4; D1009),
or where a repair put into one of the same holder what is recalled, lost or ended (D1002), or it came out of
what is; in its first life as well (D1018).
Of a battery of other hands a maker's recall and an authority's word count, where the same party built both
in, and what its holder said before it handed this one on (D993). Nothing else does, and nothing where another
built it in: whoever binds its own battery to the number of another's car would hold that (I5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from credentials.documents.canonical import b64u
from credentials.ledger.rules import LOST
from credentials.ledger.standing import BANNED, PARTY, PASSPORT_SUSPENDED, PRIVATE, REFUSED, WASTE, Standing
from credentials.verdicts.cell import ENDED, Declared
from credentials.verdicts.hands import ALWAYS, held_until
from credentials.verdicts.inside import held_around
from credentials.verdicts.parts_check import RECALLED
from credentials.verdicts.record import Inquiry
from credentials.verdicts.repaired import held_inside, recalled_here
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.stopped_parts import stopped_inside
from credentials.verdicts.verdict import Findings, Outcome

ANYWHERE = (LOST, BANNED, PASSPORT_SUSPENDED)  # settings that bind whichever side set them
HERE = (RECALLED, REFUSED)  # and those of this side, or of a party


def tell_beside(
    found: Findings, name: str, inquiry: Inquiry, declared: Declared, condition: str, **told: Any
) -> bool:
    """Say under this check what holds another battery of its vehicle; True if anything does."""
    view = inquiry.evidence.ledger
    if view is None or view.standing is None or declared.goods != "in_vehicle":
        return False
    said = False
    for other in view.beside.values():
        why = sorted({*_held_by(other, view.standing, inquiry, declared, condition)})
        why = why or [*_not_here(other, view.standing, inquiry, declared)]
        why = [one for one in why if condition != WASTE or one == LOST]
        if why:
            about = {"about": b64u(other.key), "held": why, **told}
            found.add(name, Outcome.INDETERMINATE, "vehicle_held", word=UNDECIDED, **about)
            said = True
    return said


def _not_here(other: Standing, own: Standing, inquiry: Inquiry, declared: Declared) -> Iterator[str]:
    """What says that the vehicle is not where it is shown: not released, or before customs of another side.

    Of what its holder has, or whoever built both in: nobody else says where it is (I5).
    """
    there, installers = other.presentation, {one.bound.by for one in (other, own) if one.bound is not None}
    if other.holder in (None, PRIVATE) or not (other.holder == own.holder or installers == {other.holder}):
        return
    if declared.direction == "inland" and (
        there is not None or other.item_state in inquiry.events.get("underCustoms", ())
    ):
        yield "not_released"
    elif declared.direction == "import" and there and there.jurisdiction != inquiry.policy.jurisdiction:
        yield "second_presentation"


def _held_by(
    other: Standing, own: Standing, inquiry: Inquiry, declared: Declared, condition: str
) -> Iterator[str]:
    """What holds another battery, by whose word it is heard of."""
    same = other.holder == own.holder not in (None, PRIVATE)
    installers = {one.bound.by for one in (other, own) if one.bound is not None}
    if not (same or len(installers) == 1):
        return
    here = inquiry.policy.jurisdiction
    for name in (*ANYWHERE, *HERE):
        if name == REFUSED and declared.direction == "export":
            continue  # what was refused may be sent back
        settings = other.settings(name).items()
        until = ALWAYS if same or name == RECALLED else held_until(other.holder, inquiry)
        binding = (one for at, one in settings if name in ANYWHERE or at in (here, PARTY))
        if any(one.role or one.leaf_index < until for one in binding):
            yield name
    if recalled_here(other, inquiry)[0]:  # also by model or days, where its code is in hand or not needed
        yield RECALLED
    if same:
        yield from held_inside(other, inquiry, condition)
        yield from stopped_inside(other, inquiry, declared, condition)
        yield from held_around(other, inquiry, condition)
    if other.item_state == "suspended":
        yield "release_suspended"
    table = inquiry.evidence.network.tables.shown_as
    if table is not None and any(table.use_of.get(mark) == ENDED for mark in other.marks):
        yield "end_of_life"
