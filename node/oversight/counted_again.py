"""X4 where the ledger refuses nothing: what happens once, and another had it on record already.

    told late   a statement of a time before the last change is admitted, and moves nothing (credentials D898)
    a claim     whoever took it over first left the other no right to say so (I5)

Neither changes what the battery is. Both are a second party that says it scrapped, declared or took in the
same battery, which is what X4 is about; whoever supervises sees it beside what was there first (D716).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from credentials.ledger.attestation import Attestation
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.undo import undone_by

RULE = "X4"
Place = TypeVar("Place")
TAKEN_BACK = frozenset({"attestation.corrected", "attestation.voided", "record.withdrawn"})


def counted_before(
    kind: str, recorded: Iterable[tuple[int, Attestation]], lifecycle: Lifecycle
) -> int | None:
    """The leaf of the first record of the same, taken back by nobody; None: there is none, or it may recur.

    `recorded`: what was admitted about this battery before, with its leaf, in the order of the log.
    """
    fact = counts_once(kind, lifecycle)
    if fact is None:
        return None
    left = still_said(recorded, lifecycle)
    return next((leaf for leaf, one in left if counts_once(one.kind, lifecycle) == fact), None)


def still_said(
    recorded: Iterable[tuple[Place, Attestation]], lifecycle: Lifecycle
) -> list[tuple[Place, Attestation]]:
    """What of a record nobody corrected, voided or withdrew."""
    said = list(recorded)
    gone = taken_back([one for _, one in said], lifecycle)
    return [(place, one) for place, one in said if one.digest not in gone]


def taken_back(record: Sequence[Attestation], lifecycle: Lifecycle) -> set[bytes]:
    """The digests of what later statements of the record took back; of a row of trades all of it."""
    return {digest for _, row in undone_by(record, lifecycle) for digest in row}


def counts_once(kind: str, lifecycle: Lifecycle) -> str | None:
    """The fact that an event of this kind leaves, where it may be left once."""
    event = lifecycle.event(kind)
    return event.effects.fact if event is not None and RULE in event.guards else None
