"""Forger: speaks in the name of others, without their keys."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.encoding import decode, encode
from consensus.errors import ConsensusError
from consensus.evidence import evidence_of
from consensus.types import CommitCertificate, Proposal, Vote, decode_message
from tests.harness.sim.cluster import Cosignature, Node


class Forger(Node):
    """Forges votes, proposals, evidence, certificates and cosignatures, and sends broken bytes."""

    honest = False

    def receive(self, sender: Node, data: bytes) -> None:
        """Turn what others said into what they did not say."""
        super().receive(sender, data)
        if not data:
            return  # another forger cut it to nothing
        for forged in self._forgeries(data):
            self.send(self.random.choice(self._peers()), forged)

    def answer(self, peer: Node, blocks: Sequence[tuple[bytes, bytes]]) -> None:
        """Serve other blocks under forged certificates."""
        super().answer(peer, [self._forged_block(*pair) for pair in blocks])

    def cosignature_out(self, fields: Cosignature) -> None:
        """Its own, and one of the same lines over another root."""
        super().cosignature_out(fields)
        super().cosignature_out((fields[0], bytes(32), fields[2], fields[3]))

    def _peers(self) -> list[Node]:
        return [node for node in self.cluster.nodes.values() if node.name != self.name]

    def _forgeries(self, data: bytes) -> list[bytes]:
        assert self.signer is not None
        broken = bytearray(data)
        broken[self.random.randrange(len(broken))] ^= 1 << self.random.randrange(8)
        forged = [bytes(broken), data[: self.random.randrange(len(data))]]
        try:
            message = decode_message(decode(data))
        except ConsensusError:
            return [*forged, encode(["comity/status/v1", 1 << 40, 0, 1, b""])]
        chain = self.cluster.chain
        network = chain.network_id if self.random.random() < 0.5 else bytes(32)
        if isinstance(message, Proposal):
            later = replace(message, block=replace(message.block, time=message.block.time + 1))
            signature = self.signer.sign(later.signed_bytes(network, chain.validators.hash))
            return [*forged, replace(later, signature=signature).encode(), replace(later).encode()]
        victim = self.random.choice([v.name for v in chain.validators.validators if v.name != self.name])
        other = replace(
            message, validator=victim, value_id=self.random.choice((None, bytes(32))), valid_round=-1
        )
        signature = self.signer.sign(other.signed_bytes(network, chain.validators.hash))
        if network == chain.network_id:
            # Signed bytes hold no name: this is a vote of the forger too, whoever puts its name to it.
            self.cluster.note_said(replace(other, validator=self.name, signature=signature).encode())
        accused = evidence_of(message, replace(other, validator=message.validator, signature=signature))
        if accused is not None and message.validator != self.name:
            forged.append(accused.encode())
        return [*forged, replace(other, signature=signature).encode(), replace(other).encode()]

    def _forged_block(self, block: bytes, certificate: bytes) -> tuple[bytes, bytes]:
        """Another block with the certificate rewritten: one voter in every place, or signed by itself."""
        assert self.signer is not None
        good = CommitCertificate.decode(certificate)
        mine = [vote for vote in good.precommits if vote.validator == self.name]
        chain = self.cluster.chain
        if self.random.random() < 0.5 and mine:
            return block, replace(good, precommits=tuple(mine)).encode()
        votes: list[Vote] = []
        self.cluster.note_said(replace(good.precommits[0], validator=self.name).encode())
        for validator in chain.validators.validators:
            vote = replace(good.precommits[0], validator=validator.name)
            votes.append(
                replace(
                    vote,
                    signature=self.signer.sign(vote.signed_bytes(chain.network_id, chain.validators.hash)),
                )
            )
        return block, replace(good, precommits=tuple(votes)).encode()
