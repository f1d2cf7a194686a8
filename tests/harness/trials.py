"""Try mutants: one process for all of them, run in the folder that mutmut made of the clone.

    python -m tests.harness.trials asked.json tried.txt SECONDS LEAST CHILDREN OF_TESTS OF_TEST RED CASES ...

The tests are collected once. As many forks as CHILDREN share them out and note which of the statements that a
mutant changes each test runs (they say so themselves: `mutations.probed`) and how long it takes; one that
takes more processor time than OF_TEST is stopped and left out; of a test with many cases those that are left
after CASES seconds are taken to run what the others do. A test that fails then and once more by itself
is red: of more than RED such (one in so many; 0: of any) nothing is tried. Then every mutant has a fork, in
which the tests that run what it changes run until one fails, for OF_TESTS seconds: first those that killed
others of its function and module; last those that only found in a cache what another test had computed with
it. A mutant starts from what was imported and nothing else: no test's cache, no other mutant's leavings.
Results are in the order that was asked for, so those that were tried within the time are a sample as the
whole was. The time is over after SECONDS, but not before LEAST mutants are decided: on a slow machine that
takes longer, and ends no otherwise. What follows RED is for pytest.

A mutant is killed by a test that fails with it and, after the same tests in such a fork, does not fail
without it; one that fails there as well is left out from then on. Whatever else ends a fork (it loops, its
memory is full, it is stopped) says nothing of the mutant: on another machine it might not have.

What is in tried.txt already is not tried again, and what a survey of the same tests found beside it is not
looked at again: a run that was cut goes on.

A line of tried.txt: name, exit code (0 survived, 1 killed, 33 no test runs it, any other or below 0 the
signal that ended it: not known), seconds, the test that failed.
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
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from tests.harness import trampoline

SURVIVED, FAILED, STOPPED, UNREACHED = 0, 1, 3, 33
DECIDED = frozenset({SURVIVED, FAILED, UNREACHED})  # after any other code nothing is known of the mutant
OURS = ("consensus", "credentials", "node", "tests")
# A mutant that loops for ever is ended; under load a fork has as much processor time as it ever had.
CPU_TIMES, CPU_S_LEAST, WALL_TIMES, WALL_S_LEAST = 5, 10, 20, 180
GRACE_S = 20
CASES_LEAST = 2  # of each test that many cases, and others for CASES seconds, are run to see what they run
LATEST, STRONG = 4, 8  # killers of the same function or module, and of any
BROAD = 6  # tests that run most of the lines of the module: they look at it, others only pass through
QUICK_S, LONG_S, ABOUT_S = 2.0, 1.0, 4.0
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
    # Tests that found in a cache what another had computed while it ran the line: perhaps with it.
    by_cache: dict[str, list[int]] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)
    like: dict[int, list[int]] = field(default_factory=dict)  # a case that was not run -> cases that were
    case: dict[int, int] = field(default_factory=dict)  # the how manieth case of its function a test is
    lines_by_test: dict[str, list[int]] = field(default_factory=dict)  # kept for `looking_at`

    def add(self, other: Survey) -> None:
        """Take in the survey of other tests."""
        self.seconds |= other.seconds
        self.failed += other.failed
        self.like |= other.like
        for mine, theirs in ((self.reaching, other.reaching), (self.by_cache, other.by_cache)):
            for line, numbers in theirs.items():
                mine.setdefault(line, []).extend(numbers)

    def suppose(self) -> None:
        """Take each case that was not run to run what others of its test do, and to take as long."""
        for lines in (self.reaching, self.by_cache):
            of_test = {line: set(numbers) for line, numbers in lines.items()}
            for number, others in self.like.items():
                for line, numbers in of_test.items():
                    if not numbers.isdisjoint(others):
                        lines[line].append(number)
        for number, others in self.like.items():
            self.seconds[number] = sum(self.seconds[n] for n in others) / len(others)

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
        pairs = list(self.seconds.items()), self.failed, list(self.like.items())
        return json.dumps([self.reaching, self.by_cache, *pairs])

    @classmethod
    def from_json(cls, line: str) -> Survey:
        """Read what `to_json` wrote."""
        reaching, by_cache, seconds, failed, like = json.loads(line)
        return cls(reaching, by_cache, dict(seconds), failed, dict(like))


def caches() -> list[Any]:
    """Every cache of a function of ours."""
    kept = [x for x in gc.get_objects() if isinstance(x, functools._lru_cache_wrapper)]
    return [x for x in kept if str(getattr(x, "__module__", "")).partition(".")[0] in OURS]


def test_of(item: pytest.Item) -> str:
    """The test that this is a case of."""
    return item.nodeid.partition("[")[0]


def shared_fixtures(item: pytest.Item) -> set[str]:
    """The fixtures of a test that others of its module use as well."""
    found = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009  no public way to ask
    return {name for name, definitions in found.items() if definitions[-1].scope != "function"}


class Ran:
    """A plugin that notes which statements ran, by test (its number) and by shared fixture."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # a test that takes longer is stopped
        self.by = ""
        self.lines: dict[str, set[str]] = defaultdict(set)
        self.set_up: dict[str, float] = defaultdict(float)  # processor time of each shared fixture
        self.stopped = False

    def now_by(self, name: str) -> None:
        """From now on statements are run by this test or fixture."""
        self.lines[self.by] |= trampoline.taken()
        self.by = name

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        """Whatever a shared fixture ran counts for every test that has it, and not for the first alone."""
        if fixturedef.scope == "function":
            return (yield)
        before, started = self.by, time.process_time()
        self.now_by(f"fixture {fixturedef.argname}")
        try:
            return (yield)
        finally:
            self.set_up[fixturedef.argname] += time.process_time() - started
            self.now_by(before)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Stop what takes too long."""
        self.stopped = False
        signal.signal(signal.SIGPROF, self._stop)
        signal.setitimer(signal.ITIMER_PROF, self.seconds, 0.1)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _stop(self, *_: object) -> None:
        self.stopped = True
        pytest.fail("it takes too long for a trial")


class Shared:
    """Who filled which cache, and who found something in it."""

    def __init__(self, caches: Sequence[Any]) -> None:
        self.caches = caches
        self.filled: dict[int, set[int]] = defaultdict(set)
        self.found: dict[int, set[int]] = defaultdict(set)  # test -> caches
        for cache in caches:
            cache.cache_clear()
        self.before = [(0, 0)] * len(caches)

    def after(self, number: int) -> None:
        """This test has run."""
        now = [cache.cache_info()[:2] for cache in self.caches]
        for place, ((hits, misses), (hits_then, misses_then)) in enumerate(
            zip(now, self.before, strict=True)
        ):
            if misses != misses_then:
                self.filled[place].add(number)
            if hits != hits_then:
                self.found[number].add(place)
        self.before = now

    def computed_for(self, number: int) -> set[int]:
        """The tests that may have computed what this one found."""
        return {other for place in self.found[number] for other in self.filled[place]} - {number}


def survey(
    session: pytest.Session,
    numbers: Sequence[int],
    kept: Sequence[Any],
    seconds: tuple[float, float],
    over: Callable[[], bool],
) -> Survey:
    """Run these tests of one file once, without a mutant; the first of them with these caches empty.

    `seconds`: of one of them, and of the cases of one of which all are run.

    Once the time is over the others are not run.
    """
    found, ran, shared = Survey(), Ran(seconds[0]), Shared(kept)
    trampoline.taken()
    session.config.pluginmanager.register(ran)
    stopped, cases = set[int](), defaultdict[str, list[int]](list)
    for number, following in itertools.zip_longest(numbers, numbers[1:]):
        if over():
            break
        item, failed = session.items[number], session.testsfailed
        before = cases[test_of(item)]
        if len(before) >= CASES_LEAST and sum(found.seconds[n] for n in before) > seconds[1]:
            found.like[number] = before
            continue
        before.append(number)
        ran.now_by(str(number))
        started = time.process_time() - sum(ran.set_up.values())
        item.config.hook.pytest_runtest_protocol(
            item=item, nextitem=None if following is None else session.items[following]
        )
        found.seconds[number] = time.process_time() - sum(ran.set_up.values()) - started
        if ran.stopped:
            stopped.add(number)
        elif session.testsfailed > failed:
            found.failed.append(number)
        shared.after(number)
    ran.now_by("")
    session._setupstate.teardown_exact(None)  # as after a last test, which may be one that was not run
    session.config.pluginmanager.unregister(ran)
    fixtures = {n: shared_fixtures(session.items[n]) for n in found.seconds}
    for number, names in fixtures.items():  # in the fork of a mutant each test pays for what it shares
        found.seconds[number] += sum(ran.set_up[name] for name in names)
    _attribute(found, ran, shared, fixtures, stopped)
    return found


def _attribute(
    found: Survey, ran: Ran, shared: Shared, fixtures: Mapping[int, set[str]], stopped: set[int]
) -> None:
    """Write down who ran what: the test, a fixture that it has, or whoever filled a cache for it."""
    own = {
        number: ran.lines[str(number)].union(*(ran.lines[f"fixture {name}"] for name in names))
        for number, names in fixtures.items()
    }
    for number in fixtures.keys() - stopped - set(found.failed):
        for line in own[number]:
            found.reaching.setdefault(line, []).append(number)
        others = set[str]().union(*(own[other] for other in shared.computed_for(number)))
        for line in others - own[number]:
            found.by_cache.setdefault(line, []).append(number)


def run_until_one_fails(session: pytest.Session, numbers: Sequence[int]) -> int | None:
    """The number of the first test that fails."""
    for place, number in enumerate(numbers):
        item = session.items[number]
        following = session.items[numbers[place + 1]] if place + 1 < len(numbers) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return number
    return None


def importing(session: pytest.Session) -> dict[str, list[int]]:
    """The tests whose file imports something of a module: most often it is about that module."""
    found: dict[str, list[int]] = defaultdict(list)
    modules: dict[Path, set[str]] = {}
    for number, item in enumerate(session.items):
        if item.path not in modules:
            values = vars(getattr(item, "module", object)).values()
            named = {
                getattr(v, "__name__" if isinstance(v, ModuleType) else "__module__", "") for v in values
            }
            modules[item.path] = {name for name in named if isinstance(name, str)}
        for name in modules[item.path]:
            found[name].append(number)
    return found


def order(
    numbers: Iterable[int],
    known: Survey,
    killers: Sequence[int],
    broad: Sequence[int] = (),
    aimed: Collection[int] = (),
) -> list[int]:
    """The tests to run.

    First those that killed other mutants and take no second; then those of files about the module; then for a
    moment the quick ones, few cases of a test before many; then long killers, those that run most of the
    module, then the long ones, which see most; then the rest.
    """
    reaching = set(numbers)
    quick = sorted(reaching, key=lambda n: known.seconds[n] * (4 + known.case.get(n, 0)))
    spent = itertools.accumulate(known.seconds[n] for n in quick)
    first = [n for n, until in zip(quick, spent, strict=True) if until <= QUICK_S]
    long = sorted((n for n in reaching if known.seconds[n] > LONG_S), key=known.seconds.__getitem__)
    proven = [n for n in killers if n in reaching]
    soon = [n for n in proven if known.seconds[n] <= LONG_S]
    looking = [n for n in broad if n in reaching][:BROAD]
    about = [n for n in quick if n in aimed]
    spent = itertools.accumulate(known.seconds[n] for n in about)
    about = [n for n, until in zip(about, spent, strict=True) if until <= ABOUT_S]
    return list(dict.fromkeys((*soon, *about, *first, *proven, *looking, *reversed(long), *quick)))


def within(seconds: float, tests: Sequence[int], known: Survey) -> list[int]:
    """The first of these tests that take no longer together, and one at least."""
    spent = itertools.accumulate(known.seconds[n] for n in tests)
    return [n for place, (n, s) in enumerate(zip(tests, spent, strict=True)) if s <= seconds or not place]


@dataclass(frozen=True, slots=True)
class Trial:
    """A fork that tries a mutant."""

    mutant: Asked
    tests: tuple[int, ...]
    told: int  # where it writes the test that failed
    folder: str
    started: float
    killer: int | None = None  # the test that failed with the mutant, where this is the same without it


PLACE_BYTES = 4


def handed_out(count: int) -> int:
    """A pipe of the numbers below `count` (a pipe holds 16,384), each for whoever reads it first."""
    waiting, filled = os.pipe()
    os.set_blocking(filled, False)  # more than it holds is an error, no wait for ever
    written = os.write(filled, b"".join(number.to_bytes(PLACE_BYTES, "big") for number in range(count)))
    os.close(filled)
    assert written == count * PLACE_BYTES, f"a pipe does not hold {count} numbers"
    return waiting


def next_of(waiting: int) -> int | None:
    """The next number that nobody has; None: there is none."""
    place = os.read(waiting, PLACE_BYTES)
    return int.from_bytes(place, "big") if place else None


@dataclass(slots=True)
class Trials:
    """A plugin that tries mutants instead of running the tests."""

    asked: list[Asked]
    tried: Path
    seconds: float
    least: int  # so many are decided however long it takes
    children: int
    of_tests: float  # seconds of the tests of a mutant
    of_test: float
    red: int  # one in so many tests may be red
    cases: float  # seconds of the cases of a test
    started: float = field(default_factory=time.monotonic)
    killers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # latest first
    kills: Counter[int] = field(default_factory=Counter)
    running: dict[int, Trial] = field(default_factory=dict)
    aimed: dict[str, set[int]] = field(default_factory=dict)  # module -> tests of files about it
    known: Survey = field(default_factory=Survey)
    sound: set[tuple[int, ...]] = field(default_factory=set)  # tests that passed one after the other
    left_out: list[int] = field(default_factory=list)
    decided: int = 0
    ended: bool = False  # all that were asked for within the time

    def pytest_configure(self, config: pytest.Config) -> None:
        """Nobody reads what a test says that fails: it is not made."""
        config.option.tbstyle = "no"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Survey, then one fork a mutant."""
        if session.testsfailed:
            self._end(session, f"{session.testsfailed} files of tests cannot be imported")
        os.environ["PY_IGNORE_IMPORTMISMATCH"] = "1"
        kept = caches()  # before the next line, which hides from the collector what there is
        gc.freeze()
        self.aimed = {module: set(numbers) for module, numbers in importing(session).items()}
        self.known = self._surveyed(session, kept)
        self._examine_red(session)
        before = [line.split() for line in self.tried.read_text().splitlines()]
        self.decided = sum(int(code) in DECIDED for _, code, *_ in before)
        done = {name for name, *_ in before}
        for mutant in (mutant for mutant in self.asked if mutant.name not in done):
            while len(self.running) >= self.children:
                self._reap(session)
            if self._over():
                break
            self._try(session, mutant)
        while self.running:
            self._reap(session)
        names = [session.items[number].nodeid for number in self.left_out]
        self._beside("left").write_text("\n".join(names))
        self.ended = True
        return True

    def _end(self, session: pytest.Session, because: str) -> NoReturn:
        print(because, file=sys.stderr)
        raise session.Failed(because)

    def _examine_red(self, session: pytest.Session) -> None:
        """Run those that failed once more, each by itself: leave them out, or end where too many are red."""
        red = []
        for number in self.known.failed:
            folder = tempfile.mkdtemp(prefix="trial-")

            def alone(number: int = number) -> None:
                if run_until_one_fails(session, [number]) is not None:
                    os._exit(FAILED)

            pid = self._fork(alone, CPU_S_LEAST + int(CPU_TIMES * self.of_test), WALL_S_LEAST, folder)
            if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
                red.append(session.items[number].nodeid)
            shutil.rmtree(folder, ignore_errors=True)
        self.left_out += self.known.failed
        if len(red) * self.red > len(session.items) or (red and not self.red):
            self._end(session, f"These tests are red without any mutant, mend them first: {', '.join(red)}")

    def _over(self, grace_s: float = 0) -> bool:
        return self.decided >= self.least and time.monotonic() - self.started > self.seconds + grace_s

    def _surveyed(self, session: pytest.Session, kept: Sequence[Any]) -> Survey:
        """The survey, of forks: what they import and keep is gone with them."""
        written = [self._beside(f"survey{child}") for child in range(self.children)]
        known = self._kept([item.nodeid for item in session.items], written)
        files: dict[Path, list[int]] = {}
        for number, item in enumerate(session.items):
            if number not in known.seconds.keys() | known.like.keys():
                files.setdefault(item.path, []).append(number)
        waiting = handed_out(len(files))  # the next file goes to whoever is free

        def work(path: Path) -> None:
            with path.open("a") as file:
                print(file=file)  # what a cut left unfinished ends there
                while not self._over() and (place := next_of(waiting)) is not None:
                    numbers = list(files.values())[place]
                    found = survey(session, numbers, kept, (self.of_test, self.cases), self._over)
                    if not self._over():
                        print(found.to_json(), file=file, flush=True)

        folders = [tempfile.mkdtemp() for _ in written]
        forks = [
            self._fork(partial(work, path), 0, 0, folder)
            for path, folder in zip(written, folders, strict=True)
        ]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in forks]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if any(codes):
            self._end(session, f"the run of all tests without a mutant ended with {codes}")
        known = self._read(written)
        known.suppose()
        cases = Counter[str]()
        for number, item in enumerate(session.items):
            test = test_of(item)
            known.case[number] = cases[test]
            cases[test] += 1
        return known

    def _beside(self, what: str) -> Path:
        """A file of this run: one of the same copy with other limits sees other tests to their end."""
        return self.tried.with_name(f"{self.tried.name}.{what}")

    def _kept(self, names: list[str], written: Sequence[Path]) -> Survey:
        """What a run that was cut had looked at, if it was of the same tests."""
        of = self._beside("tests")
        if of.is_file() and of.read_text().splitlines() == names:
            return self._read(written)
        for path in written:
            path.unlink(missing_ok=True)
        of.write_text("\n".join(names))
        return Survey()

    def _read(self, written: Sequence[Path]) -> Survey:
        known = Survey()
        for line in "".join(path.read_text() for path in written if path.is_file()).splitlines():
            with contextlib.suppress(ValueError):  # one that a cut left unfinished
                known.add(Survey.from_json(line))
        return known

    def _try(self, session: pytest.Session, mutant: Asked) -> None:
        known, name, function = self.known, mutant.name, function_of(mutant.name)
        lines, out = [f"{mutant.path}:{line}" for line in mutant.lines], set(self.left_out)
        reaching = {n for line in lines for n in known.reaching.get(line, ())} - out
        perhaps = {n for line in lines for n in known.by_cache.get(line, ())} - reaching - out
        strong = [number for number, _ in self.kills.most_common(STRONG)]
        killers = [*self.killers[function], *self.killers[module_of(name)], *strong]
        looking = known.looking_at(mutant.path)
        aimed = self.aimed.get(mutant.path.removesuffix(".py").replace("/", "."), set())
        if not reaching | perhaps:
            perhaps = aimed & known.like.keys() - out  # these might: it was not looked
        if not reaching | perhaps:
            self._write(name, UNREACHED)
            return
        tests = [n for group in (reaching, perhaps) for n in order(group, known, killers, looking, aimed)]
        self._start(session, mutant, tuple(within(self.of_tests, tests, known)))

    def _start(
        self, session: pytest.Session, mutant: Asked, tests: tuple[int, ...], killer: int | None = None
    ) -> None:
        """Run these tests in a fork: with the mutant, or with a killer named without it."""
        seconds = sum(self.known.seconds[number] for number in tests)
        reader, writer = os.pipe()
        folder = tempfile.mkdtemp(prefix="trial-")

        def work() -> None:
            if killer is None:
                trampoline.choose(mutant.name)
            failed = run_until_one_fails(session, tests)
            if failed is not None:
                os.write(writer, str(failed).encode())
                os._exit(FAILED)

        pid = self._fork(
            work, CPU_S_LEAST + int(CPU_TIMES * seconds), WALL_S_LEAST + int(WALL_TIMES * seconds), folder
        )
        os.close(writer)
        self.running[pid] = Trial(mutant, tests, reader, folder, time.monotonic(), killer)

    def _fork(self, work: Callable[[], None], cpu_s: int, wall_s: int, folder: str) -> int:
        pid = os.fork()
        if pid:
            return pid
        status = STOPPED
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
            status = STOPPED
        finally:
            os._exit(status)

    def _reap(self, session: pytest.Session) -> None:
        """Take the result of a trial that ended.

        Those that run when the time is over have a moment more: without them the sample would lack what takes
        longest, and that is survivors.
        """
        pid, status = os.waitpid(-1, os.WNOHANG)
        stopped = pid == 0 and self._over(GRACE_S)
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
            status = os.waitpid(pid, 0)[1]
            self._write(
                trial.mutant.name, os.waitstatus_to_exitcode(status), time.monotonic() - trial.started
            )
            return
        self._judge(session, trial, os.waitstatus_to_exitcode(status), int(told) if told else None)

    def _judge(self, session: pytest.Session, trial: Trial, code: int, failed: int | None) -> None:
        """What a trial that ended says of its mutant; where a test failed the same is run without it."""
        name, seconds = trial.mutant.name, time.monotonic() - trial.started
        if trial.killer is None and (code != FAILED or failed is None):
            self._write(name, STOPPED if code == FAILED else code, seconds)
        elif trial.killer is None and failed is not None:
            until = trial.tests[: trial.tests.index(failed) + 1]
            if until in self.sound:
                self._killed(session, name, failed, seconds)
            else:
                self._start(session, trial.mutant, until, failed)
        elif trial.killer is not None and code == SURVIVED:
            self.sound.update(trial.tests[: n + 1] for n in range(len(trial.tests)))
            self._killed(session, name, trial.killer, seconds)
        else:
            self.left_out.append(trial.tests[-1] if failed is None else failed)
            self._try(session, trial.mutant)

    def _killed(self, session: pytest.Session, name: str, killer: int, seconds: float) -> None:
        self.kills[killer] += 1
        for of in (function_of(name), module_of(name)):
            self.killers[of] = list(dict.fromkeys((killer, *self.killers[of])))[:LATEST]
        self._write(name, FAILED, seconds, session.items[killer].nodeid)

    def _write(self, name: str, code: int, seconds: float = 0, killer: str = "") -> None:
        self.decided += code in DECIDED
        with self.tried.open("a") as file:
            file.write(f"{name} {code} {seconds:.2f} {killer}\n")


def main(arguments: Sequence[str]) -> int:
    """See the module."""
    asked, tried, seconds, least, children, of_tests, of_test, red, cases, *others = arguments
    mutants = [Asked(name, path, tuple(lines)) for name, path, lines in json.loads(Path(asked).read_text())]
    limits = float(of_tests), float(of_test), int(red), float(cases)
    trials = Trials(mutants, Path(tried), float(seconds), int(least), int(children), *limits)
    options = ["-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options += ["-p", "no:schemathesis"]
    options += ["--assert=plain", "-s"]
    code = int(pytest.main([*options, *others], plugins=[trials]))
    # What pytest says of a run that ended is of no test: none ran here (a mutant may have left a file, say).
    return 0 if trials.ended else code or FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
