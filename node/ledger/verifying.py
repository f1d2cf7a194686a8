"""All of ledger.db read once, and each part held to what the newest block names (`comity log verify`).

A start reads what it needs, and what is read later is verified then; this is for what nobody asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consensus.merkle import TILE_WIDTH, Frontier
from consensus.standings_map import StandingsMap
from credentials.ledger.genesis import Genesis
from node.errors import SetupError
from node.ledger.chain import reading_back, require_state, tip_of, tree_of
from node.storage.database import Damaged
from node.storage.ledger import LedgerStore


@dataclass(frozen=True, slots=True)
class Verified:
    """What was read, and is what was written."""

    height: int
    entries: int
    records: int


def verify(path: Path, genesis: Genesis) -> Verified:
    """Read all entries, tiles, records and hashes; SetupError with what is damaged and what mends it."""
    ledger = LedgerStore(path)
    try:
        if ledger.bind("network", genesis.network_id) != genesis.network_id:
            raise SetupError(
                f"{path} is of another network than {path.parent / 'network'}: put back its own file, or "
                "the network that was joined"
            )
        with reading_back(path), ledger.reading():
            tip = tip_of(ledger, genesis)
            tree = tree_of(ledger, tip, path)
            frontier = Frontier()
            while frontier.size < tip.log.size:
                rows = ledger.leaves.since(frontier.size, TILE_WIDTH)
                hashes = [row.leaf_hash for row in rows]
                held = tree.tile(0, frontier.size // TILE_WIDTH, len(hashes)) if hashes else b""
                if not hashes or held != b"".join(hashes):
                    raise Damaged(f"entries from {frontier.size} on are not those of the log's tree")
                frontier = frontier.append(hashes)
            if frontier != tip.log:
                raise Damaged("the entries do not lead to the root of the newest block")
            standings = StandingsMap(ledger.standings.all(), lambda *_: ())
            if standings.buckets() != ledger.standings.hashes():
                raise Damaged("the records are not those that the hashes of the map of standings are of")
            require_state(ledger, standings, tip, path)
            return Verified(tip.height, tip.log.size, ledger.standings.count())
    finally:
        ledger.close()
