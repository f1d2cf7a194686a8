"""Members and values of a delta: what the table asks for, in its form and range, and nothing else (L18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Attestation
from credentials.ledger.governance import Governance
from credentials.ledger.lifecycle import (
    ABOUT_A_PASSPORT,
    AHEAD_OF_EVENT,
    LEDGER_FIELDS,
    PUBLISHING,
    RESTS_ON_ALL_PACKS,
    Event,
    Lifecycle,
    Member,
)
from credentials.ledger.parties import Limits
from credentials.ledger.payload import DAY_S
from credentials.ledger.records import Quota
from credentials.ledger.standing import Standing


def require_members(attestation: Attestation, event: Event) -> None:
    """The delta has what the table asks for, in its form and range, and nothing else."""
    members = event.ledger_members
    fields = {member.ledger for member in members}
    for name in sorted(LEDGER_FIELDS):
        if name not in fields and getattr(attestation, name):
            raise Refusal("members", "{event} has no {member}", event=event.type, member=name)
    if attestation.governance is not None:
        raise Refusal("members", "{event} has no {member}", event=event.type, member="governance")
    for member in members:
        if member.required and not _present(attestation, member):
            told = "{event} needs {member}: add it and sign it again"
            raise Refusal("members", told, event=event.type, member=member.name)
        if member.ledger == "references":
            _require_references(attestation, event, member)
        elif member.ledger == "produced_on" and member.not_after == AHEAD_OF_EVENT:
            _require_begun(attestation)
    for name in _read_by(event):
        if not getattr(attestation, name):
            told = "{event} rests on {member}, and the rules in force let it have none: nobody can say it so"
            raise Refusal("members", told, event=event.type, member=name)
    _require_quantities(attestation, event)
    if attestation.subject in attestation.references:
        raise Refusal("members", "{event} names the battery itself as another", event=event.type)


def _read_by(event: Event) -> Iterator[str]:
    """What the effects and guards of an event read of a delta, whatever members its table asks for.

    Tables are decided on, so that none may ask for less is no promise: what lacks it is refused (0895).
    """
    effects, guards = event.effects, event.guards
    if effects.responsible is not None or "X22" in guards:
        yield "parties"
    if effects.undo is not None or effects.recall == "lift" or effects.passport in ABOUT_A_PASSPORT:
        yield "referenced_digests"
    if effects.passport in PUBLISHING:
        yield "set_list"
    if effects.status_list:
        yield "status"
    if event.marks_named or not RESTS_ON_ALL_PACKS.isdisjoint(guards):
        yield "bound_asset"


def require_schemes(attestation: Attestation, lifecycle: Lifecycle) -> None:
    """It is about batteries, and what it names beside them is a vehicle or another battery."""
    asset = attestation.bound_asset
    if asset is not None and asset.scheme not in lifecycle.asset_schemes:
        raise Refusal("subject", "{scheme} is no scheme of vehicles or assets", scheme=asset.scheme)
    for subject in (attestation.subject, *attestation.referenced_subjects):
        if subject.scheme not in lifecycle.battery_schemes:
            raise Refusal("subject", "{scheme} is no scheme of batteries", scheme=subject.scheme)


def require_own(attestation: Attestation, governance: Governance, at: int) -> None:
    """What becomes of a battery is a code of the author's own, whatever becomes of the statement (I5, X8)."""
    issuer = attestation.issuer
    for subject in attestation.referenced_subjects:
        if not governance.makes(issuer, subject.scheme, subject.namespace, at):
            told = "a successor is a code of {issuer}'s own, not of {namespace}"
            raise Refusal("not_responsible", told, issuer=issuer, namespace=subject.namespace)


def require_governance_form(attestation: Attestation, limits: Limits, at: int) -> None:
    """An act of governance names its proposal and nothing of a battery's; it is of now, as X11 asks."""
    if max(attestation.iat, attestation.event_time) > at + limits.clock_skew_s:
        raise NotYet("X11", "it is dated ahead of the ledger's clock")
    if at - attestation.iat > limits.attestation_age_s_max:
        raise Refusal("X11", "it was signed too long ago; sign it again")
    fields = (*sorted(LEDGER_FIELDS), "countersignatures")
    for name in fields:
        if getattr(attestation, name):
            raise Refusal("members", "{event} has no {member}", event=attestation.kind, member=name)


def _require_references(attestation: Attestation, event: Event, member: Member) -> None:
    one, digests = member.type in ("digest", "identifier"), member.type in ("digest", "digests")
    kind = bytes if digests else Subject
    if any(not isinstance(r, kind) for r in attestation.references):
        told = "{member} of {event} is of the type {type}"
        raise Refusal("members", told, member=member.name, event=event.type, type=member.type)
    most = sum(other.ledger == "references" for other in event.ledger_members)  # one for each such member
    if one and len(attestation.references) > most:
        raise Refusal("members", "{event} names one {member}", event=event.type, member=member.name)


def _require_begun(attestation: Attestation) -> None:
    """What happened happened on that day or later; a day begins up to 14 hours earlier elsewhere."""
    if attestation.produced_on is not None and attestation.produced_on > attestation.event_time + DAY_S:
        told = (
            "the day of production had not begun anywhere at the time of production: one of the two is wrong"
        )
        raise Refusal("value_impossible", told)


