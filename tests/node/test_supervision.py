"""Every long-lived thread runs under one supervisor (node/supervision/): a fault is planted in each."""

from __future__ import annotations

import contextlib
import errno
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from node.api import door_of
from node.config import DataDirectory
from node.server.exchange import PeerAnswer
from node.server.feeds import Feed
from node.server.lanes import Lane
from node.service import Service
from node.setup.wiring import open_service
from node.supervision import supervisor as module
from node.supervision.supervisor import Supervisor
from node.transient_faults import is_out_of_room, sentence
from node.web.sample import sample_claims
from tests.harness.net.harness import PASSPHRASE, VALIDATORS, found
from tests.harness.support_service import CODE, LiveNode, live_node
from tests.node.test_http import GET, answer, holding, serving

PASSES = sqlite3.OperationalError("disk I/O error")


@dataclass
class Trade:
    """A work that raises what it is told to, turn by turn, and then does nothing wrong."""

    raises: list[BaseException | None]
    name: str = "trade"
    turns: int = 0
    woken: threading.Event = field(default_factory=threading.Event)

    def turn(self) -> None:
        self.turns += 1
        fault = self.raises.pop(0) if self.raises else None
        if fault is not None:
            raise fault
        self.woken.wait(0.01)

    def wake(self) -> None:
        self.woken.set()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_S_MIN", 0.001)
    monkeypatch.setattr(module, "BACKOFF_S_MAX", 0.01)


@pytest.fixture
def threads() -> Iterator[Supervisor]:
    made = Supervisor()
    yield made
    made.stop()


def wait(what: str, done: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.005)


def test_a_passing_fault_costs_a_pause(threads: Supervisor) -> None:
    """
    A turn that raises is called again; once it succeeds nothing of the fault is left, and the node goes on.
    """
    trade = Trade([PASSES, None, PASSES, PASSES])
    threads.employ(trade, tries_max=3)

    threads.start()
    wait("turns after the faults", lambda: trade.turns > 6)

    assert threads.failure is None and not threads.failed.is_set()
    assert [(fact.alive, fact.failures, fact.fault) for fact in threads.facts()] == [(True, 0, None)]
    assert threads.faults == 3


def test_what_fails_again_and_again_ends_the_node(threads: Supervisor) -> None:
    """
    After as many failures in a row as are allowed the node ends, and says which thread and why.
    """
    trade = Trade([PASSES] * 9)
    threads.employ(trade, tries_max=3)

    threads.start()
    assert threads.failed.wait(60)

    assert threads.failure == "trade: the databases cannot be read or written now (disk I/O error)"
    assert trade.turns == 3


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (sqlite3.OperationalError("database or disk is full"), "the databases cannot be read or written now"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EFBIG, "File too large", "x.db"), "x.db: File too large"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
        (MemoryError(), "the memory of this machine is used up"),
    ],
    ids=ascii,
)
def test_what_this_machine_does_not_take_is_told_in_words(trouble: Exception, says: str) -> None:
    """
    A full disk is neither the sender's fault nor a mistake of ours.
    """
    assert is_out_of_room(trouble)
    assert sentence(trouble).startswith(says)


@pytest.mark.parametrize(
    "mistake", [OSError(errno.ENOENT, "none"), OSError("x"), KeyError("x"), sqlite3.DataError()]
)
def test_other_errors_are_not_of_the_machine(mistake: Exception) -> None:
    """
    Whatever else is raised unforeseen is a mistake of ours, or of what is worked on.
    """
    assert not is_out_of_room(mistake)


def test_a_broken_invariant_is_not_tried_again(threads: Supervisor) -> None:
    """
    An assertion of our own that fails ends the node at the first time.
    """
    trade = Trade([AssertionError("the tree and the agreed log have one size")])
    threads.employ(trade)

    threads.start()
    assert threads.failed.wait(60)

    assert trade.turns == 1 and "one size" in str(threads.failure)


def test_what_the_node_can_do_without_is_tried_for_ever(threads: Supervisor) -> None:
    """
    The sender of one peer that fails on and on ends no node; its fault is shown while it lasts.
    """
    trade = Trade([AssertionError("a peer made it fail")] * 1_000_000)
    threads.employ(trade, tries_max=None)

    threads.start()
    wait("many tries", lambda: trade.turns > 20)

    assert not threads.failed.is_set()
    fact = threads.facts()[0]
    assert fact.alive and fact.failures > 5 and "a peer made it fail" in str(fact.fault)


