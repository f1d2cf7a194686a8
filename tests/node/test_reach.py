"""A change of what governs: what it would do to open lines before it is signed, and whom it reached after."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.attestation import standing_key
from credentials.ledger.governance_records import STOP
from credentials.ledger.recognition import Effect, Recognition
from node.__main__ import run
from node.config import shipped_policy
from node.storage import reached
from node.storage.reached import ReachedLines
from node.storage.rests_on import put_rests
from node.verdicts import foretelling as foretold
from node.verdicts.foretelling import parties_concerned
from tests.harness import support_service
from tests.harness.governed_node import CN_AUTHORITY, EU_AUTHORITY, MAKER, GovernedNode, others
from tests.harness.ledger import make_genesis
from tests.harness.support_service import DID, live_node
from tests.node.test_watching import issue, item, judged

ROWS = ("ID-05", "ID-06", "ID-08", "STAT-01", "CUS-02")
TRIED = "by the records, documents and rules of that moment"


@pytest.fixture(scope="module")
def g(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GovernedNode]:
    """A node that judges in the EU, where recognition is asked for, and publishes in China."""

    def asking(name: str, jurisdiction: str) -> bytes:
        text = shipped_policy(name, jurisdiction).decode()
        assert "\nrequired = false\nrows" in text
        return text.replace("\nrequired = false\nrows", "\nrequired = true\nrows").encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(support_service, "shipped_policy", asking)
        with live_node(tmp_path_factory.mktemp("reach"), home="CN", others=others()) as node:
            for serial in (1, 2, 3, 4, 5):
                issue(node, serial)
            yield GovernedNode(node)


def recognition(**changes: Any) -> Recognition:
    values: dict[str, Any] = {
        "authority": EU_AUTHORITY,
        "jurisdiction": "EU",
        "issuer": DID,
        "rows": ROWS,
        "effect": Effect.ACCEPTED_AS_LAB_EVIDENCE,
        "legal_basis": "a network policy (invented)",
        "valid_from": 1_600_000_000,
    }
    return Recognition(**(values | changes))


def rows_of(given: Recognition) -> list[dict[str, Any]]:
    return [{"type": "recognition", "name": given.id, "table": given.as_table()}]


def settle(g: GovernedNode) -> None:
    """Everything on the ledger is known to the open lines."""
    stores = g.node.service.stores
    g.node.wait(lambda: stores.office.overtaken.watched_until() == stores.ledger.log_size(), "the watch")
    g.node.wait(lambda: not stores.office.overtaken.stale(1), "the lines")


def test_a_recognition_is_tried_on_the_open_lines_and_told_once_it_governs(g: GovernedNode) -> None:
    """
    The dry run and the open proposal say which lines change from what word to what word; in force, exactly
    these have that word, and the proposal, the audit and the consignment say which ones and why.
    """
    node = g.node
    lines = judged(node, "26NLREACH1", 1, 2)
    settle(g)
    before = [item(node, lines, n) for n in (1, 2)]
    given = recognition()

    reach = g.tried(rows_of(given))["reach"]
    assert [item(node, lines, n) for n in (1, 2)] == before  # nothing is stored
    assert (reach["everybody"], [one["did"] for one in reach["issuers"]]) == (False, [DID])
    assert (reach["lines"], reach["consignments"], reach["judged"], reach["changed"]) == (2, 1, 2, 2)
    foretold = {one["line"]: one for one in reach["items"]}
    for n, was in enumerate(before, 1):
        told = foretold[n]
        assert (told["consignment"], told["declaration"]) == (lines, "26NLREACH1")
        assert (told["before"], told["before_reason"]) == (was["verdict"], was["reason"])
        assert (told["after"], told["after_reason"]) != (told["before"], told["before_reason"])
        assert told["before_text"] and told["after_text"]

    digest = g.propose(rows_of(given))
    assert g.proposal(digest)["reach"]["items"] == reach["items"]
    page = node.person.get(f"/governance/proposals/{digest}", headers={"Accept": "text/html"}).text
    assert "What it would do to open lines here" in page and "26NLREACH1, line 1" in page
    assert page.count(TRIED) == 1
    g.act(EU_AUTHORITY, "approved", digest)
    over = g.until_over(digest)
    g.blocks(over["in_force"])
    settle(g)

    now = g.proposal(digest)["reach"]
    assert (now["lines"], now["consignments"], now["judged"], now["changed"]) == (2, 1, 2, 2)
    for one in now["items"]:
        stored = item(node, lines, one["line"])
        assert stored["verdict"] == one["after"] == foretold[one["line"]]["after"]
        assert stored["reason"] == one["after_reason"] == foretold[one["line"]]["after_reason"]
        assert one["before"] == foretold[one["line"]]["before"]
    page = node.person.get(f"/governance/proposals/{digest}", headers={"Accept": "text/html"}).text
    assert "Open lines here that rested on it" in page and "26NLREACH1, line 2" in page
    assert TRIED not in page
    acts = [
        row["about"]
        for row in node.get_json("/operations/audit")["audit"]
        if row["did"] == "decision.reached"
    ]
    assert acts == [f"{digest}: 2 open lines are judged again"]
    shown = node.get_json(f"/consignments/{lines}")
    assert [one["proposal"] for one in shown["decisions"]] == [digest]
    page = node.person.get(f"/consignments/{lines}", headers={"Accept": "text/html"}).text
    assert f"/governance/proposals/{digest}" in page


def test_what_it_would_do_is_shown_and_nothing_signed(
    g: GovernedNode, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    `comity network propose --dry-run` and `approve --dry-run`, as text and as JSON.
    """
    monkeypatch.setattr("node.node_client.Client._send", through(g))
    where = ["--node", "http://127.0.0.1:1", "--key", "k"]
    judged(g.node, "26NLREACH2", 3)
    file = tmp_path / "change.toml"
    taken = recognition(effect=Effect.NOT_RECOGNISED, valid_from=1_600_000_001)
    table = "\n".join(f"{name} = {json.dumps(value)}" for name, value in taken.as_table().items())
    file.write_text(f'[[changes]]\ntype = "recognition"\nname = "{taken.id}"\n[changes.table]\n{table}\n')
    known = len(g.node.get_json("/governance/proposals")["open"])

    assert run(["network", "propose", "--file", str(file), "--dry-run", *where]) == 0
    told = capsys.readouterr().out
    assert "open lines of 2 consignments here rest on that" in told and "26NLREACH2 line 1: " in told
    assert " -> " in told and "concerns what is said by: " in told
    assert "tried as of " in told and "decided until it governs is not in it" in told
    assert run(["network", "propose", "--file", str(file), "--dry-run", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["reach"]["changed"] == 3
    assert len(g.node.get_json("/governance/proposals")["open"]) == known

    digest = g.propose(rows_of(taken))
    assert run(["network", "approve", digest, "--dry-run", *where]) == 0
    assert "26NLREACH2 line 1: " in capsys.readouterr().out
    assert run(["network", "approve", digest, "--dry-run", "--json", *where]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["reach"]["changed"] == 3 and [a["act"] for a in shown["acts"]] == ["proposed"]
    g.node.post_json(f"/governance/proposals/{digest}/withdraw", {})


def through(g: GovernedNode) -> Any:
    """A command's requests, answered by the application itself."""

    def send(_: object, method: str, path: str, data: bytes | None, accept: str) -> bytes:
        headers = {**g.node.bearer, "Accept": accept, "Content-Type": "application/json"}
        answer = g.node.client.open(path, method=method, data=data, headers=headers)
        assert answer.status_code < 400, answer.text
        return bytes(answer.data)

    return send


def test_a_suspension_that_begins_once_it_is_decided_is_tried(g: GovernedNode) -> None:
    """
    Its time is not known before: it counts as come.
    """
    judged(g.node, "26NLREACH5", 5)
    (given,) = [one for one in g.decided()["recognitions"] if one["issuer"] == DID]
    table = {**recognition().as_table(), "suspended": [[int(time.time())]]}
    reach = g.tried([{"type": "recognition", "name": given["id"], "table": table}])["reach"]

    (told,) = [one for one in reach["items"] if one["declaration"] == "26NLREACH5"]
    assert (told["before"], told["after"], told["after_reason"]) == ("clear", "hold", "not_recognised")
    assert reach["later"] is None


def test_a_change_that_concerns_no_open_line_says_so(g: GovernedNode) -> None:
    """
    A recognition of who said nothing here; limits, which no verdict goes by; what begins later.
    """
    judged(g.node, "26NLREACH3", 4)
    other = g.tried(rows_of(recognition(issuer=MAKER)))["reach"]
    assert ([one["did"] for one in other["issuers"]], other["lines"], other["items"]) == ([MAKER], 0, [])
    limits = g.tried(g.limits(4_321))["reach"]
    assert (limits["issuers"], limits["everybody"], limits["lines"]) == ([], False, 0)
    begins = int(time.time()) + 86_400
    later = g.tried(rows_of(recognition(effect=Effect.NOT_RECOGNISED, valid_from=begins)))["reach"]
    assert later["lines"] >= 1 and later["changed"] == 0 and later["later"] == begins
    soon = int(time.time()) + 600  # tried as of then
    told = g.tried(rows_of(recognition(effect=Effect.NOT_RECOGNISED, valid_from=soon)))["reach"]
    assert (told["at"], told["later"]) == (soon, None)
    file = {"type": "rule", "name": "lifecycle.json", "table": {"sha256": "ab" * 32}}
    assert g.tried([file])["reach"] is None  # this node lacks it


def test_what_is_tried_is_bounded_and_kept(g: GovernedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    At most so many lines are judged for one change, all are counted, and the same question again judges none;
    of a decision so many lines are kept by name.
    """
    tried = 6
    monkeypatch.setattr(foretold, "LINES_TRIED_MAX", tried)
    many = tried + 3
    judged(g.node, "26NLREACH4", *[1] * many)
    asked = rows_of(recognition(effect=Effect.INFORMATION_ONLY, valid_from=1_600_000_002))
    first = g.tried(asked)["reach"]
    assert first["judged"] <= tried and first["lines"] >= many

    foretelling = g.node.service.proposing.governance._reach._foretelling
    monkeypatch.setattr(foretelling, "_judged", lambda *_: pytest.fail("it is judged again"))
    monkeypatch.setattr("node.verdicts.foretelling.KEPT_S", 10**12)
    foretelling._kept = type(foretelling._kept)(
        (((k[0], k[1], k[2], 0), v) for k, v in foretelling._kept.items())
    )
    assert g.tried(asked)["reach"] == first
    monkeypatch.undo()

    monkeypatch.setattr(reached, "LINES_KEPT_MAX", 5)
    with g.node.service.stores.office.writing() as db:
        assert ReachedLines.put(db, 999_999, bytes(32), 7, {DID}, 0) >= many
    office = g.node.service.stores.office.reached
    found = office.of_proposal(bytes(32))
    assert found is not None and found.lines >= many and len(office.lines(999_999, 100)) == 5
    assert office.counts(999_999) == (5, 0)


def test_a_line_is_tried_beside_the_other_lines_that_share_its_further_code(g: GovernedNode) -> None:
    """
    X17: it is held already, as it is judged. It was tried as if no other line of its consignment had named
    that code.
    """
    node, label = g.node, "https://id.gs1.org/01/09521001000000/21/7"
    issue(node, 6)
    issue(node, 7, label)
    lines = judged(node, "26NLREACH6", 6, 7)
    about = node.service.overview.gathering.subject_of(label)
    assert about is not None
    with node.service.stores.office.writing() as db:
        put_rests(db, lines, 1, [("subject", standing_key(about))])  # as of another maker's battery

    (given,) = [one for one in g.decided()["recognitions"] if one["issuer"] == DID]
    table = {**recognition().as_table(), "suspended": [[int(time.time())]]}
    reach = g.tried([{"type": "recognition", "name": given["id"], "table": table}])["reach"]
    told = {one["line"]: one["before"] for one in reach["items"] if one["consignment"] == lines}
    assert told == {1: "clear"}


def test_whom_a_change_concerns_is_read_off_its_records() -> None:
    """
    A class in a jurisdiction, one party, a key's owner, a licence's holder; anybody; nobody.
    """
    governance = make_genesis().governance
    of_class = recognition(issuer="*", issuer_class="manufacturer", issuer_jurisdiction="CN")
    of_all = recognition(issuer="*")
    of_side = recognition(issuer="*", issuer_jurisdiction="EU")
    found = replace(governance, recognitions=(of_class, of_all, of_side, recognition(issuer=MAKER)))

    def concerned(kind: str, name: str) -> set[str] | None:
        return parties_concerned(found, [(kind, name)])

    makers = {
        d for d, p in found.participants.items() if "manufacturer" in p.roles and p.jurisdiction == "CN"
    }
    assert MAKER in makers and concerned("recognition", of_class.id) == makers
    side = {d for d, p in found.participants.items() if p.jurisdiction == "EU"}
    assert concerned("recognition", of_side.id) == side
    assert concerned("recognition", of_all.id) is None
    assert concerned("accreditation", "of a decision to come") is concerned("recognition", "the same") is None
    assert concerned("limits", "") == set()
    assert concerned("recognition", recognition(issuer=MAKER).id) == {MAKER}
    assert concerned(STOP, f"{CN_AUTHORITY}#attest-1") == {CN_AUTHORITY}
    assert concerned("participant", MAKER) == {MAKER}
    licence = found.accreditations[0]
    assert concerned("accreditation", licence.id) == {licence.participant}
    assert concerned("rule", "lifecycle.json") is None and concerned("app_version", "") is None
    assert concerned("limits", "") == set()
