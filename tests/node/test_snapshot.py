"""Snapshots: a node joins from rows whose roots it computes again, and refuses the altered ones."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consensus.encoding import Value, decode, encode
from consensus.merkle import leaf_hash
from consensus.types import Block
from credentials.ledger.entries import BLOCK_OPENING
from credentials.ledger.governance import VALIDATORS_AHEAD
from credentials.ledger.governance_records import PROPOSAL
from node.errors import ProblemError, SetupError
from node.ledger import incoming, snapshot, snapshot_join
from node.ledger import shelf as shelves
from node.ledger.shelf import Shelf
from node.peers.messages import BLOCKS_PER_REQUEST
from node.setup import network as networks
from node.storage.database import SIDE_FILES
from node.storage.entries import EntryRow, LedgerTip
from node.storage.ledger import LedgerStore
from tests.harness.ledger import make_genesis
from tests.harness.net.batteries import issue, wait_receipted
from tests.harness.net.harness import FIVE, IMPORTER, Node, comity, found, wait

JOINER = IMPORTER.name
Row = list[Any]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """Four validators with a few blocks; the fifth participant has not joined yet."""
    nodes = found(tmp_path_factory.mktemp("snapshot") / "network", FIVE, forked=True)
    validators = [node for node in nodes.values() if node.party.validator]
    try:
        for node in validators:
            node.start()
        for node in validators:
            node.wait_ready()
        for serial in range(1, 4):
            wait_receipted(nodes["maker"], issue(nodes["maker"], serial)["digest"])
        yield nodes
    finally:
        for node in nodes.values():
            node.stop()


@pytest.fixture(scope="module")
def rows(network: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot made by the command beside a running node."""
    out = tmp_path_factory.mktemp("rows") / "ledger.rows"
    assert comity("network", "snapshot", "--data", network["cn"].data, "--out", out) == 0
    return out


def taken(node: Node, source: Path | str) -> int:
    """The exit code of `comity network join --snapshot`."""
    joining: list[str | Path] = ["network", "join", "--data", node.data, "--network", node.data / "network"]
    return comity(*joining, "--snapshot", source, "--passphrase-file", node.passphrase_file)


@pytest.mark.check
def test_a_node_joins_from_a_snapshot_and_goes_on(network: dict[str, Node], rows: Path) -> None:
    """
    An observer that begins with a snapshot has the log of the others, executes no old block, and follows.
    """
    joiner = network[JOINER]

    assert taken(joiner, rows) == 0
    joiner.start()
    joiner.wait_ready()
    issued = issue(network["maker"], 10)
    wait_receipted(network["maker"], issued["digest"])
    wait("one log", lambda: joiner.get("/status")["log"] == network["cn"].get("/status")["log"])

    joiner.stop()  # what it logs of the last block is written after its ledger has it
    committed = [told["height"] for told in joiner.moments("commit")]
    for table in ("blocks", "entries", "standings"):
        assert _table(joiner, table) == _table(network["cn"], table), table
    (joiner.data / "ledger.db").unlink()

    assert committed and min(committed) > 1
    assert network["cn"].height() == max(committed)


