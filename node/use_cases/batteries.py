"""What the ledger knows of one battery, as far as whoever asks may see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from credentials.documents.canonical import b64u
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.ledger.records import Claims
from credentials.ledger.standing import LIVE, Standing
from credentials.verdicts.evidence import LedgerView
from credentials.verdicts.record import Record
from credentials.verdicts.verdict_record import StepRecord
from node.issuing.issuing import Issuing
from node.storage.documents import StoredDocument
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

RECORDS_SHOWN = 100  # of a battery, at once


class PublishedPassport(TypedDict):
    """One publication on the ledger; `points` and `held` by Annex XIII point."""

    digest: str
    version: int
    issuer: str
    live: bool
    status: str
    points: dict[str, str]
    held: dict[str, bool]  # this node has the set, and whoever asks may see it


class ClaimShown(TypedDict):
    """What a party without a right over the battery said about it; `alert`: it is an authority elsewhere."""

    kind: str | None  # None: an enrolment that gave way when the rules in force knew none any more
    issuer: str
    issuer_name: str | None
    leaf_index: int
    alert: bool


class ClaimsShown(TypedDict):
    """How many there are, and the first of them."""

    count: int
    first: list[ClaimShown]


class RecordedPassport(TypedDict):
    """The latest passport on the ledger."""

    digest: str
    version: int
    issuer: str
    status: str
    leaf_index: int
    height: int


class SetBy(TypedDict):
    """Who set something about a battery, at which leaf."""

    by: str
    leaf_index: int


class RefusedStatement(TypedDict):
    """A statement about a battery that the ledger refused."""

    rule: str
    attestation_digest: str
    document_digest: str
    issuer: str
    leaf_index: int
    winner_leaf_index: int | None


class StandingAnswer(TypedDict):
    """The standing as people and programs read it; `publication` names what the passport is now."""

    item_state: str | None
    eu_status: str | None
    publication: str | None
    producer: str | None
    responsible: str | None
    named: list[str]
    passport: RecordedPassport | None
    bound: bool
    presented: bool
    lost: bool
    recalled: bool
    holder: str | None
    place: str | None
    marks: list[str]
    settings: dict[str, dict[str, SetBy]]  # setting -> jurisdiction ("" where it counts everywhere)
    last_event_time: int
    refusals: list[RefusedStatement]
    refusals_count: int


class BatteryAnswer(TypedDict):
    """One battery; unknown ones are `known: false`, with nothing else to tell."""

    battery: str
    scheme: str
    fields: dict[str, str]  # what its code says
    known: bool
    height: int
    block_time: int
    standing: StandingAnswer | None
    timeline: list[StepRecord]  # a page of it, the newest
    timeline_total: int
    before: int | None  # the leaf before which the next page begins; None: this is the last one
    passports: list[PublishedPassport]
    claims: ClaimsShown  # never a state


class Batteries:
    """Reads one battery's standing, record and passports."""

    def __init__(
        self,
        issuing: Issuing,
        gathering: Gathering,
        ledger: LedgerStore,
        office: OfficeStore,
    ) -> None:
        self._issuing = issuing
        self._gathering = gathering
        self._ledger = ledger
        self._office = office

    def battery(self, identifier: str, audience: str = "public", before: int | None = None) -> BatteryAnswer:
        """One battery by its identifier in any spelling; `audience` as in the access table.

        Anybody may ask: an answer costs the same however long a battery's record is. It has the newest
        records, `before` a leaf, and with them the passports that they published and the one in force.
        """
        found = self._issuing.signing.identifier(identifier)
        about = self._issuing.signing.subject(found)
        with self._ledger.reading(), self._office.reading():
            view = self._gathering.ledger_view(about, found, RECORDS_SHOWN, before)
            total = self._ledger.leaves.count_of(standing_key(about))
            network = self._gathering.network_view()
            record = Record.read(view, network.governance)
            standing = view.standing
            published = [r.attestation for r in record.admitted if r.attestation.set_list is not None]
            published = [*self._in_force(standing, published), *published]
            digests = [d for a in published if a.set_list is not None for d in a.set_list.points.values()]
            held = self._office.documents.get_many(digests)
            passports = [self._published(a, standing, held, audience) for a in published]
        return {
            "battery": found.canonical,
            "scheme": found.scheme,
            "fields": dict(found.fields),
            "known": standing is not None,
            "height": network.height,
            "block_time": network.block_time,
            "standing": None if standing is None else _standing(standing, view),
            "timeline": (timeline := list(record.timeline(network.governance))),
            "timeline_total": total,
            "before": timeline[0]["leaf_index"] if len(timeline) == RECORDS_SHOWN else None,
            "passports": passports,
            "claims": _claims(view.claims, network.governance),
        }

    def _in_force(self, standing: Standing | None, published: Sequence[Attestation]) -> list[Attestation]:
        """What published the latest passport, if it is not among these."""
        passport = standing.passport if standing is not None else None
        if passport is None or any(a.digest == passport.attestation for a in published):
            return []
        row = self._ledger.leaves.at(passport.leaf_index)
        entry = parse_entry(row.entry) if row is not None else None
        return [entry.attestation] if isinstance(entry, AdmittedEntry) else []

    def _published(
        self,
        attestation: Attestation,
        standing: Standing | None,
        held: Mapping[bytes, StoredDocument],
        audience: str,
    ) -> PublishedPassport:
        assert attestation.set_list is not None, "asked for publications only"
        version = standing.passport_with(attestation.document_digest) if standing else None
        return {
            "digest": b64u(attestation.document_digest),
            "version": attestation.set_list.version,
            "issuer": attestation.issuer,
            "live": version is not None and version.status == LIVE,
            "status": version.status if version is not None else "earlier",
            "points": {str(p): b64u(d) for p, d in sorted(attestation.set_list.points.items())},
            "held": {
                str(p): (stored := held.get(d)) is not None
                and self._gathering.giving.entitled(stored, audience)
                for p, d in sorted(attestation.set_list.points.items())
            },
        }


