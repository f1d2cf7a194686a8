"""Cases between parties and authorities: who opens, speaks, decides; that nobody is held or flooded."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from credentials.documents.canonical import b64u, b64u_decode
from node.errors import ProblemError
from node.oversight import case_rules, case_statements, request_statements
from node.oversight.case_desk import _days, _leaves
from node.oversight.case_rules import OPEN_OF_PARTY_MAX, share_of, stands
from node.oversight.case_statements import About, CaseStatement, make_statement
from node.storage import cases as stored
from node.storage import letters as kept_letters
from node.storage.cases import CaseRow
from node.storage.office import OfficeStore
from tests.harness.governed_node import CN_AUTHORITY, EU_AUTHORITY, others
from tests.harness.ledger import IMPORTER, MAKER, signer
from tests.harness.support_service import DID, LiveNode, live_node
from tests.node.test_alerts import listed
from tests.node.test_watching import attest, code_of, issue, item, judged

HERE, DAY_S = "/supervision/cases", case_rules.DAY_S


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node of a maker that is an authority in the EU as well; a second authority is there, and China's."""
    with live_node(tmp_path_factory.mktemp("cases"), others=others(IMPORTER)) as made:
        issue(made, 1)
        yield made


def signed(
    node: LiveNode, by: str, act: str, case: str = "", *, text: str = "because", at: int = 0, **about: Any
) -> bytes:
    """A statement by another party of the network."""
    network = node.service.overview.genesis.network_id
    return make_statement(
        network,
        b64u_decode(case) if case else b"",
        act,
        text,
        About(**about),
        author=by,
        at=at or int(time.time()),
        signer=signer(by),
    )


def take(node: LiveNode, data: bytes) -> None:
    node.service.peers._cases.take(CN_AUTHORITY, data)


def opened(node: LiveNode, **order: Any) -> str:
    told = {"accused": MAKER, "text": "its label bears our code", "side": "EU", **order}
    answer = node.post_json(HERE, told)
    assert answer.status_code == 201, answer.text
    found: str = answer.get_json()["id"]
    return found


def said(node: LiveNode, case: str, act: str, **order: Any) -> Any:
    return node.post_json(f"{HERE}/{case}", {"act": act, "text": "because", **order})


def test_a_case_is_opened_asked_explained_closed_and_reviewed(node: LiveNode) -> None:
    """
    An authority opens a case, asks and is answered; both statements stand side by side with who reads them;
    it closes the case, says why, and another authority of its side, never the same one, opens it again.
    """
    case = opened(node, battery=code_of(1))
    assert said(node, case, "asked", whom=MAKER).get_json()["state"] == "asked"
    take(node, signed(node, MAKER, "explained", case, text="it is ours"))
    take(node, signed(node, CN_AUTHORITY, "commented", case, text="we know the works"))
    now = node.get_json(f"{HERE}/{case}")
    assert (now["state"], now["due_until"] - now["opened_at"]) == ("explained", 30 * DAY_S)
    parts = [(one["part"], one["text"]) for one in now["statements"]]
    assert parts[2:] == [("accused", "it is ours"), ("other_authority", "we know the works")]
    assert len(now["readers"]) == 4  # this party, the maker, and an authority of each side
    more = said(node, case, "extended", days=7).get_json()
    assert more["due_until"] - more["opened_at"] == 37 * DAY_S
    closed = said(node, case, "closed", outcome="founded").get_json()
    assert (closed["state"], closed["outcome"]) == ("closed", "founded")
    assert said(node, case, "reviewed", outcome="upheld").status_code == 403
    ending = b64u_decode(closed["statements"][-1]["digest"])
    with pytest.raises(ProblemError, match="may not say `reviewed`"):
        take(node, signed(node, CN_AUTHORITY, "reviewed", case, closing=ending, outcome="overturned"))
    take(node, signed(node, EU_AUTHORITY, "reviewed", case, closing=ending, outcome="overturned"))
    assert node.get_json(f"{HERE}/{case}")["state"] == "explained"
    page = node.person.get(f"{HERE}/{case}", headers={"Accept": "text/html"}).text
    assert "it is ours" in page and "we know the works" in page and "overturned" in page


