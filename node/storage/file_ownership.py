"""Whose files these are: a database remembers its network and its participant, and is nobody else's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from node.errors import SetupError
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.signing import SigningStore

Stored = SigningStore | LedgerStore | OfficeStore


def require_own(stores: Sequence[Stored], network_id: bytes, did: str, root: Path) -> None:
    """The databases in `root` are this participant's in this network, or new."""
    for store, name in zip(stores, ("signing.db", "ledger.db", "office.db"), strict=True):
        if store.bind("network", network_id) != network_id:
            raise SetupError(
                f"{root / name} is of another network: {root / 'network'} was altered or replaced "
                "since. Put back the network that was joined (compare its id with the founders'), or join "
                "the other one with a new data directory"
            )
        if store.bind("participant", did.encode()) != did.encode():
            raise SetupError(f"{root / name} is of another participant than {did}")
