"""The law, restated for reading: what each act says about a battery.

Written from the domain file and the invariants I1 to I9 alone; the ledger's and the verdict's code was not
looked at. A `File` is what an honest clerk would keep of one battery. Nothing here is fast.
Who may say what is in speaking.py, what may at best be said of the battery in bounds.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from .acts import NO_USE, NOTHING, PRIVATE, SECOND_LIVES, Act, File, Set, Stop, holds, own_code
from .heard import ORIGIN, PART_OF_USED, REPAIR, WITHDRAWING, Heard, hear, is_burnt, named_as, unheard
from .kinds import (
    CUSTOMS_ACTS,
    ENDS_A_JOURNEY,
    LEAVES_A_VEHICLE,
    LICENCES,
    PUTS_ON_THE_ROAD,
    UNION,
)
from .names import LINK
from .packs import come_out, fates_of, given_into, put_back, taken_out_of
from .parties import is_authority, is_customs, side
from .reaching import reported, without_report
from .repairs import Repair, found_again, noted, tied_to
from .rights import stood
from .vehicle import held_beside, read_beside

NOBODYS: Mapping[str, File] = {}


def reaches(recall: Act, battery: str, file: File) -> bool:
    """Whether a recall says that it covers a battery; every GB/T code here names the day it was made on."""
    if recall.scope in ("item", "batch"):
        return battery in (recall.battery, *recall.others)
    return recall.scope in ("model", "days") and not battery.startswith(LINK)  # a link is of another scheme


@dataclass(frozen=True, slots=True)
class Archive:
    """The files of all batteries, and for each the statements in force, oldest first."""

    files: Mapping[str, File] = field(default_factory=dict)
    acts: Mapping[str, tuple[Act, ...]] = field(default_factory=dict)
    before: Mapping[str, tuple[Mapping[str, File], ...]] = field(default_factory=dict)
    recalls: tuple[Act, ...] = ()  # in force, of models, batches, days and named items
    # Whose licences are suspended now: of no party here, as long as nobody says so.
    unlicensed: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()  # of these, who had none in all of this hour
    # Vehicles that an authority registered: in use from then on, whatever leaves them and comes in.
    registered: tuple[str, ...] = ()
    registered_late: tuple[str, ...] = ()  # those of which that was told late: nothing rests on it (I3)
    # What names a battery without being state of it, oldest first.
    heard: tuple[Heard, ...] = ()
    unsaid: frozenset[str] = frozenset()  # what such a statement named that authorities took back
    hours: tuple[Archive, ...] = ()  # as it stood when each hour before this one ended
    # By battery: the last record, taken back by its author; what it was before that; what is on record since.
    taken: Mapping[str, tuple[Act, File, tuple[Act, ...]]] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()  # that name parts, in the order of the record
    # What `of` found of this archive, which never changes; another archive begins with none.
    found: dict[str, File] = field(default_factory=dict, init=False, repr=False, compare=False)

    def hour(self) -> Archive:
        """The same archive in the hour after this one."""
        return replace(self, without=self.unlicensed, hours=(*self.hours, replace(self, hours=())))

    def of(self, battery: str) -> File:
        if battery not in self.found:
            file = self.files.get(battery, NOTHING)
            reaching = frozenset(r for r in self.recalls if reaches(r, battery, file))
            self.found[battery] = replace(file, recalls=reaching, named_as=named_as(self, battery))
        return self.found[battery]

    def bound(self, battery: str) -> File:
        """The file with what was set on all that the battery was made from or taken out of, and its fates."""
        file, old, seen = self.of(battery), [battery], {battery}
        while old:
            made = old.pop()
            for origin, acts in self.acts.items():
                said = (act for act in acts if act not in self.files.get(made, NOTHING).not_of)
                if origin not in seen and any(made in marks_elsewhere(NOTHING, act) for act in said):
                    file = bound_as(file, self.of(origin))
                    old.append(origin)
                    seen.add(origin)
        out = bool(taken_out_of(self, battery))
        tied, beside = tied_to(self, battery), read_beside(self, battery)
        held = held_beside(self, battery)
        found = replace(file, fates=fates_of(self, battery), came_out=out, tied=tied)
        return replace(found, read_beside=beside, held_beside=held)

    def record(self, battery: str) -> tuple[Act, ...]:
        return self.acts.get(battery, ())


# -- what each act shows ------------------------------------------------------------------------------


def marks_of(file: File, act: Act) -> frozenset[str]:
    """I1: the marks of use that an act leaves on its battery, of itself or by what it presupposes (I6)."""
    marks = {
        "battery.installed": {"installed"},
        "battery.swapped_out": {"installed", "removed"},
        "battery.replaced": {"installed", "removed"},
        "vehicle.registered": {"installed", "in_vehicle_in_use"},
        "vehicle.sold": {"installed", "in_vehicle_in_use"},
        "vehicle.scrapped": {"installed", "waste"},
        "battery.declared_waste": {"waste"},
        "waste.collected": {"waste"},
        "waste.exported": {"waste"},
        "recycling.received": {"recycling"},
        "recycling.completed": {"recycling"},
        "end_of_life.certified": {"end_certified"},
        "battery.dismantled": {"dismantled"},
        "used.exported": {"shown_as_used"},
        # The opinion's batteries read half of their health, and what happens to them is no small thing.
        "soh.measured": {"worn"},
        "negative_event": {"damaged"},
    }.get(act.event, set())
    if act.event in SECOND_LIVES:
        marks = {"consumed"}
        if act.event.startswith("second_life.prepared"):
            marks = {"consumed", "waste"}
    if file.in_use and act.event == "soh.measured":
        marks = {"worn", "measured_in_use"}
    if file.in_use and act.event == "battery.maintained":
        marks = {"repaired_in_use"}
    if file.in_use and act.event in CHANGES_HANDS:
        marks = {"transferred_after_use"}
    if act.event == "battery.produced" and act.others:
        marks = {"second_life"}
    return frozenset(marks)


CHANGES_HANDS = ("battery.handed_over", "battery.sold", "responsibility.transferred", "custody.assigned")


def new_in_its_vehicle(archive: Archive, act: Act) -> bool:
    """What changes hands in its first vehicle, which nobody put on the road or drove, is as new as before.

    Unless it comes to whoever sold that vehicle with another battery in it; and whom a sale does not name may
    be who drives it (I1, I6). That it had been in another one before, told late, is use by itself.
    """
    file = archive.of(act.battery)
    used = file.used - NO_USE - {"in_second_vehicle"}
    if file.vehicle is None or used != {"installed"} or not act.parties:
        return False
    hands = {file.holder, *act.parties}
    for battery, record in archive.acts.items():
        for said, files in zip(record, archive.before[battery], strict=True):
            ours = said.event == "vehicle.sold" and said.vehicle == file.vehicle and not said.late
            if ours and files.get(battery, NOTHING).holder in hands:
                return False
    return True


def marks_elsewhere(file: File, act: Act) -> dict[str, frozenset[str]]:
    """The marks that an act leaves on the other batteries that it names: children and successors.

    Out of waste comes waste (Art 77(7)). What is taken out before is not what becomes of the rest: a pack
    goes abroad as waste or is recycled once it was taken apart, while its modules live on under their codes.
    """
    if act.late:
        return {}
    if act.event == "battery.dismantled":
        return {other: file.used & {"waste"} | {"child_of_dismantled"} for other in act.others}
    if act.event in SECOND_LIVES:
        # Waste ceases to be waste by a test in the Union (Art 73(1)(a)), so far as the Union is concerned.
        washed = {"still_waste"} if "waste" in file.used and act.tested_in not in UNION else set()
        return {other: frozenset({"second_life"} | washed) for other in act.others}
    return {}


def marks_beside(
    files: Mapping[str, File], act: Act, then: Mapping[str, File] = NOBODYS
) -> dict[str, frozenset[str]]:
    """What an act shows of batteries beside its own: in the same vehicle and hands, or put in (I6).

    `then`: those that it names as they were in the hour of which it tells.
    """
    file, found = files.get(act.battery, NOTHING), {}
    if not act.late and act.event in ("vehicle.registered", "vehicle.sold", "vehicle.scrapped"):
        mark = "scrapped_with_vehicle" if act.event == "vehicle.scrapped" else "in_vehicle_in_use"
        for other, known in files.items():
            inside = other != act.battery and known.vehicle is not None and known.vehicle == file.vehicle
            # The authority that registers a vehicle puts it on the road with all that is in it.
            whole = act.event == "vehicle.registered"
            if inside and (whole or (known.holder == file.holder and known.holder != PRIVATE)):
                found[other] = frozenset({mark})
    if act.late and act.event == "vehicle.scrapped":
        found |= _scrapped_then(files, act, then)
    if act.late and act.event in PUTS_ON_THE_ROAD:
        found |= _on_the_road_then(files, act, then)
    if act.event == "battery.replaced":
        for other in act.others:
            known = files.get(other, NOTHING)
            if holds(known, act) or holds(then.get(other, NOTHING), act):
                # What was in a vehicle and is in this one now, in place of another, was taken out of it.
                out = {"removed"} if "installed" in known.used and known.vehicle != act.vehicle else set()
                found[other] = frozenset({"installed"} | out)
    if act.event == "battery.maintained":
        parts = [files.get(other, NOTHING) for other in act.others]
        # Whichever of them was put in.
        if any(part.in_use or part.used & SAID_USED or part.enrolled or part.disputed for part in parts):
            found[act.battery] = frozenset({"used_part"})
    return found


# What makes a part no new one, whatever its own life was.
SAID_USED = frozenset({"end_certified", "shown_as_used"})


def of_used_parts(archive: Archive, act: Act) -> dict[str, frozenset[str]]:
    """What is repaired with what came out of a battery in use, or of another, is not as new; nor is what
    itself did (I1, I6). What is said of a part later is not known then."""
    if act.event != REPAIR or not act.others:
        return {}
    told = {how for battery in (act.battery, *act.others) for how, _ in named_as(archive, battery)}
    used = told & {PART_OF_USED, ORIGIN} or any(is_burnt(archive, other) for other in act.others)
    return {act.battery: frozenset({"used_part"})} if used else {}


def _scrapped_then(
    files: Mapping[str, File], act: Act, then: Mapping[str, File]
) -> dict[str, frozenset[str]]:
    """What was in a vehicle, in the same hands, when it was scrapped as is told later (I6): it is in there
    still, or it is named as present and left since. Another hand's battery is not ended by it (I5)."""
    was, found = then.get(act.battery, NOTHING), {}
    for other, now in files.items():
        stood_there = then.get(other, NOTHING)
        there = stood_there.vehicle == act.vehicle and stood_there.holder == was.holder != PRIVATE
        if other == act.battery or was.vehicle != act.vehicle:
            continue
        if now.vehicle == act.vehicle and (there or now.holder == was.holder != PRIVATE):
            found[other] = frozenset({"scrapped_with_vehicle"})
        elif now.vehicle != act.vehicle and there and other in act.others and not _recycled(now):
            found[other] = frozenset({"waste"})
    return found


