"""Tiers, and the table at the end of a run: what ran, what did not, because.

A tier runs its own tests: `--tier=test` (the default) those without a mark, `--tier=check` those marked
`check`, `--tier=long` those marked `long`. `make test`, `make check` and `make long` are these three.
With CI=true a skipped test counts as failed. A run that leaves a file in the clone has failed: whatever reads
the clone next (the copy of the mutants, a commit) would take it for a part of it.
"""

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.harness.parts import IN_CI

# For `tests/harness/mutants.py`: the same examples for every mutant, no smaller one sought once one fails.
settings.register_profile(
    "mutants",
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)

# No example is timed: on a machine that others fill one takes longer than the 200 ms that are the default.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]
TIERS = ("test", "check", "long")
MEMORY, MEMORY_FREE_BYTES_MIN = Path("/dev/shm"), 4 << 30
TEMPORARY = "PYTEST_DEBUG_TEMPROOT"  # pytest's own name for where it makes its folders

_deselected: Counter[tuple[str, str]] = Counter()  # (area, tier it belongs to) -> tests
_found: set[str] = set()  # files of the clone that git neither tracks nor ignores, before the run
_left: list[str] = []  # those that the run added


def untracked(folder: Path = ROOT) -> set[str]:
    """Return the files of a clone that git neither tracks nor ignores; none where there is no repository."""
    if not (folder / ".git").exists():
        return set()
    done = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "-z"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return set(filter(None, done.stdout.split("\0")))


def area_of(node_id: str) -> str:
    """Return the area of a test: the name of its file without `test_`."""
    return node_id.split("::", 1)[0].rsplit("/", 1)[-1].removesuffix(".py").removeprefix("test_")


def tier_of(item: pytest.Item) -> str:
    """Return the tier a test belongs to."""
    return next((tier for tier in ("long", "check") if item.get_closest_marker(tier)), "test")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=TIERS, default="test", help="which tests run: test, check or long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the chosen tier, and those named one by one on the command line."""
    chosen = config.getoption("--tier")
    named = [argument for argument in config.args if "::" in argument]
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        wanted = tier_of(item) == chosen or any(argument.endswith(item.nodeid) for argument in named)
        (kept if wanted else others).append(item)
    for item in others:
        _deselected[area_of(item.nodeid), tier_of(item)] += 1
    config.hook.pytest_deselected(items=others)
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skip is a failure: there every part was to be installed."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"with CI=true nothing may be skipped: {reason}"
    return report


def pytest_collection(session: pytest.Session) -> None:
    """
    The second worker begins at the other end, the third in the middle: what one compiles the others find. A
    file that cannot be imported says so when it is collected.
    """
    worker = getattr(session.config, "workerinput", {}).get("workerid")
    if worker not in {"gw1", "gw2"} or sys.dont_write_bytecode:
        return
    asked = [Path(argument.partition("::")[0]).resolve() for argument in session.config.args]
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    middle = len(files) // 2
    for file in reversed(files) if worker == "gw1" else (*files[middle:], *files[:middle]):
        if not any(file.is_relative_to(path) for path in asked):
            continue
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        _found.update(untracked())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under pytest-xdist a worker hands its counts to the controller; the tier `long` may be empty."""
    if not hasattr(session.config, "workerinput"):
        _left.extend(sorted(untracked() - _found))
        if _left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if (
        session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
        and session.config.getoption("--tier") == "long"
    ):
        session.exitstatus = pytest.ExitCode.OK
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["deselected"] = [[*key, count] for key, count in _deselected.items()]


class _FromWorkers:
    """The controller's half; every worker collects all tests, so one worker's counts are all."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        output = cast("dict[str, list[tuple[str, str, int]]]", getattr(node, "workeroutput", {}))
        for area, tier, count in output.get("deselected", []):
            _deselected[area, tier] = count


def pytest_configure(config: pytest.Config) -> None:
    """
    In tier test the folders of the tests are in memory where there is room: half its time went into waiting
    for a disk. The other tiers, which kill nodes, write on a disk.
    """
    config.pluginmanager.register(_FromWorkers())
    here = config.getoption("--tier") == "test" and not hasattr(config, "workerinput")
    if here and TEMPORARY not in os.environ and _has_room(MEMORY):
        os.environ[TEMPORARY] = made = tempfile.mkdtemp(prefix="comity-", dir=MEMORY)
        config.add_cleanup(lambda: _forget(Path(made)))


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= MEMORY_FREE_BYTES_MIN


def _forget(folder: Path) -> None:
    os.environ.pop(TEMPORARY, None)
    shutil.rmtree(folder, ignore_errors=True)


def _reason(report: pytest.TestReport) -> str:
    longrepr = report.longrepr
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return reason.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table *ran / not run, because*."""
    stats = terminalreporter.stats
    ran: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    because: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed", "error", "xfailed", "xpassed"):
        for report in stats.get(outcome, []):
            if outcome == "error" or getattr(report, "when", "call") == "call" or report.failed:
                ran[area_of(report.nodeid)] += 1
                failed[area_of(report.nodeid)] += outcome in {"failed", "error"}
    for report in stats.get("skipped", []):
        because.setdefault(area_of(report.nodeid), Counter())[_reason(report)] += 1
    for (area, tier), count in _deselected.items():
        because.setdefault(area, Counter())[f"belongs to `make {tier}`"] += count
    if not ran and not because:
        return
    write = terminalreporter.write_line
    terminalreporter.section(f"tier {terminalreporter.config.getoption('--tier')}: ran / not run, because")
    write(f"{'area':<22} {'ran':>6} {'failed':>7} {'not run':>8}  because")
    for area in sorted(ran.keys() | because.keys()):
        reasons = because.get(area, Counter())
        text = "; ".join(
            reason if len(reasons) == 1 else f"{count}: {reason}" for reason, count in sorted(reasons.items())
        )
        write(f"{area:<22} {ran[area]:>6} {failed[area]:>7} {reasons.total():>8}  {text}".rstrip())
    missed = sum(reasons.total() for reasons in because.values())
    write(f"{'all':<22} {ran.total():>6} {failed.total():>7} {missed:>8}")
    if _left:
        write(f"FAILED: the tests left {len(_left)} files in the clone: {', '.join(_left[:5])!r:.400}")
    write(f"commit {_commit()}, CI={'true' if IN_CI else 'false'}")


def _commit() -> str:
    """Return the short commit of this clone, or say that there is none."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown (no git)"
    return done.stdout.strip() or "unknown (no repository)"
