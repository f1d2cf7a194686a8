"""Requests to be shown sets: asked from a row of the readiness report, answered, and what turns by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from credentials.documents.canonical import b64u, b64u_decode
from credentials.verdicts.evidence import Missing, MissingReason
from node.errors import ProblemError
from node.oversight import set_requests
from node.oversight.request_statements import make_request, read_request
from node.storage import requested_sets
from node.storage.requested_sets import RequestedRow
from node.verdicts.reports import UnseenSet, unseen_points
from tests.harness.governed_node import EU_AUTHORITY, others
from tests.harness.ledger import IMPORTER, MAKER, signer
from tests.harness.support_service import DID, LiveNode, live_node
from tests.node.test_watching import code_of, issue

HERE = "/set-requests"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node that issues and imports; another importer and a maker are there, whose keys the test holds."""
    with live_node(tmp_path_factory.mktemp("sets"), others=others(IMPORTER)) as made:
        issue(made, 1)
        yield made


@pytest.fixture(scope="module")
def sets(node: LiveNode) -> dict[int, bytes]:
    """The sets of the passport that this node issued which are not visible to everybody, by point."""
    (reading,) = node.service.consignments.reports._gathering.fetch_for([{"battery": code_of(1)}])
    assert reading.sets is not None and reading.sets.set_list is not None and reading.seen == (1,)
    return dict(reading.sets.set_list.points)


def signed(
    node: LiveNode, by: str, about: list[Any], *, act: str = "asked", to: bytes = b"", at: int = 0
) -> bytes:
    return make_request(
        node.service.overview.genesis.network_id,
        about,
        "to know what is in it",
        act=act,
        request=to,
        author=by,
        at=at or int(time.time()),
        signer=signer(by),
    )


def take(node: LiveNode, by: str, data: bytes) -> None:
    node.service.peers._set_requests.take(by, data)


def wanted(node: LiveNode, by: str, digest: bytes) -> Any:
    body = orjson.dumps({"want": [b64u(digest)]})
    return orjson.loads(node.service.consignments.reports._gathering.giving.answer_peer(by, body))


def test_who_is_handed_a_set_is_given_it_and_nobody_else(node: LiveNode, sets: dict[int, bytes]) -> None:
    """
    An importer's request shows the maker who asks, on what ground and for which batteries; once it is handed
    over, signed, that party is given the set by its node, and no other party is, and no other set.
    """
    take(node, IMPORTER, signed(node, IMPORTER, [DID, "duties", [sets[2], sets[3]]]))
    take(node, IMPORTER, signed(node, IMPORTER, [DID, "agreed", [sets[3]]]))
    second, first = node.get_json(HERE)["requests"]
    asked = node.get_json(f"{HERE}/{first['id']}")
    assert (asked["points"], asked["batteries"][0]["battery"], asked["ground"]) == (
        [2, 3],
        code_of(1),
        "duties",
    )
    assert node.get_json(HERE)["waiting"] == 2 and asked["may_answer"]
    assert wanted(node, IMPORTER, sets[2])["missing"] == {b64u(sets[2]): "withheld"}
    html = {"Accept": "text/html"}
    page = node.person.get(f"{HERE}/{first['id']}", headers=html).text
    assert "Hand them over" in page and "to know what is in it" in page
    assert "/set-requests" in node.person.get("/", headers=html).text

    answer = node.post_json(f"{HERE}/{first['id']}", {"act": "given", "text": "as agreed", "points": [2]})
    assert (answer.status_code, answer.get_json()["state"]) == (200, "given")
    assert b64u(sets[2]) in wanted(node, IMPORTER, sets[2])["documents"]
    assert b64u(sets[2]) in wanted(node, EU_AUTHORITY, sets[2])["documents"]  # by the access table
    assert wanted(node, MAKER, sets[2])["missing"] == {b64u(sets[2]): "withheld"}
    assert wanted(node, IMPORTER, sets[3])["missing"] == {b64u(sets[3]): "withheld"}
    again = node.post_json(f"{HERE}/{first['id']}", {"act": "declined", "text": "no"})
    assert again.status_code == 403 and "answered already" in again.text
    declined = node.post_json(f"{HERE}/{second['id']}", {"act": "declined", "text": "nothing is agreed"})
    assert declined.get_json()["answer_text"] == "nothing is agreed"
    letters = node.service.stores.office.letters._select("path = 'set-requests'", ())
    assert [one.told for one in letters] == [IMPORTER] * 2


