"""One node: what it does for each kind of caller, and its life.

Use cases answer JSON-able values (or text and bytes where said) and raise `ProblemError`. Digests in
arguments and answers are base64url without padding. They are thread-safe: the web server has several threads.
`node/setup/wiring.py` makes a node of a data directory.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from node.issuing.ledger_follower import Following
from node.ledger.engine import Engine
from node.oversight.alert_desk import AlertDesk
from node.oversight.case_desk import CaseDesk
from node.oversight.facility_desk import FacilityDesk
from node.oversight.request_desk import RequestDesk
from node.peers.gossip import Gossip
from node.server.hosts import Hosts
from node.server.lanes import Lanes
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.signing import SigningStore
from node.supervision.supervisor import Supervisor
from node.use_cases.access import Access
from node.use_cases.accounts import Accounts
from node.use_cases.act_desk import ActDesk
from node.use_cases.batteries import Batteries
from node.use_cases.bulk_desk import BulkDesk
from node.use_cases.clearance import Clearance
from node.use_cases.duties import DutyDesk
from node.use_cases.evidence_file import EvidenceDesk
from node.use_cases.jobs import JobDesk
from node.use_cases.lookup import Lookup
from node.use_cases.operations import OperationsDesk
from node.use_cases.overview import Overview
from node.use_cases.parts import PartsDesk
from node.use_cases.parts_tree import PartsTree
from node.use_cases.passports import PassportDesk
from node.use_cases.peers import PeerDoor
from node.use_cases.proposing import ProposalDesk
from node.use_cases.provided_accounts import ProvidedAccounts
from node.use_cases.recall_reach import RecallReach
from node.use_cases.records import RecordDesk
from node.use_cases.supplier_audit import SupplierAudit
from node.use_cases.vc_api import VcApi
from node.use_cases.vehicles import VehicleDesk
from node.use_cases.webhook_desk import WebhookDesk
from node.verdicts.consignments import Consignments
from node.verdicts.judging import Judging
from node.words import Words


@dataclass(frozen=True, slots=True)
class Stores:
    """The three databases."""

    signing: SigningStore
    ledger: LedgerStore
    office: OfficeStore

    def close(self) -> None:
        """No thread uses them any more."""
        for store in (self.signing, self.ledger, self.office):
            store.close()


@dataclass(frozen=True, slots=True)
class Service:
    """One node's use cases by trade, and what starts and stops them."""

    port: int  # listened on; the session cookie is named `comity_<port>`
    hosts: Hosts
    lanes: Lanes
    passports: PassportDesk
    jobs: JobDesk
    bulk: BulkDesk
    vc_api: VcApi
    batteries: Batteries
    lookup: Lookup
    vehicles: VehicleDesk
    supplier_audit: SupplierAudit
    duties: DutyDesk
    parts: PartsDesk
    parts_tree: PartsTree
    acts: ActDesk
    clearance: Clearance
    consignments: Consignments
    judging: Judging
    alerts: AlertDesk
    cases: CaseDesk
    facilities: FacilityDesk
    recall_reach: RecallReach
    set_requests: RequestDesk
    records: RecordDesk
    evidence: EvidenceDesk
    overview: Overview
    operations: OperationsDesk
    webhooks: WebhookDesk
    proposing: ProposalDesk
    access: Access
    accounts: Accounts
    provided: ProvidedAccounts
    peers: PeerDoor
    supervisor: Supervisor
    engine: Engine
    gossip: Gossip
    following: Following
    stores: Stores
    words: Mapping[str, Words]  # by language

    def start(self) -> None:
        """Begin to agree, to send and to judge; everything left over from before is taken up."""
        self.supervisor.start()

    def stop(self) -> None:
        """Stop every thread, then close the databases."""
        self.judging.stop()
        self.engine.end()
        self.gossip.stop()
        self.supervisor.stop()
        self.judging.given_away.workers.end()
        self.engine.close()
        self.gossip.close()
        self.following.end()
        self.stores.close()

    @property
    def failed(self) -> threading.Event:
        """Set when a thread cannot go on: the process must end."""
        return self.supervisor.failed

    @property
    def failure(self) -> str | None:
        """Why the node cannot go on."""
        return self.supervisor.failure
