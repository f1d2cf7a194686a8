"""What a thief may have said that a verdict rests on and that its own record does not hold (D806).

Recalls of codes are lifted on a record of their own, and what was set on a battery binds what was made of it:
a key that was stolen could lift either, and the goods would be clear. A node reads these statements once a
key was stolen (`LedgerView.behind`); until then no verdict costs more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.ledger.payload import Criteria
from credentials.ledger.recalls import Recall, Recalls
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import LedgerEntry, LedgerView
from credentials.verdicts.kin import identifier_in_hand
from credentials.verdicts.record import Inquiry, Record, Recorded


def signed_with(recorded: Recorded) -> Iterator[str]:
    """The keys under a statement: of who made it, and of who agreed."""
    yield recorded.attestation.kid
    yield from (c.kid for c in recorded.attestation.countersignatures)


def is_stolen(recorded: Recorded, governance: Governance) -> bool:
    """True if a key under it was stolen by the time of its block."""
    keys = (governance.key_by_id(kid) for kid in signed_with(recorded))
    return any(key is not None and key.compromised(recorded.block_time) for key in keys)


def deciding_of(stolen: Sequence[Recorded], governance: Governance) -> list[Recorded]:
    """Of these statements those that may decide: reports of trades do not (I5)."""
    trades = {kind for kind, event in governance.lifecycle.events.items() if event.speaks == "trade"}
    return [r for r in stolen if r.attestation.kind not in trades]


def stolen_in(inquiry: Inquiry, governance: Governance) -> list[Recorded]:
    """What decides of what stolen keys said in this record and behind it."""
    own = deciding_of([r for r in inquiry.record.shown() if is_stolen(r, governance)], governance)
    return [*own, *stolen_behind(inquiry, governance)]


def stolen_behind(inquiry: Inquiry, governance: Governance) -> list[Recorded]:
    """Statements of stolen keys about what it was made from, and liftings of what would reach it.

    By what a repair ties to it, too.
    """
    view = inquiry.evidence.ledger
    if view is None or view.standing is None:
        return []
    found: list[Recorded] = []
    for key, one in view.relatives.items():
        about = [leaf for leaf in view.behind if _about(leaf) == key]
        record = Record.read(LedgerView(one, about), governance)
        found += deciding_of([r for r in record.shown() if is_stolen(r, governance)], governance)
    tied = _tied(view)
    for key, one in tied.items():  # of these what is lifted counts, what is unsaid and let in (D999, D1013)
        record = Record.read(
            LedgerView(one, [leaf for leaf in view.behind if _about(leaf) == key]), governance
        )
        found += [
            r for r in record.shown() if _gives_way(r, inquiry, governance) and is_stolen(r, governance)
        ]
    for key, one in {**tied, view.standing.key: view.standing, **view.relatives}.items():
        of_codes = Recalls(one.subject.scheme, one.subject.namespace)
        about = [leaf for leaf in view.behind if _about(leaf) == of_codes.key]
        record = Record.read(LedgerView(None, about), governance)
        lifted = [r for r in record.admitted if _lifts(r, governance) and is_stolen(r, governance)]
        found += [r for r in lifted if _reached(r, record, of_codes, key, inquiry)]
    return found


def _tied(view: LedgerView) -> dict[bytes, Standing]:
    """What repairs and its vehicle tie to it, under all its codes, and what that came of."""
    return {**view.beside, **view.named_in, **view.parts, **view.tied_more}


def _about(leaf: LedgerEntry) -> bytes | None:
    """The key of what a leaf is about."""
    try:
        entry = leaf.parsed or parse_entry(leaf.entry)
    except CredentialError:
        return None
    return standing_key(entry.attestation.subject) if isinstance(entry, AdmittedEntry) else None


def _gives_way(recorded: Recorded, inquiry: Inquiry, governance: Governance) -> bool:
    """True if what it says is that something else holds no more, customs neither."""
    kind = recorded.attestation.kind
    event, lets_in = governance.lifecycle.event(kind), kind in inquiry.events.get("released", ())
    if event is None or lets_in:
        return lets_in
    return event.lifts is not None or event.effects.undo is not None or event.effects.gives_back is not None


def _lifts(recorded: Recorded, governance: Governance) -> bool:
    event = governance.lifecycle.event(recorded.attestation.kind)
    # Said when its kind lifted nothing by the rules of then, it names nothing.
    named = recorded.attestation.referenced_digests
    return event is not None and event.effects.recall == "lift" and bool(named)


def _reached(lifting: Recorded, record: Record, of_codes: Recalls, key: bytes, inquiry: Inquiry) -> bool:
    """True if the lifted recall would reach the battery, and its publisher published none of it since.

    If that was the thief too, its recall is in force, or whoever lifted it is asked about as well.
    """
    published = record.with_digest(lifting.attestation.referenced_digests[0])
    if published is None:  # it named something else, by rules under which it lifted nothing
        return False
    again = (
        r
        for r in record.admitted
        if r.leaf_index > lifting.leaf_index and r.attestation.issuer == published.attestation.issuer
    )
    reaches = [_reaches(r, of_codes, key, inquiry) for r in (published, *again)]
    return reaches[0] and not any(reaches[1:])


def _reaches(published: Recorded, of_codes: Recalls, key: bytes, inquiry: Inquiry) -> bool:
    """True if this recall reaches the battery, or may: a recall never misses (D757)."""
    view = inquiry.evidence.ledger
    assert view is not None and view.standing is not None, "asked of a battery that is on record"
    standing = {**_tied(view), **view.relatives}.get(key, view.standing)
    said = published.attestation
    batteries = tuple(standing_key(subject) for subject in said.referenced_subjects)
    criteria: Criteria | None = said.criteria
    recall = Recall(said.digest, said.issuer, "", "", published.leaf_index, criteria, batteries)
    identifier = identifier_in_hand(key, inquiry)
    asked = Recalls(of_codes.scheme, of_codes.namespace, (recall,))
    if identifier is not None:
        return bool(asked.covering(identifier, key, standing))
    sure, unasked = asked.covering_unnamed(key, standing)
    return bool(sure) or unasked
