"""What this participant says of a battery: drafts for a second party, lists written by hand, one story."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from werkzeug.test import TestResponse

from consensus.cose import SignatureInvalid, verify_ed25519
from credentials.documents.canonical import b64u, b64u_decode
from credentials.ledger.attestation import parse_attestation
from node.__main__ import run
from node.errors import ProblemError
from node.issuing.admission import Admission, option
from node.issuing.outbox import Outbox
from node.setup.keystore import Keys
from node.storage.database import Transaction
from node.storage.office import OfficeStore
from node.storage.outbox import Settled
from node.verdicts.sources import _Rules
from node.web.sample import sample_claims
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import DID, PASSPHRASE, LiveNode, live_node, serving

PERSON = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("issuing")) as made:
        yield made


def attest(node: LiveNode, event: str, serial: int, at: int, **members: Any) -> TestResponse:
    order = {"event": event, "battery": code_of(serial), "members": members, "event_time": at}
    return node.post_json("/attestations", order)


def test_a_second_party_signs_the_statement_of_the_draft_and_no_other(node: LiveNode) -> None:
    """
    A draft stores nothing. What is signed under it is the statement that is made of it: its members, its
    document, and the second of its event.
    """
    at = int(time.time())
    told = attest(node, "battery.enrolled", 31, at, ground="older_stock", evidence="an invoice", draft=True)
    draft = told.get_json()["draft"]
    outbox = node.service.stores.office.outbox
    before = outbox.of_battery(code_of(31), "battery.enrolled")
    answer = node.post_json("/countersignatures", {"draft": draft})
    attest(node, "battery.enrolled", 31, at, ground="older_stock", evidence="an invoice")
    [item] = outbox.of_battery(code_of(31), "battery.enrolled")

    made = answer.get_json()
    public, signature = (
        Keys.load(node.data, DID, PASSPHRASE).public_keys()["attest"],
        b64u_decode(made["signature"]),
    )
    said = parse_attestation(item.data)
    assert (told.status_code, answer.status_code, before) == (200, 201, [])
    assert made["key_id"] == f"{DID}#attest-1"
    assert draft["members"] == {"ground": "older_stock", "evidence": "an invoice"}
    assert (said.event_time, draft["event_time"]) == (at, at)
    verify_ed25519(public, signature, said.countersigned_message())
    other = node.post_json("/countersignatures", {"draft": {**draft, "event_time": at - 1}}).get_json()
    with pytest.raises(SignatureInvalid):
        verify_ed25519(public, b64u_decode(other["signature"]), said.countersigned_message())


def test_what_is_stated_again_has_the_id_of_before_and_anything_else_another(node: LiveNode) -> None:
    """
    The id of an event's document is made of what it states and of nothing else: stated once more it is the
    same document, and the statement of another battery or member has another id.
    """
    at = int(time.time())
    asked = [(33, "C-1"), (33, "C-2"), (34, "C-1")]

    def made(serial: int, consignment: str) -> str:
        members = {"commodity_code": "850760", "consignee": "DE", "consignment_id": consignment}
        told = attest(node, "battery.exported", serial, at, queue=True, **members)
        assert told.status_code in (200, 201), told.text  # 200: as it was stated before
        return str(told.get_json()["document"]["id"])

    ids = [made(*one) for one in asked]

    assert ids == [made(*one) for one in asked] and len(set(ids)) == len(asked)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"issuer": 7}, "A draft has event, battery, issuer, event_time, members and document_digest: give "),
        (
            {"issuer": "did:web:nobody.example"},
            "This is not a draft of an attestation: its event or its issu",
        ),
        ({"document_digest": "?"}, "This is not a draft of an attestation: "),
    ],
)
def test_what_is_no_draft_is_not_countersigned(node: LiveNode, change: dict[str, Any], says: str) -> None:
    """
    400 `draft_malformed`, with what a draft has or what is wrong in this one.
    """
    told = attest(node, "battery.enrolled", 32, 1, ground="older_stock", evidence="x", draft=True)

    refused = node.post_json("/countersignatures", {"draft": {**told.get_json()["draft"], **change}})

    problem = refused.get_json()
    assert (refused.status_code, problem["code"]) == (400, "draft_malformed")
    assert problem["detail"].startswith(says)


@pytest.mark.parametrize(
    ("given", "read"), [({}, False), ({"x": False}, False), ({"x": "false"}, False), ({"x": "true"}, True)]
)
def test_an_option_is_read_as_the_command_line_writes_it(given: dict[str, Any], read: bool) -> None:
    """
    True and false, or the words of them; and it is taken out of the members, which are signed.
    """
    members = {**given, "reason": "r"}

    assert option(members, "x") is read
    assert members == {"reason": "r"}
    with pytest.raises(ProblemError, match="x is true or false"):
        option({"x": "yes"}, "x")


def test_a_list_of_sets_written_by_hand_is_kept_with_its_version(node: LiveNode) -> None:
    """
    The document under the digest that was attested says which version of the passport it lists.
    """
    digest = "A" * 43
    at = int(time.time())
    attest(node, "battery.enrolled", 33, at, ground="older_stock", evidence="an invoice")
    sets = {"version": 1, "points": {"1": digest}}

    answer = attest(node, "passport.published", 33, at, sets=sets)

    assert answer.status_code == 201, answer.text
    kept = answer.get_json()["document"]
    assert kept == {"type": "comity/sets/v1", "version": 1, "sets": {"1": digest}}
    item = node.service.stores.office.outbox.get(b64u_decode(answer.get_json()["digest"]))
    assert item is not None
    assert node.get_json(f"/documents/{b64u(item.document_digest)}") == kept


def test_a_passport_does_not_contradict_the_own_record_of_production(node: LiveNode) -> None:
    """
    422 with both categories, while that record is on its way and once it is on the ledger; nothing is signed.
    """
    at = int(time.time())
    made = attest(node, "battery.produced", 34, at, production_date="2026-06-07", category="ev")
    claims = claims_of(34, batteryCategory="lmt")

    at_once = node.post_json("/passports", {"code": code_of(34), "claims": claims})
    node.wait(lambda: node.get(f"/receipts/{made.get_json()['digest']}").status_code == 200, "the receipt")
    later = node.post_json("/passports", {"code": code_of(34), "claims": claims})

    for refused in (at_once, later):
        problem = refused.get_json()
        assert (refused.status_code, problem["status"], problem["code"]) == (422, 422, "value_impossible")
        assert problem["detail"] == (
            "The battery was recorded as ev when it was produced, the claims say lmt."
        )
    assert node.post_json("/passports", {"code": code_of(34), "claims": claims_of(34)}).status_code == 201


def test_the_same_claims_again_are_the_same_passport_and_no_new_one(node: LiveNode) -> None:
    """
    201 when it is signed, 200 with the same digest when it was before: who retries knows which.
    """
    order = {"code": code_of(35), "claims": sample_claims(node.service, code_of(35))}

    first, again = node.post_json("/passports", order), node.post_json("/passports", order)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json()["digest"] == again.get_json()["digest"]
    assert again.headers["Location"] == f"/passports/{first.get_json()['digest']}"


@pytest.mark.parametrize(("serial", "state"), [(37, "dropped"), (38, "refused"), (39, "cancelled")])
def test_a_passport_that_came_to_nothing_is_issued_again(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch, serial: int, state: str
) -> None:
    """
    Not taken up, or lost: the same claims are signed anew, at another place of the lists, with the key of the
    first request too; what was cancelled only once no block can hold it. Asked for twice it is one passport.
    """
    order = {"code": code_of(serial), "claims": claims_of(serial), "idempotency_key": f"once-{serial}"}
    office = node.service.stores.office
    with monkeypatch.context() as unsent:
        unsent.setattr(Outbox, "send", lambda _: None)
        first = node.post_json("/passports", order).get_json()
        issued = office.issuances.get(b64u_decode(first["digest"], "digest"))
        assert issued is not None
        at_once = node.post_json("/passports", order)
        with office.writing() as db:
            end(office, db, issued.published, state)
        if state == "cancelled":
            at_once = node.post_json("/passports", order)
            monkeypatch.setattr(Admission, "can_be_recorded", lambda *_: False)  # its time is over
    again, clicked = node.post_json("/passports", order), node.post_json("/passports", order)
    made = office.issuances.get(b64u_decode(again.get_json()["digest"], "digest"))

    assert (at_once.status_code, at_once.get_json()["digest"]) == (200, first["digest"])
    assert (again.status_code, clicked.status_code) == (201, 200)
    assert again.get_json()["digest"] == clicked.get_json()["digest"] != first["digest"]
    assert made is not None and made.status_index != issued.status_index
    path = f"/passports/{again.get_json()['digest']}"
    node.wait(lambda: node.get_json(path)["receipted_at"] is not None, "the receipt")
    assert node.post_json("/passports", {**order, "idempotency_key": None}).status_code == 200


@pytest.mark.parametrize(("serial", "first"), [(41, "late"), (42, "new")])
def test_a_publication_that_was_given_up_does_not_beat_the_one_issued_since(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch, serial: int, first: str
) -> None:
    """
    A pool dropped it, with the production before it; somebody kept both and sends them once other claims were
    issued, before those are recorded or after: the newer passport is the one that counts.
    """
    code, office = code_of(serial), node.service.stores.office
    newer = claims_of(serial)
    newer["GeneralProductInformation"]["batteryMass"] = 400.0

    def issue(claims: dict[str, Any]) -> list[bytes]:
        digest = node.post_json("/passports", {"code": code, "claims": claims}).get_json()["digest"]
        issued = office.issuances.get(b64u_decode(digest, "digest"))
        assert issued is not None and issued.produced is not None
        return [issued.produced, issued.published]

    def send(digests: list[bytes]) -> None:
        for digest in digests:
            item = office.outbox.get(digest)
            assert item is not None
            node.service.engine.submit(item.data)
        node.wait(lambda: all(map(node.service.stores.ledger.leaves.with_digest, digests)), "the entries")

    with monkeypatch.context() as unsent:
        unsent.setattr(Outbox, "send", lambda _: None)
        late = issue(claims_of(serial))
        with office.writing() as db:
            office.outbox.drop(db, [(digest, "X9", "no licence") for digest in late])
        new = issue(newer)
        for digests in (late, new) if first == "late" else (new, late):
            send(digests)

    standing = node.get_json(f"/batteries/{code}")["standing"]["passport"]
    issued = office.issuances.published_by(new[1])
    assert issued is not None
    assert (standing["status"], standing["digest"]) == ("live", b64u(issued.digest))


def end(office: OfficeStore, db: Transaction, digest: bytes, state: str) -> None:
    """What becomes of an own attestation."""
    match state:
        case "dropped":
            office.outbox.drop(db, [(digest, "X9", "no licence")])
        case "refused":
            office.outbox.settle(db, [Settled(digest, "refused", 1, 1, "X1", 0)])
        case _:
            assert office.outbox.cancel(db, digest)


def test_a_revoked_passport_is_issued_again_and_not_by_who_repeats_the_first_request(node: LiveNode) -> None:
    """
    The next version at another place; the first request, sent once more with its key, says what became of it.
    """
    order = {"code": code_of(40), "claims": claims_of(40), "idempotency_key": "once-40"}
    first = node.post_json("/passports", order).get_json()["digest"]
    path = f"/passports/{first}"
    node.wait(lambda: node.get_json(path)["receipted_at"] is not None, "the receipt")
    assert node.post_json(f"{path}/revoke", {"reason": "wrong claims"}).status_code < 300
    battery = f"/batteries/{code_of(40)}"
    node.wait(lambda: node.get_json(battery)["standing"]["passport"]["status"] == "revoked", "revocation")

    repeated = node.post_json("/passports", order)
    anew = node.post_json("/passports", {**order, "idempotency_key": "twice-40"})

    assert (repeated.status_code, repeated.get_json()["digest"]) == (200, first)
    assert (anew.status_code, anew.get_json()["progress"]["version"]) == (201, 2)
    node.wait(lambda: node.get_json(battery)["standing"]["passport"]["status"] == "live", "publication")


def test_set_4_of_an_earlier_passport_is_gathered_by_whoever_may_see_it(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Revoked and published again, a battery is read as both passports say, of each the sets of the audience.
    """
    order, battery = {"code": code_of(43), "claims": claims_of(43)}, f"/batteries/{code_of(43)}"
    first = node.post_json("/passports", order).get_json()["digest"]
    node.wait(lambda: node.get_json(f"/passports/{first}")["receipted_at"] is not None, "the receipt")
    node.post_json(f"/passports/{first}/revoke", {"reason": "wrong claims"})
    node.wait(lambda: node.get_json(battery)["standing"]["passport"]["status"] == "revoked", "revocation")
    node.post_json("/passports", order)
    node.wait(lambda: node.get_json(battery)["standing"]["passport"]["status"] == "live", "publication")
    (published,) = node.service.stores.office.outbox.of_document(b64u_decode(first, "digest"))
    sets = parse_attestation(published.data).set_list
    assert sets is not None
    gathering = node.service.overview.gathering
    tables, policy = gathering.tables, gathering._policy

    def read_by(audience: str) -> set[bytes]:
        rules = _Rules.of(tables, replace(policy, audience=audience))
        monkeypatch.setattr(gathering, "_rules_at", lambda _: rules)
        return set(gathering.evidence({"battery": code_of(43)}).earlier)

    assert read_by("customs") == {sets.points[1]}
    assert read_by("legitimate_interest") == {sets.points[1], sets.points[4]}


