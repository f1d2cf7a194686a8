"""Real nodes on loopback: agreement, receipts, documents by right, a killed validator (node/service.py)."""

import csv
import io
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from consensus.encoding import Value, encode
from node.peers.authentication import PeerAuthentication
from node.setup.keystore import Keys
from node.setup.network import verify
from tests.harness.net.batteries import claims_of, code_of, issue, wait_published, wait_receipted
from tests.harness.net.harness import JSON, PASSPHRASE, Node, running, wait

NEXT_BLOCK_S_MAX = 3.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    with running(tmp_path_factory.mktemp("network"), forked=True) as nodes:
        yield nodes


def test_a_passport_becomes_final_on_every_node(network: dict[str, Node]) -> None:
    """
    What the maker issued is admitted, receipted, and stands alike on the four validators and the observer.
    """
    made = issue(network["maker"], 1)

    progress = wait_receipted(network["maker"], made["digest"])

    assert progress["attested"] == "admitted"
    for node in network.values():
        standing = wait_published(node, code_of(1))
        assert standing["passport"]["digest"] == made["digest"]


def test_the_same_claims_twice_are_one_passport(network: dict[str, Node]) -> None:
    """
    Repeating a request gives the same answer and no second attestation, with and without a key.
    """
    maker = network["maker"]
    body = {"code": code_of(2), "claims": claims_of(2), "idempotency_key": "line-1/2"}

    first, again = maker.post("/passports", body), maker.post("/passports", body)
    without_key = maker.post("/passports", {"code": body["code"], "claims": body["claims"]})

    assert first["digest"] == again["digest"] == without_key["digest"]
    assert first["credentials"] == again["credentials"]
    status, problem = maker.request("POST", "/passports", {**body, "claims": claims_of(2, batteryMass=1.5)})
    assert (status, problem["code"]) == (409, "idempotency_key_reused")
    wait_receipted(maker, first["digest"])
    timeline = maker.get(f"/batteries/{code_of(2)}")["timeline"]
    assert [step["kind"] for step in timeline] == ["battery.produced", "passport.published"]


@pytest.mark.parametrize("mass", [-5, 0, 1e300])
def test_a_mass_that_cannot_be_is_not_signed(network: dict[str, Node], mass: float) -> None:
    """
    Claims with an impossible mass are refused with 422 naming the member; nothing is signed.
    """
    body = {"code": code_of(9), "claims": claims_of(9, batteryMass=mass)}

    status, problem = network["maker"].request("POST", "/passports", body)

    assert (status, problem["code"]) == (422, "schema_invalid")
    assert "GeneralProductInformation.batteryMass" in problem["detail"]


def test_a_day_of_production_that_the_code_contradicts_is_not_signed(network: dict[str, Node]) -> None:
    """
    Code and claims name different days: one of the two is wrong, and a recall would look for either.
    """
    body = {"code": code_of(68), "claims": claims_of(68, manufacturingDate="2026-07-01T09:00:00Z")}

    status, problem = network["maker"].request("POST", "/passports", body)

    assert (status, problem["code"]) == (422, "value_impossible")
    assert code_of(68) in problem["detail"] and "2026-07-01" in problem["detail"]


def test_a_recall_reaches_the_codes_that_it_means_however_they_are_written(network: dict[str, Node]) -> None:
    """
    Published in small letters with blanks, by the day that code and record name: the battery is held, and its
    page says no better than the verdict.
    """
    maker, customs = network["maker"], network["customs"]
    issue(maker, 69)
    wait_published(customs, code_of(69))
    before = customs.get(f"/batteries/{code_of(69)}")["standing"]["recalled"]
    day = f"2026-06-{1 + 69 % 28:02d}"
    written = f" {code_of(69)[:8].lower()} {code_of(69)[8:].lower()} "
    criteria = {"prefixes": [written], "produced_from": day, "produced_until": day}
    recall = {"event": "recall.published", "battery": "gbt34014:zz1"}

    elsewhere = recall | {"members": {"batteries": ["ZZ9" + code_of(69)[3:]], "reason": "cells burn"}}
    status, problem = maker.request("POST", "/attestations", elsewhere)
    maker.post("/attestations", recall | {"members": {"criteria": criteria, "reason": "cells burn"}})

    assert (status, problem["code"]) == (422, "recall_reaches_nothing")
    asked = {"battery": code_of(69), "law_date": "2027-03-01"}
    wait("the recall", lambda: customs.post("/clearance", asked)["reason"] == "recalled")
    assert customs.get(f"/batteries/{code_of(69)}")["standing"]["recalled"] is True
    assert before is False


