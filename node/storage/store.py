"""SQLite on disk: `signing.db` (what was signed) and `ledger.db` (what was agreed). The third: `office.py`.

`signing.db` holds the consensus WAL and the guards; it is never backed up, because restoring an old guard
is how a validator signs twice. `ledger.db` is rebuildable from peers. Both are written by the engine's thread
only; every thread reads through its own connection, and one `with ledger.reading():` is one read transaction.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from consensus.merkle import leaf_hash
from consensus.types import Block, ValidatorHistory, ValidatorSet
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.entries import (
    AdmittedEntry,
    BlockEntry,
    EvidenceEntry,
    PolicyEntry,
    RefusedEntry,
    parse_entry,
)
from node.errors import SetupError

_BUSY_TIMEOUT_S = 30
CACHED_MAX = 20_000  # standings, and final digests, that the engine's thread need not read again
_VARIABLES_MAX = 500  # SQLite's limit of host parameters is higher; this keeps statements cacheable

Guard = tuple[int, int, str]  # height, round, kind


class Database:
    """One SQLite file in WAL mode, one connection per thread, explicit transactions."""

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        try:
            self.connection.executescript(schema)
        except sqlite3.DatabaseError as error:
            raise SetupError(f"{path} is not a database of this node: restore it, or start empty") from error

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection, opened on first use."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-2000")
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: all of it, or nothing. On disk when the block ends."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction: everything inside sees the same state. May be nested."""
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close every thread's connection: no thread uses this database any more."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()