def test_a_passport_is_revoked_by_a_form_that_leads_back_to_it(node: LiveNode) -> None:
    """
    The person who presses the button sees the passport, revoked.
    """
    order = {"code": code_of(36), "claims": sample_claims(node.service, code_of(36))}
    path = f"/passports/{node.post_json('/passports', order).get_json()['digest']}"
    node.wait(lambda: node.get_json(path)["receipted_at"] is not None, "the receipt")
    form = {"reason": "wrong claims"}

    answer = node.person.post(f"{path}/revoke", data=form, headers={"Sec-Fetch-Site": "same-origin"})

    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    battery = f"/batteries/{code_of(36)}"
    node.wait(lambda: node.get_json(battery)["standing"]["passport"]["status"] == "revoked", "revocation")


def test_a_recall_by_the_did_of_who_names_batteries_is_judged_as_any_other(node: LiveNode) -> None:
    """
    A namespace with colons of its own (`uri:did:web:...`) is read whole: who has no right over it is told so.
    """
    members = {"reason": "cells overheat", "criteria": {"prefixes": ["urn:example:"]}}
    order = {"event": "recall.published", "battery": "uri:did:web:other.example", "members": members}

    refused = node.post_json("/attestations", order)

    assert (refused.status_code, refused.get_json()["code"]) == (422, "X9")
    assert "did:web:other.example" in refused.get_json()["detail"]


