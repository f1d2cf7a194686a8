"""Delayer: says the right thing, when it is of the least use."""

from tests.harness.sim.cluster import Cosignature, Node


class Delayer(Node):
    """Holds back every message for up to six seconds: around the timeouts of the first rounds."""

    honest = False

    def send(self, peer: Node, data: bytes) -> None:
        """Send it later."""
        delay_ms = self.random.choice((0, 450, 550, 950, 1_050, 2_000, 6_000))
        self.cluster.after(delay_ms, lambda: super(Delayer, self).send(peer, data))

    def cosignature_out(self, fields: Cosignature) -> None:
        """Cosign late."""
        self.cluster.after(
            self.random.randint(0, 3_000), lambda: super(Delayer, self).cosignature_out(fields)
        )
