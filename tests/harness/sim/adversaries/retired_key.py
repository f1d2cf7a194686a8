"""Retired key: once the ledger names its next vote key, it says other things with the one before."""

from dataclasses import replace

from consensus.encoding import decode
from consensus.errors import ConsensusError
from consensus.types import NO_ROUND, Vote, decode_message
from tests.harness.sim.cluster import Node

PAST_MAX = 24  # votes of the old key that are said otherwise: of fewer perhaps nobody heard the first one


class RetiredKey(Node):
    """Contradicts, with its old key, its present votes and those that it gave while that key counted."""

    honest = False
    retired_said = 0
    began_at: int | None = None  # the last height decided anywhere when it first contradicted its past

    def __init__(self, *args: object, **named: object) -> None:
        super().__init__(*args, **named)  # type: ignore[arg-type]
        self._given: list[Vote] = []

    def broadcast(self, data: bytes) -> None:
        """What the protocol says; and what a key that counts no more says against it."""
        super().broadcast(data)
        try:
            message = decode_message(decode(data))
        except ConsensusError:
            return  # a status
        assert self.replica is not None and self.signer is not None
        own = self.replica._present.history.at(message.height).get(self.name)
        if not isinstance(message, Vote) or own is None:
            return
        if own.public_key == self.signer.public_key:
            self._given = [*self._given, message][-PAST_MAX:]
            return
        self._contradict(message)
        if self._given and self.began_at is None:
            self.began_at = max(len(node.commits) for node in self.cluster.honest)
        for vote in self._given:
            self.cluster.note_said(self._contradict(vote))

    @property
    def contradicted(self) -> list[Vote]:
        """The votes of its old key that it contradicts."""
        return self._given

    def _contradict(self, vote: Vote) -> bytes:
        """The opposite of a vote, under the old key, to everybody."""
        assert self.replica is not None and self.signer is not None
        value = None if vote.value_id else bytes(32)
        other = replace(vote, value_id=value, valid_round=NO_ROUND, signature=b"")
        validators = self.replica._present.history.at(vote.height)
        message = other.signed_bytes(self.cluster.chain.network_id, validators.hash)
        data = replace(other, signature=self.signer.sign(message)).encode()
        self.retired_said += 1
        for peer in self.cluster.nodes.values():
            if peer.name != self.name:
                self.send(peer, data)
        return data
