"""What peers say beside the order, under either engine: what costs a strike, and what is not their fault."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.genesis import Genesis
from node.ledger.comet.comet_engine import CometEngine
from node.ledger.comet.home import Home
from node.ledger.comet.leaving import Leaving
from node.ledger.comet.mempool import Mempool
from node.ledger.comet.process import CometProcess
from node.ledger.comet.rpc import Rpc
from node.ledger.comet.signer import SignerLink, VoteSigner
from node.peers.messages import ITEM_CONSENSUS, ITEM_NOTE
from node.storage.database import Damaged
from tests.harness import ledger
from tests.harness.comet import Application, Nobody
from tests.harness.engine_contract import double_vote
from tests.harness.engines import Network
from tests.node.test_engine import genesis, network  # noqa: F401 - fixtures

NOTE = "log.example\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— log.example AAAAAAA=\n"
TILE = "ledger.db is damaged: tile 0/0 of the log's tree is not what was written"


class Peers(Nobody):
    """The way to the peers: who was struck."""

    def __init__(self) -> None:
        self.struck: list[str] = []

    def strike(self, sender: str) -> None:
        self.struck.append(sender)


class Comet:
    """CometBFT's engine without a CometBFT: turns as its thread takes them."""

    def __init__(self, genesis: Genesis, folder: Path, path: Path) -> None:  # noqa: F811
        self.application = application = Application(genesis, folder, path)
        application.supervisor.stop()
        home = Home(folder)
        signer = VoteSigner(ledger.signer(ledger.MAKER, "vote"), application.signing, "a chain")
        self.peers = Peers()
        self.engine = CometEngine(
            application.behind,
            SignerLink(path.with_suffix(".votes"), signer),
            CometProcess(
                folder / "none",
                home,
                prepare=lambda _: None,
                connections=lambda: 0,
                signed_for=lambda: False,
                key=bytes,
                listen=("127.0.0.1", 0),
            ),
            Mempool(Rpc(home.rpc), held=lambda _: False, height=lambda: 0, moments=application.moments),
            did=ledger.MAKER,
            node_id=bytes(20),
            ledger=application.ledger,
            checkpoints=application.checkpoints,
            signing=application.signing,
            rpc=home.rpc,
            leaving=Leaving(),
        )
        self.engine.attach(self.peers, dict)

    def hear(self, *items: Any) -> None:
        """One turn with a batch of a peer."""
        self.engine.peer_items(ledger.CUSTOMS, list(items))
        self.engine.turn()

    def close(self) -> None:
        self.engine.close()
        self.application.signing.close()
        self.application.store.close()


@pytest.fixture
def comet(genesis: Genesis, tmp_path: Path, socket_path: Path) -> Iterator[Comet]:  # noqa: F811
    made = Comet(genesis, tmp_path / "comet", socket_path)
    yield made
    made.close()


def moments(text: str, at: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in told if line["at"] == at]


def test_what_is_no_evidence_costs_its_sender_under_cometbft_as_well(comet: Comet, genesis: Genesis) -> None:  # noqa: F811
    """
    What a replica would say, and evidence with a signature that does not hold: counted, and a strike each.
    Evidence that proves what it says costs nothing, nor does it when it comes again.
    """
    found = double_vote(genesis).encode()
    spoiled = found[:-1] + bytes([found[-1] ^ 1])

    comet.hear([ITEM_CONSENSUS, b"\x00"], [ITEM_CONSENSUS, spoiled])
    assert comet.peers.struck == [ledger.CUSTOMS] * 2
    comet.hear([ITEM_CONSENSUS, found])
    comet.hear([ITEM_CONSENSUS, found])
    assert comet.peers.struck == [ledger.CUSTOMS] * 2
    assert comet.engine.refused["not_evidence"] == 2
    assert [one.validator for one in comet.application.behind.delivered.evidence] == [ledger.MAKER]


def test_own_damage_beside_a_peers_note_is_not_the_peers_under_cometbft(
    comet: Comet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A tile of the own ledger that is not what was written, met while a note is judged: nothing is set aside
    under the peer's name, nobody is struck, and the engine takes its next turn.
    """
    monkeypatch.setattr(comet.application.checkpoints.cosigning, "receive_note", damaged)
    comet.hear([ITEM_NOTE, NOTE])
    comet.engine.turn()

    assert (comet.engine.condition().set_aside_total, comet.peers.struck) == (0, [])
    (told,) = moments(capsys.readouterr().err, "not_compared")
    assert (told["peer"], told["because"]) == (ledger.CUSTOMS, TILE)


def test_own_damage_beside_a_peers_note_is_not_the_peers(
    network: Network,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    The same under the embedded engine: the node goes on, and the next block is decided with its vote.
    """
    node = network.links.nodes[ledger.MAKER]
    cosigning: Any = node.ordering._checkpoints.cosigning
    network.wait("its first turn", lambda: node.engine.condition().quorum_age_s is not None)
    told: list[dict[str, Any]] = []

    with monkeypatch.context() as patch:
        patch.setattr(cosigning, "receive_note", damaged)
        node.engine.peer_items(ledger.CUSTOMS, [[ITEM_NOTE, NOTE]])
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            told += [m for m in moments(capsys.readouterr().err, "not_compared") if m["because"] == TILE]
            time.sleep(0.05)

    assert told[0]["peer"] == ledger.CUSTOMS
    assert node.engine.condition().set_aside_total == 0 and not node.supervisor.failure
    network.submit(network.attestation(2))
    network.wait("the block", lambda: network.heights() == {1})


def damaged(*_: object) -> None:
    raise Damaged(TILE)
