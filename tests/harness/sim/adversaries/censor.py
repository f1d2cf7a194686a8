"""Censor: never proposes one maker's attestations, and empty blocks when there is nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.harness.sim.cluster import Node

if TYPE_CHECKING:
    from consensus.application import Application
    from consensus.chain import Tip

VICTIM = b"did:web:maker.example"


class Censor(Node):
    """Its own proposals leave a maker out; nobody else's do."""

    honest = False

    def make_application(self, tip: Tip) -> Application:
        """The rules, with another choice of what to propose."""
        application = super().make_application(tip)
        prepare = application.prepare_proposal

        def censored(
            txs: Sequence[bytes], height: int, time: int, previous_id: bytes, bytes_max: int
        ) -> tuple[bytes, ...]:
            return prepare([tx for tx in txs if VICTIM not in tx], height, time, previous_id, bytes_max)

        application.prepare_proposal = censored  # type: ignore[method-assign]
        return application
