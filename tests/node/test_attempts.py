"""Attempts: what is refused for want of a licence is told to the authority of that side, with its proof."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consensus.cose import sign1
from consensus.encoding import encode
from credentials.documents.canonical import b64u, b64u_decode
from credentials.ledger.attestation import make_attestation, parse_attestation
from node.errors import ProblemError
from node.oversight import attempts as told
from node.oversight import forwarding
from node.oversight.letters import GIVEN_UP_S, TAKEN
from node.oversight.noted import NOTED_MAX, Noted
from node.storage import letters as kept_letters
from node.storage import refused_attempts as stored
from node.storage.letters import LetterRow
from node.storage.office import OfficeStore
from tests.harness.governed_node import CN_AUTHORITY, EU_AUTHORITY, others
from tests.harness.ledger import IMPORTER, MAKER, signer
from tests.harness.support_service import DID, LiveNode, live_node
from tests.node.test_alerts import listed
from tests.node.test_watching import code_of, issue


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node of every trade and of an authority in the EU; an importer of the EU has no licence at all."""
    with live_node(tmp_path_factory.mktemp("attempts"), others=others(IMPORTER)) as made:
        issue(made, 1)
        yield made


def statement(node: LiveNode, by: str, serial: int = 1, kind: str = "battery.sold") -> bytes:
    """A statement by a party about a battery, signed with its key: each is another one."""
    signing, now = node.service.batteries._issuing.signing, int(time.time())
    return make_attestation(
        signer=signer(by),
        iat=now,
        kind=kind,
        subject=signing.subject(signing.identifier(code_of(serial))),
        network_id=node.service.overview.genesis.network_id,
        event_time=now,
        document_digest=secrets.token_bytes(32),
        issuer=by,
    )


def report(
    node: LiveNode, data: bytes, by: str, *, signed_by: str | None = None, code: str = "X9", later_s: int = 0
) -> bytes:
    network = node.service.overview.genesis.network_id
    said = [told.TAG, network, data, code, by, int(time.time()) + later_s]
    return sign1({}, encode(said), signer(signed_by or by))


def alerts(node: LiveNode, **asked: str) -> list[dict[str, Any]]:
    return listed(node, code="attempted_without_licence", **asked)


def rows(node: LiveNode) -> list[stored.AttemptRow]:
    return node.service.stores.office.attempts.page(1_000, None)


def letters(node: LiveNode, *reports: bytes) -> list[LetterRow]:
    """What is told of these refused statements, by their digests."""
    return node.service.stores.office.letters.of([parse_attestation(one).digest for one in reports])


def test_an_unlicensed_act_is_an_alert_at_the_authority_of_that_side(node: LiveNode) -> None:
    """
    A party of this side that has no licence sends a signed act: no record, and one alert here with who tried
    what about which battery, who refused it, and the refused bytes as they were signed.
    """
    before = node.service.stores.ledger.log_size()
    data = statement(node, IMPORTER)
    node.service.engine.submit(data)
    node.wait(lambda: bool(alerts(node)), "the alert")

    (alert,) = alerts(node)
    assert (alert["party"], alert["battery"], alert["rule"]) == (IMPORTER, code_of(1), "X9")
    assert "battery sold" in alert["text"] and alert["parameters"]["kind"] == "battery.sold"
    (one,) = node.get_json(f"/supervision/alerts/{alert['id']}")["attempts"]
    assert (one["refuser"], one["code"]) == (DID, "X9")
    read = node.service.peers._attempts.read(rows(node)[0].report)
    assert read.attestation.data == data
    entries = node.service.stores.ledger.leaves.since(before, 100)
    assert all(row.issuer != IMPORTER for row in entries)


def test_what_a_side_of_another_authority_tries_waits_to_be_told_there(node: LiveNode) -> None:
    """
    An attempt of a party of the other side is no alert here: a letter waits for that side's authority, once
    however often it is refused, is sent again while nobody answers, and is given up after a week.
    """
    data = statement(node, MAKER)
    node.service.engine.submit(data)
    node.wait(lambda: bool(letters(node, data)), "the report")
    node.service.peers._attempts._keep(data, "X9", int(time.time()) + 1)

    assert not alerts(node, party=MAKER) and not any(row.party == MAKER for row in rows(node))
    (letter,) = letters(node, data)
    assert (letter.path, letter.told, letter.state) == (told.PATH, CN_AUTHORITY, "waits")
    read = node.service.peers._attempts.read(letter.data)
    assert (read.attestation.data, read.refuser) == (data, DID)
    with node.service.stores.office.writing() as db:
        db.execute("UPDATE letters SET at = 1, due = 0")
    node.wait(lambda: [one.state for one in letters(node, data)] == ["given_up"], "it is given up")


