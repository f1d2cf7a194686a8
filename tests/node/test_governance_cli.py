"""`comity network ...` and `comity keys rotate` at a running node: each change by name, its effect shown."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from consensus.encoding import decode
from credentials.documents.canonical import b64u, b64u_decode
from credentials.ledger.attestation import parse_attestation
from node.__main__ import run
from node.cli.change import signed_by_recovery
from node.config import DataDirectory
from node.setup import network as networks
from node.setup.keystore import Keys
from tests.harness.governed_node import (
    CN_AUTHORITY,
    DID,
    EU_AUTHORITY,
    MAKER,
    GovernedNode,
    proposal_of,
    served_node,
)
from tests.harness.ledger import signer
from tests.harness.support_service import PASSPHRASE

NEWCOMER = "did:web:newcomer.example"


@dataclass
class Shell:
    """The command line at a node that runs."""

    g: GovernedNode
    address: str
    out: Callable[[], Any]

    def __call__(self, *words: str | Path, code: int = 0) -> str:
        """Run a command; its output."""
        where = ["--node", self.address, "--key", self.g.node.operator_key]
        got = run([*map(str, words), *where])
        captured = self.out()
        lines = [line for line in captured.err.splitlines() if not line.startswith("{")]
        assert got == code, (got, captured.out, lines)
        return str(captured.out) + "\n".join(lines)

    def decided(self, *words: str | Path) -> str:
        """Propose what this party decides alone; what was printed, once that governs the next block."""
        told = self("network", "propose", *words, "--yes")
        assert ": decided" in told, told
        digest = re.findall(r"^proposal (\S+) by", told, re.M)[-1]
        over = self.g.proposal(digest)
        self.g.node.wait(lambda: self.now()["height"] >= over["in_force"], "it to govern")
        return told

    def now(self) -> Any:
        return self.g.node.get_json("/governance")

    def own(self, code: str) -> Any:
        """What the node says of its own part, at /readyz; None where it says no such thing."""
        conditions = self.g.node.get("/readyz").get_json(force=True)["conditions"]
        return next((one for one in conditions if one["code"] == code), None)

    def licences(self, did: str) -> dict[str, str]:
        """Licence number: state."""
        return {a["licence"]: a["state"] for a in self.now()["accreditations"] if a["participant"] == did}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GovernedNode, str]]:
    with served_node(tmp_path_factory.mktemp("governed")) as served:
        yield served


@pytest.fixture
def sh(
    served: tuple[GovernedNode, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    return Shell(*served, out=capsys.readouterr)


def test_who_governs_is_shown_for_people_and_programs(sh: Shell) -> None:
    """
    Participants, licences with their ids, and what is open; the same as JSON, and at a height.
    """
    text = sh("network", "show")
    told = json.loads(sh("network", "show", "--json"))

    assert f"{EU_AUTHORITY}  EU  " in text and "may approve" in text
    assert all(f"{a['id']}  {a['participant_name']}  in force" in text for a in told["accreditations"])
    assert told["proposals"] == [] and told["approvals"]["approvals_min"] == 2
    assert json.loads(sh("network", "show", "--json", "--height", "1"))["height"] == 1
    assert "knows what governs up to" in sh("network", "show", "--height", "99999", code=65)


def test_a_party_is_named_by_any_spelling_of_its_did(sh: Shell, tmp_path: Path) -> None:
    """
    Scheme, method and host have no case: whom a command names, or a card is made for, is one party.
    """
    own, spelled = EU_AUTHORITY, f" {EU_AUTHORITY.upper()}"

    def concerned(*words: str) -> list[tuple[str, str]]:
        told = json.loads(sh("network", "propose", *words, "--json", "--dry-run"))
        return [(one["type"], one["name"]) for one in told["effect"]["changes"]]

    for words in (("stop", "{}"), ("stop", "{}#attest-1"), ("expel", "{}"), ("rename", "X", "--did", "{}")):
        named, read = ([word.format(did) for word in words] for did in (spelled, own))
        assert concerned(*named) == concerned(*read) != []
    made = ("--name", "N", "--jurisdiction", "EU", "--role", "workshop")
    assert run(["init", "--data", str(tmp_path / "new"), "--did", " DID:WEB:New.Example", *made]) == 0
    assert networks.read_card(tmp_path / "new" / "participant.toml").did == "did:web:new.example"
    assert "is not a DID" in sh("network", "propose", "expel", "nobody", code=65)


def test_a_change_is_shown_exactly_and_asked_about(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever says no has proposed nothing; --json without --yes tries, and no more; with --yes it is proposed.
    """
    before = sh.now()["limits"]["per_issuer_per_day_max"]
    asked: list[str] = []

    def no(text: str, **_: Any) -> bool:

        asked.append(text)
        raise click.Abort

    monkeypatch.setattr("click.confirm", no)
    told = sh("network", "propose", "limits", "per_issuer_per_day_max=5000", code=130)
    assert f"per_issuer_per_day_max: {before} -> 5000" in told
    assert "missing: 1 approval more, including CN; those who can give them: " in told
    assert asked == ["Propose exactly this?"]
    tried = json.loads(sh("network", "propose", "limits", "per_issuer_per_day_max=5000", "--json"))
    assert tried["effect"]["digest"] in told
    assert sh.g.node.get_json("/governance/proposals")["open"] == []

    assert "nothing of that is decided" in sh("network", "history", "--kind", "engine")
    made = json.loads(sh("network", "propose", "limits", "per_issuer_per_day_max=5000", "--json", "--yes"))
    digest = made["digest"]
    assert "open" in sh("network", "show", digest) and "per_issuer_per_day_max" in sh(
        "network", "show", digest
    )
    assert "withdrawn" in sh("network", "withdraw", digest)
    assert f"withdrawn  {digest}" in sh("network", "history")
    assert json.loads(sh("network", "history", "--json"))["history"][0]["proposal"] == digest
    assert "The proposal is over" in sh("network", "withdraw", digest, code=65)


