"""What the tests of node/ share with pytest."""

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import log
from tests.harness.stretched import stretched_little


@pytest.fixture(scope="session", autouse=True)
def _stretched_little(pytestconfig: pytest.Config) -> Iterator[None]:
    with stretched_little(pytestconfig):
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
