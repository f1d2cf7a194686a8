"""What customs hold of a part that a repair put into a battery: it goes where that goes (I2, I4, I6; D1010).

What customs here refused, what they suspended, and what left a country or was declared and was released
nowhere since, is about in no country inside of another battery either. It counts where that was so when the
repair put it in: what goes to customs by itself later has left the battery by then. Where a part is counts by
the word of whoever made or has the battery; that customs refused or suspended it, whoever's it is (I5).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from credentials.documents.canonical import b64u
from credentials.ledger.standing import PARTY, REFUSED, WASTE, Standing
from credentials.verdicts.cell import Declared, about_in_no_country, facts_of
from credentials.verdicts.contents import left_inside, parts_beside, parts_named
from credentials.verdicts.hands import own_parties
from credentials.verdicts.record import Inquiry, Recorded
from credentials.verdicts.repaired import had_it
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Findings, Outcome


def tell_stopped_parts(
    found: Findings, name: str, inquiry: Inquiry, declared: Declared, condition: str, **told: Any
) -> bool:
    """Say under this check which of its parts customs hold; True if they hold any."""
    view = inquiry.evidence.ledger
    if inquiry.events.get("partsOut") is None or view is None:  # rules from before do not ask
        return False
    own = own_parties(view.standing, view.relatives)
    said = False
    for part, why, unread in _stopped(parts_named(inquiry), inquiry, declared, condition, own):
        about = {"about": b64u(part.key), "held": [why], **told}
        found.add(name, Outcome.INDETERMINATE, unread or "part_stopped", word=UNDECIDED, **about)
        said = True
    return said


def stopped_inside(other: Standing, inquiry: Inquiry, declared: Declared, condition: str) -> Iterator[str]:
    """Why customs hold what repairs put into another battery, and with it the vehicle that both are in."""
    if inquiry.events.get("partsOut") is not None:
        parts, own = parts_beside(other, inquiry)
        yield from (why for _, why, _ in _stopped(parts, inquiry, declared, condition, own))


def _stopped(
    parts: Iterable[tuple[Standing, Recorded]],
    inquiry: Inquiry,
    declared: Declared,
    condition: str,
    own: Collection[str],
) -> Iterator[tuple[Standing, str, str]]:
    """(a part that customs hold, why; why it is not known whether it is in there, empty: it is)."""
    for part, repair in parts:
        why = _held_by_customs(part, repair, inquiry, declared, condition, own)
        inside, unread = left_inside(part, repair, inquiry) if why is not None else (False, "")
        if why is not None and inside is not False:
            yield part, why, "" if inside else unread


def _held_by_customs(  # noqa: PLR0917  (a part, its repair, and what the line says)
    part: Standing,
    repair: Recorded,
    inquiry: Inquiry,
    declared: Declared,
    condition: str,
    own: Collection[str],
) -> str | None:
    """Why a part was where it could not be built in, and still is; None: nothing says so."""
    at_border = (*facts_of(inquiry, "border"), *facts_of(inquiry, "presentation"))
    if max((part.facts.get(fact, -1) for fact in at_border), default=-1) > repair.leaf_index:
        return None
    refused = (s for at, s in part.settings(REFUSED).items() if at in (inquiry.policy.jurisdiction, PARTY))
    sent_back = declared.direction == "export" or condition == WASTE  # what was refused may be that
    if not sent_back and any(setting.leaf_index < repair.leaf_index for setting in refused):
        return "release_refused"
    if part.item_state == "suspended":
        return "release_suspended"
    if not had_it(part, repair, own):
        return None
    if part.presentation is not None:
        return "second_presentation"
    nowhere = declared.direction == "inland" and about_in_no_country(part, inquiry)
    return "not_released" if nowhere else None
