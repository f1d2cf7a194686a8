"""What moved nothing is taken back wherever it stands: what was read, or went wrong (I3, decision 0975).

Whoever said it alone, or authorities together. The record is then one in which it was taken back at once:
what it shows of use stays, and of what authorities took back no more is asked than what else showed it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from .acts import NOTHING, Act, File
from .kinds import MEASURES
from .parties import CN_AUTHORITY, EU_AUTHORITY, PARTIES, is_authority

if TYPE_CHECKING:
    from .law import Archive

MOVES_NOTHING = (*MEASURES, "negative_event")
SHOWN = frozenset({"worn", "damaged"})  # what is read off the statement itself; other marks are kept
LATEST = 8  # as many of them are remembered
BACK, BY_AUTHOR = 0.15, 0.7  # each step of a seed that reaches back; of these: by its author or authorities


def reported(record: tuple[Act, ...]) -> tuple[Act, ...]:
    """The acts of a record that are taken back though others follow them."""
    return tuple(act for act in record if act.event in MOVES_NOTHING)[-LATEST:]


def without_report(archive: Archive, act: Act, undone: Act) -> Archive:
    """The archive in which one of them is taken back from under what followed."""
    battery, record, before = act.battery, archive.record(act.battery), archive.before[act.battery]
    at = max(n for n, said in enumerate(record) if said == undone)
    was, gone = before[at].get(battery, NOTHING), frozenset[str]()
    if act.event == "attestation.voided":
        others = (said for n, said in enumerate(record) if n != at)
        also = {"worn" if said.event in MEASURES else "damaged" for said in reported(tuple(others))}
        gone = SHOWN - was.used - also

    def cleared(files: Mapping[str, File]) -> Mapping[str, File]:
        file = files.get(battery, NOTHING)
        return {**files, battery: replace(file, used=file.used - gone)}

    files, now = cleared(archive.files), archive.of(battery)
    official = now.official or is_authority(act.by)
    left = record[:at] + record[at + 1 :]
    taken = archive.taken.get(battery)
    if taken is not None and taken[2] == record:
        archive = replace(archive, taken={**archive.taken, battery: (taken[0], taken[1], left)})
    return replace(
        archive,
        files={**files, battery: replace(files[battery], official=official)},
        acts={**archive.acts, battery: left},
        before={**archive.before, battery: (*before[:at], *map(cleared, before[at + 1 :]))},
    )


def reaching_back(rng: random.Random, archive: Archive, batteries: tuple[str, ...]) -> Act | None:
    """One of them is taken back from under another's record, mostly by who may."""
    found = [(b, act) for b in batteries for act in reported(archive.record(b)[:-1])]
    # Said the same again since: the ledger's act names one of the two, by its bytes.
    found = [(b, a) for b, a in found if [s.as_said for s in archive.record(b)].count(a.as_said) == 1]
    if not found or rng.random() >= BACK:
        return None
    battery, undone = rng.choice(found)
    if rng.random() < BY_AUTHOR:
        return Act(undone.by, "attestation.corrected", battery, undoes=undone)
    if rng.random() < BY_AUTHOR:
        agreed = (EU_AUTHORITY,)
        return Act(CN_AUTHORITY, "attestation.voided", battery, undoes=undone, countersigned=agreed)
    return Act(rng.choice(sorted(PARTIES)), "attestation.corrected", battery, undoes=undone)
