"""Between two lines a job gives way to who asks, for so long at most, and pauses for nobody else: counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from node.verdicts import giving_way
from tests.harness.support_service import CODE, LiveNode, live_node

LINES = 12  # that differ


class Clock:
    """The time of a job, which only its own pauses move."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.pauses = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses += 1
        self.now += seconds


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("giving way")) as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(giving_way, "time", clock)
    return clock


def judge(node: LiveNode, declaration: str, first: int) -> None:
    """Lines of batteries of its own: those that two declarations name are judged again."""
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    lines = [{"line": n, "battery": CODE[:-2] + f"{n:02}", **goods} for n in range(first, first + LINES)]
    made = node.post_json("/consignments", {"declaration": declaration, "lines": lines}).get_json()
    table = node.service.stores.office.consignments

    def done() -> bool:
        row: Any = table.get(made["id"])
        return bool(row.state == "done")

    node.wait(done, "the lines to be judged")


def test_a_job_gives_way_to_the_lane_of_scans_and_pages(node: LiveNode) -> None:
    """
    A node that is opened asks its lane of pages, on which `POST /clearance` is answered.
    """
    assert node.service.judging.giving_way._asked == node.service.lanes.pages.is_asked


def test_a_job_nobody_asks_beside_pauses_never(node: LiveNode, clock: Clock) -> None:
    """
    No line waits for a time that is fixed: without requests a job does not pause once.
    """
    node.service.judging.giving_way.to(lambda seconds: False)

    judge(node, "26NLPAUSE00001", 1)

    assert clock.pauses == 0


def test_a_request_that_came_has_a_moment_and_a_scan_longer(node: LiveNode, clock: Clock) -> None:
    """
    Whoever asks without pause holds each step of a line up by 5 ms, and scans without pause by 50 ms: neither
    stops a job.
    """
    job = node.service.judging.giving_way
    job.to(lambda seconds: seconds == giving_way.REQUEST_WAIT_S_MAX)
    job.wait()
    for_a_request, clock.pauses = clock.pauses, 0
    with job.scanning():
        job.wait()
    for_a_scan, clock.pauses = clock.pauses, 0
    judge(node, "26NLPAUSE00002", 41)
    job.to(lambda seconds: False)

    assert for_a_request in (5, 6)  # milliseconds
    assert for_a_scan in (50, 51)
    assert for_a_request <= clock.pauses <= 3 * LINES * for_a_request  # read, held, judged


def test_a_request_ends_the_pause_when_it_is_answered(node: LiveNode, clock: Clock) -> None:
    """
    The job goes on once nobody asks any more, not after the whole time it would have waited.
    """
    left = [2]

    def asked(seconds: float) -> bool:
        left[0] -= 1
        return left[0] >= 0

    node.service.judging.giving_way.to(asked)
    node.service.judging.giving_way.wait()

    assert clock.pauses == 2
