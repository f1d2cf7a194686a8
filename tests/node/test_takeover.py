"""Who missed the end of CometBFT's term: what it takes over of a peer, and what it does not."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.encoding import decode, encode
from consensus.log_policy import LogPolicy
from credentials.ledger.genesis import Genesis
from node.errors import ProblemError
from node.ledger import snapshot
from node.ledger.comet import settling
from node.ledger.comet import takeover as module
from node.ledger.comet.home import FOLDER, Home
from node.ledger.comet.takeover import Takeover
from node.ledger.snapshot_join import Known
from node.storage.ledger import LedgerStore
from tests.harness import ledger
from tests.harness.comet import Nobody, Pair
from tests.harness.engine_contract import Embedded, produced, recorded, wait
from tests.harness.engines import founded_now

PEERS = ["did:web:a.example", "did:web:b.example"]


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return founded_now()


class Peers(Nobody):
    """Each gives the snapshot that is laid down for it; who has none refuses."""

    def __init__(self) -> None:
        self.gives: dict[str, Path] = {}
        self.asked: list[str] = []

    def request(self, did: str, path: str, body: bytes) -> bytes:
        self.asked.append(did)
        if did not in self.gives:
            raise ProblemError(503, "busy", "Come again", "it is being made")
        match decode(body):
            case [_, int(offset), _]:
                data = self.gives[did].read_bytes()
                return encode([1, len(data), data[offset : offset + snapshot.CHUNK_BYTES]])
        raise AssertionError(body)


class Behind:
    """A node that has some of the blocks of a network, and the way to its peers."""

    def __init__(self, genesis: Genesis, root: Path, ledger_db: Path) -> None:
        root.mkdir()
        self.root, self.renewed, self.peers = root, threading.Event(), Peers()
        shutil.copy(ledger_db, root / "ledger.db")
        self.store = LedgerStore(root / "ledger.db")
        policy = LogPolicy.parse(genesis.governance.log_policy(genesis.origin))
        self.takeover = Takeover(root, Known(genesis, policy, genesis.rule_files.get), self.store)
        self.takeover.attach(self.peers, self.renewed)

    def opened_again(self) -> LedgerStore:
        self.store.close()
        settling.settle(Home(self.root / FOLDER), self.root / "ledger.db")
        self.store = LedgerStore(self.root / "ledger.db")
        return self.store


def copied(network: Embedded, to: Path) -> Path:
    """The ledger of a node once its end is cosigned, as one file."""
    store = network.store
    wait(network, "the checkpoint", lambda: store.checkpoint_of(store.log_size()) is not None)
    store._db.connection.execute("VACUUM INTO ?", (str(to),))
    return to


def given(network: Embedded, to: Path) -> Path:
    """The snapshot of that node."""
    snapshot.write(network.store, network.genesis, to)
    return to


@pytest.fixture
def behind(genesis: Genesis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    """It has one block of an attestation; its peers have more, and both give them."""
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    network = Embedded(genesis, tmp_path)
    recorded(network, *produced(genesis, [1]))
    made = Behind(genesis, tmp_path / "behind", copied(network, tmp_path / "copy.db"))
    recorded(network, *produced(genesis, [2, 3]))
    made.peers.gives = dict.fromkeys(PEERS, given(network, tmp_path / "rows"))
    network.close()
    yield made
    made.store.close()


def test_what_continues_the_own_ledger_is_gone_on_from(behind: Behind) -> None:
    """
    A peer that makes its snapshot is left for the next one. What was cosigned here stays kept; nobody is
    asked before it is known that others went on, nor once the ledger lies there.
    """
    own = behind.store.tip()
    assert own is not None
    note = behind.store.checkpoint_of(size := behind.store.log_size())
    behind.takeover.turn()
    assert behind.peers.asked == []

    rows = behind.peers.gives.pop(PEERS[0])
    behind.takeover.ask(PEERS)
    behind.takeover.turn()
    assert not behind.renewed.is_set() and rows.exists()
    behind.takeover.turn()
    assert behind.renewed.is_set()
    asked = len(behind.peers.asked)
    behind.takeover.turn()
    assert len(behind.peers.asked) == asked and behind.peers.asked[:2] == PEERS

    store = behind.opened_again()
    end = store.tip()
    assert end is not None and end.height > own.height
    assert store.block_id(own.height) == own.block_id
    assert note is not None and store.checkpoint_of(size) == note
    assert not (behind.root / "incoming").exists()


def test_what_does_not_continue_it_is_not_taken(
    behind: Behind, genesis: Genesis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Altered rows, and a ledger of the same network with another block at the own height: the own stays.
    """
    own, good = behind.store.tip(), behind.peers.gives[PEERS[0]]
    altered = tmp_path / "altered"
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 1
    altered.write_bytes(data)
    (tmp_path / "other").mkdir()
    other = Embedded(genesis, tmp_path / "other")
    recorded(other, *produced(genesis, [7]))
    recorded(other, *produced(genesis, [8]))
    behind.peers.gives = {PEERS[0]: altered, PEERS[1]: given(other, tmp_path / "of-another")}
    other.close()
    behind.takeover.ask(PEERS)
    behind.takeover.turn()
    behind.takeover.turn()

    assert not behind.renewed.is_set()
    assert not (behind.root / settling.SYNCED).exists()
    assert behind.opened_again().tip() == own
    told = capsys.readouterr().err
    assert told.count('"snapshot_refused"') == 2
    assert "has another block" in told


def test_blocks_of_which_nobody_is_shown_to_have_agreed_are_not_taken(
    tmp_path: Path, socket_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A snapshot that ends with blocks of CometBFT says so, and gives nothing.
    """
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    genesis = founded_now(validators=(ledger.MAKER,))
    pair = Pair(genesis, tmp_path, socket_path)
    for number in (1, 2):
        pair.comet.check(pair.attestation(number))
        pair.comet.decide(int(time.time()) + number)
    pair.stop()
    store = LedgerStore(tmp_path / "node" / "ledger.db")
    snapshot.write(store, genesis, tmp_path / "rows")
    store.close()
    behind = Behind(genesis, tmp_path / "behind", tmp_path / "node" / "ledger.db")
    behind.peers.gives = {PEERS[0]: tmp_path / "rows"}
    behind.takeover.ask(PEERS[:1])
    behind.takeover.turn()
    behind.store.close()

    assert not behind.renewed.is_set()
    assert "does not show who agreed to it" in capsys.readouterr().err
