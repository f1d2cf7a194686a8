"""Short lives of several batteries, drawn by a seed: none that anything true speaks against may be *clear*.

A story keeps what happened to each thing, by whoever could say it, and how things are tied: built in, put in
and taken out by repairs, taken apart, made into another, called otherwise. It asks no ledger what follows.
Then each is shown as everything it can be declared as; what is clear although a fact reaches it is a finding.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from consensus.application import NotYet, Refusal
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.payload import Criteria
from tests.harness.border import World, _twin, claims_of, code, subject_of
from tests.harness.ledger import (
    ANY_BATTERY,
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RECYCLER,
    Ledger,
    accreditation,
    accreditations,
    make_genesis,
)

PACK, SPARE, MODULE, CELL, SUCCESSOR = code(1), code(2), code(7), code(8), code(5, maker="ZZ2")
CHILD, LINK = code(9, maker="ZZ6"), "https://id.gs1.org/01/09521001000000/21/1"
VIN = "ZZ9DEM0E0T0000039"
CAR = {"goods": "in_vehicle", "commodity_code": "8703800000", "mass_kg": None, "vin": VIN}
WAYS = (("customs-eu", "import", "EU"), ("recycler", "inland", "EU"), ("manufacturer", "export", "CN"))
CONDITIONS = ("new", "used", "return", "repair", "second_life", "waste")
TRADES = (
    "manufacturer", "vehicle_manufacturer", "producer", "workshop", "swap_operator", "lab", "importer",
    "second_life_operator", "licensed_dismantler", "waste_operator", "recycler", "insurer",
)  # fmt: skip
TEST = {"soh_permille": 800, "soh_date": "2027-01-14", "soh_member_state": "NL", "contract_reference": "I"}
GOOD = ("clear", "clear_with_gaps")
OVER = ("consumed", "recycled")  # nothing is left of it, waste neither
NEW_ONLY = ("used", "burnt", "child", "successor")


@dataclass
class Fact:
    """Something that happened to a thing; `lifted` by whoever said it, or by authorities."""

    kind: str
    by: str
    digest: bytes
    lifted: bool = False


@dataclass
class Story:
    """What is true after some steps; `told` are these in words."""

    world: World
    draw: random.Random
    facts: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    ties: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    last: dict[str, tuple[str, bytes, str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def say(self, by: str, event: str, text: str, document: dict[str, Any], **delta: Any) -> bytes | None:
        """The digest of what is admitted as state; None: it was not heard."""
        first = len(self.world.leaves)
        try:
            digest = self.world.happen(by, event, text, document, **delta)
        except (Refusal, NotYet, AssertionError):
            return None
        heard = any(isinstance(parse_entry(one.entry), AdmittedEntry) for one in self.world.leaves[first:])
        if heard:
            self.last[text] = (event, digest, by)
            self.told.append(f"{event} {text[-9:]} by {by[8:16]}")
        return digest if heard else None

    def happens(
        self, kind: str, by: str, event: str, text: str, document: dict[str, Any], **delta: Any
    ) -> bool:
        """The same, as a fact of this kind."""
        digest = self.say(by, event, text, document, **delta)
        if digest is not None:
            self.facts[text].append(Fact(kind, by, digest))
        return digest is not None

    def lift(self, text: str, kind: str, by: str) -> None:
        for fact in self.facts[text]:
            fact.lifted = fact.lifted or (fact.kind, fact.by) == (kind, by)

    def holder(self, text: str) -> str:
        standing = self.world.ledger.registry.standing(subject_of(text))
        return (standing.holder if standing is not None else None) or MAKER

    def in_car(self, text: str) -> bool:
        standing = self.world.ledger.registry.standing(subject_of(text))
        return standing is not None and standing.bound is not None

    def reaching(self, text: str) -> Iterator[tuple[tuple[str, ...], Fact]]:
        """Every fact that is still so, of it and of what is tied to it, with the ties that lead there."""
        for path, one in self._tied(text):
            yield from ((path, fact) for fact in self.facts[one] if not fact.lifted)

    def _tied(self, text: str) -> Iterator[tuple[tuple[str, ...], str]]:
        found, waiting = {text}, list[tuple[tuple[str, ...], str]]([((), text)])
        for path, one in waiting:
            yield path, one
            nearer = [*self.ties[one], *(("beside", other) for other in self._beside(one) if not path)]
            for how, other in nearer:
                if other not in found and (*path, how) in PATHS:
                    found.add(other)
                    waiting.append(((*path, how), other))

    def _beside(self, text: str) -> list[str]:
        return [
            one for one in (PACK, SPARE, MODULE) if one != text and self.in_car(one) and self.in_car(text)
        ]


DIRECT = ("has", "within", "out_of", "beside")
PATHS = {
    *((one,) for one in (*DIRECT, "came_of", "called")),
    *((one, then) for one in DIRECT for then in ("called", "came_of")),
    *(("called", then) for then in ("has", "within", "out_of", "came_of")),
    ("came_of", "called"),
}


def against(path: Sequence[str], fact: Fact, condition: str, direction: str, side: str) -> bool:
    """Whether goods declared as this must not be clear, by what is true."""
    kind, own = fact.kind, all(how in ("called", "came_of") for how in path)
    if kind in NEW_ONLY:
        return condition == "new" and (own or path[:1] in (("within",), ("called",)))
    if kind.startswith("recalled"):
        here = kind != "recalled_here" or side == ("EU" if fact.by == EU_AUTHORITY else "CN")
        return here and condition != "waste"
    if "beside" in path and kind in ("waste", *OVER):
        return False  # that takes it out of the vehicle
    if kind.startswith("was_") and not {*path} <= {"called", "came_of"}:
        return False  # two steps (D1002)
    if "out_of" in path:
        return False  # what it was then came with it: `was_lost`, `was_over`
    if kind == "banned":
        return own or ("beside" in path and condition != "waste")
    if kind in ("waste", "was_over", "ended", *OVER):
        return condition != "waste" and not ("came_of" in path and kind in ("waste", "consumed", "recycled"))
    return True  # lost, in whatever it is


# -- the steps ---------------------------------------------------------------------------------------------


def repair(s: Story, text: str, other: str) -> None:
    """A part is put in or taken out, by whoever has both."""
    by, way = s.holder(text), s.draw.choice(("child_in", "child_out"))
    if s.holder(other) != by:
        return
    if (
        s.say(by, "battery.maintained", text, {"work": "m", way: other}, references=(subject_of(other),))
        is None
    ):
        return
    s.told[-1] += f" {way} {other[-9:]}"
    for one in (PACK, SPARE, MODULE, CELL, LINK):  # it is in one thing
        s.ties[one] = [tie for tie in s.ties[one] if tie != ("has", other)]
    kept = [tie for tie in s.ties[other] if tie[0] != "within"]
    s.ties[other] = [*kept, ("within" if way == "child_in" else "out_of", text)]
    if way == "child_in":
        s.ties[text].append(("has", other))
        return
    so_far = [fact for path, fact in s.reaching(text) if {*path} <= {"called"}]  # no two steps (D1002)
    for fact in [fact for fact in so_far if fact.kind in ("lost", "ended")]:
        kind = "was_lost" if fact.kind == "lost" else "was_over"
        s.facts[other].append(Fact(kind, fact.by, fact.digest))


def build_in(s: Story, text: str, other: str) -> None:
    s.say(s.holder(text), "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))


def take_out(s: Story, text: str, other: str) -> None:
    s.happens("used", s.holder(text), "battery.swapped_out", text, {"vin": VIN}, bound_asset=subject_of(VIN))


def measure(s: Story, text: str, other: str) -> None:
    said = {"method": "m", "measured_on": "2027-01-15", "soh_permille": 500, "cycles": 900}
    read = {"soh_permille": 500, "cycles": 900}
    s.happens("used", s.holder(text), "soh.measured", text, said, quantities=read)


def burn(s: Story, text: str, other: str) -> None:
    s.happens("burnt", s.holder(text), "negative_event", text, {"event_kind": "fire"})


def lose(s: Story, text: str, other: str) -> None:
    by = s.draw.choice((s.holder(text), CN_AUTHORITY, EU_AUTHORITY))
    s.happens("lost", by, "battery.reported_lost", text, {"reference": "1"})


def find(s: Story, text: str, other: str) -> None:
    for fact in [one for one in s.facts[text] if one.kind == "lost" and not one.lifted]:
        if s.say(fact.by, "battery.found", text, {"reason": "1"}) is not None:
            s.lift(text, "lost", fact.by)


def recall(s: Story, text: str, other: str) -> None:
    by = s.draw.choice((MAKER, CN_AUTHORITY, EU_AUTHORITY))
    kind = "recalled" if by == MAKER else "recalled_here"
    s.happens(kind, by, "battery.recalled", text, {"reason": "fire"})


def recall_code(s: Story, text: str, other: str) -> None:
    if text in (PACK, MODULE, CELL):
        digest = s.world.recall(MAKER, criteria=Criteria((text,), None, None))
        s.told.append(f"recall.published {text[-9:]}")
        s.facts[text].append(Fact("recalled_code", MAKER, digest))


def ban(s: Story, text: str, other: str) -> None:
    passport = s.world.passports.get(text)
    if passport is not None:
        by = s.draw.choice((CN_AUTHORITY, EU_AUTHORITY))
        s.happens("banned", by, "passport.revoked", text, {"reason": "x"}, references=(passport.digest,))


def waste(s: Story, text: str, other: str) -> None:
    s.happens("waste", s.holder(text), "battery.declared_waste", text, {"reason": "worn"})


def certify(s: Story, text: str, other: str) -> None:
    if any(fact.kind == "ended" for fact in s.facts[text]):
        return  # a standing keeps the last certificate alone: when the first one came it does not say
    for by in (CN_AUTHORITY, EU_AUTHORITY):
        said = {"certificate": "c", "named_party": RECYCLER}
        if s.happens("ended", by, "end_of_life.certified", text, said, parties=(RECYCLER,)):
            return


def recycle(s: Story, text: str, other: str) -> None:
    mass = {"mass_in_grams": 450_000}
    s.happens("waste", s.holder(text), "recycling.received", text, {"facility_licence": "L"}, quantities=mass)


def take_apart(s: Story, text: str, other: str) -> None:
    fate = s.draw.choice(("reuse", "recycle", "missing"))
    said = {"facility_licence": "L", "children": [CHILD], "fates": [fate]}
    by = s.holder(text)
    if by == RECYCLER and s.happens(
        "waste", by, "battery.dismantled", text, said, references=(subject_of(CHILD),)
    ):
        s.ties[CHILD].append(("came_of", text))
        digest = s.facts[text][-1].digest
        s.facts[CHILD].append(Fact("child", by, digest))
        if fate != "reuse":
            s.facts[CHILD].append(Fact({"recycle": "was_over", "missing": "was_lost"}[fate], by, digest))
        with suppress(NotYet):  # what is waste has no passport
            s.world.publish(CHILD, s.world.issue(CHILD, by=RECYCLER))


def second_life(s: Story, text: str, other: str) -> None:
    said, about = TEST | {"successors": [SUCCESSOR]}, (subject_of(SUCCESSOR),)
    by = s.holder(text)
    kind = s.draw.choice(("second_life.repurposed", "second_life.remanufactured"))
    if s.happens("consumed", by, kind, text, said, references=about, cosign=() if by == MAKER else (MAKER,)):
        s.ties[SUCCESSOR].append(("came_of", text))
        s.facts[SUCCESSOR].append(Fact("successor", by, s.facts[text][-1].digest))
        with suppress(Refusal):  # it is made of another one already
            s.world.produce(SUCCESSOR)
            s.world.publish(SUCCESSOR)


def hand_over(s: Story, text: str, other: str) -> None:
    by = s.holder(text)
    to = RECYCLER if by != RECYCLER else IMPORTER
    s.say(by, "battery.handed_over", text, {}, parties=(to,), cosign=(to,))


def place(s: Story, text: str, other: str) -> None:
    s.say(s.holder(text), "market.placed", text, {"art_41_checked": True})


def take_back(s: Story, text: str, other: str) -> None:
    """Its author corrects what it said last: no use, no end and no part is gone by that."""
    if text in s.last:
        _, digest, by = s.last[text]
        said = s.say(by, "attestation.corrected", text, {"reason": "x"}, references=(digest,))
        for fact in s.facts[text]:
            if (
                said is not None
                and fact.digest == digest
                and fact.kind in ("lost", "recalled", "recalled_here")
            ):
                fact.lifted = True


Step = Callable[[Story, str, str], None]
STEPS: dict[Step, int] = {
    repair: 9, build_in: 3, take_out: 2, measure: 2, burn: 1, lose: 4, find: 1, recall: 3, recall_code: 2,
    ban: 1, waste: 2, certify: 2, recycle: 1, take_apart: 6, second_life: 4,
    hand_over: 2, place: 2, take_back: 2,
}  # fmt: skip


# -- told and judged -----------------------------------------------------------------------------------------


@cache
def _begun() -> World:
    """Packs and modules of one maker, published; the first of them has a further code."""
    acting = [
        accreditation(did, roles=TRADES, schemes=ANY_BATTERY, licence="trades")
        for did in (MAKER, IMPORTER, RECYCLER)
    ]
    link = accreditation(MAKER, schemes=(("gs1", "9521001"),), licence="gs1")
    genesis = make_genesis(accreditations=[*accreditations(), *acting, link])
    world = World(Ledger(genesis), publishers=(MAKER, RECYCLER))
    for text, named in ((PACK, LINK), (LINK, PACK), (SPARE, None), (MODULE, None), (CELL, None)):
        claims = claims_of(1)
        if named is not None:
            claims["GeneralProductInformation"]["productIdentifier"] = named
        world.produce(text)
        world.publish(text, world.issue(text, claims=claims if named is not None else None))
    return world


def told(seed: int) -> Story:
    """The story of this seed."""
    draw = random.Random(seed)
    story = Story(_twin(_begun()), draw)
    story.ties |= {PACK: [("called", LINK)], LINK: [("called", PACK)]}
    about, steps = (
        draw.sample([PACK, SPARE, MODULE, CELL, LINK], draw.choice((2, 2, 3))),
        draw.randrange(2, 7),
    )
    if draw.random() < 0.5:  # RECYCLER has all of them, on the market or not
        for text in about:
            for step in (place, hand_over)[draw.randrange(2) :]:
                step(story, text, "")
        steps += len(story.told)
    for _ in range(60):
        if len(story.told) >= steps:
            break
        born = [one for one in (CHILD, SUCCESSOR) if one in story.world.passports]
        text, other = draw.sample([*about, *born], 2)
        draw.choices(list(STEPS), list(STEPS.values()))[0](story, text, other)
    return story


def findings(story: Story) -> tuple[int, list[str]]:
    """(verdicts, those that are clear against something true, in words)."""
    count, found = 0, list[str]()
    for text in [one for one in story.world.passports if one in story.ties or one in story.facts]:
        facts, car = [*story.reaching(text)], story.in_car(text)
        evidence = story.world.evidence(text, vin=VIN if car else None) if facts else None
        for policy, direction, side in WAYS if facts else ():
            for condition in CONDITIONS:
                bad = [(p, f) for p, f in facts if against(p, f, condition, direction, side)]
                if not bad:
                    continue
                line: dict[str, Any] = CAR if car else {}
                head = {"direction": direction} | (
                    {"declaration": "26NLTEST9"} if direction == "import" else {}
                )
                ways: dict[str, Any] = {"policy_name": policy, "direction": direction, "head": head}
                ways |= {"condition": condition, "evidence": evidence}
                count += 1
                if story.world.judge(text, **ways, **line).as_dict()["verdict"] in GOOD:
                    why = ", ".join(sorted({f"{'/'.join(p)} {f.kind} by {f.by[8:16]}" for p, f in bad}))
                    found.append(f"{text[-9:]} {condition} {direction}: {why}; {story.told}")
    return count, found
