"""Bad proposer: votes well, and proposes blocks that must not be decided."""

from collections.abc import Callable
from dataclasses import replace

from consensus.encoding import decode
from consensus.errors import ConsensusError
from consensus.types import Block, Proposal, decode_message
from tests.harness.sim.adversaries._signing import sign_proposal
from tests.harness.sim.cluster import Node

WAYS: tuple[Callable[[Block], Block], ...] = (
    lambda block: replace(block, app_hash=bytes(32)),
    lambda block: replace(block, log_root=bytes(32)),
    lambda block: replace(block, log_size=block.log_size + 1),
    lambda block: replace(block, previous_id=bytes(32)),
    lambda block: replace(block, config_digest=bytes(32)),
    lambda block: replace(block, app_version=block.app_version + 1),
    lambda block: replace(block, time=block.time + 3_600),
    lambda block: replace(block, time=max(0, block.time - 3_600)),
    lambda block: replace(block, height=block.height + 1),
    lambda block: replace(block, proposer="did:web:stranger.example"),
    lambda block: replace(block, attestations=(*block.attestations, b"\xd2\x84\x40\xa0\x40\x40")),
    lambda block: replace(block, attestations=(*block.attestations, *block.attestations, b"\xff")),
    lambda block: replace(block, attestations=(bytes(600 << 10),)),
)


class BadProposer(Node):
    """Each of its proposals is bad in another way; it prevotes it all the same."""

    honest = False

    def broadcast(self, data: bytes) -> None:
        """Make the proposal bad."""
        try:
            message = decode_message(decode(data))
        except ConsensusError:
            super().broadcast(data)
            return
        if isinstance(message, Proposal):
            block = self.random.choice(WAYS)(message.block)
            data = sign_proposal(self, message, block)
        super().broadcast(data)
