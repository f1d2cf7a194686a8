"""What consensus takes from the founding and from the disk: its configuration, keys of notes, the tip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consensus.chain import ChainConfig, Tip
from consensus.errors import ConsensusError
from consensus.merkle import Frontier, Tree
from consensus.standings_map import StandingsMap
from credentials.errors import CredentialError
from credentials.ledger.constitution import Constitution
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.governance_records import RuleFiles, RulesNotHere, require_version
from credentials.ledger.registry import genesis_app_hash, parameters_of
from node.errors import SetupError
from node.storage.database import Damaged, Unreadable, is_of_the_world
from node.storage.ledger import LedgerStore


def chain_config(genesis: Genesis) -> ChainConfig:
    """What consensus starts from: the network, and what governs the first block.

    Whoever votes later follows from what the ledger did since: `Execution.validator_updates`, kept by height
    in the store; what consensus reads of the rules it asks of the registry, height by height.
    """
    governance = genesis.history().latest
    return ChainConfig(
        network_id=genesis.network_id,
        validators=governance.validators,
        config_digest=genesis.config_digest,
        parameters=parameters_of(governance, genesis.origin),
    )


def constitution_of(ledger: LedgerStore, genesis: Genesis, rule_files: RuleFiles) -> Constitution:
    """What governed at every height that this disk knows, and what governs the next one."""
    kept = ledger.tip()
    height = kept.height if kept is not None else 0
    try:
        require_version(genesis.governance.app_version)
        return Constitution.restored(genesis, ledger.governance(), height, rule_files)
    except RulesNotHere as error:
        raise SetupError(
            f"this node cannot start: {error}",
            step="Add the file that is named (`comity network rules add FILE`), or install a newer version.",
        ) from error


def history_of(ledger: Path, genesis: Genesis, rule_files: RuleFiles) -> GovernanceHistory:
    """What governed, by a node's ledger.db, running or not; by genesis alone where it has none yet."""
    if not ledger.exists():
        return genesis.history()
    store = LedgerStore(ledger)
    try:
        return constitution_of(store, genesis, rule_files).history
    finally:
        store.close()


def tree_of(ledger: LedgerStore, tip: Tip, path: Path) -> Tree:
    """The tree over the leaves on this disk; raises SetupError where they are not those of the tip."""
    size = ledger.log_size()
    tree = Tree.over(size, ledger.tiles.edge(size), ledger.tiles.nodes)
    if tree.frontier() != tip.log:
        raise damaged(path)
    return tree


def require_state(ledger: LedgerStore, standings: StandingsMap, tip: Tip, path: Path) -> None:
    """The state on this disk is the one that the last leaf names; raises SetupError where it is not."""
    row = ledger.leaves.of_block(tip.height)
    if row is None:
        return  # nothing was decided yet
    last = parse_entry(row.entry)
    assert isinstance(last, BlockEntry)
    if (last.standings_root, last.app_hash, last.time) != (standings.root, tip.app_hash, tip.time):
        raise damaged(path)


@contextmanager
def reading_back(path: Path) -> Iterator[None]:
    """What of the own ledger cannot be read any more is said so, with the command that mends it."""
    try:
        yield
    except (ConsensusError, CredentialError, Unreadable, Damaged) as error:
        if is_of_the_world(error):
            raise
        raise damaged(path, f" ({error})"[:200]) from error


def damaged(path: Path, because: str = "") -> SetupError:
    """What is said of a ledger.db that is not what was written, with the command that mends it."""
    return SetupError(
        f"{path} is damaged{because}: run `comity rebuild --data {path.parent}`, which makes it of its "
        "blocks, and says what to do where those are damaged too"
    )


def tip_of(ledger: LedgerStore, genesis: Genesis) -> Tip:
    """Where the chain stands on this disk."""
    kept = ledger.tip()
    if kept is None:
        return Tip(0, genesis.network_id, genesis.created, genesis_app_hash(genesis), Frontier())
    return Tip(kept.height, kept.block_id, kept.time, kept.app_hash, Frontier.decode(kept.frontier))
