"""A participant leaves a network that runs, and a validator retires: said at their own nodes, which go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.net.batteries import code_of, issue, wait_receipted
from tests.harness.net.harness import FIVE, IMPORTER, JSON, PASSPHRASE, Node, comity, running, wait

pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    with running(tmp_path_factory.mktemp("leaving"), FIVE, ready_s_max=60.0, forked=True) as made:
        yield made


def told(node: Node, code: str) -> Any:
    """The condition of that code at a node, once it is there."""
    found: list[Any] = []

    def there() -> bool:
        conditions = node.request("GET", "/readyz")[1]["conditions"]
        found[:] = [one for one in conditions if one["code"] == code]
        return bool(found)

    wait(f"{code} at {node.party.name}", there)
    return found[0]


def test_who_leaves_is_told_by_its_own_node_which_serves_on(
    nodes: dict[str, Node], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The block in which it left comes to it, and no later one. Its node is ready, says since when and by which
    proposal, in its log, at /readyz, on its pages and by `comity network show`; what it holds it serves, and
    what it would say is refused with the reason.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    leaver, maker = nodes[IMPORTER.name], nodes["maker"]
    digest = str(issue(maker, 8_100_001)["digest"])
    wait_receipted(maker, digest)
    wait("the receipt", lambda: leaver.status_of(f"/receipts/{digest}") == 200)
    members = {"art_41_checked": True, "queue": True}
    body = {"event": "market.placed", "battery": code_of(8_100_009), "members": members}
    waiting = leaver.post("/attestations", body)["digest"]
    assert leaver.get(f"/attestations/{waiting}")["state"] == "outbox", "that battery was not made yet"
    capsys.readouterr()

    recovery: list[str | Path] = [
        "--recovery",
        leaver.data / "recovery.enc",
        "--passphrase-file",
        leaver.passphrase_file,
    ]
    assert comity("network", "leave", "--data", leaver.data, *recovery, "--yes") == 0
    proposal = re.findall(r"^proposal (\S+) by", capsys.readouterr().out, re.M)[-1]
    condition = told(leaver, "own_left")
    wait("the proposal", lambda: maker.status_of(f"/governance/proposals/{proposal}") == 200)
    left = maker.get(f"/governance/proposals/{proposal}")

    assert condition["parameters"]["decision"] == proposal
    assert condition["parameters"]["height"] == left["in_force"]
    issue(maker, 8_100_002)
    wait("later blocks", lambda: maker.height() >= left["in_force"])
    assert leaver.height() == left["in_force"] - 1
    assert leaver.status_of("/readyz") == 200
    for path in (f"/receipts/{digest}", "/.well-known/did.json", "/log/checkpoint"):
        assert leaver.status_of(path) == 200
    status, page = leaver.request("GET", "/status", accept="text/html")
    assert status == 200 and "This participant takes part no more since" in page
    assert comity("network", "show", "--data", leaver.data) == 0
    assert f"this node: {condition['text']}" in capsys.readouterr().out
    logged = leaver.wait_for("condition", code="own_left", holds=True)
    assert logged["parameters"] == condition["parameters"]

    body = {"event": "market.placed", "battery": code_of(8_100_001), "members": {"art_41_checked": True}}
    status, refused = leaver.request("POST", "/attestations", body)
    assert (status, refused["code"]) == (422, "X9")
    assert "left this network and says nothing in it any more" in refused["detail"]
    wait("the outbox", lambda: leaver.get(f"/attestations/{waiting}")["state"] == "dropped", 40.0)
    dropped = leaver.get(f"/attestations/{waiting}")
    assert "left this network" in dropped["refusal"]["text"]
    assert sum(moment["code"] == "own_left" for moment in leaver.moments("condition")) == 1
    leaver.stop()
    leaver.start()
    leaver.wait_ready(60.0)
    assert told(leaver, "own_left")["parameters"] == condition["parameters"]

    def wrong() -> list[str]:
        return [one["code"] for one in leaver.request("GET", "/readyz")[1]["conditions"]]

    wait("nothing else to be wrong", lambda: wrong() == ["own_left"])


def test_a_validator_that_retires_is_told_so_and_follows(
    nodes: dict[str, Node], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    From the height on that the decision names; it holds every later block. Taken into the set again, it is
    told that, and votes.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    cn, eu, customs = nodes["cn"], nodes["eu"], nodes["customs"]
    others = [nodes[name].party.did for name in ("maker", "cn", "eu")]
    capsys.readouterr()

    def decide(*validators: str) -> JSON:
        assert comity("network", "propose", "validators", *validators, "--data", cn.data, "--yes") == 0
        proposal = re.findall(r"^proposal (\S+) by", capsys.readouterr().out, re.M)[-1]
        path = f"/governance/proposals/{proposal}"
        wait("the proposal", lambda: eu.status_of(path) == 200)
        assert comity("network", "approve", proposal, "--data", eu.data, "--yes") == 0
        wait("the decision", lambda: eu.get(path)["outcome"] == "decided")
        return {"decision": proposal, "height": eu.get(path)["in_force"]}

    decided = decide(*others)
    condition = told(customs, "own_vote_ended")

    assert decided.items() <= condition["parameters"].items()
    digest = str(issue(nodes["maker"], 8_100_003)["digest"])
    wait_receipted(nodes["maker"], digest)
    wait("the same at who retired", lambda: customs.status_of(f"/receipts/{digest}") == 200)
    assert customs.status_of("/readyz") == 200
    assert not customs.get("/status")["validator"]

    decided = decide(*others, customs.party.did)
    assert decided.items() <= told(customs, "own_vote_began")["parameters"].items()
    wait("its vote", lambda: bool(customs.get("/status")["validator"]))
