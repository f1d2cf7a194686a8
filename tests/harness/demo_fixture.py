"""The running demo as a test sees it: six real processes, found through the demo's own demo.json."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.demo.play import Desk

ROOT = Path(__file__).resolve().parents[2]
START_S_MAX = 300.0  # for what never comes: a busy machine takes its time
END_S_MAX = 300.0  # six processes end, on a machine that does much else


@dataclass(frozen=True)
class DemoNetwork:
    """A demo that has played its scenario and goes on serving."""

    root: Path
    state: dict[str, Any]

    def desk(self, key: str) -> Desk:
        node = self.state["nodes"][key]
        operator_key = (self.root / node["data"] / "operator.key").read_text().strip()
        return Desk(key, node["url"], operator_key)

    def link(self, key: str, path: str) -> str:
        """A fresh one-time link into this party's pages that ends at `path`."""
        made = self.desk(key).post("/links", {"next": path})
        return str(made["url"])

    @property
    def consignment(self) -> str:
        return str(self.state["consignment"])

    def said(self) -> str:
        """What this demo printed."""
        return (self.root.parent / "demo.out").read_text()

    @property
    def log_policy(self) -> Path:
        return self.root / str(self.state["nodes"]["customs"]["data"]) / "network" / "log.policy"


@contextmanager
def running_demo(root: Path) -> Iterator[DemoNetwork]:
    """Start `comity demo` with its data under `root`; ends it by SIGTERM."""
    with (root.parent / "demo.out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "node", "demo", "--data", str(root)],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,  # a process group of its own, as a terminal gives a foreground command
        )
    try:
        yield DemoNetwork(root, _state(process, root))
    finally:
        process.terminate()
        process.wait(timeout=END_S_MAX)


def _state(process: subprocess.Popen[bytes], root: Path) -> dict[str, Any]:
    start = time.monotonic()
    while time.monotonic() - start < START_S_MAX:
        if process.poll() is not None:
            break
        try:
            state = dict(json.loads((root / "demo.json").read_text()))
        except FileNotFoundError:
            state = {}
        if state.get("state") == "played":
            return state
        time.sleep(0.2)
    raise AssertionError(f"the demo did not come up:\n{(root.parent / 'demo.out').read_text()[-3000:]}")


def ended(pids: list[int]) -> None:
    deadline = time.monotonic() + 60
    while left := [pid for pid in pids if _alive(pid)]:
        assert time.monotonic() < deadline, f"these go on: {left}"
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")
