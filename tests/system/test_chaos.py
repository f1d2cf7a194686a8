"""Each stopper of a network for a minute, on either engine: the doors and stoppers of `make check`, longer.

The bounds are those of `test_doors.py`; what each did is printed as one table at the end: finality of the
honest, memory that grew, how long a probe waited, and what /readyz said. Most of them are kept from doing
anything to the node that is attacked, and so it has to say all the time that it is ready; what does stop
something has to show there, and nothing else.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

import pytest
import urllib3

from credentials.ledger.engine_terms import COMETBFT, EMBEDDED
from tests.harness.net.batteries import code_of
from tests.harness.net.clocks import Clocks
from tests.harness.net.harness import Node, wait
from tests.harness.parts import require
from tests.system import test_doors as doors
from tests.system import test_stoppers as stoppers
from tests.system.test_doors import Net, running
from tests.system.test_stoppers import clocks  # noqa: F401  (a fixture)

pytestmark = pytest.mark.long

MINUTE_S = 60.0
EXPORTED_LINES = 3_000
HELD_S = 40.0  # longer than a statement waits for a lock
NOT_WRITTEN = frozenset({"not_written", "thread_stuck", "thread_failing"})


def read_all(answer: urllib3.BaseHTTPResponse, ended: threading.Event) -> int:
    """How many bytes an answer has, read as they come, and let go of."""
    try:
        size_bytes = 0
        while not ended.is_set() and (part := answer.read(1 << 16)):
            size_bytes += len(part)
        return size_bytes
    finally:
        answer.close()


def judged(node: Node, lines: int) -> str:
    """A consignment of so many lines, all of them judged: few batteries, over and over."""
    said = [{"line": n, "battery": code_of(800_000 + n % 8), "goods": "battery"} for n in range(1, lines + 1)]
    made = str(node.post("/consignments", {"law_date": "2027-03-01", "lines": said})["id"])
    wait("all to be judged", lambda: node.get(f"/consignments/{made}?limit=0")["state"] == "done")
    return made


def manifests_and_exports(net: Net) -> None:
    """
    N13: at each of two validators four clients, two that send manifests of 20,000 lines and two that read
    long exports, one after the other: what has no room is refused, and nothing is in memory as a whole.
    """
    exported = {node.port: judged(node, EXPORTED_LINES) for node in net.attacked}
    lines = [{"line": n, "battery": code_of(900_000 + n), "goods": "battery"} for n in range(1, 20_001)]
    bodies = [json.dumps({"declaration": f"26NL{n}", "lines": lines}).encode() for n in range(8)]
    sent, read, clients = Counter[int](), Counter[str](), count()

    def ask(node: Node, ended: threading.Event) -> None:
        number = next(clients)
        key = node.post("/keys", {"name": f"desk {number}", "scopes": ["clear", "read"]})["key"]
        bearer = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        form = {0: "csv", 1: "json"}.get(number % 4)
        while not ended.is_set():
            with suppress(urllib3.exceptions.HTTPError):
                if form is None:
                    url, body = node.url + "/consignments", bodies[sent.total() % len(bodies)]
                    sent[node.pool.request("POST", url, body=body, headers=bearer).status] += 1
                else:
                    url = f"{node.url}/consignments/{exported[node.port]}/export.{form}"
                    answer = node.pool.request("GET", url, headers=bearer, preload_content=False)
                    read[form] += read_all(answer, ended)

    net.during("N13 manifests", ask, threads=4)

    print(f"manifests {dict(sent)}, bytes of exports {dict(read)}")
    assert sent[202] and sent[429] and set(sent) <= {202, 429, 503}
    assert read["csv"] and read["json"]


def records_that_cannot_be_written(net: Net) -> None:
    """
    N08: office.db of two validators is locked for longer than any statement waits: whoever orders something
    is told, /readyz tells, no thread is lost, and the same order is taken once the lock is gone.
    """
    order = {"lines": [{"line": 1, "battery": code_of(700_001), "goods": "battery"}]}
    statuses: list[int] = []

    def lock(node: Node, ended: threading.Event) -> None:
        other = sqlite3.connect(node.data / "office.db", isolation_level=None, timeout=30)
        other.execute("BEGIN IMMEDIATE")
        held_until = time.monotonic() + HELD_S
        bearer = {"authorization": f"Bearer {(node.data / 'operator.key').read_text().strip()}"}
        answer = node.pool.request(
            "POST", node.url + "/consignments", json=order, headers=bearer, timeout=HELD_S
        )
        statuses.append(answer.status)
        ended.wait(max(0.0, held_until - time.monotonic()))
        other.execute("ROLLBACK")
        other.close()

    net.during("N08 locked", lock, says=NOT_WRITTEN)

    assert statuses == [503, 503]
    assert "not_written" in net.told
    for node in net.attacked:
        made = node.post("/consignments", order)["id"]
        wait("the verdict", lambda: node.get(f"/consignments/{made}")["state"] == "done")  # noqa: B023


STOPPERS: dict[str, Callable[[Net], None]] = {
    "N01": stoppers.test_poisoned_evidence,
    "N02": stoppers.test_what_only_waits,
    "N04": doors.test_silent_tls_connections,
    "N05": doors.test_half_open_requests,
    "N06": doors.test_event_streams,
    "N07": doors.test_compressed_answers,
    "N08": records_that_cannot_be_written,
    "N09": doors.test_replays,
    "N11": stoppers.test_records_of_yesterday,
    "N13": manifests_and_exports,
    "strangers": doors.test_strangers_at_the_peers_door,
    "bombs": doors.test_bombs_of_strangers_at_the_peers_door,
    "snapshots": doors.test_asking_for_snapshots,
    "large bodies": doors.test_large_bodies_that_never_end,
}


@pytest.fixture(scope="module", params=[EMBEDDED, COMETBFT])
def net(
    request: pytest.FixtureRequest,
    clocks: Clocks,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Net]:
    if request.param == COMETBFT:
        require("cometbft")
    with running(tmp_path_factory.mktemp("chaos") / "n", request.param) as made:
        made.seconds = float(os.environ.get("COMITY_DOORS_S", MINUTE_S))
        yield made
        print(
            f"\n{request.param}: {made.seconds:.0f} s each, load average {os.getloadavg()[0]:.1f} at the end"
        )
        print(doors.HEAD)
        for row in made.rows:
            print(row)


@pytest.mark.parametrize("name", STOPPERS)
def test_a_stopper_goes_on_for_a_minute(net: Net, name: str) -> None:
    """
    One attack on two of four validators for a minute: what the honest attest is final within bounds, memory
    stays within bounds, and /readyz goes on answering.
    """
    STOPPERS[name](net)


def test_wrong_clocks_at_the_end_of_it_all(net: Net, clocks: Clocks) -> None:  # noqa: F811
    """
    N03, after all of the others: two clocks wrong for five seconds, and then as if they never were.
    """
    stoppers.test_wrong_clocks(net, clocks)


def test_nothing_acknowledged_was_lost_in_all_of_it(net: Net) -> None:
    """
    Every attestation that was acknowledged meanwhile is on every ledger.
    """
    doors.test_nothing_acknowledged_is_lost(net)