def test_a_passport_with_a_gap_is_signed_with_a_warning_or_not_at_all(
    node: LiveNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Asked to be strict, a node signs nothing, names the data point and says what the other side finds; a
    command says it before it signs, or does not sign; a form asks whether it is meant; whole claims pass.
    """
    code = code_of(91)
    whole = sample_claims(node.service, code)
    gap = {**whole, "Circularity": {k: v for k, v in whole["Circularity"].items() if k != "renewableContent"}}
    order = {"code": code, "claims": gap}
    (tmp_path / "claims.json").write_text(orjson.dumps(gap).decode())
    before = len(node.get_json("/passports")["passports"])

    refused = node.post_json("/passports", {**order, "strict": True})
    form = {"code": code, "claims": orjson.dumps(gap).decode()}
    asked = node.person.post("/passports", data=form, headers=PERSON)
    with serving(node) as url:
        command = ["issue", str(tmp_path / "claims.json"), "--code", code, "--node", url]
        command += ["--key", node.operator_key]
        strict = run([*command, "--strict"])
        told_strict = capsys.readouterr().err
        unsigned = len(node.get_json("/passports")["passports"])
        signed = run(command)
        told = capsys.readouterr()

    problem = refused.get_json(force=True)
    assert (refused.status_code, problem["code"], problem["fault"]) == (422, "passport_incomplete", "caller")
    assert "24 " in problem["detail"] and "from 2027-02-18 on" in problem["detail"]
    assert asked.status_code == 422 and "24 " in asked.text and 'name="gaps"' in asked.text
    assert strict == 65 and "finds these gaps: 24 " in told_strict and unsigned == before
    assert signed == 0 and told.out.startswith("signed ") and "finds these gaps: 24 " in told.err
    assert "It is signed all the same" in told.err
    assert (
        node.post_json(
            "/passports",
            {"code": code_of(92), "claims": sample_claims(node.service, code_of(92)), "strict": True},
        ).status_code
        == 201
    )
