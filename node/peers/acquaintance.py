"""Peers as the ledger names them, while the node runs.

Newcomers are met, who moved is followed, and who left is let go.

The address on the ledger goes before the hint in peers.toml: it was decided, and is the newer one. Who
answers there shows its transport key, as everywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from node import log
from node.peers.gossip import Gossip, Sender

LOOK_S = 30.0  # who takes part from a time on is met by then; a block wakes it at once


Subscribe = Callable[[Callable[[], None]], object]


class Employer(Protocol):
    """Who gives a sender a thread, and takes it back."""

    def employ(self, work: Sender, *, tries_max: int | None) -> None: ...

    def dismiss(self, name: str) -> None: ...


class Acquaintance:
    """The trade that compares the peers of a node with who takes part now."""

    name = "acquaintance"

    def __init__(self, gossip: Gossip, employer: Employer, subscribe: Subscribe) -> None:
        """`subscribe` is given what to call for each block."""
        self._gossip = gossip
        self._employer = employer
        self._woken = threading.Event()
        self._known: Mapping[str, str] = {}
        subscribe(self.wake)

    def turn(self) -> None:
        """Meet whoever is new on the ledger and let go who left, or wait a moment."""
        for sender in self._gossip.part():
            log.moment("peer_left", peer=sender.peer.did)
            self._employer.dismiss(sender.name)
        named = self._gossip.named()
        if named == self._known:
            self._woken.wait(LOOK_S)
            self._woken.clear()
            return
        for sender in self._gossip.meet(named):
            log.moment("peer_named", peer=sender.peer.did, address=sender.peer.address)
            self._employer.employ(sender, tries_max=None)
        self._known = named

    def wake(self) -> None:
        """A block was stored, or the node stops."""
        self._woken.set()
