"""Databases: guards that cannot be passed, blocks that are all or nothing (node/storage/)."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import sqlite_utils

from consensus.merkle import leaf_hash
from consensus.standings_map import StandingsMap
from credentials.ledger.entries import BLOCK_OPENING
from node.errors import SetupError
from node.storage import database
from node.storage.database import Database
from node.storage.documents import StoredDocument
from node.storage.entries import EntryRow, LedgerTip
from node.storage.ledger import LedgerStore, SqliteStandingReader
from node.storage.office import OfficeStore
from node.storage.schema_history import History
from node.storage.signing import GuardError, SigningStore
from tests.harness.earlier import EARLIER, HISTORIES, STEPS, missing, statements, tables
from tests.harness.grown import filler

STORES = {"signing": SigningStore, "ledger": LedgerStore, "office": OfficeStore}
KEPT = {
    "signing": ("wal", "guard", "cosign_guard", "highest", "withheld", "allowed"),
    "ledger": ("meta", "blocks", "entries", "standings", "validators", "checkpoints"),
    "office": (
        *("meta", "documents", "outbox", "issuances", "status_lists", "status_bits", "status_versions"),
        *("consignments", "items", "keys", "links", "sessions"),
    ),
}


@pytest.fixture
def signing(tmp_path: Path) -> Iterator[SigningStore]:
    store = SigningStore(tmp_path / "signing.db")
    yield store
    store.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerStore]:
    store = LedgerStore(tmp_path / "ledger.db")
    yield store
    store.close()


def row(number: int, **changes: object) -> EntryRow:
    """A leaf as a block has it, or with another type and what it is found by."""
    entry = BLOCK_OPENING + b"%d" % number
    values: dict[str, object] = {"entry": entry, "leaf_hash": leaf_hash(entry), "type": "block"}
    return EntryRow(**{**values, **changes})  # type: ignore[arg-type]


def commit(ledger: LedgerStore, height: int, rows: list[EntryRow], **changes: dict[bytes, bytes]) -> None:
    tip = LedgerTip(height, b"id", 100 + height, b"app", b"frontier")
    ledger.commit_block(
        tip,
        block=b"block",
        certificate=b"certificate",
        entries=rows,
        standings=changes.get("standings", {}),
    )


def test_a_guard_lets_the_same_bytes_pass_and_no_others(signing: SigningStore) -> None:
    """
    A second, different signature for one height, round and kind raises; nothing of it is written.
    """
    signing.persist(1, [(b"vote for a", (1, 0, "prevote"))])
    signing.persist(1, [(b"vote for a", (1, 0, "prevote"))])

    with pytest.raises(GuardError, match="another prevote of height 1 round 0"):
        signing.persist(1, [(b"first", (1, 0, "proposal")), (b"vote for b", (1, 0, "prevote"))])

    assert signing.wal(1) == [b"vote for a"]


def test_the_wal_survives_reopening_and_is_pruned(tmp_path: Path) -> None:
    """
    Records come back in order for the heights asked for, and only those of late heights stay.
    """
    store = SigningStore(tmp_path / "signing.db")
    for height in (1, 2, 3):
        store.persist(height, [(b"record %d" % height, (height, 0, "precommit"))])
    store.prune(2)
    store.close()

    store = SigningStore(tmp_path / "signing.db")

    assert store.wal(1) == [b"record 2", b"record 3"]
    assert store.wal(3) == [b"record 3"]
    store.close()


@pytest.mark.parametrize(
    ("size", "root", "time", "allowed"),
    [
        (11, b"b", 5, True),
        (10, b"a", 6, True),
        (10, b"a", 5, True),
        (10, b"b", 6, False),
        (9, b"a", 6, False),
        (10, b"a", 4, False),
    ],
    ids=["growth", "later time", "repeated", "other root", "smaller", "earlier time"],
)
def test_the_cosign_guard_allows_growth_only(
    signing: SigningStore, size: int, root: bytes, time: int, allowed: bool
) -> None:
    """
    A checkpoint may follow (10, a, 5) if it is larger, or the same with a time that is not earlier.
    """
    signing.guard_cosignature(10, b"a", 5)

    if allowed:
        signing.guard_cosignature(size, root, time)
        assert signing.last_cosigned() == (size, root, time)
    else:
        with pytest.raises(GuardError):
            signing.guard_cosignature(size, root, time)
        assert signing.last_cosigned() == (10, b"a", 5)


def test_a_block_is_written_whole_or_not_at_all(ledger: LedgerStore) -> None:
    """
    If any part cannot be written, nothing of the block is there.
    """
    commit(ledger, 1, [filler(7)], standings={b"k": b"v"})

    with pytest.raises(sqlite3.IntegrityError):
        commit(ledger, 2, [row(1), filler(7)], standings={b"k": b"w"})

    tip = ledger.tip()
    assert tip is not None
    assert (tip.height, ledger.log_size(), ledger.standings.record(b"k")) == (1, 1, b"v")


def test_entries_are_found_by_what_they_are_about(ledger: LedgerStore) -> None:
    """
    Leaf indexes run on over blocks; subject, digest and document lead to the entry.
    """
    said = filler(7)
    assert said.digest is not None
    commit(ledger, 1, [row(0, subject=b"s", digest=b"d0", document_digest=b"x"), row(1)])
    commit(ledger, 2, [replace(said, subject=b"s"), row(3)])

    assert [(e.leaf_index, e.height) for e in ledger.leaves.of(b"s")] == [(0, 1), (2, 2)]
    assert [e.leaf_index for e in ledger.leaves.with_digest(said.digest)] == [2]
    assert [e.leaf_index for e in ledger.leaves.with_document(b"x")] == [0]
    hashes = [row(0).leaf_hash, row(1).leaf_hash, said.leaf_hash, row(3).leaf_hash]
    assert [one.leaf_hash for one in ledger.leaves.since(0, 9)] == hashes
    assert [e.leaf_index for e in ledger.leaves.since(2, 10)] == [2, 3]


def test_one_read_transaction_sees_one_state(ledger: LedgerStore) -> None:
    """
    What is committed beside a reader does not change what the reader sees until it ends.
    """
    import threading

    commit(ledger, 1, [row(0)], standings={b"k": b"before"})

    with ledger.reading():
        first = ledger.standings.record(b"k")
        writer = threading.Thread(
            target=commit, args=(ledger, 2, [row(1)]), kwargs={"standings": {b"k": b"after"}}
        )
        writer.start()
        writer.join()
        second = ledger.standings.record(b"k")

    assert (first, second, ledger.standings.record(b"k")) == (b"before", b"before", b"after")


def test_the_standing_reader_answers_for_many(ledger: LedgerStore) -> None:
    """
    Known keys and final digests come back, whatever the number asked for at once.
    """
    keys = [sha256(b"%d" % n).digest() for n in range(1200)]
    said = filler(7)
    assert said.digest is not None
    commit(ledger, 1, [said, row(1, digest=b"d")], standings={key: b"v" + key for key in keys})
    reader = SqliteStandingReader(ledger)

    assert reader.get_many([*keys, b"unknown"]) == {key: b"v" + key for key in keys}
    assert reader.final([said.digest, b"d", b"e"]) == {said.digest}, "a statement, and nothing else"


def test_the_map_of_standings_reads_its_buckets_from_disk(ledger: LedgerStore) -> None:
    """
    A map over the database has the root of a map over the same records in memory, before and after changes.
    """
    keys = [sha256(b"%d" % n).digest() for n in range(300)]
    records = {key: b"v" + key for key in keys}
    commit(ledger, 1, [row(0)], standings=records)
    changes = {keys[0]: b"changed", sha256(b"new").digest(): b"new"}

    on_disk = StandingsMap.over(ledger.standings.hashes(), ledger.standings.bucket)

    in_memory = StandingsMap(records.items())
    assert on_disk.root == in_memory.root
    assert on_disk.root_with(changes) == in_memory.root_with(changes)
    commit(ledger, 2, [row(1)], standings=changes)
    on_disk.apply(changes)
    assert on_disk.root == in_memory.root_with(changes) == StandingsMap(ledger.standings.all()).root


def test_blocks_are_given_in_sequence_within_limits(ledger: LedgerStore) -> None:
    """
    At least one block is given, then as many as fit.
    """
    for height in (1, 2, 3):
        commit(ledger, height, [])

    assert len(ledger.blocks(1, 10, 10_000)) == 3
    assert len(ledger.blocks(2, 10, 1)) == 1
    assert ledger.blocks(4, 10, 10_000) == []


def test_a_receipt_is_made_under_the_first_note_over_its_leaf(ledger: LedgerStore) -> None:
    """
    An idle log is cosigned again and again; what is shown is the newest note, what proves a time the first.
    """
    ledger.put_checkpoint(2, 100, "first of two")
    ledger.put_checkpoint(2, 160, "second of two")
    ledger.put_checkpoint(5, 200, "first of five")

    assert ledger.checkpoint() == (5, "first of five")
    assert ledger.checkpoint_covering(1) == "first of two"
    assert ledger.checkpoint_covering(2) == "first of five"
    assert ledger.checkpoint_covering(5) is None


@pytest.mark.parametrize("cut", ["strange", "half", "the first page"])
def test_a_ledger_that_is_no_database_is_one_sentence(tmp_path: Path, cut: str) -> None:
    """
    A file that is damaged or cut off is refused with the command that makes it again, not with a traceback.
    """
    path = tmp_path / "ledger.db"
    LedgerStore(path).close()
    whole = path.read_bytes()
    left = {
        "strange": b"not a database" * 100,
        "half": whole[: len(whole) // 2],
        "the first page": whole[:4096],
    }
    path.write_bytes(left[cut])

    with pytest.raises(SetupError, match=r"comity rebuild --data .* --from URL"):
        LedgerStore(path)


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    """
    So it is of the office, which no peer has: a backup is what there is.
    """
    (tmp_path / "office.db").write_bytes(b"not a database" * 100)

    with pytest.raises(SetupError, match="is not a database of this node: restore it"):
        OfficeStore(tmp_path / "office.db")


def test_documents_keep_their_first_copy(tmp_path: Path) -> None:
    """
    A fetched document takes the newer fetch time; an own one stays own.
    """
    office = OfficeStore(tmp_path / "office.db")
    own = StoredDocument(b"o", "passport", b"{}", "did:web:maker.example", point=1, set_digest=b"s")
    fetched = StoredDocument(b"f", "fetched", b"{}", "did:web:maker.example", fetched_at=5)
    for moment in (5, 9):
        with office.writing() as db:
            again = StoredDocument(b"o", "fetched", b"{}", "did:web:maker.example", fetched_at=moment)
            newer = StoredDocument(b"f", "fetched", b"{}", "did:web:maker.example", fetched_at=moment)
            office.documents.put(db, [own, fetched, again, newer])

    kept_own, kept_fetched = office.documents.get(b"o"), office.documents.get(b"f")

    assert kept_own == own
    assert kept_fetched is not None
    assert kept_fetched.fetched_at == 9
    assert office.documents.of_set(b"s") == [own]
    office.close()


# --- durability, privacy, whose file it is


@pytest.mark.parametrize("name", ["signing", "ledger", "office"])
def test_a_transaction_is_on_disk_when_it_ends(tmp_path: Path, name: str) -> None:
    """
    Every connection of every database has synchronous=FULL and a write-ahead log, also after one that is not
    durable by itself, and also when that one failed half-way.
    """
    database = Database(tmp_path / f"{name}.db", HISTORIES[name])

    def full() -> bool:
        return [
            database.connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("synchronous", "journal_mode")
        ] == [
            2,
            "wal",
        ]

    seen = [full()]
    with database.writing(durable=False) as db:
        inside = db.execute("PRAGMA synchronous").fetchone()[0]
    seen.append(full())
    with pytest.raises(RuntimeError), database.writing(durable=False):
        raise RuntimeError("half-way")
    seen.append(full())
    elsewhere = threading.Thread(target=lambda: seen.append(full()))
    elsewhere.start()
    elsewhere.join()
    database.close()

    assert (seen, inside) == ([True] * 4, 1)


def test_a_block_is_synced_after_a_checkpoint_was_not(ledger: LedgerStore, tmp_path: Path) -> None:
    """
    Keeping a checkpoint, which peers have as well, does not leave the connection of the next block lazy.
    """
    ledger.put_checkpoint(1, 1, "note")
    with pytest.raises(OverflowError):
        ledger.put_checkpoint(1 << 64, 1, "a size that no database holds")

    with ledger.reading() as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_transaction_that_fails_is_no_longer_open(tmp_path: Path) -> None:
    """
    After a statement that failed, and after one that ended the transaction by itself, the next one begins.
    """
    office = OfficeStore(tmp_path / "office.db")
    for ending in ("INSERT INTO nowhere VALUES (1)", "ROLLBACK"):
        with pytest.raises(sqlite3.Error), office.writing() as db:
            db.execute("INSERT INTO meta VALUES ('a', 'b')")
            db.execute(ending)

    assert office.bind("a", b"new") == b"new"
    office.close()


def test_a_write_that_was_refused_is_told_until_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A file that may not grow says why, however often it is asked, and tries by itself; a lock of another is
    told too, and is never waited for; what is wrong with a statement is no word about the disk.
    """
    monkeypatch.setattr(database, "ROOM_APART_S", 0.0)
    office = OfficeStore(tmp_path / "office.db")
    with office.reading() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    assert office.refusal() is None

    office._db.connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"), office.writing() as db:
        office.remember(db, "large", bytes(1 << 20))
    assert [office.refusal() for _ in range(3)] == ["database or disk is full"] * 3

    office._db.connection.execute(f"PRAGMA max_page_count={pages + 1000}")
    assert office.refusal() is None

    other = sqlite3.connect(tmp_path / "office.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    office._db.connection.execute("PRAGMA busy_timeout=0")
    with pytest.raises(sqlite3.OperationalError, match="locked"), office.writing():
        pass
    started = time.monotonic()
    assert office.refusal() == "database is locked"
    assert time.monotonic() - started < database.BUSY_TIMEOUT_S / 2
    other.close()
    assert office.refusal() is None

    with pytest.raises(sqlite3.OperationalError, match="no such table"), office.writing() as db:
        db.execute("DELETE FROM nowhere")
    assert office.refusal() is None and office.remembered("room") is None


def test_databases_are_their_owners_alone(tmp_path: Path) -> None:
    """
    Whatever the umask, a database, its log and its shared memory have mode 0600; an older one gets it.
    """
    before = os.umask(0)
    try:
        (tmp_path / "ledger.db").touch(0o644)
        signing = SigningStore(tmp_path / "signing.db")
        ledger = LedgerStore(tmp_path / "ledger.db")
        office = OfficeStore(tmp_path / "office.db")
        ledger.bind("x", b"y")
        office.bind("x", b"y")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    for close in (signing.close, ledger.close, office.close):
        close()

    assert {f"{name}.db{suffix}" for name in HISTORIES for suffix in ("", "-wal", "-shm")} == set(modes)
    assert set(modes.values()) == {0o600}


# --- versions


def dump(database: Database) -> list[str]:
    """The schema, in a form in which two files made by different roads are equal."""
    rows = database.connection.execute(
        "SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
    ).fetchall()
    found = [f"{row['type']} {row['name']} of {row['tbl_name']}" for row in rows]
    for row in rows:
        if row["type"] == "table":
            columns = database.connection.execute(f"PRAGMA table_info({row['name']})").fetchall()
            found += [f"{row['name']}: {column['name']} {column['type']}" for column in columns]
    return found


def test_there_is_a_file_of_every_earlier_version() -> None:
    """
    Whoever adds a step keeps a file as it was before it: `python -m tests.harness.earlier` writes it.
    """
    assert not missing()
    assert len(list(EARLIER.glob("*.sql"))) == sum(map(len, STEPS.values()))


@pytest.mark.parametrize("name", HISTORIES)
def test_the_file_of_todays_version_can_be_written_for_the_next_step(tmp_path: Path, name: str) -> None:
    """
    Its statements make a file that opens as it is, with a row in each table, also in an index of words.
    """
    made = sqlite3.connect(tmp_path / "made.db")
    made.executescript(statements(name, len(STEPS[name])))

    assert all(tables(made).values())
    if name == "office":
        made.execute("INSERT INTO passport_words VALUES (7, 'newly found')")
        found = made.execute("SELECT rowid FROM passport_words_fts WHERE passport_words_fts MATCH '\"wly\"'")
        assert found.fetchall() == [(7,)]
        assert made.execute("SELECT COUNT(*) FROM consignment_words_fts").fetchone()[0] > 0
    made.commit()
    made.close()
    Database(tmp_path / "made.db", HISTORIES[name]).close()


@pytest.mark.parametrize("path", sorted(EARLIER.glob("*.sql")), ids=lambda path: path.stem)
def test_an_earlier_version_is_brought_forwards(tmp_path: Path, path: Path) -> None:
    """
    A file of any earlier version opens with today's schema and all its rows; a second time changes nothing.
    """
    name = path.stem.partition("-")[0]
    file = tmp_path / f"{name}.db"
    with closing(sqlite3.connect(file)) as made, made:
        made.executescript(path.read_text())
        had = tables(made)
    made.close()
    fresh = Database(tmp_path / "fresh.db", HISTORIES[name])

    for _ in range(2):
        database = Database(file, HISTORIES[name])
        schema, expected = dump(database), dump(fresh)
        rows = tables(database.connection)
        steps = [
            row[0] for row in database.connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")
        ]
        database.close()

        assert set(expected) <= set(schema)
        assert all(had[table] for table in KEPT[name])
        for counted in (rows, had):  # office_23: what is told to others went from `attempts` to `letters`
            counted["letters"] = counted.get("letters", 0) + counted.pop("attempts", 0)
        had.pop("finals", None)  # ledger_7: what it said stands in the entries
        assert {table: rows[table] for table in had} == had
        assert steps == list(HISTORIES[name].steps)
    fresh.close()


def read_bytes() -> int:
    """What this thread has read of files so far."""
    return int(Path("/proc/thread-self/io").read_text().split()[1])


def test_a_list_of_consignments_reads_none_of_their_manifests(tmp_path: Path) -> None:
    """
    Of consignments with large manifests a page, one of them and what its job writes cost their own rows; the
    manifest is read where it is asked for.
    """
    manifests = [bytes([number]) * (1 << 20) for number in range(4)]
    office = OfficeStore(tmp_path / "office.db")
    with office.writing() as db:
        for number, manifest in enumerate(manifests):
            office.consignments.put(
                db,
                id=f"c{number}",
                declaration="D1",
                manifest=manifest,
                manifest_digest=b"x",
                consignee_eori=None,
                direction="import",
                law_date="2027-02-18",
                created=1,
                lines=20_000,
                client="k",
                text="",
            )
    office.close()

    office = OfficeStore(tmp_path / "office.db")
    began = read_bytes()
    page, one = office.consignments.page(50, None), office.consignments.get("c2")
    with office.writing() as db:
        office.consignments.progress(
            db, "c2", done=9, evaluated_at=1, height=1, block_time=1, state="running"
        )
    read = read_bytes() - began
    found = office.consignments.manifest("c2")
    written = (tmp_path / "office.db-wal").stat().st_size
    office.close()

    assert [row.id for row in page] == ["c3", "c2", "c1", "c0"] and one == page[1]
    assert found == manifests[2]
    assert read < 1 << 20
    assert written < 1 << 20


def test_a_manifest_of_an_earlier_version_is_found_where_it_is_now(tmp_path: Path) -> None:
    """
    What was taken in before manifests had a table of their own can be judged again.
    """
    with closing(sqlite3.connect(tmp_path / "office.db")) as made, made:
        made.executescript((EARLIER / "office-10.sql").read_text())
        ((id_, manifest),) = made.execute("SELECT id, manifest FROM consignments").fetchall()
    made.close()

    office = OfficeStore(tmp_path / "office.db")
    try:
        assert office.consignments.manifest(id_) == manifest
        assert [row.id for row in office.consignments.page(9, None)] == [id_]
    finally:
        office.close()


def test_reports_of_attempts_that_wait_in_an_earlier_version_wait_as_letters(tmp_path: Path) -> None:
    """
    Each goes on waiting, or is kept as sent or given up, as it was signed, with its tries and its time; what
    was told here keeps the number by which its alert names it.
    """
    digest, report = b"\x02" * 32, b"as the refuser signed it"
    more = [
        (
            n,
            digest,
            "did:me",
            told,
            "X9",
            "did:who",
            "battery.sold",
            b"\x03",
            100 + n,
            report,
            state,
            n,
            50 + n,
        )
        for n, (told, state) in enumerate(
            [("did:a", "waits"), ("did:b", "sent"), ("", "waits"), ("did:c", "given_up")], 5
        )
    ]
    with closing(sqlite3.connect(tmp_path / "office.db")) as made, made:
        made.executescript((EARLIER / "office-22.sql").read_text())
        made.execute("DELETE FROM attempts")
        made.executemany(f"INSERT INTO attempts VALUES ({', '.join('?' * 13)})", more)
    made.close()

    office = OfficeStore(tmp_path / "office.db")
    try:
        (here,) = office.attempts.page(9, None)
        assert (here.number, here.digest, here.report, here.at) == (7, digest, report, 107)
        letters = office.letters.of([digest])
        kept = [(one.path, one.told, one.state, one.at, one.tries, one.due, one.data) for one in letters]
        assert kept == [
            ("attempts", "did:a", "waits", 105, 5, 55, report),
            ("attempts", "did:b", "sent", 106, 6, 56, report),
            ("attempts", "did:c", "given_up", 108, 8, 58, report),
        ]
        assert [one.told for one in office.letters.waiting(55, 9)] == ["did:a"]
    finally:
        office.close()


@pytest.mark.parametrize("name", ["signing", "ledger", "office"])
def test_every_step_is_taken_in_one_transaction(tmp_path: Path, name: str) -> None:
    """
    From each step of the history to the next ones: a failure in the last leaves the file as it was.
    """
    history = HISTORIES[name]
    for start in range(len(history.steps)):
        file = tmp_path / f"{name}-{start}.db"
        database = Database(file, History(name, *STEPS[name][:start]))
        before = dump(database)
        database.close()

        def broken(db: sqlite_utils.Database) -> None:
            db.execute("CREATE TABLE half (done)")
            raise sqlite3.DatabaseError("the disk is full")

        with pytest.raises(SetupError):
            Database(file, History(name, *STEPS[name], broken))
        database = Database(file, History(name, *STEPS[name][:start]))
        unchanged = dump(database)
        database.close()
        database = Database(file, history)
        steps = [
            row[0] for row in database.connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")
        ]
        database.close()

        assert unchanged == before
        assert steps == list(history.steps)


@pytest.mark.parametrize("name", ["signing", "ledger", "office"])
def test_a_newer_version_is_refused(tmp_path: Path, name: str) -> None:
    """
    A file that took a step this program does not know is not opened, not changed, and the sentence says why.
    """

    def later(db: sqlite_utils.Database) -> None:
        db.execute("CREATE TABLE of_tomorrow (x)")

    file = tmp_path / f"{name}.db"
    Database(file, History(name, *STEPS[name], later)).close()
    before = file.read_bytes()

    with pytest.raises(
        SetupError, match=r"written by a newer version of this program \(it took the step later"
    ):
        Database(file, HISTORIES[name])

    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["signing", "ledger", "office"])
