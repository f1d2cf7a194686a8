"""What the tests judge on the way is compared with what is kept (`tests/harness/noted.py`)."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from credentials.verdicts import clearance, readiness, verifier
from tests.harness import border, noted
from tests.harness.border import World

JUDGES = ((clearance, "clear_item"), (verifier, "verify"), (readiness, "readiness"))


def test_whatever_changes_in_a_verdict_is_not_as_it_is_kept() -> None:
    """
    A parameter of a check, its sentence, its place, the ground of its row, a moment at which it turns:
    whatever a test looks at, each is told.
    """
    w = World()
    found = w.judge(w.new(1))
    line = noted.line("clear_item", noted.judged(found))
    others = [noted.judged(found) for _ in range(5)]
    others[0]["checks"][0]["evidence"]["colour"] = "red"
    others[1]["timeline"][0]["leaf_index"] += 1
    others[2]["good_until"] = 1
    others[3]["checks"][0]["evidence"]["detail"] = "It is red."
    others[4]["rows"][0] = [None, "26(b)"]

    noted.require_kept([line])
    for other in others:
        with pytest.raises(AssertionError, match="not as it is kept"):
            noted.require_kept([line, noted.line("clear_item", other)])


def test_whoever_judges_has_it_noted() -> None:
    """
    Whichever worker this is, and in whatever order it imported the modules that judge: no call goes past it.
    """
    judges = [vars(module)[name] for module, name in JUDGES]
    held = [
        value
        for module in list(sys.modules.values())
        for _, name in JUDGES
        if (value := getattr(module, "__dict__", {}).get(name)) is not None
        and getattr(value, "__module__", "").startswith("credentials.verdicts")
    ]

    assert vars(border)["clear_item"] in held
    assert all(any(value is judge for judge in judges) for value in held)


def test_it_is_noted_though_it_was_imported_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A module that took the function by its name is given the one that notes.
    """
    owner, early = ModuleType("owner_of_judge"), ModuleType("imported_early")
    for module in (owner, early):
        vars(module)["judge_nothing"] = _judge_nothing
        monkeypatch.setitem(sys.modules, module.__name__, module)

    noted.noting(owner, "judge_nothing")

    assert vars(owner)["judge_nothing"] is vars(early)["judge_nothing"] is not _judge_nothing


def _judge_nothing() -> None:
    """Stands for whatever judges."""


def test_what_is_kept_is_of_tests_that_are_there() -> None:
    """
    Each line names the function that made it, and hundreds of them are noted.
    """
    kept = noted.kept()
    files = {test.partition("::")[0] for test in kept}
    texts = {file: (noted.KEPT.parents[1] / "credentials" / file).read_text() for file in files}

    assert all(f"def {name}(" in texts[file] for file, _, name in (test.partition("::") for test in kept))
    assert len(kept) > 300 and sum(map(len, kept.values())) > 1_500
