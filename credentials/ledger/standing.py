"""The standing of one battery: what the ledger knows of it at one height (LIFECYCLE.md).

Three axes, never folded into one: item state, EU status, publication. Beside them who holds the battery,
where it is, the marks it never sheds, and what was set per jurisdiction and by whom. A value of the map of
standings, deterministic CBOR:

    ["comity/standing/v2", core (bstr), null / [attestation, author, kind, leaf, admitted at, countersigned,
                                                taken back, core before (bstr) / null,
                                                since / null, core before that (bstr) / null]]

The last member is what taking its last attestation back would restore. Key: `attestation.standing_key`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, cast

from consensus.application import Refusal
from consensus.encoding import EncodingError, Value, decode, decode_written, encode
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key
from credentials.ledger.situations import NO_PAST, Past

UNKNOWN = "unknown"
EARLIER_PASSPORTS_MAX = 8  # older ones are on the timeline
REFUSALS_MAX = 16  # the first ones; `refusals_count` counts all
NAMED_MAX = 8
CONTESTED_MAX = 8
PARTY_SETTERS_MAX = 16  # parties whose setting of one kind stands; authorities are as many as there are
PREDECESSORS_MAX, TAKEN_BACK_MAX = 64, 8

ORIGINAL, WASTE = "original", "waste"  # EU status
# Publication axis and the status of one passport version.
DRAFT, ACTIVE, SUPERSEDED, CEASED = "draft", "active", "superseded", "ceased"
LIVE, SUSPENDED, REVOKED = "live", "suspended", "revoked"
# Marks and settings that the code itself leaves; all others are words of the table.
ENROLLED, CHILD, SECOND_LIFE = "enrolled", "child_of_dismantled", "second_life"
BANNED, PASSPORT_SUSPENDED, PLACED, REFUSED = "banned", "suspended", "placed", "refused"
PARTY = ""  # key of a setting that a party set, not an authority for its jurisdiction
PRIVATE = "private"  # the holder is an owner without a node

_STANDING_TAG = "comity/standing/v2"


@dataclass(frozen=True, slots=True)
class Passport:
    """One published version: `digest` is that of its set list, `leaf_index` where it was published."""

    digest: bytes
    version: int
    issuer: str
    attestation: bytes
    leaf_index: int
    height: int
    status: str  # live | suspended | revoked | superseded | ceased
    changed_by: str  # who set the status


@dataclass(frozen=True, slots=True)
class Refused:
    """A recorded refusal: a validly signed statement that lost to an earlier one."""

    rule: str
    attestation: bytes
    document: bytes  # digest of its document: of the set list, for a passport
    issuer: str
    winner_leaf_index: int
    leaf_index: int


@dataclass(frozen=True, slots=True)
class Bound:
    """The vehicle or asset a battery is installed in, and who installed it."""

    asset: Subject
    leaf_index: int
    by: str


@dataclass(frozen=True, slots=True)
class CustomsPresentation:
    """An open presentation to customs. `office`: the customs participant, None if only its side is known."""

    attestation: bytes
    issuer: str
    leaf_index: int
    jurisdiction: str
    office: str | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Standing keys of the batteries this one became part of, at which leaf, and their EU status."""

    successors: tuple[bytes, ...]
    leaf_index: int
    status: str


@dataclass(frozen=True, slots=True)
class Parent:
    """The dismantled battery this one was taken out of, and what it was before: void gives that back."""

    key: bytes
    leaf_index: int
    status: str = ORIGINAL
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """Who set something, at which leaf, and in which role as an authority ("": as a party)."""

    by: str
    leaf_index: int
    role: str = ""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Who entered it without a record of its origin, as a Setting is kept, and by which attestation."""

    by: str
    leaf_index: int
    role: str
    attestation: bytes


@dataclass(frozen=True, slots=True)
class Ban:
    """An authority's prohibition to publish a passport again."""

    by: str
    jurisdiction: str
    leaf_index: int