def test_a_thread_cannot_end_unseen(threads: Supervisor) -> None:
    """
    A turn that asks the thread itself to end (SystemExit, which no `except Exception` sees) ends the node.
    """
    trade = Trade([SystemExit(3)])
    threads.employ(trade)

    threads.start()

    assert threads.failed.wait(60) and "SystemExit" in str(threads.failure)
    wait("it to be seen", lambda: not threads.facts()[0].alive)


def test_stopping_ends_every_turn(threads: Supervisor) -> None:
    """
    Stop wakes what waits, and returns when all threads have ended.
    """
    trades = [Trade([], name=f"trade {number}") for number in range(3)]
    for trade in trades:
        threads.employ(trade)
    threads.start()

    threads.stop()

    assert not any(fact.alive for fact in threads.facts())


def test_whoever_is_dismissed_has_no_turn_more(threads: Supervisor) -> None:
    """
    One thread ends while the others go on; nothing is told of it any more.
    """
    trades = [Trade([], name=f"trade {number}") for number in range(2)]
    for trade in trades:
        threads.employ(trade)
    threads.start()
    wait("the first turns", lambda: all(trade.turns for trade in trades))

    threads.dismiss("trade 0")

    assert [fact.name for fact in threads.facts()] == ["trade 1"] == [work.name for work in threads.works]
    assert trades[0].woken.is_set() and not trades[1].woken.is_set()
    wait("its end", lambda: "trade 0" not in {thread.name for thread in threading.enumerate()})
    turns = trades[1].turns
    wait("more turns of the other", lambda: trades[1].turns > turns)


# -- a real node -----------------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LiveNode]:
    with live_node(tmp_path) as made:
        yield made


def works(service: Service) -> dict[str, Any]:
    return {work.name: work for work in service.supervisor.works}


def test_every_long_lived_thread_of_a_node_is_employed(node: LiveNode) -> None:
    """
    Engine, outbox, sheets, consignments, alerts and snapshots are employed; a peer's sender is one each.
    """
    assert list(works(node.service)) == [
        "engine", "acquaintance", "outbox", "jobs", "rule files", "retired keys", "consignments", "alerts",
        "alert_codes", "attempts", "letters", "alert_telling", "webhooks", "snapshots", "reminding",
        "lookout",
    ]  # fmt: skip
    assert all(fact.alive for fact in node.service.supervisor.facts())


@pytest.mark.parametrize("name", ["outbox", "consignments"])
def test_a_passing_fault_in_a_thread_of_a_node_is_survived(node: LiveNode, name: str) -> None:
    """
    Three failing reads of the database in a row, planted in one thread: the node works on afterwards.
    """
    work = works(node.service)[name]
    proper, left = work.turn, [PASSES] * 3

    def turn() -> None:
        if left:
            raise left.pop()
        proper()

    work.turn = turn
    work.wake()
    node.wait(lambda: not left, "the three faults")

    made = node.post_json("/passports", {"code": CODE, "claims": sample_claims(node.service, CODE)})
    assert made.status_code == 201
    where = f"/passports/{made.get_json()['digest']}"
    node.wait(lambda: node.get_json(where)["attested"] == "admitted", "the record")
    node.wait(lambda: node.get("/readyz").status_code == 200, "the condition to end")


@pytest.mark.parametrize("name", ["engine", "outbox", "consignments"])
def test_a_fault_that_does_not_pass_ends_the_node(node: LiveNode, name: str) -> None:
    """
    Whichever thread cannot go on: the process is told to end, and /readyz answers 503 with the reason.
    """
    work = works(node.service)[name]

    def turn() -> None:
        raise RuntimeError(f"planted in {name}")

    work.turn = turn
    work.wake()

    assert node.service.failed.wait(120)
    answer = node.get("/readyz")
    assert answer.status_code == 503 and f"planted in {name}" in answer.text


MOST_S = {
    "engine": 10, "rule files": 10, "retired keys": 10, "lookout": 10,
    "outbox": 30, "jobs": 30, "consignments": 120, "acquaintance": 120, "alerts": 120, "attempts": 120,
    "alert_codes": 120, "letters": 120, "alert_telling": 120, "webhooks": 120, "reminding": 120,
}  # fmt: skip
# A node is ready without.
DISPENSABLE = (
    *("lookout", "acquaintance", "alert_codes", "attempts", "letters", "alert_telling", "webhooks"),
    "reminding",
)