def test_what_one_says_waits_for_everybody_whom_it_concerns(node: LiveNode) -> None:
    """
    A statement goes to both parties and to the authorities of their sides; an authority of the deciding side
    hands on what it is told, so that neither party keeps a statement from the other.
    """
    case = opened(node)
    told = {row.told for row in node.service.stores.office.letters.of([b64u_decode(case)])}
    assert told == {MAKER, CN_AUTHORITY, EU_AUTHORITY}
    data = signed(node, MAKER, "explained", case, text="not so")
    take(node, data)
    take(node, data)  # sent again: taken once
    (one,) = [s for s in node.get_json(f"{HERE}/{case}")["statements"] if s["act"] == "explained"]
    handed = node.service.stores.office.letters.of([b64u_decode(one["digest"])])
    assert {row.told for row in handed} == {CN_AUTHORITY, EU_AUTHORITY}
    assert b64u(data) == one["signed"]


def test_an_alert_leads_to_its_case_and_a_case_to_an_alert(node: LiveNode) -> None:
    """
    A case that somebody else opens is one alert here, linked to it, however much is said; it is about no
    battery and so raises nobody's risk. A case that is opened from an alert is linked to that.
    """
    take(node, signed(node, EU_AUTHORITY, "opened", side="EU", accused=DID, battery=code_of(1), days=30))
    (alert,) = listed(node, code="case_opened")
    with pytest.raises(ProblemError, match="is open already"):
        take(node, signed(node, EU_AUTHORITY, "opened", side="EU", accused=DID, battery=code_of(1), days=31))
    assert node.get_json(f"{HERE}/{alert['case']}")["alerts"][0]["id"] == alert["id"]
    row = node.service.stores.office.alerts.get(b64u_decode(alert["id"]))
    assert row is not None and row.subject is None and row.weight < 3
    accused = node.service.overview.status()["name"]
    (shown,) = [one for one in node.get_json(HERE)["cases"] if one["id"] == alert["case"]]
    assert (shown["opener"], shown["accused_name"]) == (EU_AUTHORITY, accused)
    assert shown["opener_name"] == node.service.cases._cases.history.latest.participants[EU_AUTHORITY].name
    assert json.loads(row.parameters) == {"accused": accused, "act": "opened"}
    assert (
        f"{HERE}/{alert['case']}"
        in node.person.get(f"/supervision/alerts/{alert['id']}", headers={"Accept": "text/html"}).text
    )
    case = opened(node, alert=alert["id"], text="as alerted", days=45)
    longer = node.get_json(f"{HERE}/{case}")
    assert longer["due_until"] - longer["opened_at"] == 45 * DAY_S
    assert [one["id"] for one in node.get_json(f"{HERE}/{case}")["alerts"]] == [alert["id"]]


def test_who_has_no_hand_or_no_ground_opens_nothing(node: LiveNode) -> None:
    """
    A stranger to a battery, an accusation without its records, of oneself, before a side of neither, or by
    the other side's authority is refused with whose fault it is; a statement that is nobody's is none.
    """
    good: dict[str, Any] = {"side": "EU", "accused": DID, "battery": code_of(1), "days": 30}
    for by, about, why in (
        (IMPORTER, good, "no record of a battery"),
        (CN_AUTHORITY, good, "its own side only"),
        (IMPORTER, {**good, "side": "CN"}, "one of the two parties' own"),
        (EU_AUTHORITY, {**good, "accused": EU_AUTHORITY}, "another participant"),
        (EU_AUTHORITY, {**good, "side": "IN"}, "no authority"),
        (EU_AUTHORITY, {**good, "battery": "no code"}, "cannot be read"),
    ):
        with pytest.raises(ProblemError, match=why):
            take(node, signed(node, by, "opened", **about))
    with pytest.raises(ProblemError, match="of these days"):
        take(node, signed(node, EU_AUTHORITY, "opened", at=int(time.time()) - 9 * DAY_S, **good))
    data = bytearray(signed(node, EU_AUTHORITY, "opened", **good))
    data[-1] ^= 1
    elsewhere = make_statement(
        bytes(32), b"", "opened", "because", About(**good),
        author=EU_AUTHORITY, at=int(time.time()), signer=signer(EU_AUTHORITY),
    )  # fmt: skip
    for none in (bytes(data), elsewhere):
        with pytest.raises(ProblemError, match="no statement of a case"):
            take(node, none)
    with pytest.raises(ProblemError, match="may not say") as refused:
        take(node, signed(node, IMPORTER, "closed", opened(node), outcome="founded"))
    assert refused.value.code == "not_yours_to_say"
    assert node.get(f"{HERE}/{b64u(secrets.token_bytes(32))}").status_code == 404
    assert said(node, opened(node), "closed", outcome="upheld").status_code == 400


