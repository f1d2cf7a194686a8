"""A verdict of the past under the rules of its time: computed again from the blocks, to the byte."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from credentials.ledger.genesis import Genesis
from credentials.ledger.governance_records import RuleFiles
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.evidence import Evidence
from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from credentials.verdicts.readiness import readiness
from node import config, rules_in_force
from node.__main__ import run
from node.config import DataDirectory, shipped
from node.ledger import snapshot, snapshot_join
from node.ledger.chain import constitution_of
from node.ledger.rebuilding import _replay
from node.service import Service
from node.setup import network
from node.setup.wiring import open_service
from node.storage.ledger import LedgerStore
from node.verdicts.declarations import Declarations
from node.verdicts.sources import Gathering, Reading
from tests import harness
from tests.harness.governed_node import CN_AUTHORITY, DID, GovernedNode, governed_node
from tests.harness.support_service import PASSPHRASE
from tests.node.test_watching import GOODS, attest, code_of, issue

pytestmark = pytest.mark.check  # a node that is started twice, and its ledger executed often

INDIA = Path(str(harness.__file__)).parent / "india"
LAW_DATE = "2027-03-01"
Table = dict[str, Any]
Moment = tuple[int, int, int]  # height, seconds, how old the own status lists were, in seconds


# -- other rules -----------------------------------------------------------------------------------------


def fewer_points(table: Table) -> None:
    table["dataPoints"] = table["dataPoints"][:40]


def other_paths(table: Table) -> None:
    table["dataPoints"]["1"] = {"any": [{"path": "GeneralProductInformation.nothing"}]}


def other_audiences(table: Table) -> None:
    table["audiences"] = {name: ["1", "2", "3", "4"] for name in table["audiences"]}


def other_chemistry(table: Table) -> None:
    confirmed = table["chemistry"]["confirmed"]
    confirmed["B"], confirmed["E"] = confirmed["E"], confirmed["B"]


def other_events(table: Table) -> None:
    table["events"]["origin"] = ["battery.sold"]
    table["events"]["ended"]["produced"] = "waste"


def fewer_rows(table: Table) -> None:
    table["rows"] = table["rows"][:20]


def other_evidence(table: Table) -> None:
    table["rows"]["ID-01"]["parts"][0]["accepts"] = [{"datapoints": [71]}]


def other_stages(table: Table) -> None:
    table["$comment"] = "Says the same."


CHANGES: Mapping[str, Callable[[Table], None]] = {
    "annex-xiii-access.json": other_audiences,
    "crosswalk-eu-cn.json": fewer_rows,
    "crosswalk-evidence.json": other_evidence,
    "eu-datapoints-v2.json": fewer_points,
    "gbt34014.json": other_chemistry,
    "lifecycle.json": other_stages,
    "passport-paths.json": other_paths,
    "verdicts.json": other_events,
}
TEXTS = {
    "commodity.toml": ('prefixes = ["850760"]', 'prefixes = ["850750"]'),
    "shown-as.toml": (
        '[[note]]\nstate = ["released"]\ndirection = ["import"]\n',
        '[[note]]\nstate = { not = ["unknown"] }\ndirection = ["import"]\n',
    ),
}
ADDED = {name: (INDIA / name).read_bytes() for name in ("crosswalk-in.json", "scheme-zin.json")}
SILENT = {"lifecycle.json", "crosswalk-in.json"}  # of what this line and this jurisdiction are told


def changed_files() -> dict[str, bytes]:
    """Every rule file that can be changed, otherwise; and two that are new."""
    files = {name: shipped(f"rules/{name}") for name in config.RULES_READ}
    found = dict(ADDED)
    for name, change in CHANGES.items():
        table = json.loads(files[name])
        change(table)
        found[name] = json.dumps(table, ensure_ascii=False).encode()
    for name, (old, new) in TEXTS.items():
        text = files[name].decode()
        assert text.count(old) == 1, name
        found[name] = text.replace(old, new).encode()
    assert found.keys() == {*config.RULES_READ, *ADDED}, "every rule file that anything reads"
    return found


# -- as of a height --------------------------------------------------------------------------------------


class Until:
    """The blocks of a ledger up to a height."""

    def __init__(self, ledger: LedgerStore, last: int) -> None:
        self._ledger, self._last, self.pruned = ledger, last, ledger.pruned

    def blocks(self, first: int, count: int, size_bytes_max: int) -> list[tuple[bytes, bytes]]:
        wanted = min(count, self._last - first + 1)
        return self._ledger.blocks(first, wanted, size_bytes_max) if wanted > 0 else []


class AsOf:
    """A node as it was after a block: its ledger executed anew up to there, with what it holds beside it."""

    def __init__(self, service: Service, ledger: LedgerStore, data: Path, height: int, folder: Path) -> None:
        genesis, files = service.overview.genesis, network.joined(DataDirectory(data)).rule_files
        self._scratch = LedgerStore(folder / f"as-of-{time.monotonic_ns()}.db")
        _replay(cast(LedgerStore, Until(ledger, height)), self._scratch, genesis, files)
        self._gathering = gathering_of(service, self._scratch, genesis, files)
        self._office, self._policy = service.stores.office, service.judging._gathering._policy

    def word(self, consignment: str, number: int, at: int, age_s: int) -> bytes:
        """The verdict on a line and the importer's report on it, judged at `at` with lists so old."""
        manifest = orjson.loads(self._office.consignments.manifest(consignment))
        parsed = Manifest.parse(manifest)
        line, raw = parsed.lines[number - 1], manifest["lines"][number - 1]
        evidence = self._gathering.evidence_of(raw, None)
        declarations = Declarations(self._office, self._gathering, self._policy)
        evidence = declarations.beside(line.battery, evidence, parsed.declaration or "")
        return word(parsed, line, in_hand(evidence, at - age_s), self._gathering, at)

    def close(self) -> None:
        self._scratch.close()