def _on_the_road_then(
    files: Mapping[str, File], act: Act, then: Mapping[str, File]
) -> dict[str, frozenset[str]]:
    """What is in a vehicle, and was in it in the hour in which it was registered, or sold with its batteries
    in the same hands, as is told later: it was on the road with it (I6)."""
    was, found = then.get(act.battery, NOTHING), {}
    for other, now in files.items():
        stood_there = then.get(other, NOTHING)
        together = now.vehicle == stood_there.vehicle == was.vehicle == act.vehicle
        same = stood_there.holder == was.holder != PRIVATE
        if other != act.battery and together and (same or act.event == "vehicle.registered"):
            found[other] = frozenset({"in_vehicle_in_use"})
    return found


def _recycled(file: File) -> bool:
    return file.ended == "recycling.completed"


def put_into_used(archive: Archive, act: Act, then: Mapping[str, File]) -> dict[str, frozenset[str]]:
    """What takes the place of a battery with which its vehicle was sold or registered, or that was put into
    a vehicle in use: that battery may have been out and in again, or another after it (I1, I6)."""
    if act.event != "battery.replaced":
        return {}
    registered = archive.hours[-act.ago].registered if act.late else archive.registered
    said = (a for a in archive.record(act.battery) if not a.late and a.event in PUTS_ON_THE_ROAD)
    on_the_road = act.vehicle in registered or any(a.vehicle == act.vehicle for a in said)
    if not on_the_road and "in_used_vehicle" not in archive.of(act.battery).used:
        return {}
    heard = (other for other in act.others if archive.of(other) is not NOTHING)
    right = (o for o in heard if holds(archive.of(o), act) or holds(then.get(o, NOTHING), act))
    return dict.fromkeys(right, frozenset({"in_used_vehicle", "in_vehicle_in_use"}))


