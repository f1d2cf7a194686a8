"""The pages of a real node, as a browser gets them: words, links, steps, and no green without a check."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from credentials.documents.canonical import b64u
from credentials.ledger.recognition import Recognition
from credentials.ledger.standing import Refused, Standing
from credentials.verdicts.evidence import LedgerView
from credentials.verdicts.severity import ORDER
from node.api.table import ROUTES
from node.config import read_table, shipped
from node.use_cases.batteries import _standing
from node.web.labels import age, say
from node.web.sample import sample_claims
from node.words import when
from tests.harness.ledger import battery
from tests.harness.support_service import CODE, DID, UNKNOWN_CODE, LiveNode, live_node, manifest

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Site": "same-origin"}
WAIT_S_MAX = 20.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("node")) as running:
        yield running


class Reader(HTMLParser):
    """What a test asks of a page: its text, links, forms, and whether its elements close."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "path", "circle", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.labels: set[str] = set()
        self.fields: set[str] = set()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        assert self.open == [], f"not closed: {self.open}"

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.attributes |= given.keys()
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag == "label":
            self.labels.add(given.get("for") or "")
        if tag in ("input", "textarea") and given.get("type") != "hidden":
            self.fields.add(given.get("id") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def page(node: LiveNode, path: str) -> Reader:
    """The page at `path`, read."""
    answer = node.person.get(path, headers=BROWSER)
    assert answer.status_code == 200, (path, answer.text[:400])
    assert answer.content_type == "text/html; charset=utf-8"
    return Reader(answer.text)


def judged(node: LiveNode, sent: dict[str, object] | None = None) -> str:
    """A consignment of this node that is judged to its end; its path."""
    manifest_text = json.dumps(sent or manifest())
    answer = node.person.post("/consignments", data={"manifest": manifest_text}, headers=BROWSER)
    assert answer.status_code == 303, answer.text
    path = str(answer.headers["Location"])
    node.wait(lambda: node.get_json(path)["state"] == "done", "the consignment to be judged")
    return path


def test_one_battery_is_checked_by_a_form_that_asks_as_what_it_is_declared(node: LiveNode) -> None:
    """
    The form of one battery has no condition chosen for anybody; what it sends is a manifest of one line.
    """
    form = node.person.get("/consignments", headers=BROWSER).text
    assert '<option value="">choose: it is never guessed</option>' in form
    sent = {"battery": UNKNOWN_CODE, "goods": "battery", "condition": "second_life", "vin": ""}

    answer = node.person.post("/consignments", data=sent, headers=BROWSER)

    path = str(answer.headers["Location"])
    node.wait(lambda: node.get_json(path)["state"] == "done", "the line to be judged")
    line = node.get_json(f"{path}/items/1")
    assert (line["battery"], line["condition"], line["vin"]) == (UNKNOWN_CODE, "second_life", None)
    assert "second life" in page(node, f"{path}/items/1").text


def test_the_page_of_a_battery_says_in_words_what_stays_and_who_set_what(node: LiveNode) -> None:
    """
    Marks and what an authority set stand on the page as sentences, never as a number and never left out.
    """
    code = "ZZ1PE75QH00001G630000077"
    path = f"/batteries/{code}"

    def attest(event: str, **members: str) -> None:
        told = node.post_json("/attestations", {"event": event, "battery": code, "members": members})
        assert told.status_code == 201, told.text
        made = f"/attestations/{told.get_json()['digest']}"
        node.wait(lambda: node.get_json(made)["state"] in ("admitted", "receipted"), event)

    attest("battery.enrolled", ground="older_stock", evidence="an invoice")
    assert "No mark of use is on record" not in page(node, path).text

    attest("battery.recalled", reason="cells overheat")

    text = page(node, path).text
    assert "was entered without a record of its origin" in text
    assert re.search(r"recalled, not lifted since, by did:web:everything.example \(record no. \d+\)", text)


def issued(node: LiveNode) -> str:
    """A passport issued as JSON by the page; its path. The guided form has tests of its own."""
    text = json.dumps(sample_claims(node.service, CODE))
    sent = node.person.post("/passports", data={"code": CODE, "claims": text}, headers=BROWSER)
    assert sent.status_code == 303, Reader(sent.text).text
    return str(sent.headers["Location"])


def test_a_passport_goes_from_form_to_proof_of_record(node: LiveNode) -> None:
    """
    What is sent by the page leads to a page that reloads until the proof of record is there.
    """
    path = issued(node)

    deadline = time.monotonic() + WAIT_S_MAX
    while 'http-equiv="refresh"' in node.person.get(path, headers=BROWSER).text:
        assert time.monotonic() < deadline, "the page goes on reloading"
        time.sleep(0.1)
    text = page(node, path).text
    assert "Signed" in text and "Recorded" in text and "Proof of record" in text
    assert page(node, "/passports").text.count(CODE) == 1


def test_a_refused_form_says_why_and_keeps_what_was_typed(node: LiveNode) -> None:
    """
    Claims with a duplicate key are refused with one sentence, and the text stays in the form.
    """
    form = {"code": CODE, "claims": '{"a": 1, "a": 2}'}

    answer = node.person.post("/passports", data=form, headers=BROWSER)

    assert answer.status_code == 400
    assert "Not issued." in Reader(answer.text).text
    assert "&#34;a&#34;: 2" in answer.text


def test_a_form_cannot_smuggle_members(node: LiveNode) -> None:
    """
    Text that closes the claims and goes on is not JSON of the documented shape.
    """
    form = {"code": CODE, "claims": '{}, "idempotency_key": "x"'}

    assert node.person.post("/passports", data=form, headers=BROWSER).status_code == 400


def test_a_consignment_shows_its_worst_word_and_filters(node: LiveNode) -> None:
    """
    The page shows every line, the worst verdict and the counts; the filter leaves the lines with problems.
    """
    path = judged(node)
    everything, problems = page(node, path), page(node, path + "?show=problems")

    found = node.get_json(path)
    lines = [link for link in everything.links if "/items/" in link]
    assert len(lines) == found["lines"]
    worst = read_table("terms.toml", shipped("terms.toml"))["verdict"][found["worst"]]["en"]
    assert worst in everything.text
    bad = [item for item in found["items"] if item["verdict"] not in ("clear", "clear_with_gaps")]
    assert bad and len([link for link in problems.links if "/items/" in link]) == len(bad)


def test_an_item_page_holds_every_check_and_both_dates(node: LiveNode) -> None:
    """
    Every check of the verdict is on the page, with the law date, the time of judging, and each source's age.
    """
    path = judged(node) + "/items/1"
    item = node.get_json(path)
    text = page(node, path).text

    words = read_table("terms.toml", shipped("terms.toml"))["check"]
    for check in item["checks"]:
        assert words[check["name"]]["en"] in text
    assert item["law_date"] in text and when(item["evaluated_at"]) in text
    assert f"height {item['height']}" in text
    for source in item["sources"]:
        assert source["name"].replace("_", " ") in text


def test_an_item_page_offers_a_command_that_names_its_downloads(node: LiveNode) -> None:
    """
    The files the command names are exactly those the page lets one download.
    """
    passport = issued(node)
    node.wait(lambda: node.get_json(passport).get("receipted_at") is not None, "the receipt")
    path = judged(node) + "/items/1"
    answer = node.person.get(path, headers=BROWSER)
    command = re.search(r'<code id="command">(.*?)</code>', answer.text)
    assert command is not None, "the item page shows a command"

    named = {word for word in command[1].split() if word.endswith((".tlog-proof", ".json", ".policy"))}
    offered = set()
    for link in re.findall(r'id="(?:receipt|document|policy)" href="([^"]+)"', answer.text):
        disposition = node.person.get(link).headers["Content-Disposition"]
        offered.add(disposition.split('filename="')[1].rstrip('"'))
    assert named == offered and len(named) == 3
    signed = re.search(r'<p id="signed">(.*?)</p>', answer.text)
    assert signed is not None and re.search(r"by jurisdiction: (CN|EU): \S+\.example\.$", signed[1])


PATHS = [
    "/",
    "/customs",
    "/importer",
    "/manufacturer",
    "/consignments",
    "/passports",
    "/passports/new",
    "/status",
    "/log/entries",
]


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_well_made(node: LiveNode, path: str) -> None:
    """
    Elements close, every field has a label, there is no script, no inline style, and no outside link.
    """
    read = page(node, path)

    assert "script" not in read.tags and "style" not in read.attributes
    assert not [name for name in read.attributes if name.startswith("on")]
    assert read.fields <= read.labels
    assert all(link.startswith(("/", "#", "?")) for link in read.links), read.links
    assert "compliant" not in read.text.lower()


@pytest.mark.parametrize("path", PATHS)
def test_every_link_of_a_page_leads_somewhere(node: LiveNode, path: str) -> None:
    """
    Each address a page links to answers.
    """
    for link in set(page(node, path).links):
        if link.startswith("/"):
            assert node.person.get(link, headers=BROWSER).status_code in (200, 303), (path, link)


def test_text_from_outside_is_text(node: LiveNode) -> None:
    """
    Markup in what a sender typed, accepted or refused, is shown as typed, never run.
    """
    markup = "<img src=x onerror=alert(1)>"
    accepted = manifest()
    accepted["lines"] = [accepted["lines"][0] | {"battery": markup}]
    refused = json.dumps(manifest() | {"declaration": markup})

    shown = node.person.get(judged(node, accepted), headers=BROWSER).text
    answer = node.person.post("/consignments", data={"manifest": refused}, headers=BROWSER)

    assert answer.status_code == 400
    for text in (shown, answer.text):
        assert "<img" not in text and "&lt;img src=x" in text


def test_a_door_that_is_not_ours_says_so(node: LiveNode) -> None:
    """
    Without a session a door answers 401 and tells a person how to get in.
    """
    answer = node.app.test_client().get("/customs", headers=BROWSER)

    assert answer.status_code == 401
    assert "one-time link" in Reader(answer.text).text


def test_words_are_the_second_column_of_the_table() -> None:
    """
    Pages say log seal, record and proof of record; and every verdict has a word.
    """
    assert (say("checkpoint"), say("entry"), say("receipt")) == ("log seal", "record", "proof of record")
    assert set(ORDER) == set(read_table("terms.toml", shipped("terms.toml"))["verdict"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "not known"), (0, "0 s"), (89, "89 s"), (90, "1 min"), (7200, "2 h"), (200_000, "2 days")],
)
def test_ages_are_told_in_the_largest_useful_unit(seconds: int | None, text: str) -> None:
    """
    Seconds to a minute and a half, then minutes, hours, days; unknown is said to be unknown.
    """
    assert age(seconds) == text