def test_no_addressee_and_no_kind_of_letter_holds_up_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of what is due the oldest of each kind to each addressee goes first; who was not reached is not tried with
    the next letter, and what is over-age there is given up; one kind in thousands pushes out no other.
    """
    office = OfficeStore(tmp_path / "office.db")
    monkeypatch.setattr(kept_letters, "LETTERS_KEPT_MAX", 4)
    with office.writing() as db:
        office.letters.put(db, LetterRow(0, "cases", b"0", "did:a", 100, b""))
        for number in range(9):
            office.letters.put(db, LetterRow(0, "attempts", b"%d" % number, "did:a", 10 * number, b""))
        office.letters.put(db, LetterRow(0, "attempts", b"9", "did:b", 200, b""))
    due = office.letters.waiting(200, 8)
    assert [(one.path, one.told, one.digest) for one in due] == [
        ("cases", "did:a", b"0"),
        ("attempts", "did:a", b"6"),
        ("attempts", "did:b", b"9"),
    ]
    with office.writing() as db:
        office.letters.unreached(db, "did:a", 300, 80)
    assert [one.told for one in office.letters.waiting(299, 8)] == ["did:b"]
    assert [one.digest for one in office.letters.waiting(300, 8)] == [b"0", b"8", b"9"]
    assert [one.state for one in office.letters.of([b"6", b"7"])] == ["given_up", "given_up"]
    office.close()


def test_a_signature_that_does_not_verify_names_nobody(node: LiveNode) -> None:
    """
    A statement that bears another's name with a signature that is none leaves no trace against that party,
    whether the pool refuses it or a peer tells of it.
    """
    data = bytearray(statement(node, EU_AUTHORITY, kind="battery.dismantled"))
    data[-1] ^= 1
    node.service.peers._attempts._keep(bytes(data), "X9", int(time.time()))
    with pytest.raises(ProblemError, match="not signed by whom it names"):
        node.service.peers._attempts.take(CN_AUTHORITY, report(node, bytes(data), CN_AUTHORITY))

    assert not any(row.party == EU_AUTHORITY for row in rows(node))


def test_a_report_is_taken_once_from_whoever_signed_it(node: LiveNode) -> None:
    """
    Another node's report is kept once however often it comes; one in another's name, for another network, or
    that is none is refused.
    """
    door, data = node.service.peers._attempts, statement(node, IMPORTER, 2)
    good = report(node, data, CN_AUTHORITY)
    assert door.take(CN_AUTHORITY, good) == door.take(CN_AUTHORITY, good) == TAKEN
    assert sum(row.refuser == CN_AUTHORITY for row in rows(node)) == 1
    raised = door.raised_by(door.read(good), 0)
    assert raised is not None
    (alert,) = [one for one in alerts(node, party=IMPORTER) if one["id"] == b64u(raised.id)]
    assert alert["times"] == 1
    for bad, why in (
        (report(node, data, EU_AUTHORITY), "whoever signed it"),
        (report(node, data, CN_AUTHORITY, signed_by=EU_AUTHORITY), "attest key"),
        (sign1({}, encode(["comity/attempt/v2"]), signer(CN_AUTHORITY)), "no report"),
        (b"nothing", "no report"),
        (good[:-1] + bytes([good[-1] ^ 1]), "no report"),
    ):
        with pytest.raises(ProblemError, match=why):
            door.take(CN_AUTHORITY, bad)


def test_no_refuser_makes_an_attempt_of_what_was_none(node: LiveNode) -> None:
    """
    A statement that is on the ledger, and a refusal that is none for want of a licence, leave nothing here,
    whoever reports them; a report of next year or of long ago is refused. A participant can accuse nobody.
    """
    door, before = node.service.peers._attempts, (len(rows(node)), len(alerts(node)))
    admitted = next(one for one in node.service.stores.ledger.leaves.since(0, 100) if one.type == "admitted")
    on_ledger = node.service.stores.ledger.ordered_attestation(admitted.height, admitted.digest or b"")
    assert on_ledger is not None
    tried = statement(node, IMPORTER, 2)

    assert door.take(CN_AUTHORITY, report(node, on_ledger, CN_AUTHORITY)) == TAKEN
    for code in ("", "invalid_signature", "X9\n=cmd"):
        assert door.take(CN_AUTHORITY, report(node, tried, CN_AUTHORITY, code=code)) == TAKEN
    for later_s in (3_600, 1 << 40, -GIVEN_UP_S - 3_600):
        with pytest.raises(ProblemError, match="not of a time to come"):
            door.take(CN_AUTHORITY, report(node, tried, CN_AUTHORITY, later_s=later_s))

    assert (len(rows(node)), len(alerts(node))) == before


def test_one_signer_fills_nobodys_page(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    So many attempts of one signer, and so many reports of one refuser, are kept in an hour; further ones are
    counted.
    """
    door = node.service.peers._attempts
    monkeypatch.setattr(door, "_shares", told.Shares(3))
    monkeypatch.setattr(door, "_refusers", told.Shares(2))
    here = [row.number for row in rows(node)]
    for _ in range(5):
        door._keep(statement(node, IMPORTER, 3), "X9", int(time.time()))
    kept = [row.number for row in rows(node)]
    assert (len(kept) - len(here), door._shares.beyond) == (3, 2)
    for _ in range(2):
        door.take(CN_AUTHORITY, report(node, statement(node, IMPORTER, 4), CN_AUTHORITY))
    with pytest.raises(ProblemError, match="send them later"):
        door.take(CN_AUTHORITY, report(node, statement(node, IMPORTER, 4), CN_AUTHORITY))


