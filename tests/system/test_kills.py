"""SIGKILL at twenty moments of the running network: nothing acknowledged is lost or doubled.

A node writes one JSON line for each moment of its work. A killer outside follows the victim's log and sends
SIGKILL when it reads the moment it waits for, after a few random milliseconds. Meanwhile the manufacturer's
IT issues passports and repeats a request until it is answered, as any client would.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from node.demo import scenario
from node.demo.founding import found
from node.demo.launcher import NodeProcess, free_block
from node.demo.play import DemoFailed, shipped_sample, wait
from node.demo.scenario import DemoBattery
from tests.harness.demo_fixture import ROOT

pytestmark = pytest.mark.check

NEXT_BLOCK_S_MAX = 3.0
AFTER_ANOTHER_ROUND_S_MAX = 6.0  # who was started again a moment ago may be the next to propose
MOMENTS = (
    "issue",
    "outbox",
    "gossip",
    "proposal",
    "prevote",
    "precommit",
    "commit",
    "cosign",
    "receipt",
    "page",
)
ROUNDS = 2
AT_THE_MAKER = {"issue", "outbox", "receipt", "page"}  # what only the issuing node does in this workload
SEED = int(os.environ.get("COMITY_KILL_SEED", "20261121"))


@dataclass
class Workload:
    """Issues passports at the maker's node, one after another, and remembers what was acknowledged."""

    nodes: dict[str, NodeProcess]
    acknowledged: dict[str, str] = field(default_factory=dict)  # code -> digest
    next_serial: int = 8_000_001
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        sample = shipped_sample()
        while not self.stop.is_set():
            battery = scenario.make(self.next_serial)
            self.next_serial += 1
            digest = self._issue(battery, scenario.claims_of(sample, battery))
            if digest:
                self.acknowledged[battery.code] = digest
            time.sleep(0.05)

    def _issue(self, battery: DemoBattery, claims: dict[str, object]) -> str | None:
        """Repeat until it is answered: the idempotency key makes the repetition safe."""
        while not self.stop.is_set():
            try:
                desk = self.nodes["manufacturer"].desk()
                desk.http.headers["Idempotency-Key"] = battery.code
                return desk.issue(claims, battery)
            except requests.RequestException:
                time.sleep(0.1)
            except DemoFailed as failed:
                if "answered 503" not in str(failed):
                    raise
                time.sleep(0.1)
        return None


@contextmanager
def network(root: Path) -> Iterator[dict[str, NodeProcess]]:
    root.mkdir()
    nodes = found(root, free_block(len(scenario.PARTIES), 9470))
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
        yield {node.party.key: node for node in nodes}
    finally:
        for node in nodes:
            node.stop()


def kill_at(node: NodeProcess, moment: str, occurrence: int, delay_s: float) -> None:
    """SIGKILL the node when its log tells the moment for the `occurrence`-th time from now."""
    deadline = time.monotonic() + 60
    seen = 0
    with (node.data / "node.log").open() as log:
        log.seek(0, os.SEEK_END)
        part = ""
        while time.monotonic() < deadline:
            part += log.readline()
            if not part.endswith("\n"):
                time.sleep(0.0005)
                continue
            line, part = part, ""
            if f'"{moment}"' in line and _at(line) == moment:
                seen += 1
                if seen == occurrence:
                    time.sleep(delay_s)
                    node.kill()
                    return
    raise AssertionError(f"{node.party.key} did not come to the moment {moment!r} within 60 s")


def _at(line: str) -> object:
    try:
        return json.loads(line).get("at")
    except ValueError:
        return None


def browse(node: NodeProcess, stop: threading.Event) -> None:
    """Keep asking the node's start page, so that there is a page to be killed in."""
    while not stop.is_set():
        try:
            requests.get(node.url + "/", headers={"Accept": "text/html"}, timeout=2)
        except requests.RequestException:
            time.sleep(0.05)