class GuardError(AssertionError):
    """This validator was about to sign a second, different statement: the node stops instead."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """What peers showed that this validator signed, and its own database does not know."""

    reason: str
    height: int  # of the highest vote shown
    size: int  # of the largest checkpoint shown


class SigningStore:
    """Guards and the consensus WAL: on disk before anything is on the wire."""

    _SCHEMA = """
    CREATE TABLE IF NOT EXISTS wal (seq INTEGER PRIMARY KEY, height INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS guard (
        height INTEGER NOT NULL, round INTEGER NOT NULL, kind TEXT NOT NULL, record BLOB NOT NULL,
        PRIMARY KEY (height, round, kind));
    CREATE TABLE IF NOT EXISTS cosign_guard (
        id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, root BLOB NOT NULL,
        time INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS highest (
        id INTEGER PRIMARY KEY CHECK (id = 1), height INTEGER NOT NULL, round INTEGER NOT NULL,
        kind TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS withheld (
        id INTEGER PRIMARY KEY CHECK (id = 1), reason TEXT NOT NULL, height INTEGER NOT NULL,
        size INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS allowed (
        id INTEGER PRIMARY KEY CHECK (id = 1), height INTEGER NOT NULL, size INTEGER NOT NULL);
    """

    def __init__(self, path: Path) -> None:
        damaged = (
            f"{path} is damaged: what this validator signed cannot be known from it. Move it away, start the "
            "node, and follow what it says about voting"
        )
        try:
            self._db = Database(path, self._SCHEMA)
            found = self._db.connection.execute("PRAGMA quick_check").fetchone()[0]
        except (SetupError, sqlite3.DatabaseError) as error:
            raise SetupError(damaged) from error
        if found != "ok":
            self.close()
            raise SetupError(damaged)

    def close(self) -> None:
        self._db.close()

    def persist(self, height: int, records: Sequence[tuple[bytes, Guard | None]]) -> None:
        """Append WAL records of `height`; a guard taken by another record raises `GuardError`."""
        with self._db.writing() as db:
            for record, guard in records:
                if guard is not None:
                    taken = db.execute(
                        "SELECT record FROM guard WHERE height = ? AND round = ? AND kind = ?", guard
                    ).fetchone()
                    if taken is not None:
                        if taken["record"] != record:
                            raise GuardError(
                                f"another {guard[2]} of height {guard[0]} round {guard[1]} was already signed"
                            )
                        continue
                    db.execute("INSERT INTO guard VALUES (?, ?, ?, ?)", (*guard, record))
                    db.execute("INSERT OR REPLACE INTO highest VALUES (1, ?, ?, ?)", guard)
                db.execute("INSERT INTO wal (height, record) VALUES (?, ?)", (height, record))

    def wal(self, height_min: int) -> list[bytes]:
        """Records written while working on `height_min` or later, in order."""
        rows = self._db.connection.execute(
            "SELECT record FROM wal WHERE height >= ? ORDER BY seq", (height_min,)
        )
        return [row["record"] for row in rows]

    def prune(self, height_below: int) -> None:
        """Forget WAL records and guards of heights decided long ago."""
        with self._db.writing() as db:
            db.execute("DELETE FROM wal WHERE height < ?", (height_below,))
            db.execute("DELETE FROM guard WHERE height < ?", (height_below,))

    def highest(self) -> Guard | None:
        """The last guard that was taken; it outlives `prune`."""
        row = self._db.connection.execute("SELECT height, round, kind FROM highest").fetchone()
        return None if row is None else (row["height"], row["round"], row["kind"])

    def withheld(self) -> Withheld | None:
        """Why this validator does not vote, if peers showed it signatures that this database lacks."""
        row = self._db.connection.execute("SELECT reason, height, size FROM withheld").fetchone()
        return None if row is None else Withheld(*row)

    def withhold(self, withheld: Withheld) -> None:
        """Remember that this validator must not vote; the highest heights and sizes shown are kept."""
        with self._db.writing() as db:
            before = db.execute("SELECT height, size FROM withheld").fetchone() or (0, 0)
            height, size = max(withheld.height, before[0]), max(withheld.size, before[1])
            db.execute("INSERT OR REPLACE INTO withheld VALUES (1, ?, ?, ?)", (withheld.reason, height, size))

    def allow_vote(self) -> tuple[int, int]:
        """Let the validator vote above what it was shown; (first height, first size to cosign)."""
        with self._db.writing() as db:
            shown = db.execute("SELECT height, size FROM withheld").fetchone() or (0, 0)
            before = db.execute("SELECT height, size FROM allowed").fetchone() or (0, 0)
            allowed = max(shown[0] + 1, before[0]), max(shown[1] + 1, before[1])
            db.execute("INSERT OR REPLACE INTO allowed VALUES (1, ?, ?)", allowed)
            db.execute("DELETE FROM withheld")
        return allowed

    def allowed(self) -> tuple[int, int]:
        """The first height to vote at and the first size to cosign."""
        row = self._db.connection.execute("SELECT height, size FROM allowed").fetchone()
        return (0, 0) if row is None else (row["height"], row["size"])

    def last_cosigned(self) -> tuple[int, bytes, int] | None:
        """(size, root, time) of the newest checkpoint this validator cosigned."""
        row = self._db.connection.execute("SELECT size, root, time FROM cosign_guard").fetchone()
        return None if row is None else (row["size"], row["root"], row["time"])

    def guard_cosignature(self, size: int, root: bytes, time: int) -> None:
        """Allow growth, or the same size and root with a later time; anything else raises `GuardError`."""
        with self._db.writing() as db:
            last = db.execute("SELECT size, root, time FROM cosign_guard").fetchone()
            if last is not None:
                grows = size > last["size"]
                repeats = size == last["size"] and root == last["root"] and time >= last["time"]
                if not (grows or repeats):
                    raise GuardError(
                        f"a checkpoint of size {last['size']} was cosigned; size {size} would contradict it"
                    )
            db.execute("INSERT OR REPLACE INTO cosign_guard VALUES (1, ?, ?, ?)", (size, root, time))


@dataclass(frozen=True, slots=True)
class LedgerTip:
    """The newest decided and executed block."""

    height: int
    block_id: bytes
    time: int
    app_hash: bytes
    frontier: bytes


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One leaf of the log with what it is found by."""

    entry: bytes
    leaf_hash: bytes
    type: str  # admitted | refused | block | policy | evidence
    kind: str | None = None  # of the attestation: the event
    issuer: str | None = None
    subject: bytes | None = None  # its standing key
    digest: bytes | None = None  # of the attestation
    document_digest: bytes | None = None
    rule: str | None = None  # refused: the rule
    winner: int | None = None  # refused: leaf index of the winner
    leaf_index: int = -1  # set when read
    height: int = -1  # set when read


def row_of(entry: bytes, parsed: Mapping[bytes, Attestation] | None = None) -> EntryRow:
    """What a leaf is found by; `parsed` holds attestations that were parsed already, by their bytes."""
    leaf = leaf_hash(entry)
    known = parsed.get(entry) if parsed is not None else None
    match AdmittedEntry(known) if known is not None else parse_entry(entry):
        case AdmittedEntry(attestation):
            return EntryRow(
                entry,
                leaf,
                "admitted",
                kind=attestation.kind,
                issuer=attestation.issuer,
                subject=standing_key(attestation.subject),
                digest=attestation.digest,
                document_digest=attestation.document_digest,
            )
        case RefusedEntry() as refused:
            return EntryRow(
                entry,
                leaf,
                "refused",
                issuer=refused.issuer,
                subject=standing_key(refused.subject),
                digest=refused.digest,
                rule=refused.rule,
                winner=refused.winner_leaf_index,
            )
        case EvidenceEntry(evidence):
            return EntryRow(entry, leaf, "evidence", kind=evidence.kind, digest=evidence.id)
        case BlockEntry():
            return EntryRow(entry, leaf, "block")
        case PolicyEntry():
            return EntryRow(entry, leaf, "policy")


class LedgerStore:
    """Blocks, entries, standings, final digests and cosigned checkpoints."""

    _SCHEMA = """
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS blocks (
        height INTEGER PRIMARY KEY, id BLOB NOT NULL, time INTEGER NOT NULL, app_hash BLOB NOT NULL,
        block BLOB NOT NULL, certificate BLOB NOT NULL, frontier BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS entries (
        leaf_index INTEGER PRIMARY KEY, leaf_hash BLOB NOT NULL, height INTEGER NOT NULL, type TEXT NOT NULL,
        kind TEXT, issuer TEXT, subject BLOB, digest BLOB, document_digest BLOB, rule TEXT, winner INTEGER,
        entry BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS entries_subject ON entries (subject) WHERE subject IS NOT NULL;
    CREATE INDEX IF NOT EXISTS entries_digest ON entries (digest) WHERE digest IS NOT NULL;
    CREATE INDEX IF NOT EXISTS entries_document ON entries (document_digest)
        WHERE document_digest IS NOT NULL;
    CREATE TABLE IF NOT EXISTS standings (subject BLOB NOT NULL, value BLOB NOT NULL);
    CREATE UNIQUE INDEX IF NOT EXISTS standings_subject ON standings (subject);
    CREATE TABLE IF NOT EXISTS finals (digest BLOB NOT NULL, height INTEGER NOT NULL);
    CREATE UNIQUE INDEX IF NOT EXISTS finals_digest ON finals (digest);
    CREATE INDEX IF NOT EXISTS entries_evidence ON entries (leaf_index) WHERE type = 'evidence';
    CREATE TABLE IF NOT EXISTS validators (height INTEGER PRIMARY KEY, members BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS checkpoints (
        size INTEGER PRIMARY KEY, time INTEGER NOT NULL, first_note TEXT NOT NULL, note TEXT NOT NULL);
    """

    def __init__(self, path: Path) -> None:
        self._db = Database(path, self._SCHEMA)
        self.reading = self._db.reading
        self._writer: int | None = None  # the thread that commits blocks
        self._standings: dict[bytes, bytes | None] = {}  # as of the last block: this thread's only
        self._finals: dict[bytes, bool] = {}

    def close(self) -> None:
        self._db.close()

    def bind(self, name: str, value: bytes) -> bytes:
        """Remember `value` under `name` at first use; afterwards the first value is what is returned."""
        with self._db.writing() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return bytes(row["value"])

    # -- written by the engine -----------------------------------------------------------------------

    def commit_block(
        self,
        tip: LedgerTip,
        *,
        block: bytes,
        certificate: bytes,
        entries: Sequence[EntryRow],
        standings: Mapping[bytes, bytes],
        finals: Iterable[bytes],
        validators: ValidatorSet | None = None,
    ) -> None:
        """Write the block and all it changed, or nothing; `validators` are in force two heights on."""
        with self._db.writing() as db:
            db.execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)",
                (tip.height, tip.block_id, tip.time, tip.app_hash, block, certificate, tip.frontier),
            )
            first = db.execute("SELECT COALESCE(MAX(leaf_index) + 1, 0) AS n FROM entries").fetchone()["n"]
            db.executemany(
                _INSERT_ENTRY,
                [_entry_values(first + offset, tip.height, row) for offset, row in enumerate(entries)],
            )
            db.executemany("INSERT OR REPLACE INTO standings VALUES (?, ?)", standings.items())
            final = list(finals)
            db.executemany("INSERT INTO finals VALUES (?, ?)", [(digest, tip.height) for digest in final])
            if validators is not None:
                db.execute("INSERT INTO validators VALUES (?, ?)", (tip.height + 2, validators.encode()))
        self._writer = threading.get_ident()
        self._standings.update(standings)
        self._finals.update(dict.fromkeys(final, True))
        for cache in (self._standings, self._finals):
            if len(cache) > CACHED_MAX:
                cache.clear()

    @contextmanager
    def adopting(self) -> Iterator[Adoption]:
        """Fill this empty ledger in one transaction, or leave it empty."""
        with self._db.writing() as db:
            yield Adoption(db)

    def put_checkpoint(self, size: int, time: int, note: str) -> None:
        """Keep a cosigned checkpoint: of one size the first note, with its time, and the newest one.

        Not synced by itself: peers have it as well, and the next block's commit takes it along.
        """
        self._db.connection.execute("PRAGMA synchronous=NORMAL")
        with self._db.writing() as db:
            db.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?) "
                "ON CONFLICT (size) DO UPDATE SET note = excluded.note",
                (size, time, note, note),
            )
        self._db.connection.execute("PRAGMA synchronous=FULL")

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

    def block_time(self, height: int) -> int | None:
        row = self._db.connection.execute("SELECT time FROM blocks WHERE height = ?", (height,)).fetchone()
        return None if row is None else int(row["time"])

    def ordered_attestation(self, height: int, digest: bytes) -> bytes | None:
        """The bytes of an attestation in the block of `height`: evidence of a refused one."""
        row = self._db.connection.execute("SELECT block FROM blocks WHERE height = ?", (height,)).fetchone()
        if row is None:
            return None
        attestations = Block.decode(row["block"]).attestations
        return next((data for data in attestations if sha256(data).digest() == digest), None)

    def blocks(self, height_min: int, count: int, size_bytes_max: int) -> list[tuple[bytes, bytes]]:
        """Blocks with their certificates in sequence; at least one if there is one, then up to the limits."""
        rows = self._db.connection.execute(
            "SELECT block, certificate FROM blocks WHERE height >= ? ORDER BY height LIMIT ?",
            (height_min, count),
        )
        found: list[tuple[bytes, bytes]] = []
        size = 0
        for row in rows:
            size += len(row["block"]) + len(row["certificate"])
            if found and size > size_bytes_max:
                break
            found.append((row["block"], row["certificate"]))
        return found

    def certificates(self, count: int) -> list[bytes]:
        """The commit certificates of the last `count` blocks, in order."""
        rows = self._db.connection.execute(
            "SELECT certificate FROM blocks ORDER BY height DESC LIMIT ?", (count,)
        ).fetchall()
        return [row["certificate"] for row in reversed(rows)]

    def validator_history(self, first: ValidatorSet) -> ValidatorHistory:
        """Who votes at which height; `first` are those of genesis."""
        rows = self._db.connection.execute("SELECT height, members FROM validators ORDER BY height")
        changes = [(row["height"], ValidatorSet.decode(row["members"])) for row in rows]
        return ValidatorHistory(((1, first), *changes))

    def evidence(self) -> list[EntryRow]:
        """Every fault of a validator on the record, in log order."""
        return self._entries("type = 'evidence' ORDER BY leaf_index", ())

    def leaf_hashes(self) -> Iterator[bytes]:
        """All leaf hashes in order."""
        for row in self._db.connection.execute("SELECT leaf_hash FROM entries ORDER BY leaf_index"):
            yield row["leaf_hash"]

    def log_size(self) -> int:
        row = self._db.connection.execute(
            "SELECT COALESCE(MAX(leaf_index) + 1, 0) AS n FROM entries"
        ).fetchone()
        return int(row["n"])

    def standings(self) -> Iterator[tuple[bytes, bytes]]:
        """All records in the order of their keys."""
        for row in self._db.connection.execute("SELECT subject, value FROM standings ORDER BY subject"):
            yield row["subject"], row["value"]

    def bucket(self, number: int) -> list[tuple[bytes, bytes]]:
        """(key, SHA-256 of the record) of the keys that begin with these two bytes: `merkle.StandingsMap`."""
        first, last = number.to_bytes(2, "big"), number.to_bytes(2, "big") + b"\xff" * 31
        rows = self._db.connection.execute(
            "SELECT subject, value FROM standings WHERE subject BETWEEN ? AND ?", (first, last)
        )
        return [(row["subject"], sha256(row["value"]).digest()) for row in rows]

    def standing(self, subject: bytes) -> bytes | None:
        row = self._db.connection.execute(
            "SELECT value FROM standings WHERE subject = ?", (subject,)
        ).fetchone()
        return None if row is None else bytes(row["value"])

    def entries_of(self, subject: bytes) -> list[EntryRow]:
        """The timeline of a subject, in log order."""
        return self._entries("subject = ? ORDER BY leaf_index", (subject,))

    def entries_with_digest(self, digest: bytes) -> list[EntryRow]:
        """Entries of the attestation with this digest: one, or none."""
        return self._entries("digest = ? ORDER BY leaf_index", (digest,))

    def entries_with_document(self, document_digest: bytes) -> list[EntryRow]:
        """Entries whose attestation is about this document."""
        return self._entries("document_digest = ? ORDER BY leaf_index", (document_digest,))

    def entries_from(self, leaf_index: int, limit: int) -> list[EntryRow]:
        return self._entries("leaf_index >= ? ORDER BY leaf_index LIMIT ?", (leaf_index, limit))

    def entry(self, leaf_index: int) -> EntryRow | None:
        found = self._entries("leaf_index = ?", (leaf_index,))
        return found[0] if found else None

    def checkpoint(self) -> tuple[int, str] | None:
        """(size, newest note) of the largest cosigned checkpoint."""
        row = self._db.connection.execute(
            "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"
        ).fetchone()
        return None if row is None else (row["size"], row["note"])

    def checkpoint_covering(self, leaf_index: int) -> str | None:
        """The first note over a leaf: it proves the earliest time."""
        row = self._db.connection.execute(
            "SELECT first_note FROM checkpoints WHERE size > ? ORDER BY size LIMIT 1", (leaf_index,)
        ).fetchone()
        return None if row is None else str(row["first_note"])

    def _entries(self, condition: str, values: Sequence[object]) -> list[EntryRow]:
        rows = self._db.connection.execute(
            "SELECT entry, leaf_hash, type, kind, issuer, subject, digest, document_digest, rule, winner, "  # noqa: S608
            f"leaf_index, height FROM entries WHERE {condition}",
            values,
        )
        return [EntryRow(*row) for row in rows]


