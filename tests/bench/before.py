"""CPU before and after: the code of d5dbf19 and this one, in turn, in one run.

That commit's rules were sound in form and false in eight routes, and its node had no rooms: what made the
rules sound may cost a block 15 % an attestation at most, and no suite may have lost anything. Each
measurement is a process of its own with one commit's code on its path. Of a block it signs and proposes the
same six of an import and times `process_proposal` alone, in a node that has seen none of them; of the suites
it signs and verifies one passport and one conformity credential with each, and one attestation.
"""

import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
BEFORE = "d5dbf19"
BOUND = 0.15
NAMES = ("passport", "conformity")


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


def _works() -> Iterator[tuple[str, Callable[[], object]]]:
    """What each suite does, by the code on the path; a stranger verifies nothing of what it signed before."""
    suites = _module("tests.bench.suites")
    attested = _module("tests.bench.attestation")
    there = suites.documents
    yield "verify attestation", partial(attested.verify, attested.attestation())
    for name in NAMES:
        unsigned = json.dumps(there.DOCUMENTS[name]()).encode()
        for suite, kind in there.PROOFS:
            key = there.KEYS[kind]
            label = f"{name}, {suite} {kind}"
            yield f"issue {label}", partial(suites.issue, unsigned, suite, key)
            yield f"verify {label}", partial(suites.verify, suites.issue(unsigned, suite, key))
        for algorithm, kind in suites.joserfc.ALGORITHMS.items():
            key = there.KEYS[kind]
            label = f"{name}, vc+jwt {algorithm}"
            yield f"issue {label}", partial(suites.issue_jwt, unsigned, key)
            yield f"verify {label}", partial(suites.verify_jwt, suites.issue_jwt(unsigned, key))


def each(seconds: float) -> dict[str, float]:
    """Microseconds of CPU of each work of the suites, by the code on the path, each about `seconds` long."""
    found = {}
    for name, work in _works():
        count, taken_s = 1, 0.0
        while taken_s < seconds:
            count *= 2
            started = time.process_time()
            for _ in range(count):
                work()
            taken_s = time.process_time() - started
        found[name] = taken_s / count * 1e6
    return found


def only_from(tree: str) -> None:
    """Import the project from `tree` alone, not from where it is installed."""
    sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(getattr(f, "__module__", f))]
    sys.path.insert(0, tree)


def _by(tree: Path, what: str, amount: float) -> Any:
    command = [sys.executable, "-P", str(Path(__file__)), str(tree), what, str(amount)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@contextmanager
def tree_before() -> Iterator[Path]:
    """A folder with the code of that commit; LookupError where this clone does not reach back to it."""
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise LookupError(f"this clone does not reach back to {BEFORE}: clone it whole")
    with TemporaryDirectory() as there, tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(there, filter="data")
        yield Path(there)


def growth(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """The least, the median and the most by which the second of a pair is more than the first."""
    grown = sorted(after / before - 1 for before, after in pairs)
    return grown[0], median(grown), grown[-1]


def _told(pairs: Sequence[tuple[float, float]]) -> str:
    before, after = (median(side) for side in zip(*pairs, strict=True))
    least, middle, most = growth(pairs)
    return (
        f"{before:,.0f} us at {BEFORE}, {after:,.0f} us here: {middle:+.1%} in the median of {len(pairs)} "
        f"pairs ({least:+.1%} to {most:+.1%})"
    )


def measure(*, count: int, pairs: int) -> str:
    """Return the row: the medians, and the growth in the median of the pairs that were run in turn."""
    with tree_before() as there:
        _by(there, "block", 10)  # compiled before it is timed
        found = [(_by(there, "block", count), _by(ROOT, "block", count)) for _ in range(pairs)]
    word = "within" if growth(found)[1] <= BOUND else "BEYOND"
    return f"{_told(found)}, {word} the bound of {BOUND:.0%}"


def measure_suites(*, seconds: float, pairs: int) -> Iterator[str]:
    """Yield a line a work of the suites; one that lost in each of its pairs is named LOST."""
    with tree_before() as there:
        _by(there, "suites", 0.001)
        rounds = [(_by(there, "suites", seconds), _by(ROOT, "suites", seconds)) for _ in range(pairs)]
    for name in rounds[0][1]:
        if name in rounds[0][0]:
            found = [(before[name], after[name]) for before, after in rounds]
            yield f"{name}: {_told(found)}{', LOST' if growth(found)[0] > 0 else ''}"
        else:
            yield f"{name}: not compared, {BEFORE} has none"


if __name__ == "__main__":
    only_from(sys.argv[1])
    done = once(int(sys.argv[3])) if sys.argv[2] == "block" else each(float(sys.argv[3]))
    print(json.dumps(done))
