"""kill -9 in the middle of a job over a sheet: resumed, each row has one passport and one attestation."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from node.issuing.issue_jobs import TOGETHER
from node.use_cases.jobs import JobAnswer, JobAsked
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.restarts import Maker, maker
from tests.system.test_structure import ROOT

ROWS = 2 * TOGETHER + 8
MOMENTS = 20  # of the long run

# Killed at the n-th time that a table is written: a passport, the results of a part, the end of the job.
RUNNING = """
import os, signal, sys, time
from pathlib import Path
from node.storage.issuances import IssuanceTable
from node.storage.jobs import JobTable
from node.use_cases.jobs import JobAsked
from tests.harness.restarts import Maker

root, where, killed_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
owner, name = {"issued": (IssuanceTable, "put"), "settled": (JobTable, "settle"), "stored": (JobTable, "add"),
               "ended": (JobTable, "end")}[where]
proper, times = getattr(owner, name), 0

def counted(*given):
    global times
    made = proper(*given)
    times += 1
    if times == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return made

setattr(owner, name, staticmethod(counted))
made = Maker(root)
made.start()
made.wait_open()
job, _ = made.up.jobs.take((root / "sheet").read_bytes(), JobAsked(key="k"), "maker")
print(job["id"], flush=True)
while made.up.jobs.show(job["id"])["state"] != "done":
    time.sleep(0.02)
"""


ACTED = 12
ACTING = (
    RUNNING.partition("job, _ = ")[0]
    + """
from node.use_cases.bulk_desk import ActAsked

looked, _ = made.up.bulk.preview(b"", ActAsked("suspend", "a leak", begins="ZZ1"), "maker")
while made.up.jobs.show(looked["id"])["state"] != "done":
    time.sleep(0.02)
job, _ = made.up.bulk.carry_out(looked["id"])
while made.up.jobs.show(job["id"])["state"] != "done":
    time.sleep(0.02)
"""
)


def sheet() -> bytes:
    lines: list[Any] = [{"code": code_of(n), "claims": claims_of(n)} for n in range(1, ROWS + 1)]
    lines[4] = {"code": "none", "claims": {}}
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def killed(root: Path, where: str, killed_at: int, running: str = RUNNING) -> None:
    """Run the job in a process of its own, which ends at that moment."""
    ran = subprocess.run(
        [sys.executable, "-c", running, str(root), where, str(killed_at)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert ran.returncode == -9, ran.stderr[-2_000:]


def resumed(node: Maker, data: bytes) -> JobAnswer:
    """Started again: whoever heard nothing sends the sheet again, and waits for its receipts."""
    node.start()
    node.wait_open()
    job, _ = node.up.jobs.take(data, JobAsked(key="k"), "maker")
    node.wait("the job", lambda: node.up.jobs.show(job["id"])["finished"])
    node.wait_quiet()
    return node.up.jobs.show(job["id"])


def require_once(node: Maker, told: JobAnswer) -> list[bytes]:
    """Each row has one passport, one publication and one place in the lists; the digests by row."""
    office = node.up.stores.office
    rows = office.issuances.page(10 * ROWS, None)
    published = Counter(
        item.battery for row in rows for item in office.outbox.of_battery(row.battery, "passport.published")
    )
    lines = node.up.jobs.rows(told["id"], "en", state=None, limit=10 * ROWS, after=0)

    assert told["counts"]["refused"] == 1 and told["on_ledger"] == {"receipted": ROWS - 1}
    assert (
        len(rows) == len({row.battery for row in rows}) == len({row.status_index for row in rows}) == ROWS - 1
    )
    assert set(published.values()) == {1} and len(published) == ROWS - 1
    assert all(one["digest"] for one in lines if one["state"] != "refused")
    return [bytes(row.digest) for row in rows]


@pytest.mark.parametrize(
    ("where", "killed_at"),
    [
        pytest.param("issued", TOGETHER + 5, marks=pytest.mark.check),
        pytest.param("settled", 2, marks=pytest.mark.check),
        pytest.param("stored", 1, marks=pytest.mark.long),
        pytest.param("ended", 1, marks=pytest.mark.long),
    ],
)
def test_a_killed_job_goes_on_with_each_row_once(tmp_path: Path, where: str, killed_at: int) -> None:
    """
    kill -9 while its rows are stored, while a passport is written, before a part is on disk, and at its end:
    after a start the sheet sent again is the same job, or the first of it, and every row has exactly one
    passport, one attestation and one receipt; what was on disk before has the same bytes after.
    """
    (tmp_path / "sheet").write_bytes(sheet())
    with maker(tmp_path) as node:
        killed(tmp_path, where, killed_at)
        node.start()
        before = {row.digest for row in node.up.stores.office.issuances.page(10 * ROWS, None)}
        node.stop()
        digests = require_once(node, resumed(node, sheet()))

    assert before <= set(digests)


@pytest.mark.check
def test_a_killed_act_goes_on_with_each_battery_once(tmp_path: Path) -> None:
    """
    kill -9 in the middle of suspending a batch: after a start the job goes on by itself, carried out again it
    is the same job, and every passport has exactly one statement, with its receipt.
    """
    lines = [{"code": code_of(n), "claims": claims_of(n)} for n in range(1, ACTED + 1)]
    with maker(tmp_path) as node:
        node.start()
        node.wait_open()
        data = b"\n".join(json.dumps(line).encode() for line in lines)
        batch, _ = node.up.jobs.take(data, JobAsked(gaps=True), "maker")
        node.wait("the passports", lambda: node.up.jobs.show(batch["id"])["finished"])
        node.stop()
        killed(tmp_path, "settled", ACTED + ACTED // 2, ACTING)
        node.start()
        node.wait_open()
        job, looked = node.up.jobs.page(2, None)
        again, new = node.up.bulk.carry_out(looked["id"])
        node.wait("the act", lambda: node.up.jobs.show(job["id"])["finished"])
        told = node.up.jobs.show(job["id"])
        office = node.up.stores.office
        said = [len(office.outbox.of_battery(code_of(n), "passport.suspended")) for n in range(1, ACTED + 1)]

    assert (again["id"], new, told["kind"]) == (job["id"], False, "suspend")
    assert (told["counts"], told["on_ledger"]) == ({"signed": ACTED}, {"receipted": ACTED})
    assert said == [1] * ACTED


@pytest.mark.long
def test_a_job_that_is_killed_again_and_again(tmp_path: Path) -> None:
    """
    Killed at twenty moments, each after a start that goes on with it: the same.
    """
    (tmp_path / "sheet").write_bytes(sheet())
    chosen = random.Random(14)
    with maker(tmp_path) as node:
        for moment in range(MOMENTS):
            where, most = chosen.choice([("issued", 4), ("settled", 1)])
            try:
                killed(tmp_path, where, chosen.randint(1, most))
            except AssertionError:
                assert moment > 2, "the job was not done before"  # nothing is left to be killed at
                break
        require_once(node, resumed(node, sheet()))