class Adoption:
    """An open transaction that fills an empty ledger row by row: `snapshot.py` says what may go in."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def block(self, height: int, block_id: bytes, time: int, block: bytes, certificate: bytes) -> None:
        """A block; its state follows when its leaves are there."""
        values = (height, block_id, time, b"", block, certificate, b"")
        self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def state(self, height: int, app_hash: bytes, frontier: bytes) -> None:
        self._db.execute(
            "UPDATE blocks SET app_hash = ?, frontier = ? WHERE height = ?", (app_hash, frontier, height)
        )

    def final(self, height: int, digests: Iterable[bytes]) -> None:
        self._db.executemany("INSERT INTO finals VALUES (?, ?)", [(digest, height) for digest in digests])

    def entry(self, leaf_index: int, height: int, row: EntryRow) -> None:
        self._db.execute(_INSERT_ENTRY, _entry_values(leaf_index, height, row))

    def standing(self, key: bytes, value: bytes) -> None:
        self._db.execute("INSERT INTO standings VALUES (?, ?)", (key, value))

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
            return dict(self._select("SELECT subject, value FROM standings WHERE subject", keys))
        standings = cached[0]
        unknown = [key for key in keys if key not in standings]
        if unknown:
            standings.update(dict.fromkeys(unknown))
            standings.update(self._select("SELECT subject, value FROM standings WHERE subject", unknown))
        return {key: value for key in keys if (value := standings[key]) is not None}

    def final(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of `digests` that were admitted or refused."""
        cached = self._ledger.cached()
        finals = {} if cached is None else cached[1]
        unknown = [digest for digest in digests if digest not in finals]
        if unknown:
            finals.update(dict.fromkeys(unknown, False))
            rows = self._select("SELECT digest, height FROM finals WHERE digest", unknown)
            finals.update((row[0], True) for row in rows)
        return {digest for digest in digests if finals[digest]}

    def _select(self, statement: str, values: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        with self._ledger.reading() as db:
            for start in range(0, len(values), _VARIABLES_MAX):
                part = values[start : start + _VARIABLES_MAX]
                marks = ",".join("?" * len(part))
                yield from (tuple(row) for row in db.execute(f"{statement} IN ({marks})", part))