def _table(node: Node, name: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{node.data / 'ledger.db'}?mode=ro", uri=True)) as db, db:
        rows = db.execute(f"SELECT * FROM {name}").fetchall()
    certificate = 5  # of a block: any quorum will do, so nodes may differ
    return sorted(row[:certificate] + row[6:] if name == "blocks" else row for row in rows)


def test_a_node_joins_from_a_peer_it_knows(
    network: dict[str, Node], capfd: pytest.CaptureFixture[str]
) -> None:
    """
    A URL in peers.toml is asked by signed requests; any other URL is refused with one sentence.
    """
    joiner = network[JOINER]

    assert taken(joiner, "http://127.0.0.1:9") != 0
    assert "only participants are asked" in capfd.readouterr().err
    assert taken(joiner, network["eu"].url) == 0

    assert (joiner.data / "ledger.db").exists()
    assert taken(joiner, network["eu"].url) != 0  # a ledger is never overwritten
    (joiner.data / "ledger.db").unlink()


@pytest.mark.check
def test_a_node_joins_from_nothing_in_batches_and_tells_how_far_it_is(network: dict[str, Node]) -> None:
    """
    An observer without a ledger fetches, verifies and executes every block, batch by batch; each batch is a
    line of its log that says how far there is to go, and /status says the same while it lasts.
    """
    joiner, maker = network[JOINER], network["maker"]
    while (height := maker.height()) <= BLOCKS_PER_REQUEST + 8:
        issue(maker, 1000 + height)
        wait("the next block", lambda before=height: maker.height() > before)  # type: ignore[misc]

    joiner.log.unlink(missing_ok=True)  # what it wrote in the test before
    joiner.start()
    wait("one log", lambda: joiner.status_of("/status") == 200 and joiner.height() >= height, 60.0)
    joiner.wait_ready()
    status = joiner.get("/status")
    joiner.stop()  # what it logs of the last block is written after its ledger has it
    told = list(joiner.moments("catching_up"))
    committed = [moment["height"] for moment in joiner.moments("commit")]

    assert committed == sorted(committed) and committed[-1] >= height
    assert [moment["height"] for moment in told] == sorted(moment["height"] for moment in told)
    assert told[0]["blocks"] == BLOCKS_PER_REQUEST and told[0]["of"] >= height
    assert status["catching_up"] is None


def _read(path: Path) -> list[Row]:
    found, data = list[Row](), path.read_bytes()
    while data:
        size = int.from_bytes(data[:4], "big")
        row = decode(data[4 : 4 + size], size_bytes_max=snapshot.ROW_BYTES_MAX)
        assert isinstance(row, list)
        found.append(row)
        data = data[4 + size :]
    return found


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _first(rows: list[Row], kind: str) -> Row:
    return next(row for row in rows if row[0] == kind)


def _alter_leaf(rows: list[Row]) -> None:
    leaves = _first(rows, "entries")[1]
    leaves[0] = _flip(leaves[0])


def _drop_leaf(rows: list[Row]) -> None:
    del _first(rows, "entries")[1][0]


def _alter_standing(rows: list[Row]) -> None:
    pair = _first(rows, "standings")[1][0]
    pair[1] = _flip(pair[1])


def _drop_standing(rows: list[Row]) -> None:
    del _first(rows, "standings")[1][0]


def _other_network(rows: list[Row]) -> None:
    rows[0][1] = b"\1" * 32


def _alter_note(rows: list[Row]) -> None:
    lines = rows[1][1].splitlines()
    lines[1] = str(int(lines[1]) - 1)
    rows[0][3] -= 1
    rows[1][1] = "\n".join(lines) + "\n"


def _alter_certificate(rows: list[Row]) -> None:
    row = _first(rows, "block")
    row[2] = _flip(row[2])


def _swap_blocks(rows: list[Row]) -> None:
    first = rows.index(_first(rows, "block"))
    rows[first], rows[first + 1] = rows[first + 1], rows[first]


def _leave_out_last_block(rows: list[Row]) -> None:
    blocks = [row for row in rows if row[0] == "block"]
    rows.remove(blocks[-1])
    rows[0][2] -= 1


def _strange_row(rows: list[Row]) -> None:
    rows.append(["trigger", "DROP TABLE entries"])


def _something_else(rows: list[Row]) -> None:
    rows[0][0] = "comity/backup/v1"


def _cut_after_the_first(rows: list[Row]) -> None:
    del rows[1:]


ALTERATIONS: dict[str, tuple[Callable[[list[Row]], None], str]] = {
    "leaf": (_alter_leaf, "entr|attestation"),
    "leaf left out": (_drop_leaf, "an entry of block 1 was altered, added or left out|do not end with"),
    "standing": (_alter_standing, "a standing was altered"),
    "standing left out": (_drop_standing, "a standing was altered"),
    "other network": (_other_network, "is of network 0101"),
    "checkpoint": (_alter_note, "not a snapshot of this network's ledger"),
    "certificate": (_alter_certificate, "block 1 was not decided by those who vote on it"),
    "blocks swapped": (_swap_blocks, "block 1 does not follow"),
    "last block left out": (_leave_out_last_block, "do not end with its record"),
    "strange row": (_strange_row, "a row that does not belong there"),
    "nothing after its first row": (_cut_after_the_first, "^the snapshot has no checkpoint$"),
    "something else": (_something_else, "^this is no snapshot: make one with `comity network snapshot`$"),
}


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_an_altered_snapshot_is_refused(
    network: dict[str, Node], rows: Path, tmp_path: Path, kind: str
) -> None:
    """
    Whatever row is altered, the node keeps no ledger and says in one sentence what does not fit.
    """
    alter, says = ALTERATIONS[kind]
    altered = _read(rows)
    alter(altered)
    file = tmp_path / "altered.rows"
    encoded = [encode(row) for row in altered]
    file.write_bytes(b"".join(len(data).to_bytes(4, "big") + data for data in encoded))
    checked = networks.verify(network[JOINER].data / "network")

    with pytest.raises(SetupError, match=says) as refused:
        snapshot_join.join(file, known_of(checked), tmp_path / "ledger.db")

    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [file]


def test_a_change_of_what_governs_is_of_whole_heights() -> None:
    """
    From the next block on, or for who votes the one after: true is no height, and no proposal waits.
    """
    good = [7, 8, "limits", "", b"x"]
    assert snapshot_join._governance_row([*good])[:2] == (7, 8)
    assert snapshot_join._governance_row([7, 7 + VALIDATORS_AHEAD, *good[2:]])[1] == 7 + VALIDATORS_AHEAD
    for wrong in (
        [True, 2, *good[2:]],
        [7, 7, *good[2:]],
        [7, 8.0, *good[2:]],
        [7, 7 + VALIDATORS_AHEAD, PROPOSAL, "p", b"x"],
        good[:4],
    ):
        with pytest.raises(SetupError):
            snapshot_join._governance_row([*wrong])


def known_of(checked: networks.Network) -> snapshot_join.Known:
    return snapshot_join.Known(checked.genesis, checked.policy, checked.rule_files)


def test_a_cut_snapshot_is_refused(network: dict[str, Node], rows: Path, tmp_path: Path) -> None:
    """
    A file that ends anywhere but at its end is refused.
    """
    data = rows.read_bytes()
    checked = networks.verify(network[JOINER].data / "network")
    for end in (0, 3, 100, len(data) // 2, len(data) - 1):
        file = tmp_path / f"{end}.rows"
        file.write_bytes(data[:end])

        with pytest.raises(SetupError):
            snapshot_join.join(file, known_of(checked), tmp_path / "ledger.db")

    assert not (tmp_path / "ledger.db").exists()


def test_nobody_waits_while_a_snapshot_is_made(
    network: dict[str, Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A peer that asks is answered at once, also where the newest block waits for cosigners: the few threads
    that answer peers are not held by it. What was made meanwhile is handed out in chunks, to the end.
    """
    monkeypatch.setattr(snapshot, "WAIT_COSIGNED_S_MAX", 120.0)
    ledger, rival = copied_ledger(network["cn"], tmp_path), copied_ledger(network["cn"], tmp_path / "rival")
    with closing(sqlite3.connect(tmp_path / "rival" / "ledger.db")) as db, db:
        db.execute("DELETE FROM checkpoints")
    genesis = networks.verify(network[JOINER].data / "network").genesis
    waiting = Shelf(partial(snapshot.write, rival, genesis), tmp_path / "rival", rival.log_size)
    shelf = Shelf(partial(snapshot.write, ledger, genesis), tmp_path, ledger.log_size)
    maker = threading.Thread(target=waiting.turn)

    maker.start()
    for each in (waiting, shelf, waiting):
        with pytest.raises(ProblemError, match="is being made") as refused:
            each.answer(encode([0, 0, 0]))
        assert refused.value.status == 503
    waits = maker.is_alive()
    waiting.wake()
    maker.join(30)
    stopped = not maker.is_alive()
    shelf.turn()
    snapshot.fetch(shelf.answer, tmp_path / "fetched")

    assert waits, "they were answered while it was being made"
    assert stopped
    assert (tmp_path / "fetched").read_bytes() == (tmp_path / "snapshot.rows").read_bytes()


def test_why_there_is_no_snapshot_is_told(network: dict[str, Node], tmp_path: Path) -> None:
    """
    The next one who asks is told why none could be made; after that it is tried again.
    """
    empty = LedgerStore(tmp_path / "ledger.db")
    genesis = networks.verify(network[JOINER].data / "network").genesis
    shelf = Shelf(partial(snapshot.write, empty, genesis), tmp_path, empty.log_size)
    with pytest.raises(ProblemError, match="is being made"):
        shelf.answer(encode([0, 0, 0]))

    shelf.turn()

    with pytest.raises(ProblemError, match="no block yet"):
        shelf.answer(encode([0, 0, 0]))
    empty.close()


class Growing:
    """Makes snapshots of a ledger that grows: its height is its size, its bytes say it."""

    def __init__(self) -> None:
        self.size = 7
        self.written = 0
        self.takes_s = 0.0

    def write(self, out: Path, stop: threading.Event) -> tuple[int, int]:
        self.written += 1
        time.sleep(self.takes_s)
        out.write_bytes(b"%d" % self.size * 3)
        return self.size, self.size


@pytest.fixture
def growing() -> Growing:
    return Growing()


@pytest.fixture
def shelf(growing: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    for name in ("APART_S", "APART_TIMES", "IDLE_S"):
        monkeypatch.setattr(shelves, name, 0.0)
    return Shelf(growing.write, tmp_path, lambda: growing.size)


def begun(shelf: Shelf, log_size: int) -> list[Value]:
    """The first chunk of a snapshot that is made if need be."""
    with suppress(ProblemError):
        shelf.answer(encode([0, 0, log_size]))
    shelf.turn()
    found = decode(shelf.answer(encode([0, 0, log_size])))
    assert isinstance(found, list)
    return found


def test_who_needs_a_longer_log_gets_a_newer_snapshot_at_once(growing: Growing, shelf: Shelf) -> None:
    """
    A newcomer that was admitted a moment ago is given a ledger that names it; whoever copies the one before
    copies it to the end.
    """
    assert begun(shelf, 7) == [7, 3, b"777"]
    growing.size = 8

    assert decode(shelf.answer(encode([0, 0, 7]))) == [7, 3, b"777"]  # good enough: none is made
    assert begun(shelf, 8) == [8, 3, b"888"]
    assert decode(shelf.answer(encode([7, 1, 7]))) == [7, 3, b"77"]


def test_nobody_asks_for_more_than_there_is(growing: Growing, shelf: Shelf) -> None:
    """
    A log size that the ledger does not have makes no snapshot, and takes none from others.
    """
    assert begun(shelf, 7) == [7, 3, b"777"]

    with pytest.raises(ProblemError, match="fewer entries"):
        shelf.answer(encode([0, 0, 9]))
    shelf.turn()
    assert growing.written == 1


def test_a_snapshot_stays_while_somebody_goes_on_with_it(
    growing: Growing, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Who asks for newer snapshots all the time takes from nobody the one he is copying; one that nobody copies,
    or that somebody copies for ever, gives way.
    """
    for growing.size in (7, 8):
        begun(shelf, growing.size)
    growing.size = 9
    with pytest.raises(ProblemError, match="is being made"):
        shelf.answer(encode([0, 0, 9]))
    shelf.turn()
    assert growing.written == 2  # the first is being copied

    assert decode(shelf.answer(encode([7, 0, 0]))) == [7, 3, b"777"]
    with pytest.raises(ProblemError, match="not kept any more"):
        shelf.answer(encode([6, 0, 0]))
    with monkeypatch.context() as later:
        later.setattr(shelves, "KEPT_S", 0.0)
        with pytest.raises(ProblemError, match="is being made"):
            shelf.answer(encode([0, 0, 9]))
    assert begun(shelf, 9) == [9, 3, b"999"]
    with pytest.raises(ProblemError, match="not kept any more"):
        shelf.answer(encode([7, 0, 0]))


def test_snapshots_are_made_some_seconds_apart(
    growing: Growing, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever asks for newer ones all the time makes this node write its ledger no more often.
    """
    monkeypatch.setattr(shelves, "APART_S", 3600.0)
    begun(shelf, 7)
    growing.size = 8

    with pytest.raises(ProblemError, match="is being made"):
        shelf.answer(encode([0, 0, 8]))
    shelf.turn()
    assert growing.written == 1


def test_the_larger_a_ledger_is_the_seldomer_its_snapshot_is_made(
    growing: Growing, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A participant that asks for newer ones all the time takes a tenth of a thread, be it a ledger of hours.
    """
    monkeypatch.setattr(shelves, "APART_TIMES", 9)
    growing.takes_s = 0.2
    begun(shelf, 7)
    growing.size = 8

    with pytest.raises(ProblemError, match="is being made"):
        shelf.answer(encode([0, 0, 8]))
    shelf.turn()
    assert growing.written == 1


def test_a_ledger_that_did_not_grow_keeps_its_snapshot(
    growing: Growing, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One that is made anew at the same height does not change the bytes under whoever copies them.
    """
    begun(shelf, 7)
    monkeypatch.setattr(shelves, "KEPT_S", -1.0)
    with pytest.raises(ProblemError, match="is being made"):
        shelf.answer(encode([0, 0, 0]))
    shelf.turn()

    assert growing.written == 2
    assert decode(shelf.answer(encode([7, 1, 0]))) == [7, 3, b"77"]


def test_no_chunk_is_read_while_others_wait(
    growing: Growing, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A disk that is slow to give one keeps nobody waiting for another; and a snapshot whose name is given to
    another meanwhile is read to its end.
    """
    begun(shelf, 7)
    opened = Path.open

    def opening(path: Path, mode: str) -> Slow:
        return Slow(opened(path, mode))

    class Slow:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Slow:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def seek(self, *to: int) -> int:
            return int(self.file.seek(*to))

        def read(self, size: int) -> bytes:
            with monkeypatch.context() as plain:
                plain.setattr(Path, "open", opened)
                for growing.size in (8, 9):
                    begun(shelf, growing.size)
            return bytes(self.file.read(size))

    monkeypatch.setattr(Path, "open", opening)
    monkeypatch.setattr(shelves, "IN_USE_S", -1.0)

    assert decode(shelf.answer(encode([7, 0, 7]))) == [7, 3, b"777"]
    assert [kept.height for kept in shelf._kept] == [9, 8]


def copied_ledger(node: Node, folder: Path) -> LedgerStore:
    """The ledger of a running node, copied."""
    folder.mkdir(exist_ok=True)
    source = sqlite3.connect(f"file:{node.data / 'ledger.db'}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(folder / "ledger.db")) as target:
        source.backup(target)
    return LedgerStore(folder / "ledger.db")


CHUNK = snapshot.CHUNK_BYTES


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([[7, 1 << 40, b"x"]], "1099511627776 bytes"),
        ([[7, 2, b"xyz"]], "2 bytes"),
        ([b"\xff"], "holds no snapshot"),
        ([[7, CHUNK + 3, bytes(CHUNK)], [7, CHUNK + 4, b"x"]], "holds no snapshot"),
        ([[7, CHUNK + 3, bytes(CHUNK)], [8, CHUNK + 3, b"x"]], "holds no snapshot"),
        ([[7, 3, b""]], "holds no snapshot"),
        ([[7, 3, b"x"]], "gives less at a time"),
        ([[7, 3]], "holds no snapshot"),
    ],
    ids=[
        "too large",
        "more than said",
        "no CBOR",
        "grows",
        "another height",
        "nothing",
        "bit by bit",
        "no form",
    ],
)
def test_a_peer_cannot_fill_the_disk(tmp_path: Path, answers: list[Value], says: str) -> None:
    """
    A peer's snapshot has the size that was said first, within a bound; anything else ends the copy.
    """
    left = iter(answers)

    with pytest.raises(snapshot.SnapshotRefused, match=says):
        snapshot.fetch(lambda question: plain(next(left)), tmp_path / "snapshot")

    assert (tmp_path / "snapshot").stat().st_size <= CHUNK


def small_disk(folder: Path, monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> list[int]:
    """A disk with so much room in all for this folder; how many bytes it held at each look."""
    held = list[int]()
    usage = namedtuple("usage", "free")

    def look(_: Path) -> Any:
        held.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
        return usage(free_bytes - held[-1])

    monkeypatch.setattr(incoming, "disk_usage", look)
    monkeypatch.setattr(incoming, "FREE_BYTES_MIN", 1 << 20)
    return held


def _of_free(free: int, _: Path) -> SimpleNamespace:
    return SimpleNamespace(free=free)


def test_room_is_asked_for_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A disk that has exactly what is needed is enough, and one byte less is not; for a commit what waits beside
    the database counts as well. The sentence says what is left, what would be taken, and what stays free.
    """
    least = incoming.FREE_BYTES_MIN
    beside = (tmp_path / "a.db").with_name(f"a.db{SIDE_FILES[0]}")
    beside.write_bytes(bytes(1000))

    asks: tuple[tuple[int, int, Callable[[], None]], ...] = (
        (least + 7, 7, lambda: incoming.require_room(tmp_path, 7)),
        (least + 1007, 1007, lambda: incoming.require_written(tmp_path / "a.db", 7)),
        (least + 7, 7, lambda: incoming.require_written(tmp_path / "b.db", 7)),
        (least + (2 << 20), 2 << 20, lambda: incoming.require_room(tmp_path, 2 << 20)),
    )
    for free, asked, ask in asks:
        monkeypatch.setattr(incoming, "disk_usage", partial(_of_free, free))
        ask()
        monkeypatch.setattr(incoming, "disk_usage", partial(_of_free, free - 1))
        takes = 2 if asked == 2 << 20 else 1
        left = (free - 1) >> 20
        with pytest.raises(SetupError) as refused:
            ask()
        assert str(refused.value) == (
            f"the disk of {tmp_path} has {left} MiB left, and this would take {takes} of them, of which "
            f"{least >> 20} stay free for what the node itself writes: make room first"
        )


def test_a_peer_is_not_given_the_last_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A snapshot for which the disk has no room is refused before a byte of it is written; where others write
    meanwhile, before the first chunk for which there is none.
    """
    held = small_disk(tmp_path, monkeypatch, 4 * CHUNK)
    size = 8 * CHUNK
    with pytest.raises(SetupError, match="1 stay free"):
        snapshot.fetch(lambda question: plain([7, size, bytes(CHUNK)]), tmp_path / "snapshot")
    assert max(held) == 0

    def meanwhile(question: bytes) -> bytes:
        (tmp_path / "of others").write_bytes(bytes(CHUNK))
        return plain([7, 3 * CHUNK, bytes(CHUNK)])

    with pytest.raises(SetupError, match="1 stay free"):
        snapshot.fetch(meanwhile, tmp_path / "snapshot")
    assert max(held) <= 3 * CHUNK


def endless(path: Path, rows: list[Row], count: int) -> None:
    """A file that begins like a snapshot, and goes on with blocks that nobody decided."""
    genuine = Block.decode(_first(rows, "block")[1])
    last = genuine.previous_id
    with path.open("wb") as file:
        for row in (*rows[:2], *range(1, count + 1)):
            if isinstance(row, int):
                block = replace(genuine, height=row, previous_id=last, attestations=(row.to_bytes(200_000),))
                last, row = block.id, ["block", block.encode(), b"no certificate"]  # noqa: PLW2901
            data = encode(row)
            file.write(len(data).to_bytes(4, "big") + data)


def test_blocks_that_nobody_decided_do_not_fill_the_disk(
    network: dict[str, Node], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What cannot be believed until the log is read is written as long as there is room for it twice, in a
    folder of its own; then nothing is left of it, and the sentence says what the disk lacks.
    """
    checked = networks.verify(network[JOINER].data / "network")
    endless(tmp_path / "rows", _read(rows), 200)
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setattr(snapshot_join, "ROW_BYTES_MAX", CHUNK)
    room = 12 * CHUNK
    held = small_disk(data, monkeypatch, room)

    with pytest.raises(SetupError, match="1 stay free"):
        snapshot_join.join(tmp_path / "rows", known_of(checked), data / "ledger.db")

    assert CHUNK < max(held) <= room // 2
    assert not list(data.iterdir())


def test_what_a_killed_command_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    """
    The folder of what was not believed yet is emptied, whatever stands there; a link is not followed.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(b"x")
    data = tmp_path / "data"
    data.mkdir()
    for left in ("folder", "file", "link", "nothing"):
        match left:
            case "folder":
                incoming.place(data, "ledger.db").write_bytes(b"x")
            case "file":
                (data / incoming.FOLDER).write_bytes(b"x")
            case "link":
                (data / incoming.FOLDER).symlink_to(elsewhere)
        incoming.clear(data)
        assert not list(data.iterdir()), left
    assert (elsewhere / "kept").exists()


def plain(answer: Value) -> bytes:
    """An answer on the wire; bytes go as they are."""
    return answer if isinstance(answer, bytes) else encode(answer)


def test_a_snapshot_holds_every_leaf_in_parts_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of a log of more leaves than are read at once none is left out or given twice; a part is never larger than
    its bound, unless one value is.
    """
    monkeypatch.setattr(snapshot, "PART_BYTES", 4_000)
    ledger = LedgerStore(tmp_path / "ledger.db")
    leaves = [b"leaf %05d" % number for number in range(2_005)] + [b"x" * 5_000, b"last"]
    entries = [BLOCK_OPENING + leaf for leaf in leaves]
    tip = LedgerTip(1, b"id", 101, b"app", b"frontier")
    rows = [EntryRow(entry=entry, leaf_hash=leaf_hash(entry), type="block") for entry in entries]
    ledger.commit_block(tip, block=b"block", certificate=b"certificate", entries=rows, standings={})
    try:
        made = list(snapshot._rows(ledger, make_genesis(), tip, (len(entries), "note")))
    finally:
        ledger.close()

    parts: list[Any] = [found[1] for found in made if found[0] == "entries"]
    assert [entry for part in parts for entry in part] == entries
    assert all(sum(map(len, part)) <= 4_000 for part in parts if len(part) > 1)
    assert len(parts) == -(-2_005 * len(entries[0]) // 4_000) + 2
