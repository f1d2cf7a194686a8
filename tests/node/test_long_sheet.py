"""A hundred thousand rows, one in a hundred bad: each has its result, killed or not; memory stays flat."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from node.use_cases.jobs import JobAsked
from tests.harness.restarts import maker
from tests.node.test_jobs import model_of, row_of, sheet
from tests.system.test_structure import ROOT

ROWS = 100_000
BAD_EACH = 100
KILLS = 20
GROWN_BYTES_MAX = 250 << 20


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.long
def test_a_hundred_thousand_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Every row but the bad ones is signed and receipted, each battery once; the process grows by less than 250
    MB. How many a second is printed, for tests/RESULTS.md.
    """
    bad = ROWS // BAD_EACH
    rows = [row_of(n, **({"mass": "heavy"} if n % BAD_EACH == 0 else {})) for n in range(1, ROWS + 1)]
    data = sheet(rows)
    del rows
    with maker(tmp_path) as node:
        node.start()
        node.wait_open()
        node.up.jobs.put_model(model_of())
        before, begun = resident(), time.monotonic()
        job, _ = node.up.jobs.take(data, JobAsked(model="P75"), "maker")
        most = before
        while (told := node.up.jobs.show(job["id"]))["state"] != "done":
            most = max(most, resident())
            time.sleep(1)
        signed_s = time.monotonic() - begun
        while not (told := node.up.jobs.show(job["id"]))["finished"]:
            most = max(most, resident())
            time.sleep(1)
        all_s = time.monotonic() - begun
        issued = node.up.stores.office._db.connection.execute(
            "SELECT COUNT(*), COUNT(DISTINCT battery) FROM issuances"
        ).fetchone()
    with capsys.disabled():
        grown = (most - before) >> 20
        print(f"\n{ROWS} rows: signed {ROWS / signed_s:.0f}/s, receipted {ROWS / all_s:.0f}/s, +{grown} MB")

    assert told["counts"] == {"signed": ROWS - bad, "refused": bad}
    assert told["on_ledger"] == {"receipted": ROWS - bad} and tuple(issued) == (ROWS - bad, ROWS - bad)
    assert most - before < GROWN_BYTES_MAX


# Two sheets at once, killed at the n-th passport that is written; 0: until everything has its receipt.
TWO_SHEETS = """
import json, os, signal, sys, time
from pathlib import Path
from node.storage.issuances import IssuanceTable
from node.use_cases.jobs import JobAsked
from tests.harness.peaks import peak_mib
from tests.harness.restarts import Maker
from tests.node.test_jobs import model_of

root, killed_at = Path(sys.argv[1]), int(sys.argv[2])
proper, times = IssuanceTable.put, 0

def counted(*given):
    global times
    times += 1
    if times == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return proper(*given)

IssuanceTable.put = staticmethod(counted)
made = Maker(root)
made.start()
made.wait_open()
made.up.jobs.put_model(model_of())
begun, desk = time.monotonic(), made.up.jobs
asked = [((root / who).read_bytes(), JobAsked(model="P75", key=who), who) for who in ("a", "b")]
jobs = [desk.take(*one)[0]["id"] for one in asked]
del asked
while not all(desk.show(one)["finished"] for one in jobs):
    time.sleep(0.5)
told = [desk.show(one)["counts"] for one in jobs]
print(json.dumps({"counts": told, "issued": times, "s": time.monotonic() - begun, "peak_mib": peak_mib()}))
made.stop()
"""


def two_sheets(root: Path, killed_at: int) -> dict[str, Any]:
    """What the process told that was not killed."""
    command = [sys.executable, "-c", TWO_SHEETS, str(root), str(killed_at)]
    with (root / "told").open("w") as told:
        ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=told, text=True, check=False)
    assert ran.returncode == (-9 if killed_at else 0), (root / "told").read_text()[-2_000:]
    return {} if killed_at else json.loads(ran.stdout.splitlines()[-1])


def issued(root: Path) -> dict[str, tuple[bytes, int]]:
    """Digest and place of each battery's passport."""
    with closing(sqlite3.connect(root / "data" / "office.db")) as db:
        rows = db.execute("SELECT battery, digest, status_index FROM issuances").fetchall()
    found = {battery: (digest, place) for battery, digest, place in rows}
    assert len(found) == len(rows), "a battery has two passports"
    assert len({place for _, place in found.values()}) == len(rows), "two passports share a place"
    return found


@pytest.mark.parametrize(
    ("count", "kills"),
    [pytest.param(300, 3, marks=pytest.mark.check), pytest.param(ROWS, KILLS, marks=pytest.mark.long)],
)
def test_two_sheets_with_the_same_rows_killed_again_and_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, kills: int
) -> None:
    """
    Two people's sheets of which the second is half of the first, one row in a hundred bad, SIGKILL at so many
    passports: gone on with, each battery has one passport, one attestation and one receipt, what was on disk
    keeps its bytes, and the process that ends the jobs never holds 250 MB.
    """
    rows = [row_of(n, **({"mass": "heavy"} if n % BAD_EACH == 0 else {})) for n in range(1, count + 1)]
    bad, half = count // BAD_EACH, count - count // 2
    twice = bad - (count - half) // BAD_EACH  # of the bad ones those in the second sheet
    chosen, good = Random(14), count - bad
    with maker(tmp_path) as node:
        (tmp_path / "a").write_bytes(sheet(rows))
        (tmp_path / "b").write_bytes(sheet(rows[count // 2 :]))
        before: dict[str, tuple[bytes, int]] = {}
        for _ in range(kills):
            two_sheets(tmp_path, chosen.randint(1, 2 * good // (kills + 2)))
            after = issued(tmp_path)
            assert before.items() <= after.items(), "what was on disk is another one now"
            before = after
        told = two_sheets(tmp_path, 0)
        node.start()
        node.wait_quiet()
        published = node.up.stores.office._db.connection.execute(
            "SELECT COUNT(*), COUNT(DISTINCT battery), SUM(receipted_at IS NOT NULL) FROM outbox "
            "WHERE kind = 'passport.published'"
        ).fetchone()
    with capsys.disabled():
        rate, most = told["issued"] / told["s"], told["peak_mib"]
        print(
            f"\n{count} rows, {kills} kills with {len(before)} issued; the rest {rate:.0f}/s, {most:.0f} MB"
        )

    assert tuple(published) == (good, good, good) and before.items() <= issued(tmp_path).items()
    assert sum(one["signed"] + one.get("repeated", 0) for one in told["counts"]) == good + half - twice
    assert sum(one["refused"] for one in told["counts"]) == bad + twice
    assert told["peak_mib"] < 250