def test_a_thread_that_does_not_come_back_is_told_until_it_does(node: LiveNode) -> None:
    """
    It neither raises nor ends: /readyz names it within ten seconds where its work asks nobody else, within
    the longest that its work may take otherwise; the others are not named, and it is over when it is back.
    """
    assert {*MOST_S, "snapshots"} == set(works(node.service))
    for name, most_s in MOST_S.items():
        _held(node, name, most_s)
    assert not node.service.failed.is_set()


def _held(node: LiveNode, name: str, most_s: int) -> None:
    supervisor, work = node.service.supervisor, works(node.service)[name]
    proper, entered, left = work.turn, threading.Event(), threading.Event()

    def turn() -> None:
        entered.set()
        left.wait(120)

    def told() -> list[str]:
        found = node.get("/readyz").get_json()["conditions"]
        return [c["parameters"]["thread"] for c in found if c["code"] == "thread_stuck"]

    before = time.monotonic()
    work.turn = turn
    work.wake()
    try:
        assert entered.wait(60)
        after = time.monotonic()
        supervisor.monotonic = lambda: before + most_s - 1
        assert name not in told()
        supervisor.monotonic = lambda: after + most_s + 1
        for other in works(node.service).values():
            if other.name != "snapshots":  # to wake it is to end it
                other.wake()
        node.wait(lambda: set(told()) - {"snapshots"} == {name}, "only this thread to be told")
        assert node.get("/readyz").status_code == (200 if name in DISPENSABLE else 503)
    finally:
        work.turn = proper
        supervisor.monotonic = time.monotonic
        left.set()
    node.wait(lambda: told() == [], f"the end of it to be told of {name}")


