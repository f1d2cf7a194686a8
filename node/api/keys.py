"""Who may use this node: keys and sessions listed, made and revoked; one-time links; signing in and out."""

from __future__ import annotations

import re

from flask import current_app, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response

from node.api.access import cookie_name, own_origin
from node.api.destinations import require_open
from node.api.reading import json_body
from node.api.reply import form_sent, json_reply, reply, see, session
from node.api.route import BODY_BYTES_MAX
from node.service import Service
from node.use_cases.access import SESSION_S, Session

LOCAL_PATH = re.compile(r"/(?:[A-Za-z0-9_.~-][A-Za-z0-9_.~/?=&-]*)?")


def _asking() -> Session:
    found = session()
    assert found is not None, "a route with scopes has a session"
    return found


def keys(service: Service) -> ResponseReturnValue:
    """Every key without its secret, and the sessions of the pages."""
    told = {"keys": service.access.listing(), "sessions": service.access.sessions()}
    return reply(told, "keys.html", **told)


def grant(service: Service) -> ResponseReturnValue:
    """A new bearer key with scopes that the asker holds; its secret is shown this once."""
    order = json_body("KeyRequest", BODY_BYTES_MAX)
    return json_reply(service.access.grant(_asking(), order["name"], tuple(order["scopes"])), 201)


def revoke(service: Service) -> ResponseReturnValue:
    """End every key and session of a name, and the sessions that its links opened."""
    name = (
        request.form.get("name", "") if form_sent() else json_body("RevokeKeyRequest", BODY_BYTES_MAX)["name"]
    )
    ended, sessions = service.access.revoke(_asking(), name)
    if form_sent():
        return see(url_for("keys.keys"))
    return json_reply({"name": name, "keys": ended, "sessions": sessions})


def open_link(service: Service) -> ResponseReturnValue:
    """A link that lets one person in once, within 24 hours."""
    order = json_body("LinkRequest", BODY_BYTES_MAX)
    asked = order.get("scopes")
    scopes = service.access.link_scopes(_asking(), None if asked is None else tuple(asked))
    page = order.get("next", "/")
    require_open(page, scopes, current_app.config["ROUTES"])
    token = service.access.open_link(_asking(), scopes, page, order.get("name"))
    path = url_for("keys.enter", token=token)
    return json_reply({"url": own_origin(service) + path, "path": path, "token": token}, 201)


def enter(service: Service, token: str) -> ResponseReturnValue:
    """Turn a one-time link into the cookie of a session and go to its page."""
    if request.method != "GET":
        raise MethodNotAllowed(["GET"])  # what only looks (HEAD) must not use the link up
    found = service.access.enter(token)
    target = found.next if LOCAL_PATH.fullmatch(found.next) else "/"
    return with_cookie(service, see(target), found)


def over_https(service: Service) -> bool:
    """Whether whoever asks sees this node under HTTPS: a cookie then goes no other way."""
    return own_origin(service).startswith("https:")


def with_cookie(service: Service, response: Response, opened: Session) -> Response:
    """The answer that signs somebody in; where it came from is told to nobody, for it may name a link."""
    response.set_cookie(
        cookie_name(service),
        opened.cookie or "",
        max_age=SESSION_S,
        httponly=True,
        samesite="Strict",
        secure=over_https(service),
        path="/",
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def leave(service: Service) -> ResponseReturnValue:
    """Sign out: the session ends here, and the browser forgets its cookie."""
    cookie = request.cookies.get(cookie_name(service))
    if cookie:
        service.access.leave(cookie)
    response = see("/")
    response.delete_cookie(cookie_name(service), path="/", samesite="Strict", httponly=True)
    return response
