"""A data directory becomes a node, in four steps: what is on disk, agrees, works, serves.

The first is `disk.py`, the next two `trades.py`, the last is here. Each takes what the one before it made,
and nothing is made anywhere else.
"""

from __future__ import annotations

import time
from functools import partial

from node import catalogues
from node.config import DataDirectory
from node.ledger.chain import reading_back
from node.ledger.shelf import Shelf
from node.oversight.reminding import Reminding
from node.peers.acquaintance import Acquaintance
from node.server.hosts import Hosts
from node.server.lanes import Lanes
from node.service import Service
from node.setup.disk import Disk, open_disk
from node.setup.engines import founded_with
from node.setup.maker_line import words_of
from node.setup.parts import (
    access_of,
    evidence_of,
    mailboxes_of,
    own_part_of,
    records_of,
    shelf_of,
    supplier_audit_of,
    welcome_of,
)
from node.setup.trades import Agreement, Trades, agree, put_to_work
from node.supervision import readiness
from node.supervision.supervisor import PROMPT_S_MAX, WRITING_S_MAX, Supervisor
from node.use_cases.accounts import Accounts
from node.use_cases.act_desk import ActDesk
from node.use_cases.batteries import Batteries
from node.use_cases.bulk_desk import BulkDesk
from node.use_cases.clearance import Clearance
from node.use_cases.duties import DutyDesk
from node.use_cases.governance import GovernanceDesk
from node.use_cases.jobs import JobDesk
from node.use_cases.lookup import Lookup
from node.use_cases.operations import OperationsDesk
from node.use_cases.overview import Overview
from node.use_cases.own_part import OwnPart
from node.use_cases.parts import PartsDesk
from node.use_cases.parts_tree import PartsTree
from node.use_cases.passports import PassportDesk
from node.use_cases.peers import PeerDoor
from node.use_cases.progress import ProgressReport
from node.use_cases.proposing import ProposalDesk
from node.use_cases.provided_accounts import ProvidedAccounts
from node.use_cases.recall_reach import RecallReach
from node.use_cases.vc_api import VcApi
from node.use_cases.vehicles import VehicleDesk
from node.use_cases.webhook_desk import WebhookDesk
from node.verdicts.sources import unread_rules


def open_service(
    directory: DataDirectory,
    passphrase: str,
    port: int,
    *,
    open_api: bool = False,
    public_url: str | None = None,
    listen_host: str | None = None,
) -> Service:
    """Open keys, network and databases of a data directory, check that they belong together, wire the node.

    `open_api`: the VC-API is open to everybody. `public_url`: the address outsiders use, where node.toml
    names none. `listen_host`: where it listens; requests for other hosts are refused (`hosts.py`). The caller
    holds `directory.lock()`. Nothing runs until `Service.start`.
    """
    catalogues.read_all()
    disk = open_disk(directory, passphrase, public_url)
    with reading_back(directory.ledger):
        agreement = agree(disk, listen_host)
    trades = put_to_work(disk, agreement, open_api=open_api)
    listening_at = None if listen_host is None else (listen_host, port)
    hosts = Hosts.of(disk.keys.did, listening_at, (disk.base_url, disk.network.addresses.get(disk.keys.did)))
    return _serve(disk, agreement, trades, port, hosts)


# -- who calls --------------------------------------------------------------------------------------


