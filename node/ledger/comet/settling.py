"""What is left of a state sync is settled before a ledger is opened, whichever engine goes on."""

from __future__ import annotations

from pathlib import Path

from node.ledger import incoming
from node.ledger.comet.home import Home
from node.ledger.rebuilding import put_in_place

GIVEN_UP_FILE = "state-sync.given-up"
TAKEN, SYNCED = "ledger.taken", "ledger.synced"


def settle(home: Home, ledger: Path) -> None:
    """Before the ledger is opened: one that was synced takes its place; what is left of a try goes.

    Of a try that was given up CometBFT may have a state, and none of the blocks that lead to it: it is taken
    away, and it is given them.
    """
    root, given_up = ledger.parent, home.root / GIVEN_UP_FILE
    if (root / SYNCED).exists():
        put_in_place(root / SYNCED, ledger)
    incoming.remove(root / TAKEN)
    if given_up.exists():
        home.empty()
        given_up.unlink()
