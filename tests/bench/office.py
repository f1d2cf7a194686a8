"""Rows `issuing` and `clearance`: passports issued alone and in batches; a manifest of fresh lines.

One node that is a network by itself, in this process: what it costs to agree and to ask others is not in
these rows. Requests go through the application, without a socket. Each figure stands beside the signatures
that it holds, made or verified by libsodium alone: the floor of both. Seconds of the processor are those of
the whole process: of issuing, what begins in the background meanwhile (agreement, receipts) takes part.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from io import StringIO
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

from node.setup.worker import COLLECT_AT
from node.verdicts.workers import LINES_MIN
from tests.bench import ratios
from tests.bench.harness import NotMeasured
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.peaks import peak_mib
from tests.harness.support_service import LiveNode, live_node

SIGNED, VERIFIED = 7, 2  # signatures of a passport and its production; of the documents that a line reads
ATTESTATION_BYTES = 410  # of a typical one: a stream's unit is the verification of one, the processor's
BATCH_LINES = 250
CALLERS = 5
READY_S_MAX = 60.0
AIM_SINGLE_S, AIM_BATCH_S, AIM_LINES_S = 200, 1_000, 900  # each second


def floor(size_bytes: int = 8_000) -> tuple[float, float]:
    """(seconds of the processor of one signature, of one verification), by libsodium alone, of so much."""
    public, secret = crypto_sign_seed_keypair(b"7" * 32)
    message = b"a" * size_bytes
    signed = crypto_sign(message, secret)
    sides: list[Callable[[], object]] = [
        lambda: crypto_sign(message, secret),
        lambda: crypto_sign_open(signed, public),
    ]
    signing, verifying = (min(_processor_s(side, 300) for _ in range(5)) for side in sides)
    return signing, verifying


def _processor_s(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def _measured(work: Callable[[], object]) -> tuple[float, float]:
    """(seconds, seconds of the processor) of this process."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


def _row(what: str, count: int, taken: tuple[float, float], floor_s: float, aim: int) -> str:
    rate, times = count / taken[0], taken[1] / count / floor_s
    ratios.note(what, 1 / times)
    return (
        f"{what}: {rate:,.0f}/s, {1000 * taken[1] / count:.2f} ms of the processor each, "
        f"{times:.1f} times its signatures by libsodium alone; aim {aim:,}/s: "
        f"{'met' if rate >= aim else 'missed'}"
    )


def _batch(serials: range) -> bytes:
    orders = ({"code": code_of(n), "claims": claims_of(n)} for n in serials)
    return b"".join(json.dumps(order).encode() + b"\n" for order in orders)


def _post_batch(node: LiveNode, body: bytes) -> None:
    answer = node.post_raw("/passports/batch", body, "application/x-ndjson")
    told = [json.loads(line)["status"] for line in answer.text.splitlines()]
    if told != [201] * body.count(b"\n"):
        raise NotMeasured(f"a batch was answered {answer.status_code}: {answer.text[:200]}")


def _post_each(node: LiveNode, orders: list[dict[str, Any]]) -> None:
    for order in orders:
        if node.post_json("/passports", order).status_code != 201:
            raise NotMeasured("a passport was refused")


