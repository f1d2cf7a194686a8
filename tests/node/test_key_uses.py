"""What rests on a key since a time: found on the log, and told with the open lines about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from node.governance_answers import KeyUseRecord, KeyUsesAnswer
from node.use_cases import key_uses
from node.web.sample import sample_claims
from tests.harness.support_service import CODE, DID, LiveNode, live_node, manifest
from tests.node.test_pages import BROWSER

ATTEST, CREDENTIAL = f"{DID}#attest-1", f"{DID}#credential-1"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node with a passport, an event of its battery, and a manifest whose first line is about it."""
    with live_node(tmp_path_factory.mktemp("uses")) as made:
        claims = sample_claims(made.service, CODE)
        answer = made.post_json("/passports", {"code": CODE, "claims": claims}).get_json()
        made.wait(lambda: made.get(f"/receipts/{answer['digest']}").status_code == 200, "the receipt")
        made.wait_quiet()  # no test meets the lists of the passport on their way
        consignment = made.post_json("/consignments", manifest()).get_json()["id"]
        made.wait(lambda: made.get_json(f"/consignments/{consignment}")["state"] == "done", "the verdicts")
        yield made


def uses(node: LiveNode, kid: str, since: int = 0, leaf: int = 0) -> KeyUsesAnswer:
    found: KeyUsesAnswer = node.get_json(
        f"/governance/key-uses?key={quote(kid, safe='')}&since={since}&leaf={leaf}"
    )
    return found


@pytest.mark.parametrize(("kid", "rests"), [(ATTEST, "attestations"), (CREDENTIAL, "documents")])
def test_what_a_key_signed_is_found_with_the_open_lines_about_it(
    node: LiveNode, kid: str, rests: str
) -> None:
    """
    Every attestation of an attest key, every document of a credential key that is on the log; and which lines
    of manifests whose goods are still on their way are about that battery.
    """
    found = uses(node, kid)

    assert (found["rests"], found["participant"], found["next"]) == (rests, DID, None)
    (published,) = [use for use in found["uses"] if use["kind"] == "passport.published"]
    assert published["certain"] and published["document_digest"]
    assert published["open_lines_total"] == 1
    (line,) = published["open_lines"]
    assert line["line"] == 1 and line["verdict"] in ("hold", "clear_with_gaps", "clear", "refuse")


def test_a_page_shows_what_rests_on_a_key(node: LiveNode) -> None:
    """
    From the page of who governs: each statement with its open lines, since a day; of keys that sign no entry
    what is in question; a day that is none is refused.
    """
    link = node.post_json("/links", {"scopes": ["read"], "name": "a reader"}).get_json()
    node.person.get(link["path"])

    def shown(kid: str, **asked: str) -> tuple[int, str]:
        answer = node.person.get("/governance/key-uses", query_string={"key": kid, **asked}, headers=BROWSER)
        return answer.status_code, answer.text

    (published,) = [use for use in uses(node, ATTEST)["uses"] if use["kind"] == "passport.published"]
    line = published["open_lines"][0]
    assert (
        f"/governance/key-uses?key={DID}%23attest-1" in node.person.get("/governance", headers=BROWSER).text
    )
    status, text = shown(ATTEST)
    assert status == 200 and f"/consignments/{line['consignment']}/items/{line['line']}" in text
    assert f"no. {published['leaf_index']}" in text
    assert "signed nothing that was recorded" in shown(ATTEST, day="2999-01-01")[1]
    assert "were decided with its votes" in shown(f"{DID}#vote-1")[1]
    assert shown(ATTEST, since=str(2**53 - 1))[0] == 200
    for day in ("2026-02-30", "soon", "20260201"):
        assert shown(ATTEST, day=day)[0] == 400


def test_only_what_came_since_is_told(node: LiveNode) -> None:
    """
    From the second of its block on, and nothing of a time to come.
    """
    last = uses(node, ATTEST)["uses"][-1]

    assert uses(node, ATTEST, last["time"])["uses"][-1] == last
    later = uses(node, ATTEST, last["time"] + 1)
    assert last not in later["uses"] and later["first_leaf"] > last["leaf_index"]
    assert uses(node, ATTEST, int(time.time()) + 1_000)["uses"] == []


def test_what_no_entry_shows_is_said_by_the_role(node: LiveNode) -> None:
    """
    Votes, checkpoints and messages stand in no entry: which are in question is told by the log's size.
    """
    for role, rests in (("vote", "votes"), ("cosign", "checkpoints"), ("log", "checkpoints"),
                        ("transport", "messages")):  # fmt: skip
        found = uses(node, f"{DID}#{role}-1")
        assert (found["rests"], found["uses"], found["next"], found["first_leaf"]) == (rests, [], None, 0)


def test_a_long_log_is_looked_through_in_parts(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One answer looks at so many leaves, and says where to go on; together they are all, each once.
    """
    whole = uses(node, ATTEST)["uses"]
    monkeypatch.setattr(key_uses, "LEAVES_AT_ONCE", 1)

    parts, leaf, answers = list[KeyUseRecord](), 0, 0
    while True:
        answer = uses(node, ATTEST, 0, leaf)
        parts, answers = parts + answer["uses"], answers + 1
        if answer["next"] is None:
            break
        leaf = answer["next"]

    assert parts == whole and answers > len(whole)


def test_a_document_that_is_not_held_is_told_as_perhaps(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Which key signed a document that this node lacks is not known: it is told as one that may be it.
    """
    documents = node.service.stores.office.documents
    monkeypatch.setattr(documents, "of_set", lambda _: [])
    without_sets = {use["kind"]: use["certain"] for use in uses(node, CREDENTIAL)["uses"]}
    monkeypatch.setattr(documents, "get_many", lambda _: {})

    found = uses(node, CREDENTIAL)["uses"]

    assert found and not any(use["certain"] for use in found)
    assert without_sets["battery.produced"] and not without_sets["passport.published"]


def test_a_document_of_another_key_is_none_of_this_ones(node: LiveNode) -> None:
    """
    A key of the same participant that signed nothing has nothing that rests on it.
    """
    assert uses(node, f"{DID}#log-1")["uses"] == []
    assert key_uses._methods(b'{"proof": [{"verificationMethod": "a"}, {"verificationMethod": "b"}, 7]}') == {
        "a",
        "b",
    }
    assert key_uses._methods(b'{"proof": {"verificationMethod": "a"}}') == {"a"}
    assert key_uses._methods(b"[]") == key_uses._methods(b"{}") == set()


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("key=did:web:nobody.example%23attest-1", 404, "key_unknown"),
        (f"key={quote(DID + '#attest-9', safe='')}", 404, "key_unknown"),
        ("", 400, "bad_argument"),
        (f"key={'a' * 2_501}", 400, "bad_argument"),
        ("key=x&since=-1", 400, "bad_argument"),
    ],
)
def test_a_key_that_nobody_has_is_told(node: LiveNode, query: str, status: int, code: str) -> None:
    """
    A key that is on no record, and a question that cannot be read, are told as that.
    """
    answer = node.get(f"/governance/key-uses?{query}")

    assert (answer.status_code, answer.get_json()["code"]) == (status, code)


def test_strangers_are_not_told(node: LiveNode) -> None:
    """
    What a node judges is its own: without a key nothing of it is told.
    """
    assert node.client.get(f"/governance/key-uses?key={quote(ATTEST, safe='')}").status_code == 401