def put_into(files: Mapping[str, File], act: Act, then: Mapping[str, File]) -> dict[str, File]:
    """The files of what an act puts into a vehicle: of a second one no battery is the first (I1)."""
    put = [act.battery] if act.event == "battery.installed" else []
    if act.event == "battery.replaced":
        put += [o for o in act.others if any(holds(known.get(o, NOTHING), act) for known in (files, then))]
    found = {}
    for battery in put if act.vehicle else ():
        known = files.get(battery, NOTHING)
        been = known.been_in | {act.vehicle or ""}
        second = {"in_second_vehicle"} if len(been) > 1 else set()
        found[battery] = replace(known, been_in=been, used=known.used | second)
    return found


def bound_as(heir: File, file: File) -> File:
    """I2: what binds a battery binds what is made of it, until whoever set it lifts it.

    A certificate of destruction is of all that the battery was, whatever it had become by then (I6).
    """
    settings = {s for s in file.settings if s.what in ("recalled", "refused", "lost")}
    used = heir.used | (file.used & {"end_certified"})
    return replace(heir, used=used, settings=heir.settings | settings, stops=heir.stops | file.stops)


def _nothing(file: File, act: Act) -> File:
    return file


def _produced(file: File, act: Act) -> File:
    # What somebody enrolled before is a claim now, with all that was told of it: nothing of it stays, neither
    # a declaration nor an end, which are its enroller's own word. Where an authority or its maker enrolled it
    # or acted on it both stand side by side until an authority decides.
    born = File(
        maker=act.by,
        holder=act.by,
        responsible=act.by,
        place=side(act.by),
        weighs=dict(act.weights).get("mass_grams"),
        used=file.used,
        declaration=file.declaration,
        also=file.also,
    )
    if not file.enrolled:
        return born
    if not file.official:
        return replace(born, used=frozenset(), declaration=None)
    beside = frozenset(p for p in (file.holder, file.responsible) if p)
    return replace(
        file,
        maker=act.by,
        holder=act.by,
        responsible=act.by,
        also=file.also | {side(act.by)},
        named=file.named | beside,
        used=frozenset(),
        enrolled=False,
        disputed=True,
        weighs=dict(act.weights).get("mass_grams"),
    )


