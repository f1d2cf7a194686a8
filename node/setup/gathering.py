"""What gathers evidence for verdicts: in the process that writes, and in each that only reads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from hashlib import sha256

from credentials.documents.passport import PassportSchema
from credentials.ledger.governance import GovernanceHistory
from credentials.verdicts.evidence import NetworkView
from credentials.verdicts.policy import Policy
from node import config, rules_in_force
from node.config import DataDirectory
from node.named_files import read_own
from node.settings import Settings
from node.setup.network import Network
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.lag import HeardPeers
from node.verdicts.sources import Gathering


@lru_cache(maxsize=1)
def passport_schemas() -> Mapping[str, PassportSchema]:
    """The shipped schemas, compiled once."""
    return {name: PassportSchema(schema) for name, schema in config.schemas().items()}


def gathering_of(
    network: Network,
    history: GovernanceHistory,
    *,
    did: str,
    network_key: bytes,
    policy: Policy,
    settings: Settings,
    ledger: LedgerStore,
    office: OfficeStore,
    peers: HeardPeers,
) -> Gathering:
    """Over these stores; `peers` are asked for documents, and heard for what they say of their height."""
    view = partial(
        NetworkView,
        network_id=network.genesis.network_id,
        network_name=network.genesis.name,
        log_policy=network.policy_text,
        schemas=passport_schemas(),
        contexts=settings.known_contexts(config.contexts()),
        resources=config.related_resources(),
    )
    return Gathering(
        history=history,
        created=network.genesis.created,
        did=did,
        network_key=network_key,
        ledger=ledger,
        office=office,
        gossip=peers,
        tables=rules_in_force.tables,
        policy=policy,
        view=view,
    )


def judged_by_of(directory: DataDirectory, network: Network, settings: Settings) -> bytes:
    """The digest of what verdicts go by that is a node's own and read at its start."""
    contexts = sorted((url, digest) for url, (_, digest) in settings.contexts.items())
    told = (read_own(directory.policy_file), network.policy_text, contexts, config.judged_by())
    return sha256(repr(told).encode()).digest()
