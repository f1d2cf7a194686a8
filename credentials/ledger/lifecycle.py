"""The battery's life as data: events, states, attesters, who may speak, duties, guarding rules and effects.

`lifecycle_table.py` reads everything from `config/rules/lifecycle.json` (its digest is in genesis); no event
name is in code. What a node needs in order to judge an event is one `Event`:

    from_states, to        where it is lawful ("*": any but the initial and terminal); to None: it stays
    attesters              roles of which the issuer must hold one; "*": any participant, `speaks` says who
    speaks                 what beside the licence gives a right over this battery: one of SPEAKS
    countersigned_by       parties: every participant named; responsible: the responsible operator;
                           authorities: enough authorities, one per jurisdiction
    irreversible           its author cannot take it back
    marks, marks_in_use    marks it leaves for ever; the second only on a battery that was in use before
    marks_after_use        these on such a battery as well, but in a vehicle that nobody put on the road
    marks_named            marks it leaves on the batteries it names, by whoever may speak about these too;
    marks_named_in_use     these as well where the vehicle was registered or sold
    marks_named_again      these as well on what was in a vehicle before, and by its record is not in this one
    marks_used_part        marks it leaves where a battery that it names as a part carries marks itself
    used_part_by           events that make a part used, too, that has no marks; then also what a repair of a
                           used battery named as its part, and what was said to be made of another
    custody, place, names  who holds the battery afterwards, where it is, whether its parties are named
    sets, lifts            the setting (kept per jurisdiction, with who set it) it sets or lifts
    members                what the event document holds; those with a `ledger` field are in the delta as well
    guards                 ids of the rules in `rules.py` that are asked, in order
    told_late              what it shows is admitted of a time before the last change, and moves nothing then
    binds_late_in          told late, it binds a battery that is in one of these states now: what travels in
                           its vehicle
    effects                what else it does to the standing
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from credentials.errors import CredentialError

ANY = "*"
LEDGER_FIELDS = frozenset(
    {"bound_asset", "parties", "references", "quantities", "children_root", "set_list", "status", "criteria"}
    | {"produced_on"}
)
MEMBER_TYPES = frozenset(
    {"text", "texts", "date", "integer", "boolean", "digest", "digests", "identifier", "identifiers", "did"}
    | {"vin", "country", "sets", "status", "party", "eori", "commodity_code", "criteria", "declaration"}
)
# Who may speak about a battery (LIFECYCLE.md argues each word; speaking.py decides).
SPEAKS = frozenset(
    {
        "creation",
        "enrolment",
        "holder",
        "custodian",
        "trade",
        "ending",
        "presenting",
        "responsible",
        "customs",
        "authority",
    }
    | {"operator", "maker", "setter", "contest", "author", "authorities", "any"}
)
COUNTERSIGNERS = frozenset({"parties", "responsible", "authorities"})
CUSTODIES = frozenset({"author", "first_party", "party_or_author", "private"})
PLACES = frozenset({"author", "presented", "none"})
HEIRS = frozenset({"holder", "operator"})
SETTING_KEYS = frozenset({"act", "author", "officials"})
PASSPORT_EFFECTS = frozenset({"publish", "supersede", "suspend", "reinstate", "revoke", "cede", "cease"})
PUBLISHING = frozenset({"publish", "supersede"})  # those under which a passport is recorded
ABOUT_A_PASSPORT = PASSPORT_EFFECTS - {"publish", "cede", "cease"}  # the one that they name
RESTS_ON_ALL_PACKS = frozenset({"X6", "X21"})  # rules that ask about every battery of a vehicle
BOUND_EFFECTS = frozenset({"bind", "unbind", "clear"})
PRESENTATION_EFFECTS = frozenset({"open", "moved", "closed"})
UNDO_EFFECTS = frozenset({"correct", "withdraw", "void"})
RECALL_EFFECTS = frozenset({"publish", "lift"})
ENFORCEMENTS = frozenset({"refused", "invalid", "waits", "verifier", "alarm", "not_built"})
# A date with `not_after`: not later than the day it is signed, or the day on which it happened.
AHEAD_OF_SIGNING, AHEAD_OF_EVENT = "signing", "event"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an event document; `values`: one of these; `ledger`: the delta field it is in as well.

    Of a boolean `values` are of "true" and "false": what the law wants declared is declared, or not stated;
    as a quantity of the ledger it is 1 or 0.
    `minimum` and `maximum` bound an integer; `at_most`: it is never more than this member of the same
    statement, where both are stated; `one_each`: a list as long as this one of the same statement;
    `part_of`: with all of the same battery that are part of it in statements of this event, never more than
    this quantity that another event stated of it ("event.member"); `monotone`: never less than stated before
    about the battery; `not_after`: a date that cannot lie ahead of the day it is signed ("signing"), or on
    which it happened ("event"); `own`: codes that its author makes, whatever becomes of the
    statement.
    """

    name: str
    type: str
    required: bool
    text: str
    values: tuple[str, ...] = ()
    ledger: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    at_most: str | None = None
    one_each: str | None = None
    part_of: str | None = None
    monotone: bool = False
    not_after: str | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Effects:
    """What an admitted event does to the standing of its subject, beside custody, place, marks, settings."""

    creates: bool = False  # producer and responsible operator := issuer
    enrols: bool = False  # brings a code into being whose origin is not on record
    fact: str | None = None  # remember the leaf index under this name: it may win a conflict
    consumes: str | None = None  # became part of its references; the successors' EU status
    claims_children: bool = False  # each referenced subject becomes a child, once
    passes_state: bool = False  # a child that was only made so far is in the state of its pack from then on
    names_parts: bool = False  # its references were put into the battery, or taken out; unborn ones are text
    claims_named: bool = False  # of a reference that others hold it says what anybody might: a claim
    passport: str | None = None
    bound: str | None = None  # bind; unbind: from exactly this asset; clear: from whatever asset
    presentation: str | None = None  # open | moved | closed
    gives_back: str | None = None  # the member that says that it never left: state, names, place of before
    eu_status: str | None = None
    responsible: str | None = None  # first_party
    undo: str | None = None  # takes the effect of the referenced attestation back: correct | withdraw | void
    under_late: bool = False  # it corrects the last record also where others were told late since
    minds_recalls: bool = False  # no day of production on which a recall by others rests is corrected
    reaches_back: bool = False  # it takes back what moved nothing, wherever it stands (`moved_nothing.py`)
    keeps_pack: bool = False  # an enrolment taken back so leaves that its code came out of a pack
    contests: bool = False  # remembered beside the last record, which stays the one that can be taken back
    status_list: bool = False
    recall: str | None = None  # publish | lift: about a namespace, not one battery


