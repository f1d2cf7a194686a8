"""The acts that the explorer tries: every kind of statement, by each party that its role lets make it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .acts import SECOND_LIVES, Act
from .bounds import Shown
from .heard import WITHDRAWING
from .law import Archive
from .names import LINK, named_by
from .packs import FATES, content
from .parties import (
    CAR_MAKER,
    CN_AUTHORITY,
    CN_CUSTOMS,
    EU_AUTHORITY,
    EU_CUSTOMS,
    HOLDER,
    MAKER,
    PARTIES,
    RIVAL,
    STRANGER,
    is_authority,
)

OURS, THEIRS = "26NLTEST000001", "26NLTEST000002"
CAR, OTHER_CAR = "ZZ9DEM0E0T0000039", "ZZ9DEM0E0T0000047"
EVERYBODY = tuple(did for did in PARTIES if did != CAR_MAKER)  # it is in the trades alone
AUTHORITIES = (CN_AUTHORITY, EU_AUTHORITY)
CUSTOMS = (EU_CUSTOMS, CN_CUSTOMS)
RIGHTFUL = (MAKER, HOLDER, CN_AUTHORITY, EU_CUSTOMS)
OPERATORS = (MAKER, RIVAL, HOLDER, STRANGER)


@dataclass(frozen=True, slots=True)
class Deck:
    """A choice of events and parties, so that what belongs together is explored to its end."""

    name: str
    events: tuple[str, ...]
    parties: tuple[str, ...] = EVERYBODY
    batteries: tuple[str, ...] = ("A",)
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()  # battery: the events tried on it, if not all
    more: tuple[str, ...] = ()  # events that are tried in the further ways of long histories as well
    sights: tuple[Shown, ...] = ()  # ways in which a battery is shown beside the plain ones
    start: tuple[Act, ...] = ()  # what happened before: each of them counts

    def acts(self, archive: Archive) -> Iterator[Act]:
        """What anybody may try to say next; which of it counts is for the ledger and for the law."""
        only = dict(self.only)
        for battery in self.batteries:
            for event in only.get(battery, self.events):
                about = event, battery, archive, self.batteries
                more = more_acts_of(*about) if event in self.more else ()
                yield from (act for act in (*acts_of(*about), *more) if act.by in self.parties)


def acts_of(event: str, battery: str, archive: Archive, batteries: tuple[str, ...]) -> Iterator[Act]:
    """One event by everybody; with the parties, declarations and versions that matter to it."""
    file = archive.of(battery)
    others = tuple(b for b in batteries if b != battery)
    plain = {
        "battery.installed", "battery.swapped_out", "vehicle.scrapped", "vehicle.registered", "vehicle.sold",
    }  # fmt: skip
    if event == "battery.produced":
        yield Act(MAKER, event, battery)
        if others:
            yield Act(MAKER, event, battery, others=others)
    elif event in ("battery.exported", "market.placed", "waste.exported", "battery.declared_waste"):
        for by in EVERYBODY:
            yield Act(by, event, battery, parties=(HOLDER,) if by != HOLDER else ())
    elif event in ("battery.sold", "battery.handed_over", "responsibility.transferred", *OFFICIAL):
        agreed = (HOLDER,) if event in ("battery.handed_over", "responsibility.transferred") else ()
        for by in (b for b in EVERYBODY if b != HOLDER):
            yield Act(by, event, battery, parties=(HOLDER,), countersigned=agreed)
    elif event == "battery.presented":
        yield from (Act(by, event, battery, declaration=OURS) for by in (HOLDER, EU_CUSTOMS, CN_CUSTOMS))
        yield Act(RIVAL, event, battery, declaration=THEIRS)
    elif event in plain:
        yield from (Act(by, event, battery, vehicle=CAR) for by in EVERYBODY)
    elif event == "battery.replaced":
        for other in others:
            yield from (Act(by, event, battery, vehicle=CAR, others=(other,)) for by in OPERATORS)
    elif event in (*SECOND_LIVES, "battery.dismantled"):
        for other in others:
            for by in OPERATORS:
                agreed = () if by == file.responsible or file.responsible is None else (file.responsible,)
                yield Act(by, event, battery, others=(other,), countersigned=agreed)
    elif event in ("passport.published", "passport.superseded"):
        version = (
            min(file.passport + 1, 2) if event == "passport.superseded" else _next_version(archive, battery)
        )
        about = file.passport if event == "passport.superseded" else 0
        said = Act("", event, battery, version=version, about_version=about)
        said = replace(said, about_names=named_by(archive, battery, about))
        yield from (replace(said, by=by) for by in OPERATORS)
    elif event.startswith("passport."):
        version = _last_version(archive, battery)
        said = Act("", event, battery, about_version=version)
        said = replace(said, about_names=named_by(archive, battery, version))
        yield from (replace(said, by=by) for by in (*OPERATORS, *AUTHORITIES) if version)
    elif event == "customs.moved":
        yield from (Act(by, event, battery, parties=(EU_CUSTOMS,)) for by in CUSTOMS)
    elif event in ("record.contested", "record.withdrawn"):
        for undone in archive.record(battery)[-1:]:
            yield from (Act(by, event, battery, undoes=undone) for by in (HOLDER, STRANGER, *AUTHORITIES))
    elif event == "attestation.corrected":
        for undone in archive.record(battery)[-1:]:
            yield Act(undone.by, event, battery, undoes=undone)
    elif event == "attestation.voided":
        for undone in archive.record(battery)[-1:]:
            yield Act(CN_AUTHORITY, event, battery, undoes=undone, countersigned=(EU_AUTHORITY,))
    elif not event.startswith("recall."):
        yield from (Act(by, event, battery) for by in EVERYBODY)


def more_acts_of(event: str, battery: str, archive: Archive, batteries: tuple[str, ...]) -> Iterator[Act]:
    """Acts for long histories alone: they would make the states of a deck too many to exhaust."""
    others = tuple(b for b in batteries if b != battery)
    if event == "battery.produced":  # with what is in it, of which the first may be shown alone
        yield from (Act(MAKER, event, battery, inside=inside) for inside in (others[:1], others[1:], others))
        yield from (Act(MAKER, event, battery, weights=(("mass_grams", grams),)) for grams in MADE_GRAMS)
    elif event == "battery.maintained":  # with the part that is taken out
        yield from (Act(by, event, battery, others=(other,)) for other in others for by in EVERYBODY)
    elif event in SECOND_LIVES:
        made = acts_of(event, battery, archive, batteries)
        yield from (replace(act, tested_in="CN") for act in made)
    elif event == "battery.dismantled":
        yield from _taken_apart(battery, archive, others)
    elif event == "recycling.completed":
        yield from (Act(by, event, battery, weights=weights) for by in OPERATORS for weights in WEIGHED)
    elif event == "material.recovered":
        yield from (Act(by, event, battery, weights=weights) for by in OPERATORS for weights in LOTS)
    elif event == "battery.presented":  # before an office named
        yield Act(HOLDER, event, battery, parties=(CN_CUSTOMS,), declaration=THEIRS)
        yield Act(RIVAL, event, battery, parties=(CN_CUSTOMS,), declaration=OURS)
    elif event == "customs.moved":
        yield Act(EU_CUSTOMS, event, battery, parties=(CN_CUSTOMS,))
    elif event == "record.contested":
        for undone in archive.record(battery)[-1:]:
            yield from (Act(by, event, battery, undoes=undone) for by in (MAKER, RIVAL, *CUSTOMS))
    elif event in WITHDRAWING:  # what was recorded, and is no state
        beside = (h.act for h in archive.heard[-3:] if h.act not in archive.record(battery))
        for undone in (act for act in beside if act.battery == battery):
            voided = Act(CN_AUTHORITY, event, battery, undoes=undone, countersigned=(EU_AUTHORITY,))
            alone = (Act(by, event, battery, undoes=undone) for by in AUTHORITIES)
            yield from (voided,) if event == "attestation.voided" else alone
    elif event in ("passport.published", "passport.superseded"):
        further = next((other for other in others if LINK in (battery[0], other[0])), None)
        acts = acts_of(event, battery, archive, batteries) if further is not None else ()
        named = [replace(act, names=(str(further),)) for act in acts]
        yield from 2 * named  # as a rule it names it
        if event == "passport.published":
            yield from _instead(battery, archive)
    elif event == "recall.published" and not battery.startswith(LINK):
        for by in (MAKER, RIVAL, *AUTHORITIES):
            yield from (
                Act(by, event, battery, scope=scope) for scope in ("batch", "model", "days", "other_days")
            )
            yield Act(by, event, battery, others=batteries[:2], scope="item")
    elif event == "recall.lifted":
        for published in archive.recalls[-2:]:
            yield from (
                Act(by, event, published.battery, undoes=published) for by in (MAKER, RIVAL, *AUTHORITIES)
            )


def _taken_apart(battery: str, archive: Archive, others: tuple[str, ...]) -> Iterator[Act]:
    """A pack taken apart by everybody: one, or what its maker said is in it, with each fate."""
    responsible, whole = archive.of(battery).responsible, content(archive, battery)
    for children in dict.fromkeys((whole, others[:1], others[-1:])):
        for by in OPERATORS if children else ():
            agreed = () if responsible in (by, None) else (responsible,)
            apart = Act(by, "battery.dismantled", battery, others=children, countersigned=agreed)
            yield from (replace(apart, fates=(fate,) * len(children)) for fate in FATES)
            yield replace(apart, fates=(*FATES[-2:], FATES[0])[-len(children) :])


def _instead(battery: str, archive: Archive) -> Iterator[Act]:
    """A publication in place of one that was recorded, or that was signed and came to nothing so far."""
    event = "passport.published"
    for by in OPERATORS:
        recorded = [act for act in archive.record(battery)[-3:] if act.event == event]
        for old in (*recorded, Act(by, event, battery, version=_next_version(archive, battery))):
            yield Act(by, event, battery, version=old.version + 1, replaces=old)


def _last_version(archive: Archive, battery: str) -> int:
    return max((act.version for act in archive.record(battery)), default=0)


def _next_version(archive: Archive, battery: str) -> int:
    return min(_last_version(archive, battery) + 1, 2)


# Nothing recovered, all of it, of one metal more than there was, of one that nobody weighed before.
WEIGHED = (
    (("co_in_grams", 7), ("co_out_grams", 0)),
    (("li_in_grams", 7), ("li_out_grams", 7)),
    (("ni_in_grams", 7), ("ni_out_grams", 8)),
    (("mn_in_grams", 0), ("mn_out_grams", 1)),
    (("mn_out_grams", 1),),
    (("cu_in_grams", 350),),
    (("cu_in_grams", 351),),
    (("mn_in_grams", 301),),
)
MADE_GRAMS = (452_500, 100_000)  # as its passport says, and otherwise
LOTS = ((("mass_grams", 500),), (("mass_grams", 501),), (("mass_grams", 250),))

OFFICIAL = ("custody.assigned", "end_of_life.certified")
BIRTH = ("battery.produced", "passport.published", "battery.exported", "battery.presented")
BORDER = ("customs.suspended", "customs.released", "customs.refused", "customs.invalidated",
          "customs.moved", "customs.refusal_lifted", "market.placed")  # fmt: skip
USE = ("battery.installed", "battery.swapped_out", "battery.maintained", "soh.measured")
RECALLS = ("recall.published", "recall.lifted")
PASSPORTS = ("passport.superseded", "passport.suspended", "passport.reinstated", "passport.revoked",
             "passport.ban_lifted")  # fmt: skip
WASTE = ("battery.sold", "battery.declared_waste", "waste.collected", "soh.measured", "waste.exported",
         "used.exported", "recycling.received")  # fmt: skip
UNDOING = ("attestation.corrected", "attestation.voided")
ALARMS = ("battery.reported_lost", "battery.recalled", "battery.recall_lifted", "battery.found")
TWO = ("battery.declared_waste", "battery.dismantled", "second_life.remanufactured", "waste.exported",
       "market.placed", "soh.measured")  # fmt: skip

DECKS = {
    # With what is undone in one deck they are more than fifty thousand states, and growing.
    "use": Deck("use", (*BIRTH, "customs.released", "market.placed", *USE)),
    "undone": Deck("undone", (*BIRTH[:2], "market.placed", *USE[:2], "soh.measured", *UNDOING)),
    "passport": Deck("passport", (*BIRTH, *PASSPORTS, *UNDOING)),
    "waste": Deck("waste", (*BIRTH, "market.placed", *WASTE)),
    "border": Deck("border", (*BIRTH, *BORDER)),
    "lost": Deck("lost", (*BIRTH, *ALARMS[::3])),
    "recall": Deck("recall", (*BIRTH, "market.placed", *ALARMS[1:3])),
    # Hands, offices and vehicles in one deck are states without end (38,735, and growing, at depth 5): so
    # each by itself, with what the others of it rest on.
    "hands": Deck("hands", (*BIRTH, "battery.enrolled", "battery.handed_over", "market.placed")),
    "offices": Deck("offices", (*BIRTH, "battery.enrolled", *OFFICIAL)),
    "vehicles": Deck(
        "vehicles",
        (
            *BIRTH[:2],
            "market.placed",
            "battery.installed",
            "vehicle.sold",
            "battery.handed_over",
            "battery.swapped_out",
        ),
    ),
    "two": Deck("two", (*BIRTH, *TWO), RIGHTFUL, ("A", "B")),
}
# The ordinary trade of rightful parties alone, in short decks: what the eight known routes are made of.
ROUTE_DECKS = {
    "use": Deck("use", (*BIRTH, "customs.released", "market.placed", "battery.installed",
                        "battery.swapped_out"), RIGHTFUL),
    "passport": Deck("passport", (*BIRTH[:2], "battery.exported", "battery.presented", *PASSPORTS), RIGHTFUL),
    "waste": Deck("waste", (*BIRTH, "battery.declared_waste", "soh.measured", "waste.exported"), RIGHTFUL),
    "parts": Deck("parts", (*BIRTH, "battery.declared_waste", "battery.dismantled",
                            "soh.measured", "waste.exported"),
                  RIGHTFUL, ("A", "B"), (("B", BIRTH[:2]),)),
    "second life": Deck("second life", (*BIRTH, "battery.declared_waste", "second_life.remanufactured"),
                        RIGHTFUL, ("A", "B"), (("B", BIRTH[:2]),)),
}  # fmt: skip


_ON_SHELF = (
    *(Act(MAKER, "battery.produced", battery) for battery in ("A", "B")),
    Act(MAKER, "passport.published", "B", version=1),
)
_SOLD = Act(MAKER, "market.placed", "A", parties=(HOLDER,))
_HANDED_OVER = Act(MAKER, "battery.handed_over", "A", parties=(HOLDER,), countersigned=(HOLDER,))
_WASTE = Act(MAKER, "battery.declared_waste", "A", parties=(HOLDER,))
_A_PACK = Act(MAKER, "battery.produced", "A", inside=("B",))
TRADERS = (MAKER, RIVAL, STRANGER, HOLDER, EU_CUSTOMS, CN_CUSTOMS)
# Small decks, each to its fixpoint in seconds: what a planted bug must not get past.
WATCH_DECKS = {
    "use": Deck("use", (*BIRTH[:2], "market.placed", *USE[:2], "soh.measured", "attestation.corrected"),
                (MAKER, STRANGER, HOLDER)),
    "border": Deck("border", (*BIRTH, "customs.released", "customs.refused"), TRADERS),
    "end": Deck("end", (*BIRTH[:2], "battery.recalled", "battery.recall_lifted", "battery.declared_waste",
                        "attestation.corrected"), (MAKER, STRANGER, HOLDER, CN_AUTHORITY, EU_AUTHORITY)),
    "passport": Deck("passport", (*BIRTH[:2], *PASSPORTS), (MAKER, CN_AUTHORITY, EU_AUTHORITY)),
    "made": Deck("made", BIRTH[:2], (MAKER,), more=BIRTH[:1],
                 sights=(Shown(registered="REG-1", beside="REG-1"),)),
    "repaired": Deck("repaired", ("battery.installed", "battery.maintained", "record.withdrawn",
                                  "attestation.voided"),
                     (MAKER, STRANGER, HOLDER, CN_AUTHORITY), ("A", "B"), (("B", ()),),
                     ("battery.maintained",), start=(*_ON_SHELF, _SOLD)),
    "made of another": Deck("made of another",
                            ("battery.declared_waste", "second_life.remanufactured", "attestation.voided"),
                            (MAKER, HOLDER, CN_AUTHORITY), ("A", "B"), (("B", ()),),
                            ("attestation.voided",), start=(*_ON_SHELF, _HANDED_OVER)),
    "a pack": Deck("a pack", ("battery.declared_waste", "battery.dismantled", "second_life.remanufactured",
                              "passport.published"),
                   (MAKER,), ("A", "B"), (("B", ("passport.published",)),),
                   ("battery.dismantled", "second_life.remanufactured"), start=(_A_PACK,)),
    # B is its maker's stock; into A its maker gave something else.
    "not given": Deck("not given", ("battery.dismantled",), (MAKER, HOLDER), ("A", "B"), (("B", ()),),
                      start=(replace(_A_PACK, inside=("C",)), _ON_SHELF[1], _WASTE)),
    "out of waste": Deck("out of waste", ("second_life.remanufactured",), (MAKER, HOLDER), ("A", "B"),
                         (("B", (*BIRTH[:2], "battery.sold", "soh.measured")),),
                         ("second_life.remanufactured",), start=(_ON_SHELF[0], _WASTE)),
}  # fmt: skip


def is_stranger(act: Act, archive: Archive) -> bool:
    """Neither holder nor named nor an authority."""
    file = archive.of(act.battery)
    return act.by not in (file.holder, file.responsible, *file.named) and not is_authority(act.by)
