"""A vehicle that is sold or scrapped without its batteries waits on the ledger, and its authority is told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.attestation import Attestation, make_attestation, parse_attestation
from node.errors import SetupError
from node.oversight import waiting
from node.oversight.letters import TAKEN
from node.oversight.noted import Noted
from node.oversight.waiting import PER_SIGNER_MAX, WAITING_MAX
from node.settings import ATTEMPTS_AFTER_S, Settings
from tests.harness.governed_node import CN_AUTHORITY, others
from tests.harness.ledger import IMPORTER, MAKER, Ledger, signer
from tests.harness.support_service import ROLES, LiveNode, live_node
from tests.node.test_alerts import listed
from tests.node.test_attempts import report
from tests.node.test_watching import attest, code_of, issue

VIN = "ZZ9DEM0E0T0000061"
KEPT, THERE, SPARE = 61, 62, 63
pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A vehicle with two batteries; this node's party may sell and scrap it, and supervises that."""
    roles = (*ROLES, "vehicle_manufacturer", "vehicle_dismantler", "workshop")
    with live_node(tmp_path_factory.mktemp("waiting"), roles, others=others(IMPORTER)) as made:
        for serial in (KEPT, THERE, SPARE):
            issue(made, serial)
        for serial in (KEPT, THERE):
            attest(made, "battery.installed", serial, vin=VIN)
        made.wait_quiet()  # an act upon an own one that is under way waits for it, and is not refused
        yield made


def scrap(node: LiveNode, *there: int) -> Any:
    """Scrap the vehicle with these batteries, the first of them as the one it is about."""
    members: dict[str, Any] = {"vin": VIN, "scrap_date": time.strftime("%Y-%m-%d", time.gmtime())}
    members |= {"other_packs": [code_of(serial) for serial in there[1:]]} if there[1:] else {}
    body = {"event": "vehicle.scrapped", "battery": code_of(there[0]), "members": members}
    return node.post_json("/attestations", body)


def alerts(node: LiveNode, **asked: str) -> list[dict[str, Any]]:
    return listed(node, code="scrapped_without_a_battery", **asked)


def look(node: LiveNode, seconds: int = ATTEMPTS_AFTER_S) -> None:
    """Look at what waits, as if so long had passed."""
    door = node.service.peers._attempts
    door.keep(int(time.time()) + seconds)


def test_what_waits_a_moment_is_nothing_and_what_goes_on_waiting_is_an_alert(node: LiveNode) -> None:
    """
    A dismantler states that a vehicle was scrapped with one battery of two: nothing is sent. Ten minutes on
    it is one alert by X6 at the authority of that side, with the statement as it was signed; until then, and
    however often it is tried meanwhile, none.
    """
    answer = scrap(node, THERE)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "X6")
    scrap(node, THERE)
    look(node, ATTEMPTS_AFTER_S - 60)
    assert alerts(node) == []

    look(node)

    (alert,) = alerts(node)
    assert (alert["rule"], alert["battery"], alert["state"]) == ("X6", code_of(THERE), "open")
    assert "vehicle scrapped" in alert["text"] and "did:" not in alert["text"]
    shown = node.get_json(f"/supervision/alerts/{alert['id']}")["attempts"]
    assert {one["code"] for one in shown} == {"X6"}


def test_the_lawful_record_closes_it(node: LiveNode) -> None:
    """
    The honest late fact: the battery that is not there was replaced. The vehicle is scrapped then, and the
    alert is dealt with by the node itself; looking at the log again neither opens nor closes anything.
    """
    (alert,) = alerts(node, state="open")
    attest(node, "battery.replaced", KEPT, vin=VIN, replacement=code_of(SPARE), reason="a cell had failed")
    node.wait_quiet()
    answer = scrap(node, THERE, SPARE)
    assert answer.status_code == 201, answer.text
    node.wait(lambda: not alerts(node, state="open"), "the alert to be closed")
    (closed,) = alerts(node)
    assert (closed["id"], closed["handled_by"]) == (alert["id"], "this node")

    node.service.alerts.look_again(1, "tests")
    size = node.service.stores.ledger.log_size()
    node.wait(lambda: node.get_json("/supervision?limit=1")["looked_until"] >= size, "the look")
    assert [one["state"] for one in alerts(node)] == ["acknowledged"]


