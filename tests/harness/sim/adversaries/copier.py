"""Copier of cosignatures: cosigns whatever root another validator has signed, at whatever time it likes."""

from consensus.checkpoint import Checkpoint, cosign_line, sign_log_line
from tests.harness.sim.cluster import Cosignature, Node
from tests.harness.sim.world import validator_signer


class Copier(Node):
    """Checks nothing before it cosigns, and dates it to the beginning or the end of time."""

    honest = False

    def cosignature_in(self, fields: Cosignature) -> None:
        """Cosign the same root."""
        super().cosignature_in(fields)
        policy = self.cluster.world.policy
        if policy is None or self.index is None or self.replica is None:
            return
        size, root = fields[0], fields[1]
        checkpoint = Checkpoint(policy.origin, size, root)
        time = self.random.choice((1, self.now_ms // 1000, 2**40))
        name = self.name.removeprefix("did:web:")
        self.cosignature_out(
            (
                size,
                root,
                sign_log_line(checkpoint, policy.origin, validator_signer(self.index, "log")),
                cosign_line(checkpoint, name, time, validator_signer(self.index, "cosign")),
            )
        )
