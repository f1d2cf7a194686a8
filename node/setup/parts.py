"""Parts that are made of what is on disk and a thing or two more: who may, what proves, what is told."""

from __future__ import annotations

import time
from functools import partial

from node.errors import SetupError
from node.ledger.engine import Engine
from node.ledger.shelf import Shelf
from node.ledger.snapshot import write
from node.peers.mailboxes import Mailboxes
from node.receipts.maker import Proofs
from node.resolution.fetch import Fetcher, FetchPolicy, origin_of
from node.resolution.webhooks import Webhooks
from node.setup.disk import Disk
from node.use_cases.access import Access
from node.use_cases.evidence_file import EvidenceDesk
from node.use_cases.own_part import OwnPart
from node.use_cases.records import RecordDesk
from node.use_cases.supplier_audit import SupplierAudit
from node.use_cases.welcoming import Welcome
from node.verdicts.consignments import Consignments
from node.verdicts.sources import Gathering


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


def webhooks_of(disk: Disk) -> Webhooks:
    """What posts to the endpoints that node.toml names, and can reach nobody else."""
    settings = disk.settings
    origins = frozenset(origin_of(one.url) for one in settings.webhooks)
    ca_file = None if settings.fetch is None else settings.fetch.ca_file
    sender = Fetcher(FetchPolicy(origins=origins, ca_file=ca_file))
    return Webhooks(disk.stores.office, settings.webhooks, sender)


def own_part_of(disk: Disk) -> OwnPart:
    """The own part in the network, at the time of the wall or of the last block, whichever is later."""

    def now() -> int:
        tip = disk.stores.ledger.tip()
        return max(int(time.time()), tip.time if tip else 0)

    constitution, ledger = disk.constitution, disk.stores.ledger
    return OwnPart(disk.keys.did, disk.history, ledger, lambda: constitution.state, now)


def welcome_of(disk: Disk) -> Welcome:
    """What a newcomer is given."""
    own, at, files = disk.keys.did, disk.network.addresses, disk.network.rule_files
    return Welcome(own, disk.genesis, disk.history, files, disk.network_key, disk.tree, at)


def mailboxes_of(disk: Disk) -> Mailboxes:
    """Where what is asked of the participants waits whom this node hosts."""
    own, settings = disk.keys.did, disk.settings
    if own in settings.hosting or own == settings.host:
        raise SetupError(
            "node.toml names this participant as its own host",
            step="Name the other party: in `host` who hosts this one, in [hosting] whom this one hosts.",
        )
    return Mailboxes(settings.hosting)


def shelf_of(disk: Disk, engine: Engine) -> Shelf:
    """The snapshots of this node: peers ask for them, and what orders may hand them to newcomers."""
    made = partial(write, disk.stores.ledger, disk.genesis)
    shelf = Shelf(made, disk.directory.root, lambda: disk.tree.size)
    engine.lend(shelf)
    return shelf


def supplier_audit_of(disk: Disk) -> SupplierAudit:
    """What is on record about suppliers."""
    return SupplierAudit(disk.history, disk.stores.ledger, disk.stores.office, disk.keys.did)
