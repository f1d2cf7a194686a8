"""Issuing: passports, attested events, revocation, and what became of each."""

from __future__ import annotations

import json

from flask import request, url_for
from flask.typing import ResponseReturnValue

from credentials.documents.canonical import parse_json
from credentials.errors import CredentialError
from node.answers import AttestedAnswer, IssuedAnswer
from node.api.problems import page_wanted
from node.api.reading import integer_argument, json_body, require_shape, searched
from node.api.reply import form_sent, json_reply, page, reply, see, words_for
from node.api.route import BODY_BYTES_MAX
from node.errors import ProblemError, bad_request
from node.service import Service
from node.web.sample import propose_code, sample_claims

PAGE_ROWS = 50


def issue_passport(service: Service) -> ResponseReturnValue:
    """Sign a passport and queue its attestations; 201 only when both are on disk."""
    if form_sent():
        return _issue_from_form(service)
    order = json_body("PassportRequest", BODY_BYTES_MAX)
    key = order.get("idempotency_key") or request.headers.get("Idempotency-Key")
    whole = bool(order.get("strict"))
    issued = service.passports.issue(order["claims"], code=order["code"], idempotency_key=key, whole=whole)
    told: IssuedAnswer = {**issued, "progress": words_for(service).passport(issued["progress"])}
    answer = json_reply(told, 200 if issued.get("repeated") else 201)
    answer.headers["Location"] = url_for("passports.passport", digest=issued["digest"])
    return answer


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
        status = error.status if isinstance(error, ProblemError) else 400
        text = data.decode("utf-8", "replace")  # to be looked at: what is signed is never mended
        return page("passport_new.html", status, code=code, claims=text, problem=str(error))
    return see(url_for("passports.passport", digest=issued["digest"]))


def new_passport(service: Service) -> ResponseReturnValue:
    """The form, filled with the shipped sample; `?code=` fills it for that code."""
    code = request.args.get("code", "").strip() or propose_code(service)
    problem = None
    try:
        claims = json.dumps(sample_claims(service, code), ensure_ascii=False, indent=1)
    except (ProblemError, ValueError) as error:
        claims, problem = "", str(error)
    return page("passport_new.html", code=code, claims=claims, problem=problem)


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
    return reply(progress, "passport.html", progress=progress)


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
    return json_reply(words_for(service).progress(service.passports.attestation(digest)))


def cancel(service: Service, digest: str) -> ResponseReturnValue:
    """Send an attestation of this node no more."""
    return json_reply(words_for(service).progress(service.passports.cancel(digest)))


def events(service: Service) -> ResponseReturnValue:
    """The events that can be attested, with their members and attesters."""
    return json_reply({"events": service.passports.events()})