def test_every_index_is_of_columns(tmp_path: Path, name: str) -> None:
    """
    SQLite takes a quoted name that is no column for a text: such an index finds nothing, and a unique one
    refuses what it should not.
    """
    file = tmp_path / f"{name}.db"
    Database(file, HISTORIES[name]).close()
    opened = sqlite3.connect(file)
    indexes = [row[0] for row in opened.execute("SELECT name FROM sqlite_master WHERE type = 'index'")]
    named = {one: [row[2] for row in opened.execute(f"PRAGMA index_info('{one}')")] for one in indexes}
    opened.close()

    assert indexes and not [one for one, columns in named.items() if None in columns]  # None: an expression


@pytest.mark.parametrize("name", ["signing", "ledger", "office"])
def test_a_file_that_lacks_a_table_is_damaged(tmp_path: Path, name: str) -> None:
    """
    Whichever it is, it is told when the file is opened: a guard that is gone was taken all the same.
    """
    file = tmp_path / f"{name}.db"
    tables = sorted(HISTORIES[name].tables)
    assert {"signing": "guard", "ledger": "blocks", "office": "outbox"}[name] in tables

    for table in tables:
        file.unlink(missing_ok=True)
        Database(file, HISTORIES[name]).close()
        with closing(sqlite3.connect(file)) as changed, changed:
            changed.execute(f"DROP TABLE {table}")
        changed.close()
        with pytest.raises(SetupError):
            Database(file, HISTORIES[name])


