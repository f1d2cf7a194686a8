"""What comes out of a pack: whose it is, in whose hands it then is, and what was said to become of it (X8).

A module is in its pack by its maker's word, who gave the pack's whole content with its production, or because
whoever takes the pack apart has it, or gives it a code of its own. Nobody else's battery comes out of a pack
(I5), and each comes out of one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .acts import NOTHING, SECOND_LIVES, Act, File, holds, own_code
from .names import further
from .rights import stood

if TYPE_CHECKING:
    from .law import Archive

FATES = ("reuse", "repurpose", "recycle", "missing")


def naming(archive: Archive, battery: str) -> list[Act]:
    """The acts in force that name this battery, but for what its enroller was out of.

    Once whoever makes the code made it, or authorities voided the enrolment, what the enrolment was taken out
    of says nothing of the battery (I5).
    """
    gave_way = archive.files.get(battery, NOTHING).not_of
    acts = (act for record in archive.acts.values() for act in record)
    return [act for act in acts if battery in act.others and not act.late and act not in gave_way]


def taken_out_of(archive: Archive, battery: str) -> list[Act]:
    """The dismantlings in force that name this battery."""
    return [act for act in naming(archive, battery) if act.event == "battery.dismantled"]


def fates_of(archive: Archive, battery: str) -> frozenset[str]:
    """What was said to become of it by who took it out, and of what it was taken out of in turn.

    What it was taken out of is one battery under all its codes (X1).
    """
    found, inner, seen = set[str](), [battery], {battery}
    while inner:
        module = inner.pop()
        for act in taken_out_of(archive, module):
            fates = act.fates or ("reuse",) * len(act.others)
            found |= {fate for other, fate in zip(act.others, fates, strict=True) if other == module}
            packs = {act.battery, *further(archive, act.battery)}
            inner += sorted(packs - seen)
            seen |= packs
    return frozenset(found)


def origins_of(archive: Archive, battery: str) -> set[str]:
    """All that a battery was taken out of or made from, however far back."""
    found, inner = set[str](), [battery]
    while inner:
        acts = naming(archive, inner.pop())
        made = {act.battery for act in acts if act.event in ("battery.dismantled", *SECOND_LIVES)}
        inner += sorted(made - found)
        found |= made
    return found


def content(archive: Archive, pack: str) -> tuple[str, ...]:
    """What the maker of a pack said is inside."""
    return next((act.inside for act in archive.record(pack) if act.event == "battery.produced"), ())


def given_into(archive: Archive, act: Act, other: str) -> bool:
    """Whether the pack's maker gave this one into it, shown with all that it gave."""
    maker, child = archive.of(act.battery).maker, archive.of(other)
    if maker is None or set(act.others) != set(content(archive, act.battery)):
        return False
    return (own_code(maker, other) and child.maker in (None, maker)) or child.holder == maker


def may_come_out(archive: Archive, act: Act, other: str) -> bool:
    """I5, X8: nobody else's, and out of one pack."""
    given, own, child = given_into(archive, act, other), own_code(act.by, other), archive.of(other)
    if _gives_way(child, given=given or own):
        return True
    if other in origins_of(archive, act.battery):
        return False  # nothing comes out of what came out of it
    if any(taken.battery != act.battery for taken in taken_out_of(archive, other)):
        return False
    had = stood(archive, act, other).holder == act.by  # and handed it on since, before it said so
    return given or (holds(child, act) or had if child.exists else own)


def come_out(archive: Archive, act: Act) -> dict[str, File]:
    """The files of what comes out of a pack, but for its marks."""
    return {other: _come_out(archive, act, other) for other in act.others}


def _gives_way(child: File, *, given: bool) -> bool:
    """An enroller's word on a code gives way to who makes it."""
    return given and child.enrolled and not child.official


def _come_out(archive: Archive, act: Act, other: str) -> File:
    pack, child = archive.of(act.battery), archive.of(other)
    given, own = given_into(archive, act, other), own_code(act.by, other)
    if _gives_way(child, given=given or own):
        child = replace(NOTHING, not_of=frozenset(taken_out_of(archive, other)))
    if not child.exists:
        maker = act.by if own else pack.maker
        answers = act.by if own else pack.responsible
        child = replace(
            child, maker=maker, responsible=answers, holder=act.by, place=pack.place, also=pack.also
        )
    elif given and child.holder == pack.maker and child.declaration is None and not child.is_set("lost"):
        child = replace(child, holder=act.by, named=frozenset())  # sold with the pack
    # What was inside is as its pack was, and just made no more; what is reported lost moves nowhere.
    inside = child.holder == act.by and not child.is_set("lost")
    return replace(child, out_of_pack=inside or child.out_of_pack)


def put_back(now: File, was: File, act: Act) -> File:
    """What came out of a pack once authorities said that this was not so, but for its marks."""
    if not was.exists or was.maker is None != now.maker is None:
        return replace(NOTHING, used=now.used)
    holder = was.holder if now.holder == act.by else now.holder
    return replace(now, holder=holder, out_of_pack=was.out_of_pack)