@dataclass(frozen=True, slots=True)
class Undo:
    """The last admitted attestation and the core of the standing before it."""

    attestation: bytes
    author: str
    kind: str
    leaf_index: int
    admitted_at: int
    countersigned: bool  # by another party
    taken_back: bool  # its effect was removed already; its marks were not
    core_before: bytes | None
    since: bytes | None = None  # the first of the trades' records in a row that this one ends
    core_since: bytes | None = None  # the core before that one, if it is another
    below: bytes | None = None  # told late: the undo of the record under it, for its author


undo_members = attrgetter(*Undo.__dataclass_fields__)  # in the order in which they are written


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one battery. `facts`: leaf index of the last event of each kind of fact."""

    subject: Subject
    item_state: str = UNKNOWN
    eu_status: str = ORIGINAL
    publication: str = DRAFT
    producer: str | None = None
    responsible: str | None = None
    holder: str | None = None  # who may speak for it: a DID, eori:..., uscc:... or PRIVATE
    named: tuple[str, ...] = ()  # parties that the holder or an authority named: they may do the next steps
    place: str | None = None  # the jurisdiction it is in; None on the way
    marks: tuple[str, ...] = ()  # sorted; never fewer
    jurisdictions: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)  # setting -> key -> who
    passport: Passport | None = None  # the latest version, whatever its status
    earlier: tuple[Passport, ...] = ()  # versions before it, latest last
    bound: Bound | None = None
    presentation: CustomsPresentation | None = None
    production_time: int | None = None  # when it was stated to be produced
    produced_on: int | None = None  # first second of the day of production, as its maker states it
    last_event_time: int = 0  # of the last event that changed the item state
    lineage: Lineage | None = None
    predecessors: tuple[bytes, ...] = ()  # standing keys of the batteries it was made from
    parent: Parent | None = None
    children: tuple[bytes, ...] = ()
    children_root: bytes | None = None
    enrolled: Enrolment | None = None
    contested: tuple[int, ...] = ()  # leaf indices of the contests, the first ones
    voided: bool = False  # a record of it was voided by authorities
    taken_back: tuple[bytes, ...] = ()  # records without effect that still show use: the latest, to be voided
    past: Past = NO_PAST  # who could speak before
    readings: Mapping[str, int] = field(default_factory=dict)  # quantities that never fall
    facts: Mapping[str, int] = field(default_factory=dict)
    refusals: tuple[Refused, ...] = ()
    refusals_count: int = 0
    undo: Undo | None = None

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return standing_key(self.subject)

    @property
    def born(self) -> bool:
        """True if it was brought into being: produced, enrolled, or taken out of a dismantled battery."""
        return self.item_state != UNKNOWN

    @property
    def used(self) -> bool:
        """True if it carries any mark of use (I1)."""
        return any(mark != ENROLLED for mark in self.marks)

    @property
    def live(self) -> bool:
        """True if a passport is published and neither suspended, revoked, superseded nor ceased."""
        return self.passport is not None and self.passport.status == LIVE

    @property
    def suspended(self) -> bool:
        """True if the passport is suspended."""
        return self.passport is not None and self.passport.status == SUSPENDED

    @property
    def revoked(self) -> bool:
        """True if the latest passport was revoked and no other was published since."""
        return self.passport is not None and self.passport.status == REVOKED

    @property
    def bound_asset(self) -> Subject | None:
        """The vehicle or asset it is installed in."""
        return self.bound.asset if self.bound else None

    @property
    def open_presentation(self) -> CustomsPresentation | None:
        """The presentation to customs that is not closed yet."""
        return self.presentation

    @property
    def ban(self) -> Ban | None:
        """The first prohibition to publish again that is in force."""
        bans = [Ban(s.by, side_of(key), s.leaf_index) for key, s in self.settings(BANNED).items()]
        return min(bans, key=lambda ban: ban.leaf_index, default=None)

    def settings(self, name: str) -> Mapping[str, Setting]:
        """What is set under this name, by jurisdiction ("": by a party)."""
        return self.jurisdictions.get(name, {})

    def setting(self, name: str, jurisdiction: str) -> Setting | None:
        """What is set under this name in this jurisdiction, or None."""
        return self.settings(name).get(jurisdiction)

    def joined(self, name: str, side: str, setting: Setting) -> Standing:
        """This standing with one setter more on that side: nobody's word is lost in another's (I2)."""
        on_side = [s for key, s in self.settings(name).items() if side_of(key) == side]
        if any(s.by == setting.by for s in on_side):
            return self
        if sum(1 for s in on_side if not s.role) >= PARTY_SETTERS_MAX and not setting.role:
            raise Refusal("quota", "{most} parties have said so already", most=PARTY_SETTERS_MAX)
        return self.with_set(name, f"{side}/{setting.by}" if on_side else side, setting)

    def lifted(self, name: str, key: str) -> Standing:
        """This standing without one setting; the next setter of that side stands in its place."""
        rest = self.with_set(name, key, None)
        others = {k: s for k, s in rest.settings(name).items() if side_of(k) == key}
        if not others:
            return rest
        heir = min(others, key=lambda k: others[k].leaf_index)
        return rest.with_set(name, heir, None).with_set(name, key, others[heir])

    def with_set(self, name: str, key: str, setting: Setting | None) -> Standing:
        """This standing with one setting set, or lifted (None)."""
        return replace(self, jurisdictions=with_setting(self.jurisdictions, name, key, setting))

    def with_marks(self, *marks: str) -> Standing:
        """This standing with more marks."""
        grown = tuple(sorted({*self.marks, *marks}))
        return self if grown == self.marks else replace(self, marks=grown)

    def passport_with(self, digest: bytes) -> Passport | None:
        """The version with this set-list digest, the latest or an earlier one."""
        versions = (*self.earlier, self.passport) if self.passport else self.earlier
        return next((p for p in reversed(versions) if p.digest == digest), None)

    def with_refusal(self, refused: Refused) -> Standing:
        """This standing after a recorded refusal."""
        kept = (*self.refusals, refused) if len(self.refusals) < REFUSALS_MAX else self.refusals
        return replace(self, refusals=kept, refusals_count=self.refusals_count + 1)

    def with_contest(self, leaf_index: int) -> Standing:
        """This standing with one more contest; the first ones are kept."""
        return replace(self, contested=(*self.contested, leaf_index)[:CONTESTED_MAX])

    def core(self) -> bytes:
        """The encoded standing without its undo record."""
        return encode(_core_value(self))

    def encode(self) -> bytes:
        """The value in the map of standings."""
        before: list[Value] | None = list(undo_members(self.undo)) if self.undo is not None else None
        if before is not None and before[-1] is None:
            before.pop()  # without, as it was before there was one
        return encode([_STANDING_TAG, self.core(), before])

    @classmethod
    def decode(cls, data: bytes) -> Standing:
        """Read a value of the map of standings; raises CredentialError if it is another record."""
        return cls._read(data, decode)[0]

    @classmethod
    def decode_with_core(cls, data: bytes) -> tuple[Standing, bytes]:
        """The same of the node's own map, with the encoded core: an undo record takes it as it is."""
        return cls._read(data, decode_written)

    @classmethod
    def _read(cls, data: bytes, core_of: Callable[[bytes], Value]) -> tuple[Standing, bytes]:
        value = tagged(data, _STANDING_TAG, 3)
        undo = Undo(*value[2]) if value[2] is not None else None
        return _standing(cls, cast(list[Any], core_of(value[1])), undo), value[1]

    @classmethod
    def decode_core(cls, data: bytes) -> Standing:
        """Read what `core` wrote."""
        return _standing(cls, cast(list[Any], decode(data)), None)


