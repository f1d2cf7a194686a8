"""What whoever took a battery out of its pack recorded that would become of it (X8, Art 3(50), 77(7)).

The document of a dismantling names each child with its fate. Recorded for recycling, it is waste: who has
it discards it. Recorded as missing, it was not in the pack, and whoever shows it says where it came from.
What is kept back does not pay: a document that is not had, or names no fate for it, is undecided (D775), and
so is a dismantling that is itself not in hand.
Of several fates each is told: a module has one, whoever names it twice or by two of its codes (D860).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from credentials.documents.identifiers import Subject
from credentials.ledger.rules import LOST
from credentials.ledger.standing import WASTE
from credentials.verdicts.event_documents import event_document, names_of_subject
from credentials.verdicts.manifest import canonical_name
from credentials.verdicts.record import Inquiry, Recorded
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Findings, Outcome


def bad_fates(inquiry: Inquiry) -> Iterator[tuple[str | None, Recorded | None]]:
    """(the reason against it, the dismantling) of each fate that it met; None: that fate is not known."""
    words: Mapping[str, str] = inquiry.events.get("fates", {})
    for child, taken in inquiry.taken_out() if words else ():
        fates = _fates(child, taken, inquiry)[0] if taken is not None else []
        yield from ((words[fate], taken) for fate in fates if fate in words)
        if not fates:
            yield None, taken


def tell_fates(found: Findings, name: str, inquiry: Inquiry, condition: str, **about: Any) -> bool:
    """Say under this check what became of it, or of what it was taken out of; True if that says anything."""
    said = False
    words: Mapping[str, str] = inquiry.events.get("fates", {})
    for child, taken in inquiry.taken_out() if words else ():
        if taken is None:
            found.add(name, Outcome.INDETERMINATE, "relatives_unread", rule="X8", word=UNDECIDED, **about)
            said = True
            continue
        told: Mapping[str, Any] = {"rule": "X8", "by": taken.attestation.issuer, **taken.place(), **about}
        fates, why = _fates(child, taken, inquiry)
        bad = {fate: words[fate] for fate in fates if fate in words}
        for fate, reason in bad.items():
            if condition != WASTE or reason == LOST:
                found.failed(name, reason, fate=fate, **told)
                said = True
        if not fates and condition != WASTE:
            found.add(name, Outcome.INDETERMINATE, why, word=UNDECIDED, **told)
            said = True
    return said


def _fates(child: Subject, taken: Recorded, inquiry: Inquiry) -> tuple[list[str], str]:
    """(the fates of what was taken out; why none is known)."""
    document = event_document(inquiry, taken)
    if document.members is None:
        return [], document.reason
    children, fates = document.members.get("children"), document.members.get("fates")
    if isinstance(children, list) and isinstance(fates, list) and len(children) == len(fates):
        rules = inquiry.evidence.network.tables.identifiers
        names = names_of_subject(child, inquiry)
        said = (f for c, f in zip(children, fates, strict=True) if canonical_name(str(c), rules) in names)
        return [str(fate) for fate in said], "not_held"
    return [], "not_held"
