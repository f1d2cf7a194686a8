"""An operator's bad days, tried: a kill during a backup."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.net.batteries import issue, wait_receipted
from tests.harness.net.harness import MAKER, comity, running

pytestmark = pytest.mark.check

ALONE = replace(MAKER, schemes=(("gbt34014", "ZZ1"),))


def test_a_backup_that_is_killed_is_none_and_is_made_again(tmp_path: Path) -> None:
    """
    SIGKILL to `comity backup` at moments of its run: a folder of that name is there in whole or not at all,
    and the same command again, in a new folder, makes one that restores.
    """
    with running(tmp_path / "network", (ALONE,)) as net:
        node = net["maker"]
        wait_receipted(node, issue(node, 1)["digest"])
        whole = 0
        for number, after_s in enumerate((0.3, 0.5, 0.6, 0.7, 0.8, 1.0)):
            out = tmp_path / f"backup{number}"
            command = [sys.executable, "-m", "node", "backup", "--data", str(node.data), "--out", str(out)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            time.sleep(after_s)
            process.kill()
            process.wait(10)
            if out.exists():
                whole += 1
                assert restores(tmp_path / f"restored{number}", out), "a backup is whole once it has its name"
        print(f"{whole} of 6 were whole when they were killed")
        assert comity("backup", "--data", node.data, "--out", tmp_path / "again") == 0
        assert restores(tmp_path / "restored", tmp_path / "again")
        assert node.status_of("/readyz") == 200


def restores(data: Path, out: Path) -> bool:
    if comity("restore", "--data", data, "--from", out) != 0:
        return False
    with sqlite3.connect(data / "office.db") as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok")
