"""The map of standings over ledger.db: the map of its records, though a start reads none of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from consensus.errors import ConsensusError, OwnFault
from consensus.standings_map import BUCKET_COUNT, StandingsMap, verify_map_proof
from node.storage import standings
from node.storage.database import Damaged, Database, NotRead
from node.storage.entries import LedgerTip
from node.storage.ledger import LedgerStore, SqliteStandingReader
from node.storage.schema_history import History
from tests.harness.earlier import STEPS


def key(number: int) -> bytes:
    """Ten to a bucket, about."""
    return (number % 97).to_bytes(2, "big") + sha256(b"%d" % number).digest()[2:]


def commit(
    store: LedgerStore,
    height: int,
    records: Mapping[bytes, bytes],
    buckets: Mapping[int, bytes] | None = None,
) -> None:
    store.commit_block(
        LedgerTip(height, b"id", 100 + height, b"app", b"frontier"),
        block=b"block",
        certificate=b"certificate",
        entries=(),
        standings=records,
        buckets=buckets,
        durable=False,
    )


def opened(store: LedgerStore) -> StandingsMap:
    """The map as a node has it that starts now."""
    return StandingsMap.over(store.standings.hashes(), store.standings.bucket)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LedgerStore]:
    made = LedgerStore(tmp_path / "ledger.db")
    yield made
    made.close()


@pytest.mark.parametrize(("hashes_max", "blocks_max"), [(1 << 16, 1 << 14), (100, 1 << 14), (1 << 16, 5)])
def test_the_map_that_is_opened_is_that_of_the_records(
    store: LedgerStore, monkeypatch: pytest.MonkeyPatch, hashes_max: int, blocks_max: int
) -> None:
    """
    After blocks that put records in and change them, however often what they changed is folded in: the root
    is that of the records alone, whether whoever executed a block knew its hashes or the store made them.
    """
    monkeypatch.setattr(standings, "CHANGES_MAX", hashes_max)
    monkeypatch.setattr(standings, "BLOCKS_MAX", blocks_max)
    random, held, map_ = Random(1), dict[bytes, bytes](), opened(store)
    assert map_.root == StandingsMap().root
    for height in range(1, 21):
        records = {key(random.randrange(900)): b"%d of %d" % (height, n) for n in range(random.randrange(60))}
        foreseen = map_.root_with(records)
        commit(store, height, records, map_.buckets_with(records) if height % 2 else None)
        map_.apply(records)
        held |= records
        if height % 4:
            continue
        again = opened(store)
        assert again.root == map_.root == foreseen == StandingsMap(held.items()).root
        assert (
            again.buckets() == map_.buckets() == StandingsMap(store.standings.all(), lambda *_: ()).buckets()
        )
        if records:
            one = random.choice(list(records))
            verify_map_proof(again.root, one, held[one], again.proof(one))
    rows = store._db.connection.execute("SELECT COUNT(*) FROM bucket_changes").fetchone()[0]
    assert rows > 12 if (hashes_max, blocks_max) == (1 << 16, 1 << 14) else rows < 8
    assert dict(store.standings.all()) == held


def test_a_record_takes_the_place_of_the_one_before(store: LedgerStore) -> None:
    """
    A key has one record, whatever its length is.
    """
    for height, value in enumerate((b"short", b"long" * 500, b""), 1):
        commit(store, height, {key(1): value, key(height + 1): b"other"})
    assert dict(store.standings.all()) == {key(1): b"", **{key(n): b"other" for n in (2, 3, 4)}}
    assert store.standings.record(key(1)) == b"" and store.standings.record(key(9)) is None


def test_a_record_or_a_hash_that_is_not_what_was_written_is_found(store: LedgerStore) -> None:
    """
    A record when it is read, by every way; a hash by the root of the map, or as what is no map.
    """
    commit(store, 1, {key(n): b"%d" % n for n in range(300)})
    root = opened(store).root
    with store._db.writing() as db:
        db.execute("UPDATE standings SET value = x'00' WHERE subject = ?", (key(5),))
    for read in (
        lambda: store.standings.record(key(5)),
        lambda: store.standings.records((key(4), key(5))),
        lambda: SqliteStandingReader(LedgerStore(store._db.path)).get_many([key(5)]),
        lambda: list(store.standings.all()),
    ):
        with pytest.raises(Damaged, match=r"ledger\.db is damaged: record "):
            read()
    assert store.standings.damaged and store.standings.record(key(4)) == b"4"
    assert opened(store).root == root, "it is not read for the map"

    with store._db.writing() as db:
        standings.put_all_hashes(db, standings.read_hashes(db))
        db.execute("UPDATE buckets SET hashes = CAST(x'00' || substr(hashes, 2) AS BLOB) WHERE number = 0")
    assert opened(store).root != root
    with store._db.writing() as db:
        db.execute("DELETE FROM buckets WHERE number = 7")
    with pytest.raises(ConsensusError):
        opened(store)


@pytest.mark.parametrize("what", ["digest", "subject", "a row less", "a row more"])
def test_no_root_is_made_of_what_is_not_what_was_written(store: LedgerStore, what: str) -> None:
    """
    A bucket that a block changes is read with all that is in it: what has another hash than the map knows is
    damage, and not another state.
    """
    commit(store, 1, {key(n): b"%d" % n for n in range(300)})
    map_ = opened(store)
    root = map_.root_with({key(5): b"changed"})
    beside = key(5 + 97)
    assert beside[:2] == key(5)[:2] != key(6)[:2]
    with store._db.writing() as db:
        if what == "a row less":
            db.execute("DELETE FROM standings WHERE subject = ?", (beside,))
        elif what == "a row more":
            db.execute("INSERT INTO standings SELECT * FROM standings WHERE subject = ?", (beside,))
        else:
            db.execute(f"UPDATE standings SET {what} = ? WHERE subject = ?", (beside[:31] + b"x", beside))
    with pytest.raises(Damaged, match=r"^ledger\.db is damaged: bucket 5 "):
        map_.root_with({key(5): b"changed"})
    assert store.standings.damaged
    assert map_.root_with({key(6): b"changed"}) != root, "what is whole goes on"


def test_a_file_that_cannot_be_read_is_the_nodes_own_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever judges by it is told so: Damaged where it is not what was written, NotRead where nothing is known.
    """
    path = tmp_path / "ledger.db"
    store = LedgerStore(path)
    reader = SqliteStandingReader(store)
    with store._db.writing() as db:
        db.execute("DROP TABLE entries")
    with pytest.raises(OwnFault, match=r"^ledger\.db cannot be read \(no such table: entries\)$") as not_read:
        reader.final([key(1)])
    assert isinstance(not_read.value, NotRead) and not store.standings.damaged

    def torn(*_: object) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    monkeypatch.setattr(standings, "read_bucket", torn)
    with pytest.raises(Damaged, match=r"^ledger\.db cannot be read \(database disk image"):
        store.standings.bucket(5)
    assert store.standings.damaged
    store.close()


def test_a_ledger_from_before_the_digests_gets_them(tmp_path: Path) -> None:
    """
    They and the hashes of the buckets are made when the file is brought forward, from the records.
    """
    records = {key(n): b"record %d" % n for n in range(500)}
    old = Database(tmp_path / "ledger.db", History("ledger", *STEPS["ledger"][:5]))
    with old.writing() as db:
        db.executemany("INSERT INTO standings VALUES (?, ?)", records.items())
    old.close()
    store = LedgerStore(tmp_path / "ledger.db")

    assert dict(store.standings.all()) == records
    assert opened(store).root == StandingsMap(records.items()).root
    commit(store, 1, {key(3): b"another"})
    assert opened(store).root == StandingsMap((records | {key(3): b"another"}).items()).root
    store.close()


def test_hashes_of_another_number_of_buckets_are_no_map() -> None:
    """
    2^16 of them, or none.
    """
    whole = StandingsMap([(key(1), b"v")])
    assert StandingsMap.over(whole.buckets(), lambda *_: ()).root == whole.root
    for size in (0, 32, 32 * (BUCKET_COUNT - 1), 32 * (BUCKET_COUNT + 1)):
        with pytest.raises(ConsensusError):
            StandingsMap.over(bytes(size), lambda *_: ())