def test_no_thread_rests_longer_than_its_turn_may_take(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What a thread waits for by itself is well within the time after which it would be told as stuck.
    """
    rests: dict[str, set[float | None]] = {}
    proper = threading.Event.wait

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        rests.setdefault(threading.current_thread().name, set()).add(timeout)
        return proper(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", wait)
    watched = works(node.service).keys() - {"engine", "snapshots"}  # a queue; to wake it is to end it
    for name in watched:
        works(node.service)[name].wake()
    node.wait(lambda: watched <= rests.keys(), "each to rest again")
    for fact in node.service.supervisor.facts():
        for rest_s in rests.get(fact.name, ()):
            assert rest_s is not None and rest_s <= fact.turn_s_max / 2, (fact.name, rest_s)


class _Held:
    """So many of what is asked of a lane are held on their threads until they are let go."""

    def __init__(self, node: LiveNode) -> None:
        self.node = node
        self.address = "", 0
        self.gone, self.entered = threading.Event(), threading.Semaphore(0)
        self.lane, self.left = "", 0
        self._app, self._door, self._lock = node.app, door_of(node.service), threading.Lock()
        self.door = replace(self._door, knows=self.knows, peers=self)

    def hold(self, lane: str, count: int) -> None:
        self.lane, self.left = lane, count
        self.gone.clear()

    def _wait(self, lane: str) -> None:
        with self._lock:
            if self.lane != lane or not self.left:
                return
            self.left -= 1
        self.entered.release()
        assert self.gone.wait(120)

    def page(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        path = environ["PATH_INFO"]
        self._wait({"/healthz": "probes", "/help": "pages"}.get(path, ""))
        if path == "/feed":
            start("200 OK", [("Content-Type", "text/plain")])
            return Feed(self.poll)
        return self._app(environ, start)

    def poll(self) -> tuple[bytes, bool]:
        self._wait("feeds")
        return b"x", True

    def knows(self, authorization: str | None, cookie: str | None) -> str | None:
        self._wait("doors")
        return self._door.knows(authorization, cookie)

    def handle(self, path: str, body: bytes) -> PeerAnswer:
        self._wait("peers")
        return PeerAnswer(b"")

    def refuse_large(self) -> None: ...

    def refusal_wait_s(self, subnet: str) -> float:
        return 0.0


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Held]:
    """A node whose requests are held, behind one server."""
    with live_node(tmp_path_factory.mktemp("held")) as node:
        made = _Held(node)
        with serving(made.page, door=made.door) as made.address:
            yield made


KEY = b"Authorization: Bearer none\r\n"
ASKS = {
    "pages": b"GET /help HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "peers": b"POST /peer/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    "doors": b"GET /help HTTP/1.1\r\nHost: localhost\r\n" + KEY + b"\r\n",
    "feeds": b"GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "probes": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize(
    ("lane", "most_s", "strangers"),
    [("pages", 120, 5), ("peers", 30, 2), ("doors", 30, 3), ("feeds", 30, 2), ("probes", 10, 2)],
)
def test_a_request_that_never_comes_back_is_told_until_it_does(
    lane: str, most_s: int, strangers: int, held: _Held
) -> None:
    """
    One request is held on its thread: /readyz names its lane once it lasts longer than any such request may,
    not before, and no more once it is back. The node is not ready once no thread is left for strangers; where
    that is the lane of /readyz itself, the answer is a 503 that says so, at once.
    """
    node, address = held.node, held.address
    with contextlib.ExitStack() as stack:
        try:
            before = time.monotonic()
            held.hold(lane, strangers)
            stack.enter_context(holding(address, 1, ASKS[lane]))
            assert held.entered.acquire(timeout=60)
            after = time.monotonic()
            _stands(node, before + most_s - 1)
            assert _ready(address) == (200, [])
            _stands(node, after + most_s + 1)
            assert _ready(address) == (200, [f"answering {lane}"])

            stack.enter_context(holding(address, strangers - 1, ASKS[lane]))
            assert all(held.entered.acquire(timeout=60) for _ in range(strangers - 1))
            _stands(node, after + 3 * most_s)
            if lane == "probes":
                status, text = _asked(address)
                assert status == 503 and "does not come back (probes)" in json.loads(text)["detail"]
            else:
                assert _ready(address) == (503, [f"answering {lane}"])
        finally:
            held.gone.set()
            for lane_ in _lanes(node):
                lane_.monotonic = time.monotonic
    node.wait(lambda: _asked(address)[0] == 200, "the threads to be back")
    assert _ready(address) == (200, [])


def _lanes(node: LiveNode) -> tuple[Lane, ...]:
    lanes = node.service.lanes
    return lanes.peers, lanes.probes, lanes.doors, lanes.feeds, lanes.pages


def _stands(node: LiveNode, at_s: float) -> None:
    """The clock of every lane stands there, however slow this machine is."""
    for lane in _lanes(node):
        lane.monotonic = lambda: at_s


def _asked(address: tuple[str, int]) -> tuple[int, str]:
    told = answer(address, GET % b"/readyz").decode()
    return int(told.split()[1]), told.partition("\r\n\r\n")[2]


def _ready(address: tuple[str, int]) -> tuple[int, list[str]]:
    """(status, the threads that /readyz says do not come back)."""
    status, text = _asked(address)
    told = json.loads(text)["conditions"]
    return status, [c["parameters"]["thread"] for c in told if c["code"] == "thread_stuck"]


def test_a_fault_in_the_sender_of_one_peer_ends_no_node(tmp_path: Path) -> None:
    """
    Of three peers' senders one raises on and on, also our own assertion: the node stays, says which, and the
    other senders go on.
    """
    node = found(tmp_path, VALIDATORS)["maker"]
    service = open_service(DataDirectory(node.data), PASSPHRASE, node.port)
    senders = [work for work in service.supervisor.works if work.name.startswith("to did:web:")]
    turns: list[str] = []

    def turn() -> None:
        turns.append("planted")
        raise AssertionError("an answer of the peer made it fail")

    proper = senders[1].turn

    def other_turn() -> None:
        turns.append("proper")
        proper()

    senders[0].turn = turn  # type: ignore[method-assign]
    senders[1].turn = other_turn  # type: ignore[method-assign]
    service.start()
    try:
        wait("many turns", lambda: turns.count("planted") > 20 and "proper" in turns)
        failing = [c for c in service.overview.readiness().conditions if c.code == "thread_failing"]
    finally:
        service.stop()

    assert len(senders) == 3 and not service.failed.is_set()
    assert [condition.parameters["thread"] for condition in failing] == [senders[0].name]


def test_why_a_node_ends_is_logged_with_the_thread(
    threads: Supervisor, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The last line of the log names the thread that could not go on, and its reason.
    """
    threads.employ(Trade([PASSES]), tries_max=1)

    threads.start()
    assert threads.failed.wait(60)
    threads.stop()

    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    [last] = [moment for moment in logged if moment["at"] == "stopped"]
    assert last["thread"] == "trade"
    assert last["because"] == "the databases cannot be read or written now (disk I/O error)"


def test_what_is_told_of_a_fault_is_bounded() -> None:
    """
    Whatever an error says: 300 characters.
    """
    for error in (ValueError("v" * 400), OSError(5, "o" * 400), OSError(5, "e", "f" * 400)):
        assert len(sentence(error)) == 300
