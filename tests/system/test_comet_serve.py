"""`comity serve` with CometBFT: one node, killed in halves, ended, and given another engine."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from consensus.cose import SeedSigner
from credentials.ledger.engine_terms import COMETBFT
from node.demo import scenario
from node.demo.play import DemoFailed, Desk, produced_members
from node.ledger.comet.comet_names import address
from node.setup.keystore import Keys
from tests.harness.net.harness import CN, EU, MAKER, PASSPHRASE, Node, Party, comity, found, wait
from tests.harness.parts import COMETBFT_LINES, require

pytestmark = pytest.mark.check

BACK_S_MAX = 5.0  # what the README promises
SEED = 10
OBSERVERS = [Party(p.name, p.jurisdiction, p.roles, validator=False) for p in (CN, EU)]


@pytest.fixture(scope="module", params=COMETBFT_LINES)
def maker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The one validator of its network; the authorities of both sides stay away."""
    binary = require(request.param)
    node = found(tmp_path_factory.mktemp("c"), [MAKER, *OBSERVERS], engine=COMETBFT, binary=binary)["maker"]
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
    """Every attestation that the log admitted, in order."""
    return [digest for kind, digest in final(node) if kind == "admitted"]


def final(node: Node) -> list[tuple[str, str]]:
    """What the log says of every attestation, in order."""
    entries, start = list[tuple[str, str]](), 0
    while page := node.get(f"/log/entries?start={start}")["entries"]:
        entries += [(entry["type"], entry["digest"]) for entry in page if entry["type"] != "block"]
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


def waited_s(node: Node) -> float:
    """How long the node's main thread, which starts it, waited for a processor that other programs had."""
    assert node.process is not None
    return int(Path(f"/proc/{node.process.pid}/schedstat").read_text().split()[1]) / 1e9


@dataclass
class Attesting:
    """The maker's IT: one battery after another, each attested again until that is acknowledged."""

    node: Node
    first: int  # serial number, of batteries of its own
    acknowledged: list[str] = field(default_factory=list)  # digests
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        desk = Desk("maker", self.node.url, (self.node.data / "operator.key").read_text().strip())
        while not self.stopping.wait(0.02):
            battery = scenario.make(self.first + len(self.acknowledged))
            body = {
                "event": "battery.produced",
                "battery": battery.code,
                "members": produced_members(battery),
            }
            digest = None
            while digest is None:
                try:
                    digest = desk.post("/attestations", body)["digest"]
                except (requests.RequestException, DemoFailed):
                    time.sleep(0.1)
            self.acknowledged.append(digest)


@pytest.mark.parametrize("kills", [10, pytest.param(40, marks=pytest.mark.long)])
def test_kills_while_attesting_lose_and_double_nothing(
    maker: Node, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    SIGKILL of the application, of CometBFT and of both, in turn, at any moment of a stream of attestations:
    both are back within 5 s each time, and every acknowledged one is in the log. What was asked for again
    because the answer did not come is refused there: each battery is produced once.

    Not counted is for how long other programs of a busy machine kept the node from being started.
    """
    draw, work, took_s = random.Random(SEED), Attesting(maker, 9_200_001 + 10_000 * kills), list[float]()
    before = len(admitted(maker))
    attesting = threading.Thread(target=work.run)
    attesting.start()
    try:
        for kill in range(kills):
            known = len(work.acknowledged)
            wait("something to lose", lambda: len(work.acknowledged) > known + 3)  # noqa: B023
            time.sleep(draw.uniform(0, 0.3))
            (pid,) = comets(maker)
            victim = ("application", "CometBFT", "both")[kill % 3]
            if victim != "application":
                os.kill(pid, signal.SIGKILL)
            if victim != "CometBFT":
                maker.kill()
            killed = time.monotonic()
            if victim == "CometBFT":
                wait("another CometBFT", lambda: comets(maker) not in ([], [pid]))  # noqa: B023
            else:
                maker.start()
            wait("both", lambda: maker.status_of("/readyz") == 200 and len(comets(maker)) == 1)
            fresh = victim != "CometBFT"
            took_s.append(time.monotonic() - killed - (waited_s(maker) if fresh else 0.0))
    finally:
        work.stopping.set()
        attesting.join(60)

    said = list[tuple[str, str]]()

    def all_final() -> bool:
        said[:] = final(maker)
        return set(work.acknowledged) <= {digest for _, digest in said}

    wait("all of them", all_final)
    with capsys.disabled():
        print(
            f"\n{kills} kills: {len(work.acknowledged)} acknowledged; back after {max(took_s):.2f} s at most"
        )
    assert len(said) == len({digest for _, digest in said}), "an attestation is in the log twice"
    assert len(admitted(maker)) - before == len(work.acknowledged), "a battery is lost, or there twice"
    assert max(took_s) < BACK_S_MAX


def test_no_key_of_ours_is_in_cometbfts_home(maker: Node) -> None:
    """
    No file of it holds the vote key, in any form; its validator key is one of nobody; and its sockets are in
    a folder of this user alone.
    """
    home, keys = maker.data / "comet", Keys.load(maker.data, MAKER.did, PASSPHRASE)
    vote = keys.signer("vote")
    assert isinstance(vote, SeedSigner)
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
    assert "blocks of CometBFT, and CometBFT has none of them" in capsys.readouterr().err
