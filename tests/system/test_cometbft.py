"""The application behind a real CometBFT: one node, four nodes, and what is left after kills."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from credentials.ledger.attestation import make_attestation
from credentials.ledger.genesis import Genesis
from credentials.ledger.parties import Limits
from tests.harness import ledger
from tests.harness.comet_node import BLOCK_S_MAX, START_S_MAX, CometNode, network, wait
from tests.harness.engines import founded_now
from tests.harness.parts import COMETBFT_LINES, require

SEED = 10
KILLS = 40


@pytest.fixture
def sockets() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="comet") as folder:
        yield Path(folder)


def attestation(genesis: Genesis, number: int) -> bytes:
    moment = int(time.time())
    return make_attestation(
        signer=ledger.signer(ledger.MAKER),
        iat=moment,
        kind="battery.produced",
        issuer=ledger.MAKER,
        subject=ledger.battery(number),
        network_id=genesis.network_id,
        event_time=moment,
        document_digest=sha256(b"document %d" % number).digest(),
        produced_on=ledger.day_of(moment),
    )


def submit(node: CometNode, number: int) -> bytes:
    tx = attestation(node.genesis, number)
    assert node.submit(tx) == 0
    return tx


def recorded(nodes: list[CometNode], txs: list[bytes]) -> None:
    for node in nodes:
        wait("the record", lambda: set(txs) <= set(node.attested()), [node], BLOCK_S_MAX)  # noqa: B023


@pytest.mark.check
@pytest.mark.parametrize("line", COMETBFT_LINES)
def test_one_real_node_orders_for_our_application(line: str, tmp_path: Path, sockets: Path) -> None:
    """
    What is submitted over its RPC is recorded once; both are killed, and go on; an application that lost its
    data is replayed to the same log.
    """
    genesis = founded_now(validators=(ledger.MAKER,))
    (node,) = nodes = network(require(line), genesis, [ledger.MAKER], tmp_path, sockets)
    try:
        node.start()
        wait("CometBFT", lambda: node.up, nodes, START_S_MAX)
        txs = [submit(node, number) for number in range(3)]
        recorded(nodes, txs)

        node.kill_application()
        node.kill_comet()  # as whoever supervises both: without its signer it may wait for minutes (D621)
        node.start()
        wait("both", lambda: node.up, nodes, START_S_MAX)
        txs.append(submit(node, 3))
        recorded(nodes, txs)
        log, state = node.log(), node.state
        assert sorted(node.attested()) == sorted(txs)

        node.stop()
        node.forget("emptied")
        node.start()
        wait("the replay", lambda: node.up and node.state == state, nodes, START_S_MAX)
        assert node.log() == log
    finally:
        node.stop()


@pytest.mark.long
@pytest.mark.parametrize("line", COMETBFT_LINES)
def test_after_idling_a_real_node_records_in_its_second_block(
    line: str, tmp_path: Path, sockets: Path
) -> None:
    """
    With nothing to do no block is made. The first one after that is dated before it: what is attested now
    stays in the mempool over it, and is in the next one, which CometBFT begins by itself.
    """
    limits = Limits(clock_skew_s=1)
    genesis = founded_now(validators=(ledger.MAKER,), limits=limits)
    (node,) = nodes = network(require(line), genesis, [ledger.MAKER], tmp_path, sockets)
    try:
        node.start()
        wait("CometBFT", lambda: node.up, nodes, START_S_MAX)
        first = submit(node, 0)
        recorded(nodes, [first])
        time.sleep(2)
        height, _ = node.state
        time.sleep(5)
        assert node.state[0] == height == node.height_of(first) + 1, "an idle network rests"
        second = submit(node, 1)
        recorded(nodes, [second])

        assert node.height_of(second) == height + 2
    finally:
        node.stop()


@pytest.fixture(params=COMETBFT_LINES)
def four(request: pytest.FixtureRequest, tmp_path: Path, sockets: Path) -> Iterator[list[CometNode]]:
    nodes = network(require(request.param), founded_now(), ledger.VALIDATORS, tmp_path, sockets)
    for node in nodes:
        node.start()
    for node in nodes:
        wait("CometBFT", lambda: node.follows, [node], START_S_MAX)  # noqa: B023
    yield nodes
    for node in nodes:
        node.stop()


@pytest.mark.long
def test_four_real_nodes_agree(four: list[CometNode]) -> None:
    """
    Submitted anywhere, recorded everywhere, in one order: four logs and four states are one.
    """
    txs = [submit(four[number % 4], number) for number in range(100)]

    recorded(four, txs)
    top = max(node.state[0] for node in four)
    for node in four:
        wait("the last block", lambda: node.state[0] >= top, [node], BLOCK_S_MAX)  # noqa: B023
    assert len({node.state for node in four}) == 1
    assert all(node.log() == four[0].log() for node in four)
    assert sorted(four[0].attested()) == sorted(txs)


@pytest.mark.long
def test_kills_lose_and_double_nothing(four: list[CometNode], capsys: pytest.CaptureFixture[str]) -> None:
    """
    SIGKILL of an application with its CometBFT, or of CometBFT alone, while attestations come: what a node
    recorded stays, none is recorded twice, and at the end four logs are one. One in ten loses its ledger.
    """
    draw, sent, slowest = random.Random(SEED), list[bytes](), 0.0
    for kill in range(KILLS):
        node, victim = draw.choice(four), draw.choice(("application", "comet"))
        other = draw.choice([one for one in four if one is not node])
        sent += [submit(other, kill * 10 + n) for n in range(3)]
        wait("one", lambda: sent[-1] in other.attested(), [other], BLOCK_S_MAX)  # noqa: B023
        known = node.attested()
        sent += [submit(other, kill * 10 + 3)]
        if victim != "comet":
            node.kill_application()
        elif draw.random() < 0.5:
            time.sleep(1)  # the application is left alone for a moment
        node.kill_comet()  # as whoever supervises both: without its signer it may wait for minutes (D621)
        if draw.random() < 0.1:
            node.kill_application()
            node.forget(f"emptied-{kill}")
        if node.application is None:
            node.start_application()
        node.start_comet()
        slowest = max(slowest, wait("it", lambda: node.follows, [node], START_S_MAX))  # noqa: B023
        wait("it to catch up", lambda: node.attested()[: len(known)] == known, [node], BLOCK_S_MAX)  # noqa: B023

    recorded(four, sent)
    logs = [node.attested() for node in four]
    with capsys.disabled():
        print(f"\n{KILLS} kills, seed {SEED}: {len(sent)} attestations, up again within {slowest:.2f} s")
    assert all(sorted(log) == sorted(sent) for log in logs), "lost, or recorded twice"
    assert all(log == logs[0] for log in logs)
