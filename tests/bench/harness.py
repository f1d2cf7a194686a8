"""Rounds in turn: what is compared runs A B A B in one session, and medians and ratios are what counts.

Absolute figures move by half between hours on shared machines; ratios of neighbouring rounds do not.
"""

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent.parent

Batch = Callable[[int], float]  # does so many units of work, returns the seconds they took


class NotMeasured(Exception):
    """A row cannot be measured here; the sentence says why."""


@contextmanager
def of_a_network(*missing: type[Exception]) -> Iterator[None]:
    """NotMeasured where a network of processes did not run or come up; its output is not held back."""
    apart: tuple[type[Exception], ...] = (OSError, *missing)
    try:
        yield
    except apart as error:
        raise NotMeasured(f"the network did not run: {error}") from error
    except Exception as error:
        if type(error).__name__ == "DemoFailed":
            raise NotMeasured(str(error)) from error
        raise
    finally:
        sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rates per second of two sides over the same rounds, ours first."""

    names: tuple[str, str]
    rates: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def medians(self) -> tuple[float, float]:
        return median(self.rates[0]), median(self.rates[1])

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours divided by theirs, round by round."""
        return tuple(ours / theirs for ours, theirs in zip(*self.rates, strict=True))

    def text(self) -> str:
        """Return both medians, the median ratio and its range."""
        (first, second), (ours, theirs) = self.names, self.medians
        ratios = sorted(self.ratios)
        return (
            f"{first} {ours:,.0f}/s, {second} {theirs:,.0f}/s, ratio {median(ratios):.2f} "
            f"({ratios[0]:.2f}-{ratios[-1]:.2f} over {len(ratios)} rounds)"
        )


def timed(work: Callable[[], object]) -> Batch:
    """Return a batch that repeats `work`."""

    def batch(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            work()
        return time.perf_counter() - started

    return batch


def compare(sides: Mapping[str, Batch], *, rounds: int = 9, seconds: float = 0.5) -> Comparison:
    """Run two sides in turn, each round about `seconds` long; the first round warms up and is not counted."""
    (first, second) = sides
    counts = {name: _calibrate(batch, seconds) for name, batch in sides.items()}
    rates: dict[str, list[float]] = {first: [], second: []}
    for number in range(rounds + 1):
        for name, batch in sides.items():
            rate = counts[name] / batch(counts[name])
            if number:
                rates[name].append(rate)
    return Comparison((first, second), (tuple(rates[first]), tuple(rates[second])))


def _calibrate(batch: Batch, seconds: float) -> int:
    """Return how many units take about `seconds`."""
    count = 1
    while (taken := batch(count)) < seconds / 8:
        count *= 2
    return max(1, round(count * seconds / taken))


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * share) - 1)]


def circumstances() -> str:
    """Return commit, date and machine, for the head of the table."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    model, cores = "", 0
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        cores = sum(line.startswith("processor") for line in lines)
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return (
        f"commit {commit or 'unknown'}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, "
        f"{cores or '?'} cores {model or platform.machine()}, Python {platform.python_version()}"
    )
