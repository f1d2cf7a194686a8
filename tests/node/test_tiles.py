"""The tree of the log over the tiles of ledger.db: the tree that it would be in memory, and nothing else."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from consensus.merkle import TILE_WIDTH, Frontier, MerkleError, Tree, leaf_hash, verify_inclusion
from credentials.ledger.entries import BLOCK_OPENING
from node.storage import tiles
from node.storage.database import Damaged, Database
from node.storage.entries import EntryRow, LedgerTip
from node.storage.ledger import LedgerStore
from node.storage.schema_history import History
from tests.harness.earlier import STEPS

SPOIL = "UPDATE tiles SET hashes = CAST(x'00' || substr(hashes, 2) AS BLOB)"


def rows(start: int, count: int) -> list[EntryRow]:
    entries = [BLOCK_OPENING + b"%d" % number for number in range(start, start + count)]
    return [EntryRow(entry=entry, leaf_hash=leaf_hash(entry), type="block") for entry in entries]


def commit(store: LedgerStore, height: int, added: list[EntryRow]) -> None:
    tip = LedgerTip(height, b"id", 100 + height, b"app", b"frontier")
    store.commit_block(
        tip,
        block=b"block",
        certificate=b"certificate",
        entries=added,
        standings={},
        durable=False,
    )


def opened(store: LedgerStore) -> Tree:
    """The tree as a node has it that starts now."""
    size = store.log_size()
    return Tree.over(size, store.tiles.edge(size), store.tiles.nodes)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LedgerStore]:
    made = LedgerStore(tmp_path / "ledger.db")
    yield made
    made.close()


def require_equal(tree: Tree, whole: Tree, size: int, random: Random) -> None:
    """All that is asked of a tree, at this size of it."""
    index, old = random.randrange(size), random.randint(0, size)
    assert tree.root(size) == whole.root(size)
    assert tree.frontier(size) == whole.frontier(size)
    assert tree.leaf(index) == whole.leaf(index)
    assert tree.inclusion_proof(index, size) == whole.inclusion_proof(index, size)
    assert tree.consistency_proof(old, size) == whole.consistency_proof(old, size)
    for level in range(3):
        hashes = size >> 8 * level
        if hashes:
            number = random.randint(0, (hashes - 1) // TILE_WIDTH)
            width = random.randint(1, min(TILE_WIDTH, hashes - number * TILE_WIDTH))
            assert tree.tile(level, number, width) == whole.tile(level, number, width)
    with pytest.raises(MerkleError):
        tree.root(tree.size + 1)


@pytest.mark.parametrize("seed", range(4))
def test_a_tree_over_tiles_is_the_tree_in_memory_at_every_size(store: LedgerStore, seed: int) -> None:
    """
    Blocks of any length are added to it; after each it is compared, as it grew and opened anew, at sizes of
    all times.
    """
    random, whole, grown = Random(seed), Tree(), opened(store)
    for height in range(1, 25):
        added = rows(whole.size, random.choice((1, 1, 7, random.randint(1, 600))))
        commit(store, height, added)
        for tree in (whole, grown):
            tree.extend(row.leaf_hash for row in added)
        again = opened(store)
        assert again.size == grown.size == whole.size
        for size in {whole.size, whole.size // 256 * 256 or 1, random.randint(1, whole.size)}:
            require_equal(grown, whole, size, random)
            require_equal(again, whole, size, random)


def test_at_every_size_root_and_frontier_are_those_of_the_leaves(store: LedgerStore) -> None:
    """
    One leaf at a time over two full tiles: what follows from the leaves alone, computed without a tree.
    """
    tree, frontier = opened(store), Frontier()
    for size in range(1, 2 * TILE_WIDTH + 3):
        added = rows(size - 1, 1)
        commit(store, size, added)
        tree.extend(row.leaf_hash for row in added)
        frontier = frontier.append(row.leaf_hash for row in added)
        assert tree.frontier() == frontier
        assert opened(store).frontier() == frontier
        for index in {0, size // 2, size - 1}:
            verify_inclusion(
                rows(index, 1)[0].leaf_hash, index, size, tree.inclusion_proof(index), frontier.root
            )


@pytest.mark.check
def test_a_log_of_three_levels_of_tiles_is_that_tree_too(store: LedgerStore) -> None:
    """
    Past 65,536 leaves a tile of the first level is full, and one of the second begins.
    """
    random, whole = Random(3), Tree()
    for height in range(1, 68):
        added = rows(whole.size, 1_000)
        commit(store, height, added)
        whole.extend(row.leaf_hash for row in added)
    tree = opened(store)
    for size in (65_535, 65_536, 65_537, whole.size, *(random.randint(1, whole.size) for _ in range(200))):
        require_equal(tree, whole, size, random)


def test_a_tile_that_is_not_what_was_written_proves_nothing(store: LedgerStore, tmp_path: Path) -> None:
    """
    A byte of a full tile: whoever asks for what is under it is told that the file is damaged; the rest is
    proven. One of a partial tile: no tree is opened that has the tip's frontier.
    """
    commit(store, 1, rows(0, 1_000))
    whole = opened(store).frontier()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db, db:
        db.execute(f"{SPOIL} WHERE level = 0 AND number = 1")
    tree = opened(store)

    assert tree.frontier() == whole, "it is not read for the edge"
    assert tree.inclusion_proof(0) and tree.inclusion_proof(600) and tree.inclusion_proof(999)
    for _ in range(2):
        with pytest.raises(Damaged, match=r"ledger\.db is damaged: tile 0/1 "):
            tree.inclusion_proof(300)
    assert store.tiles.damaged

    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db, db:
        db.execute(f"{SPOIL} WHERE level = 1")
    assert opened(store).frontier() != whole
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db, db:
        db.execute("DELETE FROM tiles WHERE level = 1")
    with pytest.raises(MerkleError):
        opened(store)


def test_tiles_in_memory_are_so_many(store: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whatever is asked for, KEPT_MAX tiles stay; what is asked for again and again stays among them.
    """
    monkeypatch.setattr(tiles, "KEPT_MAX", 3)
    commit(store, 1, rows(0, 8 * TILE_WIDTH + 1))
    tree = opened(store)
    for number in range(8):
        assert tree.leaf(number * TILE_WIDTH) == rows(number * TILE_WIDTH, 1)[0].leaf_hash
        assert tree.leaf(0) == rows(0, 1)[0].leaf_hash
        assert len(store.tiles._kept) <= 3 and (0, 0) in store.tiles._kept