def gathering_of(service: Service, ledger: LedgerStore, genesis: Genesis, files: RuleFiles) -> Gathering:
    """What gathers for this node, over another ledger."""
    live = service.judging._gathering
    return Gathering(
        history=constitution_of(ledger, genesis, files).history,
        created=genesis.created,
        did=DID,
        network_key=live._network_key,
        ledger=ledger,
        office=service.stores.office,
        gossip=service.gossip,
        tables=rules_in_force.tables,
        policy=live._policy,
        view=live._view,
    )


def in_hand(evidence: Evidence, at: int) -> Evidence:
    """The own status lists are had at the moment of gathering: at that of then, not of now."""
    lists = {key: replace(had, fetched_at=at) for key, had in evidence.network.status_lists.items()}
    return replace(evidence, network=replace(evidence.network, status_lists=lists))


def word(manifest: Manifest, line: Line, evidence: Evidence, gathering: Gathering, at: int) -> bytes:
    policy = gathering._policy
    context = ManifestContext.of(manifest, evidence.network.tables.identifiers, gathering.key_of)
    said = clear_item(line, evidence, policy, LAW_DATE, at, context).as_dict()
    return orjson.dumps([said, readiness([(line, evidence)], policy, LAW_DATE, at)])


@dataclass(frozen=True)
class Asked:
    """Which lines are judged again, as of which heights and times, and where there is room for it."""

    consignment: str
    moments: list[Moment]
    data: Path
    folder: Path

    def of(self, service: Service, ledger: LedgerStore) -> list[list[bytes]]:
        """For each moment: what is said of both lines, by this ledger."""
        found = []
        for height, *moment in self.moments:
            then = AsOf(service, ledger, self.data, height, self.folder)
            found.append([then.word(self.consignment, number, *moment) for number in (1, 2)])
            then.close()
        return found


# -- the story -------------------------------------------------------------------------------------------


