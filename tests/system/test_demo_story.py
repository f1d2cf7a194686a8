"""The running demo network changes under its own feet, while passports are issued and goods are judged.

Nobody who was there is started again. Every act is a command, typed at the node of whoever may give it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from node.demo import scenario
from node.demo.play import Desk
from tests.harness.demo_fixture import DemoNetwork, ended
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.net.harness import Node, Party, comity, free_ports, wait

pytestmark = pytest.mark.check

MAKER, CN, EU, CUSTOMS = "manufacturer", "cn-authority", "eu-authority", "customs"
DID = {party.key: party.did for party in scenario.PARTIES}
FORGE = Party("forge", "CN", ("manufacturer",), schemes=(("gbt34014", "ZZ7"),))
INDIA = Party("in-authority", "IN", ("authority",), validator=False)
GARAGE = Party("garage", "EU", ("workshop", "lab"), validator=False)
ROLES = ("vote", "cosign", "log", "attest", "credential", "transport")
LIFECYCLE = "lifecycle.json"
SCHEME = Path(__file__).parents[1] / "harness" / "india" / "scheme-zin.json"
INDIAN = "2606BQQZAM00010000042"  # a code of that scheme
FIRST_SERIAL, HOUR_S = 5_000_000, 3_600
PAUSE_S = 0.8  # between a passport and the next, a pair of verdicts and the next: ten nodes share two cores


@dataclass
class Trade:
    """What goes on all the while: passports at the maker, verdicts at customs. Ended by `stop`."""

    maker: Desk
    customs: Desk
    acknowledged: list[str] = field(default_factory=list)  # digests that the maker's node took over
    words: list[tuple[str, str]] = field(default_factory=list)  # of an honest line, and of one that is not
    failed: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(turn,)) for turn in (self._issue, self._judge)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, turn: Any) -> None:
        try:
            while not self._over.wait(PAUSE_S):
                turn()
        except BaseException as error:
            self.failed.append(error)

    def _issue(self) -> None:
        serial = FIRST_SERIAL + len(self.acknowledged)
        made = self.maker.post("/passports", {"code": code_of(serial), "claims": claims_of(serial)})
        self.acknowledged.append(str(made["digest"]))

    def _judge(self) -> None:
        lines = (
            scenario.line_of(n, scenario.CONSIGNMENT[n - 1]) | {"law_date": scenario.LAW_DATE}
            for n in (1, scenario.REVOKED)
        )
        honest, revoked = (str(self.customs.post("/clearance", line)["verdict"]) for line in lines)
        self.words.append((honest, revoked))

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)


@dataclass
class Story:
    """The network, its newcomers, and what its operators type."""

    demo: DemoNetwork
    folder: Path
    capsys: pytest.CaptureFixture[str]
    newcomers: dict[str, Node] = field(default_factory=dict)

    def data(self, who: str) -> Path:
        return self.newcomers[who].data if who in self.newcomers else self.demo.root / who

    def get(self, who: str, path: str) -> Any:
        return self.newcomers[who].get(path) if who in self.newcomers else self.demo.desk(who).get(path)

    def knows(self, who: str, path: str) -> bool:
        if who in self.newcomers:
            return self.newcomers[who].status_of(path) == 200
        desk = self.demo.desk(who)
        return desk.http.get(desk.url + path, timeout=10).status_code == 200

    def types(self, *words: str | Path, code: int = 0) -> str:
        """A command, and what it prints."""
        self.capsys.readouterr()
        given = comity(*words)
        got = self.capsys.readouterr()
        assert given == code, (words, got)
        return got.out + got.err

    def proposes(self, who: str, *words: str | Path, approved: tuple[str, ...] = ()) -> None:
        """A change: proposed, approved by those, in force at every node."""
        self.decided(self.types(*words, "--data", self.data(who), "--yes"), *approved)

    def decided(self, told: str, *approving: str) -> None:
        digest = re.findall(r"^proposal (\S+)[ :]", told, re.M)[-1].rstrip(":")
        path = f"/governance/proposals/{digest}"
        for who in approving:
            wait("the proposal", lambda: self.knows(who, path))  # noqa: B023
            self.types("network", "approve", digest, "--data", self.data(who), "--yes")
        wait("the proposal", lambda: self.knows(CUSTOMS, path))
        wait("the decision", lambda: self.get(CUSTOMS, path)["outcome"] != "open")
        over = self.get(CUSTOMS, path)
        assert over["outcome"] == "decided", over
        for who in self.everybody:
            wait("the change", lambda: self.get(who, "/status")["height"] >= over["in_force"])  # noqa: B023

    @property
    def everybody(self) -> list[str]:
        running = [name for name, node in self.newcomers.items() if node.process is not None]
        return [*(party.key for party in scenario.PARTIES), *running]

    def produced(self, serial: int, **members: int) -> str:
        """What became of a battery that the second maker says it made: admitted, or a refusal's code."""
        forge, code = self.newcomers[FORGE.name], code_of(serial, "ZZ7")
        made = {"production_date": f"2026-06-{1 + serial % 28:02d}", "category": "ev", **members}
        order = {"event": "battery.produced", "battery": code, "members": made}
        status, told = forge.request("POST", "/attestations", order)
        if status not in (200, 201, 202):
            return str(told["code"])
        path = f"/attestations/{told['digest']}"
        wait("what became of it", lambda: forge.get(path)["state"] in ("admitted", "receipted", "refused"))
        refusal = forge.get(path).get("refusal")
        return str(refusal["code"]) if refusal else "admitted"

    def recognised(self) -> set[str]:
        """The requirements for which the EU recognises what is Chinese, as customs says of the first line."""
        line = scenario.line_of(1, scenario.CONSIGNMENT[0]) | {"law_date": scenario.LAW_DATE}
        found = self.demo.desk(CUSTOMS).post("/clearance", line)["recognition"]
        return {row["row"] for row in found if "row" in row}

    def joins(self, party: Party, sponsor: str, *approving: str) -> Node:
        """`init`, `keys prove`, `network invite`, the approvals, the fingerprint, `network join`, `serve`."""
        passphrase = self.demo.root / "passphrase"
        node = Node(party, self.folder / party.name, free_ports(1)[0], passphrase)
        opened = ("--passphrase-file", passphrase)
        roles = [word for role in party.roles for word in ("--role", role)]
        made = ["--did", party.did, "--name", party.name, "--jurisdiction", party.jurisdiction, *roles]
        made += ["--validator"] if party.validator else []
        self.types("init", "--data", node.data, *made, *opened)
        network_id = self.get(sponsor, "/status")["network"]["id"]
        proofs, licence = (self.folder / f"{party.name}.{name}.toml" for name in ("proofs", "licence"))
        proofs.write_text(self.types("keys", "prove", "--data", node.data, "--id", network_id, *opened))
        licence.write_text(
            f'[[accreditations]]\nparticipant = "{party.did}"\nroles = {json.dumps(party.roles)}\n'
            f'schemes = {json.dumps(party.schemes)}\njurisdiction = "{party.jurisdiction}"\n'
        )
        card = node.data / "participant.toml"
        invite = ("network", "invite", card, "--data", self.data(sponsor))
        offered = ("--proofs", proofs, "--accreditation", licence, "--address", node.url, "--yes")
        self.decided(self.types(*invite, *offered), *approving)
        told = re.findall(r"^([0-9]+-[0-9a-f]{64})$", self.types(*invite), re.M)[0]
        via = self.demo.desk(sponsor).url
        self.types("network", "join", "--data", node.data, "--via", via, "--fingerprint", told, *opened)
        self.newcomers[party.name] = node
        node.start()
        node.wait_ready()
        return node


