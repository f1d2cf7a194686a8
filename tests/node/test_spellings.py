"""One battery, however its code is written, at every entrance of a running node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from node.__main__ import run
from node.web.sample import sample_claims
from tests.harness.support_service import CODE, LiveNode, live_node, serving

SPELLINGS = [
    CODE.lower(),
    f"{CODE[:3]} {CODE[3:12]}\u00a0{CODE[12:]}",
    "".join(chr(ord(c) + 0xFEE0) for c in CODE),
    f"\ufeff{CODE}\u3000",
    f"urn:comity:item:gbt34014:{CODE.lower()}",
    f"URN:COMITY:ITEM:gbt34014:{CODE}",
]
LINKS = [
    "HTTPS://ID.GS1.ORG/01/09521001000017/21/SN1",
    "Https://id.gs1.org/01/09521001000017/21/SN1?linkType=all",
    "http://maker.example/p/01/9521001000017/21/SN1",
]
LINK = "https://id.gs1.org/01/09521001000017/21/SN1"
CASES = Path(__file__).parents[1] / "vectors" / "cases"
BROWSER = {"Accept": "text/html", "Origin": "http://localhost"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node on whose ledger a battery is, issued by a code in small letters, and one that has a link."""
    with live_node(tmp_path_factory.mktemp("spellings")) as running:
        order = {"code": CODE.lower(), "claims": sample_claims(running.service, CODE)}
        assert running.post_json("/passports", order).status_code == 201
        members = {"ground": "older_stock", "evidence": "an invoice"}
        enrolled = {"event": "battery.enrolled", "battery": LINK, "members": members}
        assert running.post_json("/attestations", enrolled).status_code == 201
        for text in (CODE, LINK):
            path = f"/batteries/{quote(text, safe='')}"
            running.wait(lambda: running.get(path).status_code == 200, "the battery")  # noqa: B023
        yield running


@pytest.fixture(scope="module")
def address(node: LiveNode) -> Iterator[str]:
    with serving(node) as address:
        yield address


def found(node: LiveNode, text: str) -> dict[str, Any]:
    """What the node has on record of a code or link."""
    known: dict[str, Any] = node.get_json(f"/batteries/{quote(text, safe='')}")
    return known


