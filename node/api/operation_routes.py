"""The routes of running a node, a part of the table: how it is, what was set aside, who may and who is in."""

from __future__ import annotations

from node.api import keys, operations
from node.api.route import FORM, HTML, JSON, MULTIPART, TEXT, Body, Route, RouteAnswer

OPERATE = ("operate",)
ANYBODY = ("read", "operate", "clear", "issue", "govern", "verify")
JSON_OR_PAGE = (JSON, HTML)
JSON_OR_FORM = (JSON, FORM, MULTIPART)
PROMETHEUS = "text/plain; version=0.0.4"
SEEN = RouteAnswer(303, None, (HTML,), "A form was sent: see the page named by Location.")


def _shown(schema: str, types: tuple[str, ...] = JSON_OR_PAGE) -> tuple[RouteAnswer, ...]:
    return (RouteAnswer(200, schema, types, "As asked."),)


OPERATIONS = (
    Route("GET", "/status", operations.status, "What this node is", _shown("Status")),
    Route(
        "GET", "/healthz", operations.healthz, "The process answers", (RouteAnswer(200, None, (TEXT,), "ok"),)
    ),
    Route(
        "GET",
        "/readyz",
        operations.readyz,
        "This node can do its work",
        (
            RouteAnswer(200, "Ready", text="Ready."),
            RouteAnswer(503, "Ready", text="Not ready, with the reasons."),
        ),
    ),
    Route(
        "GET",
        "/metrics",
        operations.metrics,
        "Numbers (Prometheus)",
        (RouteAnswer(200, None, (PROMETHEUS,), "Numbers."),),
    ),
    Route(
        "GET",
        "/openapi.json",
        operations.openapi,
        "This description",
        _shown("Document", ("application/vnd.oai.openapi+json",)),
    ),
    Route(
        "GET",
        "/operations/aside",
        operations.aside,
        "Work that failed unforeseen and was set aside",
        _shown("Aside"),
        OPERATE,
    ),
    Route(
        "POST",
        "/operations/aside/<int:number>/again",
        operations.try_again,
        "Have one piece of it tried once more",
        (RouteAnswer(202, "AsideItem", text="It will be tried."), SEEN),
        OPERATE,
        Body("Nothing", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/operations/audit",
        operations.audit,
        "Who did what at this node, newest first",
        _shown("Audit"),
        OPERATE,
        query=("before",),
    ),
    # -- who may ---------------------------------------------------------------------------------------
    Route("GET", "/keys", keys.keys, "Keys and sessions", _shown("Keys"), OPERATE),
    Route(
        "POST",
        "/keys",
        keys.grant,
        "Make a bearer key, with scopes of your own",
        (RouteAnswer(201, "Key", text="Its secret is shown this once."),),
        OPERATE,
        Body("KeyRequest"),
    ),
    Route(
        "POST",
        "/keys/revoke",
        keys.revoke,
        "End a key, its sessions and its links",
        (*_shown("Revoked", (JSON,)), SEEN),
        OPERATE,
        Body("RevokeKeyRequest", (JSON, FORM)),
    ),
    Route(
        "POST",
        "/links",
        keys.open_link,
        "Make a one-time link for a page",
        (RouteAnswer(201, "Link", text="Valid once, for 24 hours."),),
        OPERATE,
        Body("LinkRequest"),
    ),
    Route(
        "GET",
        "/enter/<token>",
        keys.enter,
        "Enter by a one-time link",
        (RouteAnswer(303, None, (HTML,), "Entered: the cookie is set, see Location."),),
    ),
    Route(
        "POST",
        "/leave",
        keys.leave,
        "Sign out",
        (RouteAnswer(303, None, (HTML,), "The session has ended."),),
        ANYBODY,
        Body("Nothing", JSON_OR_FORM),
    ),
)
