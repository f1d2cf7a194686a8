"""India joins a network of China and the EU that runs: with codes of its own, and without a change of code.

Scheme, parties and law are invented; what is added is files, which the parties approve by their digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.config import shipped
from tests.harness.net.batteries import claims_of, code_of, issue, wait_published, wait_receipted
from tests.harness.net.harness import CN, MAKER, VALIDATORS, Node, Party, comity, running, wait
from tests.harness.net.place import Place

pytestmark = pytest.mark.check  # six processes

FILES = Path(__file__).parents[1] / "harness" / "india"
SCHEME, ASKED = FILES / "scheme-zin.json", FILES / "crosswalk-in.json"
INDIA = Party("in-authority", "IN", ("authority", "customs_origin"), schemes=(("zin", "*"),))
WORKS = Party("in-works", "IN", ("manufacturer",), validator=False, schemes=(("zin", "QQZA"),))
CODE = "2606BQQZAM00010000042"
LAW_DATE = "2027-03-01"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("india")
    with running(root / "network", VALIDATORS, forked=True) as nodes:
        yield Place(root, nodes)


def passport() -> dict[str, Any]:
    """The shipped claims, of the Indian battery."""
    claims = claims_of(
        1, productIdentifier=f"urn:comity:item:zin:{CODE}", manufacturingDate="2026-06-09T00:00:00.000Z"
    )
    claims["GeneralProductInformation"]["batteryPassportIdentifier"] = f"urn:bpass:{CODE.lower()}"
    return claims


def check(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(one) for one in told["checks"] if one["name"] == name)


def test_india_joins_with_codes_of_its_own_and_is_judged_by_what_is_known(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A rule file, an authority, a maker whom that authority alone admits: its battery has a passport with a
    code of a form nobody had, customs in the EU finds it clear, its receipt verifies offline. In India a
    battery from China is judged, what Indian law asks of its passport is said not to be checked, and what
    else India asks is counted. Nobody was started again.
    """
    running = {name: node.process.pid for name, node in place.nodes.items() if node.process}
    customs, cn = place.nodes["customs"], place.nodes["cn"]
    before = customs.post("/clearance", {"battery": CODE, "law_date": LAW_DATE})
    assert (before["verdict"], before["reason"]) == ("undecided", "identifier_invalid")

    for name in running:
        for file in (SCHEME, ASKED):
            place.types(capsys, "network", "rules", "add", file, "--data", place.nodes[name].data)
    proposed = place.types(capsys, "network", "propose", "rules", SCHEME, ASKED, "--data", cn.data, "--yes")
    place.decided(capsys, proposed, "eu")
    place.admitted(capsys, INDIA, "eu", "cn")
    assert cn.get("/governance")["approvals"]["jurisdictions"] == ["CN", "EU", "IN"], (
        "it has a say from now on"
    )
    place.admitted(capsys, WORKS, INDIA.name)
    india, works = place.nodes[INDIA.name], place.nodes[WORKS.name]

    made = works.post("/passports", {"code": CODE, "claims": passport()})
    wait_receipted(works, made["digest"])
    members = {"commodity_code": "850760", "consignee": "did:web:importer.example", "consignment_id": "C-1"}
    india.post("/attestations", {"event": "battery.exported", "battery": CODE, "members": members})
    issue(place.nodes["maker"], 7)
    wait_published(india, code_of(7))
    there = {**members, "consignee": WORKS.did, "consignment_id": "C-2"}
    cn.post("/attestations", {"event": "battery.exported", "battery": code_of(7), "members": there})
    for node, code in ((customs, CODE), (india, code_of(7))):
        wait("the export", lambda: node.get(f"/batteries/{code}")["standing"]["item_state"] == "exported")  # noqa: B023

    line = {"law_date": LAW_DATE, "goods": "battery", "condition": "new", "commodity_code": "850760"}
    into_eu = customs.post("/clearance", {"battery": CODE.lower(), **line})
    into_india = india.post("/clearance", {"battery": code_of(7), **line})
    page = customs.get(f"/batteries/{CODE}")
    declared = {"line": 1, "battery": code_of(7), "goods": "battery", "condition": "new"}
    lines = [{**declared, "commodity_code": "8507600000", "mass_kg": 452.5}]
    made_there = india.post("/consignments", {"declaration": "IN-1", "law_date": LAW_DATE, "lines": lines})
    path = f"/consignments/{made_there['id']}"
    wait("the verdicts", lambda: india.get(path)["state"] == "done")
    report = india.get(f"{path}/readiness")

    assert (into_eu["verdict"], into_eu["reason"]) == ("clear", "ok"), into_eu
    assert check(into_eu, "identifier")["evidence"]["scheme"] == "zin"
    assert check(into_eu, "code_matches_passport")["outcome"] == "pass"
    assert page["standing"]["publication"] == "active"
    assert into_india["verdict"] == "clear", into_india
    law = check(into_india, "completeness")
    assert (law["outcome"], law["reason"]) == ("not_checked", "law_not_given")
    assert "law of IN" in law["text"]
    assert [row["id"] for row in report["rows"]] == ["ZIN-01", "ZIN-02", "ZIN-03", "ZIN-04"]
    assert (report["jurisdiction"], report["rows"][1]["state"]) == ("IN", "open"), (
        "no recognition of IN is given"
    )
    assert_receipt(place, capsys, works, made)
    assert_countersigned(place, capsys, works, india)
    assert running == {name: place.nodes[name].process.pid for name in running}  # type: ignore[union-attr]
    assert place.nodes["maker"].party == MAKER and cn.party == CN


