"""CPU of a block per attestation, before and after: the code of d5dbf19 and this one, in turn, in one run.

That commit's rules were sound in form and false in eight routes; what made them sound may cost 15 % at most.
Each measurement is a process of its own with one commit's code on its path, which signs and proposes the same
six blocks of an import and times `process_proposal` alone, in a node that has seen none of them.
"""

import io
import subprocess
import sys
import tarfile
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
BEFORE = "d5dbf19"
BOUND = 0.15


def _module(*names: str) -> Any:
    """The first of these modules that the code on the path has: rooms were built after d5dbf19."""
    for name in names:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"none of {names}")


def once(count: int) -> float:
    """Microseconds of CPU per attestation, by the code on the path."""
    on = _module("tests.harness.ledger", "tests.ledger")
    registry = _module("credentials.ledger.registry", "credentials.registry").Registry
    limits = _module("credentials.ledger.parties", "credentials.genesis").Limits
    ledger = on.Ledger(on.make_genesis(limits=limits(block_bytes_max=1 << 20)))
    subjects = [on.battery(number) for number in range(count)]
    acts: list[tuple[str, str, dict[str, Any]]] = [
        (on.MAKER, "battery.produced", {}),
        (on.MAKER, "passport.published", {"set_list": on.set_list(1)}),
        (on.CN_AUTHORITY, "battery.exported", {"parties": (on.IMPORTER,)}),
        (on.IMPORTER, "battery.presented", {}),
        (on.CUSTOMS, "customs.released", {}),
        (on.IMPORTER, "market.placed", {}),
    ]
    total_s = 0.0
    for by, kind, members in acts:
        ledger.now += 100
        block = ledger.block(ledger.propose([ledger.attest(by, kind, s, **members) for s in subjects]))
        assert len(block.attestations) == count
        told = getattr(ledger.genesis, "history", None)
        since = told(ledger.height) if told is not None else ledger.height
        seen = ledger.registry
        follower = registry(ledger.genesis, ledger.reader, seen.app_hash, seen.standings_map, since)
        started = time.process_time()
        follower.process_proposal(block)
        total_s += time.process_time() - started
        ledger.execute(block)
    return total_s / (count * len(acts)) * 1e6


def only_from(tree: str) -> None:
    """Import the project from `tree` alone, not from where it is installed."""
    sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(getattr(f, "__module__", f))]
    sys.path.insert(0, tree)


def _by(tree: Path, count: int) -> float:
    command = [sys.executable, "-P", str(Path(__file__)), str(tree), str(count)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(*, count: int, pairs: int) -> str:
    """Return the row: the medians, and the growth in the median of the pairs that were run in turn."""
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise LookupError(f"this clone does not reach back to {BEFORE}: clone it whole")
    with TemporaryDirectory() as there, tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(there, filter="data")
        _by(Path(there), 10)  # compiled before it is timed
        found = [(_by(Path(there), count), _by(ROOT, count)) for _ in range(pairs)]
    growth = sorted(after / before - 1 for before, after in found)
    before, after = (median(side) for side in zip(*found, strict=True))
    word = "within" if median(growth) <= BOUND else "BEYOND"
    return (
        f"{before:,.0f} us at {BEFORE}, {after:,.0f} us here: {median(growth):+.1%} in the median of {pairs} "
        f"pairs ({growth[0]:+.1%} to {growth[-1]:+.1%}), {word} the bound of {BOUND:.0%}"
    )


if __name__ == "__main__":
    only_from(sys.argv[1])
    print(once(int(sys.argv[2])))