def test_impossible_times_are_shown_as_they_are() -> None:
    """
    A time beyond the calendar does not break a page.
    """
    assert when(2**53) == str(2**53)
    assert when(0) == "1970-01-01 00:00:00 UTC"


@pytest.mark.parametrize("legal_basis", ["network-policy (demonstration)", "an agreement of 2027"])
def test_what_was_made_up_for_a_demonstration_says_so_on_every_page(tmp_path: Path, legal_basis: str) -> None:
    """
    Where the recognition between the sides has no basis but the demonstration, every page says so, once, and
    /status too; elsewhere none does.
    """
    made = Recognition.parse(
        {
            "authority": DID,
            "jurisdiction": "EU",
            "issuer": "*",
            "issuer_jurisdiction": "CN",
            "rows": ["R1"],
            "effect": "information-only",
            "legal_basis": legal_basis,
            "valid_from": 1_700_000_000,
        }
    )
    with live_node(tmp_path, recognitions=[made]) as node:
        shown = {
            route.rule: node.person.get(route.rule, headers=BROWSER)
            for route in ROUTES
            if route.method == "GET" and "<" not in route.rule
        }
        status = node.get_json("/status")
        line = page(node, f"{judged(node)}/items/1").text

    pages = {rule: answer.text for rule, answer in shown.items() if answer.mimetype == "text/html"}
    said = {rule for rule, text in pages.items() if text.count("This recognition was made for the demo") == 1}
    demonstration = "demonstration" in legal_basis
    print(f"{len(pages)} pages, {len(said)} say that this is a demonstration")
    assert len(pages) > 8
    assert said == (set(pages) if demonstration else set())
    assert status["demonstration"] is demonstration
    assert ("made for the demo" in line) is demonstration


