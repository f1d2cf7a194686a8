"""The records beside the standings: vehicles, status lists, claims, recalls, daily counts.

Values of the map of standings, deterministic CBOR, told apart by their tags:

    ["comity/asset/v5", [scheme, namespace, H], [[standing key, who installed it, leaf, {kind: H}]],
                        {hand: {kind: [leaf, H]}}]
    ["comity/status-list/v1", issuer, H(list id), {purpose: [seq, digest, attestation, leaf, time]}]
    ["comity/quota/v1", issuer, day, count]
    ["comity/claims/v1", standing key, count, [[issuer, kind, leaf, alert]]]
    ["comity/said/v1", standing key, issuer, what, count]

Recalls have a file of their own. Keys: `attestation.standing_key(subject)` for status lists; `asset_key`,
`quota_key`, `claims_key`, `said_key`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from consensus.encoding import encode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import standing_key
from credentials.ledger.standing import Standing, tagged

CLAIMS_SHOWN_MAX = 8  # the first ones, and as many alerts of authorities; `count` counts all
# What one party may leave about one battery without being heard: a claim, two lost statements a rule,
# some contests. More is refused and leaves nothing: words of strangers do not grow a record (I5).
CLAIMS_PER_PARTY_MAX = 1
REFUSALS_PER_PARTY_MAX = 2
CONTESTS_PER_PARTY_MAX = 8
CLAIM, CONTEST = "claim", "contest"
# Under whose hands a vehicle's record keeps what was said of it: a holder's DID or number, and:
INSTALLED_BY = "installed by "  # binds nothing of what they put in, and rests on what they said left it
HANDS_MAX = 64
AUTHORITY = ""  # no DID: what an authority says of a vehicle is said to whatever is in it

_ASSET_TAG = "comity/asset/v5"
_STATUS_TAG = "comity/status-list/v1"
_QUOTA_TAG = "comity/quota/v1"
_CLAIMS_TAG = "comity/claims/v1"
_SAID_TAG = "comity/said/v1"


@dataclass(frozen=True, slots=True)
class Installed:
    """A battery in a vehicle: who installed it, and what was said of the vehicle that answered for it."""

    pack: bytes  # standing key
    by: str
    relied_leaf: int | None = None  # registered, sold or scrapped with it: the last record
    # What binds it of that, though it was said about another battery: kind -> digest of the attestation.
    told: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OfVehicle:
    """What was said of a vehicle as a whole: the leaf of the last such record, the digest of the first."""

    leaf_index: int
    attestation: bytes


@dataclass(frozen=True, slots=True)
class Asset:
    """A vehicle or other asset: the batteries installed in it, in order of binding.

    `said`: what was said of the vehicle, by whose batteries it was said about (who held, who installed them,
    or AUTHORITY) and by kind. It outlasts these: what comes in later from a holder comes into it.
    """

    subject: Subject
    installed: tuple[Installed, ...] = ()
    said: Mapping[str, Mapping[str, OfVehicle]] = field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return asset_key(self.subject)

    def of(self, pack: bytes) -> Installed | None:
        """What is known of this battery in it."""
        return next((one for one in self.installed if one.pack == pack), None)

    def without(self, pack: bytes) -> Asset:
        """This vehicle once the battery is out of it."""
        return replace(self, installed=tuple(one for one in self.installed if one.pack != pack))

    def relied_upon(self, packs: Iterable[bytes], leaf_index: int) -> Asset:
        """This vehicle after a record about it that answered for these batteries, and for no other."""
        answered = frozenset(packs)
        return replace(
            self,
            installed=tuple(
                replace(one, relied_leaf=leaf_index) if one.pack in answered else one
                for one in self.installed
            ),
        )

    def with_told(self, packs: Iterable[bytes], kind: str, attestation: bytes) -> Asset:
        """This vehicle after a record about it that binds these batteries as it binds its own.

        The first of a kind is kept: to void a later one takes nothing of it away.
        """
        bound = frozenset(packs)
        return replace(
            self,
            installed=tuple(
                replace(one, told={kind: attestation, **one.told}) if one.pack in bound else one
                for one in self.installed
            ),
        )

    def with_said(self, hands: Iterable[str], kind: str, leaf_index: int, attestation: bytes) -> Asset:
        """This vehicle after a record about it, for what these hands have in it, had or put in later.

        Beside an authority's word, that of the first hands: nobody makes the record of a stranger's car long.
        """
        said = dict(self.said)
        for hand in hands:
            if hand != AUTHORITY and hand not in said and len(said) >= HANDS_MAX:
                continue
            first = said.get(hand, {}).get(kind)
            digest = first.attestation if first is not None else attestation
            leaf = max(leaf_index, first.leaf_index if first is not None else 0)
            said[hand] = {**said.get(hand, {}), kind: OfVehicle(leaf, digest)}
        return replace(self, said=said)

    def told_to(self, hands: Collection[str]) -> dict[str, bytes]:
        """What binds a battery of these hands that comes into this vehicle, by kind."""
        there = (self.said[hand] for hand in sorted(self.said) if hand in hands)
        return {kind: of.attestation for kinds in there for kind, of in kinds.items()}

    def said_since(self, leaf_index: int, hands: Collection[str]) -> bool:
        """True if something was said of the vehicle after this leaf that binds what is in these hands."""
        there = (self.said[hand].values() for hand in self.said if hand in hands)
        return any(of.leaf_index > leaf_index for kinds in there for of in kinds)

    def without_told(self, attestation: bytes) -> Asset:
        """This vehicle once authorities voided a record about it."""
        return replace(
            self,
            installed=tuple(
                replace(one, told={kind: d for kind, d in one.told.items() if d != attestation})
                for one in self.installed
            ),
            said={
                hand: {kind: of for kind, of in kinds.items() if of.attestation != attestation}
                for hand, kinds in self.said.items()
            },
        )

    def encode(self) -> bytes:
        """The value in the map of standings."""
        installed = [[one.pack, one.by, one.relied_leaf, dict(one.told)] for one in self.installed]
        said = {
            hand: {kind: [of.leaf_index, of.attestation] for kind, of in kinds.items()}
            for hand, kinds in self.said.items()
        }
        return encode([_ASSET_TAG, self.subject.as_list(), installed, said])

    @classmethod
    def decode(cls, data: bytes) -> Asset:
        """Read what `encode` wrote."""
        value = tagged(data, _ASSET_TAG, 4)
        said = {
            hand: {kind: OfVehicle(*of) for kind, of in kinds.items()} for hand, kinds in value[3].items()
        }
        return cls(Subject(*value[1]), tuple(Installed(*one) for one in value[2]), said)


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
        value = tagged(data, _STATUS_TAG, 4)
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
        return cls(*tagged(data, _QUOTA_TAG, 4)[1:])


@dataclass(frozen=True, slots=True)
class Claim:
    """What a party without a right over a battery said about it; `alert`: it is an authority elsewhere."""

    issuer: str
    kind: str
    leaf_index: int
    alert: bool


@dataclass(frozen=True, slots=True)
class Claims:
    """How many claims were made about one battery, and the first ones. No standing depends on them."""

    battery: bytes  # standing key
    count: int = 0
    first: tuple[Claim, ...] = ()

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return claims_key(self.battery)

    def with_claim(self, claim: Claim) -> Claims:
        """These claims and one more; strangers' leave room for what authorities alert to."""
        like = sum(one.alert == claim.alert for one in self.first)
        shown = (*self.first, claim) if like < CLAIMS_SHOWN_MAX else self.first
        return Claims(self.battery, self.count + 1, shown)

    def encode(self) -> bytes:
        """The value in the map of standings."""
        first = [[c.issuer, c.kind, c.leaf_index, c.alert] for c in self.first]
        return encode([_CLAIMS_TAG, self.battery, self.count, first])

    @classmethod
    def decode(cls, data: bytes) -> Claims:
        """Read what `encode` wrote."""
        value = tagged(data, _CLAIMS_TAG, 4)
        return cls(value[1], value[2], tuple(Claim(*c) for c in value[3]))


