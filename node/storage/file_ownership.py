"""Whose files these are: a database remembers its network and its participant, and is nobody else's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from node.errors import SetupError
from node.storage.database import Unreadable, is_of_the_world
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.signing import SigningStore

Stored = SigningStore | LedgerStore | OfficeStore

# What mends a file that cannot be read, in the order in which a node opens them.
_REMEDIES = {
    "signing.db": "move it away, start the node, and follow what it says about voting",
    "ledger.db": "run `comity rebuild --data DIR`, and do what it says",
    "office.db": "put a backup back with `comity restore --data DIR --from FOLDER`",
}


def require_own(stores: Sequence[Stored], network_id: bytes, did: str, root: Path) -> None:
    """The databases in `root` are this participant's in this network, or new."""
    for store, (name, remedy) in zip(stores, _REMEDIES.items(), strict=True):
        try:
            _require_own(store, name, network_id, did, root)
        except Unreadable as error:
            if is_of_the_world(error):
                raise
            raise SetupError(f"{root / name} is damaged ({error}): {remedy}") from error


def _require_own(store: Stored, name: str, network_id: bytes, did: str, root: Path) -> None:
    if store.bind("network", network_id) != network_id:
        raise SetupError(
            f"{root / name} is of another network: {root / 'network'} was altered or replaced "
            "since. Put back the network that was joined (compare its id with the founders'), or join "
            "the other one with a new data directory"
        )
    if store.bind("participant", did.encode()) != did.encode():
        raise SetupError(
            f"{root / name} is of another participant than {did}",
            step="Name the data directory of that participant, or put back its own file from a backup.",
        )
