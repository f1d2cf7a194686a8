"""A report adds up what was kept beside the verdicts: the same as of every line judged anew (0667)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from node.verdicts.watching import Watching
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_queries import calls
from tests.node.test_watching import code_of, issue

DAY, LATER = "2027-03-01", "2031-03-01"
ISSUED: dict[int, str] = {}  # serial -> digest of its passport
JSON = dict[str, Any]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node that judged lines: held, revoked, named twice, and of which nobody knows."""
    with live_node(tmp_path_factory.mktemp("answers")) as made:
        for serial in range(1, 7):
            ISSUED[serial] = issue(made, serial)
        revoke(made, 2)
        yield made


def revoke(node: LiveNode, serial: int) -> None:
    answer = node.post_json(f"/passports/{ISSUED[serial]}/revoke", {"reason": "test"})
    assert answer.status_code == 200, answer.text
    node.wait_quiet()


def judged(node: LiveNode, number: int, serials: list[int]) -> str:
    lines = [
        {"line": line, "battery": code_of(serial), "goods": "battery", "condition": "new"}
        for line, serial in enumerate(serials, start=1)
    ]
    sent = {"declaration": f"26NLANSWER{number:04d}", "law_date": DAY, "lines": lines}
    made: str = node.post_json("/consignments", sent).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}?limit=0")["state"] == "done", "the verdicts")
    return made


def report(node: LiveNode, made: str, law_date: str | None = None) -> JSON:
    told: JSON = dict(node.service.consignments.report(made, law_date))
    return {name: value for name, value in told.items() if name != "evaluated_at"}


def anew(node: LiveNode, made: str, law_date: str | None = None) -> JSON:
    """The report without what was kept, which is put back."""
    with node.service.stores.office.writing() as db:
        db.execute("UPDATE line_answers SET consignment = '' WHERE consignment = ?", (made,))
    told = report(node, made, law_date)
    with node.service.stores.office.writing() as db:
        db.execute("UPDATE line_answers SET consignment = ? WHERE consignment = ''", (made,))
    return told


def kept(node: LiveNode, made: str) -> int:
    lines = range(1, 100)
    return len(node.service.stores.office.line_answers.of(made, lines))


def test_a_report_judges_no_line_that_nothing_has_overtaken(node: LiveNode) -> None:
    """
    It parses no entry, reads no document and verifies no signature; it says what all lines judged anew say,
    also of one revoked, one named twice and one that nobody knows.
    """
    made = judged(node, 1, [1, 3, 2, 3, 99])

    with calls() as found:
        told = report(node, made)

    assert kept(node, made) == 5 and told["head"]["lines"] == 5 and told["items"] == 2
    assert [(one["line"], one["reason"]) for one in told["left_out"]] == [
        (3, "revoked"),
        (4, "counted_earlier"),
        (5, "not_found"),
    ]
    assert {*found} <= {"manifests read"}, found
    with calls() as each:
        assert told == anew(node, made)
    assert each["documents digested"] > 0


def test_of_another_day_and_of_what_is_damaged_each_line_is_judged_anew(node: LiveNode) -> None:
    """
    What was kept is of the consignment's day; where it is not what was written it is not read.
    """
    made = judged(node, 2, [1, 3])
    told = report(node, made)

    later = report(node, made, LATER)
    with node.service.stores.office.writing() as db:
        db.execute("UPDATE line_answers SET body = x'7b7d' WHERE consignment = ? AND line = 1", (made,))

    assert later["law_date"] == LATER and later == anew(node, made, LATER) and later["rows"] != told["rows"]
    assert report(node, made) == told and kept(node, made) == 1


def test_what_the_ledger_learned_is_in_a_report_before_the_line_is_judged_again(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A line that the ledger has overtaken is judged anew, though nobody has marked it yet.
    """
    made = judged(node, 3, [4, 5])
    before = report(node, made)
    monkeypatch.setattr(Watching, "look", lambda self: False)

    revoke(node, 4)
    with calls() as found:
        told = report(node, made)

    assert before["items"] == 2 and told["items"] == 1
    assert [(one["line"], one["reason"]) for one in told["left_out"]] == [(1, "revoked")]
    assert found["documents digested"] > 0 and kept(node, made) == 2
    assert told == anew(node, made)


def test_nothing_is_read_that_nobody_watches(node: LiveNode) -> None:
    """
    Once its consignment came longer ago than the ledger is watched for it, each line is judged anew.
    """
    made = judged(node, 4, [6])
    with node.service.stores.office.writing() as db:
        db.execute("UPDATE consignments SET created = 1 WHERE id = ?", (made,))

    with calls() as found:
        report(node, made)

    assert found["documents digested"] > 0


def test_answers_of_lines_are_kept_once(node: LiveNode) -> None:
    """
    A verdict that takes another's place takes its answers' place; a settled line has none.
    """
    made = judged(node, 5, [1])
    office = node.service.stores.office
    row = office.line_answers.of(made, [1])

    with office.writing() as db:
        office.overtaken.mark_again(db, made, [1])
    node.service.judging.wake()
    node.wait(lambda: not office.overtaken.stale(1), "the line to be judged again")
    again = office.line_answers.of(made, [1])
    with office.writing() as db:
        office.overtaken.settle(db, made, 1)

    assert row.keys() == again.keys() == {1}
    assert office.line_answers.of(made, [1]) == {}