@pytest.mark.check
def test_readers_see_one_tree_while_it_grows(store: LedgerStore) -> None:
    """
    Threads prove leaves while another commits; one of them stays within the ledger as it was before: what
    they are given verifies at the size they ask for, and none meets a tile that is not there.
    """
    tree, frontiers, failed = opened(store), {0: Frontier()}, list[BaseException]()
    done = threading.Event()

    def prove(seed: int) -> None:
        random = Random(seed)
        try:
            while not done.is_set():
                size = tree.size
                if size:
                    index, root = random.randrange(size), frontiers[size].root
                    proof = tree.inclusion_proof(index, size)
                    verify_inclusion(rows(index, 1)[0].leaf_hash, index, size, proof, root)
        except BaseException as error:
            failed.append(error)

    def prove_from_long_ago() -> None:
        with store.reading():
            before = store.log_size()
            prove(7)
            assert store.log_size() == before

    threads = [threading.Thread(target=prove, args=(seed,)) for seed in range(2)]
    threads.append(threading.Thread(target=prove_from_long_ago))
    for thread in threads:
        thread.start()
    for height in range(1, 30):
        added = rows(tree.size, 100)
        hashes = [row.leaf_hash for row in added]
        frontiers[tree.size + 100] = frontiers[tree.size].append(hashes)
        commit(store, height, added)
        tree.extend(hashes)
    done.set()
    for thread in threads:
        thread.join()

    assert not failed


def test_a_ledger_that_is_closed_ends_a_tile_being_read_and_reads_no_other(store: LedgerStore) -> None:
    """
    Closed under the hands of the thread that reads it, the process would end with a segmentation fault; and
    no connection is made anew once the file was closed.
    """
    commit(store, 1, rows(0, 1_000))
    tree, another = opened(store), LedgerStore(store._db.path)
    unread = opened(another)
    another.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        unread.inclusion_proof(300)

    reading, go_on, proofs = threading.Event(), threading.Event(), list[object]()
    assert tree.inclusion_proof(0)
    connection = store.tiles._connection
    assert connection is not None

    def hold() -> int:
        reading.set()
        return 0 if go_on.wait(10) else 1

    connection.set_progress_handler(hold, 1)
    reader = threading.Thread(target=lambda: proofs.append(tree.inclusion_proof(300)))
    reader.start()
    assert reading.wait(10)
    closing_it = threading.Thread(target=store.close)
    closing_it.start()
    closing_it.join(0.2)
    assert closing_it.is_alive()
    go_on.set()
    closing_it.join(10)
    reader.join(10)

    assert len(proofs) == 1
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        tree.inclusion_proof(600)


def test_a_ledger_from_before_tiles_gets_those_that_its_blocks_would_have_made(tmp_path: Path) -> None:
    """
    They are written when the file is brought forward, once.
    """
    fresh = LedgerStore(tmp_path / "fresh.db")
    old = Database(tmp_path / "old.db", History("ledger", *STEPS["ledger"][:4]))
    for height, start in enumerate(range(0, 1_500, 250), 1):
        added = rows(start, 250)
        commit(fresh, height, added)
        with old.writing() as db:
            db.executemany(
                "INSERT INTO entries VALUES (?, ?, ?, ?, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ?)",
                [(start + n, row.leaf_hash, height, row.type, row.entry) for n, row in enumerate(added)],
            )
    old.close()
    store = LedgerStore(tmp_path / "old.db")

    every = "SELECT level, number, hashes FROM tiles ORDER BY level, number"
    made = [[tuple(row) for row in one._db.connection.execute(every)] for one in (fresh, store)]
    assert made[0] == made[1] and len(made[0]) == 6
    assert opened(store).frontier() == opened(fresh).frontier()
    for one in (fresh, store):
        one.close()
