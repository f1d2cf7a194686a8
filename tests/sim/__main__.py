"""`python -m tests.sim --seeds A:B`: run the seeds A..B-1 and print one line each."""

import argparse
import subprocess
import sys
import time

from tests.sim.scenario import run


def main() -> int:
    """Run the seeds; the exit code is the number of failures, at most 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", default="0:10", help="A:B runs the seeds A to B-1")
    first, last = (int(part) for part in parser.parse_args().seeds.split(":"))
    failures = 0
    started = time.monotonic()
    for seed in range(first, last):
        try:
            outcome = run(seed)
        except AssertionError as error:
            failures += 1
            commit = subprocess.run(
                ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
            ).stdout.strip()
            print(f"seed {seed} commit {commit} FAILED: {error}")
        else:
            print(f"seed {seed} heights {outcome.heights} trace {outcome.trace}")
    seconds = time.monotonic() - started
    print(f"{last - first} seeds, {failures} failed, {(last - first) / seconds:.1f} seeds/s", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
