"""Members and values of a delta: what the table asks for, in its form and range, and nothing else (L18)."""

from __future__ import annotations

from consensus.application import Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Attestation
from credentials.ledger.lifecycle import LEDGER_FIELDS, Event, Member
from credentials.ledger.standing import Standing


def require_members(attestation: Attestation, event: Event) -> None:
    """The delta has what the table asks for, in its form and range, and nothing else."""
    members = event.ledger_members
    fields = {member.ledger for member in members}
    for name in sorted(LEDGER_FIELDS):
        if name not in fields and getattr(attestation, name):
            raise Refusal("members", f"{event.type} has no {name}")
    for member in members:
        if member.required and not _present(attestation, member):
            raise Refusal("members", f"{event.type} needs {member.name} (delta: {member.ledger})")
        if member.ledger == "references":
            _require_references(attestation, event, member)
    _require_quantities(attestation, event)
    if attestation.subject in attestation.references:
        raise Refusal("members", f"{event.type} names the battery itself as another")


def _require_references(attestation: Attestation, event: Event, member: Member) -> None:
    one, kind = member.type in ("digest", "identifier"), bytes if member.type == "digest" else Subject
    if any(not isinstance(r, kind) for r in attestation.references):
        raise Refusal("members", f"{member.name} of {event.type} is of the type {member.type}")
    if one and len(attestation.references) > 1:
        raise Refusal("members", f"{event.type} names one {member.name}")


def _require_quantities(attestation: Attestation, event: Event) -> None:
    members = {member.name: member for member in event.ledger_members if member.ledger == "quantities"}
    for name, amount in attestation.quantities.items():
        member = members.get(name)
        if member is None:
            raise Refusal("members", f"{event.type} has no quantity {name}")
        reason = out_of_range(member, amount)
        if reason is not None:
            raise Refusal("value_impossible", reason)


def out_of_range(member: Member, amount: int) -> str | None:
    """Why this amount cannot be, or None; the same for whoever signs it and for the ledger."""
    assert member.minimum is not None and member.maximum is not None, "lifecycle_table.py asks for both"
    if member.minimum <= amount <= member.maximum:
        return None
    return f"{member.name} is {amount}: it lies between {member.minimum} and {member.maximum}"


def reading_of(name: str, did: str) -> str:
    """The key of a reading that a trade took: it binds that trade and nobody else."""
    return f"{name}/{did}"


def require_not_falling(standing: Standing, attestation: Attestation, event: Event) -> None:
    """A quantity that only grows is never less than its holder's side, or the same trade, stated before.

    What another trade of the place stated binds nobody: an absurd reading would refuse every honest one.
    """
    for member in event.ledger_members:
        now = attestation.quantities.get(member.name)
        keys = (member.name, reading_of(member.name, attestation.issuer))
        before = max(standing.readings.get(key, 0) for key in keys)
        if member.monotone and now is not None and now < before:
            raise Refusal("value_impossible", f"{member.name} is {now}: it was {before} already")


def _present(attestation: Attestation, member: Member) -> bool:
    if member.ledger == "quantities":
        return member.name in attestation.quantities
    return bool(getattr(attestation, member.ledger or ""))