def test_a_second_passport_for_one_code_is_refused_on_the_ledger(network: dict[str, Node]) -> None:
    """
    Other claims for the same code are passed on, lose by X1, and the refusal names the winner.
    """
    maker = network["maker"]
    first = wait_receipted(maker, issue(maker, 3)["digest"])
    second = issue(maker, 3, batteryMass=453.5)

    wait("the refusal", lambda: maker.get(f"/passports/{second['digest']}")["attested"] == "refused")

    refusal = maker.get(f"/passports/{second['digest']}")["refusal"]
    assert (refusal["rule"], refusal["winner_leaf_index"]) == ("X1", first["leaf_index"])
    assert refusal["text"] == f"by rule X1: record no. {first['leaf_index']} was there first"
    assert maker.get(f"/batteries/{code_of(3)}")["standing"]["passport"]["digest"] == first["digest"]


def test_customs_fetches_set_one_and_the_verdict_is_clear(network: dict[str, Node]) -> None:
    """
    Customs asks the maker's node for the public set by a signed request, and a scan needs only the condition.
    """
    maker, customs = network["maker"], network["customs"]
    made = issue(maker, 4)
    sets = wait_receipted(maker, made["digest"])["sets"]
    wait_published(customs, code_of(4))

    asked = {"law_date": "2027-03-01", "condition": "new"}
    padded = customs.post("/clearance", {"battery": f"\t{code_of(4)} ", **asked})
    verdict = customs.post("/clearance", {"battery": code_of(4), **asked})

    assert verdict["verdict"] in ("clear", "clear_with_gaps"), verdict["reason"]
    assert (padded["verdict"], padded["battery"]) == (verdict["verdict"], verdict["battery"])
    assert {s["name"]: s["state"] for s in verdict["sources"]}["passport set 1"] == "held"
    assert customs.get(f"/documents/{sets['1']}") == made["credentials"]["1"]
    assert customs.status_of(f"/documents/{sets['2']}") == 404, "set 2 is not for customs"


def test_documents_are_given_by_right(network: dict[str, Node]) -> None:
    """
    Without a key only the public set is given; the maker's own people see every set.
    """
    maker = network["maker"]
    sets = wait_receipted(maker, issue(maker, 5)["digest"])["sets"]

    public = {p: maker.request("GET", f"/documents/{d}", authorization=None)[0] for p, d in sets.items()}

    assert public == {"1": 200, "2": 403, "3": 403, "4": 403}
    assert all(maker.status_of(f"/documents/{digest}") == 200 for digest in sets.values())


def test_a_revoked_passport_is_revoked_everywhere(network: dict[str, Node]) -> None:
    """
    Revoking raises the bit of the status list and records the event; customs recommends refusal.
    """
    maker, customs = network["maker"], network["customs"]
    made = wait_receipted(maker, issue(maker, 6)["digest"])

    wait_published(customs, code_of(6))
    maker.post(f"/passports/{made['digest']}/revoke", {"reason": "cells recalled"})

    wait(
        "customs to see it",
        lambda: customs.get(f"/batteries/{code_of(6)}")["standing"]["publication"] == "revoked",
    )
    verdict = customs.post("/clearance", {"battery": code_of(6), "law_date": "2027-03-01"})
    assert (verdict["verdict"], verdict["reason"]) == ("refuse_recommended", "revoked")


def test_a_party_without_accreditation_is_refused_at_its_own_node(network: dict[str, Node]) -> None:
    """
    Nothing is signed into the outbox of a party that may not issue; the answer names the rule.
    """
    status, problem = network["importer"].request(
        "POST", "/passports", {"code": code_of(7), "claims": claims_of(7)}
    )

    assert (status, problem["code"]) == (422, "X9")
    assert network["importer"].get("/passports") == {"passports": []}


def test_an_attested_event_reaches_the_timeline(network: dict[str, Node]) -> None:
    """
    Any party's event is recorded once, with its document; the same words and time are the same statement.
    """
    maker, cn = network["maker"], network["cn"]
    wait_receipted(maker, issue(maker, 8)["digest"])
    members = {"commodity_code": "850760", "consignee": "DE", "consignment_id": "C-8"}
    body = {
        "event": "battery.exported",
        "battery": code_of(8),
        "members": members,
        "event_time": int(time.time()),
    }
    wait_published(cn, code_of(8))

    first, again = cn.post("/attestations", body), cn.post("/attestations", body)

    assert first["digest"] == again["digest"]
    wait("its receipt", lambda: bool(cn.get(f"/attestations/{first['digest']}")["receipted_at"]))
    assert cn.get(f"/batteries/{code_of(8)}")["standing"]["item_state"] == "exported"
    assert first["document"]["credentialSubject"]["members"] == members


