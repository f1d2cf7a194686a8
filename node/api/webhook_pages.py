"""Webhooks: who is told, what was given up, what was said to one endpoint, sent once more."""

from __future__ import annotations

from flask import request, url_for
from flask.typing import ResponseReturnValue

from node.api.reading import integer_argument
from node.api.reply import client_name, form_sent, json_reply, reply, see
from node.errors import bad_request
from node.service import Service
from node.storage.webhook_posts import DEAD, SENT, WAITS

POSTS_AT_ONCE_MAX = 1_000
STATES = (WAITS, SENT, DEAD)


def webhooks(service: Service) -> ResponseReturnValue:
    """Endpoints, and the newest posts that were given up."""
    told = service.webhooks.show()
    return reply(told, "webhooks.html", **told)


def posts(service: Service, name: str) -> ResponseReturnValue:
    """What was said to one endpoint, in order, from behind number `after`: how a gap is filled."""
    state = request.args.get("state") or None
    if state is not None and state not in STATES:
        raise bad_request("bad_argument", "`state` is one of {states}", states=STATES)
    limit = integer_argument("limit", 100, largest=POSTS_AT_ONCE_MAX) or 1
    return json_reply({"posts": service.webhooks.posts(name, state, integer_argument("after", 0), limit)})


def again(service: Service, name: str) -> ResponseReturnValue:
    """Send what was given up once more: all of it, or the post of one number."""
    found = service.webhooks.again(name, integer_argument("number", None), client_name())
    return see(url_for("webhook_pages.webhooks")) if form_sent() else json_reply({"again": found}, 202)
