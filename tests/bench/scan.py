"""Row `scan`: one battery is judged (`POST /clearance`) at a steady rate beside a job.

The demo's own network and scenario: the customs node holds passports it fetched before. A consignment of 66
lines is posted again whenever the last one is done, so that the node never idles. Scans are due at fixed
times (an open loop): a late answer does not slow the next request down, and what it waited counts.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import urllib3

from tests.bench.harness import NotMeasured, of_a_network, percentile

FIRST_PORT = 19_470
SCANS_PER_S = 20
AIM_S = 0.025
CLIENTS = 4


@dataclass(slots=True)
class Scans:
    """Seconds from when a scan was due until its verdict was read, alone and beside the job."""

    alone_s: list[float] = field(default_factory=list)
    beside_s: list[float] = field(default_factory=list)
    lines_judged: int = 0
    job_s: float = 0.0
    machine_load: float = 0.0  # others on this machine take part in every figure

    def text(self) -> str:
        """Return the row."""

        def both(values: list[float]) -> str:
            return " ".join(
                f"p{share} {percentile(values, share / 100) * 1000:,.1f} ms" for share in (50, 99)
            )

        met = "met" if percentile(self.beside_s, 0.99) < AIM_S else "missed"
        return (
            f"{len(self.beside_s)} scans at {SCANS_PER_S}/s beside a job of "
            f"{self.lines_judged / self.job_s:,.0f} lines/s: {both(self.beside_s)} at the client "
            f"(p99 < {AIM_S * 1000:.0f} ms {met}); alone: {both(self.alone_s)}; "
            f"load average {self.machine_load:.1f}"
        )


@contextmanager
def customs_at_work(root: Path) -> Iterator[Any]:
    """The demo network after its scenario; yields the customs node."""
    from node.demo.founding import found
    from node.demo.launcher import free_block
    from node.demo.play import play
    from node.demo.scenario import PARTIES

    nodes = found(root, free_block(len(PARTIES), FIRST_PORT))
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
        play({node.party.key: node.desk() for node in nodes}, lambda _: None)
        yield next(node for node in nodes if node.party.key == "customs")
    finally:
        for node in nodes:
            node.stop()


class _Job(threading.Thread):
    """Posts the consignment of the demo again whenever the last one is done."""

    def __init__(self, node: Any) -> None:
        super().__init__(name="job")
        self._desk = node.desk()
        self._stopping = threading.Event()
        self.lines = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._once()
        except Exception as error:  # told by `end`
            self.failure = error

    def _once(self) -> None:
        from node.demo.scenario import manifest

        sent = {**manifest({}), "declaration": f"BENCH{self.lines}"}  # the same one again finds the first
        made = self._desk.post("/consignments", sent)
        while (state := self._desk.get(f"/consignments/{made['id']}?limit=1"))["state"] != "done":
            if self._stopping.wait(0.1):
                break
        self.lines += int(state["done"])

    def end(self) -> None:
        self._stopping.set()
        self.join()
        if self.failure is not None:
            raise NotMeasured(f"the job beside the scans failed: {self.failure}")


def _scan(node: Any, seconds: float) -> list[float]:
    from node.demo.scenario import CONSIGNMENT, LAW_DATE, line_of

    desk = node.desk()
    pool = urllib3.PoolManager(maxsize=CLIENTS, block=False, retries=False)
    headers = {"content-type": "application/json", "authorization": desk.http.headers["Authorization"]}
    bodies = [
        json.dumps({**line_of(1, battery), "law_date": LAW_DATE, "direction": "import"}).encode()
        for battery in CONSIGNMENT
    ]
    started = time.perf_counter() + 0.1

    def one(number: int) -> float:
        due = started + number / SCANS_PER_S
        if (wait_s := due - time.perf_counter()) > 0:
            time.sleep(wait_s)
        body = bodies[number % len(bodies)]
        answer = pool.request("POST", f"{node.url}/clearance", body=body, headers=headers, timeout=10)
        verdict = json.loads(answer.data)
        if answer.status != 200 or "verdict" not in verdict:
            raise NotMeasured(f"a scan was answered {answer.status}: {answer.data[:200]!r}")
        return time.perf_counter() - due

    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(one, range(round(seconds * SCANS_PER_S))))


def measure(*, seconds: float) -> Scans:
    """Measure; raises NotMeasured."""
    with tempfile.TemporaryDirectory(prefix="comity-bench-") as folder:
        missing = requests.RequestException, urllib3.exceptions.HTTPError
        with of_a_network(*missing), customs_at_work(Path(folder)) as customs:
            _scan(customs, 1.0)  # warms up
            found = Scans(alone_s=_scan(customs, seconds))
            job = _Job(customs)
            started = time.perf_counter()
            job.start()
            try:
                found.beside_s = _scan(customs, seconds)
            finally:
                job.end()
            found.lines_judged, found.job_s = job.lines, time.perf_counter() - started
        with suppress(OSError):
            found.machine_load = os.getloadavg()[0]
        return found
