"""Try mutants: one process for all of them, run in the folder that mutmut made of the clone.

    python -m tests.harness.trials asked.json tried.txt SECONDS CHILDREN [pytest's arguments]

The tests are collected once. As many forks as CHILDREN share them out and note which lines each test runs
and how long it takes; then every mutant has a fork, in which the tests that run what it changes run until one
fails: first those that killed others of its function and module. A mutant
starts from what was imported and nothing else: no test's cache, no other mutant's leavings. Results are in
the order that was asked for, so those that were tried within the time are a sample as the whole was.

A line of tried.txt: name, exit code (0 survived, 1 a test failed, 33 no test runs it, below 0 the signal
that ended it), seconds, the test that failed.
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
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.harness import trampoline

SURVIVED, FAILED, UNREACHED = 0, 1, 33
FAILED_ONE_IN = 50  # so many tests may fail without a mutant (a clock, a load): they are left out and named
OURS = ("consensus", "credentials", "node", "tests")
# A mutant that loops for ever is ended; under load a fork has as much processor time as it ever had.
CPU_TIMES, CPU_S_LEAST, WALL_TIMES, WALL_S_LEAST = 5, 20, 20, 180
LATEST, STRONG = 4, 8  # killers of the same function or module, and of any
BROAD = 6  # tests that run most of the lines of the module: they look at it, others only pass through
# Processor time (of the survey) of the tests of one mutant: what only others would notice survives.
TESTS_S_MAX, TEST_S_MAX = 60.0, 20.0
QUICK_S, LONG_S = 2.0, 1.0
MEMORY_BYTES_MAX = 4 << 30


@dataclass(frozen=True, slots=True)
class Asked:
    """A mutant to try: its name, and the lines of its file of which a test must run one to notice."""

    name: str
    path: str
    lines: tuple[int, ...]


def module_of(name: str) -> str:
    """The module of a mutant."""
    return name.rpartition(".")[0]


def function_of(name: str) -> str:
    """The function of a mutant, as the trampolines name it."""
    return re.sub(r"__mutmut_\d+$", "", name)


@dataclass(slots=True)
class Survey:
    """Which tests run a line (by number), how long each takes, and which fail without any mutant."""

    reaching: dict[str, list[int]] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)
    case: dict[int, int] = field(default_factory=dict)  # the how manieth case of its function a test is
    lines_by_test: dict[str, list[int]] = field(default_factory=dict)  # kept for `looking_at`

    def add(self, other: Survey) -> None:
        """Take in the survey of other tests."""
        self.seconds |= other.seconds
        self.failed += other.failed
        for function, numbers in other.reaching.items():
            self.reaching.setdefault(function, []).extend(numbers)

    def looking_at(self, path: str) -> list[int]:
        """The tests that run a line of this file, those that run most of them first."""
        if path not in self.lines_by_test:
            counted: Counter[int] = Counter()
            for line, numbers in self.reaching.items():
                if line.rpartition(":")[0] == path:
                    counted.update(numbers)
            self.lines_by_test[path] = sorted(counted, key=lambda n: (-counted[n], self.seconds[n], n))
        return self.lines_by_test[path]

    def to_json(self) -> str:
        """One line."""
        return json.dumps([self.reaching, list(self.seconds.items()), self.failed])

    @classmethod
    def from_json(cls, line: str) -> Survey:
        """Read what `to_json` wrote."""
        reaching, seconds, failed = json.loads(line)
        return cls(reaching, dict(seconds), failed)


def caches() -> list[Any]:
    """Every cache of a function of ours: what one test computed must not hide what the next one reaches."""
    kept = [x for x in gc.get_objects() if isinstance(x, functools._lru_cache_wrapper)]
    return [x for x in kept if str(getattr(x, "__module__", "")).partition(".")[0] in OURS]


def shared_fixtures(item: pytest.Item) -> set[str]:
    """The fixtures of a test that others of its module use as well."""
    found = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009  no public way to ask
    return {name for name, definitions in found.items() if definitions[-1].scope != "function"}


class Ran:
    """A plugin that notes which lines of some files ran, by test (its number) and by shared fixture."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = {str(Path(path).resolve()): path for path in paths}
        self.measured = coverage.Coverage(data_file=None, config_file=False, include=list(self.paths))
        self.measured.set_option("run:disable_warnings", ["no-data-collected"])
        self.by = ""

    def now_by(self, name: str) -> None:
        """From now on lines are run by this test or fixture."""
        self.by = name
        self.measured.switch_context(name)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        """Whatever a shared fixture ran counts for every test that has it, and not for the first alone."""
        before = self.by
        if fixturedef.scope != "function":
            self.now_by(f"fixture {fixturedef.argname}")
        try:
            return (yield)
        finally:
            self.now_by(before)

    def lines(self, asked: Mapping[str, set[int]]) -> dict[str, dict[str, list[str]]]:
        """path -> line -> by whom, of the lines that are asked for."""
        data = self.measured.get_data()
        return {
            path: {str(n): by for n, by in data.contexts_by_lineno(full).items() if n in asked[path]}
            for full, path in self.paths.items()
        }


