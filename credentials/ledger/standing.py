"""The standing of a battery (and the smaller records beside it): what the ledger knows at one height.

Three axes, never folded into one: item state, EU status, publication. Every record is a value of the map of
standings, deterministic CBOR, told apart by its tag:

    ["comity/standing/v1", core (bstr), null / [attestation, author, admitted at, core before (bstr) / null]]
    ["comity/asset/v1", [scheme, namespace, H], [standing keys of the packs bound to it]]
    ["comity/status-list/v1", issuer, H(list id), {purpose: [seq, digest, attestation, leaf, time]}]
    ["comity/quota/v1", issuer, day, count]

The last member of a standing is what taking its last attestation back would restore.
Keys: `attestation.standing_key(subject)` for standings and status lists, `asset_key`, `quota_key`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, cast

from consensus.encoding import EncodingError, Value, decode, encode
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key

UNKNOWN = "unknown"
EARLIER_PASSPORTS_MAX = 8  # older ones are on the timeline
REFUSALS_MAX = 16  # the first ones; `refusals_count` counts all
NAMED_MAX = 8

_STANDING_TAG = "comity/standing/v1"
_ASSET_TAG = "comity/asset/v1"
_STATUS_TAG = "comity/status-list/v1"
_QUOTA_TAG = "comity/quota/v1"

# Publication axis and the status of one passport version.
DRAFT, ACTIVE, SUPERSEDED, CEASED = "draft", "active", "superseded", "ceased"
LIVE, SUSPENDED, REVOKED = "live", "suspended", "revoked"


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
    """The vehicle or asset a battery is installed in."""

    asset: Subject
    leaf_index: int


@dataclass(frozen=True, slots=True)
class Presentation:
    """An open presentation to customs."""

    attestation: bytes
    issuer: str
    leaf_index: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """Standing keys of the batteries this one became part of, at which leaf, and their EU status."""

    successors: tuple[bytes, ...]
    leaf_index: int
    status: str


@dataclass(frozen=True, slots=True)
class Parent:
    """The dismantled battery this one was taken out of."""

    key: bytes
    leaf_index: int


@dataclass(frozen=True, slots=True)
class Undo:
    """The last admitted attestation and the core of the standing before it."""

    attestation: bytes
    author: str
    admitted_at: int
    core_before: bytes | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one battery. `facts`: leaf index of the last event of each kind of fact."""

    subject: Subject
    item_state: str = UNKNOWN
    eu_status: str = "original"
    publication: str = DRAFT
    producer: str | None = None
    responsible: str | None = None
    named: tuple[str, ...] = ()  # parties the responsible operator named: they may attest the next steps
    passport: Passport | None = None  # the latest version, whatever its status
    earlier: tuple[Passport, ...] = ()  # versions before it, latest last
    bound: Bound | None = None
    presentation: Presentation | None = None
    production_time: int | None = None
    last_event_time: int = 0  # of the last event that changed the item state
    lineage: Lineage | None = None
    parent: Parent | None = None
    children: tuple[bytes, ...] = ()
    children_root: bytes | None = None
    lost: bool = False
    recalled: bool = False
    facts: Mapping[str, int] = field(default_factory=dict)
    refusals: tuple[Refused, ...] = ()
    refusals_count: int = 0
    undo: Undo | None = None

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return standing_key(self.subject)

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
    def open_presentation(self) -> Presentation | None:
        """The presentation to customs that is not closed yet."""
        return self.presentation

    def passport_with(self, digest: bytes) -> Passport | None:
        """The version with this set-list digest, the latest or an earlier one."""
        versions = (*self.earlier, self.passport) if self.passport else self.earlier
        return next((p for p in reversed(versions) if p.digest == digest), None)

    def refusal_of(self, document: bytes) -> Refused | None:
        """The recorded refusal of an attestation about this document (a set list, for a passport)."""
        return next((r for r in self.refusals if r.document == document), None)

    def with_refusal(self, refused: Refused) -> Standing:
        """This standing after a recorded refusal."""
        kept = (*self.refusals, refused) if len(self.refusals) < REFUSALS_MAX else self.refusals
        return replace(self, refusals=kept, refusals_count=self.refusals_count + 1)

    def core(self) -> bytes:
        """The encoded standing without its undo record."""
        passport, bound, presentation = self.passport, self.bound, self.presentation
        lineage, parent = self.lineage, self.parent
        value: list[Any] = [
            self.subject.as_list(),
            self.item_state,
            self.eu_status,
            self.publication,
            self.producer,
            self.responsible,
            list(self.named),
            _passport_value(passport) if passport else None,
            [_passport_value(p) for p in self.earlier],
            [bound.asset.as_list(), bound.leaf_index] if bound else None,
            [presentation.attestation, presentation.issuer, presentation.leaf_index]
            if presentation
            else None,
            self.production_time,
            self.last_event_time,
            [list(lineage.successors), lineage.leaf_index, lineage.status] if lineage else None,
            [parent.key, parent.leaf_index] if parent else None,
            list(self.children),
            self.children_root,
            self.lost,
            self.recalled,
            dict(self.facts),
            [
                [r.rule, r.attestation, r.document, r.issuer, r.winner_leaf_index, r.leaf_index]
                for r in self.refusals
            ],
            self.refusals_count,
        ]
        return encode(value)

    def encode(self) -> bytes:
        """The value in the map of standings."""
        undo = self.undo
        before: Value = [undo.attestation, undo.author, undo.admitted_at, undo.core_before] if undo else None
        return encode([_STANDING_TAG, self.core(), before])

    @classmethod
    def decode(cls, data: bytes) -> Standing:
        """Read a value of the map of standings; raises CredentialError if it is another record."""
        value = _tagged(data, _STANDING_TAG, 3)
        undo = Undo(*value[2]) if value[2] is not None else None
        return replace(cls.decode_core(value[1]), undo=undo)

    @classmethod
    def decode_core(cls, data: bytes) -> Standing:
        """Read what `core` wrote."""
        v = cast(list[Any], decode(data))
        return cls(
            subject=Subject(*v[0]),
            item_state=v[1],
            eu_status=v[2],
            publication=v[3],
            producer=v[4],
            responsible=v[5],
            named=tuple(v[6]),
            passport=Passport(*v[7]) if v[7] is not None else None,
            earlier=tuple(Passport(*p) for p in v[8]),
            bound=Bound(Subject(*v[9][0]), v[9][1]) if v[9] is not None else None,
            presentation=Presentation(*v[10]) if v[10] is not None else None,
            production_time=v[11],
            last_event_time=v[12],
            lineage=Lineage(tuple(v[13][0]), v[13][1], v[13][2]) if v[13] is not None else None,
            parent=Parent(*v[14]) if v[14] is not None else None,
            children=tuple(v[15]),
            children_root=v[16],
            lost=v[17],
            recalled=v[18],
            facts=v[19],
            refusals=tuple(Refused(*r) for r in v[20]),
            refusals_count=v[21],
        )


