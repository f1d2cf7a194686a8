"""Whose licence says that it may lift a setting: who set it, or who answers for the battery after it (I2).

Whose licence is suspended, or over, has no say; least of all that what it said no longer counts (D814).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from credentials.ledger.attestation import Attestation
from credentials.ledger.lifecycle import Event
from credentials.ledger.parties import Accreditation
from credentials.ledger.standing import PARTY, Setting, Standing, side_of

if TYPE_CHECKING:
    from credentials.ledger.rules import Context

OPERATOR = "operator"  # the heir of a setting, and the word of `speaks` for who answers for passports


def could_set(name: str, key: str, kept: Setting, a: Attestation, c: Context) -> bool:
    """True if its author could set what stands under this key: its licence to is in force, then and now."""
    lifecycle = c.governance.lifecycle
    roles = {role for event in lifecycle.events.values() if event.sets == name for role in event.attesters}
    roles = roles & lifecycle.officials if kept.role else roles - lifecycle.officials
    return any(
        not roles.isdisjoint(licence.roles) and (not kept.role or licence.jurisdiction == side_of(key))
        for licence in licences(a, c)
    )


def licences(a: Attestation, c: Context) -> list[Accreditation]:
    """The author's licences for these codes that are in force, both when it happened and now."""
    return [
        licence
        for licence in c.governance.accreditations_of(a.issuer)
        if licence.covers(a.subject.scheme, a.subject.namespace)
        and all(licence.in_force(at) for at in (a.event_time, c.at))
    ]


def answers_for_passports(a: Attestation, c: Context) -> bool:
    """True if its author has a licence in force to answer for passports of these codes."""
    events = c.governance.lifecycle.events.values()
    roles = {role for event in events if event.speaks == OPERATOR for role in event.attesters}
    return any(not roles.isdisjoint(licence.roles) for licence in licences(a, c))


def left_to_an_operator(s: Standing, name: str, lifting: Event, operator: str) -> list[tuple[str, Setting]]:
    """What stands under this name that `operator` may lift because it answers for the battery.

    What the producer set beside its operator is the producer's: it is still there to lift it.
    """
    kept_back = s.producer if lifting.effects.passport is None else None
    there = sorted(s.settings(name).items(), key=lambda one: one[1].leaf_index)
    return [(k, kept) for k, kept in there if side_of(k) == PARTY and kept.by not in (kept_back, operator)]


def cannot_lift(s: Standing, a: Attestation, c: Context, operator: str) -> str | None:
    """The first setting that `operator` could lift once it answers for the battery, and the author could not.

    Who lifts it then does not say its own word, but that of a party which has none (I2).
    """
    lifecycle = c.governance.lifecycle
    for event in lifecycle.events.values():
        name = event.lifts
        if name is None or lifecycle.settings[name].heir != OPERATOR:
            continue
        for key, kept in left_to_an_operator(s, name, event, operator):
            own = kept.by == a.issuer
            if not (could_set(name, key, kept, a, c) if own else answers_for_passports(a, c)):
                return name
    return None
