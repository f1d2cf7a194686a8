"""Passports asked for one by one at the same time: one transaction, and each as if asked for alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from credentials.documents.canonical import b64u
from node.answers import IssuedRecord
from node.errors import ProblemError
from node.issuing.passports import PassportIssuing
from node.storage.audit import WHO
from node.storage.database import Transaction
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import LiveNode, live_node

JSON = dict[str, Any]
Told = dict[int, IssuedRecord | Exception]
WAIT_S_MAX = 60.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("one")) as running:
        running.service.passports.issue(claims_of(1), code=code_of(1))  # the lists exist
        yield running


@pytest.fixture
def transactions(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that began to write to the office, once for each transaction."""
    office, begun = node.service.stores.office, list[str]()
    proper: Callable[..., AbstractContextManager[Transaction]] = office.writing

    def writing(**how: bool) -> AbstractContextManager[Transaction]:
        begun.append(threading.current_thread().name)
        return proper(**how)

    monkeypatch.setattr(office, "writing", writing)
    return begun


def asked_at_once(node: LiveNode, asked: dict[int, JSON]) -> Told:
    """What each caller is told, by its number: the first is being issued while the others come."""
    desk = node.service.passports
    issuing, told = desk._issuing, Told()
    waiting = issuing.passports._one_by_one.waiting

    def ask(number: int) -> None:
        WHO.set(f"caller {number}")
        try:
            told[number] = desk.issue(asked[number], code=code_of(number))
        except (ProblemError, RuntimeError) as error:
            told[number] = error

    callers = [threading.Thread(target=ask, args=(n,), name=f"caller {n}") for n in asked]
    with issuing.lock:
        callers[0].start()
        node.wait(lambda: issuing.passports._one_by_one._turn.locked() and not waiting, "the first's turn")
        for caller in callers[1:]:
            caller.start()
        node.wait(lambda: len(waiting) == len(callers) - 1, "the others")
    for caller in callers:
        caller.join(WAIT_S_MAX)
    return told


def by_callers(transactions: list[str]) -> int:
    return sum(name.startswith("caller") for name in transactions)


def test_what_comes_while_another_is_issued_is_one_transaction(
    node: LiveNode, transactions: list[str]
) -> None:
    """
    Five requests that come while a sixth is written wait for the disk once; one that is refused refuses no
    other, each has its own answer and a place of its own, and the audit names who asked for which.
    """
    asked = {n: claims_of(n) for n in range(201, 207)} | {204: {"another": "model"}}

    told = asked_at_once(node, asked)

    office = node.service.stores.office
    issued = {n: one for n, one in told.items() if not isinstance(one, Exception)}
    kept = {n: office.issuances.newest_of(one["battery"]) for n, one in issued.items()}
    rows = {n: row for n, row in kept.items() if row is not None}
    assert by_callers(transactions) == 2
    assert set(told) == set(asked) and set(told) - set(issued) == {204}
    assert isinstance(told[204], ProblemError) and told[204].status == 422
    assert len({row.status_index for row in rows.values()}) == len(rows) == 5
    assert {n: b64u(row.digest) for n, row in rows.items()} == {n: one["digest"] for n, one in issued.items()}
    said = {n: office.audit.of_statement(row.published) for n, row in rows.items()}
    assert {n: one.who for n, one in said.items() if one is not None} == {n: f"caller {n}" for n in issued}


def test_what_nobody_foresaw_of_one_is_told_to_its_caller_alone(
    node: LiveNode, transactions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One that raises what nobody foresaw takes none along: nothing is kept of those that were together, then
    each is issued by itself, once.
    """
    proper = PassportIssuing._draft

    def draft(self: PassportIssuing, claims: JSON, *rest: Any) -> Any:
        if claims.get("planted"):
            raise RuntimeError("planted")
        return proper(self, claims, *rest)

    monkeypatch.setattr(PassportIssuing, "_draft", draft)
    before = len(node.service.passports.page(1_000))
    asked = {n: claims_of(n) for n in range(211, 215)} | {213: {"planted": True}}

    told = asked_at_once(node, asked)

    assert isinstance(told.pop(213), RuntimeError)
    assert not any(isinstance(one, Exception) for one in told.values()) and len(told) == 3
    assert len(node.service.passports.page(1_000)) == before + 3
    assert by_callers(transactions) == 1 + 1 + 3
