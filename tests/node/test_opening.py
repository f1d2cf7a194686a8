"""Opening a node costs the same whatever its ledger holds; a data directory of an earlier program opens."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from node.api import create_app
from node.config import DataDirectory
from node.ledger.verifying import verify
from node.setup.network import joined
from node.setup.wiring import open_service
from node.web.sample import sample_claims
from tests.harness.counted import counted
from tests.harness.earlier import EARLIER
from tests.harness.grown import grow
from tests.harness.support_service import CODE, PASSPHRASE, live_node

BEFORE = EARLIER / "node-35205be.tar.xz"  # as that commit left it, with one passport
DIGEST = "0b6fDDKWzvekdTgDX88Ep7gWOjahQFOawoZ-9-HOj64"
ROOT = "JLwDKcZ24Pb-vpN4I9Axbh9phoo2RUxjj5XYQ_X3AKk"
# Prints: seconds of processor time to open the whole node, KiB of its memory, KiB that it read of files.
OPEN = f"""
import sys, time
from pathlib import Path
from node.config import DataDirectory
from node.setup.wiring import open_service
def told(name, field):
    return next(int(line.split()[1]) for line in open(name) if line.startswith(field))
read = told("/proc/self/io", "rchar:")
began = time.process_time()
service = open_service(DataDirectory(Path(sys.argv[1])), "{PASSPHRASE}", 0)
taken = time.process_time() - began
print(taken, told("/proc/self/status", "VmRSS:"), (told("/proc/self/io", "rchar:") - read) >> 10)
service.stop()
"""


def opening(data: Path) -> tuple[float, float, float]:
    """Of a process of its own: seconds, KiB of memory, KiB read."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(data)], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    seconds, memory, read = done.stdout.split()
    return float(seconds), float(memory), float(read)


def grown(root: Path, *sizes: int) -> list[tuple[float, float, float]]:
    """What opening one node costs at each of these sizes, entries and half as many records.

    The best of two, after one in which the node follows what was recorded since it ran.
    """
    with live_node(root) as made:
        data = made.data
    genesis = joined(DataDirectory(data)).genesis
    found = []
    for size in sizes:
        grow(data / "ledger.db", genesis, entries=size, records=size // 2)
        opening(data)
        tries = [opening(data) for _ in range(2)]
        found.append((min(t[0] for t in tries), min(t[1] for t in tries), min(t[2] for t in tries)))
    return found


@pytest.mark.check
def test_opening_costs_the_same_whatever_the_ledger_holds(tmp_path: Path) -> None:
    """
    At 2,000 and at 20,000 entries: memory within a fifth, processor time and what is read within a half.
    """
    (few_s, few, few_read), (many_s, many, many_read) = grown(tmp_path, 2_000, 20_000)
    print(
        f"open {few_s:.2f} -> {many_s:.2f} s, {few:.0f} -> {many:.0f} KiB, read {few_read} -> {many_read} KiB"
    )

    assert many < 1.2 * few
    assert many_s < 1.5 * few_s + 0.1
    assert many_read < 1.5 * few_read + 1_024, "and the hashes of the buckets that 9,000 records changed"


@pytest.mark.long
def test_a_million_entries_open_as_ten_thousand_do(tmp_path: Path) -> None:
    """
    The same, and below two seconds.
    """
    rows = grown(tmp_path, 10_000, 1_000_000)
    (few_s, few, few_read), (many_s, many, many_read) = rows
    print(
        f"open {few_s:.2f} -> {many_s:.2f} s, {few:.0f} -> {many:.0f} KiB, read {few_read} -> {many_read} KiB"
    )

    assert many < 1.2 * few and many_s < 2.0


@pytest.mark.check
def test_comparing_reads_what_is_said_of_own_passports_and_not_of_others(tmp_path: Path) -> None:
    """
    Records that may be old are compared with the ledger in as many steps of the database whether it holds
    2,700 revocations by others or none: they were all read at once.
    """
    with live_node(tmp_path) as made:
        issued = made.service.passports.issue(sample_claims(made.service, CODE), code=CODE)
        made.wait_quiet()
        made.service.passports.revoke(issued["digest"], "a test")
        made.wait_quiet()
    directory, found = DataDirectory(made.data), []
    for entries in (300, 3_000):
        size = {"entries": entries, "records": entries}
        grow(directory.ledger, joined(directory).genesis, **size, kind="passport.revoked")
        service = open_service(directory, PASSPHRASE, 0)
        try:
            service.following.turn()
            with counted(service.stores.ledger._db) as work:
                service.following._compare()
            found.append(work.steps)
        finally:
            service.stop()
    assert 100 < found[1] < 1.1 * found[0], found


def test_a_data_directory_of_the_program_before_opens(tmp_path: Path) -> None:
    """
    One that was kept: its node starts, has its log and its passport, and all of it is what was written.
    """
    with tarfile.open(BEFORE) as packed:
        packed.extractall(tmp_path, filter="data")
    directory = DataDirectory(tmp_path)
    service = open_service(directory, PASSPHRASE, 0)
    try:
        client, key = create_app(service).test_client(), {"Authorization": f"Bearer {directory.operator()}"}
        asked = [f"/batteries/{CODE}", f"/receipts/{DIGEST}", "/status"]
        answers = [client.get(path, headers=key) for path in asked]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert answers[2].get_json()["log"]["root"] == ROOT
    finally:
        service.stop()
    assert verify(directory.ledger, joined(directory).genesis).entries == 8
