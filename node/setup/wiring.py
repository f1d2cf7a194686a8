"""A data directory becomes a node, in four steps: what is on disk (`disk.py`), agrees, works, serves.

Read from the top: each step takes what the one before it made, and nothing is made anywhere else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from consensus.standings_map import StandingsMap
from credentials.documents.issuer import PASSPORT_SCHEMA
from credentials.documents.passport import PassportSchema
from node import catalogues, config
from node.config import DataDirectory
from node.issuing.gate import Gate
from node.issuing.holding import RuleHolding
from node.issuing.issue_jobs import IssueJobs
from node.issuing.issuing import Issuing
from node.issuing.ledger_follower import Following, Speaking
from node.issuing.outbox import Outbox
from node.issuing.profiled import Securing
from node.issuing.signing import Signers
from node.ledger.chain import reading_back, require_state
from node.ledger.checkpoints import Checkpoints
from node.ledger.cosigner import Cosigning
from node.ledger.engine import Engine
from node.ledger.ledger import Ledger
from node.ledger.shelf import Shelf
from node.ledger.subscriptions import Moments
from node.oversight.noted import NotingRegistry
from node.oversight.reminding import Reminding
from node.peers.acquaintance import Acquaintance
from node.peers.authentication import PeerAuthentication
from node.peers.certificates import by_authority
from node.peers.gossip import Gossip
from node.resolution.fetch import Fetcher, FetchPolicy
from node.resolution.resolver import Resolver
from node.resolution.webhooks import Webhooks
from node.server.hosts import Hosts
from node.server.lanes import Lanes
from node.service import Service
from node.setup.disk import Disk, open_disk
from node.setup.engines import open_engine
from node.setup.gathering import gathering_of, judged_by_of, passport_schemas
from node.setup.maker_line import jobs_of, words_of
from node.setup.oversight_parts import Oversight, oversight_of
from node.setup.parts import (
    access_of,
    evidence_of,
    own_part_of,
    records_of,
    shelf_of,
    supplier_audit_of,
    webhooks_of,
    welcome_of,
)
from node.setup.retiring import Retiring
from node.setup.rule_files import require_proposed
from node.setup.worker import Given, work
from node.storage.ledger import LedgerStore, SqliteStandingReader
from node.supervision import readiness
from node.supervision.supervisor import PROMPT_S_MAX, WRITING_S_MAX, Supervisor
from node.use_cases.accounts import Accounts
from node.use_cases.act_desk import ActDesk
from node.use_cases.batteries import Batteries
from node.use_cases.bulk_desk import BulkDesk
from node.use_cases.clearance import Clearance
from node.use_cases.duties import DutyDesk
from node.use_cases.jobs import JobDesk
from node.use_cases.lookup import Lookup
from node.use_cases.operations import OperationsDesk
from node.use_cases.overview import Overview
from node.use_cases.own_part import OwnPart
from node.use_cases.parts import PartsDesk
from node.use_cases.passports import PassportDesk
from node.use_cases.peers import PeerDoor
from node.use_cases.progress import ProgressReport
from node.use_cases.proposing import ProposalDesk
from node.use_cases.reach import Reach
from node.use_cases.vc_api import VcApi
from node.use_cases.vehicles import VehicleDesk
from node.use_cases.webhook_desk import WebhookDesk
from node.use_cases.welcoming import Welcome
from node.verdicts.consignments import Consignments
from node.verdicts.foretelling import Foretelling
from node.verdicts.judging import Judging
from node.verdicts.overtaking import Overtaking
from node.verdicts.sources import Gathering, unread_rules
from node.verdicts.verification import Checking, LedgerSources
from node.verdicts.watching import Watching
from node.verdicts.workers import Workers


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
        agreement = _agree(disk, listen_host)
    trades = _work(disk, agreement, open_api=open_api)
    listening_at = None if listen_host is None else (listen_host, port)
    hosts = Hosts.of(disk.keys.did, listening_at, (disk.base_url, disk.network.addresses.get(disk.keys.did)))
    return _serve(disk, agreement, trades, port, hosts)


# -- 2. what agrees ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Agreement:
    """The registry, the engine that orders for it, and the way to the peers."""

    registry: NotingRegistry
    engine: Engine
    gossip: Gossip
    moments: Moments
    retiring: Retiring


def _agree(disk: Disk, listen_host: str | None) -> _Agreement:
    keys, genesis, stores, tip = disk.keys, disk.genesis, disk.stores, disk.tip
    standings = StandingsMap.over(stores.ledger.standings.hashes(), stores.ledger.standings.bucket)
    require_state(stores.ledger, standings, tip, disk.directory.ledger)
    reader = SqliteStandingReader(stores.ledger)
    log_policies = disk.log_policies
    named = map(log_policies.epoch, range(1, len(log_policies.starts)))
    policies = ((epoch.after, epoch.text) for epoch in named)
    registry = NotingRegistry(
        genesis, reader, tip.app_hash, standings, constitution=disk.constitution, policies=policies
    )
    moments, tree = Moments(), disk.tree
    cosigning = Cosigning(log_policies, tree, disk.held.cosigner(stores.signing))
    checkpoints = Checkpoints(cosigning, stores.ledger, moments)
    ledger = Ledger(stores.ledger, registry, tree, checkpoints, moments)
    engine = open_engine(disk, registry, ledger, checkpoints, moments, listen_host=listen_host)
    own = disk.held.all_of("transport")
    authentication = PeerAuthentication(genesis.network_id, disk.history, keys.did, own)
    authentication.on_clock = engine.peer_clock
    gossip = Gossip(
        authentication,
        disk.network.addresses,
        engine,
        trusts=[by_authority(ca_file)] if (ca_file := disk.settings.peers_ca_file) is not None else [],
    )
    engine.attach(gossip, gossip.named)
    retiring = Retiring(disk.held, cosigning.lacks_an_end, moments)
    return _Agreement(registry, engine, gossip, moments, retiring)


# -- 3. what issues and judges -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trades:
    """Issuing, evidence, verdicts, and the VC-API's securing and checking."""

    issuing: Issuing
    outbox: Outbox
    webhooks: Webhooks
    jobs: IssueJobs
    holding: RuleHolding
    following: Following
    gathering: Gathering
    overtaking: Overtaking
    consignments: Consignments
    judging: Judging
    reach: Reach
    oversight: Oversight
    resolver: Resolver
    securing: Securing
    checking: Checking
    open_api: bool