def _require_quantities(attestation: Attestation, event: Event) -> None:
    members = {member.name: member for member in event.ledger_members if member.ledger == "quantities"}
    for name, amount in attestation.quantities.items():
        member = members.get(name)
        if member is None:
            raise Refusal("members", "{event} has no quantity {member}", event=event.type, member=name)
        require_in_range(member, amount)
    require_within(event, attestation.quantities)


def require_in_range(member: Member, amount: int) -> None:
    """Refuse an amount that cannot be; the same for whoever signs it and for the ledger."""
    assert member.minimum is not None and member.maximum is not None, "lifecycle_table.py asks for both"
    if not member.minimum <= amount <= member.maximum:
        if member.type == "boolean":
            told = "{member} is stated not to be so: what it says has to be so before this can be stated"
            raise Refusal("not_affirmed", told, member=member.name)
        raise Refusal(
            "value_impossible",
            "{member} is {amount}: it lies between {least} and {most}",
            member=member.name,
            amount=amount,
            least=member.minimum,
            most=member.maximum,
        )


def require_within(event: Event, amounts: Mapping[str, Any]) -> None:
    """Refuse an amount above the one that bounds it in the same statement; not stated, it bounds nothing."""
    for member in event.members.values():
        amount, most = amounts.get(member.name), amounts.get(member.at_most or "")
        if amount is not None and most is not None and amount > most:
            raise Refusal(
                "value_impossible",
                "{member} is {amount} and {bound} is {most}: the first is never more than the second, so one "
                "of the two is wrong; correct it and sign it again",
                member=member.name,
                amount=amount,
                bound=member.at_most,
                most=most,
            )


def parts_of(event: Event, standing: Standing, amounts: Mapping[str, int]) -> dict[str, int]:
    """By the quantity that they are part of: what this event states, and stated before, of the battery."""
    found: dict[str, int] = {}
    for member in event.ledger_members:
        if member.part_of is not None and member.name in amounts:
            before = standing.readings.get(part_key(event, member.part_of), 0)
            found[member.part_of] = found.get(member.part_of, before) + amounts[member.name]
    return found


def part_key(event: Event, whole: str) -> str:
    """The key of the reading of all that an event stated as part of a quantity."""
    return f"{whole}/{event.type}"


def require_parts(standing: Standing, attestation: Attestation, event: Event) -> None:
    """Parts are never more than their whole, where a statement on the battery's record says what that was."""
    for whole, parts in parts_of(event, standing, attestation.quantities).items():
        most = standing.readings.get(whole)
        if most is not None and parts > most:
            told = (
                "{event} states {amount} in all of what was stated as {most} ({whole}): one of the two is "
                "wrong; correct it and sign it again, or have authorities void the earlier statement"
            )
            raise Refusal("value_impossible", told, event=event.type, amount=parts, most=most, whole=whole)


def weighed_after(
    standing: Standing, attestation: Attestation, event: Event, lifecycle: Lifecycle
) -> dict[str, int]:
    """The readings of wholes that it states, and of all that is stated now as part of one."""
    named = {f"{event.type}.{name}": amount for name, amount in attestation.quantities.items()}
    found = {whole: amount for whole, amount in sorted(named.items()) if whole in lifecycle.wholes}
    parts = parts_of(event, standing, attestation.quantities)
    return found | {part_key(event, w): parts[w] for w in sorted(parts) if w in standing.readings}


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
            told = "{member} is {amount}: it was {before} already"
            raise Refusal("value_impossible", told, member=member.name, amount=now, before=before)


def _present(attestation: Attestation, member: Member) -> bool:
    if member.ledger == "quantities":
        return member.name in attestation.quantities
    return bool(getattr(attestation, member.ledger or ""))


# Each is a record of what governs, kept for ever and read by whoever joins: a party makes so many.
GOVERNANCE_ACTS_PER_DAY_MAX = 200


def governing_share(attestation: Attestation) -> str:
    """What acts of governance are counted under: each of the two keys of a party for itself.

    A thief of the attest key cannot use up the day of the recovery key that is to replace it, nor what is
    said of batteries the day of what governs.
    """
    carried = attestation.governance
    return f"{attestation.issuer}#{'recovery' if carried is not None and carried.recovery else 'attest'}"


def next_quota(found: Quota, at: int, in_block: int, limits: Limits) -> Quota:
    """The count of a party's day with one act more; raises NotYet where its share is used up."""
    issuer = found.issuer
    if in_block >= limits.per_issuer_per_block_max:
        most = limits.per_issuer_per_block_max
        raise NotYet("quota", "{issuer} has {most} in this block already", issuer=issuer, most=most)
    day = at // DAY_S
    # Block time never goes back; a clock that does (check_tx) counts on the day already begun.
    quota = found if found.day >= day else Quota(issuer, day)
    if quota.count >= limits.per_issuer_per_day_max:
        most = limits.per_issuer_per_day_max
        raise NotYet("quota", "{issuer} has {most} on this day already", issuer=issuer, most=most)
    return Quota(issuer, quota.day, quota.count + 1)
