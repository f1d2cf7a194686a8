"""Alerts that reach people: webhooks and e-mail files by subscription; what time alone brings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any, cast

import pytest

from credentials.documents.canonical import b64u_decode
from node.errors import SetupError
from node.oversight import reminding, telling
from node.oversight.reminding import DAY_S, ENDING_S, Reminding
from node.oversight.telling import AlertTelling, all_of
from node.resolution.webhooks import WebhookEndpoint, Webhooks
from node.settings import Settings
from node.storage.alerts import AlertFilter, AlertSubscription
from tests.harness.governed_node import CN_AUTHORITY, EU_AUTHORITY, others
from tests.harness.ledger import MAKER
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_alerts import listed, row
from tests.node.test_declarations import DECLARED
from tests.node.test_watching import attest, issue
from tests.node.test_webhooks import SECRET, URL, Endpoint

NOW = 1_900_000_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A maker that is an authority in the EU; a party of each side has a licence that ends soon."""
    made = others()
    ending = [
        (party, None if licence is None else replace(licence, valid_until=NOW + ENDING_S - 1))
        for party, licence in made
    ]
    with live_node(tmp_path_factory.mktemp("told"), others=ending) as running:
        yield running


def raised(node: LiveNode, *numbers: int, **more: Any) -> None:
    office = node.service.stores.office
    with office.writing() as db:
        for number in numbers:
            office.alerts.put(db, replace(row(number), **more))


def test_each_subscription_gets_its_alerts_once(node: LiveNode, tmp_path: Path) -> None:
    """
    A webhook is posted what its row asks for, with an id that is the same when it is told again, an address
    has a file for each; a start goes on where it was, and what was there before a row is not told.
    """
    office, endpoint = node.service.stores.office, Endpoint()
    raised(node, 100)
    webhooks = Webhooks(office, [WebhookEndpoint("cases", URL, frozenset({"alerts"}), SECRET)], endpoint)
    rows = [
        AlertSubscription("cases", "", AlertFilter(rule="X2", model="ZZ1")),
        AlertSubscription("", "duty@authority.example", AlertFilter()),
    ]

    def made() -> AlertTelling:
        parts, mail = (office, node.service.alerts, webhooks), tmp_path / "mail"
        return AlertTelling(*parts, all_of(webhooks, rows), mail=mail, words=node.service.words["en"])

    assert made().tell() == 0
    raised(node, 101, 102, rule="X2", battery="ZZ1-known", subject=b"1" * 32)
    raised(node, 103, rule="X2", battery="ZZ9-other", subject=b"2" * 32)
    raised(node, 104, rule="X1")
    made().tell()
    assert made().tell() == 0
    webhooks.round()
    posts = [json.loads(body) for _, body in endpoint.got]
    assert [post["type"] for post in posts] == ["alerts", "alerts"]
    assert [post["data"]["battery"] for post in posts] == ["ZZ1-known", "ZZ1-known"]
    assert all(post["data"]["text"] and post["data"]["next"] for post in posts)
    files = sorted((tmp_path / "mail").glob("*.eml"))
    assert len(files) == 4
    message = message_from_bytes(files[0].read_bytes())
    assert message["To"] == "duty@authority.example" and message["Message-ID"].startswith("<alert_")
    assert "/supervision/alerts/" in message.get_payload()


