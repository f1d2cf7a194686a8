"""Who has a right over a battery at all: its holder, an authority where it is, a trade of the place (I5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .acts import NOTHING, Act, File, holds
from .kinds import PASSPORT_ACTS, TRADE_ACTS
from .parties import is_authority, side

if TYPE_CHECKING:
    from .law import Archive


def rules_here(file: File, act: Act) -> bool:
    """An authority within its own jurisdiction: the battery is there, or its responsible operator is."""
    if not is_authority(act.by):
        return False
    if act.event in PASSPORT_ACTS and file.responsible is not None and side(file.responsible) == side(act.by):
        return True
    before_customs = file.declaration is not None and file.declaration[1] == side(act.by)
    return before_customs or file.place == side(act.by) or side(act.by) in file.also


def works_here(file: File, act: Act) -> bool:
    """A licensed trade of the jurisdiction, once the battery is placed there and was ever installed.

    While it is declared to customs it is in no workshop.
    """
    installed = "installed" in file.used and file.declaration is None
    return act.event in TRADE_ACTS and installed and file.is_set("placed", side(act.by))


def has_right(file: File, act: Act) -> bool:
    """Whether what is said of this battery may be state of it, where nothing else is asked of the kind."""
    return holds(file, act) or rules_here(file, act) or works_here(file, act)


def stood(archive: Archive, act: Act, battery: str) -> File:
    """How a battery stood in the hour of which an act tells; nothing, if that is now, or it began since."""
    if not 0 < act.ago <= len(archive.hours) or began_since(archive, act, battery):
        return NOTHING
    return archive.hours[-act.ago].of(battery)


def began_since(archive: Archive, act: Act, battery: str) -> bool:
    """Whether the code has another beginning than it had then: of what it was before nobody tells.

    It was nobody's in an hour since, or whoever makes it made it out of what somebody entered, or gave it to
    what it made of another. Where it took that back, the enrolment lies there as before, and what was said of
    either was said.
    """
    files = [hour.of(battery) for hour in archive.hours[-act.ago :]]
    unborn = not all(file.exists for file in files)
    now = archive.of(battery)
    made = files[0].maker is None and now.maker is not None
    return unborn or made or (files[0].enrolled and not now.enrolled)
