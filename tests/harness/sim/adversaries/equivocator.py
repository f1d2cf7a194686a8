"""Equivocator: tells one half of the network one thing and the other half another."""

from dataclasses import replace

from consensus.encoding import decode
from consensus.errors import ConsensusError
from consensus.types import NO_ROUND, Proposal, decode_message
from tests.harness.sim.adversaries._signing import sign_proposal, sign_vote
from tests.harness.sim.cluster import Node


class Equivocator(Node):
    """Signs a second proposal and a second vote wherever it signs one, and splits its hearers at random."""

    honest = False

    def broadcast(self, data: bytes) -> None:
        """Two things, each to some."""
        other = self._other(data)
        self.cluster.note_said(data)
        if other is None:
            super().broadcast(data)
            return
        self.cluster.note_said(other)
        for peer in self.cluster.nodes.values():
            if peer.name != self.name:
                for said in self.random.choice(([data], [other], [data, other], [other, data])):
                    self.send(peer, said)

    def _other(self, data: bytes) -> bytes | None:
        try:
            message = decode_message(decode(data))
        except ConsensusError:
            return None  # a status
        if isinstance(message, Proposal):
            later = replace(message.block, time=message.block.time + 1)
            return sign_proposal(self, replace(message, valid_round=NO_ROUND), later)
        values = [None, *self._values(message.height, message.round)]
        value = self.random.choice([value for value in values if value != message.value_id] or [bytes(32)])
        return sign_vote(self, replace(message, value_id=value, valid_round=NO_ROUND, signature=b""))

    def _values(self, height: int, round: int) -> list[bytes]:
        """What was proposed in this round, by itself and others."""
        return sorted(
            value
            for (_, said_height, said_round, kind), said in self.cluster.said.items()
            if (said_height, said_round, kind) == (height, round, 0)
            for _, value in said
            if value is not None
        )
