"""Issuing: passports, attested events, revocation, and what became of each."""

from __future__ import annotations

import io

import orjson
from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from credentials.documents.canonical import b64u, b64u_decode, parse_json
from credentials.errors import CredentialError
from credentials.ledger.lifecycle import Event
from node.answers import AttestedAnswer, IssuedAnswer, PassportAnswer
from node.api.passport_forms import begin
from node.api.problems import as_problem, page_wanted, problem_document
from node.api.reading import integer_argument, json_body, json_text, raw_body, require_shape, searched
from node.api.reply import form_sent, json_reply, reply, see, words_for
from node.api.route import BODY_BYTES_MAX, JSON, NDJSON
from node.errors import ProblemError, bad_request
from node.issuing.passport_orders import Issued, Order
from node.service import Service
from node.use_cases.passports import IssuedLine
from node.words import Words

PAGE_ROWS = 50
PASSPORT_ACTS = ("passport.suspended", "passport.reinstated", "passport.ban_lifted")  # revoking has its form
BATCH_LINES_MAX = 1_000


def issue_passport(service: Service) -> ResponseReturnValue:
    """Sign a passport and queue its attestations; 201 only when both are on disk."""
    if form_sent():
        return _issue_from_form(service)
    order = json_body("PassportRequest", BODY_BYTES_MAX)
    key = order.get("idempotency_key") or request.headers.get("Idempotency-Key")
    whole = bool(order.get("strict"))
    issued = service.passports.issue(order["claims"], code=order["code"], idempotency_key=key, whole=whole)
    told: IssuedAnswer = {**issued, "progress": words_for(service).passport(issued["progress"])}
    status = 200 if issued.get("repeated") else 201
    answer = Response(
        orjson.dumps(told) + b"\n", status, content_type=JSON
    )  # forty kilobytes, most of it ours
    answer.headers["Location"] = url_for("passports.passport", digest=issued["digest"])
    return answer


def issue_batch(service: Service) -> ResponseReturnValue:
    """Sign the passports that are ordered, one a line: each line of the answer is on disk, or is refused."""
    if "Idempotency-Key" in request.headers:
        told = "a batch takes no Idempotency-Key: give each line its own idempotency_key, or none"
        raise bad_request("batch_malformed", told)
    body = raw_body()
    if not 0 < (count := sum(1 for _ in io.BytesIO(body))) <= BATCH_LINES_MAX:
        told = "a batch has 1 to {most} lines, and this one has {count}"
        raise bad_request("batch_malformed", told, most=BATCH_LINES_MAX, count=count)
    said = words_for(service)
    with service.passports.batch():
        made = service.passports.issue_many(map(_order, io.BytesIO(body)))
        lines = b"".join(orjson.dumps(_line(n, one, said)) + b"\n" for n, one in enumerate(made, 1))
    return Response(lines, content_type=NDJSON)


def _order(text: bytes) -> Order | ProblemError:
    """One line of a batch, or why it is none: that refuses no other."""
    try:
        order = json_text(text.strip(), "PassportRequest", BODY_BYTES_MAX)
    except CredentialError as error:
        return as_problem(error)
    except ProblemError as problem:
        return problem
    return Order(order["claims"], order["code"], order.get("idempotency_key"), bool(order.get("strict")))


def _line(number: int, made: Issued | ProblemError, said: Words) -> IssuedLine:
    if isinstance(made, ProblemError):
        told = problem_document(made, said)
        return IssuedLine(
            line=number, status=made.status, digest=None, battery=None, version=None, problem=told
        )
    return IssuedLine(
        line=number,
        status=200 if made.credentials is None else 201,
        digest=b64u(made.digest),
        battery=made.battery,
        version=made.version,
        problem=None,
    )