@dataclass(frozen=True, slots=True)
class Said:
    """How often a party said something about a battery of which there is a bound: `what` is CLAIM, CONTEST or
    the rule by which it lost."""

    battery: bytes  # standing key
    issuer: str
    what: str
    count: int = 0

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return said_key(self.battery, self.issuer, self.what)

    def encode(self) -> bytes:
        """The value in the map of standings."""
        return encode([_SAID_TAG, self.battery, self.issuer, self.what, self.count])

    @classmethod
    def decode(cls, data: bytes) -> Said:
        """Read what `encode` wrote."""
        return cls(*tagged(data, _SAID_TAG, 5)[1:])


Record = Standing | Asset | StatusLists | Quota | Claims | Said


def asset_key(subject: Subject) -> bytes:
    """The key of a vehicle or asset: never that of a battery, whatever H its binder claims."""
    return sha256(b"comity/asset-key/v1" + standing_key(subject)).digest()


def quota_key(issuer: str) -> bytes:
    """The key of an issuer's daily count."""
    return sha256(b"comity/quota-key/v1" + issuer.encode()).digest()


def claims_key(battery: bytes) -> bytes:
    """The key of the claims about the battery with this standing key."""
    return sha256(b"comity/claims-key/v1" + battery).digest()


def said_key(battery: bytes, issuer: str, what: str) -> bytes:
    """The key of how often a party said this about the battery with this standing key."""
    return sha256(b"comity/said-key/v1" + battery + encode([issuer, what])).digest()
