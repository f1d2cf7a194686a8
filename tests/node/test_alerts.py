"""Alerts: what the ledger raises, whom it concerns, that none is lost or told twice, and what people do."""

from __future__ import annotations

import codecs
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.attestation import make_attestation, standing_key
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.parties import Accreditation
from node.api.supervision import _day
from node.errors import ProblemError
from node.oversight import alerting, tallying
from node.oversight.alert_kinds import AlertKind, alert_kinds, kind_of
from node.oversight.battery_codes import BatteryCodes
from node.oversight.facility_desk import _held
from node.oversight.raising import _lost
from node.storage import alerts as stored
from node.storage import tallies
from node.storage.alerts import AlertFilter, AlertRow, AlertTable
from node.storage.office import OfficeStore
from node.storage.tallies import Tally, TallyFilter
from tests.harness.governed_node import CN_AUTHORITY, GovernedNode, others
from tests.harness.ledger import MAKER, OTHER_MAKER, make_genesis
from tests.harness.support_service import DID, LiveNode, live_node
from tests.node.test_watching import attest, code_of, issue, judged


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node of every trade, and of an authority in the EU; a second party of the same side is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerting, "WAIT_S", 600.0)  # what is seen sooner, a block has told it
        patch.setattr(tallying, "APART_S", 0.0)
        with live_node(tmp_path_factory.mktemp("alerts"), others=others(OTHER_MAKER)) as made:
            yield made


