"""Silent: takes part in nothing and answers nobody."""

from collections.abc import Sequence

from tests.harness.sim.cluster import Cosignature, Node


class Silent(Node):
    """Hears everything, says nothing."""

    honest = False

    def send(self, peer: Node, data: bytes) -> None:
        """Say nothing."""

    def answer(self, peer: Node, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        """Give nothing."""

    def cosignature_out(self, fields: Cosignature) -> None:
        """Cosign for nobody but itself."""