def test_anothers_proposal_is_approved_by_its_effect(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    `approve` prints the effect first; what it approves is decided.
    """
    digest = proposal_of(sh.g, CN_AUTHORITY, 6000)
    asked: list[str] = []
    monkeypatch.setattr("click.confirm", lambda text, **_: asked.append(text))

    told = sh("network", "approve", digest)

    assert "-> 6000" in told and asked == ["Approve exactly this?"]
    assert sh.g.until_over(digest)["outcome"] == "decided"
    again = sh("network", "approve", digest, "--yes", code=65)
    assert re.search(r"nothing to approve: the proposal is decided, and governs from height \d", again, re.M)


def test_an_approval_and_its_end_are_told_to_programs(sh: Shell) -> None:
    """
    `approve`, `withdraw` and `show PROPOSAL` with --json: the act, the proposal with what is missing and who
    can give it, by DID.
    """
    digest = proposal_of(sh.g, MAKER, 6100)

    def acted(*words: str) -> str:
        made = json.loads(sh("network", *words, "--json"))
        assert made["digest"] == digest
        return str(made["act"])

    def missing() -> list[tuple[int, list[str]]]:
        effect = json.loads(sh("network", "show", digest, "--json"))["effect"]
        return [(one["count"], sorted(who["did"] for who in one["of"])) for one in effect["missing"]]

    assert missing() == [(2, sorted([DID, EU_AUTHORITY, CN_AUTHORITY]))]
    assert acted("approve", digest, "--yes") == "approved"
    assert missing() == [(1, sorted([EU_AUTHORITY, CN_AUTHORITY]))]
    assert acted("withdraw", digest) == "approval_withdrawn"
    assert missing() == [(2, sorted([DID, EU_AUTHORITY, CN_AUTHORITY]))]
    sh.g.act(MAKER, "proposal_withdrawn", digest)
    assert sh.g.until_over(digest)["outcome"] == "withdrawn"


def test_a_licence_is_given_suspended_reinstated_and_ended(sh: Shell, tmp_path: Path) -> None:
    """
    Each by its command, in force from the block after its decision.
    """
    file = tmp_path / "licence.toml"
    file.write_text(
        f"""[[accreditations]]
participant = "{MAKER}"
roles = ["manufacturer"]
schemes = [["gbt34014", "ZZ7"]]
jurisdiction = "EU"
licence = "L-7"
"""
    )
    assert "accredits maker.example for EU" in sh.decided("accredit", file)
    found, given = next(
        (a["id"], a["valid_from"]) for a in sh.now()["accreditations"] if a["licence"] == "L-7"
    )
    assert sh.licences(MAKER) == {"L-7": "in_force"}
    assert "suspended: - -> when it is decided" in sh.decided("suspend", found)
    assert sh.licences(MAKER) == {"L-7": "suspended"}
    told = sh.decided("reinstate", found)
    assert re.search(r"suspended: (20\S+ \S+ UTC) -> \1 to when it is decided\n", told)
    assert sh.licences(MAKER) == {"L-7": "in_force"}
    # What was given in this second would end with the next one, which is a time that is told as one.
    sh.g.node.wait(lambda: time.time() >= given + 1, "the second after it was given")
    told = sh.decided("withdraw-licence", found)
    assert "valid_until: - -> when it is decided" in told
    sh.g.node.wait(lambda: sh.licences(MAKER) == {"L-7": "ended"}, "the licence to end")
    assert "there is no accreditation" in sh("network", "propose", "suspend", "nothing", code=65)
    assert "is not suspended" in sh("network", "propose", "reinstate", authority_licence(sh), code=65)


@pytest.mark.parametrize(
    ("what", "text", "says"),
    [
        ("accredit", "[accreditations]\na = 1\n", "accreditations is a list of tables"),
        ("accredit", "accreditations = [1]\n", "accreditations is a list of tables"),
        ("accredit", "[[accreditations]]\n", "an accreditation lacks participant"),
        ("recognise", 'recognitions = "x"\n', "recognitions is a list of tables"),
        ("recognise", "[[recognitions]]\nvalid_from = 1.5\n", "valid_from is a day"),
    ],
)
def test_what_is_written_wrong_in_a_file_is_told_as_in_a_founding_file(
    sh: Shell, tmp_path: Path, what: str, text: str, says: str
) -> None:
    """
    The same sentence, and whose fault it is: no mistake of this software.
    """
    file = tmp_path / "file.toml"
    file.write_text(text)

    assert says in sh("network", "propose", what, file, code=65)


def authority_licence(sh: Shell) -> str:
    return str(next(a["id"] for a in sh.now()["accreditations"] if a["participant"] == EU_AUTHORITY))


def test_a_recognition_is_given_and_withdrawn(sh: Shell, tmp_path: Path) -> None:
    """
    By the recognising side alone; suspended and put back between, and another one given in its place.
    """
    file = tmp_path / "recognition.toml"
    file.write_text(
        f"""[[recognitions]]
authority = "{DID}"
jurisdiction = "EU"
issuer = "*"
issuer_jurisdiction = "CN"
rows = ["ID-06"]
effect = "information-only"
legal_basis = "network-policy"
"""
    )
    sh.decided("recognise", file)
    (given,) = sh.now()["recognitions"]
    assert given["state"] == "in_force"
    assert "is a recognition, not a accreditation" in sh(
        "network", "propose", "withdraw-licence", given["id"], code=65
    ).replace("an accreditation", "a accreditation")
    sh.decided("suspend", given["id"])
    assert sh.now()["recognitions"][0]["state"] == "suspended"
    sh.decided("reinstate", given["id"])
    assert sh.now()["recognitions"][0]["state"] == "in_force"
    other = tmp_path / "other.toml"
    other.write_text(file.read_text().replace("information-only", "accepted-as-lab-evidence"))
    sh.decided("recognise", other)
    sh.decided("withdraw-recognition", given["id"])

    def states() -> dict[str, str]:
        return {one["effect"]: one["state"] for one in sh.now()["recognitions"]}

    replaced = {"information-only": "ended", "accepted-as-lab-evidence": "in_force"}
    sh.g.node.wait(lambda: states() == replaced, "the first to end")
    sh.decided(
        "withdraw-recognition",
        next(one["id"] for one in sh.now()["recognitions"] if one["state"] == "in_force"),
    )
    sh.g.node.wait(lambda: set(states().values()) == {"ended"}, "the other to end")


def test_a_newcomer_proves_its_keys_is_admitted_stopped_and_let_go(sh: Shell, tmp_path: Path) -> None:
    """
    Card and proofs come from the newcomer; without the proofs nobody is admitted. A stop holds until it is
    lifted; a name and an address change; who is expelled has a week in which it can object.
    """
    data = tmp_path / "newcomer"
    networks.init(
        DataDirectory(data),
        did=NEWCOMER,
        name="New works",
        jurisdiction="EU",
        roles=("manufacturer",),
        validator=False,
        passphrase=PASSPHRASE,
    )
    network_id = sh.g.node.get_json("/status")["network"]["id"]

    def prove(of: str) -> str:
        assert run(["keys", "prove", "--data", str(data), "--id", of]) == 0
        return str(sh.out().out)

    proofs = tmp_path / "proofs.toml"
    proofs.write_text(prove("00" * 32))
    card = data / "participant.toml"
    refused = sh("network", "propose", "admit", card, "--proofs", proofs, "--yes", code=65)
    assert "made for another network" in refused
    proofs.write_text(prove(network_id).replace("proofs]", "proofs]\n#"))
    sh.decided("admit", card, "--proofs", proofs, "--address", "https://new.example")
    party = next(p for p in sh.now()["participants"] if p["did"] == NEWCOMER)
    assert (party["name"], party["address"], bool(party["recovery"])) == (
        "New works",
        "https://new.example",
        True,
    )

    sh.decided("stop", NEWCOMER)
    assert sh.now()["stops"][-1]["state"] == "in_force"
    confirm = json.loads(sh("network", "propose", "confirm-stop", NEWCOMER, "--json"))
    assert [m["of"][0]["did"] for m in confirm["effect"]["missing"]] == [EU_AUTHORITY], "never who set it"
    sh.decided("lift-stop", NEWCOMER)
    assert sh.now()["stops"][-1]["state"] == "lifted"
    assert "is not stopped" in sh("network", "propose", "lift-stop", NEWCOMER, code=65)

    sh.decided("rename", "Newer works", "--did", NEWCOMER)
    told = sh("network", "propose", "expel", NEWCOMER, "--yes")
    assert "expels Newer works from the network" in told
    found = sh.g.proposal(re.findall(r"^proposal (\S+) by", told, re.M)[-1])
    waits = found["effect"]["waits_until"] - found["since"]
    assert (found["outcome"], found["effect"]["missing"], waits) == ("open", [], 7 * 86_400)


def test_changes_for_all_say_what_they_would_do(sh: Shell, tmp_path: Path) -> None:
    """
    Validators in their turn, rule files by digest, approval rules by member, and any records of a file.
    """
    tried = json.loads(sh("network", "propose", "validators", MAKER, DID, "--json"))
    (change,) = tried["effect"]["changes"]
    assert change["after"]["participants"] == [DID, MAKER]

    rules = tmp_path / "approvals.toml"
    rules.write_text('[governance]\nstop_s = 3600\nactions = { "participant.moved" = "authority" }\n')
    (change,) = json.loads(sh("network", "propose", "approvals", rules, "--json"))["effect"]["changes"]
    assert {m["member"]: m["after"] for m in change["members"]} == {
        "stop_s": 3600, "actions.participant.moved": "authority",
    }  # fmt: skip

    unknown = tmp_path / "lifecycle.json"
    unknown.write_text("{}")
    tried = json.loads(sh("network", "propose", "rules", unknown, "--json"))
    assert tried["effect"]["held_missing"] == 1, "nobody said that it holds the file"
    text = sh("network", "propose", "rules", unknown, "--dry-run")
    assert "were it decided in the next block, it would govern from height" in text

    any_records = tmp_path / "change.toml"
    any_records.write_text('[[changes]]\ntype = "validators"\nname = ""\ntable = { participants = ["x"] }\n')
    refused = sh("network", "propose", "--file", any_records, "--json", code=65)
    assert "The validator 'x' is no participant" in refused
    assert "which change?" in sh("network", "propose", code=64)
    assert "no NAME=NUMBER" in sh("network", "propose", "limits", "nothing", code=64)


def test_a_stopped_party_objects_with_its_recovery_key(sh: Shell) -> None:
    """
    The others stop it and put another recovery key there: its node signs nothing, its recovery key does, and
    then every other authority has to agree. What the key of somebody else signed is not taken. Both are said
    at its own node, as long as they hold.
    """
    g, at = sh.g, int(time.time())
    row = decode(g.node.service.proposing.governance.state.records["participant", DID])
    assert isinstance(row, dict)

    def decide(table: dict[str, Any]) -> str:
        stop = proposal_of(g, EU_AUTHORITY, changes={("stop", DID): table})
        g.act(CN_AUTHORITY, "approved", stop)
        assert g.until_over(stop)["outcome"] == "decided"
        return stop

    taken = proposal_of(g, EU_AUTHORITY, changes={("participant", DID): {**row, "recovery": b64u(bytes(32))}})
    assert sh.own("own_removal_proposed")["parameters"]["decision"] == taken
    stop = decide({"target": DID, "by": EU_AUTHORITY, "since": at, "until": at})
    next_block = proposal_of(g, EU_AUTHORITY, 77)
    g.node.wait(lambda: bool(sh.now()["stops"]) and sh.now()["stops"][-1]["state"] == "in_force", "the stop")
    told_of = sh.own("own_stopped")
    assert (told_of["parameters"]["decision"], told_of["stops"]) == (stop, False)
    assert told_of["parameters"]["height"] == g.proposal(stop)["in_force"]
    assert f"this node: {told_of['text']}" in sh("network", "show")
    assert told_of in json.loads(sh("network", "show", "--json"))["own"]
    page = g.node.person.get("/status", headers={"accept": "text/html"}).get_data(as_text=True)
    assert "This participant is stopped since" in page and stop in page
    assert "is stopped by" in sh("network", "object", taken, code=65)

    told = sh("network", "object", taken, "--recovery", g.node.data / "recovery.enc")

    assert "objected" in told
    g.act(CN_AUTHORITY, "approved", taken)
    assert g.proposal(taken)["effect"]["waits_until"] and not g.proposal(taken)["effect"]["missing"]
    other = signed_by_recovery(signer(MAKER), (MAKER, "governance.objected", bytes(32)), bytes(32))
    refused = g.node.post_json(f"/governance/proposals/{taken}/object", {"attestation": b64u(other)})
    assert refused.get_json()["code"] == "not_own_act"
    decide({"target": DID, "by": EU_AUTHORITY, "since": sh.now()["stops"][-1]["since"], "lifted": True})
    g.act(EU_AUTHORITY, "proposal_withdrawn", next_block)
    g.node.wait(lambda: sh.now()["stops"][-1]["state"] == "lifted", "it to be lifted")
    assert sh.own("own_stopped") is None


@pytest.mark.check  # six decisions
def test_a_stop_of_the_own_part_or_key_is_said_until_it_is_lifted(sh: Shell) -> None:
    """
    By one code while it ends by itself, by another once it is confirmed, and no more when it is lifted; of a
    key, with which one it is.
    """
    g, at = sh.g, int(time.time())
    key = next(
        k.id for k in g.node.service.overview.history.latest.participants[DID].keys if k.role == "attest"
    )
    for target, code, then in (
        (DID, "own_stopped", "own_stopped_confirmed"),
        (key, "own_key_stopped", "own_key_stopped_confirmed"),
    ):
        row: dict[str, Any] = {"target": target, "by": EU_AUTHORITY, "since": at, "until": at}
        stop = decided_by_both(g, target, row)
        g.node.wait(lambda: sh.own(code) is not None, "the stop")  # noqa: B023
        assert sh.own(code)["parameters"]["decision"] == stop
        since = sh.now()["stops"][-1]["since"]

        confirmed = decided_by_both(g, target, {"target": target, "by": EU_AUTHORITY, "since": since})
        g.node.wait(lambda: sh.own(then) is not None, "it to be confirmed")  # noqa: B023
        told = sh.own(then)
        assert told["parameters"]["decision"] == confirmed and sh.own(code) is None
        assert "until somebody lifts it" in told["text"] and (key in told["text"]) is (target == key)

        decided_by_both(g, target, {"target": target, "by": EU_AUTHORITY, "since": since, "lifted": True})
        g.node.wait(lambda: sh.own(then) is None, "it to be lifted")  # noqa: B023
        assert sh.own(code) is None


def decided_by_both(g: GovernedNode, target: str, row: dict[str, Any]) -> str:
    """A stop that two authorities agree on; the proposal."""
    stop = proposal_of(g, EU_AUTHORITY, changes={("stop", target): row})
    g.act(CN_AUTHORITY, "approved", stop)
    assert g.until_over(stop)["outcome"] == "decided"
    return stop


def test_a_change_of_the_own_name_and_address_is_said_at_the_node(sh: Shell) -> None:
    """
    Every page and answer has the new name from the height that is told, with who decided it; what is on
    record of before keeps the name of its time.
    """
    node = sh.g.node
    old = node.get_json("/status")["name"]
    entry = node.get_json("/log/entries?start=0")["entries"][0]

    sh.decided("rename", "Renamed works")
    told = sh.own("own_name_changed")
    shown = node.get_json("/governance/history")["history"][0]
    assert told["parameters"] == {
        "name": "Renamed works", "before": old, "height": shown["in_force"], "decision": shown["proposal"],
        "by": "Renamed works",
    }  # fmt: skip
    page = node.person.get("/status", headers={"accept": "text/html"}).get_data(as_text=True)
    assert page.count("Renamed works") > 2 and "is called Renamed works from height" in page
    assert node.get_json("/status")["name"] == "Renamed works"
    assert node.get_json("/log/entries?start=0")["entries"][0] == entry, "of before"

    sh.decided("move", "https://works.example")
    assert sh.own("own_address_changed")["parameters"]["address"] == "https://works.example"
    sh.decided("rename", old)


def test_a_key_is_rotated_by_the_recovery_key_and_the_node_signs_with_the_new_one(sh: Shell) -> None:
    """
    The new key stands in keys.enc beside the old one, proves itself, and is named; the running node signs
    with it from then on, without a restart, and nothing it acknowledged is lost.
    """
    data = sh.g.node.data
    recovery = data / "recovery.enc"

    def signs_with() -> str:
        digest = sh.g.propose(sh.g.limits(9_000 + time.time_ns() % 1_000))
        (act,) = sh.g.proposal(digest)["acts"]
        data = sh.g.node.service.stores.office.outbox.get(b64u_decode(act["digest"], "digest"))
        sh.g.node.post_json(f"/governance/proposals/{digest}/withdraw", {})
        sh.g.until_over(digest)

        assert data is not None
        return parse_attestation(data.data).kid

    assert signs_with() == f"{DID}#attest-1"
    told = sh("keys", "rotate", "attest", "--data", data, "--recovery", recovery, "--yes")
    assert "changes keys of Everything Ltd (invented)" in told
    assert Keys.load(data, DID, PASSPHRASE).numbers("attest") == (1, 2)
    # EU has another authority, and this one is not unseated by a key that follows: it is decided alone.
    digest = re.findall(r"^proposal (\S+) by", told, re.M)[-1]
    over = sh.g.until_over(digest)
    assert (over["outcome"], over["recovered"]) == ("decided", True)
    sh.g.node.wait(lambda: sh.now()["height"] >= over["in_force"], "it to govern")

    assert signs_with() == f"{DID}#attest-2"
    keys = {
        k["id"].partition("#")[2]: k for p in sh.now()["participants"] if p["did"] == DID for k in p["keys"]
    }
    assert keys["attest-1"]["valid_until"] > time.time() and keys["attest-2"]["state"] == "in_force"
    assert "file" not in sh("keys", "rotate", "log", "--data", data, "--recovery", recovery, "--json")


def bytes_of(digest: str) -> bytes:
    return b64u_decode(digest, "digest")


def test_a_key_is_said_to_be_compromised_since_a_time(sh: Shell) -> None:
    """
    Its time stays as it was stated; a fresh key follows; a node's own key proposes neither.
    """
    data = sh.g.node.data
    words = ("--data", data, "--recovery", data / "recovery.enc", "--json")
    printed = sh("keys", "compromised", "credential", "--from", "2026-11-27T00:00:00Z", *words)
    shown, told = json.JSONDecoder().raw_decode(printed)
    assert printed[told:].strip() == (
        f"{DID}#credential-1: 0 entries of the log rest on it since then, 0 open lines of this node on them. "
        "They stay; `comity keys uses credential --from 1795737600` lists them."
    )

    assert {a["action"] for a in shown["effect"]["actions"]} == {"keys.compromised", "keys.rotated"}
    members = {m["member"].partition("#")[2]: m["after"] for m in shown["effect"]["changes"][0]["members"]}
    assert members["credential-1].compromised_from"] == 1_795_737_600
    assert members["credential-2]"]["valid_from"] == "decided"
    assert shown["recovered"] and shown["effect"]["missing"] == []
    for text in ("yesterday", "9" * 5_000, "٣", "²"):
        assert "--from is a time" in sh("keys", "compromised", "credential", "--from", text, *words, code=64)
        assert "--from is a time" in sh("keys", "uses", "credential", "--from", text, code=64)


def test_a_theft_is_stated_of_a_key_that_was_replaced_before_it_was_known(sh: Shell) -> None:
    """
    Whoever rotates first and finds out afterwards says it of the old key: with the fresh one, which is
    replaced, or of the old one alone.
    """
    data = sh.g.node.data
    words = ("--data", data, "--recovery", data / "recovery.enc")
    told = sh("keys", "rotate", "credential", *words, "--yes")
    over = sh.g.until_over(re.findall(r"^proposal (\S+) by", told, re.M)[-1])
    sh.g.node.wait(lambda: sh.now()["height"] >= over["in_force"], "it to govern")

    def stated(*only: str) -> dict[str, Any]:
        theft = ("credential", "--from", "2026-11-27T00:00:00Z", *only)
        shown, _ = json.JSONDecoder().raw_decode(sh("keys", "compromised", *theft, *words, "--json"))
        members = shown["effect"]["changes"][0]["members"]
        return {m["member"].partition("#")[2]: m["after"] for m in members}

    alone = stated("--key-id", f"{DID}#credential-1")
    assert alone.keys() == {"credential-1].compromised_from"}
    both = stated()
    assert both.keys() == {
        "credential-1].compromised_from", "credential-2].compromised_from", "credential-3]"
    }  # fmt: skip
    refused = sh(
        "keys", "compromised", "credential", "--from", "0", "--key-id", f"{DID}#credential-9", *words, code=65
    )
    assert f"On record: {DID}#credential-1, {DID}#credential-2" in refused


@pytest.mark.parametrize("text", ["9" * 5_000, "٣", "", "-1", "1.5"])
def test_a_limit_is_a_number_in_ascii(sh: Shell, text: str) -> None:
    """
    What is none is told as that, however long it is and in whatever digits.
    """
    told = sh("network", "propose", "limits", f"clock_skew_s={text}", code=64)

    assert "is no NAME=NUMBER" in told


def test_what_a_key_signed_is_listed(sh: Shell) -> None:
    """
    Line by line, for people and for programs; of a key that signs no entry nothing is, and that is said.
    """
    told = sh("keys", "uses", "attest", "--from", "0").splitlines()
    rows = [json.loads(line) for line in sh("keys", "uses", "attest", "--from", "0", "--json").splitlines()]

    assert len(rows) == len(told) > 1
    assert all(row["key"].startswith(f"{DID}#attest-") and row["certain"] for row in rows)
    assert told[0].startswith(f"{rows[0]['leaf_index']}  20") and rows[0]["digest"] in told[0]
    assert sh("keys", "uses", "cosign", "--from", "0") == ""
    theirs = sh("keys", "uses", "attest", "--from", "0", "--of", MAKER).splitlines()
    assert set(theirs).isdisjoint(told) and all("governance." in line for line in theirs)
    data = sh.g.node.data
    words = ("--data", data, "--recovery", data / "recovery.enc", "--json")
    assert f"{DID}#cosign-1: checkpoints over more than 0 leaves may bear a signature of the thief's." in sh(
        "keys", "compromised", "cosign", "--from", "0", *words
    )


def test_leaving_is_signed_with_the_recovery_key_and_leads_nowhere_unchangeable(sh: Shell) -> None:
    """
    The only validator cannot leave: the refusal says what would have to be proposed with it.
    """
    data = sh.g.node.data
    refused = sh("network", "leave", "--data", data, "--recovery", data / "recovery.enc", "--yes", code=65)

    assert "A network needs at least one validator" in refused
