"""A command in this process, as one of its own would run: what it prints, its exit code, nothing left behind.

Starting Python and importing the house takes longer than most commands do. What a process adds, its start and
its end, is tried where a test runs one: `python -m node`.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from node.__main__ import run


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def here(*arguments: str | Path, **environment: str) -> Done:
    """Run one command in this process, with nothing in the environment but this."""
    out, err = io.StringIO(), io.StringIO()
    with (
        _as_before(),
        mock.patch.dict(os.environ, {"PATH": "", **environment}, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """Put back what a node settles for its process: umask, turns of threads, collector."""
    umask, interval, threshold = os.umask(0o077), sys.getswitchinterval(), gc.get_threshold()
    os.umask(umask)
    try:
        yield
    finally:
        os.umask(umask)
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)
        gc.unfreeze()