def side_of(key: str) -> str:
    """The jurisdiction of a setting, "" for a party's: later setters of a side are under `side/DID`."""
    return key.partition("/")[0]


def with_setting(
    jurisdictions: Mapping[str, Mapping[str, Setting]], name: str, key: str, setting: Setting | None
) -> Mapping[str, Mapping[str, Setting]]:
    """What is kept per jurisdiction with one setting set, or lifted (None)."""
    kept = {k: s for k, s in jurisdictions.get(name, {}).items() if k != key}
    if setting is not None:
        kept[key] = setting
    others = {n: s for n, s in jurisdictions.items() if n != name}
    return {**others, name: kept} if kept else others


def _core_value(s: Standing) -> list[Any]:
    passport, bound, presentation = s.passport, s.bound, s.presentation
    lineage, parent, enrolled = s.lineage, s.parent, s.enrolled
    return [
        s.subject.as_list(),
        s.item_state,
        s.eu_status,
        s.publication,
        s.producer,
        s.responsible,
        s.holder,
        list(s.named),
        s.place,
        list(s.marks),
        {
            name: {key: [found.by, found.leaf_index, found.role] for key, found in kept.items()}
            for name, kept in s.jurisdictions.items()
        },
        _passport_value(passport) if passport else None,
        [_passport_value(p) for p in s.earlier],
        [bound.asset.as_list(), bound.leaf_index, bound.by] if bound else None,
        [
            presentation.attestation,
            presentation.issuer,
            presentation.leaf_index,
            presentation.jurisdiction,
            presentation.office,
        ]
        if presentation
        else None,
        s.production_time,
        s.last_event_time,
        [list(lineage.successors), lineage.leaf_index, lineage.status] if lineage else None,
        list(s.predecessors),
        [parent.key, parent.leaf_index, parent.status, list(parent.marks)] if parent else None,
        list(s.children),
        s.children_root,
        [enrolled.by, enrolled.leaf_index, enrolled.role, enrolled.attestation] if enrolled else None,
        list(s.contested),
        s.voided,
        dict(s.readings),
        dict(s.facts),
        [
            [r.rule, r.attestation, r.document, r.issuer, r.winner_leaf_index, r.leaf_index]
            for r in s.refusals
        ],
        s.refusals_count,
        s.produced_on,
        list(s.taken_back),
        *([s.past.value()] if s.past != NO_PAST else ()),  # without, as it was before there was one
    ]


