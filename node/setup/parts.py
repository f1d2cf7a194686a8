"""Parts that are made of what is on disk and a thing or two more: who may, what proves, what is told."""

from __future__ import annotations

from node.oversight.attempts import Attempts
from node.oversight.noted import NotingRegistry
from node.peers.gossip import Gossip
from node.receipts.maker import Proofs
from node.setup.disk import Disk
from node.use_cases.access import Access
from node.use_cases.evidence_file import EvidenceDesk
from node.use_cases.records import RecordDesk
from node.verdicts.consignments import Consignments
from node.verdicts.sources import Gathering


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


def records_of(disk: Disk, gathering: Gathering) -> RecordDesk:
    """What shows the log and hands out what proves it."""
    office, ledger = disk.stores.office, disk.stores.ledger
    return RecordDesk(
        history=disk.history,
        proofs=Proofs(ledger, office, disk.tree, disk.log_policies, gathering),
        tree=disk.tree,
        gathering=gathering,
        ledger=ledger,
        office=office,
    )


def evidence_of(disk: Disk, consignments: Consignments, records: RecordDesk) -> EvidenceDesk:
    """What makes evidence files, signed as this participant's statements are."""
    return EvidenceDesk(
        did=disk.keys.did,
        network=(disk.genesis.name, disk.genesis.network_id),
        signer=disk.held.signer("attest"),
        history=disk.history,
        rule_files=disk.network.rule_files,
        policy=disk.policy,
        consignments=consignments,
        records=records,
        ledger=disk.stores.ledger,
        office=disk.stores.office,
    )
