"""What nobody may say worse of a battery to which nothing happened but the ordinary trade (lower bounds).

The other half of `bounds.py`, for histories that nobody wrote down: whatever else goes on in them, a battery
that was made, published, sold, sent, declared, released and placed by those whose part that is, and of which
nothing else is on record, is clear as what it is; so it is in the car that it was built into, where nothing
else is known of that. Claims, refusals, and what happens to other batteries or is said about them, change
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .acts import Act, File
from .alphabet import CAR, OURS
from .bounds import PASSPORT_GRAMS, Shown
from .heard import PART
from .law import Archive
from .names import further
from .parties import CN_CUSTOMS

# The ordinary trade of a new battery into the EU, in its order; each but a sale happens once. What is built
# into a vehicle is that before it leaves, and is shown in it.
ORDER = {
    "battery.produced": 0, "battery.sold": 1, "battery.handed_over": 1, "responsibility.transferred": 1,
    "battery.installed": 1, "battery.exported": 2,
    "battery.presented": 3, "customs.released": 4, "market.placed": 5,
}  # fmt: skip
SALE, DECLARED, RELEASED, PLACED = 1, 3, 4, 5
AT_HOME = (
    Shown("CN", direction="inland"),
    Shown("CN", direction="export"),
    Shown(goods="in_other", direction="export"),
)
IMPORT, INLAND, OUT = Shown(), Shown(direction="inland"), Shown(direction="export")


def expected(archive: Archive, battery: str) -> Iterator[Shown]:
    """The ways in which the battery is clear if it is shown so; none where anything else happened to it."""
    acts = archive.record(battery)
    published = [act for act in acts if act.event == "passport.published"]
    steps = [ORDER.get(act.event, -1) for act in acts if act not in published]
    if len(published) != 1 or not steps or -1 in steps or steps != sorted(steps):
        return
    once = [step for step in steps if step != SALE]
    cars = [act.vehicle for act in acts if act.event == "battery.installed"]
    if (
        any(one.battery == battery for one in archive.repairs)  # also one that was taken back (0973)
        or any(_is_known(archive, battery, name) for act in published for name in act.names)
        or len(set(once)) != len(once)
        or not _as_declared_here(acts)
        or not _untouched(archive.bound(battery), once, built_in=bool(cars))
        or not _alone_in(archive, battery, cars)
        or any(how != PART for how, _ in _named_as(archive, battery))
        or _is_part_of_stopped(archive, battery)
        or _is_part_of_marked(archive, battery)
    ):
        return
    for shown in _ways(once):
        if not cars:
            yield shown
        elif shown != IMPORT or DECLARED not in once:  # it was declared by the number of a loose battery
            yield replace(shown, goods="in_vehicle")


def _ways(once: list[int]) -> Iterator[Shown]:
    """Where it may be shown, and which way it goes, after these steps."""
    if once[-1] in (RELEASED, PLACED):  # what it came in under is closed: it comes in once (I4)
        yield from (INLAND, OUT) if RELEASED in once else ()
    elif once[-1] == 0:
        yield from AT_HOME
    else:
        yield from (IMPORT, OUT)


def _is_known(archive: Archive, battery: str, name: str) -> bool:
    """Whether anything is on record of a further code but what nobody of the battery entered (I5)."""
    file = archive.of(name)
    if not file.exists or not file.enrolled or file.official or file.recalls:
        return file.exists or bool(file.recalls or file.used)
    said_of_it, said_of_that = archive.record(battery), archive.record(name)
    parties = {did for act in said_of_it for did in (act.by, *act.parties)} | archive.of(battery).named
    return not parties.isdisjoint({file.holder, *(act.by for act in said_of_that)})


def _named_as(archive: Archive, battery: str) -> list[tuple[str, str]]:
    """What repairs say that it was, and of which battery, under any of its codes."""
    own = (battery, *further(archive, battery))
    return [named for code in own for named in archive.bound(code).named_as]


def _is_part_of_stopped(archive: Archive, battery: str) -> bool:
    """Whether a repair says of one of its codes that it was part of what is recalled, lost, ended (0989).

    Or of what was used under a further code (0994).
    """
    named = [other for how, other in _named_as(archive, battery) if how == PART]
    codes = dict.fromkeys(code for other in named for code in (other, *further(archive, other)))
    packs = [archive.bound(code) for code in codes]  # it is the same battery under each of its codes (0994)
    if any(archive.of(code).used for other in named for code in further(archive, other)):
        return True  # when that was, beside what its first code shows, is not restated
    return any(
        pack.recalls or pack.is_set("recalled") or pack.is_set("lost") or pack.ended or "waste" in pack.used
        for pack in packs
    )


def _is_part_of_marked(archive: Archive, battery: str) -> bool:
    """Whether it is part of what was repaired with something of which authorities took a word back.

    The ledger marks what is repaired by what is on record then, and that word is (D1017).
    """
    packs = {other for how, other in _named_as(archive, battery) if how == PART}
    repaired = (one.act for one in archive.repairs if one.battery in packs)
    return any(not archive.unsaid.isdisjoint((act.battery, *act.others)) for act in repaired)


def _as_declared_here(acts: tuple[Act, ...]) -> bool:
    """Of nothing else made, and declared under the number under which it is shown, before customs here."""
    declared = [act for act in acts if act.event == "battery.presented"]
    return not any(act.others for act in acts) and all(
        act.declaration == OURS and not act.parties and act.by != CN_CUSTOMS for act in declared
    )


def _alone_in(archive: Archive, battery: str, cars: list[str | None]) -> bool:
    """Whether it was built into one vehicle at most, and nothing is on record of that but this."""
    others = {act.vehicle for other, acts in archive.acts.items() if other != battery for act in acts}
    been = (file.been_in for other, file in archive.files.items() if other != battery)
    return not cars or (cars == [CAR] and CAR not in others.union(*been))


def _untouched(file: File, steps: list[int], *, built_in: bool) -> bool:
    """Nobody's mark, stop or recall is on it, and no setting but those of its own steps."""
    if file.used != ({"installed"} if built_in else set()) or (file.vehicle is not None) != built_in:
        return False
    if file.stops or file.recalls or file.enrolled or file.disputed:
        return False
    if (
        file.withdrawn_by_operator
        or file.paused_by_operator
        or file.tied
        or file.read_beside
        or file.held_beside
    ):
        return False
    if file.weighs not in (None, PASSPORT_GRAMS):
        return False
    explained = ({"released"} if RELEASED in steps else set()) | ({"placed"} if PLACED in steps else set())
    return {s.what for s in file.settings} <= explained
