"""What the tests of this folder judge is noted: see `tests/harness/noted.py`."""

from collections.abc import Generator

import pytest

from credentials.verdicts import clearance, readiness, verifier
from tests.harness import noted

# Before any test imports them by name.
noted.noting(clearance, "clear_item")
noted.noting(verifier, "verify")
noted.noting(readiness, "readiness")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Of a test that passes, all that it judged is as it is kept."""
    if not noted.is_noted(item):
        return (yield)
    with noted.noted(item):
        return (yield)
