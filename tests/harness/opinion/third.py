"""A third country: what is drawn for the parties of two sides happens there, in part or whole."""

from __future__ import annotations

import random
from dataclasses import replace

from .acts import Act
from .law import Archive
from .parties import (
    CN_AUTHORITY,
    CN_CUSTOMS,
    EU_AUTHORITY,
    EU_CUSTOMS,
    HOLDER,
    IN_AUTHORITY,
    IN_CUSTOMS,
    IN_HOLDER,
    IN_STRANGER,
    STRANGER,
    THIRD,
    side,
)

TRADERS = {HOLDER: IN_HOLDER, STRANGER: IN_STRANGER}
IN_PLACE_OF = (
    TRADERS | {EU_AUTHORITY: IN_AUTHORITY, EU_CUSTOMS: IN_CUSTOMS},
    TRADERS | {CN_AUTHORITY: IN_AUTHORITY, CN_CUSTOMS: IN_CUSTOMS},
)
GOES, STAYS = 0.2, 0.8  # of the acts: there, about a battery that is not there, or that is
THERE = side(IN_AUTHORITY)
WHO = ("author", "others", "both")  # of them moves there


def in_third(rng: random.Random, archive: Archive, act: Act) -> Act:
    """The act, or the same by, or for, who is there; authorities void together, of every side."""
    if act.event == "attestation.voided":
        return replace(act, countersigned=(*act.countersigned, IN_AUTHORITY))
    file = archive.of(act.battery)
    there = file.place == THERE or not THIRD.keys().isdisjoint({file.holder, *file.named})
    moves, place, who = rng.random() < (STAYS if there else GOES), rng.choice(IN_PLACE_OF), rng.choice(WHO)
    if act.undoes is not None or not moves:
        return act
    by = act.by if who == "others" else place.get(act.by, act.by)
    if who == "author":
        return replace(act, by=by)
    parties = tuple(place.get(did, did) for did in act.parties)
    agreed = tuple(place.get(did, did) for did in act.countersigned)
    return replace(act, by=by, parties=parties, countersigned=agreed)
