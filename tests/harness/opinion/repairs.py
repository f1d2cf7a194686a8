"""What repairs tie to a battery: parts that are in it, and batteries that it came out of (I2, I6).

A repair says of a part that it was put in, or taken out. What is in a battery is recalled, stolen or used as
what it is, and so is it; what came out of one that is recalled or stolen is a part of that. It is held by the
word of whoever made or has it; by anybody else's nobody can say (I5, I8). The last repair that names a part
counts, by its hour. A correction sheds nothing: what it takes back of a part that was put in is asked all the
same; what a removal said that was taken back is not so. What authorities took back was never said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from .acts import PRIVATE, SECOND_LIVES, Act, File
from .heard import REPAIR, WITHDRAWING, is_burnt
from .kinds import EXPORTS
from .parties import is_authority, side

if TYPE_CHECKING:
    from .law import Archive


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair that names parts, or (`anew`) that the code began anew by this act."""

    battery: str
    act: Act
    hour: int
    taken_back: bool = False  # by its author
    anew: bool = False
    lost: frozenset[tuple[str, str]] = frozenset()  # what was reported lost by then, and by whom
    at_border: frozenset[str] = frozenset()  # what had been refused, or was under customs, and still is

    @property
    def puts_in(self) -> str | None:
        return self.act.put_in


@dataclass(frozen=True, slots=True, order=True)
class Tied:
    """What binds a battery by a repair: recalled in a place or everywhere (""), lost, ended, used, held by
    customs; by whose word."""

    what: str
    where: str
    own: bool


def noted(archive: Archive, now: Archive, act: Act) -> tuple[Repair, ...]:
    """The repairs after an act that is state."""
    if act.undoes is not None:
        return _without(archive.repairs, act, act.undoes)
    began = [
        battery
        for battery, file in now.files.items()
        if (was := archive.files.get(battery)) is not None and _gave_way(was, file)
    ]
    anew = tuple(Repair(battery, act, 0, anew=True) for battery in began)
    if act.event != REPAIR or not act.others:
        return (*_on_its_way(archive.repairs, act), *anew)
    lost = frozenset(
        (battery, s.by)
        for battery in (act.battery, *act.others)
        for s in archive.of(battery).settings
        if s.what == "lost"
    )
    held = frozenset(other for other in act.others if _before_customs(archive.of(other)))
    return (
        *archive.repairs,
        Repair(act.battery, act, len(archive.hours) - act.ago, lost=lost, at_border=held),
    )


def _before_customs(file: File) -> bool:
    return file.supervised or file.is_set("refused")


def _on_its_way(repairs: tuple[Repair, ...], act: Act) -> tuple[Repair, ...]:
    """What leaves, or is declared, by itself is in nothing else any more."""
    if act.late or act.event not in (*EXPORTS, "battery.presented"):
        return repairs
    return tuple(replace(one, at_border=one.at_border - {act.battery}) for one in repairs)


def _gave_way(was: File, file: File) -> bool:
    return was.enrolled and not file.enrolled and not file.disputed


def _without(repairs: tuple[Repair, ...], act: Act, undone: Act) -> tuple[Repair, ...]:
    alike = [at for at, one in enumerate(repairs) if one.act == undone and one.battery == act.battery]
    for at in alike[-1:]:
        gone = repairs[at].anew or (act.event in WITHDRAWING and is_authority(act.by))
        kept = () if gone else (replace(repairs[at], taken_back=True),)
        return (*repairs[:at], *kept, *repairs[at + 1 :])
    return repairs


def found_again(archive: Archive, act: Act, now: Archive) -> tuple[Repair, ...]:
    """The repairs once a report of loss is over: another of the same party is a later one."""
    left = {(act.battery, s.by) for s in now.of(act.battery).settings if s.what == "lost"}
    before = {(act.battery, s.by) for s in archive.of(act.battery).settings if s.what == "lost"}
    over = before - left
    if not over:
        return now.repairs
    return tuple(replace(one, lost=one.lost - over) for one in now.repairs)


