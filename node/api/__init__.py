"""The HTTP edge of a node: `create_app(service)` registers the table of routes, and nothing else."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from flask import Flask, Response, g, request
from werkzeug.routing import IntegerConverter, Map

from consensus.encoding import INTEGER_MAX
from node.api import access, problems
from node.api.openapi import describe
from node.api.reading import raw_body
from node.api.route import BODY_BYTES_MAX, FORM, FORM_FIELDS_MAX, FORM_PARTS_MAX, Route
from node.api.table import ROUTES
from node.config import VERSION
from node.errors import ProblemError
from node.log import moment
from node.server.exchange import Door
from node.server.feeds import Feed
from node.service import Service
from node.web.labels import install_words

WEB = Path(__file__).resolve().parent.parent / "web"

# Pages load only what this node serves, run no inline script, and are framed by nobody.
# Referrer-Policy is `same-origin`, not `no-referrer`: under the latter browsers send `Origin: null` with
# our own forms, and the check of where a write comes from would have nothing to read. Other sites get no
# referrer under either.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}


class Number(IntegerConverter):
    """A number in an address that JSON and SQLite can hold (RFC 7493, 2.2); a larger one names nothing."""

    def __init__(self, map: Map, max: int = INTEGER_MAX) -> None:
        super().__init__(map, max=max)


def create_app(service: Service) -> Flask:
    """The WSGI application of one node."""
    app = Flask(__name__, template_folder=str(WEB / "templates"), static_folder=str(WEB / "static"))
    app.config["MAX_FORM_PARTS"] = FORM_PARTS_MAX
    app.url_map.converters["int"] = Number
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.url_map.merge_slashes = False  # a battery's identifier may be a link, with its two slashes
    app.config["OPENAPI"] = describe(ROUTES, version=VERSION, cookie=access.cookie_name(service))
    table: dict[str, Route] = {}
    for route in ROUTES:
        assert route.endpoint not in table, f"{route.endpoint} is in the table twice"
        table[route.endpoint] = route
        app.add_url_rule(
            route.rule,
            route.endpoint,
            partial(route.view, service),
            methods=[route.method],
            strict_slashes=True,
        )
    app.config["ROUTES"] = ROUTES
    install_words(app, service)
    problems.install(app, service.words)

    @app.before_request
    def _admit() -> None:
        g.session = None
        access.require_own_host(service)
        if request.endpoint is None or request.endpoint == "static":
            access.look_up(service)  # the page that says so is one of theirs
            return
        route = table[request.endpoint]
        _limit_body(route)
        access.admit(service, route)
        _require_content_type(route)
        _limit_fields(route)

    @app.after_request
    def _headers(response: Response) -> Response:
        if isinstance(feed := response.response, Feed):
            response.response = access.while_admitted(service, table[request.endpoint or ""], feed)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Vary", "Accept, Accept-Language, Authorization, Cookie")
        if (language := g.get("language")) is not None:
            response.headers.setdefault("Content-Language", language)
        if response.mimetype == "text/html":
            moment("page", route=request.endpoint, status=response.status_code)
        return response

    return app


def door_of(service: Service) -> Door:
    """Whom the server of this node knows: asked before a request reaches the application."""
    return Door(
        own_host=service.hosts.admit,
        knows=partial(access.known_as, service),
        peers=service.peers,
        lanes=service.lanes,
    )


def _limit_body(route: Route) -> None:
    """Refuse a body beyond the route's limit before reading it."""
    limit = route.body.size_bytes_max if route.body else BODY_BYTES_MAX
    if request.mimetype == FORM:  # to undo its escapes takes eighty times its size: large ones come in parts
        limit = min(limit, BODY_BYTES_MAX)
    request.max_content_length = limit
    request.max_form_memory_size = limit
    if request.content_length is not None and request.content_length > limit:
        raise ProblemError(
            413,
            "too_large",
            "Content too large",
            "The body has {size} bytes; this address takes at most {most}.",
            size=request.content_length,
            most=limit,
        )


def _limit_fields(route: Route) -> None:
    """Refuse a form of more fields than that of this address has, before they are made into objects."""
    most = route.body.fields_max if route.body is not None else FORM_FIELDS_MAX
    if request.mimetype == FORM and raw_body().count(b"&") >= most:
        told = "A form has at most {most} fields, and this one has more."
        raise ProblemError(413, "too_many_fields", "Content too large", told, most=most)


def _require_content_type(route: Route) -> None:
    if request.method == route.method and route.body is not None and request.mimetype not in route.body.types:
        raise ProblemError(
            415,
            "wrong_content_type",
            "Unsupported media type",
            "Send the body as {types:or}.",
            types=tuple(route.body.types),
        )
