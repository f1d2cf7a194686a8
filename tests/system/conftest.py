"""What several files of this folder share: one demo that has played its scenario."""

from collections.abc import Iterator

import pytest

from tests.harness.demo_fixture import DemoNetwork, running_demo
from tests.harness.stretched import stretched_little


@pytest.fixture(scope="session", autouse=True)
def _stretched_little(pytestconfig: pytest.Config) -> Iterator[None]:
    with stretched_little(pytestconfig):
        yield


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoNetwork]:
    """
    The demo of `test_browser.py`, which uses its pages, `test_demo_authorities.py`, which plays frauds in it,
    `test_demo_network.py`, which reads what it left, and `test_demo_story.py`, which changes it and ends it:
    before what measures has the machine for itself.
    """
    with running_demo(tmp_path_factory.mktemp("demo") / "network") as network:
        yield network
