"""What the tests of node/ share with pytest."""

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import nacl.pwhash.argon2id
import pytest

from node import log
from node.setup import keystore


@pytest.fixture(scope="session", autouse=True)
def _stretched_little(pytestconfig: pytest.Config) -> Iterator[None]:
    """
    In `make test` the keys made in this process are stretched as little as can be: a tenth of its time. What
    `comity init` writes in a process of its own is not (`test_cli.py` holds its numbers), nor is any in
    `make check`.
    """
    with pytest.MonkeyPatch.context() as patch:
        if pytestconfig.getoption("--tier") == "test":
            patch.setattr(keystore, "_OPSLIMIT", nacl.pwhash.argon2id.OPSLIMIT_MIN)
            patch.setattr(keystore, "_MEMLIMIT_BYTES", nacl.pwhash.argon2id.MEMLIMIT_MIN)
        yield


@pytest.fixture(autouse=True)
def _unspent_log() -> Iterator[None]:
    """What one test logs leaves the next one as much as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "_budgets", OrderedDict())
        patch.setattr(log, "_owing", {})
        yield


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A short path: that of a Unix socket has some hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="comet") as folder:
        yield Path(folder) / "abci.sock"
