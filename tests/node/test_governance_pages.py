"""The pages of governance: who, licences, proposals with what is missing; a button only under the effect."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from node.web.labels import governed
from node.words import when
from tests.harness.governed_node import CN_AUTHORITY, MAKER, GovernedNode, governed_node, proposal_of
from tests.node.test_pages import BROWSER, Reader, page


@pytest.fixture(scope="module")
def g(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GovernedNode]:
    with governed_node(tmp_path_factory.mktemp("governed")) as found:
        yield found


def test_who_governs_is_one_step_from_every_page(g: GovernedNode) -> None:
    """
    The navigation leads to participants, and from there to licences, recognitions, proposals and history;
    each says as of which height.
    """
    assert "/governance" in page(g.node, "/").links
    shown = page(g.node, "/governance")
    for address in ("accreditations", "recognitions", "proposals", "history"):
        assert f"/governance/{address}" in shown.links
        page(g.node, f"/governance/{address}")

    assert "maker.example" in shown.text and "may approve" in shown.text
    assert re.search(r"As it governs height \d+; so since height 0", shown.text)
    assert "2 approvals, one of each of CN, EU" in shown.text
    assert "a voting node of each of EU" in shown.text or "a voting node of each of CN" in shown.text
    assert "eu-authority.example" in page(g.node, "/governance/accreditations").text
    assert "None: no side gives effect" in page(g.node, "/governance/recognitions").text


def test_a_proposal_shows_its_effect_and_only_then_a_button(g: GovernedNode) -> None:
    """
    Member, before, after, whose approval, what is missing by name and the height: all of it stands above the
    button, which sends the digest of what was shown; who may not sign sees none.
    """
    digest = proposal_of(g, CN_AUTHORITY, 333)
    path = f"/governance/proposals/{digest}"
    text = g.node.person.get(path, headers=BROWSER).text
    read = Reader(text)
    assert "per_issuer_per_day_max" in read.text and "333" in read.text
    assert "changes limits that every node enforces (approved by authorities of the whole" in read.text
    assert "1 approval more, including EU" in read.text
    assert "Approve exactly this" not in read.text and "comity keys link --scope govern" in read.text

    link = g.node.post_json("/links", {"scopes": ["govern", "read"], "name": "the signer"}).get_json()
    g.node.person.get(link["path"])
    text = g.node.person.get(path, headers=BROWSER).text
    effect = g.proposal(digest)["effect"]["digest"]
    assert f'name="effect" value="{effect}"' in text
    button = text.index("Approve exactly this")
    assert max(text.index(said) for said in ("333", "1 approval more", "it governs from height")) < button
    listed = page(g.node, "/governance/proposals").text
    assert "changes limits that every node enforces" in listed and "1 approval more" in listed

    stale = g.node.person.post(f"{path}/approve", data={"effect": "A" * 43}, headers=BROWSER)
    assert stale.status_code == 409 and "Nothing was signed." in stale.text
    sent = g.node.person.post(f"{path}/approve", data={"effect": effect}, headers=BROWSER)
    assert (sent.status_code, sent.headers["Location"]) == (303, path)
    assert g.until_over(digest)["outcome"] == "decided"
    over = page(g.node, path).text
    assert "What it changed" in over and "Approve exactly this" not in over
    history = page(g.node, "/governance/history")
    assert path in history.links and "cn-authority.example" in history.text and "decided" in history.text


def test_a_stop_stands_on_the_page_of_who_governs(g: GovernedNode) -> None:
    """
    Who is stopped, by whom and until when; times that only the decision knows are said as that before.
    """
    row = {"target": MAKER, "by": CN_AUTHORITY, "since": 0, "until": 0}
    digest = proposal_of(g, CN_AUTHORITY, changes={("stop", MAKER): row})
    over = page(g.node, f"/governance/proposals/{digest}").text

    assert "decided" in over
    g.node.wait(lambda: bool(g.node.get_json("/governance")["stops"]), "the stop")
    (stop,) = g.node.get_json("/governance")["stops"]
    assert (stop["state"], stop["target"], stop["by"]) == ("in_force", MAKER, CN_AUTHORITY)
    told = page(g.node, "/governance").text
    assert f"maker.example is stopped by cn-authority.example since {when(stop['since'])}" in told
    assert "stopped" in told


def test_values_of_records_are_told_as_people_read_them() -> None:
    """
    Times as moments, those of the decision as such, lists with commas, what is missing as a dash.
    """
    assert governed(None) == "–"
    assert governed("decided", "since") == "when it is decided"
    assert governed("decided+259200", "until") == "3 days after it is decided"
    assert when(1_800_000_000) in governed(1_800_000_000, "keys[did:web:a#attest-1].valid_until")
    assert governed(1_800_000_000, "per_issuer_per_day_max") == "1800000000"
    assert governed(["a", "b"]) == "a, b"
    assert governed({"a": "<b>"}) == "<code>{&#34;a&#34;: &#34;&lt;b&gt;&#34;}</code>"
    assert str(governed([["decided"]], "suspended")) == "when it is decided"
