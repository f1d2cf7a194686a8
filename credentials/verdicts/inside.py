"""What by repairs is one thing with a battery: parts left in it, batteries that it was left in (D1014)."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from typing import Any

from credentials.ledger.attestation import standing_key
from credentials.ledger.standing import Standing
from credentials.verdicts.contents import left_inside, parts_named
from credentials.verdicts.hands import own_parties
from credentials.verdicts.named import parts_of
from credentials.verdicts.record import Inquiry
from credentials.verdicts.repaired import HOLDING, last_of_all, named_by, packs_against, tell_packs
from credentials.verdicts.verdict import Findings


def inside_of(inquiry: Inquiry, among: Container[bytes]) -> Iterator[bytes]:
    """The keys `among` these of what is known to be in it, or it in that; what is kept back says nothing."""
    view = inquiry.evidence.ledger
    if inquiry.events.get("partsOut") is None or view is None or view.standing is None:
        return
    for part, repair in parts_named(inquiry):
        if part.key in among and left_inside(part, repair, inquiry)[0]:
            yield part.key
    repairs = named_by(inquiry).values()
    for pack in dict.fromkeys(pack.key for pack, _ in parts_of(inquiry) if pack.key in among):
        last = last_of_all(said for said in repairs if standing_key(said.attestation.subject) == pack)
        if last is not None and left_inside(view.standing, last, inquiry)[0]:
            yield pack


def held_around(other: Standing, inquiry: Inquiry, condition: str) -> Iterator[str]:
    """Why what repairs took another battery out of, or put it into, holds that, and with it the vehicle.

    Or what they took that out of, of which it was made (D1018).
    """
    view = inquiry.evidence.ledger
    if inquiry.events.get("partsOut") is None or view is None:
        return
    kin = view.kin_beside(other)
    for named in view.beside_named.get(other.key, ()):
        itself = named.standing is not None and named.standing.key == other.key
        about = replace(named, standing=other, relatives=kin) if itself else named
        asked = replace(inquiry, evidence=replace(inquiry.evidence, ledger=about))
        own = own_parties(other, kin) | own_parties(named.standing, {})
        for _, _, reason in packs_against(asked, condition, own, still=itself):
            if reason in (*HOLDING, "part_ended"):
                yield reason


def tell_first_lives(found: Findings, name: str, inquiry: Inquiry, condition: str, **told: Any) -> bool:
    """Say under this check what holds what it came of, by repairs that name that; True if any does.

    A module that came out of a recalled or stolen battery is a part of that in its second life too, and so is
    what comes out of it (D1015).
    """
    view, said = inquiry.evidence.ledger, False
    if inquiry.events.get("partsOut") is None or view is None:
        return False
    for old in view.kin_named.values():
        own = own_parties(view.standing, view.relatives) | own_parties(old.standing, {})
        about = replace(inquiry, evidence=replace(inquiry.evidence, ledger=old))
        said = tell_packs(found, name, about, condition, own, still=False, **told) or said
    return said
