"""What an adversary needs to say anything it likes with its own key."""

from __future__ import annotations

from dataclasses import replace

from consensus.types import Block, Proposal, Vote
from tests.harness.sim.cluster import Node


def sign_vote(node: Node, vote: Vote) -> bytes:
    """The vote, signed by the node's vote key."""
    assert node.signer is not None
    chain = node.cluster.chain
    message = vote.signed_bytes(chain.network_id, chain.validators.hash)
    return replace(vote, signature=node.signer.sign(message)).encode()


def sign_proposal(node: Node, proposal: Proposal, block: Block) -> bytes:
    """The proposal with another block, signed by the node's vote key."""
    assert node.signer is not None
    chain = node.cluster.chain
    changed = replace(proposal, block=block, signature=b"")
    message = changed.signed_bytes(chain.network_id, chain.validators.hash)
    return replace(changed, signature=node.signer.sign(message)).encode()
