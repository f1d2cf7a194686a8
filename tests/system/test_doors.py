"""One hostile party at the doors of a running network of four: what it cannot take from the others.

Each attack runs for ten seconds (COMITY_DOORS_S) against two of the validators, while the maker attests one
battery after the other. Printed and held to: finality of the honest, memory, the time that a probe waits, and
what /readyz says.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from consensus.cose import SeedSigner, sign1
from consensus.encoding import encode
from credentials.ledger.engine_terms import EMBEDDED
from node.demo.launcher import descendants_pss_bytes, own_pss_bytes
from node.peers.authentication import PeerAuthentication
from node.settings import WORKERS_USUAL_MAX
from node.setup import network as networks
from node.setup.keystore import Keys
from tests.bench.harness import percentile
from tests.harness.net.batteries import code_of
from tests.harness.net.harness import (
    PASSPHRASE,
    VALIDATORS,
    Node,
    Party,
    comity,
    found,
    wait,
)
from tests.harness.stand_in import StandIn

pytestmark = pytest.mark.check

SECONDS = float(os.environ.get("COMITY_DOORS_S", "10"))
FINALITY_P99_S_MAX = 2.0
MEMORY_MIB_MAX = 50
WORKERS_MIB_MAX = 110 * WORKERS_USUAL_MAX  # D649: 60 to 100 MB each, while a large manifest is judged
PROBE_S_MAX = 2.0
CONNECTIONS = 110
NOTHING_IS_WRONG = frozenset[str]()  # what /readyz says of a node from which nothing is kept
HEAD = (
    "| what | attested | final p50 ms | p99 ms | /healthz at most ms | memory MiB | /readyz |\n"
    "|---|---|---|---|---|---|---|"
)
HOSTILE = Party("hostile", "EU", ("holder",), validator=False)


@dataclass
class Net:
    """Four validators over HTTPS, a participant that attacks them, and the honest maker's load."""

    nodes: dict[str, Node]
    hostile: PeerAuthentication
    bombs: list[float] = field(default_factory=list)  # when a node asked the hostile participant
    engine: str = EMBEDDED
    serial: int = 0
    seconds: float = SECONDS
    rows: list[str] = field(default_factory=list)  # what each attack did, for a table
    told: Counter[str] = field(default_factory=Counter)  # what /readyz said during the last one, by code

    @property
    def attacked(self) -> list[Node]:
        return [self.nodes["cn"], self.nodes["customs"]]

    def attest(self) -> float:
        """One more battery; the seconds from the order until it is recorded on the maker's ledger."""
        self.serial += 1
        started = time.monotonic()
        maker = self.nodes["maker"]
        members = {"production_date": f"2026-06-{1 + self.serial % 28:02d}", "category": "ev"}
        order = {"event": "battery.produced", "battery": code_of(self.serial), "members": members}
        digest = maker.post("/attestations", order)["digest"]
        wait("finality", lambda: maker.get(f"/attestations/{digest}")["state"] in ("admitted", "receipted"))
        return time.monotonic() - started

    def memory_mib(self) -> dict[str, float]:
        running = {name: node.process.pid for name, node in self.nodes.items() if node.process}
        return {name: own_pss_bytes(pid) / 2**20 for name, pid in running.items()}

    def workers_mib(self) -> float:
        """What the workers take of the node that has most: as many as its operator lets it have."""
        return max(descendants_pss_bytes(n.process.pid) for n in self.nodes.values() if n.process) / 2**20

    def during(
        self,
        what: str,
        attack: Callable[[Node, threading.Event], None],
        threads: int = 1,
        *,
        says: frozenset[str] = NOTHING_IS_WRONG,
    ) -> None:
        """Run an attack on two validators, and hold the network to its bounds meanwhile.

        /readyz of the two says these conditions and no others; of what stops nothing, that they are ready.
        """
        before, ended = self.memory_mib(), threading.Event()
        self.told.clear()
        attackers = [
            threading.Thread(target=attack, args=(node, ended), daemon=True)
            for node in self.attacked
            for _ in range(threads)
        ]
        for one in attackers:
            one.start()
        finality, probes, ready, grown, beside = [], [], Counter[int](), 0.0, 0.0
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            finality.append(self.attest())
            probes.append(max(probe_s(node) for node in self.attacked))
            for node in self.attacked:
                status, said = node.request("GET", "/readyz")
                ready[status] += 1
                self.told.update(one["code"] for one in said["conditions"])
            now = self.memory_mib()
            grown = max(grown, *(now[name] - before[name] for name in now))
            beside = max(beside, self.workers_mib())
        ended.set()
        for one in attackers:
            one.join(20)
        p50, p99 = percentile(finality, 0.5), percentile(finality, 0.99)
        print(
            f"{what}: {len(finality)} attestations, final p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms; "
            f"/healthz at most {max(probes) * 1000:.0f} ms; memory +{grown:.0f} MiB; /readyz {dict(ready)}"
        )
        said = ", ".join(f"{code} {count} times" for code, count in sorted(ready.items()))
        codes = " ".join(sorted(self.told))
        self.rows.append(
            f"| {what} | {len(finality)} | {p50 * 1000:.0f} | {p99 * 1000:.0f} | {max(probes) * 1000:.0f} | "
            f"+{grown:.0f} | {said} {codes} |"
        )
        assert p99 < FINALITY_P99_S_MAX
        assert max(probes) < PROBE_S_MAX
        assert grown < MEMORY_MIB_MAX
        assert beside < WORKERS_MIB_MAX
        assert set(self.told) <= says, f"{what}: /readyz says {dict(self.told)}"
        assert says or set(ready) == {200}, f"{what}: /readyz answers {dict(ready)} and does not say why"
        for node in self.nodes.values():
            node.wait_ready()


