"""`ledger.db`: what was agreed. Blocks, entries, standings and cosigned checkpoints.

Rebuildable from peers. Written by the engine's thread only; every thread reads through its own connection,
and one `with ledger.reading():` is one read transaction. A block is one transaction over all of them, and
what the engine asks is answered at line rate: statements are SQL, not sqlite-utils (`database.py` says why).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from consensus.application import GovernanceRow as GovernanceRecord
from consensus.validators import ValidatorHistory, ValidatorSet
from credentials.ledger.constitution import GovernanceRow
from node.errors import SetupError
from node.storage.database import Damaged, Database, marks, parts
from node.storage.entries import OF_STATEMENTS, STATEMENTS, EntryRow, LedgerTip
from node.storage.leaves import Leaves
from node.storage.ledger_steps import LEDGER
from node.storage.pruned import Pruned, read_block
from node.storage.standings import Standings, hash_changed, put, put_all_hashes, put_hashes
from node.storage.tiles import Tiles, fill

# Of the one connection that commits blocks: what a full block touches fits, and a page that several blocks
# touch is moved once (decision 0636).
WRITER_CACHE_KIB, WRITER_WAL_PAGES = 16_000, 4_000
CACHED_MAX = 20_000  # standings, and final digests, that the engine's thread need not read again


class LedgerStore:
    """Blocks, entries, standings and cosigned checkpoints."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        try:
            self._db = Database(path, LEDGER, read_only=read_only)
        except Damaged as error:
            raise SetupError(
                f"{path} is cut off or damaged: move it away, and the node fetches every block when it "
                "starts; or, but where CometBFT orders, run "
                f"`comity rebuild --data {path.parent} --from URL` with the address of a peer. It is a copy "
                "of the ledger alone: keys, office.db and signing.db stay"
            ) from error
        self.leaves = Leaves(self._db)
        self.tiles = Tiles(self._db)
        self.standings = Standings(self._db)
        self.pruned = Pruned(self._db)
        self.reading = self._db.reading
        self.bind = self._db.bind
        self._writer: int | None = None  # the thread that commits blocks
        self._standings: dict[bytes, bytes | None] = {}  # as of the last block: this thread's only
        self._finals: dict[bytes, bool] = {}

    def close(self) -> None:
        self._db.close()
        self.tiles.close()

    # -- written by the engine -----------------------------------------------------------------------

    def commit_block(
        self,
        tip: LedgerTip,
        *,
        block: bytes,
        certificate: bytes,
        entries: Sequence[EntryRow],
        standings: Mapping[bytes, bytes],
        validators: ValidatorSet | None = None,
        governance: Iterable[GovernanceRecord] = (),
        buckets: Mapping[int, bytes] | None = None,
        durable: bool = True,
    ) -> None:
        """Write the block and all it changed, or nothing; `validators` are in force two heights on.

        `buckets`: the hashes of those that the standings changed, if whoever executed the block knows them.
        """
        if self._writer != threading.get_ident():
            self._db.widen(WRITER_CACHE_KIB, WRITER_WAL_PAGES)
        with self._db.writing(durable=durable) as db:
            db.execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)",
                (tip.height, tip.block_id, tip.time, tip.app_hash, block, certificate, tip.frontier),
            )
            first = db.execute("SELECT COALESCE(MAX(leaf_index) + 1, 0) AS n FROM entries").fetchone()["n"]
            db.executemany(
                _INSERT_ENTRY,
                [_entry_values(first + offset, tip.height, row) for offset, row in enumerate(entries)],
            )
            fill(db, first, first + len(entries))
            put(db, standings)
            put_hashes(db, tip.height, hash_changed(db, standings) if buckets is None else buckets)
            db.executemany(
                "INSERT INTO changed VALUES (?, ?)", [(tip.height, key) for key in sorted(standings)]
            )
            if validators is not None:
                db.execute("INSERT INTO validators VALUES (?, ?)", (tip.height + 2, validators.encode()))
            db.executemany(
                "INSERT INTO governance VALUES (?, ?, ?, ?, ?)", [(tip.height, *row) for row in governance]
            )
        self._writer = threading.get_ident()
        self._standings.update(standings)
        self._finals.update((row.digest, True) for row in entries if row.type in STATEMENTS and row.digest)
        for cache in (self._standings, self._finals):
            if len(cache) > CACHED_MAX:
                cache.clear()

    @contextmanager
    def adopting(self) -> Iterator[Adoption]:
        """Fill this empty ledger in one transaction, or leave it empty."""
        with self._db.writing() as db:
            yield Adoption(db)
            fill(db, 0, self.log_size())

    def put_checkpoint(self, size: int, time: int, note: str) -> None:
        """Keep a cosigned checkpoint: of one size the first note, with its time, and the newest one.

        Not synced by itself: peers have it as well, and the next block's commit takes it along.
        """
        with self._db.writing(durable=False) as db:
            db.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?) "
                "ON CONFLICT (size) DO UPDATE SET note = excluded.note",
                (size, time, note, note),
            )

    def cached(self) -> tuple[dict[bytes, bytes | None], dict[bytes, bool]] | None:
        """For the thread that commits blocks: standings and final digests it read or wrote. Else None.

        Nobody else writes them, so what that thread knows is what is on disk; another thread could put
        something older back after a block.
        """
        return (self._standings, self._finals) if self._writer == threading.get_ident() else None

    def learn_finals(self, digests: Sequence[bytes]) -> None:
        """For the thread that commits blocks: ask once what it will want to know one by one."""
        SqliteStandingReader(self).final(digests)

    # -- read by everyone ----------------------------------------------------------------------------

    def tip(self) -> LedgerTip | None:
        row = self._db.connection.execute(
            "SELECT height, id, time, app_hash, frontier FROM blocks ORDER BY height DESC LIMIT 1"
        ).fetchone()
        return None if row is None else LedgerTip(*row)

    def block_times(self, heights: Iterable[int]) -> dict[int, int]:
        """The times of many blocks at once."""
        wanted, found = sorted(set(heights)), dict[int, int]()
        for part in parts(wanted):
            rows = self._db.connection.execute(
                f"SELECT height, time FROM blocks WHERE height IN ({marks(len(part))})", part
            )
            found.update((row["height"], row["time"]) for row in rows)
        return found

    def ordered_attestations(self, wanted: Sequence[tuple[int, bytes]]) -> dict[bytes, bytes]:
        """{digest: bytes} of refused attestations in the blocks of these heights: each block is read once."""
        digests = {digest for _, digest in wanted}
        heights, found = sorted({height for height, _ in wanted}), dict[bytes, bytes]()
        for part in parts(heights):
            rows = self._db.connection.execute(
                f"SELECT block FROM blocks WHERE height IN ({marks(len(part))})", part
            )
            for row in rows:
                for data in read_block(row["block"]).attestations:
                    if (digest := sha256(data).digest()) in digests:
                        found[digest] = data
        return found

    def ordered_attestation(self, height: int, digest: bytes) -> bytes | None:
        """The bytes of a refused attestation in the block of `height`; others are entries."""
        row = self._db.connection.execute("SELECT block FROM blocks WHERE height = ?", (height,)).fetchone()
        if row is None:
            return None
        attestations = read_block(row["block"]).attestations
        return next((data for data in attestations if sha256(data).digest() == digest), None)

    def blocks(self, height_min: int, count: int, size_bytes_max: int) -> list[tuple[bytes, bytes]]:
        """Blocks with their certificates in sequence; at least one if there is one, then up to the limits.

        In the place of a certificate that was pruned there is nothing.
        """
        rows = self._db.connection.execute(
            "SELECT block, certificate FROM blocks WHERE height >= ? ORDER BY height LIMIT ?",
            (height_min, count),
        )
        found: list[tuple[bytes, bytes]] = []
        size = 0
        for row in rows:
            block = self.pruned.whole(row["block"])
            size += len(block) + len(row["certificate"])
            if found and size > size_bytes_max:
                break
            found.append((block, row["certificate"]))
        return found

    def block_id(self, height: int) -> bytes | None:
        """What the block of a height is called; None where there is none."""
        query = "SELECT id FROM blocks WHERE height = ?"
        row = self._db.connection.execute(query, (height,)).fetchone()
        return None if row is None else bytes(row["id"])

    def certificates(self, count: int) -> list[bytes]:
        """What is kept of who agreed to the last `count` blocks, in order: of pruned ones nothing."""
        rows = self._db.connection.execute(
            "SELECT certificate FROM blocks ORDER BY height DESC LIMIT ?", (count,)
        ).fetchall()
        return [row["certificate"] for row in reversed(rows) if row["certificate"]]

    def validator_history(self, first: ValidatorSet) -> ValidatorHistory:
        """Who votes at which height; `first` are those of genesis."""
        rows = self._db.connection.execute("SELECT height, members FROM validators ORDER BY height")
        changes = [(row["height"], ValidatorSet.decode(row["members"])) for row in rows]
        return ValidatorHistory(((1, first), *changes))

    def governance(self) -> list[GovernanceRow]:
        """Every record of what governs, in the order in which they were decided on."""
        rows = self._db.connection.execute(
            "SELECT height, governs_from, type, name, record FROM governance ORDER BY height, type, name"
        )
        return [GovernanceRow(*row) for row in rows]

    def log_size(self) -> int:
        row = self._db.connection.execute(
            "SELECT COALESCE(MAX(leaf_index) + 1, 0) AS n FROM entries"
        ).fetchone()
        return int(row["n"])

    def notes(self) -> Iterator[tuple[int, int, str, str]]:
        """(size, time, first note, newest note) of every checkpoint, by size."""
        rows = self._db.connection.execute(
            "SELECT size, time, first_note, note FROM checkpoints ORDER BY size"
        )
        for row in rows:
            yield row["size"], row["time"], row["first_note"], row["note"]

    def checkpoint(self) -> tuple[int, str] | None:
        """(size, newest note) of the largest cosigned checkpoint."""
        row = self._db.connection.execute(
            "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"
        ).fetchone()
        return None if row is None else (row["size"], row["note"])

    def checkpoint_of(self, size: int) -> str | None:
        """The first note over exactly so many leaves."""
        row = self._db.connection.execute(
            "SELECT first_note FROM checkpoints WHERE size = ?", (size,)
        ).fetchone()
        return None if row is None else str(row["first_note"])

    def checkpoint_covering(self, leaf_index: int) -> str | None:
        """The first note over a leaf: it proves the earliest time."""
        row = self._db.connection.execute(
            "SELECT first_note FROM checkpoints WHERE size > ? ORDER BY size LIMIT 1", (leaf_index,)
        ).fetchone()
        return None if row is None else str(row["first_note"])


