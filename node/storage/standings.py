"""The map of standings in `ledger.db`: each record with its digest, and the hash of every bucket.

A record's digest stands in the index beside its key, so what is in a bucket is read as one range of it, and
nothing is hashed but what changes. The hashes of all buckets are 256 rows of 256 (`buckets`), which is what a
start reads; a block adds one row with those that it changed (`bucket_changes`), and now and then these are
folded in: one row rewritten for each of 400 changes would be as much again as the block itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import groupby

from consensus.merkle import HASH_BYTES
from consensus.standings_map import BUCKET_COUNT, EMPTY_BUCKET, bucket_hash
from node.storage.database import Damaged, Database, NotRead, Transaction, is_damage, marks

ROW_BUCKETS = 256  # hashes in one row, as many as in a tile
NUMBER_BYTES = 2
CHANGES_MAX = 1 << 16  # hashes in all rows of `bucket_changes`, before they are folded in
BLOCKS_MAX = 1 << 14  # and blocks that these rows may go back


def put(db: Transaction, records: Mapping[bytes, bytes]) -> None:
    """Write records, each instead of the one under its key."""
    db.executemany("DELETE FROM standings WHERE subject = ?", ((key,) for key in records))
    rows = ((key, value, sha256(value).digest()) for key, value in records.items())
    db.executemany("INSERT INTO standings VALUES (?, ?, ?)", rows)


def put_hashes(db: Transaction, height: int, hashes: Mapping[int, bytes]) -> None:
    """Write the hashes of the buckets that a block changed, by their numbers."""
    if not hashes:
        return
    oldest = db.execute("SELECT height FROM bucket_changes ORDER BY height LIMIT 1").fetchone()
    newest = db.execute("SELECT total FROM bucket_changes ORDER BY height DESC LIMIT 1").fetchone()
    total = len(hashes) + (newest[0] if newest is not None else 0)
    data = b"".join(number.to_bytes(NUMBER_BYTES, "big") + hashes[number] for number in sorted(hashes))
    db.execute("INSERT INTO bucket_changes VALUES (?, ?, ?)", (height, total, data))
    if total >= CHANGES_MAX or (oldest is not None and height - oldest[0] >= BLOCKS_MAX):
        put_all_hashes(db, read_hashes(db))


def put_all_hashes(db: Transaction, hashes: bytes) -> None:
    """Write the hashes of all buckets, and let go of the rows that led to them."""
    size = ROW_BUCKETS * HASH_BYTES
    db.executemany(
        "INSERT OR REPLACE INTO buckets VALUES (?, ?)",
        [(number, hashes[number * size : (number + 1) * size]) for number in range(len(hashes) // size)],
    )
    db.execute("DELETE FROM bucket_changes")


def read_hashes(db: Transaction) -> bytes:
    """The hashes of all buckets."""
    rows = db.execute("SELECT hashes FROM buckets ORDER BY number").fetchall()
    found = bytearray(b"".join(row[0] for row in rows) or EMPTY_BUCKET * BUCKET_COUNT)
    step = NUMBER_BYTES + HASH_BYTES
    for row in db.execute("SELECT hashes FROM bucket_changes ORDER BY height"):
        data = row[0]
        for at in range(0, len(data), step):
            place = int.from_bytes(data[at : at + NUMBER_BYTES], "big") * HASH_BYTES
            found[place : place + HASH_BYTES] = data[at + NUMBER_BYTES : at + step]
    return bytes(found)


def make_hashes(db: Transaction) -> bytes:
    """The hashes of all buckets, from the digests of all records."""
    made = bytearray(EMPTY_BUCKET * BUCKET_COUNT)
    rows = db.execute("SELECT subject, digest FROM standings ORDER BY subject")
    for number, items in groupby(rows, lambda row: _number_of(row[0])):
        made[number * HASH_BYTES : (number + 1) * HASH_BYTES] = bucket_hash(items)
    return bytes(made)


def read_bucket(db: Transaction, number: int) -> list[tuple[bytes, bytes]]:
    """(key, SHA-256 of the record) of the keys with these first two bytes, in order."""
    first = number.to_bytes(NUMBER_BYTES, "big")
    cursor = db.cursor()
    cursor.row_factory = None  # pairs as they are: a bucket may have hundreds
    query = "SELECT subject, digest FROM standings WHERE subject BETWEEN ? AND ? ORDER BY subject"
    return cursor.execute(query, (first, first + b"\xff" * (HASH_BYTES - NUMBER_BYTES))).fetchall()


def hash_changed(db: Transaction, keys: Mapping[bytes, bytes]) -> dict[int, bytes]:
    """The hash of each bucket that holds one of these keys, by its number, as it is now."""
    return {number: bucket_hash(read_bucket(db, number)) for number in {*map(_number_of, keys)}}


def _number_of(key: bytes) -> int:
    return int.from_bytes(key[:NUMBER_BYTES], "big")


class Standings:
    """Reads the records; those who commit blocks write them (`ledger.py`)."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.damaged = False  # a record was found to be not what was written

    def all(self) -> Iterator[tuple[bytes, bytes]]:
        """All records in the order of their keys."""
        for row in self._db.connection.execute(
            "SELECT subject, value, digest FROM standings ORDER BY subject"
        ):
            yield row["subject"], self.whole(*row)

    def count(self) -> int:
        """How many there are; every key is looked at."""
        return int(self._db.connection.execute("SELECT COUNT(*) FROM standings").fetchone()[0])

    def record(self, subject: bytes) -> bytes | None:
        """One record."""
        return self.records((subject,)).get(subject)

    def records(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The records that exist, of a few keys at once."""
        rows = self._db.connection.execute(
            f"SELECT subject, value, digest FROM standings WHERE subject IN ({marks(len(keys))})", keys
        )
        return {row["subject"]: self.whole(*row) for row in rows}

    def whole(self, subject: bytes, value: bytes, digest: bytes) -> bytes:
        """A record that was read, if it is what was written; Damaged otherwise."""
        if sha256(value).digest() != digest:
            self.damaged = True
            raise Damaged(f"ledger.db is damaged: record {subject.hex()[:16]} is not what was written")
        return value

    @contextmanager
    def answering(self) -> Iterator[Transaction]:
        """One read transaction of whoever judges by what is read: a fault of the file is this node's own."""
        try:
            with self._db.reading() as db:
                yield db
        except sqlite3.DatabaseError as error:
            self.damaged = self.damaged or is_damage(error)
            kind = Damaged if is_damage(error) else NotRead
            raise kind(f"ledger.db cannot be read ({error})") from error

    def bucket(self, number: int, held: bytes | None = None) -> list[tuple[bytes, bytes]]:
        """What is in a bucket (`standings_map.py`); Damaged where `held` is not its hash."""
        with self.answering() as db:
            found = read_bucket(db, number)
        if held is not None and bucket_hash(found) != held:
            self.damaged = True
            raise Damaged(f"ledger.db is damaged: bucket {number} of the records is not what was written")
        return found

    def hashes(self) -> bytes:
        """The hashes of all buckets."""
        with self._db.reading() as db:
            return read_hashes(db)

    def keys_changed(self, first: int, last: int) -> list[bytes] | None:
        """Keys of the records that blocks `first` to `last` changed; None if that is not known of all.

        A ledger that began with a snapshot knows it from there on.
        """
        known = self._db.connection.execute("SELECT MIN(height) AS h FROM changed").fetchone()["h"]
        if known is None or known > first:
            return None
        rows = self._db.connection.execute(
            "SELECT DISTINCT subject FROM changed WHERE height BETWEEN ? AND ?", (first, last)
        )
        return [bytes(row["subject"]) for row in rows]
