"""Whose a letter is: cases, requests and alerts are COSE_Sign1 by their author's attest key."""

from __future__ import annotations

from consensus.cose import Sign1, SignatureInvalid, verify_sign1
from credentials.ledger.governance import Governance


def require_author(
    message: Sign1, author: str, at: int, governance: Governance, *, kept: bool = False
) -> None:
    """SignatureInvalid unless the author's attest key signed it, valid then, and not stated stolen since.

    `kept`: it was taken here before, and what became of its key since takes nothing of it away.
    """
    key = governance.key_by_id(message.key_id)
    if key is None or message.key_id.partition("#")[0] != author or key.role != "attest":
        raise SignatureInvalid("its author has no attest key of that name")
    if not kept and (key.public in governance.stolen_keys or not key.valid(at)):
        raise SignatureInvalid("its author's key was not valid then, or was stated stolen")
    verify_sign1(message, key.public)
