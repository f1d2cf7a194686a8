"""Who said what is on record, and whether that party, its licence or its key stands as it stood then.

What was admitted stays, whatever becomes of who said it: a stop, a suspension and a theft change no state. An
officer is told all the same. What a key signed from the time on at which it was stolen may be the thief's
word: a verdict that rests on it is not decided, until authorities void the statement. Reports of trades, by
workshops to which any battery may come, are told and decide nothing: no workshop spoils what is not its
own by losing a key (I5).
"""

from __future__ import annotations

from collections.abc import Sequence

from credentials.ledger.governance import Governance
from credentials.verdicts.record import Inquiry, Recorded
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.stolen import deciding_of, is_stolen, signed_with, stolen_behind
from credentials.verdicts.verdict import Findings, Outcome

CHECK = "standing.issuers"
FIRST = 8  # statements or parties that are named; all are counted


def check_issuers(found: Findings, inquiry: Inquiry) -> None:
    """Every statement that counts, by who governs now: told what is otherwise, passed if nothing is."""
    governance = inquiry.evidence.network.governance
    if governance is None:
        found.unmade((CHECK,), "genesis_unavailable")
        return
    said = [r for r in inquiry.record.shown() if governance.participant(r.attestation.issuer) is not None]
    told = [
        _tell_stolen(found, said, stolen_behind(inquiry, governance), governance),
        _tell_stopped(found, said, governance, inquiry.now),
        _tell_suspended(found, said, governance, inquiry.now),
    ]
    if not any(told):
        found.passed(CHECK)


def _tell_stolen(
    found: Findings, said: Sequence[Recorded], behind: Sequence[Recorded], governance: Governance
) -> bool:
    """Statements of a key from the time on at which it was stolen; True if there are any."""
    stolen = [r for r in said if is_stolen(r, governance)]
    deciding = [*deciding_of(stolen, governance), *behind]
    stolen += behind
    first = [_named(r) for r in (deciding or stolen)[:FIRST]]
    reason, count = "statement_key_compromised", len(stolen)
    if deciding:
        found.add(CHECK, Outcome.INDETERMINATE, reason, word=UNDECIDED, count=count, first=first)
    elif stolen:
        found.warned(CHECK, reason, count=count, first=first)
    return bool(stolen)


def _tell_stopped(found: Findings, said: Sequence[Recorded], governance: Governance, now: int) -> bool:
    """Parties, or keys under a statement, that are stopped now; True if there are any."""
    targets = dict.fromkeys(
        target for r in said for kid in signed_with(r) for target in (kid.partition("#")[0], kid)
    )
    stops = [stop for target in targets if (stop := governance.stopped(target, now)) is not None]
    found.turns_at(*(stop.until for stop in stops))
    if stops:
        first = [{"stopped": s.target, "by": s.by, "stopped_at": s.since} for s in stops[:FIRST]]
        found.warned(CHECK, "issuer_stopped", count=len(stops), first=first)
    return bool(stops)


def _tell_suspended(found: Findings, said: Sequence[Recorded], governance: Governance, now: int) -> bool:
    """Parties with a licence that is suspended now; True if there are any."""
    suspended = []
    for did in dict.fromkeys(r.attestation.issuer for r in said):
        licences = governance.accreditations_of(did)
        for licence in licences:
            found.turns_at(licence.valid_until, *(time for pause in licence.suspended for time in pause))
        if any(licence.is_suspended(now) for licence in licences):
            suspended.append(did)
    if suspended:
        found.warned(CHECK, "issuer_suspended", count=len(suspended), first=suspended[:FIRST])
    return bool(suspended)


def _named(recorded: Recorded) -> dict[str, str | int]:
    attestation = recorded.attestation
    return {"by": attestation.issuer, "kind": attestation.kind, "leaf_index": recorded.leaf_index}