# -- what is asked of them ----------------------------------------------------------------------------


def made_from(archive: Archive, battery: str) -> list[str]:
    """What a battery was made from by second lives, and that in turn."""
    found = [battery]
    for made in found:
        for origin, acts in archive.acts.items():
            made_it = any(a.event in SECOND_LIVES and not a.late and made in a.others for a in acts)
            if made_it and origin not in found:
                found.append(origin)
    return found[1:]


def own_parties(archive: Archive, battery: str) -> frozenset[str]:
    """Who made or has it, or made or had what it was made from."""
    files = [archive.of(one) for one in (battery, *made_from(archive, battery))]
    return frozenset(did for file in files for did in (file.maker, file.holder) if did not in (None, PRIVATE))


def repairs_of(archive: Archive, battery: str) -> list[tuple[int, Repair]]:
    """Its repairs with their place in the record, since its code began anew."""
    about = [(place, one) for place, one in enumerate(archive.repairs) if one.battery == battery]
    begun = max((place for place, one in about if one.anew), default=-1)
    return [(place, one) for place, one in about if place > begun and not one.anew]


def _last_in(
    repairs: Iterable[tuple[int, Repair]], part: str, whole: Collection[str], own: Collection[str]
) -> Repair | None:
    """The repair by which a part is in there, if it is: with or without what was taken back.

    And with or without what others said of a part, where that came last: it takes out what is in that, and
    nothing of what else there is (1021). `whole`: of these batteries all is said that is in there.
    """
    naming = sorted(
        ((one.hour, place, one) for place, one in repairs if part in one.act.others),
        key=lambda found: found[:2],
    )
    told = [one for *_, one in naming]
    for last in (told[-1:], [one for one in told if not one.taken_back][-1:], _elsewhere(told, whole, own)):
        for one in last:
            if one.puts_in == part:
                return one
    return None


def _elsewhere(told: list[Repair], whole: Collection[str], own: Collection[str]) -> list[Repair]:
    """What was said last before the word of others on a part, and of another battery than that."""
    heard = [n for n, one in enumerate(told) if one.battery in whole or one.act.by in own]
    others = told[max(heard, default=0) :]
    return [one for one, after in pairwise(others) if one.battery != after.battery][:1]


def inside(archive: Archive, battery: str) -> dict[str, Repair]:
    """What is in a battery by repairs of it, of what it was made from, and of what is in there in turn."""
    own = own_parties(archive, battery)
    batteries = (battery, *made_from(archive, battery))
    whole = [found for one in batteries for found in repairs_of(archive, one)]
    known, seen = dict[str, Repair](), list[frozenset[str]]()
    while True:
        told = list(whole)
        for part, by in known.items():
            put_in = next(place for place, one in enumerate(archive.repairs) if one is by)
            told += [
                (place, one)
                for place, one in repairs_of(archive, part)
                if place < put_in or one.act.by in own
            ]
        named = {part for _, one in told for part in one.act.others} - {battery}
        asked = ((part, _last_in(told, part, batteries, own)) for part in sorted(named))
        now = {part: one for part, one in asked if one is not None}
        if now.keys() == known.keys():
            return now
        if now.keys() in seen:  # each takes the other out: what comes and goes is not decided here
            always = frozenset.intersection(*seen[seen.index(frozenset(now)) :])
            return {part: one for part, one in now.items() if part in always}
        seen.append(frozenset(now))
        known = now


def part_of(archive: Archive, battery: str) -> Iterator[tuple[str, Repair]]:
    """The batteries whose repairs name it last, where they are heard of it: else it is a claim (I5)."""
    heard = [one.act for one in archive.heard if one.named == battery]
    for pack in archive.files:
        naming = [
            (one.hour, place, one) for place, one in repairs_of(archive, pack) if battery in one.act.others
        ]
        last = max(naming, key=lambda found: found[:2], default=None)
        if last is not None and not last[2].taken_back and last[2].act in heard:
            yield pack, last[2]