@pytest.fixture
def story(
    demo: DemoNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Story]:
    monkeypatch.setenv("COMITY_PASSPHRASE", (demo.root / "passphrase").read_text().strip())
    told = Story(demo, tmp_path, capsys)
    try:
        yield told
    finally:
        for node in told.newcomers.values():
            node.stop()


def test_the_running_demo_network_changes_and_nothing_is_lost(story: Story) -> None:
    """
    Three join, one is promoted, one retires, a validator gets new keys, a maker is stopped and let go, a
    recognition goes and comes back, rules change; what is acknowledged meanwhile is recorded, goods judged.
    """
    pids = [node["pid"] for node in story.demo.state["nodes"].values()]
    trade = Trade(story.demo.desk(MAKER), story.demo.desk(CUSTOMS))
    receipts = Receipts(story)
    try:
        a_maker_and_an_authority_join(story)
        a_third_jurisdiction_has_a_say(story)
        receipts.keep(trade.acknowledged[0])
        one_is_promoted_and_one_retires(story)
        receipts.keep(trade.acknowledged[-5])
        a_validator_gets_new_keys(story)
        receipts.keep(trade.acknowledged[-5])
        a_maker_is_stopped_and_let_go(story)
        a_recognition_goes_and_comes_back(story)
        a_rule_changes(story)
        a_workshop_joins_what_became_of_it(story)
        receipts.keep(trade.acknowledged[-5])
    finally:
        trade.stop()
    assert trade.failed == []
    nothing_is_lost(story, trade)
    receipts.all_valid()
    assert all(map(of_the_demo, pids))
    print(
        f"the story: {len(trade.acknowledged)} passports and {len(trade.words)} verdicts beside "
        f"{story.get(CUSTOMS, '/governance')['height']} blocks"
    )


