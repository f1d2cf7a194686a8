"""Row `load`: a steady stream of attestations through four validators: rate, finality, receipts, CPU.

How the load enters: two more participants (accredited makers, observers) have no node of their own; this
program holds their keys. Their attestations (`battery.produced`) are signed before the clock starts. Every
quarter of a second each maker sends what is due to all four validators as one signed request with a batch,
POST /peer/messages, as `node/issuing/outbox.py` and `node/peers/gossip.py` of an observer's node do. Each
validator verifies every signature, judges every rule, orders, stores, cosigns; nothing is switched off.

Finality of one attestation: from when it was due to be sent until the block that holds it is on the disk of a
validator (its log line `commit`); its receipt: until the checkpoint that covers it has its quorum there. CPU:
utime + stime of the validator processes over the run, by the kernel; stages by the node's own counters. The
sender shares the machine with the validators.
"""

from __future__ import annotations

import io
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import urllib3

from consensus.cose import Signer
from consensus.encoding import Value, encode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import make_attestation
from node.peers.authentication import PeerAuthentication
from node.peers.messages import ITEM_ATTESTATION
from node.setup import network as networks
from node.setup.keystore import Keys
from tests.bench.harness import NotMeasured, percentile
from tests.harness.net.harness import PASSPHRASE, VALIDATORS, Node, Party, found

TICK_S = 0.25
LINES = tuple(
    Party(f"line-{n}", "CN", ("manufacturer",), validator=False, schemes=(("gbt34014", f"ZZ{n}"),))
    for n in (3, 4)
)
SETTLE_S_MAX = 60.0
HELD_S, HELD_P99_S = 60.0, 2.0


