"""Stories in which customs act as well: sent off, declared, suspended, refused, let in, built in meanwhile.

What customs hold is kept beside the facts: of each thing where it is, and of each repair that put a part in
whether customs held that then. A thing that goes to customs by itself is in no other any more.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.harness.border import _twin
from tests.harness.ledger import CUSTOMS, IMPORTER
from tests.harness.stories import (
    CAR,
    CELL,
    CHILD,
    CONDITIONS,
    GOOD,
    LINK,
    MODULE,
    PACK,
    SPARE,
    STEPS,
    SUCCESSOR,
    VIN,
    WAYS,
    Step,
    Story,
    _begun,
    repair,
    take_back,
)

PRESENTED = {
    "declaration_number": "26NLTEST1",
    "registration_id": "R",
    "commodity_code": "8507600000",
    "eori": "DE1",
}


@dataclass
class BorderStory(Story):
    """With where customs hold each thing, and which parts they held when a repair put these in."""

    held: dict[str, str] = field(default_factory=dict)  # sent, declared, suspended, refused
    smuggled: set[tuple[str, str]] = field(default_factory=set)  # (what it is in, the part)

    def refused(self, text: str) -> bool:
        return any(fact.kind == "refused" and not fact.lifted for fact in self.facts[text])

    def leaves(self, text: str, where: str) -> None:
        """It goes to customs by itself."""
        self.held[text] = where
        self.smuggled = {pair for pair in self.smuggled if pair[1] != text}
        for one in (PACK, SPARE, MODULE, CELL, LINK):
            self.ties[one] = [tie for tie in self.ties[one] if tie != ("has", text)]
        self.ties[text] = [tie for tie in self.ties[text] if tie[0] != "within"]

    def speaks_against(self, text: str, condition: str, direction: str, side: str) -> list[str]:
        """What customs hold that is shown with it: itself, a part of it, another battery in its car."""
        found = [("it", text)]
        found += [("a part", part) for pack, part in sorted(self.smuggled) if pack == text]
        same = [one for one in self._beside(text) if self.holder(one) == self.holder(text)]
        found += [("beside", one) for one in same if condition != "waste"]
        return [
            f"{how} {why}" for how, one in found for why in self._why(one, how, condition, direction, side)
        ]

    def _why(self, text: str, how: str, condition: str, direction: str, side: str) -> list[str]:
        where, found = self.held.get(text), list[str]()
        if self.refused(text) and side == "EU" and direction != "export" and condition != "waste":
            found.append("refused")
        if where in ("sent", "declared", "suspended") and direction == "inland":
            found.append(where)
        if where == "suspended" and side == "EU":
            found.append(where)
        return found


def send(s: Story, text: str, other: str) -> None:
    assert isinstance(s, BorderStory)
    said = {"commodity_code": "850760"}
    if s.say(s.holder(text), "battery.exported", text, said, parties=(IMPORTER,)) is not None:
        s.leaves(text, "sent")


def declare(s: Story, text: str, other: str) -> None:
    assert isinstance(s, BorderStory)
    if s.say(IMPORTER, "battery.presented", text, PRESENTED) is not None:
        s.leaves(text, "declared")


def suspend(s: Story, text: str, other: str) -> None:
    assert isinstance(s, BorderStory)
    if s.say(CUSTOMS, "customs.suspended", text, {"ground": "x"}) is not None:
        s.held[text] = "suspended"


def refuse(s: Story, text: str, other: str) -> None:
    assert isinstance(s, BorderStory)
    said = {"conclusion": "c", "endorsement": "e"}
    if s.happens("refused", CUSTOMS, "customs.refused", text, said):
        s.held[text] = "refused"


def release(s: Story, text: str, other: str) -> None:
    assert isinstance(s, BorderStory)
    if s.say(CUSTOMS, "customs.released", text, {"basis": "b"}) is not None:
        del s.held[text]


def lift(s: Story, text: str, other: str) -> None:
    if s.say(CUSTOMS, "customs.refusal_lifted", text, {"reason": "b"}) is not None:
        s.lift(text, "refused", CUSTOMS)


def put_in(s: Story, text: str, other: str) -> None:
    """A repair; what is called otherwise may be elsewhere under its other name, and is not asked here."""
    assert isinstance(s, BorderStory)
    told = len(s.told)
    repair(s, text, other)
    if len(s.told) == told:
        return
    s.smuggled = {pair for pair in s.smuggled if pair[1] != other}
    stopped = other in s.held or s.refused(other)
    if "child_in" in s.told[-1] and stopped and other not in (PACK, LINK):
        s.smuggled.add((text, other))


def unsay(s: Story, text: str, other: str) -> None:
    assert isinstance(s, BorderStory)
    last, told = s.last.get(text, ("",))[0], len(s.told)
    take_back(s, text, other)
    if len(s.told) > told and last == "battery.exported":
        del s.held[text]


AT_THE_BORDER: dict[Step, int] = {
    **{step: weight for step, weight in STEPS.items() if step not in (repair, take_back)},
    put_in: 12, unsay: 2, send: 7, declare: 6, suspend: 3, refuse: 4, release: 3, lift: 1,
}  # fmt: skip


def told_at_the_border(seed: int) -> BorderStory:
    """The story of this seed."""
    draw = random.Random(seed)
    story = BorderStory(_twin(_begun()), draw)
    story.ties |= {PACK: [("called", LINK)], LINK: [("called", PACK)]}
    about = draw.sample([PACK, SPARE, MODULE, CELL, LINK], draw.choice((2, 2, 3)))
    steps = draw.randrange(3, 9)
    for _ in range(90):
        if len(story.told) >= steps:
            break
        born = [one for one in (CHILD, SUCCESSOR) if one in story.world.passports]
        text, other = draw.sample([*about, *born], 2)
        draw.choices(list(AT_THE_BORDER), list(AT_THE_BORDER.values()))[0](story, text, other)
    return story


def findings_at_the_border(story: BorderStory) -> tuple[int, list[str]]:
    """(verdicts, those that are clear against what customs hold, in words)."""
    count, found = 0, list[str]()
    for text in [one for one in story.world.passports if one in story.held or one in story.ties]:
        car = story.in_car(text)
        evidence = None
        for policy, direction, side in WAYS:
            for condition in CONDITIONS:
                bad = story.speaks_against(text, condition, direction, side)
                if not bad:
                    continue
                evidence = evidence or story.world.evidence(text, vin=VIN if car else None)
                line: dict[str, Any] = CAR if car else {}
                head = {"direction": direction}
                head |= {"declaration": "26NLTEST9"} if direction == "import" else {}
                ways: dict[str, Any] = {"policy_name": policy, "direction": direction, "head": head}
                ways |= {"condition": condition, "evidence": evidence}
                count += 1
                if story.world.judge(text, **ways, **line).as_dict()["verdict"] in GOOD:
                    found.append(f"{text[-9:]} {condition} {direction}: {bad}; {story.told}")
    return count, found
