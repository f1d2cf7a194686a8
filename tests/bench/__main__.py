"""`python -m tests.bench`: print one row per measurement; `--quick` for a glance, `--row NAME` for one."""

import argparse
import os
import sys
from collections.abc import Callable
from statistics import median

from tests.bench import (
    attestation,
    before,
    block,
    disk,
    engines,
    finality,
    growth,
    load,
    office,
    passport,
    ratios,
    scan,
    seen,
    starts,
    suites,
)
from tests.bench.harness import Comparison, NotMeasured, circumstances


def _compared(measure: Callable[..., tuple[str, Comparison]], quick: bool) -> str:
    name, comparison = measure(rounds=3 if quick else 9, seconds=0.1 if quick else 0.5)
    return _noted(name, comparison)


def _noted(name: str, comparison: Comparison) -> str:
    rounds = comparison.ratios
    ratios.note(f"{name}, beside {comparison.names[1]}", median(rounds), max(rounds))
    return f"{name}: {comparison.text()}"


def _suites(quick: bool) -> str:
    rows = suites.measure(rounds=3 if quick else 9, seconds=0.1 if quick else 0.5)
    return "\n".join(_noted(name, comparison) for name, comparison in rows)


def _finality(quick: bool) -> str:
    measured = finality.measure(count=10 if quick else 100, burst=20 if quick else 200)
    return f"finality of four validators sharing this machine: {measured.text()}"


def _engines(quick: bool) -> str:
    return "\n".join(engines.measure(count=10 if quick else 100, burst=20 if quick else 200))


def _disk(quick: bool) -> str:
    return disk.measure(rounds=1 if quick else 6)


def _block(quick: bool) -> str:
    return f"a block's CPU: {block.measure(count=100 if quick else 350, rounds=1 if quick else 5)}"


def _before(quick: bool) -> str:
    try:
        compared = before.measure(count=60 if quick else 200, pairs=2 if quick else 9)
        print(f"a block's CPU, before and after: {compared}", flush=True)
        return "\n".join(before.measure_suites(seconds=0.01 if quick else 0.1, pairs=2 if quick else 9))
    except LookupError as error:
        raise NotMeasured(str(error)) from error


def _scan(quick: bool) -> str:
    return f"a scan of one battery: {scan.measure(seconds=3 if quick else 20).text()}"


def _seen(quick: bool) -> str:
    return f"an alert from commit to an open page: {seen.measure(count=20 if quick else 200).text()}"


def _load(quick: bool) -> str:
    return _stream("a stream into four validators", 650, seconds=5 if quick else 60, aim=6)


def _low(quick: bool) -> str:
    return _stream("the same at a low rate", 100, seconds=5 if quick else 30, aim=15)


def _stream(what: str, rate: int, *, seconds: float, aim: int) -> str:
    verified_s = office.floor(office.ATTESTATION_BYTES)[1]
    measured = load.measure(rate=rate, seconds=seconds)
    units = measured.cpu_us / verified_s / 1e6
    ratios.note(f"{what}, {rate}/s asked", 1 / units)
    return f"{what}, {units:.1f} libsodium verifications each (aim {aim}): {measured.text()}"


def _highest(quick: bool) -> str:
    held, told = load.highest(rates=(100, 200) if quick else (300, 400, 500, 600, 800, 1_000), quick=quick)
    return (
        f"the highest rate held with p99 below {load.HELD_P99_S:.0f} s: {held or 'none of those tried'} "
        f"a second of {told}; aim half of CometBFT's kvstore beside it: not measured here, it needs Go"
    )


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
    "engines": _engines,
    "scan": _scan,
    "seen": _seen,
    "load": _load,
    "low": _low,
    "highest": _highest,
    "start": _start,
    "idle": _idle,
    "issuing": _issuing,
    "clearance": _clearance,
    "growth": _growth,
    "disk": _disk,
}


def main() -> int:
    """Print the table; the exit code is 0 also when a row could not be measured: it says so."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="few and short rounds")
    parser.add_argument("--row", choices=ROWS, action="append", help="measure this row (repeatable)")
    parser.add_argument("--keep", action="store_true", help="keep the ratios of this run (ratios.json)")
    options = parser.parse_args()
    here = f"{circumstances()}, libsodium {1 / office.floor()[1]:,.0f} verifications of 8 kB a second, "
    here += f"load average {os.getloadavg()[0]:.1f}"
    print(here)
    for name in options.row or ROWS:
        try:
            print(ROWS[name](options.quick))
        except NotMeasured as reason:
            print(f"{name}: not measured: {reason}")
        sys.stdout.flush()
    print(*ratios.told(ratios.measured(), ratios.kept(), ratios.best()), sep="\n")
    if options.keep:
        ratios.keep(here + (", quick" if options.quick else ""), ratios.measured())
    return 0


sys.exit(main())
