"""What orders for this node: the embedded engine, or CometBFT with what this node does for it.

node.toml says which (`engine`), else the network directory (engine.toml). A ledger is continued by the engine
that wrote its last block: what another one signed there cannot be known.
"""

from __future__ import annotations

from functools import partial

from credentials.ledger.registry import Registry
from node.config import DataDirectory
from node.errors import SetupError
from node.ledger.chain import chain_config
from node.ledger.checkpoints import Checkpoints
from node.ledger.comet.abci import chain_id
from node.ledger.comet.behind import Behind
from node.ledger.comet.comet_engine import CometEngine
from node.ledger.comet.decided import by_cometbft
from node.ledger.comet.home import FOLDER, LOOK_BACK_BLOCKS, Home
from node.ledger.comet.mempool import Mempool
from node.ledger.comet.newcomer import Newcomer
from node.ledger.comet.process import CometProcess, find_binary
from node.ledger.comet.rpc import Rpc
from node.ledger.comet.signer import SignerLink, VoteSigner
from node.ledger.comet.state_sync import TrustedHeader
from node.ledger.embedded import EmbeddedEngine
from node.ledger.engine import Engine
from node.ledger.ledger import Ledger
from node.ledger.ordering import Ordering
from node.ledger.snapshot_join import Known
from node.ledger.subscriptions import Moments
from node.settings import COMETBFT, EMBEDDED
from node.setup.disk import Disk
from node.setup.network import Network
from node.storage.ledger import LedgerStore
from node.storage.signing import SigningStore

LOOPBACK = "127.0.0.1"


def open_engine(
    disk: Disk,
    registry: Registry,
    ledger: Ledger,
    checkpoints: Checkpoints,
    moments: Moments,
    *,
    listen_host: str | None,
) -> Engine:
    """The engine of this node; raises SetupError for what it lacks. `listen_host`: of the node itself."""
    engine = disk.settings.engine or disk.network.engine
    require_same(engine, disk.stores.ledger)
    if engine == COMETBFT:
        return _cometbft(disk, registry, ledger, checkpoints, moments, host=listen_host or LOOPBACK)
    return EmbeddedEngine(
        Ordering(
            chain=chain_config(disk.genesis),
            application=registry,
            tip=disk.tip,
            signing=disk.stores.signing,
            store=disk.stores.ledger,
            ledger=ledger,
            checkpoints=checkpoints,
            moments=moments,
            name=disk.keys.did,
            signer=disk.held.signer("vote"),
        )
    )


def write_home(directory: DataDirectory, network: Network) -> None:
    """CometBFT's home as it is before the first start; nothing where another engine orders."""
    settings = directory.settings()
    if (settings.engine or network.engine) == COMETBFT:
        listen = settings.cometbft.listen or (LOOPBACK, 0)
        home, genesis = Home(directory.root / FOLDER), network.genesis
        home.write(genesis, genesis.governance.limits, listen=listen, look_back=LOOK_BACK_BLOCKS)


def wrote_last(store: LedgerStore) -> str | None:
    """The engine that wrote the last block; None before the first one."""
    last = next(iter(store.certificates(1)), None)
    if last is None:
        return None
    return COMETBFT if by_cometbft(last) else EMBEDDED


def require_same(engine: str, store: LedgerStore) -> None:
    """SetupError where another engine wrote the last block."""
    wrote = wrote_last(store)
    if wrote is not None and wrote != engine:
        names = {COMETBFT: "CometBFT", EMBEDDED: "the embedded engine"}
        raise SetupError(
            f"the last block of this ledger was ordered by {names[wrote]}, and {names[engine]} cannot go on "
            f'from it: write engine = "{wrote}" in node.toml'
        )


def _cometbft(
    disk: Disk, registry: Registry, ledger: Ledger, checkpoints: Checkpoints, moments: Moments, *, host: str
) -> CometEngine:
    settings, stores, genesis, did = disk.settings.cometbft, disk.stores, disk.genesis, disk.keys.did
    binary, home, signer = (
        find_binary(settings.binary),
        Home(disk.directory.root / FOLDER),
        disk.held.signer("vote"),
    )
    if disk.tip.height and not home.has_blocks:
        raise SetupError(
            f"ledger.db has {disk.tip.height} blocks, and CometBFT has none of them in {home.root}: put that "
            "folder back, or move ledger.db away, and all blocks are fetched from the others again"
        )
    newcomer = _newcomer(disk, home)
    home.write(genesis, disk.history.latest.limits, listen=(host, 0))
    votes = VoteSigner(signer, stores.signing, chain_id(genesis.network_id))
    link = SignerLink(home.votes, votes)
    behind = Behind(
        home.application,
        chain=chain_config(genesis),
        registry=registry,
        tip=disk.tip,
        store=stores.ledger,
        ledger=ledger,
        tree=disk.tree,
        moments=moments,
        syncing=None if newcomer is None else newcomer.syncing,
    )
    process = CometProcess(
        binary,
        home,
        prepare=partial(_prepare, disk, home, newcomer),
        connections=lambda: behind.server.connections,
        signed_for=lambda: link.connected,
        key=lambda: signer.public_key,
        listen=settings.listen or (host, 0),
    )
    mempool = Mempool(
        Rpc(home.rpc),
        held=behind.delivered.pool.__contains__,
        height=lambda: ledger.height,
        moments=moments,
    )
    return CometEngine(
        behind,
        link,
        process,
        mempool,
        did=did,
        node_id=home.node_id(),
        ledger=ledger,
        checkpoints=checkpoints,
        signing=stores.signing,
        rpc=home.rpc,
        newcomer=newcomer,
    )


def _newcomer(disk: Disk, home: Home) -> Newcomer | None:
    """Of a node that joined a network that runs and has no ledger; others go on from what they have."""
    trust = TrustedHeader.read(home)
    if trust is None or disk.tip.height:
        return None
    known = Known(disk.genesis, disk.network.policy, disk.network.rule_files)
    heartbeat_s = disk.history.latest.limits.heartbeat_ms / 1000
    return Newcomer(home, trust, disk.directory.root, known, heartbeat_s=heartbeat_s)


def _prepare(disk: Disk, home: Home, newcomer: Newcomer | None, listen: tuple[str, int]) -> None:
    """The home of a process that starts now, by what governs now."""
    trusted = None
    if newcomer is not None:
        newcomer.syncing.begin()
        trusted = newcomer.trust.height, newcomer.trust.hash
    look_back = LOOK_BACK_BLOCKS if _remembers_nothing(disk.stores.signing) else 0
    limits = disk.history.latest.limits
    home.write(disk.genesis, limits, listen=listen, look_back=look_back, trusted=trusted)


def _remembers_nothing(signing: SigningStore) -> bool:
    """A signing.db that is new: if the blocks have votes of this key, another file knew of them."""
    return signing.highest() is None and signing.allowed() == (0, 0)
