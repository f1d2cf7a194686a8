"""What an event changes in a standing, member by member: given to `replace`, so each is a field of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from credentials.ledger.attestation import Attestation
from credentials.ledger.rules import Context
from credentials.ledger.standing import (
    Bound,
    CustomsPresentation,
    Enrolment,
    Lineage,
    Passport,
    Setting,
    Undo,
)


class Change(TypedDict, total=False):
    """The members that change, with what they become; what is not in it stays."""

    item_state: str
    eu_status: str
    publication: str
    producer: str | None
    responsible: str | None
    holder: str | None
    named: tuple[str, ...]
    place: str | None
    marks: tuple[str, ...]
    jurisdictions: Mapping[str, Mapping[str, Setting]]
    passport: Passport | None
    earlier: tuple[Passport, ...]
    bound: Bound | None
    presentation: CustomsPresentation | None
    production_time: int | None
    produced_on: int | None
    last_event_time: int
    lineage: Lineage | None
    children: tuple[bytes, ...]
    children_root: bytes | None
    enrolled: Enrolment | None
    contested: tuple[int, ...]
    readings: Mapping[str, int]
    facts: Mapping[str, int]
    undo: Undo | None


def said_last(attestation: Attestation, context: Context, core_before: bytes | None) -> Undo:
    """This attestation as the last record of a battery, and what taking it back would restore."""
    return Undo(
        attestation.digest,
        attestation.issuer,
        attestation.kind,
        context.leaf_index,
        context.at,
        countersigned=any(c.signatory != attestation.issuer for c in attestation.countersignatures),
        taken_back=False,
        core_before=core_before,
    )
