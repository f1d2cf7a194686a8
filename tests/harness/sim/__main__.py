"""`python -m tests.harness.sim --seeds A:B`: run the seeds A to B-1 and print one line each."""

import argparse
import contextlib
import subprocess
import sys
import time

from tests.harness.sim.bugs import BUGS
from tests.harness.sim.scenario import run


def main() -> int:
    """Run the seeds; the exit code is 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.sim")
    parser.add_argument("--seeds", default="0:10", help="A:B runs the seeds A to B-1")
    parser.add_argument("--bug", choices=sorted(BUGS), help="with this bug in the code under test")
    options = parser.parse_args()
    first, last = (int(part) for part in options.seeds.split(":"))
    failures = 0
    started = time.monotonic()
    with BUGS[options.bug]() if options.bug else contextlib.nullcontext():
        for seed in range(first, last):
            try:
                outcome = run(seed)
            except Exception as error:
                failures += 1
                print(f"seed {seed} commit {_commit()} FAILED: {type(error).__name__}: {error}", flush=True)
            else:
                who = ",".join(outcome.adversaries) or "none"
                print(
                    f"seed {seed} validators {outcome.validators} adversaries {who} "
                    f"heights {outcome.heights} healed_ms {outcome.healed_after_ms} trace {outcome.trace}"
                )
    seconds = time.monotonic() - started
    print(f"{last - first} seeds, {failures} failed, {(last - first) / seconds:.1f} seeds/s", file=sys.stderr)
    return 1 if failures else 0


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