def test_what_an_attestation_waits_for_is_told(network: dict[str, Node]) -> None:
    """
    An event about a battery nobody recorded is refused at once with what must happen first; asked to queue,
    it is taken, says what it waits for, and can be cancelled. Once it can be recorded nothing is said. A time
    in the future is refused before anything is signed (L19).
    """
    cn = network["cn"]
    members = {"commodity_code": "850760", "consignee": "DE", "consignment_id": "C-9"}
    body = {"event": "battery.exported", "battery": code_of(77), "members": members}

    now, refused = cn.request("POST", "/attestations", body)
    queued = {**body, "members": {**members, "queue": True}}
    made = cn.post("/attestations", queued)
    told = cn.get(f"/attestations/{made['digest']}")
    _, cancelled = cn.request("DELETE", f"/attestations/{made['digest']}")
    again, final = cn.request("DELETE", f"/attestations/{made['digest']}")
    late, problem = cn.request("POST", "/attestations", {**body, "event_time": 99_999_999_999})

    assert (now, refused["code"]) == (409, "state") and "queue=true" in refused["detail"]
    assert (cancelled["state"], again, final["code"]) == ("cancelled", 409, "final")
    assert made["progress"]["waiting"] == told["waiting"]
    assert told["waiting"]["code"] == "state"
    assert "the battery is " in told["waiting"]["text"]
    assert "it is offered again" in told["waiting"]["text"]
    assert (late, problem["code"]) == (422, "event_time_impossible")
    final = wait_receipted(network["maker"], issue(network["maker"], 78)["digest"])
    assert final["waiting"] is None


def test_what_would_only_be_a_claim_is_said_before_it_is_signed(network: dict[str, Node]) -> None:
    """
    A party without a right over the battery is told so at once; if it means to claim, the claim is recorded,
    its author is told, and the standing is as it was (I5).
    """
    maker, importer = network["maker"], network["importer"]
    wait_receipted(maker, issue(maker, 91)["digest"])
    wait_published(importer, code_of(91))
    before = importer.get(f"/batteries/{code_of(91)}")["standing"]
    members = {
        "declaration_number": "26NLTEST000001",
        "registration_id": "R-1",
        "commodity_code": "8507600000",
        "eori": "DE1",
    }
    body = {"event": "battery.presented", "battery": code_of(91), "members": members}

    status, refused = importer.request("POST", "/attestations", body)
    made = importer.post("/attestations", {**body, "members": {**members, "as_claim": True}})
    path = f"/attestations/{made['digest']}"
    wait("the claim", lambda: bool(importer.get(path)["receipted_at"]))

    assert (status, refused["code"]) == (409, "only_a_claim") and maker.party.did in refused["detail"]
    told = importer.get(path)
    assert told["state"] == "claim" and "no right over this battery" in told["refusal"]["text"]
    found = importer.get(f"/batteries/{code_of(91)}")
    assert found["standing"] == before
    claim = {"kind": "battery.presented", "issuer": importer.party.did, "alert": False}
    assert found["claims"]["count"] == 1
    assert found["claims"]["first"][0].items() >= claim.items()
    shown = importer.pool.request(
        "GET", f"{importer.url}/batteries/{code_of(91)}", headers={"accept": "text/html"}
    ).data.decode()
    assert "Claims of others" in shown and "1 claim:" in shown.lower()
    assert "their claims change nothing" in shown and f"{importer.party.name} claims: " in shown


def test_a_code_that_cannot_be_read_is_told_as_that_by_every_check(network: dict[str, Node]) -> None:
    """
    A mistyped code is not "unknown to the network": nobody could be asked for it, and each check says so.
    """
    customs = network["customs"]
    asked = {"law_date": "2027-03-01", "goods": "battery", "condition": "new"}

    mistyped = customs.post("/clearance", {"battery": "ZZ1PE75QH00001G6I0000042", **asked})
    opaque = customs.post("/clearance", {"battery": "https://maker.example/battery/42", **asked})
    unknown = customs.post("/clearance", {"battery": code_of(4_242), **asked})

    def reasons(verdict: JSON, *names: str) -> set[str]:
        return {c["reason"] for c in verdict["checks"] if c["name"].startswith(names)}

    about_it = ("ledger", "standing", "document", "admitted", "completeness", "soh")
    assert reasons(mistyped, "identifier", *about_it) == {"identifier_invalid"}
    assert reasons(opaque, "identifier", *about_it) == {"not_held"}
    assert reasons(unknown, *about_it) == {"not_found"}
    assert "not_found" not in reasons(mistyped, "") | reasons(opaque, "")
    assert (mistyped["verdict"], mistyped["reason"]) == ("undecided", "identifier_invalid")


