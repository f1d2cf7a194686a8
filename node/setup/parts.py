"""Parts that are made of what is on disk and one thing more: who may, what is told of attempts."""

from __future__ import annotations

from node.oversight.attempts import Attempts
from node.oversight.noted import NotingRegistry
from node.peers.gossip import Gossip
from node.setup.disk import Disk
from node.use_cases.access import Access


def attempts_of(disk: Disk, registry: NotingRegistry, gossip: Gossip) -> Attempts:
    """What tells of attempts, signed as this participant's statements are."""
    return Attempts(
        network_id=disk.genesis.network_id,
        did=disk.keys.did,
        history=disk.history,
        signer=disk.held.signer("attest"),
        noted=registry.noted,
        office=disk.stores.office,
        gossip=gossip,
    )


def access_of(disk: Disk) -> Access:
    """Who may use this node."""
    return Access(
        disk.stores.office,
        disk.directory.operator(),
        audience=disk.policy.audience,
        roles=lambda: disk.history.latest.participants[disk.keys.did].roles,
    )
