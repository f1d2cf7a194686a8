"""Mutants that only a test of the code's text sees, each written alone into a copy of the clone.

The copy of `mutants` holds all that were drawn at once: a test that reads the code (every sentence has a
row of its table, no file is opened but by one door) says nothing there of one of them, and is left out. Here
it is asked of each mutant that survived the others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.harness.mutations import Mutant
from tests.harness.trials import FAILED, SURVIVED


def written(text: str, mutant: Mutant) -> str | None:
    """The text of a file with this mutant in it; None if its old lines are not those where it was drawn."""
    lines, place = text.splitlines(), mutant.at - 1
    for end in range(place + 1, len(lines) + 1):
        old = " ".join(line.strip() for line in lines[place:end])
        if old == mutant.old:
            indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
            return "\n".join([*lines[:place], *filter(str.strip, [indent + mutant.new]), *lines[end:], ""])
        if len(old) > len(mutant.old):
            break
    return None


def try_each(copy: Path, mutants: Sequence[Mutant], tests: Sequence[str], tried: Path) -> None:
    """Write each mutant's name and exit code to `tried`: 1 if one of these tests fails with it alone, else 0.

    `copy` has no mutants. Left out is what was tried before, and what cannot be written so. Raises SystemExit
    if a test fails without a mutant.
    """
    tried.touch()
    done = {line.split()[0] for line in tried.read_text().splitlines()}
    asked = [mutant for mutant in mutants if mutant.name not in done]
    if asked and _fails(copy, tests):
        raise SystemExit(f"One of these tests fails without any mutant: {', '.join(tests)}")
    for mutant in asked:
        file = copy / mutant.path
        before = file.read_text()
        if (text := written(before, mutant)) is not None:
            file.write_text(text)
            code = FAILED if _fails(copy, tests) else SURVIVED
            file.write_text(before)
            with tried.open("a") as kept:
                kept.write(f"{mutant.name} {code}\n")


def _fails(copy: Path, tests: Sequence[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    quiet = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # a file of the same second and size is another
    return bool(subprocess.run(command, cwd=copy, capture_output=True, check=False, env=quiet).returncode)