def _work(disk: Disk, agreement: _Agreement, *, open_api: bool) -> _Trades:
    keys, stores, history = disk.keys, disk.stores, disk.history
    schemas = passport_schemas()
    contexts, related = disk.settings.known_contexts(config.contexts()), config.related_resources()
    gate = Gate()
    issuing = _issuing(disk, agreement.registry, schemas.get(PASSPORT_SCHEMA["id"]), gate)
    gathering = gathering_of(
        disk.network,
        history,
        did=keys.did,
        network_key=disk.network_key,
        policy=disk.policy,
        settings=disk.settings,
        ledger=stores.ledger,
        office=stores.office,
        peers=agreement.gossip,
    )
    fetcher = Fetcher(disk.settings.fetch or (FetchPolicy(public=True) if open_api else None))
    resolver = Resolver(history, fetcher)
    securing = Securing(
        issuers=keys.issuers(),
        open_api=open_api,
        resolver=resolver,
        contexts=contexts,
        related=related,
        schemas=schemas,
        office=stores.office,
        lists=issuing.lists,
    )
    checking = Checking(
        resolver=resolver,
        fetcher=fetcher,
        contexts=contexts,
        related=related,
        schemas=schemas,
        tables=lambda: gathering.tables,
        own_list=securing.newest_list,
        ledger_means=LedgerSources(gathering, disk.policy, history),
        list_issuers=disk.settings.list_issuers,
        open_api=open_api,
    )
    following = _follow(disk, issuing, securing, gathering, gate)
    outbox = _outbox(disk, agreement, following, told := webhooks_of(disk))
    jobs = jobs_of(issuing, stores.office, outbox.wake, words_of(history), told)
    watching = Watching(stores.office, stores.ledger, gathering, disk.policy)
    watching.go_by(judged_by := judged_by_of(disk.directory, disk.network, disk.settings))
    given = Given(disk.directory.root, keys.did, disk.network_key, judged_by)
    workers = Workers(partial(work, given=given), disk.settings.workers)
    judging = Judging(stores.office, gathering, disk.policy, watching, workers)
    agreement.moments.subscribe(judging.wake, kept_max=1)  # the wake is all it needs: it reads the ledger
    overtaking = Overtaking(stores.office, stores.ledger, watching.learned, lambda: history.height)
    consignments = Consignments(stores.office, gathering, disk.policy, judging, overtaking)
    held = partial(require_proposed, files=disk.network.rule_files)
    holding = RuleHolding(issuing.acts, lambda: disk.constitution.state, held, agreement.moments)
    tried = partial(Foretelling, policy=disk.policy, declarations=judging.declarations, tables=config.tables)
    reach = Reach(tried(gathering, stores.office), stores.office)
    parts, moments = (agreement.registry, agreement.gossip, gathering), agreement.moments
    oversight = oversight_of(disk, *parts, moments=moments, webhooks=told)
    made = issuing, outbox, told, jobs, holding, following, gathering, overtaking, consignments, judging
    return _Trades(*made, reach, oversight, resolver, securing, checking, open_api)


def _issuing(disk: Disk, registry: NotingRegistry, schema: PassportSchema | None, gate: Gate) -> Issuing:
    issuing = Issuing(
        network_id=disk.genesis.network_id,
        history=disk.history,
        did=disk.keys.did,
        signers=Signers(disk.held.signer("attest"), disk.held.signer("credential")),
        network_key=disk.network_key,
        office=disk.stores.office,
        registry=registry,
        schema=schema,
        tables=config.tables,
        base_url=disk.base_url,
        gate=gate,
        reading=disk.stores.ledger.reading,
    )
    issuing.admission.noted = registry.noted.put
    return issuing


