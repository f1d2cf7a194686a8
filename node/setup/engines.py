"""What orders for this node: the embedded engine, or CometBFT with what this node does for it.

The ledger says which, once the network was moved (`EngineTerm`); until then node.toml (`engine`), else the
network directory (engine.toml). Within its term a ledger is continued by the engine that wrote its last
block: what another one signed there cannot be known.
"""

from __future__ import annotations

from dataclasses import replace

from credentials.ledger.engine_terms import COMETBFT, EMBEDDED
from credentials.ledger.registry import Registry
from node.config import DataDirectory
from node.errors import SetupError
from node.ledger.chain import chain_config
from node.ledger.checkpoints import Checkpoints
from node.ledger.comet.decided import by_cometbft
from node.ledger.comet.home import FOLDER, LOOK_BACK_BLOCKS, Home
from node.ledger.embedded import EmbeddedEngine
from node.ledger.engine import Engine
from node.ledger.ledger import Ledger
from node.ledger.ordering import Ordering
from node.ledger.subscriptions import Moments
from node.setup.disk import Disk
from node.setup.network import Network
from node.storage.ledger import LedgerStore

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
    term = disk.history.term(disk.tip.height + 1)
    engine = term.engine or founded_with(disk)
    if disk.tip.height >= term.first:
        require_same(engine, disk.stores.ledger)
    chain = replace(chain_config(disk.genesis), engine_epoch=term.epoch)
    if engine == COMETBFT:
        # Imported here: its messages take a tenth of a second that the embedded engine does not need.
        from node.setup.cometbft import open_cometbft  # noqa: PLC0415

        host = listen_host or LOOPBACK
        return open_cometbft(disk, registry, ledger, checkpoints, moments, chain=chain, term=term, host=host)
    return EmbeddedEngine(
        Ordering(
            chain=chain,
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


def founded_with(disk: Disk) -> str:
    """What orders until the first move: no record of the ledger says it."""
    return disk.settings.engine or disk.network.engine


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