def _enrolled(file: File, act: Act) -> File:
    holder = act.parties[0] if act.parties else act.by
    official = is_authority(act.by)
    enrolled = replace(file, enrolled=True, official=official, holder=holder, responsible=holder)
    return replace(enrolled, place=side(act.by))


def _named(file: File, act: Act) -> File:
    return replace(file, named=file.named | set(act.parties))


def _exported(file: File, act: Act) -> File:
    # What was released somewhere and leaves again has been there: never a first placing again. A battery in a
    # vehicle leaves with it, and stays in it.
    been = {Set("placed", s.where, s.by) for s in file.settings if s.what == "released"}
    gone = replace(_named(file, act), settings=file.settings | been)
    old = act.event == "used.exported" and act.tested_before
    left = _left_from(file)
    return replace(
        gone, place=None, also=frozenset(), border=act.event, supervised=True, left=left, old_test=old
    )


def before_whom(act: Act) -> str:
    """The side before whose customs a battery is presented: of the office named, or the author's own."""
    return side(act.parties[0] if act.parties else act.by)


def _presented(file: File, act: Act) -> File:
    where = before_whom(act)
    declared = replace(file, declaration=(act.declaration or "", where), moved_from=frozenset())
    return replace(declared, place=where, supervised=True, left=_left_from(file))


def _customs(file: File, act: Act) -> File:
    what, where = act.event.removeprefix("customs."), side(act.by)
    suspended = frozenset(s for s in file.settings if s.what == "suspended")
    if what == "suspended":
        return replace(file, settings=file.settings | {Set("suspended", where, act.by)})
    if what == "refusal_lifted":
        lifted = {s for s in file.settings if s.what == "refused" and s.where == where}
        return replace(file, settings=file.settings - lifted)
    if what == "moved":
        to, number = side(act.parties[0]), file.declaration[0] if file.declaration else ""
        left = frozenset([file.declaration] if file.declaration else [])
        return replace(file, declaration=(number, to), moved_from=file.moved_from | left, place=to)
    # One declaration, whichever offices it went through (UCC Art 226): closed by one, it is over for all.
    ended = file.moved_from | frozenset([file.declaration] if file.declaration else [])
    under = file.released_under | (ended if what == "released" else frozenset())
    closed = replace(file, declaration=None, settings=file.settings - suspended)
    closed = replace(closed, closed=file.closed | ended, released_under=under)
    if what == "invalidated":
        return _back(closed, act) if act.never_left else closed
    settings = closed.settings | {Set(what, where, act.by)}
    if what == "released":
        return replace(closed, settings=settings, supervised=False, left=None)
    return replace(closed, settings=settings, supervised=True)


def _left_from(file: File) -> File | None:
    """Of the first place that it left: what it is put back to, and nothing else, so that states stay few."""
    if file.supervised:
        return file.left
    return File(place=file.place, also=file.also, named=file.named, out_of_pack=file.out_of_pack)


def _back(file: File, act: Act) -> File:
    """The goods never left (UCC Art 174): it is where it was, and its record is of no journey (X19)."""
    was = file.left or file
    back = replace(file, place=was.place, also=file.also | was.also, named=was.named)
    return replace(back, border=act.event, supervised=False, left=None, out_of_pack=was.out_of_pack)


def _placed(file: File, act: Act) -> File:
    placed = replace(_named(file, act), settings=file.settings | {Set("placed", side(act.by), act.by)})
    return replace(placed, holder=act.by, place=side(act.by))


def _installed(file: File, act: Act) -> File:
    return replace(file, vehicle=act.vehicle, also=file.also | {side(act.by)})


def _out_of_vehicle(file: File, act: Act) -> File:
    return replace(_named(file, act), vehicle=None)


def _wasted(file: File, act: Act) -> File:
    # What cannot be released may end as waste where it is (UCC Art 198); what arrived nowhere is nowhere.
    return replace(_out_of_vehicle(file, act), supervised=file.supervised and file.place is None)


def _collected(file: File, act: Act) -> File:
    # Whom the holder named is named for as long as it holds the battery, whatever it does with it.
    named = file.named if act.by == file.holder else frozenset()
    return replace(file, holder=act.by, named=named, also=file.also | {side(act.by)})


def _taken_in(file: File, act: Act) -> File:
    return replace(_collected(file, act), vehicle=None, ended=act.event, supervised=False)


def _scrapped(file: File, act: Act) -> File:
    # Who scraps the vehicle has what was in it, and hands it on.
    return replace(_collected(file, act), vehicle=None)


def _ended(file: File, act: Act) -> File:
    return replace(file, vehicle=None, ended=act.event)


def _handed_over(file: File, act: Act) -> File:
    return replace(file, holder=act.parties[0] if act.parties else PRIVATE, named=frozenset())


