"""Who takes part and who votes while CometBFT orders a running network: its founders and a newcomer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from credentials.ledger.engine_terms import COMETBFT
from node.setup.engine_file import engine_of
from node.setup.keystore import Keys
from tests.harness.net.batteries import issue, wait_receipted
from tests.harness.net.harness import CN, EU, IMPORTER, MAKER, PASSPHRASE, Party, running, wait
from tests.harness.net.place import Place
from tests.harness.parts import COMETBFT_PARTS, require

pytestmark = pytest.mark.check  # eight processes

HEARTBEAT = "[limits]\nheartbeat_ms = 2000\n"  # an idle network too shows a newcomer its headers
CUSTOMS = Party("customs", "EU", ("customs",))
THREE = (MAKER, CN, EU)
FOUR = (*THREE, replace(IMPORTER, validator=True))
# The newcomer of `make check` is the fourth node, that of `make long` the fifth.
PLACES = (
    pytest.param(("cometbft", THREE), id="cometbft"),
    *(pytest.param((line, FOUR), id=f"{line}, a fifth", marks=pytest.mark.long) for line in COMETBFT_PARTS),
)


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    line, founders = request.param
    root, binary = tmp_path_factory.mktemp("m"), require(line)
    with running(root / "network", founders, engine=COMETBFT, binary=binary, governance=HEARTBEAT) as nodes:
        yield Place(root, nodes, binary=binary)


def agree(place: Place) -> None:
    """All that run hold one log."""
    wait("one log", lambda: len({str(n.get("/status")["log"]) for n in place.nodes.values()}) == 1)


def test_a_newcomer_joins_is_promoted_and_votes_with_a_key_that_was_rotated(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Admitted by an authority of its side, it joins by its sponsor's fingerprint and takes the ledger over by
    state sync. Once it is promoted it rotates its vote key: CometBFT is started again with the new one. Then
    another validator ends, and no block comes without the newcomer's vote by its new key: one comes.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    maker, eu = place.nodes["maker"], place.nodes["eu"]
    first = issue(maker, 1)
    wait_receipted(maker, first["digest"])

    place.admitted(capsys, CUSTOMS, "eu", via="eu")
    customs = place.nodes["customs"]
    assert len(list(customs.moments("state_synced"))) == 1
    assert engine_of(customs.data / "network") == COMETBFT
    agree(place)

    seats = [node.party.did for node in place.nodes.values()]
    told = place.types(capsys, "network", "propose", "validators", *seats, "--data", eu.data, "--yes")
    place.decided(capsys, told, "cn")
    words: list[str | Path] = ["--data", customs.data, "--recovery", customs.data / "recovery.enc"]
    words += ["--passphrase-file", customs.passphrase_file]
    told = place.types(capsys, "keys", "rotate", "vote", *words, "--yes")
    place.decided(capsys, told, "cn", "eu")
    customs.wait_for("key_destroyed", key=f"{CUSTOMS.did}#vote-1")
    assert Keys.load(customs.data, CUSTOMS.did, PASSPHRASE).numbers("vote") == (2,)

    place.nodes["cn"].stop()
    second = issue(maker, 2)
    wait_receipted(maker, second["digest"])
    place.nodes["cn"].start()
    place.nodes["cn"].wait_ready()
    agree(place)


def test_its_ledger_is_made_again_from_its_own_blocks(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `comity rebuild` executes every block again, to the same log, and the node goes on from it.
    """
    node = place.nodes["eu"]
    before = node.get("/status")["log"]
    assert node.stop() == 0
    told = place.types(capsys, "rebuild", "--data", node.data)
    assert "blocks were verified and executed again" in told
    node.start()
    node.wait_ready()
    assert node.get("/status")["log"]["size"] >= before["size"]
    wait_receipted(place.nodes["maker"], issue(place.nodes["maker"], 3)["digest"])
    agree(place)