@pytest.mark.parametrize("coding", ["gb18030", "cp1252", "utf-16"])
def test_a_file_in_another_coding_is_never_signed(node: LiveNode, coding: str) -> None:
    """
    Claims in a file that is not UTF-8 are refused with what to do: no character is put in place of another.
    """
    claims = sample_claims(node.service, CODE)
    claims["GeneralProductInformation"]["batteryPassportIdentifier"] = "urn:bpass:Müller °C"
    data = json.dumps(claims, ensure_ascii=False).encode(coding, "replace")
    form = {"code": CODE, "file": (io.BytesIO(data), "claims.json")}

    answer = node.person.post("/passports", data=form, headers=BROWSER)

    assert answer.status_code == 400
    assert "saved as UTF-8" in answer.text or "Save the file as UTF-8" in answer.text


def test_an_empty_file_is_told_as_that(node: LiveNode) -> None:
    """
    A file was chosen: it is empty, and has a name.
    """
    form = {"file": (io.BytesIO(b" \r\n"), "march.json")}

    answer = node.person.post("/consignments", data=form, headers=BROWSER)

    assert answer.status_code == 400
    assert "The file march.json is empty" in Reader(answer.text).text


def test_a_form_without_claims_comes_back_empty(node: LiveNode) -> None:
    """
    Nothing that nobody typed stands in the field from which claims are signed; a missing code is told.
    """
    answers = [node.person.post("/passports", data={"code": code}, headers=BROWSER) for code in (CODE, "")]

    for answer in answers:
        assert answer.status_code == 400
        assert re.search(r'<textarea id="claims"[^>]*></textarea>', answer.text)
    assert "Give the battery's code." in Reader(answers[1].text).text


