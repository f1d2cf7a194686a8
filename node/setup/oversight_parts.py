"""What authorities see and are told: its threads, doors and desks, made of what is on disk."""

from __future__ import annotations

from dataclasses import dataclass

from node.catalogues import LANGUAGES
from node.ledger.subscriptions import Moments
from node.oversight.alert_desk import AlertDesk
from node.oversight.alerting import Alerting
from node.oversight.attempts import Attempts
from node.oversight.case_desk import CaseDesk
from node.oversight.cases import Cases
from node.oversight.facility_desk import FacilityDesk
from node.oversight.forwarding import Forwarding
from node.oversight.letters import Letters
from node.oversight.noted import NotingRegistry
from node.oversight.request_desk import RequestDesk
from node.oversight.set_requests import SetRequests
from node.oversight.telling import AlertTelling, all_of
from node.peers.gossip import Gossip
from node.resolution.webhooks import Webhooks
from node.setup.disk import Disk
from node.setup.maker_line import words_of
from node.storage.office import OfficeStore
from node.supervision.supervisor import Supervisor
from node.verdicts.reports import Reports
from node.verdicts.sources import Gathering

MAIL = "mail"  # in the data directory


@dataclass(frozen=True, slots=True)
class Oversight:
    """Alerts, attempts and cases: the threads, the doors for other nodes, and the desks for people."""

    alerting: Alerting
    attempts: Attempts
    letters: Letters
    cases: Cases
    forwarding: Forwarding
    telling: AlertTelling
    alert_desk: AlertDesk
    case_desk: CaseDesk
    facilities: FacilityDesk
    set_requests: SetRequests
    office: OfficeStore

    @property
    def doors(self) -> tuple[Attempts, Cases, Forwarding, SetRequests]:
        """What other nodes send here."""
        return self.attempts, self.cases, self.forwarding, self.set_requests

    def request_desk(self, reports: Reports) -> RequestDesk:
        """Requests for sets, as people read and write them."""
        return RequestDesk(self.office, self.set_requests, reports)

    def employ(self, supervisor: Supervisor) -> None:
        """Its threads."""
        supervisor.employ(self.alerting)
        supervisor.employ(self.alerting.code_search, tries_max=None)
        supervisor.employ(self.attempts, tries_max=None)
        supervisor.employ(self.letters, tries_max=None)
        supervisor.employ(self.telling, tries_max=None)


def oversight_of(
    disk: Disk,
    registry: NotingRegistry,
    gossip: Gossip,
    gathering: Gathering,
    *,
    moments: Moments,
    webhooks: Webhooks,
) -> Oversight:
    """What authorities see, signed as this participant's statements are."""
    office, ledger, signer = disk.stores.office, disk.stores.ledger, disk.held.signer("attest")
    network_id = disk.genesis.network_id
    letters = Letters(office, gossip)
    attempts = Attempts(
        network_id=network_id,
        did=disk.keys.did,
        history=disk.history,
        signer=signer,
        noted=registry.noted,
        waited_s=disk.settings.attempts_after_s,
        waits_by=registry.waits_by,
        office=office,
        ledger=ledger,
        letters=letters,
    )
    cases = Cases(
        network_id=network_id,
        signer=signer,
        office=office,
        ledger=ledger,
        gathering=gathering,
        letters=letters,
    )
    alerting = Alerting(office, ledger, gathering, moments, disk.settings.capacities)
    forwarding = Forwarding(
        network_id=network_id,
        signer=signer,
        office=office,
        ledger=ledger,
        gathering=gathering,
        letters=letters,
        attempts=attempts,
    )
    desk = AlertDesk(office, ledger, gathering, alerting, forwarding)
    subscriptions = all_of(webhooks, disk.settings.alerts)
    words, mail = words_of(disk.history), disk.directory.root / MAIL
    telling = AlertTelling(office, desk, webhooks, subscriptions, mail=mail, words=words[LANGUAGES[0]])
    return Oversight(
        alerting,
        attempts,
        letters,
        cases,
        forwarding,
        telling,
        desk,
        CaseDesk(office, cases),
        FacilityDesk(disk.keys.did, office, ledger, disk.history),
        SetRequests(network_id, signer, office, gathering, letters=letters),
        office,
    )
