"""Every state that histories of the acts of a deck reach, judged by the real code and by the law.

Breadth first, so the history printed for a finding is a shortest one. Two histories are one state when the
public standing of every battery and the law's file of it are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .acts import NOTHING, Act
from .alphabet import CAR, Deck, is_stranger
from .bounds import Shown, bounds, too_good
from .law import Archive, after, told_beside
from .parties import HOLDER, MAKER, PARTIES
from .record import broken
from .speaking import may_speak
from .stage import CLAIM, CONDITIONS, REFUSED, STATE, Stage


@dataclass(frozen=True, slots=True)
class Finding:
    """Where the real code and the law part: a word too good, or somebody let speak who may not."""

    kind: str  # word, speaks
    about: str  # the grounds, or the event and its author
    said: str
    history: tuple[Act, ...]

    def __str__(self) -> str:
        last = self.history[-1]
        about = {last.battery, *last.others}
        told = [act for act in self.history if about & {act.battery, *act.others}]
        steps = "; ".join(str(act) for act in told)
        return f"{self.kind}: {self.about}: {self.said}\n    {steps}"


@dataclass
class Result:
    """What one exploration saw."""

    states: int = 0
    acts: int = 0
    words: int = 0
    depth: int = 0
    finished: bool = False
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    tell: Callable[[str], None] = lambda _: None

    def __str__(self) -> str:
        end = "to the fixpoint" if self.finished else "cut off"
        return (
            f"{self.states} states, {self.acts} acts, {self.words} verdicts, "
            f"{len(self.findings)} findings, depth {self.depth}, {end}"
        )

    def add(self, finding: Finding) -> None:
        key = finding.kind, finding.about, finding.said
        if key not in self.findings:
            self.findings[key] = finding
            self.tell(str(finding))


@dataclass
class _Node:
    stage: Stage
    archive: Archive
    history: tuple[Act, ...]


def key(stage: Stage, archive: Archive, batteries: Sequence[str], step: Any = None) -> object:
    """All that the record and the law's files of these batteries hold."""
    return tuple((stage.shape(b, step), archive.of(b)) for b in batteries)


def merged(stage: Stage, archive: Archive, batteries: Sequence[str], step: Any = None) -> object:
    """What is asked of the first battery before anything else: many states of `key` are one.

    Its state, publication and whether it is used; whose side holds it; whether it is in a vehicle or
    before customs; what it ended as.
    """
    file, record = archive.of(batteries[0]), dict(stage.shape(batteries[0], step)[1:])
    return (
        *(record["item_state"], record["publication"], bool(record["marks"]), _side(record["holder"])),
        *(record["bound"] is not None, record["presentation"] is not None),
        *(_side(file.holder), file.in_use, file.ended, file.live),
    )


def _side(holder: str | None) -> str | None:
    """Its maker, the honest holder, somebody else of the network, or somebody outside."""
    known = {None: None, MAKER: "maker", HOLDER: "holder"}
    return known[holder] if holder in known else "other" if str(holder) in PARTIES else "outside"


def explore(
    deck: Deck,
    *,
    depth_max: int = 99,
    states_max: int = 1_000_000,
    speaks: bool = True,
    tell: Callable[[str], None] = lambda _: None,
    enough: Callable[[Result], bool] = lambda _: False,
    key_of: Callable[..., object] = key,
) -> Result:
    """Walk the deck to its fixpoint, or to `depth_max` acts or `states_max` states, or until it is enough.

    Histories of which `key_of` says the same are one state.
    """
    result = Result(tell=tell)
    start = _begun(deck.start)
    seen = {key_of(start.stage, start.archive, deck.batteries)}
    queue, cut = deque([start]), False
    while queue and result.states < states_max and not enough(result):
        node = queue.popleft()
        result.depth = max(result.depth, len(node.history))
        if len(node.history) - len(deck.start) >= depth_max:
            cut = True
            continue
        for act in deck.acts(node.archive):
            if (reached := _try(node, act, result, speaks)) is None:
                continue
            step, archive = reached
            if (found := key_of(node.stage, archive, deck.batteries, step)) in seen:
                continue
            seen.add(found)
            result.states += 1
            stage = node.stage.fork()
            stage.take(act, step)
            further = _Node(stage, archive, (*node.history, act))
            _judge(further, deck, result)
            queue.append(further)
    result.finished = not queue and not cut
    return result


def _begun(acts: Sequence[Act]) -> _Node:
    """After acts each of which counts."""
    stage, archive = Stage.new(), Archive()
    for act in acts:
        outcome, step = stage.would(act)
        assert outcome == STATE and may_speak(archive, act), act
        stage.take(act, step)
        archive = after(archive, act)
    return _Node(stage, archive, tuple(acts))


def _try(node: _Node, act: Act, result: Result, speaks: bool) -> tuple[Any, Archive] | None:
    """Put one act to the real ledger; the step it would take, if it would become state or is heard beside."""
    if not node.stage.accredited(act):
        return None
    result.acts += 1
    outcome, step = node.stage.would(act)
    if outcome in (CLAIM, REFUSED):
        archive = told_beside(node.archive, act)
        said_before = {(h.named, h.other, h.act) for h in node.archive.heard}
        new = {(h.named, h.other, h.act) for h in archive.heard} - said_before
        return (step, archive) if new else None
    if outcome != STATE:
        return None
    if not may_speak(node.archive, act):
        result.add(
            Finding("speaks", f"{act.event} by {_who(act)}", "recorded as state", (*node.history, act))
        )
        # What follows from a stranger's record would be counted again and again. What a rightful party says
        # against the rules is followed where `speaks` is off: there lie the routes to a false word.
        if speaks or is_stranger(act, node.archive):
            return None
    return step, after(node.archive, act)


def _who(act: Act) -> str:
    from .parties import name

    return name(act.by)


def _judge(node: _Node, deck: Deck, result: Result) -> None:
    """Show every battery in every way, and compare the words."""
    for battery in deck.batteries:
        file = node.archive.of(battery)
        for about, said in broken(file, node.stage.standing(battery)):
            result.add(Finding("record", f"{battery} {about}", said, node.history))
        if file is NOTHING or not file.exists:
            continue
        file = node.archive.bound(battery)
        for shown in (*(Shown(condition=condition) for condition in CONDITIONS), *deck.sights):
            if not bounds(file, shown):
                continue
            result.words += 1
            word = node.stage.word(battery, shown, CAR)
            for _, ground in too_good(file, shown, word):
                about = f"{battery} {ground}"
                result.add(Finding("word", about, word, node.history))
