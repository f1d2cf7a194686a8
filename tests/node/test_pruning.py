"""Pruned blocks: what is kept of them, what is still told of them, and what is said to be unchecked."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from consensus.cose import SeedSigner
from consensus.log_policy import LogPolicy
from consensus.types import Block
from credentials.ledger.parties import Limits
from credentials.verdicts.evidence import LedgerView
from node.errors import SetupError
from node.ledger import snapshot, snapshot_join
from node.ledger.comet.decided import by_cometbft
from node.ledger.rebuilding import rebuild
from node.ledger.verifying import verify
from node.settings import Settings
from node.storage.database import Damaged
from node.storage.ledger import LedgerStore
from node.storage.pruned import BLOCKS_AT_ONCE
from node.verdicts.ledger_views import read_view
from tests.harness import kept
from tests.harness.border import code as code_of
from tests.harness.border import identifier_of
from tests.harness.comet import Pair
from tests.harness.constitution.side import files
from tests.harness.engines import Network, founded_now
from tests.harness.kept import KeptLedger
from tests.harness.ledger import MAKER, RIVAL, VALIDATORS, battery, make_genesis, signer
from tests.node.test_snapshot_governance import Lived, _rows, lived, table

BLOCKS = 10
ROOT = Path(__file__).parents[2]


def usual(kid: str) -> SeedSigner:
    """The key with this id in the usual founding."""
    did, _, fragment = kid.partition("#")
    return signer(did, fragment.rpartition("-")[0])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptLedger]:
    """Blocks with admitted, claimed and refused attestations between each other, and empty ones."""
    ledger = KeptLedger(make_genesis(), tmp_path_factory.mktemp("original") / "ledger.db")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kept, "signer_of", usual)
        for number in range(BLOCKS):
            about = battery(number)
            told = [ledger.attest(MAKER, "battery.produced", about) for _ in range(3 * (number % 3 > 0))]
            told += [ledger.attest(RIVAL, "battery.reported_lost", battery(1))] * (number > 1)
            ledger.execute(ledger.block(ledger.propose(told)))
        ledger.seal()
    yield ledger
    ledger.store.close()


@pytest.fixture
def store(original: KeptLedger, tmp_path: Path) -> Iterator[LedgerStore]:
    """Its ledger.db, for one test."""
    copied = tmp_path / "ledger.db"
    original.store._db.connection.execute("VACUUM INTO ?", (str(copied),))
    made = LedgerStore(copied)
    yield made
    made.close()


def pruned(store: LedgerStore, last: int) -> None:
    while store.pruned.height < last:
        store.pruned.prune(last, by_cometbft)


def test_a_pruned_block_is_put_together_again(original: KeptLedger, store: LedgerStore) -> None:
    """
    Every block has its own bytes and its own id; who agreed to it is gone, of those that are pruned alone;
    what lost stays readable, as a verdict names it.
    """
    before = store.blocks(1, BLOCKS, 1 << 30)
    kinds = {row.type for row in store.leaves.since(0, 1000)}
    pruned(store, BLOCKS - 2)
    after = store.blocks(1, BLOCKS, 1 << 30)

    assert kinds == {"admitted", "claim", "refused", "block"}
    assert [block for block, _ in after] == [block for block, _ in before]
    assert [bool(certificate) for _, certificate in after] == [False] * (BLOCKS - 2) + [True] * 2
    for row in store.leaves.since(0, 1000):
        if row.type == "refused":
            assert row.digest is not None
            data = store.ordered_attestation(row.height, row.digest)
            assert data is not None and sha256(data).digest() == row.digest
            assert store.ordered_attestations([(row.height, row.digest)]) == {row.digest: data}


def test_a_verdict_reads_of_a_pruned_ledger_what_it_reads_of_a_whole_one(
    original: KeptLedger, store: LedgerStore
) -> None:
    """
    Of each battery the same record, with what was claimed of it and with what lost: so the word is the same.
    """
    governance, code = original.history.at(original.height), identifier_of(code_of(1))

    def read(one: LedgerStore) -> list[LedgerView]:
        with one.reading():
            return [read_view(one, battery(n), code, governance=governance) for n in range(BLOCKS)]

    whole = read(original.store)
    pruned(store, BLOCKS - 2)

    assert read(store) == whole
    assert any(view.refused for view in whole) and any(view.claims for view in whole)


def test_what_could_not_be_put_together_again_stays(original: KeptLedger, store: LedgerStore) -> None:
    """
    Where an entry is damaged the block is the only good copy of it: it is left whole, with who agreed to it,
    and the ledger is rebuilt from it.
    """
    (damaged,) = [row for row in store.leaves.since(0, 1000) if row.height == 3 and row.type == "admitted"]
    with store._db.writing() as db:
        db.execute(
            "UPDATE entries SET entry = CAST(substr(entry, 1, 99) || x'00' AS BLOB) WHERE leaf_index = ?",
            (damaged.leaf_index,),
        )
    pruned(store, BLOCKS - 2)

    assert [(block, bool(agreed)) for block, agreed in store.blocks(3, 1, 1)] == [
        (block, True) for block, _ in original.store.blocks(3, 1, 1)
    ]
    assert not store.blocks(4, 1, 1)[0][1]


def test_a_pruned_block_that_lacks_its_entries_is_damaged(store: LedgerStore) -> None:
    """
    Nothing is told of a block that cannot be put together any more.
    """
    pruned(store, BLOCKS)
    with store._db.writing() as db:
        db.execute("UPDATE entries SET type = 'refused' WHERE type = 'admitted'")
    with pytest.raises(Damaged, match="cannot be put together"):
        store.blocks(1, BLOCKS, 1 << 30)


def test_little_is_pruned_at_once_and_none_twice(store: LedgerStore) -> None:
    """
    With each block so many are pruned at most, in one transaction; below what is kept there is nothing to do.
    """
    heights = []
    for _ in range(5):
        store.pruned.prune(BLOCKS - 1, by_cometbft)
        heights.append(store.pruned.height)
    before = store._db.connection.total_changes
    store.pruned.prune(BLOCKS - 1, by_cometbft)
    store.pruned.prune(2, by_cometbft)

    assert heights == [BLOCKS_AT_ONCE, 2 * BLOCKS_AT_ONCE, BLOCKS - 1, BLOCKS - 1, BLOCKS - 1]
    assert store._db.connection.total_changes == before


KILLED = """
import os, sys
from pathlib import Path
from node.ledger.comet.decided import by_cometbft
from node.storage.ledger import LedgerStore

