"""No word gets milder because somebody states that its key was stolen.

What a stolen key said proves nothing for the battery from then on. Against it, it goes on to count: or
whoever declared, measured or wrote what does not fit would be rid of it by losing its key. So a verdict that
a theft may touch is judged a second time as if nobody had stated any; what is worse there is said as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from credentials.verdicts.evidence import Evidence, Tables
from credentials.verdicts.record import Inquiry
from credentials.verdicts.severity import ORDER
from credentials.verdicts.verdict import UNMADE, Check, Conclusion, Outcome, conclude


def had_nobody_been_robbed(inquiry: Inquiry) -> Evidence | None:
    """The evidence, had nobody stated a theft; None where none touches it."""
    evidence = inquiry.evidence
    governance = evidence.network.governance
    if governance is None or not governance.robbed or not _touched(inquiry, governance.robbed):
        return None
    return replace(evidence, network=replace(evidence.network, governance=governance.before_thefts))


def _touched(inquiry: Inquiry, robbed: frozenset[str]) -> bool:
    """Whether one that was robbed may have spoken; of documents shown and of kin it is not looked at who."""
    evidence = inquiry.evidence
    view = evidence.ledger
    kin = view is not None and bool(view.relatives or view.parts or view.named_in or view.beside)
    if evidence.presented or evidence.aliases or kin:
        return True
    said = (recorded.attestation for recorded in inquiry.record.shown())
    return any(
        kid.partition("#")[0] in robbed
        for a in said
        for kid in (a.kid, *(c.kid for c in a.countersignatures))
    )


def conclude_no_milder(
    checks: Sequence[Check],
    also: Sequence[Check],
    tables: Tables,
    *,
    gaps: bool,
    required: frozenset[str],
) -> tuple[Conclusion, tuple[Check, ...]]:
    """The word of these checks, no milder than that of `also`, and the checks that it rests on."""

    def word(checks: Sequence[Check]) -> Conclusion:
        return conclude(checks, tables, gaps=gaps, required=required)

    concluded = word(checks)
    if not also or ORDER.index(word(also).verdict) <= ORDER.index(concluded.verdict):
        return concluded, tuple(checks)
    known = {(c.name, c.outcome, c.reason, c.word) for c in checks}
    worse = (c for c in also if c.outcome is Outcome.FAIL or c.outcome in UNMADE or c.word is not None)
    kept = (*checks, *(c for c in worse if (c.name, c.outcome, c.reason, c.word) not in known))
    return word(kept), kept
