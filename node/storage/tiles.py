"""The tree of the log in `ledger.db`, in the tiles of C2SP tlog-tiles: 256 hashes of 32 bytes each.

A full tile is written with the block that fills it, and never again. Above level 0 a partial one is kept as
well, which changes with every 256th leaf; that of level 0 is the leaf hashes of the last entries. So a tree
is opened by some rows, whatever it holds; and what is read of it later is held to what the tip names.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from threading import Lock

from consensus.merkle import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, tile_nodes
from node.storage.database import Damaged, Database, Transaction

TILE_BYTES = TILE_WIDTH * HASH_BYTES
KEPT_MAX = 128  # tiles in memory with the nodes above them, 16 KiB each
LEAF_HASHES = "SELECT leaf_hash FROM entries WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index"
TILE = "SELECT hashes FROM tiles WHERE level = ? AND number = ?"


def fill(db: Transaction, old: int, new: int) -> None:
    """Write the tiles that are full at `new` entries and were not at `old`, and the partial ones above."""
    for number in range(old // TILE_WIDTH, new // TILE_WIDTH):
        _put(db, 0, number, _leaf_hashes(db, number * TILE_WIDTH, (number + 1) * TILE_WIDTH))


def _put(db: Transaction, level: int, number: int, hashes: bytes) -> None:
    db.execute("INSERT OR REPLACE INTO tiles VALUES (?, ?, ?)", (level, number, hashes))
    if len(hashes) == TILE_BYTES:
        above = level + 1, number // TILE_WIDTH
        _put(db, *above, _tile(db, *above) + tile_nodes(hashes)[-HASH_BYTES:])


def _tile(db: Transaction, level: int, number: int) -> bytes:
    row = db.execute(TILE, (level, number)).fetchone()
    return bytes(row[0]) if row is not None else b""


def _leaf_hashes(db: Transaction, start: int, end: int) -> bytes:
    return b"".join(row[0] for row in db.execute(LEAF_HASHES, (start, end)))


class Tiles:
    """Reads tiles; those who commit blocks write them (`ledger.py`).

    Over a connection of its own: a thread that is within an older state of the ledger asks for the tree as it
    is now.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._connection: sqlite3.Connection | None = None
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()  # last used last
        self._lock = Lock()
        self.damaged = False  # a tile was found to be not what was written

    def edge(self, size: int) -> list[bytes]:
        """The partial tiles of the tree over the first `size` entries, which are all, from level 0 on."""
        with self._db.reading() as db:
            found = [_leaf_hashes(db, size - size % TILE_WIDTH, size)]
            level = 1
            while (hashes := size >> TILE_HEIGHT * level) > 0:
                found.append(_tile(db, level, hashes // TILE_WIDTH))
                level += 1
        return found

    def nodes(self, level: int, number: int, root: bytes) -> bytes:
        """A full tile with the nodes above it, as `tile_nodes`; Damaged where they do not lead to `root`."""
        place = level, number
        with self._lock:
            found = self._kept.pop(place, None) or self._read(level, number)
            if found[-HASH_BYTES:] != root:
                self.damaged = True
                what = f"tile {level}/{number} of the log's tree"
                raise Damaged(f"ledger.db is damaged: {what} is not what was written")
            self._kept[place] = found
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return found

    def close(self) -> None:
        """No tile is read any more; one that is being read is read to its end."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _read(self, level: int, number: int) -> bytes:
        if self._connection is None:
            self._connection = self._db.apart()
        hashes = _tile(self._connection, level, number)
        return tile_nodes(hashes) if len(hashes) == TILE_BYTES else b""