def _post_at_once(node: LiveNode, orders: list[dict[str, Any]]) -> None:
    """By as many callers as there are threads for pages, each with a request of its own after the other."""
    told: list[int] = []

    def call(ours: list[dict[str, Any]]) -> None:
        client = node.app.test_client()
        told.extend(client.post("/passports", json=one, headers=node.bearer).status_code for one in ours)

    callers = [Thread(target=call, args=(orders[first::CALLERS],)) for first in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    if told != [201] * len(orders):
        raise NotMeasured("a passport was refused")


@contextmanager
def _served() -> Iterator[LiveNode]:
    """A node by itself; garbage is looked for as seldom as where a node serves."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT_AT)
    try:
        with (
            redirect_stderr(StringIO()),
            tempfile.TemporaryDirectory() as root,
            live_node(Path(root)) as node,
        ):
            yield node
    finally:
        gc.set_threshold(*before)


def issuing(*, single: int, batches: int) -> list[str]:
    """A row for requests of one passport, one for those of several callers at once, and one for batches."""
    floor_s = SIGNED * floor()[0]
    with _served() as node:
        _post_each(node, [{"code": code_of(1), "claims": claims_of(1)}])  # the lists exist
        orders = [{"code": code_of(n), "claims": claims_of(n)} for n in range(2, 2 + single)]
        alone = _measured(lambda: _post_each(node, orders))
        node.wait_quiet()
        orders = [{"code": code_of(n), "claims": claims_of(n)} for n in range(5_000, 5_000 + single)]
        at_once = _measured(lambda: _post_at_once(node, orders))
        node.wait_quiet()
        together = (0.0, 0.0)
        for batch in range(batches):
            first = 10_000 + batch * BATCH_LINES
            taken = _measured(partial(_post_batch, node, _batch(range(first, first + BATCH_LINES))))
            together = together[0] + taken[0], together[1] + taken[1]
            node.wait_quiet()
    return [
        _row("POST /passports", single, alone, floor_s, AIM_SINGLE_S),
        _row(f"POST /passports by {CALLERS} at once", single, at_once, floor_s, AIM_SINGLE_S),
        _row(f"batches of {BATCH_LINES}", batches * BATCH_LINES, together, floor_s, AIM_BATCH_S),
    ]


def clearance(*, lines: int, compared: int = 0) -> list[str]:
    """A manifest of so many lines nobody judged before, whose documents are held; then its readiness.

    And `compared` lines each by the node itself, by one worker and by two: the processor that each takes.
    """
    floor_s = VERIFIED * floor()[1]
    with _served() as node:
        starts = [1, lines + 1, *(lines + 1 + n * compared for n in (1, 2, 3) if compared)]
        parts = [range(*both) for both in pairwise(starts)]
        for first in range(1, parts[-1].stop, BATCH_LINES):
            _post_batch(node, _batch(range(first, min(first + BATCH_LINES, parts[-1].stop))))
            node.wait_quiet()
        made: list[str] = []
        judged = _measured(lambda: made.append(_judged(node, parts[0])))
        told = _measured(lambda: node.get(f"/consignments/{made[0]}/readiness"))
        taken = [_by_workers(node, count, part) for count, part in enumerate(parts[1:])]
    return [
        _row(f"{lines:,} fresh lines", lines, judged, floor_s, AIM_LINES_S),
        f"their readiness: {told[0]:.1f} s, {1000 * told[1] / lines:.2f} ms of the processor a line; "
        f"aim 3 s for 9,000; peak of the whole process, client and tests in it: {peak_mib():.0f} MB; aim 250",
        *(_told(compared, count, *each) for count, each in enumerate(taken)),
    ]


def _told(lines: int, count: int, wall_s: float, own_s: float, theirs_s: float) -> str:
    own_ms, theirs_ms = 1000 * own_s / lines, 1000 * theirs_s / lines
    return (
        f"{lines:,} lines by {count} workers: {lines / wall_s:,.0f}/s; of the processor {own_ms:.2f} ms a "
        f"line in the node and {theirs_ms:.2f} in workers"
    )


def _judged(node: LiveNode, serials: range) -> str:
    """The id of a manifest about these once all of its lines are judged."""
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    manifest = {
        "declaration": f"26NLBENCH{serials.start:05d}",
        "law_date": "2027-03-01",
        "direction": "import",
        "lines": [{"line": n, "battery": code_of(serial), **goods} for n, serial in enumerate(serials, 1)],
    }
    made: str = node.post_json("/consignments", manifest).get_json()["id"]
    table = node.service.stores.office.consignments
    node.wait(lambda: bool((row := table.get(made)) and row.state == "done"), "all verdicts")
    counts = node.get_json(f"/consignments/{made}?limit=1")["counts"]
    if counts["clear"] != len(serials):
        raise NotMeasured(f"not every line is clear: {counts}")
    return made


def _by_workers(node: LiveNode, count: int, serials: range) -> tuple[float, float, float]:
    """Seconds, and of the processor those of the node and of its workers, from when these are ready."""
    workers = node.service.judging.given_away.workers
    workers.end()
    workers.count = count
    deadline = time.monotonic() + READY_S_MAX
    while count and len(workers.pids) < count:
        if time.monotonic() > deadline:
            raise NotMeasured("no worker began")
        workers.begin(LINES_MIN)
        time.sleep(0.02)
    before, pids = sum(map(_cpu_s, workers.pids)), workers.pids
    wall_s, own_s = _measured(lambda: _judged(node, serials))
    return wall_s, own_s, sum(map(_cpu_s, pids)) - before


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
