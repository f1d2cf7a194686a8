"""Which key a node signs with: the one that the ledger names for the next block, of those it holds.

A key that `comity keys rotate` made is in keys.enc before it is proposed. So whenever something else governs,
and names a key that is not held, the file is read once more. A node that lacks the key goes on with the last
one it had: what it signs is refused with a sentence.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from consensus.cose import SeedSigner
from credentials.ledger.governance import Governance, GovernanceHistory
from node.errors import SetupError
from node.setup.keystore import Keys


class CurrentSigner:
    """A signer (`consensus.cose.Signer`) whose key changes with what governs.

    Whoever signs asks for the key id first: what is signed next by the same thread is signed with that key.
    """

    def __init__(self, keys: Keys, role: str, history: GovernanceHistory) -> None:
        self._keys = keys
        self._role = role
        self._history = history
        self._found: tuple[Governance, SeedSigner] | None = None
        self._pinned = threading.local()

    @property
    def now(self) -> SeedSigner:
        """The key of this moment."""
        governance = self._history.latest
        if self._found is None or self._found[0] is not governance:
            self._found = governance, self._signer(governance)
        return self._found[1]

    @property
    def key_id(self) -> str:
        self._pinned.signer = self.now
        return str(self._pinned.signer.key_id)

    @property
    def public_key(self) -> bytes:
        return self.now.public_key

    def sign(self, message: bytes) -> bytes:
        pinned: SeedSigner = getattr(self._pinned, "signer", None) or self.now
        return pinned.sign(message)

    def _signer(self, governance: Governance) -> SeedSigner:
        participant = governance.participant(self._keys.did)
        named = participant.latest_key(self._role) if participant is not None else None
        if participant is None or named is None:
            return self._keys.signer(self._role)
        if self._holds(named.public) is None:
            with suppress(SetupError):  # damaged since the start: the keys in hand are good
                self._keys = self._keys.again()
        self._keys = self._keys.speaking_for(participant)
        return self._keys.signer(self._role)

    def _holds(self, public: bytes) -> SeedSigner | None:
        signers = (self._keys.signer(self._role, number) for number in self._keys.numbers(self._role))
        return next((signer for signer in signers if signer.public_key == public), None)
