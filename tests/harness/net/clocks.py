"""Wall clocks of processes that a test turns: `time.time` alone, in the processes started meanwhile.

with turned(tmp_path) as clocks, running(root) as network:
    clocks.turn(network["cn"], 3600); clocks.right(network["cn"])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.net.harness import Node

_TURNED = """
import os, time
_real, _folder = time.time, os.environ["COMITY_TEST_CLOCKS"]

def _turned():
    try:
        with open(os.path.join(_folder, str(os.getpid()))) as file:
            return _real() + float(file.read() or 0)
    except OSError:
        return _real()

time.time = _turned
"""


@dataclass(frozen=True)
class Clocks:
    """A folder with a file for each process whose clock is turned."""

    folder: Path

    def turn(self, node: Node, seconds: int) -> None:
        self._file(node).write_text(str(seconds))

    def right(self, node: Node) -> None:
        self._file(node).unlink()

    def _file(self, node: Node) -> Path:
        assert node.process is not None, "a clock is of a process"
        return self.folder / str(node.process.pid)


@contextmanager
def turned(folder: Path) -> Iterator[Clocks]:
    """Whatever process starts within reads its clock through `folder`."""
    (folder / "sitecustomize.py").write_text(_TURNED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("COMITY_TEST_CLOCKS", str(folder))
        yield Clocks(folder)
