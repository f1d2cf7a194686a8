"""What this node is and how it does: status, health, metrics, one-time links, the description of this API."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, current_app, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import MethodNotAllowed

from node.api.access import cookie_name
from node.api.reading import json_body
from node.api.reply import json_reply, reply, see
from node.api.route import BODY_BYTES_MAX
from node.service import Service
from node.supervision.readiness import Condition
from node.web.words import condition_text

SESSION_S = 12 * 3600
PAGE_SCOPES = ("read", "issue", "verify", "clear")  # what a person at the pages may do, unless said otherwise
METRIC_NAME = re.compile(r"[^a-z0-9_]")
LOCAL_PATH = re.compile(r"/(?:[A-Za-z0-9_.~-][A-Za-z0-9_.~/?=&-]*)?")


def status(service: Service) -> ResponseReturnValue:
    """What this node is: participant, roles, height, peers, log."""
    conditions = [_told(condition) for condition in service.overview.readiness().conditions]
    shown = {**service.overview.status(), "conditions": conditions, "reasons": _reasons(conditions)}
    return reply(shown, "status.html", status=shown, participants=service.overview.participants())


def healthz(service: Service) -> ResponseReturnValue:
    """The process answers."""
    return Response("ok\n", content_type="text/plain; charset=utf-8")


def readyz(service: Service) -> ResponseReturnValue:
    """200 when this node can do its work, 503 with the reasons while it cannot."""
    found = service.overview.readiness()
    conditions = [_told(condition) for condition in found.conditions]
    shown = {"ready": found.ready, "reasons": _reasons(conditions), "conditions": conditions}
    return json_reply(shown, 200 if found.ready else 503)


def _told(condition: Condition) -> dict[str, Any]:
    """{code, stops, since, parameters, text}: for programs, with the sentence for people."""
    return {
        "code": condition.code,
        "stops": condition.stops,
        "since": condition.since,
        "parameters": dict(condition.parameters),
        "text": condition_text(condition),
    }


def _reasons(conditions: list[dict[str, Any]]) -> list[str]:
    """Why the node is not ready, in sentences."""
    return [told["text"] for told in conditions if told["stops"]]


def metrics(service: Service) -> ResponseReturnValue:
    """Numbers for Prometheus (text format 0.0.4)."""
    lines = []
    for name, value in sorted(service.overview.metrics().items()):
        metric = METRIC_NAME.sub("_", name.lower())
        kind = "counter" if metric.endswith("_total") else "gauge"
        lines += [f"# TYPE {metric} {kind}", f"{metric} {float(value):.17g}"]
    return Response("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")


def openapi(service: Service) -> ResponseReturnValue:
    """This description, made from the table of routes."""
    return json_reply(current_app.config["OPENAPI"], content_type="application/vnd.oai.openapi+json")


def open_link(service: Service) -> ResponseReturnValue:
    """A link that lets one person in once, within 24 hours."""
    order = json_body("LinkRequest", BODY_BYTES_MAX)
    token = service.access.open_link(tuple(order.get("scopes", PAGE_SCOPES)), order.get("next", "/"))
    path = url_for("operations.enter", token=token)
    return json_reply({"url": request.host_url.rstrip("/") + path, "path": path, "token": token}, 201)


def enter(service: Service, token: str) -> ResponseReturnValue:
    """Turn a one-time link into the cookie of a session and go to its page."""
    if request.method != "GET":
        raise MethodNotAllowed(["GET"])  # what only looks (HEAD) must not use the link up
    session = service.access.enter(token)
    target = session.next if LOCAL_PATH.fullmatch(session.next) else "/"
    response = see(target)
    response.set_cookie(
        cookie_name(service),
        session.cookie or "",
        max_age=SESSION_S,
        httponly=True,
        samesite="Strict",
        secure=request.is_secure,
        path="/",
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