def test_a_door_of_another_role_says_whose_node_this_is(tmp_path: Path) -> None:
    """
    A customs officer at a manufacturer's node is told that it is that manufacturer's.
    """
    with live_node(tmp_path, ("manufacturer",)) as other:
        answer = other.get("/customs")

    assert answer.status_code == 404
    assert answer.get_json()["detail"] == (
        "Everything Ltd (invented) is not customs in this network: this page is elsewhere."
    )


def test_consignments_are_listed_in_pages(node: LiveNode) -> None:
    """
    The newest first; the next page goes on before the last number of this one.
    """
    for number in (1, 2):
        judged(node, {**manifest(), "declaration": f"26NLPAGES{number}"})
    newest = node.get_json("/consignments")["consignments"]

    older = node.get_json(f"/consignments?before={newest[0]['number']}")["consignments"]

    assert newest[0]["declaration"] == "26NLPAGES2"
    assert [row["number"] for row in older] == [row["number"] for row in newest][1:]


def test_the_page_of_keys_names_who_is_signed_in(node: LiveNode) -> None:
    """
    Whoever operates the node sees each key and each session by its name, and can end it there.
    """
    link = node.post_json("/links", {"scopes": ["operate"], "name": "Ann"}).get_json()
    person = node.app.test_client()
    assert person.get(link["path"]).status_code == 303

    shown = person.get("/keys", headers=BROWSER)

    assert shown.status_code == 200, shown.text[:300]
    assert "Ann" in Reader(shown.text).text


def test_a_refused_statement_about_a_battery_is_told_by_its_digests() -> None:
    """
    Whoever asks about the battery finds what lost: rule, author, and the digests of statement and document.
    """
    refused = Refused("X6", b"a" * 32, b"d" * 32, DID, 3, 7)

    standing = Standing(battery(1)).with_refusal(refused)

    [told] = _standing(standing, LedgerView(standing))["refusals"]

    assert told == {
        "rule": "X6",
        "attestation_digest": b64u(b"a" * 32),
        "document_digest": b64u(b"d" * 32),
        "issuer": DID,
        "leaf_index": 7,
        "winner_leaf_index": 3,
    }
