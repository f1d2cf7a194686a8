"""CometBFT as what orders for this node: its parts made to fit each other. Loaded where it orders alone."""

from __future__ import annotations

from functools import partial

from consensus.chain import ChainConfig
from credentials.ledger.engine_terms import EngineTerm
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.registry import Registry
from node.errors import SetupError
from node.ledger.checkpoints import Checkpoints
from node.ledger.comet.behind import Behind
from node.ledger.comet.comet_engine import CometEngine
from node.ledger.comet.comet_names import chain_id
from node.ledger.comet.home import FOLDER, LOOK_BACK_BLOCKS, Home
from node.ledger.comet.leaving import Leaving
from node.ledger.comet.mempool import Mempool
from node.ledger.comet.newcomer import Newcomer
from node.ledger.comet.process import CometProcess, find_binary
from node.ledger.comet.rpc import Rpc
from node.ledger.comet.signer import SignerLink, VoteSigner
from node.ledger.comet.state_sync import TrustedHeader
from node.ledger.comet.takeover import Takeover
from node.ledger.ledger import Ledger
from node.ledger.snapshot_join import Known
from node.ledger.subscriptions import Moments
from node.setup.disk import Disk
from node.storage.signing import SigningStore


def _home(disk: Disk, term: EngineTerm) -> Home:
    """CometBFT's home for the chain of this term; SetupError where the ledger has blocks of it and it none.

    That of an earlier term is emptied: the chain of this one begins.
    """
    home, height = Home(disk.directory.root / FOLDER), disk.tip.height
    of_another = home.chain not in (None, chain_id(disk.genesis.network_id, term.epoch))
    if height >= term.first and (of_another or not home.has_blocks):
        raise SetupError(
            f"ledger.db has {height - term.first + 1} blocks of CometBFT, and CometBFT has none of them in "
            f"{home.root}: put that folder back, or move ledger.db away, and all blocks are fetched from the "
            "others again"
        )
    if of_another:
        home.empty()
    return home


def _write(
    disk: Disk,
    home: Home,
    term: EngineTerm,
    listen: tuple[str, int],
    *,
    look_back: int = 0,
    trusted: tuple[int, bytes] | None = None,
) -> None:
    """The home, by what governs now."""
    after_s = None
    if term.first > 1:
        last = disk.stores.ledger.leaves.of_block(term.first - 1)
        assert last is not None, "a term begins after a block"
        entry = parse_entry(last.entry)
        assert isinstance(entry, BlockEntry), "of_block gives the block's own entry"
        after_s = entry.time
    limits = disk.history.latest.limits
    home.write(
        disk.genesis,
        limits,
        listen=listen,
        term=term,
        after_s=after_s,
        look_back=look_back,
        trusted=trusted,
    )


def open_cometbft(
    disk: Disk,
    registry: Registry,
    ledger: Ledger,
    checkpoints: Checkpoints,
    moments: Moments,
    *,
    chain: ChainConfig,
    term: EngineTerm,
    host: str,
) -> CometEngine:
    """The engine and all its threads; raises SetupError for what is lacking."""
    settings, stores, genesis, did = disk.settings.cometbft, disk.stores, disk.genesis, disk.keys.did
    binary, home, signer = find_binary(settings.binary), _home(disk, term), disk.held.signer("vote")
    newcomer = _newcomer(disk, home)
    _write(disk, home, term, (host, 0))
    name, history = chain_id(genesis.network_id, term.epoch), disk.history
    votes = VoteSigner(signer, stores.signing, name, lambda height: history.term(height) == term)
    link = SignerLink(home.votes, votes)
    behind = Behind(
        home.application,
        chain=chain,
        registry=registry,
        tip=disk.tip,
        store=stores.ledger,
        ledger=ledger,
        tree=disk.tree,
        moments=moments,
        term=term,
        syncing=None if newcomer is None else newcomer.syncing,
    )
    process = CometProcess(
        binary,
        home,
        prepare=partial(_prepare, disk, home, term, newcomer),
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
        leaving=Leaving(takeover=Takeover(disk.directory.root, _known(disk), stores.ledger)),
        newcomer=newcomer,
    )


def _known(disk: Disk) -> Known:
    return Known(disk.genesis, disk.network.policy, disk.network.rule_files)


def _newcomer(disk: Disk, home: Home) -> Newcomer | None:
    """Of a node that joined a network that runs and has no ledger; others go on from what they have."""
    trust = TrustedHeader.read(home)
    if trust is None or disk.tip.height:
        return None
    heartbeat_s = disk.history.latest.limits.heartbeat_ms / 1000
    return Newcomer(home, trust, disk.directory.root, _known(disk), heartbeat_s=heartbeat_s)


def _prepare(
    disk: Disk, home: Home, term: EngineTerm, newcomer: Newcomer | None, listen: tuple[str, int]
) -> None:
    """The home of a process that starts now, by what governs now."""
    trusted = None
    if newcomer is not None:
        newcomer.syncing.begin()
        trusted = newcomer.trust.height, newcomer.trust.hash
    look_back = LOOK_BACK_BLOCKS if _remembers_nothing(disk.stores.signing) else 0
    _write(disk, home, term, listen, look_back=look_back, trusted=trusted)


def _remembers_nothing(signing: SigningStore) -> bool:
    """A signing.db that is new: if the blocks have votes of this key, another file knew of them."""
    return signing.highest() is None and signing.allowed() == (0, 0)