def _employ(agreement: Agreement, trades: Trades) -> tuple[Supervisor, Lanes]:
    """Every long-lived thread of the node, in the order in which they start, and those that answer."""
    supervisor, lanes = Supervisor(), Lanes()
    trades.judging.giving_way.to(lanes.pages.is_asked)
    supervisor.employ(agreement.engine, tries_max=1, turn_s_max=PROMPT_S_MAX)
    for trade in agreement.engine.trades:
        supervisor.employ(trade, turn_s_max=WRITING_S_MAX)
    for sender in agreement.gossip.senders():
        supervisor.employ(sender, tries_max=None)
    met = Acquaintance(agreement.gossip, supervisor, partial(agreement.moments.subscribe, kept_max=1))
    supervisor.employ(met, tries_max=None)
    if agreement.collecting is not None:
        supervisor.employ(agreement.collecting, tries_max=None)
    supervisor.employ(trades.outbox, turn_s_max=WRITING_S_MAX)
    supervisor.employ(trades.jobs, turn_s_max=WRITING_S_MAX)
    supervisor.employ(trades.holding, turn_s_max=PROMPT_S_MAX)
    supervisor.employ(agreement.retiring, turn_s_max=PROMPT_S_MAX)
    supervisor.employ(trades.judging)
    trades.oversight.employ(supervisor)
    supervisor.employ(trades.webhooks, tries_max=None)
    return supervisor, lanes


def _look_out(
    disk: Disk, agreement: Agreement, trades: Trades, threads: tuple[Supervisor, Lanes], part: OwnPart
) -> readiness.Lookout:
    """Everything that knows something about the health of this node."""
    (supervisor, lanes), kept = threads, disk.stores.ledger
    engine, office, history, lag = agreement.engine, disk.stores.office, disk.history, trades.gathering.lag
    lookout = readiness.Lookout(
        (
            readiness.of_threads(supervisor),
            readiness.of_lanes(lanes.facts),
            # Who left is told nothing more: that blocks and votes stay away is no fault of its network.
            readiness.while_holds(
                part.takes_part,
                readiness.of_agreement(engine.condition, lambda: history.latest.limits.heartbeat_ms),
            ),
            part.conditions,
            readiness.of_clock(engine.condition),
            readiness.of_engine(lambda: engine.trouble),
            readiness.of_pool(engine.condition),
            readiness.of_lag(lag.lag_heights, kept.tip, disk.policy.lag_heights_max),
            readiness.of_disk(disk.directory.root),
            readiness.of_office(office.refusal),
            readiness.of_damaged_entries(lambda: kept.leaves.damaged),
            readiness.of_damaged_ledger(lambda: kept.tiles.damaged or kept.standings.damaged),
            readiness.of_damaged_office(lambda: disk.stores.office.damaged),
            readiness.of_set_aside(office.aside.count),
            readiness.of_records(trades.following.told),
            readiness.of_rule_files(trades.holding.lacking),
            readiness.of_unread_rules(lambda: unread_rules(trades.gathering)),
            readiness.of_addresses(agreement.gossip.book.unknown, lambda: history.height),
            readiness.of_token(disk.keys.token),
            readiness.of_host(agreement.collecting),
            readiness.of_openness(open_api=trades.open_api),
        )
    )
    supervisor.employ(lookout, tries_max=None, turn_s_max=PROMPT_S_MAX)
    return lookout


def _overview(
    disk: Disk, agreement: Agreement, trades: Trades, supervisor: Supervisor, lanes: Lanes
) -> Overview:
    part = own_part_of(disk)
    return Overview(
        did=disk.keys.did,
        genesis=disk.genesis,
        history=disk.history,
        policy=disk.policy,
        tree=disk.tree,
        ledger=disk.stores.ledger,
        office=disk.stores.office,
        engine=agreement.engine,
        gossip=agreement.gossip,
        gathering=trades.gathering,
        supervisor=supervisor,
        lookout=_look_out(disk, agreement, trades, (supervisor, lanes), part),
        part=part,
        open_api=trades.open_api,
        started_at_s=time.monotonic(),
    )


def _door(disk: Disk, own: Agreement, trades: Trades, shelf: Shelf) -> PeerDoor:
    parts = (own.gossip, own.engine, disk.stores.ledger, trades.gathering, shelf)
    oversight, mailboxes = trades.oversight.doors, mailboxes_of(disk)
    door = PeerDoor(*parts, welcome=welcome_of(disk), oversight=oversight, mailboxes=mailboxes)
    if own.collecting is not None:
        own.collecting.answer_by(lambda path, request: door.handle(path, request).body)
    return door


