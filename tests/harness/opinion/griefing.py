"""Strangers beside honest trades (I5): each event, by each party that may not speak, at each state.

An act put beside the honest ones is compared with a world in which the same party claimed the same of another
battery at that moment: heights, times and places in the log are the same, and what is left to differ is what
the act did. Of a claim that is the check `standing.claims`; of a refusal on record (a second
presentation, X12) the check `standing.identity`, a refused step of the timeline, and the
number of entries that `ledger` says were read: nothing louder than a warning. Word, main reason, ground,
every other check, gaps, sources, timeline and passport are the same (`difference`).

An hour passes after each honest act, and what shows use is also told late, of an hour before. Beside them
lies a battery in use that any trade of the place repairs: of that everybody says that the one judged is a
part, came out of it, was made of it or was put in for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from .acts import Act, own_code
from .alphabet import CAR, CUSTOMS, EVERYBODY, OTHER_CAR, acts_of, more_acts_of
from .bounds import Shown, sights
from .heard import OUT_OF_ANOTHER, REPAIR
from .kinds import TOLD_LATE
from .law import Archive, after
from .parties import EU_CUSTOMS, HOLDER, MAKER, STRANGER, name
from .rights import has_right
from .speaking import may_speak
from .stage import ANOTHER, CLAIM, CONDITIONS, REFUSED, STATE, Stage
from .trades import Trade

IN_USE = (
    Act(MAKER, "battery.produced", ANOTHER),
    Act(MAKER, "battery.exported", ANOTHER, parties=(HOLDER,)),
    Act(HOLDER, "battery.presented", ANOTHER, declaration="26NLTEST000009"),
    Act(EU_CUSTOMS, "customs.released", ANOTHER),
    Act(HOLDER, "market.placed", ANOTHER),
    Act(HOLDER, "battery.installed", ANOTHER, vehicle=OTHER_CAR),
)
OF_A_VEHICLE = ("battery.replaced", "vehicle.scrapped")
NAMING = (REPAIR, *OUT_OF_ANOTHER, *OF_A_VEHICLE)
NEUTRAL = Act(STRANGER, "battery.sold", ANOTHER, parties=(HOLDER,))
TOLD_OF = ("standing.claims", "standing.identity")  # what somebody else said, or lost


SIGHTS = tuple(sights(CONDITIONS))

QUIET = ("pass", "warn")


@dataclass
class Count:
    """What was tried, and what it did."""

    states: int = 0
    tried: int = 0
    claims: int = 0
    refused: int = 0  # on record as refused
    unheard: int = 0  # not recorded at all
    late: int = 0  # of those tried: of an hour before
    named: int = 0  # of those tried: about the other battery, naming this one
    elsewhere: int = 0  # of these: state of that other one
    compared: int = 0
    went_on: int = 0  # the honest holder's next act, recorded beside it
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.states} states, {self.tried} acts of those who may not speak, {self.claims} claims, "
            f"{self.refused} refusals on record, {self.unheard} not recorded ({self.late} late, {self.named} "
            f"that name it, {self.elsewhere} of them state of another); {self.compared} verdicts "
            f"compared, {self.went_on} next acts recorded, {len(self.findings)} differences"
        )


@cache
def beginning() -> Stage:
    """A ledger on which another battery lies in use: claims about it are nothing to the one judged."""
    stage = Stage.new()
    for act in IN_USE:
        _record(stage, act)
    return stage


def _begun() -> Archive:
    archive = Archive()
    for act in IN_USE:
        archive = after(archive, act)
    return archive


def _record(stage: Stage, act: Act) -> None:
    outcome, step = stage.would(act)
    assert outcome == STATE, f"{act}: {outcome}"
    stage.take(act, step)


def everything(archive: Archive, battery: str, events: Iterable[str]) -> Iterator[Act]:
    """Each event about a battery by everybody, with the members that the alphabet gives it."""
    batteries = (battery, ANOTHER)
    for event in events:
        found = list(acts_of(event, battery, archive, batteries))
        yield from found
        # Whoever is not in the alphabet of an event tries it all the same, in another's words.
        said_by = {act.by for act in found}
        for by in (*EVERYBODY, *CUSTOMS):
            if found and by not in said_by:
                said_by.add(by)
                like = found[0]
                yield Act(
                    by, event, battery, like.parties, like.others, like.vehicle, like.declaration,
                    like.version, like.about_version, like.undoes, like.countersigned,
                )  # fmt: skip


def late_of(acts: Iterable[Act], hours: int) -> Iterator[Act]:
    """What shows use, told of an hour before: each of another hour."""
    for turn, act in enumerate(act for act in acts if hours and act.event in TOLD_LATE):
        yield replace(act, ago=1 + turn % hours)


def namings_of(archive: Archive, battery: str) -> Iterator[Act]:
    """Everything that is said of the other battery and names this one."""
    for event in NAMING:
        about = event, ANOTHER, archive, (ANOTHER, battery)
        found = [act for act in (*acts_of(*about), *more_acts_of(*about)) if act.others == (battery,)]
        vehicle = OTHER_CAR if event in OF_A_VEHICLE else None
        yield from dict.fromkeys(replace(act, vehicle=vehicle) for act in found)


def tried_by_strangers(
    archive: Archive, battery: str, events: Iterable[str], share: slice, now: slice
) -> Iterator[Act]:
    """What everybody says of a battery without a right over it, now, late, and of another battery.

    `share`: which of what is said late or of the other one is tried; `now`: which of the rest.
    """
    plain = list(everything(archive, battery, events))
    yield from [act for act in plain if not may_speak(archive, act)][now]
    for act in list(late_of(plain, len(archive.hours)))[share]:
        if not (may_speak(archive, act) or may_speak(archive, replace(act, late=True))):
            yield act
    file = archive.of(battery)
    for act in list(namings_of(archive, battery))[share]:
        if not (own_code(act.by, battery) or has_right(file, act)):
            yield act


def told(stage: Stage, battery: str, shown: Shown) -> dict[str, Any]:
    """The whole verdict but what it says of claims and refusals, which must be no more than a warning."""
    found: dict[str, Any] = stage.judged(battery, shown, CAR).as_dict()
    found["louder"] = [c for c in found["checks"] if c["name"] in TOLD_OF and c["outcome"] not in QUIET]
    found["checks"] = [c for c in found["checks"] if c["name"] not in TOLD_OF]
    for check in found["checks"]:
        if check["name"] == "ledger":
            check["evidence"].pop("entries", None)
    found["timeline"] = [step for step in found["timeline"] if step["state"] != "refused"]
    return found


def difference(without: dict[str, Any], beside: dict[str, Any]) -> list[str]:
    """The members of a verdict that are not the same."""
    found = [key for key in without if key != "checks" and without[key] != beside.get(key)]
    checks = zip(without["checks"], beside["checks"], strict=False)
    found += [f"{a['name']}: {a['reason']} -> {b['reason']}" for a, b in checks if a != b]
    return found + (["checks"] if len(without["checks"]) != len(beside["checks"]) else [])


def spoil(trades: Iterable[Trade], views: int, every: int = 1, every_now: int = 1) -> Count:
    """Each state of the trades, with everything that strangers say there; `views` sights per claim.

    Of what they say late, or of another battery, one in `every`, of the rest one in `every_now`: in each
    state others.
    """
    count, seen = Count(), set[tuple[Act, ...]]()
    for trade in trades:
        for upto in range(len(trade.acts)):
            acts = trade.acts[:upto]
            if (*acts, trade.acts[upto]) in seen:
                continue
            seen.add((*acts, trade.acts[upto]))
            shares = (slice(count.states % n, None, n) for n in (every, every_now))
            _spoil_state(acts, trade.acts[upto], trade.battery, count, views, *shares)
    return count


def _spoil_state(  # noqa: PLR0917
    acts: tuple[Act, ...], then: Act, battery: str, count: Count, views: int, share: slice, now: slice
) -> None:
    stage, archive = beginning().fork(), _begun()
    for act in acts:
        _record(stage, act)
        archive = after(archive, act).hour()
        stage.hour()
    count.states += 1
    undisturbed = stage.fork()
    outcome, step = undisturbed.would(NEUTRAL)
    assert outcome == CLAIM, outcome
    undisturbed.take(NEUTRAL, step)
    later = undisturbed.fork()
    _record(later, then)
    known: dict[tuple[bool, Shown], dict[str, Any]] = {}
    for act in tried_by_strangers(archive, battery, stage.book.attesters, share, now):
        if not stage.accredited(act):
            continue
        count.tried += 1
        count.late += bool(act.ago)
        count.named += act.battery == ANOTHER
        outcome, step = stage.would(act)
        if outcome == STATE and act.battery == battery:
            count.findings.append(f"{act} by {name(act.by)} became state, after {_steps(acts)}")
        elsewhere = outcome == STATE and act.battery == ANOTHER
        count.elsewhere += elsewhere
        if outcome not in (CLAIM, REFUSED) and not elsewhere:
            count.unheard += 1
            continue
        beside = stage.fork()
        beside.take(act, step)
        turn = count.claims + count.refused + count.elsewhere
        count.claims += outcome == CLAIM
        count.refused += outcome == REFUSED
        _compare(undisturbed, beside, battery, (act, acts), known, count, turn, views, went_on=False)
        outcome, step = beside.would(then)
        if outcome != STATE:
            count.findings.append(f"{then} is {outcome} beside {act}, after {_steps(acts)}")
            continue
        beside.take(then, step)
        count.went_on += 1
        _compare(later, beside, battery, (act, acts), known, count, turn, views, went_on=True)


def _compare(  # noqa: PLR0917
    without: Stage,
    beside: Stage,
    battery: str,
    told_of: tuple[Act, tuple[Act, ...]],
    known: dict[tuple[bool, Shown], dict[str, Any]],
    count: Count,
    turn: int,
    views: int,
    *,
    went_on: bool,
) -> None:
    """Compare the verdicts in `views` of the ways to show it, other ones each time."""
    for n in range(views):
        shown = SIGHTS[(turn * views + n) % len(SIGHTS)]
        if (went_on, shown) not in known:
            known[went_on, shown] = told(without, battery, shown)
        count.compared += 1
        if found := difference(known[went_on, shown], told(beside, battery, shown)):
            act, acts = told_of
            count.findings.append(f"{act}: {', '.join(found)} as {shown}, after {_steps(acts)}")


def _steps(acts: tuple[Act, ...]) -> str:
    return "; ".join(map(str, acts)) or "nothing"
