"""`python -m tests.bench`: print one row per measurement; `--quick` for a glance, `--row NAME` for one."""

import argparse
import sys
from collections.abc import Callable

from tests.bench import (
    attestation,
    before,
    block,
    finality,
    growth,
    load,
    office,
    passport,
    scan,
    starts,
    suites,
)
from tests.bench.harness import Comparison, NotMeasured, circumstances


def _compared(measure: Callable[..., tuple[str, Comparison]], quick: bool) -> str:
    name, comparison = measure(rounds=3 if quick else 9, seconds=0.1 if quick else 0.5)
    return f"{name}: {comparison.text()}"


def _suites(quick: bool) -> str:
    rows = suites.measure(rounds=3 if quick else 9, seconds=0.1 if quick else 0.5)
    return "\n".join(f"{name}: {comparison.text()}" for name, comparison in rows)


def _finality(quick: bool) -> str:
    measured = finality.measure(count=10 if quick else 100, burst=20 if quick else 200)
    return f"finality of four validators sharing this machine: {measured.text()}"


def _block(quick: bool) -> str:
    return f"a block's CPU: {block.measure(count=100 if quick else 350, rounds=1 if quick else 5)}"


def _before(quick: bool) -> str:
    try:
        compared = before.measure(count=60 if quick else 200, pairs=2 if quick else 9)
        return f"a block's CPU, before and after: {compared}"
    except LookupError as error:
        raise NotMeasured(str(error)) from error


def _scan(quick: bool) -> str:
    return f"a scan of one battery: {scan.measure(seconds=3 if quick else 20).text()}"


def _load(quick: bool) -> str:
    return f"a stream into four validators: {load.measure(rate=650, seconds=5 if quick else 60).text()}"


def _low(quick: bool) -> str:
    verified_s = office.floor()[1]
    measured = load.measure(rate=100, seconds=5 if quick else 30)
    units = measured.cpu_us / verified_s / 1e6
    return f"the same at a low rate, {units:.1f} libsodium verifications each (aim 15): {measured.text()}"


def _start(quick: bool) -> str:
    return "\n".join(starts.starts(rounds=3 if quick else 9))


def _idle(quick: bool) -> str:
    return "\n".join(starts.idle(seconds=10 if quick else 60))


def _growth(quick: bool) -> str:
    print("growth, in times of the first row:")
    for line in growth.measure(largest=100_000 if quick else 1_000_000, rounds=1 if quick else 3):
        print(line, flush=True)
    return "(a larger one by hand: tests/bench/growth.py)"


def _issuing(quick: bool) -> str:
    return "\n".join(office.issuing(single=50 if quick else 500, batches=1 if quick else 8))


def _clearance(quick: bool) -> str:
    return "\n".join(office.clearance(lines=200 if quick else 9_000, compared=600 if quick else 1_200))


ROWS: dict[str, Callable[[bool], str]] = {
    "passport": lambda quick: _compared(passport.measure, quick),
    "suites": _suites,
    "attestation": lambda quick: _compared(attestation.measure, quick),
    "block": _block,
    "before": _before,
    "finality": _finality,
    "scan": _scan,
    "load": _load,
    "low": _low,
    "start": _start,
    "idle": _idle,
    "issuing": _issuing,
    "clearance": _clearance,
    "growth": _growth,
}


def main() -> int:
    """Print the table; the exit code is 0 also when a row could not be measured: it says so."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="few and short rounds")
    parser.add_argument("--row", choices=ROWS, action="append", help="measure this row (repeatable)")
    options = parser.parse_args()
    print(circumstances())
    for name in options.row or ROWS:
        try:
            print(ROWS[name](options.quick))
        except NotMeasured as reason:
            print(f"{name}: not measured: {reason}")
        sys.stdout.flush()
    return 0


sys.exit(main())
