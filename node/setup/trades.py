"""The trades of a node: what agrees with the peers, and what issues and judges, made of what is on disk.

Steps two and three of `wiring.py`, which hands them to those who call.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from consensus.standings_map import StandingsMap
from credentials.documents.issuer import PASSPORT_SCHEMA
from credentials.documents.passport import PassportSchema
from node import config
from node.issuing import list_places
from node.issuing.gate import Gate
from node.issuing.holding import RuleHolding
from node.issuing.issue_jobs import IssueJobs
from node.issuing.issuing import Issuing
from node.issuing.ledger_follower import Following, Speaking
from node.issuing.outbox import Outbox
from node.issuing.profiled import Securing
from node.issuing.signing import Signers
from node.ledger.chain import require_state
from node.ledger.checkpoints import Checkpoints
from node.ledger.cosigner import Cosigning
from node.ledger.engine import Engine
from node.ledger.ledger import Ledger
from node.ledger.subscriptions import Moments
from node.oversight.noted import NotingRegistry
from node.peers.authentication import PeerAuthentication
from node.peers.certificates import by_authority
from node.peers.collecting import Collecting
from node.peers.gossip import Gossip
from node.resolution.fetch import Fetcher, FetchPolicy
from node.resolution.resolver import Resolver
from node.resolution.webhooks import Webhooks
from node.rules_in_force import tables
from node.setup.disk import Disk
from node.setup.engines import open_engine
from node.setup.gathering import gathering_of, judged_by_of, passport_schemas
from node.setup.maker_line import jobs_of, words_of
from node.setup.oversight_parts import Oversight, oversight_of
from node.setup.parts import (
    webhooks_of,
)
from node.setup.retiring import Retiring
from node.setup.rule_files import require_proposed
from node.setup.worker import Given, work
from node.storage.ledger import SqliteStandingReader
from node.use_cases.reach import Reach
from node.verdicts.consignments import Consignments
from node.verdicts.foretelling import Foretelling
from node.verdicts.judging import Judging
from node.verdicts.overtaking import Overtaking
from node.verdicts.sources import Gathering
from node.verdicts.verification import Checking, LedgerSources
from node.verdicts.watching import Watching
from node.verdicts.workers import Workers

# -- what agrees ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """The registry, the engine that orders for it, and the way to the peers."""

    registry: NotingRegistry
    engine: Engine
    gossip: Gossip
    moments: Moments
    retiring: Retiring
    collecting: Collecting | None  # of who has a host


def agree(disk: Disk, listen_host: str | None) -> Agreement:
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
    kept = disk.settings.keep.blocks
    ledger = Ledger(stores.ledger, registry, tree, checkpoints, moments, blocks_kept=kept)
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
    host = disk.settings.host
    collecting = None if host is None else Collecting(host, gossip)
    return Agreement(registry, engine, gossip, moments, retiring, collecting)


# -- what issues and judges -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trades:
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


def put_to_work(disk: Disk, agreement: Agreement, *, open_api: bool) -> Trades:
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
    tried = partial(Foretelling, policy=disk.policy, declarations=judging.declarations, tables=tables)
    reach = Reach(tried(gathering, stores.office), stores.office)
    parts, moments = (agreement.registry, agreement.gossip, gathering), agreement.moments
    oversight = oversight_of(disk, *parts, moments=moments, webhooks=told)
    made = issuing, outbox, told, jobs, holding, following, gathering, overtaking, consignments, judging
    return Trades(*made, reach, oversight, resolver, securing, checking, open_api)


def _issuing(disk: Disk, registry: NotingRegistry, schema: PassportSchema | None, gate: Gate) -> Issuing:
    issuing = Issuing(
        network_id=disk.genesis.network_id,
        history=disk.history,
        did=disk.keys.did,
        signers=Signers(disk.held.signer("attest"), disk.held.signer("credential")),
        network_key=disk.network_key,
        places_secret=disk.keys.lasting_secret(list_places.ABOUT),
        office=disk.stores.office,
        registry=registry,
        schema=schema,
        tables=tables,
        base_url=disk.base_url,
        gate=gate,
        reading=disk.stores.ledger.reading,
    )
    issuing.admission.noted = registry.noted.put
    return issuing


def _outbox(disk: Disk, agreement: Agreement, following: Following, told: Webhooks) -> Outbox:
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
