"""What every engine is held to (`tests/node/test_engine_contract.py`): one small network for each of them."""

from __future__ import annotations

import base64
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

from consensus.encoding import Value
from consensus.evidence import FaultEvidence, evidence_of
from consensus.types import PREVOTE, Block, Vote
from credentials.ledger.genesis import Genesis
from credentials.ledger.registry import Registry
from node.ledger.chain import chain_config
from node.ledger.comet.mempool import CATCHING_UP, WAITS
from node.peers.messages import ITEM_CONSENSUS
from node.storage.ledger import LedgerStore
from tests.harness import comet_node, ledger
from tests.harness.comet import Application, Comet
from tests.harness.engines import Network

WAIT_S = 60.0
OBSERVED = ledger.CUSTOMS


class Ordered(Protocol):
    """A network as the tests see it: through one node of it."""

    genesis: Genesis
    folder: Path  # of the node that is looked at

    @property
    def store(self) -> LedgerStore: ...

    @property
    def registry(self) -> Registry: ...

    def submit(self, tx: bytes) -> None:
        """Hand it in, as the outbox does: again and again, until it is recorded."""

    def accuse(self, evidence: FaultEvidence) -> None:
        """Somebody shows evidence."""

    def work(self) -> None:
        """Let a moment pass."""

    def rests(self) -> bool:
        """Whether no block comes by itself any more."""

    def stop(self) -> None: ...

    def start(self) -> None: ...


class Embedded:
    """Four embedded engines in this process."""

    def __init__(self, genesis: Genesis, folder: Path) -> None:
        self.genesis = genesis
        self.network = Network(genesis, folder)
        self.network.start(*ledger.VALIDATORS)
        self.folder = folder / OBSERVED.removeprefix("did:web:")

    @property
    def store(self) -> LedgerStore:
        return self.network.links.nodes[OBSERVED].ledger

    @property
    def registry(self) -> Registry:
        return self.network.links.nodes[OBSERVED].registry

    def submit(self, tx: bytes) -> None:
        self.network.submit(tx)

    def accuse(self, evidence: FaultEvidence) -> None:
        for node in self.network.links.nodes.values():
            node.engine.peer_items(ledger.MAKER, list[Value]([[ITEM_CONSENSUS, evidence.encode()]]))

    def work(self) -> None:
        self.network.tell()
        time.sleep(0.02)

    def rests(self) -> bool:
        return True

    def stop(self) -> None:
        self.network.links.nodes[OBSERVED].stop()

    def start(self) -> None:
        self.network.start(OBSERVED)

    def close(self) -> None:
        for node in list(self.network.links.nodes.values()):
            node.stop()
            assert node.supervisor.failure is None


class Behind:
    """An application, and a script in CometBFT's part."""

    def __init__(self, genesis: Genesis, folder: Path, path: Path) -> None:
        self.genesis, self.folder = genesis, folder / "node"
        self.comet = Comet(genesis, path)
        self._waiting: list[bytes] = []
        self.start()

    @property
    def store(self) -> LedgerStore:
        return self.application.store

    @property
    def registry(self) -> Registry:
        return self.application.registry

    def submit(self, tx: bytes) -> None:
        self._waiting.append(tx)

    def accuse(self, evidence: FaultEvidence) -> None:
        self.application.behind.delivered.show(evidence.encode())

    def work(self) -> None:
        self._waiting = [tx for tx in self._waiting if self.comet.check(tx).codespace == "waits"]
        if self.comet.mempool or self.application.behind.delivered.evidence:
            self.comet.decide(int(time.time()))

    def rests(self) -> bool:
        return True

    def stop(self) -> None:
        self.comet.hang_up()
        self.application.stop()
        assert self.application.supervisor.failure is None

    def start(self) -> None:
        self.application = Application(self.genesis, self.folder, self.comet.path, OBSERVED)
        self.comet.connect()

    def close(self) -> None:
        self.stop()


