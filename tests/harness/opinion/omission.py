"""Omission never pays (I6), over long histories: what a remaining statement presupposes or shows is left out.

A history of the opinion's walker is replayed without one statement, as if its author had kept silent. Where
everything else is still recorded, no battery it was about gets a better word in any of the ways to show it.
Where the ledger asks for it (what follows is not recorded without it), nothing is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .acts import SECOND_LIVES, Act
from .alphabet import CAR
from .bounds import WORDS, Shown
from .histories import SIGHTS, recorded
from .kinds import EXPORTS
from .stage import STATE, Stage

OUT_OF_A_VEHICLE = ("battery.swapped_out", "battery.replaced", "vehicle.registered", "vehicle.sold",
                    "vehicle.scrapped")  # fmt: skip
OF_WASTE = ("waste.collected", "waste.exported", "battery.dismantled", "recycling.received",
            "second_life.prepared_for_reuse", "second_life.prepared_for_repurposing")  # fmt: skip
# What is left out: by what of the same battery it is presupposed or shown.
SHOWN_BY = {
    **dict.fromkeys(EXPORTS, ("battery.presented", "customs.released", "customs.refused", "market.placed")),
    "battery.presented": ("customs.released", "customs.refused", "customs.suspended"),
    "battery.installed": (*OUT_OF_A_VEHICLE, "used.exported"),
    "battery.swapped_out": ("used.exported",),
    "battery.replaced": ("used.exported",),
    "battery.declared_waste": OF_WASTE,
    "vehicle.scrapped": OF_WASTE,
    "waste.collected": ("recycling.received", "waste.exported"),
    "battery.dismantled": ("waste.exported",),
    "passport.revoked": ("passport.ban_lifted",),
    "customs.refused": ("customs.refusal_lifted",),
}


@dataclass
class Count:
    """What was left out, and what came of it."""

    histories: int = 0
    left_out: int = 0
    asked_for: int = 0  # what follows is not recorded without it
    words: int = 0
    by_event: dict[str, int] = field(default_factory=dict)
    better: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{event} {n}" for event, n in sorted(self.by_event.items()))
        return (
            f"{self.histories} histories, {self.left_out} statements left out, {self.asked_for} asked for by "
            f"what follows, {self.left_out - self.asked_for} compared in {self.words} words ({kinds}): "
            f"{len(self.better)} better"
        )


def omissible(history: tuple[Act, ...]) -> Iterator[int]:
    """The places of statements that a later one presupposes or shows."""
    for place, act in enumerate(history):
        later = history[place + 1 :]
        shown = any(
            then.battery == act.battery and then.event in SHOWN_BY.get(act.event, ()) for then in later
        )
        # A second life is told twice: of what was consumed, and by the production of what it became.
        twice = act.event in SECOND_LIVES and any(
            then.event == "battery.produced" and then.battery in act.others and act.battery in then.others
            for then in later
        )
        if shown or twice:
            yield place


def replayed(history: tuple[Act, ...], start: Stage) -> Stage | None:
    """The ledger after a history; None if one of its statements is not recorded."""
    stage = start.fork()
    for act in history:
        outcome, step = stage.would(act)
        if outcome != STATE:
            return None
        stage.take(act, step)
    return stage


def leave_out(seeds: range, steps: int, views: int = 6) -> Count:
    """One history per seed, and it again without each statement that another shows."""
    count, start = Count(), Stage.new()
    for seed in seeds:
        count.histories += 1
        history = recorded(seed, steps, start)
        full: Stage | None = None
        for place in omissible(history):
            count.left_out += 1
            act, rest = history[place], history[:place] + history[place + 1 :]
            told = replayed(rest, start)
            if told is None:
                count.asked_for += 1
                continue
            full = full or replayed(history, start)
            assert full is not None, "a recorded history is recorded again"
            count.by_event[act.event] = count.by_event.get(act.event, 0) + 1
            for battery in _shown_of(act):
                for n in range(views):
                    shown = SIGHTS[(count.left_out * views + n) % len(SIGHTS)]
                    _compare(full, told, battery, shown, act, history, count)
    return count


def _shown_of(act: Act) -> tuple[str, ...]:
    """Of which batteries the rest shows it: a pack that goes abroad shows nothing of what was in it."""
    others = () if act.event == "battery.dismantled" else act.others
    return (act.battery, *others)


def _compare(  # noqa: PLR0917
    full: Stage, told: Stage, battery: str, shown: Shown, act: Act, history: tuple[Act, ...], count: Count
) -> None:
    count.words += 1
    with_it, without = full.word(battery, shown, CAR), told.word(battery, shown, CAR)
    if WORDS.index(without) < WORDS.index(with_it):
        steps = "; ".join(str(a) for a in history if battery in (a.battery, *a.others))
        count.better.append(f"{with_it} -> {without} without {act}, {battery} as {shown}: {steps}")