def test_files_wait_while_nobody_takes_them(
    node: LiveNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    With as many files lying there as may, nothing is passed over: it is written once some were taken.
    """
    monkeypatch.setattr(telling, "MAIL_FILES_MAX", 1)
    office, words = node.service.stores.office, node.service.words["en"]
    webhooks, mail = Webhooks(office, [], Endpoint()), tmp_path / "mail"
    rows = [AlertSubscription("", "full@authority.example", AlertFilter())]
    told = AlertTelling(office, node.service.alerts, webhooks, rows, mail=mail, words=words)
    raised(node, 110)
    assert told.tell() == 1
    raised(node, 111)
    assert told.tell() == 0
    for file in mail.iterdir():
        file.unlink()
    assert (told.tell(), len(list(mail.iterdir()))) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        '[[alerts]]\nmail = "nobody"',
        '[[alerts]]\nmail = "a@b.example"\nwebhook = "x"',
        '[[alerts]]\nside = "EU"',
        '[[alerts]]\nwebhook = "unknown"',
        '[[alerts]]\nmail = "a@b.example"\ncolour = "red"',
    ],
)
def test_a_row_that_reaches_nobody_is_told_at_the_start(tmp_path: Path, text: str) -> None:
    """
    A subscription without an addressee, with two, with an unknown one, or by something that is no filter is
    refused when the node starts; a good one is read.
    """
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(SetupError, match="alerts"):
        Settings.read(tmp_path / "node.toml")
    (tmp_path / "node.toml").write_text('[[alerts]]\nmail = "a@b.example"\nside = "EU"')
    (one,) = Settings.read(tmp_path / "node.toml").alerts
    assert one.wanted == AlertFilter(side="EU")


def test_what_ends_by_its_date_is_an_alert_once_in_time(node: LiveNode) -> None:
    """
    A licence that ends within ninety days is one alert at the authority of its side, and at whoever holds it;
    the other side's is none here, and nothing comes twice or before its time.
    """
    service = node.service
    reminding_ = Reminding(
        service.stores.office, service.stores.ledger, service.alerts._gathering, service.duties.listing
    )
    assert reminding_.look(NOW - ENDING_S) == 0
    assert (reminding_.look(NOW), reminding_.look(NOW + 5)) == (1, 0)
    (alert,) = listed(node, code="licence_ends")
    assert (alert["party"], alert["because"], alert["sides"]) == (EU_AUTHORITY, ["authority"], ["EU"])
    assert "ends" in alert["text"] and node.get_json(f"/supervision/alerts/{alert['id']}")["leaves"] == []
    assert CN_AUTHORITY not in {one["party"] for one in listed(node)}
    assert reminding_.look(NOW - ENDING_S) == 0  # as once it is renewed: its end is far away
    (alert,) = listed(node, code="licence_ends")
    assert (alert["state"], alert["handled_by"]) == ("acknowledged", reminding.WHO)


@pytest.mark.check
def test_what_proves_a_registration_is_offered_for_ninety_days_and_whoever_presented_is_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """
    Two batteries that this party presented in the EU on one day: nothing for a month, then one alert with
    the day, how many, and until when the registry offers the proof at the latest; none twice, none of what
    was presented by others, and none once nothing is offered any more.
    """
    with live_node(tmp_path_factory.mktemp("presented")) as running:
        for serial in (71, 72):
            issue(running, serial)
            attest(running, "battery.presented", serial, declaration_number="26NLPROOF1", **DECLARED)
        running.wait_quiet()
        service, day = running.service, NOW // DAY_S * DAY_S
        with service.stores.office.writing() as db:  # both of one day, whatever the time of the test
            db.execute("UPDATE outbox SET created = ? WHERE kind = 'battery.presented'", (day + 60,))
        looks = Reminding(
            service.stores.office, service.stores.ledger, service.alerts._gathering, service.duties.listing
        )
        code = {"code": "registration_proof_ends"}
        assert looks.look(day + 30 * DAY_S - 1) == 0 and listed(running, **code) == []

        assert (looks.look(day + 32 * DAY_S), looks.look(day + 60 * DAY_S)) == (1, 0)

        (alert,) = listed(running, **code)
        until = time.strftime("%Y-%m-%d", time.gmtime(day + 90 * DAY_S))
        assert (alert["because"], alert["battery"], alert["weight"]) == (["author"], None, 1)
        assert "of 2 batteries" in alert["text"] and until in alert["text"]
        with service.stores.office.writing() as db:
            db.execute("DELETE FROM alerts WHERE id = ?", (b64u_decode(alert["id"]),))
        assert looks.look(day + 90 * DAY_S + DAY_S) == 0


def test_a_missed_duty_is_an_alert_until_it_is_kept(node: LiveNode) -> None:
    """
    An overdue duty is one alert, however often it is looked; once it is kept, however late, it is closed.
    """
    duty = {
        "duty": "battery.produced", "state": "overdue", "jurisdiction": "EU", "who": MAKER,
        "battery": "ZZ1-late", "leaf_index": 0, "due_until": NOW - 10,
    }  # fmt: skip
    found = {"duties": [duty], "sides": ["EU"], "before": None}
    service = node.service
    looks = Reminding(
        service.stores.office, service.stores.ledger, service.alerts._gathering, lambda _: cast(Any, found)
    )
    assert (looks.look(1), looks.look(1)) == (1, 0)
    (alert,) = listed(node, code="duty_missed")
    assert (alert["party"], alert["battery"], alert["state"]) == (MAKER, "ZZ1-late", "open")
    duty["state"] = "late"
    looks.look(1)
    (alert,) = listed(node, code="duty_missed")
    assert (alert["state"], alert["handled_by"]) == ("acknowledged", reminding.WHO)
