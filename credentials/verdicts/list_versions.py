"""What the versions of a status list said before the latest one, and who put each on record (D815).

A list is what its issuer publishes today. What it said is on the ledger by its digest: so a revocation that
was in it stays, whoever lowers the bit, and no version that a thief attested ends a suspension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from credentials.ledger.governance import Governance

REVOCATION = "revocation"


@dataclass(frozen=True, slots=True)
class AttestedBy:
    """Who put a version of a status list on record, and when: the key, the time of the block."""

    kid: str
    at: int

    def stolen(self, governance: Governance) -> bool:
        """True if the key was stolen by then."""
        key = governance.key_by_id(self.kid)
        return key is not None and key.compromised(self.at)
