"""A running network is moved from the embedded engine to CometBFT, and back: four validators as processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import urllib3

from node.ledger.comet.decided import by_cometbft
from node.storage.ledger import LedgerStore
from tests.harness.net.batteries import issue, wait_receipted
from tests.harness.net.harness import VALIDATORS, Node, Party, comity, running, wait
from tests.harness.net.place import Place
from tests.harness.parts import COMETBFT_LINES, require

pytestmark = pytest.mark.check  # eight processes

HEARTBEAT = "[limits]\nheartbeat_ms = 1000\n"  # the last block of an engine comes without anybody's record
BETWEEN = Party("between", "EU", ("importer",), validator=False)
AFTER = Party("after", "EU", ("importer",), validator=False)
AHEAD = 8  # blocks between the proposal and the move: more than its approvals take


@pytest.fixture(scope="module", params=COMETBFT_LINES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root, binary = tmp_path_factory.mktemp("e"), require(request.param)
    with running(root / "network", VALIDATORS, governance=HEARTBEAT, binary=binary, forked=True) as nodes:
        yield Place(root, nodes, binary=binary)


def recorded(place: Place, serial: int) -> Path:
    """A passport, once the maker has its receipt; the receipt as a file."""
    maker = place.nodes["maker"]
    digest = issue(maker, serial)["digest"]
    wait_receipted(maker, digest)
    path = place.root / f"{serial}.tlog-proof"
    path.write_text(maker.request("GET", f"/receipts/{digest}")[1])
    return path


def moved(place: Place, capsys: pytest.CaptureFixture[str], engine: str, killed: str, lacking: str) -> int:
    """All but `lacking` go on with `engine`, `killed` was killed on the way; the last block of the other."""
    eu = place.nodes["eu"]
    last = eu.height() + AHEAD
    words = ["network", "propose", "engine", engine, "--after", str(last), "--yes"]
    place.decided(capsys, place.types(capsys, *words, "--data", eu.data), "cn")
    victim = place.nodes[killed]
    wait("the last block", lambda: any(told(node, last) for node in place.nodes.values()))
    victim.kill()
    victim.start()
    going_on = [node for name, node in place.nodes.items() if name != lacking]
    for node in going_on:
        node.wait_ready()
    wait("later blocks", lambda: all(beyond(node, last) for node in going_on))
    return last


def beyond(node: Node, height: int) -> bool:
    """Whether it has later blocks; a node that is being opened again answers nobody."""
    with suppress(OSError, urllib3.exceptions.HTTPError):
        return node.height() > height
    return False


def told(node: Node, height: int) -> bool:
    return any(m["height"] == height for m in node.moments("engine_moved"))


def test_a_network_moves_to_cometbft_and_back(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Decided by all authorities, the network goes on with CometBFT after block H, and with the embedded engine
    again after a later one, while a node is killed in the middle of each. One that lacks the program ends
    with one sentence at its last block, and follows once it has it; one that was away when CometBFT ended
    comes back and goes on from what the others have. A newcomer joins while CometBFT orders, and one after
    it. What was recorded before, between and after has receipts that are valid without a node; each block has
    exactly one engine; a ledger with both is made again from its own blocks, and a peer's.
    """
    receipts, customs = [recorded(place, 1)], place.nodes["customs"]
    customs.name_cometbft("/nowhere/cometbft")
    customs.stop()
    customs.start()
    customs.wait_ready()
    first = moved(place, capsys, "cometbft", "cn", "customs")
    receipts.append(recorded(place, 2))
    assert customs.process is not None
    wait("its end", lambda: customs.process is None or customs.process.poll() is not None)
    assert (
        customs.last_words().count("this node's network is ordered by CometBFT, and /nowhere/cometbft") == 1
    )
    assert customs.last_words().count("Traceback") == 0
    customs.name_cometbft(place.binary)
    customs.start()
    customs.wait_ready()
    place.admitted(capsys, BETWEEN, "eu", via="eu")
    wait("its moves", lambda: told(place.nodes[BETWEEN.name], first))
    away = place.nodes.pop("customs")
    assert away.stop() == 0
    second = moved(place, capsys, "embedded", "cn", "")
    receipts.append(recorded(place, 3))
    away.start()

    place.admitted(capsys, AFTER, "eu", via="eu")
    away.wait_for("ledger_taken")
    away.wait_ready()
    place.nodes["customs"] = away
    newcomer = place.nodes[AFTER.name]
    assert not [m for m in newcomer.moments("engine_moved")], "it goes on from the ledger that it compared"

    policy = place.root / "network" / "network" / "log.policy"
    for receipt in receipts:
        assert comity("receipt", "verify", receipt, "--policy", policy) == 0
    shown = place.types(capsys, "network", "show", "--data", place.nodes["cn"].data)
    assert f"ordered by embedded from block {second + 1} on: move 2" in shown
    wait("one log", lambda: len({str(n.get("/status")["log"]) for n in place.nodes.values()}) == 1)

    eu = place.nodes["eu"]
    before = eu.get("/status")["log"]["size"]
    assert eu.stop() == 0
    store = LedgerStore(eu.data / "ledger.db")
    forms = [certificate for _, certificate in store.blocks(1, 10_000, 1 << 30)]
    store.close()
    assert [by_cometbft(form) for form in forms] == [first < h <= second for h in range(1, len(forms) + 1)]
    rebuilt = place.types(capsys, "rebuild", "--data", eu.data)
    assert "blocks were verified and executed again" in rebuilt
    url = place.nodes["cn"].url
    secret = "--passphrase-file", eu.passphrase_file
    again = place.types(capsys, "rebuild", "--data", eu.data, "--from", url, *secret)
    assert re.search(r"the ledger up to block \d+", again)
    eu.start()
    eu.wait_ready()
    assert eu.get("/status")["log"]["size"] >= before
    recorded(place, 4)