def _registered(file: File, act: Act) -> File:
    # The authority that registers the vehicle says that it is in use there (Art 3: put into service).
    return replace(file, settings=file.settings | {Set("placed", side(act.by), act.by)})


def _vehicle_sold(file: File, act: Act) -> File:
    # With the vehicle its battery is on the market there (Art 3: supplied to an end-user).
    return replace(file, holder=PRIVATE, settings=file.settings | {Set("placed", side(act.by), act.by)})


def _transferred(file: File, act: Act) -> File:
    return replace(file, responsible=act.parties[0])


def _lost(file: File, act: Act) -> File:
    there = [s for s in file.settings if s.what == "lost"]
    if any(s.by == act.by for s in there):
        return file  # it said so already
    turn = max((s.turn for s in there), default=0) + 1
    return replace(file, settings=file.settings | {Set("lost", side(act.by), act.by, turn)})


def _recalled(file: File, act: Act) -> File:
    return replace(file, settings=file.settings | {Set("recalled", side(act.by), act.by)})


def may_lift(set_by: str, by: str) -> bool:
    """I2: who set a thing takes it away: the same party, or one of the same role in the same jurisdiction."""
    if set_by == by:
        return True
    same_kind = is_authority(set_by) and is_authority(by) and is_customs(set_by) == is_customs(by)
    return same_kind and side(set_by) == side(by)


def _found(file: File, act: Act) -> File:
    """Each report is ended by itself: one's own first, then what a party before its holder reported (I2)."""
    there = sorted((s for s in file.settings if s.what == "lost"), key=lambda s: s.turn)
    own = [s for s in there if s.by == act.by]
    like = [s for s in there if may_lift(s.by, act.by)]
    inherited = [s for s in there if act.by == file.holder and not is_authority(s.by)]
    gone = (*own, *like, *inherited)[:1]
    left = [s for s in there if s not in gone]
    # Turns are counted anew: a history without end must not make states without end.
    kept = {replace(s, turn=turn) for turn, s in enumerate(left, 1)}
    return replace(file, settings=(file.settings - set(there)) | kept)


def _lifted(what: str) -> Callable[[File, Act], File]:
    def lift(file: File, act: Act) -> File:
        gone = {s for s in file.settings if s.what == what and may_lift(s.by, act.by)}
        return replace(file, settings=file.settings - gone)

    return lift


def _published(file: File, act: Act) -> File:
    file = replace(file, published_by=act.by)
    return replace(file, passport=act.version, paused_by_operator=False, withdrawn_by_operator=False)


def _passport_stopped(file: File, act: Act) -> File:
    what = act.event.removeprefix("passport.")
    if is_authority(act.by):
        return replace(file, stops=file.stops | {Stop(what, act.by)})
    if what == "revoked":
        return replace(file, withdrawn_by_operator=True)
    return replace(file, paused_by_operator=True)


def _passport_resumed(file: File, act: Act) -> File:
    what = "suspended" if act.event == "passport.reinstated" else "revoked"
    gone = {s for s in file.stops if s.what == what and may_lift(s.by, act.by)}
    if what == "revoked":  # the ban is lifted; the revoked version stays revoked (I3)
        return replace(file, stops=file.stops - gone, withdrawn_by_operator=bool(gone))
    own = act.by == file.responsible
    return replace(file, stops=file.stops - gone, paused_by_operator=file.paused_by_operator and not own)


def _assigned(file: File, act: Act) -> File:
    return replace(file, holder=act.parties[0] if act.parties else PRIVATE, named=frozenset())


def _certified(file: File, act: Act) -> File:
    return replace(file, certified=file.certified | set(act.parties))


EFFECTS: dict[str, Callable[[File, Act], File]] = {
    "battery.produced": _produced,
    "battery.enrolled": _enrolled,
    "battery.exported": _exported,
    "used.exported": _exported,
    "waste.exported": _exported,
    "battery.presented": _presented,
    **dict.fromkeys(CUSTOMS_ACTS, _customs),
    "market.placed": _placed,
    "battery.installed": _installed,
    "battery.swapped_out": _out_of_vehicle,
    "battery.replaced": _out_of_vehicle,
    "vehicle.scrapped": _scrapped,
    "battery.declared_waste": _wasted,
    "waste.collected": _collected,
    "battery.dismantled": _taken_in,
    **dict.fromkeys(SECOND_LIVES, _ended),
    "recycling.received": _taken_in,
    "recycling.completed": _ended,  # it lies where it was taken in: that moved it
    "battery.handed_over": _handed_over,
    "battery.sold": _named,
    "vehicle.registered": _registered,
    "vehicle.sold": _vehicle_sold,
    "responsibility.transferred": _transferred,
    "battery.reported_lost": _lost,
    "battery.lost_lifted": _lifted("lost"),
    "battery.found": _found,
    "battery.recalled": _recalled,
    "recall.lifted": _lifted("recalled"),
    "battery.recall_lifted": _lifted("recalled"),
    "passport.published": _published,
    "passport.superseded": _published,
    "passport.suspended": _passport_stopped,
    "passport.revoked": _passport_stopped,
    "passport.reinstated": _passport_resumed,
    "passport.ban_lifted": _passport_resumed,
    "custody.assigned": _assigned,
    "end_of_life.certified": _certified,
}


