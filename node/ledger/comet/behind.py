"""The application behind CometBFT, as a trade of the node: what is on disk, the answers, and the socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from consensus.chain import ChainConfig, Tip
from consensus.delivered import Delivered
from consensus.errors import ConsensusError
from consensus.merkle import Tree
from consensus.pool import GivenUp
from credentials.ledger.engine_terms import FOUNDED, EngineTerm
from credentials.ledger.registry import Registry
from node import log
from node.errors import SetupError
from node.ledger.comet.abci import Abci
from node.ledger.comet.decided import carried_by
from node.ledger.comet.handing import Handing
from node.ledger.comet.proven import Proven
from node.ledger.comet.server import Server
from node.ledger.comet.state_sync import Syncing
from node.ledger.ledger import Ledger
from node.ledger.subscriptions import Moments, PoolDropped
from node.storage.ledger import LedgerStore

TICK_S = 0.25


class Behind:
    """Answers CometBFT from one ledger, on the thread that calls `turn`."""

    name = "engine"

    def __init__(
        self,
        socket: Path,
        *,
        chain: ChainConfig,
        registry: Registry,
        tip: Tip,
        store: LedgerStore,
        ledger: Ledger,
        tree: Tree,
        moments: Moments,
        term: EngineTerm = FOUNDED,
        syncing: Syncing | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Go on from `tip`; SetupError where the disk does not lead to it.

        `term`: of CometBFT's chain, before which another engine ordered. `syncing`: of a newcomer.
        """
        self._moments = moments
        try:
            self.delivered = Delivered(
                chain,
                registry,
                tip,
                history=store.validator_history(chain.validators),
                carried=carried_by(store.certificates(1)[0]) if tip.height >= term.first else None,
                admitted=[(row.height, row.entry) for row in store.leaves.evidence()],
            )
        except ConsensusError as error:
            raise SetupError(
                f"this node cannot start: ledger.db is damaged ({error}). Move it away, and start the node: "
                "CometBFT gives it every block again"
            ) from error
        self.proven = Proven(self.delivered, store, tree, registry.standings_map)
        self.handing = Handing(lambda: ledger.height, syncing)
        self.abci = Abci(
            self.delivered,
            ledger,
            self.proven,
            chain.network_id,
            self.handing,
            term=term,
            wall=wall,
            gone=self._tell,
        )
        self.server = Server(socket, self.abci.answer)

    def turn(self) -> None:
        """Wait for a question of CometBFT, and answer what was asked. Always on one thread."""
        self.server.turn(TICK_S)

    def wake(self) -> None:
        """A turn that waits returns."""
        self.server.wake()

    def close(self) -> None:
        """CometBFT is let go, and ends itself."""
        self.server.close()

    def _tell(self, given_up: Sequence[GivenUp]) -> None:
        for one in given_up:
            log.moment("dropped", digest=one.digest, code=one.code, because=one.reason)
            self._moments.tell(PoolDropped(one.digest, one.reason, one.code))
