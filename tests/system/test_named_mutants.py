"""Mutants known by name (`tests/mutants/named.toml`): planted by hand, each fails the test of its row."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.harness.mutants import FOLDER, ROOT, make_copy

NAMED: list[dict[str, str]] = tomllib.loads((FOLDER / "named.toml").read_text())["mutants"]
SECONDS_MAX = 600  # for one test, on a machine that others fill


def planted(text: str, mutant: dict[str, str]) -> str:
    """The code with this mutant in it."""
    assert text.count(mutant["old"]) == 1, "its row names one place of the code"
    return text.replace(mutant["old"], mutant["new"])


@pytest.mark.parametrize("mutant", NAMED, ids=lambda one: one["name"])
def test_each_named_mutant_changes_one_place_and_names_a_test(mutant: dict[str, str]) -> None:
    """
    What it changes is in the code as it is today, what comes of it can be read, and its test is there.
    """
    code = (ROOT / mutant["file"]).read_text()
    changed = planted(code, mutant)
    file, _, name = mutant["test"].partition("::")
    tests = {
        one.name for one in ast.parse((ROOT / file).read_text()).body if isinstance(one, ast.FunctionDef)
    }

    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(code))
    assert name in tests


def tried(copy: Path, *tests: str) -> tuple[int, str]:
    """The exit code of these tests in the copy, and what they said."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    ended = subprocess.run(
        command, cwd=copy, capture_output=True, text=True, check=False, timeout=SECONDS_MAX
    )
    return ended.returncode, ended.stdout[-3_000:]


@pytest.mark.long
def test_each_named_mutant_is_killed_by_its_test(tmp_path: Path) -> None:
    """
    In a copy of the clone each of these tests fails with its mutant, and all pass without any.
    """
    copy = tmp_path / "copy"
    make_copy(copy)
    code, said = tried(copy, *dict.fromkeys(mutant["test"] for mutant in NAMED))
    assert code == 0, said

    for mutant in NAMED:
        path = copy / mutant["file"]
        text = path.read_text()
        path.write_text(planted(text, mutant))
        code, said = tried(copy, mutant["test"])
        path.write_text(text)
        assert code == 1 and "1 failed" in said, (mutant["name"], said)
        print(f"{mutant['name']} -> {mutant['test']}")
