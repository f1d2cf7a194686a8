"""Parts of batteries, said anew: packs whose makers commit to parts, taken apart and built in again, by many.

Two makers make parts and packs, one hands parts to the other, a recycler takes packs apart, somebody
loses some; then a pack is opened, whole or in part, rightly or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import standing_key
from credentials.ledger.descendants import root_of
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.verdicts.parts_check import Opened, PartShown, check_parts, open_part
from tests.harness.ledger import MAKER, OTHER_MAKER, RECYCLER, WORKSHOP, Ledger, set_list

MAKERS = {"ZZ1": MAKER, "ZZ3": OTHER_MAKER}
NO = ("part_of_another", "part_lost", "part_waste")
NOT_CHECKED = ("part_not_committed", "part_claimed")


@dataclass
class Books:
    """What an honest clerk writes down of packs and parts, as far as the ledger took it."""

    inside: dict[int, frozenset[int]] = field(default_factory=dict)  # of a pack: what its maker put in
    born: set[int] = field(default_factory=set)
    has: dict[int, str] = field(default_factory=dict)  # who has it
    out_of: dict[int, int] = field(default_factory=dict)
    lost: dict[int, set[str]] = field(default_factory=dict)
    waste: set[int] = field(default_factory=set)


def subject(number: int) -> Subject:
    """Of packs (below 100) and parts; every third is the other maker's."""
    return Subject("gbt34014", "ZZ3" if number % 3 == 0 else "ZZ1", sha256(b"part %d" % number).digest())


def key(number: int) -> bytes:
    return standing_key(subject(number))


def maker(number: int) -> str:
    return MAKERS[subject(number).namespace]


