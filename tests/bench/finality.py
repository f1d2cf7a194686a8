"""Row 3: finality of four validators, as four real processes on this machine's loopback.

Founded and started by the demo's own code path (`comity init`, `network create|join`, `serve`).
One attestation at a time: from the request until the node has it in the log, and until its receipt is there.
Then a burst: how many a second, from the first request until the last is in the log.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from credentials.ledger.engine_terms import EMBEDDED
from tests.bench.harness import NotMeasured, of_a_network, percentile

VALIDATORS = 4
WAIT_S_MAX = 60.0
POLL_S = 0.005
FIRST_SERIAL = 5_000_000


@dataclass(frozen=True, slots=True)
class Finality:
    """Seconds per attestation, and attestations a second in a burst."""

    to_log_s: list[float]
    to_receipt_s: list[float]
    burst: int
    burst_s: float

    def text(self) -> str:
        """Return the row."""

        def both(values: list[float]) -> str:
            return " and ".join(
                f"p{share} {percentile(values, share / 100) * 1000:,.0f} ms" for share in (50, 99)
            )

        return (
            f"{len(self.to_log_s)} one by one: in the log {both(self.to_log_s)}, "
            f"receipt {both(self.to_receipt_s)}; a burst of {self.burst}: "
            f"{self.burst / self.burst_s:,.0f}/s until the last is in the log"
        )


@contextmanager
def validators(root: Path, engine: str = EMBEDDED) -> Iterator[list[Any]]:
    """Found the demo's network under `root`, start its four validators, stop them at the end."""
    from node.demo.founding import found
    from node.demo.launcher import free_block
    from node.demo.scenario import PARTIES

    nodes = found(root, free_block(len(PARTIES), 18_470), engine)[:VALIDATORS]
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
        yield nodes
    finally:
        for node in nodes:
            node.stop()


class _Maker:
    """The manufacturer's operator: attests that batteries were made."""

    def __init__(self, node: Any) -> None:
        self._desk = node.desk()

    def attest(self, serial: int) -> str:
        from node.demo.scenario import make

        battery = make(serial)
        members = {"production_date": f"2026-06-{battery.day:02d}", "category": battery.category}
        return str(self._desk.attest("battery.produced", battery, members))

    def wait(self, digest: str, *, receipt: bool) -> None:
        """Wait until the attestation is in the log, or until its receipt is there."""
        limit = time.perf_counter() + WAIT_S_MAX
        while True:
            told = self._desk.get(f"/attestations/{digest}")
            if told["receipted_at"] is not None if receipt else told["state"] == "admitted":
                return
            if told["state"] not in {"outbox", "admitted"}:
                raise NotMeasured(f"the attestation was {told['state']}: {json.dumps(told.get('refusal'))}")
            if time.perf_counter() > limit:
                what = "receipted" if receipt else "admitted"
                raise NotMeasured(f"an attestation was not {what} after {WAIT_S_MAX:.0f} s")
            time.sleep(POLL_S)


def _one_by_one(maker: _Maker, count: int) -> tuple[list[float], list[float]]:
    to_log, to_receipt = [], []
    for number in range(count + 5):
        started = time.perf_counter()
        digest = maker.attest(FIRST_SERIAL + number)
        maker.wait(digest, receipt=False)
        logged = time.perf_counter()
        maker.wait(digest, receipt=True)
        if number >= 5:  # the first ones warm up
            to_log.append(logged - started)
            to_receipt.append(time.perf_counter() - started)
    return to_log, to_receipt


def _burst(node: Any, count: int) -> float:
    makers = [_Maker(node) for _ in range(4)]
    started = time.perf_counter()
    with ThreadPoolExecutor(len(makers)) as pool:
        digests = list(
            pool.map(
                lambda number: makers[number % len(makers)].attest(FIRST_SERIAL + 10_000 + number),
                range(count),
            )
        )
    waiting = digests
    while waiting:
        makers[0].wait(waiting[-1], receipt=False)
        waiting = waiting[:-1]
    return time.perf_counter() - started


def measure(*, count: int, burst: int, engine: str = EMBEDDED) -> Finality:
    """Measure; raises NotMeasured."""
    with (
        tempfile.TemporaryDirectory(prefix="comity-bench-") as folder,
        of_a_network(ImportError, requests.RequestException),
        validators(Path(folder), engine) as nodes,
    ):
        to_log, to_receipt = _one_by_one(_Maker(nodes[0]), count)
        return Finality(to_log, to_receipt, burst, _burst(nodes[0], burst))
