"""tests/EVIDENCE.md: every promised line names tests that exist and are not skipped, or a command."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = ROOT / "tests" / "EVIDENCE.md"

# The lines of each issue: what it delivers (D) and when it is done (W).
COUNTS = {2: (9, 5), 3: (9, 4), 4: (7, 6)}
LINES = [
    f"{issue}.{kind}{number}"
    for issue, counts in COUNTS.items()
    for kind, count in zip("DW", counts, strict=True)
    for number in range(1, count + 1)
]
NEVER_RUN = {"skip", "skipif", "xfail"}
TARGETS = {"demo", "test", "check", "long", "lint", "sim", "bench", "clean"}


def rows() -> list[tuple[str, str, list[str]]]:
    """Return (line, promise, what is quoted in the last column) of every row of the table."""
    found = []
    for text in EVIDENCE.read_text().splitlines():
        cells = [cell.strip() for cell in text.strip().strip("|").split(" | ")]
        if len(cells) == 3 and re.fullmatch(r"\d+\.[A-Z]\d+[a-z]?", cells[0]):
            found.append((cells[0], cells[1], re.findall(r"`([^`]+)`", cells[2])))
    return found


def named_ids() -> list[str]:
    """Return every test id the table names."""
    return sorted(
        {quoted for _, _, all_quoted in rows() for quoted in all_quoted if quoted.startswith("tests/")}
    )


def definition(test_id: str) -> ast.FunctionDef | None:
    """Return the function a test id names (its parameters in brackets do not matter)."""
    file, _, name = test_id.partition("::")
    path = ROOT / file
    if not path.is_file():
        return None
    wanted = name.split("[")[0].split("::")[-1]
    return next(
        (
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef) and node.name == wanted
        ),
        None,
    )


def marks(path: Path, function: ast.FunctionDef) -> set[str]:
    """Return the names of the marks of a test, its module's included."""
    nodes: list[ast.expr] = list(function.decorator_list)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            nodes.append(node.value)
    return {inner.attr for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}


@pytest.mark.parametrize("test_id", named_ids())
def test_id_exists_and_is_not_skipped(test_id: str) -> None:
    """
    A test named as evidence is there, is not marked skip or xfail, and does not skip itself out of hand.
    """
    function = definition(test_id)

    assert function is not None, f"{test_id} does not exist"
    assert not marks(ROOT / test_id.partition("::")[0], function) & NEVER_RUN
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in {"skip", "importorskip", "xfail"}, f"{test_id} skips itself"


def test_every_row_names_something_that_can_be_run() -> None:
    """
    A row names at least one test id or command; commands are make targets, the comity command, or .ci/run.
    """
    for line, promise, quoted in rows():
        runnable = [
            one
            for one in quoted
            if one.startswith(("tests/", "comity ", "bash .ci/run"))
            or (one.startswith("make ") and one.split()[1] in TARGETS)
        ]
        assert promise
        assert runnable, f"{line} ({promise}) names nothing that can be run"


def test_every_line_of_the_issue_has_a_row() -> None:
    """
    No promised line is without evidence.
    """
    covered = {line.rstrip("abcdefghijklmnopqrstuvwxyz") for line, _, _ in rows()}

    assert [line for line in LINES if line not in covered] == []
