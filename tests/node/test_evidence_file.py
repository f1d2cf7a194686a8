"""The evidence file of a consignment: made by a node, checked without one, and what is altered is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from consensus.log_policy import LogPolicy
from node.receipts.evidence_check import CheckedEvidence, NoEvidenceFile, check_evidence
from node.web.sample import sample_claims
from tests.harness.command_line import here
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import CODE, LiveNode, live_node, manifest

pytestmark = pytest.mark.check

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("evidence")) as made:
        yield made


@pytest.fixture(scope="module")
def saved(node: LiveNode) -> bytes:
    """The file of two lines: a battery with a passport, and one that nobody knows."""
    issued = node.post_json("/passports", {"code": CODE, "claims": sample_claims(node.service, CODE)})
    assert issued.status_code == 201, issued.text[:400]
    node.wait_quiet()
    path = f"/consignments/{node.post_json('/consignments', manifest()).get_json()['id']}"
    node.wait(lambda: node.get_json(f"{path}?limit=0")["state"] == "done", "the last verdict")
    node.wait_quiet()
    answer = node.get(f"{path}/evidence")
    assert answer.status_code == 200 and answer.mimetype == "application/x-ndjson"
    return bytes(answer.data)


@pytest.fixture(scope="module")
def policy(node: LiveNode) -> LogPolicy:
    return LogPolicy.parse(node.get("/log/policy").data)


def lines_of(data: bytes) -> Lines:
    return [json.loads(line) for line in data.splitlines()]


def checked(lines: Lines, policy: LogPolicy) -> CheckedEvidence:
    return check_evidence((orjson.dumps(one) + b"\n" for one in lines), policy)


def of(lines: Lines, kind: str) -> Lines:
    return [one for one in lines if kind in one]


def test_a_file_is_checked_without_a_node(saved: bytes, policy: LogPolicy) -> None:
    """
    Every receipt, statement, held document, list, height, word and count is computed again, and holds; the
    battery that nobody knows has no statement, and its word follows from its checks all the same.
    """
    made = check_evidence(saved.splitlines(keepends=True), policy)

    assert [one for one in made.found if one.outcome == "fail"] == []
    judged = b"".join(one for one in saved.splitlines(keepends=True) if "line" in json.loads(one))
    assert made.verdicts == sha256(judged).hexdigest()
    assert made.whole, [one for one in made.found if one.outcome == "not_checked"]
    assert {one.step for one in made.found if one.outcome == "pass"} >= {
        "statement",
        "documents",
        "status",
        "governance",
        "rules",
        "height",
        "word",
        "manifest",
        "counts",
        "signature",
    }
    known, unknown = made.lines
    assert known.records >= 1 and unknown.records == 0
    assert [one.again for one in made.lines] == [one.verdict for one in made.lines]


def _milder(lines: Lines) -> None:
    of(lines, "line")[1]["line"]["verdict"] = "clear"


def _other_maker(lines: Lines) -> None:
    of(lines, "line")[0]["line"]["timeline"][0]["issuer"] = "did:web:other.example"


def _other_battery(lines: Lines) -> None:
    of(lines, "line")[0]["line"]["battery"] = CODE[:-1] + "9"


def _other_document(lines: Lines) -> None:
    held = next(one for one in of(lines, "document") if "content" in one)
    held["content"]["credentialSubject"]["id"] = "urn:other"


def _other_rule(lines: Lines) -> None:
    of(lines, "rule")[0]["content"] += " "


def _governance_left_out(lines: Lines) -> None:
    of(lines, "governance")[0]["governance"]["records"].pop()


def _line_left_out(lines: Lines) -> None:
    lines.remove(of(lines, "line")[1])


def _cut_off(lines: Lines) -> None:
    lines.pop()


def _receipt_of_another(lines: Lines) -> None:
    first, second = of(lines, "record")[:2]
    first["receipt"] = second["receipt"]


ALTERED: dict[str, Callable[[Lines], None]] = {
    "word": _milder,
    "statement": _other_maker,
    "statement of another battery": _other_battery,
    "statement by the receipt of another": _receipt_of_another,
    "documents": _other_document,
    "rules": _other_rule,
    "governance": _governance_left_out,
    "counts": _line_left_out,
    "signature": _cut_off,
}


@pytest.mark.parametrize("name", ALTERED)
def test_what_is_altered_is_found_where_it_is(saved: bytes, policy: LogPolicy, name: str) -> None:
    """
    Each is found by the step that computes it again, and not by the signature alone.
    """
    lines = lines_of(saved)
    ALTERED[name](lines)

    made = checked(lines, policy)

    failed = {one.step for one in made.found if one.outcome == "fail"}
    assert not made.holds and {name.partition(" ")[0], "signature"} <= failed


def test_what_a_file_lacks_is_not_checked_and_not_passed(saved: bytes, policy: LogPolicy) -> None:
    """
    Without its receipts, or the proof of what governed, a line is as the judging node says, and that is said.
    """
    kept = [one for one in lines_of(saved) if "record" not in one and "governance" not in one]

    made = checked(kept, policy)

    left = {one.step for one in made.found if one.outcome == "not_checked"}
    assert {"statement", "height", "word"} <= left and made.lines[0].records == 0
    assert made.lines[0].again is None


def _list_left_out(lines: Lines) -> None:
    listed = of(lines, "list")[0]
    listed["missing"] = "list_unknown"


def _list_by_the_receipt_of_another(lines: Lines) -> None:
    of(lines, "list")[0]["receipt"] = of(lines, "record")[0]["receipt"]


def _other_list(lines: Lines) -> None:
    of(lines, "list")[0]["content"]["id"] = "urn:other"


def _document_left_out(lines: Lines) -> None:
    held = next(one for one in of(lines, "document") if "content" in one)
    held["missing"] = "not_entitled"


def _other_reasons(lines: Lines) -> None:
    lines[0]["reasons"] = "0" * 64


def _other_leaf(lines: Lines) -> None:
    of(lines, "line")[0]["line"]["timeline"][0]["leaf_index"] += 1


def _other_kind(lines: Lines) -> None:
    of(lines, "line")[0]["line"]["timeline"][0]["kind"] = "battery.sold"


TOLD: dict[str, tuple[Callable[[Lines], None], tuple[int | None, str, str], str]] = {
    "no list": (_list_left_out, (None, "status", "not_checked"), "is not in the file (list_unknown)"),
    "its receipt": (_list_by_the_receipt_of_another, (None, "status", "fail"), "about another document"),
    "its list": (_other_list, (None, "status", "fail"), "another list than the one it names"),
    "no document": (_document_left_out, (None, "documents", "not_checked"), "it is not for whoever"),
    "reasons": (_other_reasons, (1, "word", "not_checked"), "tables that this version does not have"),
    "leaf": (_other_leaf, (1, "statement", "fail"), "leaf of "),
    "kind": (_other_kind, (1, "statement", "fail"), "kind of "),
    "another battery": (_other_battery, (1, "statement", "fail"), "is about another battery than"),
    "another maker": (_other_maker, (1, "statement", "fail"), "issuer of "),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_found_is_told_with_its_line_and_why(saved: bytes, policy: LogPolicy, name: str) -> None:
    """
    What the file lacks is not checked, what it says otherwise is told as that; each by a sentence.
    """
    alter, expected, why = TOLD[name]
    lines = lines_of(saved)
    alter(lines)

    found = [one for one in checked(lines, policy).found if (one.line, one.step, one.outcome) == expected]

    assert any(why in one.why for one in found), found


def test_no_clear_word_stands_beside_a_document_that_was_ended(node: LiveNode, policy: LogPolicy) -> None:
    """
    Its status list says that it has ended: a clear word beside it does not hold, and of one that may have
    been given before that, as the block of its height is not in the file, nothing is said.
    """
    code, goods = code_of(83), {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    issued = node.post_json("/passports", {"code": code, "claims": claims_of(83)}).get_json()
    node.wait_quiet()
    asked = {**manifest(), "declaration": "26NLENDED001", "lines": [{"line": 1, "battery": code, **goods}]}
    path = f"/consignments/{node.post_json('/consignments', asked).get_json()['id']}"
    node.wait(lambda: node.get_json(f"{path}?limit=0")["state"] == "done", "the verdict")
    node.wait(lambda: node.get_json(f"{path}/items/1")["verdict"] == "clear", "a clear word")
    revoked = node.post_json(f"/passports/{issued['digest']}/revoke", {"reason": "defect"})
    assert revoked.status_code == 200, revoked.text[:300]
    node.wait(lambda: node.get_json(f"{path}/items/1")["verdict"] != "clear", "it to be judged again")
    node.wait_quiet()
    told = lines_of(node.get(f"{path}/evidence").data)

    def status(lines: Lines) -> set[tuple[str, str]]:
        found = {(one.outcome, one.why) for one in checked(lines, policy).found if one.step == "status"}
        return {(outcome, why.partition(" was ")[2]) for outcome, why in found}

    assert "fail" not in {outcome for outcome, _ in status(told)}
    of(told, "line")[0]["line"]["verdict"] = "clear"
    assert ("fail", "ended") in status(told)
    of(told, "line")[0]["line"]["height"] = 1_000_000
    assert ("not_checked", "ended after this word was given") in status(told)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}\n", b"[]\n", b"\xff\n", b'{"format": "comity/evidence/v1"}\n{"line": 1}\n', b'{"format": 1}'],
    ids=["empty", "no format", "a list", "no text", "no line", "another format"],
)
def test_what_is_no_evidence_file_is_refused(data: bytes, policy: LogPolicy) -> None:
    """
    By a sentence that says so, whatever it is.
    """
    with pytest.raises(NoEvidenceFile):
        check_evidence(data.splitlines(keepends=True), policy)


def test_the_command_checks_it_and_says_what_it_did_not(
    node: LiveNode, saved: bytes, policy: LogPolicy, tmp_path: Path
) -> None:
    """
    Exit 0 for what holds, 1 for what does not; the output names what no file shows.
    """
    file, trusted = tmp_path / "evidence.ndjson", tmp_path / "log.policy"
    file.write_bytes(saved)
    trusted.write_bytes(node.get("/log/policy").data)

    good = here("check", str(file), "--evidence", "--policy", str(trusted))
    file.write_bytes(saved.replace(b'"undecided"', b'"clear"', 1))
    bad = here("check", str(file), "--evidence", "--policy", str(trusted))

    assert good.returncode == 0 and good.stdout.startswith("holds: 2 lines of consignment 26NLTEST000001")
    assert "no file shows that the log holds no other record" in good.stdout
    assert bad.returncode == 1 and bad.stdout.startswith("does not hold")


def test_words_of_two_heights_are_shown_by_the_blocks_of_both(node: LiveNode, policy: LogPolicy) -> None:
    """
    A line that was judged again later rests on a later block: the newest height is proven whole, the other
    one by the receipt of its block; without that its line is not checked.
    """
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    known, late = code_of(81), code_of(82)
    assert node.post_json("/passports", {"code": known, "claims": claims_of(81)}).status_code == 201
    node.wait_quiet()
    lines = [{"line": n, "battery": code, **goods} for n, code in ((1, known), (2, late))]
    asked = {**manifest(), "declaration": "26NLHEIGHTS001", "lines": lines}
    path = f"/consignments/{node.post_json('/consignments', asked).get_json()['id']}"
    node.wait(lambda: node.get_json(f"{path}?limit=0")["state"] == "done", "the last verdict")
    assert node.post_json("/passports", {"code": late, "claims": claims_of(82)}).status_code == 201
    node.wait(lambda: node.get_json(f"{path}/items/2")["verdict"] == "clear", "it to be judged again")
    node.wait_quiet()

    told = lines_of(node.get(f"{path}/evidence").data)

    first, second = (node.get_json(f"{path}/items/{n}")["height"] for n in (1, 2))
    assert first < second and [one["block"] for one in of(told, "block")] == [first]
    made = checked(told, policy)
    assert made.whole and [one.again for one in made.lines] == ["clear", "clear"]
    (block,) = of(told, "block")
    del block["receipt"]
    block["missing"] = "no_receipt_yet"
    assert not checked(told, policy).whole
