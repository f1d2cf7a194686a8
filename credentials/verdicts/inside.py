"""What by repairs is one thing with a battery: parts left in it, batteries that it was left in (D1014)."""

from __future__ import annotations

from collections.abc import Container, Iterator

from credentials.ledger.attestation import standing_key
from credentials.verdicts.named import parts_of
from credentials.verdicts.record import Inquiry
from credentials.verdicts.repaired import last_of_all, left_inside, named_by, parts_named


def inside_of(inquiry: Inquiry, among: Container[bytes]) -> Iterator[bytes]:
    """The keys `among` these of what is known to be in it, or it in that; what is kept back says nothing."""
    view = inquiry.evidence.ledger
    if inquiry.events.get("partsOut") is None or view is None or view.standing is None:
        return
    for part, repair in parts_named(inquiry):
        if part.key in among and left_inside(part, repair, inquiry)[0]:
            yield part.key
    repairs = named_by(inquiry).values()
    for pack in dict.fromkeys(pack.key for pack, _ in parts_of(inquiry) if pack.key in among):
        last = last_of_all(said for said in repairs if standing_key(said.attestation.subject) == pack)
        if last is not None and left_inside(view.standing, last, inquiry)[0]:
            yield pack