@dataclass(slots=True)
class Load:
    """What a run showed. Times in seconds, CPU in microseconds per attestation and validator."""

    sent: int
    rate_asked: int
    seconds: float  # from the first request until the last attestation was on disk
    final_s: list[float]
    receipt_s: list[float]
    blocks: int
    cpu_us: float
    stages_us: Mapping[str, float]
    refused_requests: int
    machine_load: float = field(default_factory=lambda: os.getloadavg()[0])

    def text(self) -> str:
        """Return the row."""
        p50, p99 = percentile(self.final_s, 0.5), percentile(self.final_s, 0.99)
        stages = ", ".join(f"{name} {us:,.0f}" for name, us in self.stages_us.items())
        rest_us = self.cpu_us - sum(self.stages_us.values())
        return (
            f"{self.sent:,} attestations at {self.rate_asked}/s, all final after {self.seconds:.1f} s: "
            f"{self.sent / self.seconds:,.0f}/s in {self.blocks} blocks; "
            f"finality p50 {p50 * 1000:,.0f} ms, p99 {p99 * 1000:,.0f} ms; "
            f"receipt p50 {percentile(self.receipt_s, 0.5) * 1000:,.0f} ms, "
            f"p99 {percentile(self.receipt_s, 0.99) * 1000:,.0f} ms; "
            f"CPU per attestation and validator {self.cpu_us:,.0f} us ({stages}, "
            f"HTTP and rest {rest_us:,.0f}); {self.refused_requests} requests refused; "
            f"load average {self.machine_load:.1f}"
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """One maker: its keys, its authentication, and what it sends."""

    did: str
    authentication: PeerAuthentication
    attestations: Sequence[bytes]


def _prepare(node: Node, count: int) -> _Line:
    network = networks.verify(node.data / "network")
    keys = Keys.load(node.data, node.party.did, PASSPHRASE)
    genesis, did, signer = network.genesis, node.party.did, keys.signer("attest")
    made = [
        _attestation(did, signer, genesis.network_id, node.party.schemes[0][1], number)
        for number in range(count)
    ]
    speaker = PeerAuthentication(genesis.network_id, genesis.history(), did, (keys.signer("transport"),))
    return _Line(did, speaker, made)


def _attestation(did: str, signer: Signer, network_id: bytes, namespace: str, number: int) -> bytes:
    now = int(time.time())
    return make_attestation(
        signer=signer,
        iat=now,
        kind="battery.produced",
        issuer=did,
        subject=Subject("gbt34014", namespace, sha256(f"{did} {number}".encode()).digest()),
        network_id=network_id,
        event_time=now,
        document_digest=sha256(f"{did} {number} document".encode()).digest(),
        produced_on=now - now % 86_400,
        content_type="application/vc",
    )


class _Sender(threading.Thread):
    """Sends one validator what is due, at fixed times."""

    def __init__(self, node: Node, lines: Sequence[_Line], per_tick: int, started: float) -> None:
        super().__init__(name=f"to {node.party.name}")
        self._node, self._lines, self._per_tick, self._from = node, lines, per_tick, started
        self._pool = urllib3.PoolManager(maxsize=1, retries=False)
        self.refused = 0

    def run(self) -> None:
        status: list[Value] = [encode(["comity/status/v1", 1, 0, 6, b""]), 0, 0, 0]
        for tick in range(len(self._lines[0].attestations) // self._per_tick):
            due = self._from + tick * TICK_S
            if (wait_s := due - time.time()) > 0:
                time.sleep(wait_s)
            for line in self._lines:
                part = line.attestations[tick * self._per_tick : (tick + 1) * self._per_tick]
                body = encode([status, [[ITEM_ATTESTATION, data] for data in part]])
                self._send(line, body)

    def _send(self, line: _Line, body: bytes) -> None:
        while True:
            data, _ = line.authentication.request(self._node.party.did, "messages", body)
            answer = self._pool.request("POST", f"{self._node.url}/peer/messages", body=data, timeout=30)
            if answer.status == 200:
                return
            if answer.status != 503:
                raise AssertionError(f"a batch was answered {answer.status}: {answer.data[:300]!r}")
            self.refused += 1  # the inbox is full: the observer's gossip would come again as well
            time.sleep(0.05)


def _cpu_s(node: Node) -> float:
    assert node.process is not None, "the validators run"
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stages(nodes: Sequence[Node]) -> dict[str, float]:
    """CPU seconds by stage, summed over the nodes: comity_cpu_<stage>_ms in /metrics."""
    total: dict[str, float] = {}
    for node in nodes:
        for line in str(node.request("GET", "/metrics", accept="text/plain")[1]).splitlines():
            name, _, value = line.partition(" ")
            if name.startswith("comity_cpu_") and name.endswith("_ms"):
                stage = name.removeprefix("comity_cpu_").removesuffix("_ms")
                total[stage] = total.get(stage, 0.0) + float(value) / 1000
    return total


def measure(*, rate: int, seconds: float) -> Load:
    """Measure; raises NotMeasured."""
    with tempfile.TemporaryDirectory(prefix="comity-bench-") as folder:
        root = Path(folder)
        with redirect_stdout(io.StringIO()):  # the commands of the founding ceremony tell what they do
            nodes = found(root, (*VALIDATORS, *LINES))
        voting = [nodes[party.name] for party in VALIDATORS]
        per_tick = max(1, round(rate * TICK_S / len(LINES)))
        ticks = max(1, round(seconds / TICK_S))
        try:
            for node in voting:
                node.start()
            lines = [_prepare(nodes[party.name], per_tick * ticks) for party in LINES]
            for node in voting:
                node.wait_ready()
            return _run(voting, lines, per_tick, rate)
        except (OSError, AssertionError, urllib3.exceptions.HTTPError) as error:
            raise NotMeasured(f"the validators did not carry the load: {error}") from error
        finally:
            for node in voting:
                node.stop()
            sys.stdout.flush()


def highest(*, rates: Sequence[int], quick: bool) -> tuple[int, str]:
    """(the highest of `rates`, rising, that was held; each tried with its p99): the first missed ends it."""
    held, told = 0, list[str]()
    for rate in rates:
        measured = measure(rate=rate, seconds=5 if quick else HELD_S)
        p99, done = percentile(measured.final_s, 0.99), measured.sent / measured.seconds
        told.append(f"{rate}: {done:.0f}/s, p99 {p99:.2f} s")
        if p99 >= HELD_P99_S or done < 0.9 * rate:
            break
        held = rate
    return held, "; ".join(told)


def _run(nodes: Sequence[Node], lines: Sequence[_Line], per_tick: int, rate: int) -> Load:
    cpu, stages = sum(map(_cpu_s, nodes)), _stages(nodes)
    started = time.time() + 0.2
    senders = [_Sender(node, lines, per_tick, started) for node in nodes]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    sent = {
        sha256(data).digest(): started + number // per_tick * TICK_S
        for line in lines
        for number, data in enumerate(line.attestations)
    }
    witness = nodes[1]
    leaves = _wait_final(witness, sent)
    cpu_us = (sum(map(_cpu_s, nodes)) - cpu) * 1e6 / len(sent) / len(nodes)
    after = _stages(nodes)
    committed = {told["height"]: told["time_ms"] / 1000 for told in witness.moments("commit")}
    covered = sorted((told["size"], told["time_ms"] / 1000) for told in witness.moments("checkpoint"))
    final_s, receipt_s, last = [], [], 0.0
    for digest, (leaf, height) in leaves.items():
        final_s.append(committed[height] - sent[digest])
        last = max(last, committed[height])
        receipt_s += [at - sent[digest] for size, at in covered if size > leaf][:1]
    if len(receipt_s) != len(sent):
        raise NotMeasured(f"{len(sent) - len(receipt_s)} attestations have no receipt")
    return Load(
        sent=len(sent),
        rate_asked=rate,
        seconds=last - started,
        final_s=final_s,
        receipt_s=receipt_s,
        blocks=len({height for _, height in leaves.values()}),
        cpu_us=cpu_us,
        stages_us={
            name: (after[name] - stages.get(name, 0.0)) * 1e6 / len(sent) / len(nodes) for name in after
        },
        refused_requests=sum(sender.refused for sender in senders),
    )


def _wait_final(node: Node, sent: Mapping[bytes, float]) -> dict[bytes, tuple[int, int]]:
    """digest -> (leaf index, height), once all are on the disk of `node` and under a cosigned checkpoint."""
    deadline = time.monotonic() + SETTLE_S_MAX
    while time.monotonic() < deadline:
        with closing(sqlite3.connect(f"file:{node.data / 'ledger.db'}?mode=ro", uri=True)) as db, db:
            final = db.execute(
                "SELECT COUNT(*), MAX(leaf_index) FROM entries WHERE type = 'admitted'"
            ).fetchone()
            size = db.execute("SELECT MAX(size) FROM checkpoints").fetchone()[0] or 0
        if final[0] >= len(sent) and size > final[1]:
            break
        time.sleep(0.2)
    with closing(sqlite3.connect(f"file:{node.data / 'ledger.db'}?mode=ro", uri=True)) as db, db:
        rows = db.execute("SELECT digest, leaf_index, height FROM entries WHERE type = 'admitted'").fetchall()
    found = {digest: (leaf, height) for digest, leaf, height in rows if digest in sent}
    if len(found) != len(sent):
        raise NotMeasured(
            f"{len(sent) - len(found):,} of {len(sent):,} were not final {SETTLE_S_MAX:.0f} s later"
        )
    return found
