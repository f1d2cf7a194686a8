"""Whatever keeps a node or a command from running says whose fault it is and what its reader does next.

Its reader is whoever runs the command, at the terminal: a sentence, and one on the step beneath where the
sentence does not have it (decision 0605).
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import node
from node.__main__ import run
from node.catalogues import FAULTS, whose_fault
from node.errors import PeerFailed, SetupError, Unfit, Unreadable
from node.ledger.snapshot import SnapshotRefused
from node.storage.database import Damaged
from tests.node.test_next_steps import named_in, unknown_command

ROOT = Path(__file__).parents[2]
VERBS = (
    "add|ask|choose|close|compare|copy|correct|end|export|fetch|fetches|follow|get|give|have|install|join|keep|"
    "look|make|makes|move|name|propose|put|puts|read|rebuild|remove|repeat|restart|restore|run|save|see|send|sign|"
    "start|stop|take|tell|try|use|wait|write"
)
STEP = re.compile(
    rf"(?:[:;.,] |\band |\bor )(?:then )?(?:{VERBS})\b|`comity |chmod |--[a-z]|one of|: it has ", re.I
)
# Parts of a sentence that are put together elsewhere, and are the step.
STEPS = {"self._anew", "remedy", "damaged"}


@cache
def kinds() -> dict[str, type[SetupError]]:
    """SetupError and all that are one, by name."""
    for module in pkgutil.walk_packages(node.__path__, "node."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [SetupError]
    for kind in found:
        found += kind.__subclasses__()
    return {kind.__name__: kind for kind in found}


def said(value: ast.expr) -> str:
    """A sentence as the code has it, what is filled in by its expression."""
    match value:
        case ast.Constant():
            return str(value.value)
        case ast.JoinedStr():
            return "".join(map(said, value.values))
        case ast.FormattedValue():
            return f"{{{ast.unparse(value.value)}}}"
        case ast.BinOp():
            return said(value.left) + said(value.right)
        case ast.IfExp():
            return said(value.body) + said(value.orelse)
        case _:
            return f"{{{ast.unparse(value)}}}"


def made(text: str) -> Iterator[tuple[str, str, str]]:
    """Of each error that a module makes: its class, its sentence, and the step that it is given."""
    for call in ast.walk(ast.parse(text)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in kinds():
            steps = [said(word.value) for word in call.keywords if word.arg == "step"]
            yield call.func.id, said(call.args[0]), "".join(steps)


def without_a_step(text: str) -> list[str]:
    """The sentences of a module that leave their reader alone."""
    return [
        sentence
        for kind, sentence, step in made(text)
        if not (step or kinds()[kind].NEXT or STEP.search(sentence))
        and not any(f"{{{name}}}" in sentence for name in STEPS)
    ]


def test_whatever_keeps_a_node_from_running_says_what_to_do() -> None:
    """
    Each of them, wherever it is made; a step is a whole sentence, and the commands that it names are there.
    """
    count = 0
    for file in sorted((ROOT / "node").rglob("*.py")):
        text = file.read_text()
        assert without_a_step(text) == [], file
        for _, sentence, step in made(text):
            count += 1
            assert not step or (step[0].isupper() and step.endswith(".") and not step.isupper()), step
            for command in (*named_in(sentence), *named_in(step)):
                if "{" not in command:
                    assert unknown_command(command) is None
    assert count > 200
    for kind in kinds().values():
        assert kind.FAULT in FAULTS
        for command in named_in(kind.NEXT):
            assert unknown_command(command) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('raise SetupError(f"{path} is odd")', ["{path} is odd"]),
        ('raise SetupError("a" + f"{b}")', ["a{b}"]),
        ('raise SetupError(f"{path} is odd: start anew")', []),
        ('raise SetupError(f"{path} is odd", step="Take another.")', []),
        ('raise Damaged(f"{path} is odd")', []),
        ('raise SetupError(f"{root}: {remedy}")', []),
    ],
)
def test_one_that_does_not_would_be_found(text: str, found: list[str]) -> None:
    """
    The step is in the sentence, beside it, or with its class.
    """
    assert without_a_step(text) == found


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (SetupError, "caller"),
        (Unreadable, "caller"),
        (Unfit, "caller"),
        (Damaged, "node"),
        (PeerFailed, "source"),
        (SnapshotRefused, "source"),
    ],
)
def test_whose_fault_it_is_and_the_step_are_printed_beneath(
    kind: type[SetupError], fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    As for every refusal; a sentence that has its step stands alone.
    """

    def failing(*_: object, **__: object) -> None:
        raise kind("it is so", step="" if kind.NEXT else "Do that.")

    monkeypatch.setattr("node.__main__.comity.main", failing)
    assert run([]) == 65
    first, second = capsys.readouterr().err.splitlines()
    assert first == "comity: it is so"
    assert second == f"comity: next: {kind.NEXT or 'Do that.'} (fault: {whose_fault(fault)})"

    monkeypatch.setattr(
        "node.__main__.comity.main", lambda *_, **__: (_ for _ in ()).throw(SetupError("so: go"))
    )
    assert run([]) == 65
    assert capsys.readouterr().err == "comity: so: go\n"


def test_files_that_are_not_there_or_not_right_are_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    By commands as they are given: a file that is missing, one that holds something else.
    """
    other = tmp_path / "log.policy"
    other.write_text("not a policy\n")

    for policy, kind in ((tmp_path / "none", Unreadable), (other, Unfit)):
        assert run(["receipt", "verify", str(other), "--policy", str(policy)]) == 65
        first, second = capsys.readouterr().err.splitlines()
        assert (
            str(policy) in first and second == f"comity: next: {kind.NEXT} (fault: whoever asked or signed)"
        )
