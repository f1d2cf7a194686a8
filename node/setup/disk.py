"""What a node has on disk: keys, network, policy, databases, and what governs by them."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.chain import Tip
from consensus.merkle import Tree
from credentials.ledger.constitution import Constitution
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import GovernanceHistory
from credentials.verdicts.policy import Policy
from node.config import DataDirectory
from node.ledger import incoming
from node.ledger.chain import constitution_of, reading_back, tip_of, tree_of
from node.ledger.comet.home import FOLDER, Home
from node.ledger.comet.settling import settle
from node.ledger.log_policies import LogPolicies
from node.service import Stores
from node.settings import Settings
from node.setup.current_keys import HeldKeys
from node.setup.keystore import Keys
from node.setup.network import Network, joined, open_network_key, read_card
from node.storage.file_ownership import require_own
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.signing import SigningStore


@dataclass(frozen=True, slots=True)
class Disk:
    """Keys, network, policy and databases, checked against each other."""

    directory: DataDirectory
    keys: Keys
    held: HeldKeys  # the same, as they are by now
    network: Network
    network_key: bytes
    policy: Policy
    settings: Settings
    base_url: str | None
    stores: Stores
    tree: Tree
    tip: Tip
    constitution: Constitution  # moved on by the registry
    log_policies: LogPolicies  # grows with the log

    @property
    def history(self) -> GovernanceHistory:
        return self.constitution.history

    @property
    def genesis(self) -> Genesis:
        return self.network.genesis


def open_disk(directory: DataDirectory, passphrase: str, public_url: str | None) -> Disk:
    """Open them all; raises SetupError where they are not of one node."""
    incoming.clear(directory.root)
    card = read_card(directory.card)
    keys = Keys.load(directory.root, card.did, passphrase)
    network, policy, settings = joined(directory), directory.policy(), directory.settings()
    settle(Home(directory.root / FOLDER), directory.ledger)
    signing = SigningStore(directory.signing)
    ledger, office = LedgerStore(directory.ledger), OfficeStore(directory.office)
    require_own((signing, ledger, office), network.genesis.network_id, card.did, directory.root)
    with reading_back(directory.ledger):
        tip = tip_of(ledger, network.genesis)
        tree = tree_of(ledger, tip, directory.ledger)
        constitution = constitution_of(ledger, network.genesis, network.rule_files)
        log_policies = LogPolicies(network.policy, network.policy_text, ledger.leaves)
    return Disk(
        directory=directory,
        keys=keys,
        held=HeldKeys(keys, constitution.history),
        network=network,
        network_key=open_network_key(network.genesis, keys, network.sealed_key),
        policy=policy,
        settings=settings,
        base_url=settings.public_url or public_url,
        stores=Stores(signing, ledger, office),
        tree=tree,
        tip=tip,
        constitution=constitution,
        log_policies=log_policies,
    )
