"""Rule files that change on a running node: found, said once to be held; nothing of what cannot be read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consensus.types import Block
from credentials.documents.canonical import b64u_decode
from credentials.ledger import governance_records
from credentials.ledger.governance_state import HELD
from node import config, rules_in_force
from node.__main__ import run
from node.config import DataDirectory, rule_files, shipped
from node.errors import SetupError
from node.issuing.holding import RuleHolding
from node.service import Service
from node.setup.wiring import open_service
from tests.harness.governed_node import CN_AUTHORITY, DID, GovernedNode, governed_node
from tests.harness.support_service import CODE, PASSPHRASE

LIFECYCLE = "lifecycle.json"


@pytest.fixture(scope="module")
def g(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GovernedNode]:
    with governed_node(tmp_path_factory.mktemp("rules")) as found:
        yield found


def changed(name: str, data: bytes) -> list[dict[str, Any]]:
    return [{"type": "rule", "name": name, "table": {"sha256": sha256(data).hexdigest()}}]


def newer(name: str = LIFECYCLE, mark: int = 0) -> bytes:
    """A rule file that says the same in other bytes."""
    return (rule_files() | {"verdicts.json": shipped("rules/verdicts.json")})[name] + b"\n" * (mark + 1)


def guarded_by(rule: str) -> bytes:
    table = json.loads(rule_files()[LIFECYCLE])
    table["events"][0].setdefault("guards", []).append(rule)
    return json.dumps(table).encode()


def added(g: GovernedNode, data: bytes, name: str, where: Path) -> int:
    where.write_bytes(data)
    return run(["network", "rules", "add", str(where), "--data", str(g.node.data), "--as", name])


def said(service: Service, document: bytes) -> int:
    """How often the node said that it holds the files of a proposal."""
    return len([i for i in service.stores.office.outbox.of_document(document) if i.kind == HELD])


def rounds(g: GovernedNode) -> None:
    """The node's own thread has looked once more, from the beginning, and said what it says."""
    holding: Any = next(w for w in g.node.service.supervisor.works if w.name == "rule files")
    looked = threading.Event()

    def told() -> None:
        RuleHolding.round(holding)
        looked.set()

    holding.round = told  # not called here: of two threads that look at once each would say it
    holding.wake()
    g.node.wait(looked.is_set, "the node to look")
    del holding.round


def conditions(g: GovernedNode, *words: str) -> list[str]:
    """The codes of the conditions that the node tells in these words."""
    told = g.node.client.get("/readyz").get_json()["conditions"]
    return [c["code"] for c in told if all(word in c["text"] for word in words)]


def digest_of(digest: str) -> bytes:
    return b64u_decode(digest, "digest")


@pytest.mark.parametrize(
    "name",
    [
        LIFECYCLE,
        *(
            pytest.param(name, marks=pytest.mark.check)
            for name in ("crosswalk-eu-cn.json", "commodity.toml", "verdicts.json")
        ),
    ],
)
def test_a_validator_says_once_that_it_holds_a_file_which_is_put_beside_it(
    g: GovernedNode, tmp_path: Path, name: str
) -> None:
    """
    A proposed file that is not here is named by a condition; put there while the node runs it is found, said
    to be held, once however often is looked, and with the approvals the proposal is decided.
    """
    data = newer(name)
    digest = g.propose(changed(name, data))
    rounds(g)
    assert said(g.node.service, digest_of(digest)) == 0
    g.node.wait(lambda: conditions(g, name) == ["rule_file_lacking"], "what is lacking to be told")

    assert added(g, data, name, tmp_path / name) == 0
    g.node.wait(lambda: said(g.node.service, digest_of(digest)) == 1, "the node to say so")
    rounds(g)
    g.node.wait(
        lambda: DID in g.node.service.proposing.governance.state.tabled[digest_of(digest)].held,
        "it on the ledger",
    )
    rounds(g)
    assert said(g.node.service, digest_of(digest)) == 1
    g.act(CN_AUTHORITY, "approved", digest)

    assert g.until_over(digest)["outcome"] == "decided"
    after = {rule["name"]: rule["sha256"] for rule in g.decided()["rules"]}
    assert after[name] == sha256(data).hexdigest()


