"""A passport's status changed by the VC-API (/credentials/status): the ledger is told, the list follows."""

from __future__ import annotations

from collections.abc import Callable

from credentials.documents.canonical import b64u
from node.issuing.issuing import Issuing
from node.storage.issuances import Issuance

REASON = "asked for at /credentials/status"


def change_status(
    issuing: Issuing, issuance: Issuance, purpose: str, *, raised: bool, wake: Callable[[], None]
) -> Callable[[], bool]:
    """Revoke, suspend or reinstate an own passport; what is returned tells whether its list says so by now.

    What the rules of the ledger refuse is a 422 here; what is so already is left as it is.
    """
    lists, index = issuing.lists, issuance.status_index
    if raised == lists.bit(purpose, index):
        return lambda: True
    effect = "revoke" if purpose == "revocation" else "suspend" if raised else "reinstate"
    members = {"passport_digest": b64u(issuance.digest), "reason": REASON}
    issuing.events.attest(issuing.signing.event_with(effect).type, issuance.battery, members)
    wake()
    return lambda: lists.bit(purpose, index) == raised and lists.in_force(purpose, index)
