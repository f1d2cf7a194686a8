"""The start page and the navigation: what one may open, what waits today, and what to do where nothing is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import nacl.pwhash.argon2id
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from node.api.table import ROUTES
from node.use_cases import passphrases
from node.use_cases.roles import scopes_of
from node.web.navigation import page_entries
from node.web.sample import sample_claims
from tests.harness.support_service import CODE, LiveNode, live_node, manifest
from tests.node.test_access import BROWSER
from tests.node.test_accounts import person
from tests.node.test_pages import Reader

PAGES_WALKED = 80  # a route each, the first of its addresses
PAGES_LEAST = {"reader": 20, "customs": 20, "maker": 20, "admin": 15}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(autouse=True)
def _stretched_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrases, "OPSLIMIT", nacl.pwhash.argon2id.OPSLIMIT_MIN)
    monkeypatch.setattr(passphrases, "MEMLIMIT_BYTES", nacl.pwhash.argon2id.MEMLIMIT_MIN)


@pytest.fixture(scope="module")
def filled(node: LiveNode) -> None:
    """A passport, a consignment that is judged, a model."""
    claims = sample_claims(node.service, CODE)
    assert node.post_json("/passports", {"code": CODE, "claims": claims}).status_code == 201
    model = {"name": "walked", "claims": claims, "columns": {}}
    assert node.post_json("/models", model).status_code == 200, node.post_json("/models", model).text
    made = node.post_json("/consignments", {**manifest(), "declaration": "26NLWALK000001"}).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}")["state"] == "done", "the verdicts")


def offered(browser: FlaskClient) -> list[str]:
    """The addresses of the navigation."""
    text = browser.get("/", headers=BROWSER).text
    found = re.search(r'<nav aria-label="Pages of this node">(.*?)</nav>', text, re.S)
    assert found is not None
    return re.findall(r'href="([^"]+)"', found[1])


@pytest.mark.parametrize("role", ["customs", "importer", "maker", "authority", "reader", "admin"])
def test_the_navigation_offers_what_one_may_open_and_nothing_else(node: LiveNode, role: str) -> None:
    """
    Each page of the navigation answers whoever is offered it, and each that is not offered refuses him.
    """
    browser = person(node, f"Nav {role}", role)
    links = offered(browser)
    assert links

    for entry in page_entries():
        with node.app.test_request_context():
            path = node.app.url_for(entry.route)
        answer = browser.get(path, headers=BROWSER)
        assert answer.status_code == (200 if path in links else 403), (path, answer.text[:300])
        assert f'href="{path}" aria-current="page"' in answer.text or path not in links, path


def led_to(text: str) -> set[tuple[str, str]]:
    """(method, address) of the links and forms of a page."""
    page = html.unescape(text)
    forms = re.findall(r"<form([^>]*)>", page)
    sent = [
        (found[1] if (found := re.search(r'method="(\w+)"', form)) else "get", target[1])
        for form in forms
        if (target := re.search(r'action="([^"]+)"', form)) is not None
    ]
    links = [("get", href) for href in re.findall(r'<a [^>]*?href="(/[^"]*)"', page)]
    return {(method.upper(), href) for method, href in (*links, *sent)}


def test_a_stranger_is_offered_the_doors_which_lead_to_signing_in(node: LiveNode) -> None:
    """
    Without a session the navigation has what is open to all, and the doors of this participant: 401 and the
    way in.
    """
    stranger = node.app.test_client()
    links = offered(stranger)

    assert {"/customs", "/importer", "/manufacturer", "/status"} <= set(links)
    assert not {"/accounts", "/supervision", "/acts"} & set(links)
    for path in links:
        answer = stranger.get(path, headers=BROWSER)
        assert answer.status_code == 200 or "/sign-in?next=" in answer.text, path


def test_the_start_page_is_the_day_of_who_is_signed_in(node: LiveNode) -> None:
    """
    Where nothing is, it says what to do; a consignment with something to decide is counted, and leads there;
    whoever does not judge is not told of it.
    """
    officer = person(node, "Otto Officer", "customs")
    empty = Reader(officer.get("/", headers=BROWSER).text).text
    assert "No consignment was judged here yet" in empty and "Nothing waits for you" in empty
    assert "No passport was issued here yet" in person(node, "Maja", "maker").get("/", headers=BROWSER).text

    made = node.post_json("/consignments", manifest()).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}")["state"] == "done", "the verdicts")

    text = officer.get("/", headers=BROWSER).text
    assert re.search(r'class="urgent"><a href="/consignments"><b>1</b> <span>to decide', text)
    assert "being judged" not in text  # of what is done nothing is counted
    assert f"/consignments/{made}" in text
    assert "to decide:" not in person(node, "Rea Reader", "reader").get("/", headers=BROWSER).text
    assert "Sign in" in node.app.test_client().get("/", headers=BROWSER).text


@pytest.mark.parametrize("role", ["reader", "customs", "maker", "admin"])
def test_no_page_leads_to_where_one_may_not_go(node: LiveNode, filled: None, role: str) -> None:
    """
    From the start page on, each link and each form of each page leads to what this session may open or send;
    a page that lies beyond says no more than that somebody else may.
    """
    browser = person(node, f"Walk {role}", role)
    held = set(scopes_of((role,)))
    scopes = {route.endpoint: set(route.scopes) for route in ROUTES}
    match = node.app.url_map.bind("localhost").match
    seen, queue, refused = set[str](), ["/"], set[tuple[str, str, str]]()

    while queue and len(seen) < PAGES_WALKED:
        path = queue.pop(0)
        answer = browser.get(path, headers=BROWSER)
        if answer.mimetype != "text/html":
            continue
        for method, href in sorted(led_to(answer.text)):
            endpoint = match(href.partition("?")[0].partition("#")[0], method=method)[0]
            if scopes.get(endpoint) and not scopes[endpoint] & held:
                refused.add((path, method, href))
            elif method == "GET" and endpoint not in seen | {"static"}:
                seen.add(endpoint)
                queue.append(href)

    assert not refused, "\n".join(map(str, sorted(refused)))
    assert len(seen) > PAGES_LEAST[role], sorted(seen)


def test_a_reader_chooses_the_language_of_the_pages(node: LiveNode) -> None:
    """
    The choice of a page stays with the browser and comes before what the browser asks for; without either the
    page is English. It leads back to where it was made and to no other site; another language, or a form of
    another site, is refused.
    """
    reader = node.app.test_client()
    own = {**BROWSER, "Origin": "http://localhost"}

    def shown(**headers: str) -> str:
        found = re.search(
            '<html lang="([a-z]+)">', reader.get("/sign-in", headers={**BROWSER, **headers}).text
        )
        assert found is not None
        return found[1]

    def chosen(language: str, back: str, headers: dict[str, str]) -> TestResponse:
        return reader.post("/language", data={"language": language, "back": back}, headers=headers)

    assert shown() == "en" and shown(**{"Accept-Language": "de-AT, nl;q=0.9"}) == "de"
    assert chosen("zh", "/find?q=ZZ1", own).location == "/find?q=ZZ1"
    assert shown(**{"Accept-Language": "de"}) == "zh"
    assert "登录" in reader.get("/sign-in", headers=BROWSER).text
    for foreign in ("//evil.example/", "https://evil.example/", "/\\evil.example/", "evil", "/ x"):
        assert chosen("nl", foreign, own).location == "/", foreign
    assert chosen("xx", "/", own).status_code == 400
    assert chosen("de", "/", {**BROWSER, "Origin": "https://evil.example"}).status_code == 403
    assert shown() == "nl"
