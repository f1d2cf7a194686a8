"""X13: what a recycler says it took in, gave out and made of one battery, added up from the log.

    a battery received is no heavier than it was produced (within TOLERANCE_PERMILLE: dirt, and another scale)
    what was recovered of it is not more than what was received
    the lots that come of it are not more than what was recovered

It refuses nothing: the ledger took each statement, and a sum that does not come out is an alert (D684). Pure:
attestations of one battery in the order of the log, without what was taken back (`counted_again.still_said`).
"""

from __future__ import annotations

from collections.abc import Iterable

from credentials.ledger.attestation import Attestation

RULE = "X13"
PRODUCED, RECEIVED = "battery.produced", "recycling.received"
COMPLETED, RECOVERED = "recycling.completed", "material.recovered"
WEIGHED = frozenset({RECEIVED, COMPLETED, RECOVERED})  # what can put a battery out of balance
TOLERANCE_PERMILLE = 50
OUT = "_out_grams"


def out_of_balance(said: Iterable[Attestation]) -> tuple[int, int] | None:
    """(grams that are said, grams that there were) where a sum does not come out; None where it does.

    The sum that is furthest from its bound counts. What is not known is not compared.
    """
    produced = received = recovered = None
    lots = 0
    for record in said:
        grams = record.quantities
        if record.kind == PRODUCED:
            produced = grams.get("mass_grams", produced)
        elif record.kind == RECEIVED:
            received = grams.get("mass_in_grams", received)
        elif record.kind == COMPLETED:
            recovered = sum(value for name, value in grams.items() if name.endswith(OUT))
        elif record.kind == RECOVERED:
            lots += grams.get("mass_grams", 0)
    most = None if produced is None else produced * (1_000 + TOLERANCE_PERMILLE) // 1_000
    pairs = [(received, most), (recovered, received), (lots, recovered), (lots, received)]
    beyond = [(one, bound) for one, bound in pairs if one is not None and bound is not None and one > bound]
    return max(beyond, key=lambda pair: pair[0] - pair[1], default=None)