def judged(node: LiveNode, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of a consignment of these lines."""
    made = node.post_json("/consignments", {"direction": "import", "lines": rows}).get_json()
    address = f"/consignments/{made['id']}"
    node.wait(lambda: node.get_json(address)["state"] == "done", "the consignment")
    return [node.get_json(f"{address}/items/{row['line']}") for row in rows]


def line_of(number: int, text: str) -> dict[str, Any]:
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507\u00a060 00 00"}
    return {"line": number, "battery": text, **goods}


def checks_of(item: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(check["name"], check["outcome"], check["reason"]) for check in item["checks"]]


def drafted(node: LiveNode, text: str) -> dict[str, Any]:
    """What this party would sign about a battery that is named so."""
    order = {"event": "battery.recalled", "battery": text, "event_time": 1_790_000_000}
    told = node.post_json("/attestations", {**order, "members": {"reason": "fire", "draft": True}})
    assert told.status_code == 200, told.text
    draft: dict[str, Any] = told.get_json()["draft"]
    return draft


@pytest.mark.parametrize("text", SPELLINGS, ids=ascii)
def test_every_spelling_of_a_code_finds_its_battery(node: LiveNode, text: str) -> None:
    """
    Page and API, a scan, a manifest's line, an event, a second party's signature and the form mean the
    battery that was issued, and what is signed names it in one way.
    """
    page = node.person.get(f"/batteries/{quote(text)}", headers=BROWSER)
    scan = node.post_json("/clearance", {"battery": text, "law_date": "2027-03-01"}).get_json()
    item = judged(node, [line_of(1, text)])[0]
    draft = drafted(node, CODE)
    signed = [
        node.post_json("/countersignatures", {"draft": {**draft, "battery": name}}).get_json()
        for name in (CODE, text)
    ]
    claims = json.dumps(sample_claims(node.service, CODE))
    form = [
        node.person.post("/passports", data={"code": name, "claims": claims}, headers=BROWSER)
        for name in (CODE, text)
    ]

    assert found(node, text)["known"] and found(node, text)["battery"] == CODE
    assert page.status_code == 200 and CODE in page.text
    assert scan["reason"] != "not_found"
    assert item["reason"] not in ("not_found", "identifier_invalid")
    codes = [check for check in item["checks"] if check["name"] == "commodity_code"]
    assert [code["outcome"] for code in codes] == ["pass"]
    assert drafted(node, text) == draft and draft["battery"] == CODE
    assert signed[0] == signed[1] and signed[0]["signature"]
    assert [answer.status_code for answer in form] == [303, 303]
    assert form[0].headers["Location"] == form[1].headers["Location"], "the passport that there is"


@pytest.mark.parametrize("text", SPELLINGS, ids=ascii)
def test_every_spelling_finds_its_battery_at_the_newer_entrances(node: LiveNode, text: str) -> None:
    """
    The box of every page, the acts that a party may attest and what it fills in, the link on a label, an
    order of a batch, parts, a vehicle, a row of a sheet: the battery that was issued, named in one way.
    """
    box = node.get_json(f"/find?q={quote(text, safe='')}")
    acts = node.person.get("/acts", query_string={"battery": text}, headers=BROWSER)
    filled = {"battery": text, "event": "battery.reported_lost", "m-reference": "a report", "shown": ""}
    act = node.person.post("/acts", data=filled, headers=BROWSER)
    label = node.person.get(f"/B/{quote(text, safe='')}", headers=BROWSER, follow_redirects=True)
    order = json.dumps({"code": text, "claims": sample_claims(node.service, CODE)}).encode()
    batch = node.post_raw("/passports/batch", order, "application/x-ndjson")

    assert (box["code"], bool(box["battery"]["standing"])) == (CODE, True)
    assert acts.status_code == 200 and CODE in acts.text
    assert act.status_code == 200 and CODE in act.text
    assert label.status_code == 200 and CODE in label.text
    (line,) = [json.loads(one) for one in batch.data.splitlines()]
    assert (line["status"], line["battery"]) == (200, CODE), line
    asked = {"battery": text, "parts": [{"code": text}]}
    parts = [
        node.post_json("/parts/check", one) for one in (asked, {"battery": CODE, "parts": [{"code": CODE}]})
    ]
    assert parts[0].status_code == 200, parts[0].text
    assert parts[0].get_json() == parts[1].get_json()
    ride = {"vin": "ZZ9DEM0E0T0000040", "act": "registered"}
    rides = [node.post_json("/vehicles/check", {**ride, "batteries": [one]}) for one in (text, CODE)]
    assert rides[0].status_code == 200, rides[0].text
    told = [{**ride.get_json(), "evaluated_at": 0} for ride in rides]  # one of them may be a second later
    assert told[0] == told[1]
    job = node.post_raw("/jobs/issue?dry_run=1", order, "application/x-ndjson").get_json()
    node.wait(lambda: node.get_json(f"/jobs/{job['id']}")["state"] == "done", "the job")
    (row,) = node.get_json(f"/jobs/{job['id']}/rows")["rows"]
    assert (row["battery"], row["problem"]) == (CODE, None)


@pytest.mark.parametrize("text", LINKS)
def test_every_spelling_of_a_link_finds_its_battery(node: LiveNode, text: str) -> None:
    """
    In capitals as QR codes are printed, with a query, on the maker's own host: the battery that is on
    record, on a scan, on a manifest, in an event; another serial is a battery that nobody recorded.
    """
    scan = node.post_json("/clearance", {"battery": text, "law_date": "2027-03-01"}).get_json()
    other = node.post_json("/clearance", {"battery": text.replace("SN1", "SN2")}).get_json()
    item = judged(node, [line_of(1, text)])[0]

    outcomes = [check["outcome"] for check in scan["checks"] if check["name"] == "identifier"]
    assert outcomes == ["pass"] and scan["reason"] != "not_found"
    assert other["reason"] == "not_found"
    assert item["reason"] not in ("not_found", "identifier_invalid")
    assert found(node, text)["known"] and found(node, text)["battery"] == LINK
    assert drafted(node, text) == drafted(node, LINK)


@pytest.mark.parametrize("text", [*SPELLINGS[:2], LINKS[0]], ids=ascii)
def test_every_spelling_finds_its_battery_on_the_command_line(
    node: LiveNode, address: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `comity check` and `comity attest`: the verdict of the battery's own spelling, and its draft.
    """
    where = ("--node", address, "--key", node.operator_key)
    own = LINK if text in LINKS else CODE

    def told(*words: str) -> str:
        capsys.readouterr()
        run([*words, *where])
        return capsys.readouterr().out

    verdicts = [
        json.loads(told("check", name, "--law-date", "2027-03-01", "--goods", "battery", "--json"))
        for name in (own, text)
    ]

    attest = (
        "attest",
        "battery.recalled",
        "--member",
        "reason=fire",
        "--event-time",
        "1790000000",
        "--draft",
    )
    draft = json.loads(told(*attest, "--battery", text))

    words = [[(c["name"], c["outcome"], c["reason"]) for c in verdict["checks"]] for verdict in verdicts]
    assert words[0] == words[1] and verdicts[0]["reason"] == verdicts[1]["reason"] != "not_found"
    assert draft == drafted(node, own)


@pytest.mark.parametrize(
    "case", ["15-vin-with-a-blank-or-in-lower-case", "16-commodity-code-with-no-break-spaces"]
)
def test_a_manifest_is_read_however_its_numbers_are_spelled(node: LiveNode, case: str) -> None:
    """
    The manifest of each case, about a battery of this ledger: judged as the same line in plain spelling.
    """
    row = json.loads((CASES / case / "manifest.json").read_text())["lines"][0] | {"battery": CODE}
    plain = {name: re.sub(r"\s", "", text) if isinstance(text, str) else text for name, text in row.items()}

    as_sent, as_meant = (judged(node, [one])[0] for one in (row, plain))

    assert row != plain
    assert checks_of(as_sent) == checks_of(as_meant)
    assert not {"vin_invalid", "commodity_code"} & {reason for _, _, reason in checks_of(as_sent)}


@pytest.mark.parametrize("text", ["abc", "85076 O", "8507-60"])
def test_a_member_that_is_none_is_refused_before_it_is_signed(
    node: LiveNode, address: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Case 17, its command: told what belongs there, nothing is signed; blanks around a code are spelling.
    """
    where = ("--node", address, "--key", node.operator_key)
    words = (CASES / "17-event-members-are-any-text" / "command.txt").read_text().split()[1:]
    named = [CODE if word == "CODE" else word for word in words]
    data = named.index("--data")
    command = [*named[:data], *named[data + 2 :], *where]
    outbox = node.service.stores.office.outbox

    code = run([word.replace("=abc", f"={text}") for word in command])
    told = capsys.readouterr().err

    assert code == 65 and "6, 8 or 10 digits" in told
    assert not outbox.of_battery(CODE, "battery.exported")

    spelled = [word.replace("=abc", "=850760 ") for word in command]
    assert run([*spelled, "--event-time", "1790000000", "--draft"]) == 0
    plain = [word.replace("=abc", "=850760") for word in command]
    draft = json.loads(capsys.readouterr().out)
    assert run([*plain, "--event-time", "1790000000", "--draft"]) == 0
    assert json.loads(capsys.readouterr().out) == draft


def test_two_spellings_on_a_manifest_are_one_battery_twice(node: LiveNode) -> None:
    """
    A duplicate does not hide behind a blank or small letters.
    """
    texts = (CODE, CODE.lower(), f"{CODE[:5]}\u2009{CODE[5:]}")

    items = judged(node, [line_of(number, text) for number, text in enumerate(texts, start=1)])

    reasons = [{check["reason"] for check in item["checks"] if check["name"] == "manifest"} for item in items]
    assert reasons == [{"repeated_on_manifest"}, {"duplicate_line"}, {"duplicate_line"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CODE[:-1], "has 23 characters"),
        (CODE[:-1] + "O", "Probably 0 is meant"),
        (CODE[:10], "10 characters"),
    ],
)
def test_a_mistyped_code_is_told_at_the_entrance(node: LiveNode, text: str, told: str) -> None:
    """
    Issuing answers 400 with what is wrong; a scan is undecided, and says it as well.
    """
    order = {"code": text, "claims": sample_claims(node.service, CODE)}
    refused = node.post_json("/passports", order)
    scan = node.post_json("/clearance", {"battery": text, "law_date": "2027-03-01"}).get_json()

    assert refused.status_code == 400 and told in refused.get_json()["detail"]
    details = [
        str(check["evidence"].get("detail")) for check in scan["checks"] if check["name"] == "identifier"
    ]
    assert scan["verdict"] == "undecided" and told in details[0]


def test_what_a_line_does_not_say_may_be_null(node: LiveNode) -> None:
    """
    A program that writes every column sends null for what it has not: as if it were left out.
    """
    names = (
        "goods",
        "condition",
        "commodity_code",
        "vin",
        "mass_kg",
        "registration_id",
        "documents",
        "receipts",
    )
    row = {"line": 1, "battery": CODE}

    told = judged(node, [row | dict.fromkeys(names), {**row, "line": 2}])

    outcomes = [
        sorted((c["name"], c["reason"]) for c in item["checks"] if c["name"] != "manifest") for item in told
    ]
    assert outcomes[0] == outcomes[1]
    scan = node.post_json("/clearance", {"battery": CODE, **dict.fromkeys(names)})
    assert scan.status_code == 200