@pytest.mark.parametrize("store", [SigningStore, LedgerStore, OfficeStore])
def test_a_file_that_another_program_holds_is_told_so_and_soon(
    tmp_path: Path, store: type[SigningStore | LedgerStore | OfficeStore]
) -> None:
    """
    A whole file that is locked is not called damaged (who reads that moves it away), and nobody waits long.
    """
    path = tmp_path / "held.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    started = time.monotonic()
    with pytest.raises(SetupError, match=r"cannot be opened now \(database is locked\)"):
        store(path)
    took_s = time.monotonic() - started
    holder.close()
    store(path).close()

    assert took_s < database.BUSY_TIMEOUT_S / 2, "it waits for nobody as it does for its own threads"


def test_a_newer_signing_db_is_not_called_damaged(tmp_path: Path) -> None:
    """
    The file of a newer version keeps its own sentence: whoever is told to move it away could sign twice.
    """
    path = tmp_path / "signing.db"

    def later(db: sqlite_utils.Database) -> None:
        db.execute("CREATE TABLE of_tomorrow (x)")

    Database(path, History("signing", *STEPS["signing"], later)).close()

    with pytest.raises(SetupError, match="written by a newer version"):
        SigningStore(path)


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("other", STORES)
def test_a_database_under_the_name_of_another_is_refused_untouched(
    tmp_path: Path, kind: str, other: str
) -> None:
    """
    Whichever two of the three changed places, before anything is written into them: a guard of votes that is
    empty because it is another file's is no guard.
    """
    path = tmp_path / f"{kind}.db"
    STORES[other](path).close()
    held = path.read_bytes()

    if kind == other:
        STORES[kind](path).close()
    else:
        with pytest.raises(SetupError, match=rf"is no {kind}\.db: it holds what {other}\.db has"):
            STORES[kind](path)
    assert path.read_bytes() == held


