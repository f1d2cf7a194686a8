"""What the other batteries of a vehicle say of one in it: what they went through, what holds them (I2, I6).

A vehicle goes where all that is in it goes. What one of them read, or burnt in, the vehicle was through; so
it was with what was worn in it and replaced. By those of other hands a vehicle is held by the word of an
authority or a recall alone, where the same party built both in (I5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .acts import PRIVATE, Act, File, holds
from .kinds import MEASURES
from .parties import is_authority, side
from .repairs import made_from, tied_to

if TYPE_CHECKING:
    from .law import Archive

HOLDING = ("recalled", "lost", "ended", "refused", "suspended")
INSTALLED, REPLACED, DAMAGED = "battery.installed", "battery.replaced", "negative_event"


def _others(archive: Archive, battery: str) -> Iterator[tuple[str, File, bool]]:
    """The others in its vehicle, and whether they are in the same hands."""
    file = archive.of(battery)
    for other in archive.files:
        known = archive.of(other)
        if other != battery and file.vehicle is not None and known.vehicle == file.vehicle:
            yield other, known, known.holder == file.holder not in (None, PRIVATE)


def _since_built_in(archive: Archive, battery: str, vehicle: str) -> list[Act]:
    """Its record since it was put in there, as far as that was told in time; none: nobody says so."""
    acts = [act for act in archive.record(battery) if not act.late]
    put = [place for place, act in enumerate(acts) if act.event == INSTALLED]
    return acts[put[-1] :] if put and acts[put[-1]].vehicle == vehicle else []


def read_beside(archive: Archive, battery: str) -> bool:
    """Whether its vehicle was through what is no new one's: a test of another in it, or of what it replaced,
    or a fire."""
    vehicle = archive.of(battery).vehicle
    if vehicle is None:
        return False
    for other, _, same in _others(archive, battery):
        since = _since_built_in(archive, other, vehicle) if same else []
        if any(act.event in (*MEASURES, DAMAGED) for act in since):
            return True
    return _replaced_a_worn(archive, battery, vehicle)


def _replaced_a_worn(archive: Archive, battery: str, vehicle: str) -> bool:
    """Whether it took the place of one that was measured in that vehicle, by whom it is heard of it."""
    said = [
        (old, place, act)
        for old, acts in archive.acts.items()
        for place, act in enumerate(acts)
        if act.event == REPLACED and battery in act.others
    ]
    if len(said) != 1 or said[0][2].late or said[0][2].vehicle != vehicle:
        return False
    old, place, act = said[0]
    before = archive.before[old][place]
    heard = battery in before and holds(before[battery], act) and before[battery].vehicle is None
    put = [at for at, one in enumerate(archive.record(old)) if one.event == INSTALLED]
    if not heard or not put or put[-1] > place or archive.record(old)[put[-1]].late:
        return False
    return any(one.event in MEASURES and not one.late for one in archive.record(old)[put[-1] : place])


def held_beside(archive: Archive, battery: str) -> frozenset[tuple[str, str]]:
    """What holds another battery of its vehicle, and where: everywhere (""), or on one side."""
    found, vehicle = set[tuple[str, str]](), archive.of(battery).vehicle or ""
    for other, known, same in _others(archive, battery):
        builders = [_builder(archive, one, vehicle) for one in (battery, other)]
        if same:
            found |= set(_held_inside(archive, other))
        if same or (builders[0] is not None and builders[0] == builders[1]):
            found |= set(_held(known, same=same))
    return frozenset(found)


def _builder(archive: Archive, battery: str, vehicle: str) -> str | None:
    since = _since_built_in(archive, battery, vehicle)
    return since[0].by if since else None


def _held(file: File, *, same: bool) -> Iterator[tuple[str, str]]:
    for s in file.settings:
        heard = same or is_authority(s.by)
        if s.what == "lost" and heard:
            yield "lost", ""
        if s.what == "recalled":
            yield "recalled", "" if s.by == file.maker else s.where
        if s.what == "refused" and heard:
            yield "refused", s.where
        if s.what == "suspended" and file.declaration is not None:
            yield "stopped", ""
    for recall in file.recalls:
        if recall.scope == "item":  # of a model nobody knows it whose code is in no document (D1002)
            yield "recalled", side(recall.by) if is_authority(recall.by) else ""
    if file.stops or "end_certified" in file.used or (same and file.paused_by_operator):
        yield "stopped", ""


def _held_inside(archive: Archive, battery: str) -> Iterator[tuple[str, str]]:
    """What repairs put into it, or took it out of, is recalled, lost, ended or held by customs; so with what
    it was made from."""
    for one in (battery, *made_from(archive, battery)):
        parts = tied_to(archive, one, around=one == battery)
        yield from ((tied.what, tied.where) for tied in parts if tied.what in HOLDING)
