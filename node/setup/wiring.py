"""A data directory becomes a node: open keys, network and databases, check that they fit, wire them."""

from __future__ import annotations

from consensus.merkle import StandingsMap, Tree
from credentials.documents.issuer import PASSPORT_SCHEMA
from credentials.documents.passport import PassportSchema
from credentials.ledger.registry import Registry
from node import config, log
from node.config import DataDirectory
from node.errors import SetupError
from node.issuing.outbox import Outbox
from node.issuing.passports import Issuing, Signers
from node.issuing.profiled import Securing
from node.ledger.cosigner import Cosigner, Cosigning
from node.ledger.engine import EmbeddedEngine, chain_config, tip_of
from node.ledger.snapshot import Shelf
from node.peers.gossip import Gossip, PeerAuthentication
from node.receipts.proofs import Proofs
from node.resolution.fetch import Fetcher, FetchPolicy
from node.resolution.resolver import Resolver
from node.server.access import Access
from node.server.hosts import Hosts
from node.service import Parts, Service
from node.setup.keystore import Keys
from node.setup.network import open_network_key, read_card
from node.setup.network import verify as verify_network
from node.storage.ledger import LedgerStore, SqliteStandingReader
from node.storage.office import OfficeStore
from node.storage.signing import SigningStore
from node.supervision.supervisor import Supervisor
from node.verdicts.consignments import Consignments
from node.verdicts.sources import Gathering
from node.verdicts.verification import Checking, LedgerVerdicts

POLL_VALIDATOR_S, POLL_OBSERVER_S = 1.0, 0.4


class _Listening:
    """Connects the engine, which is made first, to those who want to hear from it."""

    def __init__(self) -> None:
        self.outbox: Outbox | None = None

    def progressed(self) -> None:
        if self.outbox is not None:
            self.outbox.wake()

    def dropped(self, digest: bytes, reason: str, code: str) -> None:
        log.moment("dropped", digest=digest, code=code, because=reason)
        if self.outbox is not None:
            self.outbox.dropped(digest, reason, code)


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
    card = read_card(directory.card)
    keys = Keys.load(directory.root, card.did, passphrase)
    if not directory.network.exists():
        raise SetupError(
            f"{directory.root} has joined no network: run `comity network join --data {directory.root} "
            "--network DIR`"
        )
    network = verify_network(directory.network)
    genesis = network.genesis
    network_key = open_network_key(genesis, keys)
    policy = directory.policy()
    settings = directory.settings()
    base_url = settings.public_url or public_url
    signing = SigningStore(directory.signing)
    ledger, office = LedgerStore(directory.ledger), OfficeStore(directory.office)
    _require_own(ledger, office, genesis.network_id, card.did, directory)
    validator = genesis.validators.get(card.did) is not None
    tree = Tree(ledger.leaf_hashes())
    tip = tip_of(ledger, genesis)
    if tree.size != tip.log.size or tree.root() != tip.log.root:
        raise SetupError(
            f"{directory.ledger} is damaged: move it away, and the node fetches the ledger from its peers"
        )
    standings = StandingsMap(ledger.standings(), ledger.bucket)
    registry = Registry(genesis, SqliteStandingReader(ledger), tip.app_hash, standings, tip.height)
    cosigner = Cosigner(card.did, keys.signer("log"), keys.signer("cosign"), signing) if validator else None
    listening = _Listening()
    engine = EmbeddedEngine(
        chain=chain_config(genesis),
        application=registry,
        tip=tip,
        signing=signing,
        ledger=ledger,
        tree=tree,
        cosigning=Cosigning(network.policy, tree, cosigner),
        listener=listening,
        name=card.did if validator else None,
        signer=keys.signer("vote") if validator else None,
    )
    authentication = PeerAuthentication(genesis, card.did, keys.signer("transport"))
    authentication.on_clock = engine.peer_clock
    validators = [v.name for v in genesis.validators.validators]
    gossip = Gossip(
        authentication,
        network.addresses,
        validators,
        engine,
        poll_s=POLL_VALIDATOR_S if validator else POLL_OBSERVER_S,
    )
    engine.out = gossip
    tables = config.tables(network.rule_files)
    schemas = config.schemas()
    compiled = {name: PassportSchema(schema) for name, schema in schemas.items()}
    issuing = Issuing(
        genesis=genesis,
        did=card.did,
        signers=Signers(keys.signer("attest"), keys.signer("credential")),
        network_key=network_key,
        office=office,
        registry=registry,
        schema=compiled.get(PASSPORT_SCHEMA["id"]),
        base_url=base_url,
    )
    gathering = Gathering(
        genesis=genesis,
        did=card.did,
        network_key=network_key,
        ledger=ledger,
        office=office,
        gossip=gossip,
        tables=tables,
        schemas=compiled,
        policy=policy,
        policy_text=network.policy_text,
    )
    listening.outbox = Outbox(office, ledger, engine, gossip)
    fetcher = Fetcher(settings.fetch or (FetchPolicy(public=True) if open_api else None))
    resolver = Resolver(genesis, fetcher)
    contexts, related = settings.known_contexts(), config.related_resources()
    securing = Securing(
        issuers=keys.issuers(),
        open_api=open_api,
        resolver=resolver,
        contexts=contexts,
        related=related,
        schemas=compiled,
        office=office,
        lists=issuing.lists,
    )
    checking = Checking(
        resolver=resolver,
        fetcher=fetcher,
        contexts=contexts,
        related=related,
        schemas=compiled,
        tables=tables,
        own_list=securing.newest_list,
        ledger_verdicts=LedgerVerdicts(gathering, policy, genesis),
    )
    consignments = Consignments(office, gathering, policy)
    supervisor = Supervisor()
    supervisor.employ(engine, tries_max=1)
    for sender in gossip.senders():
        supervisor.employ(sender, tries_max=None)
    supervisor.employ(listening.outbox)
    supervisor.employ(consignments)
    return Service(
        Parts(
            did=card.did,
            network=network,
            policy=policy,
            registry=registry,
            tree=tree,
            ledger=ledger,
            office=office,
            signing=signing,
            engine=engine,
            gossip=gossip,
            outbox=listening.outbox,
            issuing=issuing,
            gathering=gathering,
            consignments=consignments,
            supervisor=supervisor,
            access=Access(office, directory.operator()),
            resolver=resolver,
            securing=securing,
            checking=checking,
            open_api=open_api,
            proofs=Proofs(ledger, office, tree, network.policy, gathering),
            shelf=Shelf(ledger, genesis, directory.root),
        ),
        port,
        Hosts.of(
            card.did,
            None if listen_host is None else (listen_host, port),
            (base_url, network.addresses.get(card.did)),
        ),
    )


def _require_own(
    ledger: LedgerStore, office: OfficeStore, network_id: bytes, did: str, directory: DataDirectory
) -> None:
    """The databases are this participant's in this network, or new."""
    for store, name in ((ledger, "ledger.db"), (office, "office.db")):
        if store.bind("network", network_id) != network_id:
            raise SetupError(
                f"{directory.root / name} is of another network: {directory.network} was altered or replaced "
                "since. Put back the network that was joined (compare its id with the founders'), or join "
                "the other one with a new data directory"
            )
        if store.bind("participant", did.encode()) != did.encode():
            raise SetupError(f"{directory.root / name} is of another participant than {did}")