@pytest.mark.parametrize(
    ("store", "step"),
    [
        pytest.param(SigningStore, 509, id="signing.db"),
        pytest.param(LedgerStore, 509, id="ledger.db"),
        pytest.param(OfficeStore, 2036, id="a quarter of office.db"),
        pytest.param(OfficeStore, 509, id="office.db", marks=pytest.mark.check),
    ],
)
def test_a_refused_file_is_let_go(
    tmp_path: Path, store: type[SigningStore | LedgerStore | OfficeStore], step: int
) -> None:
    """
    Whatever is wrong with a file, no lock of this process stays on it: put right, it opens.
    """
    path = tmp_path / "file.db"
    store(path).close()
    whole = path.read_bytes()
    kept = []
    for place in range(100, len(whole) // 4096 * 4096, step):
        path.write_bytes(whole[:place] + b"\xff" * 40 + whole[place + 40 :])
        try:
            store(path).close()
        except SetupError as error:
            kept.append(error)  # and with it what its frames hold
        for side in ("-wal", "-shm"):
            Path(f"{path}{side}").unlink(missing_ok=True)
        path.write_bytes(whole)
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        other.close()
        path.write_bytes(whole)

    print(f"{len(kept)} damaged files refused and let go")
    assert len(kept) > 3


def test_a_leaf_beyond_the_log_is_none(ledger: LedgerStore) -> None:
    """
    Asked for by its number: the leaf, or none where the log has not reached it.
    """
    commit(ledger, 1, [row(0), row(1)])

    found = ledger.leaves.at(1)
    assert found is not None and found.entry == row(1).entry
    assert ledger.leaves.at(2) is None


CLOSED = """
import sqlite3, sys, threading, time
from pathlib import Path
from node.storage.office import OfficeStore
LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT SUM(i) FROM n"
for number in range(8):
    office = OfficeStore(Path(sys.argv[1]) / f"{number}.db")
    told = []
    def read():
        try:
            while True:
                office._db.connection.execute(LONG).fetchone()
        except sqlite3.ProgrammingError as error:
            told.append(str(error))
    readers = [threading.Thread(target=read) for _ in range(2)]
    for one in readers: one.start()
    time.sleep(0.02)
    office.close()
    for one in readers: one.join()
    assert told == ["Cannot operate on a closed database."] * 2, told
print("whole")
"""


@pytest.mark.check
def test_a_database_that_is_closed_while_others_read_takes_nothing_along(tmp_path: Path) -> None:
    """
    Threads that are within a statement when the database is closed end it, and are given no connection more.

    The process ended with a segmentation fault.
    """
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )

    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr
