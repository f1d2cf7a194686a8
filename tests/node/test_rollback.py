"""A validator that lost what it signed, or put an old copy back, does not vote (replica.py, engine.py)."""

from __future__ import annotations

import copy
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import requests

from consensus.encoding import encode
from consensus.events import MessageReceived
from consensus.evidence import evidence_in
from consensus.types import PRECOMMIT
from credentials.ledger.genesis import Genesis
from node.demo import scenario
from node.demo.founding import found
from node.demo.launcher import free_block
from node.demo.play import shipped_sample
from node.errors import SetupError
from node.storage.schema_steps import summed
from node.storage.signing import SigningStore, Withheld
from tests.harness import ledger
from tests.harness.demo_fixture import ROOT
from tests.harness.engines import Network
from tests.harness.replicas import Disk, Net, Node, chain_of, did, vote
from tests.harness.sim.ledger import make_tx
from tests.node.test_engine import genesis  # noqa: F401 - the fixture of a genesis of today

CHAIN = chain_of(4)


def running(seed: int, blocks: int = 3) -> Net:
    """Four validators that have decided a few blocks."""
    net = Net(seed, CHAIN, nodes=4)
    net.start()
    for number in range(blocks):
        decide(net, f"n{number}")
    return net


def decide(net: Net, name: str, *indices: int) -> None:
    net.submit_named(name)
    net.run_until(lambda: net.final_everywhere(make_tx(name), *indices))
    net.run(10)


def missing(disk: Disk, earlier: Disk) -> None:
    disk.wal, disk.guards, disk.last = [], set(), None


def restored(disk: Disk, earlier: Disk) -> None:
    disk.wal, disk.guards, disk.last = earlier.wal, earlier.guards, earlier.last


def all_lost(disk: Disk, earlier: Disk) -> None:
    missing(disk, earlier)
    disk.commits = []


def all_restored(disk: Disk, earlier: Disk) -> None:
    restored(disk, earlier)
    disk.commits = earlier.commits


@pytest.mark.parametrize("lose", [missing, restored, all_lost, all_restored])
@pytest.mark.parametrize("seed", range(3))
def test_what_peers_show_keeps_a_rolled_back_validator_silent(
    lose: Callable[[Disk, Disk], None], seed: int
) -> None:
    """
    With signing.db missing or put back, with or without its ledger, a validator follows and signs nothing;
    once allowed it votes above what was shown; nothing it signed before or after is evidence.
    """
    net = running(seed)
    node = net.node(0)
    earlier = copy.copy(node.disk)
    earlier.wal, earlier.guards, earlier.commits = (
        list(node.disk.wal),
        set(node.disk.guards),
        list(node.disk.commits),
    )
    decide(net, "more")
    decide(net, "most")
    node.stop()
    lose(node.disk, earlier)
    before = len([v for v in net.votes if v.validator == did(0)])

    node.start(ask_first=True)
    decide(net, "without", 0, 1, 2, 3)
    net.run(3_000)
    assert not node.up.voting
    assert node.up.withheld is not None and "signing.db knows nothing of it" in node.up.withheld
    assert len([v for v in net.votes if v.validator == did(0)]) == before

    node.vote_from = node.up.withheld_above + 1
    node.stop()
    node.start(ask_first=True)
    decide(net, "allowed")
    decide(net, "again")
    assert node.up.voting
    assert node.up.withheld is None
    assert len([v for v in net.votes if v.validator == did(0)]) > before
    assert evidence_in(net.votes) == ()


def test_an_intact_validator_votes_once_a_quorum_has_answered() -> None:
    """
    A restart with everything in place costs one question; with too few peers to answer nothing is signed.
    """
    net = running(7)
    node = net.node(0)
    for index in (0, 1, 2):
        net.node(index).stop()
    node.start(ask_first=True)
    net.run(5_000)
    assert node.up.asking and not node.up.voting

    net.node(1).start(ask_first=True)
    net.run(1_000)
    assert not node.up.asking
    assert node.up.voting and net.node(1).up.voting
    decide(net, "goes on", 0, 1, 3)


def test_nobody_can_silence_a_validator_with_what_it_did_not_sign() -> None:
    """
    An answer with a forged vote, somebody else's vote or rubbish is refused and withholds nothing.
    """
    net = running(8)
    node = net.node(0)
    node.stop()
    node.start(ask_first=True)
    high = vote(PRECOMMIT, 0, 9, None, CHAIN, height=2)
    wrong = (
        replace(high, signature=bytes(64)).encode(),
        vote(PRECOMMIT, 1, 9, None, CHAIN).encode(),
        b"vote",
    )
    for shown in wrong:
        answer = encode(["comity/signed-by-you/v1", did(0), 0, shown])
        node.feed(MessageReceived(did(3), answer))

    assert sum(node.up.refused[why] for why in ("signature", "malformed")) == 3
    assert node.up.withheld is None
    net.run(1_000)
    assert node.up.voting


# --- signing.db on a disk


def store_with(path: Path, records: int) -> None:
    signing = SigningStore(path)
    for height in range(1, records + 1):
        signing.persist(height, [(b"record %d " % height + bytes(200), (height, 0, "prevote"))])
    signing.close()