@pytest.mark.parametrize(
    ("event", "members", "says"),
    [
        ("soh.measured", {"soh_permille": 1_001}, "between 0 and 1000"),
        ("soh.measured", {"soh_permille": -1}, "not a whole number"),
        ("soh.measured", {"measured_on": "2099-01-01"}, "has not begun"),
        ("waste.collected", {"mass_grams": 0}, "between 1 and"),
        ("recycling.completed", {"co_out_grams": 2}, "co_out_grams is 2 and co_in_grams is 1"),
        ("battery.installed", {"vin": "ZZ9DEM0E0T0000002"}, "Two vehicles"),
        ("battery.presented", {"commodity_code": "85076"}, "6, 8 or 10 digits"),
        ("battery.presented", {"eori": "1"}, "EORI"),
        ("battery.sold", {"buyer": "eori:?"}, "EORI"),
    ],
)
def test_values_that_cannot_be_are_refused_before_signing(
    network: dict[str, Node], event: str, members: dict[str, object], says: str
) -> None:
    """
    L18: the node refuses what the ledger would refuse, and what only the document says, by one table.
    """
    node = network["maker"]
    lawful: dict[str, dict[str, object]] = {
        "soh.measured": {"method": "m", "measured_on": "2026-11-01", "soh_permille": 900},
        "waste.collected": {"facility_licence": "L", "mass_grams": 1},
        "recycling.completed": {
            f"{metal}_{way}_grams": 1 for metal in ("co", "ni", "li", "cu") for way in ("in", "out")
        }
        | {"method": "m"},
        "battery.installed": {},
        "battery.presented": {
            "declaration_number": "D1",
            "registration_id": "R",
            "commodity_code": "850760",
            "eori": "DE1",
        },
        "battery.sold": {"invoice": "1"},
    }
    body = {"event": event, "battery": code_of(92), "members": {**lawful[event], **members}}
    body |= {"vin": "ZZ9DEM0E0T0000001"} if event == "battery.installed" else {}

    status, problem = node.request("POST", "/attestations", body)

    assert status in (400, 422) and says in problem["detail"]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "commodity_code is missing"),
        ({"commodity_code": "8", "consignee": "x", "consignment_id": "1", "colour": "red"}, "colour is not"),
        ({"commodity_code": 8, "consignee": "x", "consignment_id": "1"}, "is of the type commodity_code"),
    ],
    ids=["missing", "unknown", "wrong type"],
)
def test_bad_members_are_told(network: dict[str, Node], members: dict[str, object], says: str) -> None:
    """
    Members that the event does not have, or not in this form, are a 400 that names them.
    """
    status, problem = network["cn"].request(
        "POST", "/attestations", {"event": "battery.exported", "battery": code_of(1), "members": members}
    )

    assert status == 400
    assert says in problem["detail"]


