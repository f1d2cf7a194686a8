"""Replayer: sends again what anybody ever said, old heights and rounds included."""

from tests.harness.sim.cluster import Cosignature, Node

KEPT_MAX = 400
REPLAYS_PER_MESSAGE = 2


class Replayer(Node):
    """Answers each message with two old ones, to anybody."""

    honest = False

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._kept: list[bytes] = []
        self._cosignatures: list[Cosignature] = []

    def receive(self, sender: Node, data: bytes) -> None:
        """Keep it and send something else again."""
        super().receive(sender, data)
        if len(self._kept) < KEPT_MAX:
            self._kept.append(data)
        peers = [node for node in self.cluster.nodes.values() if node.name != self.name]
        for _ in range(REPLAYS_PER_MESSAGE):
            self.send(self.random.choice(peers), self.random.choice(self._kept))

    def cosignature_in(self, fields: Cosignature) -> None:
        """Keep it and send an old one again."""
        super().cosignature_in(fields)
        if len(self._cosignatures) < KEPT_MAX:
            self._cosignatures.append(fields)
        self.cosignature_out(self.random.choice(self._cosignatures))