def put_in_force(g: GovernedNode, files: Mapping[str, bytes], folder: Path) -> None:
    """Held by the node, proposed, approved, in force."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
        assert run(["network", "rules", "add", str(folder / name), "--data", str(g.node.data)]) == 0
    rows = [
        {"type": "rule", "name": name, "table": {"sha256": sha256(data).hexdigest()}}
        for name, data in files.items()
    ]
    digest = g.propose(rows)
    g.act(CN_AUTHORITY, "approved", digest)
    over = g.until_over(digest)
    assert over["outcome"] == "decided", over
    g.node.wait(lambda: g.node.service.overview.history.height >= over["in_force"], "the change")


def moment_of(verdict: Mapping[str, Any]) -> Moment:
    """When a line was judged: each has a second of its own, and so has the gathering before it."""
    ages = [source["age_s"] for source in verdict["sources"] if source["source"] == "status_list"]
    return verdict["height"], verdict["evaluated_at"], max(ages, default=0)


def now_at(g: GovernedNode, cid: str) -> tuple[Moment, list[bytes]]:
    """(when, what the running node says of both lines)."""
    service, at = g.node.service, int(time.time())
    live = service.judging._gathering
    manifest = orjson.loads(service.stores.office.consignments.manifest(cid))
    parsed = Manifest.parse(manifest)
    found = []
    for line, raw in zip(parsed.lines, manifest["lines"], strict=True):
        evidence = service.judging.declarations.beside(
            line.battery, live.evidence_of(raw, None), parsed.declaration or ""
        )
        found.append(word(parsed, line, in_hand(evidence, at), live, at))
    return (evidence.network.height, at, 0), found


def differs_alone(g: GovernedNode, cid: str, files: Mapping[str, bytes]) -> set[str]:
    """The files of which each by itself changes what is said of a line today."""
    service, at = g.node.service, int(time.time())
    live = service.judging._gathering
    manifest = orjson.loads(service.stores.office.consignments.manifest(cid))
    parsed = Manifest.parse(manifest)
    rules = dict(service.overview.history.latest.rules)
    gathered = [live.evidence_of(raw, None) for raw in manifest["lines"]]

    def said(rules: Mapping[str, Any]) -> list[bytes]:
        tables = rules_in_force.tables_of(rules)
        under = [replace(found, network=replace(found.network, tables=tables)) for found in gathered]
        return [
            word(parsed, line, evidence, live, at) for line, evidence in zip(parsed.lines, under, strict=True)
        ]

    plain = said(rules)
    return {
        name for name, data in files.items() if said({**rules, name: config.read_table(name, data)}) != plain
    }


def test_a_verdict_is_computed_again_under_the_rules_of_its_time(tmp_path: Path) -> None:
    """
    Every rule file that anything reads is changed, and two are added: each alone changes what is said. The
    verdict and the report of before and of after are computed again as of their heights, on the node that
    lived through it, on one joined by a snapshot, on the one started again: the same bytes, whatever the
    battery went through since.
    """
    files = changed_files()
    with governed_node(tmp_path) as g:
        issue(g.node, 1)
        unread = {"line": 2, "battery": "2606BQQZAM00010000042", **GOODS}
        lines = [{"line": 1, "battery": code_of(1), **GOODS}, unread]
        body = {"declaration": "26NLTIME1", "law_date": LAW_DATE, "direction": "import", "lines": lines}
        cid = str(g.node.post_json("/consignments", body).get_json()["id"])
        g.node.wait(lambda: g.node.get_json(f"/consignments/{cid}")["state"] == "done", "the verdicts")
        office = g.node.service.stores.office
        stored = [orjson.loads(office.consignments.item(cid, n) or b"") for n in (1, 2)]
        firsts = [moment_of(said) for said in stored]
        before = now_at(g, cid)
        assert differs_alone(g, cid, files) == files.keys() - SILENT

        put_in_force(g, files, tmp_path)
        second, after = now_at(g, cid)
        assert all(old != new for old, new in zip(before[1], after, strict=True))
        attest(g.node, "battery.exported", 1, commodity_code="850760", consignee=DID, consignment_id="C-1")
        (last, *_), later = now_at(g, cid)
        assert later[0] != after[0]

        service, data = g.node.service, g.node.data
        asked = Asked(cid, [*firsts, before[0], second], data, tmp_path)
        lived = asked.of(service, service.stores.ledger)
        rows = tmp_path / "ledger.rows"
        written, _ = snapshot.write(service.stores.ledger, service.overview.genesis, rows)
        assert written > second[0] and last > second[0]
        found = network.joined(DataDirectory(data))
        known = snapshot_join.Known(found.genesis, found.policy, found.rule_files)
        snapshot_join.join(rows, known, tmp_path / "joined.db")
        joined = LedgerStore(tmp_path / "joined.db")
        by_snapshot = asked.of(service, joined)
        joined.close()

    with DataDirectory(data).lock():
        again = open_service(DataDirectory(data), PASSPHRASE, 0)
        again.start()
        try:
            restarted = asked.of(again, again.stores.ledger)
        finally:
            again.stop()

    assert lived == by_snapshot == restarted
    assert lived[2:] == [before[1], after]
    assert [orjson.loads(lived[n][n])[0] for n in range(2)] == stored


def test_nothing_is_younger_than_the_verdict_that_rests_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the gathering took: what was had has the age of its moment, and none lies ahead."""
    with governed_node(tmp_path) as g:
        issue(g.node, 1)
        gathering = g.node.service.judging._gathering
        gather = gathering.evidence_of

        def slowly(line: Mapping[str, Any], reading: Reading | None) -> Evidence:
            time.sleep(1.1)  # into another second
            return gather(line, reading)

        monkeypatch.setattr(gathering, "evidence_of", slowly)
        lines = [{"line": 1, "battery": code_of(1), **GOODS}]
        body = {"law_date": LAW_DATE, "direction": "import", "lines": lines}
        cid = str(g.node.post_json("/consignments", body).get_json()["id"])
        g.node.wait(lambda: g.node.get_json(f"/consignments/{cid}")["state"] == "done", "the verdict")
        said = orjson.loads(g.node.service.stores.office.consignments.item(cid, 1) or b"")
        ages = [source["age_s"] for source in said["sources"] if source["source"] == "status_list"]
        assert ages and min(ages) >= 0