def after(archive: Archive, act: Act) -> Archive:
    """The archive after an act that was recorded as state."""
    now = _after(archive, act)
    now = replace(now, repairs=noted(archive, now, act))
    return replace(now, repairs=found_again(archive, act, now))


def _after(archive: Archive, act: Act) -> Archive:
    if act.event in LICENCES:
        lost = frozenset(act.parties) if act.event == LICENCES[0] else frozenset()
        return replace(archive, unlicensed=lost, without=archive.without & lost)
    if act.event == "recall.published":
        return replace(archive, recalls=(*archive.recalls, act))
    if act.event == "recall.lifted":
        assert act.undoes is not None, "it names what it lifts"
        place = len(archive.recalls) - 1 - archive.recalls[::-1].index(act.undoes)
        return replace(archive, recalls=archive.recalls[:place] + archive.recalls[place + 1 :])
    if act.event == "record.contested":  # said beside the record, which stays as it is
        file = archive.of(act.battery)
        seen = replace(file, official=file.official or is_authority(act.by))
        return replace(archive, files={**archive.files, act.battery: seen})
    if act.undoes is not None:
        if act.event in WITHDRAWING and is_authority(act.by):
            unsaid = archive.unsaid | {one.named for one in archive.heard if one.act == act.undoes}
            archive = replace(archive, heard=unheard(archive.heard, act.undoes), unsaid=unsaid)
        return _after_undo(archive, act, act.undoes)
    file = archive.of(act.battery)
    changed = _told_late(archive, act) if act.late else EFFECTS.get(act.event, _nothing)(file, act)
    if act.event in ENDS_A_JOURNEY and not act.late:
        changed = replace(changed, border=act.event)  # its record was of the journey before
    # Its own maker's word on an enrolled battery is no stranger's claim either (I1).
    # A declaration that is set aside says nothing of a battery: there may be none.
    acted = is_authority(act.by) and act.event != "customs.invalidated"
    official = changed.official or acted or own_code(act.by, act.battery)
    used = changed.used | marks_of(file, act)
    if act.event in CHANGES_HANDS and new_in_its_vehicle(archive, act):
        used = changed.used
    registered_then = archive.hours[-act.ago].registered if act.late else archive.registered
    if act.event == "battery.installed" and act.vehicle in (*registered_then, *archive.registered_late):
        used |= {"in_vehicle_in_use"}  # not the first battery of a new vehicle (I6)
    leaves = act.event in LEAVES_A_VEHICLE and not act.late
    left = (
        archive.registered.count(act.vehicle or "") if leaves else file.registered_before if act.late else 0
    )
    changed = replace(changed, official=official, used=used, registered_before=left)
    if act.event == "battery.produced":
        gave_way = taken_out_of(archive, act.battery) if file.enrolled and not file.official else ()
        changed = replace(changed, not_of=file.not_of | frozenset(gave_way))
    files = {**archive.files, act.battery: changed}
    if act.event == "battery.dismantled" and not act.late:
        files |= come_out(archive, act)
    for other, marks in marks_elsewhere(file, act).items():
        known = files.get(other, NOTHING)
        if act.event in SECOND_LIVES and known.enrolled and not known.official:
            known = NOTHING  # its maker gives the code to what it made: an enroller's word on it gives way
        files[other] = replace(known, used=known.used | marks)
    of_vehicle = act.late and act.event in ("vehicle.scrapped", *PUTS_ON_THE_ROAD)
    named = archive.files if of_vehicle else act.others
    then = {other: stood(archive, act, other) for other in named}
    beside = (
        marks_beside(archive.files, act, then),
        put_into_used(archive, act, then),
        of_used_parts(archive, act),
    )
    for other, marks in (pair for found in beside for pair in found.items()):
        files[other] = replace(files[other], used=files[other].used | marks)
    files |= put_into(files, act, then)
    acts = {**archive.acts, act.battery: (*archive.record(act.battery), act)}
    kept = (*archive.before.get(act.battery, ()), archive.files)
    registered = (act.vehicle,) if act.event == "vehicle.registered" and act.vehicle else ()
    late = registered if act.late else ()
    return replace(
        archive,
        files=files,
        acts=acts,
        before={**archive.before, act.battery: kept},
        registered=(*archive.registered, *(() if act.late else registered)),
        registered_late=(*archive.registered_late, *late),
        heard=(*archive.heard, *hear(archive, act, counts=not act.late)),
        hours=_said_before(archive, act, changed),
    )


def told_beside(archive: Archive, act: Act) -> Archive:
    """The archive after an act that was recorded and is no state: a claim, or what came second."""
    return replace(archive, heard=(*archive.heard, *hear(archive, act, counts=False)))


