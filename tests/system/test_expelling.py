"""A running network: somebody is renamed, and a validator expelled, from proposal to last block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.net.batteries import code_of, issue, wait_receipted
from tests.harness.net.harness import CUSTOMS, MAKER, PASSPHRASE, VALIDATORS, Node, comity, running, wait

pytestmark = pytest.mark.check  # four processes

OBJECTION_S = 10  # within that the party objects and the authorities approve, however slow this machine is
NAME, LAW_DATE = "Works of another name", "2027-03-01"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    rules = f"objection_s = {OBJECTION_S}"
    root = tmp_path_factory.mktemp("expelling")
    with running(root, VALIDATORS, governance=rules, ready_s_max=60.0, forked=True) as made:
        yield made


def judged(node: Node, declaration: str, serial: int) -> str:
    """The address of the verdict on one line, once it is there."""
    goods = {"goods": "battery", "condition": "new", "commodity_code": "850760"}
    line = {"line": 1, "battery": code_of(serial), **goods}
    body = {"declaration": declaration, "law_date": LAW_DATE, "direction": "import", "lines": [line]}
    path = f"/consignments/{node.post('/consignments', body)['id']}"
    wait("the verdict", lambda: node.get(path)["state"] == "done")
    return f"{path}/items/1"


def names_in(verdict: Any) -> set[str]:
    """What the parties are called that said something of the battery."""
    return {step["issuer_name"] for step in verdict["timeline"]}


def test_a_verdict_keeps_the_names_of_its_time(
    nodes: dict[str, Node], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Renamed since, the maker is called in it as it was called then, on page and in JSON; in a new one as now.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    maker, cn, customs = (nodes[name] for name in ("maker", "cn", "customs"))
    wait_receipted(maker, str(issue(maker, 8_200_009)["digest"]))
    old = judged(customs, "26NLNAMES1", 8_200_009)
    verdict, known = customs.get(old), maker.get("/status")["name"]
    assert names_in(verdict) == {known}
    capsys.readouterr()

    assert comity("network", "propose", "rename", NAME, "--did", MAKER.did, "--data", cn.data, "--yes") == 0
    proposal = re.findall(r"^proposal (\S+)[ :]", capsys.readouterr().out, re.M)[-1].rstrip(":")
    path = f"/governance/proposals/{proposal}"
    wait("the name", lambda: customs.status_of(path) == 200 and customs.get(path)["outcome"] == "decided")
    wait("its first block", lambda: customs.height() >= customs.get(path)["in_force"])
    in_force = customs.get(path)["in_force"]

    def read_once() -> bool:  # an open line is judged again meanwhile, now that who is called what changed
        pages[:] = [customs.get(old), customs.request("GET", old, accept="text/html"), customs.get(old)]
        return bool(pages[0] == pages[2])

    pages: list[Any] = []
    wait("one verdict in JSON and page", read_once)
    verdict, (status, page), _ = pages
    then, other = (known, NAME) if verdict["height"] < in_force else (NAME, known)
    assert names_in(verdict) == {then}
    assert status == 200 and f"{then} (" in page and f"{other} (" not in page
    assert names_in(customs.get(judged(customs, "26NLNAMES2", 8_200_009))) == {NAME}


def test_a_validator_is_expelled_and_the_others_go_on(
    nodes: dict[str, Node],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Proposed by its authority it votes on for as long as it may object; its objection asks for every other
    authority. In force it gets the block that says so and no later one, says so itself, votes and is
    heard no more; passports are receipted by the others, under a log policy that names it no more, and a
    receipt of before is verified by whoever has the first policy alone.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    maker, cn, eu, gone = (nodes[name] for name in ("maker", "cn", "eu", "customs"))
    before = str(issue(maker, 8_200_001)["digest"])
    wait_receipted(maker, before)
    (tmp_path / "before").write_text(maker.get(f"/receipts/{before}"))
    (tmp_path / "first.policy").write_text(maker.get("/log/policy"))
    capsys.readouterr()

    assert comity("network", "propose", "expel", CUSTOMS.did, "--data", eu.data, "--yes") == 0
    proposal = re.findall(r"^proposal (\S+) by", capsys.readouterr().out, re.M)[-1]
    path = f"/governance/proposals/{proposal}"
    for node in (cn, gone):
        wait("the proposal", lambda: node.status_of(path) == 200)  # noqa: B023
    assert comity("network", "object", proposal, "--data", gone.data) == 0
    assert comity("network", "approve", proposal, "--data", cn.data, "--yes") == 0
    assert eu.get(path)["outcome"] == "open" and gone.get("/status")["validator"]
    wait("the decision", lambda: eu.get(path)["outcome"] != "open")
    over = eu.get(path)
    assert over["outcome"] == "decided", over
    assert {"objected", "approved"} <= {act["act"] for act in over["acts"]}

    after = str(issue(maker, 8_200_002)["digest"])
    for node in (maker, cn, eu):
        wait("the receipt", lambda: node.status_of(f"/receipts/{after}") == 200)  # noqa: B023
    governing = eu.get("/governance")
    assert CUSTOMS.did not in [one["did"] for one in governing["validators"]] and governing["quorum"] == 3
    wait("it to know", lambda: gone.height() == over["in_force"] - 1 and "own_left" in conditions(gone))
    assert gone.status_of("/readyz") == 200 and gone.status_of(f"/receipts/{before}") == 200
    body = {"event": "market.placed", "battery": code_of(8_200_001), "members": {"art_41_checked": True}}
    status, refused = gone.request("POST", "/attestations", body)
    assert (status, refused["code"]) == (422, "X9")

    assert comity("log", "epochs", "--data", maker.data, "-o", tmp_path / "led") == 0
    walk: list[str | Path] = ["log", "walk", tmp_path / "first.policy", tmp_path / "led"]
    assert comity(*walk, "-o", tmp_path / "newest.policy") == 0
    assert CUSTOMS.name in (tmp_path / "first.policy").read_text()
    assert CUSTOMS.name not in (tmp_path / "newest.policy").read_text()
    (tmp_path / "after").write_text(maker.get(f"/receipts/{after}"))
    for receipt in ("before", "after"):
        verify: list[str | Path] = ["receipt", "verify", tmp_path / receipt]
        verify += ["--policy", tmp_path / "first.policy", "--epochs", tmp_path / "led"]
        assert comity(*verify) == 0, receipt


def conditions(node: Node) -> set[str]:
    """The codes of what a node says of itself."""
    return {one["code"] for one in node.request("GET", "/readyz")[1]["conditions"]}
