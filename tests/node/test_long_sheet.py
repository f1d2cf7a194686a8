"""A hundred thousand rows, one in a hundred bad: each has its result, and memory stays flat."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from node.use_cases.jobs import JobAsked
from tests.harness.restarts import maker
from tests.node.test_jobs import model_of, row_of, sheet

ROWS = 100_000
BAD_EACH = 100
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
