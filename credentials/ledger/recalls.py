"""Recalls by model, batch or days of production: about a namespace of codes, not about one battery.

One record per namespace holds the recalls in force, each with its criteria and who published it, so that
every node asks them about the code it judges. Lifted ones are in the log alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from consensus.application import NotYet, Refusal
from consensus.encoding import encode
from credentials.documents.code_schemes import CodeScheme
from credentials.documents.identifiers import Identifier, Subject, canonical_beginning, canonical_namespace
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.payload import DAY_S, Criteria, Span
from credentials.ledger.rules import Context
from credentials.ledger.speaking import not_licensed
from credentials.ledger.standing import PARTY, Standing, tagged

RECALLS_PER_PARTY_MAX = 32  # in force at once, of one namespace
SCHEME = "recall"
_TAG = "comity/recalls/v1"


@dataclass(frozen=True, slots=True)
class Recall:
    """One recall in force. `jurisdiction` "": by the maker; otherwise by an authority, for its side."""

    attestation: bytes
    by: str
    role: str
    jurisdiction: str
    leaf_index: int
    criteria: Criteria | None
    batteries: tuple[bytes, ...]  # standing keys named beside the criteria

    def covers(self, code: str, battery: bytes, made: Sequence[Span]) -> bool:
        """True if it reaches this battery: canonical code, standing key, `made_when`."""
        named = battery in self.batteries
        return named or (self.criteria is not None and self.criteria.cover(code, made))


@dataclass(frozen=True, slots=True)
class Recalls:
    """The recalls in force about the codes of one namespace, in the order of the ledger."""

    scheme: str
    namespace: str
    recalls: tuple[Recall, ...] = ()

    @property
    def key(self) -> bytes:
        """Its key in the map of standings."""
        return standing_key(recall_subject(self.scheme, self.namespace))

    def covering(
        self, identifier: Identifier, battery: bytes, standing: Standing | None
    ) -> tuple[Recall, ...]:
        """Those that reach the battery with this identifier and standing key."""
        made = made_when(identifier, standing)
        return tuple(recall for recall in self.recalls if recall.covers(identifier.canonical, battery, made))

    def covering_unnamed(self, battery: bytes, standing: Standing) -> tuple[tuple[Recall, ...], bool]:
        """The same where the code is not known: those that reach it all the same; may others reach it?

        Its key is known, and the day on its record, which is enough where either source may say the day.
        """
        made = made_when_recorded(standing)
        sure = tuple(
            r
            for r in self.recalls
            if battery in r.batteries or (made and r.criteria is not None and r.criteria.cover("", made))
        )
        return sure, any(r.criteria is not None for r in self.recalls if r not in sure)

    def encode(self) -> bytes:
        """The value in the map of standings."""
        rows = [
            [
                r.attestation,
                r.by,
                r.role,
                r.jurisdiction,
                r.leaf_index,
                r.criteria.value if r.criteria else None,
                list(r.batteries),
            ]
            for r in self.recalls
        ]
        return encode([_TAG, self.scheme, self.namespace, rows])

    @classmethod
    def decode(cls, data: bytes) -> Recalls:
        """Read what `encode` wrote."""
        value = tagged(data, _TAG, 4)
        recalls = []
        for *start, criteria, batteries in value[3]:
            found = Criteria(tuple(criteria[0]), criteria[1], criteria[2]) if criteria else None
            recalls.append(Recall(start[0], start[1], start[2], start[3], start[4], found, tuple(batteries)))
        return cls(value[1], value[2], tuple(recalls))


def recalls_of(
    standings: Mapping[bytes, Standing], read: Callable[[Sequence[bytes]], Mapping[bytes, bytes]]
) -> dict[bytes, Recalls]:
    """The recalls in force about the codes of these batteries, by their keys; without any: left out."""
    about = {
        key: standing_key(recall_subject(one.subject.scheme, one.subject.namespace))
        for key, one in standings.items()
    }
    found = read(sorted(set(about.values()))) if about else {}
    decoded = {key: Recalls.decode(found[named]) for key, named in about.items() if named in found}
    return {key: recalls for key, recalls in decoded.items() if recalls.recalls}


def made_when(identifier: Identifier, standing: Standing | None) -> tuple[Span, ...]:
    """When a battery was made, by its code and by its record: each that says it; they ought to agree."""
    found: list[Span] = []
    if identifier.manufactured is not None:
        year, month, day = identifier.manufactured
        first = datetime(year, month, day or 1, tzinfo=UTC)
        # Thirty-one days from the first of a month reach its last one.
        until = first + timedelta(days=1 if day else 31)
        found.append((int(first.timestamp()), int(until.timestamp()) - 1))
    return (*found, *(made_when_recorded(standing) if standing is not None else ()))


def made_when_recorded(standing: Standing) -> tuple[Span, ...]:
    """When a battery was made, by its record alone."""
    day = standing.produced_on
    return ((day, day + DAY_S - 1),) if day is not None else ()


def recall_subject(scheme: str, namespace: str) -> Subject:
    """The subject of every recall of a namespace: `["recall", "scheme:namespace", H]`."""
    name = f"{scheme}:{namespace}"
    return Subject(SCHEME, name, sha256(b"comity/recall/v1" + name.encode()).digest())


def recalls_after(attestation: Attestation, context: Context, read: Callable[[Recalls], Recalls]) -> Recalls:
    """The record after a recall was published or lifted; raises Refusal and NotYet."""
    scheme, colon, namespace = attestation.subject.namespace.partition(":")
    if (
        attestation.subject.scheme != SCHEME
        or not colon
        or attestation.subject != recall_subject(scheme, namespace)
    ):
        raise Refusal(
            "subject", "a recall is about a namespace of codes: scheme and namespace of their maker"
        )
    if scheme not in context.governance.lifecycle.battery_schemes:
        raise Refusal("subject", "{scheme} is no scheme of batteries", scheme=scheme)
    try:
        spelled = canonical_namespace(scheme, namespace, context.governance.schemes)
    except CredentialError as error:
        raise Refusal("subject", error.message) from error
    if spelled != namespace:
        told = "{namespace} is written {spelled}: no code is found under another spelling"
        raise Refusal("subject", told, namespace=namespace, spelled=spelled)
    recalls = read(Recalls(scheme, namespace))
    if context.event.effects.recall == "lift":
        return _lifted(recalls, attestation, context)
    return _published(recalls, attestation, context)


def _published(recalls: Recalls, attestation: Attestation, context: Context) -> Recalls:
    voices = _voices(recalls, attestation, context)
    if attestation.criteria is None and not attestation.references:
        raise Refusal("members", "a recall says what it covers: beginnings of codes, days, or batteries")
    if len({r.attestation for r in recalls.recalls if r.by == attestation.issuer}) >= RECALLS_PER_PARTY_MAX:
        told = "{issuer} has {most} recalls of these codes in force"
        raise Refusal("quota", told, issuer=attestation.issuer, most=RECALLS_PER_PARTY_MAX)
    _require_reach(recalls, attestation, context.governance.schemes)
    batteries = tuple(standing_key(subject) for subject in attestation.referenced_subjects)
    added = [
        Recall(
            attestation.digest,
            attestation.issuer,
            role,
            jurisdiction,
            context.leaf_index,
            attestation.criteria,
            batteries,
        )
        for role, jurisdiction in voices
    ]
    return replace(recalls, recalls=(*recalls.recalls, *added))


def _require_reach(recalls: Recalls, attestation: Attestation, schemes: Mapping[str, CodeScheme]) -> None:
    """What is asked of the codes of one namespace can reach nothing else: no part of it is in vain."""
    scheme, namespace = recalls.scheme, recalls.namespace
    for subject in attestation.referenced_subjects:
        if (subject.scheme, subject.namespace) != (scheme, namespace):
            raise Refusal(
                "recall_reaches_nothing",
                "a recall of the codes of {namespace} cannot name a battery of {other} ({scheme}): "
                "publish one recall for each maker's codes",
                namespace=namespace,
                other=subject.namespace,
                scheme=subject.scheme,
            )
    for prefix in attestation.criteria.prefixes if attestation.criteria else ():
        try:
            spelled = canonical_beginning(scheme, namespace, prefix, schemes)
        except CredentialError as error:
            raise Refusal("recall_reaches_nothing", error.message) from error
        if spelled != prefix:
            told = "{prefix} is written {spelled}: no code begins so"
            raise Refusal("recall_reaches_nothing", told, prefix=prefix, spelled=spelled)


def _lifted(recalls: Recalls, attestation: Attestation, context: Context) -> Recalls:
    named = attestation.referenced_digests[0]
    published = [r for r in recalls.recalls if r.attestation == named]
    if not published:
        raise NotYet("state", "no recall in force of these codes has that attestation")
    lifted = [r for r in published if _may_lift(r, recalls, attestation, context)]
    if not lifted and any(r.by == attestation.issuer for r in published):
        raise not_licensed(attestation.issuer)
    if not lifted:
        raise Refusal("not_responsible", "{by} published it and has to lift it", by=published[0].by)
    return replace(recalls, recalls=tuple(r for r in recalls.recalls if r not in lifted))


def _may_lift(recall: Recall, recalls: Recalls, attestation: Attestation, context: Context) -> bool:
    """Its author, as long as it could publish it, or the same role on the same side; by licences in force."""
    governance, own = context.governance, recall.by == attestation.issuer
    if recall.jurisdiction == PARTY:
        return own and governance.makes(attestation.issuer, recalls.scheme, recalls.namespace, context.at)
    events = governance.lifecycle.events.values()
    publishing = {role for event in events if event.effects.recall == "publish" for role in event.attesters}
    return any(
        jurisdiction == recall.jurisdiction and (role == recall.role or (own and role in publishing))
        for role, jurisdiction in _roles(attestation, context)
    )


def _voices(recalls: Recalls, attestation: Attestation, context: Context) -> list[tuple[str, str]]:
    """(role, jurisdiction): as the maker of the namespace ("", ""), or as an authority, of each of its sides.

    A namespace is nowhere: an authority of two sides recalls on both, never on whichever is found first.
    """
    if context.governance.makes(attestation.issuer, recalls.scheme, recalls.namespace, context.at):
        return [("", PARTY)]
    sides: dict[str, str] = {}
    for role, jurisdiction in _roles(attestation, context):
        if role in context.event.attesters:
            sides.setdefault(jurisdiction, role)
    if not sides:
        told = "{issuer} is neither the maker of {namespace} nor an authority for it"
        raise Refusal("X9", told, issuer=attestation.issuer, namespace=recalls.namespace)
    return [(sides[jurisdiction], jurisdiction) for jurisdiction in sorted(sides)]


def _roles(attestation: Attestation, context: Context) -> list[tuple[str, str]]:
    """The roles as an authority that the author holds, each with its jurisdiction."""
    scheme, _, namespace = attestation.subject.namespace.partition(":")
    return [
        (role, accreditation.jurisdiction)
        for accreditation in context.governance.accreditations_of(attestation.issuer)
        if accreditation.in_force(context.at) and accreditation.covers(scheme, namespace)
        for role in accreditation.roles
        if role in context.governance.lifecycle.officials
    ]