def test_cases_by_the_hundred_cost_whoever_opens_them(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A party has so many cases open and no more, one of the same parties about one battery; each that was
    closed as groundless takes one away for a year. Nothing happens to whoever is accused by them.
    """
    monkeypatch.setattr(case_rules, "OPEN_OF_AUTHORITY_MAX", 0)
    assert node.post_json(HERE, {"accused": MAKER, "text": "again", "side": "EU"}).status_code == 403
    now = 400 * DAY_S
    groundless = [(False, "groundless", now - DAY_S)]
    assert share_of([], now, official=False) == OPEN_OF_PARTY_MAX
    assert share_of([(True, "", None)] * OPEN_OF_PARTY_MAX, now, official=False) == 0
    assert share_of(groundless * 2, now, official=False) == OPEN_OF_PARTY_MAX - 2
    assert share_of(groundless * 100, now, official=False) == 0
    assert share_of([(False, "groundless", now - 366 * DAY_S)], now, official=False) == OPEN_OF_PARTY_MAX
    assert share_of([(False, "unfounded", now)], now, official=False) == OPEN_OF_PARTY_MAX


@pytest.mark.check
def test_of_a_hundred_cases_five_are_opened_and_none_holds_goods(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """
    A competitor that was named for eight batteries tries a hundred cases against their maker: five are
    opened, and once these are closed as groundless no other for a year. The word on an open line with such a
    battery, and its sum of risk, are what they were before the first.
    """
    serials = range(11, 19)
    with live_node(tmp_path_factory.mktemp("griefed"), others=others(IMPORTER)) as griefed:
        for serial in serials:
            issue(griefed, serial)
            attest(griefed, "battery.sold", serial, buyer=IMPORTER, invoice="I-1")
        line = judged(griefed, "26NLGRIEF1", serials[0])
        griefed.wait(lambda: word_on(griefed, line)[0].startswith("clear"), "a clear word")
        known = word_on(griefed, line)

        def tried(number: int) -> str:
            battery = code_of(serials[number % len(serials)])
            key = griefed.service.overview.gathering.key_of(battery)
            leaves = tuple(row.leaf_index for row in griefed.service.stores.ledger.leaves.of(key or b""))
            about: dict[str, Any] = {
                "side": "EU",
                "accused": DID,
                "battery": battery,
                "leaves": leaves,
                "days": 30,
            }
            try:
                take(griefed, signed(griefed, IMPORTER, "opened", text=f"no. {number}", **about))
            except ProblemError as refused:
                return refused.code
            return "taken"

        first = Counter(tried(number) for number in range(50))
        theirs = [one for one in griefed.get_json(HERE)["cases"] if one["opener"] == IMPORTER]
        assert (first["taken"], len(theirs)) == (OPEN_OF_PARTY_MAX, OPEN_OF_PARTY_MAX)
        griefed.wait(lambda: word_on(griefed, line) == known, "the same word")

        for one in theirs:
            take(griefed, signed(griefed, EU_AUTHORITY, "closed", one["id"], outcome="groundless"))

        assert Counter(tried(number) for number in range(50, 100)) == {"quota": 50}
        griefed.wait(lambda: word_on(griefed, line) == known, "the same word")
        assert {one["weight"] for one in listed(griefed, party=IMPORTER)} <= {1, 2}


def word_on(node: LiveNode, consignment: str) -> tuple[str, str, int]:
    """(verdict, reason, sum of risk) of its first line."""
    (line,) = node.get_json(f"/supervision/consignments/{consignment}")["lines"]
    found = item(node, consignment)
    return found["verdict"], found["reason"], line["risk"]


def test_a_case_stands_alike_whatever_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The same statements in any order give the same state, outcome and time; one that nobody closes in time
    runs out undecided, and more time is given up to a bound.
    """

    def one(act: str, author: str, at: int, **more: Any) -> CaseStatement:
        digest = bytes([at]) * 32
        return CaseStatement(
            case=b"c" * 32, act=act, author=author, at=at, text="", digest=digest, data=b"", **more
        )

    opening = one("opened", "a", 1, side="EU", accused="b", days=30)
    ended = one("closed", "o", 5, outcome="founded")
    statements = (
        one("asked", "o", 2, whom="b"),
        one("explained", "b", 3),
        one("extended", "o", 4, days=170),
        ended,
        one("reviewed", "p", 6, outcome="overturned", closing=ended.digest),
    )
    found = {stands(opening, [opening, *order]) for order in permutations(statements)}
    (how,) = found
    assert (how.state, how.due_until) == ("explained", 1 + 180 * DAY_S)
    assert (how.at(how.due_until - 1), how.at(how.due_until)) == ("explained", "ran_out")
    assert stands(opening, [opening, *statements[:4]]).outcome == "founded"
    assert stands(opening, [opening, statements[0]]).state == "asked"
    late = 200 * DAY_S
    twice = [replace(statements[-1], at=at, digest=bytes([at % 251]) * 32) for at in (late, late + 9 * DAY_S)]
    (how,) = {stands(opening, [opening, *order]) for order in permutations((ended, *twice))}
    assert how.due_until == late + case_rules.REVIEW_S  # the first review opened it again


def test_who_decided_or_is_concerned_reviews_nothing() -> None:
    """
    Once a case is closed another authority of its side may review it, and nobody else: not who closed it, no
    authority of another side, neither party; and nobody what was withdrawn.
    """

    def one(act: str, author: str, **more: Any) -> CaseStatement:
        made = act.encode().ljust(32)
        return CaseStatement(
            case=b"c" * 32, act=act, author=author, at=len(act), text="", digest=made, data=b"", **more
        )

    opening = one("opened", "a", side="EU", accused="b", days=30)
    officials = case_rules.Officials({"o": "EU", "p": "EU", "q": "CN", "a": "EU", "b": "EU"})

    def reviewing(end: CaseStatement) -> set[str]:
        said, everybody = [opening, end], ("a", "b", "o", "p", "q", "r")
        return {d for d in everybody if "reviewed" in case_rules.may_act(opening, said, officials, d, 20)}

    assert reviewing(one("closed", "o", outcome="founded")) == {"p"}
    assert reviewing(one("withdrawn", "a")) == set()


def test_cases_and_letters_are_bounded(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    On disk the oldest cases go, those that are over first, and the oldest letters; what one party says in a
    case, and all of it together, ends.
    """
    office = node.service.stores.office
    case = opened(node)
    monkeypatch.setattr(case_rules, "OF_ONE_AUTHOR_MAX", 1)
    assert "at most 1 things" in said(node, case, "asked", whom=MAKER).get_json()["detail"]
    monkeypatch.setattr("node.oversight.cases.STATEMENTS_MAX", 1)
    assert "enough was said" in said(node, case, "asked", whom=MAKER).get_json()["detail"]
    monkeypatch.setattr(stored, "CASES_KEPT_MAX", 2)
    monkeypatch.setattr(kept_letters, "LETTERS_KEPT_MAX", 2)
    newest = opened(node, battery=code_of(1), accused=IMPORTER)
    assert len(office.cases.page({}, 100)) == 2 and node.get(f"{HERE}/{newest}").status_code == 200
    assert len(office.letters.waiting(1 << 40, 100)) <= 2
    assert case_statements.DAYS_MAX == 180


SAID = ["EU", "did:web:a.example", "code"]


@pytest.mark.parametrize(
    ("act", "about", "taken"),
    [
        *(("extended", [days], days in (1, 180)) for days in (0, 1, 180, 181, -1, "7")),
        *(("extended", [days], False) for days in (1.0, True)),
        *(("opened", [*SAID, days, []], days in (1, 180)) for days in (0, 1, 180, 181)),
        *(("opened", [*SAID, 7, [1] * count], count <= 20) for count in (0, 20, 21)),
        *(("opened", ["EU", "d" * length, "code", 7, []], length <= 300) for length in (300, 301)),
        ("asked", ["did:web:a.example"], True),
        ("asked", [], False),
        ("closed", ["founded"], True),
        ("closed", ["nothing"], False),
    ],
)
def test_what_is_said_in_a_case_is_bounded(act: str, about: list[Any], taken: bool) -> None:
    """
    Days from one to a hundred and eighty, twenty records, names of three hundred letters: at both sides.
    """
    if taken:
        case_statements._about(act, about)
    else:
        with pytest.raises(ProblemError):
            case_statements._about(act, about)


@pytest.mark.parametrize(
    ("sets", "taken"),
    [
        ([], False),
        ([b"1" * 32], True),
        ([b"1" * 31], False),
        ([b"1" * 32, b"1" * 32], False),
        ([b"1" * 32, "2"], False),
        ([n.to_bytes(32) for n in range(1_000)], True),
        ([n.to_bytes(32) for n in range(1_001)], False),
    ],
)
def test_sets_that_are_asked_for_are_some_and_each_once(sets: list[Any], taken: bool) -> None:
    """
    From one to a thousand digests.
    """
    if taken:
        assert request_statements._digests(sets) == tuple(sets)
    else:
        with pytest.raises(ProblemError):
            request_statements._digests(sets)


def test_records_and_days_of_a_case_are_read_as_written() -> None:
    """
    Numbers between commas or blanks, each once, in their order; no more than may be named.
    """
    assert _leaves("7, 8;9 7\n10") == (7, 8, 9, 10) == _leaves([7, "8", 9, 7, 10])
    assert len(_leaves(range(20))) == 20 and _leaves("") == ()
    for wrong in (range(21), "x", "1" * 16, "-1"):
        with pytest.raises(ProblemError):
            _leaves(wrong)
    assert (_days("1"), _days(180)) == (1, 180)
    for text in ("0", "181", "x", "1.5"):
        with pytest.raises(ProblemError):
            _days(text)


def test_cases_are_listed_by_what_is_asked_of_them(tmp_path: Path) -> None:
    """
    Of a party those that it opened and those about it; by state and side; the newest first, before a number.
    """
    office = OfficeStore(tmp_path / "office.db")
    with office.writing() as db:
        for n, (side, opener, accused, state) in enumerate(
            (("EU", "a", "b", "open"), ("CN", "b", "c", "open"), ("EU", "c", "a", "closed")), 1
        ):
            office.cases.put(
                db, CaseRow(0, bytes([n]) * 32, side, opener, accused, None, "", 1, 9, state, "", None, 1)
            )

    def listed(before: int | None = None, **asked: str) -> list[int]:
        return [row.number for row in office.cases.page(asked, 10, before)]

    assert listed() == [3, 2, 1] and listed(3) == [2, 1]
    assert (listed(party="a"), listed(party="b"), listed(party="d")) == ([3, 1], [2, 1], [])
    assert (listed(state="open"), listed(side="EU"), listed(side="EU", state="open")) == ([2, 1], [3, 1], [1])
    office.close()