def _is_in(archive: Archive, battery: str) -> tuple[str, Repair] | None:
    """What it is in, by the last of all repairs that name it; what it came of is judged as that."""
    naming = [
        (one.hour, place, one)
        for place, one in enumerate(archive.repairs)
        if battery in one.act.others and not one.anew
    ]
    last = max(naming, key=lambda found: found[:2], default=None)
    if last is None or last[2].puts_in != battery or last[2].taken_back:
        return None
    pack, came_of = last[2].battery, made_from(archive, battery)
    taken_out = any(battery in a.others for a in archive.record(pack) if a.event == "battery.dismantled")
    told = any((pack, last[2]) == found for found in part_of(archive, battery))
    return (pack, last[2]) if told and pack not in came_of and not taken_out else None


def _ended(file: File) -> bool:
    """Waste, another battery by now, recycled, or certified to have ended."""
    gone = file.ended in (*SECOND_LIVES, "recycling.completed")
    return gone or ("waste" in file.used and not file.ended) or "end_certified" in file.used


def _holder_then(archive: Archive, repair: Repair, part: str) -> str | None:
    """Who had it in the hour of that repair, as that ended."""
    hours = (*archive.hours, archive)
    return hours[repair.hour].of(part).holder if 0 <= repair.hour < len(hours) else None


def _stopped(archive: Archive, one: str, repair: Repair, *, own: bool) -> Iterator[Tied]:
    """What the repair ties it to is recalled, by its item, model or days, or was lost by then."""
    file = archive.of(one)
    for recall in file.recalls:
        yield Tied("recalled", side(recall.by) if is_authority(recall.by) else "", own)
    for s in file.settings:
        if s.what == "recalled":
            yield Tied("recalled", "" if s.by == file.maker else s.where, own)
        if s.what == "lost" and (one, s.by) in repair.lost:
            yield Tied("lost", "", own)


def _held_by_customs(file: File, *, own: bool, theirs: bool) -> Iterator[Tied]:
    """Refused somewhere, or suspended, whoever's it is; where it is of those who have it or made it."""
    for s in file.settings:
        if s.what == "refused":
            yield Tied("refused", s.where, own)
        if s.what == "suspended" and file.declaration is not None:
            yield Tied("suspended", "", own)
    if theirs and file.declaration is not None:
        yield Tied("declared", "", own)
    if theirs and file.supervised:
        yield Tied("supervised", "", own)


def tied_to(archive: Archive, battery: str, *, around: bool = True) -> frozenset[Tied]:
    """All that repairs bind a battery by; or by what is in it alone."""
    found, own = set[Tied](), own_parties(archive, battery)
    for part, repair in inside(archive, battery).items():
        known, by_own = archive.of(part), repair.act.by in own
        found |= set(_stopped(archive, part, repair, own=by_own))
        # In the hands of these, or when it was put in: whoever has it since has it of them.
        # Of one of which two files lie side by side nobody is known to have it.
        theirs = set() if known.disputed else {known.holder, _holder_then(archive, repair, part)} & own
        if any(s.what == "lost" and (theirs or is_authority(s.by)) for s in known.settings):
            found.add(Tied("lost", "", by_own))
        if part in repair.at_border:
            found |= set(_held_by_customs(known, own=by_own, theirs=bool(theirs)))
        if theirs and _ended(known):
            found.add(Tied("ended", "", by_own))
        if theirs and (known.in_use or "worn" in known.used or is_burnt(archive, part)):
            found.add(Tied("used", "", by_own))
    if not around:
        return frozenset(found)
    for pack, repair in part_of(archive, battery):
        found |= set(_stopped(archive, pack, repair, own=repair.act.by in own))
    inside_of = _is_in(archive, battery)
    if inside_of is not None:
        pack, repair = inside_of
        if archive.of(pack).is_set("lost"):
            found.add(Tied("lost", "", repair.act.by in own))
        if _ended(archive.of(pack)):
            found.add(Tied("ended", "", repair.act.by in own))
    return frozenset(found)
