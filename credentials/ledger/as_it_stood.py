"""A battery as it stood when something happened: by that is judged who could say it then (0898, 0963)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from credentials.ledger.attestation import Attestation
from credentials.ledger.rules import Context
from credentials.ledger.speaking import has_right, is_holder
from credentials.ledger.standing import Bound, Standing


def as_it_stood(standing: Standing, time: int) -> Iterator[Standing]:
    """The record as it stood at a time, the latest first: as was said of then, and as it was on record."""
    for past in standing.past.situations():
        if past.since <= time < past.until:
            bound = Bound(past.asset, 0, "") if past.asset is not None else None
            yield replace(
                standing,
                item_state=past.item_state,
                holder=past.holder,
                named=past.named,
                place=past.place,
                marks=standing.marks if past.in_use else (),
                bound=bound,
                presentation=None,
            )


def had_right(named: Standing, attestation: Attestation, context: Context) -> bool:
    """Whether an author may speak, or could when it happened, about another battery that it names."""
    stood = (named, *as_it_stood(named, attestation.event_time))
    return any(has_right(one, attestation, context) for one in stood)


def heard_of(named: Standing, attestation: Attestation, context: Context) -> bool:
    """The same, where the rules in force ask how it stood; else as it is."""
    hears = context.governance.lifecycle.hears_of_then
    return (had_right if hears else has_right)(named, attestation, context)


def held_then(child: Standing, attestation: Attestation, context: Context) -> bool:
    """Whether the author held it when it happened, where the rules in force ask that."""
    stood = as_it_stood(child, attestation.event_time)
    held = any(is_holder(one, attestation.issuer, context) for one in stood)
    return held and context.governance.lifecycle.hears_of_then