def _told_late(archive: Archive, act: Act) -> File:
    """The file after what was told late, but for its marks: it travels in the vehicle that it was put into.

    As far as nobody had it in hand since, and it is on its way or before customs.
    """
    file, since = archive.of(act.battery), archive.hours[-act.ago :]
    same = all(hour.of(act.battery).holder == file.holder for hour in since)
    first = file.vehicle is None and "installed" not in file.used
    if act.event == "battery.installed" and file.supervised and first and same and file.holder != PRIVATE:
        return replace(file, vehicle=act.vehicle)
    if act.event in ("battery.dismantled", *SECOND_LIVES):
        return replace(file, ended=act.event)
    return file


def _said_before(archive: Archive, act: Act, changed: File) -> tuple[Archive, ...]:
    """The hours before: whom an act of an earlier hour names, or gives the battery to, spoke from then on."""
    if not act.ago or act.late:
        return archive.hours
    heard = changed.named | changed.certified | {p for p in (changed.holder,) if p}
    where = changed.also | {p for p in (changed.place,) if p}
    rewritten = []
    for hour in archive.hours[-act.ago :]:
        was = hour.of(act.battery)
        told = replace(was, named=was.named | heard, also=was.also | where)
        out = _came_out_then(archive, act, hour)
        rewritten.append(replace(hour, files={**hour.files, **out, act.battery: told}))
    return (*archive.hours[: -act.ago], *rewritten)


def _came_out_then(archive: Archive, act: Act, hour: Archive) -> dict[str, File]:
    """What came out of a pack in an hour before is, from then on, in the hands of who took it out."""
    out = come_out(archive, act) if act.event == "battery.dismantled" else {}
    found = {}
    for other, file in out.items():
        was = hour.of(other)
        if not archive.of(other).exists:
            found[other] = file
        elif was.exists and file.holder:
            found[other] = replace(was, named=was.named | {file.holder})
    return found


def _not_given(archive: Archive, battery: str) -> frozenset[Act]:
    """The dismantlings that name it, but for those of packs into which their makers gave it."""
    acts = taken_out_of(archive, battery)
    return frozenset(act for act in acts if not given_into(archive, act, battery))


def _after_undo(archive: Archive, act: Act, undone: Act) -> Archive:
    """I3: a correction takes back what its act set, no mark and no placing; voiding takes those back too."""
    record, before = archive.record(act.battery), archive.before.get(act.battery, ())
    late = lately(record)
    if act.event == "attestation.corrected" and late and undone == under(record):
        return _under_late(archive, act, undone, len(late))
    taken = archive.taken.get(act.battery)
    if act.event == "attestation.voided" and taken and taken[0] == undone and taken[2] == record:
        now = archive.of(act.battery)  # corrected before, and the last record still: its marks go as well
        unmarked = replace(now, used=taken[1].used)
        others = {battery: one for battery, one in archive.taken.items() if battery != act.battery}
        return replace(archive, files={**archive.files, act.battery: unmarked}, taken=others)
    reaches = act.event in ("attestation.corrected", "attestation.voided")
    followed = bool(record) and (record[-1] != undone or _moved_since(archive, act.battery))
    if reaches and followed and undone in reported(record):
        return without_report(archive, act, undone)
    if not record or record[-1] != undone:
        return archive
    old, now = before[-1].get(act.battery, NOTHING), archive.of(act.battery)
    voided = act.event == "attestation.voided"
    # What another battery's record left on it is voided on that record, and does not come back here.
    used = old.used & now.used if voided else old.used | now.used
    # That it was where it was released is read from its leaving: who takes that back says that it is there.
    stays = not voided and not undone.event.endswith(".exported")
    kept = {s for s in now.settings if s.what == "placed" and stays}
    # That an authority acted on an enrolment outlives what the act set; to take a report back is an act too.
    # A production that its maker takes back is none: the enrolment lies there as before.
    official = (now if now.enrolled else old).official or is_authority(act.by)
    been = old.been_in if voided else old.been_in | now.been_in
    told = replace(old, used=used, official=official, settings=old.settings | kept, been_in=been)
    if undone.event == "battery.enrolled":
        told = replace(told, not_of=_not_given(archive, act.battery))
    if undone.event == "passport.revoked":  # whoever voids it: a revoked credential stays revoked (I3)
        told = replace(told, withdrawn_by_operator=True)
    files = {**archive.files, act.battery: told}
    beside = marks_beside(before[-1], undone)
    if undone.late and undone.event == "vehicle.scrapped":  # what left since is told on its own record
        beside |= dict.fromkeys(before[-1], frozenset({"scrapped_with_vehicle"}))
    for other, marks in (*marks_elsewhere(old, undone).items(), *beside.items()):
        if voided:
            was = before[-1].get(other, NOTHING)
            there = files.get(other, NOTHING)
            there = put_back(there, was, undone) if undone.event == "battery.dismantled" else there
            files[other] = replace(there, used=there.used - (marks - was.used))
    registered = list(archive.registered_late if undone.late else archive.registered)
    if voided and undone.event == "vehicle.registered" and undone.vehicle in registered:
        registered.remove(undone.vehicle)
    return replace(
        archive,
        files=files,
        acts={**archive.acts, act.battery: record[:-1]},
        before={**archive.before, act.battery: _with_marks(before[:-1], act.battery, used - old.used)},
        registered=archive.registered if undone.late else tuple(registered),
        registered_late=tuple(registered) if undone.late else archive.registered_late,
        taken=archive.taken if voided else {**archive.taken, act.battery: (undone, old, record[:-1])},
        hours=_never_was(archive, act.battery, record[-1], before[-1], voided=voided),
    )


