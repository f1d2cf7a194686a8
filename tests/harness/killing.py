"""Work that is killed at its n-th change of a folder, in a child process of its own.

Used from a process with one thread (a script that a test starts): it forks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.chmod", "os.rmdir", "os.link"})
KILLED = 9


def killed_at(number: int, folder: Path, work: Callable[[], object]) -> bool:
    """Do `work` in a child that ends before change `number` below `folder`; False if it came to its end."""
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, KILLED), f"the work failed by itself at change {number}"
        return code == KILLED
    done = 0

    def count(event: str, about: tuple[Any, ...]) -> None:
        nonlocal done
        changes = event in _CHANGES or event == "sqlite3.connect"
        if event == "open":
            changes = isinstance(about[2], int) and bool(about[2] & _WRITES)
        if changes and str(about[0]).startswith(str(folder)):
            done += 1
            if done == number:
                os._exit(KILLED)

    sys.addaudithook(count)
    try:
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)
