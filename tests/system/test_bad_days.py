"""An operator's bad days, tried: a kill during a backup, a machine that stands still, a clock gone back."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.net.batteries import issue, wait_receipted
from tests.harness.net.clocks import Clocks, turned
from tests.harness.net.harness import MAKER, VALIDATORS, Node, comity, running, wait

pytestmark = pytest.mark.check

ALONE = replace(MAKER, schemes=(("gbt34014", "ZZ1"),))


def test_a_backup_that_is_killed_is_none_and_is_made_again(tmp_path: Path) -> None:
    """
    SIGKILL to `comity backup` at moments of its run: a folder of that name is there in whole or not at all,
    and the same command again, in a new folder, makes one that restores.
    """
    with running(tmp_path / "network", (ALONE,)) as net:
        node = net["maker"]
        wait_receipted(node, issue(node, 1)["digest"])
        whole = 0
        for number, after_s in enumerate((0.3, 0.5, 0.6, 0.7, 0.8, 1.0)):
            out = tmp_path / f"backup{number}"
            command = [sys.executable, "-m", "node", "backup", "--data", str(node.data), "--out", str(out)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            time.sleep(after_s)
            process.kill()
            process.wait(10)
            if out.exists():
                whole += 1
                assert restores(tmp_path / f"restored{number}", out), "a backup is whole once it has its name"
        print(f"{whole} of 6 were whole when they were killed")
        assert comity("backup", "--data", node.data, "--out", tmp_path / "again") == 0
        assert restores(tmp_path / "restored", tmp_path / "again")
        assert node.status_of("/readyz") == 200


def restores(data: Path, out: Path) -> bool:
    if comity("restore", "--data", data, "--from", out) != 0:
        return False
    with closing(sqlite3.connect(data / "office.db")) as db, db:
        return bool(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok")


STOOD_S = 8.0
TURNED_S = 3600
BACK_S_MAX = 60.0  # for what never comes
CLOCK = {"clock_differs", "clock_behind"}


def conditions(node: Node) -> set[str]:
    return {one["code"] for one in node.request("GET", "/readyz")[1]["conditions"]}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Node], Clocks]]:
    """Four validators with the load of one maker, whose clocks can be turned."""
    with (
        turned(tmp_path_factory.mktemp("clocks")) as clocks,
        running(tmp_path_factory.mktemp("bad days") / "network", VALIDATORS) as nodes,
    ):
        yield nodes, clocks


def test_a_validator_that_stands_still_catches_up_by_itself(four: tuple[dict[str, Node], Clocks]) -> None:
    """
    SIGSTOP for seconds, as a suspended machine: the others go on; continued, it is at their height and ready
    without anybody's help, with what was recorded meanwhile.
    """
    nodes, _ = four
    maker, still = nodes["maker"], nodes["customs"]
    wait_receipted(maker, issue(maker, 1)["digest"])
    assert still.process is not None
    still.process.send_signal(signal.SIGSTOP)
    try:
        meanwhile, until = [issue(maker, 2)["digest"]], time.monotonic() + STOOD_S
        wait_receipted(maker, meanwhile[0])
        while time.monotonic() < until:
            meanwhile.append(issue(maker, 2 + len(meanwhile))["digest"])
            wait_receipted(maker, meanwhile[-1])
    finally:
        still.process.send_signal(signal.SIGCONT)

    wait("it to catch up", lambda: still.height() >= maker.height(), BACK_S_MAX)
    wait("it to be ready", lambda: still.status_of("/readyz") == 200, BACK_S_MAX)
    assert [still.status_of(f"/receipts/{digest}") for digest in meanwhile] == [200] * len(meanwhile)
    assert len(meanwhile) > 1 and "Traceback" not in still.last_words()


def test_a_clock_an_hour_back_is_told_and_costs_nothing_afterwards(
    four: tuple[dict[str, Node], Clocks],
) -> None:
    """
    One of four: its own /readyz says that it is the clock; the others record on; once it is right the node is
    ready by itself, and has what was recorded.
    """
    nodes, clocks = four
    maker, wrong = nodes["maker"], nodes["cn"]
    clocks.turn(wrong, -TURNED_S)
    try:
        wait("the clock to be told", lambda: bool(conditions(wrong) & CLOCK), BACK_S_MAX)
        digest = issue(maker, 101)["digest"]
        wait_receipted(maker, digest)
    finally:
        clocks.right(wrong)

    wait("it to be ready", lambda: wrong.status_of("/readyz") == 200, BACK_S_MAX)
    wait("its receipt", lambda: wrong.status_of(f"/receipts/{digest}") == 200, BACK_S_MAX)
    assert "Traceback" not in wrong.last_words()