class Adoption:
    """An open transaction that fills an empty ledger row by row: `snapshot.py` says what may go in."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def block(self, height: int, block_id: bytes, time: int, block: bytes, certificate: bytes) -> None:
        """A block; its state follows when its leaves are there."""
        values = (height, block_id, time, b"", block, certificate, b"")
        self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def block_at(self, height: int) -> tuple[bytes, bytes]:
        """A block that was put in, and its certificate."""
        query = "SELECT block, certificate FROM blocks WHERE height = ?"
        ((block, certificate),) = self._db.execute(query, (height,))
        return block, certificate

    def state(self, height: int, app_hash: bytes, frontier: bytes) -> None:
        self._db.execute(
            "UPDATE blocks SET app_hash = ?, frontier = ? WHERE height = ?", (app_hash, frontier, height)
        )

    def entry(self, leaf_index: int, height: int, row: EntryRow) -> None:
        self._db.execute(_INSERT_ENTRY, _entry_values(leaf_index, height, row))

    def standing(self, key: bytes, value: bytes) -> None:
        self._db.execute("INSERT INTO standings VALUES (?, ?, ?)", (key, value, sha256(value).digest()))

    def buckets(self, hashes: bytes) -> None:
        put_all_hashes(self._db, hashes)

    def governance(self, row: GovernanceRow) -> None:
        self._db.execute("INSERT INTO governance VALUES (?, ?, ?, ?, ?)", row)

    def validators(self, height: int, validators: ValidatorSet) -> None:
        self._db.execute("INSERT INTO validators VALUES (?, ?)", (height, validators.encode()))

    def checkpoint(self, size: int, time: int, note: str) -> None:
        self._db.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", (size, time, note, note))


_INSERT_ENTRY = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def _entry_values(leaf_index: int, height: int, row: EntryRow) -> tuple[object, ...]:
    return (
        leaf_index,
        row.leaf_hash,
        height,
        row.type,
        row.kind,
        row.issuer,
        row.subject,
        row.digest,
        row.document_digest,
        row.rule,
        row.winner,
        row.entry,
    )


class SqliteStandingReader:
    """`credentials.ledger.registry.StandingReader` over ledger.db."""

    def __init__(self, ledger: LedgerStore) -> None:
        self._ledger = ledger

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The standings of those of `keys` that have one."""
        cached = self._ledger.cached()
        if cached is None:
            return dict(self._records(keys))
        standings = cached[0]
        unknown = [key for key in keys if key not in standings]
        if unknown:
            standings.update(dict.fromkeys(unknown))
            standings.update(self._records(unknown))
        return {key: value for key in keys if (value := standings[key]) is not None}

    def final(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of `digests` that were admitted or refused."""
        cached = self._ledger.cached()
        finals = {} if cached is None else cached[1]
        unknown = [digest for digest in digests if digest not in finals]
        if unknown:
            finals.update(dict.fromkeys(unknown, False))
            found = self._select(f"digest FROM entries WHERE {OF_STATEMENTS} AND digest", unknown)
            finals.update((row[0], True) for row in found)
        return {digest for digest in digests if finals[digest]}

    def _records(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        for row in self._select("subject, value, digest FROM standings WHERE subject", keys):
            yield row[0], self._ledger.standings.whole(*row)

    def _select(self, what: str, values: Sequence[bytes]) -> Iterator[sqlite3.Row]:
        with self._ledger.standings.answering() as db:
            for part in parts(values):
                yield from db.execute(f"SELECT {what} IN ({marks(len(part))})", part)
