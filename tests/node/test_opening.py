"""Opening a node costs the same whatever its ledger holds; a data directory of an earlier program opens."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from consensus import merkle, standings_map
from node.api import create_app
from node.config import DataDirectory
from node.ledger.verifying import verify
from node.setup.network import Network, joined
from node.setup.wiring import open_service
from node.storage import standings
from node.web.sample import sample_claims
from tests.bench import growth
from tests.harness.counted import Work, counted
from tests.harness.earlier import EARLIER
from tests.harness.grown import grow, load
from tests.harness.net.batteries import code_of
from tests.harness.support_service import CODE, PASSPHRASE, live_node

BEFORE = EARLIER / "node-35205be.tar.xz"  # as that commit left it, with one passport
DIGEST = "0b6fDDKWzvekdTgDX88Ep7gWOjahQFOawoZ-9-HOj64"
ROOT = "JLwDKcZ24Pb-vpN4I9Axbh9phoo2RUxjj5XYQ_X3AKk"
ATTESTATIONS = 300  # in a block
OPEN_S_MAX, KILLED_S_MAX = 2.0, 5.0
KILLED_AFTER = 3  # blocks: their pages are in the write-ahead log, and those of a fourth are on their way
# Executes and commits blocks on the ledger of a node, a line for each, until it is killed.
BLOCKS = f"""
import sys
from pathlib import Path
from node.config import DataDirectory
from node.setup.network import joined
from tests.bench import growth
data = DataDirectory(Path(sys.argv[1]))
for _, execute, commit in growth.blocks(data, joined(data), {ATTESTATIONS}):
    commit(execute())
    print("committed", flush=True)
"""
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


def opening_killed(data: Path) -> float:
    """Seconds to open it after SIGKILL in the middle of an import."""
    command = [sys.executable, "-c", BLOCKS, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as storing:
        assert storing.stdout is not None
        committed = [storing.stdout.readline() for _ in range(KILLED_AFTER)]
        storing.kill()
    assert committed == [b"committed\n"] * KILLED_AFTER
    return opening(data)[0]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one ledger costs, counted: whoever else uses this machine has no part in it."""

    open_s: float  # of the processor
    killed_s: float  # the same, after SIGKILL while it stored blocks
    open_read: float  # KiB
    open_memory: float  # KiB
    scan_steps: float  # of the database
    block_steps: float  # an attestation
    block_hashes: float
    block_written: float  # bytes


def cost_of(data: DataDirectory, network: Network) -> Cost:
    """Of opening its node, of a scan, and of an attestation in six blocks of an import."""
    opening(data.root)  # the first one follows what was recorded since it ran
    seconds, memory, read = opening(data.root)
    service = open_service(data, PASSPHRASE, 0)
    try:
        client, key = create_app(service).test_client(), {"Authorization": f"Bearer {data.operator()}"}
        asked = {"battery": code_of(1), "goods": "battery"}
        with counted(service.stores.ledger._db, service.stores.office._db) as scan:
            assert client.post("/clearance", json=asked, headers=key).status_code == 200
    finally:
        service.stop()
    total, written, made = Work(), 0, 0
    for store, execute, commit in growth.blocks(data, network, ATTESTATIONS):
        before = growth.bytes_written()
        with counted(store._db, hashing=(standings, standings_map, merkle)) as work:
            commit(execute())
        written += growth.bytes_written() - before
        total.steps, total.hashes, made = total.steps + work.steps, total.hashes + work.hashes, made + 1
    each, killed = made * ATTESTATIONS, opening_killed(data.root)
    steps, hashes = total.steps / each, total.hashes / each
    return Cost(seconds, killed, read, memory, scan.steps, steps, hashes, written / each)


@pytest.mark.parametrize(
    ("larger", "block", "written"),
    [
        pytest.param(1_000_000, 1.5, 3, marks=pytest.mark.check, id="a-million"),
        # A bucket of the map holds 150 records by then, each hashed with what changes (consensus 0128).
        pytest.param(10_000_000, 6, 5, marks=pytest.mark.long, id="ten-million"),
    ],
)
def test_at_a_million_entries_nothing_costs_half_as_much_again_as_at_a_hundred_thousand(
    larger: int, block: float, written: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Ten or a hundred times the entries and records: opening and a scan take at most 1.5 times the steps,
    hashes and reads, and so does an attestation in a block of the ten; the node opens within two seconds,
    within five after SIGKILL, its memory is within a fifth. What a block writes is another matter (0636).
    """
    data, _ = growth.founded(tmp_path)
    network, found = joined(data), list[Cost]()
    for size in (100_000, larger):
        load(data.ledger, network.genesis, size)
        found.append(cost_of(data, network))
    few, many = found
    with capsys.disabled():
        print(f"\n{few}\n{many}")

    for name, times, least in (
        ("open_read", 1.5, 1_024),
        ("scan_steps", 1.5, 100),
        ("block_steps", block, 0),
        ("block_hashes", 1.5, 0),
    ):
        assert getattr(many, name) < times * getattr(few, name) + least, name
    assert many.block_written < written * few.block_written, (
        "by then each key of an index has a page of its own"
    )
    assert many.open_memory < 1.2 * few.open_memory and many.open_s < OPEN_S_MAX
    assert many.killed_s < KILLED_S_MAX


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
