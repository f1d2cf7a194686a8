"""`comity serve` with CometBFT: one node, killed in halves, ended, and given another engine."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.demo import scenario
from node.demo.play import Desk, produced_members
from node.ledger.comet.abci import address
from node.settings import COMETBFT
from node.setup.keystore import Keys
from tests.harness.net.harness import CN, EU, MAKER, PASSPHRASE, Node, Party, comity, found, wait
from tests.harness.parts import require

pytestmark = pytest.mark.check

BACK_S_MAX = 5.0  # what the README promises
OBSERVERS = [Party(p.name, p.jurisdiction, p.roles, validator=False) for p in (CN, EU)]


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The one validator of its network; the authorities of both sides stay away."""
    require("cometbft")
    node = found(tmp_path_factory.mktemp("c"), [MAKER, *OBSERVERS], engine=COMETBFT)["maker"]
    node.start()
    node.wait_ready()
    yield node
    node.stop()


def record(node: Node, serial: int) -> str:
    """One attestation, until it has its receipt."""
    desk = Desk("maker", node.url, (node.data / "operator.key").read_text().strip())
    battery = scenario.make(serial)
    digest = desk.attest("battery.produced", battery, produced_members(battery))
    wait("its receipt", lambda: bool(desk.get(f"/attestations/{digest}")["receipted_at"]))
    return digest


def admitted(node: Node) -> list[str]:
    """Every attestation in the log, in order."""
    entries, start = list[str](), 0
    while page := node.get(f"/log/entries?start={start}")["entries"]:
        entries += [entry["digest"] for entry in page if entry["type"] == "admitted"]
        start = page[-1]["leaf_index"] + 1
    return entries


def stopping(node: Node) -> list[str]:
    """The conditions that keep it from being ready."""
    told = node.request("GET", "/readyz")[1]
    return [one["code"] for one in told["conditions"] if one["stops"]]


def comets(node: Node) -> list[int]:
    """The processes of CometBFT with this node's home."""
    home = str(node.data / "comet")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if home in words and words[0].endswith("cometbft"):
            found.append(int(folder.name))
    return found


def test_cometbft_is_killed_and_both_are_back(maker: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """
    SIGKILL of CometBFT: the node says so at /readyz, starts it again within 5 s, and goes on recording.
    """
    first = record(maker, 9_100_001)
    (pid,) = comets(maker)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    wait("the node to say so", lambda: "engine_away" in stopping(maker), BACK_S_MAX)
    wait("both", lambda: maker.status_of("/readyz") == 200)
    back_s = time.monotonic() - killed
    second = record(maker, 9_100_002)

    with capsys.disabled():
        print(f"\nCometBFT killed: both back after {back_s:.2f} s")
    assert back_s < BACK_S_MAX
    assert comets(maker) != [pid] and len(comets(maker)) == 1
    assert {first, second} <= set(admitted(maker))
    assert "comity_cometbft_starts_total 2" in maker.get("/metrics")


def test_the_node_is_killed_and_cometbft_does_not_outlive_it(maker: Node) -> None:
    """
    SIGKILL of the node: its CometBFT ends with it, a new start has both, and nothing is lost or doubled.
    """
    before = [*admitted(maker), record(maker, 9_100_003)]
    maker.kill()
    wait("CometBFT to end", lambda: not comets(maker), BACK_S_MAX)
    maker.start()
    maker.wait_ready()
    fourth = record(maker, 9_100_004)

    found = admitted(maker)
    assert set(before) <= set(found) and fourth in found
    assert len(found) == len(set(found))


def test_cometbft_that_stands_still_is_started_again(maker: Node) -> None:
    """
    A CometBFT that holds its connections and answers nothing is ended with SIGKILL and started again.
    """
    (pid,) = comets(maker)
    os.kill(pid, signal.SIGSTOP)
    wait("another CometBFT", lambda: pid not in comets(maker) and len(comets(maker)) == 1)
    wait("both", lambda: maker.status_of("/readyz") == 200)

    record(maker, 9_100_005)
    assert [told["because"] for told in maker.moments("engine_stopped")] == ["it does not answer"]


def test_no_key_of_ours_is_in_cometbfts_home(maker: Node) -> None:
    """
    No file of it holds the vote key, in any form; its validator key is one of nobody; and its sockets are in
    a folder of this user alone.
    """
    home, keys = maker.data / "comet", Keys.load(maker.data, MAKER.did, PASSPHRASE)
    vote = keys.signer("vote")
    forms = (vote.seed, base64.b64encode(vote.seed + vote.public_key), vote.seed.hex().encode())
    files = [path for path in home.rglob("*") if path.is_file()]

    assert len(files) > 5
    assert not [path for path in files for form in forms if form in path.read_bytes()]
    own = json.loads((home / "config/priv_validator_key.json").read_text())
    assert bytes.fromhex(own["address"]) != address(vote.public_key)
    assert home.stat().st_mode & 0o077 == 0


def test_both_end_in_order(maker: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """
    SIGTERM: exit code 0, and no CometBFT is left. The embedded engine does not go on from its ledger, and
    CometBFT without its blocks is not started.
    """
    assert maker.stop() == 0
    assert comets(maker) == []

    (maker.data / "node.toml").write_text('engine = "embedded"\n')
    passphrase = ("--passphrase-file", maker.passphrase_file)
    assert comity("serve", "--data", maker.data, *passphrase, "--listen", "127.0.0.1:0") != 0
    assert "ordered by CometBFT, and the embedded engine cannot go on from it" in capsys.readouterr().err

    (maker.data / "node.toml").unlink()
    (maker.data / "comet/data").rename(maker.data / "comet/lost")
    assert comity("serve", "--data", maker.data, *passphrase, "--listen", "127.0.0.1:0") != 0
    assert "blocks, and CometBFT has none of them" in capsys.readouterr().err
