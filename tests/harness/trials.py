"""Try mutants: one process for all of them, run in the folder that mutmut made of the clone.

    python -m tests.harness.trials asked.txt tried.txt SECONDS CHILDREN [pytest's arguments]

The tests are collected once. One fork runs them all and notes which functions each reaches and how long it
takes; then every mutant has a fork, in which the tests that reach its function run until one fails: first the
one that killed the last mutant of that function, then the quick ones. A mutant starts from what was imported
and nothing else: no test's cache, no other mutant's leavings. Results are in the order that was asked for, so
those that were tried within the time are a sample as the whole was. A line of tried.txt: name, exit code (0
survived, 1 a test failed, 33 no test reaches it, below 0 the signal that ended it), the test that failed.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

SURVIVED, FAILED, UNREACHED = 0, 1, 33
FAILED_ONE_IN = 50  # so many tests may fail without a mutant (a clock, a load): they are left out and named
OURS = ("consensus", "credentials", "node", "tests")
# A mutant that loops for ever is ended; under load a fork has as much processor time as it ever had.
CPU_TIMES, CPU_S_LEAST, WALL_TIMES, WALL_S_LEAST = 5, 20, 20, 180
QUICKEST_S, STRONG = 2.0, 4
TESTS_S_MAX = 40.0  # processor time of the tests of one mutant: what all of them would notice later survives
MEMORY_BYTES_MAX = 4 << 30


def function_of(name: str) -> str:
    """The function of a mutant, as the trampolines name it."""
    return re.sub(r"__mutmut_\d+$", "", name)


@dataclass(slots=True)
class Survey:
    """Which tests reach a function (by number), how long each takes, and which fail without any mutant."""

    reaching: dict[str, list[int]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def caches() -> list[Any]:
    """Every cache of a function of ours: what one test computed must not hide what the next one reaches."""
    kept = [x for x in gc.get_objects() if isinstance(x, functools._lru_cache_wrapper)]
    return [x for x in kept if str(getattr(x, "__module__", "")).partition(".")[0] in OURS]


def shared_fixtures(item: pytest.Item) -> set[str]:
    """The fixtures of a test that others of its module use as well."""
    found = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009  no public way to ask
    return {name for name, definitions in found.items() if definitions[-1].scope != "function"}


def survey(session: pytest.Session) -> Survey:
    """Run every test once, without a mutant."""
    set_mutant_under_test("stats")
    found, hits = Survey(), defaultdict[str, set[int]](set)
    by_fixture: dict[tuple[str, str], set[str]] = defaultdict(set)
    kept = caches()
    for number, item in enumerate(session.items):
        for cache in kept:
            cache.cache_clear()
        state()._stats.clear()
        started, failed = time.process_time(), session.testsfailed
        following = session.items[number + 1] if number + 1 < len(session.items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        found.seconds.append(time.process_time() - started)
        if session.testsfailed > failed:
            found.failed.append(item.nodeid)
        for function in state()._stats:
            hits[function].add(number)
        for name in shared_fixtures(item):
            by_fixture[item.nodeid.partition("::")[0], name] |= state()._stats
    for number, item in enumerate(session.items):
        # Whatever the first test of a shared fixture reached, the fixture may have.
        for name in shared_fixtures(item):
            for function in by_fixture[item.nodeid.partition("::")[0], name]:
                hits[function].add(number)
    useless = {number for number, item in enumerate(session.items) if item.nodeid in found.failed}
    found.reaching = {function: sorted(numbers - useless) for function, numbers in hits.items()}
    return found


def run_until_one_fails(session: pytest.Session, numbers: Sequence[int]) -> int | None:
    """The number of the first test that fails."""
    for place, number in enumerate(numbers):
        item = session.items[number]
        following = session.items[numbers[place + 1]] if place + 1 < len(numbers) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return number
    return None


def order(
    numbers: Iterable[int], seconds: Sequence[float], killers: Sequence[int], strong: Sequence[int]
) -> list[int]:
    """The tests to run, at most TESTS_S_MAX seconds of them and one at least.

    First those that killed a mutant of this function, then the quickest few, then those that killed most
    mutants of others, then the rest, quick ones first.
    """
    reaching = set(numbers)
    rest = sorted(reaching, key=seconds.__getitem__)
    spent = itertools.accumulate(seconds[number] for number in rest)
    quickest = [number for number, until in zip(rest, spent, strict=True) if until <= QUICKEST_S]
    known = [number for number in killers if number in reaching]
    proven = [number for number in strong if number in reaching]
    chosen = list(dict.fromkeys((*known, *quickest, *proven, *rest)))
    spent = itertools.accumulate(seconds[number] for number in chosen)
    return [
        n for place, (n, s) in enumerate(zip(chosen, spent, strict=True)) if s <= TESTS_S_MAX or not place
    ]


@dataclass(slots=True)
class Trials:
    """A plugin that tries mutants instead of running the tests."""

    names: list[str]
    tried: Path
    seconds: float
    children: int
    started: float = field(default_factory=time.monotonic)
    killers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    kills: Counter[int] = field(default_factory=Counter)
    running: dict[int, tuple[str, int, float, str]] = field(default_factory=dict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Survey, then one fork a mutant."""
        if session.testsfailed:
            raise session.Failed(f"{session.testsfailed} errors in collection")
        os.environ["PY_IGNORE_IMPORTMISMATCH"] = "1"
        gc.freeze()
        known = self._surveyed(session)
        self.tried.with_suffix(".failed").write_text("\n".join(known.failed))
        if len(known.failed) * FAILED_ONE_IN > len(session.items):
            raise session.Failed(f"these fail without any mutant: {', '.join(known.failed)}")
        for name in self.names:
            if time.monotonic() - self.started > self.seconds:
                break
            numbers = known.reaching.get(function_of(name), [])
            if not numbers:
                self._write(name, UNREACHED)
                continue
            while len(self.running) >= self.children:
                self._reap(session)
            self._try(session, name, numbers, known)
        while self.running:
            self._reap(session)
        return True

    def _surveyed(self, session: pytest.Session) -> Survey:
        """The survey, of a fork: what it imports and keeps is gone with it."""

        path = self.tried.with_suffix(".survey")
        with path.open("wb") as file:
            pid = self._fork(lambda: write_all(file.fileno(), survey(session)), 0, 0, tempfile.mkdtemp())
        _, status = os.waitpid(pid, 0)
        if status:
            raise session.Failed(f"the run of all tests ended with {os.waitstatus_to_exitcode(status)}")
        return Survey(*json.loads(path.read_text()))

    def _try(self, session: pytest.Session, name: str, numbers: list[int], known: Survey) -> None:
        function = function_of(name)
        strong = [number for number, _ in self.kills.most_common(STRONG)]
        tests = order(numbers, known.seconds, self.killers[function], strong)
        seconds = sum(known.seconds[number] for number in tests)
        reader, writer = os.pipe()
        folder = tempfile.mkdtemp(prefix="trial-")

        def work() -> None:
            set_mutant_under_test(name)
            killer = run_until_one_fails(session, tests)
            if killer is not None:
                os.write(writer, str(killer).encode())
                os._exit(FAILED)

        pid = self._fork(
            work, CPU_S_LEAST + int(CPU_TIMES * seconds), WALL_S_LEAST + int(WALL_TIMES * seconds), folder
        )
        os.close(writer)
        self.running[pid] = (name, reader, time.monotonic(), folder)

    def _fork(self, work: Callable[[], None], cpu_s: int, wall_s: int, folder: str) -> int:
        pid = os.fork()
        if pid:
            return pid
        status = 3
        try:
            os.setsid()
            os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.tempdir = folder
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
            if cpu_s:
                used = int(time.process_time())
                resource.setrlimit(resource.RLIMIT_CPU, (used + cpu_s, used + cpu_s + 1))
                signal.alarm(wall_s)
            work()
            status = SURVIVED
        except BaseException:  # whatever ends a fork must end it here
            status = 3
        finally:
            os._exit(status)

    def _reap(self, session: pytest.Session) -> None:
        pid, status = os.wait()
        if pid not in self.running:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # what its tests started
        name, reader, _, folder = self.running.pop(pid)
        told = os.read(reader, 100).decode()
        os.close(reader)
        shutil.rmtree(folder, ignore_errors=True)
        if told:
            self.kills[int(told)] += 1
            killers = self.killers[function_of(name)]
            killers[:] = [int(told), *(n for n in killers if n != int(told))][:3]
        self._write(name, os.waitstatus_to_exitcode(status), session.items[int(told)].nodeid if told else "")

    def _write(self, name: str, code: int, killer: str = "") -> None:
        with self.tried.open("a") as file:
            file.write(f"{name} {code} {killer}\n")


def write_all(pipe: int, found: Survey) -> None:
    """Hand a survey over."""
    data = json.dumps([found.reaching, found.seconds, found.failed]).encode()
    while data:
        data = data[os.write(pipe, data) :]


def main(arguments: Sequence[str]) -> int:
    """See the module."""
    asked, tried, seconds, children, *others = arguments
    names = Path(asked).read_text().split()
    trials = Trials(names, Path(tried), float(seconds), int(children))
    options = ["-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return int(pytest.main([*options, *others], plugins=[trials]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