def _with_marks(
    before: tuple[Mapping[str, File], ...], battery: str, marks: frozenset[str]
) -> tuple[Mapping[str, File], ...]:
    """The files before each act that is left, with what one that was taken back has left for good."""
    kept = ((files, files.get(battery, NOTHING)) for files in before)
    return (
        tuple({**files, battery: replace(was, used=was.used | marks)} for files, was in kept)
        if marks
        else before
    )


def _moved_since(archive: Archive, battery: str) -> bool:
    """True if it is another one since its last report, but for what that left itself, or what is derived.

    The record of another battery moved it, as taking it out does; or what was said since was taken back, and
    left what a correction leaves.
    """
    was, now = archive.before[battery][-1].get(battery, NOTHING), archive.of(battery)
    own = {name: getattr(was, name) for name in ("used", "official", "border", "named_as", "recalls")}
    return replace(now, **own) != was


def _never_was(
    archive: Archive, battery: str, undone: Act, was: Mapping[str, File], *, voided: bool
) -> tuple[Archive, ...]:
    """The hours since an act that is taken back: it gave nobody a right, not to tell of them later (I5).

    What came out of a pack by it was what it was before.
    """
    out = undone.others if undone.event == "battery.dismantled" else ()

    def without(hour: Archive) -> Archive:
        if not any(said is undone for said in hour.record(battery)):  # another time it was said the same
            return hour
        then, old = hour.of(battery), was.get(battery, NOTHING)
        if not voided:  # a correction unsays none of who could speak (0898)
            beside = then.named | old.named | {p for p in (old.holder,) if p}
            also = then.also | old.also | {p for p in (old.place,) if p}
            return replace(hour, files={**hour.files, battery: replace(then, named=beside, also=also)})
        held = replace(then, holder=old.holder, named=old.named, place=old.place, also=old.also)
        inside = {other: was.get(other, NOTHING) for other in out}
        return replace(hour, files={**hour.files, battery: held, **inside})

    return tuple(map(without, archive.hours))


def _by_its_parts(said: Act, files: Mapping[str, File], later: Mapping[str, File]) -> frozenset[str]:
    """What a repair told late left for what its parts were."""
    before, now = (of.get(said.battery, NOTHING).used for of in (files, later))
    return (now - before) & {"used_part"} if said.event == REPAIR else frozenset()


def lately(record: tuple[Act, ...]) -> tuple[Act, ...]:
    """What was told late since the last act of a battery that was not."""
    count = next((n for n, act in enumerate(reversed(record)) if not act.late), len(record))
    return record[len(record) - count :]


def under(record: tuple[Act, ...]) -> Act | None:
    """The last act that was not told late: what is told of a time before it rests on nothing of it (I3)."""
    early = record[: len(record) - len(lately(record))]
    return early[-1] if early else None


def _under_late(archive: Archive, act: Act, undone: Act, told: int) -> Archive:
    """The last act but what was told late is corrected; that stays, as if it had been told of the rest."""
    battery, now = act.battery, archive.of(act.battery)
    record, before = archive.record(battery), archive.before[battery]
    late, snapshots = record[-told:], before[-told:]
    since = (*snapshots[1:], archive.files)
    left = [
        marks_of(files.get(battery, NOTHING), said) | _by_its_parts(said, files, later)
        for said, files, later in zip(late, snapshots, since, strict=True)
    ]
    first = snapshots[0].get(battery, NOTHING)
    bare = replace(now, used=first.used | (now.used - frozenset().union(*left)))
    without = replace(
        archive,
        files={**archive.files, battery: bare},
        acts={**archive.acts, battery: record[:-told]},
        before={**archive.before, battery: before[:-told]},
    )
    corrected = _after_undo(without, act, undone)
    file, kept = corrected.files[battery], list[Mapping[str, File]]()
    for said, files, marks in zip(late, snapshots, left, strict=True):
        kept.append({**files, battery: file})
        ended = said.event if said.event in ("battery.dismantled", *SECOND_LIVES) else file.ended
        file = replace(file, used=file.used | marks, ended=ended)
    return replace(
        corrected,
        files={**corrected.files, battery: file},
        acts={**corrected.acts, battery: (*corrected.record(battery), *late)},
        before={**corrected.before, battery: (*corrected.before[battery], *kept)},
    )