def _claims(claims: Claims | None, governance: Governance | None) -> ClaimsShown:
    if claims is None:
        return {"count": 0, "first": []}
    first: list[ClaimShown] = []
    for claim in claims.first:
        participant = governance.participant(claim.issuer) if governance is not None else None
        first.append(
            {
                "kind": claim.kind or None,
                "issuer": claim.issuer,
                "issuer_name": participant.name if participant is not None else None,
                "leaf_index": claim.leaf_index,
                "alert": claim.alert,
            }
        )
    return {"count": claims.count, "first": first}


def _standing(standing: Standing, view: LedgerView) -> StandingAnswer:
    """The standing as people and programs read it; `publication` names what the passport is now.

    Lost or recalled it is by what a verdict reads: also by model, batch or days, and what it was made from.
    """
    family = (standing, *view.relatives.values())
    kin = view.kin_recalls.items()
    unnamed = (recalls.covering_unnamed(key, view.relatives[key])[0] for key, recalls in kin)
    passport = standing.passport
    publication = standing.publication
    if passport is not None and (standing.revoked or standing.suspended):
        publication = passport.status
    return {
        "item_state": standing.item_state,
        "eu_status": standing.eu_status,
        "publication": publication,
        "producer": standing.producer,
        "responsible": standing.responsible,
        "named": list(standing.named),
        "passport": None
        if passport is None
        else {
            "digest": b64u(passport.digest),
            "version": passport.version,
            "issuer": passport.issuer,
            "status": passport.status,
            "leaf_index": passport.leaf_index,
            "height": passport.height,
        },
        "bound": standing.bound is not None,
        "presented": standing.presentation is not None,
        "lost": any(one.settings("lost") for one in family),
        "recalled": bool(view.recalls) or any(unnamed) or any(one.settings("recalled") for one in family),
        "holder": standing.holder,
        "place": standing.place,
        "marks": list(standing.marks),
        "settings": {
            name: {where: {"by": s.by, "leaf_index": s.leaf_index} for where, s in kept.items()}
            for name, kept in standing.jurisdictions.items()
        },
        "last_event_time": standing.last_event_time,
        "refusals": [
            {
                "rule": r.rule,
                "attestation_digest": b64u(r.attestation),
                "document_digest": b64u(r.document),
                "issuer": r.issuer,
                "leaf_index": r.leaf_index,
                "winner_leaf_index": r.winner_leaf_index,
            }
            for r in standing.refusals
        ],
        "refusals_count": standing.refusals_count,
    }
