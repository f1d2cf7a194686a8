"""The log: what others can bring about as often as they like fills no disk, and how much it was is told."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from node import log
from tests.node.test_http import GET, answer, serving
from tests.system.test_structure import nodes_of, trees

Read = Callable[[], list[dict[str, Any]]]
# What writes to people, and why it may.
BESIDE = {
    "node/log.py": "it is the door",
    "node/__main__.py": "what a command ends with",
    "node/cli/": "what a command says",
    "node/demo/": "what the demo says",
    "node/ledger/comet/process.py": "where subprocess has the pipe that it reads",
    "node/server/wsgi.py": "where WSGI has it: nothing here writes to it",
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of the log: `now` stands still."""
    clock = SimpleNamespace(now=0.0, time=lambda: 0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(log, "time", clock)
    return clock


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Read:
    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]

    return lines


def test_what_others_bring_about_is_bounded_and_counted(clock: SimpleNamespace, read: Read) -> None:
    """
    A thousand lines of one kind by one peer are sixty, and one a second from then on, which says how many
    were left out; another peer, and another kind, have their own; a text of others is cut.
    """
    for number in range(1000):
        log.moment("conflict", peer="did:web:a.example", because=f"{number} " + "x" * 5000)
    told = read()
    assert len(told) == log.BURST and "left_out" not in told[-1]
    assert {len(line["because"]) for line in told} == {log.CHARS_MAX}

    log.moment("conflict", peer="did:web:b.example")
    log.moment("cosignature_refused", peer="did:web:a.example")
    assert len(read()) == 2
    clock.now += 2.5
    for _ in range(4):
        log.moment("conflict", peer="did:web:a.example")
    assert [line.get("left_out") for line in read()] == [1000 - log.BURST, None]


def test_what_was_left_out_is_told_though_nobody_does_it_again(clock: SimpleNamespace, read: Read) -> None:
    """
    The next thing that the node does at its own pace, or its end, says it, once.
    """
    for _ in range(log.BURST + 7):
        log.moment("conflict", peer="did:web:a.example")
    log.moment("commit", height=1)
    assert [line["at"] for line in read()][log.BURST :] == ["commit"]
    clock.now += 1.0
    for height in (2, 3):
        log.moment("commit", height=height)

    told = [(line["at"], line.get("peer"), line.get("left_out")) for line in read()]
    assert told == [("conflict", "did:web:a.example", 7), ("commit", None, None), ("commit", None, None)]
    log.moment("conflict", peer="did:web:a.example")
    assert read() == []  # the line that said it was paid for


def test_what_a_node_does_at_its_own_pace_is_written_always(clock: SimpleNamespace, read: Read) -> None:
    """
    However fast blocks are, each has its line; of peers without end no more are told apart than there is
    room for.
    """
    for height in range(1000):
        log.moment("commit", height=height)
    for number in range(log.KEPT_MAX + 50):
        log.moment("conflict", peer=f"did:web:p{number}.example")

    assert len(read()) == 1000 + log.KEPT_MAX + 50
    assert len(log._budgets) == log.KEPT_MAX


def test_a_client_cannot_fill_the_log_with_mistakes(monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    """
    Whoever finds a request that fails unforeseen, and repeats it, has sixty lines of it and their traces.
    """
    monkeypatch.setattr(log, "BURST", 3)
    monkeypatch.setattr(log, "REFILL_S", 1e9)

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        raise ZeroDivisionError("planted")

    with serving(application) as address:
        for _ in range(10):
            assert answer(address, GET % b"/").startswith(b"HTTP/1.1 500")

    assert [line["because"] for line in read()] == ["ZeroDivisionError"] * 3


def test_what_libraries_say_is_a_moment(read: Read) -> None:
    """
    With the name of the library, and bounded as all the others are.
    """
    record = logging.LogRecord("a.library", logging.WARNING, "", 0, "said %s", ("so",), None)
    log.Libraries().emit(record)

    assert [(line["at"], line["of"], line["because"]) for line in read()] == [
        ("library", "a.library", "said so")
    ]


def test_what_a_library_raised_is_told_with_where(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Behind its line stands what was raised.
    """
    error = TimeoutError("of a library")
    raised = (TimeoutError, error, None)
    log.Libraries().emit(logging.LogRecord("a.library", logging.ERROR, "", 0, "failed", (), raised))

    assert capsys.readouterr().err.endswith("TimeoutError: of a library\n")


def _writes(tree: ast.Module) -> bool:
    return any(
        (
            isinstance(one, ast.Attribute)
            and (
                one.attr in ("stderr", "stdout", "print_exc", "print_exception")
                or (one.attr == "lastResort" and isinstance(one.value, ast.Name))
            )
        )
        or (isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "print")
        for one in nodes_of(tree)
    )


def test_nothing_is_logged_past_the_one_door() -> None:
    """
    No other module of a running node writes to stderr; what is written always is written somewhere.
    """
    writers = {name for name, tree in trees().items() if _writes(tree)}
    assert [name for name in writers if not name.startswith(tuple(BESIDE))] == []

    said = {
        one.value
        for name, tree in trees().items()
        if name != "node/log.py"
        for one in nodes_of(tree)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
    assert log.AT_OWN_PACE.keys() - said == set()