def work(left):
    store = LedgerStore(Path(sys.argv[1]))
    def step(statement):
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)
    store._db.connection.set_trace_callback(step)
    while store.pruned.height < 8:
        store.pruned.prune(8, by_cometbft)

def found():
    store = LedgerStore(Path(sys.argv[1]))
    blocks, height = store.blocks(1, 10, 1 << 30), store.pruned.height
    store.close()
    return [block for block, _ in blocks], [bool(agreed) for _, agreed in blocks], height

before = found()[0]
for number in range(1, 1_000):
    child = os.fork()
    if not child:
        work(number)
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    blocks, agreed, height = found()
    assert blocks == before
    assert agreed == [place >= height for place in range(10)]
    if not killed:
        break
print(number, height)
"""


@pytest.mark.check
def test_killed_at_any_statement_of_pruning_every_block_is_there(store: LedgerStore) -> None:
    """
    Killed before each statement in turn, the process finds all blocks when it starts again, and those alone
    without who agreed to them that it says are pruned; then it goes on with what is left.
    """
    store.close()
    script = [sys.executable, "-c", KILLED, str(store._db.path)]
    told = subprocess.run(script, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()

    assert int(told[0]) > 20 and int(told[1]) == 8, told


# -- a network in which everything that governs changed ----------------------------------------------------


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    found = lived(tmp_path_factory.mktemp("few"), 25)
    pruned(found.ledger.store, found.ledger.height - 5)
    snapshot.write(found.ledger.store, found.ledger.genesis, found.rows)
    yield found
    found.joined.close()
    found.ledger.store.close()


@pytest.mark.check
def test_a_node_joins_from_one_that_pruned(few: Lived, tmp_path: Path) -> None:
    """
    The snapshot of a node that pruned leads to the same ledger, and the joiner knows of which blocks nobody
    showed it who agreed to them.
    """
    path, last = tmp_path / "ledger.db", few.ledger.height

    assert snapshot_join.join(few.rows, few.known, path) == last
    with closing(LedgerStore(path)) as made:
        assert made.pruned.height == last - 5
        assert made.blocks(1, last, 1 << 30) == few.ledger.store.blocks(1, last, 1 << 30)
        for name in ("blocks", "entries", "standings", "governance", "validators"):
            assert table(made, tmp_path, name) == table(few.ledger.store, tmp_path, name), name


@pytest.mark.check
def test_who_agreed_is_left_out_of_no_last_block(few: Lived, tmp_path: Path) -> None:
    """
    A snapshot that shows of no block who agreed to it is refused, whoever vouches for its beginning.
    """
    rows = _rows(few.rows)
    for row in rows:
        if row[0] == "block":
            row[2] = b""
    for known in (few.known, replace(few.known, uncertified=True, compared=few.ledger.log.size // 2)):
        with pytest.raises(SetupError, match="no later one shows who agreed"):
            few.taken(rows, tmp_path, known)


@pytest.mark.check
def test_where_others_cosign_now_a_fingerprint_has_to_cover_what_was_pruned(
    few: Lived, tmp_path: Path
) -> None:
    """
    Who knows the founding cosigners alone, and these cosign no more, has nothing by which to believe pruned
    blocks: it is told whom to ask; the fingerprint of a sponsor that covers what they did is enough.
    """
    rows, other = _rows(few.rows), make_genesis()
    stranger = LogPolicy.parse(other.governance.log_policy(other.origin))
    blocks = [Block.decode(row[1]) for row in rows if row[0] == "block"]
    known, kept = replace(few.known, policy=stranger), blocks[few.ledger.height - 5]

    with pytest.raises(SetupError, match="block 1 was pruned, and others have cosigned since"):
        few.taken(rows, tmp_path, known)
    with pytest.raises(SetupError, match="was pruned, and others have cosigned since"):
        few.taken(rows, tmp_path, replace(known, compared=kept.log_size - 1))
    assert few.taken(rows, tmp_path, replace(known, compared=kept.log_size)) == few.ledger.height


@pytest.mark.check
def test_a_pruned_ledger_is_rebuilt_from_its_own_blocks(few: Lived, tmp_path: Path) -> None:
    """
    Every block is executed again and leads to what was cosigned; of those that were pruned it still says so.
    """
    path = tmp_path / "ledger.db"
    few.ledger.store._db.connection.execute("VACUUM INTO ?", (str(path),))

    assert rebuild(path, few.ledger.genesis, few.known.policy, files().get) == few.ledger.height
    assert verify(path, few.ledger.genesis).entries == few.ledger.log.size
    with closing(LedgerStore(path)) as made:
        assert made.pruned.height == few.ledger.height - 5
        assert table(made, tmp_path, "blocks") == table(few.ledger.store, tmp_path, "blocks")


@pytest.mark.check
def test_a_certificate_is_lacking_of_no_block_that_was_not_pruned(few: Lived, tmp_path: Path) -> None:
    """
    A ledger that lost who agreed to a block which it did not prune is not rebuilt as if it had.
    """
    path = tmp_path / "ledger.db"
    few.ledger.store._db.connection.execute("VACUUM INTO ?", (str(path),))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE blocks SET certificate = x'' WHERE height = ?", (few.ledger.height - 1,))

    with pytest.raises(SetupError, match="cannot be rebuilt from its own blocks"):
        rebuild(path, few.ledger.genesis, few.known.policy, files().get)


# -- by choice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", ["0", "999", "-1", "true", '"1000"', "1000.5"])
def test_a_number_of_blocks_that_is_none_is_told(tmp_path: Path, blocks: str) -> None:
    """
    Without a number everything is kept; one that is too small to help a peer that was away is refused.
    """
    (tmp_path / "node.toml").write_text(f"[keep]\nblocks = {blocks}\n")
    with pytest.raises(SetupError, match=r"keep\.blocks is a number of blocks, 1000 at least"):
        Settings.read(tmp_path / "node.toml")
    (tmp_path / "node.toml").write_text("[keep]\nblocks = 1000\n")
    assert Settings.read(tmp_path / "node.toml").keep.blocks == 1000
    assert Settings().keep.blocks is None


@pytest.mark.check
def test_a_node_prunes_as_the_log_grows_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    """
    Below what it keeps and below a cosigned checkpoint, some with each block; receipts rest on none of it:
    entries, tree and notes are those of a node that keeps everything.
    """
    founding, kept_blocks = founded_now(), 3
    network = Network(founding, tmp_path, blocks_kept=kept_blocks)
    network.start(*VALIDATORS)
    for number in range(1, 10):
        network.submit(network.attestation(number))
        network.wait("the block", lambda: min(network.heights()) >= number)  # noqa: B023
    node = network.links.nodes[VALIDATORS[0]]
    network.wait("the checkpoint", lambda: node.ledger.checkpoint_of(node.ledger.log_size()) is not None)
    height, at = max(network.heights()), node.ledger.pruned.height
    blocks = node.ledger.blocks(1, height, 1 << 30)

    assert height - kept_blocks >= at >= height - kept_blocks - 2
    assert [bool(agreed) for _, agreed in blocks] == [place >= at for place in range(height)]
    node.stop()
    network.start(node.did)
    again = network.links.nodes[node.did]
    assert (again.ledger.pruned.height, again.tree.root()) == (at, node.tree.root())
    network.submit(network.attestation(20))
    network.wait("the next block", lambda: min(network.heights()) > height)
    network.wait("it to be pruned", lambda: again.ledger.pruned.height > at)
    for one in list(network.links.nodes.values()):
        one.stop()
        assert one.supervisor.failure is None


def test_cometbft_drops_its_blocks_up_to_what_is_pruned_and_still_needed_for_no_fault(
    tmp_path: Path, socket_path: Path
) -> None:
    """
    It is told from which block on it keeps its own: none that a fault may still be recorded of; where nothing
    is pruned it keeps all.
    """
    pair = Pair(founded_now(limits=Limits(evidence_heights_max=3)), tmp_path, socket_path)
    told = []
    for number in range(1, 8):
        pair.comet.decide(int(time.time()), [pair.attestation(number)])
        told.append(pair.comet.retained)
        if number > 3:
            pair.application.store.pruned.prune(number - 3, by_cometbft)
    pair.comet.decide(int(time.time()), [pair.attestation(9)])
    blocks = pair.application.store.blocks(1, 8, 1 << 30)
    pair.stop()

    assert [*told, pair.comet.retained] == [0, 0, 0, 0, 2, 3, 4, 5]
    assert all(by_cometbft(agreed) for _, agreed in blocks), "it says which engine decided them"
    assert [len(Block.decode(block).attestations) for block, _ in blocks] == [1] * 8
