"""Recalls of what a battery was made from or taken out of: recalled by its model, it stays recalled.

A recall of a model, batch or days asks about codes, and the ledger blinds them. The code of a relative is
found in the document of the act by which it became this battery; that it is that one's code the ledger's own
key says, whoever wrote the document. Where the code is not in hand and a recall may reach it, nothing is
decided: a recall never misses (D660, D757).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from credentials.documents.identifiers import Identifier, read_identifier
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key
from credentials.ledger.recalls import Recall, Recalls
from credentials.ledger.standing import PLACED, Standing
from credentials.verdicts.evidence import RELATIVES_MAX, LedgerView
from credentials.verdicts.record import Inquiry


def made_at(view: LedgerView) -> tuple[int, ...]:
    """The leaves at which others became this battery, and others these: dismantlings and second lives."""
    family = (*([view.standing] if view.standing is not None else ()), *view.relatives.values())
    leaves: dict[int, None] = {}
    for one in family:
        if one.parent is not None:
            leaves[one.parent.leaf_index] = None
        for key in one.predecessors:
            old = view.relatives.get(key)
            if old is not None and old.lineage is not None:
                leaves[old.lineage.leaf_index] = None
    return tuple(leaves)


def placings_of(relatives: Mapping[bytes, Standing]) -> list[int]:
    """The leaves at which those without a passport were placed: by when, the law asked for one or not."""
    bare = [one for one in relatives.values() if one.passport is None]
    return [placed.leaf_index for one in bare for placed in one.settings(PLACED).values()]


def packs_behind(view: LedgerView) -> list[Standing]:
    """The packs that it was taken out of, one out of the other, nearest first, as far as they were read."""
    found: list[Standing] = []
    inner = view.standing
    while inner is not None and inner.parent is not None and len(found) < RELATIVES_MAX:
        inner = view.relatives.get(inner.parent.key)
        found += [inner] if inner is not None else []
    return found


def recalls_of_kin(inquiry: Inquiry) -> tuple[Recall, ...]:
    """The recalls that reach what it was made from or taken out of."""
    return tuple(recall for reached, _ in _asked(inquiry) for recall in reached)


def recalls_unasked(inquiry: Inquiry) -> bool:
    """True if a recall may reach what it was made from or taken out of, and its code is not in hand."""
    return any(unasked for _, unasked in _asked(inquiry))


def _asked(inquiry: Inquiry) -> Iterator[tuple[tuple[Recall, ...], bool]]:
    view = inquiry.evidence.ledger
    if view is None:
        return
    for key, recalls in view.kin_recalls.items():
        yield reaching(recalls, view.relatives[key], inquiry)


def reaching(recalls: Recalls, one: Standing, inquiry: Inquiry) -> tuple[tuple[Recall, ...], bool]:
    """(those that reach this battery, whether others may: its code is not in hand)."""
    identifier = identifier_in_hand(one.key, inquiry)
    if identifier is not None:
        return recalls.covering(identifier, one.key, one), False
    return recalls.covering_unnamed(one.key, one)


def identifier_in_hand(key: bytes, inquiry: Inquiry) -> Identifier | None:
    """What the text names that is in hand and has this key on the ledger."""
    subjects = inquiry.evidence.subjects.items()
    text = next((text for text, found in subjects if standing_key(found) == key), None)
    if text is None:
        return None
    try:
        return read_identifier(text, inquiry.evidence.network.tables.identifiers, namespace="-")
    except (CredentialError, KeyError):
        return None