FORGED = code_of(7_000_001, "ZZ7")


def a_maker_and_an_authority_join(story: Story) -> None:
    """A second maker by its authority, an authority of a third jurisdiction by all."""
    forge = story.joins(FORGE, CN)
    india = story.joins(INDIA, EU, CN)

    made = forge.post("/passports", {"code": FORGED, "claims": claims_of(7_000_001, maker="ZZ7")})
    wait("its receipt", lambda: bool(forge.get(f"/passports/{made['digest']}")["receipted_at"]))
    wait("its passport", lambda: india.status_of(f"/batteries/{FORGED}") == 200)


def a_workshop_joins_what_became_of_it(story: Story) -> None:
    """After all that: other validators, other keys, another policy of the log, another life cycle."""
    garage = story.joins(GARAGE, EU)

    assert garage.status_of(f"/batteries/{FORGED}") == 200
    at = garage.height()
    wait("customs to be as far", lambda: story.get(CUSTOMS, "/status")["height"] >= at)
    assert garage.get(f"/governance?height={at}") == story.get(CUSTOMS, f"/governance?height={at}")


def a_third_jurisdiction_has_a_say(story: Story) -> None:
    """What concerns all needs the consent of its authority too, as here that a stop is for an hour."""
    assert story.get(CUSTOMS, "/governance")["approvals"]["jurisdictions"] == ["CN", "EU", "IN"]
    rules = story.folder / "approvals.toml"
    rules.write_text(f"[governance]\nstop_s = {HOUR_S}\n")
    story.proposes(CN, "network", "propose", "approvals", rules, approved=(EU, INDIA.name))


def one_is_promoted_and_one_retires(story: Story) -> None:
    """The second maker votes in place of the first: neither is started again."""
    forge = story.newcomers["forge"]
    assert list(forge.moments("precommit")) == []
    five = [*(DID[key] for key in (MAKER, CN, EU, CUSTOMS)), FORGE.did]

    story.proposes(CN, "network", "propose", "validators", *five, approved=(EU, INDIA.name))
    forge.wait_for("precommit")
    forge.wait_for("cosign")
    story.proposes(CN, "network", "propose", "validators", *five[1:], approved=(EU, INDIA.name))
    assert {one["did"] for one in story.get(CUSTOMS, "/governance")["validators"]} == set(five[1:])


def a_validator_gets_new_keys(story: Story) -> None:
    """Every key of customs is replaced while it votes."""

    def keys() -> set[str]:
        parties = story.get(EU, "/governance")["participants"]
        party = next(p for p in parties if p["did"] == DID[CUSTOMS])
        return {key["id"].partition("#")[2] for key in party["keys"]}

    before, voted = keys(), moments(story, CUSTOMS, "precommit")
    opened = ("--recovery", story.data(CUSTOMS) / "recovery.enc")
    told = story.types("keys", "rotate", *ROLES, "--data", story.data(CUSTOMS), *opened, "--yes")
    story.decided(told, EU, CN, INDIA.name)

    assert keys() - before == {f"{role}-2" for role in ROLES}
    wait("customs to vote on", lambda: moments(story, CUSTOMS, "precommit") > voted + 5)


def moments(story: Story, who: str, at: str) -> int:
    """How often the node of the demo logged this."""
    return (story.data(who) / "node.log").read_text(errors="replace").count(f'"at": "{at}"')


def a_maker_is_stopped_and_let_go(story: Story) -> None:
    """For an hour nothing that it says is recorded, unless it is let go before: then it speaks again."""
    story.proposes(CN, "network", "propose", "stop", FORGE.did)
    (stop,) = story.get(CUSTOMS, "/governance")["stops"]
    assert (stop["target"], stop["state"], stop["until"] - stop["since"]) == (FORGE.did, "in_force", HOUR_S)
    assert story.produced(7_000_002) == "stopped"
    story.proposes(CN, "network", "propose", "lift-stop", FORGE.did)
    assert story.produced(7_000_002) == "admitted"


