"""Rows of growth: what a node costs on ledgers of more and more batteries, each row beside the first.

One data directory grows (`tests/harness/grown.py`: entries, records, tiles and hashes are the store's own).
At each size its node is opened in a process of its own and asked, and then real blocks are executed and
committed on it: six of an import for each of some batteries, none seen before, whose records and indexes lie
scattered among all others. Seconds are of the processor: others on this machine take no part in them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

from consensus.application import Execution
from consensus.merkle import leaf_hash
from consensus.standings_map import StandingsMap
from consensus.types import Block
from credentials.ledger.registry import Changes, Registry
from node.config import DataDirectory
from node.ledger.chain import constitution_of, tip_of
from node.setup.network import Network, joined
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import LedgerStore, SqliteStandingReader
from tests.bench import plots
from tests.bench.block import steps_of
from tests.bench.harness import ROOT, NotMeasured
from tests.harness.grown import certificate_of, load
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, IMPORTER, MAKER, Ledger, accreditation, participant
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import PASSPHRASE, live_node

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
ISSUED = 16  # passports of this node, from before all others
NAMESPACE = "ZZ4"  # of the batteries in the blocks that are measured
GROUP = 300  # batteries of one round of six blocks
# Prints what one node costs that is opened here: `Asked`, as JSON.
NODE = f"""
import json, random, sys, time
from pathlib import Path
from node.api import create_app
from node.config import DataDirectory
from node.setup.wiring import open_service
from tests.harness.net.batteries import code_of
def told(name, field):
    return next(int(line.split()[1]) for line in open(name) if line.startswith(field))
def each(work, of):
    best = None
    for _ in range(3):
        began = time.process_time()
        for one in of:
            work(one)
        taken = (time.process_time() - began) / len(of)
        best = taken if best is None else min(best, taken)
    return best * 1e3
directory, began = DataDirectory(Path(sys.argv[1])), time.process_time()
service = open_service(directory, "{PASSPHRASE}", 0)
opened, memory = time.process_time() - began, told("/proc/self/status", "VmRSS:")
client, key = create_app(service).test_client(), {{"Authorization": "Bearer " + directory.operator()}}
def ask(path, body=None):
    answer = client.get(path, headers=key) if body is None else client.post(path, json=body, headers=key)
    assert answer.status_code == 200, (path, answer.text[:400])
    return answer
