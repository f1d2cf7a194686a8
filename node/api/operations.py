"""What this node is and how it does: status, health, numbers, what was set aside, who did what."""

from __future__ import annotations

import re

from flask import Response, current_app, request, url_for
from flask.typing import ResponseReturnValue

from node.answers import ConditionAnswer, ReadyAnswer
from node.api.reading import integer_argument
from node.api.reply import client_name, form_sent, json_reply, reply, see, words_for
from node.service import Service
from node.use_cases.access import NAME_CHARS_MAX
from node.use_cases.overview import StatusAnswer

AUDIT_ROWS = 100
METRIC_NAME = re.compile(r"[^a-z0-9_]")


def status(service: Service) -> ResponseReturnValue:
    """What this node is: participant, roles, height, peers, log."""
    words, found = words_for(service), service.overview.status()
    conditions = [words.condition(condition) for condition in service.overview.readiness().conditions]
    shown: StatusAnswer = {
        **found,
        "evidence": [words.fault(fault) for fault in found["evidence"]],
        "conditions": conditions,
        "reasons": _reasons(conditions),
    }
    return reply(shown, "status.html", status=shown, participants=service.overview.participants())


def healthz(service: Service) -> ResponseReturnValue:
    """The process answers."""
    return Response("ok\n", content_type="text/plain; charset=utf-8")


def readyz(service: Service) -> ResponseReturnValue:
    """200 when this node can do its work, 503 with the reasons while it cannot."""
    found = service.overview.readiness()
    words = words_for(service)
    conditions = [words.condition(condition) for condition in found.conditions]
    shown: ReadyAnswer = {"ready": found.ready, "reasons": _reasons(conditions), "conditions": conditions}
    return json_reply(shown, 200 if found.ready else 503)


def _reasons(conditions: list[ConditionAnswer]) -> list[str]:
    """Why the node is not ready, and what to do, in sentences."""
    return [f"{told['text'].rstrip('.')}. {told['next']}" for told in conditions if told["stops"]]


def aside(service: Service) -> ResponseReturnValue:
    """Work that failed unforeseen and waits for the operator."""
    told = {"aside": service.operations.aside(), "inputs": service.operations.inputs()}
    return reply(told, "aside.html", **told)


def try_again(service: Service, number: int) -> ResponseReturnValue:
    """Have one piece of that work tried once more."""
    tried = service.operations.try_again(number, client_name())
    return see(url_for("operations.aside")) if form_sent() else json_reply(tried, 202)


def audit(service: Service) -> ResponseReturnValue:
    """Who did what at this node, newest first."""
    who = request.args.get("who", "")[:NAME_CHARS_MAX]
    rows = service.operations.audit(AUDIT_ROWS, integer_argument("before", None), who)
    return reply({"audit": rows}, "audit.html", audit=rows, more=len(rows) == AUDIT_ROWS, who=who)


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
