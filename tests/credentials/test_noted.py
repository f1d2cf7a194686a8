"""What the tests judge on the way is compared with what is kept (`tests/harness/noted.py`)."""

from __future__ import annotations

import pytest

from tests.harness import border, noted
from tests.harness.border import World


def test_whatever_changes_in_a_verdict_is_not_as_it_is_kept() -> None:
    """
    A parameter of a check, its place, a moment at which it turns: whatever a test looks at, each is told.
    """
    w = World()
    found = w.judge(w.new(1))
    line = noted.line("clear_item", found)
    others = [found.as_dict() for _ in range(3)]
    others[0]["checks"][0]["evidence"]["colour"] = "red"
    others[1]["timeline"][0]["leaf_index"] += 1
    others[2]["good_until"] = 1

    noted.require_kept([line])
    for other in others:
        with pytest.raises(AssertionError, match="not as it is kept"):
            noted.require_kept([line, noted.line("clear_item", other)])
    assert hasattr(vars(border)["clear_item"], "__wrapped__"), "whoever judges has it noted"


def test_what_is_kept_is_of_tests_that_are_there() -> None:
    """
    Each line names the function that made it, and hundreds of them are noted.
    """
    kept = noted.kept()
    files = {test.partition("::")[0] for test in kept}
    texts = {file: (noted.KEPT.parents[1] / "credentials" / file).read_text() for file in files}

    assert all(f"def {name}(" in texts[file] for file, _, name in (test.partition("::") for test in kept))
    assert len(kept) > 300 and sum(map(len, kept.values())) > 1_500