def _outbox(disk: Disk, agreement: _Agreement, following: Following, told: Webhooks) -> Outbox:
    stores, engine, gossip = disk.stores, agreement.engine, agreement.gossip
    outbox = Outbox(stores.office, stores.ledger, engine, gossip, following, webhooks=told)
    outbox.listen(agreement.moments)
    return outbox


def _follow(disk: Disk, issuing: Issuing, securing: Securing, gathering: Gathering, gate: Gate) -> Following:
    def network_height() -> int | None:
        own, height = disk.history.latest.participant(disk.keys.did), disk.history.height
        if own is not None and not own.takes_part(int(time.time())):
            return height  # nothing newer comes to who left
        return (
            None if gathering.lag.quorum_silence_s() is None else height + gathering.lag.lag_heights(height)
        )

    return Following(
        office=disk.stores.office,
        ledger=disk.stores.ledger,
        signing=disk.stores.signing,
        did=disk.keys.did,
        history=disk.history,
        speaking=(Speaking((issuing.lists,), issuing.lock), Speaking(securing.lists, securing.lock)),
        gate=gate,
        network_height=network_height,
    )


# -- 4. who calls --------------------------------------------------------------------------------------


def _employ(agreement: _Agreement, trades: _Trades) -> tuple[Supervisor, Lanes]:
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
    supervisor.employ(trades.outbox, turn_s_max=WRITING_S_MAX)
    supervisor.employ(trades.jobs, turn_s_max=WRITING_S_MAX)
    supervisor.employ(trades.holding, turn_s_max=PROMPT_S_MAX)
    supervisor.employ(agreement.retiring, turn_s_max=PROMPT_S_MAX)
    supervisor.employ(trades.judging)
    trades.oversight.employ(supervisor)
    supervisor.employ(trades.webhooks, tries_max=None)
    return supervisor, lanes


def _look_out(
    disk: Disk, agreement: _Agreement, trades: _Trades, threads: tuple[Supervisor, Lanes], part: OwnPart
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
            readiness.of_openness(open_api=trades.open_api),
        )
    )
    supervisor.employ(lookout, tries_max=None, turn_s_max=PROMPT_S_MAX)
    return lookout


def _overview(
    disk: Disk, agreement: _Agreement, trades: _Trades, supervisor: Supervisor, lanes: Lanes
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


def _door(own: _Agreement, trades: _Trades, ledger: LedgerStore, shelf: Shelf, welcome: Welcome) -> PeerDoor:
    parts = (own.gossip, own.engine, ledger, trades.gathering, shelf)
    return PeerDoor(*parts, welcome=welcome, oversight=trades.oversight.doors)


def _proposing(disk: Disk, agreement: _Agreement, trades: _Trades) -> ProposalDesk:
    acts, files, ledger = trades.issuing.acts, disk.network.rule_files, disk.stores.ledger
    return ProposalDesk(disk.history, agreement.registry, ledger, acts, trades.outbox, trades.reach, files)


def _serve(disk: Disk, agreement: _Agreement, trades: _Trades, port: int, hosts: Hosts) -> Service:
    history, gathering = disk.history, trades.gathering
    office, ledger = disk.stores.office, disk.stores.ledger
    (supervisor, lanes), progress = _employ(agreement, trades), ProgressReport(ledger, trades.issuing)
    supervisor.employ(shelf := shelf_of(disk, agreement.engine), tries_max=None)
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
        vc_api=VcApi(
            history=history,
            did=disk.keys.did,
            open_api=trades.open_api,
            securing=trades.securing,
            checking=trades.checking,
            resolver=trades.resolver,
            issuing=trades.issuing,
            office=office,
            outbox=trades.outbox,
            progress=progress,
        ),
        batteries=batteries,
        lookup=lookup,
        supplier_audit=supplier_audit_of(disk),
        vehicles=VehicleDesk(trades.issuing, gathering, ledger, lookup, disk.policy),
        parts=PartsDesk(trades.issuing, gathering, ledger, lookup),
        duties=duties,
        acts=ActDesk(history, disk.keys.did, trades.issuing, batteries, office, progress),
        clearance=Clearance(gathering, disk.policy, trades.judging),
        consignments=trades.consignments,
        judging=trades.judging,
        alerts=trades.oversight.alert_desk,
        cases=trades.oversight.case_desk,
        facilities=trades.oversight.facilities,
        set_requests=trades.oversight.request_desk(trades.consignments.reports),
        records=(records := records_of(disk, gathering)),
        evidence=evidence_of(disk, trades.consignments, records),
        overview=_overview(disk, agreement, trades, supervisor, lanes),
        webhooks=WebhookDesk(office, trades.webhooks),
        operations=OperationsDesk(office, trades.outbox, trades.judging, agreement.engine),
        proposing=_proposing(disk, agreement, trades),
        access=access_of(disk),
        accounts=Accounts(office, access_of(disk)),
        peers=_door(agreement, trades, ledger, shelf, welcome_of(disk)),
        supervisor=supervisor,
        engine=agreement.engine,
        gossip=agreement.gossip,
        following=trades.following,
        stores=disk.stores,
    )
