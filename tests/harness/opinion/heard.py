"""What a statement says of another battery without becoming state of it: what it was made of, or was put in.

A second life that counts for nothing, since its author has no right over the old battery, or since another
came first (X8), says all the same what the new one was made of; a repair says which parts are, or were, in a
pack. If it is true they are not new (I1), and to leave a record for others to make would pay (I6). Nobody
verified it: who is shown such a battery can say neither that it is nor that it is not. It is believed of who
could know: who makes such codes, who has a right over what is named, or had it then: a trade of the place
that repairs a pack says of a battery that others hold no more than any stranger might, a claim (I5). What a
pack's maker said, with its making, to be inside, whoever has the pack and takes it apart knows: it shows all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .acts import NOTHING, SECOND_LIVES, Act, File, own_code
from .packs import given_into
from .rights import has_right, stood

if TYPE_CHECKING:
    from .law import Archive

REPAIR = "battery.maintained"
OUT_OF_ANOTHER = ("battery.dismantled", *SECOND_LIVES)
WITHDRAWING = ("attestation.voided", "record.withdrawn")  # by authorities: then it is as if never said
PART, PART_OF_USED, ORIGIN = "part", "part of what was used", "made of another"
PART_OF_UNKNOWN = "part of what may have been used"  # no word is held to be too strict


@dataclass(frozen=True, slots=True)
class Heard:
    """A statement that names a battery, and of which other one it speaks."""

    named: str
    other: str
    act: Act


def _pairs(act: Act) -> Iterator[tuple[str, str]]:
    """(named, the other): the part and its pack, what is new and what it was made of."""
    for other in act.others:
        if act.event == "battery.produced":
            yield act.battery, other
        elif act.event in (REPAIR, *OUT_OF_ANOTHER):
            yield other, act.battery


def hear(archive: Archive, act: Act, *, counts: bool) -> Iterator[Heard]:
    """What is kept of a recorded act beside the state that it is (if it `counts`) or is not."""
    if counts and act.event != REPAIR:
        return  # it is on the record of what it names
    for named, other in _pairs(act):
        if _could_know(archive, act, named) or _found_inside(archive, act, named):
            yield Heard(named, other, act)


def _could_know(archive: Archive, act: Act, named: str) -> bool:
    part, then = archive.of(named), stood(archive, act, named)
    right = has_right(part, act) or (then.exists and has_right(then, act))
    return own_code(act.by, named) or (part.exists and right)


def _found_inside(archive: Archive, act: Act, named: str) -> bool:
    apart = act.event == "battery.dismantled" and given_into(archive, act, named)
    return apart and (act.late or has_right(archive.of(act.battery), act))


def unheard(heard: tuple[Heard, ...], undone: Act) -> tuple[Heard, ...]:
    """Without the last time that this was said."""
    left = list(heard)
    for one in {one for one in heard if one.act == undone}:
        del left[len(left) - 1 - left[::-1].index(one)]
    return tuple(left)


def named_as(archive: Archive, battery: str) -> frozenset[tuple[str, str]]:
    """What it is named as, and of which other battery: part of what was used from its first use on."""
    about = (one for one in archive.heard if one.named == battery)
    return frozenset(_as(archive, one) for one in about if _still(archive, one))


def _as(archive: Archive, one: Heard, seen: frozenset[str] = frozenset()) -> tuple[str, str]:
    if one.act.event != REPAIR:
        return ORIGIN, one.other
    pack: File = archive.files.get(one.other, NOTHING)
    plain = pack.maker is not None and not (pack.enrolled or pack.disputed or pack.used)
    unused = PART if plain and not _of_unknown(archive, one.other, seen) else PART_OF_UNKNOWN
    return (PART_OF_USED if pack.in_use or is_burnt(archive, one.other) else unused), one.other


def _of_unknown(archive: Archive, pack: str, seen: frozenset[str]) -> bool:
    """Whether the pack itself is named as anything but a part of what is as new: a part of a part."""
    seen |= {pack}
    about = (one for one in archive.heard if one.named == pack and one.other not in seen)
    return any(_as(archive, one, seen)[0] != PART for one in about if _still(archive, one))


def is_burnt(archive: Archive, battery: str) -> bool:
    """A fire or an accident is no use, and what went through it is not as new; taken back, nobody asks."""
    damaged = "damaged" in archive.files.get(battery, NOTHING).used
    return damaged and any(act.event == "negative_event" for act in archive.record(battery))


def _still(archive: Archive, one: Heard) -> bool:
    """Once it is on record that the one came of the other, that says it."""
    if one.act.event == REPAIR:
        return True
    made = any(one.other in a.others for a in archive.record(one.named) if a.event == "battery.produced")
    ends = (a for a in archive.record(one.other) if a.event in OUT_OF_ANOTHER and not a.late)
    became = any(one.named in a.others for a in ends)
    return not made and not became