class Real:
    """Four nodes of CometBFT itself; the application of the one that is looked at is in this process."""

    def __init__(self, genesis: Genesis, folder: Path, binary: str, sockets: Path) -> None:
        self.genesis = genesis
        self._nodes = comet_node.network(binary, genesis, ledger.VALIDATORS, folder, sockets)
        self._node = next(node for node in self._nodes if node.did == OBSERVED)
        self.folder = self._node.folder / self._node.data
        self._waiting: list[bytes] = []
        self._begun = 0
        for node in self._nodes:
            if node is not self._node:
                node.start()
        self.start()

    @property
    def store(self) -> LedgerStore:
        return self.application.store

    @property
    def registry(self) -> Registry:
        return self.application.registry

    def submit(self, tx: bytes) -> None:
        self._waiting.append(tx)

    def accuse(self, evidence: FaultEvidence) -> None:
        """Blocks begin, one after the other, until this node proposes one: evidence alone begins none."""
        self.application.behind.delivered.show(evidence.encode())

    def work(self) -> None:
        if self.application.behind.delivered.evidence and not self._waiting:
            self._begun += 1
            self.submit(*produced(self.genesis, [100 + self._begun]))
        self._waiting = [tx for tx in self._waiting if not self._handed_in(tx)]
        time.sleep(0.05)

    def _handed_in(self, tx: bytes) -> bool:
        """False while CometBFT takes nothing yet, or it waits for another record."""
        try:
            told = self._node.answer("broadcast_tx_sync", tx=base64.b64encode(tx).decode())
        except (OSError, HTTPException):
            return False
        if "error" in told:
            return CATCHING_UP not in str(told["error"])
        return bool(told["result"]["codespace"] != WAITS)

    def rests(self) -> bool:
        """After a block that did something it makes one more, which did nothing."""
        last = Block.decode(self.store.blocks(height(self), 1, 1 << 30)[0][0])
        return not last.attestations and not last.evidence

    def stop(self) -> None:
        self._node.kill_comet()
        self.application.stop()
        assert self.application.supervisor.failure is None

    def start(self) -> None:
        self.application = Application(
            self.genesis, self.folder, self._node.socket, OBSERVED, self._node.signer
        )
        self._node.start_comet()
        comet_node.wait("CometBFT", lambda: self._node.follows, [self._node], comet_node.START_S_MAX)

    def close(self) -> None:
        self.stop()
        for node in self._nodes:
            node.stop()


# --- what the tests ask


def wait(ordered: Ordered, what: str, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for {what}"
        ordered.work()


def recorded(ordered: Ordered, *txs: bytes) -> None:
    """Hand in, and wait until all are on the ledger of the node that is looked at."""
    for tx in txs:
        ordered.submit(tx)
    wait(ordered, "the record", lambda: set(txs) <= set(attested(ordered)))
    wait(ordered, "its being in force", lambda: ordered.registry.height == height(ordered))
    wait(ordered, "its rest", ordered.rests)


def attested(ordered: Ordered) -> list[bytes]:
    """The attestations of all blocks, in the order of the ledger."""
    return [tx for block in blocks(ordered) for tx in block.attestations]


def blocks(ordered: Ordered) -> list[Block]:
    return [Block.decode(data) for data, _ in ordered.store.blocks(1, 10_000, 1 << 30)]


def height(ordered: Ordered) -> int:
    tip = ordered.store.tip()
    return tip.height if tip is not None else 0


def on_disk(ordered: Ordered) -> int:
    """The height that somebody else reads from the file."""
    with closing(sqlite3.connect(ordered.folder / "ledger.db")) as db:
        return int(db.execute("SELECT COALESCE(MAX(height), 0) FROM blocks").fetchone()[0])


def forget(ordered: Ordered) -> None:
    """The node loses its ledger, and nothing else, and is started again."""
    ordered.stop()
    kept = ordered.folder / "signing.db"
    saved = kept.read_bytes()
    shutil.rmtree(ordered.folder)
    ordered.folder.mkdir()
    kept.write_bytes(saved)
    ordered.start()


def double_vote(genesis: Genesis, by: str = ledger.MAKER) -> FaultEvidence:
    """A validator prevoted two values at height 1."""
    chain, signer = chain_config(genesis), ledger.signer(by, "vote")
    votes = []
    for value in (b"a" * 32, b"b" * 32):
        vote = Vote(PREVOTE, 1, 0, -1, value, by, b"")
        signature = signer.sign(vote.signed_bytes(chain.network_id, chain.validators.hash))
        votes.append(Vote(PREVOTE, 1, 0, -1, value, by, signature))
    found = evidence_of(*votes)
    assert found is not None
    return found


def produced(genesis: Genesis, numbers: Sequence[int]) -> list[bytes]:
    """A battery made for each number."""
    return [Network(genesis, Path()).attestation(number) for number in numbers]
