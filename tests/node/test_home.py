"""The start page and the navigation: what one may open, what waits today, and what to do where nothing is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nacl.pwhash.argon2id
import pytest
from flask.testing import FlaskClient

from node.use_cases import passphrases
from node.web.navigation import page_entries
from tests.harness.support_service import LiveNode, live_node, manifest
from tests.node.test_access import BROWSER
from tests.node.test_accounts import person
from tests.node.test_pages import Reader


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(autouse=True)
def _stretched_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrases, "OPSLIMIT", nacl.pwhash.argon2id.OPSLIMIT_MIN)
    monkeypatch.setattr(passphrases, "MEMLIMIT_BYTES", nacl.pwhash.argon2id.MEMLIMIT_MIN)


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
    assert f"/consignments/{made}" in text
    assert "to decide:" not in person(node, "Rea Reader", "reader").get("/", headers=BROWSER).text
    assert "Sign in" in node.app.test_client().get("/", headers=BROWSER).text
