"""What is said, and what is kept: an act about a battery, and the file of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .parties import PARTIES, name

if TYPE_CHECKING:
    from .repairs import Tied

PRIVATE = "an owner without a node"
SECOND_LIVES = (
    "second_life.prepared_for_reuse", "second_life.prepared_for_repurposing",
    "second_life.repurposed", "second_life.remanufactured",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """One statement about one battery: who says what, naming whom, with which further batteries."""

    by: str
    event: str
    battery: str
    parties: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    vehicle: str | None = None
    declaration: str | None = None
    version: int = 0  # of the passport that it publishes
    about_version: int = 0  # of the passport that it is about
    undoes: Act | None = None
    countersigned: tuple[str, ...] = ()
    scope: str = ""  # of a recall: item, batch, model, days, other_days
    lapsed: bool = False  # put to the ledger after the time until which it may be recorded
    ago: int = 0  # of so many hours ago it tells
    late: bool = False  # of then alone, by the ledger: it moved nothing
    inside: tuple[str, ...] = ()  # what the maker of a pack says is in it
    replaces: Act | None = None  # an earlier publication of its author, said to have come to nothing
    names: tuple[str, ...] = ()  # the further code by which a passport names its battery
    about_names: tuple[str, ...] = ()  # the same, of the passport that it is about
    fates: tuple[str, ...] = ()  # of a dismantling: what becomes of each that is taken out; none given: reuse
    tested_in: str = "DE"  # of a second life: the country where the health of what it is made of was tested
    weights: tuple[tuple[str, int], ...] = ()  # what it weighs otherwise than any other statement, by member
    never_left: bool = False  # of a declaration that is set aside: the goods never left
    put_in: str | None = None  # of what a repair names: the part that it put in; another it took out
    tested_before: bool = False  # of a record of a used battery: its test is of days before all that is said

    @property
    def as_said(self) -> Act:
        """The act before anybody judged it."""
        return replace(self, late=False) if self.late else self

    def __str__(self) -> str:
        who = name(self.by)
        more = [name(party) for party in self.parties]
        more += [*self.others, *(x for x in (self.vehicle, self.declaration) if x)]
        more += [f"v{self.version}"] if self.version else []
        more += [f"of {self.undoes.event}"] if self.undoes else []
        more += [f"for v{self.replaces.version}"] if self.replaces else []
        more += [self.scope] if self.scope else []
        more += ["lapsed"] if self.lapsed else []
        more += [f"{'late, ' if self.late else ''}of {self.ago} hours ago"] if self.ago else []
        more += [f"with {', '.join(self.inside)} inside"] if self.inside else []
        more += list(self.fates)
        more += [f"{name} {grams}" for name, grams in self.weights]
        more += [f"tested in {self.tested_in}"] if self.tested_in != "DE" else []
        more += [f"{self.put_in} put in"] if self.put_in else []
        more += ["never left"] if self.never_left else []
        more += ["tested days before"] if self.tested_before else []
        more += [f"naming {', '.join(self.names)}"] if self.names else []
        return f"{who}: {self.event} {self.battery}" + (f" ({', '.join(more)})" if more else "")


@dataclass(frozen=True, slots=True)
class Set:
    """What somebody set in a jurisdiction: placed, released, refused, recalled, lost, suspended."""

    what: str
    where: str
    by: str
    turn: int = 0  # among reports of loss: the first is the first that an heir ends


@dataclass(frozen=True, slots=True)
class Stop:
    """An authority's suspension or revocation of a passport, which only it (or its like) takes away."""

    what: str
    by: str


# What speaks against a battery and is no use of it.
NO_USE = frozenset(
    {"end_certified", "shown_as_used", "recycling", "dismantled", "worn", "damaged", "still_waste"}
)


@dataclass(frozen=True, slots=True)
class File:
    """What an honest clerk keeps of one battery."""

    maker: str | None = None
    enrolled: bool = False  # origin not on record
    official: bool = False  # an authority or its maker enrolled it, or acted on it since
    disputed: bool = False  # produced after an enrolment that an authority relied on
    holder: str | None = None
    named: frozenset[str] = frozenset()
    responsible: str | None = None
    place: str | None = None
    also: frozenset[str] = frozenset()  # where else it may be by what its holders did
    used: frozenset[str] = frozenset()
    settings: frozenset[Set] = frozenset()
    vehicle: str | None = None
    been_in: frozenset[str] = frozenset()  # vehicles into which it was put, by its own record or another's
    declaration: tuple[str, str] | None = None  # the open one, and the jurisdiction it was made in
    moved_from: frozenset[tuple[str, str]] = frozenset()  # where it was before it was moved to there
    # Declarations, and where, that customs closed for it: for good those that it was released under.
    released_under: frozenset[tuple[str, str]] = frozenset()
    closed: frozenset[tuple[str, str]] = frozenset()
    passport: int = 0  # version of the live one
    published_by: str | None = None
    paused_by_operator: bool = False
    withdrawn_by_operator: bool = False
    stops: frozenset[Stop] = frozenset()
    ended: str | None = None  # consumed, dismantled, in recycling
    certified: frozenset[str] = frozenset()  # whom an authority named for what ends a battery
    border: str | None = None  # the last act by which it left a country
    left: File | None = None  # as it was when it left, or was declared, from where it was about
    old_test: bool = False  # the test of its last record of leaving as used is of days before
    came_out: bool = False  # of a pack, by who took that apart; kept by the archive
    supervised: bool = False  # it left, or was declared, and no customs released it since (UCC Art 134, 267)
    recalls: frozenset[Act] = frozenset()  # those in force that reach it; kept by the archive
    out_of_pack: bool = False  # it was in the hands of who took a pack apart and said that it was in it
    fates: frozenset[str] = frozenset()  # stated of it, and of what it came out of; kept by the archive
    weighs: int | None = None  # in grams, where its maker recorded it with its making
    named_as: frozenset[tuple[str, str]] = frozenset()  # by what is no state of it; kept by the archive
    registered_before: int = 0  # how often its vehicle had been registered when it last left one
    not_of: frozenset[Act] = frozenset()  # dismantlings that named an enrolment which gave way since
    tied: frozenset[Tied] = (
        frozenset()
    )  # what its repairs, and those that name it, bind it by; by the archive
    read_beside: bool = False  # its vehicle was through what no new one is, by its other batteries
    held_beside: frozenset[tuple[str, str]] = frozenset()  # what holds these, and where; both by the archive

    @property
    def exists(self) -> bool:
        return self.maker is not None or self.enrolled

    @property
    def live(self) -> bool:
        """Whether it has a passport that nobody revoked; it may be suspended."""
        revoked = any(stop.what == "revoked" for stop in self.stops)
        return bool(self.passport) and not self.withdrawn_by_operator and not revoked

    @property
    def in_use(self) -> bool:
        return bool(self.used - NO_USE)

    def is_set(self, what: str, where: str | None = None) -> bool:
        return any(s.what == what and where in (None, s.where) for s in self.settings)


NOTHING = File()


def own_code(did: str, battery: str) -> bool:
    """Whether the code of a battery is one of this maker's own."""
    namespace = "ZZ3" if battery.startswith("R") else "ZZ1"
    return did in PARTIES and namespace in PARTIES[did].namespaces


def holds(file: File, act: Act) -> bool:
    """The holder, whom the holder (or an authority) named, or who carries the holder's countersignature."""
    consented = file.holder in act.countersigned
    return act.by == file.holder or act.by in file.named or act.by in file.certified or consented