def a_recognition_goes_and_comes_back(story: Story) -> None:
    """What the EU makes of a Chinese statement is withdrawn, is no more said of it, and is given again."""
    given = story.get(EU, "/governance")["recognitions"]
    ours = next(one for one in given if one["authority"] == DID[EU])
    before = story.recognised()
    again = story.folder / "recognition.toml"
    says = ("authority", "jurisdiction", "issuer", "issuer_jurisdiction", "rows", "effect", "legal_basis")
    again.write_text(tomli_w.dumps({"recognitions": [{name: ours[name] for name in says}]}))

    story.proposes(EU, "network", "propose", "withdraw-recognition", ours["id"])
    assert before and story.recognised() == set()
    story.proposes(EU, "network", "propose", "recognise", again)
    assert story.recognised() == before


def a_rule_changes(story: Story) -> None:
    """
    A mass that the old life cycle takes is refused under the new one, and customs reads codes of the scheme
    that India brings: files, which all hold before.
    """
    assert reason_of(story, INDIAN) == "identifier_invalid"
    assert story.produced(7_000_003, mass_grams=600_000) == "admitted"
    table = json.loads((story.data(CUSTOMS) / "network" / "rules" / LIFECYCLE).read_text())
    (made,) = (event for event in table["events"] if event["type"] == "battery.produced")
    made["members"]["mass_grams"]["maximum"] = 500_000
    newer = story.folder / LIFECYCLE
    newer.write_text(json.dumps(table))

    for who in story.everybody:
        for file in (newer, SCHEME):
            story.types("network", "rules", "add", file, "--data", story.data(who))
    story.proposes(CN, "network", "propose", "rules", newer, SCHEME, approved=(EU, INDIA.name))
    assert story.produced(7_000_004, mass_grams=600_000) == "value_impossible"
    assert story.produced(7_000_005, mass_grams=400_000) == "admitted"
    assert reason_of(story, INDIAN) == "not_found"


def reason_of(story: Story, code: str) -> str:
    """Why customs says what it says of a battery."""
    told = story.demo.desk(CUSTOMS).post("/clearance", {"battery": code, "law_date": scenario.LAW_DATE})
    return str(told["reason"])


def nothing_is_lost(story: Story, trade: Trade) -> None:
    """Every passport that was acknowledged is on the ledger of each node; the lines kept their words."""
    assert len(trade.acknowledged) > 20 and len(trade.words) > 20
    assert set(trade.words) == {("clear", "refuse_recommended")}
    for digest in trade.acknowledged:
        path = f"/passports/{digest}"
        wait(f"the receipt of {digest}", lambda: bool(story.get(MAKER, path)["receipted_at"]))  # noqa: B023
    at = story.get(MAKER, "/status")["height"]
    for who in story.everybody:  # who only follows hears of the last block a moment later
        wait(f"{who} to be as far", lambda: story.get(who, "/status")["height"] >= at)  # noqa: B023
    for number in range(len(trade.acknowledged)):
        for who in story.everybody:
            standing = story.get(who, f"/batteries/{code_of(FIRST_SERIAL + number)}")["standing"]
            assert standing["publication"] == "active", (who, number)


class Receipts:
    """Proofs taken along the way, and the policy of a device that knows the founding one only."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.policy = story.data(CUSTOMS) / "network" / "log.policy"
        self.kept: list[Path] = []

    def keep(self, digest: str) -> None:
        desk = self.story.demo.desk(MAKER)
        wait("the receipt", lambda: bool(desk.get(f"/passports/{digest}")["receipted_at"]))
        path = self.story.folder / f"{len(self.kept)}.tlog-proof"
        path.write_text(desk.text(f"/receipts/{digest}"))
        self.kept.append(path)

    def all_valid(self) -> None:
        """The first under the founding policy alone, all with the file that leads to the newest."""
        epochs = self.story.folder / "epochs"
        self.story.types("log", "epochs", "--data", self.story.data(CUSTOMS), "--output", epochs)
        verify = ("receipt", "verify")
        self.story.types(*verify, self.kept[0], "--policy", self.policy)
        for receipt in self.kept:
            told = self.story.types(*verify, receipt, "--policy", self.policy, "--epochs", epochs)
            assert told.startswith("valid: entry")


def of_the_demo(pid: int) -> bool:
    return b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_ctrl_c_is_an_orderly_end(demo: DemoNetwork) -> None:
    """
    Ctrl-C, which a terminal sends to the whole process group, ends the demo in order and leaves nothing. The
    last test of this file: it ends the demo of the others.
    """
    os.killpg(demo.state["pid"], signal.SIGINT)

    ended([demo.state["pid"], *(node["pid"] for node in demo.state["nodes"].values())])
    assert demo.said().rstrip().endswith("Stopping the six nodes.")
