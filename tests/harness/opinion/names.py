"""The further codes of a battery: one battery, whatever it is called (I1, I4, X1).

A passport names the battery by a code beside its own. What is on record under one of its codes is on its
record. Whoever reads a label may enter the code that stands on it: what only a licence entered, of which no
party of the battery had the making or has the holding, is nobody's record of it (I5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .acts import PRIVATE, File

if TYPE_CHECKING:
    from .law import Archive

LINK = "L"  # batteries that are called so have a GS1 link for their code, all others one of GB/T 34014


def named_by(archive: Archive, battery: str, version: int) -> tuple[str, ...]:
    """The further code by which the latest passport of this version names the battery."""
    published = [act for act in archive.record(battery) if version and act.version == version]
    return published[-1].names if published else ()


def names_in(archive: Archive, battery: str) -> list[str]:
    """The codes that the passports on its record name, but for those of its own scheme: other batteries'.

    What an enroller published went with its enrolment, once whoever makes the code made it.
    """
    record, file = archive.record(battery), archive.of(battery)
    made = [place for place, act in enumerate(record) if act.event == "battery.produced"]
    record = record[made[-1] :] if made and not file.disputed else record
    named = [name for act in record for name in act.names]  # in force, and those before it
    return [name for name in dict.fromkeys(named) if name.startswith(LINK) != battery.startswith(LINK)]


def parties_of(file: File) -> set[str]:
    """Who made it, has it, or answers for it."""
    return {did for did in (file.maker, file.holder, file.responsible) if did not in (None, PRIVATE)}


def further(archive: Archive, battery: str) -> list[str]:
    """Its further codes of which anything counts: those that it names, and those that these name in turn."""
    found, parties, old = list[str](), parties_of(archive.of(battery)), [battery]
    while old:
        for name in names_in(archive, old.pop(0)):
            file = archive.of(name)
            # Made out of another, it is on record before anybody produced it.
            if name in (battery, *found) or not (file.exists or file.recalls or file.used or file.named_as):
                continue
            if file.enrolled and not file.official and parties.isdisjoint(parties_of(file)):
                continue
            found.append(name)
            old.append(name)
            parties |= parties_of(file)
    return found
