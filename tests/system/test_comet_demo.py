"""The demo on CometBFT: the same table, whichever engine ordered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.demo_fixture import ROOT
from tests.harness.parts import require
from tests.system.test_readme import block_after, plain


@pytest.mark.check
def test_the_demo_prints_the_same_table_on_cometbft(tmp_path: Path) -> None:
    """
    Every line that README shows of the demo, in the same order, from six nodes with CometBFT beside each.
    """
    require("cometbft")
    folder = tmp_path / "demo"
    data = os.path.relpath(folder, ROOT)  # as `make demo` has it: CometBFT runs in a folder of its own
    command = [sys.executable, "-m", "node", "demo", "--data", data, "--exit", "--engine", "cometbft"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=ROOT)

    shown = [line for line in plain(block_after("demo-output")) if not line.startswith(("$", "Open"))]
    printed = iter(plain(run.stdout))
    assert run.returncode == 0, run.stdout + run.stderr
    assert not [line for line in shown if line not in printed]
    logs = {path.parent.name: path.read_text() for path in folder.glob("*/node.log")}
    assert len(logs) == 6
    assert all('"at": "engine_started"' in log and '"at": "prevote"' not in log for log in logs.values())