tree, random = service.records._tree, random.Random(10)
leaves = [random.randrange(tree.size) for _ in range(400)]
codes = [code_of(serial) for serial in range(1, {ISSUED} + 1)]
digests = sys.argv[2].split(",")
scan = each(lambda code: ask("/clearance", {{"battery": code, "goods": "battery"}}), codes)
receipt = each(lambda digest: ask("/receipts/" + digest), digests)
proof = each(tree.inclusion_proof, leaves)
after = told("/proc/self/status", "VmRSS:")
print(json.dumps([opened, memory / 1024, after / 1024, scan, receipt, proof]))
service.stop()
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured at one size."""

    size: int
    on_disk: float
    open_s: float
    memory_mib: float
    memory_asked_mib: float
    scan_ms: float
    receipt_ms: float
    proof_ms: float
    execute_us: float
    commit_us: float
    written: float

    def cells(self, first: Row) -> Iterator[str]:
        """Each figure, and how many times the first it is."""
        yield f"{self.size:,}"
        for name, form in FORMS:
            value, at_first = getattr(self, name), getattr(first, name)
            yield form.format(value) + (f" ({value / at_first:.2f})" if self is not first else "")


FORMS = (
    ("open_s", "{:.2f}"),
    ("memory_mib", "{:.0f}"),
    ("memory_asked_mib", "{:.0f}"),
    ("scan_ms", "{:.2f}"),
    ("receipt_ms", "{:.2f}"),
    ("proof_ms", "{:.3f}"),
    ("execute_us", "{:.0f}"),
    ("commit_us", "{:.0f}"),
    ("written", "{:.1f}"),
    ("on_disk", "{:.0f}"),
)
HEAD = (
    "| batteries | open s | MiB | MiB, asked | scan ms | receipt ms | proof ms | execute us "
    "| commit us | KiB written | B an entry |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def measure(*, largest: int, rounds: int) -> Iterator[str]:
    """Yield the table line by line, with the ratios to its first row; raises NotMeasured."""
    with tempfile.TemporaryDirectory(prefix="comity-bench-") as folder:
        data, digests = founded(Path(folder))
        network, rows = joined(data), list[Row]()
        yield HEAD
        for size in SIZES:
            if size > largest:
                yield f"| {size:,} | not measured |"
                continue
            rows.append(_measured(data, network, digests, size, rounds))
            yield f"| {' | '.join(rows[-1].cells(rows[0]))} |"
        yield f"drawn in {drawn(rows)}"


def drawn(rows: Sequence[Row]) -> Path:
    """Each figure as times that of the first row."""
    figures = {name: [getattr(row, name) for row in rows] for name, _ in FORMS}
    title = "What a node costs on larger ledgers, as times the smallest"
    return plots.draw("growth", title, [row.size for row in rows], figures)


def founded(root: Path) -> tuple[DataDirectory, list[str]]:
    """A network of one validator with passports of it; parties of the harness take part as well."""
    parties = [
        (participant(did, valid_from=1), accreditation(did, valid_from=1))
        for did in (CN_AUTHORITY, IMPORTER, CUSTOMS)
    ]
    makes = accreditation(MAKER, schemes=(("gbt34014", NAMESPACE),), valid_from=1)
    parties.append((participant(MAKER, valid_from=1), makes))
    with redirect_stderr(StringIO()), live_node(root, others=parties) as node:
        digests = [
            node.service.passports.issue(claims_of(serial), code=code_of(serial))["digest"]
            for serial in range(1, ISSUED + 1)
        ]
        node.wait_quiet()
    return DataDirectory(node.data), digests


def _measured(data: DataDirectory, network: Network, digests: list[str], size: int, rounds: int) -> Row:
    load(data.ledger, network.genesis, size)
    on_disk = _size_of(data.ledger) / size
    asked(data, digests)  # the first one follows what was recorded since it ran
    told = [asked(data, digests) for _ in range(2)]
    blocks = [executed(data, network, GROUP) for _ in range(rounds)]
    figures = [min(column) for rows in (told, blocks) for column in zip(*rows, strict=True)]
    return Row(size, on_disk, *figures)


def _size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if "shm" not in file.name)


def asked(data: DataDirectory, digests: Sequence[str]) -> list[float]:
    """Of a process of its own: seconds to open, MiB, MiB once asked, ms a scan, a receipt, a proof."""
    done = subprocess.run(
        [sys.executable, "-c", NODE, str(data.root), ",".join(digests)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotMeasured(done.stderr[-400:])
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def executed(data: DataDirectory, network: Network, count: int) -> tuple[float, float, float]:
    """Of six blocks on this ledger, an attestation: microseconds to execute and to commit, KiB written."""
    totals, each = [0.0, 0.0, 0.0], 0
    for _, execute, commit in blocks(data, network, count):
        began, written = time.process_time(), bytes_written()
        execution = execute()
        then = time.process_time()
        commit(execution)
        totals[0] += then - began
        totals[1] += time.process_time() - then
        totals[2] += (bytes_written() - written) / 1024
        each += count
    return totals[0] / each * 1e6, totals[1] / each * 1e6, totals[2] / each


def blocks(
    data: DataDirectory, network: Network, count: int
) -> Iterator[tuple[LedgerStore, Callable[[], Execution], Callable[[Execution], None]]]:
    """Six blocks of so many attestations on this ledger: its store, what executes one and what commits it."""
    store, genesis = LedgerStore(data.ledger), network.genesis
    try:
        tip = tip_of(store, genesis)

        def registry() -> Registry:
            standings = StandingsMap.over(store.standings.hashes(), store.standings.bucket)
            constitution = constitution_of(store, genesis, network.rule_files)
            return Registry(
                genesis, SqliteStandingReader(store), tip.app_hash, standings, constitution=constitution
            )

        ledger, follower = Ledger(genesis), registry()
        ledger.registry = registry()
        ledger.height, ledger.previous_id, ledger.log = tip.height, tip.block_id, tip.log
        ledger.now = max(tip.time, int(time.time())) + 1
        steps = steps_of(ledger, count, tip.height * 10_000, NAMESPACE)
        ledger.now += 100
        for txs in steps:
            block = ledger.block(ledger.propose(txs))
            if len(block.attestations) != count:
                raise NotMeasured(f"{len(block.attestations)} of {count} attestations were proposable")
            proposed = ledger.registry.process_proposal(block)
            store._standings.clear()  # as of batteries of which nothing was said lately
            store._finals.clear()
            yield (
                store,
                partial(follower.process_proposal, block),
                partial(_commit, store, ledger, block),
            )
            follower.commit(follower.process_proposal(block))  # the outcome of this block is remembered
            ledger.registry.commit(proposed)
            ledger.height, ledger.previous_id, ledger.now = block.height, block.id, ledger.now + 10
    finally:
        store.close()


def _commit(store: LedgerStore, ledger: Ledger, block: Block, execution: Execution) -> None:
    """As `Ledger.adopt` does, with a certificate of nobody."""
    known = execution.changes
    assert isinstance(known, Changes)
    parsed = {a.data: a for a in known.attestations}
    ledger.log = ledger.log.append(leaf_hash(entry) for entry in execution.entries)
    store.commit_block(
        LedgerTip(block.height, block.id, block.time, execution.app_hash, ledger.log.encode()),
        block=block.encode(),
        certificate=certificate_of(block.height, block.id),
        entries=[row_of(entry, parsed) for entry in execution.entries],
        standings=execution.standings,
        governance=execution.governance,
        buckets=known.buckets,
    )


def bytes_written() -> int:
    """Bytes that this process handed to the system so far."""
    with Path("/proc/self/io").open() as told:
        return next(int(line.split()[1]) for line in told if line.startswith("wchar:"))