def assert_receipt(
    place: Place, capsys: pytest.CaptureFixture[str], works: Node, made: dict[str, Any]
) -> None:
    """Whoever has the receipt, the document and the founding's policy needs no file of India's codes."""
    receipt, document = place.root / "battery.tlog-proof", place.root / "document.json"
    receipt.write_text(place.types(capsys, "receipt", "get", made["digest"], "--data", works.data))
    document.write_text(json.dumps(made["credentials"]["1"]))
    policy = place.root / "network" / "network" / "log.policy"
    told = place.types(capsys, "receipt", "verify", receipt, "--policy", policy, "--document", document)
    assert f"it is about this document: passport.published of {CODE} by {WORKS.did}" in told
    assert "(CN)" in told and "(EU)" in told and "no quorum of this policy is without CN or EU" in told
    other = place.root / "other.json"
    changed = {**made["credentials"]["1"]}
    changed["credentialSubject"] = {**changed["credentialSubject"], "id": f"urn:comity:item:zin:{CODE[:-1]}3"}
    other.write_text(json.dumps(changed))
    assert comity("receipt", "verify", receipt, "--policy", policy, "--document", other) == 1


def assert_countersigned(place: Place, capsys: pytest.CaptureFixture[str], works: Node, other: Node) -> None:
    """Who joined later agrees, by its data directory alone, to what is said of a code that genesis lacks."""
    event = ["battery.handed_over", "--battery", CODE, "--member", f"incoming_party={other.party.did}"]
    draft, agreed = place.root / "draft.json", place.root / "agreed.json"
    draft.write_text(place.types(capsys, "attest", *event, "--draft", "--data", works.data))
    words = ["--passphrase-file", str(other.passphrase_file)]
    agreed.write_text(place.types(capsys, "attest", "--countersign", draft, "--data", other.data, *words))
    assert "key_id" in json.loads(agreed.read_text())


def test_india_votes_and_a_receipt_says_who_can_block(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Of five validators one is Indian: it rests on the quorum, and the others keep their say. Whoever has only
    the founding's policy is led to the new one, and is told whose signatures a receipt has.
    """
    if INDIA.name not in place.nodes:
        place.admitted(capsys, INDIA, "eu", "cn")
    maker, cn = place.nodes["maker"], place.nodes["cn"]
    seats = [party.did for party in (*VALIDATORS, INDIA)]
    proposed = place.types(capsys, "network", "propose", "validators", *seats, "--data", cn.data, "--yes")
    place.decided(capsys, proposed, "eu", INDIA.name)
    made = issue(maker, 11)
    wait_receipted(maker, made["digest"])
    receipt, epochs = place.root / "later.tlog-proof", place.root / "epochs"
    receipt.write_text(place.types(capsys, "receipt", "get", made["digest"], "--data", maker.data))
    place.types(capsys, "log", "epochs", "--data", maker.data, "-o", epochs)
    old = place.root / "network" / "network" / "log.policy"

    newest = place.types(capsys, "log", "walk", old, epochs)
    told = place.types(capsys, "receipt", "verify", receipt, "--policy", old, "--epochs", epochs)
    shown = place.types(capsys, "network", "show", "--data", maker.data)

    assert "#jurisdiction IN in-authority.example\n" in newest and "#jurisdiction IN" not in old.read_text()
    assert "no quorum of this policy is without CN or EU\n" in told
    assert "a block is decided by 4 of 5 validators, never without a validator of each of CN, EU" in shown
    lacking = ["network", "propose", "validators", *(did for did in seats if did != cn.party.did)]
    assert comity(*lacking, "--data", cn.data, "--yes") != 0
    assert "take it out of `quorum_jurisdictions`" in capsys.readouterr().err


def test_no_law_is_shipped_for_india() -> None:
    """
    What the test above says of it holds because nothing here knows India.
    """
    for name in ("rules/eu-datapoints-v2.json", "who-asks-what.toml"):
        assert '"IN"' not in shipped(name).decode()