def listed(node: LiveNode, **asked: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    found: list[dict[str, Any]] = node.get_json(f"/supervision?{query}")["alerts"]
    return found


def produced_again(node: LiveNode, serial: int) -> None:
    """The maker states again that it produced the battery with this code: a second one, of other cells."""
    signing = node.service.batteries._issuing.signing
    about = signing.subject(signing.identifier(code_of(serial)))
    now = int(time.time())
    data = make_attestation(
        signer=signing.signers.attest,
        iat=now,
        kind="battery.produced",
        subject=about,
        network_id=node.service.overview.genesis.network_id,
        event_time=now,
        document_digest=secrets.token_bytes(32),
        issuer=DID,
        produced_on=now // 86_400 * 86_400,
    )
    node.service.engine.submit(data)


def settled(node: LiveNode) -> None:
    stores = node.service.stores
    node.wait(lambda: stores.office.alerts.looked_until() == stores.ledger.log_size(), "the alerts")


def test_a_second_record_of_one_battery_is_one_alert_with_its_reason(node: LiveNode) -> None:
    """
    A second production of one code is one alert by its rule, with the record that was there first, the side
    and the open line that it concerns; the honest first record, and all that led to it, raise none.
    """
    issue(node, 1)
    consignment = judged(node, "26NLALERT1", 1)
    settled(node)
    assert listed(node, battery=code_of(1)) == []

    produced_again(node, 1)
    node.wait(lambda: bool(listed(node, rule="X2")), "the alert")

    (alert,) = listed(node, battery=code_of(1))
    assert (alert["code"], alert["rule"], alert["party"]) == ("produced_twice", "X2", DID)
    assert (alert["battery"], alert["maker"], alert["times"]) == (code_of(1), "ZZ1", 1)
    assert alert["because"] == ["authority", "relying", "author"]
    assert alert["relied"] == [{"consignment": consignment, "line": 1}]
    told = node.get_json(f"/supervision/alerts/{alert['id']}")
    winner = node.service.stores.ledger.leaves.at(told["leaves"][0]["winner_leaf_index"])
    assert winner is not None
    assert (winner.kind, winner.issuer) == ("battery.produced", DID)
    assert "was there first" in alert["text"]


def test_what_comes_again_is_counted_and_opens_the_alert_again(node: LiveNode) -> None:
    """
    The same of the same party about the same battery is the same alert, counted, open again and new again.
    """
    issue(node, 2)
    produced_again(node, 2)
    node.wait(lambda: bool(listed(node, battery=code_of(2))), "the alert")
    (first,) = listed(node, battery=code_of(2))
    node.post_json(f"/supervision/alerts/{first['id']}", {"act": "acknowledge"})
    assert node.get_json("/supervision")["new"] > 0
    assert node.post_json("/supervision/looked", {}).status_code == 200
    assert node.get_json("/supervision")["new"] == 0

    produced_again(node, 2)
    node.wait(lambda: listed(node, battery=code_of(2))[0]["times"] == 2, "the second one")

    (again,) = listed(node, battery=code_of(2))
    assert (again["id"], again["state"], again["new"]) == (first["id"], "open", True)
    assert len(node.get_json(f"/supervision/alerts/{first['id']}")["leaves"]) == 2


def test_looking_again_from_any_height_raises_the_same_and_nothing_twice(node: LiveNode) -> None:
    """
    Alerts follow from the log: looked at once more from the first block, none is added and none counted
    twice; those that were lost come again with the ids they had.
    """
    issue(node, 3)
    attest(node, "battery.reported_lost", 3, reference="P-1")
    settled(node)
    before = {row["id"]: (row["code"], row["times"]) for row in listed(node)}
    assert ("reported_lost", 1) in before.values()

    node.post_json("/supervision/again", {"height": 1})
    settled(node)
    assert {row["id"]: (row["code"], row["times"]) for row in listed(node)} == before

    office = node.service.stores.office
    with office.writing() as db:
        db.execute("DELETE FROM alerts")
        db.execute("DELETE FROM alert_leaves")
    node.post_json("/supervision/again", {"height": 1})
    settled(node)
    assert {row["id"]: (row["code"], row["times"]) for row in listed(node)} == before


def test_a_stream_goes_on_from_where_it_was(node: LiveNode) -> None:
    """
    A stream tells what was raised after the id that it is opened with, in order, each with its id, and says
    between two that it is still there; the search of the page is asked of it as well.
    """
    rows = sorted(listed(node), key=lambda row: int(row["seq"]))
    assert len(rows) >= 2

    def events(path: str, **headers: str) -> list[dict[str, str]]:
        answer = node.client.get(path, headers={**node.bearer, **headers})
        assert answer.mimetype == "text/event-stream"
        parts = [part for part in answer.text.split("\n\n") if part and not part.startswith(":")]
        return [dict(line.split(": ", 1) for line in part.split("\n")) for part in parts]

    told = events("/supervision/stream?after=0")
    assert [int(one["id"]) for one in told] == [row["seq"] for row in rows]
    assert [json.loads(one["data"])["id"] for one in told] == [row["id"] for row in rows]
    last = {"Last-Event-ID": str(rows[0]["seq"])}
    assert [int(one["id"]) for one in events("/supervision/stream", **last)] == [r["seq"] for r in rows[1:]]
    only = events("/supervision/stream?after=0&code=reported_lost")
    assert {json.loads(one["data"])["code"] for one in only} == {"reported_lost"}
    assert node.get("/supervision/stream").text == ": still here\n\n"


def test_what_people_do_with_an_alert_stays_and_is_in_the_audit(node: LiveNode) -> None:
    """
    Given to somebody, linked to a case, noted: each stands on the alert, in searches and in the audit; who
    may only read changes nothing, and an id that is none is told.
    """
    alert = listed(node)[-1]
    path = f"/supervision/alerts/{alert['id']}"
    for act, value in (("assign", "Li Na"), ("link", "2027-114"), ("note", "label looked at")):
        assert node.post_json(path, {"act": act, "value": value}).status_code == 200

    told = node.get_json(path)
    assert (told["assigned"], told["case"], told["note"]) == ("Li Na", "2027-114", "label looked at")
    assert [row["id"] for row in listed(node, assigned="Li Na")] == [alert["id"]]
    did = [row["did"] for row in node.get_json("/operations/audit")["audit"]]
    assert {"alert.assign", "alert.link", "alert.note"} <= set(did)
    key = node.post_json("/keys", {"name": "reader", "scopes": ["read"]}).get_json()["key"]
    reading = {"Authorization": f"Bearer {key}"}
    assert node.client.get("/supervision", headers=reading).status_code == 200
    assert node.client.post(path, json={"act": "reopen"}, headers=reading).status_code == 403
    assert node.get("/supervision/alerts/" + "A" * 43).status_code == 404
    assert node.get("/supervision?since=yesterday").status_code == 400
    today = time.strftime("%Y-%m-%d", time.gmtime(alert["time"]))
    assert alert["id"] in [row["id"] for row in listed(node, since=today, until=today)]
    assert listed(node, until="2001-01-01") == []
    assert node.get("/supervision?battery=%3C").status_code == 400


def test_a_withdrawn_licence_alerts_its_authority_once(node: LiveNode) -> None:
    """
    The end of a licence is an alert to the authority of its side, once it governs; giving one is none.
    """
    g = GovernedNode(node)
    given = Accreditation(
        *(OTHER_MAKER, ("manufacturer",), (("gbt34014", "ZZ7"),), "EU", 1_700_000_000, None, "L-ZZ7")
    )
    digest = g.propose(g.licence(OTHER_MAKER, "ZZ7"))
    g.until_over(digest)
    settled(node)
    assert listed(node, code="licence_withdrawn") == []

    (row,) = g.licence(OTHER_MAKER, "ZZ7")
    row = {
        "type": "accreditation",
        "name": given.id,
        "table": {**row["table"], "suspended": [[1_800_000_000]]},
    }
    g.until_over(g.propose([row]))
    node.wait(lambda: bool(listed(node, code="licence_withdrawn")), "the alert")

    (alert,) = listed(node, code="licence_withdrawn")
    assert (alert["party"], alert["because"], alert["weight"]) == (OTHER_MAKER, ["authority"], 3)


def test_a_file_holds_what_the_search_asks_for(node: LiveNode) -> None:
    """
    One row an alert after the names of the columns; no cell is a formula; spreadsheets know it for UTF-8.
    """
    text = node.get("/supervision/alerts.csv?code=reported_lost").data.decode("utf-8-sig")
    assert node.get("/supervision/alerts.csv").data.startswith(codecs.BOM_UTF8)
    head, *rows = text.splitlines()
    assert head.startswith("seq,id,code,weight,rule,party")
    assert len(rows) == len(listed(node, code="reported_lost"))
    assert all(not cell.startswith("=") for row in rows for cell in row.split(","))


def test_pages_show_alerts_to_whoever_may(node: LiveNode) -> None:
    """
    The page lists them with the search and what is new, the battery's own page has its alerts, and a stranger
    sees neither.
    """
    page = node.person.get("/supervision", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "data-stream" in page.text
    assert code_of(1) in page.text
    (alert,) = listed(node, battery=code_of(1))
    one = node.person.get(f"/supervision/alerts/{alert['id']}", headers={"Accept": "text/html"})
    assert "was there first" in one.text
    battery = node.person.get(f"/batteries/{code_of(1)}", headers={"Accept": "text/html"})
    assert f"/supervision/alerts/{alert['id']}" in battery.text
    strange = node.client.get(f"/batteries/{code_of(1)}", headers={"Accept": "text/html"})
    assert "/supervision/alerts/" not in strange.text
    assert node.client.get("/supervision").status_code == 401


def test_a_supervised_side_is_shown_by_facility_and_month(node: LiveNode) -> None:
    """
    What parties of its side record stands by licence, month and event, as many as the log has, with what lost
    and with the state of each licence; the page draws the months; a month that is none is told.
    """
    attest(node, "battery.reported_lost", 2, reference="P-2")
    stores = node.service.stores
    counted = stores.office.tallies.counted_until
    node.wait(lambda: counted() == stores.ledger.log_size(), "the counting")
    leaves = stores.ledger.leaves.since(0, 10_000)

    told = node.get_json("/supervision/facilities")
    assert (told["sides"], told["counted_until"]) == (["EU"], told["log_size"])
    expected = Counter(row.kind for row in leaves if row.type == "admitted")
    assert {row["kind"]: row["events"] for row in told["kinds"]} == dict(expected)
    mass = next(row["grams"] for row in told["kinds"] if row["kind"] == "battery.produced")
    made = (parse_entry(row.entry) for row in leaves if row.kind == "battery.produced")
    assert mass == sum(
        one.attestation.quantities.get("mass_grams", 0) for one in made if isinstance(one, AdmittedEntry)
    )
    refused = sum(row.type == "refused" for row in leaves)
    assert refused > 0
    assert sum(row["refused"] for row in told["facilities"]) == refused
    assert told["months"][-1]["refused"] == refused
    assert {row["side"] for row in told["facilities"] if row["refused"]} == {"EU"}
    assert (len(told["months"]), told["months"][-1]["bar"]) == (12, 1_000)
    (own,) = [row for row in told["facilities"] if row["party"] == DID and row["events"]]
    assert (own["events"], own["state"]) == (sum(expected.values()), "in_force")
    assert own["alerts_open"] == len(listed(node, party=DID, state="open"))

    (other,) = node.get_json(f"/supervision/facilities?party={OTHER_MAKER}&facility=L-ZZ7")["facilities"]
    assert (other["state"], other["events"], other["side"]) == ("in_force", 0, "EU")
    lost = node.get_json("/supervision/facilities?kind=battery.reported_lost")
    assert sum(row["events"] for row in lost["months"]) == expected["battery.reported_lost"] > 0
    assert node.get_json("/supervision/facilities?since=2001-01&until=2001-03")["kinds"] == []
    for wrong in (
        "since=2027-13",
        "since=2027",
        "since=2020-01",
        "since=2027-02&until=2027-01",
        "until=x-01",
    ):
        refused_as = node.get(f"/supervision/facilities?{wrong}")
        assert refused_as.status_code == 400 and refused_as.get_json()["code"] in ("bad_month", "bad_months")
    page = node.person.get("/supervision/facilities", headers={"Accept": "text/html"})
    assert all(row["month"] in page.text for row in told["months"])  # a column a month
    drawn = sum(row["events"] > 0 for row in told["months"])
    assert page.text.count('<rect class="part-0"') == drawn + 1 > 1  # and that of the legend
    assert "L-ZZ7" in page.text
    assert listed(node, because="forwarded") == []
    assert len(listed(node, because="author")) > 0


def test_months_are_bounded_and_the_oldest_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The same again is added up; beyond the bound the oldest months go; other sides' are not shown.
    """
    monkeypatch.setattr(tallies, "TALLIES_KEPT_MAX", 3)
    office = OfficeStore(tmp_path / "office.db")

    def tally(month: int, side: str = "EU") -> Tally:
        return Tally(month, side, side, "did:web:a.example", "L-1", "waste.collected", 1, 100)

    with office.writing() as db:
        office.tallies.add(
            db, [tally(202701), tally(202702), tally(202702), tally(202703, "CN"), tally(202704)]
        )
    wanted = TallyFilter(("EU",), 202601, 202712)
    assert [(one.month, one.events) for one in office.tallies.by_month(wanted)] == [(202702, 2), (202704, 1)]
    assert office.tallies.by_kind(wanted) == [("waste.collected", 3, 300)]
    (one,) = office.tallies.by_facility(wanted, 10)
    assert (one.facility, one.events, one.refused) == ("L-1", 3, 0)
    office.close()


def test_what_is_settled_closes_what_was_raised_before_it(tmp_path: Path) -> None:
    """
    The alerts of one kind about one battery that were raised before a leaf are closed, by the node; what was
    raised after it, of another kind or about another battery, stays open.
    """
    office, battery = OfficeStore(tmp_path / "office.db"), b"b" * 32
    with office.writing() as db:
        for number, (code, subject) in enumerate(
            [("mass_balance", battery), ("recalled", battery), ("mass_balance", b"c" * 32)]
        ):
            office.alerts.put(db, row(number, code=code, subject=subject, leaf=5))
        office.alerts.put(db, row(9, code="mass_balance", subject=battery, leaf=9))
        office.alerts.settle(db, (7, "mass_balance", battery), "this node", 1)
    states = [(one.leaf, one.code, one.state) for one in office.alerts.page(AlertFilter(), 10)]
    assert sorted(states) == [
        (5, "mass_balance", "acknowledged"),
        (5, "mass_balance", "open"),
        (5, "recalled", "open"),
        (9, "mass_balance", "open"),
    ]
    office.close()


def row(number: int, **changes: Any) -> AlertRow:
    values: dict[str, Any] = {"number": 0, "id": number.to_bytes(32, "big"), "seq": 0, "code": "recalled"}
    values |= {"weight": 3, "rule": "", "party": "did:web:a.example", "namespace": "gbt34014:ZZ1"}
    values |= {"facility": "", "subject": None, "battery": None, "document": None, "sides": "EU"}
    values |= {"because": "authority", "parameters": "{}", "relied": "[]", "leaf": number}
    values |= {"last_leaf": number, "height": 1, "at": 1, "times": 1}
    return AlertRow(**values | changes)


def test_alerts_are_bounded_and_the_oldest_dealt_with_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Beyond the bound the oldest go, acknowledged ones before open ones, and how many went is counted; of one
    alert the newest leaves are kept and all are counted.
    """
    monkeypatch.setattr(stored, "ALERTS_KEPT_MAX", 5)
    monkeypatch.setattr(stored, "LEAVES_KEPT_MAX", 3)
    office = OfficeStore(tmp_path / "office.db")
    table = office.alerts
    with office.writing() as db:
        for number in range(1, 8):
            table.put(db, row(number))
        table.handle(db, row(4).id, {"state": "acknowledged"}, "me", 1)
        assert table.bound(db) == 2
        for leaf in range(10, 20):
            assert table.put(db, row(7, leaf=leaf))
        assert not table.put(db, row(7, leaf=12))
    kept = [int.from_bytes(one.id, "big") for one in table.page(AlertFilter(), 10)]
    assert (kept, table.let_go()) == ([7, 6, 5, 3, 2], 2)
    assert table.page(AlertFilter(), 1)[0].times == 11
    assert [leaf for leaf, _ in table.leaves_of(table.page(AlertFilter(), 1)[0].number)] == [19, 18, 17]
    office.close()


def test_whoever_looked_longest_ago_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What people have seen is remembered of so many, those who looked last; to others all is new.
    """
    monkeypatch.setattr(stored, "LOOKS_KEPT_MAX", 2)
    office = OfficeStore(tmp_path / "office.db")
    with office.writing() as db:
        for at, who in enumerate(("a", "b", "a", "c")):
            office.alerts.look(db, who, 7, at)
    assert [office.alerts.looked(who)[0] for who in ("a", "b", "c")] == [7, 0, 7]
    office.close()


def test_a_row_that_is_not_whole_is_refused_by_its_name() -> None:
    """
    A kind that names no entry, no change there is, nobody to tell or no weight is refused with its code.
    """
    whole = {"leaf": "refused", "rules": ["X1"], "per": ["rule"], "to": ["authority"], "weight": 1}
    assert AlertKind.parse("a", whole).raised_by == {"X1"}
    spoiled: dict[str, Any]
    for spoiled in (
        {"leaf": "block"},
        {"rules": []},
        {"rules": "X1 "} | {"leaf": "governance", "change": "x"},
        {"per": ["colour"]},
        {"to": []},
        {"weight": 4},
        {"weight": True},
    ):
        with pytest.raises(ValueError, match=r"alerts\.toml: a"):
            AlertKind.parse("a", {**whole, **spoiled})


def test_a_rule_that_no_row_names_still_alerts() -> None:
    """
    A rule that a later version enforces raises the general alert until it has a row of its own.
    """
    known = {rule for kind in alert_kinds() for rule in kind.raised_by}
    assert "X13" not in known or kind_of("refused", ("X13",)) is not None
    general = kind_of("refused", ("X99",))
    assert general is not None
    assert general.code == "refused_by_rule"
    assert kind_of("admitted", ("battery.produced",)) is None


def test_nobody_else_is_told(node: LiveNode) -> None:
    """
    An alert that concerns another side alone is none of this party's.
    """
    service = node.service
    raised = replace(service.alerts._alerting._raising.of(service.stores.ledger.leaves.since(0, 500))[0])
    elsewhere = replace(raised, sides=frozenset({"JP"}), authors=frozenset({CN_AUTHORITY}), subject=None)
    elsewhere = replace(elsewhere, maker=("gbt34014", "ZZ8"))
    assert service.alerts._alerting._told(elsewhere, int(time.time())) is None


def test_who_does_not_answer_for_a_code_holds_up_no_alert(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The author of one battery's statements does not answer when asked for its code: meanwhile the next alert
    is raised within a second, as ever.
    """
    asked, answered = threading.Event(), threading.Event()

    def silent(self: BatteryCodes, subjects: Sequence[bytes]) -> dict[bytes, str]:
        asked.set()
        answered.wait(30)
        return {}

    monkeypatch.setattr(BatteryCodes, "codes_of", silent)
    monkeypatch.setattr(AlertTable, "code_of", lambda *_: None)
    for serial in (93, 94):
        issue(node, serial)
    before = len(listed(node, rule="X2"))
    produced_again(node, 93)
    try:
        assert asked.wait(30)
        asked_at = time.monotonic()
        produced_again(node, 94)
        node.wait(lambda: len(listed(node, rule="X2")) == before + 2, "the second alert")
        assert time.monotonic() - asked_at < 15  # well before that author is given up
    finally:
        answered.set()


def test_a_party_is_shown_at_home_whichever_side_licensed_it(node: LiveNode) -> None:
    """
    Its authority at home sees what it was licensed for elsewhere; a side that is neither sees nothing of it.
    """
    governance = node.service.alerts._gathering.history.latest
    abroad = replace(
        governance,
        accreditations=tuple(replace(one, jurisdiction="CN") for one in governance.accreditations),
    )
    asked = TallyFilter(sides=("EU",), since=202001, until=203001)

    assert {party for party, _, _ in _held(abroad, asked, int(time.time()), None)} >= {DID}
    assert _held(abroad, replace(asked, sides=("IN",)), int(time.time()), None) == {}


def test_a_code_that_is_an_address_is_of_whoever_made_it(node: LiveNode) -> None:
    """
    Two makers may give out the same one: it is read as the one of the statement's author, and of no other.
    """
    gathering, address = node.service.overview.gathering, "urn:uuid:0b3f8a52-6f5d-4a6b-9d0e-6f0f3a1c2b11"
    about = gathering.subject_of(address, DID)
    assert about is not None
    codes = BatteryCodes(node.service.stores.ledger, gathering)

    issue(node, 95)
    own = gathering.key_of(code_of(95))
    assert own is not None and codes.codes_of([own, bytes(32)]) == {own: code_of(95)}
    assert codes._read(standing_key(about), address, DID) == address
    assert codes._read(standing_key(about), address, CN_AUTHORITY) is None


def test_what_comes_live_is_in_the_words_of_the_page(node: LiveNode) -> None:
    """
    The script that adds rows says no sentence of its own: the page gives it every word, in the reader's
    language.
    """
    script = (Path(__file__).parents[2] / "node" / "web" / "static" / "alerts.js").read_text()
    texts = re.findall(r"[\"`]([^\"`]*)[\"`]", script)
    assert [one for one in texts if re.search(r"[a-z]{2,} [a-z]{2,}", one)] == ["use strict"]
    words = set(re.findall(r'word\("(\w+)"\)', script))
    for language, said in (("en", "Live: new alerts appear by themselves."), ("zh-CN", "实时")):
        headers = {**node.bearer, "Accept": "text/html", "Accept-Language": language}
        page = node.client.get("/supervision", headers=headers).text
        assert said in page
        assert words <= set(re.findall(r"data-(\w+)=", page))


def test_an_alert_is_shown_in_the_readers_language(node: LiveNode) -> None:
    """
    Who reads Chinese, German or Dutch finds no English word among what can be done with an alert, nor as its
    state.
    """
    row = listed(node, rule="X2")[0]
    for language in ("zh-CN", "de", "nl"):
        headers = {**node.bearer, "Accept": "text/html", "Accept-Language": language}
        page = node.client.get(f"/supervision/alerts/{row['id']}", headers=headers).text
        for english in ("Assign to", "Link to case", ">Note<", f"<dd>{row['state']}</dd>", "What rests on"):
            assert english not in page or (language, english) == ("nl", "<dd>open</dd>")
        assert "未满足" not in page  # that is a requirement's
        listing = node.client.get("/supervision", headers=headers).text
        assert "<span>acknowledged</span>" not in listing


def test_what_a_party_lost_is_told_once() -> None:
    """
    A key that is stolen now and was not before, and that it has left; of who comes or is gone nothing.
    """
    party = make_genesis().governance.participants[MAKER]
    stolen = replace(party, keys=(replace(party.keys[0], compromised_from=7), *party.keys[1:]))

    assert list(_lost(party, party)) == list(_lost(None, party)) == list(_lost(party, None)) == []
    assert list(_lost(party, stolen)) == ["key_stolen"] and list(_lost(stolen, stolen)) == []
    assert list(_lost(party, replace(stolen, left=8))) == ["key_stolen", "left"]
    assert list(_lost(replace(party, left=8), replace(party, left=8))) == []


def test_a_day_is_asked_for_by_its_date() -> None:
    """
    Its first second in UTC; what is no date is refused by the name of what was asked.
    """
    assert _day("since", "2027-03-01") == 1_803_859_200
    for text in ("27-03-01", "2027-02-30", "1.3.2027", ""):
        with pytest.raises(ProblemError, match="`since` must be a day"):
            _day("since", text)
