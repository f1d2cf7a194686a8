"""What a verdict rests on beside its own battery, from all that was read for it, found or not (I9; D577).

A line is judged again when the record under a key changes that its verdict looked up: a battery that it came
of, a code that one of these is named by and that nobody recorded yet, a battery whose repair names it. And
when a status list that was read, or asked for, is another one; when what governs changes for a party whose
words are on one of these records.
"""

from __future__ import annotations

from collections.abc import Iterator

from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry
from credentials.verdicts.evidence import Evidence, LedgerView, kin_of
from node.storage.rests_on import KIN, PARTY, Rest, as_stored


def rests_of(evidence: Evidence) -> frozenset[Rest]:
    """The keys that were looked up for this evidence, and whose lists and words it holds."""
    views = [view for view in (evidence.ledger, *evidence.aliases.values()) if view is not None]
    keys = {standing_key(about) for about in evidence.subjects.values()}
    keys.update(key for view in views for key in _looked_up(view))
    lists = {issuer for issuer, _, _ in evidence.network.status_lists}
    parties = {party for view in views for party in _speaking(view)}
    return frozenset(
        [
            *((KIN, key) for key in keys),
            *(("issuer", as_stored(issuer)) for issuer in lists),
            *((PARTY, as_stored(party)) for party in parties - lists),
        ]
    )


def _looked_up(view: LedgerView) -> Iterator[bytes]:
    for standing in (*([view.standing] if view.standing is not None else ()), *view.relatives.values()):
        yield standing.key
        yield from kin_of(standing)
    if view.namings is not None:
        yield from (naming.about for naming in view.namings.first)


def _speaking(view: LedgerView) -> Iterator[str]:
    for leaf in (*view.entries, *view.taken_out, *view.made_into, *view.behind):
        if isinstance(leaf.parsed, AdmittedEntry):
            yield leaf.parsed.attestation.issuer
    for relative in view.relatives.values():
        if relative.passport is not None:
            yield relative.passport.issuer