def probe_s(node: Node) -> float:
    started = time.monotonic()
    assert node.status_of("/healthz") == 200
    return time.monotonic() - started


BOMB = gzip.compress(bytes(1_000_000), 9) * 419  # members of one stream, one after the other


class Bombs(BaseHTTPRequestHandler):
    """Answers whatever is asked with 408 kB that decompress to 419 MB."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append(time.monotonic())  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(BOMB)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(BOMB)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@contextmanager
def bombing() -> Iterator[tuple[int, list[float]]]:
    server = StandIn(("127.0.0.1", 0), Bombs)
    asked: list[float] = []
    server.asked = asked  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def running(root: Path, engine: str = EMBEDDED) -> Iterator[Net]:
    """The network, warm, with a hostile participant whose address is that of the bombs."""
    nodes = found(root, (*VALIDATORS, HOSTILE), tls=True, engine=engine)
    hostile = nodes.pop(HOSTILE.name)
    keys = Keys.load(hostile.data, HOSTILE.did, PASSPHRASE)
    genesis = networks.verify(hostile.data / "network").genesis
    with bombing() as (port, asked):
        for node in nodes.values():
            peers = node.data / "network" / "peers.toml"
            peers.write_text(peers.read_text().replace(hostile.url, f"http://127.0.0.1:{port}"))
        try:
            for node in nodes.values():
                node.start()
            for node in nodes.values():
                node.wait_ready()
            history, transport = genesis.history(), keys.signer("transport")
            speaker = PeerAuthentication(genesis.network_id, history, HOSTILE.did, (transport,))
            made = Net(nodes, speaker, asked, engine)
            for _ in range(20):
                made.attest()  # everything is loaded once before memory is measured
            yield made
        finally:
            for node in nodes.values():
                node.stop()


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with running(tmp_path_factory.mktemp("doors") / "network") as made:
        yield made


def keep_open(
    node: Node,
    ended: threading.Event,
    begin: Callable[[socket.socket], socket.socket],
    trickle: bytes,
    port: int = 0,
) -> None:
    """110 connections that begin like this, then a byte now and then; what is cut is made again.

    `port`: of another process of the node than its own.
    """
    held: list[socket.socket] = []
    while not ended.is_set():
        while len(held) < CONNECTIONS and not ended.is_set():
            plain = socket.create_connection(("127.0.0.1", port or node.port), timeout=5)
            with suppress(OSError):
                held.append(begin(plain))
        for one in list(held):
            try:
                if trickle:
                    one.send(trickle)
                one.setblocking(False)
                with suppress(BlockingIOError, ssl.SSLWantReadError):
                    if not one.recv(1):
                        raise ConnectionResetError
                one.settimeout(5)
            except OSError:
                one.close()
                held.remove(one)
        ended.wait(0.5)
    for one in held:
        one.close()


def test_silent_tls_connections(net: Net) -> None:
    """
    N04: 110 connections to each of two validators that never begin their handshake.
    """
    net.during("N04 silent TLS", lambda node, ended: keep_open(node, ended, lambda plain: plain, b""))


def test_half_open_requests(net: Net) -> None:
    """
    N05: 110 connections to each of two validators whose header never ends, a byte now and then.
    """

    def begin(plain: socket.socket) -> socket.socket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = context.wrap_socket(plain)
        secure.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX:")
        return secure

    net.during("N05 half-open", lambda node, ended: keep_open(node, ended, begin, b"a"))


def test_event_streams(net: Net) -> None:
    """
    N06: ten streams of a running job at a time by a `read` key, most of them left, at two validators.
    """
    lines = [{"line": n, "battery": code_of(900_000 + n), "goods": "battery"} for n in range(1, 4001)]
    order = {"declaration": "26NL1", "law_date": "2027-03-01", "lines": lines}
    told: list[int] = []

    def follow(node: Node, ended: threading.Event) -> None:
        key = node.post("/keys", {"name": "reader", "scopes": ["read"]})["key"]
        path = f"/consignments/{node.post('/consignments', order)['id']}/events"
        while not ended.is_set():
            answers = [
                node.pool.request(
                    "GET",
                    node.url + path,
                    headers={"authorization": f"Bearer {key}"},
                    preload_content=False,
                    timeout=10,
                )
                for _ in range(10)
            ]
            told.extend(answer.status for answer in answers)
            ended.wait(0.5)
            for answer in answers:  # leaves, as a browser's tab does
                answer.close()

    net.during("N06 event streams", follow)

    assert set(told) == {200, 503}, "some are served, the ones too many are refused"


def test_compressed_answers(net: Net) -> None:
    """
    N07: a participant that answers every request of the others with 408 kB of gzip that are 419 MB.
    """
    before = len(net.bombs)

    net.during("N07 bombs", lambda node, ended: None)

    assert len(net.bombs) - before > net.seconds, "all that time the others asked it"


def test_replays(net: Net) -> None:
    """
    N09: one captured request of an honest validator is sent again and again: it is heard all the same.
    """
    maker = net.nodes["maker"]
    keys = Keys.load(maker.data, maker.party.did, PASSPHRASE)
    genesis = networks.verify(maker.data / "network").genesis
    history, transport = genesis.history(), keys.signer("transport")
    honest = PeerAuthentication(genesis.network_id, history, maker.party.did, (transport,))
    statuses: list[int] = []

    def replay(node: Node, ended: threading.Event) -> None:
        captured, _ = honest.request(node.party.did, "status", encode([b"", 0, 0, 0]))
        while not ended.is_set():
            answer = node.pool.request("POST", f"{node.url}/peer/status", body=captured, timeout=10)
            statuses.append(answer.status)

    net.during("N09 replays", replay, threads=8)

    assert len(statuses) > 4 * 16, "sent again, though the first answer is held while there is nothing new"
    assert statuses.count(200) == 16, "each of the sixteen captured requests is answered once"
    assert set(statuses) == {200, 401}

    def heard(node: Node) -> bool:
        peers = {peer["did"]: peer for peer in net.nodes["maker"].get("/status")["peers"]}
        return bool(peers[node.party.did]["reachable"]) and peers[node.party.did]["problem"] is None

    for node in net.attacked:
        wait(f"{node.party.name} to be heard", lambda: heard(node))  # noqa: B023


def test_strangers_at_the_peers_door(net: Net) -> None:
    """
    Garbage at /peer/messages from many connections takes neither the peers' threads nor their patience.
    """
    body = os.urandom(50_000)

    def flood(node: Node, ended: threading.Event) -> None:
        while not ended.is_set():
            with suppress(Exception):
                node.pool.request("POST", f"{node.url}/peer/messages", body=body, timeout=10)

    net.during("strangers at /peer", flood, threads=16)


def test_bombs_of_strangers_at_the_peers_door(net: Net) -> None:
    """
    Messages of two million empty lists, in the place of what is signed: they are not built before it is
    known who sent them.
    """
    lists = b"\x9a" + (2_000_000).to_bytes(4, "big") + b"\x80" * 2_000_000
    body = sign1({}, lists, SeedSigner("did:web:nobody.example#transport-1", bytes(32)))
    statuses: Counter[int] = Counter()

    def flood(node: Node, ended: threading.Event) -> None:
        while not ended.is_set():
            with suppress(Exception):
                answer = node.pool.request("POST", f"{node.url}/peer/messages", body=body, timeout=10)
                statuses[answer.status] += 1

    net.during("bombs of strangers", flood, threads=2)

    assert statuses[401] and set(statuses) <= {401, 429, 503}


def test_asking_for_snapshots(net: Net) -> None:
    """
    A participant that asks for a new snapshot all the time holds none of the threads that answer peers.
    """
    statuses: Counter[int] = Counter()

    def ask(node: Node, ended: threading.Event) -> None:
        while not ended.is_set():
            asked, _ = net.hostile.request(node.party.did, "snapshot", encode([0, 0, 0]))
            with suppress(Exception):
                answer = node.pool.request("POST", f"{node.url}/peer/snapshot", body=asked, timeout=10)
                statuses[answer.status] += 1

    net.during("snapshots asked for", ask, threads=16)

    assert set(statuses) == {200, 503}


def test_large_bodies_that_never_end(net: Net) -> None:
    """
    Bodies of 16 MiB that are announced, and come a byte at a time.
    """

    def begin(plain: socket.socket) -> socket.socket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = context.wrap_socket(plain)
        secure.sendall(
            b"POST /consignments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 16000000\r\n\r\n" + b"x" * 60_000
        )
        return secure

    net.during("large bodies", lambda node, ended: keep_open(node, ended, begin, b"x"))


def test_the_command_line_reaches_a_node_under_its_own_certificate(net: Net) -> None:
    """
    `comity ... --data DIR` believes the certificate that the node of DIR made for itself, and no other.
    """
    cn, customs = net.nodes["cn"], net.nodes["customs"]
    others = (customs.data / "certificate.pem").read_bytes()
    own = (cn.data / "certificate.pem").read_bytes()

    assert comity("status", "--data", cn.data) == 0
    (cn.data / "certificate.pem").write_bytes(others)
    try:
        assert comity("status", "--data", cn.data) != 0
    finally:
        (cn.data / "certificate.pem").write_bytes(own)


def test_nothing_acknowledged_is_lost(net: Net) -> None:
    """
    After all that every battery that was attested is on the ledger of every validator.
    """
    wait("one log", lambda: len({json.dumps(n.get("/status")["log"]) for n in net.nodes.values()}) == 1)

    for node in net.nodes.values():
        assert all(
            node.status_of(f"/batteries/{code_of(serial)}") == 200 for serial in range(1, net.serial + 1)
        )