def test_a_torn_tail_loses_the_torn_record_only(tmp_path: Path) -> None:
    """
    signing.db cut at any byte of its journal opens again with the records before the cut, in order.
    """
    path = tmp_path / "signing.db"
    signing = SigningStore(path)
    for height in range(1, 9):
        signing.persist(height, [(b"record %d" % height, (height, 0, "prevote"))])
    whole = tmp_path / "copy"
    whole.mkdir()
    for file in tmp_path.glob("signing.db*"):
        shutil.copy(file, whole)
    signing.close()
    journal = (whole / "signing.db-wal").read_bytes()
    random = Random(3)
    cuts = sorted(random.sample(range(len(journal)), 25))

    seen = set()
    for number, cut in enumerate(cuts):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(whole / "signing.db", folder)
        (folder / "signing.db-wal").write_bytes(journal[:cut])
        opened = SigningStore(folder / "signing.db")
        records = opened.wal(0)
        highest = opened.highest()
        opened.close()
        assert records == [b"record %d" % h for h in range(1, len(records) + 1)]
        assert highest == ((len(records), 0, "prevote") if records else None)
        seen.add(len(records))
    assert len(seen) > 4


def test_a_damaged_middle_stops_the_node_with_one_sentence(tmp_path: Path) -> None:
    """
    A page of signing.db that is overwritten is found at start, and nothing is signed on what is left.
    """
    path = tmp_path / "signing.db"
    store_with(path, 200)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(path.read_bytes())
    assert len(data) > 16 * 4096
    found = 0
    for page in range(1, len(data) // 4096):
        damaged = bytearray(data)
        damaged[page * 4096 : page * 4096 + 64] = b"\xff" * 64
        path.write_bytes(damaged)
        with pytest.raises(SetupError, match=r"is damaged: what this validator signed cannot be known"):
            SigningStore(path)
        found += 1
    assert found > 16


def test_a_damaged_record_stops_the_node_with_one_sentence(genesis: Genesis, tmp_path: Path) -> None:  # noqa: F811
    """
    A record of the write-ahead log that was overwritten is found before anything is signed.
    """
    network = Network(genesis, tmp_path)
    network.start(ledger.CUSTOMS)  # alone: it asks, and signs nothing
    network.links.nodes[ledger.CUSTOMS].stop()
    path = tmp_path / ledger.CUSTOMS.removeprefix("did:web:") / "signing.db"
    signing = SigningStore(path)
    assert signing.wal(0) == []
    for damaged in (b"damaged", encode(["comity/wal/v1", 1, 0, "prevote", b"not a vote", None, []])):
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("INSERT OR REPLACE INTO wal VALUES (1, 1, ?, ?)", (damaged, summed(1, damaged)))
        db.close()
        with pytest.raises(SetupError, match=r"signing\.db holds a damaged record"):
            network.start(ledger.CUSTOMS)
    signing.close()


def test_the_highest_signature_outlives_pruning(tmp_path: Path) -> None:
    """
    A validator that only followed for long still knows the last vote it gave.
    """
    signing = SigningStore(tmp_path / "signing.db")
    signing.persist(5, [(b"a", (5, 2, "precommit"))])
    signing.prune(100)
    assert signing.wal(0) == []
    assert signing.highest() == (5, 2, "precommit")
    signing.close()


def test_an_allowance_is_above_everything_shown(tmp_path: Path) -> None:
    """
    What several peers showed adds up; the allowance ends the silence and never goes back.
    """
    signing = SigningStore(tmp_path / "signing.db")
    signing.withhold(Withheld("shown by one", 7, 0))
    signing.withhold(Withheld("shown by another", 3, 41))

    assert signing.withheld() == Withheld("shown by another", 7, 41)
    assert signing.allow_vote() == (8, 42)
    assert signing.withheld() is None
    assert signing.allowed() == (8, 42)
    signing.withhold(Withheld("an older one", 2, 2))
    assert signing.allow_vote() == (8, 42)
    signing.close()


# --- engines over databases


def test_an_engine_without_its_signing_db_does_not_vote(genesis: Genesis, tmp_path: Path) -> None:  # noqa: F811
    """
    The engine of a validator whose signing.db was deleted follows, cosigns nothing, remembers why across a
    restart, and votes and cosigns again above the allowance.
    """
    network = Network(genesis, tmp_path)
    victim, late = ledger.CUSTOMS, ledger.MAKER
    network.start(*(did for did in ledger.VALIDATORS if did != late))  # three: no block without its vote
    network.submit(network.attestation(1))
    network.wait("the first block", lambda: network.heights() == {1})
    network.wait("its checkpoint", lambda: network.links.nodes[victim].ledger.checkpoint() is not None)
    network.start(late)
    network.wait("all four", lambda: network.heights() == {1})
    network.links.nodes[victim].stop()
    for path in (tmp_path / victim.removeprefix("did:web:")).glob("signing.db*"):
        path.unlink()

    for _ in range(2):
        network.start(victim)
        node = network.links.nodes[victim]
        network.wait("the reason", lambda: node.engine.withheld is not None)  # noqa: B023
        assert node.signing.last_cosigned() is None
        node.stop()
    network.start(victim)
    node = network.links.nodes[victim]
    network.submit(network.attestation(2))
    network.wait("the second block", lambda: network.heights() == {2})
    assert node.signing.wal(0) == [] and node.signing.last_cosigned() is None

    def shown() -> bool:
        withheld = node.signing.withheld()
        return withheld is not None and withheld.height >= 1 and withheld.size >= 2

    network.wait("both kinds of signature", shown)
    node.stop()
    signing = SigningStore(tmp_path / victim.removeprefix("did:web:") / "signing.db")
    height, size = signing.allow_vote()
    signing.close()
    assert (height, size) >= (2, 3)

    network.start(victim)
    node = network.links.nodes[victim]
    # Else the others decide both without it: three of four are enough.
    network.wait("it to vote", lambda: node.ordering.replica.voting)
    for number in (3, 4):
        network.submit(network.attestation(number))
        network.wait(f"block {number}", lambda: network.heights() == {number})  # noqa: B023
    network.wait("its cosignature", lambda: node.signing.last_cosigned() is not None)
    assert node.engine.withheld is None
    assert node.signing.wal(0) != []
    for other in list(network.links.nodes.values()):
        assert other.ledger.leaves.evidence() == [] and other.engine.evidence() == []
        assert other.supervisor.failure is None
        other.stop()


def test_a_cosignature_beyond_the_guard_withholds_as_well(genesis: Genesis, tmp_path: Path) -> None:  # noqa: F811
    """
    A guard of checkpoints that was put back is found by the cosignatures that peers have seen.
    """
    network = Network(genesis, tmp_path)
    network.start(*ledger.VALIDATORS)
    network.submit(network.attestation(1))
    network.wait("the first block", lambda: network.heights() == {1})
    victim = ledger.CUSTOMS
    network.wait("its checkpoint", lambda: network.links.nodes[victim].ledger.checkpoint() is not None)
    network.links.nodes[victim].stop()
    with closing(sqlite3.connect(tmp_path / victim.removeprefix("did:web:") / "signing.db")) as db, db:
        db.execute("DELETE FROM cosign_guard")
    db.close()

    network.start(victim)
    node = network.links.nodes[victim]
    network.wait("the reason", lambda: node.engine.withheld is not None)
    assert "cosignature" in (node.engine.withheld or "")
    assert (node.engine.withheld or "").endswith("or another node runs with the same keys")
    assert node.signing.last_cosigned() is None
    for other in list(network.links.nodes.values()):
        other.stop()


# --- real processes


def comity(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)


@pytest.mark.check
def test_a_running_validator_without_its_signing_db_says_so(tmp_path: Path) -> None:
    """
    A real node started without its signing.db is not ready, names the command, and votes after it was given.
    """
    root = tmp_path / "network"
    root.mkdir()
    nodes = found(root, free_block(len(scenario.PARTIES), 9720))
    try:
        for started in nodes:
            started.start()
        for started in nodes:
            started.wait_ready()
        victim = next(node for node in nodes if node.party.key == "customs")

        def status() -> dict[str, object]:
            try:
                answered: dict[str, object] = victim.desk().get("/status")
            except requests.RequestException:
                return {}
            return answered

        maker = next(node for node in nodes if node.party.key == "manufacturer")
        battery = scenario.make(8_100_001)
        maker.desk().issue(scenario.claims_of(shipped_sample(), battery), battery)
        wait_for(lambda: status().get("height", 0) != 0)
        victim.stop()
        assert list(victim.data.glob("signing.db"))
        for path in victim.data.glob("signing.db*"):
            path.unlink()
        victim.start()
        wait_for(lambda: bool(status().get("withheld")))
        assert "comity keys allow-vote" in str(status()["reasons"])
        assert '"at": "prevote"' not in (victim.data / "node.log").read_text().rpartition('"listening"')[2]

        victim.stop()
        asked = comity("keys", "allow-vote", "--data", str(victim.data))
        assert asked.returncode == 1 and "withheld:" in asked.stdout
        allowed = comity("keys", "allow-vote", "--data", str(victim.data), "--no-other-copy-runs")
        assert allowed.returncode == 0 and "allowed: votes from height" in allowed.stdout
        victim.start()
        victim.wait_ready()
        assert status()["withheld"] is None
    finally:
        for started in nodes:
            started.stop()


def wait_for(done: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited {seconds} s"
        time.sleep(0.1)


def test_a_copy_of_a_validator_is_noticed() -> None:
    """
    A vote of this node's key that this node did not give, for the height it works on, ends its voting.
    """
    net = running(9)
    node: Node = net.node(0)
    node.start(ask_first=True)
    net.run(1_000)
    assert node.up.voting
    foreign = vote(PRECOMMIT, 0, 3, None, CHAIN, height=net.height() + 1)
    node.feed(MessageReceived(did(2), foreign.encode()))

    assert not node.up.voting
    assert "another node runs with the same keys" in str(node.up.withheld)
