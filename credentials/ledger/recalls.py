"""Recalls by model, batch or days of production: about a namespace of codes, not about one battery.

One record per namespace holds the recalls in force, each with its criteria and who published it, so that
every node asks them about the code it judges. Lifted ones are in the log alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from consensus.application import NotYet, Refusal
from consensus.encoding import encode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.payload import Criteria
from credentials.ledger.rules import Context
from credentials.ledger.standing import PARTY, tagged

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

    def covers(self, code: str, battery: bytes, produced: int | None) -> bool:
        """True if it reaches this battery: canonical code, standing key, when it was made (if known)."""
        named = battery in self.batteries
        return named or (self.criteria is not None and self.criteria.cover(code, produced))


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

    def covering(self, code: str, battery: bytes, produced: int | None) -> tuple[Recall, ...]:
        """Those that reach this battery."""
        return tuple(recall for recall in self.recalls if recall.covers(code, battery, produced))

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
        raise Refusal("subject", f"{scheme} is no scheme of batteries")
    recalls = read(Recalls(scheme, namespace))
    if context.event.effects.recall == "lift":
        return _lifted(recalls, attestation, context)
    return _published(recalls, attestation, context)


def _published(recalls: Recalls, attestation: Attestation, context: Context) -> Recalls:
    role, jurisdiction = _voice(recalls, attestation, context)
    if attestation.criteria is None and not attestation.references:
        raise Refusal("members", "a recall says what it covers: beginnings of codes, days, or batteries")
    if sum(recall.by == attestation.issuer for recall in recalls.recalls) >= RECALLS_PER_PARTY_MAX:
        raise Refusal(
            "quota", f"{attestation.issuer} has {RECALLS_PER_PARTY_MAX} recalls of these codes in force"
        )
    batteries = tuple(standing_key(subject) for subject in attestation.referenced_subjects)
    recall = Recall(
        attestation.digest,
        attestation.issuer,
        role,
        jurisdiction,
        context.leaf_index,
        attestation.criteria,
        batteries,
    )
    return replace(recalls, recalls=(*recalls.recalls, recall))


def _lifted(recalls: Recalls, attestation: Attestation, context: Context) -> Recalls:
    named = attestation.referenced_digests[0]
    recall = next((r for r in recalls.recalls if r.attestation == named), None)
    if recall is None:
        raise NotYet("state", "no recall in force of these codes has that attestation")
    if recall.by != attestation.issuer and (recall.role, recall.jurisdiction) not in _roles(
        attestation, context
    ):
        raise Refusal("not_responsible", f"{recall.by} published it and has to lift it")
    return replace(recalls, recalls=tuple(r for r in recalls.recalls if r is not recall))


def _voice(recalls: Recalls, attestation: Attestation, context: Context) -> tuple[str, str]:
    """(role, jurisdiction): as an authority for its side, or as the maker of the namespace ("", "")."""
    if context.governance.makes(attestation.issuer, recalls.scheme, recalls.namespace, context.at):
        return "", PARTY
    found = [r for r in _roles(attestation, context) if r[0] in context.event.attesters]
    if not found:
        raise Refusal(
            "X9", f"{attestation.issuer} is neither the maker of {recalls.namespace} nor an authority for it"
        )
    return found[0]


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
