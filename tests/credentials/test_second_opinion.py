"""The law restated (tests/harness/opinion), set against the real registry and the real verdict."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEFORE = "d5dbf19"  # the rules under which eight routes of true statements ended in a false clear
ROUTES = tuple(f"L0{n}" for n in range(1, 9))


@pytest.mark.check
def test_the_opinion_finds_the_eight_known_routes_in_the_rules_of_d5dbf19(tmp_path: Path) -> None:
    """
    Run on the code of d5dbf19, the explorer finds each of the routes L01 to L08 by itself: a history of
    true statements by rightful parties at whose end that code said `clear`.
    """
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this clone does not reach back to {BEFORE}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(tmp_path, filter="data")

    done = subprocess.run(
        [sys.executable, "-P", "-m", "opinion", "--code", str(tmp_path), "--rightful", "--follow"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "tests" / "harness")},
        capture_output=True,
        text=True,
        check=True,
    )

    lines = [line for line in done.stdout.splitlines() if line.startswith(("==", "L0"))]
    print(*lines, sep="\n")
    found = {line[:3] for line in lines if line.startswith("L0") and "not found" not in line}
    assert found == set(ROUTES)
