"""What once stopped a network from within, sent to a running one: finality goes on, and nothing is lost.

Each runs for ten seconds (COMITY_DOORS_S) with the load and the bounds of `test_doors.py`. The clocks of the
processes can be turned: a module that Python loads first adds what a file says to `time.time`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256

import pytest
import urllib3

from consensus.encoding import encode
from consensus.pool import WAITING_PER_ISSUER_MAX
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import make_attestation
from credentials.ledger.engine_terms import COMETBFT
from node.setup import network as networks
from node.setup.keystore import Keys
from tests.bench.harness import percentile
from tests.consensus.test_edge import poisoned
from tests.harness.false_statements import FALSE
from tests.harness.net.clocks import Clocks, turned
from tests.harness.net.harness import PASSPHRASE, Node, comity
from tests.system import test_doors as doors
from tests.system.test_doors import HOSTILE, Net, running

pytestmark = pytest.mark.check

WRONG_S = 5.0
RIGHT_AGAIN_S_MAX = 5.0
TOLD_S_MAX = 20.0


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocks]:
    with turned(tmp_path_factory.mktemp("clocks")) as made:
        yield made


@pytest.fixture(scope="module")
def net(clocks: Clocks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with running(tmp_path_factory.mktemp("stoppers") / "network") as made:
        yield made


def tell(net: Net, node: Node, items: list[object]) -> int:
    """One request of the hostile participant with these items; the status of the answer."""
    body = encode([[b"", 0, 0, 0], items])
    request, _ = net.hostile.request(node.party.did, "messages", body)
    answer = node.pool.request("POST", f"{node.url}/peer/messages", body=request, timeout=10)
    return int(answer.status)


def test_poisoned_evidence(net: Net) -> None:
    """
    N01: evidence that does not verify, sent all the time: the sender is silenced, the network goes on.
    """
    statuses: list[int] = []

    def poison(node: Node, ended: threading.Event) -> None:
        for data, _ in FALSE.values():
            statuses.append(tell(net, node, [[1, data]]))
        while not ended.is_set():
            for data in poisoned().values():
                statuses.append(tell(net, node, [[1, data]]))
            ended.wait(0.01)

    net.during("N01 poisoned evidence", poison)

    assert statuses.count(200) > 6
    assert 429 in statuses, "who goes on is not listened to"
    assert all(node.process and node.process.poll() is None for node in net.nodes.values())


def waiting(net: Net, count: int) -> list[bytes]:
    """Attestations that the hostile participant signs and that only wait: their time is an hour ahead."""
    keys = Keys.load(net.nodes["maker"].data.parent / HOSTILE.name, HOSTILE.did, PASSPHRASE)
    genesis = networks.verify(net.nodes["maker"].data / "network").genesis
    signer, now = keys.signer("attest"), int(time.time())
    return [
        make_attestation(
            signer=signer,
            iat=now,
            kind="battery.reported_lost",
            issuer=HOSTILE.did,
            subject=Subject("gbt34014", "ZZ1", sha256(b"%d" % number).digest()),
            network_id=genesis.network_id,
            event_time=now + 3_600,
            document_digest=sha256(b"report %d" % number).digest(),
        )
        for number in range(count)
    ]


def test_what_only_waits(net: Net) -> None:
    """
    N02: a participant posts 21,250 attestations that only wait, again and again: it takes its own share of
    the pool, and the honest lose nothing.
    """
    flood = waiting(net, 21_250)
    statuses: list[int] = []

    def post(node: Node, ended: threading.Event) -> None:
        while not ended.is_set():
            for start in range(0, len(flood), 250):
                if not ended.is_set():
                    statuses.append(tell(net, node, [[2, data] for data in flood[start : start + 250]]))

    net.during("N02 what only waits", post)

    assert statuses.count(200) > 5, "it was taken in until its share was full"
    for node in net.attacked:
        pool = node.get("/status")["pool"]
        print(f"{node.party.name}: {pool} in the pool")
        assert pool <= WAITING_PER_ISSUER_MAX + 10
        assert net.engine == COMETBFT or pool, "what only waits is not in CometBFT's mempool (D625)"


def test_records_of_yesterday(net: Net) -> None:
    """
    N11: a validator is stopped, given an office.db of before, and started again: it compares itself with the
    ledger and says so, is ready by itself, and what the honest attest is final within bounds.
    """
    node = net.nodes["cn"]
    backup = node.data.parent / "cn.backup"
    assert comity("backup", "--data", node.data, "--out", backup) == 0
    for _ in range(5):
        net.attest()
    node.stop()
    assert comity("restore", "--data", node.data, "--from", backup, "--replace") == 0
    node.start()
    told, ready = set[str](), False
    while not ready:
        with suppress(urllib3.exceptions.HTTPError):
            status, said = node.request("GET", "/readyz")
            told |= {one["code"] for one in said["conditions"]}
            ready = status == 200
        time.sleep(0.01)
    until, finality = time.monotonic() + net.seconds, list[float]()
    while time.monotonic() < until:
        finality.append(net.attest())
    p50, p99 = percentile(finality, 0.5), percentile(finality, 0.99)
    codes = " ".join(sorted(told))
    net.rows.append(f"| N11 restored | {len(finality)} | {p50 * 1000:.0f} | {p99 * 1000:.0f} | | | {codes} |")
    assert "comparing_records" in told
    assert p99 < doors.FINALITY_P99_S_MAX


def test_wrong_clocks(net: Net, clocks: Clocks) -> None:
    """
    N03: two of four clocks an hour fast for five seconds: /readyz of all four says that clocks differ, for
    none of them can know which half is right, and within five seconds after they are right the next
    attestation is final, and all are ready again.
    """
    wrong = [net.nodes["cn"], net.nodes["customs"]]
    for node in wrong:
        clocks.turn(node, 3600)
    since, told = time.monotonic(), Counter[tuple[str, str]]()
    missing = {node.party.name for node in net.nodes.values()}
    while time.monotonic() < since + WRONG_S or missing:
        told.update((node.party.name, code) for node in net.nodes.values() for code in stopping(node))
        missing -= {name for name, code in told if code.startswith("clock_")}
        assert time.monotonic() < since + TOLD_S_MAX, (missing, told)
        time.sleep(0.2)
    for node in wrong:
        clocks.right(node)

    took_s = net.attest()
    after = [net.attest() for _ in range(3)]
    print(f"N03 clocks: final {took_s:.2f} s after they are right, then {max(after):.2f} s at most; {told}")

    assert took_s < RIGHT_AGAIN_S_MAX
    assert max(after) < 2
    for node in net.nodes.values():
        node.wait_ready()


def stopping(node: Node) -> list[str]:
    """What /readyz says keeps this node from being ready."""
    return [one["code"] for one in node.request("GET", "/readyz")[1]["conditions"] if one["stops"]]


def test_nothing_acknowledged_is_lost_by_it(net: Net) -> None:
    """
    After all that every battery that was attested is on the ledger of every validator.
    """
    doors.test_nothing_acknowledged_is_lost(net)