def _issue_from_form(service: Service) -> ResponseReturnValue:
    """The same, from the page: the claims are the uploaded file, or else the text field."""
    code = request.form.get("code", "").strip()
    upload = request.files.get("file")
    data = upload.read() if upload and upload.filename else request.form.get("claims", "").encode()
    try:
        if not code:
            raise bad_request("code_missing", "Give the battery's code.")
        claims = parse_json(data, size_bytes_max=BODY_BYTES_MAX)
        order = require_shape({"code": code, "claims": claims}, "PassportRequest")
        whole = not request.form.get("gaps")
        issued = service.passports.issue(order["claims"], code=order["code"], whole=whole)
    except (ProblemError, CredentialError) as error:
        if not page_wanted():
            raise
        problem = as_problem(error)
        text = data.decode("utf-8", "replace")  # to be looked at: what is signed is never mended
        return begin(service, problem, code=code, claims=text)
    return see(url_for("passports.passport", digest=issued["digest"]))


def passports(service: Service) -> ResponseReturnValue:
    """Passports issued by this node, newest first, each with its progress; `q`: those with these words."""
    told = words_for(service).passport
    q, words = searched()
    found = service.passports.page(PAGE_ROWS, integer_argument("before", None), words)
    rows = [told(row) for row in found]
    return reply({"passports": rows}, "passports.html", passports=rows, more=len(rows) == PAGE_ROWS, q=q)


def passport(service: Service, digest: str) -> ResponseReturnValue:
    """One passport of this node: signed, recorded, proof of record ready."""
    progress = words_for(service).passport(service.passports.passport(digest))
    return reply(progress, "passport.html", progress=progress, acts=_acts_about(service, progress))


def _acts_about(service: Service, progress: PassportAnswer) -> list[Event]:
    """What this participant may say of its passport in the state in which the battery is."""
    if progress["attested"] != "admitted" or not page_wanted():
        return []
    return [one for one in service.acts.offered(progress["battery"]).events if one.type in PASSPORT_ACTS]


def revoke(service: Service, digest: str) -> ResponseReturnValue:
    """Revoke one passport of this node: the ledger first, then its status list."""
    if form_sent():
        service.passports.revoke(digest, request.form.get("reason", "").strip()[:512] or "no reason given")
        return see(url_for("passports.passport", digest=digest))
    order = json_body("RevokeRequest", BODY_BYTES_MAX)
    return json_reply(words_for(service).progress(service.passports.revoke(digest, order["reason"])))


def attest(service: Service) -> ResponseReturnValue:
    """Attest one event of the lifecycle about one battery."""
    order = json_body("AttestationRequest", BODY_BYTES_MAX)
    attested = service.passports.attest(
        order["event"],
        order["battery"],
        order.get("members", {}),
        vin=order.get("vin"),
        event_time=order.get("event_time"),
    )
    if "draft" in attested:
        return json_reply(attested)  # nothing is stored: a second party has to countersign it first
    told: AttestedAnswer = {**attested, "progress": words_for(service).progress(attested["progress"])}
    answer = json_reply(told, 200 if attested.get("repeated") else 201)
    answer.headers["Location"] = url_for("passports.attestation", digest=attested["digest"])
    return answer


def countersign(service: Service) -> ResponseReturnValue:
    """Agree to another party's draft of an attestation, with this participant's key."""
    return json_reply(
        service.passports.countersign(json_body("CountersignRequest", BODY_BYTES_MAX)["draft"]), 201
    )


def attestation(service: Service, digest: str) -> ResponseReturnValue:
    """What became of one attestation of this node."""
    found = service.passports.attestation(digest)
    told = words_for(service).progress(found)
    return reply(
        told, "attestation.html", row=told, expires=service.acts.expires(found), by=_author(service, digest)
    )


def _author(service: Service, digest: str) -> str:
    """Who of this participant made it, for whoever works here."""
    return service.operations.author(b64u_decode(digest))


def cancel(service: Service, digest: str) -> ResponseReturnValue:
    """Send an attestation of this node no more."""
    return json_reply(words_for(service).progress(service.passports.cancel(digest)))


def events(service: Service) -> ResponseReturnValue:
    """The events that can be attested, with their members and attesters."""
    return json_reply({"events": service.passports.events()})
