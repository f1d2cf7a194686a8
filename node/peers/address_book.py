"""Where the other nodes are: as the ledger says, else as the operator does in peers.toml.

The operator may name anybody, also who is yet to join: at the start no ledger may be there to ask. Nobody is
asked anything at the address of a party that no ledger knows, for nobody can say whose key answers there.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from node.peers.authentication import PeerAuthentication
from node.peers.link import can_be_asked, is_loopback


class AddressBook:
    """Asked by the trades of gossip, from any thread; only the ledger changes."""

    def __init__(self, authentication: PeerAuthentication, hints: Mapping[str, str]) -> None:
        """`hints`: {DID: URL} of peers.toml."""
        self._authentication = authentication
        self._hints = {did: at.rstrip("/") for did, at in hints.items() if did != authentication.did}
        # The operator's peers are here: so may those be that the ledger names.
        self.local = any(is_loopback(urlsplit(at).hostname or "") for at in hints.values())

    def hints(self) -> dict[str, str]:
        """Of the participants that the operator named."""
        return {did: at for did, at in self._hints.items() if self._authentication.side_of(did)}

    def unknown(self) -> list[str]:
        """Whom the operator named, and the ledger does not (yet)."""
        return [did for did in self._hints if not self._authentication.side_of(did)]

    def named(self) -> Mapping[str, str]:
        """{DID: URL} of whoever takes part now: as the ledger says, else as the operator does."""
        hints = {did: at for did, at in self._hints.items() if self._authentication.takes_part(did)}
        return {**hints, **self._authentication.addresses()}

    def at(self, did: str, address: str) -> list[str]:
        """Who may answer there for a party: itself, or whoever is at the same address and hosts it.

        What is said there is signed by its author and sealed to its reader all the same.
        """
        named = {**self.named(), self._authentication.did: self._authentication.own_address()}
        beside = [other for other, at in named.items() if at.rstrip("/") == address.rstrip("/")]
        return [did, *(other for other in beside if other != did)]

    def is_hint(self, did: str, address: str) -> bool:
        """Whether this is the operator's own word, wherever it leads."""
        return self._hints.get(did) == address.rstrip("/")

    def may_be_asked(self, did: str, address: str) -> bool:
        """A party says alone where it is: not which door of this machine is knocked at."""
        return self.is_hint(did, address) or can_be_asked(address, here=self.local)

    def is_elsewhere(self, did: str, address: str) -> bool:
        """Whether no name may lead to this machine there."""
        return not self.local and not self.is_hint(did, address)
