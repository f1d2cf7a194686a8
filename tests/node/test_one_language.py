"""Every page that a link leads to, in each language: what it says as in English is a name or a code."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

from node.catalogues import LANGUAGES, READ_IN
from tests.harness.governed_node import CN_AUTHORITY, GovernedNode, others, proposal_of
from tests.harness.ledger import MAKER
from tests.harness.support_service import ROLES, LiveNode, live_node, manifest
from tests.node.test_watching import attest, code_of, issue
from tests.node.test_words import MARKUP

OWN = (*ROLES, "recycler", "waste_operator", "vehicle_manufacturer", "licensed_dismantler", "lab")
SOLD, RECALLED, GONE = 1, 2, 3
PAGES_MIN, PAGES_MAX = 60, 400
LINK = re.compile(r'<a\b[^>]*\bhref="([^"#]*)')
WORD = re.compile(r"[^\W\d_]{3,}")
# What is the same in every language: names, codes, identifiers and addresses; provisions of law; formats;
# what somebody wrote into a document, an account or a case.
THE_SAME = re.compile(
    r"English|中文|Deutsch|Nederlands|Comity|comity .*|openapi\.json|log\.policy|gzip|SVG|CSV|XLSX|PDF"
    r"|\d{4}-\d\d-\d\d .*UTC|\(CN side\)|cometbft"
    r"|\S*[_\d:/@.\\-]\S*|[A-Z]{2,}|[A-Z][a-z]?"  # an identifier; a symbol
    r"|[A-Za-z]*[a-z][A-Z][A-Za-z]*"  # an identifier drawn at random that has letters alone
    r"|.*\(invented\).*|.*\.example.*|.*Example (?:Road|Import).*|(?:guest of )?operator|tests|did:web:.*"
    r"|.*\b(?:Arts?|Annex|ESPR|XIII|Reg \(EU\)|GB/T|VC Data Integrity|RFC|ISO|Announcement|Law)\b.*"
    r"|(?:(?:verify|clear|govern|issue|read|operate)(?:, )?)+"  # scopes
    r"|(?:NMC|Nickel|SkinCorrosion|Lithium|water|Cobalt).*|(?:Verifiable|BatteryPassport)Credential.*"
)
# Words that a language has as English has them.
SHARED = {
    "zh": frozenset[str](),
    "de": frozenset({"Administrator", "Digest", "Name", "Software"}),
    "nl": frozenset(
        {
            *(
                "Accounts",
                "Digest",
                "Document",
                "Label",
                "Open",
                "Recycler",
                "Software",
                "document",
                "lithium",
                "model",
                "module",
                "open",
                "pack",
            ),
            "stop",
        }
    ),
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """One party for all, in whose network others take part: batteries sold, recalled and recycled; a stop."""
    with live_node(tmp_path_factory.mktemp("language"), OWN, others=others()) as made:
        for serial in (SOLD, RECALLED, GONE):
            issue(made, serial)
        attest(made, "battery.recalled", RECALLED, reason="fire")
        attest(made, "battery.reported_lost", GONE, reference="P-1")
        consignment = f"/consignments/{made.post_json('/consignments', manifest()).get_json()['id']}"
        made.wait(lambda: made.get_json(consignment)["state"] == "done", "the verdicts")
        g = GovernedNode(made)
        stop = {"target": MAKER, "by": CN_AUTHORITY, "since": 0, "until": 0}
        proposal_of(g, CN_AUTHORITY, changes={("stop", MAKER): stop})
        proposal_of(g, CN_AUTHORITY, 1_234)
        made.wait_quiet()
        yield made


def pieces(node: LiveNode, address: str, language: str) -> set[str]:
    """What a page says, a text between two tags each."""
    answer = node.client.get(
        address, headers={**node.bearer, "Accept": "text/html", "Accept-Language": language}
    )
    told = MARKUP.sub("\n", html.unescape(answer.text)) if answer.mimetype == "text/html" else ""
    return {" ".join(line.split()) for line in told.splitlines()} - {""}


def shape(app: Flask, address: str) -> tuple[str, ...]:
    """The route of an address and what it is asked with: one page of each is looked at."""
    parts = urlsplit(address)
    adapter = app.url_map.bind("")
    try:
        endpoint, _ = adapter.match(parts.path)
    except HTTPException:
        return ()
    asked = [f"{name}={value if name == 'kind' else ''}" for name, value in parse_qsl(parts.query)]
    return (endpoint, *sorted(asked))


@pytest.fixture(scope="module")
def linked(node: LiveNode) -> list[str]:
    """Addresses of pages, one of each shape, as links lead to them from the start page."""
    todo, known = [f"/batteries/{code_of(GONE)}", "/governance/propose", "/"], dict[tuple[str, ...], str]()
    headers = {**node.bearer, "Accept": "text/html"}
    while todo:
        address = todo.pop()
        of = shape(node.app, address)
        if not of or of in known or len(known) >= PAGES_MAX:
            continue
        answer = node.client.get(address, headers=headers)
        known[of] = address if answer.mimetype == "text/html" and answer.status_code == 200 else ""
        links = LINK.findall(html.unescape(answer.text)) if known[of] else ()
        todo += [to for to in (urljoin(address, link) for link in links) if to.startswith("/")]
    return sorted(filter(None, known.values()))


@pytest.mark.check
@pytest.mark.parametrize("language", [one for one in READ_IN if one != LANGUAGES[0]])
def test_no_page_that_a_link_leads_to_says_an_english_sentence(
    language: str, node: LiveNode, linked: list[str]
) -> None:
    """
    Each page, once for each way it is asked for, says nothing as the English one does, but for names, codes,
    the law's own references, and words that the language has as well.
    """
    found: dict[str, str] = {}
    for address in linked:
        for same in pieces(node, address, LANGUAGES[0]) & pieces(node, address, language):
            if WORD.search(same) and not THE_SAME.fullmatch(same) and same not in SHARED[language]:
                found.setdefault(same, address)

    assert len(linked) >= PAGES_MIN
    assert found == {}


@pytest.mark.check
def test_the_box_is_on_every_page_that_a_link_leads_to(node: LiveNode, linked: list[str]) -> None:
    """
    In the head of each: type, paste or scan what is to be found.
    """
    headers = {**node.bearer, "Accept": "text/html"}
    without = [one for one in linked if 'id="find"' not in node.client.get(one, headers=headers).text]

    assert without == []
