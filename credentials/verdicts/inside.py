"""What by repairs is one thing with a battery: parts left in it, batteries that it was left in (D1014)."""

from __future__ import annotations

from collections.abc import Iterator

from credentials.ledger.attestation import standing_key
from credentials.verdicts.named import parts_of
from credentials.verdicts.record import Inquiry
from credentials.verdicts.repaired import last_of_all, left_inside, named_by, parts_named


def inside_of(inquiry: Inquiry) -> Iterator[bytes]:
    """The keys of what is known to be in it, or it in that; what is kept back says nothing here."""
    view = inquiry.evidence.ledger
    if inquiry.events.get("partsOut") is None or view is None or view.standing is None:
        return
    for part, repair in parts_named(inquiry):
        if left_inside(part, repair, inquiry)[0]:
            yield part.key
    repairs = named_by(inquiry).values()
    for pack in {pack.key: pack for pack, _ in parts_of(inquiry)}:
        last = last_of_all(said for said in repairs if standing_key(said.attestation.subject) == pack)
        if last is not None and left_inside(view.standing, last, inquiry)[0]:
            yield pack
