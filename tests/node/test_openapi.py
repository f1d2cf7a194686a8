"""The description of the API: generated from the table of routes, and true of the running application."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Any

import jsonschema_rs
import pytest

from credentials.documents.canonical import b64u
from credentials.verdicts.severity import ORDER
from node.api.described import ANSWERS, Described
from node.api.openapi import describe, openapi_path
from node.api.reading import require_shape
from node.api.route import BODY_BYTES_MAX, FORM, MANIFEST_BYTES_MAX, QUERY_BYTES_MAX
from node.api.schemas import REQUESTS, schema_document, schemas
from node.api.table import ROUTES
from node.oversight.case_statements import About, make_statement
from node.peers.messages import PEER_BODY_BYTES_MAX
from node.resolution.webhooks import WebhookEndpoint
from node.storage.cases import CaseRow, StatementRow
from node.storage.database import Transaction
from node.storage.requested_sets import RequestedRow
from node.web.sample import sample_claims
from tests.harness.answered import closed
from tests.harness.governed_node import LIMITS_NAME, GovernedNode
from tests.harness.support_service import CODE, DID, LiveNode, live_node, manifest
from tests.node.test_alerts import row
from tests.node.test_webhooks import URL

ONLY_ASK = ("/recognition", "/authorization")  # queries to a trust registry: small, and nothing is changed
# Who has not signed in; from our own pages alone.
OF_STRANGERS = ("/language", "/sign-in", "/welcome/<token>")
# What anybody may see. Whoever adds a page that is open to everybody adds it here, and says so.
OPEN = {
    *("/", "/find", "/events", "/test-manifest", "/B/<path:code>", "/01/<path:keys>"),
    *("/batteries/<path:identifier>", "/documents/<digest>", "/receipts/<digest>"),
    *("/log/checkpoint", "/log/policy", "/log/epochs", "/log/tile/<level>/<path:path>"),
    *("/.well-known/did.json", "/1.0/identifiers/<path:did>", "/participants"),
    *("/status/<name>", "/status/<name>/versions", "/status", "/healthz", "/readyz", "/metrics"),
    *("/governance", "/governance/accreditations", "/governance/recognitions", "/governance/proof"),
    *("/openapi.json", "/enter/<token>", "/sign-in", "/welcome/<token>"),
    *("/oidc", "/oidc/back"),
}
DOCUMENT_METHODS = {"GET", "POST", "PUT", "DELETE", "PATCH"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("node")) as running:
        yield running


def references(value: Any) -> set[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(references(part) for part in value))
    return set()


# The words of OpenAPI 3.1 that this description uses: another one is read by nobody.
MEMBERS = {"operationId", "summary", "description", "parameters", "requestBody", "responses", "security"} | {
    "x-size-bytes-max", "x-scopes",
}  # fmt: skip
PARAMETER_MEMBERS = frozenset({"name", "in", "required", "schema"})
ANSWER_MEMBERS = frozenset({"description", "content"})


def test_every_address_of_the_application_is_described(node: LiveNode) -> None:
    """
    The paths and methods of /openapi.json are exactly those Flask answers, but for static files.
    """
    described = {
        (path, method.upper())
        for path, operations in node.get_json("/openapi.json")["paths"].items()
        for method in operations
    }

    answered = {
        (openapi_path(rule.rule), method)
        for rule in node.app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in (rule.methods or set()) & DOCUMENT_METHODS
    }
    assert described == answered


def test_the_description_is_served_as_generated(node: LiveNode) -> None:
    """
    /openapi.json is an OpenAPI 3.1 document whose references all resolve.
    """
    document = node.get_json("/openapi.json")

    assert document["openapi"] == "3.1.0"
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas()}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert declared == set(re.findall(r"{([a-z_]+)}", path)), path
            assert operation["summary"] and operation["description"]
            assert operation.keys() <= MEMBERS, path
            assert {frozenset(p) for p in operation.get("parameters", ())} <= {PARAMETER_MEMBERS}, path
            assert {frozenset(a) for a in operation["responses"].values()} <= {ANSWER_MEMBERS}, path
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            for body in (*operation["responses"].values(), *bodies):
                assert {name for said in body["content"].values() for name in said} <= {"schema"}, path
    json.dumps(document, allow_nan=False)


def a_case(node: LiveNode, db: Transaction) -> str:
    """A case on disk, of a network in which nobody is there to have one with; its id."""
    service, now = node.service, int(time.time())
    signing, about = service.batteries._issuing.signing, About("EU", "did:web:gone.example", CODE, 30)
    network = service.overview.genesis.network_id
    data = make_statement(
        network, b"", "opened", "why", about, author=DID, at=now, signer=signing.signers.attest
    )
    digest = sha256(data).digest()
    kept = service.stores.office.cases
    kept.say(db, StatementRow(0, digest, digest, DID, "opened", now, data))
    kept.put(
        db, CaseRow(0, digest, "EU", DID, about.accused, None, CODE, now, now + 9, "open", "", None, now)
    )
    return b64u(digest)


def addresses(node: LiveNode) -> dict[str, str]:
    """An address that answers for every route that is read, after a passport was issued and judged."""
    claims = sample_claims(node.service, CODE)
    issued = node.post_json("/passports", {"code": CODE, "claims": claims}).get_json()
    require_shape(issued, "IssuedPassport")
    passport = f"/passports/{issued['digest']}"
    node.wait(lambda: node.get_json(passport)["receipted_at"] is not None, "the receipt")
    made = node.post_json("/consignments", manifest()).get_json()
    require_shape(made, "Consignment")
    consignment = f"/consignments/{made['id']}"
    node.wait(lambda: node.get_json(consignment)["state"] == "done", "the verdicts")
    document = node.get_json(passport)["sets"]["1"]
    listed = node.get_json(f"/documents/{document}")["credentialStatus"]
    status = (listed[0] if isinstance(listed, list) else listed)["statusListCredential"].rpartition("/")[2]
    attestation = issued["progress"]["attestations"][0]["digest"]
    governed = GovernedNode(node)
    per_day = governed.decided()["limits"][LIMITS_NAME]
    proposed = governed.propose(governed.limits(per_day + 1))
    partly = node.post_raw("/consignments", b"battery,condition\nx1,new\nx2,old\n", "text/csv").get_json()
    node.wait(lambda: node.get_json(f"/consignments/{partly['id']}")["state"] == "done", "its verdict")
    alert, office = row(1), node.service.stores.office
    with office.writing() as db:
        office.alerts.put(db, alert)
        case = a_case(node, db)
        gone, about = "did:web:gone.example", '[[1, "x", 2]]'
        asked = RequestedRow(0, b"r" * 32, DID, gone, 1, "duties", "so", b"s" * 32, about, "", "", b"")
        office.requested.put(db, asked)
    model = {"name": "a model", "claims": {**claims}, "columns": {}}
    require_shape(node.post_json("/models", model).get_json(), "Model")
    line = json.dumps({"code": CODE, "claims": claims}).encode()
    job = f"/jobs/{node.post_raw('/jobs/issue?gaps=1', line, 'application/x-ndjson').get_json()['id']}"
    node.wait(lambda: node.get_json(job)["state"] == "done", "the job")
    told = node.service.webhooks._webhooks
    told.endpoints = (WebhookEndpoint("mes", URL, frozenset({"job.ended"}), b""),)
    with office.writing() as db:
        told.post(db, "job.ended", "a", {})
    first = node.get_json(f"/batteries/{CODE}")["timeline"][0]["leaf_index"]
    return {
        "/webhooks/<name>/posts": "/webhooks/mes/posts",
        "/supervision/alerts/<alert_id>": f"/supervision/alerts/{b64u(alert.id)}",
        "/supervision/cases/<case_id>": f"/supervision/cases/{case}",
        "/supervision/records/<int:leaf>": f"/supervision/records/{first}",
        "/suppliers.<form>": f"/suppliers.csv?party={DID}",
        "/set-requests/new": f"/set-requests/new?consignment={made['id']}&requirement=MAT-05",
        "/set-requests/<request_id>": f"/set-requests/{b64u(asked.id)}",
        "/jobs/<job_id>": job,
        "/jobs/<job_id>/rows": f"{job}/rows",
        "/jobs/<job_id>/events": f"{job}/events",
        "/jobs/<job_id>/failed": f"{job}/failed",
        "/jobs/<job_id>/labels": f"{job}/labels",
        "/models/<name>": "/models/a model",
        "/welcome/<token>": f"/welcome/{node.service.accounts.first_link()}",
        "/governance/key-uses": f"/governance/key-uses?key={DID}%23attest-1",
        "/governance/proposals/<digest>": f"/governance/proposals/{proposed}",
        "/passports/<digest>": passport,
        "/passports/<digest>/label": f"{passport}/label",
        "/passports/<digest>/label.svg": f"{passport}/label.svg",
        "/attestations/<digest>": f"/attestations/{attestation}",
        "/batteries/<path:identifier>": f"/batteries/{CODE}",
        "/parts/<path:identifier>": f"/parts/{CODE}",
        "/consignments/<consignment_id>": consignment,
        "/supervision/consignments/<consignment_id>": f"/supervision{consignment}",
        "/consignments/<consignment_id>/items/<int:line>": f"{consignment}/items/1",
        "/consignments/<consignment_id>/events": f"{consignment}/events",
        "/manifest.<form>": "/manifest.csv",
        "/columns": "/columns",
        "/consignments/<consignment_id>/left-out.<form>": f"/consignments/{partly['id']}/left-out.csv",
        "/consignments/<consignment_id>/export.<form>": f"{consignment}/export.csv",
        "/consignments/<consignment_id>/readiness.<form>": f"{consignment}/readiness.csv",
        "/consignments/<consignment_id>/evidence": f"{consignment}/evidence",
        "/consignments/<consignment_id>/readiness": f"{consignment}/readiness",
        "/documents/<digest>": f"/documents/{document}",
        "/receipts/<digest>": f"/receipts/{attestation}",
        "/log/tile/<level>/<path:path>": "/log/tile/0/000.p/1",
        "/1.0/identifiers/<path:did>": f"/1.0/identifiers/{DID}",
        "/status/<name>": f"/status/{status}",
        "/status/<name>/versions": f"/status/{status}/versions",
    }


def test_answers_have_the_documented_shape(node: LiveNode) -> None:
    """
    Every address that is read answers 200 with a documented content type and, where it is JSON, the shape
    of its schema.
    """
    known = addresses(node)
    for route in ROUTES:
        leads_on = {answer.status for answer in route.answers} == {303}
        asked = route.rule not in (
            "/test-manifest",
            "/oidc/back",
        )  # test_openid.py comes back from a provider
        if route.method != "GET" or leads_on or not asked:
            continue
        path = known.get(route.rule, route.rule)
        assert "<" not in path, f"the test knows no address for {route.rule}"

        answer = node.get(path)

        assert answer.status_code == 200, (path, answer.text[:300])
        documented = next(a for a in route.answers if a.status == 200)
        assert answer.mimetype in {kind.partition(";")[0] for kind in documented.types}, path
        if documented.schema and answer.mimetype == "application/x-ndjson":
            for line in answer.text.splitlines():
                require_shape(json.loads(line), documented.schema)
        elif documented.schema:
            require_shape(json.loads(answer.text), documented.schema)


def test_answers_have_no_member_that_is_not_described(node: LiveNode) -> None:
    """
    Every answer that is ours validates against its schema closed: a member that a type does not name would
    stand in no description. Documents have their own standards' shape.
    """
    known, looked_at = addresses(node), 0
    for route in ROUTES:
        documented = next((a for a in route.answers if a.status == 200), None)
        if route.method != "GET" or documented is None or documented.schema not in ANSWERS:
            continue
        answer = node.get(known.get(route.rule, route.rule))
        if answer.status_code != 200 or "json" not in str(answer.mimetype):
            continue  # /test-manifest, /enter
        validator = jsonschema_rs.validator_for(closed(schema_document(documented.schema)))
        lines = answer.text.splitlines() if answer.mimetype == "application/x-ndjson" else [answer.text]
        for line in lines:
            errors = [f"{route.rule}: {error.message}" for error in validator.iter_errors(json.loads(line))]
            assert not errors
        looked_at += 1

    assert looked_at >= 15


def test_what_is_made_has_no_member_that_is_not_described(node: LiveNode) -> None:
    """
    The same of answers to what is sent: a passport, a manifest, a scan, a credential, keys and links.
    """
    code = "ZZ1PE75QH00001G640000003"
    made = {
        "IssuedPassport": ("/passports", {"code": code, "claims": sample_claims(node.service, code)}),
        "Consignment": ("/consignments", manifest()),
        "ItemVerdict": ("/clearance", {"battery": CODE, "goods": "battery"}),
        "Verification": ("/credentials/verify", {"verifiableCredential": {"@context": []}}),
        "Key": ("/keys", {"name": "a key", "scopes": ["read"]}),
        "Link": ("/links", {}),
    }
    for name, (path, body) in made.items():
        validator = jsonschema_rs.validator_for(closed(schema_document(name)))
        answer = node.post_json(path, body)
        assert answer.status_code in (200, 201, 202, 400), (path, answer.text[:300])
        assert not [error.message for error in validator.iter_errors(answer.get_json())], name


def test_a_member_that_is_not_described_would_be_found(node: LiveNode) -> None:
    """
    The closed schema refuses an entry of the log with one member too many.
    """
    answer = node.get_json("/log/entries")
    validator = jsonschema_rs.validator_for(closed(schema_document("Entries")))

    assert validator.is_valid(answer)
    assert not validator.is_valid({"entries": [{**answer["entries"][0], "text": "one more"}]})


def test_a_type_is_described_member_by_member() -> None:
    """
    What may be missing is not required, what may be null is told so, words and digests by what they can be;
    a type inside another one, or inside itself, stands once under its name.
    """
    described = schemas()
    verdict, step = described["ItemVerdict"], described["StepRecord"]

    assert "before" in verdict["properties"] and "before" not in verdict["required"]
    assert verdict["properties"]["verdict"]["enum"] == list(ORDER)
    assert verdict["properties"]["checks"] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/CheckAnswer"},
    }
    assert (
        step["properties"]["event_time"] == {"type": ["integer", "null"]} and "rule" not in step["required"]
    )
    assert described["Verification"]["properties"]["credentials"]["items"] == {
        "$ref": "#/components/schemas/VerificationAnswer"
    }
    assert described["PassportRecord"]["required"] == []
    assert described["Consignment"]["properties"]["counts"]["additionalProperties"] == {"type": "integer"}


@pytest.mark.parametrize("name", sorted(schemas()))
def test_each_schema_compiles(name: str) -> None:
    """
    Each named schema is a valid JSON Schema that a validator takes.
    """
    jsonschema_rs.validator_for(schema_document(name))


# Bodies that a standard describes: VC-API 1.0, ToIP TRQP 2.0.
OPEN_BODIES = {
    "StatusRequest",
    "TrqpRequest",
    "IssueCredentialRequest",
    "VerifyCredentialRequest",
    "ProvePresentationRequest",
    "VerifyPresentationRequest",
}


def test_a_member_of_a_body_that_nobody_reads_is_refused(node: LiveNode) -> None:
    """
    Every body of ours is closed: whoever misspells a member is told so. Those of standards are as these say.
    """
    open_ones = {name for name, shape in REQUESTS.items() if shape.get("additionalProperties") is not False}
    order = {"name": "Ana", "scopes": ["read"], "scope": "read"}

    answer = node.client.post("/keys", json=order, headers=node.bearer)

    assert open_ones == OPEN_BODIES
    assert answer.status_code == 400 and "scope" in answer.get_json()["detail"]


def test_one_table_says_who_may_and_how_much() -> None:
    """
    Every body has a limit of 1, 4 or 16 MiB, and every write needs a scope or a signed body; what is read
    without a scope is named here one by one, so that a new route without one is seen.
    """
    for route in ROUTES:
        if route.method == "POST":
            assert route.body is not None, route.rule
            if route.rule in ONLY_ASK:
                assert (route.scopes, route.peer, route.body.size_bytes_max) == ((), False, QUERY_BYTES_MAX)
                continue
            if route.rule in OF_STRANGERS:
                assert (route.scopes, route.body.types, route.body.size_bytes_max) == ((), (FORM,), 16 << 10)
                continue
            assert route.body.size_bytes_max in (BODY_BYTES_MAX, PEER_BODY_BYTES_MAX, MANIFEST_BYTES_MAX), (
                route.rule
            )
            assert bool(route.scopes) != route.peer, route.rule
        else:
            assert route.body is None, route.rule
            assert (not route.scopes) == (route.rule in OPEN), (
                f"{route.rule}: name its scopes, or that it is open"
            )
    assert {r.rule for r in ROUTES if r.body and r.body.size_bytes_max == MANIFEST_BYTES_MAX} == {
        "/consignments",
        "/consignments/<consignment_id>/rows",
        "/find",
        "/jobs/acts",
        "/jobs/issue",
        "/passports/batch",
    }


def test_every_json_that_has_a_shape_refers_to_it() -> None:
    """
    Of an answer, of each line of one and of a body: a reader of the description finds its members.
    """
    paths = describe(ROUTES, version="1", cookie="session")["paths"]
    for route in ROUTES:
        described = paths[openapi_path(route.rule)][route.method.lower()]
        for answer in route.answers:
            for kind, content in described["responses"][str(answer.status)]["content"].items():
                shaped = answer.schema is not None and (kind == "application/vc" or "json" in kind)
                refers = content.get("schema", {}).get("$ref")
                assert refers == (f"#/components/schemas/{answer.schema}" if shaped else None), (route, kind)


def test_words_patterns_and_open_tables_are_described_as_what_they_are() -> None:
    """
    One of some words as an enum, a text of one form as a pattern, a table of anything as an object.
    """
    described = Described()

    assert described._schema(Annotated[str, ("a", "b")]) == {"type": "string", "enum": ["a", "b"]}
    assert described._schema(Annotated[str, "^[0-9]+$"]) == {"type": "string", "pattern": "^[0-9]+$"}
    assert described._schema(dict[str, Any]) == {"type": "object"}