@pytest.mark.parametrize("after_s", ["0", "3001", "true", '"600"', "1.5"])
def test_how_long_a_lawful_record_may_take_is_a_setting(tmp_path: Path, after_s: str) -> None:
    """
    Ten minutes, or as [attempts] of node.toml says, and never longer than a pool keeps what waits.
    """
    path = tmp_path / "node.toml"
    path.write_text(f"[attempts]\nafter_s = {after_s}\n")
    with pytest.raises(
        SetupError, match=re.escape("attempts.after_s is a number of seconds, from 1 to 3000")
    ):
        Settings.read(path)
    path.write_text("[attempts]\nafter_s = 2\n")
    assert (Settings.read(path).attempts_after_s, Settings().attempts_after_s) == (2, 600)


def test_trying_on_a_page_is_no_attempt(node: LiveNode) -> None:
    """
    What a person only tries is told to nobody, also where it would wait.
    """
    noted = Noted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node.service.batteries._issuing.admission, "noted", noted.put)
        events = node.service.batteries._issuing.events
        order = ("vehicle.sold", code_of(SPARE), {"vin": "ZZ9DEM0E0T0000099", "invoice": "I"})
        for only_try in (True, False):
            with pytest.raises(Exception, match="installed"):
                events.attest(*order, only_try=only_try)
    assert noted.waited(1 << 40) == []


def test_no_refuser_says_that_something_waits_that_does_not(node: LiveNode) -> None:
    """
    Another node's word that a statement waits is held against the own ledger: what does not wait by it
    leaves nothing, so that nobody is accused by a participant alone.
    """
    door, before = node.service.peers._attempts, len(alerts(node))
    data = statement(node, IMPORTER, SPARE)
    assert door.take(CN_AUTHORITY, report(node, data, CN_AUTHORITY, code="X6")) == TAKEN
    assert len(alerts(node)) == before


def statement(node: LiveNode, by: str, serial: int) -> bytes:
    signing, now = node.service.batteries._issuing.signing, int(time.time())
    return make_attestation(
        signer=signer(by),
        iat=now,
        kind="battery.sold",
        subject=signing.subject(signing.identifier(code_of(serial))),
        network_id=node.service.overview.genesis.network_id,
        event_time=now,
        document_digest=serial.to_bytes(32, "big"),
        issuer=by,
    )


def test_what_waits_is_bounded_for_each_signer(node: LiveNode) -> None:
    """
    One signer's statements that wait push out nobody's: so many of each are watched, and so many of all.
    """
    noted = Noted()
    of_one = [parse_attestation(statement(node, IMPORTER, serial)) for serial in range(1, PER_SIGNER_MAX + 6)]
    for one in of_one:
        noted.put(one, "X6")
    noted.put(statement(node, MAKER, 1), "X21")
    watched = noted.waited(1 << 40)
    assert (len(watched), noted.beyond) == (PER_SIGNER_MAX + 1, 5)
    assert watched[-1][1] == "X21" and noted.take() == []
    assert WAITING_MAX >= PER_SIGNER_MAX
    assert isinstance(of_one[0], Attestation)


def test_one_who_signs_for_two_is_told_once_nobody_signed(node: LiveNode) -> None:
    """
    X10: responsibility is given away without the other's signature, and refused. Ten minutes on it is one
    alert at the authority of that side.
    """
    node.wait_quiet()
    members = {"incoming_party": IMPORTER, "contract_reference": "C"}
    body = {"event": "responsibility.transferred", "battery": code_of(SPARE), "members": members}
    answer = node.post_json("/attestations", body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "X10")
    look(node, ATTEMPTS_AFTER_S - 60)
    code = {"code": "attempted_without_countersignature"}
    assert listed(node, **code) == []

    look(node)

    (alert,) = listed(node, **code)
    assert (alert["rule"], alert["battery"], alert["state"]) == ("X10", code_of(SPARE), "open")
    assert alert["parameters"]["kind"] == "responsibility.transferred"


@pytest.mark.parametrize("kind", ["battery.handed_over", "responsibility.transferred"])
def test_what_both_signed_since_is_told_to_nobody(kind: str) -> None:
    """
    Who forgot the other signature sends the act again with it: what lacked it is refused for another reason
    by then, and is no attempt.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    alone = ledger.attest(MAKER, kind, subject, parties=(IMPORTER,))
    at = ledger.now
    assert waiting.waits_by(ledger.registry.check_tx, alone, at) == "X10"

    ledger.run(ledger.countersigned(MAKER, kind, subject, (IMPORTER,), parties=(IMPORTER,)))

    assert waiting.waits_by(ledger.registry.check_tx, alone, at) == ""