def test_a_row_asks_and_turns_by_what_is_handed_over(node: LiveNode, sets: dict[int, bytes]) -> None:
    """
    From a row of the readiness report its maker is asked, in the words of the page; when the answer comes,
    the sets that were handed over are read by the report, and by no verdict.
    """
    lines = [{"line": 1, "battery": code_of(1), "goods": "battery", "condition": "new"}]
    manifest = {"declaration": "26NLSETS01", "law_date": "2027-03-01", "direction": "import", "lines": lines}
    consignment = node.post_json("/consignments", manifest).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{consignment}")["state"] == "done", "it to be judged")

    def row() -> Any:
        report = node.get_json(f"/consignments/{consignment}/readiness")
        return next(one for one in report["rows"] if one["id"] == "MAT-05")

    assert row()["shown_as"] == "not_visible"
    page = node.person.get(f"/consignments/{consignment}/readiness", headers={"Accept": "text/html"}).text
    assert f"/set-requests/new?consignment={consignment}&amp;requirement=MAT-05" in page
    told = {"consignment": consignment, "requirement": "MAT-05"}
    (party,) = node.get_json(f"{HERE}/new?consignment={consignment}&requirement=MAT-05")["parties"]
    assert (party["did"], party["points"], party["batteries"]) == (DID, [2], 1)
    form = node.person.get(f"{HERE}/new", query_string=told, headers={"Accept": "text/html"}).text
    assert "Send the request" in form
    order = {**told, "whom": DID, "ground": "duties", "text": "needed"}
    assert node.post_json(HERE, order).status_code == 400  # of oneself nobody asks: its own node issued it
    assert node.post_json(HERE, {**order, "requirement": "XX-99"}).status_code == 404

    office = node.service.stores.office
    asked = RequestedRow(
        0, b"r" * 32, DID, MAKER, int(time.time()), "duties", "needed", sets[2], '[[1, "", 2]]', consignment,
        "MAT-05", b"asked",
    )  # fmt: skip
    with office.writing() as db:
        office.requested.put(db, asked)
    with pytest.raises(ProblemError, match="answers no request"):
        take(node, IMPORTER, signed(node, IMPORTER, [[sets[2]]], act="given", to=asked.id))
    with pytest.raises(ProblemError, match="not asked for"):
        take(node, MAKER, signed(node, MAKER, [[sets[3]]], act="given", to=asked.id))
    take(node, MAKER, signed(node, MAKER, [[sets[2]]], act="given", to=asked.id))
    take(node, MAKER, signed(node, MAKER, [], act="declined", to=asked.id))  # the first answer stands

    assert row()["state"].startswith("met")
    assert node.get_json(f"{HERE}/{b64u(asked.id)}")["state"] == "given"
    item = node.get_json(f"/consignments/{consignment}/items/1")
    assert any(gap["point"] == 2 for gap in item["withheld"])


def test_what_its_issuer_withholds_may_be_asked_for_whatever_the_own_policy_says(node: LiveNode) -> None:
    """
    An importer whose policy reads every set asks for those that the maker did not show it, and for no other.
    """
    (reading,) = node.service.consignments.reports._gathering.fetch_for([{"battery": code_of(1)}])
    assert reading.sets is not None and reading.sets.set_list is not None
    points = dict(reading.sets.set_list.points)
    by_policy = replace(reading, seen=(1, 2, 3, 4), documents=dict(reading.documents))
    by_policy.documents[points[2]] = Missing(MissingReason.WITHHELD, MAKER, 1)
    by_policy.documents[points[3]] = Missing(MissingReason.UNREACHABLE, MAKER, 1)

    assert unseen_points(reading) == {point: points[point] for point in (2, 3, 4)}
    assert unseen_points(by_policy) == {2: points[2]}
    assert unseen_points(replace(reading, sets=None)) == {}


