"""Processes that judge beside the one that writes: the same verdicts, whatever their number and fate."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson
import pytest

from node.api import create_app
from node.config import DataDirectory
from node.setup.gathering import judged_by_of
from node.setup.network import joined
from node.setup.wiring import open_service
from node.setup.worker import Given, Worker
from node.verdicts import workers as workers_room
from node.verdicts.given_away import GivenAway
from node.verdicts.judgement import Judgement
from node.verdicts.workers import PART_LINES, JudgedPart, Task, Workers
from tests.harness.governed_node import governed_node
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import DID, PASSPHRASE, LiveNode, live_node
from tests.system.test_structure import ROOT

GOODS = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
ISSUED, LINES = 6, 70
JSON = dict[str, Any]
WAIT_S_MAX = 60.0

HOLDING = """
import sys, time
from functools import partial
from pathlib import Path
from node.config import DataDirectory
from node.setup.gathering import judged_by_of
from node.setup.network import joined
from node.setup.worker import Given, work
from node.verdicts.workers import Workers

if __name__ == "__main__":
    root, did, key = Path(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3])
    directory = DataDirectory(root)
    given = Given(root, did, key, judged_by_of(directory, joined(directory), directory.settings()))
    workers = Workers(partial(work, given=given), 1)
    while not workers.pids:
        workers.begin(10_000)
        time.sleep(0.05)
    print(workers.pids[0], flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a node that issued some passports, one of them with a further code."""
    root = tmp_path_factory.mktemp("issued")
    with live_node(root) as node:
        for serial in range(1, ISSUED + 1):
            claims = claims_of(serial)
            if serial == ISSUED:
                claims["GeneralProductInformation"]["productIdentifier"] = code_of(900)
            assert (
                node.post_json("/passports", {"code": code_of(serial), "claims": claims}).status_code == 201
            )
        node.wait_quiet()
    return root / "data"


@contextmanager
def opened(kept: Path, where: Path, count: int) -> Iterator[LiveNode]:
    """A node on a copy of it, with so many workers."""
    shutil.copytree(kept, where)
    directory = DataDirectory(where)
    service = open_service(directory, PASSPHRASE, 0)
    service.judging.given_away.workers.count = count
    service.start()
    try:
        yield LiveNode(service, create_app(service), directory.operator(), where)
    finally:
        service.stop()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers for small jobs as well, which they wait for."""
    monkeypatch.setattr(workers_room, "LINES_MIN", 1)
    proper = Workers.begin

    def begin(self: Workers, lines: int) -> None:
        proper(self, lines)
        deadline = time.monotonic() + WAIT_S_MAX
        while len(self.pids) < self.count and self._failed < workers_room.STARTS_FAILED_MAX:
            assert time.monotonic() < deadline, "workers begin"
            time.sleep(0.02)
            proper(self, lines)

    monkeypatch.setattr(Workers, "begin", begin)


def lines() -> list[JSON]:
    """Batteries with a passport, some more than once, one with a further code; others that nobody knows."""
    serials = [*range(1, ISSUED + 1), 1, 1, 900, *range(100, 100 + LINES - ISSUED - 3)]
    return [{"line": n, "battery": code_of(serial), **GOODS} for n, serial in enumerate(serials, 1)]


def judged(node: LiveNode, declaration: str = "26NLWORKERS001") -> str:
    """The id of a consignment once all of its lines are judged."""
    body = {"declaration": declaration, "law_date": "2027-03-01", "direction": "import", "lines": lines()}
    made: str = node.post_json("/consignments", body).get_json()["id"]
    table = node.service.stores.office.consignments
    node.wait(lambda: bool((row := table.get(made)) and row.state == "done"), "all verdicts")
    return made


def rows(data: Path, since: int) -> list[tuple[Any, ...]]:
    """What is stored of the lines, byte for byte, but for moments since this test began."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        return "since" if type(value) is int and value >= since else value

    with closing(sqlite3.connect(data / "office.db")) as db, db:
        items = db.execute(
            "SELECT line, seq, verdict, body, subject, namespace, issuer, settled FROM items ORDER BY line"
        ).fetchall()
        rests = db.execute("SELECT line, kind, value FROM rests_on ORDER BY line, kind, value").fetchall()
    return [(*item[:3], orjson.dumps(plain(orjson.loads(item[3]))), *item[4:]) for item in items] + rests


@pytest.mark.check
def test_any_number_of_workers_stores_the_same(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    None, one or three: each line once, in the order of the manifest, with the same verdict and the same it is
    found by and rests on; and workers did judge, and what they judged is what is stored.
    """
    answered: list[int] = []
    parts: list[GivenAway] = []
    proper, since = Workers.answer, int(time.time())
    is_stored = GivenAway.stored

    def stored_part(self: GivenAway) -> None:
        parts.append(self)
        is_stored(self)

    monkeypatch.setattr(GivenAway, "stored", stored_part)

    def answer(self: Workers, ticket: int) -> JudgedPart | None:
        found = proper(self, ticket)
        answered.append(len(found.items) if found is not None else 0)
        return found

    monkeypatch.setattr(Workers, "answer", answer)
    stored, by_workers = [], []
    for count in (0, 1, 3):
        with opened(kept, tmp_path / str(count), count) as node:
            judged(node)
            node.wait(lambda: not node.service.stores.office.overtaken.stale(1), "lines to be judged again")
        stored.append(rows(tmp_path / str(count), since))
        by_workers.append(sum(answered))
        assert len([one for one in answered if one]) == len(parts)
        answered.clear()
        parts.clear()

    assert stored[0] == stored[1] == stored[2]
    assert sorted(row[1] for row in stored[0][:LINES]) == list(range(1, LINES + 1))
    assert by_workers[0] == 0 and min(by_workers[1:]) >= LINES - 2 * PART_LINES


@pytest.mark.check
def test_a_killed_worker_loses_no_line_and_doubles_none(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Killed while it holds lines: others judge them, each line is stored once, in order, and the job ends.
    """
    proper, killed = Workers.answer, list[int]()

    def answer(self: Workers, ticket: int) -> JudgedPart | None:
        if not killed:
            killed.extend(self.pids)
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        return proper(self, ticket)

    monkeypatch.setattr(Workers, "answer", answer)
    with opened(kept, tmp_path / "killed", 2) as node:
        made = judged(node)
        found = node.get_json(f"/consignments/{made}?limit={LINES}")
        began = node.service.judging.given_away.workers.pids

    assert len(killed) == 2 and not set(began) & set(killed)
    assert [item["line"] for item in found["items"]] == list(range(1, LINES + 1))
    assert sorted(row[1] for row in rows(tmp_path / "killed", 0)[:LINES]) == list(range(1, LINES + 1))


@pytest.mark.check
def test_what_the_ledger_learned_meanwhile_is_not_missed(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An answer that rests on a shorter log than the one that open lines were looked for in is not stored: its
    lines would never be told of what came between.
    """
    proper, here = Workers.answer, list[int]()
    judge = Judgement.tried

    def answer(self: Workers, ticket: int) -> JudgedPart | None:
        found = proper(self, ticket)
        return found if found is None else replace(found, log_size=0)

    def counted(self: Judgement, pairs: Any, *rest: Any) -> Any:
        here.extend(line.line for line, _ in pairs)
        return judge(self, pairs, *rest)

    monkeypatch.setattr(Workers, "answer", answer)
    monkeypatch.setattr(Judgement, "tried", counted)
    with opened(kept, tmp_path / "behind", 1) as node:
        node.wait(lambda: node.service.stores.office.overtaken.watched_until() > 0, "the watch")
        judged(node)

    assert set(here) == set(range(1, LINES + 1))


@pytest.mark.check
def test_a_worker_whose_files_say_otherwise_judges_nothing(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A policy that was changed since the node started: no worker goes by it, and the node judges all lines.
    """
    monkeypatch.setattr(Workers, "answer", lambda *_: pytest.fail("a worker was asked"))
    with opened(kept, tmp_path / "changed", 1) as node:
        policy = tmp_path / "changed" / "policy.toml"
        policy.write_text(policy.read_text() + "\n# another one\n")
        made = judged(node)
        counts = node.get_json(f"/consignments/{made}?limit=1")["counts"]

    assert sum(counts.values()) == LINES and node.service.judging.given_away.workers._failed


@pytest.mark.check
def test_a_worker_ends_with_the_process_that_began_it(kept: Path, tmp_path: Path) -> None:
    """
    The node is killed: nobody goes on reading its files.
    """
    shutil.copytree(kept, tmp_path / "data")
    key = worker_of(tmp_path / "data")._given.network_key.hex()
    script = tmp_path / "holding.py"
    script.write_text(HOLDING)
    command = [sys.executable, str(script), str(tmp_path / "data"), DID, key]
    where = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=where) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline())
        holder.kill()
    deadline = time.monotonic() + WAIT_S_MAX
    while is_running(pid):
        assert time.monotonic() < deadline, "the worker ends"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """False for one that has ended, whether or not somebody has taken note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def worker_of(data: Path, key: bytes = b"") -> Worker:
    directory = DataDirectory(data)
    judged_by = judged_by_of(directory, joined(directory), directory.settings())
    return Worker(Given(data, DID, key or key_of(data), judged_by))


def key_of(data: Path) -> bytes:
    service = open_service(DataDirectory(data), PASSPHRASE, 0)
    try:
        return service.judging._gathering._network_key
    finally:
        service.stores.close()


def asked(worker: Worker, consignment: str, *numbers: int, claimed: int = 0) -> list[JSON] | None:
    found = worker.answer(Task(consignment, numbers, claimed, 0, time.monotonic()))
    return None if found is None else [orjson.loads(item.body) for item in found.items]


def test_a_worker_sees_what_was_acknowledged_and_writes_nothing(tmp_path: Path) -> None:
    """
    A manifest that was answered, a passport that has its receipt, a later height: the next task is judged by
    them. What the worker heard of peers comes with the task. Its stores take no write.
    """
    with live_node(tmp_path) as node:
        worker = worker_of(node.data, node.service.judging._gathering._network_key)
        made = judged(node)
        unknown = asked(worker, made, 1)
        height = worker._history.height
        assert node.post_json("/passports", {"code": code_of(1), "claims": claims_of(1)}).status_code == 201
        node.wait_quiet()
        known = asked(worker, made, 1, 2)
        behind = asked(worker, made, 1, claimed=worker._history.height + 1_000)

        assert unknown is not None and known is not None and behind is not None
        assert [one["verdict"] for one in (*unknown, *known)] == ["undecided", "clear", "undecided"]
        assert known[0]["height"] == node.service.stores.ledger.tip().height > height  # type: ignore[union-attr]
        assert behind[0]["verdict"] != "clear"
        with pytest.raises(sqlite3.OperationalError, match="readonly"), worker._office.writing() as db:
            db.execute("DELETE FROM items")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            worker._ledger._db.connection.execute("DELETE FROM entries")


@pytest.mark.check  # a node and its worker
def test_a_worker_declines_what_others_may_change_and_what_raises(tmp_path: Path) -> None:
    """
    A further code, another declaration of this node, documents that somebody would be asked for, a fault: the
    node itself judges these.
    """
    with live_node(tmp_path) as node:
        claims = claims_of(2)
        claims["GeneralProductInformation"]["productIdentifier"] = code_of(900)
        for serial, said in ((1, claims_of(1)), (2, claims), (3, claims_of(3))):
            assert node.post_json("/passports", {"code": code_of(serial), "claims": said}).status_code == 201
        node.wait_quiet()
        body = {"declaration": "26NLOTHER00001", "lines": [{"line": 1, "battery": code_of(3), **GOODS}]}
        assert node.post_json("/consignments", body).status_code == 202
        made = judged(node)
        worker = worker_of(node.data, node.service.judging._gathering._network_key)

        assert asked(worker, made, 1) is not None
        assert asked(worker, made, 1, 2) is None
        assert asked(worker, made, 3) is None
        assert asked(worker, "no such consignment", 1) is None
        with node.service.stores.office.writing() as db:
            db.execute("DELETE FROM documents WHERE kind = 'passport'")
        worker._gathering.fetching._did = "did:web:another.example"  # whose passport it is would be asked
        assert asked(worker, made, 1) is None


@pytest.mark.check  # the same
def test_a_worker_goes_by_what_governs(tmp_path: Path) -> None:
    """
    A licence that was decided since the worker began: it has the governance of the node at each height.
    """
    with governed_node(tmp_path) as g:
        history = g.node.service.judging._gathering.history
        worker = worker_of(g.node.data, g.node.service.judging._gathering._network_key)
        before = worker._history.epochs[-1][0]
        over = g.until_over(g.propose(g.licence(DID, "ZZ4")))
        g.blocks(over["in_force"])
        with worker._ledger.reading():
            worker._follow()

        assert worker._history.height >= over["in_force"] > before
        theirs = [(start, one.accreditations) for start, one in history.epochs]
        assert [(start, one.accreditations) for start, one in worker._history.epochs] == theirs


def echo(connection: Connection) -> None:
    """A worker that answers nothing it is asked."""
    connection.send(None)
    while True:
        connection.recv()
        connection.send(None)


@pytest.mark.check
def test_workers_are_let_go_once_nothing_is_to_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Their memory is given back after a while; what nobody waits for any more is not kept.
    """
    workers = Workers(partial(echo), 1)
    workers.begin(1)
    pid, task = workers.pids[0], Task("c", (1,), 0, None, 0.0)
    tickets = [workers.send(task), workers.send(task)]
    full = workers.send(task)
    workers.drop([tickets[0] or 0])
    workers.drop([99])
    declined = workers.answer(tickets[1] or 0)
    left = workers._answers, workers._dropped
    assert left == ({}, set())
    workers.rest()
    still = workers.pids
    monkeypatch.setattr(workers_room, "IDLE_S", -1.0)
    workers.rest()

    assert None not in tickets and full is None and declined is None
    assert still == [pid] and workers.pids == [] and not is_running(pid)
    assert not workers._answers and not workers._dropped