def test_sigkill_at_twenty_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """
    After 20 SIGKILLs, two in each of ten moments, every acknowledged passport is on the ledger exactly once,
    has a receipt that verifies offline, all nodes hold one log, and the next block came within 3 s,
    but for one at most, where a second round was needed.
    """
    rng = random.Random(SEED)
    plan = [(moment, rng.randint(1, 3), rng.uniform(0, 0.01)) for moment in MOMENTS for _ in range(ROUNDS)]
    rng.shuffle(plan)
    to_next_block: list[float] = []
    to_ready: list[float] = []
    with network(tmp_path / "network") as nodes:
        work = Workload(nodes)
        threads = [
            threading.Thread(target=work.run),
            threading.Thread(target=browse, args=(nodes["manufacturer"], work.stop)),
        ]
        for thread in threads:
            thread.start()
        try:
            for moment, occurrence, delay_s in plan:
                keys = ["manufacturer"] if moment in AT_THE_MAKER else _validators()
                victim = nodes[rng.choice(keys)]
                kill_at(victim, moment, occurrence, delay_s)
                if victim.party.key != "manufacturer":  # else nobody offers anything to decide
                    to_next_block.append(
                        _next_block(nodes["customs" if victim.party.key != "customs" else "cn-authority"])
                    )
                victim.start()
                to_ready.append(victim.wait_ready())
        finally:
            work.stop.set()
            for thread in threads:
                thread.join(timeout=70)
        lost, doubled = settle(nodes, work, tmp_path)
    print(
        f"seed {SEED}: {len(plan)} kills, {len(work.acknowledged)} acknowledged passports, lost {len(lost)}, "
        f"doubled {len(doubled)}; seconds to the next block: max {max(to_next_block):.2f} of "
        f"{len(to_next_block)}; seconds to ready: max {max(to_ready):.2f} of {len(to_ready)}"
    )

    assert not lost and not doubled, (lost, doubled)
    assert len(work.acknowledged) >= len(plan)
    *others, longest = sorted(to_next_block)
    assert others[-1] < NEXT_BLOCK_S_MAX and longest < AFTER_ANOTHER_ROUND_S_MAX


def _validators() -> list[str]:
    return [party.key for party in scenario.PARTIES if party.validator]


def _next_block(reader: NodeProcess) -> float:
    desk = reader.desk()
    height = desk.get("/status")["height"]
    return wait("the next block", lambda: desk.get("/status")["height"] > height, 20.0)


def settle(nodes: dict[str, NodeProcess], work: Workload, scratch: Path) -> tuple[list[str], list[str]]:
    """Wait until nothing is under way; the codes that are lost and those that are there twice."""
    maker = nodes["manufacturer"].desk()

    def receipted(digest: str) -> Callable[[], bool]:
        return lambda: bool(maker.get(f"/passports/{digest}")["receipted_at"])

    for code, digest in work.acknowledged.items():
        wait(f"the receipt of {code}", receipted(digest), 60.0)
    wait(
        "one log on all nodes",
        lambda: len({json.dumps(n.desk().get("/status")["log"]) for n in nodes.values()}) == 1,
        60.0,
    )
    lost: list[str] = []
    doubled: list[str] = []
    reader = nodes["importer"].desk()
    for code, digest in work.acknowledged.items():
        published = [
            row
            for row in reader.get(f"/batteries/{code}")["timeline"]
            if row["kind"] == "passport.published" and row["state"] == "admitted"
        ]
        if len(published) != 1:
            (doubled if published else lost).append(code)
        receipt = scratch / "receipt.tlog-proof"
        receipt.write_text(maker.text(f"/receipts/{digest}"))
        if work.acknowledged and code == next(iter(work.acknowledged)):
            policy = nodes["customs"].data / "network" / "log.policy"
            command = [
                sys.executable,
                "-m",
                "node",
                "receipt",
                "verify",
                str(receipt),
                "--policy",
                str(policy),
            ]
            subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=60)
    return lost, doubled