def _standing(cls: type[Standing], v: list[Any], undo: Undo | None) -> Standing:
    return cls(
        subject=Subject(*v[0]),
        item_state=v[1],
        eu_status=v[2],
        publication=v[3],
        producer=v[4],
        responsible=v[5],
        holder=v[6],
        named=tuple(v[7]),
        place=v[8],
        marks=tuple(v[9]),
        jurisdictions={
            name: {key: Setting(*value) for key, value in kept.items()} for name, kept in v[10].items()
        },
        passport=Passport(*v[11]) if v[11] is not None else None,
        earlier=tuple(Passport(*p) for p in v[12]),
        bound=Bound(Subject(*v[13][0]), v[13][1], v[13][2]) if v[13] is not None else None,
        presentation=CustomsPresentation(*v[14]) if v[14] is not None else None,
        production_time=v[15],
        last_event_time=v[16],
        lineage=Lineage(tuple(v[17][0]), v[17][1], v[17][2]) if v[17] is not None else None,
        predecessors=tuple(v[18]),
        parent=Parent(v[19][0], v[19][1], v[19][2], tuple(v[19][3])) if v[19] is not None else None,
        children=tuple(v[20]),
        children_root=v[21],
        enrolled=Enrolment(*v[22]) if v[22] is not None else None,
        contested=tuple(v[23]),
        voided=v[24],
        readings=v[25],
        facts=v[26],
        refusals=tuple(Refused(*r) for r in v[27]),
        refusals_count=v[28],
        produced_on=v[29],
        taken_back=tuple(v[30]),
        past=Past.read(v[31]) if len(v) > 31 else NO_PAST,
        undo=undo,
    )


def _passport_value(p: Passport) -> list[Value]:
    return [p.digest, p.version, p.issuer, p.attestation, p.leaf_index, p.height, p.status, p.changed_by]


def tagged(data: bytes, tag: str, length: int) -> list[Any]:
    """The members of a record of this kind; raises CredentialError if it is another one."""
    try:
        value = decode(data)
    except EncodingError as error:
        raise CredentialError("malformed", f"not a record of the ledger: {error}") from error
    if type(value) is not list or len(value) != length or value[0] != tag:
        raise CredentialError("malformed", f"not a record of the kind {tag}")
    return value