def test_what_is_noted_and_what_is_kept_is_bounded(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Between two looks so many refusals are noted, each statement once and only codes that a kind of alert
    names, and whoever keeps them is woken for each of these; on disk the oldest attempts go.
    """
    noted, woken = Noted(), list[int]()
    noted.came = lambda: woken.append(1)
    for number in range(NOTED_MAX + 5):
        noted.put(number.to_bytes(4, "big"), "X9")
    noted.put(b"other", "invalid_signature")
    assert (len(noted.take()), noted.beyond, noted.take()) == (NOTED_MAX, 5, [])
    assert len(woken) == NOTED_MAX
    monkeypatch.setattr(stored, "ATTEMPTS_KEPT_MAX", 2)
    for _ in range(3):
        node.service.peers._attempts._keep(statement(node, IMPORTER, 5), "X9", int(time.time()))
    assert len(rows(node)) == 2


def test_trying_is_no_attempt(node: LiveNode) -> None:
    """
    What a person only tries on the page of acts is told to nobody; the same, signed and sent, is.
    """
    noted = node.service.batteries._issuing.admission._registry.noted  # type: ignore[attr-defined]
    noted.take()
    with pytest.MonkeyPatch.context() as patch:
        kept: list[tuple[str, str]] = []
        patch.setattr(
            node.service.batteries._issuing.admission,
            "noted",
            lambda said, code: kept.append((said.kind, code)),
        )
        events = node.service.batteries._issuing.events
        order = ("recycling.received", code_of(1), {"facility_licence": "L-1", "mass_in_grams": 1000})
        with pytest.raises(ProblemError):
            events.attest(*order, only_try=True)
        assert kept == []
        with pytest.raises(ProblemError):
            events.attest(*order)
        assert kept == [("recycling.received", "X9")]


def handed_on(node: LiveNode, alert: str, leaf: int, report: bytes, by: str, *, at: int = -1) -> bytes:
    network = node.service.overview.genesis.network_id
    said = [
        forwarding.TAG,
        network,
        b64u_decode(alert),
        leaf,
        report,
        "see this",
        by,
        int(time.time()) if at < 0 else at,
    ]
    return sign1({}, encode(said), signer(by))


def test_an_alert_is_handed_on_with_its_proof_and_believed_by_it_alone(node: LiveNode) -> None:
    """
    An authority hands an alert to the other side's: the letter holds the refused bytes, or the record's
    number, and no document; there the alert is raised from the own log, once, with who sent it.
    """
    desk, take = node.service.alerts.forwarding, node.service.peers._forwarding.take
    alert = alerts(node)[0]
    order = {"act": "forward", "value": CN_AUTHORITY, "text": "yours?"}
    assert node.post_json(f"/supervision/alerts/{alert['id']}", order).status_code == 200
    waiting = node.service.stores.office.letters.waiting(1 << 40, 100)
    (letter,) = [one for one in waiting if one.path == forwarding.PATH]
    assert letter.told == CN_AUTHORITY
    assert any(row.report in letter.data for row in rows(node))
    for value in (IMPORTER, DID):
        other = {**order, "value": value}
        assert node.post_json(f"/supervision/alerts/{alert['id']}", other).status_code == 403
    assert CN_AUTHORITY in desk.authorities()
    stranger = statement(node, MAKER, 7)
    proof = report(node, stranger, CN_AUTHORITY)
    raised = node.service.peers._attempts.raised_by(node.service.peers._attempts.read(proof), 0)
    assert raised is not None
    data = handed_on(node, b64u(raised.id), 0, proof, CN_AUTHORITY)
    assert take(CN_AUTHORITY, data) == take(CN_AUTHORITY, data) == TAKEN
    (found,) = alerts(node, party=MAKER)
    assert (found["times"], found["parameters"]["forwarded_text"]) == (1, "see this")
    for bad, by, why in (
        (handed_on(node, alert["id"], 0, b"", CN_AUTHORITY), CN_AUTHORITY, "raises no such alert"),
        (handed_on(node, alert["id"], 1 << 40, b"", CN_AUTHORITY), CN_AUTHORITY, "not that record yet"),
        (handed_on(node, alert["id"], 0, b"", IMPORTER), IMPORTER, "by authorities"),
        (data, EU_AUTHORITY, "its sender signed"),
        (handed_on(node, alert["id"], 0, b"", CN_AUTHORITY, at=0), CN_AUTHORITY, "its sender signed"),
    ):
        with pytest.raises(ProblemError, match=why):
            take(by, bad)
