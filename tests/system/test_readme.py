"""README.md is held to the code: its commands run, and its demo output is what the demo prints."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from node.demo.launcher import free_block
from tests.harness.demo_fixture import ROOT

README = (ROOT / "README.md").read_text()
SAMPLE = ROOT / "config" / "demo" / "plausible-ev-nmc.batterypass-1.2.json"


def block_after(marker: str) -> str:
    """The fenced block that follows an HTML comment beginning with `marker`."""
    found = re.search(rf"<!-- {marker}:.*?-->\n```\w+\n(.*?)\n```", README, re.DOTALL)
    assert found, f"README.md has no block marked {marker}"
    return found[1]


def environment() -> dict[str, str]:
    """The environment of a person who put this interpreter's commands in reach."""
    folder = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def plain(text: str) -> list[str]:
    """The lines of a demo's output without what differs from run to run."""
    text = re.sub(r"\d+\.\d+ s|\[ *N", "N", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text)
    text = re.sub(r"ports \d+ to \d+", "PORTS", text)
    text = re.sub(r"in \S+/ \(keys", "in FOLDER (keys", text)
    text = re.sub(r"at height \d+", "at height N", text)
    return [re.sub(r"\[ *N\]", "[N]", line).rstrip() for line in text.splitlines() if line.strip()]


@pytest.mark.check
def test_the_demo_prints_what_readme_shows(tmp_path: Path) -> None:
    """
    Every line of README's demo output is printed by a real run, in the same order.
    """
    run = subprocess.run(
        [sys.executable, "-m", "node", "demo", "--data", str(tmp_path / "demo"), "--exit", "--kill-one"],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        cwd=ROOT,
    )

    shown = [line for line in plain(block_after("demo-output")) if not line.startswith(("$", "Open"))]
    printed = iter(plain(run.stdout))
    missing = [line for line in shown if line not in printed]
    assert run.returncode == 0, run.stdout + run.stderr
    assert not missing, f"README shows lines the demo does not print (in this order): {missing}"


@pytest.mark.check
def test_the_network_of_ones_own_works_as_written(tmp_path: Path) -> None:
    """
    README's third section, run as written (ports moved to a free block), founds a network whose customs node
    clears the battery and whose receipt verifies offline; then a newcomer joins it while it runs.
    """
    first = free_block(5, 9600 + os.getpid() % 300 * 10)[0]
    script = block_after("own-network") + "\n" + block_after("joining")
    for number in range(5):
        script = script.replace(f"127.0.0.1:{8401 + number}", f"127.0.0.1:{first + number}")
    shutil.copy(SAMPLE, tmp_path / "sample.json")
    with (tmp_path / "output").open("w+") as output_file:
        process = subprocess.Popen(
            ["bash", "-e", "-c", script],
            cwd=tmp_path,
            env=environment(),
            stdout=output_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=120)
        finally:
            with suppress(ProcessLookupError):  # a script that failed before it left any: what it said tells
                os.killpg(process.pid, signal.SIGKILL)  # the nodes that the script left running
        output_file.seek(0)
        output = output_file.read()

    assert code == 0, output
    assert "network mine" in output
    assert re.search(r"^clear", output, re.MULTILINE), output
    assert re.search(r"^valid: entry \d+ of log\.mine\.example", output, re.MULTILINE), output
    printed = iter(_without_chance(output))
    shown = block_after("own-output") + "\n" + block_after("joining-output")
    missing = [line for line in _without_chance(shown) if line not in printed]
    assert not missing, f"README shows lines that are not printed (in this order): {missing}\n{output}"


def _without_chance(text: str) -> list[str]:
    """The lines of what is judged and verified, without times, digests, numbers and which three cosigned."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", text)
    text = re.sub(r"\b(height|entry|log of|block) \d+", r"\1 N", text)
    text = re.sub(r"\b\d+ cosigned$|\b[0-9a-f]{64}$", "N", text, flags=re.MULTILINE)
    text = re.sub(r"  (not )?reachable$", "  REACHED OR NOT", text, flags=re.MULTILINE)
    text = re.sub(r"^cosigned by .*$", "cosigned by THREE", text, flags=re.MULTILINE)
    return re.sub(r"[\w-]{43}", "DIGEST", text).splitlines()


def test_functions_that_readme_names_are_where_it_says() -> None:
    """
    In the table *Where is ...?* each name in code style is defined in a file of its row.
    """
    table = README.partition("### Where is ...?")[2].partition("\n\n[node]")[0]
    found = 0
    for row in table.splitlines():
        files = re.findall(r"`((?:node|consensus|credentials)/[\w/]+\.py)`", row)
        text = "".join((ROOT / file).read_text() for file in files)
        for name in re.findall(r"`([\w.]+)`", row.rpartition(" | ")[2]):
            last = name.rpartition(".")[2]
            if files and last != "py" and not name.endswith(".py"):
                found += 1
                assert re.search(rf"(def|class) {last}\b|^{last}\b", text, re.MULTILINE), (name, files)
    assert found > 15


def test_files_that_readme_names_exist() -> None:
    """
    Every path in README's tables and links is in the repository, and so is a heading that a link names.
    """
    paths = re.findall(r"`((?:node|consensus|credentials|config|tests)/[\w./-]*)`", README)
    paths += [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]

    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path.partition("#")[0]).exists()] == []
    for target, _, heading in (path.partition("#") for path in paths if "#" in path):
        lines = (ROOT / target).read_text().splitlines()
        headings = [line.lstrip("# ").lower() for line in lines if line.startswith("#")]
        assert heading in [re.sub(r"[^\w -]", "", text).replace(" ", "-") for text in headings], heading


def test_make_targets_that_readme_names_exist() -> None:
    """
    Every `make TARGET` in README is a target of the Makefile.
    """
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`?make ([a-z]+)`", README)) <= targets


MEASURED_CHARS_MAX = 240
CHANGES_LINES_MAX = 250
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Upgrading"}


def test_what_was_measured_is_read_at_a_glance() -> None:
    """
    A cell of *Measured* says the figure, its aim and one clause of why; the rest stands in tests/RESULTS.md.
    """
    rows = [line for line in README.partition("## Measured")[2].splitlines() if line.startswith("| ")]
    cells = [cell.strip() for row in rows for cell in row.split(" | ")]

    assert len(rows) > 20
    assert [cell for cell in cells if len(cell) > MEASURED_CHARS_MAX] == []


def test_the_changelog_is_short_enough_to_be_read() -> None:
    """
    CHANGELOG.md has the sections of Keep a Changelog and no more lines than somebody reads: entries that say
    steps of one capability are one, which says what is so now.
    """
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    sections = [line.removeprefix("### ") for line in lines if line.startswith("### ")]

    assert sections and set(sections) <= CHANGES
    assert len(lines) <= CHANGES_LINES_MAX