def _proposing(disk: Disk, agreement: Agreement, trades: Trades) -> ProposalDesk:
    acts, files = trades.issuing.acts, disk.network.rule_files
    governance = GovernanceDesk(
        history=disk.history,
        registry=agreement.registry,
        ledger=disk.stores.ledger,
        acts=acts,
        reach=trades.reach,
        founded_with=founded_with(disk),
    )
    return ProposalDesk(governance, acts, trades.outbox, files)


def _vc_api(disk: Disk, trades: Trades, progress: ProgressReport) -> VcApi:
    return VcApi(
        history=disk.history,
        did=disk.keys.did,
        open_api=trades.open_api,
        securing=trades.securing,
        checking=trades.checking,
        resolver=trades.resolver,
        issuing=trades.issuing,
        office=disk.stores.office,
        outbox=trades.outbox,
        progress=progress,
    )


def _serve(disk: Disk, agreement: Agreement, trades: Trades, port: int, hosts: Hosts) -> Service:
    history, gathering = disk.history, trades.gathering
    office, ledger = disk.stores.office, disk.stores.ledger
    (supervisor, lanes), progress = _employ(agreement, trades), ProgressReport(ledger, trades.issuing)
    shelf = shelf_of(disk, agreement.engine)
    supervisor.employ(shelf, tries_max=None)
    batteries = Batteries(trades.issuing, gathering, ledger, office)
    lookup = Lookup(trades.issuing, batteries, ledger, office, trades.overtaking)
    duties = DutyDesk(disk.keys.did, gathering, ledger, office, lookup)
    supervisor.employ(Reminding(office, ledger, gathering, duties.listing), tries_max=None)
    return Service(
        words=words_of(history),
        port=port,
        hosts=hosts,
        lanes=lanes,
        passports=PassportDesk(history, trades.issuing, office, trades.outbox, progress),
        jobs=(desk := JobDesk(office, trades.jobs)),
        bulk=BulkDesk(office, trades.issuing, desk),
        vc_api=_vc_api(disk, trades, progress),
        batteries=batteries,
        lookup=lookup,
        supplier_audit=supplier_audit_of(disk),
        vehicles=VehicleDesk(trades.issuing, gathering, ledger, lookup, disk.policy),
        parts=PartsDesk(trades.issuing, gathering, ledger, lookup),
        parts_tree=PartsTree(trades.issuing, gathering, ledger, office),
        duties=duties,
        acts=ActDesk(history, disk.keys.did, trades.issuing, batteries, office, progress),
        clearance=Clearance(gathering, disk.policy, trades.judging),
        consignments=trades.consignments,
        judging=trades.judging,
        alerts=trades.oversight.alert_desk,
        cases=trades.oversight.case_desk,
        facilities=trades.oversight.facilities,
        recall_reach=RecallReach(trades.issuing, office, ledger),
        set_requests=trades.oversight.request_desk(trades.consignments.reports),
        records=(records := records_of(disk, gathering)),
        evidence=evidence_of(disk, trades.consignments, records),
        overview=_overview(disk, agreement, trades, supervisor, lanes),
        webhooks=WebhookDesk(office, trades.webhooks),
        operations=OperationsDesk(office, trades.outbox, trades.judging, agreement.engine),
        proposing=_proposing(disk, agreement, trades),
        access=(access := access_of(disk)),
        accounts=(accounts := Accounts(office, access)),
        provided=ProvidedAccounts(office, access, accounts, disk.settings.oidc),
        peers=_door(disk, agreement, trades, shelf),
        supervisor=supervisor,
        engine=agreement.engine,
        gossip=agreement.gossip,
        following=trades.following,
        stores=disk.stores,
    )
