"""A newcomer under CometBFT, until it has a ledger: who shows headers, and who looks at what is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from node.ledger.comet.home import Home
from node.ledger.comet.relay import Relay
from node.ledger.comet.state_sync import Syncing, TrustedHeader
from node.ledger.engine import Outgoing, OwnThread
from node.ledger.snapshot_join import Known

PEER_PATH = "engine"


class Newcomer:
    """`syncing` and the relay for CometBFT's light client, with the peers once they are known."""

    def __init__(
        self, home: Home, trust: TrustedHeader, root: Path, known: Known, *, heartbeat_s: float
    ) -> None:
        """`trust`: the header that the light client begins with. `root`: the data directory."""
        self.trust = trust
        self.renewed = threading.Event()
        self._out: Outgoing | None = None
        self._peers: Callable[[], Iterable[str]] = tuple
        self._relay = Relay(home.headers, self._ask, self._asked)
        header, renewed = self._relay.header, self.renewed
        self.syncing = Syncing(home, root, known, header, heartbeat_s=heartbeat_s, renewed=renewed)

    def attach(self, out: Outgoing, peers: Callable[[], Iterable[str]]) -> None:
        """The way to the peers, and the DIDs of those that have a CometBFT."""
        self._out, self._peers = out, peers

    @property
    def trades(self) -> Sequence[OwnThread]:
        return self._relay, self.syncing

    def close(self) -> None:
        """No thread runs any more."""
        self._relay.close()

    def _asked(self) -> Iterable[str]:
        return self._peers()

    def _ask(self, did: str, body: bytes) -> bytes:
        assert self._out is not None, "attached before the first turn"
        return self._out.request(did, PEER_PATH, body)
