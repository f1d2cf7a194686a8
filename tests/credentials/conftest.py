"""What the tests of this folder judge is noted: see `tests/harness/noted.py`."""

from collections.abc import Generator

import pytest

from credentials.ledger import registry
from credentials.verdicts import (
    clearance,
    examination,
    manifest,
    manifest_csv,
    names,
    own_word,
    readiness,
    record,
    shown,
    used,
    verifier,
)
from tests.harness import noted

# Before any test imports them by name.
noted.noting(clearance, "clear_item")
noted.noting(verifier, "verify")
noted.noting(readiness, "readiness")
noted.noting(registry.Registry, "check_tx", noted.nothing)
noted.noting(registry.Registry, "_execute", noted.nothing)
noted.noting(names, "names_of")
noted.noting(record.Inquiry, "good_until", noted.moments)
noted.noting(examination, "examine_document", noted.steps, alone=True)
noted.noting(shown, "check_alias", noted.steps, alone=True)
noted.noting(used, "check_used", noted.steps, alone=True)
noted.noting(used, "check_alias_used", noted.steps, alone=True)
noted.noting(own_word, "check_own_word", noted.steps, alone=True)
noted.noting(manifest.Manifest, "parse", alone=True)
noted.noting(manifest_csv, "manifest_of_rows", alone=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Of a test that passes, all that it judged is as it is kept."""
    if not noted.is_noted(item):
        return (yield)
    with noted.noted(item):
        return (yield)