@pytest.mark.parametrize(
    "case",
    [
        (LIFECYCLE, guarded_by("X99"), "'X99' is not known"),
        (LIFECYCLE, b"{", "JSON"),
        ("shown-as.toml", b"[rows]\nx = 1\n", "cannot read it"),
        ("unheard-of.json", b"{}", "reads no rule file of that name"),
        ("verdicts.json", b'{"format": 2}', "its format is 2, and this version reads 1"),
    ],
)
def test_nothing_is_said_of_a_file_that_cannot_be_gone_by(
    g: GovernedNode, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: tuple[str, bytes, str]
) -> None:
    """
    An unbuilt guard, no JSON, a table that its reader refuses, a name or format that nobody reads: `add`
    refuses it; put there by hand, nothing is said, and a condition says why. Approved by all it stays open.
    """
    name, data, because = case
    digest = g.propose(changed(name, data))
    assert added(g, data, name, tmp_path / "file") == 65
    assert because in capsys.readouterr().err
    (g.node.data / "network" / "rules" / f"by-hand-{name}").write_bytes(data)

    rounds(g)
    g.act(CN_AUTHORITY, "approved", digest)
    rounds(g)

    assert said(g.node.service, digest_of(digest)) == 0
    assert g.proposal(digest)["outcome"] == "open"
    g.node.wait(lambda: conditions(g, name, because) == ["rule_code_lacking"], "what is lacking to be told")
    assert g.node.post_json(f"/governance/proposals/{digest}/withdraw", {}).status_code == 201
    g.until_over(digest)
    rounds(g)
    g.node.wait(lambda: "rule_code_lacking" not in conditions(g), "nothing to be lacking")


