"""What a statement says of another battery without becoming state of it: where that came from, or was put.

    ["comity/namings/v2", standing key, count, [[key of another battery, kind, issuer, attestation, leaf]]]

(v1: of a network whose table knows no `namings_apart`, the first eight of whatever sort.)

A second life or a dismantling that is a claim, or lost by a rule, writes nothing on what it names; a repair
writes nothing on the parts that it names. True all the same, it would leave these as new (I1, I6). It is kept
beside the record of what is named, and a verdict on that looks at it (`verdicts/named.py`). Only of a party
that could know is it kept; what a repair says of a battery of others is a claim about that (I5), and so is
what a replacement says of the battery that went in, and a scrapping of those that were present.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256

from consensus.encoding import encode
from credentials.errors import CredentialError
from credentials.ledger.as_it_stood import as_it_stood, heard_of
from credentials.ledger.attestation import Attestation
from credentials.ledger.descendants import given_into
from credentials.ledger.lifecycle import RESTS_ON_ALL_PACKS, Event
from credentials.ledger.rules import Context
from credentials.ledger.standing import PRIVATE, Standing, tagged

NAMINGS_MAX = 8  # the first ones that name it as a part, and of the others; `count` counts all
_TAG, _TAG_APART = "comity/namings/v1", "comity/namings/v2"


@dataclass(frozen=True, slots=True)
class Naming:
    """A statement about the battery with the key `about`, or by which that was to come of it."""

    about: bytes
    kind: str
    issuer: str
    attestation: bytes
    leaf_index: int


@dataclass(frozen=True, slots=True)
class Namings:
    """How many statements name one battery so, and the first ones. No standing depends on them."""

    battery: bytes  # standing key
    count: int = 0
    first: tuple[Naming, ...] = ()
    apart: bool = False  # whether parts and origins have places of their own

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return namings_key(self.battery)

    def with_naming(self, naming: Naming, parts: Collection[str] | None = None) -> Namings:
        """These and one more. `parts`: the kinds that name parts, where these have places of their own.

        So no repair takes the place of a word on where it came from. A record from before of which something
        is not kept goes on as it was: of what sort that is it does not say.
        """
        apart = self.apart or (parts is not None and self.count == len(self.first))
        like = [
            n for n in self.first if not apart or (n.kind in (parts or ())) == (naming.kind in (parts or ()))
        ]
        first = (*self.first, naming) if len(like) < NAMINGS_MAX else self.first
        return Namings(self.battery, self.count + 1, first, apart)

    def origin_unread(self, parts: Collection[str]) -> bool:
        """True if one that is not kept may say where it came from."""
        origins = sum(n.kind not in parts for n in self.first)
        return self.count > len(self.first) and (not self.apart or origins >= NAMINGS_MAX)

    def part_unread(self, parts: Collection[str]) -> bool:
        """True if one that is not kept may name it as a part."""
        kept = sum(n.kind in parts for n in self.first)
        return self.count > len(self.first) and (not self.apart or kept >= NAMINGS_MAX)

    def encode(self) -> bytes:
        """The value in the map of standings."""
        first = [[n.about, n.kind, n.issuer, n.attestation, n.leaf_index] for n in self.first]
        return encode([_TAG_APART if self.apart else _TAG, self.battery, self.count, first])

    @classmethod
    def decode(cls, data: bytes) -> Namings:
        """Read what `encode` wrote."""
        try:
            value, apart = tagged(data, _TAG_APART, 4), True
        except CredentialError:
            value, apart = tagged(data, _TAG, 4), False
        return cls(value[1], value[2], tuple(Naming(*n) for n in value[3]), apart)


def namings_key(battery: bytes) -> bytes:
    """The key of what names the battery with this standing key."""
    return sha256(b"comity/namings-key/v1" + battery).digest()


def says_origin(event: Event) -> bool:
    """True if an event says of one battery that it came of another."""
    effects = event.effects
    return effects.creates or effects.claims_children or effects.consumes is not None


def namings(
    about: Standing, attestation: Attestation, context: Context, *, admitted: bool, by_right: bool
) -> Iterator[tuple[bytes, Naming]]:
    """What this statement, admitted or not, says of others that it does not become state of: (key, what).

    `by_right`: its author could say it of the battery that it is about, though it came late, or second.
    """
    event = context.event
    if not (event.effects.names_parts or (says_origin(event) and not admitted)):
        return
    as_told = admitted and not context.governance.lifecycle.namings_by_right
    given = _given(about, attestation, context) if by_right else frozenset()
    for other in (context.records.standing(subject) for subject in attestation.referenced_subjects):
        named, of = (about, other) if event.effects.creates else (other, about)
        if named.key in given or _could_know(named, of, attestation, context, as_told=as_told):
            yield (
                named.key,
                Naming(of.key, event.type, attestation.issuer, attestation.digest, context.leaf_index),
            )


def _given(pack: Standing, attestation: Attestation, context: Context) -> frozenset[bytes]:
    """What the pack's maker showed with it to be inside: whoever takes it apart needs no right over that."""
    if not (context.event.effects.claims_children and context.governance.lifecycle.hears_of_then):
        return frozenset()
    return given_into(pack, attestation.referenced_subjects, context)


def claimed_of_others(about: Standing, attestation: Attestation, context: Context) -> Iterator[bytes]:
    """The keys of those that a statement, admitted, names without any right over them (I5).

    A trade of the place repairs, replaces and scraps what it is brought; whether a battery that others hold
    was in there, or went in, it says as anybody might: a claim, at most a warning.
    """
    effects = context.event.effects
    by_right = effects.names_parts and context.governance.lifecycle.namings_by_right
    if not (by_right or effects.claims_named):
        return
    for named in (context.records.standing(subject) for subject in attestation.referenced_subjects):
        if effects.claims_named:
            known = heard_of(named, attestation, context) or _went_with(about, named, attestation, context)
        else:
            known = _could_know(named, named, attestation, context, as_told=False)
        if named.born and not known:
            yield named.key


def _went_with(about: Standing, named: Standing, attestation: Attestation, context: Context) -> bool:
    """Whether what is said of a vehicle binds it: what is in there in the same hands, now or then (0968)."""
    if RESTS_ON_ALL_PACKS.isdisjoint(context.event.guards):
        return False
    then = [{one.holder for one in (of, *as_it_stood(of, attestation.event_time))} for of in (about, named)]
    return not then[0].isdisjoint(then[1] - {PRIVATE})


def _could_know(
    named: Standing, of: Standing, attestation: Attestation, context: Context, *, as_told: bool
) -> bool:
    """Who makes such codes speaks of its own, and who has the battery, or is named for it, of that.

    `as_told`: under a table without `namings_by_right` what is heard about a pack is believed of parts, too,
    that by their own record are in the same hands, or never left those of the maker of both.
    """
    subject, issuer = named.subject, attestation.issuer
    if context.governance.makes(issuer, subject.scheme, subject.namespace, context.at):
        return True
    if not named.born:
        return False
    if heard_of(named, attestation, context):
        return True
    same = named.holder == of.holder != PRIVATE or named.holder == named.producer == of.producer
    return as_told and named.holder is not None and same