def survey(
    session: pytest.Session, numbers: Sequence[int], kept: Sequence[Any], asked: Mapping[str, set[int]]
) -> Survey:
    """Run these tests of one file once, without a mutant; each with these caches empty."""
    found, ran = Survey(), Ran(asked)
    session.config.pluginmanager.register(ran)
    ran.measured.start()
    for number, following in itertools.zip_longest(numbers, numbers[1:]):
        for cache in kept:
            cache.cache_clear()
        item, failed = session.items[number], session.testsfailed
        ran.now_by(str(number))
        started = time.process_time()
        item.config.hook.pytest_runtest_protocol(
            item=item, nextitem=None if following is None else session.items[following]
        )
        found.seconds[number] = time.process_time() - started
        if session.testsfailed > failed:
            found.failed.append(number)
    ran.measured.stop()
    session.config.pluginmanager.unregister(ran)
    having: dict[str, list[int]] = {str(number): [number] for number in numbers}
    for number in numbers:
        for name in shared_fixtures(session.items[number]):
            having.setdefault(f"fixture {name}", []).append(number)
    for path, lines in ran.lines(asked).items():
        for line, by in lines.items():
            tests = {number for name in by for number in having.get(name, ())} - set(found.failed)
            found.reaching[f"{path}:{line}"] = sorted(tests)
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
    numbers: Iterable[int], known: Survey, killers: Sequence[int], broad: Sequence[int] = ()
) -> list[int]:
    """The tests to run, at most TESTS_S_MAX of them and one at least.

    First those that killed other mutants; then for a moment the quick ones, few cases of a test before many;
    then those that run most of the module, then the long ones, which see most; then the rest.
    """
    reaching = {number for number in numbers if known.seconds[number] <= TEST_S_MAX}
    quick = sorted(reaching, key=lambda n: known.seconds[n] * (4 + known.case.get(n, 0)))
    spent = itertools.accumulate(known.seconds[n] for n in quick)
    first = [n for n, until in zip(quick, spent, strict=True) if until <= QUICK_S]
    long = sorted((n for n in reaching if known.seconds[n] > LONG_S), key=known.seconds.__getitem__)
    proven = [n for n in killers if n in reaching]
    looking = [n for n in broad if n in reaching][:BROAD]
    chosen = list(dict.fromkeys((*proven, *first, *looking, *reversed(long), *quick))) or sorted(numbers)
    spent = itertools.accumulate(known.seconds[n] for n in chosen)
    return [
        n for place, (n, s) in enumerate(zip(chosen, spent, strict=True)) if s <= TESTS_S_MAX or not place
    ]


@dataclass(frozen=True, slots=True)
class Trial:
    """A fork that tries a mutant."""

    name: str
    told: int  # where it writes the test that failed
    folder: str
    started: float


