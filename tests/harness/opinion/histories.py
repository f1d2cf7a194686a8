"""Long seeded histories of several batteries: the law beside the real ledger at each step.

A step is one act put to the real ledger by whoever the seed chooses. At each step the invariants of the
record are asked; at each change of a battery's part of the ledger, and at the end, the whole verdict.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context

from .acts import SECOND_LIVES, Act
from .alphabet import (
    ALARMS,
    BIRTH,
    BORDER,
    CAR,
    OFFICIAL,
    OTHER_CAR,
    PASSPORTS,
    RECALLS,
    UNDOING,
    USE,
    WASTE,
    acts_of,
    is_stranger,
    more_acts_of,
)
from .bounds import ALL_GOODS, TIED, WORDS, Shown, bounds, sights, too_good
from .explore import Finding
from .kinds import LICENCES, MOVES, PUTS_ON_THE_ROAD, SHOWS_USE
from .law import Archive, after, lately, told_beside, under
from .names import further, named_by
from .ordinary import expected
from .parties import CN_CUSTOMS, EU_CUSTOMS, PARTIES, WITH_A_THIRD, name
from .reaching import reaching_back
from .record import broken
from .speaking import may_speak, may_tell
from .stage import CLAIM, CONDITIONS, REFUSED, STATE, Stage
from .third import in_third

BATTERIES = ("A", "B", "C")
ONE_UNDER_TWO = ("A", "B", "L")  # one of which the passports of the others may name as a further code
EVENTS = tuple(dict.fromkeys((
    *BIRTH, *BORDER, *USE, *PASSPORTS, *WASTE, *UNDOING, *ALARMS, *OFFICIAL, *SECOND_LIVES,
    "battery.enrolled", "battery.handed_over", "battery.replaced", "battery.dismantled",
    "vehicle.registered", "vehicle.sold", "vehicle.scrapped", "responsibility.transferred",
    "recycling.completed", "material.recovered", "negative_event", *RECALLS,
    "record.withdrawn", "record.contested",
)))  # fmt: skip
# Mostly the ordinary trade, so that histories get far; the rest of the time anything by anybody.
ORDINARY = (*BIRTH, "customs.released", "market.placed", *USE, "battery.declared_waste", "battery.dismantled",
            "second_life.remanufactured", "battery.sold", "battery.handed_over")  # fmt: skip

# A whole life, so that one statement shows another: each event as often as any.
LIVES = (
    *BIRTH, *BORDER, *USE, *WASTE, *SECOND_LIVES, "battery.dismantled", "battery.replaced",
    "vehicle.registered", "vehicle.sold", "vehicle.scrapped", "recycling.completed", "material.recovered",
    "passport.revoked", "passport.ban_lifted",
)  # fmt: skip

ONE_PAPER = Shown(registered="REG-1", beside="REG-1")  # two batteries under one registration
SIGHTS = tuple(sights(CONDITIONS, ALL_GOODS))
SUSPENDED, PUT_BACK = 0.04, 0.2  # each step: a party loses its licences; it has them again
LIFTED = 0.4  # of the steps in which somebody has no licence: it tries to lift something all the same
# What has to come together before anything comes out of a pack, as often as all the rest.
LIVES_OF_PACKS = (*LIVES, *4 * ("battery.declared_waste", "battery.sold", "battery.swapped_out"),
                  *12 * ("battery.dismantled",))  # fmt: skip
RIGHTFUL_LATE = 0.7  # of what is told late: by somebody who could have told it then
WHOLE_LIVES = 0.2  # of the acts: of a whole life, by somebody whom the law lets say it
HEARD = 0.15  # of the acts that are no state and name another battery: recorded all the same, and kept
LAPSED = 0.02  # of the acts: put to the ledger after the time that they carry
CORRECTED = 0.1  # each step where something was told late: what lies under it is corrected
REACHES = 7  # of eight seeds: what moved nothing is taken back from under what followed
TWO_CARS, OTHER = 2, 0.3  # of four seeds: there are two vehicles; of the acts about one: about the other
HOUR, AGO = 0.05, 0.15  # each step: an hour passes; somebody tells of an hour before
# Of eight seeds: in this one somebody tells twice as often of before, and then of others as well; customs say
# that goods never left, and used batteries leave on tests of before.
OF_OTHERS, NAMES_OTHERS = (
    6,
    ("battery.maintained", "battery.replaced", "battery.dismantled", "vehicle.scrapped", *PUTS_ON_THE_ROAD),
)
NEVER_LEFT, TESTED_BEFORE = 0.1, 0.5
PUT_IN = 0.5  # of the repairs that name a part: it was put in, not taken out
# In histories of parts, of the steps: what ties batteries to each other by repairs and vehicles, and what is
# against them, mostly by somebody whom the law lets say it.
OF_PARTS, RIGHTFUL = 0.85, 0.9
TIES = (
    "market.placed", *3 * ("battery.maintained", "battery.installed"), *2 * ("soh.measured",),
    "battery.recalled", "battery.recall_lifted", "battery.reported_lost", "battery.found",
    "battery.handed_over", "second_life.repurposed", "attestation.corrected", "record.withdrawn",
    "attestation.voided",
)  # fmt: skip


@dataclass
class Walks:
    """What many histories saw."""

    histories: int = 0
    steps: int = 0
    steps_max: int = 0  # of the history being walked
    recorded: int = 0
    claims: int = 0
    unlicensed: int = 0  # acts that were tried by whose licences are suspended
    late: int = 0  # recorded as told late
    words: int = 0
    clear: int = 0  # verdicts that the law needs to be clear
    tied: Counter[str] = field(default_factory=Counter)  # verdicts that a repair, or one beside, bounds
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)

    def add(self, kind: str, about: str, said: str, history: tuple[Act, ...]) -> None:
        self.findings.setdefault((kind, about, said), Finding(kind, about, said, history))

    def join(self, other: Walks) -> None:
        self.histories += other.histories
        self.steps += other.steps
        self.recorded += other.recorded
        self.claims += other.claims
        self.unlicensed += other.unlicensed
        self.late += other.late
        self.words += other.words
        self.clear += other.clear
        self.tied += other.tied
        for key, finding in other.findings.items():
            self.findings.setdefault(key, finding)

    def __str__(self) -> str:
        return (
            f"{self.histories} histories, {self.steps} steps, {self.recorded} recorded, "
            f"{self.late} late, {self.claims} claims, {self.unlicensed} tried without a licence, "
            f"{self.words} verdicts, "
            f"{self.clear} that must be clear, {len(self.findings)} findings; bounded by "
            + (", ".join(f"{what} {count}" for what, count in sorted(self.tied.items())) or "no repair")
        )


def chosen(rng: random.Random, archive: Archive, batteries: tuple[str, ...]) -> Iterator[Act]:
    """Acts without end: an event, a battery, and one of those who may try to say it."""
    while True:
        whole_life = rng.random() < WHOLE_LIVES
        events = LIVES_OF_PACKS if whole_life else ORDINARY if rng.random() < 0.6 else EVENTS
        about = rng.choice(events), rng.choice(batteries), archive, batteries
        acts = [*acts_of(*about), *more_acts_of(*about)]
        if whole_life:
            acts = [act for act in acts if may_speak(archive, act)]
        if acts:
            yield replace(rng.choice(acts), lapsed=rng.random() < LAPSED)


def liftings(archive: Archive) -> list[Act]:
    """What whoever set something, or said it last, would say so that it no longer counts; and its heirs."""
    found = [Act(r.by, "recall.lifted", r.battery, undoes=r) for r in archive.recalls]
    for battery, file in archive.files.items():
        lifting = {"recalled": "battery.recall_lifted", "lost": "battery.found"}
        for s in sorted(file.settings, key=str):
            if s.what in lifting:
                heirs = {s.by, *(p for p in (file.holder, file.responsible) if p in WITH_A_THIRD)}
                found += [Act(by, lifting[s.what], battery) for by in sorted(heirs)]
            elif s.what == "refused":
                found.append(Act(s.by, "customs.refusal_lifted", battery))
        for stop in sorted(file.stops, key=str):
            kind = "passport.ban_lifted" if stop.what == "revoked" else "passport.reinstated"
            found.append(_about_its_passport(archive, stop.by, kind, battery))
        if file.paused_by_operator and file.responsible:
            found.append(_about_its_passport(archive, file.responsible, "passport.reinstated", battery))
        for last in archive.record(battery)[-1:]:
            found.append(Act(last.by, "attestation.corrected", battery, undoes=last))
    return found


def _about_its_passport(archive: Archive, by: str, event: str, battery: str) -> Act:
    version = archive.of(battery).passport
    return Act(by, event, battery, about_version=version, about_names=named_by(archive, battery, version))


def _licensing(rng: random.Random, archive: Archive) -> Act | None:
    """A party that could lift something loses its licences, or has them again: an act of nobody here."""
    if archive.unlicensed:
        if rng.random() < PUT_BACK:
            return Act("", LICENCES[1], "", parties=tuple(archive.unlicensed))
    elif rng.random() < SUSPENDED and (lifting := liftings(archive)):
        return Act("", LICENCES[0], "", parties=(rng.choice(lifting).by,))
    return None


def _without_licence(rng: random.Random, archive: Archive) -> Act | None:
    """What whoever lost its licences would gain by: each kind of it as often as any."""
    acts = [act for act in liftings(archive) if act.by in archive.unlicensed]
    if not acts or rng.random() >= LIFTED:
        return None
    kind = rng.choice(sorted({act.event for act in acts}))
    return rng.choice([act for act in acts if act.event == kind])


def _of_before(
    rng: random.Random, archive: Archive, batteries: tuple[str, ...], *, of_others: bool
) -> Act | None:
    """A use of an hour before, told now: mostly by somebody who could have told it then."""
    if not archive.hours or rng.random() >= AGO * (1 + of_others):
        return None
    ago, events = rng.randint(1, len(archive.hours)), NAMES_OTHERS if of_others else SHOWS_USE
    then, event, battery = archive.hours[-ago], rng.choice(events), rng.choice(batteries)
    about = event, battery, then, batteries
    drawn = (*acts_of(*about), *((*more_acts_of(*about), *_with_others(about)) if of_others else ()))
    acts = [replace(act, ago=ago) for act in drawn]
    rightful = [act for act in acts if may_tell(archive, act)]
    acts = rightful if rightful and rng.random() < RIGHTFUL_LATE else acts
    return rng.choice(acts) if acts else None


def _with_others(about: tuple[str, str, Archive, tuple[str, ...]]) -> list[Act]:
    """A vehicle that is scrapped with every battery that it is said to have held, by everybody."""
    event, battery, then, batteries = about
    if event != "vehicle.scrapped":
        return []
    inside = tuple(b for b in batteries if b != battery and then.of(b).vehicle == then.of(battery).vehicle)
    return [replace(act, others=inside) for act in acts_of(*about)]


def _of_parts(rng: random.Random, archive: Archive, batteries: tuple[str, ...]) -> Act | None:
    """What ties batteries to each other, or is said against one of them."""
    if rng.random() >= OF_PARTS:
        return None
    battery = rng.choice(batteries)
    file = archive.of(battery)
    begins = BIRTH[0] if not file.exists else None if file.passport else BIRTH[1]
    about = begins or rng.choice(TIES), battery, archive, batteries
    acts = [*acts_of(*about), *more_acts_of(*about)]
    if about[0] == "battery.maintained":
        acts = [act for act in acts if act.others]
    rightful = [act for act in acts if may_speak(archive, act)]
    acts = rightful if rng.random() < RIGHTFUL else acts
    return rng.choice(acts) if acts else None


def _with_its_part(rng: random.Random, act: Act, batteries: tuple[str, ...]) -> Act:
    """A repair says which part it put in; some take another out for it."""
    if act.event != "battery.maintained" or not act.others or rng.random() >= PUT_IN:
        return act
    part, rest = act.others[0], [b for b in batteries if b not in (act.battery, *act.others)]
    out = tuple(rest[:1]) if rng.random() < PUT_IN / 2 else ()
    return replace(act, put_in=part, others=(*out, part))


def _never_left(rng: random.Random, archive: Archive, batteries: tuple[str, ...]) -> Act | None:
    """Customs set a declaration aside because the goods never left: mostly those before whom it is open."""
    declared = [(b, file.declaration[1]) for b in batteries if (file := archive.of(b)).declaration]
    if not declared or rng.random() >= NEVER_LEFT:
        return None
    battery, where = rng.choice(declared)
    theirs = EU_CUSTOMS if where == "EU" else CN_CUSTOMS
    by = theirs if rng.random() < RIGHTFUL_LATE else rng.choice((EU_CUSTOMS, CN_CUSTOMS))
    return Act(by, "customs.invalidated", battery, never_left=True)


def _under_late(rng: random.Random, archive: Archive, batteries: tuple[str, ...]) -> Act | None:
    """A record under what was told late is corrected, mostly by its author."""
    told = [(battery, act) for battery in batteries if (act := under(archive.record(battery)))]
    told = [one for one in told if lately(archive.record(one[0]))]
    # Said the same again since, late: the ledger's act names one of the two, by its bytes.
    told = [(b, act) for b, act in told if act not in (a.as_said for a in lately(archive.record(b)))]
    if not told or rng.random() >= CORRECTED:
        return None
    battery, act = rng.choice(told)
    by = act.by if rng.random() < RIGHTFUL_LATE else rng.choice(sorted(PARTIES))
    return Act(by, "attestation.corrected", battery, undoes=act)


def walk(seed: int, steps: int, start: Stage, *, of_parts: bool = False, of_three: bool = False) -> Walks:
    """One history of `steps` acts from an empty ledger.

    `of_parts`: mostly of what repairs tie together; `of_three`: between three countries.
    """
    third = random.Random(f"third {seed}")
    licences = random.Random(-1 - seed)  # of its own: who loses a licence changes no other choice
    undoing = random.Random(f"undoing {seed}")  # as well
    times, hours = random.Random(f"hours {seed}"), list[Stage]()  # of its own, too; the ledger as each ended
    cars, border = random.Random(f"cars {seed}"), random.Random(f"border {seed}")
    ties, parts = random.Random(f"ties {seed}"), random.Random(f"parts {seed}")
    rng, walks, stage, archive = (
        random.Random(seed),
        Walks(histories=1, steps_max=steps),
        start.fork(),
        Archive(),
    )
    history: tuple[Act, ...] = ()
    batteries, of_others = ONE_UNDER_TWO if seed % 2 else BATTERIES, seed % 8 == OF_OTHERS
    while walks.steps < steps:
        said = _licensing(licences, archive)
        if said is not None:
            archive = after(archive, said)
            stage.license(archive.unlicensed)
            history = (*history, said)
        if times.random() < HOUR:
            hours.append(stage.fork())
            stage.hour()
            archive = archive.hour()
        act = (
            _without_licence(licences, archive)
            or _under_late(undoing, archive, batteries)
            or (reaching_back(undoing, archive, batteries) if seed % 8 == REACHES else None)
            or (_never_left(border, archive, batteries) if of_others else None)
            or (_of_parts(ties, archive, batteries) if of_parts else None)
            or _of_before(times, archive, batteries, of_others=of_others)
            or next(chosen(rng, archive, batteries))
        )
        if seed % 4 == TWO_CARS and act.vehicle and cars.random() < OTHER:
            act = replace(act, vehicle=OTHER_CAR)
        act = _with_its_part(parts, act, batteries)
        if of_others and act.event == "used.exported" and border.random() < TESTED_BEFORE:
            act = replace(act, tested_before=True)
        if of_three:
            act = in_third(third, archive, act)
        if not stage.accredited(act):
            continue
        walks.steps += 1
        walks.unlicensed += act.by in archive.unlicensed
        outcome, step = stage.would(act)
        if outcome == CLAIM:
            walks.claims += 1
            if stage.shape(act.battery, step) != stage.shape(act.battery):
                walks.add("claim", f"{act.event} by {name(act.by)}", "changed the standing", (*history, act))
        if outcome in (CLAIM, REFUSED) and act.others and licences.random() < HEARD:
            history = (*history, act)
            stage.take(act, step)
            archive = told_beside(archive, act)
            for battery in (act.battery, *act.others):
                _judge(stage, archive, battery, history, walks)
        if outcome != STATE:
            if act.ago and archive.unlicensed.isdisjoint({act.by, *act.countersigned}):
                _hold_told(stage, hours[-act.ago], archive, (*history, act), walks)
            continue
        said = replace(act, late=stage.told_late(act, step))
        if said.late and not said.ago:
            walks.add("late", act.event, "of now", (*history, act))
        walks.late += said.late
        history = (*history, said)
        if not may_speak(archive, said):
            walks.add("speaks", f"{act.event} by {name(act.by)}", "recorded as state", history)
            if is_stranger(act, archive):
                break
        stage.take(act, step)
        archive = after(archive, said)
        walks.recorded += 1
        reached = batteries if of_parts or act.event in RECALLS else {act.battery, *act.others}
        for battery in reached:
            _hold(stage, archive, battery, history, walks)
            _judge(stage, archive, battery, history, walks)
    for battery in batteries:
        _judge(stage, archive, battery, history, walks)
    return walks


def _hold_told(
    stage: Stage, then_stage: Stage, archive: Archive, history: tuple[Act, ...], walks: Walks
) -> None:
    """I6: what the ledger would have recorded at its time it records late, whatever happened meanwhile.

    But for what ended for good meanwhile, what was made anew since or by somebody who took that back, what
    names others, of which something else is on record now, where authorities said that something of it never
    was, and what waits until a battery that is reported lost is found (X18): then it is recorded.
    """
    act = history[-1]
    now, then = archive.of(act.battery), archive.hours[-act.ago].of(act.battery)
    voidings = [said for said in history if said.event == "attestation.voided"]
    voided = any(act.battery in (said.battery, *(said.undoes or said).others) for said in voidings)
    anew = (stage.standing(act.battery).production_time or 0) > then_stage.world.now
    makers = {hour.of(act.battery).maker for hour in archive.hours[-act.ago :]} | {then.maker}
    anew = anew or (then.enrolled and not now.enrolled)  # it gave way to what its maker made of another
    # What it was made as was taken back, and it came out of a pack since.
    was_made, is_made = (
        any(said.event == BIRTH[0] for said in one.record(act.battery))
        for one in (archive.hours[-act.ago], archive)
    )
    anew = anew or (was_made and not is_made)
    if now.ended == "recycling.completed" or makers != {now.maker} or now.disputed or voided or anew:
        return
    if act.event in MOVES and now.is_set("lost"):
        return
    if not act.others and then_stage.would(replace(act, ago=0))[0] == STATE:
        walks.add("untold", f"{act.event} by {name(act.by)}", "not recorded", history)


def _hold(stage: Stage, archive: Archive, battery: str, history: tuple[Act, ...], walks: Walks) -> None:
    for about, said in broken(archive.of(battery), stage.standing(battery)):
        walks.add("record", about, said, history)


def _judge(stage: Stage, archive: Archive, battery: str, history: tuple[Act, ...], walks: Walks) -> None:
    """Ask the whole verdict: at a change in one way, each time another; at the end in a dozen."""
    file, beside = archive.bound(battery), [archive.bound(name) for name in further(archive, battery)]
    if not file.exists:
        return
    # Whose licence is suspended is told with what it said, and that may be worse than clear.
    for shown in expected(archive, battery) if not archive.unlicensed else ():
        walks.clear += 1
        word = stage.word(battery, shown, CAR)
        if word != WORDS[0]:
            walks.add("worse", f"nothing but the ordinary trade ({shown.direction})", word, history)
    at_end = walks.steps == walks.steps_max
    turn = len(history)
    for shown in (
        (*SIGHTS[: len(CONDITIONS)], *SIGHTS[turn % 18 :: 18], ONE_PAPER)
        if at_end
        else (SIGHTS[turn % len(SIGHTS)],)
    ):
        if not (found := bounds(file, shown, beside)):
            continue
        walks.words += 1
        walks.tied.update({ground for _, ground in found if ground in TIED})
        word = stage.word(battery, shown, CAR)
        for _, ground in too_good(file, shown, word, beside):
            walks.add(
                "word", f"{ground} ({shown.jurisdiction} {shown.direction}, {shown.goods})", word, history
            )


def _lives(rng: random.Random, archive: Archive) -> Act:
    """One act of a whole life, by somebody whom the law lets say it."""
    while True:
        event, battery = rng.choice(LIVES), rng.choice(BATTERIES)
        acts = [a for a in acts_of(event, battery, archive, BATTERIES) if may_speak(archive, a)]
        if acts:
            return rng.choice(acts)


def recorded(seed: int, steps: int, start: Stage) -> tuple[Act, ...]:
    """The acts of a seeded history that rightful parties made and that were recorded; nothing is judged."""
    rng, stage, archive = random.Random(seed), start.fork(), Archive()
    history: tuple[Act, ...] = ()
    for _ in range(steps):
        act = _lives(rng, archive)
        if not stage.accredited(act):
            continue
        outcome, step = stage.would(act)
        if outcome == STATE:
            history = (*history, act)
            stage.take(act, step)
            archive = after(archive, act)
    return history


def many(seeds: range, steps: int, *, of_parts: bool = False, of_three: bool = False) -> Walks:
    """One history per seed."""
    walks, start = Walks(), Stage.new(WITH_A_THIRD if of_three else PARTIES)
    for seed in seeds:
        walks.join(walk(seed, steps, start, of_parts=of_parts, of_three=of_three))
    return walks


def side_by_side(
    seeds: range, steps: int, processes: int = 2, *, of_parts: bool = False, of_three: bool = False
) -> Walks:
    """The same, shared among processes."""
    shares = [seeds[n::processes] for n in range(processes)]
    walks = Walks()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for share in pool.map(
            partial(many, of_parts=of_parts, of_three=of_three), shares, [steps] * processes
        ):
            walks.join(share)
    return walks
