"""The one box of every page: whatever people know of goods, in any spelling, and to whom what is shown."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.harness.command_line import here
from tests.harness.support_service import ROLES, LiveNode, live_node, serving
from tests.node.test_pages import BROWSER, Reader
from tests.node.test_watching import attest, code_of, issue, judged

VIN = "ZZ9DEM0E0T0000081"
CODE = code_of(81)
SPELLINGS = [
    CODE,
    CODE.lower(),
    f"{CODE[:5]} {CODE[5:12]}\u00a0{CODE[12:]}",
    "".join(chr(ord(c) + 0xFEE0) for c in CODE),
    f"urn:comity:item:gbt34014:{CODE}",
]
NOTHING = {"battery": None, "vehicle": None, "lines": None}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A battery in a vehicle, whose passport this node issued, in a consignment of this node."""
    with live_node(tmp_path_factory.mktemp("finding"), (*ROLES, "vehicle_manufacturer")) as running:
        issue(running, 81)
        judged(running, "26NLFIND1", 81)
        attest(running, "battery.installed", 81, vin=VIN)
        running.wait(lambda: bool(found(running, VIN)["vehicle"]["batteries"]), "the battery in its vehicle")
        running.wait(lambda: newest_word(running) != "clear", "the word on what was installed")
        yield running


def found(node: LiveNode, text: str, client: FlaskClient | None = None) -> dict[str, Any]:
    """The answer to `text`, of the operator or of another client."""
    path = f"/find?q={quote(text, safe='')}"
    told: dict[str, Any] = node.get_json(path) if client is None else client.get(path).get_json(force=True)
    return told


def newest_word(node: LiveNode) -> str:
    """The verdict on the line, once it is of all that the ledger knows."""
    (line,) = found(node, CODE)["lines"]
    return "clear" if line["verdict"]["overtaken"] else str(line["verdict"]["verdict"])


def shown(client: FlaskClient, text: str) -> Reader:
    answer = client.get(f"/find?q={quote(text, safe='')}", headers=BROWSER)
    assert answer.status_code == 200, answer.text[:400]
    return Reader(answer.text)


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_code_is_found_in_any_spelling_with_all_that_is_known_of_it(node: LiveNode, text: str) -> None:
    """
    Its record, the line about it that was judged here, its passport and the consignment that it is in.
    """
    told = found(node, text)

    assert (told["code"], told["not_a_code"]) == (CODE, None)
    assert told["battery"]["standing"]["item_state"] == "installed"
    (line,) = told["lines"]
    (consignment,) = told["consignments"]
    assert (line["consignment"], line["verdict"]["line"]) == (consignment["id"], 1)
    assert line["verdict"]["verdict"] in ("hold", "undecided") and line["verdict"]["next"]
    assert [row["battery"] for row in told["passports"]] == [CODE]


