"""Row `disk`: bytes of ledger.db by event and by battery, table by table: real attestations in real blocks.

Six events make the life of each battery up to the market; blocks, entries, records, indexes and tiles are
what a node stores of them. Documents are not on the ledger: an issuer's node keeps its own (office.db).
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from node.ledger.comet.decided import by_cometbft
from node.setup.network import joined
from node.storage.ledger import LedgerStore
from tests.bench.growth import GROUP, blocks, founded
from tests.bench.harness import NotMeasured

NAMES = {
    "entries": "entries",
    "blocks": "block bodies, which repeat them",
    "standings": "records",
    "tiles": "tree",
}


def measure(*, rounds: int) -> str:
    """The row, of so many rounds of 300 batteries; raises NotMeasured."""
    with tempfile.TemporaryDirectory(prefix="comity-bench-") as folder:
        data, _ = founded(Path(folder))
        network, before = joined(data), _tables(data.ledger)
        events = batteries = 0
        for _ in range(rounds):
            batteries += GROUP
            for _, execute, commit in blocks(data, network, GROUP):
                execution = execute()
                commit(execution)
                events += GROUP
        found = _tables(data.ledger)
        _prune(data.ledger)
        pruned = sum((found - _tables(data.ledger)).values())
        found.subtract(before)
    named = {NAMES.get(name, "indexes and the rest"): 0 for name in found}
    for name, size in found.items():
        named[NAMES.get(name, "indexes and the rest")] += size
    parts = ", ".join(
        f"{name} {size / events:,.0f}" for name, size in sorted(named.items(), key=lambda n: -n[1])
    )
    total = sum(found.values())
    return (
        f"disk of the ledger: {total / events:,.0f} B an event ({parts}), "
        f"{total / batteries:,.0f} B a battery with {events // batteries} events; {batteries:,} batteries; "
        f"with every block pruned {(total - pruned) / events:,.0f} B an event"
    )


def _prune(path: Path) -> None:
    store = LedgerStore(path)
    last = store.tip()
    assert last is not None, "blocks were made"
    while store.pruned.height < last.height:
        store.pruned.prune(last.height, by_cometbft)
    store.close()


def _tables(path: Path) -> Counter[str]:
    """Bytes of each table and index."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            return Counter(dict(db.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name")))
        except sqlite3.OperationalError as error:
            raise NotMeasured(f"this SQLite does not tell what a table takes: {error}") from error