def test_another_maker_is_asked_by_one_letter_for_what_is_not_asked_for_yet(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is asked is made and shown (201), signed, and sent to whoever issued the sets; the same once more has
    nothing left to ask for. Without a ground or a reason nothing is asked.
    """
    unseen = [UnseenSet(1, code_of(7), MAKER, point, bytes([point]) * 32) for point in (2, 3)]
    other = UnseenSet(1, code_of(8), IMPORTER, 2, b"o" * 32)
    monkeypatch.setattr(node.service.set_requests._reports, "unseen", lambda *_: [*unseen, other])
    order = {
        "consignment": "c",
        "requirement": "MAT-05",
        "whom": MAKER,
        "ground": "duties",
        "text": "to know",
    }
    for wrong in ({"ground": "curious"}, {"text": "  "}, {"whom": "did:web:nobody.example"}):
        assert node.post_json(HERE, {**order, **wrong}).status_code == 400

    made = node.post_json(HERE, order)
    again = node.post_json(HERE, order)

    told = made.get_json()
    assert (made.status_code, told["asked"], told["state"], told["sets"]) == (201, MAKER, "open", 2)
    assert [one["points"] for one in told["batteries"]] == [[2, 3]]
    assert (again.status_code, again.get_json()["code"]) == (400, "nothing_to_ask")
    desk = node.service.set_requests._requests
    letters = node.service.stores.office.letters._select("path = 'set-requests' AND told = ?", (MAKER,))
    network, governance = node.service.overview.genesis.network_id, desk.history.latest
    (said,) = [read_request(one.data, network, governance) for one in letters]
    assert (said.author, said.whom, said.sets) == (DID, MAKER, tuple(one.digest for one in unseen))


def altered(data: bytes) -> bytes:
    """Its last bit is another one."""
    return data[:-1] + bytes((data[-1] ^ 1,))


def test_requests_that_say_nothing_or_too_much_are_refused(
    node: LiveNode, sets: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A request of another than its sender, of long ago, to another party, for what was issued elsewhere, or
    that was altered is refused with whose fault it is; so is one more than a party may have open.
    """
    now = int(time.time())
    good = [DID, "duties", [sets[2]]]
    for by, data, why in (
        (MAKER, signed(node, IMPORTER, good), "sent by whoever signed it"),
        (IMPORTER, signed(node, IMPORTER, good, at=now - 9 * 86_400), "of these days"),
        (IMPORTER, signed(node, IMPORTER, [MAKER, "duties", [sets[2]]]), "to another party"),
        (IMPORTER, signed(node, IMPORTER, [DID, "duties", [b"x" * 32]]), "none of these sets"),
        (IMPORTER, signed(node, IMPORTER, [DID, "curious", [sets[2]]]), "no request for sets"),
        (IMPORTER, signed(node, IMPORTER, [DID, "duties", [sets[2]] * 2]), "no request for sets"),
        (IMPORTER, altered(signed(node, IMPORTER, good)), "no request for sets"),
    ):
        with pytest.raises(ProblemError, match=why):
            take(node, by, data)
    monkeypatch.setattr(set_requests, "OPEN_OF_PAIR_MAX", 0)
    with pytest.raises(ProblemError, match="at most 0 requests"):
        take(node, IMPORTER, signed(node, IMPORTER, good))
    unknown = b64u(b"?" * 32)
    assert node.get(f"{HERE}/{unknown}").status_code == 404
    assert (
        node.post_json(f"{HERE}/{unknown}", {"act": "given", "text": "x", "points": [2]}).status_code == 404
    )


def test_requests_and_what_is_handed_over_are_bounded(
    node: LiveNode, sets: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of two parties the oldest requests go, and of one party the oldest sets that it was handed.
    """
    office = node.service.stores.office
    monkeypatch.setattr(requested_sets, "OF_PAIR_MAX", 2)
    monkeypatch.setattr(requested_sets, "HANDED_TO_MAX", 1)
    for n in range(4):
        take(node, IMPORTER, signed(node, IMPORTER, [DID, "duties", [sets[2]]], at=int(time.time()) - n))
    assert len(office.requested.of_pair(IMPORTER, DID)) == 2
    with office.writing() as db:
        office.requested.hand(db, MAKER, [b"a" * 32, b"b" * 32], 1)
    assert office.requested.handed(MAKER, [b"a" * 32, b"b" * 32]) == {b"b" * 32}
    assert b64u_decode(node.get_json(f"{HERE}?limit=1")["requests"][0]["id"])