def test_the_line_that_was_judged_last_comes_first(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several lines about one battery, wherever they are."""
    (line,) = node.service.lookup.open_lines(CODE)
    judged_at = [replaced(line, at) for at in (7, 9, 8)]
    monkeypatch.setattr(node.service.lookup, "open_lines", lambda battery: judged_at)

    told = found(node, CODE)["lines"]

    assert [one["verdict"]["evaluated_at"] for one in told] == [9, 8, 7]


def replaced(line: Any, evaluated_at: int) -> Any:
    return {**line, "evaluated_at": evaluated_at}


def test_where_nothing_was_typed_nothing_is_looked_for(node: LiveNode) -> None:
    """The answer has its members, and no list of this node in any."""
    for text in ("", "  "):
        told = found(node, text)
        assert told == {
            "q": "",
            **dict.fromkeys((*NOTHING, "code", "not_a_code", "passports", "consignments")),
        }


def test_a_vehicle_names_the_batteries_in_it(node: LiveNode) -> None:
    """P04: in whatever spelling; of one that is not on record nothing is said about what is in it."""
    for text in (VIN, VIN.lower(), f"{VIN[:9]} {VIN[9:]}", f"urn:comity:item:vin:{VIN}"):
        told = found(node, text)
        assert told["vehicle"] == {"vin": VIN, "known": True, "batteries": [CODE], "unnamed": 0}, text
    page = shown(node.person, VIN)
    assert f"/find?q={CODE}" in page.links

    other = found(node, "ZZ9DEM0E0T0000082")
    assert other["vehicle"] == {"vin": "ZZ9DEM0E0T0000082", "known": False, "batteries": [], "unnamed": 0}
    assert "says nothing about what is in it" in shown(node.person, "ZZ9DEM0E0T0000082").text


def test_a_battery_whose_documents_are_not_held_is_counted_and_not_named(node: LiveNode) -> None:
    """What the ledger has is digests: a code that no document names here is told as one more battery."""
    documents = node.service.stores.office.documents

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(documents), "get_many", lambda *_: {})
        told = found(node, VIN)["vehicle"]
        page = shown(node.person, VIN)

    assert told == {"vin": VIN, "known": True, "batteries": [], "unnamed": 1}
    assert "1 battery more, whose code this node does not know" in page.text


@pytest.mark.parametrize("text", ["26NLFIND", "26nlfind1", CODE[-6:], CODE[3:11].lower(), "find1 26nl"])
def test_part_of_what_people_know_is_enough(node: LiveNode, text: str) -> None:
    """A declaration or a code, or part of either, is no code and is found in the lists of this node."""
    told = found(node, text)

    assert told["code"] is None and told["battery"] is None
    assert [row["declaration"] for row in told["consignments"]] == ["26NLFIND1"]
    assert bool(told["passports"]) == (not text.lower().startswith(("26nl", "find")))


def test_what_is_not_found_says_what_was_read_and_what_was_searched(node: LiveNode) -> None:
    """A mistyped code is told as such; a good one without record as that, and nothing of the battery."""
    mistyped = shown(node.person, f"YY{CODE[2:-1]}")
    assert "has 23 characters" in mistyped.text and "Nothing here has all these words" in mistyped.text

    unknown = shown(node.person, code_of(89))
    assert "No record of it is on this ledger; that says nothing about the battery" in unknown.text

    short = node.person.get("/find?q=ab", headers=BROWSER)
    assert short.status_code == 400 and "too short" in short.text
    long = node.person.get(f"/find?q={'A' * 513}", headers=BROWSER)
    assert long.status_code == 400 and "at most 512 characters" in long.text
    empty = shown(node.person, "  ")
    assert "into the box above" in empty.text


def test_a_stranger_finds_what_is_public_and_no_list_or_vehicle(node: LiveNode) -> None:
    """
    The record of a battery is open to everybody, as on its own page; what is in a vehicle, what was issued
    and what was judged here are for people of this node, and the page says that these were not searched.
    """
    told = found(node, CODE, node.client)
    assert told["battery"]["standing"]["item_state"] == "installed"
    assert (told["lines"], told["passports"], told["consignments"]) == (None, None, None)

    told = found(node, VIN, node.client)
    assert {name: told[name] for name in NOTHING} == NOTHING and told["passports"] is None
    assert "sign in first" in shown(node.client, VIN).text
    told = found(node, "26NLFIND1", node.client)
    assert told["consignments"] is None and told["passports"] is None
    assert "were not searched" in shown(node.client, "26NLFIND1").text


def test_each_scope_finds_what_its_own_lists_show(node: LiveNode) -> None:
    """A key finds no more than it may list: what one of each scope lists and finds is the same."""
    for scope in ("read", "operate", "clear", "issue", "govern", "verify"):
        made = node.post_json("/keys", {"name": f"only {scope}", "scopes": [scope]}).get_json()
        bearer = {"Authorization": f"Bearer {made['key']}"}
        told = node.client.get(f"/find?q={CODE}", headers=bearer).get_json(force=True)
        for name in ("passports", "consignments"):
            may = node.client.get(f"/{name}", headers=bearer).status_code == 200
            assert (told[name] is not None) == may, (scope, name)
        assert (told["lines"] is not None) == (told["consignments"] is not None)


def test_the_box_is_on_every_page_and_leads_to_what_comes_next(node: LiveNode) -> None:
    """
    Labelled, in the header; a person who clears is offered to check the battery at once, its code filled in
    and what it is declared as left to choose.
    """
    for path in ("/", "/customs", "/passports", "/consignments", "/status", "/governance", f"/find?q={CODE}"):
        page = Reader(node.person.get(path, headers=BROWSER).text)
        assert "find" in page.fields and "find" in page.labels, path
    answer = node.person.get(f"/find?q={CODE}", headers=BROWSER).text
    assert f'name="battery" required maxlength="512" value="{CODE}"' in answer
    assert "choose: it is never guessed" in answer
    assert "choose: it is never guessed" not in node.client.get(f"/find?q={CODE}", headers=BROWSER).text


def test_what_was_typed_is_text_wherever_it_is_shown(node: LiveNode) -> None:
    """No markup and no code of a reader's own comes back as such."""
    for text in ('"><script>alert(1)</script>', "{{ 7 * 7 }}", "' OR 1=1 --", 'NEAR("a" "b") * ^'):
        answer = node.person.get(f"/find?q={quote(text, safe='')}", headers=BROWSER)
        assert answer.status_code in (200, 400)
        assert "<script>alert" not in answer.text and ">49<" not in answer.text


def asked(node: LiveNode, **members: object) -> dict[str, Any]:
    """What the operator is told of the vehicle."""
    answer = node.post_json("/vehicles/check", {"vin": VIN, "act": "sold", **members})
    assert answer.status_code == 200, answer.text[:400]
    told: dict[str, Any] = answer.get_json()
    return told


def test_a_vehicle_is_asked_about_before_it_is_sold(node: LiveNode) -> None:
    """
    P08: its battery by its code, with what stands in the way in words and what to do about it; one that is
    not in it on record, and a vehicle without any, are told so.
    """
    told = asked(node)
    assert told["answer"] == "yes" and "may be sold in EU" in told["text"]
    assert [(pack["battery"], pack["findings"]) for pack in told["batteries"]] == [(CODE, [])]
    assert asked(node, act="scrapped")["findings"][0]["code"] == "presence_not_checked"
    assert asked(node, act="scrapped", batteries=[CODE])["answer"] == "yes"

    missing = asked(node, batteries=[code_of(82)])
    empty = asked(node, vin="ZZ9DEM0E0T0000082")

    found = {pack["battery"]: [one["code"] for one in pack["findings"]] for pack in missing["batteries"]}
    assert found == {CODE: ["absent"], code_of(82): ["no_record"]} and missing["answer"] == "no"
    assert all(one["next"] and one["text"] for pack in missing["batteries"] for one in pack["findings"])
    assert [one["code"] for one in empty["findings"]] == ["none_on_record"] and empty["answer"] == "no"


def test_a_vehicle_is_asked_about_on_a_page(node: LiveNode) -> None:
    """
    From what the vehicle's number finds, by a form; a mistake is told beside it, and strangers see nothing.
    """
    assert f"/vehicles/check?vin={VIN}" in shown(node.person, VIN).links
    form = node.person.get(f"/vehicles/check?vin={VIN}", headers=BROWSER)
    assert VIN in form.text and form.status_code == 200

    answers = {
        text: node.person.post(
            "/vehicles/check",
            data={"vin": vin, "act": act, "batteries": batteries},
            headers={**BROWSER, "Origin": "http://localhost"},
        )
        for text, vin, act, batteries in (
            ("Nothing on record stands in the way", VIN, "sold", ""),
            ("Scan the batteries that are in the vehicle", VIN, "scrapped", ""),
            ("names no vehicle", CODE, "sold", ""),
            ("is a vehicle's number", VIN, "sold", VIN),
            ("one of these: registered, sold, scrapped", VIN, "flown", ""),
            ("at most 64 batteries", VIN, "sold", f"{CODE}\n" * 65),
        )
    }

    for text, answer in answers.items():
        assert text in html.unescape(answer.text), (text, answer.status_code, answer.text[-2000:])
    assert [answer.status_code for answer in answers.values()] == [200, 200, 400, 400, 400, 400]
    assert node.client.get("/vehicles/check", headers=BROWSER).status_code == 401


def test_the_command_line_asks_about_a_vehicle(node: LiveNode) -> None:
    """
    `comity vehicle`: exit code 0 yes, 1 no, 2 could not decide.
    """
    with serving(node) as address:
        known = ("--node", address, "--key", node.operator_key)
        yes, unsaid, no = (
            here("vehicle", VIN, "--act", *said, *known)
            for said in (["sold"], ["scrapped"], ["sold", "--battery", code_of(82)])
        )

    assert [made.returncode for made in (yes, unsaid, no)] == [0, 2, 1]
    assert "no_record" in no.stdout and "next: " in no.stdout and CODE in yes.stdout


def test_duties_are_listed_for_whom_they_concern(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An authority's node lists what is due on its side, overdue once the working days are over; a lawful record
    closes it. As a page, as JSON, at the command line; what no record can tell is said beside it.
    """
    declared = {"registration_id": "R", "commodity_code": "85076000", "eori": "DE123456789012345"}
    issue(node, 83)
    attest(node, "battery.presented", 83, declaration_number="26NLDUTY", **declared)
    attest(node, "customs.suspended", 83, ground="26(a)")

    (due,) = node.get_json("/duties")["duties"]
    assert (due["duty"], due["state"], due["battery"], due["who"]) == (
        *("suspension_answered", "due", code_of(83), "did:web:everything.example"),
    )
    later = time.time() + 30 * 86_400
    with monkeypatch.context() as patch:
        patch.setattr("node.use_cases.duties.time", SimpleNamespace(time=lambda: later))
        told = node.get_json("/duties")
        page = Reader(node.person.get("/duties", headers=BROWSER).text)
        with serving(node) as address:
            made = here("duties", "--node", address, "--key", node.operator_key)
    assert told["counts"] == {"overdue": 1, "due": 0, "late": 0} and told["sides"] == ["EU"]
    assert (
        "Overdue since" in told["duties"][0]["told"] and "within 4 working days" in told["duties"][0]["text"]
    )
    assert f"/batteries/{code_of(83)}" in page.links and "never recorded" in page.text
    assert made.returncode == 1 and "overdue" in made.stdout and code_of(83) in made.stdout
    assert node.client.get("/duties").status_code == 401

    attest(node, "customs.released", 83, basis="time_limit")

    assert node.get_json("/duties")["duties"] == []


def test_parts_are_opened_compared_and_checked_offline(node: LiveNode, tmp_path: Path) -> None:
    """
    The maker's list gives the commitment, which its production states; opened whole all parts are compared,
    and one alone is checked away from any node by the receipt of the production, and no other in its place.
    """
    parts = [code_of(n).replace("PE", "ME", 1) for n in (90, 91, 92)]
    listed, opened = tmp_path / "parts.txt", tmp_path / "opened.json"
    listed.write_text("\n".join(parts))
    root = node.post_json("/parts/check", {"battery": code_of(84), "parts": [{"code": c} for c in parts]})
    before = root.get_json()
    assert before["answer"] == "not_checked" and "nobody committed" in before["text"]
    said = {"production_date": "2026-06-02", "category": "ev", "children_root": before["shown_root"]}
    attest(node, "battery.produced", 84, **said)

    with serving(node) as address:
        at = ("--node", address, "--key", node.operator_key)
        whole = here("parts", "check", code_of(84), listed, "--open", parts[1], "-o", opened, *at)
        alone = here("parts", "check", code_of(84), opened, *at)
        kept = json.loads(opened.read_text())
        receipt, policy = tmp_path / "r.receipt", tmp_path / "log.policy"
        assert here("receipt", "get", kept["attestation"], "-o", receipt, *at).returncode == 0
        policy.write_text(here("log", "policy", *at).stdout)
    shown = ("parts", "verify", opened, "--receipt", receipt, "--policy", policy)
    valid = here(*shown)
    opened.write_text(json.dumps({**kept, "parts": [{**kept["parts"][0], "code": parts[0]}]}))
    false = here(*shown)

    assert (whole.returncode, alone.returncode) == (0, 2), whole.stdout + whole.stderr
    assert "All 3 parts" in whole.stdout and "Not checked" in alone.stdout
    assert valid.returncode == 0 and parts[1] in valid.stdout, valid.stdout + valid.stderr
    assert false.returncode == 1 and "not under this commitment" in false.stdout
    (way,) = kept["parts"]
    blinded = way.pop("blind")
    shown_alone = [
        node.post_json("/parts/check", {"battery": code_of(84), "parts": [one]}).get_json()["parts"][0]
        for one in ({"code": parts[1]}, way, {**way, "code": parts[0]})
    ]
    assert blinded and [one["committed"] for one in shown_alone] == [False, True, False]
    twice = node.post_json("/parts/check", {"battery": code_of(84), "parts": [{"code": parts[0]}] * 2})
    assert twice.status_code == 400 and twice.get_json()["code"] == "part_twice"


def test_an_answer_about_a_vehicle_is_in_the_readers_language_and_so_are_its_words(node: LiveNode) -> None:
    """
    What was asked about, and the state that stands in the way, are no English words in a German sentence.
    """
    asked = {"vin": VIN, "act": "scrapped", "batteries": [code_of(85)]}
    headers = {**node.bearer, "Accept-Language": "de"}
    told = node.client.post("/vehicles/check", json=asked, headers=headers).get_json()

    assert "verschrottet" in told["text"] and "scrapped" not in told["text"]


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"parts": 1}', '{"parts": [1]}', '{"parts": {"code": "x"}}']
)
def test_a_file_that_names_no_parts_is_told_as_such(content: str, tmp_path: Path) -> None:
    """
    It is the caller's file, whatever its shape: one sentence with what to do, and no node is asked.
    """
    named = tmp_path / "opened.json"
    named.write_text(content)

    made = here("parts", "check", code_of(84), named, "--node", "http://127.0.0.1:9", "--key", "x")

    assert made.returncode == 65, made.stdout + made.stderr
    assert "comity: " in made.stderr and "wrote with --output" in made.stderr + made.stdout


def test_duties_of_a_stretch_of_the_log_lead_to_those_before(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    As many records are looked at as one answer looks at; the first stretch leads nowhere, and what is signed
    and not recorded yet stands beside the newest alone.
    """
    monkeypatch.setattr("node.use_cases.duties.LEAVES_LOOKED_AT", 2)
    size = node.service.stores.ledger.leaves.count()

    newest, first = node.get_json("/duties"), node.get_json("/duties?before=2")

    assert size > 2 and newest["before"] == size - 2 and first["before"] is None
    assert newest["sides"] == first["sides"] == ["EU"] and first["unrecorded"] == []