class Workshop:
    """A ledger on which packs and parts are made and taken apart."""

    def __init__(self, seed: int) -> None:
        self.rng, self.ledger, self.books = Random(f"trees {seed}"), Ledger(), Books()
        self.parts, self.packs = list(range(100, 116)), list[int]()

    def said(self, by: str, kind: str, number: int, **members: Any) -> bool:
        """Put to the ledger; True if it is state now."""
        return self._run(self.ledger.attest(by, kind, subject(number), **members))

    def _run(self, data: bytes) -> bool:
        with suppress(Refusal, NotYet):
            self.ledger.registry.check_tx(data, self.ledger.now)
            chosen = self.ledger.propose([data])
            if chosen:
                execution = self.ledger.execute(self.ledger.block(chosen))
                return any(isinstance(parse_entry(one), AdmittedEntry) for one in execution.entries)
        return False

    # -- what people do --------------------------------------------------------------------------------

    def act(self) -> None:
        """One thing by somebody, honest or not."""
        rng = self.rng
        do = rng.choices(
            (self.make_part, self.make_pack, self.hand, self.take_apart, self.lose, self.find),
            (4, 4, 2, 5, 1, 1),
        )[0]
        do()

    def make_part(self) -> None:
        part = self.rng.choice(self.parts)
        by = maker(part) if self.rng.random() < 0.8 else self.rng.choice((MAKER, OTHER_MAKER, RECYCLER))
        if self.said(by, "battery.produced", part) and by == maker(part):
            self.books.born.add(part)
            self.books.has.setdefault(part, by)

    def make_pack(self) -> None:
        pack = len(self.packs) + 1
        inside = frozenset(self.rng.sample(self.parts, self.rng.randint(1, 4)))
        if self.said(
            maker(pack), "battery.produced", pack, children_root=root_of([key(one) for one in inside])
        ):
            self.packs.append(pack)
            self.books.inside[pack], self.books.has[pack] = inside, maker(pack)
            self.books.born.add(pack)

    def hand(self) -> None:
        part = self.rng.choice(self.parts)
        to = MAKER if self.rng.random() < 0.8 else RECYCLER
        data = self.ledger.countersigned(
            maker(part), "battery.handed_over", subject(part), [to], parties=(to,)
        )
        if part in self.books.born and self._run(data):
            self.books.has[part] = to

    def take_apart(self) -> None:
        """The whole way of a worn pack; or the attempt at once, or of another's parts."""
        if not self.packs:
            return
        pack, rng = self.rng.choice(self.packs), self.rng
        if rng.random() < 0.8:
            self.said(maker(pack), "passport.published", pack, set_list=set_list(pack))
            data = self.ledger.countersigned(
                maker(pack), "battery.handed_over", subject(pack), [RECYCLER], parties=(RECYCLER,)
            )
            if self._run(data):
                self.books.has[pack] = RECYCLER
            if self.said(RECYCLER, "battery.declared_waste", pack, parties=(RECYCLER,)):
                self.books.waste.add(pack)
        taken = sorted(self.books.inside[pack]) if rng.random() < 0.8 else rng.sample(self.parts, 2)
        by = RECYCLER if rng.random() < 0.9 else WORKSHOP
        if self.said(by, "battery.dismantled", pack, references=tuple(map(subject, taken))):
            for part in taken:
                self.books.out_of[part], self.books.has[part] = pack, by
                self.books.born.add(part)
                if pack in self.books.waste:
                    self.books.waste.add(part)

    def lose(self) -> None:
        part, by = self.rng.choice(self.parts), self.rng.choice((MAKER, OTHER_MAKER, RECYCLER))
        if self.said(by, "battery.reported_lost", part):
            self.books.lost.setdefault(part, set()).add(by)

    def find(self) -> None:
        lost = sorted(part for part, by in self.books.lost.items() if by)
        if lost:
            part = self.rng.choice(lost)
            by = self.rng.choice(sorted(self.books.lost[part]))
            if self.said(by, "battery.found", part):
                self.books.lost[part].discard(by)

    # -- a pack is opened ------------------------------------------------------------------------------

    def open_one(self) -> str | None:
        """What differs between what is computed and what the books say of one opened pack."""
        if not self.packs:
            return None
        rng, pack = self.rng, self.rng.choice(self.packs)
        inside = sorted(self.books.inside[pack])
        shown = inside if rng.random() < 0.5 else rng.sample(self.parts, rng.randint(1, 4))
        ways: dict[int, Opened] = {}
        among = inside if rng.random() < 0.8 else rng.sample(self.parts, 3)
        for part in shown:
            if part in among and rng.random() < 0.7:
                ways[part] = open_part([key(one) for one in among], key(part))
        standings = {part: self.ledger.registry.standing(subject(part)) for part in shown}
        made = check_parts(
            self.ledger.standing(subject(pack)),
            [PartShown(subject(part), str(part), standings[part], ways.get(part)) for part in shown],
            self.ledger.history.latest,
            {key(one): str(one) for one in self.packs}.get,
        )
        really = (made.answer, [sorted(f.code for f in one.findings) for one in made.parts])
        right = set(ways) if set(among) == set(inside) else set[int]()
        mine = self.expected(pack, shown, right)
        return None if really == mine else f"tree: {pack} {shown} {really}, restated {mine}"

    def expected(self, pack: int, shown: Sequence[int], right: set[int]) -> tuple[str, list[list[str]]]:
        """X2, X7, X8 by the books: what was committed to, by whose right, and where each part was before."""
        books, inside = self.books, self.books.inside[pack]
        whole = set(shown) == inside
        found: list[list[str]] = []
        under: set[int] = set()
        for part in shown:
            codes = list[str]()
            if whole or (part in right and part in inside):
                under.add(part)
                rightful = maker(part) == maker(pack) or books.has.get(part) == maker(pack)
                if not rightful and books.out_of.get(part) != pack:
                    codes.append("part_claimed")
            else:
                codes.append("part_not_committed")
            if part not in books.born:
                codes.append("part_no_record")
            elif books.out_of.get(part, pack) != pack:
                codes.append("part_of_another")
            if books.lost.get(part):
                codes.append("part_lost")
            if part in books.waste and pack not in books.waste:
                codes.append("part_waste")
            found.append(sorted(codes))
        said = {code for codes in found for code in codes}
        sized = whole or bool(right & set(shown))
        complete = sized and under == inside
        answer = "fail" if said & set(NO) else "not_checked"
        if answer != "fail" and complete and not said & set(NOT_CHECKED):
            answer = "pass"
        return answer, found


def run(seed: int, events: int, found: list[str]) -> int:
    """So many acts, and an opened pack after each; disagreements go into `found`."""
    tried = 0
    while tried < events:
        workshop = Workshop(seed * 1_000 + tried)
        for _ in range(60):
            workshop.act()
            tried += 1
            if (wrong := workshop.open_one()) is not None:
                found.append(wrong)
    return tried
