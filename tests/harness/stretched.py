"""Keys that are stretched as little as can be, for tests that are not about guessing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import nacl.pwhash.argon2id
import pytest

from node.setup import keystore


@contextmanager
def stretched_little(config: pytest.Config) -> Iterator[None]:
    """
    In `make test` and `make check` the keys made in this process are stretched as little as can be, and so
    they are opened by their nodes: 16 times 0.15 s of processor time for a network of four. What `comity
    init` writes in a process of its own is not (`test_cli.py` holds its numbers), nor are the keys of the
    demo's six nodes, nor any in `make long`.
    """
    with pytest.MonkeyPatch.context() as patch:
        if config.getoption("--tier") != "long":
            patch.setattr(keystore, "_OPSLIMIT", nacl.pwhash.argon2id.OPSLIMIT_MIN)
            patch.setattr(keystore, "_MEMLIMIT_BYTES", nacl.pwhash.argon2id.MEMLIMIT_MIN)
        yield
