"""What a verdict rests on beside its own battery, from all that was read for it, found or not (I9; D577).

A line is judged again when the record under a key changes that its verdict looked up: a battery that it came
of, a code that one of these is named by and that nobody recorded yet, a battery whose repair names it, one
that its own repair names, another one in its vehicle, or the one that it replaced. When a recall is about the
codes of any of these, under whichever code they are read (D1012). And when a status list that was read, or
asked for, is another one; when what governs changes for a party whose words are on one of these records.

Beside the ledger: when a document is had that was not, or a status list again that was too old (D590); when
what governs changes for this party, where something is withheld from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry
from credentials.verdicts.evidence import Evidence, LedgerView, Missing, MissingReason, kin_of
from node.storage.rests_on import DOCUMENT, KIN, PARTY, UNREAD, Rest, as_stored


def rests_of(evidence: Evidence, own: str, list_age_s_max: int, now: int) -> frozenset[Rest]:
    """The keys that were looked up for this evidence, whose lists and words it holds, what it lacks.

    `own`: this party, from which something may be withheld.
    """
    views = [view for view in (evidence.ledger, *evidence.aliases.values()) if view is not None]
    keys = {standing_key(about) for about in evidence.subjects.values()}
    keys.update(key for view in views for key in _looked_up(view))
    lists = {issuer for issuer, _, _ in evidence.network.status_lists}
    named = {evidence.subjects.get(text) for text in evidence.aliases}
    named.update(about for view in views for about in _recalled_with(view))
    parties = {party for view in views for party in _speaking(view)}
    missing = dict(_missing(evidence))
    if MissingReason.WITHHELD in missing.values():
        parties.add(own)
    unread = {issuer for (issuer, _, _), one in evidence.network.status_lists.items() if one.unread_before}
    return frozenset(
        [
            *((KIN, key) for key in keys),
            *(("namespace", as_stored(f"{one.scheme}:{one.namespace}")) for one in named if one is not None),
            *(("issuer", as_stored(issuer)) for issuer in lists),
            *((PARTY, as_stored(party)) for party in parties - lists),
            *((DOCUMENT, digest) for digest in missing),
            *((DOCUMENT, digest) for digest in _old_lists(evidence, list_age_s_max, now)),
            *((UNREAD, as_stored(issuer)) for issuer in unread),
        ]
    )


def _missing(evidence: Evidence) -> Iterator[tuple[bytes, MissingReason]]:
    """The digests of documents that were not had, with why."""
    for point, document in evidence.documents.items():
        digest = _points(evidence.ledger).get(point)
        if isinstance(document, Missing) and digest is not None:
            yield digest, document.reason
    for digest, document in (*evidence.events.items(), *evidence.earlier.items()):
        if isinstance(document, Missing):
            yield digest, document.reason


def _points(view: LedgerView | None) -> Mapping[int, bytes]:
    """The sets of the passport on record, by their points."""
    passport = view.standing.passport if view is not None and view.standing is not None else None
    if view is None or passport is None:
        return {}
    for leaf in view.entries:
        if isinstance(leaf.parsed, AdmittedEntry) and leaf.leaf_index == passport.leaf_index:
            said = leaf.parsed.attestation.set_list
            return said.points if said is not None else {}
    return {}


def _old_lists(evidence: Evidence, age_s_max: int, now: int) -> Iterator[bytes]:
    """The digests of the newest status lists that were not had, or not lately."""
    for source in evidence.network.status_lists.values():
        fresh = source.fetched_at is not None and 0 <= now - source.fetched_at <= age_s_max
        if source.digest_on_ledger is not None and not (fresh and source.credential is not None):
            yield source.digest_on_ledger


def _looked_up(view: LedgerView) -> Iterator[bytes]:
    for standing in (*([view.standing] if view.standing is not None else ()), *view.relatives.values()):
        yield standing.key
        yield from kin_of(standing)
    if view.namings is not None:
        yield from (naming.about for naming in view.namings.first)
    yield from (*view.parts, *view.repairs, *view.beside)
    tied = (*view.tied_kin.values(), *view.named_of_others)
    yield from (key for one in tied for key in _looked_up(one))
    if view.replaced is not None:
        yield view.replaced.key


def _recalled_with(view: LedgerView) -> Iterator[Subject]:
    """What has its recalls read with these of the battery: what is tied to it, and what that came of."""
    known = (view.parts, view.named_in, view.beside, view.relatives)
    yield from (standing.subject for tied in known for standing in tied.values())
    tied = (*view.tied_kin.values(), *view.named_of_others)
    yield from (about for one in tied for about in _recalled_with(one))


def _speaking(view: LedgerView) -> Iterator[str]:
    repairs = (leaf for said in view.repairs.values() for leaf in said)
    own = (*view.entries, *view.taken_out, *view.made_into, *view.put_in, *view.behind)
    tied = (leaf for one in view.tied_kin.values() for leaf in (*one.taken_out, *one.made_into))
    named = (leaf for one in (view, *view.named_of_others) for leaf in one.named_by)
    for leaf in (*own, *named, *repairs, *tied):
        if isinstance(leaf.parsed, AdmittedEntry):
            yield leaf.parsed.attestation.issuer
    for relative in view.relatives.values():
        if relative.passport is not None:
            yield relative.passport.issuer
