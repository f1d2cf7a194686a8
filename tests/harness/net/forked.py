"""Nodes that begin in a process which has imported all of a node already.

A start of `python -m node serve` takes 1.4 s of processor time, 1.1 of them to import. One process a run of
tests imports, begins no thread, and forks once for each node that asks for no process of its own; what the
node does from the first line of `main` on is the same, and so are its exit code, its log and its end with
whoever started it. What measures starts, memory or a node of another version begins alone.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MODULES = (
    *("node.__main__", "node.cli.serve", "node.service", "node.setup.wiring", "node.api"),
    *("node.server.http", "node.server.exchange"),
)


class Forker:
    """The process that forks, asked one thing at a time: a line of JSON, answered by one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.net.forked"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        atexit.register(self.end)

    def ask(self, **question: Any) -> Any:
        """Its answer; AssertionError if it is gone."""
        with self._lock:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, "the process that forks nodes is gone"
        return json.loads(line)

    def end(self) -> None:
        """It ends when nobody can ask any more, and its nodes with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


_forkers: dict[int, Forker] = {}  # by the process that asks: a worker of pytest's that was forked has its own


def forker() -> Forker:
    """The one of this process."""
    if (own := os.getpid()) not in _forkers:
        _forkers[own] = Forker()
    return _forkers[own]


class Forked:
    """A node that was forked, with what `subprocess.Popen` has of a process."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._forker = forker()
        self.pid: int = self._forker.ask(arguments=list(arguments), log=str(log), env=dict(os.environ))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self._forker.ask(pid=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or TimeoutExpired."""
        until = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("node", timeout or 0.0)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """To a node that runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _begin(question: dict[str, Any]) -> None:
    """In the fork: what `python -m node` would do with these arguments."""
    os.environ.clear()
    os.environ.update(question["env"])
    log = os.open(question["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    main = importlib.import_module("node.__main__").main
    code = 70
    try:
        main(question["arguments"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Fork, and say of a fork whether it ended, until nobody can ask any more."""
    for module in MODULES:
        importlib.import_module(module)
    gc.freeze()  # or each fork's first collection would copy all of its memory
    while line := sys.stdin.readline():
        question = json.loads(line)
        if "arguments" in question:
            pid = os.fork()
            if pid == 0:
                _begin(question)
            print(pid, flush=True)
            continue
        found, status = os.waitpid(question["pid"], os.WNOHANG)
        print(json.dumps(os.waitstatus_to_exitcode(status) if found else None), flush=True)


if __name__ == "__main__":
    serve()
