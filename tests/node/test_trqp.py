"""The trust registry over HTTP (ToIP TRQP 2.0): by its schemas, at a time, as known at a height, proven."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from werkzeug.test import TestResponse

from credentials.ledger.recognition import Effect, Recognition
from credentials.ledger.trqp import read_utc, utc_text
from node.__main__ import run
from node.use_cases.records import PROOFS_KEPT
from tests.harness.governed_node import DID, EU_AUTHORITY, MAKER, GovernedNode, governed_node, served_node
from tests.harness.support_service import PASSPHRASE

VECTORS = Path(__file__).parents[1] / "vectors" / "trqp"
ROW = "crosswalk:TEST-01"
NOBODY = "did:web:nobody.example"
LONG_AGO = 1_600_000_000


@pytest.fixture(scope="module")
def g(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GovernedNode]:
    with governed_node(tmp_path_factory.mktemp("trqp")) as running:
        running.blocks(1)
        yield running


def schema(name: str) -> Any:
    return jsonschema_rs.validator_for(json.loads((VECTORS / f"trqp_{name}.schema.json").read_text()))


def recognition(**changes: Any) -> dict[str, Any]:
    asked = {"entity_id": MAKER, "authority_id": DID, "action": "issue", "resource": ROW}
    return {**asked, **changes}


def licence(**changes: Any) -> dict[str, Any]:
    asked = {
        "entity_id": DID,
        "authority_id": DID,
        "action": "manufacturer",
        "resource": "gbt34014:ZZ1",
    }
    return {**asked, **changes}


def post(g: GovernedNode, kind: str, body: dict[str, Any], **headers: str) -> TestResponse:
    """As a stranger."""
    return g.node.client.post(f"/{kind}", json=body, headers=headers)


def asked(g: GovernedNode, kind: str, body: dict[str, Any]) -> Any:
    """An answer of 200, by the schemas of TRQP; the question too."""
    assert schema(f"{kind}_request").is_valid(body)
    answer = post(g, kind, body)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/json"
    told = answer.get_json()
    schema(f"{kind}_response").validate(told)
    return told


def given(**changes: Any) -> Recognition:
    values: dict[str, Any] = {
        "authority": DID,
        "jurisdiction": "EU",
        "issuer": MAKER,
        "rows": ("TEST-01",),
        "effect": Effect.ACCEPTED_AS_LAB_EVIDENCE,
        "legal_basis": "a network policy (invented)",
        "valid_from": LONG_AGO,
    }
    return Recognition(**(values | changes))


def test_a_recognition_is_answered_as_each_height_knew_it(g: GovernedNode) -> None:
    """
    Not recognised as known before it was given, at the same time; recognised since: with the statement.
    """
    moment = utc_text(int(time.time()) - 5)
    before = asked(g, "recognition", recognition(context={"time": moment}))
    row = given()
    decided = g.until_over(g.propose([{"type": "recognition", "name": row.id, "table": row.as_table()}]))

    g.node.wait(
        lambda: asked(g, "recognition", recognition())["as_known_at"]["height"] >= decided["in_force"] - 1,
        "the height",
    )
    after = asked(g, "recognition", recognition(context={"time": moment}))
    height = before["as_known_at"]["height"]
    again = asked(g, "recognition", recognition(context={"time": moment, "height": str(height)}))

    assert (before["recognized"], before["reason"], before["statements"]) == (False, "no_recognition", [])
    assert (after["recognized"], after["time_requested"]) == (True, moment)
    assert after["statements"][0]["id"] == row.id
    assert after["statements"][0]["effect"] == "accepted-as-lab-evidence"
    assert after["message"].startswith(f"{DID} recognises {MAKER} for {ROW} at {moment}, as known at height ")
    told = ("recognized", "statements", "as_known_at", "reason", "time_requested", "message")
    assert {name: again[name] for name in told} == {name: before[name] for name in told}
    assert not asked(g, "recognition", recognition(context={"time": utc_text(LONG_AGO - 1)}))["recognized"]
    assert not asked(g, "recognition", recognition(entity_id=EU_AUTHORITY))["recognized"]


def test_an_authorization_is_answered_with_its_licence(g: GovernedNode) -> None:
    """
    By role, scheme and namespace; now where no time is given, which is told.
    """
    yes = asked(g, "authorization", licence())
    no = asked(g, "authorization", licence(resource="gbt34014:ZZ9"))

    assert (yes["authorized"], yes["reason"]) == (True, "authorised")
    assert [one["type"] for one in yes["statements"]] == ["accreditation"]
    assert abs(read_utc(yes["time_evaluated"]) - time.time()) < 60 and "time_requested" not in yes
    assert "context" not in yes and yes["not_considered"] == [] and "proof" not in yes
    assert (no["authorized"], no["reason"]) == (False, "no_licence")
    assert no["proof_url"] == f"/governance/proof?height={no['as_known_at']['height']}"


def test_members_beyond_the_schema_are_ignored_and_conditions_told(g: GovernedNode) -> None:
    """
    As the schemas of TRQP have it: open at the top, texts only in the context; a blank time is none; what
    means nothing here is named.
    """
    told = asked(
        g,
        "authorization",
        licence(comment=7, context={"time": "", "locator": "x", "purpose": "customs"}),
    )

    assert told["authorized"] and told["not_considered"] == ["purpose"] and "comment" not in told
    assert told["context"] == {"time": "", "locator": "x", "purpose": "customs"}
    assert "time_requested" not in told


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"entity_id": NOBODY}, 404, "trqp_unknown"),
        ({"authority_id": NOBODY}, 404, "trqp_unknown"),
        ({"action": "burn"}, 404, "trqp_unknown"),
        ({"resource": "gbt34014"}, 404, "trqp_unknown"),
        ({"context": {"height": "999999"}}, 404, "height_unknown"),
        ({"entity_id": "a b"}, 400, "trqp_identifier"),
        ({"action": "é"}, 400, "trqp_identifier"),
        ({"resource": ""}, 400, "wrong_shape"),
        ({"resource": None}, 400, "wrong_shape"),
        ({"entity_id": "x" * 5000}, 400, "wrong_shape"),
        ({"context": []}, 400, "wrong_shape"),
        ({"context": {"purpose": 7}}, 400, "wrong_shape"),
        ({"context": {"height": "0"}}, 400, "wrong_shape"),
        ({"context": {"height": "-1"}}, 400, "wrong_shape"),
        ({"context": {"height": "１"}}, 400, "wrong_shape"),
        ({"context": {"proof": "half"}}, 400, "wrong_shape"),
        ({"context": {"time": "2027-03-01T10:00:00+01:00"}}, 400, "trqp_time"),
        ({"context": {"time": "yesterday"}}, 400, "trqp_time"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(
    g: GovernedNode, change: dict[str, Any], status: int, code: str
) -> None:
    """
    400 for what cannot be read, 404 for an entity, authority or action unknown: RFC 9457, in the reader's
    language.
    """
    for kind, body in (("authorization", licence), ("recognition", recognition)):
        if change == {"resource": "gbt34014"} and kind == "recognition":
            continue  # a row like any other
        answer = post(g, kind, body(**change))
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
        problem = answer.get_json(force=True)
        assert problem["code"] == code and problem["status"] == status
        assert problem["type"] and problem["title"] and problem["detail"]
        other = post(g, kind, body(**change), **{"Accept-Language": "zh"}).get_json(force=True)
        assert code == "wrong_shape" or other["detail"] != problem["detail"]


def test_a_query_is_json_and_small(g: GovernedNode) -> None:
    """
    Another content type, a member left out or given twice, no JSON, more than 16 KiB.
    """

    def send(body: bytes, kind: str = "application/json") -> TestResponse:
        return g.node.client.post("/recognition", data=body, content_type=kind)

    whole = json.dumps(recognition()).encode()
    assert send(whole).status_code == 200
    assert send(whole, "text/plain").status_code == 415
    assert send(whole[:-1]).status_code == 400
    assert send(whole.replace(b'"action"', b'"entity_id"')).status_code == 400
    assert send(b"[]").status_code == 400
    assert send(b" " * (16 << 10) + whole).status_code == 413
    for name in recognition():
        left = {k: v for k, v in recognition().items() if k != name}
        assert post(g, "recognition", left).status_code == 400
    assert g.node.client.get("/recognition").status_code == 405


def test_the_message_is_in_the_readers_language(g: GovernedNode) -> None:
    """
    Accept-Language: zh.
    """
    told = post(g, "recognition", recognition(resource="ID-99"), **{"Accept-Language": "zh"}).get_json()

    assert "没有生效的承认" in told["message"]


def statements_of(g: GovernedNode, work: Any) -> list[str]:
    found: list[str] = []
    stores = g.node.service.stores
    for database in (stores.ledger._db, stores.office._db):
        database.connection.set_trace_callback(found.append)
    try:
        work()
    finally:
        for database in (stores.ledger._db, stores.office._db):
            database.connection.set_trace_callback(None)
    return [one for one in found if one.startswith("SELECT")]


def test_an_answer_costs_the_same_whatever_the_history(g: GovernedNode) -> None:
    """
    Two statements for an answer at any height; a proof is made once for a height, and the last ones are kept.
    """
    registry, records = g.node.service.records.trust_registry, g.node.service.records
    few = [
        len(
            statements_of(
                g, lambda h=h: registry.ask("recognition", {**recognition(), "context": {"height": h}})
            )
        )
        for h in ("1",)
    ]
    top = asked(g, "recognition", recognition())["as_known_at"]["height"]
    g.blocks(top + PROOFS_KEPT + 2)
    last = asked(g, "recognition", recognition())["as_known_at"]["height"]
    many = [
        len(
            statements_of(
                g, lambda h=h: registry.ask("recognition", {**recognition(), "context": {"height": str(h)}})
            )
        )
        for h in (1, last // 2, last)
    ]
    print(f"{few} statements with {top} blocks, {many} with {last}")
    assert set(few) == set(many) == {2}

    g.node.wait(lambda: g.node.get(f"/governance/proof?height={last}").status_code == 200, "the proof")
    assert statements_of(g, lambda: records.governance_proof(last)) == []
    for height in range(1, PROOFS_KEPT + 1):
        records.governance_proof(height)
    assert statements_of(g, lambda: records.governance_proof(1)) == []
    assert statements_of(g, lambda: records.governance_proof(last)) != []  # asked for longest ago
    assert len(records._proven._kept) == PROOFS_KEPT


def test_yes_and_no_are_verified_without_a_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    `comity governance ask -o FILE`, then `verify FILE`: both times are proven; another word, time or party in
    the file is refused.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    file, policy = tmp_path / "answer.json", tmp_path / "log.policy"
    moment = "2027-03-01T10:00:00Z"
    verify = ["governance", "verify", str(file), "--policy", str(policy)]

    with served_node(tmp_path / "node") as (g, address):
        where = ["--node", address, "--key", g.node.operator_key]
        g.blocks(1)
        g.node.wait(lambda: g.node.get("/governance/proof?height=1").status_code == 200, "a checkpoint")
        assert run(["log", "policy", *where]) == 0
        policy.write_text(capsys.readouterr().out)

        def ask(kind: str, *words: str) -> tuple[int, str]:
            who = ["--entity", DID, "--authority", DID, "--at", moment, "--height", "1", "-o", str(file)]
            code = run(["governance", "ask", kind, *who, *words, *where])
            return code, capsys.readouterr().out

        code, told = ask("recognition", "--resource", "ID-06")
        assert code == 1 and "has no recognition" in told
        no = file.read_text()
        code, told = ask("authorization", "--action", "importer", "--resource", "gbt34014:ZZ2")
        assert code == 0 and "holds a licence as importer" in told
        yes = file.read_text()

    assert run(verify) == 0
    told = capsys.readouterr().out
    assert "as known after height 1" in told and "is authorised" in told and "2027-03-01 10:00:00" in told
    file.write_text(no)
    assert run(verify) == 1
    told = capsys.readouterr().out
    assert told.startswith("valid: as known after height 1") and "is NOT recognised" in told

    changed = json.loads(no)
    file.write_text(json.dumps({**changed, "recognized": True}))
    assert run(verify) == 1 and "says no: no_recognition" in capsys.readouterr().out
    changed = json.loads(yes)
    late = "1999-03-01T10:00:00Z"
    file.write_text(json.dumps({**changed, "time_requested": late, "context": {"time": late}}))
    assert run(verify) == 1 and "not valid" in capsys.readouterr().out
