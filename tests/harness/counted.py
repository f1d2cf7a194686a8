"""Work that is counted, not timed: what SQLite did for this thread, and what was hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from node.storage.database import Database


@dataclass
class Work:
    """How much of each there was."""

    steps: int = 0  # of SQLite's machine: every row that is read or written takes some
    hashes: int = 0  # SHA-256
    hashed: int = 0  # bytes


@contextmanager
def counted(*databases: Database, hashing: tuple[ModuleType, ...] = ()) -> Iterator[Work]:
    """What this thread does with these databases, and what these modules hash, while the block runs."""
    work = Work()

    def step() -> None:
        work.steps += 1

    def sha256(data: bytes = b"") -> Any:
        work.hashes += 1
        work.hashed += len(data)
        return hashlib.sha256(data)

    connections = [database.connection for database in databases]
    with pytest.MonkeyPatch.context() as patched:
        for module in hashing:
            patched.setattr(module, "sha256", sha256)
        for connection in connections:
            connection.set_progress_handler(step, 1)
        try:
            yield work
        finally:
            for connection in connections:
                connection.set_progress_handler(None, 1)