@pytest.mark.check
def test_the_events_that_are_listed_are_those_in_force(
    g: GovernedNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `comity attest --list --data DIR` tells them by the ledger, and the node by `/events`; without either they
    are those of this version, and it says so.
    """
    table = json.loads(rule_files()[LIFECYCLE])
    event = next(e for e in table["events"] if e["type"] == "battery.exported")
    next(iter(event["members"].values()))["text"] = "as was agreed since"
    data = json.dumps(table).encode()
    digest = g.propose(changed(LIFECYCLE, data))
    assert added(g, data, LIFECYCLE, tmp_path / LIFECYCLE) == 0
    rounds(g)
    g.act(CN_AUTHORITY, "approved", digest)
    over = g.until_over(digest)
    g.node.wait(lambda: g.node.service.overview.history.height >= over["in_force"], "the change")
    capsys.readouterr()

    assert run(["attest", "--list", "--data", str(g.node.data)]) == 0
    assert "as was agreed since" in capsys.readouterr().out
    assert "as was agreed since" in g.node.get("/events").get_data(as_text=True)
    assert run(["attest", "--list"]) == 0
    told = capsys.readouterr().out
    assert "as was agreed since" not in told and told.startswith("as shipped with this version")


@pytest.mark.check
def test_a_version_of_the_rules_is_held_by_who_has_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Who has not says so and nothing on the ledger; who has says it once, and blocks are of that version from
    its height on, through a restart. Without the code the node does not start, with one sentence.
    """
    with governed_node(tmp_path) as g:
        digest = g.propose([{"type": "app_version", "name": "", "table": {"app_version": 2}}])
        g.act(CN_AUTHORITY, "approved", digest)
        rounds(g)
        assert said(g.node.service, digest_of(digest)) == 0
        lacking = "version 2 of the ledger's rules"
        g.node.wait(lambda: conditions(g, lacking) == ["version_lacking"], "what is lacking to be told")

        with monkeypatch.context() as newer:
            newer.setattr(governance_records, "APP_VERSIONS", frozenset({1, 2}))
            rounds(g)
            over = g.until_over(digest)
            assert over["outcome"] == "decided" and said(g.node.service, digest_of(digest)) == 1
            g.blocks(over["in_force"])
            ledger, data = g.node.service.stores.ledger, g.node.data
            rows = ledger.blocks(1, 1_000, 1 << 30)
            versions = {b.height: b.app_version for b in (Block.decode(block) for block, _ in rows)}
            assert {h: v for h, v in versions.items() if v == 2} == {
                h: 2 for h in versions if h >= over["in_force"]
            }
    with monkeypatch.context() as newer, DataDirectory(data).lock():
        newer.setattr(governance_records, "APP_VERSIONS", frozenset({1, 2}))
        again = open_service(DataDirectory(data), PASSPHRASE, 0)
        again.start()
        assert again.overview.history.latest.app_version == 2
        again.stop()
    with (
        DataDirectory(data).lock(),
        pytest.raises(SetupError, match=r"by version 2 .* install a newer"),
    ):
        open_service(DataDirectory(data), PASSPHRASE, 0)


@pytest.mark.parametrize(
    "case",
    [
        ("verdicts.json", b'{"format": 2}', "its format is 2"),
        pytest.param(("unheard-of.json", b"{}", "reads no rule file of that name"), marks=pytest.mark.check),
        pytest.param(("shown-as.toml", b"[rows]\nx = 1\n", "cannot read it"), marks=pytest.mark.check),
    ],
)
def test_no_item_is_decided_under_rules_that_this_version_cannot_read(
    g: GovernedNode, case: tuple[str, bytes, str]
) -> None:
    """
    Others hold them, and they come into force: the ledger goes on here, and the node is not ready, says of
    which file and why, and says undecided of each item, instead of going by what it can read.
    """
    name, data, because = case
    before = g.decided()["rules"]
    (g.node.data / "network" / "rules" / f"by-hand-{name}").write_bytes(data)
    digest = g.propose(changed(name, data))
    holding: Any = next(w for w in g.node.service.supervisor.works if w.name == "rule files")
    holding._acts.act(HELD, digest_of(digest))  # as others do, who can read them
    g.act(CN_AUTHORITY, "approved", digest)
    over = g.until_over(digest)
    assert over["outcome"] == "decided"
    history = g.node.service.overview.history
    g.node.wait(lambda: history.height >= over["in_force"], "the change")

    g.node.wait(lambda: "rules_unread" in conditions(g, name, because), "what cannot be read to be told")
    assert g.node.client.get("/readyz").status_code == 503
    item = g.node.post_json("/clearance", {"battery": CODE}).get_json()
    assert (item["verdict"], item["reason"]) == ("undecided", "tables_unavailable")

    back = next((rule["sha256"] for rule in before if rule["name"] == name), None)
    if back is not None:
        again = g.propose([{"type": "rule", "name": name, "table": {"sha256": back}}])
        rounds(g)
        g.act(CN_AUTHORITY, "approved", again)
        over = g.until_over(again)
        assert over["outcome"] == "decided"
        g.node.wait(lambda: history.height >= over["in_force"], "the change back")
        g.node.wait(lambda: "rules_unread" not in conditions(g, name), "all of it to be read")


def test_a_rule_file_that_governs_is_examined_once_and_not_for_each_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A consignment names hundreds of data points: each of them asked all rule files again, seconds a page.
    Counted is this table alone: a node beside this test asks of its own on threads of its own.
    """
    examined, proper = list[str](), rules_in_force.why_unread
    table = json.loads(config.rule_files()[config.DATA_POINTS])
    governance: Any = SimpleNamespace(rules={config.DATA_POINTS: table})

    def counted(name: str, asked: Any) -> str | None:
        if asked is table:
            examined.append(name)
        return proper(name, asked)

    monkeypatch.setattr(rules_in_force, "why_unread", counted)

    found = [rules_in_force.rule_table(config.DATA_POINTS, governance) for _ in range(300)]

    assert all(one is table for one in found)
    assert examined == [config.DATA_POINTS]