def test_a_consignment_is_judged_in_the_background(network: dict[str, Node]) -> None:
    """
    A manifest is acknowledged at once; every line gets its verdict, and counts are of all lines.
    """
    maker, customs = network["maker"], network["customs"]
    digests = [issue(maker, serial)["digest"] for serial in (20, 21)]
    for digest, serial in zip(digests, (20, 21), strict=True):
        wait_receipted(maker, digest)
        wait_published(customs, code_of(serial))
    declared = {"goods": "battery", "condition": "new", "commodity_code": "8507600000", "mass_kg": 452.5}
    lines = [{"line": n, "battery": code_of(18 + n), **declared} for n in (1, 2, 3)]
    lines[0]["registration_id"] = "=2+3\nsecond line"  # neither a formula nor a line break in a spreadsheet

    made = customs.post("/consignments", {"declaration": "26NL1", "law_date": "2027-03-01", "lines": lines})
    path = f"/consignments/{made['id']}"
    wait("the verdicts", lambda: customs.get(path)["state"] == "done")

    judged = customs.get(path)
    assert (judged["lines"], judged["done"], sum(judged["counts"].values())) == (3, 3, 3)
    assert judged["counts"]["undecided"] == 1, "the battery of line 1 is not known"
    progress = customs.request("GET", f"{path}/events")[1]
    assert [json.loads(line)["seq"] for line in progress.splitlines()] == [1, 2, 3]
    assert customs.get(f"{path}/items/2")["line"] == 2
    _, exported = customs.request("GET", f"{path}/export.csv")
    rows = list(csv.DictReader(io.StringIO(exported.removeprefix("\ufeff"))))
    assert len(exported.splitlines()) == 4, "one line a row"
    shown = [(r["declaration"], r["commodity_code"], r["mass_kg"], r["vin"]) for r in rows]
    assert shown == [("26NL1", "8507600000", "452.5", "")] * 3
    assert rows[0]["registration_id"] == "'=2+3 second line"
    for row in rows:
        at = datetime.strptime(row["evaluated_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert abs(at.timestamp() - time.time()) < 600
    head = customs.get(f"{path}/readiness")["head"]
    states = ("met_abroad", "met_home", "open", "not_yet_required", "not_applicable")
    assert head["total"] == sum(head[state] for state in states)


def test_a_verdict_does_not_rot(network: dict[str, Node]) -> None:
    """
    I9, L20: a judged line is judged again once the ledger learns more about its battery: it says what it was
    and as of which height it is now; the same declaration uploaded again finds the first.
    """
    maker, customs = network["maker"], network["customs"]
    for serial in (23, 24):
        wait_receipted(maker, issue(maker, serial)["digest"])
        wait_published(customs, code_of(serial))
    declared = {"goods": "battery", "condition": "new", "commodity_code": "8507600000", "mass_kg": 452.5}
    lines = [{"line": n, "battery": code_of(22 + n), **declared} for n in (1, 2)]
    manifest = {"declaration": "26NLROT", "law_date": "2027-03-01", "lines": lines}
    first = customs.post("/consignments", manifest)
    path = f"/consignments/{first['id']}"
    wait("the verdicts", lambda: customs.get(path)["state"] == "done")
    judged = customs.get(path)
    assert judged["counts"]["hold"] == 0 and judged["changed_total"] == 0

    recall = {"reason": "fire"}
    maker.post("/attestations", {"event": "battery.recalled", "battery": code_of(23), "members": recall})
    wait("the new word", lambda: customs.get(path)["counts"]["hold"] == 1)

    changed, item = customs.get(path), customs.get(f"{path}/items/1")
    (line,) = changed["changed"]
    told = [line[name] for name in ("line", "was", "verdict", "overtaken", "reason")]
    assert told == [1, judged["items"][0]["verdict"], "hold", False, "recalled"]
    assert (line["newest"]["kind"], line["newest"]["issuer_name"]) == ("battery.recalled", "maker")
    assert changed["worst"] == "hold" and changed["changed_total"] == 1
    assert (item["reason"], item["before"]["verdict"]) == ("recalled", judged["items"][0]["verdict"])
    assert item["height"] > item["before"]["height"] == judged["items"][0]["height"]
    assert customs.get(f"{path}/items/2")["height"] == judged["items"][1]["height"], "nothing new about it"
    again = customs.post("/consignments", manifest)
    assert (again["id"], again["uploaded_before"]) == (first["id"], True)
    other = customs.post("/consignments", {**manifest, "lines": lines[:1]})
    assert other["id"] != first["id"] and other["same_declaration"] == [first["id"]]


def test_a_body_too_large_for_the_server_is_a_problem(network: dict[str, Node]) -> None:
    """
    A body beyond what any address takes is refused by the server itself, with problem details all the same.
    """
    maker = network["maker"]
    with socket.create_connection(("127.0.0.1", maker.port), timeout=60) as connection:
        lines = [
            "POST /consignments HTTP/1.1",
            f"Host: 127.0.0.1:{maker.port}",
            f"Content-Length: {18 << 20}",
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk

    headers, _, body = answer.partition(b"\r\n\r\n")
    assert b"413" in headers.splitlines()[0]
    assert b"application/problem+json" in headers
    assert json.loads(body)["code"] == "too_large"


@pytest.mark.parametrize(
    ("maker_code", "says"),
    [("ZZ1", None), ("AB1", "did:web:maker.example is not accredited for passport.published of codes AB1")],
    ids=["own code", "foreign code"],
)
def test_a_passport_signed_by_itself_carries_a_warning(
    network: dict[str, Node], maker_code: str, says: str | None
) -> None:
    """
    The VC-API signs a passport without attesting it: the answer says that no node will find it, and if its
    issuer may not speak about such codes. Any other credential carries no warning.
    """
    maker = network["maker"]
    credential = dict(issue(maker, 40)["credentials"]["1"])
    for member in ("proof", "credentialStatus"):
        credential.pop(member, None)
    subject = credential["credentialSubject"] | {"id": f"urn:comity:item:gbt34014:{code_of(41, maker_code)}"}

    signed = maker.post("/credentials/issue", {"credential": {**credential, "credentialSubject": subject}})
    plain = maker.post(
        "/credentials/issue",
        {
            "credential": {
                "@context": ["https://www.w3.org/ns/credentials/v2"],
                "type": ["VerifiableCredential"],
                "issuer": maker.party.did,
                "credentialSubject": {"id": "did:web:someone.example"},
            }
        },
    )

    assert signed["warning"].startswith("signed, not attested: no node will find it on the ledger")
    assert (says is None) == ("accredited" not in signed["warning"])
    assert says is None or says in signed["warning"]
    assert "warning" not in plain


def test_a_height_that_only_one_peer_claims_is_not_shown(network: dict[str, Node]) -> None:
    """
    An observer's signed status with a huge height changes neither its height on the status page nor the lag.
    """
    maker, importer = network["maker"], network["importer"]
    keys = Keys.load(importer.data, importer.party.did, PASSPHRASE)
    genesis = verify(importer.data / "network").genesis
    speaker = PeerAuthentication(
        genesis.network_id, genesis.history(), importer.party.did, (keys.signer("transport"),)
    )
    huge = 2**53 - 1
    status: list[Value] = [b"", huge, huge, 0]
    data, _ = speaker.request(maker.party.did, "status", encode(status))

    answer = maker.pool.request("POST", f"{maker.url}/peer/status", body=data, timeout=30)

    assert answer.status == 200
    told = maker.get("/status")
    heights = {peer["did"]: peer["height"] for peer in told["peers"]}
    assert heights[importer.party.did] <= told["height"] + told["lag_heights"]
    assert told["lag_heights"] <= 1


@pytest.mark.check
def test_three_validators_go_on_without_the_fourth(network: dict[str, Node]) -> None:
    """
    After SIGKILL of one validator the next block comes within 3 s; restarted, it has the same log.
    """
    maker, victim = network["maker"], network["eu"]
    before = maker.height()
    victim.kill()

    made = issue(maker, 30)
    seconds = wait("the next block", lambda: maker.height() > before)
    wait_receipted(maker, made["digest"])
    victim.start()
    victim.wait_ready()

    assert seconds < NEXT_BLOCK_S_MAX
    wait("the same log", lambda: victim.get("/status")["log"] == maker.get("/status")["log"])


@pytest.mark.check
def test_an_acknowledged_passport_survives_a_kill(network: dict[str, Node]) -> None:
    """
    The maker's node is killed right after its answer; restarted, it delivers what it acknowledged, once.
    """
    maker = network["maker"]
    made = issue(maker, 31)
    maker.kill()
    maker.start()
    maker.wait_ready()

    progress = wait_receipted(maker, made["digest"])

    assert progress["attested"] == "admitted"
    timeline = maker.get(f"/batteries/{code_of(31)}")["timeline"]
    assert [step["kind"] for step in timeline] == ["battery.produced", "passport.published"]


def test_a_node_says_what_it_logs_without_secrets(network: dict[str, Node]) -> None:
    """
    The moments of the straight path are in the logs, and no operator key or passphrase is.
    """
    told = {"issue", "outbox", "gossip", "proposal", "prevote", "precommit", "commit", "cosign", "receipt"}

    def seen(at: str) -> bool:
        return any(any(node.moments(at)) for node in network.values())

    for at in sorted(told):
        wait(f"a line of {at}", lambda at=at: seen(at))  # type: ignore[misc]
    for node in network.values():
        text = node.log.read_text()
        assert (node.data / "operator.key").read_text().strip() not in text
        assert node.passphrase_file.read_text().strip() not in text
        assert "Traceback" not in text


def test_a_node_ends_cleanly_on_sigterm(network: dict[str, Node]) -> None:
    """
    SIGTERM ends a node with exit code 0 and a last line; started again, it is ready.
    """
    node = network["importer"]

    code = node.stop()

    assert code == 0
    assert any(node.moments("ended"))
    node.start()
    node.wait_ready()