@dataclass(frozen=True, slots=True)
class Asset:
    """A vehicle or other asset: the standing keys of the batteries installed in it, in order of binding."""

    subject: Subject
    packs: tuple[bytes, ...] = ()

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return asset_key(self.subject)

    def encode(self) -> bytes:
        """The value in the map of standings."""
        return encode([_ASSET_TAG, self.subject.as_list(), list(self.packs)])

    @classmethod
    def decode(cls, data: bytes) -> Asset:
        """Read what `encode` wrote."""
        value = _tagged(data, _ASSET_TAG, 3)
        return cls(Subject(*value[1]), tuple(value[2]))


@dataclass(frozen=True, slots=True)
class StatusVersion:
    """The latest attested version of a status list for one purpose."""

    seq: int
    digest: bytes
    attestation: bytes
    leaf_index: int
    time: int  # block time of admission


@dataclass(frozen=True, slots=True)
class StatusLists:
    """The latest versions of one status list of one issuer, by purpose."""

    subject: Subject
    latest: Mapping[str, StatusVersion] = field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return standing_key(self.subject)

    def encode(self) -> bytes:
        """The value in the map of standings."""
        latest = {
            purpose: [v.seq, v.digest, v.attestation, v.leaf_index, v.time]
            for purpose, v in self.latest.items()
        }
        return encode([_STATUS_TAG, self.subject.namespace, self.subject.h, latest])

    @classmethod
    def decode(cls, data: bytes) -> StatusLists:
        """Read what `encode` wrote."""
        value = _tagged(data, _STATUS_TAG, 4)
        latest = {purpose: StatusVersion(*version) for purpose, version in value[3].items()}
        return cls(Subject("status", value[1], value[2]), latest)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many attestations of an issuer were ordered on one day (days since 1970, UTC)."""

    issuer: str
    day: int
    count: int = 0

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return quota_key(self.issuer)

    def encode(self) -> bytes:
        """The value in the map of standings."""
        return encode([_QUOTA_TAG, self.issuer, self.day, self.count])

    @classmethod
    def decode(cls, data: bytes) -> Quota:
        """Read what `encode` wrote."""
        return cls(*_tagged(data, _QUOTA_TAG, 4)[1:])


Record = Standing | Asset | StatusLists | Quota


def asset_key(subject: Subject) -> bytes:
    """The key of a vehicle or asset: never that of a battery, whatever H its binder claims."""
    return sha256(b"comity/asset-key/v1" + standing_key(subject)).digest()


def quota_key(issuer: str) -> bytes:
    """The key of an issuer's daily count."""
    return sha256(b"comity/quota-key/v1" + issuer.encode()).digest()


def _passport_value(p: Passport) -> list[Value]:
    return [p.digest, p.version, p.issuer, p.attestation, p.leaf_index, p.height, p.status, p.changed_by]


def _tagged(data: bytes, tag: str, length: int) -> list[Any]:
    try:
        value = decode(data)
    except EncodingError as error:
        raise CredentialError("malformed", f"not a record of the ledger: {error}") from error
    if type(value) is not list or len(value) != length or value[0] != tag:
        raise CredentialError("malformed", f"not a record of the kind {tag}")
    return value