@dataclass(slots=True)
class Trials:
    """A plugin that tries mutants instead of running the tests."""

    asked: list[Asked]
    tried: Path
    seconds: float
    children: int
    started: float = field(default_factory=time.monotonic)
    killers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # latest first
    kills: Counter[int] = field(default_factory=Counter)
    running: dict[int, Trial] = field(default_factory=dict)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Nobody reads what a test says that fails: it is not made."""
        config.option.tbstyle = "no"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Survey, then one fork a mutant."""
        if session.testsfailed:
            raise session.Failed(f"{session.testsfailed} errors in collection")
        os.environ["PY_IGNORE_IMPORTMISMATCH"] = "1"
        kept = caches()  # before the next line, which hides from the collector what there is
        gc.freeze()
        known = self._surveyed(session, kept)
        failed = [session.items[number].nodeid for number in known.failed]
        self.tried.with_suffix(".failed").write_text("\n".join(failed))
        if len(failed) * FAILED_ONE_IN > len(session.items):
            raise session.Failed(f"these fail without any mutant: {', '.join(failed)}")
        for mutant in self.asked:
            while len(self.running) >= self.children:
                self._reap(session)
            if self._over():
                break
            self._try(session, mutant, known)
        while self.running:
            self._reap(session)
        return True

    def _over(self) -> bool:
        return time.monotonic() - self.started > self.seconds

    def _surveyed(self, session: pytest.Session, kept: Sequence[Any]) -> Survey:
        """The survey, of forks: what they import and keep is gone with them."""
        files: dict[Path, list[int]] = {}
        for number, item in enumerate(session.items):
            files.setdefault(item.path, []).append(number)
        waiting, filled = os.pipe()  # the next file goes to whoever is free
        os.write(filled, bytes(range(len(files))))
        os.close(filled)
        written = [self.tried.with_suffix(f".survey{child}") for child in range(self.children)]

        asked: dict[str, set[int]] = defaultdict(set)
        for mutant in self.asked:
            asked[mutant.path].update(mutant.lines)

        def work(path: Path) -> None:
            with path.open("w") as file:
                while place := os.read(waiting, 1):
                    found = survey(session, list(files.values())[place[0]], kept, asked)
                    file.write(found.to_json() + "\n")

        folders = [tempfile.mkdtemp() for _ in written]
        forks = [
            self._fork(partial(work, path), 0, 0, folder)
            for path, folder in zip(written, folders, strict=True)
        ]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in forks]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if any(codes):
            raise session.Failed(f"the run of all tests ended with {codes}")
        known = Survey()
        for line in "".join(path.read_text() for path in written).splitlines():
            known.add(Survey.from_json(line))
        cases = Counter[str]()
        for number, item in enumerate(session.items):
            test = item.nodeid.partition("[")[0]
            known.case[number] = cases[test]
            cases[test] += 1
        return known

    def _try(self, session: pytest.Session, mutant: Asked, known: Survey) -> None:
        name, function = mutant.name, function_of(mutant.name)
        reaching = {n for line in mutant.lines for n in known.reaching.get(f"{mutant.path}:{line}", ())}
        if not reaching:
            self._write(name, UNREACHED)
            return
        strong = [number for number, _ in self.kills.most_common(STRONG)]
        killers = [*self.killers[function], *self.killers[module_of(name)], *strong]
        tests = order(reaching, known, killers, known.looking_at(mutant.path))
        seconds = sum(known.seconds[number] for number in tests)
        reader, writer = os.pipe()
        folder = tempfile.mkdtemp(prefix="trial-")

        def work() -> None:
            trampoline.choose(name)
            killer = run_until_one_fails(session, tests)
            if killer is not None:
                os.write(writer, str(killer).encode())
                os._exit(FAILED)

        pid = self._fork(
            work, CPU_S_LEAST + int(CPU_TIMES * seconds), WALL_S_LEAST + int(WALL_TIMES * seconds), folder
        )
        os.close(writer)
        self.running[pid] = Trial(name, reader, folder, time.monotonic())

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
        """Take the result of a trial that ended; of those that run when the time is over there is none."""
        pid, status = os.waitpid(-1, os.WNOHANG)
        stopped = pid == 0 and self._over()
        if pid == 0 and not stopped:
            time.sleep(0.005)
            return
        if stopped:
            pid = next(iter(self.running))
        if pid not in self.running:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # a trial that is stopped, or what its tests started
        trial = self.running.pop(pid)
        told = os.read(trial.told, 100).decode()
        os.close(trial.told)
        shutil.rmtree(trial.folder, ignore_errors=True)
        if stopped:
            os.waitpid(pid, 0)
            return
        if told:
            self.kills[int(told)] += 1
            for of in (function_of(trial.name), module_of(trial.name)):
                self.killers[of] = list(dict.fromkeys((int(told), *self.killers[of])))[:LATEST]
        killer = session.items[int(told)].nodeid if told else ""
        seconds = time.monotonic() - trial.started
        self._write(trial.name, os.waitstatus_to_exitcode(status), seconds, killer)

    def _write(self, name: str, code: int, seconds: float = 0, killer: str = "") -> None:
        with self.tried.open("a") as file:
            file.write(f"{name} {code} {seconds:.2f} {killer}\n")


def main(arguments: Sequence[str]) -> int:
    """See the module."""
    asked, tried, seconds, children, *others = arguments
    mutants = [Asked(name, path, tuple(lines)) for name, path, lines in json.loads(Path(asked).read_text())]
    trials = Trials(mutants, Path(tried), float(seconds), int(children))
    options = ["-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options += ["--assert=plain", "-s"]
    return int(pytest.main([*options, *others], plugins=[trials]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