@dataclass(frozen=True, slots=True)
class Duty:
    """A time limit the law sets for reporting; `confirmed` False: taken from a secondary source."""

    jurisdiction: str
    working_days: int
    after: str
    basis: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of attestation about a battery (or, `battery_event` False, about something else)."""

    type: str
    from_states: frozenset[str]
    to: str | None
    attesters: tuple[str, ...]
    members: Mapping[str, Member]
    guards: tuple[str, ...]
    effects: Effects
    speaks: str = "any"
    countersigned_by: str | None = None
    # By jurisdiction: event times from here on need a live passport there.
    requires_passport_from: Mapping[str, int] = field(default_factory=dict)
    irreversible: bool = False
    marks: tuple[str, ...] = ()
    marks_in_use: tuple[str, ...] = ()
    marks_after_use: tuple[str, ...] = ()
    marks_named: tuple[str, ...] = ()
    marks_named_in_use: tuple[str, ...] = ()
    marks_named_again: tuple[str, ...] = ()
    marks_used_part: tuple[str, ...] = ()
    used_part_by: tuple[str, ...] = ()
    custody: str | None = None
    place: str | None = None
    names: bool = False
    sets: str | None = None
    lifts: str | None = None
    duties: tuple[Duty, ...] = ()
    needs: tuple[str, ...] = ()
    duty: str = ""
    basis: str = ""
    note: str = ""
    battery_event: bool = True
    to_in_vehicle: str | None = None  # `to` of a battery that a vehicle holds
    told_late: bool = False
    binds_late_in: frozenset[str] = frozenset()
    ledger_members: tuple[Member, ...] = field(init=False, compare=False, repr=False)  # those in the delta

    def __post_init__(self) -> None:
        in_delta = tuple(member for member in self.members.values() if member.ledger)
        object.__setattr__(self, "ledger_members", in_delta)

    @property
    def brings_into_being(self) -> bool:
        """True if the battery need not be on record before."""
        return self.effects.creates or self.effects.enrols


@dataclass(frozen=True, slots=True)
class RuleText:
    """What the table says about one of the rules X1..X22."""

    id: str
    enforcement: str
    reaction_code: str
    rule: str
    fraud: str
    reaction: str


@dataclass(frozen=True, slots=True)
class SettingKind:
    """A state kept per jurisdiction. `key`: act: that of the act; author: that of an authority, "" for a
    party; officials: as author, and a party sets none. `heir`: who ends what a party set, beside that party:
    the present holder, the present operator, or nobody; `alone`: in place of that party, once it is not the
    operator any more."""

    key: str
    text: str
    heir: str | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The parsed table. Build it with `Lifecycle.parse`."""

    version: int
    states: Mapping[str, str]
    initial: str  # of a battery without history
    terminal: frozenset[str]
    final: frozenset[str]  # terminal for good: rule X3
    roles: Mapping[str, str]
    officials: frozenset[str]  # roles that speak within their jurisdiction, whoever holds the battery
    marks: Mapping[str, str]  # what grows only
    inherited_marks: frozenset[str]  # those that what is made of a battery carries as well
    settings: Mapping[str, SettingKind]
    battery_schemes: frozenset[str]
    asset_schemes: frozenset[str]
    guards_always: tuple[str, ...]  # rules asked of every event, before its own
    events: Mapping[str, Event]  # events and other kinds
    rules: Mapping[str, RuleText]
    eu_status_transitions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # By item state: what customs let in or left here is besides in the state of the first mark it carries.
    resumes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wholes: frozenset[str] = frozenset()  # quantities of which others are part, as "event.member"
    binding_marks: frozenset[str] = frozenset()  # the marks that a battery has which was once installed
    naming_parts: frozenset[str] = frozenset()  # the events that name parts
    parts_apart: frozenset[str] | None = (
        None  # these, where they leave room for what others say (`namings.py`)
    )
    namings_by_right: bool = False  # what names parts is heard of who has a right over them; else a claim
    # Of others that an event names it is heard as they stood then; what they went through since stays.
    hears_of_then: bool = False
    vehicles_of_then: bool = False  # what is told late of a vehicle binds what was in it then
    moved_on_stays: bool = False  # voiding a dismantling leaves a child where it went on to since
    # A record keeps also how it stood under what made its code anew, and for no second before it left; and is
    # asked of then about the vehicle of then.
    whole_pasts: bool = False
    on_the_way: frozenset[str] = frozenset()  # states in which customs may say that it never left
    reports: frozenset[str] = (
        frozenset()
    )  # the events that move nothing, where the table reaches back to them
    tells_late: bool = False  # whether anything may be told late, so that how it stood is kept

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Lifecycle:
        """Read the table, refusing unknown keys and words; raises CredentialError("rules_invalid", ...)."""
        from credentials.ledger.lifecycle_table import read_lifecycle  # noqa: PLC0415  (it builds what is defined here)

        return read_lifecycle(table)

    def event(self, kind: str) -> Event | None:
        """The event of this name, or None."""
        return self.events.get(kind)

    def allows(self, event: Event, state: str, marks: Collection[str] = ()) -> bool:
        """True if the event is lawful in this item state; `marks` of a battery that no vehicle holds."""
        if state in event.from_states or self._resumed(state, marks) in event.from_states:
            return True
        return ANY in event.from_states and state != self.initial and state not in self.terminal

    def first_steps(self, event: Event, state: str, marks: Collection[str] = ()) -> tuple[str, ...]:
        """The events by which the shortest way goes from this item state to one that the event follows."""
        seen = {s for s in (state, self._resumed(state, marks)) if s is not None}
        ways = {s: frozenset[str]() for s in seen}
        while ways:
            found = frozenset[str]()
            onward: dict[str, frozenset[str]] = {}
            for step in self.events.values():
                begins = [ways[s] or frozenset({step.type}) for s in step.from_states if s in ways]
                if step.to is None or not begins or step.to in seen:
                    continue
                onward[step.to] = onward.get(step.to, frozenset()).union(*begins)
            # What may be told late of a battery in its vehicle is no reason to build it in.
            for reached in onward.keys() & (event.from_states - {event.to_in_vehicle}):
                found |= onward[reached]
            if found:
                return tuple(sorted(found))
            seen |= onward.keys()
            ways = onward
        return ()

    def _resumed(self, state: str, marks: Collection[str]) -> str | None:
        return next((was for mark, was in self.resumes.get(state, {}).items() if mark in marks), None)

    @property
    def customs_roles(self) -> frozenset[str]:
        """Roles to which a battery is presented."""
        customs = (event for event in self.events.values() if event.speaks == "customs")
        return frozenset(role for event in customs for role in event.attesters)

    @property
    def waste_states(self) -> frozenset[str]:
        """The item states into which a battery comes that is declared waste where it is."""
        waste = (event for event in self.events.values() if event.effects.eu_status == "waste")
        return frozenset(event.to for event in waste if event.to is not None and event.place is None)

    @property
    def liftable(self) -> frozenset[str]:
        """The settings that an event lifts."""
        return frozenset(event.lifts for event in self.events.values() if event.lifts is not None)

    def creating_roles(self) -> frozenset[str]:
        """Roles that may bring an identifier into being: their namespaces may not overlap."""
        return frozenset(
            role for event in self.events.values() if event.effects.creates for role in event.attesters
        )


def rules_invalid(why: str) -> CredentialError:
    """The error for a table that cannot be read."""
    return CredentialError("rules_invalid", f"the lifecycle rules cannot be read: {why}")
